"""What is recorded of asks: it comes back as it was, and is of no use for another ask, or without its file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autograder.asks import recorded
from autograder.asks.ask import parse_ask
from autograder.asks.model import Expected, outcome
from autograder.asks.observing import PRACTICE_SEED, cases_of
from autograder.asks.recorded import FILE, STOPS, Planted, Recorded
from autograder.course.questions import Question
from autograder.errors import ContentError, NotReady
from autograder.judge.judging import PRACTICE, judge
from autograder.judge.kinds import claim
from autograder.verdict import Outcome, Verdict
from tests.support.asked import in_session

ASK = "double(x: real[n])"
RIGHT = "double = 2 * x"


def record(folder: Path, source: str = ASK) -> Path:
    ask = parse_ask(source)
    right = tuple(outcome(case, RIGHT, {}) for case in cases_of(ask, PRACTICE_SEED))
    (folder / FILE).write_bytes(recorded.written({ask.name: Recorded(ask.source.strip(), right)}))
    return folder / FILE


def check(folder: Path, answer: str, source: str = ASK) -> Verdict:
    session = in_session({"double": source}, answer, {"x": torch.ones(2), "torch": torch}, folder)
    return judge(claim(session, Question("double")), PRACTICE)


def test_an_answer_is_held_against_it(tmp_path: Path) -> None:
    record(tmp_path)
    assert check(tmp_path, "double = x + x").outcome is Outcome.RIGHT
    assert check(tmp_path, "double = 3 * x").outcome is Outcome.WRONG


def test_a_half_made_answer_is_not_judged(tmp_path: Path) -> None:
    record(tmp_path)
    verdict = check(tmp_path, "double = torch.zeros_like(x)\ntwice = 2 * xx\nfor k in range(len(x)):\n    double[k] = twice[k]")
    assert (
        verdict.diagnosis
        == "The cell for `double` stopped before it had an answer. There is no `xx` here, and no name like it."
    )
    assert verdict.seen == "NameError: name 'xx' is not defined"


@pytest.mark.parametrize("spoil", ["of another ask", "gone", "broken"])
def test_what_does_not_fit_judges_nothing_and_says_what_to_do(spoil: str, tmp_path: Path) -> None:
    """`double(x: real[n])` has as many cases as `double(x: real[n, c])`, and other inputs."""
    file = record(tmp_path, "double(x: real[n, c])" if spoil == "of another ask" else ASK)
    if spoil == "gone":
        file.unlink()
    if spoil == "broken":
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(NotReady, match=r"nothing is recorded for `double`.* of the same release\. `autograder new NAME`"):
        check(tmp_path, RIGHT)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    half = torch.tensor(0.5, dtype=torch.float64)
    right = (Expected(half, half.float(), 0.25), torch.tensor([[1, 2]]), ["a", 1, None, 2.5], {"a": torch.tensor([True])})
    planted = Planted("It is doubled twice.", "Once is enough.", (torch.tensor([1.0]), STOPS, {"of": 3}, "."))
    (tmp_path / FILE).write_bytes(recorded.written({"x": Recorded("x(n: counts[v])", right, (planted,))}))
    found = recorded.read(tmp_path / FILE)["x"]
    assert found.ask == "x(n: counts[v])"
    assert all(map(recorded.same, found.right, right)) and len(found.right) == len(right)
    assert found.right[0].tolerance == 0.25
    assert (found.mistakes[0].sentence, found.mistakes[0].next_step) == (planted.sentence, planted.next_step)
    assert all(map(recorded.same, found.mistakes[0].outcomes, planted.outcomes))


def test_what_cannot_be_recorded_is_refused() -> None:
    with pytest.raises(ContentError, match="type `object` cannot be recorded"):
        recorded.written({"x": Recorded("", (object(),))})
