"""The mistakes that can be named."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mistake(StrEnum):
    """What sort of mistake it is; in a verdict for tools."""

    UNKNOWN = ""
    TYPE = "type"
    DTYPE = "dtype"
    NOT_FINITE = "not finite"
    SHAPE = "shape"
    AXIS = "axis"
    ZEROS = "zeros"
    SIGN = "sign"
    CONSTANT = "constant factor"
    MEAN = "mean for sum"
    PATH = "missing path"
    TWICE = "path counted twice"
    FACTOR = "factor"
    TENSOR = "wrong tensor"
    GRADIENT = "wrong incoming gradient"
    ALONE = "no incoming gradient"
    PASSED = "no local derivative"
    TERM = "constant of the line"
    MASK = "wrong entries"
    REPEATS = "repeats not added up"
    ROWS = "some rows only"
    PLACES = "right numbers in wrong places"
    LESSON = "known wrong formula"
    ORDER = "order of what is returned"
    OPERATION = "operation"
    IGNORES = "ignores what comes in"
    BATCH = "batch size"
    FOREIGN = "does not stand alone"
    AUTOGRAD = "autograd"
    EARLIER = "an earlier line"
    STOPS = "a line that stops"


@dataclass(frozen=True)
class Cause:
    """A mistake by its name, and what to do about it.

    `about` is what it speaks of, as code: the names that it says are in the answer. A cause whose names are not in the
    code of the answer is a coincidence, or says the same in other words.
    """

    mistake: Mistake
    sentence: str
    next_step: str
    about: tuple[str, ...] = ()
