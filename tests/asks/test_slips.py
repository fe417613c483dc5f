"""Slips that any value may have, for answers that are no numbers."""

import torch

from autograder.asks.ask import parse_ask
from autograder.judge.kinds.asked import practice_cases
from autograder.judge.slips import slips


def test_truth_values_have_no_sign_and_no_sum() -> None:
    cases = practice_cases(parse_ask("def dead(h: real[n, m])"))
    right = [(case.values["h"] > 0).all(0) for case in cases]
    assert {each.sentence for each in slips(right, cases)} == {
        "Everything is one place too late.",
        "Everything is one place too early.",
    }
    counts = [each.int() for each in right]
    assert "The sign is wrong everywhere." in {each.sentence for each in slips(counts, cases)}
    assert all(outcome.dtype == torch.bool for each in slips(right, cases) for outcome in each.outcomes)
