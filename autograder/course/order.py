"""The order of the assignments of a course: by `part` at the top of the lesson of each."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

LESSON_FILE = "lesson.toml"
"""Beside the notebooks of an assignment: nbgrader hands it out with them."""


def in_course_order(folders: Iterable[Path]) -> list[Path]:
    """The folders of assignments by the `part` of their lessons; those without one come last, by their names."""
    return sorted(folders, key=lambda folder: (_part(folder / LESSON_FILE), folder.name))


def _part(path: Path) -> float:
    try:
        return _part_in(path, path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError):  # whoever reads the lesson will be told
        return math.inf


@lru_cache(maxsize=32)
def _part_in(path: Path, changed: int) -> float:
    return checked_part(tomllib.loads(path.read_text(encoding="utf-8")))


def checked_part(content: Mapping[str, Any]) -> float:
    """The `part` of a lesson, infinite where there is none. Raises TypeError for one that is no number."""
    part = content.get("part", math.inf)
    if type(part) not in (int, float):
        raise TypeError(f"`part` is {part!r}, and should be a number, the place in the course")
    return float(part)
