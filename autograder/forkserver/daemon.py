"""A fork server that stays for the next command of the same user: how commands find it, and how it serves them one by one.

Its socket lies in a folder that only this user can enter. The name of the socket depends on the version of the package, on
Python and on the environment, so that no command meets a process that has loaded something else. The process ends when no
command has come for a while.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from autograder.files import PACKAGE

IRRELEVANT_VARIABLES = {"PATH", "TMPDIR", "VIRTUAL_ENV"}
"""Variables that may differ between two terminals of one user, and do not matter to the fork server."""

MAX_SOCKET_PATH = 100
"""Bytes of the longest path of a socket. The system allows a few more."""


def address(environment: Mapping[str, str]) -> Path | None:
    """The path of the socket for this environment; None if there is no folder that only this user can enter."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime, "backprop-ninja") if runtime else Path(tempfile.gettempdir(), f"backprop-ninja-{os.getuid()}")
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700:
            place = folder / f"{_version(environment)}.sock"
            return place if len(os.fsencode(place)) <= MAX_SOCKET_PATH else None
    return None


def connect(place: Path) -> socket.socket | None:
    """A connection to the process that listens at `place`; None if there is none. The process may still be loading."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(place))
        return connection
    except OSError:
        connection.close()
        return None


@contextmanager
def listening(place: Path) -> Iterator[socket.socket]:
    """A socket that listens at `place`, which is removed afterwards. Raises OSError if another process listens there.

    A lock decides which process may listen: the system releases it even if its owner is killed, when the socket's file stays.
    """
    import fcntl  # not on every system

    with open(place.with_suffix(".lock"), "a") as lock, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        place.unlink(missing_ok=True)  # a process that was killed left it behind
        listener.bind(str(place))
        try:
            listener.listen()
            yield listener
        finally:
            place.unlink(missing_ok=True)


def connections(listener: socket.socket, idle: float) -> Iterator[socket.socket]:
    """The connections of this user, one after the other, until none has come for `idle` seconds. It refuses other users."""
    listener.settimeout(idle)
    with suppress(TimeoutError):
        while True:
            connection, _ = listener.accept()
            with connection:
                credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                if struct.unpack("3i", credentials)[1] == os.getuid():
                    yield connection


def _version(environment: Mapping[str, str]) -> str:
    """A name for all that a process with this environment loads: Python, the package's files and the variables that matter."""
    files = sorted(PACKAGE.rglob("*.py"))
    stamps = [(str(file), file.stat().st_mtime_ns) for file in files]
    settings = sorted((name, value) for name, value in environment.items() if name not in IRRELEVANT_VARIABLES)
    return sha256(repr((sys.executable, sys.version, stamps, settings)).encode()).hexdigest()[:24]
