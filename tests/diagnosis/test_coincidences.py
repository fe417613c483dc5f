"""What fits only by chance is no cause: values that two names share, parts that come to nothing, and single numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from autograder.course.lesson import KnownMistake
from autograder.course.questions import Question
from autograder.diagnosis.diagnose import diagnose
from autograder.diagnosis.evidence import evidence_of
from autograder.judge.judging import EXAM, judge
from autograder.judge.kinds import claim
from autograder.judge.session import of
from autograder.tape.cases import moved_cases, step_cases
from autograder.tape.tape import record
from autograder.verdict import Outcome
from scripts.submissions import SOURCE
from tests.support.lesson import Lesson, fresh_shell
from tests.support.passes import SETUP

WRONG_SIGN = "It has the wrong sign."

OTHER_NUMBERS = "Right for the numbers of this notebook, but not for others in `a`, `b` and `c`."

NUMBERS: Mapping[str, tuple[str, str, str]] = {
    "a tensor that is 2.0": ("da", "da = b * dproduct * a", "It has a factor `a` too many."),
    "a 2 that is written": ("da", "da = b * dproduct * 2", "It is `2` times what it should be."),
    "nobody's factor": ("da", "da = dproduct * 2", "The number is wrong."),
    "added to itself": (
        "dt",
        "dt = 2 * t * dsquare\ndt += dt + 3 * dtriple",
        "`dt += dt + 3 * dtriple` adds to what was there where it should take its place.",
    ),
    "half of a part": (
        "dt",
        "dt = t * dsquare\ndt += 3 * dtriple",
        "The part through `square` is `1 / 2` times what it should be, and the rest is right.",
    ),
    "a plain number": (
        "dproduct",
        "dproduct = 1.0",
        "It is not a tensor. It is the derivative of the line alone, without `dout`.",
    ),
    "a plain number that lacks a factor": ("dout", "dout = 2", "It is not a tensor. It lacks the factor `out`."),
    "a value that is typed": ("da", "da = -1.7 * dproduct", OTHER_NUMBERS),
    "a value of the result that is typed": ("dout", "dout = torch.tensor(10.0)", OTHER_NUMBERS),
    "another tensor of the same value": ("dout", "dout = out * a", OTHER_NUMBERS),
    "right with what comes in here, in a notebook without a batch": (
        "dt",
        "dt = 2 * t * dsquare + 3",
        "The part through `triple` is the derivative of the line alone, without `dtriple`, and the rest is right. "
        "In this notebook it does not show: your numbers look right.",
    ),
    "one added": ("dout", "dout = 2 * out + 1", "There is a term too many in `2 * out + 1`."),
    "a plain number of no kind": ("dout", "dout = 7", "It is not a tensor."),
}

BATCHNORM: Mapping[str, tuple[str, str, str]] = {
    "nothing comes back through sigma: a sign": ("dmu", "dmu = (dxhat / sigma).sum(0, keepdim=True)", WRONG_SIGN),
    "nothing comes back through sigma: a mean": (
        "dmu",
        "dmu = -(dxhat / sigma).mean(0, keepdim=True)",
        "It is `1 / n` times what it should be: a mean where a sum belongs.",
    ),
    "nothing comes back through sigma: a factor": (
        "dmu",
        "dmu = -(dxhat * sigma).sum(0, keepdim=True)",
        "The part through `xhat` multiplies by `sigma` where it should divide, and the rest is right.",
    ),
    "a term that comes to nothing": (
        "dhprebn",
        "dhprebn = bngain * bnvar_inv * (dhpreact - dhpreact.mean(0) - bnraw * bnraw.sum(0) / (n - 1))",
        "`bnraw` lacks a factor.",
    ),
    "a term that is left out": (
        "dhprebn",
        "dhprebn = bngain * bnvar_inv * (dhpreact - dhpreact.mean(0))",
        "The path through `hprebn.var(0, keepdim=True)` is missing, and the rest is right.",
    ),
    "brackets that are missing": (
        "dhprebn",
        "dhprebn = bngain * bnvar_inv / n * n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0)",
        "The brackets are in the wrong place, or missing, in `bngain * bnvar_inv / n * n * dhpreact - dhpreact.sum(0) - n …`.",
    ),
    "a product of matrices": (
        "dsigma",
        "dsigma = -(dxhat.T @ xhat).sum(0, keepdim=True) / sigma",
        "`dxhat.T @ xhat` has the wrong kind of product: `*` goes entry by entry, `@` is for matrices.",
    ),
}


NO_MASKS: Mapping[str, str] = {
    "-(dxhat / sigma).sum(0)": "The numbers are right, and the shape is not.",
    "-(dxhat / sigma).sum(1, keepdim=True)": "It is summed along axis 1, but `mu` was stretched along axis 0, over `n` rows, "
    "in the line of `xhat`.",
    "-(dxhat / sigma)": "It is not summed: `mu` was stretched along axis 0, over `n` rows, in the line of `xhat`.",
    "-dxhat.sum(0, keepdim=True)": "The part through `xhat` is `-dxhat`, summed, without the rest of the derivative "
    "of the line, and the rest is right.",
    "-(dy / sigma).sum(0, keepdim=True)": "The part through `xhat` has `dy` where `dxhat` comes in, and the rest is right.",
    "-1 / sigma": "The answer does not depend on `dsigma` and `dxhat`.",
    "-(dxhat / sigma).sum(0, keepdim=True) / n": "It is `1 / n` times what it should be.",
    "(dxhat / sigma).sum(0, keepdim=True) - dsigma * (x - mu).sum(0, keepdim=True)": WRONG_SIGN,
}
"""Wrong forms of `dmu`: its part through `sigma` is zero but for rounding, which is no mask."""

OF_THE_LESSON: Mapping[str, str] = {
    "-(dxhat * xhat).sum(0, keepdim=True)": "This multiplies by `xhat` itself, and not by its slope.",
    "(dxhat * xhat).sum(0, keepdim=True)": "This multiplies by `xhat` itself, and not by its slope. "
    "Besides, it has the wrong sign.",
    "(dxhat * xhat).sum(0, keepdim=True) / sigma": WRONG_SIGN,
}
"""Wrong forms of `dsigma` where the lesson's own mistakes are listed."""


@pytest.fixture(scope="module")
def warm_up() -> Lesson:
    return Lesson("0-warm-up")


@pytest.fixture(scope="module")
def batchnorm() -> Lesson:
    return Lesson("3-batchnorm")


@pytest.mark.parametrize(("name", "source", "said"), NUMBERS.values(), ids=NUMBERS)
def test_of_plain_numbers(warm_up: Lesson, name: str, source: str, said: str) -> None:
    assert warm_up.answer(name, source).diagnosis == said


@pytest.mark.parametrize(("name", "source", "said"), BATCHNORM.values(), ids=BATCHNORM)
def test_of_parts_that_are_zero(batchnorm: Lesson, name: str, source: str, said: str) -> None:
    assert batchnorm.answer(name, source).diagnosis == said


def test_a_missing_path_of_a_line_in_one_go_is_named_by_its_place(batchnorm: Lesson) -> None:
    verdict = batchnorm.answer("dhprebn", BATCHNORM["a term that is left out"][1])
    places = "`hprebn` stands in 3 places of the line of `hpreact`"
    assert verdict.next_step == f"{places}: add what comes back through `hprebn.var(0, keepdim=True)`."


@pytest.mark.parametrize(("form", "said"), NO_MASKS.items())
def test_of_a_mask_that_is_rounding(batchnorm: Lesson, form: str, said: str) -> None:
    assert batchnorm.answer("dmu", f"dmu = {form}").diagnosis == said


@pytest.mark.parametrize(("form", "said"), OF_THE_LESSON.items())
def test_of_a_sign_beside_a_known_mistake(batchnorm: Lesson, monkeypatch: pytest.MonkeyPatch, form: str, said: str) -> None:
    monkeypatch.chdir(SOURCE)  # where the lesson's own mistakes are listed
    assert batchnorm.answer("dsigma", f"dsigma = {form}").diagnosis == said


def test_a_sign_of_a_known_formula_is_no_sign_of_the_answer() -> None:
    """Of minus a formula that is as good as minus the truth no sign is wrong."""
    tape = record("inv = (v + 1e-5) ** -0.5\nloss = (inv**3).sum()", {"v": torch.linspace(0.5, 1.5, 30).view(6, 5)})
    (case,) = step_cases(tape, "v", "seed", own=1, resampled=0)
    known = KnownMistake("(v.sin() + 2) * dinv", "This is no derivative.", "Look at the exponent.")
    value = known.value({**case.state, "dinv": case.incoming["inv"]})
    assert value is not None
    said = {sign: diagnose(evidence_of(sign * value, tape, "v", case, {}), [known])[0] for sign in (1, -1)}
    assert said[1] and said[1].sentence == known.sentence
    assert not said[-1] or "wrong sign" not in said[-1].sentence


def test_a_sign_that_is_wrong_twice_is_not_told(batchnorm: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SOURCE)  # where the lesson's own mistakes are listed
    source = "dhprebn = bngain * bnvar_inv * (dhpreact.mean(0) - dhpreact - bnraw * (dhpreact * bnraw).sum(0) / (n - 1))"
    assert batchnorm.answer("dhprebn", source).diagnosis.count("wrong sign") == 1


def test_a_moved_case_is_a_forward_pass_with_other_leaves(batchnorm: Lesson) -> None:
    tape = batchnorm.session.tape("sigma")
    assert tape is not None
    (case,), own = moved_cases(tape, "sigma"), next(iter(step_cases(tape, "sigma", "")))
    assert case.incoming.keys() == own.incoming.keys()
    assert all((case.state[leaf] / own.state[leaf]).min() > 1.05 for leaf in tape.leaves)
    again = tape.forward({name: case.state[name] for name in tape.given})
    assert all((again[step.name] == case.state[step.name]).all() for step in tape.steps)


@pytest.mark.parametrize("line", ["y = torch.asin(x)", "y = {0.95: x**2}[round(x.item(), 2)]"], ids=["not finite", "stops"])
def test_where_no_other_values_go_through_the_notebook_s_own_count(line: str) -> None:
    shell = fresh_shell()
    for source in (SETUP + "x = torch.tensor(0.95)", f"%%forward\n{line}\nloss = y * 2"):
        assert shell.run_cell(source).success
    (tape,) = of(shell).tapes.values()
    assert moved_cases(tape, "x") == []
    shell.user_ns["dy"] = torch.tensor(2.0)
    slope = "(1 - x**2) ** -0.5" if "asin" in line else "2 * x"
    assert shell.run_cell(f"dx = dy * {slope}", cell_id="dx").success
    assert judge(claim(of(shell), Question("dx")), EXAM).outcome is Outcome.RIGHT
