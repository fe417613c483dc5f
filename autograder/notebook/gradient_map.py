"""The gradient map: every gradient of a forward pass, how it stands, and through which others it is reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from autograder.notebook.box import COLOURS, SYMBOLS
from autograder.verdict import Outcome


class Status(StrEnum):
    """How a gradient stands; the value says so."""

    RIGHT = "right"
    WRONG = "wrong"
    WAITING = "waiting"
    NOT_ATTEMPTED = "not attempted"
    NOT_ASKED = "not asked"


STATUSES = {
    Outcome.RIGHT: Status.RIGHT,
    Outcome.WRONG: Status.WRONG,
    Outcome.NOT_ATTEMPTED: Status.NOT_ATTEMPTED,
    Outcome.COULD_NOT_TELL: Status.WAITING,
}
"""What a verdict says of a gradient in the map."""
OUTCOMES = {state: outcome for outcome, state in STATUSES.items()}
"""The verdict that a state in the map comes from."""


@dataclass(frozen=True)
class Standing:
    """How a gradient stands, and what to remark on it."""

    state: Status = Status.NOT_ASKED
    note: str = ""


@dataclass(frozen=True)
class Node:
    """One gradient. `through` are the gradients of the consumers, which come in, those nearest to the loss first."""

    name: str
    standing: Standing = Standing()
    through: tuple[str, ...] = ()
    leaf: bool = False

    @property
    def state(self) -> Status:
        return self.standing.state


@dataclass(frozen=True)
class GradientMap:
    """All gradients in the order of the backward pass: the loss first, a leaf right after the line that it is reached by.

    Or answers that are no gradients, in the order in which they are asked for: then `title` says so.
    """

    nodes: tuple[Node, ...]
    title: str = "gradient map"

    @property
    def counts(self) -> dict[Status, int]:
        """How many of the gradients that are asked for are in each state; a state that none is in is left out."""
        found = Counter(node.state for node in self.nodes)
        return {state: found[state] for state in Status if found[state] and state is not Status.NOT_ASKED}

    @property
    def headline(self) -> str:
        """Such as `gradient map: 19 of 26 right, 1 wrong`."""
        counts = self.counts
        others = (f", {count} {state}" for state, count in counts.items() if state is not Status.RIGHT)
        return f"{self.title}: {counts.get(Status.RIGHT, 0)} of {sum(counts.values())} right{''.join(others)}"

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of gradients: the first comes in where the second is worked out."""
        return tuple((incoming, node.name) for node in self.nodes for incoming in node.through)

    @property
    def lines(self) -> tuple[tuple[Node, tuple[Node, ...]], ...]:
        """Each gradient that is no leaf's, with the leaves that it is the last to reach."""
        own: dict[str, list[Node]] = {node.name: [] for node in self.nodes if not node.leaf}
        for node in self.nodes:
            if node.leaf:
                own[node.through[-1]].append(node)
        return tuple((node, tuple(own[node.name])) for node in self.nodes if not node.leaf)


class Pass(Protocol):
    """What a map needs to know of a forward pass."""

    @property
    def loss(self) -> str: ...

    @property
    def variables(self) -> Sequence[str]:
        """The names that have a gradient, leaves first, then the lines in order."""

    @property
    def leaves(self) -> Sequence[str]: ...

    def consumers(self, name: str) -> Sequence[str]:
        """The variables whose lines read `name`, in the order of the forward pass."""


@dataclass(frozen=True)
class Lines:
    """A forward pass as it is written. `reads` are the names that each line reads, by the name that it makes.

    It has not run, so nobody knows which names are tensors: of those that no line makes, the leaves are the `asked` ones.
    """

    reads: Mapping[str, Collection[str]]
    asked: Collection[str]

    @property
    def loss(self) -> str:
        return list(self.reads)[-1]

    @property
    def leaves(self) -> Sequence[str]:
        read = dict.fromkeys(name for names in self.reads.values() for name in sorted(names))
        return [name for name in read if name in self.asked and name not in self.reads and self.consumers(name)]

    @property
    def variables(self) -> Sequence[str]:
        return [*self.leaves, *self._needed]

    @property
    def _needed(self) -> Sequence[str]:
        """The lines that the loss depends on."""
        needed = {self.loss}
        for name in list(self.reads)[::-1]:
            needed |= set(self.reads[name]) if name in needed else set()
        return [name for name in self.reads if name in needed]

    def consumers(self, name: str) -> Sequence[str]:
        return [line for line in self._needed if name in self.reads[line]]


def chart_of_lines(reads: Mapping[str, Collection[str]], asked: Collection[str]) -> GradientMap:
    """The map of a forward pass before it runs: `reads` are the names that each line reads, by the name that it makes.

    `asked` are the gradients that are asked for.
    """
    lines = Lines(reads, {name.removeprefix("d") for name in asked if name.startswith("d")})
    return chart(lines, dict.fromkeys(asked, Standing(Status.NOT_ATTEMPTED)))


def chart(tape: Pass, standings: Mapping[str, Standing]) -> GradientMap:
    """The map of a forward pass. `standings` are those of the gradients that are asked for, by name."""
    return GradientMap(tuple(_node(tape, variable, standings) for variable in _backward(tape)))


def chart_of_asks(asks: Mapping[str, Sequence[str]], standings: Mapping[str, Standing]) -> GradientMap:
    """The map of answers that are no gradients: `asks` are their names, each with its inputs, of which some are answers too."""
    nodes = (
        Node(name, standings.get(name, Standing()), tuple(each for each in inputs if each in asks))
        for name, inputs in asks.items()
    )
    return GradientMap(tuple(nodes), "answers")


def _backward(tape: Pass) -> Iterator[str]:
    """The variables in the order of the backward pass, each leaf after the last variable that its gradient comes from."""
    leaves = tape.leaves
    for variable in reversed(tape.variables):
        if variable not in leaves:
            yield variable
            # the first consumer of the forward pass is the last that the backward pass comes through
            yield from (leaf for leaf in leaves if tape.consumers(leaf)[0] == variable)


def _node(tape: Pass, variable: str, standings: Mapping[str, Standing]) -> Node:
    if variable == tape.loss:
        return Node(variable, Standing(Status.NOT_ASKED, "its gradient is 1"))
    through = (name if name == tape.loss else f"d{name}" for name in reversed(tape.consumers(variable)))
    standing = standings.get(f"d{variable}", Standing())
    return Node(f"d{variable}", standing, tuple(through), variable in tape.leaves)


# what a state looks like: the colour of its mark, and the sign in it
STATUS_COLOURS = {state: COLOURS[outcome] for state, outcome in OUTCOMES.items()}
STATUS_SIGNS = {state: SYMBOLS[outcome] for state, outcome in OUTCOMES.items()} | {Status.WAITING: "…", Status.NOT_ASKED: "·"}
