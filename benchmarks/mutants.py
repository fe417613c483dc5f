"""Wrong answers by the hundred: everything that is one small change away from a right one."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from autograder.diagnosis.operators import Alternatives, Mutant, Operator, mutants
from autograder.replay import parsed

MANY = {Operator.NAME: 2, Operator.EXTRA: 2}
"""Operators that can be applied in many ways, and how many of these are tried in one place."""
MOST = 10
"""The same for all others."""


def sample(source: str, alternatives: Alternatives) -> Iterator[Mutant]:
    """The code that is one change away from a model answer, each once. `alternatives` are tensors of the same shape.

    Some of them are right again: a factor of ones can be dropped. Raises SyntaxError for a source that is no Python.
    """
    tree = parsed.parse_tree(source)
    seen = {ast.unparse(tree)}
    tried = Counter[tuple[Operator, str, str]]()
    for mutant in mutants(tree, alternatives):
        place = (mutant.operator, mutant.place, mutant.before)
        if mutant.source not in seen and tried[place] < MANY.get(mutant.operator, MOST):
            seen.add(mutant.source)
            tried[place] += 1
            yield mutant
