"""The student's process as the examiner sees it: it is asked, and never trusted."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from autograder import arguments, faults
from autograder.conversation import Conversation, Failed, after
from autograder.errors import AutograderError, Died
from autograder.limits import Limits
from autograder.wire import Channel, Closed, Late, Malformed, TooLarge, Unsendable, WireError

GRACE = 3.0
"""Seconds that interrupted code has to come to an end."""

ANYTHING = object
Fields = Mapping[str, type]
"""What an answer has to have: the names and types of its fields."""

REPLAY: Fields = {
    "missing": bool,
    "answer": ANYTHING,
    "error": ANYTHING,
    "changed": list,
    "unfinished": bool,
    "lines": dict,
    "counts": dict,
}
SHAPES: dict[str, Fields] = {
    "run": {"messages": list, "error": ANYTHING, "cut": bool},
    "names": {"values": dict, "sizes": dict},
    "values": {},
    "give": {},
    "replay": REPLAY,
    "function": {"parameters": tuple, "is_blank": bool, "kind": str},
    "call": REPLAY,
    "locals": {},
    "operate": {"value": ANYTHING, "error": ANYTHING, "changes": list, "printed": dict},
}


CHANGING = {"run", "give", "operate"}
"""Questions after which a function may answer otherwise."""


class Refused(AutograderError):
    """The student's process lives, and did not answer; `error` is what it said instead."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"it did not answer: {type(error).__name__}: {error}")
        self.error = error


class Student:
    """`end` kills the room, and says what it died of if it was dead before."""

    def __init__(
        self,
        channel: Channel,
        pidfd: int,
        end: Callable[[], str],
        limits: Limits,
        serve: Callable[[str, Mapping[str, Any]], Any],
    ) -> None:
        self.limits = limits
        self.deadline = float("inf")
        """The time of `time.monotonic` after which nothing is answered."""
        self.was_late = False
        """Whether the last answer came only when what takes so long was interrupted."""
        self.is_dead = False
        self.known: list[tuple[int, Mapping[str, Any]]] = []
        """The parts of cases that it was sent last, with the numbers it knows them under."""
        self.numbers = count()
        self.called: list[tuple[str, Mapping[str, Any], Any]] = []
        """Calls of its functions, by name and with their arguments, and what came of them, since anything was run there."""
        self.prepare: Callable[[], None] = lambda: None
        """Called before an operation on an object."""
        self._conversation = Conversation(channel, serve)
        self._pidfd = pidfd
        self._end = end

    def ask(self, question: str, **details: Any) -> dict[str, Any]:
        """An answer. Code that takes too long for it is interrupted, and then killed.

        Raises Died if there will be no answer, Refused if there is none to this question, and TypeError if it cannot be sent.
        """
        if self.is_dead:
            raise Died("it is gone")
        try:
            return self._ask(question, details)
        except Failed as failure:
            raise Refused(failure.error) from None
        except Late:
            self.end()
            raise Died("it did not end in time, nor when it was interrupted, and was killed") from None
        except (WireError, ProcessLookupError) as error:
            unsaid = "it did not say why, as after `os._exit` or a crash"
            raise Died(self.end() or (unsaid if isinstance(error, Closed) else f"it broke off: {error}")) from None
        except KeyboardInterrupt:  # the answer may still come, and would be taken for another one
            self.end()
            raise

    def _ask(self, question: str, details: Mapping[str, Any]) -> dict[str, Any]:
        if question in CHANGING:
            self.called.clear()
        deadline = min(after(self.limits.cell_seconds), self.deadline)
        self.was_late = False
        try:
            self._conversation.put(question, details, deadline)
        except (Unsendable, TooLarge) as error:
            raise TypeError(str(error)) from None
        try:
            told = self._conversation.wait(deadline)
        except Late:
            self.was_late = True
            signal.pidfd_send_signal(self._pidfd, signal.SIGINT)
            told = self._conversation.wait(after(GRACE))
        if not _fits(told, SHAPES[question]):
            raise Malformed("it sent something that is no answer")
        return told  # type: ignore[no-any-return]

    def end(self) -> str:
        """Kills the room; what it died of, if it was dead before."""
        self.is_dead = True
        return self._end()

    def operate(self, operation: str, on: int, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """What comes of an operation on an object of the room, which may change these arguments."""
        self.prepare()
        kwargs = dict(kwargs or {})
        originals = list(arguments.parts((args, kwargs)))
        told = self.ask("operate", operation=operation, on=on, args=list(args), kwargs=kwargs)
        try:
            arguments.bring(originals, told["changes"])
            text = "".join(text for name in ("stdout", "stderr") if isinstance(text := told["printed"].get(name), str))
            print(text, end="")
            if told["error"] is not None:
                raise faults.rebuilt(told["error"])
            return None if told["value"] is None else arguments.referred(originals, told["value"])
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            if told["error"] is not None:
                raise
            self.end()
            raise Died(f"it sent something that is no answer: {error}") from None


def _fits(told: object, fields: Fields) -> bool:
    if not isinstance(told, dict):
        return False
    return all(name in told and isinstance(told[name], kind) for name, kind in fields.items())
