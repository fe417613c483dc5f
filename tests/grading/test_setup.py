"""A course that forgot its configuration, or has half of it: nbgrader grades all the same, and who grades is told."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from autograder.cli.main import main
from autograder.grading.course import Course, CourseError, converter_of
from autograder.grading.salvage import FAILURES, NOTES
from autograder.grading.setup import faults, remarks, weaknesses
from autograder.grading.standing import UNEXAMINED, standings
from autograder.notebook import checking
from tests.sandbox.test_attacks import POINTS, ROOT, deserved, hand_in, lesson, marks
from tests.support.attacks import ATTACKS
from tests.support.attacks.attack import Attack
from tests.support.commands import command, nbgrader
from tests.support.rooms import linux

pytestmark = [linux, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")]

FORGOTTEN = "c = get_config()\nc.CourseDirectory.course_id = 'backprop-ninja'\n"
OURS = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
REPLACES = "check-and-grade"
JUDGED = {"test-dlogits", "test-dh", "test-dz", "test-dW"}


def course_in(folder: Path, config: str, *names: str) -> Path:
    """A course with one assignment, which these students have handed in."""
    (folder / "source" / "ps").mkdir(parents=True)
    nbformat.write(lesson("HIDDEN"), folder / "source" / "ps" / "lesson.ipynb")
    (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")
    nbgrader(folder, "generate_assignment", "ps")
    for name in names:
        hand_in(folder, name, ATTACKS.get(name, Attack("answers")), {})
    return folder


def autograded(course: Path, *arguments: str) -> str:
    """What `nbgrader autograde` writes to the terminal."""
    return nbgrader(course, "autograde", "ps", *arguments)


def record(course: Path, student: str) -> nbformat.NotebookNode:
    return nbformat.read(course / "autograded" / student / "ps" / "lesson.ipynb", as_version=4)


def shown_in(nb: nbformat.NotebookNode, text: str) -> list[str]:
    """The cells with an output that has this text."""
    return [cell.id for cell in nb.cells for output in cell.get("outputs", ()) if text in str(output)]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It has no configuration but `course_id`, and is graded."""
    folder = course_in(tmp_path_factory.mktemp("forgotten") / "course", FORGOTTEN, "honest", REPLACES)
    (folder / "log").write_text(autograded(folder))
    nbgrader(folder, "generate_feedback", "ps")
    return folder


class TestForgotten:
    """`course_id` alone."""

    def test_a_student_can_have_all_marks(self, course: Path) -> None:
        """This is why it has to be said."""
        assert marks(course)[REPLACES] == deserved(Attack(""))

    def test_who_is_honest_loses_no_mark_by_it(self, course: Path) -> None:
        assert marks(course)["honest"] == deserved(Attack(""))

    def test_the_record_says_so_once(self, course: Path) -> None:
        nb = record(course, "honest")
        assert shown_in(nb, checking.NOT_EXAMINED) == ["test-dlogits"]
        (output,) = next(each for each in nb.cells if each.id == "test-dlogits").outputs[1:]
        assert output.output_type == "display_data"
        assert output.data["text/plain"].startswith("✗ grade: not examined. nbgrader ran this notebook outside of a room")

    def test_the_feedback_says_so(self, course: Path) -> None:
        page = (course / "feedback" / "honest" / "ps" / "lesson.html").read_text(encoding="utf-8")
        assert "not examined" in page

    def test_the_command_says_so_once_for_each_notebook(self, course: Path) -> None:
        """In that of the other student too, where `grade` was called before it was replaced."""
        assert (course / "log").read_text().count(f"Not examined: {checking.NOT_EXAMINED}") == 2

    def test_it_is_a_fault(self, course: Path) -> None:
        assert [fault.partition(":")[0] for fault in faults(converter_of(course))] == [
            "c.Autograde.autograde_preprocessors has no autograder.grading.examine.Examine",
            "c.Autograde.sanitize_preprocessors has no autograder.grading.restore.Restore",
        ]

    def test_lint_says_so(self, course: Path) -> None:
        (course / "source" / "nbgrader_config.py").write_text("")
        said = CliRunner().invoke(main, ["lint", "ps", "--course", str(course)]).output
        assert "nbgrader_config.py: c.Autograde.autograde_preprocessors has no autograder.grading.examine.Examine" in said
        assert "nbgrader_config.py: c.Autograde.exporter_class is not autograder.grading.exporter.LenientExporter" in said
        assert "source/nbgrader_config.py: nbgrader does not read it there: move it to" in said

    def test_the_report_says_so_of_whoever_is_in_it(self, course: Path) -> None:
        """A student can keep `grade` from saying so, and not the report."""
        (course / "nbgrader_config.py").write_text(OURS)
        with chdir(course):
            said = {standing.student: standing.failures for standing in standings(Course("ps"))}
        (course / "nbgrader_config.py").write_text(FORGOTTEN)
        assert said == {student: [f"lesson: {UNEXAMINED}"] for student in ("honest", REPLACES)}


def test_a_switch_makes_it_refuse(tmp_path: Path) -> None:
    refuse = f"import os\nos.environ['{checking.UNEXAMINED}'] = 'refuse'\n"
    course = course_in(tmp_path / "course", refuse + FORGOTTEN, "honest")
    log = autograded(course)
    assert log.count(f"Not examined, and without points for judged tests: {checking.NOT_EXAMINED}") == 1
    assert {name for name, points in marks(course)["honest"].items() if points == 0.0} == JUDGED
    assert shown_in(record(course, "honest"), f"could not tell. {checking.NOT_EXAMINED}") == [
        each for each in POINTS if each in JUDGED
    ]


HALF = {
    "no Examine": ("c.Autograde.autograde_preprocessors.pop(0)", "has no autograder.grading.examine.Examine"),
    "Execute in its place": (
        "c.Autograde.autograde_preprocessors[0] = 'nbgrader.preprocessors.Execute'",
        "has no autograder.grading.examine.Examine",
    ),
    "Execute beside it": (
        "c.Autograde.autograde_preprocessors.insert(1, 'nbgrader.preprocessors.Execute')",
        "has nbgrader's Execute beside",
    ),
    "no SaveAutoGrades": ("c.Autograde.autograde_preprocessors.pop(4)", "no mark comes into the gradebook"),
    "Examine too late": (
        "c.Autograde.autograde_preprocessors.append(c.Autograde.autograde_preprocessors.pop(0))",
        "behind SaveAutoGrades",
    ),
    "no Restore": ("c.Autograde.sanitize_preprocessors.pop(0)", "has no autograder.grading.restore.Restore"),
    "Execute switched off": ("c.Execute.enabled = False", "is switched off"),
    "Examine switched off": ("c.Examine.enabled = False", "is switched off"),
}


@pytest.mark.parametrize("name", HALF)
def test_half_of_a_configuration_is_a_fault(tmp_path: Path, name: str) -> None:
    line, said = HALF[name]
    (tmp_path / "nbgrader_config.py").write_text(f"{OURS}\n{line}\n", encoding="utf-8")
    (fault,) = faults(converter_of(tmp_path))
    assert said in fault
    with chdir(tmp_path), pytest.raises(CourseError, match=r"the configuration of this course"):
        Course("ps")


WRONG = {
    "c.Examine.memory = 'much'": "The 'memory' trait of an Examine instance expected an int, not the str 'much'. Correct that",
    "c.Execute.timeout = 'long'": "c.Execute.timeout has to be a number of seconds, not 'long'. Correct that",
    "c.Examine.cell_seconds = 0": "c.Examine.cell_seconds is 0, and has to be above 0: else nothing that is handed in counts. "
    "Leave the line out, and it is 60.",
    "c.Examine.cell_seconds = -1": "c.Examine.cell_seconds is -1, and has to be above 0",
    "c.Examine.notebook_seconds = 0": "c.Examine.notebook_seconds is 0, and has to be above 0",
    "c.Examine.notebook_seconds = float('inf')": "c.Examine.notebook_seconds is inf, and has to be above 0 and no more than",
    "c.Examine.memory = 0": "c.Examine.memory is 0, and has to be above 0",
    "c.Examine.cells = -5": "c.Examine.cells is -5, and has to be above 0",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_value_with_which_nothing_could_be_graded_is_a_fault(tmp_path: Path, line: str) -> None:
    (tmp_path / "nbgrader_config.py").write_text(f"{OURS}\n{line}\n", encoding="utf-8")
    assert [WRONG[line] in fault for fault in faults(converter_of(tmp_path))] == [True]
    with chdir(tmp_path), pytest.raises(CourseError, match=r"the configuration of this course"):
        Course("ps")


@pytest.mark.parametrize("timeout", ["-1", "0", "None"])
def test_what_nbconvert_takes_for_no_limit_is_the_limit_that_there_is_without_a_word(tmp_path: Path, timeout: str) -> None:
    (tmp_path / "nbgrader_config.py").write_text(f"{OURS}\nc.Execute.timeout = {timeout}\n", encoding="utf-8")
    said = f"c.Execute.timeout is {timeout}, which is no limit to nbconvert: here a cell may take 60 s. "
    assert [*remarks(converter_of(tmp_path))] == [f"{said}c.Examine.cell_seconds sets another limit."]
    with chdir(tmp_path):
        assert Course("ps").examine.limits().cell_seconds == 60
    with (tmp_path / "nbgrader_config.py").open("a") as config:
        config.write("c.Examine.cell_seconds = 5\n")
    assert [*remarks(converter_of(tmp_path))] == []


WAYS = {"autograder": ("grade", 2), "nbgrader": ("autograde", 1)}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_graded_with_a_wrong_value_and_one_line_says_so(tmp_path: Path, way: str) -> None:
    course = course_in(tmp_path / "course", OURS, "honest")
    verb, code = WAYS[way]
    for line, said in [*WRONG.items()][::3]:
        (course / "nbgrader_config.py").write_text(f"{OURS}\n{line}\n", encoding="utf-8")
        done = command(course, way, verb, "ps", COLUMNS="300")
        assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done
        assert "Traceback" not in done.stdout + done.stderr
        assert not (course / "autograded").exists()
    (course / "nbgrader_config.py").write_text(f"{OURS}\nc.Execute.timeout = -1\n", encoding="utf-8")
    done = command(course, way, verb, "ps", COLUMNS="300")
    assert done.returncode == 0 and "here a cell may take 60 s" in done.stdout + done.stderr
    assert marks(course)["honest"] == deserved(Attack(""))


WEAK = {
    "c.Autograde.exporter_class = 'nbconvert.exporters.NotebookExporter'": "of a broken file nothing is graded",
    "c.HTMLExporter.sanitize_html = False": "runs in the browser",
    "del c.HTMLExporter.filters['clean_html']": "runs in the browser",
    "c.GenerateFeedback.preprocessors.pop(1)": "students see hidden tests",
}


@pytest.mark.parametrize("line", WEAK)
def test_what_changes_no_mark_is_said_by_the_linter(tmp_path: Path, line: str) -> None:
    (tmp_path / "nbgrader_config.py").write_text(f"{OURS}\n{line}\n", encoding="utf-8")
    converter = converter_of(tmp_path)
    assert [*faults(converter)] == []
    (weakness,) = weaknesses(converter)
    assert WEAK[line] in weakness


def test_ours_has_no_fault(tmp_path: Path) -> None:
    assert converter_of(tmp_path) is None
    (tmp_path / "nbgrader_config.py").write_text(OURS, encoding="utf-8")
    converter = converter_of(tmp_path)
    assert [*faults(converter), *weaknesses(converter)] == []


def test_a_class_of_ones_own_that_is_derived_does_as_well(tmp_path: Path) -> None:
    own = "from autograder.grading.examine import Examine\nclass Own(Examine):\n    pass\n"
    (tmp_path / "nbgrader_config.py").write_text(f"{OURS}\n{own}c.Autograde.autograde_preprocessors[0] = Own\n")
    assert [*faults(converter_of(tmp_path))] == []


@pytest.mark.parametrize(
    ("line", "arguments", "said"),
    [("", ["--no-execute"], "is switched off"), (HALF["no Restore"][0], [], HALF["no Restore"][1])],
    ids=["no-execute", "no Restore"],
)
def test_nbgrader_says_so_and_the_record_too(tmp_path: Path, line: str, arguments: list[str], said: str) -> None:
    course = course_in(tmp_path / "course", f"{OURS}\n{line}\n", "honest")
    assert said in autograded(course, *arguments)
    assert [said in failure for failure in record(course, "honest").metadata[NOTES][FAILURES]] == [True]
