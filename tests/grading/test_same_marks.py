"""One class on stock nbgrader, in our grader, by `autograder check` and by `nbgrader validate`: all say the same.

In JupyterLab a check that is not right raises nothing, and a tag has Run All go on. Neither may move a mark.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts import demo
from scripts.submissions import ROOT, model_answers
from tests.sandbox.test_attacks import STOCK
from tests.support.commands import command, nbgrader
from tests.support.learner import autograder

pytestmark = [pytest.mark.timeout(540), pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")]

STEM, ANSWER, POINTS = "2-cross-entropy", "dlogits", 4
RIGHT = model_answers()[STEM][ANSWER]
HIDES = 'import os\nos.environ.pop("NBGRADER_EXECUTION", None)\ndlogits = -dlogits'
CLASS = {
    "untouched": {},
    "wrong": {ANSWER: "dlogits = F.softmax(logits, 1) / n"},
    "stops": {ANSWER: "dlogits = F.softmax(logit, 1) / n"},
    "right": {ANSWER: RIGHT},
    "hides": {ANSWER: f"{RIGHT}\n{HIDES}"},
}
"""Submissions, the last of which hides that nbgrader runs it."""
MARKS = {"untouched": 0, "wrong": 0, "stops": 0, "right": POINTS, "hides": 0}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with one notebook, which all have handed in."""
    folder = tmp_path_factory.mktemp("same") / "course"
    demo.make_course(folder, {})
    (folder / "source/one").mkdir()
    shutil.copy(ROOT / "source/backprop" / f"{STEM}.ipynb", folder / "source/one")
    nbgrader(folder, "generate_assignment", "one")
    for student, answers in CLASS.items():
        target = folder / "submitted" / student / "one" / f"{STEM}.ipynb"
        target.parent.mkdir(parents=True)
        content = json.loads((folder / "release/one" / f"{STEM}.ipynb").read_text(encoding="utf-8"))
        assert any("raises-exception" in cell["metadata"].get("tags", []) for cell in content["cells"])
        for cell in content["cells"]:
            cell["source"] = answers.get(cell["id"], cell["source"])
            if student == "right":  # by an older release, or a tool that keeps no tags
                cell["metadata"].pop("tags", None)
        target.write_text(json.dumps(content), encoding="utf-8")
    return folder


def marks(course: Path) -> Mapping[str, float]:
    found = demo.marks(course, "one")
    assert all(points[STEM][1] == POINTS for points in found.values())
    return {student: points[STEM][0] for student, points in found.items()}


def test_on_stock_nbgrader(course: Path) -> None:
    config = course / "nbgrader_config.py"
    ours = config.read_text(encoding="utf-8")
    config.write_text(ours + STOCK, encoding="utf-8")
    try:
        nbgrader(course, "autograde", "one", "--force")
    finally:
        config.write_text(ours, encoding="utf-8")
    assert marks(course) == MARKS


def test_in_our_grader(course: Path) -> None:
    assert command(course, "autograder", "grade", "one", "--force").returncode == 0
    assert marks(course) == MARKS
    for student in CLASS:
        record = (course / "autograded" / student / "one" / f"{STEM}.ipynb").read_text(encoding="utf-8")
        assert "so far:" not in record, student
        notes = json.loads(record)["metadata"]["autograder"]["notes"]
        assert not [note for note in notes if "tags" in note or "put back" in note], student


@pytest.mark.parametrize("student", CLASS)
def test_by_the_command_for_learners(course: Path, student: str) -> None:
    result = autograder("check", course / "submitted" / student / "one")
    assert f"{MARKS[student]} of {POINTS} points" in result.output
    assert "so far:" not in result.output


@pytest.mark.parametrize("student", CLASS)
def test_by_nbgrader_s_validation(course: Path, student: str) -> None:
    text = nbgrader(course, "validate", f"submitted/{student}/one/{STEM}.ipynb")
    if MARKS[student]:
        assert "Success! Your notebook passes all the tests." in text
    else:
        assert "VALIDATION FAILED ON 1 CELL(S)" in text
        assert f'check("{ANSWER}")' in text and f"NotRight: {ANSWER}: " in text
