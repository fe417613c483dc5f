"""Where in the code a mistake is: the one small change that makes a wrong answer right."""

from __future__ import annotations

import ast
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from torch import Tensor

from autograder import cell
from autograder.cause import Cause, Mistake
from autograder.cell import Cell
from autograder.edits import Edit, edits
from autograder.rewrites import CONSTANTS, FACTORS, Alternatives, Change
from autograder.tape import Tape

SECONDS = 3.0
"""How long to look. Most cells take a tenth of a second; one with long loops is not worth more."""
MOST = 600
"""Changes to try."""
LONGEST = 60
"""Of a piece of code in a sentence, in characters."""

SENTENCES: dict[Change, tuple[Mistake, str]] = {
    Change.SIGN: (Mistake.SIGN, "A sign is wrong in `{place}`."),
    Change.TERM: (Mistake.OPERATION, "There is a term too many in `{place}`."),
    Change.FACTOR: (Mistake.FACTOR, "There is a factor too many in `{place}`."),
    Change.OPERATION: (Mistake.OPERATION, "`{place}` multiplies where it should divide, or divides where it should multiply."),
    Change.ADDED: (Mistake.OPERATION, "`{place}` adds where it should multiply, or multiplies where it should add."),
    Change.PRODUCT: (
        Mistake.OPERATION,
        "`{place}` has the wrong kind of product: `*` goes entry by entry, `@` is for matrices.",
    ),
    Change.POWER: (Mistake.FACTOR, "A power is wrong in `{place}`."),
    Change.NUMBER: (Mistake.CONSTANT, "The number `{before}` is wrong in `{place}`."),
    Change.AXIS: (Mistake.AXIS, "`{place}` goes along the wrong axis."),
    Change.KEEPDIM: (Mistake.AXIS, "`{place}` needs `keepdim=True`, or has it where it should not."),
    Change.MEAN: (Mistake.MEAN, "`{place}` is a mean where a sum belongs, or the other way round."),
    Change.UNSUMMED: (Mistake.AXIS, "`{place}` is summed once too often."),
    Change.TRANSPOSE: (Mistake.SHAPE, "`{before}` has to be transposed, or not to be."),
    Change.ORDER: (Mistake.SHAPE, "The two sides of `{place}` are in the wrong order."),
    Change.BESSEL: (Mistake.CONSTANT, "In `{place}` mind where the number of rows belongs, and where one less."),
    Change.NAME: (Mistake.TENSOR, "`{before}` is not what belongs in `{place}`."),
    Change.OVERWRITE: (Mistake.REPEATS, "`{place}` overwrites what was there where it should add, or the other way round."),
    Change.STATEMENT: (Mistake.OPERATION, "`{place}` does not belong there."),
    Change.SUMMED: (Mistake.AXIS, "`{before}` is not summed."),
    Change.BRACKETS: (Mistake.OPERATION, "The brackets are in the wrong place, or missing, in `{place}`."),
    Change.EXTRA: (Mistake.FACTOR, "`{before}` lacks a factor."),
    Change.ROWS: (Mistake.ROWS, "`{place}` does not go over all that it should."),
    Change.SUMS: (Mistake.AXIS, "`{place}` is a product of sums where a sum of products belongs, or the other way round."),
    Change.FUNCTION: (Mistake.OPERATION, "The function in `{place}` is the wrong one."),
}
ALONE = "All the rest is right: look at this place alone."


def repair(source: str, alternatives: Alternatives, is_right: Callable[[Cell], bool]) -> Cause | None:
    """The mistake that one small change of the code mends, or None."""
    deadline = time.monotonic() + SECONDS
    try:
        tree = cell.tree(source)
    except (SyntaxError, ValueError):
        return None
    if any(isinstance(node, ast.While) for node in ast.walk(tree)):
        return None  # a changed condition may never end
    for count, edit in enumerate(edits(tree, alternatives)):
        if count == MOST or time.monotonic() > deadline:
            return None
        if is_right(cell.of(source, edit.tree)):
            return _cause(edit)
    return None


def alternatives(tape: Tape, variable: str, values: Mapping[str, object]) -> Alternatives:
    """What may stand in the place of what in an answer: for a tensor those of its shape, then what its lines read.

    `values` are what names stand for.
    """
    consumers = tape.consumers(variable)
    come = [f"d{consumer}" for consumer in consumers if consumer != tape.loss]
    line = list(
        dict.fromkeys((*come, *(name for each in consumers for name in (*tape.parents(each), each) if each != tape.loss)))
    )
    alike: dict[object, list[str]] = defaultdict(list)
    for name, value in values.items():
        if isinstance(value, Tensor):
            alike[value.shape, value.is_floating_point()].append(name)
    found = {
        name: [other for other in dict.fromkeys((*same, *line)) if other != name] for same in alike.values() for name in same
    }
    nodes = (node for use in tape.uses(variable) for node in ast.walk(ast.parse(use)))
    numbers = {ast.unparse(node) for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, float)}
    return {**found, FACTORS: line, CONSTANTS: sorted(numbers)}


def _cause(edit: Edit) -> Cause:
    mistake, sentence = SENTENCES[edit.change]
    return Cause(mistake, sentence.format(before=_short(edit.before), place=_short(edit.place)), ALONE)


def _short(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
