"""Faults of objectives that the linter names."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course.objectives import Asked
from autograder.lint.objectives import faults

ASKED = [
    Asked("1-first", "test-dx", "dx", "dx"),
    Asked("2-second", "test-dx", "dx", "backward"),
    Asked("2-second", "t", "dW", "dW"),
]
ROW = '[[objective]]\nsays = "{}"\nanswers = [{}]\n'
SAYS = "What goes around comes back"


@pytest.mark.parametrize(
    ("lesson", "found"),
    [
        ("", []),
        (ROW.format(SAYS, '"1-first/dx", "dW", "backward"'), []),
        (ROW.format(SAYS, '"dy"'), [(SAYS, "no test asks for `dy`.")]),
        (ROW.format(SAYS, '"1-first/dW"'), [(SAYS, "no test asks for `1-first/dW`.")]),
        (
            ROW.format(SAYS, '"dx"'),
            [(SAYS, "`dx` is asked for in several notebooks: write `1-first/dx` or `2-second/dx`.")],
        ),
        (2 * ROW.format(SAYS, '"dW"'), [(SAYS, "there is more than one objective of these words.")]),
        (ROW.format("Sums", '"dW"'), [("Sums", "an objective has 10 to 80 characters, and this one 4.")]),
        (ROW.format(81 * "s", '"dW"'), [(81 * "s", "an objective has 10 to 80 characters, and this one 81.")]),
        ("[[objective", []),  # of a file that is no TOML the linter has said so already
    ],
)
def test_a_fault_is_named_with_what_the_objective_says(lesson: str, found: list[tuple[str, str]], tmp_path: Path) -> None:
    (tmp_path / "lesson.toml").write_text(lesson)
    assert list(faults(tmp_path, ASKED)) == found


def test_what_cannot_be_read_is_one_fault(tmp_path: Path) -> None:
    assert list(faults(tmp_path, ASKED)) == []
    (tmp_path / "lesson.toml").write_text('[[objective]]\nsays = "It adds up"\n')
    ((name, problem),) = faults(tmp_path, ASKED)
    assert name == "" and problem.endswith("Every [[objective]] has says and answers.")
