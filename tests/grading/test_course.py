"""The course in nbgrader's hands: its own commands, its own kernels, its own marks."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path

import pytest

from autograder.grading.summary import Summary
from scripts import demo
from scripts.submissions import MARKS, MOST, NOTEBOOKS, RELEASE, STUDENTS

pytestmark = pytest.mark.timeout(540)


def untouched() -> Mapping[str, Mapping[str, str]]:
    return {}


POINTS = {**MARKS, "untouched": (0, 0, 0, 0, 0), "older": MOST}


def make_older(folder: Path) -> None:
    """Takes out of a submission what gives no points, as if it had been fetched before that was there."""
    (folder / "0-warm-up.ipynb").unlink()
    path = folder / "3-batchnorm.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    ids = [cell["id"] for cell in content["cells"]]
    del content["cells"][ids.index("in-steps") : ids.index("about-dhprebn")]
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's course, with one more student, graded."""
    folder = tmp_path_factory.mktemp("graded") / "course"
    demo.make_course(folder, {**STUDENTS, "untouched": untouched, "older": STUDENTS["perfect"]})
    make_older(folder / "submitted/older/backprop")
    demo.grade(folder, quiet=True, pages="*-[lm]*")
    return folder


def test_marks(course: Path) -> None:
    marks = demo.marks(course)
    assert marks.keys() == POINTS.keys()
    for student, points in POINTS.items():
        assert marks[student] == {name: (got, most) for name, got, most in zip(NOTEBOOKS, points, MOST, strict=True)}, student


def test_practice_that_is_not_there_costs_nothing(course: Path) -> None:
    with chdir(course):
        found = {each.student: each for each in Summary("backprop").standings}
    perfect, older = found["perfect"], found["older"]
    assert (older.points, older.most, older.right, older.attempted, older.answers) == (44, 44, 36, 36, 36)
    assert (perfect.points, perfect.most, perfect.right, perfect.attempted, perfect.answers) == (44, 44, 36, 36, 36)
    assert not older.failures and not any("0-warm-up" in note for note in older.notes), older


def test_what_ran_out_of_time_is_known(course: Path) -> None:
    note = f"The cell `dcounts_sum` did not end within {demo.SECONDS_FOR_A_CELL} s."
    assert [each for each in demo.notes(course) if "did not end" in each[2]] == [("endless-loop", "1-every-gradient", note)]


def test_a_student_is_told_about_the_limit_and_nothing_about_the_grader(course: Path) -> None:
    page = (course / "feedback/endless-loop/backprop/1-every-gradient.html").read_text(encoding="utf-8")
    assert f"KeyboardInterrupt: the cell did not end within {demo.SECONDS_FOR_A_CELL} s" in page
    assert "agent.py" not in page


def test_one_mistake_costs_one_mark(course: Path) -> None:
    """Each failed test cell of the submission with six planted mistakes is one of the six."""
    record = json.loads((course / "autograded/common-mistakes/backprop/1-every-gradient.ipynb").read_text(encoding="utf-8"))
    failed = {cell["id"] for cell in record["cells"] if any(out["output_type"] == "error" for out in cell.get("outputs", []))}
    assert failed == {f"test-{name}" for name in ("dcounts", "dlogits", "dbngain", "dbndiff2", "db1", "dC")}


def test_the_record_shows_the_verdicts_and_no_expected_numbers(course: Path) -> None:
    page = (course / "feedback/common-mistakes/backprop/1-every-gradient.html").read_text(encoding="utf-8")
    assert "The path through <code>counts_sum</code> is missing, and the rest is right." in page
    assert "checking.py" not in page
    assert "BEGIN HIDDEN TESTS" not in page


def test_there_is_feedback_on_every_notebook(course: Path) -> None:
    pages = {path.relative_to(course / "feedback").as_posix() for path in course.glob("feedback/*/*/*.html")}
    assert pages == {f"{student}/backprop/{name}.html" for student in ("common-mistakes", "endless-loop") for name in NOTEBOOKS}


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
