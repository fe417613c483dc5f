"""From a notebook as it was handed in to its record, by nbgrader's preprocessors, in a process without a gradebook."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import nbformat
from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from traitlets.config import Config

from autograder.ahead import Told
from autograder.client import GradingFailed
from autograder.examining import UNEXAMINED, Examine, Given
from autograder.mending import MINOR, NOTES, read_leniently
from autograder.order import Assignment, Order
from autograder.paper import Paper
from autograder.restoring import Restore
from autograder.rows import Rows, keepers
from autograder.transcript import outputs


def convert(order: Order, examine: Callable[[Paper], Told]) -> dict[str, Any]:
    """The outcome, in types that JSON knows. No gradebook can be opened in this process any more."""
    assignment = Assignment.of(order.assignment)
    rows = Rows(assignment.master)
    rows.take_the_place_of_the_gradebook()
    failures = [order.problem] if order.problem else []
    told: Told = {}

    def examined(paper: Paper) -> Told:
        try:
            if order.failure:
                raise GradingFailed(order.failure)
            told.update(examine(paper))
            told["outputs"] = outputs(told["messages"], [task.role for task in paper.tasks])
        except GradingFailed as failure:
            failures.append(UNEXAMINED.format(failure))
            raise
        return told

    nb, notes = read_leniently(order.content)
    if order.content:
        failures += notes
    about = {"student": order.student, "assignment": assignment.name, "notebook": assignment.notebook, "db_url": ""}
    resources = {"unique_key": assignment.notebook, "nbgrader": about, "metadata": {"name": assignment.notebook, "path": "."}}
    given = Given(assignment.master, order.seed, examined)
    restored = _through(assignment, assignment.sanitize, nb, {**resources, NOTES: [*failures, *order.notes]}, given)
    record = _through(assignment, assignment.autograde, read_leniently(restored.encode())[0], resources, given)
    said = json.loads(record)["metadata"].get(NOTES, {})
    return {
        "record": record,
        "grades": {name: grade.auto_score for name, grade in rows.grades.items()},
        "comments": {name: comment.auto_comment for name, comment in rows.comments.items()},
        "notes": [*said.get("restored", []), *said.get("notes", [])],
        "failures": failures,
        "seconds": told.get("seconds", {}),
    }


def _through(
    assignment: Assignment, preprocessors: Sequence[type], nb: NotebookNode, resources: dict[str, Any], given: Given
) -> str:
    """The file that an exporter makes of a notebook."""
    exporter: Exporter = assignment.exporter(config=Config(assignment.config))
    for each in preprocessors:
        exporter.register_preprocessor(each)
    for each in exporter._preprocessors:
        if isinstance(each, Restore):
            each.given = given.original
        elif isinstance(each, Examine):
            each.given = given
    text: str = exporter.from_notebook_node(nb, resources)[0]
    return text


def rehearse() -> None:
    """Has nbformat make its validators, which takes longer than a notebook, and finds who knows the gradebook."""
    keepers()
    for additions in (False, True):
        nbformat.validate(new_notebook(nbformat_minor=MINOR), relax_add_props=additions)
