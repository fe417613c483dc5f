"""How often asks are wrong about answers: those of the suite, and a list that was made without knowing how they are judged."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.asks.ask import Ask, parse_ask
from autograder.asks.model import outcome
from autograder.asks.observing import cases_of
from autograder.course.cells import body, is_ask
from autograder.course.questions import id_of, models_of
from autograder.replay.answer import run_answer
from autograder.replay.parsed import parse_cell
from autograder.verdict import Mistake, Outcome
from tests.support import asked
from tests.support.asked import ASSIGNMENTS, Form, forms, verdict

SEEN_FIRST = ("the output", "the gradient")
"""How the labels begin that a usual test of a class looks at."""
EXAMPLE = 2
"""The place of the case that is the one example of a usual test: of size 3."""

LISTS = {"the suite's": "", "blind": "-blind"}
"""The lists of answers, and how the names of their files end."""

PAGE = """## Answers that are no gradients

{suite} answers of the suite to the asks (`tests/support/asks/`), and {blind} of lists that were made on 2026-11-27 from the
released text alone, without the planted mistakes or the code.

| answers to | list | grader | wrong accepted | right rejected | mistake named |
|---|---|---|---|---|---|
{rows}

The usual test runs an answer on one example and compares by `allclose`, of a class its first output, and of a method the first
gradient. Random answers are left out there.

### How often at the first run?

**`bigrams` and `mlp`.** At the first run of the blind list, on the day it was made, the judge accepted 4 of its 60 wrong
answers: counts in half precision, a name cut off after 20 letters, a number that had been a float32, the mean of the means of
unequal chunks. It refused none of the 30 right ones, and named 46 mistakes in some way, 30 by a planted mistake. Another
attempt before had ended in an error of the judge's own: a deadline that came after the answer had ended. Three of the four,
and the deadline, were mended then. The third is left: the numbers are equal to the last digit of a float32. Later 29 planted
mistakes were added, most of them after wrong answers of these two lists that had no name, and a size of the notebook that is
written in got one. So the rows have today's figures, of lists that are not unseen any more.

Tried as a new user would on the same day, with about 190 wrong answers and 50 right ones to both assignments: no right one was
refused, and ten kinds of wrong ones were accepted. Five were mended, and stand in the suite now: only the first ten or
thousand names, a one-hot matrix that counts the letters it sees, a probability that is clamped or made a little larger,
parameters in another order. Left are: a gradient function that changes a parameter in place (the check says so in a note), the
three gradients of `backward` in `mlp` that are not asked for, 27 written into a gradient function, the float32 from above, and
a row drawn by a remainder of a large number.

Of the suite's first answers 1 of 127 right ones was refused and 2 of 298 wrong ones were accepted when they were run for the
first time.

**`batchnorm` and `wavenet`.** The blind list has 59 wrong answers and 29 right ones. Whoever made it had the drills before
them, as every student has, and looked for what these do not see. At its first run the judge refused none of the right ones and
accepted 14 of the wrong ones; of the other 45 it named 35 in some way, 26 by a planted mistake. Ten of the 14 had been
foretold: a scale that is worked out once in eval mode, `momentum` in the place of `eps`, indices with one or two axes only, a
`backward` that returns what it should not, columns of length one, `grads` that are filled again, clones in `parameters()`, a
list that grows at each call, a mean of means of unequal batches, modes that are put back as they were. The others were two
readings of `stuck`, tanh by a quotient that overflows, and a class that calls `normalise`. Two of them are right by the text
as it is now, which had forbidden them for no good reason; for eleven of the others the drills and cases were extended, on the
same day, so the table is of a list that is not unseen any more. The tanh is left: it is right by definition, up to numbers
beyond 88.

Of the suite's answers to `batchnorm`, written from the text before the planted mistakes were read, 2 of 90 right ones were
refused at the first run (both faults of the list) and 2 of 255 wrong ones accepted (two cases were missing); 167 were named,
and at 19 the judge itself stopped, at the negative of a truth value. Of those to `wavenet` 2 of 89 right ones were refused,
since the text did not say the shape of a bias, and 7 of 334 wrong ones accepted, five of them with state in the class instead
of in the layer; 254 were named. All were mended on that day, and 125 planted mistakes added for what had no name.

"""


def report() -> str:
    rows = []
    counts = dict.fromkeys(LISTS, 0)
    for pair in (ASSIGNMENTS[:2], ASSIGNMENTS[2:]):
        for title, ending in LISTS.items():
            found = [form for assignment in pair for form in forms(assignment + ending)]
            counts[title] += len(found)
            verdicts = [verdict(form.assignment, form.name, form.code) for form in found]
            accepted = [each.outcome is Outcome.RIGHT for each in verdicts]
            named = [each.mistake is not Mistake.UNKNOWN for each in verdicts]
            heads = f"{' and '.join(f'`{name}`' for name in pair)} | {title}"
            rows.append(_row(heads, "backprop-ninja", found, accepted, named))
            rest = [form for form in found if not ask_of(form).random]
            rows.append(_row(heads, "one example, `allclose`", rest, [usual(form) for form in rest], []))
    return PAGE.format(suite=counts["the suite's"], blind=counts["blind"], rows="\n".join(rows))


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
    return parse_ask(next(body(cell.source) for cell in cells if is_ask(cell.source) and cell.id == id_of("ask", form.name)))


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
    if ask.drill:
        label = next((label for label in right if label.startswith(SEEN_FIRST)), next(iter(right)))
        found, right = found.get(label), right[label]
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
