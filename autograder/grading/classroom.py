"""`autograder grade`: from the options of the command to a class that is graded."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from autograder.grading import disk, pool, summary
from autograder.grading.coordinator import Coordinator, Graded
from autograder.grading.course import Course, CourseError
from autograder.grading.gradebook import Writer
from autograder.grading.pool import Workers
from autograder.grading.setup import remarks
from autograder.grading.standing import Standing, standings
from autograder.sandbox.room import CHOICE, OPTION, RoomError, unavailable
from autograder.sandbox.temporary import sweep
from autograder.terminal import Terminal, as_json

MAX_ROWS = 40
"""Submissions that are listed. Of more only those with failures or notes are."""


class ClassReport:
    """Gathers what became of each submission of an assignment, and shows it: a progress bar first, a list at the end."""

    def __init__(self, assignment: str, console: Terminal) -> None:
        self.assignment = assignment
        self.graded: list[Graded] = []
        self.standings: list[Standing] = []
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
        """Shows a progress bar while `students` submissions are graded; `skipped` others were graded before."""
        self.skipped = skipped
        self._began = time.monotonic()
        self._progress.update(self._task, total=students)
        with self._progress if students else nullcontext():
            yield

    def add(self, graded: Graded) -> None:
        """Counts one more submission that is done."""
        self.graded.append(graded)
        minutes = (time.monotonic() - self._began) / 60
        failures = sum(bool(each.failures) for each in self.graded)
        self._progress.update(
            self._task,
            advance=1,
            rate=f"{len(self.graded) / minutes:.0f} a minute",
            trouble=f"[red]{failures} to see to[/]" if failures else "",
        )

    def trouble(self, what: str) -> None:
        """Shows what keeps the gradebook from being written; an empty text takes the message away."""
        self._progress.update(self._task, trouble=f"[red]waiting for the gradebook: {escape(what)}[/]" if what else "")

    def needing_a_person(self) -> Sequence[Standing]:
        """The submissions of the class with failures, those of earlier runs too."""
        return [each for each in self.standings if each.failures]

    def see(self, course: Course) -> None:
        """Looks at how the whole class stands now."""
        self.standings = [*standings(course)]
        said = {each.student: each.failures for each in self.graded}
        for each in self.standings:  # what was not written is known to this run only
            each.failures = list(dict.fromkeys([*said.get(each.student, ()), *each.failures]))

    @property
    def earlier(self) -> Sequence[Standing]:
        """Those with failures which this run did not grade."""
        now = {each.student for each in self.graded}
        return [each for each in self.needing_a_person() if each.student not in now]

    def show(self) -> None:
        """Prints what this run graded, what a person has to see to of earlier runs, and the line that sums it up."""
        now = {each.student for each in self.graded}
        rows = [each for each in self.standings if each.student in now or each.failures]
        summary.show(self._console, self.assignment, rows, MAX_ROWS)
        self._console.print(self.line(), soft_wrap=True)
        if self.needing_a_person():
            self._console.print(f"To read this again: autograder report {self.assignment}", soft_wrap=True)

    def line(self) -> str:
        """Such as `30 graded in 12 s, nothing to see to.`"""
        seconds = time.monotonic() - self._began
        count = sum(each.is_written for each in self.graded)
        failures, earlier = len(self.needing_a_person()), len(self.earlier)
        nothing = "nothing was graded" if self.is_interrupted else "nothing to grade"
        parts = [f"{count} graded in {seconds:.0f} s" if count else nothing]
        if self.skipped:
            parts.append(f"{self.skipped} graded before (--force grades them again)")
        parts.append(f"{failures} to see to" if failures else "nothing to see to")
        if earlier:
            parts.append(f"{earlier} of them from before" if earlier < failures else "from before")
        return ", ".join(parts) + "."

    def as_json(self) -> str:
        """All results, for `--json`."""
        content: dict[str, Any] = {
            "assignment": self.assignment,
            "seconds": round(time.monotonic() - self._began, 1),
            "graded_before": self.skipped,
            "to_see_to": len(self.needing_a_person()),
            "submissions": [asdict(each) for each in self.graded],
            "earlier": [asdict(each) for each in self.earlier],
        }
        return as_json(content)


LOCK = ".autograder.lock"
"""The file in the course that is locked while a class is graded. The system unlocks it when the process ends, however."""


@dataclass(frozen=True)
class Options:
    """The options of the command.

    `jobs` is how many notebooks are graded at once, 0 for as many as there are processors. `scheduler` is the address of a
    dask scheduler, empty to grade on this machine.
    """

    students: Sequence[str] = ("*",)
    notebooks: Sequence[str] = ("*",)
    jobs: int = 0
    scheduler: str = ""
    force: bool = False
    sandbox: bool = True


def grade_class(assignment: str, options: Options, console: Terminal) -> ClassReport:
    """Grades the submissions that are due in the course of the working folder. Raises AutograderError if it cannot begin."""
    course = Course(assignment, [] if options.sandbox else ["--Examine.sandbox=False"])
    sandbox = course.examine.sandbox
    if not sandbox:
        console.print(Text.assemble(("No sandbox:", "red"), " students' code can read your files and use the network."))
    for remark in remarks(course.converter):
        console.print(remark, soft_wrap=True)
    report = ClassReport(assignment, console)
    with ExitStack() as stack:
        stack.enter_context(_locked(Path(course.folders.root)))
        assignments = course.assignments(options.notebooks)
        students = course.students(options.students)
        with course.gradebook() as gradebook:
            writer = stack.enter_context(closing(Writer(gradebook, assignment, course.penalties, report.trouble)))
        workers = stack.enter_context(_workers(options, sandbox))
        coordinator = Coordinator(course, assignments, writer, workers, sandbox, report.add)
        due = [student for student in students if options.force or coordinator.is_due(student)]
        try:
            with report.shown(len(due), len(students) - len(due)):
                coordinator.grade(due)
        except KeyboardInterrupt:
            report.is_interrupted = True
        report.see(course)
    return report


@contextmanager
def _workers(options: Options, sandbox: bool) -> Iterator[Workers]:
    """The workers of a cluster or of this machine. Raises RoomError or ClusterError if they cannot grade."""
    if options.scheduler:
        with pool.connected(options.scheduler, sandbox) as workers:
            yield workers
        return
    if sandbox and (reason := unavailable()):
        raise RoomError(reason.replace(CHOICE, OPTION))
    sweep()
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with pool.started(options.jobs or processors or 1) as workers:
        yield workers


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Keeps other runs from grading the course of this folder. Raises CourseError if one is grading it already."""
    lock = FileLock(root / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CourseError(f"another run is grading this course ({root / LOCK} is held). Wait until it is done.") from None
    except OSError as error:
        disk.refuse(error, root)
        raise
    try:
        yield
    finally:
        lock.release()
