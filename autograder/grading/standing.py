"""How a class stands: what is graded, what a person has to see to, and what a person did. It is read off what grading left.

The marks are those of the gradebook. What was said of a notebook is in the metadata of its record, which is put in its place
together with the marks. What is to be said of a submission's folder is seen there again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from os.path import lexists
from pathlib import Path
from typing import Any

from nbgrader.api import BaseCell, Grade, Gradebook, Notebook, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import select

from autograder.course.cells import Cell, Role, cell_of, grade_id, is_blank
from autograder.course.questions import PRACTICE, has_line
from autograder.grading.course import Course
from autograder.grading.folders import is_text
from autograder.grading.master import Master
from autograder.grading.salvage import FAILURES, NOTES
from autograder.grading.submission import State, read_submission, state_of
from autograder.notebook.box import VERDICT_JSON
from autograder.terminal import one_line
from autograder.verdict import Outcome

UNEXAMINED = (
    "It was not examined: its cells ran outside of a room, where they can replace `check` and `grade`, or did not run. "
    "Grade it again with --force; `autograder lint` says what the configuration lacks."
)
"""Of a record that Examine did not make."""
OTHER_TESTS = "Graded with other tests or points than the assignment has now, in {}. Grade it again with --force."
FEW = 3
"""Cells that are named of those with other tests."""
AT_ONCE = 500
"""Submissions whose marks are in memory at once."""


@dataclass
class Standing:
    """How a submission stands. A person has to see to its `failures`; `notes` are for information.

    `points`, of `most`, are those of the gradebook without the penalty, and `notebooks` has those of each. Of its `answers`,
    without those for practice, so many are `right` by their tests, and so many were `attempted`. `late` is in seconds.
    `by_hand` says which marks a person changed, and `waiting` which cells wait for a person to grade them.
    """

    student: str
    state: State
    points: float = 0
    most: float = 0
    notebooks: dict[str, float] = field(default_factory=dict)
    right: int = 0
    attempted: int = 0
    answers: int = 0
    late: float = 0
    penalty: float = 0
    by_hand: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def remarks(self) -> Iterator[str]:
        """What is to be known of its marks."""
        if self.late:
            yield f"Late by {_duration(self.late)}: {f'{self.penalty:g} points off' if self.penalty else 'no points off'}."
        if self.by_hand:
            yield f"Changed by hand: {', '.join(self.by_hand)}."
        if self.waiting:
            yield f"To grade by hand: {', '.join(self.waiting)}."


@dataclass
class _Marks:
    """What the gradebook has of a submission: its rows of grades by notebook and cell."""

    late: float = 0
    penalty: float = 0
    grades: dict[tuple[str, str], Any] = field(default_factory=dict)


def standings(course: Course) -> Iterator[Standing]:
    """How all submissions of the assignment stand, in the order of the students. Raises CourseError."""
    masters, students = course.masters, sorted(course.everybody())
    with course.gradebook() as gradebook:
        for start in range(0, len(students), AT_ONCE):
            some = students[start : start + AT_ONCE]
            marks = _marks(gradebook, course, some)
            for student in some:
                yield _standing(course, masters, student, marks[student])


def absent(course: Course) -> list[str]:
    """The students of the gradebook who handed in nothing."""
    with course.gradebook() as gradebook:
        known = {student.id for student in gradebook.students}
    return sorted(known - course.everybody())


def _standing(course: Course, masters: Mapping[str, Master], student: str, marks: _Marks) -> Standing:
    standing = Standing(one_line(student), state_of(course, student, masters))
    folder = course.submitted(student)
    if lexists(folder):
        try:
            handed_in = read_submission(course, student)
        except (OSError, ValueError) as error:
            standing.failures.append(f"The submission cannot be read: {error}.")
        else:
            standing.failures += handed_in.failures
            standing.notes += handed_in.notes
            if standing.state is not State.GRADED and not handed_in.cannot_be_graded:
                standing.failures.append(f"{DUE[standing.state]}: autograder grade {course.assignment}")
            elif standing.state is State.GRADED:
                again = f"autograder grade {course.assignment} --force --student {standing.student}"
                left_out = (
                    f"`{one_line(path.name)}` was not graded, since its name is not `{name}.ipynb`: {again}"
                    for name, path in handed_in.notebooks.items()
                    if not lexists(course.autograded(student) / f"{name}.ipynb")
                )
                standing.failures += left_out
    standing.late, standing.penalty = marks.late, marks.penalty
    for name, master in masters.items():
        _add_notebook(standing, name, master, course.autograded(student) / f"{name}.ipynb", marks)
    return standing


DUE = {State.NOT_GRADED: "Not graded yet", State.ANEW: "Handed in anew since it was graded"}


def _add_notebook(standing: Standing, name: str, master: Master, record: Path, marks: _Marks) -> None:
    tests = [cell for cell in master.originals.values() if cell.role is Role.TEST and not has_line(cell.source, PRACTICE)]
    standing.most += sum(cell.points or 0 for cell in master.originals.values())
    standing.answers += len(tests)
    if not lexists(record):
        return
    grades = {cell: row for cell in master.originals if (row := marks.grades.get((name, cell)))}
    standing.notebooks[name] = sum(row.score for row in grades.values())
    standing.points += standing.notebooks[name]
    for cell, row in grades.items():
        if row.auto_score is not None and row.manual_score not in (None, row.auto_score):
            standing.by_hand.append(f"{row.manual_score:g} for {row.auto_score:g} in `{cell}` of {name}")
        if row.extra_credit:
            standing.by_hand.append(f"{row.extra_credit:+g} extra in `{cell}` of {name}")
    if waiting := [f"`{cell}`" for cell, row in grades.items() if row.needs_manual_grade]:
        standing.waiting.append(f"{name} ({', '.join(waiting)})")
    right = {test.id for test in tests if test.id in grades and (grades[test.id].auto_score or 0) >= (test.points or 0) > 0}
    standing.right += len(right)
    try:
        cells, said = _read_record(record)
        attempted = _attempted(cells, master.originals)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        standing.failures.append(f"{name}: The record cannot be read ({error}). Grade it again with --force.")
        return
    standing.attempted += len(right | attempted & {test.id for test in tests})
    if changed := [f"`{id}`" for id, test in master.originals.items() if test.points and _is_other(test, cells.get(id))]:
        few = ", ".join(changed[:FEW]) + (f" and {len(changed) - FEW} more" if len(changed) > FEW else "")
        standing.failures.append(f"{name}: {OTHER_TESTS.format(few)}")
    failures = [*said.get(FAILURES, []), *([] if "flags" in said else [UNEXAMINED])]
    standing.failures += [f"{name}: {failure}" for failure in failures]
    notes = [*said.get("restored", []), *said.get("notes", [])]
    standing.notes += [f"{name}: {note}" for note in notes if note not in failures]


def _is_other(test: Cell, cell: Mapping[str, Any] | None) -> bool:
    """Whether a record has other points for a test than the gradebook has now, or another test."""
    if cell is None:
        return False
    found = cell_of(cell)
    return found.points != test.points or (test.role is Role.TEST and found.source.strip() != test.source.strip())


def _read_record(record: Path) -> tuple[dict[str, Mapping[str, Any]], Mapping[str, Any]]:
    """The cells of a record by nbgrader's names, and what grading said of it."""
    content = json.loads(record.read_bytes())
    return {name: cell for cell in content["cells"] if (name := grade_id(cell))}, content["metadata"].get(NOTES, {})


def _attempted(cells: Mapping[str, Mapping[str, Any]], originals: Mapping[str, Cell]) -> set[str]:
    """The tests whose answers were attempted: by their verdicts, or else by the text of the last answer above the test."""
    attempted = set[str]()
    answer: Cell | None = None
    for name, original in originals.items():
        answer = original if original.solves else answer
        if original.role is Role.TEST and name in cells and _is_attempted(cells[name], answer, cells):
            attempted.add(name)
    return attempted


def _is_attempted(test: Mapping[str, Any], answer: Cell | None, cells: Mapping[str, Mapping[str, Any]]) -> bool:
    if outcomes := {*_outcomes(test)}:
        return bool(outcomes - {Outcome.NOT_ATTEMPTED})
    return answer is not None and answer.id in cells and not is_blank(cell_of(cells[answer.id]), answer.source)


def _outcomes(test: Mapping[str, Any]) -> Iterator[str]:
    for output in test.get("outputs", []):
        if verdict := output.get("data", {}).get(VERDICT_JSON):
            yield verdict["outcome"]


def _marks(gradebook: Gradebook, course: Course, students: Sequence[str]) -> Mapping[str, _Marks]:
    """What the gradebook has of some submissions."""
    found = defaultdict[str, _Marks](_Marks)
    assignment = gradebook.find_assignment(course.assignment)
    mine = SubmittedAssignment.assignment_id == assignment.id, SubmittedAssignment.student_id.in_(filter(is_text, students))

    def rows(*columns: Any, joined: Iterable[Any] = ()) -> Any:
        query = select(SubmittedAssignment.student_id, *columns).where(*mine)
        for each in joined:
            query = query.join(*each)
        return gradebook.db.execute(query)

    for row in rows(SubmittedAssignment.timestamp, SubmittedAssignment.extension):
        if row.timestamp and assignment.duedate:
            due = assignment.duedate + (row.extension or timedelta())
            found[row.student_id].late = max(0.0, (row.timestamp - due).total_seconds())
    notebooks = [(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)]
    for row in rows(SubmittedNotebook.late_submission_penalty, joined=notebooks):
        found[row.student_id].penalty += row.late_submission_penalty or 0
    cell = BaseCell.__table__
    joined = [
        *notebooks,
        (Notebook, Notebook.id == SubmittedNotebook.notebook_id),
        (Grade, Grade.notebook_id == SubmittedNotebook.id),
        (cell, cell.c.id == Grade.cell_id),
    ]
    marks = Grade.auto_score, Grade.manual_score, Grade.extra_credit, Grade.needs_manual_grade
    for row in rows(
        Notebook.name.label("notebook"), cell.c.name.label("cell"), Grade.score.label("score"), *marks, joined=joined
    ):
        found[row.student_id].grades[row.notebook, row.cell] = row
    return found


def _duration(seconds: float) -> str:
    """Such as `3 h 30 min` or `2 days 1 h`."""
    days, hours, minutes = int(seconds // 86400), int(seconds // 3600 % 24), int(seconds // 60 % 60)
    parts = [(days, "days" if days > 1 else "day"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{count} {unit}" for count, unit in [part for part in parts if part[0]][:2]) or f"{seconds:.0f} s"
