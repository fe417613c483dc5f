"""Which solution a plain test is about, and the names that nobody binds."""

from __future__ import annotations

import pytest

from autograder.course.cells import Cell, Role
from autograder.lint.pairing import about, behind, unbound


def locked(source: str) -> Cell:
    return Cell("setup", Role.LOCKED, source)


def solution(id: str, source: str) -> Cell:
    return Cell(id, Role.STUDENT, source, solves=True)


def asserting(source: str) -> Cell:
    return Cell("test", Role.TEST, source, points=1)


DOUBLE = solution("cell-1", "def double(x):\n    return 2 * x")
VALUE = solution("cell-2", "value = double(4)")
SAVED = solution("cell-3", "numbers.append(1)")


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        ([DOUBLE, VALUE, asserting("assert double(3) == 6")], {"cell-1"}),
        ([DOUBLE, VALUE, asserting("for x in range(3):\n    assert (lambda: double(x))() == 2 * x")], {"cell-1"}),
        ([DOUBLE, VALUE, asserting("assert value == 8")], {"cell-1", "cell-2"}),
        ([DOUBLE, SAVED, VALUE, asserting("assert numbers[0]")], {"cell-2"}),
        ([DOUBLE, SAVED, asserting("assert double(numbers[0]) == 2")], {"cell-1", "cell-3"}),
        ([locked("def both():\n    return double(1), value"), DOUBLE, VALUE, asserting("assert both()")], {"cell-1", "cell-2"}),
        (
            [locked("class Twice:\n    def __call__(self):\n        return double(1)"), DOUBLE, VALUE, asserting("Twice()")],
            {"cell-1"},
        ),
        ([DOUBLE, VALUE, asserting("assert globals()['cell'] or 'cell-1'")], {"cell-1"}),
        ([DOUBLE, VALUE, asserting("double = 3\ndef f(double):\n    return double")], {"cell-2"}),
        ([asserting("assert True"), DOUBLE], set()),
    ],
)
def test_a_test_is_about_what_it_reads_or_else_the_nearest_above(cells: list[Cell], ids: set[str]) -> None:
    assert about(cells)["test"] == ids


def test_what_a_function_is_made_of_stands_behind_it() -> None:
    cells = [
        DOUBLE,
        VALUE,
        SAVED,
        locked("def network():\n    return double(1)"),
        solution("cell-4", "def backward():\n    return network()"),
    ]
    assert behind(cells, {"backward"}) == {"cell-1", "cell-4"}
    assert behind(cells, {"value"}) == {"cell-1", "cell-2"}
    assert behind(cells, set()) == set()


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        ([DOUBLE, asserting("assert treble(3) == double(n)")], ["n", "treble"]),
        ([DOUBLE, asserting("import math as m\nassert [m.pi for _ in print(__name__)]")], []),
        ([DOUBLE, asserting("class A:\n    b = 1\n    c = b\nwith open('f') as g:\n    g.read(A)\n%timeit double(1)")], []),
        ([DOUBLE, asserting("try:\n    double()\nexcept TypeError as error:\n    assert str(error)")], []),
        ([locked("from helpers import *"), DOUBLE, asserting("assert treble(3)")], []),
        ([locked("%run helpers.py"), DOUBLE, asserting("assert treble(3)")], []),
        ([locked("exec('treble = 3')"), DOUBLE, asserting("assert treble(3)")], []),
        ([locked("def broken(:"), DOUBLE, asserting("assert treble(3)")], []),
    ],
)
def test_names_that_no_cell_binds(cells: list[Cell], names: list[str]) -> None:
    assert list(unbound(cells)) == [("test", name) for name in names]
