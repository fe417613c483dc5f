"""Examine, as nbgrader calls it: on a notebook with a gradebook behind it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import determine_grade

from autograder.course.cells import Role
from autograder.errors import ContentError
from autograder.examiner.exam import CellRecord, Exam, ExamResult
from autograder.forkserver.client import GradingFailed
from autograder.forkserver.job import Job
from autograder.grading import examine
from autograder.grading.examine import Examine
from autograder.grading.salvage import NOTES
from autograder.sandbox.room import RoomError
from scripts import demo
from scripts.submissions import NOTEBOOKS, graded_cell
from tests.support.commands import nbgrader
from tests.support.rooms import linux

pytestmark = pytest.mark.timeout(180)
SECRET = "### BEGIN HIDDEN TESTS\nassert double(4) == 8\n### END HIDDEN TESTS"


def cell(source: str, name: str, markdown: bool = False, **role: object) -> NotebookNode:
    make, kind = (new_markdown_cell, "markdown") if markdown else (new_code_cell, "code")
    return graded_cell(name, source, make, cell_type=kind, checksum="-", **role)


def submission(answer: str = "def double(x):\n    return 2 * x", **more: str) -> NotebookNode:
    """A submission to an assignment of a locked cell, an answer, a test and an essay."""
    cells = [
        cell("scale = 3", "setup", locked=True),
        cell(answer, "double", solution=True),
        cell(f"assert double(scale) == 6\n{SECRET}", "test-double", grade=True, locked=True, points=2),
        cell("Because.", "essay", markdown=True, grade=True, solution=True, points=1),
        *(new_code_cell(source, id=name) for name, source in more.items()),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "x"}})


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A gradebook with the released cells."""
    url = f"sqlite:///{tmp_path_factory.mktemp('course')}/gradebook.db"
    about = {"db_url": url, "assignment": "work", "notebook": "tasks", "student": "someone"}
    with Gradebook(url) as gradebook:
        gradebook.add_assignment("work")
    SaveCells().preprocess(submission("def double(x):\n    pass"), {"nbgrader": about})
    return about


@pytest.fixture
def resources(release: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a converter hands on."""
    monkeypatch.chdir(tmp_path)
    return {"nbgrader": release, "metadata": {"path": str(tmp_path)}}


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    """The fork server is there for all tests, and gone after them."""
    yield
    examine._client(True).close()
    examine._client.cache_clear()


def examined(nb: NotebookNode, resources: dict[str, Any], **settings: object) -> NotebookNode:
    done, _ = Examine(**settings).preprocess(nb, resources)
    return done


def named(nb: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in nb.cells if cell.id == name)


def grade(nb: NotebookNode) -> float | None:
    points, _ = determine_grade(named(nb, "test-double"))
    return points


def test_a_right_answer_has_its_points(resources: dict[str, Any]) -> None:
    nb = examined(submission(), resources)
    assert grade(nb) == 2
    assert [cell.execution_count for cell in nb.cells if cell.cell_type == "code"] == [1, 2, 3]
    assert nb.metadata[NOTES]["notes"] == [] == nb.metadata[NOTES]["flags"]


def test_hidden_tests_count(resources: dict[str, Any]) -> None:
    nb = examined(submission("def double(x):\n    return 6"), resources)
    assert grade(nb) == 0
    assert named(nb, "test-double").outputs[-1].ename == "AssertionError"


def test_the_gradebook_s_text_runs_whatever_the_submission_says(resources: dict[str, Any]) -> None:
    nb = submission("def double(x):\n    return 6")
    named(nb, "test-double").source = "pass"
    named(nb, "setup").source = "scale = 0"
    assert grade(examined(nb, resources)) == 0


def test_an_essay_is_left_to_a_person(resources: dict[str, Any]) -> None:
    nb = examined(submission(), resources)
    assert determine_grade(named(nb, "essay")) == (None, 1)


def test_old_outputs_are_forgotten(resources: dict[str, Any]) -> None:
    nb = submission()
    named(nb, "double").execution_count = 99
    named(nb, "double").metadata["tags"] = ["skip-execution"]
    named(nb, "test-double").metadata["tags"] = ["skip-execution"]
    nb = examined(nb, resources)
    assert named(nb, "double").execution_count is None, "a student's own cell is skipped as it asks"
    assert grade(nb) == 0, "a test is not"


def test_what_to_look_at_is_noted(resources: dict[str, Any]) -> None:
    nb = examined(submission(extra="import socket\nsocket.socket()"), resources)
    assert [(flag["kind"], flag["line"]) for flag in nb.metadata[NOTES]["flags"]] == [("network", 1), ("network", 2)]
    assert nb.metadata[NOTES]["notes"] == ["Look at network: extra line 2 `socket.socket()`, and 1 more place"]
    assert grade(nb) == 2


def test_notes_of_before_are_kept(resources: dict[str, Any]) -> None:
    nb = submission()
    nb.metadata[NOTES] = {"restored": ["A note."]}
    assert examined(nb, resources).metadata[NOTES]["restored"] == ["A note."]


def test_the_key_is_made_once_and_for_nobody_else(resources: dict[str, Any], tmp_path: Path) -> None:
    examined(submission(), resources)
    key = (tmp_path / "examiner.key").read_bytes()
    assert (tmp_path / "examiner.key").stat().st_mode & 0o777 == 0o600
    assert len(key) == 64
    examined(submission(), resources)
    assert (tmp_path / "examiner.key").read_bytes() == key


def test_a_key_that_is_no_file_is_said(resources: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "examiner.key").mkdir()
    with pytest.raises(ContentError) as raised:
        examined(submission(), resources)
    assert str(raised.value) == (
        f"the secret of the course, {tmp_path / 'examiner.key'}, cannot be read (Is a directory). Put back the file that was "
        "there; or take away what is there now: the next run makes another one, and draws other cases."
    )


def test_without_bubblewrap_it_refuses(resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "_unavailable", lambda: "rooms need bubblewrap. Try: sudo apt-get install bubblewrap")
    nb = submission()
    with pytest.raises(RoomError, match="sudo apt-get install bubblewrap"):
        examined(nb, resources)
    assert named(nb, "test-double").outputs == []


def test_without_a_sandbox_only_by_choice_and_with_a_note(resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "_unavailable", lambda: "no bubblewrap")
    try:
        nb = examined(submission(more="import os\nos._exit(1)"), resources, sandbox=False)
    finally:
        examine._client(False).close()
        examine._client.cache_clear()
    assert grade(nb) == 2
    notes = nb.metadata[NOTES]["notes"]
    assert notes[0] == "Graded without a sandbox: the student's code could read files and use the network."
    assert any("ended in the cell `more`" in note for note in notes)


def test_another_language_is_refused(resources: dict[str, Any]) -> None:
    nb = submission()
    nb.metadata.kernelspec = {"name": "ir", "language": "R", "display_name": "R"}
    with pytest.raises(ContentError, match="the notebook is in R, and only Python can be examined"):
        examined(nb, resources)


def test_a_failure_of_ours_is_an_error_in_every_test(resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def examine(self, *_: object) -> None:
            raise GradingFailed("no reason")

    monkeypatch.setattr(examine, "_client", lambda sandbox: Failing())
    nb = examined(submission(), resources)
    assert grade(nb) == 0
    assert named(nb, "test-double").outputs[0].evalue == "no reason"
    assert nb.metadata[NOTES]["failures"] == ["This notebook could not be examined: no reason. Grade it again, or by hand."]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"text/plain": "5"}, "partial credit cannot be greater than maximum points for cell"),
        ({}, "'text/plain'"),
    ],
)
def test_what_is_no_mark_gives_none_and_does_not_end_nbgrader(
    resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch, data: dict[str, str], problem: str
) -> None:
    """A test may show too much by mistake, and a room may send anything."""
    shown = {"msg_type": "execute_result", "content": {"data": data, "metadata": {}, "execution_count": 3}}

    class Forging:
        def examine(self, job: Job) -> ExamResult:
            assert isinstance(job.work, Exam)
            return ExamResult([CellRecord([shown] if task.role is Role.TEST else []) for task in job.work.tasks])

    monkeypatch.setattr(examine, "_client", lambda sandbox: Forging())
    nb = examined(submission(), resources)
    assert grade(nb) == 0
    assert nb.metadata[NOTES]["failures"] == [
        f"The test `test-double` gives no points: what it showed last is no mark ({problem})."
    ]


def test_ordinary_tests_run_in_the_room_unless_the_course_says_otherwise(resources: dict[str, Any]) -> None:
    """A class that has an `__eq__` of its own is believed in the room, as on stock nbgrader, and not apart."""
    answer = "class Same(int):\n    def __eq__(self, other):\n        return True\n\ndef double(x):\n    return Same()"
    assert grade(examined(submission(answer), resources)) == 2
    nb = examined(submission(answer), resources, plain_tests="apart")
    assert grade(nb) == 0
    (failure,) = nb.metadata[NOTES]["failures"]
    assert failure.startswith("The test `test-double` stopped, perhaps through no fault of the student's")


@pytest.mark.parametrize(("autograd", "points"), [(None, 2), (True, 2), (False, 0)])
def test_autograd_is_off_where_the_course_says_so(resources: dict[str, Any], autograd: bool | None, points: int) -> None:
    import_torch = "import torch\nx = torch.ones(1, requires_grad=True)\n(3 * x).sum().backward()\n"
    nb = submission(import_torch + "def double(n):\n    return 2 * n if x.grad == 3 else 0")
    assert grade(examined(nb, resources, autograd=autograd)) == points


def test_limits_are_traits(resources: dict[str, Any]) -> None:
    nb = examined(submission(more="while True:\n    pass", late="print('x' * 100)"), resources, cell_seconds=1, cell_output=50)
    assert named(nb, "more").outputs[0].evalue == "the cell did not end within 1 s"
    assert named(nb, "late").outputs[0].text == "x" * 50
    assert grade(nb) == 2


def has_a_room(warm: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return len(warm.children(recursive=True)) > 2
    return False


@linux
@pytest.mark.timeout(300)
def test_an_interrupted_command_leaves_nothing(tmp_path: Path) -> None:
    course = tmp_path / "course"
    slow = {"2-cross-entropy": {"dlogits": "import time\ntime.sleep(60)"}}
    demo.make_course(course, {"someone": lambda: slow})
    for name in NOTEBOOKS:
        if name not in slow:
            (course / "source" / "backprop" / f"{name}.ipynb").unlink()
    nbgrader(course, "generate_assignment", "backprop")
    command = subprocess.Popen(
        [sys.executable, "-m", "nbgrader", "autograde", "backprop"],
        cwd=course,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    everyone = [process := psutil.Process(command.pid)]
    try:
        deadline = time.monotonic() + 60
        while not any(has_a_room(warm) for warm in process.children()):
            assert time.monotonic() < deadline, "no notebook runs"
            time.sleep(0.1)
        assert len(process.children()) == 1, "one fork server is enough"
        everyone += process.children(recursive=True)
        command.send_signal(signal.SIGINT)
        command.wait(30)
        assert psutil.wait_procs(everyone, timeout=20)[1] == []
    finally:
        for each in everyone:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        command.wait(30)
