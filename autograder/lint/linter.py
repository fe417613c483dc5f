"""The linter for the course's content: a course that passes cannot let an untouched exercise through, or leak an answer."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.nbgraderformat import SCHEMA_VERSION

from autograder.asks.recorded import FILE
from autograder.course import notebooks
from autograder.course.cells import (
    HIDDEN,
    SOLUTION,
    Cell,
    Role,
    body,
    cell_of,
    cells_of,
    is_ask,
    is_forward,
    put_settings,
    python,
    settings,
    split,
)
from autograder.course.lesson import Advice, load_lesson
from autograder.course.objectives import Asked, asked_in
from autograder.course.order import LESSON_FILE
from autograder.course.questions import (
    APART,
    PRACTICE,
    VERBS,
    Question,
    fingerprint,
    has_line,
    id_of,
    models_of,
    plain_tests,
    questions_in,
)
from autograder.errors import ContentError
from autograder.grading.course import converter_of
from autograder.grading.examine import Examine
from autograder.grading.salvage import NOTES
from autograder.grading.setup import faults, weaknesses
from autograder.lint import content, objectives, pairing
from autograder.lint.committed import committed
from autograder.lint.content import Zero, report
from autograder.lint.generated import generator
from autograder.lint.recording import MISTAKES_FILE, record
from autograder.lint.trial import examine_of, run_all
from autograder.replay import parsed

CONFIG_FILE = "nbgrader_config.py"
PROBE_ID = "probe"
"""The id of a cell that is not in the notebook."""


def complaint(cell: NotebookNode) -> str:
    """Why nbgrader would give no points for a test cell that has run, in one line; nothing if it would give them."""
    return next(filter(None, map(_complaint, cell.outputs)), "")


def credit(cell: NotebookNode) -> float | None:
    """The points that a test cell itself gives, which is its result where that is a number; None where it is none."""
    results = (output.data.get("text/plain", "") for output in cell.outputs if output.output_type == "execute_result")
    with suppress(ValueError):
        return float(next(results, ""))
    return None


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


EMPTY_REPORT = json.dumps({"zeros": [], "passing": [], "rows": [], "faults": [], "formulas": [], "weights": [], "rowless": []})
"""The report of a notebook that stopped before its last cell, which makes the report."""

REGENERATE = "run `nbgrader generate_assignment --force`."
MISSING = f"its model answer is missing: write it between `{SOLUTION[0]}` and `{SOLUTION[1]}`."
SETTINGS = ("grade_id", "grade", "locked", "points", "solution", "task")
ENCLOSING = ("BEGIN SOLUTION", "END SOLUTION")
"""What nbgrader looks for in the lines around an answer, whatever stands before it."""
NBGRADER_MARKER = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TEST|MARK SCHEME)", re.IGNORECASE)
"""What looks like a marker of nbgrader's, also where it is written in a way that nbgrader does not know."""


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
    generate = generator(course or source.parent.parent)
    findings: list[Finding] = [*_configured(course)] if course else []
    remarks: list[Finding] = []
    tests: list[Cell] = []
    asked: list[Asked] = []
    points = 0.0
    unanswered: dict[str, set[str]] = {}
    plain: dict[str, tuple[str, ...]] = {}
    solved: list[NotebookNode] = []
    untouched: list[NotebookNode] = []
    models: dict[str, Mapping[str, str]] = {}
    for path in paths:
        written = notebooks.read(path)
        nb = _identified(written)
        findings += _written(path, written)
        unanswered[path.name] = {solution.id for solution in _solutions(nb) if not _has_answer(solution)}
        tests += _tests(nb)
        asked += asked_in(path.stem, cells_of(nb))
        points += sum(cell.points or 0 for cell in _marked(nb))
        in_room = plain_tests(cells_of(nb)) if examine.plain_tests == "room" else frozenset()
        plain[path.name] = tuple(test.id for test in _tests(nb) if test.id in in_room)
        models[path.name] = models_of(cells_of(nb))
        alone = sorted(question.name for question in _judged(nb) if not question.by)
        solved.append(with_probe(nb, PROBE.format(names=alone)))
        if not (release / path.name).is_file():
            findings.append(Finding(path.name, "", f"it is not in {release}: {REGENERATE}"))
            continue
        released = _identified(notebooks.read(release / path.name))
        try:
            generated = _identified(generate(written, path))
            findings += (*_stale(path.name, generated, released), *_leaks(path.name, nb, generated, released))
            remarks += _unparsable(path.name, nb, released)
        except ContentError as error:
            findings.append(Finding(path.name, "", str(error)))
        untouched.append(_unsolved(nb, released))
    names = [path.name for path in paths if (release / path.name).is_file()]
    answers = [models[name] for name in (*(path.name for path in paths), *names)]
    findings += _recorded(source, release)
    executed = run_all([*solved, *untouched], source, examine, answers)
    zeros: dict[str, tuple[Zero, ...]] = {}
    reports = []
    for path, run in zip(paths, executed[: len(solved)], strict=True):
        missing = {id_of("test", name) for name in unanswered[path.name]}
        findings += (failing for failing in _failing(path.name, run) if failing.cell not in missing)
        remarks += [Finding(path.name, "", note) for note in _said(run, "notes")]
        reports.append(content_report := json.loads(printed(run) or EMPTY_REPORT))
        remarks += _unbatched(path.name, run, content_report)
        remarks += _unworded(source / LESSON_FILE, path.name, run, content_report)
        unasked = "has no gradient in the forward pass, since it stands inside of an object: give it a name of its own."
        remarks += [Finding(path.name, "", f"`{weight}` {unasked}") for weight in content_report["weights"]]
        zeros[path.name] = tuple(replace(zero, tested=_tested(run, zero.name)) for zero in _zeros(content_report))
        passing = content_report["passing"]
        findings += [Finding(path.name, id_of("test", name), "literal zeros would pass this test.") for name in passing]
    findings += _worded(source / LESSON_FILE, reports)
    findings += (Finding(LESSON_FILE, *fault) for fault in objectives.faults(source, asked))
    for name, run in zip(names, executed[len(solved) :], strict=True):
        passing = [test.id for test in _test_nodes(run) if not complaint(test) and credit(test) != 0]
        findings += [Finding(name, test, "an untouched notebook passes this test.") for test in passing]
    return LintReport(tuple(findings), tuple(remarks), zeros, len(tests), points, plain)


def _configured(course: Path) -> Iterator[Finding]:
    """What the configuration of a course lacks, so that its marks are not safe."""
    converter = converter_of(course)
    if converter is not None:
        yield from (Finding(CONFIG_FILE, "", fault) for fault in (*faults(converter), *weaknesses(converter)))
    for place in (course / "source", course / "release", *(course / "source").glob("*/")):
        if (place / CONFIG_FILE).exists():
            yield Finding(str(place / CONFIG_FILE), "", f"nbgrader does not read it there: move it to {course.resolve()}.")


def _recorded(source: Path, release: Path) -> Iterator[Finding]:
    """What is wrong with asks, and whether what is recorded of them is what they give today."""
    try:
        found = record(source)
    except ContentError as error:
        yield Finding(MISTAKES_FILE, "", str(error))
        return
    yield from (Finding(*fault) for fault in found.faults)
    if found.asks and not found.faults:
        for folder in (source, release):
            if folder.is_dir() and not found.is_that_of(folder / FILE):
                yield Finding(
                    str(folder / FILE), "", f"it is not what the asks give today: run `autograder record {source.name}`."
                )


def _identified(nb: NotebookNode) -> NotebookNode:
    """The normalised notebook, in which nbgrader's cells have its IDs for ids; where that cannot be, a copy with some ids."""
    with suppress(ContentError):
        return notebooks.normalised(nb)
    copy = deepcopy(nb)
    for number, cell in enumerate(copy.cells, 1):
        cell.setdefault("id", f"cell-{number}")
    return copy


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
            yield Finding(name, id_of("test", gradient), f"{path.name} has no hints for `{gradient}`.")


def _failing(name: str, run: NotebookNode) -> Iterator[Finding]:
    """The first cell that stops with an error, since what comes after may fail because of it; or else all failing tests.

    What a person would have to see to if a student handed it in comes before the tests, which fail because of it.
    """
    for cell in notebooks.code_cells(run):
        if cell_of(cell).role is not Role.TEST and has_stopped(cell):
            problem = complaint(cell)
            yield Finding(name, cell.id, f"it stops: {problem}")
            return
    yield from (Finding(name, "", failure) for failure in _said(run, "failures"))
    for test in _test_nodes(run):
        if problem := complaint(test):
            yield Finding(
                name, *((test.id, f"the model answer fails this test: {problem}") if test.id != PROBE_ID else ("", problem))
            )
        elif (given := credit(test)) is not None and given != (most := cell_of(test).points or 0):
            yield Finding(name, test.id, f"the model answer gets {given:g} of {most:g} points in this test.")


def _unparsable(name: str, nb: NotebookNode, released: NotebookNode) -> Iterator[Finding]:
    """Answers that are no Python as they are released: who runs one that was not touched gets a SyntaxError."""
    shown = {cell.id: cell.source for cell in _solutions(released)}
    for cell in _solutions(nb):
        if cell.id in shown and parsed.is_python(cell.source) and not parsed.is_python(shown[cell.id]):
            yield Finding(name, cell.id, f"as released it is no Python: put a docstring or `pass` above `{SOLUTION[0]}`.")


def _said(run: NotebookNode, kind: str) -> list[str]:
    """The notes or failures that the grader has on a notebook."""
    return [" ".join(text.split()) for text in run.metadata.get(NOTES, {}).get(kind, [])]


def _written(path: Path, written: NotebookNode) -> Iterator[Finding]:
    """What is wrong with a notebook's text, which shows without running anything."""
    try:
        nb = notebooks.normalised(written)
    except ContentError as error:
        yield Finding(path.name, "", str(error))
        return
    is_plain = not _judged(nb) and not any(is_forward(cell.source) for cell in cells_of(nb))
    if not is_plain and path.read_text(encoding="utf-8") != notebooks.to_text(committed(nb)):
        yield Finding(path.name, "", "it is not normalised: run `autograder normalise`.")
    for cell in nb.cells:
        if (name := settings(cell).get("grade_id", cell.id)) != cell.id:
            yield Finding(path.name, cell.id, f"its ID is `{name}`: use letters, digits, `-` and `_` only.")
        if is_forward(cell.source) and cell_of(cell).role is not Role.LOCKED:
            yield Finding(path.name, cell.id, "a forward pass has to be locked: students could change it.")
        if is_ask(cell.source) and cell_of(cell).role is not Role.LOCKED:
            yield Finding(path.name, cell.id, "an ask has to be locked: students could change it.")
    yield from _unlocked(path.name, nb)
    yield from _pairs(path.name, nb)


def _unbatched(name: str, nb: NotebookNode, content_report: Mapping[str, Any]) -> Iterator[Finding]:
    """Forward passes with rows that do not say what the minibatch is: no case can have another number of rows."""
    for cell in cells_of(nb):
        is_named = "--batch" in cell.source.partition("\n")[0]
        if is_forward(cell.source) and not is_named and fingerprint(body(cell.source)) not in content_report["rowless"]:
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
    cells, solutions, tests = list(cells_of(nb)), _solutions(nb), _tests(nb)
    judged = {test.id: _questions(test.source) for test in tests}
    counts = Counter(question for asked in judged.values() for question in {*asked["check"], *asked["grade"]})
    practice = {cell.id for cell in tests if has_line(cell.source, PRACTICE)}
    yield from (
        Finding(name, cell.id, "it gives no points.") for cell in _marked(nb) if not (cell.points or cell.id in practice)
    )
    yield from (
        Finding(name, cell.id, f"it gives points: leave the line `{PRACTICE}` out.")
        for cell in tests
        if cell.points and cell.id in practice
    )
    for test in tests:
        asked = judged[test.id]
        if not any(asked.values()):
            continue
        if test.id in practice:
            if asked["grade"]:
                yield Finding(name, test.id, f"it hides nothing: leave `grade` out, or the line `{PRACTICE}`.")
        elif not all(marker in test.source for marker in HIDDEN):
            yield Finding(name, test.id, f"its hidden tests should stand between `{HIDDEN[0]}` and `{HIDDEN[1]}`.")
        elif asked["check"] != asked["grade"]:
            yield Finding(name, test.id, "`check` before and `grade` in the hidden tests should be called with the same names.")
        for question in sorted(asked["check"]):
            if test.id != (wanted := id_of("test", question.name)):
                yield Finding(name, test.id, f"it tests `{question.name}`, so its id should be `{wanted}`.")
            if question.answer not in {solution.id for solution in solutions}:
                yield Finding(name, test.id, f"there is no solution cell `{question.answer}`.")
            if counts[question] > 1:
                yield Finding(name, test.id, f"`{question.name}` is tested more than once.")
    for id, read in pairing.unbound(cells):
        yield Finding(name, id, f"it reads `{read}`, which no cell binds.")
    asked_for = {question.answer for asked in judged.values() for question in asked["check"]}
    called = {question.by for asked in judged.values() for question in asked["check"] if question.by}
    tested = asked_for.union(pairing.behind(cells, called), *pairing.about(cells).values())
    by_hand = {cell.id for cell in _marked(nb)}
    for solution in (solution for solution in solutions if solution.id not in by_hand):
        if solution.id not in tested:
            yield Finding(name, solution.id, "no test cell is about this solution cell.")
        if solution.id in asked_for and not all(marker in solution.source for marker in SOLUTION):
            yield Finding(name, solution.id, f"its answer should stand between `{SOLUTION[0]}` and `{SOLUTION[1]}`.")
        elif not _has_answer(solution):
            yield Finding(name, solution.id, MISSING)
    answers = asked_for | {question.name for asked in judged.values() for question in asked["check"]}
    for locked in (*_locked(nb), *tests):
        for bound in sorted(answers & _bound(locked.source)):
            yield Finding(name, locked.id, f"a locked cell binds the answer `{bound}`.")


def _has_answer(solution: Cell) -> bool:
    """Whether there is code where nbgrader looks for the answer: between its markers, or else in all of the cell."""
    _, enclosed = split(solution.source, ENCLOSING)
    return any(_does_something(text) for text in (enclosed or [solution.source]))


def _does_something(source: str) -> bool:
    """Whether there is more in some lines than blanks and comments."""
    return any(line and not line.startswith("#") for line in map(str.strip, source.split("\n")))


def _stale(name: str, generated: NotebookNode, released: NotebookNode) -> Iterator[Finding]:
    """Whether the release is what nbgrader makes of the source now."""
    if [cell.id for cell in generated.cells] != [cell.id for cell in released.cells]:
        yield Finding(name, "", f"source and release have other cells: {REGENERATE}")
        return
    for cell, shown in zip(generated.cells, released.cells, strict=True):
        ours, theirs = ({key: settings(each).get(key) for key in SETTINGS} for each in (cell, shown))
        if shown.source.strip() != cell.source.strip() or ours != theirs:
            yield Finding(name, cell.id, f"source and release differ: {REGENERATE}")


def _leaks(name: str, nb: NotebookNode, generated: NotebookNode, released: NotebookNode) -> Iterator[Finding]:
    """Lines that nbgrader takes out of the source, and that students would see, and markers that it does not know."""
    secret = _all_lines(nb) - _all_lines(generated)
    for cell in released.cells:
        lines = _lines(cell.source)
        for line in sorted(lines & secret | {line for line in lines if NBGRADER_MARKER.search(line)}):
            yield Finding(name, cell.id, f"the release shows `{line}`.")


def _unsolved(nb: NotebookNode, released: NotebookNode) -> NotebookNode:
    """The release as it is graded when a student hands it in untouched: with the hidden tests back in place."""
    stubs = {cell.id: cell.source for cell in _solutions(released)}
    copy = deepcopy(nb)
    for cell in notebooks.code_cells(copy):
        if cell_of(cell).solves:
            cell.source = stubs.get(cell.id, cell.source)
    return copy


def _questions(source: str) -> dict[str, set[Question]]:
    """What a test asks for, by the verb that it calls; nothing for a plain test, which calls none of them."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return questions_in(ast.unparse(parsed.parse_tree(source)))
    return {verb: set() for verb in VERBS}


def _judged(nb: NotebookNode) -> set[Question]:
    return {question for test in _tests(nb) for question in _questions(test.source)["check"]}


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


def _marked(nb: NotebookNode) -> list[Cell]:
    """The cells that give points, by a test or by who reads them."""
    return [cell_of(cell) for cell in nb.cells if settings(cell).get("grade") or settings(cell).get("task")]


def _solutions(nb: NotebookNode) -> list[Cell]:
    return [cell for cell in cells_of(nb) if cell.solves]


def _locked(nb: NotebookNode) -> list[Cell]:
    return [cell for cell in cells_of(nb) if cell.role is Role.LOCKED]


def _all_lines(nb: NotebookNode) -> set[str]:
    return {line for cell in nb.cells for line in _lines(cell.source)}


def _lines(source: str) -> set[str]:
    return {line.strip() for line in source.splitlines() if line.strip()}
