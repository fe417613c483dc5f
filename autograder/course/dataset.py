"""The names, and the examples of a character model made from them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autograder.course.names import NAMES_FILES
from autograder.errors import ContentError

END = "."
"""The character that pads the context before a name and ends it; its index is 0."""


def load_names(path: str | os.PathLike[str] | None = None) -> list[str]:
    """The names of a file, one a line, in its order; of the list that comes with the course where no path is given.

    Raises ContentError if there is no such file, or nothing in it.
    """
    places = NAMES_FILES if path is None else (Path(path),)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ContentError(f"there is no list of names at {places[-1]}. Give the path of a text file with one name a line.")
    try:
        names = found.read_text(encoding="utf-8-sig").split()
    except UnicodeDecodeError as error:
        raise ContentError(f"{found} is no UTF-8 text ({error}). Save it as UTF-8, one name a line.") from None
    if not names:
        raise ContentError(f"{found} is empty. It should have one name a line.")
    return names


def vocabulary(names: Sequence[str]) -> dict[str, int]:
    """The index of every character, END first, the others in alphabetical order."""
    return {character: index for index, character in enumerate([END, *sorted(set("".join(names)) - {END})])}


def build_dataset(names: Sequence[str], block_size: int, stoi: Mapping[str, int]) -> tuple[Tensor, Tensor]:
    """All examples of the names, in order: contexts (examples, block_size) and next characters (examples,), int64.

    A name of k characters gives k + 1 examples; the first context is all END, the last target is END.
    Raises ContentError for a character that `stoi` lacks.
    """
    contexts, targets = _examples(tuple(names), block_size, tuple(stoi.items()))
    return contexts.clone(), targets.clone()


@lru_cache(maxsize=1)
def _examples(names: tuple[str, ...], block_size: int, items: tuple[tuple[str, int], ...]) -> tuple[Tensor, Tensor]:
    """The examples made last are kept: a fork server makes those of all names, and every notebook wants the same ones."""
    stoi = dict(items)
    unknown = {END, *"".join(names)} - stoi.keys()
    if unknown:
        raise ContentError(f"the vocabulary lacks {sorted(unknown)}. Make it from all names, with `vocabulary(names)`.")
    table = np.zeros(max(map(ord, stoi)) + 1, dtype=np.int64)
    for character, index in stoi.items():
        table[ord(character)] = index
    padding = END * block_size
    text = padding.join(["", *(name + END for name in names)])
    characters = table[np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)]
    sizes = np.array([block_size + len(name) + 1 for name in names], dtype=np.int64)
    starts = sizes.cumsum() - sizes
    is_target = np.ones(len(characters), dtype=bool)
    is_target[starts[:, None] + np.arange(block_size)] = False
    targets = np.flatnonzero(is_target)
    contexts = targets[:, None] + np.arange(-block_size, 0)
    return torch.from_numpy(characters[contexts]), torch.from_numpy(characters[targets])
