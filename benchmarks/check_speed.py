"""Writes docs/speed.md: how long a check takes, beside the comparison with autograd that others make."""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import torch

from autograder.course.questions import Question
from autograder.judge.judging import PRACTICE, judge
from autograder.judge.kinds import claim
from autograder.tape.tape import private
from scripts.submissions import ROOT, SOURCE
from tests.support.forms import RIGHT, WRONG
from tests.support.lesson import Lesson

ROUNDS = 5
STEPS = "1-every-gradient"


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.chdir(SOURCE)
    lesson = Lesson(STEPS)
    tape = lesson.session.tape("probs")
    names = lesson.shell.user_ns
    before = {name: private(names[name]) for name in lesson.solutions}

    def compare(name: str) -> bool:
        """What a comparison with `.grad` costs: one backward pass, and `allclose`."""
        answer, truth = names[name], tape.gradients(tape.state)[name[1:]]
        return answer.shape == truth.shape and torch.allclose(answer.to(truth.dtype), truth)

    times: dict[str, list[float]] = {"right": [], "wrong": [], "allclose": []}
    forms = {"right": [(name, form) for name in RIGHT for form in RIGHT[name]]}
    forms["wrong"] = [(name, form) for name in WRONG for _, form in WRONG[name]]
    for number in range(ROUNDS):
        for kind, pairs in forms.items():
            for name, form in pairs:
                names.update({key: private(value) for key, value in before.items()})
                lesson.run(form)
                effort = replace(PRACTICE, seed=str(number))
                times[kind].append(
                    milliseconds(lambda name=name, effort=effort: judge(claim(lesson.session, Question(name)), effort))
                )
                times["allclose"].append(milliseconds(lambda name=name: compare(name)))
    rows = [
        f"| {title} | {statistics.median(times[kind]):.1f} | {statistics.quantiles(times[kind], n=20)[-1]:.1f} "
        f"| {statistics.median(times[kind]) / statistics.median(times['allclose']):.1f} |"
        for kind, title in {
            "allclose": "one backward pass by autograd, and `torch.allclose`",
            "right": "a check of a right answer",
            "wrong": "a check of a wrong answer, with its diagnosis",
        }.items()
    ]
    counts = {kind: len(pairs) for kind, pairs in forms.items()}
    everything = times["right"] + times["wrong"]
    text = PAGE.format(
        rows="\n".join(rows),
        rounds=ROUNDS,
        median=statistics.median(everything),
        torch=torch.__version__.split("+")[0],
        **counts,
    )
    (ROOT / "docs" / "speed.md").write_text(text, encoding="utf-8")
    print(text)


PAGE = """# Speed

`make benchmark` checks the {right} right and {wrong} wrong forms of `tests/support/forms.py` for notebook 1, {rounds} times
each, in one run with a comparison of the usual kind: a backward pass by autograd on the same network, and `allclose`.

| | median, ms | 95 % are below, ms | times the comparison |
|---|---|---|---|
{rows}

Over all of them the median of a check is {median:.1f} ms; it is meant to stay below 50.
Measured with torch {torch} on one thread of a shared machine: the ratios say more than the milliseconds.
"""


if __name__ == "__main__":
    main()
