"""The logbook: what was found about each answer, in a small file beside the notebook that outlives the kernel.

It is a convenience: whatever is the matter with the file or its folder, nothing is raised.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autograder.course.questions import fingerprint
from autograder.files import replace
from autograder.verdict import Outcome, Verdict

NBGRADER = "NBGRADER_EXECUTION"
"""The environment variable by which nbgrader tells notebooks what they run for: "autograde" or "validate"."""

PROGRESS_FILE = "progress.json"
CHANGED = "changed since it was checked"
"""What is said of an answer that is no more the one that was judged."""

ASIDE = f"{PROGRESS_FILE}.unreadable"
"""Where a file goes that is not a logbook, so that a new one can be begun."""


@dataclass(frozen=True)
class Entry:
    """What was found about an answer: the outcome, the first sentence about it, and the fingerprint of its cell."""

    outcome: Outcome
    sentence: str
    answer: str


Pages = dict[str, dict[str, Entry]]
"""The entries by the fingerprint of a forward pass, and then by the name of the gradient."""


def write_entry(folder: Path, forward: str, found: Iterable[tuple[Verdict, str]]) -> None:
    """Puts verdicts, each with the source of the cell that it is about, into the logbook of a folder.

    `forward` is the source of the forward pass. An answer without a source is no answer, and is not noted; nor is anything
    where nbgrader runs the notebook, and no learner.
    """
    if NBGRADER not in os.environ:
        updated(folder, forward, found)


def updated(folder: Path, forward: str, found: Iterable[tuple[Verdict, str]]) -> Mapping[str, Entry]:
    """Does what `write_entry` does, and gives the entries for all gradients of the forward pass, by name.

    However many verdicts there are, the file is read once, since other notebooks of the folder write into it, and replaced
    once, as a whole.
    """
    pages = _read(folder)
    page = pages.setdefault(fingerprint(forward), {})
    if NBGRADER in os.environ:
        return page
    new = {verdict.name: _noted(verdict, source) for verdict, source in found if source.strip()}
    if page | new != page:
        page |= new
        with suppress(OSError):
            replace(folder / PROGRESS_FILE, json.dumps(pages, default=asdict, indent=1) + "\n")
    return page


def _noted(verdict: Verdict, source: str) -> Entry:
    return Entry(verdict.outcome, first_sentence(verdict.diagnosis), fingerprint(source))


def read_entries(folder: Path, forward: str) -> Mapping[str, Entry]:
    """The entries for the gradients of a forward pass, by name."""
    return _read(folder).get(fingerprint(forward), {})


def first_sentence(text: str) -> str:
    """The first sentence of a diagnosis; the first line, if it has no sentence."""
    found = re.match(r".*?[.?!](?=\s|$)", text)
    return found[0] if found else text.partition("\n")[0]


def _read(folder: Path) -> Pages:
    """All entries. A file that cannot be read is moved aside."""
    try:
        return _pages(json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        with suppress(OSError):
            os.replace(folder / PROGRESS_FILE, folder / ASIDE)
        return {}


def _pages(content: Any) -> Pages:
    return {forward: {name: _entry(**entry) for name, entry in page.items()} for forward, page in content.items()}


def _entry(outcome: str, sentence: str, answer: str) -> Entry:
    if not (isinstance(sentence, str) and isinstance(answer, str)):
        raise TypeError("an entry is made of texts")
    return Entry(Outcome(outcome), sentence, answer)
