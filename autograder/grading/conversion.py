"""From a notebook as it was handed in to its record, by nbgrader's preprocessors, in a process without a gradebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import nbformat
from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from traitlets.config import Config

from autograder.examiner.exam import Exam, ExamResult
from autograder.forkserver.client import GradingFailed
from autograder.grading.examine import Examine, Given
from autograder.grading.notebook_job import GradedNotebook, NotebookJob, NotebookSetup
from autograder.grading.preprocessors import OnRows, Rows, on_rows
from autograder.grading.restore import BOUNDS, Restore
from autograder.grading.salvage import FAILURES, MINOR, NOTES, Reading, in_time, read_within


def convert(job: NotebookJob, examine: Callable[[Exam], ExamResult]) -> GradedNotebook:
    """Grades a notebook in this process; `examine` runs its cells. A failure of that is recorded, and not raised.

    The notebook is parsed once, goes through both lists of preprocessors, and is written once.
    """
    assignment = NotebookSetup.of(job.assignment)
    rows = Rows(assignment.master)
    seconds: dict[str, float] = {}
    kept: dict[str, list[str]] = {}

    def examined(exam: Exam) -> ExamResult:
        if job.failure:
            raise GradingFailed(job.failure)
        result = examine(exam)
        seconds.update(result.seconds)
        return result

    def keep_notes(nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        kept.update(nb.metadata.get(NOTES, {}))
        return nb, resources

    about = {"student": job.student, "assignment": assignment.name, "notebook": assignment.notebook, "db_url": ""}
    resources = {"unique_key": assignment.notebook, "nbgrader": about, "metadata": {"name": assignment.notebook, "path": "."}}
    given = Given(assignment.master, job.seed, examined)
    sanitize = _exporter(assignment, assignment.sanitize, given, rows)
    autograde = _exporter(assignment, [*assignment.autograde, keep_notes], given, rows)

    def restored(found: Reading) -> NotebookNode:
        failures = [job.problem] if job.problem else found.failures
        told = {NOTES: [*failures, *found.notes, *job.notes], FAILURES: failures, BOUNDS: job.bounds}
        nb, _ = Exporter.from_notebook_node(sanitize, found.nb, {**resources, **told})
        return nb

    nb = in_time(lambda: restored(read_within(job.content, job.bounds)), restored, job.bounds)
    record, _ = autograde.from_notebook_node(nb, resources)
    return GradedNotebook(
        record=record,
        grades={name: grade.auto_score for name, grade in rows.grades.items()},
        comments={name: comment.auto_comment for name, comment in rows.comments.items()},
        notes=[*kept.get("restored", []), *kept.get("notes", [])],
        failures=kept.get(FAILURES, []),
        seconds=seconds,
    )


def _exporter(assignment: NotebookSetup, preprocessors: Iterable[Any], given: Given, rows: Rows) -> Exporter:
    """An exporter with these preprocessors. Each of them gets what it would ask a gradebook for."""
    exporter: Exporter = assignment.exporter(config=Config(assignment.config))
    for each in preprocessors:
        exporter.register_preprocessor(on_rows(each) if isinstance(each, type) else each)
    for each in exporter._preprocessors:
        if isinstance(each, Restore):
            each.given = given.original
        elif isinstance(each, Examine):
            each.given = given
        elif isinstance(each, OnRows):
            each.rows = rows
    return exporter


def warm_up_nbgrader() -> None:
    """Makes nbformat compile its validators. That takes longer than a notebook, so it is done before the process forks."""
    for additions in (False, True):
        nbformat.validate(new_notebook(nbformat_minor=MINOR), relax_add_props=additions)
