"""Cases to judge an answer on: a consistent forward state and gradients that come in at random."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch
from torch import Tensor

from autograder.tape import State, Tape, is_variable

FEWEST_ROWS = 3
"""Variance over fewer rows than this is too special to judge on."""


SMALL = 1 / 30
"""What leaves are multiplied by, once: in the network of the course the variance is then near the constant beside it."""


NOTHING: Mapping[str, Tensor] = {}

PARTS = 16
"""How many states and `others` a room remembers, so that they need not be sent again."""

KEPT = 8
"""How many sets of cases are kept: of the last forward passes, for `check` and for `grade`."""


@dataclass(frozen=True, eq=False)
class Case:
    """A forward state, and a random gradient for each consumer of the variable that is judged.

    `rows` is the size of a resampled minibatch, or None for the notebook's own. `others` are random gradients of all
    variables on a resampled minibatch: an answer has no use for them, but a cell may look at them.
    The states and `others` of a seed are the same objects for all variables.
    """

    state: State
    incoming: Mapping[str, Tensor]
    rows: int | None = None
    others: Mapping[str, Tensor] = field(default_factory=lambda: NOTHING)


def step_cases(tape: Tape, variable: str, seed: str, own: int = 1, resampled: int = 1) -> Iterator[Case]:
    """Cases for one step of the backward pass: on the notebook's own state, then on fewer rows of the minibatch.

    The same seed gives the same cases, with the same rows for all variables. In the fewer rows the largest index of the
    minibatch is missing where that can be, so that nothing can be read off it, such as the size of the vocabulary. An
    incoming gradient is standard normal where the true one is not zero, and zero where the true one is zero, because people
    rightly use that; where the true one is zero everywhere it is normal everywhere.
    """
    for case in _drawn(tape, seed, own, resampled):
        one = torch.ones_like(case.state[tape.loss])
        incoming = {name: one if name == tape.loss else case.others[name] for name in tape.consumers(variable)}
        yield replace(case, incoming=incoming, others=NOTHING if case.rows is None else case.others)


@lru_cache(KEPT)
def _drawn(tape: Tape, seed: str, own: int, resampled: int) -> tuple[Case, ...]:
    """States, with random gradients of all variables but the loss among the `others`."""
    generator = _generator(seed, tape.loss)
    true = tape.gradients(tape.state)
    cases = [Case(tape.state, {}, None, _random(true, tape.loss, generator)) for _ in range(own)]
    for rows in _fewer_rows(tape, resampled, generator):
        state = tape.resampled(rows)
        cases.append(Case(state, {}, len(rows), _random(tape.gradients(state), tape.loss, generator)))
    return tuple(cases)


@lru_cache(KEPT)
def whole_cases(tape: Tape, seed: str, own: int = 1, resampled: int = 2) -> tuple[Case, ...]:
    """Cases for a whole backward pass: the notebook's own state, then other leaves with other numbers of rows.

    Nothing comes in but the gradient of the loss. Leaves are moved by about their own size; those of the last case are
    small, so that a small constant in the forward pass matters.
    """
    generator = _generator(seed, tape.loss)
    cases = [Case(tape.state, {}) for _ in range(own)]
    if tape.rows is None:
        return tuple(cases)
    sizes = [1.0] * (resampled - 1) + [SMALL]
    for rows, size in zip([*_fewer_rows(tape, resampled - 1, generator), 2 * list(range(tape.rows))], sizes, strict=True):
        batch = tape.resampled(rows)
        leaves = {name: size * _moved(batch[name], generator) for name in tape.leaves}
        cases.append(Case(tape.forward({name: batch[name] for name in tape.given} | leaves), {}, len(rows)))
    return tuple(cases)


def _generator(seed: str, loss: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{loss}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _fewer_rows(tape: Tape, count: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Rows of the minibatch, from a half of them to all but one, those with the largest index of a tensor last."""
    rows = tape.rows or 0
    fewest = max(FEWEST_ROWS, rows // 2)
    if rows <= fewest:
        return
    last = _has_a_largest_index(tape)
    most = max(fewest, min(rows - 1, rows - int(last.sum())))
    for _ in range(count):
        chosen = int(torch.randint(fewest, most + 1, (), generator=generator))
        order = torch.randperm(rows, generator=generator)
        yield order[last[order].int().argsort(stable=True)][:chosen].tolist()


def _has_a_largest_index(tape: Tape) -> Tensor:
    """For each row of the minibatch, whether the largest entry of one of its integer tensors stands in it."""
    found = torch.zeros(tape.rows or 0, dtype=torch.bool)
    for name in tape.batch:
        value = tape.given[name]
        if isinstance(value, Tensor) and not is_variable(value) and value.numel():
            found |= (value == value.max()).reshape(len(value), -1).any(1)
    return found


def _random(gradients: Mapping[str, Tensor], loss: str, generator: torch.Generator) -> dict[str, Tensor]:
    """Random gradients of all variables but the loss, on the support of the true ones."""
    drawn = {}
    for name, true in gradients.items():
        if name != loss:
            noise = torch.randn(true.shape, generator=generator, dtype=true.dtype)
            drawn[name] = noise * (true != 0) if bool(true.any()) else noise
    return drawn


def _moved(leaf: Tensor, generator: torch.Generator) -> Tensor:
    scale = leaf.abs().mean().clamp(min=0.1)
    moved: Tensor = leaf + scale * torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype) / 2
    return moved
