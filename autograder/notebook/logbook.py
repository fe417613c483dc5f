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

from autograder.course.questions import Exercise, fingerprint
from autograder.files import replace
from autograder.verdict import Outcome, Verdict

NBGRADER = "NBGRADER_EXECUTION"
"""The environment variable by which nbgrader tells notebooks what they run for: "autograde" or "validate"."""

PROGRESS_FILE = "progress.json"
NOT_KEPT = "Your progress is not kept, since the folder of this notebook cannot be written to. Work in a folder of your own."
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
"""The entries by the fingerprint of a forward pass or of an ask, and then by the name of the answer."""

Found = Mapping[str, Iterable[tuple[Verdict, str]]]
"""Verdicts by the source of the forward pass, or of the ask, that they are about; each with the source of the answer's cell."""


def write_entries(folder: Path, found: Found) -> bool:
    """Puts verdicts into the logbook of a folder. Returns False where they are not kept, as the folder cannot be written to.

    An answer without a source is no answer, and is not noted; nor is anything where nbgrader runs the notebook, and no
    learner.
    """
    return NBGRADER in os.environ or _updated(folder, found)[1]


def updated(folder: Path, found: Found) -> Pages:
    """Does what `write_entries` does, and gives all entries."""
    return read(folder) if NBGRADER in os.environ else _updated(folder, found)[0]


def _updated(folder: Path, found: Found) -> tuple[Pages, bool]:
    """All entries with the new ones, and whether they are kept.

    However many verdicts there are, the file is read once, since other notebooks of the folder write into it, and replaced
    once, as a whole.
    """
    pages = read(folder)
    changed = False
    for specification, verdicts in found.items():
        new = {verdict.name: _noted(verdict, source) for verdict, source in verdicts if source.strip()}
        entries = pages.setdefault(fingerprint(specification), {})
        changed |= entries | new != entries
        entries |= new
    if changed:
        try:
            replace(folder / PROGRESS_FILE, json.dumps(pages, default=asdict, indent=1) + "\n")
        except OSError:
            return pages, False
    return pages, True


def _noted(verdict: Verdict, source: str) -> Entry:
    return Entry(verdict.outcome, first_sentence(verdict.diagnosis), fingerprint(source))


def first_sentence(text: str) -> str:
    """The first sentence of a diagnosis; the first line, if it has no sentence."""
    found = re.match(r".*?[.?!](?=\s|$)", text)
    return found[0] if found else text.partition("\n")[0]


def page(pages: Pages, specification: str) -> Mapping[str, Entry]:
    """The entries for the answers to a forward pass or an ask with this source, by name."""
    return pages.get(fingerprint(specification), {})


def has_right(folder: Path, specification: str, name: str, exercise: Exercise | None) -> bool:
    """Whether an answer was found right, and is still in a cell of the exercise, where that is known."""
    entry = page(read(folder), specification).get(name)
    return entry is not None and entry.outcome is Outcome.RIGHT and (exercise is None or exercise.has(entry.answer))


def read(folder: Path) -> Pages:
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
