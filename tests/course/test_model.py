"""Model answers, and that every other form of them is right too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autograder.course import notebooks
from autograder.course.cells import SOLUTION
from autograder.course.questions import OR, Answer, parse_answer
from autograder.judge.kinds.gradient import rounding
from autograder.verdict import FUSED, Outcome
from scripts.submissions import NOTEBOOKS, SOURCE
from tests.support.lesson import Lesson

PARSED = {
    "an answer alone": ("### BEGIN SOLUTION\ndh = 1\n### END SOLUTION", Answer("dh = 1")),
    "markers that are indented": (
        "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION",
        Answer("def f():\n    return 1"),
    ),
    "another form": ("dh = 1\n# or:\n#     dh = 2", Answer("dh = 1", (("", "dh = 2"),))),
    "a remark": ("dh = 1\n# or: In other words.\n#     dh = 2", Answer("dh = 1", (("In other words.", "dh = 2"),))),
    "several": (
        "dh = 1\n# or: Two.\n#     dh = 2\n# or:\n#     dh = 3",
        Answer("dh = 1", (("Two.", "dh = 2"), ("", "dh = 3"))),
    ),
    "indented lines": (
        "dh = 1\n# or:\n#     for k in x:\n#         dh += k",
        Answer("dh = 1", (("", "for k in x:\n    dh += k"),)),
    ),
    "a blank line in a form": ("dh = 1\n# or:\n#     a = 1\n#\n#     dh = a", Answer("dh = 1", (("", "a = 1\n\ndh = a"),))),
    "an ordinary comment": ("# the slope\ndh = 1  # or: no", Answer("# the slope\ndh = 1  # or: no")),
    "nothing": ("### BEGIN SOLUTION\n### END SOLUTION", Answer("")),
}


@pytest.mark.parametrize(("source", "answer"), PARSED.values(), ids=PARSED.keys())
def test_a_solution_cell_is_read(source: str, answer: Answer) -> None:
    assert parse_answer(source) == answer


def test_an_answer_is_shown_with_its_other_forms() -> None:
    answer = Answer("dh = 1", (("Two.", "dh = 2"), ("", "dh = 3")))
    assert str(answer) == "dh = 1\n\n# or: Two.\ndh = 2\n\n# or:\ndh = 3"
    assert str(Answer("dh = 1")) == "dh = 1"


ANSWERS = {
    (name, cell.id): parse_answer(cell.source)
    for name in NOTEBOOKS
    for cell in notebooks.code_cells(notebooks.read(SOURCE / f"{name}.ipynb"))
    if SOLUTION[0] in cell.source
}
FORMS = [
    pytest.param(name, id, code, id=f"{name}: {code.splitlines()[-1].strip()}")
    for (name, id), answer in ANSWERS.items()
    if name != "4-train"  # whose answers are functions
    for code in (answer.code, *(code for _, code in answer.others))
]


@pytest.mark.parametrize(("name", "id", "code"), FORMS)
def test_every_form_is_right_and_gets_no_remarks(lesson: Callable[[str], Lesson], name: str, id: str, code: str) -> None:
    verdict = lesson(name).answer(id, code)
    assert verdict.outcome is Outcome.RIGHT, verdict
    kinds = (rounding(0), rounding(1).partition(" 1 ")[0], FUSED)
    assert [note for note in verdict.notes if not note.startswith(kinds)] == []


def test_forms_are_forms_of_the_answer() -> None:
    assert len(FORMS) > 60
    for (name, id), answer in ANSWERS.items():
        codes = [answer.code, *(code for _, code in answer.others)]
        assert len(set(codes)) == len(codes), f"{name}: {id}"
        for code in codes:
            assert OR not in code and not code.startswith("#") and code == code.strip("\n"), f"{name}: {code}"


def test_remarks_are_sentences() -> None:
    remarks = [remark for answer in ANSWERS.values() for remark, _ in answer.others if remark]
    assert remarks
    assert [remark for remark in remarks if not (remark[0].isupper() and remark.endswith("."))] == []


def test_the_answers_that_are_functions_have_one_form() -> None:
    others = {id: answer.others for (name, id), answer in ANSWERS.items() if name == "4-train"}
    assert others == {"backward": (), "descend": ()}
