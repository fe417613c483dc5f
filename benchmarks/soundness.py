"""Whether a sentence that quotes a place and a change is sound: what it says is done by machine, and the answer is judged.

The reader here knows the sentences of `repair.py` and the student's code, and nothing of how the mistake was found. For each
sentence it has the few readings that a learner has: flip one of the signs in the place, drop one of its terms, …
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import chain, combinations

from autograder.diagnosis.evidence import replaced, short

Reading = Callable[[ast.expr, Sequence[str]], Iterator[ast.AST]]
"""What may stand in a place after the change, given what is there and the names of the tensors that there are."""


def _inside(place: ast.AST, change: Callable[[ast.AST], Iterator[ast.AST]]) -> Iterator[ast.AST]:
    """The place with one change somewhere in it."""
    yield from change(place)
    for field, value in ast.iter_fields(place):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                for other in _inside(child, change):
                    copy = deepcopy(place)
                    if index is None:
                        setattr(copy, field, other)
                    else:
                        getattr(copy, field)[index] = other
                    yield copy


def _signs(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield ast.BinOp(left, ast.Add(), right)
        case ast.AugAssign(target=target, op=ast.Add(), value=value):
            yield ast.AugAssign(target, ast.Sub(), value)
        case ast.AugAssign(target=target, op=ast.Sub(), value=value):
            yield ast.AugAssign(target, ast.Add(), value)
        case ast.Assign(targets=targets, value=value):
            yield ast.Assign(targets, ast.UnaryOp(ast.USub(), value))
        case ast.Call(func=func, args=[given]):
            yield ast.Call(func, [ast.UnaryOp(ast.USub(), given)], [])
        case ast.Call(func=ast.Attribute(value=given, attr=name), args=[]):
            yield ast.Call(ast.Attribute(ast.UnaryOp(ast.USub(), given), name, ast.Load()), [], [])


def _dropped(node: ast.AST, *operators: type[ast.operator]) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, operators):
            yield from (left, ast.UnaryOp(ast.USub(), right) if isinstance(op, ast.Sub) else right)
        case ast.AugAssign(op=op) if isinstance(op, operators):
            yield ast.Pass()


def _with_operator(node: ast.AST, old: type[ast.operator], new: type[ast.operator]) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, old):
            yield ast.BinOp(left, new(), right)
        case ast.AugAssign(target=target, op=op, value=value) if isinstance(op, old):
            yield ast.AugAssign(target, new(), value)


def _products(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            for one, other in ((left, right), (_turned(left), right), (left, _turned(right))):
                yield ast.BinOp(one, ast.MatMult(), other)
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            for one, other in ((left, right), (_turned(left), right), (left, _turned(right)), (_turned(left), _turned(right))):
                yield ast.BinOp(one, ast.Mult(), other)


def _outer(place: ast.expr) -> Iterator[ast.AST]:
    match place:
        case ast.BinOp(left=left, right=right):
            yield ast.Call(ast.parse("torch.outer", mode="eval").body, [left, right], [])


def _powers(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            yield left
            for change in (1, -1):
                yield ast.BinOp(left, ast.Pow(), ast.BinOp(right, ast.Add(), ast.Constant(change)))
            yield ast.BinOp(left, ast.Pow(), ast.UnaryOp(ast.USub(), right))
        case ast.Name(ctx=ast.Load()):
            yield ast.BinOp(node, ast.Pow(), ast.Constant(2))
        case ast.BinOp(left=left, op=ast.Mult(), right=ast.Constant(value=2) as two):
            yield ast.BinOp(left, ast.Pow(), two)


def _axes(place: ast.AST, fits: Callable[[set[int], set[int]], bool]) -> Iterator[ast.AST]:
    match place:
        case ast.Subscript(value=value, slice=ast.Constant() as index):
            yield ast.Subscript(value, ast.Tuple([ast.Slice(), index], ast.Load()), ast.Load())
        case ast.Subscript(value=value, slice=ast.Tuple(elts=[ast.Slice(), ast.Constant() as index])):
            yield ast.Subscript(value, index, ast.Load())
    for axes in (axes for count in (1, 2, 3) for axes in combinations(range(4), count)):

        def with_axes(node: ast.AST, axes: tuple[int, ...] = axes) -> Iterator[ast.AST]:
            try:
                value = ast.literal_eval(node)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                return
            now = {value} if type(value) is int else set(value) if isinstance(value, tuple) else set()
            if now and all(type(axis) is int for axis in now) and fits(now, set(axes)):
                yield ast.parse(repr(axes if len(axes) > 1 else axes[0]), mode="eval").body

        yield from _inside(place, with_axes)


def _numbers(number: str) -> Callable[[ast.AST], Iterator[ast.AST]]:
    def change(node: ast.AST) -> Iterator[ast.AST]:
        if isinstance(node, ast.Constant) and ast.unparse(node) == number:
            yield from (ast.Constant(node.value * by) for by in (2, 0.5, -1))
            yield from (ast.Constant(other) for other in (1e-05, 1e-5, 1.0, 2.0))

    return change


def _attribute(node: ast.AST, names: dict[str, str]) -> Iterator[ast.AST]:
    match node:
        case ast.Attribute(value=value, attr=name) if name in names:
            yield ast.Attribute(value, names[name], ast.Load())


def _keepdim(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            rest = [each for each in keywords if each.arg != "keepdim"]
            keep = [] if len(rest) < len(keywords) else [ast.keyword("keepdim", ast.Constant(True))]
            yield ast.Call(func, args, [*rest, *keep])


def _given(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch" | "F")), args=[first, *_]):
            yield first
        case ast.Call(func=ast.Attribute(value=value)):
            yield value


def _turned(node: ast.expr, name: str = "T") -> ast.expr:
    """An expression transposed, or not any more."""
    match node:
        case ast.Attribute(value=value, attr="T" | "mT"):
            return value
        case ast.Call(func=ast.Attribute(value=value, attr="t" | "transpose" | "permute")):
            return value
    return ast.Attribute(node, name, ast.Load())


def _branches(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=func, args=[condition, one, other]):
            yield ast.Call(func, [condition, other, one], [])
        case ast.IfExp(test=test, body=one, orelse=other):
            yield ast.IfExp(test, other, one)


def _of_rows(place: ast.expr) -> Iterator[ast.AST]:
    for axis in range(4):
        keep = [ast.keyword("keepdim", ast.Constant(True))]
        yield ast.BinOp(place, ast.Div(), ast.Call(ast.Attribute(place, "sum", ast.Load()), [ast.Constant(axis)], keep))


def _bessel(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Sub(), right=ast.Constant(value=1)):
            yield left
        case ast.Name(id="n"):
            yield ast.BinOp(node, ast.Sub(), ast.Constant(1))
        case ast.keyword(arg="unbiased", value=ast.Constant(value=value)):
            yield ast.keyword("unbiased", ast.Constant(not value))


def _overwriting(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Assign(targets=[target], value=value):
            yield ast.AugAssign(target, ast.Add(), value)
        case ast.AugAssign(target=target, value=value):
            yield ast.Assign([target], value)
        case ast.keyword(arg="accumulate", value=ast.Constant(value=value)):
            yield ast.keyword("accumulate", ast.Constant(not value))
    pairs = {"index_copy_": "index_add_", "scatter_": "scatter_add_"}
    yield from _attribute(node, pairs | {added: copied for copied, added in pairs.items()})


def _summed(node: ast.expr) -> Iterator[ast.AST]:
    for axis in range(4):
        for keep in (True, False):
            keywords = [ast.keyword("keepdim", ast.Constant(True))] * keep
            yield ast.Call(ast.Attribute(node, "sum", ast.Load()), [ast.Constant(axis)], keywords)


def _brackets(place: ast.AST) -> Iterator[ast.AST]:
    """All ways to put one pair of brackets into an expression, or to leave one pair out."""
    code = ast.unparse(place)
    ends = [match.start() for match in re.finditer(r"(?<=[\w)\]]) |$", code)]
    begins = [0, *(match.end() for match in re.finditer(r" (?=[\w(-])", code)), *(m.end() for m in re.finditer(r"\(", code))]
    inside = [match.start() for match in re.finditer(r"\)", code)]
    texts = [f"{code[:a]}({code[a:b]}){code[b:]}" for a in begins for b in (*ends, *inside) if a < b]
    opened = [match.start() for match in re.finditer(r"\(", code)]
    left_out = [code[:a] + code[a + 1 : b] + code[b + 1 :] for a in opened for b in inside if a < b]
    moved = [
        f"{text[:a]}({text[a:b]}){text[b:]}"
        for text in left_out
        for a in (0, *(m.end() for m in re.finditer(r" (?=[\w(-])", text)))
        for b in (len(text), *(m.start() for m in re.finditer(r"(?<=[\w)\]]) ", text)))
        if a < b
    ]
    for text in (*texts, *left_out, *moved):
        try:
            yield ast.parse(text).body[0].value if not isinstance(place, ast.stmt) else ast.parse(text).body[0]  # type: ignore[attr-defined]
        except SyntaxError:
            continue


def _sums(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(
            left=ast.Call(func=ast.Attribute(value=left), args=args, keywords=keywords),
            op=ast.Mult(),
            right=ast.Call(func=ast.Attribute(value=right)),
        ):
            yield ast.Call(ast.Attribute(ast.BinOp(left, ast.Mult(), right), "sum", ast.Load()), args, keywords)
        case ast.Call(func=ast.Attribute(value=ast.BinOp(left=left, op=ast.Mult(), right=right)), args=args, keywords=keywords):
            one, other = (ast.Call(ast.Attribute(each, "sum", ast.Load()), args, keywords) for each in (left, right))
            yield ast.BinOp(one, ast.Mult(), other)


def _sums_of_several(place: ast.AST) -> Iterator[ast.AST]:
    """A product of several factors with two sums among them: with the sum of their products in the place of both."""
    factors, waiting = [], [place]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            waiting += (node.right, node.left)
        else:
            factors.append(node)
    sums = [
        node
        for node in factors
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sum"
    ]
    for one, other in combinations(sums, 2):
        left, right = one.func.value, other.func.value  # type: ignore[attr-defined]
        for joined in (
            ast.Call(ast.Attribute(ast.BinOp(left, ast.Mult(), right), "sum", ast.Load()), one.args, one.keywords),
            ast.BinOp(left, ast.MatMult(), right),
        ):
            for factor in (each for each in factors if each not in (one, other)):
                joined = ast.BinOp(joined, ast.Mult(), factor)  # type: ignore[arg-type]
            yield joined


def _letters(place: ast.expr) -> Iterator[ast.AST]:
    """The letters of `einsum` with one exchanged for another, one more, or one less."""
    spec = str(ast.literal_eval(place))
    letters = sorted({*filter(str.isalpha, spec)})
    arrow = spec.index("->") + 2
    for at in (at for at, old in enumerate(spec) if old.isalpha()):
        yield from (ast.Constant(f"{spec[:at]}{letter}{spec[at + 1 :]}") for letter in ["", *letters])
    yield from (ast.Constant(f"{spec[:at]}{letter}{spec[at:]}") for at in range(arrow, len(spec) + 1) for letter in letters)


def _looped(tree: ast.Module, part: str) -> Iterator[str]:
    """The code with a part of a loop taken out of it, added up in it, or moved on with it."""
    for loop in (node for node in ast.walk(tree) if isinstance(node, ast.For)):
        for statement in (each for each in loop.body if isinstance(each, ast.Assign) and _code(each) == part):
            rest = [each for each in loop.body if each is not statement]
            adding = [
                ast.AugAssign(each.targets[0], ast.Add(), each.value) if each is statement else each  # type: ignore[attr-defined, arg-type]
                for each in loop.body
            ]
            zeros = ast.Assign(statement.targets, ast.Constant(0))
            for first, body in ((statement, rest), (zeros, adding)):
                if body:
                    block = ast.If(ast.Constant(True), [first, ast.For(loop.target, loop.iter, body, [])], [])
                    yield ast.unparse(ast.fix_missing_locations(replaced(tree, [loop], block)))
        if _code(loop.body[-1]) == part and len(loop.body) > 1:
            shorter = ast.For(loop.target, loop.iter, loop.body[:-1], [])
            block = ast.If(ast.Constant(True), [shorter, loop.body[-1]], [])
            yield ast.unparse(ast.fix_missing_locations(replaced(tree, [loop], block)))
        index = ast.unparse(loop.target)
        for blocks in (each for each in loop.body if _code(each) == part):
            for old in (each for each in ast.walk(blocks) if isinstance(each, ast.Slice) and each.lower and each.upper):
                if ast.unparse(old.lower) == index and isinstance(old.upper, ast.BinOp):  # type: ignore[arg-type]
                    size = ast.unparse(old.upper.right)
                    moved = ast.parse(f"x[{index} * {size}:({index} + 1) * {size}]", mode="eval").body.slice  # type: ignore[attr-defined]
                    yield ast.unparse(ast.fix_missing_locations(replaced(tree, [old], moved)))
        for node in (each for each in ast.walk(loop) if isinstance(each, ast.Subscript) and _code(each) == part):
            for old in (each for each in ast.walk(node) if isinstance(each, ast.Slice) and each.upper and not each.lower):
                start = ast.unparse(loop.target)
                moved = ast.parse(f"x[{start}:{start} + {ast.unparse(old.upper)}]", mode="eval").body.slice  # type: ignore[attr-defined, arg-type]
                yield ast.unparse(ast.fix_missing_locations(replaced(tree, [old], moved)))


def _renamed(place: ast.AST, old: str, names: Sequence[str]) -> Iterator[ast.AST]:
    """The place with another name for an old one, or a part of a line, where that is read once, and wherever it is."""
    for name in names:
        reads = [node for node in ast.walk(place) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
        olds = [node for node in reads if node.id == old]
        for some in ([node] for node in olds):
            yield replaced(place, some, ast.parse(name, mode="eval").body)
        if len(olds) > 1:
            yield replaced(place, olds, ast.parse(name, mode="eval").body)


FUNCTIONS = ("tanh", "sigmoid", "log", "exp", "sqrt", "square", "softmax", "log_softmax")

READINGS: dict[str, Callable[..., Iterator[ast.AST]]] = {
    r"A sign is wrong in `(.+?)`": lambda place, names: _inside(place, _signs),
    r"There is a term too many in `(.+?)`": lambda place, names: _inside(place, lambda n: _dropped(n, ast.Add, ast.Sub)),
    r"There is a factor too many in `(.+?)`": lambda place, names: _inside(place, lambda n: _dropped(n, ast.Mult, ast.Div)),
    r"`([^`]+)` multiplies where it should divide": lambda place, names: _inside(
        place, lambda n: _with_operator(n, ast.Mult, ast.Div)
    ),
    r"`([^`]+)` divides where it should multiply": lambda place, names: _inside(
        place, lambda n: _with_operator(n, ast.Div, ast.Mult)
    ),
    r"`([^`]+)` adds where it should multiply": lambda place, names: _inside(
        place, lambda n: _with_operator(n, ast.Add, ast.Mult)
    ),
    r"`([^`]+)` multiplies where it should add": lambda place, names: _inside(
        place, lambda n: _with_operator(n, ast.Mult, ast.Add)
    ),
    r"`([^`]+)` has the wrong kind of product": lambda place, names: _inside(place, _products),
    r"`([^`]+)` should be an outer product": lambda place, names: _outer(place),
    r"A power is wrong in `(.+?)`": lambda place, names: _inside(place, _powers),
    r"`([^`]+)` goes along the wrong axis": lambda place, names: _axes(place, lambda now, new: len(now) == len(new)),
    r"`([^`]+)` leaves out (?:an axis|several axes)": lambda place, names: _axes(place, lambda now, new: now < new),
    r"`([^`]+)` goes along (?:an axis too many|too many axes)": lambda place, names: _axes(place, lambda now, new: new < now),
    r"`([^`]+)` needs `keepdim=True`": lambda place, names: _inside(place, _keepdim),
    r"`([^`]+)` should not keep the axis": lambda place, names: _inside(place, _keepdim),
    r"`([^`]+)` is a mean where a sum belongs\.": lambda place, names: _inside(place, lambda n: _attribute(n, {"mean": "sum"})),
    r"`([^`]+)` is a sum where a mean belongs": lambda place, names: _inside(place, lambda n: _attribute(n, {"sum": "mean"})),
    r"`([^`]+)` is (?:summed|averaged) once too often": lambda place, names: _given(place),
    r"`([^`]+)` has to be transposed": lambda place, names: iter([_turned(place)]),
    r"`([^`]+)` should not be transposed": lambda place, names: iter([_turned(place)]),
    r"There are three axes in `(.+?)`: `\.T` turns": lambda place, names: _flattened(place),
    r"`([^`]+)` has more than two axes: exchange the last two": lambda place, names: iter(
        [ast.Attribute(place, "mT", ast.Load()), ast.Attribute(_turned(place), "mT", ast.Load())]
    ),
    r"`([^`]+)` has more than two axes, and none of them": lambda place, names: iter([_turned(place)]),
    r"The two branches of `(.+?)` are": lambda place, names: _inside(place, _branches),
    r"`([^`]+)` is not divided by the sum of its row": lambda place, names: _of_rows(place),
    r"The two sides of `(.+?)` are in the wrong order": lambda place, names: _inside(place, _reversed),
    r"In `(.+?)` mind where the number of rows": lambda place, names: _inside(place, _bessel),
    r"`([^`]+)` (?:overwrites what was there|adds to what was there)": lambda place, names: _inside(place, _overwriting),
    r"`([^`]+)` does not belong there": lambda place, names: iter([ast.Pass()]),
    r"`([^`]+)` is not summed\.": lambda place, names: _summed(place),
    r"The brackets are in the wrong place, or missing, in `(.+?)`": lambda place, names: _brackets(place),
    r"`([^`]+)` lacks a factor": lambda place, names: (
        ast.BinOp(place, ast.Mult(), ast.Name(name, ast.Load())) for name in names
    ),
    r"`([^`]+)` goes over more than it should": lambda place, names: _shorter(place),
    r"`([^`]+)` is a (?:product of sums|sum of products) where": lambda place, names: chain(
        _inside(place, _sums), _sums_of_several(place)
    ),
    r"What is written into `([^`]+)` is lost": lambda place, names: _in_one_pair(place),
    r"`([^`]+)` takes these entries in every row": lambda place, names: _paired(place),
    r"`([^`]+)` is not the number that belongs there": lambda place, names: iter([ast.Constant(0.0)]),
    r"`([^`]+)` applies a function to what should stand": lambda place, names: _given(place),
    r"The index in `([^`]+)` is not the right one": lambda place, names: _indices(place, "ijkbthn"),
    r"A letter in `([^`]+)` is not the right one": lambda place, names: _letters(place),
    r"Behind the arrow of `([^`]+)` there is a letter too few": lambda place, names: _letters(place),
    r"The entries of `([^`]+)` are in the wrong order": lambda place, names: _reshaped(place),
    r"The function in `(.+?)` is the wrong one": lambda place, names: (
        other
        for name in FUNCTIONS
        for other in _inside(place, lambda n, name=name: _attribute(n, dict.fromkeys(FUNCTIONS, name)))  # type: ignore[misc]
    ),
}
"""The readings of each sentence; the first group of the expression is the place."""
OF_A_LOOP = (
    r"`([^`]+)` begins again in each round",
    r"`([^`]+)` is done again in each round",
    r"`([^`]+)` stands in the loop",
    r"`([^`]+)` is the same in every round",
    r"`([^`]+)` begins one entry further in each round",
)
"""Sentences of which the first group is a part of a loop."""
OF_TWO = {
    r"The number `([^`]+)` is wrong in `(.+?)`\.": lambda what, place, names: _inside(place, _numbers(what)),
    r"`([^`]+)` is not (?:what|all that) belongs in `(.+?)`\.": lambda what, place, names: _renamed(place, what, names),
}
"""The same for sentences that quote a piece of code and the place that it is in."""


def _paired(place: ast.expr) -> Iterator[ast.AST]:
    """Entries in every row, with an index of the rows in the place of the first `:`."""
    match place:
        case ast.Subscript(value=owner, slice=ast.Tuple(elts=[ast.Slice(), *others]), ctx=ctx):
            for rows in ("range(len({}))", "torch.arange(len({}))[:, None]"):
                first = ast.parse(rows.format(ast.unparse(owner)), mode="eval").body
                yield ast.Subscript(owner, ast.Tuple([first, *others], ast.Load()), ctx)


def _indices(place: ast.expr, loops: str) -> Iterator[ast.AST]:
    """Square brackets with another index of a loop, two exchanged, or one more."""
    match place:
        case ast.Subscript(value=owner, slice=inside, ctx=ctx):
            indices = list(inside.elts) if isinstance(inside, ast.Tuple) else [inside]
            names = [ast.Name(each, ast.Load()) for each in loops]
            found: list[list[ast.expr]] = [[*indices, name] for name in names]
            found += ([*indices[:at], name, *indices[at + 1 :]] for at in range(len(indices)) for name in names)
            found += ([*indices[:at], *indices[at + 1 :], indices[at]] for at in range(len(indices)))
            for each in found:
                yield ast.Subscript(owner, ast.Tuple(each, ast.Load()) if len(each) > 1 else each[0], ctx)


def _in_one_pair(place: ast.expr) -> Iterator[ast.AST]:
    match place:
        case ast.Subscript(value=ast.Subscript(value=owner, slice=first), slice=ast.Tuple(elts=[*_, second]) | second, ctx=ctx):
            yield ast.Subscript(owner, ast.Tuple([first, second], ast.Load()), ctx)


def _reshaped(place: ast.expr) -> Iterator[ast.AST]:
    """A change of shape with two axes exchanged before it or after it."""
    match place:
        case ast.Call(func=ast.Attribute(value=value), args=args):
            for one, other in combinations(range(4), 2):
                axes: list[ast.expr] = [ast.Constant(one), ast.Constant(other)]
                turned = ast.Call(ast.Attribute(value, "transpose", ast.Load()), axes, [])
                yield ast.Call(ast.Attribute(turned, "reshape", ast.Load()), args or [ast.Constant(-1)], [])
                if len(args) > other:
                    sizes = list(args)
                    sizes[one], sizes[other] = sizes[other], sizes[one]
                    yield ast.Call(ast.Attribute(ast.Call(place.func, sizes, []), "transpose", ast.Load()), axes, [])


def _flattened(place: ast.expr) -> Iterator[ast.AST]:
    def flat(node: ast.expr) -> ast.expr:
        return ast.Call(ast.Attribute(node, "flatten", ast.Load()), [ast.Constant(0), ast.Constant(1)], [])

    match place:
        case ast.BinOp(left=left, right=right) | ast.Call(args=[left, right]):
            first = flat(_turned(left))
            yield ast.BinOp(ast.Attribute(first, "T", ast.Load()), ast.MatMult(), flat(right))


def _reversed(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            yield ast.BinOp(right, op, left)


def _shorter(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=func, args=[count]):
            yield from (
                ast.Call(func, [other], []) for other in (ast.BinOp(count, ast.Sub(), ast.Constant(1)), ast.Constant(1))
            )


def is_quoting(said: str) -> bool:
    """Whether a diagnosis quotes a place and says what is wrong with it."""
    return any(re.search(sentence, said) for sentence in (*READINGS, *OF_TWO, *OF_A_LOOP))


def readings(said: str, source: str, names: Sequence[str]) -> Iterator[str]:
    """The code that a diagnosis asks for, in each of its readings. `names` are what a tensor may be replaced by."""
    tree = ast.parse(source)
    for sentence, read in READINGS.items():
        if found := re.search(sentence, said):
            yield from _applied(tree, found[1], lambda place, read=read: read(place, names))  # type: ignore[misc]
    for sentence in OF_A_LOOP:
        if found := re.search(sentence, said):
            yield from _looped(tree, found[1])
    for sentence, read in OF_TWO.items():
        if found := re.search(sentence, said):
            yield from _applied(tree, found[2], lambda place, read=read, what=found[1]: read(what, place, names))  # type: ignore[misc]


def _applied(tree: ast.Module, quoted: str, read: Callable[[ast.expr], Iterator[ast.AST]]) -> Iterator[str]:
    """The code with a reading in each place that is quoted, then in all of them at once."""
    places = [node for node in ast.walk(tree) if isinstance(node, ast.expr | ast.stmt | ast.Module) and _code(node) == quoted]
    for place in places:
        for other in read(place):  # type: ignore[arg-type]
            yield ast.unparse(ast.fix_missing_locations(replaced(tree, [place], other)))
    if len(places) > 1:
        for other in read(places[0]):  # type: ignore[arg-type]
            yield ast.unparse(ast.fix_missing_locations(replaced(tree, places, other)))


def _code(node: ast.AST) -> str:
    """Code as a sentence quotes it."""
    return short(ast.unparse(node))
