"""Answers that nobody generated: those of public notebooks, in other words. See tests/support/collected.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.verdict import Mistake, Outcome
from scripts.submissions import SOURCE
from tests.support.lesson import Lesson

COLLECTED = tomllib.loads((Path(__file__).resolve().parents[1] / "support" / "collected.toml").read_text(encoding="utf-8"))


def named(form: dict[str, str]) -> str:
    return f"{form['name']}: {form.get('mistake', form['source'][:40])}"


@pytest.fixture(scope="module")
def lesson() -> Iterator[Callable[[str], Lesson]]:
    """The solved notebooks, each made once; they run where their files lie."""
    made: dict[str, Lesson] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(SOURCE)
        yield lambda name: made.setdefault(name, Lesson(name)) if name not in made else made[name]


@pytest.mark.parametrize("form", COLLECTED["right"], ids=named)
def test_what_is_right_in_any_style_is_accepted(lesson: Callable[[str], Lesson], form: dict[str, str]) -> None:
    assert lesson(form["notebook"]).answer(form["name"], form["source"]).outcome is Outcome.RIGHT


@pytest.mark.parametrize("form", COLLECTED["wrong"], ids=named)
def test_what_is_wrong_is_rejected_for_the_reason_that_was_read(lesson: Callable[[str], Lesson], form: dict[str, str]) -> None:
    verdict = lesson(form["notebook"]).answer(form["name"], form["source"])
    assert verdict.outcome is not Outcome.RIGHT
    assert verdict.mistake == Mistake(form["kind"]), verdict.diagnosis


def test_a_reader_has_judged_every_diagnosis() -> None:
    assert {form["named"] for form in COLLECTED["wrong"]} == {"right", "none", "other"}
    assert all((form["named"] == "none") == (form["kind"] == "") for form in COLLECTED["wrong"])
