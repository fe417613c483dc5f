"""Hands notebooks to a warm process, and starts another one when it dies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from autograder import staying
from autograder.errors import AutograderError
from autograder.limits import Limits
from autograder.opening import Cells

WARM = "import gc; gc.disable(); from autograder import warm; warm.start()"
"""Its program. To look for garbage while everything is loaded takes a tenth of the time."""
START = 120.0
"""Seconds that a warm process may take to load everything."""
STAYS = 20.0
"""And that one which stays may take until it is there for this command."""
STARTS = 3
"""How often it is started for one notebook before it is given up."""
MARGIN = 60.0
"""Seconds that an examination may take beyond the time of the notebook."""
LONGEST = 40_000
"""Characters of what is run ahead: it comes in one packet."""
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
"""The environment of a warm process: no secret may be in it, since what it forks keeps a copy in its memory."""

SET = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "THP_MEM_ALLOC_ENABLE": "1"}
"""The last has torch ask for large pages for large tensors: every page that a fork touches first is work for the system."""


class GradingFailed(AutograderError):
    """A notebook that could not be examined, through no fault of its own."""


class Client:
    """A warm process, started when the first notebook comes. `sandbox=False` is for machines without bubblewrap.

    `converts` has it load what `grade` needs. `stays` has it wait for the next command when this one has ended; the process
    of an earlier command is taken where there is one. `waits` has it wait for notebooks however long none comes.
    """

    def __init__(self, sandbox: bool = True, converts: bool = False, stays: bool = False, waits: bool = False) -> None:
        self.sandbox = sandbox
        self.stays = stays
        self._words = ["converts"] * converts + ["waits"] * waits
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._is_ended = False
        self._is_busy = False
        """Whether the warm process has a notebook, or still clears away what it left."""

    def tell(
        self, work: Any, limits: Limits, folder: Path, course: Path, environment: Mapping[str, str], ahead: Cells
    ) -> dict[str, Any]:
        """What comes of a paper or an order; `ahead` are the cells that may have run when it comes. Raises GradingFailed.

        `folder` has the submission's files, `course` the instructor's own. If the work does not begin with the cells that
        ran ahead, "again" is true, and nothing else came of it.
        """
        ahead = ahead if sum(len(json.dumps(cell)) for cell in ahead) < LONGEST else []
        for last in (self._is_ended, True):
            try:
                if self._is_ended:
                    raise EOFError("it was ended")
                told = self._ask(work, limits, folder, course, environment, ahead)
                if "error" in told and not told.get("again"):
                    raise GradingFailed(told["error"])
                return told
            except (OSError, EOFError) as error:
                self.close()
                self.stays = False  # what another command holds up does not hold up this one
                if last or self._is_ended:
                    raise GradingFailed(f"the process that grades died twice over this notebook ({error})") from None
        raise AssertionError

    def _ask(
        self, work: Any, limits: Limits, folder: Path, course: Path, environment: Mapping[str, str], ahead: Cells
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
        environment = {**{name: os.environ[name] for name in KEPT if name in os.environ}, **SET}
        connection = self._staying(environment) if self.stays else None
        if connection is None:
            connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                words = [str(theirs.fileno()), *self._words]
                self._process = _spawn(words, environment, pass_fds=[theirs.fileno()], process_group=0)
        self._connection = connection
        connection.settimeout(STAYS if self._process is None else START)
        if self._is_ended or connection.recv(64) != b"ready":  # it may have been ended before there was a process to end
            self.close()
            return
        connection.settimeout(MARGIN)

    def _staying(self, environment: Mapping[str, str]) -> socket.socket | None:
        """A connection to the process that stays, which is started where there is none; None where none can be."""
        place = staying.address(environment)
        if place is None:
            return None
        if (connection := staying.connect(place)) is not None:
            return connection
        process = _spawn(["stays", str(place)], environment, stderr=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None:
            if (connection := staying.connect(place)) is not None:
                process.returncode = 0  # it is not ours to wait for
                return connection
            time.sleep(0.01)
        return staying.connect(place)  # another command was faster

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


def _spawn(words: Sequence[str], environment: Mapping[str, str], **more: Any) -> subprocess.Popen[bytes]:
    """A warm process; what interrupts the command is not for it."""
    command = [sys.executable, "-P", "-c", WARM, *words]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, env=dict(environment), cwd="/", stdin=nowhere, stdout=nowhere, **more)
