"""A notebook as the instructor made it: its cells in the release and in the gradebook, and what its solutions are there for."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.nbgraderformat import SCHEMA_VERSION

from autograder import cell as cells
from autograder import notebook
from autograder.errors import ContentError

KEYS = {"schema_version", "grade", "locked", "solution", "task", "grade_id", "points", "checksum", "cell_type"}


@dataclass(frozen=True)
class Original:
    """A cell of the release. `tags` is None where the release is not at hand to say; `points` is None where it has none."""

    grade_id: str
    cell_type: str
    source: str
    checksum: str
    grade: bool
    solution: bool
    task: bool
    locked: bool
    points: float | None
    tags: tuple[str, ...] | None = None

    @property
    def is_test(self) -> bool:
        return self.grade and not self.solution

    def metadata(self) -> dict[str, Any]:
        """What nbgrader's metadata of the cell should be."""
        kept = {key: value for key, value in asdict(self).items() if key in KEYS and value is not None}
        return {**kept, "schema_version": SCHEMA_VERSION}

    def differing(self, metadata: Any) -> list[str]:
        """The keys that are not as they should be. What nbgrader does not look at may be anything that it accepts."""
        if not isinstance(metadata, dict):
            return sorted(self.metadata())
        expected = {"points": 0.0, **self.metadata()}
        unread = {"checksum", *(() if self.points is not None else ("points",))}  # nbgrader writes every checksum anew
        if self.grade or self.solution:
            unread.add("locked")  # follows from the others
        given = {"task": False, "points": 0.0, "cell_type": self.cell_type, "checksum": self.checksum, **metadata}
        wrong = {key for key in expected if not _equal(given.get(key), expected[key], key not in unread)}
        return sorted(wrong | (given.keys() - KEYS))


@dataclass(frozen=True)
class Master:
    """A notebook of an assignment, as the gradebook, the release and the instructor's own folder have it.

    `answers` are the names that the instructor's solution cells bind, by the ids of the cells; `imports` are the instructor's
    import statements, by what they bind. `is_current` says whether the release is of this version of nbgrader.
    """

    originals: Mapping[str, Original]
    kernelspec: str | None
    answers: Mapping[str, frozenset[str]]
    imports: Mapping[str, str]
    is_current: bool


def read_master(gradebook: Gradebook, course: Any, assignment: str, name: str) -> Master:
    """The notebook of this name. `course` is nbgrader's CourseDirectory, None where nobody knows it. Raises MissingEntry."""
    row = gradebook.find_notebook(name, assignment)
    release, answers, imports = {}, dict[str, frozenset[str]](), dict[str, str]()
    if course is not None:
        release = _released(Path(course.format_path(course.release_directory, ".", assignment), f"{name}.ipynb"))
        answers, imports = _own(Path(course.format_path(course.source_directory, ".", assignment), f"{name}.ipynb"))
    is_current = all(metadata["nbgrader"].get("schema_version") == SCHEMA_VERSION for metadata in release.values())
    return Master(known(row, release), row.kernelspec, answers, imports, is_current)


def known(notebook: Any, release: Mapping[str, Any]) -> dict[str, Original]:
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
        name: Original(
            grade_id=name,
            cell_type=cells[name].cell_type,
            source=cells[name].source or "",
            checksum=cells[name].checksum,
            grade=name in graded,
            solution=name in solutions,
            task=name in tasks,
            locked=bool(cells[name].locked),
            points=graded.get(name, tasks.get(name)),
            tags=tuple(release[name].get("tags", ())) if complete else None,
        )
        for name in (release if complete else cells)
        if name in cells
    }


def grade_id(cell: Mapping[str, Any]) -> str | None:
    """What nbgrader knows a cell by, if it does."""
    metadata = cell["metadata"].get("nbgrader")
    name = metadata.get("grade_id") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else None


def _released(file: Path) -> dict[str, Any]:
    """The metadata of nbgrader's cells in the released file by grade_id, in order. Empty if there is no such file."""
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        return {cell["metadata"]["nbgrader"]["grade_id"]: cell["metadata"] for cell in cells if grade_id(cell)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _own(source: Path) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    """The answers and imports of the instructor's own notebook, where it is at hand."""
    try:
        return _parts(source, source.stat().st_mtime_ns)
    except (OSError, ContentError):
        return {}, {}


@lru_cache
def _parts(source: Path, changed: int) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    own = list(notebook.code_cells(notebook.read(source)))
    return _answers(own), _imports(own)


def _answers(own: Iterable[NotebookNode]) -> dict[str, frozenset[str]]:
    """The names that the instructor's solution cells bind, by their ids."""
    solutions = (cell for cell in own if notebook.role(cell) == "solution")
    return {cell.metadata["nbgrader"]["grade_id"]: cells.read(cell.source).touches for cell in solutions}


def _imports(own: Iterable[NotebookNode]) -> dict[str, str]:
    """The import statements of the instructor's cells, by what they bind."""
    found: dict[str, str] = {}
    for cell in own:
        with suppress(SyntaxError, ValueError):
            for node in cells.tree(cell.source).body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    code = ast.unparse(node)
                    found |= dict.fromkeys(cells.bound(node), code)
    return found


def _equal(given: Any, expected: Any, to_the_letter: bool) -> bool:
    """Whether two values of JSON are equal, true not being 1, or at least of one kind."""
    if isinstance(expected, float):
        return type(given) in (int, float) and (given == expected if to_the_letter else given >= 0)
    return type(given) is type(expected) and (given == expected or not to_the_letter)
