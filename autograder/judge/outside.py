"""What in an answer fits the notebook's own minibatch only: a name from outside of it, or a number that is written into it.

An answer that is right on the notebook's minibatch and not on another one depends on something that stayed behind. What that is
gets found by trial: each suspect is given the value that it has on the other minibatch, and the answer is run again.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor

from autograder.replay.parsed import ParsedCell, from_tree, names_in, parse_tree
from autograder.replay.run import MISSING, Replay
from autograder.replay.workspace import Workspace
from autograder.tape.cases import Case
from autograder.tape.tape import Tape

Maker = Callable[[str], ParsedCell | None]
"""The cell that made a name of the notebook; None where it was not seen."""


def not_seen(name: str) -> None:
    """Knows no cells."""


def itself(value: Any) -> Any:
    return value


NO_DATA = (ModuleType, FunctionType, BuiltinFunctionType, type)
FEW = 50
"""Entries of a list, or attributes of an object, that is looked into."""
DEEPEST = 3
"""How many lists and objects inside of one another are looked into."""
LOOPS = (ast.For, ast.While, ast.AsyncFor, ast.With, ast.Try)


@dataclass(frozen=True)
class Fixed:
    """Something that stays as it is in the notebook when the minibatch is another one.

    `name` is that of a value from outside, or else it is a number that is written into the answer; `value` is what it stands
    for, `own` what it should be on the case. `is_known` says that `own` was worked out, and not guessed from the value.
    `stands_for` is what a number that is written there stands for, with a blank for the number of rows.
    """

    name: str
    value: Any
    own: Any
    is_known: bool = True
    stands_for: str = ""

    @property
    def place(self) -> tuple[str, Any, Any]:
        """The first part that differs, such as `sizes[0]`: its code, what it is, and what it should be on the case."""
        return _differing(self.name, self.value, self.own)


@dataclass(frozen=True)
class Trial:
    """Statements that give `name` a value, in the notebook that they stand in, and a case with another number of rows.

    `given` are the values that the statements get, beside the gradients of the case; any other name comes from outside of them.
    `is_right` judges the answer, which `pick` takes from what they give `name`.
    """

    tree: ast.Module
    name: str
    given: Mapping[str, Any]
    case: Case
    tape: Tape
    workspace: Workspace
    maker: Maker
    is_right: Callable[[Any], bool]
    pick: Callable[[Any], Any] = itself

    def fixed(self) -> list[Fixed]:
        """What makes the answer to the case a wrong one, by trial; nothing where that is something else."""
        outside = list(self._outside())
        for suspects in (outside, [*outside, *self._written()]):
            if suspects and self._is_right(suspects):
                return [each for each in suspects if not self._is_right(_without(suspects, each))] or suspects
        known = [each for each in outside if each.is_known]
        return [each for each in known if not self._is_alike(known, _without(known, each))]

    def is_right_already(self) -> bool:
        """Whether the statements are right as they are."""
        return self._is_right(())

    def _is_right(self, suspects: Sequence[Fixed]) -> bool:
        replay = self._run(suspects)
        return replay.error is None and self.is_right(self.pick(replay.answer))

    def _is_alike(self, one: Sequence[Fixed], other: Sequence[Fixed]) -> bool:
        """Whether the answer is the same with these suspects and with those."""
        runs = [self._run(suspects) for suspects in (one, other)]
        answers = [self.pick(run.answer) for run in runs]
        return type(runs[0].error) is type(runs[1].error) and _same(*answers)

    def _run(self, suspects: Sequence[Fixed]) -> Replay:
        """What the statements come to when these suspects have the values that they should have on the case."""
        tree = self.tree
        if numbers := {each.value: each.own for each in suspects if each.stands_for}:
            tree = ast.fix_missing_locations(_Numbers(numbers).visit(deepcopy(tree)))
        state = {**self.given, **{each.name: each.own for each in suspects if not each.stands_for}}
        return self.workspace.replay(from_tree(ast.unparse(tree), tree), self.name, replace(self.case, state=state))

    def _outside(self) -> Iterator[Fixed]:
        """The names from outside whose value depends on the minibatch."""
        program = from_tree("", self.tree)
        gradients = {f"d{name}" for part in (self.case.incoming, self.case.others) for name in part}
        inside = {self.name, *program.touches, *self.given, *gradients}
        for name in sorted(self._reads(program) & self.workspace.names.keys() - inside):
            value = self.workspace.names[name]
            if isinstance(value, NO_DATA):
                continue
            own, is_known = self._own(name, self.case), True
            if own is MISSING or _same(own, value):
                own, is_known = self._guess(value), False
            if own is not MISSING and not _same(own, value):
                yield Fixed(name, value, own, is_known)

    def _reads(self, program: ParsedCell) -> set[str]:
        """All names that the statements read, and those that the notebook's functions among them read."""
        found, waiting = set[str](), set(program.reads)
        while waiting:
            name = waiting.pop()
            found.add(name)
            nodes = _slice(self.maker(name), name)
            for node in nodes if nodes and isinstance(nodes[-1], ast.FunctionDef | ast.ClassDef) else ():
                waiting |= from_tree("", ast.Module([node], [])).reads - found
        return found

    def _own(self, name: str, case: Case, waiting: Collection[str] = ()) -> Any:
        """The value of a name on a case: that of the forward pass, or what the cell gives that made it; else MISSING.

        It does not count where the cell does not give again on the notebook's own minibatch what the notebook has.
        """
        if name in self.tape.state:
            return case.state[name]
        nodes = _slice(self.maker(name), name)
        if not nodes or name in waiting or not self._depends(name):
            return MISSING
        module = ast.Module(nodes, [])
        cell = from_tree(ast.unparse(module), module)
        values = []
        for there in (Case(self.tape.state, {}), Case(case.state, {}, case.rows)):
            others = {each: self._own(each, there, {*waiting, name}) for each in cell.reads - cell.touches}
            state = {**there.state, **{each: value for each, value in others.items() if value is not MISSING}}
            values.append(self.workspace.replay(cell, name, replace(there, state=state)).answer)
        return values[1] if _same(values[0], self.workspace.names.get(name, MISSING)) else MISSING

    def _depends(self, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a name is made, in its cell or by way of others, of something in the forward pass that the case changes."""
        if name in self.tape.state:
            return not _same(self.tape.state[name], self.case.state[name])
        if name in seen or (nodes := _slice(self.maker(name), name)) is None:
            return False
        reads = from_tree("", ast.Module(nodes, [])).reads - {name}
        return any(self._depends(each, seen | {name}) for each in reads)

    def _guess(self, value: Any, depth: int = 0) -> Any:
        """What a value should be on the case, if it is made of the number of rows or of values of the forward pass."""
        if type(value) in (int, float):
            return next((own for number, own, _ in self._counts() if number == value), value)
        if isinstance(value, Tensor):
            matching = (name for name, known in self.tape.state.items() if _same(known, value))
            return next((self.case.state[name] for name in matching), value)
        if isinstance(value, range) and value == range(self.tape.rows or 0):
            return range(self.case.rows or 0)
        if depth == DEEPEST or isinstance(value, NO_DATA):
            return value
        if isinstance(value, list | tuple) and len(value) <= FEW:
            items = [self._guess(item, depth + 1) for item in value]
            return items if isinstance(value, list) else torch.Size(items) if isinstance(value, torch.Size) else tuple(items)
        if isinstance(value, dict) and len(value) <= FEW:
            return {key: self._guess(item, depth + 1) for key, item in value.items()}
        fields = _fields(value)
        if not fields or len(fields) > FEW:
            return value
        other = copy(value)
        other.__dict__.update({key: self._guess(item, depth + 1) for key, item in fields.items()})
        return other

    def _counts(self) -> list[tuple[float, float, str]]:
        """Numbers that are made of the number of rows: in the notebook, on the case, and how, with a blank for it."""
        n, m = self.tape.rows or 0, self.case.rows or 0  # none on the notebook's own minibatch, where they are the same
        counts: list[tuple[float, float, str]] = [(n, m, "{}"), (n - 1, m - 1, "{} less 1")]
        inverses = ((1 / k, 1 / j, f"1 / {words}") for k, j, words in counts if k > 1 and j)
        return [*counts, *inverses, (-1 / n, -1 / m, "-1 / {}")] if n > 1 and m else []

    def _written(self) -> Iterator[Fixed]:
        """The numbers in the statements that may be made of the number of rows."""
        numbers = {
            node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant) and type(node.value) in (int, float)
        }
        yield from (
            Fixed(f"{number:g}", number, own, False, words) for number, own, words in self._counts() if number in numbers
        )


class _Numbers(ast.NodeTransformer):
    """Puts other numbers in the place of those that are written into code."""

    def __init__(self, others: Mapping[float, float]) -> None:
        self._others = others

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, int | float) and not isinstance(node.value, bool) and node.value in self._others:
            return ast.copy_location(ast.Constant(self._others[node.value]), node)
        return node


def _without(suspects: Sequence[Fixed], one: Fixed) -> list[Fixed]:
    return [each for each in suspects if each is not one]


def _slice(cell: ParsedCell | None, name: str) -> list[ast.stmt] | None:
    """The statements of a cell that make a name, in order; None where one of them may take long."""
    statements = [*zip(parse_tree(cell.source).body, cell.statements, strict=True)] if cell and cell.statements else []
    needed, kept = {name}, list[ast.stmt]()
    for node, statement in reversed(statements):
        if statement.touches & needed:
            if isinstance(node, LOOPS):
                return None
            kept.insert(0, node)
            needed |= names_in(statement.code)
    return kept


def _same(one: Any, other: Any, depth: int = 0) -> bool:
    """Whether two values are the same, as far as they can be looked into: other objects never are."""
    if one is other:
        return True
    if type(one) is not type(other) or depth > DEEPEST:
        return False
    if isinstance(one, Tensor):
        return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(_same(a, b, depth + 1) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[key], other[key], depth + 1) for key in one)
    if isinstance(one, bool | int | float | str | range):
        return bool(one == other)
    return _fields(one) is not None and _same(_fields(one), _fields(other), depth + 1)


def _differing(code: str, one: Any, other: Any) -> tuple[str, Any, Any]:
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(one, list | tuple) and len(one) == len(other):
        pairs = [(f"{code}[{number}]", *pair) for number, pair in enumerate(zip(one, other, strict=True))]
    elif isinstance(one, dict):
        pairs = [(f"{code}[{key!r}]", one[key], other[key]) for key in one if key in other]
    elif fields := _fields(one):
        pairs = [(f"{code}.{key}", fields[key], getattr(other, key)) for key in fields if hasattr(other, key)]
    parts = (_differing(*pair) for pair in pairs if not _same(*pair[1:]))
    return next(parts, (code, one, other))


def _fields(value: object) -> dict[str, Any] | None:
    """The attributes of an object of the notebook's own classes, or of a namespace; None for any other."""
    return getattr(value, "__dict__", None) if type(value).__module__ in ("__main__", "types", "argparse") else None
