"""What a message may hold: the kinds of values, how each is put together again, the limits, and the errors.

Nothing here calls what the bytes name: each name is looked up in a table.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from autograder.errors import AutograderError

PARTS, DEPTH = 2**20, 64
"""A message has at most so many values, nested so deep."""

INLINE = 1024
"""A string with more characters goes into the blob."""

INDEX = 2**22
"""The blob's own header has at most so many bytes: to read it takes some ten times that memory."""

BITS, DIGITS = 14_000, 4_000
"""The longest integer and decimal, and the largest exponent: Python's own limit is 4300 digits."""


class WireError(AutograderError):
    """A message did not cross."""


class Closed(WireError):
    """The other side is gone."""


class Late(WireError):
    """The deadline passed. What was sent or received so far is kept: the next call goes on from there."""


class Malformed(WireError):
    """What came is no message."""


class TooLarge(WireError):
    """A message has too many bytes or too many values."""


class Unsendable(WireError):
    """A value is not data."""


STORED = {
    **{"bool": "BOOL", "float16": "F16", "float32": "F32", "float64": "F64", "bfloat16": "BF16"},
    **{f"{kind}{bits}": f"{kind[0].upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{"float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"},
    **dict.fromkeys(("float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"), "U8"),  # not known to each safetensors
    **{"complex64": "F32", "complex128": "F64", "str": "U32"},
}
"""How the blob holds each dtype. A complex number is two, a string of an array its code points: one more axis."""

TORCH: dict[str, torch.dtype] = {name: getattr(torch, name) for name in STORED if hasattr(torch, name)}
NAMES = {dtype: name for name, dtype in TORCH.items()}
CARRIERS = {name: "int16" if name == "bfloat16" else "uint8" for name in TORCH if name.startswith(("bfloat", "float8"))}
"""What a dtype that numpy does not have is seen as."""

NUMPY = {name: np.dtype(name) for name in STORED if name in np.sctypeDict and name != "str"}
SCALARS = {kind: name for kind in set(np.sctypeDict.values()) if (name := np.dtype(kind).name) in NUMPY}
DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
LISTED: dict[type[Any], str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
MAPPED = (dict, OrderedDict, defaultdict, Counter)


def _decimal(text: str) -> Decimal:
    value = Decimal(text if len(text) < 2 * DIGITS else "sNaN")
    _, digits, exponent = value.as_tuple()
    if value.is_snan() or len(digits) > DIGITS or (isinstance(exponent, int) and abs(exponent) > DIGITS):
        raise ValueError("a decimal is too long, or compares with nothing")
    return value


def _size(*parts: int) -> torch.Size:
    if any(not -(2**63) <= part < 2**63 for part in parts):
        raise ValueError("a size beyond any tensor's")
    return torch.Size(parts)


class Atom(NamedTuple):
    """Values of one type, taken apart into parts of one type and put together again."""

    kind: type[Any]
    part: type[Any]
    parts: Callable[[Any], tuple[Any, ...]]
    build: Callable[..., Any]


SPECIAL = {repr(value): value for value in (math.inf, -math.inf, math.nan)}
ATOMS = {
    "float": Atom(float, str, lambda v: (repr(v),), SPECIAL.__getitem__),
    "complex": Atom(complex, float, lambda v: (v.real, v.imag), complex),
    "fraction": Atom(Fraction, int, lambda v: (v.numerator, v.denominator), Fraction),
    "decimal": Atom(Decimal, str, lambda v: (str(v),), _decimal),
    "datetime": Atom(datetime, str, lambda v: (v.isoformat(),), datetime.fromisoformat),
    "date": Atom(date, str, lambda v: (v.isoformat(),), date.fromisoformat),
    "timedelta": Atom(timedelta, int, lambda v: (v.days, v.seconds, v.microseconds), timedelta),
    "range": Atom(range, int, lambda v: (v.start, v.stop, v.step), range),
    "slice": Atom(slice, object, lambda v: (v.start, v.stop, v.step), slice),
    "ellipsis": Atom(type(...), object, lambda v: (), lambda: ...),
    "size": Atom(torch.Size, int, tuple, _size),
    "dtype": Atom(torch.dtype, str, lambda v: (str(v),), DTYPES.__getitem__),
    "device": Atom(torch.device, str, lambda v: (str(v),), {"cpu": torch.device("cpu")}.__getitem__),
    "numpy.str": Atom(np.str_, str, lambda v: (str(v),), np.str_),
}
ATOM_OF: dict[type[Any], str] = {atom.kind: tag for tag, atom in ATOMS.items()}


def _seen(name: str, shape: list[int], data: bytearray) -> np.ndarray[Any, Any]:
    if name == "bool":  # a byte that is neither 0 nor 1 would be neither true nor false
        return np.ndarray(shape, np.uint8, buffer=data).astype(bool)
    return np.ndarray(shape, NUMPY[name], buffer=data)


def tensor_of(name: str, shape: list[int], data: bytearray) -> Tensor:
    """A tensor in memory of its own, aligned as torch does it: sums may differ in the last bit otherwise."""
    if name in CARRIERS:
        return torch.from_numpy(_seen(CARRIERS[name], shape, data)).view(TORCH[name]).clone()
    return torch.from_numpy(_seen(name, shape, data)).clone()


def array_of(name: str, shape: list[int], data: bytearray) -> np.ndarray[Any, Any]:
    """An array in memory of its own."""
    if name != "str":
        return _seen(name, shape, data).copy()
    points = np.ndarray(shape, np.uint32, buffer=data)
    if not shape[-1] or (points > 0x10FFFF).any() or (points // 0x800 == 0x1B).any():
        raise ValueError("an array of strings holds what is no character")
    return np.ndarray(shape[:-1], f"U{shape[-1]}", buffer=data).copy()


def text_of(name: str, shape: list[int], data: bytearray) -> str:
    return str(data, "utf-8")


def bytes_of(name: str, shape: list[int], data: bytearray) -> bytes:
    return bytes(data)


BLOBS: dict[str, Callable[[str, list[int], bytearray], Any]] = {
    "tensor": tensor_of,
    "array": array_of,
    "text": text_of,
    "bytes": bytes_of,
}
"""What lies in the blob: from the name of its dtype, its shape and its bytes."""


def from_blob(kind: str, name: str, entry: dict[str, Any]) -> Any:
    """A value of this kind and dtype from what safetensors read."""
    shape, data = entry["shape"], entry["data"]
    if entry["dtype"] != STORED[name]:
        raise ValueError(f"the blob holds {entry['dtype']} for {name}")
    if name.startswith("complex"):
        *shape, two = shape
        if two != 2:
            raise ValueError("a complex number is not two")
    return BLOBS[kind](name, shape, data)


def scalar_of(name: str, digits: str) -> Any:
    """A scalar of numpy."""
    data = bytearray.fromhex(digits)
    if len(data) != NUMPY[name].itemsize:
        raise ValueError("a scalar of another length")
    return array_of(name, [], data)[()]


def marks(text: bytes | bytearray) -> int:
    """At least the number of values in the text: to be known before any of them is made."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")
