"""The kinds of questions whose answers are no gradients: a value, or a function, that an `%%ask` cell asks for.

An answer is run on drawn inputs, smallest first, and held against the instructor's own: run beside it where that is at hand,
or as it was recorded for the release. A wrong answer is named by agreement: it gives what a planted mistake gives, on every
recorded case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, ClassVar

from torch import Tensor

from autograder.asks import recorded
from autograder.asks.ask import Ask
from autograder.asks.inputs import in_words
from autograder.asks.model import outcome
from autograder.asks.observing import PRACTICE_SEED, UNDECIDED, AskCase, Mode, cases_of
from autograder.asks.recorded import ENDLESS, FILE, STOPS, Planted, Recorded
from autograder.course.cells import does_nothing
from autograder.course.lesson import ask_hints
from autograder.course.questions import Question
from autograder.errors import AskError, ContentError, NotReady
from autograder.judge import wording
from autograder.judge.comparison import Difference
from autograder.judge.judging import Attempt, Effort, missing, why_failed, why_stopped
from autograder.judge.session import Session
from autograder.judge.slips import SLIPS, slips
from autograder.judge.values import agrees, distance, first_place, observed_difference
from autograder.judge.wording import first_line
from autograder.replay.answer import SwitchedOff
from autograder.replay.parsed import ParsedCell, numbers_in
from autograder.replay.run import MISSING, AutogradOff, Replay, ScriptOff, TooSlow
from autograder.verdict import Cause, Mistake, Outcome, Verdict

BY_HAND = "Work out by hand what comes for the smallest inputs that you can think of."
READ_AGAIN = "Read again what is asked for, and compare it with your lines one by one."
LOOK = "Print what it gives for these inputs, with its type and its shape."
BY_SIZE = "Take the size from what you are given, such as its `shape` or its `len`."
LEAST_TELLING = 5
"""The least number in an answer that is taken for a size: smaller ones stand there for many reasons."""
MAX_EXAMPLE = 160
"""Characters of the inputs of a case that is shown."""
MAX_NAME = 12
"""Characters of a name in a case that is shown."""


@dataclass(frozen=True)
class Asked:
    """An answer that an `%%ask` cell asks for, in the session that has both."""

    session: Session
    question: Question
    ask: Ask
    once: ClassVar[Mapping[str, str]] = {}
    _attempts: dict[AskCase, Attempt[AskCase]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _truths: dict[AskCase, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What the answer came to, and what is right: to name a mistake looks at the same cases again."""

    @classmethod
    def claim(cls, session: Session, question: Question) -> Asked | None:
        ask = session.asks.get(question.name)
        return None if ask is None or question.by else cls(session, question, ask)

    @classmethod
    def offers(cls, session: Session, specification: str) -> Iterator[Question]:
        return (Question(name) for name, ask in session.asks.items() if ask.source == specification)

    @property
    def specification(self) -> str:
        """The source of the ask."""
        return self.ask.source

    @property
    def name(self) -> str:
        return self.question.name

    @property
    def cell(self) -> ParsedCell:
        run = self.session.answering(self.ask.answer)
        return run.cell if run else ParsedCell("", ())

    @property
    def _first_line(self) -> str:
        """The first line of a function, as it was released."""
        return f"def {self.name}({', '.join(self.ask.parameters)}):"

    @cached_property
    def recorded(self) -> Recorded | None:
        """What is recorded of this ask; None where nothing is, or of an ask that was another one."""
        try:
            found = recorded.read(self.session.workspace.folder / FILE).get(self.name)
        except ContentError:
            return None
        return found if found and found.ask == self.ask.source.strip() else None

    def missing(self) -> Verdict | None:
        known = {*self.session.asks, *(name for ask in self.session.asks.values() for name in ask.parameters)}
        if verdict := missing(self.session, self.question, known, is_replayed=not self.ask.is_function):
            return verdict
        if not self.session.answering(self.name):
            return wording.unseen(self.name)
        if not self.ask.is_function:
            return None
        function = self.session.workspace.function(self.name)
        if function.kind:
            diagnosis = f"It is of the type `{function.kind}`, and should be a function."
            step = f"Write `{self._first_line}`, and the lines of it below."
            return Verdict(self.name, Outcome.WRONG, diagnosis, next_step=step, mistake=Mistake.TYPE)
        given = [name for name in function.parameters if name in self.ask.parameters]
        if sorted(given) == sorted(self.ask.parameters) and given != list(self.ask.parameters):
            diagnosis = f"Its parameters are in another order: {', '.join(given)}."
            step = f"Keep the first line: `{self._first_line}`."
            return Verdict(self.name, Outcome.WRONG, diagnosis, next_step=step, mistake=Mistake.ORDER)
        return wording.not_attempted(self.name) if does_nothing(self.cell.source) else None

    def cases(self, effort: Effort) -> Sequence[AskCase]:
        if self.name in self.session.models:
            return cases_of(self.ask, effort.seed)
        if self.recorded is None:
            raise NotReady(
                f"nothing is recorded for `{self.name}`, so nothing can be compared: {FILE} belongs beside the notebook, "
                "of the same release. `autograder new NAME` makes a folder with both. An instructor writes it by "
                "`autograder record`."
            )
        return practice_cases(self.ask)

    def run(self, case: AskCase) -> Attempt[AskCase]:
        if case not in self._attempts:
            self._attempts[case] = self._run(case)
        return self._attempts[case]

    def _run(self, case: AskCase) -> Attempt[AskCase]:
        call = case.call()
        replay = self.session.workspace.answer(call, self.cell)
        if replay.answer is MISSING:
            return Attempt(case, replay, MISSING)
        try:
            if call.generator and [len(each) for each in replay.answer] != [call.repeat] * len(call.seeds):
                raise ValueError("it gave more results than it was called for, or fewer")  # a room may send what it likes
            return Attempt(case, replay, case.observed(replay.answer))
        except Exception as error:  # what it returned is nothing that can be counted
            return Attempt(case, replace(replay, error=error), MISSING)

    def stopped(self, attempt: Attempt[AskCase]) -> Verdict | None:
        replay, case = attempt.replay, attempt.case
        if attempt.answer is MISSING or replay.unfinished:
            return self._stopped(replay, case)
        if replay.changed:
            changed = replay.changed[0]
            diagnosis = f"It changes `{changed}` in place, and that is an input: other cells read it too."
            value = case.values.get(changed)
            copy = ".clone()`" if isinstance(value, Tensor) else ".copy()`"
            step = f"Work on a copy: `{changed}{copy}."
            return Verdict(self.name, Outcome.WRONG, diagnosis, next_step=step, mistake=Mistake.OPERATION)
        return None

    def _stopped(self, replay: Replay, case: AskCase) -> Verdict:
        error = replay.error
        if wording.is_stub(error):
            return wording.not_attempted(self.name)
        seen = "no error, and no value either" if error is None else first_line(error)
        run = self.session.answering(self.ask.answer)
        kept = Mistake.STOPS
        if isinstance(error, TooSlow):
            diagnosis, seen = "It does not end.", ""
            step = "Look at the condition that ends the loop: does anything in it change?"
        elif isinstance(error, SwitchedOff):
            step = "Write it without that function."
            return Verdict(self.name, Outcome.WRONG, f"{error}.", next_step=step, mistake=Mistake.OPERATION)
        elif isinstance(error, AutogradOff | ScriptOff):
            diagnosis, step = "It uses autograd, which is switched off while an answer is checked.", "Derive it by hand."
            kept = Mistake.AUTOGRAD
        elif planted := self._agreeing():
            return self._named(planted, case, None, MISSING)
        elif run and run.error and not self.ask.is_function and not self.ask.drill:
            return wording.failed(self.name, *why_failed(self.session, self.ask.answer, run))
        elif written := self._written_size():
            diagnosis, step, kept = written, BY_SIZE, Mistake.BATCH
        else:
            diagnosis, step = self._stop_in_words(replay, case, seen)
        return Verdict(self.name, Outcome.WRONG, diagnosis, seen, next_step=step, mistake=kept, example=self._shown(case))

    def _stop_in_words(self, replay: Replay, case: AskCase, seen: str) -> tuple[str, str]:
        """What to say of an answer that stops with an error that has no name, and the next step."""
        where = wording.place(replay.stop)
        if not self.ask.is_function:
            step = "Use the inputs and their sizes, and no numbers that fit this notebook only."
            return f"It stops on other inputs than the notebook's{where and ','}{where}.", step
        if cause := self._cause_of_stop(replay):
            return f"It stops{where}. {cause.sentence}", cause.next_step
        return f"It stops{where}.", "Call it yourself, with these inputs, and look at the line that stops."

    def _cause_of_stop(self, replay: Replay) -> Cause | None:
        if replay.error is None:
            return None
        return why_stopped(self.session, self.ask.answer, self.cell, replay.error, replay.stop)

    def reference(self, case: AskCase) -> tuple[Mode, Any]:
        return case.mode, self._right(case)

    def _right(self, case: AskCase) -> Any:
        """What is right on a case, by the model answer where it is at hand, and else as it was recorded."""
        if case not in self._truths:
            self._truths[case] = self._truth(case)
        return self._truths[case]

    def _truth(self, case: AskCase) -> Any:
        if code := self.session.models.get(self.name):
            try:
                return outcome(case, code, self.session.namespace)
            except (ContentError, AskError) as error:
                raise NotReady(str(error)) from None
        assert self.recorded is not None
        return self.recorded.right[practice_cases(self.ask).index(case)]

    def compare(self, answer: Any, reference: tuple[Mode, Any]) -> Difference | None:
        mode, right = reference
        return observed_difference(mode, answer, right)

    def wrong(self, attempt: Attempt[AskCase], difference: Difference) -> Verdict:
        if planted := self._agreeing():
            return self._named(planted, attempt.case, difference, attempt.answer)
        case = attempt.case
        step = difference.next_step
        diagnosis = difference.diagnosis
        if own := self._own_inputs():
            diagnosis = f"The cell gives `{own}` a value itself, so it does not work on any other."
            step = f"Take `{own}` as it is: it stands above."
        elif written := self._written_size():
            return self._verdict(written, difference, BY_SIZE, case, attempt.answer, Mistake.BATCH)
        if not step:
            step = READ_AGAIN if case.mode is not Mode.VALUE else BY_HAND if difference.kind == "values" else LOOK
        return self._verdict(diagnosis, difference, step, case, attempt.answer, difference.mistake)

    def _named(self, planted: Planted, case: AskCase, difference: Difference | None, answer: Any) -> Verdict:
        found = difference or Difference("stops", "", "", "")
        mistake = SLIPS.get(planted.sentence, Mistake.LESSON)
        return self._verdict(planted.sentence, found, planted.next_step, case, answer, mistake)

    def _verdict(self, diagnosis: str, found: Difference, step: str, case: AskCase, answer: Any, mistake: Mistake) -> Verdict:
        seen, expected = (found.seen, found.expected) if found.kind != "values" else ("", "")
        return Verdict(
            self.name, Outcome.WRONG, diagnosis, seen, expected, step, mistake=mistake, example=self._shown(case, answer)
        )

    def _own_inputs(self) -> str:
        """An input that the cell of a value binds itself."""
        if self.ask.is_function:
            return ""
        made = frozenset[str]().union(*(statement.makes for statement in self.cell.statements))
        sizes = {each.name for each in self.ask.drawn if each.kind == "size"}  # which a cell may well work out
        return next((name for name in (*self.ask.parameters, *self.ask.given) if name in made - sizes), "")

    def _written_size(self) -> str:
        """What to say of a number in the cell that is a size of the notebook's own inputs; nothing where there is none."""
        names, sizes = self.session.workspace.names, dict[float, str]()
        for name in (*self.ask.parameters, *self.ask.given):
            value = names.get(name)
            found = value.shape if isinstance(value, Tensor) else (len(value),) if isinstance(value, list | dict) else ()
            sizes |= {size: name for size in found if size >= LEAST_TELLING and size not in sizes}
        for number in numbers_in(self.cell.source):
            if number in sizes:
                its = f"a size of the notebook's `{sizes[number]}`"
                return f"`{number:g}` is written in: {its}, and other inputs have other sizes."
        return ""

    def _agreeing(self) -> Planted | None:
        """The planted mistake, or the slip, that comes to the same as the answer on every recorded case."""
        known = self.recorded
        cases = practice_cases(self.ask)
        if known is None:
            return None
        left = [(each, 0.0) for each in (*known.mistakes, *slips(known.right, cases))]
        found: Any = None
        for place, case in enumerate(cases):
            if not left:
                return None
            if found is not ENDLESS:  # a case costs two seconds then
                found = self._outcome(case)
            left = [
                (each, far + distance(case.mode, found, each.outcomes[place]))
                for each, far in left
                if agrees(case.mode, found, each.outcomes[place], known.right[place])
            ]
        return min(left, key=lambda each: each[1])[0] if left else None

    def _outcome(self, case: AskCase) -> Any:
        """What the answer comes to on a case, as it is recorded of mistakes."""
        attempt = self.run(case)
        if attempt.answer is not MISSING and not attempt.replay.unfinished:
            return attempt.answer
        return ENDLESS if isinstance(attempt.replay.error, TooSlow) else STOPS

    def _inputs(self, case: AskCase) -> str:
        """The inputs of a case in words; if that is long, what they are like."""
        told = self._told(case)
        values = ", ".join(f"`{name} = {_shortened(value)}`" for name, value in told.items())
        if len(values) <= MAX_EXAMPLE:
            return values
        return ", ".join(f"`{name}`{_outline(value)}" for name, value in told.items())

    def _told(self, case: AskCase) -> Mapping[str, Any]:
        """The inputs of a case that are shown."""
        return case.inputs

    def _shown(self, case: AskCase, answer: Any = MISSING) -> str:
        """The case in one line, with the first entry that is wrong; nothing where it is too long, or where that is not said."""
        if self.name in self.session.models or case.mode is not Mode.VALUE:
            return ""
        inputs = self._inputs(case)
        if answer is MISSING or (isinstance(answer, str) and answer == UNDECIDED):
            return inputs
        right = self._right(case)
        path = self.name if not self.ask.is_function else "the result"
        place = first_place(answer, right, self._labels(case), path)
        if place is None:
            return inputs
        where = f"`{place.path}`" if not place.path.startswith("the") else place.path.replace("the result[", "entry [")
        return f"For {inputs}, {where} is {place.seen}, and should be {place.expected}."

    def _labels(self, case: AskCase) -> dict[int, list[str]]:
        """The characters of a vocabulary, for axes that are as long as it is."""
        found = [
            value for value in case.values.values() if isinstance(value, dict) and all(isinstance(key, str) for key in value)
        ]
        return {len(value): list(value) for value in found}

    def right(self, agreed: Sequence[tuple[Attempt[AskCase], Any]], with_remarks: bool) -> Verdict:
        sizes = len(agreed)
        what = "function" if self.ask.is_function else "cell"
        praise = f"The {what} gives what it should on {sizes} other inputs too, small ones and large ones."
        if self.ask.random:
            praise = "It does what it has to where it has no choice, draws as often as it should, and from its generator."
        return Verdict(self.name, Outcome.RIGHT, praise)

    def hints(self) -> Sequence[str]:
        words = ask_hints(self.session.workspace.folder, self.name)
        names = ", ".join(f"`{name}`" for name in self.ask.parameters)
        return words or (f"It is to work for any {names}. Begin with the smallest that you can think of.",)

    def to_explain(self) -> str:
        return ""

    def accepts_zeros(self) -> bool:
        return False  # what is right is told by cases, and an untouched notebook is linted


@cache
def practice_cases(ask: Ask) -> list[AskCase]:
    """The recorded cases of an ask: always the same objects."""
    return cases_of(ask, PRACTICE_SEED)


def _shortened(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        value = [item if len(item) <= MAX_NAME else f"{item[:3]}… ({len(item)} letters)" for item in value]
    return in_words(value)


def _outline(value: Any) -> str:
    """What a value is like that is too long to be shown."""
    match value:
        case Tensor() if value.dim():
            return f" of shape {tuple(value.shape)}"
        case list():
            return f" with {len(value):,} entries"
    text = _shortened(value)
    return f" = `{text}`" if len(text) <= MAX_EXAMPLE else ""
