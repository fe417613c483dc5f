"""A notebook as the instructor made it: its cells in the release and in the gradebook, and what its solutions are there for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.nbgraderformat import SCHEMA_VERSION

from autograder.course import notebooks
from autograder.course.cells import Cell, cells_of, grade_id, imports_of, load, role_of, settings, tags
from autograder.course.questions import models_of
from autograder.errors import ContentError
from autograder.replay import parsed


@dataclass(frozen=True)
class Master:
    """A notebook of an assignment, as the gradebook, the release and the instructor's own folder have it.

    `answers` are the names that the instructor's solution cells bind, by the ids of the cells; `imports` are the instructor's
    import statements, by what they bind; `models` are the instructor's answers to asks. `is_current` says whether the
    release is of this version of nbgrader.
    """

    originals: Mapping[str, Cell]
    kernelspec: str | None
    answers: Mapping[str, frozenset[str]]
    imports: Mapping[str, str]
    is_current: bool
    models: Mapping[str, str] = field(default_factory=dict)


def read_master(gradebook: Gradebook, course: Any, assignment: str, name: str) -> Master:
    """The notebook of this name. `course` is nbgrader's CourseDirectory, or None if it is not known.

    Raises MissingEntry where the gradebook has no such notebook.
    """
    row = gradebook.find_notebook(name, assignment)
    release, answers, imports, models = {}, dict[str, frozenset[str]](), dict[str, str](), dict[str, str]()
    if course is not None:
        release = _released(Path(course.format_path(course.release_directory, ".", assignment), f"{name}.ipynb"))
        answers, imports, models = _own(Path(course.format_path(course.source_directory, ".", assignment), f"{name}.ipynb"))
    is_current = all(settings(cell).get("schema_version") == SCHEMA_VERSION for cell in release.values())
    return Master(known(row, release), row.kernelspec, answers, imports, is_current, models)


def master_from(own: Mapping[str, Cell]) -> Master:
    """The notebook of an instructor, from its own cells by grade_id alone, as it would be once it is released."""
    cells = list(own.values())
    return Master(own, None, _answers(cells), imports_of(cells), is_current=True, models=models_of(cells))


def known(notebook: Any, release: Mapping[str, Any]) -> dict[str, Cell]:
    """The cells of a notebook of the gradebook by grade_id, in the order of the release.

    The gradebook has no order: where the release does not have all of the cells, it is the one in which the database
    returns the rows, which for SQLite is that of the release when it was first generated.
    """
    graded = {cell.name: cell.max_score for cell in notebook.grade_cells}
    tasks = {cell.name: cell.max_score for cell in notebook.task_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    cells = {cell.name: cell for cell in notebook.source_cells}
    complete = cells.keys() <= release.keys()
    return {
        name: Cell(
            id=name,
            role=role_of(name in graded, name in solutions, bool(cells[name].locked)),
            source=cells[name].source or "",
            solves=name in solutions,
            points=graded.get(name, tasks.get(name)),
            checksum=cells[name].checksum,
            cell_type=cells[name].cell_type,
            task=name in tasks,
            tags=tags(release[name]) if complete else None,
        )
        for name in (release if complete else cells)
        if name in cells
    }


def _released(file: Path) -> dict[str, Any]:
    """nbgrader's cells in the released file by grade_id, in order. Empty if there is no such file."""
    try:
        return {name: cell for cell in load(file)["cells"] if (name := grade_id(cell))}
    except (ContentError, LookupError, TypeError, AttributeError):
        return {}


Own = tuple[dict[str, frozenset[str]], dict[str, str], dict[str, str]]


def _own(source: Path) -> Own:
    """The answers, imports and models of the instructor's own notebook, where it is at hand."""
    try:
        return _read_own(source, source.stat().st_mtime_ns)
    except (OSError, ContentError):
        return {}, {}, {}


@lru_cache
def _read_own(source: Path, changed: int) -> Own:
    own = list(cells_of(notebooks.read(source)))
    return _answers(own), imports_of(own), models_of(own)


def _answers(own: Sequence[Cell]) -> dict[str, frozenset[str]]:
    """The names that the instructor's solution cells bind, by their ids."""
    return {cell.id: parsed.parse_cell(cell.source).touches for cell in own if cell.solves}
