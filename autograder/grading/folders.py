"""The folders of submissions and of records: how the files of the one are read, and how the other is replaced.

Links are never followed: nbgrader does follow them, and copies what belongs to other students or to the instructor.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple
from unicodedata import category

from autograder.grading import disk
from autograder.grading.bounds import BYTES, Bounds, refused, survey
from autograder.terminal import one_line

LONGEST = 128
"""Characters of a student's name that the gradebook takes."""

LINK = "The notebook is a link, which is not followed: nothing of it counts. Ask for the notebook itself."
ASK = " Ask for the notebook again."

MAX_LINKS = 20
"""Links of a submission that are noted by name."""
CHUNK = 2**20
"""Bytes that are copied at a time."""


FORMULA = ("=", "+", "-", "@")
"""How a formula begins, in a spreadsheet into which grades are exported."""


def is_text(name: str) -> bool:
    """Whether the name of a file is in UTF-8."""
    return all(category(each) != "Cs" for each in name)


def unfit(student: str) -> str:
    """Why a folder of this name can be nobody's in the gradebook; nothing where it can."""
    if not is_text(student):
        return "is not in UTF-8"
    if any(category(each) in ("Cc", "Zl", "Zp") for each in student):
        return "has a line break or another control character in it"
    if student.startswith("."):
        return "begins with a dot, which nbgrader does not look at"
    if student.startswith(FORMULA):
        return f"begins with `{student[0]}`, which a spreadsheet with the grades takes for a formula"
    return f"has {len(student)} characters, and the gradebook takes {LONGEST}" if len(student) > LONGEST else ""


def remove_copies(submitted: Path, graded: Path, source: Path, bounds: Bounds) -> list[str]:
    """Removes what links of a submission brought into the folder of the graded one, but for the instructor's files.

    What stays there would be shown to the student's cells, and go back with the feedback.
    """
    left_out = [name for name in survey(submitted, (), bounds).links if not (source / name).exists()]
    for name in left_out:
        with suppress(OSError):
            (graded / name).unlink()
    return link_notes(left_out)


class Handed(NamedTuple):
    """The content of a notebook's file, or the problem with it."""

    content: bytes
    problem: str


def read_notebook(file: Path, bounds: Bounds) -> Handed:
    """The notebook of a submission. Raises nothing, whatever lies there."""
    if file.is_symlink():
        return Handed(b"", LINK)
    try:
        content = read_file(file, bounds.notebook_size)
        size = os.lstat(file).st_size
    except OSError as error:
        return Handed(b"", f"The notebook cannot be read: {error.strerror}.{ASK}")
    return (
        Handed(b"", refused("notebook_size", BYTES.format(size, bounds.notebook_size)))
        if content is None
        else Handed(content, "")
    )


def contents(folder: Path, names: Iterable[str], most: int) -> dict[str, bytes]:
    """The contents of files by their paths below a folder, as far as they can be read; `most` bytes of all together."""
    found: dict[str, bytes] = {}
    for name in names:
        with suppress(OSError):
            if (content := read_file(folder / name, most)) is not None:
                most -= len(content)
                found[name] = content
    return found


@dataclass(frozen=True)
class Copy:
    """A file that is copied, of which `size` bytes are: it may grow meanwhile."""

    file: Path
    size: int


def put_file(folder: Path, name: str, content: bytes | Copy) -> None:
    """Writes a file below a folder, or copies one there, in place of whatever stands in its way. Raises OSError."""
    path = folder / name
    for above in reversed(path.relative_to(folder).parents):
        if (folder / above).exists() and not (folder / above).is_dir():
            (folder / above).unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)  # a file that may not be written to can still be replaced
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    try:
        stream = _opened(content.file)
    except OSError:  # it is gone, or may not be read
        return
    left = content.size
    with stream, open(path, "xb") as target:
        while left > 0 and (part := stream.read(min(left, CHUNK))):
            left -= target.write(part)


def link_notes(links: Iterable[str]) -> list[str]:
    """Notes on what was left out of a submission since it is a link."""
    names = sorted(links)
    notes = [f"The file `{one_line(name)}` was a link, which is not followed." for name in names[:MAX_LINKS]]
    more = len(names) - MAX_LINKS
    return [*notes, f"Of links there were {more:,} more, which are not followed."] if more > 0 else notes


def _opened(file: Path) -> IO[bytes]:
    """A file to read. Raises OSError for what is no file."""
    # without following a link, and without waiting for somebody to write into a named pipe
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    stream = open(descriptor, "rb")  # noqa: SIM115 (the caller closes it)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        stream.close()
        raise OSError(0, "it is no file")
    return stream


def read_file(file: Path, most: int) -> bytes | None:
    """All of a file, or None if it has more bytes than `most`. Raises OSError for what is no file."""
    with _opened(file) as stream:
        if os.fstat(stream.fileno()).st_size > most:
            return None
        content = stream.read(most + 1)  # it may grow
        return content if len(content) <= most else None


def _remove(path: Path) -> None:
    """Removes a folder, or what is there in its place."""
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()


class RecordFolder:
    """The folder of a student's records of an assignment, `target`.

    A new folder is prepared beside it, and the old one is kept beside it until the gradebook is written.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._new = target.parent / f".{target.name}.new"
        self._old = target.parent / f".{target.name}.old"

    def prepare(
        self,
        submitted: Path,
        files: Mapping[str, int],
        own: Mapping[str, bytes],
        records: Mapping[str, str],
        is_part: bool,
        permissions: int,
    ) -> None:
        """Makes the new folder: the submission's files, the instructor's own, and the records by the names of notebooks.

        `files` are paths below the submission's folder with their bytes. Of a part of the notebooks, the records of the others
        stay. Raises OSError, and leaves nothing behind where the disk is full.
        """
        try:
            _remove(self._new)
            self._new.mkdir(parents=True)
            if is_part and self.target.is_dir():
                shutil.copytree(self.target, self._new, symlinks=True, dirs_exist_ok=True)
            for name, size in files.items():
                put_file(self._new, name, Copy(submitted / name, size))
            for name, content in (*own.items(), *((f"{name}.ipynb", text.encode()) for name, text in records.items())):
                put_file(self._new, name, content)
        except OSError as error:
            _remove(self._new)
            disk.refuse(error, self.target.parent)
            raise
        for folder, _, names in os.walk(self._new):
            for name in names:
                os.chmod(os.path.join(folder, name), permissions)

    def set_aside(self) -> None:
        """Moves the old folder aside. There is no record from here to `publish`: if this run is ended, the next makes it."""
        _remove(self._old)
        with suppress(FileNotFoundError):
            os.rename(self.target, self._old)

    def put_back(self) -> None:
        """Undoes `set_aside` and `prepare`."""
        _remove(self._new)
        with suppress(FileNotFoundError):
            os.rename(self._old, self.target)

    def publish(self) -> None:
        """Puts the new folder in its place."""
        os.rename(self._new, self.target)
        _remove(self._old)
