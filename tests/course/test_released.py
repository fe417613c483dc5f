"""The released notebooks, a learner's copy of them, and a cell put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course import catalogue
from autograder.course.cells import Role, read_cells
from autograder.errors import ContentError
from scripts.submissions import MOST, NOTEBOOKS, RELEASE
from tests.support.learner import Learner


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return Learner(tmp_path / "mine")


def test_a_new_folder_is_the_release(learner: Learner) -> None:
    assert {path.name: path.read_bytes() for path in learner.folder.iterdir()} == {
        path.name: path.read_bytes() for path in RELEASE.iterdir()
    }


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/work").write_text("dear")
    with pytest.raises(ContentError, match=r"mine is there already. Give another name: `autograder new NAME`"):
        catalogue.copy(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["work"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ContentError, match=r"cannot be made .Not a directory.. Give another name"):
        catalogue.copy(tmp_path / "file/mine", name="backprop")


def test_cells_have_nbgraders_names_roles_and_points() -> None:
    for name, most in zip(NOTEBOOKS, MOST, strict=True):
        cells = list(read_cells(RELEASE / f"{name}.ipynb"))
        assert sum(cell.points or 0 for cell in cells if cell.role is Role.TEST) == most
        assert all(cell.role is Role.STUDENT for cell in cells if cell.solves)
    roles = {cell.id: (cell.role, cell.solves) for cell in read_cells(RELEASE / "1-every-gradient.ipynb")}
    assert roles["forward"] == (Role.LOCKED, False)
    assert roles["dprobs"] == (Role.STUDENT, True)
    assert roles["shapes"] == (Role.STUDENT, False)
    assert roles["test-dprobs"] == (Role.TEST, False)


@pytest.mark.parametrize("content", ["[]", "{}", '{"cells": [1]}', '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}'])
def test_what_is_no_notebook_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.ipynb").write_text(content)
    with pytest.raises(ContentError) as raised:
        read_cells(tmp_path / "a.ipynb")
    said = (
        "is JSON without the cells of a notebook. If it is still open in JupyterLab, save it there. "
        "If not, `autograder new NAME` makes a folder with a fresh one."
    )
    assert str(raised.value) == f"{tmp_path / 'a.ipynb'} is not a notebook: it {said}"


def test_a_reset_puts_one_cell_back_and_keeps_the_text(learner: Learner) -> None:
    before = learner.read()
    learner.writes({"dprobs": "dprobs = 1 / 0  # é", "dcounts": "dcounts = 2"})
    kept = catalogue.reset_cell(learner.notebook(), "dprobs")
    assert kept.parent == learner.folder / "backup" and kept.read_text(encoding="utf-8") == "dprobs = 1 / 0  # é\n"
    after = learner.read()
    assert learner.source("dcounts") == "dcounts = 2"
    learner.writes({"dcounts": learner.source("dprobs")})
    same = [cell for cell in learner.read()["cells"] if "".join(cell["source"]) != ""]
    assert [(cell["id"], "".join(cell["source"])) for cell in same] == [
        (cell["id"], "".join(cell["source"])) for cell in before["cells"]
    ]
    assert after["metadata"] == before["metadata"]


def test_every_reset_keeps_another_file(learner: Learner) -> None:
    kept = set()
    for number in range(3):
        learner.writes({"dprobs": f"dprobs = {number}"})
        kept.add(catalogue.reset_cell(learner.notebook(), "dprobs"))
    assert {path.read_text() for path in kept} == {f"dprobs = {number}\n" for number in range(3)}


def test_a_reset_of_nothing_changes_nothing(learner: Learner) -> None:
    before = learner.notebook().read_bytes()
    with pytest.raises(ContentError, match=r"`dprobs` in .* is as it was released already"):
        catalogue.reset_cell(learner.notebook(), "dprobs")
    with pytest.raises(ContentError, match=r"was not made from a released notebook with a cell `dhello`"):
        catalogue.reset_cell(learner.notebook(), "dhello")
    assert learner.notebook().read_bytes() == before
    assert not (learner.folder / "backup").exists()


def test_a_reset_that_cannot_be_written_changes_nothing(learner: Learner) -> None:
    learner.writes({"dprobs": "dprobs = 1"})
    (learner.folder / "backup").write_text("not a folder")
    before = learner.notebook().read_bytes()
    with pytest.raises(ContentError, match=r"was not changed .* Its folder has to be one that can be written"):
        catalogue.reset_cell(learner.notebook(), "dprobs")
    assert learner.notebook().read_bytes() == before


def test_a_cell_that_is_gone_cannot_be_reset(learner: Learner) -> None:
    content = learner.read()
    content["cells"] = [cell for cell in content["cells"] if cell["id"] != "dprobs"]
    learner.saves(content)
    with pytest.raises(ContentError, match=r"has no cell `dprobs` any more. Copy it from the release"):
        catalogue.reset_cell(learner.notebook(), "dprobs")
