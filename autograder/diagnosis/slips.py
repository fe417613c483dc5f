"""Slips: changes to Python code that are two of the mutation operators' at once, or of code that is not there.

`slips` are tried where no single change makes an answer right; those of statements, as in loops, before all others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import reduce
from itertools import combinations
from typing import TypeGuard

from autograder.diagnosis.operators import (
    PARTS,
    Alternatives,
    Mutant,
    Operator,
    Rewrite,
    another_name,
    changed,
    most_axes,
    other_axes,
    overwrite,
    positions,
    renamed,
    repeated,
    with_other,
)
from autograder.replay.parsed import mentioned, read_in


def _bracketed(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """A sum with brackets around a part of it that has none: `a * (b + c) ** p * d` for `a * b + c**p * d`."""
    if not _is_sum(node) or _is_sum(parent):
        return
    code = ast.unparse(node)
    whole = ast.parse(code, mode="eval").body
    pairs = combinations([*_operands(whole)], 2)
    for first, last in sorted(pairs, key=lambda pair: -pair[1].col_offset):  # most often all the rest belongs in brackets
        start, end = first.col_offset, last.end_col_offset
        try:
            other = ast.parse(f"{code[:start]}({code[start:end]}){code[end:]}", mode="eval").body
        except SyntaxError:  # of brackets that cross
            continue
        if ast.dump(other) != ast.dump(whole):
            yield other


def _is_sum(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    """What arithmetic is done with, from left to right."""
    match node:
        case ast.BinOp(left=left, right=right):
            yield from (*_operands(left), *_operands(right))
        case _:
            yield node


def _upside_down(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield ast.BinOp(right, ast.Div(), left)


def _axis_kept(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=ast.Attribute(attr="sum" | "mean") as func, args=[ast.Constant() as axis], keywords=[]):
            keepdim = ast.keyword("keepdim", ast.Constant(True))
            yield from (ast.Call(func, [other], [keepdim]) for other in other_axes(axis, node, alternatives))  # type: ignore[list-item]


def _joined(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    """Tensors joined along another axis than the first, where the code names none."""
    match node:
        case ast.Call(func=ast.Attribute(attr="cat" | "concat" | "stack") as func, args=[joined], keywords=[]):
            for axis in range(1, most_axes(alternatives)):
                yield ast.Call(func, [joined], [ast.keyword("dim", ast.Constant(axis))])


def _powers_inside(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """`(a - b)**2` for `a - b**2`; also with a factor before the brackets."""
    match node:
        case ast.BinOp(left=ast.BinOp(left=left, op=ast.Add() | ast.Sub() as sum_, right=right), op=ast.Pow(), right=power):
            yield ast.BinOp(left, sum_, ast.BinOp(right, ast.Pow(), power))


def _matrix_product_of_sums(tree: ast.Module) -> Iterator[Mutant]:
    """The tree with `a.T @ c + b.T @ d` for `(a + b).T @ (c + d)`, or with all entries along the axes that both sides sum."""
    named = _values(tree.body)
    for above, _, _, node in positions(tree, ()):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.MatMult):
            continue
        ones, others = _terms(node.left, named), _terms(node.right, named)
        if ones and others:
            terms = [ast.BinOp(one, node.op, other) for one, other in zip(ones, others, strict=True)]
            yield _mutant(Operator.SUMS, above, node, ast.BinOp(terms[0], ast.Add(), terms[1]))
        if isinstance(node.left, ast.Attribute) and node.left.attr in ("T", "mT"):
            one, other = _unsummed(node.left.value, named), _unsummed(node.right, named)
            if one and other:
                turned = ast.Attribute(one, node.left.attr, ast.Load())
                yield _mutant(Operator.SUMS, above, node, ast.BinOp(turned, node.op, other))


def _terms(node: ast.expr, named: Mapping[str, ast.expr]) -> tuple[ast.expr, ast.expr] | None:
    """The two terms of a sum, or of one that is transposed as a whole; None where it is neither."""
    match _named(node, named):
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return left, right
        case ast.Attribute(value=value, attr="T" | "mT" as name) if terms := _terms(value, named):
            return ast.Attribute(terms[0], name, ast.Load()), ast.Attribute(terms[1], name, ast.Load())
    return None


def _unsummed(node: ast.expr, named: Mapping[str, ast.expr]) -> ast.expr | None:
    """What is summed over one axis, with that and the axes before it made one; None where it is no such sum."""
    match _named(node, named):
        case ast.Call(func=ast.Attribute(value=value, attr="sum"), args=[ast.Constant(value=int()) as axis], keywords=[]):
            return ast.Call(ast.Attribute(value, "flatten", ast.Load()), [ast.Constant(0), axis], [])
    return None


def _named(node: ast.expr, named: Mapping[str, ast.expr]) -> ast.expr:
    """What a name stands for in the code, or else the node itself."""
    return named.get(node.id, node) if isinstance(node, ast.Name) else node


def _index_along(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """`a[:, 1]` for `a[1]`, and the other way round."""
    match node:
        case ast.Subscript(value=value, slice=ast.Constant(value=int()) as index, ctx=ast.Load()):
            yield ast.Subscript(value, ast.Tuple([ast.Slice(), index], ast.Load()), ast.Load())
        case ast.Subscript(
            value=value, slice=ast.Tuple(elts=[ast.Slice(), ast.Constant(value=int()) as index]), ctx=ast.Load()
        ):
            yield ast.Subscript(value, index, ast.Load())


def _own_shape(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """A change of shape and of the order of the axes: in the shape of the variable alone."""
    match node, parent:
        case (
            ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Attribute(value=given, attr="view" | "reshape")), attr=name)),
            ast.Assign(targets=[ast.Name(id=answer)]),
        ) if name in ("permute", "transpose") and answer[:1] == "d":
            shape = ast.Attribute(ast.Name(answer[1:], ast.Load()), "shape", ast.Load())
            yield ast.Call(ast.Attribute(given, "reshape", ast.Load()), [shape], [])


def _reshape(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    """Another shape, with two neighbouring axes exchanged before or after."""
    match node:
        case ast.Call(func=ast.Attribute(value=given, attr="view" | "reshape" | "flatten" | "ravel" as name), args=sizes):
            for first in range(most_axes(alternatives) - 1):
                yield ast.Call(ast.Attribute(_crossed(given, first), name.replace("view", "reshape"), ast.Load()), sizes, [])
            for first in range(len(sizes) - 1 if len(sizes) > 2 else 0):
                others = [*sizes[:first], sizes[first + 1], sizes[first], *sizes[first + 2 :]]
                yield _crossed(ast.Call(node.func, others, []), first)
            match sizes:
                case [ast.Attribute(value=like, attr="shape") as shape]:
                    for first in range(most_axes(alternatives) - 1):
                        other = ast.Attribute(_crossed(like, first), shape.attr, ast.Load())
                        yield _crossed(ast.Call(node.func, [other], []), first)


def _crossed(tensor: ast.expr, first: int) -> ast.Call:
    """A tensor with two neighbouring axes exchanged."""
    axes: list[ast.expr] = [ast.Constant(first), ast.Constant(first + 1)]
    return ast.Call(ast.Attribute(tensor, "transpose", ast.Load()), axes, [])


def _row_sum(node: ast.AST, parent: ast.AST, alternatives: Alternatives) -> Iterator[ast.AST]:
    """The exponentials divided by their sum along an axis, where there is none."""
    match node:
        case (
            ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="exp"), args=[given])
            | ast.Call(func=ast.Attribute(value=given, attr="exp"), args=[])
        ):
            for axis in range(most_axes(alternatives)):
                function = ast.Attribute(ast.Name("torch", ast.Load()), "softmax", ast.Load())
                yield ast.Call(function, [given, ast.Constant(axis)], [])


def _bessel_missing(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """A term of a sum with what the variance of few rows is larger by, where the code has the number of rows."""
    if _is_sum(parent) and not _is_sum(node) and isinstance(node, ast.BinOp):
        yield ast.BinOp(ast.parse("n / (n - 1)", mode="eval").body, ast.Mult(), node)


SLIPS: tuple[tuple[Operator, Rewrite], ...] = (
    (Operator.BRACKETS, _bracketed),
    (Operator.OPERATION, _upside_down),
    (Operator.AXIS, _axis_kept),
    (Operator.AXIS, _joined),
    (Operator.BRACKETS, _powers_inside),
    (Operator.RESHAPE, _own_shape),
    (Operator.RESHAPE, _reshape),
    (Operator.AXIS, _index_along),
    (Operator.ROW_SUM, _row_sum),
)
"""Slips that are two changes of the code, or of code that is not there: they are looked for when no single change is found."""


def slips(tree: ast.Module, alternatives: Alternatives) -> Iterator[Mutant]:
    """All code that is one slip away which is no single change."""
    for operator, rewrite in (*SLIPS, *[(Operator.BESSEL, _bessel_missing)] * ("n" in mentioned(tree))):
        yield from changed(tree, operator, rewrite, alternatives)
    yield from _sum_of_products(tree)
    yield from _matrix_product_of_sums(tree)
    yield from _another_of_its_own(tree, alternatives)
    yield from _another_in_a_product(tree, alternatives)


def with_parts_of_lines(tree: ast.Module, alternatives: Alternatives) -> Iterator[Mutant]:
    """All code with a part of the forward pass in the place of a name: of one that has this name in it, or of another one."""
    around, others = dict[str, list[str]](), dict[str, list[str]]()
    for name in read_in(tree) - {"torch", "F"}:
        for part in alternatives.get(PARTS, ()):
            if part != name:
                (around if name in mentioned(ast.parse(part)) else others).setdefault(name, []).append(part)
    yield from changed(tree, Operator.PART, another_name, around)
    yield from changed(tree, Operator.NAME, another_name, others)


def _another_in_a_product(tree: ast.Module, alternatives: Alternatives) -> Iterator[Mutant]:
    """The tree with another name in all places of one product: `f * (1 - f)` for `i * (1 - i)`."""
    for above, _, _, node in positions(tree, ()):
        if not _is_product(node) or _is_product(above[-1]):
            continue
        for name, other in repeated(node, alternatives):
            tree_with_it = with_other(above, node, renamed(node, name, other))
            yield Mutant(Operator.NAME, name, other, ast.unparse(node), tree_with_it)


def _is_product(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.MatMult)


def _sum_of_products(tree: ast.Module) -> Iterator[Mutant]:
    """The tree with a sum of products for a product of sums, which may be factors among others, or have names of their own."""
    named = _values(tree.body)
    for above, _, _, node in positions(tree, ()):
        if not _is_times(node) or _is_times(above[-1]):
            continue
        factors = [*_factors_of(node)]
        sums = {place: found for place, factor in enumerate(factors) if (found := _summed_up(factor, named))}
        for one, other in combinations(sums, 2):
            (first, call), (second, _) = sums[one], sums[other]
            rest = [factor for place, factor in enumerate(factors) if place not in (one, other)]
            together = ast.Call(
                ast.Attribute(ast.BinOp(first, ast.Mult(), second), "sum", ast.Load()), call.args, call.keywords
            )
            for joined in (together, ast.BinOp(first, ast.MatMult(), second)):
                product = reduce(lambda left, right: ast.BinOp(left, ast.Mult(), right), rest, joined)
                yield _mutant(Operator.SUMS, above, node, product)


def _mutant(operator: Operator, above: tuple[ast.AST, ...], node: ast.AST, other: ast.AST) -> Mutant:
    """The tree with another node in the place of one, which is itself the place that is told."""
    before = ast.unparse(node)
    return Mutant(operator, before, ast.unparse(other), before, with_other(above, node, other))


def _values(statements: Sequence[ast.stmt]) -> dict[str, ast.expr]:
    """What some statements assign, as code, and the values that they last give it."""
    return {ast.unparse(node.targets[0]): node.value for node in statements if isinstance(node, ast.Assign)}


def _is_times(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def _factors_of(node: ast.expr) -> Iterator[ast.expr]:
    """The factors of a product, from left to right."""
    if _is_times(node):
        yield from (*_factors_of(node.left), *_factors_of(node.right))
    else:
        yield node


def _summed_up(node: ast.expr, named: Mapping[str, ast.expr]) -> tuple[ast.expr, ast.Call] | None:
    """What is summed by a call, and the call; also where it has a name of its own. None where nothing is."""
    match _named(node, named):
        case ast.Call(func=ast.Attribute(value=value, attr="sum"), args=[_, *_] | [] as args) as call if args or call.keywords:
            return value, call
    return None


def _another_of_its_own(tree: ast.Module, alternatives: Alternatives) -> Iterator[Mutant]:
    """The tree with a name that the code itself makes in the place of another."""
    made = _values(tree.body[:-1])
    read = read_in(tree) - {"torch", "F"}
    own = {name: [other for other in made if other not in (name, *alternatives.get(name, ()))] for name in read}
    yield from changed(tree, Operator.NAME, another_name, own)


def _rounds(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """A loop whose last round alone counts: it adds up what it assigned, from zeros on."""
    match node:
        case ast.For(body=body):
            for place, statement in enumerate(body):
                match statement:
                    case ast.Assign(targets=[ast.Name(id=name) as target], value=value) if name[:1] == "d":
                        adding = [*body[:place], ast.AugAssign(target, ast.Add(), value), *body[place + 1 :]]
                        zeros = ast.parse(f"{name} = 0").body
                        yield _block(*zeros, _looped(node, adding))


def _made_anew(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """A loop that begins each round with a new tensor: made once, before it."""
    match node:
        case ast.For(body=[ast.Assign(targets=[ast.Name()], value=value) as first, _, *_]) if not isinstance(
            value, ast.Constant
        ):
            yield _block(first, _looped(node, node.body[1:]))


def _done_again(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """A loop with a last statement that belongs after it."""
    match node:
        case ast.For(body=[_, *_, last]) if isinstance(last, ast.AugAssign | ast.Assign):
            yield _block(_looped(node, node.body[:-1]), last)


def _looped(loop: ast.For, body: list[ast.stmt]) -> ast.For:
    return ast.For(loop.target, loop.iter, body, loop.orelse)


def _block(*statements: ast.stmt) -> ast.If:
    """Several statements in the place of one."""
    return ast.If(ast.Constant(True), [*statements], [])


def _unshifted(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """A loop with a slice `:size` in its body that is the same in each round, moved on with the loop."""
    match node:
        case ast.For(target=ast.Name(id=index), body=body):
            slices = (each for statement in body for each in ast.walk(statement) if isinstance(each, ast.Slice))
            for found in slices:
                if found.lower is None and found.upper is not None and found.step is None:
                    start = ast.Name(index, ast.Load())
                    moved = ast.Slice(start, ast.BinOp(start, ast.Add(), found.upper))
                    yield _looped(node, [_exchanged(statement, found, moved) for statement in body])


def _blocks(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """A loop over blocks with a slice `i:i + size`, which begins one further in each round, and not a block."""
    match node:
        case ast.For(target=ast.Name(id=index), body=body):
            for found in (each for statement in body for each in ast.walk(statement) if isinstance(each, ast.Slice)):
                match found:
                    case ast.Slice(lower=ast.Name(id=start), upper=ast.BinOp(left=ast.Name(id=same), op=ast.Add(), right=size)):
                        if start == same == index:
                            lower = ast.BinOp(ast.Name(index, ast.Load()), ast.Mult(), size)
                            moved = ast.Slice(lower, ast.BinOp(lower, ast.Add(), size))
                            yield _looped(node, [_exchanged(statement, found, moved) for statement in body])


def _exchanged(node: ast.stmt, old: ast.AST, other: ast.AST) -> ast.stmt:
    """A copy of a statement with another node in the place of one."""
    return deepcopy(node, {id(old): other})


def _copy(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """`a[i][j] = b`, which writes into a copy of rows, with both indices in one pair of brackets."""
    match node:
        case ast.Subscript(value=ast.Subscript(value=owner, slice=first), slice=second, ctx=ast.Store()):
            inner = second.elts[-1] if isinstance(second, ast.Tuple) else second
            yield ast.Subscript(owner, ast.Tuple([first, inner], ast.Load()), ast.Store())


def _every_row(node: ast.AST, parent: ast.AST, _: Alternatives) -> Iterator[ast.AST]:
    """`a[:, i] = b`, which goes to these columns of every row, with a row for each of them."""
    match node:
        case ast.Subscript(value=owner, slice=ast.Tuple(elts=[ast.Slice(lower=None, upper=None), *others]), ctx=ast.Store()):
            rows = ast.parse(f"torch.arange(len({ast.unparse(owner)}))", mode="eval").body
            column = ast.parse(f"{ast.unparse(rows)}[:, None]", mode="eval").body
            for first in (rows, column):
                yield ast.Subscript(owner, ast.Tuple([first, *others], ast.Load()), ast.Store())


OF_LOOPS: tuple[tuple[Operator, Rewrite], ...] = (
    (Operator.OVERWRITE, overwrite),
    (Operator.ROUNDS, _rounds),
    (Operator.MADE_ANEW, _made_anew),
    (Operator.DONE_AGAIN, _done_again),
    (Operator.UNSHIFTED, _unshifted),
    (Operator.BLOCKS, _blocks),
)
"""Slips in code with a loop."""


OF_ENTRIES: tuple[tuple[Operator, Rewrite], ...] = ((Operator.COPY, _copy), (Operator.EVERY_ROW, _every_row))
"""Slips in code that changes single entries."""


def slips_of_statements(tree: ast.Module) -> Iterator[Mutant]:
    """All code that is one slip of a loop away, or of a change of single entries.

    They are looked for first: most code has neither, and what has a loop takes its time.
    """
    if any(isinstance(node, ast.For) for node in ast.walk(tree)):
        for operator, rewrite in OF_LOOPS:
            yield from changed(tree, operator, rewrite, {})
        yield from _index_of_a_loop(tree)
    for operator, rewrite in OF_ENTRIES:
        yield from changed(tree, operator, rewrite, {})
    yield from _into_a_copy(tree)


def _index_of_a_loop(tree: ast.Module) -> Iterator[Mutant]:
    """The tree with another index in one pair of brackets in a loop, two of them exchanged, or one more."""
    for above, _, _, node in positions(tree, ()):
        loops = [ast.unparse(each.target) for each in above if isinstance(each, ast.For) and isinstance(each.target, ast.Name)]
        if not isinstance(node, ast.Subscript) or not loops:
            continue
        indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        found: list[list[ast.expr]] = []
        for place, index in enumerate(indices):
            if isinstance(index, ast.Name) or (isinstance(index, ast.Constant) and type(index.value) is int):
                others = (ast.Name(loop, ast.Load()) for loop in loops if loop != ast.unparse(index))
                found += ([*indices[:place], other, *indices[place + 1 :]] for other in others)
        for one, other in combinations(range(len(indices)), 2):
            if isinstance(indices[one], ast.Name) and isinstance(indices[other], ast.Name):
                swapped = [*indices]
                swapped[one], swapped[other] = indices[other], indices[one]
                found.append(swapped)
        written = {ast.unparse(index) for index in indices}
        found += ([*indices, ast.Name(loop, ast.Load())] for loop in loops if loop not in written)
        for each in found:
            inside = ast.Tuple(each, ast.Load()) if len(each) > 1 else each[0]
            yield _mutant(Operator.INDEX, above, node, ast.Subscript(node.value, inside, node.ctx))


def _into_a_copy(tree: ast.Module) -> Iterator[Mutant]:
    """The tree with a change of entries that have a name of their own, which are a copy, made where they come from."""
    values = _values(tree.body)
    for above, _, _, node in positions(tree, ()):
        if isinstance(node, ast.AugAssign) and isinstance(source := values.get(ast.unparse(node.target)), ast.Subscript):
            place = ast.Subscript(source.value, source.slice, ast.Store())
            other = ast.AugAssign(place, node.op, node.value)
            name = ast.unparse(node.target)
            yield Mutant(Operator.COPY, name, ast.unparse(other), ast.unparse(node), with_other(above, node, other))
