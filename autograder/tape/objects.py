"""Objects that stand in a forward pass and hold tensors, such as layers: what is inside of them, and copies of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

PLAIN = (bool, int, float, str)
"""Types of values that are part of an object's state, beside tensors."""

OPAQUE = (ModuleType, FunctionType, BuiltinFunctionType, type)
"""Types of values that are neither looked into nor copied."""

OF_TORCH = frozenset(vars(nn.Module()))
"""The attributes in which a module of torch keeps its own books."""


class Uncopied(Exception):
    """An object with tensors that cannot be copied. The message says why."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(f"`{name}` holds tensors and cannot be copied ({type(error).__name__}: {error}).")
        self.name = name


@dataclass(frozen=True)
class Part:
    """A tensor or a plain value inside of an object: the code that reads it, and the innermost object around it."""

    code: str
    value: Any
    owner_code: str
    owner: Any

    @property
    def is_weight(self) -> bool:
        """Whether it is a floating-point tensor, one of its object's parameters if that lists them."""
        if not (isinstance(self.value, Tensor) and self.value.is_floating_point()):
            return False
        try:
            return any(each is self.value for each in self.owner.parameters())
        except Exception:  # there is no such list
            return True


def parts(name: str, value: Any) -> Iterator[Part]:
    """All tensors and plain values inside of what a name stands for; none where it is one itself."""
    if not isinstance(value, (Tensor, *PLAIN)):
        yield from _inside(Part(name, value, name, value), set())


def _inside(part: Part, seen: set[int]) -> Iterator[Part]:
    value = part.value
    if isinstance(value, (Tensor, *PLAIN)):
        yield part
    elif id(value) not in seen and not isinstance(value, OPAQUE):
        seen.add(id(value))
        is_list = isinstance(value, list | tuple | dict)
        owner_code, owner = (part.owner_code, part.owner) if is_list else (part.code, value)
        for suffix, item in _items(value):
            yield from _inside(Part(part.code + suffix, item, owner_code, owner), seen)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """What is directly inside of a value, and the code that reads it there."""
    match value:
        case list() | tuple():
            yield from ((f"[{place}]", item) for place, item in enumerate(value))
        case dict():
            yield from ((f"[{key!r}]", item) for key, item in value.items())
        case MethodType():
            yield ".__self__", value.__self__
        case _:
            attributes = getattr(value, "__dict__", {})
            if isinstance(value, nn.Module):
                own = {key: item for key, item in attributes.items() if key not in OF_TORCH}
                attributes = {**own, **value._parameters, **value._buffers, **value._modules}
            yield from ((f".{key}" if key.isidentifier() else f"[{key}]", item) for key, item in attributes.items())


def copies(values: Mapping[str, Any], copy: Callable[[Any], Any]) -> dict[str, Any]:
    """Copies of these values, which share no tensor with them and have no graph. `copy` is for what is no object.

    What several of them share, their copies share too. Raises Uncopied for an object with tensors of which there is no copy.
    """
    tensors = {
        name: [part.value for part in parts(name, value) if isinstance(part.value, Tensor)] for name, value in values.items()
    }
    memo = {id(tensor): tensor.detach().clone() for each in tensors.values() for tensor in each}
    found = {}
    for name, value in values.items():
        is_object = bool(tensors[name]) or (hasattr(value, "__dict__") and not isinstance(value, (Tensor, *OPAQUE)))
        try:
            found[name] = deepcopy(value, memo) if is_object else copy(value)
        except Exception as error:
            if tensors[name]:
                raise Uncopied(name, error) from None
            found[name] = value
    return found


def snapshot(values: Mapping[str, Any]) -> dict[str, Part]:
    """What is inside of these values now, by the code that reads it."""
    found = (part for name, value in values.items() for part in parts(name, value))
    return {part.code: replace(part, value=part.value.clone()) if _is_tensor(part) else part for part in found}


def moved(before: Mapping[str, Part], after: Mapping[str, Part]) -> list[Part]:
    """The parts that are not as they were, and those that were not there."""
    return [part for code, part in after.items() if code not in before or not _is_same(before[code].value, part.value)]


def _is_tensor(part: Part) -> bool:
    return isinstance(part.value, Tensor)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
    return type(one) is type(other) and bool(one == other)
