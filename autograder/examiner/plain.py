"""Tests of ordinary assertions, which run in the room: which lines of one run in the student's process, and which in a fork.

The lines that students do not see never get into the student's process, neither as text nor by what they make.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Sequence, Set
from contextlib import suppress
from textwrap import dedent
from typing import NamedTuple

from autograder.course.cells import Cell, Role, magic
from autograder.errors import NotRight
from autograder.examiner.exam import Message
from autograder.examiner.namespace import needed_by
from autograder.notebook.checking import SAYS
from autograder.replay import parsed

ANSI = re.compile(r"\x1b\[[\d;]*m")
"""The colours of a traceback."""
ARROW = re.compile(r"-+> \d+ ")
"""How IPython marks the line at which code stopped, among those around it."""


class Parts(NamedTuple):
    """The lines of a test: those that run first and those that run last in the student's process, and between them a fork's."""

    before: str
    forked: str
    after: str


def parts_of(test: Cell) -> Parts:
    """The parts of a test. A line keeps its number in the cell, so that a traceback names it.

    Where hidden lines stand inside of a statement, or below a cell magic, the fork runs the whole test, and after that the
    student's process what students see of it.
    """
    if not test.hidden:
        return Parts(test.source, "", "")
    lines = test.source.split("\n")
    first = lines.index(test.hidden.partition("\n")[0])
    above, below = "\n".join(lines[:first]), "\n".join(lines[first:])
    is_inside = below[0].isspace() or _statements(above) is None or _statements(below) is None
    if is_inside or magic(test.source):
        return Parts("", test.source, test.shown if _statements(test.shown) else "")
    shown_below = "\n".join(test.shown.split("\n")[first:])
    # the last expression of a cell is shown, and a number there is a mark; that of a part is not the last one
    before = f"{above}\npass" if _statements(above) else ""
    lines_above = "#\n" * first  # IPython would leave out empty lines
    return Parts(before, lines_above + below, lines_above + shown_below if _statements(shown_below) else "")


def made_by_hidden_lines(earlier: Sequence[tuple[Cell, Set[str]]], parts: Parts) -> str:
    """The statements in the hidden lines of earlier tests that bind names which a test reads, as code.

    `earlier` are all cells above, each with the names that its other lines bind: a name that was bound since is not that of
    hidden lines. (They are given, since to parse a student's cell may take long.)
    """
    wanted = needed_by(parts.forked) - parsed.parse_cell(parts.before).touches
    kept = list[ast.stmt]()
    for cell, touches in reversed(earlier):
        wanted -= touches
        for node in reversed(_statements(dedent(cell.hidden)) or ()) if cell.role is Role.TEST else ():
            if (parsed.made(node) | parsed.bound(node)) & wanted:
                kept.append(node)
                wanted |= parsed.mentioned(node)
    return "\n".join(ast.unparse(node) for node in reversed(kept))


def hide_lines(messages: Sequence[Message], test: Cell) -> None:
    """Takes the traceback out of an error if it shows hidden lines of the test: students get it with the feedback.

    Where the course says so (HIDDEN_TESTS_SAY), the message goes as well if it stopped at one of these. What `grade` raises
    says no more than it may.
    """
    hidden = {line.strip() for line in test.hidden.split("\n") if line.strip()}
    for message in messages:
        content = message["content"]
        lines = content.get("traceback")
        text = ANSI.sub("", "\n".join(map(str, lines if isinstance(lines, list) else ())))
        if content.get("ename") not in (None, NotRight.__name__) and any(line in text for line in hidden):
            stopped_at = [line for line in text.split("\n") if ARROW.match(line)]
            if os.environ.get(SAYS) == "outcome" and any(line in at for at in stopped_at for line in hidden):
                content["evalue"] = "a hidden test fails"
            content["traceback"] = [f"{content.get('ename')}: {content.get('evalue')}"]


def _statements(source: str) -> list[ast.stmt] | None:
    """The statements in some lines of a cell; None if they are no Python without the others."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return parsed.parse_tree(source).body
    return None
