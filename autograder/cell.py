"""A student's cell as Python that can be run again: magics resolved, one statement at a time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from dis import get_instructions
from functools import cached_property, lru_cache
from types import CodeType

RUNS_ITS_BODY = frozenset({"capture", "prun", "time"})
"""Magics whose text is Python that binds names in the notebook."""


@dataclass(frozen=True)
class Statement:
    code: CodeType
    makes: frozenset[str]
    """The names that it gives a value which does not come from their old one."""
    touches: frozenset[str]
    """The names that it binds, stores into, passes as `out`, or calls an in-place method of."""


@dataclass(frozen=True)
class Cell:
    """What was run. A cell that is not Python has no statements; `edited` is the tree of one that was changed since."""

    source: str
    statements: tuple[Statement, ...]
    edited: ast.Module | None = None

    @property
    def code(self) -> str:
        """What it is now."""
        return self.source if self.edited is None else ast.unparse(self.edited)

    @cached_property
    def reads(self) -> frozenset[str]:
        return frozenset().union(*(names_in(statement.code) for statement in self.statements))

    @property
    def lost(self) -> list[str]:
        """The expressions of torch in it whose value goes nowhere, as code."""
        try:
            nodes = list(ast.walk(tree(self.source)))
        except (SyntaxError, ValueError):
            return []
        return [ast.unparse(node.value) for node in nodes if isinstance(node, ast.Expr) and _is_lost(node.value)]

    @cached_property
    def touches(self) -> frozenset[str]:
        return frozenset().union(*(statement.touches for statement in self.statements))


@lru_cache(maxsize=512)
def read(source: str) -> Cell:
    """The cell of this source, as typed in the notebook."""
    try:
        return replace(of(source, tree(source)), edited=None)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Cell(source, ())


@lru_cache(maxsize=512)
def tree(source: str) -> ast.Module:
    """The Python of a cell, magics resolved; not to be changed. Raises SyntaxError or ValueError if it is none."""
    from IPython.core.inputtransformer2 import TransformerManager  # who reads no cells does not wait for IPython

    resolved = _Magics().visit(ast.parse(TransformerManager().transform_cell(source)))
    assert isinstance(resolved, ast.Module)
    return ast.fix_missing_locations(resolved)


def of(source: str, tree: ast.Module) -> Cell:
    """The cell of a tree."""
    return Cell(source, tuple(_statement(node) for node in tree.body), tree)


@lru_cache(maxsize=4096)
def names_in(code: CodeType) -> frozenset[str]:
    """All global names that a code object mentions, in functions and comprehensions inside it too."""
    inner = (names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    named = (step.argval for step in get_instructions(code) if step.opname.endswith(("_NAME", "_GLOBAL", "_GLOBALS")))
    return frozenset(named).union(*inner)


def bound(node: ast.stmt) -> frozenset[str]:
    """The names that a definition or an import binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    return frozenset({node.name}) if isinstance(node, ast.FunctionDef | ast.ClassDef) else frozenset()


def made(node: ast.stmt) -> set[str]:
    """The names that a statement gives a value which does not come from their old one."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    names = [child for child in _own(node) if isinstance(child, ast.Name)]
    stored = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    changed = {
        child.target.id for child in ast.walk(node) if isinstance(child, ast.AugAssign) and isinstance(child.target, ast.Name)
    }
    return stored - read - changed


def _statement(node: ast.stmt) -> Statement:
    code = compile(ast.Module([node], []), "<your cell>", "exec", optimize=1)  # without assertions
    touches = frozenset(name for child in _own(node) for name in _touched(child))
    return Statement(code, frozenset(made(node)), touches & names_in(code))


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a statement, but for the names that a comprehension or a class has to itself."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.comprehension) and child is node.target:
            continue
        if isinstance(node, ast.ClassDef) and child in node.body:
            continue
        yield from _own(child)


class _Magics(ast.NodeTransformer):
    """Puts the Python that a magic runs in its place; any other magic or shell command becomes None."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        call = _magic(node.value)
        if call is None:
            return self.generic_visit(node)
        words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        if not words or words[0] not in RUNS_ITS_BODY:
            return ast.copy_location(ast.Pass(), node)
        body = tree(str(words[-1])).body
        return body or ast.copy_location(ast.Pass(), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self.generic_visit(node) if _magic(node) is None else ast.copy_location(ast.Constant(None), node)


def _magic(node: ast.AST) -> ast.Call | None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")))):
            return node
    return None


def _is_lost(value: ast.expr) -> bool:
    """Whether an expression alone on its line does nothing: it computes, or calls a method that has a form in place."""
    match value:
        case ast.BinOp():
            return True
        case ast.Call(func=ast.Attribute(attr=method)):
            from torch import Tensor  # who only reads cells does not wait for torch

            return hasattr(Tensor, f"{method}_")
    return False


def _touched(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.Subscript(value=owner, ctx=ast.Store()) | ast.Attribute(value=owner, ctx=ast.Store()):
            yield from _owner(owner)
        case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method.endswith("_") and method[0] != "_":
            yield from _owner(owner)
        case ast.keyword(arg="out", value=owner):
            yield from _owner(owner)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name


def _owner(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
