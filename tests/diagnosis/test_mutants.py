"""The mutants of model answers that are tried: which, and how many."""

from __future__ import annotations

import ast

import pytest

from autograder.diagnosis.operators import FACTORS, Mutant, Operator
from benchmarks.mutants import MANY, MOST, sample

PRODUCT = "da = (b * dc).sum(1, keepdim=True)"
OTHERS = {"b": ["x", "y", "z"], FACTORS: ["dc", "b", "c"]}


def test_mutants_differ_from_the_source_and_from_each_other() -> None:
    sources = [mutant.source for mutant in sample(PRODUCT, OTHERS)]
    assert len(sources) == len(set(sources)) > 15
    assert ast.unparse(ast.parse(PRODUCT)) not in sources
    for source in sources:
        ast.parse(source)


def test_a_change_that_can_be_made_in_many_ways_is_made_in_few() -> None:
    names = [mutant for mutant in sample(PRODUCT, OTHERS) if mutant.operator is Operator.NAME and mutant.before == "b"]
    assert [mutant.after for mutant in names] == ["x", "y"]
    assert len(names) == MANY[Operator.NAME]


def test_a_source_that_is_no_python_has_no_mutants() -> None:
    with pytest.raises(SyntaxError):
        list(sample("da = (", {}))


class TestMutants:
    SOURCE = "dx = h * dh + h.sum(0) / n"

    def made(self, source: str = SOURCE) -> list[Mutant]:
        return list(sample(source, {"h": [f"a{i}" for i in range(9)], FACTORS: [f"b{i}" for i in range(9)]}))

    def test_each_is_another_code_once(self) -> None:
        sources = [mutant.source for mutant in self.made()]
        assert len(set(sources)) == len(sources) > 20
        assert self.SOURCE not in sources

    def test_a_change_that_can_be_made_in_many_ways_is_made_in_a_few(self) -> None:
        found = self.made()
        for operator, most in {**dict.fromkeys(Operator, MOST), **MANY}.items():
            places = [(mutant.place, mutant.before) for mutant in found if mutant.operator is operator]
            assert max(map(places.count, places), default=0) <= most
        assert {mutant.operator for mutant in found} >= {Operator.NAME, Operator.EXTRA, Operator.SIGN}

    def test_what_is_no_python_is_an_error(self) -> None:
        with pytest.raises(SyntaxError):
            self.made("dx = (")
