from __future__ import annotations

import re
from base64 import b64decode
from html.parser import HTMLParser

import pytest

from autograder.grading.sanitise import clean_html
from autograder.notebook.gradient_map import STATUS_COLOURS, STATUS_SIGNS, GradientMap, Standing, Status, chart
from autograder.notebook.map_view import INK, MAX_MAP_BYTES, map_as_html, map_as_svg, map_as_text
from autograder.tape.tape import Tape
from tests.support.colours import contrast
from tests.support.lesson import Lesson
from tests.support.maps import NOT_ATTEMPTED, RIGHT, SOFTMAX, WAITING, WRONG, all_of, half_done, tape

HALF_DONE = """
gradient map: 11 of 26 right, 1 wrong, 1 waiting, 13 not attempted
· loss             its gradient is 1
✓ dlogprobs        right
✓ dprobs           right
✓ dcounts_sum_inv  right
✓ dcounts_sum      right
✗ dcounts          wrong (from dprobs and dcounts_sum) – The path through `counts_sum` is missing.
✓ dnorm_logits     right
… dlogit_maxes     waiting – changed since it was checked
✓ dlogits          right (from dnorm_logits and dlogit_maxes)
  ✓ dW2            right
  ✓ db2            right
✓ dh               right
✓ dhpreact         right
  ○ dbnbias        not attempted
  ○ dbngain        not attempted
✓ dbnraw           right
○ dbnvar_inv       not attempted
○ dbnvar           not attempted
○ dbndiff2         not attempted
○ dbndiff          not attempted (from dbnraw and dbndiff2)
○ dbnmeani         not attempted
○ dhprebn          not attempted (from dbndiff and dbnmeani)
  ○ dW1            not attempted
  ○ db1            not attempted
○ dembcat          not attempted
○ demb             not attempted
  ○ dC             not attempted
"""

SMALL = """
gradient map: 1 of 3 right, 1 wrong, 1 not attempted
· loss     its gradient is 1
· dprobs   not asked
· dshare   not asked
· dtotal   not asked
· dcounts  not asked (from dprobs and dtotal)
✓ dlogits  right
  ✗ dW     wrong – The path through `counts_sum` is missing.
  · db     not asked
  ○ dx     not attempted
"""


class Page(HTMLParser):
    """The words of each item of a list with how deep it is nested, the tags, and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.items: list[tuple[int, str]] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attributes]
        if tag not in {"br", "img"}:
            self.open.append(tag)
        if tag == "li":
            self.items.append((self.open.count("ul"), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "li" in self.open:
            depth, words = self.items[-1]
            self.items[-1] = depth, words + data


@pytest.fixture(scope="module")
def forward() -> Tape:
    return Lesson("1-every-gradient", solved=False).session.tape("C")


@pytest.fixture(scope="module")
def flagship(forward: Tape) -> GradientMap:
    return half_done(forward)


def test_notebook_1_half_done(flagship: GradientMap) -> None:
    assert map_as_text(flagship).splitlines() == HALF_DONE.strip().splitlines()


def test_a_small_map() -> None:
    graph = chart(tape(SOFTMAX), {"dlogits": RIGHT, "dW": WRONG, "dx": NOT_ATTEMPTED})
    assert map_as_text(graph).splitlines() == SMALL.strip().splitlines()


def test_the_text_is_plain(flagship: GradientMap) -> None:
    assert all(character.isprintable() or character == "\n" for character in map_as_text(flagship))
    assert max(map(len, map_as_text(flagship).splitlines())) < 128


@pytest.mark.parametrize("clean", [str, clean_html], ids=["notebook", "feedback"])
class TestPage:
    def test_the_list_says_what_the_text_says(self, flagship: GradientMap, clean: type[str]) -> None:
        items = Page(clean(map_as_html(flagship))).items
        assert len(items) == 27
        for (depth, words), line in zip(items, map_as_text(flagship).splitlines()[1:], strict=True):
            said = " ".join(words.replace(":", "", 1).split())
            assert said == " ".join(line.replace("`", "").removeprefix("·").split())
            assert depth == (2 if line.startswith("  ") else 1)

    def test_the_picture_is_there_with_its_alternative(self, flagship: GradientMap, clean: type[str]) -> None:
        attributes = dict(Page(clean(map_as_html(flagship))).attributes)
        assert attributes["alt"] == f"{flagship.headline}. The list below says the same."
        scheme, _, data = attributes["src"].partition(",")
        assert scheme == "data:image/svg+xml;base64"
        assert b64decode(data, validate=True).decode() == map_as_svg(flagship)

    def test_the_colours_survive(self, flagship: GradientMap, clean: type[str]) -> None:
        styles = {value.replace(" ", "") for name, value in Page(clean(map_as_html(flagship))).attributes if name == "style"}
        assert styles == {f"color:{INK};background-color:{mark}" for mark in STATUS_COLOURS.values()}


def test_the_html_has_plain_tags_and_inline_styles_only(flagship: GradientMap) -> None:
    page = Page(map_as_html(flagship))
    assert page.tags == {"b", "br", "code", "details", "div", "img", "li", "summary", "ul"}
    assert {name for name, _ in page.attributes} == {"alt", "src", "style"}
    assert page.open == []


def test_the_list_can_be_read_on_any_page(flagship: GradientMap) -> None:
    """Where a colour is set, so is the ground that it stands on."""
    styles = [value for name, value in Page(map_as_html(flagship)).attributes if name == "style"]
    assert len(styles) == 26
    for style in styles:
        text, ground = re.findall(r"#[0-9A-F]{6}", style)
        assert contrast(text, ground) >= 4.5


def test_each_mark_has_its_symbol_and_its_word(flagship: GradientMap) -> None:
    words = " ".join(words for _, words in Page(map_as_html(flagship)).items)
    for state in STATUS_COLOURS:
        assert STATUS_SIGNS[state] in words
        assert state in words


LONG = "The answer `a < b & c` is not `d > e`, " * 9


@pytest.mark.parametrize("standing", [RIGHT, NOT_ATTEMPTED, WAITING, WRONG, Standing(Status.WRONG, LONG)])
def test_the_html_of_notebook_1_is_small(forward: Tape, standing: Standing) -> None:
    html = map_as_html(chart(forward, all_of(forward, standing)))
    assert len(html.encode()) <= MAX_MAP_BYTES
    assert Page(html).open == []


def test_notes_give_way_where_the_html_is_too_long(forward: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = chart(forward, all_of(forward, Standing(Status.WRONG, LONG)))
    sizes = []
    for limit in (99_999, 13_000, 12_000, 11_000, 0):
        monkeypatch.setattr("autograder.notebook.map_view.MAX_MAP_BYTES", limit)
        sizes.append(len(map_as_html(graph).encode()))
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) >= 3
    assert LONG[:10] not in map_as_html(graph)
    assert all("wrong" in words for _, words in Page(map_as_html(graph)).items[1:])


def test_a_note_is_cut_between_words_and_never_in_code() -> None:
    lines = map_as_text(chart(tape(SOFTMAX), {"dprobs": Standing(Status.WRONG, LONG)})).splitlines()
    assert lines[2] == (
        "✗ dprobs   wrong – The answer `a < b & c` is not `d > e`, The answer `a < b & c` is not `d > e`, The answer…"
    )
    code = Standing(Status.WRONG, f"There is `{'x ' * 80}`.")
    assert map_as_text(chart(tape(SOFTMAX), {"dprobs": code})).splitlines()[2] == "✗ dprobs   wrong – There is…"
    word = Standing(Status.WRONG, "x" * 200)
    assert map_as_text(chart(tape(SOFTMAX), {"dprobs": word})).splitlines()[2] == "✗ dprobs   wrong"


def test_whatever_a_note_says_is_shown_as_text() -> None:
    hostile = Standing(Status.WRONG, "<script>alert(1)</script><img src=x onerror=alert(1)>")
    page = Page(map_as_html(chart(tape(SOFTMAX), {"dprobs": hostile})))
    assert page.items[1][1].endswith(hostile.note)
    assert "script" not in page.tags
