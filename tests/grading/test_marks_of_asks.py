"""The marks of the assignments with asks are the same whoever gives them: a check, `autograder grade`, nbgrader with our
preprocessors, and stock nbgrader with the package installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from autograder.grading.classroom import Options, grade_class
from autograder.learner.checker import Checker
from autograder.learner.workbook import open_workbook
from autograder.terminal import Terminal
from benchmarks.grading import STOCK
from scripts import demo
from scripts.submissions import CLASSES, Answers, hand_in, model_answers, second_forms
from tests.support.classes import inside
from tests.support.commands import nbgrader
from tests.support.rooms import linux

pytestmark = [linux, pytest.mark.timeout(600)]

MOST = {"bigrams": (10, 11, 6), "mlp": (10, 12, 8), "batchnorm": (9, 11, 15), "wavenet": (11, 19, 3, 12)}
"""Points of each notebook: 27, 30, 35 and 45."""
STUDENTS: Mapping[str, Callable[[str], Answers]] = {"untouched": lambda _: {}, "solved": model_answers, "other": second_forms}
Marks = Mapping[str, tuple[float, ...]]
"""Points of each notebook, by student."""


def expected(assignment: str) -> Marks:
    return {"untouched": (0,) * len(MOST[assignment]), "solved": MOST[assignment], "other": MOST[assignment]}


def marks(course: Path, assignment: str) -> Marks:
    found = demo.marks(course, assignment)
    return {student: tuple(got for got, _ in notebooks.values()) for student, notebooks in found.items()}


CHOSEN = "wavenet"
ONE = pytest.mark.parametrize(
    "assignment", [pytest.param(name, marks=[] if name == CHOSEN else pytest.mark.long) for name in MOST], indirect=True
)
"""`make test` has one assignment of a test that takes long."""
CHECKED = pytest.mark.parametrize(
    ("assignment", "student"),
    [
        pytest.param(name, student, marks=[] if student == "other" or name == CHOSEN else pytest.mark.long)
        for name in MOST
        for student in STUDENTS
    ],
    indirect=["assignment"],
)
"""`make test` has right answers in another form of all; a learner has all points for the first form in cli/test_story.py."""


@pytest.fixture(scope="module", params=MOST)
def assignment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def course(assignment: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course in which nothing is graded yet."""
    folder = tmp_path_factory.mktemp(assignment) / "course"
    answers = {name: lambda make=make: make(assignment) for name, make in STUDENTS.items()}
    demo.make_course(folder, answers, assignment)
    nbgrader(folder, "generate_assignment", assignment)
    return folder


def copied(course: Path, name: str, config: str = "") -> Path:
    copy = Path(shutil.copytree(course, course.parent / name))
    with (copy / "nbgrader_config.py").open("a", encoding="utf-8") as file:
        file.write(config)
    return copy


def without_other_forms(course: Path, name: str, config: str = "") -> Path:
    """A copy in which nobody handed in the other forms: nbgrader runs one notebook after the other."""
    copy = copied(course, name, config)
    shutil.rmtree(copy / "submitted" / "other")
    return copy


def first_forms(assignment: str) -> Marks:
    return {name: each for name, each in expected(assignment).items() if name != "other"}


@ONE
def test_autograder_grade(course: Path, assignment: str) -> None:
    with inside(copied(course, "grade")):
        grade_class(assignment, Options(jobs=2), Terminal(quiet=True))
    assert marks(course.parent / "grade", assignment) == expected(assignment)


@ONE
def test_nbgrader_with_our_preprocessors(course: Path, assignment: str) -> None:
    copy = without_other_forms(course, "ours")
    nbgrader(copy, "autograde", assignment)
    assert marks(copy, assignment) == first_forms(assignment)


@ONE
def test_stock_nbgrader(course: Path, assignment: str) -> None:
    """It runs in the student's own process, where the source is not at hand: the recorded answers judge."""
    copy = without_other_forms(course, "stock", STOCK)
    nbgrader(copy, "autograde", assignment)
    assert marks(copy, assignment) == first_forms(assignment)


@pytest.fixture(scope="module")
def checker() -> Iterator[Checker]:
    with Checker() as checker:
        yield checker


@CHECKED
def test_a_check(student: str, course: Path, assignment: str, checker: Checker) -> None:
    folder = course / "submitted" / student / assignment
    found = [checker.check(open_workbook(path)) for path in sorted(folder.glob("*.ipynb"))]
    assert tuple(each.points for each in found) == expected(assignment)[student]
    assert tuple(each.most for each in found) == MOST[assignment]


def test_answers_that_look_up_what_is_recorded_are_right_in_a_check_alone(tmp_path: Path, checker: Checker) -> None:
    """Of a class this student gets nothing: see the demo. The trick works where nobody is fooled but whoever plays it."""
    students, points = CLASSES["bigrams"]
    hand_in(tmp_path, students["reads-cases"](), "bigrams")
    assert checker.check(open_workbook(tmp_path / "1-counting.ipynb")).points == 2
    assert points["reads-cases"] == (0, 0, 0)
