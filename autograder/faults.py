"""Errors that cross between processes as data."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from autograder.errors import NotReady, NotRight
from autograder.replay import AutogradOff

LONGEST = 2000
"""Of a message, in characters."""


class Interrupted(Exception):
    """Code that was stopped because its time was up."""


KNOWN: dict[str, type[Exception]] = {
    "AutogradOff": AutogradOff,
    **{kind.__name__: kind for kind in (Interrupted, NotReady, NotRight)},
    **{name: kind for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)},
}
"""The kinds of errors that are the same on both sides."""
del KNOWN["ExceptionGroup"]  # it cannot be made without the errors in it


def described(error: BaseException) -> dict[str, Any]:
    """An error as data."""
    kinds = [kind.__name__[:LONGEST] for kind in type(error).__mro__]
    try:
        name = getattr(error, "name", None)
    except BaseException:  # of a class that is the student's
        name = None
    return {"kinds": kinds, "message": text_of(error), "name": name[:LONGEST] if type(name) is str else ""}


def text_of(value: object) -> str:
    """What a value of any class says of itself; nothing if it cannot."""
    try:
        return str(value)[:LONGEST]
    except BaseException:  # of a class that is the student's
        return ""


def rebuilt(description: object) -> Exception:
    """An error of the nearest kind that is known here, under its own name."""
    if not isinstance(description, Mapping):
        return RuntimeError("an error that was not described")
    told = description.get("kinds")
    kinds = [kind for kind in told if isinstance(kind, str)] if isinstance(told, list) else []
    known = next((KNOWN[kind] for kind in kinds if kind in KNOWN), Exception)
    name = kinds[0] if kinds and kinds[0].isidentifier() else known.__name__
    message = description.get("message")
    message = message if isinstance(message, str) else ""
    error = _made(known, message)
    if name != known.__name__ or text_of(error) != message:  # a KeyError would put quotes around it once more
        error = _made(type(name, (known,), {"__str__": Exception.__str__}), message)
    if isinstance(error, NameError | ImportError) and isinstance(description.get("name"), str):
        error.name = description["name"]
    return error


def _made(kind: type[Exception], message: str) -> Exception:
    error = kind.__new__(kind, message)
    error.args = (message,) if message else ()
    return error
