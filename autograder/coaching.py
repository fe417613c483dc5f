"""What is kept of a learner's work beside the notebooks, and what follows from it: how all stands, and the next hint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from autograder import cell, files, logbook
from autograder.errors import NotReady
from autograder.exercise import fingerprint
from autograder.graph import OUTCOMES, STATES, State
from autograder.homework import Homework, asked
from autograder.paper import Task
from autograder.rendering import HINT, NEUTRAL, Box
from autograder.results import Checked, Result, about
from autograder.tutor import Tutor
from autograder.verdict import Verdict

HINTS = ".hints.json"
"""Beside the notebooks: how many hints were given, by the sources of forward passes and the names of gradients."""


def note(checked: Checked) -> None:
    """Writes what was found into the logbook, where `progress()` finds it too."""
    homework = checked.homework
    for result in checked.results:
        if result.state is not State.NOT_ATTEMPTED:
            verdict = result.verdict or Verdict(result.name, OUTCOMES[result.state], result.error)
            logbook.note(_folder(homework), _forward(homework), verdict, _source(homework, result))


def standing(homework: Homework) -> Checked:
    """How a notebook stands by the logbook, without running it."""
    entries = logbook.read(_folder(homework), _forward(homework))
    results = []
    for test in homework.tests:
        told = about(homework, test)
        entry = entries.get(told.name)
        source = _source(homework, told)
        state, words = State.NOT_ATTEMPTED, ""
        if entry is not None and source:
            is_same = entry.answer == fingerprint(source)
            state, words = (STATES[entry.outcome], entry.sentence) if is_same else (State.WAITING, logbook.CHANGED)
        elif source:
            state, words = State.WAITING, "not checked yet"
        results.append(Result(told.test, told.name, told.answer, told.points, state, None, words))
    return Checked(homework, tuple(results), {})


def is_right(homework: Homework, name: str) -> bool:
    """Whether the last check found all right that goes by this name, and it is the same still."""
    found = [result for result in standing(homework).results if name in result.names]
    return bool(found) and all(result.state is State.RIGHT for result in found)


def hint(tutor: Tutor, homework: Homework, result: Result, tasks: tuple[Task, ...]) -> Box:
    """The next hint for what a test is about. Raises NotReady where there is none."""
    test = next(test for test in homework.tests if test.id == result.test)
    if not asked(test.source):
        raise NotReady(f"there are no hints for `{result.name}`: its test says what it expects.")
    told = tutor.hints(homework, tasks, [result.name])[result.name]
    if not told["said"]:
        raise NotReady(told["error"])
    ladder = told["said"]
    number = next_hint(homework, result.name, ladder)
    more = "Ask again, and you are told more." if number < len(ladder) - 1 else "This was the last one."
    facts = [("where", f"{homework.path}, in the cell `{result.answer}`"), ("next", more)]
    return Box("→", result.name, f"hint {number + 1} of {len(ladder)}", ladder[number], facts, NEUTRAL, longest=HINT)


def next_hint(homework: Homework, name: str, ladder: Sequence[str]) -> int:
    """Which of the hints is to be said next. The last one is said again and again; that of a new check is said first."""
    file = _folder(homework) / HINTS
    told = _told(file)
    key = f"{fingerprint(_forward(homework))} {name}"
    said = told.setdefault(key, [])
    left = [number for number, hint in enumerate(ladder) if fingerprint(hint) not in said]
    number = left[0] if left else len(ladder) - 1
    if left:
        said.append(fingerprint(ladder[number]))
        with suppress(OSError):  # it begins anew the next time
            files.replace(file, json.dumps(told) + "\n")
    return number


def _told(file: Path) -> dict[str, list[str]]:
    with suppress(OSError, ValueError, RecursionError):
        told = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(told, dict):
            return {str(key): [str(each) for each in said] for key, said in told.items() if isinstance(said, list)}
    return {}


def _source(homework: Homework, result: Result) -> str:
    """The cell with an answer: its own, or where nothing is in that another one that makes it; nothing where none does."""
    if result.answer not in homework.blank:
        return homework.source(result.answer)
    name = re.compile(rf"\b{re.escape(result.name)}\b")
    others = (task for task in reversed(homework.tasks) if task.id in homework.written and name.search(task.source))
    return next((task.source for task in others if result.name in cell.read(task.source).touches), "")


def _folder(homework: Homework) -> Path:
    return homework.path.parent


def _forward(homework: Homework) -> str:
    """The forward pass by which the logbook knows the notebook."""
    return next(homework.forwards, "")


def behind(checked: Sequence[Checked]) -> Iterator[tuple[Checked, Result]]:
    """What is not right yet, in the order of the course."""
    return ((each, result) for each in checked for result in each.results if result.state is not State.RIGHT)
