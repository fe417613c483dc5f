"""Rooms: where a student's code runs, with nothing of this machine in reach but Python and the submission's own files.

bubblewrap makes the namespaces, and the first process in them holds them: with it everything in the room dies. A fork of this
process walks in and is the student's.

An ordinary user's rooms are user namespaces. Root's are not: root makes the room, so that Python may lie where only root
gets to, and the student's process becomes a user that nobody else is. Of root's files it reads those that all may read.
"""

from __future__ import annotations

import json
import os
import platform
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from autograder import lockdown, memory, walls
from autograder.errors import AutograderError
from autograder.keeper import Keeper, remove
from autograder.limits import Limits

PATIENCE = 20.0
"""Seconds after which a room that does not open or close is given up."""

CHOICE, OPTION = "--Examine.sandbox=False", "--no-sandbox"
"""How to grade without rooms, in a command of nbgrader's, and in ours."""

LINUX = (5, 14)  # the first that counts the processes of a room by themselves

SWITCHES = (
    ("kernel.apparmor_restrict_unprivileged_userns", 1, 0),
    ("kernel.unprivileged_userns_clone", 0, 1),
    ("user.max_user_namespaces", 0, 15000),
)
"""What keeps ordinary users from making namespaces, the value that does, and one that does not."""


class RoomError(AutograderError):
    """A room that cannot be built, entered or closed."""


@dataclass(frozen=True)
class Visitor:
    """The student's process, as seen from outside, until the room closes. `pidfd` is -1 where the system has none."""

    pidfd: int
    pid: int
    channel: socket.socket


def unavailable() -> str:
    """Why no room can be built on this machine, with the remedy; empty if one can."""
    release = platform.release()
    if sys.platform != "linux":
        return f"rooms need Linux, and this is {platform.system()}. Grade on Linux, or with {CHOICE}."
    if tuple(int("".join(filter(str.isdigit, part)) or 0) for part in release.split(".")[:2]) < LINUX:
        return f"rooms need Linux {LINUX[0]}.{LINUX[1]} or later, and this is {release}. Upgrade, or grade with {CHOICE}."
    try:
        Room(Limits(), None).close()
    except RoomError as error:
        return str(error)
    return ""


class Room:
    """A place for one submission. `folder` holds the submission's own files; they are copied when the first visitor enters.

    `sandbox=False` does what can be done without namespaces: a folder of its own, limits, no inherited files, no rights. Its
    files and the network stay in reach. `filtered` says whether system calls are filtered. Raises RoomError.
    The thread that builds a room must live as long as it does.
    """

    def __init__(self, limits: Limits, folder: Path | None, sandbox: bool = True) -> None:
        self.limits = limits
        self.filtered = lockdown.program() is not None
        self._folder = folder
        self._keepers: list[tuple[int, socket.socket, Visitor]] = []
        self._baseline = 0
        self._uid = lockdown.free_user() if sandbox else None
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
        with ExitStack() as opened:
            errors = opened.enter_context(tempfile.TemporaryFile())
            told, tell = os.pipe()
            student = self._uid or walls.STUDENT
            files = {path: _memory_file(text) for path, text in walls.files(student).items()}
            listed = walls.arguments(student, self._uid is None, files)
            arguments = _memory_file("\0".join([*listed, "--info-fd", str(tell)]))
            for descriptor in (told, tell, arguments, *files.values()):
                opened.callback(os.close, descriptor)
            self._bwrap = subprocess.Popen(
                [program, "--args", str(arguments), "sh", "-c", "echo; read _"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=(tell, arguments, *files.values()),
                env={},
                cwd="/",
            )
            assert self._bwrap.stdout is not None
            if not _readable(self._bwrap.stdout.fileno(), PATIENCE) or not self._bwrap.stdout.read(1):
                errors.seek(0)
                raise RoomError(_reason(errors.read().decode(errors="replace").strip(), self._uid is None))
            self._bwrap.stdout.close()
            self._first = os.pidfd_open(_told(told))

    def admit(self, live: Callable[[socket.socket], object]) -> Visitor:
        """Fork; the child enters, is locked down, calls `live` with its end of the channel, and ends. Raises RoomError."""
        sandbox = self._first >= 0
        if not sandbox and self._place is None:
            raise RoomError("the room is closed")
        with suppress(Exception):  # what waits there would be printed in the room
            sys.stdout.flush()
            sys.stderr.flush()
        channel, inner = socket.socketpair()
        control, report = socket.socketpair()
        scratch, places = (walls.SCRATCH, walls.places()) if sandbox else (str(self._place), {})
        earlier = len(self._keepers)
        keeper = Keeper(os.getpid(), self.limits, self._folder, sandbox, self._first, scratch, places, self._uid, earlier)
        pid = os.fork()
        if pid == 0:
            keeper.keep(live, report, inner)
        inner.close()
        report.close()
        control.settimeout(PATIENCE)
        message, descriptors = b"", [-1]
        with suppress(OSError):
            message, descriptors, *_ = socket.recv_fds(control, 4096, 1)
        if not message.isdigit():
            os.kill(pid, signal.SIGKILL)
            _ended(pid, time.monotonic() + PATIENCE)
            for each in (channel, control):
                each.close()
            reason = message.decode(errors="replace") or f"no word from inside within {PATIENCE:g} seconds"
            raise RoomError(f"the room cannot be entered: {reason}")
        visitor = Visitor(descriptors[0] if descriptors else -1, int(message), channel)
        self._keepers.append((pid, control, visitor))
        self._baseline += memory.loaded(visitor.pid)
        with suppress(OSError):  # it has died
            channel.send(b"!")
        return visitor

    def processes(self) -> set[int]:
        """The pids of all that runs in it, as seen from outside; two of them are the room's own."""
        roots = [keeper for keeper, *_ in self._keepers]
        if self._bwrap is not None:
            roots.append(self._bwrap.pid)
        pids: set[int] = set()
        for root in roots:
            pids |= memory.descendants(root)
        return pids

    def exceeds(self, most: int) -> bool:
        """Whether `memory` is more than that. To say no takes no time as long as it is far from it."""
        return memory.resident_bytes(self.processes()) > most and self.memory() > most

    def memory(self) -> int:
        """Bytes that its processes take together, on top of what was loaded before.

        Those are shared with other forks, in parts that change as these come and go: it may say too much, never too little,
        by what was loaded.
        """
        return max(0, memory.taken(self.processes()) - self._baseline)

    def close(self) -> None:
        """Kill everything in the room and wait until it is dead; nothing stays. Raises RoomError if something does."""
        keepers, self._keepers = self._keepers, []
        bwrap, self._bwrap = self._bwrap, None
        first, self._first = self._first, -1
        place, self._place = self._place, None
        deadline = time.monotonic() + PATIENCE
        if first >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(first, signal.SIGKILL)
            os.close(first)
        for _, control, visitor in keepers:
            with suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)
            visitor.channel.close()
            if visitor.pidfd >= 0:
                os.close(visitor.pidfd)
        left = [keeper for keeper, *_ in keepers if not _ended(keeper, deadline)]
        for _, control, _visitor in keepers:
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
            raise RoomError(f"processes {left} of a room were killed and still live after {PATIENCE:g} seconds")

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _memory_file(text: str) -> int:
    descriptor = os.memfd_create("room")
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _readable(descriptor: int, seconds: float) -> bool:
    """Wait until there is something to read, or the end."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _told(descriptor: int) -> int:
    """The pid of the room's first process. It has been written when the room is ready, though not at one go."""
    text = b""
    while _readable(descriptor, PATIENCE) and (part := os.read(descriptor, 4096)):
        text += part
        with suppress(ValueError):
            return int(json.loads(text)["child-pid"])
    raise RoomError(f"bubblewrap did not say which process is the room's: {text!r}")


def _reason(said: str, ordinary: bool) -> str:
    remedy = f"In a container, let it make namespaces (see docs/security.md), or grade with {CHOICE}."
    for name, bad, good in SWITCHES:
        path = Path("/proc/sys", *name.split("."))
        if ordinary and path.exists() and int(path.read_text()) == bad:
            remedy = f"This machine forbids it: {name} is {bad}. Try: sudo sysctl -w {name}={good}"
    return f"bubblewrap cannot build a room: {said or 'it said nothing'}. {remedy}"


def _ended(pid: int, deadline: float) -> bool:
    """Wait until a child ends, and take its remains. False if it has not at the deadline."""
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
