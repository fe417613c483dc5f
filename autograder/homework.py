"""A learner's notebook as it is checked: the learner's cells, between the cells of the course as they were released."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autograder import cell, released
from autograder.errors import ContentError
from autograder.exercise import FORWARD, calls_in
from autograder.limits import Limits
from autograder.paper import Paper, Role, Task
from autograder.released import Piece, pieces

SEED = "check"
"""What the cases of a check come from. Hidden tests have another one."""


@dataclass(frozen=True)
class Homework:
    """The code cells of a notebook.

    `points` are those of its tests by id, `answers` the ids of the cells that they test. `written` are cells with a text of
    the learner's own, `blank` are answers without one, `restored` are cells of the course that had been changed, `gone`
    are cells for answers that are not there any more.
    """

    path: Path
    tasks: tuple[Task, ...]
    points: Mapping[str, float]
    answers: Mapping[str, str]
    written: frozenset[str] = frozenset()
    blank: frozenset[str] = frozenset()
    restored: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def tests(self) -> Iterator[Task]:
        return (task for task in self.tasks if task.role is Role.TEST)

    @property
    def forwards(self) -> Iterator[str]:
        """The sources of the forward passes."""
        return (task.source.partition("\n")[2] for task in self.tasks if task.source.startswith(FORWARD))

    def source(self, id: str) -> str:
        """What stands in a cell, nothing where there is none."""
        return next((task.source for task in self.tasks if task.id == id), "")

    def paper(self, limits: Limits, tasks: tuple[Task, ...] | None = None) -> Paper:
        """What is examined: all cells, or only these."""
        return Paper(self.tasks if tasks is None else tasks, _imports(self.tasks), SEED, limits)


def read(path: Path, with_tests: bool = False) -> Homework:
    """The notebook of a file. Raises ContentError for a file that is none, or has no tests where there must be some.

    Where the release has this notebook, its locked cells and tests count, whatever became of them in the file. A notebook of
    another course is taken as it is.
    """
    found = list(pieces(path))
    there = {piece.id for piece in found}
    original = released.original(path, found)
    restored: list[str] = []
    if original is not None:
        found, restored = _restored(found, original)
    tasks = tuple(_task(piece) for piece in found if piece.source.strip())
    points = {piece.id: piece.points for piece in found if piece.role is Role.TEST}
    if with_tests and all(piece.role is not Role.TEST for piece in found):
        raise ContentError(f"{path} asks for nothing: it has no cells with tests. Give a notebook of the course.")
    gone = tuple(piece.id for piece in original or () if piece.solves and piece.id not in there)
    given = {piece.id: piece.source.strip() for piece in original or ()}
    bare = {piece.id for piece in found if piece.source.strip() == given.get(piece.id) or _does_nothing(piece.source)}
    written = {piece.id for piece in found if piece.role is Role.STUDENT} - bare
    blank = {piece.id for piece in found if piece.solves} & bare
    return Homework(path, tasks, points, dict(_answers(found)), frozenset(written), frozenset(blank), tuple(restored), gone)


def asked(source: str) -> list[tuple[str, str | None]]:
    """The gradients that a test checks, each with the function that gives it, if one does."""
    with suppress(SyntaxError, ValueError):
        return sorted(calls_in(source)["check"], key=str)
    return []


def _does_nothing(source: str) -> bool:
    """Whether there is no more in a cell than comments, and functions of nothing but a docstring: what nbgrader leaves."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    bodies = [statement.body if isinstance(statement, ast.FunctionDef) else [statement] for statement in statements]
    return all(isinstance(node, ast.Pass | ast.Expr) and not _computes(node) for body in bodies for node in body)


def _computes(node: ast.Pass | ast.Expr) -> bool:
    return isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)


def _answers(found: list[Piece]) -> Iterator[tuple[str, str]]:
    """The tests, each with the cell that it is about: of the names that it checks, or else the last one before it."""
    last = ""
    for piece in found:
        last = piece.id if piece.solves else last
        if piece.role is Role.TEST:
            yield piece.id, next((by or name for name, by in asked(piece.source)), last)


def _restored(found: list[Piece], original: list[Piece]) -> tuple[list[Piece], list[str]]:
    """All cells of the release in its order, each followed by the learner's own that followed it in the file."""
    known = {piece.id: piece for piece in original}
    own: dict[str, list[Piece]] = {}
    copies: dict[str, list[Piece]] = {}
    last = ""
    for piece in found:
        if piece.id in known:
            last = piece.id
            copies.setdefault(last, []).append(piece)
        else:
            own.setdefault(last, []).append(piece)
    whole, restored = own.get("", []), []
    for name, piece in known.items():
        edited = [copy for copy in copies.get(name, []) if copy.source.strip() not in ("", piece.source.strip())]
        if piece.role is Role.STUDENT:
            whole += [(edited or copies.get(name) or [piece])[-1]]
        else:
            restored += [name] * (name not in copies or bool(edited))
            whole += [piece]
        whole += own.get(name, [])
    return whole, restored


def _task(piece: Piece) -> Task:
    return Task(piece.id, piece.role, piece.source, answers=frozenset({piece.id}))


def _imports(tasks: tuple[Task, ...]) -> dict[str, str]:
    """The import statements of locked cells, by what they bind."""
    found: dict[str, str] = {}
    for task in tasks:
        if task.role is Role.STUDENT:
            continue
        with suppress(SyntaxError, ValueError):
            lines = (line for line in task.source.split("\n") if not line.startswith("%"))
            for node in ast.parse("\n".join(lines)).body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    found |= dict.fromkeys(cell.bound(node), ast.unparse(node))
    return found
