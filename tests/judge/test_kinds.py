"""A kind of question is one class and one row of the table: all that asks and shows works with a kind that nobody knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from autograder.course.questions import Question
from autograder.errors import NotReady
from autograder.judge import kinds, wording
from autograder.judge.comparison import Difference
from autograder.judge.judging import Attempt, Effort, judge, missing
from autograder.judge.kinds import claim
from autograder.judge.kinds.backward_function import BackwardFunction
from autograder.judge.kinds.gradient import Gradient
from autograder.judge.session import Session
from autograder.notebook.logbook import PROGRESS_FILE
from autograder.replay.run import Replay
from autograder.verdict import Outcome, Verdict
from tests.support.lesson import Lesson

STEPS = "1-every-gradient"
SQUARES = {2: 4, 3: 9, 5: 25}


@dataclass(frozen=True)
class Square:
    """Asks for the function `square`, which it calls with a few numbers."""

    session: Session
    question: Question
    once: ClassVar = {"It took": "A call takes its time."}

    @classmethod
    def claim(cls, session: Session, question: Question) -> Square | None:
        return cls(session, question) if question.name == "square" else None

    @classmethod
    def offers(cls, session: Session, specification: str) -> Iterator[Question]:
        yield from ()

    specification = "square(number)"

    def missing(self) -> Verdict | None:
        return missing(self.session, self.question, set(), is_replayed=False)

    def cases(self, effort: Effort) -> Sequence[int]:
        return list(SQUARES)[: effort.own + effort.resampled]

    def run(self, case: int) -> Attempt[int]:
        replay = self.session.workspace.call("square", {"number": case})
        return Attempt(case, replay, replay.answer)

    def stopped(self, attempt: Attempt[int]) -> Verdict | None:
        error = attempt.replay.error
        return wording.failed("square", wording.first_line(error)) if error else None

    def reference(self, case: int) -> int:
        return SQUARES[case]

    def compare(self, answer: Any, reference: int) -> Difference | None:
        return None if answer == reference else Difference("values", "", str(answer), str(reference))

    def wrong(self, attempt: Attempt[int], difference: Difference) -> Verdict:
        return wording.differs("square", difference, attempt.replay, f"Work out {attempt.case} by hand.")

    def right(self, agreed: Sequence[tuple[Attempt[int], int]], with_remarks: bool) -> Verdict:
        return Verdict("square", Outcome.RIGHT, f"It is right for {len(agreed)} numbers.", notes=("It took a moment.",))

    def hints(self) -> Sequence[str]:
        return ("A number times itself.", "`number * number`")

    def accepts_zeros(self) -> bool:
        return False


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    """A notebook in a folder of its own, with one kind more."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kinds, "KINDS", (Square, *kinds.KINDS))
    lesson = Lesson(STEPS)
    lesson.run("from autograder import check, grade, hint, progress, solution")
    return lesson


def text(lesson: Lesson, call: str) -> str:
    _, shown = lesson.run(call)
    (box,) = shown.outputs
    return str(box.data["text/plain"])


RIGHT = "def square(number):\n    return number * number"
CUBE = "def square(number):\n    return number ** 3 if number > 2 else 4"


class TestANewKind:
    def test_a_right_answer(self, here: Lesson) -> None:
        here.run(RIGHT)
        assert text(here, 'check("square")').splitlines() == [
            "✓ square: right. It is right for 2 numbers.",
            "  note: It took a moment. A call takes its time.",
        ]
        assert "A call takes" in text(here, 'check("square")'), "its cell may run again"
        here.session.told["It took"] = ["another"]
        assert "It took" not in text(here, 'check("square")'), "it is said on one answer alone"
        result, shown = here.run('grade("square")')
        assert (result.success, shown.outputs) == (True, [])

    def test_the_first_case_that_is_wrong_is_told(self, here: Lesson) -> None:
        here.run(CUBE)
        assert not here.run('grade("square")')[0].success
        assert text(here, 'check("square")').splitlines()[1:] == [
            "  seen: 27",
            "  expected: 9",
            "  next: Work out 3 by hand.",
        ]

    def test_no_answer_and_one_that_stops(self, here: Lesson) -> None:
        assert text(here, 'check("square")').startswith("○ square: not attempted. There is no `square` yet.")
        here.run("def square(number):\n    return numbre * number")
        assert "NameError: name 'numbre' is not defined" in text(here, 'check("square")')

    def test_hints_begin_with_what_the_check_said(self, here: Lesson) -> None:
        assert "hint 1 of 2. A number times itself." in text(here, 'hint("square")')
        here.run(CUBE)
        here.run('check("square")')
        assert "hint 1 of 3. Your last check said: " in text(here, 'hint("square")')

    def test_the_model_answer_waits_for_a_right_one(self, here: Lesson) -> None:
        result, _ = here.run('solution("square")')
        assert isinstance(result.error_in_exec, NotReady)

    def test_it_has_a_page_of_its_own_in_the_logbook(self, here: Lesson) -> None:
        here.run(RIGHT)
        here.run('check("square")')
        here.run('check("dprobs")')
        pages = json.loads(Path(PROGRESS_FILE).read_text(encoding="utf-8")).values()
        assert sorted(list(page) for page in pages) == [["dprobs"], ["square"]]

    def test_the_map_of_the_gradients_is_as_it_was(self, here: Lesson) -> None:
        here.run(RIGHT)
        here.run('check("square")')
        assert text(here, "progress()").startswith("gradient map: 26 of 26 right\n")


def test_who_claims_what(here: Lesson) -> None:
    claimed = {by: type(claim(here.session, Question("dC", by))) for by in ("", "backward")}
    assert claimed == {"": Gradient, "backward": BackwardFunction}


def test_more_effort_is_more_cases(here: Lesson) -> None:
    here.run("def square(number):\n    return number * number if number < 5 else 0")
    outcomes = [judge(Square(here.session, Question("square")), Effort("", own)).outcome for own in (1, 2)]
    assert outcomes == [Outcome.RIGHT, Outcome.WRONG]


def test_an_attempt_without_an_answer_is_not_compared(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    here.run("def square(number):\n    raise ValueError")
    monkeypatch.setattr(Square, "compare", lambda *_: pytest.fail("compared"))
    assert judge(Square(here.session, Question("square")), Effort("")).outcome is Outcome.COULD_NOT_TELL
    assert Replay(1).error is None
