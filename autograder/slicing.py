"""Which tests a change in a notebook touches, and which cells have to run to judge some of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Set
from functools import lru_cache

from autograder import cell
from autograder.homework import Homework, asked
from autograder.paper import Role, Task

OPAQUE = re.compile(r"\b(eval|exec|get_ipython|globals|locals|setattr|vars)\b|import \*|^\s*[%!]", re.MULTILINE)
"""A cell that has this may read and bind any name."""


def affected(before: Homework, now: Homework) -> tuple[frozenset[str], frozenset[str]]:
    """The tests whose answers were changed from one version of a notebook to the next, and all those that may differ."""
    old = {task.id: task for task in before.tasks}
    order = [task.id for task in now.tasks if task.id in old]
    everything = frozenset(task.id for task in now.tests)
    if order != [task.id for task in before.tasks if task.id in set(order)]:
        return everything, everything
    gone = old.keys() - {task.id for task in now.tasks}
    names = {name for id in gone for name in _touches(old[id])}
    if any(_is_opaque(before, old[id]) for id in gone):
        return everything, everything
    cells: set[str] = set()
    for task in now.tasks:
        changed = task.id not in old or old[task.id].source != task.source
        if changed or names & (_reads(task) | _touches(task)) or (names and _is_opaque(now, task)):
            cells.add(task.id)
            names |= _touches(task) | (_touches(old[task.id]) if task.id in old else set())
            if _is_opaque(now, task):
                return _direct(before, now), everything
    touched = {
        test.id
        for test in now.tests
        if test.id in cells or now.answers[test.id] in cells or names & _about(now, test) or now.answers[test.id] in gone
    }
    return _direct(before, now) & touched, frozenset(touched)


def needed(homework: Homework, tests: Set[str]) -> tuple[Task, ...]:
    """The cells to run so that some tests are judged as they are among all.

    These are the course's own, all answers before the last of the tests, and what any of that reads.
    """
    if any(_is_opaque(homework, task) for task in homework.tasks):
        return homework.tasks
    last = max((index for index, task in enumerate(homework.tasks) if task.id in tests), default=-1)
    answers = {*homework.answers.values()}
    names: set[str] = set()
    kept = []
    for index, task in reversed([*enumerate(homework.tasks)]):
        is_answer = task.id in answers and index < last
        if task.role is Role.LOCKED or task.id in tests or is_answer or names & _touches(task):
            kept.append(task)
            names |= (_reads(task) if task.role is not Role.LOCKED else set()) | _touches(task)
    return tuple(reversed(kept))


def _direct(before: Homework, now: Homework) -> frozenset[str]:
    """The tests whose answer, or which themselves, were changed."""
    old = {task.id: task.source for task in before.tasks}
    return frozenset(
        test.id
        for test in now.tests
        if old.get(test.id) != test.source or old.get(now.answers[test.id], "") != now.source(now.answers[test.id])
    )


def _about(homework: Homework, test: Task) -> set[str]:
    """The names that a test is about."""
    return {homework.answers[test.id], *(by or name for name, by in asked(test.source)), *_reads(test)}


def _reads(task: Task) -> Set[str]:
    return cell.read(task.source).reads


def _touches(task: Task) -> Set[str]:
    return _touched(task.source)


@lru_cache(maxsize=512)
def _touched(source: str) -> Set[str]:
    """The names that a cell makes or changes; of what is not Python, all words in it."""
    try:
        nodes = [*ast.walk(cell.tree(source))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset(re.findall(r"\w+", source))
    return cell.read(source).touches.union(*map(_changed, nodes))


def _changed(node: ast.AST) -> Iterable[str]:
    """Names that a part of a cell binds by an import, deletes, or calls a method of for what that does."""
    match node:
        case ast.Import() | ast.ImportFrom():
            return cell.bound(node)
        case ast.Delete(targets=targets):
            return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner))):
            return [name.id for name in ast.walk(owner) if isinstance(name, ast.Name)]
    return ()


def _is_opaque(homework: Homework, task: Task) -> bool:
    """Whether nobody can say what a cell reads. Cells of the course do what they seem to do."""
    return task.id in homework.written and bool(OPAQUE.search(task.source))
