"""A verdict as text and as HTML."""

from __future__ import annotations

import re
from html import escape

from autograder.verdict import Outcome, Verdict

SYMBOLS = {Outcome.RIGHT: "✓", Outcome.WRONG: "✗", Outcome.NOT_ATTEMPTED: "○", Outcome.COULD_NOT_TELL: "?"}
COLOURS = {
    Outcome.RIGHT: "#009E73",
    Outcome.WRONG: "#D55E00",
    Outcome.NOT_ATTEMPTED: "#56B4E9",
    Outcome.COULD_NOT_TELL: "#E69F00",
}
"""From the palette of Okabe and Ito, which people with any colour vision can tell apart."""


LONGEST, MOST_NOTES = 250, 5
"""Of a text, in characters; together at most 15 kB, whatever is escaped or marked."""


def as_text(verdict: Verdict) -> str:
    """A headline, then a line for each fact."""
    lines = [f"{SYMBOLS[verdict.outcome]} {verdict.name}: {verdict.outcome}. {_short(verdict.diagnosis)}"]
    lines += [f"  {label}: {text}" for label, text in _facts(verdict)]
    return "\n".join(lines)


def as_html(verdict: Verdict) -> str:
    """The same in a box: inline styles and plain tags only, since notebooks drop the rest when they are not trusted."""
    name, outcome = escape(verdict.name), verdict.outcome
    headline = f"<b>{SYMBOLS[outcome]} <code>{name}</code>: {outcome}.</b> {_marked(_short(verdict.diagnosis))}"
    facts = "".join(f"<br><b>{label}:</b> {_marked(text)}" for label, text in _facts(verdict))
    return f'<div style="border-left: 6px solid {COLOURS[outcome]}; padding: 4px 12px">{headline}{facts}</div>'


def _facts(verdict: Verdict) -> list[tuple[str, str]]:
    facts = [("seen", verdict.seen), ("expected", verdict.expected), ("next", verdict.next_step)]
    facts += [("note", note) for note in verdict.notes[:MOST_NOTES]]
    return [(label, _short(text)) for label, text in facts if text]


def _short(text: str) -> str:
    """The first line of a text, or as much as fits."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _marked(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
