"""docs/instructors.md, typed in by an instructor of a plain course: its commands, and what it says of them."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from autograder.cli.main import main
from autograder.course import notebooks
from scripts.submissions import ROOT
from tests.support.classes import inside, warm
from tests.support.commands import nbgrader
from tests.support.plain_course import NAME, make_course

pytestmark = pytest.mark.usefixtures(warm.__name__)

DOCUMENT = (ROOT / "docs/instructors.md").read_text(encoding="utf-8")
MEAN = "def mean(numbers):\n    if not numbers:\n        raise ValueError('none')\n    return sum(numbers) / len(numbers)"
HANDED_IN = {
    "on-time": "2027-01-31 20:00:00 UTC",
    "a-day-and-a-bit": "2027-02-02 03:00:00 UTC",
    "two-weeks": "2027-02-14 00:00:00 UTC",
}
"""When each handed in; nobody's id is a name."""


def blocks(heading: str, language: str) -> list[str]:
    """The blocks of a language below a heading of the document."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert section, heading
    return re.findall(rf"```{language}\n(.*?)```", section, flags=re.DOTALL)


def lines(heading: str) -> list[str]:
    return [line for block in blocks(heading, "sh") for line in block.replace("backprop", "plain").splitlines()]


def typed(course: Path, line: str, code: int = 0) -> str:
    """What a command prints, which has to end with this code."""
    program, *rest = shlex.split(line.replace("*.ipynb", NAME))
    if program == "nbgrader":
        return nbgrader(course, *rest)
    with inside(course):
        done = CliRunner().invoke(main, rest)
    assert done.exit_code == code, done.output
    return done.output


def grades(course: Path) -> dict[str, dict[str, str]]:
    """The rows of the export, by student."""
    (line,) = lines("Export grades")
    typed(course, line)
    with open(course / "grades.csv", encoding="utf-8", newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


def configure(course: Path, line: str) -> None:
    with open(course / "nbgrader_config.py", "a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain course with a list of students, a due date, a rule for late submissions, and three that are graded."""
    folder = tmp_path_factory.mktemp("course")
    _, release = make_course(folder)
    for student, time in HANDED_IN.items():
        submitted = folder / "submitted" / student / "plain"
        shutil.copytree(release, submitted)
        (submitted / "timestamp.txt").write_text(time)
        nb = nbformat.read(submitted / NAME, as_version=4)
        next(cell for cell in nb.cells if cell.id == "mean").source = MEAN
        nbformat.write(nb, submitted / NAME)
    (columns,) = blocks("The student list", "text")
    (folder / "students.csv").write_text(f"{columns}on-time,First,Last,mail@example.org\nabsent,Other,,\n")
    typed(folder, lines("The student list")[0])
    (due,) = lines("Late submissions")
    typed(folder, due)
    _, rule, named = blocks("Late submissions", "python")
    (folder / "late.py").write_text(rule)
    configure(folder, named)
    typed(folder, "autograder grade plain")
    return folder


@pytest.fixture
def course(graded: Path, tmp_path: Path) -> Path:
    """A copy of it: a course works in place."""
    return Path(shutil.copytree(graded, tmp_path / "course"))


def test_names_come_from_a_list(course: Path) -> None:
    listed = typed(course, lines("The student list")[1]).splitlines()
    assert {"absent (None, Other) -- None, None", "on-time (Last, First) -- mail@example.org, None"} < {*listed}
    assert "two-weeks (None, None) -- None, None" in listed
    rows = grades(course)
    assert (rows["on-time"]["last_name"], rows["absent"]["score"]) == ("Last", "0.0")


def test_late_submissions_lose_what_the_rule_takes(course: Path) -> None:
    rows = grades(course)
    points = float(rows["on-time"]["raw_score"])
    assert points >= 3
    taken = {"on-time": 0.0, "a-day-and-a-bit": 0.2 * points, "two-weeks": points}
    assert {student: float(rows[student]["late_submission_penalty"]) for student in taken} == pytest.approx(taken)
    assert {student: float(rows[student]["score"]) for student in taken} == pytest.approx(
        {student: points - penalty for student, penalty in taken.items()}
    )


def test_late_submissions_lose_all_by_nbgrader_s_own_rule(course: Path) -> None:
    zero, _, named = blocks("Late submissions", "python")
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text(encoding="utf-8").replace(named, zero), encoding="utf-8")
    typed(course, "autograder grade plain --force --student a-day-and-a-bit")
    row = grades(course)["a-day-and-a-bit"]
    assert float(row["score"]) == 0 < float(row["raw_score"])


def test_a_penalty_follows_points_by_hand_with_the_next_grading(course: Path) -> None:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db", course_id="backprop-ninja") as gradebook:
        gradebook.find_grade("essay", NAME.removesuffix(".ipynb"), "plain", "two-weeks").manual_score = 3
        gradebook.db.commit()
    before = grades(course)["two-weeks"]
    assert float(before["score"]) == 3
    typed(course, "autograder grade plain --force --student two-weeks")
    after = grades(course)["two-weeks"]
    assert (after["raw_score"], float(after["score"])) == (before["raw_score"], 0)
    with Gradebook(f"sqlite:///{course}/gradebook.db", course_id="backprop-ninja") as gradebook:
        essay = gradebook.find_grade("essay", NAME.removesuffix(".ipynb"), "plain", "two-weeks")
        assert (essay.manual_score, essay.needs_manual_grade) == (3, True)


def test_a_test_is_corrected_after_the_release(course: Path) -> None:
    """It is worth more then, and asks for something else."""
    before = float(grades(course)["on-time"]["raw_score"])
    path = course / "source/plain" / NAME
    nb = notebooks.read(path)
    test = next(cell for cell in nb.cells if cell.id == "cell-9a1")
    test.source, test.metadata.nbgrader.points = "assert mean([1, 2]) in (1.5, 3)", 3
    notebooks.write(nb, path)
    assert "Skipping existing assignment" in nbgrader(course, "generate_assignment", "plain")
    said = {line: typed(course, line) for line in lines("Correct a test after the release")[:3]}
    assert said["autograder lint plain"].splitlines()[-1] == "1 notebook, 4 tests, 15 points: 0 to fix"
    skipped = typed(course, "autograder grade plain", code=1)
    assert "nothing to grade, 3 graded before (--force grades them again), 3 to see to, from before." in skipped
    assert skipped.count("Graded with other tests or points than the assignment has now") == 3
    summary = typed(course, lines("Correct a test after the release")[3])
    assert "(points): it was put back." in " ".join(summary.replace("│", " ").split())
    rows = grades(course)
    assert float(rows["on-time"]["raw_score"]) == before + 2
    assert rows["on-time"]["max_score"] == "15.0"
    record = (course / "autograded/on-time/plain" / NAME).read_text(encoding="utf-8")
    handed_in = (course / "submitted/on-time/plain" / NAME).read_text(encoding="utf-8")
    assert "in (1.5, 3)" in record and "in (1.5, 3)" not in handed_in


def test_a_cell_cannot_be_added_once_there_are_submissions(course: Path) -> None:
    path = course / "source/plain" / NAME
    before = path.read_text(encoding="utf-8")
    nb = notebooks.read(path)
    nb.cells.append(nbformat.from_dict(nb.cells[-1] | {"id": "more"}))
    nb.cells[-1].metadata.nbgrader = nb.cells[-1].metadata.nbgrader | {"grade_id": "more"}
    notebooks.write(nb, path)
    with pytest.raises(RuntimeError, match="Please see the the above traceback"):
        nbgrader(course, "generate_assignment", "plain", "--force")
    assert not (course / "release/plain").exists()
    path.write_text(before, encoding="utf-8")
    nbgrader(course, "generate_assignment", "plain", "--force")
    assert (course / "release/plain" / NAME).is_file()


def test_feedback_is_released_to_those_who_have_a_secret(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the page says: it goes along into the record and the feedback, and without it nbgrader stops."""
    (course / "exchange").mkdir(mode=0o777, exist_ok=True)
    (course / "exchange").chmod(0o777)
    monkeypatch.setenv("NBGRADER_EXCHANGE", str(course / "exchange"))
    (course / "submitted/on-time/plain/submission_secret.txt").write_text("secret")
    typed(course, "autograder grade plain --force --student on-time")
    typed(course, "nbgrader generate_feedback plain")
    for step in ("autograded", "feedback"):
        assert (course / step / "on-time/plain/submission_secret.txt").read_text() == "secret"
    with pytest.raises(RuntimeError, match=r"submission_secret\.txt"):
        nbgrader(course, "release_feedback", "plain")
    typed(course, "nbgrader release_feedback plain --student on-time")
    assert len([*(course / "exchange").glob("*/feedback/*.html")]) == 1
