"""The mistake that is named is the one that was made, and nothing is named where it is none of the known ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autograder.course.lesson import KnownMistake
from autograder.diagnosis.diagnose import diagnose, mistaken_for
from autograder.diagnosis.evidence import Evidence, evidence_of
from autograder.diagnosis.probes import PROBES, REARRANGED
from autograder.tape.cases import step_cases
from autograder.tape.tape import Tape, record
from autograder.verdict import Cause, Mistake, Outcome
from scripts.submissions import SOURCE
from tests.support.forms import WRONG
from tests.support.lesson import Lesson

M = Mistake
STEPS = "1-every-gradient"
RIGHT_ELSE = "and the rest is right."
BY_NAME = {probe.__name__: probe for probe in PROBES}


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


TAPES: dict[str, Tape] = {
    "layer norm": record(
        """\
mean = x.mean(1, keepdim=True)
centred = x - mean
variance = (centred**2).mean(1, keepdim=True)
scaled = centred * (variance + 1e-2) ** -0.5
y = scaled * gain + bias
loss = (y * w).sum() / n
""",
        {"x": normal(0, 6, 5), "w": normal(1, 6, 5), "gain": normal(2, 5), "bias": normal(3, 5), "n": 6},
        ["n", "x", "w"],
    ),
    "attention": record(
        """\
scores = q @ k.transpose(1, 2) / 4
weights = scores.softmax(-1)
mixed = weights @ v
loss = (mixed**2).sum() / n
""",
        {"q": normal(0, 6, 3, 5), "k": normal(1, 6, 3, 5), "v": normal(2, 6, 3, 5), "n": 6},
        ["n", "q", "k", "v"],
    ),
    "thrice": record(
        "a = x.exp() * x + x.sin()\nb = x * w\nloss = (a * b).sum()", {"x": normal(0, 5, 4), "w": normal(1, 5, 4)}
    ),
    "broadcast": record(
        "shifted = x + shift\nscaled = shifted * gain\nout = scaled + bias\nloss = (out**2).sum()",
        {"x": normal(0, 3, 4, 5), "shift": normal(1, 1, 4, 1), "gain": normal(2, 4, 5), "bias": normal(3, 5)},
    ),
    "dropout": record(
        "kept = x * keep / rate\nloss = (kept**3).sum()",
        {"x": normal(0, 6, 5), "keep": (normal(1, 6, 5) < 0.5).float(), "rate": 0.7},
    ),
    "quotient": record(
        "out = x * gain / spread\nloss = (out**3).sum()",
        {"x": normal(0, 6, 5), "gain": normal(1, 5), "spread": normal(2, 5).abs() + 0.5},
    ),
    "scaled": record("raw = diff * inv\nloss = (raw**3).sum()", {"diff": normal(0, 6, 5), "inv": normal(1, 1, 5).abs()}),
    "turned": record("v = w * (-u).exp()\nloss = (v**3).sum()", {"w": normal(0, 6, 5).abs(), "u": normal(1, 5)}),
    "clamped": record("kept = x.clamp(min=0)\nloss = (kept * w).sum()", {"x": normal(0, 6, 5), "w": normal(1, 6, 5)}),
    "picked": record(
        "row = table[ix]\nmost = row.amax(1, keepdim=True)\nlow = row - most\nloss = low[range(n), y].sum() / n",
        {
            "table": normal(0, 4, 5),
            "ix": torch.tensor([2, 0, 2, 3, 2, 0]),
            "y": torch.tensor([0, 1, 4, 4, 2, 3]),
            "n": 6,
        },
        ["n", "ix", "y"],
    ),
    "picked twice": record(
        "row = table[ix]\nother = table[iy]\nloss = (row * other * w).sum() / n",
        {
            "table": normal(0, 4, 5),
            "ix": torch.tensor([2, 0, 2, 3, 2, 0]),
            "iy": torch.tensor([1, 1, 2, 3, 3, 0]),
            "w": normal(1, 6, 5),
            "n": 6,
        },
        ["n", "ix", "iy", "w"],
    ),
}

VARIABLES = [(title, variable) for title, tape in TAPES.items() for variable in tape.variables if variable != tape.loss]


def evidence(title: str, variable: str, formula: str | Tensor, source: str | None = None) -> Evidence:
    """What an expression of the forward variables and the incoming gradients is held against, in one of the tapes."""
    tape = TAPES[title]
    (case,) = step_cases(tape, variable, "seed", own=1, resampled=0)
    if isinstance(formula, Tensor):
        return evidence_of(formula, tape, variable, case, {}, source or "")
    names: dict[str, Any] = {**case.state, **{f"d{name}": gradient for name, gradient in case.incoming.items()}}
    answer = eval(formula, {**names, "torch": torch, "F": F})
    return evidence_of(answer, tape, variable, case, {}, f"d{variable} = {formula}" if source is None else source)


def found(evidence: Evidence) -> Cause:
    cause, is_credible = diagnose(evidence)
    assert cause is not None
    assert is_credible is (cause.sentence != REARRANGED), cause
    return cause


THRICE = "da * x.exp() * x + da * x.exp() + da * x.cos() + db * w"

PLANTED: dict[str, list[tuple[str, str, str, str, Mistake]]] = {
    "_all_zeros": [
        ("broadcast", "bias", "torch.zeros_like(bias)", "It is zero everywhere, whatever comes in.", M.ZEROS),
        ("thrice", "x", "0 * da", "It is zero everywhere, whatever comes in.", M.ZEROS),
    ],
    "_missing_paths": [
        (
            "layer norm",
            "centred",
            "(variance + 1e-2) ** -0.5 * dscaled",
            f"The path through `variance` is missing, {RIGHT_ELSE}",
            M.PATH,
        ),
        (
            "thrice",
            "x",
            "da * x.exp() * x + da * x.exp() + db * w",
            f"The path through `x.sin()` is missing, {RIGHT_ELSE}",
            M.PATH,
        ),
        (
            "thrice",
            "x",
            "da * x.exp() * x + da * x.exp()",
            f"The paths through `x.sin()` and `b` are missing, {RIGHT_ELSE}",
            M.PATH,
        ),
    ],
    "_replaced_paths": [
        (
            "picked",
            "row",
            "torch.where(row == most, dmost, dlow)",
            "Where something comes back through `most`, it takes the place of the rest.",
            M.PATH,
        ),
    ],
    "_a_constant_factor": [
        ("layer norm", "mean", "dcentred.sum(1, keepdim=True)", "It has the wrong sign.", M.SIGN),
        (
            "layer norm",
            "mean",
            "-dcentred.mean(1, keepdim=True)",
            "It is `1 / 5` times what it should be: a mean where a sum belongs.",
            M.MEAN,
        ),
        (
            "layer norm",
            "x",
            "dcentred + dmean",
            f"The part through `mean` is `5` times what it should be, {RIGHT_ELSE}",
            M.CONSTANT,
        ),
        ("dropout", "x", "keep * dkept", "It is `rate` times what it should be.", M.CONSTANT),
        ("attention", "q", "dscores @ k", "It is `4` times what it should be.", M.CONSTANT),
        ("thrice", "x", f"{THRICE} + db * w", f"The part through `b` is counted twice, {RIGHT_ELSE}", M.TWICE),
        (
            "thrice",
            "x",
            "da * x.exp() * x + da * x.exp() - da * x.cos() + db * w",
            f"The part through `x.sin()` has the wrong sign, {RIGHT_ELSE}",
            M.SIGN,
        ),
    ],
    "_forward_again": [
        (
            "attention",
            "scores",
            "dweights.softmax(-1)",
            "It is the line of `weights` itself, with `dweights` in the place of `scores`.",
            M.OPERATION,
        ),
    ],
    "_wrong_entries": [
        (
            "picked",
            "low",
            "torch.ones_like(low) / n",
            "It is right where it belongs, but reaches entries that should get nothing.",
            M.MASK,
        ),
        (
            "picked",
            "row",
            "dlow + F.one_hot(y, 5) * dmost",
            f"The part through `most` reaches the wrong entries, {RIGHT_ELSE}",
            M.MASK,
        ),
        (
            "picked",
            "row",
            "dlow + (row == row.max()) * dmost",
            f"The part through `most` reaches only 1 of the entries that it should, {RIGHT_ELSE}",
            M.MASK,
        ),
        (
            "picked",
            "row",
            "dlow + dmost",
            f"The part through `most` is right where it belongs, but reaches entries that should get nothing, {RIGHT_ELSE}",
            M.MASK,
        ),
    ],
    "_summed_too_much": [
        (
            "broadcast",
            "gain",
            "(shifted * dscaled).sum((0, 1)).expand_as(gain)",
            "It is summed over axis 0 as well, and the same in all entries along it.",
            M.AXIS,
        ),
    ],
    "_passed_on": [
        ("layer norm", "scaled", "dy", "It is `dy` as it came in, without the derivative of the line.", M.PASSED),
        ("layer norm", "gain", "dy.sum(0)", "It is `dy` as it came in, summed, without the derivative of the line.", M.PASSED),
        ("turned", "u", "-dv.sum(0)", "It is `-dv`, summed, without the rest of the derivative of the line.", M.PASSED),
        (
            "turned",
            "u",
            "dv.sum(0)",
            "It is `dv` as it came in, summed, without the derivative of the line.",
            M.PASSED,
        ),
        (
            "layer norm",
            "scaled",
            "-dy",
            "It is `-dy`, without the rest of the derivative of the line.",
            M.PASSED,
        ),
        (
            "thrice",
            "x",
            "da * x.exp() * x + da * x.exp() + da * x.cos() + db",
            f"The part through `b` is `db` as it came in, without the derivative of the line, {RIGHT_ELSE}",
            M.PASSED,
        ),
    ],
    "_nothing_comes_in": [
        ("layer norm", "gain", "scaled.sum(0)", "It is the derivative of the line alone, without `dy`.", M.ALONE),
        (
            "attention",
            "v",
            "weights.transpose(1, 2) @ torch.ones_like(mixed)",
            "It is the derivative of the line alone, without `dmixed`.",
            M.ALONE,
        ),
    ],
    "_another_factor": [
        ("layer norm", "scaled", "dy / gain", "It divides by `gain` where it should multiply.", M.FACTOR),
        ("layer norm", "scaled", "dy * gain**2", "It has a factor `gain` too many.", M.FACTOR),
        ("quotient", "x", "dout * gain", "It lacks the division by `spread`.", M.FACTOR),
        ("quotient", "x", "dout * gain * spread", "It multiplies by `spread` where it should divide.", M.FACTOR),
        ("quotient", "x", "dout * gain / spread**2", "It divides by `spread` once too often.", M.FACTOR),
        ("quotient", "x", "dout / spread", "It lacks the factor `gain`.", M.FACTOR),
        (
            "broadcast",
            "gain",
            "shifted.sum(0) * dscaled.sum(0)",
            "It sums `shifted` and `dscaled` each by itself.",
            M.AXIS,
        ),
    ],
    "_an_expression": [
        (
            "clamped",
            "x",
            "dkept * kept",
            "It has `kept` itself where a mask belongs: 1 where the line lets something through, and 0 elsewhere.",
            M.FACTOR,
        ),
        ("clamped", "x", "dkept * (x > 0) * kept", "It has a factor `kept` too many.", M.FACTOR),
        (
            "layer norm",
            "variance",
            "-0.5 * (variance + 1e-2) ** -0.5 * (centred * dscaled).sum(1, keepdim=True)",
            "It has a factor `variance + 1e-2` too many.",
            M.FACTOR,
        ),
        (
            "layer norm",
            "variance",
            "-0.5 / (variance + 1e-2) * (centred * dscaled).sum(1, keepdim=True)",
            "It lacks the factor `(variance + 1e-2) ** -0.5`.",
            M.FACTOR,
        ),
        (
            "thrice",
            "x",
            "da * x.exp() * x + da * x.exp() + da * x.cos() + db * w * x",
            f"The part through `b` has a factor `x` too many, {RIGHT_ELSE}",
            M.FACTOR,
        ),
    ],
    "_another_tensor": [
        ("layer norm", "gain", "(x * dy).sum(0)", "It has `x` where `scaled` belongs.", M.TENSOR),
        ("layer norm", "scaled", "gain * y", "It has `y` where `dy` comes in.", M.GRADIENT),
        ("attention", "v", "weights.transpose(1, 2) @ v", "It has `v` where `dmixed` comes in.", M.GRADIENT),
    ],
    "_a_line_without_its_constant": [
        (
            "layer norm",
            "variance",
            "-0.5 * variance**-1.5 * (centred * dscaled).sum(1, keepdim=True)",
            "It lacks the `1e-2` of the line.",
            M.TERM,
        ),
        (
            "layer norm",
            "centred",
            "variance**-0.5 * dscaled + 2 / 5 * centred * dvariance",
            f"The part through `scaled` lacks the `1e-2` of the line, {RIGHT_ELSE}",
            M.TERM,
        ),
    ],
    "_a_factor_from_elsewhere": [
        (
            "layer norm",
            "centred",
            "((variance + 1e-2) ** -0.5 * dscaled + 2 / 5 * centred * dvariance) * gain",
            "It has a factor `gain` too many.",
            M.FACTOR,
        ),
    ],
    "_repeats": [
        (
            "picked",
            "table",
            "torch.zeros_like(table).index_copy_(0, ix, drow)",
            "Where an entry is used several times, only the last contribution is kept.",
            M.REPEATS,
        ),
        (
            "picked",
            "table",
            "torch.zeros_like(table).index_copy_(0, ix.flip(0), drow.flip(0))",
            "Where an entry is used several times, only the first contribution is kept.",
            M.REPEATS,
        ),
        (
            "picked",
            "table",
            "torch.stack([drow[ix == i].sum(0) / max(1, int((ix == i).sum())) for i in range(4)])",
            "Where an entry is used several times, the mean of the contributions is taken.",
            M.REPEATS,
        ),
    ],
    "_repeats_everywhere": [
        (
            "picked twice",
            "table",
            "torch.zeros_like(table).index_copy_(0, ix, drow) + torch.zeros_like(table).index_copy_(0, iy, dother)",
            "Where an index has an entry several times, only the last contribution is kept: `+=` on an index adds once.",
            M.REPEATS,
        ),
    ],
    "_empty_rows": [
        ("thrice", "x", f"({THRICE}).index_fill(0, torch.tensor([4]), 0)", "Row 4 of `dx` is zero.", M.ROWS),
        (
            "thrice",
            "x",
            f"({THRICE}).index_fill(1, torch.tensor([1, 2]), 0)",
            "Only columns 0, 3 of `dx` are filled in.",
            M.ROWS,
        ),
        (
            "attention",
            "q",
            "(dscores @ k / 4).index_fill(2, torch.arange(1, 5), 0)",
            "Only slice along axis 2, 0 of `dq` is filled in.",
            M.ROWS,
        ),
    ],
    "_some_rows": [
        ("broadcast", "bias", "dout[0].sum(0)", "Only row 0 of `dout` is used.", M.ROWS),
        ("broadcast", "bias", "dout[:, 1:].sum((0, 1))", "Column 0 of `dout` is left out.", M.ROWS),
        (
            "picked",
            "table",
            "torch.zeros_like(table).index_add_(0, ix[:-1], drow[:-1])",
            "Row 5 of `drow` is left out.",
            M.ROWS,
        ),
    ],
    "_a_term_too_many": [
        ("thrice", "x", f"{THRICE} + x", "It is the right gradient, and `x` added to it.", M.OPERATION),
        (
            "broadcast",
            "gain",
            "(shifted * dscaled).sum(0) + gain",
            "It is the right gradient, and `gain` added to it.",
            M.OPERATION,
        ),
    ],
    "_rearranged": [
        (
            "attention",
            "q",
            "(dscores @ k / 4).reshape(6, 5, 3).transpose(1, 2)",
            "All the right numbers are there, in the wrong places.",
            M.PLACES,
        ),
        ("broadcast", "bias", "dout.sum((0, 1)).roll(1)", "All the right numbers are there, in the wrong places.", M.PLACES),
    ],
}
"""For each probe: the tape, the variable, the wrong formula, and what is to be said of it."""

CASES = [(probe, *case) for probe, cases in PLANTED.items() for case in cases]


def test_every_probe_has_a_mistake_to_name() -> None:
    assert list(PLANTED) == list(BY_NAME)


@pytest.mark.parametrize(("probe", "title", "variable", "formula", "sentence", "mistake"), CASES)
def test_the_planted_mistake_is_named_by_its_probe(
    probe: str, title: str, variable: str, formula: str, sentence: str, mistake: Mistake
) -> None:
    seen = evidence(title, variable, formula)
    cause = found(seen)
    assert (cause.sentence, cause.mistake) == (sentence, mistake)
    assert cause.next_step[-1] in ".?"
    assert cause in list(BY_NAME[probe](seen))


RIGHT_FORMULAS = [
    ("layer norm", "mean", "-dcentred.sum(1, keepdim=True)"),
    ("layer norm", "x", "dcentred + dmean / 5"),
    ("layer norm", "gain", "(scaled * dy).sum(0)"),
    ("attention", "scores", "weights * (dweights - (weights * dweights).sum(-1, keepdim=True))"),
    ("attention", "v", "weights.transpose(1, 2) @ dmixed"),
    ("thrice", "x", THRICE),
    ("broadcast", "shift", "dshifted.sum((0, 2), keepdim=True)"),
    ("picked", "table", "torch.zeros_like(table).index_add_(0, ix, drow)"),
]


@pytest.mark.parametrize(("title", "variable", "formula"), RIGHT_FORMULAS)
def test_no_probe_blames_a_right_answer(title: str, variable: str, formula: str) -> None:
    seen = evidence(title, variable, formula)
    torch.testing.assert_close(seen.answer, seen.truth, rtol=1e-5, atol=1e-5)
    assert [cause for probe in PROBES for cause in probe(seen)] == []


@pytest.mark.parametrize(("title", "variable"), VARIABLES)
def test_no_probe_blames_an_answer_that_is_something_else(title: str, variable: str) -> None:
    shape = TAPES[title].state[variable].shape
    for seed in range(20):
        seen = evidence(title, variable, normal(100 + seed, *shape))
        assert [cause for probe in PROBES for cause in probe(seen)] == []


@pytest.mark.parametrize("factor", [1.01, 0.99, -1.01, 1 + 1e-3])
@pytest.mark.parametrize(("title", "variable"), [(title, variable) for title, variable, _ in RIGHT_FORMULAS])
def test_a_mistake_that_is_nearly_a_known_one_is_not_named(title: str, variable: str, factor: float) -> None:
    truth = evidence(title, variable, torch.zeros(1)).truth
    assert diagnose(evidence(title, variable, factor * truth)) == (None, False)


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        (f"{THRICE} - 0.99 * db * w", f"The path through `b` is missing, {RIGHT_ELSE}"),
        (f"1.01 * ({THRICE} - db * w)", f"The path through `b` is missing, {RIGHT_ELSE}"),
        (f"{THRICE} + 0.99 * x", "It is the right gradient, and `x` added to it."),
    ],
)
def test_a_mistake_that_is_a_hundredth_off_is_another_one(formula: str, sentence: str) -> None:
    assert found(evidence("thrice", "x", formula.replace("0.99 * ", "").replace("1.01 * ", ""))).sentence == sentence
    assert diagnose(evidence("thrice", "x", formula))[0] is None


def test_what_is_almost_zero_explains_nothing() -> None:
    tape = record("a = x * w\nb = (x * 1e-9).sin()\nloss = (a * b).sum()", {"x": normal(0, 5, 4), "w": normal(1, 5, 4)})
    (case,) = step_cases(tape, "x", "seed", own=1, resampled=0)
    truth = evidence_of(torch.zeros(5, 4), tape, "x", case, {}).truth
    for answer in (truth + 0.01 * normal(2, 5, 4), 1e-9 * normal(3, 5, 4), truth * (1 + 1e-4 * normal(4, 5, 4))):
        cause, _ = diagnose(evidence_of(answer, tape, "x", case, {}))
        assert cause is None


class TestCredibility:
    """Of several mistakes that give the same numbers, the one that the code speaks of is believed."""

    @pytest.mark.parametrize(
        ("formula", "sentence"),
        [
            ("inv * (diff * draw).sum(0, keepdim=True)", "It has a factor `inv` too many."),
            ("(raw * draw).sum(0, keepdim=True)", "It has `raw` where `diff` belongs."),
        ],
    )
    def test_a_cause_of_names_that_are_not_in_the_code_gives_way(self, formula: str, sentence: str) -> None:
        cause = found(evidence("scaled", "inv", formula))
        assert cause.sentence == sentence
        explanations = [each.sentence for probe in PROBES for each in probe(evidence("scaled", "inv", formula))]
        assert {"It has a factor `inv` too many.", "It has `raw` where `diff` belongs."} <= set(explanations)

    @pytest.mark.parametrize(
        ("source", "is_credible"),
        [("dscaled = bias * dy", True), ("dscaled = other * dy", False), ("", True), ("dscaled = (", True)],
        ids=["said", "perhaps by another name", "no code", "no Python"],
    )
    def test_a_cause_is_credible_if_the_code_has_the_names_or_is_not_known(self, source: str, is_credible: bool) -> None:
        cause, believed = diagnose(evidence("layer norm", "scaled", "bias * dy", source))
        assert cause is not None
        assert (cause.sentence, believed) == ("It has `bias` where `gain` belongs.", is_credible)

    def test_a_name_that_the_code_cannot_have_is_no_cause(self) -> None:
        assert diagnose(evidence("layer norm", "scaled", "bias * dy", "dscaled = gain * dy.abs()")) == (None, False)

    def test_a_known_wrong_formula_comes_before_a_cause_that_is_not_credible(self) -> None:
        known = KnownMistake("bias * dy", "The bias scales nothing.", "Use the gain.")
        assert diagnose(evidence("layer norm", "scaled", "bias * dy", "dscaled = other * dy"), [known]) == (
            Cause(M.LESSON, "The bias scales nothing.", "Use the gain."),
            True,
        )
        assert found(evidence("layer norm", "scaled", "bias * dy")).mistake is M.TENSOR


class TestKnownWrongFormulas:
    FORMULA = "weights * (1 - weights) ** 2 * dweights"
    KNOWN = KnownMistake(FORMULA, "Only the diagonal is there.", "Add the rest of the row.")

    def test_it_is_named_where_no_probe_knows_it(self) -> None:
        assert diagnose(evidence("attention", "scores", self.FORMULA)) == (None, False)
        expected = Cause(M.LESSON, "Only the diagonal is there.", "Add the rest of the row.")
        assert diagnose(evidence("attention", "scores", self.FORMULA), [self.KNOWN]) == (expected, True)

    def test_it_is_named_with_a_wrong_factor_besides(self) -> None:
        cause, _ = diagnose(evidence("attention", "scores", f"-{self.FORMULA}"), [self.KNOWN])
        assert cause is not None
        assert cause.sentence == "Only the diagonal is there. Besides, it has the wrong sign."
        cause, _ = diagnose(evidence("attention", "scores", f"{self.FORMULA} / n"), [self.KNOWN])
        assert cause is not None
        assert cause.sentence == "Only the diagonal is there. Besides, it is `1 / n` times what it should be."

    def test_it_is_not_named_where_it_is_not_what_was_answered(self) -> None:
        assert diagnose(evidence("attention", "scores", "weights**2 * dweights**2"), [self.KNOWN]) == (None, False)

    @pytest.mark.parametrize("formula", ["nonsense", "weights @ weights @ v", "1 / 0", "3.0", "weights[99]"])
    def test_one_that_does_not_run_or_is_no_such_tensor_is_skipped(self, formula: str) -> None:
        known = [KnownMistake(formula, "", ""), self.KNOWN]
        cause, _ = diagnose(evidence("attention", "scores", self.FORMULA), known)
        assert cause is not None
        assert cause.mistake is M.LESSON


ROWS = {
    "(d - y.exp())": "It lacks the sum of what comes in over each row, which the probabilities are multiplied by.",
    "(d - y.exp() * d)": "It lacks a sum over the row: in `log_softmax` every entry depends on its whole row.",
    "(d - y * d.sum(1, keepdim=True))": "It has `log_softmax` itself where the probabilities belong.",
    "y.exp() * (d - (y.exp() * d).sum(1, keepdim=True))": (
        "It has the derivative of `softmax` where the line takes `log_softmax`."
    ),
}


@pytest.mark.parametrize("formula", ROWS)
def test_what_is_mistaken_in_a_function_of_rows_is_named(formula: str) -> None:
    tape = record("y = F.log_softmax(x, 1)\nloss = (y**3).sum()", {"x": normal(0, 6, 5), "F": F})
    (case,) = step_cases(tape, "x", "seed", own=1, resampled=0)
    answer = eval(formula, {**case.state, "d": case.incoming["y"]})
    cause = found(evidence_of(answer, tape, "x", case, {}, f"dx = {formula}"))
    assert cause.sentence == ROWS[formula]


def test_the_derivative_of_the_line_that_makes_a_variable_does_not_belong_to_its_gradient() -> None:
    tape = record(
        "y = torch.tanh(x)\nz = y @ w\nloss = (z**3).sum()", {"x": normal(0, 6, 5), "w": normal(1, 5, 4), "torch": torch}
    )
    (case,) = step_cases(tape, "y", "seed", own=1, resampled=0)
    answer = eval("dz @ w.T * (1 - y**2)", {**case.state, "dz": case.incoming["z"]})
    cause = found(evidence_of(answer, tape, "y", case, {}, "dy = dz @ w.T * (1 - y**2)"))
    assert cause.sentence == "It has the derivative of `tanh` in it, by which `y` is made."


def test_a_mistake_in_an_answer_of_the_wrong_shape_is_named_besides() -> None:
    cause = found(evidence("broadcast", "bias", "-dout.sum((0, 1), keepdim=True)"))
    assert (cause.sentence, cause.mistake) == ("The shape is wrong. Besides, it has the wrong sign.", M.SIGN)
    cause = found(evidence("broadcast", "gain", "2 * (shifted * dscaled).sum(0).T"))
    assert cause.sentence == "The shape is wrong. Besides, it is `2` times what it should be."


def test_the_gradient_of_another_leaf_is_called_so() -> None:
    gradients = {"gain": normal(0, 1, 4), "bias": normal(1, 1, 4)}
    cause = mistaken_for(gradients["bias"].float(), {name: value.double() for name, value in gradients.items()})
    assert cause == Cause(M.ORDER, "It is the gradient of `bias`.", "Mind the order in which they are returned.")
    for other in (gradients["bias"][0], 1.01 * gradients["bias"], None, [1.0], "bias"):
        assert mistaken_for(other, gradients) is None


SHAPES = st.lists(st.integers(0, 6), max_size=5).map(tuple)
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(VARIABLES), st.none() | SHAPES, DTYPES, st.integers(0, 99), st.sampled_from([0.0, 1e-20, 1.0, 1e30]))
def test_any_answer_can_be_diagnosed(
    place: tuple[str, str], shape: tuple[int, ...] | None, dtype: torch.dtype, seed: int, scale: float
) -> None:
    title, variable = place
    wanted = tuple(TAPES[title].state[variable].shape)
    answer = (scale * normal(seed, *(wanted if shape is None else shape))).to(dtype)
    cause, _ = diagnose(evidence(title, variable, answer))
    assert cause is None or (cause.sentence and cause.next_step)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_answer_that_is_not_finite_has_no_cause(value: float) -> None:
    for title, variable in VARIABLES:
        shape = TAPES[title].state[variable].shape
        assert diagnose(evidence(title, variable, torch.full(shape, value))) == (None, False)


NAMED = {
    ("dlogprobs", "sign"): "It has the wrong sign.",
    ("dlogprobs", "lost 1/n"): "It is `n` times what it should be.",
    ("dlogprobs", "every entry instead of the labels"): (
        "It is right where it belongs, but reaches entries that should get nothing."
    ),
    ("dprobs", "no incoming gradient"): "It is the derivative of the line alone, without `dlogprobs`.",
    ("dprobs", "times for divided by"): "It has the wrong power of `probs`: a `*` for a `/`, perhaps, or a `/` for a `*`.",
    ("dprobs", "the value for the gradient"): "It has `logprobs` where `dlogprobs` comes in.",
    ("dcounts_sum_inv", "mean for sum"): "It is `1 / vocab_size` times what it should be: a mean where a sum belongs.",
    ("dcounts_sum_inv", "sum of one factor"): "It sums `counts` and `dprobs` each by itself.",
    ("dcounts_sum_inv", "zeros"): "It is zero everywhere, whatever comes in.",
    ("dcounts_sum_inv", "not summed"): (
        "It is not summed: `counts_sum_inv` was stretched along axis 1, over `vocab_size` columns, in the line of `probs`."
    ),
    ("dcounts_sum", "power rule"): "It has a factor `counts_sum` too many.",
    ("dcounts", "second consumer missing"): f"The path through `counts_sum` is missing, {RIGHT_ELSE}",
    ("dcounts", "times the input instead of ones"): (
        f"The part through `counts_sum` has a factor `counts` too many, {RIGHT_ELSE}"
    ),
    ("dnorm_logits", "passed through"): "It is `dcounts` as it came in, without the derivative of the line.",
    ("dnorm_logits", "exponential of the unshifted"): "It has `logits` where `norm_logits` belongs.",
    ("dlogits", "sign of the max branch"): f"The part through `logit_maxes` has the wrong sign, {RIGHT_ELSE}",
    ("dlogits", "mask of the labels"): f"The part through `logit_maxes` reaches the wrong entries, {RIGHT_ELSE}",
    ("dh", "untransposed"): "It is transposed, and the numbers are right.",
    ("dh", "mean over the characters"): "It is `1 / vocab_size` times what it should be.",
    ("dW2", "the preactivation for h"): "It has `hpreact` where `h` belongs.",
    ("dW2", "one row only"): "Only row 0 of `dlogits` is used.",
    (
        "dhpreact",
        "derivative of the logistic function",
    ): "This is the slope of the logistic function, but the line takes `tanh`.",
    ("dbngain", "mean for sum"): "It is `1 / n` times what it should be: a mean where a sum belongs.",
    ("dbngain", "shape (64,)"): "The numbers are right, and the shape is not.",
    ("dbnbias", "summed too much"): "It is summed over axis 1 as well, and the same in all entries along it.",
    ("dbnvar_inv", "the wrong tensor"): "It has `bnraw` where `bndiff` belongs.",
    ("dbnvar", "sign"): "It has the wrong sign.",
    ("dbnvar", "1e-5 missing"): "It lacks the `1e-5` of the line.",
    ("dbnvar", "power rule"): "It has a factor `bnvar + 1e-5` too many.",
    ("dbndiff2", "n for n-1"): "It is `(n - 1) / n` times what it should be.",
    ("dbndiff2", "shape (1, 64)"): "It has each number once, and `bndiff2` has it once for each of `n` rows.",
    ("dbndiff", "factor 2 missing"): f"The part through `bndiff2` is `1 / 2` times what it should be, {RIGHT_ELSE}",
    ("dhprebn", "lost 1/n"): f"The part through `bnmeani` is `n` times what it should be, {RIGHT_ELSE}",
    ("dhprebn", "n-1 for n"): f"The part through `bnmeani` is `n / (n - 1)` times what it should be, {RIGHT_ELSE}",
    ("db1", "the gradient of another layer"): "It has `dhpreact` where `dhprebn` comes in.",
    (
        "demb",
        "wrong order of axes",
    ): "The row is cut as if the characters took turns, but each character's numbers lie side by side.",
    ("dC", "overwritten in the loop"): "Where an entry is used several times, only the last contribution is kept.",
    ("dC", "mean of the repeats"): "Where an entry is used several times, the mean of the contributions is taken.",
    ("dC", "first character only"): "Only column 0 of `demb` is used.",
}

WRITTEN = {
    "counted twice": (
        "dcounts = counts_sum_inv * dprobs\ndcounts += dcounts_sum\ndcounts = dcounts + dcounts_sum",
        f"The part through `counts_sum` is counted twice, {RIGHT_ELSE}",
        M.TWICE,
    ),
    "a power too many": (
        "dcounts_sum = -(counts_sum**-3) * dcounts_sum_inv",
        "It has a factor `counts_sum**-1` too many.",
        M.FACTOR,
    ),
    "not the last row": ("dW2 = h[:-1].T @ dlogits[:-1]", "Row 31 of `dlogits` is left out.", M.ROWS),
    "the last row alone": (
        "dW2 = torch.zeros_like(W2)\nfor i in range(n):\n    dW2 = torch.outer(h[i], dlogits[i])",
        "`dW2 = torch.outer(h[i], dlogits[i])` overwrites what was there where it should add.",
        M.REPEATS,
    ),
    "view for transpose": ("dh = dlogits @ W2.view(27, -1)", "It has the entries of `W2` in another order.", M.PLACES),
    "divided by the gain": ("dbnraw = dhpreact / bngain", "It divides by `bngain` where it should multiply.", M.FACTOR),
    "the tensor added": ("db2 = b2 + dlogits.sum(0)", "It is the right gradient, and `b2` added to it.", M.OPERATION),
    "a column left empty": (
        "dhpreact = (1.0 - h**2) * dh\ndhpreact[:, 3] = 0",
        "Column 3 of `dhpreact` is zero.",
        M.ROWS,
    ),
    "repeats within an example": (
        "dC = torch.zeros_like(C)\nfor k in range(n):\n    dC[Xb[k]] += demb[k]",
        "Where an entry is used several times, only the last contribution of each row is kept.",
        M.REPEATS,
    ),
    "repeats within a place": (
        "dC = torch.zeros_like(C)\nfor j in range(3):\n    dC[Xb[:, j]] += demb[:, j]",
        "Where an entry is used several times, only the last contribution of each column is kept.",
        M.REPEATS,
    ),
}


@pytest.fixture(scope="module")
def here() -> Lesson:
    return Lesson(STEPS)


class TestInTheNotebook:
    @pytest.fixture(autouse=True)
    def _beside_the_lesson(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(SOURCE)

    @pytest.mark.parametrize(("mistake", "sentence"), NAMED.items(), ids=[" ".join(mistake) for mistake in NAMED])
    def test_the_mistake_is_named(self, here: Lesson, mistake: tuple[str, str], sentence: str) -> None:
        name, planted = mistake
        verdict = here.answer(name, dict(WRONG[name])[planted])
        assert verdict.outcome is Outcome.WRONG
        hardly = " On this batch it makes almost no difference, so your numbers look right."
        assert verdict.diagnosis.removesuffix(hardly) == sentence
        assert verdict.next_step
        assert verdict.mistake is not M.UNKNOWN

    @pytest.mark.parametrize(("source", "sentence", "mistake"), WRITTEN.values(), ids=WRITTEN)
    def test_the_mistake_in_a_cell_is_named(self, here: Lesson, source: str, sentence: str, mistake: Mistake) -> None:
        verdict = here.answer(source.split(" ")[0], source)
        assert (verdict.diagnosis, verdict.mistake) == (sentence, mistake)

    def test_what_is_in_the_cell_is_believed_and_not_what_gives_the_same(self, here: Lesson) -> None:
        """A factor of `bnvar_inv` too many, which is in nobody's code, explains the numbers as well."""
        verdict = here.answer("dbnvar_inv", "dbnvar_inv = (bnraw * dbnraw).sum(0, keepdim=True)")
        assert verdict.diagnosis == "It has `bnraw` where `bndiff` belongs."
        assert verdict.mistake is M.TENSOR
