"""One gradient to judge, in the notebook that it stands in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches

import torch
from torch import Tensor

from autograder.case import Case
from autograder.cause import Cause
from autograder.cell import Cell, tree
from autograder.comparison import compare
from autograder.diagnosis import diagnose
from autograder.errors import ContentError
from autograder.evidence import evidence_of
from autograder.lesson import KnownMistake, advice
from autograder.reference import Reference, step_reference, whole_references
from autograder.repair import alternatives, repair
from autograder.replay import Replay
from autograder.tape import Tape
from autograder.workspace import Workspace


@dataclass(frozen=True)
class Question:
    """The gradient `name` of a variable on the tape, the cell that answers it, and the workspace that it stands in.

    `error` is what the cell stopped with in the notebook.
    """

    name: str
    tape: Tape
    cell: Cell
    workspace: Workspace
    error: str = ""

    @property
    def variable(self) -> str:
        return self.name[1:]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tape.state[self.variable].shape)

    @property
    def incoming(self) -> tuple[str, ...]:
        """The gradients that come in, as code; that of the loss is 1 and has no name."""
        return tuple(f"`d{consumer}`" for consumer in self.tape.consumers(self.variable) if consumer != self.tape.loss)

    @property
    def count(self) -> str:
        """What the notebook calls the number of rows, as code."""
        counts = (f"`{name}`" for name in self.tape.batch if not isinstance(self.tape.given[name], Tensor))
        return next(counts, "the number of rows")

    def ask(self, case: Case) -> Replay:
        """What the cell answers on a case."""
        return self.workspace.replay(self.cell, self.name, case)

    def cause(self, answer: Tensor, case: Case) -> Cause | None:
        """The mistake in an answer to a case: by what the answer is, or else by what change of the code would mend it."""
        known: tuple[KnownMistake, ...] = ()
        if not answer.is_floating_point():
            return self.repair(case)
        with suppress(ContentError):  # what is wrong with the file is for the linter to say
            known = advice(self.workspace.folder, self.tape, self.variable).mistakes
        found = None
        for asked, given in (*self._densely(case), (answer, case)):
            with suppress(Exception):  # such as of a forward pass that fixes its dtype: an answer is wrong, whyever it is
                evidence = evidence_of(asked, self.tape, self.variable, given, self.workspace.names, self.cell.source)
                cause, is_credible = diagnose(evidence, known)
                if is_credible:
                    return cause
                found = cause or found
        return self.repair(case) or found

    def _densely(self, case: Case) -> Iterator[tuple[Tensor, Case]]:
        """The same with something in every entry that comes in, if there are zeros: among these a mistake may not show."""
        if not any(bool((gradient == 0).any()) for gradient in case.incoming.values()):
            return
        generator = torch.Generator().manual_seed(0)
        incoming = {
            name: torch.where(gradient == 0, torch.randn(gradient.shape, generator=generator), gradient).to(gradient.dtype)
            for name, gradient in case.incoming.items()
        }
        dense = replace(case, incoming=incoming)
        again = self.ask(dense).answer
        if isinstance(again, Tensor) and again.is_floating_point():
            yield again, dense

    def repair(self, case: Case) -> Cause | None:
        """The mistake that one small change of the code mends."""
        gradients = {f"d{name}": gradient for name, gradient in case.incoming.items() if name != self.tape.loss}
        truth = step_reference(self.tape, self.variable, case)

        def is_right(cell: Cell) -> bool:
            again = replace(self, cell=cell).ask(case)
            return again.error is None and compare(again.answer, truth) is None

        others = alternatives(self.tape, self.variable, {**case.state, **gradients})
        return repair(self.cell.source, others, is_right)

    def ignores(self, consumer: str, case: Case, answer: object) -> bool:
        """Whether the answer stays the same when the gradient that comes in from one consumer is another."""
        if consumer == self.tape.loss or not isinstance(answer, Tensor):
            return False
        again = self.ask(replace(case, incoming={**case.incoming, consumer: -2 * case.incoming[consumer]})).answer
        return isinstance(again, Tensor) and torch.equal(again, answer)

    def right_here(self) -> bool:
        """Whether the cell's own value in the notebook is the true gradient, all the way from the loss."""
        return not self.error and self._is_true(self.variable, whole_references(self.tape))

    def culprit(self) -> str:
        """The first variable, from the loss back to this one, with a gradient in the notebook that is not true; or nothing.

        A gradient without those that it is worked out from was given by the notebook, as anything it likes.
        """
        truth = whole_references(self.tape)
        after = downstream(self.tape, {self.variable})
        there = {self.tape.loss, *(name for name in self.tape.variables if f"d{name}" in self.workspace.names)}
        back = (name for name in reversed(self.tape.variables[:-1]) if name in after & there)
        first = next((name for name in back if not self._is_true(name, truth)), "")
        return first if there.issuperset(self.tape.consumers(first)) else ""

    def _is_true(self, variable: str, truth: Mapping[str, Reference]) -> bool:
        return compare(self.workspace.names.get(f"d{variable}"), truth[variable]) is None

    def near(self) -> list[str]:
        """Names that the cell makes and that are nearly its own."""
        others = sorted(self.cell.touches - {self.name, *self.tape.state, *(f"d{name}" for name in self.tape.variables)})
        return get_close_matches(self.name, others, n=1, cutoff=0.85)

    def numbers(self) -> set[float]:
        """The numbers that are written into the cell."""
        with suppress(SyntaxError, ValueError):
            constants = [node.value for node in ast.walk(tree(self.cell.source)) if isinstance(node, ast.Constant)]
            return {constant for constant in constants if isinstance(constant, int | float)}
        return set()

    def foreign(self) -> tuple[str, ...]:
        """Tensors that the cell reads and another cell made, as code, and that are neither forward variables nor come in."""
        known = {*self.tape.state, *(f"d{variable}" for variable in self.tape.variables), *self.cell.touches}
        there = self.workspace.names
        names = sorted(self.cell.reads & there.keys() - known)
        return tuple(f"`{name}`" for name in names if isinstance(there[name], Tensor))


def downstream(tape: Tape, names: Set[str]) -> set[str]:
    """These names, and the lines of a forward pass that depend on any of them."""
    found = set(names)
    for step in tape.steps:
        found |= {step.name} if step.reads & found else set()
    return found
