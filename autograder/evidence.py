"""What a wrong answer is held against: the paths that its gradient comes back along, and what these would give otherwise."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from autograder.case import Case
from autograder.tape import State, Step, Tape, is_variable, promoted

LIVE = "_live"
"""What a variable is called in the one place of a line that a path goes through."""


@dataclass(frozen=True)
class Path:
    """One of the places where a line of the forward pass reads the variable.

    `label` says which, as code: the consumer where its line reads the variable once, else the call around the place.
    """

    step: Step
    label: str
    tree: ast.Expression
    code: CodeType

    @property
    def consumer(self) -> str:
        return self.step.name

    @property
    def multiplies_matrices(self) -> bool:
        return any(isinstance(node, ast.MatMult) for node in ast.walk(self.tree))

    def value(self, state: State, variable: Any) -> Any:
        """The line with something else in that place."""
        return eval(self.code, {**state, LIVE: variable})

    def product(self, gradient: Tensor, state: State, variable: Tensor) -> Tensor | None:
        """The vector-Jacobian product of the line in that place; None where nothing comes back. Shape of `variable`."""
        live = variable.detach().clone().requires_grad_()
        with torch.enable_grad():
            value = self.value(state, live)
            if not (is_variable(value) and value.requires_grad):
                return None
            return torch.autograd.grad(value, live, gradient)[0]

    def without_constants(self) -> Iterator[tuple[Path, str]]:
        """The path through the line without one of the constants that it adds, and that constant."""
        for node in ast.walk(self.tree):
            match node:
                case ast.BinOp(left=kept, op=ast.Add() | ast.Sub(), right=ast.Constant(value=float()) as constant):
                    tree = ast.fix_missing_locations(ast.Expression(_replaced(self.tree.body, node, kept)))
                    text = ast.get_source_segment(self.step.source, constant)
                    yield Path(self.step, self.label, tree, compile(tree, "<forward>", "eval")), text or ast.unparse(constant)


@dataclass(frozen=True)
class Evidence:
    """A wrong answer, and all that a mistake in it may be made of, in float64.

    `state` are the forward variables and `incoming` the gradients that came in, by variable; `gradients` are those that
    have no business in this answer but stand in the notebook. `parts` is what comes back along each path: the truth is
    their sum. `sizes` are the numbers that an answer may be off by, by name; `source` is the code of the answer.
    """

    answer: Tensor
    tape: Tape
    variable: str
    state: State
    incoming: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    parts: tuple[tuple[Path, Tensor], ...]
    sizes: Mapping[str, int]
    source: str

    @cached_property
    def truth(self) -> Tensor:
        return torch.stack([part for _, part in self.parts]).sum(0)

    @property
    def value(self) -> Tensor:
        """The variable itself."""
        value: Tensor = self.state[self.variable]
        return value

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """All tensors that the answer may have used instead of the right one, by the names that they have in the notebook."""
        return {
            **{name: self.state[name] for name in self.tape.variables[:-1]},
            **{f"d{name}": gradient for name, gradient in (*self.incoming.items(), *self.gradients.items())},
        }

    def along(
        self,
        path: Path,
        gradient: Tensor | None = None,
        at: Tensor | None = None,
        others: Mapping[str, Tensor] | None = None,
    ) -> Tensor | None:
        """What would come back along a path for another gradient, at another point, or with other factors in the line."""
        gradient = self.incoming[path.consumer] if gradient is None else gradient
        try:
            return path.product(gradient, {**self.state, **(others or {})}, self.value if at is None else at)
        except (RuntimeError, TypeError, ValueError, IndexError):  # the shapes do not go together
            return None

    def unsummed(self, path: Path) -> Tensor | None:
        """What comes back before it is summed over the axes that broadcasting stretched; None if there are none.

        The shape is that of the consumer.
        """
        gradient = self.incoming[path.consumer]
        if gradient.shape == self.value.shape:
            return None
        try:
            stretched = self.value.expand(gradient.shape)
            value = path.value(self.state, stretched)
        except (RuntimeError, TypeError, ValueError, IndexError):
            return None
        usual = path.value(self.state, self.value)
        same = isinstance(value, Tensor) and value.shape == gradient.shape and torch.allclose(value, usual)
        return self.along(path, at=stretched) if same else None

    def expressions(self, path: Path) -> Iterator[tuple[str, Tensor]]:
        """The parts of a line that are tensors, and the whole of it, by what they are called in the notebook."""
        yield path.consumer, self.state[path.consumer]
        seen = {path.consumer}
        for node in ast.walk(ast.parse(path.step.source, mode="eval").body):
            text = ast.get_source_segment(path.step.source, node) or ""
            if not isinstance(node, ast.expr) or isinstance(node, ast.Constant) or text in seen:
                continue
            seen.add(text)
            try:
                value = eval(compile(ast.Expression(node), "<part>", "eval"), {**self.state})
            except Exception:  # a part of a line need not be an expression of its own
                continue
            if is_variable(value):
                yield text, value


def evidence_of(
    answer: Tensor, tape: Tape, variable: str, case: Case, notebook: Mapping[str, Any], source: str = ""
) -> Evidence:
    """The evidence for an answer on a case, in a notebook with these names.

    Raises RuntimeError or TypeError where the forward pass cannot be evaluated in float64.
    """
    state = promoted(case.state)
    incoming = {name: gradient.double() for name, gradient in case.incoming.items()}
    others = {name: notebook.get(f"d{name}") for name in tape.variables if name not in {variable, *incoming}}
    gradients = {
        name: gradient.detach().double()
        for name, gradient in others.items()
        if isinstance(gradient, Tensor) and gradient.shape == state[name].shape and gradient.is_floating_point()
    }
    parts = []
    for path in paths(tape, variable):
        part = path.product(incoming[path.consumer], state, state[variable])
        if part is not None:
            parts.append((path, part))
    sizes = _sizes(tape, case, variable, notebook)
    return Evidence(answer.detach().double(), tape, variable, state, incoming, gradients, tuple(parts), sizes, source)


def paths(tape: Tape, variable: str) -> Iterator[Path]:
    """All places where the lines that consume a variable read it, in the order of the forward pass."""
    consumers = tape.consumers(variable)
    for step in tape.steps:
        if step.name not in consumers:
            continue
        line = ast.parse(step.source, mode="eval").body
        places = [node for node in ast.walk(line) if isinstance(node, ast.Name) and node.id == variable]
        places = [place for place in places if not _is_a_size(line, place)]
        for place in sorted(places, key=lambda node: (node.lineno, node.col_offset)):
            label = step.name if len(places) == 1 else ast.unparse(_around(line, place, places))
            tree = ast.fix_missing_locations(ast.Expression(_replaced(line, place, ast.Name(LIVE, ast.Load()))))
            yield Path(step, label, tree, compile(tree, f"<forward, line {step.line}>", "eval"))


def _is_a_size(line: ast.expr, place: ast.Name) -> bool:
    return any(isinstance(node, ast.Attribute) and node.value is place and node.attr == "shape" for node in ast.walk(line))


def _around(line: ast.expr, place: ast.Name, places: list[ast.Name]) -> ast.expr:
    """The smallest call around one place, if it is around no other; the place itself where there is none."""
    calls = [node for node in ast.walk(line) if isinstance(node, ast.Call)]
    inside = [call for call in calls if [node for node in ast.walk(call) if node in places] == [place]]
    return min(inside, key=lambda call: len(ast.unparse(call)), default=place)


def _replaced(line: ast.expr, node: ast.expr, other: ast.expr) -> ast.expr:
    """A copy of a line with another expression in the place of a node."""

    class Replacer(ast.NodeTransformer):
        def visit(self, visited: ast.AST) -> Any:
            return other if visited is node else _copied(visited, self)

    replaced: ast.expr = Replacer().visit(line)
    return replaced


def _copied(node: ast.AST, visitor: ast.NodeTransformer) -> ast.AST:
    """A copy of a node whose children were visited."""
    fields: dict[str, Any] = {}
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            fields[name] = [visitor.visit(item) if isinstance(item, ast.AST) else item for item in value]
        else:
            fields[name] = visitor.visit(value) if isinstance(value, ast.AST) else value
    return ast.copy_location(type(node)(**fields), node)


def _sizes(tape: Tape, case: Case, variable: str, notebook: Mapping[str, Any]) -> dict[str, int]:
    """The number of rows and the sizes of the axes that matter, by what the notebook calls them, else as numbers."""
    counted = {name: value for name, value in case.state.items() if type(value) is int}
    called = {name: value for name, value in notebook.items() if type(value) is int and len(name) > 1 and name[0] != "_"}
    names = {value: name for name, value in reversed([*counted.items(), *called.items()])}
    axes = {size for name in (variable, *tape.consumers(variable), *tape.leaves) for size in case.state[name].shape}
    rows = {name: value for name, value in counted.items() if name in tape.batch}
    return rows | {names.get(size, str(size)): size for size in sorted(axes) if size > 2 and size not in rows.values()}
