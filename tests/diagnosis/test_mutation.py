"""Hundreds of wrong answers, and what the judge makes of them: the figures of docs/mutation.md."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from autograder.verdict import Outcome
from benchmarks.mutation import REPORT, Trial, report, trials
from scripts.submissions import SOURCE, model_answers

ASKED = 8
"""Of so many mutants one is asked for its cause; `make mutation` asks all."""


@pytest.fixture(scope="module")
def found() -> Iterator[list[Trial]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(SOURCE)
        yield list(trials(asked=ASKED))


def test_every_mutant_that_differs_is_rejected(found: list[Trial]) -> None:
    accepted = [trial for trial in found if trial.verdict.outcome is Outcome.RIGHT]
    assert [trial.mutant.source for trial in accepted if not trial.is_same] == []
    assert len(found) - len(accepted) >= 300
    assert {trial.notebook for trial in found} == set(model_answers())


def test_the_planted_cause_is_named_and_a_wrong_one_hardly_ever(found: list[Trial]) -> None:
    named = [trial.named for trial in found if trial.is_rejected and trial.was_asked]
    assert len(named) >= 100
    assert named.count("right") / len(named) >= 0.9
    assert named.count("wrong") / len(named) <= 0.02


def test_doing_what_is_said_of_a_place_makes_the_answer_right(found: list[Trial]) -> None:
    sound = [trial.is_sound for trial in found if trial.is_sound is not None]
    assert len(sound) >= 50
    assert sound.count(True) / len(sound) >= 0.95


def test_the_report_has_these_figures(found: list[Trial]) -> None:
    written, now = REPORT.read_text(encoding="utf-8").splitlines(), report(found).splitlines()
    counts = slice(now.index("|---|---|"), next(number for number, line in enumerate(now) if "of these rejected" in line) + 1)
    assert now[counts] == written[counts], "run `make mutation`"
    assert now[: counts.start] == written[: counts.start]
    assert written[-1].startswith("Measured with torch ")
    assert torch.__version__.split("+")[0] in now[-1]


def test_a_mutant_that_is_the_model_answer_in_another_form_is_no_mistake(found: list[Trial]) -> None:
    same = {trial.mutant.source for trial in found if trial.is_same}
    assert "dcounts = counts_sum_inv * dprobs\ndcounts += dcounts_sum" in same
    assert not any("dbnvar" in source and "mean" in source for source in same)
