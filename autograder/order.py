"""What a process is given to grade one notebook of one student, and what it gives back. Both travel as bytes."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from autograder.limits import Limits
from autograder.master import Master

Files = Mapping[str, bytes]
"""Their contents by their paths below a folder."""


@dataclass(frozen=True)
class Assignment:
    """What is the same for all students who hand in a notebook.

    `config` are the settings of the preprocessors, of which `sanitize` come before the cells run and `autograde` then, as
    nbgrader has them. `files` are the instructor's own; those of them that are `overwritten` take the place of a student's.
    `environment` is what the configuration of the course set.
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
        return zlib.compress(pickle.dumps(self))

    @staticmethod
    @lru_cache
    def of(packed: bytes) -> Assignment:
        """What was packed, which is unpacked once."""
        assignment: Assignment = pickle.loads(zlib.decompress(packed))
        return assignment


@dataclass(frozen=True)
class Order:
    """`content` is the notebook's file as it was handed in, `files` are the others, `notes` what was seen of them.

    `problem` says why there is no content, `failure` why the cells shall not run, where that is so.
    """

    assignment: bytes
    student: str
    content: bytes
    files: Files
    notes: Sequence[str]
    seed: str
    limits: Limits
    sandbox: bool
    problem: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Outcome:
    """The record, an executed notebook, with points and comments by the names of cells.

    `notes` are for the instructor; a person has to see to `failures`. `seconds` are of each stage.
    """

    record: str
    grades: Mapping[str, float | None]
    comments: Mapping[str, str | None]
    notes: Sequence[str] = ()
    failures: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
