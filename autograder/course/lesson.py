"""What the lesson has to say about a gradient: hints, and wrong formulas with a sentence on each. Read from a file.

`part` at its top is the place of the assignment in its course.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.course.order import LESSON_FILE, checked_part
from autograder.errors import ContentError
from autograder.tape.tape import Tape


@dataclass(frozen=True)
class KnownMistake:
    """A wrong formula that runs: an expression of the forward variables, the incoming gradients, `torch` and `F`."""

    formula: str
    sentence: str
    next_step: str

    def value(self, names: Mapping[str, Any]) -> Tensor | None:
        """What the formula gives with these names; None where it does not run or gives something else than a tensor."""
        try:
            value = eval(self.formula, {**names, "torch": torch, "F": F})
        except Exception:  # the formula was written for another forward pass
            return None
        return value.double() if isinstance(value, Tensor) else None


@dataclass(frozen=True)
class Advice:
    """What the lesson says about the gradient `name` of a variable whose consumers are `through`, in any order."""

    name: str
    through: frozenset[str]
    hints: tuple[str, ...] = ()
    mistakes: tuple[KnownMistake, ...] = ()


def advice(folder: Path, tape: Tape, variable: str) -> Advice:
    """What the lesson of a folder says about the gradient of a variable; empty where it says nothing.

    Raises ContentError for a file that cannot be read.
    """
    name, through = f"d{variable}", frozenset(tape.consumers(variable))
    path = folder / LESSON_FILE
    rows = _remembered(path, path.stat().st_mtime_ns) if path.is_file() else ()
    return next((row for row in rows if (row.name, row.through) == (name, through)), Advice(name, through))


def ask_hints(folder: Path, name: str) -> tuple[str, ...]:
    """The hints of a folder's lesson for an answer that is no gradient. Raises ContentError for a file that cannot be read."""
    path = folder / LESSON_FILE
    if not path.is_file():
        return ()
    try:
        asks = tomllib.loads(path.read_text(encoding="utf-8")).get("ask", [])
        return next((_texts(row.get("hints", [])) for row in asks if row["name"] == name), ())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ContentError(f"{path}: {error}. Every [[ask]] has name and hints.") from None


def load_lesson(path: Path) -> tuple[Advice, ...]:
    """The rows of a file. Raises ContentError if it is not TOML, a row has other fields, or `part` is no number."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        checked_part(content)
        return tuple(_row(row) for row in content.get("gradient", []))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ContentError(f"{path}: {error}. Every [[gradient]] has name, through, hints, and [[gradient.mistake]].") from None


@lru_cache(maxsize=4)
def _remembered(path: Path, changed: int) -> tuple[Advice, ...]:
    return load_lesson(path)


def _row(row: Mapping[str, Any]) -> Advice:
    known = tuple(
        KnownMistake(*(_text(mistake[key]) for key in ("formula", "sentence", "next"))) for mistake in row.get("mistake", [])
    )
    return Advice(_text(row["name"]), frozenset(_texts(row["through"])), _texts(row.get("hints", [])), known)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} should be a text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} should be a list of texts")
    return tuple(map(_text, value))
