"""A gradient map as a picture: a PNG of few colours on a white ground of its own, for notebooks of any theme."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import pairwise
from math import ceil
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from autograder.graph import GradientMap, Node, State
from autograder.layout import Layout, Place, arrange
from autograder.marks import MARKS

WHITE, EDGE, QUIET, INK = "#FFFFFF", "#8C8C8C", "#595959", "#111111"
"""The ground; edges; what is not asked for; names, and the signs in the marks."""

# in pixels
MARGIN = 15
RADIUS, DOT, LINE = 9, 3, 1.2  # of a mark, and of what is not asked for; the width of a mark's outline
ROW, SPACE = 35, 40  # between rows, and between what stands in two lanes
CORNER = 6  # of an edge
GAP, SIZE, SMALL = 6, 13, 12  # before a name, and of its letters
TOP = MARGIN + RADIUS + 0.5
"""Where the marks of the legend stand; the rows come below."""

SCALE = 5
"""Shapes are drawn this much larger first, for smooth edges, and an odd number, for lines that have a middle.

Letters are not: their font knows how to be small.
"""

STROKES: dict[State, Sequence[Sequence[tuple[float, float]]]] = {
    State.RIGHT: [[(-4.2, 0.2), (-1.2, 3.2), (4.2, -3.2)]],
    State.WRONG: [[(-3, -3), (3, 3)], [(-3, 3), (3, -3)]],
}
"""The signs that are lines, in pixels from the middle of the mark."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Sheet:
    """How lanes and rows of a layout become pixels."""

    lanes: tuple[float, ...]
    spine: int
    size: tuple[int, int]

    def at(self, place: Place) -> Point:
        """The middle of a pixel, so that a straight line is as thin as it can be."""
        return self.lanes[place.lane], TOP + (place.row + 1) * ROW


def as_png(graph: GradientMap) -> bytes:
    """The picture, with a legend above."""
    layout = arrange(graph)
    sheet = _sheet(graph, layout)
    shapes = Image.new("RGB", (sheet.size[0] * SCALE, sheet.size[1] * SCALE), WHITE)
    pen = ImageDraw.Draw(shapes)
    for path in layout.paths:
        _edge(pen, sheet, path)
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
    widths = [0.0] * (1 + max(place.lane for path in (*layout.paths, layout.places.values()) for place in path))
    for node in graph.nodes:
        lane = layout.places[node.name].lane
        widths[lane] = max(widths[lane], GAP + _font(_letters(node)).getlength(node.name))
    lanes, x = [], MARGIN + 0.5
    for width in widths:
        lanes.append(x + RADIUS)
        x += 2 * RADIUS + _even(width) + SPACE
    legend = max((x + RADIUS + GAP + _font(SIZE).getlength(text) for _, text, x in _legend(graph)), default=0)
    right = max(x - SPACE, legend) + MARGIN
    return Sheet(tuple(lanes), layout.spine, (round(right), 2 * (MARGIN + RADIUS) + layout.rows * ROW))


def _even(length: float) -> int:
    """The next even number of pixels: a PNG of sixteen colours has two in a byte, and is smaller if marks repeat bytewise."""
    return 2 * ceil(length / 2)


def _legend(graph: GradientMap) -> Iterator[tuple[State, str, float]]:
    """The states that occur, how many are in each in words, and where each mark stands."""
    x = MARGIN + RADIUS + 0.5
    for state, count in graph.counts.items():
        text = f"{count} {state}"
        yield state, text, x
        x += 2 * RADIUS + _even(GAP + _font(SIZE).getlength(text)) + SPACE


def _edge(pen: ImageDraw.ImageDraw, sheet: Sheet, path: Sequence[Place]) -> None:
    """A line straight down, that changes lanes between two rows."""
    line = [sheet.at(path[0])]
    for before, after in pairwise(path):
        if before.lane != after.lane:
            line += _change(sheet, before, after)
        line.append(sheet.at(after))
    pen.line([_scaled(point) for point in line], EDGE, SCALE, joint="curve")


def _change(sheet: Sheet, before: Place, after: Place) -> Iterator[Point]:
    """Across to another lane: higher up away from the spine than back to it, so that two that do both keep apart."""
    (x0, y), (x1, _) = sheet.at(before), sheet.at(after)
    outwards = abs(after.lane - sheet.spine) > abs(before.lane - sheet.spine)
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


def _mark(pen: ImageDraw.ImageDraw, middle: Point, state: State) -> None:
    if state is State.NOT_ASKED:
        _disc(pen, middle, DOT, QUIET)
        return
    _ring(pen, middle, RADIUS, MARKS[state])
    x, y = middle
    for stroke in STROKES.get(state, ()):
        points = [_scaled((x + dx, y + dy)) for dx, dy in stroke]
        pen.line(points, INK, 2 * SCALE, joint="curve")
    if state is State.NOT_ATTEMPTED:
        _ring(pen, middle, 4, MARKS[state])
    if state is State.WAITING:
        for shift in (-4, 0, 4):
            _disc(pen, (x + shift, y), LINE, INK)


def _ring(pen: ImageDraw.ImageDraw, middle: Point, radius: float, inside: str) -> None:
    _disc(pen, middle, radius, INK)
    _disc(pen, middle, radius - LINE, inside)


def _disc(pen: ImageDraw.ImageDraw, middle: Point, radius: float, colour: str) -> None:
    x, y = middle
    pen.ellipse([_scaled((x - radius, y - radius)), _scaled((x + radius, y + radius))], colour)


def _scaled(point: Point) -> Point:
    """In the large picture, where a pixel is called by its middle."""
    return point[0] * SCALE - 0.5, point[1] * SCALE - 0.5


def _name(letters: ImageDraw.ImageDraw, middle: Point, node: Node) -> None:
    quiet = node.state is State.NOT_ASKED
    after = middle[0] + (DOT if quiet else RADIUS) + GAP
    _write(letters, (after, middle[1]), node.name, QUIET if quiet else INK, _letters(node))


def _write(letters: ImageDraw.ImageDraw, left: Point, text: str, colour: str, size: int) -> None:
    """From whole pixels on: the same letter looks the same everywhere."""
    letters.text((int(left[0]), int(left[1])), text, colour, _font(size), anchor="lm")


def _letters(node: Node) -> int:
    return SMALL if node.state is State.NOT_ASKED else SIZE


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
    drawn = [_rgb(colour) for colour in (WHITE, EDGE, QUIET, INK, *MARKS.values())]
    shades = [_between(INK, colour, 0.7) for colour in MARKS.values()]
    return [*drawn, *shades, _between(EDGE, WHITE, 0.5)]


def _between(one: str, other: str, share: float) -> tuple[int, ...]:
    return tuple(round(a + (b - a) * share) for a, b in zip(_rgb(one), _rgb(other), strict=True))


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))
