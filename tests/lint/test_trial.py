"""Running notebooks of the course: each cell in turn, whatever one of them does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.grading.examine import Examine
from autograder.lint import linter
from autograder.lint.trial import run_all
from tests.support.clusters import until


def of(*sources: str) -> NotebookNode:
    return new_notebook(cells=[new_markdown_cell("Read."), *map(new_code_cell, sources)])


def test_cells_have_their_outputs_and_notebooks_share_nothing(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("here")
    first = of("x = 1\nprint(open('data.txt').read())", "!echo out\nx", "1 / 0", "print('on')")
    second = of("'x' in globals()")
    ran = run_all([first, second], tmp_path, Examine())
    assert [cell.get("outputs") for cell in first.cells[1:]] == [[]] * 4
    shown = [cell.outputs for cell in ran[0].cells[1:]]
    assert [output.get("text") or output.get("ename") or output["data"]["text/plain"] for each in shown for output in each] == [
        "here\n",
        "out\n",
        "1",
        "ZeroDivisionError",
        "on\n",
    ]
    assert [linter.complaint(cell) for cell in ran[0].cells[1:]] == ["", "", "ZeroDivisionError: division by zero", ""]
    assert ran[1].cells[1].outputs[0].data["text/plain"] == "False"


def test_what_is_written_past_python_is_there(tmp_path: Path) -> None:
    (ran,) = run_all([of("import os\n_ = os.write(2, b'past')")], tmp_path, Examine())
    assert linter.complaint(ran.cells[1]) == "it writes to stderr, past"


def test_a_cell_that_takes_too_long_fails_and_the_next_one_runs(tmp_path: Path) -> None:
    (ran,) = run_all([of("while True:\n    pass", "2")], tmp_path, Examine(cell_seconds=1))
    assert linter.complaint(ran.cells[1]) == "the cell did not end within 1 s."
    assert ran.cells[2].outputs[0].data["text/plain"] == "2"


def test_an_interrupt_ends_all(tmp_path: Path) -> None:
    """As from the keyboard: to the command, and to all that it started."""
    program = """
import signal
from pathlib import Path
from nbformat.v4 import new_code_cell, new_notebook
from autograder.grading.examine import Examine
from autograder.lint.trial import run_all
signal.signal(signal.SIGINT, signal.default_int_handler)
slow = new_notebook(cells=[new_code_cell("import time\\ntime.sleep(100)")])
run_all([slow] * 20, Path.cwd(), Examine())
"""
    run = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    assert run.stderr is not None
    until(lambda: any(child.name() == "bwrap" for child in psutil.Process(run.pid).children(recursive=True)), 60)
    everyone = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, 2)
    _, said = run.communicate(timeout=30)
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert psutil.wait_procs(everyone, timeout=20)[1] == []
