"""The opening of a notebook once it has run, in the process that its examiners are forked from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autograder.opening import MODULES, Cells, without_magics
from autograder.paper import Paper, Record, Role, size_of
from autograder.recorder import Shell
from autograder.scope import Scope
from autograder.session import start


@dataclass(frozen=True)
class Opened:
    """What the opening of a notebook left where it ran, beside the names in the shell: the records are of its cells."""

    cells: Cells
    scope: Scope
    records: list[Record]

    @property
    def size(self) -> int:
        """Bytes of what the cells showed."""
        return sum(size_of(message) for record in self.records for message in record.messages)

    def begins(self, paper: Paper) -> bool:
        """Whether a notebook has this opening."""
        tasks = paper.tasks[: len(self.cells)]
        return [[task.id, task.source] for task in tasks] == self.cells and all(task.role is Role.LOCKED for task in tasks)


def run_ahead(shell: Shell, cells: Cells, largest: int) -> Scope | None:
    """Runs the cells of an opening; None where one of them needs what is not there."""
    start(shell.shell)
    scope = Scope(shell.names)
    wanted: list[str] = []

    def fetch(names: list[str]) -> dict[str, Any]:
        wanted.extend(name for name in names if name.partition(".")[0] not in MODULES)  # those stand in imports
        return {}

    for count, (id, source) in enumerate(cells, 1):
        scope.bring(without_magics(source), fetch, is_there=True)
        before = dict(shell.names)
        _, error, cut = shell.run(source, id, count, largest)
        if cut or error is not None or not shell.names.keys() >= set(wanted):
            return None
        scope.keep(before)
    return scope


def records(told: Sequence[Mapping[str, Any]]) -> list[Record]:
    """What the cells showed in the fork for the students; nothing where one stopped, or showed more than it may."""
    return [] if any(each["cut"] or each["error"] is not None for each in told) else [Record(each["messages"]) for each in told]
