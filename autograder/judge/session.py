"""What a notebook's kernel remembers: the forward passes that it recorded and the cells that it ran."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from autograder.asks.ask import Ask, parse_ask
from autograder.course.questions import Exercise, Question
from autograder.errors import ForwardError, NotReady
from autograder.replay import parsed
from autograder.replay.run import MISSING
from autograder.replay.stop import Stop, stop_of
from autograder.replay.workspace import NotebookWorkspace, Workspace
from autograder.tape.tape import Tape, private, record
from autograder.verdict import Verdict

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell


@dataclass
class Run:
    """A cell that was run. `id` is the notebook's for it, None in a terminal.

    `error` is what it stopped with, and `stop` where, if that is known. A run is `current` until the same cell is run again.
    After that it no longer counts that an earlier text of the cell bound a name.
    """

    cell: parsed.ParsedCell
    id: str | None
    error: str = ""
    current: bool = True
    stop: Stop | None = None


@dataclass(frozen=True)
class Overwritten:
    """A name of a forward pass that stands for something else now, or for nothing, and the run that did it."""

    name: str
    run: Run
    is_gone: bool


@dataclass(frozen=True)
class Judged:
    """What `check` said of a question: the verdict, the run of the answer, and the workspace in which it was found."""

    verdict: Verdict
    run: Run | None
    workspace: Workspace


class Backend(Protocol):
    """What carries out the calls of a notebook: the notebook's own process, or in a room one that asks the examiner."""

    watches: bool
    """Whether the session has to know which cells were run."""

    def forward(self, session: Session, source: str, batch: list[str]) -> None:
        """Runs the lines of a `%%forward` cell, and binds their values in the notebook."""

    def ask(self, session: Session, source: str) -> None:
        """Takes note of an `%%ask` cell."""

    def check(self, session: Session, question: Question) -> None: ...

    def grade(self, session: Session, question: Question) -> None: ...

    def hint(self, session: Session, question: Question) -> None: ...

    def solution(self, session: Session, question: Question, anyway: bool) -> None: ...

    def progress(self, session: Session, course: bool) -> None: ...


class Session:
    """One for each IPython shell; `%load_ext autograder` starts it."""

    def __init__(self, shell: InteractiveShell, backend: Backend) -> None:
        self.shell = shell
        self.backend = backend
        self.workspace: Workspace = NotebookWorkspace(shell.user_ns)
        self.tapes: dict[str, Tape] = {}
        self.asks: dict[str, Ask] = {}
        """What is asked for that is no gradient, by name."""
        self.models: Mapping[str, str] = {}
        """The code of the instructor's answers to asks, from an examiner that has them. It is empty in a notebook."""
        self.runs: list[Run] = []
        self.recorded: dict[str, int] = {}
        """How many cells had run when a forward pass was recorded, by its source."""
        self.judged: dict[Question, Judged] = {}
        """What `check` said last of each question, the newest at the end."""
        self.concluded: list[Verdict] = []
        """The verdicts that were shown, in their order. An examiner clears them before it runs a cell."""
        self.seed = ""
        """What an examiner adds to the seed of the cases. It is empty in a notebook, and students do not have it."""
        self.exercise: Exercise | None = None
        """The cells of the notebook, from an examiner, which has no file of it; None where the file is to be found."""
        self.told: dict[str, list[str]] = {}
        """What was shown already: hints by the name of the gradient, and for each kind of remark the names it was made on."""

    @property
    def namespace(self) -> dict[str, Any]:
        names: dict[str, Any] = self.shell.user_ns
        return names

    def forward(self, source: str, batch: list[str]) -> Tape:
        """Records a forward pass, as the newest, and binds its values in the notebook.

        What it starts from is first put back where the cell of an answer overwrote it, and if it cannot be recorded as things
        are, then whatever cell did.
        """
        lost = self.overwritten(source)
        self._put_back(source, [each for each in lost if self._is_of_an_answer(each.run)])
        try:
            tape = record(source, self.namespace, batch)
        except ForwardError:
            if not self._put_back(source, lost):
                raise
            tape = record(source, self.namespace, batch)
        self.tapes.pop(source, None)
        self.tapes[source] = tape
        self.recorded[source] = len(self.runs)
        values = tape.forward({name: private(value) for name, value in tape.given.items()})
        self.namespace.update({step.name: values[step.name] for step in tape.steps})
        return tape

    def specification(self, tape: Tape) -> str:
        """The lines that a forward pass was recorded from."""
        return next(source for source, each in self.tapes.items() if each is tape)

    def overwritten(self, source: str) -> list[Overwritten]:
        """The values of a forward pass that cells which ran after it have overwritten or deleted."""
        state = self.tapes[source].state if source in self.tapes else {}
        now = {name: self.workspace.names.get(name, MISSING) for name in state}
        others = {name: value for name, value in now.items() if not _same(value, state[name])}
        since = self.runs[self.recorded.get(source, len(self.runs)) :] if others else []
        last = {name: run for run in since for name in chain(run.cell.touches, run.cell.deletes)}
        return [Overwritten(name, last[name], value is MISSING) for name, value in others.items() if name in last]

    def _put_back(self, source: str, lost: Iterable[Overwritten]) -> bool:
        """Binds names that a forward pass starts from to the values that it recorded; whether there were any."""
        given = self.tapes[source].given if source in self.tapes else {}
        values = {each.name: private(given[each.name]) for each in lost if each.name in given}
        self.namespace.update(values)
        return bool(values)

    def _is_of_an_answer(self, run: Run) -> bool:
        """Whether a cell works out a gradient, so that what else it binds was not meant to change the forward pass."""
        gradients = {f"d{name}" for tape in self.tapes.values() for name in tape.variables}
        return run.id in gradients or bool(run.cell.touches & gradients)

    def ask(self, source: str) -> None:
        """Takes note of an ask, in place of an earlier one of its name. Raises AskError."""
        ask = parse_ask(source)
        self.asks.pop(ask.name, None)
        self.asks[ask.name] = ask

    def remember(self, info: ExecutionInfo) -> None:
        """IPython calls this before every cell, and not after, so that a cell may check its own answer."""
        self.note(info.raw_cell, info.cell_id)

    def note(self, source: str, id: str | None, error: str = "") -> None:
        """Takes note of a cell that runs, here or elsewhere, and of what it stopped with."""
        for run in self.runs:
            run.current &= run.id is None or run.id != id
        self.runs.append(Run(parsed.parse_cell(source), id, error))

    def remember_failure(self, result: ExecutionResult) -> None:
        """IPython calls this after every cell."""
        error = result.error_before_exec or result.error_in_exec
        run = result.info and next((run for run in reversed(self.runs) if run.cell.source == result.info.raw_cell), None)
        if run and error is not None:
            run.error = in_words(error)
            run.stop = stop_of(error, self.namespace, run.cell.source)

    def tape(self, variable: str) -> Tape | None:
        """The newest forward pass that has this variable."""
        return next((tape for tape in reversed(self.tapes.values()) if variable in tape.variables), None)

    def keep(self, question: Question, verdict: Verdict) -> None:
        """Keeps the verdict on a question, as the newest."""
        self.judged.pop(question, None)
        self.judged[question] = Judged(verdict, self.answering(question.answer), self.workspace)

    def verdict(self, name: str) -> Verdict | None:
        """The last verdict on a gradient of this name, whichever function was to give it."""
        found = (judged.verdict for question, judged in reversed(self.judged.items()) if question.name == name)
        return next(found, None)

    def first_time(self, subject: str, name: str) -> bool:
        """Whether a remark on this subject is the first in the session. It is kept that one was made on this name."""
        names = self.told.setdefault(subject, [])
        names.append(name)
        return len(names) == 1

    def answering(self, name: str) -> Run | None:
        """The run that last bound or changed `name`, in a cell that still does."""
        return next((run for run in reversed(self.runs) if run.current and name in run.cell.touches), None)

    def maker(self, name: str) -> parsed.ParsedCell | None:
        """The cell that last bound or changed `name`; None where none was seen."""
        run = self.answering(name)
        return run.cell if run else None

    def has_run(self, id: str) -> bool:
        """Whether the cell of this id was run and does something."""
        return any(run.current and run.id == id and run.cell.statements for run in self.runs)

    def dropped(self, name: str) -> bool:
        """Whether a cell made `name` once and was run again without it."""
        return self.answering(name) is None and any(name in run.cell.touches for run in self.runs)

    def failure(self, name: str) -> str:
        """The error of the last cell that is about `name`, or nothing."""
        run = self.about(name)
        return run.error if run else ""

    def about(self, name: str) -> Run | None:
        """The run of the last cell that is about `name`. If it is not Python, the starts of its lines count."""

        def is_about(run: Run) -> bool:
            is_broken = not run.cell.statements and begins_a_line(name, run.cell.source)
            return run.id == name or name in run.cell.touches or is_broken

        return next((run for run in reversed(self.runs) if run.current and is_about(run)), None)

    def first_to_fix(self, name: str) -> str:
        """The answer that is missing first, so that the cell of `name` stopped; nothing where that did not stop."""
        stopped = list[str]()
        while name and name not in stopped and (run := self.about(name)) and run.error:
            stopped.append(name)
            name = missing_name(run.error)
        is_unwritten = stopped and self.tape(name[1:]) and name not in {*stopped, *self.workspace.names}
        return name if is_unwritten else stopped[-1] if stopped else ""

    def misspelt(self, name: str, known: Set[str]) -> str:
        """A name that a cell made, that is none of the `known` ones, and that is nearly `name`; or nothing."""
        made = {made for run in self.runs if run.current for made in run.cell.touches}
        others = sorted(made - known)
        near = [each for each in others if each.lower() == name.lower()] or get_close_matches(name, others, n=1, cutoff=0.8)
        return next(iter(near), "")


def _same(one: object, other: object) -> bool:
    """Whether two values are the same numbers. Of objects that are neither tensors nor numbers nothing is claimed."""
    if isinstance(other, Tensor):
        return isinstance(one, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(other, int | float):
        return isinstance(one, int | float) and one == other
    return True


def in_words(error: BaseException, text: Callable[[object], str] = str) -> str:
    """An error in words; `text` turns its message into a string, since that may be an object of the student's."""
    message: object = f"{error.msg}, in line {error.lineno}" if isinstance(error, SyntaxError) else error
    return f"{type(error).__name__}: {text(message)}"


def begins_a_line(name: str, source: str) -> bool:
    """Whether a line of a source begins with this name, or defines a function of this name."""
    return bool(re.search(rf"^[ \t]*(def[ \t]+)?{re.escape(name)}\b", source, re.MULTILINE))


def missing_name(error: str) -> str:
    """The name that an error in words says is not defined, or nothing."""
    found = re.match(r"NameError: name '(\w+)' is not defined", error)
    return found[1] if found else ""


_sessions: dict[InteractiveShell, Session] = {}


def start_session(shell: InteractiveShell, backend: Backend) -> Session:
    """The session of this shell: a new one, which the backend serves, unless there is one."""
    if shell not in _sessions:
        session = _sessions[shell] = Session(shell, backend)
        if backend.watches:
            shell.events.register("pre_run_cell", session.remember)
            shell.events.register("post_run_cell", session.remember_failure)
    return _sessions[shell]


def of(shell: InteractiveShell) -> Session:
    """The session of this shell. Raises KeyError where none was started."""
    return _sessions[shell]


def end_session(shell: InteractiveShell) -> None:
    """Forgets the session of a shell, and watches it no more."""
    session = _sessions.pop(shell)
    if session.backend.watches:
        shell.events.unregister("pre_run_cell", session.remember)
        shell.events.unregister("post_run_cell", session.remember_failure)


def current_session() -> Session:
    """The session of the running notebook. Raises NotReady outside of one."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or shell not in _sessions:
        raise NotReady("this works in a notebook, after `%load_ext autograder`: run the first code cell.")
    return _sessions[shell]
