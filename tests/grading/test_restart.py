"""Whatever is killed, whenever: nothing graded is lost, nothing is half written, and a second run finishes the rest."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder.grading import coordinator, gradebook, launch, pool
from autograder.grading import pool as clusters
from autograder.grading.gradebook import GradebookError
from autograder.grading.notebook_job import GradedNotebook, NotebookJob
from autograder.grading.pool import ClusterError
from scripts import demo
from scripts.submissions import ROOT
from tests.support.classes import (
    ASSIGNMENT,
    RIGHT,
    WRONG,
    differences,
    grade,
    hand_in,
    make_course,
    marks,
    records,
    state,
    warm,
)
from tests.support.clusters import cluster, start_worker, until
from tests.support.commands import nbgrader
from tests.support.killed import POINTS
from tests.support.postgres import Postgres, postgres, server
from tests.support.rooms import linux

pytestmark = [linux, pytest.mark.timeout(240), pytest.mark.usefixtures(warm.__name__)]
STUDENTS = [f"student-{number}" for number in range(6)]
SLOW = {**RIGHT, "free": "import time\ntime.sleep(0.5)"}
HANDLED = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from autograder.cli.main import main; main()"
)
INTERRUPTIBLE = [sys.executable, "-c", HANDLED, "grade", ASSIGNMENT]
"""The command, also where these tests are a job in the background, which ignores an interrupt."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course to which six students have handed in."""
    folder = tmp_path_factory.mktemp("template") / "course"
    make_course(folder)
    for number, student in enumerate(STUDENTS):
        hand_in(folder, student, WRONG if number % 2 else SLOW)
    return folder


@pytest.fixture
def course(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "course"))


@pytest.fixture(scope="module")
def undisturbed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A course that was graded without a fault, and the outcomes of its notebooks in a file."""
    folder = tmp_path_factory.mktemp("undisturbed")
    course = Path(shutil.copytree(template, folder / "course"))
    outcomes: dict[tuple[str, str], GradedNotebook] = {}

    def kept(job: NotebookJob) -> GradedNotebook:
        outcome = pool.grade_notebook(job)
        outcomes[job.student, job.seed] = outcome
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coordinator, "grade_notebook", kept)
        grade(course)
    (folder / "outcomes").write_bytes(pickle.dumps(outcomes))
    return course, folder / "outcomes"


@pytest.fixture(scope="module")
def expected(undisturbed: tuple[Path, Path]) -> dict[str, Any]:
    return state(undisturbed[0])


def assert_nothing_is_half_done(course: Path, expected: dict[str, Any]) -> set[str]:
    """Records that are in their places are whole, and have their marks. Gives whose they are."""
    now = {name: record for name, record in records(course).items() if not Path(name).parts[1].startswith(".")}
    students = {Path(name).parts[0] for name in now}
    assert now == {name: record for name, record in expected["records"].items() if Path(name).parts[0] in students}
    rows = marks(f"sqlite:///{course}/gradebook.db")["Grade"]
    assert {repr(row) for row in expected["marks"]["Grade"] if row[1] in students} <= set(map(repr, rows))
    return students


def has_a_record(course: Path) -> bool:
    return any(course.glob(f"autograded/*/{ASSIGNMENT}"))


KILLS = [
    *((point, 1 if kind is gradebook.Writer else 3) for point, (kind, *_) in POINTS.items()),
    ("a record is in its place", 1),
]
"""Where, and at the how manieth time. How many transactions there are hangs on the clock, but for the first."""


@pytest.mark.parametrize(("point", "count"), KILLS)
def test_a_coordinator_that_is_killed_at_any_point(
    course: Path,
    undisturbed: tuple[Path, Path],
    expected: dict[str, Any],
    point: str,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = [sys.executable, "-m", "tests.support.killed", point, str(count), str(undisturbed[1])]
    killed = subprocess.run(program, cwd=course, env={"PYTHONPATH": str(ROOT), "PATH": demo.PATH}, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    done = assert_nothing_is_half_done(course, expected)
    assert len(done) < len(STUDENTS)
    outcomes = pickle.loads(undisturbed[1].read_bytes())
    monkeypatch.setattr(coordinator, "grade_notebook", lambda job: outcomes[job.student, job.seed])
    assert {each.student for each in grade(course).graded} == set(STUDENTS) - done
    assert differences(state(course), expected) == []


def test_a_regrade_that_is_killed_leaves_work_and_no_old_record_beside_new_marks(
    course: Path, undisturbed: tuple[Path, Path]
) -> None:
    grade(course)
    for student in STUDENTS[:2]:
        hand_in(course, student, {**RIGHT, "essay": "No."}, "2026-02-01 10:00:00 UTC")
    program = [sys.executable, "-m", "tests.support.killed", "rows are committed", "1", str(undisturbed[1])]
    killed = subprocess.run(program, cwd=course, env={"PYTHONPATH": str(ROOT), "PATH": demo.PATH}, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [each.student for each in grade(course).graded] == STUDENTS[:2]
    assert grade(course).graded == []


def test_a_real_run_that_is_killed_leaves_no_process(course: Path, expected: dict[str, Any]) -> None:
    program = [sys.executable, "-c", "from autograder.cli.main import main; main()", "grade", ASSIGNMENT, "--jobs", "2"]
    run = subprocess.Popen(program, cwd=course, stdout=subprocess.DEVNULL, env={"PATH": demo.PATH})
    everyone = [process := psutil.Process(run.pid)]
    try:
        until(lambda: has_a_record(course), 90)
        everyone += process.children(recursive=True)
        run.kill()
        run.wait(30)
        assert psutil.wait_procs(everyone, timeout=20)[1] == []
    finally:
        for each in everyone:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    assert_nothing_is_half_done(course, expected)
    grade(course)
    assert differences(state(course), expected) == []


def test_an_interrupted_run_keeps_what_was_graded(course: Path, expected: dict[str, Any]) -> None:
    last = hand_in(course, "zz-last", {**RIGHT, "free": "import time\ntime.sleep(15)"})
    program = [*INTERRUPTIBLE, "--jobs", "1"]
    run = subprocess.Popen(program, cwd=course, stdout=subprocess.PIPE, text=True, env={"PATH": demo.PATH, "COLUMNS": "120"})
    until(lambda: has_a_record(course), 90)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "Interrupted. What was graded is kept: run the command again, and it goes on." in said
    assert "Traceback" not in said
    assert "\nstudent-0 " in said
    assert assert_nothing_is_half_done(course, expected)
    shutil.rmtree(last.parent)
    grade(course)
    assert differences(state(course), expected) == []


def test_an_interrupt_from_the_keyboard_ends_it_while_it_starts(course: Path) -> None:
    """It comes to all processes of the command, which are still loading."""
    program = [*INTERRUPTIBLE, "--jobs", "2"]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    run = subprocess.Popen(program, cwd=course, text=True, env={"PATH": demo.PATH}, start_new_session=True, **both)
    process = psutil.Process(run.pid)
    until(lambda: len(process.children()) == 2, 60)
    everyone = process.children()
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "nothing was graded" in said and "Interrupted." in said and "Traceback" not in said
    assert psutil.wait_procs(everyone, timeout=30)[1] == []
    assert not has_a_record(course)


def test_a_warm_process_that_is_killed_is_started_again(course: Path, expected: dict[str, Any]) -> None:
    killed = []

    def kill() -> None:
        until(lambda: (course / "autograded").exists(), 60)
        for _ in range(3):
            for child in psutil.Process().children():
                with suppress(psutil.NoSuchProcess):
                    if launch.__name__ in child.cmdline():
                        child.kill()
                        killed.append(child.pid)
                        break
            time.sleep(0.3)

    killer = threading.Thread(target=kill)
    killer.start()
    report = grade(course, jobs=1)
    killer.join(60)
    assert len(killed) == 3
    assert report.needing_a_person() == []
    assert differences(state(course), expected) == []


# a gradebook that comes and goes


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def on_postgres(course: Path, database: Postgres, request: pytest.FixtureRequest) -> str:
    """The url of a gradebook for this course."""
    name = f"gradebook_{abs(hash(request.node.name)) % 10**8}"
    database.execute(f"create database {name}")
    with open(course / "nbgrader_config.py", "a", encoding="utf-8") as file:
        file.write(f"\nc.CourseDirectory.db_url = {database.url(name)!r}\n")
    nbgrader(course, "generate_assignment", ASSIGNMENT, "--force")
    return database.url(name)


@server
def test_postgresql_has_the_same_rows(course: Path, on_postgres: str, expected: dict[str, Any]) -> None:
    assert len(grade(course).graded) == len(STUDENTS)
    assert differences(state(course, on_postgres), expected) == []
    assert grade(course).graded == []


@server
def test_postgresql_that_is_killed_is_waited_for(
    course: Path, on_postgres: str, database: Postgres, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "BATCH", 1)
    monkeypatch.setattr(gradebook, "PAUSE", 0.1)

    def crash() -> None:
        until(lambda: has_a_record(course), 60)
        database.kill()
        time.sleep(2)
        database.start()

    crashing = threading.Thread(target=crash)
    crashing.start()
    assert len(grade(course).graded) == len(STUDENTS)
    crashing.join(60)
    assert differences(state(course, on_postgres), expected) == []


@server
def test_postgresql_that_stays_away_ends_the_run_and_a_second_one_finishes(
    course: Path, on_postgres: str, database: Postgres, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "BATCH", 1)
    monkeypatch.setattr(gradebook, "PAUSE", 0.1)
    monkeypatch.setattr(gradebook, "GRADEBOOK_SECONDS", 1.0)

    def crash() -> None:
        until(lambda: has_a_record(course), 60)
        database.kill()

    crashing = threading.Thread(target=crash)
    crashing.start()
    with pytest.raises(GradebookError, match=r"the gradebook has been out of reach for 1 s: .*run the command again"):
        grade(course)
    crashing.join(60)
    database.start()
    grade(course)
    assert differences(state(course, on_postgres), expected) == []


# a cluster that comes apart


def test_one_of_two_workers_is_killed_midway(course: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster") as processes:

        def kill() -> None:
            until(lambda: has_a_record(course), 120)
            processes.kill("worker-1")

        killing = threading.Thread(target=kill)
        killing.start()
        report = grade(course, scheduler=processes.address)
        killing.join(60)
        assert processes.running["worker-1"].poll() == -signal.SIGKILL
    assert len(report.graded) == len(STUDENTS)
    assert report.needing_a_person() == []
    assert differences(state(course), expected) == []


def test_a_scheduler_that_is_killed_ends_the_run_and_a_second_one_finishes(
    course: Path, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster(tmp_path / "cluster", workers=1) as processes:

        def kill() -> None:
            until(lambda: has_a_record(course), 120)
            monkeypatch.setattr(clusters, "CLUSTER_SECONDS", 2.0)
            processes.kill("scheduler")

        killing = threading.Thread(target=kill)
        killing.start()
        with pytest.raises(ClusterError, match=r"the scheduler has been gone for 2 s\. What was graded is kept"):
            grade(course, scheduler=processes.address)
        killing.join(60)
    assert_nothing_is_half_done(course, expected)
    grade(course)
    assert differences(state(course), expected) == []


def test_workers_that_cannot_grade_say_so_before_any_work_is_sent(course: Path, tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", workers=1) as processes:
        bare = tmp_path / "bare"
        bare.mkdir()
        start_worker(processes, 1, PATH=str(bare))
        until(lambda: (processes.folder / "worker-1" / "log").read_text().count("Registered to"), 60)
        until(lambda: (processes.folder / "worker-0" / "log").read_text().count("Registered to"), 60)
        said = r"these workers cannot grade, and nothing was sent to any:\n.*there is no `bwrap`"
        with pytest.raises(ClusterError, match=said):
            grade(course, scheduler=processes.address)
    assert not (course / "autograded").exists()


def test_no_scheduler_is_an_error(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "CLUSTER_SECONDS", 1.0)
    with pytest.raises(ClusterError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"):
        grade(course, scheduler="tcp://127.0.0.1:9")
