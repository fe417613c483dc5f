from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Tests run side by side; threads of torch would only fight over the processors. Kernels inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

# nbgrader calls alembic by name for a new gradebook: it lies beside this Python, also where that is not activated.
if not shutil.which("alembic"):
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])

from autograder import repair
from tests.lesson import Lesson

# On a busy machine a search must not end early, and say less: only the number of changes ends it here.
repair.SECONDS = 60.0


@pytest.fixture(scope="module")
def lesson() -> Callable[[str], Lesson]:
    """Solved notebooks by name, each run once for the tests of a module."""
    lessons: dict[str, Lesson] = {}

    def of(name: str) -> Lesson:
        if name not in lessons:
            lessons[name] = Lesson(name)
        return lessons[name]

    return of
