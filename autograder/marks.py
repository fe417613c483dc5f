"""How gradients are marked in a map: a colour and a sign for each state."""

from __future__ import annotations

from autograder.graph import State
from autograder.rendering import COLOURS, SYMBOLS
from autograder.verdict import Outcome

OUTCOMES = {
    State.RIGHT: Outcome.RIGHT,
    State.WRONG: Outcome.WRONG,
    State.WAITING: Outcome.COULD_NOT_TELL,
    State.NOT_ATTEMPTED: Outcome.NOT_ATTEMPTED,
}
"""What marks a gradient in the colour of a verdict."""
MARKS = {state: COLOURS[outcome] for state, outcome in OUTCOMES.items()}
SIGNS = {state: SYMBOLS[outcome] for state, outcome in OUTCOMES.items()} | {State.WAITING: "…", State.NOT_ASKED: "·"}
