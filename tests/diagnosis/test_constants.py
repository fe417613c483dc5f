"""The numbers that an answer may be off by: those that somebody could have written, and no other."""

from __future__ import annotations

import ast

import pytest
import torch

from autograder.diagnosis.constants import averaged, counts, factors, less_one, number

NAMES = {"n": 6, "d": 4, "rate": 0.8, "x": torch.zeros(6, 5, 4), "flag": True, "text": "6"}


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("n", 6),
        ("d**0.5", 2.0),
        ("-n", -6),
        ("n * d - 1", 23),
        ("x.shape[0]", 6),
        ("x.shape[-1]", 4),
        ("x.size(1)", 5),
        ("len(x)", 6),
        ("x.numel()", 120),
        ("math.sqrt(d)", 2.0),
        ("n // d", 1),
        ("x", None),
        ("flag", None),
        ("text", None),
        ("unknown", None),
        ("x.shape[7]", None),
        ("n / 0", None),
        ("9.0**999999", None),
        ("10**400 * n", None),
        ("math.sqrt(-d)", None),
        ("exit()", None),
        ("__import__('os').getpid()", None),
    ],
)
def test_a_number_is_worked_out_and_no_code_is_run(code: str, value: float | None) -> None:
    assert number(ast.parse(code, mode="eval").body, NAMES) == value


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x * rate / d**0.5", {"rate": 0.8, "d**0.5": 2.0}),
        ("x * d**-0.5", {"d**-0.5": 0.5}),
        ("1 / n * x.sum(0)", {"n": 6}),
        ("x / (n - 1)", {"(n - 1)": 5}),
        ("x / (n * d)", {"(n * d)": 24, "n": 6, "d": 4}),
        ("x.sum(2) + n", {}),
        ("x.mean(1) - 3 * x**2", {"3": 3, "2": 2}),
        ("m = n * d\ny = x / m\ny *= rate", {"n": 6, "d": 4, "m": 24, "rate": 0.8}),
        ("x * (1 / n - 1)", {}),
    ],
)
def test_factors_are_what_a_product_has_and_no_term_of_a_sum(code: str, found: dict[str, float]) -> None:
    assert factors(ast.parse(code), NAMES) == found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x.mean(1)", {"5": 5}),
        ("x.mean((0, 1), keepdim=True)", {"(n * 5)": 30}),
        ("x.mean()", {"(n * 20)": 120}),
        ("x.var(0)", {"n": 6, "(n - 1)": 5}),
        ("torch.mean(x, dim=-1)", {"d": 4}),
        ("F.cross_entropy(x.flatten(1), y)", {"n": 6}),
        ("F.mse_loss(x, y)", {"(n * 20)": 120}),
        ("x.sum(1)", {}),
        ("unknown.mean(1)", {}),
    ],
)
def test_means_and_losses_have_counts(code: str, found: dict[str, float]) -> None:
    state = {**NAMES, "torch": torch}
    assert averaged(ast.parse(code, mode="eval").body, state, {"n": 6}, {4: "d"}) == found


def test_all_counts_of_a_shape() -> None:
    assert dict(counts((6, 5, 4), {"n": 6}, {4: "d"})) == {
        **{"n": 6, "5": 5, "d": 4},
        **{"(n * 5)": 30, "(n * d)": 24, "20": 20, "(n * 20)": 120},
    }
    assert less_one("n") == "(n - 1)"
    assert less_one("(n * 5)") == "(n * 5 - 1)"
