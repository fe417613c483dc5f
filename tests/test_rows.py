"""Rows that stand for nbgrader's gradebook answer as it does."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy.exc import SAWarning

from autograder.master import read_master
from autograder.rows import Rows
from tests.classes import ASSIGNMENT, make_course

FIELDS = ("name", "cell_type", "source", "checksum", "locked")


@pytest.fixture(scope="module")
def gradebook(tmp_path_factory: pytest.TempPathFactory) -> Any:
    course = tmp_path_factory.mktemp("rows") / "course"
    make_course(course)
    with Gradebook(f"sqlite:///{course}/gradebook.db", "backprop-ninja") as opened:
        opened.add_student("anna")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # of nbgrader's own statements
            opened.add_submission(ASSIGNMENT, "anna")
        yield opened


@pytest.fixture
def rows(gradebook: Gradebook) -> Rows:
    return Rows(read_master(gradebook, None, ASSIGNMENT, "first"))


def test_cells_are_those_of_the_gradebook(gradebook: Gradebook, rows: Rows) -> None:
    truth, found = gradebook.find_notebook("first", ASSIGNMENT), rows.find_notebook("first", ASSIGNMENT)
    assert json.loads(found.kernelspec) == json.loads(truth.kernelspec)
    for kind in ("source_cells", "grade_cells", "solution_cells", "task_cells"):
        assert {cell.name for cell in getattr(found, kind)} == {cell.name for cell in getattr(truth, kind)}
    for cell in truth.source_cells:
        same = rows.find_source_cell(cell.name, "first", ASSIGNMENT)
        assert [getattr(same, field) for field in FIELDS] == [getattr(cell, field) for field in FIELDS]
    for name in ("test-double", "essay", "task"):
        truth = gradebook.find_graded_cell(name, "first", ASSIGNMENT)
        assert rows.find_graded_cell(name, "first", ASSIGNMENT).max_score == truth.max_score


def test_what_is_missing_is_missing(gradebook: Gradebook, rows: Rows) -> None:
    for opened in (gradebook, rows):
        for find in (opened.find_source_cell, opened.find_graded_cell):
            with pytest.raises(MissingEntry):
                find("no-such", "first", ASSIGNMENT)
        with pytest.raises(MissingEntry):
            opened.find_grade("double", "first", ASSIGNMENT, "anna")


def test_a_grade_is_empty_at_first_and_is_kept(gradebook: Gradebook, rows: Rows) -> None:
    for opened in (gradebook, rows):
        grade = opened.find_grade("test-double", "first", ASSIGNMENT, "anna")
        assert (grade.auto_score, grade.manual_score, grade.needs_manual_grade) == (None, None, True)
        assert opened.find_comment("double", "first", ASSIGNMENT, "anna").auto_comment is None
    rows.find_grade("test-double", "first", ASSIGNMENT, "anna").auto_score = 2.0
    assert {name: grade.auto_score for name, grade in rows.grades.items()} == {"test-double": 2.0}


def test_no_file_is_opened(rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbgrader.preprocessors import overwritecells

    monkeypatch.setattr(overwritecells, "Gradebook", Gradebook)
    monkeypatch.setattr("autograder.rows.keepers", lambda: [overwritecells])
    rows.take_the_place_of_the_gradebook()
    with overwritecells.Gradebook(f"sqlite:///{tmp_path}/gradebook.db", "course") as opened:
        assert opened is rows
        opened.db.commit()
    assert list(tmp_path.iterdir()) == []
