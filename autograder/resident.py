"""What runs in a room: it runs the student's cells, and answers the examiner's questions about what they made.

Nothing here is trusted: it shares its process with the student's code.
"""

from __future__ import annotations

import operator
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from typing import Any

import torch
from torch import Tensor

from autograder import arguments, cell, faults, feedback, grading, guidance, overview
from autograder.case import PARTS, Case
from autograder.conversation import Conversation
from autograder.errors import NotReady
from autograder.limits import Limits
from autograder.operations import Counting
from autograder.recorder import Shell
from autograder.replay import MISSING, Replay, run_cell, under_way
from autograder.session import in_words
from autograder.tape import parse
from autograder.wire import Channel, Closed
from autograder.workspace import Notebook

PLAIN = (bool, int, float, str, type(None))
SHORT = 200

OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda value, *args, **kwargs: value(*args, **kwargs),
    "attribute": getattr,
    "set": setattr,
    "item": operator.getitem,
    "put": operator.setitem,
    "length": len,
    "iterate": iter,
    "next": next,
    "text": str,
    "form": repr,
    "truth": bool,
    "is": isinstance,
    **{name: getattr(operator, name) for name in ("eq", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "matmul")},
    **{name: getattr(operator, name) for name in ("mod", "floordiv", "pow", "neg", "pos", "abs", "invert")},
    **{name: getattr(operator, f"{name}_") for name in ("and", "or")},
}
"""What the examiner may do with an object that it holds by its number."""
REFLECTED = ("add", "sub", "mul", "truediv", "matmul", "mod", "floordiv", "pow", "and", "or")
OPERATIONS |= {f"r{name}": lambda right, left, do=OPERATIONS[name]: do(left, right) for name in REFLECTED}


class Resident:
    """From when it is made, this process is one in which nothing can be judged."""

    conversation: Conversation
    limits: Limits

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.objects: dict[int, Any] = {}
        self.parts: dict[int, Mapping[str, Any]] = {}
        self.local: dict[str, Any] = {}
        self.stopped: Replay = Replay(MISSING)
        self.is_running = False
        self.questions: dict[str, Callable[..., Any]] = {
            "run": self.run,
            "names": self.names,
            "values": self.values,
            "give": self.give,
            "replay": self.replay,
            "function": self.function,
            "call": self.call,
            "locals": self.locals,
            "operate": self.operate,
        }
        _prepare(self)

    def live(self, connection: socket.socket, limits: Limits) -> None:
        """Answers questions until the examiner is gone."""
        self.shell.take_streams()
        self.shell.files = {"stdout": 1, "stderr": 2}
        self.pid = os.getpid()
        self.limits = limits
        self.conversation = Conversation(Channel(connection, limits.answer, self._opaque, self._reveal), self.serve)
        signal.signal(signal.SIGINT, _nothing)
        with suppress(Closed):
            self.conversation.listen()

    def serve(self, question: str, details: Mapping[str, Any]) -> Any:
        told = self.questions[question](**details)
        if os.getpid() != self.pid:  # a cell forked, and its child came back here
            os._exit(0)
        return told

    @contextmanager
    def _running(self) -> Iterator[None]:
        """The student's code is stopped by SIGINT, as in a kernel. What answers the examiner never is."""
        was = self.is_running
        self.is_running = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler if was else _nothing)
            self.is_running = was

    def run(self, source: str, id: str | None, count: int, largest: int) -> dict[str, Any]:
        """Runs a cell: what it showed, and the error that it stopped with, in words."""
        try:
            with self._running():
                messages, error, cut = self.shell.run(source, id, count, largest)
        except KeyboardInterrupt as interrupt:  # between the cell and its record
            messages, error, cut = self.shell.recorder.end(), interrupt, False
        return {"messages": messages, "error": None if error is None else in_words(error, faults.text_of), "cut": cut}

    def names(self) -> dict[str, Any]:
        """What stands in the notebook: small values, and of all others, where they are tensors, their bytes."""
        hidden = self.shell.shell.user_ns_hidden
        values, sizes = {}, {}
        for name, value in self.shell.names.items():
            if isinstance(name, str) and name[:1] != "_" and hidden.get(name, MISSING) is not value:
                if type(value) in PLAIN and (not isinstance(value, str) or len(value) < SHORT):
                    values[name] = value
                else:
                    sizes[name] = value.nbytes if type(value) is Tensor and value.layout is torch.strided else None
        return {"values": values, "sizes": sizes}

    def values(self, names: list[str]) -> dict[str, Any]:
        there = self.shell.names
        return {name: _plain(there[name]) for name in names if name in there}

    def give(self, values: dict[str, Any], deleted: list[str], source: str) -> dict[str, Any]:
        """Does what a test did elsewhere: binds values, deletes names, runs definitions."""
        for name in deleted:
            self.shell.names.pop(name, None)
        self.shell.names.update(values)
        exec(compile(source, "<locked cell>", "exec"), self.shell.names)
        return {}

    def replay(self, code: str, name: str, given: dict[str, Any], beside: bool, counted: bool) -> dict[str, Any]:
        """Runs a cell again on a case, whose parts are sent along the first time."""
        self.parts = dict([*self.parts.items(), *given["new"].items()][-PARTS:])
        case = Case(self.parts[given["state"]], given["incoming"], given["rows"], self.parts[given["others"]])
        names = {**self.shell.names, **self.local} if beside else self.shell.names
        return self._replay(lambda: run_cell(cell.read(code), name, case, names), counted)

    def function(self, by: str) -> dict[str, Any]:
        return vars(Notebook(self.shell.names).function(by))

    def call(self, by: str, arguments: dict[str, Any], counted: bool) -> dict[str, Any]:
        def run() -> Replay:
            self.stopped = Notebook(self.shell.names).call(by, arguments)
            return self.stopped

        return self._replay(run, counted)

    def locals(self, code: str, by: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The names in a function at the end of the call before; those that are data are sent."""
        with self._running():
            self.local = Notebook(self.shell.names).locals_of(cell.read(code), by, arguments, self.stopped)
        return {name: _plain(value) for name, value in self.local.items() if isinstance(name, str)}

    def _replay(self, run: Callable[[], Replay], counted: bool) -> dict[str, Any]:
        counting = Counting()
        try:
            with self._running(), counting if counted else nullcontext():
                replay = run()
        except KeyboardInterrupt:
            replay = Replay(MISSING, faults.Interrupted("it did not end in time"))
        return {
            "missing": replay.answer is MISSING,
            "answer": None if replay.answer is MISSING else _plain(replay.answer),
            "error": None if replay.error is None else faults.described(replay.error),
            "changed": list(replay.changed),
            "unfinished": replay.unfinished,
            "counts": dict(counting.counts),
            "lines": {str(name): line for name, line in replay.lines.items()},
        }

    def operate(self, operation: str, on: int, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Does something with an object: the result, what became of the arguments, and what was printed."""
        before = arguments.Before((tuple(args), kwargs))
        printed = {"stdout": StringIO(), "stderr": StringIO()}
        told: dict[str, Any] = {"value": None, "error": None}
        try:
            with self._running(), redirect_stdout(printed["stdout"]), redirect_stderr(printed["stderr"]):
                value = OPERATIONS[operation](self.objects[on], *args, **kwargs)
            told["value"] = before.refer(value)
        except BaseException as error:
            told["error"] = faults.described(error)
        told["changes"] = before.changes()
        told["printed"] = {name: text.getvalue()[: self.limits.cell_output] for name, text in printed.items()}
        return told

    def show(self, what: str, *args: Any, **kwargs: Any) -> None:
        """What `check` and `progress` do here: the examiner judges, and this shows what it says."""
        if under_way():
            return
        told = self.conversation.ask("show", what=what, args=list(args), kwargs=kwargs)
        for message in told["messages"]:
            self.shell.recorder.send(None, message)
        if told["error"] is not None:
            raise faults.rebuilt(told["error"])

    def _opaque(self, value: object) -> dict[str, Any]:
        number = len(self.objects) + 1
        self.objects[number] = value
        kind = type(value)
        return {"number": number, "kind": kind.__name__[:SHORT], "callable": callable(value), "class": isinstance(value, type)}

    def _reveal(self, description: dict[str, Any]) -> object:
        """An object of this side that comes back, or a function of the other side."""
        if "number" in description:
            return self.objects[description["number"]]
        number = description["callback"]

        def callback(*args: Any, **kwargs: Any) -> Any:
            told = self.conversation.ask("callback", number=number, args=list(args), kwargs=kwargs)
            if told["error"] is not None:
                raise faults.rebuilt(told["error"])
            return told["value"]

        return callback


def _prepare(resident: Resident) -> None:
    """Makes the process one in which nothing can be judged: no autograd, no judge, no record of a forward pass."""

    def forward(shell: Any) -> None:
        def run(line: str, source: str) -> None:
            with torch.no_grad():
                for step in parse(source):
                    shell.user_ns[step.name] = eval(step.code, {**shell.user_ns})

        shell.register_magic_function(run, "cell", "forward")

    def check(name: str, by: str | None = None) -> None:
        resident.show("check", name, by)

    def progress() -> None:
        resident.show("progress")

    def not_here(*_: object, **__: object) -> None:
        raise NotReady("this is not there while the notebook is graded.")

    from autograder import extension

    sys.path.insert(0, "")  # as in a kernel, for modules that were handed in
    extension.load = forward
    feedback.check, overview.progress = check, progress
    guidance.hint, guidance.solution = _nothing, _nothing
    grading.grade = not_here


def _nothing(*_: object, **__: object) -> None:
    """Stands for hints and model answers, which are for learners, and for an interrupt that came late."""


def _plain(value: Any) -> Any:
    """A tensor of a class of its own as an ordinary one."""
    if isinstance(value, Tensor) and type(value) is not Tensor:
        with torch._C.DisableTorchFunctionSubclass():
            return value.detach().as_subclass(Tensor)
    return value
