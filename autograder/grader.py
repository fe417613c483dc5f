"""Hands notebooks to a warm process, and starts another one when it dies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from autograder.errors import AutograderError
from autograder.limits import Limits
from autograder.opening import Cells, opening
from autograder.order import Assignment, Order, Outcome
from autograder.paper import Paper, Role, Task
from autograder.transcript import outputs

WARM = "import gc; gc.disable(); from autograder import warm; warm.start()"
"""Its program. To look for garbage while everything is loaded takes a tenth of the time."""
START = 120.0
"""Seconds that a warm process may take to load everything."""
STARTS = 3
"""How often it is started for one notebook before it is given up."""
MARGIN = 60.0
"""Seconds that an examination may take beyond the time of the notebook."""
OTHERS = 3
"""After so many notebooks that begin otherwise than their assignment nothing of it is run ahead."""
LONGEST = 40_000
"""Characters of what is run ahead: it comes in one packet."""
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
"""The environment of a warm process: no secret may be in it, since what it forks keeps a copy in its memory."""

SET = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "THP_MEM_ALLOC_ENABLE": "1"}
"""The last has torch ask for large pages for large tensors: every page that a fork touches first is work for the system."""


@lru_cache
def _opening(assignment: bytes) -> Cells:
    """What a notebook begins with that is handed in as it was released."""
    originals = Assignment.of(assignment).master.originals.values()
    cells = [cell for cell in originals if cell.cell_type == "code" and cell.source.strip()]
    roles = [Role.LOCKED if cell.locked and not (cell.solution or cell.grade) else Role.STUDENT for cell in cells]
    return opening(Task(cell.grade_id, role, cell.source) for cell, role in zip(cells, roles, strict=True))


class GradingFailed(AutograderError):
    """A notebook that could not be examined, through no fault of its own."""


class Grader:
    """A warm process, started when the first notebook comes. `sandbox=False` is for machines without bubblewrap.

    `converts` has it load what `grade` needs.
    """

    def __init__(self, sandbox: bool = True, converts: bool = False) -> None:
        self.sandbox = sandbox
        self.converts = converts
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._others = Counter[bytes]()
        """How many notebooks of an assignment began otherwise than it does."""
        self._is_ended = False
        self._is_busy = False
        """Whether the warm process has a notebook, or still clears away what it left."""

    def examine(self, paper: Paper, folder: Path, course: Path, environment: Mapping[str, str]) -> dict[str, Any]:
        """The outputs of each cell of a notebook, notes, and seconds. Raises GradingFailed.

        `folder` has the submission's files, `course` the instructor's own.
        """
        told = self._tell(paper, paper.limits, folder, course, environment)
        return {**told, "outputs": outputs(told["messages"], [task.role for task in paper.tasks])}

    def grade(self, order: Order, folder: Path, course: Path, environment: Mapping[str, str]) -> Outcome:
        """The outcome of a whole notebook; the rest is as for `examine`."""
        return Outcome(**self._tell(order, order.limits, folder, course, environment))

    def _tell(
        self, work: Paper | Order, limits: Limits, folder: Path, course: Path, environment: Mapping[str, str]
    ) -> dict[str, Any]:
        for last in (self._is_ended, True):
            try:
                if self._is_ended:
                    raise EOFError("it was ended")
                told = self._ask(work, limits, folder, course, environment, self._ahead(work))
                if isinstance(work, Order) and told.get("again"):
                    self._others[work.assignment] += 1
                    told = self._ask(work, limits, folder, course, environment, [])
                if "error" in told:
                    raise GradingFailed(told["error"])
                return told
            except (OSError, EOFError) as error:
                self.close()
                if last or self._is_ended:
                    raise GradingFailed(f"the process that grades died twice over this notebook ({error})") from None
        raise AssertionError

    def _ask(
        self, work: Paper | Order, limits: Limits, folder: Path, course: Path, environment: Mapping[str, str], ahead: Cells
    ) -> dict[str, Any]:
        connection = self._warm()
        self._wait(connection)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            job = {"limits": asdict(limits), "folder": str(folder), "sandbox": self.sandbox, "opening": ahead}
            socket.send_fds(connection, [json.dumps(job).encode()], [theirs.fileno()])
            self._is_busy = True
            theirs.close()
            channel = Connection(ours.detach())
            with channel:
                channel.send({"work": work, "folder": str(folder), "course": str(course), "environment": dict(environment)})
                if not channel.poll(limits.notebook_seconds + MARGIN):
                    self.close()
                    raise GradingFailed(f"it did not end within {limits.notebook_seconds + MARGIN:g} s")
                try:
                    told: dict[str, Any] = json.loads(channel.recv_bytes())
                except EOFError:
                    self._wait(connection)
                    told = {"error": "its examiner died"}
        return told

    def _ahead(self, work: Paper | Order) -> Cells:
        """The cells of a notebook that may have run when it comes."""
        if isinstance(work, Paper):
            cells = opening(work.tasks)
        else:
            cells = _opening(work.assignment) if self._others[work.assignment] < OTHERS else []
        return cells if sum(len(json.dumps(cell)) for cell in cells) < LONGEST else []

    def _wait(self, connection: socket.socket) -> None:
        """Until the warm process is done with the last notebook. Raises EOFError if it ended."""
        if self._is_busy and not connection.recv(64):
            raise EOFError("the warm process ended")
        self._is_busy = False

    def _warm(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        for _ in range(STARTS):
            if self._is_ended:
                raise EOFError("it was ended")
            if self._connection is None:
                self._start()
            if self._connection is not None:
                return self._connection
        raise GradingFailed("the process that grades could not start: see what it says above")

    def _start(self) -> None:
        """Leaves no connection where there is no word that it is ready."""
        connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            environment = {name: os.environ[name] for name in KEPT if name in os.environ}
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", WARM, str(theirs.fileno()), *["converts"] * self.converts],
                pass_fds=[theirs.fileno()],
                env={**environment, **SET},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # what interrupts the command is not for it
            )
        self._connection = connection
        connection.settimeout(START)
        if self._is_ended or connection.recv(64) != b"ready":  # it may have been ended before there was a process to end
            self.close()
            return
        connection.settimeout(MARGIN)

    def end(self) -> None:
        """Ends the warm process for good, also while another thread waits for a notebook."""
        self._is_ended = True
        self.close()

    def close(self) -> None:
        """Ends the warm process and all that it started."""
        connection, self._connection, self._is_busy = self._connection, None, False
        process, self._process = self._process, None
        if connection is not None:
            connection.close()
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
