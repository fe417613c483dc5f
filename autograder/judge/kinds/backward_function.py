"""The kind of question whose answer is a function: one gradient of those that a whole backward pass returns.

The function takes the batch and the leaves by their names, and returns the gradients of the leaves it takes, in that
order, or as a mapping by name. It is called on other parameters and other numbers of rows too. Where it is wrong, its
*body* says why: the first of its variables that is off.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor

from autograder.course.questions import Question
from autograder.diagnosis.diagnose import mistaken_for
from autograder.judge import wording
from autograder.judge.comparison import Difference
from autograder.judge.judging import Attempt, Effort, missing
from autograder.judge.kinds.gradient import Gradient, names_of, rounding, tape_for, units
from autograder.judge.kinds.gradient_answer import GradientAnswer, compare, downstream
from autograder.judge.session import Session
from autograder.judge.wording import differs, first_line, notes
from autograder.replay.parsed import ParsedCell, from_tree, parse_tree
from autograder.replay.run import MISSING, AutogradOff, Replay, ScriptOff
from autograder.replay.workspace import FunctionInfo, Workspace
from autograder.tape.cases import Case, Reference, whole_cases, whole_references
from autograder.tape.tape import State, Tape
from autograder.verdict import Cause, Mistake, Outcome, Verdict


@dataclass(frozen=True)
class BackwardFunction:
    """The gradient `name` of a leaf that the student's function `by` returns."""

    session: Session
    question: Question
    tape: Tape
    once: ClassVar[Mapping[str, str]] = Gradient.once

    @classmethod
    def claim(cls, session: Session, question: Question) -> BackwardFunction | None:
        if not question.by or not question.name.startswith("d"):
            return None
        return cls(session, question, tape_for(session, question.name))

    @classmethod
    def offers(cls, session: Session, specification: str) -> Iterable[Question]:
        """No questions: only a test can say which function is to give a gradient."""
        return ()

    @property
    def variable(self) -> str:
        return self.question.name[1:]

    @property
    def by(self) -> str:
        return self.question.by

    @property
    def specification(self) -> str:
        return self._gradient.specification

    @property
    def _gradient(self) -> Gradient:
        """The same gradient, as the answer of a cell."""
        return Gradient(self.session, Question(self.question.name), self.tape)

    @cached_property
    def function(self) -> FunctionInfo:
        return self.session.workspace.function(self.by)

    @property
    def leaves(self) -> list[str]:
        """The leaves that the function takes, in this order: it has to return the gradient of each."""
        return [parameter for parameter in self.function.parameters if parameter in self.tape.leaves]

    def missing(self) -> Verdict | None:
        if verdict := missing(self.session, self.question, names_of(self.session), is_replayed=False):
            return verdict
        takes = self.function.parameters
        if self.variable not in takes or not self.tape.given.keys() >= set(takes):
            return not_callable(self.question, self.function)
        return None

    def cases(self, effort: Effort) -> Iterable[Case]:
        return whole_cases(self.tape, effort.seed, effort.own, effort.resampled)

    def run(self, case: Case) -> Attempt[Case]:
        replay = self.session.workspace.call(self.by, self._arguments(case))
        return Attempt(case, replay, _picked(replay.answer, self.variable, self.leaves))

    def stopped(self, attempt: Attempt[Case]) -> Verdict | None:
        name, case, replay = self.question.name, attempt.case, attempt.replay
        if isinstance(replay.error, NotImplementedError) or (replay.answer is None and self.function.is_blank):
            return replace(wording.not_attempted(self.by), name=name)
        if replay.error is not None:
            body = self._body(case, replay)
            return stopped(self.question, replay.error, body.written(case) or body.cause_of_stop(replay), case, self.tape)
        if replay.answer is None:
            return returns_nothing(self.question)
        if attempt.answer is None:
            return returns_none(self.question)
        return incomplete(self.question, replay.answer, self.leaves) if attempt.answer is MISSING else None

    def reference(self, case: Case) -> Reference:
        return whole_references(self.tape, case)[self.variable]

    def compare(self, answer: Any, reference: Reference) -> Difference | None:
        return compare(answer, reference)

    def wrong(self, attempt: Attempt[Case], difference: Difference) -> Verdict:
        return wrong(self.question, difference, self._why_wrong(attempt), attempt.replay, attempt.case)

    def right(self, agreed: Sequence[tuple[Attempt[Case], Reference]], with_remarks: bool) -> Verdict:
        replay = agreed[-1][0].replay if agreed else Replay(MISSING)
        return right(self.question, replay, rounding(units(agreed)))

    def hints(self) -> Sequence[str]:
        return self._gradient.hints()

    def to_explain(self) -> str:
        return self._gradient.to_explain()

    def accepts_zeros(self) -> bool:
        return False  # through a whole backward pass a gradient that is zero is rightly zero

    def _why_wrong(self, attempt: Attempt[Case]) -> Cause | None:
        # "it is the gradient of another leaf" is believed before what is wrong in the body only if the body has this one right
        truth = whole_references(self.tape, attempt.case)
        body = self._body(attempt.case, attempt.replay)
        swapped = mistaken_for(attempt.answer, {leaf: truth[leaf].exact for leaf in self.tape.leaves if leaf != self.variable})
        inside = None if swapped and body.is_right(self.variable) else body.cause(self.variable, attempt.answer)
        return body.written(attempt.case) or inside or swapped

    def _arguments(self, case: Case) -> dict[str, Any]:
        return {name: case.state[name] for name in self.function.parameters}

    def _body(self, case: Case, replay: Replay) -> Body:
        """The variables of the function when it ended on a case; none if the cell that defines it is not known."""
        run = self.session.answering(self.by)
        cell = run.cell if run else ParsedCell("", ())
        local: dict[str, Any] = {}
        with suppress(Exception):  # the function is run again alone, and may fail without what is around it
            local = self.session.workspace.locals_of(cell, self.by, self._arguments(case), replay)
        return Body(self.by, self.tape, case.state, cell, self.session.workspace, local, whole_references(self.tape, case))


def _picked(answer: Any, variable: str, leaves: list[str]) -> Any:
    """The gradient of one leaf from all that a function returned."""
    if isinstance(answer, Mapping):
        return answer.get(variable, answer.get(f"d{variable}", MISSING))
    if isinstance(answer, list | tuple) and len(answer) == len(leaves):
        return answer[leaves.index(variable)]
    return answer if leaves == [variable] else MISSING


@dataclass(frozen=True)
class Body:
    """A function that was called on a forward state, and what its names stood for when it ended.

    `cell` is the one that defines it; `truth` are the gradients of all variables.
    """

    by: str
    tape: Tape
    state: State
    cell: ParsedCell
    workspace: Workspace
    local: Mapping[str, Any]
    truth: Mapping[str, Reference]

    def cause(self, variable: str, answer: object) -> Cause | None:
        """Why the gradient of a variable that the function returned is wrong."""
        culprit = self._first_wrong_gradient(variable) or variable
        cause = self._cause(culprit, answer if culprit == variable else self.local[f"d{culprit}"])
        sentence = "" if culprit == variable else f"In `{self.by}`, `d{culprit}` is the first that is wrong."
        if cause is not None:
            return replace(cause, sentence=f"{sentence} {cause.sentence}".strip())
        if value := self._first_wrong_value():
            sentence = f"In `{self.by}`, `{value}` is not what the forward pass gives."
            return Cause(Mistake.EARLIER, sentence, f"Fix the line of `{value}` first: what comes after rests on it.")
        advice = f"Fix `d{culprit}`: what comes after rests on it."
        return Cause(Mistake.EARLIER, sentence, advice) if sentence else None

    def written(self, case: Case) -> Cause | None:
        """The mistake that the number of rows is written into the function, if the case has another number."""
        rows = self.tape.rows
        nodes = (node for each in self._body() for node in ast.walk(each))
        if case.rows is None or not any(isinstance(node, ast.Constant) and node.value == rows for node in nodes):
            return None
        sentence = f"`{rows}` is written into `{self.by}`, where the number of rows belongs."
        return Cause(Mistake.BATCH, sentence, "Take it from the minibatch itself.")

    def cause_of_stop(self, replay: Replay) -> Cause | None:
        """Why the function stopped: the first of its variables that is wrong, or what would fix the line, or just the line."""
        node = next((node for node in self._body() if _spans(node, replay.lines.get(self.by))), None)
        if node is None:
            return None
        stop = f"It stops at `{ast.unparse(node).partition(chr(10))[0]}`."
        culprit = self._first_wrong_gradient()
        if culprit and f"d{culprit}" in from_tree("", ast.Module([node], [])).touches:
            culprit = ""  # it was about to be made
        if culprit and (cause := self._cause(culprit, self.local[f"d{culprit}"])):
            return replace(cause, sentence=f"{stop} `d{culprit}` is wrong before that. {cause.sentence}")
        if value := self._first_wrong_value():
            sentence = f"{stop} `{value}` is wrong before that: it is not what the forward pass gives."
            return Cause(Mistake.EARLIER, sentence, f"Fix the line of `{value}`.")
        if culprit:
            return Cause(Mistake.EARLIER, f"{stop} `d{culprit}` is wrong before that.", f"Fix `d{culprit}` first.")
        for name in from_tree("", ast.Module([node], [])).touches:
            if name[1:] in self.tape.variables and (cause := self._answer(name[1:]).repair(self._case(name[1:]))):
                return replace(cause, sentence=f"{stop} {cause.sentence}")
        is_of_torch = isinstance(replay.error, RuntimeError)
        advice = "Print the shapes of what stands in that line." if is_of_torch else "Fix that line."
        return Cause(Mistake.STOPS, stop, advice)

    def _first_wrong_value(self) -> str:
        """The first line of the forward pass that has another value in the function, whatever its shape."""
        for step in self.tape.steps:
            value, true = self.local.get(step.name), self.state[step.name]
            if isinstance(value, Tensor) and isinstance(true, Tensor):
                reference = Reference(true.double().flatten(), true.flatten())
                if compare(value.flatten(), reference) is not None:
                    return step.name
        return ""

    def is_right(self, variable: str) -> bool:
        """Whether the function had the right gradient of a variable under its name."""
        return compare(self.local.get(f"d{variable}"), self.truth[variable]) is None

    def _first_wrong_gradient(self, variable: str = "") -> str:
        """The first variable, on the way back to this one or at all, whose gradient is wrong in the function."""
        after = downstream(self.tape, {variable}) if variable else set(self.tape.variables)
        for name in reversed(self.tape.variables[:-1]):
            value = self.local.get(f"d{name}")
            if name in after and isinstance(value, Tensor) and compare(value, self.truth[name]) is not None:
                return name
        return ""

    def _cause(self, variable: str, answer: object) -> Cause | None:
        """The mistake in the statements that work out one gradient, taken as a cell of its own."""
        if not isinstance(answer, Tensor):
            return None
        return self._answer(variable).cause(answer, self._case(variable))

    def _answer(self, variable: str) -> GradientAnswer:
        name = f"d{variable}"
        kept = [node for node in self._body() if name in from_tree("", ast.Module([node], [])).touches]
        module = ast.fix_missing_locations(ast.Module(kept, []))
        return GradientAnswer(name, self.tape, from_tree(ast.unparse(module), module), self.workspace.beside(self.local))

    def _case(self, variable: str) -> Case:
        return Case(self.state, {consumer: self.truth[consumer].rounded for consumer in self.tape.consumers(variable)})

    def _body(self) -> list[ast.stmt]:
        """The statements of the function but for what it returns; none if its code is not known."""
        try:
            nodes = parse_tree(self.cell.source).body
        except (SyntaxError, ValueError):
            return []
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == self.by]
        return [node for function in functions for node in function.body if not isinstance(node, ast.Return)]


def _spans(node: ast.stmt, line: int | None) -> bool:
    """Whether a statement has this line."""
    return line is not None and node.lineno <= line <= (node.end_lineno or node.lineno)


# The words


def right(question: Question, replay: Replay, rounded: str) -> Verdict:
    """The function is right on all cases. `rounded` says how the answer is rounded."""
    praise = f"`{question.by}` agrees with autograd, on other minibatches and with other parameters too."
    return Verdict(question.name, Outcome.RIGHT, praise, notes=(rounded, *notes(question.name, replay)))


def not_callable(question: Question, function: FunctionInfo) -> Verdict:
    """The function cannot be called: it lacks a name that it is called with, or has another one."""
    seen = f"type `{function.kind}`" if function.kind else f"`{question.by}({', '.join(function.parameters)})`"
    diagnosis = f"`{question.by}` is called with its arguments by name, and has no such names."
    advice = f"Put the first line, `def {question.by}(…):`, back as it was released."
    return Verdict(question.name, Outcome.COULD_NOT_TELL, diagnosis, seen, next_step=advice)


def stopped(question: Question, error: BaseException, cause: Cause | None, case: Case, tape: Tape) -> Verdict:
    """The function raised an error on a case. `cause` says where it stopped."""
    if isinstance(error, AutogradOff):
        diagnosis = f"`{question.by}` asks autograd, which is switched off while an answer is judged."
        advice = "Derive the gradients by hand."
        return Verdict(question.name, Outcome.WRONG, diagnosis, next_step=advice, mistake=Mistake.AUTOGRAD)
    if isinstance(error, ScriptOff):
        return wording.script(question.name, f"`{question.by}`")
    where = f" {cause.sentence}" if cause else ""
    if case.rows is None:
        mistake, advice = (cause.mistake, cause.next_step) if cause else (Mistake.UNKNOWN, "Fix it and run its cell again.")
        diagnosis = f"`{question.by}` stops before it returns anything.{where}"
        return Verdict(question.name, Outcome.COULD_NOT_TELL, diagnosis, first_line(error), next_step=advice, mistake=mistake)
    advice = _rows_advice(question.by)
    diagnosis = f"`{question.by}` works on this minibatch of {tape.rows} rows, but stops on one of {case.rows} rows.{where}"
    return Verdict(question.name, Outcome.WRONG, diagnosis, first_line(error), next_step=advice, mistake=Mistake.BATCH)


def returns_none(question: Question) -> Verdict:
    """The function returns None in the place of this gradient."""
    advice = f"Work it out in `{question.by}`, and return it in its place."
    return Verdict(question.name, Outcome.NOT_ATTEMPTED, f"`{question.by}` returns None for it.", next_step=advice)


def returns_nothing(question: Question) -> Verdict:
    """The function returns None in the place of all gradients."""
    advice = "Is the `return` missing? Without one a function returns None."
    return Verdict(question.name, Outcome.WRONG, f"`{question.by}` returns nothing.", "None", next_step=advice)


def incomplete(question: Question, answer: object, leaves: Sequence[str]) -> Verdict:
    """The function returns something in which this gradient cannot be found."""
    diagnosis = f"`{question.by}` does not return them all."
    size = f" of length {len(answer)}" if isinstance(answer, list | tuple) else ""
    expected = f"{len(leaves)} gradients, of {', '.join(leaves)}, in this order"
    return Verdict(
        question.name,
        Outcome.WRONG,
        diagnosis,
        f"type `{type(answer).__name__}`{size}",
        expected,
    )


def wrong(question: Question, difference: Difference, cause: Cause | None, replay: Replay, case: Case) -> Verdict:
    """The function returns something else than the gradient on a case."""
    if cause:
        difference = replace(difference, diagnosis=cause.sentence, next_step=cause.next_step, mistake=cause.mistake)
    if case.rows is not None:
        where = f"Right on this minibatch, but not on another one of {case.rows} rows with other parameters."
        advice, mistake = difference.next_step or _rows_advice(question.by), difference.mistake or Mistake.BATCH
        diagnosis = f"{where} {difference.diagnosis}"
        difference = replace(difference, diagnosis=diagnosis, next_step=advice, mistake=mistake)
    return differs(
        question.name,
        difference,
        replay,
        f"The mistake may be in any line of `{question.by}` from the loss back to `{question.name}`.",
    )


def _rows_advice(by: str) -> str:
    return f"Use only what `{by}` is given, and take the number of rows from the minibatch itself."
