"""Why an answer has the wrong shape: the reason that fits its numbers, or none."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autograder.diagnosis.evidence import Evidence, evidence_of
from autograder.diagnosis.shapes import misfits, near, stretch, stretched
from autograder.tape.cases import step_cases
from autograder.tape.tape import Tape, record
from autograder.verdict import Cause, Mistake

M = Mistake


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


TAPE: Tape = record(
    """\
shifted = x + shift
scaled = shifted * gain
out = scaled + bias
flat = out.reshape(n, -1)
y = flat @ w
spread = y.sum(0)
loss = (spread * spread).sum() / n
""",
    {
        "x": normal(0, 6, 4, 5),
        "shift": normal(1, 1, 4, 1),
        "gain": normal(2, 4, 5),
        "bias": normal(3, 5),
        "w": normal(4, 20, 3),
        "n": 6,
    },
    ["n", "x"],
)


def evidence(variable: str, formula: str | Tensor) -> Evidence:
    (case,) = step_cases(TAPE, variable, "seed", own=1, resampled=0)
    names = {**case.state, **{f"d{name}": gradient for name, gradient in case.incoming.items()}, "torch": torch}
    answer = eval(formula, names) if isinstance(formula, str) else formula
    return evidence_of(answer, TAPE, variable, case, {"width": 5})


def cause(variable: str, formula: str | Tensor) -> Cause | None:
    return next(misfits(evidence(variable, formula)), None)


SAME_NUMBERS = "The numbers are right, and the shape is not."
TRANSPOSED = "It is transposed, and the numbers are right."
SHIFT = "`shift` was stretched along axis 0, over `n` rows and axis 2, over `width` entries, in the line of `shifted`"
BIAS = "`bias` was stretched along axis 0, over `n` rows and axis 1, over 4 columns, in the line of `out`"
GAIN = "`gain` was stretched along axis 0, over `n` rows, in the line of `scaled`"
KEPT = "Keep the axis of size 1 that is missing: by `keepdim=True` where you sum."
TOO_MANY = "Sum without `keepdim=True`: there is an axis of size 1 too many."

REASONS = [
    ("shift", "dshifted.sum((0, 2))", SAME_NUMBERS, KEPT, M.SHAPE),
    ("bias", "dout.sum((0, 1), keepdim=True)", SAME_NUMBERS, TOO_MANY, M.SHAPE),
    (
        "shift",
        "dshifted.sum((0, 2)).view(4, 1, 1)",
        SAME_NUMBERS,
        "Sum with `keepdim=True`: the axis of size 1 is in the wrong place.",
        M.SHAPE,
    ),
    ("out", "dflat", SAME_NUMBERS, "Give it the shape of `out`: `.view(out.shape)`.", M.SHAPE),
    (
        "y",
        "dspread",
        "It has each number once, and `y` has it once for each of `n` rows.",
        "Repeat it: `torch.ones_like(y) * …`, or `.expand_as`.",
        M.SHAPE,
    ),
    ("w", "dy.T @ flat", TRANSPOSED, "Swap the two axes, or the order of the matrix product.", M.SHAPE),
    (
        "shifted",
        "(gain * dscaled).permute(1, 0, 2)",
        TRANSPOSED,
        "Swap the two axes, or the order of the matrix product.",
        M.SHAPE,
    ),
    (
        "bias",
        "torch.diag(dout.sum((0, 1)))",
        "It holds every entry against every other, with the right numbers on its diagonal.",
        "Look for a `@` or a transpose too many: the line goes entry by entry.",
        M.OPERATION,
    ),
    ("bias", "dout", f"It is not summed: {BIAS}.", "Sum over what was stretched: `.sum((0, 1))`.", M.AXIS),
    ("shift", "dshifted", f"It is not summed: {SHIFT}.", "Sum over what was stretched: `.sum((0, 2), keepdim=True)`.", M.AXIS),
    ("gain", "shifted * dscaled", f"It is not summed: {GAIN}.", "Sum over what was stretched: `.sum(0)`.", M.AXIS),
    (
        "gain",
        "(shifted * dscaled).sum(1)",
        f"It is summed along axis 1, but {GAIN}.",
        "Sum over what was stretched: `.sum(0)`.",
        M.AXIS,
    ),
    (
        "gain",
        "(shifted * dscaled).mean((0, 2), keepdim=True)",
        f"It is averaged along axis 0 and axis 2, but {GAIN}.",
        "Sum over what was stretched: `.sum(0)`.",
        M.AXIS,
    ),
    (
        "bias",
        "dout.sum()",
        f"It is summed along axis 0 and axis 1 and axis 2, but {BIAS}.",
        "Sum over what was stretched: `.sum((0, 1))`.",
        M.AXIS,
    ),
]


@pytest.mark.parametrize(("variable", "formula", "sentence", "next_step", "mistake"), REASONS)
def test_the_reason_of_a_wrong_shape_is_named(
    variable: str, formula: str, sentence: str, next_step: str, mistake: Mistake
) -> None:
    assert cause(variable, formula) == Cause(mistake, sentence, next_step)


@pytest.mark.parametrize(("variable", "formula"), [(variable, formula) for variable, formula, *_ in REASONS])
@pytest.mark.parametrize("change", ["1.01 * {}", "-{}", "{} + 1e-3"])
def test_numbers_that_are_wrong_too_have_no_such_reason(variable: str, formula: str, change: str) -> None:
    assert cause(variable, change.format(f"({formula})")) is None


def test_a_mean_over_the_right_axes_goes_along_no_wrong_one() -> None:
    assert cause("bias", "dout.mean((0, 1), keepdim=True)") is None
    assert cause("shift", "dshifted.mean((0, 2))") is None


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("shape", [(), (5,), (1, 5), (5, 5), (6, 5), (6, 4, 5), (4, 6, 5), (0,), (2, 2, 2, 2, 2, 2)])
def test_random_numbers_have_no_reason_in_any_shape(shape: tuple[int, ...], seed: int) -> None:
    for variable in ("bias", "shift", "gain", "y"):
        if shape != tuple(TAPE.state[variable].shape):
            assert cause(variable, normal(seed, *shape)) is None


@pytest.mark.parametrize(
    ("variable", "formula"), [("bias", "dout.sum((0, 1))"), ("shift", "dshifted.sum((0, 2), keepdim=True)")]
)
def test_the_sum_that_is_named_makes_the_answer_right(variable: str, formula: str) -> None:
    consumer = next(iter(TAPE.consumers(variable)))
    found = cause(variable, f"d{consumer}")
    assert found is not None
    code = found.next_step.split("`")[1]
    assert evidence(variable, f"d{consumer}{code}").answer.equal(evidence(variable, formula).answer)


def test_the_axes_that_were_stretched_are_those_of_the_consumer() -> None:
    for variable, axes in {"shift": (0, 2), "bias": (0, 1), "gain": (0,), "x": (), "scaled": ()}.items():
        seen = evidence(variable, torch.zeros(1))
        assert stretched(seen, seen.parts[0][0]) == axes, variable
    seen = evidence("shift", torch.zeros(1))
    assert stretch(seen, seen.parts[0][0]) == SHIFT


@pytest.mark.parametrize("order", list(permutations(range(3)))[1:], ids=str)
def test_any_order_of_the_axes_is_called_transposed(order: tuple[int, ...]) -> None:
    truth = evidence("shifted", torch.zeros(1)).truth
    assert cause("shifted", truth.permute(order)) == Cause(M.SHAPE, TRANSPOSED, REASONS[5][3])


class TestNear:
    def test_the_shape_counts(self) -> None:
        assert near(torch.ones(3), torch.ones(3))
        assert not near(torch.ones(3), torch.ones(1, 3))
        assert not near(torch.ones(1), torch.ones(3))

    def test_nothing_is_near_to_nothing(self) -> None:
        assert not near(torch.ones(0), torch.ones(0))

    @given(st.integers(0, 999), st.floats(1e-30, 1e30))
    @settings(max_examples=30, deadline=None)
    def test_rounding_is_near_and_a_thousandth_is_not_at_any_scale(self, seed: int, scale: float) -> None:
        one = scale * normal(seed, 4, 3).double()
        assert near(one, one.float().double()) or scale < 1e-29
        assert not near(one, 1.001 * one)
        assert near(one, one) and near(1.001 * one, 1.001 * one)
