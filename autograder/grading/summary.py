"""`autograder report`: how a class stands, as a table and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.grading.course import Course
from autograder.grading.standing import Standing, absent, standings
from autograder.grading.submission import State

MAX_REMARKS = 4
"""Lines of remarks on one submission in the table. What a person has to see to is always shown."""
MAX_QUIET = 40
"""Rows of submissions that nobody has to see to. Of more of them only those with remarks or notes are shown."""
MAX_STUDENT = 24
"""Columns of a student's name."""


class Summary:
    """How the class of an assignment stands. Raises CourseError where that cannot be read."""

    def __init__(self, assignment: str) -> None:
        course = Course(assignment)
        self.assignment = assignment
        self.standings = [*standings(course)]
        self.absent = absent(course)

    def needing_a_person(self) -> Sequence[Standing]:
        """The submissions with failures."""
        return [each for each in self.standings if each.failures]

    def show(self, console: Console) -> None:
        """Prints the table and the lines that sum it up."""
        show(console, self.assignment, self.standings)
        for line in self.lines():
            console.print(line, highlight=False, soft_wrap=True)

    def lines(self) -> Iterator[str]:
        """Such as `30 handed in: 28 graded, 2 not graded. 3 to see to.`"""
        states = Counter(each.state for each in self.standings)
        parts = ", ".join(f"{states[state]} {state}" for state in State if states[state])
        failures = len(self.needing_a_person())
        handed_in = f"{len(self.standings)} handed in: {parts}." if self.standings else "Nobody handed in."
        yield f"{handed_in} {failures or 'Nothing'} to see to."
        counts = {
            "{} late": sum(each.late > 0 for each in self.standings),
            "{} changed by hand": sum(bool(each.by_hand) for each in self.standings),
            "{} to grade by hand in part": sum(bool(each.waiting) for each in self.standings),
        }
        if found := [words.format(count) for words, count in counts.items() if count]:
            yield f"Of them: {', '.join(found)}."
        if self.absent:
            yield f"Of the students in the gradebook {len(self.absent)} handed in nothing: {', '.join(self.absent)}."
        if failures:
            yield f"After you put a file in place: autograder grade {self.assignment} --force --student NAME"

    def as_json(self) -> str:
        """All of it, for `--json`."""
        content: dict[str, Any] = {
            "assignment": self.assignment,
            "to_see_to": len(self.needing_a_person()),
            "submissions": [asdict(each) for each in self.standings],
            "absent": self.absent,
        }
        return json.dumps(content, indent=1, ensure_ascii=False)


def show(console: Console, assignment: str, found: Iterable[Standing], most: int | None = None) -> None:
    """Prints a table of submissions, of at most so many if that is given: first those that a person has to see to."""
    found = [*found]
    urgent = [each for each in found if each.failures]
    quiet = [each for each in found if not each.failures]
    if len(quiet) > MAX_QUIET or (most and len(found) > most):
        quiet = [each for each in quiet if each.notes or [*each.remarks]]
    allowed = max(0, most - len(urgent)) if most else MAX_QUIET
    shown = sorted([*urgent[:most], *quiet[:allowed]], key=lambda each: each.student)
    if shown:
        table = Table(title=assignment, title_justify="left")
        table.add_column("student", max_width=MAX_STUDENT, overflow="fold")
        for name in ("points", "right", "attempted"):
            table.add_column(name, justify="right", no_wrap=name != "attempted")
        table.add_column("to see to, and notes", overflow="fold")
        for each in shown:
            counts = f"{each.points:g} of {each.most:g}", f"{each.right} of {each.answers}", f"{each.attempted}"
            table.add_row(escape(each.student), *counts, _remarks(each))
        console.print(table)
    if left := len(urgent) + len(quiet) - len(shown):
        console.print(f"… and {left} more: autograder report {assignment} --json has all of them.", soft_wrap=True)


def _remarks(standing: Standing) -> str:
    """What a person has to see to, what became of the marks, and where there is nothing to see to the notes."""
    urgent = [f"[red]✗ {escape(each)}[/]" for each in standing.failures]
    lines = [*urgent, *map(escape, standing.remarks), *([] if urgent else map(escape, standing.notes))]
    shown = lines[: max(MAX_REMARKS, len(urgent))]
    left = len(standing.failures) + len([*standing.remarks]) + len(standing.notes) - len(shown)
    return "\n".join([*shown, *([f"… and {left} more"] if left else [])])
