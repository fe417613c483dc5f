"""`progress`: how every gradient of the running notebook stands, by what was run or else by the logbook; or the course."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from IPython.display import display

from autograder.course import questions
from autograder.course.questions import Exercise, Question, answer_of, fingerprint
from autograder.errors import NotReady
from autograder.judge import kinds
from autograder.judge.judging import PRACTICE
from autograder.judge.session import Session
from autograder.notebook import logbook
from autograder.notebook.checking import judged, may_explain
from autograder.notebook.course_map import chart_course, course_as_html, course_as_text, folders_beside, read_standings
from autograder.notebook.gradient_map import STATUSES, GradientMap, Standing, Status, chart, chart_of_asks
from autograder.notebook.logbook import Entry, first_sentence
from autograder.notebook.map_view import map_as_html, map_as_text
from autograder.replay.run import under_way
from autograder.tape.tape import Tape
from autograder.verdict import Outcome, Verdict

CHANGED_STANDING = Standing(Status.WAITING, logbook.CHANGED)
UNTOUCHED_STANDING = Standing(Status.NOT_ATTEMPTED)


def progress(session: Session) -> None:
    """Shows the gradient map of each forward pass, and one of all asks. Raises NotReady where there is neither."""
    if under_way():
        return
    if not session.tapes and not session.asks:
        raise NotReady("no forward pass has been recorded: run the `%%forward` cell, then this one again.")
    if session.asks:
        _show(survey_of_asks(session, Path()))
    current = {
        forward: tape
        for forward, tape in session.tapes.items()
        if any(session.tape(variable) is tape for variable in tape.variables)
    }
    for forward, tape in current.items():
        graph = survey(session, forward, tape, Path())
        _show(graph if len(current) == 1 else replace(graph, title=f"{graph.title} of {tape.loss}"))


def progress_of_course(session: Session) -> None:
    """Shows the map of the course: the assignments in the folders beside that of the running notebook, and all others."""
    if under_way():
        return
    here = Path().resolve()
    specifications = [*(ask.source for ask in session.asks.values()), *session.tapes]
    live = {
        (fingerprint(specification), name): standing.state
        for specification in specifications
        for name, standing in _standings(session, specification, Path()).items()
    }
    course = chart_course(read_standings(folders_beside(here), live), here)
    display({"text/plain": course_as_text(course), "text/html": course_as_html(course)}, raw=True)


def _show(graph: GradientMap) -> None:
    display({"text/plain": map_as_text(graph), "text/html": map_as_html(graph)}, raw=True)


def survey(session: Session, forward: str, tape: Tape, folder: Path) -> GradientMap:
    """The map of a forward pass of the running notebook. `forward` is its source, `folder` that of the notebook.

    Answers that ran since the kernel started are judged now, and the verdicts go into the logbook. The others stand as the
    logbook says.
    """
    return chart(tape, _standings(session, forward, folder))


def survey_of_asks(session: Session, folder: Path) -> GradientMap:
    """The map of all that is asked for in the running notebook and is no gradient."""
    standings: dict[str, Standing] = {}
    for ask in session.asks.values():
        standings |= _standings(session, ask.source, folder)
    needs = {name: (*ask.parameters, *([ask.answer] if ask.method else [])) for name, ask in session.asks.items()}
    return chart_of_asks(needs, standings)


def _standings(session: Session, forward: str, folder: Path) -> dict[str, Standing]:
    """How the answers stand that are judged by a forward pass, or by an ask, with this source."""
    beside = session.exercise or questions.beside(folder, forward)
    verdicts = {question: _judged(session, question, forward) for question in _questions(session, forward, beside)}
    runs = [(verdict, session.answering(question.answer)) for question, verdict in verdicts.items() if verdict]
    pages = logbook.updated(folder, {forward: [(verdict, run.cell.source) for verdict, run in runs if run]})
    entries = logbook.page(pages, forward)
    return {
        question.name: _standing(verdict.outcome, verdict.diagnosis if may_explain() or not session.seed else "")
        if verdict
        else _remembered(entries.get(question.name), beside, question.answer)
        for question, verdict in verdicts.items()
    }


def _questions(session: Session, forward: str, beside: Exercise | None) -> list[Question]:
    """What the tests of an exercise ask about a forward pass; all that could be asked, where they ask nothing."""
    offered = list(kinds.offers(session, forward))
    answers = beside.asked if beside else {}
    asked = {name: Question(name, "" if answer == answer_of(name) else answer) for name, answer in answers.items()}
    return [asked[question.name] for question in offered if question.name in asked] or offered


def _judged(session: Session, question: Question, forward: str) -> Verdict | None:
    """The verdict on an answer, or None where it has not run since the kernel started, or is about a newer forward pass."""
    run = session.answering(question.answer)
    has_run = run or session.dropped(question.answer) or session.failure(question.answer)
    if not has_run or not _is_about(session, question, forward):
        return None
    last = session.judged.get(question)
    if run and last and session.seed and last.run is run:
        return last.verdict  # in a graded record the map must not differ from the tests
    return judged(session, question, replace(PRACTICE, remarks=False))


def _is_about(session: Session, question: Question, forward: str) -> bool:
    """Whether the session judges the question by this forward pass now, and not by a newer one."""
    with suppress(NotReady):
        return kinds.claim(session, question).specification == forward
    return False


def _remembered(entry: Entry | None, beside: Exercise | None, answer: str) -> Standing:
    """How an answer stands by its entry in the logbook, which counts while a cell still has the answer that was judged."""
    if entry is None:
        return UNTOUCHED_STANDING
    if beside is None or beside.has(entry.answer):
        return _standing(entry.outcome, entry.sentence)
    return UNTOUCHED_STANDING if beside.is_blank(answer) else CHANGED_STANDING


def _standing(outcome: Outcome, diagnosis: str) -> Standing:
    """How an answer stands by a verdict. A right answer needs no reason, and neither does one that is not there."""
    has_reason = outcome in {Outcome.WRONG, Outcome.COULD_NOT_TELL}
    return Standing(STATUSES[outcome], first_sentence(diagnosis) if has_reason else "")
