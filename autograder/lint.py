"""The linter for the course's content: a course that passes cannot let an untouched exercise through, or leak an answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder import cell as cells
from autograder import content, notebook, trial
from autograder.errors import ContentError
from autograder.exercise import SOLUTION, calls_in
from autograder.lesson import FILE, read
from autograder.session import current
from autograder.zeros import Zero, structural_zeros, zero_would_pass

HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")

NOTHING = json.dumps({"zeros": [], "passing": [], "rows": [], "faults": []})
"""The report of a notebook that stopped before it."""

REGENERATE = "run `nbgrader generate_assignment --force`."
SETTINGS = ("grade_id", "grade", "locked", "points", "solution")

PROBE = "import autograder.lint\nprint(autograder.lint.report({names!r}))"


@dataclass(frozen=True)
class Finding:
    """Something that must be mended, and where."""

    notebook: str
    cell: str
    problem: str

    def __str__(self) -> str:
        return f"{self.notebook}, cell `{self.cell}`: {self.problem}" if self.cell else f"{self.notebook}: {self.problem}"


@dataclass(frozen=True)
class Report:
    """What the linter found, what may be meant so, and which gradients are zero on the true chain, by notebook."""

    findings: tuple[Finding, ...]
    remarks: tuple[Finding, ...]
    zeros: dict[str, tuple[Zero, ...]]
    tests: int
    points: float


def lint(source: Path, release: Path) -> Report:
    """Reads and runs every notebook of an assignment's source and release folders.

    Raises ContentError if there is no notebook in `source`, or a file is none.
    """
    paths = sorted(source.glob("*.ipynb"))
    if not paths:
        raise ContentError(
            f"there is no notebook in {source}. Run this in the course's folder, with the name of an assignment."
        )
    findings: list[Finding] = []
    remarks: list[Finding] = []
    tests: list[NotebookNode] = []
    solved: list[NotebookNode] = []
    untouched: list[NotebookNode] = []
    for path in paths:
        nb = notebook.read(path)
        findings += _written(path, nb)
        remarks += _unbatched(path.name, nb)
        tests += _of_role(nb, "test")
        solved.append(trial.with_probe(nb, PROBE.format(names=sorted(answer for answer, by in _judged(nb) if not by))))
        if not (release / path.name).is_file():
            findings.append(Finding(path.name, "", f"it is not in {release}: {REGENERATE}"))
            continue
        released = notebook.read(release / path.name)
        findings += (*_stale(path.name, nb, released), *_leaks(path.name, nb, released))
        untouched.append(_unsolved(nb, released))
    executed = trial.run_all([*solved, *untouched], source)
    zeros: dict[str, tuple[Zero, ...]] = {}
    reports = []
    for path, run in zip(paths, executed[: len(solved)], strict=True):
        findings += _failing(path.name, run)
        reports.append(told := json.loads(trial.printed(run) or NOTHING))
        zeros[path.name] = tuple(replace(zero, tested=_tested(run, zero.name)) for zero in _zeros(told))
        findings += [Finding(path.name, f"test-{name}", "literal zeros would pass this test.") for name in told["passing"]]
    findings += _worded(source / FILE, reports)
    names = [path.name for path in paths if (release / path.name).is_file()]
    for name, run in zip(names, executed[len(solved) :], strict=True):
        passing = [test.id for test in _of_role(run, "test") if not trial.complaint(test)]
        findings += [Finding(name, test, "an untouched notebook passes this test.") for test in passing]
    points = sum(test.metadata.nbgrader.get("points", 0) for test in tests)
    return Report(tuple(findings), tuple(remarks), zeros, len(tests), points)


def report(names: list[str]) -> str:
    """Run in the kernel of a solved notebook: which gradients are zero, and which tests of these would accept zeros."""
    session = current()
    tapes = session.tapes.values()
    zeros = [asdict(zero) for tape in tapes for zero in structural_zeros(tape)]
    known = [row for tape in tapes for row in content.rows(tape)]
    try:
        faults = [fault for tape in tapes for fault in content.faults(tape, Path())]
    except ContentError as error:
        faults = [("", str(error))]
    passing = [name for name in names if zero_would_pass(session.tape(name[1:]), name[1:])]
    return json.dumps({"zeros": zeros, "passing": passing, "rows": known, "faults": faults})


def _zeros(told: dict[str, Any]) -> list[Zero]:
    return [Zero(**zero) for zero in told["zeros"]]


def _worded(path: Path, reports: list[dict[str, Any]]) -> Iterator[Finding]:
    """Rows of the lesson that no notebook has use for, and those with faults."""
    if not path.is_file():
        return
    yield from (Finding(path.name, *fault) for fault in sorted({tuple(fault) for told in reports for fault in told["faults"]}))
    known = {(name, frozenset(through)) for told in reports for name, through in told["rows"]}
    with suppress(ContentError):  # one of the faults
        for row in read(path):
            if known and (row.name, row.through) not in known:
                yield Finding(path.name, row.name, f"no forward pass has this gradient through {sorted(row.through)}.")


def _failing(name: str, run: NotebookNode) -> Iterator[Finding]:
    """The first cell that stops with an error, since what comes after may fail because of it; or else all failing tests."""
    for cell in notebook.code_cells(run):
        if notebook.role(cell) != "test" and trial.stopped(cell):
            problem = trial.complaint(cell)
            yield Finding(name, *((cell.id, f"it stops: {problem}") if cell.id != trial.PROBE else ("", problem)))
            return
    for test in _of_role(run, "test"):
        if problem := trial.complaint(test):
            yield Finding(name, test.id, f"the model answer fails this test: {problem}")


def _written(path: Path, nb: NotebookNode) -> Iterator[Finding]:
    """What can be seen without running anything."""
    try:
        normal = notebook.normalised(nb)
    except ContentError as error:
        yield Finding(path.name, "", str(error))
        return
    if path.read_text(encoding="utf-8") != notebook.as_text(normal):
        yield Finding(path.name, "", "it is not normalised: run `autograder normalise`.")
    if [cell.id for cell in nb.cells] != [cell.id for cell in normal.cells]:
        return  # what follows goes by the ids
    for cell in nb.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", cell.id)
        if grade_id != cell.id:
            yield Finding(path.name, cell.id, f"its ID is `{grade_id}`: use letters, digits, `-` and `_` only.")
        if cell.source.startswith("%%forward") and notebook.role(cell) != "locked":
            yield Finding(path.name, cell.id, "a forward pass has to be locked: students could change it.")
    yield from _unlocked(path.name, nb)
    yield from _pairs(path.name, nb)


def _unbatched(name: str, nb: NotebookNode) -> Iterator[Finding]:
    for cell in notebook.code_cells(nb):
        if cell.source.startswith("%%forward") and "--batch" not in cell.source.partition("\n")[0]:
            yield Finding(
                name, cell.id, "without `--batch` answers are accepted that have the number of rows written into them."
            )


def _unlocked(name: str, nb: NotebookNode) -> Iterator[Finding]:
    """Cells that students can change, and that give names to what locked cells read."""
    read = set[str]()
    for cell in (*_of_role(nb, "locked"), *_of_role(nb, "test")):
        read |= cells.read(_python(cell.source)).reads - _bound(cell.source)
    for cell in _of_role(nb, "free"):
        for bound in sorted(read & _bound(cell.source)):
            yield Finding(name, cell.id, f"it binds `{bound}`, which a locked cell or a test reads: lock it.")


def _pairs(name: str, nb: NotebookNode) -> Iterator[Finding]:
    solutions = _of_role(nb, "solution")
    tests = _of_role(nb, "test")
    judged = {test.id: calls_in(test.source) for test in tests}
    counts = Counter(call for calls in judged.values() for call in {*calls["check"], *calls["grade"]})
    for test in tests:
        calls = judged[test.id]
        if not test.metadata.nbgrader.get("points"):
            yield Finding(name, test.id, "it gives no points.")
        if not all(marker in test.source for marker in HIDDEN):
            yield Finding(name, test.id, f"its hidden tests should stand between `{HIDDEN[0]}` and `{HIDDEN[1]}`.")
        elif calls["check"] != calls["grade"]:
            yield Finding(name, test.id, "`check` before and `grade` in the hidden tests should be called with the same names.")
        for answer, by in calls["check"]:
            if test.id != f"test-{answer}":
                yield Finding(name, test.id, f"it tests `{answer}`, so its id should be `test-{answer}`.")
            if (by or answer) not in {solution.id for solution in solutions}:
                yield Finding(name, test.id, f"there is no solution cell `{by or answer}`.")
            if counts[answer, by] > 1:
                yield Finding(name, test.id, f"`{answer}` is tested more than once.")
    tested = {by or answer for calls in judged.values() for answer, by in calls["check"]}
    for solution in solutions:
        if solution.id not in tested and not any(solution.id in test.source for test in tests):
            yield Finding(name, solution.id, "no test cell is about this solution cell.")
        if not all(marker in solution.source for marker in SOLUTION):
            yield Finding(name, solution.id, f"its answer should stand between `{SOLUTION[0]}` and `{SOLUTION[1]}`.")
    answers = {answer for calls in judged.values() for answer, _ in calls["check"]} | {cell.id for cell in solutions}
    for locked in (*_of_role(nb, "locked"), *tests):
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
    settings = [{key: each.metadata.get("nbgrader", {}).get(key) for key in SETTINGS} for each in (cell, shown)]
    markers = next((each for each in (HIDDEN, SOLUTION) if each[0] in cell.source), None)
    text = shown.source.strip()
    if markers is None:
        return bool(text == cell.source.strip() and settings[0] == settings[1])
    before, _, after = _split(cell.source, markers)
    return bool(text.startswith(before.strip()) and text.endswith(after.strip()) and settings[0] == settings[1])


def _leaks(name: str, nb: NotebookNode, released: NotebookNode) -> Iterator[Finding]:
    """Lines of solutions and hidden tests that students would see."""
    secret: set[str] = set()
    shown: set[str] = set()
    for cell in notebook.code_cells(nb):
        hidden = set[str]().union(*(_lines(_split(cell.source, markers)[1]) for markers in (SOLUTION, HIDDEN)))
        secret |= hidden
        shown |= _lines(cell.source) - hidden
    for cell in released.cells:
        leaked = _lines(cell.source) & (secret - shown) if cell.cell_type == "code" else set()
        leaked |= {marker for marker in (*SOLUTION, *HIDDEN) if marker in cell.source}
        for line in sorted(leaked):
            yield Finding(name, cell.id, f"the release shows `{line}`.")


def _unsolved(nb: NotebookNode, released: NotebookNode) -> NotebookNode:
    """The release as it is graded when a student hands it in untouched: with the hidden tests back in place."""
    stubs = {cell.id: cell.source for cell in _of_role(released, "solution")}
    copy = deepcopy(nb)
    for cell in _of_role(copy, "solution"):
        cell.source = stubs.get(cell.id, cell.source)
    return copy


def _judged(nb: NotebookNode) -> set[tuple[str, str | None]]:
    return {call for test in _of_role(nb, "test") for call in calls_in(test.source)["check"]}


def _tested(nb: NotebookNode, name: str) -> str:
    return next(("whole" if by else "alone" for answer, by in _judged(nb) if answer == name), "")


def _bound(source: str) -> set[str]:
    """The names that a cell binds, those of a forward pass included."""
    return set(cells.read(_python(source)).touches)


def _python(source: str) -> str:
    """A cell without the magic that records a forward pass."""
    return source.partition("\n")[2] if source.startswith("%%forward") else source


def _of_role(nb: NotebookNode, role: str) -> list[NotebookNode]:
    return [cell for cell in notebook.code_cells(nb) if notebook.role(cell) == role]


def _lines(source: str) -> set[str]:
    return {line.strip() for line in source.splitlines() if line.strip()}


def _split(source: str, markers: tuple[str, str]) -> tuple[str, str, str]:
    """What stands before, between and after two markers; all of it before them where they are not there."""
    before, _, rest = source.partition(markers[0])
    between, _, after = rest.partition(markers[1])
    return before, between, after
