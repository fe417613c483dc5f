"""Which mistake was made: an answer is compared with what well-known mistakes would give on the same case."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain

from torch import Tensor

from autograder.course.lesson import KnownMistake
from autograder.diagnosis.evidence import TIMES, WRONG_SIGN, Evidence, Late, explaining, is_about, ratio, targets
from autograder.diagnosis.probes import IN_PLACE, PROBES, REARRANGED, reduced, smaller
from autograder.diagnosis.shapes import misfits, near
from autograder.diagnosis.variants import FALLBACKS, VARIANTS
from autograder.replay.parsed import mentioned
from autograder.verdict import Cause, Mistake

FACTOR = re.compile(f"`([^`]+)` {TIMES}")
"""How a sentence says by which factor an answer is off."""

DOUBLED = f"`2` {TIMES}"

OF_NAMES = {Mistake.TENSOR, Mistake.GRADIENT}
"""Mistakes that speak of a name in the code.

Where it is not there, and there is no name either that may stand for it, something else gives the same numbers by chance.
"""

VAGUE: tuple[Callable[[Evidence, Cause], bool], ...] = (
    lambda evidence, cause: DOUBLED in cause.sentence and "+=" in evidence.source,
    lambda evidence, cause: cause.mistake is Mistake.AXIS and "einsum" in evidence.source,
    lambda evidence, cause: cause.sentence == REARRANGED,
    lambda evidence, cause: IN_PLACE in cause.sentence and evidence.writes_entries,
    lambda evidence, cause: evidence.begins_again or evidence.writes_behind_an_index,
)
"""When a change of the code would say more: a `+=` may double, a letter sum, a `=` overwrite, and an index make a copy."""

Probe = Callable[[Evidence], Iterator[Cause]]

Elsewhere = Callable[[], Evidence | None]
"""The evidence for the same answer on another case, if it can be had."""


def nowhere() -> None:
    """No evidence on another case."""


def diagnose(
    evidence: Evidence, known: Iterable[KnownMistake] = (), fewer: Elsewhere = nowhere, moved: Elsewhere = nowhere
) -> tuple[Cause | None, bool]:
    """The mistake that gives exactly this answer, and whether it is credible: whether the code has what it speaks of.

    None where no known mistake does: a wrong cause is worse than none. `known` are the wrong formulas of the lesson.
    A factor has to explain the answer on other values too, which are `moved`: 2 may be what a tensor happens to be here.
    Where several do, one has to do so on `fewer` rows: 6 may be the number of rows, or another size.
    """
    answer = evidence.answer
    if not answer.numel() or not bool(answer.isfinite().all()) or not evidence.parts:
        return None, False
    if answer.shape == evidence.truth.shape:
        return _of_values(evidence, known, fewer, moved)
    with suppress(Late):
        if cause := next(chain(misfits(evidence), smaller(evidence)), None):
            return cause, True
    if (fixed := _fitting(evidence)) is not None:
        cause, is_credible = _of_values(replace(evidence, answer=fixed), known, nowhere, nowhere)
        if cause is not None:
            is_far = TIMES in cause.sentence and cause.mistake is not Mistake.CONSTANT  # three mistakes at once
            # a change of the code would say which place; what looks summed may come from a product of matrices
            is_vague = cause.mistake is Mistake.PLACES or (cause.mistake is Mistake.AXIS and "@" in evidence.source)
            is_credible = is_credible and not is_far and not is_vague
            return replace(cause, sentence=f"The shape is wrong. Besides, {continued(cause.sentence)}"), is_credible
    return None, False


def mistaken_for(answer: object, gradients: Mapping[str, Tensor]) -> Cause | None:
    """Whether an answer is one of these gradients, of other leaves."""
    for leaf, truth in gradients.items():
        if isinstance(answer, Tensor) and answer.shape == truth.shape and near(answer.double(), truth):
            return Cause(Mistake.ORDER, f"It is the gradient of `{leaf}`.", "Mind the order in which they are returned.")
    return None


def continued(sentence: str) -> str:
    """A sentence as it goes on after a comma: with a small letter, but for a name."""
    return sentence[0].lower() + sentence[1:]


def _of_values(
    evidence: Evidence, known: Iterable[KnownMistake], fewer: Elsewhere, moved: Elsewhere
) -> tuple[Cause | None, bool]:
    """The first mistake that explains the answer and is about names that its code has, or else the first that explains it.

    Often several mistakes give the same numbers. One that is about a tensor which the code does not have cannot have been made.
    """
    words, there = _words(evidence.source), {*evidence.names, f"d{evidence.variable}", "torch", "F"}
    first = None
    probes: tuple[Probe, ...] = (*PROBES, partial(_of_lesson, known), *VARIANTS, *FALLBACKS)
    with suppress(Late):
        for probe in probes:
            for cause in probe(evidence):
                if not _holds(cause, probe, evidence, fewer, moved):
                    continue
                is_vague = probe in FALLBACKS or any(applies(evidence, cause) for applies in VAGUE)
                if not is_vague and (not words or all(_words(name) <= words for name in cause.about)):
                    return cause, True
                if cause.mistake not in OF_NAMES or is_vague or words - there:
                    first = first or cause
    return first, False


def _holds(cause: Cause, probe: Probe, evidence: Evidence, fewer: Elsewhere, moved: Elsewhere) -> bool:
    """Whether a cause that many others look like here, as one that speaks of a factor, explains the answer elsewhere too."""
    found = FACTOR.search(cause.sentence)
    constants = evidence.constants if found else {}
    factor = constants.get(found[1]) if found else None
    alike = [name for name, value in constants.items() if factor is not None and is_about(value, factor)]
    cases = [fewer] * (len(alike) > 1) + [moved] * (factor is not None or evidence.has_few)
    others = (other for case in cases if (other := case()) is not None)
    return all(any(each.sentence == cause.sentence for each in probe(other)) for other in others)


def _of_lesson(known: Iterable[KnownMistake], evidence: Evidence) -> Iterator[Cause]:
    """The wrong formulas of the lesson that explain the answer.

    A formula may have a wrong sign of its own: of an answer that points the way of the truth no sign is said to be wrong.
    """
    for mistake in known:
        cause = Cause(Mistake.LESSON, mistake.sentence, mistake.next_step)
        for found in explaining(evidence, next(targets(evidence)), mistake.value(evidence.names), cause):
            if found is cause or WRONG_SIGN not in found.sentence or (ratio(evidence.answer, evidence.truth) or 0) < 0:
                yield found


def _fitting(evidence: Evidence) -> Tensor | None:
    """An answer of the wrong shape, made to fit in the one way that suggests itself."""
    answer, shape = evidence.answer, evidence.truth.shape
    if answer.numel() == evidence.truth.numel():
        return answer.T if answer.dim() == 2 and answer.T.shape == shape else answer.reshape(shape)
    return next(reduced(answer, shape), None)


def _words(source: str) -> set[str]:
    """The names in a piece of code; none if it is no Python."""
    try:
        return mentioned(ast.parse(source))
    except SyntaxError:
        return set()
