"""What went wrong inside a function that works out a whole backward pass: the first of its variables that is off."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from autograder.case import Case
from autograder.cause import Cause, Mistake
from autograder.cell import Cell, of, tree
from autograder.comparison import compare
from autograder.question import Question, downstream
from autograder.reference import Reference
from autograder.replay import Replay
from autograder.tape import State, Tape
from autograder.workspace import Workspace


@dataclass(frozen=True)
class Body:
    """A function that was called on a forward state, and what its names stood for when it ended.

    `cell` is the one that defines it; `truth` are the gradients of all variables.
    """

    by: str
    tape: Tape
    state: State
    cell: Cell
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
            return Cause(Mistake.EARLIER, sentence, f"Mend the line of `{value}` first: what comes after rests on it.")
        advice = f"Mend `d{culprit}`: what comes after rests on it."
        return Cause(Mistake.EARLIER, sentence, advice) if sentence else None

    def written(self, case: Case) -> Cause | None:
        """The number of rows, if it is written into the function and the case has another."""
        rows = self.tape.rows
        nodes = (node for each in self._body() for node in ast.walk(each))
        if case.rows is None or not any(isinstance(node, ast.Constant) and node.value == rows for node in nodes):
            return None
        sentence = f"`{rows}` is written into `{self.by}`, where the number of rows belongs."
        return Cause(Mistake.BATCH, sentence, "Take it from the minibatch itself.")

    def cause_of_stop(self, replay: Replay) -> Cause | None:
        """Why the function stopped: the first of its names that is off, or what would mend the line, or the line."""
        node = next((node for node in self._body() if _spans(node, replay.lines.get(self.by))), None)
        if node is None:
            return None
        stop = f"It stops at `{ast.unparse(node).partition(chr(10))[0]}`."
        culprit = self._first_wrong_gradient()
        if culprit and (cause := self._cause(culprit, self.local[f"d{culprit}"])):
            return replace(cause, sentence=f"{stop} `d{culprit}` is wrong before that. {cause.sentence}")
        if value := self._first_wrong_value():
            sentence = f"{stop} `{value}` is wrong before that: it is not what the forward pass gives."
            return Cause(Mistake.EARLIER, sentence, f"Mend the line of `{value}`.")
        if culprit:
            return Cause(Mistake.EARLIER, f"{stop} `d{culprit}` is wrong before that.", f"Mend `d{culprit}` first.")
        for name in of("", ast.Module([node], [])).touches:
            if name[1:] in self.tape.variables and (cause := self._question(name[1:]).repair(self._case(name[1:]))):
                return replace(cause, sentence=f"{stop} {cause.sentence}")
        is_of_torch = isinstance(replay.error, RuntimeError)
        advice = "Print the shapes of what stands in that line." if is_of_torch else "Mend that line."
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
        return self._question(variable).cause(answer, self._case(variable))

    def _question(self, variable: str) -> Question:
        name = f"d{variable}"
        kept = [node for node in self._body() if name in of("", ast.Module([node], [])).touches]
        module = ast.fix_missing_locations(ast.Module(kept, []))
        return Question(name, self.tape, of(ast.unparse(module), module), self.workspace.beside(self.local))

    def _case(self, variable: str) -> Case:
        return Case(self.state, {consumer: self.truth[consumer].rounded for consumer in self.tape.consumers(variable)})

    def _body(self) -> list[ast.stmt]:
        """The statements of the function but for what it returns; none if its code is not known."""
        try:
            nodes = tree(self.cell.source).body
        except (SyntaxError, ValueError):
            return []
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == self.by]
        return [node for function in functions for node in function.body if not isinstance(node, ast.Return)]


def _spans(node: ast.stmt, line: int | None) -> bool:
    return line is not None and node.lineno <= line <= (node.end_lineno or node.lineno)
