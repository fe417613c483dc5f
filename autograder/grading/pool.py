"""The workers that grade notebooks: threads of this process, each with a fork server, or a dask cluster."""

from __future__ import annotations

import os
import time
from atexit import register
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from queue import Empty, LifoQueue
from tempfile import gettempdir
from typing import Any

from autograder import __version__
from autograder.errors import AutograderError
from autograder.examiner.prefix import Cells, locked_prefix
from autograder.forkserver.client import Client
from autograder.forkserver.job import Job, OtherPrefix
from autograder.grading import disk, launch
from autograder.grading.folders import put_file
from autograder.grading.notebook_job import GradedNotebook, NotebookJob, NotebookSetup
from autograder.sandbox.temporary import Folder


@dataclass(frozen=True)
class Workers:
    """`executor` runs the jobs, and `at_once` says how many of them it takes together at the moment.

    `look` raises AutograderError when the workers have been out of reach for long.
    """

    executor: Executor
    at_once: Callable[[], int]
    look: Callable[[], object] = lambda: None


MAX_OTHER_PREFIXES = 3
"""After so many notebooks that do not begin as their assignment does, its prefix is no longer run before a notebook comes."""


@lru_cache
def _prefix(assignment: bytes) -> Cells:
    """The locked cells that a notebook begins with if it is handed in as it was released."""
    originals = NotebookSetup.of(assignment).master.originals.values()
    return locked_prefix(cell for cell in originals if cell.cell_type == "code" and cell.source.strip())


class Grader(Client):
    """A client whose fork server grades whole notebooks, with nbgrader's preprocessors in it."""

    program = launch

    def __init__(self, sandbox: bool = True) -> None:
        super().__init__(sandbox)
        self._others = Counter[bytes]()
        """How many notebooks of an assignment began otherwise than it does."""

    def grade(self, notebook: NotebookJob, folder: Path, course: Path, environment: Mapping[str, str]) -> GradedNotebook:
        """What became of a notebook. Its other files are in the folder, and are not sent once more. Raises GradingFailed.

        The prefix of the assignment may have run before the notebook comes. If the notebook begins otherwise, it is sent
        again without: its own locked cells then run as well.
        """
        prefix = _prefix(notebook.assignment) if self._others[notebook.assignment] < MAX_OTHER_PREFIXES else []
        job = Job(replace(notebook, files={}), folder, course, environment, prefix)
        try:
            return GradedNotebook(**self._told(job))
        except OtherPrefix:
            self._others[notebook.assignment] += 1
            return GradedNotebook(**self._told(replace(job, prefix=[])))


_idle = LifoQueue[Grader]()
_all: set[Grader] = set()


@contextmanager
def started(jobs: int) -> Iterator[Workers]:
    """As many threads of this process as there are jobs. Each has a fork server of its own, which does the work."""
    with ThreadPoolExecutor(jobs, thread_name_prefix="grader") as executor:
        try:
            yield Workers(executor, lambda: jobs)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            close()


def grade_notebook(job: NotebookJob) -> GradedNotebook:
    """The outcome of one notebook. Raises GradingFailed where there is none."""
    assignment = NotebookSetup.of(job.assignment)
    grader = _take(job.sandbox)
    try:
        with _temporary("submission") as folder:
            _write(Path(folder), {**job.files, **{name: assignment.files[name] for name in assignment.overwritten}})
            environment = {**os.environ, **assignment.environment, "NBGRADER_EXECUTION": "autograde"}
            return grader.grade(job, Path(folder), Path(_course_folder(job.assignment).name), environment)
    finally:
        _idle.put(grader)


def close() -> None:
    """Ends all fork servers, also while notebooks are graded."""
    while _all:
        _all.pop().end()


def _take(sandbox: bool) -> Grader:
    """An idle grader, the one that was busy last: its fork server runs already. A new one where none is idle."""
    with suppress(Empty):
        while True:
            grader = _idle.get_nowait()
            if grader in _all and grader.sandbox is sandbox:
                return grader
    if not _all:
        register(close)
    grader = Grader(sandbox)
    _all.add(grader)
    return grader


@lru_cache
def _course_folder(assignment: bytes) -> Folder:
    """A folder with the instructor's own files."""
    folder = _temporary("course")
    _write(Path(folder.name), NotebookSetup.of(assignment).files)
    return folder


def _temporary(kind: str) -> Folder:
    try:
        return Folder(kind)
    except OSError as error:
        disk.refuse(error, gettempdir())
        raise


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        try:
            put_file(folder, name, content)
        except OSError as error:  # such as a name that is too long: a submission that has one does without the file
            disk.refuse(error, folder)


CLUSTER_SECONDS = 30.0
"""Seconds that a scheduler, or the last worker, may be gone."""


class ClusterError(AutograderError):
    """A cluster that cannot be used."""


@contextmanager
def connected(address: str, sandbox: bool) -> Iterator[Workers]:
    """The cluster whose scheduler has this address. Raises ClusterError if one of its workers cannot grade."""
    try:
        import dask
        from distributed import Client  # untyped in its calls
    except ImportError:
        raise ClusterError("a cluster needs dask: pip install 'backprop-ninja[cluster]'") from None
    try:
        client: Any = Client(address, timeout=CLUSTER_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"no scheduler answers at {address}: {error}. Start one with: dask scheduler") from None
    # a job has all files of a submission, and dask would warn of its size
    with client, dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
        check_workers(client, sandbox)
        watch = _Watch(client)
        yield Workers(client.get_executor(pure=False), lambda: watch.threads, watch.look)


def check_workers(client: Any, sandbox: bool) -> None:
    """Asks every worker whether it can grade, before any work is sent. Raises ClusterError."""
    try:
        client.wait_for_workers(1, timeout=CLUSTER_SECONDS)
    except TimeoutError:
        raise ClusterError("the scheduler has no workers. Start some with: dask worker ADDRESS") from None
    reasons = []
    for worker, answer in client.run(ability, sandbox, on_error="return").items():
        if isinstance(answer, BaseException):
            reasons.append(f"{worker}: {type(answer).__name__}: {answer}. Install the same backprop-ninja there.")
        elif answer["version"] != __version__:
            reasons.append(f"{worker}: it has backprop-ninja {answer['version']}, and this is {__version__}.")
        elif answer["reason"]:
            reasons.append(f"{worker}: {answer['reason']}")
    if reasons:
        raise ClusterError("\n".join(["these workers cannot grade, and nothing was sent to any:", *reasons]))


def ability(sandbox: bool) -> dict[str, str]:
    """What a worker says of itself: its version of this package, and why it cannot grade, empty if it can."""
    from autograder.sandbox.room import CHOICE, OPTION, unavailable

    return {"version": __version__, "reason": unavailable().replace(CHOICE, OPTION) if sandbox else ""}


class _Watch:
    """Notices when the scheduler or all workers are gone. `threads` is how many notebooks the workers take at once."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._last_there = time.monotonic()
        self.threads = 0
        self.look()

    def look(self) -> None:
        """Counts the workers. Raises ClusterError if they or the scheduler have been gone for CLUSTER_SECONDS."""
        has_scheduler = self._client.status == "running"
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"] if has_scheduler else {}
        except OSError:
            has_scheduler, workers = False, {}
        if workers:
            self._last_there = time.monotonic()
            self.threads = sum(worker["nthreads"] for worker in workers.values())
        if time.monotonic() - self._last_there > CLUSTER_SECONDS:
            what = "has had no workers" if has_scheduler else "has been gone"
            kept = "What was graded is kept: run the command again when it is there."
            raise ClusterError(f"the scheduler {what} for {CLUSTER_SECONDS:g} s. {kept}")
