"""Switches autograd off for good in a student's process.

Torch differentiates in four ways: by the engine, which runs the nodes of a graph; by a node that is called; in forward mode;
and by the compiler of scripts. The engine asks Python before it runs anything, whatever code of torch calls it, and gets an
error. The other ways are functions and attributes of C. Where one stands in a module or a type, a function takes its place that
says what is off. It may also be in tables, caches and types of torch that nobody thought of, so the object itself is made
another one: all ways to it, known or not, then lead to something harmless. So do the entries of C's tables that functions are
made from, or a module that is loaded again would have new ones. What there is to overwrite is found once, before the forks.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
import torch._functorch.eager_transforms
import torch._functorch.predispatch
import torch.distributed.autograd

from autograder.replay.run import OFF, AutogradOff, ScriptOff

WHEN = "while the notebook is graded"

REFUSED: dict[type[Exception], dict[str, str]] = {
    AutogradOff: {
        "torch._C": "_enter_dual_level _jit_differentiate _jit_pass_create_autodiff _last_executed _initExtension",
        "torch._C._functorch": "_jvp_ _grad_",
        "torch._C._ImperativeEngine": "run_backward",
        "torch._C.Code": "grad_executor_states differentiable_op_executor_states",
        "torch._C._distributed_autograd": "backward get_gradients _init _new_context _current_context _retrieve_context",
        "torch._C._distributed_autograd.DistAutogradContext": "_send_functions _recv_functions",
        "torch._C._distributed_rpc.PyRRef": "backward",
    },
    ScriptOff: {
        "torch._C": "_jit_script _jit_to_backend _create_function import_ir_module _import_ir_module _load_jit",
        "torch._C.CompilationUnit": "__init__ define create_function",
        "torch._C.ScriptModule": "__init__ _define _create_method",
    },
}
"""Functions and methods of C that raise an error: by module or type, what their names begin with.

`torch.func` and forward mode come down to some of these; so do scripts, whose compiler differentiates without the engine. The
engine of `torch.distributed` is another one. `_initExtension` would make the types of nodes anew.
"""

COMPILER = torch._C._dynamo.compiled_autograd
"""Where Python says what the engine is to do with a graph instead of running it."""
UNCHANGED = None, False
"""What the function there returns: what was to be done before, which is nothing."""

HARMLESS = (gc.isenabled, str.upper, int.__neg__, vars(types.FunctionType)["__code__"])
"""One of each type that functions, methods, slots and attributes of C have. None does anything for a tensor or a node."""

ENGINE: Any = str.upper
"""What the engine asks instead of running: called without an argument it raises TypeError.

It is of C, for whoever finds a function of Python can give it another `__code__`, and get all that the engine would have run.
"""

WORD = ctypes.sizeof(ctypes.c_void_p)
ENTRY_AT = {types.BuiltinFunctionType: 2, types.MethodDescriptorType: 5}
"""Where functions and methods of C have the address of their entry, in words: behind the head, and behind four more."""
CALL = 50
"""`Py_tp_call`: the number by which Python knows the part of a type that says what a call of its instances runs."""


class Entrances(NamedTuple):
    """All ways into autograd but the engine.

    `stands` are dictionaries of modules and types, a name in each, and what is to stand there; `kinds` are those types.
    `contents` are the addresses and sizes of objects and of entries in tables, each with the address of what they become.
    `calls` are the words in types of nodes that are to become `call`.
    """

    stands: list[tuple[dict[str, Any], str, object]]
    kinds: list[Any]
    contents: list[tuple[int, int, int]]
    calls: list[ctypes.c_void_p]
    call: int


def entrances() -> Entrances:
    """Finds them. It takes some 50 ms, once for all forks."""
    replacements: dict[tuple[Any, str], object] = {(owner, name): _refusal(error) for owner, name, error in refused()}
    replacements[COMPILER, "set_autograd_compiler"] = lambda *_: UNCHANGED
    replacements |= {(torch._C.TensorBase, name): property(lambda _: None) for name in ("grad_fn", "_grad_fn")}
    replacements[torch._C._FunctionBase, "next_functions"] = property(lambda _: ())
    values = {id(vars(owner)[name]): value for (owner, name), value in replacements.items()}
    modules = [vars(module) for module in [*sys.modules.values()] if isinstance(getattr(module, "__dict__", None), dict)]
    kinds = [owner for owner in dict.fromkeys(owner for owner, _ in replacements) if isinstance(owner, type)]
    places = [*modules, *map(_names, kinds)]
    nodes = node_types()
    originals = [getattr(vars(owner)[name], "__func__", vars(owner)[name]) for owner, name in replacements]
    originals += [vars(kind)[name] for kind in nodes for name in ("__call__", "next_functions")]
    return Entrances(
        [(names, name, values[id(value)]) for names in places for name, value in [*names.items()] if id(value) in values],
        [*map(ctypes.py_object, kinds)],
        [*map(_becoming, originals), *_entries(originals)],
        [_word(kind, _call(kind)) for kind in nodes],
        _call(_Called),
    )


def refused() -> Iterator[tuple[Any, str, type[Exception]]]:
    """What REFUSED says that this torch has: module or type, name, error."""
    for error, owners in REFUSED.items():
        for path, beginnings in owners.items():
            with suppress(AttributeError):  # a torch without `torch.distributed.rpc`
                owner = attrgetter(path.removeprefix("torch."))(torch)
                yield from ((owner, name, error) for name in [*vars(owner)] if name.startswith((*beginnings.split(),)))


def node_types() -> list[type]:
    """The types of the nodes of graphs."""
    return [kind for kind in vars(torch._C._functions).values() if isinstance(kind, type)]


def switch_off(entrances: Entrances) -> None:
    """Takes the engine, and replaces all other ways into autograd.

    `torch.compile`, `torch.jit.script` and `torch.jit.trace` give the Python function itself, as where they are disabled: what
    they would make of it could differentiate, and a room has no compiler.
    """
    torch.jit._state.disable()
    torch.compile = uncompiled
    COMPILER.set_autograd_compiler(ENGINE, False)
    for names, name, value in entrances.stands:
        names[name] = value
    for kind in entrances.kinds:
        ctypes.pythonapi.PyType_Modified(kind)
    for place, contents, size in entrances.contents:
        ctypes.memmove(place, contents, size)
    for word in entrances.calls:
        word.value = entrances.call


def _refusal(error: type[Exception]) -> Callable[..., NoReturn]:
    """A function that raises an error, whatever the arguments. Each is a new one: torch keeps some of them in tables."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise error(OFF[error].format(WHEN))

    return refuse


def uncompiled(model: Any = None, **_: object) -> Any:
    """Takes the place of `torch.compile`: gives the function or module as it is, or a decorator that does."""
    return (lambda function: function) if model is None else model


class _Called:
    """A call of an instance of a class of Python looks up `__call__` in the class. So does one of a node, from then on."""

    def __call__(self) -> None: ...


def _names(kind: type) -> dict[str, Any]:
    """The dictionary of a type of C, in which Python refuses to assign."""
    (names,) = (each for each in gc.get_referents(kind.__dict__) if isinstance(each, dict))
    return names


def _becoming(original: object) -> tuple[int, int, int]:
    """Where the contents of an object begin, those of a harmless one of its type, and how many bytes they are.

    The original must never be freed, nor may what the harmless one refers to: nobody counts that it is referred to once more.
    """
    harmless = next(each for each in HARMLESS if type(each) is type(original))
    for each in (original, *gc.get_referents(harmless)):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
    head = object.__basicsize__
    return id(original) + head, id(harmless) + head, type(original).__basicsize__ - head


class _Entry(ctypes.Structure):
    """`PyMethodDef`, from which Python makes a function: name, function of C, how that takes arguments, docstring."""

    _fields_ = (("name", ctypes.c_void_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("words", ctypes.c_void_p))


def _entries(originals: Sequence[Any]) -> list[tuple[int, int, int]]:
    """What to overwrite in the entries of functions and methods: as `_becoming` has it of objects.

    The entry that a function points to may be a copy: the library's own table has another one, with the same words.
    """
    harmless = _entry(HARMLESS[0])
    known = {(entry.name, entry.function) for entry in map(_entry, originals) if entry}
    places = {ctypes.addressof(entry) for entry in map(_entry, originals) if entry}
    for memory, place in _words_of("libtorch_python"):
        places |= {place + WORD * at for at, pair in enumerate(pairwise(memory)) if pair in known}
    start, size = _Entry.function.offset, _Entry.words.offset - _Entry.function.offset
    return [(place + start, ctypes.addressof(harmless) + start, size) for place in places]


def _entry(original: object) -> Any:
    """That of a function or method, or None of anything else."""
    if type(original) not in ENTRY_AT:
        return None
    return _Entry.from_address(ctypes.c_void_p.from_address(id(original) + WORD * ENTRY_AT[type(original)]).value or 0)


def _words_of(library: str) -> Iterator[tuple[Sequence[int], int]]:
    """The memory of a library that can be written to, as words, and where each part begins. Linux alone, as rooms, lists it."""
    maps = Path("/proc/self/maps")
    for line in maps.read_text(encoding="utf-8").splitlines() if maps.exists() else ():
        if library in line and " rw" in line:
            low, high = (int(end, 16) for end in line.split()[0].split("-"))
            yield memoryview((ctypes.c_char * (high - low)).from_address(low)).cast("B").cast("Q"), low


def _call(kind: type) -> int:
    """The address of the function of C that a call of the type's instances runs."""
    slot = ctypes.pythonapi.PyType_GetSlot
    slot.restype = ctypes.c_void_p
    return int(slot(ctypes.py_object(kind), CALL))


def _word(kind: type, value: int) -> ctypes.c_void_p:
    """The first word with this value in the memory of a type."""
    places = range(id(kind), id(kind) + type.__sizeof__(kind), ctypes.sizeof(ctypes.c_void_p))
    return next(word for word in map(ctypes.c_void_p.from_address, places) if word.value == value)
