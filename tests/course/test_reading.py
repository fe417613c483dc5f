"""What a file is, and what can still be had of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autograder.course.cells import read_cells
from autograder.course.reading import complaint, remedy, versions, whole_cells
from autograder.errors import ContentError

CELLS = [
    {"cell_type": "code", "id": f"c{number}", "metadata": {}, "source": ["{[", '"a\\'], "outputs": []} for number in range(3)
]
TEXT = json.dumps({"cells": CELLS, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)

CONFLICT = "<<<<<<< HEAD\n1\n||||||| base\n0\n=======\n2\n>>>>>>> theirs\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\0" * 9, "has nothing but zero bytes in it"),
        (b"PK\x03\x04...", "is a zip archive"),
        (b"\x1f\x8b\x08", "is a gzip archive"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (b"import torch\n", "is no JSON, and begins with `import torch`"),
        (b"# `a` is a notebook of a very long name", "is no JSON, and begins with `# 'a' is a notebook of a very …`"),
        (b'{"a": "\xfc"}', "is not in UTF-8"),
        (TEXT[:-40].encode(), "breaks off in line 34"),
        (TEXT[:70].encode(), "breaks off in line 6"),
        (TEXT.replace("c1", 'c"1').encode(), "is damaged in line 15 (Expecting ',' delimiter)"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"{}", "is JSON without the cells of a notebook"),
        (f"{CONFLICT}{{}}".encode(), "has two versions in it, from line 1 on, which git could not merge"),
        (f'{{"a":\n{CONFLICT}}}'.encode(), "has two versions in it, from line 2 on, which git could not merge"),
    ],
)
def test_what_a_file_is_is_said(content: bytes, said: str) -> None:
    assert complaint(content) == said


def test_a_file_of_any_encoding_is_read(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        (tmp_path / "a.ipynb").write_bytes(TEXT.replace("c1", "ü").encode(encoding))
        assert [cell.id for cell in read_cells(tmp_path / "a.ipynb")] == ["c0", "ü", "c2"], encoding


def test_a_learner_is_told_what_a_file_is(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text("<html>")
    with pytest.raises(ContentError) as raised:
        read_cells(path)
    advice = "Download the notebook itself: on GitHub, by the button `Download raw file`."
    assert str(raised.value) == f"{path} is not a notebook: it is a web page. {advice}"


FRESH = "If it is still open in JupyterLab, save it there. If not, `autograder new NAME` makes a folder with a fresh one."


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"PK\x03\x04", "Unpack it: the notebook is inside."),
        (b'{"a": "\xfc"}', "Open it in a text editor, and save it with the encoding UTF-8."),
        (
            f'{{"a":\n{CONFLICT}}}'.encode(),
            "In a text editor keep one of the two versions, and delete the lines that begin with `<<<<`, `====` and `>>>>`.",
        ),
        (b"", FRESH),
        (TEXT[:-40].encode(), FRESH),
        (b"%PDF-1.7", FRESH),
        (b"{}", FRESH),
    ],
)
def test_the_advice_works_for_what_the_file_is(content: bytes, advice: str, tmp_path: Path) -> None:
    """JupyterLab opens none of them, so "save it again" would not."""
    assert remedy(content, tmp_path / "a.ipynb") == advice


def test_the_version_that_jupyterlab_has_kept_is_named(tmp_path: Path) -> None:
    path, kept = tmp_path / "a.ipynb", tmp_path / ".ipynb_checkpoints" / "a-checkpoint.ipynb"
    kept.parent.mkdir()
    kept.write_text(TEXT)
    path.write_text(TEXT[:-40])
    assert remedy(path.read_bytes(), path) == f"JupyterLab has kept an earlier version: copy `{kept}` to `{path}`."
    path.write_bytes(kept.read_bytes())
    assert len(read_cells(path)) == 3


@pytest.mark.parametrize("cut", range(0, len(TEXT), 7))
def test_whole_cells_are_had_of_every_beginning(cut: int) -> None:
    ends = [TEXT.index("\n  }", TEXT.index(f'"c{number}"')) + 4 for number in range(3)]
    assert [*whole_cells(TEXT[:cut])] == CELLS[: sum(end <= cut for end in ends)]


def test_the_versions_of_a_conflict() -> None:
    assert versions(f"a\n{CONFLICT}b\n{CONFLICT.replace('1', '')}") == ["a\n1\nb\n\n", "a\n2\nb\n2\n"]
    assert versions(TEXT) == []
