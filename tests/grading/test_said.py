"""What an instructor's commands say of a class in which names and texts would steer a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from scripts import demo
from tests.support.classes import ASSIGNMENT, RIGHT, hand_in, make_course
from tests.support.rooms import linux
from tests.test_terminal import harmless

pytestmark = [
    linux,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),  # of nbgrader's own statements
]

ESC = "\x1b[31m\x1b]0;owned\x07"
NAMES = ("\x1bc\x07bob", "[bold]:smiley:eve", "mal\u202elory", "=cmd|' !A0")
SPEAKS = f"""
import warnings
warnings.warn({ESC!r})
class Odd(Exception):
    pass
Odd.__name__ = Odd.__qualname__ = {ESC!r}
raise Odd({ESC!r})
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("said") / "course"
    make_course(folder)
    for name in NAMES:
        handed_in = hand_in(folder, name, RIGHT)
        (handed_in / f"{ESC}link").symlink_to("/etc/passwd")
        (handed_in / f"{ESC}.txt").write_text("x")
        (handed_in / f"[bold]{ESC}.ipynb").write_text("{}")
        (handed_in / "caf\udce9\u2028.txt").write_text("x")
        first = handed_in / "first.ipynb"
        nb = nbformat.read(first, as_version=4)
        nb.cells.append(new_code_cell(SPEAKS, id="speaks"))
        nb.cells.append(new_code_cell(f"raise ModuleNotFoundError({ESC!r}, name={ESC!r})", id="imports"))
        nb.cells.append(new_code_cell("import os\nos._exit(1)", id="ends"))
        nbformat.write(nb, first)
    yield folder


def said(course: Path, *command: str) -> str:
    """All that a command of ours, or of nbgrader's, writes."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from importlib import import_module as m; m(sys.argv.pop(1)).main()", *command],
        cwd=course,
        env={**os.environ, "PATH": demo.PATH, "COLUMNS": "400"},
        capture_output=True,
        timeout=200,
    )
    return (done.stdout + done.stderr).decode(errors="surrogateescape")


OURS, NBGRADERS = "autograder.cli.main", "nbgrader.apps.nbgraderapp"


def test_our_commands_say_nothing_raw(course: Path) -> None:
    texts = [said(course, OURS, verb, ASSIGNMENT) for verb in ("grade", "report")]
    texts.append(said(course, OURS, "grade", ASSIGNMENT, "--student", ESC))
    texts.append(said(course, OURS, "report", ESC))
    for text in texts:
        assert all(map(harmless, text.split("\n"))), repr(text)
    for text in texts[:2]:
        for shown in ("\\x1bc\\x07bob", "[bold]:smiley:eve", "mal\\u202elory", "link`"):
            assert shown in text, text
        assert "a spreadsheet with the grades takes for a formula" in text
    assert "\\x1b[31m" in texts[2]


def test_our_json_says_nothing_raw(course: Path) -> None:
    text = said(course, OURS, "report", ASSIGNMENT, "--json")
    assert all(map(harmless, text.split("\n"))), repr(text)
    students = {each["student"] for each in json.loads(text)["submissions"]}
    assert {"[bold]:smiley:eve", "mal\\u202elory"} <= students


@pytest.mark.parametrize("verb", ["check", "progress", "hint"])
def test_what_a_learner_is_told_has_nothing_raw(tmp_path: Path, verb: str) -> None:
    (tmp_path / f"{ESC}.ipynb").write_text("{}")
    text = said(tmp_path, OURS, verb, *(["dz"] if verb == "hint" else []), f"{ESC}.ipynb")
    assert "owned" in text
    assert all(map(harmless, text.split("\n"))), repr(text)


def test_nbgraders_log_says_nothing_raw(course: Path) -> None:
    for command in ("autograde", "generate_feedback"):
        text = said(course, NBGRADERS, command, ASSIGNMENT, "--force", "--CourseDirectory.student_id=*bob")
        assert "\\x1bc\\x07bob" in text
        assert all(map(harmless, text.replace("\t", " ").split("\n"))), repr(text)
