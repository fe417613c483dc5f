"""What is kept of a learner's work beside the notebooks, and what follows from it: the state of each answer, the next hint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from autograder import files
from autograder.course.cells import Cell
from autograder.course.objectives import Asked
from autograder.course.questions import fingerprint, shown_in
from autograder.errors import NotReady
from autograder.learner.checker import Checker
from autograder.learner.results import Checked, Result, about
from autograder.learner.workbook import Workbook
from autograder.notebook import logbook
from autograder.notebook.box import HINT, NEUTRAL, Box
from autograder.notebook.course_map import Standing
from autograder.notebook.gradient_map import OUTCOMES, STATUSES, Status
from autograder.replay import parsed
from autograder.verdict import Outcome, Verdict

HINTS = ".hints.json"
"""The file beside the notebooks with the hints that were given, by the forward pass or ask and the name of the answer."""
ASKED = "asked"
"""What stands there among the hints if a question about the right answer was asked."""


def check(checker: Checker, workbook: Workbook, tasks: tuple[Cell, ...] | None = None) -> Checked:
    """Checks what `Checker.check` does, and keeps what was found.

    Answers that have become right, after a check that did not find them so or after a hint, have a question: each once.
    """
    file = _folder(workbook) / HINTS
    given = _given_hints(file)
    asking = {test.name: given.setdefault(_key(workbook, test.name), []) for test in _hard(workbook, given)}
    checked = kept(checker.check(workbook, tasks, [*asking]))
    asked = [result.name for result in checked.results if result.question]
    for name in asked:
        asking[name].append(ASKED)
    if asked:
        _keep_hints(file, given)
    return checked


def _hard(workbook: Workbook, given: Mapping[str, Sequence[str]]) -> Iterator[Result]:
    """What a learner had a hint for, or what the last check did not find right, if no question was asked about it yet."""
    pages = logbook.read(_folder(workbook))
    for test in workbook.tests:
        unknown = about(workbook, test)
        hints = given.get(_key(workbook, unknown.name), ())
        entry = _entry(pages, workbook, unknown.name, "")
        if ASKED not in hints and (hints or (entry and entry.outcome is not Outcome.RIGHT)):
            yield unknown


def kept(checked: Checked) -> Checked:
    """Writes what was found into the logbook, and gives it back, with a note where it cannot be kept."""
    if write_results(checked):
        return checked
    return replace(checked, notes=(*checked.notes, logbook.NOT_KEPT))


def write_results(checked: Checked) -> bool:
    """Writes what was found into the logbook, where `progress()` finds it too. Returns False where it cannot be kept."""
    workbook = checked.workbook
    found: dict[str, list[tuple[Verdict, str]]] = {}
    for result in (result for result in checked.results if result.state is not Status.NOT_ATTEMPTED):
        verdict = result.verdict or Verdict(result.name, OUTCOMES[result.state], result.error)
        found.setdefault(workbook.specification(result.name), []).append((verdict, _source(workbook, result)))
    return logbook.write_entries(_folder(workbook), found)


def standing(workbook: Workbook) -> Checked:
    """How a notebook stands by the logbook, without running it."""
    pages = logbook.read(_folder(workbook))
    results = []
    for test in workbook.tests:
        unknown = about(workbook, test)
        source = _source(workbook, unknown)
        entry = _entry(pages, workbook, unknown.name, fingerprint(source))
        state, words = Status.NOT_ATTEMPTED, ""
        if entry is not None and source:
            is_same = entry.answer == fingerprint(source)
            state, words = (STATUSES[entry.outcome], entry.sentence) if is_same else (Status.WAITING, logbook.CHANGED)
        elif source:
            state, words = Status.WAITING, "not checked yet"
        results.append(replace(unknown, state=state, error=words))
    return Checked(workbook, tuple(results), {})


def _entry(pages: logbook.Pages, workbook: Workbook, name: str, answer: str) -> logbook.Entry | None:
    """The entry of an answer: of several forward passes in a notebook the one where this very answer was judged comes first."""
    pages_of_it = (logbook.page(pages, specification) for specification in workbook.specifications(name))
    entries = [page[name] for page in pages_of_it if name in page]
    return next((entry for entry in entries if entry.answer == answer), entries[0] if entries else None)


def standings(checked: Iterable[Checked]) -> dict[str, Standing]:
    """How assignments stand by what is known of their notebooks; of two folders with the same assignment the first counts."""
    found: dict[str, Standing] = {}
    for each in checked:
        folder = _folder(each.workbook).resolve()
        standing = found.setdefault(each.assignment, Standing(folder, {}))
        if standing.folder == folder:
            origin = each.workbook.origin
            notebook = origin.notebook.stem if origin else each.workbook.path.stem
            for result in each.results:
                asked = Asked(notebook, result.test, result.name, result.answer, result.points)
                standing.answers.setdefault(asked, result.state)
    return found


def is_right(workbook: Workbook, name: str) -> bool:
    """Whether the last check found everything of this name right, and nothing of it was changed since."""
    found = [result for result in standing(workbook).results if name in result.names]
    return bool(found) and all(result.state is Status.RIGHT for result in found)


def hint(checker: Checker, workbook: Workbook, result: Result, tasks: tuple[Cell, ...]) -> Box:
    """The next hint for what a test is about. Raises NotReady where there is none."""
    test = next(test for test in workbook.tests if test.id == result.test)
    if not shown_in(test.source):
        raise NotReady(f"there are no hints for `{result.name}`: its test says what it expects.")
    hints = checker.hints(workbook, tasks, [result.name])[result.name]
    if not hints.said:
        raise NotReady(hints.error)
    ladder = hints.said
    number = next_hint(workbook, result.name, ladder)
    is_kept = fingerprint(ladder[number]) in _given_hints(_folder(workbook) / HINTS).get(_key(workbook, result.name), ())
    more = "Ask again, and you are told more." if number < len(ladder) - 1 else "This was the last one."
    facts = [("where", f"{workbook.path}, in the cell `{result.answer}`"), ("next", more if is_kept else logbook.NOT_KEPT)]
    return Box("→", result.name, f"hint {number + 1} of {len(ladder)}", ladder[number], facts, NEUTRAL, longest=HINT)


def next_hint(workbook: Workbook, name: str, ladder: Sequence[str]) -> int:
    """The number of the hint to give next: the first that was not given yet, or else the last. It is kept as given.

    Hints are known by their text, since a check that names a mistake puts a new one in front of the others.
    """
    file = _folder(workbook) / HINTS
    given = _given_hints(file)
    known = given.setdefault(_key(workbook, name), [])
    left = [number for number, hint in enumerate(ladder) if fingerprint(hint) not in known]
    number = left[0] if left else len(ladder) - 1
    if left:
        known.append(fingerprint(ladder[number]))
        _keep_hints(file, given)
    return number


def _key(workbook: Workbook, name: str) -> str:
    return f"{fingerprint(workbook.specification(name))} {name}"


def _keep_hints(file: Path, given: Mapping[str, Sequence[str]]) -> None:
    with suppress(OSError):  # then the same is said the next time
        files.replace(file, json.dumps(given) + "\n")


def _given_hints(file: Path) -> dict[str, list[str]]:
    """The fingerprints of the hints that were given; none where the file is not there or is malformed."""
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return {str(key): [str(each) for each in given] for key, given in content.items() if isinstance(given, list)}
    return {}


def _source(workbook: Workbook, result: Result) -> str:
    """The source of the cell with an answer: its own cell, or if that is blank another that binds the name; else nothing."""
    if result.answer not in workbook.blank:
        return workbook.source(result.answer)
    name = re.compile(rf"\b{re.escape(result.name)}\b")
    others = (task for task in reversed(workbook.tasks) if task.id in workbook.written and name.search(task.source))
    return next((task.source for task in others if result.name in parsed.parse_cell(task.source).touches), "")


def _folder(workbook: Workbook) -> Path:
    return workbook.path.parent


def behind(checked: Sequence[Checked]) -> Iterator[tuple[Checked, Result]]:
    """What is not right yet, in the order of the course. Who has begun what gives points need not go back to practice."""
    open_ones = [(each, result) for each in checked for result in each.results if result.state is not Status.RIGHT]
    is_begun = any(result.points and each.is_begun(result) for each in checked for result in each.results)
    return (found for found in open_ones if found[1].points or not is_begun)
