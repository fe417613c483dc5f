"""Where a learner's notebooks are, and in which of them a gradient is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from autograder import homework, released
from autograder.errors import ContentError
from autograder.homework import Homework, asked
from autograder.model import model_answer
from autograder.paper import Task

FOLDER = Path("my-backprop")
"""What `autograder new` makes."""
RELEASE = Path("release")


def notebooks(paths: Iterable[Path]) -> list[Path]:
    """The notebooks of some files and folders.

    Without any, those of the working folder, else of FOLDER in it, else of `release/`. Raises ContentError for a path that
    is not there, or has none.
    """
    given = [*paths]
    found = [file for path in given for file in _in(path)]
    if given:
        return list(dict.fromkeys(found))
    places = [_files(Path()), _files(FOLDER), sorted(RELEASE.glob("*/*.ipynb"))]
    if found := next(filter(None, places), []):
        return found
    raise ContentError("there are no notebooks here. Make a folder of them with `autograder new`, or give a path.")


def find(name: str, paths: Iterable[Path]) -> list[tuple[Homework, Task]]:
    """The notebooks that ask for a gradient, or have a test or an answer of this name, each with that test.

    Raises ContentError where none has.
    """
    homeworks = [homework.read(path) for path in notebooks(paths)]
    found = [(each, test) for each in homeworks for test in each.tests if name in names(each, test)]
    if not found:
        known = dict.fromkeys(known for each in homeworks for test in each.tests for known in [_name(test)])
        raise ContentError(f"no notebook asks for `{name}`. They ask for {', '.join(known)}.")
    return list({each.path: (each, test) for each, test in reversed(found)}.values())[::-1]


def gradients(test: Task) -> list[str]:
    """What a test checks."""
    return [name for name, _ in asked(test.source)]


def model(each: Homework, test: Task) -> str:
    """The model answer to a test, from the instructor's notebook. Raises ContentError where that is not at hand."""
    for folder in (each.path.resolve().parent, *released.PLACES):
        for forward in each.forwards:
            for name in (*gradients(test), each.answers[test.id]):
                if answer := model_answer(folder, forward, name):
                    return str(answer)
    raise ContentError(f"the model answer for `{_name(test)}` is not at hand: it is in `source/` of the course.")


def names(each: Homework, test: Task) -> set[str]:
    """What a test can be called: its gradients, its answer's cell, or its own id with or without `test-`."""
    return {_name(test), test.id, test.id.removeprefix("test-"), each.answers[test.id]}


def _name(test: Task) -> str:
    return next((name for name, _ in asked(test.source)), test.id.removeprefix("test-"))


def _in(path: Path) -> Sequence[Path]:
    if path.is_dir():
        if files := _files(path):
            return files
        raise ContentError(f"{path} has no notebooks. Give a folder that has, or make one: `autograder new`.")
    if path.exists():
        return [path]
    raise ContentError(f"there is no {path}. Give the path of a notebook or of a folder of them.")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.ipynb"))
