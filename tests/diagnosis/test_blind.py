"""Wrong answers that were written without sight of the diagnosis: see tests/support/blind.toml and those after it."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from autograder.diagnosis import repair
from autograder.judge.judging import PRACTICE
from autograder.verdict import Outcome
from benchmarks import mutation
from tests.support.blind_passes import PASSES
from tests.support.passes import Notebook

LISTS: dict[Path, list[dict[str, Any]]] = {
    path: tomllib.loads(path.read_text(encoding="utf-8"))["wrong"]
    for path in (mutation.BLIND, mutation.SECOND, mutation.THIRD, mutation.FOURTH)
}
BLIND = [form for forms in LISTS.values() for form in forms]
RIGHT = [(title, name, source) for title, each in PASSES.items() for name, source in each.right.items()]
SHOWN = 5
"""Of so many answers one is judged in the usual suite."""
FIRST = {
    mutation.BLIND: {True: {"right": 108, "none": 7, "other": 2}, False: {"right": 197, "none": 20, "other": 5}},
    mutation.SECOND: {True: {"right": 55, "none": 5, "other": 4}, False: {"right": 100, "none": 16, "other": 12}},
    mutation.THIRD: {True: {"right": 46, "none": 4, "other": 14}, False: {"right": 101, "none": 13, "other": 14}},
    mutation.FOURTH: {True: {"right": 57, "none": 5, "other": 2}, False: {"right": 115, "none": 7, "other": 6}},
}
"""What was read when the diagnosis first met them, at home and away: it stays as it is, whatever is said today."""


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said must not depend on how busy the machine is."""
    monkeypatch.setattr(repair, "MAX_SECONDS", 60.0)


def notebook(title: str) -> Notebook:
    """One of its own: a cell that stops, or binds other names, must not reach the next."""
    there = PASSES[title]
    return Notebook(there.names, there.batch, there.lines)


def long(number: int) -> list[pytest.MarkDecorator]:
    return [pytest.mark.long] if number % SHOWN else []


@pytest.mark.parametrize(
    ("title", "name", "source"),
    [pytest.param(*each, id=f"{each[0]}: d{each[1]}", marks=long(number)) for number, each in enumerate(RIGHT)],
)
def test_a_right_answer_is_accepted(title: str, name: str, source: str) -> None:
    assert notebook(title).verdict(f"d{name}", source).outcome is Outcome.RIGHT


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(form, id=f"{form['pass']} {number}: {form['source'].strip()[-40:]}", marks=long(number))
        for number, form in enumerate(BLIND)
    ],
)
def test_a_wrong_answer_is_told_what_was_read(form: dict[str, Any]) -> None:
    verdict = notebook(form["pass"]).verdict(form["name"], form["source"], stops=None, effort=PRACTICE)
    assert verdict.outcome is not Outcome.RIGHT
    assert form["told"] in verdict.diagnosis


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_the_first_figures_stay(path: Path) -> None:
    for is_home, figures in FIRST[path].items():
        assert Counter(form["named"] for form in LISTS[path] if (form["pass"] == "home") is is_home) == figures


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_the_page_has_these_figures(path: Path) -> None:
    assert mutation.blind(path) in mutation.REPORT.read_text(encoding="utf-8"), "run `make mutation`"


def test_a_reader_has_judged_what_is_said_today() -> None:
    now = Counter(form.get("now", form["named"]) for form in BLIND)
    assert set(now) <= {"right", "none", "other"}
    assert all(form.get("now") != form["named"] and form["told"] for form in BLIND)
