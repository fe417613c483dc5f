"""What comes with an installed package and a room does not show: the model answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.submissions import ROOT
from tests.support.attacks.reading import READING
from tests.support.rooms import linux

pytestmark = linux

EXAMINED = """
import json
from pathlib import Path
from autograder.course import catalogue
from autograder.learner.checker import Checker
from autograder.learner.workbook import open_workbook

path = catalogue.copy(Path("mine"), name="backprop")[1]
content = json.loads(path.read_text())
next(cell for cell in content["cells"] if cell["id"] == "dlogits")["source"] = Path("attack.py").read_text()
path.write_text(json.dumps(content))
workbook = open_workbook(path)
with Checker() as checker:
    found = checker._examined(workbook, workbook.tasks)
shown = {task.id: record.messages for task, record in zip(workbook.tasks, found.cells)}["dlogits"]
print(json.dumps([checker.warning, [message["content"].get("text") for message in shown]]))
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder of packages that the package was installed into, as `tests/test_package.py` holds a wheel to be."""
    packages = tmp_path / "site-packages"
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "autograder", packages / "autograder", ignore=leave)
    for name in ("release", "source"):
        shutil.copytree(ROOT / name, packages / "autograder" / name, ignore=leave)
    (packages / "autograder" / "data").mkdir()
    shutil.copy(ROOT / "data" / "names.txt", packages / "autograder" / "data")
    return packages


def attacked(installed: Path, folder: Path) -> list[object]:
    """The warning of a check, and what an attack shows in it."""
    folder.mkdir()
    (folder / "attack.py").write_text(READING["model-answers"].answers["dz"], encoding="utf-8")
    surroundings = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", EXAMINED], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=200
    )
    assert not done.returncode, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_a_cell_in_a_room_does_not_get_at_them(installed: Path, tmp_path: Path) -> None:
    assert attacked(installed, tmp_path / "work") == ["", ["nothing True\n"]]


def test_what_hides_them_is_the_room(installed: Path, tmp_path: Path) -> None:
    """The attack works where the room does not cover them: so it would be seen if it ever did."""
    hides = installed / "autograder" / "sandbox" / "view.py"
    text = hides.read_text(encoding="utf-8")
    planted = text.replace("[*_engines(), *_model_answers()]", "[*_engines()]")
    assert planted != text
    hides.write_text(planted, encoding="utf-8")
    assert attacked(installed, tmp_path / "work") == ["", ["WORKED True\n"]]
