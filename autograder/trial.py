"""Running notebooks of the course in kernels of their own, to see which test cells pass."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.errors import ContentError
from autograder.logbook import NBGRADER

SECONDS = 120
"""For one cell; a cell that takes longer fails."""
PROBE = "probe"
"""The id of a cell that is not in the notebook."""


def run_all(notebooks: Iterable[NotebookNode], folder: Path) -> list[NotebookNode]:
    """The notebooks with their outputs, run in `folder`, as many at a time as there are processors."""

    async def run_each() -> list[NotebookNode]:
        free = asyncio.Semaphore(os.cpu_count() or 1)
        return await asyncio.gather(*(_run(nb, folder, free) for nb in notebooks))

    return asyncio.run(run_each())


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


async def _run(nb: NotebookNode, folder: Path, free: asyncio.Semaphore) -> NotebookNode:
    copy = deepcopy(nb)
    resources = {"metadata": {"path": str(folder)}}
    started: list[str] = []
    client = NotebookClient(
        copy,
        timeout=SECONDS,
        interrupt_on_timeout=True,
        kernel_name="python3",
        allow_errors=True,
        resources=resources,
        on_cell_execute=lambda cell, cell_index: started.append(cell.id),
    )
    async with free:
        try:
            surroundings = {**os.environ, NBGRADER: "validate"}
            await client.async_execute(
                stderr=subprocess.DEVNULL, env=surroundings
            )  # the kernel's own log, not what cells print
        except DeadKernelError:
            raise ContentError(f"the kernel died in cell `{started[-1]}`. Mend that cell, then run this again.") from None
    return copy


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
