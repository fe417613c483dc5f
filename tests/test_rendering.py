from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from autograder.rendering import COLOURS, SYMBOLS, as_html, as_text
from autograder.verdict import Outcome, Verdict

LIMIT = 15_000
"""Bytes of one output."""

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
        else:
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
    page = Page(as_html(Verdict(text, Outcome.WRONG, text, text, text, text, (text,))))
    assert set(page.tags) <= {"div", "b", "code", "br"}
    assert page.text.replace("`", "").count(text.replace("`", "")) == 6


@pytest.mark.parametrize("outcome", Outcome)
def test_the_html_has_plain_tags_and_inline_styles_only(outcome: Outcome) -> None:
    page = Page(as_html(Verdict("dh", outcome, "`a`", "`b`", "c", "d", ("e",))))
    assert set(page.tags) <= {"div", "b", "code", "br"}
    assert {name for name, _ in page.attributes} == {"style"}
    assert page.open == []


@pytest.mark.parametrize("outcome", Outcome)
def test_colours_are_written_in_hex(outcome: Outcome) -> None:
    (style,) = (value for name, value in Page(as_html(verdict(outcome))).attributes if name == "style")
    assert style is not None
    assert re.fullmatch(r"[a-z0-9 :;-]+#[0-9A-F]{6}[a-z0-9 :;-]+", style)
    assert not re.search(r"rgb|hsl|var|url", style)


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
