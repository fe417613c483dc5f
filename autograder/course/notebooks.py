"""Notebooks as files: read, write, and the one form in which the course commits them."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.warnings import DuplicateCellId

from autograder.course.cells import CELL_ID, Needs, give_ids, grade_id, lacks_id
from autograder.course.reading import text_of
from autograder.errors import ContentError

VERSION = (4, 5)
NOTEBOOK_METADATA = {"kernelspec": ("display_name", "language", "name"), "language_info": ("name",)}
CELL_METADATA = ("nbgrader", "tags")
IDS_SINCE = (4, 5)
"""The version of nbformat in which cells have ids."""


def read(path: str | os.PathLike[str]) -> NotebookNode:
    """The notebook of a file. Raises ContentError for a file that is none, or in which two cells have the same id."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DuplicateCellId)  # nbformat would give one of them another id
            return parse(text_of(Path(path).read_bytes()))
    except DuplicateCellId as error:
        raise ContentError(f"{path}: {error}. Give every cell an id of its own.") from None
    except OSError as error:
        raise ContentError(f"{path} cannot be read ({error.strerror}). Give the path of a notebook.") from None
    except Exception as error:  # nbformat raises whatever its parts raise
        advice = "Take a copy of it that opens in JupyterLab, such as an earlier one."
        raise ContentError(f"{path} is not a notebook ({error}). {advice}") from error


def parse(text: str, needs: Needs = lacks_id) -> NotebookNode:
    """The notebook of a file's text. Cells get the same ids each time, also those that have none. Raises what nbformat does."""
    try:
        content = json.loads(text)
        version = content["nbformat"], content.get("nbformat_minor", 0)
        is_complete = version < IDS_SINCE or not give_ids(content["cells"], needs)
    except (ValueError, LookupError, TypeError, AttributeError):  # nbformat says what is wrong with it
        return nbformat.reads(text, as_version=4)
    nb = nbformat.reads(text if is_complete else json.dumps(content), as_version=4)
    if version[0] < IDS_SINCE[0]:  # nbformat drew the ids when it made cells of the old version new ones
        for cell in nb.cells:
            cell.pop("id", None)
        give_ids(nb.cells, lacks_id)
    return nb


def write(notebook: NotebookNode, path: str | os.PathLike[str]) -> None:
    """Writes the normalised notebook. Raises ContentError, and writes nothing, if two cells would have the same id."""
    try:
        text = to_text(notebook)
    except ContentError as error:
        raise ContentError(f"{path}: {error}") from None
    Path(path).write_text(text, encoding="utf-8")


def to_text(notebook: NotebookNode) -> str:
    """The text of the normalised notebook's file."""
    text: str = nbformat.writes(normalised(notebook), version=4)
    return text + "\n"


def normalised(notebook: NotebookNode) -> NotebookNode:
    """The same cells without outputs, execution counts and any metadata that says nothing about the course.

    A cell of the course has its grade_id for an id. Raises ContentError if two cells would have the same.
    """
    cells = [_cell(cell, f"cell-{number}") for number, cell in enumerate(notebook.cells, 1)]
    counts = Counter(cell["id"] for cell in cells)
    if counts and counts.most_common(1)[0][1] > 1:
        raise ContentError(f"two cells have the id `{counts.most_common(1)[0][0]}`. Give every cell an ID of its own.")
    metadata = {
        key: {name: notebook.metadata[key][name] for name in names if name in notebook.metadata[key]}
        for key, names in NOTEBOOK_METADATA.items()
        if key in notebook.metadata
    }
    return nbformat.from_dict({"cells": cells, "metadata": metadata, "nbformat": VERSION[0], "nbformat_minor": VERSION[1]})


def code_cells(notebook: NotebookNode) -> Iterator[NotebookNode]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def _cell(cell: NotebookNode, id: str) -> dict[str, Any]:
    name = grade_id(cell)
    kept: dict[str, Any] = {
        "id": name if re.fullmatch(CELL_ID, name) else cell.get("id", id),
        "cell_type": cell.cell_type,
        "source": cell.source,
        "metadata": {key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata},
    }
    if cell.get("attachments"):
        kept["attachments"] = cell.attachments
    if cell.cell_type == "code":
        kept |= {"outputs": [], "execution_count": None}
    return kept
