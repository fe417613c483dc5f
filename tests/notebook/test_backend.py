"""What a notebook calls is done by the backend of its session: here, or by somebody whom a room asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from autograder.course.questions import Question
from autograder.errors import ForwardError, NotReady, NotRight
from autograder.examiner.agent import RoomBackend
from autograder.judge import session
from autograder.judge.session import Backend
from autograder.notebook import api
from autograder.notebook.extension import LocalBackend
from tests.support.lesson import fresh_shell


class Noted:
    """A backend that notes what it is asked."""

    watches = False

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda session, *details: self.asked.append((name, *details))


def shell_with(backend: Backend) -> InteractiveShell:
    shell = fresh_shell()
    session.start_session(shell, backend)
    return shell


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A shell whose session notes what it is asked."""
    shell = shell_with(Noted())
    yield shell
    session.end_session(shell)


@pytest.fixture
def asked() -> list[tuple[Any, ...]]:
    """What a room asked the examiner."""
    return []


@pytest.fixture
def room(asked: list[tuple[Any, ...]]) -> Iterator[InteractiveShell]:
    """The shell of a room."""
    shell = shell_with(RoomBackend(lambda *details: asked.append(details)))
    shell.run_cell("%load_ext autograder\nimport torch")
    yield shell
    session.end_session(shell)


def error_of(shell: InteractiveShell, source: str) -> BaseException | None:
    return shell.run_cell(source).error_in_exec


def test_each_call_is_passed_on_as_a_question(shell: InteractiveShell) -> None:
    api.check("dprobs")
    api.grade("dC", by="backward")
    api.hint("dC")
    api.solution("dC", anyway=True)
    api.progress()
    api.progress("course")
    assert session.of(shell).backend.asked == [  # type: ignore[attr-defined]
        ("check", Question("dprobs")),
        ("grade", Question("dC", "backward")),
        ("hint", Question("dC")),
        ("solution", Question("dC"), True),
        ("progress", False),
        ("progress", True),
    ]


def test_the_magic_is_passed_on_too(shell: InteractiveShell) -> None:
    shell.run_cell("%load_ext autograder")
    shell.run_cell("%%forward --batch n ix\na = 1\n")
    assert session.of(shell).backend.asked == [("forward", "a = 1\n", ["n", "ix"])]  # type: ignore[attr-defined]
    assert "a" not in shell.user_ns


def test_a_notebook_gets_a_backend_that_judges_and_keeps_the_one_it_has(shell: InteractiveShell) -> None:
    shell.run_cell("%load_ext autograder")
    assert isinstance(session.of(shell).backend, Noted)
    other = fresh_shell()
    other.run_cell("%load_ext autograder")
    assert isinstance(session.of(other).backend, LocalBackend)
    assert [run.cell.source for run in session.of(other).runs] == []
    other.run_cell("x = 1")
    assert [run.cell.source for run in session.of(other).runs] == ["x = 1"]


def test_without_a_session_nothing_passes(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_sessions", {})
    with pytest.raises(NotReady):
        api.check("dprobs")
    with pytest.raises(NotRight):
        api.grade("dprobs")
    monkeypatch.undo()


class TestRoom:
    def test_check_and_progress_ask_the_examiner(self, room: InteractiveShell, asked: list[tuple[Any, ...]]) -> None:
        api.check("dprobs")
        api.check("dC", by="backward")
        api.progress()
        api.progress("course")  # in a room there is none
        assert asked == [("check", "dprobs", None), ("check", "dC", "backward"), ("progress",)]

    def test_grade_is_refused_and_hints_say_nothing(self, room: InteractiveShell, asked: list[tuple[Any, ...]]) -> None:
        with pytest.raises(NotReady, match=r"^this is not there while the notebook is graded\.$"):
            api.grade("dprobs")
        api.hint("dprobs")
        api.solution("dprobs", anyway=True)
        assert asked == []

    def test_a_forward_pass_is_values_and_no_tape(self, room: InteractiveShell) -> None:
        room.run_cell("x = torch.ones(2, requires_grad=True)")
        assert error_of(room, "%%forward\ny = x * 3\nloss = y.sum()") is None
        assert room.user_ns["loss"] == 6 and not room.user_ns["loss"].requires_grad
        assert torch.is_grad_enabled()
        assert session.of(room).tapes == {}
        assert isinstance(error_of(room, "%%forward\nfor y in x: pass"), ForwardError)

    def test_no_cell_is_watched(self, room: InteractiveShell) -> None:
        room.run_cell("x = 1")
        assert session.of(room).runs == []
