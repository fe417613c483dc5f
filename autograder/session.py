"""What a notebook's kernel remembers: the forward passes that it recorded and the cells that it ran."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from autograder import cell
from autograder.errors import NotReady
from autograder.tape import Tape, private, record

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell


class Session:
    """One for each IPython shell; `%load_ext autograder` starts it."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.tapes: dict[str, Tape] = {}
        self.cells: list[cell.Cell] = []
        self.failures: dict[str, str] = {}
        """The error that a cell stopped with, by the cell's source."""

    @property
    def namespace(self) -> dict[str, Any]:
        names: dict[str, Any] = self.shell.user_ns
        return names

    def forward(self, source: str, batch: list[str]) -> None:
        """Records a forward pass, newest first, and binds its values in the notebook."""
        tape = record(source, self.namespace, batch)
        self.tapes.pop(source, None)
        self.tapes[source] = tape
        values = tape.forward({name: private(value) for name, value in tape.given.items()})
        self.namespace.update({step.name: values[step.name] for step in tape.steps})

    def remember(self, info: ExecutionInfo) -> None:
        """Called by IPython before every cell, so that a cell may check its own answer."""
        self.cells.append(cell.read(info.raw_cell))
        self.failures.pop(info.raw_cell, None)

    def remember_failure(self, result: ExecutionResult) -> None:
        """Called by IPython after every cell."""
        error = result.error_before_exec or result.error_in_exec
        if error is not None and result.info is not None:
            message = f"{error.msg}, in line {error.lineno}" if isinstance(error, SyntaxError) else error
            self.failures[result.info.raw_cell] = f"{type(error).__name__}: {message}"

    def tape(self, variable: str) -> Tape:
        """The newest forward pass that has this variable. Raises NotReady where there is none."""
        for tape in reversed(self.tapes.values()):
            if variable in tape.variables:
                return tape
        if not self.tapes:
            raise NotReady("no forward pass has been recorded: run the `%%forward` cell, then this one again.")
        known = [f"d{name}" for tape in self.tapes.values() for name in tape.variables[:-1]]
        near = get_close_matches(f"d{variable}", known, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise NotReady(f"the forward pass has no `{variable}`, so there is no gradient `d{variable}`.{hint}")

    def answering(self, name: str) -> cell.Cell | None:
        """The cell that last bound or changed `name`."""
        return next((cell for cell in reversed(self.cells) if name in cell.touches), None)

    def failure(self, name: str) -> str | None:
        """The error of the last cell that mentions `name`, if it stopped with one."""
        for past in reversed(self.cells):
            if name in past.touches or (not past.statements and f"{name} " in past.source):
                return self.failures.get(past.source)
        return None


_sessions: dict[InteractiveShell, Session] = {}


def start(shell: InteractiveShell) -> Session:
    """The session of this shell, watching its cells from now on."""
    if shell not in _sessions:
        session = _sessions[shell] = Session(shell)
        shell.events.register("pre_run_cell", session.remember)
        shell.events.register("post_run_cell", session.remember_failure)
    return _sessions[shell]


def current() -> Session:
    """The session of the running notebook. Raises NotReady outside of one."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or shell not in _sessions:
        raise NotReady("this works in a notebook, after `%load_ext autograder`: run the first code cell.")
    return _sessions[shell]
