"""Notebooks examined at the same time: later ones of a submission, while nbgrader still waits for an earlier one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue, SimpleQueue
from threading import Thread
from typing import Any

from autograder.grader import Grader
from autograder.paper import Paper

Told = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """All that an examination depends on, but for what lies in the folders: of the submission, and of the course."""

    notebook: str
    paper: Paper
    folder: Path
    course: Path
    environment: Mapping[str, str]


class Graders:
    """As many notebooks at once as there are graders. A grader has no process before its first notebook."""

    def __init__(self, graders: Sequence[Grader]) -> None:
        self._graders = graders
        self._idle = LifoQueue[Grader]()  # who was busy last has a warm process
        for grader in graders:
            self._idle.put(grader)
        self._waiting = SimpleQueue[tuple[Job, Future[Told]]]()
        self._begun: list[tuple[Job, Future[Told]]] = []
        self._seconds: dict[str, float] = {}
        """What the notebooks of this name took last."""

    def examine(self, job: Job, later: Callable[[], Iterable[Job]]) -> Told:
        """What a grader tells of a notebook. Meanwhile those that are expected `later` are begun.

        Of these the longest comes first, so that it is not waited for alone. What was begun and is something else than
        expected is dropped: its outcome is never used.
        """
        wanted = [self._begin(job)]
        if len(self._graders) > 1:
            expected = sorted(later(), key=lambda each: -self._seconds.get(each.notebook, 0))
            wanted += map(self._begin, expected)
        for begun in self._begun:
            if begun not in wanted:
                begun[1].cancel()
        self._begun = wanted[1:]
        return wanted[0][1].result()

    def close(self) -> None:
        """Ends all processes."""
        for grader in self._graders:
            grader.end()

    def _begin(self, job: Job) -> tuple[Job, Future[Told]]:
        for begun in self._begun:
            if begun[0] == job:
                return begun
        future = Future[Told]()
        self._waiting.put((job, future))
        Thread(target=self._examine_next, daemon=True).start()  # an interrupted command does not wait for it
        return job, future

    def _examine_next(self) -> None:
        grader = self._idle.get()
        job, future = self._waiting.get()
        try:
            if future.set_running_or_notify_cancel():
                began = time.monotonic()
                told = grader.examine(job.paper, job.folder, job.course, job.environment)
                self._seconds[job.notebook] = time.monotonic() - began
                future.set_result(told)
        except BaseException as error:
            future.set_exception(error)
        finally:
            self._idle.put(grader)
