"""Makes malformed notebooks ones that nbformat accepts, and keeps as much of them as it can."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeVar

import nbformat
from nbformat import NotebookNode

from autograder.course.cells import (
    FORMAT,
    give_ids,
    grade_id,
    has_no_fit_id,
    is_old,
    put_settings,
    repeats_id,
    settings,
)
from autograder.course.notebooks import parse
from autograder.course.reading import complaint, encoding_of, other_kind, text_of, versions, whole_cells
from autograder.grading.bounds import LONG_CELL, METADATA, SLOW, Bounds, too_large, too_many_cells, written
from autograder.grading.folders import ASK
from autograder.sandbox.limits import OutOfTime, ended_after
from autograder.text import writable

Made = TypeVar("Made")

NOTES = "autograder"
"""Where the notes are in the notebook's metadata: `metadata["autograder"]["restored"]`, a list of sentences."""

FAILURES = "failures"
"""Those of the notes that a person has to see to, in `metadata["autograder"]["failures"]`, and among nbconvert's resources."""

MINOR = 5
"""The minor version of format 4 that a notebook gets which does not say its own: cells have ids since then."""
FIRST = 1
"""The format of 2011, which has cells in the same place as format 4. What says so today is of format 4."""

NOTHING = "The file {}: nothing of it counts." + ASK
SOME = "The file {}: {} whole cells in front of that were kept, and the rest is lost." + ASK
TEXT_ONLY = "The file was malformed: only the text of its {} cells was kept."
TWO_VERSIONS = "The file {}: the first that is a notebook was graded. {} Ask which one counts."
NOT_UTF8 = "The file {}: each character that could not be read is `�` now."
OLD = f"The notebook was in format 3: it is in format {FORMAT} now."
ENCODED = "The file was in {}: it was read all the same."


@dataclass(frozen=True)
class Reading:
    """The notebook of a file. A person has to see to `failures`; `notes` are for information."""

    nb: NotebookNode
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def nothing(failure: str) -> Reading:
    """A notebook of which nothing counts."""
    return Reading(_of_cells([]), [failure])


def read_within(content: bytes, bounds: Bounds) -> Reading:
    """The notebook of a file that was handed in, as far as it keeps to the bounds."""
    if reason := too_large(content, bounds):
        return nothing(reason)
    found = read_leniently(content)
    if reason := too_many_cells(len(found.nb.cells), bounds):
        return nothing(reason)
    failures = [*found.failures]
    for number, cell in enumerate(found.nb.cells, 1):
        text = cell.get("source")
        length = len(text) if isinstance(text, str) else written(text, bounds.cell_size)
        if length > bounds.cell_size:
            failures.append(LONG_CELL.format(_name(cell, number), length, bounds.cell_size))
            cell.source = ""
    return Reading(_without_much_beside(found.nb, bounds, failures), failures, found.notes)


def in_time(do: Callable[[], Made], otherwise: Callable[[Reading], Made], bounds: Bounds) -> Made:
    """What `do` makes of a notebook; what `otherwise` makes of none, where that takes too long or too much memory."""
    try:
        with ended_after(bounds.restore_seconds):
            return do()
    except (OutOfTime, MemoryError):
        return otherwise(nothing(SLOW.format(bounds.restore_seconds)))


def _without_much_beside(nb: NotebookNode, bounds: Bounds, failures: list[str]) -> NotebookNode:
    """The notebook; or only its text, if what stands beside that would take too much in the record."""
    beside = [{key: value for key, value in nb.items() if key != "cells"}]
    beside += [{key: value for key, value in cell.items() if key not in ("source", "outputs")} for cell in nb.cells]
    most = bounds.notebook_size // 2  # outputs, which are not kept, may make up the rest
    if written(beside, most) <= most:
        return nb
    failures.append(METADATA.format(most))
    return _of_cells(nb.cells)


def read_leniently(content: bytes) -> Reading:
    """The notebook of a file, whatever is in the file. What nbformat reads stays as it is."""
    if kind := other_kind(content):
        return Reading(_of_cells([]), [NOTHING.format(kind)])
    failures, notes = [], []
    try:
        text = text_of(content)
        if not (encoding := encoding_of(content).upper()).startswith("UTF-8"):
            notes.append(ENCODED.format(encoding))
    except UnicodeDecodeError:
        text = content.decode(errors="replace")
        failures.append(NOT_UTF8.format(complaint(content)))
    try:
        nb = parse(text, repeats_id)
        str.lower(nb.metadata.get("language", ""))  # nbconvert does that too, and must not fail
        nb = deepcopy(nb)  # nbconvert copies as well, and that fails at less depth than reading
    except Exception:  # nbformat raises whatever its parts raise
        return _salvaged(text, failures, notes)
    if "orig_nbformat" in nb.metadata and is_old(file := json.loads(text)):
        if file["nbformat"] <= FIRST and _cells(file) is not None:  # nbformat looks for their text elsewhere, and loses it
            return _salvaged(text, failures, notes)
        notes.append(OLD)
    return Reading(nb, failures, notes)


def salvage(nb: NotebookNode) -> list[str]:
    """Changes the notebook in place, and says what it changed. One that nbformat accepts stays as it is."""
    notes = _salvage_text(nb)
    minor = nb.get("nbformat_minor")
    if type(minor) is not int or minor < 0:
        nb.nbformat_minor = MINOR
        notes.append(f"The notebook did not say its version: it is 4.{MINOR} now.")
    notes += salvage_ids(nb)
    return [*notes, *([] if _is_valid(nb) else _salvage_shape(nb)), *_salvage_metadata(nb)]


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


def _salvaged(text: str, failures: list[str], notes: list[str]) -> Reading:
    """What can be had of a text that nbformat does not read, and what a person has to know of that."""
    seen = complaint(text.encode(errors="replace"))
    if two := [cells for each in versions(text) if (cells := _cells(_json(each))) is not None]:
        texts = [{_name(cell, number): cell.get("source") for number, cell in enumerate(each, 1)} for each in two]
        differing = [name for name in {**texts[0], **texts[-1]} if texts[0].get(name) != texts[-1].get(name)]
        said = f"They differ in {', '.join(f'`{name}`' for name in differing)}." if differing else "Their cells are the same."
        said = said if len(two) > 1 else "The other is none."
        return Reading(_of_cells(two[0]), [*failures, TWO_VERSIONS.format(seen, said)], notes)
    cells = _cells(file := _json(text))
    if cells is not None:
        return Reading(_of_cells(cells), [*failures, TEXT_ONLY.format(len(cells))], notes)
    cells = [*whole_cells(text)] if file is None else []
    failure = SOME.format(seen, len(cells)) if cells else NOTHING.format(seen)
    return Reading(_of_cells(cells), [*failures, failure], notes)


def _json(text: str) -> Any:
    """None for what is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _cells(file: Any) -> list[dict[str, Any]] | None:
    """The cells in the JSON of a notebook, None where it has no list of them."""
    cells = file.get("cells") if isinstance(file, dict) else None
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else None


def _name(cell: Mapping[str, Any], number: int) -> str:
    return grade_id(cell) or str(cell.get("id") or f"cell {number}")


def _of_cells(cells: Sequence[Mapping[str, Any]]) -> NotebookNode:
    """A notebook of these cells, or of as much of each as makes one."""
    nb = NotebookNode(nbformat=4, nbformat_minor=MINOR, metadata=NotebookNode(), cells=[_plain(cell) for cell in cells])
    salvage_ids(nb)  # nbconvert would draw random ones
    return nb


def _salvage_text(nb: NotebookNode) -> list[str]:
    """Puts `�` for lone surrogates, which are halves of characters and cannot be written to a file."""
    try:
        json.dumps(nb, ensure_ascii=False).encode()
        return []
    except UnicodeEncodeError:
        nb.update(nbformat.from_dict(_writable(nb)))
        return ["The notebook had text that is no Unicode: each such character is `�` now."]


def _writable(value: Any) -> Any:
    match value:
        case str():
            return writable(value)
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


WIDGETS, STATES = "widgets", "application/vnd.jupyter.widget-state+json"
OF_NBCONVERT = ("transient", "magics_language")
"""What nbconvert writes into the metadata of cells for itself while it makes a page, and is in no file."""


def _salvage_metadata(nb: NotebookNode) -> list[str]:
    """Removes metadata at which nbconvert stops when it makes a page. They are valid: the format does not say their types."""
    removed = set()
    if WIDGETS in nb.metadata and not _are_states(nb.metadata[WIDGETS]):
        removed.add(WIDGETS)
        del nb.metadata[WIDGETS]
    for cell in nb.cells:
        found = {key for key in OF_NBCONVERT if key in cell.metadata}
        if not isinstance(cell.metadata.get("raw_mimetype", ""), str):
            found.add("raw_mimetype")
        for key in found:
            del cell.metadata[key]
        removed |= found
    listed = ", ".join(f"`{key}`" for key in sorted(removed))
    return [f"The notebook had metadata of which no page can be made ({listed}): they were removed."] if removed else []


def _are_states(widgets: Any) -> bool:
    """Whether these are the states of widgets. Those that Colab writes have another form."""
    states = widgets.get(STATES) if isinstance(widgets, dict) else None
    return isinstance(states, dict) and isinstance(states.get("state"), dict)


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
