"""What a student sees of `progress`, in a notebook that stands in a folder with others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from autograder.notebook import logbook
from autograder.notebook.api import progress
from autograder.notebook.gradient_map import Standing, Status
from autograder.notebook.overview import survey
from autograder.verdict import Outcome, Verdict
from scripts.submissions import hand_in, model_answers
from tests.support.lesson import Lesson

STEPS = "1-every-gradient"
ANSWERS = model_answers()
UNTOUCHED = Standing(Status.NOT_ATTEMPTED)
RIGHT = Standing(Status.RIGHT)
CHANGED = Standing(Status.WAITING, "changed since it was checked")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's working directory, with the released notebooks in it."""
    hand_in(tmp_path, {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    return tmp_path


def opened(name: str = STEPS) -> Lesson:
    """A notebook in a new kernel, run down to its forward pass, with `progress` at hand."""
    lesson = Lesson(name, solved=False)
    lesson.shell.user_ns["progress"] = progress
    return lesson


def write(folder: Path, cells: Mapping[str, str], name: str = STEPS) -> None:
    """Saves other sources into the notebook's file."""
    path = folder / f"{name}.ipynb"
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        cell.source = cells.get(cell.id, cell.source)
    nbformat.write(nb, path)


def solve(lesson: Lesson, folder: Path, cells: Mapping[str, str], name: str = STEPS) -> None:
    """Writes answers into the notebook, runs them and saves it."""
    write(folder, cells, name)
    for id, source in cells.items():
        lesson.run(source, id)


def standings(lesson: Lesson) -> dict[str, Standing]:
    """How each gradient stands that is asked for."""
    InteractiveShell._instance = lesson.shell  # the running notebook, where a test has several
    graphs = [survey(lesson.session, forward, tape, Path()) for forward, tape in lesson.session.tapes.items()]
    return {node.name: node.standing for graph in graphs for node in graph.nodes if node.state is not Status.NOT_ASKED}


def first(count: int) -> dict[str, str]:
    return dict(list(ANSWERS[STEPS].items())[:count])


def test_a_fresh_notebook_shows_a_map_without_marks(folder: Path) -> None:
    result, shown = opened().run("progress()")
    assert result.success and result.result is None
    (output,) = shown.outputs
    assert output.data["text/plain"].startswith("gradient map: 0 of 26 right, 26 not attempted\n")
    assert output.data["text/html"].startswith("<div><b>gradient map: 0 of 26 right, 26 not attempted</b><br><img alt=")
    assert shown.stdout == shown.stderr == ""
    assert not (folder / logbook.PROGRESS_FILE).exists()


def test_what_was_run_is_judged_at_once_without_a_check(folder: Path) -> None:
    lesson = opened()
    solve(lesson, folder, first(4) | {"dcounts": "dcounts = counts_sum_inv * dprobs"})
    found = standings(lesson)
    assert [found[name] for name in first(4)] == [RIGHT] * 4
    assert found["dcounts"].state is Status.WRONG
    assert "`counts_sum`" in found["dcounts"].note
    assert found["dnorm_logits"] == UNTOUCHED


def test_a_cell_that_stops_is_waiting_with_its_diagnosis(folder: Path) -> None:
    lesson = opened()
    solve(lesson, folder, {"dprobs": "dprobs = dlogprobs / nonsense", "dlogprobs": "dlogprobs = ("})
    found = standings(lesson)
    assert found["dprobs"] == Standing(
        Status.WAITING, "The cell for `dprobs` stopped in line 1, `dprobs = dlogprobs / nonsense`."
    )
    assert found["dlogprobs"] == Standing(Status.WAITING, "The cell for `dlogprobs` stopped in line 1, `dlogprobs = (`.")


def test_a_right_notebook_is_all_right(folder: Path) -> None:
    lesson = opened()
    solve(lesson, folder, ANSWERS[STEPS])
    assert lesson.run("progress()")[1].outputs[0].data["text/plain"].startswith("gradient map: 26 of 26 right\n")


def test_a_map_is_quick(folder: Path) -> None:
    lesson = opened()
    solve(lesson, folder, ANSWERS[STEPS])
    start = time.perf_counter()
    lesson.run("progress()")
    assert time.perf_counter() - start < 10


class TestAnotherDay:
    """The kernel is a new one, and no answer has run in it."""

    def test_what_was_found_is_remembered(self, folder: Path) -> None:
        today = opened()
        solve(today, folder, first(3) | {"dcounts_sum": "dcounts_sum = -dcounts_sum_inv"})
        before = standings(today)
        assert standings(opened()) == before
        assert before["dcounts_sum"].state is Status.WRONG

    def test_an_answer_that_was_changed_since_waits(self, folder: Path) -> None:
        solve(today := opened(), folder, first(3))
        standings(today)
        write(folder, {"dprobs": "dprobs = dlogprobs / probs  # or is it?"})
        found = standings(opened())
        assert found["dprobs"] == CHANGED
        assert found["dlogprobs"] == RIGHT

    def test_an_answer_that_was_taken_out_is_not_attempted(self, folder: Path) -> None:
        solve(today := opened(), folder, first(3))
        standings(today)
        write(folder, {"dprobs": "# YOUR CODE HERE", "dcounts_sum_inv": ""})
        found = standings(opened())
        assert found["dprobs"] == found["dcounts_sum_inv"] == UNTOUCHED
        assert found["dlogprobs"] == RIGHT

    def test_an_answer_in_a_cell_of_its_own_counts(self, folder: Path) -> None:
        lesson = opened()
        write(folder, {"shapes": ANSWERS[STEPS]["dprobs"]})
        lesson.run(ANSWERS[STEPS]["dprobs"], "shapes")
        assert standings(lesson)["dprobs"] == RIGHT
        assert standings(opened())["dprobs"] == RIGHT

    def test_an_untouched_notebook_is_untouched_whatever_the_logbook_says(self, folder: Path) -> None:
        solve(today := opened(), folder, ANSWERS[STEPS])
        standings(today)
        hand_in(folder, {})
        assert set(standings(opened()).values()) == {UNTOUCHED}

    def test_an_entry_is_trusted_where_there_is_no_notebook(self, folder: Path) -> None:
        solve(today := opened(), folder, first(2))
        standings(today)
        (folder / f"{STEPS}.ipynb").unlink()
        assert standings(opened())["dprobs"] == RIGHT

    def test_what_runs_again_is_judged_again(self, folder: Path) -> None:
        solve(today := opened(), folder, first(2))
        standings(today)
        tomorrow = opened()
        tomorrow.run("dprobs = -dlogprobs / probs", "dprobs")
        assert standings(tomorrow)["dprobs"].state is Status.WRONG

    def test_it_is_read_once_and_written_once(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        solve(lesson := opened(), folder, first(6))
        done: list[str] = []
        read, write = logbook.read, logbook.replace
        monkeypatch.setattr(logbook, "read", lambda folder: done.append("read") or read(folder))
        monkeypatch.setattr(logbook, "replace", lambda file, text: done.append("write") or write(file, text))
        assert [standing for standing in standings(lesson).values() if standing == RIGHT] == [RIGHT] * 6
        assert done == ["read", "write"]

    def test_a_broken_logbook_is_no_error(self, folder: Path) -> None:
        (folder / logbook.PROGRESS_FILE).write_text("{")
        result, shown = opened().run("progress()")
        assert result.success and len(shown.outputs) == 1
        assert (folder / logbook.ASIDE).exists()

    def test_what_a_check_noted_counts(self, folder: Path) -> None:
        write(folder, first(1))
        lesson = opened()
        (forward,) = lesson.session.tapes
        logbook.write_entries(folder, {forward: [(Verdict("dlogprobs", Outcome.RIGHT, "Yes."), ANSWERS[STEPS]["dlogprobs"])]})
        assert standings(lesson)["dlogprobs"] == RIGHT

    def test_what_was_checked_counts_though_no_map_was_seen(self, folder: Path) -> None:
        lesson = opened()
        solve(lesson, folder, first(2) | {"dcounts_sum": "dcounts_sum = -dcounts_sum_inv"})
        for name in ("dprobs", "dcounts_sum"):
            lesson.run(f'check("{name}")')
        assert (folder / logbook.PROGRESS_FILE).is_file()
        tomorrow = opened()
        found = standings(tomorrow)
        assert found["dprobs"] == RIGHT
        assert found["dcounts_sum"].state is Status.WRONG
        assert found["dlogprobs"] == UNTOUCHED  # it was never checked
        _, shown = tomorrow.run("progress()")
        assert shown.outputs[0].data["text/plain"].startswith("gradient map: 1 of 26 right, 1 wrong, 24 not attempted\n")

    def test_what_was_checked_of_a_function_counts(self, folder: Path) -> None:
        lesson = opened("4-train")
        solve(lesson, folder, {"backward": ANSWERS["4-train"]["backward"]}, "4-train")
        assert lesson.run('check("dW1", by="backward")')[0].success
        assert standings(opened("4-train")) == dict.fromkeys(["dW2", "db2", "dbngain", "dbnbias", "db1", "dC"], UNTOUCHED) | {
            "dW1": RIGHT
        }

    @pytest.mark.parametrize("purpose", ["autograde", "validate"])
    def test_what_nbgrader_runs_is_not_noted(self, folder: Path, monkeypatch: pytest.MonkeyPatch, purpose: str) -> None:
        monkeypatch.setenv(logbook.NBGRADER, purpose)
        lesson = opened()
        solve(lesson, folder, first(2))
        assert lesson.run('check("dprobs")')[0].success
        lesson.run("progress()")
        assert not (folder / logbook.PROGRESS_FILE).exists()


def test_an_answer_that_was_taken_out_and_run_is_not_attempted(folder: Path) -> None:
    lesson = opened()
    solve(lesson, folder, first(2))
    assert standings(lesson)["dprobs"] == RIGHT
    lesson.run("# YOUR CODE HERE", "dprobs")  # and not saved yet
    assert standings(lesson)["dprobs"] == UNTOUCHED


def test_without_a_notebook_all_gradients_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(standings(opened("2-cross-entropy"))) == 6
    assert len(standings(opened("1-every-gradient"))) == 26


def test_only_what_the_notebook_asks_for_is_marked(folder: Path) -> None:
    assert standings(opened("2-cross-entropy")) == {"dlogits": UNTOUCHED}
    assert standings(opened("3-batchnorm")) == dict.fromkeys(["dhprebn", "dx", "dmu", "dsigma", "dxhat"], UNTOUCHED)


def test_a_function_is_judged_for_each_gradient_that_it_gives(folder: Path) -> None:
    lesson = opened("4-train")
    assert set(standings(lesson).values()) == {UNTOUCHED}
    wrong = ANSWERS["4-train"]["backward"].replace("index_add_", "index_copy_")
    solve(lesson, folder, {"backward": wrong}, "4-train")
    found = standings(lesson)
    assert found.pop("dC").state is Status.WRONG
    assert found == dict.fromkeys(["dW2", "db2", "dbngain", "dbnbias", "dW1", "db1"], RIGHT)
    assert standings(opened("4-train")) == standings(lesson)


def test_the_stub_of_a_function_is_not_attempted(folder: Path) -> None:
    lesson = opened("4-train")
    stub = next(cell.source for cell in nbformat.read(folder / "4-train.ipynb", 4).cells if cell.id == "backward")
    lesson.run(stub, "backward")
    assert set(standings(lesson).values()) == {UNTOUCHED}
    assert set(standings(opened("4-train")).values()) == {UNTOUCHED}


def test_two_notebooks_of_a_folder_share_the_logbook(folder: Path) -> None:
    one, two = opened(), opened("2-cross-entropy")
    solve(one, folder, first(2))
    solve(two, folder, ANSWERS["2-cross-entropy"], "2-cross-entropy")
    for lesson in (one, two):
        lesson.run("progress()")
    assert standings(opened())["dprobs"] == RIGHT
    assert standings(opened("2-cross-entropy")) == {"dlogits": RIGHT}
    assert standings(opened())["dlogits"] == UNTOUCHED  # of the same name in another forward pass


def test_a_forward_pass_in_a_second_cell_has_a_map_of_its_own(folder: Path) -> None:
    lesson = opened("2-cross-entropy")
    lesson.run("%%forward\ntwice = C * 2\ntotal = twice.sum()")
    _, shown = lesson.run("progress()")
    headlines = [output.data["text/plain"].splitlines()[0] for output in shown.outputs]
    assert headlines == [
        "gradient map of loss: 0 of 1 right, 1 not attempted",
        "gradient map of total: 0 of 2 right, 2 not attempted",
    ]


def test_a_forward_pass_that_another_has_replaced_has_none(folder: Path) -> None:
    lesson = opened("2-cross-entropy")
    (forward,) = lesson.session.tapes
    lesson.run(f"%%forward --batch n Xb Yb\n{forward}\n# once more")
    assert len(lesson.session.tapes) == 2
    assert len(lesson.run("progress()")[1].outputs) == 1


def test_an_answer_is_judged_for_the_newest_forward_pass_only(folder: Path) -> None:
    lesson = opened("2-cross-entropy")
    (forward,) = lesson.session.tapes
    lesson.run(f"%%forward --batch n Xb Yb\n{forward.replace('loss', 'other')}")
    lesson.run(ANSWERS["2-cross-entropy"]["dlogits"], "dlogits")
    _, shown = lesson.run("progress()")
    headlines = [output.data["text/plain"].splitlines()[0] for output in shown.outputs]
    assert headlines == [
        "gradient map of loss: 0 of 1 right, 1 not attempted",
        "gradient map of other: 1 of 6 right, 5 not attempted",
    ]


def test_a_newer_forward_pass_may_end_where_an_older_one_goes_on(folder: Path) -> None:
    lesson = opened("2-cross-entropy")
    lesson.run("%%forward --batch n Xb Yb\nlogits = C.sum()")
    lesson.run(ANSWERS["2-cross-entropy"]["dlogits"], "dlogits")
    result, shown = lesson.run("progress()")
    assert result.success
    headlines = [output.data["text/plain"].splitlines()[0] for output in shown.outputs]
    assert headlines == [
        "gradient map of loss: 0 of 1 right, 1 not attempted",
        "gradient map of logits: 0 of 1 right, 1 not attempted",
    ]


def test_before_the_forward_pass_it_says_what_to_run(folder: Path) -> None:
    lesson = opened()
    lesson.session.tapes.clear()
    result, _ = lesson.run("progress()")
    assert str(result.error_in_exec) == "no forward pass has been recorded: run the `%%forward` cell, then this one again."


def test_in_a_cell_that_is_judged_it_does_nothing(folder: Path) -> None:
    lesson = opened()
    source = f"{ANSWERS[STEPS]['dlogprobs']}\nprogress()"
    _, shown = lesson.run(source, "dlogprobs")
    assert len(shown.outputs) == 1
    assert shown.outputs[0].data["text/plain"].startswith("gradient map: 1 of 26 right")


def test_during_a_replay_it_does_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = opened()
    monkeypatch.setattr("autograder.notebook.overview.under_way", lambda: True)
    result, shown = lesson.run("progress()")
    assert result.success
    assert shown.outputs == []


def test_a_folder_that_cannot_be_written_shows_the_map_all_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("autograder.files.NamedTemporaryFile", refuse)
    lesson = opened()
    solve(lesson, folder, first(2))
    assert lesson.run("progress()")[1].outputs[0].data["text/plain"].startswith("gradient map: 2 of 26 right")
    assert not (folder / logbook.PROGRESS_FILE).exists()


def test_a_map_leaves_the_notebook_as_it_was(folder: Path) -> None:
    lesson = opened()
    solve(lesson, folder, ANSWERS[STEPS])
    names = {name for name in lesson.shell.user_ns if not name.startswith("_")}
    before = {name: value.clone() for name, value in lesson.shell.user_ns.items() if isinstance(value, torch.Tensor)}
    lesson.run("progress()")
    assert {name for name in lesson.shell.user_ns if not name.startswith("_")} == names
    assert all(lesson.shell.user_ns[name].equal(value) for name, value in before.items())
