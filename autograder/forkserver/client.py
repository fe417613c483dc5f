"""Hands notebooks to a fork server, and starts a new one when it dies."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from types import ModuleType
from typing import IO, Any

from autograder.errors import AutograderError
from autograder.examiner.exam import ExamResult
from autograder.forkserver import daemon, launch
from autograder.forkserver.job import Conditions, Job, OtherPrefix, Reply
from autograder.terminal import printable

START_SECONDS = 120.0
"""Seconds that a fork server may take to load everything."""
DAEMON_SECONDS = 20.0
"""Seconds that a fork server of an earlier command may take until it is free for this one."""
MAX_STARTS = 3
"""How many times a fork server is started for one notebook before that counts as failed."""
MARGIN_SECONDS = 60.0
"""Seconds that an examination may take beyond the time of the notebook."""
MAX_STDERR_CHARACTERS = 2000
"""Characters of a fork server's stderr that go into the message of a failure."""
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
"""The variables that a fork server takes over. There may be no secret in them: all that it forks has a copy in its memory."""

SET_VARIABLES = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "THP_MEM_ALLOC_ENABLE": "1"}
"""The variables that are set for it. The last makes torch ask for large memory pages for large tensors: the system has
work to do for each page that a fork touches first, and large pages are fewer."""


class GradingFailed(AutograderError):
    """A notebook that could not be examined, through no fault of its own."""


class Client:
    """A fork server, started when the first notebook comes. `sandbox=False` is for machines without bubblewrap.

    `program` is the module that it runs. With `stays`, the fork server waits for the next command when this one has ended, and
    this one uses the fork server of an earlier command if there is one. With `waits`, it never ends for lack of notebooks.
    """

    program: ModuleType = launch

    def __init__(self, sandbox: bool = True, stays: bool = False, waits: bool = False) -> None:
        self.sandbox = sandbox
        self.stays = stays
        self._arguments = ["waits"] * waits
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._is_ended = False
        self._stderr = _Stderr()
        self._is_busy = False
        """Whether the fork server is at work on a notebook, or still cleans up after one."""

    def examine(self, job: Job) -> ExamResult:
        """The result of an exam. Raises GradingFailed if there is none, through no fault of the notebook."""
        return ExamResult.of(self._told(job))

    def _told(self, job: Job) -> dict[str, Any]:
        """The result of a job, as the dictionary that the examiner's process sent.

        If the fork server dies, a new one tries once more. Raises GradingFailed, or OtherPrefix if the cells that had run in
        advance are not those that the notebook begins with.
        """
        for is_last in (False, True):
            try:
                reply = self._ask(job)
            except (OSError, EOFError) as error:
                self.close()
                self.stays = False  # the next one is this command's own, which no other command can keep busy
                if is_last or self._is_ended:
                    said = f"the process that grades died twice over this notebook ({error})"
                    raise GradingFailed(self._with_its_words(said)) from None
                continue
            if reply.other_prefix:
                raise OtherPrefix(reply.failure)
            if reply.result is None:
                raise GradingFailed(self._with_its_words(reply.failure))
            self._relay()
            return reply.result
        raise AssertionError

    def _ask(self, job: Job) -> Reply:
        """Sends one job, and waits for the reply. Raises OSError or EOFError if the fork server died, and GradingFailed.

        The fork server gets the conditions and one end of a new channel; only the examiner that it forks reads the job from
        there. So the fork server never has a notebook in its memory, from which students' processes are forked.
        """
        connection = self._connected()
        self._wait(connection)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(connection, [Conditions.of(job, self.sandbox).packed()], [theirs.fileno()])
            self._is_busy = True
            theirs.close()
            channel = Connection(ours.detach())
            with channel:
                channel.send(job)
                if not channel.poll(job.limits.notebook_seconds + MARGIN_SECONDS):
                    self.close()
                    raise GradingFailed(f"it did not end within {job.limits.notebook_seconds + MARGIN_SECONDS:g} s")
                try:
                    return Reply.unpacked(channel.recv_bytes())
                except EOFError:
                    self._wait(connection)
                    return Reply(failure="its examiner died")

    def _with_its_words(self, failure: str) -> str:
        """A failure, with what the fork server and its forks wrote to stderr about it."""
        words = self._stderr.new().strip()
        return f"{failure}: {words[-MAX_STDERR_CHARACTERS:]}" if words else failure

    def _relay(self) -> None:
        """Passes warnings of the fork server and its forks on to the stderr of this command."""
        sys.stderr.write(printable(self._stderr.new()))

    def _wait(self, connection: socket.socket) -> None:
        """Waits until the fork server is done with the last notebook. Raises EOFError if it has ended."""
        if self._is_busy and not connection.recv(64):
            raise EOFError("the fork server ended")
        self._is_busy = False

    def _connected(self) -> socket.socket:
        """The connection to a fork server that has loaded everything. Raises GradingFailed if none could start."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        for _ in range(MAX_STARTS):
            if self._is_ended:
                raise EOFError("it was ended")
            if self._connection is None:
                self._start()
            if self._connection is not None:
                return self._connection
        raise GradingFailed(self._with_its_words("the process that grades could not start"))

    def _start(self) -> None:
        """Starts a fork server, or takes one that stays. Leaves `_connection` None if it did not report that it is ready."""
        environment = {**{name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}, **SET_VARIABLES}
        connection = self._connect_to_daemon(environment) if self.stays else None
        if connection is None:
            connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                arguments = [str(theirs.fileno()), *self._arguments]
                stderr = self._stderr.file()
                self._process = _spawn(
                    self.program, arguments, environment, pass_fds=[theirs.fileno()], process_group=0, stderr=stderr
                )
        self._connection = connection
        connection.settimeout(DAEMON_SECONDS if self._process is None else START_SECONDS)
        if self._is_ended or connection.recv(64) != b"ready":  # it may have been ended before there was a process to end
            self.close()
            return
        connection.settimeout(MARGIN_SECONDS)

    def _connect_to_daemon(self, environment: Mapping[str, str]) -> socket.socket | None:
        """A connection to the fork server that stays for later commands, started if there is none. None if it cannot start."""
        place = daemon.address(environment)
        if place is None:
            return None
        if (connection := daemon.connect(place)) is not None:
            return connection
        process = _spawn(self.program, ["stays", str(place)], environment, stderr=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None:
            if (connection := daemon.connect(place)) is not None:
                process.returncode = 0  # so that Popen does not wait for a process that outlives this command
                return connection
            time.sleep(0.01)
        return daemon.connect(place)  # another command started one at the same time, and ours gave way

    def end(self) -> None:
        """Ends the fork server for good. Another thread may be waiting for a notebook: its call raises GradingFailed."""
        self._is_ended = True
        self.close()

    def close(self) -> None:
        """Ends the fork server and all that it started."""
        connection, self._connection, self._is_busy = self._connection, None, False
        process, self._process = self._process, None
        if connection is not None:
            connection.close()
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
        self._stderr.close()


class _Stderr:
    """What a fork server and its forks write to stderr. It is a file, because the last lines of a dead process matter most."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._unread = ""

    def file(self) -> IO[bytes]:
        """A file for a new process."""
        self.close()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (it is open as long as the process lives)
        self._position = 0
        return self._file

    def new(self) -> str:
        """What was written since the last call."""
        unread, self._unread = self._unread, ""
        if self._file is None:
            return unread
        descriptor = self._file.fileno()
        text = os.pread(descriptor, os.fstat(descriptor).st_size - self._position, self._position)
        self._position += len(text)
        return unread + text.decode(errors="replace")

    def close(self) -> None:
        """Closes the file. `new` still gives what nobody has read yet."""
        self._unread = self.new()
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _spawn(
    program: ModuleType, arguments: Sequence[str], environment: Mapping[str, str], **more: Any
) -> subprocess.Popen[bytes]:
    """Starts a fork server. Callers give it a process group or session of its own: Ctrl-C in the terminal is not for it."""
    command = [sys.executable, "-P", "-m", program.__name__, *arguments]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, env=dict(environment), cwd="/", stdin=nowhere, stdout=nowhere, **more)
