"""What is kept beside the notebooks, and read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autograder.course.cells import body, is_ask
from autograder.learner import history, workbook
from autograder.learner.results import Checked, about
from autograder.notebook import logbook
from autograder.notebook.gradient_map import OUTCOMES, Status
from autograder.notebook.overview import survey_of_asks
from autograder.verdict import Outcome, Verdict
from scripts.submissions import NOTEBOOKS
from tests.support.asked import in_session
from tests.support.learner import Learner


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return Learner(tmp_path / "mine")


def noted(learner: Learner, name: str, outcome: Outcome, words: str = "") -> workbook.Workbook:
    """The notebook, after a check that found this."""
    read = workbook.open_workbook(learner.notebook())
    test = next(test for test in read.tests if test.id == f"test-{name}")
    result = about(read, test)
    state = next(state for state, each in OUTCOMES.items() if each is outcome)
    verdict = Verdict(name, outcome, words)
    history.write_results(Checked(read, (type(result)(result.test, name, name, 1, state, verdict),), {}))
    return read


def state(read: workbook.Workbook, name: str) -> tuple[Status, str]:
    return next((result.state, result.sentence) for result in history.standing(read).results if result.name == name)


def test_what_was_found_counts_while_the_cell_is_the_same(learner: Learner) -> None:
    learner.writes({"dprobs": "dprobs = 1"})
    read = noted(learner, "dprobs", Outcome.WRONG, "It is one. Or so.")
    assert state(read, "dprobs") == (Status.WRONG, "It is one.")
    assert not history.is_right(read, "dprobs")
    learner.writes({"dprobs": "dprobs = 2"})
    assert state(workbook.open_workbook(learner.notebook()), "dprobs") == (Status.WAITING, logbook.CHANGED)
    learner.writes({"dprobs": ""})
    assert state(workbook.open_workbook(learner.notebook()), "dprobs") == (Status.NOT_ATTEMPTED, "")


def test_what_was_never_checked_is_waiting(learner: Learner) -> None:
    learner.writes({"dprobs": "dprobs = 1"})
    assert state(workbook.open_workbook(learner.notebook()), "dprobs") == (Status.WAITING, "not checked yet")


def test_of_several_forward_passes_that_counts_in_which_the_answer_was_judged(learner: Learner) -> None:
    """A notebook notes a verdict under the forward pass that it is about, the terminal under the first."""
    content = learner.read()
    forward = next(cell for cell in content["cells"] if cell["id"] == "forward")
    other = "%%forward\nother = C * 2\nloss = other.sum()"
    content["cells"].insert(content["cells"].index(forward), {**forward, "id": "sooner", "source": other, "metadata": {}})
    for cell in content["cells"]:
        cell["metadata"].get("nbgrader", {}).pop("checksum", None)
        cell["source"] = "dprobs = 1" if cell["id"] == "dprobs" else cell["source"]
    content["cells"] = [cell for cell in content["cells"] if cell["id"] not in ("setup", "names", "parameters")]
    learner.saves(content)
    read = replace(workbook.open_workbook(learner.notebook()), origin=None)
    first, second = read.specifications("dprobs")
    right, wrong = Verdict("dprobs", Outcome.RIGHT, ""), Verdict("dprobs", Outcome.WRONG, "No.")
    for found in ({second: [(right, "dprobs = 1")]}, {first: [(wrong, "dprobs = 2")]}):
        logbook.write_entries(learner.folder, found)
        assert state(read, "dprobs") == (Status.RIGHT, "")
    logbook.write_entries(learner.folder, {second: [(right, "dprobs = 3")]})
    assert state(read, "dprobs") == (Status.WAITING, logbook.CHANGED)


def test_a_right_answer_is_remembered(learner: Learner) -> None:
    learner.writes({"dprobs": "dprobs = 1"})
    assert history.is_right(noted(learner, "dprobs", Outcome.RIGHT), "dprobs")


def test_hints_go_on_the_next_day(learner: Learner) -> None:
    read = workbook.open_workbook(learner.notebook())
    ladder = ["a", "b", "c"]
    assert [history.next_hint(read, "dprobs", ladder) for _ in range(2)] == [0, 1]
    assert history.next_hint(workbook.open_workbook(learner.notebook()), "dprobs", ladder) == 2
    assert history.next_hint(read, "dprobs", ladder) == 2
    assert history.next_hint(read, "dprobs", ["of a new check", *ladder]) == 0
    assert history.next_hint(read, "dh", ladder) == 0


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "{", "\udcff"])
def test_a_broken_file_begins_anew(learner: Learner, content: str) -> None:
    (learner.folder / history.HINTS).write_text(content, errors="surrogateescape")
    read = workbook.open_workbook(learner.notebook())
    assert [history.next_hint(read, "dprobs", ["a", "b"]) for _ in range(2)] == [0, 1]


def test_what_the_terminal_found_of_asks_is_in_the_map_of_the_notebook(tmp_path: Path) -> None:
    learner = Learner(tmp_path / "asks", "bigrams")
    learner.solves("1-counting")
    read = workbook.open_workbook(learner.notebook("1-counting"))
    states = [Status.RIGHT, Status.WRONG, Status.RIGHT, Status.NOT_ATTEMPTED, Status.RIGHT]
    results = [replace(about(read, test), state=state) for test, state in zip(read.tests, states, strict=True)]
    history.write_results(Checked(read, tuple(results), {}))
    assert [result.state for result in history.standing(read).results] == [*states[:3], Status.WAITING, *states[4:]]
    session = in_session({task.id: body(task.source) for task in read.tasks if is_ask(task.source)}, "", {})
    chart = survey_of_asks(session, learner.folder)
    found = {node.name: node.state for node in chart.nodes}
    assert found == dict(zip(("N", "P", "nll", "sample", "smoothed"), states, strict=True))


def test_a_check_reads_and_writes_the_logbook_once(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    learner.solves()
    read = workbook.open_workbook(learner.notebook())
    results = [replace(about(read, test), state=Status.RIGHT) for test in read.tests]
    done: list[str] = []
    load, write = logbook.read, logbook.replace
    monkeypatch.setattr(logbook, "read", lambda folder: done.append("read") or load(folder))
    monkeypatch.setattr(logbook, "replace", lambda file, text: done.append("write") or write(file, text))
    history.write_results(Checked(read, tuple(results), {}))
    assert done == ["read", "write"]
    assert history.standing(read).right == len(results) == 26


def test_who_has_begun_what_gives_points_need_not_go_back_to_practice(learner: Learner) -> None:
    def todo() -> list[str]:
        checked = [history.standing(workbook.open_workbook(learner.notebook(stem))) for stem in NOTEBOOKS]
        return [f"{each.workbook.path.stem}/{result.name}" for each, result in history.behind(checked)]

    practice = {f"0-warm-up/{name}" for name in ("dout", "dproduct", "da", "dbias", "dt")}
    practice |= {f"3-batchnorm/{name}" for name in ("dxhat", "dsigma", "dmu", "dx")}
    everything = todo()
    assert everything[0] == "0-warm-up/dout" and practice < {*everything} and len(everything) == 45
    learner.writes({"dout": "dout = 2 * out"}, "0-warm-up")
    assert todo() == everything
    learner.writes({"dlogits": "dlogits = 1"}, "2-cross-entropy")
    assert todo() == [name for name in everything if name not in practice]
