"""The warm process: it lives as long as it is needed, and a notebook that kills it is one notebook's failure."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from autograder.client import GradingFailed
from autograder.grader import Grader
from tests.processes import nothing_left, running
from tests.rooms import files, linux
from tests.test_examiner import Desk, locked, student, test

pytestmark = linux
ROOT = Path(__file__).resolve().parents[1]
FINE = (student("x = 1"), test("assert x == 1"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with nothing_left():
        desk = Desk(tmp_path_factory.mktemp("submission"))
        yield desk
        desk.grader.close()


def warm(desk: Desk) -> psutil.Process:
    process = desk.grader._process
    assert process is not None
    return psutil.Process(process.pid)


def until(holds: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def test_nothing_is_left_of_twenty_notebooks(desk: Desk) -> None:
    desk(*FINE)
    process = warm(desk)
    gc.collect()
    ours, theirs, places = files(), process.num_fds(), len(os.listdir("/tmp"))
    for number in range(20):
        exit = student("import os\nos._exit(0)") if number % 4 == 0 else student("y = 2")
        assert desk(*FINE, exit).errors()[:2] == ["", ""]
    gc.collect()
    assert warm(desk) == process, "it was started again"
    assert process.children(recursive=True) == []
    assert process.num_threads() == 1
    assert (files(), process.num_fds()) == (ours, theirs)
    assert len(os.listdir("/tmp")) <= places + 5  # of others who use it too


def test_one_notebook_knows_nothing_of_the_one_before(desk: Desk) -> None:
    trace = student("import torch, builtins, os\nbuiltins.trace = torch.trace_ = secret = 1\nopen('trace', 'w').close()")
    assert desk(trace, test("builtins_trace = 1\nimport torch\ntorch.trace_of_a_test = 1")).errors() == ["", ""]
    look = "import torch, os, builtins\n"
    look += "print([hasattr(builtins, 'trace'), hasattr(torch, 'trace_'), 'secret' in globals(), os.listdir('.'), len(In)])"
    told = desk(student(look), test("import torch\nassert not hasattr(torch, 'trace_of_a_test')"))
    assert told.shown(0) == "[False, False, False, [], 2]\n"
    assert told.error(1) == ""


def test_it_is_started_again_when_it_dies_between_notebooks(desk: Desk) -> None:
    desk(*FINE)
    first = warm(desk)
    first.kill()
    assert until(lambda: first.status() == psutil.STATUS_ZOMBIE)
    assert desk(*FINE).errors() == ["", ""]
    assert warm(desk) != first


def test_it_is_started_again_when_it_dies_during_a_notebook(desk: Desk) -> None:
    desk(*FINE)
    first = warm(desk)
    everyone: list[psutil.Process] = []

    def end() -> None:
        everyone.extend(first.children(recursive=True))
        first.kill()

    threading.Timer(0.7, end).start()
    told = desk(student("import time\ntime.sleep(1.5)\nx = 1"), test("assert x == 1"))
    assert told.errors() == ["", ""]
    assert warm(desk) != first
    assert everyone
    assert psutil.wait_procs(everyone, timeout=20)[1] == []


def test_an_examiner_that_dies_is_the_failure_of_its_notebook_alone(desk: Desk) -> None:
    desk(*FINE)
    before = running()
    with pytest.raises(GradingFailed, match="died"):
        desk(locked("import os\nif os.getcwd() != '/submission':\n    os._exit(0)"), *FINE)
    assert desk(*FINE).errors() == ["", ""]
    assert {*psutil.Process().children()} <= {*before, warm(desk)}
    assert until(lambda: warm(desk).children(recursive=True) == [])


def test_a_folder_that_is_not_there_is_the_failure_of_its_notebook(desk: Desk, tmp_path: Path) -> None:
    desk(*FINE)
    elsewhere = Desk(tmp_path / "gone")
    elsewhere.grader = desk.grader
    with pytest.raises(GradingFailed, match="gone"):
        elsewhere(*FINE)
    assert desk(*FINE).errors() == ["", ""]


def test_files_that_were_handed_in_are_at_hand(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("value = 7\n")
    (tmp_path / "graded.ipynb").write_text("{}")
    there = Desk(tmp_path)
    there.grader = desk.grader
    told = there(student("import mine, os\nprint(sorted(os.listdir('.')))\nx = mine.value"), test("assert x == 7"))
    assert told.errors() == ["", ""]
    assert "graded" not in told.shown(0)


def test_a_closed_grader_leaves_nothing_and_starts_again(desk: Desk) -> None:
    desk(*FINE)
    before = warm(desk)
    desk.grader.close()
    assert not before.is_running()
    desk.grader.close()
    assert desk(*FINE).errors() == ["", ""]


def test_a_program_that_is_interrupted_leaves_the_warm_process_to_be_closed(desk: Desk) -> None:
    desk(*FINE)
    process = warm(desk)
    process.send_signal(signal.SIGINT)
    assert desk(*FINE).errors() == ["", ""]
    assert warm(desk) == process


PARENT = """
import os, sys, threading
from pathlib import Path
from autograder.grader import Grader
from autograder.limits import Limits
from autograder.paper import Paper, Role, Task

grader = Grader()
def examine(source):
    grader.examine(Paper([Task("a", Role.STUDENT, source)], {}, "", Limits()), Path(sys.argv[1]), Path("/"), {})
examine("x = 1")
print(grader._process.pid, flush=True)
examine(sys.argv[2])
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("work", ["import time\ntime.sleep(60)", "x = 2"], ids=["during a notebook", "between notebooks"])
def test_it_ends_with_its_parent_whatever_happens(tmp_path: Path, work: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        if "sleep" in work:
            assert until(lambda: len(process.children(recursive=True)) > 3)
        else:
            assert parent.stdout.readline() == "done\n"
        everyone = [process, *process.children(recursive=True)]
        parent.kill()
        parent.wait()
        assert psutil.wait_procs(everyone, timeout=20)[1] == []
    finally:
        parent.kill()
        parent.communicate()


def test_without_a_sandbox_the_examiner_is_kept_apart_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path, sandbox=False)
    try:
        told = desk(
            student("import os\nx = os.getpid()"),
            test("import os\nassert x != os.getpid()"),
            student("while True: pass"),
            student("os._exit(0)"),
            test("assert 1 == 1"),
            student("y = 2"),
            test("assert y == 2"),
            cell_seconds=0.5,
        )
        kinds = [error.partition(":")[0] for error in told.errors()]
        assert kinds == ["", "", "KeyboardInterrupt", "Died", "", "", ""]
        process = warm(desk)
    finally:
        desk.grader.close()
    assert not process.is_running()


def test_one_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    desk = Desk(tmp_path)
    with pytest.raises(GradingFailed):
        desk(*FINE)
    desk.grader.close()


def test_a_grader_that_was_not_used_has_nothing_to_close() -> None:
    Grader().close()
