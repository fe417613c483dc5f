"""A message from bytes, whoever wrote them: they can make data, and nothing else happen."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import safetensors

from autograder.message import (
    ATOMS,
    BITS,
    BLOBS,
    DEPTH,
    INDEX,
    PARTS,
    Late,
    Malformed,
    TooLarge,
    WireError,
    from_blob,
    marks,
    scalar_of,
)

JSON = json.JSONDecoder()


def decode(
    text: bytes, blob: bytes, reveal: Callable[[dict[Any, Any]], object] | None = None, deadline: float | None = None
) -> dict[str, Any]:
    """What the bytes say. Memory and time are at most in proportion to their number; keys that collide end at the deadline.

    Raises Malformed, TooLarge, Late, and no other error, whatever the bytes are.
    """
    try:
        if marks(text) > 2 * PARTS or int.from_bytes(blob[:8], "little") > INDEX:
            raise TooLarge("a message with too many values came. Take what it answers as not answered.")
        message = _Reader(blob, reveal, deadline).node(JSON.decode(str(text, "utf-8")), 0)
        if type(message) is not dict or any(type(key) is not str for key in message):
            raise ValueError("it is no dict of names")
    except WireError:
        raise
    except Exception as error:
        seen = f"{type(error).__name__}: {error}"[:200]
        raise Malformed(f"what came is no message ({seen}). Take what it answers as not answered.") from error
    return message


class _Reader:
    def __init__(self, blob: bytes, reveal: Callable[[dict[Any, Any]], object] | None, deadline: float | None) -> None:
        self.blob = dict(safetensors.deserialize(blob)) if blob else {}  # type: ignore[no-untyped-call]
        self.reveal, self.deadline = reveal, math.inf if deadline is None else deadline
        self.parts = 0
        self.known: dict[str, tuple[list[Any], Any]] = {}
        self.shared: list[tuple[Any, int]] = []

    def count(self, parts: int) -> None:
        self.parts += parts
        if self.parts > PARTS:
            raise TooLarge(f"a message of over {PARTS:,} values came. Take what it answers as not answered.")

    def node(self, node: Any, depth: int) -> Any:
        self.parts += 1
        if self.parts > PARTS:
            self.count(0)
        kind = type(node)
        if node is None or kind is bool or (kind is str and (node.isascii() or node.encode() is not None)):
            return node
        if (kind is int and node.bit_length() <= BITS) or (kind is float and math.isfinite(node)):
            return node
        if kind is not list or depth > DEPTH:
            raise ValueError(f"a {kind.__name__} that is too large, too deep or no part of a message")
        return READERS[node[0]](self, node, depth)

    def hurry(self) -> None:
        """Hashing is the only work that may take longer than in proportion: keys can be chosen so that they collide."""
        if time.monotonic() > self.deadline:
            raise Late("a message took too long to read. Take what it answers as not answered.")

    def leaf(self, node: list[Any], depth: int) -> Any:
        kind, key, name = node
        if key not in self.known:
            self.known[key] = node, from_blob(kind, name, self.blob[key])
        before, value = self.known[key]
        if before != node:
            raise ValueError("two kinds of one entry of the blob")
        return value

    def scalar(self, node: list[Any], depth: int) -> Any:
        _, name, digits = node
        return scalar_of(name, digits)

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
MUTABLE = {"list", "set", "dict"}
"""What can be in a message twice. A tuple cannot: shared inside of one another, its hash would take for ever."""

READERS: dict[str, Callable[[_Reader, list[Any], int], Any]] = {
    **dict.fromkeys(MAKERS, _Reader.container),
    **dict.fromkeys(ATOMS, _Reader.atom),
    **dict.fromkeys(BLOBS, _Reader.leaf),
    **{"scalar": _Reader.scalar, "same": _Reader.same, "opaque": _Reader.opaque},
}
