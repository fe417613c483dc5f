"""The fork server: it lives as long as it is needed, and a notebook that kills it is one notebook's failure."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import psutil
import pytest

from autograder.forkserver.client import GradingFailed
from autograder.forkserver.job import Job
from autograder.grading.notebook_job import NotebookJob
from autograder.grading.pool import Grader
from autograder.sandbox.limits import Limits
from tests.examiner.test_examiner import ExamRunner, locked, student, test
from tests.support.processes import nothing_left, running
from tests.support.rooms import files, linux

pytestmark = linux
ROOT = Path(__file__).resolve().parents[2]
FINE = (student("x = 1"), test("assert x == 1"))


@pytest.fixture(scope="module")
def examine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamRunner]:
    with nothing_left():
        examine = ExamRunner(tmp_path_factory.mktemp("submission"))
        yield examine
        examine.grader.close()


def warm(examine: ExamRunner) -> psutil.Process:
    process = examine.grader._process
    assert process is not None
    return psutil.Process(process.pid)


def until(holds: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def test_nothing_is_left_of_twenty_notebooks(examine: ExamRunner) -> None:
    examine(*FINE)
    process = warm(examine)
    gc.collect()
    ours, theirs, places = files(), process.num_fds(), len(os.listdir("/tmp"))
    for number in range(20):
        exit = student("import os\nos._exit(0)") if number % 4 == 0 else student("y = 2")
        assert examine(*FINE, exit).errors()[:2] == ["", ""]
    gc.collect()
    assert warm(examine) == process, "it was started again"
    assert process.children(recursive=True) == []
    assert process.num_threads() == 1
    assert (files(), process.num_fds()) == (ours, theirs)
    assert len(os.listdir("/tmp")) <= places + 5  # of others who use it too


def test_one_notebook_knows_nothing_of_the_one_before(examine: ExamRunner) -> None:
    trace = student("import torch, builtins, os\nbuiltins.trace = torch.trace_ = secret = 1\nopen('trace', 'w').close()")
    assert examine(trace, test("builtins_trace = 1\nimport torch\ntorch.trace_of_a_test = 1")).errors() == ["", ""]
    look = "import torch, os, builtins\n"
    look += "print([hasattr(builtins, 'trace'), hasattr(torch, 'trace_'), 'secret' in globals(), os.listdir('.'), len(In)])"
    told = examine(student(look), test("import torch\nassert not hasattr(torch, 'trace_of_a_test')"))
    assert told.shown(0) == "[False, False, False, [], 2]\n"
    assert told.error(1) == ""


def test_it_is_started_again_when_it_dies_between_notebooks(examine: ExamRunner) -> None:
    examine(*FINE)
    first = warm(examine)
    first.kill()
    assert until(lambda: first.status() == psutil.STATUS_ZOMBIE)
    assert examine(*FINE).errors() == ["", ""]
    assert warm(examine) != first


def test_it_is_started_again_when_it_dies_during_a_notebook(examine: ExamRunner) -> None:
    examine(*FINE)
    first = warm(examine)
    everyone: list[psutil.Process] = []

    def end() -> None:
        everyone.extend(first.children(recursive=True))
        first.kill()

    threading.Timer(0.7, end).start()
    told = examine(student("import time\ntime.sleep(1.5)\nx = 1"), test("assert x == 1"))
    assert told.errors() == ["", ""]
    assert warm(examine) != first
    assert everyone
    assert psutil.wait_procs(everyone, timeout=20)[1] == []


def test_an_examiner_that_dies_is_the_failure_of_its_notebook_alone(examine: ExamRunner) -> None:
    examine(*FINE)
    before = running()
    with pytest.raises(GradingFailed, match="died"):
        examine(locked("import os\nif os.getcwd() != '/submission':\n    os._exit(0)"), *FINE)
    assert examine(*FINE).errors() == ["", ""]
    assert {*psutil.Process().children()} <= {*before, warm(examine)}
    assert until(lambda: warm(examine).children(recursive=True) == [])


def test_a_folder_that_is_not_there_is_the_failure_of_its_notebook(examine: ExamRunner, tmp_path: Path) -> None:
    examine(*FINE)
    elsewhere = ExamRunner(tmp_path / "gone")
    elsewhere.grader = examine.grader
    with pytest.raises(GradingFailed, match="gone"):
        elsewhere(*FINE)
    assert examine(*FINE).errors() == ["", ""]


def test_files_that_were_handed_in_are_at_hand(examine: ExamRunner, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("value = 7\n")
    (tmp_path / "graded.ipynb").write_text("{}")
    there = ExamRunner(tmp_path)
    there.grader = examine.grader
    told = there(student("import mine, os\nprint(sorted(os.listdir('.')))\nx = mine.value"), test("assert x == 7"))
    assert told.errors() == ["", ""]
    assert "graded" not in told.shown(0)


def test_a_closed_grader_leaves_nothing_and_starts_again(examine: ExamRunner) -> None:
    examine(*FINE)
    before = warm(examine)
    examine.grader.close()
    assert not before.is_running()
    examine.grader.close()
    assert examine(*FINE).errors() == ["", ""]


def test_a_program_that_is_interrupted_leaves_the_warm_process_to_be_closed(examine: ExamRunner) -> None:
    examine(*FINE)
    process = warm(examine)
    process.send_signal(signal.SIGINT)
    assert examine(*FINE).errors() == ["", ""]
    assert warm(examine) == process


PARENT = """
import os, sys, threading
from pathlib import Path
from autograder.grading.pool import Grader
from autograder.forkserver.job import Job
from autograder.sandbox.limits import Limits
from autograder.course.cells import Cell, Role
from autograder.examiner.exam import Exam

grader = Grader()
def examine(source):
    grader.examine(Job(Exam([Cell("a", Role.STUDENT, source)], {}, "", Limits()), Path(sys.argv[1]), Path("/"), {}, []))
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
    examine = ExamRunner(tmp_path, sandbox=False)
    try:
        told = examine(
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
        process = warm(examine)
    finally:
        examine.grader.close()
    assert not process.is_running()


def test_one_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    examine = ExamRunner(tmp_path)
    with pytest.raises(GradingFailed):
        examine(*FINE)
    examine.grader.close()


def test_a_grader_that_was_not_used_has_nothing_to_close() -> None:
    Grader().close()


BREAKS = {
    "the process in which a prefix runs": "from autograder.forkserver import prefix_server\nprefix_server.run_prefix = fails",
    "an examiner that cannot reply": "from autograder.forkserver.job import Reply\nReply.packed = fails",
}
FAILS = "def fails(*_, **__):\n    raise RuntimeError('the planted words')\n"


def broken(folder: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> ExamRunner:
    """A grader whose fork server has a function that fails. Python imports `sitecustomize` as it starts."""
    (folder / "sitecustomize.py").write_text(
        f"import sys\nif 'autograder.forkserver.launch' in sys.orig_argv:\n{indent(FAILS + BREAKS[what], '    ')}\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
    (folder / "submission").mkdir()
    return ExamRunner(folder / "submission")


def test_a_fork_that_fails_says_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = broken(tmp_path, monkeypatch, "the process in which a prefix runs")
    for _ in range(2):
        assert failing(locked("y = 3"), *FINE).errors() == ["", "", ""]
    failing.grader.close()
    assert "RuntimeError: the planted words" in capsys.readouterr().err


def test_what_an_examiner_died_of_is_in_the_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = broken(tmp_path, monkeypatch, "an examiner that cannot reply")
    with pytest.raises(GradingFailed, match=r"(?s)its examiner died: .*RuntimeError: the planted words"):
        failing(*FINE)
    failing.grader.close()


def test_a_warm_process_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no such processor')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    examine = ExamRunner(tmp_path)
    with pytest.raises(GradingFailed, match=r"(?s)could not start: .*no such processor"):
        examine(*FINE)
    examine.grader.close()


def test_a_submission_s_files_do_not_travel_to_the_examiner_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Job] = []

    def told(client: Grader, job: Job) -> dict[str, Any]:
        sent.append(job)
        return {"record": "", "grades": {}, "comments": {}}

    monkeypatch.setattr(Grader, "_told", told)
    monkeypatch.setattr("autograder.grading.pool._prefix", lambda assignment: [])
    notebook = NotebookJob(b"", "anna", b"{}", {"large": b"x" * 2**20}, (), "", Limits(), True)
    Grader().grade(notebook, tmp_path, tmp_path, {})
    assert len(pickle.dumps(sent)) < 10_000
