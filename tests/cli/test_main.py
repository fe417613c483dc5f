from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from autograder.cli.main import main
from autograder.course import notebooks
from scripts.submissions import SOURCE


def autograder(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_lint_says_what_to_mend_and_exits_with_one(tmp_path: Path) -> None:
    (tmp_path / "source/small").mkdir(parents=True)
    nb = notebooks.read(SOURCE / "2-cross-entropy.ipynb")
    nb.cells = nb.cells[:2]
    notebooks.write(nb, tmp_path / "source/small/2-cross-entropy.ipynb")
    result = autograder("lint", "small", "--course", tmp_path)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"2-cross-entropy.ipynb: it is not in {tmp_path}/release/small: run `nbgrader generate_assignment --force`.",
        "1 notebook, 0 tests, 0 points: 1 to fix",
    ]


def test_lint_of_nothing_is_an_error(tmp_path: Path) -> None:
    result = autograder("lint", "source/backprop", "--course", tmp_path)
    assert result.exit_code == 1
    advice = "Run this in the course's folder, with the name of an assignment."
    assert result.output == f"Error: there is no notebook in {tmp_path}/source/backprop. {advice}\n"


def test_normalise_writes_the_committed_form(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    text = (SOURCE / "2-cross-entropy.ipynb").read_text(encoding="utf-8")
    path.write_text(text.replace('"execution_count": null', '"execution_count": 7'), encoding="utf-8")
    assert autograder("normalise", path).output == f"{path}: normalised\n"
    assert path.read_text(encoding="utf-8") == text
    assert autograder("normalise", path).output == f"{path}: as it was\n"


@pytest.mark.parametrize("content", [None, "", "{}", "not a notebook"])
def test_normalise_leaves_what_is_no_notebook(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "a.ipynb"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    result = autograder("normalise", path)
    assert result.exit_code == 1
    assert f"{path} {'is not a notebook' if path.exists() else 'cannot be read (No such file or directory)'}" in result.output
    assert not path.exists() or path.read_text(encoding="utf-8") == content
