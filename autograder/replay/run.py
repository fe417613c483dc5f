"""Runs a student's code again, in a copy of the notebook's namespace, so that it changes nothing in the notebook."""

from __future__ import annotations

import ast
import os
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from copy import copy, deepcopy
from dataclasses import dataclass, field
from functools import cache, partial
from io import StringIO
from types import CellType, FrameType, FunctionType
from typing import Any, NoReturn

import numpy as np
import torch
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.getipython import get_ipython
from torch import Tensor

from autograder.errors import AutograderError
from autograder.replay.parsed import ParsedCell, names_in, parse_tree
from autograder.replay.stop import Stop, stop_of
from autograder.tape.cases import Case
from autograder.tape.tape import private


class Scratch:
    """A namespace for code that must not change the notebook. `bring` copies the values that the code reads, and no others.

    `names` is that namespace. Each object that was brought is copied once; all else is shared with the notebook. `read` are the
    names that code and its functions read. Names of `given` are not copied, because the caller binds them to something else.
    Data is copied, and copies of the notebook's functions read `names` instead of the notebook, also inside of a decorator.
    Modules, classes and anything unknown stay as they are.
    """

    def __init__(self, namespace: Mapping[str, Any], given: Collection[str] = ()) -> None:
        self.names = dict(namespace)
        self._namespace = namespace
        self._copies: dict[int, Any] = {}
        self._given = given
        self.read = set[str]()

    def bring(self, names: Iterable[str]) -> None:
        """Copies the values of these names, and those that functions among them read."""
        for name in set(names) - self.read:
            self.read.add(name)
            if name in self._namespace and name not in self._given:
                self.names[name] = self.copied(self._namespace[name])

    def copied(self, value: Any) -> Any:
        """The copy of a value; always the same one for the same object."""
        if id(value) not in self._copies:
            self._copies[id(value)] = value  # in case it contains itself
            self._copies[id(value)] = self._copy(value)
        return self._copies[id(value)]

    def _copy(self, value: Any) -> Any:
        match value:
            case Tensor():
                return private(value)
            case torch.Generator():
                return value.clone_state()
            case np.ndarray() | np.random.Generator() | random.Random() | bytearray():
                return deepcopy(value)
            case list() | deque() | dict():
                duplicate = copy(value)
                for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                    if type(item) not in UNCHANGING:  # a list of all pairs of the names has 231,718 entries
                        duplicate[key] = self.copied(item)
                return duplicate
            case set():
                return copy(value)
            case tuple() if type(value) is tuple:
                return tuple(map(self.copied, value))
            case partial():
                return partial(self.copied(value.func), *map(self.copied, value.args), **self.copied(value.keywords))
            case _ if type(value).__name__ in SCRIPT_TYPES and type(value).__module__.startswith("torch.jit"):
                function = original(value)
                return _Refusal(ScriptOff) if function is value else self.copied(function)
            case FunctionType():
                return self._function(value)
        return value

    def _function(self, function: FunctionType) -> FunctionType:
        """A function with the same code that reads `names`. One that neither is nor wraps the notebook's own stays as it is."""
        filled = [cell for cell in function.__closure__ or () if cell != CellType()]
        if not self._is_mine(function) and not any(self._is_mine(cell.cell_contents) for cell in filled):
            return function
        cells = {id(cell): CellType() for cell in filled}
        duplicate = FunctionType(
            function.__code__,
            self.names if self._is_mine(function) else function.__globals__,
            function.__name__,
            function.__defaults__,
            tuple(cells.get(id(cell), cell) for cell in function.__closure__ or ()),
        )
        duplicate.__kwdefaults__ = function.__kwdefaults__
        duplicate.__dict__.update(function.__dict__)
        self._copies[id(function)] = duplicate  # before its names are brought: it may be one of them
        for cell in filled:
            cells[id(cell)].cell_contents = self.copied(cell.cell_contents)
        if self._is_mine(function):
            self.bring(names_in(function.__code__))
        return duplicate

    def _is_mine(self, value: object) -> bool:
        return isinstance(value, FunctionType) and value.__globals__ is self._namespace


UNCHANGING = frozenset({bool, float, int, str, type(None)})
"""Types of values that need no copy."""

SCRIPT_TYPES = ("ScriptFunction", "CompilationUnit")
"""The names of the types of torch's scripts. The types themselves must not stand here: by one of them a script can be made."""


def original(function: Any) -> Any:
    """The Python function that torch made a script of; any other value as it is, also a script from text."""
    return getattr(function, "_torchdynamo_inline", function) if isinstance(function, torch.jit.ScriptFunction) else function


MISSING = object()
"""Stands for an answer that the code did not bind."""

KEEP = "_keep_locals"
"""The name of a function that keeps the local names of the one that calls it."""

REFLECTION = frozenset({"eval", "exec", "get_ipython", "globals", "locals", "vars"})
"""Functions through which code may read any name."""


class AutogradOff(AutograderError, RuntimeError):
    """Raised where replayed code asks torch to differentiate. It is a RuntimeError, as torch's own errors there are."""


class ScriptOff(AutograderError, RuntimeError):
    """Raised where replayed code makes a script of torch (TorchScript) from text or from a file: scripts can differentiate."""


OFF: dict[type[Exception], str] = {
    AutogradOff: "autograd is switched off {}: derive the gradient by hand",
    ScriptOff: "scripts from text or files are switched off {}, since they can differentiate: write a Python function",
}
"""What is said where something is switched off; the blank is for when."""

ENGINES: tuple[tuple[Any, str, type[Exception]], ...] = (
    (torch.autograd.Variable, "_execution_engine", AutogradOff),
    (torch.autograd.forward_ad, "make_dual", AutogradOff),
    (torch.jit, "CompilationUnit", ScriptOff),
    (torch.jit, "load", ScriptOff),
)
"""All ways to differentiate use one of these: `backward`, `grad`, `torch.func` and `torch.autograd.functional`, and scripts."""


@dataclass(frozen=True)
class Replay:
    """The result of a replay: the answer, the error that stopped the code, and the given names that it changed in place.

    `unfinished` says whether a statement was left that works on the answer, the one with the error among them. `stop` is where
    the error came up in the student's code. `lines` are those that the functions on the way to it had reached, by their names.
    """

    answer: Any
    error: BaseException | None = None
    changed: tuple[str, ...] = ()
    unfinished: bool = False
    lines: Mapping[str, int] = field(default_factory=dict)
    stop: Stop | None = None


NOTHING: Mapping[str, Any] = {}


def run_cell(
    cell: ParsedCell,
    name: str,
    case: Case,
    namespace: Mapping[str, Any],
    off: Mapping[str, Any] = NOTHING,
    seconds: float = 0,
) -> Replay:
    """What the cell computes for `name` if the notebook has the values of the case.

    Forward variables, batch and sizes come from the case, and so do the gradients of the consumers. If the cell computes one of
    these too, the case's value is put back after each statement that changes it: a cell with several gradients is judged one
    gradient at a time, and a mistake in one must not count against the next. `name` is unbound until the cell binds it. All
    other values are copies of the notebook's, but for those in whose place `off` has something. Assertions of the cell do not
    run: they may hold for the notebook's numbers only. It may take so many `seconds`; 0 is any number.
    """
    fixed, others = ({f"d{key}": value for key, value in part.items()} for part in (case.incoming, case.others))
    values = {**case.state, **others, **fixed}
    scratch = Scratch(namespace, values.keys() | {name})
    scratch.bring(cell.reads)
    is_read = values.keys() if scratch.read & REFLECTION else scratch.read
    given = _Given({key: value for key, value in values.items() if key in is_read})
    names = scratch.names
    names.update({**off, **given.values})
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

    error, stop = attempt(run, names, cell.code, seconds)
    answer = names.get(name, MISSING)
    left = frozenset[str]().union(*(statement.touches for statement in waiting))
    unfinished = name in left or any(_share(answer, names.get(other)) for other in left)
    return Replay(answer, error, given.changed(), unfinished, stop=stop)


def _share(one: Any, other: Any) -> bool:
    """Whether two values are tensors in the same memory, so that a change of one is a change of the other."""
    if not (isinstance(one, Tensor) and isinstance(other, Tensor) and one.layout == other.layout == torch.strided):
        return False
    with suppress(RuntimeError):  # a tensor of an odd class has no memory of its own
        return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr() != 0
    return False


def run_function(
    function: Callable[..., Any], arguments: Mapping[str, Any], namespace: Mapping[str, Any], by_position: bool = False
) -> Replay:
    """What a student's function returns for copies of these arguments, which are passed by their names or in this order.

    It reads copies of the notebook's values.
    """
    given = _Given(arguments)
    scratch = Scratch(namespace)
    function = scratch.copied(function)
    passed = partial(function, *given.values.values()) if by_position else partial(function, **given.values)
    answers: list[Any] = [MISSING]
    error, stop = attempt(lambda: answers.append(passed()), scratch.names)
    frames = traceback.walk_tb(error.__traceback__) if error else ()
    lines = {frame.f_code.co_name: line for frame, line in frames}
    return Replay(answers[-1], error, given.changed(), lines=lines, stop=stop)


def locals_of(
    cell: ParsedCell,
    by: str,
    arguments: Mapping[str, Any],
    namespace: Mapping[str, Any],
    error: BaseException | None,
    by_position: bool = False,
) -> dict[str, Any]:
    """The local names of the function `by`, which the cell defines, when it returns or when it stops with this `error`.

    With an error they are in its traceback. Otherwise the function runs once more, with a line before each `return`.
    """
    kept: dict[str, Any] = {}
    if error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_name == by:
                kept.update(frame.f_locals)
        return kept
    for node in deepcopy(parse_tree(cell.source)).body:
        if isinstance(node, ast.FunctionDef) and node.name == by:
            node.body = [_Keeping().visit(statement) for statement in node.body]
            node.decorator_list = []  # their effects belong to the first run
            names = {**namespace, KEEP: kept.update}
            exec(compile(ast.fix_missing_locations(ast.Module([node], [])), "<your function>", "exec"), names)
            run_function(names[by], arguments, names, by_position)
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
    """Private copies of values, and which of them were changed in place since (by the versions that torch counts)."""

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


class TooSlow(AutograderError):
    """An answer whose time was up."""


class _TimeIsUp(BaseException):
    """Raised in an answer whose time is up. It is no Exception, so that an answer does not catch it by accident."""


PATIENCE = 5
"""How many times its seconds code may take that does not get as much of the processor."""


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Raises _TimeIsUp in this thread after so many seconds; never for 0, nor where there is no such timer.

    On a busy machine it waits until the code has had that much of the processor, but not for more than PATIENCE times as long.
    """
    if not seconds or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    begun = time.process_time(), time.monotonic()

    def stop(number: int, frame: FrameType | None) -> None:
        has_run, has_waited = time.process_time() - begun[0], time.monotonic() - begun[1]
        if has_run < seconds and has_waited < PATIENCE * seconds:  # the machine is busy with something else
            signal.setitimer(signal.ITIMER_REAL, seconds / 4)
            return
        raise _TimeIsUp(f"it does not end within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, before)


def attempt(
    run: Callable[[], object], names: Mapping[str, Any], source: str | None = None, seconds: float = 0
) -> tuple[BaseException | None, Stop | None]:
    """Runs a student's code with autograd off and apart from the notebook, for so many `seconds` at most; 0 is any number.

    Gives its error, and where that came up in the code whose global names are these (`stop_of`). Raises KeyboardInterrupt.
    """
    global _under_way
    _under_way = True
    stop = None
    try:
        # the deadline is the innermost: it must not come while what is outside is put back
        with undisturbed(), _drawing_the_same(), autograd_off(), _as_plain_python(), ended_after(seconds):
            try:
                run()
            except Exception as error:  # in here, since to look at what stood there may run the student's code
                stop = stop_of(error, names, source)
                raise
    except KeyboardInterrupt:
        raise
    except _TimeIsUp as error:
        return TooSlow(str(error)), stop
    except BaseException as error:  # `sys.exit()` in an answer must not end the judge
        return error, stop
    finally:
        _under_way = False
    return None, None


_is_undisturbed = False


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keeps the output, warnings, figures and random numbers of replays out of the notebook.

    Several replays in one are kept out once: to put the random numbers back takes longer than a short cell.
    """
    global _is_undisturbed
    if _is_undisturbed:
        yield
        return
    figures = _figures()
    states = random.getstate(), np.random.get_state()
    with _silent(), _unseen(), warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        _is_undisturbed = True
        try:
            yield
        finally:
            _is_undisturbed = False
            random.setstate(states[0])
            np.random.set_state(states[1])
            for figure in _figures() - figures:
                sys.modules["matplotlib.pyplot"].close(figure)


@contextmanager
def _drawing_the_same() -> Iterator[None]:
    """Runs code without a graph, and with the same random numbers each time: a regrade of it gives the same verdict."""
    with torch.no_grad():
        warnings.simplefilter("ignore")
        random.seed(0)
        np.random.seed(0)
        torch.default_generator.manual_seed(0)  # `torch.manual_seed` also asks about GPUs, which takes a millisecond
        yield


@contextmanager
def _unseen() -> Iterator[None]:
    """Keeps back what is printed, and what IPython shows. Its own `capture_output` makes all parts anew each time."""
    shell: Any = get_ipython()
    publisher, hook = getattr(shell, "display_pub", None), sys.displayhook
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        if shell is not None:
            shell.display_pub = _discarding()
        sys.displayhook = _forget
        try:
            yield
        finally:
            sys.displayhook = hook
            if shell is not None:
                shell.display_pub = publisher
                _discarding().outputs.clear()


@cache
def _discarding() -> CapturingDisplayPublisher:
    return CapturingDisplayPublisher()


def _forget(_: object) -> None:
    """Shows nothing of a value."""


def _figures() -> set[int]:
    """The numbers of the open figures, without an import of matplotlib."""
    return set(sys.modules["matplotlib.pyplot"].get_fignums()) if "matplotlib.pyplot" in sys.modules else set()


@contextmanager
def _silent() -> Iterator[None]:
    """Keeps back what does not go through `sys.stdout` and `sys.stderr` as they are now.

    That is what goes to the streams themselves, which code may have kept from another cell, as handlers of `logging` do, and to
    the process's descriptors, as from a child process.
    """
    raw = [stream for stream in (sys.__stdout__, sys.__stderr__) if stream is not None]
    with ExitStack() as restore:
        for each in raw:
            _flush(each)
        with open(os.devnull, "w") as nowhere:
            for descriptor in (1, 2):
                with suppress(OSError):  # it is not open
                    kept = os.dup(descriptor)
                    restore.callback(os.close, kept)
                    os.dup2(nowhere.fileno(), descriptor)
                    restore.callback(os.dup2, kept, descriptor)
        kept_streams: set[Any] = {*raw, sys.stdout, sys.stderr}
        for stream in kept_streams:
            with suppress(AttributeError, TypeError):  # it has no attributes of its own, or is none
                before = vars(stream).get("write")
                stream.write = len
                restore.callback(setattr, stream, "write", before) if before else restore.callback(delattr, stream, "write")
        for each in raw:
            restore.callback(_flush, each)
        yield


def _flush(stream: Any) -> None:
    with suppress(OSError, ValueError):  # it may be closed
        stream.flush()


@contextmanager
def _as_plain_python() -> Iterator[None]:
    """Runs what torch would compile or script as it is: both look for a cell's source, or write to its names."""
    compiler = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    was_on = torch.jit._state._enabled.enabled
    torch.jit._state.disable()
    try:
        with compiler:
            yield
    finally:
        torch.jit._state._enabled.enabled = was_on


class _Refusal:
    """Takes the place of an engine of autograd and of any of its methods: to call it raises the error."""

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    def __getattr__(self, name: str) -> _Refusal:
        return self

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise self._error(OFF[self._error].format("while an answer is checked"))


@contextmanager
def autograd_off() -> Iterator[None]:
    """Inside, torch refuses to differentiate: every way to do so raises AutogradOff."""
    engines = [(owner, name, getattr(owner, name)) for owner, name, _ in ENGINES]
    for owner, name, error in ENGINES:
        setattr(owner, name, _Refusal(error))
    try:
        yield
    finally:
        for owner, name, engine in engines:
            setattr(owner, name, engine)
