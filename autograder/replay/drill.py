"""Drills: locked code that drives a student's class through calls, and yields what is to be looked at, each under a label."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.errors import AutograderError


class DrillError(AutograderError):
    """A drill that is none, by its author's mistake."""


KNOWN: Mapping[str, Any] = {"F": F, "math": math, "nn": nn, "torch": torch}
"""What a drill may use, beside the class and its inputs."""
STOPPED = ""
"""The label under which the error stands with which the code stopped, after what was yielded before."""


def drive(drill: str, subject: Callable[..., Any], arguments: Mapping[str, Any], into: dict[str, Any]) -> None:
    """Runs a drill with this source on a class, or on a function that takes objects. What it yields is kept in `into`."""
    names = dict(KNOWN)
    exec(_compiled(drill), names)
    for pair in names["drill"](subject, **arguments):
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise DrillError("it yields something that is no label with a value.")
        label, value = pair
        if label in into:
            raise DrillError(f"it yields twice under the label “{label}”.")
        into[label] = _kept(value)


@lru_cache(maxsize=64)
def _compiled(drill: str) -> CodeType:
    return compile(drill, "<drill>", "exec")


def _kept(value: Any) -> Any:
    """A value as it is now: a layer may go on to change its tensors."""
    match value:
        case Tensor():
            return value.detach().clone()
        case list() | tuple():
            return [_kept(item) for item in value]
        case dict():
            return {key: _kept(item) for key, item in value.items()}
        case set() | np.ndarray():
            return value.copy()
    return value
