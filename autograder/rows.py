"""The rows of nbgrader's gradebook that its preprocessors ask for, for processes that have no gradebook."""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

from nbgrader.api import Gradebook, MissingEntry

from autograder.master import Master


class Rows:
    """One student's rows of one notebook, with the part of `Gradebook` that preprocessors use.

    `grades` and `comments` are what they wrote, by the names of the cells.
    """

    def __init__(self, master: Master) -> None:
        cells = [
            SimpleNamespace(name=name, max_score=cell.points, **{key: getattr(cell, key) for key in SOURCE})
            for name, cell in master.originals.items()
        ]
        self._cells = {cell.name: cell for cell in cells}
        roles = {role: [cell for cell in cells if getattr(master.originals[cell.name], role)] for role in ROLES}
        self._graded = {cell.name: cell for cell in (*roles["grade"], *roles["task"])}
        self._notebook = SimpleNamespace(
            kernelspec=master.kernelspec,
            source_cells=cells,
            **{f"{name}_cells": roles[role] for role, name in ROLES.items()},
        )
        empty = {"auto_score": None, "manual_score": None, "needs_manual_grade": True}
        self.grades: defaultdict[str, SimpleNamespace] = defaultdict(lambda: SimpleNamespace(**empty))
        self.comments: defaultdict[str, SimpleNamespace] = defaultdict(lambda: SimpleNamespace(auto_comment=None))
        self.db = self

    def take_the_place_of_the_gradebook(self) -> None:
        """Whatever opens a gradebook in this process from now on gets these rows."""
        for module in keepers():
            module.Gradebook = lambda *_, **__: self  # type: ignore[attr-defined]

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """As a gradebook has it; nothing is to be done."""

    commit = close

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


@cache
def keepers() -> list[ModuleType]:
    """The modules that know nbgrader's gradebook."""
    return [module for module in [*sys.modules.values()] if vars(module).get("Gradebook") is Gradebook]


SOURCE = ("cell_type", "source", "checksum", "locked")
ROLES = {"grade": "grade", "solution": "solution", "task": "task"}


def _found(cells: dict[str, SimpleNamespace], name: str) -> SimpleNamespace:
    if name not in cells:
        raise MissingEntry(f"No such cell: {name}")
    return cells[name]
