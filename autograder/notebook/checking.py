"""What `%%forward`, `check`, `grade`, `hint` and `solution` do in the process that judges."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from autograder.course.questions import NO_MODEL, Question, beside, model_answer
from autograder.errors import Died, NotReady, NotRight
from autograder.judge import kinds, wording
from autograder.judge.judging import EXAM, PRACTICE, Effort, judge
from autograder.judge.session import Session, current_session
from autograder.notebook import logbook
from autograder.notebook.box import COLOURS, HINT, NEUTRAL, Box, box, mimebundle
from autograder.notebook.tally import tally
from autograder.replay.run import under_way
from autograder.verdict import Outcome, Verdict

MOST_WEIGHTS = 6
"""Weights inside of objects that are listed in a remark."""

CODE = re.compile(r"`[^`]*`")
SENTENCE = re.compile(r"(?:`[^`]*`|[^.?!`]|[.?!](?!\s|$))+[.?!]*\s*")
"""Code in a text, and a sentence with the blanks behind it: a full stop inside of code or a number does not end one."""


def forward(session: Session, source: str, batch: list[str]) -> None:
    """Records a forward pass. Says which values it put back, and which weights are no variables, because objects hold them."""
    before = {each.name: session.namespace.get(each.name) for each in session.overwritten(source)}
    weights = [f"`{code}`" for code in session.forward(source, batch).weights]
    put_back = [f"`{name}`" for name, value in before.items() if session.namespace.get(name) is not value]
    if put_back:
        show(Box("→", "%%forward", "recorded", f"Put back: {wording.listed(put_back)}.", (), NEUTRAL))
    if weights:
        names = wording.listed(weights[:MOST_WEIGHTS] + [f"{len(weights) - MOST_WEIGHTS} more"] * (len(weights) > MOST_WEIGHTS))
        have, them = ("has", "it") if len(weights) == 1 else ("have", "them")
        sentence = f"{names} {have} no gradient here, since an object holds {them}."
        advice = "To ask for one, bind the tensor to a name of its own in a cell above, and write the line with that name."
        show(Box("→", "%%forward", "recorded", sentence, [("next", advice)], NEUTRAL, longest=HINT))


def check(session: Session, question: Question) -> None:
    """Judges an answer, and shows the verdict. Raises NotRight for anything but a right answer, unless a person sees it.

    A person is shown how far the notebook is, too.
    """
    if under_way():  # this call stands in a cell that is being run again to judge it
        return
    effort = replace(EXAM, seed=EXAM.seed + session.seed, remarks=True) if session.seed else PRACTICE
    verdict = judged(session, question, effort)
    asked = "" if logbook.NBGRADER in os.environ or session.seed else to_think_about(session, question, verdict)
    session.keep(question, verdict)
    verdict = replace(explained(session, question, remember(session, question, verdict)), question=asked)
    if is_attended(session):
        say(verdict, tally(session, question, Path()) if verdict.outcome is Outcome.RIGHT else "")
    else:
        conclude(for_a_record(verdict) if os.environ.get(logbook.NBGRADER) == "autograde" else verdict)


def is_attended(session: Session) -> bool:
    """Whether a person runs the cells of a notebook and sees what they show. Run All goes on then past an answer not right.

    Jupyter's messages say whether the cell may ask for input. nbgrader, nbconvert and all else that runs notebooks by itself
    lets no cell do that, and needs the error.
    """
    try:
        request = session.shell.get_parent()
    except AttributeError:  # no kernel of a notebook
        return False
    return logbook.NBGRADER not in os.environ and bool(request.get("content", {}).get("allow_stdin"))


def practise(session: Session, question: Question) -> None:
    """What `check` does for a student's cell while marks are given: it judges on practice cases, and says little.

    Those cases are no secret. So neither what is said of them, nor for how long and on how many the answer runs, says anything
    of the cases that marks come from, however often a cell asks. The verdict is not kept, for `grade` would go by it.
    """
    conclude(in_few_words(judged(session, question, replace(PRACTICE, remarks=False))))


def in_few_words(verdict: Verdict) -> Verdict:
    """The outcome; and where a record may say it, what is wrong and the next step, without the sentences that have numbers."""
    if not may_explain():
        return Verdict(verdict.name, verdict.outcome, "")
    diagnosis, step = (_without_numbers(text) for text in (verdict.diagnosis, verdict.next_step))
    return Verdict(verdict.name, verdict.outcome, diagnosis, next_step=step, mistake=verdict.mistake)


def _without_numbers(text: str) -> str:
    return "".join(each for each in SENTENCE.findall(text) if not re.search(r"\d", CODE.sub(_number, each))).strip()


def _number(code: re.Match[str]) -> str:
    """Code that is no more than a number, and nothing of other code."""
    return "" if re.search(r"[^\W\d]", code[0]) else code[0]


def already_judged(session: Session, question: Question) -> Verdict | None:
    """The verdict of `check` in the same test cell of a graded run: it was on the same cases as those of `grade`.

    `check` in a student's cell was not: its verdicts are not among these.

    None outside of a graded run, where the seeds differ, and where the workspace is another one, so that something ran since.
    """
    last = session.judged.get(question)
    return last.verdict if last and session.seed and last.workspace is session.workspace else None


def for_a_record(verdict: Verdict) -> Verdict:
    """A verdict for a graded record: what is wrong, if the record may say it, and not what would be right."""
    return replace(verdict, expected="", example="") if may_explain() else Verdict(verdict.name, verdict.outcome, "")


def judged(session: Session, question: Question, effort: Effort) -> Verdict:
    """The verdict on an answer, whatever goes wrong. Raises NotReady where there is nothing to judge by."""
    try:
        return judge(kinds.claim(session, question), effort)
    except NotReady:
        raise
    except Died as death:
        return wording.ended(question.name, death)
    except Exception as error:
        return wording.judge_failed(question.name, error)


def explained(session: Session, question: Question, verdict: Verdict) -> Verdict:
    """The verdict: remarks that its kind makes once in a session stay at the first answer alone, with their explanation."""
    once = kinds.claim(session, question).once
    notes: list[str] = []
    for note in verdict.notes:
        beginning = next(filter(note.startswith, once), None)
        if beginning is None:
            notes.append(note)
        elif session.told.setdefault(beginning, [question.name])[0] == question.name:  # its cell may run again
            notes.append(f"{note} {once[beginning]}".strip())
    return replace(verdict, notes=tuple(notes))


def to_think_about(session: Session, question: Question, verdict: Verdict) -> str:
    """What to ask of an answer that has become right, after a check that found it wrong or after a hint; once in a session.

    It goes by the verdict before, so this one must not be kept yet.
    """
    before, told = session.verdict(question.name), session.told.setdefault(question.name, [])
    was_hard = told or (before and before.outcome in {Outcome.WRONG, Outcome.COULD_NOT_TELL})
    if verdict.outcome is not Outcome.RIGHT or not was_hard:
        return ""
    asked = kinds.claim(session, question).to_explain()
    if asked in told:
        return ""
    told.append(asked)
    return asked


def remember(session: Session, question: Question, verdict: Verdict) -> Verdict:
    """Keeps a verdict beside the notebook, for the next kernel. Gives it back; the first that is not kept says so."""
    run = session.answering(question.answer)
    found = {kinds.claim(session, question).specification: [(verdict, run.cell.source)]} if run else {}
    if logbook.write_entries(Path(), found) or not session.first_time(logbook.NOT_KEPT, question.name):
        return verdict
    return replace(verdict, notes=(*verdict.notes, logbook.NOT_KEPT))


def say(verdict: Verdict, so_far: str = "") -> None:
    """Shows a verdict, and how far the notebook is."""
    current_session().concluded.append(verdict)
    show(box(verdict, so_far), mimebundle(verdict, so_far))


def conclude(verdict: Verdict) -> None:
    """Shows a verdict, and raises NotRight for anything but a right answer."""
    say(verdict)
    if verdict.outcome is not Outcome.RIGHT:
        raise NotRight(verdict.headline)


def show(shown: Box, bundle: dict[str, Any] | None = None) -> None:
    """Shows a box in the notebook, or in a terminal in colour, where colours are wanted."""
    from IPython.display import display

    if type(current_session().shell).__name__ == "TerminalInteractiveShell":
        from autograder.terminal import Terminal

        Terminal(soft_wrap=True).print(shown.for_terminal())
        return
    display(bundle or {"text/plain": shown.as_text(), "text/html": shown.as_html()}, raw=True)


SAYS = "HIDDEN_TESTS_SAY"
"""The environment variable for how much hidden tests say of an answer: the "diagnosis", or the "outcome" alone."""


UNEXAMINED = "AUTOGRADER_UNEXAMINED"
"""The environment variable for what `grade` does where nbgrader runs the cells itself: it can "say" so, or "refuse"."""
NOT_EXAMINED = (
    "nbgrader ran this notebook outside of a room, where a cell can read files, and replace `check` and `grade`. "
    "So its marks prove nothing."
)
CONFIGURE = "For the instructor: add to nbgrader_config.py what `autograder lint` says, and grade again with --force."


def grade(session: Session, question: Question) -> None:
    """Judges an answer. Raises NotRight for anything but a right one, whatever goes wrong."""
    name = question.name
    if session.exercise is None and os.environ.get(logbook.NBGRADER) == "autograde":
        _tell_that_nobody_examines(session, name)
    if under_way():
        raise NotRight(f"{name}: could not tell. `grade` stands in a cell that it would have to run again.")
    try:
        effort = replace(EXAM, seed=EXAM.seed + session.seed)
        verdict = already_judged(session, question) or judged(session, question, effort)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # with SystemExit the test cell would end without an error, and get full marks
        raise NotRight(f"{name}: could not tell. {type(error).__name__}: {error}") from error
    if verdict.outcome is not Outcome.RIGHT:
        conclude(for_a_record(verdict))


def _tell_that_nobody_examines(session: Session, name: str) -> None:
    """Says once that there is no examiner, in the log of nbgrader's command and in the record, or there by NotRight, each time.

    To say it costs no marks, as a line on stderr would.
    """
    refuses = os.environ.get(UNEXAMINED, "say") != "say"
    if session.first_time(UNEXAMINED, name):
        outcome = "Not examined, and without points for judged tests" if refuses else "Not examined"
        with suppress(AttributeError):  # what runs the cells has no kernel
            session.shell.kernel.log.warning("%s: %s %s", outcome, NOT_EXAMINED, CONFIGURE)
        if not refuses:
            show(Box("✗", "grade", "not examined", NOT_EXAMINED, [("next", CONFIGURE)], COLOURS[Outcome.WRONG], longest=HINT))
    if refuses:
        raise NotRight(f"{name}: could not tell. {NOT_EXAMINED} {CONFIGURE}")


def may_explain() -> bool:
    """Whether a graded record may say what is wrong."""
    return os.environ.get(SAYS, "diagnosis") == "diagnosis"


def hint(session: Session, question: Question) -> None:
    """Shows the next hint for a question. Raises NotReady for one that nothing here can judge."""
    if under_way():
        return
    name = question.name
    ladder = hints(session, question)
    given = session.told.setdefault(name, [])
    left = [text for text in ladder if text not in given]
    text = left[0] if left else ladder[-1]
    given += [text] * bool(left)
    verdict = session.verdict(name)
    done = "Your answer is right already." if verdict and verdict.outcome is Outcome.RIGHT else ""
    more = "This was the last one." if text == ladder[-1] else f'`hint("{name}")` says more.'
    facts = [("next", more), ("note", done)]
    word = f"hint {ladder.index(text) + 1} of {len(ladder)}"
    show(Box("→", name, word, text, facts, NEUTRAL, longest=HINT))


def solution(session: Session, question: Question, anyway: bool = False) -> None:
    """Shows the model answer. Raises NotReady if the answer was not found right yet, unless it is wanted `anyway`."""
    if under_way() or os.environ.get(logbook.NBGRADER) == "autograde":  # a graded record shows no model answers
        return
    name = question.name
    specification = kinds.claim(session, question).specification
    if not anyway and not _is_right(session, name, specification):
        raise NotReady(
            f'the model answer is there when yours is right: run `check("{name}")`, or ask `hint("{name}")`. '
            f'If you want to see it all the same: `solution("{name}", anyway=True)`.'
        )
    found = None
    with suppress(OSError):  # a working folder that is gone
        found = model_answer(Path().resolve(), specification, name)
    if found is None:
        raise NotReady(NO_MODEL.format(name))
    show(Box("→", name, "model answer", "", (), NEUTRAL, code=str(found)))


def _is_right(session: Session, name: str, specification: str) -> bool:
    """Whether the last check found an answer right; before the first one in this kernel, whether the logbook says so."""
    if verdict := session.verdict(name):
        return verdict.outcome is Outcome.RIGHT
    return logbook.has_right(Path(), specification, name, session.exercise or beside(Path(), specification))


def hints(session: Session, question: Question) -> list[str]:
    """All hints for a question as things stand now. Raises NotReady for one that nothing here can judge."""
    ladder = list(kinds.claim(session, question).hints())
    verdict = session.verdict(question.name)
    if verdict and verdict.outcome is Outcome.WRONG:
        ladder.insert(0, f"Your last check said: {verdict.diagnosis} {verdict.next_step}")
    return ladder
