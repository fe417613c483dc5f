"""Where a learner's notebooks are, and in which of them a gradient is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from autograder import homework, released
from autograder.errors import ContentError
from autograder.homework import Homework, asked
from autograder.model import model_answer
from autograder.paper import Role, Task
from autograder.results import about

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
    homeworks, errors = readable(notebooks(paths))
    found = [(each, test) for each in homeworks for test in each.tests if name in about(each, test).names]
    if not found:
        known = dict.fromkeys(about(each, test).name for each in homeworks for test in each.tests)
        raise ContentError(" ".join([f"no notebook asks for `{name}`. They ask for {', '.join(known) or 'nothing'}.", *errors]))
    return list({each.path: (each, test) for each, test in reversed(found)}.values())[::-1]


def readable(files: Iterable[Path]) -> tuple[list[Homework], list[str]]:
    """The notebooks of some files, and what is the matter with those that are none."""
    homeworks, errors = [], []
    for file in files:
        try:
            homeworks.append(homework.read(file))
        except ContentError as error:
            errors.append(str(error))
    return homeworks, errors


def blamed(file: Path, error: Exception) -> str:
    """What is the matter with a notebook, which is named."""
    return str(error) if file.name in str(error) else f"{file}: {error}"


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
    raise ContentError(f"the model answer for `{about(each, test).name}` is not at hand: it is in `source/` of the course.")


def _in(path: Path) -> Sequence[Path]:
    if path.is_dir():
        if files := _files(path):
            return files
        raise ContentError(f"{path} has no notebooks of a course. Give a folder that has, or make one: `autograder new`.")
    if path.exists():
        return [path]
    raise ContentError(f"there is no {path}. Give the path of a notebook or of a folder of them.")


def _files(folder: Path) -> list[Path]:
    """The notebooks of a folder that are of a course, and those that nobody can read."""
    return [file for file in sorted(folder.glob("*.ipynb")) if file.name[0] != "." and is_of_a_course(file)]


def is_of_a_course(file: Path) -> bool:
    """Whether a notebook has tests; true also of one that cannot be read, which is for others to say."""
    try:
        return any(piece.role is Role.TEST for piece in released.pieces(file))
    except ContentError:
        return True
