"""Holding an answer against a reference gradient: shape, then dtype, then finiteness, then values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from autograder.cause import Mistake
from autograder.reference import Reference

COARSEST = 1e-6
"""The spacing of numbers near 1 in the coarsest dtype that can hold a right answer, but for that of the forward pass."""

NOTHING = 1e-3
"""A gradient this much smaller than what rounding explains is zero."""
TINY = 1e-300
"""Instead of a tolerance of zero."""

OTHER_TYPES = {
    "ndarray": "Use torch where you use numpy, or `torch.from_numpy` at the end.",
    "list": "Start from `torch.zeros_like` of the variable, or join its tensors with `torch.stack`.",
    "tuple": "Is there a comma at the end of the line? It makes a tuple.",
    **dict.fromkeys(("int", "float", "bool"), "There is a number for every entry of the variable, not one for all."),
    **dict.fromkeys(("function", "builtin_function_or_method", "method"), "Call it: are the parentheses missing?"),
}
"""What to do about an answer of the wrong type, by the name of the type."""


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


def compare(answer: Any, reference: Reference) -> Difference | None:
    """None where the answer is the reference up to rounding, whatever type of thing the answer is."""
    shape = tuple(reference.exact.shape)
    expected = f"a floating-point tensor of shape {shape}"
    if not isinstance(answer, Tensor):
        kind = type(answer).__name__
        advice = OTHER_TYPES.get(kind, "Write an expression of torch tensors, and look at what it gives.")
        return Difference("type", "It is not a tensor.", f"type `{kind}`", expected, advice, Mistake.TYPE)
    if answer.layout != torch.strided or answer.is_nested or answer.is_quantized or answer.device != reference.exact.device:
        seen = f"a tensor of layout {answer.layout} and dtype {answer.dtype} on {answer.device}"
        return Difference("type", "It is not an ordinary dense tensor.", seen, expected, mistake=Mistake.TYPE)
    if tuple(answer.shape) != shape:
        return _shape_difference(tuple(answer.shape), shape)
    if not answer.is_floating_point():
        seen = f"a tensor of {answer.dtype}"
        advice = "Convert it with `.float()`, or start from a floating-point tensor."
        return Difference("dtype", "A gradient is a floating-point tensor.", seen, expected, advice, Mistake.DTYPE)
    if torch.finfo(answer.dtype).eps > max(COARSEST, torch.finfo(reference.rounded.dtype).eps):
        advice = "Compute with float32, as the forward pass does."
        seen = f"a tensor of {answer.dtype}"
        return Difference("dtype", "It has too few digits.", seen, "float32 or float64", advice, Mistake.DTYPE)
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
    place = [int(index) for index in torch.unravel_index(distance.argmax(), shape)]
    where = f" at {place}, where the difference is largest" if place else ""
    wrong = int((distance > reference.tolerance).sum())
    return Difference(
        "values",
        f"The values are wrong in {wrong} of {values.numel()} entries.",
        f"{float(values[tuple(place)]):.6g}{where}",
        f"{float(reference.exact[tuple(place)]):.6g}",
        off=distance / max(reference.tolerance, TINY),
    )


def units_off(answer: Tensor, reference: Reference) -> int | None:
    """How far a right answer is from autograd's in float32, in units in the last place (ULP) of the largest entry.

    None where the true gradient is zero, and all digits of both are rounding.
    """
    rounded = reference.rounded
    if rounded.numel() and bool(rounded.any()) and float(reference.exact.abs().max()) < NOTHING * reference.tolerance:
        return None
    if not rounded.numel() or torch.equal(answer.to(rounded.dtype), rounded):
        return 0
    largest = float(rounded.abs().max()) or torch.finfo(rounded.dtype).tiny
    unit = torch.finfo(rounded.dtype).eps * 2.0 ** math.floor(math.log2(largest))
    return math.ceil(float((answer.double() - rounded.double()).abs().max()) / unit)


def _shape_difference(seen: tuple[int, ...], expected: tuple[int, ...]) -> Difference:
    diagnosis = "The shape is wrong: a gradient has the shape of its variable."
    advice = _shape_advice(seen, expected)
    return Difference("shape", diagnosis, f"shape {seen}", f"shape {expected}", advice, Mistake.SHAPE)


def _shape_advice(seen: Sequence[int], expected: Sequence[int]) -> str:
    if len(expected) == 2 and seen == expected[::-1]:
        return "It is transposed: swap the two axes, or the order of the matrix product."
    if [size for size in seen if size != 1] == [size for size in expected if size != 1]:
        if len(seen) < len(expected):
            return "The numbers are in another shape: keep the axis of size 1, by `keepdim=True` where you sum."
        if len(seen) > len(expected):
            return "There is an axis of size 1 too many: sum without `keepdim=True`."
    if len(seen) == len(expected):
        stretched = [axis for axis, (a, b) in enumerate(zip(seen, expected, strict=True)) if b == 1 and a != 1]
        if stretched and all(a == b for axis, (a, b) in enumerate(zip(seen, expected, strict=True)) if axis not in stretched):
            axis, it = (stretched[0], "it") if len(stretched) == 1 else (tuple(stretched), "them")
            return f"Axis {axis} should have size 1. If broadcasting stretched it, sum over {it}: `.sum({axis}, keepdim=True)`."
    added = len(seen) - len(expected)
    if added == 1 and seen[1:] == expected:
        return "There is a leading axis too many: sum over it, by `.sum(0)`."
    if added > 1 and seen[added:] == expected:
        axes = tuple(range(added))
        return f"There are leading axes too many: sum over them, by `.sum({axes})`."
    return "Print the shapes of what you combine, and compare them with the forward line."
