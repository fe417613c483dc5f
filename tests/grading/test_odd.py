"""A class in which nearly everybody hands in something odd is graded all the same, and what was said can be read again."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from autograder.grading import coordinator, pool
from autograder.grading.classroom import ClassReport
from autograder.grading.coordinator import Graded
from autograder.grading.notebook_job import GradedNotebook, NotebookJob
from autograder.grading.standing import Standing
from autograder.grading.submission import State
from autograder.grading.summary import Summary
from scripts import demo
from scripts.submissions import ROOT
from tests.support.classes import ASSIGNMENT, RIGHT, differences, grade, hand_in, inside, state, warm
from tests.support.odd import ODD, make_class
from tests.support.rooms import linux

pytestmark = [linux, pytest.mark.timeout(240), pytest.mark.usefixtures(warm.__name__)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_class(tmp_path_factory.mktemp("odd") / "course")


class Undisturbed:
    """A course that was graded once, what that run said, and the outcomes of its notebooks in a file."""

    def __init__(self, template: Path, folder: Path) -> None:
        self.course = copied(template, folder / "course")
        self.outcomes = folder / "outcomes"
        outcomes: dict[tuple[str, str], GradedNotebook] = {}

        def kept(job: NotebookJob) -> GradedNotebook:
            outcomes[job.student, job.seed] = outcome = pool.grade_notebook(job)
            return outcome

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(coordinator, "grade_notebook", kept)
            self.report: ClassReport = grade(self.course)
        self.outcomes.write_bytes(pickle.dumps(outcomes))
        self.state = state(self.course)
        self.standings = standings(self.course)


def copied(template: Path, to: Path) -> Path:
    """A copy, in which a pipe is a pipe again."""

    def copy(source: str, target: str) -> None:
        os.mkfifo(target) if Path(source).is_fifo() else shutil.copy2(source, target)

    return Path(shutil.copytree(template, to, copy_function=copy))


def standings(course: Path) -> dict[str, Standing]:
    with inside(course):
        return {each.student: each for each in Summary(ASSIGNMENT).standings}


@pytest.fixture(scope="module")
def undisturbed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(template, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="module")
def graded(undisturbed: Undisturbed) -> Mapping[str, Graded]:
    return {each.student: each for each in undisturbed.report.graded}


@pytest.mark.parametrize("student", ODD)
def test_everybody_gets_what_can_be_judged_and_a_line_that_says_what_to_do(graded: Mapping[str, Graded], student: str) -> None:
    odd, found = ODD[student], graded[student]
    assert found.failures == [odd.failure] * bool(odd.failure)
    assert (found.points if found.is_written else None) == odd.points
    assert not odd.note or odd.note in found.notes


def test_the_others_are_graded_and_nothing_is_written_under_a_broken_name(
    graded: Mapping[str, Graded], undisturbed: Undisturbed
) -> None:
    assert len(graded) == len(ODD) + 1 > 40
    assert (graded["anna"].points, graded["anna"].failures) == (4, [])
    students = {row[0] for row in undisturbed.state["marks"]["student"]}
    assert students == {"absent", "anna", *(student for student, odd in ODD.items() if odd.points is not None)}
    penalties = {row[1]: row[3] for row in undisturbed.state["marks"]["notebook"] if row[0] == "second"}
    assert penalties["late"] == 0.75 and penalties["anna"] is None


def test_the_report_says_again_what_the_run_said(graded: Mapping[str, Graded], undisturbed: Undisturbed) -> None:
    found = undisturbed.standings
    assert found.keys() == graded.keys()
    for student, each in graded.items():
        if each.is_written or ODD[student].failure.endswith("Rename it."):
            assert (found[student].failures, found[student].notes) == (each.failures, each.notes), student
        assert found[student].state is (State.GRADED if each.is_written else State.NOT_GRADED)
        assert found[student].points == (each.points if each.is_written else 0)
    assert found["student-in-the-way"].failures == [f"Not graded yet: autograder grade {ASSIGNMENT}"]
    assert found["late"].late == 5400 and found["late"].penalty == 0.75
    assert [*found["late"].remarks] == ["Late by 1 h 30 min: 0.75 points off."]
    counts = {student: (each.right, each.attempted, each.answers) for student, each in found.items()}
    assert (counts["anna"], counts["bom"], counts["empty"]) == ((2, 2, 2), (1, 1, 2), (0, 0, 2))
    assert found["anna"].waiting == ["first (`essay`, `task`)"]


KILLS = {"a file of a record is written": 60, "a record is set aside": 19, "rows are committed": 6}
"""Where it is killed, and at the how manieth time."""


@pytest.mark.parametrize("point", KILLS)
def test_a_run_that_is_killed_and_run_again_loses_nothing_that_was_said(
    template: Path, undisturbed: Undisturbed, tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = copied(template, tmp_path / "course")
    program = [sys.executable, "-m", "tests.support.killed", point, str(KILLS[point]), str(undisturbed.outcomes)]
    killed = subprocess.run(program, cwd=course, env={"PYTHONPATH": str(ROOT), "PATH": demo.PATH}, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    half = {student: each for student, each in standings(course).items() if each.state is State.GRADED}
    assert any(each.failures for each in half.values())
    assert all(each == undisturbed.standings[student] for student, each in half.items())
    assert len(half) < sum(odd.points is not None for odd in ODD.values())
    outcomes = pickle.loads(undisturbed.outcomes.read_bytes())
    monkeypatch.setattr(coordinator, "grade_notebook", lambda job: outcomes[job.student, job.seed])
    again = grade(course)
    assert not half.keys() & {each.student for each in again.graded}
    assert differences(state(course), undisturbed.state) == []
    assert standings(course) == undisturbed.standings
    assert {each.student: each.failures for each in again.needing_a_person()} == {
        each.student: each.failures for each in undisturbed.report.needing_a_person()
    }
    assert {each.student for each in again.earlier} == {student for student, each in half.items() if each.failures}


def test_what_changed_since_it_was_graded_is_told(undisturbed: Undisturbed, tmp_path: Path) -> None:
    course = copied(undisturbed.course, tmp_path / "course")
    hand_in(course, "newcomer", RIGHT)
    hand_in(course, "bom", RIGHT, "2026-01-02 10:30:00 UTC")
    (course / "submitted" / "split" / ASSIGNMENT / "timestamp.txt").write_text("2026-01-02 10:30:00 UTC")
    shutil.rmtree(course / "submitted" / "empty")
    record = course / "autograded" / "late" / ASSIGNMENT / "second.ipynb"
    record.chmod(0o600)
    record.write_text("{}")
    found = standings(course)
    do = f": autograder grade {ASSIGNMENT}"
    for student, state_now, failures in (
        ("newcomer", State.NOT_GRADED, [f"Not graded yet{do}"]),
        ("bom", State.NOT_GRADED, [f"Not graded yet{do}"]),  # it is in two notebooks now
        ("split", State.ANEW, [f"Handed in anew since it was graded{do}"]),
        ("empty", State.GRADED, [ODD["empty"].failure]),
        ("late", State.GRADED, ["second: The record cannot be read ('cells'). Grade it again with --force."]),
    ):
        assert (found[student].state, found[student].failures) == (state_now, failures), student
    assert found["split"].points == found["late"].points == 2
    changed = {student for student, each in found.items() if each != undisturbed.standings.get(student)}
    assert changed == {"newcomer", "bom", "split", "empty", "late"}


def command(course: Path, *arguments: str, columns: int = 80) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from autograder.cli.main import main; main()", *arguments]
    environment = {**os.environ, "COLUMNS": str(columns), "PATH": demo.PATH}
    return subprocess.run(program, cwd=course, capture_output=True, text=True, timeout=120, env=environment)


def test_the_command_names_every_submission_that_a_person_has_to_see_to(undisturbed: Undisturbed) -> None:
    done = command(undisturbed.course, "report", ASSIGNMENT)
    assert done.returncode == 1 and done.stderr == ""
    urgent = {student for student, odd in ODD.items() if odd.failure}
    lines = done.stdout.splitlines()
    assert max(map(len, [line for line in lines if not line.startswith(("x", "After"))])) <= 80
    crossed = {lines[at - 1].split("  ")[0] for at, line in enumerate(lines) if line.startswith("  ✗ ")}
    assert crossed == urgent
    assert f"{len(ODD) + 1} handed in: {len(ODD) - 4} graded, 5 not graded. {len(urgent)} to see to." in done.stdout
    assert "Of them: 1 late, 1 to grade by hand in part." in done.stdout
    assert "Of the students in the gradebook 1 handed in nothing: absent." in done.stdout
    assert f"After you put a file in place: autograder grade {ASSIGNMENT} --force --student NAME" in done.stdout


def test_the_report_says_what_was_left_out_and_what_other_tests_it_was_graded_by(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    course = copied(undisturbed.course, tmp_path / "course")
    again = f"autograder grade {ASSIGNMENT} --force --student download"
    record = course / "autograded" / "download" / ASSIGNMENT / "second.ipynb"
    record.unlink()  # as after `nbgrader autograde`, which goes by names alone
    other = course / "autograded" / "anna" / ASSIGNMENT / "second.ipynb"
    content = json.loads(other.read_text(encoding="utf-8"))
    tests = [cell for cell in content["cells"] if cell["metadata"].get("nbgrader", {}).get("points")]
    tests[0]["metadata"]["nbgrader"]["points"] += 1
    other.write_text(json.dumps(content), encoding="utf-8")
    found = standings(course)
    assert found["download"].failures == [f"`second (1).ipynb` was not graded, since its name is not `second.ipynb`: {again}"]
    (said,) = found["anna"].failures
    id = tests[0]["metadata"]["nbgrader"]["grade_id"]
    assert (
        said
        == f"second: Graded with other tests or points than the assignment has now, in `{id}`. Grade it again with --force."
    )


def test_all_notes_are_shown_where_they_are_asked_for(undisturbed: Undisturbed) -> None:
    few = command(undisturbed.course, "report", ASSIGNMENT, columns=200).stdout
    everything = command(undisturbed.course, "report", ASSIGNMENT, "--notes", columns=200).stdout
    assert f"autograder report {ASSIGNMENT} --notes" in few
    assert "more: autograder" not in everything and len(everything) > len(few)


def test_where_there_is_nothing_to_report_on_it_says_why(undisturbed: Undisturbed, tmp_path: Path) -> None:
    done = command(undisturbed.course, "report", "wrok", columns=200)
    said = f"No report: the gradebook has no assignment 'wrok'. It has {ASSIGNMENT}.\n"
    assert (done.returncode, done.stdout) == (2, said)


def test_the_command_gives_json(undisturbed: Undisturbed) -> None:
    done = command(undisturbed.course, "report", ASSIGNMENT, "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["to_see_to"] == sum(bool(odd.failure) for odd in ODD.values())
    assert told["absent"] == ["absent"]
    found: dict[str, dict[str, Any]] = {each["student"]: each for each in told["submissions"]}
    assert found["late"]["penalty"] == 0.75 and found["late"]["late"] == 5400
    assert found["half-a-file"]["failures"] == [ODD["half-a-file"].failure]
    assert found["jos\\xe9"]["state"] == "not graded"
