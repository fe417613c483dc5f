"""Running notebooks of the course in kernels of their own, to see which test cells pass."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder import notebook

SECONDS = 300
"""For one cell; a cell that takes longer fails."""


def run_all(notebooks: Iterable[NotebookNode], folder: Path) -> list[NotebookNode]:
    """The notebooks with their outputs, run in `folder`, as many at a time as there are processors."""

    async def run_each() -> list[NotebookNode]:
        free = asyncio.Semaphore(os.cpu_count() or 1)
        return await asyncio.gather(*(_run(nb, folder, free) for nb in notebooks))

    return asyncio.run(run_each())


def passed(executed: NotebookNode) -> dict[str, bool]:
    """For each test cell, by id, whether nbgrader would give its points: no error, and nothing on stderr."""
    return {cell.id: not _failed(cell) for cell in notebook.code_cells(executed) if notebook.role(cell) == "test"}


def with_probe(nb: NotebookNode, source: str) -> NotebookNode:
    """The notebook with one more cell."""
    probed = deepcopy(nb)
    probed.cells.append(new_code_cell(source, id="probe"))
    return probed


def printed(executed: NotebookNode) -> str:
    """What the last cell printed."""
    return "".join(output.text for output in executed.cells[-1].outputs if output.output_type == "stream")


async def _run(nb: NotebookNode, folder: Path, free: asyncio.Semaphore) -> NotebookNode:
    copy = deepcopy(nb)
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(copy, timeout=SECONDS, kernel_name="python3", allow_errors=True, resources=resources)
    async with free:
        await client.async_execute(stderr=subprocess.DEVNULL)  # the kernel's own log, not what cells print
    return copy


def _failed(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" or output.get("name") == "stderr" for output in cell.outputs)
