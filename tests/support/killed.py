"""Grades the course in the working folder and is killed at a point: python -m tests.support.killed POINT COUNT OUTCOMES.

The outcomes are those of an earlier run: what is killed here is the coordinator, and not who grades for it.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.grading import classroom, coordinator, folders
from autograder.grading.classroom import Options, grade_class
from autograder.grading.folders import RecordFolder
from autograder.grading.gradebook import Writer
from autograder.grading.pool import Workers
from autograder.terminal import Terminal
from tests.support.classes import ASSIGNMENT

POINTS: dict[str, tuple[type | ModuleType, str, bool]] = {
    "a record is begun": (RecordFolder, "prepare", True),
    "a file of a record is written": (folders, "put_file", True),
    "a record is prepared": (RecordFolder, "prepare", False),
    "a record is set aside": (RecordFolder, "set_aside", False),
    "rows are about to be written": (Writer, "_write", True),
    "rows are written and not committed": (Writer, "_write", False),
    "rows are committed": (Writer, "write", False),
    "a record is in its place": (RecordFolder, "publish", False),
}
"""The function, and whether it is before or after its work."""


def die(kind: type | ModuleType, name: str, before: bool, count: int) -> None:
    """Has this process killed at the call of that number."""
    function: Callable[..., Any] = getattr(kind, name)
    calls = iter(range(1, sys.maxsize))

    def deadly(*args: Any, **kwargs: Any) -> Any:
        is_last = next(calls) == count
        if is_last and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(kind, name, deadly)


def main() -> None:
    point, count, known = sys.argv[1:]
    outcomes = pickle.loads(Path(known).read_bytes())
    vars(coordinator)["grade_notebook"] = lambda job: outcomes[job.student, job.seed]
    vars(coordinator)["BATCH"] = 2
    executor = ThreadPoolExecutor(2)
    vars(classroom)["_workers"] = lambda *_: nullcontext(Workers(executor, lambda: 2))
    die(*POINTS[point], int(count))
    grade_class(ASSIGNMENT, Options(force="--force" in sys.argv), Terminal(quiet=True))
    sys.exit("nothing killed it")


if __name__ == "__main__":
    main()
