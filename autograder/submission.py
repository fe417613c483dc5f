"""What a student handed in, read without following a link, and without trust in what anything is."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nbgrader.utils import find_all_files

from autograder.links import links

LARGEST = 128 * 2**20
"""Bytes of the largest notebook that is read."""


class Handed(NamedTuple):
    """The content of a notebook's file, or the problem with it."""

    content: bytes
    problem: str


def read_notebook(file: Path) -> Handed:
    """The notebook of a submission. Raises nothing, whatever lies there."""
    if file.is_symlink():
        return Handed(b"", "The notebook was a link, which is not followed.")
    try:
        content = _read(file, LARGEST)
    except OSError as error:
        return Handed(b"", f"The notebook cannot be read: {error.strerror}.")
    if content is None:
        return Handed(b"", f"The notebook is more than {LARGEST:,} bytes large, and was not read.")
    return Handed(content, "" if content else "The file was empty.")


def files(folder: Path, ignored: Sequence[str]) -> Iterator[Path]:
    """The paths of the files that go with the notebooks."""
    for path in sorted(find_all_files(str(folder), [*ignored, "*.ipynb"])):
        if stat.S_ISREG(os.lstat(path).st_mode):
            yield Path(path)


def contents(folder: Path, paths: Iterable[Path], most: int) -> dict[str, bytes]:
    """The contents of files by their paths below a folder, as far as they can be read; at most so many bytes of them all."""
    found: dict[str, bytes] = {}
    for path in paths:
        with suppress(OSError):
            if (content := _read(path, most)) is not None:
                most -= len(content)
                found[str(path.relative_to(folder))] = content
    return found


def put(folder: Path, name: str, content: bytes | Path) -> None:
    """Writes a file below a folder, or copies one there, in place of whatever stands in its way. Raises OSError."""
    path = folder / name
    for above in reversed(path.relative_to(folder).parents):
        if (folder / above).exists() and not (folder / above).is_dir():
            (folder / above).unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)  # it may not be written to
    if isinstance(content, Path):
        with suppress(OSError):  # gone, or nobody may read it
            shutil.copy(content, path, follow_symlinks=False)
    else:
        path.write_bytes(content)


def notes(folder: Path, kept: Iterable[str]) -> list[str]:
    """What is left out of a submission, but for files that are `kept` all the same."""
    return [f"The file `{name}` was a link, which is not followed." for name in sorted(set(links(folder)) - set(kept))]


def _read(file: Path, most: int) -> bytes | None:
    """All of a file, or None if it has more bytes than that. Raises OSError for what is no file."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no file")
        if status.st_size > most:
            return None
        return opened.read()
