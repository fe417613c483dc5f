"""The course in nbgrader's exchange: from an instructor's folder to a student's and back, by the commands of the start page."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts import demo
from scripts.submissions import NOTEBOOKS, ROOT, hand_in, model_answers
from tests.support.browser import headless_browser, inaccessible

SECONDS = 200
PAGE = ROOT / "docs/start/instructor.md"


def commands() -> list[list[str]]:
    """The words of each command of the instructor's start page, but for those that install the package."""
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    typed = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert typed[:2] == [["make", "install"], ["source", ".venv/bin/activate"]]
    return typed[2:]


def test_the_exchange_works_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Release, fetch, submit, collect, grade, feedback and export, as an instructor and a student type them."""
    course, desk = tmp_path / "course", tmp_path / "desk"
    demo.make_course(course, {})
    (course / "exchange").mkdir(mode=0o777)
    (course / "exchange").chmod(0o777)
    desk.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", desk)
    monkeypatch.setenv("NBGRADER_EXCHANGE", str(course / "exchange"))
    for name in ("0-warm-up", "1-every-gradient", "4-train"):
        (course / "source" / "backprop" / f"{name}.ipynb").unlink()
    surroundings = {**os.environ, "PATH": demo.PATH}
    generate, release, *after = commands()
    for typed in (generate, release):
        subprocess.run(typed, cwd=course, env=surroundings, check=True, timeout=SECONDS)
    demo.nbgrader(desk, "fetch_assignment", "backprop")
    assert sorted(path.name for path in (desk / "backprop").glob("*.ipynb")) == [f"{name}.ipynb" for name in NOTEBOOKS[2:4]]
    answers = model_answers()
    practice = {"dxhat": "dxhat = dhpreact", "dsigma": "dsigma = dxhat @ undefined"}  # a wrong one and a crash, without points
    hand_in(desk / "filled", {**answers, "3-batchnorm": {**answers["3-batchnorm"], **practice}})
    for name in NOTEBOOKS[2:4]:
        shutil.copy(desk / "filled" / f"{name}.ipynb", desk / "backprop")
    demo.nbgrader(desk, "submit", "backprop")
    for typed in after:
        subprocess.run(typed, cwd=course, env=surroundings, check=True, timeout=SECONDS)
    demo.nbgrader(desk, "fetch_feedback", "backprop")
    assert "backprop" in (course / "grades.csv").read_text()
    assert list(demo.marks(course).values()) == [{"2-cross-entropy": (4, 4), "3-batchnorm": (6, 6)}]
    feedback = sorted(desk.glob("backprop/feedback/*/*.html"))
    assert len(feedback) == 2
    with headless_browser(SECONDS) as running:
        for each in feedback:
            page = running.new_page()
            page.goto(each.as_uri())
            found = inaccessible(page)
            assert not found, found
