"""Grades notebooks, or only examines them, in a warm process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from autograder.client import Client
from autograder.opening import Cells, opening
from autograder.order import Assignment, Order, Outcome
from autograder.paper import Paper, Role, Task
from autograder.transcript import outputs

OTHERS = 3
"""After so many notebooks that begin otherwise than their assignment nothing of it is run ahead."""


@lru_cache
def _opening(assignment: bytes) -> Cells:
    """What a notebook begins with that is handed in as it was released."""
    originals = Assignment.of(assignment).master.originals.values()
    cells = [cell for cell in originals if cell.cell_type == "code" and cell.source.strip()]
    roles = [Role.LOCKED if cell.locked and not (cell.solution or cell.grade) else Role.STUDENT for cell in cells]
    return opening(Task(cell.grade_id, role, cell.source) for cell, role in zip(cells, roles, strict=True))


class Grader(Client):
    """A client that sends whole notebooks; the rest is as for `tell`."""

    def __init__(self, sandbox: bool = True, converts: bool = False) -> None:
        super().__init__(sandbox, converts)
        self._others = Counter[bytes]()
        """How many notebooks of an assignment began otherwise than it does."""

    def examine(self, paper: Paper, folder: Path, course: Path, environment: Mapping[str, str]) -> dict[str, Any]:
        """The outputs of each cell of a notebook, notes, and seconds."""
        told = self.tell(paper, paper.limits, folder, course, environment, opening(paper.tasks))
        return {**told, "outputs": outputs(told["messages"], [task.role for task in paper.tasks])}

    def grade(self, order: Order, folder: Path, course: Path, environment: Mapping[str, str]) -> Outcome:
        """The outcome of a whole notebook."""
        ahead = _opening(order.assignment) if self._others[order.assignment] < OTHERS else []
        told = self.tell(order, order.limits, folder, course, environment, ahead)
        if told.get("again"):
            self._others[order.assignment] += 1
            told = self.tell(order, order.limits, folder, course, environment, [])
        return Outcome(**told)
