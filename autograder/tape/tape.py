"""The tape: a forward pass, written as plain lines, that knows its own gradients.

From `name = expression` lines it remembers every intermediate, what it was computed from and which lines read it.
Reference gradients and the vector-Jacobian product of any step follow by automatic differentiation.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from types import CodeType, ModuleType
from typing import Any

import torch
from torch import Tensor

from autograder.errors import ForwardError
from autograder.tape.objects import Part, Uncopied, copies, moved, parts, snapshot

State = Mapping[str, Any]
"""A value for every name of a tape, all of one evaluation of the forward pass."""


DIRECTION_SEED = 7_204_618_359
"""No seed that a notebook would draw its numbers from: a line that normalises does not move along its own variable."""


@dataclass(frozen=True)
class Step:
    """One line of the forward pass."""

    name: str
    source: str
    line: int
    code: CodeType = field(repr=False, compare=False)
    reads: frozenset[str] = field(repr=False)
    """All names in the expression, whatever they are bound to."""

    @property
    def text(self) -> str:
        return f"{self.name} = {self.source}"


@dataclass(frozen=True, eq=False)
class Tape:
    """A recorded forward pass, equal to itself alone.

    `given` holds private copies of all that the lines read and do not compute: the leaves (floating-point tensors),
    the batch, sizes, layers. `state` adds the value of every line. `batch` names what the rows of the minibatch are:
    the count (an integer) and the tensors that have one row for each example. `weights` are tensors inside of objects, as
    code: they are constants of the forward pass.
    """

    steps: tuple[Step, ...]
    given: Mapping[str, Any] = field(repr=False)
    state: State = field(repr=False)
    batch: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()

    @property
    def loss(self) -> str:
        """The name of the loss: the last line."""
        return self.steps[-1].name

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The names that have a gradient: leaves first, then the lines in order; the loss is the last.

        They are the floating-point tensors that the loss depends on.
        """
        needed = {self.loss}
        for step in reversed(self.steps):
            if step.name in needed:
                needed |= step.reads
        return tuple(name for name, value in self.state.items() if name in needed and is_variable(value))

    @property
    def leaves(self) -> tuple[str, ...]:
        """The variables that no line computes."""
        return tuple(name for name in self.variables if name in self.given)

    @property
    def rows(self) -> int | None:
        """How many examples the minibatch has, or None where the batch was not named."""
        tensors = (self.given[name] for name in self.batch if isinstance(self.given[name], Tensor))
        return next((len(tensor) for tensor in tensors), None)

    def parents(self, name: str) -> tuple[str, ...]:
        """The variables that the line of `name` reads; none for a leaf."""
        reads = next((step.reads for step in self.steps if step.name == name), frozenset())
        return tuple(parent for parent in self.variables if parent in reads)

    def consumers(self, name: str) -> tuple[str, ...]:
        """The variables whose lines read `name`, in the order of the forward pass."""
        return tuple(step.name for step in self.steps if name in step.reads and step.name in self.variables)

    def uses(self, name: str) -> tuple[str, ...]:
        """The lines that consume `name`, as text."""
        consumers = self.consumers(name)
        return tuple(step.text for step in self.steps if step.name in consumers)

    def downstream(self, names: Set[str]) -> set[str]:
        """These names, and the lines of the forward pass that depend on any of them."""
        found = set(names)
        for step in self.steps:
            found |= {step.name} if step.reads & found else set()
        return found

    def forward(self, given: Mapping[str, Any]) -> State:
        """All values of the forward pass for these `given` ones, without a graph."""
        with torch.no_grad():
            return self._evaluate(given)

    def resampled(self, rows: Sequence[int]) -> State:
        """The forward pass on these rows of the minibatch, in this order."""
        index = torch.as_tensor(rows)
        batch = {name: self.given[name][index] if isinstance(self.given[name], Tensor) else len(rows) for name in self.batch}
        return self.forward({**self.given, **batch})

    def gradients(self, state: State) -> dict[str, Tensor]:
        """The gradient of the loss with respect to every variable, by autograd through the whole forward pass.

        Each has the shape and dtype of its variable; a variable that the loss does not depend on has zeros.
        """
        given = {name: private(state[name]) for name in self.given}
        for name in self.leaves:
            given[name].requires_grad_()
        with torch.enable_grad():
            values = self._evaluate(given)
            wanted = {name: values[name] for name in self.variables if values[name].requires_grad}
            found = torch.autograd.grad(values[self.loss], list(wanted.values()), allow_unused=True)
        gradients = dict(zip(wanted, found, strict=True))
        return {
            name: torch.zeros_like(state[name]) if (gradient := gradients.get(name)) is None else gradient
            for name in self.variables
        }

    def products(self, name: str, incoming: Mapping[str, Tensor], state: State) -> dict[str, Tensor]:
        """What each consumer of `name` contributes to its gradient, given the gradients of the consumers.

        `incoming[consumer]` has the shape of the consumer's value in `state`; each contribution has the shape of `name`.
        The vector-Jacobian product of `name` is the sum of the contributions.
        """
        consumers = self.consumers(name)
        return {step.name: self._product(step, name, incoming, state) for step in self.steps if step.name in consumers}

    def switched_off(self, consumer: str, name: str, state: State) -> Tensor:
        """Which entries of a consumer its line switches off for `name`: with a mask, for example, or the flat side of a relu.

        A tensor of bool in the shape of the consumer. It is True where the local derivative is zero by every entry of `name`,
        so that the vector-Jacobian product does not depend on what comes in there.
        """
        (step,) = (step for step in self.steps if step.name == consumer)
        with torch.enable_grad():
            variable, value = self._line(step, name, state)
            incoming = torch.zeros_like(value, requires_grad=True)
            direction = torch.randn(variable.shape, generator=torch.Generator().manual_seed(DIRECTION_SEED)).to(variable)
            try:  # the product is linear in what comes in: its derivative by that is how far each entry moves with the variable
                (product,) = torch.autograd.grad(value, variable, incoming, create_graph=True)
                (moved,) = torch.autograd.grad(product, incoming, direction)
            except RuntimeError:  # an operation that cannot be differentiated twice: nothing is known of its entries
                return torch.zeros_like(value, dtype=torch.bool)
        return moved == 0

    def _product(self, step: Step, name: str, incoming: Mapping[str, Tensor], state: State) -> Tensor:
        """What one line contributes to the gradient of `name`, by autograd through this line alone."""
        with torch.enable_grad():
            variable, value = self._line(step, name, state)
            if not value.requires_grad:
                return torch.zeros_like(state[name])
            (gradient,) = torch.autograd.grad(value, variable, incoming[step.name], allow_unused=True)
        return torch.zeros_like(state[name]) if gradient is None else gradient

    def _line(self, step: Step, name: str, state: State) -> tuple[Tensor, Tensor]:
        """A copy of `name` that autograd follows, and the value of a line with it."""
        variable = state[name].detach().clone().requires_grad_()
        return variable, eval(step.code, {**state, name: variable})

    def _evaluate(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(given)
        for step in self.steps:
            value = eval(step.code, {**values})
            if torch.is_grad_enabled() and is_variable(value):  # even an alias or a constant becomes a variable of its own
                value = value.view_as(value) if value.requires_grad else value.detach().requires_grad_()
            values[step.name] = value
        return values


def record(source: str, namespace: Mapping[str, Any], batch: Sequence[str] = ()) -> Tape:
    """Runs the lines of a forward pass in `namespace` (which stays as it is) and remembers them.

    Raises ForwardError, naming the line, for anything but assignments of one new name each to tensors or numbers,
    for an in-place change, for a result that differs when a line is evaluated again, for an object that is changed each time
    that a line is evaluated, and for a last line that is no scalar.
    """
    steps = parse_forward(source)
    assigned = {step.name for step in steps}
    read = dict.fromkeys(name for step in steps for name in sorted(step.reads))
    # an answer may use the count of the batch, even if no line does
    found = {name: namespace[name] for name in (*read, *batch) if name in namespace and name not in assigned}
    given = _copies(steps, found)
    weights = {part.code: part.value for name, value in given.items() for part in parts(name, value) if part.is_weight}
    values: dict[str, Any] = dict(given)
    for step in steps:
        values[step.name] = _run(step, values)
    _require_scalar(steps[-1], values[steps[-1].name])
    _require_batch(batch, given)
    left = {id(part.value) for name, value in given.items() for part in parts(name, value)}
    kept = tuple(code for code, value in weights.items() if id(value) in left)  # without those that the lines have just made
    tape = Tape(steps, given, {name: private(value) for name, value in values.items()}, tuple(batch), kept)
    _require_repeatable(tape, _copies(steps, found))
    _require_resampling(tape)
    return tape


def parse_forward(source: str) -> tuple[Step, ...]:
    """The steps of a forward pass. Raises ForwardError for a line that is not `name = expression` with a new name."""
    try:
        lines = ast.parse(source).body
    except SyntaxError as error:
        text = (error.text or "").strip()
        raise ForwardError(error.lineno or 1, text, f"this is not Python ({error.msg}).", "Fix the line.") from None
    steps: list[Step] = []
    for node in lines:
        text = _written(source, node)
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            remedy = "Write every line as `name = expression`, with one new name, and change nothing in place."
            raise ForwardError(node.lineno, text, "only assignments of a single name can be recorded.", remedy)
        name = node.targets[0].id
        reads = frozenset(child.id for child in ast.walk(node.value) if isinstance(child, ast.Name))
        if any(isinstance(child, ast.NamedExpr) for child in ast.walk(node.value)):
            raise ForwardError(node.lineno, text, "`:=` binds a second name.", "Give that part a line of its own.")
        if any(name == step.name or name in step.reads for step in steps) or name in reads:
            problem = f"`{name}` already stands for something else in this forward pass."
            raise ForwardError(node.lineno, text, problem, "Give every intermediate a name of its own.")
        code = compile(ast.Expression(node.value), f"<forward, line {node.lineno}>", "eval")
        steps.append(Step(name, _written(source, node.value), node.lineno, code, reads))
    if not steps:
        raise ForwardError(1, source.strip(), "there is no line to record.", "Write `name = expression` lines.")
    return tuple(steps)


def is_variable(value: object) -> bool:
    """Whether a value has a gradient: it is a floating-point tensor."""
    return isinstance(value, Tensor) and value.is_floating_point()


def private(value: Any) -> Any:
    """A copy of a tensor that shares no memory with it and has no graph, or a list of such copies; any other value as it is."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    return [private(item) for item in value] if type(value) is list else value


def promoted(state: State) -> State:
    """The same numbers in float64, to compute with less rounding."""
    return {name: value.double() if is_variable(value) else value for name, value in state.items()}


def _written(source: str, node: ast.AST) -> str:
    """A part of the source as its author wrote it, on one line."""
    return " ".join((ast.get_source_segment(source, node) or "").split())


def _run(step: Step, values: Mapping[str, Any]) -> Any:
    """The value of a line. Raises ForwardError if it stops, changes a tensor in place or gives no tensor or number."""
    versions = {name: value._version for name, value in values.items() if isinstance(value, Tensor)}
    try:
        with torch.no_grad():
            value = eval(step.code, {**values})
    except Exception as error:
        problem = f"it stopped with {type(error).__name__}: {error}"
        raise ForwardError(step.line, step.text, problem, "Run the cells above, from the top, then this one again.") from None
    for name, version in versions.items():
        if values[name]._version != version:
            problem = f"it changes `{name}` in place."
            raise ForwardError(step.line, step.text, problem, "Write the result to a new name instead.")
    if not isinstance(value, Tensor | int | float):
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        problem = f"it gives no tensor, but something of type `{kind}`."
        raise ForwardError(step.line, step.text, problem, "Pick one tensor, for example `.values` of a maximum.")
    return value


def _require_scalar(step: Step, value: Any) -> None:
    if not (is_variable(value) and value.dim() == 0):
        seen = f"type {type(value).__name__}"
        if isinstance(value, Tensor):
            seen = f"shape {tuple(value.shape)}" if value.is_floating_point() else f"dtype {value.dtype}"
        problem = f"the last line is the loss, a floating-point tensor of shape (), but this has {seen}."
        raise ForwardError(step.line, step.text, problem, "End with the loss.")


def _require_batch(batch: Sequence[str], given: Mapping[str, Any]) -> None:
    """Raises ForwardError unless the names are the count of rows and tensors that have as many rows."""
    option = _option(batch)
    for name in batch:
        if name not in given or isinstance(given[name], ModuleType):
            remedy = "Name the count and the tensors of the minibatch, with spaces between them."
            raise ForwardError(0, option, f"the notebook has no `{name}` that the forward pass starts from.", remedy)
        if not (isinstance(given[name], int) or (isinstance(given[name], Tensor) and given[name].dim())):
            problem = f"`{name}` is a {type(given[name]).__name__}, neither a count nor a tensor with rows."
            raise ForwardError(0, option, problem, "Name a number, or a tensor that has one row for each example.")
    counts = {name: len(v) if isinstance(v := given[name], Tensor) else v for name in batch}
    if len(set(counts.values())) > 1:
        problem = f"these should all be the number of rows, but are {counts}."
        raise ForwardError(0, option, problem, "Set the count from the minibatch, for example `n = len(Xb)`.")
    if batch and not any(isinstance(given[name], Tensor) for name in batch):
        raise ForwardError(0, option, "none of these is a tensor.", "Name a tensor that has one row for each example.")


def _option(batch: Sequence[str]) -> str:
    return f"%%forward --batch {' '.join(batch)}"


def _require_resampling(tape: Tape) -> None:
    """Raises ForwardError if the lines do not run on fewer rows, as cases need them to."""
    if tape.rows is None or tape.rows < 2:
        return
    try:
        tape.resampled(range(tape.rows - 1))
    except Exception as error:
        problem = f"the lines stop on fewer rows, with {type(error).__name__}: {error}"
        remedy = "Name the count and all tensors that have one row for each example."
        raise ForwardError(0, _option(tape.batch), problem, remedy) from None


def _require_repeatable(tape: Tape, given: Mapping[str, Any]) -> None:
    """Raises ForwardError if a line draws random numbers, or changes an object: its gradient would be another one each time.

    `given` are copies of what the lines read, made before any of them ran.
    """
    again = tape.forward(given)
    _require_same(tape, tape.state, again)
    before = snapshot(given)
    once_more = tape.forward(given)  # on what the second time has left
    for step in tape.steps:
        if found := moved(before, snapshot({name: value for name, value in given.items() if name in step.reads})):
            raise _changes(step, found)
    _require_same(tape, again, once_more)


def _require_same(tape: Tape, one: State, other: State) -> None:
    for step in tape.steps:
        first, second = (torch.as_tensor(values[step.name]) for values in (one, other))
        if first.shape != second.shape or not torch.allclose(first, second, rtol=0, atol=0, equal_nan=True):
            problem = "it gives another result when it is evaluated again."
            remedy = "Draw random numbers in a cell above, from a seeded generator."
            raise ForwardError(step.line, step.text, problem, remedy)


MOST_MOVED = 3
"""Tensors that are listed in a message."""


def _changes(step: Step, found: Sequence[Part]) -> ForwardError:
    """The error that each evaluation of a line moves these parts of objects."""
    codes = [f"`{part.code}`" for part in found[:MOST_MOVED]] + ["…"] * (len(found) > MOST_MOVED)
    problem = f"each time that it is evaluated it changes {', '.join(codes)}. What a line reads has to stay as it is."
    first = found[0]
    modes = {"eval": f"{first.owner_code}.eval()", "training": f"{first.owner_code}.training = False"}
    mode = next(
        (f"Write `{code}` in a cell above, or" for name, code in modes.items() if hasattr(first.owner, name)), "Instead"
    )
    return ForwardError(
        step.line, step.text, problem, f"{mode} write the lines of `{first.owner_code}` here, with names of their own."
    )


def _copies(steps: Sequence[Step], values: Mapping[str, Any]) -> dict[str, Any]:
    """Private copies of what the lines read. Raises ForwardError for an object with tensors of which there is none."""
    try:
        return copies(values, private)
    except Uncopied as error:
        step = next((step for step in steps if error.name in step.reads), steps[0])
        remedy = "Give the line the tensors themselves, by names of their own."
        raise ForwardError(step.line, step.text, str(error), remedy) from None
