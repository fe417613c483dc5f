"""Checks a learner's notebooks as the grader would: in rooms where there are rooms, else in a process without one."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from autograder.course.cells import Cell, Role
from autograder.examiner.exam import ExamResult, Hints
from autograder.examiner.prefix import locked_prefix
from autograder.forkserver.client import Client
from autograder.forkserver.job import Job
from autograder.forkserver.unsandboxed import UnsandboxedClient
from autograder.learner.results import Checked, result
from autograder.learner.workbook import Workbook
from autograder.notebook.logbook import NBGRADER
from autograder.sandbox.limits import MIB, Limits

NO_ROOMS = (
    "Your cells run without a room, as in JupyterLab: they can use your files and the network. "
    "For your own notebooks that is all right. The verdicts are the same. ({})"
)
ENVIRONMENT = {NBGRADER: "validate"}
"""With this the process that judges keeps no logbook: the command does, once it has the results."""

ORDINARY = "The tests here are those that you see. When it is graded, hidden ones may be asked as well."
"""What to say of a notebook with tests of ordinary assertions: a judged one says all that its hidden lines will."""

MAX_FILES, MAX_BYTES = 1000, 32 * MIB
"""Files of a learner's folder, and their bytes together, that a room gets a copy of."""
LARGE = "{} has too many files to copy: your cells find only its Python files. Give the notebooks a folder of their own."


@dataclass
class Checker:
    """Runs notebooks and judges them, with the limits of grading unless others are given.

    With `stays` the fork server is left running, so that the next command does not have to load torch again. `warning` is
    what to tell the learner where there are no rooms, and empty where there are.
    """

    limits: Limits = field(default_factory=Limits)
    stays: bool = False

    def __post_init__(self) -> None:
        reason = without_rooms()
        self.warning = NO_ROOMS.format(reason.rstrip(".")) if reason else ""
        self._client = (
            Client(sandbox=not reason, stays=self.stays, waits=True) if sys.platform == "linux" else UnsandboxedClient()
        )

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self, workbook: Workbook, tasks: tuple[Cell, ...] | None = None, asking: Sequence[str] = ()) -> Checked:
        """The results of all tests, or of those that are among some tasks. Raises GradingFailed.

        Those of the names in `asking` that are right have a question about the answer.
        """
        tasks = workbook.tasks if tasks is None else tasks
        found = self._examined(workbook, tasks, maps=True, hints=asking)
        stopped = {task.id: record.error for task, record in zip(tasks, found.cells, strict=True) if record.error}
        results = [
            result(workbook, task, record, stopped).asking(found.hints)
            for task, record in zip(tasks, found.cells, strict=True)
            if task.role is Role.TEST
        ]
        notes = [ORDINARY] if workbook.plain else []
        return Checked(workbook, tuple(results), found.maps, (*notes, *found.notes))

    def hints(self, workbook: Workbook, tasks: tuple[Cell, ...], names: Sequence[str]) -> Mapping[str, Hints]:
        """The hints for each of these gradients, by name, after these tasks have run. Raises GradingFailed."""
        return self._examined(workbook, tasks, hints=names).hints

    def close(self) -> None:
        self._client.close()

    def _examined(self, workbook: Workbook, tasks: Iterable[Cell], **wanted: Any) -> ExamResult:
        exam = replace(workbook.exam(self.limits, tuple(tasks)), **wanted)
        folder = workbook.path.resolve().parent
        course = workbook.origin.assignment.release if workbook.origin else folder
        with _files_for_the_room(folder) as (copied, notes):
            found = self._client.examine(Job(exam, copied, course, ENVIRONMENT, locked_prefix(exam.tasks)))
        return replace(found, notes=[*found.notes, *notes])


@contextmanager
def _files_for_the_room(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder whose files a room gets a copy of, and notes: the learner's own, or if that is large one with its modules."""
    if not _is_large(folder):
        yield folder, []
        return
    with TemporaryDirectory() as temporary:
        for file in (*folder.glob("*.py"), *folder.glob("*.toml")):
            shutil.copy(file, temporary)
        yield Path(temporary), [LARGE.format(folder)]


def _is_large(folder: Path) -> bool:
    """Whether copying a folder would take long. It stops counting as soon as that is clear."""
    count = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a file that has just gone
                size += os.lstat(Path(place, name)).st_size
            count += 1
            if count > MAX_FILES or size > MAX_BYTES:
                return True
    return False


def without_rooms() -> str:
    """Why there are no rooms here, nothing where there are."""
    if sys.platform != "linux":
        return f"rooms need Linux, and this is {sys.platform}"
    from autograder.sandbox.room import CHOICE, unavailable

    return re.sub(rf",? or (grade )?(with )?{re.escape(CHOICE)}", "", unavailable())  # that advice is for commands of nbgrader
