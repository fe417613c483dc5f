"""`autograder grade`: from the options of the command to a class that is graded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from autograder import cluster, pool
from autograder.coordinator import Coordinator
from autograder.course import Course, CourseError
from autograder.report import Report
from autograder.room import CHOICE, OPTION, RoomError, unavailable
from autograder.workers import Workers
from autograder.writer import Writer

LOCK = ".autograder.lock"
"""In the course, held while a class is graded. The system lets go of it when a process ends, however it does."""


@dataclass(frozen=True)
class Options:
    """Those of the command."""

    students: Sequence[str] = ("*",)
    notebooks: Sequence[str] = ("*",)
    jobs: int = 0
    scheduler: str = ""
    force: bool = False
    sandbox: bool = True


def grade_class(assignment: str, options: Options, console: Console) -> Report:
    """Grades what is to be graded in the course of the working folder. Raises AutograderError where nothing can be."""
    course = Course(assignment, [] if options.sandbox else ["--Examine.sandbox=False"])
    sandbox = course.examine.sandbox
    if not sandbox:
        console.print("[red]No sandbox:[/] students' code can read your files and use the network.")
    report = Report(assignment, console)
    with ExitStack() as opened:
        opened.enter_context(_alone(Path(course.folders.root)))
        assignments = course.assignments(options.notebooks)
        students = course.students(options.students)
        with course.gradebook() as gradebook:
            known = None if course.converter.create_student else {student.id for student in gradebook.students}
            writer = opened.enter_context(closing(Writer(gradebook, assignment, course.penalties, report.trouble)))
        workers = opened.enter_context(_workers(options, sandbox))
        coordinator = Coordinator(course, assignments, writer, workers, sandbox, report.add, known)
        due = [student for student in students if options.force or coordinator.is_due(student)]
        try:
            with report.shown(len(due), len(students) - len(due)):
                coordinator.grade(due)
        except KeyboardInterrupt:
            report.is_interrupted = True
    return report


@contextmanager
def _workers(options: Options, sandbox: bool) -> Iterator[Workers]:
    if options.scheduler:
        with cluster.connected(options.scheduler, sandbox) as workers:
            yield workers
        return
    if sandbox and (reason := unavailable()):
        raise RoomError(reason.replace(CHOICE, OPTION))
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with pool.started(options.jobs or processors or 1) as workers:
        yield workers


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Refuses to grade where another run does."""
    lock = FileLock(root / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CourseError(f"another run is grading this course ({root / LOCK} is held). Wait until it is done.") from None
    try:
        yield
    finally:
        lock.release()
