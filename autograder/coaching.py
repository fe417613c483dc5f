"""What is kept of a learner's work beside the notebooks, and what follows from it: how all stands, and the next hint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from autograder import files, logbook
from autograder.errors import NotReady
from autograder.exercise import fingerprint
from autograder.graph import STATES, State
from autograder.homework import Homework, asked
from autograder.paper import Task
from autograder.rendering import NEUTRAL, Box
from autograder.results import Checked, Result, about
from autograder.tutor import Tutor
from autograder.verdict import Verdict

CHANGED = "changed since it was checked"
HINTS = ".hints.json"
"""Beside the notebooks: how many hints were given, by the sources of forward passes and the names of gradients."""

LONGEST = 1500
"""Of a hint, in characters."""

OUTCOMES = {state: outcome for outcome, state in STATES.items()}


def note(checked: Checked) -> None:
    """Writes what was found into the logbook, where `progress()` finds it too."""
    homework = checked.homework
    for result in checked.results:
        if result.answer in homework.blank:
            continue
        verdict = result.verdict or Verdict(result.name, OUTCOMES[result.state], result.error)
        logbook.note(_folder(homework), _forward(homework), verdict, homework.source(result.answer))


def standing(homework: Homework) -> Checked:
    """How a notebook stands by the logbook, without running it."""
    entries = logbook.read(_folder(homework), _forward(homework))
    results = []
    for test in homework.tests:
        told = about(homework, test)
        entry = entries.get(told.name)
        state, words = State.NOT_ATTEMPTED, ""
        if entry is not None and told.answer not in homework.blank:
            is_same = entry.answer == fingerprint(homework.source(told.answer))
            state, words = (STATES[entry.outcome], entry.sentence) if is_same else (State.WAITING, CHANGED)
        elif told.answer not in homework.blank:
            state, words = State.WAITING, "not checked yet"
        results.append(Result(told.test, told.name, told.answer, told.points, state, None, words))
    return Checked(homework, tuple(results), {})


def is_right(homework: Homework, name: str) -> bool:
    """Whether the last check found the answer right, and it is the same still."""
    return any(result.state is State.RIGHT for result in standing(homework).results if name in (result.name, result.answer))


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
    return Box("→", result.name, f"hint {number + 1} of {len(ladder)}", ladder[number], facts, NEUTRAL, longest=LONGEST)


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


def _folder(homework: Homework) -> Path:
    return homework.path.parent


def _forward(homework: Homework) -> str:
    """The forward pass by which the logbook knows the notebook."""
    return next(homework.forwards, "")


def behind(checked: Sequence[Checked]) -> Iterator[tuple[Checked, Result]]:
    """What is not right yet, in the order of the course."""
    return ((each, result) for each in checked for result in each.results if result.state is not State.RIGHT)
