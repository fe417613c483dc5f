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

from autograder.replay.run import AutogradOff

TYPES = ((torch._C._ImperativeEngine, "run_backward"),)
"""Methods of C: `backward`, `grad`, `torch.func` and `torch.autograd.functional` come down to this one."""

GRAPHS = ("grad_fn", "_grad_fn")
"""Attributes of tensors that lead to the nodes of a graph, each of which can be called."""

ENTRANCE_FUNCTIONS = {
    torch._C: (
        "_enter_dual_level",
        "_jit_get_operation",
        "_get_operation_overload",
        "_jit_script",
        "_create_function",
        "import_ir_module",
        "Compilation",
    ),
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
    """Replaces all ways into autograd. A method taken from a type of C stands nowhere else, so no Python brings it back."""
    for names, name in places:
        names[name] = _refusing_engines(names[name]) if "_get_operation" in name else refuse
    for kind, name in TYPES:
        _replace(kind, name, refuse)
    for name in GRAPHS:
        _replace(torch._C.TensorBase, name, property(lambda tensor: None))


def refuse(*_: object, **__: object) -> NoReturn:
    """Takes the place of autograd: raises AutogradOff, whatever the arguments."""
    raise AutogradOff("autograd is switched off while the notebook is graded: derive the gradient by hand")


def _refusing_engines(lookup: Callable[..., Any]) -> Callable[..., Any]:
    """The function that looks up operators, but for those that differentiate."""

    def operation(name: str, *rest: Any) -> Any:
        return refuse() if name in ENGINE_OPERATORS else lookup(name, *rest)

    return operation


def _replace(kind: type, name: str, value: object) -> None:
    """Replaces an attribute of a type of C. Python refuses to assign one, so this writes into the type's own dictionary."""
    (names,) = (each for each in gc.get_referents(kind.__dict__) if isinstance(each, dict))
    names[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
