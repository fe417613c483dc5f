"""Two processes that ask each other questions: while one waits for an answer, the other may ask something back.

The examiner asks for a call of a student's function, for example, which calls a function of the test on the way.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Mapping
from typing import Any

from autograder.errors import NotReady, NotRight
from autograder.examiner.channel import Channel, Malformed, TooLarge, Unsendable, WireError
from autograder.replay.answer import SwitchedOff
from autograder.replay.run import AutogradOff, ScriptOff, TooSlow

MAX_NESTED_QUESTIONS = 20
"""How many questions may be open inside of one another."""

Serve = Callable[[str, Mapping[str, Any]], Any]
"""Gives the answer to a question, from the name of the question and its details."""


class Failed(Exception):
    """The other side could not answer; `error` is why."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Conversation:
    """One side of a conversation over a channel. `serve` answers the questions of the other side."""

    def __init__(self, channel: Channel, serve: Serve) -> None:
        self.channel = channel
        self._serve = serve
        self._depth = 0

    def ask(self, question: str, **details: Any) -> Any:
        """The answer to a question, however long it takes. Raises WireError, or the error that stopped the other side."""
        self.put(question, details)
        try:
            return self.wait()
        except Failed as failure:
            raise failure.error from None

    def put(self, question: str, details: Mapping[str, Any], deadline: float | None = None) -> None:
        """Sends a question; `wait` gives its answer. Raises WireError. After Unsendable and TooLarge, nothing was sent."""
        self.channel.send({"ask": question, "with": details}, deadline)

    def wait(self, deadline: float | None = None) -> Any:
        """The answer to the question that `put` sent. Meanwhile it answers what the other side asks back.

        Raises Failed if the other side could not answer, and WireError. After Late, at the `deadline` of `time.monotonic`, the
        answer may still come, and `wait` may be called again.
        """
        while True:
            message = self.channel.receive(deadline)
            if message.keys() == {"told"}:
                return message["told"]
            if message.keys() == {"failed"}:
                raise Failed(rebuilt(message["failed"]))
            self._answer(message, deadline)

    def listen(self) -> None:
        """Answers questions until the other side is gone, which raises Closed."""
        while True:
            self._answer(self.channel.receive(), None)

    def _answer(self, message: Mapping[str, Any], deadline: float | None) -> None:
        question, details = message.get("ask"), message.get("with")
        if not (isinstance(question, str) and isinstance(details, dict) and all(isinstance(key, str) for key in details)):
            raise Malformed("it is neither a question nor an answer")
        if self._depth >= MAX_NESTED_QUESTIONS:
            raise Malformed(f"there are more than {MAX_NESTED_QUESTIONS} questions within questions")
        self._depth += 1
        try:
            answer = {"told": self._serve(question, details)}
        except (WireError, KeyboardInterrupt):
            raise
        except BaseException as error:
            answer = {"failed": described(error)}
        finally:
            self._depth -= 1
        try:
            self.channel.send(answer, deadline)
        except (Unsendable, TooLarge) as error:
            self.channel.send({"failed": described(error)}, deadline)


def after(seconds: float) -> float:
    """The time of `time.monotonic` in so many seconds, as a deadline."""
    return time.monotonic() + seconds


MAX_MESSAGE_CHARACTERS = 2000
"""Characters of the message of an error, and of the names in its description."""


class Interrupted(Exception):
    """Code that was stopped because its time was up."""


class FilesLeftOpen(Exception):
    """Code that left open nearly all the files that a process may have open."""


OURS = (AutogradOff, ScriptOff, SwitchedOff, TooSlow, Interrupted, FilesLeftOpen, NotReady, NotRight)
KNOWN: dict[str, type[Exception]] = {
    **{kind.__name__: kind for kind in OURS},
    **{name: kind for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)},
}
"""The classes of errors that exist on both sides. Any other is rebuilt as the nearest of its bases among them."""
del KNOWN["ExceptionGroup"]  # it cannot be made without the errors in it


def described(error: BaseException) -> dict[str, Any]:
    """An error as data: the names of its classes, its own first, its message, and its `name` if it is about one."""
    kinds = [kind.__name__[:MAX_MESSAGE_CHARACTERS] for kind in type(error).__mro__]
    try:
        name = getattr(error, "name", None)
    except BaseException:  # the class may be the student's, and its attributes do anything
        name = None
    return {"kinds": kinds, "message": safe_text(error), "name": name[:MAX_MESSAGE_CHARACTERS] if type(name) is str else ""}


def safe_text(value: object) -> str:
    """The text of a value, cut off; the empty string if its class fails to give one."""
    try:
        return str.__str__(str(value))[:MAX_MESSAGE_CHARACTERS]
    except BaseException:  # the class may be the student's
        return ""


def rebuilt(description: object) -> Exception:
    """An error from its description, which may be anything at all: of the nearest known class, under its own name.

    So `except ValueError` in a test catches a student's subclass of ValueError, and the message names the subclass.
    """
    if not isinstance(description, Mapping):
        return RuntimeError("an error that was not described")
    described_kinds = description.get("kinds")
    kinds = [kind for kind in described_kinds if isinstance(kind, str)] if isinstance(described_kinds, list) else []
    known = next((KNOWN[kind] for kind in kinds if kind in KNOWN), Exception)
    name = kinds[0] if kinds and kinds[0].isidentifier() else known.__name__
    message = description.get("message")
    message = message if isinstance(message, str) else ""
    error = _made(known, message)
    if name != known.__name__ or safe_text(error) != message:  # a KeyError would put quotes around it once more
        error = _made(type(name, (known,), {"__str__": Exception.__str__}), message)
    if isinstance(error, NameError | ImportError) and isinstance(description.get("name"), str):
        error.name = description["name"]
    return error


def _made(kind: type[Exception], message: str) -> Exception:
    """An error of this class with this message, without a call of `__init__`, which may want other arguments."""
    error = kind.__new__(kind, message)
    error.args = (message,) if message else ()
    return error
