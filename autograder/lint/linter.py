"""The linter for the course's content: a course that passes cannot let an untouched exercise through, or leak an answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.nbgraderformat import SCHEMA_VERSION

from autograder.course import notebooks
from autograder.course.cells import (
    HIDDEN,
    SOLUTION,
    Cell,
    Role,
    cell_of,
    cells_of,
    is_forward,
    put_settings,
    python,
    settings,
    split,
)
from autograder.course.lesson import LESSON_FILE, Advice, load_lesson
from autograder.course.questions import APART, Question, plain_tests, questions_in
from autograder.errors import ContentError
from autograder.grading.examine import Examine
from autograder.grading.salvage import NOTES
from autograder.lint import content
from autograder.lint.content import Zero, report
from autograder.lint.trial import examine_of, run_all
from autograder.replay import parsed

PROBE_ID = "probe"
"""The id of a cell that is not in the notebook."""


def complaint(cell: NotebookNode) -> str:
    """Why nbgrader would give no points for a test cell that has run, in one line; nothing if it would give them."""
    return next(filter(None, map(_complaint, cell.outputs)), "")


def has_stopped(cell: NotebookNode) -> bool:
    """Whether a cell ended with an error, or with what IPython says of a magic that it does not know."""
    return any(
        output.output_type == "error" or (output.get("name") == "stderr" and output.text.startswith("UsageError"))
        for output in cell.outputs
    )


def with_probe(nb: NotebookNode, source: str) -> NotebookNode:
    """A copy of the notebook with one more cell at the end."""
    probed = deepcopy(nb)
    probe = new_code_cell(source, id=PROBE_ID)
    put_settings(probe, Cell(PROBE_ID, Role.TEST, source, points=0).settings(SCHEMA_VERSION))
    probed.cells.append(probe)
    return probed


def printed(executed: NotebookNode) -> str:
    """What the last cell printed."""
    return "".join(output.text for output in executed.cells[-1].outputs if output.output_type == "stream")


def _complaint(output: NotebookNode) -> str:
    if output.get("name") == "stderr":
        first, _, _ = output.text.strip().partition("\n")
        return f"it writes to stderr, {first}"
    if output.output_type != "error":
        return ""
    if output.ename == "KeyboardInterrupt":
        return f"{output.evalue}."
    message = output.evalue if output.ename == "NotRight" else f"{output.ename}: {output.evalue}"
    return " ".join(message.split()).removesuffix(":")


EMPTY_REPORT = json.dumps({"zeros": [], "passing": [], "rows": [], "faults": [], "formulas": []})
"""The report of a notebook that stopped before its last cell, which makes the report."""

REGENERATE = "run `nbgrader generate_assignment --force`."
SETTINGS = ("grade_id", "grade", "locked", "points", "solution")


@dataclass(frozen=True)
class Finding:
    """Something that must be fixed, and where."""

    notebook: str
    cell: str
    problem: str

    def __str__(self) -> str:
        return f"{self.notebook}, cell `{self.cell}`: {self.problem}" if self.cell else f"{self.notebook}: {self.problem}"


@dataclass(frozen=True)
class LintReport:
    """What has to be fixed, what may be meant so, and which gradients are zero for the true loss, by notebook.

    `plain` are the tests of ordinary assertions, by notebook; all others are judged apart from the student's code.
    """

    findings: tuple[Finding, ...]
    remarks: tuple[Finding, ...]
    zeros: dict[str, tuple[Zero, ...]]
    tests: int
    points: float
    plain: dict[str, tuple[str, ...]] = field(default_factory=dict)


def lint(source: Path, release: Path, course: Path | None = None) -> LintReport:
    """Reads every notebook of an assignment's source and release folders, and runs it as the grader of the `course` does.

    Raises ContentError if there is no notebook in `source`, or a file is none.
    """
    paths = sorted(source.glob("*.ipynb"))
    if not paths:
        raise ContentError(
            f"there is no notebook in {source}. Run this in the course's folder, with the name of an assignment."
        )
    examine = examine_of(course) if course else Examine()
    findings: list[Finding] = []
    remarks: list[Finding] = []
    tests: list[Cell] = []
    plain: dict[str, tuple[str, ...]] = {}
    solved: list[NotebookNode] = []
    untouched: list[NotebookNode] = []
    for path in paths:
        nb = notebooks.read(path)
        findings += _written(path, nb)
        remarks += _unbatched(path.name, nb)
        tests += _tests(nb)
        in_room = plain_tests(cells_of(nb)) if examine.plain_tests == "room" else frozenset()
        plain[path.name] = tuple(test.id for test in _tests(nb) if test.id in in_room)
        alone = sorted(question.name for question in _judged(nb) if not question.by)
        solved.append(with_probe(nb, PROBE.format(names=alone)))
        if not (release / path.name).is_file():
            findings.append(Finding(path.name, "", f"it is not in {release}: {REGENERATE}"))
            continue
        released = notebooks.read(release / path.name)
        findings += (*_stale(path.name, nb, released), *_leaks(path.name, nb, released))
        untouched.append(_unsolved(nb, released))
    executed = run_all([*solved, *untouched], source, examine)
    zeros: dict[str, tuple[Zero, ...]] = {}
    reports = []
    for path, run in zip(paths, executed[: len(solved)], strict=True):
        findings += _failing(path.name, run)
        remarks += [Finding(path.name, "", note) for note in _said(run, "notes")]
        reports.append(content_report := json.loads(printed(run) or EMPTY_REPORT))
        remarks += _unworded(source / LESSON_FILE, path.name, run, content_report)
        zeros[path.name] = tuple(replace(zero, tested=_tested(run, zero.name)) for zero in _zeros(content_report))
        passing = content_report["passing"]
        findings += [Finding(path.name, f"test-{name}", "literal zeros would pass this test.") for name in passing]
    findings += _worded(source / LESSON_FILE, reports)
    names = [path.name for path in paths if (release / path.name).is_file()]
    for name, run in zip(names, executed[len(solved) :], strict=True):
        passing = [test.id for test in _test_nodes(run) if not complaint(test)]
        findings += [Finding(name, test, "an untouched notebook passes this test.") for test in passing]
    points = sum(test.points or 0 for test in tests)
    return LintReport(tuple(findings), tuple(remarks), zeros, len(tests), points, plain)


PROBE = f"{APART}\nfrom {report.__module__} import {report.__name__}\nprint({report.__name__}({{names!r}}))"
"""The last cell of a solved notebook. It runs as a test does that is kept apart: the examiner has the forward passes."""


def _zeros(content_report: dict[str, Any]) -> list[Zero]:
    return [Zero(**zero) for zero in content_report["zeros"]]


def _worded(path: Path, reports: list[dict[str, Any]]) -> Iterator[Finding]:
    """Rows of the lesson that no notebook has use for, and those with faults."""
    if not path.is_file():
        return
    rows: tuple[Advice, ...] = ()
    with suppress(ContentError):  # a file that cannot be read is one of the faults below
        rows = load_lesson(path)
        yield from (Finding(path.name, *fault) for fault in content.style(path))
    yield from (Finding(path.name, *fault) for fault in sorted({tuple(fault) for each in reports for fault in each["faults"]}))
    known = {(name, frozenset(through)) for each in reports for name, through in each["rows"]}
    for row in rows:
        if known and (row.name, row.through) not in known:
            yield Finding(path.name, row.name, f"no forward pass has this gradient through {sorted(row.through)}.")
    runs: dict[tuple[str, tuple[str, ...], str], bool] = {}
    for name, through, formula, has_run in (row for each in reports for row in each["formulas"]):
        key = name, tuple(through), formula
        runs[key] = runs.get(key, False) or has_run
    for name, _, formula in (key for key, has_run in runs.items() if not has_run):
        yield Finding(path.name, name, f"the formula `{formula}` does not run in any notebook.")


def _unworded(path: Path, name: str, run: NotebookNode, content_report: dict[str, Any]) -> Iterator[Finding]:
    """Gradients that a notebook asks for and the lesson has no hints for; none where there is no lesson at all."""
    rows: dict[tuple[str, frozenset[str]], tuple[str, ...]] = {}
    with suppress(ContentError):
        rows = {(row.name, row.through): row.hints for row in load_lesson(path)} if path.is_file() else {}
    asked = {question.name for question in _judged(run)}
    for gradient, through in content_report["rows"] if rows else ():
        if gradient in asked and not rows.get((gradient, frozenset(through))):
            yield Finding(name, f"test-{gradient}", f"{path.name} has no hints for `{gradient}`.")


def _failing(name: str, run: NotebookNode) -> Iterator[Finding]:
    """The first cell that stops with an error, since what comes after may fail because of it; or else all failing tests.

    What a person would have to see to if a student handed it in comes before the tests, which fail because of it.
    """
    for cell in notebooks.code_cells(run):
        if cell_of(cell).role is not Role.TEST and has_stopped(cell):
            problem = complaint(cell)
            yield Finding(name, cell.id, f"it stops: {problem}")
            return
    if failures := _said(run, "failures"):
        yield from (Finding(name, "", failure) for failure in failures)
        return
    for test in _test_nodes(run):
        if problem := complaint(test):
            yield Finding(
                name, *((test.id, f"the model answer fails this test: {problem}") if test.id != PROBE_ID else ("", problem))
            )


def _said(run: NotebookNode, kind: str) -> list[str]:
    """The notes or failures that the grader has on a notebook."""
    return [" ".join(text.split()) for text in run.metadata.get(NOTES, {}).get(kind, [])]


def _written(path: Path, nb: NotebookNode) -> Iterator[Finding]:
    """What is wrong with a notebook's text, which shows without running anything."""
    try:
        normal = notebooks.normalised(nb)
    except ContentError as error:
        yield Finding(path.name, "", str(error))
        return
    if path.read_text(encoding="utf-8") != notebooks.to_text(normal):
        yield Finding(path.name, "", "it is not normalised: run `autograder normalise`.")
    if [cell.id for cell in nb.cells] != [cell.id for cell in normal.cells]:
        return  # what follows goes by the ids
    for cell in nb.cells:
        grade_id = settings(cell).get("grade_id", cell.id)
        if grade_id != cell.id:
            yield Finding(path.name, cell.id, f"its ID is `{grade_id}`: use letters, digits, `-` and `_` only.")
        if is_forward(cell.source) and cell_of(cell).role is not Role.LOCKED:
            yield Finding(path.name, cell.id, "a forward pass has to be locked: students could change it.")
    yield from _unlocked(path.name, nb)
    yield from _pairs(path.name, nb)


def _unbatched(name: str, nb: NotebookNode) -> Iterator[Finding]:
    """Forward passes that do not say what the minibatch is: no case can have another number of rows."""
    for cell in cells_of(nb):
        if is_forward(cell.source) and "--batch" not in cell.source.partition("\n")[0]:
            yield Finding(
                name, cell.id, "without `--batch` answers are accepted that have the number of rows written into them."
            )


def _unlocked(name: str, nb: NotebookNode) -> Iterator[Finding]:
    """Cells that students can change, and that give names to what locked cells read."""
    read = set[str]()
    for cell in (*_locked(nb), *_tests(nb)):
        read |= parsed.parse_cell(python(cell.source)).reads - _bound(cell.source)
    for cell in (cell for cell in cells_of(nb) if cell.role is Role.STUDENT and not cell.solves):
        for bound in sorted(read & _bound(cell.source)):
            yield Finding(name, cell.id, f"it binds `{bound}`, which a locked cell or a test reads: lock it.")


def _pairs(name: str, nb: NotebookNode) -> Iterator[Finding]:
    """What does not go together among the solution cells, the tests, and what the tests ask for."""
    solutions, tests = _solutions(nb), _tests(nb)
    judged = {test.id: questions_in(test.source) for test in tests}
    counts = Counter(question for asked in judged.values() for question in {*asked["check"], *asked["grade"]})
    for test in tests:
        asked = judged[test.id]
        if not test.points:
            yield Finding(name, test.id, "it gives no points.")
        if not all(marker in test.source for marker in HIDDEN):
            yield Finding(name, test.id, f"its hidden tests should stand between `{HIDDEN[0]}` and `{HIDDEN[1]}`.")
        elif asked["check"] != asked["grade"]:
            yield Finding(name, test.id, "`check` before and `grade` in the hidden tests should be called with the same names.")
        for question in sorted(asked["check"]):
            if test.id != f"test-{question.name}":
                yield Finding(name, test.id, f"it tests `{question.name}`, so its id should be `test-{question.name}`.")
            if question.answer not in {solution.id for solution in solutions}:
                yield Finding(name, test.id, f"there is no solution cell `{question.answer}`.")
            if counts[question] > 1:
                yield Finding(name, test.id, f"`{question.name}` is tested more than once.")
    tested = {question.answer for asked in judged.values() for question in asked["check"]}
    for solution in solutions:
        if solution.id not in tested and not any(solution.id in test.source for test in tests):
            yield Finding(name, solution.id, "no test cell is about this solution cell.")
        if not all(marker in solution.source for marker in SOLUTION):
            yield Finding(name, solution.id, f"its answer should stand between `{SOLUTION[0]}` and `{SOLUTION[1]}`.")
    answers = {question.name for asked in judged.values() for question in asked["check"]} | {cell.id for cell in solutions}
    for locked in (*_locked(nb), *tests):
        for bound in sorted(answers & _bound(locked.source)):
            yield Finding(name, locked.id, f"a locked cell binds the answer `{bound}`.")


def _stale(name: str, nb: NotebookNode, released: NotebookNode) -> Iterator[Finding]:
    """Whether the release was made of another source."""
    if [cell.id for cell in nb.cells] != [cell.id for cell in released.cells]:
        yield Finding(name, "", f"source and release have other cells: {REGENERATE}")
        return
    for cell, shown in zip(nb.cells, released.cells, strict=True):
        if not _agree(cell, shown):
            yield Finding(name, cell.id, f"source and release differ: {REGENERATE}")


def _agree(cell: NotebookNode, shown: NotebookNode) -> bool:
    """Whether a released cell is that of the source, outside of solutions and hidden tests."""
    ours, theirs = ({key: settings(each).get(key) for key in SETTINGS} for each in (cell, shown))
    markers = next((each for each in (HIDDEN, SOLUTION) if each[0] in cell.source), None)
    text = shown.source.strip()
    if markers is None:
        return bool(text == cell.source.strip() and ours == theirs)
    around, _ = split(cell.source, markers)
    return bool(text.startswith(around[0].strip()) and text.endswith(around[-1].strip()) and ours == theirs)


def _leaks(name: str, nb: NotebookNode, released: NotebookNode) -> Iterator[Finding]:
    """Lines of solutions and hidden tests that students would see."""
    secret: set[str] = set()
    shown: set[str] = set()
    for cell in cells_of(nb):
        hidden = {line for markers in (SOLUTION, HIDDEN) for text in split(cell.source, markers)[1] for line in _lines(text)}
        secret |= hidden
        shown |= _lines(cell.source) - hidden
    for cell in released.cells:
        leaked = _lines(cell.source) & (secret - shown) if cell.cell_type == "code" else set()
        leaked |= {marker for marker in (*SOLUTION, *HIDDEN) if marker in cell.source}
        for line in sorted(leaked):
            yield Finding(name, cell.id, f"the release shows `{line}`.")


def _unsolved(nb: NotebookNode, released: NotebookNode) -> NotebookNode:
    """The release as it is graded when a student hands it in untouched: with the hidden tests back in place."""
    stubs = {cell.id: cell.source for cell in _solutions(released)}
    copy = deepcopy(nb)
    for cell in notebooks.code_cells(copy):
        if cell_of(cell).solves:
            cell.source = stubs.get(cell.id, cell.source)
    return copy


def _judged(nb: NotebookNode) -> set[Question]:
    return {question for test in _tests(nb) for question in questions_in(test.source)["check"]}


def _tested(nb: NotebookNode, name: str) -> str:
    """How a gradient is tested: "alone", as part of a "whole" backward pass, or not at all."""
    return next(("whole" if question.by else "alone" for question in _judged(nb) if question.name == name), "")


def _bound(source: str) -> set[str]:
    """The names that a cell binds, those of a forward pass included."""
    return set(parsed.parse_cell(python(source)).touches)


def _tests(nb: NotebookNode) -> list[Cell]:
    return [cell for cell in cells_of(nb) if cell.role is Role.TEST]


def _test_nodes(nb: NotebookNode) -> list[NotebookNode]:
    """The cells for tests with what they showed."""
    return [cell for cell in notebooks.code_cells(nb) if cell_of(cell).role is Role.TEST]


def _solutions(nb: NotebookNode) -> list[Cell]:
    return [cell for cell in cells_of(nb) if cell.solves]


def _locked(nb: NotebookNode) -> list[Cell]:
    return [cell for cell in cells_of(nb) if cell.role is Role.LOCKED]


def _lines(source: str) -> set[str]:
    return {line.strip() for line in source.splitlines() if line.strip()}
