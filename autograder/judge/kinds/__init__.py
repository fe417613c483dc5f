"""The kinds of questions that there are. A new kind is a module of its own and a row of the table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autograder.course.questions import Question
from autograder.errors import NotReady
from autograder.judge.judging import Kind
from autograder.judge.kinds.asked import Asked
from autograder.judge.kinds.backward_function import BackwardFunction
from autograder.judge.kinds.driven import Driven
from autograder.judge.kinds.gradient import Gradient
from autograder.judge.session import Session

KINDS: tuple[type[Kind[Any, Any]], ...] = (Driven, Asked, BackwardFunction, Gradient)
"""The first that claims a question judges it."""


def claim(session: Session, question: Question) -> Kind[Any, Any]:
    """The question in a session, as the kind that it is of. Raises NotReady where nothing there can judge it."""
    name = question.name
    if not isinstance(name, str):
        raise NotReady('the name of the gradient goes in quotes, such as "dprobs".')
    for kind in KINDS:
        if claimed := kind.claim(session, question):
            return claimed
    if session.asks:
        known = ", ".join(f"`{each}`" for each in session.asks)
        raise NotReady(f"nothing asks for `{name}`. Here {known} can be checked, once the `%%ask` cells have run.")
    raise NotReady(f"`{name}` is not the name of a gradient: that is `d` and the name of a variable.")


def offers(session: Session, specification: str) -> Iterator[Question]:
    """All questions that a locked source of the session has an answer to, whether a test asks them or not."""
    return (question for kind in KINDS for question in kind.offers(session, specification))
