"""Grades the course in the working folder and is killed at a point: python -m tests.killed POINT COUNT OUTCOMES.

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

from rich.console import Console

from autograder import classroom, coordinator, records
from autograder.classroom import Options, grade_class
from autograder.records import Record
from autograder.workers import Workers
from autograder.writer import Writer
from tests.classes import ASSIGNMENT

POINTS: dict[str, tuple[type | ModuleType, str, bool]] = {
    "a record is begun": (Record, "prepare", True),
    "a file of a record is written": (records, "put", True),
    "a record is prepared": (Record, "prepare", False),
    "a record is set aside": (Record, "set_aside", False),
    "rows are about to be written": (Writer, "_write", True),
    "rows are written and not committed": (Writer, "_write", False),
    "rows are committed": (Writer, "write", False),
    "a record is in its place": (Record, "publish", False),
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
    vars(coordinator)["grade_notebook"] = lambda order: outcomes[order.student, order.seed]
    vars(coordinator)["BATCH"] = 2
    executor = ThreadPoolExecutor(2)
    vars(classroom)["_workers"] = lambda *_: nullcontext(Workers(executor, lambda: 2))
    die(*POINTS[point], int(count))
    grade_class(ASSIGNMENT, Options(force="--force" in sys.argv), Console(quiet=True))
    sys.exit("nothing killed it")


if __name__ == "__main__":
    main()
