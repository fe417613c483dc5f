"""An error that stopped code, and what is known around it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from autograder.replay.parsed import nodes_in, parse_tree
from autograder.replay.stop import Seen, Stop, shortened

Facts = Mapping[str, str]
"""What the blanks of a row's sentence and step are filled with."""


NOWHERE = Stop(0, "")
"""The place of an error of which nothing more is known."""


First = Callable[[str], str]
"""For a gradient the one whose cell stopped first, so that it is not there; nothing where none did."""


def none_stopped(name: str) -> str:
    """Knows of no cell that stopped."""
    return ""


MAX_PART = 32
"""Characters of a piece of code in a sentence."""


OPERATORS: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.MatMult: "@",
    ast.Pow: "**",
}


@dataclass(frozen=True)
class Crash:
    """An error that stopped code: the name of its type and its message, where it came up, and what is known around it.

    `names` are those that exist there. `gradients` are those of the lesson, worked out or not, in the order of the backward
    pass. `answer` is the name of what the code is to work out, of this `shape`; it is empty where there is no one name.
    `first` looks up which cell stopped first.
    """

    kind: str
    message: str
    source: str = ""
    stop: Stop = NOWHERE
    names: Collection[str] = ()
    gradients: Sequence[str] = ()
    answer: str = ""
    shape: tuple[int, ...] | None = None
    first: First = none_stopped

    @cached_property
    def node(self) -> ast.AST | None:
        """The part of the code that raised."""
        try:
            body = parse_tree(self.stop.part).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        found = body[0] if body else None
        return found.value if isinstance(found, ast.Expr) else found

    @property
    def line(self) -> str:
        """The line that raised, all of it."""
        lines = self.source.splitlines()
        return lines[self.stop.line - 1].strip() if 0 < self.stop.line <= len(lines) else ""

    @cached_property
    def calls(self) -> list[ast.Call]:
        """The calls in the part that raised, and then those in the rest of the code."""
        nodes = (*nodes_in(self.stop.part), *nodes_in(self.source))
        return [node for node in nodes if isinstance(node, ast.Call)]

    @property
    def sides(self) -> tuple[str, str, str] | None:
        """The operator and the two sides of the operation that raised, as code."""
        match self.node:
            case ast.BinOp(left=left, op=operator, right=right) | ast.AugAssign(target=left, op=operator, value=right):
                return OPERATORS.get(type(operator), ""), ast.unparse(left), ast.unparse(right)
            case ast.Call(func=ast.Attribute(attr="mm" | "matmul"), args=[left, right]):
                return "@", ast.unparse(left), ast.unparse(right)
        return None

    def seen(self, code: str) -> Seen | None:
        """What a piece of the code stood for."""
        return self.stop.seen.get(code)

    def whole(self) -> str:
        """What the answer has to be, in a sentence; nothing where that is not known."""
        return "" if self.shape is None else f"`{self.answer}` has to be {self.shape}."


def shortly(code: str) -> str:
    """A piece of code on one line, as much of it as fits in a sentence."""
    return shortened(" ".join(code.split()), MAX_PART)


def nearest(name: str, names: Collection[str]) -> str:
    """The one of these names that is meant by a misspelt one, most likely; or nothing."""
    others = sorted({each for each in names if each != name and not each.startswith("_")})
    same = [each for each in others if each.lower().replace("_", "") == name.lower().replace("_", "")]
    close = same or get_close_matches(name, others, n=1, cutoff=0.75 if len(name) > 3 else 0.8)
    return next(iter(close), "")
