"""Several notebooks at once: what is begun early is used if it is what comes, and dropped otherwise."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import psutil
import pytest
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from traitlets.config.loader import PyFileConfigLoader

from autograder import examining
from autograder.ahead import Graders, Job
from autograder.client import GradingFailed
from autograder.grader import Grader
from autograder.limits import Limits
from autograder.paper import Paper, Role, Task
from scripts import demo
from scripts.submissions import NOTEBOOKS, model_answers
from tests.rooms import linux

MEET = threading.Barrier(2, timeout=30)
"""Two notebooks pass it at the same time, or neither does."""


class Recording(Grader):
    """Examines nothing, and remembers what it was asked."""

    def __init__(self, asked: list[str]) -> None:
        super().__init__()
        self.asked = asked

    def examine(self, paper: Paper, *_: object) -> dict[str, Any]:
        name = paper.tasks[0].id
        self.asked.append(name)
        if name.startswith("meet"):
            MEET.wait()
        time.sleep(0.5 if name == "slow" else 0.02)
        if name == "fails":
            raise GradingFailed("no reason")
        return {"of": name, "source": paper.tasks[0].source}


def job(name: str, source: str = "x = 1") -> Job:
    paper = Paper([Task(name, Role.STUDENT, source)], {}, "seed", Limits())
    return Job(name, paper, Path("submission"), Path("course"), {"A": "1"})


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def graders(asked: list[str]) -> Iterator[Graders]:
    graders = Graders([Recording(asked), Recording(asked)])
    yield graders
    graders.close()


def test_a_later_notebook_runs_at_the_same_time(graders: Graders, asked: list[str]) -> None:
    assert graders.examine(job("meet-one"), lambda: [job("meet-two")])["of"] == "meet-one"
    assert graders.examine(job("meet-two"), lambda: [])["of"] == "meet-two"
    assert sorted(asked) == ["meet-one", "meet-two"]


def test_what_was_begun_is_not_begun_again(graders: Graders, asked: list[str]) -> None:
    names = ["one", "two", "three", "four"]
    for number, name in enumerate(names):
        rest = [job(each) for each in names[number + 1 :]]
        assert graders.examine(job(name), lambda rest=rest: rest)["of"] == name
    assert sorted(asked) == sorted(names)


def test_what_comes_otherwise_is_examined_as_it_comes(graders: Graders, asked: list[str]) -> None:
    graders.examine(job("one"), lambda: [job("two")])
    assert graders.examine(job("two", "x = 2"), lambda: [])["source"] == "x = 2"
    assert asked.count("two") >= 1


@pytest.mark.parametrize(
    "other",
    [
        replace(job("two"), folder=Path("elsewhere")),
        replace(job("two"), course=Path("elsewhere")),
        replace(job("two"), environment={"A": "2"}),
    ],
    ids=["folder", "course", "environment"],
)
def test_other_surroundings_are_another_job(graders: Graders, asked: list[str], other: Job) -> None:
    graders.examine(job("meet-one"), lambda: [job("meet-two")])
    graders.examine(job("one"), lambda: [job("two")])
    graders.examine(other, lambda: [])
    assert asked.count("two") in (1, 2)  # the first may have been dropped before it was begun
    assert graders._begun == []


def test_what_took_longest_is_begun_first(graders: Graders, asked: list[str]) -> None:
    names = ["one", "two", "slow", "three"]
    for _ in range(2):
        asked.clear()
        for number, name in enumerate(names):
            rest = [job(each) for each in names[number + 1 :]]
            graders.examine(job(name), lambda rest=rest: rest)
    assert asked.index("slow") < asked.index("two")


def test_an_error_is_that_of_its_own_notebook(graders: Graders) -> None:
    assert graders.examine(job("one"), lambda: [job("fails"), job("two")])["of"] == "one"
    with pytest.raises(GradingFailed, match="no reason"):
        graders.examine(job("fails"), lambda: [job("two")])
    assert graders.examine(job("two"), lambda: [])["of"] == "two"


def test_one_grader_looks_at_nothing_ahead(asked: list[str]) -> None:
    def never() -> list[Job]:
        raise AssertionError

    assert Graders([Recording(asked)]).examine(job("one"), never)["of"] == "one"
    assert asked == ["one"]


@linux
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning", "ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_in_a_course_each_notebook_is_examined_once_and_some_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = tmp_path / "course"
    demo.make_course(course, {"someone": model_answers})
    demo.nbgrader(course, "generate_assignment", "backprop")
    spans = []
    examine = Grader.examine

    def timed(grader: Grader, paper: Paper, folder: Path, source: Path, environment: Mapping[str, str]) -> dict[str, Any]:
        began = time.monotonic()
        try:
            return examine(grader, paper, folder, source, environment)
        finally:
            spans.append((began, time.monotonic()))

    for name in ("OMP_NUM_THREADS", "HIDDEN_TESTS_SAY"):  # which the configuration sets
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PATH", demo.PATH)
    monkeypatch.setattr(Grader, "examine", timed)
    monkeypatch.chdir(course)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.Examine.at_once = 2
    try:
        Autograde(coursedir=CourseDirectory(config=config, assignment_id="backprop"), config=config).start()
    finally:
        examining._graders(True, 2).close()
        examining._graders.cache_clear()
    assert len(spans) == len(NOTEBOOKS)
    assert any(one[0] < other[1] and other[0] < one[1] for one, other in combinations(spans, 2))
    assert sum(score for score, _ in demo.marks(course)["someone"].values()) == 44


def has_a_room(warm: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return len(warm.children(recursive=True)) > 2
    return False


@linux
@pytest.mark.timeout(300)
def test_an_interrupted_command_leaves_nothing(tmp_path: Path) -> None:
    course = tmp_path / "course"
    slow = {
        "2-cross-entropy": {"dlogits": "import time\ntime.sleep(60)"},
        "3-batchnorm": {"dhprebn": "import time\ntime.sleep(60)"},
    }
    demo.make_course(course, {"someone": lambda: slow})
    for name in (NOTEBOOKS[0], NOTEBOOKS[3]):
        (course / "source" / "backprop" / f"{name}.ipynb").unlink()
    demo.nbgrader(course, "generate_assignment", "backprop")
    command = subprocess.Popen(
        [sys.executable, "-m", "nbgrader", "autograde", "backprop"],
        cwd=course,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    everyone = [process := psutil.Process(command.pid)]
    try:
        deadline = time.monotonic() + 60
        while sum(has_a_room(warm) for warm in process.children()) < 2:
            assert time.monotonic() < deadline, "two notebooks do not run at the same time"
            time.sleep(0.1)
        everyone += process.children(recursive=True)
        command.send_signal(signal.SIGINT)
        command.wait(30)
        assert psutil.wait_procs(everyone, timeout=20)[1] == []
    finally:
        for each in everyone:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        command.wait(30)
