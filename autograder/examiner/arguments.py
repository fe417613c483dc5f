"""The arguments of a call in another process: what the call changed in place there, and how to do the same here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

ArgumentChange = tuple[int, Any]
"""The number of a part of the arguments, and its new content.

For a list, dict or set that is its entries; those that are parts of the arguments themselves are given by their numbers."""


class Before:
    """The parts of the arguments that can be changed in place, as they were before a call."""

    def __init__(self, value: Any) -> None:
        self.parts = list(parts(value))
        self._were = [_copied(part) for part in self.parts]
        self._numbers = {id(part): number for number, part in enumerate(self.parts)}

    def refer(self, value: Any) -> dict[str, Any]:
        """The number of the part that this value is, or else the value itself."""
        return {"old": self._numbers[id(value)]} if id(value) in self._numbers else {"new": value}

    def changes(self) -> list[ArgumentChange]:
        """The parts that are different now."""
        pairs = enumerate(zip(self.parts, self._were, strict=True))
        return [(number, self._content(part)) for number, (part, was) in pairs if not _same(part, was)]

    def _content(self, part: Any) -> Any:
        if isinstance(part, dict):
            return [(self.refer(key), self.refer(value)) for key, value in part.items()]
        return [self.refer(item) for item in part] if isinstance(part, list | set) else part


def parts(value: Any) -> Iterator[Any]:
    """All tensors, arrays, lists, dicts and sets in a value, in the same order in both processes."""
    if isinstance(value, Tensor | np.ndarray | list | dict | set | bytearray):
        yield value
    if isinstance(value, list | tuple):
        for item in value:
            yield from parts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from parts(item)


def bring(originals: Sequence[Any], changes: Sequence[ArgumentChange]) -> None:
    """Makes the changes here. Raises LookupError, TypeError, ValueError or RuntimeError if they do not fit the `originals`."""
    for number, content in changes:
        original = originals[number]
        match original:
            case Tensor():
                _bring_tensor(original, content)
            case np.ndarray():
                original[...] = content
            case dict():
                entries = [(referred(originals, key), referred(originals, value)) for key, value in content]
                original.clear()
                original.update(entries)
            case list() | bytearray():
                original[:] = content if isinstance(original, bytearray) else [referred(originals, item) for item in content]
            case set():
                original.clear()
                original.update(referred(originals, item) for item in content)


def referred(originals: Sequence[Any], reference: Any) -> Any:
    """The value that `refer` described: one of the `originals`, or a new one."""
    return originals[reference["old"]] if "old" in reference else reference["new"]


def _bring_tensor(original: Tensor, content: Any) -> None:
    if not isinstance(content, Tensor) or content.dtype != original.dtype:
        raise TypeError("a tensor became something else")
    with torch.no_grad():
        if content.shape == original.shape:
            original.copy_(content)
        else:
            original.data = content


def _copied(part: Any) -> Any:
    return part.detach().clone() if isinstance(part, Tensor) else part.copy()


def _same(part: Any, was: Any) -> bool:
    match part:
        case Tensor():
            if part.shape != was.shape or part.dtype != was.dtype:
                return False
            return torch.equal(part, was) or bool(((part == was) | (part.isnan() & was.isnan())).all())
        case np.ndarray():
            return bool(np.array_equal(part, was, equal_nan=part.dtype.kind in "fc"))
        case list():
            return len(part) == len(was) and all(one is other for one, other in zip(part, was, strict=True))
        case dict():
            pairs = zip(part.items(), was.items(), strict=False)
            return len(part) == len(was) and all(one[0] is two[0] and one[1] is two[1] for one, two in pairs)
    return bool(part == was)
