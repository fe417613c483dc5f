"""The one writer to nbgrader's gradebook: the rows of many submissions in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nbgrader.api import (
    Comment,
    Grade,
    Gradebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    new_uuid,
)
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import Connection, bindparam, create_engine, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from autograder.errors import AutograderError
from autograder.grading import disk
from autograder.grading.notebook_job import GradedNotebook

GRADEBOOK_SECONDS = 60.0
"""Seconds that a gradebook may be out of reach."""
PAUSE = 1.0
"""Seconds between two attempts to write."""

Columns = dict[str, Any]


class GradebookError(AutograderError):
    """A gradebook that cannot be written."""


@dataclass(frozen=True)
class Marks:
    """What is written of a submission: when it was handed in, and the outcomes by notebook, None for one that was not."""

    student: str
    timestamp: datetime | None
    notebooks: Mapping[str, GradedNotebook | None]


class Writer:
    """Writes to the gradebook what nbgrader would write, for many submissions at once.

    `notebooks` are the ids of the assignment's notebooks and `points` the most that each gives, both by name. `on_trouble`
    is called with what keeps the writer from writing, and with an empty text once that is over.
    """

    def __init__(
        self,
        gradebook: Gradebook,
        assignment: str,
        penalties: AssignLatePenalties | None,
        on_trouble: Callable[[str], object] = lambda trouble: None,
    ) -> None:
        row = gradebook.find_assignment(assignment)
        self._assignment = row.id
        self._has_duedate = row.duedate is not None
        self.notebooks = {notebook.name: notebook.id for notebook in row.notebooks}
        self.points = {notebook.name: notebook.max_score for notebook in row.notebooks}
        self._cells: dict[str, dict[Any, dict[str, str]]] = {}
        for notebook in row.notebooks:
            tasks = {cell.name: cell.id for cell in notebook.task_cells}
            self._cells[notebook.name] = {
                Grade: tasks | {cell.name: cell.id for cell in notebook.grade_cells},
                Comment: tasks | {cell.name: cell.id for cell in notebook.solution_cells},
            }
        self._penalties = penalties
        self._on_trouble = on_trouble
        self._engine = create_engine(gradebook.engine.url, pool_pre_ping=True)

    def write(self, marks: Sequence[Marks]) -> None:
        """Writes all of it or nothing.

        Raises GradebookError if the gradebook is out of reach for GRADEBOOK_SECONDS, and DiskFullError at once.
        """
        deadline = time.monotonic() + GRADEBOOK_SECONDS
        trouble = ""
        while True:
            try:
                with self._engine.begin() as connection:
                    self._write(connection, marks)
                break
            except DBAPIError as error:
                disk.refuse(error, "")
                trouble = str(error.orig).strip().split("\n")[0]
                if time.monotonic() > deadline:
                    raise GradebookError(
                        f"the gradebook has been out of reach for {GRADEBOOK_SECONDS:g} s: {trouble}. "
                        "What was written before is kept: run the command again when the gradebook is there."
                    ) from None
                self._on_trouble(trouble)
                time.sleep(PAUSE)
        if trouble:
            self._on_trouble("")

    def close(self) -> None:
        self._engine.dispose()

    def _write(self, connection: Connection, marks: Sequence[Marks]) -> None:
        of_student = {each.student: each for each in marks}
        known = set(connection.scalars(select(Student.id).where(Student.id.in_(of_student))))
        _insert(connection, Student, ({"id": student} for student in of_student.keys() - known))
        submissions = self._submissions(connection, of_student)
        notebooks = self._submitted_notebooks(connection, submissions)
        graded = {
            notebooks[submissions[each.student], name]: (name, outcome)
            for each in marks
            for name, outcome in each.notebooks.items()
        }
        names = {row: name for (_, name), row in notebooks.items()}
        self._fill(connection, Grade, names, graded)
        self._fill(connection, Comment, names, graded)
        if self._penalties is not None:
            self._penalise(connection, [row for row, (_, outcome) in graded.items() if outcome is not None])

    def _submissions(self, connection: Connection, marks: Mapping[str, Marks]) -> dict[str, str]:
        """The ids of the submissions by student. Missing ones are inserted, and the others get the new time."""
        columns = select(SubmittedAssignment.student_id, SubmittedAssignment.id)
        mine = SubmittedAssignment.assignment_id == self._assignment, SubmittedAssignment.student_id.in_(marks)
        known = {row.student_id: row.id for row in connection.execute(columns.where(*mine))}
        new = {student: new_uuid() for student in marks if student not in known}
        _insert(
            connection,
            SubmittedAssignment,
            (
                {"id": row, "assignment_id": self._assignment, "student_id": student, "timestamp": marks[student].timestamp}
                for student, row in new.items()
            ),
        )
        stamped = ({"row": row, "timestamp": stamp} for student, row in known.items() if (stamp := marks[student].timestamp))
        _update(connection, SubmittedAssignment, stamped)
        return known | new

    def _submitted_notebooks(self, connection: Connection, submissions: Mapping[str, str]) -> dict[tuple[str, str], str]:
        """The ids of submitted notebooks by submission and name. Missing ones are inserted, also for notebooks not graded."""
        columns = select(SubmittedNotebook.assignment_id, SubmittedNotebook.notebook_id, SubmittedNotebook.id)
        rows = connection.execute(columns.where(SubmittedNotebook.assignment_id.in_(submissions.values())))
        names = {row: name for name, row in self.notebooks.items()}
        found = {(submission, names[notebook]): row for submission, notebook, row in rows if notebook in names}
        new = {
            (submission, name): new_uuid()
            for submission in submissions.values()
            for name in self.notebooks
            if (submission, name) not in found
        }
        _insert(
            connection,
            SubmittedNotebook,
            (
                {"id": row, "assignment_id": submission, "notebook_id": self.notebooks[name]}
                for (submission, name), row in new.items()
            ),
        )
        return found | new

    def _fill(
        self,
        connection: Connection,
        kind: Any,
        names: Mapping[str, str],
        graded: Mapping[str, tuple[str, GradedNotebook | None]],
    ) -> None:
        """Writes rows of one kind, Grade or Comment. Missing ones are inserted; only those of graded notebooks change.

        nbgrader too makes the rows of all cells together with the submission.
        """
        columns = [kind.id, kind.notebook_id, kind.cell_id, *([kind.manual_score] if kind is Grade else [])]
        rows = connection.execute(select(*columns).where(kind.notebook_id.in_(names)))
        known = {(row[1], row[2]): row for row in rows}
        inserted, updated = [], []
        for notebook, name in names.items():
            outcome = graded[notebook][1] if notebook in graded else None
            for cell, cell_id in self._cells[name][kind].items():
                row = known.get((notebook, cell_id))
                values: Columns = {}
                if notebook in graded:
                    values = _grade(outcome, cell, row) if kind is Grade else _comment(outcome, cell)
                if row is None:
                    inserted.append({"id": new_uuid(), "notebook_id": notebook, "cell_id": cell_id, **NEW_ROWS[kind], **values})
                elif values:
                    updated.append({"row": row[0], **values})
        _insert(connection, kind, inserted)
        _update(connection, kind, updated)

    def _penalise(self, connection: Connection, notebooks: Iterable[str]) -> None:
        """Writes late penalties as nbgrader's own AssignLatePenalties does; its plugin says how much."""
        rule: Any = self._penalties
        rule.init_plugin()
        penalties = []
        with Session(connection) as session:
            for row in notebooks:
                penalty = None
                if self._has_duedate:
                    notebook = session.get_one(SubmittedNotebook, row)
                    late = notebook.assignment.total_seconds_late
                    if late > 0:
                        penalty = rule.plugin_inst.late_submission_penalty(notebook.student.id, notebook.score, late)
                    if penalty is not None:
                        penalty = rule._check_late_penalty(notebook, penalty)
                penalties.append({"row": row, "late_submission_penalty": penalty})
        _update(connection, SubmittedNotebook, penalties)


NEW_ROWS: dict[Any, Columns] = {Grade: {"auto_score": None, "needs_manual_grade": True}, Comment: {"auto_comment": None}}
"""What a row has before its notebook is graded."""


def _grade(outcome: GradedNotebook | None, cell: str, row: Any) -> Columns:
    if outcome is None:  # nothing was handed in
        return {"auto_score": 0, "needs_manual_grade": False}
    if cell not in outcome.grades:
        return {}
    score = outcome.grades[cell]
    # as nbgrader does: who graded the cell by hand has to look again, since the answer may be another one
    return {"auto_score": score, "needs_manual_grade": score is None or (row is not None and row[3] is not None)}


def _comment(outcome: GradedNotebook | None, cell: str) -> Columns:
    return {} if outcome is None or cell not in outcome.comments else {"auto_comment": outcome.comments[cell]}


def _insert(connection: Connection, kind: Any, rows: Iterable[Columns]) -> None:
    if listed := list(rows):
        connection.execute(insert(kind), listed)


def _update(connection: Connection, kind: Any, rows: Iterable[Columns]) -> None:
    """Updates rows. Each has its id as `row`, and all have the same columns."""
    if listed := list(rows):
        connection.execute(update(kind.__table__).where(kind.id == bindparam("row")), listed)
