"""Where an answer is wrong, in a sentence and in digits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autograder.judge.comparison import FINEST, heat_of, whereabouts


def mask(*shape: int, at: object) -> Tensor:
    wrong = torch.zeros(shape, dtype=torch.bool)
    wrong[at] = True  # type: ignore[index]
    return wrong


SENTENCES = {
    "the only entry": (mask(1, 1, at=0), ""),
    "a number": (torch.tensor(True), ""),
    "all": (torch.ones(4, 3, dtype=torch.bool), "Wrong in every entry."),
    "a row": (mask(4, 3, at=2), "Wrong in all of row 2."),
    "rows": (mask(4, 3, at=[0, 2]), "Wrong in all of rows 0, 2."),
    "three rows": (mask(9, 3, at=[0, 2, 5]), "Wrong in all of rows 0, 2, 5."),
    "many rows": (mask(9, 3, at=[0, 2, 5, 7]), "Wrong in all of rows 0, 2, 5 and 1 more."),
    "columns": (mask(4, 3, at=(slice(None), [0, 2])), "Wrong in all of columns 0, 2."),
    "one entry": (mask(4, 3, at=(1, 2)), "Wrong in 1 of 12 entries."),
    "one of each row": (mask(4, 3, at=(range(4), [0, 2, 1, 1])), "Wrong in one entry of each row."),
    "one of each column": (mask(4, 3, at=([0, 2, 1], range(3))), "Wrong in one entry of each column."),
    "two of each row": (mask(4, 3, at=(range(4), [0, 2, 1, 1])).logical_not(), "Wrong in 8 of 12 entries."),
    "one axis": (mask(5, at=[1, 2]), "Wrong in 2 of 5 entries."),
    "one of one axis": (mask(5, at=0), "Wrong in 1 of 5 entries."),
    "a slice": (mask(4, 3, 2, at=1), "Wrong in all of row 1."),
    "a slice along axis 1": (mask(4, 3, 2, at=(slice(None), 1)), "Wrong in all of column 1."),
    "a slice along axis 2": (mask(4, 3, 5, at=(..., 1)), "Wrong in 12 of 60 entries."),
    "a flat row": (mask(1, 5, at=(0, [1, 3])), "Wrong in all of columns 1, 3."),
    "a flat column": (mask(5, 1, at=([1, 3], 0)), "Wrong in all of rows 1, 3."),
}


@pytest.mark.parametrize(("wrong", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_the_sentence_says_which_entries_are_wrong(wrong: Tensor, sentence: str) -> None:
    assert whereabouts(wrong) == sentence


def test_a_whole_column_is_not_called_one_entry_of_each_row() -> None:
    assert whereabouts(mask(4, 3, at=(slice(None), 1))) == "Wrong in all of column 1."


PICTURES = {
    "right": (torch.zeros(2, 3), ("000", "000")),
    "rounding": (torch.tensor([[1.0, 0.5]]), ("00",)),
    "levels": (torch.tensor([[0.0, 1.1, 10.0, 50.0, 90.0]]), ("01159",)),
    "rows": (torch.tensor([[2.0, 0.0], [0.0, 1.0]]), ("90", "00")),
    "one axis": (torch.tensor([2.0, 0.0, 2.0]), ("909",)),
    "three axes": (torch.tensor([[[2.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]]]), ("9000", "0009")),
    "a number": (torch.tensor(5.0), ()),
    "nothing": (torch.zeros(0, 3), ()),
    "no columns": (torch.zeros(3, 0), ()),
    "hardly anything beside a lot": (torch.tensor([[1.1, 1e9]]), ("19",)),
}


@pytest.mark.parametrize(("off", "picture"), PICTURES.values(), ids=PICTURES)
def test_the_picture_has_a_digit_for_each_entry(off: Tensor, picture: tuple[str, ...]) -> None:
    assert heat_of(off) == picture


@pytest.mark.parametrize("value", [float("inf"), 1e308, 3e307])
def test_an_entry_that_is_off_beyond_all_numbers_is_a_nine(value: float) -> None:
    assert heat_of(torch.tensor([[0.0, value]], dtype=torch.float64)) == ("09",)


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (200, 27), (1, 1000), (1000,), (129, 7, 11)])
def test_one_wrong_entry_is_seen_in_a_picture_of_any_size(shape: tuple[int, ...]) -> None:
    off = torch.zeros(shape)
    off[tuple(size // 2 for size in shape)] = 3
    picture = heat_of(off)
    assert len(picture) <= FINEST and {len(row) for row in picture} == {
        min(FINEST, off[0].numel() if off.dim() > 1 else len(off))
    }
    assert "9" in "".join(picture)


SHAPES = st.lists(st.integers(0, 90), max_size=3).map(tuple).filter(lambda shape: torch.Size(shape).numel() < 20_000)


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.integers(0, 99), st.sampled_from([0.0, 0.3, 1.0, 2.0, 1e6, 1e290]))
def test_a_picture_is_made_of_digits_and_has_a_nine_if_anything_is_wrong(
    shape: tuple[int, ...], seed: int, scale: float
) -> None:
    off = scale * torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    picture = heat_of(off)
    digits = "".join(picture)
    assert set(digits) <= set("0123456789")
    assert len(picture) <= FINEST and len({len(row) for row in picture}) <= 1 and all(len(row) <= FINEST for row in picture)
    assert ("9" in digits) == bool((off > 1).any() and off.dim())
    if off.dim() in {1, 2} and off.numel() and max(off.shape) <= FINEST:
        assert [digit != "0" for digit in digits] == (off > 1).flatten().tolist()


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.integers(0, 99), st.floats(0, 1))
def test_there_is_a_sentence_for_any_wrong_entries(shape: tuple[int, ...], seed: int, share: float) -> None:
    wrong = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) <= share
    if bool(wrong.any()):
        sentence = whereabouts(wrong)
        assert (sentence == "") == (wrong.numel() == 1)
        assert (sentence == "Wrong in every entry.") == (wrong.numel() > 1 and bool(wrong.all()))
