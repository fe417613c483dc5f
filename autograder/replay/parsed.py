"""A student's cell as Python that can be run again: magics resolved, one statement at a time."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from dis import get_instructions
from functools import cached_property, lru_cache
from types import CodeType

RUNS_ITS_BODY = frozenset({"capture", "prun", "time"})
"""Magics that run the Python in their cell or line, so that it binds names in the notebook."""


@dataclass(frozen=True)
class Statement:
    """One top-level statement of a cell, compiled without its assertions."""

    code: CodeType
    makes: frozenset[str]
    """The names to which it gives a value that does not depend on their old one."""
    touches: frozenset[str]
    """The names that it binds, stores into, passes as `out`, or calls an in-place method of."""


@dataclass(frozen=True)
class ParsedCell:
    """A cell: its `source` in the notebook and its statements. A cell that is not Python has none.

    `edited` is its tree if that was changed after parsing, as where a mistake is repaired to see whether it was the only one.
    """

    source: str
    statements: tuple[Statement, ...]
    edited: ast.Module | None = None

    @property
    def code(self) -> str:
        """The Python of the cell, with the changes of its tree."""
        return self.source if self.edited is None else ast.unparse(self.edited)

    @cached_property
    def reads(self) -> frozenset[str]:
        """All global names that the cell mentions, in functions and comprehensions too."""
        return frozenset().union(*(names_in(statement.code) for statement in self.statements))

    @property
    def lost(self) -> list[str]:
        """The expressions in it whose value is computed and then lost, as code."""
        nodes = nodes_in(self.source)
        return [ast.unparse(node.value) for node in nodes if isinstance(node, ast.Expr) and _is_lost(node.value)]

    @cached_property
    def deletes(self) -> frozenset[str]:
        """The names that it deletes."""
        nodes = nodes_in(self.source)
        return frozenset(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del))

    @cached_property
    def touches(self) -> frozenset[str]:
        """The names that its statements bind or change."""
        return frozenset().union(*(statement.touches for statement in self.statements))


@lru_cache(maxsize=512)
def parse_cell(source: str) -> ParsedCell:
    """The cell with this source, as typed in the notebook. It is parsed once for each source."""
    try:
        return replace(from_tree(source, parse_tree(source)), edited=None)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ParsedCell(source, ())


def parse_tree(source: str) -> ast.Module:
    """The tree of a cell, with magics resolved. Raises SyntaxError or ValueError, and no other error, if it is not Python.

    The tree is cached: copy it before you change it.
    """
    found = _tree_or_error(source)
    if isinstance(found, ast.Module):
        return found
    raise type(found)(*found.args)  # the cached one would keep the frames, and other libraries change how `copy` makes errors


@lru_cache(maxsize=512)
def _tree_or_error(source: str) -> ast.Module | SyntaxError | ValueError:
    """The tree of a cell, or why there is none: to find that out may take as long.

    Python has other errors for what is too deep, and IPython one for more than some hundred magics, and who knows what else.
    """
    from IPython.core.inputtransformer2 import TransformerManager  # here, since it takes long to import

    try:
        resolved = _Magics().visit(ast.parse(TransformerManager().transform_cell(source)))
    except (SyntaxError, ValueError) as error:
        return error.with_traceback(None)
    except Exception as error:
        return ValueError(f"{type(error).__name__}: {error}")
    assert isinstance(resolved, ast.Module)
    return ast.fix_missing_locations(resolved)


@lru_cache(maxsize=512)
def with_assertions(code: str) -> tuple[CodeType, ...]:
    """The statements of Python code, each compiled with its assertions: a method may check what it gets."""
    return tuple(compile(ast.Module([node], []), "<your cell>", "exec") for node in parse_tree(code).body)


@lru_cache(maxsize=512)
def nodes_in(source: str) -> tuple[ast.AST, ...]:
    """All parts of the tree of a cell, which is the first; none of what is not Python. Copy them before you change them."""
    try:
        return (*ast.walk(parse_tree(source)),)
    except (SyntaxError, ValueError):
        return ()


def is_python(source: str) -> bool:
    """Whether a cell, or a part of one, is Python without the rest."""
    try:
        parse_tree(source)
    except (SyntaxError, ValueError):
        return False
    return True


def from_tree(source: str, tree: ast.Module, compiled: Mapping[ast.stmt, Statement] | None = None) -> ParsedCell:
    """The cell that this tree is, which need not be that of the `source`. Some of its statements may be `compiled` already."""
    known = compiled or {}
    return ParsedCell(source, tuple(known.get(node) or statement(node) for node in tree.body), tree)


@lru_cache(maxsize=4096)
def names_in(code: CodeType) -> frozenset[str]:
    """All global names that a code object mentions, in functions and comprehensions inside it too."""
    inner = (names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    named = (step.argval for step in get_instructions(code) if step.opname.endswith(("_NAME", "_GLOBAL", "_GLOBALS")))
    return frozenset(named).union(*inner)


def numbers_in(source: str) -> list[float]:
    """The numbers that are written into a cell, in their order; none of what is not Python."""
    constants = [node.value for node in nodes_in(source) if isinstance(node, ast.Constant)]
    return [constant for constant in constants if isinstance(constant, int | float)]


def mentioned(node: ast.AST) -> set[str]:
    """All names that stand in a part of a tree, read or bound."""
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def read_in(node: ast.AST) -> set[str]:
    """All names that a part of a tree reads, whether it binds them or not."""
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load)}


def bound(node: ast.stmt) -> frozenset[str]:
    """The names that a definition or an import binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    return frozenset({node.name}) if isinstance(node, ast.FunctionDef | ast.ClassDef) else frozenset()


def made(node: ast.stmt) -> set[str]:
    """The names to which a statement gives a value that does not depend on their old one."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    names = [child for child in _own(node) if isinstance(child, ast.Name)]
    stored = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    changed = {
        child.target.id for child in ast.walk(node) if isinstance(child, ast.AugAssign) and isinstance(child.target, ast.Name)
    }
    return stored - read - changed


def touched(node: ast.stmt) -> frozenset[str]:
    """The names that a statement, also in a function, binds, stores into, passes as `out`, or calls an in-place method of."""
    return frozenset(name for child in _own(node) for name in _touched(child))


def overwriting_line(source: str, name: str, before: int) -> int | None:
    """The line of a cell that gives a name a value before the line `before`, the last of them; None where there is none.

    None too where the line `before` is inside of a loop over the name.
    """
    nodes = nodes_in(source)
    loops = [node for node in nodes if isinstance(node, ast.For) and name in mentioned(node.target)]
    if any(loop.lineno <= before <= (loop.end_lineno or 0) for loop in loops):
        return None
    stored = [node for node in nodes if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)]
    return max((node.lineno for node in stored if node.lineno < before), default=None)


def going_on(tree: ast.AST) -> frozenset[str]:
    """The names that a cell changes, as by `+=`, before it gives them a value: it goes on from those of the notebook."""
    bound, found = set[str](), set[str]()
    for node in _in_order(tree):
        if isinstance(node, ast.AugAssign):
            found |= {*_owner(node.target)} - bound
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return frozenset(found)


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes in the order of the code."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)


def statement(node: ast.stmt) -> Statement:
    """A statement of a cell, compiled."""
    code = compile(ast.Module([node], []), "<your cell>", "exec", optimize=1)  # without assertions
    return Statement(code, frozenset(made(node)), touched(node) & names_in(code))


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a statement, in no order, but for the names that a comprehension or a class has to itself."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        children = ast.iter_child_nodes(each)
        if isinstance(each, ast.comprehension):
            waiting += (child for child in children if child is not each.target)
        elif isinstance(each, ast.ClassDef):
            waiting += (child for child in children if child not in each.body)
        else:
            waiting += children


class _Magics(ast.NodeTransformer):
    """Puts the Python that a magic runs in its place; any other magic or shell command becomes None."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        call = _magic(node.value)
        if call is None:
            return self.generic_visit(node)
        words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        if not words or words[0] not in RUNS_ITS_BODY:
            return ast.copy_location(ast.Pass(), node)
        below = isinstance(call.func, ast.Attribute) and call.func.attr == "run_cell_magic"
        body = deepcopy(parse_tree(str(words[-1]))).body  # as it is cached, and its lines are counted from those of the cell
        for each in body:
            ast.increment_lineno(each, node.lineno - (not below))
        return [*body] or ast.copy_location(ast.Pass(), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self.generic_visit(node) if _magic(node) is None else ast.copy_location(ast.Constant(None), node)


def _magic(node: ast.AST) -> ast.Call | None:
    """The call by which IPython runs a magic or a shell command, if the node is one."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")))):
            return node
    return None


def _is_lost(value: ast.expr) -> bool:
    """Whether an expression on a line of its own has no effect: arithmetic, or a method such as `add`, which has an `add_`."""
    match value:
        case ast.BinOp() | ast.UnaryOp(op=ast.UAdd() | ast.USub()):
            return True
        case ast.Call(func=ast.Attribute(attr=method)):
            from torch import Tensor  # here, since it takes long to import

            return hasattr(Tensor, f"{method}_")
    return False


def _touched(node: ast.AST) -> Iterator[str]:
    """The names that this node itself binds, stores into, passes as `out`, or calls an in-place method of."""
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
    """The name at the root of attributes and subscripts, as `x` in `x.grad[0]`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
