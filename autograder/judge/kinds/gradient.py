"""The kind of question that a forward pass asks: the gradient of one variable, worked out in a cell of its own.

The cell is judged as one step of the backward pass: it is run with random gradients coming in, and its answer is compared
with the vector-Jacobian product of the lines that use the variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar

import torch

from autograder.course.questions import Question
from autograder.diagnosis.diagnose import continued
from autograder.diagnosis.evidence import short
from autograder.errors import NotReady
from autograder.judge import wording
from autograder.judge.comparison import Difference, units_off
from autograder.judge.judging import EXAM, Attempt, Effort, missing, why_failed, why_stopped
from autograder.judge.kinds.gradient_answer import NO_PART, Explanation, GradientAnswer, compare, lesson
from autograder.judge.kinds.gradient_hints import generic_hints, question
from autograder.judge.session import Run, Session, missing_name
from autograder.judge.wording import differs, first_line, listed, notes
from autograder.replay.parsed import ParsedCell
from autograder.replay.run import MISSING, AutogradOff, Replay, ScriptOff
from autograder.replay.stop import Stop
from autograder.tape.cases import Case, Reference, moved_cases, step_cases, step_reference
from autograder.tape.tape import Tape, is_variable
from autograder.verdict import EXACT, FUSED, ROUNDED, Cause, Mistake, Outcome, Verdict


@dataclass(frozen=True)
class Gradient:
    """The gradient of a variable on a tape, in the session that has both."""

    session: Session
    question: Question
    tape: Tape
    once: ClassVar[Mapping[str, str]] = {EXACT: "", ROUNDED: FUSED}

    @classmethod
    def claim(cls, session: Session, question: Question) -> Gradient | None:
        if question.by or not question.name.startswith("d"):
            return None
        return cls(session, question, tape_for(session, question.name))

    @classmethod
    def offers(cls, session: Session, specification: str) -> Iterator[Question]:
        """The gradients of all variables of a forward pass, in its order."""
        tape = session.tapes.get(specification)
        return (Question(f"d{name}") for name in (tape.variables[:-1] if tape else ()))

    @property
    def variable(self) -> str:
        return self.question.name[1:]

    @property
    def specification(self) -> str:
        """The lines of the forward pass."""
        return self.session.specification(self.tape)

    @cached_property
    def answer(self) -> GradientAnswer:
        run = self.session.answering(self.question.answer)
        cell, error = (run.cell, run.error) if run else (ParsedCell("", ()), "")
        return GradientAnswer(self.question.name, self.tape, cell, self.session.workspace, error, self.session.maker)

    def missing(self) -> Verdict | None:
        if verdict := missing(self.session, self.question, names_of(self.session), is_replayed=True):
            return verdict
        return None if self.session.answering(self.question.answer) else wording.unseen(self.question.name)

    def cases(self, effort: Effort) -> Iterable[Case]:
        yield from step_cases(self.tape, self.variable, effort.seed, effort.own, effort.resampled)
        if all(self.tape.given[name].numel() == 1 for name in self.tape.leaves):
            yield from moved_cases(self.tape, self.variable)  # of single numbers, `3.0` may be any of them by chance

    def run(self, case: Case) -> Attempt[Case]:
        replay = self.answer.replay(case)
        return Attempt(case, replay, replay.answer)

    def stopped(self, attempt: Attempt[Case]) -> Verdict | None:
        case, replay = attempt.case, attempt.replay
        if replay.answer is not MISSING and not replay.unfinished:
            return None
        is_plain = isinstance(replay.error, AutogradOff | ScriptOff) or self.answer.goes_on(replay)
        run = self.session.answering(self.question.answer)
        if run and run.error and case.rows is None and not is_plain:
            return self._failed(run, replay, case)
        cause = (
            why_stopped(self.session, self.question.answer, self.answer.cell, replay.error, replay.stop)
            if replay.error
            else None
        )
        finding = Explanation(cause) if cause else self.answer.why_stopped(replay, case)
        if case.rows is not None and not self.answer.goes_on(replay):
            finding = Explanation(self.answer.on_fewer_rows(case, cause))
        return stopped(self.answer, finding, replay, case)

    def _lost(self) -> str:
        """What to say of values of the forward pass that this cell overwrote, or that it reads and another cell overwrote."""
        own = self.session.answering(self.question.answer)
        found = self.session.overwritten(self.specification)
        found = [each for each in found if each.run is own] or [each for each in found if each.name in self.answer.cell.reads]
        return wording.lost(found, own, {f"d{name}" for name in self.tape.variables}) if found else ""

    def _failed(self, run: Run, replay: Replay, case: Case) -> Verdict:
        """The verdict where the cell stopped in the notebook too, before its answer was finished."""
        error, cause, stop = why_failed(self.session, self.question.answer, run)
        is_same = replay.error and first_line(replay.error) == error.partition("\n")[0]
        if replay.error and (not (stop and stop.code) if is_same else self._waits(error)):
            # a cell under a magic, of which Python does not know the source; or one that lacks a gradient, which the case has
            error, stop = first_line(replay.error), replay.stop
            cause = why_stopped(self.session, self.question.answer, run.cell, replay.error, stop)
        if cause is None or cause.mistake in {Mistake.SHAPE, Mistake.DTYPE}:
            change = self.answer.repair(case)
            # shapes alone would not say which of three axes, nor that the product is of the wrong kind
            is_of_axes = change is not None and _has_three_axes(stop) and change.mistake not in {Mistake.TENSOR, Mistake.TERM}
            if change and (cause is None or is_of_axes or change.mistake is Mistake.OPERATION):
                cause = change
        return wording.failed(self.question.name, error, cause, stop)

    def _waits(self, error: str) -> bool:
        """Whether a cell stopped in the notebook because a gradient is not there."""
        name = missing_name(error)
        return name != self.question.answer and name.startswith("d") and name[1:] in self.tape.variables

    def reference(self, case: Case) -> Reference:
        return step_reference(self.tape, self.variable, case)

    def compare(self, answer: Any, reference: Reference) -> Difference | None:
        return compare(answer, reference)

    def wrong(self, attempt: Attempt[Case], difference: Difference) -> Verdict:
        case, replay = attempt.case, attempt.replay
        verdict = wrong(self.answer, self.answer.why_wrong(difference, replay, case), difference, replay, case)
        return replace(verdict, notes=(*verdict.notes, *filter(None, [self._lost()])))

    def right(self, agreed: Sequence[tuple[Attempt[Case], Reference]], with_remarks: bool) -> Verdict:
        replay = agreed[-1][0].replay if agreed else Replay(MISSING)
        has_stopped = self.answer.error and not notes(self.question.name, replay)  # what it needed may be no gradient at all
        culprit = self.answer.culprit() if with_remarks and not has_stopped else ""
        return right(self.answer, replay, rounding(units(agreed)), culprit, self._lost() if with_remarks else "")

    def hints(self) -> Sequence[str]:
        words = lesson(self.session.workspace, self.tape, self.variable).hints
        return generic_hints(self.tape, self.variable, self.session.namespace, words)

    def to_explain(self) -> str:
        return question(self.tape, self.variable, self.session.namespace)

    def accepts_zeros(self) -> bool:
        references = map(self.reference, self.cases(EXAM))
        return any(compare(torch.zeros_like(reference.rounded), reference) is None for reference in references)


def _has_three_axes(stop: Stop | None) -> bool:
    """Whether a tensor with three axes or more stood in the part that raised."""
    return any(len(seen.shape or ()) > 2 for seen in (stop.seen.values() if stop else ()))


def units(agreed: Iterable[tuple[Attempt[Case], Reference]]) -> int | None:
    """How far right answers on the notebook's own state are from autograd's, in ULP; None where the gradient is zero."""
    found = [units_off(attempt.answer, reference) for attempt, reference in agreed if attempt.case.rows is None]
    known = [each for each in found if each is not None]
    return max(known, default=0) if len(known) == len(found) else None


# Which gradient


def tape_for(session: Session, name: str) -> Tape:
    """The newest forward pass that has the variable of a gradient. Raises NotReady where there is none to judge it by."""
    variable = name[1:]
    tape = session.tape(variable)
    if tape is None:
        raise NotReady(_unknown(session, variable))
    if variable == tape.loss:
        raise NotReady(f"`{name}` is 1, always: there is nothing to check.")
    return tape


def names_of(session: Session) -> set[str]:
    """The names of all values of the forward passes, and of their gradients."""
    return {known for tape in session.tapes.values() for name in tape.state for known in (name, f"d{name}")}


def _unknown(session: Session, variable: str) -> str:
    """Why there is no gradient of this name."""
    if not session.tapes:
        return "no forward pass has been recorded: run the `%%forward` cell, then this one again."
    for tape in session.tapes.values():
        if variable in tape.state and not is_variable(tape.state[variable]):
            return f"`{variable}` is no floating-point tensor, so it has no gradient."
        if variable in tape.state:
            return f"the loss is the last line, `{tape.loss}`, and does not depend on `{variable}`."
    known = [f"d{name}" for tape in session.tapes.values() for name in tape.variables[:-1]]
    near = get_close_matches(f"d{variable}", known, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"the forward pass has no `{variable}`, so there is no gradient `d{variable}`.{hint}"


# The words


def rounding(units: int | None) -> str:
    """How a right answer is rounded. `units` is how far it is from autograd's, as `units_off` has it."""
    if units is None:
        return "It is zero but for rounding, as it should be."
    if not units:
        return EXACT
    return f"{ROUNDED}at most {units} ULP (units in the last place of the largest entry) from autograd's."


def right(answer: GradientAnswer, replay: Replay, rounded: str, culprit: str = "", lost: str = "") -> Verdict:
    """The answer is right on all cases. `rounded` says how it is rounded.

    `culprit` is the variable whose gradient in the notebook is off: the step is right, and what came into it was not. `lost`
    is what is said of values that a cell overwrote.
    """
    others = "on other minibatches" if answer.tape.batch else ""
    if answer.incoming:
        others = f"with other numbers in {listed(answer.incoming)}"
    praise = f"It {f'holds {others} too, and ' if others else ''}has the shape of `{answer.variable}`, {answer.shape}."
    remarks = notes(answer.name, replay)
    if answer.error and not remarks:
        error, remedy = answer.error.partition("\n")[0], "Fix what it needs, then run it again."
        if lost:
            error, remedy = error.partition(":")[0], lost
        remarks = (f"In the notebook the cell stopped with {error}. {remedy}",)
    elif culprit and f"d{culprit}" not in replay.changed:
        off = f"The numbers of `{answer.name}` in the notebook are off all the same"
        because = f"because `d{culprit}` is. Check that one, then run the cells from `d{culprit}` down to this one."
        if culprit == answer.variable:
            because = "because something else was changed since. Run the cells again from the top."
        remarks += (f"{off}. {lost}" if lost and culprit == answer.variable else f"{off}, {because}",)
    if lost and not any(lost in remark for remark in remarks):
        remarks += (lost,)
    return Verdict(answer.name, Outcome.RIGHT, praise, notes=(rounded, *remarks))


def stopped(answer: GradientAnswer, finding: Explanation, replay: Replay, case: Case) -> Verdict:
    """The cell gave no answer, or not all of it, when it was run again on a case."""
    name, error = answer.name, replay.error
    seen = "no error, but no answer either" if error is None else first_line(error)
    if answer.goes_on(replay):
        diagnosis = f"The cell changes a `{name}` that it has not made: one of an earlier run, or of another cell."
        advice = f"Work out all of `{name}` in this cell: begin with a line `{name} = …`."
        if answer.reads_own():
            diagnosis = f"The cell reads `{name}` before it has made it: a value of an earlier run, or of another cell."
            advice = f"Work it out without a `{name}` on the right side: the variable itself is called `{answer.variable}`."
        return Verdict(name, Outcome.WRONG, diagnosis, next_step=advice, mistake=Mistake.FOREIGN)
    if case.rows is not None and (cause := finding.cause):
        diagnosis = f"The cell works on this minibatch of {answer.tape.rows} rows, but stops on a batch of {case.rows} of them."
        diagnosis = f"{diagnosis} {cause.sentence}".strip()
        expected = f"a cell for any number of rows, {answer.count}"
        return Verdict(name, Outcome.WRONG, diagnosis, seen, expected, cause.next_step, mistake=cause.mistake)
    if isinstance(error, AutogradOff) or answer.reads_grad():
        return _autograd(answer)
    if isinstance(error, ScriptOff):
        return wording.script(answer.name, "The cell")
    diagnosis = f"The cell stops{wording.place(replay.stop)}, when it is run again with other gradients coming in."
    advice, mistake = f"Use only {_sources(answer)} in it.", Mistake.UNKNOWN
    if cause := finding.cause:
        diagnosis, advice, mistake = f"{diagnosis} {cause.sentence}", cause.next_step, cause.mistake
    return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, seen, next_step=advice, mistake=mistake)


def wrong(answer: GradientAnswer, finding: Explanation, difference: Difference, replay: Replay, case: Case) -> Verdict:
    """The answer is not the gradient on a case."""
    if replay.answer is None and answer.reads_grad():
        return _autograd(answer)
    if case.rows is not None and finding.cause:
        where = f"Right on this minibatch of {answer.tape.rows} rows, but wrong on a batch of {case.rows} of them."
        difference = _because(difference, finding.cause, f"{where} {finding.cause.sentence or difference.diagnosis}")
    elif case.rows is None and case.state is not answer.tape.state:
        leaves = listed([f"`{leaf}`" for leaf in answer.tape.leaves])
        where = f"Right for the numbers of this notebook, but not for others in {leaves}."
        advice = f"Work it out from {_sources(answer)} by their names: a number that is written there fits by chance."
        cause = finding.cause or Cause(Mistake.FOREIGN, "", advice)
        difference = _because(difference, cause, f"{where} {cause.sentence}".rstrip())
    elif difference.kind in {"finite", "type"} and finding.cause:
        difference = _because(difference, finding.cause, f"{difference.diagnosis} {finding.cause.sentence}")
    else:
        difference = _with_reason(answer, finding, difference)
    if difference.kind == "values" and answer.incoming:
        difference = replace(difference, seen=f"{difference.seen}, with random numbers in {listed(answer.incoming)}")
    kept = [_not_kept(code) for code in answer.cell.lost if NO_PART not in difference.diagnosis]
    kept += [f"It also makes `{other}`: is that meant to be `{answer.name}`?" for other in answer.near()]
    difference = replace(difference, diagnosis=" ".join((difference.diagnosis, *kept)))
    lines = listed([f"`{line}`" for line in answer.tape.uses(answer.variable)])
    advice = f"Look again at what the forward pass does with `{answer.variable}`: {lines}."
    return differs(answer.name, difference, replay, advice)


def _not_kept(code: str) -> str:
    """What is said of an expression that stands on a line of its own."""
    if code[0] in "+-":
        return f"The line `{short(code)}` {NO_PART}"
    return f"The result of `{code}` is not kept: give it a name, or use the form with `_`."


def _because(difference: Difference, cause: Cause, sentence: str) -> Difference:
    return replace(difference, diagnosis=sentence, next_step=cause.next_step, mistake=cause.mistake)


def _with_reason(answer: GradientAnswer, finding: Explanation, difference: Difference) -> Difference:
    """The same difference with its reason, where the answer ignores what comes in or is right for this batch only."""
    ignored = finding.ignored
    if cause := finding.cause:
        here = "On this batch it makes almost no difference, so" if answer.tape.batch else "In this notebook it does not show:"
        remark = f" {here} your numbers look right." if finding.right_here else ""
        return _because(difference, cause, cause.sentence + remark)
    advice = f"Work it out from {_sources(answer)} alone, whatever comes in."
    if finding.right_here:
        reason = (
            f"the cell does not use {listed(ignored)}."
            if ignored
            else "with other gradients coming in they are wrong: a part that matters then is almost zero here."
        )
        where = "for this batch" if answer.tape.batch else "in this notebook"
        diagnosis = f"The numbers are right {where}, but {reason}"
        return replace(difference, diagnosis=diagnosis, next_step=advice, mistake=Mistake.IGNORES)
    if ignored and difference.kind == "values":
        diagnosis = f"The answer does not depend on {listed(ignored)}."
        if whole := finding.whole:
            diagnosis += f" As a formula from the loss on it is wrong, too: {continued(whole.sentence)}"
        return replace(difference, diagnosis=diagnosis, next_step=advice, mistake=Mistake.IGNORES)
    return difference


def _autograd(answer: GradientAnswer) -> Verdict:
    diagnosis = "The cell takes it from autograd, which is switched off while an answer is checked."
    advice = f"Derive it by hand, from {_sources(answer)}."
    return Verdict(answer.name, Outcome.WRONG, diagnosis, next_step=advice, mistake=Mistake.AUTOGRAD)


def _sources(answer: GradientAnswer) -> str:
    """What a gradient is worked out from."""
    return listed([*answer.incoming, "the forward variables"])
