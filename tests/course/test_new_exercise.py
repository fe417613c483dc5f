"""The notebook that is made of a file with forward lines, and what is said of a file that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbgrader.nbgraderformat import SCHEMA_VERSION

from autograder.course import new_exercise, notebooks
from autograder.course.cells import body, cells_of, is_forward, settings
from autograder.course.new_exercise import NewExercise, make_exercise
from autograder.errors import ContentError
from autograder.lint.committed import committed
from scripts.submissions import SOURCE
from tests.support.layernorm import ANSWERS, FORWARD


def made(tmp_path: Path, text: str, only: str = "", skip: str = "", points: float = 1) -> NewExercise:
    file = tmp_path / "layernorm.py"
    file.write_text(text, encoding="utf-8")
    return make_exercise(file, tmp_path / "source/ln/layernorm.ipynb", only.split(), skip.split(), points, force=False)


def cell(nb: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in nb.cells if cell.id == name)


def test_every_gradient_is_asked_for_after_those_that_it_needs(tmp_path: Path) -> None:
    exercise = made(tmp_path, FORWARD)
    assert exercise.gradients == tuple(ANSWERS)
    nb = notebooks.read(exercise.path)
    assert [cell.id for cell in nb.cells if cell.id in ANSWERS] == [*ANSWERS]
    assert exercise.path.read_text(encoding="utf-8") == notebooks.to_text(nb)
    assert cell(nb, "title").source.startswith("# LayerNorm by hand\n")
    assert cell(nb, "about-setup-2").source == "## The data"
    assert cell(nb, "setup").source.split("\n")[:2] == [
        "%load_ext autograder",
        "from autograder import check, hint, progress, solution",
    ]
    assert cell(nb, "forward").source.split("\n")[:2] == ["%%forward --batch n tokens Yb", "emb = E[tokens]"]
    assert "Write `n`, never `16`." in cell(nb, "how-it-works").source
    assert cell(nb, "about-dxc").source == (
        "### `dxc`\n\n`sq = xc**2` and `xhat = xc * rstd`\n\n"
        "`xc` is used in 2 lines: what comes back from each of them adds up."
    )


def test_the_cells_are_those_of_the_flagship(tmp_path: Path) -> None:
    """Made of its own set-up and forward pass, but for the words, the answers, and the order within one line."""
    flagship = notebooks.read(SOURCE / "1-every-gradient.ipynb")
    locked = [each.source for each in cells_of(flagship) if each.is_locked and "check(" not in each.source]
    setup = [source.replace("%load_ext autograder\n", "") for source in locked if not is_forward(source)]
    (forward,) = (body(source) for source in locked if is_forward(source))
    exercise = made(tmp_path, "\n# %%\n".join(setup) + f"\n# %%forward --batch n Xb Yb\n{forward}")
    asked = [each.id for each in cells_of(flagship) if each.solves]
    assert sorted(exercise.gradients) == sorted(asked)
    notebook = committed(exercise.notebook)
    assert cell(notebook, "forward") == cell(flagship, "forward")
    assert cell(notebook, "map") == cell(flagship, "map")
    for name in asked:
        assert cell(notebook, f"test-{name}") == cell(flagship, f"test-{name}")
        assert cell(notebook, name).metadata == cell(flagship, name).metadata
        ours, theirs = (cell(nb, f"about-{name}").source.split("\n")[2] for nb in (notebook, flagship))
        assert sorted(ours.split(" and ")) == sorted(theirs.split(" and "))


def test_the_metadata_are_of_nbgrader_s_schema() -> None:
    assert new_exercise.SCHEMA_VERSION == SCHEMA_VERSION


def test_one_may_choose_and_give_points(tmp_path: Path) -> None:
    exercise = made(tmp_path, FORWARD, only="dz dlogits dh", points=2)
    assert exercise.gradients == ("dlogits", "dz", "dh")
    assert settings(cell(exercise.notebook, "test-dz"))["points"] == 2
    exercise.path.unlink()
    assert made(tmp_path, FORWARD, skip="dE dWq demb").gradients == tuple(ANSWERS)[:-3]


def test_gradients_of_the_minibatch_are_told_apart(tmp_path: Path) -> None:
    text = "import torch\nn = 3\nx = torch.ones(n, 2)\nw = torch.ones(2)\n%%forward --batch n x\ny = x * w\nloss = y.sum()\n"
    exercise = made(tmp_path, text)
    assert exercise.gradients == ("dy", "dx", "dw")
    assert exercise.of_batch == ("dx",)


def test_the_setup_runs_where_the_notebook_will(tmp_path: Path) -> None:
    folder = tmp_path / "source/ln"
    folder.mkdir(parents=True)
    (folder / "sizes.txt").write_text("3")
    (folder / "helper.py").write_text(
        "from pathlib import Path\n\ndef read():\n    return int(Path('sizes.txt').read_text())\n"
    )
    made(tmp_path, "import torch, helper\nx = torch.ones(helper.read())\nprint(x)\n# %%forward\ny = x * 2\nloss = y.sum()\n")


LINE = FORWARD.split("\n").index("std = (var + 1e-5).sqrt()") + 1
MARKER = LINE - 7
GAIN = FORWARD.split("\n").index("gain = torch.randn(width, generator=g) * 0.1 + 1") + 1
SETUP_WORDS = "Put that line above the first line of the forward pass, and the set-up above it: imports, data, parameters."


def with_line(number: int, line: str) -> str:
    lines = FORWARD.split("\n")
    lines[number - 1] = line
    return "\n".join(lines)


REFUSED: dict[str, tuple[str, str]] = {
    "forward lines alone": (
        FORWARD.partition("Yb\nemb")[2].join(["emb", ""]),
        "{file} has no line `# %%forward`, and nothing makes `E`, `F`, `W`, `Wq`, `Yb`, `b`, `bias`, `gain`, `tokens`. "
        + SETUP_WORDS,
    ),
    "no marker": (
        FORWARD.replace("# %%forward", "# forward"),
        f"{{file}} has no line `# %%forward`. {SETUP_WORDS}",
    ),
    "an unknown name": (
        with_line(LINE, "std = (var + eps).sqrt()"),
        f"{{file}}, line {LINE}: the forward pass reads `eps`, which nothing above makes. Put it into the set-up.",
    ),
    "in place": (
        with_line(LINE, "std += 1"),
        f"{{file}}, line {LINE}: line 7 of the forward pass, `std += 1`: only assignments of a single name can be recorded.\n"
        "Write every line as `name = expression`, with one new name, and change nothing in place.",
    ),
    "a line that stops": (
        with_line(LINE, "std = var @ var"),
        f"{{file}}, line {LINE}: line 7 of the forward pass, `std = var @ var`: it stopped with RuntimeError: "
        "mat1 and mat2 shapes cannot be multiplied (16x1 and 16x1)\nRun the cells above, from the top, then this one again.",
    ),
    "no Python in the forward pass": (
        with_line(LINE, "std = var.sqrt("),
        f"{{file}}, line {LINE}: line 7 of the forward pass, `std = var.sqrt(`: this is not Python ('(' was never closed).\n"
        "Fix the line.",
    ),
    "no Python in the set-up": (
        with_line(GAIN, "gain = torch.ones(width"),
        f"{{file}}, line {GAIN}: this is not Python ('(' was never closed).",
    ),
    "a set-up that stops": (
        with_line(GAIN, "gain = open('gain.txt')"),
        f"{{file}}, line {GAIN}: the set-up stopped with FileNotFoundError: [Errno 2] No such file or directory: 'gain.txt'. "
        "It runs in {folder}, as the notebook will.",
    ),
    "a set-up that is left": (
        with_line(GAIN, "raise SystemExit(1)"),
        f"{{file}}, line {GAIN}: the set-up stopped with SystemExit: 1. It runs in {{folder}}, as the notebook will.",
    ),
    "random without a seed": (
        with_line(GAIN, "gain = torch.randn(width)"),
        "{file}: the set-up gives another `gain` when it runs again. "
        "Draw random numbers from a seeded generator: `g = torch.Generator().manual_seed(1)`, `generator=g`.",
    ),
    "an option that is none": (
        FORWARD.replace("--batch", "--bach"),
        f"{{file}}, line {MARKER}: `--bach n tokens Yb` cannot stand there. Write `# %%forward --batch n Xb Yb`.",
    ),
    "a batch without names": (
        FORWARD.replace(" n tokens Yb", ""),
        f"{{file}}, line {MARKER}: `--batch` cannot stand there. Write `# %%forward --batch n Xb Yb`.",
    ),
    "a tensor of the batch forgotten": (
        FORWARD.replace(" n tokens Yb", " n tokens"),
        f"{{file}}, line {MARKER}: the first line of the cell, `%%forward --batch n tokens`: the lines stop on fewer rows, "
        "with ValueError: Expected input batch_size (15) to match target batch_size (16).\n"
        "Name the count and all tensors that have one row for each example.",
    ),
    "two forward passes": (
        with_line(LINE, "# %%forward"),
        f"{{file}}, line {LINE}: there is a second `%%forward`. An exercise has one: make another file of it.",
    ),
    "a name that notebooks call": (
        FORWARD.replace("scaled", "hint"),
        "{file}: `hint` is what notebooks call. Give it another name.",
    ),
    "the name of a gradient": (
        FORWARD.replace("width", "dgain"),
        "{file}: `dgain` stands for something else, and is to be the gradient of `gain`. Give one of the two another name.",
    ),
    "a name that no cell may have": (
        FORWARD.replace("gain", "γ"),
        "{file}: `γ` cannot be in the id of a cell: use letters, digits and `_`, 50 at most.",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_an_exercise_is_refused(tmp_path: Path, kind: str) -> None:
    text, message = REFUSED[kind]
    with pytest.raises(ContentError) as error:
        made(tmp_path, text)
    assert str(error.value) == message.format(file=tmp_path / "layernorm.py", folder=tmp_path / "source/ln")
    assert not (tmp_path / "source").exists()


@pytest.mark.parametrize(
    ("only", "skip", "message"),
    [
        ("", "dz", "`dh` is computed from `dz`, which is not asked for. "),
        ("dW", "", "`dW` is computed from `dz`, which is not asked for. "),
        ("", "z", "there is no gradient `z`. There are dlogits, dz, db, "),
        ("dlogits", "dlogits", "no gradient is left to ask for."),
    ],
)
def test_a_choice_that_cannot_be_is_refused(tmp_path: Path, only: str, skip: str, message: str) -> None:
    with pytest.raises(ContentError) as error:
        made(tmp_path, FORWARD, only, skip)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("content", [None, b"\xff", b""])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "layernorm.py"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ContentError, match=r"layernorm\.py (cannot be read|has no line)"):
        make_exercise(file, tmp_path / "source/ln/layernorm.ipynb", (), (), 1, force=False)


def test_what_is_there_stays_unless_it_is_forced(tmp_path: Path) -> None:
    exercise = made(tmp_path, FORWARD)
    exercise.path.write_text("hours of work")
    with pytest.raises(ContentError, match="is there already"):
        made(tmp_path, FORWARD)
    assert exercise.path.read_text() == "hours of work"
    with pytest.raises(ContentError):
        make_exercise(tmp_path / "nothing.py", exercise.path, (), (), 1, force=True)
    assert exercise.path.read_text() == "hours of work"
    make_exercise(tmp_path / "layernorm.py", exercise.path, (), (), 1, force=True)
    assert notebooks.read(exercise.path).cells
