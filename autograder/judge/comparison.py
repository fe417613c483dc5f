"""Holding an answer against a reference: shape, then dtype, then finiteness, then values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.replay.form import FORMS, dtype_name, form_of
from autograder.tape.cases import Reference
from autograder.verdict import Mistake

COARSEST = 1e-6
"""An answer in a dtype with a larger spacing of numbers near 1 has too few digits, unless the forward pass has that dtype.

That spacing is 1.2e-7 for float32, and 9.8e-4 for float16.
"""

ZERO_SHARE = 1e-3
"""A gradient this much smaller than what rounding explains is zero."""
TINY = 1e-300
"""What takes the place of a tolerance of zero, to divide by it."""


@dataclass(frozen=True)
class Difference:
    """Why an answer is not the reference. `kind` is the first thing that does not fit.

    `off` is how far each entry is off, as a multiple of what rounding explains; None where the entries cannot be compared.
    """

    kind: str
    diagnosis: str
    seen: str
    expected: str
    next_step: str = ""
    mistake: Mistake = Mistake.UNKNOWN
    off: Tensor | None = None


@dataclass(frozen=True)
class Words:
    """What is said of an answer that does not look like its reference. A kind of question may have its own words.

    `types` is what to do about an answer that is no tensor, by the name of its type; `shape_advice` is what to do about
    the first of two shapes where the second is right.
    """

    shape: str = "The shape is wrong."
    dtype: str = "It is not a floating-point tensor, but one of {}."
    types: Mapping[str, str] = field(default_factory=dict)
    shape_advice: Callable[[tuple[int, ...], tuple[int, ...]], str] = lambda seen, expected: ""


PLAIN_WORDS = Words()


def wrong_in(wrong: int, entries: int) -> str:
    """How many of the entries of a tensor are wrong, in words."""
    return f"The values are wrong in {wrong} of {entries} entries." if entries > 1 else "The number is wrong."


def compare(answer: Any, reference: Reference, words: Words = PLAIN_WORDS) -> Difference | None:
    """How an answer of any type differs from the reference; None where it does not.

    The values may differ by what rounding explains, `Reference.tolerance`: an answer may add up in another order than
    autograd, so that equal bits, or a fixed tolerance, would reject right answers.
    """
    shape = tuple(reference.exact.shape)
    expected = f"a floating-point tensor of shape {shape}"
    if form := form_of(answer, reference.exact.device.type):
        advice = next(advice for beginning, advice in FORMS.items() if form.startswith(beginning))
        diagnosis = f"It is {form}, not an ordinary dense tensor."
        return Difference("type", diagnosis, form, expected, advice, Mistake.TYPE)
    if not isinstance(answer, Tensor):
        kind = type(answer).__name__
        advice = words.types.get(kind, "Write an expression of torch tensors, and look at what it gives.")
        return Difference("type", "It is not a tensor.", f"type `{kind}`", expected, advice, Mistake.TYPE)
    if tuple(answer.shape) != shape:
        advice = words.shape_advice(tuple(answer.shape), shape)
        return Difference("shape", words.shape, f"shape {tuple(answer.shape)}", f"shape {shape}", advice, Mistake.SHAPE)
    if not answer.is_floating_point():
        seen = f"a tensor of {answer.dtype}"
        advice = "Convert it with `.float()`, or start from a floating-point tensor."
        return Difference("dtype", words.dtype.format(dtype_name(answer.dtype)), seen, expected, advice, Mistake.DTYPE)
    if torch.finfo(answer.dtype).eps > max(COARSEST, torch.finfo(reference.rounded.dtype).eps):
        advice = "Compute with float32, as the forward pass does."
        seen = f"a tensor of {answer.dtype}"
        diagnosis = f"It is of {dtype_name(answer.dtype)}, which has too few digits."
        return Difference("dtype", diagnosis, seen, "float32 or float64", advice, Mistake.DTYPE)
    values = answer.detach().as_subclass(Tensor).double()
    if not bool(values.isfinite().all()):
        count = int((~values.isfinite()).sum())
        seen = f"{count} of {values.numel()} entries are NaN or infinite"
        advice = "Look for a division by zero, a logarithm of zero, or a large exponential."
        return Difference(
            "finite", "It has entries that are no numbers.", seen, "finite numbers only", advice, Mistake.NOT_FINITE
        )
    distance = (values - reference.exact).abs()
    if not distance.numel() or float(distance.max()) <= reference.tolerance:
        return None
    place = [int(index) for index in np.unravel_index(int(distance.argmax()), shape)]
    where = f" at {place}, where the difference is largest" if place else ""
    wrong = int((distance > reference.tolerance).sum())
    return Difference(
        "values",
        wrong_in(wrong, values.numel()),
        f"{float(values[tuple(place)]):.6g}{where}",
        f"{float(reference.exact[tuple(place)]):.6g}",
        off=distance / max(reference.tolerance, TINY),
    )


def is_rounding(reference: Reference) -> bool:
    """Whether the true gradient is zero, and autograd's is rounding alone."""
    is_zero = reference.exact.numel() and float(reference.exact.abs().max()) < ZERO_SHARE * reference.tolerance
    return bool(is_zero and reference.rounded.any())


def units_off(answer: Tensor, reference: Reference) -> int | None:
    """How far a right answer is from autograd's, in units in the last place (ULP) of autograd's largest entry.

    None where the true gradient is zero: then all digits of both are rounding.
    """
    rounded = reference.rounded
    if is_rounding(reference):
        return None
    if not rounded.numel() or torch.equal(answer.to(rounded.dtype), rounded):
        return 0
    largest = float(rounded.abs().max()) or torch.finfo(rounded.dtype).tiny
    unit = torch.finfo(rounded.dtype).eps * 2.0 ** math.floor(math.log2(largest))
    return math.ceil(float((answer.detach().double() - rounded.double()).abs().max()) / unit)


FINEST = 64
"""Rows and columns of the picture at most; of larger tensors several entries share a place."""
FURTHEST = 1e300
"""What an entry that is off by more, or is not finite, counts as."""
FEW = 3
"""Rows or columns that are listed by their numbers."""


def whereabouts(wrong: Tensor) -> str:
    """Which entries are wrong, as a sentence. `wrong` is a tensor of bool with at least one true entry."""
    count, size = int(wrong.sum()), wrong.numel()
    if size == 1:
        return ""
    if count == size:
        return "Wrong in every entry."
    axes = ("row", "column") if wrong.dim() > 1 else ()
    lines = [(one, wrong.transpose(0, axis).flatten(1)) for axis, one in enumerate(axes)]
    for one, each in lines:
        touched = each.any(1)
        numbers = touched.nonzero().flatten().tolist()
        if bool(each[touched].all()):
            more = f" and {len(numbers) - FEW} more" if len(numbers) > FEW else ""
            return f"Wrong in all of {one}{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:FEW]))}{more}."
    for one, each in lines:
        if bool((each.sum(1) == 1).all()):
            return f"Wrong in one entry of each {one}."
    return f"Wrong in {count} of {size} entries."


def heat_of(off: Tensor) -> tuple[str, ...]:
    """A string of digits for each row: 0 where an entry is off by at most 1, and 9 where it is off most.

    Axes after the first share a row; a tensor of one axis is one row.
    """
    if not off.numel() or off.dim() == 0:
        return ()
    off = off.double().nan_to_num(nan=FURTHEST, posinf=FURTHEST).clamp(max=FURTHEST)
    picture = off.reshape(len(off), -1) if off.dim() > 1 else off.reshape(1, -1)
    fine = [min(size, FINEST) for size in picture.shape]
    pooled = F.adaptive_max_pool2d(picture[None], fine)[0]
    levels = torch.where(pooled > 1, (9 * pooled / pooled.max()).ceil().clamp(1, 9), torch.zeros_like(pooled))
    return tuple(bytes(row).decode() for row in (levels + ord("0")).to(torch.uint8).tolist())
