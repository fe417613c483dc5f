"""The student's process as the examiner sees it. The examiner asks it for everything and trusts none of its answers."""

from __future__ import annotations

import signal
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partialmethod
from itertools import chain, count, islice
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.course.questions import IN_PLACE
from autograder.errors import AutograderError, Died, OutOfFiles, OutOfMemory
from autograder.examiner import arguments, conversation
from autograder.examiner.channel import Channel, Closed, Late, Malformed, TooLarge, Unsendable, WireError
from autograder.examiner.conversation import MAX_MESSAGE_CHARACTERS, Conversation, Failed, after
from autograder.examiner.operations import Counts
from autograder.replay.answer import Call
from autograder.replay.form import FORMS, DistantTensor
from autograder.replay.parsed import ParsedCell
from autograder.replay.run import MISSING, Replay
from autograder.replay.stop import Stop
from autograder.replay.workspace import FunctionInfo
from autograder.sandbox.hardening import MAX_OPEN_FILES
from autograder.sandbox.limits import LEFT_OPEN, USED_UP, Limits
from autograder.tape.cases import MAX_PARTS, Case

GRACE = 3.0
"""Seconds that code has to end once it is interrupted. After that the process is killed."""

ANYTHING = object
Fields = Mapping[str, type]
"""The fields that an answer must have: their names and types."""

REPLAY: Fields = {
    "missing": bool,
    "answer": ANYTHING,
    "error": ANYTHING,
    "changed": list,
    "unfinished": bool,
    "stop": ANYTHING,
    "lines": dict,
    "counts": dict,
}
SHAPES: dict[str, Fields] = {
    "run": {"messages": list, "error": ANYTHING, "stop": ANYTHING, "cut": bool, "ended": int, "lingers": bool},
    "fork": {},
    "leave": {},
    "names": {"values": dict, "sizes": dict},
    "values": {},
    "give": {},
    "replay": REPLAY,
    "function": {
        "parameters": tuple,
        "is_blank": bool,
        "kind": str,
        "optional": tuple,
        "starred": str,
        "by_position": bool,
    },
    "call": REPLAY,
    "answer": REPLAY,
    "locals": {},
    "operate": {"value": ANYTHING, "error": ANYTHING, "changed": bool, "changes": list, "printed": dict},
}
"""The fields of the answer to each question."""

UNSEEN = f"what that code changes in what the test passes to it stays in the room, without the line `{IN_PLACE}`"
"""What is said of a call that changed its arguments, to a test that has passed copies."""

CHANGING = {"run", "give", "operate"}
"""Questions after which a function of the student's may give other results."""


class Refused(AutograderError):
    """The student's process is alive and could not answer; `error` is why."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"it did not answer: {type(error).__name__}: {error}")
        self.error = error


class _Unsent(Exception):
    """A question was not asked, because something in it cannot be sent."""


class Student:
    """The student's process, which is killed when it breaks the rules of the conversation.

    `end` kills the room, and gives the reason if it was killed before for lack of memory. `serve` answers the process's own
    questions.
    """

    def __init__(
        self,
        channel: Channel,
        pidfd: int,
        end: Callable[[], str],
        limits: Limits,
        serve: Callable[[str, Mapping[str, Any]], Any],
    ) -> None:
        self.limits = limits
        self.deadline = float("inf")
        """The time of `time.monotonic` at which the time for the notebook is up."""
        self.was_late = False
        """Whether the code behind the last answer had to be interrupted because its time was up."""
        self.is_stale = False
        """Whether there was such code: what it has left behind is chance."""
        self.death: Died | None = None
        self.known: list[tuple[int, Mapping[str, Any]]] = []
        """The parts of cases that it was sent last, with their numbers. The agent keeps as many, so both sides agree."""
        self.numbers = count()
        self.called: list[tuple[str, Mapping[str, Any], Any]] = []
        """Calls of its functions since the last change there: the name, the arguments and the result."""
        self.kept: list[str] = []
        """What could not cross since the running test began: objects that stayed there, and those that cannot be sent."""
        self.prepare: Callable[[], None] = lambda: None
        """Called before each operation on an object, so that the room learns first what the test has changed."""
        self.in_place = False
        """Whether what an operation changes in its arguments is changed here too. If not, they were copies."""
        self._conversation = Conversation(channel, serve)
        self._pidfd = pidfd
        self._end = end

    def ask(self, question: str, **details: Any) -> dict[str, Any]:
        """The answer to a question. Code that takes too long is interrupted, and if that does not help, killed.

        Raises Died if the process is gone, Refused if it could not answer this question, and TypeError if the question holds
        something that cannot be sent.
        """
        if self.death is not None:
            raise self.death
        try:
            return self._ask(question, details)
        except Failed as failure:
            match failure.error:
                case MemoryError():
                    death: Died = OutOfMemory(USED_UP.format(self.limits.memory))
                case conversation.FilesLeftOpen():
                    death = OutOfFiles(LEFT_OPEN.format(MAX_OPEN_FILES))
                case error:
                    raise Refused(error) from None
            raise self.end(death) from None
        except Late:
            raise self.end(Died("it did not end in time, nor when it was interrupted, and was killed")) from None
        except (WireError, ProcessLookupError) as error:
            unsaid = "it ended without an error, as after `os._exit` or a crash of Python"
            raise self.end(Died(unsaid if isinstance(error, Closed) else f"it broke off: {error}")) from None
        except _Unsent as unsent:
            raise TypeError(str(unsent)) from None
        except BaseException:  # the answer may still come, and would be taken for that to the next question
            self.end(Died("it is gone"))
            raise

    def _ask(self, question: str, details: Mapping[str, Any]) -> dict[str, Any]:
        if question in CHANGING:
            self.called.clear()
        deadline = min(after(self.limits.cell_seconds), self.deadline)
        self.was_late = False
        try:
            self._conversation.put(question, details, deadline)
        except (Unsendable, TooLarge) as error:
            self.kept.append(str(error))
            raise _Unsent(str(error)) from None
        try:
            answer = self._conversation.wait(deadline)
        except Late:
            self.was_late = self.is_stale = True
            signal.pidfd_send_signal(self._pidfd, signal.SIGINT)
            answer = self._conversation.wait(after(GRACE))
        if not _fits(answer, SHAPES[question]):
            raise Malformed("it sent something that is no answer")
        return answer  # type: ignore[no-any-return]

    def end(self, death: Died) -> Died:
        """Kills the room, and gives what is to be raised from now on: why it was killed before, or else this `death`."""
        if self.death is None:
            reason = self._end()
            self.death = OutOfMemory(reason) if reason else death
        return self.death

    def operate(self, operation: str, on: int, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """The result of an operation on the object of the number `on`."""
        self.prepare()
        kwargs = dict(kwargs or {})
        originals = list(arguments.parts((args, kwargs)))
        details = {"operation": operation, "on": on, "args": list(args), "kwargs": kwargs, "in_place": self.in_place}
        answer = self.ask("operate", **details)
        if answer["changed"] and not self.in_place:
            self.kept.append(UNSEEN)
        try:
            if self.in_place:
                arguments.bring(originals, answer["changes"])
            text = "".join(text for name in ("stdout", "stderr") if isinstance(text := answer["printed"].get(name), str))
            print(text, end="")
            if answer["error"] is not None:
                raise conversation.rebuilt(answer["error"])
            return None if answer["value"] is None else arguments.referred(originals, answer["value"])
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            if answer["error"] is not None:
                raise
            raise self.end(Died(f"it sent something that is no answer: {error}")) from None


def _fits(answer: object, fields: Fields) -> bool:
    """Whether an answer has these fields."""
    if not isinstance(answer, dict):
        return False
    return all(name in answer and isinstance(answer[name], kind) for name, kind in fields.items())


SMALL_BYTES = 2**14
"""Bytes of the largest tensor that is fetched along with another one."""
MAX_FETCHED = 200
"""How many such tensors are fetched along."""

ARITHMETIC: tuple[str, ...] = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or")
ARITHMETIC += tuple(f"r{name}" for name in ARITHMETIC)
ORDER = ("lt", "le", "gt", "ge")
UNARY = ("neg", "pos", "abs", "invert")
"""Operators that the room carries out on its objects: the names of their methods, without underscores."""

COMPARISONS = {"all", "allclose", "any", "eq", "equal", "equals", "isclose", "ne", "lt", "le", "gt", "ge", "less", "greater"}
"""Methods that compare tensors and arrays. By one of these, an object of a student's class could call itself right."""

FROM_AFAR = {"function", "builtin_function_or_method", "module"}
"""Kinds of objects that a test can use from afar like its own."""

NAMED = {"__name__", "__qualname__", "__annotations__", "__defaults__"}
"""Special attributes that tests read from functions and classes. The others are read by Python itself, and answered here."""


class Remote:
    """An object of the room, by its number. Operations on it are carried out there.

    Whatever its class says, it is never equal to a value of this side, smaller or larger, nor does it contain one. Arithmetic
    with such a value never gives data. Otherwise a student could hand in an object that equals every expected answer.
    """

    def __init__(self, student: Student, number: int) -> None:
        self._student = student
        self._number = number

    def _do(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        return self._student.operate(operation, self._number, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in NAMED:
            raise AttributeError(name)
        found = self._do("attribute", name)
        return _between_remotes(name, found) if name in COMPARISONS and callable(found) else found

    def __setattr__(self, name: str, value: Any) -> None:
        if name in {"_student", "_number"}:
            object.__setattr__(self, name, value)
        else:
            self._do("set", name, value)

    def __eq__(self, other: object) -> Any:
        return self._do("eq", other) if isinstance(other, Remote) else False

    def __contains__(self, value: object) -> bool:
        return any(item is value or item == value for item in self)

    def _order(self, operation: str, other: object) -> Any:
        return self._do(operation, other) if isinstance(other, Remote) else NotImplemented

    def _compute(self, operation: str, other: object) -> Any:
        result = self._do(operation, other)
        if isinstance(result, Remote) or isinstance(other, Remote):
            return result
        raise TypeError(f"`{operation}` of a student's object and a value of the test gave a `{type(result).__name__}`")

    def __hash__(self) -> int:
        return self._number

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, Remote) and bool(instance._do("is", self))

    def __len__(self) -> int:
        return int(self._do("length"))

    def __bool__(self) -> bool:
        return bool(self._do("truth"))

    __iter__ = partialmethod(_do, "iterate")
    __next__ = partialmethod(_do, "next")
    __getitem__ = partialmethod(_do, "item")
    __setitem__ = partialmethod(_do, "put")
    __str__ = partialmethod(_do, "text")
    __repr__ = partialmethod(_do, "form")


for _method, _names in ((Remote._compute, ARITHMETIC), (Remote._order, ORDER), (Remote._do, UNARY)):
    for _name in _names:
        setattr(Remote, f"__{_name}__", partialmethod(_method, _name))


def _between_remotes(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A comparing method that raises TypeError unless all its arguments are the student's too."""

    def compare(*args: Any, **kwargs: Any) -> Any:
        if all(isinstance(value, Remote) for value in (*args, *kwargs.values())) and args:
            return method(*args, **kwargs)
        raise TypeError(f"`{name}` of a student's object that is no tensor was asked about a value of the test")

    return compare


def revealed(student: Student, description: Mapping[str, Any]) -> Remote:
    """A Remote for the object that a room describes so. Its class has the name of the one there. Raises Malformed.

    For a tensor that cannot cross it is a DistantTensor too: an answer of this form is wrong, and the judge says why.
    """
    number, kind = description.get("number"), description.get("kind")
    if not (type(number) is int and isinstance(kind, str)):
        raise Malformed("an object without a number and a kind")
    if kind not in FROM_AFAR:
        student.kept.append(f"an object of the class `{kind[:MAX_MESSAGE_CHARACTERS]}` stays in the room")
    form = description.get("form")
    is_tensor = isinstance(form, str) and form.startswith(tuple(FORMS)) and form.isprintable()
    bases = (Remote, DistantTensor) if is_tensor else (Remote,)
    members: dict[str, Any] = {"_form": form} if is_tensor else {}
    if description.get("callable") is True:
        members["__call__"] = partialmethod(Remote._do, "call")
    remote: Remote = type(kind if kind.isidentifier() else "object", bases, members)(student, number)
    return remote


class Names(Mapping[str, Any]):
    """The notebook's names in the room. A value is fetched when it is first asked for, and then stays the same here."""

    def __init__(self, student: Student) -> None:
        self._student = student
        self._listed: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
        self._values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        values, sizes = self._list()
        if name in values:
            return values[name]
        if name in sizes and name not in self._values:
            small = (each for each, size in sizes.items() if type(size) is int and size <= SMALL_BYTES)
            self.bring({name, *islice(small, MAX_FETCHED)})  # a test that reads one tensor mostly reads others too
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return chain(*self._list())

    def __len__(self) -> int:
        return sum(map(len, self._list()))

    def items(self) -> Any:
        """The small values only. All others are fetched by name."""
        return self._list()[0].items()

    def bring(self, names: Iterable[str]) -> dict[str, Any]:
        """The values of those of these names that the room has."""
        missing = [name for name in names if name not in self._values]
        if missing:
            self._values.update(self._student.ask("values", names=missing))
        return {name: self._values[name] for name in names if name in self._values}

    def _list(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The small values, and for all other names their size in bytes if they are tensors. No name is in both."""
        if self._listed is None:
            answer = self._student.ask("names")
            values, sizes = (
                {name: value for name, value in answer[part].items() if _is_name(name)} for part in ("values", "sizes")
            )
            self._listed = values, {name: size for name, size in sizes.items() if name not in values}
        return self._listed


def _is_name(name: object) -> bool:
    """Whether code can read a value by this name: `globals()` may have any others."""
    return type(name) is str and name.isidentifier()


@dataclass(frozen=True)
class RemoteWorkspace:
    """The workspace of a room. Its methods raise Died if the student's process dies.

    `folder` is the course's and not the submission's, because formulas of a `lesson.toml` are evaluated on this side. `counts`
    are the operations that the first replay of each answer ran, by the source of its cell and its name, or by `""` and the name
    of a function. `spent` are the sources of cells that used up their time or their memory, with the error that says so; they
    are not run again. `is_beside` says whether cells may read the local names of a function.
    """

    student: Student
    names: Mapping[str, Any]
    folder: Path
    counts: dict[tuple[str, str], Counts]
    spent: Mapping[str, Exception] = field(default_factory=dict)
    is_beside: bool = False

    def replay(self, cell: ParsedCell, name: str, case: Case) -> Replay:
        if cell.source in self.spent:
            return Replay(MISSING, self.spent[cell.source], unfinished=True)
        new: dict[int, dict[str, Any]] = {}
        state, others = (self._number(part, new) for part in (case.state, case.others))
        given = {"state": state, "others": others, "incoming": dict(case.incoming), "rows": case.rows, "new": new}
        try:
            return self._replay(
                "replay", code=cell.code, name=name, given=given, beside=self.is_beside, about=(cell.source, name)
            )
        except TypeError:  # the parts could not be sent, so the room does not know their numbers
            self.student.known.clear()
            raise

    def function(self, by: str) -> FunctionInfo:
        answer = self.student.ask("function", by=by)
        parameters, optional = (tuple(filter(_is_name, answer[key])) for key in ("parameters", "optional"))
        starred = answer["starred"] if _is_name(answer["starred"]) else ""
        return FunctionInfo(parameters, answer["is_blank"], answer["kind"], optional, starred, answer["by_position"])

    def call(self, by: str, arguments: Mapping[str, Any], by_position: bool = False) -> Replay:
        for name, given, replay in self.student.called:  # one call serves all gradients that it returns
            if name == by and list(given) == list(arguments) and all(given[key] is arguments[key] for key in given):
                return replay  # type: ignore[no-any-return]
        replay = self._replay("call", by=by, arguments=dict(arguments), by_position=by_position, about=("", by))
        self.student.called.append((by, arguments, replay))
        return replay

    def answer(self, call: Call, cell: ParsedCell) -> Replay:
        if cell.source in self.spent:
            return Replay(MISSING, self.spent[cell.source], unfinished=True)
        return self._asked("answer", code=cell.code, call=vars(call))[0]

    def locals_of(
        self, cell: ParsedCell, by: str, arguments: Mapping[str, Any], replay: Replay, by_position: bool = False
    ) -> dict[str, Any]:
        answer = self.student.ask("locals", code=cell.code, by=by, arguments=dict(arguments), by_position=by_position)
        return {name: value for name, value in answer.items() if _is_name(name)}

    def beside(self, local: Mapping[str, Any]) -> RemoteWorkspace:
        return replace(self, names=ChainMap(dict(local), self.names), is_beside=True)  # type: ignore[arg-type]

    def _replay(self, question: str, about: tuple[str, str], **details: Any) -> Replay:
        replay, counts = self._asked(question, **details, counted=about not in self.counts)
        self.counts.setdefault(about, counts)
        return replay

    def _asked(self, question: str, **details: Any) -> tuple[Replay, Counts]:
        """The result of a replay in the room, and how often which operation ran."""
        try:
            answer = self.student.ask(question, **details)
        except Refused as refusal:
            return Replay(MISSING, refusal.error), {}
        counts = {name: count for name, count in answer["counts"].items() if type(name) is str and type(count) is int}
        replay = Replay(
            MISSING if answer["missing"] else answer["answer"],
            None if answer["error"] is None else conversation.rebuilt(answer["error"]),
            tuple(name for name in answer["changed"] if isinstance(name, str)),
            answer["unfinished"],
            {name: line for name, line in answer["lines"].items() if isinstance(name, str) and type(line) is int},
            Stop.of(answer["stop"]),
        )
        return replay, counts

    def _number(self, part: Mapping[str, Any], new: dict[int, dict[str, Any]]) -> int:
        """The number of a part of a case. If the room does not have the part, it is added to `new`, to be sent."""
        known = self.student.known
        found = next((number for number, each in known if each is part), None)
        if found is None:
            found = next(self.student.numbers)
            known[:] = [*known, (found, part)][-MAX_PARTS:]
            new[found] = {name: value for name, value in part.items() if not (isinstance(value, ModuleType) or callable(value))}
        return found
