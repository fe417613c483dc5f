"""The kind of question whose answer is a class, or a method of one: a drill calls it, and what it yields is compared.

The first label under which something else comes is what is wrong. A method is judged once the class itself is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autograder.asks.observing import AskCase, Mode
from autograder.asks.recorded import ENDLESS, STOPS
from autograder.course.cells import does_nothing
from autograder.course.lesson import ask_hints
from autograder.course.questions import Question
from autograder.judge import wording
from autograder.judge.comparison import Difference
from autograder.judge.judging import PRACTICE, Attempt, judge, missing
from autograder.judge.kinds.asked import Asked
from autograder.judge.session import Session
from autograder.judge.values import first_place, lowered, yields_off
from autograder.replay.drill import STOPPED
from autograder.replay.run import MISSING, Replay, TooSlow
from autograder.verdict import Mistake, Outcome, Verdict


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

    def missing(self) -> Verdict | None:
        answer = self.ask.answer
        if verdict := missing(self.session, self.question, {each.answer for each in self.session.asks.values()}, True):
            return verdict
        if not self.session.answering(answer):
            return wording.unseen(self.name)
        if does_nothing(self.cell.source):
            return wording.not_attempted(self.name)
        kind = self.session.workspace.function(answer).kind if answer in self.session.workspace.names else ""
        if kind:
            wanted, step = "class", f"Write `class {answer}:`, and its methods below."
            if not self.ask.is_class:
                wanted, step = "function", f"Write `def {answer}(…):` as the cell had it, and the lines of it below."
            diagnosis = f"`{answer}` is of the type `{kind}`, and should be a {wanted}."
            return Verdict(self.name, Outcome.WRONG, diagnosis, next_step=step, mistake=Mistake.TYPE)
        return self._waits() if self.ask.method else None

    def _waits(self) -> Verdict | None:
        """The verdict on a method while its class is not right; None where it is, or where nothing asks for the class."""
        whole = self.claim(self.session, Question(self.ask.answer))
        if whole is None or judge(whole, PRACTICE).outcome is Outcome.RIGHT:
            return None
        diagnosis = f"It waits for `{whole.name}`, which is not right yet."
        step = f'Mend the class first: `check("{whole.name}")` says what is wrong with it.'
        return Verdict(self.name, Outcome.COULD_NOT_TELL, diagnosis, next_step=step)

    def stopped(self, attempt: Attempt[AskCase]) -> Verdict | None:
        replay = attempt.replay
        if attempt.answer is not MISSING and replay.error is None:
            return super().stopped(attempt)
        is_earlier_off = attempt.answer is not MISSING and next(self._off(attempt))[0] in attempt.answer
        if is_earlier_off and not isinstance(replay.error, TooSlow):
            return None  # what it yielded before it stopped says more
        return self._stopped(replay, attempt.case)

    def _off(self, attempt: Attempt[AskCase]) -> Iterator[tuple[str, Difference]]:
        return yields_off(attempt.answer, self._right(attempt.case))

    def _stop_in_words(self, replay: Replay, case: AskCase, seen: str) -> tuple[str, str]:
        known = replay.answer if isinstance(replay.answer, dict) else {}
        label = next((label for label in self._right(case) if label not in known), "")
        where = f", before the drill has {label}" if label else ""
        return f"It stops with {seen}{where}.", "Do by hand what the drill does up to there, and look at the line that stops."

    def wrong(self, attempt: Attempt[AskCase], difference: Difference) -> Verdict:
        if planted := self._agreeing():
            return self._named(planted, attempt.case, difference, attempt.answer)
        label, found = next(self._off(attempt))
        diagnosis = f"{_capital(label)}: {lowered(found.diagnosis)}"
        if found.kind == "values" and self.name not in self.session.models:
            diagnosis = self._figures(label, attempt) or diagnosis
        step = found.next_step or "Do by hand what the drill does up to there, with the smallest numbers that you can think of."
        seen, expected = (found.seen, found.expected) if found.kind != "values" else ("", "")
        return Verdict(
            self.name, Outcome.WRONG, diagnosis, seen, expected, step, mistake=found.mistake, example=self._shown(attempt.case)
        )

    def _figures(self, label: str, attempt: Attempt[AskCase]) -> str:
        """The first entry that is wrong under a label, in a sentence."""
        right = self._right(attempt.case)[label]
        place = first_place(attempt.answer[label], right, {}, "")
        if place is None:
            return ""
        where = f"Entry {place.path} of {label}" if place.path else _capital(label)
        return f"{where} is {place.seen}, and should be {place.expected}."

    def _shown(self, case: AskCase, answer: Any = MISSING) -> str:
        """The inputs of the case, and of an answer the first entry that is wrong, or the label under which it is wrong."""
        if self.name in self.session.models or case.mode is not Mode.YIELDS:
            return ""
        inputs = self._inputs(case)
        if not isinstance(answer, dict):
            return inputs
        attempt = Attempt(case, Replay(answer), answer)
        label, found = next(self._off(attempt))
        figures = self._figures(label, attempt) if found.kind == "values" else ""
        return f"For {inputs}: {lowered(figures) or f'look at {label}.'}"

    def _told(self, case: AskCase) -> Mapping[str, Any]:
        """Without the sizes that the drill does not take: shapes say them."""
        assert self.ask.drill is not None
        sizes = {each.name for each in self.ask.drawn if each.kind == "size"} - {*self.ask.drill.takes}
        return {name: value for name, value in case.inputs.items() if name not in sizes}

    def _outcome(self, case: AskCase) -> Any:
        attempt = self.run(case)
        if attempt.answer is MISSING or attempt.answer.keys() == {STOPPED}:
            return ENDLESS if isinstance(attempt.replay.error, TooSlow) else STOPS
        return ENDLESS if isinstance(attempt.replay.error, TooSlow) else attempt.answer

    def _written_size(self) -> str:
        return ""  # the names of a drill are not the notebook's

    def hints(self) -> Sequence[str]:
        words = ask_hints(self.session.workspace.folder, self.name)
        return words or ("The drill in the cell above calls it: go through that line by line, and say what should come.",)

    def right(self, agreed: Sequence[tuple[Attempt[AskCase], Any]], with_remarks: bool) -> Verdict:
        what = f"`{self.ask.method}` gives" if self.ask.method else f"The {'class' if self.ask.is_class else 'function'} does"
        praise = f"{what} what it should in {len(agreed)} drills, with other sizes and numbers in each."
        return Verdict(self.name, Outcome.RIGHT, praise)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
