"""Whole backward passes in the style of public training loops: right ones are accepted, of wrong ones the truth is said."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.course.questions import Question
from autograder.judge.judging import EXAM, PRACTICE, Effort, judge
from autograder.judge.kinds import claim
from autograder.verdict import Verdict
from scripts.submissions import SOURCE
from tests.support.lesson import Lesson

LOOPS = tomllib.loads((Path(__file__).resolve().parents[1] / "support" / "loops.toml").read_text(encoding="utf-8"))["loop"]
BY = "backward"
Judged = Callable[[dict[str, Any], Effort], list[Verdict]]


@pytest.fixture(scope="module")
def judged() -> Iterator[Judged]:
    """The verdicts on a loop, each in a notebook that knows nothing of the others'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(SOURCE)
        here = Lesson("4-train")
        kept = dict(here.shell.user_ns)

        def judged(loop: dict[str, Any], effort: Effort) -> list[Verdict]:
            here.shell.user_ns.clear()
            here.shell.user_ns.update(kept)
            for source in filter(None, (loop.get("before"), loop["source"])):
                result, _ = here.run(source)
                assert result.success, result.error_in_exec
            return [judge(claim(here.session, Question(name, BY)), effort) for name in loop["names"]]

        yield judged


@pytest.mark.parametrize("effort", [PRACTICE, EXAM], ids=["check", "grade"])
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop["what"])
def test_a_public_loop_is_judged_as_it_is(judged: Judged, loop: dict[str, Any], effort: Effort) -> None:
    for verdict in judged(loop, effort):
        assert verdict.outcome == loop["outcome"], verdict
        assert loop.get("told", "agrees with autograd") in verdict.diagnosis
        assert loop.get("step", verdict.next_step) == verdict.next_step


def test_there_are_many_loops() -> None:
    assert len(LOOPS) >= 44
    assert sum(loop["outcome"] == "right" for loop in LOOPS) >= 20
    assert all(loop.get("told") for loop in LOOPS if loop["outcome"] != "right")
