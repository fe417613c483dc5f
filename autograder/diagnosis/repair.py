"""Where in the code a mistake is: the one small change that makes a wrong answer right."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from torch import Tensor

from autograder.diagnosis.budget import Budget
from autograder.diagnosis.evidence import short
from autograder.diagnosis.operators import (
    AXES,
    CONSTANTS,
    FACTORS,
    OPERATORS,
    PARTS,
    Alternatives,
    Mutant,
    Operator,
    mutants,
    shorter,
)
from autograder.diagnosis.slips import slips, slips_of_statements, with_parts_of_lines
from autograder.replay import parsed
from autograder.replay.parsed import ParsedCell, mentioned
from autograder.tape.tape import Tape
from autograder.verdict import Cause, Mistake

MAX_SECONDS = 1.0
"""Seconds of the processor for which a mistake is looked for, by probes and by changes. Most cells take a tenth of a second."""
MAX_CHANGES = 600
"""Changes to try."""
OF_NUMBERS = {Operator.BESSEL, Operator.NUMBER, Operator.SIGN}
"""Changes that may turn one number into another."""

SENTENCES: dict[Operator, tuple[Mistake, str] | tuple[Mistake, str, str]] = {
    Operator.SIGN: (Mistake.SIGN, "A sign is wrong in `{place}`."),
    Operator.TERM: (Mistake.OPERATION, "There is a term too many in `{place}`."),
    Operator.FACTOR: (Mistake.FACTOR, "There is a factor too many in `{place}`."),
    Operator.OPERATION: (
        Mistake.OPERATION,
        "`{place}` multiplies where it should divide.",
        "`{place}` divides where it should multiply.",
    ),
    Operator.ADDED: (
        Mistake.OPERATION,
        "`{place}` adds where it should multiply.",
        "`{place}` multiplies where it should add.",
    ),
    Operator.LETTERS: (
        Mistake.AXIS,
        "A letter in `{before}` is not the right one.",
        "Behind the arrow of `{before}` there is a letter too few, or too many.",
    ),
    Operator.ROUNDS: (Mistake.REPEATS, "`{part}` begins again in each round of the loop, so only the last round counts."),
    Operator.MADE_ANEW: (Mistake.REPEATS, "`{part}` stands in the loop, so each round loses what the one before it changed."),
    Operator.COPY: (Mistake.OPERATION, "What is written into `{before}` is lost: an index with a list makes a copy."),
    Operator.DONE_AGAIN: (Mistake.REPEATS, "`{part}` is done again in each round of the loop."),
    Operator.UNSHIFTED: (Mistake.PLACES, "`{part}` is the same in every round of the loop, where it should move on."),
    Operator.BLOCKS: (Mistake.PLACES, "`{part}` begins one entry further in each round of the loop, and not a whole block."),
    Operator.ROW_SUM: (Mistake.FACTOR, "`{before}` is not divided by the sum of its row."),
    Operator.RESHAPE: (
        Mistake.PLACES,
        "The entries of `{before}` are in the wrong order: a change of shape exchanges no axes.",
        "The entries of `{before}` are in the wrong order: exchanging axes afterwards does not bring them back.",
    ),
    Operator.PRODUCT: (
        Mistake.OPERATION,
        "`{place}` has the wrong kind of product: `*` goes entry by entry, `@` is for matrices.",
        "`{place}` has the wrong kind of product: `*` goes entry by entry. `@` belongs there, and one side has to be turned.",
    ),
    Operator.OUTER: (
        Mistake.SHAPE,
        "`{place}` should be an outer product: each entry of the one times each entry of the other.",
    ),
    Operator.POWER: (Mistake.FACTOR, "A power is wrong in `{place}`."),
    Operator.NUMBER: (
        Mistake.CONSTANT,
        "The number `{before}` is wrong in `{place}`.",
        "`{before}` is not the number that belongs there.",
    ),
    Operator.AXIS: (Mistake.AXIS, "`{place}` goes along the wrong axis."),
    Operator.MORE_AXES: (Mistake.AXIS, "`{place}` leaves out an axis.", "`{place}` leaves out several axes."),
    Operator.FEWER_AXES: (Mistake.AXIS, "`{place}` goes along an axis too many.", "`{place}` goes along too many axes."),
    Operator.KEEPDIM: (
        Mistake.AXIS,
        "`{place}` needs `keepdim=True`.",
        "`{place}` should not keep the axis: take out `keepdim=True`.",
    ),
    Operator.MEAN: (
        Mistake.MEAN,
        "`{place}` is a mean where a sum belongs.",
        "`{place}` is a sum where a mean belongs.",
    ),
    Operator.UNSUMMED: (Mistake.AXIS, "`{place}` is summed once too often.", "`{place}` is averaged once too often."),
    Operator.TRANSPOSE: (Mistake.SHAPE, "`{before}` has to be transposed.", "`{after}` should not be transposed."),
    Operator.FLATTEN: (
        Mistake.SHAPE,
        "There are three axes in `{place}`: `.T` turns all of them around, and `.mT` the last two alone.",
        "In `{place}` one side has three axes, and the other two.",
    ),
    Operator.SWAP: (
        Mistake.SHAPE,
        "`{before}` has more than two axes: exchange the last two, and no others.",
        "`{before}` has more than two axes, and none of them should be exchanged.",
    ),
    Operator.BRANCHES: (Mistake.MASK, "The two branches of `{place}` are the wrong way round."),
    Operator.ORDER: (Mistake.SHAPE, "The two sides of `{place}` are in the wrong order."),
    Operator.BESSEL: (Mistake.CONSTANT, "In `{place}` mind where the number of rows belongs, and where one less."),
    Operator.NAME: (Mistake.TENSOR, "`{before}` is not what belongs in `{place}`."),
    Operator.PART: (Mistake.TERM, "`{before}` is not all that belongs in `{place}`."),
    Operator.OVERWRITE: (
        Mistake.REPEATS,
        "`{place}` overwrites what was there where it should add.",
        "`{place}` adds to what was there where it should take its place.",
    ),
    Operator.STATEMENT: (Mistake.OPERATION, "`{place}` does not belong there."),
    Operator.SUMMED: (Mistake.AXIS, "`{before}` is not summed."),
    Operator.BRACKETS: (Mistake.OPERATION, "The brackets are in the wrong place, or missing, in `{place}`."),
    Operator.EXTRA: (Mistake.FACTOR, "`{before}` lacks a factor."),
    Operator.ROWS: (Mistake.ROWS, "`{place}` goes over more than it should."),
    Operator.SUMS: (
        Mistake.AXIS,
        "`{place}` is a product of sums where a sum of products belongs.",
        "`{place}` is a sum of products where a product of sums belongs.",
    ),
    Operator.FUNCTION: (
        Mistake.OPERATION,
        "The function in `{place}` is the wrong one.",
        "`{before}` applies a function to what should stand there as it is.",
    ),
    Operator.EVERY_ROW: (
        Mistake.MASK,
        "`{before}` takes these entries in every row, and each row has its own.",
    ),
    Operator.INDEX: (Mistake.PLACES, "The index in `{before}` is not the right one."),
}
"""What is said of a change that makes an answer right; where there are two sentences, the second is said of those below."""

SECOND: Mapping[Operator, Callable[[str, str], bool]] = {
    Operator.OPERATION: lambda before, after: _operator(before) is ast.Div,
    Operator.ADDED: lambda before, after: _operator(before) is ast.Mult,
    Operator.NUMBER: lambda before, after: before.startswith("float("),
    Operator.PRODUCT: lambda before, after: after.count(".T") > before.count(".T"),
    Operator.FUNCTION: lambda before, after: before.endswith(")"),
    Operator.RESHAPE: lambda before, after: after.count(".transpose(") <= before.count(".transpose("),
    Operator.FLATTEN: lambda before, after: after.count(".flatten(0, 1)") == 1,
    Operator.LETTERS: lambda before, after: len(before) != len(after),
    Operator.MORE_AXES: lambda before, after: after.count(",") > before.count(",") + 1,
    Operator.FEWER_AXES: lambda before, after: before.count(",") > after.count(",") + 1 or before.endswith("()"),
    Operator.KEEPDIM: lambda before, after: "keepdim" in before and len(before) > len(after),
    Operator.MEAN: lambda before, after: before.endswith("sum"),
    Operator.UNSUMMED: lambda before, after: f"{after}.mean(" in before or before.startswith("torch.mean("),
    Operator.TRANSPOSE: lambda before, after: len(before) > len(after),
    Operator.SWAP: lambda before, after: not after.endswith(".mT"),
    Operator.OVERWRITE: lambda before, after: "+=" in before or "_add_" in before or "accumulate=True" in before,
    Operator.SUMS: lambda before, after: _operator(before) is None,
}
"""Of which changes, by the code before and after, the second sentence is said."""
ALONE = "All the rest is right: look at this place alone."
SEVERAL = "Look at this place, and at others of the cell like it: all the rest is right."
LETTERS = "Give axes that go together the same letter. What has no letter behind the arrow is summed."
ADVICE = {
    (Operator.FLATTEN, False): "Make the first two axes one, by `.flatten(0, 1)`, in both factors; "
    "or use `.transpose(1, 2)`, which is `.mT` here, and sum over the first axis.",
    (Operator.RESHAPE, True): "Give it the shape of the variable in one go: the entries lie in that order.",
    (Operator.FLATTEN, True): "Make the first two axes of the one with three one axis, by `.flatten(0, 1)`.",
    (Operator.EVERY_ROW, False): "Put an index of the rows in the place of `:`, such as `range(n)`.",
    (Operator.INDEX, False): "Which index does the loop count it with? All the rest is right.",
    (Operator.LETTERS, False): LETTERS,
    (Operator.LETTERS, True): LETTERS,
    (Operator.ROUNDS, False): "Start from zeros before the loop, and add with `+=` in it.",
    (Operator.MADE_ANEW, False): "Move that line to before the loop: all the rest is right.",
    (Operator.DONE_AGAIN, False): "Move it to after the loop: all the rest is right.",
    (Operator.COPY, False): "Give both indices in one pair of brackets, as in `a[i, j]`: all the rest is right.",
    (Operator.UNSHIFTED, False): "Where does the round of number `{index}` belong? Let the slice begin there.",
    (Operator.BLOCKS, False): "Where does block number `{index}` begin? Multiply `{index}` by the length of a block.",
    (Operator.OUTER, False): "Use `torch.outer`, or `*` with an axis of size 1 in each: `a[:, None] * b`.",
    (Operator.PRODUCT, True): "Which side needs `.T`? The inner sizes have to be equal. All the rest is right.",
    (Operator.PART, False): "Look at the forward line again: what does it have together with `{before}`?",
    (Operator.ROW_SUM, False): "Divide it by that sum, as `softmax` does: all the rest is right.",
    (Operator.RESHAPE, False): "Which axes change places? Exchange them by `.transpose`, before it or after.",
    (Operator.SWAP, False): "Use `.mT`, or `.transpose(-2, -1)`: they exchange the last two axes. All the rest is right.",
}
"""What to do about a change, by whether its second sentence is said; of others, to look at the one place."""


def repair(
    source: str,
    alternatives: Alternatives,
    is_right: Callable[[ParsedCell], bool],
    budget: Budget | None = None,
    holds: Callable[[ParsedCell], bool] = lambda cell: True,
    has_few: bool = False,
) -> Cause | None:
    """The mistake that one small change of the code fixes, or None. `is_right` runs code, and says whether it is right.

    `budget` is for how long it is looked for. A change of a number has to be right on other rows and
    values too, which `holds` says: `n - 1` may be another size by chance. If the answer `has_few` entries, so has every change.
    """
    budget = budget or Budget.of(MAX_SECONDS)
    try:
        tree = parsed.parse_tree(source)
    except (SyntaxError, ValueError):
        return None
    if any(isinstance(node, ast.While) for node in ast.walk(tree)):
        return None  # a changed condition may never end
    going_on = parsed.going_on(tree)
    compiled = {statement: parsed.statement(statement) for statement in tree.body}
    few, many = mutants(tree, alternatives, OPERATORS[:-1]), mutants(tree, alternatives, OPERATORS[-1:])
    changes = chain(slips_of_statements(tree), few, slips(tree, alternatives), many, with_parts_of_lines(tree, alternatives))
    for count, mutant in enumerate(changes):
        if count == MAX_CHANGES or budget.spent:
            return None
        if mutant.operator is Operator.OVERWRITE and parsed.going_on(mutant.tree) - going_on:
            continue  # it would add to what another cell has left under this name
        cell = parsed.from_tree(source, mutant.tree, compiled)
        if is_right(cell) and (not (has_few or mutant.operator in OF_NUMBERS) or holds(cell)):
            return _cause(mutant)
    return None


def with_a_term_less(source: str) -> Iterator[ParsedCell]:
    """The code without one of the terms of its sums."""
    tree = parsed.parse_tree(source)
    return (parsed.from_tree(source, mutant.tree) for mutant in shorter(tree))


def alternatives(tape: Tape, variable: str, values: Mapping[str, object]) -> Alternatives:
    """For each tensor what may stand in its place in an answer: others of its shape, then what the consumers' lines read.

    `values` are what the names stand for. Factors and numbers that may be missing, and axes, have names of their own.
    """
    consumers = tape.consumers(variable)
    incoming = [f"d{consumer}" for consumer in consumers if consumer != tape.loss]
    line = list(
        dict.fromkeys((*incoming, *(name for each in consumers for name in (*tape.parents(each), each) if each != tape.loss)))
    )
    alike: dict[object, list[str]] = defaultdict(list)
    for name, value in values.items():
        if isinstance(value, Tensor):
            alike[value.shape, value.is_floating_point()].append(name)
    found = {
        name: [other for other in dict.fromkeys((*same, *line)) if other != name] for same in alike.values() for name in same
    }
    nodes = [node for use in tape.uses(variable) for node in ast.walk(ast.parse(use))]
    numbers = {ast.unparse(node) for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, float)}
    names = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(values.get(node.id), Tensor)]
    parts = [*dict.fromkeys((*line, *names, *parts_of_lines(tape, variable)))]
    value = tape.state.get(variable)
    # of three axes, what a mean goes over is the rows times the size of the second
    sizes = [f"{variable}.shape[1]"] if isinstance(value, Tensor) and value.dim() > 2 else []
    most = max((value.dim() for name in line if isinstance(value := values.get(name), Tensor)), default=0)
    axes = {AXES: [str(axis) for axis in range(most)]} if most > 2 else {}
    return {**found, FACTORS: [*line, *sizes], CONSTANTS: sorted(numbers), PARTS: parts, **axes}


def parts_of_lines(tape: Tape, variable: str) -> list[str]:
    """The products, sums and calls in the lines that consume a variable, as code."""
    nodes = (node for use in tape.uses(variable) for node in ast.walk(ast.parse(use)))
    return [ast.unparse(node) for node in nodes if isinstance(node, ast.BinOp | ast.Call) and mentioned(node)]


def _cause(mutant: Mutant) -> Cause:
    mistake, *sentences = SENTENCES[mutant.operator]
    is_second = len(sentences) > 1 and SECOND[mutant.operator](mutant.before, mutant.after)
    advice = SEVERAL if mutant.is_repeated else ADVICE.get((mutant.operator, is_second), ALONE)
    if mutant.operator in {Operator.TERM, Operator.FACTOR} and not mutant.is_repeated and (extra := _dropped(mutant)):
        advice = f"Take `{short(extra)}` out: all the rest is right."
    parts = {"before": mutant.before, "after": mutant.after, "place": mutant.place, **_of_loop(mutant)}
    blanks = {name: short(code) for name, code in parts.items()}
    return Cause(mistake, sentences[is_second].format_map(blanks), advice.format_map(blanks))


def _of_loop(mutant: Mutant) -> dict[str, str]:
    """What a loop counts with, and which part of it a change takes out of it or moves."""
    match ast.parse(mutant.before).body:
        case [ast.For(target=index) as loop]:
            kept = {ast.unparse(node) for node in ast.walk(ast.parse(mutant.after)) if not isinstance(node, ast.For)}
            parts = (ast.unparse(node) for node in ast.walk(loop) if isinstance(node, ast.Subscript | ast.Assign))
            ends = {Operator.MADE_ANEW: loop.body[0], Operator.DONE_AGAIN: loop.body[-1]}
            moved = ends.get(mutant.operator)
            part = ast.unparse(moved) if moved else next((code for code in parts if code not in kept), "")
            return {"index": ast.unparse(index), "part": part}
    return {}


def _dropped(mutant: Mutant) -> str:
    """The term or the factor that a change leaves out; nothing where both are the same, or where it is a line in place."""
    match ast.parse(mutant.before).body:
        case [ast.Expr(ast.BinOp(left=left, op=operator, right=right))]:
            kept = {mutant.after, mutant.after.removeprefix("-")}
            sides = [side for side in (ast.unparse(left), ast.unparse(right)) if side not in kept]
            return f"{'/ ' * isinstance(operator, ast.Div)}{sides[0]}" if len(sides) == 1 else ""
    return ""


def _operator(code: str) -> type[ast.operator] | None:
    """What an expression does last; None where it is no arithmetic."""
    match ast.parse(code).body:
        case [ast.Expr(value=ast.BinOp(op=operator)) | ast.AugAssign(op=operator)]:
            return type(operator)
    return None
