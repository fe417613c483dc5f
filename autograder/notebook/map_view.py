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
from functools import cache
from html import escape
from io import BytesIO
from itertools import chain, count, pairwise
from math import ceil
from pathlib import Path
from typing import NamedTuple

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from autograder.judge.wording import listed
from autograder.notebook.box import INK, chip, marked
from autograder.notebook.gradient_map import STATUS_COLOURS, STATUS_SIGNS, GradientMap, Node, Status


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


WHITE, EDGE, QUIET = "#FFFFFF", "#8C8C8C", "#595959"
"""The colours of the ground, of edges, and of what is not asked for; names and the signs in the marks are in INK."""

# all in pixels
MARGIN = 15
RADIUS, DOT, LINE = 9, 3, 1.2  # the radius of a mark, and of what is not asked for; the width of a mark's outline
ROW, SPACE = 35, 40  # from one row to the next, and between what stands in two lanes
CORNER = 6  # the radius of a bend of an edge
GAP, SIZE, SMALL_SIZE = 6, 13, 12  # the gap before a name, and the sizes of letters
TOP = MARGIN + RADIUS + 0.5
"""Where the marks of the legend stand; the rows come below."""

SCALE = 5
"""Shapes are drawn this much larger first, for smooth edges, and an odd number, for lines that have a middle.

Letters are not: their font knows how to be small.
"""

STROKES: dict[Status, Sequence[Sequence[tuple[float, float]]]] = {
    Status.RIGHT: [[(-4.2, 0.2), (-1.2, 3.2), (4.2, -3.2)]],
    Status.WRONG: [[(-3, -3), (3, 3)], [(-3, 3), (3, -3)]],
}
"""The signs that are lines, in pixels from the middle of the mark."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Sheet:
    """How lanes and rows of a layout become pixels: `lanes` are the middles of the lanes, `size` is width and height."""

    lanes: tuple[float, ...]
    size: tuple[int, int]

    def at(self, place: Place) -> Point:
        """The middle of a pixel, so that a straight line is as thin as it can be."""
        return self.lanes[place.lane], TOP + (place.row + 1) * ROW


def map_as_png(graph: GradientMap) -> bytes:
    """The picture as a PNG, with a legend above."""
    layout = arrange(graph)
    sheet = _sheet(graph, layout)
    shapes = Image.new("RGB", (sheet.size[0] * SCALE, sheet.size[1] * SCALE), WHITE)
    pen = ImageDraw.Draw(shapes)
    for path, spine in zip(layout.paths, layout.spines, strict=True):
        _edge(pen, sheet, path, spine)
    for node in graph.nodes:
        _mark(pen, sheet.at(layout.places[node.name]), node.state)
    for state, _, x in _legend(graph):
        _mark(pen, (x, TOP), state)
    picture = shapes.reduce(SCALE)
    letters = ImageDraw.Draw(picture)
    for node in graph.nodes:
        _name(letters, sheet.at(layout.places[node.name]), node)
    for _, text, x in _legend(graph):
        _write(letters, (x + RADIUS + GAP, TOP), text, INK, SIZE)
    return _encoded(picture)


def _sheet(graph: GradientMap, layout: Layout) -> Sheet:
    widths = [0.0] * layout.lanes
    for node in graph.nodes:
        lane = layout.places[node.name].lane
        widths[lane] = max(widths[lane], GAP + _font(_letters(node)).getlength(node.name))
    lanes, x = [], MARGIN + 0.5
    for width in widths:
        lanes.append(x + RADIUS)
        x += 2 * RADIUS + _even(width) + SPACE
    legend = max((x + RADIUS + GAP + _font(SIZE).getlength(text) for _, text, x in _legend(graph)), default=0)
    right = max(x - SPACE, legend) + MARGIN
    return Sheet(tuple(lanes), (round(right), 2 * (MARGIN + RADIUS) + layout.rows * ROW))


def _even(length: float) -> int:
    """The next even number of pixels: a PNG of sixteen colours has two in a byte, and is smaller if marks repeat bytewise."""
    return 2 * ceil(length / 2)


def _legend(graph: GradientMap) -> Iterator[tuple[Status, str, float]]:
    """The states that occur, how many are in each in words, and where each mark stands."""
    x = MARGIN + RADIUS + 0.5
    for state, number in graph.counts.items():
        text = f"{number} {state}"
        yield state, text, x
        x += 2 * RADIUS + _even(GAP + _font(SIZE).getlength(text)) + SPACE


def _edge(pen: ImageDraw.ImageDraw, sheet: Sheet, path: Sequence[Place], spine: int) -> None:
    """A line straight down, that changes lanes between two rows."""
    line = [sheet.at(path[0])]
    for before, after in pairwise(path):
        if before.lane != after.lane:
            line += _change(sheet, before, after, spine)
        line.append(sheet.at(after))
    pen.line([_scaled(point) for point in line], EDGE, SCALE, joint="curve")


def _change(sheet: Sheet, before: Place, after: Place, spine: int) -> Iterator[Point]:
    """Across to another lane: higher up away from the spine than back to it, so that two that do both keep apart."""
    (x0, y), (x1, _) = sheet.at(before), sheet.at(after)
    outwards = abs(after.lane - spine) > abs(before.lane - spine)
    y += ROW // 2 + (-CORNER // 2 if outwards else CORNER // 2)
    aside = CORNER if x1 > x0 else -CORNER
    yield from _bend((x0, y - CORNER), (x0, y), (x0 + aside, y))
    yield from _bend((x1 - aside, y), (x1, y), (x1, y + CORNER))


def _bend(start: Point, corner: Point, end: Point, steps: int = 8) -> Iterator[Point]:
    """A rounded corner: a quadratic curve."""
    for step in range(steps + 1):
        t = step / steps
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        yield a * start[0] + b * corner[0] + c * end[0], a * start[1] + b * corner[1] + c * end[1]


def _mark(pen: ImageDraw.ImageDraw, middle: Point, state: Status) -> None:
    if state is Status.NOT_ASKED:
        _disc(pen, middle, DOT, QUIET)
        return
    _ring(pen, middle, RADIUS, STATUS_COLOURS[state])
    x, y = middle
    for stroke in STROKES.get(state, ()):
        points = [_scaled((x + dx, y + dy)) for dx, dy in stroke]
        pen.line(points, INK, 2 * SCALE, joint="curve")
    if state is Status.NOT_ATTEMPTED:
        _ring(pen, middle, 4, STATUS_COLOURS[state])
    if state is Status.WAITING:
        for shift in (-4, 0, 4):
            _disc(pen, (x + shift, y), LINE, INK)


def _ring(pen: ImageDraw.ImageDraw, middle: Point, radius: float, inside: str) -> None:
    _disc(pen, middle, radius, INK)
    _disc(pen, middle, radius - LINE, inside)


def _disc(pen: ImageDraw.ImageDraw, middle: Point, radius: float, colour: str) -> None:
    x, y = middle
    pen.ellipse([_scaled((x - radius, y - radius)), _scaled((x + radius, y + radius))], colour)


def _scaled(point: Point) -> Point:
    """A point in the enlarged picture. Pillow names a pixel by its middle there, hence the half pixel."""
    return point[0] * SCALE - 0.5, point[1] * SCALE - 0.5


def _name(letters: ImageDraw.ImageDraw, middle: Point, node: Node) -> None:
    quiet = node.state is Status.NOT_ASKED
    after = middle[0] + (DOT if quiet else RADIUS) + GAP
    _write(letters, (after, middle[1]), node.name, QUIET if quiet else INK, _letters(node))


def _write(letters: ImageDraw.ImageDraw, left: Point, text: str, colour: str, size: int) -> None:
    """Writes from a whole pixel on, so that the same letter looks the same everywhere."""
    letters.text((int(left[0]), int(left[1])), text, colour, _font(size), anchor="lm")


def _letters(node: Node) -> int:
    return SMALL_SIZE if node.state is Status.NOT_ASKED else SIZE


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The monospaced font that comes with matplotlib."""
    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf")), size)


def _encoded(picture: Image.Image) -> bytes:
    """A PNG of sixteen colours: those drawn with, and what lies between them where edges are smooth."""
    palette = Image.new("P", (1, 1))
    palette.putpalette(bytes(channel for colour in _palette() for channel in colour))
    file = BytesIO()
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(file, "PNG", compress_level=9)
    return file.getvalue()


def _palette() -> list[tuple[int, ...]]:
    """The shade between a mark and its outline is nearer to the mark: halfway, orange would be taken for vermilion."""
    drawn = [_rgb(colour) for colour in (WHITE, EDGE, QUIET, INK, *STATUS_COLOURS.values())]
    shades = [_between(INK, colour, 0.7) for colour in STATUS_COLOURS.values()]
    return [*drawn, *shades, _between(EDGE, WHITE, 0.5)]


def _between(one: str, other: str, share: float) -> tuple[int, ...]:
    return tuple(round(a + (b - a) * share) for a, b in zip(_rgb(one), _rgb(other), strict=True))


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


MAX_MAP_BYTES = 15_000
"""Bytes that the HTML should stay below."""

LENGTHS = (90, 60, 30, 0)
"""Characters of a note. The HTML takes the first with which it stays below its limit."""


def map_as_text(graph: GradientMap) -> str:
    """The headline, then a line for each gradient, in the order of the backward pass; leaves are indented."""
    width = max(len(node.name) + 2 * node.leaf for node in graph.nodes)
    rows = [_row(node, width, "") + "".join(_row(leaf, width, "  ") for leaf in leaves) for node, leaves in graph.lines]
    return graph.headline + "".join(rows)


def map_as_html(graph: GradientMap) -> str:
    """The headline, the picture and the list: inline styles and plain tags only, since notebooks drop the rest."""
    picture = b64encode(map_as_png(graph)).decode()
    html = ""
    for length in LENGTHS:
        items = _items([(node, _items([(leaf, "") for leaf in leaves], length)) for node, leaves in graph.lines], length)
        alt = escape(f"{graph.headline}. The list below says the same.")
        html = f'<div><b>{graph.headline}</b><br><img alt="{alt}" src="data:image/png;base64,{picture}">{items}</div>'
        if len(html.encode()) <= MAX_MAP_BYTES:
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
