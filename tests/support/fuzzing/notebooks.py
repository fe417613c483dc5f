"""Fuzzes what is made of a file that was handed in: reading it leniently, restoring it, and nbgrader's steps behind that."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearOutput, DeduplicateIds

from autograder.course.cells import Cell, cell_of, grade_id
from autograder.grading.master import Master, master_from
from autograder.grading.preprocessors import CheckCellMetadata, OverwriteCells, OverwriteKernelspec, Rows
from autograder.grading.restore import restore
from autograder.grading.salvage import read_leniently
from scripts.submissions import ROOT
from tests.support.fuzzing.cost import Cost
from tests.support.fuzzing.trees import CUTS, cut, edited, edits

COST = Cost(seconds=2.0, seconds_per_byte=5e-5, memory=2**24, memory_per_byte=400)

RELEASED = (ROOT / "release/backprop/2-cross-entropy.ipynb", ROOT / "release/bigrams/1-counting.ipynb")
ABOUT = {"nbgrader": {"student": "someone", "assignment": "it", "notebook": "it", "db_url": ""}}


class Released:
    """A released notebook: what the gradebook would know of it, and a submission of it in which each answer has its mark."""

    def __init__(self, file: Path) -> None:
        nb = json.loads(file.read_bytes())
        named = {name: cell_of(cell) for cell in nb["cells"] if (name := grade_id(cell))}
        self.master: Master = master_from(named)
        self.marks = {name: f"# the answer {name}\n" for name, cell in named.items() if cell.solves}
        for cell in nb["cells"]:
            cell["source"] = "".join(cell["source"])
            if grade_id(cell) in self.marks:
                cell["source"] = f"{cell['source']}\n{self.marks[grade_id(cell)]}{cell['id'].replace('-', '_')} = 1"
        self.nb = nb
        words = [*named, *sorted({key for cell in nb["cells"] for key in cell}), *(cell.source for cell in named.values())]
        self.edits = edits([*WORDS, *words], most=6)


@cache
def released() -> tuple[Released, ...]:
    return tuple(map(Released, RELEASED))


WORDS = [
    *(
        "code",
        "markdown",
        "raw",
        "heading",
        "nbgrader",
        "grade",
        "solution",
        "locked",
        "task",
        "points",
        "schema_version",
        "checksum",
    ),
    *(
        "tags",
        "skip-execution",
        "raises-exception",
        "attachments",
        "autograder",
        "restored",
        "kernelspec",
        "language",
        "python3",
        "R",
    ),
    *(
        "orig_nbformat",
        "worksheets",
        *["\ud83d"] * 9,
        "\0",
        "",
        "stream",
        "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x\n",
        "def f(:",
        "```",
    ),
    *(-1, 0, 1, 2, 3, 4, 5, 99, 2**70, 1.5, float("nan"), True),
]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1", "ascii")


@st.composite
def submissions(draw: st.DrawFn) -> tuple[int, bytes]:
    """The number of a released notebook, and the file that somebody hands in for it: mostly a notebook, changed."""
    what = draw(st.integers(0, 9))
    if not what:
        return 0, draw(st.binary(max_size=200))
    number = draw(st.integers(0, len(RELEASED) - 1))
    nb = edited(released()[number].nb, draw(released()[number].edits))
    text = json.dumps(nb, ensure_ascii=what % 2 == 0, indent=draw(st.sampled_from([None, 1])))
    content = text.encode(draw(st.sampled_from(ENCODINGS)) if what == 1 else "utf-8", "replace")
    return number, cut(content, draw(CUTS)) if what < 4 else content


EXAMPLES = submissions()


def check(example: tuple[int, bytes]) -> None:
    """Nothing is raised, all of the release is there in its order, once, and no answer that stood in its cell is gone."""
    number, content = example
    given = released()[number]
    with COST.bounded(len(content)):
        nb = read_leniently(content).nb
        before = deepcopy(nb)
        restore(nb, given.master.originals, given.master.answers)
    is_whole(nb, given.master.originals)
    keeps_answers(before, nb, given.marks)
    again = deepcopy(nb)
    assert restore(again, given.master.originals, given.master.answers) == []
    assert again == nb
    passes_nbgrader(nb, given.master)


def is_whole(nb: NotebookNode, originals: Mapping[str, Cell]) -> None:
    """It is a notebook that can be written, and has the cells of the release in their order."""
    nbformat.validate(nb, relax_add_props=True)
    nbformat.writes(nb).encode()
    assert [name for cell in nb.cells if (name := grade_id(cell)) in originals] == [*originals]
    for cell in nb.cells:
        if (name := grade_id(cell)) in originals:
            assert cell.cell_type == originals[name].cell_type
            assert cell.metadata.nbgrader.solution == originals[name].solves


def keeps_answers(before: NotebookNode, after: NotebookNode, marks: Mapping[str, str]) -> None:
    """An answer that stood in one cell, which alone had its name, is in the cell of that name."""
    names = Counter(name for cell in before["cells"] for name in {grade_id(cell), str(cell.get("id"))})
    texts = {grade_id(cell): cell.source for cell in after.cells}
    for name, mark in marks.items():
        where = [cell for cell in before["cells"] if mark.strip() in str(cell.get("source"))]
        if len(where) == 1 and grade_id(where[0]) == name and names[name] == 1 and isinstance(where[0].get("source"), str):
            assert mark.strip() in texts[name], f"the answer {name} is gone"


def passes_nbgrader(nb: NotebookNode, master: Master) -> None:
    """nbgrader's own steps take it, and then locked cells have the text of the release."""
    resources: dict[str, Any] = deepcopy(ABOUT)
    for kind in (ClearOutput, DeduplicateIds, OverwriteKernelspec, OverwriteCells, CheckCellMetadata):
        preprocessor = kind()
        with suppress(AttributeError):
            preprocessor.rows = Rows(master)
        nb, resources = preprocessor.preprocess(nb, resources)
    nbformat.validate(nb, relax_add_props=True)
    texts = {grade_id(cell): cell.source for cell in nb.cells}
    for name, original in master.originals.items():
        assert not original.is_locked or texts[name] == original.source
