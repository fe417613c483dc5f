"""`check` where a person runs the cells: it raises nothing, so that Run All goes on, and says how far the notebook is."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from autograder.course.cells import read_cells
from autograder.errors import NotRight
from autograder.notebook import logbook
from scripts.submissions import ROOT
from tests.support.lesson import Lesson

RELEASE = ROOT / "release"
ANSWERS = 26


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    """Notebook 1 as a kernel of JupyterLab runs it, with no answer yet, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(logbook.NBGRADER, raising=False)
    shutil.copy(RELEASE / "backprop" / "1-every-gradient.ipynb", tmp_path)
    found = Lesson("1-every-gradient", solved=False)
    attend(found)
    return found


def attend(lesson: Lesson, **content: Any) -> None:
    """Has the shell say what was asked of its kernel; JupyterLab allows a cell to ask for input."""
    lesson.shell.get_parent = lambda: {"content": {"allow_stdin": True, **content}}


def answer(lesson: Lesson, *names: str) -> None:
    for name in names:
        assert lesson.run(lesson.solutions[name], name)[0].success


def checked(lesson: Lesson, name: str) -> str:
    """What a check shows that raises nothing."""
    result, shown = lesson.run(f'check("{name}")', f"test-{name}")
    assert result.success and shown.stdout + shown.stderr == ""
    (output,) = shown.outputs
    return str(output.data["text/plain"])


def so_far(lesson: Lesson, name: str) -> str:
    """What a check says last, or nothing if that is not how far the notebook is."""
    last = checked(lesson, name).splitlines()[-1]
    return last.removeprefix("  so far: ") if last.startswith("  so far: ") else ""


class TestErrors:
    def test_a_person_sees_what_is_not_right_without_one(self, lesson: Lesson) -> None:
        assert checked(lesson, "dlogprobs").startswith("○ dlogprobs: not attempted.")
        lesson.run("dlogprobs = torch.ones_like(logprobs)", "dlogprobs")
        assert checked(lesson, "dlogprobs").startswith("✗ dlogprobs: wrong.")
        lesson.run("dprobs = 1 / nothing", "dprobs")
        assert checked(lesson, "dprobs")[0] in "✗?"

    @pytest.mark.parametrize("runs", ["autograde", "validate", "something new"])
    def test_nbgrader_gets_one(self, lesson: Lesson, monkeypatch: pytest.MonkeyPatch, runs: str) -> None:
        monkeypatch.setenv(logbook.NBGRADER, runs)
        assert isinstance(lesson.run('check("dlogprobs")')[0].error_in_exec, NotRight)

    @pytest.mark.parametrize("message", [{}, {"content": {}}, {"content": {"allow_stdin": False}}], ids=str)
    def test_what_runs_notebooks_by_itself_gets_one(self, lesson: Lesson, message: dict[str, Any]) -> None:
        lesson.shell.get_parent = lambda: message
        assert isinstance(lesson.run('check("dlogprobs")')[0].error_in_exec, NotRight)

    def test_a_shell_without_a_kernel_gets_one(self, lesson: Lesson) -> None:
        del lesson.shell.get_parent
        assert isinstance(lesson.run('check("dlogprobs")')[0].error_in_exec, NotRight)

    def test_grade_raises_whoever_sees_it(self, lesson: Lesson) -> None:
        lesson.run("from autograder import grade")
        assert isinstance(lesson.run('grade("dlogprobs")')[0].error_in_exec, NotRight)

    def test_a_name_that_is_none_is_an_error_all_the_same(self, lesson: Lesson) -> None:
        assert lesson.run('check("dlogprob")')[0].error_in_exec


class TestSoFar:
    def test_a_right_answer_says_how_many_are_and_which_is_next(self, lesson: Lesson) -> None:
        answer(lesson, "dlogprobs", "dprobs")
        assert so_far(lesson, "dlogprobs") == f"1 of {ANSWERS}, next: `dprobs`"
        assert so_far(lesson, "dprobs") == f"2 of {ANSWERS}, next: `dcounts_sum_inv`"

    def test_the_next_is_the_first_below_that_is_not_right(self, lesson: Lesson) -> None:
        answer(lesson, *list(lesson.solutions)[:4])
        for name in ("dcounts_sum", "dlogprobs"):
            checked(lesson, name)
        assert so_far(lesson, "dlogprobs") == f"2 of {ANSWERS}, next: `dprobs`"
        assert so_far(lesson, "dprobs") == f"3 of {ANSWERS}, next: `dcounts_sum_inv`"
        assert so_far(lesson, "dcounts_sum_inv") == f"4 of {ANSWERS}, next: `dcounts`"

    def test_below_the_last_it_begins_again_at_the_top(self, lesson: Lesson) -> None:
        answer(lesson, *lesson.solutions)
        assert so_far(lesson, "dC") == f"1 of {ANSWERS}, next: `dlogprobs`"

    def test_all_right(self, lesson: Lesson) -> None:
        answer(lesson, *lesson.solutions)
        said = [so_far(lesson, name) for name in lesson.solutions]
        assert said[-2:] == [f"{ANSWERS - 1} of {ANSWERS}, next: `dC`", f"{ANSWERS} of {ANSWERS}, all right"]

    @pytest.mark.parametrize("source", ["dprobs = probs", "dprobs = dlogprobs / probs  # again", "pass"])
    def test_an_answer_that_was_changed_since_does_not_count(self, lesson: Lesson, source: str) -> None:
        answer(lesson, "dlogprobs", "dprobs")
        checked(lesson, "dprobs")
        lesson.run(source, "dprobs")
        assert so_far(lesson, "dlogprobs") == f"1 of {ANSWERS}, next: `dprobs`"

    def test_what_is_wrong_says_nothing_of_it(self, lesson: Lesson) -> None:
        lesson.run("dlogprobs = logprobs", "dlogprobs")
        assert so_far(lesson, "dlogprobs") == so_far(lesson, "dprobs") == ""

    def test_a_new_kernel_knows_it_by_the_logbook_while_the_answer_is_there(self, lesson: Lesson, tmp_path: Path) -> None:
        answer(lesson, *list(lesson.solutions)[:5])
        for name in ("dlogprobs", "dcounts"):
            checked(lesson, name)
        new = Lesson("1-every-gradient", solved=False)
        attend(new)
        answer(new, "dlogprobs", "dprobs")
        path = tmp_path / "1-every-gradient.ipynb"
        put(path, dcounts=lesson.solutions["dcounts"])
        assert so_far(new, "dprobs") == f"3 of {ANSWERS}, next: `dcounts_sum_inv`"
        put(path, dcounts="dcounts = 0")
        assert so_far(new, "dprobs") == f"2 of {ANSWERS}, next: `dcounts_sum_inv`"

    def test_a_check_of_what_no_test_asks_for(self, lesson: Lesson, tmp_path: Path) -> None:
        answer(lesson, "dlogprobs")
        (tmp_path / "1-every-gradient.ipynb").unlink()
        assert checked(lesson, "dlogprobs").startswith("✓ dlogprobs: right.")
        assert so_far(lesson, "dlogprobs") == ""

    def test_of_notebooks_with_one_forward_pass_it_is_the_running_one(
        self, lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = json.loads((tmp_path / "1-every-gradient.ipynb").read_text())
        content["cells"] = [cell for cell in content["cells"] if not cell["id"].startswith("test-d") or "dlog" in cell["id"]]
        (tmp_path / "mine.ipynb").write_text(json.dumps(content))
        monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "mine.ipynb"))
        answer(lesson, "dlogprobs")
        assert so_far(lesson, "dlogprobs") == "1 of 3, next: `dlogit_maxes`"


def test_functions_and_asks_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(RELEASE / "bigrams", tmp_path, dirs_exist_ok=True)
    lesson = Lesson("../bigrams/3-train")
    attend(lesson)
    assert so_far(lesson, "dlogits") == "1 of 4, next: `dW`"
    shown = lesson.run('check("dW", by="gradient")')[1].outputs[0].data["text/plain"]
    assert shown.endswith("so far: 2 of 4, next: `T`")
    assert so_far(lesson, "T") == "3 of 4, next: `best`"
    assert so_far(lesson, "best") == "4 of 4, all right"


@pytest.mark.parametrize("runs", ["autograde", "validate"])
def test_no_record_says_how_far_one_is(lesson: Lesson, monkeypatch: pytest.MonkeyPatch, runs: str) -> None:
    answer(lesson, "dlogprobs")
    assert so_far(lesson, "dlogprobs")
    monkeypatch.setenv(logbook.NBGRADER, runs)
    assert not so_far(lesson, "dlogprobs")
    assert "so far" not in json.dumps(lesson.run('check("dlogprobs")')[1].outputs[0].data)


def put(path: Path, **sources: str) -> None:
    """Writes answers into the cells of a notebook's file."""
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        cell["source"] = sources.get(cell["id"], cell["source"])
    path.write_text(json.dumps(content))


class TestPlainTests:
    def test_a_person_sees_the_sentence_of_a_test_that_fails_and_no_traceback(self, lesson: Lesson) -> None:
        result, shown = lesson.run('assert 1 == 2, "1 is not 2: count again"', "test-counting")
        assert isinstance(result.error_in_exec, AssertionError), "Run All stops, and nbgrader gives no mark"
        assert shown.stdout.strip() == "✗ counting: wrong. 1 is not 2: count again."

    @pytest.mark.parametrize(("source", "id"), [("assert 1 == 2, 'no'", "mine"), ("assert 1 == 2", "test-counting")])
    def test_any_other_assertion_keeps_its_traceback(self, lesson: Lesson, source: str, id: str) -> None:
        _, shown = lesson.run(source, id)
        assert "Traceback" in shown.stdout and source in re.sub(r"\x1b\[[\d;]*m", "", shown.stdout)

    def test_nbgrader_gets_the_traceback(self, lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(logbook.NBGRADER, "autograde")
        assert "Traceback" in lesson.run("assert 1 == 2, 'no'", "test-counting")[1].stdout


def test_a_forward_pass_that_runs_again_says_what_it_put_back(lesson: Lesson) -> None:
    forward = next(cell.source for cell in read_cells(RELEASE / "backprop" / "1-every-gradient.ipynb") if cell.id == "forward")
    assert lesson.run(forward)[1].outputs == []
    lesson.run("n = 7\ndh = dlogits", "dh")
    _, shown = lesson.run(forward)
    assert [output.data["text/plain"] for output in shown.outputs] == ["→ %%forward: recorded. Put back: `n`."]
    assert lesson.shell.user_ns["n"] == 32
