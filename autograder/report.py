"""What an instructor sees of a class that is graded: the progress, and then the summary, on the screen or as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from autograder.coordinator import Graded

ROWS = 40
"""Of a table; a larger class is shown by those that a person has to look at."""
LINES = 3
"""Of what is said of one submission."""


class Report:
    """Gathers what became of each submission of an assignment."""

    def __init__(self, assignment: str, console: Console) -> None:
        self.assignment = assignment
        self.graded: list[Graded] = []
        self.skipped = 0
        self.is_interrupted = False
        self._console = console
        self._began = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[trouble]}"),
            console=console,
        )
        self._task = self._progress.add_task(assignment, total=None, rate="", trouble="")

    @contextmanager
    def shown(self, students: int, skipped: int) -> Iterator[None]:
        """While it goes on. So many submissions are to be graded, and others were before."""
        self.skipped = skipped
        self._began = time.monotonic()
        self._progress.update(self._task, total=students)
        with self._progress if students else nullcontext():
            yield

    def add(self, graded: Graded) -> None:
        """One more submission is done."""
        self.graded.append(graded)
        minutes = (time.monotonic() - self._began) / 60
        failures = len(self.needing_a_person())
        self._progress.update(
            self._task,
            advance=1,
            rate=f"{len(self.graded) / minutes:.0f} a minute",
            trouble=f"[red]{failures} to see to[/]" if failures else "",
        )

    def trouble(self, what: str) -> None:
        """What keeps the gradebook from being written, until it is over."""
        self._progress.update(self._task, trouble=f"[red]waiting for the gradebook: {escape(what)}[/]" if what else "")

    def needing_a_person(self) -> Sequence[Graded]:
        return [each for each in self.graded if each.failures]

    def show(self) -> None:
        """The summary."""
        self.graded.sort(key=lambda each: each.student)
        noted = [each for each in self.graded if each.failures or each.notes]
        shown = self.graded if len(self.graded) <= ROWS else noted
        if shown:
            table = Table("student", title=self.assignment, title_justify="left")
            table.add_column("points", justify="right")
            table.add_column("to see to, and notes")
            for each in shown[:ROWS]:
                table.add_row(escape(each.student), f"{each.points:g} of {each.most:g}", _remarks(each))
            self._console.print(table)
        if len(shown) > ROWS:
            self._console.print(f"… and {len(shown) - ROWS} more with notes: --json has all of them.")
        self._console.print(self.line(), highlight=False, soft_wrap=True)

    def line(self) -> str:
        seconds = time.monotonic() - self._began
        count, failures = len(self.graded), len(self.needing_a_person())
        nothing = "nothing was graded" if self.is_interrupted else "nothing to grade"
        parts = [f"{count} graded in {seconds:.0f} s" if count else nothing]
        if self.skipped:
            parts.append(f"{self.skipped} graded before (--force grades them again)")
        if count:
            parts.append(f"{failures} to see to" if failures else "nothing to see to")
        return ", ".join(parts) + "."

    def as_json(self) -> str:
        """All of it."""
        content: dict[str, Any] = {
            "assignment": self.assignment,
            "seconds": round(time.monotonic() - self._began, 1),
            "graded_before": self.skipped,
            "to_see_to": len(self.needing_a_person()),
            "submissions": [asdict(each) for each in self.graded],
        }
        return json.dumps(content, indent=1, ensure_ascii=False)


def _remarks(graded: Graded) -> str:
    """What a person has to see to, or else the notes, which may all follow from it."""
    lines = [f"[red]✗ {escape(each)}[/]" for each in graded.failures] or [*map(escape, graded.notes)]
    left = len(graded.failures) + len(graded.notes) - len(lines[:LINES])
    return "\n".join([*lines[:LINES], *([f"… and {left} more"] if left else [])])
