"""An exercise as the notebook files of a folder have it: which gradients it asks for, and what stands in its cells."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from autograder import cell as cells

FORWARD = "%%forward"
SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
"""What a model answer stands between."""

Call = tuple[str, str | None]
"""The name of a gradient, and the function `by` which it is given."""


@dataclass(frozen=True)
class Code:
    """A code cell of a notebook file; `tests` where it is nbgrader's cell for a test."""

    id: str
    source: str
    tests: bool = False


@dataclass(frozen=True)
class Exercise:
    """The code cells of all notebooks that have the same forward pass."""

    cells: tuple[Code, ...]

    @property
    def asked(self) -> Mapping[str, str]:
        """The id of the cell with the answer, for each gradient that a test asks for.

        Where there are no cells for tests, every cell counts that calls `check`.
        """
        tests = [code for code in self.cells if code.tests] or self.cells
        return {name: by or name for code in reversed(tests) for name, by in sorted(_asked(code.source), key=str)}

    def has(self, answer: str) -> bool:
        """Whether a cell has the source of this fingerprint."""
        return any(fingerprint(code.source) == answer for code in self.cells)

    def is_blank(self, id: str) -> bool:
        """Whether the cell of this id is there, and does nothing."""
        sources = [code.source for code in self.cells if code.id == id]
        return bool(sources) and not any(cells.read(source).statements for source in sources)


def beside(folder: Path, forward: str) -> Exercise | None:
    """The exercise of a forward pass, from the notebooks in a folder, or None where none has it.

    Of several it is the running one, where Jupyter says which that is. A file that is no notebook is passed over.
    """
    wanted = fingerprint(forward)
    found = {path.name: codes for path in _notebooks(folder) if _has_forward(codes := _code(path), wanted)}
    running = found.get(Path(os.environ.get("JPY_SESSION_NAME", "")).name)
    codes = running or tuple(code for codes in found.values() for code in codes)
    return Exercise(codes) if codes else None


def calls_in(source: str) -> dict[str, set[Call]]:
    """What `check` and `grade` are called with in a cell: the name, and `by` where it is given.

    Raises SyntaxError for a cell that is not Python.
    """
    found: dict[str, set[Call]] = {"check": set(), "grade": set()}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="check" | "grade" as verb), args=[ast.Constant(value=str(name))], keywords=keywords):
                by = (keyword.value.value for keyword in keywords if isinstance(keyword.value, ast.Constant))
                found[verb].add((name, next(by, None)))  # type: ignore[arg-type]
    return found


def fingerprint(source: str) -> str:
    """The sha256 of a source, whatever blank lines are around it."""
    return sha256(source.strip().encode("utf-8", "replace")).hexdigest()


def _asked(source: str) -> set[Call]:
    with suppress(SyntaxError, ValueError):
        return {(name, by) for name, by in calls_in(source)["check"] if by is None or isinstance(by, str)}
    return set()


def _notebooks(folder: Path) -> list[Path]:
    with suppress(OSError):  # a folder that is gone
        return sorted(folder.glob("*.ipynb"))
    return []


def _has_forward(codes: tuple[Code, ...], wanted: str) -> bool:
    passes = (code.source.partition("\n")[2] for code in codes if code.source.startswith(FORWARD))
    return any(fingerprint(source) == wanted for source in passes)


def _code(path: Path) -> tuple[Code, ...]:
    """The code cells of a file; none where it is no notebook. It is not validated: that takes longer than all the rest."""
    try:
        return tuple(_cells(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return ()


def _cells(notebook: Any) -> Iterator[Code]:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            settings = cell.get("metadata", {}).get("nbgrader", {})
            yield Code(str(cell.get("id", "")), source, bool(settings.get("grade")) and not settings.get("solution"))
