"""Inputs are drawn by their kinds: small first, with sizes that differ, and the same on every machine."""

from __future__ import annotations

import math
import random

import pytest
import torch

from autograder.asks.ask import parse_ask
from autograder.asks.inputs import KINDS, LECTURES, SIZES, Seed, in_words, nudged
from autograder.asks.observing import Mode, cases_of

EVERYTHING = (
    "def f(names: names[v], stoi: vocabulary[v], N: counts[v, v], P: probs[v, v], x: real[n, c], logits: logits[n, v], "
    "i: index[n, v], b: size[1, 8], k: number[0.5, 1, 100])"
)


def test_every_kind_is_drawn_as_it_says() -> None:
    assert {each.kind for each in parse_ask(EVERYTHING).drawn} == KINDS.keys() - {"generator"}
    for case in cases_of(parse_ask(EVERYTHING), "any"):
        values = case.values
        n, v, c, b = (values[name] for name in "nvcb")
        assert set("".join(values["names"])) <= values["stoi"].keys() - {"."}
        assert list(values["stoi"].values()) == list(range(v))
        assert values["N"].dtype == torch.int32
        assert values["N"].shape == (v, v)
        assert torch.allclose(values["P"].sum(1), torch.ones(v))
        assert values["x"].shape == (n, c)
        assert values["logits"].shape == (n, v)
        assert values["i"].dtype == torch.int64
        assert values["i"].shape == (n,)
        assert 0 <= int(values["i"].min()) <= int(values["i"].max()) < v
        assert 1 <= b <= 8
        assert values["k"] in (0.5, 1, 100)
    (often, *_) = cases_of(parse_ask("def f(n: size[1, 8], g: generator)\nrandom: rows\noften: n = 3"), "any")
    assert isinstance(often.values["g"], Seed)


def test_no_two_sizes_are_equal_and_none_is_that_of_the_lectures() -> None:
    for case in cases_of(parse_ask("def f(x: real[n, c], W: real[c, h], y: index[n, v])"), "any"):
        sizes = [case.values[name] for name in "nchv"]
        assert len(set(sizes)) == len(sizes)
        assert LECTURES not in sizes


def test_they_come_smallest_first_and_what_repeats_is_there() -> None:
    cases = cases_of(parse_ask("N(names: names[v])"), "any")
    assert cases[0].values["names"] == ["a"]
    third = cases[SIZES.index(3)].values["names"]
    assert third[0] == third[-1]
    assert any(len(name) == 300 for name in cases[SIZES.index(300)].values["names"])
    assert [len(case.values["x"]) for case in cases_of(parse_ask("f(x: index[n, v])"), "any")] == list(SIZES)


def test_a_seed_gives_the_same_inputs_and_another_gives_others() -> None:
    ask = parse_ask(EVERYTHING)
    first, again, other = ([in_words(list(case.values.values())) for case in cases_of(ask, seed)] for seed in ("a", "a", "b"))
    assert first == again
    assert first != other


def test_the_numbers_are_those_that_were_always_drawn() -> None:
    """What releases have recorded must fit: a change of the way in which inputs are drawn needs all of them recorded anew."""
    case = cases_of(parse_ask("P(N: counts[v, v], x: real[n, c])"), "check")[1]
    assert in_words(case.values["N"]) == "[[1, 3, 0], [1, 5, 7], [2, 3, 4]]"
    assert in_words(case.values["x"]) == "[[-1.15, 0.9745, 0.6376, -0.6406], [1.532, 1.382, -0.6001, -0.7963]]"


def test_cases_of_the_instructors_stand_in_place_of_drawn_values() -> None:
    ask = parse_ask("def f(x: index[n, v], m)\nm = x + 1\ncase: x = torch.tensor([4, 4])\ncase: m = torch.tensor([9])")
    *_, first, second = cases_of(ask, "any")
    assert first.values["m"].tolist() == [5, 5]
    assert first.values["n"] == 2
    assert second.values["m"].tolist() == [9]


def test_inputs_that_are_nudged_are_a_unit_in_the_last_place_off() -> None:
    value = torch.tensor([1.0, -200.0, 0.001])
    moved = (nudged(value, random.Random(1)) - value.double()).abs()
    assert torch.allclose(moved, torch.tensor([2.0**-23, 2.0**-16, 2.0**-33], dtype=torch.float64))
    assert nudged(torch.tensor([1]), random.Random(1)).dtype == torch.int64


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.tensor([[0, 1], [2, 3]]), "[[0, 1], [2, 3]]"),
        (torch.tensor(math.pi), "3.142"),
        (["a", "bc"], '["a", "bc"]'),
        ({".": 0}, "{'.': 0}"),
        (Seed(3), "a generator"),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert in_words(value) == words


def test_a_random_answer_has_its_three_questions() -> None:
    ask = parse_ask(
        "def s(P: probs[v, v], g: generator)\nrandom: names\ncertain: P = torch.eye(2)\noften: P = torch.ones(2, 2) / 2"
    )
    cases = cases_of(ask, "any")
    assert [case.mode for case in cases] == [Mode.VALUE, Mode.OFTEN, Mode.OFTEN, Mode.SEEDS]
    first, again, other = cases[3].call().seeds
    assert first == again != other
