"""Judging an answer: one gradient as a vector-Jacobian product, or a function as a whole backward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from autograder import explanation
from autograder.body import Body
from autograder.case import Case, step_cases, whole_cases
from autograder.cell import Cell
from autograder.comparison import compare, units_off
from autograder.diagnosis import mistaken_for
from autograder.errors import NotReady
from autograder.question import Question
from autograder.reference import Reference, step_reference, whole_references
from autograder.replay import MISSING, Replay
from autograder.session import Session
from autograder.tape import Tape
from autograder.verdict import Outcome, Verdict


@dataclass(frozen=True)
class Effort:
    """On how many cases to judge, and which: the same seed gives the same cases."""

    seed: str
    own: int = 1
    resampled: int = 1
    remarks: bool = True
    """Whether a right answer gets remarks, such as on numbers in the notebook that are off."""


PRACTICE = Effort("check")
EXAM = Effort("grade", own=2, resampled=2, remarks=False)


def judge_step(session: Session, name: str, effort: Effort) -> Verdict:
    """The verdict on the gradient `name`, from the cell that last assigned it.

    Raises NotReady if the notebook has no forward pass with that variable.
    """
    variable, tape = subject(session, name)
    missing = _missing(session, name)
    if missing:
        return missing
    run = session.answering(name)
    if run is None:
        return explanation.unseen(name)
    question = Question(name, tape, run.cell, session.workspace, run.error)
    replay = Replay(MISSING)
    units: int | None = 0
    for case in step_cases(tape, variable, effort.seed, effort.own, effort.resampled):
        replay = question.ask(case)
        if replay.answer is MISSING or replay.unfinished:
            if run.error and case.rows is None:
                return explanation.failed(name, run.error, question.repair(case))
            return explanation.stopped(question, replay, case)
        reference = step_reference(tape, variable, case)
        difference = compare(replay.answer, reference)
        if difference is not None:
            return explanation.wrong(question, difference, replay, case)
        if case.rows is None:
            units = _worse(units, units_off(replay.answer, reference))
    return explanation.right(question, replay, units, effort.remarks)


def judge_function(session: Session, name: str, by: str, effort: Effort) -> Verdict:
    """The verdict on one gradient of those that the student's function `by` returns.

    The function takes the batch and the leaves by their names, and returns the gradients of the leaves it takes, in
    that order, or as a mapping by name. It is called on other parameters and other numbers of rows too.
    Raises NotReady if the notebook has no forward pass with that variable.
    """
    variable, tape = subject(session, name)
    missing = _missing(session, by, replayed=False)
    if missing:
        return replace(missing, name=name)
    function = session.workspace.function(by)
    takes = function.parameters
    if variable not in takes or not tape.given.keys() >= set(takes):
        return explanation.not_callable(name, by, function)
    leaves = [parameter for parameter in takes if parameter in tape.leaves]
    replay = Replay(MISSING)
    units: int | None = 0
    for case in whole_cases(tape, effort.seed, effort.own, effort.resampled):
        replay = session.workspace.call(by, {key: case.state[key] for key in takes})
        if isinstance(replay.error, NotImplementedError) or (replay.answer is None and function.is_blank):
            return replace(explanation.not_attempted(by), name=name)
        if replay.error is not None:
            body = _body(session, by, tape, case, takes, replay, whole_references(tape, case))
            cause = body.written(case) or body.cause_of_stop(replay)
            return explanation.function_stopped(name, by, replay.error, cause, case, tape)
        if replay.answer is None:
            return explanation.returns_nothing(name, by)
        answer = _picked(replay.answer, variable, leaves)
        if answer is None:
            return explanation.returns_none(name, by)
        if answer is MISSING:
            return explanation.incomplete(name, by, replay.answer, leaves)
        references = whole_references(tape, case)
        difference = compare(answer, references[variable])
        if difference is not None:
            others = {leaf: references[leaf].exact for leaf in tape.leaves if leaf != variable}
            body = _body(session, by, tape, case, takes, replay, references)
            swapped = mistaken_for(answer, others)
            cause = swapped if swapped and body.is_right(variable) else body.cause(variable, answer) or swapped
            cause = body.written(case) or cause
            return explanation.function_wrong(name, by, difference, cause, replay, case)
        if case.rows is None:
            units = _worse(units, units_off(answer, references[variable]))
    praise = f"`{by}` agrees with autograd, on other minibatches and with other parameters too."
    return Verdict(name, Outcome.RIGHT, praise, notes=(explanation.rounding(units), *explanation.notes(name, replay)))


def subject(session: Session, name: str) -> tuple[str, Tape]:
    """The variable that a gradient is of, and its forward pass. Raises NotReady for what is no gradient of the notebook."""
    if not isinstance(name, str):
        raise NotReady('the name of the gradient goes in quotes, such as "dprobs".')
    if not name.startswith("d"):
        raise NotReady(f"`{name}` is not the name of a gradient: that is `d` and the name of a variable.")
    variable = name[1:]
    tape = session.tape(variable)
    if variable == tape.loss:
        raise NotReady(f"`{name}` is 1, always: there is nothing to check.")
    return variable, tape


def _missing(session: Session, name: str, replayed: bool = True) -> Verdict | None:
    """A verdict where the notebook holds no answer, nor a cell that can be `replayed` for it; None where it does.

    A cell that stopped may do well with what comes in at random: perhaps an earlier gradient was not there.
    """
    run = session.answering(name)
    value = session.workspace.names.get(name, MISSING if run and replayed else None)
    if value is not None and value is not Ellipsis and not session.dropped(name):
        return None
    failure = session.failure(name)
    if failure and not failure.startswith("NotImplementedError"):
        return explanation.failed(name, failure)
    if run:
        return explanation.blank(name, run.cell)
    return explanation.not_attempted(name, session.misspelt(name), session.has_run(name))


def _worse(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _body(
    session: Session,
    by: str,
    tape: Tape,
    case: Case,
    takes: Sequence[str],
    replay: Replay,
    truth: Mapping[str, Reference],
) -> Body:
    """What was in a function when it ended on a case; empty if the cell that defines it is not known."""
    run = session.answering(by)
    cell = run.cell if run else Cell("", ())
    local: dict[str, Any] = {}
    with suppress(Exception):  # the function is run again without what is around it
        local = session.workspace.locals_of(cell, by, {key: case.state[key] for key in takes}, replay)
    return Body(by, tape, case.state, cell, session.workspace, local, truth)


def _picked(answer: Any, variable: str, leaves: list[str]) -> Any:
    """The gradient of one leaf from all that a function returned."""
    if isinstance(answer, Mapping):
        return answer.get(variable, answer.get(f"d{variable}", MISSING))
    if isinstance(answer, list | tuple) and len(answer) == len(leaves):
        return answer[leaves.index(variable)]
    return answer if leaves == [variable] else MISSING
