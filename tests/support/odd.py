"""A class of forty in which nearly everybody hands in something odd: files, folders and names as people make them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook

from tests.support.classes import ASSIGNMENT, LATE, RIGHT, WRONG, hand_in, make_course

SQUARE = RIGHT["square"]


def only_second(folder: Path) -> Path:
    """Leaves one notebook, which is quicker to grade; gives it."""
    (folder / "first.ipynb").unlink()
    return folder / "second.ipynb"


def change(file: Path, how: Callable[[str], str]) -> None:
    file.write_text(how(file.read_text(encoding="utf-8")), encoding="utf-8")


def change_cells(file: Path, how: Callable[[list[Any]], None]) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    how(content["cells"])
    file.write_text(json.dumps(content), encoding="utf-8")


def encoded(encoding: str) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(file.read_text(encoding="utf-8").encode(encoding)) and None


def written(content: bytes) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(content) and None


def renamed(*names: str) -> Callable[[Path], None]:
    def rename(file: Path) -> None:
        for name in names:
            shutil.copy(file, file.with_name(name))
        file.unlink()

    return rename


def merged(ours: str, theirs: str) -> str:
    return f"<<<<<<< HEAD\n{ours}\n=======\n{theirs}\n>>>>>>> origin/main"


def conflict_in_an_answer(file: Path) -> None:
    line = '"    return x * x"'
    change(file, lambda text: text.replace(f"    {line}", merged(f"    {line}", '    "    return x ** 2"')))


def conflict_that_breaks_it(file: Path) -> None:
    def broken(text: str) -> str:
        before, found, after = text.partition('"1 + 1"')
        return "\n".join([before, merged('"', "["), found + after])

    change(file, broken)


def half(file: Path) -> None:
    change(file, lambda text: text[: text.index('"1 + 1"') + 3])


def latin_1(file: Path) -> None:
    change(file, lambda text: text.replace("return x * x", "return x * x  # für alle"))
    encoded("latin-1")(file)


def beside(name: str, source: str, own: str = "") -> Callable[[Path], None]:
    """Another notebook beside it, with this answer, and `own` for its own if that is given."""

    def add(file: Path) -> None:
        shutil.copy(file, file.with_name(name))
        for each, text in ((file.with_name(name), source), (file, own)):
            if text:
                change_cells(each, lambda cells, text=text: cells[0].update(source=text))  # type: ignore[misc]

    return add


def two_copies(file: Path) -> None:
    beside("second (2).ipynb", WRONG["square"])(file)
    file.rename(file.with_name("second (1).ipynb"))


def of_another_course(file: Path) -> None:
    change_cells(file, lambda cells: cells[0]["metadata"]["nbgrader"].update(checksum="0" * 32))
    file.rename(file.with_name("second (1).ipynb"))


def format_3(file: Path) -> None:
    cells = json.loads(file.read_text())["cells"]
    old = [{**cell, "input": cell["source"], "language": "python"} for cell in cells]
    content = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": old, "metadata": {}}]}
    file.write_text(json.dumps(content))


def says(**version: int) -> Callable[[Path], None]:
    """It says that it is of another version than it is."""
    return lambda file: file.write_text(json.dumps({**json.loads(file.read_text()), **version})) and None


def conflict_in_all_of_it(file: Path) -> None:
    change(file, lambda text: merged(text.strip(), text.replace("x * x", "x ** 2").strip()))


def minor_4(file: Path) -> None:
    content = json.loads(file.read_text())
    content["nbformat_minor"] = 4
    for cell in content["cells"]:
        del cell["id"]
    file.write_text(json.dumps(content))


def in_parts(*sources: str, with_metadata: bool = True) -> Callable[[Path], None]:
    """The answer in several cells: as JupyterLab splits one, all with the same metadata and with ids of their own."""

    def split(cells: list[Any]) -> None:
        parts = [{**deepcopy(cells[0]), "id": f"part-{number}", "source": text} for number, text in enumerate(sources)]
        if not with_metadata:
            for part in parts[1:]:
                part["metadata"] = {}
        cells[:1] = parts

    return lambda file: change_cells(file, split)


def stamped(stamp: str) -> Callable[[Path], None]:
    return lambda file: (file.parent / "timestamp.txt").write_text(stamp) and None


def stamp_is_a_pipe(file: Path) -> None:
    (file.parent / "timestamp.txt").unlink()
    os.mkfifo(file.parent / "timestamp.txt")


def folder_called(name: bytes) -> Callable[[Path], None]:
    return lambda file: os.rename(file.parents[1], os.fsencode(file.parents[2]) + b"/" + name)


def a_file_for_a_folder(file: Path) -> None:
    shutil.rmtree(file.parent)
    file.parent.write_text("here is my work")


def nothing(file: Path) -> None:
    file.unlink()


def file_for_a_record(file: Path) -> None:
    course, (student, work) = file.parents[3], file.parts[-3:-1]
    (course / "autograded" / student).mkdir(parents=True)
    (course / "autograded" / student / work).write_text("in the way")


def file_for_a_student(file: Path) -> None:
    (file.parents[3] / "autograded").mkdir(exist_ok=True)
    (file.parents[3] / "autograded" / file.parts[-3]).write_text("in the way")


def names_of_bytes(file: Path) -> None:
    """The answer needs a file of this name."""
    Path(os.fsdecode(os.fsencode(file.parent) + b"/dat\xe9.csv")).write_text("1")
    change(
        file,
        lambda text: text.replace("return x * x", "import os; return x * x * len([1 for n in os.listdir() if 'dat' in n])"),
    )


@dataclass(frozen=True)
class Odd:
    """What a student does, the points for it, what a person has to see to, and what is noted; None where it is not graded."""

    spoil: Callable[[Path], None]
    points: float | None = 2
    failure: str = ""
    note: str = ""


NOT = "Ask for the notebook again."
NO_TIME = (
    "`timestamp.txt` says no time: whether it was late is not known, and formgrader hangs. "
    "Write one into it, such as `2026-01-31 23:59:00 UTC`, and grade again."
)
TAKEN = "`{}` counts as `second.ipynb`, whose cells it has."
SPLIT = "second: Cell `square` was split into {} cells: they count as one, joined in their order."
IN_THE_WAY = "The record cannot be written in `autograded/{}`: Not a directory. Fix that, and grade again."

ODD = {
    "bom": Odd(encoded("utf-8-sig")),
    "utf-16": Odd(encoded("utf-16"), note="second: The file was in UTF-16: it was read all the same."),
    "utf-16-be": Odd(encoded("utf-16-be"), note="second: The file was in UTF-16-BE: it was read all the same."),
    "conflict": Odd(
        conflict_in_an_answer,
        2,
        "second: The file has two versions in it, from line 23 on, which git could not merge: the first that is a notebook "
        "was graded. They differ in `square`. Ask which one counts.",
    ),
    "conflict-that-breaks-it": Odd(
        conflict_that_breaks_it,
        2,
        "second: The file has two versions in it, from line 58 on, which git could not merge: 2 whole cells in front of that "
        f"were kept, and the rest is lost. {NOT}",
    ),
    "conflict-in-all-of-it": Odd(
        conflict_in_all_of_it,
        2,
        "second: The file has two versions in it, from line 1 on, which git could not merge: the first that is a notebook "
        "was graded. They differ in `square`. Ask which one counts.",
    ),
    "half-a-file": Odd(
        half,
        2,
        f"second: The file breaks off in line 57: 2 whole cells in front of that were kept, and the rest is lost. {NOT}",
    ),
    "empty": Odd(written(b""), 0, f"second: The file is empty: nothing of it counts. {NOT}"),
    "zeros": Odd(written(b"\0" * 99), 0, f"second: The file has nothing but zero bytes in it: nothing of it counts. {NOT}"),
    "web-page": Odd(written(b"<!doctype html>\n"), 0, f"second: The file is a web page: nothing of it counts. {NOT}"),
    "zip": Odd(written(b"PK\x03\x04\xff"), 0, f"second: The file is a zip archive: nothing of it counts. {NOT}"),
    "python": Odd(
        written(SQUARE.encode()),
        0,
        f"second: The file is no JSON, and begins with `def square(x):`: nothing of it counts. {NOT}",
    ),
    "json": Odd(
        written(b'{"a": 1}'), 0, f"second: The file is JSON without the cells of a notebook: nothing of it counts. {NOT}"
    ),
    "latin-1": Odd(latin_1, 2, "second: The file is not in UTF-8: each character that could not be read is `�` now."),
    "download": Odd(renamed("second (1).ipynb"), note=TAKEN.format("second (1).ipynb")),
    "jupyterlab": Odd(renamed("second-Copy1.ipynb"), note=TAKEN.format("second-Copy1.ipynb")),
    "finder": Odd(renamed("second copy 2.ipynb"), note=TAKEN.format("second copy 2.ipynb")),
    "text": Odd(renamed("second.ipynb.txt"), note=TAKEN.format("second.ipynb.txt")),
    "renamed": Odd(renamed("my homework.ipynb"), note=TAKEN.format("my homework.ipynb")),
    "bytes": Odd(renamed(os.fsdecode(b"b\xe9.ipynb")), note=TAKEN.format("b\\xe9.ipynb")),
    "two-copies": Odd(
        two_copies,
        0,
        "`second.ipynb` is missing, and each of these may be it: `second (1).ipynb`, `second (2).ipynb`. "
        "Give the right one that name, and grade again with --force.",
    ),
    "and-a-copy": Odd(
        beside("second-Copy1.ipynb", WRONG["square"]),
        note="`second.ipynb` counts, and was left out: `second-Copy1.ipynb`, with the same cells.",
    ),
    "in-the-copy": Odd(
        beside("second-Copy1.ipynb", SQUARE, "# YOUR CODE HERE"),
        0,
        "`second.ipynb` counts, and was left out: `second-Copy1.ipynb`, with the same cells. But `second.ipynb` is as it was "
        "released, and there are answers in the other. Give the right one that name, and grade again with --force.",
    ),
    "other-course": Odd(
        of_another_course,
        0,
        "Not of this assignment, and left out: `second (1).ipynb`. Its notebooks are called first, second.",
    ),
    "format-3": Odd(format_3, note="second: The notebook was in format 3: it is in format 4 now."),
    "minor-4": Odd(minor_4),
    "minor-below-zero": Odd(says(nbformat_minor=-1), note="second: The notebook did not say its version: it is 4.5 now."),
    **{
        f"says-format-{number}": Odd(
            says(nbformat=number), 2, "second: The file was malformed: only the text of its 3 cells was kept."
        )
        for number in (1, 2, 3, 5)
    },
    "split": Odd(in_parts("def square(x):", "    return x * x"), note=SPLIT.format(2)),
    "split-in-three": Odd(
        in_parts("def times(x, y):\n    return x * y", "def square(x):\n    y = x", "    return times(x, y)"),
        note=SPLIT.format(3),
    ),
    "split-in-classic": Odd(
        in_parts("def square(x):\n    y = x", "    return x * y", with_metadata=False), note=SPLIT.format(2)
    ),
    "second-try": Odd(
        in_parts(WRONG["square"], SQUARE),
        note="second: Cell `square` was there 2 times: the edited one counts, the others are ordinary cells now.",
    ),
    "late": Odd(stamped("2026-01-02 12:30:00 UTC")),
    "no-time": Odd(stamped("yesterday, I think"), 2, NO_TIME),
    "pipe-for-a-time": Odd(stamp_is_a_pipe, 2, NO_TIME),
    "jos\\xe9": Odd(
        folder_called(b"jos\xe9"), None, "The name of the folder `submitted/jos\\xe9` is not in UTF-8: not graded. Rename it."
    ),
    "two\\nlines": Odd(
        folder_called(b"two\nlines"),
        None,
        "The name of the folder `submitted/two\\nlines` has a line break or another control character in it: not graded. "
        "Rename it.",
    ),
    "x" * 129: Odd(
        folder_called(b"x" * 129),
        None,
        f"The name of the folder `submitted/{'x' * 50}…` has 129 characters, and the gradebook takes 128: not graded. "
        "Rename it.",
    ),
    ".hidden": Odd(
        folder_called(b".hidden"),
        None,
        "The name of the folder `submitted/.hidden` begins with a dot, which nbgrader does not look at: not graded. Rename it.",
    ),
    "file-for-a-folder": Odd(a_file_for_a_folder, 0, "There is no folder: nothing was handed in."),
    "nothing": Odd(nothing, 0, "Nothing was handed in."),
    "record-in-the-way": Odd(file_for_a_record),
    "student-in-the-way": Odd(file_for_a_student, None, IN_THE_WAY.format("student-in-the-way")),
    "names-of-bytes": Odd(names_of_bytes),
}
"""What each student does."""


def make_class(folder: Path) -> Path:
    """A course to which all of them, and two others with both notebooks, have handed in; nothing is graded."""
    make_course(folder, LATE)
    with Gradebook(f"sqlite:///{folder}/gradebook.db", "backprop-ninja") as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate="2026-01-02 11:00:00 UTC")
        gradebook.add_student("absent")
    for student, odd in ODD.items():
        is_plain = student.replace("-", "").isalnum() and len(student) < 99
        odd.spoil(only_second(hand_in(folder, student if is_plain else "to-be-renamed", RIGHT)))
    hand_in(folder, "anna", RIGHT)
    return folder
