"""What messages become in a notebook, and that no message of a room does harm there."""

from __future__ import annotations

import math
from typing import Any

import nbformat
import pytest
import torch
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


def shown(data: Any, metadata: Any = None) -> Any:
    """The one output that data become."""
    content = {"data": data, "metadata": metadata or {}, "transient": {}}
    return outputs([[{"msg_type": "display_data", "content": content}]], [S])[0][0]


WIDGET, VERDICT, PNG = "application/vnd.jupyter.widget-view+json", "application/vnd.autograder.verdict+json", "image/png"
NESTED: Any = {}
for _ in range(40):
    NESTED = {"a": NESTED}


@pytest.mark.parametrize("kind", ["text/html", "text/latex", PNG, "image/svg+xml", "application/javascript", "x", ""])
@pytest.mark.parametrize("value", [5, 2.5, None, True, ["a", 5], {}, {"a": "b"}, {1, 2}, b"x", torch.zeros(2)], ids=repr)
def test_data_that_are_no_text_are_left_out_where_text_belongs(kind: str, value: Any) -> None:
    assert shown({kind: value, PLAIN: "also"}).data == {PLAIN: "also"}
    assert shown({kind: value}).data == {PLAIN: f"This output was malformed, and is not shown: {kind}."}


@pytest.mark.parametrize(
    "value", ["text", 5, None, [], {}, {"model_id": 5}, {"model_id": []}, {"outcome": {}}, NESTED, {1}], ids=str
)
def test_what_readers_ask_for_by_name_is_a_text(value: Any) -> None:
    for kind in (WIDGET, VERDICT):
        assert shown({kind: value, PLAIN: "also"}).data == {PLAIN: "also"}
    assert shown({WIDGET: {"model_id": "a", "version_major": 2}}).data == {WIDGET: {"model_id": "a", "version_major": 2}}


def test_json_may_be_anything_that_can_be_written_and_read() -> None:
    rows = [1, 2.5, None, True, {"a": ["b"]}]
    for kind in ("application/json", "application/geo+json", "application/vnd.x+json"):
        assert shown({kind: rows}).data == {kind: rows}
        assert shown({kind: [math.nan, math.inf, "\ud83d"]}).data == {kind: ["nan", "inf", "\\ud83d"]}
        for value in ({1, 2}, b"x", torch.zeros(2), NESTED, 1j, {5: "x"}):
            assert kind not in shown({kind: value}).data


def test_lines_are_joined_and_half_characters_are_escaped() -> None:
    assert shown({"text/html": ["<b>", "</b>"]}).data == {"text/html": "<b></b>"}
    assert shown({"text/html": "\ud83d \U0001f600"}).data == {"text/html": "\\ud83d \U0001f600"}
    assert shown({"text/\ud83d": "x"}).data == {"text/\\ud83d": "x"}
    assert made([stream("\ud83d")]) == [["\\ud83d"]]


def test_metadata_are_of_the_types_that_pages_read() -> None:
    good = {"needs_background": "light", PNG: {"width": 40, "height": 2.5, "unconfined": True}, "isolated": False}
    assert shown({PNG: "eA=="}, good).metadata == good
    for wrong in (5, "x", [1], None):
        assert shown({PNG: "eA=="}, {PNG: wrong}).metadata == {}
        assert shown({PNG: "eA=="}, {"filenames": wrong, "isolated": wrong}).metadata == {}
    for size in ("40", True, 0, -1, 10**6, math.nan, [1], None):
        assert shown({PNG: "eA=="}, {"width": size, PNG: {"height": size}}).metadata == {PNG: {}}
