"""How far the running notebook is, in a few words that stand below each right answer: `7 of 26, next: dh`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autograder.course import questions
from autograder.course.questions import Exercise, Question, fingerprint, specifications
from autograder.judge import kinds
from autograder.judge.session import Session
from autograder.notebook import logbook
from autograder.verdict import Outcome


def tally(session: Session, question: Question, folder: Path) -> str:
    """How many answers of the notebook are right, and the next one that is not yet: below this one, or else from the top.

    Nothing is judged: it is what the tests have said, in this session or by the logbook of the folder. It is empty for an
    answer that no test of the notebook asks for.
    """
    exercise = questions.beside(folder, kinds.claim(session, question).specification)
    asked = exercise.asked if exercise else {}
    if exercise is None or question.name not in asked:
        return ""
    names = list(asked)[::-1]  # they begin with the last test
    pages = logbook.read(folder)
    right = {name for name in names if name == question.name or _is_right(session, name, asked[name], exercise, pages)}
    return _in_words(names, right, names.index(question.name))


def _in_words(names: Sequence[str], right: set[str], place: int) -> str:
    left = next((name for name in (*names[place:], *names[:place]) if name not in right), None)
    return f"{len(right)} of {len(names)}, next: `{left}`" if left else f"{len(names)} of {len(names)}, all right"


def _is_right(session: Session, name: str, answer: str, exercise: Exercise, pages: logbook.Pages) -> bool:
    """Whether an answer was found right, and is still the one that was judged."""
    if session.dropped(answer):
        return False
    run = session.answering(answer)
    for question, last in session.judged.items():
        if question.name == name and run and last.run is run:
            return last.verdict.outcome is Outcome.RIGHT
    for specification in specifications(exercise.cells, name):
        entry = logbook.page(pages, specification).get(name)
        if entry and (entry.answer == fingerprint(run.cell.source) if run else exercise.has(entry.answer)):
            return entry.outcome is Outcome.RIGHT
    return False
