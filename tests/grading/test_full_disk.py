"""A disk that is full ends the run with one clear word; nothing is lost, and the next run does the rest."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from autograder.cli.main import NO_ROOM
from autograder.errors import AutograderError
from autograder.grading import disk
from autograder.grading.examine import seed_of
from scripts.submissions import ROOT
from tests.support.classes import ASSIGNMENT, RIGHT, WRONG, differences, grade, hand_in, make_course, state, warm
from tests.support.rooms import linux
from tests.support.small_disk import KIB

pytestmark = [linux, pytest.mark.timeout(900), pytest.mark.usefixtures(warm.__name__)]
STUDENTS = [f"student-{number}" for number in range(5)]
CASES = [
    ("autograder", "course", 3000 * KIB),
    pytest.param("autograder", "course", 0, marks=pytest.mark.long),
    pytest.param("autograder", "gradebook", 0, marks=pytest.mark.long),
    pytest.param("autograder", "temporary", 300 * KIB, marks=pytest.mark.long),
    ("nbgrader", "course", 3000 * KIB),
    pytest.param("nbgrader", "gradebook", 0, marks=pytest.mark.long),
]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course that was graded, and to which all have handed in anew, with a file each."""
    folder = tmp_path_factory.mktemp("full-disk") / "course"
    make_course(folder)
    for student in STUDENTS:
        hand_in(folder, student, WRONG)
    grade(folder, sandbox=False)
    for student in STUDENTS:
        (hand_in(folder, student, RIGHT, "2026-03-01 10:00:00 UTC") / "data.bin").write_bytes(os.urandom(KIB**2))
    return folder


@pytest.fixture(scope="module")
def states(course: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """What was before, and what grading leaves where there is room."""
    undisturbed = Path(shutil.copytree(course, tmp_path_factory.mktemp("undisturbed") / "course"))
    before = state(undisturbed)
    grade(undisturbed, sandbox=False)
    return before, state(undisturbed)


def of(student: str, found: Mapping[str, Any]) -> tuple[set[str], dict[str, Any]]:
    """A student's marks and records."""
    rows = {repr(row) for kind in ("Grade", "Comment") for row in found["marks"][kind] if row[1] == student}
    return rows, {name: record for name, record in found["records"].items() if Path(name).parts[0] == student}


@pytest.mark.parametrize(("way", "where", "free"), CASES)
def test_a_full_disk(course: Path, states: tuple[Any, Any], tmp_path: Path, way: str, where: str, free: int) -> None:
    mine, result = Path(shutil.copytree(course, tmp_path / "course")), tmp_path / "result"
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "tests.support.small_disk"]
    done = subprocess.run(
        [*command, mine, way, where, str(free), result],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = pickle.loads(result.read_bytes())
    assert told["code"] == (2 if way == "autograder" else 1), told["said"]
    said = [line for line in told["said"].splitlines() if "is full. " in line]
    assert len(said) == 1 and ("the gradebook" if where == "gradebook" else told["disk"]) in said[0], told["said"]
    assert "What was graded is kept. Make room, and run the command again: it goes on." in said[0]
    assert way == "nbgrader" or "Traceback" not in told["said"]
    before, after = states
    if way == "autograder":
        regraded = [student for student in STUDENTS if of(student, told["between"]) == of(student, after)]
        assert all(of(each, told["between"]) == of(each, before) for each in STUDENTS if each not in regraded)
        assert bool(regraded) == (free > KIB**2) and len(regraded) < len(STUDENTS)
    assert told["again"][0] == 0, told["again"][1]
    assert differences(told["after"], after) == []


def test_where_nothing_can_be_shown_the_marks_are_kept(course: Path, states: tuple[Any, Any], tmp_path: Path) -> None:
    mine = Path(shutil.copytree(course, tmp_path / "course"))
    program = "from autograder.cli.main import main; main()"
    for arguments in (["grade", ASSIGNMENT], ["report", ASSIGNMENT], ["report", ASSIGNMENT, "--json"]):
        command = [sys.executable, "-c", program, *arguments]
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, cwd=mine, stdout=full, stderr=subprocess.PIPE, text=True, timeout=200, check=False)
        assert (done.returncode, done.stderr) == (2, f"{NO_ROOM}\n")
    assert state(mine)["marks"] == states[1]["marks"]


def test_what_fails_for_another_reason_is_no_full_disk(tmp_path: Path) -> None:
    disk.refuse(PermissionError(13, "Permission denied"), tmp_path)
    disk.refuse_if_full(tmp_path)
    for number in disk.FULL:
        with pytest.raises(disk.DiskFullError, match=f"the disk of {tmp_path} is full"):
            disk.refuse(OSError(number, "no"), tmp_path)


def test_no_half_a_secret_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases of hidden tests would be drawn from what everybody knows."""
    about = {"assignment": ASSIGNMENT, "student": "anna", "notebook": "first"}
    key = tmp_path / "examiner.key"
    limited = f"""
import resource, signal
from pathlib import Path
from autograder.grading.examine import seed_of
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
seed_of(Path({str(key)!r}), "course", {about})
"""
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, timeout=120, check=False)
    assert "File too large" in done.stderr
    assert not key.exists()
    key.touch()
    with pytest.raises(AutograderError, match=r"is empty. Delete it"):
        seed_of(key, "course", about)
