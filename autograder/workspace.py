"""Where a student's answers stand, and can be run again: the notebook itself, or a room that is kept apart."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from autograder.case import Case
from autograder.cell import Cell
from autograder.replay import Replay, locals_of, run_cell, run_function


@dataclass(frozen=True)
class Function:
    """What is known of a function without a call: its parameters, and whether its body does nothing at all.

    `kind` is the type of something that is no function.
    """

    parameters: tuple[str, ...] = ()
    is_blank: bool = False
    kind: str = ""


class Workspace(Protocol):
    """`names` is what the cells have made; `folder` is where the course's own files are, among them `lesson.toml`."""

    @property
    def names(self) -> Mapping[str, Any]: ...

    @property
    def folder(self) -> Path: ...

    def replay(self, cell: Cell, name: str, case: Case) -> Replay:
        """What a cell computes for `name` on a case."""

    def function(self, by: str) -> Function:
        """What is known of the function of this name."""

    def call(self, by: str, arguments: Mapping[str, Any]) -> Replay:
        """What the function of this name returns for copies of these arguments."""

    def locals_of(self, cell: Cell, by: str, arguments: Mapping[str, Any], replay: Replay) -> dict[str, Any]:
        """The names that a function which a cell defines had at the end of a call, which gave this replay."""

    def beside(self, local: Mapping[str, Any]) -> Workspace:
        """The same with the local names of a function, which hide others."""


@dataclass(frozen=True)
class Notebook:
    """The workspace of the running notebook."""

    names: Mapping[str, Any]
    folder: Path = Path()

    def replay(self, cell: Cell, name: str, case: Case) -> Replay:
        return run_cell(cell, name, case, self.names)

    def function(self, by: str) -> Function:
        function = self.names[by]
        if not callable(function):
            return Function(kind=type(function).__name__)
        code = getattr(function, "__code__", None)
        is_blank = code is not None and not code.co_names and code.co_nlocals == code.co_argcount
        try:
            return Function(tuple(inspect.signature(function).parameters), is_blank)
        except (TypeError, ValueError):
            return Function((), is_blank)

    def call(self, by: str, arguments: Mapping[str, Any]) -> Replay:
        return run_function(self.names[by], arguments, self.names)

    def locals_of(self, cell: Cell, by: str, arguments: Mapping[str, Any], replay: Replay) -> dict[str, Any]:
        return locals_of(cell, by, arguments, self.names, replay.error)

    def beside(self, local: Mapping[str, Any]) -> Notebook:
        return Notebook({**self.names, **local})
