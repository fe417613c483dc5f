"""The objectives of an assignment: what a learner can do once some of its answers are right. Read from its lesson.

    [[objective]]
    says = "Counting is maximum likelihood"
    answers = ["N", "P", "nll"]

An answer goes by the name that its test asks for, or where no test asks for that, by the cell that it is written in: so
`backward` stands for all gradients that this function returns. A name that several notebooks ask for has its notebook in
front: `3-train/dlogits`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.course.cells import Cell
from autograder.course.order import LESSON_FILE
from autograder.course.questions import answers_to
from autograder.errors import ContentError

FIELDS = {"says", "answers"}


@dataclass(frozen=True)
class Objective:
    """What a learner can do, and the answers that it shows in."""

    says: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What a test asks for: its notebook without `.ipynb`, its id, the name of the answer, the cell for it, and the points."""

    notebook: str
    test: str
    name: str
    cell: str
    points: float = 0.0


def asked_in(notebook: str, cells: Iterable[Cell]) -> list[Asked]:
    """What the tests of a notebook ask for, in their order."""
    return [Asked(notebook, test.id, name, cell, test.points or 0.0) for test, name, cell in answers_to(cells)]


def meant(answer: str, asked: Iterable[Asked]) -> list[Asked]:
    """What an objective calls by this name; nothing where no test asks for it."""
    asked = list(asked)
    by_name = [each for each in asked if answer in (each.name, f"{each.notebook}/{each.name}")]
    return by_name or [each for each in asked if answer in (each.cell, f"{each.notebook}/{each.cell}")]


def objectives(folder: Path) -> tuple[Objective, ...]:
    """The objectives in the lesson of a folder; none where it has none. Raises ContentError for a file that cannot be read."""
    path = folder / LESSON_FILE
    if not path.is_file():
        return ()
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("objective", [])
        return tuple(map(_objective, rows if isinstance(rows, list) else [rows]))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise ContentError(f"{path}: {error}. Every [[objective]] has says and answers.") from None


def _objective(row: Any) -> Objective:
    if not isinstance(row, dict) or row.keys() != FIELDS:
        raise TypeError(f"an objective is {row!r}")
    says, answers = row["says"], row["answers"]
    if not isinstance(says, str):
        raise TypeError(f"{says!r} should be a text")
    if not (isinstance(answers, list) and answers and all(isinstance(each, str) for each in answers)):
        raise TypeError(f"the objective “{says}” should have a list of the names of answers")
    return Objective(says, tuple(answers))
