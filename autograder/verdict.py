"""The verdict: the one value in which a judgement travels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from autograder.cause import Mistake

FUSED = (
    "Neither is more right: another order of operations rounds otherwise, and so does a processor's fused multiply-add, "
    "which rounds once where two operations round twice."
)
"""Said once, of the first answer that is rounded otherwise."""

WRITE = "Write it in its answer cell, run that cell, then this one."
"""What to do where there is no answer, in a notebook."""


class Outcome(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    NOT_ATTEMPTED = "not attempted"
    COULD_NOT_TELL = "could not tell"


@dataclass(frozen=True)
class Verdict:
    """What was judged, and what to say about it. All texts are plain sentences, `code` in backticks.

    `diagnosis` is what is the matter, in a sentence or two, and `mistake` is that for tools; `seen` and `expected` are the
    facts behind it; `next_step` is what to do; `notes` are remarks that change nothing about the outcome.
    `where` says which entries are wrong, and `heat` shows it: a string of digits for each row of the answer (or for some
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

    @property
    def headline(self) -> str:
        return f"{self.name}: {self.outcome}. {self.diagnosis}".rstrip()

    @staticmethod
    def of(fields: Mapping[str, Any]) -> Verdict:
        """The verdict that these fields are of, as `as_dict` gives them."""
        kept = {**fields, "outcome": Outcome(fields["outcome"]), "mistake": Mistake(fields["mistake"])}
        return Verdict(**{**kept, "notes": tuple(fields["notes"]), "heat": tuple(fields["heat"])})

    def as_dict(self) -> dict[str, object]:
        """The verdict in types that JSON knows."""
        return asdict(self)
