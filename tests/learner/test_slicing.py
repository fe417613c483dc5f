"""What a change touches, and that a part of a notebook is judged as the whole is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autograder.learner import workbook
from autograder.learner.checker import Checker
from autograder.learner.results import Result
from autograder.learner.workbook import Workbook
from autograder.verdict import ROUNDING
from tests.support.forms import WRONG
from tests.support.learner import MODEL, Learner

FIRST, LAST = "1-every-gradient", "4-train"
CHAIN = list(MODEL[FIRST])


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    learner = Learner(tmp_path / "mine")
    learner.solves(FIRST)
    learner.solves(LAST)
    return learner


@pytest.fixture(scope="module")
def checker() -> Iterator[Checker]:
    with Checker() as checker:
        yield checker


def edited(learner: Learner, answers: Mapping[str, str], stem: str = FIRST) -> tuple[Workbook, Workbook]:
    before = workbook.open_workbook(learner.notebook(stem))
    learner.writes(answers, stem)
    return before, workbook.open_workbook(learner.notebook(stem))


def changed(learner: Learner, change: Callable[[list[Any]], object]) -> tuple[Workbook, Workbook]:
    before = workbook.open_workbook(learner.notebook())
    content = learner.read()
    change(content["cells"])
    learner.saves(content)
    return before, workbook.open_workbook(learner.notebook())


def named(tests: frozenset[str]) -> set[str]:
    return {test.removeprefix("test-") for test in tests}


def code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "id": "mine", "metadata": {}, "source": source, "outputs": [], "execution_count": None}


def test_a_save_without_a_change_touches_nothing(learner: Learner) -> None:
    assert workbook.affected(*edited(learner, {})) == (frozenset(), frozenset())


def test_what_comes_after_depends_on_an_answer_and_what_comes_before_does_not(learner: Learner) -> None:
    direct, touched = workbook.affected(*edited(learner, {"dlogits": "dlogits = dnorm_logits * 2"}))
    assert named(direct) == {"dlogits"}
    assert named(touched) == set(CHAIN[CHAIN.index("dlogits") :])


def test_two_answers_of_one_save_are_both_direct(learner: Learner) -> None:
    direct, _ = workbook.affected(*edited(learner, {"dW2": "dW2 = h", "dC": "dC = C"}))
    assert named(direct) == {"dW2", "dC"}


def test_a_blank_cell_with_another_comment_touches_itself_alone(tmp_path: Path) -> None:
    learner = Learner(tmp_path / "new")
    _, touched = workbook.affected(*edited(learner, {"dlogits": "# think"}))
    assert named(touched) == {"dlogits"}


def test_what_is_no_python_touches_all_that_it_mentions(learner: Learner) -> None:
    direct, touched = workbook.affected(*edited(learner, {"dh": "dh = (dlogits @ W2.T"}))
    assert named(direct) == {"dh"} and {"dhpreact", "dC"} <= named(touched)


def asks(folder: Path, stem: str) -> Learner:
    learner = Learner(folder / "asks", "bigrams")
    learner.solves(stem)
    return learner


def test_an_answer_to_an_ask_touches_itself_and_those_that_read_its_value(tmp_path: Path) -> None:
    stem = "1-counting"
    learner = asks(tmp_path, stem)
    touched = {
        name: named(workbook.affected(*edited(learner, {name: source + "\n0"}, stem))[1])
        for name, source in learner.model[stem].items()
    }
    assert touched == {"N": {"N", "P"}, "P": {"P"}, "nll": {"nll"}, "sample": {"sample"}, "smoothed": {"smoothed"}}


def test_an_ask_that_was_changed_is_judged_again_and_no_other(tmp_path: Path) -> None:
    """As where somebody writes a course of their own."""
    stem = "1-counting"
    before = workbook.open_workbook(asks(tmp_path, stem).notebook(stem))

    tasks = [replace(task, source=task.source.replace("x: index[n, v]", "x: index[m, v]")) for task in before.tasks]
    assert sum(old != new for old, new in zip(before.tasks, tasks, strict=True)) == 1
    assert named(workbook.affected(before, replace(before, tasks=tuple(tasks)))[1]) == {"nll"}


def test_functions_are_followed(learner: Learner) -> None:
    source = MODEL[LAST]["descend"].replace("lr", "rate")
    direct, touched = workbook.affected(*edited(learner, {"descend": source}, LAST))
    assert named(direct) == named(touched) == {"training"}
    _, touched = workbook.affected(*edited(learner, {"backward": MODEL[LAST]["backward"] + "\n"}, LAST))
    assert len(touched) == 8


def test_a_cell_of_ones_own_touches_who_reads_it(learner: Learner) -> None:
    at = 0

    def insert(cells: list[Any]) -> None:
        nonlocal at
        at = next(index for index, cell in enumerate(cells) if cell["id"] == "dhpreact")
        cells.insert(at, code("slope = 1 - h**2"))

    assert workbook.affected(*changed(learner, insert)) == (frozenset(), frozenset())
    edited(learner, {"dhpreact": "dhpreact = slope * dh"})
    direct, touched = workbook.affected(*edited(learner, {"mine": "slope = h"}))
    assert named(direct) == set() and "dhpreact" in named(touched) and "dh" not in named(touched)
    _, touched = workbook.affected(*changed(learner, lambda cells: cells.pop(at)))
    assert "dhpreact" in named(touched)


@pytest.mark.parametrize("source", ["exec('h = 1')", "globals()['h'] = 1", "from math import *", "%cd ..", "!ls"])
def test_what_cannot_be_read_touches_everything(learner: Learner, source: str) -> None:
    _, touched = workbook.affected(*changed(learner, lambda cells: cells.append(code(source))))
    assert len(touched) == 26
    now = workbook.open_workbook(learner.notebook())
    assert workbook.needed(now, {"test-dprobs"}) == now.tasks


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("from torch import einsum", 'dh = einsum("ij,kj->ik", dlogits, W2)'),
        ("import numpy as np", "dh = torch.tensor(np.asarray(dlogits) @ np.asarray(W2).T)"),
        ("kept = {}\nkept.update(a=1)", "dh = dlogits @ W2.T * kept['a']"),
    ],
)
def test_what_another_cell_brings_is_there(learner: Learner, source: str, answer: str) -> None:
    now = changed(learner, lambda cells: cells.insert(3, code(source)))[1]
    learner.writes({"dh": answer})
    now = workbook.open_workbook(learner.notebook())
    assert "mine" in {task.id for task in workbook.needed(now, {"test-dh"})}
    gone = changed(learner, lambda cells: cells.pop(3))
    assert "dh" in named(workbook.affected(*gone)[1])


def test_another_order_touches_everything(learner: Learner) -> None:
    def insert(cells: list[Any]) -> None:
        cells += [code("a = 1"), {**code("b = 2"), "id": "other"}]

    changed(learner, insert)

    def swap(cells: list[Any]) -> None:
        cells[-1], cells[-2] = cells[-2], cells[-1]

    assert len(workbook.affected(*changed(learner, swap))[1]) == 26


def test_a_part_has_what_it_reads_and_no_more(learner: Learner) -> None:
    now = workbook.open_workbook(learner.notebook())
    ids = [task.id for task in workbook.needed(now, {"test-dcounts_sum"})]  # with what it may be wrong because of
    assert [id for id in ids if id in CHAIN] == ["dlogprobs", "dprobs", "dcounts_sum_inv", "dcounts_sum"]
    assert [id for id in ids if id.startswith("test-")] == ["test-dcounts_sum"]
    assert "forward" in ids and "progress" not in ids


def once(result: Result) -> Result:
    """Without what is said once, of whatever answer comes first."""
    verdict = result.verdict
    assert verdict is not None
    return replace(
        result, verdict=replace(verdict, notes=tuple(note for note in verdict.notes if not note.startswith(ROUNDING)))
    )


MISTAKES = [(name, next(iter(dict(WRONG[name]).items()))) for name in ("dcounts", "dlogits", "dbndiff", "dC")]


@pytest.mark.parametrize(("name", "form"), MISTAKES, ids=lambda value: value if isinstance(value, str) else value[0])
def test_a_part_is_judged_as_the_whole(learner: Learner, checker: Checker, name: str, form: tuple[str, str]) -> None:
    before, now = edited(learner, {name: form[1]})
    whole = {result.test: result for result in checker.check(now).results}
    old = {result.test: result for result in checker.check(before).results}
    direct, touched = workbook.affected(before, now)
    for tests in (direct, touched - direct):
        for result in checker.check(now, workbook.needed(now, tests)).results:
            assert once(result) == once(whole[result.test])
    untouched = {test: result for test, result in whole.items() if test not in touched}
    assert untouched == {test: old[test] for test in untouched}
