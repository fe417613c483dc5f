"""Running notebooks of the course, each in a process of its own, to see which test cells pass."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder import notebook
from autograder.errors import ContentError
from autograder.limits import MIB, interrupted_after
from autograder.logbook import NBGRADER
from autograder.paper import Message, Role
from autograder.transcript import outputs

SECONDS = 120
"""For one cell; a cell that takes longer fails."""
LARGEST = 16 * MIB
"""What a cell may show."""
LOADED = ["autograder.lint", "autograder.recorder"]
"""What processes have in common that begin as forks of one."""
PROBE = "probe"
"""The id of a cell that is not in the notebook."""


def run_all(notebooks: Iterable[NotebookNode], folder: Path) -> list[NotebookNode]:
    """The notebooks with their outputs, run in `folder`, as many at a time as there are processors.

    Raises ContentError for one that ends its process.
    """
    context = multiprocessing.get_context("forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn")
    context.set_forkserver_preload(LOADED)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(partial(_run, folder=folder, context=context), notebooks))


def complaint(cell: NotebookNode) -> str:
    """Why nbgrader would give no points for a test cell that has run, in a line; nothing if it would."""
    return next(filter(None, map(_complaint, cell.outputs)), "")


def stopped(cell: NotebookNode) -> bool:
    """Whether a cell ended with an error, or with what IPython says of a magic that it does not know."""
    return any(
        output.output_type == "error" or (output.get("name") == "stderr" and output.text.startswith("UsageError"))
        for output in cell.outputs
    )


def with_probe(nb: NotebookNode, source: str) -> NotebookNode:
    """The notebook with one more cell."""
    probed = deepcopy(nb)
    probed.cells.append(new_code_cell(source, id=PROBE))
    return probed


def printed(executed: NotebookNode) -> str:
    """What the last cell printed."""
    return "".join(output.text for output in executed.cells[-1].outputs if output.output_type == "stream")


def _run(nb: NotebookNode, folder: Path, context: Any) -> NotebookNode:
    copy = deepcopy(nb)
    cells = list(notebook.code_cells(copy))
    records: list[list[Message]] = []
    ours, theirs = context.Pipe(duplex=False)
    with ours:
        process = context.Process(target=_execute, args=(theirs, [(cell.id, cell.source) for cell in cells], folder, SECONDS))
        process.start()
        theirs.close()
        try:
            while len(records) < len(cells):
                records.append(ours.recv())
        except EOFError:
            cell = cells[len(records)]
            raise ContentError(f"the kernel died in cell `{cell.id}`. Mend that cell, then run this again.") from None
        finally:
            process.join()
    for cell, found in zip(cells, outputs(records, [Role.LOCKED] * len(cells)), strict=True):
        cell.outputs = found
    return copy


def _execute(told: Connection, cells: Sequence[tuple[str, str]], folder: Path, seconds: float) -> None:
    """The whole life of a process: tells what each cell showed."""
    from autograder import recorder

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ[NBGRADER] = "validate"
    os.chdir(folder)
    with tempfile.TemporaryDirectory() as settings, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        shell = recorder.start(settings)
        shell.files = {"stdout": stdout.fileno(), "stderr": stderr.fileno()}
        for number, file in enumerate(shell.files.values(), 1):
            os.dup2(file, number)
        for count, (id, source) in enumerate(cells, 1):
            with interrupted_after(seconds, 0):
                messages, *_ = shell.run(source, id, count, LARGEST)
            told.send(messages)


def _complaint(output: NotebookNode) -> str:
    if output.get("name") == "stderr":
        first, _, _ = output.text.strip().partition("\n")
        return f"it writes to stderr, {first}"
    if output.output_type != "error":
        return ""
    if output.ename == "KeyboardInterrupt":
        return f"it did not end within {SECONDS} s."
    message = output.evalue if output.ename == "NotRight" else f"{output.ename}: {output.evalue}"
    return " ".join(message.split()).removesuffix(":")
