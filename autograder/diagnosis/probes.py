"""What well-known mistakes would give: a table of probes, each of which compares an answer with one kind of mistake."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor

from autograder.diagnosis.evidence import (
    CLOSE,
    MIN_ENTRIES,
    PLACEHOLDER,
    TIMES,
    TOO_SMALL,
    Evidence,
    GradientPath,
    Target,
    explaining,
    is_about,
    ratio,
    targets,
)
from autograder.diagnosis.shapes import near
from autograder.tape.tape import is_variable
from autograder.verdict import Cause, Mistake

MAX_GRADIENT_ROWS = 128
"""Rows of an incoming gradient that are looked at one by one."""

MEAN = re.compile(r"\.mean\b")
"""Where code takes a mean."""
COMPARING = re.compile(r"[<>]|[!=]=|\b(where|sign|[gl][te]|masked_fill)\b|^$")
"""Where code makes a mask; also where the code is not known."""
FILLING = re.compile(r"\bfor\b|\+=|_add_|^$")
"""Where code fills a tensor entry by entry; also where the code is not known."""
SUMMING = re.compile(r"@|\b(sum|mean|einsum|matmul|mm|bmm|dot|expand|expand_as|repeat|tile)\b|^$")
"""Where code sums, or gives the same to many; also where the code is not known."""
RESHAPING = re.compile(r"\b(view|reshape|view_as|reshape_as|unflatten)\b|^$")
"""Where code gives a tensor another shape; also where the code is not known."""

IN_PLACE = "takes the place of the rest"
REARRANGED = "All the right numbers are there, in the wrong places."

Claim = tuple[Tensor | None, Cause]
"""What the answer, or the part through one path, would be if this were the cause; None where it cannot be worked out."""


def _along_paths(claims: Callable[[Evidence, Target, GradientPath], Iterator[Claim]]) -> Callable[[Evidence], Iterator[Cause]]:
    """Makes a probe of a function that says what one path would give if something about it were different.

    It is tried on the whole answer if there is one path, and otherwise on what is left of the answer for each path.
    """

    def probe(evidence: Evidence) -> Iterator[Cause]:
        for target in targets(evidence):
            if target.path is not None:
                for candidate, cause in claims(evidence, target, target.path):
                    yield from explaining(evidence, target, candidate, cause)

    probe.__name__ = claims.__name__
    return probe


def _all_zeros(evidence: Evidence) -> Iterator[Cause]:
    if not bool(evidence.answer.any()):
        comes_in = any(name != evidence.tape.loss for name in evidence.incoming)
        sentence = "It is zero everywhere, whatever comes in." if comes_in else "It is zero everywhere."
        advice = "Work it out: here the numbers that come in are not zero." if comes_in else "Work it out: it is not zero."
        yield Cause(Mistake.ZEROS, sentence, advice)


def _missing_paths(evidence: Evidence) -> Iterator[Cause]:
    """The answer is the sum of some of the parts."""
    whole, loss = next(targets(evidence)), evidence.tape.loss
    rounding = CLOSE * float(evidence.truth.abs().max())  # a sum of deviations from a mean is zero but for this
    parts = [(path, part) for path, part in evidence.parts if float(part.abs().max()) > rounding]
    for count in range(1, len(parts)):
        for missing in combinations(parts, count):
            labels = [path.label for path, _ in missing]
            consumers = dict.fromkeys(path.consumer for path, _ in missing)
            sent_by = " and ".join(f"`{name}` itself" if name == loss else f"`d{name}`" for name in consumers)
            paths = " and ".join([", ".join(f"`{label}`" for label in labels[:-1]), f"`{labels[-1]}`"][count == 1 :])
            what, are = ("path", "is") if count == 1 else ("paths", "are")
            sentence = f"The {what} through {paths} {are} missing, and the rest is right."
            advice = f"`{evidence.variable}` is used in {len(parts)} places: add what comes back from {sent_by}."
            if len(lines := {path.consumer for path, _ in parts}) == 1:
                places = f"`{evidence.variable}` stands in {len(parts)} places of the line of `{lines.pop()}`"
                advice = f"{places}: add what comes back through {paths}."
            rest = evidence.truth - torch.stack([part for _, part in missing]).sum(0)
            yield from explaining(evidence, whole, rest, Cause(Mistake.PATH, sentence, advice))


def _replaced_paths(evidence: Evidence) -> Iterator[Cause]:
    """What comes back through one path takes the place of the rest, in the entries that it reaches."""
    whole = next(targets(evidence))
    for path, part in evidence.parts if len(evidence.parts) > 1 else ():
        reached = part != 0
        if bool(reached.any()) and not bool(reached.all()):
            sentence = f"Where something comes back through `{path.label}`, it {IN_PLACE}."
            advice = f"Add both: `{evidence.variable}` is used in {len(evidence.parts)} places, and each of them counts."
            if whole.is_explained(torch.where(reached, part, evidence.truth)):
                yield Cause(Mistake.PATH, sentence, advice)


def _a_constant_factor(evidence: Evidence) -> Iterator[Cause]:
    """The answer, or a part of it, is a constant times what it should be."""
    for target in targets(evidence):
        factor = ratio(target.seen, target.truth)
        if factor is None or is_about(factor, 1) or not target.is_explained(factor * target.truth):
            continue
        if is_about(factor, -1):
            yield target.cause(Mistake.SIGN, "has the wrong sign", "Look for a minus that is missing, or one too many.")
        written = {**evidence.of_lines, **evidence.of_answer}.values()
        if is_about(factor, 2) and target.is_part and not any(is_about(value, 2) or is_about(value, 0.5) for value in written):
            yield target.cause(Mistake.TWICE, "is counted twice", "Add each path once; does `+=` add it again?")
        counts = {*evidence.counts, *evidence.of_lines}
        for name, constant in evidence.constants.items():
            if is_about(factor, constant):
                if name in {f"1 / {count}" for count in counts} and MEAN.search(evidence.source):
                    predicate = f"is `{name}` {TIMES}: a mean where a sum belongs"
                    yield target.cause(Mistake.MEAN, predicate, "Take the sum: every use of an entry counts in full.")
                yield target.cause(Mistake.CONSTANT, f"is `{name}` {TIMES}", _without_factor(name))


def _without_factor(name: str) -> str:
    """What to do about a factor that the answer has too many, given as code."""
    above, _, below = name.partition(" / ")
    if name[0] == "-" or (below and " / " in below):
        return f"Look for a factor `{name}` too many, or for its inverse that is missing."
    if above == "1":
        return f"Look for a factor `{below}` that is missing, or for a division by it too many."
    if below:
        return f"Look where it has `{above}` or `{below}`: perhaps one of them stands in the place of the other."
    return f"Look for a factor `{name}` too many, or for a division by it that is missing."


@_along_paths
def _wrong_entries(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[Claim]:
    """What belongs to some entries reaches others too, or others instead."""
    belongs = target.truth != 0  # the entries that the line uses
    if bool(belongs.all()) or not bool(belongs.any()):
        return
    advice = f"Which entries of `{evidence.variable}` does the line of `{path.consumer}` use? All others get nothing."
    more = target.cause(Mistake.MASK, "is right where it belongs, but reaches entries that should get nothing", advice)
    reached = target.seen.abs() > CLOSE * target.scale
    is_theirs = target.others is not None and bool(
        (reached & ~belongs & target.others).any()
    )  # another path may be wrong there
    if not is_theirs and target.is_explained(torch.where(belongs, target.truth, target.seen)):
        yield target.seen, more
    picked = [axis for axis, size in enumerate(target.truth.shape) if size > 1 and bool((belongs.sum(axis) <= 1).all())]
    spreads = [target.truth.sum(axis, keepdim=True).expand_as(target.truth) for axis in picked]  # the same to all, not to one
    yield from ((spread, more) for spread in spreads)
    others = target.cause(Mistake.MASK, "reaches the wrong entries", advice)
    if bool((belongs | ~reached).all()):
        used = f"The line of `{path.consumer}` uses {int(belongs.sum())} entries of `{evidence.variable}`"
        advice = f"{used}: does each row have a mask or an index of its own?"
        others = target.cause(Mistake.MASK, f"reaches only {int(reached.sum())} of the entries that it should", advice)
    for spread in (*reduced(evidence.incoming[path.consumer], target.seen.shape), *(spreads if target.is_part else ())):
        if torch.equal(torch.where(belongs, spread, 0), target.truth):
            yield torch.where(reached, spread, 0), others


@_along_paths
def _summed_too_much(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[Claim]:
    """It is summed over an axis that broadcasting did not stretch."""
    if not SUMMING.search(evidence.source):
        return
    for axis, size in enumerate(target.truth.shape):
        predicate = f"is summed over axis {axis} as well, and the same in all entries along it"
        cause = target.cause(Mistake.AXIS, predicate, "Sum over the axes that broadcasting stretched, and over no other.")
        summed = target.truth.sum(axis, keepdim=True).expand_as(target.truth)
        if size > 1 and not torch.allclose(summed, size * target.truth):  # of what is the same along it that is a factor
            yield summed, cause


@_along_paths
def _passed_on(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[Claim]:
    """What comes in is handed on without the derivative of the line."""
    if path.consumer == evidence.tape.loss:
        return
    incoming = f"d{path.consumer}"
    advice = f"Multiply it by how `{path.consumer}` changes with `{evidence.variable}`."
    gradient = evidence.incoming[path.consumer]
    how = "" if gradient.shape == target.seen.shape else ", summed" if gradient.numel() > target.seen.numel() else ", repeated"
    predicate = f"is `{incoming}` as it came in{how}, without the derivative of the line"
    cause = target.cause(Mistake.PASSED, predicate, advice, incoming)
    rest = target.cause(
        Mistake.PASSED, f"is `-{incoming}`{how}, without the rest of the derivative of the line", advice, incoming
    )
    slope = evidence.along(path, torch.ones_like(gradient))
    for candidate in reduced(gradient, target.seen.shape):
        is_minus = slope is not None and bool((slope < 0).any()) and target.is_explained(-candidate)
        yield (-candidate, rest) if is_minus else (candidate, cause)  # its minus belongs to the derivative


@_along_paths
def _forward_again(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[Claim]:
    """What comes in is sent through the line itself, as if it were the variable."""
    gradient = evidence.incoming[path.consumer]
    calls = [node.func for node in ast.walk(path.tree) if isinstance(node, ast.Call)]
    functions = {func.attr for func in calls if isinstance(func, ast.Attribute)}
    is_called = any(re.search(rf"\b{name}\b", evidence.source) for name in functions)
    if not is_called or path.consumer == evidence.tape.loss or gradient.shape != target.seen.shape:
        return
    try:
        value = path.value(evidence.state, gradient)
    except Exception:  # a line need not take a gradient for its variable
        return
    predicate = f"is the line of `{path.consumer}` itself, with `d{path.consumer}` in the place of `{evidence.variable}`"
    advice = f"Multiply `d{path.consumer}` by the derivative of the line, taken at `{evidence.variable}`."
    if is_variable(value) and not torch.allclose(value, gradient):
        yield value, target.cause(Mistake.OPERATION, predicate, advice, f"d{path.consumer}")


@_along_paths
def _nothing_comes_in(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[Claim]:
    """It is the derivative of the line alone, without what comes in."""
    if path.consumer != evidence.tape.loss:
        incoming = f"d{path.consumer}"
        predicate = f"is the derivative of the line alone, without `{incoming}`"
        cause = target.cause(Mistake.ALONE, predicate, f"Multiply it by what comes in, `{incoming}`.")
        yield evidence.along(path, torch.ones_like(evidence.incoming[path.consumer])), cause


MULTIPLYING = (
    "lacks the factor `{}`",
    "divides by `{}` where it should multiply",
    "has a factor `{}` too many",
    "Multiply by `{}`.",
)
DIVIDING = (
    "lacks the division by `{}`",
    "multiplies by `{}` where it should divide",
    "divides by `{}` once too often",
    "Divide by `{}`.",
)
"""What is said of a factor that is left out, turned over and squared, and what is to be done about the first."""


def _divides_by(evidence: Evidence, path: GradientPath, name: str) -> bool:
    """Whether a factor stands below the line: what comes back halves where it doubles."""
    whole, halved = evidence.along(path), evidence.along(path, others={name: 2 * evidence.state[name]})
    return whole is not None and halved is not None and bool(whole.any()) and torch.allclose(2 * halved, whole, atol=0)


@_along_paths
def _another_factor(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[Claim]:
    """A factor of the line is left out, squared, turned over, or summed by itself."""
    for name in evidence.tape.parents(path.consumer):
        factor = evidence.state[name]
        if name == evidence.variable:
            continue
        lacking, other_way, once_more, advice = DIVIDING if _divides_by(evidence, path, name) else MULTIPLYING
        lacks = target.cause(Mistake.FACTOR, lacking.format(name), advice.format(name))
        turned = target.cause(Mistake.FACTOR, other_way.format(name), f"Look at `{name}`.", name)
        squared = target.cause(Mistake.FACTOR, once_more.format(name), f"Look for `{name}` in it.", name)
        predicate = f"sums `{name}` and `d{path.consumer}` each by itself"
        advice = "Multiply entry by entry first, then sum: the sum of products is no product of sums."
        each = target.cause(Mistake.AXIS, predicate, advice, name)
        yield evidence.along(path, others={name: torch.ones_like(factor)}), lacks
        yield evidence.along(path, others={name: factor.reciprocal()}), turned
        yield evidence.along(path, others={name: factor.square()}), squared
        gradient = evidence.incoming[path.consumer]
        axes = [axis for axis, size in enumerate(evidence.value.shape) if size == 1 and factor.shape == gradient.shape]
        axes = axes or list(range(factor.dim() - evidence.value.dim()))
        if path.multiplies_matrices and factor.shape[:1] == gradient.shape[:1]:
            axes = [0]
        if axes and SUMMING.search(evidence.source):
            yield evidence.along(path, others={name: factor.sum(axes, keepdim=True).expand_as(factor)}), each
        if factor.dim() > 1 and RESHAPING.search(evidence.source):
            mixed = target.cause(
                Mistake.PLACES,
                f"has the entries of `{name}` in another order",
                f"Use `{name}{'.flatten(0, -2)' * (factor.dim() > 2)}.T`: `.view` and `.reshape` do not transpose.",
                name,
            )
            yield evidence.along(path, others={name: turned_flat(factor)}), mixed


def turned_flat(tensor: Tensor) -> Tensor:
    """A tensor with the entries of `tensor.reshape(size, -1).T`, where `size` is that of its last axis, in its own shape."""
    flat = tensor.flatten(0, -2)
    return flat.reshape(flat.shape[::-1]).T.reshape(tensor.shape)


def _an_expression(evidence: Evidence) -> Iterator[Cause]:
    """A part of a line is a factor too many, has the wrong power, or is missing."""
    for target in targets(evidence):
        path = target.path or evidence.parts[0][0]
        found = {**dict(evidence.expressions(path)), evidence.variable: evidence.value}
        factors = {name: factor for name, factor in found.items() if _fits(factor, target.truth)}
        for name, factor in factors.items():
            many = target.cause(Mistake.FACTOR, f"has a factor `{name}` too many", f"Look at the power of `{name}`.", name)
            is_a_call = name.endswith(")") and name in evidence.source
            if (is_a_call or not COMPARING.search(evidence.source)) and _switches(factor, target.truth):
                predicate = (
                    f"has `{name}` itself where a mask belongs: 1 where the line lets something through, and 0 elsewhere"
                )
                advice = f"Which entries of `{evidence.variable}` make a difference? Multiply by 1 there, by 0 elsewhere."
                many = target.cause(Mistake.FACTOR, predicate, advice, name)
            yield from explaining(evidence, target, target.truth * factor, many)
        for name, factor in factors.items():
            predicate = f"has the wrong power of `{name}`: a `*` for a `/`, perhaps, or a `/` for a `*`"
            wrong = target.cause(Mistake.FACTOR, predicate, f"Look at the power of `{name}`.", name)
            yield from explaining(evidence, target, target.truth * factor**2, wrong)
            yield from explaining(evidence, target, target.truth / factor**2, wrong)
        for name, factor in factors.items():
            few = target.cause(Mistake.FACTOR, f"lacks the factor `{name}`", f"Multiply by `{name}`, or look at its power.")
            yield from explaining(evidence, target, target.truth / factor, few)


@_along_paths
def _another_tensor(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[Claim]:
    """Another tensor of the same shape stands in for what comes in, for a factor, or for the variable."""
    gradient, incoming = evidence.incoming[path.consumer], f"d{path.consumer}"
    look = f"Look at the line of `{path.consumer}` again: what does it do with `{evidence.variable}`?"
    for name, tensor in evidence.tensors.items():
        if name != incoming and tensor.shape == gradient.shape and path.consumer != evidence.tape.loss:
            advice = f"Use the gradient of `{path.consumer}`, which is computed from `{evidence.variable}`."
            cause = target.cause(Mistake.GRADIENT, f"has `{name}` where `{incoming}` comes in", advice, name)
            yield evidence.along(path, tensor), cause
    for factor in dict.fromkeys((*evidence.tape.parents(path.consumer), evidence.variable)):
        for name, tensor in evidence.tensors.items():
            if name != factor and tensor.shape in (evidence.state[factor].shape, gradient.shape):
                cause = target.cause(Mistake.TENSOR, f"has `{name}` where `{factor}` belongs", look, name)
                if factor == evidence.variable:
                    yield (evidence.along(path, at=tensor) if tensor.shape == evidence.value.shape else None), cause
                else:
                    yield evidence.along(path, others={factor: tensor}), cause


def _a_factor_from_elsewhere(evidence: Evidence) -> Iterator[Cause]:
    """A factor is missing, or one too many, that the line does not read: in a formula that goes over several lines.

    It comes late in the table, since products of forward variables are forward variables too, and much fits by chance.
    """
    for target in targets(evidence):
        for name in evidence.tape.variables:
            factor = evidence.state[name]
            if _fits(factor, target.truth):
                many = target.cause(Mistake.FACTOR, f"has a factor `{name}` too many", f"Look at the power of `{name}`.", name)
                few = target.cause(Mistake.FACTOR, f"lacks the factor `{name}`", f"Multiply by `{name}`.", name)
                yield from explaining(evidence, target, target.truth * factor, many)
                yield from explaining(evidence, target, target.truth / factor, few)


@_along_paths
def _a_line_without_its_constant(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[Claim]:
    """A constant that the line adds is left out in the derivative."""
    for shorter, constant in path.without_constants():
        cause = target.cause(Mistake.TERM, f"lacks the `{constant}` of the line", f"Add `{constant}` where the line does.")
        yield evidence.along(shorter), cause


@_along_paths
def _repeats(evidence: Evidence, target: Target, path: GradientPath) -> Iterator[Claim]:
    """What several entries of a consumer send back to one entry is not added up."""
    found = _picked(evidence, path)
    if found is None:
        return
    sources, sent_back = found
    if len(set(sources.flatten().tolist())) == sources.numel():
        return
    gradient, places = sent_back.flatten(), sources.flatten()
    flat = torch.zeros_like(evidence.value).flatten()
    first, last = _last_written(flat, places.flip(0), gradient.flip(0)), _last_written(flat, places, gradient)
    slices = [torch.zeros_like(flat), torch.zeros_like(flat)]
    for axis, total in zip(range(min(2, sources.dim())), slices, strict=False):
        for index, part in zip(sources.unbind(axis), sent_back.unbind(axis), strict=True):
            total += _last_written(flat, index, part)
    mean = flat.index_add(0, places, gradient) / places.bincount(minlength=len(flat)).clamp(min=1)
    advice = f"Add up what comes back to an entry that `{path.consumer}` uses several times: with `index_add_`, for example."
    for candidate, what in (
        (last, "only the last contribution is kept"),
        (first, "only the first contribution is kept"),
        (mean, "the mean of the contributions is taken"),
        (slices[0], "only the last contribution of each row is kept"),
        (slices[1], "only the last contribution of each column is kept"),
    ):
        sentence = f"Where an entry is used several times, {what}."
        yield candidate.reshape(evidence.value.shape), Cause(Mistake.REPEATS, sentence, advice)


def _last_written(start: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """A copy of a flat tensor in which values are written to places one after the other: the last one is kept."""
    written = start.clone()
    for place, value in zip(places.flatten().tolist(), values.flatten().tolist(), strict=True):
        written[place] = value
    return written


def _repeats_everywhere(evidence: Evidence) -> Iterator[Cause]:
    """On none of several paths what comes back to one entry is added up."""
    found = [_picked(evidence, path) for path, _ in evidence.parts]
    sent = [each for each in found if each is not None]
    if len(sent) < 2 or len(sent) < len(found):
        return
    total = torch.zeros_like(evidence.value).flatten()
    for sources, sent_back in sent:
        total += _last_written(torch.zeros_like(total), sources, sent_back)
    sentence = "Where an index has an entry several times, only the last contribution is kept: `+=` on an index adds once."
    cause = Cause(Mistake.REPEATS, sentence, "Add up all that comes back to an entry: with `index_add_`, for example.")
    yield from explaining(evidence, next(targets(evidence)), total.reshape(evidence.value.shape), cause)


def smaller(evidence: Evidence) -> Iterator[Cause]:
    """The answer has only the entries that a line picks from the variable, and not all of the variable's."""
    for path, _ in evidence.parts:
        found = _picked(evidence, path)
        if found is None or found[1].shape != evidence.answer.shape or found[1].numel() >= evidence.value.numel():
            continue
        if near(evidence.answer, found[1]):
            sentence = f"It has only the entries that the line of `{path.consumer}` picks, and `{evidence.variable}` has more."
            yield Cause(
                Mistake.SHAPE, sentence, f"Start from `torch.zeros_like({evidence.variable})`, and fill in what is picked."
            )


def _empty_rows(evidence: Evidence) -> Iterator[Cause]:
    """Some rows, columns, … of the answer, or of a part of it, are zero, and all others right."""
    for target in targets(evidence):
        for axis, size in enumerate(target.seen.shape):
            rows = zip(target.seen.unbind(axis), target.truth.unbind(axis), strict=True)
            small = TOO_SMALL * target.scale
            filled = torch.tensor([float(row.abs().max()) > small or not bool(true.any()) for row, true in rows])
            shape = [size if each == axis else 1 for each in range(target.seen.dim())]
            if size > 1 and not bool(filled.all()) and target.is_explained(target.truth * filled.reshape(shape)):
                what = f"d{evidence.variable}"
                found = _rows_cause(what, axis, filled, ("filled in", "zero"))
                part = f"In the part through `{target.path.label}`: " if target.is_part and target.path else ""
                yield replace(found, sentence=f"{part}{found.sentence}")


def _some_rows(evidence: Evidence) -> Iterator[Cause]:
    """Only some rows, columns, … of what comes in were used."""
    for target in targets(evidence):
        path = target.path
        if path is None or path.consumer == evidence.tape.loss:
            continue
        gradient = evidence.incoming[path.consumer]
        for axis, size in enumerate(gradient.shape):
            if 1 < size <= MAX_GRADIENT_ROWS:
                used = _weights(target, _row_by_row(evidence, path, gradient, axis))
                if used is not None and not bool(used.all()):
                    yield _rows_cause(f"d{path.consumer}", axis, used, ("used", "left out"))


def _row_by_row(evidence: Evidence, path: GradientPath, gradient: Tensor, axis: int) -> Iterator[Tensor | None]:
    """What comes back from each row, column, … of an incoming gradient alone."""
    for index in torch.arange(gradient.shape[axis])[:, None]:
        alone = torch.zeros_like(gradient).index_copy(axis, index, gradient.index_select(axis, index))
        yield evidence.along(path, alone)


def _weights(target: Target, rows: Iterator[Tensor | None]) -> Tensor | None:
    """Which of these rows the target is the sum of, as a tensor of bool, or None. Rows that are zero count as used.

    The usual choices are tried: one row alone, all but one, the first or the last so many; then what least squares gives.
    """
    found = [row.flatten() for row in rows if row is not None]
    if not found or target.seen.numel() != found[0].numel() or target.seen.numel() < MIN_ENTRIES:
        return None
    basis = torch.stack(found)
    count = len(basis)
    choices = [*torch.eye(count), *(1 - torch.eye(count)), *torch.ones(count, count).tril(), *torch.ones(count, count).triu()]
    if count <= basis.shape[1]:
        choices.append(torch.linalg.lstsq(basis.T, target.seen.flatten()[:, None], driver="gelsd").solution[:, 0].round())
    chosen = torch.stack(choices).to(basis.dtype)
    distances = (chosen @ basis - target.seen.flatten()).abs().amax(1)
    best = chosen[distances.argmin()]
    used = (best != 0) | ~basis.any(1)
    return used if target.is_explained((used.to(basis.dtype) @ basis).reshape(target.seen.shape)) else None


def _rows_cause(name: str, axis: int, kept: Tensor, verbs: tuple[str, str]) -> Cause:
    """The mistake that only some rows, columns, … of a gradient count. `verbs` are what is said of these, and of the rest."""
    what = {0: "row", 1: "column"}.get(axis, f"slice along axis {axis},")
    few = min(kept.nonzero().flatten().tolist(), (~kept).nonzero().flatten().tolist(), key=len)
    only = bool(kept[few[0]])
    listed = ", ".join(map(str, few[:3])) + (", …" if len(few) > 3 else "")
    subject = f"{what if only else what.capitalize()}{'s' * (len(few) > 1)} {listed} of `{name}`"
    verb = f"{'is' if len(few) == 1 else 'are'} {verbs[not only]}"
    sentence = f"{'Only ' * only}{subject} {verb}."
    return Cause(Mistake.ROWS, sentence, "Look at the index, or at the ends of the loop: all of them count.")


def _a_term_too_many(evidence: Evidence) -> Iterator[Cause]:
    """Another tensor, or a number, is added to the right gradient."""
    whole = next(targets(evidence))
    advice = "Take it out: all the rest is right."
    if FILLING.search(evidence.source):
        advice = "Leave it out: what is filled in entry by entry starts from zeros."
    for name, tensor in evidence.tensors.items():
        if _fits(tensor, evidence.truth) and whole.is_explained(evidence.truth + tensor):
            yield Cause(Mistake.OPERATION, f"It is the right gradient, and `{name}` added to it.", advice, (name,))
    number = float((evidence.answer - evidence.truth).mean())
    if not evidence.has_few and whole.is_explained(evidence.truth + number):
        yield Cause(Mistake.OPERATION, f"It is the right gradient, and {number:.4g} added to each entry.", advice)


def _rearranged(evidence: Evidence) -> Iterator[Cause]:
    """The entries are those of the truth in another order."""
    whole = next(targets(evidence))
    truth = whole.truth.flatten().sort().values
    flat = replace(whole, seen=whole.seen.flatten(), truth=whole.truth.flatten())
    order = flat.seen.argsort().argsort()
    if len(set(truth.tolist())) > max(MIN_ENTRIES, len(truth) // 2) and flat.is_explained(truth[order]):
        advice = "Print the shapes, and look at the order of the axes and of the rows."
        yield Cause(Mistake.PLACES, REARRANGED, advice)


PROBES: tuple[Callable[[Evidence], Iterator[Cause]], ...] = (
    _all_zeros,
    _missing_paths,
    _replaced_paths,
    _a_constant_factor,
    _forward_again,
    _wrong_entries,
    _summed_too_much,
    _passed_on,
    _nothing_comes_in,
    _another_factor,
    _an_expression,
    _another_tensor,
    _a_line_without_its_constant,
    _a_factor_from_elsewhere,
    _repeats,
    _repeats_everywhere,
    _empty_rows,
    _some_rows,
    _a_term_too_many,
    _rearranged,
)
"""The order matters: the first mistake that explains the answer exactly, and is about what its code has, is believed."""


def _picked(evidence: Evidence, path: GradientPath) -> tuple[Tensor, Tensor] | None:
    """Where the innermost part of a line only picks, repeats or reorders entries of a variable: their positions in the flat
    variable, and what comes back to that part; None where it does something else.

    It is run on the positions themselves, and once more on positions shifted by a quarter: only if it does no arithmetic
    with them, the second result is the first one shifted.
    """
    value = evidence.value
    places = torch.arange(value.numel(), dtype=torch.float64).reshape(value.shape)
    found = None
    for part in path.around():
        inner = path.only(part)
        try:
            picked, moved = (torch.as_tensor(inner.value(evidence.state, x)) for x in (places, places + 0.25))
        except Exception:  # a line that needs its own numbers picks nothing
            break
        if not (bool((picked == picked.round()).all()) and torch.equal(moved, picked + 0.25)):
            break
        found = picked.long(), part
    if found is None:
        return None
    sources, part = found
    if part is path.tree.body:
        return sources, evidence.incoming[path.consumer]
    sent_back = evidence.along(path.edited(part, ast.Name(PLACEHOLDER, ast.Load())), at=value.flatten()[sources])
    return None if sent_back is None else (sources, sent_back)


def reduced(gradient: Tensor, shape: torch.Size) -> Iterator[Tensor]:
    """A gradient summed, or repeated, to another shape, if it can be."""
    for change in (gradient.sum_to_size, gradient.expand):
        try:
            yield change(shape)
            return
        except RuntimeError:
            continue


def _switches(factor: Tensor, gradient: Tensor) -> bool:
    """Whether a factor is zero where a gradient is, and nowhere else: it may stand there for what switches that off."""
    return factor.shape == gradient.shape and not bool(factor.all()) and torch.equal(factor == 0, gradient == 0)


def _fits(factor: Tensor, gradient: Tensor) -> bool:
    """Whether a product of the two has the shape of the gradient."""
    shape = (1,) * (gradient.dim() - factor.dim()) + tuple(factor.shape)
    return len(shape) == gradient.dim() and all(a in (1, b) for a, b in zip(shape, gradient.shape, strict=True))
