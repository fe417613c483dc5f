"""What lies in the folder of a submission: which files are its notebooks, and what is to be said about the others."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from os.path import lexists
from pathlib import Path

from autograder.course.catalogue import COPY, same_cells
from autograder.course.cells import Cell, Role, cells_of, is_blank, loads
from autograder.grading.bounds import STAMP, Bounds, Listing, survey, too_large
from autograder.grading.course import Course
from autograder.grading.folders import read_notebook, unfit
from autograder.grading.master import Master
from autograder.terminal import one_line

Cells = tuple[Cell, ...]

SHOWN = 60
"""Characters of a folder's name that are shown."""
MAX_STRANGERS, MAX_LISTED = 20, 10
"""Notebooks of other names that are looked into, and files that are listed by name."""


@dataclass(frozen=True)
class Submission:
    """The notebooks of a submission by the names that they are graded under, and its other files with their bytes.

    A person has to see to `failures`; `notes` are for information. One that `cannot_be_graded` is reported and not written.
    """

    folder: Path
    notebooks: Mapping[str, Path]
    missing: Sequence[str]
    files: Mapping[str, int]
    links: Sequence[str]
    timestamp: datetime | None
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cannot_be_graded: bool = False


class State(StrEnum):
    """Whether a submission is graded, as it was handed in last."""

    GRADED = "graded"
    NOT_GRADED = "not graded"
    ANEW = "handed in anew"


def state_of(course: Course, student: str, notebooks: Iterable[str]) -> State:
    """How it is with these notebooks of a submission."""
    submitted, graded = course.submitted(student), course.autograded(student)
    files = [f"{name}.ipynb" for name in notebooks]
    if not graded.exists() or any(lexists(submitted / file) and not lexists(graded / file) for file in files):
        return State.NOT_GRADED
    now, before = map(course.timestamp, (submitted, graded))
    return State.ANEW if now is not None and (before is None or now > before) else State.GRADED


def read_submission(course: Course, student: str) -> Submission:
    """What a student handed in. Links are not followed. Raises OSError for a folder that cannot be read."""
    folder = course.submitted(student)
    if reason := unfit(student):
        name = one_line(os.path.relpath(folder.parent))
        shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}…"
        said = f"The name of the folder `{shown}` {reason}: not graded. Rename it."
        return Submission(folder, {}, [*course.masters], {}, [], None, (said,), cannot_be_graded=True)
    if course.known is not None and student not in course.known:
        return Submission(folder, {}, [*course.masters], {}, [], None, (UNKNOWN,), cannot_be_graded=True)
    bounds = course.examine.bounds()
    listing = survey(folder, course.folders.ignore, bounds) if folder.is_dir() else Listing()
    names = listing.names
    if listing.excess:  # then only what has the right name is looked at
        names = [name for each in course.masters if lexists(folder / (name := f"{each}.ipynb"))]
    # browsers call some of them `a.ipynb.txt` or `a.ipynb.json`
    found = {name.removesuffix(".ipynb"): folder / name for name in names if name[0] != "." and ".ipynb" in name.lower()}
    here = {name: path for name, path in found.items() if name in course.masters}
    strangers = [path for name, path in found.items() if name not in course.masters]
    missing = [name for name in course.masters if name not in here]
    copies, left = _copies(strangers[:MAX_STRANGERS], course.masters, bounds)
    left += strangers[MAX_STRANGERS:]
    failures, notes = [listing.excess] * bool(listing.excess), list[str]()
    for name, paths in copies.items():
        if name in here:
            said = f"`{name}.ipynb` counts, and was left out: {_listed(paths)}, with the same cells."
            is_blank = not _edited(here[name], course.masters[name], bounds) and any(
                _edited(path, course.masters[name], bounds) for path in paths
            )
            (failures if is_blank else notes).append(said + BLANK.format(name) if is_blank else said)
            continue
        edited = [path for path in paths if _edited(path, course.masters[name], bounds)]
        if len(edited) > 1:
            failures.append(f"`{name}.ipynb` is missing, and each of these may be it: {_listed(edited)}. {RENAME}")
            continue
        taken, *others = edited or paths
        others = [path for path in paths if path != taken]
        here[name] = taken
        missing.remove(name)
        notes.append(f"`{one_line(taken.name)}` counts as `{name}.ipynb`, whose cells it has.")
        if others:
            notes.append(f"Left out, as it has no answers: {_listed(others)}.")
    if left:
        said = f"Not of this assignment, and left out: {_listed(left)}. Its notebooks are called {', '.join(course.masters)}."
        (failures if missing else notes).append(said)
    if not folder.is_dir():
        failures.append("There is no folder: nothing was handed in.")
    elif not found:
        files = [folder / name for name in names if name != STAMP and name not in course.own]
        failures.append(f"No notebook was handed in, but {_listed(files)}." if files else "Nothing was handed in.")
    if found:
        counting = [name for name in missing if any(cell.points for cell in course.masters[name].originals.values())]
        notes += [f"`{name}.ipynb` was not handed in." for name in counting]
    timestamp = course.timestamp(folder)
    if timestamp is None and lexists(folder / STAMP):
        failures.append(NO_TIME)
    return Submission(folder, here, missing, listing.files, listing.links, timestamp, tuple(failures), tuple(notes))


UNKNOWN = "The gradebook has no such student, and c.Autograde.create_student is off: not graded."
RENAME = "Give the right one that name, and grade again with --force."
BLANK = " But `{}.ipynb` is as it was released, and there are answers in the other. " + RENAME
NO_TIME = (
    f"`{STAMP}` says no time: whether it was late is not known, and formgrader hangs. "
    "Write one into it, such as `2026-01-31 23:59:00 UTC`, and grade again."
)


def _copies(
    strangers: Sequence[Path], masters: Mapping[str, Master], bounds: Bounds
) -> tuple[Mapping[str, list[Path]], list[Path]]:
    """The files of other names that have the cells of a notebook, by that, and those that have not."""
    copies, left = defaultdict[str, list[Path]](list), []
    for path in strangers:
        cells = _cells(path, bounds)
        fits = {name: same_cells(cells, _compared(master), name == COPY.sub("", path.stem)) for name, master in masters.items()}
        best = max(fits, key=lambda name: fits[name], default="")
        if best and fits[best]:
            copies[best].append(path)
        else:
            left.append(path)
    return copies, left


def _compared(master: Master) -> Cells:
    """The cells of a notebook by which it is known. Tests have other checksums in the release, without their hidden lines."""
    return tuple(cell for cell in master.originals.values() if cell.role is not Role.TEST and cell.cell_type == "code")


def _edited(path: Path, master: Master, bounds: Bounds) -> bool:
    """Whether there is an answer in a notebook that is not as it was released."""
    given = {cell.id: cell.source for cell in master.originals.values() if cell.solves}
    return any(not is_blank(cell, given[cell.id]) for cell in _cells(path, bounds) if cell.id in given)


def _cells(path: Path, bounds: Bounds) -> Cells:
    """The code cells of a file; none of what is no notebook, or too large a one."""
    content = read_notebook(path, bounds).content
    if too_large(content, bounds):
        return ()
    try:
        return tuple(cells_of(loads(content)))
    except Exception:  # nbformat raises whatever its parts raise, for a file of an old version
        return ()


def _listed(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - MAX_LISTED:,} more" if len(paths) > MAX_LISTED else ""
    return ", ".join(f"`{one_line(path.name)}`" for path in paths[:MAX_LISTED]) + more
