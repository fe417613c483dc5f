"""A sentence that quotes a place is read by machine: what it says is among the few readings, and is right."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autograder.diagnosis.operators import Operator
from autograder.replay.parsed import parse_cell
from benchmarks.soundness import is_quoting, readings
from tests.diagnosis.test_repair import NAMES, PART, PLANTED, value

TENSORS = [name for name, each in NAMES.items() if isinstance(each, Tensor)]
MOST = 200
"""Readings of a sentence: so many are few for a machine."""


def right(source: str, truth: str) -> bool:
    one, other = value(parse_cell(source)), value(parse_cell(truth))
    assert isinstance(other, Tensor)
    return isinstance(one, Tensor) and one.shape == other.shape and torch.allclose(one, other)


@pytest.mark.parametrize("operator", PLANTED, ids=str)
def test_one_of_the_readings_of_a_sentence_is_right(operator: Operator) -> None:
    wrong, truth, sentence = PLANTED[operator]
    assert is_quoting(sentence)
    found = list(readings(sentence, wrong, [*TENSORS, PART]))
    assert 1 <= len(found) <= MOST
    assert any(right(source, truth) for source in found)


@pytest.mark.parametrize(
    ("sentence", "source", "truth"),
    [
        ("A sign is wrong in `b.sin()`.", "dx = a.exp() - b", "dx = a.exp() + b"),
        ("There is a factor too many in `a * b.sin()`.", "dx = a * b.sin()", "dx = a / b.sin()"),
        ("`a.sum(0)` goes along the wrong axis.", "dx = a.sum(0)", "dx = a.mean(1)"),
    ],
)
def test_what_a_sentence_does_not_say_is_not_done(sentence: str, source: str, truth: str) -> None:
    assert not any(right(found, truth) for found in readings(sentence, source, TENSORS))


def test_a_sentence_without_a_place_is_none() -> None:
    assert not is_quoting("It has the wrong sign.")
    assert not is_quoting("The path through `h` is missing, and the rest is right.")
    assert list(readings("It has the wrong sign.", "dx = a", TENSORS)) == []
