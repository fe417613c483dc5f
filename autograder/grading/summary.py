"""`autograder report`: how a class stands, for a person and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import fill
from typing import Any

from autograder.grading.course import Course
from autograder.grading.standing import Standing, absent, standings
from autograder.grading.submission import State
from autograder.terminal import Terminal, as_json

MAX_NOTES = 3
"""Notes on one submission that are shown, where there is nothing to see to."""
MAX_QUIET = 40
"""Rows of submissions that nobody has to see to. Of more of them only those with remarks or notes are shown."""
MAX_STUDENT = 40
"""Columns of a student's name. A longer one takes what it needs."""


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

    def show(self, console: Terminal, all_notes: bool = False) -> None:
        """Prints all submissions and the lines that sum it up."""
        show(console, self.assignment, self.standings, all_notes=all_notes)
        for line in self.lines():
            console.print(line, soft_wrap=True)

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
        return as_json(content)


def show(
    console: Terminal, assignment: str, found: Sequence[Standing], most: int | None = None, all_notes: bool = False
) -> None:
    """Prints the marks of submissions, each with its remarks below. If they are more than `most`, the urgent ones go first."""
    urgent = [each for each in found if each.failures]
    quiet = [each for each in found if not each.failures]
    if len(quiet) > MAX_QUIET or (most and len(found) > most):
        quiet = [each for each in quiet if each.notes or [*each.remarks]]
    shown = [*urgent[:most], *quiet[: max(0, most - len(urgent)) if most else MAX_QUIET]]
    if not shown:
        return
    shown.sort(key=lambda each: each.student)
    lines = [(assignment, "points", "right", "attempted")]
    lines += [
        (each.student, f"{each.points:g} of {each.most:g}", f"{each.right} of {each.answers}", str(each.attempted))
        for each in shown
    ]
    wide, *others = [max(len(line[column]) for line in lines) for column in range(4)]
    for each, (name, *counts) in zip([None, *shown], lines, strict=True):
        text = "  ".join([f"{name:{min(wide, MAX_STUDENT)}}", *map(str.rjust, counts, others)])
        console.print(text, style="" if each else "bold", soft_wrap=True)
        for first, remark, style in _remarks(each, assignment, all_notes) if each else ():
            text = fill(remark, console.width, initial_indent=first, subsequent_indent=" " * 4, break_on_hyphens=False)
            console.print(text, style=style, soft_wrap=True)
    if left := len(urgent) + len(quiet) - len(shown):
        where = f"autograder report {assignment}{'' if most else ' --json'}"
        console.print(f"… and {left} more: {where} has all of them.", soft_wrap=True)


def _remarks(standing: Standing, assignment: str, all_notes: bool) -> Iterator[tuple[str, str, str]]:
    """What a person has to see to, what became of the marks, and where there is nothing to see to the first of the notes.

    Each has what its first line begins with, and a style.
    """
    yield from (("  ✗ ", failure, "red") for failure in standing.failures)
    yield from ((" " * 4, remark, "") for remark in standing.remarks)
    shown = standing.notes if all_notes else [] if standing.failures else standing.notes[:MAX_NOTES]
    yield from ((" " * 4, note, "dim") for note in shown)
    if left := len(standing.notes) - len(shown):
        more = f"{left} note{'s' * (left > 1)}{' more' if shown else ''}"
        yield " " * 4, f"… and {more}: autograder report {assignment} --notes", "dim"
