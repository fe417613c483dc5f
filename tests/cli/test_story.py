"""A learner alone with the course, from the first folder to the last objective, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.course import catalogue
from tests.support.learner import Learner, autograder, lines, runtime
from tests.support.rooms import linux

pytestmark = [linux, pytest.mark.timeout(600)]

POINTS = {"bigrams": 27, "mlp": 30, "batchnorm": 35, "backprop": 44, "wavenet": 45}

MISTAKES = {
    "bigrams": ("1-counting", "P", "P = (N + 1) / (N + 1).sum(1)", "stay a column"),
    "mlp": ("2-backward", "dlogits", "dlogits = F.softmax(logits, 1) / n", "dlogits: wrong"),
    "batchnorm": (
        "2-layer",
        "running",
        "def running(old, new, momentum):\n    return momentum * old + (1 - momentum) * new",
        "running: wrong",
    ),
    "backprop": ("2-cross-entropy", "dlogits", "dlogits = F.softmax(logits, 1)", "dlogits: wrong"),
    "wavenet": (
        "1-modules",
        "Tanh",
        "class Tanh:\n    def __call__(self, x):\n        return x / (1 + x.abs())",
        "Tanh: wrong",
    ),
}
"""What is first written into a cell of each assignment, and a part of what is said of it."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with runtime(tmp_path / "run") as place:
        yield place


@pytest.mark.parametrize(
    "begun", [pytest.param([*POINTS][:1], id="begin"), pytest.param([*POINTS], id="all", marks=pytest.mark.long)]
)
def test_a_learner_goes_through_the_course(begun: list[str]) -> None:
    made = autograder("new", "my-course")
    assert made.exit_code == 0
    course = Path("my-course")
    assert [each.name for each in catalogue.default().assignments] == [*POINTS], "in the order of the lectures"
    total, reached = sum(POINTS.values()), 0
    assert f" 0 of {total} points, " in lines(autograder("progress", course))[-1]

    for assignment in begun:
        points = POINTS[assignment]
        learner = Learner(course / assignment, assignment)
        stem, name, wrong, words = MISTAKES[assignment]
        learner.writes({name: wrong}, stem)
        told = autograder("check", learner.notebook(stem))
        assert told.exit_code == 1
        assert words in told.output
        assert "hint 1 of" in autograder("hint", name, learner.notebook(stem)).output

        for stem in learner.model:
            learner.solves(stem)
        told = autograder("check", course / assignment)
        assert told.exit_code == 0, told.output
        assert lines(told)[-1] == f"{points} of {points} points. All right!"

        reached += points
        shown = lines(autograder("progress", "--course", course / assignment))
        assert f" {reached} of {total} points, " in shown[-1]
        (own,) = (line for line in shown if line.startswith(f"{assignment} "))
        assert f"{points} of {points} points" in own

    shown = lines(autograder("progress", course))
    assert sum(line.strip().startswith("✓") for line in shown) > 4 * len(begun)
    assert len(begun) < len(POINTS) or not [line for line in shown if line.strip().startswith("·")], "all are reached"
