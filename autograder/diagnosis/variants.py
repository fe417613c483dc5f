"""What would come back through another line than the one that is there: a table of probes that look inside of the lines.

They come after the mistakes that the lesson knows, since they fit more.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from autograder.diagnosis.evidence import (
    CLOSE,
    MIN_ENTRIES,
    PLACEHOLDER,
    SLOPES,
    Evidence,
    GradientPath,
    Target,
    explaining,
    has_place,
    short,
    targets,
)
from autograder.diagnosis.probes import RESHAPING, turned_flat
from autograder.tape.tape import is_variable
from autograder.verdict import Cause, Mistake

MAX_SIGNS = 5
"""Paths of which all choices of signs are looked at."""

Slope = Callable[[Tensor, Tensor], Tensor]
"""The derivative of a function that works entry by entry, from what goes in and what comes out."""

ONE: Slope = lambda x, y: torch.ones_like(x)  # noqa: E731
"""The slope of a function that is left out."""

IN_THE_DENOMINATOR = (
    "Add up what comes back from all entries of the row: each input is in the denominator of every one of them."
)

BY_PARTS = "Use the product rule, which gives two terms."

MISTAKEN: Mapping[str, tuple[tuple[Slope, str, str], ...]] = {
    "tanh": (
        (lambda x, y: y * (1 - y), "has the slope of the logistic function where the line takes `tanh`", ""),
        (
            lambda x, y: 1 - x**2,
            "takes the slope of `tanh` from what goes into it",
            "Write it with what comes out of the function.",
        ),
    ),
    "sigmoid": (
        (lambda x, y: 1 - y**2, "has the slope of `tanh` where the line takes `sigmoid`", ""),
        (
            lambda x, y: x * (1 - x),
            "takes the slope of `sigmoid` from what goes into it",
            "Write it with what comes out of the function.",
        ),
        (lambda x, y: y, "has `sigmoid` itself where its slope belongs", ""),
    ),
    "clamp": (
        (
            lambda x, y: y,
            "has the clamped value where the slope of `clamp` belongs",
            "Let it be 1 where the value gets through, and 0 elsewhere.",
        ),
    ),
    "softmax": (
        (
            lambda x, y: y,
            "lacks a sum over the row: in `softmax` every entry depends on its whole row",
            IN_THE_DENOMINATOR,
        ),
        (
            lambda x, y: y * (1 - y),
            "treats `softmax` as if every entry depended on its own input alone",
            IN_THE_DENOMINATOR,
        ),
    ),
    "gelu": (
        (lambda x, y: (x > 0).to(x), "has the slope of `relu` where the line takes `gelu`", ""),
        (lambda x, y: y / x, "lacks the second term of the slope of `gelu`", BY_PARTS),
    ),
    "leaky_relu": (
        (
            lambda x, y: (x > 0).to(x),
            "has the slope of `relu` where the line takes `leaky_relu`",
            "Where its input is negative a part gets through too: how much?",
        ),
    ),
    "elu": (
        (
            lambda x, y: (x > 0).to(x),
            "has the slope of `relu` where the line takes `elu`",
            "Where its input is negative a part gets through too: how much?",
        ),
    ),
    "silu": (
        (
            lambda x, y: torch.sigmoid(x),
            "lacks the second term of the slope of `silu`",
            BY_PARTS,
        ),
        (lambda x, y: (x > 0).to(x), "has the slope of `relu` where the line takes `silu`", ""),
    ),
    "relu": (
        (
            lambda x, y: y,
            "has `relu` itself where its slope belongs",
            "Let it be 1 where the input is positive, and 0 elsewhere.",
        ),
    ),
    "reciprocal": (
        (
            lambda x, y: x.abs().log(),
            "has the integral, `log`, where the derivative belongs",
            "Take one off the power, and multiply by what the power was.",
        ),
    ),
    "exp": (
        (
            lambda x, y: x * (x - 1).exp(),
            "has the rule for powers where the line takes `exp`",
            "Here what changes is the exponent: the function is its own derivative.",
        ),
    ),
    **{
        name: ((lambda x, y: y, f"has `{name}` itself where its derivative belongs", ""),)
        for name in ("log", "sqrt", "sin", "cos")
    },
    "softplus": ((lambda x, y: (x > 0).to(x), "has the slope of `relu` where the line takes `softplus`", ""),),
    **{name: () for name in ("erf", "square", "log_softmax", "abs")},
}
"""What people take for the slope of a function, what is said of it, and what to do about it if that is not the usual."""

Sending = Callable[[Tensor, Tensor], Tensor]
"""What a function sends back, from what comes in and what comes out."""


def _along_rows(probabilities: Tensor, tensor: Tensor) -> Tensor:
    """A tensor summed over each row of probabilities: along the axis in which they sum to one."""
    axis = next((axis for axis in range(probabilities.dim()) if bool((probabilities.sum(axis) - 1).abs().max() < CLOSE)), -1)
    return tensor.sum(axis, keepdim=True)


MISTAKEN_ROWS: Mapping[str, tuple[tuple[Sending, str, str], ...]] = {
    "log_softmax": (
        (
            lambda g, y: g - y.exp(),
            "lacks the sum of what comes in over each row, which the probabilities are multiplied by",
            IN_THE_DENOMINATOR,
        ),
        (
            lambda g, y: g - y.exp() * g,
            "lacks a sum over the row: in `log_softmax` every entry depends on its whole row",
            IN_THE_DENOMINATOR,
        ),
        (
            lambda g, y: g - y * _along_rows(y.exp(), g),
            "has `log_softmax` itself where the probabilities belong",
            "Take the exponential of it: that gives the probabilities.",
        ),
        (
            lambda g, y: y.exp() * (g - _along_rows(y.exp(), y.exp() * g)),
            "has the derivative of `softmax` where the line takes `log_softmax`",
            "In the derivative of `log_softmax` what comes in stands alone, and the sum is that of it, without probabilities.",
        ),
    ),
    "softmax": (
        (
            lambda g, y: g - y * _along_rows(y, g),
            "has the derivative of `log_softmax` where the line takes `softmax`",
            "Multiply what comes in by the probabilities too: there is no logarithm that takes them away.",
        ),
    ),
}
"""The same for functions of whole rows."""

USUAL = "Derive the function on paper once more, then compare."


def _function(node: ast.expr) -> tuple[str, ast.expr] | None:
    """The name of a function that works entry by entry and has the path in what it is given, and what it is given."""
    match node:
        case ast.BinOp(left=given, op=ast.Pow(), right=ast.Constant(value=-1) | ast.UnaryOp(ast.USub(), ast.Constant(value=1))):
            return ("reciprocal", given) if has_place(given) else None
        case ast.Call(func=ast.Attribute(value=owner, attr=name), args=args) if name in MISTAKEN:
            found = [*args[:1], owner] if isinstance(owner, ast.Name) else [owner]
            return next(((name, given) for given in found if has_place(given)), None)
    return None


def _slopes(evidence: Evidence, path: GradientPath) -> Iterator[tuple[str, Tensor | None, str, str]]:
    """What would come back along a path if a function in it had another slope: which, what, what is said and the next step."""
    for node in path.around():
        if (found := _function(node)) is None:
            continue
        name, given = found
        code = path.as_written(node)
        left_out = (
            ONE,
            f"lacks the derivative of `{short(code)}`",
            f"Multiply by how `{name}` changes with what it is given.",
        )
        for number, (slope, predicate, advice) in enumerate((left_out, *MISTAKEN[name])):
            key = f"slope {number} of {name}" if number else "no slope"
            call = ast.Call(ast.Name(key, ast.Load()), [given, node], [])
            SLOPES.setdefault(key, _with_slope(slope))
            yield key, evidence.along(path.edited(node, call)), predicate, advice or USUAL
        for number, (sending, predicate, advice) in enumerate(MISTAKEN_ROWS.get(name, ())):
            key = f"row {number} of {name}"
            call = ast.Call(ast.Name(key, ast.Load()), [given, node], [])
            SLOPES.setdefault(key, _with_sending(sending))
            yield key, evidence.along(path.edited(node, call)), predicate, advice


def _with_slope(slope: Slope) -> Callable[[Tensor, Tensor], Tensor]:
    """A function that gives its second argument, with a slope of its own by its first."""
    return lambda given, value: value.detach() + (given - given.detach()) * slope(given, value).detach()


def _with_sending(sending: Sending) -> Slope:
    """A function that gives its second argument, and sends something of its own back to its first."""

    def function(given: Tensor, value: Tensor) -> Tensor:
        result = given + (value - given).detach()
        result.register_hook(lambda gradient: sending(gradient, value.detach()))  # type: ignore[no-untyped-call]
        return result

    return function


def _another_slope(evidence: Evidence) -> Iterator[Cause]:
    """A function of a line is left out, or taken for another one, on one path or on all."""
    for target in targets(evidence):
        if target.path is not None:
            for _, candidate, predicate, advice in _slopes(evidence, target.path):
                yield from explaining(evidence, target, candidate, target.cause(Mistake.FACTOR, predicate, advice))
    if len(evidence.parts) == 1:
        return
    whole = next(targets(evidence))
    everywhere: dict[str, list[Tensor]] = {}
    said: dict[str, tuple[str, str]] = {}
    for number, (path, _) in enumerate(evidence.parts):
        for key, candidate, predicate, advice in _slopes(evidence, path):
            if candidate is not None:
                parts = everywhere.setdefault(key, [part for _, part in evidence.parts])
                parts[number] = candidate
                said[key] = (predicate, advice) if key != "no slope" else ("lacks the derivatives of the functions", advice)
    for key, parts in everywhere.items():
        predicate, advice = said[key]
        cause = Cause(Mistake.FACTOR, f"Every part of it {predicate}.", advice)
        yield from explaining(evidence, whole, torch.stack(parts).sum(0), cause)


SLOPES_OF_VALUES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda y: 1 - y**2,
    "sigmoid": lambda y: y * (1 - y),
    "relu": lambda y: (y > 0).to(y),
}
"""The derivatives of functions that are written with what comes out."""


def _next_line(evidence: Evidence) -> Iterator[Cause]:
    """The derivative of the line that makes the variable is in it already."""
    source = next((step.source for step in evidence.tape.steps if step.name == evidence.variable), "None")
    match ast.parse(source, mode="eval").body:
        case ast.Call(func=ast.Attribute(attr=name)) if name in SLOPES_OF_VALUES:
            slope = SLOPES_OF_VALUES[name](evidence.value)
            advice = f"Leave it for the next gradient: here only what is done with `{evidence.variable}` counts."
            for target in targets(evidence):
                predicate = f"has the derivative of `{name}` in it, by which `{evidence.variable}` is made"
                cause = target.cause(Mistake.FACTOR, predicate, advice, evidence.variable)
                yield from explaining(evidence, target, target.truth * slope, cause)


def _exchanged(evidence: Evidence) -> Iterator[Cause]:
    """Two gradients that come in are exchanged: each goes through the line of the other."""
    whole = next(targets(evidence))
    for (one, part), (other, its) in combinations(evidence.lines, 2):
        names = (f"d{one.consumer}", f"d{other.consumer}")
        if one.consumer == other.consumer or evidence.tape.loss in (one.consumer, other.consumer):
            continue
        rest = evidence.truth - part - its
        sentence = f"`{names[0]}` and `{names[1]}` are exchanged: each goes through the line of the other."
        cause = Cause(Mistake.GRADIENT, sentence, "Look at which line each of them comes from.", names)
        for crossed in _crossed(evidence, one, other):
            yield from explaining(evidence, whole, rest + crossed, cause)
    for path, _ in evidence.parts:
        parts = [evidence.along(path, evidence.incoming[each.consumer]) for each, _ in evidence.parts]
        shape = evidence.incoming[path.consumer].shape
        alike = [each.consumer for each, _ in evidence.parts if evidence.incoming[each.consumer].shape == shape]
        if len(set(alike)) > 1:
            taken = [old if new is None else new for new, (_, old) in zip(parts, evidence.parts, strict=True)]
            listed = [f"`d{name}`" for name in dict.fromkeys(alike)]
            cause = Cause(
                Mistake.TENSOR,
                f"{', '.join(listed[:-1])} and {listed[-1]} all go through the line of `{path.consumer}`.",
                "Send each of them through its own line, with the factors of that.",
            )
            yield from explaining(evidence, whole, torch.stack(taken).sum(0), cause)


def _crossed(evidence: Evidence, one: GradientPath, other: GradientPath) -> Iterator[Tensor]:
    """What comes back along two paths if each has what comes in along the other, at its end or next to its place."""
    ends = [evidence.along(one, evidence.incoming[other.consumer]), evidence.along(other, evidence.incoming[one.consumer])]
    if ends[0] is not None and ends[1] is not None:
        yield ends[0] + ends[1]
    inner, its_inner = _innermost(evidence, one), _innermost(evidence, other)
    if inner is None or its_inner is None or inner[1].shape != its_inner[1].shape:
        return
    (first, sent), (second, its) = inner, its_inner
    parts = [evidence.along(first, its), evidence.along(second, sent)]
    if parts[0] is not None and parts[1] is not None:
        yield parts[0] + parts[1]


def _innermost(evidence: Evidence, path: GradientPath) -> tuple[GradientPath, Tensor] | None:
    """The path through the smallest part of its line, and what comes back to that part; None if there is no smaller part."""
    part = next(iter(path.around()), None)
    if part is None or part is path.tree.body:
        return None
    try:
        value = path.only(part).value(evidence.state, evidence.value)
    except Exception:  # a part of a line need not be an expression of its own
        return None
    sent = evidence.along(path.edited(part, ast.Name(PLACEHOLDER, ast.Load())), at=value) if is_variable(value) else None
    return None if sent is None else (path.only(part), sent)


def _signs(evidence: Evidence) -> Iterator[Cause]:
    """Several parts have the wrong sign."""
    whole = next(targets(evidence))
    for count in range(2, len(evidence.parts)) if len(evidence.parts) <= MAX_SIGNS else ():
        for turned in combinations(evidence.parts, count):
            listed = " and ".join(f"`{short(path.label)}`" for path, _ in turned)
            sentence = f"The parts through {listed} have the wrong sign, and the rest is right."
            candidate = evidence.truth - 2 * torch.stack([part for _, part in turned]).sum(0)
            cause = Cause(Mistake.SIGN, sentence, "Look for a minus that is missing, or one too many.")
            yield from explaining(evidence, whole, candidate, cause)


def _lines(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[tuple[Tensor | None, Cause]]:
    """What would come back if something else in the line were different."""
    for factor in evidence.tape.parents(path.consumer):
        value = evidence.state[factor]
        for axes in _axes(value):
            cause = target.cause(
                Mistake.PLACES,
                f"has `{factor}` in reverse order along {_listed(axes)}, unlike the line",
                f"Does the line of `{path.consumer}` flip it? Does it have to be flipped on the way back?",
            )
            yield evidence.along(path, others={factor: value.flip(axes)}) if factor != evidence.variable else None, cause
        if factor != evidence.variable and f"1 - {factor}" in path.written:
            cause = target.cause(
                Mistake.FACTOR,
                f"has `{factor}` and `1 - {factor}` the wrong way round",
                "Which of them does the line multiply by?",
            )
            yield evidence.along(path, others={factor: 1 - value}), cause
    for axes in _axes(target.truth):
        cause = target.cause(
            Mistake.PLACES,
            f"is in reverse order along {_listed(axes)}",
            f"Does the line of `{path.consumer}` flip it? Where does each entry go?",
        )
        yield target.truth.flip(axes), cause
    for shorter, term in path.without_terms():
        cause = target.cause(
            Mistake.TERM, f"lacks the term `{short(term)}` of the line", f"Keep `{short(term)}` where the line has it."
        )
        yield evidence.along(shorter), cause
    for node in ast.walk(path.tree.body):
        match node:
            case (
                ast.Call(func=ast.Attribute(value=ast.Name(id="torch" | "F"), attr=name), args=[given, *_])
                | ast.Call(func=ast.Attribute(value=given, attr=name))
            ) if name in MISTAKEN and not has_place(node):
                code, inside = path.as_written(node), path.as_written(given)
                cause = target.cause(
                    Mistake.TENSOR, f"has `{short(inside)}` where `{short(code)}` belongs", "Use what the line has.", inside
                )
                yield evidence.along(path.edited(node, given)), cause


def _axes(tensor: Tensor) -> Iterator[tuple[int, ...]]:
    """One axis, or two, along which a tensor has several entries."""
    long = [axis for axis, size in enumerate(tensor.shape) if size > 1]
    for count in (1, 2):
        yield from combinations(long, count)


def _another_line(evidence: Evidence) -> Iterator[Cause]:
    for target in targets(evidence):
        if target.path is not None:
            for candidate, cause in _lines(evidence, target, target.path):
                yield from explaining(evidence, target, candidate, cause)


def _one_of_each_row(evidence: Evidence) -> Iterator[Cause]:
    """Of what was stretched along an axis one entry is taken, and not the sum of all."""
    for target in targets(evidence):
        path = target.path
        unsummed = evidence.unsummed(path) if path else None
        if path is None or unsummed is None or unsummed.dim() != target.seen.dim() or target.seen.numel() < MIN_ENTRIES:
            continue
        for axis in (axis for axis, size in enumerate(target.seen.shape) if size == 1 < unsummed.shape[axis]):
            nearest = (unsummed - target.seen).abs().argmin(axis, keepdim=True)
            predicate = f"takes one entry along axis {axis} where all of them count: the line stretched `{evidence.variable}`"
            cause = target.cause(Mistake.AXIS, predicate, f"Sum over it: `.sum({axis}, keepdim=True)`.")
            yield from explaining(evidence, target, unsummed.gather(axis, nearest), cause)


STAY = "`.view` and `.reshape` keep the order of the entries: let the last axis stay the last one."


def _turned(evidence: Evidence) -> Iterator[Cause]:
    """What comes in, or a factor, has its last two axes exchanged, or its entries in the order of another shape."""
    for target in targets(evidence):
        path = target.path
        if path is None or path.consumer == evidence.tape.loss:
            continue
        incoming: dict[str, Any] = {f"d{path.consumer}": evidence.incoming[path.consumer]}
        factors = {name: evidence.state[name] for name in evidence.tape.parents(path.consumer) if name != evidence.variable}
        for name, tensor in (*incoming.items(), *factors.items()):
            if tensor.dim() > 1 and tensor.shape[-1] == tensor.shape[-2]:
                predicate = f"has the last two axes of `{name}` the wrong way round"
                cause = target.cause(Mistake.SHAPE, predicate, f"Is it `{name}` there, or its transpose?", name)
                yield from explaining(evidence, target, _with(evidence, path, name, tensor.mT), cause)
            if tensor.dim() > 1 and RESHAPING.search(evidence.source):
                cause = target.cause(Mistake.PLACES, f"has the entries of `{name}` in another order", STAY, name)
                yield from explaining(evidence, target, _with(evidence, path, name, turned_flat(tensor)), cause)
            for first in range(tensor.dim() - 1):
                order = [*range(first), first + 1, first, *range(first + 2, tensor.dim())]
                shape = [tensor.shape[axis] for axis in order]
                predicate = f"has the entries of `{name}` in the order of another shape"
                advice = f"`.view` and `.reshape` do not exchange axes: use `.transpose({first}, {first + 1})` first."
                cause = target.cause(Mistake.PLACES, predicate, advice, name)
                if RESHAPING.search(evidence.source):
                    mixed = tensor.reshape(shape).permute(order)
                    yield from explaining(evidence, target, _with(evidence, path, name, mixed), cause)


def _with(evidence: Evidence, path: GradientPath, name: str, tensor: Tensor) -> Tensor | None:
    """What comes back with another tensor under a name of what comes in, or of a factor."""
    if name == f"d{path.consumer}":
        return evidence.along(path, tensor)
    return evidence.along(path, others={name: tensor})


def _listed(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes[0]} and {axes[1]}"


VARIANTS: tuple[Callable[[Evidence], Iterator[Cause]], ...] = (
    _another_slope,
    _next_line,
    _exchanged,
    _signs,
    _another_line,
    _one_of_each_row,
)
"""In the order in which they are looked for."""

FALLBACKS = (_turned,)
"""What is said only where no small change of the code makes it right, which would say where."""
