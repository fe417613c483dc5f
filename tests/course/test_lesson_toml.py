"""What the flagship's lesson has to say beyond what the linter asks of every lesson."""

from __future__ import annotations

from collections.abc import Callable

from autograder.course.lesson import load_lesson
from autograder.course.order import LESSON_FILE
from scripts.submissions import SOURCE
from tests.support.lesson import Lesson


def test_every_gradient_inside_the_whole_backward_pass_has_hints(lesson: Callable[[str], Lesson]) -> None:
    rows = {(row.name, row.through): row.hints for row in load_lesson(SOURCE / LESSON_FILE)}
    (tape,) = lesson("4-train").session.tapes.values()
    for variable in tape.variables[:-1]:
        assert rows[f"d{variable}", frozenset(tape.consumers(variable))]
