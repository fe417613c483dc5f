"""docs/scale.md, typed: dask's own workers, and workers that are jobs of SLURM, grade a class."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import demo
from scripts.submissions import ROOT
from tests.support.classes import ASSIGNMENT, RIGHT, hand_in, make_course
from tests.support.clusters import HOST, end, free_port, until
from tests.support.commands import command
from tests.support.pages import blocks
from tests.support.rooms import linux
from tests.support.slurm import said, slurm

pytestmark = [linux, pytest.mark.timeout(300)]

SCALE = ROOT / "docs" / "scale.md"
GRADED = "4 of 8  2 of 2"
"""What is said of each student: a person gives the other points."""
SECONDS = 120.0


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A class of two."""
    make_course(tmp_path / "course")
    for student in ("anna", "zoe"):
        hand_in(tmp_path / "course", student, RIGHT)
    return tmp_path / "course"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """What a test starts, and all that comes of it, ends with it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    end(processes)


def typed(line: str, scheduler: str) -> list[str]:
    """A command of the page, for the scheduler of a test and its assignment."""
    return shlex.split(line.replace("tcp://SCHEDULER:8786", scheduler).replace("backprop", ASSIGNMENT), comments=True)


def test_the_commands_of_a_cluster_grade_a_class(
    course: Path, tmp_path: Path, started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_workers, at_the_gradebook = blocks(SCALE, "sh")
    _, install, worker = on_workers.splitlines()
    schedule, grade = at_the_gradebook.splitlines()
    (extra,) = re.findall(r"\.\[(\w+)]", install)
    assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    port = free_port()
    scheduler = f"tcp://{HOST}:{port}"
    monkeypatch.setenv("PATH", demo.PATH)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    here = ["--host", HOST, "--no-dashboard"]
    for line, options in ((schedule, ["--port", str(port)]), (worker, ["--no-nanny"])):
        process = subprocess.Popen([*typed(line, scheduler), *here, *options], cwd=tmp_path, text=True)
        started.append(process)
    program, *arguments = typed(grade, scheduler)
    done = command(course, program, *arguments)
    assert (done.returncode, done.stdout.count(GRADED)) == (0, 2), done.stdout + done.stderr


@pytest.mark.long
def test_the_workers_of_slurm_grade_a_class(course: Path, tmp_path: Path, started: list[subprocess.Popen[str]]) -> None:
    """In the suite that `make test-long` runs, which installs SLURM."""
    (program,) = blocks(SCALE, "python")
    with slurm(tmp_path / "slurm") as environment:
        cluster = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**environment, "PATH": demo.PATH, "TMPDIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(cluster)
        assert cluster.stdout is not None
        scheduler = cluster.stdout.readline().strip()
        until(lambda: "R" in said(environment, "squeue", "--noheader", "--format=%t").split())
        done = command(course, "autograder", "grade", ASSIGNMENT, "--scheduler", scheduler)
        assert (done.returncode, done.stdout.count(GRADED)) == (0, 2), done.stdout + done.stderr
        cluster.communicate("\n", timeout=SECONDS)
        assert cluster.returncode == 0
        until(lambda: said(environment, "squeue", "--noheader") == "")
