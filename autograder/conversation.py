"""Two processes that ask each other: while one waits for an answer, the other may ask something back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from autograder import faults
from autograder.wire import Channel, Malformed, TooLarge, Unsendable, WireError

DEEPEST = 20
"""Questions within questions."""

Serve = Callable[[str, Mapping[str, Any]], Any]
"""Gives the answer to a question, by its name and its details."""


class Failed(Exception):
    """The other side could not answer; `error` is why."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Conversation:
    def __init__(self, channel: Channel, serve: Serve) -> None:
        self.channel = channel
        self._serve = serve
        self._depth = 0

    def ask(self, question: str, **details: Any) -> Any:
        """The answer to a question, however long it takes. Raises WireError, and the error that stopped the other side."""
        self.put(question, details)
        try:
            return self.wait()
        except Failed as failure:
            raise failure.error from None

    def put(self, question: str, details: Mapping[str, Any], deadline: float | None = None) -> None:
        """Asks. Raises WireError; after Unsendable and TooLarge nothing was asked."""
        self.channel.send({"ask": question, "with": details}, deadline)

    def wait(self, deadline: float | None = None) -> Any:
        """The answer to what was asked, answering what is asked back. Raises Failed, and WireError: Late at the deadline,
        which is one of `time.monotonic`; then there may be an answer later.
        """
        while True:
            message = self.channel.receive(deadline)
            if message.keys() == {"told"}:
                return message["told"]
            if message.keys() == {"failed"}:
                raise Failed(faults.rebuilt(message["failed"]))
            self._answer(message, deadline)

    def listen(self) -> None:
        """Answers questions until the other side is gone, which raises Closed."""
        while True:
            self._answer(self.channel.receive(), None)

    def _answer(self, message: Mapping[str, Any], deadline: float | None) -> None:
        question, details = message.get("ask"), message.get("with")
        if not (isinstance(question, str) and isinstance(details, dict) and all(isinstance(key, str) for key in details)):
            raise Malformed("it is neither a question nor an answer")
        if self._depth >= DEEPEST:
            raise Malformed(f"there are more than {DEEPEST} questions within questions")
        self._depth += 1
        try:
            answer = {"told": self._serve(question, details)}
        except (WireError, KeyboardInterrupt):
            raise
        except BaseException as error:
            answer = {"failed": faults.described(error)}
        finally:
            self._depth -= 1
        try:
            self.channel.send(answer, deadline)
        except (Unsendable, TooLarge) as error:
            self.channel.send({"failed": faults.described(error)}, deadline)


def after(seconds: float) -> float:
    """The deadline that is so far away."""
    return time.monotonic() + seconds
