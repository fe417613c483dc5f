"""Checks a learner's notebooks as the grader would: in rooms where there are rooms, else in a process beside."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from autograder import released
from autograder.client import Client
from autograder.homework import Homework
from autograder.limits import MIB, Limits
from autograder.logbook import NBGRADER
from autograder.opening import opening
from autograder.paper import Role, Task
from autograder.results import Checked, result
from autograder.solo import Solo

NO_ROOMS = (
    "Your cells run without a room, as in JupyterLab: they can use your files and the network. "
    "For your own notebooks that is all right. The verdicts are the same. ({})"
)
ENVIRONMENT = {NBGRADER: "validate"}
"""What is found is written down by who asked, and not by the process that judges."""

MOST, LARGEST = 1000, 32 * MIB
"""Files of a learner's folder, and their bytes together, that a room gets a copy of."""
LARGE = "{} has so many files that only those with Python are there while your cells run. Give the notebooks their own folder."


@dataclass
class Tutor:
    """`limits` are those of grading. With `stays` what it has loaded is there for the next command.

    `warning` is what to say where there are no rooms.
    """

    limits: Limits = field(default_factory=Limits)
    stays: bool = False

    def __post_init__(self) -> None:
        reason = without_rooms()
        self.warning = NO_ROOMS.format(reason.rstrip(".")) if reason else ""
        self._client = Client(sandbox=not reason, stays=self.stays, waits=True) if sys.platform == "linux" else Solo()

    def __enter__(self) -> Tutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self, homework: Homework, tasks: tuple[Task, ...] | None = None) -> Checked:
        """The results of all tests, or of those that are among some tasks. Raises GradingFailed."""
        tasks = homework.tasks if tasks is None else tasks
        told = self._told(homework, tasks, maps=True)
        results = [
            result(homework, task, messages)
            for task, messages in zip(tasks, told["messages"], strict=True)
            if task.role is Role.TEST
        ]
        maps = {each["forward"]: each["nodes"] for each in told["maps"]}
        return Checked(homework, tuple(results), maps, tuple(told["notes"]))

    def hints(self, homework: Homework, tasks: tuple[Task, ...], names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What can be said to each of these gradients once these tasks are done. Raises GradingFailed."""
        told: dict[str, dict[str, Any]] = self._told(homework, tasks, hints=names)["hints"]
        return told

    def close(self) -> None:
        self._client.close()

    def _told(self, homework: Homework, tasks: Iterable[Task], **wanted: Any) -> dict[str, Any]:
        paper = replace(homework.paper(self.limits, tuple(tasks)), **wanted)
        folder = homework.path.resolve().parent
        course = next((file.parent for file in released.notebooks() if file.name == homework.path.name), folder)
        with _without_ballast(folder) as (beside, notes):
            told: dict[str, Any] = self._client.tell(paper, self.limits, beside, course, ENVIRONMENT, opening(paper.tasks))
        return {**told, "notes": [*told["notes"], *notes]}


@contextmanager
def _without_ballast(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folder whose files a room gets a copy of; of a large one what Python may want of it, and a note on that."""
    if not _is_large(folder):
        yield folder, []
        return
    with TemporaryDirectory() as temporary:
        for file in (*folder.glob("*.py"), *folder.glob("*.toml")):
            shutil.copy(file, temporary)
        yield Path(temporary), [LARGE.format(folder)]


def _is_large(folder: Path) -> bool:
    count = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # one that has just gone
                size += os.lstat(Path(place, name)).st_size
            count += 1
            if count > MOST or size > LARGEST:
                return True
    return False


def without_rooms() -> str:
    """Why there are no rooms here, nothing where there are."""
    if sys.platform != "linux":
        return f"rooms need Linux, and this is {sys.platform}"
    from autograder.room import CHOICE, unavailable

    return re.sub(rf",? or (grade )?(with )?{re.escape(CHOICE)}", "", unavailable())  # that is for commands of nbgrader
