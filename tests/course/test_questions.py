"""What the tests of a course ask for."""

from __future__ import annotations

import pytest

from autograder.course.questions import Question, questions_in, shown_in


def test_the_questions_of_a_cell() -> None:
    assert questions_in('check("da")\ngrade("db", by="f")') == {"check": {Question("da")}, "grade": {Question("db", "f")}}
    assert (Question("da").answer, Question("db", "f").answer) == ("da", "f")


def test_what_students_see_is_in_order() -> None:
    assert shown_in('for _ in "x":\n    check("db", by="f")\ncheck("da")\ngrade("dc")') == [Question("da"), Question("db", "f")]


@pytest.mark.parametrize("source", ['check("da", by=3)', "check(7)", "check()", "check(name)", "self.check('da')"])
def test_what_makes_no_sense_asks_for_nothing(source: str) -> None:
    assert questions_in(source) == {"check": set(), "grade": set()}


def test_a_question_may_stand_behind_a_magic() -> None:
    assert questions_in('%time check("da")') == {"check": {Question("da")}, "grade": set()}


@pytest.mark.parametrize("source", ["check('da'", "x = 1\0", "(" * 500])
def test_what_is_not_python_asks_for_nothing(source: str) -> None:
    assert shown_in(source) == []
    with pytest.raises((SyntaxError, ValueError, MemoryError)):
        questions_in(source)
