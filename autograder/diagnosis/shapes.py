"""Why an answer has the wrong shape: what was not summed, summed along another axis, transposed, or not spread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations, permutations

from torch import Tensor

from autograder.diagnosis.evidence import CLOSE, Evidence, GradientPath
from autograder.verdict import Cause, Mistake

TURNING = re.compile(r"@|\.m?T\b|\.(t|transpose|permute|matmul|mm|outer)\(|einsum|^$")
"""Where code multiplies or transposes matrices; also where the code is not known."""
SUMMING = re.compile(r"\.(sum|mean)\(")

MOST_AXES = 4
"""Axes of an answer that is looked at in every order of them."""


def misfits(evidence: Evidence) -> Iterator[Cause]:
    """The mistakes that give exactly this answer of another shape, the most specific first."""
    answer, truth = evidence.answer, evidence.truth
    if answer.numel() == truth.numel() and near(answer.reshape(truth.shape), truth):
        yield Cause(Mistake.SHAPE, "The numbers are right, and the shape is not.", _advice(evidence))
    if near(*_broadcast(answer, truth)):
        sentence = f"It has each number once, and `{evidence.variable}` has it once for each of {_lost(evidence)}."
        yield Cause(Mistake.SHAPE, sentence, f"Repeat it: `torch.ones_like({evidence.variable}) * …`, or `.expand_as`.")
    if answer.dim() == truth.dim() <= MOST_AXES:
        for order in permutations(range(answer.dim())):
            if answer.permute(order).shape == truth.shape and near(answer.permute(order), truth):
                sentence = "It is transposed, and the numbers are right."
                advice = "Swap the two axes, or the order of the matrix product."
                yield Cause(Mistake.SHAPE, sentence, advice)
    if answer.dim() == 2 and len(set(answer.shape)) == 1 and near(answer.diagonal(), truth.flatten()):
        sentence = "It holds every entry against every other, with the right numbers on its diagonal."
        advice = "Look for a `@` or a transpose too many: the line goes entry by entry."
        if 1 in truth.shape and not TURNING.search(evidence.source) and SUMMING.search(evidence.source):
            size = len(answer)
            advice = (
                "Keep the axis of size 1, by `keepdim=True` where you sum: "
                f"a column, ({size}, 1), and a plain list of numbers, ({size},), make ({size}, {size})."
            )
        yield Cause(Mistake.OPERATION, sentence, advice)
    for path, _ in evidence.parts:
        unsummed = evidence.unsummed(path)
        if unsummed is not None:
            yield from _unsummed(evidence, path, unsummed)


def stretched(evidence: Evidence, path: GradientPath) -> tuple[int, ...]:
    """The axes of a consumer along which broadcasting stretched the variable in its line."""
    shape = evidence.incoming[path.consumer].shape
    added = len(shape) - evidence.value.dim()
    return tuple(
        axis for axis, size in enumerate(shape) if axis < added or (size > 1 and evidence.value.shape[axis - added] == 1)
    )


def stretch(evidence: Evidence, path: GradientPath) -> str:
    """What broadcasting did to a variable in a line, as a sentence without its end."""
    shape = evidence.incoming[path.consumer].shape
    axes = stretched(evidence, path)
    along = " and ".join(f"axis {axis}, over {_size(evidence, shape[axis])} {_what(axis)}" for axis in axes)
    return f"`{evidence.variable}` was stretched along {along}, in the line of `{path.consumer}`"


def _unsummed(evidence: Evidence, path: GradientPath, unsummed: Tensor) -> Iterator[Cause]:
    axes = stretched(evidence, path)
    keep = ", keepdim=True" if evidence.value.dim() == unsummed.dim() else ""
    summing = f"Sum over what was stretched: `.sum({axes[0] if len(axes) == 1 else axes}{keep})`."
    if near(evidence.answer, unsummed):
        yield Cause(Mistake.AXIS, f"It is not summed: {stretch(evidence, path)}.", summing)
    every = range(unsummed.dim())
    for others in (chosen for count in every for chosen in combinations(every, count + 1)):
        for keepdim in (True, False):
            for summed, verb in ((unsummed.sum(others, keepdim), "summed"), (unsummed.mean(others, keepdim), "averaged")):
                if set(others) != set(axes) and near(evidence.answer, summed):
                    listed = " and ".join(f"axis {axis}" for axis in others)
                    yield Cause(Mistake.AXIS, f"It is {verb} along {listed}, but {stretch(evidence, path)}.", summing)


def _lost(evidence: Evidence) -> str:
    """The axes that the variable has and the answer has not, in words."""
    wanted = evidence.truth.shape
    had = (1,) * (len(wanted) - evidence.answer.dim()) + tuple(evidence.answer.shape)
    axes = [axis for axis, (a, b) in enumerate(zip(had, wanted, strict=True)) if a != b]
    return " and ".join(f"{_size(evidence, wanted[axis])} {_what(axis)}" for axis in axes)


def _advice(evidence: Evidence) -> str:
    answer, truth = evidence.answer, evidence.truth
    if [size for size in answer.shape if size != 1] != [size for size in truth.shape if size != 1]:
        return f"Give it the shape of `{evidence.variable}`: `.view({evidence.variable}.shape)`."
    if answer.dim() < truth.dim() and "einsum" in evidence.source:
        return f"Give it the axes of size 1 that are missing: `.view({evidence.variable}.shape)`."
    if answer.dim() < truth.dim():
        return "Keep the axis of size 1 that is missing: by `keepdim=True` where you sum."
    if answer.dim() > truth.dim():
        return "Sum without `keepdim=True`: there is an axis of size 1 too many."
    return "Sum with `keepdim=True`: the axis of size 1 is in the wrong place."


def _broadcast(answer: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    try:
        return answer.expand(truth.shape), truth
    except RuntimeError:
        return answer, truth


def _size(evidence: Evidence, size: int) -> str:
    named = next((name for name, value in evidence.sizes.items() if value == size), str(size))
    return named if named.isdigit() else f"`{named}`"


def _what(axis: int) -> str:
    return {0: "rows", 1: "columns"}.get(axis, "entries")


def near(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same in shape and, but for rounding, in values."""
    if one.shape != other.shape or not one.numel():
        return False
    return float((one - other).abs().max()) <= CLOSE * max(float(each.abs().max()) for each in (one, other))
