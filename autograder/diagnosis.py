"""Which mistake was made: an answer is held against what well-known mistakes would give on the same case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from autograder.case import Case
from autograder.tape import State, Tape, promoted

CLOSE = 2e-5
"""How near an answer has to be to what a mistake gives, relative to the largest entry of either."""


@dataclass(frozen=True)
class Evidence:
    """A wrong answer of the right shape, and what mistakes are made of, all in float64 and by name.

    `parts` is what each consumer contributes to the truth, and `alone` the same where ones come in; `incoming` are the
    gradients that came in, `factors` the forward variables in the lines of the consumers, `constants` numbers that an
    answer may be off by. `sources` says of consumers that only pick entries, which entry each of theirs is.
    """

    answer: Tensor
    parts: Mapping[str, Tensor]
    alone: Mapping[str, Tensor]
    incoming: Mapping[str, Tensor]
    factors: Mapping[str, Tensor]
    constants: Mapping[str, float]
    sources: Mapping[str, Tensor]

    @property
    def truth(self) -> Tensor:
        return torch.stack(list(self.parts.values())).sum(0)


@dataclass(frozen=True)
class Cause:
    """A mistake by its name, and what to do about it."""

    sentence: str
    next_step: str


def diagnose(evidence: Evidence) -> Cause | None:
    """The mistake that gives exactly this answer, or None where none of the known ones does."""
    return next((cause for probe in PROBES for cause in probe(evidence)), None)


def evidence_of(answer: Tensor, tape: Tape, variable: str, case: Case) -> Evidence:
    """What there is to go by for an answer on a case."""
    state = promoted(case.state)
    incoming = {name: gradient.double() for name, gradient in case.incoming.items()}
    reads = frozenset().union(*(step.reads for step in tape.steps if step.name in incoming))
    factors = {name: state[name] for name in tape.variables if name in reads}
    ones = {name: torch.ones_like(gradient) for name, gradient in incoming.items()}
    parts, alone = (tape.products(variable, gradients, state) for gradients in (incoming, ones))
    constants, sources = _constants(tape, variable, case), _sources(tape, variable, state)
    return Evidence(answer.detach().double(), parts, alone, incoming, factors, constants, sources)


def evidence_of_function(answer: Tensor, truth: Tensor, tape: Tape, variable: str, case: Case) -> Evidence:
    """The same for a gradient that a whole backward pass gives: all that is known is the truth."""
    return Evidence(answer.detach().double(), {tape.loss: truth}, {}, {}, {}, _constants(tape, variable, case), {})


def mistaken_for(answer: object, gradients: Mapping[str, Tensor]) -> Cause | None:
    """Whether an answer is one of these gradients, of other leaves."""
    for leaf, truth in gradients.items():
        if isinstance(answer, Tensor) and answer.shape == truth.shape and _near(answer.double(), truth):
            return Cause(f"It is the gradient of `{leaf}`.", "Mind the order in which they are returned.")
    return None


def _constants(tape: Tape, variable: str, case: Case) -> dict[str, float]:
    """Factors that people forget or add, as code, with the values that they have in a case."""
    sizes = {name: float(case.state[name]) for name in tape.batch if isinstance(case.state[name], int)}
    axes = {size for name in (variable, *case.incoming) for size in case.state[name].shape}
    sizes |= {str(size): float(size) for size in sorted(axes) if size > 2 and size not in sizes.values()}
    constants = {"2": 2.0, "1 / 2": 0.5, "3": 3.0}
    for name, size in sizes.items():
        constants |= {name: size, f"1 / {name}": 1 / size}
    for name, size in list(sizes.items())[:1]:
        constants |= {f"{name} / ({name} - 1)": size / (size - 1), f"({name} - 1) / {name}": (size - 1) / size}
        constants |= {f"({name} - 1)": size - 1, f"1 / ({name} - 1)": 1 / (size - 1)}
    return constants | {f"-{name}": -value for name, value in constants.items()}


def _sources(tape: Tape, variable: str, state: State) -> dict[str, Tensor]:
    """For the consumers that pick, repeat or reorder entries of a variable: the positions of these in the flat variable."""
    places = torch.arange(state[variable].numel(), dtype=torch.float64).reshape(state[variable].shape)
    sources = {}
    for step in tape.steps:
        if step.name in tape.consumers(variable):
            try:
                picked, moved = (torch.as_tensor(eval(step.code, {**state, variable: x})) for x in (places, places + 0.25))
            except Exception:  # a line that needs its own numbers picks nothing
                continue
            if bool((picked == picked.round()).all()) and torch.equal(moved, picked + 0.25):
                sources[step.name] = picked.long()
    return sources


def _all_zeros(evidence: Evidence) -> Iterator[Cause]:
    if not bool(evidence.answer.any()):
        yield Cause("It is zero everywhere.", "Work it out: here the numbers that come in are not zero.")


def _a_constant_factor(evidence: Evidence) -> Iterator[Cause]:
    factor = _ratio(evidence.answer, evidence.truth)
    if factor is None:
        return
    if _is(factor, -1):
        yield Cause("The sign is wrong, and all else is right.", "Look for a minus that is missing, or one too many.")
    for name, constant in evidence.constants.items():
        if _is(factor, constant):
            advice = f"Look for a factor `{name}` too many, or its inverse that is missing: a mean for a sum, perhaps."
            yield Cause(f"It is the right gradient times `{name}`.", advice)


def _a_part(evidence: Evidence) -> Iterator[Cause]:
    """One path is missing, or has the wrong sign or size, and the others are right."""
    if len(evidence.parts) < 2:
        return
    for consumer, part in evidence.parts.items():
        if not bool(part.any()):
            continue
        rest = evidence.answer - (evidence.truth - part)
        path = f"through `{consumer}`"
        if _near(rest, torch.zeros_like(rest), evidence.truth):
            advice = f"The variable is used in {len(evidence.parts)} lines: add what comes back from `d{consumer}`."
            yield Cause(f"The path {path} is missing, and the rest is right.", advice)
            continue
        factor = _ratio(rest, part) or 0.0
        if _is(factor, -1):
            sentence = f"The part {path} has the wrong sign, and the rest is right."
            yield Cause(sentence, "Look for a minus that is missing, or one too many: what comes back along all paths adds up.")
        if _is(factor, 2):
            yield Cause(f"The part {path} is counted twice.", "Add each path once; does `+=` add it again?")
        named = [name for name, constant in evidence.constants.items() if _is(factor, constant)]
        named += [name for name, each in evidence.factors.items() if _fits(each, part) and _near(rest, part * each)]
        for name in named:
            yield Cause(
                f"The part {path} is multiplied by `{name}`, and the rest is right.", "Look at the factors of that part."
            )


def _passed_on(evidence: Evidence) -> Iterator[Cause]:
    for consumer, gradient in evidence.incoming.items():
        if gradient.shape == evidence.answer.shape and _near(evidence.answer, gradient):
            sentence = f"It is `d{consumer}` as it came in."
            yield Cause(sentence, f"Multiply it by how `{consumer}` changes with the variable.")


def _nothing_comes_in(evidence: Evidence) -> Iterator[Cause]:
    if evidence.alone and _near(evidence.answer, torch.stack(list(evidence.alone.values())).sum(0)):
        gradients = " and ".join(f"`d{consumer}`" for consumer in evidence.incoming)
        yield Cause("It is the derivative of the line alone.", f"Multiply it by what comes in, {gradients}.")


def _a_forward_factor(evidence: Evidence) -> Iterator[Cause]:
    """A forward variable is a factor too many, or missing."""
    for name, factor in evidence.factors.items():
        if not _fits(factor, evidence.truth):
            continue
        if _near(evidence.answer, evidence.truth * factor):
            advice = f"Look for a factor `{name}` too many, or a wrong power of it."
            yield Cause(f"It is the right gradient times `{name}`.", advice)
        if _near(evidence.answer * factor, evidence.truth):
            yield Cause(f"The factor `{name}` is missing.", f"Multiply by `{name}`, or look at its power.")


def _repeats(evidence: Evidence) -> Iterator[Cause]:
    """What several entries of a consumer send back to one entry is not added up."""
    for consumer, sources in evidence.sources.items():
        gradient, places = evidence.incoming[consumer].flatten(), sources.flatten()
        if len(evidence.parts) > 1 or len(set(places.tolist())) == len(places):
            continue
        flat = torch.zeros_like(evidence.answer).flatten()
        last = flat.clone()
        for place, value in zip(places.tolist(), gradient.tolist(), strict=True):
            last[place] = value
        mean = flat.index_add(0, places, gradient) / places.bincount(minlength=len(flat)).clamp(min=1)
        advice = (
            f"An entry that `{consumer}` uses several times gets the sum of all that comes back: `index_add_`, for example."
        )
        if _near(evidence.answer.flatten(), last):
            yield Cause("Where an entry is used several times, only the last contribution is kept.", advice)
        if _near(evidence.answer.flatten(), mean):
            yield Cause("Where an entry is used several times, the mean of the contributions is taken.", advice)


PROBES: tuple[Callable[[Evidence], Iterator[Cause]], ...] = (
    _all_zeros,
    _a_constant_factor,
    _a_part,
    _passed_on,
    _nothing_comes_in,
    _a_forward_factor,
    _repeats,
)
"""In this order: the first that explains the answer exactly is believed."""


def _fits(factor: Tensor, gradient: Tensor) -> bool:
    """Whether a product of the two has the shape of the gradient."""
    shape = (1,) * (gradient.dim() - factor.dim()) + tuple(factor.shape)
    return len(shape) == gradient.dim() and all(a in (1, b) for a, b in zip(shape, gradient.shape, strict=True))


def _near(one: Tensor, other: Tensor, scale: Tensor | None = None) -> bool:
    largest = max(float(each.abs().max()) for each in (one, other, *([] if scale is None else [scale])))
    return float((one - other).abs().max()) <= CLOSE * largest


def _ratio(one: Tensor, other: Tensor) -> float | None:
    """The number that `one` is `other` times, if there is one."""
    square = float(other.square().sum())
    factor = float((one * other).sum()) / square if square else 0.0
    return factor if factor and _near(one, factor * other) else None


def _is(value: float, constant: float) -> bool:
    return abs(value - constant) <= 10 * CLOSE * abs(constant)
