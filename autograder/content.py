"""What is wrong with the words of a lesson: rows about nothing, and wrong formulas that are right or do not run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from autograder.case import step_cases
from autograder.comparison import compare
from autograder.evidence import evidence_of
from autograder.judgement import EXAM
from autograder.lesson import Advice, advice
from autograder.reference import step_reference
from autograder.tape import Tape

MOST_HINTS = 3


def rows(tape: Tape) -> list[tuple[str, list[str]]]:
    """The gradients of a forward pass that a lesson may have a row for, with what their variables are read by."""
    return [(f"d{variable}", sorted(tape.consumers(variable))) for variable in tape.variables[:-1]]


def faults(tape: Tape, folder: Path) -> Iterator[tuple[str, str]]:
    """The gradients of a forward pass whose row in the lesson of a folder has a fault, and the fault.

    Raises ContentError for a file that cannot be read.
    """
    for variable in tape.variables[:-1]:
        for fault in _faults(tape, variable, advice(folder, tape, variable)):
            yield f"d{variable}", fault


def _faults(tape: Tape, variable: str, words: Advice) -> Iterator[str]:
    if len(words.hints) > MOST_HINTS:
        yield f"it has {len(words.hints)} hints: {MOST_HINTS} are enough."
    (case,) = step_cases(tape, variable, EXAM.seed, own=1, resampled=0)
    evidence = evidence_of(torch.zeros_like(case.state[variable]), tape, variable, case, {})
    truth = step_reference(tape, variable, case)
    for mistake in words.mistakes:
        value = mistake.value(evidence)
        if value is not None and compare(value, truth) is None:
            yield f"the formula `{mistake.formula}` is right."
