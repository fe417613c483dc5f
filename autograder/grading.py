"""What hidden tests call: `grade`."""

from __future__ import annotations

import os
from dataclasses import replace

from autograder.errors import NotRight
from autograder.feedback import conclude, judge, known, without_numbers
from autograder.judgement import EXAM
from autograder.replay import under_way
from autograder.session import current
from autograder.verdict import Outcome, Verdict

SAYS = "HIDDEN_TESTS_SAY"
"""The environment variable for what hidden tests say of an answer: "diagnosis", or the "outcome" alone."""


def grade(name: str, by: str | None = None) -> None:
    """Judges like `check`, on more and other cases, and shows no expected numbers; where SAYS so, no diagnosis either.

    Returns only if the answer is right, and then shows nothing: `check` before it has said so. Everything else, a fault
    in the judge included, raises, because nbgrader gives full marks to a test cell that ends without an error.
    The same submission gives the same verdict every time.
    """
    if under_way():
        raise NotRight(f"{name}: could not tell. `grade` stands in a cell that it would have to run again.")
    try:
        verdict = known(name, by) or judge(name, by, replace(EXAM, seed=EXAM.seed + current().seed))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise NotRight(f"{name}: could not tell. {type(error).__name__}: {error}") from error
    if verdict.outcome is not Outcome.RIGHT:
        conclude(without_numbers(verdict) if _may_explain() else Verdict(name, verdict.outcome, ""))


def _may_explain() -> bool:
    return os.environ.get(SAYS, "diagnosis") == "diagnosis"
