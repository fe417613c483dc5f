"""The assignments of a course: what they are called, where they lie, and which of them a learner's notebook belongs to."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from autograder import files
from autograder.course.cells import Cell, cell_of, load, read_cells, text_cells
from autograder.course.order import in_course_order
from autograder.errors import ContentError

PACKAGE = files.PACKAGE
COURSE_ROOTS = (PACKAGE, PACKAGE.parent)
"""Where the release lies: in an installed package, and in a checkout."""

COPY = re.compile(r"(-Copy\d+| ?\(\d+\)| (- )?copy| \d+)+$", re.IGNORECASE)
"""What JupyterLab, browsers and systems add to the name of a file when there is one of that name: `copy 2` is two of them."""


@dataclass(frozen=True)
class Assignment:
    """`release` is the folder that students get, `source` the instructor's own, where that is at hand."""

    name: str
    release: Path
    source: Path | None = None

    @property
    def notebooks(self) -> list[Path]:
        """Those of the release, in their order."""
        return sorted(self.release.glob("*.ipynb"))


@dataclass(frozen=True)
class Origin:
    """The released notebook that somebody's file was made from, with its code cells."""

    assignment: Assignment
    notebook: Path
    cells: tuple[Cell, ...]

    def given(self, path: Path) -> tuple[Cell, ...]:
        """The cells as the learner with this file was given them; none for the released file itself, whose edits count."""
        return () if path.resolve() == self.notebook.resolve() else self.cells


@dataclass(frozen=True)
class Catalogue:
    """The assignments in the `release/` of the first of some folders that has any. Their notebooks may have equal names."""

    folders: Sequence[Path]

    @property
    def assignments(self) -> list[Assignment]:
        """The assignments in the order of the course. Raises ContentError where there are none."""
        for folder in self.folders:
            if released := _with_notebooks(folder / "release"):
                return [Assignment(each.name, each, _folder(folder / "source" / each.name)) for each in released]
        raise ContentError(
            f"there are no released notebooks in {self.folders[-1] / 'release'}. In a checkout, `make release` makes them."
        )

    @property
    def notebooks(self) -> list[Path]:
        """The released notebooks of all assignments, in the order of the course. Raises ContentError where there are none."""
        return [path for assignment in self.assignments for path in assignment.notebooks]

    def assignment(self, name: str) -> Assignment:
        """The assignment of this name. Raises ContentError where there is none."""
        found = {assignment.name: assignment for assignment in self.assignments}
        if name not in found:
            raise ContentError(f"there is no assignment `{name}`. There are {', '.join(found)}.")
        return found[name]

    def origin(self, path: Path, cells: Sequence[Cell]) -> Origin | None:
        """The released notebook that fits a file with these cells best, by its cells before its name; None if none fits."""
        try:
            assignments = self.assignments
        except ContentError:
            return None
        place = path.resolve()
        best: tuple[Fit, Origin] | None = None
        for assignment in assignments:
            for notebook in assignment.notebooks:
                origin = Origin(assignment, notebook, released_cells(notebook))
                if notebook.resolve() == place:
                    return origin
                fit = _fit(origin, place, cells)
                if fit and (best is None or fit > best[0]):
                    best = fit, origin
        return best[1] if best else None


def default() -> Catalogue:
    """The catalogue of this course."""
    return Catalogue(COURSE_ROOTS)


def written(course: Path) -> list[str]:
    """The names of the assignments in the `source/` of an instructor's course. Raises ContentError if there are none."""
    found = [folder.name for folder in _with_notebooks(course / "source")]
    if not found:
        raise ContentError(f"there is no notebook in {course / 'source'}. Run this in the course's folder.")
    return found


def _with_notebooks(folder: Path) -> list[Path]:
    """The folders in a folder that have notebooks, in the order of the course."""
    return in_course_order({path.parent for path in folder.glob("*/*.ipynb")})


Fit = tuple[int, bool, bool, int]
"""How well a file fits a released notebook: the cells that are the same for certain, whether the folder is called like the
assignment, whether the file is called like the notebook, and the cells of the same name."""


def _fit(origin: Origin, place: Path, cells: Sequence[Cell]) -> Fit | None:
    """How well a file fits, None where it does not.

    A checksum of nbgrader's that differs says that the file is of another course, or of another release. A file of another
    name has to have more than half of the cells, since courses may share a few.
    """
    is_called_so = origin.notebook.stem in (place.stem, COPY.sub("", place.stem))
    same = same_cells(cells, origin.cells, is_called_so)
    if not same:
        return None
    known = {cell.id for cell in origin.cells}
    return same, place.parent.name == origin.assignment.name, is_called_so, len(known & {cell.id for cell in cells})


def same_cells(cells: Sequence[Cell], released: Collection[Cell], is_called_so: bool) -> int:
    """How many cells are those of a released notebook for certain; 0 where too few are, or one is of another release."""
    known = {cell.id: cell for cell in released}
    pairs = {cell.id: (cell, known[cell.id]) for cell in cells if cell.id in known}
    sums = [(ours.checksum, theirs.checksum) for ours, theirs in pairs.values()]
    if any(ours != theirs for ours, theirs in sums if ours and theirs):
        return 0
    same = sum(_is_same(ours, theirs) for ours, theirs in pairs.values())
    enough = 1 if is_called_so else sum(1 for cell in released if cell.checksum) // 2 + 1
    return same if same >= enough else 0


def _is_same(ours: Cell, theirs: Cell) -> bool:
    """Whether nbgrader says that a cell is that of the release, or where it says nothing a locked cell has the same text."""
    if ours.checksum and theirs.checksum:
        return ours.checksum == theirs.checksum
    return theirs.is_locked and ours.source.strip() == theirs.source.strip()


def released_cells(notebook: Path) -> tuple[Cell, ...]:
    """The code cells of a released notebook, read once."""
    return _released(notebook, notebook.stat().st_mtime_ns)


@lru_cache(maxsize=128)
def _released(notebook: Path, changed: int) -> tuple[Cell, ...]:
    return tuple(read_cells(notebook))


def _folder(path: Path) -> Path | None:
    return path if path.is_dir() else None


OF_ONE = "my-{}"
"""What `autograder new --assignment NAME` makes."""
ALL = "all"
"""What may be said for all assignments."""
BACKUP = "backup"
"""The folder, beside the notebooks, of what was taken out of cells."""


def copy(folder: Path, catalogue: Catalogue | None = None, name: str = "") -> list[Path]:
    """Makes a new folder with the released notebooks of an assignment, or without a name of all: each in a folder of its own.

    Where there is one assignment only, its notebooks are in the folder itself. Raises ContentError if the folder is there
    already, and changes nothing.
    """
    catalogue = catalogue or default()
    chosen = [catalogue.assignment(name)] if name else catalogue.assignments
    places = [folder / each.name if len(chosen) > 1 else folder for each in chosen]
    try:
        if len(chosen) > 1:
            folder.mkdir(parents=True)
        for each, place in zip(chosen, places, strict=True):
            shutil.copytree(each.release, place, ignore=shutil.ignore_patterns(".*"))
    except FileExistsError:
        raise ContentError(f"{folder} is there already. Give another name: `autograder new NAME`.") from None
    except OSError as error:
        is_closed = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        step = (
            "Give a path that you can write to: `autograder new PATH`"
            if is_closed
            else "Give another name: `autograder new NAME`"
        )
        raise ContentError(f"{folder} cannot be made ({error.strerror}). {step}.") from None
    return [path for place in places for path in sorted(place.glob("*.ipynb"))]


def reset_cell(path: Path, name: str, catalogue: Catalogue | None = None) -> Path:
    """Puts back the released cell of this name, and gives the file that keeps what stood there.

    Raises ContentError where there is no such cell in the release or in the file, or no work in it to take out.
    """
    origin = (catalogue or default()).origin(path, read_cells(path))
    released = next((cell for cell in (origin.given(path) if origin else ()) if cell.id == name), None)
    if released is None:
        reason = f"{path} was not made from a released notebook with a cell `{name}`"
        raise ContentError(f"{reason}, so nothing can be put back. `autograder new NAME` makes a folder of those.")
    notebook = load(path)
    nodes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell_of(cell).id == name]
    if not nodes and name in text_cells(notebook):
        raise ContentError(f"the cell `{name}` in {path} is a text cell now. In JupyterLab choose it and press `y`, then save.")
    if not nodes:
        raise ContentError(f"{path} has no cell `{name}` any more. Copy it from the release: `autograder new NAME`.")
    texts = [text for cell in nodes if (text := cell_of(cell).source).strip() != released.source.strip()]
    if not texts:
        raise ContentError(f"the cell `{name}` in {path} is as it was released already.")
    for cell in nodes:
        cell.update(source=released.source.splitlines(keepends=True), outputs=[], execution_count=None)
    try:
        kept = _free(path.parent / BACKUP, f"{path.stem}-{name}")
        kept.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
        files.replace(path, json.dumps(notebook, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise ContentError(f"{path} was not changed ({error}). Its folder has to be one that can be written.") from None
    return kept


def _free(folder: Path, stem: str) -> Path:
    """The path of a file that is not there yet."""
    folder.mkdir(exist_ok=True)
    moment = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    paths = (folder / f"{stem}-{moment}{suffix}.py" for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
    return next(path for path in paths if not path.exists())
