"""From the messages of a shell to the outputs of a notebook, as nbclient makes them of a kernel's."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from nbclient import NotebookClient
from nbformat import NotebookNode, ValidationError
from nbformat.v4 import new_notebook
from nbformat.validator import validate

from autograder.course.cells import Role
from autograder.examiner.exam import Message

Outputs = list[NotebookNode]

OUTPUTS = {"stream", "display_data", "execute_result", "error", "update_display_data", "clear_output"}
"""The messages that have to do with outputs."""

EMPTY_CELL: dict[str, Any] = {"cell_type": "code", "id": "cell", "source": "", "metadata": {}, "execution_count": None}


def outputs(records: Sequence[Sequence[Message]], roles: Sequence[Role]) -> list[Outputs]:
    """The outputs of each cell. A display may be changed by a later cell, but not one of a test by a cell that is no test.

    So tests and other cells have a client each: a display that only the other has is not found.
    """
    found: list[Outputs] = [[] for _ in records]
    for is_test in (True, False):
        client = NotebookClient(new_notebook())
        client.nb.cells = [NotebookNode(EMPTY_CELL, outputs=[]) for _ in records]
        for number, (record, role) in enumerate(zip(records, roles, strict=True)):
            if (role is Role.TEST) is is_test:
                client.clear_before_next_output = False
                for message in record:
                    _take(client, message, number)
                found[number] = client.nb.cells[number].outputs
    if not _are_valid(itertools.chain(*found)):
        found = [list(_valid(each)) for each in found]
    return found


def _take(client: NotebookClient, message: dict[str, Any], number: int) -> None:
    """Adds a message to the outputs. One that comes from a room may be anything: what nbclient cannot read is left out."""
    if message["msg_type"] not in OUTPUTS:
        return
    header = {"msg_type": message["msg_type"]}
    with suppress(Exception):
        client.process_message({**message, "header": header, "parent_header": {}}, client.nb.cells[number], number)


def _are_valid(found: Iterable[NotebookNode]) -> bool:
    """Whether all of these outputs are valid. To validate them together takes no longer than to validate one."""
    try:
        new_notebook(cells=[NotebookNode(EMPTY_CELL, outputs=list(found))])  # nbformat validates it as it is made
        return True
    except (ValidationError, RecursionError):
        return False


def _valid(found: Outputs) -> Iterable[NotebookNode]:
    for output in found:
        try:
            validate(output, ref="output", version=4, version_minor=5)
        except (ValidationError, RecursionError):
            continue
        yield output
