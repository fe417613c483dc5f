"""Checks a learner's notebooks as the grader would: in rooms where there are rooms, else in a process beside."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autograder import released
from autograder.client import Client
from autograder.homework import Homework
from autograder.limits import Limits
from autograder.opening import opening
from autograder.paper import Role, Task
from autograder.results import Checked, result
from autograder.solo import Solo

NO_ROOMS = (
    "Your cells run without a room, as in JupyterLab: they can use your files and the network. "
    "For your own notebooks that is all right. The verdicts are the same. ({})"
)
ENVIRONMENT = {"NBGRADER_EXECUTION": "validate"}
"""What is found is written down by who asked, and not by the process that judges."""


@dataclass
class Tutor:
    """`warning` is what to say where there are no rooms; `limits` are those of grading."""

    limits: Limits = field(default_factory=Limits)
    stays: bool = False
    warning: str = ""

    def __post_init__(self) -> None:
        reason = without_rooms()
        self.warning = NO_ROOMS.format(reason.rstrip(".")) if reason else ""
        self._client = Client(sandbox=not reason, stays=self.stays) if sys.platform == "linux" else Solo()

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
        told: dict[str, Any] = self._client.tell(paper, self.limits, folder, course, ENVIRONMENT, opening(paper.tasks))
        return told


def without_rooms() -> str:
    """Why there are no rooms here, nothing where there are."""
    if sys.platform != "linux":
        return f"rooms need Linux, and this is {sys.platform}"
    from autograder.room import unavailable

    return unavailable()
