"""Metadata is checked as by nbgrader, with a schema that is compiled once."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonschema
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from nbgrader import preprocessors

from autograder.grading.preprocessors import CheckCellMetadata
from scripts.submissions import graded_cell


def notebook() -> NotebookNode:
    return new_notebook(
        cells=[
            new_markdown_cell("# Title"),
            graded_cell("one", "x = 1", solution=True),
            graded_cell("test-one", "assert x", grade=True, locked=True, points=1),
        ]
    )


def changed(**metadata: object) -> NotebookNode:
    nb = notebook()
    nb.cells[2].metadata.nbgrader.update(metadata)
    return nb


def outcome(check: type[Any], nb: NotebookNode) -> str:
    try:
        check().preprocess(deepcopy(nb), {})
        return "passes"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


BAD = {
    "a field of another type": changed(points="many"),
    "a field too many": changed(bonus=1),
    "an old version": changed(schema_version=1),
    "a version to come": changed(schema_version=9),
    "an id twice": changed(grade_id="one"),
    "no id": changed(grade_id=""),
}


@pytest.mark.parametrize("nb", BAD.values(), ids=BAD)
def test_what_nbgrader_rejects_is_rejected_in_its_words(nb: NotebookNode) -> None:
    assert outcome(CheckCellMetadata, notebook()) == "passes"
    assert outcome(CheckCellMetadata, nb) == outcome(preprocessors.CheckCellMetadata, nb) != "passes"
    assert outcome(CheckCellMetadata, nb) != "passes"


def test_a_cell_that_became_another_kind_is_checked_again() -> None:
    nb = notebook()
    assert outcome(CheckCellMetadata, nb) == "passes"
    nb.cells[2].cell_type = "markdown"
    assert outcome(CheckCellMetadata, nb) == outcome(preprocessors.CheckCellMetadata, nb) != "passes"


def test_the_schema_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonschema, "validate", None)  # nbgrader's way, which checks the schema itself each time
    for _ in range(2):
        assert outcome(CheckCellMetadata, notebook()) == "passes"
    with pytest.raises(TypeError):
        CheckCellMetadata().preprocess(changed(points="many"), {})
