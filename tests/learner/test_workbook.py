"""A learner's notebook as it is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course.catalogue import Catalogue
from autograder.course.cells import Role
from autograder.learner import workbook
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
    assert [source.split()[2] for source in read.forwards] == ["emb"]


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
    assert workbook.open_workbook(learner.notebook("4-train")).gone == ()


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
