"""A cell that uses up the memory costs itself, every time: all others are as they would be without it.

`make test` has each case once, and `make memory` ten times.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from autograder.sandbox.limits import MIB
from tests.examiner.test_examiner import Examined, ExamRunner, locked, student, test
from tests.support.rooms import linux

pytestmark = linux

MEMORY = 256 * MIB
TIMES = int(os.environ.get("TIMES", "1"))
LEFT_OUT = "The cell `hog` was left out: it used up the 268,435,456 bytes of memory that a notebook may take."
USED_UP = (
    "OutOfMemory: this cell: it used up the 268,435,456 bytes of memory that a notebook may take. "
    "What it made is thrown away, and the cells below run as if it were not there."
)

CHILD = "hog = []\\nwhile True: hog.append(bytearray(2**20))"
LIVES_ON = {
    "a list": "hog = []\nwhile True:\n    hog.append(bytearray(2**20))",
    "small objects": "hog = {}\nwhile True:\n    hog[len(hog)] = str(len(hog))",
    "tensors": "hog = []\nwhile True:\n    hog.append(torch.ones(2**18))",
    "untouched pages": "hog = []\nwhile True:\n    hog.append(torch.zeros(2**18))",
    "numpy": "import numpy as np\nhog = []\nwhile True:\n    hog.append(np.ones(2**17))",
    "caught": "hog = []\ntry:\n    while True:\n        hog.append(bytearray(2**20))\nexcept MemoryError:\n    pass",
    "nearly all": "hog = bytearray(240 * 2**20)",
    "in a function, held by the traceback": (
        "def f():\n    kept = []\n    def g():\n        while True:\n            kept.append(bytearray(2**20))\n    g()\nf()"
    ),
    "a deep recursion": "def f(x):\n    return f(bytes(2**20)) + x\nf(b'')",
    "large pieces": "hog = []\nwhile True:\n    hog.append(torch.ones(2**24))",
    "a counter that stands still": "hog, k = [], 0\nwhile k < 5:\n    hog.append(k)",
    "tensors that are joined": "hog = torch.ones(2**18)\nwhile True:\n    hog = torch.cat([hog, hog])",
    "a string that doubles": "hog = 'x'\nwhile True:\n    hog += hog",
    "a set": "hog, k = set(), 0\nwhile True:\n    hog.add(k)\n    k += 1",
    "a cache": (
        "import functools\n@functools.cache\ndef piece(k):\n    return torch.ones(2**24) * k\nfor k in range(10**6):\n"
        "    hog = piece(k)"
    ),
    "an attribute of a module": "torch.hog = hog = []\nwhile True:\n    hog.append(torch.ones(2**23))",
    "another error from it": (
        "hog = []\ntry:\n    while True:\n        hog.append(torch.ones(2**24))\nexcept RuntimeError as error:\n"
        "    raise ValueError('no') from error"
    ),
    "an error that is kept": (
        "def f():\n    pieces = []\n    while True:\n        pieces.append(torch.ones(2**24))\ntry:\n    f()\n"
        "except RuntimeError as error:\n    hog = error\nraise hog"
    ),
    "a thread": (
        "import threading\nhog = []\ndef grow():\n    while True:\n        hog.append(bytearray(2**20))\n"
        "threading.Thread(target=grow).start()"
    ),
    "one by one": "hog = []\nfor _ in range(10**6):\n    hog.append(bytearray(2**20))\n    print(len(hog))",
}
"""What lives on when its cell has ended. Each time, it is thrown away."""

FREED = {
    "a generator": ("hog = list(bytearray(2**20) for _ in iter(int, 1))", "MemoryError: "),
    "a comprehension": ("hog = [bytearray(2**20) for _ in range(10**6)]", "MemoryError: "),
    "a function": (
        "def f():\n    kept = []\n    def g():\n        while True:\n            kept.append(torch.ones(25 * 2**20))\n"
        "    g()\nf()",
        "RuntimeError: [enforce fail at alloc_cpu",
    ),
    "a generator that is kept": (
        "def all():\n    kept = []\n    while True:\n        kept.append(torch.ones(25 * 2**20))\n        yield kept\n"
        "pieces = all()\nfor _ in pieces:\n    pass",
        "RuntimeError: [enforce fail at alloc_cpu",
    ),
    "a cycle": (
        "def f():\n    hog = []\n    hog.append(hog)\n    while True:\n        hog.append(torch.ones(25 * 2**20))\nf()",
        "RuntimeError: [enforce fail at alloc_cpu",
    ),
    "numpy's own error": ("import numpy as np\nhog = np.ones(10**11)", "MemoryError: Unable to allocate"),
    "the text of what is large": ("str(list(range(10**7)))", "MemoryError"),
    "a tensor too large": ("hog = torch.zeros(10**12)", "RuntimeError: [enforce fail at alloc_cpu"),
    "a child process": (f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {CHILD!r}])", ""),
    "a fork": (
        "import os\npid = os.fork()\nif pid == 0:\n    hog = []\n    while True:\n        hog.append(bytearray(2**20))\n"
        "os.waitpid(pid, 0)",
        "",
    ),
    "a process left behind": (f"import subprocess, sys\nleft = subprocess.Popen([sys.executable, '-c', {CHILD!r}])", ""),
}
"""What leaves the process of the notebook as it was, with what the cell stops with."""


def around(examine: ExamRunner, *hogs: str, **limits: Any) -> Examined:
    """A notebook with these cells in its middle: what is below needs memory, what is above and what they themselves made."""
    return examine(
        locked("import torch"),
        student("x = 1\nhog = [0]"),
        *(student(hog) for hog in hogs),
        student("y = torch.ones(10**6).sum() + x"),
        student("import matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()"),
        test("assert y == 10**6 + 1"),
        student("z = len(hog)"),
        test("z"),
        **{"memory": MEMORY, **limits},
    )


def words(told: Examined) -> list[str]:
    return [note.replace("`cell-2`", "`hog`") for note in told.notes]


@pytest.mark.parametrize("name", LIVES_ON)
def test_a_cell_whose_memory_lives_on_is_left_out_each_time(name: str, examine: ExamRunner) -> None:
    for _ in range(TIMES):
        told = around(examine, LIVES_ON[name])
        assert told.errors() == ["", "", USED_UP, "", "", "", "", ""]
        assert told.outputs[7][0]["data"] == {"text/plain": "1"}
        assert words(told) == [LEFT_OUT]


CRASH = "import ctypes\nctypes.string_at(0)"
ENDS = {
    "a crash in want of memory": (f"hog = b'x' * (150 * 2**20)\n{CRASH}", "OutOfMemory"),
    "a kill in want of memory": ("import os\nhog = b'x' * (150 * 2**20)\nos.kill(os.getpid(), 9)", "OutOfMemory"),
    "a crash": (CRASH, "Died"),
    "a kill": ("import os\nos.kill(os.getpid(), 9)", "Died"),
    "an exit with much memory": ("import os\nhog = b'x' * (150 * 2**20)\nos._exit(3)", "Died"),
}
"""Processes that end without a word, with what is said of them."""


@pytest.mark.parametrize("name", ENDS)
def test_a_process_that_ends_without_a_word_is_told_apart_by_its_memory(name: str, examine: ExamRunner) -> None:
    source, kind = ENDS[name]
    told = around(examine, source)
    assert [error.partition(":")[0] for error in told.errors()] == ["", "", kind, "", "", "", "", ""]


@pytest.mark.parametrize("name", FREED)
def test_a_cell_whose_memory_is_freed_stops_at_the_same_place_each_time(name: str, examine: ExamRunner) -> None:
    source, error = FREED[name]
    for _ in range(TIMES):
        told = around(examine, source)
        assert told.error(2).startswith(error) if error else told.error(2) == ""
        assert [*told.errors()[:2], *told.errors()[3:]] == [""] * 7
        assert all(note.startswith("The sandbox blocked something") for note in words(told))


def test_a_function_full_of_small_objects_costs_its_own_cell_each_time(examine: ExamRunner) -> None:
    """How much is left where it is refused depends on how its list grows, and so whether what it made can be given back."""
    source = "def f():\n    kept, k = [], 0\n    while True:\n        kept.append(str(k))\n        k += 1\nf()"
    for _ in range(TIMES):
        told = around(examine, source)
        assert told.error(2) in {USED_UP, "MemoryError: "}
        assert [*told.errors()[:2], *told.errors()[3:]] == [""] * 7
        assert told.outputs[7][0]["data"] == {"text/plain": "1"}


def test_memory_that_grows_over_several_cells_costs_those_that_go_beyond(examine: ExamRunner) -> None:
    hogs = ["more = []", *["more.append(bytearray(60 * 2**20))"] * 9]
    for _ in range(TIMES):
        told = around(examine, *hogs)
        assert [error.partition(":")[0] for error in told.errors()] == ["", "", "", *[""] * 3, *["OutOfMemory"] * 6, *[""] * 5]


@pytest.mark.parametrize("piece", [2**10, 2**16, 2**19])
def test_of_a_list_that_grows_until_the_time_is_up_nothing_is_left(piece: int, examine: ExamRunner) -> None:
    """How long it is then is chance."""
    cell = f"import time\nhog = [1, 2]\nwhile True:\n    hog.append(bytearray({piece}))\n    time.sleep(0.005)"
    told = around(examine, cell, cell_seconds=1)
    assert told.errors()[2].startswith("KeyboardInterrupt")
    assert told.errors()[3:] == [""] * 5
    assert told.outputs[7][0]["data"] == {"text/plain": "2"}


def test_what_a_cell_held_before_the_statement_that_was_stopped_may_be_much(examine: ExamRunner) -> None:
    told = around(examine, "hog = bytearray(150 * 2**20)\nwhile True:\n    pass", cell_seconds=1)
    assert told.errors()[2].startswith("KeyboardInterrupt")
    assert told.outputs[7][0]["data"] == {"text/plain": str(150 * 2**20)}


def test_results_that_ipython_keeps_go_when_memory_is_short(examine: ExamRunner) -> None:
    """`Out` has them all, as in a kernel, as long as there is room for them."""
    results = ["torch.ones(12 * 2**20)"] * 9
    told = around(examine, *results, "torch.ones(3)", "_ + 1")
    assert told.errors() == [""] * 18
    assert "2., 2., 2." in str(told.outputs[12])


PRINTS = {
    "lines": "while True:\n    print('x' * 1000)",
    "nothing but ends of lines": "while True:\n    print()",
    "errors": "import sys\nwhile True:\n    sys.stderr.write('x' * 1000)",
    "displays": "from IPython.display import display\nwhile True:\n    display('x' * 10_000)",
    "pictures": "from IPython.display import HTML, display\nwhile True:\n    display(HTML('x' * 10_000))",
    "a process": "!yes",
    "a descriptor": "import os\nwhile True:\n    os.write(1, b'x' * 1000)",
}


@pytest.mark.parametrize("name", PRINTS)
def test_what_is_shown_without_end_fills_no_memory(name: str, examine: ExamRunner) -> None:
    """Later cells find all of it free."""
    needs = student("import resource\nhog = bytearray(200 * 2**20)\nlen(hog)")
    told = examine(locked("import torch"), student(PRINTS[name]), needs, memory=MEMORY, cell_seconds=2)
    assert told.error(1).partition(":")[0] in ("KeyboardInterrupt", "OSError")
    assert told.error(2) == ""
    assert len(str(told.outputs[1])) < 3 * MIB
    assert not [note for note in told.notes if "memory" in note]


def test_a_cell_that_is_stopped_while_it_holds_little_keeps_what_it_made(examine: ExamRunner) -> None:
    told = around(examine, "hog = [1, 2]\nwhile True:\n    pass", cell_seconds=1)
    assert told.errors()[2].startswith("KeyboardInterrupt")
    assert told.outputs[7][0]["data"] == {"text/plain": "2"}


def test_a_cell_may_hold_most_of_the_memory(examine: ExamRunner) -> None:
    told = around(examine, "hog = bytearray(200 * 2**20)")
    assert told.errors() == [""] * 8
    assert told.notes == []


SETUP = """%load_ext autograder
from autograder import grade
import torch
X, W, dz = torch.ones(4, 3), torch.ones(3, 2), torch.ones(4, 2) / 8"""
FORWARD = "%%forward\ny = X @ W\nz = y.tanh()\nloss = z.mean()"
HOG = "hog = []\nwhile True:\n    hog.append(bytearray(2**20))"


def test_an_answer_that_uses_up_the_memory_costs_its_own_mark_each_time(examine: ExamRunner) -> None:
    answer = "dy = dz * (1 - z**2)"
    for _ in range(TIMES):
        told = examine(
            locked(SETUP),
            locked(FORWARD),
            student(f"{answer}\n{HOG}", "dy"),
            test("grade('dy')"),
            student("dW = X.T @ dy", "dW"),
            test("grade('dW')"),
            memory=MEMORY,
        )
        assert [error.partition(":")[0] for error in told.errors()] == ["", "", "OutOfMemory", "NotRight", "NameError", ""]


def test_a_function_that_uses_up_the_memory_costs_its_own_mark_each_time(examine: ExamRunner) -> None:
    function = "def backward(X, W):\n" + "\n".join(f"    {line}" for line in HOG.split("\n"))
    for _ in range(TIMES):
        told = examine(
            locked(SETUP),
            locked(FORWARD),
            student("dy = dz * (1 - z**2)", "dy"),
            student(function, "backward"),
            test("grade('dW', 'backward')"),
            test("grade('dy')"),
            memory=MEMORY,
        )
        assert [error.partition(":")[0] for error in told.errors()] == [*[""] * 4, "NotRight", ""]
        assert "The process ended while your answer ran." in told.error(4)
        shown = "".join(output["data"]["text/plain"] for output in told.outputs[4] if "data" in output)
        assert "seen: it used up the 268,435,456 bytes of memory that a notebook may take" in shown
