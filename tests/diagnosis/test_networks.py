"""Networks that are not the lecture's: right answers are accepted, and of wrong ones is said what was read and found true."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.diagnosis import repair
from autograder.verdict import Mistake, Outcome
from tests.support.passes import Notebook

FOUND = tomllib.loads((Path(__file__).resolve().parents[1] / "support" / "networks.toml").read_text(encoding="utf-8"))
NETWORKS = {network["title"]: network for network in FOUND["network"]}
SLOWEST = 1.5
"""Seconds that a check may take where no cause is found."""


def answered(form: dict[str, Any]) -> str:
    """The gradient that a cell gives: the last that it binds."""
    lines = form["source"].strip().splitlines()
    bound = [line.split(" = ")[0] for line in lines if " = " in line and line[0] == "d"]
    return bound[-1].split("[")[0]


def titled(form: dict[str, Any]) -> str:
    return f"{form['network']}: {form['source'].strip()[-50:]}"


@pytest.fixture(scope="module")
def notebook() -> Iterator[Callable[[str], Notebook]]:
    made: dict[str, Notebook] = {}

    def of(title: str) -> Notebook:
        if title not in made:
            network = NETWORKS[title]
            made[title] = Notebook(network["names"], network["batch"], network["lines"])
        return made[title]

    yield of


@pytest.mark.parametrize("form", FOUND["right"], ids=titled)
def test_a_right_answer_is_accepted(notebook: Callable[[str], Notebook], form: dict[str, Any]) -> None:
    verdict = notebook(form["network"]).verdict(answered(form), form["source"])
    assert verdict.outcome is Outcome.RIGHT, verdict


@pytest.mark.parametrize("form", FOUND["wrong"], ids=titled)
def test_what_is_said_of_a_wrong_answer_is_what_was_read(notebook: Callable[[str], Notebook], form: dict[str, Any]) -> None:
    verdict = notebook(form["network"]).verdict(answered(form), form["source"], stops=form.get("stops", False))
    assert verdict.outcome is not Outcome.RIGHT
    assert (verdict.diagnosis if verdict.mistake is not Mistake.UNKNOWN else "") == form["said"]


def test_there_are_many_networks_and_most_mistakes_in_them_are_named() -> None:
    assert len(NETWORKS) >= 12
    said = [form["said"] for form in FOUND["wrong"]]
    assert len(said) >= 240
    assert said.count("") <= 12


@pytest.mark.parametrize("form", [form for form in FOUND["wrong"] if not form["said"]], ids=titled)
def test_the_search_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, notebook: Callable[[str], Notebook], form: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)  # where a check keeps its progress
    monkeypatch.setattr(repair, "MAX_SECONDS", 0.3)
    here = notebook(form["network"])
    here.write(answered(form), form["source"], stops=form.get("stops", False))
    began = time.monotonic()
    here.run(f'check("{answered(form)}")')
    assert time.monotonic() - began < SLOWEST
