"""What a process is given to grade one notebook of one student, and what it gives back. Both travel as bytes."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from autograder.grading.bounds import Bounds
from autograder.grading.master import Master
from autograder.sandbox.limits import Limits

Files = Mapping[str, bytes]
"""Their contents by their paths below a folder."""


@dataclass(frozen=True)
class NotebookSetup:
    """What is the same for all students who hand in a notebook.

    `sanitize` and `autograde` are nbgrader's two lists of preprocessors: those of the first come before the cells run, those
    of the second run them and grade. `config` are their settings. `files` are the instructor's own; those of them that are
    `overwritten` take the place of a student's. `environment` is what the configuration of the course set.
    """

    name: str
    notebook: str
    master: Master
    exporter: type
    sanitize: Sequence[type]
    autograde: Sequence[type]
    config: Mapping[str, Any]
    files: Files
    overwritten: Set[str]
    environment: Mapping[str, str]

    def packed(self) -> bytes:
        """As bytes, which are made once for a whole class. Nothing of a student's is in them, so they may be unpickled."""
        return zlib.compress(pickle.dumps(self))

    @staticmethod
    @lru_cache
    def of(packed: bytes) -> NotebookSetup:
        """The assignment in these bytes. A process unpacks it once for all students."""
        assignment: NotebookSetup = pickle.loads(zlib.decompress(packed))
        return assignment


@dataclass(frozen=True)
class NotebookJob:
    """One notebook of one student. `assignment` is packed.

    `content` is the notebook's file as it was handed in, `files` are the others of the submission, `notes` are remarks on
    those. `autograd` says whether students' cells may use it. `problem` says why there is no content, and `failure` why the
    cells must not run; both are empty as a rule.
    """

    assignment: bytes
    student: str
    content: bytes
    files: Files
    notes: Sequence[str]
    seed: str
    limits: Limits
    sandbox: bool
    autograd: bool = False
    problem: str = ""
    failure: str = ""
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class GradedNotebook:
    """The record, an executed notebook, with points and comments by the names of cells.

    `notes` are for the instructor; a person has to see to `failures`. `seconds` are of each stage.
    """

    record: str
    grades: Mapping[str, float | None]
    comments: Mapping[str, str | None]
    notes: Sequence[str] = ()
    failures: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
