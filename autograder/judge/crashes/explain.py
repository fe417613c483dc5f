"""What to say of code that stopped with an error: the first row of the table that fits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from autograder.judge.crashes.crash import NOWHERE, Crash, First, none_stopped, shortly
from autograder.judge.crashes.table import TABLE
from autograder.replay.stop import MAX_KIND, Stop
from autograder.verdict import RERUN, Cause, Mistake

MAX_MESSAGE = 2000
"""Characters of a message that are read: a student's own code may have written it, for as long as it likes."""


def explain(
    error: BaseException | str,
    source: str,
    stop: Stop | None = None,
    names: Collection[str] = (),
    gradients: Sequence[str] = (),
    answer: str = "",
    shape: tuple[int, ...] | None = None,
    first: First = none_stopped,
) -> Cause | None:
    """Why code stopped, in a sentence, and the next step; None where no row of the table fits.

    `error` is what was raised, or `type: message` as text. `source` is the code, `stop` where in it that was, with what stood
    there (`Replay.stop`, or `stop_of`). `names` exist where the code ran; `gradients` are all of the lesson, in the order of
    the backward pass. `answer` is what the code is to work out, of this `shape`; empty where it is many things. `first` looks
    up which cell stopped first.
    """
    if isinstance(error, BaseException):
        kind, message = type(error).__name__, (error.msg or "") if isinstance(error, SyntaxError) else str(error)
    else:
        kind, _, message = error.partition(": ")
    crash = Crash(kind[:MAX_KIND], message[:MAX_MESSAGE], source, stop or NOWHERE, names, gradients, answer, shape, first)
    return next(_causes(crash), None)


def _causes(crash: Crash) -> Iterator[Cause]:
    for row in TABLE:
        if not re.fullmatch(row.kind, crash.kind) or not (found := re.search(row.message, crash.message)):
            continue
        groups = {name: text or "" for name, text in found.groupdict().items()}
        facts = row.facts(crash, groups)
        if facts is None:
            continue
        blanks = {"part": shortly(crash.stop.part or crash.stop.code), **groups, **facts}
        says, step = (" ".join(text.format(**blanks).split()) for text in (row.says, row.step))
        yield Cause(row.mistake, says, step if row.mistake is Mistake.AUTOGRAD else f"{step} {RERUN}")
