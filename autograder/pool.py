"""Warm processes on this machine, and the function that grades one notebook with one of them.

It is the same function whether a thread of the coordinator calls it or a worker of a cluster.
"""

from __future__ import annotations

import os
from atexit import register
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from queue import Empty, LifoQueue
from tempfile import TemporaryDirectory

from autograder.grader import Grader
from autograder.order import Assignment, Order, Outcome
from autograder.submission import put
from autograder.workers import Workers

_idle = LifoQueue[Grader]()
_all: set[Grader] = set()


@contextmanager
def started(jobs: int) -> Iterator[Workers]:
    """Threads of this process, each with a warm process for as many notebooks at once as there are jobs."""
    with ThreadPoolExecutor(jobs, thread_name_prefix="grader") as executor:
        try:
            yield Workers(executor, lambda: jobs)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            close()


def grade_notebook(order: Order) -> Outcome:
    """The outcome of one notebook. Raises GradingFailed where there is none."""
    assignment = Assignment.of(order.assignment)
    grader = _take(order.sandbox)
    try:
        with TemporaryDirectory(prefix="submission-") as folder:
            _write(Path(folder), {**order.files, **{name: assignment.files[name] for name in assignment.overwritten}})
            environment = {**os.environ, **assignment.environment, "NBGRADER_EXECUTION": "autograde"}
            return grader.grade(order, Path(folder), Path(_own(order.assignment).name), environment)
    finally:
        _idle.put(grader)


def close() -> None:
    """Ends all warm processes, also while notebooks are examined."""
    while _all:
        _all.pop().end()


def _take(sandbox: bool) -> Grader:
    """Who was busy last has a warm process."""
    with suppress(Empty):
        while True:
            grader = _idle.get_nowait()
            if grader in _all and grader.sandbox is sandbox:
                return grader
    if not _all:
        register(close)
    grader = Grader(sandbox, converts=True)
    _all.add(grader)
    return grader


@lru_cache
def _own(assignment: bytes) -> TemporaryDirectory[str]:
    """A folder with the instructor's own files."""
    folder = TemporaryDirectory(prefix="course-")
    _write(Path(folder.name), Assignment.of(assignment).files)
    return folder


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        with suppress(OSError):  # such as of a name that is too long: it is the submission's own affair
            put(folder, name, content)
