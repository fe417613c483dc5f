"""Regular expressions that read what students wrote: each takes time in proportion to a text, whatever stands in it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from autograder.course.catalogue import COPY
from autograder.course.reading import COMMA, SPACE, whole_cells
from autograder.examiner.examiner import MISSING_MODULE, REFUSED_ERRORS
from autograder.examiner.plain import ANSI, ARROW
from autograder.grading.flags import MAGIC, MAX_CELL, MEMBERS, PATTERN
from autograder.grading.outputs import IS_JSON
from autograder.judge.crashes.explain import explain
from autograder.judge.kinds.gradient_answer import MISPLACED
from autograder.judge.session import begins_a_line
from autograder.learner.workbook import OPAQUE
from autograder.notebook.checking import SENTENCE
from autograder.notebook.logbook import first_sentence
from autograder.terminal import STEERING

NAME = 255
"""Bytes of the longest name of a file."""
CELL = 400_000
"""Characters of the longest cell (`c.Examine.cell_size`)."""
SECONDS = 1.0
"""What each may take: it takes some thousandths."""


def long(text: str, end: str = "!", most: int = CELL) -> str:
    """A text over and over, and then something that fits nothing."""
    return text * ((most - len(end)) // len(text)) + end


HOSTILE: dict[str, tuple[Callable[[str], object], list[str]]] = {
    "COPY": (
        lambda text: COPY.sub("", text),
        [f"a{long(text, most=NAME)}" for text in (" copy 1", " - copy 1", " 1", " (1)", "(1)", "-Copy1", " copy", "1", " ")],
    ),
    "STEERING": (lambda text: STEERING.sub("", text), [long("\x1b")]),
    "MAGIC": (
        MAGIC.match,
        [
            *(f"%x -{long(text, most=MAX_CELL)}" for text in ("1", "a ", "a 1 ", "a", " ", "a -")),
            *(f"{start}{long(text, most=MAX_CELL)}" for start in ("a", " ", "%") for text in (" ", "a", ",", "= ", "1", "a.")),
        ],
    ),
    "MEMBERS": (
        MEMBERS.findall,
        [long(text, most=MAX_CELL) for text in ("self.a ", "self.", " ", "\n", " \n", "\n def a", "self.a  ==", "a")],
    ),
    "PATTERN": (
        PATTERN.match,
        [f"{start}{long('_grad', most=MAX_CELL)}" for start in ("torch.autograd.", ".__reduce", ".run_cell")],
    ),
    "IS_JSON": (IS_JSON, [f"application/{long(text)}" for text in ("+", "+json", "a")]),
    "ANSI": (lambda text: ANSI.sub("", text), [long("\x1b["), long("\x1b[0;"), "\x1b[" + long("0")]),
    "ARROW": (ARROW.match, [long("-"), f"-> {long('1')}"]),
    "REFUSED_ERRORS": (REFUSED_ERRORS.match, [f"RuntimeError: {long(each)}" for each in ("can't allocate ", "c", "\n")]),
    "MISSING_MODULE": (MISSING_MODULE.match, [f"ModuleNotFoundError: No module named '{long('a.')}"]),
    "whole_cells": (
        lambda text: [*whole_cells(text)],
        [long(text) for text in ('"cells" ', '"cells"  :  ', '"cells": [', " ")],
    ),
    "SPACE": (SPACE.match, [long(" ")]),
    "COMMA": (COMMA.match, [long(" ")]),
    "MISPLACED": (
        lambda text: [pattern.search(text) for pattern, *_ in MISPLACED],
        [long(text) for text in ("\n", " ", "\n ", "a", "a\n", "=", "a = ", "\n+")],
    ),
    "begins_a_line": (
        lambda text: begins_a_line("dx", text),
        [long(text) for text in ("\n", " ", "def ", "def\n", "\n def ", "d", "dx1 ")],
    ),
    "OPAQUE": (OPAQUE.search, [long(text, "a") for text in ("\n", " ", "\n ", "eval1 ", "import ")]),
    "SENTENCE": (SENTENCE.findall, [long(text) for text in ("`", "`a", "a. ", ".", "a.b", "`.`", " ")]),
    "first_sentence": (first_sentence, [long(text) for text in (".", "a", ".a", "\n")]),
    "explain": (
        lambda text: [explain(f"{kind}: {text}", "x") for kind in ("RuntimeError", "TypeError", "IndexError", "KeyError")],
        [
            long(text)
            for text in (
                "expanded size of the tensor  must match Target sizes: [] Tensor sizes: [",
                "expanded size of the tensor ",
                " must match",
                "[",
                "'",
                "a",
                "takes arguments",
                "argument 'keepdim' a(): argument 'b' must be a",
                "Dimension out of range [",
                " received an invalid combination of arguments - got (",
            )
        ],
    ),
}
"""What reads a text, and texts that would keep it busy if two of its parts could take the same characters."""


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(10)
def test_no_text_keeps_one_busy(name: str) -> None:
    read, texts = HOSTILE[name]
    for text in texts:
        began = time.process_time()
        read(text)
        assert time.process_time() - began < SECONDS, f"{text[:60]!r} …, {len(text):,} characters"
