"""What an instructor sees of a class."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from autograder.grading import classroom as module
from autograder.grading.classroom import ClassReport
from autograder.grading.coordinator import Graded

CLASS = [
    Graded("zoe", 4, 8, notes=["first: Look at autograd: dprobs line 1 `x.backward()`"]),
    Graded("anna", 2.5, 8, failures=["first: The file was empty."]),
    Graded("berta", 8, 8),
]


def shown(graded: list[Graded], skipped: int = 0) -> str:
    console = Console(file=io.StringIO(), width=100)
    report = ClassReport("work", console)
    with report.shown(len(graded), skipped):
        for each in graded:
            report.add(each)
    report.show()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_small_class_is_shown_whole_and_in_order() -> None:
    lines = shown(CLASS).splitlines()
    rows = [line for line in lines if line.startswith("│")]
    assert [row.split("│")[1].strip() for row in rows] == ["anna", "berta", "zoe"]
    assert "2.5 of 8 │ ✗ first: The file was empty." in rows[0]
    assert "Look at autograd" in rows[2]
    assert lines[-1] == "3 graded in 0 s, 1 to see to."


def test_of_a_large_class_those_with_something_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    text = shown(CLASS, skipped=7)
    assert "berta" not in text and "anna" in text and "zoe" in text
    assert text.splitlines()[-1] == "3 graded in 0 s, 7 graded before (--force grades them again), 1 to see to."
    assert "… and 1 more with notes: --json has all of them." in shown([*CLASS, Graded("yves", notes=["x"])])


def test_of_what_a_person_has_to_see_to_the_notes_may_follow() -> None:
    text = shown([Graded("anna", failures=["first: The file was empty."], notes=["Cell `a` was missing."] * 80)])
    assert "✗ first: The file was empty." in text and "… and 80 more" in text and "missing" not in text


def test_nothing_to_do_is_said() -> None:
    assert shown([], skipped=3).splitlines()[-1] == ("nothing to grade, 3 graded before (--force grades them again).")


def test_markup_of_a_student_is_text() -> None:
    assert "[red]x[/]" in shown([Graded("[red]x[/]", notes=["[bold]y[/]"])])


def test_json_has_all_of_it() -> None:
    report = ClassReport("work", Console(quiet=True))
    for each in CLASS:
        report.add(each)
    told = json.loads(report.as_json())
    assert told["to_see_to"] == 1
    assert [each["student"] for each in told["submissions"]] == ["zoe", "anna", "berta"]
    assert told["submissions"][1]["failures"] == ["first: The file was empty."]
