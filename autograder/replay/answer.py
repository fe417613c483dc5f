"""Calls of an answer that is no gradient.

A cell is run again on other inputs, a function is called with them, and a class is driven by a drill.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.errors import AutograderError
from autograder.replay.drill import STOPPED, drive
from autograder.replay.parsed import ParsedCell, with_assertions
from autograder.replay.run import MISSING, Replay, Scratch, attempt, original, run_cell
from autograder.tape.cases import Case
from autograder.tape.tape import private

CALL_SECONDS = 2.0
"""Seconds that a call may take. An answer that never ends must not cost a learner a minute."""
DRAW_SECONDS, FEW = 10.0, 12
"""Seconds that all calls together may take in which random answers are counted, which are more than a few."""


class SwitchedOff(AutograderError, RuntimeError):
    """Raised where an answer calls a function that it may not use."""


@dataclass(frozen=True)
class Call:
    """How an answer is run: `name` is what it is called.

    For a value, `given` stands in place of the notebook's names while its cell is run. A function is called by keyword with
    `arguments`, and `given` are names that it may read. Its parameter `generator` gets a new generator for each of `seeds`,
    with which it is called `repeat` times: the result is then a list of results for each seed. With a `drill`, its source,
    the cell is run again and the drill is called with what it binds, and with the `arguments`: the result is what it yields
    by the labels, and if the code stopped, the error without its numbers under STOPPED. `without` are functions that an
    answer may not use, by their paths.
    """

    name: str
    is_function: bool
    arguments: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    without: Sequence[str] = ()
    generator: str = ""
    seeds: Sequence[int] = ()
    repeat: int = 1
    drill: str = ""


def run_answer(call: Call, cell: ParsedCell, namespace: Mapping[str, Any]) -> Replay:
    """What an answer comes to: the value that its cell gives the name, or what the function of this name returns."""
    seconds = CALL_SECONDS if call.repeat <= FEW else DRAW_SECONDS
    with _without(call.without) as refused:
        off = {name: refused[id(value)] for name, value in namespace.items() if id(value) in refused}
        if call.is_function:
            return _called(call, namespace, off, seconds)
        return (_driven if call.drill else _run)(call, cell, namespace, off, seconds)


def _run(call: Call, cell: ParsedCell, names: Mapping[str, Any], off: Mapping[str, Any], seconds: float) -> Replay:
    given = deepcopy(dict(call.given))
    replay = run_cell(cell, call.name, Case(given, {}), names, off, seconds)
    return replace(replay, changed=tuple({*replay.changed, *_changed(call.given, given)}))


def _driven(call: Call, cell: ParsedCell, namespace: Mapping[str, Any], off: Mapping[str, Any], seconds: float) -> Replay:
    scratch = Scratch(namespace, {call.name})
    scratch.bring(cell.reads)
    names = scratch.names
    names.update(off)
    names.pop(call.name, None)
    handed = _copies(call.arguments)
    yields: dict[str, Any] = {}

    def run() -> None:
        codes = with_assertions(cell.code) if cell.statements else ()  # of what is not Python there are none
        for statement, code in zip(cell.statements, codes, strict=True):
            try:
                exec(code, names)
            except Exception:  # a try of the class below it does not count
                if call.name not in names or call.name in statement.touches:
                    raise
        if call.name not in names:
            raise NameError(f"name '{call.name}' is not defined")
        drive(call.drill, names[call.name], handed, yields)

    error, stop = attempt(run, names, cell.code, seconds)
    if error is not None:
        yields[STOPPED] = re.sub(r"\d+", "0", f"{type(error).__name__}: {error}".partition("\n")[0])
    return Replay(yields, error, _changed(call.arguments, handed), stop=stop)


def _copies(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: private(value) if isinstance(value, Tensor) else deepcopy(value) for name, value in arguments.items()}


def _called(call: Call, namespace: Mapping[str, Any], off: Mapping[str, Any], seconds: float) -> Replay:
    scratch = Scratch(namespace, call.given.keys())
    function = scratch.copied(original(namespace.get(call.name)))
    scratch.names.update({**off, **deepcopy(dict(call.given))})
    handed = _copies(call.arguments)
    answers: list[Any] = []

    def run() -> None:
        if not call.generator:
            answers.append(function(**handed))
            return
        for seed in call.seeds:
            generator = torch.Generator().manual_seed(seed)
            answers.append([function(**handed, **{call.generator: generator}) for _ in range(call.repeat)])

    error, stop = attempt(run, scratch.names, seconds=seconds)
    answer: Any = MISSING if error is not None else answers if call.generator else answers[0]
    return Replay(answer, error, _changed(call.arguments, handed), stop=stop)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name, value in before.items() if name in after and not _same(value, after[name]))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return type(one) is type(other) and list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


ROOTS: Mapping[str, Any] = {"F": F, "nn": nn, "torch": torch}
COURSE = "autograder.course.dataset"
"""The module with the functions of the course, which an ask names without a path. By its name: it imports more than torch."""


@contextmanager
def _without(paths: Sequence[str]) -> Iterator[dict[int, Callable[..., Any]]]:
    """Switches functions off. Gives what stands in the place of each, by the id of the function."""
    refused: dict[int, Callable[..., Any]] = {}
    with ExitStack() as restore:
        for path in paths:
            if (owner := _owner(path)) is None:
                continue
            name = path.rpartition(".")[2]
            function = getattr(owner, name)
            refusal = refused.setdefault(id(function), _refusal(path, isinstance(function, type)))
            setattr(owner, name, refusal)
            restore.callback(setattr, owner, name, function)
        yield refused


def _owner(path: str) -> Any:
    """The module or class that has the function of this path; None where there is none."""
    *parents, name = path.split(".")
    owner = ROOTS.get(parents[0]) if parents else import_module(COURSE)
    for parent in parents[1:]:
        owner = getattr(owner, parent, None)
    return owner if hasattr(owner, name) else None


def _refusal(path: str, is_class: bool) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise SwitchedOff(f"`{path}` is switched off while the answer is checked: what it does is yours to write")

    return type("SwitchedOff", (), {"__new__": refuse, "__init_subclass__": refuse}) if is_class else refuse


def is_there(path: str) -> bool:
    """Whether there is a function of this path, such as `F.cross_entropy`."""
    owner = _owner(path)
    return owner is not None and not isinstance(getattr(owner, path.rpartition(".")[2]), ModuleType)
