"""Answers that were cut up, as by *Split Cell* in JupyterLab: all parts have the metadata of the whole, or only one has it.

A second try has it too, and often stands right below the first. What tells them apart is that a try is an answer by itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from autograder.course.cells import Cell
from autograder.replay.parsed import names_in, parse_cell, parse_tree

SPLIT = "Cell `{}` was split into {} cells: they count as one, joined in their order."
"""A note on what was joined."""


class Part(NamedTuple):
    """A cell of a notebook. `name` is nbgrader's, and empty where it has none; `is_known` if it is one of the release."""

    name: str
    source: str
    is_code: bool = True
    is_known: bool = True


@dataclass(frozen=True)
class Split:
    """An answer that was split into `count` cells, from the one of the index `first` on, of which `own` is nbgrader's."""

    first: int
    count: int
    own: int
    source: str


def find_split(cells: Sequence[Part], name: str, released: Cell, answers: Set[str]) -> Split | None:
    """The parts of the answer in the cell of this name, if it was split. `answers` are the names that it is there to bind."""
    claims = [index for index, cell in enumerate(cells) if cell.name == name]
    if not claims or claims[-1] - claims[0] >= len(claims):
        return None
    at, is_code = claims[0], released.cell_type == "code"
    if len(claims) > 1:
        text = joined([cells[index].source for index in claims], released.source, answers, is_code)
        return None if text is None else Split(at, len(claims), at, text)
    if not is_code or cells[at].source.strip() == released.source.strip():
        return None
    for first, other in ((at, at + 1), (at - 1, at - 1)):
        if 0 <= other < len(cells) and cells[other].is_code and not cells[other].is_known:
            text = completed([cell.source for cell in cells[first : first + 2]], at - first, answers)
            if text is not None:
                return Split(first, 2, at, text)
    return None


def joined(parts: Sequence[str], released: str, answers: Set[str], is_code: bool = True) -> str | None:
    """The one answer that adjacent cells of the same name are the parts of, None where each may be an answer of its own.

    `released` is the text that the cell had at first, `answers` are the names that it is there to bind.
    """
    texts = {part.strip() for part in parts}
    if len(texts) < len(parts) or texts & {"", released.strip()}:
        return None
    if not is_code:
        return "\n\n".join(parts)  # a person reads it
    whole = _whole(parts)
    if whole is None or not _stand_alone(parts):
        return whole
    wanted = answers & parse_cell(whole).touches or parse_cell(whole).touches
    tries = [made & wanted for leans, made in _in_order(parts) if not leans]
    return None if sum(map(len, tries)) > len(frozenset().union(*tries)) else whole


def completed(parts: Sequence[str], own: int, answers: Set[str]) -> str | None:
    """The one answer that a cell, the part of this index, is together with a neighbour that nbgrader does not know.

    None where the cell may be an answer without it, or they do not belong together.
    """
    if not all(part.strip() for part in parts):
        return None
    if not _is_python(parts[own]):
        return _whole(parts)
    whole = "\n".join(parts)
    if not _is_python(whole):
        return None
    gives = bool(parse_cell(parts[own]).touches & answers)
    is_answer = gives or not parse_cell(whole).touches & answers
    is_moved = own > 0 and gives and _is_python(parts[0])  # an answer that is indented as a whole, which IPython allows
    belongs = not (is_moved or _stand_alone(parts)) or (not is_answer and [*_in_order(parts)][-1][0])
    return whole if belongs else None


def _whole(parts: Sequence[str]) -> str | None:
    """The parts as one text: a line each, or where a line was cut without a break; None where that is not Python."""
    return next((text for text in ("\n".join(parts), "".join(parts)) if _is_python(text)), None)


def _stand_alone(parts: Sequence[str]) -> bool:
    """Whether each part is Python; IPython would take a part of a function for that, and move it to the left."""
    return all(map(_is_python, parts)) and not any(part.startswith((" ", "\t")) for part in parts[1:])


def _is_python(source: str) -> bool:
    try:
        compile(parse_tree(source), "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        return True
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _in_order(parts: Sequence[str]) -> Iterator[tuple[bool, Set[str]]]:
    """Of each part, whether it reads a name that one above it makes and it has not made itself before, and what it makes."""
    above = set[str]()
    for part in parts:
        leans, made = False, set[str]()
        for statement in parse_cell(part).statements:
            leans = leans or bool((names_in(statement.code) - statement.makes - made) & above)
            made |= statement.makes
        yield leans, made
        above |= made
