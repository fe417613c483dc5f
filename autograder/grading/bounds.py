"""How much may be handed in: it is counted before anything is done with a submission, so that no one delays the others.

What is too large is not used, and one sentence says what was seen, what is allowed, and what to do. Of a submission with too
many files the notebooks are graded without them; of a notebook that is too large nothing counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from autograder.sandbox.limits import MIB

STAMP, MAX_STAMP = "timestamp.txt", 1000
"""The file that says when a submission was handed in, and its most bytes."""
MAX_PATH = 1000
"""Bytes of the longest path below a submission's folder. The system takes 4,096, with the folders of the course."""


@dataclass(frozen=True)
class Bounds:
    """What a submission may have: `files` counts files, folders and links, `depth` the folders that lie in one another.

    `submission_size` is the bytes of all files but notebooks, as they look: holes in a file count. `notebook_size` is the
    bytes of a notebook, `values` its lists and dictionaries, `cells` its cells, `cell_size` the characters of one.
    `restore_seconds` is how long a processor may take to read a notebook, and to put its structure back.
    """

    files: int = 1000
    depth: int = 64
    submission_size: int = 128 * MIB
    notebook_size: int = 64 * MIB
    values: int = 400_000
    cells: int = 2000
    cell_size: int = 400_000
    restore_seconds: float = 20


FILES = "More than {:,} files and folders were handed in."
DEPTH = "Folders were handed in that lie deeper in one another than {:,}."
PATH = f"A file was handed in whose path has more than {MAX_PATH:,} bytes."
SIZE = "The files that were handed in have {:,} bytes, and {:,} are allowed; the largest is {!r}."
LEFT_OUT = (
    " None of them was used, and the notebooks were graded without. Ask for what the notebooks need{}; then grade again with "
    "--force."
)
OR_RAISE = ", or raise c.Examine.{}"

BYTES = "The notebook has {:,} bytes, and {:,} are allowed"
VALUES = "The notebook has {:,} lists and dictionaries in it, and {:,} are allowed"
CELLS = "The notebook has more than {:,} cells"
REFUSED = (
    ": nothing of it counts. Ask for it without outputs and surplus cells, or raise c.Examine.{}; "
    "then grade again with --force."
)

LONG_CELL = (
    "Cell `{}` has {:,} characters, and {:,} are allowed: it was emptied. Look at it, or raise c.Examine.cell_size; "
    "then grade again with --force."
)
METADATA = (
    "The metadata and attachments would take more than {:,} bytes in the record: they were removed. Look at the notebook, "
    "or raise c.Examine.notebook_size; then grade again with --force."
)
SLOW = (
    "It would take more than {:g} s of a processor, or too much memory, to read the notebook: nothing of it counts. Look at "
    "it, or raise c.Examine.restore_seconds; then grade again with --force."
)

OTHERS = 10
"""Numbers and texts in a notebook that take as long to parse as a list."""


@dataclass(frozen=True)
class Listing:
    """What lies in the folder of a submission: the `names` in it; below it `files` with their bytes, and `links`.

    Where it has too much, `excess` says so, and there is nothing but the time at which it was handed in. Notebooks are no files
    here.
    """

    names: Sequence[str] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    links: Sequence[str] = ()
    excess: str = ""


def survey(folder: Path, ignored: Iterable[str], bounds: Bounds) -> Listing:
    """Looks through a folder once. It opens no file and follows no link. Raises OSError if the folder cannot be read."""
    patterns = [*ignored, "*.ipynb"]
    names, files, links = list[str](), dict[str, int](), list[str]()
    count = 0
    waiting = [("", 1)]
    while waiting:
        inner, depth = waiting.pop()
        for entry in _entries(folder, inner):
            count += 1
            name = inner + entry.name
            if count > bounds.files:
                return _excess(folder, FILES.format(bounds.files), "files")
            if len(os.fsencode(name)) > MAX_PATH:
                return _excess(folder, PATH)
            if not inner:
                names.append(name)
            if entry.is_symlink():
                if not name.endswith(".ipynb"):
                    links.append(name)
            elif is_ignored(entry.name, patterns):
                continue
            elif entry.is_dir(follow_symlinks=False):
                if depth > bounds.depth:
                    return _excess(folder, DEPTH.format(bounds.depth), "depth")
                waiting.append((f"{name}/", depth + 1))
            elif entry.is_file(follow_symlinks=False):
                files[name] = _size(entry)
    if (size := sum(files.values())) > bounds.submission_size:
        largest = max(files, key=files.__getitem__)
        return _excess(folder, SIZE.format(size, bounds.submission_size, largest), "submission_size")
    return Listing(sorted(names), dict(sorted(files.items())), sorted(links))


def _entries(folder: Path, inner: str) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing where one below the submission's is closed."""
    try:
        with os.scandir(folder / inner) as entries:
            yield from entries
    except OSError:
        if not inner:
            raise


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:  # it is gone
        return 0


def _excess(folder: Path, seen: str, trait: str = "") -> Listing:
    stamp = folder / STAMP
    files = {STAMP: MAX_STAMP} if stamp.is_file() and not stamp.is_symlink() else {}
    return Listing(files=files, excess=seen + LEFT_OUT.format(OR_RAISE.format(trait) if trait else ""))


def is_ignored(name: str, patterns: Iterable[str]) -> bool:
    """Whether a file of this name is one that nbgrader ignores: by glob, so that a leading dot is matched by a dot alone.

    nbgrader itself lists the whole folder for every file in it.
    """
    return any(fnmatchcase(name, pattern) and (name[0] != "." or pattern[0] == ".") for pattern in patterns)


def too_large(content: bytes, bounds: Bounds) -> str:
    """Why a notebook is not read at all; nothing where it is. It counts bytes, which takes no time to speak of."""
    if len(content) > bounds.notebook_size:
        return refused("notebook_size", BYTES.format(len(content), bounds.notebook_size))
    if (values := content.count(b"{") + content.count(b"[")) > bounds.values:
        return refused("values", VALUES.format(values, bounds.values))
    # a cell says its type once, and once more in nbgrader's metadata
    return too_many_cells(content.count(b'"cell_type"') // 2, bounds)


def weight_of(content: bytes) -> int:
    """How long a notebook takes to parse, in lists and dictionaries."""
    return content.count(b"{") + content.count(b"[") + content.count(b",") // OTHERS


def too_many_cells(count: int, bounds: Bounds) -> str:
    """The same for a notebook with at least so many cells."""
    return refused("cells", CELLS.format(bounds.cells)) if count > bounds.cells else ""


def refused(trait: str, seen: str) -> str:
    """What is said of a notebook of which something is too much; the trait says how much is allowed."""
    return seen + REFUSED.format(trait)


def written(value: Any, most: int) -> int:
    """About how many bytes a value takes in a notebook's file, where each item has a line of its own; or more than `most`."""
    size, open_items = 0, [iter([value])]
    while open_items and size <= most:
        for item in open_items[-1]:
            size += len(open_items) + 2 + (len(item) if isinstance(item, str) else 0)
            if isinstance(item, dict):
                size += sum(map(len, item))
                open_items.append(iter(item.values()))
                break
            if isinstance(item, list):
                open_items.append(iter(item))
                break
            if size > most:
                break
        else:
            open_items.pop()
    return size
