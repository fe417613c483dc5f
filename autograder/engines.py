"""Autograd's engines, and how they are switched off for good in the process of a student."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import torch
import torch._functorch.eager_transforms
import torch._functorch.predispatch

from autograder.replay import AutogradOff

TYPES = ((torch._C._ImperativeEngine, "run_backward"),)
"""Methods of C: `backward`, `grad`, `torch.func` and `torch.autograd.functional` come down to this one."""

GRAPHS = ("grad_fn", "_grad_fn")
"""Attributes of tensors that lead to the nodes of a graph, each of which can be called."""

FUNCTIONS = {
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
"""How functions of C are called that forward mode, `torch.func` and scripts come down to: what their names begin with."""

OPERATORS = ("aten::grad", "aten::backward", "aten::_backward")
"""Operators of scripts that are an engine. All others can be had by name, as parts of torch have theirs."""


def entrances() -> list[tuple[dict[str, Any], str]]:
    """Where the functions stand, in any module: the namespace and the name. It takes some 50 ms, once."""
    functions = {
        id(value)
        for module, beginnings in FUNCTIONS.items()
        for name, value in vars(module).items()
        if name.startswith(beginnings)
    }
    modules = [vars(module) for module in [*sys.modules.values()] if isinstance(getattr(module, "__dict__", None), dict)]
    return [(names, name) for names in modules for name, value in [*names.items()] if id(value) in functions]


def switch_off(places: list[tuple[dict[str, Any], str]]) -> None:
    """Takes all entrances away. What is taken from a type of C is nowhere else, so nothing in Python brings it back."""
    for names, name in places:
        names[name] = _careful(names[name]) if "_get_operation" in name else refuse
    for kind, name in TYPES:
        _replace(kind, name, refuse)
    for name in GRAPHS:
        _replace(torch._C.TensorBase, name, property(lambda tensor: None))


def refuse(*_: object, **__: object) -> NoReturn:
    """Stands where autograd was."""
    raise AutogradOff("autograd is switched off while the notebook is graded: derive the gradient by hand")


def _careful(lookup: Callable[..., Any]) -> Callable[..., Any]:
    def operation(name: str, *rest: Any) -> Any:
        return refuse() if name in OPERATORS else lookup(name, *rest)

    return operation


def _replace(kind: type, name: str, value: object) -> None:
    """Changes a type that cannot be changed."""
    (names,) = (each for each in gc.get_referents(kind.__dict__) if isinstance(each, dict))
    names[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
