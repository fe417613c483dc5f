"""How often asks are wrong about answers: those of the suite, and a list that was made without knowing how they are judged."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.asks.ask import Ask, parse_ask
from autograder.asks.model import outcome
from autograder.asks.observing import cases_of
from autograder.course.cells import body, is_ask
from autograder.course.questions import models_of
from autograder.replay.answer import run_answer
from autograder.replay.parsed import parse_cell
from autograder.verdict import Mistake, Outcome
from tests.support import asked
from tests.support.asked import Form, forms, verdict

EXAMPLE = 2
"""The place of the case that is the one example of a usual test: of size 3."""

PAGE = """## Answers that are no gradients

The asks of `bigrams` and `mlp`, {suite} answers of the suite (`tests/support/asks/`), and {blind} of a list that was made on
2026-11-27 from the released text alone, without the cases, the planted mistakes or the code.

| answers | grader | wrong accepted | right rejected | mistake named |
|---|---|---|---|---|
{rows}

At its first run, on the day it was made, the judge accepted 4 of the 60 wrong answers of that list: counts in half
precision, a name cut off after 20 letters, a number that had been a float32, the mean of the means of unequal chunks.
It refused none of the 30 right ones, and named 46 mistakes in some way, 30 by a planted mistake. Another attempt before
had ended in an error of the judge's own: a deadline that came after the answer had ended. Three of the four, and the
deadline, were mended then. The third is left: the numbers are equal to the last digit of a float32. Later 29 planted
mistakes were added, most of them after wrong answers of these two lists that had no name, and a size of the notebook that
is written in got one. So the rows have today's figures, of lists that are not unseen any more.

Tried as a new user would on the same day, with about 190 wrong answers and 50 right ones to both assignments: no right one was
refused, and ten kinds of wrong ones were accepted. Five were mended, and stand in the suite now: only the first ten or thousand
names, a one-hot matrix that counts the letters it sees, a probability that is clamped or made a little larger, parameters in
another order. Left are: a gradient function that changes a parameter in place (the check says so in a note), the three
gradients of `backward` in `mlp` that are not asked for, 27 written into a gradient function, the float32 from above, and a row
drawn by a remainder of a large number.

Of the suite's first answers 1 of 127 right ones was refused and 2 of 298 wrong ones were accepted when they were run for the
first time. The usual test runs an answer on one example and compares by `allclose`; random answers are left out there.

"""


def report() -> str:
    rows = []
    lists = {"the suite's": ("bigrams", "mlp"), "the blind list's": ("bigrams-blind", "mlp-blind")}
    counts = []
    for title, files in lists.items():
        found = [form for file in files for form in forms(file)]
        counts.append(len(found))
        verdicts = [verdict(form.assignment, form.name, form.code) for form in found]
        accepted = [each.outcome is Outcome.RIGHT for each in verdicts]
        named = [each.mistake is not Mistake.UNKNOWN for each in verdicts]
        rows.append(_row(title, "backprop-ninja", found, accepted, named))
        rest = [form for form in found if not ask_of(form).random]
        rows.append(_row(title, "one example, `allclose`", rest, [usual(form) for form in rest], []))
    return PAGE.format(suite=counts[0], blind=counts[1], rows="\n".join(rows))


def _row(title: str, grader: str, found: list[Form], accepted: list[bool], named: list[bool]) -> str:
    wrong = sum(not form.right for form in found)
    bad = sum(ok and not form.right for form, ok in zip(found, accepted, strict=True))
    refused = sum(form.right and not ok for form, ok in zip(found, accepted, strict=True))
    said = sum(is_named and not form.right for form, is_named in zip(found, named, strict=False)) if named else None
    share = f"{said} of {wrong}" if said is not None else ""
    return f"| {title} | {grader} | {bad} of {wrong} | {refused} of {len(found) - wrong} | {share} |"


def ask_of(form: Form) -> Ask:
    """The ask that an answer is for."""
    cells = asked.notebook_cells(form.assignment, form.name)
    return parse_ask(next(body(cell.source) for cell in cells if is_ask(cell.source) and cell.id == f"ask-{form.name}"))


def usual(form: Form) -> bool:
    """Whether a test would accept an answer that compares one example by `allclose`."""
    cells = asked.notebook_cells(form.assignment, form.name)
    names = dict(asked.given(form.assignment, form.name))
    ask = ask_of(form)
    case = cases_of(ask, "usual")[EXAMPLE]
    right = outcome(case, models_of(cells)[form.name], dict(names))
    if ask.is_function:
        try:
            exec(compile(form.code, "<answer>", "exec"), names)
        except Exception:
            return False
    found = run_answer(case.call(), parse_cell(form.code), names).answer
    return _near(found, getattr(right, "rounded", right))


def _near(one: Any, other: Any) -> bool:
    other = getattr(other, "rounded", other)
    try:
        if isinstance(other, Tensor):
            return bool(torch.allclose(torch.as_tensor(one).double(), other.double(), rtol=1e-4, atol=1e-5))
        if isinstance(other, list | tuple):
            return len(one) == len(other) and all(map(_near, one, other))
        return bool(one == other) or abs(one - other) < 1e-5
    except Exception:
        return False


if __name__ == "__main__":
    print(report())
