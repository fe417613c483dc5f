"""What students call when they are stuck, or done: `hint` and `solution`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from autograder.errors import ContentError, NotReady
from autograder.feedback import show
from autograder.judgement import subject
from autograder.ladder import rungs
from autograder.lesson import advice
from autograder.model import model_answer
from autograder.rendering import HINT, NEUTRAL, Box
from autograder.replay import under_way
from autograder.session import Session, current
from autograder.verdict import Outcome


def hint(name: str, by: str | None = None) -> None:
    """Shows the next hint for the gradient `name`: each call says a little more. `by` is as in `check`.

    If the last check named a mistake, the hint is about that first. Raises NotReady for a name without a gradient.
    """
    if under_way():
        return
    session = current()
    ladder = hints(session, name)
    told = session.told.setdefault(name, [])
    left = [rung for rung in ladder if rung not in told]
    rung = left[0] if left else ladder[-1]
    told += [rung] * bool(left)
    verdict = session.verdicts.get(name)
    done = "Your answer is right already." if verdict and verdict.outcome is Outcome.RIGHT else ""
    more = "This was the last one." if rung == ladder[-1] else f'`hint("{name}")` says more.'
    facts = [("next", more), ("note", done)]
    word = f"hint {ladder.index(rung) + 1} of {len(ladder)}"
    show(Box("→", name, word, rung, facts, NEUTRAL, longest=HINT))


def solution(name: str, anyway: bool = False, by: str | None = None) -> None:
    """Shows the model answer for `name`, and other forms of it, from the instructor's notebook where that is at hand.

    `by` is as in `check`.

    Raises NotReady if the answer was not found right by a check yet, unless it is wanted `anyway`.
    """
    if under_way():
        return
    session = current()
    variable, _ = subject(session, name)
    verdict = session.verdicts.get(name)
    if not anyway and (verdict is None or verdict.outcome is not Outcome.RIGHT):
        raise NotReady(
            f'the model answer is there when yours is right: run `check("{name}")`, or ask `hint("{name}")`. '
            f'If you want to see it all the same: `solution("{name}", anyway=True)`.'
        )
    found = None
    with suppress(OSError):  # a working folder that is gone
        found = model_answer(Path().resolve(), session.source(variable), name)
    if found is None:
        where = "it is in the notebook in `source/` of the course, which your instructor has."
        raise NotReady(f"the model answer for `{name}` is not at hand: {where}")
    show(Box("→", name, "model answer", "", (), NEUTRAL, code=str(found)))


def hints(session: Session, name: str) -> list[str]:
    """All hints for a gradient as things stand now. Raises NotReady for a name without a gradient."""
    variable, tape = subject(session, name)
    words: tuple[str, ...] = ()
    with suppress(ContentError):  # what is wrong with the file is for the linter to say
        words = advice(session.workspace.folder, tape, variable).hints
    ladder = list(rungs(tape, variable, session.namespace, words))
    verdict = session.verdicts.get(name)
    if verdict and verdict.outcome is Outcome.WRONG:
        ladder.insert(0, f"Your last check said: {verdict.diagnosis} {verdict.next_step}")
    return ladder
