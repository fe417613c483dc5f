"""Answers to the asks of an assignment, judged as in a notebook, by what is recorded, or as in an exam, by the model answer."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from autograder.course.cells import Cell, Role, body, is_ask, read_cells
from autograder.course.questions import Question, answer_of, models_of
from autograder.judge.judging import EXAM, PRACTICE, judge
from autograder.judge.kinds import claim
from autograder.judge.session import Session
from autograder.lint.recording import locked_names
from autograder.notebook.extension import LocalBackend
from autograder.replay.workspace import NotebookWorkspace
from autograder.verdict import Verdict
from scripts.submissions import ROOT

FEW = 300
"""Names that answers run on, of the 32,469 in a notebook: what they are judged by is drawn anyway."""
ASSIGNMENTS = ("bigrams", "mlp", "batchnorm", "wavenet")
"""Those that have asks."""
FORMS = Path(__file__).parent / "asks"


@dataclass(frozen=True)
class Form:
    """An answer to an ask in a style of somebody's: `named` where a planted mistake is to name it."""

    assignment: str
    name: str
    code: str
    right: bool
    about: str
    named: bool = False

    def __str__(self) -> str:
        return f"{self.assignment}-{self.name}-{self.about}".replace(" ", "_")[:60]


def forms(file: str) -> list[Form]:
    """The answers in a file of this folder, `ASSIGNMENT.toml` or `ASSIGNMENT-blind.toml`."""
    path = FORMS / f"{file}.toml"
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["form"] if path.is_file() else []
    return [
        Form(
            file.partition("-")[0],
            row["name"],
            row["code"],
            row["right"],
            row.get("about", str(place)),
            row.get("named", False),
        )
        for place, row in enumerate(rows)
    ]


class _Shell:
    """As much of IPython as a session needs."""

    def __init__(self) -> None:
        self.user_ns: dict[str, object] = {}


@cache
def _notebooks(assignment: str) -> dict[str, tuple[Cell, ...]]:
    return {path.stem: tuple(read_cells(path)) for path in sorted((ROOT / "source" / assignment).glob("*.ipynb"))}


@cache
def _given(assignment: str, notebook: str) -> dict[str, object]:
    """The names that the locked cells of a notebook bind, and the model answers between them. The list of names is short."""
    cells = [replace(cell, role=Role.LOCKED) if cell.solves else cell for cell in _notebooks(assignment)[notebook]]
    found = locked_names(cells, lambda cell, error: pytest.fail(f"{cell} stops: {error}"))
    return found | {"names": found["names"][:FEW]} if "names" in found else found


def cells_of_notebook(assignment: str, stem: str) -> tuple[Cell, ...]:
    """The cells of a notebook."""
    return _notebooks(assignment)[stem]


def notebook_cells(assignment: str, name: str) -> tuple[Cell, ...]:
    """The cells of the notebook that asks for a name."""
    return _notebooks(assignment)[notebook_of(assignment, name)]


def given(assignment: str, name: str) -> dict[str, object]:
    """The names that there are in that notebook."""
    return _given(assignment, notebook_of(assignment, name))


def notebook_of(assignment: str, name: str) -> str:
    """The notebook that asks for a name."""
    found = (stem for stem, cells in _notebooks(assignment).items() if name in models_of(cells))
    return next(found)


def asked(assignment: str) -> list[str]:
    """The names of all asks of an assignment."""
    return [name for cells in _notebooks(assignment).values() for name in models_of(cells)]


def models(assignment: str, name: str) -> Cell:
    """The solution cell of an ask; of one about a method, that of its class."""
    cells = (cell for its in _notebooks(assignment).values() for cell in its)
    return next(cell for cell in cells if cell.solves and cell.id == answer_of(name))


def in_session(asks: Mapping[str, str], code: str, names: Mapping[str, object], folder: Path = Path()) -> Session:
    """A notebook in which asks and one cell with an answer have run. `asks` are their sources by name."""
    shell = _Shell()
    shell.user_ns.update(names)
    session = Session(shell, LocalBackend())  # type: ignore[arg-type]
    session.workspace = NotebookWorkspace(shell.user_ns, folder)
    for source in asks.values():
        session.ask(source)
    error = ""
    try:
        exec(compile(code, "<answer>", "exec"), shell.user_ns)
    except Exception as stop:
        error = f"{type(stop).__name__}: {stop}"
    session.note(code, None, error)
    return session


def answered(assignment: str, name: str, code: str) -> Session:
    """A notebook whose locked cells have run, and after them this code, in the folder with what is recorded."""
    asks = {cell.id: body(cell.source) for cell in notebook_cells(assignment, name) if is_ask(cell.source)}
    return in_session(asks, code, given(assignment, name), ROOT / "source" / assignment)


@cache
def verdict(assignment: str, name: str, code: str, exam: bool = False) -> Verdict:
    """The verdict on an answer with this code, by what is recorded, or as in an exam."""
    session = answered(assignment, name, code)
    if exam:
        session.models = models_of(notebook_cells(assignment, name))
    effort = replace(EXAM, seed="some secret") if exam else PRACTICE
    return judge(claim(session, Question(name)), effort)
