"""Changes to JSON and to bytes, as hypothesis draws them: small, many at once, and such as keep most of the form."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

Path = tuple[Any, ...]
Edit = tuple[str, float, Any, int]
"""What is done, where (a share of all places), with which value, and how often."""

OPERATIONS = ("put", "delete", "twice", "many", "swap", "wrap", "nest", "graft", "insert", "key")


def edits(values: Sequence[Any], most: int = 4) -> st.SearchStrategy[list[Edit]]:
    """Some edits of a tree, with these values and others."""
    anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    value = st.integers(0, 4).flatmap(lambda which: st.sampled_from(values) if which else anything)
    edit = st.tuples(st.sampled_from(OPERATIONS), st.floats(0, 1, exclude_max=True), value, st.integers(0, 80))
    return st.lists(edit, max_size=most)


def edited(tree: Any, changes: Sequence[Edit]) -> Any:
    """A copy of a tree of lists and dicts, changed."""
    root = [deepcopy(tree)]
    for operation, where, value, count in changes:
        places = list(_places(root))
        parent, key = places[int(where * len(places))]
        other, other_key = places[count * 7919 % len(places)]
        siblings = parent is not root and isinstance(parent, list)
        match operation:
            case "put":
                parent[key] = deepcopy(value)
            case "delete" if parent is not root:
                del parent[key]
            case "insert" if siblings:
                parent.insert(key, deepcopy(value))
            case "twice" if siblings:
                parent.insert(key, deepcopy(parent[key]))
            case "many" if siblings:
                parent[key:key] = [deepcopy(parent[key]) for _ in range(min(count, 2000 // (1 + _size(parent[key]))))]
            case "swap" if siblings:
                at = count % len(parent)
                parent[key], parent[at] = parent[at], parent[key]
            case "wrap" | "nest":  # a list of a message begins with its kind
                for _ in range(count):
                    parent[key] = [*["list"] * (operation == "nest"), parent[key]]
            case "graft" if other is not root:
                parent[key] = deepcopy(other[other_key])
            case "key" if isinstance(parent, dict):
                parent[str(value)] = parent.pop(key)
    return root[0]


def _places(root: list[Any]) -> Any:
    """The containers in a tree, each with every key in it."""
    waiting: list[Any] = [root]
    while waiting:
        container = waiting.pop()
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            yield container, key
            if isinstance(value, dict | list):
                waiting.append(value)


def _size(tree: Any) -> int:
    return sum(1 for _ in _places([tree]))


Cut = tuple[str, float, bytes]
CUTS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "delete", "insert", "end", "twice"]),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=9),
    ),
    max_size=3,
)
"""Some changes of bytes."""


def cut(content: bytes, changes: Sequence[Cut]) -> bytes:
    """Bytes, changed."""
    changed = bytearray(content)
    for operation, where, new in changes:
        place = int(where * len(changed))
        match operation:
            case "flip":
                changed[place : place + len(new)] = new
            case "delete":
                del changed[place : place + len(new)]
            case "insert":
                changed[place:place] = new
            case "end":
                del changed[place:]
            case "twice":
                changed[place:place] = changed[place : place + 40 * len(new)]
    return bytes(changed)
