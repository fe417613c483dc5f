"""Switches autograd off for good in a student's process.

It is not enough to replace functions that have a name in torch: the student's code can find the same function of C in other
modules. So all of these places are found, once, before the forks, and each fork overwrites them.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import torch
import torch._functorch.eager_transforms
import torch._functorch.predispatch

from autograder.replay.run import OFF, AutogradOff, ScriptOff

WHEN = "while the notebook is graded"

TYPES = ((torch._C._ImperativeEngine, "run_backward"),)
"""Methods of C: `backward`, `grad`, `torch.func` and `torch.autograd.functional` come down to this one."""

GRAPHS = ("grad_fn", "_grad_fn")
"""Attributes of tensors that lead to the nodes of a graph, each of which can be called."""

SCRIPTS = ("_jit_script", "_create_function", "import_ir_module", "Compilation")
ENTRANCE_FUNCTIONS = {
    torch._C: ("_enter_dual_level", "_jit_get_operation", "_get_operation_overload", *SCRIPTS),
    torch._C._functorch: ("_jvp_", "_grad_"),
}
"""Forward mode, `torch.func` and scripts come down to these functions of C: by module, what their names begin with."""

ENGINE_OPERATORS = ("aten::grad", "aten::backward", "aten::_backward")
"""The operators of scripts that differentiate. All others can still be looked up by name: parts of torch do that."""


def entrances() -> list[tuple[dict[str, Any], str]]:
    """The namespace and name of each place where one of the functions stands. It takes some 50 ms, once for all forks."""
    functions = {
        id(value)
        for module, beginnings in ENTRANCE_FUNCTIONS.items()
        for name, value in vars(module).items()
        if name.startswith(beginnings)
    }
    modules = [vars(module) for module in [*sys.modules.values()] if isinstance(getattr(module, "__dict__", None), dict)]
    return [(names, name) for names in modules for name, value in [*names.items()] if id(value) in functions]


def switch_off(places: list[tuple[dict[str, Any], str]]) -> None:
    """Replaces all ways into autograd. A method taken from a type of C stands nowhere else, so no Python brings it back.

    `torch.compile`, `torch.jit.script` and `torch.jit.trace` give the Python function itself, as where they are disabled: what
    they would make of it could differentiate, and a room has no compiler.
    """
    torch.jit._state.disable()
    torch.compile = uncompiled
    for names, name in places:
        is_lookup, error = "_get_operation" in name, ScriptOff if name.startswith(SCRIPTS) else AutogradOff
        names[name] = _refusing_engines(names[name]) if is_lookup else _refusal(error)
    for kind, name in TYPES:
        _replace(kind, name, _refusal(AutogradOff))
    for name in GRAPHS:
        _replace(torch._C.TensorBase, name, property(lambda tensor: None))


def _refusal(error: type[Exception]) -> Callable[..., NoReturn]:
    """A function that raises an error, whatever the arguments. Each is a new one: torch keeps some of them in tables."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise error(OFF[error].format(WHEN))

    return refuse


def uncompiled(model: Any = None, **_: object) -> Any:
    """Takes the place of `torch.compile`: gives the function or module as it is, or a decorator that does."""
    return (lambda function: function) if model is None else model


def _refusing_engines(lookup: Callable[..., Any]) -> Callable[..., Any]:
    """The function that looks up operators, but for those that differentiate."""

    def operation(name: str, *rest: Any) -> Any:
        return lookup(name, *rest) if name not in ENGINE_OPERATORS else _refusal(AutogradOff)()

    return operation


def _replace(kind: type, name: str, value: object) -> None:
    """Replaces an attribute of a type of C. Python refuses to assign one, so this writes into the type's own dictionary."""
    (names,) = (each for each in gc.get_referents(kind.__dict__) if isinstance(each, dict))
    names[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
