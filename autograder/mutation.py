"""Wrong answers by the hundred: everything that is one small change away from a right one."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from autograder import cell
from autograder.edits import Edit, edits
from autograder.rewrites import Alternatives, Change

MANY = {Change.NAME: 2, Change.EXTRA: 2}
"""Changes that can be made in many ways, and how many of these are tried in one place."""
MOST = 10
"""The same for all others."""


def mutants(source: str, alternatives: Alternatives) -> Iterator[Edit]:
    """The code that is one change away from a model answer, each once. `alternatives` are tensors of the same shape.

    Some of them are right again: a factor of ones can be dropped. Raises SyntaxError for a source that is no Python.
    """
    tree = cell.tree(source)
    seen = {ast.unparse(tree)}
    tried = Counter[tuple[Change, str, str]]()
    for edit in edits(tree, alternatives):
        place = (edit.change, edit.place, edit.before)
        if edit.source not in seen and tried[place] < MANY.get(edit.change, MOST):
            seen.add(edit.source)
            tried[place] += 1
            yield edit
