"""What an instructor sees of a class."""

from __future__ import annotations

import io
import json

import pytest

from autograder.grading import classroom as module
from autograder.grading.classroom import ClassReport
from autograder.grading.coordinator import Graded
from autograder.grading.standing import Standing
from autograder.grading.submission import State
from autograder.terminal import Terminal

GRADED = State.GRADED
EMPTY = "first: The file is empty: nothing of it counts. Ask for the notebook again."
CLASS = [
    Standing("anna", GRADED, 2.5, 8, right=1, attempted=1, answers=2, failures=[EMPTY], notes=["Cell `a` was missing."] * 80),
    Standing("berta", GRADED, 8, 8, right=2, attempted=2, answers=2, late=93600, penalty=1.5, waiting=["first (`essay`)"]),
    Standing("carla", GRADED, 0, 8, answers=2, notes=["one", "two", "three", "four"], by_hand=["1 for 2 in `a` of first"]),
    Standing("zoe", GRADED, 4, 8, answers=2, notes=["first: Look at autograd: dprobs line 1 `x.backward()`"]),
]


def report(standings: list[Standing], now: int, skipped: int = 0) -> tuple[ClassReport, io.StringIO]:
    """Of a run that graded the first `now` of these."""
    file = io.StringIO()
    found = ClassReport("work", Terminal(file=file, width=70))
    with found.shown(now, skipped):
        for each in standings[:now]:
            found.add(Graded(each.student, each.points, each.most, failures=each.failures, notes=each.notes))
    found.standings = standings
    return found, file


def shown(standings: list[Standing], now: int, skipped: int = 0) -> list[str]:
    found, file = report(standings, now, skipped)
    file.truncate(0)
    file.seek(0)
    found.show()
    return file.getvalue().splitlines()


def test_a_small_class_is_shown_whole_and_in_order() -> None:
    assert shown(CLASS, 4) == [
        "work     points   right  attempted",
        "anna   2.5 of 8  1 of 2          1",
        "  ✗ first: The file is empty: nothing of it counts. Ask for the",
        "    notebook again.",
        "    … and 80 notes: autograder report work --notes",
        "berta    8 of 8  2 of 2          2",
        "    Late by 1 day 2 h: 1.5 points off.",
        "    To grade by hand: first (`essay`).",
        "carla    0 of 8  0 of 2          0",
        "    Changed by hand: 1 for 2 in `a` of first.",
        "    one",
        "    two",
        "    three",
        "    … and 1 note more: autograder report work --notes",
        "zoe      4 of 8  0 of 2          0",
        "    first: Look at autograd: dprobs line 1 `x.backward()`",
        "4 graded in 0 s, 1 to see to.",
        "To read this again: autograder report work",
    ]


def test_what_earlier_runs_left_to_see_to_is_shown_again() -> None:
    lines = shown([*CLASS[1:], *CLASS[:1]], 1, skipped=3)
    assert [line.split()[0] for line in lines if line[0] != " "] == ["work", "anna", "berta", "1", "To"]
    assert lines[-2] == "1 graded in 0 s, 3 graded before (--force grades them again), 1 to see to, from before."
    two = [CLASS[0], Standing("dora", GRADED, failures=["x"])]
    assert shown(two, 1, skipped=1)[-2].endswith(", 2 to see to, 1 of them from before.")


def test_of_a_large_class_those_with_something_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    quiet = Standing("quiet", GRADED, 8, 8)
    lines = shown([quiet, *CLASS], 5)
    assert [line.split()[0] for line in lines if line[0] not in " …"][:3] == ["work", "anna", "berta"]
    assert "… and 2 more: autograder report work has all of them." in lines


def test_nothing_to_do_is_said() -> None:
    assert shown(CLASS[1:], 0, skipped=3) == [
        "nothing to grade, 3 graded before (--force grades them again), nothing to see to."
    ]


def test_markup_of_a_student_is_text() -> None:
    assert "[red]x[/]" in "".join(shown([Standing("[red]x[/]", GRADED, notes=["[bold]y[/]"])], 1))


def test_what_was_not_written_is_no_graded_submission() -> None:
    found, _ = report([Standing("anna", State.NOT_GRADED, failures=["x"])], 0)
    found.add(Graded("anna", failures=["x"], is_written=False))
    assert found.line() == "nothing to grade, 1 to see to."


def test_json_has_all_of_it() -> None:
    found, _ = report(CLASS, 1)
    found.standings = [*CLASS, Standing("dora", GRADED, failures=["x"])]
    told = json.loads(found.as_json())
    assert told["to_see_to"] == 2
    assert [each["student"] for each in told["submissions"]] == ["anna"]
    assert told["submissions"][0]["failures"] == [EMPTY]
    assert [(each["student"], each["failures"]) for each in told["earlier"]] == [("dora", ["x"])]
