"""The names that locked cells and tests see in the examiner: their own, and those of the student's that they need."""

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

from autograder.course.cells import body
from autograder.examiner.student import Remote
from autograder.replay import parsed

ALIASES = {"np": "numpy", "plt": "matplotlib.pyplot", "pd": "pandas", "F": "torch.nn.functional"}
"""Usual short names of modules. A module in the room is never used here: the one of this name or its alias is imported."""

DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
READ_ONLY_TYPES = (bool, int, float, complex, str, bytes, type(None), Tensor, np.ndarray)
"""Types of values that code which only reads their names cannot change. To change a tensor takes a store or a method in place,
and the parser sees those."""
_UNBOUND = object()
"""Stands for the value of a name that is not bound."""


class Namespace:
    """`names` is the namespace in which the cells run; `imports` are the instructor's import statements by what they bind.

    `mine` are the names that a locked cell or a test has bound. A student's value never replaces one of them, or a student
    could replace what the tests rely on. A name leaves `mine` when a cell has run in which the student was asked to bind it.

    Names of the room are bound for one cell only: `bring` binds them before it runs, `keep` says afterwards which names the
    cell has bound itself, and `given_back` what it did to the others.
    """

    def __init__(self, names: dict[str, Any], imports: Mapping[str, str] | None = None) -> None:
        self.names = names
        self.imports = imports or {}
        self.mine = set(names)
        self._borrowed = set[str]()
        self._lent: dict[str, Any] = {}
        self._binds: frozenset[str] = frozenset()

    def bring(self, source: str, fetch: Callable[[list[str]], Mapping[str, Any]], is_there: bool = False) -> None:
        """Binds the names that a cell reads and nothing here has bound: by the instructor's imports, or to the room's values.

        `fetch` gives the room's values of names. A cell that `is_there` runs in the room as well: a name that it binds
        before it reads it needs no value from there. A test that binds such a name may mean to replace it, and gets the value.
        """
        for name in self._borrowed:
            self.names.pop(name, None)
        self._borrowed = set()
        self._lent = {}
        self._binds = parsed.parse_cell(body(source)).touches
        read = needed_by(body(source)) if is_there else read_by(body(source))
        for name in self._reads(read) & self.imports.keys() - self.mine:
            with suppress(Exception):  # the cell will say what is not there, when it needs it
                exec(self.imports[name], self.names)
                self.mine.add(name)
        wanted = self._reads(read) - self.mine - vars(builtins).keys()
        for name, value in fetch(sorted(wanted)).items() if wanted else ():
            if name in wanted and (value := _trusted(name, value)) is not _UNBOUND:
                self.names[name] = self._lent[name] = value
                self._borrowed.add(name)

    def keep(self, before: Mapping[str, Any]) -> None:
        """Adds to `mine` the names that the cell has bound; `before` are the names as they were before it ran.

        It looks at the code too: a cell that binds a name to the same object again, such as a small number, changes nothing.
        """
        made = {name for name, value in self.names.items() if before.get(name, _UNBOUND) is not value}
        made |= self._binds & self.names.keys()
        made = {name for name in made if not isinstance(self.names[name], Remote)}
        self.mine |= made
        self._borrowed -= made

    def given_back(self) -> tuple[dict[str, Any], list[str]]:
        """What the cell did to names of the room: those that it bound to other functions or objects, and those it deleted.

        So a test may replace a function of the student's to see which other one calls it. Data that a test binds to a name of
        the student's stays here.
        """
        changed = {name: value for name in self._lent if (value := self.names.get(name, _UNBOUND)) is not self._lent[name]}
        self._lent.update(changed)
        bound = {name: value for name, value in changed.items() if isinstance(value, Remote | FunctionType)}
        return bound, [name for name, value in changed.items() if value is _UNBOUND]

    def made_by(self, shown: str, hidden: str, wanted: Collection[str]) -> tuple[dict[str, Any], str]:
        """What the visible part of a test has bound to `wanted` names: values, and definitions as code.

        It leaves out all that the hidden part may have had a hand in, since a room must not see anything of that: the names
        that the hidden part binds, and those that it reads and whose values can be changed.
        """
        is_uncut = hidden and hidden.partition("\n")[0] in shown.split("\n")  # the shown source still has hidden parts
        if is_uncut or not (parsed.is_python(shown) and parsed.is_python(hidden)):
            return {}, ""
        definitions = [node for node in parsed.parse_tree(shown).body if isinstance(node, DEFINITIONS)]
        made = parsed.parse_cell(shown).touches.union(*map(parsed.bound, definitions)) - parsed.parse_cell(hidden).touches
        made &= self.mine & self.names.keys() & set(wanted)
        definitions = [node for node in definitions if parsed.bound(node) & made]
        values = {name: self.names[name] for name in made - {name for node in definitions for name in parsed.bound(node)}}
        hidden_reads = read_by(hidden)
        kept = {name: value for name, value in values.items() if name not in hidden_reads or isinstance(value, READ_ONLY_TYPES)}
        return kept, "\n".join(map(ast.unparse, definitions))

    def _reads(self, names: Collection[str]) -> set[str]:
        """These names, and those that functions and classes of locked cells among them need."""
        reads, waiting = set[str](), set(names)
        while waiting:
            reads |= waiting
            known = [self.names[name] for name in waiting if name in self.mine and name in self.names]
            waiting = {name for value in known for code in self._codes(value) for name in parsed.names_in(code)} - reads
        return reads

    def _codes(self, value: object) -> Iterator[CodeType]:
        """The code of a function of the notebook, or of the methods of a class."""
        members = vars(value).values() if isinstance(value, type) else (value,)
        functions = (member for member in members if isinstance(member, FunctionType))
        yield from (function.__code__ for function in functions if function.__globals__ is self.names)


def _trusted(name: str, value: Any) -> Any:
    """A value of the room; for a module of the room, the one of that name here, or _UNBOUND if there is none."""
    if not (isinstance(value, Remote) and type(value).__name__ == "module"):
        return value
    try:
        return importlib.import_module(ALIASES.get(name, name))
    except ImportError:
        return _UNBOUND


@lru_cache
def read_by(source: str) -> frozenset[str]:
    """The names that a cell reads, in its assertions too; none if it is no Python."""
    try:
        return parsed.names_in(compile(parsed.parse_tree(source), "<locked cell>", "exec"))
    except (SyntaxError, ValueError):
        return frozenset()


@lru_cache
def needed_by(source: str) -> frozenset[str]:
    """The names that a cell reads before it has bound them for certain; none if it is no Python."""
    needed, there = set[str](), set[str]()
    with suppress(SyntaxError, ValueError):
        for node in parsed.parse_tree(source).body:
            binds = parsed.made(node) if isinstance(node, ast.Assign) else parsed.bound(node)
            needed |= parsed.names_in(compile(ast.Module([node], []), "<locked cell>", "exec")) - there - binds
            there |= binds
    return frozenset(needed)
