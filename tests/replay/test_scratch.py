"""What is copied, what is shared, and what the notebook's functions read in a copy of its namespace."""

from __future__ import annotations

import math
import random
from collections import deque
from functools import lru_cache, partial, wraps
from typing import Any

import numpy as np
import pytest
import torch

from autograder.replay.run import Scratch

VALUES: dict[str, Any] = {
    "tensor": torch.ones(3),
    "generator": torch.Generator(),
    "array": np.ones(3),
    "list": [1],
    "deque": deque([1]),
    "dict": {"a": 1},
    "set": {1},
    "bytes": bytearray(b"a"),
    "random": random.Random(0),
}


def notebook(source: str, **names: Any) -> dict[str, Any]:
    """A namespace in which a cell has run."""
    exec(source, names)
    return names


def brought(namespace: dict[str, Any], *names: str) -> dict[str, Any]:
    scratch = Scratch(namespace)
    scratch.bring(names)
    return scratch.names


@pytest.mark.parametrize("name", VALUES)
def test_data_is_copied(name: str) -> None:
    assert brought(VALUES, name)[name] is not VALUES[name]
    assert type(brought(VALUES, name)[name]) is type(VALUES[name])


@pytest.mark.parametrize("value", [math, int, 3, "text", object(), print], ids=lambda value: type(value).__name__)
def test_what_cannot_be_changed_or_is_not_known_is_shared(value: object) -> None:
    assert brought({"it": value}, "it")["it"] is value


def test_what_is_not_brought_is_shared() -> None:
    assert brought(VALUES)["tensor"] is VALUES["tensor"]


def test_the_same_object_stays_the_same_in_its_containers() -> None:
    weight = torch.ones(2)
    names = brought({"W": weight, "parameters": [weight], "named": {"W": (weight,)}}, "W", "parameters", "named")
    assert names["parameters"][0] is names["named"]["W"][0] is names["W"]
    assert names["W"] is not weight


def test_a_list_that_contains_itself_is_copied() -> None:
    loop: list[Any] = []
    loop.append(loop)
    copied = brought({"loop": loop}, "loop")["loop"]
    assert copied is not loop
    assert len(copied) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def f(): return n",
        "def g(): return n\ndef f(): return g()",
        "f = lambda: n",
        "def make(k):\n    def f(): return n * k\n    return f\nf = make(1)",
        "@decorated\ndef f(): return n",
        "def g(x): return n\nf = partial(g, 1)",
        "@torch.no_grad()\ndef f(): return n",
        "def f(k=3): return n if k == 0 else f(k - 1)",
    ],
)
def test_a_function_of_the_notebook_reads_the_copy(source: str) -> None:
    def decorated(function: Any) -> Any:
        @wraps(function)
        def inner() -> Any:
            return function()

        return inner

    here = notebook(source, n=1, decorated=decorated, partial=partial, torch=torch)
    names = brought(here, "f")
    names["n"] = 2
    assert names["f"]() == 2
    assert here["f"]() == 1


def test_defaults_names_and_attributes_of_a_function_are_kept() -> None:
    here = notebook("def f(x, y=2, *, z=3): return x, y, z, f.w\nf.w = 4")
    f = brought(here, "f")["f"]
    assert (f(1), f.__name__) == ((1, 2, 3, 4), "f")


def test_a_function_from_elsewhere_is_shared() -> None:
    @lru_cache
    def cached() -> int:
        return 1

    names = {"ones": torch.nn.functional.softmax, "cached": cached}
    assert brought(names, "ones", "cached") == names
