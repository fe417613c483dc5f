from __future__ import annotations

import re
from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from autograder.notebook.box import COLOURS
from autograder.notebook.gradient_map import STATUS_COLOURS, STATUS_SIGNS, GradientMap, Node, Standing, Status, chart
from autograder.notebook.map_view import EDGE, INK, LETTER, MARGIN, QUIET, SIGNS, SIZE, image, map_as_svg
from tests.support.colours import contrast
from tests.support.lesson import Lesson
from tests.support.maps import NOT_ATTEMPTED, RIGHT, SOFTMAX, WAITING, WRONG, all_of, half_done, tape

STANDINGS = [RIGHT, WRONG, WAITING, NOT_ATTEMPTED]
GROUNDS = ("#FFFFFF", "#111111")
"""Of JupyterLab's themes."""
SVG = "{http://www.w3.org/2000/svg}"


class Drawn(NamedTuple):
    """A box of a picture."""

    left: float
    top: float
    right: float
    bottom: float
    colour: str


class Picture:
    """A picture's elements."""

    def __init__(self, graph: GradientMap, signed: bool = True) -> None:
        self.root = ElementTree.fromstring(map_as_svg(graph, signed))
        self.width, self.height = (float(self.root.attrib[side]) for side in ("width", "height"))
        self.boxes = [self._box(element) for element in self.root.iter(f"{SVG}rect")]
        self.texts = [(str(element.text), element) for element in self.root.iter(f"{SVG}text")]
        self.edges, self.signs = (element.attrib["d"] for element in self.root.iter(f"{SVG}path"))

    @staticmethod
    def _box(element: ElementTree.Element) -> Drawn:
        left, top, width, height = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
        return Drawn(left, top, left + width, top + height, element.attrib["fill"])

    @property
    def colours(self) -> set[str]:
        return {box.colour for box in self.boxes}


@pytest.fixture(scope="module")
def flagship() -> GradientMap:
    return half_done(Lesson("1-every-gradient", solved=False).session.tape("C"))


@pytest.mark.parametrize("standing", STANDINGS, ids=lambda standing: standing.state)
def test_a_state_has_its_colour_and_no_other(standing: Standing) -> None:
    forward = tape(SOFTMAX)
    assert Picture(chart(forward, all_of(forward, standing))).colours == {STATUS_COLOURS[standing.state], QUIET}


def test_a_map_of_all_states_has_all_colours(flagship: GradientMap) -> None:
    assert Picture(flagship).colours == {*COLOURS.values(), QUIET}


def test_no_two_states_look_alike() -> None:
    assert len(set(STATUS_SIGNS.values())) == len(Status)
    assert len(set(STATUS_COLOURS.values())) == len(STATUS_COLOURS) == 4
    assert len(set(SIGNS.values())) == len(SIGNS) == len(Status)


def test_each_box_has_the_sign_of_its_state() -> None:
    forward = tape(SOFTMAX)
    for standing in STANDINGS:
        graph = chart(forward, all_of(forward, standing))
        signs = re.findall(r"M[\d.]+ [\d.]+([^M]*)", Picture(graph).signs)
        first, loss, *others = signs
        assert loss == SIGNS[Status.NOT_ASKED]
        assert {first, *others} == {SIGNS[standing.state]}
        assert len(signs) == len(graph.nodes) + 1


def test_what_is_not_asked_for_is_grey() -> None:
    forward = tape(SOFTMAX)
    assert Picture(chart(forward, {})).colours == {QUIET}
    one = Picture(chart(forward, {"dlogits": WRONG}))
    assert one.colours == {QUIET, STATUS_COLOURS[Status.WRONG]}


def test_before_the_work_there_are_neither_signs_nor_a_legend(flagship: GradientMap) -> None:
    plain = Picture(flagship, signed=False)
    assert plain.signs == ""
    assert [text for text, _ in plain.texts] == [node.name for node in flagship.nodes]
    assert plain.height < Picture(flagship).height


@pytest.mark.parametrize("box", [*STATUS_COLOURS.values(), QUIET])
def test_text_can_be_read_on_any_ground(box: str) -> None:
    """A letter stands in its box, wherever the picture is shown."""
    assert contrast(INK, box) >= 4.5


@pytest.mark.parametrize("ground", GROUNDS)
def test_lines_and_outlines_can_be_seen_in_both_themes(ground: str) -> None:
    assert contrast(EDGE, ground) >= 3


def test_nothing_lies_behind_the_picture(flagship: GradientMap) -> None:
    """It has no ground of its own: all that is filled is a box of a gradient, or of the legend."""
    shown = Picture(flagship)
    assert len(shown.boxes) == len(flagship.nodes) + len(flagship.counts)
    assert max(box.right - box.left for box in shown.boxes) < 200


def test_every_text_is_inside_of_its_box(flagship: GradientMap) -> None:
    for signed in (True, False):
        shown = Picture(flagship, signed)
        for box, (text, element) in zip(shown.boxes, shown.texts, strict=True):
            left, baseline = float(element.attrib["x"]), float(element.attrib["y"])
            assert box.left + 5 < left
            assert left + LETTER * SIZE * len(text) < box.right - 5
            assert box.top + SIZE < baseline + 3 < box.bottom


def test_no_two_boxes_overlap_and_all_are_in_the_picture(flagship: GradientMap) -> None:
    shown = Picture(flagship)
    for one, other in combinations(shown.boxes, 2):
        assert one.right < other.left or other.right < one.left or one.bottom < other.top or other.bottom < one.top, (
            f"{one} {other}"
        )
    assert min(box.left for box in shown.boxes) >= MARGIN
    assert min(box.top for box in shown.boxes) >= MARGIN
    assert max(box.right for box in shown.boxes) <= shown.width - MARGIN
    assert max(box.bottom for box in shown.boxes) <= shown.height - MARGIN


def test_notebook_1_fits_on_a_screen(flagship: GradientMap) -> None:
    shown = Picture(flagship)
    assert 500 <= shown.width <= 700
    assert shown.height <= 800


def test_edges_go_from_box_to_box(flagship: GradientMap) -> None:
    """Each begins at the sign of one gradient, and ends at that of another."""
    shown = Picture(flagship)
    boxes = shown.boxes[len(flagship.counts) :]
    middles = {(box.left + 13, (box.top + box.bottom) / 2): node.name for box, node in zip(boxes, flagship.nodes, strict=True)}
    found = set()
    for edge in filter(None, shown.edges.split("M")):
        start = tuple(map(float, re.match(r"([\d.]+) ([\d.]+)", edge).groups()))  # type: ignore[union-attr]
        across = re.findall(r"Q[\d.]+ [\d.]+ ([\d.]+) ", edge)
        end = (float(across[-1]) if across else start[0], float(edge.rpartition("V")[2]))
        found.add((middles[start], middles[end]))  # type: ignore[index]
    assert found == set(flagship.edges)


def test_the_same_map_is_the_same_picture(flagship: GradientMap) -> None:
    assert map_as_svg(flagship) == map_as_svg(flagship)


def test_a_legend_longer_than_the_map_is_not_cut() -> None:
    shown = Picture(chart(tape("loss = x.sum()"), {"dx": NOT_ATTEMPTED}))
    assert shown.texts[0][0] == "1 not attempted"
    assert shown.boxes[0].right + MARGIN <= shown.width < shown.boxes[0].right + 2 * MARGIN


def test_whatever_a_name_is_the_picture_is_one() -> None:
    graph = GradientMap((Node("loss"), Node('d"><script>', RIGHT, ("loss",)), Node("dβ", RIGHT, ("loss",))))
    assert [text for text, _ in Picture(graph).texts][1:] == ["loss", 'd"><script>', "dβ"]


def test_a_picture_is_a_tag_with_its_alternative() -> None:
    assert image("<svg/>", 'a "b"') == '<img alt="a &quot;b&quot;" src="data:image/svg+xml;base64,PHN2Zy8+">'
