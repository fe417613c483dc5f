"""The opening of a notebook: its locked cells before any other, which are the same for all students who hand it in.

A cell belongs to it if its text shows that what it does hangs on nothing but itself: on no file, and not on who runs it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile

from autograder.paper import Role, Task

Cells = list[list[str]]
"""Their ids and sources."""

MAGICS = {"%load_ext autograder", "%matplotlib inline"}
MODULES = {
    *("autograder", "collections", "dataclasses", "fractions", "functools", "itertools", "math", "matplotlib", "numpy"),
    *("operator", "random", "statistics", "string", "textwrap", "torch", "typing"),
}
NAMES = {
    *("breakpoint", "check", "compile", "eval", "exec", "exit", "get_ipython", "getattr", "globals", "grade", "hint"),
    *("input", "locals", "open", "progress", "quit", "setattr", "solution", "vars"),
}
ATTRIBUTES = {
    *("classes", "from_file", "fromfile", "genfromtxt", "hub", "imread", "imsave", "load", "loadtxt", "memmap", "ops"),
    *("open_memmap", "save", "savefig", "savetxt", "savez", "savez_compressed", "tofile", "utils"),
}
"""Names and attributes by which a cell gets at files, at the notebook that runs, or at what a student wrote."""


def opening(tasks: Iterable[Task]) -> Cells:
    """Those of the cells that are to be run."""
    is_first = takewhile(lambda task: task.role is Role.LOCKED and _stands_alone(task.source), tasks)
    return [[task.id, task.source] for task in is_first]


def without_magics(source: str) -> str:
    """The Python of a cell, but for magics that do not stand alone."""
    lines = source.partition("\n")[2] if source.startswith("%%forward") else source
    return "\n".join("" if line in MAGICS else line for line in lines.split("\n"))


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
            return name in NAMES or name.startswith("__")
        case ast.Attribute(attr=name):
            return name in ATTRIBUTES or name.startswith("__")
        case ast.Call(func=ast.Name(id="load_names"), args=args, keywords=keywords):
            return bool(args or keywords)
    return False


def _is_elsewhere(name: str) -> bool:
    """Whether what is imported is of no module that stands alone, or reaches out."""
    module, *parts = name.split(".")
    return module not in MODULES or not ATTRIBUTES.isdisjoint(parts)
