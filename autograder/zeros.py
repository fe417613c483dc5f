"""Gradients that are zero on the true chain: nothing that compares with the truth can judge them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autograder.case import step_cases
from autograder.comparison import compare
from autograder.judgement import EXAM
from autograder.reference import step_reference
from autograder.tape import Tape, promoted

NEGLIGIBLE = 1e-9
"""A gradient this much smaller than its step can make it is zero but for rounding (which float64 keeps below 1e-12)."""


@dataclass(frozen=True)
class Zero:
    """A gradient that is structurally zero: its largest true entry, and its largest entry in the cases of the exam.

    `tested` is "alone" if a test judges it on such cases, "whole" if it does so through a whole backward pass.
    """

    name: str
    true: float
    judged: float
    tested: str = ""


def structural_zeros(tape: Tape) -> list[Zero]:
    """The gradients of a tape that are zero for the true loss, whatever the numbers are."""
    state = promoted(tape.state)
    try:
        gradients = tape.gradients(tape.forward({name: state[name] for name in tape.given}))
    except (RuntimeError, TypeError):  # a forward pass that fixes its dtype: in float32 zero and rounding look the same
        return []
    zeros = []
    for name in tape.variables[:-1]:
        cases = list(step_cases(tape, name, EXAM.seed, own=1, resampled=0))
        judged = _largest(step_reference(tape, name, cases[0]).exact)
        scale = max(_typical(gradients[consumer]) for consumer in tape.consumers(name))
        true = _largest(gradients[name])
        if true <= NEGLIGIBLE * scale * judged:
            zeros.append(Zero(f"d{name}", true, judged))
    return zeros


def zero_would_pass(tape: Tape, variable: str) -> bool:
    """Whether an answer of literal zeros would be accepted in any case of the exam."""
    cases = step_cases(tape, variable, EXAM.seed, EXAM.own, EXAM.resampled)
    references = (step_reference(tape, variable, case) for case in cases)
    return any(compare(torch.zeros_like(reference.rounded), reference) is None for reference in references)


def _largest(gradient: Tensor) -> float:
    return float(gradient.abs().max())


def _typical(gradient: Tensor) -> float:
    """The root mean square of the entries: what standard normal entries are scaled by to be of the same size."""
    return float(gradient.square().mean().sqrt())
