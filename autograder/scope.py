"""The names that locked cells and tests see in the examiner: their own, and what they need of the student's."""

from __future__ import annotations

import ast
import builtins
import importlib
from collections.abc import Callable, Collection, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

from autograder import cell
from autograder.remote import Remote

ALIASES = {"np": "numpy", "plt": "matplotlib.pyplot", "pd": "pandas", "F": "torch.nn.functional"}
"""What modules are called. One that only a student's cell imports for a test is imported here, under its name or this one."""

DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_NOTHING = object()


class Scope:
    """`names` is where the cells run; `imports` are the instructor's import statements by what they bind.

    A name that a locked cell or a test has bound is `mine`: nothing of the student's takes its place, until a cell has run in
    which the instructor wants it bound.
    """

    def __init__(self, names: dict[str, Any], imports: Mapping[str, str]) -> None:
        self.names = names
        self.imports = imports
        self.mine = set(names)
        self._borrowed = set[str]()

    def bring(self, source: str, fetch: Callable[[list[str]], Mapping[str, Any]]) -> None:
        """Binds what a cell reads and nothing here has bound: by the instructor's imports, or as it stands in the room."""
        for name in self._borrowed:
            self.names.pop(name, None)
        self._borrowed = set()
        for name in self._reads(source) & self.imports.keys() - self.mine:
            exec(self.imports[name], self.names)
            self.mine.add(name)
        wanted = self._reads(source) - self.mine - vars(builtins).keys()
        for name, value in fetch(sorted(wanted)).items() if wanted else ():
            if name in wanted and (value := _genuine(name, value)) is not _NOTHING:
                self.names[name] = value
                self._borrowed.add(name)

    def keep(self, before: Mapping[str, Any]) -> None:
        """Whatever is bound otherwise than before is mine."""
        made = {name for name, value in self.names.items() if before.get(name, _NOTHING) is not value}
        self.mine |= made
        self._borrowed -= made

    def made_by(self, shown: str, hidden: str, wanted: Collection[str]) -> tuple[dict[str, Any], str]:
        """What the visible part of a test has made of these names: values, and definitions as code."""
        made = cell.read(shown).touches - cell.read(hidden).touches & self.mine & self.names.keys() & set(wanted)
        if not made:
            return {}, ""
        definitions = [node for node in cell.tree(shown).body if isinstance(node, DEFINITIONS) and bound(node) & made]
        values = made - {name for node in definitions for name in bound(node)}
        return {name: self.names[name] for name in values}, "\n".join(map(ast.unparse, definitions))

    def _reads(self, source: str) -> set[str]:
        """The names that a cell needs, itself or through functions and classes of locked cells."""
        body = source.partition("\n")[2] if source.startswith("%%") else source
        reads, waiting = set[str](), set(_read_by(body))
        while waiting:
            reads |= waiting
            known = [self.names[name] for name in waiting if name in self.mine and name in self.names]
            waiting = {name for value in known for code in _codes(value) for name in cell.names_in(code)} - reads
        return reads


def _genuine(name: str, value: Any) -> Any:
    """A value of the room, or where it is a module the one that is called so here."""
    if not (isinstance(value, Remote) and type(value).__name__ == "module"):
        return value
    try:
        return importlib.import_module(ALIASES.get(name, name))
    except ImportError:
        return _NOTHING


def _read_by(source: str) -> frozenset[str]:
    """The names that a cell reads, in its assertions too; none if it is no Python."""
    try:
        return cell.names_in(compile(cell.tree(source), "<locked cell>", "exec"))
    except (SyntaxError, ValueError):
        return frozenset()


def _codes(value: object) -> Iterator[CodeType]:
    """The code of a function, or of the methods of a class."""
    members = vars(value).values() if isinstance(value, type) else (value,)
    yield from (member.__code__ for member in members if isinstance(member, FunctionType))


def bound(node: ast.stmt) -> frozenset[str]:
    """The names that a definition or an import binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    return frozenset({node.name}) if isinstance(node, ast.FunctionDef | ast.ClassDef) else frozenset()
