"""A message as bytes: never code, never pickle.

The text is JSON: `None`, truth values, numbers and strings stand for themselves, all else is an array that begins with its
kind. There are no JSON objects. The blob, safetensors, holds what is long: tensors, arrays, bytes, long strings.

Types count exactly: what derives from them is not data. But a parameter arrives as a tensor, an `OrderedDict`, `defaultdict` or
`Counter` as a dict, and a time zone as its offset. A tensor arrives contiguous, without its graph. A tensor, array, list, dict
or set that occurs twice in a message is one object there too.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from autograder.message import (
    ATOM_OF,
    ATOMS,
    BITS,
    CARRIERS,
    DEPTH,
    INDEX,
    INLINE,
    LISTED,
    MAPPED,
    NAMES,
    NUMPY,
    PARTS,
    SCALARS,
    STORED,
    TORCH,
    TooLarge,
    Unsendable,
    marks,
)

JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


def encode(
    message: Mapping[str, Any], largest: int, opaque: Callable[[object], dict[Any, Any]] | None = None
) -> tuple[bytes, bytes]:
    """The text of a message, and its blob; raises Unsendable and TooLarge (more than `largest` bytes)."""
    writer = _Writer(largest, opaque)
    text = JSON.encode(writer.node(dict(message), ())).encode()
    index = JSON.encode(writer.index).encode()
    writer.count(0, len(text) + len(index))
    if len(index) > INDEX or marks(text) > 2 * PARTS:
        raise TooLarge("a message of that many lists, tensors or commas cannot be sent. Send less, or one tensor for many.")
    # by hand: `safetensors.torch.save` takes half a millisecond for 14 tensors, and what lies below it is not stable
    return text, b"".join([len(index).to_bytes(8, "little"), index, *writer.buffers]) if writer.index else b""


class _Writer:
    def __init__(self, largest: int, opaque: Callable[[object], dict[Any, Any]] | None) -> None:
        self.largest, self.opaque = largest, opaque
        self.parts = self.size = self.end = 0
        self.index: dict[str, dict[str, Any]] = {}
        self.buffers: list[Any] = []
        self.known: dict[int, list[str]] = {}  # what lies in the blob, by identity
        self.shared: dict[int, tuple[int, int]] = {}  # number and parts of each mutable container
        self.kept: list[object] = []  # so that no identity is given twice

    def count(self, parts: int, size: int = 0) -> None:
        self.parts, self.size = self.parts + parts, self.size + size
        if self.parts > PARTS or self.size > self.largest:
            seen = f"{self.size:,} bytes" if self.size > self.largest else f"over {PARTS:,} values"
            raise TooLarge(f"a message of {seen} cannot be sent: {self.largest:,} bytes and {PARTS:,} values can. Send less.")

    def node(self, value: Any, where: tuple[Any, ...]) -> Any:
        self.count(1)
        kind = type(value)
        if value is None or kind is bool or (kind is float and math.isfinite(value)):
            return value
        if id(value) in self.known:
            return self.known[id(value)]
        if len(where) > DEPTH:
            self.refuse(f"what is nested more than {DEPTH} deep", where)
        if kind in LISTED or kind in MAPPED:
            return self.container(value, where)
        node: Any = None
        if kind is int:
            node = value if value.bit_length() <= BITS else None
        elif kind is str:
            node = self.text(value)
        elif kind is bytes:
            node = self.leaf(value, "bytes", "uint8", np.frombuffer(value, np.uint8))
        elif kind is Tensor or kind is torch.nn.Parameter:
            node = self.tensor(value)
        elif kind is np.ndarray:
            node = self.array(value)
        elif kind in SCALARS:
            node = ["scalar", SCALARS[kind], value.tobytes().hex()]
        elif kind in ATOM_OF:
            node = self.atom(ATOM_OF[kind], value, where)
        if node is not None:
            return node
        if self.opaque is None:
            self.refuse(f"a value of type `{kind.__qualname__}`", where)
        return ["opaque", self.node(self.opaque(value), (*where, "opaque"))]

    def refuse(self, what: str, where: tuple[Any, ...]) -> NoReturn:
        place = "".join(f"[{reprlib.repr(step)}]" for step in where[:8]) + "…" * (len(where) > 8)
        raise Unsendable(f"{what} cannot be sent, seen at message{place}: only data can. Send tensors, numbers, text, lists.")

    def text(self, value: str) -> Any:
        try:
            data = value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair
            return None
        return value if len(value) <= INLINE else self.leaf(value, "text", "uint8", np.frombuffer(data, np.uint8))

    def container(self, value: Any, where: tuple[Any, ...]) -> list[Any]:
        mutable = type(value) not in (tuple, frozenset)
        if mutable and id(value) in self.shared:
            number, parts = self.shared[id(value)]
            if not parts:
                self.refuse("a container that contains itself", where)
            self.count(parts)  # as often as it is read
            return ["same", number]
        before, number = self.parts, len(self.shared)
        if mutable:
            self.kept.append(value)
            self.shared[id(value)] = number, 0
        if type(value) in MAPPED:
            node = ["dict"]
            for key, item in list(value.items()):
                node += self.node(key, (*where, key)), self.node(item, (*where, key))
        else:
            node = [LISTED[type(value)], *(self.node(item, (*where, place)) for place, item in enumerate(list(value)))]
        if mutable:
            self.shared[id(value)] = number, self.parts - before + 1
        return node

    def atom(self, tag: str, value: Any, where: tuple[Any, ...]) -> list[Any] | None:
        parts = ATOMS[tag].parts(value)
        try:
            ATOMS[tag].build(*parts)
        except (ValueError, LookupError):
            return None
        return [tag, *(self.node(part, (*where, tag)) for part in parts)]

    def tensor(self, value: Tensor) -> list[str] | None:
        name = NAMES.get(value.dtype)
        if name is None or value.layout is not torch.strided or value.device.type != "cpu":
            return None
        try:
            plain = value.detach().view(TORCH[CARRIERS[name]]) if name in CARRIERS else value
            data = plain.numpy(force=True)
        except (RuntimeError, TypeError, ValueError):  # without memory of its own, as inside of `vmap`; or of 65 axes
            return None
        return self.leaf(value, "tensor", name, data)

    def array(self, value: np.ndarray[Any, Any]) -> list[str] | None:
        if value.dtype.kind == "U":
            return self.leaf(value, "array", "str", value) if value.dtype.isnative and value.itemsize else None
        name = value.dtype.name
        return self.leaf(value, "array", name, value) if NUMPY.get(name) == value.dtype else None

    def leaf(self, value: object, tag: str, name: str, data: np.ndarray[Any, Any]) -> list[str]:
        kind, size = data.dtype.kind, data.nbytes
        self.count(0, size)  # before an expanded one is made contiguous
        shape = data.shape if kind not in "cU" else (*data.shape, 2 if kind == "c" else data.itemsize // 4)
        key = str(len(self.index))
        self.index[key] = {"dtype": STORED[name], "shape": shape, "data_offsets": (self.end, self.end + size)}
        self.end += size
        self.buffers.append(np.asarray(data, order="C"))
        self.kept.append(value)
        self.known[id(value)] = node = [tag, key, name]
        return node
