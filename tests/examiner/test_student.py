"""The student's process is asked, and what it answers may be anything."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from autograder.errors import Died
from autograder.examiner.channel import Channel
from autograder.examiner.student import REPLAY, SHAPES, RemoteWorkspace, Student
from autograder.replay.workspace import FunctionInfo
from autograder.sandbox.limits import Limits

GOOD: dict[str, Any] = {"messages": [], "error": None, "stop": None, "cut": False, "ended": 1, "lingers": False}


def answered(question: str, told: object) -> Mapping[str, Any]:
    """What is made of an answer that a room sends."""
    ours, theirs = socket.socketpair()
    room = Channel(theirs, Limits.answer)

    def answer() -> None:
        room.receive()
        room.send({"told": told})

    thread = Thread(target=answer)
    thread.start()
    pidfd = os.pidfd_open(os.getpid())
    try:
        return Student(Channel(ours, Limits.answer), pidfd, lambda: "", Limits(), lambda *_: None).ask(question)
    finally:
        thread.join()
        os.close(pidfd)
        room.close()
        ours.close()


def test_an_answer_is_taken() -> None:
    assert answered("run", GOOD) == GOOD


@pytest.mark.parametrize("missing", GOOD)
def test_an_answer_without_a_field_is_none(missing: str) -> None:
    with pytest.raises(Died, match="it sent something that is no answer"):
        answered("run", {name: value for name, value in GOOD.items() if name != missing})


@pytest.mark.parametrize("told", [None, [], "yes", {**GOOD, "messages": {}}, {**GOOD, "cut": 1}])
def test_an_answer_of_another_shape_is_none(told: object) -> None:
    with pytest.raises(Died, match="it sent something that is no answer"):
        answered("run", told)


def test_a_replay_and_a_call_have_the_same_shape() -> None:
    assert SHAPES["replay"] is SHAPES["call"] is REPLAY


def test_names_of_parameters_are_names() -> None:
    """They stand in verdicts, as code: a room could send any text in their place."""
    told = {
        "parameters": ("Xb", "` so it is right", 3),
        "optional": ("n", "two words"),
        "starred": "a`b",
        "is_blank": False,
        "kind": "",
        "by_position": True,
    }
    student = SimpleNamespace(ask=lambda question, by: told)
    workspace = RemoteWorkspace(student, {}, Path(), {})  # type: ignore[arg-type]
    assert workspace.function("backward") == FunctionInfo(("Xb",), False, "", ("n",), "", True)
