"""What a notebook's kernel remembers: the forward passes that it recorded and the cells that it ran."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from autograder import cell
from autograder.errors import NotReady
from autograder.exercise import Exercise
from autograder.tape import Tape, is_variable, private, record
from autograder.verdict import Verdict
from autograder.workspace import Notebook, Workspace

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell


@dataclass
class Run:
    """A cell that was run. `id` is the notebook's for it, None in a terminal; `error` is what it stopped with.

    A run is `current` until the same cell is run again: what it made before counts no more.
    """

    cell: cell.Cell
    id: str | None
    error: str = ""
    current: bool = True


@dataclass(frozen=True)
class Judged:
    """A verdict, the run whose answer it is about, and the workspace in which it was found."""

    verdict: Verdict
    run: Run | None
    workspace: Workspace


class Session:
    """One for each IPython shell; `%load_ext autograder` starts it."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.workspace: Workspace = Notebook(shell.user_ns)
        self.tapes: dict[str, Tape] = {}
        self.runs: list[Run] = []
        self.verdicts: dict[str, Verdict] = {}
        self.judged: dict[tuple[str, str | None], Judged] = {}
        """What `check` said last of a gradient."""
        self.seed = ""
        """What the cases of hidden tests come from besides; students do not have it."""
        self.exercise: Exercise | None = None
        """The cells of the notebook, where it stands in no file beside."""
        self.told: dict[str, list[str]] = {}
        """What was said already: hints by gradient, remarks by subject."""

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
        self.note(info.raw_cell, info.cell_id)

    def note(self, source: str, id: str | None, error: str = "") -> None:
        """Takes note of a cell that runs, here or elsewhere, and of what it stopped with."""
        for run in self.runs:
            run.current &= run.id is None or run.id != id
        self.runs.append(Run(cell.read(source), id, error))

    def remember_failure(self, result: ExecutionResult) -> None:
        """Called by IPython after every cell."""
        error = result.error_before_exec or result.error_in_exec
        run = result.info and next((run for run in reversed(self.runs) if run.cell.source == result.info.raw_cell), None)
        if run and error is not None:
            run.error = in_words(error)

    def tape(self, variable: str) -> Tape:
        """The newest forward pass that has this variable. Raises NotReady where there is none."""
        for tape in reversed(self.tapes.values()):
            if variable in tape.variables:
                return tape
        if not self.tapes:
            raise NotReady("no forward pass has been recorded: run the `%%forward` cell, then this one again.")
        for tape in self.tapes.values():
            if variable in tape.state and not is_variable(tape.state[variable]):
                raise NotReady(f"`{variable}` is no floating-point tensor, so it has no gradient.")
            if variable in tape.state:
                raise NotReady(f"the loss is the last line, `{tape.loss}`, and does not depend on `{variable}`.")
        known = [f"d{name}" for tape in self.tapes.values() for name in tape.variables[:-1]]
        near = get_close_matches(f"d{variable}", known, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise NotReady(f"the forward pass has no `{variable}`, so there is no gradient `d{variable}`.{hint}")

    def source(self, variable: str) -> str:
        """The lines of the newest forward pass that has this variable."""
        tape = self.tape(variable)
        return next(source for source, each in self.tapes.items() if each is tape)

    def first_time(self, subject: str, name: str) -> bool:
        """Whether nothing was said on a subject before; from now on it was, of this gradient."""
        said = self.told.setdefault(subject, [])
        said.append(name)
        return len(said) == 1

    def answering(self, name: str) -> Run | None:
        """The run that last bound or changed `name`, in a cell that still does."""
        return next((run for run in reversed(self.runs) if run.current and name in run.cell.touches), None)

    def has_run(self, id: str) -> bool:
        """Whether the cell of this id was run and does something."""
        return any(run.current and run.id == id and run.cell.statements for run in self.runs)

    def dropped(self, name: str) -> bool:
        """Whether a cell made `name` once and was run again without it."""
        return self.answering(name) is None and any(name in run.cell.touches for run in self.runs)

    def failure(self, name: str) -> str:
        """The error of the last cell that is about `name`, or nothing. A cell that is not Python is by its first words."""
        target = re.compile(rf"^\s*(def\s+)?{re.escape(name)}\b", re.MULTILINE)

        def is_about(run: Run) -> bool:
            broken = not run.cell.statements and target.search(run.cell.source)
            return run.id == name or name in run.cell.touches or bool(broken)

        return next((run.error for run in reversed(self.runs) if run.current and is_about(run)), "")

    def misspelt(self, name: str) -> str:
        """A name that a cell made, that nothing in the course is called, and that is nearly `name`; or nothing."""
        known = {known for tape in self.tapes.values() for name in tape.state for known in (name, f"d{name}")}
        made = {made for run in self.runs if run.current for made in run.cell.touches}
        return next(iter(get_close_matches(name, sorted(made - known), n=1, cutoff=0.8)), "")


def in_words(error: BaseException, text: Callable[[object], str] = str) -> str:
    """What a cell stopped with; `text` is what a message says."""
    message: object = f"{error.msg}, in line {error.lineno}" if isinstance(error, SyntaxError) else error
    return f"{type(error).__name__}: {text(message)}"


_sessions: dict[InteractiveShell, Session] = {}


def start(shell: InteractiveShell) -> Session:
    """The session of this shell, watching its cells from now on."""
    if shell not in _sessions:
        session = _sessions[shell] = Session(shell)
        shell.events.register("pre_run_cell", session.remember)
        shell.events.register("post_run_cell", session.remember_failure)
    return _sessions[shell]


def end(shell: InteractiveShell) -> None:
    """Forgets the session of a shell, and watches it no more."""
    session = _sessions.pop(shell)
    shell.events.unregister("pre_run_cell", session.remember)
    shell.events.unregister("post_run_cell", session.remember_failure)


def current() -> Session:
    """The session of the running notebook. Raises NotReady outside of one."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or shell not in _sessions:
        raise NotReady("this works in a notebook, after `%load_ext autograder`: run the first code cell.")
    return _sessions[shell]
