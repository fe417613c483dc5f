"""The numbers that an answer may be off by, as code: those that the lines of the forward pass or the answer itself have.

A factor is believed only if somebody could have written it or left it out. A size that happens to have the value is no cause.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

from torch import Tensor

from autograder.tape.tape import State

Numbers = dict[str, float]
"""Values by the code that has them."""

ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: lambda base, power: float(base) ** power,
}
ROWS_AVERAGED = frozenset({"cross_entropy", "nll_loss"})
"""Functions of torch that take a mean over the rows of what they are given first."""
ALL_AVERAGED = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"})
"""Functions of torch that take a mean over all entries."""
NEGATIVE_POWER = re.compile(r"\*\*\((-[\d.]+)\)")
MAX_COUNTED = 4
"""Axes of a tensor of which all choices are looked at."""


def number(node: ast.AST, names: Mapping[str, Any]) -> float | None:
    """The value of code that is a number made from numbers and from the shapes of tensors; None for any other code.

    It is worked out here, and not run: the code may be a student's.
    """
    value = _number(node, names)
    return value if type(value) in (int, float) and math.isfinite(value) else None


def _number(node: ast.AST, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names.get(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = number(operand, names)
            return None if value is None else -value
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in ARITHMETIC:
            one, other = number(left, names), number(right, names)
            try:
                return None if one is None or other is None else ARITHMETIC[type(kind)](one, other)
            except ArithmeticError:
                return None
        case ast.Call(func=ast.Attribute(attr="sqrt"), args=[arg]):
            value = number(arg, names)
            return None if value is None or value < 0 else value**0.5
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="numel"), args=[]):
            value = names.get(name)
            return value.numel() if isinstance(value, Tensor) else None
        case (
            ast.Subscript(value=ast.Attribute(value=ast.Name(id=name), attr="shape"), slice=place)
            | ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="size"), args=[place])
        ):
            value, axis = names.get(name), number(place, {})
            if isinstance(value, Tensor) and type(axis) is int and -value.dim() <= axis < value.dim():
                return value.shape[axis]
        case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]):
            value = names.get(name)
            return len(value) if isinstance(value, Tensor) and value.dim() else None
    return None


def factors(tree: ast.AST, names: Mapping[str, Any]) -> Numbers:
    """The numbers that code multiplies or divides by, and its exponents, whose derivatives are factors."""
    known = dict(names)
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if (bound := number(value, known)) is not None:
                known[name] = bound
    found: Numbers = {}
    for operand in _operands(tree, known):
        factor = number(operand, known)
        if factor is not None and factor not in (-1, 0, 1):
            found.setdefault(_written(operand), factor)
    return found


def _operands(node: ast.AST, names: Mapping[str, Any]) -> Iterator[ast.expr]:
    """What code multiplies or divides by: all factors of a product of numbers, and the product; but not the terms of a sum."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div(), right=right):
            inside = [left, right]
        case ast.BinOp(op=ast.Pow(), right=ast.Constant() as right):
            inside = [right]
        case ast.AugAssign(op=ast.Mult() | ast.Div(), value=right):
            inside = [right]
        case _:
            inside = []
    yield from (each for each in inside if not any(isinstance(part, ast.Div) for part in ast.walk(each)))
    for child in ast.iter_child_nodes(node):
        is_product = isinstance(child, ast.BinOp) and isinstance(child.op, ast.Mult | ast.Div)
        if is_product or number(child, names) is None:
            yield from _operands(child, names)


def counts(shape: Iterable[int], rows: Numbers, called: Mapping[float, str]) -> Iterator[tuple[str, int]]:
    """How many entries there are along one, two, … of the axes of a shape.

    `rows` is the size of the minibatch, by its name, and `called` are names of other sizes.
    """
    sizes = [size for size in shape if size > 1]
    for many in range(1, min(len(sizes), MAX_COUNTED) + 1):
        for chosen in combinations(range(len(sizes)), many):
            yield _counted([sizes[axis] for axis in chosen], 0 in chosen, rows, called)


def averaged(line: ast.AST, state: State, rows: Numbers, called: Mapping[float, str]) -> Numbers:
    """The numbers that the means, variances and losses in a line divide by."""
    found: Numbers = {}
    for node in ast.walk(line):
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=[first, *_]) if name in ROWS_AVERAGED | ALL_AVERAGED:
                shape, axes = _shape(first, state), ([0] if name in ROWS_AVERAGED else None)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="torch"), attr="mean" | "var" | "std" as name), args=[first, *rest]
            ):
                shape, axes = _shape(first, state), _axes(node, rest)
            case ast.Call(func=ast.Attribute(value=operand, attr="mean" | "var" | "std" as name), args=args):
                shape, axes = _shape(operand, state), _axes(node, args)
            case _:
                continue
        if not shape:
            continue
        chosen = {axis % len(shape) for axis in axes} if axes is not None else {*range(len(shape))}
        sizes = [shape[axis] for axis in sorted(chosen) if shape[axis] > 1]
        if sizes:
            code, count = _counted(sizes, 0 in chosen, rows, called)
            found |= {code: count, less_one(code): count - 1} if name in ("var", "std") and count > 2 else {code: count}
    return found


def less_one(code: str) -> str:
    """A count less one, as code."""
    return f"({code.removeprefix('(').removesuffix(')')} - 1)"


def _counted(sizes: list[int], has_rows: bool, rows: Numbers, called: Mapping[float, str]) -> tuple[str, int]:
    """The product of sizes, as code; the first of them may be the rows, or a multiple of these."""
    count = math.prod(sizes)
    for name, size in rows.items():
        if has_rows and size > 1 and sizes[0] % size == 0:
            rest = count // int(size)
            return (name, count) if rest == 1 else (f"({name} * {called.get(rest, rest)})", count)
    return called.get(count, str(count)), count


def _shape(operand: ast.expr, state: State) -> tuple[int, ...]:
    """The shape of a part of a line; () where it is no tensor. The lines are the course's own, so that they may be run."""
    try:
        value = eval(compile(ast.Expression(operand), "<part>", "eval"), {**state})
    except Exception:  # such as a lambda's argument
        return ()
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def _axes(call: ast.Call, args: list[ast.expr]) -> list[int] | None:
    """The axes that a call goes along; None for all of them."""
    given = [*args, *(keyword.value for keyword in call.keywords if keyword.arg in ("dim", "axis"))]
    try:
        value = ast.literal_eval(given[0]) if given else None
    except ValueError:
        return None
    return [value] if type(value) is int else list(value) if isinstance(value, tuple | list) else None


def _written(node: ast.expr) -> str:
    """Code for a place in a product."""
    text = NEGATIVE_POWER.sub(r"**\1", ast.unparse(node).replace(" ** ", "**"))
    return f"({text})" if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow) else text
