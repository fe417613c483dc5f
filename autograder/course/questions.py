"""What the tests of a course ask for, as it stands in their cells, and the model answers to that."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from autograder.course.catalogue import default
from autograder.course.cells import SOLUTION, Cell, Role, body, is_ask, is_forward, read_cells, unmarked
from autograder.errors import ContentError
from autograder.replay import parsed

VERBS = ("check", "grade")
"""What a test calls: in the lines that students see, and in the hidden ones."""
APART = "# autograder: apart"
"""A line in a test of ordinary assertions that is to run where no student's code ever is, as tests do that call a verb."""
IN_PLACE = "# autograder: in place"
"""A line in a test that runs there, and is to see what a student's function changes in what the test passes to it."""
PRACTICE = "# autograder: practice"
"""A line in a test that gives no points, and is not to: it hides nothing, and nobody has to hand its answer in."""


@dataclass(frozen=True, order=True)
class Question:
    """What a test asks for: `name`, such as `dprobs`. `by` is the function that returns it, if no cell of that name does."""

    name: str
    by: str = ""

    @property
    def answer(self) -> str:
        """The id of the cell with the answer, and the name that the cell binds."""
        return answer_of(self.by or self.name)


def answer_of(name: str) -> str:
    """The id of the cell with the answer to a question of this name: for `NAME.method`, it is the one with the class."""
    return name.partition(".")[0]


def id_of(role: str, name: str) -> str:
    """The id of the cell that has this role for a question, `ask` or `test`. The id of a cell has no dots."""
    return f"{role}-{name.replace('.', '-')}"


def questions_in(source: str) -> dict[str, set[Question]]:
    """The questions that a cell asks, by the verb that it calls. Raises SyntaxError or ValueError for what is not Python."""
    found: dict[str, set[Question]] = {verb: set() for verb in VERBS}
    for node in ast.walk(_tree(source)):
        match node:
            case ast.Call(func=ast.Name(id=str(verb)), args=[ast.Constant(value=str(name))], keywords=keywords) if (
                verb in found
            ):
                by = next((keyword.value.value for keyword in keywords if isinstance(keyword.value, ast.Constant)), None)
                if by is None or isinstance(by, str):
                    found[verb].add(Question(name, by or ""))
    return found


def shown_in(source: str) -> list[Question]:
    """The questions that a cell asks where students see it, in order; none in what is not Python."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return sorted(questions_in(source)["check"])
    return []


def answers_to(cells: Iterable[Cell]) -> Iterator[tuple[Cell, str, str]]:
    """The tests, each with the name that it asks for and the id of the cell that it is about.

    A test that asks for no name goes by its own, and is about the last answer before it.
    """
    last = ""
    for cell in cells:
        last = cell.id if cell.solves else last
        if cell.role is Role.TEST:
            question = next(iter(shown_in(cell.source)), None)
            yield cell, *((question.name, question.answer) if question else (cell.id.removeprefix("test-"), last))


def plain_tests(cells: Iterable[Cell]) -> frozenset[str]:
    """The ids of the tests that are ordinary assertions: neither they nor the locked functions that they call ask a question.

    A test that calls `check` or `grade` of this package is judged, and so is one with the line APART. A course may have
    functions of its own by the names of the verbs.
    """
    given = [cell for cell in cells if cell.is_locked]
    nodes = [node for cell in given for node in _statements(cell.source)]
    asking = {"autograder"}.union(*map(_verbs_imported, nodes))
    called = {node.name: parsed.mentioned(node) for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    while more := {name for name, names in called.items() if names & asking} - asking:
        asking |= more
    tests = [cell for cell in given if cell.role is Role.TEST and not has_line(cell.source, APART)]
    return frozenset(test.id for test in tests if not any(parsed.mentioned(node) & asking for node in _statements(test.source)))


def has_line(source: str, line: str) -> bool:
    """Whether a cell has this line, such as APART."""
    return line in map(str.strip, source.split("\n"))


def _statements(source: str) -> list[ast.stmt]:
    """The statements of a cell, those below its cell magic included; none of what is not Python."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return _tree(source).body
    return []


def _tree(source: str) -> ast.Module:
    """The tree of a cell. Raises SyntaxError or ValueError for what is not Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):  # it may have magics, and what resolves them takes long to load
        return parsed.parse_tree(body(source))


def _verbs_imported(node: ast.stmt) -> set[str]:
    """The names that a statement gives to `check` and `grade`."""
    match node:
        case ast.ImportFrom(module="autograder", names=names):
            every = VERBS if any(alias.name == "*" for alias in names) else ()
            return {*every, *(alias.asname or alias.name for alias in names if alias.name in VERBS)}
    return set()


def has_forward(cells: Iterable[Cell]) -> bool:
    """Whether a forward pass is among some cells: its gradients are to be derived by hand."""
    return any(cell.is_locked and is_forward(cell.source) for cell in cells)


@dataclass(frozen=True)
class Exercise:
    """The code cells of all notebooks that have the same forward pass."""

    cells: tuple[Cell, ...]

    @property
    def asked(self) -> Mapping[str, str]:
        """The id of the cell with the answer, for each gradient that a test asks for.

        Where there are no cells for tests, every cell counts that calls `check`.
        """
        tests = [cell for cell in self.cells if cell.role is Role.TEST] or self.cells
        return {question.name: question.answer for cell in reversed(tests) for question in shown_in(cell.source)}

    def has(self, answer: str) -> bool:
        """Whether a cell has the source of this fingerprint."""
        return any(fingerprint(cell.source) == answer for cell in self.cells)

    def is_blank(self, id: str) -> bool:
        """Whether the cell of this id is there, and does nothing."""
        sources = [cell.source for cell in self.cells if cell.id == id]
        return bool(sources) and not any(parsed.parse_cell(source).statements for source in sources)


def specifications(cells: Iterable[Cell], name: str) -> Iterator[str]:
    """The sources by which the logbook may know an answer of this name: of the ask for it, and of the forward passes."""
    cells = list(cells)
    asks = (body(cell.source) for cell in cells if is_ask(cell.source))
    yield from (source for source in asks if asked_name(source) == name)
    yield from (body(cell.source) for cell in cells if is_forward(cell.source))


def beside(folder: Path, forward: str) -> Exercise | None:
    """The exercise of a forward pass, from the notebooks in a folder, or None where none has it.

    Of several it is the running one, where Jupyter says which that is. A file that is no notebook is passed over.
    """
    wanted = fingerprint(forward)
    found = {path.name: its for path in _notebooks(folder) if _has_forward(its := _cells(path), wanted)}
    running = found.get(Path(os.environ.get("JPY_SESSION_NAME", "")).name)
    all_of_them = running or tuple(cell for its in found.values() for cell in its)
    return Exercise(all_of_them) if all_of_them else None


def fingerprint(source: str) -> str:
    """The sha256 of a source, whatever blank lines are around it."""
    return sha256(source.strip().encode("utf-8", "replace")).hexdigest()


def _notebooks(folder: Path) -> list[Path]:
    with suppress(OSError):  # a folder that is gone
        return sorted(folder.glob("*.ipynb"))
    return []


def _has_forward(found: tuple[Cell, ...], wanted: str) -> bool:
    return any((is_forward(cell.source) or is_ask(cell.source)) and fingerprint(body(cell.source)) == wanted for cell in found)


def _cells(path: Path) -> tuple[Cell, ...]:
    """The code cells of a file; none where it is no notebook."""
    with suppress(ContentError):
        return tuple(read_cells(path))
    return ()


def models_of(cells: Iterable[Cell]) -> dict[str, str]:
    """The code of the model answers to the asks of an instructor's notebook, by name: the first form of each."""
    cells = list(cells)
    answers = {cell.id: parse_answer(cell.source).code for cell in cells if cell.solves}
    asked = [asked_name(body(cell.source)) for cell in cells if is_ask(cell.source)]
    return {name: answers[answer_of(name)] for name in asked if answer_of(name) in answers}


def asked_name(ask: str) -> str:
    """The name of the answer that an ask with this source is about; nothing where it names none."""
    found = re.search(r"^\s*(?:(?:def|class)\s+)?([\w.]+)\(", ask, re.MULTILINE)
    return found[1] if found else ""


OR = "# or:"
"""Begins another form of the model answer: a remark on this line, the code in comments below."""


@dataclass(frozen=True)
class Answer:
    """The code of a model answer, and other forms of it, each with a remark."""

    code: str
    others: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return "\n\n".join([self.code, *(f"{OR} {remark}".rstrip() + f"\n{code}" for remark, code in self.others)])


NO_MODEL = (
    "the model answer for `{}` is not at hand: no `source/` in this folder or above it has it, and neither has this package. "
    "Ask your instructor for it."
)


def model_answer(folder: Path, specification: str, name: str, assignment: str = "") -> Answer | None:
    """The model answer to a question about a forward pass, or by an ask, with this source.

    It is from the first course at or above a folder that has it, or from the course that comes with this package. Where
    assignments have the same forward pass, the one of this name comes first, and else the one that the folder, or one above
    it, is called like.
    """

    def comes_later(source: Path) -> tuple[bool, bool, str]:
        return source.name != assignment, source.name not in folder.parts, source.name

    for above in dict.fromkeys((folder, *folder.parents, *default().folders)):
        for source in sorted((above / "source").glob("*/"), key=comes_later):
            exercise = beside(source, specification)
            wanted = exercise.asked.get(name, name) if exercise else ""
            for cell in exercise.cells if exercise else ():
                if cell.id == wanted and SOLUTION[0] in cell.source:
                    return parse_answer(cell.source)
    return None


def parse_answer(source: str) -> Answer:
    """The answer in a solution cell."""
    lines = unmarked(source, SOLUTION).split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith(OR)]
    ends = [*starts, len(lines)]
    forms = (lines[start:end] for start, end in zip(starts, ends[1:], strict=True))
    others = tuple((form[0].removeprefix(OR).strip(), _uncommented(form[1:])) for form in forms)
    return Answer("\n".join(lines[: ends[0]]).strip("\n"), others)


def _uncommented(comments: Iterable[str]) -> str:
    return "\n".join(line.removeprefix("#").removeprefix("    ").removeprefix(" ") for line in comments)
