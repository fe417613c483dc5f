"""The mistake that is named is the one that was made, and nothing is named where it is none of the known ones."""

from __future__ import annotations

import pytest
import torch

from autograder.case import step_cases
from autograder.diagnosis import PROBES, diagnose, evidence_of
from autograder.tape import Tape, record
from autograder.verdict import Outcome
from tests.forms import RIGHT, WRONG
from tests.lesson import Lesson

STEPS = "1-every-gradient"
REST = "and the rest is right."

NAMED = {
    ("dlogprobs", "sign"): "The sign is wrong, and all else is right.",
    ("dlogprobs", "lost 1/n"): "It is the right gradient times `n`.",
    ("dprobs", "no incoming gradient"): "It is the derivative of the line alone.",
    ("dcounts_sum_inv", "mean for sum"): "It is the right gradient times `1 / 27`.",
    ("dcounts_sum_inv", "zeros"): "It is zero everywhere.",
    ("dcounts_sum", "power rule"): "It is the right gradient times `counts_sum`.",
    ("dcounts", "second consumer missing"): f"The path through `counts_sum` is missing, {REST}",
    ("dcounts", "times the input instead of ones"): f"The part through `counts_sum` is multiplied by `counts`, {REST}",
    ("dnorm_logits", "passed through"): "It is `dcounts` as it came in.",
    ("dlogits", "sign of the max branch"): f"The part through `logit_maxes` has the wrong sign, {REST}",
    ("dh", "mean over the characters"): "It is the right gradient times `1 / 27`.",
    ("dbngain", "mean for sum"): "It is the right gradient times `1 / n`.",
    ("dbnvar", "sign"): "The sign is wrong, and all else is right.",
    ("dbndiff2", "n for n-1"): "It is the right gradient times `(n - 1) / n`.",
    ("dbndiff", "factor 2 missing"): f"The part through `bndiff2` is multiplied by `1 / 2`, {REST}",
    ("dhprebn", "lost 1/n"): f"The part through `bnmeani` is multiplied by `n`, {REST}",
    ("dhprebn", "n-1 for n"): f"The part through `bnmeani` is multiplied by `n / (n - 1)`, {REST}",
    ("dC", "overwritten in the loop"): "Where an entry is used several times, only the last contribution is kept.",
    ("dC", "mean of the repeats"): "Where an entry is used several times, the mean of the contributions is taken.",
}


@pytest.fixture(scope="module")
def here() -> Lesson:
    return Lesson(STEPS)


@pytest.mark.parametrize(("mistake", "sentence"), NAMED.items(), ids=[" ".join(mistake) for mistake in NAMED])
def test_the_mistake_is_named(here: Lesson, mistake: tuple[str, str], sentence: str) -> None:
    name, planted = mistake
    verdict = here.answer(name, dict(WRONG[name])[planted])
    assert verdict.outcome is Outcome.WRONG
    assert verdict.diagnosis.startswith(sentence)
    assert verdict.next_step


def test_a_part_counted_twice_is_named(here: Lesson) -> None:
    verdict = here.answer("dcounts", f"{RIGHT['dcounts'][0]}\ndcounts = dcounts + dcounts_sum")
    assert verdict.diagnosis == "The part through `counts_sum` is counted twice."


def test_a_factor_that_is_missing_is_named(here: Lesson) -> None:
    verdict = here.answer("dcounts_sum", "dcounts_sum = -(counts_sum**-3) * dcounts_sum_inv")
    assert verdict.diagnosis == "The factor `counts_sum` is missing."


@pytest.fixture(scope="module")
def tape() -> Tape:
    generator = torch.Generator().manual_seed(1)
    x, w = torch.randn((5, 3), generator=generator), torch.randn((5, 3), generator=generator)
    return record("a = x * w\nb = x.exp()\nloss = (a * b).sum()", {"x": x, "w": w})


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_no_probe_blames_an_answer_that_is_something_else(tape: Tape, probe: object) -> None:
    (case,) = step_cases(tape, "x", "seed", own=1, resampled=0)
    for seed in range(20):
        answer = torch.randn((5, 3), generator=torch.Generator().manual_seed(seed))
        assert list(probe(evidence_of(answer, tape, "x", case))) == []  # type: ignore[operator]


def test_a_mistake_that_is_nearly_a_known_one_is_not_named(tape: Tape) -> None:
    (case,) = step_cases(tape, "x", "seed", own=1, resampled=0)
    evidence = evidence_of(torch.zeros(5, 3), tape, "x", case)
    assert diagnose(evidence_of(-evidence.truth, tape, "x", case)) is not None
    assert diagnose(evidence_of(-1.01 * evidence.truth, tape, "x", case)) is None
