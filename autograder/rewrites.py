"""Small changes to Python code that make a right gradient wrong, or a wrong one right: a table."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from enum import StrEnum

FACTORS, CONSTANTS = "*", "1"
"""The alternatives under these names are what a product may lack, and what a number may be."""

Alternatives = Mapping[str, Sequence[str]]
"""For a name in the code, what else may stand in its place, as code."""

REDUCTIONS = frozenset({"amax", "argmax", "cumsum", "log_softmax", "max", "mean", "min", "softmax", "std", "sum", "var"})
"""Calls that go along an axis, as methods or as functions of torch."""
SUMS = {"sum": "mean", "mean": "sum"}
OVERWRITING = {"index_add_": "index_copy_", "index_copy_": "index_add_", "scatter_add_": "scatter_", "scatter_": "scatter_add_"}
FUNCTIONS = {"tanh": "sigmoid", "sigmoid": "tanh", "log": "exp", "exp": "log", "sqrt": "square", "square": "sqrt"}
NUMBERS = (2.0, 0.5, -1.0)
"""What a number is multiplied by to get a wrong one."""


class Change(StrEnum):
    """What is changed; the value says so."""

    SIGN = "flip a sign"
    TERM = "drop a term"
    FACTOR = "drop a factor"
    OPERATION = "multiply for divide"
    ADDED = "add for multiply"
    PRODUCT = "matrix product for product"
    POWER = "change a power"
    NUMBER = "change a number"
    AXIS = "change an axis"
    KEEPDIM = "drop or add keepdim"
    MEAN = "mean for sum"
    UNSUMMED = "drop a sum"
    SUMMED = "add a sum"
    TRANSPOSE = "transpose"
    ORDER = "swap the operands of a matrix product"
    BESSEL = "n for n - 1"
    NAME = "use another tensor"
    OVERWRITE = "overwrite for accumulate"
    STATEMENT = "drop a statement"
    ROWS = "leave out rows"
    SUMS = "product of sums"
    FUNCTION = "use another function"
    BRACKETS = "move brackets"
    EXTRA = "add a factor"


Rewrite = Callable[[ast.AST, ast.AST, Alternatives], Iterator[ast.AST]]


def _sign(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(parent, ast.keyword):
            yield operand
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield ast.BinOp(left, ast.Add(), right)
        case ast.AugAssign(target=target, op=ast.Add(), value=value):
            yield ast.AugAssign(target, ast.Sub(), value)
        case ast.AugAssign(target=target, op=ast.Sub(), value=value):
            yield ast.AugAssign(target, ast.Add(), value)
        case ast.Assign(targets=targets, value=value) if not isinstance(value, ast.UnaryOp | ast.Constant | ast.Tuple):
            yield ast.Assign(targets, ast.UnaryOp(ast.USub(), value))


def _term(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from (left, right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right) if not isinstance(right, ast.Constant):
            yield from (left, ast.UnaryOp(ast.USub(), right))


def _factor(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield from (left, right)
        case ast.BinOp(left=left, op=ast.Div()):
            yield left
        case ast.AugAssign(target=target, op=ast.Mult() | ast.Div()):
            yield ast.Assign([target], _loaded(target))


def _operation(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield ast.BinOp(left, ast.Div(), right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            yield ast.BinOp(left, ast.Mult(), right)


def _added(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield ast.BinOp(left, ast.Mult(), right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield ast.BinOp(left, ast.Add(), right)


def _product(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield ast.BinOp(left, ast.MatMult(), right)
            yield ast.BinOp(ast.Attribute(left, "T", ast.Load()), ast.MatMult(), right)
            yield ast.BinOp(left, ast.MatMult(), ast.Attribute(right, "T", ast.Load()))
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield ast.BinOp(_upright(left), ast.Mult(), _upright(right))
        case ast.Call(func=ast.Attribute(attr="matmul" | "mm"), args=[left, right]):
            yield ast.BinOp(_upright(left), ast.Mult(), _upright(right))


def _power(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            yield left
            try:
                power = ast.literal_eval(right)
            except ValueError:  # not a number
                return
            yield from (ast.BinOp(left, ast.Pow(), ast.Constant(other)) for other in (power + 1, power - 1, -power))
        case ast.BinOp(left=ast.Name() as left, op=ast.Mult(), right=ast.Constant(value=2) as right):
            yield ast.BinOp(left, ast.Pow(), right)
        case ast.Name(ctx=ast.Load()) if isinstance(parent, ast.BinOp) and not isinstance(parent.op, ast.Pow | ast.MatMult):
            yield ast.BinOp(node, ast.Pow(), ast.Constant(2))


def _number(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    match node, parent:
        case ast.Constant(value=int() | float() as value), (
            ast.BinOp(op=ast.Mult() | ast.Div() | ast.Add() | ast.Sub()) | ast.AugAssign()
        ):
            yield from (ast.Constant(value * number) for number in NUMBERS if value)
            yield from (ast.parse(other, mode="eval").body for other in alternatives.get(CONSTANTS, ()))


def other_axes(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """The other axis, where a node is the axis of a sum or of something like it."""
    match node, parent:
        case ast.Constant(value=int() as axis), (
            ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) | ast.keyword(arg="dim" | "axis" as name)
        ) if name in REDUCTIONS | {"dim", "axis"} and type(axis) is int:
            yield ast.Constant(1 if axis == 0 else 0)


def _keepdim(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=ast.Attribute(attr=name), args=args, keywords=keywords) if name in REDUCTIONS:
            rest = [keyword for keyword in keywords if keyword.arg not in {"keepdim", "keepdims"}]
            if len(rest) < len(keywords):
                yield ast.Call(node.func, args, rest)
            elif args or keywords:
                yield ast.Call(node.func, args, [*keywords, ast.keyword("keepdim", ast.Constant(True))])


def _mean(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Attribute(value=value, attr=name) if name in SUMS and isinstance(parent, ast.Call):
            yield ast.Attribute(value, SUMS[name], ast.Load())


def _unsummed(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="sum" | "mean"), args=[summed, *_]):
            yield summed
        case ast.Call(func=ast.Attribute(value=summed, attr="sum" | "mean")):
            yield summed


def _summed(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    match node, parent:
        case ast.BinOp(op=ast.Mult()), ast.BinOp() | ast.Assign():
            pass
        case ast.Name(id=name, ctx=ast.Load()), ast.BinOp(op=ast.Add() | ast.Sub()) if name in alternatives:
            pass
        case _:
            return
    assert isinstance(node, ast.expr)
    for axis in (0, 1):
        keepdim = ast.keyword("keepdim", ast.Constant(True))
        yield ast.Call(ast.Attribute(node, "sum", ast.Load()), [ast.Constant(axis)], [keepdim])


def _transpose(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node, parent:
        case ast.Attribute(value=value, attr="T"), _:
            yield value
        case ast.Call(func=ast.Attribute(value=value, attr="t"), args=[]), _:
            yield value
        case ast.Name(ctx=ast.Load()), ast.BinOp(op=ast.MatMult()):
            yield ast.Attribute(node, "T", ast.Load())
        case ast.BinOp(op=ast.MatMult()), _:
            yield ast.Attribute(node, "T", ast.Load())


def _order(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield ast.BinOp(right, ast.MatMult(), left)
        case ast.BinOp(left=left, op=ast.Sub() | ast.Div() as operator, right=right):
            yield ast.BinOp(right, operator, left)


def _bessel(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    match node, parent:
        case ast.BinOp(left=left, op=ast.Sub(), right=ast.Constant(value=1)), _:
            yield left
        case ast.Name(id="n", ctx=ast.Load()), ast.BinOp(op=ast.Mult() | ast.Div()):
            yield ast.BinOp(node, ast.Sub(), ast.Constant(1))


def _name(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            yield from (ast.parse(other, mode="eval").body for other in alternatives.get(name, ()))


def _overwrite(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.AugAssign(target=target, op=ast.Add(), value=value):
            yield ast.Assign([target], value)
        case ast.Assign(targets=[ast.Name() | ast.Subscript() as target], value=value):
            yield ast.AugAssign(target, ast.Add(), value)
        case ast.Attribute(value=value, attr=name) if name in OVERWRITING:
            yield ast.Attribute(value, OVERWRITING[name], ast.Load())
        case ast.keyword(arg="accumulate", value=ast.Constant(value=bool() as value)):
            yield ast.keyword("accumulate", ast.Constant(not value))


def _statement(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.AugAssign() | ast.Assign(targets=[ast.Subscript()]):
            yield ast.Pass()


def _rows(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=ast.Name(id="range"), args=[count]):
            yield ast.Call(node.func, [ast.BinOp(count, ast.Sub(), ast.Constant(1))], [])
            yield ast.Call(node.func, [ast.Constant(1)], [])


def _sums(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.BinOp(left=left, op=ast.Mult(), right=right), attr="sum"), args=args, keywords=keywords
        ):
            each = [ast.Call(ast.Attribute(factor, "sum", ast.Load()), args, keywords) for factor in (left, right)]
            yield ast.BinOp(each[0], ast.Mult(), each[1])
        case ast.BinOp(
            left=ast.Call(func=ast.Attribute(value=left, attr="sum"), args=args, keywords=keywords),
            op=ast.Mult(),
            right=ast.Call(func=ast.Attribute(value=right, attr="sum")),
        ):
            yield ast.Call(ast.Attribute(ast.BinOp(left, ast.Mult(), right), "sum", ast.Load()), args, keywords)


def _function(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Attribute(value=value, attr=name) if name in FUNCTIONS and isinstance(parent, ast.Call):
            yield ast.Attribute(value, FUNCTIONS[name], ast.Load())


def _brackets(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    yield from _precedence(node)
    match node:
        case ast.BinOp(
            left=left,
            op=ast.Add() | ast.Sub() as sum_,
            right=ast.BinOp(left=middle, op=ast.Mult() | ast.Div() as product, right=right),
        ):
            yield ast.BinOp(ast.BinOp(left, sum_, middle), product, right)
        case ast.BinOp(
            left=ast.BinOp(left=left, op=ast.Mult() | ast.Div() as product, right=middle),
            op=ast.Add() | ast.Sub() as sum_,
            right=right,
        ):
            yield ast.BinOp(left, product, ast.BinOp(middle, sum_, right))
        case ast.BinOp(
            left=ast.BinOp(left=left, op=ast.Add() | ast.Sub() as sum_, right=middle),
            op=ast.Mult() | ast.Div() as product,
            right=right,
        ):
            yield ast.BinOp(left, sum_, ast.BinOp(middle, product, right))
        case ast.BinOp(
            left=left,
            op=ast.Mult() | ast.Div() as product,
            right=ast.BinOp(left=middle, op=ast.Add() | ast.Sub() as sum_, right=right),
        ):
            yield ast.BinOp(ast.BinOp(left, product, middle), sum_, right)


def _precedence(node: ast.AST) -> Iterator[ast.AST]:
    """What binds tighter than was meant: `a / b - 1 * c` for `a / (b - 1) * c`, and `a**-3 / 2` for `a**(-3 / 2)`."""
    match node:
        case ast.BinOp(
            left=ast.BinOp(left=left, op=ast.Mult() | ast.Div() as product, right=middle),
            op=ast.Add() | ast.Sub() as sum_,
            right=ast.BinOp(op=ast.Mult() | ast.Div()) as chain,
        ):
            first = chain
            while isinstance(first.left, ast.BinOp) and isinstance(first.left.op, ast.Mult | ast.Div):
                first = first.left
            changed = deepcopy(chain)
            place = changed
            while isinstance(place.left, ast.BinOp) and isinstance(place.left.op, ast.Mult | ast.Div):
                place = place.left
            place.left = ast.BinOp(left, product, ast.BinOp(middle, sum_, first.left))
            yield changed
        case ast.BinOp(left=ast.BinOp(left=left, op=ast.Pow(), right=middle), op=ast.Div(), right=right):
            yield ast.BinOp(left, ast.Pow(), ast.BinOp(middle, ast.Div(), right))
        case ast.BinOp(
            left=ast.BinOp(left=first, op=ast.Mult(), right=ast.BinOp(left=left, op=ast.Pow(), right=middle)),
            op=ast.Div(),
            right=right,
        ):
            yield ast.BinOp(first, ast.Mult(), ast.BinOp(left, ast.Pow(), ast.BinOp(middle, ast.Div(), right)))


def _extra(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    match node, parent:
        case ast.expr(), ast.Assign(value=value) | ast.AugAssign(value=value) if value is node:
            pass
        case ast.expr(), ast.BinOp(op=ast.Add() | ast.Sub()):
            pass
        case ((ast.BinOp() | ast.Name(ctx=ast.Load())), ast.Attribute(attr="sum")):
            pass
        case _:
            return
    if not isinstance(node, ast.Constant | ast.Tuple):
        yield from (ast.BinOp(node, ast.Mult(), ast.Name(name, ast.Load())) for name in alternatives.get(FACTORS, ()))


REWRITES: tuple[tuple[Change, Rewrite], ...] = (
    (Change.SIGN, _sign),
    (Change.AXIS, other_axes),
    (Change.MEAN, _mean),
    (Change.KEEPDIM, _keepdim),
    (Change.TRANSPOSE, _transpose),
    (Change.SUMS, _sums),
    (Change.BESSEL, _bessel),
    (Change.OPERATION, _operation),
    (Change.ADDED, _added),
    (Change.POWER, _power),
    (Change.OVERWRITE, _overwrite),
    (Change.NAME, _name),
    (Change.FACTOR, _factor),
    (Change.NUMBER, _number),
    (Change.TERM, _term),
    (Change.BRACKETS, _brackets),
    (Change.FUNCTION, _function),
    (Change.UNSUMMED, _unsummed),
    (Change.SUMMED, _summed),
    (Change.EXTRA, _extra),
    (Change.PRODUCT, _product),
    (Change.ORDER, _order),
    (Change.STATEMENT, _statement),
    (Change.ROWS, _rows),
)
"""In the order in which a mistake is looked for: what is made most often first."""


def _loaded(target: ast.expr) -> ast.expr:
    copy = deepcopy(target)
    for node in ast.walk(copy):
        if isinstance(node, ast.Name | ast.Subscript | ast.Attribute):
            node.ctx = ast.Load()
    return copy


def _upright(factor: ast.expr) -> ast.expr:
    """A factor of a matrix product that is not transposed."""
    return factor.value if isinstance(factor, ast.Attribute) and factor.attr == "T" else factor
