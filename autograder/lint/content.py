"""What a forward pass says about the content of a course: gradients that are always zero, and faults in lesson.toml.

A gradient that is zero for the true loss, whatever the numbers are, cannot be judged by a comparison with the truth: an
answer of zeros would pass. Its test has to be on cases in which it is not zero.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autograder.course.lesson import Advice, advice
from autograder.course.questions import Question, fingerprint
from autograder.diagnosis.evidence import evidence_of
from autograder.errors import ContentError
from autograder.judge.comparison import compare
from autograder.judge.judging import EXAM
from autograder.judge.kinds import claim
from autograder.judge.session import current_session
from autograder.tape.cases import Reference, step_cases, step_reference
from autograder.tape.tape import Tape, promoted

NEGLIGIBLE = 1e-9
"""A gradient this much smaller than its step can make it is zero but for rounding (which float64 keeps below 1e-12)."""


@dataclass(frozen=True)
class Zero:
    """A gradient that is structurally zero: its largest true entry, and its largest entry in the cases of the exam.

    `tested` is "alone" if a test judges it on such cases, "whole" if it does so through a whole backward pass.
    """

    name: str
    true: float
    judged: float
    tested: str = ""


def structural_zeros(tape: Tape) -> list[Zero]:
    """The gradients of a tape that are zero for the true loss, whatever the numbers are."""
    state = promoted(tape.state)
    try:
        gradients = tape.gradients(tape.forward({name: state[name] for name in tape.given}))
    except (RuntimeError, TypeError):  # the forward pass fixes its dtype, and in float32 zero and rounding look the same
        return []
    zeros = []
    for name in tape.variables[:-1]:
        cases = list(step_cases(tape, name, EXAM.seed, own=1, resampled=0))
        judged = _largest(step_reference(tape, name, cases[0]).exact)
        # `judged` is for incoming entries of standard normal size: scaled to those of the true chain, it says what to expect
        scale = max(_typical(gradients[consumer]) for consumer in tape.consumers(name))
        true = _largest(gradients[name])
        if true <= NEGLIGIBLE * scale * judged:
            zeros.append(Zero(f"d{name}", true, judged))
    return zeros


def _largest(gradient: Tensor) -> float:
    return float(gradient.abs().max())


def _typical(gradient: Tensor) -> float:
    """The root mean square of the entries: what standard normal entries are scaled by to be of the same size."""
    return float(gradient.square().mean().sqrt())


MAX_HINTS = 3
"""Hints of a row."""
MIN_HINT, MAX_HINT = 20, 200
"""Characters of a hint."""
MAX_SENTENCE = 160
"""Characters of a sentence about a mistake."""
ROW_FIELDS, MISTAKE_FIELDS = {"name", "through", "hints", "mistake"}, {"formula", "sentence", "next"}
"""The fields of a row, and of a mistake in it."""
CODE = re.compile(r"`[^`]*`")
SAME_NUMBERS = 1e-5
"""How near two gradients have to be to count as the same numbers, relative to the largest entry of either."""

Fault = tuple[str, str]
"""The name of a gradient, and what is wrong with its row."""


def rows(tape: Tape) -> list[tuple[str, list[str]]]:
    """The gradients of a forward pass that a lesson may have a row for, each with the consumers of its variable, sorted."""
    return [(f"d{variable}", sorted(tape.consumers(variable))) for variable in tape.variables[:-1]]


def style(path: Path) -> Iterator[Fault]:
    """The faults of a lesson's file that show without a forward pass. The file has to be one that `load_lesson` accepts."""
    found = tomllib.loads(path.read_text(encoding="utf-8")).get("gradient", [])
    counts = Counter((row["name"], frozenset(row["through"])) for row in found)
    yield from ((name, "it has more than one row.") for (name, _), count in counts.items() if count > 1)
    for row in found:
        yield from ((row["name"], fault) for fault in _out_of_style(row))


def _out_of_style(row: Mapping[str, Any]) -> Iterator[str]:
    hints, mistakes = row.get("hints", []), row.get("mistake", [])
    unread = [*(row.keys() - ROW_FIELDS), *(key for mistake in mistakes for key in mistake.keys() - MISTAKE_FIELDS)]
    yield from (f"nobody reads the field `{key}`." for key in sorted(unread))
    if len(set(row["through"])) < len(row["through"]):
        yield "`through` has a name twice."
    if len(hints) > MAX_HINTS:
        yield f"it has {len(hints)} hints: {MAX_HINTS} are enough."
    if len(set(hints)) < len(hints):
        yield "it has a hint twice."
    for hint in hints:
        if not MIN_HINT <= len(hint) <= MAX_HINT:
            yield f"a hint has {MIN_HINT} to {MAX_HINT} characters, and this one {len(hint)}: {hint}"
    said = [mistake[key] for mistake in mistakes for key in ("sentence", "next")]
    yield from (f"{MAX_SENTENCE} characters are enough: {text}" for text in said if len(text) > MAX_SENTENCE)
    for mistake in mistakes:
        if re.search(r"\d", CODE.sub("", mistake["sentence"])):
            yield f"a number that is not in backquotes is right for one shape only: {mistake['sentence']}"
    yield from (fault for text in (*hints, *said) if (fault := _no_sentence(text)))


def _no_sentence(text: str) -> str:
    if text != text.strip() or not text.endswith((".", "?")) or "!" in text:
        return f"a sentence ends with a full stop or a question mark: {text}"
    if not (text[0].isupper() or text[0] == "`"):
        return f"a sentence begins with a capital letter or with code: {text}"
    return f"a backquote is missing: {text}" if text.count("`") % 2 else ""


@dataclass(frozen=True)
class Evaluated:
    """What the lesson says about a gradient, and what those of its wrong formulas give that run, each beside the reference.

    The first of `values` are on the notebook's own rows, the others on resampled ones.
    """

    words: Advice
    values: list[tuple[dict[str, Tensor], Reference]]


def evaluated(tape: Tape, folder: Path) -> list[Evaluated]:
    """The gradients of a forward pass that the lesson of a folder has wrong formulas for.

    Raises ContentError for a file that cannot be read.
    """
    found = [advice(folder, tape, variable) for variable in tape.variables[:-1]]
    return [Evaluated(words, _values(tape, words)) for words in found if words.mistakes]


def faults(each: Evaluated) -> Iterator[Fault]:
    """The faults of the wrong formulas for a gradient.

    A formula has to differ from the gradient, and from the other formulas, in the same shape and with finite numbers.
    """
    return ((each.words.name, fault) for fault in _faults(each.values))


def runs(each: Evaluated) -> list[tuple[str, list[str], str, bool]]:
    """The wrong formulas for a gradient: its name, the consumers, the formula, whether it runs."""
    words, (values, _) = each.words, each.values[0]
    return [(words.name, sorted(words.through), mistake.formula, mistake.formula in values) for mistake in words.mistakes]


def _faults(evaluations: list[tuple[dict[str, Tensor], Reference]]) -> Iterator[str]:
    for values, truth in evaluations:
        for formula, value in values.items():
            shape, right = tuple(value.shape), tuple(truth.exact.shape)
            if shape != right:
                yield f"the formula `{formula}` has the shape {shape}, and the gradient {right}."
            elif not value.isfinite().all():
                yield f"the formula `{formula}` gives numbers that are not finite."
            elif compare(value, truth) is None:
                yield f"the formula `{formula}` is right."
        for one, other in combinations(values, 2):
            if _are_near(values[one], values[other]):
                yield f"the formulas `{one}` and `{other}` give the same numbers."


def _values(tape: Tape, words: Advice) -> list[tuple[dict[str, Tensor], Reference]]:
    variable = words.name[1:]
    found = []
    for case in step_cases(tape, variable, EXAM.seed, own=1, resampled=1):
        evidence = evidence_of(torch.zeros_like(case.state[variable]), tape, variable, case, {})
        values = {mistake.formula: mistake.value(evidence.names) for mistake in words.mistakes}
        there = {formula: value for formula, value in values.items() if value is not None}
        found.append((there, step_reference(tape, variable, case)))
    return found


def _are_near(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or not (one.isfinite().all() and other.isfinite().all()):
        return False
    largest = max(float(one.abs().max()), float(other.abs().max()))
    return float((one - other).abs().max()) <= SAME_NUMBERS * largest


def report(names: list[str]) -> str:
    """What only the examiner of a solved notebook can say, as JSON: it is called there, by the last cell.

    `zeros` are the gradients that are zero whatever the numbers are, and `passing` those of `names` whose tests would accept
    literal zeros. `rows`, `faults` and `formulas` are about the lesson; `weights` are tensors without gradients. `rowless` are
    the forward passes of single numbers, by their fingerprints.
    """
    session = current_session()
    tapes = session.tapes.values()
    zeros = [asdict(zero) for tape in tapes for zero in structural_zeros(tape)]
    known = [row for tape in tapes for row in rows(tape)]
    try:
        words = [each for tape in tapes for each in evaluated(tape, Path())]
        found = [fault for each in words for fault in faults(each)]
        formulas = [formula for each in words for formula in runs(each)]
    except ContentError as error:
        found, formulas = [("", str(error))], []
    passing = [name for name in names if claim(session, Question(name)).accepts_zeros()]
    weights = [weight for tape in tapes for weight in tape.weights]
    rowless = [
        fingerprint(source)
        for source, tape in session.tapes.items()
        if not any(value.dim() for value in tape.state.values() if isinstance(value, Tensor))
    ]
    about_lesson = {"rows": known, "faults": found, "formulas": formulas}
    return json.dumps({"zeros": zeros, "passing": passing, **about_lesson, "weights": weights, "rowless": rowless})
