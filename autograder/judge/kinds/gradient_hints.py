"""The hints for a gradient: what uses its variable and which rule applies, the shapes, then the lesson's own words."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from autograder.diagnosis.evidence import PLACEHOLDER, Evidence, GradientPath, evidence_of
from autograder.diagnosis.shapes import stretch, stretched
from autograder.tape.cases import Case
from autograder.tape.tape import Tape, is_variable

SUMMING_CALLS = frozenset({"mean", "std", "sum", "var"})

# what the rules of several calls have in common
ENTRY = "entry by entry: its derivative at that entry, times what comes in"

UNCHANGED = "what comes in is handed on, unchanged"

CALLS: Mapping[str, str] = {
    "sum": "a sum hands what comes in to every entry that it summed, unchanged",
    "mean": "a mean is a sum divided by the number of its entries: each gets that share of what comes in",
    "max": "a maximum picks one entry, and only that one feels what comes in",
    "amax": "a maximum picks one entry, and only that one feels what comes in",
    "var": "a variance moves with every entry, by twice its distance from the mean over the number less 1",
    "view": "the numbers stay and the shape changes: give what comes in the old shape",
    "reshape": "the numbers stay and the shape changes: give what comes in the old shape",
    "flatten": "several axes become one, and the numbers stay in their order: give what comes in the old shape",
    "squeeze": "an axis of size 1 is left out: give it back to what comes in",
    "unsqueeze": "an axis of size 1 is put in: leave it out of what comes in",
    "transpose": "two axes change places: let the same two change places in what comes in",
    "permute": "the axes are put into another order: put those of what comes in back into the old one",
    "masked_fill": "a mask writes a number over some entries, which get nothing; to all others what comes in is handed on",
    "exp": f"an exponential goes {ENTRY}. It is its own derivative",
    "log": f"a logarithm goes {ENTRY}. Its derivative is one over the entry",
    "sqrt": f"a square root goes {ENTRY}",
    "tanh": f"`tanh` goes {ENTRY}. Its derivative is one less its own square",
    "gelu": f"a GELU goes {ENTRY}. It is a product of the entry and of a share that moves with it: two terms",
    "cross_entropy": "a cross-entropy is a softmax, a logarithm, a pick and a mean: its gradient by the logits is short",
    "softmax": "in a softmax every entry of a row moves all others of it",
}
"""What a call does on the way back, by its name."""


def generic_hints(tape: Tape, variable: str, notebook: Mapping[str, Any], words: Sequence[str]) -> tuple[str, ...]:
    """The hints for the gradient of a variable, each saying more than the one before. `words` are the lesson's own."""
    evidence = _evidence(tape, variable, notebook)
    return (_rule(tape, variable, evidence), _shapes(tape, variable, evidence), *words)


def _evidence(tape: Tape, variable: str, notebook: Mapping[str, Any]) -> Evidence | None:
    incoming = {consumer: torch.ones_like(tape.state[consumer]) for consumer in tape.consumers(variable)}
    with suppress(RuntimeError, TypeError):  # a forward pass that fixes its dtype
        return evidence_of(torch.zeros_like(tape.state[variable]), tape, variable, Case(tape.state, incoming), notebook)
    return None


def _rule(tape: Tape, variable: str, evidence: Evidence | None) -> str:
    """What consumes the variable, and by which rules that goes back."""
    uses = " and ".join(f"`{line}`" for line in tape.uses(variable))
    paths = [path for path, _ in evidence.parts] if evidence else []
    ways = []
    for path in paths:
        through = f"Through `{path.label}`: " if len(paths) > 1 else "Going back: "
        ways.append(through + ("; then ".join(_steps(path)) or UNCHANGED) + ".")
    total = f" There are {len(paths)} ways back, and what comes along them adds up." if len(paths) > 1 else ""
    return f"It is used in {uses}.{total} {' '.join(ways)}".rstrip()


def _steps(path: GradientPath) -> Iterator[str]:
    """The rules from the whole line down to the place where it reads the variable."""
    node: ast.AST = path.tree.body
    while not (isinstance(node, ast.Name) and node.id == PLACEHOLDER):
        child = next(each for each in ast.iter_child_nodes(node) if _has_live(each))
        if rule := _rule_of(node, child):
            yield rule
        node = child


def _rule_of(node: ast.AST, child: ast.AST) -> str:
    match node:
        case ast.UnaryOp(op=ast.USub()):
            return "a minus turns the sign around"
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            constant = isinstance(left if child is right else right, ast.Constant)
            return "" if constant else "a sum passes what comes in on, unchanged"
        case ast.BinOp(op=ast.Sub(), left=left):
            return "a difference passes it on" + ("" if child is left else ", with a minus")
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            other = ast.unparse(left if child is right else right)
            return f"a product hands on the other factor, `{other}`, times what comes in"
        case ast.BinOp(op=ast.Div(), left=left, right=right) if child is left:
            return f"it is divided by `{ast.unparse(right)}`, and so is what comes in"
        case ast.BinOp(op=ast.Div()):
            return "it divides: the derivative of `1 / x` is `-1 / x**2`"
        case ast.BinOp(op=ast.Pow(), right=right) if child is right:
            return "an exponent: the power changes by itself, times the logarithm of its base"
        case ast.Attribute(attr="T"):
            return "a transpose: turn what comes in back"
        case ast.Attribute(attr="mT"):
            return "the last two axes change places: let them change places in what comes in"
        case ast.BinOp(op=ast.Pow()):
            return "a power: the exponent comes to the front, and is one less above"
        case ast.BinOp(op=ast.MatMult(), left=left):
            side = "from the right" if child is left else "from the left"
            return f"a matrix product: what comes in times the other matrix, transposed, {side}"
        case ast.Subscript():
            return (
                "an index picks entries: each sends what comes in back to where it was picked, and what is picked twice adds up"
            )
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return CALLS.get(name, f"`{name}` goes back by its own derivative")
    return ""


def _shapes(tape: Tape, variable: str, evidence: Evidence | None) -> str:
    """The shapes of what there is, and what broadcasting did."""
    names = [variable]
    for consumer in tape.consumers(variable):
        names += [f"d{consumer}"] if consumer != tape.loss else []
        names += [name for name in tape.parents(consumer) if name != variable]
    shapes = [f"`{name}` is {_shape(tape, name)}" for name in dict.fromkeys(names)]
    said = f"`d{variable}` has the shape of `{variable}`. {', '.join(shapes)}."
    for consumer in tape.consumers(variable):
        if _is_summed(tape, consumer) and _stretches(tape.state[consumer].shape, tape.state[variable].shape):
            said += f" Broadcasting stretches `d{consumer}` by itself."
    for path, _ in evidence.parts if evidence else ():
        if evidence and evidence.unsummed(path) is not None and stretched(evidence, path):
            said += f" {stretch(evidence, path)}: sum over that."
    return said


def _is_summed(tape: Tape, consumer: str) -> bool:
    """Whether the line of a consumer takes a sum, or something like it."""
    line = next(step.source for step in tape.steps if step.name == consumer)
    return any(isinstance(node, ast.Attribute) and node.attr in SUMMING_CALLS for node in ast.walk(ast.parse(line)))


def _stretches(small: torch.Size, large: torch.Size) -> bool:
    """Whether broadcasting makes one shape the other."""
    return (
        small.numel() < large.numel()
        and len(small) == len(large)
        and all(a in (1, b) for a, b in zip(small, large, strict=True))
    )


def _shape(tape: Tape, name: str) -> str:
    value = tape.state.get(name, tape.state.get(name[1:]))
    return str(tuple(value.shape)) if isinstance(value, Tensor) and is_variable(value) and value.dim() else "a number"


def _has_live(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Name) and each.id == PLACEHOLDER for each in ast.walk(node))
