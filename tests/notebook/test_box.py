from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from base64 import b64decode
from dataclasses import fields, replace
from html.parser import HTMLParser
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from PIL import Image, ImageColor
from rich.console import Console

from autograder.judge.comparison import FINEST
from autograder.notebook.box import (
    COLOURS,
    HEAT,
    LEGEND,
    MAX_TEXT,
    MOST_NOTES,
    NEUTRAL,
    SYMBOLS,
    TALLEST,
    VERDICT_JSON,
    WIDEST,
    Box,
    as_html,
    as_text,
    box,
    marked,
    mimebundle,
)
from autograder.verdict import Mistake, Outcome, Verdict
from scripts.submissions import ROOT
from tests.support.colours import contrast, luminance

LIMIT = 15_000
"""Bytes of one output."""

TAGS = {"div", "b", "code", "br", "img", "p", "pre"}
"""All that a box is made of."""

FULL = Verdict(
    "dcounts",
    Outcome.WRONG,
    "The answer does not depend on `dcounts_sum`.",
    "0.25",
    "0.5",
    "Work it out from `dprobs` and `dcounts_sum`.",
    ("Your code changes `dprobs` in place.", "Your cell stops after that."),
)


class Page(HTMLParser):
    """What a browser makes of it: the text, the tags, and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.code: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "br":
            self.text += "\n"
        elif tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] == "code":
            self.code.append(data)


def verdict(outcome: Outcome = Outcome.WRONG, text: str = "", **texts: str) -> Verdict:
    return Verdict("dh", outcome, text, **texts)


@pytest.mark.parametrize("outcome", Outcome)
class TestOutcomes:
    def test_the_text_has_a_symbol_and_a_word(self, outcome: Outcome) -> None:
        assert as_text(verdict(outcome, "So it is.")) == f"{SYMBOLS[outcome]} dh: {outcome.value}. So it is."

    def test_the_html_has_a_symbol_a_word_and_a_colour(self, outcome: Outcome) -> None:
        html = as_html(verdict(outcome, "So it is."))
        assert Page(html).text == f"{SYMBOLS[outcome]} dh: {outcome.value}. So it is."
        assert re.findall(r"#\w+", html) == [COLOURS[outcome]]


def test_no_two_outcomes_look_alike() -> None:
    assert len({outcome.value for outcome in Outcome}) == len(set(SYMBOLS.values())) == len(set(COLOURS.values())) == 4


def test_the_text_has_a_line_for_each_fact() -> None:
    assert as_text(FULL).splitlines() == [
        "✗ dcounts: wrong. The answer does not depend on `dcounts_sum`.",
        "  seen: 0.25",
        "  expected: 0.5",
        "  next: Work it out from `dprobs` and `dcounts_sum`.",
        "  note: Your code changes `dprobs` in place.",
        "  note: Your cell stops after that.",
    ]


def test_the_html_says_the_same() -> None:
    assert Page(as_html(FULL)).text.splitlines() == [
        "✗ dcounts: wrong. The answer does not depend on dcounts_sum.",
        "seen: 0.25",
        "expected: 0.5",
        "next: Work it out from dprobs and dcounts_sum.",
        "note: Your code changes dprobs in place.",
        "note: Your cell stops after that.",
    ]


@pytest.mark.parametrize("missing", ["seen", "expected", "next"])
def test_a_fact_that_is_missing_has_no_line(missing: str) -> None:
    facts = {"seen": "1", "expected": "2", "next_step": "3"}
    del facts["next_step" if missing == "next" else missing]
    shown = verdict(**facts)
    assert missing not in as_text(shown)
    assert missing not in Page(as_html(shown)).text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("plain", []),
        ("use `n`", ["n"]),
        ("`a` and `b`", ["a", "b"]),
        ("`x < y`", ["x < y"]),
        ("`dC[ix] += d & e`", ["dC[ix] += d & e"]),
        ("one ` alone", []),
        ("``", []),
    ],
)
def test_what_stands_in_backticks_is_code(text: str, code: list[str]) -> None:
    page = Page(as_html(verdict(text=text)))
    assert page.code == ["dh", *code]
    assert page.open == []


def test_half_a_character_is_shown_as_it_is() -> None:
    shown = verdict(text="`\ud83d` is half.")
    assert as_text(shown).endswith("`\ud83d` is half.")
    assert Page(as_html(shown)).code == ["dh", "\ud83d"]


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</div><style>*{}</style>",
    "`<b>`",
    "&lt;b&gt;",
    "'`</code>`'",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_verdict_says_is_shown_as_text(text: str) -> None:
    page = Page(as_html(Verdict(text, Outcome.WRONG, text, text, text, text, (text,), where=text, heat=("09",))))
    assert set(page.tags) <= TAGS
    assert page.tags.count("img") == 1
    assert page.text.replace("`", "").count(text.replace("`", "")) == 7
    assert ("alt", text) in page.attributes


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_box_says_is_shown_as_text(text: str) -> None:
    page = Page(Box("→", text, "hint", text, (("next", text),), NEUTRAL, code=text).as_html())
    assert set(page.tags) <= TAGS - {"img", "p"}
    assert page.text.replace("`", "").count(text.replace("`", "")) == 4


@pytest.mark.parametrize("outcome", Outcome)
def test_the_html_has_plain_tags_and_inline_styles_only(outcome: Outcome) -> None:
    page = Page(as_html(Verdict("dh", outcome, "`a`", "`b`", "c", "d", ("e",), where="f", heat=("09",))))
    assert set(page.tags) <= TAGS
    assert {name for name, _ in page.attributes} == {"style", "alt", "src"}
    assert page.open == []


@pytest.mark.parametrize("outcome", Outcome)
def test_colours_are_written_in_hex(outcome: Outcome) -> None:
    (style,) = (value for name, value in Page(as_html(verdict(outcome))).attributes if name == "style")
    assert style is not None
    assert re.fullmatch(r"[a-z0-9 :;-]+#[0-9A-F]{6}[a-z0-9 :;-]+", style)
    assert not re.search(r"rgb|hsl|var|url", style)


def test_no_colour_of_text_or_ground_is_set() -> None:
    """The page may be light or dark, so text has its colours, which go with its ground."""
    (style,) = (value for name, value in Page(as_html(FULL)).attributes if name == "style")
    assert style is not None
    assert {declaration.partition(":")[0].strip() for declaration in style.split(";")} == {"border-left", "padding"}


@pytest.mark.parametrize("ground", ["#FFFFFF", "#111111"], ids=["light", "dark"])
@pytest.mark.parametrize("colour", [COLOURS[Outcome.RIGHT], COLOURS[Outcome.WRONG], NEUTRAL], ids=["right", "wrong", "neutral"])
def test_the_border_stands_out_from_the_page(colour: str, ground: str) -> None:
    """The two lighter colours of the palette do not on white: there the symbol and the word have to do."""
    assert contrast(colour, ground) >= 3


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize(
    "long",
    [
        pytest.param(verdict(seen="ValueError: " + "x" * 100_000), id="one long line"),
        pytest.param(verdict(seen="<&>" * 20_000), id="text that grows when it is escaped"),
        pytest.param(verdict(seen="`a` " * 20_000), id="much code"),
        pytest.param(verdict(seen="line\n" * 20_000), id="many lines"),
        pytest.param(verdict(text="李" * 20_000), id="another alphabet"),
        pytest.param(Verdict("dh", Outcome.RIGHT, "Right.", notes=("note " * 100,) * 100), id="many notes"),
    ],
)
def test_even_a_long_verdict_is_short(long: Verdict) -> None:
    page = Page(as_html(long))
    assert len(as_html(long).encode()) < LIMIT
    assert len(as_text(long).encode()) < LIMIT
    assert page.open == []
    assert long.outcome in page.text


random.seed(1)
DENSE = tuple("".join(random.choices("0123456789", k=FINEST)) for _ in range(FINEST))
"""The picture that is hardest to compress."""


@pytest.mark.parametrize("filling", ["x", "<&>", "'", '"', "`'`", "`a`", "李", "😀"])
def test_the_biggest_verdict_with_a_picture_is_short(filling: str) -> None:
    text = (filling * MAX_TEXT)[:MAX_TEXT]
    where = "Wrong in all of columns 10, 11, 12 and 23 more."
    biggest = Verdict(
        "dcounts_sum_inv", Outcome.WRONG, text, text, text, text, (text,) * MOST_NOTES, Mistake.PLACES, where, DENSE
    )
    assert len(as_html(biggest).encode()) < LIMIT


def picture(html: str) -> Image.Image:
    """The image of a box, decoded."""
    (source,) = (value for name, value in Page(html).attributes if name == "src")
    assert source is not None
    kind, _, content = source.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(BytesIO(b64decode(content, validate=True)))


PICTURES = {
    "all digits": ("0123456789",),
    "two by two": ("09", "50"),
    "one column": ("1", "0", "9"),
    "one row": (DENSE[0],),
    "large": DENSE,
    "flat": DENSE[:3],
}


class TestPicture:
    @pytest.mark.parametrize("heat", PICTURES.values(), ids=PICTURES.keys())
    def test_each_digit_has_its_colour_at_its_place(self, heat: tuple[str, ...]) -> None:
        shown = picture(as_html(replace(verdict(), heat=heat))).convert("RGB")
        width, height = len(heat[0]), len(heat)
        size = (shown.width - 2) // width
        assert shown.size == (width * size + 2, height * size + 2)
        assert shown.width <= WIDEST + 2 and shown.height <= TALLEST + 2
        for row, digits in enumerate(heat):
            for column, digit in enumerate(digits):
                for corner in (0, size - 1):
                    place = (1 + column * size + corner, 1 + row * size + corner)
                    assert shown.getpixel(place) == ImageColor.getrgb(HEAT[int(digit)]), (row, column)

    def test_it_is_a_small_png_of_few_colours(self) -> None:
        shown = picture(as_html(replace(verdict(), heat=DENSE)))
        assert (shown.format, shown.mode) == ("PNG", "P")
        assert len(shown.convert("RGB").getcolors() or ()) == len(HEAT) + 1

    def test_a_frame_parts_it_from_a_white_page(self) -> None:
        shown = picture(as_html(replace(verdict(), heat=("00", "00")))).convert("RGB")
        assert shown.getpixel((0, 0)) == shown.getpixel((shown.width - 1, shown.height - 1)) == (0x8C,) * 3

    def test_its_colours_get_darker(self) -> None:
        assert HEAT[0] == "#FFFFFF"
        assert [luminance(colour) for colour in HEAT] == sorted((luminance(colour) for colour in HEAT), reverse=True)
        assert len(set(HEAT)) == 10

    def test_its_words_are_the_sentence_on_where(self) -> None:
        html = as_html(replace(verdict(), where="Wrong in all of row 3.", heat=("09",)))
        assert ("alt", "Wrong in all of row 3.") in Page(html).attributes
        assert LEGEND in Page(html).text

    def test_without_digits_there_is_none(self) -> None:
        html = as_html(replace(verdict(), where="Wrong in every entry."))
        assert "img" not in Page(html).tags
        assert LEGEND not in Page(html).text
        assert "where: Wrong in every entry." in Page(html).text


def test_where_it_is_wrong_stands_before_what_to_do() -> None:
    lines = as_text(replace(FULL, where="Wrong in every entry.")).splitlines()
    assert [line.strip().partition(":")[0] for line in lines[1:5]] == ["seen", "expected", "where", "next"]


def test_code_stands_below_the_facts_as_it_is() -> None:
    shown = Box("→", "dh", "model answer", "", (("next", "go on"),), NEUTRAL, code="if a < b:\n    dh = `x`")
    assert shown.as_text() == "→ dh: model answer.\n  next: go on\n    if a < b:\n        dh = `x`"
    assert shown.as_html().endswith("<pre>if a &lt; b:\n    dh = `x`</pre></div>")


def test_a_box_may_say_more_than_a_verdict() -> None:
    shown = Box("→", "dh", "hint 1 of 2", "x" * 600, (), NEUTRAL, longest=600)
    assert "x" * 600 in shown.as_text() and "x" * 600 in shown.as_html()
    assert "…" not in shown.as_text()


def test_marked_text_is_escaped_text_with_code() -> None:
    assert marked("`a < b` & c") == "<code>a &lt; b</code> &amp; c"


ESCAPE = "\x1b"


def printed(shown: Box, monkeypatch: pytest.MonkeyPatch, is_terminal: bool, no_color: bool) -> str:
    """What rich writes into a file that passes for a terminal, or does not."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    file = StringIO()
    console = Console(
        file=file,
        force_terminal=is_terminal or None,
        color_system="truecolor" if is_terminal else "auto",
        highlight=False,
        soft_wrap=True,
    )
    console.print(shown.for_terminal())
    return file.getvalue()


class TestTerminal:
    @pytest.mark.parametrize("outcome", Outcome)
    def test_symbol_and_word_are_coloured_and_code_is_bold(self, monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
        text = printed(box(verdict(outcome, "Use `n` here.")), monkeypatch, is_terminal=True, no_color=False)
        red, green, blue = ImageColor.getrgb(COLOURS[outcome])
        coloured = f"{ESCAPE}[1;38;2;{red};{green};{blue}m{SYMBOLS[outcome]} dh: {outcome}.{ESCAPE}[0m"
        assert text == f"{coloured} Use {ESCAPE}[1m`n`{ESCAPE}[0m here.\n"

    @pytest.mark.parametrize("no_color", [False, True], ids=["", "NO_COLOR"])
    @pytest.mark.parametrize("shown", [FULL, verdict(text="[red]x[/red] :smile: https://x.y 12 " * 9)], ids=["full", "markup"])
    def test_a_file_gets_the_plain_text(self, monkeypatch: pytest.MonkeyPatch, shown: Verdict, no_color: bool) -> None:
        assert printed(box(shown), monkeypatch, is_terminal=False, no_color=no_color) == as_text(shown) + "\n"

    def test_where_colours_are_not_wanted_there_are_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = printed(box(FULL), monkeypatch, is_terminal=True, no_color=True)
        assert set(re.findall(ESCAPE + r"\[([0-9;]*)m", text)) <= {"1", "0"}  # bold is no colour
        assert re.sub(ESCAPE + r"\[[0-9;]*m", "", text) == as_text(FULL) + "\n"

    @pytest.mark.parametrize("colour", [True, False], ids=["in colour", "plain"])
    def test_ipython_in_a_terminal_shows_it(self, tmp_path: Path, colour: bool) -> None:
        program = (
            "get_ipython().run_line_magic('load_ext', 'autograder')\n"
            "from autograder.notebook.checking import show\n"
            "from autograder.notebook.box import Box\n"
            "show(Box('✗', 'dh', 'wrong', 'So it is.', (), '#D55E00'))\n"
        )
        settings = {**os.environ, "IPYTHONDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        settings |= {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color"} if colour else {"NO_COLOR": "1"}
        command = [sys.executable, "-m", "IPython", "--no-banner", "-c", program]
        ran = subprocess.run(command, env=settings, capture_output=True, encoding="utf-8", timeout=120, check=True)
        assert ("[1;38;2;213;94;0m✗ dh: wrong." in ran.stdout) is colour, ran.stdout
        assert "✗ dh: wrong." in ran.stdout


class TestForTools:
    NAMED = replace(FULL, mistake=Mistake.SIGN, where="Wrong in every entry.", heat=("09", "90"))

    @pytest.mark.parametrize("shown", [FULL, NAMED, verdict(Outcome.RIGHT), verdict(seen="\ud83d <&> \n")])
    def test_a_verdict_comes_back_from_json(self, shown: Verdict) -> None:
        read = json.loads(json.dumps(shown.as_dict()))
        lists = {"notes": tuple(read["notes"]), "heat": tuple(read["heat"])}
        enumerated = {"outcome": Outcome(read["outcome"]), "mistake": Mistake(read["mistake"])}
        assert Verdict(**{**read, **lists, **enumerated}) == shown
        assert read.keys() == {field.name for field in fields(Verdict)}

    def test_outcome_and_mistake_are_plain_texts(self) -> None:
        read = json.loads(json.dumps(self.NAMED.as_dict()))
        assert (read["outcome"], read["mistake"]) == ("wrong", "sign")
        assert json.loads(json.dumps(FULL.as_dict()))["mistake"] == ""

    def test_a_notebook_keeps_three_forms(self) -> None:
        bundle = mimebundle(self.NAMED)
        assert bundle.keys() == {"text/plain", "text/html", VERDICT_JSON}
        assert (bundle["text/plain"], bundle["text/html"]) == (as_text(self.NAMED), as_html(self.NAMED))
        assert bundle[VERDICT_JSON] == self.NAMED.as_dict()
        assert VERDICT_JSON.endswith("+json")  # Jupyter keeps it as JSON, and not as a text

    def test_the_form_for_tools_is_short_too(self) -> None:
        long = verdict(seen="ValueError: " + "x" * 100_000)
        assert len(json.dumps(mimebundle(long)).encode()) < 3 * LIMIT


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        (f"{'word ' * 40}end. It goes on with `{'x' * 200}`.", f"{'word ' * 40}end. …"),
        (f"Too short. {'w' * 280} `code that is cut`", f"Too short. {'w' * 280} …"),
        (f"Too short. {'w' * 400}", f"Too short. {'w' * 289}…"),
    ],
    ids=["after a sentence", "before the code", "anywhere"],
)
def test_a_text_that_is_too_long_ends_at_a_sentence_or_before_a_piece_of_code(sentence: str, shown: str) -> None:
    assert Box("?", "dh", "could not tell", sentence, (), "#000000").as_text() == f"? dh: could not tell. {shown}"
