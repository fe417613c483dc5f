"""Faults of the objectives in a lesson: what no test asks for, and names that several notebooks ask for."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder.course.objectives import Asked, meant, objectives
from autograder.course.order import LESSON_FILE
from autograder.errors import ContentError

MIN_SAYS, MAX_SAYS = 10, 80
"""Characters of what an objective says: it is one line of the map of the course."""


def faults(folder: Path, asked: Sequence[Asked]) -> Iterator[tuple[str, str]]:
    """The faults of the lesson of a folder whose tests ask for this: what an objective says, and what is wrong with it."""
    try:
        tomllib.loads((folder / LESSON_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):  # no lesson, or one of which that is said elsewhere
        return
    try:
        found = objectives(folder)
    except ContentError as error:
        yield "", str(error)
        return
    said = Counter(objective.says for objective in found)
    yield from ((says, "there is more than one objective of these words.") for says, count in said.items() if count > 1)
    for objective in found:
        if not MIN_SAYS <= len(objective.says) <= MAX_SAYS:
            yield objective.says, f"an objective has {MIN_SAYS} to {MAX_SAYS} characters, and this one {len(objective.says)}."
        yield from ((objective.says, fault) for answer in objective.answers for fault in _ambiguous(answer, asked))


def _ambiguous(answer: str, asked: Sequence[Asked]) -> Iterator[str]:
    """Why a name does not say which answer is meant."""
    notebooks = dict.fromkeys(each.notebook for each in meant(answer, asked))
    if not notebooks:
        yield f"no test asks for `{answer}`."
    if len(notebooks) > 1:
        choices = " or ".join(f"`{notebook}/{answer}`" for notebook in notebooks)
        yield f"`{answer}` is asked for in several notebooks: write {choices}."
