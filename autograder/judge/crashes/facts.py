"""What the rows of the table ask of an error: each gives what its blanks are filled with, or None where it does not fit."""

from __future__ import annotations

import ast
import builtins
import re
from importlib import import_module

import torch
from torch import Tensor

from autograder.judge.crashes.crash import Crash, Facts, nearest, shortly
from autograder.replay.parsed import nodes_in

IMPORTS = {
    "F": "import torch.nn.functional as F",
    "np": "import numpy as np",
    "numpy": "import numpy",
    "nn": "from torch import nn",
    "torch": "import torch",
    "math": "import math",
    "random": "import random",
    "plt": "import matplotlib.pyplot as plt",
    "pd": "import pandas as pd",
    "einops": "import einops",
    "time": "import time",
    "Tensor": "from torch import Tensor",
}
"""Modules by the names that people know them by."""


KEYWORDS: tuple[str, ...] = (
    "dim",
    "keepdim",
    "dtype",
    "num_classes",
    "unbiased",
    "correction",
    "index",
    "source",
    "src",
    "generator",
)


KEYWORDS += ("size", "shape", "out", "value", "input", "other", "alpha", "descending", "num_samples", "replacement", "end")


def gradient(crash: Crash, groups: Facts) -> Facts | None:
    """A gradient of the lesson that is not there yet."""
    return {} if groups["name"] in crash.gradients and groups["name"] != crash.answer else None


def stopped(crash: Crash, groups: Facts) -> Facts | None:
    """A gradient that is not there because its cell stopped, or one before it, with the first of them."""
    first = crash.first(groups["name"]) if gradient(crash, groups) is not None else ""
    return {"first": first} if first not in ("", crash.answer) else None


def returned(crash: Crash, groups: Facts) -> Facts | None:
    """An answer that has its name, in a cell with a `return`."""
    return {"answer": crash.answer} if crash.answer in _made(crash.source) else None


def later(crash: Crash, groups: Facts) -> Facts | None:
    """A gradient that is worked out from the answer, and not the other way round."""
    order = [*crash.gradients]
    if groups["name"] not in order or crash.answer not in order or order.index(groups["name"]) <= order.index(crash.answer):
        return None
    return {"answer": crash.answer, "variable": crash.answer[1:]}


def own(crash: Crash, groups: Facts) -> Facts | None:
    """The answer's own name."""
    return {} if groups["name"] == crash.answer else None


def imported(crash: Crash, groups: Facts) -> Facts | None:
    name = groups["name"]
    return {"line": IMPORTS[name]} if name in IMPORTS else None


def near_name(crash: Crash, groups: Facts) -> Facts | None:
    variable = groups["name"].removeprefix("d")  # who writes a gradient does not mean its variable
    found = nearest(groups["name"], {*crash.names, *crash.gradients, *_made(crash.source)} - {variable})
    found = found or nearest(groups["name"], set(dir(builtins)))
    return {"near": found} if found else None


def of_a_module(crash: Crash, groups: Facts) -> Facts | None:
    """A function of torch that is called without the name of its module, which the notebook has."""
    name = groups["name"]
    if not any(ast.unparse(call.func) == name for call in crash.calls):
        return None
    modules = {"F": torch.nn.functional, "torch": torch}
    return next(({"module": own} for own, module in modules.items() if own in crash.names and hasattr(module, name)), None)


def _class(crash: Crash, kind: str) -> ast.ClassDef | None:
    """The class of this name in the code, if it is there."""
    return next((node for node in nodes_in(crash.source) if isinstance(node, ast.ClassDef) and node.name == kind), None)


def _methods(crash: Crash, kind: str) -> list[ast.FunctionDef]:
    """The methods of the class of this name, if it is in the code."""
    own = _class(crash, kind)
    return [node for node in own.body if isinstance(node, ast.FunctionDef)] if own else []


def unset(crash: Crash, groups: Facts) -> Facts | None:
    """An attribute that no line of its class sets, and that is not called, as a method is."""
    own, name = _class(crash, groups["kind"]), groups["name"]
    if own is None or own.bases or f".{name}(" in f"{crash.stop.part}{crash.stop.code}":
        return None
    set_there = {node.attr for node in ast.walk(own) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    return None if name in set_there or any(ast.unparse(node).startswith("setattr") for node in ast.walk(own)) else {}


def local_only(crash: Crash, groups: Facts) -> Facts | None:
    """An attribute that its class does not set, and a method that gives its name a value without `self.`."""
    if unset(crash, groups) is None:
        return None
    found = (method.name for method in _methods(crash, groups["kind"]) if groups["name"] in _stored(method))
    return next(({"method": name} for name in found), None)


def _stored(node: ast.AST) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)}


def selfless(crash: Crash, groups: Facts) -> Facts | None:
    """A method without a parameter for the object itself."""
    methods = _methods(crash, groups["kind"])
    method = next((each for each in methods if each.name == groups["name"] and not each.decorator_list), None)
    return {} if method and not method.args.vararg and [each.arg for each in method.args.args][:1] != ["self"] else None


def _made(source: str) -> set[str]:
    """The names that code gives a value, with the parameters of its functions."""
    return {
        node.arg if isinstance(node, ast.arg) else node.id
        for node in nodes_in(source)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    }


def near_method(crash: Crash, groups: Facts) -> Facts | None:
    found = nearest(groups["name"], dir(Tensor))
    return {"near": found} if found else None


def near_of_module(crash: Crash, groups: Facts) -> Facts | None:
    try:
        found = nearest(groups["name"], dir(import_module(groups["module"])))
    except (ImportError, ValueError):
        return None
    return {"near": found} if found else None


def near_keyword(crash: Crash, groups: Facts) -> Facts | None:
    found = nearest(groups["name"], KEYWORDS)
    return {"near": found} if found else None


def is_grad(crash: Crash, groups: Facts) -> Facts | None:
    found = re.search(r"\.(grad(?:_fn)?)\b", crash.stop.part or crash.stop.code)
    return {"its": found[1]} if found else None


def sides(crash: Crash, groups: Facts) -> Facts | None:
    """The two sides of an operation on tensors, with their shapes."""
    if crash.sides is None:
        return None
    operator, left, right = crash.sides
    one, other = (_shape(crash, code, groups.get(told, "")) for code, told in ((left, "one"), (right, "other")))
    if not (one and other):
        return None
    return {
        "left": shortly(left),
        "right": shortly(right),
        "one": one,
        "other": other,
        "operator": operator,
        "whole": crash.whole(),
    }


def _shape(crash: Crash, code: str, told: str) -> str:
    """The shape of a tensor as it was seen, or as an error told it, such as 32x64; nothing where neither says it."""
    seen = crash.seen(code)
    return str(seen.shape) if seen and seen.shape is not None else told and f"({told.replace('x', ', ')})"


def _shapes(crash: Crash) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of the two sides of an operation, as they were seen; empty where they were not."""
    _, left, right = crash.sides or ("", "", "")
    one, other = crash.seen(left), crash.seen(right)
    return (one and one.shape) or (), (other and other.shape) or ()


def _can_be_product(one: tuple[int, ...], other: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether the product of two matrices, in this order, has a shape: with a transpose of any of the three, or without."""
    pairs = [(a, b) for a in (one, one[::-1]) for b in (other, other[::-1])]
    return any(a[1] == b[0] and (a[0], b[1]) in (shape, shape[::-1]) for a, b in pairs)


def product(crash: Crash, groups: Facts) -> Facts | None:
    facts = sides(crash, groups)
    return facts if facts and facts["operator"] == "@" else None


def no_product(crash: Crash, groups: Facts) -> Facts | None:
    """Two matrices that are the whole answer, and cannot be in any order, transposed or not."""
    facts = product(crash, groups)
    if facts is None or crash.shape is None or len(crash.shape) != 2 or not _is_whole(crash):
        return None
    one, other = _shapes(crash)
    return facts if len(one) == len(other) == 2 and not _can_be_product(one, other, crash.shape) else None


def one_row(crash: Crash, groups: Facts) -> Facts | None:
    """A product with a variable that has one row, which the forward pass stretched over all rows of the other side."""
    facts = product(crash, groups)
    match ast.parse(crash.sides[1], mode="eval").body if facts and crash.sides else None:
        case ast.Attribute(value=ast.Name(id=name), attr="T"):
            one, other = _shapes(crash)
            if facts and one[1:] == (1,) and len(other) == 2 and (one[0], other[1]) == crash.shape:
                return {**facts, "name": name}
    return None


def product_first(crash: Crash, groups: Facts) -> Facts | None:
    """A matrix product that is multiplied by what its second factor should have been multiplied by."""
    facts = sides(crash, groups)
    match crash.node:
        case ast.BinOp(left=ast.BinOp(op=ast.MatMult(), right=inner), op=ast.Mult() | ast.Div(), right=right):
            shapes = [seen.shape if (seen := crash.seen(ast.unparse(node))) else None for node in (inner, right)]
            if facts and shapes[0] == shapes[1]:
                return {**facts, "inner": shortly(ast.unparse(inner))}
    return None


def _is_whole(crash: Crash) -> bool:
    """Whether the part that raised is all that the answer is made of."""
    made = [node for node in nodes_in(crash.source) if isinstance(node, ast.Assign)]
    values = [ast.unparse(node.value) for node in made if [ast.unparse(target) for target in node.targets] == [crash.answer]]
    return values == [crash.stop.part]


def reduced(crash: Crash, groups: Facts) -> Facts | None:
    """Two sides that would fit if a sum, or the like, over an axis of one of them had kept that axis."""
    facts = sides(crash, groups)
    one, other = _shapes(crash)
    for code, short, long in zip((crash.sides or ("", "", ""))[1:], (one, other), (other, one), strict=True):
        made = _made_by(crash, code)
        found = re.search(r"\.(?P<method>sum|mean|var|std|amax|logsumexp)\([^()]*\)$", made)
        if facts and found and "keepdim" not in made and short in _without_an_axis(long):
            return {**facts, "method": found["method"]}
    return None


def _made_by(crash: Crash, code: str) -> str:
    """What the cell makes a name of; any other code as it is."""
    made = [node for node in nodes_in(crash.source) if isinstance(node, ast.Assign)]
    return next((ast.unparse(node.value) for node in made if [ast.unparse(each) for each in node.targets] == [code]), code)


def _without_an_axis(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [shape[:axis] + shape[axis + 1 :] for axis in range(len(shape))]


def along_another(crash: Crash, groups: Facts) -> Facts | None:
    """A plain list of numbers as long as one axis of the other side, which is not the last one.

    Of a matrix it is said only where the answer has its shape: else it may be the matrix that has to be summed.
    """
    facts = sides(crash, groups)
    left, right = _shapes(crash)
    short, long, name = (right, left, "right") if len(right) == 1 else (left, right, "left")
    if facts is None or len(short) != 1 or long.count(short[0]) != 1 or (len(long) < 3 and long != crash.shape):
        return None
    axis = long.index(short[0])
    sizes = ", ".join("-1" if each == axis else "1" for each in range(len(long)))
    return {**facts, "list": facts[name], "axis": str(axis), "sizes": sizes}


def another_matrix(crash: Crash, groups: Facts) -> Facts | None:
    """Two terms of a sum, the first in the shape of the answer, the second a product with a matrix that does not fit."""
    facts = sides(crash, groups)
    match crash.node:
        case ast.BinOp(op=ast.Add() | ast.Sub(), right=ast.BinOp(op=ast.MatMult(), right=matrix)):
            if facts and _shapes(crash)[0] == crash.shape:
                return {**facts, "matrix": shortly(ast.unparse(matrix))}
    return None


def labels(crash: Crash, groups: Facts) -> Facts | None:
    """Whole numbers, one for each row of the other side: labels, most likely."""
    facts = sides(crash, groups)
    if facts is None or facts["operator"] not in ("+", "-"):
        return None
    left, right = (crash.seen(code) for code in (crash.sides or ("", "", ""))[1:])
    is_so = right and left and right.dtype == "int64" and left.shape and right.shape == left.shape[:-1]
    return facts if is_so else None


def matrices(crash: Crash, groups: Facts) -> Facts | None:
    """Two matrices multiplied entry by entry whose matrix product can have the shape of the answer."""
    facts = sides(crash, groups)
    if facts is None or facts["operator"] != "*" or crash.shape is None or len(crash.shape) != 2:
        return None
    one, other = _shapes(crash)
    return facts if len(one) == len(other) == 2 and _can_be_product(one, other, crash.shape) else None


def one_hot(crash: Crash, groups: Facts) -> Facts | None:
    """A call of `one_hot` that does not say how many classes there are."""
    calls = [call for call in crash.calls if ast.unparse(call.func).rpartition(".")[2] == "one_hot" and len(call.args) == 1]
    call = next((ast.unparse(call) for call in calls if not call.keywords), "")
    bound = {name for line in crash.source.splitlines() if call in line for name in _made(line.strip())}
    is_there = call in crash.stop.part or any(re.search(rf"\b{name}\b", crash.stop.part) for name in bound)
    return {"call": shortly(call)} if call and is_there else None


def subscript(crash: Crash, groups: Facts) -> Facts | None:
    """What is indexed, and how far its indices go."""
    if not isinstance(crash.node, ast.Subscript):
        return None
    return {"owner": shortly(ast.unparse(crash.node.value)), "last": str(int(groups["size"]) - 1)}


def index_tensor(crash: Crash, groups: Facts) -> Facts | None:
    """What is indexed by a tensor of numbers, with the indices as they stand in the brackets."""
    facts = subscript(crash, groups)
    indices = crash.node.slice if isinstance(crash.node, ast.Subscript) else None
    parts = indices.elts if isinstance(indices, ast.Tuple) else [indices]
    codes = [ast.unparse(part) for part in parts if part is not None and not isinstance(part, ast.Slice | ast.Constant)]
    tensors = [code for code in codes if (seen := crash.seen(code)) and seen.shape]
    return {**facts, "index_code": shortly(tensors[0])} if facts and tensors else None


def counted(crash: Crash, groups: Facts) -> Facts | None:
    """What is indexed by a number that stands in the code."""
    written = (str(node.value) for node in nodes_in(crash.stop.part) if isinstance(node, ast.Constant))
    return subscript(crash, groups) if groups["index"] in written else None


def called(crash: Crash, groups: Facts) -> Facts | None:
    """What is called, as code."""
    return {"called": shortly(ast.unparse(crash.node.func))} if isinstance(crash.node, ast.Call) else None


def called_property(crash: Crash, groups: Facts) -> Facts | None:
    """An attribute that is called like a method."""
    if isinstance(crash.node, ast.Call) and isinstance(crash.node.func, ast.Attribute) and not crash.node.args:
        return {"called": shortly(ast.unparse(crash.node.func))}
    return None


def uncalled(crash: Crash, groups: Facts) -> Facts | None:
    """A method or function that stands where its value belongs."""
    functions = ("builtin_function_or_method", "function", "method")
    passed = [ast.unparse(argument) for argument in crash.node.args] if isinstance(crash.node, ast.Call) else []
    found = (
        code for code in (*(crash.sides or ("", "", ""))[1:], *passed) if (seen := crash.seen(code)) and seen.kind in functions
    )
    code = next(found, "")
    return {"called": shortly(code)} if code else None


def indexed(crash: Crash, groups: Facts) -> Facts | None:
    if not isinstance(crash.node, ast.Subscript):
        return None
    return {"owner": shortly(ast.unparse(crash.node.value)), "index": shortly(ast.unparse(crash.node.slice))}


def multiplied(crash: Crash, groups: Facts) -> Facts | None:
    """Two values beside each other without a sign between them."""
    beside = r"(?P<one>[\w.)\]]+)(?:\s*(?<=[\w)\]])\s+(?P<two>[A-Za-z_(]\w*)|(?<=[)\]])(?P<next>[A-Za-z_]\w*))"
    found = re.search(beside, crash.stop.code.partition("#")[0])
    words = {"for", "in", "if", "else", "and", "or", "not", "is", "def", "class", "return", "lambda", "import", "from", "as"}
    words |= {"while", "with", "del", "print", "assert", "raise", "elif", "try", "except"}
    two = (found["two"] or found["next"]) if found else ""
    if found is None or {found["one"], two} & words:
        return None
    return {"one": shortly(found["one"]), "two": shortly(two)}


def ends_with_a_sign(crash: Crash, groups: Facts) -> Facts | None:
    """A line that ends where the other side of an operator, or a value, should follow."""
    found = re.search(r"(?P<sign>\*\*|[-+*/@=])$", crash.line.partition("#")[0].strip())
    return {"sign": found["sign"]} if found else None
