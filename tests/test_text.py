"""Text that any file takes, whatever halves of characters are in it, and JSON of whatever a room sends."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.text import MAX_JSON_DEPTH, NO_DATA, json_data, writable


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\ud83d", "�"),
        ("a\ud83db", "a�b"),
        ("\ude00é", "�é"),
        ("\ud83d\ude00", "😀"),
        ("\ud83d\ud83d\ude00\udcff", "�😀�"),
        ("\ude00\ud83d", "��"),
        ("a\0\r\x1b\u2028é😀", "a\0\r\x1b\u2028é😀"),
    ],
)
def test_half_a_character_is_shown_as_a_browser_shows_it(text: str, written: str) -> None:
    assert writable(text) == written


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
def test_any_text_can_be_written_and_what_could_be_is_as_it_was(text: str) -> None:
    written = writable(text)
    assert written.encode().decode() == written == writable(written)
    if not any("\ud800" <= each <= "\udfff" for each in text):
        assert written is text


class Strange:
    """Has no text, and is nothing that anybody may ask."""

    def answer(self, *_: object) -> NoReturn:
        raise AssertionError("it was asked")

    __str__ = __repr__ = __iter__ = __len__ = __eq__ = __bool__ = __getitem__ = __format__ = answer
    __hash__ = object.__hash__


class Text(str):
    __str__ = Strange.answer


DEEP: Any = 1
for _ in range(60):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Strange(), NO_DATA),
        ({"a": [Strange(), 1], Strange(): 2}, {"a": [NO_DATA, 1], NO_DATA: 2}),
        (Text("a"), NO_DATA),
        (b"a", NO_DATA),
        ({1, 2}, NO_DATA),
        ((1, (2,)), [1, [2]]),
        (
            {1: 1, None: 2, False: 3, 1.5: 4, math.inf: 5, (1,): 6},
            {"1": 1, "null": 2, "false": 3, "1.5": 4, "inf": 5, NO_DATA: 6},
        ),
        ([math.nan, -math.inf, 2.5], ["nan", "-inf", 2.5]),
        (10**5000, NO_DATA),
        (10**4000, 10**4000),
        ({"\ud83d": "\ud83d\ude00"}, {"�": "😀"}),
    ],
    ids=range(11),
)
def test_what_json_does_not_have_is_a_word_and_is_not_asked(value: Any, shown: Any) -> None:
    found = json_data(value)
    assert found == shown
    assert json.loads(json.dumps(found, ensure_ascii=False, allow_nan=False).encode()) == found


def test_what_is_nested_deeply_is_cut() -> None:
    assert json.dumps(json_data(DEEP)).count("[") == MAX_JSON_DEPTH + 1  # one of the word
