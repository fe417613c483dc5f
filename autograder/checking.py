"""nbgrader's check of its metadata, once for cells that say the same.

nbgrader reads the schema again for every cell, which takes longer than all else that it does with a notebook.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from nbformat import NotebookNode
from nbgrader import preprocessors
from nbgrader.nbgraderformat import MetadataValidator

MOST = 100_000
"""How many different cells are remembered."""


class CheckCellMetadata(preprocessors.CheckCellMetadata):  # type: ignore[misc]  # nbgrader is untyped
    """Takes the place of nbgrader's own. What does not pass is nbgrader's to tell."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        try:
            _Validator().validate_nb(nb)
        except Exception:
            super().preprocess(nb, resources)
            raise
        return nb, resources


class _Validator(MetadataValidator):  # type: ignore[misc]
    passed: ClassVar[set[str]] = set()
    """What cells said that were fine."""

    def validate_cell(self, cell: NotebookNode) -> None:
        said = json.dumps([cell.cell_type, cell.metadata.get("nbgrader")], sort_keys=True)
        if said not in self.passed:
            super().validate_cell(cell)
            if len(self.passed) < MOST:
                self.passed.add(said)
