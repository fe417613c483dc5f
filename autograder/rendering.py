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


def as_text(verdict: Verdict) -> str:
    """A headline, then a line for each fact."""
    lines = [f"{SYMBOLS[verdict.outcome]} {verdict.headline}"]
    lines += [f"  {label}: {text}" for label, text in _facts(verdict)]
    return "\n".join(lines)


def as_html(verdict: Verdict) -> str:
    """The same in a box: inline styles and plain tags only, since notebooks drop the rest when they are not trusted."""
    name, outcome = escape(verdict.name), verdict.outcome
    headline = f"<b>{SYMBOLS[outcome]} <code>{name}</code>: {outcome}.</b> {_marked(verdict.diagnosis)}"
    facts = "".join(f"<br>{label}: {_marked(text)}" for label, text in _facts(verdict))
    return f'<div style="border-left: 6px solid {COLOURS[outcome]}; padding: 4px 12px">{headline}{facts}</div>'


def _facts(verdict: Verdict) -> list[tuple[str, str]]:
    facts = [("seen", verdict.seen), ("expected", verdict.expected), ("next", verdict.next_step)]
    return [(label, text) for label, text in facts if text] + [("note", note) for note in verdict.notes]


def _marked(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
