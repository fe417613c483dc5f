"""The cells of a notebook, and nbgrader's metadata of them."""

from __future__ import annotations

from typing import Any

import pytest
from nbformat.v4 import new_code_cell
from nbgrader.nbgraderformat import SCHEMA_VERSION

from autograder.course.cells import (
    HIDDEN,
    SOLUTION,
    Cell,
    Role,
    body,
    cell_of,
    cells_of,
    differing,
    enclosed,
    give_ids,
    has_no_fit_id,
    imports_in,
    is_forward,
    lacks_id,
    magic,
    marked,
    python,
    repeats_id,
    split,
    unmarked,
)
from scripts.submissions import graded_cell


def raw(**more: Any) -> dict[str, Any]:
    return {"cell_type": "code", "id": "own", "source": "1", **more}


@pytest.mark.parametrize(
    ("flags", "role", "solves"),
    [
        (None, Role.STUDENT, False),
        ({}, Role.STUDENT, False),
        ({"solution": False, "grade": False, "locked": False}, Role.STUDENT, False),
        ({"solution": False, "grade": False, "locked": True}, Role.LOCKED, False),
        ({"solution": False, "grade": True, "locked": True}, Role.TEST, False),
        ({"solution": False, "grade": True, "locked": False}, Role.TEST, False),
        ({"solution": True, "grade": False, "locked": False}, Role.STUDENT, True),
        ({"solution": True, "grade": True, "locked": False}, Role.STUDENT, True),
        ({"solution": True, "grade": False, "locked": True}, Role.STUDENT, True),
        ({"task": True, "grade": False, "locked": True}, Role.LOCKED, False),
    ],
)
def test_a_cell_has_one_role(flags: dict[str, bool] | None, role: Role, solves: bool) -> None:
    metadata = {} if flags is None else {"nbgrader": flags}
    for cell in (raw(metadata=metadata), new_code_cell("1", metadata=metadata)):
        assert (cell_of(cell).role, cell_of(cell).solves) == (role, solves)


MALFORMED = {
    "no metadata": raw(),
    "metadata that is a number": raw(metadata=1),
    "metadata that is a list": raw(metadata=["nbgrader"]),
    "nbgrader's is a list": raw(metadata={"nbgrader": []}),
    "nbgrader's is a text": raw(metadata={"nbgrader": "solution"}),
    "a grade_id that is a list": raw(metadata={"nbgrader": {"grade_id": ["a"], "points": "many"}}),
    "points that are a list, and tags a number": raw(metadata={"nbgrader": {"points": [1]}, "tags": 3}),
    "a source of lines": raw(source=["", "1"]),
}


@pytest.mark.parametrize("cell", MALFORMED.values(), ids=MALFORMED)
def test_malformed_metadata_is_none(cell: dict[str, Any]) -> None:
    assert cell_of(cell) == Cell("own", Role.STUDENT, "1", tags=())


def test_the_name_of_a_cell_is_nbgraders_or_the_notebook_s_or_its_number() -> None:
    named = raw(metadata={"nbgrader": {"grade_id": "dh"}})
    nameless = {"cell_type": "code", "source": ""}
    text = {**nameless, "cell_type": "markdown"}
    assert [cell.id for cell in cells_of({"cells": [named, text, raw(), nameless]})] == ["dh", "own", "cell-4"]


@pytest.mark.parametrize(
    "role",
    [
        {"locked": True},
        {"solution": True},
        {"grade": True, "locked": True, "points": 2},
        {"grade": True, "solution": True, "points": 2.5},
        {"task": True, "locked": True, "points": 0.0},
    ],
)
def test_the_metadata_that_is_written_is_what_was_read(role: dict[str, Any]) -> None:
    node = graded_cell("one", "1", **role, checksum="c", cell_type="code")
    cell = cell_of(node)
    assert cell.settings(SCHEMA_VERSION) == node.metadata.nbgrader
    assert differing(cell, node.metadata.nbgrader, SCHEMA_VERSION) == []


def test_what_differs_is_named() -> None:
    cell = Cell("t", Role.TEST, "1", points=2.0)
    right = cell.settings(3)
    assert differing(cell, {**right, "points": 3, "grade": 1, "mine": 0, "locked": False}, 3) == ["grade", "mine", "points"]
    assert differing(cell, {**right, "checksum": "other", "points": 2}, 3) == []
    assert differing(cell, ["not", "metadata"], 3) == sorted(right)


@pytest.mark.parametrize(
    ("source", "head", "ours"),
    [
        ("%%forward --batch n x\na = x", "%%forward", True),
        ("%%forward\na = x", "%%forward", True),
        ("%%forwards\na = x", "%%forwards", False),
        ("%%time\na = x", "%%time", False),
    ],
)
def test_a_cell_stands_under_a_magic(source: str, head: str, ours: bool) -> None:
    assert (magic(source), is_forward(source), body(source)) == (head, ours, "a = x")
    assert python(source) == ("a = x" if ours else source)


@pytest.mark.parametrize("source", ["", "%time x", "a = x\n%%forward", "%% x", "%%"])
def test_a_cell_that_stands_under_none(source: str) -> None:
    assert magic(source) == "" and not is_forward(source) and python(source) == source


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os.path as p, sys\nfrom a import b as c", {"p", "sys", "c"}),
        ("%load_ext autograder\nimport torch.nn.functional as F", {"F"}),
        ("files = !ls\nimport os", {"os"}),
        ("%%time\nimport os", {"os"}),
        ("%%bash\nimport os", set()),
        ("%%writefile a.py\nimport os", set()),
        ("if x:\n    import os", set()),
        ("import", set()),
        ("", set()),
    ],
)
def test_the_imports_of_a_cell(source: str, found: set[str]) -> None:
    assert imports_in(source).keys() == found
    assert all(code in ast_of(source) for code in imports_in(source).values())


def ast_of(source: str) -> str:
    return source.replace("\n", "; ")


TWO = "a\n  ### BEGIN SOLUTION\n  b\n  ### END SOLUTION\nc\n### BEGIN SOLUTION\nd\n### END SOLUTION"


def test_what_markers_enclose() -> None:
    assert split(TWO, SOLUTION) == (["a", "c", ""], ["  b", "d"])
    assert unmarked(TWO, SOLUTION) == "a\n  b\nc\nd"
    assert enclosed(TWO, SOLUTION) == "  ### BEGIN SOLUTION\n  b\n### BEGIN SOLUTION\nd"
    assert [inside for _, inside in marked(TWO, SOLUTION)] == [False, True, True, False, False, True, True, False]


def test_without_markers_all_is_around() -> None:
    assert split("a\nb", HIDDEN) == (["a\nb"], [])
    assert unmarked("a\nb", HIDDEN) == "a\nb" and enclosed("a\nb", HIDDEN) == ""


def test_a_region_that_does_not_end_goes_on() -> None:
    assert split("a\n### BEGIN HIDDEN TESTS\nb\nc", HIDDEN) == (["a", ""], ["b\nc"])
    assert split("### BEGIN HIDDEN TESTS\nb", HIDDEN) == (["", ""], ["b"])


def test_the_lines_that_students_see_are_those_that_are_not_hidden() -> None:
    source = "a\n### BEGIN HIDDEN TESTS\nb\n### END HIDDEN TESTS\nc"
    assert Cell("t", Role.TEST, source, enclosed(source, HIDDEN)).shown == "a\n### END HIDDEN TESTS\nc"


@pytest.mark.parametrize(
    ("needs", "given"),
    [
        (lacks_id, ["cell-1", "cell-2", "b", "b", "a b", 3, "cell-3"]),
        (repeats_id, ["cell-1", "cell-2", "b", "cell-3", "a b", 3, "cell-4"]),
        (has_no_fit_id, ["cell-1", "cell-2", "b", "cell-3", "cell-4", "cell-5", "cell-6"]),
    ],
)
def test_ids_are_given_to_those_that_need_one(needs: Any, given: list[object]) -> None:
    cells: list[dict[str, Any]] = [{}, *({"id": id} for id in ("cell-2", "b", "b", "a b", 3)), {"id": None}]
    before = [cell.get("id") for cell in cells]
    assert give_ids(cells, needs) == sum(one != other for one, other in zip(before, given, strict=True))
    assert [cell["id"] for cell in cells] == given
