"""The course in nbgrader's hands: its own commands, its own kernels, its own marks."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts import demo
from scripts.submissions import RELEASE, ROOT, STUDENTS, hand_in, model_answers

pytestmark = pytest.mark.timeout(540)

NOTEBOOKS = ("1-every-gradient", "2-cross-entropy", "3-batchnorm", "4-train")
MOST = (26, 4, 6, 8)


def untouched() -> Mapping[str, Mapping[str, str]]:
    return {}


POINTS = {
    "perfect": (26, 4, 6, 8),
    "other-style": (26, 4, 6, 8),
    "half-done": (13, 4, 0, 0),
    "common-mistakes": (20, 0, 0, 7),
    "copies-grad": (0, 0, 0, 0),
    "endless-loop": (25, 4, 6, 8),
    "untouched": (0, 0, 0, 0),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's course, with one more student, graded."""
    folder = tmp_path_factory.mktemp("graded") / "course"
    demo.make_course(folder, {**STUDENTS, "untouched": untouched})
    demo.grade(folder)
    return folder


def test_marks(course: Path) -> None:
    marks = demo.marks(course)
    assert marks.keys() == POINTS.keys()
    for student, points in POINTS.items():
        assert marks[student] == {name: (got, most) for name, got, most in zip(NOTEBOOKS, points, MOST, strict=True)}, student


def test_one_mistake_costs_one_mark(course: Path) -> None:
    """Each failed test cell of the submission with six planted mistakes is one of the six."""
    record = json.loads((course / "autograded/common-mistakes/backprop/1-every-gradient.ipynb").read_text(encoding="utf-8"))
    failed = {cell["id"] for cell in record["cells"] if any(out["output_type"] == "error" for out in cell.get("outputs", []))}
    assert failed == {f"test-{name}" for name in ("dcounts", "dlogits", "dbngain", "dbndiff2", "db1", "dC")}


def test_the_record_shows_the_verdicts_and_no_expected_numbers(course: Path) -> None:
    page = (course / "feedback/common-mistakes/backprop/1-every-gradient.html").read_text(encoding="utf-8")
    assert "The answer does not depend on <code>dcounts_sum</code>." in page
    assert "feedback.py" not in page
    assert "BEGIN HIDDEN TESTS" not in page


def test_every_student_has_feedback_on_every_notebook(course: Path) -> None:
    pages = {path.relative_to(course / "feedback").as_posix() for path in course.glob("feedback/*/*/*.html")}
    assert pages == {f"{student}/backprop/{name}.html" for student in POINTS for name in NOTEBOOKS}


def test_grades_are_exported(course: Path) -> None:
    with (course / "grades.csv").open(encoding="utf-8") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores == {student: float(sum(points)) for student, points in POINTS.items()}


def test_the_release_is_what_nbgrader_makes_of_the_source(course: Path) -> None:
    made = {path.name: path.read_bytes() for path in sorted((course / "release/backprop").iterdir())}
    committed = {path.name: path.read_bytes() for path in sorted(RELEASE.iterdir()) if path.is_file()}
    assert made == committed


def test_validate_fails_for_an_untouched_notebook(course: Path) -> None:
    """nbgrader's own validation says which cells fail; it runs what students see."""
    log: list[str] = []
    demo.nbgrader(course, "validate", "release/backprop/2-cross-entropy.ipynb", on_line=log.append)
    text = "".join(log)
    assert "VALIDATION FAILED ON 1 CELL(S)" in text
    assert "dlogits: not attempted. There is no `dlogits` yet." in text
    assert "Traceback" not in text


def test_the_exchange_works_in_place(tmp_path: Path) -> None:
    """Release, fetch, submit, collect, autograde and feedback, as an instructor and a student type them."""
    course, desk = tmp_path / "course", tmp_path / "desk"
    demo.make_course(course, {})
    (course / "exchange").mkdir(mode=0o777)
    (course / "exchange").chmod(0o777)
    desk.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", desk)
    everyone = f"--Exchange.root={course / 'exchange'}"
    for name in ("1-every-gradient", "4-train"):
        (course / "source" / "backprop" / f"{name}.ipynb").unlink()
    demo.nbgrader(course, "generate_assignment", "backprop")
    demo.nbgrader(course, "release_assignment", "backprop")
    demo.nbgrader(desk, "fetch_assignment", "backprop", everyone)
    assert sorted(path.name for path in (desk / "backprop").glob("*.ipynb")) == [f"{name}.ipynb" for name in NOTEBOOKS[1:3]]
    hand_in(desk / "filled", model_answers())
    for name in NOTEBOOKS[1:3]:
        shutil.copy(desk / "filled" / f"{name}.ipynb", desk / "backprop")
    demo.nbgrader(desk, "submit", "backprop", everyone)
    demo.nbgrader(course, "collect", "backprop")
    demo.nbgrader(course, "autograde", "backprop")
    demo.nbgrader(course, "generate_feedback", "backprop")
    demo.nbgrader(course, "release_feedback", "backprop")
    demo.nbgrader(desk, "fetch_feedback", "backprop", everyone)
    assert list(demo.marks(course).values()) == [{"2-cross-entropy": (4, 4), "3-batchnorm": (6, 6)}]
    assert len(list(desk.glob("backprop/feedback/*/*.html"))) == 2
