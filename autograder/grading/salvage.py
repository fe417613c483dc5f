"""Makes malformed notebooks ones that nbformat accepts, and keeps as much of them as it can."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TextIO

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode

from autograder.course.cells import give_ids, has_no_fit_id, put_settings, repeats_id, settings
from autograder.course.notebooks import parse

NOTES = "autograder"
"""Where the notes are in the notebook's metadata: `metadata["autograder"]["restored"]`, a list of sentences."""

MINOR = 5
"""The minor version of format 4 that a notebook gets which does not say its own: cells have ids since then."""


class LenientExporter(NotebookExporter):  # type: ignore[misc]  # nbconvert is untyped
    """Reads what other exporters do not: the `Autograde.exporter_class` that goes with Restore."""

    def from_file(self, file_stream: TextIO, resources: dict[str, Any] | None = None, **more: Any) -> tuple[str, Any]:
        nb, notes = read_handed_in(Path(file_stream.name))
        converted: tuple[str, Any] = self.from_notebook_node(nb, {**(resources or {}), NOTES: notes}, **more)
        return converted


def read_handed_in(file: Path) -> tuple[NotebookNode, list[str]]:
    """The notebook of a file in a submission, and notes on it."""
    if file.is_symlink():  # it may lead to another student's work
        return read_leniently(b"")[0], ["The notebook was a link, which is not followed."]
    return read_leniently(file.read_bytes())


def read_leniently(content: bytes) -> tuple[NotebookNode, list[str]]:
    """The notebook of a file, whatever is in the file, and a note if that is not what nbformat reads."""
    try:
        text = content.decode()
        nb = parse(text, repeats_id)
        str.lower(nb.metadata.get("language", ""))  # nbconvert does that too, and must not fail
        return deepcopy(nb), []  # nbconvert copies as well, and that fails at less depth than reading
    except Exception:  # nbformat raises whatever its parts raise
        return _salvaged(content), ["The file was malformed: only the text of its cells was kept."]


def salvage(nb: NotebookNode) -> list[str]:
    """Changes the notebook in place, and says what it changed. One that nbformat accepts stays as it is."""
    notes = _salvage_text(nb)
    if type(nb.get("nbformat_minor")) is not int:
        nb.nbformat_minor = MINOR
        notes.append(f"The notebook did not say its version: it is 4.{MINOR} now.")
    notes += salvage_ids(nb)
    return notes if _is_valid(nb) else notes + _salvage_shape(nb)


def salvage_ids(nb: NotebookNode) -> list[str]:
    """Gives every cell an id of its own, if the version has ids."""
    if nb.nbformat_minor < MINOR:
        return []
    changed = give_ids(nb.cells, has_no_fit_id)
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
    salvage_ids(nb)  # nbconvert would draw random ones
    return nb


def _salvage_text(nb: NotebookNode) -> list[str]:
    """Puts question marks for lone surrogates, which are halves of characters and cannot be written to a file."""
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


def _salvage_shape(nb: NotebookNode) -> list[str]:
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
    except Exception:  # nbformat may fail while it words its complaint
        return False


def _plain(cell: Mapping[str, Any]) -> NotebookNode:
    """A cell with the text, the id and nbgrader's settings of a malformed one, as far as it has them."""
    source, kind = cell.get("source"), cell.get("cell_type")
    text = "".join(map(str, source)) if isinstance(source, list) else source
    plain = NotebookNode(source=text if isinstance(text, str) else "", metadata=NotebookNode())
    set_type(plain, kind if kind in ("code", "markdown") else "raw")
    if isinstance(cell.get("id"), str):
        plain["id"] = cell["id"]
    scalars = {key: value for key, value in settings(cell).items() if isinstance(value, str | int | float)}
    if scalars:
        put_settings(plain, scalars)
    return plain
