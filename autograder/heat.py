"""Where an answer is wrong: in a sentence, and as a picture made of digits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FINEST = 64
"""Rows and columns of the picture at most; of larger tensors several entries share a place."""
MOST = 1e300
"""As far off as an entry can be."""
FEW = 3
"""Rows or columns that are listed by their numbers."""


def whereabouts(wrong: Tensor) -> str:
    """Which entries are wrong, as a sentence. `wrong` is a tensor of bool with at least one true entry."""
    count, size = int(wrong.sum()), wrong.numel()
    if size == 1:
        return ""
    if count == size:
        return "Wrong in every entry."
    axes = ("row", "column") if wrong.dim() > 1 else ()
    lines = [(one, wrong.transpose(0, axis).flatten(1)) for axis, one in enumerate(axes)]
    for one, each in lines:
        touched = each.any(1)
        numbers = touched.nonzero().flatten().tolist()
        if bool(each[touched].all()):
            more = f" and {len(numbers) - FEW} more" if len(numbers) > FEW else ""
            return f"Wrong in all of {one}{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:FEW]))}{more}."
    for one, each in lines:
        if bool((each.sum(1) == 1).all()):
            return f"Wrong in one entry of each {one}."
    return f"Wrong in {count} of {size} entries."


def heat_of(off: Tensor) -> tuple[str, ...]:
    """A string of digits for each row: 0 where an entry is off by at most 1, and 9 where it is off most.

    Axes after the first share a row; a tensor of one axis is one row.
    """
    if not off.numel() or off.dim() == 0:
        return ()
    off = off.double().nan_to_num(nan=MOST, posinf=MOST).clamp(max=MOST)
    picture = off.reshape(len(off), -1) if off.dim() > 1 else off.reshape(1, -1)
    fine = [min(size, FINEST) for size in picture.shape]
    pooled = F.adaptive_max_pool2d(picture[None], fine)[0]
    levels = torch.where(pooled > 1, (9 * pooled / pooled.max()).ceil().clamp(1, 9), torch.zeros_like(pooled))
    return tuple("".join(str(int(level)) for level in row) for row in levels.tolist())
