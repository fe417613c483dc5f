"""Tapes and gradient maps to draw and to lay out."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from autograder.notebook.gradient_map import GradientMap, Node, Standing, Status, chart
from autograder.tape.tape import Tape, record

RIGHT, WRONG, WAITING, NOT_ATTEMPTED = (
    Standing(Status.RIGHT),
    Standing(Status.WRONG, "The path through `counts_sum` is missing."),
    Standing(Status.WAITING, "changed since it was checked"),
    Standing(Status.NOT_ATTEMPTED),
)

SOFTMAX = """
logits = x @ W + b
counts = logits.exp()
total = counts.sum(1, keepdim=True)
share = 1 / total
probs = counts * share
loss = -probs[range(4), 0].log().mean()
"""

RESIDUAL = """
q = x @ Wq
k = x @ Wk
v = x @ Wv
scores = q @ k.T
weights = scores.softmax(1)
mixed = weights @ v
added = x + mixed @ Wo
centred = added - added.mean(1, keepdim=True)
scaled = centred * g + x.mean()
tied = scaled @ Wo
loss = tied.square().mean()
"""


def tape(source: str) -> Tape:
    """A forward pass over small numbers."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"x": (4, 3), "W": (3, 3), "b": (3,), "g": (3,), "Wq": (3, 3), "Wk": (3, 3), "Wv": (3, 3), "Wo": (3, 3)}
    return record(source, {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()})


def all_of(tape: Tape, standing: Standing) -> dict[str, Standing]:
    """The same standing for every gradient of a tape."""
    return {f"d{variable}": standing for variable in tape.variables if variable != tape.loss}


def half_done(tape: Tape) -> GradientMap:
    """The first gradients of notebook 1 with a wrong and a waiting one."""
    lines = [f"d{step.name}" for step in reversed(tape.steps[:-1])]
    standings = all_of(tape, NOT_ATTEMPTED) | dict.fromkeys([*lines[:11], "dW2", "db2"], RIGHT)
    return chart(tape, standings | {"dcounts": WRONG, "dlogit_maxes": WAITING})


@st.composite
def any_map(draw: st.DrawFn) -> GradientMap:
    """Lines that each come in to some later ones, and leaves of some."""
    nodes = [Node("loss")]
    for number in range(draw(st.integers(1, 12))):
        incoming = draw(st.sets(st.sampled_from(nodes), min_size=1, max_size=3))
        nodes.append(Node(f"line{number}", through=tuple(node.name for node in nodes if node in incoming)))
    leaves = []
    for number in range(draw(st.integers(0, 5))):
        users = draw(st.sets(st.sampled_from(nodes), min_size=1, max_size=2))
        leaves.append(Node(f"leaf{number}", through=tuple(node.name for node in nodes if node in users), leaf=True))
    return GradientMap((*nodes, *leaves))
