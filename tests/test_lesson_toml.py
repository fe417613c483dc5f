"""What the lesson says about each gradient: hints that fit, and mistakes that run and are none of the right answers."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from autograder import notebook
from autograder.case import Case, step_cases
from autograder.comparison import compare
from autograder.reference import step_reference
from autograder.tape import Tape, promoted
from scripts.submissions import NOTEBOOKS, SOURCE
from tests.lesson import Lesson

Row = Mapping[str, Any]
Of = Callable[[str], Lesson]

ROWS: list[Row] = tomllib.loads((SOURCE / "lesson.toml").read_text(encoding="utf-8"))["gradient"]
MISTAKES = [(row, mistake) for row in ROWS for mistake in row.get("mistake", [])]

DIGITS_OF_NAMES = re.compile(r"`[^`]*`")
SAME = 1e-5
"""How near two gradients have to be to count as the same numbers, relative to the largest entry of either."""


def title(row: Row) -> str:
    return f"{row['name']} through {' '.join(row['through'])}"


def tape_of(lesson: Lesson) -> Tape:
    (tape,) = lesson.session.tapes.values()
    return tape


def rows_of(tape: Tape) -> dict[str, Row]:
    """The row of each gradient of a tape that has one."""
    rows = {(row["name"], frozenset(row["through"])): row for row in ROWS}
    keys = {f"d{variable}": (f"d{variable}", frozenset(tape.consumers(variable))) for variable in tape.variables}
    return {name: rows[key] for name, key in keys.items() if key in rows}


def namespace(tape: Tape, case: Case, exact: bool = False) -> dict[str, Any]:
    """What a formula may use: the forward state, what comes in, and torch."""
    incoming = {f"d{name}": gradient.double() if exact else gradient for name, gradient in case.incoming.items()}
    state = promoted(case.state) if exact else case.state
    return {**state, **incoming, "torch": torch, "F": F}


def names_in(formula: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(formula, mode="eval")) if isinstance(node, ast.Name)}


def homes(row: Row, formula: str, lesson: Of) -> list[Tape]:
    """The tapes of all notebooks in which the formula of a row can be evaluated."""
    tapes = [tape_of(lesson(name)) for name in NOTEBOOKS]
    found = [tape for tape in tapes if rows_of(tape).get(row["name"]) is row]
    cases = [next(step_cases(tape, row["name"][1:], "seed", own=1, resampled=0)) for tape in found]
    return [tape for tape, case in zip(found, cases, strict=True) if names_in(formula) <= namespace(tape, case).keys()]


def near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return float((one - other).abs().max()) <= SAME * max(float(one.abs().max()), float(other.abs().max()))


def test_the_form_of_the_file() -> None:
    assert len({(row["name"], frozenset(row["through"])) for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.keys() <= {"name", "through", "hints", "mistake"}, title(row)
        assert len(set(row["through"])) == len(row["through"]) > 0, title(row)
    for row, mistake in MISTAKES:
        assert mistake.keys() == {"formula", "sentence", "next"}, title(row)


@pytest.mark.parametrize("row", ROWS, ids=title)
def test_hints_are_one_to_three_short_rungs(row: Row) -> None:
    assert 1 <= len(row["hints"]) <= 3
    assert len(set(row["hints"])) == len(row["hints"])
    for hint in row["hints"]:
        assert 20 <= len(hint) <= 200, f"{len(hint)}: {hint}"


@pytest.mark.parametrize("row", ROWS, ids=title)
def test_what_is_said_is_said_in_the_house_style(row: Row) -> None:
    mistakes = row.get("mistake", [])
    for mistake in mistakes:
        assert len(mistake["sentence"]) <= 160, mistake["sentence"]
        assert len(mistake["next"]) <= 160, mistake["next"]
        assert not re.search(r"\d", DIGITS_OF_NAMES.sub("", mistake["sentence"])), mistake["sentence"]
    for text in [*row["hints"], *(mistake[key] for mistake in mistakes for key in ("sentence", "next"))]:
        assert text[-1] in ".?" and text == text.strip() and "!" not in text, text
        assert text[0].isupper() or text[0] == "`", text
        assert text.count("`") % 2 == 0, text


def test_every_row_fits_a_variable_of_a_notebook(lesson: Of) -> None:
    used = [id(row) for name in NOTEBOOKS for row in rows_of(tape_of(lesson(name))).values()]
    assert [title(row) for row in ROWS if id(row) not in used] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_gradient_that_is_asked_for_has_hints(name: str, lesson: Of) -> None:
    sources = [
        cell.source for cell in notebook.code_cells(notebook.read(SOURCE / f"{name}.ipynb")) if notebook.role(cell) == "test"
    ]
    asked = {gradient for source in sources for gradient in re.findall(r'\bcheck\("(\w+)"', source)}
    assert asked
    assert asked - rows_of(tape_of(lesson(name))).keys() == set()


def test_every_gradient_inside_the_whole_backward_pass_has_hints(lesson: Of) -> None:
    tape = tape_of(lesson("4-train"))
    assert {f"d{variable}" for variable in tape.variables[:-1]} - rows_of(tape).keys() == set()


@pytest.mark.parametrize(("row", "mistake"), MISTAKES, ids=[f"{title(row)}: {mistake['formula']}" for row, mistake in MISTAKES])
def test_a_mistake_runs_and_is_not_the_right_answer(row: Row, mistake: Mapping[str, str], lesson: Of) -> None:
    formula, variable = mistake["formula"], row["name"][1:]
    ast.parse(formula, mode="eval")
    tapes = homes(row, formula, lesson)
    assert tapes, "no notebook has all the names of the formula"
    for tape in tapes:
        cases = list(step_cases(tape, variable, "seed", own=1, resampled=1))
        assert len(cases) == 2
        for case in cases:
            for exact in (False, True):  # a formula may be compared in either precision
                answer = eval(formula, namespace(tape, case, exact))
                assert isinstance(answer, torch.Tensor)
                assert answer.shape == case.state[variable].shape
                assert bool(answer.isfinite().all())
                assert compare(answer, step_reference(tape, variable, case)) is not None


@pytest.mark.parametrize("row", [row for row in ROWS if len(row.get("mistake", [])) > 1], ids=title)
def test_no_two_mistakes_give_the_same_numbers(row: Row, lesson: Of) -> None:
    for one, other in combinations([mistake["formula"] for mistake in row["mistake"]], 2):
        for tape in homes(row, one, lesson):
            if tape not in homes(row, other, lesson):
                continue
            for case in step_cases(tape, row["name"][1:], "seed", own=1, resampled=1):
                names = namespace(tape, case, exact=True)
                answers = (eval(formula, dict(names)).double() for formula in (one, other))
                if near(*answers):
                    pytest.fail(f"`{one}` and `{other}` give the same numbers")
