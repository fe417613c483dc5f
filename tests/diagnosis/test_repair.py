"""The one small change that makes a wrong answer right, and what is said of its place."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.diagnosis import repair as repairing
from autograder.diagnosis.evidence import MAX_CODE
from autograder.diagnosis.operators import AXES, CONSTANTS, FACTORS, PARTS, Operator
from autograder.diagnosis.repair import ADVICE, ALONE, SENTENCES, SEVERAL, alternatives, repair
from autograder.judge.kinds.gradient_answer import GradientAnswer
from autograder.replay.parsed import ParsedCell, parse_cell
from autograder.replay.workspace import NotebookWorkspace
from autograder.tape.cases import Case, step_cases
from autograder.tape.tape import record
from autograder.verdict import Cause, Mistake, Outcome
from tests.support.lesson import Lesson

M = Mistake


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


NAMES: dict[str, Any] = {
    "a": normal(0, 4, 3),
    "b": normal(1, 4, 3),
    "g": normal(2, 4, 2),
    "w": normal(3, 3, 2),
    "s": normal(4, 3, 3),
    "t": normal(5, 3, 3),
    "u": normal(6, 2, 4, 3),
    "v": normal(7, 2, 4, 5),
    "n": 4,
    "torch": torch,
}

PART = "b - g.sum() / 7"
"""A part of a forward pass, in the place of which one of its names may stand."""

ALIKE = {"a": ["b"], "b": ["a"], "s": ["t"], "t": ["s"]}


def value(cell: ParsedCell) -> object:
    """What a cell gives for `dx`; None where it stops."""
    names = {name: value.clone() if isinstance(value, Tensor) else value for name, value in NAMES.items()}
    with warnings.catch_warnings(), suppress(Exception):
        warnings.simplefilter("ignore")
        for statement in cell.statements:
            exec(statement.code, names)
        return names["dx"]
    return None


def fixed(wrong: str, right: str, line: tuple[str, ...] = ()) -> Cause | None:
    truth = value(parse_cell(right))
    assert isinstance(truth, Tensor)

    def is_right(cell: ParsedCell) -> bool:
        answer = value(cell)
        return isinstance(answer, Tensor) and answer.shape == truth.shape and torch.allclose(answer, truth)

    assert not is_right(parse_cell(wrong))
    axes = {AXES: ["0", "1", "2"]} if re.search(r"\b[uv]\b", wrong) else {}
    return repair(wrong, {**ALIKE, FACTORS: line, PARTS: [PART], **axes}, is_right)


PLANTED: dict[Operator, tuple[str, str, str]] = {
    Operator.SIGN: ("dx = a.exp() - b", "dx = a.exp() + b", "A sign is wrong in `a.exp() - b`."),
    Operator.TERM: ("dx = a.sin() + b", "dx = b", "There is a term too many in `a.sin() + b`."),
    Operator.FACTOR: ("dx = a * b.sin()", "dx = a", "There is a factor too many in `a * b.sin()`."),
    Operator.OPERATION: (
        "dx = a * b",
        "dx = a / b",
        "`a * b` multiplies where it should divide.",
    ),
    Operator.ADDED: (
        "dx = a + b.exp()",
        "dx = a * b.exp()",
        "`a + b.exp()` adds where it should multiply.",
    ),
    Operator.PRODUCT: (
        "dx = a.T * g",
        "dx = a.T @ g",
        "`a.T * g` has the wrong kind of product: `*` goes entry by entry, `@` is for matrices.",
    ),
    Operator.OUTER: (
        "dx = a.sum(0) @ b.sum(1)",
        "dx = torch.outer(a.sum(0), b.sum(1))",
        "`a.sum(0) @ b.sum(1)` should be an outer product: each entry of the one times each entry of the other.",
    ),
    Operator.POWER: ("dx = 1 - a", "dx = 1 - a**2", "A power is wrong in `1 - a`."),
    Operator.NUMBER: ("dx = a.exp() * 2", "dx = a.exp() * 4", "The number `2` is wrong in `a.exp() * 2`."),
    Operator.AXIS: ("dx = (a * b).sum(1)", "dx = (a * b).sum(0)", "`(a * b).sum(1)` goes along the wrong axis."),
    Operator.MORE_AXES: ("dx = u - u.mean(0)", "dx = u - u.mean((0, 1))", "`u.mean(0)` leaves out an axis."),
    Operator.FEWER_AXES: (
        "dx = u - u.mean((0, 1))",
        "dx = u - u.mean(0)",
        "`u.mean((0, 1))` goes along an axis too many.",
    ),
    Operator.KEEPDIM: (
        "dx = a.sum(0)",
        "dx = a.sum(0, keepdim=True)",
        "`a.sum(0)` needs `keepdim=True`.",
    ),
    Operator.MEAN: ("dx = a.mean(0)", "dx = a.sum(0)", "`a.mean(0)` is a mean where a sum belongs."),
    Operator.UNSUMMED: ("dx = a.sum(0) * b", "dx = a * b", "`a.sum(0)` is summed once too often."),
    Operator.TRANSPOSE: ("dx = g @ w", "dx = g @ w.T", "`w` has to be transposed."),
    Operator.FLATTEN: (
        "dx = u.T @ v",
        "dx = torch.einsum('bti,bto->io', u, v)",
        "There are three axes in `u.T @ v`: `.T` turns all of them around, and `.mT` the last two alone.",
    ),
    Operator.SWAP: (
        "dx = u.T @ v",
        "dx = u.mT @ v",
        "`u.T` has more than two axes: exchange the last two, and no others.",
    ),
    Operator.ORDER: ("dx = s @ t", "dx = t @ s", "The two sides of `s @ t` are in the wrong order."),
    Operator.BESSEL: (
        "dx = a / n",
        "dx = a / (n - 1)",
        "In `a / n` mind where the number of rows belongs, and where one less.",
    ),
    Operator.NAME: ("dx = a.exp() * 2", "dx = b.exp() * 2", "`a` is not what belongs in `a.exp()`."),
    Operator.OVERWRITE: (
        "dx = a * 1\ndx[0] = b[0]",
        "dx = a * 1\ndx[0] += b[0]",
        "`dx[0] = b[0]` overwrites what was there where it should add.",
    ),
    Operator.STATEMENT: ("dx = a * 1\ndx[0] = 7.5", "dx = a", "`dx[0] = 7.5` does not belong there."),
    Operator.SUMMED: ("dx = a * b + a", "dx = (a * b).sum(0, keepdim=True) + a", "`a * b` is not summed."),
    Operator.BRACKETS: (
        "dx = a.exp() + b * n",
        "dx = (a.exp() + b) * n",
        "The brackets are in the wrong place, or missing, in `a.exp() + b * n`.",
    ),
    Operator.EXTRA: ("dx = a.exp()", "dx = a.exp() * b", "`a.exp()` lacks a factor."),
    Operator.ROWS: (
        "dx = a * 0\nfor i in range(n):\n    dx[i] += b[i]",
        "dx = a * 0\nfor i in range(n - 1):\n    dx[i] += b[i]",
        "`range(n)` goes over more than it should.",
    ),
    Operator.SUMS: (
        "dx = a.sum(0) * b.sum(0)",
        "dx = (a * b).sum(0)",
        "`a.sum(0) * b.sum(0)` is a product of sums where a sum of products belongs.",
    ),
    Operator.LETTERS: (
        "dx = torch.einsum('ij,kl->jl', a, g)",
        "dx = torch.einsum('ij,il->jl', a, g)",
        "A letter in `'ij,kl->jl'` is not the right one.",
    ),
    Operator.ROUNDS: (
        "for i in range(n):\n    dx = torch.outer(a[i], g[i])",
        "dx = a.T @ g",
        "`dx = torch.outer(a[i], g[i])` begins again in each round of the loop, so only the last round counts.",
    ),
    Operator.MADE_ANEW: (
        "for i in range(n):\n    dx = a.clone()\n    dx[i, 0] += b[i, 0]",
        "dx = a.clone()\ndx[:, 0] += b[:, 0]",
        "`dx = a.clone()` stands in the loop, so each round loses what the one before it changed.",
    ),
    Operator.COPY: (
        "dx = a * 1\ndx[[0, 1]][[1, 2]] = 7.5",
        "dx = a * 1\ndx[[0, 1], [1, 2]] = 7.5",
        "What is written into `dx[[0, 1]][[1, 2]]` is lost: an index with a list makes a copy.",
    ),
    Operator.EVERY_ROW: (
        "dx = a * 1\ndx[:, [0, 1, 2, 0]] -= 1",
        "dx = a * 1\ndx[range(4), [0, 1, 2, 0]] -= 1",
        "`dx[:, [0, 1, 2, 0]]` takes these entries in every row, and each row has its own.",
    ),
    Operator.INDEX: (
        "dx = a * 1\nfor i in range(n):\n    dx[i] += b[0]",
        "dx = a + b",
        "The index in `b[0]` is not the right one.",
    ),
    Operator.DONE_AGAIN: (
        "dx = a * 1\nfor i in range(n):\n    dx[i] -= 1\n    dx = dx / n",
        "dx = (a - 1) / n",
        "`dx = dx / n` is done again in each round of the loop.",
    ),
    Operator.UNSHIFTED: (
        "dx = torch.zeros(5, 3)\nfor k in range(2):\n    dx[:n] += a * (k + 1)",
        "dx = torch.zeros(5, 3)\nfor k in range(2):\n    dx[k:k + n] += a * (k + 1)",
        "`dx[:n]` is the same in every round of the loop, where it should move on.",
    ),
    Operator.RESHAPE: (
        "dx = a.view(-1) * t.sum() ** torch.arange(12.0)",
        "dx = a.T.flatten() * t.sum() ** torch.arange(12.0)",
        "The entries of `a.view(-1)` are in the wrong order: a change of shape exchanges no axes.",
    ),
    Operator.FUNCTION: ("dx = a.tanh()", "dx = a.sigmoid()", "The function in `a.tanh()` is the wrong one."),
    Operator.BRANCHES: (
        "dx = torch.where(a > 0, a * b, b.sin())",
        "dx = torch.where(a > 0, b.sin(), a * b)",
        "The two branches of `torch.where(a > 0, a * b, b.sin())` are the wrong way round.",
    ),
    Operator.PART: ("dx = a.sin() * b", "dx = a.sin() * (b - g.sum() / 7)", "`b` is not all that belongs in `a.sin() * b`."),
    Operator.ROW_SUM: (
        "dx = b * torch.exp(a * b)",
        "dx = b * torch.softmax(a * b, 1)",
        "`torch.exp(a * b)` is not divided by the sum of its row.",
    ),
    Operator.BLOCKS: (
        "dx = torch.zeros(2, 2)\nfor k in range(2):\n    dx[k] = a.flatten()[k:k + 2]",
        "dx = torch.zeros(2, 2)\nfor k in range(2):\n    dx[k] = a.flatten()[2 * k:2 * k + 2]",
        "`dx[k] = a.flatten()[k:k + 2]` begins one entry further in each round of the loop, and not a whole block.",
    ),
}


LEFT_OUT = {
    Operator.TERM: "Take `a.sin()` out: all the rest is right.",
    Operator.FACTOR: "Take `b.sin()` out: all the rest is right.",
    Operator.PART: "Look at the forward line again: what does it have together with `b`?",
    Operator.BLOCKS: "Where does block number `k` begin? Multiply `k` by the length of a block.",
    Operator.UNSHIFTED: "Where does the round of number `k` belong? Let the slice begin there.",
}
"""Changes whose next step names what is too many, or a name of the loop."""


def test_there_is_a_sentence_for_every_change() -> None:
    assert set(PLANTED) == set(SENTENCES) == set(Operator)


@pytest.mark.parametrize(("change", "wrong", "right", "sentence"), [(key, *row) for key, row in PLANTED.items()], ids=PLANTED)
def test_the_change_that_mends_a_mistake_is_found_and_its_place_quoted(
    change: Operator, wrong: str, right: str, sentence: str
) -> None:
    advice = LEFT_OUT.get(change) or ADVICE.get((change, False), ALONE)
    assert fixed(wrong, right, ("b",) if change is Operator.EXTRA else ()) == Cause(SENTENCES[change][0], sentence, advice)


@pytest.mark.parametrize(("wrong", "right"), [(wrong, right) for wrong, right, _ in PLANTED.values()], ids=PLANTED)
def test_what_would_take_two_changes_is_not_mended(wrong: str, right: str) -> None:
    assert fixed(f"{wrong}\ndx = dx.sin() + 0.123", right, ("b",)) is None


OF_AXES = {
    "of several": (
        "dx = (u - u.mean(0)) / u.std(0)",
        "dx = (u - u.mean((0, 1))) / u.std((0, 1))",
        Cause(M.AXIS, "`u.mean(0)` leaves out an axis.", SEVERAL),
    ),
    "of several, and another one": (
        "dx = (u - u.mean(0)) / u.std(0) * u.sum(2, keepdim=True)",
        "dx = (u - u.mean((0, 1))) / u.std((0, 1)) * u.sum(2, keepdim=True)",
        Cause(M.AXIS, "`u.mean(0)` leaves out an axis.", SEVERAL),
    ),
    "of several, turned": (
        "dx = a.mean(0, keepdim=True) / a.std(0, keepdim=True) + b",
        "dx = a.mean(1, keepdim=True) / a.std(1, keepdim=True) + b",
        Cause(M.AXIS, "`a.mean(0, keepdim=True)` goes along the wrong axis.", SEVERAL),
    ),
    "other axes": (
        "dx = u - u.mean((0, 1))",
        "dx = u - u.mean((0, 2))[:, None]",
        None,
    ),
    "the other two of three": (
        "dx = u.std((0, 1), keepdim=True) * u",
        "dx = u.std((1, 2), keepdim=True) * u",
        Cause(M.AXIS, "`u.std((0, 1), keepdim=True)` goes along the wrong axis.", ALONE),
    ),
    "a product that is summed": (
        "dx = (u.T @ v).sum(0)",
        "dx = (u.transpose(1, 2) @ v).sum(0)",
        Cause(M.SHAPE, PLANTED[Operator.SWAP][2], ADVICE[Operator.SWAP, False]),
    ),
    "a transpose that is missing": (
        "dx = u @ v",
        "dx = u.mT @ v",
        Cause(M.SHAPE, PLANTED[Operator.SWAP][2].replace("u.T", "u"), ADVICE[Operator.SWAP, False]),
    ),
    "the last axis of three": (
        "dx = u - u.sum(1, keepdim=True)",
        "dx = u - u.sum(-1, keepdim=True)",
        Cause(M.AXIS, "`u.sum(1, keepdim=True)` goes along the wrong axis.", ALONE),
    ),
    "one side is flat": (
        "dx = u.view(-1, 3).T @ v",
        "dx = u.view(-1, 3).T @ v.view(-1, 5)",
        Cause(
            M.SHAPE,
            "In `u.view(-1, 3).T @ v` one side has three axes, and the other two.",
            ADVICE[Operator.FLATTEN, True],
        ),
    ),
}


@pytest.mark.parametrize(("wrong", "right", "cause"), OF_AXES.values(), ids=OF_AXES)
def test_what_is_wrong_with_axes_is_named(wrong: str, right: str, cause: Cause | None) -> None:
    assert fixed(wrong, right) == cause


class TestAddingUp:
    """To add where a name was bound is a change only if the cell had given the name a value."""

    def mended(self, wrong: str, right: str) -> Cause | None:
        """The mistake, in a notebook in which adding to its own `m` or `total` happens to be right."""
        return repair(wrong, {}, lambda cell: self.value(cell) == self.value(parse_cell(right)))

    def value(self, cell: ParsedCell) -> object:
        names: dict[str, Any] = {"n": 4, "m": 4, "total": 3}
        with suppress(Exception):
            for statement in cell.statements:
                exec(statement.code, names)
            return names["dx"]
        return None

    def test_what_another_cell_has_left_is_not_added_to(self) -> None:
        assert self.mended("m = n\ndx = m", "dx = 8") is None

    def test_nor_inside_of_a_loop(self) -> None:
        source = "for k in (1, 2):\n    total = k\ndx = total"
        assert self.mended(source, "dx = 6") is None

    def test_what_the_cell_has_made_is_added_to(self) -> None:
        cause = self.mended("m = n\nm = n\ndx = m / (m - 1)", "dx = 8 / 7")
        assert cause == Cause(M.REPEATS, "`m = n` overwrites what was there where it should add.", ALONE)

    def test_a_name_of_a_function_is_its_own(self) -> None:
        source = "def f(total):\n    total = 2\n    return total\ndx = f(3)"
        cause = self.mended(source, "dx = 5")
        assert cause is not None
        assert cause.mistake is M.REPEATS


BROKEN = {
    "nothing": "",
    "a comment": "# YOUR CODE HERE",
    "the stub": "raise NotImplementedError()",
    "no Python": "dx = (a * ",
    "another language": "dx <- a %*% b",
    "a null byte": "dx = a\0",
    "a shell command": "!ls",
    "a number": "dx = 3",
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_there_is_nothing_to_mend_in(source: str) -> None:
    assert fixed(source, "dx = a / b") is None


def test_long_code_is_cut_short_and_put_on_one_line() -> None:
    terms = " + ".join(["a.exp()"] * 12)
    cause = fixed(f"dx = b.sin() - ({terms})", f"dx = b.sin() + ({terms})")
    assert cause is not None
    place = cause.sentence.split("`")[1]
    assert place == f"b.sin() - ({terms})"[:MAX_CODE] + "…"
    cause = fixed("dx = a * 0\nfor i in range(n):\n    dx = b", "dx = a * 0\nfor i in range(n):\n    dx -= b")
    assert cause is None or "\n" not in cause.sentence


class TestEffort:
    SOURCE = "dx = " + " + ".join(["a * b"] * 30)

    def tried(self, is_right: Callable[[ParsedCell], bool]) -> int:
        cells: list[ParsedCell] = []

        def counted(cell: ParsedCell) -> bool:
            cells.append(cell)
            return is_right(cell)

        assert repair(self.SOURCE, ALIKE, counted) is None
        return len(cells)

    def test_it_gives_up_after_so_many_changes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repairing, "MAX_SECONDS", 3600.0)
        monkeypatch.setattr(repairing, "MAX_CHANGES", 17)
        assert self.tried(lambda cell: False) == 17

    def test_it_gives_up_after_so_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repairing, "MAX_SECONDS", 0.2)

        def slow(cell: ParsedCell) -> bool:
            end = time.thread_time() + 0.1
            while time.thread_time() < end:
                pass
            return False

        assert 1 <= self.tried(slow) <= 3

    def test_it_stops_at_the_first_that_is_right(self) -> None:
        cells: list[ParsedCell] = []

        def third(cell: ParsedCell) -> bool:
            cells.append(cell)
            return len(cells) == 3

        assert repair(self.SOURCE, ALIKE, third) is not None
        assert len(cells) == 3


class TestAlternatives:
    TAPE = record(
        "y = (x + 1e-5) * w\nz = x @ v * 0.5\nloss = z.sum() + y.sum()",
        {"x": torch.ones(4, 3), "w": torch.ones(3), "v": torch.ones(3, 3)},
    )

    def test_they_are_all_tensors_of_the_shape_and_kind_and_then_those_of_the_line(self) -> None:
        values = {
            "dy": torch.ones(4, 3),
            "other": torch.ones(4, 3),
            "w": torch.ones(3),
            "index": torch.ones(4, 3, dtype=torch.int64),
            "n": 3,
        }
        found = alternatives(self.TAPE, "x", values)
        line = ["dy", "dz", "w", "x", "y", "v", "z"]
        assert found["dy"] == ["other", *line[1:]]
        assert found["other"] == line
        assert found["w"] == [name for name in line if name != "w"]
        assert found["index"] == line
        assert "n" not in found

    def test_factors_are_what_the_lines_read_and_constants_what_they_say(self) -> None:
        found = alternatives(self.TAPE, "x", {})
        assert (found[FACTORS], found[CONSTANTS]) == (["dy", "dz", "w", "x", "y", "v", "z"], ["0.5", "1e-05"])

    def test_parts_of_the_lines_and_tensors_in_them_are_told_apart(self) -> None:
        tape = record("y = (x + 1e-5) / count\nloss = y.sum()", {"x": torch.ones(4, 3), "count": torch.tensor([[2]])})
        found = alternatives(tape, "x", {"count": torch.tensor([[2]]), "x": torch.ones(4, 3)})
        assert found[PARTS] == ["dy", "x", "y", "count", "(x + 1e-05) / count", "x + 1e-05"]

    def test_what_comes_in_from_the_loss_has_no_name(self) -> None:
        found = alternatives(self.TAPE, "z", {})
        assert (found[FACTORS], found[CONSTANTS]) == ([], [])


class TestOfAnAnswer:
    """A repair of a cell of a notebook, run again on a case."""

    def answer(self, source: str) -> tuple[GradientAnswer, Case]:
        tape = record("y = x * w\nz = y.exp()\nloss = z.sum()", {"x": normal(0, 4, 3), "w": normal(1, 4, 3)})
        (case,) = step_cases(tape, "x", "seed", own=1, resampled=0)
        return GradientAnswer("dx", tape, parse_cell(source), NotebookWorkspace({"torch": torch, "time": time})), case

    @pytest.mark.parametrize(
        ("source", "sentence"),
        [
            ("dx = dy / w", "`dy / w` divides where it should multiply."),
            ("dx = dy * x", "`x` is not what belongs in `dy * x`."),
            ("dx = dy", "`dy` lacks a factor."),
            ("twice = 2 * dy\ndx = twice * w", "There is a factor too many in `2 * dy`."),
        ],
    )
    def test_the_forward_variables_and_what_comes_in_are_tried(self, source: str, sentence: str) -> None:
        answer, case = self.answer(source)
        cause = answer.repair(case)
        assert cause is not None
        assert cause.sentence == sentence

    def test_a_change_that_makes_the_cell_stop_mends_nothing(self) -> None:
        """The line after the right answer spoils it; to make it stop would leave the answer right."""
        answer, case = self.answer("dx = dy * w\ndx = dx[:, :2]")
        assert answer.replay(case).answer.shape == (4, 2)
        cause = answer.repair(case)
        assert cause is None or cause.mistake is not M.REPEATS

    def test_a_slow_cell_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repairing, "MAX_SECONDS", 0.3)
        answer, case = self.answer("time.sleep(0.1)\ndx = " + " + ".join(["dy.sin()"] * 20))
        start = time.monotonic()
        assert answer.repair(case) is None
        assert time.monotonic() - start < 30

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize(
        "source",
        [
            "dx = torch.zeros_like(x)\nk = 0\nwhile k < 4:\n    dx[k] = dy[k].sin() * 3\n    k += 1",
            "dx = torch.zeros_like(x)\nk = 0\nwhile True:\n    if k == 4:\n        break\n    dx[k] = 3 * dy[k]\n    k = k + 1",
        ],
        ids=["counted", "left by a break"],
    )
    def test_a_change_that_never_ends_is_given_up(self, source: str) -> None:
        answer, case = self.answer(source)
        assert answer.replay(case).error is None
        assert answer.repair(case) is None

    def test_a_repair_leaves_the_notebook_as_it_is(self) -> None:
        answer, case = self.answer("dx = dy / w\ncounter.append(1)")
        counter: list[int] = []
        names = {"torch": torch, "counter": counter, "w": torch.zeros(1)}
        before = {name: value.clone() for name, value in case.incoming.items()}
        assert GradientAnswer("dx", answer.tape, answer.cell, NotebookWorkspace(names)).repair(case) is not None
        assert (counter, float(names["w"])) == ([], 0.0)  # type: ignore[arg-type]
        assert all(case.incoming[name].equal(value) for name, value in before.items())


def test_a_cell_that_stops_is_told_what_would_mend_it() -> None:
    here = Lesson("1-every-gradient")
    verdict = here.answer("dW2", "dW2 = h @ dlogits")
    assert verdict.outcome is Outcome.COULD_NOT_TELL
    sizes = "`h` is (32, 64) and `dlogits` is (32, 27): the inner sizes have to be equal. `dW2` has to be (64, 27)."
    assert verdict.diagnosis == f"The cell for `dW2` stopped in line 1, `dW2 = h @ dlogits`. {sizes}"
    advice = "Which of them needs `.T`, or should the two change places? Then run the cell again."
    assert (verdict.next_step, verdict.mistake) == (advice, M.SHAPE)
