"""What the notebook itself tells as a workspace."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from autograder.replay import parsed
from autograder.replay.workspace import FunctionInfo, NotebookWorkspace
from autograder.tape.cases import Case

SOURCE = """\
import torch
scale = 3.0

def double(x, y):
    part = x * 2
    return part * scale

def blank(x): pass

def todo(x):
    raise NotImplementedError

class Layer:
    def __init__(self, width): pass

number = 5

def starred(x, *others):
    return others

def slashed(x, y=2.0, /):
    z = x * y
    return z

def lenient(x, *, lr=0.1, **more):
    return x * lr
"""


@pytest.fixture
def notebook() -> NotebookWorkspace:
    names: dict[str, Any] = {}
    exec(SOURCE, names)
    return NotebookWorkspace({**names, "built": max, "half": partial(names["double"], y=1)})


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("double", FunctionInfo(("x", "y"))),
        ("blank", FunctionInfo(("x",), True)),
        ("todo", FunctionInfo(("x",))),
        ("Layer", FunctionInfo(("width",))),
        ("half", FunctionInfo(("x", "y"), optional=("y",))),
        ("starred", FunctionInfo(("x",), starred="others", by_position=True)),
        ("slashed", FunctionInfo(("x", "y"), optional=("y",), by_position=True)),
        ("lenient", FunctionInfo(("x", "lr"), optional=("lr",))),
        ("built", FunctionInfo()),
        ("number", FunctionInfo(kind="int")),
    ],
)
def test_a_function_is_known_without_a_call(notebook: NotebookWorkspace, name: str, known: FunctionInfo) -> None:
    assert notebook.function(name) == known


def test_a_call_gives_what_the_function_returns_and_leaves_the_arguments(notebook: NotebookWorkspace) -> None:
    x = torch.ones(2)
    replay = notebook.call("double", {"x": x, "y": None})
    assert replay.answer.tolist() == [6, 6]
    assert replay.error is None
    assert isinstance(notebook.call("todo", {"x": x}).error, NotImplementedError)
    assert x.tolist() == [1, 1]


def test_a_call_by_position_goes_by_the_order_of_the_arguments(notebook: NotebookWorkspace) -> None:
    arguments = {"a": torch.ones(2), "b": torch.full((2,), 5.0)}
    assert notebook.call("slashed", arguments, by_position=True).answer.tolist() == [5, 5]
    assert notebook.call("starred", arguments, by_position=True).answer[0].tolist() == [5, 5]
    assert isinstance(notebook.call("slashed", arguments).error, TypeError)
    replay = notebook.call("slashed", arguments, by_position=True)
    local = notebook.locals_of(parsed.parse_cell(SOURCE), "slashed", arguments, replay, by_position=True)
    assert {name: value.tolist() for name, value in local.items()} == {"x": [1, 1], "y": [5, 5], "z": [5, 5]}


def test_the_local_names_of_a_call_can_be_had(notebook: NotebookWorkspace) -> None:
    arguments = {"x": torch.ones(2), "y": None}
    replay = notebook.call("double", arguments)
    local = notebook.locals_of(parsed.parse_cell(SOURCE), "double", arguments, replay)
    assert local["part"].tolist() == [2, 2]


def test_a_cell_is_run_again_on_a_case(notebook: NotebookWorkspace) -> None:
    case = Case({"x": torch.full((2,), 5.0)}, {"y": torch.ones(2)}, {})
    replay = notebook.replay(parsed.parse_cell("dx = dy * x * scale"), "dx", case)
    assert replay.answer.tolist() == [15, 15]
    assert "dx" not in notebook.names


def test_local_names_hide_others_beside_them_only(notebook: NotebookWorkspace) -> None:
    beside = notebook.beside({"scale": 10.0})
    assert beside.names["scale"] == 10.0
    assert beside.folder == notebook.folder
    assert notebook.names["scale"] == 3.0
