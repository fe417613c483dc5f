"""Small classes: a course of two short notebooks, students who hand in all sorts of things, and what grading leaves behind."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import (
    BaseCell,
    Comment,
    Course,
    Grade,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import NullPool, create_engine, select

from autograder.grading import pool
from autograder.grading.classroom import ClassReport, Options, grade_class
from autograder.terminal import Terminal
from scripts import demo
from scripts.submissions import ROOT, graded_cell
from tests.support.commands import nbgrader

ASSIGNMENT = "work"
KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}

RIGHT = {"double": "def double(x):\n    return 2 * x", "essay": "Because.", "square": "def square(x):\n    return x * x"}
WRONG = {**RIGHT, "double": "def double(x):\n    return x + 2", "square": "def square(x):\n    raise ValueError(x)"}

LATE = """
c.AssignLatePenalties.plugin_class = "policy.HalfAPoint"
"""
POLICY = '''
from nbgrader.plugins import BasePlugin


class HalfAPoint(BasePlugin):
    """Half a point for every late hour, which may be more than there are."""

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return total_seconds_late / 7200
'''


def tested(name: str, shown: str, hidden: str) -> Any:
    source = f"{shown}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    return graded_cell(f"test-{name}", source, grade=True, locked=True, points=2)


def source() -> dict[str, Any]:
    """The instructor's notebooks."""

    def answer(name: str) -> Any:
        solution = RIGHT[name].replace("\n    ", "\n    ### BEGIN SOLUTION\n    ") + "\n    ### END SOLUTION"
        return graded_cell(name, solution, solution=True)

    essay = graded_cell("essay", "Why?", new_markdown_cell, grade=True, solution=True, points=1)
    task = graded_cell("task", "Do something.", new_markdown_cell, task=True, locked=True, points=3)
    first = [
        graded_cell("setup", "import helper\nscale = helper.SCALE", locked=True),
        answer("double"),
        tested("double", "assert double(scale) == 6", "assert double(4) == 8"),
        essay,
        task,
    ]
    second = [
        answer("square"),
        tested("square", "assert square(3) == 9", "assert square(-1) == 1"),
        new_code_cell("1 + 1", id="free"),
    ]
    return {"first": new_notebook(cells=first, metadata=KERNEL), "second": new_notebook(cells=second, metadata=KERNEL)}


def make_course(folder: Path, config: str = "") -> None:
    """A course whose assignment is generated, and to which nobody has handed in."""
    (folder / "source" / ASSIGNMENT).mkdir(parents=True)
    for name, nb in source().items():
        nbformat.write(nb, folder / "source" / ASSIGNMENT / f"{name}.ipynb")
    (folder / "source" / ASSIGNMENT / "helper.py").write_text("SCALE = 3\n")
    (folder / "policy.py").write_text(POLICY)
    (folder / "examiner.key").write_text("0" * 64)
    text = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    more = "\nc.Execute.timeout = 20\n"
    (folder / "nbgrader_config.py").write_text(text + more + config, encoding="utf-8")
    nbgrader(folder, "generate_assignment", ASSIGNMENT)


def hand_in(course: Path, student: str, answers: Mapping[str, str], stamp: str = "2026-01-02 10:00:00 UTC") -> Path:
    """The released notebooks with these answers; gives the folder."""
    folder = course / "submitted" / student / ASSIGNMENT
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((course / "release" / ASSIGNMENT).glob("*.ipynb")):
        nb = nbformat.read(path, as_version=4)
        for cell in nb.cells:
            cell.source = answers.get(cell.id, cell.source)
        nbformat.write(nb, folder / path.name)
    for path in (course / "release" / ASSIGNMENT).glob("*.py"):
        shutil.copy(path, folder)
    if stamp:
        (folder / "timestamp.txt").write_text(stamp)
    return folder


def marks(url: str) -> dict[str, list[Any]]:
    """All rows of a gradebook that grading is about, without their ids."""
    with create_engine(url, poolclass=NullPool).connect() as connection:

        def rows(*columns: Any, joined: tuple[Any, ...] = ()) -> list[Any]:
            query = select(*columns)
            for each in joined:
                query = query.join(*each)
            return sorted((tuple(row) for row in connection.execute(query)), key=repr)

        notebook = (Notebook, Notebook.id == SubmittedNotebook.notebook_id)
        submission = (SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
        where = (Notebook.name, SubmittedAssignment.student_id)
        found = {
            "course": rows(Course.id),
            "student": rows(*Student.__table__.columns),
            "submission": rows(SubmittedAssignment.student_id, SubmittedAssignment.timestamp, SubmittedAssignment.extension),
            "notebook": rows(
                *where, SubmittedNotebook.flagged, SubmittedNotebook.late_submission_penalty, joined=(notebook, submission)
            ),
        }
        for kind, fields in {
            Grade: ("auto_score", "manual_score", "extra_credit", "needs_manual_grade"),
            Comment: ("auto_comment", "manual_comment"),
        }.items():
            cell = BaseCell.__table__
            joined = ((cell, cell.c.id == kind.cell_id), (SubmittedNotebook, SubmittedNotebook.id == kind.notebook_id))
            columns = (getattr(kind.__table__.c, name) for name in fields)
            found[kind.__name__] = rows(*where, cell.c.name, cell.c.type, *columns, joined=(*joined, notebook, submission))
        return found


def records(course: Path) -> dict[str, tuple[str, bytes]]:
    """The mode and the content of every file of the records, hidden ones too."""
    folder = course / "autograded"
    return {
        str(path.relative_to(folder)): (stat.filemode(path.stat().st_mode), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def state(course: Path, url: str = "") -> dict[str, Any]:
    """Everything that grading leaves behind."""
    return {"marks": marks(url or f"sqlite:///{course}/gradebook.db"), "records": records(course)}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Any]:
    """What is not the same in two states, in words that a failing test can show."""
    found: list[Any] = []
    for table, rows in one["marks"].items():
        found += [(table, row) for row in {*map(repr, rows)} ^ {*map(repr, other["marks"][table])}]
    names = one["records"].keys() | other["records"].keys()
    return found + sorted(name for name in names if one["records"].get(name) != other["records"].get(name))


@contextmanager
def inside(course: Path) -> Iterator[None]:
    """The course as the working folder, and the environment as it was afterwards."""
    here, before = Path.cwd(), dict(os.environ)
    os.chdir(course)
    os.environ["PATH"] = demo.PATH
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)


def grade(course: Path, **options: object) -> ClassReport:
    with inside(course):
        return grade_class(ASSIGNMENT, Options(**{"jobs": 2, **options}), Terminal(quiet=True))  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def warm() -> Iterator[None]:
    """Warm processes stay for all tests of the module, and are gone after them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "close", lambda: None)
        yield
    pool.close()
