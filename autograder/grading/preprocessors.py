"""nbgrader's preprocessors that ask its gradebook, with the rows of one notebook in its place.

nbgrader's own open the gradebook themselves, once each, and ask it for every cell; those here are given the rows. In a process
that has no gradebook they have to be. With a gradebook they read what they need of it once, and save in one transaction.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from jsonschema.validators import validator_for  # type: ignore[import-untyped]
from nbformat import NotebookNode
from nbgrader import preprocessors
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.nbgraderformat import SCHEMA_VERSION, MetadataValidator
from nbgrader.nbgraderformat.common import BaseMetadataValidator
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.course.cells import settings
from autograder.grading.master import Master
from autograder.grading.restore import master_of


class Rows:
    """One student's rows of one notebook, with the part of `Gradebook` that preprocessors use.

    `grades` and `comments` are what they wrote, by the names of the cells.
    """

    def __init__(self, master: Master) -> None:
        settings = {name: cell.settings(SCHEMA_VERSION) for name, cell in master.originals.items()}
        cells = [
            SimpleNamespace(
                name=name, source=cell.source, max_score=cell.points, **{key: settings[name][key] for key in SOURCE}
            )
            for name, cell in master.originals.items()
        ]
        self.kernelspec = master.kernelspec
        self._cells = {cell.name: cell for cell in cells}
        roles = {role: [cell for cell in cells if settings[cell.name][role]] for role in ROLES}
        self._graded = {cell.name: cell for cell in (*roles["grade"], *roles["task"])}
        self._notebook = SimpleNamespace(
            kernelspec=master.kernelspec,
            source_cells=cells,
            **{f"{role}_cells": roles[role] for role in ROLES},
        )
        empty = {"auto_score": None, "manual_score": None, "needs_manual_grade": True}
        self.grades: defaultdict[str, SimpleNamespace] = defaultdict(lambda: SimpleNamespace(**empty))
        self.comments: defaultdict[str, SimpleNamespace] = defaultdict(lambda: SimpleNamespace(auto_comment=None))
        self.db = self

    def commit(self) -> None:
        """Does nothing: the rows are read from `grades` and `comments`."""

    def find_notebook(self, name: str, assignment: str) -> Any:
        return self._notebook

    def find_source_cell(self, name: str, notebook: str, assignment: str) -> Any:
        return _found(self._cells, name)

    def find_graded_cell(self, name: str, notebook: str, assignment: str) -> Any:
        return _found(self._graded, name)

    def find_grade(self, name: str, notebook: str, assignment: str, student: str) -> Any:
        _found(self._graded, name)
        return self.grades[name]

    def find_comment(self, name: str, notebook: str, assignment: str, student: str) -> Any:
        _found(self._cells, name)
        return self.comments[name]


SOURCE = ("cell_type", "checksum", "locked")
ROLES = ("grade", "solution", "task")


def _found(cells: Mapping[str, Any], name: str) -> Any:
    if name not in cells:
        raise MissingEntry(f"No such cell: {name}")
    return cells[name]


class StudentRows:
    """A student's grades and comments of one notebook in the gradebook, read at once. The caller commits what changes."""

    def __init__(self, gradebook: Gradebook, about: Mapping[str, str]) -> None:
        notebook = gradebook.find_notebook(about["notebook"], about["assignment"])
        cells = (*notebook.grade_cells, *notebook.solution_cells, *notebook.task_cells)
        names = {cell.id: cell.name for cell in cells}
        submitted = gradebook.find_submission_notebook(about["notebook"], about["assignment"], about["student"])
        self._grades = {names[grade.cell_id]: grade for grade in submitted.grades}
        self._comments = {names[comment.cell_id]: comment for comment in submitted.comments}
        self.db = self

    def find_grade(self, name: str, notebook: str, assignment: str, student: str) -> Any:
        return _found(self._grades, name)

    def find_comment(self, name: str, notebook: str, assignment: str, student: str) -> Any:
        return _found(self._comments, name)

    def commit(self) -> None:
        """Does nothing: nbgrader would commit every cell by itself, and the caller commits all of them at the end."""


class OnRows(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader is untyped
    """A preprocessor that asks rows. In a process without a gradebook `rows` are set; elsewhere it reads them itself."""

    rows: Rows | None = None

    def _cells(self, nb: NotebookNode, resources: dict[str, Any], rows: object) -> tuple[NotebookNode, dict[str, Any]]:
        """Does what nbgrader's own does with each cell, which asks these rows."""
        about = resources["nbgrader"]
        self.notebook_id, self.assignment_id, self.student_id = about["notebook"], about["assignment"], about.get("student")
        self.gradebook = rows
        changed: tuple[NotebookNode, dict[str, Any]] = NbGraderPreprocessor.preprocess(self, nb, resources)
        return changed


class OverwriteKernelspec(OnRows, preprocessors.OverwriteKernelspec):  # type: ignore[misc]
    """Takes the place of nbgrader's own."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        rows = self.rows or Rows(master_of(self, resources["nbgrader"]))
        if rows.kernelspec is not None and (kernelspec := json.loads(rows.kernelspec)):
            nb.metadata["kernelspec"] = kernelspec
        return nb, resources


class OverwriteCells(OnRows, preprocessors.OverwriteCells):  # type: ignore[misc]
    """Takes the place of nbgrader's own."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        nb, resources = self._cells(nb, resources, self.rows or Rows(master_of(self, resources["nbgrader"])))
        if self.add_missing_cells:
            nb, resources = self.add_missing_grade_cells(nb, resources)
            nb, resources = self.add_missing_task_cells(nb, resources)
        return nb, resources


class SaveAutoGrades(OnRows, preprocessors.SaveAutoGrades):  # type: ignore[misc]
    """Takes the place of nbgrader's own."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        if self.rows is not None:
            return self._cells(nb, resources, self.rows)
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            nb, resources = self._cells(nb, resources, StudentRows(gradebook, about))
            gradebook.db.commit()
        return nb, resources


IN_PLACE_OF: dict[type, type] = {
    preprocessors.OverwriteKernelspec: OverwriteKernelspec,
    preprocessors.OverwriteCells: OverwriteCells,
    preprocessors.SaveAutoGrades: SaveAutoGrades,
}
"""nbgrader's own preprocessors, and the one of this module that takes the place of each."""


def on_rows(preprocessor: type) -> type:
    """The preprocessor that does the same without a gradebook. Raises LookupError where there is none."""
    found = IN_PLACE_OF.get(preprocessor, preprocessor)
    if not issubclass(found, OnRows) and issubclass(found, tuple(IN_PLACE_OF)):
        raise LookupError("it opens the gradebook itself")
    return found


class CheckCellMetadata(preprocessors.CheckCellMetadata):  # type: ignore[misc]  # nbgrader is untyped
    """Takes the place of nbgrader's own, with compiled schemas. What does not pass is left to nbgrader's own to explain."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        try:
            VALIDATOR.validate_nb(nb)
        except Exception:
            super().preprocess(nb, resources)
            raise  # nbgrader's own found nothing
        return nb, resources


class _Compiled(BaseMetadataValidator):  # type: ignore[misc]
    """Stands between nbgrader's validator, of whatever version, and its base: most cells need only the compiled schema."""

    @cached_property
    def _schema(self) -> Any:
        return validator_for(self.schema)(self.schema)

    def validate_cell(self, cell: NotebookNode) -> None:
        metadata = settings(cell)
        if metadata.get("schema_version") != self.schema_version or not self._schema.is_valid(metadata):
            super().validate_cell(cell)


class _Validator(MetadataValidator, _Compiled):  # type: ignore[misc]
    """Asks nbgrader's own only where the compiled schema does not fit."""


VALIDATOR = _Validator()
