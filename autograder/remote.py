"""What a student made, as the examiner sees it: data, and objects that stay in the room."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partialmethod
from itertools import chain, islice
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder import faults
from autograder.case import PARTS, Case
from autograder.cell import Cell
from autograder.operations import Counts
from autograder.replay import MISSING, Replay
from autograder.student import Refused, Student
from autograder.wire import Malformed
from autograder.workspace import Function

SMALL = 2**14
"""Bytes of a tensor that is fetched together with others."""
MANY = 200
"""How many others are fetched."""

ARITHMETIC: tuple[str, ...] = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or")
ARITHMETIC += tuple(f"r{name}" for name in ARITHMETIC)
ORDER = ("lt", "le", "gt", "ge")
UNARY = ("neg", "pos", "abs", "invert")
"""What is done in the room, as methods without their underscores."""

COMPARISONS = {"all", "allclose", "any", "eq", "equal", "equals", "isclose", "ne", "lt", "le", "gt", "ge", "less", "greater"}
"""Methods by which tensors and arrays compare themselves. An object of another class does not say whether it is right."""

NAMED = {"__name__", "__qualname__", "__annotations__", "__defaults__"}
"""What tests ask of functions and classes; whatever else has such a name is asked by Python itself."""


class Remote:
    """An object of the room, by its number. What is done with it is done there.

    It is never equal to a value of this side, nor smaller or larger, nor does it contain one, whatever its class says; and
    with such a value it gives no number: an answer that is near everything earns nothing.
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
        return _careful(name, found) if name in COMPARISONS and callable(found) else found

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


def _careful(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def compare(*args: Any, **kwargs: Any) -> Any:
        if all(isinstance(value, Remote) for value in (*args, *kwargs.values())) and args:
            return method(*args, **kwargs)
        raise TypeError(f"`{name}` of a student's object that is no tensor was asked about a value of the test")

    return compare


def revealed(student: Student, description: Mapping[str, Any]) -> Remote:
    """The object of a room with this description; its class has the name of the one there."""
    number, kind = description.get("number"), description.get("kind")
    if not (type(number) is int and isinstance(kind, str)):
        raise Malformed("an object without a number and a kind")
    members = {"__call__": partialmethod(Remote._do, "call")} if description.get("callable") is True else {}
    remote: Remote = type(kind if kind.isidentifier() else "object", (Remote,), members)(student, number)
    return remote


class Names(Mapping[str, Any]):
    """The notebook's names in the room, as they are when they are first asked for."""

    def __init__(self, student: Student) -> None:
        self._student = student
        self._listed: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
        self._values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        values, sizes = self._list()
        if name in values:
            return values[name]
        if name in sizes and name not in self._values:
            small = (each for each, size in sizes.items() if type(size) is int and size <= SMALL)
            self.bring({name, *islice(small, MANY)})  # who asks for one tensor asks for the next
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return chain(*self._list())

    def __len__(self) -> int:
        return sum(map(len, self._list()))

    def items(self) -> Any:
        """Only what is small: all the rest is fetched by name."""
        return self._list()[0].items()

    def bring(self, names: Iterable[str]) -> dict[str, Any]:
        """The values of those names that are there."""
        missing = [name for name in names if name not in self._values]
        if missing:
            self._values.update(self._student.ask("values", names=missing))
        return {name: self._values[name] for name in names if name in self._values}

    def _list(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Small values, and the bytes of tensors among all others; no name is in both."""
        if self._listed is None:
            told = self._student.ask("names")
            values, sizes = (
                {name: value for name, value in told[part].items() if type(name) is str} for part in ("values", "sizes")
            )
            self._listed = values, {name: size for name, size in sizes.items() if name not in values}
        return self._listed


@dataclass(frozen=True)
class RemoteWorkspace:
    """The workspace of a room, which may die on the way. `endless` are the sources of cells that did not end in time.

    `folder` is not the submission's: formulas of a `lesson.toml` are evaluated here. `counts` are the operations that the
    first replay of each answer ran, by the source of its cell and its name, or by the name of a function.
    """

    student: Student
    names: Mapping[str, Any]
    folder: Path
    counts: dict[tuple[str, str], Counts]
    endless: frozenset[str] = frozenset()
    is_beside: bool = False

    def replay(self, cell: Cell, name: str, case: Case) -> Replay:
        if cell.source in self.endless:
            return Replay(MISSING, faults.Interrupted("it did not end in time in the notebook"), unfinished=True)
        new: dict[int, dict[str, Any]] = {}
        state, others = (self._number(part, new) for part in (case.state, case.others))
        given = {"state": state, "others": others, "incoming": dict(case.incoming), "rows": case.rows, "new": new}
        try:
            return self._replay(
                "replay", code=cell.code, name=name, given=given, beside=self.is_beside, about=(cell.source, name)
            )
        except TypeError:  # it was not sent
            self.student.known.clear()
            raise

    def function(self, by: str) -> Function:
        told = self.student.ask("function", by=by)
        return Function(tuple(map(str, told["parameters"])), told["is_blank"], told["kind"])

    def call(self, by: str, arguments: Mapping[str, Any]) -> Replay:
        for name, given, replay in self.student.called:  # one call gives the gradients of all leaves
            if name == by and given.keys() == arguments.keys() and all(given[key] is arguments[key] for key in given):
                return replay  # type: ignore[no-any-return]
        replay = self._replay("call", by=by, arguments=dict(arguments), about=("", by))
        self.student.called.append((by, arguments, replay))
        return replay

    def locals_of(self, cell: Cell, by: str, arguments: Mapping[str, Any], replay: Replay) -> dict[str, Any]:
        return self.student.ask("locals", code=cell.code, by=by, arguments=dict(arguments))

    def beside(self, local: Mapping[str, Any]) -> RemoteWorkspace:
        return replace(self, names=ChainMap(dict(local), self.names), is_beside=True)  # type: ignore[arg-type]

    def _replay(self, question: str, about: tuple[str, str], **details: Any) -> Replay:
        try:
            told = self.student.ask(question, **details, counted=about not in self.counts)
        except Refused as refusal:
            return Replay(MISSING, refusal.error)
        self.counts.setdefault(about, {name: count for name, count in told["counts"].items() if type(count) is int})
        return Replay(
            MISSING if told["missing"] else told["answer"],
            None if told["error"] is None else faults.rebuilt(told["error"]),
            tuple(name for name in told["changed"] if isinstance(name, str)),
            told["unfinished"],
            {name: line for name, line in told["lines"].items() if isinstance(name, str) and type(line) is int},
        )

    def _number(self, part: Mapping[str, Any], new: dict[int, dict[str, Any]]) -> int:
        """The number under which the room knows a part of a case; it is added to the `new` ones if it does not know it."""
        known = self.student.known
        found = next((number for number, each in known if each is part), None)
        if found is None:
            found = next(self.student.numbers)
            known[:] = [*known, (found, part)][-PARTS:]
            new[found] = {name: value for name, value in part.items() if not (isinstance(value, ModuleType) or callable(value))}
        return found
