"""The recorded answers of an assignment: what is right on the cases of `check`, and what each planted mistake gives there.

`cases.safetensors` is handed out with the notebooks. It holds numbers, and the sentences on mistakes, but no code: whoever has
no model answers at hand can be told what is right by it, and what is wrong by agreement with a mistake.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from autograder.asks.model import Expected
from autograder.errors import ContentError

FILE = "cases.safetensors"
"""Beside the notebooks of an assignment."""
STOPS, ENDLESS = {"stops": True}, {"endless": True}
"""What is recorded of a mistake that stops on a case, and of one that does not end on it or on an earlier one."""


@dataclass(frozen=True)
class Planted:
    """A planted mistake: the sentence about it, the next step, and what it comes to on each case, or STOPS or ENDLESS."""

    sentence: str
    next_step: str
    outcomes: tuple[Any, ...]


@dataclass(frozen=True)
class Recorded:
    """What is known of an ask with this source: what is right on each case, and the planted mistakes."""

    ask: str
    right: tuple[Any, ...]
    mistakes: tuple[Planted, ...] = ()


def written(asks: Mapping[str, Recorded]) -> bytes:
    """The file for these asks, by their names, as `key_of` has them."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[bytes, str] = {}

    def put(tensor: Tensor) -> str:
        content = f"{tensor.dtype}{tuple(tensor.shape)}".encode() + tensor.contiguous().numpy().tobytes()
        key = numbers.setdefault(content, str(len(numbers)))
        tensors[key] = tensor.contiguous().clone()
        return key

    listed = {
        name: {
            "ask": each.ask,
            "right": [_packed(value, put) for value in each.right],
            "mistakes": [
                {"sentence": one.sentence, "next": one.next_step, "outcomes": [_packed(value, put) for value in one.outcomes]}
                for one in each.mistakes
            ],
        }
        for name, each in asks.items()
    }
    return save(tensors, {"asks": json.dumps(listed, sort_keys=True)})


def read(path: Path) -> dict[str, Recorded]:
    """The recorded answers in a file. Raises ContentError if it is not there, or is no such file."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        raise ContentError(
            f"there is no {FILE} beside the notebook, and it has what answers are compared with. "
            "Copy it from the release: `autograder new NAME` makes a folder of that."
        ) from None
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise ContentError(f"{path.name} cannot be read ({error}). Copy it from the release.") from None


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> dict[str, Recorded]:
    with safe_open(str(path), "pt") as file:
        listed = json.loads((file.metadata() or {})["asks"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dictionary)
    return {
        name: Recorded(
            each["ask"],
            tuple(_unpacked(value, tensors) for value in each["right"]),
            tuple(
                Planted(one["sentence"], one["next"], tuple(_unpacked(value, tensors) for value in one["outcomes"]))
                for one in each["mistakes"]
            ),
        )
        for name, each in listed.items()
    }


def _packed(value: Any, put: Callable[[Tensor], str]) -> Any:
    match value:
        case Expected():
            return {
                "exact": put(value.exact),
                "dtype": str(value.rounded.dtype).removeprefix("torch."),
                "within": value.tolerance,
            }
        case Tensor():
            return {"tensor": put(value)}
        case list() | tuple():
            return {"list": [_packed(item, put) for item in value]}
        case set() | frozenset():
            return {"set": [_packed(item, put) for item in sorted(value, key=str)]}
        case dict() if value in (STOPS, ENDLESS):
            return value
        case dict():
            return {"dict": [[_packed(key, put), _packed(item, put)] for key, item in value.items()]}
        case str() | int() | float() | None:
            return value
    raise ContentError(
        f"a value of the type `{type(value).__name__}` cannot be recorded: return tensors, numbers, names or lists"
    )


def _unpacked(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    match packed:
        case {"exact": key, "dtype": dtype, "within": within}:
            exact = tensors[key]
            return Expected(exact, exact.to(getattr(torch, dtype)), within)
        case {"tensor": key}:
            return tensors[key]
        case {"list": items}:
            return [_unpacked(item, tensors) for item in items]
        case {"set": items}:
            return {_unpacked(item, tensors) for item in items}
        case {"dict": pairs}:
            return {_unpacked(key, tensors): _unpacked(item, tensors) for key, item in pairs}
    return packed


def same(one: Any, other: Any) -> bool:
    """Whether two recorded values are the same but for rounding, as on another processor."""
    match one:
        case Expected():
            return isinstance(other, Expected) and same(one.exact, other.exact) and one.rounded.dtype == other.rounded.dtype
        case Tensor():
            if not isinstance(other, Tensor) or one.shape != other.shape or one.dtype != other.dtype:
                return False
            return torch.allclose(one.double(), other.double(), rtol=1e-4, atol=1e-6, equal_nan=True)
        case list() | tuple():
            return isinstance(other, list | tuple) and len(one) == len(other) and all(map(same, one, other))
        case dict():
            return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case float():
            return isinstance(other, float) and (abs(one - other) <= 1e-4 * max(abs(one), abs(other)) or one != one)
    return bool(one == other)
