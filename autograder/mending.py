"""Malformed notebooks made ones that nbformat accepts, with as much of them as can be kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from itertools import count
from pathlib import Path
from re import fullmatch
from typing import Any, TextIO

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode

from autograder.notebook import CELL_ID

NOTES = "autograder"
"""Where the notes are in the notebook's metadata: `metadata["autograder"]["restored"]`, a list of sentences."""

MINOR = 5


class Lenient(NotebookExporter):  # type: ignore[misc]  # nbconvert is untyped
    """Reads what other exporters do not: the `Autograde.exporter_class` that goes with Restore."""

    def from_file(self, file_stream: TextIO, resources: dict[str, Any] | None = None, **more: Any) -> tuple[str, Any]:
        nb, notes = read_handed_in(Path(file_stream.name))
        converted: tuple[str, Any] = self.from_notebook_node(nb, {**(resources or {}), NOTES: notes}, **more)
        return converted


def read_handed_in(file: Path) -> tuple[NotebookNode, list[str]]:
    """The notebook of a file in a submission, and notes on it."""
    if file.is_symlink():  # perhaps to the work of somebody else
        return read_leniently(b"")[0], ["The notebook was a link, which is not followed."]
    return read_leniently(file.read_bytes())


def read_leniently(content: bytes) -> tuple[NotebookNode, list[str]]:
    """The notebook of a file, whatever is in the file, and a note if that is not what nbformat reads."""
    try:
        text = content.decode()
        nb = nbformat.reads(text, as_version=4)
        if '"worksheets"' in text and "worksheets" in json.loads(text):  # an old version: nbformat drew the ids
            for number, cell in enumerate(nb.cells, 1):
                cell["id"] = f"cell-{number}"
        str.lower(nb.metadata.get("language", ""))  # nbconvert does so
        return deepcopy(nb), []  # so does it do this, which has less depth than reading
    except Exception:  # nbformat raises whatever its parts raise
        return _salvaged(content), ["The file was malformed: only the text of its cells was kept."]


def mend(nb: NotebookNode) -> list[str]:
    """Changes the notebook in place, and says what it changed. One that nbformat accepts stays as it is."""
    notes = _mend_text(nb)
    if type(nb.get("nbformat_minor")) is not int:
        nb.nbformat_minor = MINOR
        notes.append(f"The notebook did not say its version: it is 4.{MINOR} now.")
    notes += mend_ids(nb)
    return notes if _is_valid(nb) else notes + _mend_shape(nb)


def mend_ids(nb: NotebookNode) -> list[str]:
    """Gives every cell an id of its own, if the version has ids."""
    if nb.nbformat_minor < MINOR:
        return []
    taken = {cell["id"] for cell in nb.cells if isinstance(cell.get("id"), str)}
    spare = (name for number in count(1) if (name := f"cell-{number}") not in taken)
    seen = set[str]()
    changed = 0
    for cell in nb.cells:
        given = cell.get("id")
        if not isinstance(given, str) or not fullmatch(CELL_ID, given) or given in seen:
            cell["id"] = next(spare)
            changed += 1
        seen.add(cell["id"])
    return [f"Cells without an id of their own: {changed}. They were given one."] if changed else []


def set_type(cell: NotebookNode, cell_type: str) -> None:
    """Makes a cell with nothing but text of it, and metadata."""
    cell["cell_type"] = cell_type
    for key in ("attachments", "outputs", "execution_count"):
        cell.pop(key, None)
    if cell_type == "code":
        cell.update(outputs=[], execution_count=None)


def _salvaged(content: bytes) -> NotebookNode:
    try:
        file = json.loads(content.decode(errors="replace"))
    except (ValueError, RecursionError):
        file = None
    cells = file.get("cells") if isinstance(file, dict) else None
    plain = [_plain(cell) for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []
    nb = NotebookNode(nbformat=4, nbformat_minor=MINOR, metadata=NotebookNode(), cells=plain)
    mend_ids(nb)  # nbconvert would draw them
    return nb


def _mend_text(nb: NotebookNode) -> list[str]:
    """Halves of characters cannot be written to a file."""
    try:
        json.dumps(nb, ensure_ascii=False).encode()
        return []
    except UnicodeEncodeError:
        nb.update(nbformat.from_dict(_writable(nb)))
        return ["The notebook had text that is no Unicode: each such character is a question mark now."]


def _writable(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case list():
            return [_writable(item) for item in value]
        case dict():
            return {_writable(key): _writable(item) for key, item in value.items()}
    return value


def _mend_shape(nb: NotebookNode) -> list[str]:
    notes = []
    kept = {key: value for key, value in nb.metadata.items() if _is_valid(_only(nb, {key: value}))}
    if kept != nb.metadata:
        nb.metadata = NotebookNode(kept)
        notes.append("The notebook's metadata was malformed: what is no metadata was removed.")
    for index, cell in enumerate(nb.cells):
        if not _is_valid(_only(nb, {}, cell)):
            nb.cells[index] = _plain(cell)
            notes.append(f"Cell {index + 1} of the submission was malformed: only its text was kept.")
    return notes


def _only(nb: NotebookNode, metadata: dict[str, Any], *cells: NotebookNode) -> NotebookNode:
    """A notebook of the same version."""
    return nbformat.from_dict({**nb, "metadata": metadata, "cells": cells})


def _is_valid(nb: NotebookNode) -> bool:
    try:
        nbformat.validate(nb, relax_add_props=True)
        return True
    except Exception:  # nbformat stumbles over what it words its complaint about
        return False


def _plain(cell: Mapping[str, Any]) -> NotebookNode:
    """The text of a cell, and what it says about itself."""
    source, metadata, kind = (cell.get(key) for key in ("source", "metadata", "cell_type"))
    text = "".join(map(str, source)) if isinstance(source, list) else source
    plain = NotebookNode(source=text if isinstance(text, str) else "", metadata=NotebookNode())
    set_type(plain, kind if kind in ("code", "markdown") else "raw")
    if isinstance(cell.get("id"), str):
        plain["id"] = cell["id"]
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    if isinstance(nbgrader, dict):
        scalars = {key: value for key, value in nbgrader.items() if isinstance(value, str | int | float)}
        plain.metadata["nbgrader"] = NotebookNode(scalars)
    return plain
