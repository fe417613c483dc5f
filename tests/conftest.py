from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

# Tests run side by side; threads of torch would only fight over the processors. Kernels inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

from autograder import repair
from scripts import demo
from tests.lesson import Lesson

if not shutil.which("alembic"):  # which nbgrader calls by name, also where the environment is not activated
    os.environ["PATH"] = demo.PATH

# On a busy machine a search must not end early, and say less: only the number of changes ends it here.
repair.SECONDS = 60.0


FIRST = [
    *("room", "lockdown"),
    *("attacks", "restart", "classroom", "course", "mutation", "desk", "ahead", "exchange", "jupyterlab", "sanitised"),
    *("restoring", "formgrader", "grader", "tutor", "lint", "examiner", "recorder"),
    *("slicing", "learning", "staying", "watching", "scale"),
]
"""Modules that are begun first: those that fork this process while it is small, then slow ones, so that none ends alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    names = [f"test_{name}" for name in FIRST]
    items.sort(key=lambda item: names.index(item.path.stem) if item.path.stem in names else len(names))


@pytest.fixture(scope="module")
def lesson() -> Callable[[str], Lesson]:
    """Solved notebooks by name, each run once for the tests of a module."""
    lessons: dict[str, Lesson] = {}

    def of(name: str) -> Lesson:
        if name not in lessons:
            lessons[name] = Lesson(name)
        return lessons[name]

    return of
