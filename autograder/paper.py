"""What the examiner is given, and what it gives back: the cells of a notebook, and what each of them showed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from autograder.exercise import Code, Exercise
from autograder.limits import Limits

Message = dict[str, Any]
"""What a kernel would send of what a cell shows: its type and its content."""

SPARE = 2**20
"""Bytes by which a cell may go beyond what it may show: an honest room cuts off earlier, but for errors."""


class Role(StrEnum):
    STUDENT = "student"
    LOCKED = "locked"
    TEST = "test"


@dataclass(frozen=True)
class Task:
    """A code cell: one of the student's, a locked one, or a test, of which `hidden` is what students do not see.

    `answers` are the names that a student's cell is there to bind: those that the instructor's own solution binds.
    """

    id: str
    role: Role
    source: str
    hidden: str = ""
    answers: frozenset[str] = frozenset()

    @property
    def shown(self) -> str:
        """The lines that students see."""
        hidden = deque(self.hidden.split("\n") if self.hidden else ())
        shown = []
        for line in self.source.split("\n"):
            if hidden and line == hidden[0]:
                hidden.popleft()
            else:
                shown.append(line)
        return "\n".join(shown)


@dataclass(frozen=True)
class Paper:
    """The cells of a notebook in their order, and the instructor's import statements by the names that they bind.

    A learner wants `maps` of the forward passes, and `hints` for some gradients.
    """

    tasks: Sequence[Task]
    imports: Mapping[str, str]
    seed: str
    limits: Limits
    maps: bool = False
    hints: Sequence[str] = ()

    @property
    def exercise(self) -> Exercise:
        """What the notebook asks for, where it stands in no file beside."""
        return Exercise(tuple(Code(task.id, task.source, task.role is Role.TEST) for task in self.tasks))


@dataclass
class Record:
    """What a cell showed, as the messages of a kernel, and what it stopped with."""

    messages: list[Message] = field(default_factory=list)
    error: str | None = None


def messages_of(told: list[Any], largest: int) -> list[Message]:
    """Those that are messages at all, of at most so many bytes. A room may send anything."""
    found = []
    for message in told:
        if not (isinstance(message, dict) and isinstance(message.get("msg_type"), str)):
            continue
        kept = {"msg_type": message["msg_type"], "content": message.get("content")}
        largest -= size_of(kept)
        if isinstance(kept["content"], dict) and largest > -SPARE:
            found.append(kept)
    return found


def size_of(message: Message) -> int:
    """Bytes of what a message shows."""
    return len(json.dumps(message["content"], default=str))


def error_message(name: str, message: str) -> Message:
    return {"msg_type": "error", "content": {"ename": name, "evalue": message, "traceback": [f"{name}: {message}"]}}


def cut_message(largest: int) -> Message:
    text = f"\n[cut off: a cell may show {largest:,} bytes, and all together a little more]\n"
    return {"msg_type": "stream", "content": {"name": "stdout", "text": text}}


def say_it_was_late(record: Record, seconds: float) -> None:
    reason = f"the cell did not end within {seconds:g} s"
    record.error = f"KeyboardInterrupt: {reason}"
    for message in record.messages:
        if message["msg_type"] == "error" and message["content"].get("ename") == "KeyboardInterrupt":
            message["content"]["evalue"] = reason
            return
    record.messages.append(error_message("KeyboardInterrupt", reason))
