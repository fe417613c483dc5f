"""The table of ordinary tests in plain.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

SETUP = """import random

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F"""


@dataclass(frozen=True)
class Row:
    """An exercise: two answers, and a test of 2 points. `marks` are those of the right answer and of the wrong one."""

    kind: str
    name: str
    right: str
    wrong: str
    shown: str = ""
    hidden: str = ""
    given: str = ""
    marks: tuple[float, float] = (2, 0)

    @staticmethod
    def of(fields: dict[str, str]) -> Row:
        texts = {name: value.strip("\n") if isinstance(value, str) else tuple(value) for name, value in fields.items()}
        return Row(**texts)  # type: ignore[arg-type]


ROWS = [Row.of(fields) for fields in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))["row"]]
