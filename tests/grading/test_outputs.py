"""What messages become in a notebook, and that no message of a room does harm there."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.course.cells import Role
from autograder.grading.outputs import outputs

S, T = Role.STUDENT, Role.TEST
PLAIN = "text/plain"


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"msg_type": "stream", "content": {"name": name, "text": text}}


def display(text: Any, id: Any = None, kind: str = "display_data") -> dict[str, Any]:
    transient = {} if id is None else {"display_id": id}
    return {"msg_type": kind, "content": {"data": {PLAIN: text}, "metadata": {}, "transient": transient}}


def clear(wait: bool = False) -> dict[str, Any]:
    return {"msg_type": "clear_output", "content": {"wait": wait}}


def result(text: str, count: int = 1) -> dict[str, Any]:
    return {"msg_type": "execute_result", "content": {"execution_count": count, "data": {PLAIN: text}, "metadata": {}}}


def made(*cells: list[Any], roles: str = "") -> list[list[Any]]:
    """The text of each output of each cell; `roles` is a letter for each cell, `t` for a test."""
    records = list(cells)
    found = outputs(records, [T if letter == "t" else S for letter in roles.ljust(len(cells), "s")])
    nbformat.validate(new_notebook(cells=[new_code_cell(outputs=each) for each in found]))
    return [[output.get("text") or output.get("evalue") or output.data[PLAIN] for output in each] for each in found]


def test_messages_become_outputs_in_their_order() -> None:
    error = {"msg_type": "error", "content": {"ename": "E", "evalue": "v", "traceback": ["t"]}}
    assert made([stream("a"), stream("b"), stream("c", "stderr"), display("d"), result("r"), error]) == [
        ["a", "b", "c", "d", "r", "v"]
    ]


def test_each_cell_has_its_own() -> None:
    assert made([stream("a")], [], [stream("b")]) == [["a"], [], ["b"]]


def test_an_update_changes_a_display_of_an_earlier_cell() -> None:
    assert made([display("old", "x")], [display("new", "x", "update_display_data")]) == [["new"], []]


def test_an_update_by_a_student_never_changes_a_test_nor_the_other_way_round() -> None:
    update = display("all is well", "x", "update_display_data")
    assert made([display("verdict", "x")], [update], roles="ts") == [["verdict"], []]
    assert made([display("mine", "x")], [update], roles="st") == [["mine"], []]
    assert made([update], [display("verdict", "x")], [update], roles="sts") == [[], ["verdict"], []]
    assert made([display("one", "x")], [display("two", "x")], roles="st") == [["one"], ["two"]]


def test_a_test_may_update_its_own() -> None:
    assert made([display("wait", "x"), display("done", "x", "update_display_data")], roles="t") == [["done"]]


def test_outputs_are_cleared_at_once_or_when_more_comes() -> None:
    assert made([stream("a"), clear()]) == [[]]
    assert made([stream("a"), clear(wait=True)]) == [["a"]]
    assert made([stream("a"), clear(wait=True), stream("b")]) == [["b"]]


def test_waiting_to_clear_ends_with_the_cell() -> None:
    assert made([stream("a"), clear(wait=True)], [stream("b")], [stream("c")], roles="sts") == [["a"], ["b"], ["c"]]
    assert made([stream("a"), clear(wait=True)], [display("b"), stream("c")]) == [["a"], ["b", "c"]]


def test_messages_of_other_kinds_are_no_outputs() -> None:
    others = ("status", "execute_input", "comm_open", "comm_msg", "execute_reply", "input_request", "")
    assert made([{"msg_type": kind, "content": {"execution_count": 7, "text": "x"}} for kind in others]) == [[]]


DEEP: Any = "x"
for _ in range(3000):
    DEEP = [DEEP]

STRANGE: list[dict[str, Any]] = [
    {},
    {"name": 5, "text": 6},
    {"name": "stdout"},
    {"name": "stdout", "text": ["a", 7]},
    {"name": "elsewhere", "text": {"a": 1}},
    {"data": 5},
    {"data": {PLAIN: 7}, "metadata": 5, "transient": 5},
    {"data": {PLAIN: object()}, "metadata": {}},
    {"data": {"text/html": DEEP}, "metadata": {}},
    {"data": {5: "x"}, "metadata": {}},
    {"data": {PLAIN: "x"}, "metadata": {}, "transient": {"display_id": []}},
    {"data": {PLAIN: "x"}, "metadata": {}, "transient": {"display_id": {"a": 1}}},
    {"execution_count": "one", "data": {PLAIN: "x"}, "metadata": {}},
    {"ename": 5, "evalue": None, "traceback": "line"},
    {"ename": "E", "evalue": "v", "traceback": [5]},
    {"wait": "perhaps"},
]


@pytest.mark.parametrize("kind", ["stream", "display_data", "execute_result", "error", "update_display_data", "clear_output"])
@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_a_strange_message_leaves_the_others_and_the_notebook_whole(kind: str, number: int) -> None:
    strange = {"msg_type": kind, "content": STRANGE[number]}
    records = [[strange, stream("a")], [display("verdict", "x")], [strange, stream("b", "stderr")]]
    found = outputs(records, [S, T, S])
    assert all("verdict" in str(output) for output in found[1])
    assert len(found[1]) == 1
    assert "a" in [output.get("text") for output in found[0]] or kind in ("stream", "clear_output")
    assert [output.get("text") for output in found[2]][-1:] == ["b"]
    for each in found:
        notebook = new_notebook(cells=[new_code_cell(outputs=each)])
        nbformat.validate(notebook)
        assert nbformat.reads(nbformat.writes(notebook), as_version=4) is not None
