"""Submissions of which there is too much: one for each way of handing in more than a course can take."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 2**20


@dataclass(frozen=True)
class Bulk:
    """What is done to a folder that was handed in; the beginning of the one ✗ that it gets, if any; the points that it keeps.

    `first` says that the ✗ is about the notebook `first`, and not about the folder.
    """

    bring: Callable[[Path], None]
    failure: str = ""
    points: float = 4
    first: bool = False


def content(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the JSON of the notebook `first`."""
    file = folder / "first.ipynb"
    nb = json.loads(file.read_text(encoding="utf-8"))
    change(nb)
    file.write_text(json.dumps(nb), encoding="utf-8")


def answer(nb: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(cell for cell in nb["cells"] if cell["id"] == "double")
    return found


def empty_files(folder: Path) -> None:
    for number in range(20_000):
        os.close(os.open(folder / f"file-{number}", os.O_CREAT))


def folders(folder: Path) -> None:
    for number in range(5000):
        os.mkdir(folder / f"folder-{number}")


def notebooks(folder: Path) -> None:
    text = (folder / "first.ipynb").read_bytes()
    for number in range(3000):
        (folder / f"copy-{number}.ipynb").write_bytes(text)


def many_links(folder: Path) -> None:
    for number in range(3000):
        os.symlink("first.ipynb", folder / f"link-{number}")


def nested(folder: Path, name: str) -> None:
    """Five hundred folders in one another, each made from within the last one, since no path may be that long."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(500):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def long_path(folder: Path) -> None:
    inner = folder.joinpath(*["n" * 255] * 5)
    inner.mkdir(parents=True)
    (inner / "file").touch()


def sparse(folder: Path) -> None:
    with open(folder / "data.bin", "wb") as file:
        file.truncate(2**40)


def many_sparse(folder: Path) -> None:
    for number in range(900):
        with open(folder / f"data-{number}.bin", "wb") as file:
            file.truncate(MIB)


def hard_links(folder: Path) -> None:
    (folder / "data-0.bin").write_bytes(bytes(MIB))
    for number in range(1, 200):
        (folder / f"data-{number}.bin").hardlink_to(folder / "data-0.bin")


def special(folder: Path) -> None:
    """What is no file, under the names of files; and links in a circle, and out of the folder."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(folder)
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
    os.symlink("b", folder / "a")
    os.symlink("a", folder / "b")
    os.symlink(".", folder / "circle")
    os.symlink("/dev/zero", folder / "zeros")


def pipe_for_a_notebook(folder: Path) -> None:
    (folder / "first.ipynb").unlink()
    os.mkfifo(folder / "first.ipynb")


def sparse_notebook(folder: Path) -> None:
    os.truncate(folder / "first.ipynb", 2**40)


def large_notebook(folder: Path) -> None:
    with open(folder / "first.ipynb", "ab") as file:
        file.write(b" " * 80 * MIB)


def copies(folder: Path) -> None:
    content(
        folder,
        lambda nb: nb["cells"].extend(
            {**answer(nb), "id": f"copy-{number}", "source": f"def double(x):\n    return {number}"} for number in range(40_000)
        ),
    )


def allowed_copies(folder: Path) -> None:
    """As many as are allowed, all over the place: the worst that restoring has to take."""

    def change(nb: dict[str, Any]) -> None:
        parts = [{**answer(nb), "id": f"copy-{number}", "source": f"part_{number} = {number}"} for number in range(1900)]
        nb["cells"] = [*parts[:950], *nb["cells"], *parts[950:]]

    content(folder, change)


def same_id(folder: Path) -> None:
    content(
        folder,
        lambda nb: nb["cells"].extend(
            {"cell_type": "markdown", "id": "double", "metadata": {}, "source": ""} for _ in range(40_000)
        ),
    )


def parts(folder: Path) -> None:
    """An answer that is split into as many cells as are allowed, each of which makes a name that the next one reads."""

    def change(nb: dict[str, Any]) -> None:
        at = nb["cells"].index(answer(nb))
        lines = [f"name_{number} = name_{number - 1} + 1" for number in range(1, 1900)]
        nb["cells"][at : at + 1] = [{**answer(nb), "id": f"part-{number}", "source": line} for number, line in enumerate(lines)]

    content(folder, change)


def long_cell(folder: Path) -> None:
    content(folder, lambda nb: answer(nb).update(source="x = 1\n" * 3_000_000))


def outputs(folder: Path) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": ["x"]}
    content(folder, lambda nb: answer(nb).update(outputs=[output] * 10_000))


def many_values(folder: Path) -> None:
    content(folder, lambda nb: nb["metadata"].update(x=[[]] * 5_000_000))


def attachments(folder: Path) -> None:
    def change(nb: dict[str, Any]) -> None:
        essay = next(cell for cell in nb["cells"] if cell["id"] == "essay")
        essay["attachments"] = {f"picture-{number}.png": {"image/png": "iVBORw0KGgo="} for number in range(30_000)}

    content(folder, change)


def wide_metadata(folder: Path) -> None:
    """Numbers in a list that lies so deep that each takes a line of a hundred bytes in the record."""

    def change(nb: dict[str, Any]) -> None:
        inner: Any = [1] * 1_000_000
        for _ in range(100):
            inner = [inner]
        nb["metadata"]["x"] = inner

    content(folder, change)


def conflicts(folder: Path) -> None:
    """The beginnings of conflicts that never end, which a regular expression goes through again and again."""
    (folder / "first.ipynb").write_text("<<<<<<< a\n||||||| b\n" * 200_000, encoding="utf-8")


def deeply_nested(folder: Path) -> None:
    (folder / "first.ipynb").write_text("[" * 300_000, encoding="utf-8")


def one_line(nb: dict[str, Any]) -> None:
    answer(nb)["source"] = "double = lambda x: " + "(" * 90 + "2 * x" + ")" * 90 + " + 0" * 50_000


def long_expression(folder: Path) -> None:
    content(folder, one_line)


def strangers(folder: Path, text: str) -> None:
    """Twenty files of other names with the same text, on the disk only once."""
    (folder / "stranger-0.ipynb").write_text(text, encoding="utf-8")
    for number in range(1, 20):
        (folder / f"stranger-{number}.ipynb").hardlink_to(folder / "stranger-0.ipynb")


def strangers_of_format_3(folder: Path) -> None:
    outputs = [{"output_type": "stream", "stream": "stdout", "text": ["x"]}] * 190_000
    cell = {"cell_type": "code", "input": "x", "language": "python", "outputs": outputs, "metadata": {}}
    sheets = [{"cells": [cell], "metadata": {}}]
    strangers(folder, json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": sheets}))


def strangers_of_numbers(folder: Path) -> None:
    strangers(folder, '{"cells":[' + "1," * 20_000_000 + "1]}")


def strangers_of_lists(folder: Path) -> None:
    nb = json.loads((folder / "first.ipynb").read_text(encoding="utf-8"))
    nb["metadata"]["x"] = [[]] * 390_000
    strangers(folder, json.dumps(nb))


def strangers_of_code(folder: Path) -> None:
    """Answers of as many cells as are allowed, each so long that Python takes a while to read it, and all of them blank."""
    nb = json.loads((folder / "first.ipynb").read_text(encoding="utf-8"))
    answer(nb)["source"] = ""
    nb["cells"] += [{**answer(nb), "id": f"copy-{number}", "source": "def f(): pass\n" * 2000} for number in range(1900)]
    strangers(folder, json.dumps(nb))


def name_of_copies(folder: Path) -> None:
    """A name that a regular expression could take apart in a billion ways."""
    shutil.copy(folder / "first.ipynb", folder / f"a{' copy 1' * 30}!.ipynb")


FOLDER = "More than 1,000 files and folders were handed in. None of them was used, and the notebooks were graded without."

BULK = {
    "empty-files": Bulk(empty_files, FOLDER),
    "folders": Bulk(folders, FOLDER),
    "notebooks": Bulk(notebooks, FOLDER),
    "links": Bulk(many_links, FOLDER),
    "deep": Bulk(lambda folder: nested(folder, "f"), "Folders were handed in that lie deeper in one another than 64."),
    "deeper-than-paths": Bulk(
        lambda folder: nested(folder, "f" * 100), "A file was handed in whose path has more than 1,000 bytes."
    ),
    "long-path": Bulk(long_path, "A file was handed in whose path has more than 1,000 bytes."),
    "sparse": Bulk(sparse, "The files that were handed in have 1,099,511,62"),
    "many-sparse": Bulk(many_sparse, "The files that were handed in have 943,71"),
    "hard-links": Bulk(hard_links, "The files that were handed in have 209,71"),
    "special": Bulk(special),
    "pipe-for-a-notebook": Bulk(pipe_for_a_notebook, "The notebook cannot be read: it is no file.", 2, first=True),
    "sparse-notebook": Bulk(sparse_notebook, "The notebook has 1,099,511,627,776 bytes, and 67,108,864", 2, first=True),
    "large-notebook": Bulk(large_notebook, "The notebook has 83,8", 2, first=True),
    "copies": Bulk(copies, "The notebook has more than 2,000 cells", 2, first=True),
    "allowed-copies": Bulk(allowed_copies),
    "same-id": Bulk(same_id, "The notebook has more than 2,000 cells", 2, first=True),
    "parts": Bulk(parts, points=2),
    "long-cell": Bulk(long_cell, "Cell `double` has 18,000,000 characters, and 400,000 are allowed", 2, first=True),
    "outputs": Bulk(outputs),
    "many-values": Bulk(many_values, "The notebook has 5,0", 2, first=True),
    "attachments": Bulk(attachments),
    "wide-metadata": Bulk(wide_metadata, "The metadata and attachments would take more than 33,554,432 bytes", first=True),
    "conflicts": Bulk(conflicts, "It would take more than", 2, first=True),
    "deeply-nested": Bulk(deeply_nested, "The file is nested too deeply: nothing of it counts.", 2, first=True),
    "long-expression": Bulk(long_expression, points=2),
    "strangers-of-format-3": Bulk(strangers_of_format_3),
    "strangers-of-numbers": Bulk(strangers_of_numbers),
    "strangers-of-lists": Bulk(strangers_of_lists),
    "strangers-of-code": Bulk(strangers_of_code),
    "name-of-copies": Bulk(name_of_copies),
}
"""By the name of the student."""
