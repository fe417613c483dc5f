"""Rooms: where a student's code runs, with nothing of this machine in reach but Python and the submission's own files.

bubblewrap makes the namespaces. The first process in them keeps them alive, and when it is killed everything in the room dies
with it. A fork of this process enters the room and becomes the student's.

An ordinary user's rooms are user namespaces. Root's are not: root makes the room, so that Python may lie where only root
gets to, and the student's process becomes a user that nobody else is. It can read those of root's files that everybody may
read.
"""

from __future__ import annotations

import json
import os
import platform
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import AutograderError
from autograder.sandbox import hardening, limits, view
from autograder.sandbox.entry import END, Launcher, remove
from autograder.sandbox.limits import Limits

ROOM_SECONDS = 20.0
"""Seconds that a room may take to open or to close before that counts as failed."""
END_SECONDS = 0.5
"""Seconds in which a process that has hung up is gone, and its launcher has said how."""

CHOICE, OPTION = "--Examine.sandbox=False", "--no-sandbox"
"""How to grade without rooms, in a command of nbgrader's, and in ours."""

FULL_BYTES = 2**21
"""A process that may take fewer bytes than these gets no more memory for small objects: Python asks for 2**20 at once."""

MIN_LINUX = (5, 14)  # the first that counts processes for each user namespace by itself

SWITCHES = (
    ("kernel.apparmor_restrict_unprivileged_userns", 1, 0),
    ("kernel.unprivileged_userns_clone", 0, 1),
    ("user.max_user_namespaces", 0, 15000),
)
"""Kernel settings that keep ordinary users from making namespaces: the name, the value that forbids it, one that allows it."""


class RoomError(AutograderError):
    """A room that cannot be built, entered or closed."""


@dataclass(frozen=True)
class StudentProcess:
    """The student's process, as seen from outside, until the room closes. `pidfd` is -1 where the system has none."""

    pidfd: int
    pid: int
    channel: socket.socket


def unavailable() -> str:
    """Why no room can be built on this machine, with the remedy; empty if one can."""
    release = platform.release()
    if sys.platform != "linux":
        return f"rooms need Linux, and this is {platform.system()}. Grade on Linux, or with {CHOICE}."
    if tuple(int("".join(filter(str.isdigit, part)) or 0) for part in release.split(".")[:2]) < MIN_LINUX:
        return (
            f"rooms need Linux {MIN_LINUX[0]}.{MIN_LINUX[1]} or later, and this is {release}. Upgrade, or grade with {CHOICE}."
        )
    try:
        Room(Limits(), None).close()
    except RoomError as error:
        return str(error)
    return ""


class Room:
    """A place for the code of one submission. Raises RoomError if it cannot be built.

    `folder` holds the submission's own files; they are copied when the first process enters. `sandbox=False` does what can
    be done without namespaces: a folder of its own, limits, no inherited files, no rights; the machine's files and the
    network stay in reach.
    The thread that builds a room must not end before the room closes: the kernel would kill the room with it.
    """

    def __init__(self, limits: Limits, folder: Path | None, sandbox: bool = True) -> None:
        self.limits = limits
        self._folder = folder
        self._launchers: list[tuple[int, socket.socket, StudentProcess]] = []
        self._baseline = 0
        self._founders = set[int]()
        self._fresh = 0, (0, 0)
        self._resident_before = 0
        self._uid = hardening.free_user() if sandbox else None
        self._first = -1
        self._bwrap: subprocess.Popen[bytes] | None = None
        self._place: Path | None = None
        if not sandbox:
            self._place = Path(tempfile.mkdtemp(prefix="submission-"))
            return
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        program = shutil.which("bwrap")
        if program is None:
            remedy = f"Try: sudo apt-get install bubblewrap, or {CHOICE}"
            raise RoomError(f"rooms need bubblewrap, and there is no `bwrap`. {remedy}")
        with ExitStack() as cleanup:
            errors = cleanup.enter_context(tempfile.TemporaryFile())
            info_end, bwrap_end = os.pipe()
            student = self._uid or view.STUDENT
            files = {path: _memory_file(text) for path, text in view.room_files(student).items()}
            listed = view.bwrap_arguments(student, self._uid is None, files)
            arguments = _memory_file("\0".join([*listed, "--info-fd", str(bwrap_end)]))
            for descriptor in (info_end, bwrap_end, arguments, *files.values()):
                cleanup.callback(os.close, descriptor)
            # the first process prints a line when the room is built, and then waits for input that never comes
            self._bwrap = subprocess.Popen(
                [program, "--args", str(arguments), "sh", "-c", "echo; read _"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=(bwrap_end, arguments, *files.values()),
                env={},
                cwd="/",
            )
            assert self._bwrap.stdout is not None
            if not _readable(self._bwrap.stdout.fileno(), ROOM_SECONDS) or not self._bwrap.stdout.read(1):
                errors.seek(0)
                raise RoomError(_reason(errors.read().decode(errors="replace").strip(), self._uid is None))
            self._bwrap.stdout.close()
            self._first = os.pidfd_open(_first_pid(info_end))

    def start_student(self, live: Callable[[socket.socket], object]) -> StudentProcess:
        """Starts a process in the room, which calls `live` with its end of the channel when it is locked down, and then ends.

        It is a fork of this process, which has loaded all that cells need: that takes milliseconds, where a new Python would
        have to import torch. Raises RoomError.
        """
        sandbox = self._first >= 0
        if not sandbox and self._place is None:
            raise RoomError("the room is closed")
        with suppress(Exception):  # the fork would print once more what waits in these buffers
            sys.stdout.flush()
            sys.stderr.flush()
        channel, inner = socket.socketpair()
        control, report = socket.socketpair()
        scratch, places = (view.SCRATCH, view.places()) if sandbox else (str(self._place), {})
        earlier = len(self._launchers)
        launcher = Launcher(os.getpid(), self.limits, self._folder, sandbox, self._first, scratch, places, self._uid, earlier)
        pid = os.fork()
        if pid == 0:
            launcher.run(live, report, inner)
        inner.close()
        report.close()
        control.settimeout(ROOM_SECONDS)
        message, descriptors = b"", [-1]
        with suppress(OSError):
            message, descriptors, *_ = socket.recv_fds(control, 4096, 1)
        if not message.isdigit():
            os.kill(pid, signal.SIGKILL)
            _ended(pid, time.monotonic() + ROOM_SECONDS)
            for each in (channel, control):
                each.close()
            reason = message.decode(errors="replace") or f"no word from inside within {ROOM_SECONDS:g} seconds"
            raise RoomError(f"the room cannot be entered: {reason}")
        process = StudentProcess(descriptors[0] if descriptors else -1, int(message), channel)
        self._launchers.append((pid, control, process))
        hardening.die_first(process.pid)
        self._baseline += limits.loaded_bytes(process.pid)
        self._founders = self.processes()
        self._fresh = process.pid, limits.reserved_bytes(process.pid)
        self._resident_before = limits.resident_bytes({process.pid})
        with suppress(OSError):  # the process has died already
            channel.send(b"!")  # it waits for this byte, so that its memory could be measured before any cell ran
        return process

    def processes(self) -> set[int]:
        """The pids of all processes in the room, as seen from outside. Two of them are the room's own."""
        roots = [launcher for launcher, *_ in self._launchers]
        if self._bwrap is not None:
            roots.append(self._bwrap.pid)
        pids: set[int] = set()
        for root in roots:
            pids |= limits.descendants(root)
        return pids

    def exceeds(self) -> bool:
        """Whether its processes take more memory than they may. It measures exactly only if a quick upper bound is above."""
        most = self.limits.memory + self._fresh[1][1] + self.limits.headroom
        return limits.resident_bytes(self.processes()) > most and self.memory() > most

    def is_full(self) -> bool:
        """Whether the student's process has all that the kernel gives it. Python 3.11 may hang then, without a MemoryError."""
        pid, before = self._fresh
        now = limits.reserved_bytes(pid)
        return any(new - old > self.limits.memory - FULL_BYTES for new, old in zip(now, before, strict=True))

    def ended_for_lack_of_memory(self) -> bool:
        """Whether the student's process is gone since it got no more memory, and was not able to say so.

        A library that gets none may crash or abort, an error in the agent's own code ends it with 1, and the system kills it if
        the machine has none left. It then took over half of what it may: the step that failed doubled something.
        """
        _, control, process = self._launchers[-1]
        if process.pidfd < 0 or not _readable(process.pidfd, END_SECONDS):
            return False
        control.settimeout(END_SECONDS)
        try:
            code, most = END.unpack(control.recv(END.size))
        except (OSError, struct.error):
            return False
        grown = int(most) - self._resident_before
        return (code == 1 or code < 0) and grown > self.limits.memory // 2

    def end_started(self) -> bool:
        """Kills the processes that students' processes have started, and says whether there was one."""
        started = {pid for pid in self.processes() - self._founders if limits.resident_bytes({pid})}
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(started)

    def memory(self) -> int:
        """Bytes that the room's processes take together, on top of what was loaded before they started.

        They share what was loaded with other forks, and their part of it grows as those end. So the result may be too large by
        what was loaded, and is never too small.
        """
        return max(0, limits.taken_bytes(self.processes()) - self._baseline)

    def close(self) -> None:
        """Kills all processes of the room, waits for their end, and removes its files. Raises RoomError if anything stays."""
        launchers, self._launchers = self._launchers, []
        bwrap, self._bwrap = self._bwrap, None
        first, self._first = self._first, -1
        place, self._place = self._place, None
        deadline = time.monotonic() + ROOM_SECONDS
        if first >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(first, signal.SIGKILL)
            os.close(first)
        for _, control, process in launchers:
            with suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)
            process.channel.close()
            if process.pidfd >= 0:
                os.close(process.pidfd)
        left = [launcher for launcher, *_ in launchers if not _ended(launcher, deadline)]
        for _, control, _process in launchers:
            control.close()
        if bwrap is not None:
            assert bwrap.stdin is not None
            assert bwrap.stdout is not None
            bwrap.stdin.close()
            bwrap.stdout.close()
            if first < 0:
                bwrap.kill()
            if not _ended(bwrap.pid, deadline):
                left.append(bwrap.pid)
            bwrap.returncode = 0
        if place is not None:
            remove(str(place))
        if left:
            raise RoomError(f"processes {left} of a room were killed and still live after {ROOM_SECONDS:g} seconds")

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _memory_file(text: str) -> int:
    """The descriptor of a new file in memory with this text, to be read from its start."""
    descriptor = os.memfd_create("room")
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _readable(descriptor: int, seconds: float) -> bool:
    """Waits until there is something to read, or the other end is closed. False if neither came within these seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _first_pid(descriptor: int) -> int:
    """The pid of the room's first process. bubblewrap writes it as JSON, perhaps in parts. Raises RoomError without it."""
    text = b""
    while _readable(descriptor, ROOM_SECONDS) and (part := os.read(descriptor, 4096)):
        text += part
        with suppress(ValueError):
            return int(json.loads(text)["child-pid"])
    raise RoomError(f"bubblewrap did not say which process is the room's: {text!r}")


def _reason(said: str, ordinary: bool) -> str:
    """Why bubblewrap failed, from what it `said`, with the remedy. `ordinary` is whether this user is not root."""
    remedy = f"In a container, let it make namespaces (see docs/security.md), or grade with {CHOICE}."
    for name, bad, good in SWITCHES:
        path = Path("/proc/sys", *name.split("."))
        if ordinary and path.exists() and int(path.read_text()) == bad:
            remedy = f"This machine forbids it: {name} is {bad}. Try: sudo sysctl -w {name}={good}"
    return f"bubblewrap cannot build a room: {said or 'it said nothing'}. {remedy}"


def _ended(pid: int, deadline: float) -> bool:
    """Waits until a child has ended, and reaps it. False if it has not ended at the deadline."""
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):
            descriptor = os.pidfd_open(pid)
            _readable(descriptor, deadline - time.monotonic())
            os.close(descriptor)
    while True:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return True
        except ChildProcessError:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
