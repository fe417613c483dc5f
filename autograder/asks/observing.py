"""On what an answer to an ask is run, and what of its results counts.

An answer that draws is never compared sample by sample. In cases that are certain its result is compared like any other;
then it is counted how often each result comes, and looked at whether it draws from the generator that it was given.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.asks.ask import Ask, Lines
from autograder.asks.inputs import SIZES, SPECIAL, Seed, drawn
from autograder.course.dataset import build_dataset, vocabulary
from autograder.errors import AskError
from autograder.replay.answer import Call

KNOWN: Mapping[str, Any] = {"F": F, "build_dataset": build_dataset, "math": math, "torch": torch, "vocabulary": vocabulary}
"""What the expressions of an ask may use, beside its inputs."""
PRACTICE_SEED = "check"
"""The seed of the cases that are recorded, and that `check` judges on where the model answer is not at hand."""

OFTEN, NORMAL_DRAWS, TRIED = 600, 10, 12
"""How often an answer draws: to be counted, where it draws tensors of normal numbers, and in all other cases."""
COUNTED = 2
"""On so many drawings of the inputs it is counted: what comes out of one may happen to fit another."""
FIRST_ROWS = 4
"""So many rows in their order are no chance."""
SPREAD = "spread"
"""Under this key is how a tensor is spread that a drill yields, in place of its numbers."""
UNDECIDED = "different results, where there is no choice"
"""What an answer comes to that gives different results in a case that is certain."""


class Mode(StrEnum):
    """What is looked at: the value, what a drill yields, how often each result comes, or how it depends on the generator."""

    VALUE = "value"
    YIELDS = "yields"
    OFTEN = "often"
    SEEDS = "seeds"


@dataclass(frozen=True, eq=False)
class AskCase:
    """What an answer is run on: a value for every input and every size."""

    ask: Ask
    values: Mapping[str, Any]
    mode: Mode = Mode.VALUE
    seeds: Sequence[int] = field(default=(), repr=False)

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs in the order of the signature, but for a generator."""
        return {name: self.values[name] for name in self.ask.parameters if not isinstance(self.values[name], Seed)}

    def call(self) -> Call:
        """The call of the answer on this case."""
        ask, values = self.ask, self.values
        if ask.drill:
            taken = {name: values[name] for name in ask.drill.takes}
            return Call(ask.answer, False, taken, without=ask.without, drill=ask.drill.source)
        given = {name: values[name] for name in ask.given if name in values}
        if not ask.is_function:
            return Call(ask.name, False, given={**self.inputs, **given}, without=ask.without)
        generator = next((name for name in ask.parameters if isinstance(values[name], Seed)), "")
        times = {
            Mode.VALUE: TRIED if generator else 1,
            Mode.OFTEN: NORMAL_DRAWS if ask.random == "normal" else OFTEN,
            Mode.SEEDS: TRIED,
        }
        seeds = self.seeds or ((values[generator].number,) if generator else ())
        return Call(ask.name, True, self.inputs, given, ask.without, generator, seeds, times[self.mode])

    def observed(self, results: Any) -> Any:
        """What counts of the results of a call."""
        if self.ask.drill:
            drawn = self.ask.drill.spread
            return {
                label: {SPREAD: moments([value])} if label in drawn and isinstance(value, Tensor) else value
                for label, value in results.items()
            }
        if not self.call().generator:
            return results
        match self.mode:
            case Mode.VALUE:
                first, *others = results[0]
                return first if all(plain(each) == plain(first) for each in others) else UNDECIDED
            case Mode.OFTEN:
                return moments(results[0]) if self.ask.random == "normal" else frequencies(self.ask.random, results[0])
            case Mode.SEEDS:
                first, again, other = (list(map(plain, each)) for each in results)
                return {"again": first == again, "other": first != other}


def cases_of(ask: Ask, seed: str) -> list[AskCase]:
    """The cases of a seed, in the order in which an answer is run on them. Raises AskError where an expression stops."""
    cases: list[AskCase] = []
    if not ask.random:
        mode = Mode.YIELDS if ask.drill else Mode.VALUE
        cases += (AskCase(ask, _values(ask, seed, place, size), mode) for place, size in enumerate(SIZES))
        special = enumerate(ask.cases, len(cases))
        return [*cases, *(AskCase(ask, _values(ask, seed, place, SPECIAL, lines), mode) for place, lines in special)]
    cases += (AskCase(ask, _values(ask, seed, place, SPECIAL, lines)) for place, lines in enumerate(ask.certain))
    often = [AskCase(ask, _values(ask, seed, len(cases) + more, SPECIAL, ask.often[0]), Mode.OFTEN) for more in range(COUNTED)]
    values = often[-1].values
    start = next(value.number for value in values.values() if isinstance(value, Seed))
    return [*cases, *often, AskCase(ask, values, Mode.SEEDS, (start, start, start + 1))]


def _values(ask: Ask, seed: str, place: int, size: int, special: Lines = ()) -> dict[str, Any]:
    values = drawn(ask.drawn, f"{seed}/{ask.name}", place, size)
    fixed = {line.name: _evaluated(line.name, line.source, line.code, values) for line in special}
    values.update(fixed)
    values.update(_sizes_of(ask, fixed))
    for line in ask.derived:
        if line.name not in fixed:
            values[line.name] = _evaluated(line.name, line.source, line.code, values)
    return values


def _sizes_of(ask: Ask, fixed: Mapping[str, Any]) -> dict[str, int]:
    """The sizes by their names, of tensors that stand in place of drawn ones."""
    tensors = ((each, fixed[each.name]) for each in ask.drawn if isinstance(fixed.get(each.name), Tensor))
    sizes = ((dim, size) for each, tensor in tensors for dim, size in zip(each.dims, tensor.shape, strict=False))
    return {dim: size for dim, size in sizes if isinstance(dim, str)}


def _evaluated(name: str, source: str, code: Any, values: Mapping[str, Any]) -> Any:
    try:
        value = eval(code, {**KNOWN, **values})
    except Exception as error:
        problem = f"it stops with {type(error).__name__}: {error}"
        raise AskError(0, "", f"`{name} = {source}`: {problem}", "It may use the inputs, the sizes, and torch.") from None
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.float64 else value


def plain(value: Any) -> Any:
    """A result as values of Python, which can be counted and compared."""
    match value:
        case Tensor():
            return value.tolist()
        case list() | tuple():
            return list(map(plain, value))
    return value


def frequencies(what: str, results: Sequence[Any]) -> dict[str, int]:
    """How often each result came: each name, or each row, and whether all rows of a draw were the same."""
    if what == "names":
        return dict(sorted(Counter(map(repr, results)).items()))
    draws = [list(map(repr, rows(result))) for result in results]
    if all(draw == draws[0] for draw in draws):
        first = rows(results[0])[:FIRST_ROWS]
        in_order = first == sorted(first) and len(set(draws[0][:FIRST_ROWS])) == len(first)
        return {"the first rows" if in_order else "the same draw": len(draws)}
    alike = Counter("a draw of one row only" if len(draw) > 1 and len(set(draw)) == 1 else "a draw" for draw in draws)
    if "a draw" not in alike:
        return dict(alike)
    return dict(sorted((Counter(row for draw in draws for row in draw) + alike).items()))


def rows(result: Any) -> list[Any]:
    """The rows of tensors that belong together."""
    parts = [result] if isinstance(result, Tensor) else list(result)
    return list(zip(*(part.tolist() for part in parts), strict=True))


def moments(results: Sequence[Any]) -> list[dict[str, Any]]:
    """For each tensor that is drawn: its shape, and mean, standard deviation and kurtosis of all its entries.

    `distinct` is the share of entries that differ from all others in one draw.
    """
    found = []
    for part in zip(*([each] if isinstance(each, Tensor) else list(each) for each in results), strict=True):
        entries = torch.stack([each.double() for each in part]).flatten()
        centred = entries - entries.mean()
        deviation = float(centred.square().mean().sqrt())
        kurtosis = float((centred**4).mean()) / deviation**4 if deviation else 0.0
        distinct = len(part[0].unique()) / max(1, part[0].numel())
        found.append(
            {"shape": list(part[0].shape), "entries": entries.numel(), "mean": float(entries.mean()), "deviation": deviation,
             "kurtosis": kurtosis, "distinct": distinct}
        )  # fmt: skip
    return found


ERRORS = 5.5
"""Standard errors by which a right answer may be off: fewer than one in ten million are off by more."""
RARE = 1e-6
"""The probability with which a right answer has a higher statistic than `most_for`."""
FEWEST = 8
"""How often a result has to be expected, to be counted by itself."""


def surprise(seen: Mapping[str, int], expected: Mapping[str, int]) -> tuple[float, float]:
    """How unlikely it is that two samples are of the same distribution: a chi-square statistic, and the most that it may be.

    Results that are rare in both samples are counted together.
    """
    common = [name for name in {*seen, *expected} if seen.get(name, 0) + expected.get(name, 0) >= FEWEST]
    totals = sum(seen.values()), sum(expected.values())
    cells = [(seen.get(name, 0), expected.get(name, 0)) for name in common]
    rest = totals[0] - sum(one for one, _ in cells), totals[1] - sum(other for _, other in cells)
    cells += [rest] * (sum(rest) > 0)
    if not all(totals):
        return (0.0 if totals[0] == totals[1] else math.inf), 0.0
    ratios = math.sqrt(totals[1] / totals[0]), math.sqrt(totals[0] / totals[1])
    statistic = sum((ratios[0] * one - ratios[1] * other) ** 2 / (one + other) for one, other in cells if one + other)
    return statistic, most_for(max(1, len(cells) - 1))


def most_for(freedom: int) -> float:
    """What a chi-square statistic exceeds with the probability RARE (Wilson and Hilferty, 1931)."""
    scale = 2 / (9 * freedom)
    return float(freedom * (1 - scale + 4.75 * math.sqrt(scale)) ** 3)


def moments_off(seen: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """The first moment of a drawn tensor that is too far off: its name, or nothing."""
    entries, deviation = seen["entries"], expected["deviation"]
    if not math.isfinite(seen["deviation"]):  # no comparison with it is true
        return "deviation"
    if not deviation:
        return "deviation" if seen["deviation"] else "mean" if seen["mean"] != expected["mean"] else ""
    margin = ERRORS / math.sqrt(entries)
    if abs(seen["deviation"] / deviation - 1) > margin:
        return "deviation"
    if abs(seen["mean"] - expected["mean"]) > margin * math.sqrt(2) * deviation:
        return "mean"
    if abs(seen["kurtosis"] - expected["kurtosis"]) > 10 * margin * math.sqrt(2):
        return "kurtosis"
    return "distinct" if seen["distinct"] < 0.9 * expected["distinct"] else ""
