"""`autograder grade` beside `nbgrader autograde`: the same marks, rows and files, whatever was handed in."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import nbformat
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook

from autograder.grading import classroom, coordinator, pool
from autograder.grading.classroom import LOCK, ClassReport, Options, grade_class
from autograder.grading.coordinator import Graded
from autograder.grading.course import CourseError
from autograder.grading.folders import LINK
from autograder.grading.notebook_job import GradedNotebook, NotebookJob, NotebookSetup
from autograder.grading.standing import Standing
from autograder.grading.summary import Summary
from autograder.sandbox.room import RoomError
from autograder.terminal import Terminal
from tests.support.classes import (
    ASSIGNMENT,
    LATE,
    RIGHT,
    WRONG,
    differences,
    grade,
    hand_in,
    inside,
    make_course,
    marks,
    state,
    warm,
)
from tests.support.clusters import cluster
from tests.support.commands import command, nbgrader
from tests.support.odd import ODD, only_second
from tests.support.rooms import linux

pytestmark = [linux, pytest.mark.timeout(240), pytest.mark.usefixtures(warm.__name__)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a late policy to which nobody has handed in."""
    folder = tmp_path_factory.mktemp("template") / "course"
    make_course(folder, LATE)
    with Gradebook(f"sqlite:///{folder}/gradebook.db", "backprop-ninja") as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate="2026-01-02 09:00:00 UTC")
    return folder


@pytest.fixture
def course(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "course"))


def standings(course: Path) -> dict[str, Standing]:
    with inside(course):
        return {each.student: each for each in Summary(ASSIGNMENT).standings}


def by_student(report: ClassReport) -> dict[str, Graded]:
    return {each.student: each for each in report.graded}


# beside nbgrader


ODD_ONES = ("bom", "half-a-file", "format-3", "minor-4", "split")
"""What students hand in of which all that was said is in the records, nbgrader's own too."""


def honest_class(course: Path) -> None:
    hand_in(course, "right", RIGHT)
    hand_in(course, "wrong", WRONG, "2026-01-02 08:00:00 UTC")
    hand_in(course, "late", RIGHT, "2026-01-02 12:30:00 UTC")
    hand_in(course, "very late", WRONG, "2026-01-09 12:30:00 UTC")
    hand_in(course, "untouched", {}, stamp="")
    folder = hand_in(course, "helpful", {**RIGHT, "free": "open('data/numbers.txt').read()"})
    (folder / "data").mkdir()
    (folder / "data" / "numbers.txt").write_text("1 2 3")
    (folder / "helper.py").write_text("SCALE = 0")
    (folder / "second.ipynb").write_bytes((folder / "second.ipynb").read_bytes().replace(b"\n", b"\r\n"))
    hand_in(course, "half", RIGHT).joinpath("second.ipynb").unlink()
    folder = hand_in(course, "linker", RIGHT)
    (folder / "stolen.db").symlink_to(course / "gradebook.db")
    (folder / "second.ipynb").unlink()
    (folder / "second.ipynb").symlink_to(course / "source" / ASSIGNMENT / "second.ipynb")
    (hand_in(course, "spoilt", RIGHT) / "first.ipynb").write_text("{")
    for student in ODD_ONES:
        ODD[student].spoil(only_second(hand_in(course, student, RIGHT)))
    hand_in(course, "careless", {**RIGHT, "free": "import socket\nsocket.create_connection(('127.0.0.1', 9))"})


def by_hand(course: Path) -> None:
    """What a person does between two runs."""
    with Gradebook(f"sqlite:///{course}/gradebook.db", "backprop-ninja") as gradebook:
        for student, points in {"right": 1.0, "late": 0.5}.items():
            essay = gradebook.find_grade("essay", "first", ASSIGNMENT, student)
            essay.manual_score, essay.extra_credit, essay.needs_manual_grade = points, 0.25, False
            gradebook.find_comment("essay", "first", ASSIGNMENT, student).manual_comment = "Well said."
        overruled = gradebook.find_grade("test-double", "first", ASSIGNMENT, "wrong")
        overruled.manual_score, overruled.needs_manual_grade = 1.5, False
        gradebook.db.commit()
        gradebook.grant_extension(ASSIGNMENT, "very late", days=7)
    hand_in(course, "right", WRONG, "2026-01-03 10:00:00 UTC")
    hand_in(course, "half", RIGHT, "2026-01-03 10:00:00 UTC")
    hand_in(course, "new", RIGHT)


def test_the_marks_rows_and_files_are_nbgraders(course: Path, tmp_path: Path) -> None:
    honest_class(course)
    other = Path(shutil.copytree(course, tmp_path / "other", symlinks=True))
    for step in ("first", "again", "forced"):
        if step == "again":
            by_hand(course)
            by_hand(other)
        forced = step == "forced"
        grade(course, force=forced, students=["late"] if forced else ["*"])
        nbgrader(other, "autograde", ASSIGNMENT, *(["--force", "--student=late"] if forced else []))
        assert differences(state(course), state(other)) == [], step
    penalties = {row[1]: row[3] for row in marks(f"sqlite:///{course}/gradebook.db")["notebook"] if row[0] == "second"}
    assert penalties["late"] == 1.75
    assert penalties["wrong"] is None
    found = standings(other)
    assert found == standings(course)
    assert {student: found[student].failures for student in ODD_ONES} == {
        student: [ODD[student].failure] * bool(ODD[student].failure) for student in ODD_ONES
    }
    assert all(ODD[student].note in (*found[student].notes, "") for student in ODD_ONES)
    assert [*found["late"].remarks] == [
        "Late by 3 h 30 min: 3.5 points off.",
        "Changed by hand: +0.25 extra in `essay` of first.",
        "To grade by hand: first (`essay`, `task`).",
    ]
    assert found["wrong"].by_hand == ["1.5 for 0 in `test-double` of first"]
    assert (found["wrong"].points, found["wrong"].right, found["wrong"].attempted) == (1.5, 0, 2)
    assert (found["untouched"].points, found["untouched"].right, found["untouched"].attempted) == (0, 0, 0)


def test_what_is_run_ahead_leaves_the_same(course: Path, tmp_path: Path) -> None:
    """The first notebook begins with a cell that is run once for the class, but not where a student put one before it."""
    own = course / "source" / ASSIGNMENT
    (own / "helper.py").unlink()
    nb = nbformat.read(own / "first.ipynb", as_version=4)
    nb.cells[0].source = "import math\n\nscale = 3\nprint(math.floor(math.pi))\nscale"
    nbformat.write(nb, own / "first.ipynb")
    nbgrader(course, "generate_assignment", ASSIGNMENT, "--force")
    for number in range(9):
        file = hand_in(course, f"student-{number}", WRONG if number % 2 else RIGHT) / "first.ipynb"
        if number in {3, 4, 5, 6}:
            nb = nbformat.read(file, as_version=4)
            nb.cells.insert(0, new_code_cell("scale = 5\nimport math", id="mine"))
            nbformat.write(nb, file)
    other = Path(shutil.copytree(course, tmp_path / "other"))
    assert grade(course, jobs=1).needing_a_person() == []
    nbgrader(other, "autograde", ASSIGNMENT)
    assert differences(state(course), state(other)) == []


def test_a_part_of_the_notebooks(course: Path, tmp_path: Path) -> None:
    hand_in(course, "right", RIGHT)
    hand_in(course, "half", RIGHT).joinpath("first.ipynb").unlink()
    other = Path(shutil.copytree(course, tmp_path / "other"))
    for step, students, most in (("second", "*", 2), ("first", "right", 6)):
        assert {each.most for each in grade(course, notebooks=[step]).graded} == {most}, step
        nbgrader(other, "autograde", ASSIGNMENT, f"--student={students}", f"--notebook={step}")
    assert differences(state(course), state(other)) == []


def test_feedback_and_export_work_on(course: Path) -> None:
    hand_in(course, "right", RIGHT)
    grade(course)
    nbgrader(course, "generate_feedback", ASSIGNMENT)
    nbgrader(course, "export")
    assert "Because." in (course / "feedback" / "right" / ASSIGNMENT / "first.html").read_text()
    assert "right" in (course / "grades.csv").read_text()


def test_a_regrade_of_cells_without_ids_leaves_the_same_record(course: Path) -> None:
    for path in hand_in(course, "one", RIGHT).glob("*.ipynb"):
        content = json.loads(path.read_text(encoding="utf-8"))
        for cell in content["cells"]:
            del cell["id"]
        path.write_text(json.dumps(content), encoding="utf-8")
    records = course / "autograded/one" / ASSIGNMENT
    found = []
    for _ in range(2):
        assert [each.points for each in grade(course, force=True).graded] == [4]
        found.append({path.name: path.read_bytes() for path in records.glob("*.ipynb")})
    assert found[0] == found[1]


# what is graded


def test_what_is_graded_is_left_alone_until_it_is_handed_in_anew(course: Path) -> None:
    hand_in(course, "one", RIGHT)
    hand_in(course, "two", RIGHT)
    assert [each.points for each in grade(course).graded] == [4, 4]
    before = state(course)
    again = grade(course)
    assert again.graded == [] and again.skipped == 2
    assert state(course) == before
    hand_in(course, "two", WRONG, "2026-01-02 11:00:00 UTC")
    assert {each.student: each.points for each in grade(course).graded} == {"two": 0}


def test_a_first_timestamp_says_that_it_was_handed_in_anew(course: Path) -> None:
    folder = hand_in(course, "one", WRONG, stamp="")
    assert [each.points for each in grade(course).graded] == [0]
    hand_in(course, "one", RIGHT, stamp="")
    assert grade(course).graded == []
    (folder / "timestamp.txt").write_text("2026-01-02 11:00:00 UTC")
    assert [each.points for each in grade(course).graded] == [4]
    assert grade(course).graded == []


def test_students_and_notebooks_are_chosen_by_patterns(course: Path) -> None:
    for student in ("anna", "anton", "berta"):
        hand_in(course, student, RIGHT)
    assert set(by_student(grade(course, students=["an*"], notebooks=["sec*"]))) == {"anna", "anton"}
    rows = marks(f"sqlite:///{course}/gradebook.db")["Grade"]
    assert {(row[0], row[2]) for row in rows if row[4] is not None} == {("second", "test-square")}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"students": ["zoe"]}, r"no submission fits .*zoe.work. There are 1 of work"),
        ({"notebooks": ["third"]}, r"no notebook of work is called 'third'. They are: first, second"),
    ],
)
def test_a_pattern_that_fits_nothing_is_an_error(course: Path, options: dict[str, object], said: str) -> None:
    hand_in(course, "anna", RIGHT)
    with pytest.raises(CourseError, match=said):
        grade(course, **options)


def test_a_folder_without_a_course_is_an_error(tmp_path: Path) -> None:
    with (
        inside(tmp_path),
        pytest.raises(CourseError, match=r"no nbgrader_config\.py in .*: run this in the folder of the course"),
    ):
        grade_class(ASSIGNMENT, Options(), Terminal(quiet=True))


def test_an_unknown_assignment_is_an_error(course: Path) -> None:
    with inside(course), pytest.raises(CourseError, match=r"no assignment 'wrok'\. It has work\."):
        grade_class("wrok", Options(), Terminal(quiet=True))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("c.Autograde.autograde_preprocessors = []", "has no autograder.grading.examine.Examine: the nbgrader_config.py of"),
        ("c.Autograde.sanitize_preprocessors = ['no.such']", "the preprocessor no.such of this course cannot be loaded"),
        (
            "c.LimitOutput.max_lines = lambda: 1",
            "The 'max_lines' trait of a LimitOutput instance expected an int, not the function",
        ),
        ("c.LimitOutput.later = lambda: 1", "c.LimitOutput.later cannot be sent to another process"),
        ("1 / 0", "nbgrader_config.py cannot be read: ZeroDivisionError"),
    ],
)
def test_a_course_that_cannot_be_graded_says_why(course: Path, line: str, said: str) -> None:
    with open(course / "nbgrader_config.py", "a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    hand_in(course, "anna", RIGHT)
    with pytest.raises(CourseError, match=said):
        grade(course)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////nowhere/gradebook.db", r"the gradebook sqlite:////nowhere/gradebook\.db cannot be opened: unable to open"),
        (
            "postgresql+psycopg://me:secret@127.0.0.1:9/x",
            r"postgresql\+psycopg://me:\*\*\*@127\.0\.0\.1:9/x cannot be opened: conn",
        ),
    ],
)
def test_a_gradebook_that_cannot_be_opened_says_why_and_no_password(course: Path, url: str, said: str) -> None:
    with open(course / "nbgrader_config.py", "a", encoding="utf-8") as file:
        file.write(f"\nc.CourseDirectory.db_url = {url!r}\n")
    hand_in(course, "anna", RIGHT)
    with pytest.raises(CourseError, match=said) as caught:
        grade(course)
    assert "secret" not in str(caught.value)


def test_the_second_of_two_runs_refuses(course: Path) -> None:
    hand_in(course, "anna", RIGHT)
    with FileLock(course / LOCK), pytest.raises(CourseError, match="another run is grading this course"):
        grade(course)
    assert grade(course).graded


def test_hooks_are_called_as_by_nbgrader(course: Path) -> None:
    with open(course / "nbgrader_config.py", "a", encoding="utf-8") as file:
        file.write("""
def note(word):
    def hook(assignment, student, notebooks):
        with open("hooks.txt", "a") as file:
            print(word, assignment, student, len(notebooks), file=file)
    return hook

c.Autograde.pre_convert_hook = note("before")
c.Autograde.post_convert_hook = note("after")
""")
    hand_in(course, "anna", RIGHT)
    grade(course)
    assert (course / "hooks.txt").read_text().splitlines() == ["before work * 2", "after work * 2"]


def test_strangers_are_not_graded_where_nbgrader_does_not(course: Path) -> None:
    with open(course / "nbgrader_config.py", "a", encoding="utf-8") as file:
        file.write("\nc.Autograde.create_student = False\n")
    with Gradebook(f"sqlite:///{course}/gradebook.db", "backprop-ninja") as gradebook:
        gradebook.add_student("anna")
    for student in ("anna", "berta"):
        hand_in(course, student, RIGHT)
    graded = by_student(grade(course))
    assert graded["anna"].failures == []
    said = "The gradebook has no such student, and c.Autograde.create_student is off: not graded."
    assert graded["berta"].failures == [said] and not graded["berta"].is_written
    assert standings(course)["berta"].failures == [said]
    assert not (course / "autograded" / "berta").exists()
    assert {row[0] for row in marks(f"sqlite:///{course}/gradebook.db")["student"]} == {"anna"}


def test_without_rooms_it_refuses_unless_asked(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in(course, "anna", RIGHT)
    monkeypatch.setattr(classroom, "unavailable", lambda: "there is no bubblewrap.")
    with pytest.raises(RoomError, match="there is no bubblewrap"):
        grade(course)
    assert not (course / "autograded").exists()
    report = grade(course, sandbox=False)
    assert [each.points for each in report.graded] == [4]
    assert any("without a sandbox" in note for note in report.graded[0].notes)


# what can be wrong with a submission


def empty(folder: Path) -> None:
    (folder / "first.ipynb").write_bytes(b"")


def no_json(folder: Path) -> None:
    (folder / "first.ipynb").write_text("<html>Log in first</html>")


def huge_outputs(folder: Path) -> None:
    nb = json.loads((folder / "first.ipynb").read_text())
    cell = next(cell for cell in nb["cells"] if cell["cell_type"] == "code")
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 50 * 2**20}]
    (folder / "first.ipynb").write_text(json.dumps(nb))


def too_large(folder: Path) -> None:
    with open(folder / "first.ipynb", "wb") as file:
        file.truncate(2**30)


def crlf(folder: Path) -> None:
    (folder / "first.ipynb").write_bytes((folder / "first.ipynb").read_bytes().replace(b"\n", b"\r\n"))


def a_folder(folder: Path) -> None:
    (folder / "first.ipynb").unlink()
    (folder / "first.ipynb").mkdir()


def link_out(folder: Path) -> None:
    (folder / "first.ipynb").unlink()
    (folder / "first.ipynb").symlink_to(folder.parents[2] / "source" / ASSIGNMENT / "first.ipynb")


def dangling(folder: Path) -> None:
    (folder / "data").symlink_to("/nowhere/at/all")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "first.ipynb").unlink()
    os.mkfifo(folder / "first.ipynb")


def deep(folder: Path) -> None:
    (folder / "first.ipynb").write_text("[" * 100_000)


BAD: dict[str, tuple[Callable[[Path], None], float, str]] = {
    "empty": (empty, 2, "first: The file is empty: nothing of it counts. Ask for the notebook again."),
    "no-json": (no_json, 2, "first: The file is a web page: nothing of it counts. Ask for the notebook again."),
    "huge-outputs": (huge_outputs, 4, ""),
    "too-large": (
        too_large,
        2,
        "first: The notebook has 1,073,741,824 bytes, and 67,108,864 are allowed: nothing of it counts. "
        "Ask for it without outputs and surplus cells, or raise c.Examine.notebook_size; then grade again with --force.",
    ),
    "crlf": (crlf, 4, ""),
    "a-folder": (a_folder, 2, "first: The notebook cannot be read: Is a directory. Ask for the notebook again."),
    "link-out": (link_out, 2, f"first: {LINK}"),
    "dangling": (dangling, 4, ""),
    "pipe": (pipe, 2, "first: The notebook cannot be read: it is no file. Ask for the notebook again."),
    "deep": (deep, 2, "first: The file is nested too deeply: nothing of it counts. Ask for the notebook again."),
}
"""What each hands in, the points for what can be judged, and what a person is told who has to see to it."""


@pytest.fixture(scope="module")
def bad_class(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = Path(shutil.copytree(template, tmp_path_factory.mktemp("bad") / "course"))
    for student, (spoil, *_) in BAD.items():
        spoil(hand_in(course, student, RIGHT))
    hand_in(course, "zoe", RIGHT)
    return course


@pytest.fixture(scope="module")
def bad_graded(bad_class: Path) -> ClassReport:
    return grade(bad_class)


@pytest.mark.parametrize("student", BAD)
def test_a_bad_submission_gets_one_clear_line_and_what_can_be_judged(bad_graded: ClassReport, student: str) -> None:
    _, points, failure = BAD[student]
    graded = by_student(bad_graded)[student]
    assert graded.failures == [failure] * bool(failure)
    assert graded.points == points


def test_the_class_goes_on(bad_graded: ClassReport, bad_class: Path) -> None:
    assert by_student(bad_graded)["zoe"] == Graded("zoe", 4, 8, {"first": 2, "second": 2})
    with inside(bad_class):
        assert grade(bad_class).graded == []


@pytest.mark.parametrize("where", ["one job", "a cluster"])
def test_whoever_grades_leaves_the_same(
    bad_graded: ClassReport, bad_class: Path, template: Path, tmp_path: Path, where: str
) -> None:
    other = Path(shutil.copytree(template, tmp_path / "other"))
    (other / "submitted").symlink_to(bad_class / "submitted")
    if where == "one job":
        report = grade(other, jobs=1)
    else:
        with cluster(tmp_path / "cluster", workers=1) as processes:
            report = grade(other, scheduler=processes.address)
    assert by_student(report) == by_student(bad_graded)
    assert differences(state(other), state(bad_class)) == []


# what can go wrong on our side


def unlucky(job: NotebookJob, hopeless: bool = False) -> GradedNotebook:
    """Grades no first notebook of anna's, unless what it is about is left out; nothing of it where it is hopeless."""
    is_first = NotebookSetup.of(job.assignment).notebook == "first"
    if job.student == "anna" and is_first and (hopeless or not job.failure):
        raise OSError("the disk is on fire")
    return pool.grade_notebook(job)


def test_a_notebook_that_cannot_be_examined_has_a_record_that_says_so(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in(course, "anna", RIGHT)
    hand_in(course, "zoe", RIGHT)
    monkeypatch.setattr(coordinator, "grade_notebook", unlucky)
    graded = by_student(grade(course))
    said = "This notebook could not be examined: the disk is on fire. Grade it again, or by hand."
    assert graded["anna"] == Graded("anna", 2, 8, {"first": 0, "second": 2}, failures=[f"first: {said}"])
    assert graded["zoe"].failures == []
    assert "GradingFailed: the disk is on fire" in (course / "autograded" / "anna" / ASSIGNMENT / "first.ipynb").read_text()


def test_what_could_not_be_graded_at_all_is_left_for_the_next_run(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in(course, "anna", RIGHT)
    hand_in(course, "zoe", RIGHT)
    monkeypatch.setattr(coordinator, "grade_notebook", partial(unlucky, hopeless=True))
    graded = by_student(grade(course))
    assert graded["anna"].failures == ["first: it could not be graded at all (the disk is on fire). Run the command again."]
    assert graded["zoe"].points == 4
    assert not (course / "autograded" / "anna" / ASSIGNMENT).exists()
    monkeypatch.undo()
    monkeypatch.setattr(pool, "close", lambda: None)
    assert by_student(grade(course)) == {"anna": Graded("anna", 4, 8, {"first": 2, "second": 2})}


# the command


def graded_by_command(course: Path, *arguments: str) -> CompletedProcess[str]:
    return command(course, "autograder", "grade", ASSIGNMENT, *arguments, COLUMNS="100")


def test_the_command_says_what_a_person_has_to_see_to(course: Path) -> None:
    empty(hand_in(course, "anna", RIGHT))
    hand_in(course, "berta", RIGHT)
    done = graded_by_command(course)
    assert done.returncode == 1, done.stderr
    assert "anna   2 of 8  1 of 2          1\n  ✗ first: The file is empty: nothing of it counts." in done.stdout
    assert "4 of 8" in done.stdout
    assert "2 graded in" in done.stdout and "1 to see to." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    hand_in(course, "carla", {**RIGHT, "square": WRONG["square"]})
    again = graded_by_command(course, "--json")
    assert again.returncode == 1
    told = json.loads(again.stdout)
    (carla,), (anna,) = told.pop("submissions"), told.pop("earlier")
    assert told | {"seconds": 0} == {"assignment": ASSIGNMENT, "seconds": 0, "graded_before": 2, "to_see_to": 1}
    assert (anna["student"], anna["failures"]) == ("anna", [BAD["empty"][2]])
    assert (carla["student"], carla["points"], carla["most"]) == ("carla", 2, 8)
    assert carla["notebooks"] == {"first": 2, "second": 0}


def test_the_command_that_cannot_grade_says_why(course: Path, tmp_path: Path) -> None:
    done = graded_by_command(course, "--student", "nobody")
    assert done.returncode == 2
    assert done.stdout.startswith("Not graded: no submission fits")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert graded_by_command(elsewhere).returncode == 2
