"""Rows that stand for nbgrader's gradebook answer as it does."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode
from nbgrader import preprocessors
from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy.exc import SAWarning

from autograder.grading.master import read_master
from autograder.grading.preprocessors import IN_PLACE_OF, Rows, on_rows
from tests.support.classes import ASSIGNMENT, make_course, source

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


RESOURCES = {"nbgrader": {"notebook": "first", "assignment": ASSIGNMENT, "student": "anna"}}


def handed_in(answers: dict[str, str]) -> NotebookNode:
    """The first notebook as it was generated, with these sources, and tests that ran."""
    nb = source()["first"]
    for cell in nb.cells:
        cell.source = answers.get(cell.id, cell.source)
        cell.metadata.nbgrader.setdefault("cell_type", cell.cell_type)
    return nb


@pytest.fixture
def url(gradebook: Gradebook) -> str:
    return str(gradebook.engine.url)


CHANGED = {"setup": "scale = 0", "double": "def double(x):\n    return 0", "test-double": "pass"}


@pytest.mark.parametrize("own", IN_PLACE_OF.values(), ids=lambda own: own.__name__)
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_they_do_what_nbgrader_s_own_do(gradebook: Gradebook, url: str, own: type, rows: Rows) -> None:
    (theirs,) = (theirs for theirs, each in IN_PLACE_OF.items() if each is own)
    resources = {"nbgrader": {**RESOURCES["nbgrader"], "db_url": url}}
    given = own()
    given.rows = rows
    runs = [theirs(), own(), given]
    found = []
    for each in runs:
        nb = handed_in(CHANGED)
        nb.metadata.kernelspec = {"name": "other"}
        done, _ = each.preprocess(nb, resources)
        gradebook.db.expire_all()
        saved = gradebook.find_submission_notebook("first", ASSIGNMENT, "anna")
        marks = {grade.name: (grade.auto_score, grade.needs_manual_grade) for grade in saved.grades}
        said = {comment.name: comment.auto_comment for comment in saved.comments}
        if each is given and own.__name__ == "SaveAutoGrades":
            marks = {name: (grade.auto_score, grade.needs_manual_grade) for name, grade in rows.grades.items()} | {
                name: mark for name, mark in marks.items() if name not in rows.grades
            }
            said |= {name: comment.auto_comment for name, comment in rows.comments.items()}
        found.append((done, marks, said))
    assert found[0] == found[1] == found[2]


def test_no_gradebook_is_opened_where_rows_are_given(rows: Rows, tmp_path: Path) -> None:
    for own in IN_PLACE_OF.values():
        given = own()
        given.rows = rows
        given.preprocess(handed_in({}), {"nbgrader": {**RESOURCES["nbgrader"], "db_url": f"sqlite:///{tmp_path}/gradebook.db"}})
    assert list(tmp_path.iterdir()) == []


def test_one_that_opens_the_gradebook_itself_has_none_in_its_place() -> None:
    class Own(preprocessors.SaveAutoGrades):  # type: ignore[misc]
        pass

    with pytest.raises(LookupError, match="it opens the gradebook itself"):
        on_rows(Own)
    assert on_rows(preprocessors.SaveAutoGrades) is on_rows(IN_PLACE_OF[preprocessors.SaveAutoGrades])
    assert on_rows(preprocessors.ClearOutput) is preprocessors.ClearOutput
