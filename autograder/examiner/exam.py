"""The types of what an examiner gets and gives back: the cells of a notebook, and what each of them showed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autograder.course.cells import Cell
from autograder.course.questions import Exercise
from autograder.sandbox.limits import Limits
from autograder.text import NO_DATA, bytes_of, json_data, writable
from autograder.verdict import Verdict

if TYPE_CHECKING:
    from autograder.replay.stop import Stop

Message = dict[str, Any]
"""A message as a kernel would send it for what a cell shows: `msg_type` and `content`."""

MARGIN_BYTES = 2**20
"""Bytes by which the messages of a cell may exceed the limit. A room cuts off at the limit itself, but not its errors."""


@dataclass(frozen=True)
class Exam:
    """The cells of a notebook in their order, and the instructor's import statements by the names that they bind.

    `seed` is what the cases are drawn from. `plain` are the ids of the tests that run in the room, as nbgrader runs them; all
    others run in the examiner. `autograd` says whether students' cells may use autograd. `models` are the instructor's
    answers to asks, by name: without them, those that were recorded count. For a learner, `maps` asks for maps of the forward
    passes, and `hints` for hints for these questions.
    """

    tasks: Sequence[Cell]
    imports: Mapping[str, str]
    seed: str
    limits: Limits
    plain: Set[str] = frozenset()
    autograd: bool = False
    models: Mapping[str, str] = field(default_factory=dict)
    maps: bool = False
    hints: Sequence[str] = ()

    @property
    def exercise(self) -> Exercise:
        """The exercise that these cells make up."""
        return Exercise(tuple(self.tasks))


@dataclass
class CellRecord:
    """What a cell showed, as the messages of a kernel, the error that stopped it, in words, and for a test its verdicts.

    `stop` is where in the cell that was, which only the examiner that made the record knows.
    """

    messages: list[Message] = field(default_factory=list)
    error: str | None = None
    verdicts: Sequence[Verdict] = ()
    stop: Stop | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The record in types that JSON knows."""
        verdicts = [verdict.as_dict() for verdict in self.verdicts]
        return {"messages": self.messages, "error": self.error, "verdicts": verdicts}

    @staticmethod
    def of(fields: Mapping[str, Any]) -> CellRecord:
        """The record with these fields: the inverse of `as_dict`."""
        return CellRecord(fields["messages"], fields["error"], tuple(map(Verdict.of, fields["verdicts"])))


def messages_of(sent: list[Any], largest: int) -> tuple[list[Message], int]:
    """The real messages among what a room sent, up to `largest` bytes and MARGIN_BYTES, and how many bytes they are.

    A room may send anything. What is no JSON in a message is a fixed word: an object of the room would be asked for its text,
    and could answer with anything.
    """
    found, shown = [], 0
    for message in map(json_data, sent):
        match message:
            case {"msg_type": str(kind), "content": dict(content)}:
                kept = {"msg_type": kind, "content": content}
                size = size_of(kept)
                largest -= size
                if largest > -MARGIN_BYTES:
                    found.append(kept)
                    shown += size
    return found, shown


def size_of(message: Message) -> int:
    """Bytes of what a message shows: printed text as it is, and all else as JSON."""
    match message:
        case {"msg_type": "stream", "content": {"text": str(text), **rest}}:
            return bytes_of(text) + len(json.dumps(rest))
    return len(json.dumps(message["content"]))


def error_message(name: str, message: str) -> Message:
    """The message by which a kernel shows an error."""
    return {"msg_type": "error", "content": {"ename": name, "evalue": message, "traceback": [f"{name}: {message}"]}}


def is_stderr(message: Message) -> bool:
    """Whether a message is of what a cell wrote to stderr."""
    return bool(message["msg_type"] == "stream" and message["content"].get("name") == "stderr")


def cut_message(largest: int) -> Message:
    """The message at the end of a cell that showed more than `largest` bytes."""
    text = f"\n[cut off: a cell may show {largest:,} bytes, and all together a little more]\n"
    return {"msg_type": "stream", "content": {"name": "stdout", "text": text}}


def say_it_was_late(record: CellRecord, seconds: float, why: str = "") -> None:
    """Makes the record of a cell that was interrupted say that its time was up, in place of a bare KeyboardInterrupt."""
    reason = f"the cell did not end within {seconds:g} s{why}"
    record.error = f"KeyboardInterrupt: {reason}"
    for message in record.messages:
        if message["msg_type"] == "error" and message["content"].get("ename") == "KeyboardInterrupt":
            message["content"]["evalue"] = reason
            return
    record.messages.append(error_message("KeyboardInterrupt", reason))


@dataclass(frozen=True)
class MapNode:
    """A node of a learner's gradient map: a variable, the names that it is used through, and whether it is a leaf."""

    name: str
    through: Sequence[str]
    leaf: bool


@dataclass(frozen=True)
class Hints:
    """The hints for a gradient, from the one that gives away least to the one that gives away most, or why there are none.

    `question` is one about a right answer to it, if there is one.
    """

    said: Sequence[str] = ()
    error: str = ""
    question: str = ""


@dataclass(frozen=True)
class ExamResult:
    """What came of an exam: a record of each of its cells, notes for the instructor, and the seconds of each stage.

    `failures` are notes on tests that failed, or may have, through no fault of the student: a person has to see to them.
    A learner gets `maps` of the forward passes, by their sources, and `hints` by gradient, if the exam asks for them.
    """

    cells: Sequence[CellRecord]
    notes: Sequence[str] = ()
    failures: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    maps: Mapping[str, Sequence[MapNode]] = field(default_factory=dict)
    hints: Mapping[str, Hints] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The result in types that JSON knows."""
        return {**vars(self), **{name: _plain(getattr(self, name)) for name in ("cells", "maps", "hints")}}

    def written(self) -> ExamResult:
        """The same result, in text that any file takes. Students' words are in it."""
        text = json.dumps(self.as_dict(), ensure_ascii=False, default=lambda _: NO_DATA)
        return ExamResult.of(json.loads(writable(text)))

    @staticmethod
    def of(fields: Mapping[str, Any]) -> ExamResult:
        """The result with these fields: the inverse of `as_dict`."""
        return ExamResult(
            cells=[CellRecord.of(each) for each in fields["cells"]],
            notes=fields["notes"],
            failures=fields["failures"],
            seconds=fields["seconds"],
            maps={forward: [MapNode(**node) for node in nodes] for forward, nodes in fields["maps"].items()},
            hints={name: Hints(**each) for name, each in fields["hints"].items()},
        )


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case CellRecord():
            return value.as_dict()
    return vars(value)
