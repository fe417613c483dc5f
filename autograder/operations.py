"""How often code runs which operation of torch: finite differences run the forward pass once for each entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from autograder.tape import Tape

FEWEST = 50
"""Times that an operation of the forward pass may be run, however few entries there are."""
SHARE = 0.9
"""Of the entries of a variable: whoever tries a change of each of them runs the forward pass about so often, or more."""

ACCESS = {"__get__", "__getitem__", "__setitem__", "size", "dim"}

Counts = Mapping[str, int]
"""Times that an operation was run, by its name."""


class Counting(TorchFunctionMode):
    """Counts the operations that run while it is entered. Looking into a tensor is none: loops do that a lot."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function.__name__ not in ACCESS:
            self.counts[function.__name__] += 1
        return function(*args, **(kwargs or {}))


def repeated(tape: Tape, variable: str, counts: Counts) -> str:
    """The operation of the lines that use a variable which an answer ran once for each of its entries; or nothing."""
    often = max(FEWEST, SHARE * tape.state[variable].numel())
    forward = _of_lines(tape, tape.consumers(variable))
    return next((name for name in sorted(forward) if counts.get(name, 0) >= often), "")


def repeated_whole(tape: Tape, counts: Counts) -> str:
    """The operation of the forward pass that a whole backward pass ran far more often than the forward pass does."""
    forward = _of_lines(tape, [step.name for step in tape.steps])
    return next((name for name, count in sorted(forward.items()) if counts.get(name, 0) >= 2 * FEWEST * count), "")


def _of_lines(tape: Tape, names: Collection[str]) -> Counts:
    with Counting() as counting, torch.no_grad():
        for step in tape.steps:
            if step.name in names:
                eval(step.code, {**tape.state})
    counts: Counts = counting.counts
    return counts
