"""Marks after memory hogs: the same at each grading, and those of all other cells are what they would be without the hog."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from tests.support import classes
from tests.support.classes import RIGHT, differences, grade, hand_in, make_course, marks, state
from tests.support.rooms import linux

pytestmark = linux
warm = classes.warm

HOGS = {
    "list": "hog = []\nwhile True:\n    hog.append(bytearray(2**20))",
    "caught": "hog = []\ntry:\n    while True:\n        hog.append(bytearray(2**10))\nexcept MemoryError:\n    pass",
    "child": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = []\\nwhile True: x.append(bytes(2**20))'])",
}


@pytest.mark.timeout(300)
def test_a_regrade_gives_the_same_marks_and_records_and_the_others_are_as_without_the_hog(tmp_path: Path) -> None:
    course = tmp_path / "course"
    make_course(course, f"\nc.Examine.memory = {256 * 2**20}\n")
    hand_in(course, "none", RIGHT)
    for student, source in HOGS.items():
        path = hand_in(course, student, RIGHT) / "first.ipynb"
        nb = nbformat.read(path, as_version=4)
        nb.cells.insert(1, new_code_cell(source, id="hog"))
        nbformat.write(nb, path)
    first = grade(course)
    before = state(course)
    assert {each.points for each in first.graded} == {next(each.points for each in first.graded if each.student == "none")}
    for _ in range(2):
        grade(course, force=True)
        assert differences(before, state(course)) == []
    assert marks(f"sqlite:///{course}/gradebook.db")["Grade"]
    said = [note for each in first.graded if each.student in ("list", "caught") for note in each.notes]
    assert [note for note in said if "The cell `hog` was left out: it used up the 268,435,456 bytes of memory" in str(note)]
