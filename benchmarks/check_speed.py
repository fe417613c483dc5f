"""Writes docs/speed.md: how long a check takes, beside the comparison with autograd that others make."""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from autograder.asks.observing import cases_of
from autograder.course.questions import Question
from autograder.judge.judging import PRACTICE, judge
from autograder.judge.kinds import claim
from autograder.replay.parsed import parse_cell
from autograder.tape.tape import private
from benchmarks.asks import EXAMPLE, ask_of
from scripts.submissions import ROOT, SOURCE
from tests.support.asked import ASSIGNMENTS, answered, forms
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
    pairs_of = {"right": [(name, form) for name in RIGHT for form in RIGHT[name]]}
    pairs_of["wrong"] = [(name, form) for name in WRONG for _, form in WRONG[name]]
    for number in range(ROUNDS):
        for kind, pairs in pairs_of.items():
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
    counts = {kind: len(pairs) for kind, pairs in pairs_of.items()}
    everything = times["right"] + times["wrong"]
    text = PAGE.format(
        rows="\n".join(rows),
        asks=asks(),
        rounds=ROUNDS,
        median=statistics.median(everything),
        torch=torch.__version__.split("+")[0],
        **counts,
    )
    (ROOT / "docs" / "speed.md").write_text(text, encoding="utf-8")
    print(text)


def asks() -> str:
    """A table of how long checks of answers to asks take."""
    times: dict[str, list[float]] = {"one": [], "right": [], "random": [], "wrong": []}
    endless = 0
    for form in (form for assignment in ASSIGNMENTS for form in forms(assignment)):
        ask = ask_of(form)
        session = answered(form.assignment, form.name, form.code)
        claimed = claim(session, Question(form.name))
        if judge(claimed, PRACTICE).diagnosis == ENDLESS:
            endless += 1
            continue
        kind = "wrong" if not form.right else "random" if ask.random else "right"
        checks = [milliseconds(partial(judge, claimed, PRACTICE)) for _ in range(ROUNDS)]  # the first one has read the records
        times[kind].append(statistics.median(checks))
        if kind == "right":
            call = cases_of(ask, "usual")[EXAMPLE].call()
            times["one"].append(milliseconds(partial(session.workspace.answer, call, parse_cell(form.code))))
    rows = [
        f"| {title} | {len(times[kind])} | {statistics.median(times[kind]):.1f} "
        f"| {statistics.quantiles(times[kind], n=20)[-1]:.1f} | {max(times[kind]):.0f} |"
        for kind, title in {
            "one": "one call of a right answer, as one example needs",
            "right": "a check of a right answer",
            "random": "a check of a right answer that draws",
            "wrong": "a check of a wrong answer, with its diagnosis",
        }.items()
    ]
    return ASKS.format(rows="\n".join(rows), endless=endless, rounds=ROUNDS)


ENDLESS = "It does not end."
ASKS = """## Answers that are no gradients

The answers to the asks in `tests/support/asks/`, each checked {rounds} times by what is recorded, in
the same run; of these the median counts.
{endless} more do not end, and take two seconds for each call that does not.

| | answers | median, ms | 95 % are below, ms | slowest, ms |
|---|---|---|---|---|
{rows}
"""

PAGE = """# Speed

`make benchmark` checks the {right} right and {wrong} wrong forms of `tests/support/forms.py` for notebook 1, {rounds} times
each, in one run with a comparison of the usual kind: a backward pass by autograd on the same network, and `allclose`.

| | median, ms | 95 % are below, ms | times the comparison |
|---|---|---|---|
{rows}

Over all of them the median of a check is {median:.1f} ms; it is meant to stay below 50.
Measured with torch {torch} on one thread of a shared machine: the ratios say more than the milliseconds.

{asks}"""


if __name__ == "__main__":
    main()
