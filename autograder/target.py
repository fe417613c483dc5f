"""What a mistake has to explain, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from torch import Tensor

from autograder.cause import Cause, Mistake
from autograder.evidence import Evidence, Path

CLOSE = 1e-5
"""How near an answer has to be to what a mistake gives, relative to the largest entry of the truth or the answer."""
CLOSER = 0.1
"""And how near at most, relative to how far it is from the truth: a mistake has to explain what is wrong."""
NOTHING = 1e-3
"""What is smaller than this, relative to the truth, is too near zero to look like anything."""
FEWEST = 4
"""Entries of an answer with which a constant factor on top of another mistake is believed."""
AND_REST = ", and the rest is right."

EXACT = {Mistake.ALONE, Mistake.GRADIENT, Mistake.PASSED}
"""Mistakes that are so simple that a constant on top of them is more likely a coincidence."""


@dataclass(frozen=True)
class Target:
    """What a mistake has to explain: an answer, or what is left of it for one path if all the others are right."""

    seen: Tensor
    truth: Tensor
    scale: float
    path: Path | None
    is_part: bool = False

    def cause(self, mistake: Mistake, predicate: str, next_step: str, *about: str) -> Cause:
        subject = f"The part through `{self.path.label}`" if self.is_part and self.path else "It"
        rest = AND_REST if self.is_part else "."
        return Cause(mistake, f"{subject} {predicate}{rest}", next_step, about)

    def is_explained(self, candidate: Tensor) -> bool:
        if candidate.shape != self.seen.shape or not bool(candidate.isfinite().all()):
            return False
        largest = float(candidate.abs().max())
        distance, far = (float((self.seen - each).abs().max()) for each in (candidate, self.truth))
        return largest > NOTHING * self.scale and distance <= min(CLOSE * max(self.scale, largest), CLOSER * far)


def targets(evidence: Evidence) -> Iterator[Target]:
    """The whole answer first, then each part of it."""
    scale = max(float(evidence.answer.abs().max()), float(evidence.truth.abs().max()))
    only = evidence.parts[0][0] if len(evidence.parts) == 1 else None
    yield Target(evidence.answer, evidence.truth, scale, only)
    if only is None:
        for path, part in evidence.parts:
            if bool(part.any()):
                yield Target(evidence.answer - (evidence.truth - part), part, scale, path, is_part=True)


def explaining(evidence: Evidence, target: Target, candidate: Tensor | None, cause: Cause) -> Iterator[Cause]:
    """The cause, if the candidate is what was answered, perhaps times a constant."""
    if candidate is None or candidate.shape != target.seen.shape:
        return
    if target.is_explained(candidate):
        yield cause
        return
    factor = ratio(target.seen, candidate)
    if factor is None or target.seen.numel() < FEWEST or not target.is_explained(factor * candidate):
        return
    for name, constant in {"-1": -1.0, **constants_of(evidence)}.items():
        if is_about(factor, constant) and (name == "-1" or cause.mistake not in EXACT):
            besides = "has the wrong sign" if name == "-1" else f"is `{name}` times what it should be"
            yield replace(cause, sentence=_with_another(cause.sentence, besides))
            return


def _with_another(sentence: str, besides: str) -> str:
    """A sentence about a mistake, and another one about the same part."""
    if sentence.endswith(AND_REST) and sentence.startswith("The part"):
        return f"{sentence.removesuffix(AND_REST)}, and {besides}; the rest is right."
    if sentence.endswith(AND_REST):
        return f"{sentence.removesuffix(AND_REST)}, and the rest {besides}."
    return f"{sentence} Besides, it {besides}."


def constants_of(evidence: Evidence) -> dict[str, float]:
    """Factors that people forget or add, as code, with the values that they have in a case."""
    constants = {"2": 2.0, "1 / 2": 0.5, "3": 3.0, "1 / 3": 1 / 3, "4": 4.0, "1 / 4": 0.25}
    for name, size in evidence.sizes.items():
        constants |= {name: size, f"1 / {name}": 1 / size}
    for name, size in evidence.sizes.items():
        if size == evidence.tape.rows and size > 2:
            constants |= {f"{name} / ({name} - 1)": size / (size - 1), f"({name} - 1) / {name}": (size - 1) / size}
            constants |= {f"({name} - 1)": size - 1, f"1 / ({name} - 1)": 1 / (size - 1)}
            constants |= {f"{name}**2": size**2, f"1 / {name}**2": 1 / size**2}
            constants |= {f"({name} - 1)**2": (size - 1) ** 2, f"1 / ({name} - 1)**2": 1 / (size - 1) ** 2}
            constants |= {f"{name} * ({name} - 1)": size * (size - 1), f"1 / ({name} * ({name} - 1))": 1 / size / (size - 1)}
    for (name, size), (other, length) in combinations(evidence.sizes.items(), 2):
        constants |= {f"({name} * {other})": size * length, f"1 / ({name} * {other})": 1 / (size * length)}
        constants |= {f"{name} / {other}": size / length, f"{other} / {name}": length / size}
    return constants | {f"-{name}": -value for name, value in constants.items()}


def ratio(one: Tensor, other: Tensor) -> float | None:
    """The number that `one` would be `other` times."""
    square = float(other.square().sum())
    return (float((one * other).sum()) / square or None) if square else None


def is_about(value: float, constant: float) -> bool:
    return abs(value - constant) <= 10 * CLOSE * abs(constant)
