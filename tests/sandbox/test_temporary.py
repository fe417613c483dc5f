"""Temporary folders go with their process; those of one that was killed are swept, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from autograder.sandbox import temporary
from autograder.sandbox.temporary import Folder, sweep

HOLDS = """
import signal
from pathlib import Path
from autograder.sandbox.temporary import Folder
folder = Folder("submission")
Path(folder.name, "first.ipynb").write_text("{}")
print(folder.name, flush=True)
signal.pause()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_one_that_was_killed_leaves_a_folder_until_the_next_sweep() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().strip())
        sweep()
        assert [path.name for path in held.iterdir()] == ["first.ipynb"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert held.is_dir()
        sweep()
        assert not held.exists()


def test_one_that_goes_as_it_should_leaves_nothing(folder: Path) -> None:
    with Folder("course") as held:
        Path(held, "helper.py").touch()
        sweep()
        assert Path(held, "helper.py").exists()
    assert [*folder.iterdir()] == []


def test_nothing_else_is_swept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [
        "course-abcdefgh",
        "autograder-notes",
        "autograder-course-abc",
        "autograder-course-abcdefgh.bak",
        "autograder-x-abcdefgh",
    ]
    for name in kept:
        (folder / name / "in it").mkdir(parents=True)
    (folder / "autograder-warm-filefile").touch()
    (folder / "autograder-course-linklink").symlink_to(folder / "course-abcdefgh")
    before = {*folder.rglob("*")}
    sweep()
    assert {*folder.rglob("*")} == before
    (folder / "autograder-warm-abcdefgh").mkdir()
    monkeypatch.setattr(temporary.os, "getuid", lambda: os.geteuid() + 1)  # it is another user's
    sweep()
    assert (folder / "autograder-warm-abcdefgh").is_dir()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    sweep()
    assert {*folder.rglob("*")} == before


def test_one_that_a_sweep_takes_before_it_is_locked_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    locks = temporary.fcntl.flock

    def late(folder: int, how: int) -> None:
        monkeypatch.setattr(temporary.fcntl, "flock", locks)
        sweep()
        locks(folder, how)

    monkeypatch.setattr(temporary.fcntl, "flock", late)
    with Folder("course") as held:
        assert Path(held).is_dir()
