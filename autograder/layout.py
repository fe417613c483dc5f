"""Where the gradients of a map stand in a picture: rows from the loss down, lanes from left to right.

A row is the longest way from the loss. The spine, the shortest way to the lowest gradient, has a lane to itself, so that it
runs straight down; longer ways round stand to its left, parameters to its right, beside the line that uses them.
An edge that passes rows has a place in each of them too: it never crosses a gradient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import NamedTuple

from autograder.graph import GradientMap, Node


class Place(NamedTuple):
    lane: int
    row: int


@dataclass(frozen=True)
class Layout:
    """`places` are those of the gradients by name, `paths` those that the edges go through, from top to bottom.

    Lanes and rows count from 0; `spine` is a lane.
    """

    places: Mapping[str, Place]
    paths: tuple[tuple[Place, ...], ...]
    spine: int

    @property
    def rows(self) -> int:
        return 1 + max(place.row for place in self.places.values())


def arrange(graph: GradientMap) -> Layout:
    """The layout of a map."""
    rows = _rows(graph)
    spine = _spine(graph, rows)
    lanes = _Lanes()
    places = {name: Place(0, rows[name]) for name in spine}
    straight = set(pairwise(spine))
    for chain in _chains(graph, rows, set(spine)):
        names = [node.name for node in chain]
        lane = lanes.take(rows[names[0]], rows[names[-1]], 1 if chain[0].leaf else -1)
        places.update({name: Place(lane, rows[name]) for name in names})
        straight |= set(pairwise(names))
    paths = [
        (places[start], *([] if (start, end) in straight else _detour(places[start], places[end], lanes)), places[end])
        for start, end in graph.edges
    ]
    left = min(lane for path in (places.values(), *paths) for lane, _ in path)
    return Layout(
        {name: Place(lane - left, row) for name, (lane, row) in places.items()},
        tuple(tuple(Place(lane - left, row) for lane, row in path) for path in paths),
        -left,
    )


class _Lanes:
    """Which rows of which lanes are taken; lane 0 is the spine's."""

    def __init__(self) -> None:
        self._taken: defaultdict[int, set[int]] = defaultdict(set)

    def take(self, top: int, bottom: int, side: int) -> int:
        """The lane nearest to the spine, on the right for side 1 and on the left for -1, with all these rows free."""
        rows = set(range(top, bottom + 1))
        lane = next(lane for lane in count(side, side) if not self._taken[lane] & rows)
        self._taken[lane] |= rows
        return lane


def _rows(graph: GradientMap) -> dict[str, int]:
    rows: dict[str, int] = {}
    for name, through in _by_dependence(graph):
        rows[name] = 1 + max((rows[incoming] for incoming in through), default=-1)
    return rows


def _by_dependence(graph: GradientMap) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each gradient after all that come in: leaves stand last, the others are in that order already."""
    for leaf in (False, True):
        yield from ((node.name, node.through) for node in graph.nodes if node.leaf is leaf)


def _spine(graph: GradientMap, rows: Mapping[str, int]) -> list[str]:
    """The shortest way from the loss to the lowest gradient."""
    way: dict[str, list[str]] = {}
    for name, through in _by_dependence(graph):
        way[name] = [*min((way[incoming] for incoming in through), key=len, default=[]), name]
    return way[max(rows, key=rows.__getitem__)]


def _chains(graph: GradientMap, rows: Mapping[str, int], placed: set[str]) -> Iterator[Sequence[Node]]:
    """The gradients beside the spine, put together where one leads to the next; each leaf alone."""
    inner = [node for node in graph.nodes if not node.leaf]
    for node in inner:
        if node.name in placed:
            continue
        chain = [node]
        while following := [each for each in inner if chain[-1].name in each.through and each.name not in placed]:
            chain.append(following[0])
            placed.add(following[0].name)
        placed.add(node.name)
        yield chain
    for leaf in sorted((node for node in graph.nodes if node.leaf), key=lambda leaf: rows[leaf.name]):
        if leaf.name not in placed:
            yield [leaf]


def _detour(start: Place, end: Place, lanes: _Lanes) -> list[Place]:
    """Where an edge enters and leaves the lane of its own in which it passes the rows between, if there are any."""
    first, last = start.row + 1, end.row - 1
    if first > last:
        return []
    lane = lanes.take(first, last, 1 if end.lane > 0 else -1)
    return [Place(lane, first), Place(lane, last)]
