"""Mutation operators: small changes to Python code that make a right gradient wrong, or a wrong one right.

A table of the operators, then all code that is one change away from some code.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import TypeVar

FACTORS, CONSTANTS, AXES, PARTS = "*", "1", ":", "()"
"""The alternatives under these names are what a product may lack, what a number may be, all axes, if more than two, and the
parts of lines."""

Alternatives = Mapping[str, Sequence[str]]
"""For a name in the code, what else may stand in its place, as code."""

REDUCTIONS = frozenset({"amax", "argmax", "cumsum", "log_softmax", "max", "mean", "min", "softmax", "std", "sum", "var"})
"""Calls that go along an axis, as methods or as functions of torch."""
ALONG = REDUCTIONS | {"flip", "index_select", "squeeze", "unbind", "unsqueeze"}
"""These, and others that take an axis as a plain number."""
SUMS = {"sum": "mean", "mean": "sum"}
OVERWRITING = {"index_add_": "index_copy_", "index_copy_": "index_add_", "scatter_add_": "scatter_", "scatter_": "scatter_add_"}
FUNCTIONS = {"tanh": "sigmoid", "sigmoid": "tanh", "log": "exp", "exp": "log", "sqrt": "square", "square": "sqrt"}
FUNCTIONS |= {"softmax": "log_softmax", "log_softmax": "softmax"}
UNEVEN = frozenset({"exp", "logsigmoid", "relu", "sigmoid", "silu", "softplus"})
"""Functions that make something else than another sign of a number with another sign."""
NUMBERS = (2.0, 0.5, -1.0)
"""What a number is multiplied by to get a wrong one."""


class Operator(StrEnum):
    """What is changed; the value says so."""

    SIGN = "flip a sign"
    TERM = "drop a term"
    FACTOR = "drop a factor"
    OPERATION = "multiply for divide"
    ADDED = "add for multiply"
    PRODUCT = "matrix product for product"
    OUTER = "matrix product for outer product"
    POWER = "change a power"
    NUMBER = "change a number"
    AXIS = "change an axis"
    MORE_AXES = "add an axis"
    FEWER_AXES = "leave out an axis"
    KEEPDIM = "drop or add keepdim"
    MEAN = "mean for sum"
    UNSUMMED = "drop a sum"
    SUMMED = "add a sum"
    TRANSPOSE = "transpose"
    FLATTEN = "flatten the first two axes"
    SWAP = "transpose the last two axes"
    BRANCHES = "swap the branches"
    ORDER = "swap the operands of a matrix product"
    BESSEL = "n for n - 1"
    NAME = "use another tensor"
    OVERWRITE = "overwrite for accumulate"
    STATEMENT = "drop a statement"
    ROWS = "leave out rows"
    SUMS = "product of sums"
    FUNCTION = "use another function"
    BRACKETS = "move brackets"
    LETTERS = "change a letter of einsum"
    ROUNDS = "overwrite in each round of a loop"
    MADE_ANEW = "make anew in each round of a loop"
    DONE_AGAIN = "do again in each round of a loop"
    EVERY_ROW = "index every row"
    INDEX = "use another index of a loop"
    COPY = "write into a copy"
    UNSHIFTED = "the same slice in each round of a loop"
    BLOCKS = "a slice that moves on by one"
    RESHAPE = "reshape for transpose"
    ROW_SUM = "forget the sum of a softmax"
    PART = "use a part of an expression"
    EXTRA = "add a factor"


Node = TypeVar("Node", bound=ast.AST)

Rewrite = Callable[[ast.AST, ast.AST, Alternatives], Iterator[ast.AST]]
"""What may stand in the place of a node, given the node, its parent and the alternatives. It must not change the node."""


def _sign(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(parent, ast.keyword) and not _is_an_axis(
            node, parent
        ):
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
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch" | "F"), attr=name) as func, args=[given]) if name in UNEVEN:
            yield ast.Call(func, [ast.UnaryOp(ast.USub(), given)], node.keywords)
        case ast.Call(func=ast.Attribute(value=given, attr=name), args=[]) if name in UNEVEN:
            yield ast.Call(ast.Attribute(ast.UnaryOp(ast.USub(), given), name, ast.Load()), [], node.keywords)


def _is_an_axis(node: ast.AST, parent: ast.AST) -> bool:
    """Whether a negative number counts axes or entries from the end: its minus is no sign."""
    return isinstance(parent, ast.Call | ast.Subscript | ast.Slice | ast.Tuple) and isinstance(node.operand, ast.Constant)  # type: ignore[attr-defined]


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


def _branches(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=ast.Attribute(attr="where"), args=[condition, one, other]):
            yield ast.Call(node.func, [condition, other, one], [])
        case ast.IfExp(test=test, body=one, orelse=other):
            yield ast.IfExp(test, other, one)


def _added(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(op=ast.Add(), right=ast.Constant(value=1)):
            return  # to multiply by it is to leave it out
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield ast.BinOp(left, ast.Mult(), right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield ast.BinOp(left, ast.Add(), right)
        case ast.AugAssign(target=target, op=ast.Add(), value=value):
            yield ast.AugAssign(target, ast.Mult(), value)
        case ast.AugAssign(target=target, op=ast.Mult(), value=value):
            yield ast.AugAssign(target, ast.Add(), value)


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


def _outer(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield ast.Call(ast.Attribute(ast.Name("torch", ast.Load()), "outer", ast.Load()), [left, right], [])


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
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str())]), _:
            yield ast.Constant(0.0)
        case ast.Constant(value=float()), ast.UnaryOp(op=ast.USub()):  # whole numbers may count axes from the end
            yield from (ast.parse(other, mode="eval").body for other in alternatives.get(CONSTANTS, ()))


def other_axes(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    yield from _axes_of(node, parent, alternatives, lambda axes, other: len(other) == len(axes) and other != axes)


def _more_axes(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    yield from _axes_of(node, parent, alternatives, lambda axes, other: axes < other)


def _fewer_axes(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    yield from _axes_of(node, parent, alternatives, lambda axes, other: other < axes)
    match node:
        case ast.Call(func=ast.Attribute(attr="sum" | "mean") as func, args=[], keywords=[]):  # along all axes
            keepdim = ast.keyword("keepdim", ast.Constant(True))
            yield from (ast.Call(func, [ast.Constant(axis)], [keepdim]) for axis in range(most_axes(alternatives)))


def _axes_of(
    node: ast.AST, parent: ast.AST, alternatives: Alternatives, fits: Callable[[frozenset[int], frozenset[int]], bool]
) -> Iterator[ast.AST]:
    """Other axes in the place of some: those that fit, the fewest first."""
    most = most_axes(alternatives)
    found = _axes(node, parent)
    if found is None or (isinstance(found, tuple) and not found):
        return
    axes = frozenset(axis % most for axis in (found if isinstance(found, tuple) else (found,)))
    for count in range(1, most + 1):
        for other in combinations(range(most), count):
            if fits(axes, frozenset(other)):
                yield _literal(other if count > 1 else other[0])


def most_axes(alternatives: Alternatives) -> int:
    return max(2, len(alternatives.get(AXES, ())))


def _axes(node: ast.AST, parent: ast.AST) -> int | tuple[int, ...] | None:
    """The axis or the axes that a node is, of a sum or of something like it; None where it is something else."""
    match parent:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in ALONG:
            pass
        case ast.keyword(arg="dim" | "axis"):
            pass
        case _:
            return None
    try:
        value = ast.literal_eval(node)
    except (TypeError, ValueError):
        return None
    if type(value) is int:
        return value
    return tuple(value) if isinstance(value, tuple | list) and all(type(axis) is int for axis in value) else None


def _literal(value: int | tuple[int, ...]) -> ast.expr:
    return ast.parse(repr(value), mode="eval").body


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
        case ast.BinOp(op=ast.MatMult()) as product, ast.Assign() if most_axes(alternatives) > 2:
            yield ast.Call(ast.Attribute(product, "sum", ast.Load()), [ast.Constant(0)], [])
            return
        case ast.BinOp(op=ast.Mult()), ast.BinOp() | ast.Assign():
            pass
        case ast.Name(id=name, ctx=ast.Load()), ast.BinOp(op=ast.Add() | ast.Sub()) if name in alternatives:
            pass
        case _:
            return
    assert isinstance(node, ast.expr)
    for axis in range(most_axes(alternatives)):
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


def _flatten(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    """A matrix product of tensors with three axes whose first two are made one."""
    match node:
        case (
            ast.BinOp(left=left, op=ast.MatMult(), right=right)
            | ast.Call(func=ast.Attribute(attr="matmul" | "mm"), args=[left, right])
        ) if most_axes(alternatives) > 2 and not _keeps_first(left) and (turned := _turned(left)) is not None:
            for one, other in ((_flat(turned), _flat(right)), (turned, _flat(right)), (_flat(turned), right)):
                yield ast.BinOp(ast.Attribute(one, "T", ast.Load()), ast.MatMult(), other)


def _swap(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    """A transpose of the last two axes alone, or none."""
    if most_axes(alternatives) == 2 or not isinstance(node, ast.expr):
        return
    match node, parent:
        case ast.Attribute(value=value, attr="mT"), _:
            yield value
        case ast.Name(ctx=ast.Load()), ast.BinOp(op=ast.MatMult()):
            yield ast.Attribute(node, "mT", ast.Load())
        case _ if (turned := _turned(node)) is not None:
            yield from (ast.Attribute(turned, "mT", ast.Load()), turned)


def _turned(node: ast.expr) -> ast.expr | None:
    """What is transposed in a node, but by `.mT`; None where nothing is."""
    match node:
        case ast.Attribute(value=value, attr="T") | ast.Call(func=ast.Attribute(value=value, attr="t"), args=[]):
            return value
        case ast.Call(func=ast.Attribute(value=value, attr="permute" | "transpose")):
            return value
    return None


def _keeps_first(node: ast.expr) -> bool:
    """Whether a tensor has its last two axes exchanged, and its first one where it was."""
    match node:
        case ast.Attribute(attr="mT"):
            return True
        case ast.Call(func=ast.Attribute(attr="transpose"), args=[*axes]):
            return {ast.unparse(axis) for axis in axes} in ({"1", "2"}, {"-1", "-2"})
    return False


def _flat(tensor: ast.expr) -> ast.expr:
    """A tensor with its first two axes as one."""
    return ast.Call(ast.Attribute(tensor, "flatten", ast.Load()), [ast.Constant(0), ast.Constant(1)], [])


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
        case ast.keyword(arg="unbiased", value=ast.Constant(value=bool() as value)), _:
            yield ast.keyword("unbiased", ast.Constant(not value))


def another_name(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            yield from (ast.parse(other, mode="eval").body for other in alternatives.get(name, ()))


def overwrite(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
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


def _letters(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """The letters of `einsum` with another in one place, with one more behind the arrow, or with one less there."""
    match node, parent:
        case ast.Constant(value=str(spec)), ast.Call(func=ast.Attribute(attr="einsum")) if spec.count("->") == 1:
            operands, arrow, kept = spec.replace(" ", "").partition("->")
            letters = sorted({*filter(str.isalpha, operands)})
            whole = f"{operands}{arrow}{kept}"
            for place, old in enumerate(whole):
                for letter in letters if old.isalpha() else ():
                    other = f"{whole[:place]}{letter}{whole[place + 1 :]}"
                    if letter != old and {*other.partition(arrow)[2]} <= {*other.partition(arrow)[0]}:
                        yield ast.Constant(other)
            for letter in letters:
                if letter not in kept:
                    yield from (ast.Constant(f"{operands}->{kept[:at]}{letter}{kept[at:]}") for at in range(len(kept) + 1))
            yield from (ast.Constant(f"{operands}->{kept.replace(letter, '')}") for letter in kept)
            for one, other in combinations(kept, 2):
                swapped = kept.translate({ord(one): other, ord(other): one})
                yield ast.Constant(f"{operands}->{swapped}")


def _function(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Attribute(value=value, attr=name) if name in FUNCTIONS and isinstance(parent, ast.Call):
            yield ast.Attribute(value, FUNCTIONS[name], ast.Load())
        case (
            ast.Call(func=ast.Attribute(value=ast.Name(id="torch" | "F"), attr=name), args=[given, *_])
            | ast.Call(func=ast.Attribute(value=given, attr=name))
        ) if name in FUNCTIONS:
            yield given


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
        factors = (ast.parse(factor, mode="eval").body for factor in alternatives.get(FACTORS, ()))
        yield from (ast.BinOp(node, ast.Mult(), factor) for factor in factors)


OPERATORS: tuple[tuple[Operator, Rewrite], ...] = (
    (Operator.SIGN, _sign),
    (Operator.AXIS, other_axes),
    (Operator.MORE_AXES, _more_axes),
    (Operator.FEWER_AXES, _fewer_axes),
    (Operator.MEAN, _mean),
    (Operator.KEEPDIM, _keepdim),
    (Operator.TRANSPOSE, _transpose),
    (Operator.FLATTEN, _flatten),
    (Operator.SWAP, _swap),
    (Operator.SUMS, _sums),
    (Operator.BESSEL, _bessel),
    (Operator.OPERATION, _operation),
    (Operator.BRANCHES, _branches),
    (Operator.ADDED, _added),
    (Operator.POWER, _power),
    (Operator.OVERWRITE, overwrite),
    (Operator.NAME, another_name),
    (Operator.FACTOR, _factor),
    (Operator.NUMBER, _number),
    (Operator.TERM, _term),
    (Operator.BRACKETS, _brackets),
    (Operator.FUNCTION, _function),
    (Operator.UNSUMMED, _unsummed),
    (Operator.SUMMED, _summed),
    (Operator.PRODUCT, _product),
    (Operator.OUTER, _outer),
    (Operator.ORDER, _order),
    (Operator.STATEMENT, _statement),
    (Operator.ROWS, _rows),
    (Operator.LETTERS, _letters),
    (Operator.EXTRA, _extra),
)
"""In the order in which mistakes are looked for: the most frequent ones come first, and the one with many candidates last."""


EVERYWHERE = (Operator.AXIS, Operator.MORE_AXES, Operator.FEWER_AXES)
"""Operators that are also applied in all places at once, after the last of them."""


def _loaded(target: ast.expr) -> ast.expr:
    """What is assigned to, as code that reads it."""
    loaded = deepcopy(target)
    for node in ast.walk(loaded):
        if isinstance(node, ast.Name | ast.Subscript | ast.Attribute):
            node.ctx = ast.Load()
    return loaded


def _upright(factor: ast.expr) -> ast.expr:
    """A factor of a matrix product without its transpose."""
    return factor.value if isinstance(factor, ast.Attribute) and factor.attr == "T" else factor


FRAGMENTS = (ast.Constant, ast.Tuple, ast.List, ast.Name, ast.keyword, ast.Attribute, ast.operator)
"""Nodes that say little in a sentence without the code around them."""


def _is_fragment(node: ast.AST) -> bool:
    return isinstance(node, FRAGMENTS) or (isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant))


@dataclass(frozen=True)
class Mutant:
    """Code with one change: the changed part before and after, the code around it (`place`), and the whole tree.

    If it was made in several places, `place` is the first of them.
    """

    operator: Operator
    before: str
    after: str
    place: str
    tree: ast.Module
    is_repeated: bool = False

    @property
    def source(self) -> str:
        return ast.unparse(self.tree)


def mutants(
    tree: ast.Module, alternatives: Alternatives, operators: Sequence[tuple[Operator, Rewrite]] = OPERATORS
) -> Iterator[Mutant]:
    """All code that is one change away, in the order of the table; after those of axes and names, one made in every place.

    Their trees share nodes with this one: neither may be changed.
    """
    for operator, rewrite in operators:
        yield from changed(tree, operator, rewrite, alternatives)
        if operator is EVERYWHERE[-1]:
            for each, everywhere in operators:
                if each in EVERYWHERE:
                    yield from _everywhere(tree, each, everywhere, alternatives)
        if operator is Operator.NAME:
            for name, other in repeated(tree, alternatives):
                yield Mutant(operator, name, other, ast.unparse(tree), renamed(tree, name, other))


def shorter(tree: ast.Module) -> Iterator[Mutant]:
    """All code with one term less."""
    return changed(tree, Operator.TERM, _term, {})


def repeated(tree: ast.AST, alternatives: Alternatives) -> Iterator[tuple[str, str]]:
    """The names that are read more than once, each with every other that may stand in its place."""
    used = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    yield from ((name, other) for name, count in used.items() if count > 1 for other in alternatives.get(name, ()))


def changed(tree: ast.Module, operator: Operator, rewrite: Rewrite, alternatives: Alternatives) -> Iterator[Mutant]:
    """The tree with a change made in one place."""
    for above, _, _, node in positions(tree, ()):
        for other in rewrite(node, above[-1], alternatives):
            place = next(each for each in (node, *reversed(above)) if not _is_fragment(each))
            changed = with_other(above, node, other)
            yield Mutant(operator, ast.unparse(node), ast.unparse(other), ast.unparse(place), changed)


def positions(node: ast.AST, above: tuple[ast.AST, ...]) -> Iterator[tuple[tuple[ast.AST, ...], str, int | None, ast.AST]]:
    """All nodes below this one in the order of the code, each with the nodes above it, the field and the index in that."""
    above = (*above, node)
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield above, field, index, child
                yield from positions(child, above)


def with_other(above: tuple[ast.AST, ...], old: ast.AST, other: ast.AST) -> ast.Module:
    """The tree with another node in the place of one. The nodes `above` it are copies, and all others are the same objects."""
    changed = ast.fix_missing_locations(other if hasattr(other, "lineno") else ast.copy_location(other, old))
    for parent in reversed(above):
        outer = copy(parent)
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(outer, name, changed)
            elif isinstance(value, list) and any(each is old for each in value):
                setattr(outer, name, [changed if each is old else each for each in value])
        old, changed = parent, outer
    assert isinstance(changed, ast.Module)
    return changed


def renamed(tree: Node, name: str, other: str) -> Node:
    """The tree with another name in every place that reads one."""
    changed = deepcopy(tree)
    for node in ast.walk(changed):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            node.id = other
    return changed


def _everywhere(tree: ast.Module, operator: Operator, rewrite: Rewrite, alternatives: Alternatives) -> Iterator[Mutant]:
    """The tree with a change made in every place where it can be, or in every one with the same code, if there are several."""
    places = list(positions(tree, ()))
    others = ([*rewrite(node, above[-1], alternatives)] for above, _, _, node in places)
    changes = {number: found for number, found in enumerate(others) if found}
    alike = defaultdict[str, list[int]](list)
    for number in changes:
        alike[ast.dump(places[number][3])].append(number)
    for group in dict.fromkeys(map(tuple, ([*changes], *alike.values()))):
        for choice in range(max(len(changes[number]) for number in group) if len(group) > 1 else 0):
            changed = deepcopy(tree)
            copies = list(positions(changed, ()))
            for number in group:
                above, field, index, _ = copies[number]
                _put(above[-1], field, index, deepcopy(changes[number][min(choice, len(changes[number]) - 1)]))
            above, _, _, node = places[group[0]]
            place = next(each for each in (node, *reversed(above)) if not _is_fragment(each))
            after = ast.unparse(changes[group[0]][min(choice, len(changes[group[0]]) - 1)])
            yield Mutant(
                operator, ast.unparse(node), after, ast.unparse(place), ast.fix_missing_locations(changed), is_repeated=True
            )


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node
