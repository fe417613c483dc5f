"""A cell that uses up the memory costs itself, every time: all others are as they would be without it."""

from __future__ import annotations

from typing import Any

import pytest

from autograder.sandbox.limits import MIB
from tests.examiner.test_examiner import Examined, ExamRunner, locked, student, test
from tests.support.rooms import linux

pytestmark = linux

MEMORY = 256 * MIB
TIMES = 3
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
    "in a function, held by the traceback": (
        "def f():\n    kept = []\n    def g():\n        while True:\n            kept.append(bytearray(2**20))\n    g()\nf()"
    ),
    "caught": "hog = []\ntry:\n    while True:\n        hog.append(bytearray(2**20))\nexcept MemoryError:\n    pass",
    "nearly all": "hog = bytearray(240 * 2**20)",
    "one by one": "hog = []\nfor _ in range(10**6):\n    hog.append(bytearray(2**20))\n    print(len(hog))",
}
"""What lives on when its cell has ended. Each time, it is thrown away."""

FREED = {
    "a generator": ("hog = list(bytearray(2**20) for _ in iter(int, 1))", "MemoryError: "),
    "a comprehension": ("hog = [bytearray(2**20) for _ in range(10**6)]", "MemoryError: "),
    "a string that doubles": ("hog = 'x'\nwhile True:\n    hog += hog", "MemoryError: "),
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
        assert all(note.startswith("The room refused something") for note in words(told))


def test_memory_that_grows_over_several_cells_costs_those_that_go_beyond(examine: ExamRunner) -> None:
    hogs = ["more = []", *["more.append(bytearray(60 * 2**20))"] * 9]
    for _ in range(TIMES):
        told = around(examine, *hogs)
        assert [error.partition(":")[0] for error in told.errors()] == ["", "", "", *[""] * 3, *["OutOfMemory"] * 6, *[""] * 5]


def test_a_cell_that_is_stopped_while_it_holds_much_is_left_out(examine: ExamRunner) -> None:
    """How much it holds when its time is up is chance."""
    told = around(examine, "hog = bytearray(150 * 2**20)\nwhile True:\n    pass", cell_seconds=1)
    assert told.errors()[2].startswith("OutOfMemory")
    assert told.outputs[7][0]["data"] == {"text/plain": "1"}


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
