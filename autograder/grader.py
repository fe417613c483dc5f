"""Hands notebooks to a warm process, and starts another one when it dies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from autograder.errors import AutograderError
from autograder.paper import Paper
from autograder.transcript import outputs

START = 120.0
"""Seconds that a warm process may take to load everything."""
MARGIN = 60.0
"""Seconds that an examination may take beyond the time of the notebook."""
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
"""The environment of a warm process: no secret may be in it, since what it forks keeps a copy in its memory."""


class GradingFailed(AutograderError):
    """A notebook that could not be examined, through no fault of its own."""


class Grader:
    """A warm process, started when the first notebook comes. `sandbox=False` is for machines without bubblewrap."""

    def __init__(self, sandbox: bool = True) -> None:
        self.sandbox = sandbox
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._is_ended = False
        self._is_busy = False
        """Whether the warm process has a notebook, or still clears away what it left."""

    def examine(self, paper: Paper, folder: Path, course: Path, environment: Mapping[str, str]) -> dict[str, Any]:
        """The outputs of each cell of a notebook, notes, and seconds. Raises GradingFailed.

        `folder` has the submission's files, `course` the instructor's own.
        """
        for last in (False, True):
            try:
                return self._examine(paper, folder, course, environment)
            except (OSError, EOFError) as error:
                self.close()
                if last or self._is_ended:
                    raise GradingFailed(f"the process that grades died twice over this notebook ({error})") from None
        raise AssertionError

    def _examine(self, paper: Paper, folder: Path, course: Path, environment: Mapping[str, str]) -> dict[str, Any]:
        connection = self._warm()
        self._wait(connection)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            job = {"limits": asdict(paper.limits), "folder": str(folder), "sandbox": self.sandbox}
            socket.send_fds(connection, [json.dumps(job).encode()], [theirs.fileno()])
            self._is_busy = True
            theirs.close()
            channel = Connection(ours.detach())
            handed = {"paper": paper.as_dict(), "folder": str(folder), "course": str(course), "environment": dict(environment)}
            with channel:
                channel.send_bytes(json.dumps(handed).encode())
                if not channel.poll(paper.limits.notebook_seconds + MARGIN):
                    self.close()
                    raise GradingFailed(f"it did not end within {paper.limits.notebook_seconds + MARGIN:g} s")
                try:
                    told = json.loads(channel.recv_bytes())
                except EOFError:
                    self._wait(connection)
                    told = {"error": "its examiner died"}
        if "error" in told:
            raise GradingFailed(told["error"])
        return {**told, "outputs": outputs(told["messages"], [task.role for task in paper.tasks])}

    def _wait(self, connection: socket.socket) -> None:
        """Until the warm process is done with the last notebook. Raises EOFError if it ended."""
        if self._is_busy and not connection.recv(64):
            raise EOFError("the warm process ended")
        self._is_busy = False

    def _warm(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._connection is None:
            self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                environment = {name: os.environ[name] for name in KEPT if name in os.environ}
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "autograder.warm", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    env={**environment, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            self._connection.settimeout(START)
            if self._connection.recv(64) != b"ready":
                raise GradingFailed("the process that grades could not start: see what it says above")
            self._connection.settimeout(MARGIN)
        return self._connection

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
