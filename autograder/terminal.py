"""What is shown in a terminal: with escapes for what would steer it, and never read as markup.

Names and texts of students may have anything in them. Whatever is printed goes through one of these: `Terminal`, `echo`,
`as_json`, and for the log of nbgrader `Printable`.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but line breaks and tabs, other ends of lines, what turns the direction of writing, lone surrogates."""


def printable(text: str) -> str:
    """The text with escapes, such as `\\x1b`, for characters that would steer a terminal, or are none."""
    return STEERING.sub(_escaped, text)


def one_line(name: str) -> str:
    """The same for a name, which has no line breaks and tabs either."""
    return printable(name).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a file's name that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode()


def echo(text: object, err: bool = False, nl: bool = True) -> None:
    """Prints a text to stdout or stderr."""
    click.echo(printable(str(text)), err=err, nl=nl)


def as_json(content: Any) -> str:
    """JSON in readable form, with JSON's own escapes for what would steer a terminal."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Terminal(Console):
    """A console that reads no markup in a text: what is to be in colour is a `Text`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **more)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable; its own control codes, which move the cursor, are segments of another kind."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


class Printable(logging.Filter):
    """Escapes the messages of a log. `logging_config` in nbgrader_config.py gives it to the handler for the terminal."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), ()
        if record.exc_info and record.exc_info[0]:
            record.exc_text = printable("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return True
