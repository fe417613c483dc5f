"""A split answer is one answer, and a second try is another one."""

from __future__ import annotations

import pytest

from autograder.course.cells import Cell, Role
from autograder.course.splits import Part, Split, find_split

RELEASED = "# YOUR CODE HERE"
ANSWER = Cell("dx", Role.STUDENT, RELEASED, solves=True)
FUNCTION = "def dx(a):\n    b = a * 2\n    return b"

SPLITS = {
    "in a function": ("def dx(a):\n    b = a * 2", "    return b"),
    "in three": ("def dx(a):", "    b = a * 2", "    return b"),
    "before a loop": ("dx = torch.zeros_like(C)", "for k in range(3):\n    dx[k] += demb[k]"),
    "two branches": ("dx = dy.clone()", "dx += dz"),
    "a name by parts": ("dx = dy", "dx = dx + dz"),
    "temporaries": ("part = a * b\nleft = part.sum()", "part = b * c\ndx = left + part.sum()"),
    "through a temporary": ("dx = dy", "more = dx * 2\ndx = more"),
    "a helper": ("def twice(a):\n    return 2 * a", "def dx(a):\n    return twice(a)"),
    "in a bracket": ("dx = (dy +", "dz)"),
    "in a line": ("dx = dy", " / probs"),
    "with a magic": ("%matplotlib inline\nc = dy", "dx = c"),
    "a remark first": ("# by the chain rule", "dx = dy"),
}
TRIES = {
    "two values": ("dx = dy", "dx = dy * 2"),
    "two functions": ("def dx(a):\n    return a", "def dx(a):\n    return 2 * a"),
    "two loops": ("for i in range(3):\n    dx = i", "for i in range(3):\n    dx = 2 * i"),
    "with the same temporary": ("c = dy\ndx = c", "c = dy * 2\ndx = c"),
    "one is broken": ("dx = (dy", "dx = dy"),
    "the same twice": ("dx += dy", "dx += dy"),
    "one is as released": (RELEASED, "dx = dy"),
    "one is empty": ("", "dx = dy"),
}


def found(*sources: str, names: tuple[str, ...] | None = None, cell: Cell = ANSWER) -> Split | None:
    names = names or (cell.id,) * len(sources)
    return find_split(
        [Part(name, text, is_known=bool(name)) for name, text in zip(names, sources, strict=True)], "dx", cell, {"dx"}
    )


@pytest.mark.parametrize("parts", SPLITS.values(), ids=SPLITS)
def test_parts_are_joined(parts: tuple[str, ...]) -> None:
    joint = "" if parts == SPLITS["in a line"] else "\n"
    assert found(*parts) == Split(0, len(parts), 0, joint.join(parts))


@pytest.mark.parametrize("parts", TRIES.values(), ids=TRIES)
def test_tries_are_not(parts: tuple[str, ...]) -> None:
    assert found(*parts) is None


def test_parts_that_are_not_adjacent_are_not_joined() -> None:
    assert found("dx = dy", "test", "dx += dz", names=("dx", "test-dx", "dx")) is None


def test_a_text_for_a_person_is_joined() -> None:
    essay = Cell("dx", Role.STUDENT, "Why?", solves=True, cell_type="markdown")
    assert found("Because", "of that.", cell=essay) == Split(0, 2, 0, "Because\n\nof that.")
    assert found("Why?", "Because.", cell=essay) is None
    assert found("Because.", cell=essay) is None


@pytest.mark.parametrize(
    ("names", "parts", "whole"),
    [
        (("dx", ""), ("def dx(a):\n    b = a * 2", "    return b"), FUNCTION),
        (("", "dx"), ("def dx(a):\n    b = a * 2", "    return b"), FUNCTION),
        (("dx", ""), ("c = dy * 2", "dx = c"), "c = dy * 2\ndx = c"),
        (("dx", ""), ("dx = dy", "print(dx)"), None),
        (("dx", ""), ("dx = dy", "    print(dx)"), None),
        (("", "dx"), ("c = dy * 2", "dx = c"), None),
        (("", "dx"), ("def helper():\n    return 1", "    c = dy * 2\n    dx = c"), None),
        (("", "dx"), ("print(nothing)", "\fdx = dy"), None),
        (("", "dx"), ("print(nothing)", "\tdx = dy"), None),
        (("dx", ""), ("# see below", "dx = dy"), None),
        (("dx", ""), (RELEASED, "dx = dy"), None),
        (("dx", ""), ("dx = dy", ".sum("), None),
    ],
)
def test_a_neighbour_without_a_name_is_a_part_where_the_cell_is_no_answer_without_it(
    names: tuple[str, ...], parts: tuple[str, ...], whole: str | None
) -> None:
    split = found(*parts, names=names)
    assert (split.source if split else None) == whole
