"""All code that is one small change away from some code."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

from autograder.rewrites import REWRITES, Alternatives, Change, other_axes

PARTS = (ast.Constant, ast.Name, ast.keyword, ast.Attribute, ast.operator)
"""What says little without what it stands in."""


@dataclass(frozen=True)
class Edit:
    """One change: the code of the part before and after, of what it stands in, and the whole tree after."""

    change: Change
    before: str
    after: str
    place: str
    tree: ast.Module

    @property
    def source(self) -> str:
        return ast.unparse(self.tree)


def edits(tree: ast.Module, alternatives: Alternatives) -> Iterator[Edit]:
    """All code that is one change away, in the order of the table; then the same change made everywhere. The tree stays."""
    for change, rewrite in REWRITES:
        for above, field, index, node in _places(tree, ()):
            for other in rewrite(node, above[-1], alternatives):
                place = next(each for each in (node, *reversed(above)) if not isinstance(each, PARTS))
                changed = _with(tree, above[-1], field, index, other)
                after = ast.unparse(ast.fix_missing_locations(other))
                yield Edit(change, ast.unparse(node), after, ast.unparse(place), changed)
    code = ast.unparse(tree)
    if (turned := _all_axes(tree)) is not None:
        yield Edit(Change.AXIS, code, ast.unparse(turned), code, turned)
    used = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    for name in (name for name, count in used.items() if count > 1):
        for alternative in alternatives.get(name, ()):
            yield Edit(Change.NAME, name, alternative, code, _renamed(tree, name, alternative))


def _places(node: ast.AST, above: tuple[ast.AST, ...]) -> Iterator[tuple[tuple[ast.AST, ...], str, int | None, ast.AST]]:
    """All nodes below this one and where they hang, in the order of the code."""
    above = (*above, node)
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield above, field, index, child
                yield from _places(child, above)


def _with(tree: ast.Module, parent: ast.AST, field: str, index: int | None, other: ast.AST) -> ast.Module:
    """A copy of the tree with another node in one place."""
    kept = getattr(parent, field)
    changed = [*kept[:index], other, *kept[index + 1 :]] if index is not None else other
    setattr(parent, field, changed)
    try:
        return ast.fix_missing_locations(deepcopy(tree))
    finally:
        setattr(parent, field, kept)


def _renamed(tree: ast.Module, name: str, other: str) -> ast.Module:
    """The tree with another name in every place that reads one."""
    changed = deepcopy(tree)
    for node in ast.walk(changed):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            node.id = other
    return changed


def _all_axes(tree: ast.Module) -> ast.Module | None:
    """The tree with every axis changed, if there are several."""
    places = [(above[-1], field, index, node) for above, field, index, node in _places(tree, ())]
    found = [(*place, other) for place in places for other in other_axes(place[3], place[0], {})]
    if len(found) < 2:
        return None
    changed = deepcopy(tree)
    copies = list(_places(changed, ()))
    for (_, _, _, node), (above, field, index, _) in zip(places, copies, strict=True):
        other = next((found_other for *_, found_node, found_other in found if found_node is node), None)
        if other is not None and index is not None:
            getattr(above[-1], field)[index] = other
        elif other is not None:
            setattr(above[-1], field, other)
    return ast.fix_missing_locations(changed)
