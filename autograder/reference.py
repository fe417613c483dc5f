"""Reference gradients: what autograd says, in float64, and how far float32 is from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from autograder.case import Case
from autograder.tape import State, Tape, promoted

ROUNDINGS = 32
"""How many times the reference's own float32 rounding error a right answer may be off."""
FLOOR = 3e-6
"""The least tolerance, relative to the largest entry of the reference: some 25 float32 roundings."""


@dataclass(frozen=True)
class Reference:
    """A gradient in float64, and the same computation in float32."""

    exact: Tensor
    rounded: Tensor

    @property
    def tolerance(self) -> float:
        """The largest absolute difference that rounding explains."""
        if not self.exact.numel():
            return 0.0
        noise = float((self.rounded.double() - self.exact).abs().max())
        return max(ROUNDINGS * noise, FLOOR * float(self.exact.abs().max()))


def step_reference(tape: Tape, variable: str, case: Case) -> Reference:
    """The vector-Jacobian product of the consumers of a variable."""

    def exact() -> Tensor:
        incoming = {name: gradient.double() for name, gradient in case.incoming.items()}
        return _product(tape, variable, incoming, promoted(case.state))

    return _reference(_product(tape, variable, case.incoming, case.state), exact)


def whole_reference(tape: Tape, variable: str, state: State) -> Reference:
    """The gradient of the loss, through the whole forward pass."""

    def exact() -> Tensor:
        given = promoted({name: state[name] for name in tape.given})
        return tape.gradients(tape.forward(given))[variable]

    return _reference(tape.gradients(state)[variable], exact)


def _product(tape: Tape, variable: str, incoming: Mapping[str, Tensor], state: State) -> Tensor:
    contributions = tape.products(variable, incoming, state).values()
    return torch.stack(list(contributions)).sum(0)


def _reference(rounded: Tensor, exact: Callable[[], Tensor]) -> Reference:
    try:
        return Reference(exact().double(), rounded)
    except (RuntimeError, TypeError):  # a forward pass that fixes its dtype cannot be evaluated in float64
        return Reference(rounded.double(), rounded)
