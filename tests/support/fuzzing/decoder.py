"""Fuzzes the decoder of messages: what it takes is a message that can be sent again, and all else is a documented error."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from autograder.examiner import codec
from autograder.examiner.channel import Channel
from autograder.examiner.codec import Closed, Late, Malformed, TooLarge, decode, encode
from tests.support.fuzzing.conversation import FRAMES, Frame, frames, packed
from tests.support.fuzzing.cost import Cost
from tests.support.fuzzing.trees import CUTS, Cut, cut, edited, edits

LARGEST = 2**26
COST = Cost(seconds=1.0, seconds_per_byte=1e-4, memory=2**20, memory_per_byte=400)

MESSAGES: list[dict[str, Any]] = [
    {"t": [torch.arange(3.0), torch.tensor([1j]), torch.ones(2, dtype=torch.bool), np.array([1, 2]), np.float32(1), b"abc"]},
    {"d": {(1, "a"): {1.5, None}, "f": torch.Size([2]), "s": slice(1, 2)}, "\ud83d": frozenset({("a", 2**70)})},
    {"x": [1 + 2j, range(3), float("inf"), torch.float32, "y" * 2000, ..., torch.device("cpu"), np.bool_(True)]},
    {"one": (one := [1, {}]), "again": [one, one, {"deep": one}], "halves": ["\ud83d", "\ude00" * 2000]},
    {name: torch.zeros(2, 3).to(dtype) for name, dtype in codec.TORCH.items()},
    {name: np.ones((2, 1), dtype) for name, dtype in codec.NUMPY.items()},
]
SEEDS: list[Frame] = [*(encode(message, LARGEST) for message in MESSAGES), *frames(FRAMES.read_bytes())]
"""Real messages: some with all that a message can have, and those of an exam."""

WORDS = [
    *codec.READERS,
    *codec.STORED,
    *{*codec.STORED.values()},
    *codec.DTYPES,
    *codec.SPECIAL,
    "cpu",
    "meta",
    "0",
    "1",
    "told",
    "ask",
]
NUMBERS = [-1, 0, 1, 2, 3, 7, 2**31, 2**63, 2**64, -(2**63), 10**4200, 10**4250, 1.0, 1e308, 1.5, True, "\ud800", "\0"]
VALUES = [*WORDS, *NUMBERS, *([word] for word in codec.READERS), ["same", 0], ["tensor", "0", "float32"], ["opaque", ["dict"]]]

EDITS = edits(VALUES)
LENGTHS = st.integers(0, 300) | st.sampled_from([2**32, 2**62, 2**63, 2**64 - 1])


@st.composite
def changed_frames(draw: st.DrawFn) -> Frame:
    """A real message with changes to its nodes or to the index of its blob, and now and then to the bytes of both."""
    what = draw(st.integers(0, 9))
    if not what:
        return draw(st.binary(max_size=200)), draw(st.binary(max_size=200))
    text, blob = draw(st.sampled_from(SEEDS))
    if what < 8:
        text = json.dumps(edited(json.loads(text), draw(EDITS))).encode()
    if blob and what > 5:
        size = int.from_bytes(blob[:8], "little")
        index = json.dumps(edited(json.loads(blob[8 : 8 + size]), draw(EDITS))).encode()
        length = draw(LENGTHS) if what == 9 else len(index)
        blob = length.to_bytes(8, "little") + index + blob[8 + size :]
    return (cut(text, draw(CUTS)), cut(blob, draw(CUTS))) if what in (1, 8) else (text, blob)


KEYS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False)
KEYS |= st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20)
PLAIN = (
    KEYS
    | st.floats()
    | st.complex_numbers()
    | st.binary()
    | st.sampled_from([torch.float16, torch.Size([2]), ..., slice(1, 2), range(4)])
    | st.lists(st.floats(width=32), max_size=5).map(lambda values: torch.tensor(values, dtype=torch.float32))
    | st.lists(st.integers(-5, 5), max_size=5).map(lambda values: np.array(values, dtype=np.int16))
)
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(KEYS | st.tuples(KEYS, KEYS), inner, max_size=5)
        | st.sets(KEYS, max_size=5)
        | st.frozensets(KEYS, max_size=5)
    ),
    max_leaves=25,
)
"""Any value that crosses."""

EXAMPLES = st.tuples(changed_frames(), st.none() | st.tuples(CUTS, st.none() | LENGTHS))
EXAMPLES |= NESTED.map(lambda value: {"value": value})
Example = tuple[Frame, tuple[list[Cut], int | None] | None] | dict[str, Any]
"""A changed message, and how the bytes and the length of its frame are changed; or a message as it is sent."""


class Opaque:
    """Stands for a value that is no data, by its description."""

    def __init__(self, description: dict[Any, Any]) -> None:
        self.description = description


def check(example: Example) -> None:
    """Decodes one message alone, and as it comes over a connection."""
    if isinstance(example, dict):
        crosses_again(example)
        return
    (text, blob), of_frame = example
    message = None
    with COST.bounded(len(text) + len(blob)), suppress(Malformed, TooLarge, Late):
        message = decode(text, blob, Opaque, time.monotonic() + 60)
    if message is not None:
        crosses_again(message)
    changes, length = of_frame or ([], None)
    frame = cut(packed((text, blob)), changes)
    arrives_or_not(frame if length is None else length.to_bytes(8, "big") + frame[8:])


def crosses_again(message: dict[str, Any]) -> None:
    """A message that was taken can be sent, and is the same then."""
    assert type(message) is dict and all(type(key) is str for key in message)
    try:
        text, blob = encode(message, LARGEST, lambda value: value.description if isinstance(value, Opaque) else _unsent(value))
    except TooLarge:
        return
    assert form(decode(text, blob, Opaque)) == form(message)


def _unsent(value: object) -> dict[Any, Any]:
    raise AssertionError(f"what came cannot be sent: {value!r}")


def arrives_or_not(frame: bytes) -> None:
    """What comes over a connection, which is closed behind it, is messages up to the first that is none."""
    bare, other = socket.socketpair()
    with bare, other:
        bare.setblocking(False)
        bare.send(frame)
        bare.shutdown(socket.SHUT_WR)
        channel = Channel(other, LARGEST, None, Opaque)
        with suppress(Malformed, TooLarge, Late, Closed):
            while True:
                assert type(channel.receive(time.monotonic() + 60)) is dict


def form(value: Any) -> str:
    """A digest of all that there is to know of a value, of each type that crosses."""
    match value:
        case Tensor():
            parts = [str(value.dtype), str([*value.shape]), str(value.flatten().view(torch.uint8).tolist())]
        case np.ndarray() | np.generic():
            parts = [str(value.dtype), str(value.shape), str(value.tobytes())]
        case Opaque():
            parts = [form(value.description)]
        case list() | tuple():
            parts = [*map(form, value)]
        case set() | frozenset():
            parts = sorted(map(form, value))
        case dict():
            parts = [form(each) for pair in value.items() for each in pair]
        case slice():
            parts = [*map(form, (value.start, value.stop, value.step))]
        case complex():
            parts = [form(value.real), form(value.imag)]
        case _:
            parts = [repr(value)]
    return hashlib.sha256(ascii([type(value).__name__, *parts]).encode()).hexdigest()
