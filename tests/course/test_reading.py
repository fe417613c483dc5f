"""What a file is, and what can still be had of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autograder.course.cells import read_cells
from autograder.course.reading import complaint, versions, whole_cells
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
    (tmp_path / "a.ipynb").write_text("<html>")
    with pytest.raises(
        ContentError, match=r"a\.ipynb is not a notebook: it is a web page\. Open the notebook in JupyterLab and"
    ):
        read_cells(tmp_path / "a.ipynb")


@pytest.mark.parametrize("cut", range(0, len(TEXT), 7))
def test_whole_cells_are_had_of_every_beginning(cut: int) -> None:
    ends = [TEXT.index("\n  }", TEXT.index(f'"c{number}"')) + 4 for number in range(3)]
    assert [*whole_cells(TEXT[:cut])] == CELLS[: sum(end <= cut for end in ends)]


def test_the_versions_of_a_conflict() -> None:
    assert versions(f"a\n{CONFLICT}b\n{CONFLICT.replace('1', '')}") == ["a\n1\nb\n\n", "a\n2\nb\n2\n"]
    assert versions(TEXT) == []
