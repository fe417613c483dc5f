"""What a wrong answer is compared with: the paths that its gradient comes back along, and what they would give otherwise."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from autograder.diagnosis.budget import UNLIMITED, Budget
from autograder.diagnosis.constants import averaged, counts, factors
from autograder.replay.parsed import mentioned, nodes_in
from autograder.tape.cases import Case
from autograder.tape.tape import State, Step, Tape, is_variable, promoted
from autograder.verdict import Cause, Mistake

COUNTING = frozenset({"mean", "sum", "numel", "shape", "size"})
"""Attributes with which an answer may count entries, or average over them."""

MAX_CODE = 60
"""Characters of a piece of code in a sentence."""

KEPT = 64
"""Variables whose paths are kept: they are taken from the code of the forward pass alone."""

PLACEHOLDER = "_live"
"""The name that a variable has in the one place of a line that a path goes through, so that only that one is differentiated."""


class Late(Exception):
    """The time for finding a mistake is over."""


@dataclass(frozen=True)
class GradientPath:
    """One of the places where a line of the forward pass reads the variable.

    `label` says which, as code: the consumer where its line reads the variable once, else the call around the place.
    """

    step: Step
    label: str
    variable: str
    places: frozenset[tuple[int, int]]
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
        return eval(self.code, {**state, **SLOPES, PLACEHOLDER: variable})

    @property
    def written(self) -> str:
        """The line with the variable in its place, as code."""
        return self.as_written(self.tree.body)

    def as_written(self, node: ast.AST) -> str:
        """A part of the line, as code."""
        return ast.unparse(node).replace(PLACEHOLDER, self.variable).replace(" ** ", "**")

    def __contains__(self, other: GradientPath) -> bool:
        """Whether another path goes through one of the places of this one."""
        return self.consumer == other.consumer and not self.places.isdisjoint(other.places)

    def around(self) -> list[ast.expr]:
        """The parts of the line that the variable is in, the smallest first; not the variable itself."""
        nodes = [node for node in ast.walk(self.tree.body) if isinstance(node, ast.expr) and not isinstance(node, ast.Name)]
        return sorted((node for node in nodes if has_place(node)), key=lambda node: sum(1 for _ in ast.walk(node)))

    def edited(self, node: ast.expr, other: ast.expr) -> GradientPath:
        """The path through the line with another expression in the place of one of its parts."""
        return replace(self, **_compiled(ast.Expression(replaced(self.tree.body, [node], other))))

    def product(self, gradient: Tensor, state: State, variable: Tensor) -> Tensor | None:
        """The vector-Jacobian product of the line in that place; None where nothing comes back. Shape of `variable`."""
        leaf = variable.detach().clone().requires_grad_()
        with torch.enable_grad():  # the caller may have switched gradients off
            value = self.value(state, leaf)
            if not (is_variable(value) and value.requires_grad):
                return None
            return torch.autograd.grad(value, leaf, gradient)[0]

    def only(self, node: ast.expr) -> GradientPath:
        """The path through a part of the line alone, as if nothing were done with its value."""
        return replace(self, **_compiled(ast.Expression(node)))

    def without_constants(self) -> Iterator[tuple[GradientPath, str]]:
        """The path through the line without one of the constants that it adds, and that constant."""
        for node in ast.walk(self.tree):
            match node:
                case ast.BinOp(left=kept, op=ast.Add() | ast.Sub(), right=ast.Constant(value=float()) as constant):
                    text = ast.get_source_segment(self.step.source, constant)
                    yield self.edited(node, kept), text or ast.unparse(constant)

    def without_terms(self) -> Iterator[tuple[GradientPath, str]]:
        """The path through the line without one of the terms that it adds to what has the variable, and that term."""
        for node in self.around():
            match node:
                case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
                    kept, term = (left, right) if has_place(left) else (right, left)
                    yield self.edited(node, kept), self.as_written(term)


SLOPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
"""Functions that stand in for those of a line, with the same values and another slope, by the names that they have there."""


@dataclass(frozen=True)
class Evidence:
    """A wrong answer, and all that a mistake in it may be made of, in float64.

    `state` are the forward variables and `incoming` the gradients that came in, by variable; `gradients` are others that
    stand in the notebook and do not belong in this answer. `parts` is what comes back along each path: the truth is
    their sum. `sizes` are the sizes of axes, by name; `source` is the code of the answer, and `numbers` are those of the
    notebook that it may read. `budget` is for how long a mistake is looked for. `from_loss` says that the answer is meant to go
    all the way from the loss, so that it may have numbers of all lines on that way.
    """

    answer: Tensor
    tape: Tape
    variable: str
    state: State
    incoming: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    parts: tuple[tuple[GradientPath, Tensor], ...]
    sizes: Mapping[str, int]
    source: str
    numbers: Mapping[str, float]
    budget: Budget = UNLIMITED
    from_loss: bool = False

    @cached_property
    def truth(self) -> Tensor:
        return torch.stack([part for _, part in self.parts]).sum(0)

    @cached_property
    def groups(self) -> tuple[tuple[GradientPath, Tensor], ...]:
        """What comes back through several places of one line at once."""
        return tuple(_products(together(self.tape, self.variable), self.state, self.incoming)) if self._is_read_again else ()

    @property
    def _is_read_again(self) -> bool:
        """Whether a line reads the variable in several places."""
        return len({path.consumer for path, _ in self.parts}) < len(self.parts)

    @cached_property
    def constants(self) -> dict[str, float]:
        """Factors that people forget or add, as code, with the values that they have in a case; the most likely ones first."""
        return _constants(self)

    @property
    def has_few(self) -> bool:
        """Whether the answer has so few entries that much explains it by chance."""
        return self.answer.numel() < MIN_ENTRIES

    @property
    def lines(self) -> Iterator[tuple[GradientPath, Tensor]]:
        """What comes back along each line: all of its places together."""
        whole = [(path, part) for path, part in self.groups if path.label == path.consumer]
        lines = {path.consumer for path, _ in whole}
        return (
            (path, part) for path, part in (*self.parts, *whole) if path.consumer not in lines or path.label == path.consumer
        )

    @property
    def value(self) -> Tensor:
        """The variable itself."""
        value: Tensor = self.state[self.variable]
        return value

    @property
    def names(self) -> Mapping[str, Any]:
        """The forward variables and the gradients that came in, by the names that they have in the notebook."""
        return {**self.state, **{f"d{name}": gradient for name, gradient in self.incoming.items()}}

    @property
    def rows(self) -> dict[str, float]:
        """The number of rows of the minibatch, by its name; empty where it has none."""
        counted: dict[str, float] = {name: value for name in self.tape.batch if type(value := self.state[name]) is int}
        tensors = (name for name in self.tape.batch if isinstance(self.state[name], Tensor))
        return counted or {f"len({name})": len(self.state[name]) for name in list(tensors)[:1]}

    @property
    def called(self) -> Mapping[float, str]:
        """What numbers are called that are not the number of rows: those that the lines read, and others with a name alone.

        A 2 is many things, so it has no name.
        """
        named = {name: value for name, value in self.numbers.items() if len(name) > 1 and name[0] != "_"}
        named |= {name: value for name, value in self.state.items() if type(value) is int}
        names = [name for name in named if name not in self.tape.batch]
        several = Counter(named[name] for name in names)
        return {named[name]: name for name in names if several[named[name]] == 1 and named[name] != 2}

    @cached_property
    def of_lines(self) -> dict[str, float]:
        """The numbers that the lines of the consumers multiply or divide by, such as the rate of a dropout, as code."""
        found: dict[str, float] = {}
        consumers = {path.consumer for path, _ in self.parts}
        names = self.tape.downstream(consumers) if self.from_loss else consumers
        for step in (step for step in self.tape.steps if step.name in names):
            line = ast.parse(step.source, mode="eval")
            found |= {**factors(line, self.state), **averaged(line.body, self.state, self.rows, self.called)}
        return found

    @cached_property
    def of_answer(self) -> dict[str, float]:
        """The numbers that the answer multiplies or divides by, as code."""
        found = factors(self._nodes[0], {**self.numbers, **self.tensors, **self.state}) if self._nodes else {}
        return {code: value for code, value in found.items() if float(value).is_integer() or not code[0].isdigit()}

    @cached_property
    def counts(self) -> dict[str, float]:
        """How many entries the answer may count or average over, as code; also where its code is not known."""
        counting = any(isinstance(node, ast.Attribute) and node.attr in COUNTING for node in self._nodes)
        shapes = dict.fromkeys((*(gradient.shape for gradient in self.incoming.values()), self.value.shape))
        return (
            dict(count for shape in shapes for count in counts(shape, self.rows, self.called))
            if counting or not self.source
            else {}
        )

    @cached_property
    def begins_again(self) -> bool:
        """Whether a loop in the code gives the answer, or the same entries of it, a new value in each round."""
        loops = [node for node in self._nodes if isinstance(node, ast.For)]
        return any(
            f"d{self.variable}" in mentioned(target)
            and not mentioned(loop.target) & mentioned(target)
            and f"d{self.variable}" not in mentioned(node.value)
            for loop in loops
            for node in ast.walk(loop)
            if isinstance(node, ast.Assign)
            for target in node.targets
        )

    @property
    def writes_entries(self) -> bool:
        """Whether the code writes into entries, as `a[i] = b`."""
        return bool(self._stores)

    @property
    def writes_behind_an_index(self) -> bool:
        """Whether the code writes into entries of something that is indexed, as `a[i][j] = b`, which may be a copy."""
        return any(isinstance(node.value, ast.Subscript) for node in self._stores)

    @cached_property
    def _stores(self) -> list[ast.Subscript]:
        return [node for node in self._nodes if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)]

    @property
    def _nodes(self) -> tuple[ast.AST, ...]:
        """All parts of the code; none of what is not Python."""
        return nodes_in(self.source)

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """All tensors that the answer may have used instead of the right one, by the names that they have in the notebook."""
        return {
            **{name: self.state[name] for name in self.tape.variables[:-1]},
            **{f"d{name}": gradient for name, gradient in (*self.incoming.items(), *self.gradients.items())},
        }

    def along(
        self,
        path: GradientPath,
        gradient: Tensor | None = None,
        at: Tensor | None = None,
        others: Mapping[str, Tensor] | None = None,
    ) -> Tensor | None:
        """What would come back along a path for another gradient, at another point, or with other factors in the line.

        None where the shapes do not go together. Raises Late where there is no more time.
        """
        if self.budget.spent:
            raise Late
        gradient = self.incoming[path.consumer] if gradient is None else gradient
        try:
            return path.product(gradient, {**self.state, **(others or {})}, self.value if at is None else at)
        except (RuntimeError, TypeError, ValueError, IndexError):
            return None

    def reached(self, paths: Iterable[GradientPath]) -> Tensor:
        """Which entries of the variable something comes back to along these paths, if something comes in everywhere."""
        found = torch.zeros_like(self.value, dtype=torch.bool)
        for path in paths:
            incoming = torch.randn(self.incoming[path.consumer].shape, generator=torch.Generator().manual_seed(0))
            part = self.along(path, incoming.double())
            found |= part != 0 if part is not None else True
        return found

    def unsummed(self, path: GradientPath) -> Tensor | None:
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

    def expressions(self, path: GradientPath) -> Iterator[tuple[str, Tensor]]:
        """The parts of a line that are tensors, and the whole of it, as code and value."""
        yield path.consumer, self.state[path.consumer]
        yielded = {path.consumer}
        for node in ast.walk(ast.parse(path.step.source, mode="eval").body):
            text = ast.get_source_segment(path.step.source, node) or ""
            if not isinstance(node, ast.expr) or isinstance(node, ast.Constant) or text in yielded:
                continue
            yielded.add(text)
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
    parts = tuple(_products(paths(tape, variable), state, incoming))
    sizes = _sizes(tape, case, variable, notebook)
    numbers = {name: value for name, value in notebook.items() if type(value) in (int, float)}
    return Evidence(answer.detach().double(), tape, variable, state, incoming, gradients, parts, sizes, source, numbers)


def _products(
    paths: Iterable[GradientPath], state: State, incoming: Mapping[str, Tensor]
) -> Iterator[tuple[GradientPath, Tensor]]:
    """What comes back along paths, where something does."""
    for path in paths:
        part = path.product(incoming[path.consumer], state, state[path.variable])
        if part is not None:
            yield path, part


@lru_cache(maxsize=KEPT)
def paths(tape: Tape, variable: str) -> tuple[GradientPath, ...]:
    """All places where the lines that consume a variable read it, in the order of the forward pass."""
    return tuple(_paths(tape, variable))


def _paths(tape: Tape, variable: str) -> Iterator[GradientPath]:
    for step, line, places in _places(tape, variable):
        labels = [ast.unparse(_around(line, place, places)) for place in places]
        for place, label in zip(places, labels, strict=True):
            if len(places) == 1:
                label = step.name
            elif labels.count(label) > 1:
                label = ast.unparse(_around(line, place, places, ast.expr))
            yield _path(step, label, variable, line, [place])


def together(tape: Tape, variable: str) -> Iterator[GradientPath]:
    """All calls in a line, and all lines, in which a variable is read several times."""
    for step, line, places in _places(tape, variable):
        calls = [node for node in ast.walk(line) if isinstance(node, ast.Call)]
        inside = [[place for place in places if place in ast.walk(call)] for call in calls]
        for call, some in zip(calls, inside, strict=True):
            if 1 < len(some) < len(places):
                yield _path(step, ast.unparse(call), variable, line, some)
        if len(places) > 1:
            yield _path(step, step.name, variable, line, places)


def _places(tape: Tape, variable: str) -> Iterator[tuple[Step, ast.expr, list[ast.Name]]]:
    """The lines that consume a variable, and where they read it, in the order of the code."""
    consumers = tape.consumers(variable)
    for step in (step for step in tape.steps if step.name in consumers):
        line = ast.parse(step.source, mode="eval").body
        places = [node for node in ast.walk(line) if isinstance(node, ast.Name) and node.id == variable]
        places = [place for place in places if not _is_a_size(line, place)]
        yield step, line, sorted(places, key=lambda node: (node.lineno, node.col_offset))


def _path(step: Step, label: str, variable: str, line: ast.expr, places: Sequence[ast.expr]) -> GradientPath:
    tree = ast.Expression(replaced(line, places, ast.Name(PLACEHOLDER, ast.Load())))
    where = frozenset((place.lineno, place.col_offset) for place in places)
    return GradientPath(step, label, variable, where, **_compiled(tree))


def _compiled(tree: ast.Expression) -> dict[str, Any]:
    tree = ast.fix_missing_locations(tree)
    return {"tree": tree, "code": compile(tree, "<forward>", "eval")}


def short(code: str) -> str:
    """A piece of code on one line, as much of it as is told."""
    line = " ".join(code.split())
    return line if len(line) <= MAX_CODE else f"{line[:MAX_CODE]}…"


def has_place(node: ast.AST) -> bool:
    """Whether a part of a line has the place that a path goes through."""
    return any(isinstance(each, ast.Name) and each.id == PLACEHOLDER for each in ast.walk(node))


def _is_a_size(line: ast.expr, place: ast.Name) -> bool:
    """Whether a place reads only the shape of the variable, through which no gradient comes back."""
    return any(isinstance(node, ast.Attribute) and node.value is place and node.attr == "shape" for node in ast.walk(line))


def _around(line: ast.expr, place: ast.Name, places: list[ast.Name], kind: type[ast.expr] = ast.Call) -> ast.expr:
    """The smallest call around one place, if it is around no other; the place itself where there is none."""
    nodes = [node for node in ast.walk(line) if isinstance(node, kind) and node is not place]
    inside = [node for node in nodes if [each for each in ast.walk(node) if each in places] == [place]]
    return min(inside, key=lambda node: len(ast.unparse(node)), default=place)


def replaced(tree: ast.AST, nodes: Sequence[ast.AST], other: ast.AST) -> Any:
    """A copy of a tree with another node in the places of some."""

    class Replacer(ast.NodeTransformer):
        def visit(self, visited: ast.AST) -> Any:
            return other if any(visited is node for node in nodes) else _copied(visited, self)

    return Replacer().visit(tree)


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


CLOSE = 1e-5
"""How near an answer has to be to what a mistake gives, relative to the largest entry of the truth or the answer."""
CLOSER = 0.1
"""How near it has to be besides, relative to how far it is from the truth: an answer that is off by little is near both."""
TOO_SMALL = 1e-3
"""What a mistake gives has to be larger than this, relative to the truth: numbers near zero fit too much."""
MIN_ENTRIES = 4
"""Entries of an answer with which a constant factor on top of another mistake is believed."""
AND_REST = ", and the rest is right."
WRONG_SIGN = "has the wrong sign"
TIMES = "times what it should be"
"""What every sentence about a constant factor has."""

EXACT = {Mistake.ALONE, Mistake.GRADIENT, Mistake.PASSED}
"""Mistakes that are not believed together with a constant factor: that they fit is more likely a coincidence."""


@dataclass(frozen=True)
class Target:
    """What a mistake has to explain: an answer, or what is left of it for one path if all the others are right."""

    seen: Tensor
    truth: Tensor
    scale: float
    path: GradientPath | None
    is_part: bool = False
    others: Tensor | None = None
    """Which entries other paths reach too, if it is a part."""

    def cause(self, mistake: Mistake, predicate: str, next_step: str, *about: str) -> Cause:
        """A mistake in the whole answer or in this part of it. `about` are names that the code has if it was made."""
        subject = f"The part through `{self.path.label}`" if self.is_part and self.path else "It"
        rest = AND_REST if self.is_part else "."
        return Cause(mistake, f"{subject} {predicate}{rest}", next_step, about)

    def is_explained(self, candidate: Tensor) -> bool:
        """Whether a mistake that gives the candidate explains the answer: it is near to it, and much nearer than the truth."""
        if candidate.shape != self.seen.shape or not bool(candidate.isfinite().all()):
            return False
        largest = float(candidate.abs().max())
        distance, far = (float((self.seen - each).abs().max()) for each in (candidate, self.truth))
        return largest > TOO_SMALL * self.scale and distance <= min(CLOSE * max(self.scale, largest), CLOSER * far)


def targets(evidence: Evidence) -> Iterator[Target]:
    """The whole answer first, then each part of it, then parts that come back from several places of a line."""
    scale = max(float(evidence.answer.abs().max()), float(evidence.truth.abs().max()))
    lines = {path.consumer for path, _ in evidence.parts}
    only = evidence.parts[0][0] if len(evidence.parts) == 1 else None
    yield Target(evidence.answer, evidence.truth, scale, only or next(_whole(evidence, lines), None))
    if only is None:
        for path, part in (*evidence.parts, *evidence.groups):
            if bool(part.any()) and not (len(lines) == 1 and path.label == path.consumer):
                yield from _part(evidence, path, part, scale)


def _whole(evidence: Evidence, lines: set[str]) -> Iterator[GradientPath]:
    """The only line, if the variable stands in several places of one line alone."""
    return (path for path, _ in evidence.groups if len(lines) == 1 and path.label == path.consumer)


def _part(evidence: Evidence, path: GradientPath, part: Tensor, scale: float) -> Iterator[Target]:
    """One part as a target, if all that is wrong may be its fault.

    Where the other paths reach other entries than this one does, as through slices, these entries have to be right.
    """
    rest = evidence.truth - part
    seen = evidence.answer - rest
    others = torch.zeros_like(part, dtype=torch.bool)
    for other, each in evidence.parts:
        if other not in path:
            others |= each != 0
    if not bool((others & (part != 0)).any()):
        others = evidence.reached(other for other, _ in evidence.parts if other not in path)
        if not bool((others & evidence.reached([path])).any()):
            if bool((seen * others).abs().max() > CLOSE * scale):
                return
            seen = torch.where(others, 0, seen)
    yield Target(seen, part, scale, path, is_part=True, others=others)


def explaining(evidence: Evidence, target: Target, candidate: Tensor | None, cause: Cause) -> Iterator[Cause]:
    """The cause, if the candidate is what was answered, perhaps times a constant."""
    if candidate is None or candidate.shape != target.seen.shape:
        return
    if target.is_explained(candidate):
        yield cause
        return
    factor = ratio(target.seen, candidate)
    if factor is None or target.seen.numel() < MIN_ENTRIES or not target.is_explained(factor * candidate):
        return
    minus = {} if WRONG_SIGN in cause.sentence else {"-1": -1.0}  # a sign that is wrong twice is right
    for name, constant in {**minus, **evidence.constants}.items():
        if is_about(factor, constant) and (name == "-1" or cause.mistake not in EXACT):
            besides = WRONG_SIGN if name == "-1" else f"is `{name}` {TIMES}"
            yield replace(cause, sentence=_with_another(cause.sentence, besides))
            return


def _with_another(sentence: str, besides: str) -> str:
    """A sentence about a mistake, and another one about the same part."""
    if sentence.endswith(AND_REST) and sentence.startswith("The part"):
        return f"{sentence.removesuffix(AND_REST)}, and {besides}; the rest is right."
    if sentence.endswith(AND_REST):
        return f"{sentence.removesuffix(AND_REST)}, and the rest {besides}."
    return f"{sentence} Besides, it {besides}."


def _constants(evidence: Evidence) -> dict[str, float]:
    """The factors of an answer.

    Left out is what the lines multiply or divide by, or the means in them, and not the answer; added is what the answer does.
    """
    lines, answer = evidence.of_lines, evidence.of_answer
    left_out = {code: value for code, value in lines.items() if code not in answer}
    added = {code: value for code, value in answer.items() if code not in lines} | evidence.counts
    constants: dict[str, float] = {}
    for code, value in {**left_out, **added, "2": 2.0, **lines}.items():
        constants |= {code: value, _inverse(code, value): 1 / value}
    for code, value in left_out.items():
        for other, size in added.items():
            rest = re.fullmatch(rf"\({re.escape(other)} \* (\w+)\)", code)
            constants |= {rest[1] if rest else f"{code} / {other}": value / size, f"{other} / {code}": size / value}
            constants |= {f"{code} * {other}": value * size, f"1 / ({code} * {other})": 1 / (value * size)}
    for code, value in lines.items():
        if code in answer and type(value) is int:
            constants |= {f"{code}**2": value**2, f"1 / {code}**2": 1 / value**2}
    return constants | {f"-{name}": -value for name, value in constants.items()}


def _inverse(code: str, value: float) -> str:
    """One divided by a factor, as code: of 0.5 it is 2."""
    is_whole = code.replace(".", "", 1).isdigit() and 0 < value < 1 and (1 / value).is_integer()
    return str(int(1 / value)) if is_whole else f"1 / {code}"


def ratio(one: Tensor, other: Tensor) -> float | None:
    """The factor, by least squares, with which `other` comes nearest to `one`; None where there is none but zero."""
    square = float(other.square().sum())
    return (float((one * other).sum()) / square or None) if square else None


def is_about(value: float, constant: float) -> bool:
    return abs(value - constant) <= 10 * CLOSE * abs(constant)
