"""The kind of question whose answer is a class, or a method of one: a drill calls it, and what it yields is compared.

The first label under which something else comes is what is wrong. A method is judged once the class itself is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograder.asks.observing import AskCase, Mode
from autograder.asks.recorded import ENDLESS, STOPS
from autograder.course.cells import does_nothing, empty_methods
from autograder.course.lesson import ask_hints
from autograder.course.questions import Question
from autograder.judge import wording
from autograder.judge.comparison import Difference
from autograder.judge.judging import PRACTICE, Attempt, judge, missing
from autograder.judge.kinds.asked import Asked
from autograder.judge.session import Session
from autograder.judge.values import first_place, lowered, yields_off
from autograder.replay.drill import STOPPED
from autograder.replay.parsed import ParsedCell, parse_cell
from autograder.replay.run import MISSING, Replay, TooSlow
from autograder.verdict import Mistake, Outcome, Verdict

BY_HAND = "Go through the lines of `drill` in the cell above by hand, with the smallest numbers that you can think of."

STOPS_THERE = Difference("stops", "It stops there.", "", "")


@dataclass(frozen=True)
class Driven(Asked):
    """A class that an `%%ask` cell with a drill asks for, or a method of it, in the session that has both."""

    @classmethod
    def claim(cls, session: Session, question: Question) -> Driven | None:
        ask = session.asks.get(question.name)
        return cls(session, question, ask) if ask and ask.drill and not question.by else None

    @classmethod
    def offers(cls, session: Session, specification: str) -> Iterator[Question]:
        """None of its own: as an ask it has been offered."""
        return iter(())

    @property
    def cell(self) -> ParsedCell:
        """The cell with the class, and those that go on from it, if it is written in several."""
        name = self.ask.answer
        runs = [run for run in self.session.runs if run.current and not run.error and name in run.cell.touches]
        if len(runs) < 2 or name not in runs[-1].cell.reads:
            return super().cell
        return parse_cell("\n".join(run.cell.source for run in runs))

    def _unwritten(self, case: AskCase, found: Difference) -> Verdict | None:
        """The verdict where a method does nothing yet that no other question is about."""
        asked = {ask.method for ask in self.session.asks.values() if ask.answer == self.ask.answer} - {self.ask.method}
        empty = [name for name in empty_methods(self.cell.source, self.ask.answer) if name not in {"__init__", *asked}]
        if not empty:
            return None
        step = "Write it: `drill` in the cell above needs it."
        return self._verdict(f"`{empty[0]}` is not written yet.", found, step, case, MISSING, Mistake.UNKNOWN)

    def missing(self) -> Verdict | None:
        answer = self.ask.answer
        first_line = f"`class {answer}:`" if self.ask.is_class else f"`def {answer}(…):`"
        if verdict := missing(self.session, self.question, {each.answer for each in self.session.asks.values()}, True):
            return replace(verdict, next_step=verdict.next_step.replace(f"a line with `{answer} = `", f"with {first_line}"))
        if not self.session.answering(answer):
            return wording.unseen(self.name)
        if does_nothing(self.cell.source) or self.ask.method in empty_methods(self.cell.source, answer):
            return wording.not_attempted(self.name)
        kind = self.session.workspace.function(answer).kind if answer in self.session.workspace.names else ""
        if kind:
            diagnosis = f"`{answer}` is of the type `{kind}`, and should be a {'class' if self.ask.is_class else 'function'}."
            step = f"Begin with {first_line}, as the cell had it, and write the rest below."
            return Verdict(self.name, Outcome.WRONG, diagnosis, next_step=step, mistake=Mistake.TYPE)
        return self._waits() if self.ask.method else None

    def _waits(self) -> Verdict | None:
        """The verdict on a method while its class is not right; None where it is, or where nothing asks for the class."""
        whole = self.claim(self.session, Question(self.ask.answer))
        if whole is None or judge(whole, PRACTICE).outcome is Outcome.RIGHT:
            return None
        diagnosis = f"It waits for `{whole.name}`, which is not right yet."
        step = f'Fix the class first: `check("{whole.name}")` says what is wrong with it.'
        return Verdict(self.name, Outcome.COULD_NOT_TELL, diagnosis, next_step=step)

    def stopped(self, attempt: Attempt[AskCase]) -> Verdict | None:
        replay = attempt.replay
        if attempt.answer is not MISSING and replay.error is None:
            return super().stopped(attempt)
        if attempt.answer is not MISSING and not isinstance(replay.error, TooSlow):
            label, _ = self._first_off(attempt.answer, attempt.case)
            if label != STOPPED and label in attempt.answer:
                return None  # what it yielded before it stopped says more
        return self._unwritten(attempt.case, STOPS_THERE) or self._stopped(replay, attempt.case)

    def _first_off(self, answer: Mapping[str, Any], case: AskCase) -> tuple[str, Difference]:
        """The first label under which a wrong answer yields something else, with how it differs."""
        return next(yields_off(answer, self._right(case)), (STOPPED, STOPS_THERE))

    def _stop_in_words(self, replay: Replay, case: AskCase, seen: str) -> tuple[str, str]:
        known = replay.answer if isinstance(replay.answer, dict) else {}
        label = next((label for label in self._right(case) if label not in known), "")
        where = f" before `drill` has {label}" if label else ""
        if cause := self._cause_of_stop(replay):
            return f"It stops{where}. {cause.sentence}", cause.next_step
        return f"It stops{where}.", "Go through the lines of `drill` in the cell above by hand, up to the one that stops."

    def wrong(self, attempt: Attempt[AskCase], difference: Difference) -> Verdict:
        label, found = self._first_off(attempt.answer, attempt.case)
        if verdict := self._unwritten(attempt.case, found):
            return verdict
        if planted := self._agreeing():
            return self._named(planted, attempt.case, difference, attempt.answer)
        diagnosis = f"{_capital(label)}: {lowered(found.diagnosis)}"
        if self.name not in self.session.models:
            diagnosis = self._figures(attempt.answer, attempt.case) or diagnosis
        return self._verdict(diagnosis, found, found.next_step or BY_HAND, attempt.case, MISSING, found.mistake)

    def _figures(self, answer: Mapping[str, Any], case: AskCase) -> str:
        """The first entry that is wrong, in a sentence; nothing where it is no value that is wrong."""
        label, found = self._first_off(answer, case)
        place = first_place(answer[label], self._right(case)[label], {}, "") if found.kind == "values" else None
        if place is None:
            return ""
        where = f"Entry {place.path} of {label}" if place.path else _capital(label)
        return f"{where} is {place.seen}, and should be {place.expected}."

    def _shown(self, case: AskCase, answer: Any = MISSING) -> str:
        """The inputs of the case, and of an answer the first entry that is wrong, or the label under which it is wrong."""
        if self.name in self.session.models or case.mode is not Mode.YIELDS:
            return ""
        inputs = self._inputs(case)
        if answer is MISSING:
            return inputs
        label, _ = self._first_off(answer, case)
        return f"For {inputs}: {lowered(self._figures(answer, case)) or f'look at {label}.'}"

    def _told(self, case: AskCase) -> Mapping[str, Any]:
        """Without the sizes that the drill does not take: shapes say them."""
        assert self.ask.drill is not None
        sizes = {each.name for each in self.ask.drawn if each.kind == "size"} - {*self.ask.drill.takes}
        return {name: value for name, value in case.inputs.items() if name not in sizes}

    def _outcome(self, case: AskCase) -> Any:
        attempt = self.run(case)
        if isinstance(attempt.replay.error, TooSlow):
            return ENDLESS
        return STOPS if attempt.answer is MISSING else attempt.answer

    def _written_size(self) -> str:
        return ""  # the names of a drill are not the notebook's

    def hints(self) -> Sequence[str]:
        words = ask_hints(self.session.workspace.folder, self.name)
        return words or ("`drill` in the cell above calls it: go through its lines, and say what each should give.",)

    def to_explain(self) -> str:
        return ""

    def right(self, agreed: Sequence[tuple[Attempt[AskCase], Any]], with_remarks: bool) -> Verdict:
        praise = f"It gives what it should in {len(agreed)} trials, with other sizes and numbers in each."
        return Verdict(self.name, Outcome.RIGHT, praise)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
