"""Running a student's code again on a case, in a scratch copy of the notebook's namespace."""

from __future__ import annotations

import ast
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import torch
from IPython.utils.capture import capture_output
from torch import Tensor

from autograder.case import Case
from autograder.cell import Cell, tree
from autograder.errors import AutograderError
from autograder.scratch import Scratch
from autograder.tape import private

MISSING = object()
"""Stands for an answer that the code did not bind."""

KEEP = "_keep_locals"
"""What a function is given to keep its local names."""

REFLECTION = frozenset({"eval", "exec", "get_ipython", "globals", "locals", "vars"})
"""Who calls one of these may read any name."""

ENGINES = ((torch.autograd.Variable, "_execution_engine"), (torch.autograd.forward_ad, "make_dual"))
"""What all ways to differentiate come down to: backward, `grad`, `torch.func` and `torch.autograd.functional`."""


class AutogradOff(AutograderError, RuntimeError):
    """Raised where replayed code asks torch to differentiate. torch's own errors are RuntimeErrors too."""


@dataclass(frozen=True)
class Replay:
    """What came of it: the answer, the error that stopped the code, and the given names that it changed in place.

    `unfinished` says whether the error came in a statement that works on the answer; `lines` are those that the functions
    on the way to the error had reached, by the names of the functions.
    """

    answer: Any
    error: BaseException | None = None
    changed: tuple[str, ...] = ()
    unfinished: bool = False
    lines: Mapping[str, int] = field(default_factory=dict)


def run_cell(cell: Cell, name: str, case: Case, namespace: Mapping[str, Any]) -> Replay:
    """What the cell computes for `name` when the case's values stand in the notebook.

    Forward variables, batch and sizes come from the case, and so do the gradients of the consumers. Where the cell works
    out one of the latter too, it is put back after each statement that does so: a cell with several gradients is judged
    one gradient at a time. `name` is not there until the cell binds it. All else is a copy of the notebook's.
    Assertions of the cell do not run: they may hold for the notebook's numbers only.
    """
    fixed, others = ({f"d{key}": value for key, value in part.items()} for part in (case.incoming, case.others))
    values = {**case.state, **others, **fixed}
    scratch = Scratch(namespace, values.keys() | {name})
    scratch.bring(cell.reads)
    is_read = values.keys() if scratch.read & REFLECTION else scratch.read
    given = _Given({key: value for key, value in values.items() if key in is_read})
    names = scratch.names
    names.update(given.values)
    names.pop(name, None)
    waiting = list(cell.statements)
    made = set[str]()

    def run() -> None:
        while waiting:
            exec(waiting[0].code, names)
            statement = waiting.pop(0)
            made.update(statement.makes & fixed.keys())
            for key in statement.touches & made:
                names[key] = fixed[key].clone()

    error = _attempt(run)
    unfinished = bool(waiting) and name in waiting[0].touches
    return Replay(names.get(name, MISSING), error, given.changed(), unfinished)


def run_function(function: Callable[..., Any], arguments: Mapping[str, Any], namespace: Mapping[str, Any]) -> Replay:
    """What a student's function returns for copies of these arguments; it reads the notebook and cannot change it."""
    given = _Given(arguments)
    function = Scratch(namespace).copied(function)
    answers: list[Any] = [MISSING]
    error = _attempt(lambda: answers.append(function(**given.values)))
    frames = traceback.walk_tb(error.__traceback__) if error else ()
    return Replay(answers[-1], error, given.changed(), lines={frame.f_code.co_name: line for frame, line in frames})


def locals_of(
    cell: Cell, by: str, arguments: Mapping[str, Any], namespace: Mapping[str, Any], error: BaseException | None
) -> dict[str, Any]:
    """The names that a function which a cell defines has when it returns, or when it stops with this error."""
    kept: dict[str, Any] = {}
    if error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_name == by:
                kept.update(frame.f_locals)
        return kept
    for node in deepcopy(tree(cell.source)).body:
        if isinstance(node, ast.FunctionDef) and node.name == by:
            node.body = [_Keeping().visit(statement) for statement in node.body]
            node.decorator_list = []  # what they do was done once
            names = {**namespace, KEEP: kept.update}
            exec(compile(ast.fix_missing_locations(ast.Module([node], [])), "<your function>", "exec"), names)
            run_function(names[by], arguments, names)
    return kept


class _Keeping(ast.NodeTransformer):
    """Keeps the local names before every `return` of a function; those of functions inside of it are their own."""

    def visit_Return(self, node: ast.Return) -> ast.If:
        keep = ast.parse(f"{KEEP}(locals())").body[0]
        return ast.If(ast.Constant(True), [keep, node], [])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        return node


class _Given:
    """Private copies of values, which know whether they were changed in place."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = {key: private(value) for key, value in values.items()}
        self._tensors = {key: value for key, value in self.values.items() if isinstance(value, Tensor)}
        self._versions = {key: tensor._version for key, tensor in self._tensors.items()}

    def changed(self) -> tuple[str, ...]:
        return tuple(key for key, tensor in self._tensors.items() if tensor._version != self._versions[key])


_under_way = False


def under_way() -> bool:
    """Whether a replay is running: an answer's cell may contain a `check` of its own."""
    return _under_way


def _attempt(run: Callable[[], object]) -> BaseException | None:
    global _under_way
    _under_way = True
    try:
        with _undisturbed(), autograd_off():
            run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # `sys.exit()` in an answer must not end the judge
        return error
    finally:
        _under_way = False
    return None


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No output, no warning, no figure and no random number of a replay reaches the notebook."""
    figures = _figures()
    states = random.getstate(), np.random.get_state()
    with capture_output(), warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.no_grad():
        warnings.simplefilter("ignore")
        random.seed(0)  # so that a regrade of code that draws numbers gives the same verdict
        np.random.seed(0)
        torch.default_generator.manual_seed(0)  # `torch.manual_seed` also asks about GPUs, which takes a millisecond
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            for figure in _figures() - figures:
                sys.modules["matplotlib.pyplot"].close(figure)


def _figures() -> set[int]:
    """The numbers of the open figures, without an import of matplotlib."""
    return set(sys.modules["matplotlib.pyplot"].get_fignums()) if "matplotlib.pyplot" in sys.modules else set()


class _Refusal:
    """Stands for an engine, and for any of its methods."""

    def __getattr__(self, name: str) -> _Refusal:
        return self

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise AutogradOff("autograd is switched off while an answer is judged: derive the gradient by hand")


@contextmanager
def autograd_off() -> Iterator[None]:
    """Has torch refuse to differentiate meanwhile."""
    engines = [(owner, name, getattr(owner, name)) for owner, name in ENGINES]
    for owner, name, _ in engines:
        setattr(owner, name, _Refusal())
    try:
        yield
    finally:
        for owner, name, engine in engines:
            setattr(owner, name, engine)
