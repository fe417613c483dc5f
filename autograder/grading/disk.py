"""A disk that is full: it is told apart from what is wrong with a submission, and ends the run.

Each submission after it would fail, and might be said to be at fault.
"""

from __future__ import annotations

import errno
import os
import tempfile

from sqlalchemy.exc import DBAPIError

from autograder.errors import AutograderError

FULL = {errno.ENOSPC, errno.EDQUOT}
"""What the system says of a full disk, and of a user who may have no more of it."""
SPARE = 2**18
"""Bytes that are left on a disk that counts as full all the same: a database or a process that starts asks for more at once."""

DATABASE_FULL = {"sqlite_errorname": "SQLITE_FULL", "sqlstate": "53100"}
"""What SQLite and PostgreSQL say of it, by the attribute of their errors."""
SAID = "the disk of {} is full. What was graded is kept. Make room, and run the command again: it goes on."


class DiskFullError(AutograderError):
    """A disk on which nothing more can be written."""


def refuse(error: BaseException | None, folder: str | os.PathLike[str]) -> None:
    """Raises DiskFullError if an error, or the one that it comes from, means that the disk of this folder is full.

    A database says so of its own disk.
    """
    while error is not None:
        if isinstance(error, DBAPIError) and any(
            getattr(error.orig, name, None) == code for name, code in DATABASE_FULL.items()
        ):
            raise DiskFullError(SAID.format("the gradebook")) from None
        if isinstance(error, OSError) and error.errno in FULL:
            raise DiskFullError(SAID.format(folder)) from None
        error = error.__cause__ or error.__context__


def refuse_if_full(*folders: str | os.PathLike[str]) -> None:
    """Raises DiskFullError if the disk of one of these folders, or that of the temporary ones, is full.

    It is for failures that do not say what they come from, such as a process that could not start.
    """
    for folder in (*folders, tempfile.gettempdir()):
        found = os.statvfs(folder)
        if found.f_bavail * found.f_frsize < SPARE or (found.f_files and not found.f_favail):
            raise DiskFullError(SAID.format(folder))
