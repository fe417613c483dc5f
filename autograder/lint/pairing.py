"""Which solution cells a test is about, as its names say: for tests that do not ask for an answer by its name."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from autograder.course.cells import Cell, Role, python
from autograder.replay.parsed import parse_tree

HARMLESS = frozenset({"%autoreload", "%config", "%load_ext", "%matplotlib", "%time", "%timeit", "%%time", "%%timeit"})
"""Magics that give no names to the notebook but those that can be read."""
HIDES_NAMES = frozenset({"exec", "globals", "locals", "vars"})
"""Functions by which a cell can bind names that do not stand in it."""
EVERYWHERE = frozenset({*dir(builtins), "get_ipython", "display", "exit", "quit", "In", "Out"})
"""Names that a notebook has from the start."""


@dataclass(frozen=True)
class Names:
    """The global names that some code reads, and those that it binds. `may_bind_more` than stands there."""

    reads: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()
    may_bind_more: bool = False


def names_of(cell: Cell) -> Names:
    """The names of a cell. Of one that is not Python nothing is known."""
    return _names(python(cell.source))


def about(cells: Sequence[Cell]) -> dict[str, set[str]]:
    """The ids of the solution cells that each test is about, by the id of the test.

    A test is about a solution that it names, or of whose names it reads one, itself or by what it reads. It is also about
    the nearest one above it, if it is about no other, or if nothing else could be told of that one: it binds no name.
    """
    solutions = {cell.id: names_of(cell).binds for cell in cells if cell.solves and cell.points is None}
    sources = _sources(cells)
    found: dict[str, set[str]] = {}
    nearest = ""
    for cell in cells:
        if cell.id in solutions:
            nearest = cell.id
        elif cell.role is Role.TEST:
            read = _reached(names_of(cell).reads, sources)
            of_it = {id for id, binds in solutions.items() if _is_named(id, cell) or binds & read}
            if nearest and (not of_it or not solutions[nearest]):
                of_it.add(nearest)
            found[cell.id] = of_it
    return found


def behind(cells: Sequence[Cell], names: Iterable[str]) -> set[str]:
    """The ids of the solution cells that make these names, such as functions, or what these read."""
    reached = _reached(frozenset(names), _sources(cells))
    return {cell.id for cell in cells if cell.solves and names_of(cell).binds & reached}


def unbound(cells: Sequence[Cell]) -> Iterator[tuple[str, str]]:
    """The tests that read a name which no cell binds, each with the name. None where a cell may bind what cannot be seen."""
    known = {cell.id: names_of(cell) for cell in cells}
    if any(names.may_bind_more for names in known.values()):
        return
    bound = EVERYWHERE.union(*(names.binds for names in known.values()))
    for cell in cells:
        if cell.role is Role.TEST:
            yield from ((cell.id, name) for name in sorted(known[cell.id].reads - bound) if not name.startswith("_"))


def _is_named(id: str, test: Cell) -> bool:
    """Whether a test has the id of a solution cell for a name, or as a text of its own."""
    return id in names_of(test).reads or re.search(rf"""(["']){re.escape(id)}\1""", test.source) is not None


def _sources(cells: Sequence[Cell]) -> Mapping[str, frozenset[str]]:
    """The names that are read to make each name that a cell binds."""
    found: dict[str, frozenset[str]] = {}
    for cell in cells:
        for statement in _statements(python(cell.source)):
            names = _names(statement)
            for name in names.binds:
                found[name] = found.get(name, frozenset()) | names.reads
    return found


def _reached(names: frozenset[str], sources: Mapping[str, frozenset[str]]) -> set[str]:
    """These names, and all that is read to make them."""
    reached, left = set[str](), {*names}
    while left:
        reached |= left
        left = {source for name in left for source in sources.get(name, ())} - reached
    return reached


@lru_cache(maxsize=2048)
def _statements(source: str) -> tuple[str, ...]:
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return tuple(ast.unparse(node) for node in parse_tree(source).body)
    return ()


@lru_cache(maxsize=2048)
def _names(source: str) -> Names:
    """The names of a cell or a statement, those in its assertions too."""
    try:
        tree = parse_tree(source)
        tables = list(_tables(symtable.symtable(ast.unparse(tree), "<cell>", "exec")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Names(may_bind_more=True)
    symbols = [symbol for table in tables for symbol in table.get_symbols() if _is_global(table, symbol)]
    reads = frozenset(symbol.get_name() for symbol in symbols if symbol.is_referenced())
    binds = frozenset(symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported())
    is_star = any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree))
    return Names(reads, binds, is_star or bool(reads & HIDES_NAMES) or _has_magic(source))


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


def _is_global(table: symtable.SymbolTable, symbol: symtable.Symbol) -> bool:
    return table.get_type() == "module" or symbol.is_global()


def _has_magic(source: str) -> bool:
    """Whether a cell has a magic that may bind names."""
    lines = (line.split() for line in source.split("\n") if line.lstrip().startswith("%"))
    return any(words[0] not in HARMLESS for words in lines)
