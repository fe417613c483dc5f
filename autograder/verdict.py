"""Verdicts on answers, and the mistakes that they can name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any


class Mistake(StrEnum):
    """The kind of a mistake, as tools read it in a verdict. Learners read the diagnosis instead."""

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
    """A possible explanation of a wrong answer: its kind, a sentence that names it, and what to do about it.

    `about` are the pieces of code that the sentence says are in the answer. If their names do not occur in the code of the
    answer, the cause fits by coincidence only, or says the same as another one in other words.
    """

    mistake: Mistake
    sentence: str
    next_step: str
    about: tuple[str, ...] = ()


EXACT = "Equal to autograd's answer in every bit."
ROUNDED = "Same maths, other rounding: "
"""How the remark on a right answer begins that is not equal to autograd's in every bit."""
FUSED = (
    "Neither is more right: another order of operations rounds otherwise, and so does a processor that multiplies and adds "
    "in one step."
)
"""What is said behind that remark."""
ROUNDING = (EXACT, ROUNDED, FUSED)
"""How all remarks on rounding begin. Each of them is made on one answer of a notebook only."""

WRITE = "Write it in its answer cell, run that cell, then this one."
"""The next step if an answer is missing in a notebook."""

RERUN = "Then run the cell again."
"""The end of a next step after which a notebook's cell has to run."""

WRITTEN = "Write it in its answer cell, and save the notebook."
"""The same in a terminal."""

SAVED = {
    re.escape(WRITE): WRITTEN,
    re.escape(RERUN): "Then save the notebook.",
    r", then run the `%%forward` cell again: it puts .+? back\.": ", and save the notebook.",
    r", then run the cells from `\w+` down to this one\.": " first.",
    r", then run it again\.": ", then save the notebook.",
}
"""What is said in a terminal in the place of what is to be run in a notebook: there all cells run anew after each save."""


class Outcome(StrEnum):
    """What the judge concluded about an answer."""

    RIGHT = "right"
    WRONG = "wrong"
    NOT_ATTEMPTED = "not attempted"
    COULD_NOT_TELL = "could not tell"


@dataclass(frozen=True)
class Verdict:
    """What the judge says about the answer `name`. All texts are plain sentences, with code in backticks.

    `diagnosis` says what is wrong, in a sentence or two, and `mistake` says it for tools. `seen` and `expected` are the facts
    behind it, and `next_step` is what to do. `notes` are remarks that do not change the outcome.
    `example` is the smallest case that shows it, with what is right there: no graded record has it.
    `question` is one about a right answer, which makes its author explain it: no graded record has it either.
    `where` says which entries are wrong, and `heat` shows it: a string of digits for each row of the answer (or for several
    rows together), 0 where it is right and 9 where it is most wrong.
    """

    name: str
    outcome: Outcome
    diagnosis: str
    seen: str = ""
    expected: str = ""
    next_step: str = ""
    notes: tuple[str, ...] = ()
    mistake: Mistake = Mistake.UNKNOWN
    where: str = ""
    heat: tuple[str, ...] = ()
    example: str = ""
    question: str = ""

    @property
    def headline(self) -> str:
        """The verdict on one line: the name, the outcome and the diagnosis."""
        return f"{self.name}: {self.outcome}. {self.diagnosis}".rstrip()

    @staticmethod
    def of(fields: Mapping[str, Any]) -> Verdict:
        """The verdict with these fields: the inverse of `as_dict`."""
        kept = {**fields, "outcome": Outcome(fields["outcome"]), "mistake": Mistake(fields["mistake"])}
        return Verdict(**{**kept, "notes": tuple(fields["notes"]), "heat": tuple(fields["heat"])})

    def when_saved(self) -> Verdict:
        """The verdict as it is said in a terminal, where the learner saves and runs nothing."""
        step, *notes = map(_when_saved, (self.next_step, *self.notes))
        return replace(self, next_step=step, notes=tuple(notes))

    def as_dict(self) -> dict[str, object]:
        """The verdict in types that JSON knows."""
        return asdict(self)


def _when_saved(text: str) -> str:
    for in_notebook, in_terminal in SAVED.items():
        text = re.sub(in_notebook, in_terminal, text)
    return text
