"""nbgrader's check of its metadata, with its schema compiled once.

nbgrader checks the schema itself anew for every cell, which takes longer than all else that it does with a notebook.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from jsonschema.validators import validator_for  # type: ignore[import-untyped]
from nbformat import NotebookNode
from nbgrader import preprocessors
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.nbgraderformat.common import BaseMetadataValidator


class CheckCellMetadata(preprocessors.CheckCellMetadata):  # type: ignore[misc]  # nbgrader is untyped
    """Takes the place of nbgrader's own. What does not pass is nbgrader's to tell."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        try:
            VALIDATOR.validate_nb(nb)
        except Exception:
            super().preprocess(nb, resources)
            raise
        return nb, resources


class _Compiled(BaseMetadataValidator):  # type: ignore[misc]
    """What all versions of nbgrader's validator do first."""

    @cached_property
    def _schema(self) -> Any:
        return validator_for(self.schema)(self.schema)

    def validate_cell(self, cell: NotebookNode) -> None:
        metadata = cell.metadata.get("nbgrader", {})
        if metadata.get("schema_version") != self.schema_version or not self._schema.is_valid(metadata):
            super().validate_cell(cell)


class _Validator(MetadataValidator, _Compiled):  # type: ignore[misc]
    """Asks nbgrader's own only where the compiled schema does not fit."""


VALIDATOR = _Validator()
