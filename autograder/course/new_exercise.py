"""A new exercise: the instructor's notebook, made from a Python file with the set-up and the lines of a forward pass."""

from __future__ import annotations

import ast
import builtins
import io
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from torch import Tensor

from autograder.course import notebooks
from autograder.course.cells import CELL_ID, FORWARD, HIDDEN, SOLUTION, Cell, Role
from autograder.errors import ContentError, ForwardError
from autograder.replay.parsed import mentioned
from autograder.tape.tape import Tape, parse_forward, record

SCHEMA_VERSION = 3
"""nbgrader's, of the metadata of a cell."""
ADDED_BY_NBGRADER = ("checksum", "cell_type")
"""What nbgrader writes into the metadata itself, when it makes the release."""
MARKER = re.compile(r"\s*(?:#\s*)?%%forward\b(.*)")
SECTION = re.compile(r"#\s*%%(.*)")
OFFERED = ("check", "hint", "progress", "solution")
"""What the notebook imports of this package."""
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PLACEHOLDER = f"{SOLUTION[0]}\n# The model answer goes here.\n{SOLUTION[1]}"
TEST = f"""check("{{name}}")
{HIDDEN[0]}
from autograder import grade

grade("{{name}}")
{HIDDEN[1]}"""
HOW = """## How it works

Each gradient has a cell for your answer and, below it, a cell that checks it.
Run the cells from the top, one after the other.

1. **The name.** `d{name}` is the gradient of the loss with respect to `{name}`.
2. **The shape.** A gradient has the shape of its variable, always.
3. **A cell stands alone.** It uses the forward variables and the gradients of the variables that were computed from its own.
   The check runs your cell again with random numbers for these incoming gradients, so a copied number is never right."""
SIZES = "\n4. **Names for sizes.** Write `{name}`, never `{size}`."
FORWARD_WORDS = """## The forward pass

Each line makes one variable from variables above it.
The tensors are plain numbers: they carry no graph, and there is no `.grad` to look at."""
WHERE = "## Where you are\n\nThe forward pass runs from the bottom to the top, and you come down."


@dataclass(frozen=True)
class Section:
    """A part of the set-up: a heading, or none, and its code."""

    title: str
    code: str


@dataclass(frozen=True)
class Written:
    """The text of the file: words for the top, the set-up, what stands beside `%%forward`, and the lines below it.

    `marker` is the number of that line in the file.
    """

    path: Path
    words: str
    setup: tuple[Section, ...]
    code: str
    options: str
    forward: str
    marker: int

    @property
    def batch(self) -> list[str]:
        """The names of the minibatch. Raises ContentError for anything else beside `%%forward`."""
        option, *names = self.options.split() or ["--batch", ""]
        if option != "--batch" or not names:
            raise self.error(self.marker, f"`{self.options.strip()}` cannot stand there. Write `# {FORWARD} --batch n Xb Yb`.")
        return list(filter(None, names))

    def error(self, line: int, problem: str) -> ContentError:
        return ContentError(f"{self.path}, line {line}: {problem}")


@dataclass(frozen=True)
class NewExercise:
    """A notebook and what it asks for: the gradients in their order, and those among them that are of the minibatch."""

    path: Path
    notebook: NotebookNode
    gradients: tuple[str, ...]
    of_batch: tuple[str, ...]
    has_batch: bool


def make_exercise(
    file: Path, target: Path, only: Sequence[str], skip: Sequence[str], points: float, force: bool
) -> NewExercise:
    """Makes the notebook `target`, whose folder may be new, from a Python file. The set-up is run in that folder.

    It asks for all gradients but those of `skip`, or for those of `only`. Raises ContentError for a file that is there
    already, unless `force` says to replace it, and for what cannot be an exercise; it then leaves everything as it was.
    """
    if target.exists() and not force:
        raise ContentError(f"{target} is there already. Give the exercise another name, or replace it with --force.")
    written = read(file)
    is_new = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        tape = _recorded(written, target.parent)
        exercise = _exercise(written, target, tape, _asked(tape, only, skip), points)
        notebooks.write(exercise.notebook, target)
    except OSError as error:
        raise ContentError(f"{target} cannot be written ({error.strerror}).") from None
    finally:
        if not target.exists():
            for folder in is_new:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
    return exercise


def read(file: Path) -> Written:
    """The parts of the file. Raises ContentError where it has no forward pass, or is not Python; it names the line."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ContentError(f"{file} cannot be read ({reason}). Give a Python file with the lines of a forward pass.") from None
    lines = text.splitlines()
    found = [(number, match[1]) for number, line in enumerate(lines, 1) if (match := MARKER.match(line))]
    if not found:
        raise ContentError(_without_marker(file, text))
    number, options = found[0]
    above, below = lines[: number - 1], lines[number:]
    written = Written(file, "", (), "\n".join(above), options, "\n".join(below), number)
    if len(found) > 1:
        raise written.error(found[1][0], f"there is a second `{FORWARD}`. An exercise has one: make another file of it.")
    try:
        tree = ast.parse(written.code)
    except SyntaxError as error:
        raise written.error(error.lineno or 1, f"this is not Python ({error.msg}).") from None
    if (words := ast.get_docstring(tree)) is not None:
        above[: tree.body[0].end_lineno] = []
    return replace(written, words=words or "", setup=tuple(_sections(above)))


def _sections(lines: Sequence[str]) -> Iterator[Section]:
    """The set-up between lines `# %% heading`, the empty parts left out."""
    title, code = "", list[str]()
    for line in (*lines, "# %%"):
        if match := SECTION.fullmatch(line):
            if text := "\n".join(code).strip("\n"):
                yield Section(title, text)
            title, code = match[1].strip(), []
        else:
            code.append(line)


def _without_marker(file: Path, text: str) -> str:
    """What to do about a file without a marker. In one that has forward lines alone, nobody makes what they start from."""
    said = f"{file} has no line `# {FORWARD}`"
    put = "Put that line above the first line of the forward pass, and the set-up above it: imports, data, parameters"
    try:
        steps = parse_forward(text)
    except ForwardError:
        return f"{said}. {put}."
    names = sorted(frozenset().union(*(step.reads for step in steps)) - {step.name for step in steps} - {*dir(builtins)})
    unknown = f", and nothing makes {_listed(names)}" if names else ""
    return f"{said}{unknown}. {put}."


def _recorded(written: Written, folder: Path) -> Tape:
    """The forward pass, run after the set-up. Raises ContentError, naming the line, for what cannot be recorded."""
    namespace = _run_setup(written, folder)
    try:
        steps = parse_forward(written.forward)
        assigned = {step.name for step in steps}
        for step in steps:
            if unknown := sorted(step.reads - assigned - namespace.keys() - {*dir(builtins)}):
                problem = f"the forward pass reads {_listed(unknown)}, which nothing above makes. Put it into the set-up."
                raise written.error(written.marker + step.line, problem)
        with chdir(folder):
            tape = record(written.forward, namespace, written.batch)
    except ForwardError as error:
        raise written.error(written.marker + error.line, str(error)) from None
    taken = [name for name in OFFERED if name in assigned or _is_foreign(namespace.get(name))]
    if taken:
        raise ContentError(f"{written.path}: {_listed(taken)} is what notebooks call. Give it another name.")
    again = _run_setup(written, folder)
    for name, value in tape.given.items():
        if isinstance(value, Tensor) and not _is_same(value, again[name]):
            remedy = "Draw random numbers from a seeded generator: `g = torch.Generator().manual_seed(1)`, `generator=g`"
            raise ContentError(f"{written.path}: the set-up gives another `{name}` when it runs again. {remedy}.")
    for name in tape.variables[:-1]:
        if f"d{name}" in namespace.keys() | assigned:
            problem = f"`d{name}` stands for something else, and is to be the gradient of `{name}`"
            raise ContentError(f"{written.path}: {problem}. Give one of the two another name.")
        if not re.fullmatch(CELL_ID, f"about-d{name}"):
            raise ContentError(
                f"{written.path}: `{name}` cannot be in the id of a cell: use letters, digits and `_`, 50 at most."
            )
    return tape


def _run_setup(written: Written, folder: Path) -> dict[str, Any]:
    """The names that the set-up binds. Raises ContentError, naming the line, where it stops."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    code = compile(written.code, str(written.path), "exec")
    sys.path.insert(0, str(folder.resolve()))  # as in the notebook, which runs there
    try:
        with chdir(folder), redirect_stdout(io.StringIO()):
            exec(code, namespace)
    except (Exception, SystemExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(written.path)]
        line = frames[-1].lineno if frames else None
        problem = f"the set-up stopped with {type(error).__name__}: {error}. It runs in {folder}, as the notebook will"
        raise written.error(line or 1, f"{problem}.") from None
    finally:
        sys.path.remove(str(folder.resolve()))
    return namespace


def _is_foreign(value: object) -> bool:
    """Whether a name is bound, and not to what it means in the notebooks."""
    return value is not None and not str(getattr(value, "__module__", "")).startswith("autograder.")


def _is_same(value: Tensor, other: object) -> bool:
    return (
        isinstance(other, Tensor)
        and value.shape == other.shape
        and torch.allclose(value, other, rtol=0, atol=0, equal_nan=True)
    )


def backwards(tape: Tape) -> list[str]:
    """The variables in the order in which their gradients can be derived: each after all that were computed from it."""
    found: dict[str, None] = {}
    for step in reversed(tape.steps):
        read = mentioned(ast.parse(step.source))
        if step.name in tape.variables:
            for name in sorted(read & {*tape.parents(step.name)}, key=lambda name: step.source.index(name)):
                if tape.consumers(name)[0] == step.name:
                    found[name] = None
    return [*found]


def _asked(tape: Tape, only: Sequence[str], skip: Sequence[str]) -> list[str]:
    """The variables to ask for. Raises ContentError for an unknown one, and for one that needs one that is not asked for."""
    known = {f"d{name}": name for name in backwards(tape)}
    if unknown := [name for name in (*only, *skip) if name not in known]:
        raise ContentError(f"there is no gradient {_listed(unknown)}. There are {', '.join(known)}.")
    asked = [name for gradient, name in known.items() if gradient in (only or known) and gradient not in skip]
    if not asked:
        raise ContentError("no gradient is left to ask for.")
    for name in asked:
        for consumer in tape.consumers(name):
            if consumer not in asked and consumer != tape.loss:
                problem = f"`d{name}` is computed from `d{consumer}`, which is not asked for"
                raise ContentError(f"{problem}. Ask for both or for none, or write the two lines as one.")
    return asked


def _exercise(written: Written, target: Path, tape: Tape, asked: Sequence[str], points: float) -> NewExercise:
    cells = [
        cell for part in (_opening(written, tape, asked), *(_question(tape, name, points) for name in asked)) for cell in part
    ]
    cells += [new_markdown_cell(WHERE, id="where-you-are"), new_code_cell("progress()", id="progress")]
    notebook = notebooks.normalised(new_notebook(cells=cells, metadata=KERNEL))
    gradients = tuple(f"d{name}" for name in asked)
    of_batch = tuple(f"d{name}" for name in asked if name in tape.batch)
    return NewExercise(target, notebook, gradients, of_batch, bool(tape.batch))


def _opening(written: Written, tape: Tape, asked: Sequence[str]) -> Iterator[NotebookNode]:
    words = written.words or written.path.stem
    yield new_markdown_cell(words if words.startswith("#") else f"# {words}", id="title")
    sizes = ((name, value) for name in tape.batch if isinstance(value := tape.given[name], int))
    rule = "".join(SIZES.format(name=name, size=size) for name, size in list(sizes)[:1])
    yield new_markdown_cell(HOW.format(name=asked[0]) + rule, id="how-it-works")
    head = f"%load_ext autograder\nfrom autograder import {', '.join(OFFERED)}"
    for number, section in enumerate(written.setup or (Section("", ""),), 1):
        id = "setup" if number == 1 else f"setup-{number}"
        if section.title:
            yield new_markdown_cell(f"## {section.title}", id=f"about-{id}")
        code = f"{head}\n\n{section.code}".strip() if number == 1 else section.code
        yield _nbgrader_cell(Cell(id, Role.LOCKED, code))
    yield new_markdown_cell(FORWARD_WORDS, id="the-forward-pass")
    magic = f"{FORWARD} {written.options.strip()}".strip()
    yield _nbgrader_cell(Cell("forward", Role.LOCKED, f"{magic}\n{written.forward.strip()}"))


def _question(tape: Tape, name: str, points: float) -> Iterator[NotebookNode]:
    lines = tape.uses(name)
    words = f"### `d{name}`\n\n" + " and ".join(f"`{line}`" for line in lines)
    if len(lines) > 1:
        words += f"\n\n`{name}` is used in {len(lines)} lines: what comes back from each of them adds up."
    yield new_markdown_cell(words, id=f"about-d{name}")
    yield _nbgrader_cell(Cell(f"d{name}", Role.STUDENT, PLACEHOLDER, solves=True))
    yield _nbgrader_cell(Cell(f"test-d{name}", Role.TEST, TEST.format(name=f"d{name}"), points=points))


def _nbgrader_cell(cell: Cell) -> NotebookNode:
    settings: Mapping[str, Any] = cell.settings(SCHEMA_VERSION)
    kept = {key: settings[key] for key in sorted(settings) if key not in ADDED_BY_NBGRADER}
    return new_code_cell(cell.source, id=cell.id, metadata={"nbgrader": kept})


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
