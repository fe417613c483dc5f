"""A warm process that stays for the next command of the same user: how it is found, and how it lets one in after the other.

Its socket lies in a folder that only this user can enter, under a name that is another one for another version of the
package, another Python or another environment. It ends when nobody has come for a while.
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

ELSEWHERE = {"PATH", "TMPDIR", "VIRTUAL_ENV"}
"""What may differ between two terminals of one user and makes no difference here."""


LONGEST = 100
"""Bytes of a socket's path; the system takes a few more."""


def address(environment: Mapping[str, str]) -> Path | None:
    """Where the process for this environment listens; None where there is no safe place for that."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime, "backprop-ninja") if runtime else Path(tempfile.gettempdir(), f"backprop-ninja-{os.getuid()}")
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700:
            place = folder / f"{_version(environment)}.sock"
            return place if len(os.fsencode(place)) <= LONGEST else None
    return None


def connect(place: Path) -> socket.socket | None:
    """A connection to the process that listens there, which may still have to load; None where there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(place))
        return connection
    except OSError:
        connection.close()
        return None


@contextmanager
def listening(place: Path) -> Iterator[socket.socket]:
    """The socket of the process. Raises OSError where another one has the place."""
    import fcntl  # not on every system

    with open(place.with_suffix(".lock"), "a") as lock, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        place.unlink(missing_ok=True)  # what it belonged to was killed
        listener.bind(str(place))
        try:
            listener.listen()
            yield listener
        finally:
            place.unlink(missing_ok=True)


def visitors(listener: socket.socket, idle: float) -> Iterator[socket.socket]:
    """The connections of this user, one after the other, until none has come for so many seconds."""
    listener.settimeout(idle)
    with suppress(TimeoutError):
        while True:
            connection, _ = listener.accept()
            with connection:
                credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                if struct.unpack("3i", credentials)[1] == os.getuid():
                    yield connection


def _version(environment: Mapping[str, str]) -> str:
    """A name for all that a process has loaded."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    stamps = [(file.name, file.stat().st_mtime_ns) for file in files]
    settings = sorted((name, value) for name, value in environment.items() if name not in ELSEWHERE)
    return sha256(repr((sys.executable, sys.version, stamps, settings)).encode()).hexdigest()[:24]
