"""What lies in the folder of a submission: which files are its notebooks, and what is to be said about the others."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from os.path import lexists
from pathlib import Path

from autograder.course.catalogue import COPY, same_cells
from autograder.course.cells import Cell, Role, cells_of, is_blank
from autograder.course.reading import text_of
from autograder.grading.bounds import STAMP, Bounds, Listing, survey, too_large, weight_of
from autograder.grading.course import Course
from autograder.grading.folders import read_notebook, unfit
from autograder.grading.master import Master
from autograder.sandbox.limits import OutOfTime, ended_after
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
    looks = _looks(strangers[:MAX_STRANGERS], course.masters, bounds)
    copies = defaultdict[str, list[Path]](list)
    for path, look in looks.items():
        copies[look.fits].append(path)
    left = copies.pop("", [])
    unread = [path for path in strangers if path not in looks]
    failures, notes = [listing.excess] * bool(listing.excess), list[str]()
    for name, paths in copies.items():
        if name in here:
            said = f"`{name}.ipynb` counts, and was left out: {_listed(paths)}, with the same cells."
            own = _looks([here[name]], {name: course.masters[name]}, bounds).get(here[name])
            is_blank = own is not None and not own.is_edited and any(looks[path].is_edited for path in paths)
            (failures if is_blank else notes).append(said + BLANK.format(name) if is_blank else said)
            continue
        edited = [path for path in paths if looks[path].is_edited]
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
    if unread:
        (failures if missing else notes).append(UNREAD.format(_listed(unread)))
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
UNREAD = (
    "Of other names, and left out unread, since they are too many, too large, or no files: {}. If one of them is the right "
    "notebook, give it its name, and grade again with --force."
)
NO_TIME = (
    f"`{STAMP}` says no time: whether it was late is not known, and formgrader hangs. "
    "Write one into it, such as `2026-01-31 23:59:00 UTC`, and grade again."
)


@dataclass(frozen=True)
class _Look:
    """What is seen in a file: the notebook whose cells it has, or nothing; and whether there is an answer in it."""

    fits: str
    is_edited: bool


def _looks(paths: Iterable[Path], masters: Mapping[str, Master], bounds: Bounds) -> Mapping[Path, _Look]:
    """Looks into files, each of which is read once. All of them together may have, and take, as much as one notebook.

    What is beyond that is not in what this gives. The class waits meanwhile, so what no signal can interrupt is kept short.
    """
    found: dict[Path, _Look] = {}
    size, weight = bounds.notebook_size, bounds.values
    # SystemError: Python 3.11 says so of a tree that it makes while it tells of an error in a callback of its collector
    with suppress(OutOfTime, MemoryError, SystemError), ended_after(bounds.restore_seconds):
        for path in paths if masters else ():
            content, problem = read_notebook(path, replace(bounds, notebook_size=size))
            if problem or too_large(content, bounds) or (its_weight := weight_of(content)) > weight:
                continue
            size, weight = size - len(content), weight - its_weight
            found[path] = _look(path.stem, _cells(content), masters, bounds)
    return found


def _look(stem: str, cells: Cells, masters: Mapping[str, Master], bounds: Bounds) -> _Look:
    stem = COPY.sub("", stem)
    fits = {name: same_cells(cells, _compared(master), name == stem) for name, master in masters.items()}
    best = max(fits, key=lambda name: fits[name])
    return _Look(best if fits[best] else "", _is_edited(cells, masters[best], bounds))


def _compared(master: Master) -> Cells:
    """The cells of a notebook by which it is known. Tests have other checksums in the release, without their hidden lines."""
    return tuple(cell for cell in master.originals.values() if cell.role is not Role.TEST and cell.cell_type == "code")


def _is_edited(cells: Cells, master: Master, bounds: Bounds) -> bool:
    """Whether there is an answer in the cells of a notebook that is not as it was released. One that is too long is edited."""
    given = {cell.id: cell.source for cell in master.originals.values() if cell.solves}
    answers = (cell for cell in cells if cell.id in given)
    return any(len(cell.source) > bounds.cell_size or not is_blank(cell, given[cell.id]) for cell in answers)


def _cells(content: bytes) -> Cells:
    """The code cells of a file, those of an old format too, as they stand there; none of what is no notebook."""
    try:
        notebook = json.loads(text_of(content))
        sheets = notebook.get("worksheets") or [notebook]
        cells = [{**cell, "source": cell.get("source", cell.get("input"))} for sheet in sheets for cell in sheet["cells"]]
        return tuple(cells_of({"cells": cells}))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return ()


def _listed(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - MAX_LISTED:,} more" if len(paths) > MAX_LISTED else ""
    return ", ".join(f"`{one_line(path.name)}`" for path in paths[:MAX_LISTED]) + more
