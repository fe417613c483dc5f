"""Holding an answer to an ask against what is right: values of any form, entry by entry.

Tensors of floating-point numbers are compared as gradients are. What the values may be off by comes with what is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.asks.model import Expected
from autograder.asks.observing import SPREAD, UNDECIDED, Mode, moments_off, surprise
from autograder.asks.recorded import ENDLESS, STOPS
from autograder.judge.comparison import COARSEST, Difference, Words, compare, wrong_in
from autograder.judge.wording import listed
from autograder.replay.form import dtype_name, form_of
from autograder.verdict import Mistake

FEW = 3
"""Members of a set that are listed."""
MAX_STRING = 24
"""Characters of a string that is shown."""
NUMBER_TOLERANCE = 1e-5
"""How far off a Python number may be, relative to it: float32 has been on the way to many."""
OF_SEVERAL = "Make one tensor of its parts, by `torch.tensor` or `torch.stack`."
WORDS = Words(
    types={
        "float": "Leave it a tensor: `.item()` makes a number of Python of it.",
        "list": OF_SEVERAL,
        "tuple": OF_SEVERAL,
        "NoneType": "Is a `return` missing?",
    }
)
DTYPES = {
    torch.int64: ("an index has to be a whole number of this type", "Convert it with `.long()`."),
    torch.bool: ("each entry says yes or no", "Get it from a comparison, as in `x > 0`."),
}
"""Why a tensor has to be of this dtype, and how it becomes one."""
COUNTS = ("it holds counts", "Convert it with `.long()`.")
"""The same for all others."""


@dataclass(frozen=True)
class Place:
    """An entry of a value: the way to it, and what is there and should be."""

    path: str
    seen: str
    expected: str


def difference(answer: Any, right: Any, path: str = "") -> Difference | None:
    """How an answer differs from what is right; None where it does not. `path` is where in the whole answer this stands."""
    if answer is UNDECIDED or (isinstance(answer, str) and answer == UNDECIDED):
        diagnosis = "Its results differ, and here only one is possible."
        step = "Look at what it is given: does it use all of that?"
        return None if right == UNDECIDED else Difference("undecided", diagnosis, UNDECIDED, "the same each time", step)
    match right:
        case Expected():
            found = compare(answer, right, WORDS)
        case Tensor():
            found = _whole_numbers(answer, right)
        case list() | tuple():
            return _sequence(answer, right, path)
        case dict():
            return _mapping(answer, right, path)
        case set() | frozenset():
            found = _set(answer, right)
        case bool() | str() | None:
            found = _plain(answer, right)
        case int() | float():
            found = _number(answer, right)
        case _:
            found = _type(answer, f"`{type(right).__name__}`")
    if found is not None and path and found.diagnosis.startswith(("It ", "The ")):
        return replace(found, diagnosis=f"{path}: {lowered(found.diagnosis)}")
    return found


def _type(answer: Any, expected: str) -> Difference:
    kind = type(answer).__name__
    article = "" if answer is None else "a "
    seen = "nothing (`None`)" if answer is None else f"{article}`{kind}`"
    advice = "Is a `return` missing?" if answer is None else ""
    return Difference("type", f"It is {seen}, not {expected}.", f"type `{kind}`", expected, advice, Mistake.TYPE)


def _whole_numbers(answer: Any, right: Tensor) -> Difference | None:
    """Compares with a tensor of integers or of truth values. An index has to be int64; counts may have any dtype but bool."""
    shape = tuple(right.shape)
    if form := form_of(answer, right.device.type):
        return Difference(
            "type", f"It is {form}, not an ordinary dense tensor.", form, f"a tensor of shape {shape}", "", Mistake.TYPE
        )
    if not isinstance(answer, Tensor):
        return _type(answer, f"a tensor of shape {shape}")
    if tuple(answer.shape) != shape:
        seen = f"shape {tuple(answer.shape)}"
        return Difference("shape", "The shape is wrong.", seen, f"shape {shape}", "", Mistake.SHAPE)
    is_index = right.dtype in (torch.int64, torch.bool)
    if (is_index and answer.dtype != right.dtype) or (not is_index and answer.dtype == torch.bool) or answer.is_complex():
        wanted = dtype_name(right.dtype) if is_index else "numbers"
        why, step = DTYPES.get(right.dtype, COUNTS)
        diagnosis = f"It is of {dtype_name(answer.dtype)}, and should be of {wanted}: {why}."
        return Difference("dtype", diagnosis, f"a tensor of {answer.dtype}", wanted, step, Mistake.DTYPE)
    if answer.is_floating_point() and torch.finfo(answer.dtype).eps > COARSEST:
        diagnosis = f"It is of {dtype_name(answer.dtype)}, which has too few digits to count far."
        step = "Convert it with `.long()` or `.float()` before you count."
        return Difference("dtype", diagnosis, f"a tensor of {answer.dtype}", "int64 or float32", step, Mistake.DTYPE)
    values = answer.detach().as_subclass(Tensor).double()
    wrong = values != right.double()
    if not bool(wrong.any()):
        return None
    diagnosis = wrong_in(int(wrong.sum()), values.numel())
    return Difference("values", diagnosis, "", "", off=(values - right.double()).abs().nan_to_num(nan=math.inf) * 2)


def _sequence(answer: Any, right: Sequence[Any], path: str) -> Difference | None:
    if not isinstance(answer, list | tuple):
        return _type(answer, "a list or a tuple")
    if len(answer) != len(right):
        seen, expected = (_counted(len(each), "entry", "entries") for each in (answer, right))
        where = f"{path} has" if path else "It has"
        return Difference("length", f"{where} {seen}, and should have {expected}.", seen, expected, "", Mistake.SHAPE)
    places = (
        difference(one, other, f"{path}[{place}]" if path else f"Entry {place}")
        for place, (one, other) in enumerate(zip(answer, right, strict=True))
    )
    return next(filter(None, places), None)


def _mapping(answer: Any, right: Mapping[Any, Any], path: str) -> Difference | None:
    if not isinstance(answer, dict):
        return _type(answer, "a dictionary")
    if answer.keys() != right.keys():
        lacks = [repr(key) for key in right if key not in answer]
        diagnosis = f"It lacks the key {lacks[0]}." if lacks else "It has too many keys."
        seen, expected = (_counted(len(each), "key", "keys") for each in (answer, right))
        return Difference("length", diagnosis, seen, expected, "", Mistake.SHAPE)
    places = (difference(answer[key], right[key], f"{path}[{key!r}]" if path else f"Entry {key!r}") for key in right)
    return next(filter(None, places), None)


def _set(answer: Any, right: Set[Any]) -> Difference | None:
    if not isinstance(answer, set | frozenset):
        return _type(answer, "a set")
    if answer == right:
        return None
    lacking, extra = right - answer, answer - right
    if lacking:
        diagnosis = f"It lacks {_listed(lacking) if len(lacking) <= FEW else f'{len(lacking)} members'}."
    else:
        diagnosis = f"It should not have {_listed(extra)}." if len(extra) <= FEW else f"It has {len(extra)} members too many."
    return Difference("values", diagnosis, _listed(answer), _listed(right))


def _listed(values: Set[Any]) -> str:
    return listed([f"`{value}`" for value in sorted(map(str, values))]) if values else "nothing"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _plain(answer: Any, right: Any) -> Difference | None:
    if type(answer) is not type(right):
        names = {str: "a string", bool: "`True` or `False`", type(None): "`None`"}
        return _type(answer, names[type(right)])
    if answer == right:
        return None
    return Difference("values", "The value is wrong.", f"{answer!r}", f"{right!r}")


def _number(answer: Any, right: float) -> Difference | None:
    if isinstance(answer, Tensor) and not form_of(answer) and answer.dim() == 0 and answer.dtype != torch.bool:
        answer = answer.item()
    if isinstance(answer, np.generic | np.ndarray) and answer.ndim == 0:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return _type(answer, "a number")
    if math.isclose(answer, right, rel_tol=NUMBER_TOLERANCE if isinstance(right, float) else 0.0):
        return None
    return Difference("values", "The number is wrong.", f"{answer:.6g}", f"{right:.6g}")


def observed_difference(mode: Mode, answer: Any, right: Any) -> Difference | None:
    """How what was observed of an answer differs from what is right."""
    match mode:
        case Mode.VALUE:
            return difference(answer, right)
        case Mode.YIELDS:
            label, found = next(yields_off(answer, right), ("", None))
            return found and replace(found, diagnosis=f"{label}: {lowered(found.diagnosis)}")
        case Mode.OFTEN:
            return _often(answer, right)
        case Mode.SEEDS:
            return _seeds(answer, right)


def yields_off(answer: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[tuple[str, Difference]]:
    """The labels under which a drill yields something else, in their order, with how it differs."""
    for label, value in right.items():
        if label not in answer:
            yield label, Difference("stops", "It stops before that.", "nothing", "a value")
        elif found := _yield_off(answer[label], value):
            yield label, found
    yield from ((label, Difference("stops", "It stops there.", "", "")) for label in answer if label not in right)


def _yield_off(answer: Any, right: Any) -> Difference | None:
    match answer, right:
        case {"spread": list(seen)}, {"spread": list(expected)}:
            return _often(seen, expected)
        case _, {"spread": [{"shape": shape}]}:
            return _type(answer, f"a tensor of shape {tuple(shape)}")
    return difference(answer, right)


def lowered(sentence: str) -> str:
    """A sentence that begins with a small letter."""
    return sentence[:1].lower() + sentence[1:]


def _often(answer: Any, right: Any) -> Difference | None:
    if isinstance(right, dict):
        statistic, most = surprise(answer, right)
        if statistic <= most:
            return None
        if len(answer) == 1 < len(right):
            step = "Draw anew in each call, from the generator that is given, and do not seed it."
            return Difference("often", "It draws the same result each time.", f"`{next(iter(answer))}`", "different ones", step)
        worst = max(
            {*answer, *right}, key=lambda name: abs(answer.get(name, 0) / _total(answer) - right.get(name, 0) / _total(right))
        )
        seen, expected = (f"{100 * each.get(worst, 0) / _total(each):.3g} %" for each in (answer, right))
        return Difference(
            "often", "Some results come too often or too seldom.", f"`{worst}` in {seen} of the draws", f"{expected}"
        )
    if not isinstance(answer, list) or len(answer) != len(right):
        seen, expected = (_counted(len(each), "tensor", "tensors") for each in (answer, right))
        return Difference("often", f"It should give {expected}.", seen, expected, "", Mistake.SHAPE)
    for place, (one, other) in enumerate(zip(answer, right, strict=True)):
        which = f"Tensor {place} of what it returns" if len(right) > 1 else "The tensor"
        if one["shape"] != other["shape"]:
            seen, expected = (f"shape {tuple(each['shape'])}" for each in (one, other))
            return Difference("shape", f"{which} has the wrong shape.", seen, expected, "", Mistake.SHAPE)
        if off := moments_off(one, other):
            words = {
                "mean": "has the wrong mean",
                "deviation": "has the wrong spread",
                "kurtosis": "is not drawn from a normal distribution",
                "distinct": "has the same numbers more than once",
            }
            seen, expected = (f"standard deviation {each['deviation']:.4g}, mean {each['mean']:.4g}" for each in (one, other))
            return Difference("often", f"{which} {words[off]}.", seen, expected)
    return None


def _total(counts: Mapping[str, int]) -> int:
    return max(1, sum(counts.values()))


def _seeds(answer: Any, right: Any) -> Difference | None:
    if answer["again"] < right["again"]:
        diagnosis = (
            "The same seed twice gives other results: something is drawn from another generator than the one it was given."
        )
        return Difference("seeds", diagnosis, "", "", "Pass `generator=g` wherever something is drawn.")
    if answer["other"] < right["other"]:
        diagnosis = "Another seed gives the same results: the generator that it was given does not matter."
        return Difference("seeds", diagnosis, "", "", "Draw from `g`, and do not seed it again inside.")
    return None


def agrees(mode: Mode, answer: Any, mistake: Any, right: Any) -> bool:
    """Whether an answer came to what a planted mistake came to, or both to STOPS or to ENDLESS.

    `right` says how far off numbers may be.
    """
    for end in (STOPS, ENDLESS):
        if _is(answer, end) or _is(mistake, end):
            return _is(answer, end) and _is(mistake, end)
    if mode is Mode.SEEDS:
        return bool(answer == mistake)
    if mode is Mode.YIELDS:
        return answer.keys() == mistake.keys() and all(
            agrees(Mode.VALUE, answer[label], mistake[label], right.get(label)) for label in mistake
        )
    if mode is Mode.OFTEN:
        return observed_difference(mode, answer, mistake) is None
    if isinstance(mistake, dict) and SPREAD in mistake:
        return _yield_off(answer, mistake) is None
    if isinstance(right, float) and isinstance(mistake, float) and isinstance(answer, Tensor) and answer.dim() == 0:
        answer = answer.item()  # where a number is right, either form of it is
    if isinstance(answer, Tensor) != isinstance(mistake, Tensor):  # a number of Python may be what is wrong with it
        return False
    return difference(_finite(answer), _as_expected(mistake, right)) is None


def _is(outcome: Any, end: dict[str, bool]) -> bool:
    return isinstance(outcome, dict) and outcome == end


def distance(mode: Mode, answer: Any, mistake: Any) -> float:
    """How far apart two samples are, of all that agree; 0 for what is no sample."""
    return (
        surprise(answer, mistake)[0] if mode is Mode.OFTEN and isinstance(answer, dict) and isinstance(mistake, dict) else 0.0
    )


def _finite(value: Any) -> Any:
    """A value in which numbers that are not finite are all the same: what overflows may be infinite in one spelling only."""
    match value:
        case Tensor() if value.is_floating_point():
            return value.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        case list() | tuple():
            return list(map(_finite, value))
        case float() if not math.isfinite(value):
            return 0.0
    return value


def _as_expected(value: Any, right: Any) -> Any:
    """What a mistake gave, as something to compare with."""
    match value:
        case Tensor() if value.is_floating_point():
            finite = value.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
            within = right.tolerance if isinstance(right, Expected) else 0.0
            largest = float(finite.abs().max()) if finite.numel() else 0.0
            return Expected(finite.double(), finite, max(within, NUMBER_TOLERANCE * largest))
        case list() | tuple():
            rights = right if isinstance(right, list | tuple) and len(right) == len(value) else [None] * len(value)
            return [_as_expected(one, other) for one, other in zip(value, rights, strict=True)]
        case float() if not math.isfinite(value):
            return 0.0
    return value


def first_place(answer: Any, right: Any, labels: Mapping[int, Sequence[str]], path: str) -> Place | None:
    """The first entry that is wrong, of a value that has the form of what is right.

    `labels` name the places of an axis by its size.
    """
    return next(_places(answer, right, labels, path), None)


def _places(answer: Any, right: Any, labels: Mapping[int, Sequence[str]], path: str) -> Iterator[Place]:
    match right:
        case Expected() | Tensor():
            exact, within = (right.exact, right.tolerance) if isinstance(right, Expected) else (right.double(), 0.0)
            if not isinstance(answer, Tensor) or answer.shape != exact.shape:
                return
            wrong = ~((answer.detach().double() - exact).abs() <= within)
            for index in wrong.nonzero()[:1].tolist() if wrong.dim() else [[]] * bool(wrong):
                words = [
                    labels.get(size, [])[place] if size in labels else str(place)
                    for place, size in zip(index, exact.shape, strict=True)
                ]
                where = f"{path}[{', '.join(words)}]" if words else path
                yield Place(where, *_figures(answer[tuple(index)].item(), exact[tuple(index)].item()))
        case list() | tuple():
            if isinstance(answer, list | tuple):
                for place, (one, other) in enumerate(zip(answer, right, strict=False)):
                    yield from _places(one, other, labels, f"{path}[{place}]")
        case _:
            answer = answer.item() if isinstance(answer, Tensor) and answer.dim() == 0 else answer
            if type(answer) in (str, int, float, bool, type(None)) and difference(answer, right) is not None:
                numbers = isinstance(answer, float | int) and isinstance(right, float)
                yield Place(path, *(_figures(answer, right) if numbers else (_word(answer), _word(right))))


def _figures(seen: float, expected: float) -> tuple[str, str]:
    """Two numbers that differ, with as many digits as show it."""
    return next(
        (pair for digits in (4, 6, 9) if len(set(pair := (f"{seen:.{digits}g}", f"{expected:.{digits}g}"))) == 2),
        (repr(seen), repr(expected)),
    )


def _word(value: Any) -> str:
    """A value that is no number in words: of a long string its beginning, and how long it is."""
    if isinstance(value, str) and len(value) > MAX_STRING:
        return f'"{value[:MAX_STRING]}…" ({len(value)} characters)'
    return f'"{value}"' if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else str(value)
