"""What students do to a notebook's structure costs them nothing, earns them nothing, and stops nobody."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from functools import reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.nbgraderformat import SchemaTooOldError
from nbgrader.preprocessors import SaveAutoGrades
from traitlets.config import Config

from autograder.course.cells import Cell, Role, role_of
from autograder.grading.examine import Examine
from autograder.grading.exporter import LenientExporter
from autograder.grading.folders import LINK
from autograder.grading.master import known
from autograder.grading.restore import Restore, restore
from autograder.grading.salvage import read_leniently
from scripts import demo
from scripts.submissions import graded_cell, half_done, model_answers
from scripts.submissions import hand_in as hand_in_answers
from tests.support.commands import nbgrader

CONFIG = """
import os, sys
from pathlib import Path
c = get_config()
c.CourseDirectory.root = os.getcwd()
c.Execute.timeout = 20
c.Autograde.exporter_class = "autograder.grading.exporter.LenientExporter"
c.Autograde.sanitize_preprocessors = ["autograder.grading.restore.Restore", *("nbgrader.preprocessors." + name for name in (
    "ClearOutput", "DeduplicateIds", "OverwriteKernelspec", "OverwriteCells", "CheckCellMetadata"))]
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
"""
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
NAMES = ["setup", "double", "test-double", "essay", "square", "test-square", "drawing"]

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),  # of nbgrader's own statements
]


def source() -> NotebookNode:
    hidden = "assert double({}) == {}\n### BEGIN HIDDEN TESTS\nassert double(7) == 2 * setting\n### END HIDDEN TESTS"
    cells = [
        new_markdown_cell("# Numbers", id="title"),
        graded_cell("setup", "setting = 7", locked=True),
        new_markdown_cell("First double.", id="first"),
        graded_cell("double", "### BEGIN SOLUTION\ndef double(x):\n    return 2 * x\n### END SOLUTION", solution=True),
        graded_cell("test-double", hidden.format(1, 2), grade=True, locked=True, points=1),
        graded_cell("essay", "Why?", new_markdown_cell, grade=True, solution=True, points=3),
        new_markdown_cell("Then square.", id="then"),
        graded_cell("square", "### BEGIN SOLUTION\ndef square(x):\n    return x * x\n### END SOLUTION", solution=True),
        graded_cell("test-square", "assert square(setting) == 49", grade=True, locked=True, points=2),
        graded_cell("drawing", "Draw something below.", new_markdown_cell, task=True, locked=True, points=4),
        new_code_cell("drawn = True", id="draw"),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL}, nbformat_minor=5)


def solved(release: NotebookNode) -> NotebookNode:
    nb = deepcopy(release)
    by_name(nb, "double").source = "def double(x):\n    return x + x"
    by_name(nb, "square").source = "def square(x):\n    return x**2"
    by_name(nb, "essay").source = "Because."
    return nb


def by_name(nb: NotebookNode, name: str) -> NotebookNode:
    return next(each for each in nb.cells if each.id == name)


def index(nb: NotebookNode, name: str) -> int:
    return nb.cells.index(by_name(nb, name))


def metadata(nb: NotebookNode, name: str) -> Any:
    return by_name(nb, name).metadata.nbgrader


def copied(nb: NotebookNode, name: str, to: int | None = None, text: str | None = None) -> None:
    """As JupyterLab copies a cell: all but the id."""
    copy = deepcopy(by_name(nb, name))
    copy.id = f"copy-of-{name}"
    copy.source = copy.source if text is None else text
    nb.cells.insert(index(nb, name) + 1 if to is None else to, copy)


def removed(nb: NotebookNode, *names: str) -> None:
    nb.cells = [each for each in nb.cells if each.id not in names]


def moved(nb: NotebookNode, name: str, to: int) -> None:
    nb.cells.insert(to, nb.cells.pop(index(nb, name)))


def copies_the_test(nb: NotebookNode) -> None:
    copied(nb, "test-double")


def copies_the_answer_and_leaves_the_first_empty(nb: NotebookNode) -> None:
    copied(nb, "double", to=len(nb.cells))
    by_name(nb, "double").source = "raise NotImplementedError"


def tries_something_in_a_copy(nb: NotebookNode) -> None:
    copied(nb, "double", to=index(nb, "essay"), text="def double(x):\n    return 3 * x")


def has_no_tests(nb: NotebookNode) -> None:
    removed(nb, "test-double", "test-square")
    by_name(nb, "double").source = "double = 3"


def has_no_setup_and_no_square(nb: NotebookNode) -> None:
    removed(nb, "setup", "square", "drawing", "essay")


def answers_in_a_new_cell(nb: NotebookNode) -> None:
    nb.cells[index(nb, "square")] = new_code_cell("def square(x):\n    return x**2", id="mine")


def flips_flags(nb: NotebookNode) -> None:
    by_name(nb, "double").source = "def double(x):\n    return 0"
    metadata(nb, "test-double").update(grade=False, solution=True, points=100)
    metadata(nb, "double").update(grade=True, points=100)
    metadata(nb, "essay").update(grade=False)
    metadata(nb, "drawing").update(task=False, locked=False)


def mangles_metadata(nb: NotebookNode) -> None:
    by_name(nb, "setup").metadata.nbgrader = []
    by_name(nb, "double").metadata.nbgrader = {}
    by_name(nb, "test-double").metadata.nbgrader = 3
    metadata(nb, "essay").grade_id = ["essay"]
    metadata(nb, "square").schema_version = 1
    metadata(nb, "test-square").points = {"points": [2]}
    by_name(nb, "title").metadata.nbgrader = {"grade": True, "grade_id": "of-my-own", "points": 50}
    nb.metadata = NotebookNode(kernelspec=3, language_info="R", autograder={"restored": 1})


def skips_tests(nb: NotebookNode) -> None:
    by_name(nb, "double").source = "double = None"
    by_name(nb, "test-double").metadata.tags = ["skip-execution"]
    by_name(nb, "test-square").cell_type = "raw"
    del by_name(nb, "test-square")["outputs"], by_name(nb, "test-square")["execution_count"]
    by_name(nb, "square").cell_type = "markdown"
    del by_name(nb, "square")["outputs"], by_name(nb, "square")["execution_count"]


def moves_cells(nb: NotebookNode) -> None:
    moved(nb, "test-double", 0)
    moved(nb, "setup", len(nb.cells))
    by_name(nb, "double").source = "def double(x):\n    return x * 2\nx = setting"


def malforms_cells(nb: NotebookNode) -> None:
    by_name(nb, "double").metadata.tags = 3
    by_name(nb, "test-square").outputs = [{"output_type": "stream"}]
    by_name(nb, "draw").source = 3
    by_name(nb, "title").id = "two words"
    by_name(nb, "first").id = "double"
    by_name(nb, "essay").source = "Because \udc80."


def is_hardly_a_notebook(nb: NotebookNode) -> None:
    by_name(nb, "then").metadata = []
    by_name(nb, "title").id = {}
    nb.cells += [NotebookNode(), 3]
    nb.nbformat_minor = "five"
    nb.metadata = NotebookNode(language=[])


def says_that_it_is_old(nb: NotebookNode) -> None:
    for each in nb.cells:
        each.metadata.get("nbgrader", {}).pop("schema_version", None)


def is_honest(nb: NotebookNode) -> None:
    nb.cells.insert(index(nb, "test-double"), new_code_cell("double(2)", id="try"))


Class = dict[Callable[[NotebookNode], None], tuple[float, float, bool]]
ALL, NO_DOUBLE = (1, 2, True), (0, 2, True)
STUDENTS: Class = {
    is_honest: ALL,
    copies_the_test: ALL,
    copies_the_answer_and_leaves_the_first_empty: ALL,
    tries_something_in_a_copy: ALL,
    has_no_tests: NO_DOUBLE,
    has_no_setup_and_no_square: (1, 0, False),
    answers_in_a_new_cell: ALL,
    flips_flags: NO_DOUBLE,
    mangles_metadata: ALL,
    skips_tests: NO_DOUBLE,
    moves_cells: ALL,
    malforms_cells: ALL,
    is_hardly_a_notebook: ALL,
    says_that_it_is_old: ALL,
}
"""What each does, and what it deserves: points for the first test, for the second, and whether there is an essay to read."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with everybody's submission, not graded yet."""
    folder = tmp_path_factory.mktemp("restored") / "course"
    (folder / "source/numbers").mkdir(parents=True)
    (folder / "nbgrader_config.py").write_text(CONFIG)
    nbformat.write(source(), folder / "source/numbers/one.ipynb")
    generate(folder, "numbers")
    release = nbformat.read(folder / "release/numbers/one.ipynb", as_version=4)
    for change in STUDENTS:
        hand_in(folder, change.__name__, changed(release, change))
    return folder


def changed(release: NotebookNode, change: Callable[[NotebookNode], None]) -> NotebookNode:
    nb = solved(release)
    change(nb)
    return nb


def hand_in(folder: Path, student: str, nb: NotebookNode) -> Path:
    path = folder / "submitted" / student / "numbers" / "one.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(nb))  # nbformat would not write all of them
    return path


@pytest.fixture(scope="module")
def graded(course: Path) -> Path:
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:  # points of an earlier submission, with the test
        gradebook.update_or_create_student(has_no_tests.__name__)
        gradebook.update_or_create_submission("numbers", has_no_tests.__name__)
        gradebook.find_grade("test-double", "one", "numbers", has_no_tests.__name__).auto_score = 1
        gradebook.db.commit()
    nbgrader(course, "autograde", "numbers")
    return course


@pytest.mark.parametrize("change", STUDENTS, ids=lambda change: change.__name__)
def test_everybody_gets_the_marks_that_they_deserve(change: Callable[[NotebookNode], None], graded: Path) -> None:
    with Gradebook(f"sqlite:///{graded}/gradebook.db") as gradebook:
        submission = gradebook.find_submission_notebook("one", "numbers", change.__name__)
        grades = {grade.name: grade for grade in submission.grades}
    assert grades.keys() == {"test-double", "test-square", "essay", "drawing"}
    double, square, essay = STUDENTS[change]
    assert (grades["test-double"].auto_score, grades["test-square"].auto_score) == (double, square)
    assert grades["essay"].needs_manual_grade == essay
    assert grades["essay"].auto_score == (None if essay else 0)


def directory(folder: Path, assignment: str = "") -> CourseDirectory:
    return CourseDirectory(config=Config(CourseDirectory={"root": str(folder), "assignment_id": assignment}))


def generate(folder: Path, assignment: str) -> None:
    stub = {"python": "raise NotImplementedError"}
    with pytest.MonkeyPatch.context() as patch:  # nbgrader calls alembic by name
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        GenerateAssignment(coursedir=directory(folder, assignment), config=Config(ClearSolutions={"code_stub": stub})).start()


def sanitised(folder: Path, path: Path, *first: type) -> str:
    """What nbgrader makes of a submission before it runs it."""
    converter = Autograde(coursedir=directory(folder))
    converter.sanitize_preprocessors = [*first, *converter.sanitize_preprocessors]
    if first:
        converter.autograde_preprocessors = [Examine, SaveAutoGrades]
    converter.exporter = (LenientExporter if first else converter.exporter_class)(parent=converter, config=converter.config)
    for preprocessor in converter.sanitize_preprocessors:
        converter.exporter.register_preprocessor(preprocessor)
    text, _ = converter.exporter.from_filename(str(path), resources=converter.init_single_notebook_resources(str(path)))
    text.encode()  # as it is written
    return str(text)


Restored = Callable[[Callable[[NotebookNode], None]], NotebookNode]


@pytest.fixture(scope="module")
def release(course: Path) -> NotebookNode:
    return nbformat.read(course / "release/numbers/one.ipynb", as_version=4)


@pytest.fixture
def restored(course: Path, release: NotebookNode) -> Iterator[Restored]:
    """What becomes of a submission with this change, before it is run."""

    def of(change: Callable[[NotebookNode], None]) -> NotebookNode:
        path = hand_in(course, "mallory", changed(release, change))
        return nbformat.reads(sanitised(course, path, Restore), as_version=4)

    yield of
    shutil.rmtree(course / "submitted/mallory", ignore_errors=True)


def ids(nb: NotebookNode) -> list[str]:
    return [each.id for each in nb.cells]


def notes(nb: NotebookNode) -> list[str]:
    return list(nb.metadata.get("autograder", {}).get("restored", []))


def roles(nb: NotebookNode) -> list[Any]:
    """nbgrader's metadata of all of its cells, in order."""
    return [each.metadata.nbgrader for each in nb.cells if "nbgrader" in each.metadata]


@pytest.mark.parametrize("change", [change for change in STUDENTS if change is not is_honest], ids=lambda each: each.__name__)
def test_the_structure_is_that_of_the_release(change: Callable[[NotebookNode], None], restored: Restored) -> None:
    nb, honest = restored(change), restored(is_honest)
    assert roles(nb) == roles(honest)
    assert notes(nb)
    assert notes(honest) == []


NOTES = {
    copies_the_test: ["Cell `test-double` was there 2 times: one counts, the others are ordinary cells now."],
    tries_something_in_a_copy: ["Cell `double` was there 2 times: the edited one counts, the others are ordinary cells now."],
    has_no_tests: [
        "Cell `test-double` was missing: it was put back as released.",
        "Cell `test-square` was missing: it was put back as released.",
    ],
    answers_in_a_new_cell: ["Cell `square` was missing: it was put back as released."],
    flips_flags: [
        "Cell `double` had other nbgrader metadata (grade): it was put back.",
        "Cell `test-double` had other nbgrader metadata (grade, points, solution): it was put back.",
        "Cell `essay` had other nbgrader metadata (grade): it was put back.",
        "Cell `drawing` had other nbgrader metadata (locked, task): it was put back.",
    ],
    skips_tests: [
        "Cell `test-double` had other tags: they were put back.",
        "Cell `square` was a markdown cell: it is a code cell again.",
        "Cell `test-square` was a raw cell: it is a code cell again.",
    ],
    moves_cells: [
        "Cell `setup` stood elsewhere: it was moved back.",
        "Cell `test-double` stood elsewhere: it was moved back.",
    ],
}


@pytest.mark.parametrize("change", NOTES, ids=lambda change: change.__name__)
def test_every_change_is_a_sentence(change: Callable[[NotebookNode], None], restored: Restored) -> None:
    assert notes(restored(change)) == NOTES[change]


def test_an_edited_answer_counts_and_copies_stay(restored: Restored) -> None:
    nb = restored(copies_the_answer_and_leaves_the_first_empty)
    assert by_name(nb, "double").source == "def double(x):\n    return x + x"
    assert by_name(nb, "copy-of-double").source == "raise NotImplementedError"
    assert "nbgrader" not in by_name(nb, "copy-of-double").metadata


def test_of_two_edited_answers_the_one_at_its_place_counts(restored: Restored) -> None:
    nb = restored(tries_something_in_a_copy)
    assert metadata(nb, "double").solution
    assert ids(nb)[3:6] == ["double", "test-double", "copy-of-double"]


def test_of_two_edited_answers_side_by_side_the_last_counts(restored: Restored) -> None:
    nb = restored(lambda nb: copied(nb, "double", text="def double(x):\n    return 2 * x"))
    assert by_name(nb, "double").source == "def double(x):\n    return 2 * x"
    assert ids(nb)[3:6] == ["copy-of-double", "double", "test-double"]


def test_what_was_missing_is_marked_and_reads_as_no_answer(restored: Restored) -> None:
    nb = restored(has_no_setup_and_no_square)
    assert ids(nb) == [
        *("title", "first", "missing-setup", "setup", "double", "test-double"),
        *("then", "missing-essay", "essay", "missing-square", "square", "test-square"),
        *("missing-drawing", "drawing", "draw"),
    ]
    text = "This cell (`square`) was missing from the submission. It was put back as it was released."
    assert by_name(nb, "missing-square").source == text
    assert by_name(nb, "square").source == "raise NotImplementedError"
    assert by_name(nb, "essay").source == "YOUR ANSWER HERE"
    assert by_name(nb, "setup").metadata.editable is False


def test_a_missing_answer_stands_above_a_new_cell_and_a_missing_test_below(restored: Restored) -> None:
    def change(nb: NotebookNode) -> None:
        answers_in_a_new_cell(nb)
        removed(nb, "test-square")

    assert ids(restored(change))[7:12] == ["missing-square", "square", "mine", "missing-test-square", "test-square"]


def test_a_moved_test_goes_back_alone(restored: Restored) -> None:
    nb = restored(lambda nb: moved(nb, "test-double", index(nb, "drawing") + 1))
    assert ids(nb) == ids(restored(lambda nb: None))


def test_extra_cells_stay_behind_the_cell_that_they_followed(restored: Restored) -> None:
    def change(nb: NotebookNode) -> None:
        nb.cells.insert(index(nb, "square") + 1, new_code_cell("square(2)", id="try"))
        moved(nb, "essay", 0)

    assert ids(restored(change))[4:9] == ["test-double", "then", "essay", "square", "try"]


def test_a_copy_with_the_id_of_the_cell_gives_it_back(restored: Restored) -> None:
    def change(nb: NotebookNode) -> None:
        copied(nb, "double")
        by_name(nb, "double").source = "raise NotImplementedError"

    assert by_name(restored(change), "double").source == "def double(x):\n    return x + x"


def test_a_cell_without_metadata_is_known_by_its_id(restored: Restored) -> None:
    nb = restored(mangles_metadata)
    assert ids(nb) == ids(restored(lambda nb: None))
    assert by_name(nb, "double").source == "def double(x):\n    return x + x"


def test_a_copy_that_claims_nothing_is_a_copy(restored: Restored) -> None:
    """nbgrader would lock it again."""

    def change(nb: NotebookNode) -> None:
        copied(nb, "setup")
        by_name(nb, "copy-of-setup").metadata.nbgrader.locked = False

    assert "nbgrader" not in by_name(restored(change), "copy-of-setup").metadata


def test_a_cell_that_is_not_in_the_gradebook_is_an_ordinary_one(restored: Restored) -> None:
    """nbgrader would not grade the submission."""
    mine = graded_cell("mine", "bonus = 1", grade=True, locked=True, points=50)
    nb = restored(lambda nb: nb.cells.insert(0, mine))
    assert "nbgrader" not in by_name(nb, "mine").metadata
    assert notes(nb) == ["Cell 1 of the submission passed for one of the assignment: it is an ordinary cell now."]


@pytest.mark.parametrize(
    "change",
    [
        lambda nb: nb.pop("nbformat_minor"),
        lambda nb: nb.metadata.update(language=[]),
        lambda nb: nb.metadata.update(deep=json.loads("[" * 400 + "]" * 400)),
        lambda nb: nb.pop("metadata"),
        lambda nb: (nb.metadata.update(kernelspec=None), by_name(nb, "title").update(cell_type={})),
    ],
    ids=["version", "language", "depth", "metadata", "complaint"],
)
def test_what_nbgrader_can_not_read_is_read(change: Callable[[NotebookNode], None], restored: Restored) -> None:
    assert roles(restored(change)) == roles(restored(is_honest))


def test_a_cell_that_only_carries_nbgrader_metadata_stays(restored: Restored) -> None:
    """nbgrader's own toolbar leaves such cells."""
    nothing = {"grade": False, "solution": False, "locked": False, "grade_id": "toolbar", "schema_version": 3}
    nb = restored(lambda nb: by_name(nb, "title").metadata.update(nbgrader=nothing))
    assert by_name(nb, "title").metadata.nbgrader.grade is False
    assert notes(nb) == []


def test_one_is_not_true(restored: Restored) -> None:
    nb = restored(lambda nb: metadata(nb, "test-double").update(grade=1))
    assert metadata(nb, "test-double").grade is True
    assert notes(nb) == ["Cell `test-double` had other nbgrader metadata (grade): it was put back."]


def test_a_student_s_notes_go(restored: Restored) -> None:
    nb = restored(lambda nb: nb.metadata.update(autograder={"restored": ["Full marks."]}))
    assert notes(nb) == ["The notebook had notes that only the autograder writes: they were removed."]


def test_a_student_s_own_tags_stay_and_others_go(restored: Restored) -> None:
    def change(nb: NotebookNode) -> None:
        by_name(nb, "double").metadata.tags = ["raises-exception"]
        by_name(nb, "setup").metadata.tags = ["remove-output"]

    nb = restored(change)
    assert by_name(nb, "double").metadata.tags == ["raises-exception"]
    assert by_name(nb, "setup").metadata.tags == []


def test_nothing_of_another_version_is_touched(course: Path, release: NotebookNode, tmp_path: Path) -> None:
    """A course that was made by another nbgrader is told so, as ever."""
    old = deepcopy(release)
    says_that_it_is_old(old)
    folder = tmp_path / "course"
    shutil.copytree(course, folder)
    nbformat.write(old, folder / "release/numbers/one.ipynb")
    with pytest.raises(SchemaTooOldError):
        sanitised(folder, hand_in(folder, "old", old), Restore)


def test_a_file_that_is_no_notebook_is_an_empty_one(course: Path) -> None:
    path = hand_in(course, "broken", new_notebook())
    try:
        for content in (b"", b"{", b"[]", b'{"cells": 3}', b"\xff\xfe", b"[" * 100_000):
            path.write_bytes(content)
            nb = nbformat.reads(sanitised(course, path, Restore), as_version=4)
            assert [each.grade_id for each in roles(nb)] == NAMES
            assert notes(nb)[0].endswith(": nothing of it counts. Ask for the notebook again.")
            assert nb.metadata.autograder.failures == notes(nb)[:1]
    finally:
        shutil.rmtree(course / "submitted/broken")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.floats() | st.sampled_from([*NAMES, "", "code", "raw", "\udc80"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["grade", "tags", "id"]), inner, max_size=2),
    max_leaves=4,
)
KEYS = ["metadata", "cell_type", "source", "outputs", "id", "execution_count", "attachments"]
NBGRADER = ["grade", "solution", "locked", "task", "grade_id", "points", "schema_version", "cell_type", "checksum", "more"]
PATHS = st.one_of(
    st.tuples(st.sampled_from(["metadata", "nbformat_minor"])),
    st.tuples(st.just("metadata"), st.sampled_from(["kernelspec", "language_info", "autograder", "language", "authors"])),
    st.tuples(st.just("cells"), st.integers(0, 10), st.sampled_from(KEYS)),
    st.tuples(st.just("cells"), st.integers(0, 10), st.just("metadata"), st.sampled_from(["nbgrader", "tags", "name"])),
    st.tuples(st.just("cells"), st.integers(0, 10), st.just("metadata"), st.just("nbgrader"), st.sampled_from(NBGRADER)),
)


@pytest.mark.filterwarnings("ignore")  # of nbformat
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(PATHS, JSON), min_size=1, max_size=3))
def test_whatever_is_in_the_file(course: Path, release: NotebookNode, junk: list[tuple[tuple[Any, ...], Any]]) -> None:
    nb = solved(release)
    for (*way, last), value in junk:
        with suppress(TypeError, LookupError, AttributeError):  # what came before it may have left no such place
            reduce(lambda target, step: target[step], way, nb)[last] = value
    path = hand_in(course, "junk", nb)
    try:
        made = nbformat.reads(sanitised(course, path, Restore), as_version=4)
    finally:
        shutil.rmtree(course / "submitted/junk")
    assert [each.grade_id for each in roles(made) if each.get("grade_id")] == NAMES
    points = {each.grade_id: each.points for each in roles(made) if each.grade or each.get("task")}
    assert points == {"test-double": 1, "essay": 3, "test-square": 2, "drawing": 4}


@pytest.mark.parametrize("answers", [model_answers, half_done], ids=["perfect", "half-done"])
def test_an_honest_submission_comes_out_as_without(answers: Callable[[], Any], flagship: Path) -> None:
    hand_in_answers(flagship / "submitted/someone/backprop", answers())
    for path in sorted((flagship / "submitted/someone/backprop").glob("*.ipynb")):
        assert sanitised(flagship, path, Restore) == sanitised(flagship, path)


@pytest.fixture(scope="module")
def flagship(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flagship") / "course"
    demo.make_course(folder, {})
    generate(folder, "backprop")
    return folder


def original(name: str, locked: bool) -> Cell:
    return Cell(name, role_of(False, False, locked), "1", checksum="c" * 32)


def test_without_the_release_only_tags_that_change_the_run_go() -> None:
    nb = source()
    by_name(nb, "setup").metadata.tags = ["mine", "skip-execution"]
    originals = {"setup": original("setup", locked=True)}
    assert restore(nb, originals)[0] == "Cell `setup` had other tags: they were put back."
    assert by_name(nb, "setup").metadata.tags == ["mine"]


def test_a_version_without_ids_stays_without() -> None:
    nb = new_notebook(cells=[new_markdown_cell("# Numbers")])
    nb.nbformat_minor = 4
    del nb.cells[0]["id"]
    assert restore(nb, {"setup": original("setup", locked=True)}) == ["Cell `setup` was missing: it was put back as released."]
    assert nb.nbformat_minor == 4
    assert ["id" in each for each in nb.cells] == [False, False, False]
    nbformat.validate(nb)


@pytest.mark.filterwarnings("ignore:Non-unique cell id")
@pytest.mark.parametrize("change", ["lacking", "twice"])
def test_cells_without_an_id_of_their_own_get_the_same_one_at_every_reading(tmp_path: Path, change: str) -> None:
    nb = source()
    nb.cells[1:1] = [new_code_cell(str(number), id=f"own-{number}") for number in range(3)]
    content = json.loads(nbformat.writes(nb))
    for cell in content["cells"][1:4]:
        cell.pop("id") if change == "lacking" else cell.update(id="own")
    (tmp_path / "a.ipynb").write_text(json.dumps(content))
    once, again = (read_leniently((tmp_path / "a.ipynb").read_bytes()).nb for _ in range(2))
    for each in (once, again):
        restore(each, {})
    assert once == again
    assert len({each.id for each in once.cells}) == len(once.cells)


def row(name: str, **more: object) -> SimpleNamespace:
    return SimpleNamespace(name=name, cell_type="code", source="", checksum="", locked=False, **more)


def test_the_order_is_that_of_the_release_where_it_has_all_cells() -> None:
    book = SimpleNamespace(
        source_cells=[row("b"), row("a")], grade_cells=[row("a", max_score=2.0)], solution_cells=[row("b")], task_cells=[]
    )
    ordered = known(book, {"a": {"metadata": {"tags": ["kept"]}}, "old": {}, "b": {}})
    assert [(each.id, each.tags) for each in ordered.values()] == [("a", ("kept",)), ("b", ())]
    assert ordered["a"].role is Role.TEST and ordered["a"].points == 2 and ordered["b"].solves
    assert [(each.id, each.tags) for each in known(book, {"a": {}}).values()] == [("b", None), ("a", None)]


def test_a_notebook_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """It may be the work of somebody else."""
    (tmp_path / "theirs.ipynb").write_text(
        nbformat.writes(new_notebook(cells=[new_code_cell("answer = 42")])), encoding="utf-8"
    )
    (tmp_path / "mine.ipynb").symlink_to(tmp_path / "theirs.ipynb")
    texts = {}
    for name in ("theirs", "mine"):
        with (tmp_path / f"{name}.ipynb").open(encoding="utf-8") as file:
            texts[name], resources = LenientExporter().from_file(file, {})
    assert "answer = 42" in texts["theirs"]
    assert "answer" not in texts["mine"]
    assert resources["autograder"] == [LINK]
