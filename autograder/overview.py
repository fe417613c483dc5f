"""What students call to see how far they are: `progress`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from IPython.display import display

from autograder import exercise, logbook
from autograder.errors import NotReady
from autograder.exercise import Exercise
from autograder.feedback import judge
from autograder.graph import STATES, GradientMap, Standing, State, chart
from autograder.judgement import PRACTICE
from autograder.logbook import Entry, first_sentence
from autograder.outline import as_html, as_text
from autograder.replay import under_way
from autograder.session import Session, current
from autograder.tape import Tape
from autograder.verdict import Outcome, Verdict

CHANGED = Standing(State.WAITING, logbook.CHANGED)
UNTOUCHED = Standing(State.NOT_ATTEMPTED)


def progress() -> None:
    """Shows the gradient map: every gradient of the notebook, and which are right.

    What was run since the kernel started is judged now, all else is as it was when it was last checked.
    Raises NotReady where no forward pass was recorded.
    """
    if under_way():
        return
    session = current()
    if not session.tapes:
        raise NotReady("no forward pass has been recorded: run the `%%forward` cell, then this one again.")
    for forward, tape in session.tapes.items():
        if any(session.tape(variable) is tape for variable in tape.variables):
            graph = survey(forward, tape, Path())
            display({"text/plain": as_text(graph), "text/html": as_html(graph)}, raw=True)


def survey(forward: str, tape: Tape, folder: Path) -> GradientMap:
    """The map of one forward pass, with its source, of the running notebook, which stands in a folder."""
    session = current()
    beside = session.exercise or exercise.beside(folder, forward)
    gradients = [f"d{variable}" for variable in tape.variables[:-1]]
    asked = beside.asked if beside else {}
    answers = {name: asked[name] for name in gradients if name in asked} or {name: name for name in gradients}
    entries = logbook.read(folder, forward)
    standings: dict[str, Standing] = {}
    for name, answer in answers.items():
        verdict = _judged(session, tape, name, answer)
        if verdict is None:
            standings[name] = _remembered(entries.get(name), beside, answer)
        else:
            standings[name] = _standing(verdict.outcome, verdict.diagnosis)
            if run := session.answering(answer):
                logbook.note(folder, forward, verdict, run.cell.source)
    return chart(tape, standings)


def _judged(session: Session, tape: Tape, name: str, answer: str) -> Verdict | None:
    """The verdict on a gradient, or None where its answer has not run since the kernel started."""
    run = session.answering(answer)
    seen = run or session.dropped(answer) or session.failure(answer)
    if not seen or session.tape(name[1:]) is not tape:
        return None
    by = None if answer == name else answer
    judged = session.judged.get((name, by))
    if run and judged and session.seed and judged.run is run:
        return judged.verdict  # in a record the map says what the tests said
    return judge(name, by, replace(PRACTICE, remarks=False))


def _remembered(entry: Entry | None, beside: Exercise | None, answer: str) -> Standing:
    """How a gradient stands by its entry in the logbook, which counts while a cell still has the answer that was judged."""
    if entry is None:
        return UNTOUCHED
    if beside is None or beside.has(entry.answer):
        return _standing(entry.outcome, entry.sentence)
    return UNTOUCHED if beside.is_blank(answer) else CHANGED


def _standing(outcome: Outcome, diagnosis: str) -> Standing:
    """What is right needs no reason, and neither does what is not there."""
    told = outcome in {Outcome.WRONG, Outcome.COULD_NOT_TELL}
    return Standing(STATES[outcome], first_sentence(diagnosis) if told else "")
