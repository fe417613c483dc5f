"""The prefix of a notebook: the locked cells that it begins with, which are the same for all students who hand it in.

A cell belongs to it only if its text shows that its result depends on nothing else: on no file, and not on who runs it. Then
one run serves all students.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile

from autograder.course.cells import Cell, Role, python

Cells = list[list[str]]
"""The ids and sources of cells, in pairs, as JSON gives them back."""

# A cell with anything but these magics and modules, or with one of the names below, may reach files or other code.
PURE_MAGICS = {"%load_ext autograder", "%matplotlib inline"}
PURE_MODULES = {
    *("autograder", "collections", "dataclasses", "fractions", "functools", "itertools", "math", "matplotlib", "numpy"),
    *("operator", "random", "statistics", "string", "textwrap", "torch", "typing"),
}
REACHING_NAMES = {
    *("breakpoint", "check", "compile", "eval", "exec", "exit", "get_ipython", "getattr", "globals", "grade", "hint"),
    *("input", "locals", "open", "progress", "quit", "setattr", "solution", "vars"),
}
REACHING_ATTRIBUTES = {
    *("classes", "from_file", "fromfile", "genfromtxt", "hub", "imread", "imsave", "load", "loadtxt", "memmap", "ops"),
    *("open_memmap", "save", "savefig", "savetxt", "savez", "savez_compressed", "tofile", "utils"),
}
"""Names and attributes by which a cell gets at files, at the notebook that runs, or at what a student wrote."""


def locked_prefix(tasks: Iterable[Cell]) -> Cells:
    """The cells of the prefix of a notebook."""
    is_first = takewhile(lambda task: task.role is Role.LOCKED and _stands_alone(task.source), tasks)
    return [[task.id, task.source] for task in is_first]


def without_magics(source: str) -> str:
    """The Python of a cell, where PURE_MAGICS are empty lines. Any other magic stays, which is no Python."""
    return "\n".join("" if line in PURE_MAGICS else line for line in python(source).split("\n"))


@lru_cache
def _stands_alone(source: str) -> bool:
    try:
        tree = ast.parse(without_magics(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return not any(map(_reaches_out, ast.walk(tree)))


def _reaches_out(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(_is_elsewhere(alias.name) for alias in names)
        case ast.ImportFrom(module=module, names=names):
            return any(_is_elsewhere(f"{module or ''}.{alias.name}") for alias in names)
        case ast.Name(id=name):
            return name in REACHING_NAMES or name.startswith("__")
        case ast.Attribute(attr=name):
            return name in REACHING_ATTRIBUTES or name.startswith("__")
        case ast.Call(func=ast.Name(id="load_names"), args=args, keywords=keywords):
            return bool(args or keywords)
    return False


def _is_elsewhere(name: str) -> bool:
    """Whether an import is of a module that is not in PURE_MODULES, or of a part that reaches files or other code."""
    module, *parts = name.split(".")
    return module not in PURE_MODULES or not REACHING_ATTRIBUTES.isdisjoint(parts)
