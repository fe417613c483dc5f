"""Reference gradients: what autograd says, in float64, and how far float32 is from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

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
    rounded = _product(tape, variable, case.incoming, case.state)
    incoming = {name: gradient.double() for name, gradient in case.incoming.items()}
    try:
        return Reference(_product(tape, variable, incoming, promoted(case.state)).double(), rounded)
    except (RuntimeError, TypeError):  # a forward pass that fixes its dtype cannot be evaluated in float64
        return Reference(rounded.double(), rounded)


@lru_cache(16)
def whole_references(tape: Tape, case: Case | None = None) -> dict[str, Reference]:
    """The gradients of the loss with respect to all variables, through the whole forward pass.

    On the state of a case, or on the notebook's own.
    """
    state = tape.state if case is None else case.state
    rounded = tape.gradients(state)
    try:
        exact = tape.gradients(tape.forward(promoted({name: state[name] for name in tape.given})))
    except (RuntimeError, TypeError):
        exact = rounded
    return {name: Reference(exact[name].double(), rounded[name]) for name in tape.variables}


def _product(tape: Tape, variable: str, incoming: Mapping[str, Tensor], state: State) -> Tensor:
    contributions = tape.products(variable, incoming, state).values()
    return torch.stack(list(contributions)).sum(0)
