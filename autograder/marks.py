"""How gradients are marked in a map: a colour and a sign for each state."""

from __future__ import annotations

from autograder.graph import OUTCOMES, State
from autograder.rendering import COLOURS, SYMBOLS

MARKS = {state: COLOURS[outcome] for state, outcome in OUTCOMES.items()}
SIGNS = {state: SYMBOLS[outcome] for state, outcome in OUTCOMES.items()} | {State.WAITING: "…", State.NOT_ASKED: "·"}
