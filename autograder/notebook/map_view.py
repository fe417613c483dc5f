"""The gradient map as a picture, as text and as HTML. First where the gradients stand in the picture, then how it is drawn.

Rows go from the loss down, lanes from left to right. The row of a gradient is the longest way from the loss. The spine, the
shortest way to the lowest gradient, has a lane to itself, so that it runs straight down; longer ways round stand to its left,
parameters to its right, beside the line that uses them. An edge that passes rows has a place in each of them too: it never
crosses a gradient. What no edge joins is laid out by itself, a few such parts beside each other and the next ones below.
"""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, chain, count, pairwise
from math import ceil
from typing import NamedTuple

from autograder.judge.wording import listed
from autograder.notebook.box import INK, chip, marked
from autograder.notebook.gradient_map import STATUS_COLOURS, STATUS_SIGNS, GradientMap, Node, Status
from autograder.text import bytes_of


class Place(NamedTuple):
    """A place in the picture, counted in lanes and rows."""

    lane: int
    row: int


@dataclass(frozen=True)
class Layout:
    """`places` are those of the gradients by name, `paths` those that the edges go through, from top to bottom.

    Lanes and rows count from 0; `spines` has for each path the lane of the spine that it belongs to.
    """

    places: Mapping[str, Place]
    paths: tuple[tuple[Place, ...], ...]
    spines: tuple[int, ...]

    @property
    def rows(self) -> int:
        return 1 + max(place.row for place in self.places.values())

    @property
    def lanes(self) -> int:
        return 1 + max(place.lane for path in (self.places.values(), *self.paths) for place in path)


ABREAST = 3
"""Lanes up to which parts that no edge joins stand beside each other: with more the letters would be too small to read."""


def arrange(graph: GradientMap) -> Layout:
    """The layout of a map: its parts from left to right, in as many lines as they need."""
    places: dict[str, Place] = {}
    paths: list[tuple[Place, ...]] = []
    spines: list[int] = []
    lane = top = below = 0
    for part in map(_arranged, _parts(graph)):
        if lane and lane + part.lanes > ABREAST:
            lane, top = 0, below
        places |= {name: Place(place.lane + lane, place.row + top) for name, place in part.places.items()}
        paths += (tuple(Place(place.lane + lane, place.row + top) for place in path) for path in part.paths)
        spines += (spine + lane for spine in part.spines)
        lane, below = lane + part.lanes, max(below, top + part.rows)
    return Layout(places, tuple(paths), tuple(spines))


def _parts(graph: GradientMap) -> list[GradientMap]:
    """What edges join, each as a map of its own, in the order in which they begin."""
    parts: list[list[Node]] = []
    for node in graph.nodes:
        joined = [part for part in parts if any(other.name in node.through or node.name in other.through for other in part)]
        place = parts.index(joined[0]) if joined else len(parts)
        parts[place:] = [[*chain(*joined), node], *(part for part in parts[place:] if part not in joined)]
    order = {node.name: position for position, node in enumerate(graph.nodes)}
    return [GradientMap(tuple(sorted(part, key=lambda node: order[node.name])), graph.title) for part in parts]


def _arranged(graph: GradientMap) -> Layout:
    """The layout of a map, or of a part of one, that edges join."""
    rows = _rows(graph)
    spine = _spine(graph, rows)
    lanes = _Lanes()
    places = {name: Place(0, rows[name]) for name in spine}
    straight = set(pairwise(spine))
    for nodes in _chains(graph, rows, set(spine)):
        names = [node.name for node in nodes]
        lane = lanes.take(rows[names[0]], rows[names[-1]], 1 if nodes[0].leaf else -1)
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
        (-left,) * len(paths),
    )


class _Lanes:
    """Which rows of which lanes are taken; lane 0 is the spine's."""

    def __init__(self) -> None:
        self._taken: defaultdict[int, set[int]] = defaultdict(set)

    def take(self, top: int, bottom: int, side: int) -> int:
        """Takes these rows of the nearest lane that has all of them free, right of the spine for side 1, left for -1."""
        rows = set(range(top, bottom + 1))
        lane = next(lane for lane in count(side, side) if not self._taken[lane] & rows)
        self._taken[lane] |= rows
        return lane


def _rows(graph: GradientMap) -> dict[str, int]:
    """The row of each gradient: one below the lowest of those that come in."""
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
        found = [node]
        while following := [each for each in inner if found[-1].name in each.through and each.name not in placed]:
            found.append(following[0])
            placed.add(following[0].name)
        placed.add(node.name)
        yield found
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


EDGE, QUIET = "#8C8C8C", "#BDBDBD"
"""The colours of lines, which can be seen on white and on black, and of a box that is not asked for; letters are in INK."""
FONT = "Menlo,Consolas,DejaVu Sans Mono,monospace"
"""What the letters are in, the first that the reader's computer has."""
LETTER = 0.61
"""How wide a letter of these is at most, as a part of its size: 0.602 in Menlo and DejaVu."""

# all in pixels
MARGIN = 8
SIGN, GAP, PAD = 12, 5, 7  # the width of a sign, the gap between it and the name, and what is left free at both ends of a box
HEIGHT, ROUND, SIZE = 22, 5, 13  # of a box, of its corners, of its letters
ROW, SPACE = 32, 28  # from one row to the next, and between what stands in two lanes
CORNER = 5  # the radius of a bend of an edge

SIGNS = {
    Status.RIGHT: "m-4.5 .5l3 3 6-7",
    Status.WRONG: "m-3.5-3.5l7 7m0-7l-7 7",
    Status.WAITING: "m-4.5 0h.01m4.5 0h.01m4.5 0h.01",
    Status.NOT_ATTEMPTED: "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    Status.NOT_ASKED: "h.01",
}
"""The signs as lines, from the middle of each: fonts have them in many shapes."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A box in the picture: the middle of its left end, how wide it is, its state and its text."""

    left: float
    middle: float
    width: float
    state: Status
    text: str


@dataclass(frozen=True)
class Sheet:
    """How lanes and rows of a layout become pixels: `lanes` are the left ends of the lanes, `top` is the middle of row 0."""

    lanes: tuple[float, ...]
    top: float
    signed: bool

    def at(self, place: Place) -> Point:
        """Where edges come into a box: at its sign."""
        return self.lanes[place.lane] + PAD + SIGN / 2, self.top + place.row * ROW

    def box(self, place: Place, node: Node) -> Box:
        return Box(self.lanes[place.lane], self.at(place)[1], _width(node.name, self.signed), node.state, node.name)


def map_as_svg(graph: GradientMap, signed: bool = True) -> str:
    """The picture as SVG, on no ground of its own, so that it can be read on any: all letters stand in boxes.

    Where `signed`, a sign in each box says how the answer stands, and a legend above how many there are of each.
    """
    layout = arrange(graph)
    legend = list(_legend(graph)) if signed else []
    sheet = _sheet(graph, layout, MARGIN + HEIGHT / 2 + ROW * bool(legend), signed)
    boxes = [*legend, *(sheet.box(layout.places[node.name], node) for node in graph.nodes)]
    width = ceil(max(box.left + box.width for box in boxes) + MARGIN)
    height = ceil(sheet.top + (layout.rows - 1) * ROW + HEIGHT / 2 + MARGIN)
    edges = "".join(_edge(sheet, path, spine) for path, spine in zip(layout.paths, layout.spines, strict=True))
    shapes = "".join(map(_shape, boxes))
    signs = "".join(map(_sign, boxes)) if signed else ""
    texts = "".join(_text(box, signed) for box in boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<path d="{edges}" fill="none" stroke="{EDGE}" stroke-width="1.5"/><g stroke="{EDGE}">{shapes}</g>'
        f'<path d="{signs}" fill="none" stroke="{INK}" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>'
        f'<g font-family="{FONT}" font-size="{SIZE}" fill="{INK}">{texts}</g></svg>'
    )


def _width(text: str, signed: bool) -> float:
    """Of the box of a text."""
    return 2 * PAD + (SIGN + GAP) * signed + ceil(LETTER * SIZE * len(text))


def _sheet(graph: GradientMap, layout: Layout, top: float, signed: bool) -> Sheet:
    widths = [float(PAD + SIGN)] * layout.lanes
    for node in graph.nodes:
        lane = layout.places[node.name].lane
        widths[lane] = max(widths[lane], _width(node.name, signed))
    return Sheet(tuple(accumulate((width + SPACE for width in widths[:-1]), initial=MARGIN + 0.5)), top, signed)


def _legend(graph: GradientMap) -> Iterator[Box]:
    """The states that occur, and how many are in each in words."""
    left = MARGIN + 0.5
    for state, number in graph.counts.items():
        box = Box(left, MARGIN + HEIGHT / 2, _width(text := f"{number} {state}", True), state, text)
        yield box
        left += box.width + GAP


def _edge(sheet: Sheet, path: Sequence[Place], spine: int) -> str:
    """A line straight down, that changes lanes between two rows."""
    line = f"M{_pair(sheet.at(path[0]))}"
    for before, after in pairwise(path):
        if before.lane != after.lane:
            line += _change(sheet, before, after, spine)
        line += f"V{sheet.at(after)[1]:g}"
    return line


def _change(sheet: Sheet, before: Place, after: Place, spine: int) -> str:
    """Across to another lane: higher up away from the spine than back to it, so that two that do both keep apart."""
    (x0, y), (x1, _) = sheet.at(before), sheet.at(after)
    outwards = abs(after.lane - spine) > abs(before.lane - spine)
    y += ROW / 2 + (-CORNER / 2 if outwards else CORNER / 2)
    aside = CORNER if x1 > x0 else -CORNER
    first = f"V{y - CORNER:g}Q{_pair((x0, y))} {_pair((x0 + aside, y))}"
    return f"{first}H{x1 - aside:g}Q{_pair((x1, y))} {_pair((x1, y + CORNER))}"


def _pair(point: Point) -> str:
    return f"{point[0]:g} {point[1]:g}"


def _shape(box: Box) -> str:
    place = f'x="{box.left:g}" y="{box.middle - HEIGHT / 2:g}" width="{box.width:g}" height="{HEIGHT}" rx="{ROUND}"'
    return f'<rect {place} fill="{STATUS_COLOURS.get(box.state, QUIET)}"/>'


def _sign(box: Box) -> str:
    return f"M{_pair((box.left + PAD + SIGN / 2, box.middle))}{SIGNS[box.state]}"


def _text(box: Box, signed: bool) -> str:
    left = box.left + PAD + (SIGN + GAP) * signed
    return f'<text x="{left:g}" y="{box.middle + 0.35 * SIZE:g}">{escape(box.text)}</text>'


def image(svg: str, alt: str) -> str:
    """A picture as a tag. Inside of an image nothing of it can run, and notebooks that are not trusted show it."""
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}">'


MAX_MAP_BYTES = 15_000
"""Bytes that the HTML should stay below."""

AS_LIST = "The same as a list"
"""What opens the list: it repeats the picture, for who cannot see it, and says what is wrong."""

LENGTHS = (90, 60, 30, 0)
"""Characters of a note. The HTML takes the first with which it stays below its limit."""


def map_as_text(graph: GradientMap) -> str:
    """The headline, then a line for each gradient, in the order of the backward pass; leaves are indented."""
    width = max(len(node.name) + 2 * node.leaf for node in graph.nodes)
    rows = [_row(node, width, "") + "".join(_row(leaf, width, "  ") for leaf in leaves) for node, leaves in graph.lines]
    return graph.headline + "".join(rows)


def map_as_html(graph: GradientMap) -> str:
    """The headline, the picture and the list, folded up: inline styles and plain tags only, since notebooks drop the rest."""
    picture = image(map_as_svg(graph), f"{graph.headline}. The list below says the same.")
    html = ""
    for length in LENGTHS:
        items = _items([(node, _items([(leaf, "") for leaf in leaves], length)) for node, leaves in graph.lines], length)
        html = f"<div><b>{graph.headline}</b><br>{picture}<details><summary>{AS_LIST}</summary>{items}</details></div>"
        if bytes_of(html) <= MAX_MAP_BYTES:
            break
    return html


def _row(node: Node, width: int, indent: str) -> str:
    return f"\n{indent}{STATUS_SIGNS[node.state]} {node.name:{width - len(indent)}}  {_words(node, LENGTHS[0])}"


def _items(nodes: Sequence[tuple[Node, str]], length: int) -> str:
    """A list of nodes, each with its list of leaves in it; nothing for none."""
    items = (f"<li>{_item(node, length)}{more}</li>" for node, more in nodes)
    return f"<ul>{''.join(items)}</ul>" if nodes else ""


def _item(node: Node, length: int) -> str:
    return f"{_chip(node)}<code>{escape(node.name)}</code>: {marked(_words(node, length))}"


def _chip(node: Node) -> str:
    """The symbol on its colour; nothing for what is not asked for."""
    if node.state is Status.NOT_ASKED:
        return ""
    return chip(STATUS_SIGNS[node.state], STATUS_COLOURS[node.state]) + " "


def _words(node: Node, length: int) -> str:
    """Such as `right (from dprobs and dcounts_sum)`, and the note, in as many characters."""
    if node.state is Status.NOT_ASKED and not node.through:  # the loss
        return node.standing.note
    paths = f" (from {listed(node.through)})" if len(node.through) > 1 else ""
    note = _short(node.standing.note, length)
    return f"{node.state}{paths}{note and ' – '}{note}"


def _short(text: str, length: int) -> str:
    """As many words of a text as fit, and no half of what stands in backticks."""
    if len(text) <= length:
        return text
    kept = text[:length].rpartition(" ")[0]
    if kept.count("`") % 2:
        kept = kept.rpartition("`")[0].rstrip()
    return f"{kept}…" if kept else ""
