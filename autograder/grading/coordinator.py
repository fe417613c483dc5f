"""Grades a class: it sends notebooks to the workers, and hands what comes back to the one writer of the gradebook."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace

from autograder.grading import disk, folders
from autograder.grading.course import Course
from autograder.grading.disk import DiskFullError
from autograder.grading.folders import RecordFolder, unfit
from autograder.grading.gradebook import GradebookError, Marks, Writer
from autograder.grading.notebook_job import GradedNotebook, NotebookJob, NotebookSetup
from autograder.grading.pool import Workers, grade_notebook
from autograder.grading.submission import State, Submission, read_submission, state_of
from autograder.terminal import one_line

BATCH = 32
"""Submissions that are written in one transaction."""
DELAY = 2.0
"""Seconds that a graded submission waits for others to be written with it."""
TICK = 0.5
"""Seconds to wait for a notebook before looking whether the workers are still there."""
SENT_PER_WORKER = 3
"""Notebooks that are read and sent for each one that the workers take at once, so that no worker has to wait."""


@dataclass
class Graded:
    """What became of a submission. A person has to see to its `failures`; `notes` are for information.

    One that is not `is_written` has no record and no marks of this run.

    `points`, of `most`, are those of the notebooks that were graded now, and `notebooks` has the points of each. `seconds`
    are those of each stage.
    """

    student: str
    points: float = 0
    most: float = 0
    notebooks: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    is_written: bool = True
    seconds: dict[str, float] = field(default_factory=dict, compare=False)


@dataclass
class _Work:
    """A submission that is being graded. `outcomes` has None for a notebook that was not handed in.

    `waiting` counts the notebooks that are not back yet. A submission that `is_lost` is reported, and not written.
    """

    student: str
    graded: Graded
    handed_in: Submission
    record: RecordFolder
    outcomes: dict[str, GradedNotebook | None]
    waiting: int = 0
    is_lost: bool = False


class Coordinator:
    """Grades the notebooks of `assignments`, which has them by name.

    `tell` is called with each submission once it is written.
    """

    def __init__(
        self,
        course: Course,
        assignments: Mapping[str, NotebookSetup],
        writer: Writer,
        workers: Workers,
        sandbox: bool,
        tell: Callable[[Graded], object],
    ) -> None:
        self._course = course
        self._assignments = assignments
        self._packed = {name: assignment.packed() for name, assignment in assignments.items()}
        self._writer = writer
        self._workers = workers
        self._sandbox = sandbox
        self._tell = tell
        self._limits, self._bounds = course.examine.limits(), course.examine.bounds()
        self._seconds: dict[str, float] = {}
        """How long the last notebook of each name took. The longest are sent first, so that none is left for the end."""
        self._pending: dict[Future[GradedNotebook], tuple[_Work, str, NotebookJob]] = {}
        self._ready: list[_Work] = []
        self._written = time.monotonic()

    def is_due(self, student: str) -> bool:
        """Whether a submission is not yet graded, or has been handed in anew."""
        return state_of(self._course, student, self._assignments) is not State.GRADED

    def grade(self, students: Iterable[str]) -> None:
        """Grades the submissions of these students, several at the same time.

        What was graded is written, whatever ends this early. Raises GradebookError, ClusterError or DiskFullError.
        """
        try:
            for student in students:
                self._begin(student)
                while len(self._pending) >= SENT_PER_WORKER * max(1, self._workers.at_once()):
                    self._take()
            while self._pending:
                self._take()
        except (GradebookError, DiskFullError):
            for work in self._ready:  # what could not be written is not tried once more, below
                work.record.put_back()
            self._ready.clear()
            raise
        finally:
            for future in self._pending:
                future.cancel()
            self._write()

    def _begin(self, student: str) -> None:
        """Reads a submission, and sends its notebooks to the workers, the longest first."""
        course, graded = self._course, Graded(one_line(student))
        try:
            if not unfit(student):
                course.before(course.submitted(student))
            handed_in = read_submission(course, student)
        except (OSError, ValueError) as error:
            graded.failures.append(f"The submission cannot be read: {error}.")
            graded.is_written = False
            self._tell(graded)
            return
        graded.failures += handed_in.failures
        graded.notes += handed_in.notes
        record = RecordFolder(course.autograded(student))
        work = _Work(
            student, graded, handed_in, record, {**dict.fromkeys(handed_in.missing)}, is_lost=handed_in.cannot_be_graded
        )
        wanted = [] if work.is_lost else self._assignments.keys() & handed_in.notebooks.keys()
        contents = folders.contents(handed_in.folder, handed_in.files, self._limits.scratch) if wanted else {}
        notes = folders.link_notes(set(handed_in.links) - course.own.keys())
        work.waiting = len(wanted)
        for name in sorted(wanted, key=lambda name: (-self._seconds.get(name, 0), name)):
            handed = folders.read_notebook(handed_in.notebooks[name], self._bounds)
            job = NotebookJob(
                assignment=self._packed[name],
                student=student,
                content=handed.content,
                files=contents,
                notes=notes,
                seed=course.seed(student, name),
                limits=self._limits,
                bounds=self._bounds,
                sandbox=self._sandbox,
                autograd=course.examine.may_use_autograd(self._assignments[name].master.originals.values()),
                problem=handed.problem,
            )
            self._send(work, name, job)
        if not wanted:
            self._finish(work)

    def _send(self, work: _Work, name: str, job: NotebookJob) -> None:
        self._pending[self._workers.executor.submit(grade_notebook, job)] = work, name, job

    def _take(self) -> None:
        """Takes the notebooks that are back, and writes the submissions that are ready, once they are many or have waited."""
        self._workers.look()
        done, _ = wait(self._pending, TICK, FIRST_COMPLETED)
        for future in done:
            work, name, job = self._pending.pop(future)
            try:
                outcome = future.result()
            except DiskFullError:
                raise
            except Exception as error:  # a process, a worker or the network failed
                disk.refuse_if_full()
                self._send_again(work, name, job, str(error) or type(error).__name__)
                continue
            self._seconds[name] = sum(outcome.seconds.values())
            for stage, seconds in outcome.seconds.items():
                work.graded.seconds[stage] = work.graded.seconds.get(stage, 0) + seconds
            work.outcomes[name] = outcome
            self._count_down(work)
        if len(self._ready) >= BATCH or (self._ready and time.monotonic() - self._written > DELAY):
            self._write()

    def _send_again(self, work: _Work, name: str, job: NotebookJob, error: str) -> None:
        """Sends a notebook again whose worker failed: first its cells are not run, then its content is left out as well.

        So a notebook that crashes every worker still gets a record, and does not hold up the class.
        """
        if not job.failure:
            self._send(work, name, replace(job, failure=error))
        elif job.content:
            self._send(work, name, replace(job, content=b"", problem=f"The notebook could not be read: {error}."))
        else:
            work.graded.failures.append(f"{name}: it could not be graded at all ({error}). Run the command again.")
            work.is_lost = True
            self._count_down(work)

    def _count_down(self, work: _Work) -> None:
        work.waiting -= 1
        if not work.waiting:
            self._finish(work)

    def _finish(self, work: _Work) -> None:
        """Prepares the record of a submission all of whose notebooks are back."""
        course, graded = self._course, work.graded
        for name, outcome in sorted(work.outcomes.items()):
            graded.most += self._writer.points[name] if name in self._assignments else 0
            if outcome:
                graded.notebooks[name] = sum(points or 0 for points in outcome.grades.values())
                graded.failures += [f"{name}: {failure}" for failure in outcome.failures]
                graded.notes += [f"{name}: {note}" for note in outcome.notes if note not in outcome.failures]
        graded.points = sum(graded.notebooks.values())
        records = {name: outcome.record for name, outcome in work.outcomes.items() if outcome}
        try:
            if not work.is_lost:
                is_part = len(self._assignments) < len(self._writer.notebooks)
                folder, files = work.handed_in.folder, work.handed_in.files
                work.record.prepare(folder, files, course.overwriting, records, is_part, course.permissions)
        except OSError as error:
            where = os.path.relpath(work.record.target.parent)
            said = f"The record cannot be written in `{where}`: {error.strerror}. Fix that, and grade again."
            graded.failures.append(said)
            work.is_lost = True
        # the records are on disk now, and those of a whole class would take much memory
        work.outcomes = {name: outcome and replace(outcome, record="") for name, outcome in work.outcomes.items()}
        self._ready.append(work)

    def _write(self) -> None:
        """Writes the marks of what is ready to the gradebook, and puts the records in their places.

        The order matters: the old records are set aside before the marks are written, and the new ones are published after
        that. A run that is killed in between leaves submissions without a record, and the next run grades them again.
        """
        ready, self._ready, self._written = self._ready, [], time.monotonic()
        kept = [work for work in ready if not work.is_lost]
        for work in kept:
            work.record.set_aside()
        try:
            if kept:
                self._writer.write([Marks(work.student, work.handed_in.timestamp, work.outcomes) for work in kept])
        except BaseException:
            for work in kept:
                work.record.put_back()
            raise
        for work in kept:
            work.record.publish()
            self._course.after(work.student)
        for work in ready:
            work.graded.is_written = not work.is_lost
            self._tell(work.graded)
