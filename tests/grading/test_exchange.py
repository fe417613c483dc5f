"""The course in nbgrader's exchange: from an instructor's folder to a student's and back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts import demo
from scripts.submissions import NOTEBOOKS, ROOT, hand_in, model_answers


def test_the_exchange_works_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Release, fetch, submit, collect, autograde and feedback, as an instructor and a student type them."""
    course, desk = tmp_path / "course", tmp_path / "desk"
    demo.make_course(course, {})
    (course / "exchange").mkdir(mode=0o777)
    (course / "exchange").chmod(0o777)
    desk.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", desk)
    monkeypatch.setenv("NBGRADER_EXCHANGE", str(course / "exchange"))
    for name in ("0-warm-up", "1-every-gradient", "4-train"):
        (course / "source" / "backprop" / f"{name}.ipynb").unlink()
    demo.nbgrader(course, "generate_assignment", "backprop")
    demo.nbgrader(course, "release_assignment", "backprop")
    demo.nbgrader(desk, "fetch_assignment", "backprop")
    assert sorted(path.name for path in (desk / "backprop").glob("*.ipynb")) == [f"{name}.ipynb" for name in NOTEBOOKS[2:4]]
    hand_in(desk / "filled", model_answers())
    for name in NOTEBOOKS[2:4]:
        shutil.copy(desk / "filled" / f"{name}.ipynb", desk / "backprop")
    demo.nbgrader(desk, "submit", "backprop")
    demo.nbgrader(course, "collect", "backprop")
    demo.nbgrader(course, "autograde", "backprop")
    demo.nbgrader(course, "generate_feedback", "backprop")
    demo.nbgrader(course, "release_feedback", "backprop")
    demo.nbgrader(desk, "fetch_feedback", "backprop")
    assert list(demo.marks(course).values()) == [{"2-cross-entropy": (4, 4), "3-batchnorm": (6, 6)}]
    assert len(list(desk.glob("backprop/feedback/*/*.html"))) == 2
