"""The linter finds what is planted, and nothing in the course as it is."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from autograder.asks.recorded import FILE, read
from autograder.course import notebooks
from autograder.course.catalogue import written
from autograder.course.cells import body, is_ask, read_cells
from autograder.errors import ContentError
from autograder.forkserver.client import Client
from autograder.forkserver.unsandboxed import UnsandboxedClient
from autograder.grading.examine import Examine
from autograder.lint import trial
from autograder.lint.linter import lint
from autograder.lint.recording import MISTAKES_FILE
from scripts.submissions import RELEASE, ROOT, SOURCE
from tests.support.linting import kept

pytestmark = pytest.mark.usefixtures(kept.__name__)

NAME = "2-cross-entropy.ipynb"


def cell(nb: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in nb.cells if cell.id == name)


@pytest.fixture(scope="module", autouse=True)
def once() -> Iterator[None]:
    """A notebook that has run is not run again: a planted mistake changes one of two."""
    ran: dict[tuple[str, ...], NotebookNode] = {}
    run = trial.run_one

    def run_once(
        nb: NotebookNode, folder: Path, examine: Examine, client: Client | UnsandboxedClient, models: Mapping[str, str]
    ) -> NotebookNode:
        known = json.dumps(nb), *(path.read_text(encoding="utf-8") for path in folder.glob("*.toml"))
        if known not in ran:
            ran[known] = run(nb, folder, examine, client, models)
        return ran[known]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "run_one", run_once)
        yield


@pytest.fixture
def course(tmp_path: Path) -> tuple[Path, Path]:
    """A source and a release folder with one small notebook, the cross-entropy."""
    folders = tmp_path / "source" / "small", tmp_path / "release" / "small"
    for folder, origin in zip(folders, (SOURCE, RELEASE), strict=True):
        folder.mkdir(parents=True)
        (folder / NAME).write_bytes((origin / NAME).read_bytes())
    (tmp_path / "nbgrader_config.py").write_bytes((ROOT / "nbgrader_config.py").read_bytes())
    return folders


def test_the_course_is_clean_and_its_zeros_are_known() -> None:
    report = lint(SOURCE, RELEASE)
    assert report.findings == report.remarks == ()
    assert (report.tests, report.points) == (45, 44)
    assert {name: sorted(zero.name for zero in zeros) for name, zeros in report.zeros.items()} == {
        "0-warm-up.ipynb": [],
        "1-every-gradient.ipynb": ["db1", "dlogit_maxes"],
        "2-cross-entropy.ipynb": [],
        "3-batchnorm.ipynb": ["db1"],
        "4-train.ipynb": ["db1"],
    }
    zeros = [zero for zeros in report.zeros.values() for zero in zeros]
    assert all(zero.true < 1e-15 and zero.judged > 1 for zero in zeros)
    assert [zero.tested for zero in zeros] == ["alone", "alone", "", "whole"]


OTHERS = [name for name in written(ROOT) if name != SOURCE.name]  # which is above
LONG_TO_RECORD = "mlp"


@pytest.mark.parametrize(
    ("name", "records"),
    [*((name, name != LONG_TO_RECORD) for name in OTHERS), pytest.param(LONG_TO_RECORD, True, marks=pytest.mark.long)],
)
def test_every_other_assignment_of_the_course_is_clean(name: str, records: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one, `make test` leaves out to record its asks again, which takes a minute."""
    if not records:
        monkeypatch.setattr("autograder.lint.linter._recorded", lambda *_: iter(()))
    report = lint(ROOT / "source" / name, ROOT / "release" / name)
    assert (report.findings, report.remarks) == ((), ())


@pytest.mark.parametrize("place", ["source", "release"])
def test_what_is_not_recorded_again_has_the_asks_and_the_sentences_of_today(place: str) -> None:
    source = ROOT / "source" / LONG_TO_RECORD
    asks = {cell.source for path in source.glob("*.ipynb") for cell in read_cells(path) if is_ask(cell.source)}
    mistakes = tomllib.loads((source / MISTAKES_FILE).read_text(encoding="utf-8"))["mistake"]
    known = read(ROOT / place / LONG_TO_RECORD / FILE)
    assert {its.ask for its in known.values()} == {body(ask).strip() for ask in asks}
    told = {(name, each.sentence, each.next_step) for name, its in known.items() for each in its.mistakes}
    assert told == {(row["name"], row["sentence"], row["next"]) for row in mistakes}


def bind_an_answer(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "forward").source += "\ndlogits = logits * 0"


def bind_an_answer_in_a_test(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "test-dlogits").source += "\ndlogits = 0"


def repeat_a_grade_id(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "dlogits").metadata.nbgrader.grade_id = "setup"


def rename_a_grade_id(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "dlogits").metadata.nbgrader.grade_id = "answer"


def use_a_space_in_an_id(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "dlogits").metadata.nbgrader.grade_id = "my answer"


def drop_the_test(source: NotebookNode, release: NotebookNode) -> None:
    source.cells.remove(cell(source, "test-dlogits"))


def drop_the_solution(source: NotebookNode, release: NotebookNode) -> None:
    source.cells.remove(cell(source, "dlogits"))


def test_it_twice(source: NotebookNode, release: NotebookNode) -> None:
    again = deepcopy(cell(source, "test-dlogits"))
    again.id = again.metadata.nbgrader.grade_id = "test-again"
    source.cells.append(again)


test_it_twice.__test__ = False  # type: ignore[attr-defined]


def grade_another_name(source: NotebookNode, release: NotebookNode) -> None:
    test = cell(source, "test-dlogits")
    test.source = test.source.replace('grade("dlogits")', 'grade("dh")')


def forget_to_grade(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "test-dlogits").source = 'check("dlogits")'


def break_the_model_answer(source: NotebookNode, release: NotebookNode) -> None:
    answer = cell(source, "dlogits")
    answer.source = answer.source.replace("-= 1", "-= 2")


def warn_in_a_test(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "test-dlogits").source += "\nimport sys\nprint('careful', file=sys.stderr)"


def give_no_points(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "test-dlogits").metadata.nbgrader.points = 0


def call_it_practice(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "test-dlogits").source = f"# autograder: practice\n{cell(source, 'test-dlogits').source}"


def forget_grade_in_practice(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "test-dlogits").source = '# autograder: practice\ncheck("dlogits")'


def hide_practice(source: NotebookNode, release: NotebookNode) -> None:
    call_it_practice(source, release)
    give_no_points(source, release)


def change_the_points(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "test-dlogits").metadata.nbgrader.points = 5


def change_a_number(source: NotebookNode, release: NotebookNode) -> None:
    names = cell(source, "names")
    names.source = names.source.replace("n = 32", "n = 20")


def change_a_text(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "title").source += "\nGood luck."


def unlock_the_names(source: NotebookNode, release: NotebookNode) -> None:
    del cell(source, "names").metadata["nbgrader"]


def answer_outside_the_markers(source: NotebookNode, release: NotebookNode) -> None:
    answer = "dlogits = (F.softmax(logits, 1) - F.one_hot(Yb, 27)) / n\n"
    cell(source, "dlogits").source = f"{answer}### BEGIN SOLUTION\n### END SOLUTION"
    cell(release, "dlogits").source = f"{answer}# YOUR CODE HERE"


def misspell_the_magic(source: NotebookNode, release: NotebookNode) -> None:
    forward = cell(source, "forward")
    forward.source = forward.source.replace("%%forward", "%%foward")


def forget_a_tensor_of_the_batch(source: NotebookNode, release: NotebookNode) -> None:
    forward = cell(source, "forward")
    forward.source = forward.source.replace("n Xb Yb", "n Xb").replace("view(n, -1)", "flatten(1)")


def break_the_setup(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "names").source += "\nprint(len(name))"


def unlock_the_forward_pass(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "forward").metadata.nbgrader.locked = False


def let_everything_pass(source: NotebookNode, release: NotebookNode) -> None:
    cell(source, "test-dlogits").source = "### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS"


def put_weights_into_a_layer(source: NotebookNode, release: NotebookNode) -> None:
    for nb in (source, release):
        cell(nb, "parameters").source += "\nlayer = torch.nn.Linear(64, vocab_size)"
        cell(nb, "forward").source = cell(nb, "forward").source.replace("h @ W2 + b2", "layer(h)")


def leak_a_line(source: NotebookNode, release: NotebookNode) -> None:
    cell(release, "setup").source += "\ndlogits[range(n), Yb] -= 1"


def leak_a_hidden_test(source: NotebookNode, release: NotebookNode) -> None:
    cell(release, "test-dlogits").source += '\ngrade("dlogits")'


def leave_a_marker(source: NotebookNode, release: NotebookNode) -> None:
    cell(release, "dlogits").source += "\n### BEGIN SOLUTION"


def forget_the_markers(source: NotebookNode, release: NotebookNode) -> None:
    answer = cell(source, "dlogits")
    answer.source = answer.source.replace("### BEGIN SOLUTION\n", "")


def change_the_cells(source: NotebookNode, release: NotebookNode) -> None:
    release.cells.pop()


PLANTED: list[tuple[Callable[[NotebookNode, NotebookNode], None], str]] = [
    (bind_an_answer, "cell `forward`: a locked cell binds the answer `dlogits`."),
    (bind_an_answer_in_a_test, "cell `test-dlogits`: a locked cell binds the answer `dlogits`."),
    (rename_a_grade_id, "it is not normalised: run `autograder normalise`."),
    (use_a_space_in_an_id, "cell `dlogits`: its ID is `my answer`: use letters, digits, `-` and `_` only."),
    (repeat_a_grade_id, "two cells have the id `setup`. Give every cell an ID of its own."),
    (drop_the_test, "cell `dlogits`: no test cell is about this solution cell."),
    (drop_the_solution, "cell `test-dlogits`: there is no solution cell `dlogits`."),
    (test_it_twice, "cell `test-again`: it tests `dlogits`, so its id should be `test-dlogits`."),
    (test_it_twice, "cell `test-again`: `dlogits` is tested more than once."),
    (
        grade_another_name,
        "cell `test-dlogits`: `check` before and `grade` in the hidden tests should be called with the same names.",
    ),
    (
        forget_to_grade,
        "cell `test-dlogits`: its hidden tests should stand between `### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS`.",
    ),
    (give_no_points, "cell `test-dlogits`: it gives no points."),
    (forget_grade_in_practice, "cell `test-dlogits`: it gives points: leave the line `# autograder: practice` out."),
    (
        hide_practice,
        "cell `test-dlogits`: it hides nothing: leave `grade` out, or the line `# autograder: practice`.",
    ),
    (unlock_the_names, "cell `names`: it binds `vocab_size`, which a locked cell or a test reads: lock it."),
    (change_the_points, "cell `test-dlogits`: source and release differ: run `nbgrader generate_assignment --force`."),
    (change_a_number, "cell `names`: source and release differ: run `nbgrader generate_assignment --force`."),
    (change_a_text, "cell `title`: source and release differ: run `nbgrader generate_assignment --force`."),
    (answer_outside_the_markers, "cell `test-dlogits`: an untouched notebook passes this test."),
    (misspell_the_magic, "cell `forward`: it stops: it writes to stderr, UsageError: Cell magic `%%foward` not found."),
    (
        forget_a_tensor_of_the_batch,
        "The locked cell `forward` stopped where the tests run: ForwardError: the first line of the cell, "
        "`%%forward --batch n Xb`: the lines stop on fewer rows, with ValueError: "
        "Expected input batch_size (31) to match target batch_size (32). "
        "Name the count and all tensors that have one row for each example.",
    ),
    (
        put_weights_into_a_layer,
        "`layer.bias` has no gradient in the forward pass, since it stands inside of an object: give it a name of its own.",
    ),
    (unlock_the_forward_pass, "cell `forward`: a forward pass has to be locked: students could change it."),
    (
        break_the_model_answer,
        "cell `test-dlogits`: the model answer fails this test: dlogits: wrong. "
        "The number `2` is wrong in `dlogits[range(n), Yb] -= 2`.",
    ),
    (warn_in_a_test, "The test `test-dlogits` passed with a warning, which costs no marks."),
    (break_the_setup, "cell `names`: it stops: NameError: name 'name' is not defined"),
    (let_everything_pass, "cell `test-dlogits`: an untouched notebook passes this test."),
    (leak_a_line, "cell `setup`: the release shows `dlogits[range(n), Yb] -= 1`."),
    (leak_a_hidden_test, 'cell `test-dlogits`: the release shows `grade("dlogits")`.'),
    (leave_a_marker, "cell `dlogits`: the release shows `### BEGIN SOLUTION`."),
    (forget_the_markers, "cell `dlogits`: its answer should stand between `### BEGIN SOLUTION` and `### END SOLUTION`."),
    (change_the_cells, "source and release have other cells: run `nbgrader generate_assignment --force`."),
]
RUNS = (
    break_the_model_answer,
    warn_in_a_test,
    break_the_setup,
    let_everything_pass,
    answer_outside_the_markers,
    misspell_the_magic,
    forget_a_tensor_of_the_batch,
    put_weights_into_a_layer,
)


@pytest.mark.parametrize(("plant", "message"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_it_finds(
    course: tuple[Path, Path],
    plant: Callable[[NotebookNode, NotebookNode], None],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, release = (notebooks.read(folder / NAME) for folder in course)
    plant(source, release)
    nbformat.write(source, course[0] / NAME)
    nbformat.write(release, course[1] / NAME)
    if plant not in RUNS:
        monkeypatch.setattr("autograder.lint.linter.run_all", lambda notebooks, folder, examine, models: notebooks)
    separator = " " if message.startswith("cell") else ""
    mark = f"{NAME},{separator}" if separator else f"{NAME}: "
    report = lint(*course)
    assert f"{mark}{message}" in [str(found) for found in (*report.findings, *report.remarks)]


def test_it_finds_a_notebook_that_is_not_normalised(course: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.lint.linter.run_all", lambda notebooks, folder, examine, models: notebooks)
    path = course[0] / NAME
    path.write_text(path.read_text(encoding="utf-8").replace("\n ", "\n  "), encoding="utf-8")
    assert f"{NAME}: it is not normalised: run `autograder normalise`." in [str(f) for f in lint(*course).findings]


def test_it_finds_a_notebook_that_was_not_released(course: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.lint.linter.run_all", lambda notebooks, folder, examine, models: notebooks)
    (course[1] / NAME).unlink()
    (finding,) = [finding for finding in lint(*course).findings if "release" in finding.problem]
    assert finding.problem == f"it is not in {course[1]}: run `nbgrader generate_assignment --force`."


def test_a_forward_pass_without_a_batch_is_remarked(course: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.lint.linter.run_all", lambda notebooks, folder, examine, models: notebooks)
    source = notebooks.read(course[0] / NAME)
    cell(source, "forward").source = cell(source, "forward").source.replace(" --batch n Xb Yb", "")
    notebooks.write(source, course[0] / NAME)
    (remark,) = lint(*course).remarks
    assert remark.problem == "without `--batch` answers are accepted that have the number of rows written into them."


def test_practice_needs_no_points_and_no_hidden_part(course: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.lint.linter.run_all", lambda notebooks, folder, examine, models: notebooks)
    source = notebooks.read(course[0] / NAME)
    forget_grade_in_practice(source, source)
    give_no_points(source, source)
    notebooks.write(source, course[0] / NAME)
    stale = "source and release differ: run `nbgrader generate_assignment --force`."
    found = [finding for finding in lint(*course).findings if finding.cell == "test-dlogits" and finding.problem != stale]
    assert [str(finding) for finding in found] == [f"{NAME}, cell `test-dlogits`: an untouched notebook passes this test."]


def test_a_folder_without_notebooks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContentError) as error:
        lint(tmp_path, tmp_path)
    assert str(error.value) == (
        f"there is no notebook in {tmp_path}. Run this in the course's folder, with the name of an assignment."
    )


def test_two_cells_with_the_same_id_are_an_error(course: tuple[Path, Path]) -> None:
    path = course[0] / NAME
    path.write_text(path.read_text(encoding="utf-8").replace('"id": "names"', '"id": "setup"'), encoding="utf-8")
    with pytest.raises(ContentError, match=r"Non-unique cell id 'setup' detected.*Give every cell an id of its own\."):
        lint(*course)


def test_a_cell_that_ends_its_process_is_found(course: tuple[Path, Path]) -> None:
    source = notebooks.read(course[0] / NAME)
    cell(source, "names").source = "import os\nos._exit(1)"
    notebooks.write(source, course[0] / NAME)
    (died, *_) = (str(finding) for finding in lint(*course).findings if finding.cell == "names" and "stops" in finding.problem)
    assert died == (
        f"{NAME}, cell `names`: it stops: Died: the process of the notebook ended in this cell: "
        "it ended without an error, as after `os._exit` or a crash of Python"
    )


HINT = "Look at what reads it."
ROW = f'[[gradient]]\nname = "{{name}}"\nthrough = ["{{through}}"]\nhints = ["{HINT}"]\n'
MISTAKE = '[[gradient.mistake]]\nformula = "{}"\nsentence = "So it is."\nnext = "Think."\n'


def test_words_that_nobody_can_use_are_found(course: tuple[Path, Path]) -> None:
    right = "(F.softmax(logits, 1) - F.one_hot(Yb, 27)) / n"
    fine = ROW.format(name="dh", through="logits") + MISTAKE.format("dlogits @ W2.T / n")
    four = ", ".join(f'"{HINT[:-1]}{dots}"' for dots in ("?", ".", "..", "..."))
    with_faults = ROW.format(name="dlogits", through="loss").replace(f'"{HINT}"', four) + MISTAKE.format(right)
    rows = [with_faults, fine, ROW.format(name="dprobs", through="logprobs"), ROW.format(name="dW2", through="h")]
    (course[0] / "lesson.toml").write_text("".join(rows))
    assert [str(finding) for finding in lint(*course).findings] == [
        "lesson.toml, cell `dlogits`: it has 4 hints: 3 are enough.",
        f"lesson.toml, cell `dlogits`: the formula `{right}` is right.",
        "lesson.toml, cell `dprobs`: no forward pass has this gradient through ['logprobs'].",
        "lesson.toml, cell `dW2`: no forward pass has this gradient through ['h'].",
    ]


def test_words_that_cannot_be_read_are_found(course: tuple[Path, Path]) -> None:
    (course[0] / "lesson.toml").write_text("[[gradient")
    (finding,) = lint(*course).findings
    assert finding.notebook == "lesson.toml"
    assert "Every [[gradient]] has name, through, hints, and [[gradient.mistake]]." in finding.problem


FINE = ROW.format(name="dlogits", through="loss") + MISTAKE.format("F.softmax(logits, 1)")
DH = ROW.format(name="dh", through="logits")
WORDS = [
    (FINE + FINE, "it has more than one row."),
    (FINE.replace("hints", "reward = 3\nhints"), "nobody reads the field `reward`."),
    (FINE.replace("next", "why = 3\nnext"), "nobody reads the field `why`."),
    (FINE.replace('["loss"]', '["loss", "loss"]'), "`through` has a name twice."),
    (FINE.replace(f'"{HINT}"', f'"{HINT}", "{HINT}"'), "it has a hint twice."),
    (FINE.replace(HINT, "Try."), "a hint has 20 to 200 characters, and this one 4: Try."),
    (FINE.replace("Think.", f"{'Think ' * 27}."), f"160 characters are enough: {'Think ' * 27}."),
    (
        FINE.replace("So it is.", "It is `2 * x` and not 32 of them."),
        "a number that is not in backquotes is right for one shape only: It is `2 * x` and not 32 of them.",
    ),
    (FINE.replace("Think.", "Think!"), "a sentence ends with a full stop or a question mark: Think!"),
    (FINE.replace("Think.", "think."), "a sentence begins with a capital letter or with code: think."),
    (FINE.replace("Think.", "Think of `n."), "a backquote is missing: Think of `n."),
]


@pytest.mark.parametrize(("text", "fault"), WORDS)
def test_words_out_of_style_are_found(
    course: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, text: str, fault: str
) -> None:
    monkeypatch.setattr("autograder.lint.linter.run_all", lambda notebooks, folder, examine, models: notebooks)
    (course[0] / "lesson.toml").write_text(text)
    found = [str(finding) for finding in lint(*course).findings if finding.notebook == "lesson.toml"]
    assert found == [f"lesson.toml, cell `dlogits`: {fault}"]


def test_formulas_that_name_no_mistake_are_found(course: tuple[Path, Path]) -> None:
    twice = ["F.softmax(logits, 1)", "F.softmax(logits, 1) * 1.0"]
    silent = ["logits.nonsense()", "dprobs * logits", "3.0"]
    row = ROW.format(name="dlogits", through="loss")
    (course[0] / "lesson.toml").write_text(row + "".join(map(MISTAKE.format, [*twice, "logits.sum(0)", "logits / 0", *silent])))
    found = [finding.problem for finding in lint(*course).findings if finding.cell == "dlogits"]
    assert set(found) >= {
        "the formulas `F.softmax(logits, 1)` and `F.softmax(logits, 1) * 1.0` give the same numbers.",
        "the formula `logits.sum(0)` has the shape (27,), and the gradient (32, 27).",
        "the formula `logits / 0` gives numbers that are not finite.",
        *(f"the formula `{formula}` does not run in any notebook." for formula in silent),
    }
    assert sum("F.softmax" in problem for problem in found) == 1


def test_a_gradient_without_hints_is_remarked_where_others_have_some(course: tuple[Path, Path]) -> None:
    assert lint(*course).remarks == ()
    for text in (DH, DH + FINE.replace(f'"{HINT}"', "")):
        (course[0] / "lesson.toml").write_text(text)
        report = lint(*course)
        assert [str(each) for each in report.remarks] == [
            f"{NAME}, cell `test-dlogits`: lesson.toml has no hints for `dlogits`."
        ]
        assert report.findings == ()
