"""A verdict, or anything else that is said in a box: as text, as HTML, in a terminal, and for tools."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from autograder.text import bytes_of
from autograder.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from rich.text import Text

SYMBOLS = {Outcome.RIGHT: "✓", Outcome.WRONG: "✗", Outcome.NOT_ATTEMPTED: "○", Outcome.COULD_NOT_TELL: "?"}
COLOURS = {
    Outcome.RIGHT: "#009E73",
    Outcome.WRONG: "#D55E00",
    Outcome.NOT_ATTEMPTED: "#56B4E9",
    Outcome.COULD_NOT_TELL: "#E69F00",
}
"""From the palette of Okabe and Ito, which people with any colour vision can tell apart."""


INK = "#111111"
"""The colour of what stands on one of these."""
NEUTRAL = "#0072B2"
"""The colour of a box that says neither right nor wrong."""

VERDICT_JSON = "application/vnd.autograder.verdict+json"
"""What notebooks do not show, and tools read."""

MAX_HTML_BYTES = 15_000
"""Bytes of one output. Texts are cut shorter where escapes and pictures leave them less room."""

HINT = 1500
"""Characters of a hint."""

MAX_TEXT, MOST_NOTES = 300, 5
"""Characters of a text, and notes of a verdict, that are shown."""

WIDEST, TALLEST = 320, 240
"""Pixels of the picture of what is wrong, at most."""
HEAT = ("#FFFFFF", "#F9DBC4", "#F5C7A4", "#F0B284", "#EA9D63", "#E48743", "#DD7222", "#D55E00", "#C25500", "#A84A00")
"""The colours of the digits in that picture: from white, which is right, to a dark vermilion."""
LEGEND = "In the picture white is right, and the darkest is the furthest off:"


@dataclass(frozen=True)
class Box:
    """What is shown: a symbol, a name and a word, a sentence, and facts with their labels.

    In the texts code stands in backticks. `heat` is a picture of digits, a string for each row, and `alt` its text; `code` is
    a block of code below all else. `longest` is how many characters of the sentence are shown.
    """

    symbol: str
    name: str
    word: str
    sentence: str
    facts: Sequence[tuple[str, str]]
    colour: str
    heat: Sequence[str] = ()
    alt: str = ""
    code: str = ""
    longest: int = MAX_TEXT

    def as_text(self) -> str:
        """A headline, then a line for each fact, then the code."""
        lines = [f"{self.symbol} {self.name}: {self.word}. {_short(self.sentence, self.longest)}".rstrip()]
        lines += [f"  {label}: {text}" for label, text in self._shown_facts()]
        return "\n".join([*lines, *(f"    {line}" for line in self.code.splitlines())])

    def as_html(self) -> str:
        """The same in a box: inline styles and plain tags only, since notebooks drop the rest when they are not trusted."""
        picture = _picture(self.heat) if self.heat else ""
        html = ""
        for longest in (self.longest, MAX_TEXT // 2, MAX_TEXT // 5):
            html = self._html(picture, longest)
            if bytes_of(html) <= MAX_HTML_BYTES:
                break
        return html

    def _html(self, picture: str, longest: int) -> str:
        sentence = marked(_short(self.sentence, longest))
        headline = f"<b>{self.symbol} <code>{escape(self.name)}</code>: {self.word}.</b> {sentence}"
        facts = "".join(f"<br><b>{label}:</b> {marked(_short(text, longest))}" for label, text in self._shown_facts())
        image = f'<p>{LEGEND}</p><img alt="{escape(self.alt)}" src="data:image/png;base64,{picture}">' if picture else ""
        code = f"<pre>{escape(self.code)}</pre>" if self.code else ""
        style = f"border-left: 6px solid {self.colour}; padding: 4px 12px"
        return f'<div style="{style}">{headline.rstrip()}{facts}{image}{code}</div>'

    def for_terminal(self) -> Text:
        """The text with the symbol and the word in colour. rich leaves colours out for NO_COLOR, a file or a pipe."""
        from rich.text import Text

        text = Text(self.as_text())
        text.stylize(f"bold {self.colour}", 0, len(f"{self.symbol} {self.name}: {self.word}."))
        text.highlight_regex(r"`[^`]+`", "bold")
        return text

    def _shown_facts(self) -> Iterator[tuple[str, str]]:
        return ((label, _short(text)) for label, text in self.facts if text)


def box(verdict: Verdict, so_far: str = "") -> Box:
    """A verdict as a box. `so_far` says how far the notebook is."""
    facts = [
        ("case", verdict.example),
        ("seen", verdict.seen),
        ("expected", verdict.expected),
        ("where", verdict.where),
        ("next", verdict.next_step),
        ("to think about", verdict.question),
    ]
    facts += [("note", note) for note in verdict.notes[:MOST_NOTES]]
    facts.append(("so far", so_far))
    outcome = verdict.outcome
    colour = COLOURS[outcome]
    return Box(SYMBOLS[outcome], verdict.name, outcome, verdict.diagnosis, facts, colour, verdict.heat, verdict.where)


def as_text(verdict: Verdict) -> str:
    """A verdict as text."""
    return box(verdict).as_text()


def as_html(verdict: Verdict) -> str:
    """A verdict as HTML."""
    return box(verdict).as_html()


def mimebundle(verdict: Verdict, so_far: str = "") -> dict[str, Any]:
    """All forms of a verdict that a notebook keeps, by their MIME types. Long texts are cut."""
    shown = box(verdict, so_far)
    cut = {name: _short(text, 4 * MAX_TEXT) for name, text in vars(verdict).items() if type(text) is str}
    notes = tuple(_short(note, 4 * MAX_TEXT) for note in verdict.notes[:MOST_NOTES])
    return {
        "text/plain": shown.as_text(),
        "text/html": shown.as_html(),
        VERDICT_JSON: replace(verdict, notes=notes, **cut).as_dict(),  # type: ignore[arg-type]
    }


def _picture(heat: Sequence[str]) -> str:
    """The digits as a PNG of ten colours in a grey frame, in base64."""
    from PIL import Image, ImageOps

    width, height = len(heat[0]), len(heat)
    size = max(1, min(10, WIDEST // width, TALLEST // height))
    picture = Image.new("P", (width, height))
    picture.putdata([int(digit) for row in heat for digit in row])
    picture = picture.resize((width * size, height * size), Image.Resampling.NEAREST)
    framed = ImageOps.expand(picture, border=1, fill=len(HEAT))
    framed.putpalette([channel for colour in (*HEAT, "#8C8C8C") for channel in bytes.fromhex(colour[1:])])
    file = BytesIO()
    framed.save(file, "PNG", optimize=True)
    return b64encode(file.getvalue()).decode()


def _short(text: str, longest: int = MAX_TEXT) -> str:
    """The first line of a text, or as much as fits: whole sentences, or else no half of a piece of code."""
    line = text.strip().partition("\n")[0]
    if len(line) <= longest:
        return line
    whole, end, _ = line[:longest].rpartition(". ")
    if len(whole) > longest // 2 and not whole.count("`") % 2:
        return f"{whole}{end}…"
    part = line[:longest]
    return f"{part.rpartition('`')[0] if part.count('`') % 2 else part}…"


def chip(symbol: str, colour: str) -> str:
    """A symbol in dark letters on its colour, which can be read on any page."""
    return f'<b style="color:{INK};background-color:{colour}">\N{NO-BREAK SPACE}{symbol}\N{NO-BREAK SPACE}</b>'


def marked(text: str) -> str:
    """A text as HTML, in which `code` is marked."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
