"""`grade` ends in an error unless the answer is right: nbgrader gives full marks to a test cell without one."""

from __future__ import annotations

import pytest
import torch

from autograder import grading
from autograder.case import step_cases
from autograder.feedback import PRACTICE
from autograder.verdict import Outcome
from scripts.submissions import model_answers
from tests.forms import RIGHT, WRONG
from tests.lesson import Lesson

STEPS = "1-every-gradient"


@pytest.fixture(scope="module")
def here() -> Lesson:
    lesson = Lesson(STEPS)
    lesson.run("from autograder import grade")
    return lesson


def test_it_returns_for_every_model_answer(here: Lesson) -> None:
    for name in model_answers()[STEPS]:
        result, shown = here.run(f'grade("{name}")')
        assert result.success, name
        assert shown.stderr == ""


@pytest.mark.parametrize(
    "call",
    ['grade("dprobs")', 'grade("dprob")', 'grade("probs")', 'grade("")', "grade(None)", "grade()", 'grade("dC", by="nothing")'],
)
def test_it_raises_for_anything_but_a_right_answer(call: str) -> None:
    fresh = Lesson(STEPS, solved=False)
    fresh.run("from autograder import grade")
    assert not fresh.run(call)[0].success


@pytest.mark.parametrize("fault", [ZeroDivisionError, SystemExit, MemoryError, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("place", ["judgement.compare", "judgement.step_reference", "session.Session.tape", "feedback.current"])
def test_it_raises_whatever_goes_wrong(
    here: Lesson, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException], place: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(f"autograder.{place}", fail)
    with pytest.raises((grading.NotRight, KeyboardInterrupt)):
        grading.grade("dprobs")


def test_it_raises_outside_of_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.session._sessions", {})
    with pytest.raises(
        grading.NotRight, match=r"could not tell\. NotReady: this works in a notebook, after `%load_ext autograder`"
    ):
        grading.grade("dprobs")


def test_it_raises_in_a_cell_that_it_would_have_to_run_again(here: Lesson) -> None:
    result, _ = here.run('dprobs = dlogprobs / probs\ngrade("dprobs")')
    assert result.success
    result, _ = here.run('grade("dprobs")\ndprobs = dlogprobs / probs')
    assert not result.success
    here.run(here.solutions["dprobs"])


def test_it_shows_no_expected_number(here: Lesson) -> None:
    here.run("dW2 = h.T @ dlogits / n")
    result, shown = here.run('grade("dW2")')
    here.run(here.solutions["dW2"])
    assert not result.success
    assert "expected" not in shown.outputs[0].data["text/plain"] + shown.outputs[0].data["text/html"]


def test_a_regrade_gives_the_same_verdicts_bit_for_bit(here: Lesson) -> None:
    def verdicts() -> list[object]:
        return [here.answer(name, form) for name, forms in WRONG.items() for _, form in forms]

    assert verdicts() == verdicts()


def test_other_seeds_than_those_of_check(here: Lesson) -> None:
    """What `check` sends in does not come again in `grade`: to know it earns nothing."""
    tape = here.session.tape("probs")
    check = step_cases(tape, "probs", PRACTICE.seed, PRACTICE.own, PRACTICE.resampled)
    exam = list(step_cases(tape, "probs", grading.EXAM.seed, grading.EXAM.own, grading.EXAM.resampled))
    assert not any(torch.equal(a.incoming["logprobs"], b.incoming["logprobs"]) for a in check for b in exam)


@pytest.mark.parametrize("seed", range(5))
def test_the_outcome_does_not_hang_on_the_seed(here: Lesson, seed: int) -> None:
    for name, forms in RIGHT.items():
        assert here.answer(name, forms[seed % len(forms)], seed=str(seed)).outcome is Outcome.RIGHT, name
    for name, forms in WRONG.items():
        assert here.answer(name, forms[seed % len(forms)][1], seed=str(seed)).outcome is Outcome.WRONG, name
