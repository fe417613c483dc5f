"""Where answers are and run again: the running notebook, or by the same protocol a room."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from autograder.replay.answer import Call, run_answer
from autograder.replay.parsed import ParsedCell
from autograder.replay.run import Replay, locals_of, original, run_cell, run_function
from autograder.tape.cases import Case


@dataclass(frozen=True)
class FunctionInfo:
    """What is known of a function without a call: the names of its parameters, and whether its body does nothing at all.

    `kind` is the name of its type if the value is no function, and empty otherwise. `optional` are the parameters with a
    default, `starred` is the one that takes all further values, as `args` in `*args`, and `by_position` says that some values
    can only be passed so.
    """

    parameters: tuple[str, ...] = ()
    is_blank: bool = False
    kind: str = ""
    optional: tuple[str, ...] = ()
    starred: str = ""
    by_position: bool = False


class Workspace(Protocol):
    """Where answers are and run again. `names` are those that the cells have bound; `folder` has the course's files."""

    @property
    def names(self) -> Mapping[str, Any]: ...

    @property
    def folder(self) -> Path: ...

    def replay(self, cell: ParsedCell, name: str, case: Case) -> Replay:
        """What a cell computes for `name` on a case."""

    def function(self, by: str) -> FunctionInfo:
        """What is known of the function of this name."""

    def call(self, by: str, arguments: Mapping[str, Any], by_position: bool = False) -> Replay:
        """What the function of this name returns for copies of these arguments, by their names or in this order."""

    def answer(self, call: Call, cell: ParsedCell) -> Replay:
        """What an answer that is no gradient comes to."""

    def locals_of(
        self, cell: ParsedCell, by: str, arguments: Mapping[str, Any], replay: Replay, by_position: bool = False
    ) -> dict[str, Any]:
        """The local names of the function `by`, which the cell defines, at the end of the call that gave this replay."""

    def beside(self, local: Mapping[str, Any]) -> Workspace:
        """The same workspace with the local names of a function, which hide other names."""


@dataclass(frozen=True)
class NotebookWorkspace:
    """The workspace of the running notebook."""

    names: Mapping[str, Any]
    folder: Path = Path()

    def replay(self, cell: ParsedCell, name: str, case: Case) -> Replay:
        return run_cell(cell, name, case, self.names)

    def function(self, by: str) -> FunctionInfo:
        function = original(self.names[by])
        if not callable(function):
            return FunctionInfo(kind=type(function).__name__)
        code = getattr(function, "__code__", None)
        is_blank = code is not None and not code.co_names and code.co_nlocals == code.co_argcount
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return FunctionInfo((), is_blank)
        named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
        starred = next((each.name for each in parameters if each.kind is each.VAR_POSITIONAL), "")
        return FunctionInfo(
            tuple(each.name for each in named),
            is_blank,
            optional=tuple(each.name for each in named if each.default is not each.empty),
            starred=starred,
            by_position=bool(starred) or any(each.kind is each.POSITIONAL_ONLY for each in named),
        )

    def call(self, by: str, arguments: Mapping[str, Any], by_position: bool = False) -> Replay:
        return run_function(self.names[by], arguments, self.names, by_position)

    def answer(self, call: Call, cell: ParsedCell) -> Replay:
        return run_answer(call, cell, self.names)

    def locals_of(
        self, cell: ParsedCell, by: str, arguments: Mapping[str, Any], replay: Replay, by_position: bool = False
    ) -> dict[str, Any]:
        return locals_of(cell, by, arguments, self.names, replay.error, by_position)

    def beside(self, local: Mapping[str, Any]) -> NotebookWorkspace:
        return NotebookWorkspace({**self.names, **local})
