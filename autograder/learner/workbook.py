"""A learner's notebook as it is checked: the learner's cells, between the cells of the course as they were released."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from autograder.course.catalogue import Catalogue, Origin, default
from autograder.course.cells import Cell, Role, body, imports_of, is_ask, is_blank, load, read_cells, text_cells, with_answers
from autograder.course.questions import answer_of, answers_to, asked_name, has_forward, plain_tests, shown_in, specifications
from autograder.course.splits import SPLIT, Part, find_split
from autograder.errors import ContentError
from autograder.examiner.exam import Exam
from autograder.replay import parsed
from autograder.sandbox.limits import Limits

SEED = "check"
"""The seed of the cases of a check. Hidden tests have one that a learner does not know."""

NAME = "To hand this file in, call it `{}`: nbgrader knows a notebook by its name."

AS_TEXT = "The cell `{}` is a text cell now, and does not run. In JupyterLab choose it, and press `y`: it is code again."


@dataclass(frozen=True)
class Workbook:
    """The code cells of a notebook.

    `answers` are the ids of the cells that its tests are about. `written` are cells with a text of the learner's own,
    `blank` are answers without one, `restored` are cells of the course that had been changed, `gone` are cells for answers
    that are not there any more. `origin` is the released notebook that it was made from. `notes` say what else to know.
    """

    path: Path
    tasks: tuple[Cell, ...]
    answers: Mapping[str, str]
    written: frozenset[str] = frozenset()
    blank: frozenset[str] = frozenset()
    restored: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    origin: Origin | None = None
    notes: tuple[str, ...] = ()

    @property
    def assignment(self) -> str:
        """The name of the assignment that has its cells, or if none has, the name of its folder."""
        return self.origin.assignment.name if self.origin else self.path.resolve().parent.name

    @cached_property
    def plain(self) -> frozenset[str]:
        """The ids of the tests that are ordinary assertions."""
        return plain_tests(self.tasks)

    @property
    def tests(self) -> Iterator[Cell]:
        return (task for task in self.tasks if task.role is Role.TEST)

    def specification(self, name: str) -> str:
        """The source of the ask for this name, else of the first forward pass: by it the logbook knows an answer."""
        return next(self.specifications(name), "")

    def specifications(self, name: str) -> Iterator[str]:
        """The source of the ask for this name, and of the forward passes."""
        return specifications(self.tasks, name)

    def source(self, id: str) -> str:
        """The source of a cell; nothing where there is no such cell."""
        return next((task.source for task in self.tasks if task.id == id), "")

    def exam(self, limits: Limits, tasks: tuple[Cell, ...] | None = None) -> Exam:
        """What is examined: all cells, or only these."""
        imports = imports_of(task for task in self.tasks if task.is_locked)
        return Exam(
            self.tasks if tasks is None else tasks,
            imports,
            SEED,
            limits,
            plain=self.plain,
            autograd=not has_forward(self.tasks),
        )


def open_workbook(path: Path, with_tests: bool = False, catalogue: Catalogue | None = None) -> Workbook:
    """The notebook of a file. Raises ContentError for a file that is none, or if `with_tests` for one without tests.

    Where the release has this notebook, its locked cells and tests count, whatever became of them in the file. A notebook of
    another course is taken as it is.
    """
    found = read_cells(path)
    there = {cell.id for cell in found}
    origin = (catalogue or default()).origin(path, found)
    original = origin.given(path) if origin else ()
    restored: list[str] = []
    notes: list[str] = []
    if original:
        found, notes = _joined(found, original)
        found, restored = _restored(found, original)
    if origin and path.name != origin.notebook.name:
        notes.append(NAME.format(origin.notebook.name))
    if with_tests and all(cell.role is not Role.TEST for cell in found):
        raise ContentError(f"{path} asks for nothing: it has no cells with tests. Give a notebook of the course.")
    lacking = [cell.id for cell in original if cell.solves and cell.id not in there]
    as_text = text_cells(load(path)) if lacking else set()
    notes += [AS_TEXT.format(id) for id in lacking if id in as_text]
    gone = tuple(id for id in lacking if id not in as_text)
    given = {cell.id: cell.source for cell in original}
    bare = {cell.id for cell in found if is_blank(cell, given.get(cell.id))}
    written = {cell.id for cell in found if cell.role is Role.STUDENT} - bare
    blank = {cell.id for cell in found if cell.solves} & bare
    return Workbook(
        path=path,
        tasks=with_answers(found),
        answers={test.id: answer for test, _, answer in answers_to(found)},
        written=frozenset(written),
        blank=frozenset(blank),
        restored=tuple(restored),
        gone=gone,
        origin=origin,
        notes=tuple(notes),
    )


def _joined(found: list[Cell], original: Sequence[Cell]) -> tuple[list[Cell], list[str]]:
    """The cells with each answer that was split as one cell, and notes on those."""
    known = {cell.id: cell for cell in original}
    found, notes = [*found], []
    for name, cell in known.items():
        parts = [Part(each.id if each.id in known else "", each.source, is_known=each.id in known) for each in found]
        if cell.solves and (split := find_split(parts, name, cell, {name})):
            found[split.first : split.first + split.count] = [replace(found[split.own], source=split.source)]
            notes.append(SPLIT.format(name, split.count))
    return found, notes


def _restored(found: list[Cell], original: Sequence[Cell]) -> tuple[list[Cell], list[str]]:
    """All cells of the release in its order, each followed by the learner's own that followed it in the file."""
    known = {cell.id: cell for cell in original}
    own: dict[str, list[Cell]] = {}
    copies: dict[str, list[Cell]] = {}
    last = ""
    for cell in found:
        if cell.id in known:
            last = cell.id
            copies.setdefault(last, []).append(cell)
        else:
            own.setdefault(last, []).append(cell)
    whole, restored = own.get("", []), []
    for name, cell in known.items():
        edited = [copy for copy in copies.get(name, []) if copy.source.strip() not in ("", cell.source.strip())]
        if cell.role is Role.STUDENT:
            whole += [(edited or copies.get(name) or [cell])[-1]]
        else:
            restored += [name] * (name not in copies or bool(edited))
            whole += [cell]
        whole += own.get(name, [])
    return whole, restored


OPAQUE = re.compile(r"\b(eval|exec|get_ipython|globals|locals|setattr|vars)\b|import \*|^[ \t]*[%!]", re.MULTILINE)
"""A cell that has this may read and bind any name."""


def affected(before: Workbook, now: Workbook) -> tuple[frozenset[str], frozenset[str]]:
    """The ids of the tests whose answers were changed from one version of a notebook to the next, and of all to judge again.

    The cells are walked in their order with the set of names that may have another value now: a cell that was changed, or
    that reads one of these names, adds the names that it makes. Where it cannot be said what a cell reads and makes, or the
    order of the cells is another one, all tests are judged again.
    """
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


def needed(workbook: Workbook, tests: Set[str]) -> tuple[Cell, ...]:
    """The cells to run so that some tests are judged as they are among all.

    These are the course's own, all answers before the last of the tests, and what any of that reads. The cells are walked
    backwards, with the set of names that the cells below read.
    """
    if any(_is_opaque(workbook, task) for task in workbook.tasks):
        return workbook.tasks
    last = max((index for index, task in enumerate(workbook.tasks) if task.id in tests), default=-1)
    answers = {*workbook.answers.values()}
    names: set[str] = set()
    kept = []
    for index, task in reversed([*enumerate(workbook.tasks)]):
        is_answer = task.id in answers and index < last
        if task.role is Role.LOCKED or task.id in tests or is_answer or names & _touches(task):
            kept.append(task)
            names |= (_reads(task) if task.role is not Role.LOCKED else set()) | _touches(task)
    return tuple(reversed(kept))


def _direct(before: Workbook, now: Workbook) -> frozenset[str]:
    """The tests whose answer, or which themselves, were changed."""
    old = {task.id: task.source for task in before.tasks}
    return frozenset(
        test.id
        for test in now.tests
        if old.get(test.id) != test.source or old.get(now.answers[test.id], "") != now.source(now.answers[test.id])
    )


def _about(workbook: Workbook, test: Cell) -> set[str]:
    """The names that a test is about."""
    return {workbook.answers[test.id], *(question.answer for question in shown_in(test.source)), *_reads(test)}


def _reads(task: Cell) -> Set[str]:
    return parsed.parse_cell(task.source).reads


def _touches(task: Cell) -> Set[str]:
    return _touched(task.source)


@lru_cache(maxsize=512)
def _touched(source: str) -> Set[str]:
    """The names that a cell makes or changes; of what is not Python, all words in it. An ask changes what it asks for."""
    if is_ask(source):
        name = asked_name(body(source))
        return frozenset({name, answer_of(name)})
    try:
        nodes = [*ast.walk(parsed.parse_tree(source))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset(re.findall(r"\w+", source))
    cell = parsed.parse_cell(source)
    return cell.touches.union(*(_changed(node, cell.reads) for node in nodes))


def _changed(node: ast.AST, reads: Set[str]) -> Iterable[str]:
    """The names that a statement imports, deletes, or calls a method of without using what it returns: `x.add_(1)`.

    What the cell does not read from outside, such as a local name of a function, is nobody else's.
    """
    match node:
        case ast.Import() | ast.ImportFrom():
            return parsed.bound(node)
        case ast.Delete(targets=targets):
            return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner))):
            return [name.id for name in ast.walk(owner) if isinstance(name, ast.Name) and name.id in reads]
    return ()


def _is_opaque(workbook: Workbook, task: Cell) -> bool:
    """Whether it cannot be said what a cell of the learner's reads. The course's own cells have no such code to hide."""
    return task.id in workbook.written and bool(OPAQUE.search(task.source))
