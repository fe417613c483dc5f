"""Judging an answer: one gradient as a vector-Jacobian product, or a function as a whole backward pass."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from autograder import explanation
from autograder.case import step_cases, whole_cases
from autograder.comparison import compare
from autograder.errors import NotReady
from autograder.question import Question
from autograder.reference import step_reference, whole_reference
from autograder.replay import MISSING, Replay, run_function
from autograder.session import Session
from autograder.verdict import Outcome, Verdict


@dataclass(frozen=True)
class Effort:
    """On how many cases to judge, and which: the same seed gives the same cases."""

    seed: str
    own: int = 1
    resampled: int = 1


def judge_step(session: Session, name: str, effort: Effort) -> Verdict:
    """The verdict on the gradient `name`, from the cell that last assigned it.

    Raises NotReady if the notebook has no forward pass with that variable.
    """
    variable = _variable(name)
    tape = session.tape(variable)
    missing = _missing(session, name)
    if missing:
        return missing
    cell = session.answering(name)
    if cell is None:
        return explanation.unseen(name)
    question = Question(name, tape, cell, session.namespace)
    replay = Replay(MISSING)
    for case in step_cases(tape, variable, effort.seed, effort.own, effort.resampled):
        replay = question.ask(case)
        if replay.answer is MISSING or replay.unfinished:
            return explanation.stopped(question, replay, case)
        difference = compare(replay.answer, step_reference(tape, variable, case))
        if difference is not None:
            return explanation.wrong(question, difference, replay, case)
    from_loss = tape.consumers(variable) == (tape.loss,)
    where = (
        "on this minibatch and on parts of it" if from_loss else f"for whatever comes in as {' and '.join(question.incoming)}"
    )
    praise = f"It is right {where}, and has the shape of `{variable}`, {question.shape}."
    return Verdict(name, Outcome.RIGHT, praise, notes=explanation.notes(name, replay))


def judge_function(session: Session, name: str, by: str, effort: Effort) -> Verdict:
    """The verdict on one gradient of those that the student's function `by` returns.

    The function takes the batch and the leaves by their names, and returns the gradients of the leaves it takes, in
    that order, or as a mapping by name. It is called on other parameters and other numbers of rows too.
    Raises NotReady if the notebook has no forward pass with that variable.
    """
    variable = _variable(name)
    tape = session.tape(variable)
    missing = _missing(session, by)
    if missing:
        return replace(missing, name=name)
    function = session.namespace[by]
    takes = _parameters(function)
    if variable not in takes or not tape.given.keys() >= set(takes):
        return explanation.not_callable(name, by, function, takes)
    leaves = [parameter for parameter in takes if parameter in tape.leaves]
    replay = Replay(MISSING)
    for case in whole_cases(tape, effort.seed, effort.own, effort.resampled):
        replay = run_function(function, {key: case.state[key] for key in takes}, session.namespace)
        if isinstance(replay.error, NotImplementedError) or (replay.error is None and replay.answer is None):
            return replace(explanation.not_attempted(by), name=name)
        if replay.error is not None:
            return explanation.function_stopped(name, by, replay.error, case, tape)
        answer = _picked(replay.answer, variable, leaves)
        if answer is MISSING:
            return explanation.incomplete(name, by, replay.answer, leaves)
        difference = compare(answer, whole_reference(tape, variable, case.state))
        if difference is not None:
            return explanation.function_wrong(name, by, difference, replay, case, tape)
    praise = f"`{by}` agrees with autograd, on other minibatches and other parameters too."
    return Verdict(name, Outcome.RIGHT, praise, notes=explanation.notes(name, replay))


def _variable(name: str) -> str:
    if not name.startswith("d"):
        raise NotReady(f"`{name}` is not the name of a gradient: that is `d` and the name of a variable.")
    return name[1:]


def _missing(session: Session, name: str) -> Verdict | None:
    """A verdict where the notebook holds no answer; None where it holds one."""
    value = session.namespace.get(name)
    if value is not None and value is not Ellipsis:
        return None
    failure = session.failure(name)
    if failure is None or failure.startswith("NotImplementedError"):
        return explanation.not_attempted(name)
    return explanation.failed(name, failure)


def _parameters(function: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _picked(answer: Any, variable: str, leaves: list[str]) -> Any:
    """The gradient of one leaf from all that a function returned."""
    if isinstance(answer, Mapping):
        return answer.get(variable, answer.get(f"d{variable}", MISSING))
    if isinstance(answer, list | tuple) and len(answer) == len(leaves):
        return answer[leaves.index(variable)]
    return answer if leaves == [variable] else MISSING
