"""What is said about the rounding of a right answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from autograder.judge.comparison import units_off
from autograder.judge.kinds.gradient import rounding
from autograder.tape.cases import Reference
from autograder.verdict import FUSED
from tests.support.lesson import Lesson

SAME = "Equal to autograd's answer in every bit."
OTHER = "Same maths, other rounding: at most {} ULP (units in the last place of the largest entry) from autograd's."

LARGEST = 5.0
TRUE = torch.tensor([[0.001, -1.0], [LARGEST, 0.25]])
UP = torch.tensor(float("inf"))


def units(answer: Tensor, true: Tensor = TRUE) -> int:
    return units_off(answer, Reference(true.double(), true))


def changed(place: tuple[int, int], value: Tensor) -> Tensor:
    other = TRUE.clone()
    other[place] = value
    return other


UNITS = {
    "the same": (TRUE.clone(), 0),
    "the same in float64": (TRUE.double(), 0),
    "float64 that rounds to the same": (TRUE.double() * (1 + 1e-9), 0),
    "the largest entry a bit up": (changed((1, 0), torch.nextafter(TRUE[1, 0], UP)), 1),
    "the largest entry a bit down": (changed((1, 0), torch.nextafter(TRUE[1, 0], -UP)), 1),
    "the largest entry two bits up": (changed((1, 0), torch.nextafter(torch.nextafter(TRUE[1, 0], UP), UP)), 2),
    "a small entry a bit up": (changed((0, 0), torch.nextafter(TRUE[0, 0], UP)), 1),
    "a small entry by a bit of the largest": (changed((0, 0), TRUE[0, 0] + 2**-21), 1),
    "a small entry by ten": (changed((0, 1), TRUE[0, 1] + 10 * 2**-21), 10),
    "float64 that is off by three halves": (TRUE.double() + 1.5 * 2**-21, 2),
}


@pytest.mark.parametrize(("answer", "expected"), UNITS.values(), ids=UNITS.keys())
def test_the_distance_is_in_units_of_the_largest_entry(answer: Tensor, expected: int) -> None:
    assert units(answer) == expected


@pytest.mark.parametrize("size", [0.75, 1.0, 1.5, 2.0, 1e-30, 1e30, 2.0**-126])
def test_a_unit_is_the_spacing_of_floats_at_any_size(size: float) -> None:
    true = torch.tensor([size])
    assert units(torch.nextafter(true, UP), true) == 1


@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 0)], ids=str)
def test_zeros_and_nothing_are_equal_to_themselves(shape: tuple[int, ...]) -> None:
    assert units(torch.zeros(shape), torch.zeros(shape)) == 0
    assert units(-torch.zeros(shape).double(), torch.zeros(shape)) == 0


def test_what_is_not_zero_is_far_from_zeros() -> None:
    assert units(torch.tensor([1e-30]), torch.zeros(1)) > 1000


def test_the_distance_is_to_what_autograd_gives_and_not_to_the_truth() -> None:
    exact = torch.tensor([1 / 3], dtype=torch.float64)
    assert units_off(exact, Reference(exact, exact.float())) == 0
    assert units_off(exact, Reference(exact, torch.nextafter(exact.float(), UP))) > 0


@pytest.mark.parametrize(("count", "text"), [(0, SAME), (1, OTHER.format(1)), (12, OTHER.format(12))])
def test_the_words(count: int, text: str) -> None:
    assert rounding(count) == text


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    """A solved notebook in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Lesson("1-every-gradient")


def noted(lesson: Lesson, call: str) -> list[str]:
    """The remarks under a right verdict."""
    result, shown = lesson.run(call)
    assert result.success
    (output,) = shown.outputs
    return [line.removeprefix("  note: ") for line in output.data["text/plain"].splitlines()[1:]]


def rounds_otherwise(monkeypatch: pytest.MonkeyPatch, count: int = 3) -> None:
    """As on another processor."""
    monkeypatch.setattr("autograder.judge.kinds.gradient.units_off", lambda *_: count)


def test_an_answer_that_does_as_autograd_is_equal_in_every_bit(here: Lesson) -> None:
    here.run("dnorm_logits = counts * dcounts")
    assert noted(here, 'check("dnorm_logits")') == [SAME]


def test_an_answer_that_is_a_bit_off_is_the_same_maths(here: Lesson) -> None:
    here.run("dnorm_logits = torch.nextafter(counts * dcounts, torch.tensor(float('inf')))")
    first, *_ = noted(here, 'check("dnorm_logits")')
    assert first == f"{OTHER.format(1)} {FUSED}"


def test_other_rows_of_the_batch_do_not_count(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("autograder.judge.kinds.gradient.units_off", lambda answer, _: seen.append(len(answer)) or 0)
    noted(here, 'check("dprobs")')
    assert seen == [32]


def test_it_is_said_of_one_answer_only(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds_otherwise(monkeypatch)
    assert noted(here, 'check("dprobs")') == [f"{OTHER.format(3)} {FUSED}"]
    assert noted(here, 'check("dcounts")') == []
    rounds_otherwise(monkeypatch, 4)
    assert noted(here, 'check("dcounts_sum")') == []
    assert noted(here, 'check("dprobs")') == [f"{OTHER.format(4)} {FUSED}"]  # or the notebook would have it no more


def test_that_an_answer_is_equal_in_every_bit_is_said_of_one_only(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds_otherwise(monkeypatch, 0)
    assert noted(here, 'check("dprobs")') == [SAME]
    assert noted(here, 'check("dcounts")') == []
    rounds_otherwise(monkeypatch)
    assert noted(here, 'check("dcounts")') == [f"{OTHER.format(3)} {FUSED}"]


def test_why_is_said_in_each_notebook(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds_otherwise(monkeypatch)
    assert FUSED in noted(here, 'check("dprobs")')[0]
    other = Lesson("2-cross-entropy")
    assert noted(other, 'check("dlogits")') == [f"{OTHER.format(3)} {FUSED}"]
    assert noted(here, 'check("dcounts")') == []


def test_why_is_not_said_where_nothing_is_off(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds_otherwise(monkeypatch, 0)
    assert noted(here, 'check("dprobs")') == [SAME]
    rounds_otherwise(monkeypatch, 2)
    assert noted(here, 'check("dprobs")') == [f"{OTHER.format(2)} {FUSED}"]


def test_why_is_said_of_a_function_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rounds_otherwise(monkeypatch)
    lesson = Lesson("4-train")
    assert noted(lesson, 'check("dW2", by="backward")') == [f"{OTHER.format(3)} {FUSED}"]
    assert noted(lesson, 'check("dC", by="backward")') == []


def test_a_map_that_shows_no_remarks_does_not_use_it_up(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds_otherwise(monkeypatch)
    here.run("progress()")
    assert noted(here, 'check("dprobs")') == [f"{OTHER.format(3)} {FUSED}"]


def test_other_remarks_come_after_it(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds_otherwise(monkeypatch)
    here.run("dhprebn = dbndiff\ndhprebn += dbnmeani / n")
    remarks = noted(here, 'check("dhprebn")')
    assert remarks[:1] == [f"{OTHER.format(3)} {FUSED}"]
    assert "changes `dbndiff` in place" in remarks[1]
