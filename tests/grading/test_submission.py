"""What lies in a submission is read without following a link, and without trust in what anything is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from autograder.grading import folders
from autograder.grading.bounds import Bounds, survey
from autograder.grading.course import Course
from autograder.grading.folders import Copy, Handed, contents, link_notes, put_file, read_file, read_notebook
from autograder.grading.submission import MAX_STRANGERS, Submission, read_submission
from tests.support import bulk
from tests.support.classes import ASSIGNMENT, RIGHT, hand_in, inside, make_course
from tests.support.odd import format_3

BOUNDS = Bounds(notebook_size=6)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "first.ipynb"


def test_a_file_is_read(file: Path) -> None:
    file.write_bytes(b"{}\r\n")
    assert read_notebook(file, BOUNDS) == Handed(b"{}\r\n", "")


def test_what_is_no_notebook_is_a_problem(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        read_notebook(file, BOUNDS).problem
        == "The notebook cannot be read: No such file or directory. Ask for the notebook again."
    )
    file.write_bytes(b"1234567")
    assert read_notebook(file, BOUNDS) == Handed(
        b"",
        "The notebook has 7 bytes, and 6 are allowed: nothing of it counts. Ask for it without outputs and surplus cells, "
        "or raise c.Examine.notebook_size; then grade again with --force.",
    )
    link = tmp_path / "link.ipynb"
    link.symlink_to(file)
    assert read_notebook(link, BOUNDS) == Handed(b"", folders.LINK)
    pipe = tmp_path / "pipe.ipynb"
    os.mkfifo(pipe)
    assert read_notebook(pipe, BOUNDS) == Handed(b"", "The notebook cannot be read: it is no file. Ask for the notebook again.")
    file.write_bytes(b"{}")
    monkeypatch.setattr(folders.os, "open", closed)
    assert read_notebook(file, BOUNDS) == Handed(
        b"", "The notebook cannot be read: Permission denied. Ask for the notebook again."
    )


def closed(*_: object) -> int:
    raise PermissionError(13, "Permission denied")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("aa")
    (tmp_path / "b.txt").write_text("bbbb")
    (tmp_path / "first.ipynb").write_text("{}")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_text("x")
    (tmp_path / "link.txt").symlink_to(tmp_path / "b.txt")
    (tmp_path / "away").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_files_are_those_that_go_with_the_notebooks(folder: Path) -> None:
    found = survey(folder, ["__pycache__", "*.pyc"], BOUNDS).files
    assert found == {"b.txt": 4, "data/a.txt": 2}
    assert contents(folder, found, 100) == {"b.txt": b"bbbb", "data/a.txt": b"aa"}


def test_what_is_too_large_is_left_out_and_the_rest_is_not(folder: Path) -> None:
    assert contents(folder, survey(folder, ["__pycache__"], BOUNDS).files, 3) == {"data/a.txt": b"aa"}


@pytest.mark.parametrize("name", ["helper.py", "data/numbers.txt"])
def test_what_is_put_takes_the_place_of_whatever_stands_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "helper.py" / "deep").mkdir(parents=True)
    (tmp_path / "data").write_text("a file where a folder belongs")
    put_file(tmp_path, name, b"ours")
    assert (tmp_path / name).read_bytes() == b"ours"
    put_file(tmp_path, name, b"again")
    assert (tmp_path / name).read_bytes() == b"again"


def test_links_are_told(folder: Path) -> None:
    links = survey(folder, [], BOUNDS).links
    assert links == ["away", "link.txt"]
    assert link_notes({*links} - {"link.txt"}) == ["The file `away` was a link, which is not followed."]
    many = link_notes(map(str, range(100)))
    assert (len(many), many[-1]) == (21, "Of links there were 80 more, which are not followed.")


def test_a_file_that_grows_is_read_and_copied_as_far_as_it_was_counted(tmp_path: Path) -> None:
    assert read_file(Path("/proc/self/status"), 1000) is None  # it says that it has no bytes
    (tmp_path / "file").write_bytes(b"12345678")
    put_file(tmp_path, "copy", Copy(tmp_path / "file", 3))
    assert (tmp_path / "copy").read_bytes() == b"123"


@pytest.mark.parametrize("kind", ["link", "pipe", "nothing"])
def test_what_is_no_file_is_not_copied(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_text("secret")
    if kind == "link":
        (tmp_path / "link").symlink_to("secret")
    elif kind == "pipe":
        os.mkfifo(tmp_path / "pipe")
    put_file(tmp_path, "copy", Copy(tmp_path / kind, 100))
    assert not (tmp_path / "copy").exists()


STRANGERS = {
    "format-3": bulk.strangers_of_format_3,
    "numbers": bulk.strangers_of_numbers,
    "lists": bulk.strangers_of_lists,
    "code": bulk.strangers_of_code,
    "name": bulk.name_of_copies,
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strangers") / "course"
    make_course(folder, "c.Examine.restore_seconds = 3\n")
    return folder


def read(course: Path, student: str) -> tuple[Submission, float]:
    """What is said of a submission, and the seconds of a processor that it took to say that."""
    with inside(course):
        found = Course(ASSIGNMENT)
        assert found.masters
        began = time.process_time()
        return read_submission(found, student), time.process_time() - began


@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in hypothesis's count of the collector's time
@pytest.mark.parametrize("kind", STRANGERS)
def test_notebooks_of_other_names_have_one_budget_and_cost_nobody_else_time(course: Path, kind: str) -> None:
    STRANGERS[kind](hand_in(course, kind, RIGHT))
    found, seconds = read(course, kind)
    assert seconds < 10
    assert not found.failures and {*found.notebooks} == {"first", "second"}
    assert kind == "name" or "Of other names, and left out unread" in found.notes[-1], found.notes


def test_where_one_of_them_may_be_missing_a_person_is_told(course: Path) -> None:
    folder = hand_in(course, "many", RIGHT)
    for number in range(MAX_STRANGERS + 1):
        (folder / f"stranger-{number:02}.ipynb").write_text("{}")
    (folder / "first.ipynb").unlink()
    found, _ = read(course, "many")
    assert found.failures[-1] == (
        "Of other names, and left out unread, since they are too many, too large, or no files: `stranger-20.ipynb`. If one of "
        "them is the right notebook, give it its name, and grade again with --force."
    )


def test_a_copy_in_an_old_format_is_known_by_its_cells(course: Path) -> None:
    folder = hand_in(course, "old", RIGHT)
    format_3(folder / "second.ipynb")
    (folder / "second.ipynb").rename(folder / "my homework.ipynb")
    found, _ = read(course, "old")
    assert found.notebooks["second"].name == "my homework.ipynb"
    assert "`my homework.ipynb` counts as `second.ipynb`, whose cells it has." in found.notes
