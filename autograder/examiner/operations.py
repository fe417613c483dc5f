"""Counts the operations of torch that code runs, to find finite differences: those run the forward pass for each entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from autograder.tape.tape import Tape

MIN_COUNT = 50
"""Times that an operation of the forward pass may run without a note, however few entries there are."""
ENTRY_SHARE = 0.9
"""The number of runs that is suspicious, as a share of a variable's entries: finite differences run the forward pass at least
once for each of them."""

ACCESSORS = {"__get__", "__getitem__", "__setitem__", "size", "dim"}

Counts = Mapping[str, int]
"""Times that an operation was run, by its name."""


class Counting(TorchFunctionMode):
    """Counts the operations that run inside of it. Access to entries and sizes does not count: loops do that a lot."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function.__name__ not in ACCESSORS:
            self.counts[function.__name__] += 1
        return function(*args, **(kwargs or {}))


def repeated(tape: Tape, variable: str, counts: Counts) -> str:
    """An operation of the lines that use a variable which an answer ran about once for each of its entries, or ""."""
    often = max(MIN_COUNT, ENTRY_SHARE * tape.state[variable].numel())
    forward = _of_lines(tape, tape.consumers(variable))
    return next((name for name in sorted(forward) if counts.get(name, 0) >= often), "")


def repeated_whole(tape: Tape, counts: Counts) -> str:
    """An operation that a whole backward pass ran far more often than the forward pass does; the empty string if none."""
    forward = _of_lines(tape, [step.name for step in tape.steps])
    return next((name for name, count in sorted(forward.items()) if counts.get(name, 0) >= 2 * MIN_COUNT * count), "")


def _of_lines(tape: Tape, names: Collection[str]) -> Counts:
    """How often the lines that compute these names run each operation, once through."""
    with Counting() as counting, torch.no_grad():
        for step in tape.steps:
            if step.name in names:
                eval(step.code, {**tape.state})
    counts: Counts = counting.counts
    return counts
