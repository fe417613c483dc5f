"""A check gives what grading gives, in a room and in a process beside."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_notebook

from autograder.forkserver.client import GradingFailed
from autograder.forkserver.unsandboxed import UnsandboxedClient
from autograder.learner import checker, workbook
from autograder.learner.checker import ORDINARY, Checker
from autograder.learner.results import STDERR, Checked
from autograder.learner.screen import points
from autograder.notebook.gradient_map import Status
from autograder.sandbox.limits import Limits
from autograder.terminal import Terminal
from scripts.submissions import MARKS, NOTEBOOKS, STUDENTS, graded_cell, hand_in
from tests.support.learner import Learner

SHORT = Limits(cell_seconds=2)


def beside() -> Checker:
    """As on a system without rooms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        return Checker(SHORT)


@pytest.fixture(scope="module")
def room() -> Iterator[Checker]:
    with Checker(SHORT) as made:
        yield made


@pytest.fixture(scope="module", params=["room", "process beside"])
def teacher(request: pytest.FixtureRequest, room: Checker) -> Iterator[Checker]:
    if request.param == "room":
        yield room
    else:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as where a command runs in the background
        with beside() as made:
            yield made
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return Learner(tmp_path / "mine")


def checked(teacher: Checker, learner: Learner, stem: str = NOTEBOOKS[1]) -> Checked:
    return teacher.check(workbook.open_workbook(learner.notebook(stem)))


@pytest.mark.parametrize("student", ["other-style", "common-mistakes", "copies-grad"])
def test_a_check_gives_the_marks_of_the_class(teacher: Checker, tmp_path: Path, student: str) -> None:
    hand_in(tmp_path, STUDENTS[student]())
    found = [teacher.check(workbook.open_workbook(tmp_path / f"{name}.ipynb")) for name in NOTEBOOKS]
    assert tuple(each.points for each in found) == MARKS[student]
    assert sum(each.most for each in found) == 44


def test_there_is_a_warning_where_there_are_no_rooms_only(teacher: Checker) -> None:
    assert ("can use your files" in teacher.warning) == isinstance(teacher._client, UnsandboxedClient)


def test_one_mistake_is_one_mistake(teacher: Checker, learner: Learner) -> None:
    learner.solves()
    learner.writes({"dprobs": "dprobs = -dlogprobs / probs"})
    found = checked(teacher, learner)
    assert found.right == 25 and found.points == 25
    assert found.culprit and found.culprit.name == "dprobs" and found.culprit.sentence == "It has the wrong sign."
    (graph,) = found.graphs
    assert graph.headline == "gradient map: 25 of 26 right, 1 wrong"
    assert [node.name for node in graph.nodes][:3] == ["loss", "dlogprobs", "dprobs"]


def test_a_loop_over_all_entries_is_no_suspicion(room: Checker, learner: Learner) -> None:
    learner.solves()
    loop = """dcounts = torch.zeros_like(counts)
for i in range(n):
    for j in range(vocab_size):
        dcounts[i, j] = counts_sum_inv[i, 0] * dprobs[i, j] + dcounts_sum[i, 0]"""
    learner.writes({"dcounts": loop})
    found = checked(room, learner)
    assert (found.right, found.notes) == (26, ())


def test_what_was_not_written_is_not_attempted(teacher: Checker, learner: Learner) -> None:
    states = {result.state for stem in NOTEBOOKS for result in checked(teacher, learner, stem).results}
    assert states == {Status.NOT_ATTEMPTED}


def test_a_mistake_that_was_handed_out_is_not_attempted(teacher: Checker, learner: Learner) -> None:
    def states() -> dict[str, Status]:
        return {result.name: result.state for result in checked(teacher, learner, "0-warm-up").results}

    untouched = dict.fromkeys(["dout", "dproduct", "da", "dbias", "dt"], Status.NOT_ATTEMPTED)
    assert states() == untouched
    released = learner.source("dt", "0-warm-up")
    learner.writes({"dt": f"{released}\n\n"}, "0-warm-up")
    assert states() == untouched
    learner.writes({"dt": released.replace("2 * t", "3 * t")}, "0-warm-up")
    assert states() == {**untouched, "dt": Status.WRONG}
    learner.writes({"dt": released, "nudge-twice": "dt = 2 * t * dsquare + 3 * dtriple"}, "0-warm-up")
    assert states() == {**untouched, "dt": Status.WRONG}  # there is an answer, and the cell `dt` runs after it
    learner.solves("0-warm-up")
    assert states() == dict.fromkeys(untouched, Status.RIGHT)


def test_what_stops_is_waiting_and_says_why(teacher: Checker, learner: Learner) -> None:
    learner.writes({"dprobs": "dprobs = dlogprops / probs"})
    result = next(result for result in checked(teacher, learner).results if result.name == "dprobs")
    assert result.state is Status.WAITING
    assert result.verdict is not None
    assert result.verdict.diagnosis == (
        "The cell for `dprobs` stopped in line 1, `dprobs = dlogprops / probs`. "
        "There is no `dlogprops` here. The closest name is `dlogprobs`."
    )
    assert result.verdict.next_step == "Write `dlogprobs`, if that is what you mean. Then save the notebook."


def test_the_shapes_at_a_stop_come_out_of_the_room(teacher: Checker, learner: Learner) -> None:
    learner.writes({"dprobs": "wide = dlogprobs * 1\ndprobs = wide @ probs", "dlogprobs": "dlogprobs = logprobs * 1"})
    result = next(result for result in checked(teacher, learner).results if result.name == "dprobs")
    assert result.verdict is not None
    assert result.verdict.diagnosis == (
        "The cell for `dprobs` stopped in line 2, `dprobs = wide @ probs`. "
        "`wide` is (32, 27) and `probs` is (32, 27). `dprobs` has to be (32, 27). "
        "No order of these two gives that, with `.T` or without."
    )


def test_a_test_without_a_verdict_says_what_it_expected(teacher: Checker, learner: Learner) -> None:
    learner.solves("4-train")
    learner.writes({"descend": "def descend(parameters, gradients, lr):\n    for p in parameters:\n        p -= lr"}, "4-train")
    found = checked(teacher, learner, "4-train")
    assert found.points == 7 and found.culprit and found.culprit.name == "training"
    assert found.culprit.error == (
        "`descend` should move every parameter by -lr times its own gradient, "
        "but `C` is elsewhere. Work one step of it out on paper, and compare"
    )
    assert found.culprit.state is Status.WRONG


def test_autograd_is_off(teacher: Checker, learner: Learner) -> None:
    learner.writes({"dprobs": "x = torch.ones(1, requires_grad=True)\n(x * x).sum().backward()\ndprobs = dlogprobs / probs"})
    result = next(result for result in checked(teacher, learner).results if result.name == "dprobs")
    assert result.state is not Status.RIGHT


def test_an_endless_cell_is_stopped_and_noted(teacher: Checker, learner: Learner) -> None:
    learner.writes({"dprobs": "while True:\n    pass"})
    found = checked(teacher, learner)
    assert "The cell `dprobs` did not end within 2 s." in found.notes
    assert checked(teacher, learner, "2-cross-entropy").results


def test_every_check_begins_anew(teacher: Checker, learner: Learner) -> None:
    (learner.folder / "mine.py").write_text("scale = 1\n")
    answer = "import mine\ndlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -mine.scale / n\nkept = 1"
    learner.writes({"dlogprobs": answer})
    assert checked(teacher, learner).right == 1
    (learner.folder / "mine.py").write_text("scale = 22\n")
    assert checked(teacher, learner).right == 0
    learner.writes({"dlogprobs": "dlogprobs = kept"})
    (result, *_) = checked(teacher, learner).results
    assert "kept" in result.box.as_text()


def test_hints_begin_with_what_the_check_finds(teacher: Checker, learner: Learner) -> None:
    learner.solves()
    learner.writes({"dprobs": "dprobs = -dlogprobs / probs"})
    read = workbook.open_workbook(learner.notebook())
    told = teacher.hints(read, read.tasks, ["dprobs", "dh", "dhello"])
    assert told["dprobs"].said[0].startswith("Your last check said: It has the wrong sign.")
    assert told["dh"].said[0].startswith("It is used in `logits = h @ W2 + b2`")
    assert not told["dhello"].said and "no gradient `dhello`" in told["dhello"].error


def test_a_process_beside_that_ends_is_said_and_started_again(learner: Learner) -> None:
    with beside() as teacher:
        learner.writes({"dprobs": "import os\nos._exit(0)"})
        with pytest.raises(GradingFailed, match="the process of the notebook ended: a cell ended it, or it took too long"):
            checked(teacher, learner)
        learner.writes({"dprobs": ""})
        assert checked(teacher, learner).results


def test_a_room_that_dies_costs_its_cell(room: Checker, learner: Learner) -> None:
    learner.solves()
    learner.writes({"dprobs": "import os\nos._exit(0)"})
    found = checked(room, learner)
    assert found.right == 25
    (wrong,) = (result for result in found.results if result.name == "dprobs")
    assert wrong.sentence == ("stopped: it ended without an error, as after `os._exit` or a crash of Python")
    assert any("ended in the cell `dprobs`" in note for note in found.notes)


def test_of_a_large_folder_python_s_files_alone_are_there(room: Checker, learner: Learner) -> None:
    (learner.folder / "mine.py").write_text("scale = 1\n")
    (learner.folder / "films").mkdir()
    with (learner.folder / "films/one.avi").open("wb") as file:
        file.truncate(checker.MAX_BYTES + 1)
    answer = "import mine\ndlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -mine.scale / n"
    learner.writes({"dlogprobs": answer})
    found = checked(room, learner)
    assert found.right == 1
    assert found.notes == (checker.LARGE.format(learner.folder.resolve()),)


def test_a_system_without_rooms_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert checker.without_rooms() == "rooms need Linux, and this is win32"


def test_what_is_said_of_ordinary_tests(teacher: Checker, tmp_path: Path) -> None:
    """The error of the answer comes before what follows from it, stderr costs what it costs, and hidden lines are spoken of."""
    cells = [
        graded_cell("twice", "import nothing_of_this_name\ndef twice(x):\n    return 2 * x", solution=True),
        graded_cell("test-twice", "assert twice(1) == 2", grade=True, locked=True, points=1),
        graded_cell("loud", "import sys\ndef loud():\n    print('x', file=sys.stderr)", solution=True),
        graded_cell("test-loud", "loud()", grade=True, locked=True, points=1),
        graded_cell("three", "three = 3", solution=True),
        graded_cell("test-three", "assert three == 3", grade=True, locked=True, points=1),
    ]
    path = tmp_path / "ordinary.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    found = teacher.check(workbook.open_workbook(path))
    stopped = "the cell `twice` stopped with ModuleNotFoundError: No module named 'nothing_of_this_name'"
    assert [(result.state, result.sentence) for result in found.results] == [
        (Status.WRONG, stopped),
        (Status.WRONG, STDERR),
        (Status.RIGHT, ""),
    ]
    assert found.notes[0] == ORDINARY
    console = Terminal(width=200, record=True, file=StringIO())
    console.print(points([replace(found, results=found.results[2:])]))
    assert console.export_text() == "1 of 1 points. All right as far as you see the tests.\n"
