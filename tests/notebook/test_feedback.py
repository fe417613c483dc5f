"""What a student sees of `check`, as the notebook shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autograder.course.questions import Question
from autograder.judge import wording
from autograder.judge.judging import PRACTICE
from autograder.notebook.checking import judged
from autograder.verdict import Outcome
from tests.support.lesson import Lesson

STEPS = "1-every-gradient"


@pytest.fixture(scope="module")
def here() -> Lesson:
    return Lesson(STEPS)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check notes progress beside the notebook."""
    monkeypatch.chdir(tmp_path)


def test_a_right_answer_shows_a_box_and_the_cell_passes(here: Lesson) -> None:
    result, shown = here.run('check("dprobs")')
    assert result.success
    (box,) = shown.outputs
    assert box.data["text/plain"].splitlines()[0] == (
        "✓ dprobs: right. It holds with other numbers in `dlogprobs` too, and has the shape of `probs`, (32, 27)."
    )
    assert box.data["text/html"].startswith('<div style="border-left: 6px solid #009E73;')
    assert shown.stdout == shown.stderr == ""


def test_a_wrong_answer_fails_the_cell_with_one_line_and_no_stack(here: Lesson) -> None:
    here.run("dbngain = (bnraw * dhpreact).sum(0)")
    result, shown = here.run('check("dbngain")')
    here.run(here.solutions["dbngain"])
    assert not result.success
    assert result.error_in_exec._render_traceback_() == [
        "NotRight: dbngain: wrong. The numbers are right, and the shape is not."
    ]
    assert shown.outputs[0].data["text/plain"].splitlines() == [
        "✗ dbngain: wrong. The numbers are right, and the shape is not.",
        "  seen: shape (64,)",
        "  expected: shape (1, 64)",
        "  next: Keep the axis of size 1 that is missing: by `keepdim=True` where you sum.",
    ]
    assert "checking.py" not in shown.stdout + shown.stderr


def test_nothing_is_attempted_in_a_fresh_notebook() -> None:
    fresh = Lesson(STEPS, solved=False)
    for name in fresh.solutions:
        result, shown = fresh.run(f'check("{name}")')
        assert not result.success
        assert shown.outputs[0].data["text/plain"].startswith(f"○ {name}: not attempted.")


def test_a_warning_in_an_answer_shows_nothing_in_the_check(here: Lesson) -> None:
    here.run("import warnings, sys\ndprobs = dlogprobs / probs\nwarnings.warn('careful'); print('noise', file=sys.stderr)")
    result, shown = here.run('check("dprobs")')
    assert result.success
    assert shown.stdout == shown.stderr == ""


def test_a_check_leaves_the_notebook_as_it_was(here: Lesson) -> None:
    here.run("dhprebn = dbndiff\ndhprebn += dbnmeani / n\nlog = []\nlog.append(1)")
    before = {name: value.clone() for name, value in here.shell.user_ns.items() if isinstance(value, torch.Tensor)}
    names = set(here.shell.user_ns)
    here.run('check("dhprebn")')
    assert {name for name in here.shell.user_ns if not name.startswith("_")} == {n for n in names if not n.startswith("_")}
    assert all(here.shell.user_ns[name].equal(value) for name, value in before.items())
    here.run(here.solutions["dbndiff"])
    here.run(here.solutions["dhprebn"])


def test_a_check_in_the_cell_of_the_answer_works(here: Lesson) -> None:
    result, shown = here.run('dprobs = dlogprobs / probs\ncheck("dprobs")')
    assert result.success
    assert len(shown.outputs) == 1


def test_before_the_forward_pass_it_says_what_to_run() -> None:
    fresh = Lesson(STEPS, solved=False)
    fresh.session.tapes.clear()
    result, _ = fresh.run('check("dprobs")')
    assert str(result.error_in_exec) == ("no forward pass has been recorded: run the `%%forward` cell, then this one again.")


def test_a_fault_of_the_judge_is_no_crash_and_not_right(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("planted")

    here.run("")
    monkeypatch.setattr("autograder.judge.kinds.gradient.compare", fail)
    verdict = judged(here.session, Question("dprobs"), PRACTICE)
    assert verdict == wording.judge_failed("dprobs", ZeroDivisionError("planted"))
    assert verdict.outcome is Outcome.COULD_NOT_TELL


def test_a_forward_pass_can_be_run_again_with_other_numbers(here: Lesson) -> None:
    fresh = Lesson(STEPS)
    fresh.run("C *= 2")
    (forward,) = fresh.session.tapes
    fresh.run(f"%%forward --batch n Xb Yb\n{forward}")
    assert len(fresh.session.tapes) == 1
    assert fresh.run('check("dprobs")')[0].success


def test_a_broken_line_of_a_forward_pass_is_named() -> None:
    fresh = Lesson(STEPS, solved=False)
    result, _ = fresh.run("%%forward\na = C * 2\nb = a @ C\nloss2 = b.sum()")
    message = str(result.error_in_exec)
    assert message.startswith("line 2 of the forward pass, `b = a @ C`: it stopped with RuntimeError")
    assert "a" not in fresh.shell.user_ns


def test_a_forward_pass_binds_its_lines_and_nothing_else() -> None:
    fresh = Lesson("4-train", solved=False)
    names = fresh.shell.user_ns
    assert all(
        names["parameters"][i] is names[name] for i, name in enumerate(("C", "W1", "b1", "W2", "b2", "bngain", "bnbias"))
    )
    assert not any(names[step.name].requires_grad for tape in fresh.session.tapes.values() for step in tape.steps)


def test_no_tensor_of_the_notebook_is_the_tape_s_own() -> None:
    fresh = Lesson(STEPS)
    (tape,) = fresh.session.tapes.values()
    before = {name: value.clone() for name, value in tape.state.items() if isinstance(value, torch.Tensor)}
    for name in before:
        fresh.run(f"{name}.zero_()")
    for kept in (tape.state, tape.given):
        assert all(kept[name].equal(value) for name, value in before.items() if name in kept)
