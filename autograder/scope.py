"""The names that locked cells and tests see in the examiner: their own, and what they need of the student's."""

from __future__ import annotations

import ast
import builtins
import importlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from torch import Tensor

from autograder import cell
from autograder.remote import Remote

ALIASES = {"np": "numpy", "plt": "matplotlib.pyplot", "pd": "pandas", "F": "torch.nn.functional"}
"""What modules are called. One that only a student's cell imports for a test is imported here, under its name or this one."""

DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
UNCHANGED = (bool, int, float, complex, str, bytes, type(None), Tensor, np.ndarray)
"""What a test that only reads it leaves as it is. To change a tensor takes a store or a method in place, which are seen."""
_NOTHING = object()


class Scope:
    """`names` is where the cells run; `imports` are the instructor's import statements by what they bind.

    A name that a locked cell or a test has bound is `mine`: nothing of the student's takes its place, until a cell has run in
    which the instructor wants it bound.
    """

    def __init__(self, names: dict[str, Any], imports: Mapping[str, str] | None = None) -> None:
        self.names = names
        self.imports = imports or {}
        self.mine = set(names)
        self._borrowed = set[str]()
        self._lent: dict[str, Any] = {}
        self._binds: frozenset[str] = frozenset()

    def bring(self, source: str, fetch: Callable[[list[str]], Mapping[str, Any]], is_there: bool = False) -> None:
        """Binds what a cell reads and nothing here has bound: by the instructor's imports, or as it stands in the room.

        A cell that `is_there`, in the room, needs nothing that it binds itself before it reads it. But a test may replace a
        function of the student's by another one.
        """
        for name in self._borrowed:
            self.names.pop(name, None)
        self._borrowed = set()
        self._lent = {}
        self._binds = cell.read(_body(source)).touches
        read = _needed_by(_body(source)) if is_there else _read_by(_body(source))
        for name in self._reads(read) & self.imports.keys() - self.mine:
            exec(self.imports[name], self.names)
            self.mine.add(name)
        wanted = self._reads(read) - self.mine - vars(builtins).keys()
        for name, value in fetch(sorted(wanted)).items() if wanted else ():
            if name in wanted and (value := _genuine(name, value)) is not _NOTHING:
                self.names[name] = self._lent[name] = value
                self._borrowed.add(name)

    def keep(self, before: Mapping[str, Any]) -> None:
        """Whatever the cell binds, or is bound otherwise than before, is mine: a small number is the same one everywhere."""
        made = {name for name, value in self.names.items() if before.get(name, _NOTHING) is not value}
        made |= self._binds & self.names.keys()
        made = {name for name in made if not isinstance(self.names[name], Remote)}
        self.mine |= made
        self._borrowed -= made

    def given_back(self) -> tuple[dict[str, Any], list[str]]:
        """Names of the room that the cell has bound to other functions or objects since, and those that it has deleted.

        A test may take a function away to see who calls it. Data that it binds to a name of the student's stays here.
        """
        changed = {name: value for name in self._lent if (value := self.names.get(name, _NOTHING)) is not self._lent[name]}
        self._lent.update(changed)
        bound = {name: value for name, value in changed.items() if isinstance(value, Remote | FunctionType)}
        return bound, [name for name, value in changed.items() if value is _NOTHING]

    def made_by(self, shown: str, hidden: str, wanted: Collection[str]) -> tuple[dict[str, Any], str]:
        """What the visible part of a test has made of these names: values, and definitions as code.

        Nothing that the hidden part may have changed: what it binds, and what it reads that can be changed.
        """
        left = hidden and hidden.partition("\n")[0] in shown.split("\n")  # of several hidden parts, where they were not cut out
        if left or not (_is_python(shown) and _is_python(hidden)):
            return {}, ""
        definitions = [node for node in cell.tree(shown).body if isinstance(node, DEFINITIONS)]
        made = cell.read(shown).touches.union(*map(cell.bound, definitions)) - cell.read(hidden).touches
        made &= self.mine & self.names.keys() & set(wanted)
        definitions = [node for node in definitions if cell.bound(node) & made]
        values = {name: self.names[name] for name in made - {name for node in definitions for name in cell.bound(node)}}
        seen = _read_by(hidden)
        kept = {name: value for name, value in values.items() if name not in seen or isinstance(value, UNCHANGED)}
        return kept, "\n".join(map(ast.unparse, definitions))

    def _reads(self, names: Collection[str]) -> set[str]:
        """These names, and those that functions and classes of locked cells among them need."""
        reads, waiting = set[str](), set(names)
        while waiting:
            reads |= waiting
            known = [self.names[name] for name in waiting if name in self.mine and name in self.names]
            waiting = {name for value in known for code in self._codes(value) for name in cell.names_in(code)} - reads
        return reads

    def _codes(self, value: object) -> Iterator[CodeType]:
        """The code of a function of the notebook, or of the methods of a class."""
        members = vars(value).values() if isinstance(value, type) else (value,)
        functions = (member for member in members if isinstance(member, FunctionType))
        yield from (function.__code__ for function in functions if function.__globals__ is self.names)


def _genuine(name: str, value: Any) -> Any:
    """A value of the room, or where it is a module the one that is called so here."""
    if not (isinstance(value, Remote) and type(value).__name__ == "module"):
        return value
    try:
        return importlib.import_module(ALIASES.get(name, name))
    except ImportError:
        return _NOTHING


def _body(source: str) -> str:
    """A cell without the magic that it stands under."""
    return source.partition("\n")[2] if source.startswith("%%") else source


@lru_cache
def _read_by(source: str) -> frozenset[str]:
    """The names that a cell reads, in its assertions too; none if it is no Python."""
    try:
        return cell.names_in(compile(cell.tree(source), "<locked cell>", "exec"))
    except (SyntaxError, ValueError):
        return frozenset()


@lru_cache
def _needed_by(source: str) -> frozenset[str]:
    """The names that a cell reads before it has bound them for certain; none if it is no Python."""
    needed, there = set[str](), set[str]()
    with suppress(SyntaxError, ValueError):
        for node in cell.tree(source).body:
            binds = cell.made(node) if isinstance(node, ast.Assign) else cell.bound(node)
            needed |= cell.names_in(compile(ast.Module([node], []), "<locked cell>", "exec")) - there - binds
            there |= binds
    return frozenset(needed)


def _is_python(source: str) -> bool:
    """Whether a part of a cell can be read without the rest."""
    try:
        cell.tree(source)
    except (SyntaxError, ValueError):
        return False
    return True
