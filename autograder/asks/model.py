"""The instructor's own answer to an ask, run on the same inputs: in float64 for the numbers, in float32 for how they round."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from autograder.asks.by_autograd import by_autograd
from autograder.asks.inputs import nudged, promoted
from autograder.asks.observing import AskCase, Mode
from autograder.errors import ContentError
from autograder.replay.answer import Call, run_answer
from autograder.replay.drill import drive
from autograder.replay.parsed import parse_cell
from autograder.replay.run import MISSING, Replay, TooSlow
from autograder.tape.cases import Reference

NUDGES = 2
"""How often the inputs are nudged by a unit in the last place."""
NUDGE_FACTOR = 4
"""How much further than nudged inputs move the result a right answer may be off."""
MODEL_DRAWS = 3
"""How many times as often as an answer the model draws, to be counted: its own chance then hardly matters."""


@dataclass(frozen=True)
class Expected(Reference):
    """A tensor that an answer is compared with. `allowed` is how far off it may be for the inputs' own rounding."""

    allowed: float = 0.0

    @property
    def tolerance(self) -> float:
        return max(super().tolerance, self.allowed)


def outcome(case: AskCase, code: str, namespace: Mapping[str, Any]) -> Any:
    """What is right on a case, by a model answer with this code: a value in which every float tensor is an Expected.

    Raises ContentError if the model answer stops.
    """
    call = _call(case)
    result = _by_autograd if case.ask.method == "backward" else _result
    rounded = case.observed(result(call, code, namespace))
    if case.mode not in (Mode.VALUE, Mode.YIELDS):
        return rounded
    changed = [_changed(call, promoted)]
    for number in range(NUDGES):
        rng = random.Random(number)
        changed.append(_changed(call, lambda value, rng=rng: nudged(value, rng)))
    try:
        with _in_float64():
            exact, *others = (case.observed(result(each, code, namespace)) for each in changed)
    except ContentError:  # a model answer that fixes its dtype cannot be run in float64
        return expected(rounded, rounded, [])
    return expected(exact, rounded, others)


def raw_outcome(case: AskCase, code: str, namespace: Mapping[str, Any]) -> Any:
    """What a planted mistake with this code comes to on a case; of one that stops in a drill, what was yielded before.

    Raises ContentError if it gives nothing.
    """
    call = _call(case)
    replay = _replay(replace(call, without=()), code, namespace)
    is_partial = call.drill and not isinstance(replay.error, TooSlow)
    return case.observed(replay.answer if is_partial else _whole(call, replay))


def form_outcome(case: AskCase, code: str, namespace: Mapping[str, Any]) -> Any:
    """What another form of the model answer comes to on a case: it may use no more than students may.

    Raises ContentError if it stops.
    """
    call = _call(case)
    return case.observed(_whole(call, _replay(call, code, namespace)))


def _call(case: AskCase) -> Call:
    """The call of a model answer on a case."""
    call = case.call()
    return replace(call, repeat=call.repeat * MODEL_DRAWS) if case.mode is Mode.OFTEN else call


def _changed(call: Call, change: Any) -> Call:
    arguments, given = ({name: change(value) for name, value in part.items()} for part in (call.arguments, call.given))
    return replace(call, arguments=arguments, given=given)


def _result(call: Call, code: str, namespace: Mapping[str, Any]) -> Any:
    """What the model answer gives, which may use what it likes. Raises ContentError if it stops."""
    replay = _replay(replace(call, without=()), code, namespace)
    if call.drill and replay.changed:
        raise ContentError(f"`{replay.changed[0]}` is changed in place, by the drill of `{call.name}` or by the model answer")
    return _whole(call, replay)


def _replay(call: Call, code: str, namespace: Mapping[str, Any]) -> Replay:
    names = _names(call, code, namespace) if call.is_function else dict(namespace)
    return run_answer(call, parse_cell(code), names)


def _whole(call: Call, replay: Replay) -> Any:
    """What a replay gave. Raises ContentError if that is nothing, or a drill did not come to its end."""
    if replay.answer is MISSING or (call.drill and replay.error is not None):
        problem = f"the model answer for `{call.name}` gives it no value, or is no Python"
        if replay.error is not None:
            problem = f"the model answer for `{call.name}` stops: {type(replay.error).__name__}: {replay.error}"
        raise ContentError(problem) from replay.error
    return replay.answer


def _names(call: Call, code: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The names of a notebook in which the model answer has run. Raises ContentError if it stops."""
    names = dict(namespace)
    try:
        for statement in parse_cell(code).statements:
            exec(statement.code, names)
    except Exception as error:
        raise ContentError(f"the model answer for `{call.name}` stops: {type(error).__name__}: {error}") from None
    if call.name not in names:
        raise ContentError(f"the model answer for `{call.name}` defines nothing of that name")
    return names


def _by_autograd(call: Call, code: str, namespace: Mapping[str, Any]) -> Any:
    """What a drill yields of the model's class where autograd stands in place of its `backward`."""
    kind = _names(call, code, namespace)[call.name]
    yields: dict[str, Any] = {}
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.default_generator.manual_seed(0)
            drive(call.drill, by_autograd(kind), deepcopy(dict(call.arguments)), yields)
    except Exception as error:
        raise ContentError(f"the drill of `{call.name}` stops: {type(error).__name__}: {error}") from None
    return yields


@contextmanager
def _in_float64() -> Iterator[None]:
    """Tensors that are made without a dtype are of float64 meanwhile."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def expected(exact: Any, rounded: Any, others: Sequence[Any]) -> Any:
    """A value of the same form as `rounded`, in which every float tensor is an Expected. `others` are by nudged inputs."""
    match rounded:
        case Tensor() if rounded.is_floating_point():
            if not isinstance(exact, Tensor) or exact.shape != rounded.shape:
                exact, others = rounded, []
            exact, others = exact.double(), [other for other in others if isinstance(other, Tensor)]
            moved = [float((other.double() - exact).abs().nan_to_num().max()) for other in others if exact.numel()]
            return Expected(exact, rounded, NUDGE_FACTOR * max(moved, default=0.0))
        case list() | tuple():
            parts = [exact, *others]
            if any(not isinstance(part, list | tuple) or len(part) != len(rounded) for part in parts):
                exact, others = rounded, []
            return [expected(exact[place], item, [other[place] for other in others]) for place, item in enumerate(rounded)]
        case dict():
            if any(not isinstance(part, dict) or part.keys() != rounded.keys() for part in (exact, *others)):
                exact, others = rounded, []
            return {key: expected(exact[key], item, [other[key] for other in others]) for key, item in rounded.items()}
        case torch.Size():
            return list(rounded)
    return rounded
