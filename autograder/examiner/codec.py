"""A message as bytes and back: never code, never pickle.

The text is JSON: `None`, truth values, numbers and strings stand for themselves, all else is an array that begins with its
kind. There are no JSON objects. The blob, in the format of safetensors, holds whatever is long: tensors, arrays, bytes, long
strings, and those with halves of surrogate pairs, which JSON in UTF-8 does not have.

A value is data only if its type is exactly one of those in the tables: an instance of a subclass is not. But a parameter
arrives as a tensor, and an `OrderedDict`, `defaultdict` or `Counter` as a dict. A tensor arrives contiguous, without its graph.
A tensor, array, list, dict or set that occurs twice in a message is one object on the other side too.

The decoder assumes that the other side wrote whatever it likes. It calls nothing that the bytes name: each name is looked up in
a table of what may be made, so bytes can make data and do nothing else.
"""

from __future__ import annotations

import json
import math
import reprlib
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np
import safetensors
import torch
from torch import Tensor

from autograder.errors import AutograderError
from autograder.text import writable

MAX_VALUES, MAX_DEPTH = 2**20, 64
"""A message has at most so many values, nested so deep."""

MAX_INLINE = 1024
"""A string with more characters goes into the blob."""

MAX_INDEX_BYTES = 2**22
"""The blob's own header has at most so many bytes: to read it takes some ten times that memory."""

MAX_INTEGER_BITS = 14_000
"""Bits of the largest integer. Python reads integers of 4300 decimal digits at most, which is a little more."""


class WireError(AutograderError):
    """A message could not be sent or received."""


class Closed(WireError):
    """The other side is gone."""


class Late(WireError):
    """The deadline passed. What was sent or received so far is kept: the next call goes on from there."""


class Malformed(WireError):
    """The bytes that came are no message."""


class TooLarge(WireError):
    """A message has too many bytes or too many values."""


class Unsendable(WireError):
    """A value is not data."""


# Tables of what can be sent.

STORED = {
    **{"bool": "BOOL", "float16": "F16", "float32": "F32", "float64": "F64", "bfloat16": "BF16"},
    **{f"{kind}{bits}": f"{kind[0].upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{"complex64": "F32", "complex128": "F64"},
}
"""How the blob holds each dtype. It has no complex numbers: each becomes two numbers along one more axis."""

TORCH: dict[str, torch.dtype] = {name: getattr(torch, name) for name in STORED if hasattr(torch, name)}
TORCH_NAMES = {dtype: name for name, dtype in TORCH.items()}
CARRIERS = {"bfloat16": "int16"}
"""For each dtype that numpy does not have, the one as which its bytes are handled."""
NUMPY = {name: np.dtype(name) for name in STORED if name in np.sctypeDict}
SCALARS = {kind: name for kind in set(np.sctypeDict.values()) if (name := np.dtype(kind).name) in NUMPY}
"""The name of the dtype of each type of numpy's scalars."""

LISTED: dict[type[Any], str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
MAPPED = (dict, OrderedDict, defaultdict, Counter)
MUTABLE = {"list", "set", "dict"}
"""Containers that stay one object if they occur twice. Tuples do not: nested ones that share parts would take ages to hash."""


class Atom(NamedTuple):
    """How values of the type `kind` are taken apart into parts of the type `part`, and put together again."""

    kind: type[Any]
    part: type[Any]
    parts: Callable[[Any], tuple[Any, ...]]
    build: Callable[..., Any]


def _size(*parts: int) -> torch.Size:
    if any(not -(2**63) <= part < 2**63 for part in parts):
        raise ValueError("a size beyond any tensor's")
    return torch.Size(parts)


SPECIAL = {repr(value): value for value in (math.inf, -math.inf, math.nan)}
DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
ATOMS = {
    "float": Atom(float, str, lambda v: (repr(v),), SPECIAL.__getitem__),
    "complex": Atom(complex, float, lambda v: (v.real, v.imag), complex),
    "range": Atom(range, int, lambda v: (v.start, v.stop, v.step), range),
    "slice": Atom(slice, object, lambda v: (v.start, v.stop, v.step), slice),
    "ellipsis": Atom(type(...), object, lambda v: (), lambda: ...),
    "size": Atom(torch.Size, int, tuple, _size),
    "dtype": Atom(torch.dtype, str, lambda v: (str(v),), DTYPES.__getitem__),
    "device": Atom(torch.device, str, lambda v: (str(v),), {"cpu": torch.device("cpu")}.__getitem__),
}
ATOM_OF: dict[type[Any], str] = {atom.kind: tag for tag, atom in ATOMS.items()}


def _array(name: str, shape: list[int], data: bytearray) -> np.ndarray[Any, Any]:
    if name == "bool":  # a byte that is neither 0 nor 1 would be neither true nor false
        return np.ndarray(shape, np.uint8, buffer=data).astype(bool)
    return np.ndarray(shape, NUMPY[name], buffer=data)


def _tensor_of(name: str, shape: list[int], data: bytearray) -> Tensor:
    """A tensor in memory of its own, aligned as torch does it: sums may differ in the last bit otherwise."""
    if name in CARRIERS:
        return torch.from_numpy(_array(CARRIERS[name], shape, data)).view(TORCH[name]).clone()
    return torch.from_numpy(_array(name, shape, data)).clone()


def _array_of(name: str, shape: list[int], data: bytearray) -> np.ndarray[Any, Any]:
    """An array in memory of its own."""
    return _array(name, shape, data).copy()


def _scalar_of(name: str, digits: str) -> Any:
    """A scalar of numpy."""
    data = bytearray.fromhex(digits)
    if len(data) != NUMPY[name].itemsize:
        raise ValueError("a scalar of another length")
    return _array_of(name, [], data)[()]


BLOBS: dict[str, Callable[[str, list[int], bytearray], Any]] = {
    "tensor": _tensor_of,
    "array": _array_of,
    "text": lambda name, shape, data: str(data, "utf-8", "surrogatepass"),
    "bytes": lambda name, shape, data: bytes(data),
}
"""Makes a value that lies in the blob, by its kind: from the name of its dtype, its shape and its bytes."""


def _from_blob(kind: str, name: str, entry: dict[str, Any]) -> Any:
    """A value of this kind and dtype from what safetensors read."""
    shape, data = entry["shape"], entry["data"]
    if entry["dtype"] != STORED[name]:
        raise ValueError(f"the blob holds {entry['dtype']} for {name}")
    if name.startswith("complex"):
        *shape, two = shape
        if two != 2:
            raise ValueError("a complex number is not two")
    return BLOBS[kind](name, shape, data)


def _most_values(text: bytes) -> int:
    """An upper bound on the number of JSON values in the text, known before any of them takes memory."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


# Writing.

ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


def encode(
    message: Mapping[str, Any], largest: int, opaque: Callable[[object], dict[Any, Any]] | None = None
) -> tuple[bytes, bytes]:
    """The text of a message, and its blob. Raises Unsendable, and TooLarge beyond `largest` bytes or MAX_VALUES values."""
    writer = _Writer(largest, opaque)
    text = ENCODER.encode(writer.node(dict(message), ())).encode()
    index = ENCODER.encode(writer.index).encode()
    writer.count(0, len(text) + len(index))
    if len(index) > MAX_INDEX_BYTES or _most_values(text) > 2 * MAX_VALUES:
        raise TooLarge("a message of that many lists, tensors or commas cannot be sent. Send less, or one tensor for many.")
    # by hand: `safetensors.torch.save` takes half a millisecond for 14 tensors, and what lies below it is not stable
    return text, b"".join([len(index).to_bytes(8, "little"), index, *writer.buffers]) if writer.index else b""


class _Writer:
    """Turns one message into nodes of JSON and the buffers of the blob, and counts its values and bytes."""

    def __init__(self, largest: int, opaque: Callable[[object], dict[Any, Any]] | None) -> None:
        self.largest, self.opaque = largest, opaque
        self.parts = self.size = self.end = 0
        self.index: dict[str, dict[str, Any]] = {}
        self.buffers: list[Any] = []
        self.known: dict[int, list[str]] = {}  # the nodes of values in the blob, by identity
        self.shared: dict[int, tuple[int, int]] = {}  # number and parts of each mutable container
        self.kept: list[object] = []  # an identity is free for another object once its own is gone

    def count(self, parts: int, size: int = 0) -> None:
        self.parts, self.size = self.parts + parts, self.size + size
        if self.parts > MAX_VALUES or self.size > self.largest:
            seen = f"{self.size:,} bytes" if self.size > self.largest else f"over {MAX_VALUES:,} values"
            raise TooLarge(
                f"a message of {seen} cannot be sent: {self.largest:,} bytes and {MAX_VALUES:,} values can. Send less."
            )

    def node(self, value: Any, where: tuple[Any, ...]) -> Any:
        self.count(1)
        if len(where) > MAX_DEPTH:
            self.refuse(f"what is nested more than {MAX_DEPTH} deep", where)
        kind = type(value)
        if value is None or kind is bool or (kind is float and math.isfinite(value)):
            return value
        if id(value) in self.known:
            return self.known[id(value)]
        if kind in LISTED or kind in MAPPED:
            return self.container(value, where)
        node: Any = None
        if kind is int:
            node = value if value.bit_length() <= MAX_INTEGER_BITS else None
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
        data = value.encode(errors="surrogatepass")
        if len(value) <= MAX_INLINE and (value.isascii() or writable(value) is value):
            return value
        return self.leaf(value, "text", "uint8", np.frombuffer(data, np.uint8))

    def container(self, value: Any, where: tuple[Any, ...]) -> list[Any]:
        mutable = type(value) not in (tuple, frozenset)
        if mutable and id(value) in self.shared:
            number, parts = self.shared[id(value)]
            if not parts:
                self.refuse("a container that contains itself", where)
            self.count(parts)  # each time, as the reader does
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
        name = TORCH_NAMES.get(value.dtype)
        if name is None or value.layout is not torch.strided or value.device.type != "cpu":
            return None
        try:
            plain = value.detach().view(TORCH[CARRIERS[name]]) if name in CARRIERS else value
            data = plain.numpy(force=True)
        except (
            RuntimeError,
            TypeError,
            ValueError,
        ):  # it has no memory, as inside of `vmap`, or over 64 axes
            return None
        return self.leaf(value, "tensor", name, data)

    def array(self, value: np.ndarray[Any, Any]) -> list[str] | None:
        name = value.dtype.name
        return self.leaf(value, "array", name, value) if NUMPY.get(name) == value.dtype else None

    def leaf(self, value: object, tag: str, name: str, data: np.ndarray[Any, Any]) -> list[str]:
        size = data.nbytes
        self.count(0, size)  # before a copy is made: an expanded tensor may be huge and take no memory
        shape = (*data.shape, 2) if data.dtype.kind == "c" else data.shape
        key = str(len(self.index))
        self.index[key] = {"dtype": STORED[name], "shape": shape, "data_offsets": (self.end, self.end + size)}
        self.end += size
        self.buffers.append(np.asarray(data, order="C"))
        self.kept.append(value)
        self.known[id(value)] = node = [tag, key, name]
        return node


# Reading.

DECODER = json.JSONDecoder()


def decode(
    text: bytes, blob: bytes, reveal: Callable[[dict[Any, Any]], object] | None = None, deadline: float | None = None
) -> dict[str, Any]:
    """The message that these bytes are. `reveal` makes a value of the description of one that is no data.

    Memory and time are at most in proportion to the number of bytes. Only dicts and sets whose keys collide on purpose take
    longer, until the `deadline`. Raises Malformed, TooLarge, Late, and no other error, whatever the bytes are.
    """
    try:
        if _most_values(text) > 2 * MAX_VALUES or int.from_bytes(blob[:8], "little") > MAX_INDEX_BYTES:
            raise TooLarge("a message with too many values came. Take what it answers as not answered.")
        message = _Reader(blob, reveal, deadline).node(DECODER.decode(str(text, "utf-8")), 0)
        if type(message) is not dict or any(type(key) is not str for key in message):
            raise ValueError("it is no dict of names")
    except WireError:
        raise
    except Exception as error:
        seen = f"{type(error).__name__}: {error}"[:200]
        raise Malformed(f"what came is no message ({seen}). Take what it answers as not answered.") from error
    return message


class _Reader:
    """Turns the nodes of one message into values. Any error in it means that the bytes are no message."""

    def __init__(self, blob: bytes, reveal: Callable[[dict[Any, Any]], object] | None, deadline: float | None) -> None:
        self.blob = dict(safetensors.deserialize(blob)) if blob else {}  # type: ignore[no-untyped-call]
        self.reveal, self.deadline = reveal, math.inf if deadline is None else deadline
        self.parts = 0
        self.known: dict[str, tuple[list[Any], Any]] = {}
        self.shared: list[tuple[Any, int]] = []

    def count(self, parts: int) -> None:
        self.parts += parts
        if self.parts > MAX_VALUES:
            raise TooLarge(f"a message of over {MAX_VALUES:,} values came. Take what it answers as not answered.")

    def node(self, node: Any, depth: int) -> Any:
        self.parts += 1
        if self.parts > MAX_VALUES:
            self.count(0)
        if depth > MAX_DEPTH:
            raise ValueError("it is too deep")
        kind = type(node)
        if node is None or kind is bool or (kind is str and (node.isascii() or node.encode() is not None)):
            return node
        if (kind is int and node.bit_length() <= MAX_INTEGER_BITS) or (kind is float and math.isfinite(node)):
            return node
        if kind is not list:
            raise ValueError(f"a {kind.__name__} that is too large or no part of a message")
        return READERS[node[0]](self, node, depth)

    def hurry(self) -> None:
        """Raises Late after the deadline. It is called before hashing, which keys that collide on purpose can make slow."""
        if time.monotonic() > self.deadline:
            raise Late("a message took too long to read. Take what it answers as not answered.")

    def leaf(self, node: list[Any], depth: int) -> Any:
        kind, key, name = node
        if key not in self.known:
            self.known[key] = node, _from_blob(kind, name, self.blob[key])
        before, value = self.known[key]
        if before != node:
            raise ValueError("two kinds of one entry of the blob")
        return value

    def scalar(self, node: list[Any], depth: int) -> Any:
        _, name, digits = node
        return _scalar_of(name, digits)

    def atom(self, node: list[Any], depth: int) -> Any:
        tag, *parts = node
        atom = ATOMS[tag]
        parts = [self.node(part, depth + 1) for part in parts]
        if any(type(part) is not atom.part is not object for part in parts):
            raise ValueError(f"a {tag} of other parts")
        return atom.build(*parts)

    def same(self, node: list[Any], depth: int) -> Any:
        _, number = node
        if type(number) is not int or number < 0:
            raise ValueError("a number of a container that is none")
        value, parts = self.shared[number]
        if not parts:
            raise ValueError("a container that contains itself")
        self.count(parts)
        return value

    def opaque(self, node: list[Any], depth: int) -> Any:
        _, shown = node
        shown = self.node(shown, depth + 1)
        if self.reveal is None or type(shown) is not dict:
            raise ValueError("a value that is no data")
        return self.reveal(shown)

    def container(self, node: list[Any], depth: int) -> Any:
        tag, *parts = node
        before, number = self.parts, len(self.shared)
        if tag in MUTABLE:
            self.shared.append((None, 0))
        value = MAKERS[tag](self, parts, depth + 1)
        if tag in MUTABLE:
            self.shared[number] = value, self.parts - before + 1
        return value

    def in_order(self, parts: list[Any], depth: int) -> list[Any]:
        return [self.node(part, depth) for part in parts]

    def members(self, parts: list[Any], depth: int) -> set[Any]:
        value: set[Any] = set()
        for part in parts:
            self.hurry()
            value.add(self.node(part, depth))
        if len(value) != len(parts):
            raise ValueError("a member twice")
        return value

    def mapping(self, parts: list[Any], depth: int) -> dict[Any, Any]:
        value: dict[Any, Any] = {}
        for key, item in zip(parts[::2], parts[1::2], strict=True):
            self.hurry()
            key = self.node(key, depth)
            value[key] = self.node(item, depth)
        if 2 * len(value) != len(parts):
            raise ValueError("a key twice")
        return value


MAKERS: dict[str, Callable[[_Reader, list[Any], int], Any]] = {
    "list": _Reader.in_order,
    "tuple": lambda reader, parts, depth: tuple(reader.in_order(parts, depth)),
    "set": _Reader.members,
    "frozenset": lambda reader, parts, depth: frozenset(reader.members(parts, depth)),
    "dict": _Reader.mapping,
}
READERS: dict[str, Callable[[_Reader, list[Any], int], Any]] = {
    **dict.fromkeys(MAKERS, _Reader.container),
    **dict.fromkeys(ATOMS, _Reader.atom),
    **dict.fromkeys(BLOBS, _Reader.leaf),
    **{"scalar": _Reader.scalar, "same": _Reader.same, "opaque": _Reader.opaque},
}
