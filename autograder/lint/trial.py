"""Runs the instructor's notebooks as the grader runs what students hand in."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from queue import LifoQueue
from threading import Lock

from nbformat import NotebookNode

from autograder.course.cells import cells_of, settings
from autograder.course.notebooks import code_cells
from autograder.errors import ContentError
from autograder.examiner.exam import ExamResult
from autograder.forkserver.client import Client, GradingFailed
from autograder.forkserver.job import Job
from autograder.forkserver.unsandboxed import UnsandboxedClient
from autograder.grading.course import configured
from autograder.grading.examine import Examine
from autograder.grading.master import master_from
from autograder.grading.salvage import NOTES
from autograder.sandbox.room import unavailable

PARSING = Lock()
"""Held by the thread that parses cells: Python 3.11 may stop with a SystemError where two threads do so at a time."""
SEED = "lint"
"""The seed of the cases. A course's own is a secret, and differs from student to student."""


def examine_of(course: Path) -> Examine:
    """The preprocessor that examines notebooks in the course of this folder, with the settings of its nbgrader_config.py."""
    with chdir(course):
        return configured(Examine) if Path("nbgrader_config.py").exists() else Examine()


def run_all(
    notebooks: Sequence[NotebookNode], folder: Path, examine: Examine, models: Sequence[Mapping[str, str]] = ()
) -> list[NotebookNode]:
    """Copies of the notebooks with their outputs, as they are when a student has handed them in with the files of the folder.

    `models` are the answers that the asks of each are judged by.

    As many run at a time as there are processors, in rooms where there are rooms. Raises ContentError if one cannot be run.
    """
    folder = folder.resolve()
    clients = LifoQueue[Client | UnsandboxedClient]()
    count = min(len(notebooks), os.cpu_count() or 1)
    for _ in range(count):
        clients.put(_client(examine.sandbox))
    all_clients = [*clients.queue]

    def run(nb: NotebookNode, its_models: Mapping[str, str]) -> NotebookNode:
        client = clients.get()
        try:
            return run_one(nb, folder, examine, client, its_models)
        finally:
            clients.put(client)

    with ThreadPoolExecutor(max(count, 1)) as pool:
        try:
            return list(pool.map(run, notebooks, models or [{}] * len(notebooks)))
        finally:
            for client in all_clients:
                client.end()


def run_one(
    nb: NotebookNode, folder: Path, examine: Examine, client: Client | UnsandboxedClient, models: Mapping[str, str]
) -> NotebookNode:
    """A copy of a notebook with its outputs, and with notes and failures in its metadata as a record has them."""
    copy = deepcopy(nb)
    given = {cell.id: cell for cell, node in zip(cells_of(copy), code_cells(copy), strict=True) if settings(node)}
    with PARSING:
        exam, places = examine.exam(copy, replace(master_from(given), models=models), SEED)
    job = Job(exam, folder, folder, {**os.environ, "NBGRADER_EXECUTION": "autograde"}, [])

    def run() -> ExamResult:
        try:
            return client.examine(job)
        except GradingFailed as failure:
            raise ContentError(f"a notebook cannot be run: {failure}. Fix that, then run this again.") from None

    notes, failures = examine.examined(exam, places, run)
    copy.metadata[NOTES] = NotebookNode(notes=notes, failures=failures)
    return copy


def _client(sandbox: bool) -> Client | UnsandboxedClient:
    if sys.platform != "linux":
        return UnsandboxedClient()
    return Client(sandbox and not unavailable())
