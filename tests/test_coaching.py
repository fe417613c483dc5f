"""What is kept beside the notebooks, and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder import coaching, homework, logbook
from autograder.graph import OUTCOMES, State
from autograder.results import Checked, about
from autograder.verdict import Outcome, Verdict
from tests.learner import Learner


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return Learner(tmp_path / "mine")


def noted(learner: Learner, name: str, outcome: Outcome, words: str = "") -> homework.Homework:
    """The notebook, after a check that found this."""
    read = homework.read(learner.notebook())
    test = next(test for test in read.tests if test.id == f"test-{name}")
    result = about(read, test)
    state = next(state for state, each in OUTCOMES.items() if each is outcome)
    verdict = Verdict(name, outcome, words)
    coaching.note(Checked(read, (type(result)(result.test, name, name, 1, state, verdict),), {}))
    return read


def state(read: homework.Homework, name: str) -> tuple[State, str]:
    return next((result.state, result.sentence) for result in coaching.standing(read).results if result.name == name)


def test_what_was_found_counts_while_the_cell_is_the_same(learner: Learner) -> None:
    learner.writes({"dprobs": "dprobs = 1"})
    read = noted(learner, "dprobs", Outcome.WRONG, "It is one. Or so.")
    assert state(read, "dprobs") == (State.WRONG, "It is one.")
    assert not coaching.is_right(read, "dprobs")
    learner.writes({"dprobs": "dprobs = 2"})
    assert state(homework.read(learner.notebook()), "dprobs") == (State.WAITING, logbook.CHANGED)
    learner.writes({"dprobs": ""})
    assert state(homework.read(learner.notebook()), "dprobs") == (State.NOT_ATTEMPTED, "")


def test_what_was_never_checked_is_waiting(learner: Learner) -> None:
    learner.writes({"dprobs": "dprobs = 1"})
    assert state(homework.read(learner.notebook()), "dprobs") == (State.WAITING, "not checked yet")


def test_a_right_answer_is_remembered(learner: Learner) -> None:
    learner.writes({"dprobs": "dprobs = 1"})
    assert coaching.is_right(noted(learner, "dprobs", Outcome.RIGHT), "dprobs")


def test_hints_go_on_the_next_day(learner: Learner) -> None:
    read = homework.read(learner.notebook())
    ladder = ["a", "b", "c"]
    assert [coaching.next_hint(read, "dprobs", ladder) for _ in range(2)] == [0, 1]
    assert coaching.next_hint(homework.read(learner.notebook()), "dprobs", ladder) == 2
    assert coaching.next_hint(read, "dprobs", ladder) == 2
    assert coaching.next_hint(read, "dprobs", ["of a new check", *ladder]) == 0
    assert coaching.next_hint(read, "dh", ladder) == 0


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "{", "\udcff"])
def test_a_broken_file_begins_anew(learner: Learner, content: str) -> None:
    (learner.folder / coaching.HINTS).write_text(content, errors="surrogateescape")
    read = homework.read(learner.notebook())
    assert [coaching.next_hint(read, "dprobs", ["a", "b"]) for _ in range(2)] == [0, 1]
