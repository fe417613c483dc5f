"""What a cell leaves running or set costs itself, and no cell below."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.examiner.test_examiner import TEXT, Examined, ExamRunner, kinds, locked, student, test
from tests.support.rooms import linux

pytestmark = linux

SPIN = "while True: pass"
CHILD = f"import subprocess, sys\nleft = subprocess.Popen([sys.executable, '-c', {SPIN!r}])"
THREADS = f"import threading\ndef spin():\n    {SPIN}\n"
STARTS = {
    "a thread": f"{THREADS}threading.Thread(target=spin, daemon=True).start()",
    "thirty threads": f"{THREADS}for _ in range(30):\n    threading.Thread(target=spin).start()",
    "a thread that calls C": (
        "import threading, torch\ndef spin():\n    x = torch.ones(300, 300)\n    while True:\n        x @ x\n"
        "threading.Thread(target=spin).start()"
    ),
    "threads that start threads": (
        "import threading, time\ndef spin():\n    end = time.monotonic() + 0.4\n    while time.monotonic() < end:\n"
        "        pass\n    threading.Thread(target=spin).start()\nspin()"
    ),
    "a child": CHILD,
    "a fork": f"import os\nif not os.fork():\n    {SPIN}",
    "an orphan": f"import os\nif not os.fork():\n    os.setsid()\n    if not os.fork():\n        {SPIN}\n    os._exit(0)",
    "a timer that spins": f"{THREADS}threading.Timer(0.01, spin).start()\nimport time\ntime.sleep(0.1)",
    "a loop, and a thread": f"{THREADS}threading.Thread(target=spin).start()\nspin()",
    "a thread that never gives way": (
        f"import sys\n{THREADS}sys.setswitchinterval(1e9)\nthreading.Thread(target=spin).start()\nimport time\ntime.sleep(0.1)"
    ),
}
"""Cells that leave something which goes on computing. With their time they are over, as endless loops are."""


def around(examine: ExamRunner, cell: str, **limits: Any) -> Examined:
    """A notebook with this cell in its middle."""
    return examine(
        locked("import torch"),
        student("x = 1\nhog = [0]"),
        student(f"hog = 5\n{cell}"),
        student("y = torch.ones(10**5).sum() + x"),
        student("import time\ntime.sleep(0.3)\nz = len(hog) if isinstance(hog, list) else hog"),
        test("assert y == 10**5 + 1"),
        test("z"),
        **{"cell_seconds": 1.5, **limits},
    )


def value(told: Examined) -> str:
    """What `hog` was below: 1 if the cell in the middle is left out, 5 if it counts."""
    data: str = told.outputs[6][0]["data"][TEXT]
    return data


@pytest.mark.parametrize("name", STARTS)
def test_what_goes_on_computing_counts_as_the_time_of_its_cell(name: str, examine: ExamRunner) -> None:
    began = time.monotonic()
    told = around(examine, STARTS[name])
    assert kinds(told)[:2] + kinds(told)[3:] == [""] * 6
    assert kinds(told)[2] in ("KeyboardInterrupt", "Died")
    assert value(told) == "1"
    assert len(told.notes) == 1
    assert time.monotonic() - began < 20


def test_the_student_and_the_instructor_are_told_what_went_on(examine: ExamRunner) -> None:
    told = around(examine, STARTS["a thread"])
    said = "did not end within 1.5 s: threads or processes that it started went on computing"
    assert told.error(2) == f"KeyboardInterrupt: the cell {said}"
    assert told.notes == [f"The cell `cell-2` {said}."]


def slow(function: str) -> str:
    return f"import gc, sys, threading, time\ndef slow(*_):\n    time.sleep(0.0005)\n    return slow\n{function}"


STORM = "import signal\ndef storm(*_):\n    {}\nsignal.signal(signal.{}, storm)\n"
TIMER = "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.01)"
SETS = {
    "a timer with a handler that raises": STORM.format("1 / 0", "SIGALRM") + "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.01)",
    "a timer with a slow handler": STORM.format("sum(range(10**6))", "SIGALRM")
    + "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.01)",
    "a timer without a handler": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.2)",
    "an alarm": "import signal\nsignal.alarm(1)",
    "a timer of processor time": STORM.format("1 / 0", "SIGPROF") + "signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)",
    "a timer of the process's own time": "import signal\nsignal.setitimer(signal.ITIMER_VIRTUAL, 0.05)",
    "signals of a child": (
        STORM.format("1 / 0", "SIGUSR1") + "import os\nif not os.fork():\n    import time\n    while True:\n"
        "        time.sleep(0.02)\n        os.kill(os.getppid(), signal.SIGUSR1)"
    ),
    "signals of a thread": (
        STORM.format("1 / 0", "SIGRTMIN") + "import threading, time\ndef send():\n    while True:\n        time.sleep(0.02)\n"
        "        signal.raise_signal(signal.SIGRTMIN)\nthreading.Thread(target=send, daemon=True).start()"
    ),
    "blocked signals": "import signal\n_ = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
    "a trace function": slow("sys.settrace(slow)"),
    "a profile function": slow("sys.setprofile(slow)"),
    "callbacks of the garbage collector": slow("gc.callbacks.append(slow)\ngc.set_threshold(1)"),
    "another switch interval": "import sys\nsys.setswitchinterval(1e9)",
    "a function before each cell": f"{THREADS}get_ipython().events.register('pre_run_cell', lambda *_: spin())",
    "a function after each cell": (
        "ran = []\ndef hook(*_):\n    ran.append(1)\n    while len(ran) > 1:\n        pass\n"
        "get_ipython().events.register('post_run_cell', hook)"
    ),
    "a method after each cell": (
        "class Hook:\n    ran = 0\n    def run(self):\n        self.ran += 1\n        while self.ran > 1:\n            pass\n"
        "get_ipython().events.register('post_execute', Hook().run)"
    ),
    "a transformer of lines": "get_ipython().input_transformers_cleanup.append(lambda lines: 1 / 0)",
    "another transformer of lines": "get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'])",
    "a transformer of trees": (
        "class Exit:\n    def visit(self, node):\n        raise SystemExit\nget_ipython().ast_transformers.append(Exit())"
    ),
    "a low recursion limit": (
        "import sys\nfor limit in range(10, 999):\n    try:\n        sys.setrecursionlimit(limit)\n"
        "    except RecursionError:\n        continue\n    break"
    ),
    "another sleep": "import time\ntime.sleep = time.monotonic = lambda *_: 0.0",
}
"""Cells that set something which would hit the cells below. They count."""


@pytest.mark.parametrize("name", SETS)
def test_what_a_cell_has_set_is_put_back(name: str, examine: ExamRunner) -> None:
    told = around(examine, SETS[name], cell_seconds=5)
    assert kinds(told)[:2] + kinds(told)[3:] == [""] * 6
    assert kinds(told)[2] in ("", "ZeroDivisionError")
    assert value(told) == "5"
    assert told.notes == []


KEEPS = {
    "a thread that waits, as that of a progress bar": (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    ),
    "a thread that looks now and then": (
        "import threading, time\ndef look():\n    while True:\n        time.sleep(0.01)\n"
        "threading.Thread(target=look, daemon=True).start()"
    ),
    "a thread that works for a while": (
        "import threading, time\ndef work():\n    end = time.monotonic() + 0.5\n    while time.monotonic() < end:\n"
        "        pass\nthreading.Thread(target=work).start()"
    ),
    "a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(4)\n_ = [*pool.map(abs, range(8))]"
    ),
    "a pool of processes": (
        "import multiprocessing\npool = multiprocessing.get_context('fork').Pool(2)\n_ = pool.map(abs, range(8))"
    ),
    "a process that waits": "import subprocess\nleft = subprocess.Popen(['sleep', '60'])",
    "workers that load data": (
        "from torch.utils.data import DataLoader\nrows = iter(DataLoader(range(64), num_workers=2, persistent_workers=True))\n"
        "_ = next(rows)"
    ),
    "a timer for its own loop": (
        "import signal\ndef stop(*_):\n    raise TimeoutError\nsignal.signal(signal.SIGALRM, stop)\nsignal.alarm(1)\n"
        "try:\n    while True:\n        pass\nexcept TimeoutError:\n    pass"
    ),
    "files that nothing refers to": "left = [open('/dev/null') for _ in range(235)]\nleft.append(left)\ndel left",
    "thirty processes that are awaited below": (
        "import subprocess\nleft = [subprocess.Popen('true') for _ in range(30)]\nimport time\ntime.sleep(0.5)"
    ),
}
"""What honest notebooks leave behind. It costs nothing."""


@pytest.mark.parametrize("name", KEEPS)
def test_what_waits_costs_nothing(name: str, examine: ExamRunner) -> None:
    told = around(examine, KEEPS[name], cell_seconds=15)
    assert told.errors() == [""] * 7
    assert value(told) == "5"
    assert told.notes == []


def test_a_higher_recursion_limit_stays(examine: ExamRunner) -> None:
    raises = "import sys\nsys.setrecursionlimit(10_000)\ndef deep(n):\n    return n and deep(n - 1)"
    told = examine(student(raises), student("x = deep(5_000)"), test("assert x == deep(5_000) == 0"))
    assert told.errors() == ["", "", ""]


def test_what_modules_and_locked_cells_have_ipython_run_stays(examine: ExamRunner) -> None:
    counts = "{0} = []\nget_ipython().events.register('pre_run_cell', lambda *_: {0}.append(1))"
    module = "with open('counting.py', 'w') as file:\n    _ = file.write('ran = []\\ndef hook(*_):\\n    ran.append(1)')\n"
    module += "import counting\nget_ipython().events.register('pre_run_cell', counting.hook)"
    told = examine(
        locked(counts.format("before")),
        student(f"{module}\n{counts.format('own')}"),
        locked(counts.format("between")),
        student("1"),
        student("print(*map(len, (before, between, counting.ran, own)))"),
        test("1"),
    )
    assert told.errors() == [""] * 6
    assert told.shown(4) == "4 2 3 0\n"


def test_children_that_have_ended_do_not_use_up_the_processes(examine: ExamRunner) -> None:
    starts = "import os\nfor _ in range(50):\n    _ = os.posix_spawn('/bin/true', ['true'], {})"
    told = examine(student(starts), student(starts), test("assert 1 == 1", "assert 2 == 2"), plain=True)
    assert told.errors() == ["", "", ""]
    assert told.notes == []


LEFT_OPEN = "it left open nearly all of the 256 files that a notebook may have open"


@pytest.mark.parametrize("limit", ["", "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\n"])
def test_a_cell_that_leaves_no_files_to_open_is_left_out(examine: ExamRunner, limit: str) -> None:
    fills = "left = []\ntry:\n    while True:\n        left.append(os.open('/dev/null', 0))\nexcept OSError:\n    pass"
    fills = f"import os\n{limit}{fills}"
    told = around(examine, fills)
    assert kinds(told) == ["", "", "OutOfFiles", "", "", "", ""]
    assert told.error(2).startswith(f"OutOfFiles: this cell: {LEFT_OPEN}. What it made is thrown away")
    assert value(told) == "1"
    assert told.notes == [f"The cell `cell-2` was left out: {LEFT_OPEN}."]


def test_a_thread_of_one_cell_can_be_awaited_in_the_next(examine: ExamRunner) -> None:
    starts = (
        "import threading, time\nfound = []\nthread = threading.Thread(target=lambda: found.append(time.sleep(0.5)))\n"
        "thread.start()"
    )
    told = examine(student(starts), student("thread.join()"), test("assert len(found) == 1"))
    assert told.errors() == ["", "", ""]


def test_a_function_that_starts_something_busy_costs_its_test(examine: ExamRunner) -> None:
    starts = f"{THREADS}def f():\n    threading.Thread(target=spin, daemon=True).start()\n    return 1"
    told = examine(student(starts), test("assert f() == 1"), student("y = 2"), test("assert y == 2"), cell_seconds=1.5)
    assert kinds(told) == ["", "KeyboardInterrupt", "", ""]


def test_the_statements_before_the_one_that_was_stopped_count(examine: ExamRunner) -> None:
    """How far the stopped one came is chance, and so is what it did."""
    cell = "x = [1]\nx.append(2)\nwhile True:\n    x.append(3)\n    y = 4"
    tests = test("assert x == [1, 2]"), test("assert 'y' not in globals()"), test("y")
    told = examine(student(cell), *tests, cell_seconds=0.5)
    assert kinds(told) == ["KeyboardInterrupt", "", "", "NameError"]


def test_a_cell_that_was_stopped_is_repeated_without_the_statement_that_was_running(examine: ExamRunner) -> None:
    stopped, dies = "x = 1\nwhile True:\n    pass", "import os\nos._exit(1)"
    began = time.monotonic()
    told = examine(*[student(stopped)] * 2, *[student(dies)] * 4, test("assert x == 1"), cell_seconds=1)
    assert kinds(told) == [*["KeyboardInterrupt"] * 2, *["Died"] * 4, ""]
    assert time.monotonic() - began < 10


def test_results_can_be_used_as_in_a_kernel(examine: ExamRunner) -> None:
    told = examine(student("40 + 2"), student("_ + Out[1] + _1"), student("len(In), _, __"), test("assert _2 == 126"))
    assert told.errors()[:3] == ["", "", ""]
    assert told.outputs[2][0]["data"][TEXT] == "(4, 126, 42)"
