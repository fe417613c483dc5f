"""Where a learner's notebooks are, and in which of them a question is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from autograder.course.catalogue import COPY, OF_ONE, default
from autograder.course.cells import Cell, Role, read_cells
from autograder.course.order import in_course_order
from autograder.course.questions import NO_MODEL, model_answer, shown_in
from autograder.errors import ContentError
from autograder.files import quoted
from autograder.learner.results import about
from autograder.learner.workbook import Workbook, open_workbook
from autograder.notebook.course_map import folders_beside

DEFAULT_FOLDER = Path("my-backprop")
"""What `autograder new` makes."""
COURSE_FOLDER = Path("my-course")
"""What learners are told to call a folder of all assignments."""
RELEASE = Path("release")
COPIED = "{} is a copy of {}, and does not count. To check it all the same: `autograder check {}`."
NEAR = 0.75
"""How like a name that was typed has to be to one that is suggested, as `difflib` counts it."""


def find_notebooks(paths: Iterable[Path]) -> list[Path]:
    """The notebooks of some files and folders, and where a folder has none itself of the folders in it.

    Without any, those of the working folder, else of what `autograder new` makes in it, else of `release/`, else of the
    folders in the working folder. Raises ContentError for a path that is not there, or has none.
    """
    given = [*paths]
    found = [file for path in given for file in _in(path)]
    if given:
        return list(dict.fromkeys(found))
    if found := _files(Path()) or _made() or _below(RELEASE) or _below(Path()):
        return found
    raise ContentError("there are no notebooks here. Make a folder of them with `autograder new`, or give a path.")


def with_course(files: Iterable[Path]) -> list[Path]:
    """Some notebooks, and those of the assignments that lie beside theirs."""
    files = [*files]
    known = {file.resolve() for file in files}
    beside = dict.fromkeys(folder for file in files for folder in folders_beside(file.parent))
    return [*files, *(file for folder in beside for file in _files(folder) if file not in known)]


def find(name: str, paths: Iterable[Path]) -> list[tuple[Workbook, Cell]]:
    """The notebooks that ask a question, or have a test or an answer of this name, each with that test.

    Raises ContentError where none has.
    """
    workbooks, errors = readable(find_notebooks(paths))
    found = [(each, test) for each in workbooks for test in each.tests if name in about(each, test).names]
    if not found:
        known = dict.fromkeys(about(each, test).name for each in workbooks for test in each.tests)
        near = get_close_matches(name, known, n=1, cutoff=NEAR)
        more = f"Did you mean `{near[0]}`?" if near else f"They ask for {', '.join(known) or 'nothing'}."
        raise ContentError(" ".join([f"no notebook asks for `{name}`. {more}", *errors]))
    return list({each.path: (each, test) for each, test in reversed(found)}.values())[::-1]


def find_in_one(name: str, paths: Iterable[Path], verb: str) -> list[tuple[Workbook, Cell]]:
    """As `find`, but of one assignment, with the notebook at work first: that with an answer which was saved last.

    Raises ContentError if several assignments have the name, and says how to choose (`verb`).
    """
    found = sorted(find(name, paths), key=_worked_on, reverse=True)
    first = {each.assignment: each for each, _ in reversed(found)}
    if len(first) > 1:
        choices = ", or ".join(f"`autograder {verb} {name} {quoted(each.path)}`" for each in reversed(first.values()))
        raise ContentError(f"`{name}` is in more than one assignment. Say which: {choices}.")
    return found


def _worked_on(found: tuple[Workbook, Cell]) -> float:
    """When a notebook was saved last that has an answer to a test, in seconds; 0 where it has none."""
    workbook, test = found
    return 0.0 if workbook.answers[test.id] in workbook.blank else workbook.path.stat().st_mtime


def readable(files: Iterable[Path]) -> tuple[list[Workbook], list[str]]:
    """The notebooks of some files, and a message for each file that is none."""
    workbooks, errors = [], []
    for file in files:
        try:
            workbooks.append(open_workbook(file))
        except ContentError as error:
            errors.append(str(error))
    return workbooks, errors


def blamed(file: Path, error: Exception) -> str:
    """What is the matter with a notebook, in words that name it."""
    return str(error) if file.name in str(error) else f"{file}: {error}"


def asked(test: Cell) -> list[str]:
    """The names of the questions that a test asks."""
    return [question.name for question in shown_in(test.source)]


def model(each: Workbook, test: Cell) -> str:
    """The model answer to a test, from the instructor's notebook. Raises ContentError where that is not at hand."""
    folder = each.path.resolve().parent
    for name in (*asked(test), each.answers[test.id]):
        for specification in each.specifications(name):
            if answer := model_answer(folder, specification, name, each.assignment):
                return str(answer)
    raise ContentError(NO_MODEL.format(about(each, test).name))


def _in(path: Path) -> Sequence[Path]:
    """The notebooks that a path stands for. Raises ContentError where it stands for none."""
    if path.is_dir():
        if files := _files(path) or _below(path):
            return files
        raise ContentError(f"{path} has no notebooks of a course. Give a folder that has, or make one: `autograder new`.")
    if path.exists():
        return [path]
    if path.name.isidentifier() and len(path.parts) == 1:
        how = f"For one answer, such as `{path}`, it is `autograder hint {path}`."
        raise ContentError(f"there is no file or folder {path}. Give the path of a notebook, or of a folder of them. {how}")
    raise ContentError(f"there is no file or folder {path}. Give the path of a notebook, or of a folder of them.")


def _files(folder: Path) -> list[Path]:
    """The notebooks of a folder that are of a course, and those that cannot be read; of a notebook and its copies the first."""
    files = [file for file in sorted(folder.glob("*.ipynb")) if file.name[0] != "." and is_of_a_course(file)]
    return [file for file in files if original(file) is None]


def original(file: Path) -> Path | None:
    """The notebook in the same folder that a file is a copy of, by its name and its tests; None where it is none."""
    first = file.with_name(f"{COPY.sub('', file.stem)}{file.suffix}")
    return first if first != file and first.is_file() and _tests(first) == _tests(file) else None


def _tests(file: Path) -> set[str] | None:
    with suppress(ContentError):
        return {cell.id for cell in read_cells(file) if cell.role is Role.TEST}
    return None


def left_out(files: Iterable[Path]) -> Iterator[str]:
    """What to say of the copies that lie beside some notebooks and were not asked for."""
    asked_for = {*files}
    for folder in dict.fromkeys(file.parent for file in asked_for):
        for file in sorted(folder.glob("*.ipynb")):
            if file not in asked_for and (first := original(file)):
                yield COPIED.format(file, first.name, quoted(file))


def _below(folder: Path) -> list[Path]:
    """The notebooks of the folders in a folder that have some of a course."""
    inside = [_files(each) for each in in_course_order(folder.glob("*/")) if each.name[0] != "."]
    return [file for files in inside if any(is_of_a_course(file, or_broken=False) for file in files) for file in files]


def _made() -> list[Path]:
    """The notebooks in the folders that `autograder new` makes in the working folder."""
    folders = [DEFAULT_FOLDER]
    with suppress(ContentError):
        folders += [Path(OF_ONE.format(assignment.name)) for assignment in default().assignments]
    flat = [file for folder in in_course_order(dict.fromkeys(folders)) for file in _files(folder)]
    return [*_below(DEFAULT_FOLDER), *_below(COURSE_FOLDER), *flat]


def is_of_a_course(file: Path, or_broken: bool = True) -> bool:
    """Whether a notebook has tests. `or_broken` is the answer for one that cannot be read: its reader will say why."""
    try:
        return any(cell.role is Role.TEST for cell in read_cells(file))
    except ContentError:
        return or_broken
