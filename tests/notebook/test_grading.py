"""`grade` ends in an error unless the answer is right: nbgrader gives full marks to a test cell without one."""

from __future__ import annotations

import json
import os
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from traitlets.config import Config

from autograder.course.questions import Question
from autograder.judge.judging import EXAM, PRACTICE, Effort
from autograder.notebook import api, checking
from autograder.notebook.box import VERDICT_JSON
from autograder.notebook.checking import judged
from autograder.notebook.logbook import NBGRADER
from autograder.tape.cases import step_cases
from autograder.verdict import Outcome, Verdict
from scripts.submissions import ROOT, model_answers
from tests.support.forms import RIGHT, WRONG
from tests.support.lesson import Lesson

STEPS = "1-every-gradient"


@pytest.fixture(scope="module")
def here() -> Lesson:
    lesson = Lesson(STEPS)
    lesson.run("from autograder import grade")
    return lesson


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory, into which `check` writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(NBGRADER, raising=False)
    monkeypatch.delenv(checking.SAYS, raising=False)


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
@pytest.mark.parametrize(
    "place",
    [
        "judge.kinds.gradient.compare",
        "judge.kinds.gradient.step_reference",
        "judge.session.Session.tape",
        "notebook.api.current_session",
    ],
)
def test_it_raises_whatever_goes_wrong(
    here: Lesson, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException], place: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(f"autograder.{place}", fail)
    with pytest.raises((checking.NotRight, KeyboardInterrupt)):
        api.grade("dprobs")


def test_it_raises_outside_of_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.judge.session._sessions", {})
    with pytest.raises(
        checking.NotRight, match=r"could not tell\. NotReady: this works in a notebook, after `%load_ext autograder`"
    ):
        api.grade("dprobs")


def test_it_raises_in_a_cell_that_it_would_have_to_run_again(here: Lesson) -> None:
    result, _ = here.run('dprobs = dlogprobs / probs\ngrade("dprobs")')
    assert result.success
    result, _ = here.run('grade("dprobs")\ndprobs = dlogprobs / probs')
    assert not result.success
    here.run(here.solutions["dprobs"])


NUMBERED = {
    "a factor": ("dW2", "dW2 = h.T @ dlogits / n"),
    "a mask": ("dlogits", "dlogits = dnorm_logits + dlogit_maxes"),
    "zeros": ("dprobs", "dprobs = torch.zeros_like(probs)"),
    "no known mistake": ("dh", "dh = torch.full_like(h, 0.125)"),
    "a size": ("db2", "db2 = dlogits.sum(0) * 32 / n"),
}
"""Wrong answers whose verdicts have a number that is expected, or a size."""


@pytest.fixture
def wrong(here: Lesson, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a gradient whose answer in the notebook is wrong."""
    name, source = NUMBERED[request.param]
    here.run(source)
    yield name
    here.run(here.solutions[name])


def shown_by(lesson: Lesson, call: str) -> tuple[dict[str, Any], str]:
    """All forms of the one verdict that a call shows, and the message of the error that it ends in."""
    result, shown = lesson.run(call)
    (output,) = shown.outputs
    assert isinstance(result.error_in_exec, checking.NotRight)
    message = str(result.error_in_exec)
    assert shown.stdout + shown.stderr == f"NotRight: {message}\n"
    return output.data, message


def said(bundle: dict[str, Any], message: str) -> str:
    return json.dumps(bundle, ensure_ascii=False) + message


class TestExpectedNumbers:
    """What a graded record, which students get back, does not show."""

    def hold(self, lesson: Lesson, name: str, call: str, effort: Effort) -> None:
        verdict = judged(lesson.session, Question(name), effort)
        assert verdict.outcome is Outcome.WRONG
        bundle, message = shown_by(lesson, call)
        assert bundle[VERDICT_JSON] == {**verdict.as_dict(), "expected": ""}
        for form in ("text/plain", "text/html"):
            assert "expected" not in bundle[form]
        if verdict.expected:
            number = rf"(?<![\d.-]){re.escape(verdict.expected)}(?![\d.])"
            everything = said(bundle, message).replace(verdict.seen.partition(" ")[0], "")
            assert not re.search(number, everything) or verdict.expected == "0"
        assert verdict.diagnosis in bundle["text/plain"]

    @pytest.mark.parametrize("wrong", NUMBERED, indirect=True)
    def test_grade_shows_none(self, here: Lesson, wrong: str) -> None:
        self.hold(here, wrong, f'grade("{wrong}")', EXAM)

    @pytest.mark.parametrize("wrong", NUMBERED, indirect=True)
    def test_check_shows_none_while_nbgrader_grades(self, here: Lesson, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(NBGRADER, "autograde")
        self.hold(here, wrong, f'check("{wrong}")', PRACTICE)

    @pytest.mark.parametrize("wrong", ["a factor"], indirect=True)
    @pytest.mark.parametrize("running", [None, "validate"])
    def test_check_shows_it_to_a_learner(
        self, here: Lesson, wrong: str, monkeypatch: pytest.MonkeyPatch, running: str | None
    ) -> None:
        if running:
            monkeypatch.setenv(NBGRADER, running)
        expected = judged(here.session, Question(wrong), PRACTICE).expected
        bundle, _ = shown_by(here, f'check("{wrong}")')
        assert re.fullmatch(r"-?[\d.e+-]+", expected)
        assert f"expected: {expected}" in bundle["text/plain"]
        assert bundle[VERDICT_JSON]["expected"] == expected

    def test_a_function_s_verdict_shows_none(self) -> None:
        lesson = Lesson("4-train")
        lesson.run("from autograder import grade")
        lesson.run(lesson.solutions["backward"].replace("dW2 = h.T @ dlogits", "dW2 = h.T @ dlogits / 2"))
        verdict = lesson.verdict("dW2", by="backward")
        bundle, message = shown_by(lesson, 'grade("dW2", by="backward")')
        assert verdict.expected and verdict.expected not in said(bundle, message)
        assert bundle[VERDICT_JSON]["expected"] == ""


class TestOutcomeOnly:
    """What hidden tests say where a course sets it."""

    @pytest.mark.parametrize("setting", ["outcome", "", "none", "Diagnosis", "diagnosis ", "0"])
    @pytest.mark.parametrize("wrong", ["a factor", "a size", "no known mistake"], indirect=True)
    def test_nothing_of_the_diagnosis_is_said(
        self, here: Lesson, wrong: str, monkeypatch: pytest.MonkeyPatch, setting: str
    ) -> None:
        monkeypatch.setenv(checking.SAYS, setting)
        bundle, message = shown_by(here, f'grade("{wrong}")')
        assert bundle["text/plain"] == f"✗ {wrong}: wrong."
        assert bundle[VERDICT_JSON] == Verdict(wrong, Outcome.WRONG, "").as_dict()
        assert re.sub(r"<[^>]*>", "", bundle["text/html"]).strip() == f"✗ {wrong}: wrong."
        assert message.strip() == f"{wrong}: wrong."

    @pytest.mark.parametrize("wrong", ["a factor"], indirect=True)
    def test_nor_by_the_line_that_students_see_where_marks_are_given(
        self, here: Lesson, wrong: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(NBGRADER, "autograde")
        monkeypatch.setenv(checking.SAYS, "outcome")
        bundle, message = shown_by(here, f'check("{wrong}")')
        assert bundle[VERDICT_JSON] == Verdict(wrong, Outcome.WRONG, "").as_dict()
        assert message.strip() == f"{wrong}: wrong."

    @pytest.mark.parametrize(
        ("source", "outcome"),
        [
            ("dprobs = ...", Outcome.NOT_ATTEMPTED),
            ("dprobs = dlogprobs / nonsense", Outcome.COULD_NOT_TELL),
            ("dprobs = dlogprobs.sum(0)", Outcome.WRONG),
        ],
        ids=["not attempted", "could not tell", "another shape"],
    )
    def test_every_outcome_is_said(self, here: Lesson, monkeypatch: pytest.MonkeyPatch, source: str, outcome: Outcome) -> None:
        monkeypatch.setenv(checking.SAYS, "outcome")
        here.run("del dprobs")
        here.run(source)
        bundle, message = shown_by(here, 'grade("dprobs")')
        here.run(here.solutions["dprobs"])
        assert bundle[VERDICT_JSON] == Verdict("dprobs", outcome, "").as_dict()
        assert message.strip() == f"dprobs: {outcome}."

    def test_a_right_answer_is_right(self, here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(checking.SAYS, "outcome")
        result, shown = here.run('grade("dprobs")')
        assert result.success and shown.outputs == []

    @pytest.mark.parametrize("wrong", ["a factor"], indirect=True)
    @pytest.mark.parametrize("setting", [None, "diagnosis"])
    def test_else_the_diagnosis_is_said(
        self, here: Lesson, wrong: str, monkeypatch: pytest.MonkeyPatch, setting: str | None
    ) -> None:
        if setting:
            monkeypatch.setenv(checking.SAYS, setting)
        bundle, message = shown_by(here, f'grade("{wrong}")')
        diagnosis = judged(here.session, Question(wrong), EXAM).diagnosis
        assert diagnosis and message == f"{wrong}: wrong. {diagnosis}"
        assert bundle[VERDICT_JSON]["diagnosis"] == diagnosis

    def test_the_course_says_the_diagnosis(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (checking.SAYS, "PATH", "OMP_NUM_THREADS"):  # the configuration sets them, and they are put back
            monkeypatch.setenv(name, "before")
        runpy.run_path(str(ROOT / "nbgrader_config.py"), init_globals={"get_config": Config})
        assert os.environ[checking.SAYS] == "diagnosis"


def test_a_regrade_gives_the_same_verdicts_bit_for_bit(here: Lesson) -> None:
    def verdicts() -> list[object]:
        return [here.answer(name, form) for name, forms in WRONG.items() for _, form in forms]

    assert verdicts() == verdicts()


def test_other_seeds_than_those_of_check(here: Lesson) -> None:
    """What `check` sends in does not come again in `grade`: to know it earns nothing."""
    tape = here.session.tape("probs")
    check = step_cases(tape, "probs", PRACTICE.seed, PRACTICE.own, PRACTICE.resampled)
    exam = list(step_cases(tape, "probs", EXAM.seed, EXAM.own, EXAM.resampled))
    assert not any(torch.equal(a.incoming["logprobs"], b.incoming["logprobs"]) for a in check for b in exam)


@pytest.mark.parametrize("seed", range(5))
def test_the_outcome_does_not_hang_on_the_seed(here: Lesson, seed: int) -> None:
    for name, forms in RIGHT.items():
        assert here.answer(name, forms[seed % len(forms)], seed=str(seed)).outcome is Outcome.RIGHT, name
    for name, forms in WRONG.items():
        assert here.answer(name, forms[seed % len(forms)][1], seed=str(seed)).outcome is Outcome.WRONG, name
