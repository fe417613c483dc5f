"""Inputs of an ask, drawn by their kinds, smallest first.

They come from Python's own generator, which gives the same numbers on every machine and with every version of torch: what a
release has recorded of them has to fit there too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase
from typing import Any

import torch
from torch import Tensor

SIZES = (1, 2, 3, 5, 9, 300)
"""How large the cases are: the number of examples, or of names."""
OTHER_SIZES = {1: 2, 2: 3, 3: 5, 5: 7, 9: 11, 300: 6}
"""The first size of a case that is no number of examples; further ones are larger, and all of them differ."""
SPECIAL = 3
"""The size of what is drawn in a case of the instructor's."""
LECTURES = 27
"""The size of the lectures' vocabulary. No drawn size is equal to it, or a literal in an answer would not show."""
LONG = SIZES[-1]
MAX_LETTERS = 7
"""Letters of a drawn name, but for the long one."""
ZERO_SHARE = 0.3
"""The share of drawn counts that are zero."""


@dataclass(frozen=True)
class Seed:
    """What stands for a generator in a case: it is made where the answer runs."""

    number: int


@dataclass(frozen=True)
class Input:
    """An input of an ask: its name, its kind, and the sizes that stand behind it."""

    name: str
    kind: str
    dims: tuple[str | float, ...]


@dataclass
class Draw:
    """A case that is being drawn: its place among the cases, its size, and the sizes and letters so far."""

    rng: random.Random
    place: int
    size: int
    sizes: dict[str, int] = field(default_factory=dict)
    letters: dict[str, str] = field(default_factory=dict)

    def shape(self, dims: Sequence[str | float]) -> list[int]:
        return [self.sizes[dim] if isinstance(dim, str) else int(dim) for dim in dims]

    def alphabet(self, dims: Sequence[str | float]) -> str:
        """The letters of an alphabet of this size with the dot; the same ones wherever the size has the same name."""
        name = str(dims[0])
        if name not in self.letters:
            count = self.shape(dims)[0] - 1
            chosen = ascii_lowercase if self.size > 1 else ascii_lowercase[:count]
            self.letters[name] = "".join(sorted(self.rng.sample(chosen, count)))
        return self.letters[name]

    def entries(self, dims: Sequence[str | float], one: Callable[[], float]) -> Tensor:
        """A tensor of this shape in which every entry is drawn by itself."""
        shape = self.shape(dims)
        return torch.tensor([one() for _ in range(math.prod(shape))], dtype=torch.float64).reshape(shape)

    def counts(self, dims: Sequence[str | float]) -> Tensor:
        most = 9_000 if self.size == LONG else 9
        one = self.rng.random
        drawn = self.entries(dims, lambda: 0 if one() < ZERO_SHARE else 1 + self.rng.randrange(most))
        return drawn.to(torch.int32)

    def probs(self, dims: Sequence[str | float]) -> Tensor:
        drawn = self.entries(dims, lambda: self.rng.random() + 0.05)
        return (drawn / drawn.sum(-1, keepdim=True)).float()

    def real(self, dims: Sequence[str | float]) -> Tensor:
        return self.entries(dims, lambda: self.rng.gauss(0, 1)).float()

    def logits(self, dims: Sequence[str | float]) -> Tensor:
        return 3 * self.real(dims)

    def index(self, dims: Sequence[str | float]) -> Tensor:
        *shape, bound = self.shape(dims)
        return self.entries([float(size) for size in shape], lambda: self.rng.randrange(bound)).long()

    def vocabulary(self, dims: Sequence[str | float]) -> dict[str, int]:
        return {letter: index for index, letter in enumerate("." + self.alphabet(dims))}

    def names(self, dims: Sequence[str | float]) -> list[str]:
        letters = self.alphabet(dims)
        if self.size == 1:
            return [letters[0]]
        used = letters[: math.ceil(len(letters) / 2)] if self.place % 2 else letters
        drawn = ["".join(self.rng.choices(used, k=self.rng.randint(1, MAX_LETTERS))) for _ in range(min(self.size, 9))]
        if self.size == SPECIAL:
            drawn[-1] = drawn[0]
        return [*drawn, letters[0] * LONG] if self.size == LONG else drawn

    def number(self, dims: Sequence[str | float]) -> str | float:
        return dims[self.place % len(dims)]

    def generator(self, dims: Sequence[str | float]) -> Seed:
        return Seed(self.rng.getrandbits(31))

    def whole(self, dims: Sequence[str | float]) -> int:
        """A size that is an input itself: the bounds and what lies between, in turn."""
        low, high = int(dims[0]), int(dims[1])
        return high if self.place == 1 else low + self.place % (high - low + 1)


@dataclass(frozen=True)
class Kind:
    """A kind of input: how one is drawn, how many sizes it has (`most` is None for any number), and an example."""

    draw: Callable[[Draw, Sequence[str | float]], Any]
    least: int
    most: int | None
    example: str
    numbers: bool = False
    """Whether its sizes are numbers, and not names."""

    def problem(self, dims: Sequence[str | float]) -> str:
        """Why a kind cannot have these sizes; nothing if it can."""
        if len(dims) < self.least or (self.most is not None and len(dims) > self.most):
            return "it has another number of sizes."
        if self.numbers and any(isinstance(dim, str) for dim in dims):
            return "its brackets hold numbers."
        return ""


KINDS: Mapping[str, Kind] = {
    "names": Kind(Draw.names, 1, 1, "names: names[v]"),
    "vocabulary": Kind(Draw.vocabulary, 1, 1, "stoi: vocabulary[v]"),
    "counts": Kind(Draw.counts, 1, None, "N: counts[v, v]"),
    "probs": Kind(Draw.probs, 1, None, "P: probs[v, v]"),
    "real": Kind(Draw.real, 1, None, "x: real[n, c]"),
    "logits": Kind(Draw.logits, 1, None, "logits: logits[n, v]"),
    "index": Kind(Draw.index, 2, None, "x: index[n, v]"),
    "size": Kind(Draw.whole, 2, 2, "b: size[1, 8]", numbers=True),
    "number": Kind(Draw.number, 1, None, "k: number[0.5, 1, 100]", numbers=True),
    "generator": Kind(Draw.generator, 0, 0, "g: generator"),
}
"""The kinds of inputs by name."""


def drawn(inputs: Sequence[Input], seed: str, place: int, size: int) -> dict[str, Any]:
    """Values for inputs, in a case of this size, with the sizes by their names. `place` is that among the cases."""
    draw = Draw(random.Random(f"{seed}/{place}"), place, size)
    for each in inputs:
        if each.kind == "size":
            draw.sizes[each.name] = draw.whole(each.dims)
    _find_sizes(inputs, draw)
    values = {
        each.name: draw.sizes[each.name] if each.kind == "size" else KINDS[each.kind].draw(draw, each.dims) for each in inputs
    }
    return {**draw.sizes, **values}


def _find_sizes(inputs: Sequence[Input], draw: Draw) -> None:
    """Gives every named size a value: the number of examples is that of the case, all others are small and differ."""
    placed = [(dim, place, each.kind) for each in inputs for place, dim in enumerate(each.dims) if isinstance(dim, str)]
    names = list(dict.fromkeys(dim for dim, _, _ in placed))
    examples = [
        name
        for name in names
        if all(place == 0 and kind not in ("names", "vocabulary") for dim, place, kind in placed if dim == name)
    ]
    next_size = OTHER_SIZES[draw.size]
    for name in names:
        if name in draw.sizes:
            continue
        if examples and name == examples[0]:
            draw.sizes[name] = draw.size
            continue
        while next_size in (LECTURES, draw.size, *draw.sizes.values()):
            next_size += 1
        draw.sizes[name] = next_size


def nudged(value: Any, rng: random.Random) -> Any:
    """A value in which every float32 number is moved by one unit in the last place, up or down; float64 throughout."""
    if not (isinstance(value, Tensor) and value.is_floating_point()):
        return value
    signs = torch.tensor([rng.choice((-1.0, 1.0)) for _ in range(value.numel())], dtype=torch.float64).reshape(value.shape)
    spacing = torch.nextafter(value.abs(), torch.tensor(math.inf)) - value.abs()
    return value.double() + signs * spacing.double()


def promoted(value: Any) -> Any:
    """A value in float64, if it is a floating-point tensor or has such among its entries."""
    match value:
        case Tensor():
            return value.double() if value.is_floating_point() else value
        case list() | tuple():
            return type(value)(map(promoted, value))
        case dict():
            return {key: promoted(item) for key, item in value.items()}
    return value


def in_words(value: Any) -> str:
    """A value of a case in one line, as Python would have it."""
    match value:
        case Tensor() if value.dim() == 0:
            return f"{value.item():.4g}"
        case Tensor():
            rows = [in_words(row) for row in value]
            return f"[{', '.join(rows)}]"
        case float():
            return f"{value:.4g}"
        case list() | tuple():
            return f"[{', '.join(map(in_words, value))}]"
        case dict():
            return "{" + ", ".join(f"{key!r}: {in_words(item)}" for key, item in value.items()) + "}"
        case str():
            return '"' + value + '"'
        case Seed():
            return "a generator"
    return str(value)
