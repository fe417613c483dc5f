"""What runs ahead of a class's notebooks changes nothing in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder.course.cells import Cell
from autograder.forkserver.client import GradingFailed
from autograder.forkserver.server import MAX_PREFIX_SERVERS, brings_modules
from tests.examiner.test_examiner import DATA, FORWARD, GRADE, SETUP, Examined, ExamRunner, locked, student, test
from tests.grading.test_pool import until, warm
from tests.support.processes import nothing_left
from tests.support.rooms import linux

pytestmark = linux
OPENING = (locked(SETUP), locked(f"{DATA}\nprint(X.shape)\nX[0, 0] > 0"), locked(FORWARD))
ANSWERS = (
    student("da = 2 * a / a.numel()\ncheck('da')", "da"),
    test("check('da')", GRADE.format("da")),
    student("dh = da * a", "dh"),
    test("check('dh')", GRADE.format("dh")),
    student("print(len(In), sorted(name for name in globals() if len(name) < 3))\nprogress()"),
)
_numbers = count()


@pytest.fixture(scope="module")
def examine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamRunner]:
    with nothing_left():
        examine = ExamRunner(tmp_path_factory.mktemp("submission"))
        yield examine
        examine.grader.close()


@pytest.fixture
def prefix() -> tuple[Cell, ...]:
    """Cells that no other test has."""
    return (*OPENING, locked(f"number = {next(_numbers)}"))


def prefix_servers(examine: ExamRunner) -> set[psutil.Process]:
    """The processes in which a prefix has run for students, once the warm process is done with the last notebook."""
    if examine.grader._connection is not None:
        examine.grader._wait(examine.grader._connection)
    return set(warm(examine).children()) if examine.grader._process else set()


def told(examined: Examined) -> tuple[Any, Any]:
    return examined.outputs, examined.notes


def test_whoever_comes_later_gets_what_the_first_one_got(examine: ExamRunner, prefix: tuple[Cell, ...]) -> None:
    before = prefix_servers(examine)
    first = examine(*prefix, *ANSWERS)
    assert prefix_servers(examine) == before
    assert [bool(error) for error in first.errors()] == [False] * 7 + [True, False]
    for _ in range(3):
        assert told(examine(*prefix, *ANSWERS)) == told(first)
        (new,) = prefix_servers(examine) - before
    assert len(new.children()) == 1


def test_openings_and_limits_have_desks_of_their_own_and_the_oldest_goes(examine: ExamRunner) -> None:
    for number in range(MAX_PREFIX_SERVERS + 2):
        for _ in range(2):
            shown = examine(locked(f"x = {number}"), student("print(x)"), test(f"assert x == {number}"))
            assert shown.errors() == [""] * 3
            assert shown.shown(1) == f"{number}\n"
        assert len(prefix_servers(examine)) <= MAX_PREFIX_SERVERS
    assert len(prefix_servers(examine)) == MAX_PREFIX_SERVERS
    for _ in range(2):
        assert "cut off" in str(examine(locked("print('x' * 500)"), student("x = 1"), cell_output=100).outputs[0])
        assert "cut off" not in str(examine(locked("print('x' * 500)"), student("x = 1")).outputs[0])


@pytest.mark.parametrize("source", ["1 / 0", "y = x_of_nobody", "print('x' * 500)"])
def test_what_cannot_be_run_ahead_runs_in_every_notebook(examine: ExamRunner, source: str) -> None:
    cells = (locked(source), student("x = 1"), test("assert x == 1"))
    first = examine(*cells, cell_output=100)
    before = prefix_servers(examine)
    for _ in range(2):
        assert told(examine(*cells, cell_output=100)) == told(first)
        assert prefix_servers(examine) <= before


@pytest.mark.parametrize("name", ["textwrap.py", "textwrap.cpython-311-x86_64-linux-gnu.so", "textwrap/__init__.py"])
def test_a_submission_that_brings_modules_is_run_from_its_first_cell(
    examine: ExamRunner, prefix: tuple[Cell, ...], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    before, folder = prefix_servers(examine), examine.folder
    examine.folder = tmp_path
    try:
        for _ in range(3):
            assert examine(*prefix, *ANSWERS).errors()[:6] == [""] * 6
    finally:
        examine.folder = folder
    assert prefix_servers(examine) == before


def test_other_files_are_no_modules(tmp_path: Path) -> None:
    for name in ("notes.txt", "data/names.txt", ".ipynb_checkpoints/lesson.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert not brings_modules(tmp_path)


def test_an_examiner_that_dies_is_noticed_at_once(examine: ExamRunner, prefix: tuple[Cell, ...]) -> None:
    dies = locked("import os\nif os.getcwd() != '/submission':\n    os._exit(0)")
    for _ in range(3):
        with pytest.raises(GradingFailed, match="died"):
            examine(*prefix, dies, *ANSWERS, notebook_seconds=20)


def test_a_process_that_dies_comes_back_with_the_opening(examine: ExamRunner, prefix: tuple[Cell, ...]) -> None:
    dies = (*prefix, student("Z = 5"), student("import os\nos._exit(1)"), student("print(Z, X.shape)"), *ANSWERS)
    first = examine(*dies)
    assert first.shown(6) == "5 torch.Size([4, 3])\n"
    for _ in range(2):
        assert told(examine(*dies)) == told(first)


def test_a_student_s_process_has_no_forward_pass_and_no_autograd(examine: ExamRunner, prefix: tuple[Cell, ...]) -> None:
    look = student(
        "import gc, torch\ngc.unfreeze()\nobjects = gc.get_objects()\n"
        "tapes = [each for each in objects if type(each).__name__ == 'Tape' and 'h' in each.state]\n"
        "print(tapes, {type(each).__name__ for each in objects} & {'Scope', 'Examiner', 'Exam', 'Opened'})\n"
        "x = torch.ones(1, requires_grad=True)\n(x * x).sum().backward()"
    )
    before = prefix_servers(examine)
    for _ in range(3):
        shown = examine(*prefix, look, *ANSWERS)
        assert shown.shown(4) == "[] set()\n"
        assert shown.error(4).startswith("AutogradOff")
        assert shown.error(6) == ""
    assert len(prefix_servers(examine) - before) == 1


def test_students_know_nothing_of_each_other(examine: ExamRunner, prefix: tuple[Cell, ...]) -> None:
    trace = student("import torch, builtins\nbuiltins.trace = torch.trace_ = 1\nX[:] = 7\nopen('trace', 'w').close()")
    look = student(
        "import torch, builtins, os\nprint(hasattr(builtins, 'trace'), hasattr(torch, 'trace_'), os.path.exists('trace'), X[0])"
    )
    first = examine(*prefix, look, *ANSWERS).shown(4)
    for _ in range(2):
        examine(*prefix, trace, *ANSWERS)
        assert examine(*prefix, look, *ANSWERS).shown(4) == first


@pytest.mark.parametrize("whose", ["students", "examiners"])
def test_a_desk_that_is_killed_costs_nothing(examine: ExamRunner, prefix: tuple[Cell, ...], whose: str) -> None:
    first, before = told(examine(*prefix, *ANSWERS)), prefix_servers(examine)
    examine(*prefix, *ANSWERS)
    (students,) = prefix_servers(examine) - before
    victim = students if whose == "students" else students.children()[0]
    victim.kill()
    assert until(lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE)
    assert told(examine(*prefix, *ANSWERS)) == first
    assert told(examine(*prefix, *ANSWERS)) == first


def test_it_dies_with_the_warm_process(examine: ExamRunner, prefix: tuple[Cell, ...]) -> None:
    for _ in range(2):
        examine(*prefix, *ANSWERS)
    process = warm(examine)
    everyone = process.children(recursive=True)
    assert len(everyone) >= 2
    process.kill()
    assert psutil.wait_procs(everyone, timeout=15)[1] == []


def test_a_closed_grader_ends_a_notebook_at_a_desk(examine: ExamRunner, prefix: tuple[Cell, ...]) -> None:
    for _ in range(2):
        examine(*prefix, *ANSWERS)
    idle = len(warm(examine).children(recursive=True)) if prefix_servers(examine) else 0

    def ask() -> None:
        with suppress(GradingFailed):
            examine(*prefix, student("import time\ntime.sleep(60)"))

    asking = threading.Thread(target=ask)
    asking.start()
    assert until(lambda: len(warm(examine).children(recursive=True)) > idle + 2)
    everyone = warm(examine).children(recursive=True)
    examine.grader.end()
    asking.join(30)
    assert psutil.wait_procs(everyone, timeout=15)[1] == []
