"""The one way in which an answer is judged, and what a kind of question has to know for it.

A *question* is what a test asks for; its *kind* knows by what to judge the answer. The loop below is the same for all
kinds: run the answer on one case after the other, compare it with the reference, and stop at the first that is not right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from autograder.course.questions import Question
from autograder.judge import wording
from autograder.judge.comparison import Difference
from autograder.judge.crashes.explain import explain
from autograder.judge.session import Run, Session, in_words
from autograder.replay.parsed import ParsedCell, overwriting_line
from autograder.replay.run import MISSING, Replay, undisturbed
from autograder.replay.stop import Stop, described, stop_of_syntax
from autograder.tape.tape import Tape
from autograder.verdict import RERUN, Cause, Mistake, Verdict


@dataclass(frozen=True)
class Effort:
    """On how many cases to judge, and which. The same seed gives the same cases, so that a verdict can be had again."""

    seed: str
    own: int = 1
    """Cases on what the notebook itself holds."""
    resampled: int = 1
    """Cases on other inputs than the notebook's."""
    remarks: bool = True
    """Whether a right answer gets remarks, such as on numbers in the notebook that are off."""


# hidden tests judge on other cases than `check` does, and on more
PRACTICE = Effort("check")
EXAM = Effort("grade", own=2, resampled=2, remarks=False)

Case = TypeVar("Case")
"""What an answer is run on."""
Reference = TypeVar("Reference")
"""What the answer on a case is compared with."""


@dataclass(frozen=True)
class Attempt(Generic[Case]):
    """What an answer came to on a case. `answer` is MISSING where there is none; `replay` is the run that gave it."""

    case: Case
    replay: Replay
    answer: Any


class Kind(Protocol[Case, Reference]):
    """A kind of question; an instance is one question of this kind, in the session that it is judged in."""

    once: ClassVar[Mapping[str, str]]
    """Remarks, by how they begin, that are made in a session on one answer only, and what is said after each."""

    @classmethod
    def claim(cls, session: Session, question: Question) -> Self | None:
        """The question, ready to be judged; None where it is of another kind.

        Raises NotReady where it is of this kind and the session has nothing to judge it by.
        """

    @classmethod
    def offers(cls, session: Session, specification: str) -> Iterable[Question]:
        """The questions of this kind that a locked source of the session has an answer to, whether a test asks them or not."""

    @property
    def question(self) -> Question: ...

    @property
    def specification(self) -> str:
        """The locked source that says what is right: the logbook and the model answers know the question by it."""

    def missing(self) -> Verdict | None:
        """The verdict where there is no answer that can be run; None where there is one."""

    def cases(self, effort: Effort) -> Iterable[Case]:
        """What the answer is run on, in this order."""

    def run(self, case: Case) -> Attempt[Case]:
        """What the answer comes to on a case."""

    def stopped(self, attempt: Attempt[Case]) -> Verdict | None:
        """The verdict on an attempt that gave nothing to compare; None where it gave something."""

    def reference(self, case: Case) -> Reference:
        """What is right on a case."""

    def compare(self, answer: Any, reference: Reference) -> Difference | None:
        """How an answer differs from what is right; None where it does not."""

    def wrong(self, attempt: Attempt[Case], difference: Difference) -> Verdict:
        """The verdict on an answer that differs, with what was found out about the mistake."""

    def right(self, agreed: Sequence[tuple[Attempt[Case], Reference]], with_remarks: bool) -> Verdict:
        """The verdict on an answer that is right on all cases. There may be no case at all."""

    def hints(self) -> Sequence[str]:
        """Hints towards the answer, each saying more than the one before."""

    def to_explain(self) -> str:
        """A question about a right answer that makes one explain it; nothing where there is none."""

    def accepts_zeros(self) -> bool:
        """Whether an answer of zeros, or of nothing else that takes work, would be right in an exam: the linter asks."""


@undisturbed()  # once for all replays of a verdict
def judge(kind: Kind[Case, Reference], effort: Effort) -> Verdict:
    """The verdict on the answer to a question. The answer is run on one case at a time, up to the first that is not right."""
    if verdict := kind.missing():
        return verdict
    agreed = []
    for case in kind.cases(effort):
        attempt = kind.run(case)
        if verdict := kind.stopped(attempt):
            return verdict
        reference = kind.reference(case)
        difference = kind.compare(attempt.answer, reference)
        if difference is not None:
            return kind.wrong(attempt, difference)
        agreed.append((attempt, reference))
    return kind.right(agreed, effort.remarks)


def missing(session: Session, question: Question, known: Set[str], is_replayed: bool) -> Verdict | None:
    """The verdict where the notebook holds no answer; None where it does, or where its cell can be replayed all the same.

    `known` are names of the course, which are no misspelt answers. If the answer `is_replayed`, a cell that stopped in the
    notebook counts as an answer: perhaps it only lacked an earlier one, whose place random gradients take in a replay.
    """
    verdict = _missing(session, question.answer, known, is_replayed)
    return verdict and replace(verdict, name=question.name)


def _missing(session: Session, answer: str, known: Set[str], is_replayed: bool) -> Verdict | None:
    run = session.answering(answer)
    value = session.workspace.names.get(answer, MISSING if run and is_replayed else None)
    about = session.about(answer)
    # IPython runs the lines above a `return`, so a cell that is not Python may have left an answer
    is_broken = run is None and about is not None and bool(about.error) and stop_of_syntax(about.cell.source) is not None
    if value is not None and value is not Ellipsis and not session.dropped(answer) and not is_broken:
        return None
    if about and about.error and not wording.is_stub(about.error):
        return wording.failed(answer, *why_failed(session, answer, about))
    if run:
        return wording.blank(answer, run.cell)
    return wording.not_attempted(answer, session.misspelt(answer, known), session.has_run(answer))


def why_failed(session: Session, answer: str, run: Run) -> tuple[str, Cause | None, Stop | None]:
    """What a cell stopped with in the notebook, why, and where."""
    if broken := stop_of_syntax(run.cell.source):  # which is what to fix first, if a line above it stopped too
        error, stop = broken
        return in_words(error), why_stopped(session, answer, run.cell, error, stop), stop
    return run.error, why_stopped(session, answer, run.cell, run.error, run.stop), run.stop


def why_stopped(session: Session, answer: str, cell: ParsedCell, error: BaseException | str, stop: Stop | None) -> Cause | None:
    """Why the code of an answer stopped with this error."""
    tape = session.tape(answer[1:])
    if tape is None:
        return explain(error, cell.source, stop, session.workspace.names, answer=answer)
    if stop and (cause := _overwritten(session, tape, cell, stop)):
        return cause
    gradients = [f"d{name}" for name in reversed(tape.variables[:-1])]
    names = {*session.workspace.names, *tape.state}
    shape = tuple(tape.state[answer[1:]].shape)
    return explain(error, cell.source, stop, names, gradients, answer, shape, session.first_to_fix)


def _overwritten(session: Session, tape: Tape, cell: ParsedCell, stop: Stop) -> Cause | None:
    """That a value of the forward pass stood for something else where the code stopped, and what overwrote it."""
    for name, seen in stop.seen.items():
        was = described(tape.state[name]) if name in tape.state else seen
        if (was.kind, was.shape, was.number) == (seen.kind, seen.shape, seen.number):
            continue
        line = overwriting_line(cell.source, name, stop.line)
        if name in cell.touches and line is None:
            continue  # a loop over it, in which it is meant
        change = f"`{name}` is {seen.told} there, and was {was.told} in the forward pass"
        if line is not None:
            return Cause(Mistake.STOPS, f"{change}: line {line} overwrites it.", f"Use another name in line {line}. {RERUN}")
        found = [each for each in session.overwritten(session.specification(tape)) if each.name == name]
        if found:
            gradients = {f"d{variable}" for variable in tape.variables}
            sentence, _, step = wording.lost(found, None, gradients).partition(". ")
            return Cause(Mistake.STOPS, f"{change}. {sentence}.", step)
    return None
