"""What in a submission an instructor may want to look at: flags from reading the cells as text, which is never run.

A flag is a place to look at and takes no marks away. Code that hides well enough is not seen: the room and the examiner
hold whatever this scan finds.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator

from IPython.core.inputtransformer2 import TransformerManager

from autograder.reader import Reader, Text
from autograder.sighting import shortened
from autograder.suspects import MAGICS, Flag, Kind

LONGEST, MOST = 100_000, 200_000
"""Characters that are read: of a cell, of all cells."""
WORK = 200_000
"""Characters times lines with magics, of all cells: IPython goes through a cell once for each of these lines."""
PASSES = 4
"""Over all cells: names may be bound further down than they are used."""

MAGIC_LINE = re.compile(r"^[ \t]*[!%?/,;]|=[ \t]*[!%]|\?[ \t]*$", re.MULTILINE)


def scan(cells: Iterable[tuple[str, str]]) -> list[Flag]:
    """The flags of a student's cells, given as (id, source) in order. Names are followed from cell to cell.

    Of the names that locked cells bind, those of the lectures are known (`torch`, `F`). Raises nothing, whatever the text.
    """
    cells = list(cells)
    reader = Reader(_Parser())
    for _ in range(PASSES):
        before = reader.knowledge()
        _read(cells, reader)
        if reader.knowledge() == before:
            break
    return reader.found()


def summary(flags: Iterable[Flag]) -> list[str]:
    """One line for each kind: the first place that is no import, if there is one, and how many more there are."""
    kinds: dict[Kind, list[Flag]] = {kind: [] for kind in Kind}
    for flag in flags:
        kinds[flag.kind].append(flag)
    return [_line(min(found, key=_is_import), len(found) - 1) for found in kinds.values() if found]


def _is_import(flag: Flag) -> bool:
    return flag.code.startswith(("import ", "from "))


def _line(first: Flag, others: int) -> str:
    more = f", and {others} more place{'s' if others > 1 else ''}" if others else ""
    return f"{first.kind}: {shortened(first.cell)} line {first.line} `{first.code}`{more}"


def _read(cells: list[tuple[str, str]], reader: Reader) -> None:
    """One pass over all cells."""
    reader.flags.clear()
    left = MOST
    for index, (cell, source) in enumerate(cells):
        reader.enter(index, cell)
        try:
            if len(source) > min(LONGEST, left):
                raise _Unreadable
            left -= len(source)
            reader.read(source)
        except (_Unreadable, RecursionError, MemoryError):
            reader.give_up(source)


class _Unreadable(Exception):
    pass


class _Parser:
    """Makes trees of texts, as far as its work is bounded."""

    def __init__(self) -> None:
        self.left = WORK

    def __call__(self, source: str) -> Text | None:
        """The text as Python, with magics as calls; None for what neither Python nor IPython would run."""
        source = source.replace("\r\n", "\n").replace("\r", "\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for text, skipped in self._readings(source):
                try:
                    return Text(ast.parse(text), text.encode().split(b"\n"), skipped)
                except (SyntaxError, ValueError, OverflowError):
                    continue
        return None

    def _readings(self, source: str) -> Iterator[tuple[str, int]]:
        """The text as it is, then as IPython has it, each with the number of lines that are left out before it."""
        yield source, 0
        text = source.lstrip()
        skipped = source.count("\n", 0, len(source) - len(text))
        if "\n" not in text.rstrip() and text.split(" ")[0] in MAGICS:
            source = f"%{text}"  # IPython runs `pip install …` without its sign
        magics = 0 if text.startswith("%%") else len(MAGIC_LINE.findall(source))
        work = len(source) * max(1, magics)
        if work > self.left:
            raise _Unreadable
        self.left -= work
        try:
            yield TransformerManager().transform_cell(source), skipped
        except (RecursionError, MemoryError):
            raise
        except Exception:  # IPython does not run such a cell either
            return
