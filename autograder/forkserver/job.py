"""What a command sends to the process that examines a notebook, and what that process sends back.

A job goes from the command to an examiner's process as a pickle: both are trusted. What comes back is JSON. The examiner's
process has read what a room sent, and a pickle from there could run code in the command.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from autograder.examiner.exam import Exam, ExamResult
from autograder.examiner.prefix import Cells
from autograder.sandbox.limits import Limits

MAX_PREFIX_CHARACTERS = 40_000
"""Characters of a prefix that is sent to the fork server. It has to fit into one packet."""


class OtherPrefix(Exception):
    """A notebook does not begin with the cells that have run in the examiner's process."""


class Work(Protocol):
    """Work of a fork server that is no exam, such as a whole notebook to grade."""

    @property
    def limits(self) -> Limits: ...

    @property
    def autograd(self) -> bool:
        """Whether students' cells may use autograd."""


@dataclass(frozen=True)
class Job:
    """An exam, or other work that includes one, with all that its result depends on.

    `folder` has the submission's files, `course` the instructor's. `environment` is the examiner's. `prefix` has the cells
    that may be run in advance, once for all notebooks that begin with them.
    """

    work: Exam | Work
    folder: Path
    course: Path
    environment: Mapping[str, str]
    prefix: Cells

    @property
    def limits(self) -> Limits:
        return self.work.limits


@dataclass(frozen=True)
class Conditions:
    """The part of a job that the fork server reads: how the student's cells run. It reads no notebook and knows no test."""

    limits: Limits
    folder: Path
    sandbox: bool
    prefix: Cells
    autograd: bool = False

    @staticmethod
    def of(job: Job, sandbox: bool) -> Conditions:
        is_short = sum(len(json.dumps(cell)) for cell in job.prefix) < MAX_PREFIX_CHARACTERS
        return Conditions(job.limits, job.folder, sandbox, job.prefix if is_short else [], job.work.autograd)

    def packed(self) -> bytes:
        return json.dumps({**asdict(self), "folder": str(self.folder)}).encode()

    @staticmethod
    def unpacked(packed: bytes) -> Conditions:
        fields = json.loads(packed)
        return Conditions(**{**fields, "limits": Limits(**fields["limits"]), "folder": Path(fields["folder"])})


Examine = Callable[[Exam], ExamResult]
"""Examines a notebook, in the examiner's process."""

Convert = Callable[[Any, Examine], object]
"""Does work that is no exam, and calls the second argument for the exam in it. Gives a dataclass of values that JSON knows."""


@dataclass(frozen=True)
class Reply:
    """What an examiner's process sends: a result as a dictionary, or why there is none."""

    result: dict[str, Any] | None = None
    failure: str = ""
    other_prefix: bool = False
    """Whether it failed only because the notebook does not begin with the cells that had run already."""

    def packed(self) -> bytes:
        return json.dumps(vars(self)).encode()

    @staticmethod
    def unpacked(packed: bytes) -> Reply:
        return Reply(**json.loads(packed))
