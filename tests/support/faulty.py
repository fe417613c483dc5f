"""A fork server whose examiners have errors of their own, each in the cells that its marker stands in."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from typing import Any

FAULTY_MESSAGES, FAULTY_CODEC, FAULTY_JUDGE, FAULTY_COUNTS = "FAULTY-MESSAGES", "FAULTY-CODEC", "FAULTY-JUDGE", "FAULTY-COUNTS"


class Wordless(Exception):
    """An error that has no text."""

    def __str__(self) -> str:
        raise TypeError("no text")


def failing(function: Callable[..., Any], is_met: Callable[..., bool], error: Callable[[], Exception]) -> Callable[..., Any]:
    """The function, which stops where its arguments are so."""

    @wraps(function)
    def fails(*args: Any, **kwargs: Any) -> Any:
        if is_met(*args, **kwargs):
            raise error()
        return function(*args, **kwargs)

    return fails


def main() -> None:
    gc.disable()
    from autograder.examiner import channel, examiner
    from autograder.forkserver import server

    def overflow() -> Exception:
        return OverflowError("\ud83d is half")

    examiner.messages_of = failing(examiner.messages_of, lambda sent, _: FAULTY_MESSAGES in str(sent), overflow)
    channel.decode = failing(channel.decode, lambda text, *_: FAULTY_CODEC.encode() in text and b"msg_type" in text, Wordless)
    session = examiner.Session
    session.note = failing(session.note, lambda _, source, *rest: FAULTY_JUDGE in source, overflow)  # type: ignore[method-assign]
    counted = examiner.Examiner._repetitions
    examiner.Examiner._repetitions = failing(  # type: ignore[method-assign]
        counted, lambda each: any(FAULTY_COUNTS in task.source for task in each.exam.tasks), Wordless
    )
    server.start()


if __name__ == "__main__":
    main()
