"""The folders of submissions and of records: how the files of the one are read, and how the other is replaced.

Links are never followed: nbgrader does follow them, and copies what belongs to other students or to the instructor.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from unicodedata import category

from nbgrader.utils import find_all_files

from autograder.terminal import one_line

LONGEST = 128
"""Characters of a student's name that the gradebook takes."""

LINK = "The notebook is a link, which is not followed: nothing of it counts. Ask for the notebook itself."
ASK = " Ask for the notebook again."


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


def links(submitted: Path) -> list[str]:
    """The paths of the links below the folder of a submission. Those of notebooks are left out: they are noted elsewhere."""
    found = (path for path in submitted.rglob("*") if path.is_symlink() and path.suffix != ".ipynb")
    return sorted(str(path.relative_to(submitted)) for path in found)


def remove_copies(submitted: Path, graded: Path, source: Path) -> list[str]:
    """Removes what links of a submission brought into the folder of the graded one, but for the instructor's files.

    What stays there would be shown to the student's cells, and go back with the feedback.
    """
    notes = []
    for name in links(submitted):
        if not (source / name).exists():
            notes.append(_link_note(name))
            with suppress(OSError):
                (graded / name).unlink()
    return notes


MAX_NOTEBOOK_BYTES = 128 * 2**20
"""Bytes of the largest notebook that is read."""


class Handed(NamedTuple):
    """The content of a notebook's file, or the problem with it."""

    content: bytes
    problem: str


def read_notebook(file: Path) -> Handed:
    """The notebook of a submission. Raises nothing, whatever lies there."""
    if file.is_symlink():
        return Handed(b"", LINK)
    try:
        content = read_file(file, MAX_NOTEBOOK_BYTES)
    except OSError as error:
        return Handed(b"", f"The notebook cannot be read: {error.strerror}.{ASK}")
    if content is None:
        return Handed(b"", f"The notebook is more than {MAX_NOTEBOOK_BYTES:,} bytes large, and was not read.{ASK}")
    return Handed(content, "")


def extra_files(folder: Path, ignored: Sequence[str]) -> Iterator[Path]:
    """The paths of the files that go with the notebooks."""
    for path in sorted(find_all_files(str(folder), [*ignored, "*.ipynb"])):
        if stat.S_ISREG(os.lstat(path).st_mode):
            yield Path(path)


def contents(folder: Path, paths: Iterable[Path], most: int) -> dict[str, bytes]:
    """The contents of files by their paths below a folder, as far as they can be read; `most` bytes of all together."""
    found: dict[str, bytes] = {}
    for path in paths:
        with suppress(OSError):
            if (content := read_file(path, most)) is not None:
                most -= len(content)
                found[str(path.relative_to(folder))] = content
    return found


def put_file(folder: Path, name: str, content: bytes | Path) -> None:
    """Writes a file below a folder, or copies one there, in place of whatever stands in its way. Raises OSError."""
    path = folder / name
    for above in reversed(path.relative_to(folder).parents):
        if (folder / above).exists() and not (folder / above).is_dir():
            (folder / above).unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)  # a file that may not be written to can still be replaced
    if isinstance(content, Path):
        with suppress(OSError):  # it is gone, or may not be read
            shutil.copy(content, path, follow_symlinks=False)
    else:
        path.write_bytes(content)


def link_notes(folder: Path, kept: Iterable[str]) -> list[str]:
    """What is left out of a submission, but for files that are `kept` all the same."""
    return [_link_note(name) for name in sorted(set(links(folder)) - set(kept))]


def _link_note(name: str) -> str:
    return f"The file `{one_line(name)}` was a link, which is not followed."


def read_file(file: Path, most: int) -> bytes | None:
    """All of a file, or None if it has more bytes than `most`. Raises OSError for what is no file."""
    # without following a link, and without waiting for somebody to write into a named pipe
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no file")
        if status.st_size > most:
            return None
        return stream.read()


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
        files: Iterable[Path],
        own: Mapping[str, bytes],
        records: Mapping[str, str],
        is_part: bool,
        permissions: int,
    ) -> None:
        """Makes the new folder: the submission's files, the instructor's own, and the records by the names of notebooks.

        Of a part of the notebooks, the records of the others stay. Raises OSError.
        """
        _remove(self._new)
        self._new.mkdir(parents=True)
        if is_part and self.target.is_dir():
            shutil.copytree(self.target, self._new, symlinks=True, dirs_exist_ok=True)
        for path in files:
            put_file(self._new, str(path.relative_to(submitted)), path)
        for name, content in (*own.items(), *((f"{name}.ipynb", text.encode()) for name, text in records.items())):
            put_file(self._new, name, content)
        for folder, _, names in os.walk(self._new):
            for name in names:
                os.chmod(os.path.join(folder, name), permissions)

    def set_aside(self) -> None:
        """Moves the old folder aside. There is no record from here to `publish`: if this run is ended, the next makes it."""
        _remove(self._old)
        with suppress(FileNotFoundError):
            os.rename(self.target, self._old)

    def put_back(self) -> None:
        """Undoes `set_aside`."""
        with suppress(FileNotFoundError):
            os.rename(self._old, self.target)

    def publish(self) -> None:
        """Puts the new folder in its place."""
        os.rename(self._new, self.target)
        _remove(self._old)
