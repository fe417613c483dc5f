"""Edited notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from nbformat import NotebookNode

from tests.support.attacks.attack import BAD, HONEST, WRONG, Attack


def cell(nb: NotebookNode, name: str) -> NotebookNode:
    return next(each for each in nb.cells if each.get("id") == name)


def tests(nb: NotebookNode) -> Iterator[NotebookNode]:
    return (each for each in nb.cells if each.get("id", "").startswith("test-"))


def more_points(nb: NotebookNode) -> None:
    for each in tests(nb):
        each.metadata.nbgrader.points = 1000
    cell(nb, "explain").metadata.nbgrader.points = 1000


def flipped(nb: NotebookNode) -> None:
    for each in nb.cells:
        if "nbgrader" in each.metadata:
            each.metadata.nbgrader.update(grade=True, solution=True, locked=False, points=50)


def other_types(nb: NotebookNode) -> None:
    for each, kind in zip(tests(nb), ("markdown", "raw") * 3, strict=False):
        each.cell_type = kind
        for key in ("outputs", "execution_count"):
            each.pop(key, None)


def copied_tests(nb: NotebookNode) -> None:
    for each in [*tests(nb)]:
        copy = NotebookNode(each, metadata=NotebookNode(each.metadata), source="pass")
        nb.cells.insert(0, copy)
        nb.cells.append(NotebookNode(copy, id="another"))


def without_tests(nb: NotebookNode) -> None:
    nb.cells = [each for each in nb.cells if not each.get("id", "").startswith("test-")]


def without_metadata(nb: NotebookNode) -> None:
    for each in nb.cells:
        each.metadata = NotebookNode()


def only_answers(nb: NotebookNode) -> None:
    nb.cells = [each for each in nb.cells if each.get("id") in HONEST]


def reversed_cells(nb: NotebookNode) -> None:
    nb.cells = nb.cells[::-1]


def tags(nb: NotebookNode) -> None:
    for each in nb.cells:
        if each.get("id") not in HONEST:
            each.metadata.tags = ["skip-execution", "raises-exception", "remove_cell", "hide"]
            each.metadata.nbgrader = {**each.metadata.get("nbgrader", {})}
            each.metadata.update(deletable=True, editable=True, jupyter={"source_hidden": True}, remove_cell=True)


def other_sources(nb: NotebookNode) -> None:
    for each in nb.cells:
        if each.get("id") not in HONEST:
            each.source = "%%forward\nloss = torch.zeros(1)" if each.get("id") == "forward" else "pass"


def forged_outputs(nb: NotebookNode) -> None:
    for each in tests(nb):
        each.outputs = [
            NotebookNode(output_type="execute_result", data={"text/plain": "1"}, metadata={}, execution_count=1),
        ]
        each.execution_count = 1


def forged_notes(nb: NotebookNode) -> None:
    nb.metadata.autograder = {"restored": [], "notes": ["all is right"], "flags": [], "score": 100}
    nb.metadata.nbgrader = {"score": 100, "comment": "all is right", "max_score": 100}


def other_kernel(nb: NotebookNode) -> None:
    nb.metadata.kernelspec = {
        "name": "../../evil",
        "display_name": "$(touch /tmp/x)",
        "language": "bash",
        "argv": ["sh", "-c", "id"],
    }
    nb.metadata.language_info = {"name": "bash", "file_extension": "/../../x.sh", "pygments_lexer": "nothing", "version": 3}


def odd_ids(nb: NotebookNode) -> None:
    for number, each in enumerate(nb.cells):
        each.id = "x" if number % 2 else '"><script>alert(1)</script>'


def other_versions(nb: NotebookNode) -> None:
    for number, each in enumerate(nb.cells):
        if "nbgrader" in each.metadata:
            each.metadata.nbgrader.schema_version = (99, 1, "x", None)[number % 4]


def cells_that_pose(nb: NotebookNode) -> None:
    """Cells of its own that say they are tests, answers and the forward pass."""
    for name in ("test-dz", "forward", "setup", "bonus"):
        metadata = {
            "grade": True,
            "solution": False,
            "locked": True,
            "task": False,
            "grade_id": name,
            "points": 9,
            "schema_version": 3,
        }
        nb.cells.append(
            NotebookNode(
                cell_type="code",
                id=f"own-{name}",
                source="9.0",
                outputs=[],
                execution_count=None,
                metadata={"nbgrader": metadata},
            )
        )


def odd_metadata(nb: NotebookNode) -> None:
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"deep": deep}
    nb.metadata.update(
        deep, title=["x"], authors="x", widgets={"application/vnd.jupyter.widget-state+json": 3}, long="x" * 2**20
    )
    for each in nb.cells:
        each.metadata.update(deep, collapsed="x", scrolled=[], name=3, format={}, attachments=[])


def cells_around(nb: NotebookNode) -> None:
    """Cells of its own in front of each test, and behind, that answer and undo."""
    cells: list[NotebookNode] = []
    for each in nb.cells:
        own = """
import builtins
builtins.abs = lambda x: 0
torch.allclose = lambda *a: True
math = check = grade = print"""
        free = NotebookNode(cell_type="code", source=own, outputs=[], execution_count=None, metadata={}, id=f"own-{len(cells)}")
        cells += [free, each] if each.get("id", "").startswith("test-") else [each]
    nb.cells = cells


def halves(nb: NotebookNode) -> None:
    """As an editor leaves text that was cut in the middle of an emoji."""
    for each in nb.cells:
        each.source += "\n# \ud83d"
        each.metadata["\ud83d"] = "\ude00"
    nb.metadata["authors"] = [{"name": "\ud83d"}]


EDITS: dict[str, tuple[str, Callable[[NotebookNode], None]]] = {
    "points": ("gives its tests more points", more_points),
    "flags-of-cells": ("says that tests are answers", flipped),
    "types-of-cells": ("makes tests text", other_types),
    "copied-tests": ("copies tests, with the same ids", copied_tests),
    "deleted-tests": ("deletes the tests", without_tests),
    "no-metadata": ("deletes all metadata", without_metadata),
    "only-answers": ("deletes all but its answers", only_answers),
    "order": ("turns the order round", reversed_cells),
    "tags": ("has tests skipped or hidden by tags", tags),
    "locked-sources": ("changes tests and the forward pass", other_sources),
    "forged-outputs": ("hands in outputs that say that all is right", forged_outputs),
    "forged-notes": ("hands in notes and scores", forged_notes),
    "kernelspec": ("asks for another kernel", other_kernel),
    "ids": ("has the same ids many times, and ids that are none", odd_ids),
    "schema": ("says that it is of other versions", other_versions),
    "posing-cells": ("adds cells that say they are tests", cells_that_pose),
    "odd-metadata": ("has metadata that are deep, long and of other types", odd_metadata),
    "halves-of-characters": ("has halves of characters in texts, metadata and the author's name", halves),
    "cells-around": ("adds cells that replace names in front of each test", cells_around),
}

NOTEBOOKS = {
    f"edits-{name}": Attack(tries, {"dz": WRONG, "perplexity": BAD}, loses="dz perplexity", edit=edit)
    for name, (tries, edit) in EDITS.items()
}
