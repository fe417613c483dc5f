"""The kind of question whose answer is a function: one gradient of those that a whole backward pass returns.

The function takes the batch and the leaves, and returns the gradients of the leaves it takes, in that order, or as a mapping
by name. It is called by name where its parameters have the notebook's names, and else by position, as other cells call it. The
cases have other parameters and other numbers of rows too. Where it is wrong, its *body* says why: the first of its variables
that is off.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from autograder.course.questions import Question
from autograder.diagnosis.diagnose import mistaken_for
from autograder.judge import wording
from autograder.judge.comparison import Difference, is_rounding
from autograder.judge.crashes.explain import explain
from autograder.judge.judging import Attempt, Effort, missing
from autograder.judge.kinds.gradient import Gradient, names_of, rounding, tape_for, units
from autograder.judge.kinds.gradient_answer import GradientAnswer, compare
from autograder.judge.outside import Fixed, Trial
from autograder.judge.session import Session
from autograder.judge.wording import differs, first_line, listed, notes
from autograder.replay.parsed import ParsedCell, from_tree, mentioned, parse_tree, touched
from autograder.replay.run import MISSING, AutogradOff, Replay, ScriptOff
from autograder.replay.workspace import FunctionInfo, Workspace
from autograder.tape.cases import Case, Reference, whole_cases, whole_references
from autograder.tape.tape import Tape
from autograder.verdict import RERUN, Cause, Mistake, Outcome, Verdict

ABOUT_VALUES = (RuntimeError, IndexError, ValueError)
"""Errors that a wrong value may be the reason of, such as one of another shape."""
FEW = 10
"""Keys that are listed of what a function returns."""


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

    @cached_property
    def order(self) -> list[str]:
        """What a whole backward pass takes: the tensors of the batch, then the leaves in the order in which they were made."""
        batch = [name for name in self.tape.batch if isinstance(self.tape.given[name], Tensor)]
        made = [name for name in self.session.namespace if name in self.tape.leaves and name not in batch]
        return [*batch, *made, *(name for name in self.tape.leaves if name not in {*batch, *made})]

    @cached_property
    def passed(self) -> Passed | None:
        """How the function is called; None where it cannot be."""
        return passed_to(self.function, self.order, self.tape)

    @property
    def leaves(self) -> list[str]:
        """The leaves that the function takes, in this order: it has to return the gradient of each."""
        return [name for name in (self.passed.names if self.passed else ()) if name in self.tape.leaves]

    @property
    def lacking(self) -> list[str]:
        """What a whole backward pass takes and the function does not, and reads from outside all the same."""
        reads = from_tree("", ast.Module(self._definition(), [])).reads
        return [name for name in self.order if name in reads and name not in (self.passed.names if self.passed else ())]

    def missing(self) -> Verdict | None:
        if verdict := missing(self.session, self.question, names_of(self.session), is_replayed=False):
            return verdict
        if self.passed is None:
            return not_callable(self.question, self.function, self.order)
        if lacking := self.lacking or [self.variable] * (self.variable not in self.passed.names):
            return lacks(self.question, lacking, self.order)
        return None

    def cases(self, effort: Effort) -> Iterable[Case]:
        return whole_cases(self.tape, effort.seed, effort.own, effort.resampled)

    def run(self, case: Case) -> Attempt[Case]:
        replay = self.session.workspace.call(self.by, self._arguments(case), self._passed.by_position)
        return Attempt(case, replay, self._picked(replay.answer))

    def stopped(self, attempt: Attempt[Case]) -> Verdict | None:
        name, case, replay = self.question.name, attempt.case, attempt.replay
        if wording.is_stub(replay.error) or (replay.answer is None and self.function.is_blank):
            return replace(wording.not_attempted(self.by), name=name)
        if replay.error is not None:
            if cause := self._fixed(case):
                return depends(self.question, cause, case, first_line(replay.error))
            return stopped(self.question, replay.error, self._body(case, replay).cause_of_stop(replay), case, self.tape)
        if replay.answer is None:
            return ends_early(self.question) if self._ends_early() else returns_nothing(self.question, self.leaves)
        if attempt.answer is None or attempt.answer is Ellipsis:
            return returns_none(self.question, "None" if attempt.answer is None else "`...`")
        if attempt.answer is not MISSING:
            return None
        missing = [name for name in self.order if name not in self._passed.names]
        if isinstance(replay.answer, list | tuple) and len(replay.answer) == len(self.leaves) + len(missing):
            return lacks(self.question, missing, self.order)
        return incomplete(self.question, replay.answer, self.leaves)

    def reference(self, case: Case) -> Reference:
        return whole_references(self.tape, case)[self.variable]

    def compare(self, answer: Any, reference: Reference) -> Difference | None:
        return compare(answer, reference)

    def wrong(self, attempt: Attempt[Case], difference: Difference) -> Verdict:
        if cause := self._in_another_order(attempt) or self._returns_in_a_loop(attempt.case):
            return wrong(self.question, difference, cause, attempt.replay, replace(attempt.case, rows=None))
        if cause := self._fixed(attempt.case):
            verdict = depends(self.question, cause, attempt.case)
            seen = differs(self.question.name, difference, attempt.replay, "")
            return replace(seen, diagnosis=verdict.diagnosis, next_step=verdict.next_step, mistake=verdict.mistake)
        if is_rounding(self.reference(attempt.case)):  # then it was not right on the notebook's minibatch: that did not show
            attempt = self.run(Case(self.tape.state, {}))
        return wrong(self.question, difference, self._why_wrong(attempt), attempt.replay, attempt.case)

    def right(self, agreed: Sequence[tuple[Attempt[Case], Reference]], with_remarks: bool) -> Verdict:
        replay = agreed[-1][0].replay if agreed else Replay(MISSING)
        return right(self.question, replay, rounding(units(agreed)), self.order if self._is_permuted else ())

    def hints(self) -> Sequence[str]:
        return self._gradient.hints()

    def to_explain(self) -> str:
        return self._gradient.to_explain()

    def accepts_zeros(self) -> bool:
        return False  # through a whole backward pass a gradient that is zero is rightly zero

    @property
    def _is_permuted(self) -> bool:
        """Whether the function takes all that it is called with elsewhere, in another order."""
        names = self._passed.names
        return not self._passed.by_position and names != tuple(self.order) and {*names} >= {*self.order}

    def _in_another_order(self, attempt: Attempt[Case]) -> Cause | None:
        """That the first line has another order than the notebook's, and what is returned has the notebook's."""
        returned, leaves = attempt.replay.answer, [name for name in self.order if name in self.tape.leaves]
        if not self._is_permuted or not isinstance(returned, list | tuple) or len(returned) != len(leaves):
            return None
        if self.compare(returned[leaves.index(self.variable)], self.reference(attempt.case)) is not None:
            return None
        return another_order(self.by, self.order)

    def _returns_in_a_loop(self, case: Case) -> Cause | None:
        """That a `return` ends the function in the first round of a loop, where it is right with that below the loop."""
        below = _ReturnsBelow()
        nodes = [below.visit(deepcopy(node)) for node in self._definition()]
        if not below.loop:
            return None
        with suppress(Exception):  # a wrong answer needs no reason to be wrong
            if self._trial(nodes, case).is_right_already():
                return returns_in_a_loop(self.by, below.loop)
        return None

    def _ends_early(self) -> bool:
        """Whether the function ends in a `return` of something, and has one of nothing above it."""
        functions = (node for node in self._definition() if isinstance(node, ast.FunctionDef) and node.name == self.by)
        body = next((node.body for node in functions), [])
        returns = [node for each in body for node in ast.walk(each) if isinstance(node, ast.Return)]
        last = body[-1] if body else None
        return isinstance(last, ast.Return) and last.value is not None and any(each.value is None for each in returns)

    def _why_wrong(self, attempt: Attempt[Case]) -> Cause | None:
        # "it is the gradient of another leaf" is believed before what is wrong in the body only if the body has this one right
        truth = whole_references(self.tape, attempt.case)
        body = self._body(attempt.case, attempt.replay)
        swapped = mistaken_for(attempt.answer, {leaf: truth[leaf].exact for leaf in self.tape.leaves if leaf != self.variable})
        inside = None if swapped and body.is_right(self.variable) else body.cause(self.variable, attempt.answer)
        return inside or swapped

    @property
    def _passed(self) -> Passed:
        assert self.passed is not None  # or else it was missing
        return self.passed

    def _picked(self, answer: Any) -> Any:
        """The gradient of the variable from all that the function returned."""
        variable, leaves = self.variable, self.leaves
        if isinstance(answer, Mapping):
            name = self._passed.own[variable]
            keys = (variable, f"d{variable}", name, f"d{name}")
            return next((answer[key] for key in keys if key in answer), MISSING)
        if isinstance(answer, list | tuple) and len(answer) == len(leaves):
            return answer[leaves.index(variable)]
        return answer if leaves == [variable] else MISSING

    def _arguments(self, case: Case) -> dict[str, Any]:
        return {name: case.state[name] for name in self._passed.names}

    @property
    def _cell(self) -> ParsedCell:
        """The cell that defines the function; an empty one if it was not seen."""
        return self.session.maker(self.by) or ParsedCell("", ())

    def _definition(self) -> list[ast.stmt]:
        """The definitions in the cell that has the function, and how it gets its name there; none if the cell was not seen."""
        nodes = parse_tree(self._cell.source).body if self._cell.statements else []
        definitions = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
        is_kept = [isinstance(node, definitions) or self.by in from_tree("", ast.Module([node], [])).touches for node in nodes]
        return [node for node, kept in zip(nodes, is_kept, strict=True) if kept]

    def _fixed(self, case: Case) -> Cause | None:
        """What in the function fits the notebook's own minibatch only, or is not any more what the forward pass had."""
        with suppress(Exception):  # a wrong answer needs no reason to be wrong
            found = self._trial(self._definition(), case).fixed()
            return because_fixed(self.by, found, case, self.tape, self._passed.own)
        return None

    def _trial(self, definition: Sequence[ast.stmt], case: Case) -> Trial:
        """The function as these statements define it, called on a case."""
        passed = {f"{PASSED}{number}": value for number, value in enumerate(self._arguments(case).values())}
        words = passed if self._passed.by_position else map("=".join, zip(self._passed.names, passed, strict=True))
        call = ast.parse(f"{RETURNED} = {self.by}({', '.join(words)})").body
        truth = self.reference(case)
        return Trial(
            ast.Module([*definition, *call], []),
            RETURNED,
            passed,
            case,
            self.tape,
            self.session.workspace,
            self.session.maker,
            lambda answer: compare(answer, truth) is None,
            self._picked,
        )

    def _body(self, case: Case, replay: Replay) -> Body:
        """The variables of the function when it ended on a case; none if the cell that defines it is not known."""
        workspace, arguments, local = self.session.workspace, self._arguments(case), dict[str, Any]()
        with suppress(Exception):  # the function is run again alone, and may fail without what is around it
            local = workspace.locals_of(self._cell, self.by, arguments, replay, self._passed.by_position)
        return Body(self.by, self.tape, case, self._cell, workspace, local, whole_references(self.tape, case))


PASSED, RETURNED = "_passed_", "_returned"
"""Names for what a function is called with, and for what it returns, where it is called again in a cell of its own."""


class _ReturnsBelow(ast.NodeTransformer):
    """Moves each `return` that ends a loop in its first round below it. `loop` is the first line of the outermost one."""

    def __init__(self) -> None:
        self.loop = ""

    def visit_For(self, node: ast.For) -> ast.stmt | list[ast.stmt]:
        return self._below(node)

    def visit_While(self, node: ast.While) -> ast.stmt | list[ast.stmt]:
        return self._below(node)

    def _below(self, node: ast.For | ast.While) -> ast.stmt | list[ast.stmt]:
        self.generic_visit(node)
        ends = [each for each in node.body if isinstance(each, ast.Return)]
        if not ends or len(ends) == len(node.body):
            return node
        self.loop = ast.unparse(node).partition("\n")[0]
        node.body = [each for each in node.body if each not in ends]
        return [node, *ends]


@dataclass(frozen=True)
class Passed:
    """What a function is called with: names of the tape, in this order, and what the function itself calls each, as code."""

    names: tuple[str, ...]
    own: Mapping[str, str]
    by_position: bool


def passed_to(function: FunctionInfo, order: Sequence[str], tape: Tape) -> Passed | None:
    """How a function can be called: by the names of the notebook, or else with all of `order` by position; None if neither."""
    parameters = function.parameters
    needed = [name for name in parameters if name not in function.optional]
    if {*needed} <= tape.given.keys() and not function.by_position and {*parameters} & {*order}:
        names = tuple(name for name in parameters if name in {*needed, *order})
        return Passed(names, {name: name for name in names}, False)
    own = [*parameters, *(f"{function.starred}[{number}]" for number in range(len(order) if function.starred else 0))]
    fits = len(needed) <= len(order) <= len(own)
    if function.kind or not fits or any(name in order and name != wanted for name, wanted in zip(own, order, strict=False)):
        return None
    return Passed(tuple(order), dict(zip(order, own, strict=False)), True)


@dataclass(frozen=True)
class Body:
    """A function that was called on a case, and what its names stood for when it ended.

    `cell` is the one that defines it; `truth` are the gradients of all variables.
    """

    by: str
    tape: Tape
    case: Case
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
            return replace(_within(cause, culprit), sentence=f"{sentence} {cause.sentence}".strip())
        if value := self._first_wrong_value():
            sentence = f"In `{self.by}`, `{value}` is not what the forward pass gives."
            return Cause(Mistake.EARLIER, sentence, f"Fix the line of `{value}` first: what comes after rests on it.")
        advice = f"Fix `d{culprit}`: what comes after rests on it."
        if self.case.rows is not None:
            advice = f"Does `d{culprit}` use the number of rows? Take that from the minibatch itself."
        return Cause(Mistake.EARLIER, sentence, advice) if sentence else None

    def cause_of_stop(self, replay: Replay) -> Cause:
        """Where the function stopped, and why: by what went into that line, or what would fix it, or what the error says."""
        node = self._stopping(replay.lines.get(self.by))
        stop = "" if node is None else f"It stops at `{ast.unparse(node).partition(chr(10))[0]}`."
        names = {*self.local, *self.workspace.names}
        cause = self._wrong_before(node) if node and type(replay.error) in ABOUT_VALUES else None
        cause = cause or explain(replay.error or "", self.cell.source, replay.stop, names)
        if cause is None:
            return Cause(Mistake.STOPS, stop, f"Print what stands in that line, with its shape. {RERUN}")
        return replace(cause, sentence=f"{stop} {cause.sentence}".strip())

    def _wrong_before(self, node: ast.stmt) -> Cause | None:
        """Why a statement stops that has values which do not fit: what went into it is wrong, or one change would fix it."""
        read, finished = self._read_for(node), self._finished(node)
        gradients = [name[1:] for name in sorted(read & finished) if name[1:] in self.tape.variables and name[0] == "d"]
        culprit = next(filter(None, (self._first_wrong_gradient(name, finished) for name in gradients)), "")
        if culprit and (cause := self._cause(culprit, self.local[f"d{culprit}"])):
            return replace(_within(cause, culprit), sentence=f"`d{culprit}` is wrong before that. {cause.sentence}")
        value = self._wrong_size() or self._first_wrong_value()
        if value in finished and self.tape.downstream({value}) & read:
            sentence = f"`{value}` is wrong before that: it is not what the forward pass gives."
            return Cause(Mistake.EARLIER, sentence, f"Fix the line of `{value}`.")
        if culprit:
            return Cause(Mistake.EARLIER, f"`d{culprit}` is wrong before that.", f"Fix `d{culprit}` first.")
        found = [name[1:] for name in touched(node) if name[1:] in self.tape.variables and name[0] == "d"]
        repairs = ((name, self._answer(name).repair(self._case(name))) for name in found)
        return next((_within(cause, name) for name, cause in repairs if cause), None)

    def _read_for(self, node: ast.stmt) -> set[str]:
        """What a statement reads, and the earlier ones that work on the same names."""
        own = touched(node)
        earlier = [mentioned(each) for each in self._body() if each.lineno < node.lineno and touched(each) & own]
        return mentioned(node).union(*earlier)

    def _stopping(self, line: int | None) -> ast.stmt | None:
        """The innermost statement of the function that has this line."""
        nodes = [node for each in self._body() for node in ast.walk(each) if isinstance(node, ast.stmt) and _spans(node, line)]
        return max(nodes, key=lambda node: (node.lineno, node.col_offset), default=None)

    def _finished(self, stopping: ast.stmt) -> set[str]:
        """The names that no statement works on from the one that stopped, or from what is around it, to the end."""
        later = [touched(node) for node in self._body() if (node.end_lineno or node.lineno) >= stopping.lineno]
        return self.local.keys() - frozenset[str]().union(*later)

    def _first_wrong_value(self) -> str:
        """The first line of the forward pass that has another value in the function, whatever its shape."""
        for step in self.tape.steps:
            value, true = self.local.get(step.name), self.case.state[step.name]
            if isinstance(value, Tensor | float) and isinstance(true, Tensor):
                reference = Reference(true.double().flatten(), true.flatten())
                if compare(torch.as_tensor(value).flatten(), reference) is not None:
                    return step.name
        return ""

    def _wrong_size(self) -> str:
        """The number of rows, where the function has another one under its name."""
        sizes = {name: self.case.state[name] for name in self.tape.batch if type(self.case.state[name]) is int}
        return next((name for name, size in sizes.items() if self.local.get(name, size) != size), "")

    def is_right(self, variable: str) -> bool:
        """Whether the function had the right gradient of a variable under its name."""
        return compare(self.local.get(f"d{variable}"), self.truth[variable]) is None

    def _first_wrong_gradient(self, variable: str, among: Collection[str] | None = None) -> str:
        """The first variable on the way back to this one whose gradient is wrong in the function; its name is `among` these."""
        after = self.tape.downstream({variable})
        for name in reversed(self.tape.variables[:-1]):
            value = self.local.get(f"d{name}") if among is None or f"d{name}" in among else None
            if name in after and isinstance(value, Tensor) and compare(value, self.truth[name]) is not None:
                return name
        return ""

    def _cause(self, variable: str, answer: object) -> Cause | None:
        """The mistake in the statements that work out one gradient, taken as a cell of its own."""
        if not isinstance(answer, Tensor) or is_rounding(self.truth[variable]):
            return None  # of what is zero but for rounding any mistake would be true
        cause = self._answer(variable).cause(answer, self._case(variable))
        # what is right on the notebook's own rows has no constant factor: one on others is that of the two numbers of rows
        return None if cause and cause.mistake is Mistake.CONSTANT and self.case.rows is not None else cause

    def _answer(self, variable: str) -> GradientAnswer:
        name = f"d{variable}"
        module = ast.fix_missing_locations(ast.Module([node for node in self._body() if name in touched(node)], []))
        cell = ParsedCell("", ())
        with suppress(SyntaxError):  # a `return` among them cannot stand in a cell
            cell = from_tree(ast.unparse(module), module)
        return GradientAnswer(name, self.tape, cell, self.workspace.beside(self.local), stands_alone=False)

    def _case(self, variable: str) -> Case:
        return Case(self.case.state, {consumer: self.truth[consumer].rounded for consumer in self.tape.consumers(variable)})

    def _body(self) -> list[ast.stmt]:
        """The statements of the function but for what it returns; none if its code is not known."""
        try:
            nodes = parse_tree(self.cell.source).body
        except (SyntaxError, ValueError):
            return []
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == self.by]
        return [node for function in functions for node in function.body if not isinstance(node, ast.Return)]


def _within(cause: Cause, variable: str) -> Cause:
    """A mistake in the lines of one gradient: nothing is known of the rest of the function."""
    step = cause.next_step.replace("all the rest is right", f"the rest of `d{variable}` is right")
    return replace(cause, next_step=step.replace("All the rest is right", f"The rest of `d{variable}` is right"))


def _spans(node: ast.stmt, line: int | None) -> bool:
    """Whether a statement has this line."""
    return line is not None and node.lineno <= line <= (node.end_lineno or node.lineno)


# The words


def right(question: Question, replay: Replay, rounded: str, order: Sequence[str] = ()) -> Verdict:
    """The function is right on all cases. `rounded` says how; `order` is that of the values that it is called with elsewhere.

    It is given where the first line has another one.
    """
    praise = f"`{question.by}` agrees with autograd, on other minibatches and with other parameters too."
    elsewhere = f"Other cells may call it by position, as `{_call(question.by, order)}`: keep that order in its first line."
    return Verdict(
        question.name, Outcome.RIGHT, praise, notes=(rounded, *([elsewhere] if order else ()), *notes(question.name, replay))
    )


def _call(by: str, parameters: Sequence[str]) -> str:
    return f"{by}({', '.join(parameters)})"


def not_callable(question: Question, function: FunctionInfo, order: Sequence[str]) -> Verdict:
    """The function cannot be called: it is none, or takes neither the names that it is called with nor as many values."""
    first_line = f"`def {_call(question.by, order)}:`"
    if function.kind:
        diagnosis = f"`{question.by}` is of the type `{function.kind}`, and should be a function."
        return Verdict(question.name, Outcome.COULD_NOT_TELL, diagnosis, next_step=f"Begin it with {first_line}.")
    written = [*function.parameters, *([f"*{function.starred}"] if function.starred else [])]
    diagnosis = (
        f"The first line of `{question.by}` does not fit the call: by position it gets {len(order)} values, in this order."
    )
    seen, expected = f"`{_call(question.by, written)}`", f"`{_call(question.by, order)}`"
    advice = f"Put the first line back: {first_line}."
    return Verdict(question.name, Outcome.COULD_NOT_TELL, diagnosis, seen, expected, advice)


def lacks(question: Question, lacking: Sequence[str], order: Sequence[str]) -> Verdict:
    """The function does not take some of what a whole backward pass takes."""
    words = listed([f"`{name}`" for name in lacking])
    what, it, them = ("The parameter", "is", "it") if len(lacking) == 1 else ("The parameters", "are", "them")
    diagnosis = f"{what} {words} {it} missing from the first line of `{question.by}`."
    advice = f"Add {them}, so that the line is `def {_call(question.by, order)}:`."
    return Verdict(question.name, Outcome.COULD_NOT_TELL, diagnosis, next_step=advice)


def because_fixed(by: str, found: Sequence[Fixed], case: Case, tape: Tape, own: Mapping[str, str]) -> Cause | None:
    """The cause that something in a function fits the notebook's own minibatch only; None where nothing was found.

    `own` is what the function calls the names of the tape that it is called with.
    """
    if not found:
        return None
    has_rows = (name for name in tape.batch if isinstance(tape.given[name], Tensor) and name in own)
    count = next((f"`{own[name]}.shape[0]`" for name in has_rows), "")
    outside = [each.place for each in found if not each.stands_for]
    if not outside:
        belongs = found[0].stands_for.format("the number of rows")
        sentence = f"`{found[0].name}` is written into `{by}`, where {belongs} belongs."
        return Cause(Mistake.BATCH, sentence, f"Work it out from the minibatch itself{count and f': {count}'}.")
    lines = [step.name for step in tape.steps]
    outside.sort(key=lambda place: lines.index(place[0]) if place[0] in lines else -1)
    outside.sort(key=lambda place: not _is_count(place[2], case, tape))
    code, value, true = outside[0]
    names = listed([f"`{each}`" for each, _, _ in outside])
    is_number = len(outside) == 1 and isinstance(value, int | float)
    what = f"is {value:g}" if is_number else f"{'is' if len(outside) == 1 else 'are'} the notebook's own"
    sentence = f"{names} {what}, from outside of `{by}`."
    if case.rows is None:
        sentence += (
            f" In the forward pass it was {true:g}." if is_number else " A cell has changed that since the forward pass."
        )
    known = next((name for name in own if case.state[name] is true), "")
    if count and _is_count(true, case, tape):
        step = f"Begin `{by}` with `{code} = {count[1:]}." if code.isidentifier() else f"Use {count} in the place of `{code}`."
    elif known:
        step = f"Use the parameter `{own[known]}` of `{by}` in the place of `{code}`."
    elif len([each for each, _, _ in outside if each in lines]) > 1:
        step = f"Put these lines of the forward pass into `{by}`, before the gradients."
    else:
        step = f"Work out `{code}` in `{by}`, from what it is given."
    return Cause(Mistake.BATCH, sentence, step)


def _is_count(value: object, case: Case, tape: Tape) -> bool:
    """Whether a value is the number of rows of a case."""
    return type(value) is int and value == (case.rows or tape.rows)


def depends(question: Question, cause: Cause, case: Case, seen: str = "") -> Verdict:
    """The function depends on something from outside, or on a number of rows that is written into it.

    Mostly it is right on the notebook's own minibatch, and not on a case with other rows. `seen` is the error, where it stops.
    """
    if case.rows is None:
        return Verdict(question.name, Outcome.WRONG, cause.sentence, seen, next_step=cause.next_step, mistake=cause.mistake)
    but = "stops on" if seen else "is wrong on"
    diagnosis = f"{cause.sentence} So `{question.by}` works on this minibatch, but {but} another one of {case.rows} rows."
    return Verdict(question.name, Outcome.WRONG, diagnosis, seen, next_step=cause.next_step, mistake=cause.mistake)


def stopped(question: Question, error: BaseException, cause: Cause, case: Case, tape: Tape) -> Verdict:
    """The function raised an error on a case. `cause` says where, and why."""
    if isinstance(error, AutogradOff):
        diagnosis = f"`{question.by}` asks autograd, which is switched off while an answer is checked."
        advice = "Derive the gradients by hand."
        return Verdict(question.name, Outcome.WRONG, diagnosis, next_step=advice, mistake=Mistake.AUTOGRAD)
    if isinstance(error, ScriptOff):
        return wording.script(question.name, f"`{question.by}`")
    seen, advice = first_line(error), cause.next_step
    if case.rows is None:
        diagnosis = f"`{question.by}` stops before it returns anything. {cause.sentence}".strip()
        return Verdict(question.name, Outcome.COULD_NOT_TELL, diagnosis, seen, next_step=advice, mistake=cause.mistake)
    where = f"`{question.by}` works on this minibatch of {tape.rows} rows, but stops on one of {case.rows} rows."
    diagnosis = f"{where} {cause.sentence}".strip()
    return Verdict(question.name, Outcome.WRONG, diagnosis, seen, next_step=advice, mistake=Mistake.BATCH)


def returns_none(question: Question, what: str) -> Verdict:
    """The function returns None or an ellipsis in the place of this gradient."""
    advice = f"Work it out in `{question.by}`, and return it in its place."
    return Verdict(question.name, Outcome.NOT_ATTEMPTED, f"`{question.by}` returns {what} for it.", next_step=advice)


def another_order(by: str, order: Sequence[str]) -> Cause:
    """The first line of the function has another order than the notebook's."""
    sentence = f"`{by}` takes the parameters in another order than the notebook, and returns the gradients in the notebook's."
    return Cause(Mistake.ORDER, sentence, f"Put the first line back: `def {_call(by, order)}:`. Other cells call it so.")


def returns_in_a_loop(by: str, loop: str) -> Cause:
    """A `return` stands inside of a loop, whose first line is given."""
    sentence = f"The `return` stands inside of the loop `{loop}`, so `{by}` ends in the first round of it."
    return Cause(Mistake.STOPS, sentence, "Move the `return` to the left, so that it stands below the loop.")


def returns_nothing(question: Question, leaves: Sequence[str]) -> Verdict:
    """The function returns None in the place of all gradients."""
    diagnosis = f"`{question.by}` returns nothing, so it gives no gradient."
    advice = f"{_ending(question.by, leaves).removesuffix('.')}: without it a function returns None."
    return Verdict(question.name, Outcome.WRONG, diagnosis, "None", next_step=advice)


def ends_early(question: Question) -> Verdict:
    """The function returns None from a `return` with nothing behind it, above its last line."""
    diagnosis = f"`{question.by}` ends at a `return` that has nothing behind it, above its last line. So it gives no gradient."
    advice = "Take that `return` out, so that the function goes on to its last line."
    return Verdict(question.name, Outcome.WRONG, diagnosis, "None", next_step=advice)


def _ending(by: str, leaves: Sequence[str]) -> str:
    return f"End `{by}` with `return {', '.join(f'd{leaf}' for leaf in leaves)}`."


def incomplete(question: Question, answer: object, leaves: Sequence[str]) -> Verdict:
    """The function returns something in which this gradient cannot be found."""
    diagnosis, size = f"`{question.by}` does not return them all.", ""
    if isinstance(answer, list | tuple):
        size = f" of length {len(answer)}"
        if len(answer) > len(leaves):
            diagnosis = f"`{question.by}` returns {len(answer)} values, and there are {len(leaves)} gradients."
    elif isinstance(answer, Mapping):
        size = f" with the keys {', '.join(map(str, list(answer)[:FEW]))}"
    expected = f"{len(leaves)} gradients, of {', '.join(leaves)}, in this order"
    advice = _ending(question.by, leaves)
    return Verdict(question.name, Outcome.WRONG, diagnosis, f"type `{type(answer).__name__}`{size}", expected, advice)


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
