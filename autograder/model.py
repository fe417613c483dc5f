"""Model answers, from the instructor's notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autograder.exercise import SOLUTION, beside

OR = "# or:"
"""Begins another form of the model answer: a remark on this line, the code in comments below."""


@dataclass(frozen=True)
class Answer:
    """The code of a model answer, and other forms of it, each with a remark."""

    code: str
    others: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return "\n\n".join([self.code, *(f"{OR} {remark}".rstrip() + f"\n{code}" for remark, code in self.others)])


def model_answer(folder: Path, forward: str, name: str) -> Answer | None:
    """The model answer for a gradient of a forward pass, with this source, from the first course at or above a folder."""
    for above in (folder, *folder.parents):
        for assignment in sorted((above / "source").glob("*/")):
            exercise = beside(assignment, forward)
            wanted = exercise.asked.get(name, name) if exercise else ""
            for cell in exercise.cells if exercise else ():
                if cell.id == wanted and SOLUTION[0] in cell.source:
                    return parse(cell.source)
    return None


def parse(source: str) -> Answer:
    """The answer in a solution cell."""
    lines = [line for line in source.splitlines() if line.strip() not in SOLUTION]
    starts = [number for number, line in enumerate(lines) if line.startswith(OR)]
    ends = [*starts, len(lines)]
    forms = (lines[start:end] for start, end in zip(starts, ends[1:], strict=True))
    others = tuple((form[0].removeprefix(OR).strip(), _code(form[1:])) for form in forms)
    return Answer("\n".join(lines[: ends[0]]).strip("\n"), others)


def _code(comments: Iterable[str]) -> str:
    return "\n".join(line.removeprefix("#").removeprefix("    ").removeprefix(" ") for line in comments)
