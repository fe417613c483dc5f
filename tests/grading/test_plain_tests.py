"""Ordinary tests give the marks that stock nbgrader gives: each row is graded by both, in the same run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_notebook
from nbgrader.api import Gradebook

from autograder.grading.classroom import Options, grade_class
from autograder.lint.linter import lint
from autograder.terminal import Terminal
from benchmarks.grading import STOCK
from scripts.submissions import ROOT, graded_cell
from tests.support.classes import KERNEL, inside
from tests.support.commands import nbgrader
from tests.support.plain import ROWS, SETUP, Row
from tests.support.rooms import linux

pytestmark = [linux, pytest.mark.timeout(600)]

ASSIGNMENT = "plain"
SLOW = "time-out"
"""The kind of rows that have a notebook of their own."""
Marks = dict[tuple[str, str], float | None]
"""The marks that the grader gave, by student and test."""


def source(rows: Sequence[Row], setup: str) -> nbformat.NotebookNode:
    cells = [graded_cell("setup", setup, locked=True)]
    for row in rows:
        hidden = f"\n### BEGIN HIDDEN TESTS\n{row.hidden}\n### END HIDDEN TESTS" if row.hidden else ""
        if row.given:
            cells.append(graded_cell(f"given-{row.name}", row.given, locked=True))
        solution = f"### BEGIN SOLUTION\n{row.right}\n### END SOLUTION"
        cells.append(graded_cell(row.name, solution, solution=True))
        test = f"{row.shown}{hidden}".lstrip("\n")
        cells.append(graded_cell(f"test-{row.name}", test, grade=True, locked=True, points=2))
    return new_notebook(cells=cells, metadata=KERNEL)


def make_course(folder: Path) -> Path:
    """A course with two notebooks, handed in by one student who is right in all of it, and one who is wrong."""
    (folder / "source" / ASSIGNMENT).mkdir(parents=True)
    fast = source([row for row in ROWS if row.kind != SLOW], SETUP)
    slow = source([row for row in ROWS if row.kind == SLOW], "pass")
    nbformat.write(fast, folder / "source" / ASSIGNMENT / "rows.ipynb")
    nbformat.write(slow, folder / "source" / ASSIGNMENT / "slow.ipynb")
    (folder / "source" / ASSIGNMENT / "helper.py").write_text("def triple(x):\n    return 3 * x\n")
    (folder / "source" / ASSIGNMENT / "data.txt").write_text("1\n2\n3\n")
    (folder / "nbgrader_config.py").write_text((ROOT / "nbgrader_config.py").read_text(encoding="utf-8"), encoding="utf-8")
    nbgrader(folder, "generate_assignment", ASSIGNMENT)
    for student in ("right", "wrong"):
        answers = {row.name: getattr(row, student) for row in ROWS}
        place = folder / "submitted" / student / ASSIGNMENT
        shutil.copytree(folder / "release" / ASSIGNMENT, place)
        for path in place.glob("*.ipynb"):
            nb = nbformat.read(path, as_version=4)
            for cell in nb.cells:
                cell.source = answers.get(cell.id, cell.source)
            nbformat.write(nb, path)
    return folder


def marks(course: Path) -> Marks:
    with Gradebook(f"sqlite:///{course}/gradebook.db", course_id="backprop-ninja") as gradebook:
        return {
            (submission.student.id, grade.cell.name): grade.auto_score
            for submission in gradebook.assignment_submissions(ASSIGNMENT)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def by_nbgrader(course: Path) -> Marks:
    """Only the notebook about time-outs has a short one: others may have to load torch within theirs."""
    nbgrader(course, "autograde", ASSIGNMENT, "--notebook=rows", "--Execute.timeout=120")
    nbgrader(course, "autograde", ASSIGNMENT, "--notebook=slow", "--Execute.timeout=4", "--force")
    return marks(course)


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A course for stock nbgrader, one for nbgrader with our preprocessors, and one for `autograder grade`."""
    folder = tmp_path_factory.mktemp("courses")
    courses = {"nbgrader": make_course(folder / "nbgrader")}
    for name, config in (("stock", STOCK), ("grade", "\nc.Execute.timeout = 8\n")):
        courses[name] = Path(shutil.copytree(folder / "nbgrader", folder / name))
        with (courses[name] / "nbgrader_config.py").open("a", encoding="utf-8") as file:
            file.write(config)
    return courses


@pytest.fixture(scope="module")
def found(courses: dict[str, Path]) -> dict[str, Marks]:
    """The marks that stock nbgrader gives, and `autograder grade`."""
    with inside(courses["grade"]):
        grade_class(ASSIGNMENT, Options(jobs=2), Terminal(quiet=True))
    return {"stock": by_nbgrader(courses["stock"]), "grade": marks(courses["grade"])}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}-{row.name}")
def test_marks_are_those_of_stock_nbgrader(row: Row, found: dict[str, Marks]) -> None:
    given = {by: tuple(theirs[student, f"test-{row.name}"] for student in ("right", "wrong")) for by, theirs in found.items()}
    assert given == {"stock": row.marks, "grade": row.marks}


@pytest.mark.long
def test_nbgrader_with_our_preprocessors_gives_the_same(courses: dict[str, Path]) -> None:
    given = by_nbgrader(courses["nbgrader"])
    assert given == {
        (student, f"test-{row.name}"): points
        for row in ROWS
        for student, points in zip(("right", "wrong"), row.marks, strict=True)
    }


def test_lint_says_what_stock_nbgrader_would(found: dict[str, Marks], courses: dict[str, Path]) -> None:
    """It finds those model answers, and no others, to which stock nbgrader gives nothing, and names all ordinary tests."""
    course = courses["nbgrader"]
    before = sorted(path.name for path in (course / "source" / ASSIGNMENT).iterdir())
    report = lint(course / "source" / ASSIGNMENT, course / "release" / ASSIGNMENT, course)
    failing = {finding.cell for finding in report.findings if "the model answer fails" in finding.problem}
    assert failing == {f"test-{row.name}" for row in ROWS if not row.marks[0]}
    assert {name for names in report.plain.values() for name in names} == {f"test-{row.name}" for row in ROWS}
    assert sorted(path.name for path in (course / "source" / ASSIGNMENT).iterdir()) == before
