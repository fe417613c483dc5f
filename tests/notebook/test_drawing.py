from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from autograder.notebook.box import COLOURS
from autograder.notebook.gradient_map import STATUS_COLOURS, STATUS_SIGNS, GradientMap, Standing, Status, chart
from autograder.notebook.map_view import EDGE, INK, QUIET, ROW, TOP, WHITE, map_as_png
from tests.support.colours import contrast
from tests.support.lesson import Lesson
from tests.support.maps import NOT_ATTEMPTED, RIGHT, SOFTMAX, WAITING, WRONG, all_of, half_done, tape

STANDINGS = [RIGHT, WRONG, WAITING, NOT_ATTEMPTED]


@pytest.fixture(scope="module")
def flagship() -> GradientMap:
    return half_done(Lesson("1-every-gradient", solved=False).session.tape("C"))


def picture(graph: GradientMap) -> Image.Image:
    with Image.open(BytesIO(map_as_png(graph))) as image:
        assert image.format == "PNG"
        return image.convert("RGB")


def colours(graph: GradientMap) -> set[str]:
    found = picture(graph).getcolors()
    assert found is not None
    return {"#{:02X}{:02X}{:02X}".format(*colour) for _, colour in found}  # type: ignore[misc]


@pytest.mark.parametrize("standing", STANDINGS, ids=lambda standing: standing.state)
def test_a_state_has_its_colour_and_no_other(standing: Standing) -> None:
    forward = tape(SOFTMAX)
    found = colours(chart(forward, all_of(forward, standing)))
    assert found & set(STATUS_COLOURS.values()) == {STATUS_COLOURS[standing.state]}
    assert {WHITE, INK, EDGE, QUIET} <= found


def test_a_map_of_all_states_has_all_colours(flagship: GradientMap) -> None:
    assert set(COLOURS.values()) <= colours(flagship)
    assert len(colours(flagship)) <= 16


def test_no_two_states_look_alike() -> None:
    assert len(set(STATUS_SIGNS.values())) == len(Status)
    assert len(set(STATUS_COLOURS.values())) == len(STATUS_COLOURS) == 4


def test_the_sign_in_a_mark_can_be_told_without_its_colour() -> None:
    forward = tape(SOFTMAX)
    marks = set()
    for standing in STANDINGS:
        image = picture(chart(forward, all_of(forward, standing))).crop((15, 15, 33, 33))
        assert tuple(bytes.fromhex(INK[1:])) in {image.getpixel((x, y)) for x in range(4, 14) for y in range(4, 14)}
        marks.add(image.point(lambda level: 0 if level < 64 else 255).convert("1").tobytes())
    assert len(marks) == 4


def test_a_mark_is_round() -> None:
    forward = tape(SOFTMAX)
    mark = picture(chart(forward, all_of(forward, NOT_ATTEMPTED))).crop((14, 14, 35, 35))
    assert mark.transpose(Image.Transpose.FLIP_LEFT_RIGHT).tobytes() == mark.tobytes()
    assert mark.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes() == mark.tobytes()


def test_what_is_not_asked_for_has_no_mark() -> None:
    forward = tape(SOFTMAX)
    assert not colours(chart(forward, {})) & set(STATUS_COLOURS.values())
    one = colours(chart(forward, {"dlogits": WRONG}))
    assert one & set(STATUS_COLOURS.values()) == {STATUS_COLOURS[Status.WRONG]}


@pytest.mark.parametrize("text", [INK, QUIET])
def test_text_can_be_read(text: str) -> None:
    assert contrast(text, WHITE) >= 4.5


@pytest.mark.parametrize("mark", STATUS_COLOURS.values())
def test_marks_can_be_seen(mark: str) -> None:
    assert contrast(INK, mark) >= 4.5  # the sign
    assert contrast(INK, WHITE) >= 3  # the outline
    assert contrast(EDGE, WHITE) >= 3


def test_the_ground_is_white_up_to_the_margin(flagship: GradientMap) -> None:
    image = picture(flagship)
    width, height = image.size
    for box in ((0, 0, width, 13), (0, height - 13, width, height), (0, 0, 13, height), (width - 13, 0, width, height)):
        assert image.crop(box).getcolors() == [((box[2] - box[0]) * (box[3] - box[1]), (255, 255, 255))]


def test_notebook_1_fits_on_a_screen(flagship: GradientMap) -> None:
    width, height = picture(flagship).size
    assert 500 <= width <= 700
    assert height <= 800


def test_the_spine_is_a_straight_line_of_one_pixel(flagship: GradientMap) -> None:
    image = picture(flagship)
    y = round(TOP + 4.5 * ROW)  # between dcounts_sum_inv and dcounts_sum, and beside them
    row = [image.getpixel((x, y)) for x in range(image.width)]
    grey = tuple(bytes.fromhex(EDGE[1:]))
    assert [x for x, pixel in enumerate(row) if pixel == grey] == [24, 206]
    assert {pixel for pixel in row} == {grey, (255, 255, 255)}


def test_the_same_map_is_the_same_picture(flagship: GradientMap) -> None:
    assert map_as_png(flagship) == map_as_png(flagship)


def test_a_legend_longer_than_the_map_is_not_cut() -> None:
    image = picture(chart(tape("loss = x.sum()"), {"dx": NOT_ATTEMPTED}))
    written = [x for x in range(image.width) if image.getpixel((x, int(TOP))) != (255, 255, 255)]
    assert written[-1] > 150
    assert image.width - written[-1] > 14
