"""The linter on a course by nbgrader's own rules: it is silent, and finds what is planted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from autograder.course import notebooks
from autograder.errors import ContentError
from autograder.lint import linter
from autograder.lint.generated import generator
from autograder.lint.linter import lint
from scripts.submissions import graded_cell
from tests.support.commands import nbgrader
from tests.support.linting import kept
from tests.support.plain_course import NAME, make_course

pytestmark = pytest.mark.usefixtures(kept.__name__)

MADE_ANEW = "source and release differ: run `nbgrader generate_assignment --force`."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain course whose release nbgrader made."""
    folder = tmp_path_factory.mktemp("course")
    make_course(folder)
    return folder


@pytest.fixture
def course(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "course"))


def findings(course: Path) -> list[str]:
    report = lint(course / "source/plain", course / "release/plain", course)
    assert report.remarks == ()
    return [str(finding) for finding in report.findings]


def cell(nb: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in nb.cells if cell.id == name)


def test_nothing_is_said_of_a_plain_course_that_is_right(course: Path) -> None:
    report = lint(course / "source/plain", course / "release/plain", course)
    assert report.findings == report.remarks == ()
    assert (report.tests, report.points) == (4, 13)


def test_nothing_is_said_of_nbgrader_s_own_example(tmp_path: Path) -> None:
    """Its cells have no ids, a test deletes an answer and puts it back, and a header is put before the cells."""
    nbgrader(tmp_path, "quickstart", "example")
    course = tmp_path / "example"
    nbgrader(course, "generate_assignment", "ps1")
    report = lint(course / "source/ps1", course / "release/ps1", course)
    assert {finding.notebook for finding in report.findings} == {"nbgrader_config.py"}, "it has no configuration of ours"
    assert report.remarks == ()
    assert (report.tests, report.points) == (4, 13)


def test_ids_as_jupyterlab_gives_them_are_no_fault(course: Path) -> None:
    path = course / "source/plain" / NAME
    source = notebooks.read(path)
    for number, each in enumerate(source.cells):
        each.id = f"0a1b-{number}"
    cell(source, "0a1b-3").source += "\nassert cube(2) == 8"
    nbformat.write(source, path)
    nbgrader(course, "generate_assignment", "plain", "--force")
    assert findings(course) == [
        f"{NAME}, cell `cell-9a1`: it reads `cube`, which no cell binds.",
        f"{NAME}, cell `cell-9a1`: the model answer fails this test: NameError: name 'cube' is not defined",
    ]


def test_a_release_is_what_nbgrader_made_of_it(made: Path) -> None:
    path = made / "source/plain" / NAME
    generated, released = generator(made)(notebooks.read(path), path), notebooks.read(made / "release/plain" / NAME)
    assert generated.cells == released.cells


def test_headers_and_stubs_of_the_course_are_known(course: Path) -> None:
    config = course / "nbgrader_config.py"
    header = notebooks.read(course / "source/plain" / NAME)
    header.cells = header.cells[:1]
    header.cells[0].id = "header"
    notebooks.write(header, course / "header.ipynb")
    more = 'c.IncludeHeaderFooter.header = "header.ipynb"\nc.ClearSolutions.code_stub = {"python": "..."}\n'
    config.write_text(config.read_text(encoding="utf-8") + more, encoding="utf-8")
    assert f"{NAME}: source and release have other cells: run `nbgrader generate_assignment --force`." in findings(course)
    path = course / "source/plain" / NAME
    notebooks.write(generator(course)(notebooks.read(path), path), course / "release/plain" / NAME)
    assert findings(course) == []


def test_a_configuration_that_cannot_be_read_is_an_error(course: Path) -> None:
    (course / "nbgrader_config.py").write_text("c.Exchange.root =", encoding="utf-8")
    with pytest.raises(ContentError, match=r"nbgrader_config\.py cannot be read: SyntaxError"):
        lint(course / "source/plain", course / "release/plain")


def read_an_unknown_name(source: NotebookNode) -> None:
    cell(source, "cell-9a1").source += "\nassert cube(2) == 8"


def ask_for_what_no_test_reads(source: NotebookNode) -> None:
    place = source.cells.index(cell(source, "cell-9a3"))
    source.cells.insert(place, graded_cell("cell-9c", "unread = mean([4])", solution=True))


def drop_the_test_of_what_is_changed(source: NotebookNode) -> None:
    source.cells.remove(cell(source, "cell-9a4"))


def misspell_a_marker(source: NotebookNode) -> None:
    test = cell(source, "cell-9a2")
    test.source = test.source.replace("BEGIN HIDDEN TESTS", "Begin hidden tests").replace("END HIDDEN TESTS", "that is all")


def answer_outside_the_markers(source: NotebookNode) -> None:
    answer = cell(source, "mean")
    answer.source = answer.source.replace("    # BEGIN SOLUTION\n", "").replace("# END", "# BEGIN SOLUTION\n    # END")


def leave_the_answer_out(source: NotebookNode) -> None:
    cell(source, "spread").source = "# to do"


def never_end_a_solution(source: NotebookNode) -> None:
    answer = cell(source, "mean")
    answer.source = answer.source.replace("    # END SOLUTION", "")


def solve_in_a_locked_cell(source: NotebookNode) -> None:
    cell(source, "setup").source += "\n# BEGIN SOLUTION\nanswer = 42\n# END SOLUTION"


def give_no_points(name: str) -> Callable[[NotebookNode], None]:
    def plant(source: NotebookNode) -> None:
        cell(source, name).metadata.nbgrader.points = 0

    plant.__name__ = f"give_no_points_for_{name}"
    return plant


def leave_points_out(source: NotebookNode) -> None:
    del cell(source, "essay").metadata.nbgrader["points"]


def give_part_of_the_points(source: NotebookNode) -> None:
    test = cell(source, "cell-9a3")
    test.source = test.source.replace("[2, 2], 0", "[2, 2], 1")


def test_something_else(source: NotebookNode) -> None:
    cell(source, "cell-9a1").source = "assert rounded is not None"


test_something_else.__test__ = False  # type: ignore[attr-defined]

REFUSES = "`nbgrader generate_assignment` refuses it:"
PLANTED: list[tuple[Callable[[NotebookNode], None], str]] = [
    (read_an_unknown_name, ", cell `cell-9a1`: it reads `cube`, which no cell binds."),
    (drop_the_test_of_what_is_changed, ", cell `cell-9b`: no test cell is about this solution cell."),
    (ask_for_what_no_test_reads, ", cell `cell-9c`: no test cell is about this solution cell."),
    (misspell_a_marker, ", cell `cell-9a2`: the release shows `# Begin hidden tests`."),
    (
        answer_outside_the_markers,
        ", cell `mean`: its model answer is missing: write it between `### BEGIN SOLUTION` and `### END SOLUTION`.",
    ),
    (
        leave_the_answer_out,
        ", cell `spread`: its model answer is missing: write it between `### BEGIN SOLUTION` and `### END SOLUTION`.",
    ),
    (never_end_a_solution, f": {REFUSES} no end solution statement found"),
    (
        solve_in_a_locked_cell,
        f": {REFUSES} Solution region detected in a non-solution cell; "
        "please make sure all solution regions are within solution cells.",
    ),
    *((give_no_points(name), f", cell `{name}`: it gives no points.") for name in ("cell-9a1", "essay", "code", "task")),
    (leave_points_out, ", cell `essay`: it gives no points."),
    (give_part_of_the_points, ", cell `cell-9a3`: the model answer gets 1 of 2 points in this test."),
    (test_something_else, ", cell `cell-9a1`: an untouched notebook passes this test."),
]
RUNS = (give_part_of_the_points, test_something_else)


@pytest.mark.parametrize(("plant", "message"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_it_finds(course: Path, plant: Callable[[NotebookNode], None], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = course / "source/plain" / NAME
    source = notebooks.read(path)
    plant(source)
    notebooks.write(source, path)
    if REFUSES not in message and plant is not leave_points_out:
        notebooks.write(generator(course)(source, path), course / "release/plain" / NAME)
    if plant not in RUNS:
        monkeypatch.setattr(linter, "run_all", lambda notebooks, folder, examine, models: notebooks)
    assert f"{NAME}{message}" in findings(course)


@pytest.mark.parametrize("name", ["mean", "essay", "code", "task", "cell-9a2", "read"])
def test_a_cell_that_was_changed_since_the_release_differs(course: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linter, "run_all", lambda notebooks, folder, examine, models: notebooks)
    path = course / "release/plain" / NAME
    released = notebooks.read(path)
    cell(released, name).source += "\n# And so on."
    notebooks.write(released, path)
    assert f"{NAME}, cell `{name}`: {MADE_ANEW}" in findings(course)


def test_an_answer_that_is_no_python_as_released_is_remarked(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linter, "run_all", lambda notebooks, folder, examine, models: notebooks)
    path = course / "release/plain" / NAME
    released = notebooks.read(path)
    cell(released, "mean").source = "def mean(numbers):\n    # YOUR CODE HERE"
    notebooks.write(released, path)
    remarks = linter.lint(course / "source/plain", course / "release/plain", course).remarks
    said = "as released it is no Python: put a docstring or `pass` above `### BEGIN SOLUTION`."
    assert [str(each) for each in remarks] == [f"{NAME}, cell `mean`: {said}"]


@pytest.mark.parametrize(
    "line",
    ["return sum(numbers) / len(numbers)", "A mean says little of outliers.", "One point for the plot, one for what is said."],
)
def test_a_line_that_was_taken_out_is_not_to_be_seen(course: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linter, "run_all", lambda notebooks, folder, examine, models: notebooks)
    path = course / "release/plain" / NAME
    released = notebooks.read(path)
    cell(released, "title").source += f"\n{line}"
    notebooks.write(released, path)
    assert f"{NAME}, cell `title`: the release shows `{line}`." in findings(course)
