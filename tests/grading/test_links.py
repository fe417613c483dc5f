"""Files that links brought into the folder of a graded submission."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autograder.grading.bounds import Bounds
from autograder.grading.folders import remove_copies


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A submission with a file of its own and links, as nbgrader copied it, and the instructor's files."""
    submitted, graded, source = (tmp_path / name for name in ("submitted", "graded", "source"))
    (tmp_path / "secret").write_text("secret")
    for folder in (submitted / "deep", source):
        folder.mkdir(parents=True)
    (submitted / "own.txt").write_text("own")
    (source / "data.txt").write_text("data")
    for name in ("link.txt", "deep/link.txt", "data.txt"):
        (submitted / name).symlink_to(tmp_path / "secret")
    shutil.copytree(submitted, graded)  # follows links
    shutil.copy(source / "data.txt", graded)
    return submitted, graded, source


def test_copies_of_what_links_lead_to_are_removed(folders: tuple[Path, Path, Path]) -> None:
    notes = remove_copies(*folders, Bounds())
    assert notes == [f"The file `{name}` was a link, which is not followed." for name in ("deep/link.txt", "link.txt")]
    assert sorted(path.name for path in folders[1].rglob("*") if path.is_file()) == ["data.txt", "own.txt"]


def test_what_belongs_to_others_stays_with_them(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    remove_copies(*folders, Bounds())
    assert (tmp_path / "secret").read_text() == "secret"
    assert (folders[1] / "data.txt").read_text() == "data"
    assert (folders[0] / "link.txt").is_symlink()


def test_a_second_time_does_no_harm(folders: tuple[Path, Path, Path]) -> None:
    assert remove_copies(*folders, Bounds()) == remove_copies(*folders, Bounds())
