"""The logbook: what was found about each answer, in a small file beside the notebook that outlives the kernel.

It is a convenience: whatever is the matter with the file or its folder, nothing is raised.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autograder.exercise import fingerprint
from autograder.files import replace
from autograder.verdict import Outcome, Verdict

NBGRADER = "NBGRADER_EXECUTION"
"""The environment variable by which nbgrader tells notebooks what they run for: "autograde" or "validate"."""

FILE = "progress.json"
CHANGED = "changed since it was checked"
"""What is said of an answer that is no more the one that was judged."""

ASIDE = f"{FILE}.unreadable"
"""Where a file goes that is not a logbook, so that a new one can be begun."""


@dataclass(frozen=True)
class Entry:
    """What was found about an answer: the outcome, the first sentence about it, and the fingerprint of its cell."""

    outcome: Outcome
    sentence: str
    answer: str


Pages = dict[str, dict[str, Entry]]
"""The entries by the fingerprint of the forward pass and the name of the gradient."""


def note(folder: Path, forward: str, verdict: Verdict, answer: str) -> None:
    """Puts a verdict into the logbook of a folder. `forward` and `answer` are sources, of the forward pass and of the cell.

    An answer without a source is no answer, and is not noted; nor is anything where nbgrader runs the notebook, and no
    learner. The file is read again before, since other notebooks of the folder write into it, and replaced as a whole.
    """
    if not answer.strip() or NBGRADER in os.environ:
        return
    pages = _read(folder)
    page = pages.setdefault(fingerprint(forward), {})
    entry = Entry(verdict.outcome, first_sentence(verdict.diagnosis), fingerprint(answer))
    if page.get(verdict.name) != entry:
        page[verdict.name] = entry
        with suppress(OSError):
            replace(folder / FILE, json.dumps(pages, default=asdict, indent=1) + "\n")


def read(folder: Path, forward: str) -> Mapping[str, Entry]:
    """The entries for the gradients of a forward pass, by name."""
    return _read(folder).get(fingerprint(forward), {})


def first_sentence(text: str) -> str:
    """Of a diagnosis, which has one or two."""
    found = re.match(r".*?[.?!](?=\s|$)", text)
    return found[0] if found else text.partition("\n")[0]


def _read(folder: Path) -> Pages:
    """All entries. A file that cannot be read is moved aside."""
    try:
        return _pages(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        with suppress(OSError):
            os.replace(folder / FILE, folder / ASIDE)
        return {}


def _pages(content: Any) -> Pages:
    return {forward: {name: _entry(**entry) for name, entry in page.items()} for forward, page in content.items()}


def _entry(outcome: str, sentence: str, answer: str) -> Entry:
    if not (isinstance(sentence, str) and isinstance(answer, str)):
        raise TypeError("an entry is made of texts")
    return Entry(Outcome(outcome), sentence, answer)
