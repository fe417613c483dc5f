"""A class in which nearly everybody hands in too much is graded, in both ways, without delay and without a full disk."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autograder.grading.standing import Standing
from autograder.grading.summary import Summary
from scripts import demo
from tests.support.bulk import BULK, MIB
from tests.support.classes import ASSIGNMENT, RIGHT, hand_in, inside, make_course
from tests.support.rooms import linux

pytestmark = [
    linux,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),  # of nbgrader's own statements
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # in hypothesis's count of collecting
]

HONEST = ["aa-honest", "mm-honest", "zz-honest"]
SETTINGS = "c.Examine.restore_seconds = 10\n"
MOST = 256 * MIB
"""Bytes of the largest file that these commands can write, so that a mistake does not fill the disk of who runs the tests."""
WAYS = {
    "autograder": ("from autograder.cli.main import main; main()", ["grade", ASSIGNMENT, "--jobs", "2", "--json"]),
    "nbgrader": ("from nbgrader.apps.nbgraderapp import main; main()", ["autograde", ASSIGNMENT]),
}
CPU_SECONDS = 12.0
"""Seconds of a processor that a submission may take at the most, on the average of this class."""


@dataclass(frozen=True)
class Graded:
    """A class that was graded: its folder, what the command wrote, its exit code, and the seconds of a processor it took."""

    course: Path
    said: str
    code: int
    seconds: float
    standings: Mapping[str, Standing]

    def record(self, student: str) -> Path:
        return self.course / "autograded" / student / ASSIGNMENT


def run(course: Path, way: str) -> tuple[str, int, float]:
    program, arguments = WAYS[way]
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({MOST}, {MOST})); {program}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", limited, *arguments],
        cwd=course,
        env={**os.environ, "PATH": demo.PATH},
        capture_output=True,
        text=True,
        timeout=500,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout if way == "autograder" else done.stdout + done.stderr, done.returncode, seconds


@pytest.fixture(scope="module", params=["autograder", pytest.param("nbgrader", marks=pytest.mark.long)])
def graded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Graded:
    course = tmp_path_factory.mktemp(f"bulk-{request.param}") / "course"
    make_course(course, SETTINGS)
    for student in HONEST:
        hand_in(course, student, RIGHT)
    for student, bulk in BULK.items():
        bulk.bring(hand_in(course, student, RIGHT))
    said, code, seconds = run(course, request.param)
    with inside(course):
        found = {each.student: each for each in Summary(ASSIGNMENT).standings}
    return Graded(course, said, code, seconds, found)


@pytest.mark.parametrize("student", BULK)
def test_too_much_has_one_cross_that_says_what_to_do_and_costs_no_more_than_itself(graded: Graded, student: str) -> None:
    bulk, found = BULK[student], graded.standings[student]
    assert found.points == bulk.points, (found.failures, graded.said[-2000:])
    prefix = "first: " if bulk.first else ""
    assert [failure[: len(prefix + bulk.failure)] for failure in found.failures] == [prefix + bulk.failure] * bool(bulk.failure)
    assert all(
        word in "".join(found.failures) for word in (["Ask"] if bulk.failure and "Look" not in found.failures[0] else [])
    )


def test_the_others_have_all_their_marks(graded: Graded) -> None:
    for student in HONEST:
        assert (graded.standings[student].points, graded.standings[student].failures) == (4, [])


def test_the_command_goes_to_its_end(graded: Graded) -> None:
    assert graded.code in (0, 1), graded.said[-3000:]
    assert "Traceback" not in graded.said
    if graded.said.startswith("{"):
        told: Any = {each["student"]: each for each in json.loads(graded.said)["submissions"]}
        assert told.keys() == {*HONEST, *BULK}


def test_it_takes_bounded_time(graded: Graded) -> None:
    assert graded.seconds < CPU_SECONDS * len(graded.standings)


@pytest.mark.parametrize("student", BULK)
def test_what_goes_into_a_record_is_bounded(graded: Graded, student: str) -> None:
    files = [path for path in graded.record(student).rglob("*")]
    assert len(files) < 1100
    assert sum(path.lstat().st_size for path in files) < 64 * MIB
    assert not any(path.is_symlink() or not (path.is_file() or path.is_dir()) for path in files)


def test_what_was_handed_in_is_as_it_was(graded: Graded) -> None:
    assert (graded.course / "submitted" / "sparse" / ASSIGNMENT / "data.bin").stat().st_size == 2**40
    assert len(os.listdir(graded.course / "submitted" / "empty-files" / ASSIGNMENT)) > 20_000
