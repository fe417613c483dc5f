"""Slips that any value may have: turned over, moved by one, the wrong sign, times or over a size, some rows only.

Each says what the answer would be on every case if that were the mistake. An answer that agrees on all of them gets its
sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.asks.model import Expected
from autograder.asks.observing import AskCase, Mode
from autograder.asks.recorded import Planted
from autograder.verdict import Mistake

Change = Callable[[Tensor, Mapping[str, int]], Tensor | None]
"""What a slip makes of the right tensor, in a case with these sizes; None where it makes nothing of it."""


def _turned(right: Tensor, sizes: Mapping[str, int]) -> Tensor | None:
    return right.T if right.dim() == 2 else None


def _moved(right: Tensor, sizes: Mapping[str, int]) -> Tensor | None:
    return right.roll(1, -1) if right.dim() else None


def _moved_back(right: Tensor, sizes: Mapping[str, int]) -> Tensor | None:
    return right.roll(-1, -1) if right.dim() else None


def _first_row(right: Tensor, sizes: Mapping[str, int]) -> Tensor | None:
    if right.dim() < 2:
        return None
    kept = torch.zeros_like(right)
    kept[0] = right[0]
    return kept


def _scaled(name: str, power: int) -> Change:
    return lambda right, sizes: right * float(sizes[name]) ** power


FIXED: Mapping[str, tuple[Mistake, str, Change]] = {
    "The sign is wrong everywhere.": (
        Mistake.SIGN,
        "Look for a minus that is missing, or one too many.",
        lambda right, sizes: -right,
    ),
    "Rows and columns are the wrong way round.": (Mistake.AXIS, "Look at which of the two should come first.", _turned),
    "Everything is one place too late.": (Mistake.PLACES, "Look at where the first entry belongs.", _moved),
    "Everything is one place too early.": (Mistake.PLACES, "Look at where the first entry belongs.", _moved_back),
    "Only the first row is right, all others are zero.": (Mistake.ROWS, "Do the same for every row.", _first_row),
    "Every entry is too large by 1.": (
        Mistake.CONSTANT,
        "Look for the place where 1 is added.",
        lambda right, sizes: right + 1,
    ),
    "Every entry is too small by 1.": (
        Mistake.CONSTANT,
        "Look for the place where 1 is subtracted.",
        lambda right, sizes: right - 1,
    ),
}
"""Slips by what is said of them: what they are, the next step, and what they make of what is right."""

ARITHMETIC = frozenset({Mistake.SIGN, Mistake.CONSTANT})
"""Slips in numbers, which there are none of in truth values."""

SLIPS: Mapping[str, Mistake] = {sentence: mistake for sentence, (mistake, _, _) in FIXED.items()}


def slips(right: Sequence[Any], cases: Sequence[AskCase]) -> Iterator[Planted]:
    """The slips for an ask whose answer is a tensor. `right` is what is right on each of the cases."""
    tensors = [each.exact if isinstance(each, Expected) else each for each in right]
    if not all(isinstance(each, Tensor) for each in tensors) or any(case.mode is not Mode.VALUE for case in cases):
        return
    named = {dim for each in cases[0].ask.drawn for dim in (*each.dims, each.name) if isinstance(dim, str)}
    sizes = [{name: value for name, value in case.values.items() if name in named and type(value) is int} for case in cases]
    are_truths = any(each.dtype == torch.bool for each in tensors)
    changes = [
        (sentence, step, change)
        for sentence, (mistake, step, change) in FIXED.items()
        if not (are_truths and mistake in ARITHMETIC)
    ]
    for name in (name for name in sizes[0] if not are_truths and all(its.get(name, 0) > 0 for its in sizes)):
        changes.append(
            (f"It is `{name}` times what it should be.", "Ask whether it should be a sum or a mean.", _scaled(name, 1))
        )
        changes.append(
            (f"It is what it should be, divided by `{name}`.", "Ask whether it should be a sum or a mean.", _scaled(name, -1))
        )
    for sentence, step, change in changes:
        outcomes = [change(each, its) for each, its in zip(tensors, sizes, strict=True)]
        if all(isinstance(each, Tensor) for each in outcomes):
            yield Planted(sentence, step, tuple(_as_answered(one, other) for one, other in zip(outcomes, right, strict=True)))


def _as_answered(outcome: Tensor | None, right: Any) -> Any:
    """A tensor in the dtype that an answer has."""
    assert outcome is not None
    return outcome.float() if isinstance(right, Expected) or outcome.is_floating_point() else outcome
