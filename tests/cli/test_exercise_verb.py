"""A new exercise from a file of forward lines to marks, with nbgrader's own commands."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner, Result

from autograder.cli.main import main
from autograder.course import notebooks
from scripts.submissions import ROOT
from tests.support.commands import command, nbgrader
from tests.support.layernorm import ANSWERS, FORWARD

NOTEBOOK = "source/norms/layernorm.ipynb"
MISSING = "its model answer is missing: write it between `### BEGIN SOLUTION` and `### END SOLUTION`."


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    (tmp_path / "layernorm.py").write_text(FORWARD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def autograder(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def fill_in(path: Path) -> None:
    """Writes the right answers into the cells for them, as the instructor or a student does."""
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if cell.id in ANSWERS:
            cell.source = cell.source.replace("# The model answer goes here.", ANSWERS[cell.id])
            cell.source = cell.source.replace("# YOUR CODE HERE", ANSWERS[cell.id])
    nbformat.write(nb, path)


@pytest.mark.long  # docs/layernorm-exercise.md is typed as far as the linter, which runs everything as the grader does
def test_from_forward_lines_to_full_marks(course: Path) -> None:
    said = autograder("new-exercise", "norms", "layernorm.py").output.splitlines()
    assert said == [
        f"{NOTEBOOK}: 20 gradients, 20 points",
        f"In this order: {', '.join(ANSWERS)}",
        "Now write the model answers, each between `### BEGIN SOLUTION` and `### END SOLUTION`. Then:",
        f"  autograder normalise {NOTEBOOK}",
        "  nbgrader generate_assignment norms",
        "  autograder lint norms",
    ]
    nbgrader(course, "generate_assignment", "norms")
    said = autograder("lint", "norms").output.splitlines()
    assert said[:20] == [f"layernorm.ipynb, cell `{name}`: {MISSING}" for name in ANSWERS]
    assert said[20:] == ["1 notebook, 20 tests, 20 points: 20 to fix"]

    fill_in(course / NOTEBOOK)
    assert autograder("normalise", NOTEBOOK).output == f"{NOTEBOOK}: as it was\n"
    nbgrader(course, "generate_assignment", "norms", "--force")
    assert autograder("lint", "norms").output == "1 notebook, 20 tests, 20 points: 0 to fix\n"

    for student in ("right", "untouched"):
        shutil.copytree(course / "release/norms", course / "submitted" / student / "norms")
    fill_in(course / "submitted/right/norms/layernorm.ipynb")
    graded = command(course, "autograder", "grade", "norms")
    assert graded.returncode == 0, graded.stdout
    nbgrader(course, "export")
    with open(course / "grades.csv", encoding="utf-8", newline="") as file:
        marks = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert marks == {"right": 20.0, "untouched": 0.0}


def test_what_it_says_of_the_minibatch_and_of_none(course: Path) -> None:
    (course / "small.py").write_text(
        "import torch\nn = 3\nx = torch.ones(n)\n# %%forward --batch n x\ny = x * 2\nloss = y.sum()\n"
    )
    said = autograder("new-exercise", "small", "small.py", "--points", "2.5").output.splitlines()
    assert said[0] == "source/small/small.ipynb: 2 gradients, 5 points"
    assert said[2] == "Of the minibatch: dx. If that is data, leave it out: --skip dx --force"
    said = autograder("new-exercise", "small", "small.py", "--skip", "dx", "--force").output.splitlines()
    assert said[:2] == ["source/small/small.ipynb: 1 gradient, 1 point", "In this order: dy"]
    (course / "small.py").write_text("import torch\nx = torch.ones(3)\n# %%forward\ny = x * 2\nloss = y.sum()\n")
    said = autograder("new-exercise", "other", "small.py").output.splitlines()
    assert said[2] == (
        "Without `--batch` beside `%%forward` answers are accepted that have the number of rows written into them."
    )


@pytest.mark.parametrize("name", ["a+b", "..", ""])
def test_a_name_that_no_assignment_may_have(course: Path, name: str) -> None:
    result = autograder("new-exercise", name, "layernorm.py")
    assert result.exit_code == 1
    assert result.output == f"Error: {name!r} cannot be the name of an assignment: use letters, digits, `-` and `_`.\n"


def test_it_is_run_in_the_folder_of_a_course(course: Path) -> None:
    (course / "nbgrader_config.py").unlink()
    result = autograder("new-exercise", "norms", "layernorm.py")
    assert result.exit_code == 1
    assert result.output == f"Error: {course} has no source/ and no nbgrader_config.py: run this in the course's folder.\n"


def test_a_notebook_that_is_there_is_kept(course: Path) -> None:
    autograder("new-exercise", "norms", "layernorm.py")
    fill_in(course / NOTEBOOK)
    before = notebooks.read(course / NOTEBOOK)
    result = autograder("new-exercise", "norms", "layernorm.py")
    assert result.exit_code == 1
    assert result.output == f"Error: {NOTEBOOK} is there already. Give the exercise another name, or replace it with --force.\n"
    assert notebooks.read(course / NOTEBOOK) == before
