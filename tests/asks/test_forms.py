"""Every ask accepts right answers in other styles and rejects wrong ones, by what is recorded and beside the model answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from autograder.course.questions import parse_answer
from autograder.replay import answer
from autograder.verdict import Mistake, Outcome
from tests.support.asked import ASSIGNMENTS, Form, asked, forms, models, verdict

ALL = [form for assignment in ASSIGNMENTS for form in forms(assignment)]
ENOUGH = {
    ("batchnorm", "BatchNorm1d"): (8, 25),
    ("wavenet", "FlattenConsecutive"): (5, 15),
    ("wavenet", "BatchNorm1d"): (8, 25),
}
"""How many right and wrong answers there are at least to an ask, where it is not 5 and 10."""
LEFT = (
    "the chosen k goes through a float32 tensor and is none of ks any more",
    "quotient of exponentials, nan for large x",
)
"""Answers of the blind list that are wrong and accepted.

The first is equal to the right one to the last digit of a float32, the second right by definition, up to numbers beyond 88.
"""
BLIND = [form for assignment in ASSIGNMENTS for form in forms(f"{assignment}-blind") if form.about not in LEFT]


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """What does not end is waited for for less long: a right answer takes some hundredths of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer, "CALL_SECONDS", 1.0)
        yield


RIGHT = [form for form in ALL + BLIND if form.right]
WRONG = [form for form in ALL + BLIND if not form.right]


def checked_and_examined(forms: Sequence[Form]) -> list[Any]:
    """All are checked, and every sixth is examined as well: `make test-long` examines all."""
    return [
        pytest.param(
            form, exam, id=f"{form}-{'exam' if exam else 'check'}", marks=[pytest.mark.long] * (exam and number % 6 > 0)
        )
        for exam in (False, True)
        for number, form in enumerate(forms)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("form", "exam"), checked_and_examined(RIGHT))
def test_right_answers_in_other_styles_are_accepted(form: Form, exam: bool) -> None:
    found = verdict(form.assignment, form.name, form.code, exam)
    assert found.outcome is Outcome.RIGHT, found


@pytest.mark.slow
@pytest.mark.parametrize(("form", "exam"), checked_and_examined(WRONG))
def test_wrong_answers_are_rejected(form: Form, exam: bool) -> None:
    found = verdict(form.assignment, form.name, form.code, exam)
    assert found.outcome in (Outcome.WRONG, Outcome.COULD_NOT_TELL, Outcome.NOT_ATTEMPTED), found
    assert found.diagnosis
    if exam:
        assert not found.example, "an exam shows no numbers of its cases"


@pytest.mark.slow
@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_four_of_five_mistakes_are_named(assignment: str) -> None:
    wrong = [form for form in ALL if form.assignment == assignment and not form.right]
    generic = ("The values are wrong", "The number is wrong", "The value is wrong", "Entry ")
    found = {form: verdict(form.assignment, form.name, form.code, False) for form in wrong}
    unnamed = [form for form, its in found.items() if its.mistake is Mistake.UNKNOWN and its.diagnosis.startswith(generic)]
    assert len(unnamed) <= 0.2 * len(wrong), "\n".join(map(str, unnamed))


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in ALL if form.named], ids=str)
def test_mistakes_in_another_spelling_get_the_sentence_of_the_planted_one(form: Form) -> None:
    found = verdict(form.assignment, form.name, form.code, False)
    assert found.mistake is Mistake.LESSON or found.diagnosis == "It does not end.", found


TORCHS_OWN = {
    "inherited": (
        "class BatchNorm1d(torch.nn.BatchNorm1d):\n    def __init__(self, dim, eps=1e-5, momentum=0.1):\n"
        "        super().__init__(dim, eps, momentum)\n        self.gamma, self.beta = self.weight, self.bias\n"
        "    def parameters(self):\n        return [self.weight, self.bias]"
    ),
    "called": (
        "class BatchNorm1d:\n    def __init__(self, dim, eps=1e-5, momentum=0.1):\n"
        "        self.eps, self.momentum = eps, momentum\n"
        "        self.gamma, self.beta, self.training = torch.ones(dim), torch.zeros(dim), True\n"
        "        self.running_mean, self.running_var = torch.zeros(dim), torch.ones(dim)\n"
        "    def parameters(self):\n        return [self.gamma, self.beta]\n    def __call__(self, x):\n"
        "        moments = self.running_mean, self.running_var\n"
        "        return F.batch_norm(x, *moments, self.gamma, self.beta, self.training, self.momentum, self.eps)"
    ),
}


@pytest.mark.parametrize("code", TORCHS_OWN.values(), ids=TORCHS_OWN)
def test_torch_s_own_batchnorm_is_told_apart_from_the_lecture_s(code: str) -> None:
    found = verdict("batchnorm", "BatchNorm1d", code)
    assert found.diagnosis == (
        "The output is normalised by the biased variance: `nn.BatchNorm1d` normalises so, and the lecture does not."
    )


@pytest.mark.parametrize("exam", [False, True], ids=["check", "exam"])
def test_a_size_of_the_notebook_that_is_written_in_is_named(exam: bool) -> None:
    found = verdict("bigrams", "P", "P = (N + 1) / (N.sum(1, keepdim=True) + 27)", exam)
    assert found.mistake is Mistake.BATCH
    assert found.diagnosis == "`27` is written in: a size of the notebook's `N`, and other inputs have other sizes."


@pytest.mark.parametrize(
    ("name", "code", "example"),
    [
        (
            "N",
            "N = torch.zeros((len(stoi), len(stoi)), dtype=torch.int32)",
            """For `names = ["a"]`, `stoi = {'.': 0, 'a': 1}`, `N[., a]` is 0, and should be 1.""",
        ),
        ("P", "P = (N + 1) / (N + 1).sum(1)", "For `N = [[0, 7], [1, 9]]`, `P[0, 1]` is 0.6667, and should be 0.8889."),
        ("nll", "def nll(x, y, P):\n    return", "`x = [0]`, `y = [1]`, `P = [[0.7629, 0.2371], [0.6765, 0.3235]]`"),
        ("sample", "def sample(P, g):\n    while True:\n        pass", "`P = [[0, 1], [1, 0]]`"),
    ],
)
def test_the_smallest_case_is_shown_in_one_line(name: str, code: str, example: str) -> None:
    assert verdict("bigrams", name, code).example == example


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_ask_has_enough_of_both(assignment: str) -> None:
    for name in asked(assignment):
        mine = [form for form in ALL if (form.assignment, form.name) == (assignment, name)]
        right, wrong = ENOUGH.get((assignment, name), (5, 10))
        assert sum(form.right for form in mine) >= right, name
        assert sum(not form.right for form in mine) >= wrong, name
        assert len({form.about for form in mine}) == len(mine), name
        answer = parse_answer(models(assignment, name).source)
        assert len(answer.others) >= 1, name
        assert len(answer.others) + 1 + sum(form.right for form in mine) >= 3
