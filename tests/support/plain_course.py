"""A course by nbgrader's own rules, in which nothing of this package is called: essay, manual code, task, partial credit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.course import notebooks
from scripts.submissions import ROOT, graded_cell
from tests.support.commands import nbgrader

NAME = "statistics.ipynb"
KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}

SOLVED = """def mean(numbers):
    \"\"\"The mean of some numbers.\"\"\"
    # BEGIN SOLUTION
    if not numbers:
        raise ValueError("there is nothing to take the mean of")
    return sum(numbers) / len(numbers)
    # END SOLUTION"""
"""nbgrader looks for `BEGIN SOLUTION` in a line, and not for the characters before it."""

HIDDEN = """assert rounded([1, 1]) == 1
# BEGIN HIDDEN TESTS
try:
    mean([])
except ValueError as error:
    assert str(error)
else:
    assert False
# END HIDDEN TESTS"""

CREDIT = """points = 0
for numbers, wanted in (([1, 3], 1), ([2, 2], 0)):
    try:
        points += abs(spread(numbers) - wanted) < 1e-9
    except Exception:
        pass
points"""

MARKED = """Plot what you like, and say what it shows.

=== BEGIN MARK SCHEME ===
One point for the plot, one for what is said.
=== END MARK SCHEME ==="""


def cells() -> list[NotebookNode]:
    """The cells of the instructor's notebook."""
    return [
        new_markdown_cell("# Statistics", id="title"),
        graded_cell("setup", "import math\n\nseen = []\n\ndef rounded(numbers):\n    return round(mean(numbers))", locked=True),
        graded_cell("mean", SOLVED, solution=True),
        graded_cell("cell-9a1", "assert mean([1, 2]) == 1.5", grade=True, locked=True, points=1),
        graded_cell(
            "cell-9a2",
            HIDDEN,
            grade=True,
            locked=True,
            points=2,
        ),
        graded_cell(
            "spread",
            "def spread(numbers):\n    return math.sqrt(mean([(x - mean(numbers)) ** 2 for x in numbers]))",
            solution=True,
        ),
        graded_cell("cell-9a3", CREDIT, grade=True, locked=True, points=2),
        graded_cell("cell-9b", "for pair in ([1, 2], [3, 4]):\n    seen.append(mean(pair))", solution=True),
        graded_cell("cell-9a4", "assert seen == [1.5, 3.5]", grade=True, locked=True, points=1),
        graded_cell("essay", "A mean says little of outliers.", new_markdown_cell, grade=True, solution=True, points=3),
        graded_cell("code", "sorted([3, 1, 2])[1]", grade=True, solution=True, points=2),
        graded_cell("task", MARKED, new_markdown_cell, task=True, locked=True, points=2),
        new_code_cell("", id="plot"),
        graded_cell("read", "That was it.", new_markdown_cell, locked=True),
    ]


def make_course(folder: Path) -> tuple[Path, Path]:
    """A plain course in a new folder, its release made by nbgrader. The folders of the assignment in source/ and release/."""
    source = folder / "source" / "plain"
    source.mkdir(parents=True)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    notebooks.write(notebook(), source / NAME)
    nbgrader(folder, "generate_assignment", "plain")
    return source, folder / "release" / "plain"


def notebook(**metadata: Any) -> NotebookNode:
    return new_notebook(cells=cells(), metadata=KERNEL | metadata)
