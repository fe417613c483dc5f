"""Cases to judge an answer on: a consistent forward state and gradients that come in at random."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from autograder.tape import State, Tape

FEWEST_ROWS = 3
"""Variance over fewer rows than this is too special to judge on."""


@dataclass(frozen=True)
class Case:
    """A forward state, and a random gradient for each consumer of the variable that is judged.

    `rows` is the size of a resampled minibatch, or None for the notebook's own.
    """

    state: State
    incoming: Mapping[str, Tensor]
    rows: int | None = None


def step_cases(tape: Tape, variable: str, seed: str, own: int = 1, resampled: int = 1) -> Iterator[Case]:
    """Cases for one step of the backward pass: on the notebook's own state, then on fewer rows of the minibatch.

    The same seed gives the same cases. An incoming gradient is standard normal where the true one is not zero, and
    zero where the true one is zero, because people rightly use that; where the true one is zero everywhere it is
    normal everywhere.
    """
    generator = _generator(seed, variable)
    for _ in range(own):
        yield Case(tape.state, _incoming(tape, variable, tape.state, generator))
    for rows in _row_counts(tape, resampled, generator):
        state = tape.resampled(torch.randperm(tape.rows or 0, generator=generator)[:rows].tolist())
        yield Case(state, _incoming(tape, variable, state, generator), rows)


def whole_cases(tape: Tape, seed: str, own: int = 1, resampled: int = 2) -> Iterator[Case]:
    """Cases for a whole backward pass: the notebook's own state, then other leaves with other numbers of rows.

    Nothing comes in but the gradient of the loss. Leaves are moved by about their own size.
    """
    generator = _generator(seed, tape.loss)
    for _ in range(own):
        yield Case(tape.state, {})
    if tape.rows is None:
        return
    for rows in [*_row_counts(tape, resampled - 1, generator), 2 * tape.rows]:
        twice = torch.cat([torch.randperm(tape.rows, generator=generator) for _ in range(2)])
        batch = tape.resampled(twice[:rows].tolist())
        leaves = {name: _moved(batch[name], generator) for name in tape.leaves}
        yield Case(tape.forward({name: batch[name] for name in tape.given} | leaves), {}, rows)


def _generator(seed: str, variable: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{variable}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _row_counts(tape: Tape, count: int, generator: torch.Generator) -> list[int]:
    """Numbers of rows from a half of the minibatch to one less than all of it."""
    rows = tape.rows or 0
    fewest = max(FEWEST_ROWS, rows // 2)
    if rows <= fewest:
        return []
    return [int(torch.randint(fewest, rows, (), generator=generator)) for _ in range(count)]


def _incoming(tape: Tape, variable: str, state: State, generator: torch.Generator) -> dict[str, Tensor]:
    gradients = tape.gradients(state)
    incoming = {}
    for consumer in tape.consumers(variable):
        true = gradients[consumer]
        noise = torch.randn(true.shape, generator=generator, dtype=true.dtype)
        support = (true != 0) if bool(true.any()) else torch.ones_like(true, dtype=torch.bool)
        incoming[consumer] = torch.ones_like(true) if consumer == tape.loss else noise * support
    return incoming


def _moved(leaf: Tensor, generator: torch.Generator) -> Tensor:
    scale = leaf.abs().mean().clamp(min=0.1)
    moved: Tensor = leaf + scale * torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype) / 2
    return moved
