"""The agent in a room: it runs the student's cells, and answers the examiner's questions about what they made.

The examiner trusts nothing that comes from here: the agent shares its process with the student's code, which can change it.
"""

from __future__ import annotations

import errno
import math
import operator
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from time import monotonic
from typing import Any, NoReturn

import torch
from torch import Tensor

from autograder.course.questions import Question
from autograder.errors import NotReady
from autograder.examiner import arguments, conversation
from autograder.examiner.autograd_off import WHEN
from autograder.examiner.capture import Shell
from autograder.examiner.channel import Channel, Closed
from autograder.examiner.conversation import Conversation
from autograder.examiner.exam import Message, error_message
from autograder.examiner.operations import Counting
from autograder.judge.session import Session, in_words, start_session
from autograder.replay import parsed
from autograder.replay.answer import Call, run_answer
from autograder.replay.form import form_of
from autograder.replay.run import MISSING, OFF, AutogradOff, Replay, run_cell, under_way
from autograder.replay.stop import stop_of
from autograder.replay.workspace import NotebookWorkspace
from autograder.sandbox import aftereffects, hardening
from autograder.sandbox.limits import Limits
from autograder.tape.cases import MAX_PARTS, Case
from autograder.tape.tape import parse_forward

SMALL_TYPES = (bool, int, float, str, type(None))
"""Types of values that are sent along with their names, without being asked for."""
INTERRUPT_SECONDS = 1.0
"""Seconds that the examiner's interrupt may take to come."""
NO_MEMORY = "can't allocate memory"
"""What torch says, in a RuntimeError."""
ASKED_FOR_AUTOGRAD = (
    (TypeError, "unbound method str.upper() needs an argument"),
    (RuntimeError, "Error while setting up backward hooks. Please open an issue"),
)
"""What torch says where it cannot differentiate: its engine has asked `autograd_off.ENGINE`, or it has found no graph."""
MAX_CAUSES = 10
"""How many errors that followed from one another are looked at."""
MAX_NAME = 200
"""Characters of the name of a type, and of a string that is sent along with its name."""

OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda value, *args, **kwargs: value(*args, **kwargs),
    "attribute": getattr,
    "set": setattr,
    "item": operator.getitem,
    "put": operator.setitem,
    "length": len,
    "iterate": iter,
    "next": next,
    "text": lambda value: str.__str__(str(value)),
    "form": lambda value: str.__str__(repr(value)),
    "truth": bool,
    "is": isinstance,
    **{name: getattr(operator, name) for name in ("eq", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "matmul")},
    **{name: getattr(operator, name) for name in ("mod", "floordiv", "pow", "neg", "pos", "abs", "invert")},
    **{name: getattr(operator, f"{name}_") for name in ("and", "or")},
}
"""What the examiner may do with an object that it holds by its number."""
REFLECTED = ("add", "sub", "mul", "truediv", "matmul", "mod", "floordiv", "pow", "and", "or")
OPERATIONS |= {f"r{name}": lambda right, left, do=OPERATIONS[name]: do(left, right) for name in REFLECTED}


class Agent:
    """Answers the examiner's questions in the student's process. Once it is made, nothing can be judged in this process.

    `objects` are values that are no data: the examiner knows them by their numbers. `parts` are the parts of cases that the
    examiner sent last, `local` the names in a function that was asked for, and `stopped` what the last call came to.
    """

    conversation: Conversation
    limits: Limits

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.objects: dict[int, Any] = {}
        self.parts: dict[int, Mapping[str, Any]] = {}
        self.local: dict[str, Any] = {}
        self.stopped: Replay = Replay(MISSING)
        self.is_running = False
        self.memory_left = math.inf
        self.lacked_memory = False
        self.settings: aftereffects.Settings | None = None
        self.questions: dict[str, Callable[..., Any]] = {
            "run": self.run,
            "fork": self.fork,
            "leave": self.leave,
            "names": self.names,
            "values": self.values,
            "give": self.give,
            "replay": self.replay,
            "function": self.function,
            "call": self.call,
            "answer": self.answer,
            "locals": self.locals,
            "operate": self.operate,
        }
        sys.path.insert(0, "")  # as in a kernel, for modules that were handed in
        shell.names["__spec__"] = None  # as in a kernel, for `multiprocessing`
        backend = RoomBackend(self.show)
        start_session(shell.shell, backend).backend = backend

    def live(self, connection: socket.socket, limits: Limits) -> None:
        """Answers questions over `connection` until the examiner is gone."""
        self.shell.take_streams()
        self.shell.files = {"stdout": 1, "stderr": 2}
        self.pid = os.getpid()
        self.limits = limits
        self.memory_left = hardening.memory_left()
        self.settings = aftereffects.Settings(self.shell.hooks)
        self.others = aftereffects.others()
        self.conversation = Conversation(Channel(connection, limits.answer, self._opaque, self._reveal), self.serve)
        signal.signal(signal.SIGINT, _nothing)
        with suppress(Closed):
            self.conversation.listen()

    def serve(self, question: str, details: Mapping[str, Any]) -> Any:
        """The answer to a question of the examiner."""
        try:
            answer = self.questions[question](**details)
            self._leave_headroom()
        except MemoryError:
            hardening.take_reserve()
            raise
        finally:
            if os.getpid() != self.pid:  # a cell forked, and the child has come back to here: only the parent may answer
                os._exit(0)
        return answer

    def _leave_headroom(self) -> None:
        """Raises MemoryError or FilesLeftOpen if the student's code has left too little to go on: what comes next would fail.

        Code that was refused memory has to leave most of what it found: or else it lives on with nearly all of the memory,
        since what it was refused was large.
        """
        needed = float(self.limits.headroom)
        if self.lacked_memory:
            needed = max(needed, self.memory_left - needed)
        self.lacked_memory = False
        self.memory_left = hardening.memory_left()
        if self.memory_left < needed:
            self.shell.forget()
            hardening.return_memory()
            self.memory_left = hardening.memory_left()
            if self.memory_left < needed:
                raise MemoryError
        if not aftereffects.can_open_files():
            self.shell.forget()
            if not aftereffects.can_open_files():
                raise conversation.FilesLeftOpen

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Inside, SIGINT stops the student's code, as in a kernel. Outside it does nothing: the agent's own code goes on.

        It ends when the threads and processes that the code has started do not go on computing.
        """
        was, began = self.is_running, monotonic()
        self.is_running = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            try:
                if not was:
                    self._undo(began)
            finally:
                signal.signal(signal.SIGINT, signal.default_int_handler if was else _nothing)
                self.is_running = was

    def _undo(self, began: float) -> None:
        """Puts back what the student's code has set for all code after it, and waits for what it has started.

        That counts toward the time that the code has had since it `began`. The examiner ends it with an interrupt.
        """
        if self.settings is not None:
            self.settings.put_back()
            found = aftereffects.others()
            if found - self.others:
                aftereffects.wait_until_calm(self.others, began + self.limits.cell_seconds + INTERRUPT_SECONDS)
                found = aftereffects.others()
            aftereffects.forget_ended(found)
            self.others = found

    def run(
        self,
        source: str,
        id: str | None,
        count: int,
        largest: int,
        statements: int | None = None,
        keeps_hooks: bool = False,
    ) -> dict[str, Any]:
        """Runs a cell, or its first `statements` only. If it `keeps_hooks`, what it has IPython call with each cell stays.

        Gives its messages, up to `largest` bytes, the error that stopped it, in words, and where that was, whether it was cut
        off, how many of its statements have ended, and whether only what it had started went on.
        """
        done: tuple[list[Message], BaseException | None, bool] | None = None
        place = None
        try:
            with self._running():
                done = self.shell.run(source, id, count, largest, statements)
                if keeps_hooks and self.settings is not None:
                    self.settings.keep_hooks()
                place = stop_of(done[1], self.shell.names, source)
        except MemoryError:
            raise
        except BaseException as stop:  # an interrupt, or an error of a handler of signals, that came after the cell
            messages, _, cut = done or (self.shell.recorder.end(), None, False)
            error: BaseException | None = stop
        else:
            messages, error, cut = done
        if lacks_memory(error):
            self.lacked_memory = True
            if hardening.memory_left() < self.limits.headroom:  # to show the error at all was chance
                raise MemoryError
        told = None if error is None else plainly(error)
        if told is not error:
            shown = error_message(type(told).__name__, str(told))
            messages = [shown if message["msg_type"] == "error" else message for message in messages]
        return {
            "messages": messages,
            "error": None if told is None else in_words(told, conversation.safe_text),
            "stop": place and place.as_data(),
            "cut": cut,
            "ended": self.shell.ended,
            "lingers": done is not None and error is not done[1],
        }

    def fork(self) -> dict[str, Any]:
        """Forks this process, and leaves the conversation to the fork. It ends in `leave`, which this process then answers.

        So this process never gets what the fork is asked. Raises EOFError if the fork ends otherwise.
        """
        hardening.hide_memory(True)  # before the fork: who has opened its memory can read it from then on
        child = os.fork()
        if child == 0:
            self.pid = os.getpid()
            self.others = aftereffects.others()
            return {}
        hardening.hide_memory(False)  # the supervisor measures this process
        signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGINT))
        _, status = os.waitpid(child, 0)
        signal.signal(signal.SIGINT, _nothing)
        if status:
            raise EOFError("the process of the test ended, as after `os._exit` or a crash")
        return {}

    def leave(self) -> NoReturn:
        """Ends this process, a fork."""
        os._exit(0)

    def names(self) -> dict[str, Any]:
        """The notebook's names: the small values, and for each other name the size in bytes if it is a tensor, or None."""
        hidden = self.shell.shell.user_ns_hidden
        values, sizes = {}, {}
        for name, value in self.shell.names.items():
            if type(name) is str and name.isidentifier() and name[:1] != "_" and hidden.get(name, MISSING) is not value:
                if type(value) in SMALL_TYPES and (not isinstance(value, str) or len(value) < MAX_NAME):
                    values[name] = value
                else:
                    sizes[name] = value.nbytes if type(value) is Tensor and value.layout is torch.strided else None
        return {"values": values, "sizes": sizes}

    def values(self, names: list[str]) -> dict[str, Any]:
        """The values of those names that the notebook has."""
        known = self.shell.names
        return {name: _plain(known[name]) for name in names if name in known}

    def give(self, values: dict[str, Any], deleted: list[str], source: str) -> dict[str, Any]:
        """Repeats here what a test did in the examiner: binds values, deletes names, runs definitions."""
        for name in deleted:
            self.shell.names.pop(name, None)
        self.shell.names.update(values)
        exec(compile(source, "<locked cell>", "exec"), self.shell.names)
        return {}

    def replay(self, code: str, name: str, given: dict[str, Any], beside: bool, counted: bool) -> dict[str, Any]:
        """Runs a cell again on a case, and gives its value for `name`.

        `given` has the new parts of cases, and the numbers of those that make up this one: a state that many answers are judged
        on is sent only once. `beside` says whether the cell may read the names of the last `locals`, and `counted` whether
        operations are counted.
        """
        self.parts = dict([*self.parts.items(), *given["new"].items()][-MAX_PARTS:])
        case = Case(self.parts[given["state"]], given["incoming"], given["rows"], self.parts[given["others"]])
        names = {**self.shell.names, **self.local} if beside else self.shell.names
        return self._replay(lambda: run_cell(parsed.parse_cell(code), name, case, names), counted)

    def function(self, by: str) -> dict[str, Any]:
        """What is known of a function without a call."""
        return vars(NotebookWorkspace(self.shell.names).function(by))

    def call(self, by: str, arguments: dict[str, Any], by_position: bool, counted: bool) -> dict[str, Any]:
        """Calls a function with copies of these arguments, by their names or in this order."""

        def run() -> Replay:
            self.stopped = NotebookWorkspace(self.shell.names).call(by, arguments, by_position)
            return self.stopped

        return self._replay(run, counted)

    def answer(self, code: str, call: dict[str, Any]) -> dict[str, Any]:
        """Runs an answer that is no gradient."""
        names = self.shell.names
        return self._replay(lambda: run_answer(Call(**call), parsed.parse_cell(code), names), counted=False)

    def locals(self, code: str, by: str, arguments: dict[str, Any], by_position: bool) -> dict[str, Any]:
        """The local names of a function at the end of its last call."""
        workspace = NotebookWorkspace(self.shell.names)
        with self._running():
            self.local = workspace.locals_of(parsed.parse_cell(code), by, arguments, self.stopped, by_position)
        return {name: _plain(value) for name, value in self.local.items() if isinstance(name, str)}

    def _replay(self, run: Callable[[], Replay], counted: bool) -> dict[str, Any]:
        counting = Counting()
        try:
            with self._running(), counting if counted else nullcontext():
                replay = run()
        except KeyboardInterrupt:
            replay = Replay(MISSING, conversation.Interrupted("it did not end in time"))
        self.lacked_memory |= lacks_memory(replay.error)
        return {
            "missing": replay.answer is MISSING,
            "answer": None if replay.answer is MISSING else _plain(replay.answer),
            "error": None if replay.error is None else conversation.described(plainly(replay.error)),
            "changed": list(replay.changed),
            "unfinished": replay.unfinished,
            "stop": replay.stop and replay.stop.as_data(),
            "counts": dict(counting.counts),
            "lines": {str(name): line for name, line in replay.lines.items()},
        }

    def operate(self, operation: str, on: int, args: list[Any], kwargs: dict[str, Any], in_place: bool) -> dict[str, Any]:
        """Does something with the object of the number `on`.

        Gives the result or the error, whether the arguments changed, how they did if that is to be done `in_place` on the other
        side too, and what was printed. If not, a result that is one of them is given as what it has become.
        """
        before = arguments.Before((tuple(args), kwargs))
        printed = {"stdout": StringIO(), "stderr": StringIO()}
        answer: dict[str, Any] = {"value": None, "error": None}
        try:
            with self._running(), redirect_stdout(printed["stdout"]), redirect_stderr(printed["stderr"]):
                value = OPERATIONS[operation](self.objects[on], *args, **kwargs)
        except BaseException as error:
            self.lacked_memory |= lacks_memory(error)
            answer["error"] = conversation.described(plainly(error))
        changes = before.changes()
        if answer["error"] is None:
            answer["value"] = before.refer(value) if in_place or not changes else {"new": value}
        answer["changed"], answer["changes"] = bool(changes), changes if in_place else []
        answer["printed"] = {name: text.getvalue()[: self.limits.cell_output] for name, text in printed.items()}
        return answer

    def show(self, what: str, *args: Any) -> None:
        """Asks the examiner to run `check` or `progress`, and shows the messages that it sends."""
        if under_way():
            return
        answer = self.conversation.ask("show", what=what, args=list(args), kwargs={})
        for message in answer["messages"]:
            self.shell.recorder.send(None, message)
        if answer["error"] is not None:
            raise conversation.rebuilt(answer["error"])

    def _opaque(self, value: object) -> dict[str, Any]:
        """Describes a value that is no data. It stays here, under a number by which the examiner can speak of it."""
        number = len(self.objects) + 1
        self.objects[number] = value
        kind = type(value)
        return {
            "number": number,
            "kind": kind.__name__[:MAX_NAME],
            "callable": callable(value),
            "class": isinstance(value, type),
            "form": form_of(value)[:MAX_NAME] if isinstance(value, Tensor) else "",
        }

    def _reveal(self, description: dict[str, Any]) -> object:
        """The object of this side that a description stands for, or a function that calls one of the examiner's."""
        if "number" in description:
            return self.objects[description["number"]]
        number = description["callback"]

        def callback(*args: Any, **kwargs: Any) -> Any:
            answer = self.conversation.ask("callback", number=number, args=list(args), kwargs=kwargs)
            if answer["error"] is not None:
                raise conversation.rebuilt(answer["error"])
            return answer["value"]

        return callback


class RoomBackend:
    """What the magics and functions of a notebook do in a room, where there is no autograd, no judge and no tape.

    `show` asks the examiner to judge, and shows what the examiner says.
    """

    watches = False

    def __init__(self, show: Callable[..., None]) -> None:
        self._show = show

    def forward(self, session: Session, source: str, batch: list[str]) -> None:
        """Runs the lines of a forward pass for their values, without recording a tape."""
        names = session.namespace
        with torch.no_grad():
            for step in parse_forward(source):
                names[step.name] = eval(step.code, {**names})

    def ask(self, session: Session, source: str) -> None:
        """Nothing: the examiner takes note of it."""

    def check(self, session: Session, question: Question) -> None:
        self._show("check", question.name, question.by or None)

    def progress(self, session: Session, course: bool) -> None:
        """Shows the map of the notebook. In a room there are no assignments beside it."""
        if not course:
            self._show("progress")

    def grade(self, session: Session, question: Question) -> None:
        raise NotReady("this is not there while the notebook is graded.")

    def hint(self, session: Session, question: Question) -> None:
        """Nothing: hints and model answers are for learners."""

    def solution(self, session: Session, question: Question, anyway: bool) -> None:
        """Nothing, as with hints."""


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error says that there is no memory, or followed from one that does: Python's, torch's or the system's."""
    for _ in range(MAX_CAUSES):
        if error is None:
            return False
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if type(error) is RuntimeError and NO_MEMORY in conversation.safe_text(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def plainly(error: BaseException) -> BaseException:
    """An error that says that autograd is off in place of one that torch stops with for that reason; any other as it is."""
    if any(type(error) is kind and conversation.safe_text(error).startswith(text) for kind, text in ASKED_FOR_AUTOGRAD):
        return AutogradOff(OFF[AutogradOff].format(WHEN))
    return error


def _nothing(*_: object) -> None:
    """Ignores an interrupt that comes when no cell is running any more."""


def _plain(value: Any) -> Any:
    """An ordinary tensor in place of one of a subclass that is dense; any other value as it is."""
    if isinstance(value, Tensor) and type(value) is not Tensor and not form_of(value):
        with torch._C.DisableTorchFunctionSubclass():
            return value.detach().as_subclass(Tensor)
    return value
