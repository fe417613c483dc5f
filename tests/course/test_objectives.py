"""The objectives in a lesson: how they are read, and which answers they mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course import catalogue
from autograder.course.cells import read_cells
from autograder.course.objectives import Asked, Objective, asked_in, meant, objectives
from autograder.errors import ContentError

FLATTEN, BACK = (
    Asked("1-modules", "test-F", "Flatten", "Flatten"),
    Asked("1-modules", "test-F-b", "Flatten.backward", "Flatten"),
)
LAYER, DX = Asked("2-train", "test-dx", "dx", "backward", 2.0), Asked("3-more", "test-dx", "dx", "dx")
ASKED = [FLATTEN, BACK, LAYER, DX]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("Flatten", [FLATTEN]),  # its own name comes before the cell that it shares
        ("Flatten.backward", [BACK]),
        ("backward", [LAYER]),
        ("2-train/backward", [LAYER]),
        ("dx", [LAYER, DX]),
        ("3-more/dx", [DX]),
        ("1-modules/dx", []),
        ("dy", []),
    ],
)
def test_an_answer_goes_by_its_name_or_else_by_its_cell(answer: str, found: list[Asked]) -> None:
    assert meant(answer, ASKED) == found


def test_a_lesson_has_objectives_in_their_order(tmp_path: Path) -> None:
    assert objectives(tmp_path) == ()
    (tmp_path / "lesson.toml").write_text('part = 1\n[[objective]]\nsays = "It adds up"\nanswers = ["dx", "3-more/dx"]\n')
    assert objectives(tmp_path) == (Objective("It adds up", ("dx", "3-more/dx")),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[objective", "Every [[objective]] has says and answers."),
        ("objective = 3", "an objective is 3"),
        ('[[objective]]\nsays = "It adds up"', "an objective is {'says': 'It adds up'}"),
        ('[[objective]]\nsays = "It adds up"\nanswers = "dx"', "the objective “It adds up” should have a list"),
        ('[[objective]]\nsays = "It adds up"\nanswers = []', "the objective “It adds up” should have a list"),
        ('[[objective]]\nsays = "It adds up"\nanswers = [1]', "the objective “It adds up” should have a list"),
        ('[[objective]]\nsays = 1\nanswers = ["dx"]', "1 should be a text"),
        ('[[objective]]\nsays = "a"\nanswers = ["dx"]\nhints = []', "'hints': []"),
    ],
)
def test_a_lesson_with_other_objectives_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "lesson.toml").write_text(text)
    with pytest.raises(ContentError) as error:
        objectives(tmp_path)
    assert problem in str(error.value) and "lesson.toml" in str(error.value)


def test_every_answer_of_the_course_serves_an_objective() -> None:
    """And every name in an objective means answers of one notebook."""
    for assignment in catalogue.default().assignments:
        asked = [each for path in assignment.notebooks for each in asked_in(path.stem, read_cells(path))]
        found = [meant(answer, asked) for objective in objectives(assignment.release) for answer in objective.answers]
        assert {each for group in found for each in group} == {*asked}, assignment.name
        assert all(len({each.notebook for each in group}) == 1 for group in found)
