"""Cases to judge an answer on: a consistent forward state and random incoming gradients.

An answer is judged by running it again on cases, not by the numbers that stand in the notebook. There, many wrong formulas
happen to give the right numbers: a factor of the incoming gradient may be 1, or two sizes the same. A vector-Jacobian product
is linear in the incoming gradient, so a wrong formula is all but certain to give wrong numbers for a random one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from autograder.tape.tape import State, Tape, is_variable, promoted

FEWEST_ROWS = 3
"""Rows of the smallest minibatch that is drawn. The variance over two rows is so special that wrong formulas hold for it."""

SMALL_SCALE = 1 / 30
"""The factor of the leaves in one case. In the course's network the variance is then as small as the constant added to it."""

NO_GRADIENTS: Mapping[str, Tensor] = {}

MAX_PARTS = 16
"""How many states and `others` a room keeps, so that they need not be sent again."""

MAX_CASE_SETS = 8
"""How many sets of cases are kept: those of the last forward passes, for the seeds of `check` and of `grade`."""


@dataclass(frozen=True, eq=False)
class Case:
    """A forward state, and a random gradient for each consumer of the variable that is judged.

    `rows` is the size of a resampled minibatch, or None for the notebook's own. `others` are random gradients of all
    variables on a resampled minibatch: an answer does not need them, but other lines of its cell may read them, and must not
    find gradients of other shapes there. The states and `others` of a seed are the same objects for all variables, so a room is
    sent them only once.
    """

    state: State
    incoming: Mapping[str, Tensor]
    rows: int | None = None
    others: Mapping[str, Tensor] = field(default_factory=lambda: NO_GRADIENTS)


def step_cases(tape: Tape, variable: str, seed: str, own: int = 1, resampled: int = 1) -> Iterator[Case]:
    """Cases for one step of the backward pass: `own` on the notebook's own state, then `resampled` on fewer rows of it.

    The same seed gives the same cases, with the same rows for all variables: a verdict does not depend on the order of the
    checks, and a regrade repeats it. The fewer rows leave out the largest index of the minibatch where possible, so that an
    answer cannot take a size such as that of the vocabulary from it.

    `incoming[consumer]` has the shape and dtype of the consumer. It is standard normal where the true gradient is not zero, and
    zero where that is zero, because right answers may rely on such zeros. If the true one is zero everywhere, it is normal
    everywhere. The gradient of the loss is one.

    A zero that an answer may rely on comes from the lines after the consumer, such as a pick of the labels. What the consumer's
    own line switches off is another matter: there the answer has to be zero whatever comes in, and this is what is asked. After
    a causal mask and a softmax, the true gradient is zero exactly where the mask is, and an answer without the mask would never
    show. So entries of the consumer that do not depend on the variable are normal too. A right answer stays the same.
    An entry that moves with a part of the variable keeps its zero: in `(W * mask) @ x` a mask shows in rows that the loss uses.
    """
    for case, noise in _drawn(tape, seed, own, resampled):
        incoming = {name: _incoming(tape, variable, name, case, noise) for name in tape.consumers(variable)}
        yield replace(case, incoming=incoming, others=NO_GRADIENTS if case.rows is None else case.others)


def _incoming(tape: Tape, variable: str, consumer: str, case: Case, noise: Mapping[str, Tensor]) -> Tensor:
    """The gradient that comes in from a consumer, made of `case.others` and of `noise`, which has no zeros."""
    if consumer == tape.loss:
        return torch.ones_like(case.state[consumer])
    drawn = case.others[consumer]
    if bool(drawn.all()):
        return drawn
    return torch.where(tape.switched_off(consumer, variable, case.state), noise[consumer], drawn)


@lru_cache(MAX_CASE_SETS)
def _drawn(tape: Tape, seed: str, own: int, resampled: int) -> tuple[tuple[Case, Mapping[str, Tensor]], ...]:
    """The states of a seed, each with random gradients of all variables but the loss in `others`.

    Beside each is their noise: the same gradients before those entries were set to zero that are zero in the true ones. All is
    drawn once for all variables, not for each: to draw a state takes a whole forward and backward pass.
    """
    generator = generator_of(seed, tape.loss)
    true = tape.gradients(tape.state)
    drawn = [_random(tape, tape.state, true, None, generator) for _ in range(own)]
    for rows in _fewer_rows(tape, resampled, generator):
        state = tape.resampled(rows)
        drawn.append(_random(tape, state, tape.gradients(state), len(rows), generator))
    return tuple(drawn)


def moved_cases(tape: Tape, variable: str) -> list[Case]:
    """A case for one step with other values of the leaves: what holds by a value of the notebook alone does not hold there.

    Each entry of a leaf grows by some 6 to 20 %, so that signs and zeros stay, and no exponential gets out of hand. There is
    none where the forward pass does not go through with them: the arcsine of 0.95 has no larger one.
    """
    with suppress(Exception):
        case, noise = _moved_state(tape)
        if all(bool(case.state[name].isfinite().all()) for name in tape.variables):
            incoming = {name: _incoming(tape, variable, name, case, noise) for name in tape.consumers(variable)}
            return [replace(case, incoming=incoming, others=NO_GRADIENTS)]
    return []


@lru_cache(MAX_CASE_SETS)
def _moved_state(tape: Tape) -> tuple[Case, Mapping[str, Tensor]]:
    generator = generator_of("moved", tape.loss)
    leaves = {name: tape.given[name] for name in tape.leaves}
    moved = {name: leaf * (1.06 + 0.14 * torch.rand(leaf.shape, generator=generator)).to(leaf) for name, leaf in leaves.items()}
    state = tape.forward({**tape.given, **moved})
    return _random(tape, state, tape.gradients(state), None, generator)


@lru_cache(MAX_CASE_SETS)
def whole_cases(tape: Tape, seed: str, own: int = 1, resampled: int = 2) -> tuple[Case, ...]:
    """Cases for a whole backward pass: `own` on the notebook's own state, then `resampled` with other leaves and rows.

    The only incoming gradient is that of the loss, which is one. So what varies is the state: leaves are moved by about their
    own size, which changes every intermediate. In the last case they are small, so that a small constant in the forward pass,
    such as the one beside a variance, matters. It has twice as many rows: those of the minibatch, and those of its first half
    twice more. With each of them just twice a mean would be that of the minibatch, and a function that reads the minibatch from
    outside would be right.
    """
    generator = generator_of(seed, tape.loss)
    cases = [Case(tape.state, {}) for _ in range(own)]
    if tape.rows is None:
        return tuple(cases)
    sizes = [1.0] * (resampled - 1) + [SMALL_SCALE]
    more = [*range(tape.rows), *(row // 2 for row in range(tape.rows))]
    for rows, size in zip([*_fewer_rows(tape, resampled - 1, generator), more], sizes, strict=True):
        batch = tape.resampled(rows)
        leaves = {name: size * _moved(batch[name], generator) for name in tape.leaves}
        cases.append(Case(tape.forward({name: batch[name] for name in tape.given} | leaves), {}, len(rows)))
    return tuple(cases)


def generator_of(seed: str, name: str) -> torch.Generator:
    """A generator that the seed and a name, such as that of the loss, alone determine, on any machine."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _fewer_rows(tape: Tape, count: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Random rows of the minibatch, from half of them to all but one. Those with the largest index of a tensor come last."""
    rows = tape.rows or 0
    fewest = max(FEWEST_ROWS, rows // 2)
    if rows <= fewest:
        return
    avoided = _has_a_largest_index(tape)
    most = max(fewest, min(rows - 1, rows - int(avoided.sum())))
    for _ in range(count):
        chosen = int(torch.randint(fewest, most + 1, (), generator=generator))
        order = torch.randperm(rows, generator=generator)
        yield order[avoided[order].int().argsort(stable=True)][:chosen].tolist()


def _has_a_largest_index(tape: Tape) -> Tensor:
    """For each row of the minibatch, whether the largest entry of one of its integer tensors stands in it."""
    found = torch.zeros(tape.rows or 0, dtype=torch.bool)
    for name in tape.batch:
        value = tape.given[name]
        if isinstance(value, Tensor) and not is_variable(value) and value.numel():
            found |= (value == value.max()).reshape(len(value), -1).any(1)
    return found


def _random(
    tape: Tape, state: State, true: Mapping[str, Tensor], rows: int | None, generator: torch.Generator
) -> tuple[Case, Mapping[str, Tensor]]:
    """A case whose `others` are random gradients, zero where the true ones are zero; and the noise that they are made of."""
    noise = {
        name: torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype)
        for name, gradient in true.items()
        if name != tape.loss
    }
    others = {name: drawn * (true[name] != 0) if bool(true[name].any()) else drawn for name, drawn in noise.items()}
    return Case(state, {}, rows, others), noise


def _moved(leaf: Tensor, generator: torch.Generator) -> Tensor:
    """A leaf with noise of half its mean size added, at least 0.05: a bias may be all zeros."""
    scale = leaf.abs().mean().clamp(min=0.1)
    moved: Tensor = leaf + scale * torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype) / 2
    return moved


ROUNDING_FACTOR = 32
"""A right answer may be off by so many times the reference's own rounding error in float32: it may add up in another order."""
MIN_TOLERANCE = 3e-6
"""The smallest tolerance, relative to the largest entry: some 25 roundings in float32. The reference may by luck have none."""


@dataclass(frozen=True)
class Reference:
    """A reference gradient: computed in float64, and `rounded`, by the same computation in the notebook's dtype."""

    exact: Tensor
    rounded: Tensor

    @cached_property
    def tolerance(self) -> float:
        """The largest absolute difference from `exact` that rounding explains.

        The rounding error of the reference shows how much this very computation loses: a fixed tolerance would be too strict
        after a long sum, and too loose after a single product.
        """
        if not self.exact.numel():
            return 0.0
        noise = float((self.rounded.double() - self.exact).abs().max())
        return max(ROUNDING_FACTOR * noise, MIN_TOLERANCE * float(self.exact.abs().max()))


def step_reference(tape: Tape, variable: str, case: Case) -> Reference:
    """The right gradient of a variable on a case: the vector-Jacobian product with the gradients of its consumers."""
    rounded = _product(tape, variable, case.incoming, case.state)
    incoming = {name: gradient.double() for name, gradient in case.incoming.items()}
    needed = {variable}.union(*(step.reads for step in tape.steps if step.name in case.incoming))
    state = promoted({name: value for name, value in case.state.items() if name in needed})
    try:
        return Reference(_product(tape, variable, incoming, state).double(), rounded)
    except (RuntimeError, TypeError):  # a forward pass that fixes its dtype cannot be evaluated in float64
        return Reference(rounded.double(), rounded)


@lru_cache(16)
def whole_references(tape: Tape, case: Case | None = None) -> dict[str, Reference]:
    """The gradients of the loss with respect to all variables, through the whole forward pass.

    They are computed on the state of a case, or on the notebook's own if there is none.
    """
    state = tape.state if case is None else case.state
    rounded = tape.gradients(state)
    try:
        exact = tape.gradients(tape.forward(promoted({name: state[name] for name in tape.given})))
    except (RuntimeError, TypeError):
        exact = rounded
    return {name: Reference(exact[name].double(), rounded[name]) for name in tape.variables}


def _product(tape: Tape, variable: str, incoming: Mapping[str, Tensor], state: State) -> Tensor:
    """The sum of what the consumers of a variable contribute to its gradient."""
    contributions = tape.products(variable, incoming, state).values()
    return torch.stack(list(contributions)).sum(0)
