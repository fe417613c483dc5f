"""Temporary folders that are gone with their process; those of one that was killed, with the next run."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from re import fullmatch
from tempfile import TemporaryDirectory, gettempdir

NAME = r"autograder-(course|submission|warm)-\w{8}"
"""How these folders are called: their kind, and what makes the name a new one."""


class Folder(TemporaryDirectory[str]):
    """A temporary folder of a kind, locked as long as this process lives: the system unlocks it, however that ends."""

    def __init__(self, kind: str) -> None:
        self._lock = -1
        while True:
            super().__init__(prefix=f"autograder-{kind}-")
            self._lock = os.open(self.name, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks, where `sweep` removes nothing either
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            if os.path.isdir(self.name):  # else a sweep came between
                return
            os.close(self._lock)
            super().cleanup()

    def cleanup(self) -> None:
        """Removes the folder, and unlocks it."""
        super().cleanup()
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


def sweep() -> None:
    """Removes the folders of this user that are called so and that no process has locked. It follows no link."""
    for path in Path(gettempdir()).glob("autograder-*"):
        with suppress(OSError):
            if fullmatch(NAME, path.name):
                _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(folder).st_uid == os.getuid():
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises OSError where another process has it
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(folder)
