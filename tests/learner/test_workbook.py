"""A learner's notebook as it is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course.catalogue import Catalogue, reset_cell
from autograder.course.cells import Role
from autograder.errors import ContentError
from autograder.learner import screen, workbook
from autograder.learner.results import Checked, about
from autograder.sandbox.limits import Limits
from tests.support.learner import MODEL, Learner


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return Learner(tmp_path / "mine")


def test_a_fresh_notebook_is_blank(learner: Learner) -> None:
    read = workbook.open_workbook(learner.notebook())
    assert read.blank == set(MODEL["1-every-gradient"])
    assert read.restored == ()
    assert read.answers == {f"test-{name}": name for name in MODEL["1-every-gradient"]}
    assert sum(test.points or 0 for test in read.tests) == 26
    assert [source.split()[2] for source in read.specifications("")] == ["emb"]


def test_tests_know_the_answers_that_they_are_about(learner: Learner) -> None:
    read = workbook.open_workbook(learner.notebook("4-train"))
    assert read.answers.pop("test-training") == "descend"
    assert set(read.answers.values()) == {"backward"}
    assert read.blank == {"backward", "descend"}
    learner.writes({"descend": MODEL["4-train"]["descend"]}, "4-train")
    assert workbook.open_workbook(learner.notebook("4-train")).blank == {"backward"}


def test_the_course_s_own_cells_count_as_released(learner: Learner) -> None:
    before = workbook.open_workbook(learner.notebook())
    content = learner.read()
    for cell in content["cells"]:
        if cell["id"] == "forward":
            cell["source"] = "%%forward\nloss = C.sum()"
    content["cells"] = [cell for cell in content["cells"] if cell["id"] != "test-dprobs"]
    learner.saves(content)
    read = workbook.open_workbook(learner.notebook())
    assert read.restored == ("forward", "test-dprobs")
    assert read.tasks == before.tasks


def test_a_cell_that_is_gone_is_told(learner: Learner) -> None:
    content = learner.read()
    content["cells"] = [cell for cell in content["cells"] if cell["id"] != "dprobs"]
    learner.saves(content)
    read = workbook.open_workbook(learner.notebook())
    assert read.gone == ("dprobs",) and "dprobs" in read.blank
    dprobs = next(about(read, test) for test in read.tests if read.answers[test.id] == "dprobs")
    assert screen.total([Checked(read, (dprobs,), {})]).plain.startswith(
        "0 of 1 points. Next: dprobs, whose cell is gone from "
    )
    assert workbook.open_workbook(learner.notebook("4-train")).gone == ()


def test_an_answer_in_a_text_cell_is_told(learner: Learner) -> None:
    content = learner.read()
    (cell,) = [cell for cell in content["cells"] if cell["id"] == "dprobs"]
    cell.update(cell_type="markdown", source="dprobs = dlogprobs / probs")
    learner.saves(content)
    read = workbook.open_workbook(learner.notebook())
    assert (read.gone, read.notes) == ((), (workbook.AS_TEXT.format("dprobs"),))
    with pytest.raises(ContentError, match=r"`dprobs` in .* is a text cell now\. In JupyterLab choose it and press `y`"):
        reset_cell(learner.notebook(), "dprobs")
    assert learner.read() == content


def test_own_cells_stay_where_they_are(learner: Learner) -> None:
    content = learner.read()
    at = next(index for index, cell in enumerate(content["cells"]) if cell["id"] == "dprobs")
    own = {"cell_type": "code", "id": "mine", "metadata": {}, "source": "scratch = 1", "outputs": [], "execution_count": None}
    content["cells"].insert(at, own)
    learner.saves(content)
    order = [task.id for task in workbook.open_workbook(learner.notebook()).tasks]
    assert order.index("dprobs") == order.index("mine") + 1
    assert next(task for task in workbook.open_workbook(learner.notebook()).tasks if task.id == "mine").role is Role.STUDENT


def test_of_copies_the_written_one_counts(learner: Learner) -> None:
    content = learner.read()
    blank = next(cell for cell in content["cells"] if cell["id"] == "dprobs")
    content["cells"].insert(0, {**blank, "id": "copy", "source": ["dprobs = dlogprobs / probs"]})
    learner.saves(content)
    read = workbook.open_workbook(learner.notebook())
    assert read.source("dprobs") == "dprobs = dlogprobs / probs"
    assert "dprobs" not in read.blank


def test_a_notebook_that_is_called_otherwise_is_known_by_its_cells(learner: Learner) -> None:
    learner.notebook().rename(learner.folder / "other.ipynb")
    learner.writes({"forward": "%%forward\nloss = C.sum()"}, "other")
    read = workbook.open_workbook(learner.folder / "other.ipynb")
    assert read.restored == ("forward",) and read.assignment == "backprop"


def test_the_name_to_hand_it_in_under_is_told(learner: Learner) -> None:
    assert workbook.open_workbook(learner.notebook()).notes == ()
    learner.notebook().rename(learner.folder / "1-every-gradient (1).ipynb")
    said = "To hand this file in, call it `1-every-gradient.ipynb`: nbgrader knows a notebook by its name."
    assert workbook.open_workbook(learner.folder / "1-every-gradient (1).ipynb").notes == (said,)


@pytest.mark.parametrize("with_metadata", [True, False])
def test_a_split_answer_counts_as_one(learner: Learner, with_metadata: bool) -> None:
    learner.solves("4-train")
    whole = workbook.open_workbook(learner.notebook("4-train"))
    content = learner.read("4-train")
    at = next(index for index, cell in enumerate(content["cells"]) if cell["id"] == "backward")
    head, middle, tail = content["cells"][at]["source"].partition("\n    return")
    other = {**content["cells"][at], "id": "half", "source": (middle + tail).removeprefix("\n")}
    if not with_metadata:
        other["metadata"] = {}
    content["cells"][at]["source"] = head
    content["cells"].insert(at + 1, other)
    learner.saves(content, "4-train")
    read = workbook.open_workbook(learner.notebook("4-train"))
    assert read.tasks == whole.tasks
    assert read.notes == ("Cell `backward` was split into 2 cells: they count as one, joined in their order.",)


def test_a_notebook_of_an_old_format_is_that_of_the_new_one(learner: Learner) -> None:
    learner.solves("2-cross-entropy")
    whole = workbook.open_workbook(learner.notebook("2-cross-entropy"))
    content = learner.read("2-cross-entropy")
    cells = [{**cell, "input": cell["source"], "language": "python", "level": 1} for cell in content["cells"]]
    for cell in cells:
        del cell["id"]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells, "metadata": {}}]}
    learner.saves(old, "2-cross-entropy")
    read = workbook.open_workbook(learner.notebook("2-cross-entropy"))
    assert {task.id: task.source for task in read.tests} == {task.id: task.source for task in whole.tests}
    assert read.source("dlogits") == whole.source("dlogits") != ""
    assert read.origin == whole.origin and read.restored == ()
    learner.saves({**content, "nbformat_minor": 4}, "2-cross-entropy")
    assert workbook.open_workbook(learner.notebook("2-cross-entropy")).tasks == whole.tasks


def test_a_notebook_that_was_not_released_is_taken_as_it_is(learner: Learner, tmp_path: Path) -> None:
    learner.writes({"forward": "%%forward\nloss = C.sum()"})
    read = workbook.open_workbook(learner.notebook(), catalogue=Catalogue([tmp_path]))
    assert read.origin is None and read.assignment == "mine"
    assert read.source("forward") == "%%forward\nloss = C.sum()"
    assert "dprobs" in read.blank


def test_another_course_s_notebook_of_the_same_name_is_taken_as_it_is(learner: Learner) -> None:
    content = learner.read("2-cross-entropy")
    for cell in content["cells"]:
        if cell["id"] == "parameters":
            cell["source"] = "C = torch.zeros(27, 2)"
            cell["metadata"]["nbgrader"]["checksum"] = "of another release"
    learner.saves(content, "2-cross-entropy")
    read = workbook.open_workbook(learner.notebook("2-cross-entropy"))
    assert read.source("parameters") == "C = torch.zeros(27, 2)"
    assert read.restored == () and read.blank == {"dlogits"}


def test_a_paper_has_the_imports_of_the_course(learner: Learner) -> None:
    learner.writes({"dprobs": "import os"})
    paper = workbook.open_workbook(learner.notebook()).exam(Limits())
    assert paper.imports["F"] == "import torch.nn.functional as F"
    assert {"torch", "plt", "check"} <= paper.imports.keys() and "os" not in paper.imports
