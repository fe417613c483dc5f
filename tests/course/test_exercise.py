from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autograder.course import notebooks
from autograder.course.cells import Cell, Role
from autograder.course.questions import Exercise, beside, fingerprint
from scripts.submissions import RELEASE, hand_in, model_answers
from tests.support.forms import RIGHT

FORWARD = "a = x * 2\nloss = a.sum()\n"
FORWARDS = {
    path.stem: next(cell.source for cell in notebooks.read(path).cells if cell.source.startswith("%%forward"))
    for path in sorted(RELEASE.glob("*.ipynb"))
}


def forward_of(name: str) -> str:
    return FORWARDS[name].partition("\n")[2]


def own(id: str, source: str) -> Cell:
    return Cell(id, Role.STUDENT, source)


def write(path: Path, *cells: dict[str, Any] | str) -> None:
    """A notebook file of these code cells."""
    listed = [{"source": cell} if isinstance(cell, str) else cell for cell in cells]
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "metadata": {}, **cell} for cell in listed]}))


def test_the_gradients_of_notebook_1_are_asked_for() -> None:
    exercise = beside(RELEASE, forward_of("1-every-gradient"))
    assert exercise is not None
    assert exercise.asked == {name: name for name in RIGHT}


@pytest.mark.parametrize(
    ("name", "asked"), [("2-cross-entropy", {"dlogits"}), ("3-batchnorm", {"dxhat", "dsigma", "dmu", "dx", "dhprebn"})]
)
def test_the_few_gradients_of_a_notebook(name: str, asked: set[str]) -> None:
    exercise = beside(RELEASE, forward_of(name))
    assert exercise is not None and exercise.asked.keys() == asked


def test_gradients_that_a_function_gives_are_answered_in_its_cell() -> None:
    exercise = beside(RELEASE, forward_of("4-train"))
    assert exercise is not None
    assert exercise.asked == dict.fromkeys(["dW2", "db2", "dbngain", "dbnbias", "dW1", "db1", "dC"], "backward")


def test_the_forward_pass_is_that_of_one_notebook(tmp_path: Path) -> None:
    assert beside(RELEASE, FORWARD) is None
    assert beside(tmp_path, FORWARD) is None
    assert beside(tmp_path / "gone", FORWARD) is None


def test_the_magic_and_blank_lines_around_a_forward_pass_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path / "a.ipynb", f"%%forward --batch n x\n\n{FORWARD}\n\n", 'check("da")')
    assert beside(tmp_path, FORWARD) is not None
    assert beside(tmp_path, FORWARD.replace("2", "3")) is None


def test_a_source_may_be_a_list_of_lines(tmp_path: Path) -> None:
    write(tmp_path / "a.ipynb", {"source": ["%%forward\n", "a = x * 2\n", "loss = a.sum()"]}, {"source": ['check("da")']})
    exercise = beside(tmp_path, FORWARD)
    assert exercise is not None and exercise.asked == {"da": "da"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'{"cells": 7}',
        b'{"cells": [7]}',
        b'{"cells": [{"cell_type": "code"}]}',
        b'{"cells": [{"cell_type": "code", "source": [1]}]}',
        b'{"cells": [{"cell_type": "code", "source": "x", "metadata": 1}]}',
        b"\xff\xfe",
        b"[" * 100_000,
        None,
    ],
)
def test_a_file_that_is_no_notebook_is_passed_over(tmp_path: Path, content: bytes | None) -> None:
    broken = tmp_path / "0-broken.ipynb"
    broken.mkdir() if content is None else broken.write_bytes(content)
    write(tmp_path / "1.ipynb", f"%%forward\n{FORWARD}", 'check("da")')
    exercise = beside(tmp_path, FORWARD)
    assert exercise is not None and exercise.asked == {"da": "da"}


def test_cells_for_tests_come_before_what_students_try() -> None:
    tried, test = own("x", 'check("da", by="mine")'), Cell("test-da", Role.TEST, 'check("da")')
    assert Exercise((tried, test)).asked == {"da": "da"}
    assert Exercise((tried,)).asked == {"da": "mine"}


def test_a_cell_that_is_not_python_asks_for_nothing() -> None:
    assert Exercise((own("a", '%time check("da"\n)))'), own("b", 'check("db")'))).asked == {"db": "db"}


def test_a_call_that_makes_no_sense_asks_for_nothing() -> None:
    assert Exercise((own("a", 'check("da", by=3)\ncheck(7)\ncheck()\ncheck(name)'),)).asked == {}


def test_a_copy_of_the_notebook_counts_too_unless_the_running_one_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.ipynb", f"%%forward\n{FORWARD}", "da = 1")
    write(tmp_path / "a-Copy1.ipynb", f"%%forward\n{FORWARD}", "da = 2")
    one, two = fingerprint("da = 1"), fingerprint("da = 2")

    def known() -> tuple[bool, bool]:
        exercise = beside(tmp_path, FORWARD)
        assert exercise is not None
        return exercise.has(one), exercise.has(two)

    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert known() == (True, True)
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "a-Copy1.ipynb"))
    assert known() == (False, True)
    monkeypatch.setenv("JPY_SESSION_NAME", "renamed-since.ipynb")
    assert known() == (True, True)


def test_an_untouched_cell_is_blank_and_an_answered_one_is_not(tmp_path: Path) -> None:
    hand_in(tmp_path, {"1-every-gradient": {"dprobs": "dprobs = dlogprobs / probs"}})
    exercise = beside(tmp_path, forward_of("1-every-gradient"))
    assert exercise is not None
    assert exercise.is_blank("dcounts")
    assert not exercise.is_blank("dprobs")
    assert not exercise.is_blank("no-such-cell")


def test_a_cell_is_blank_where_it_is_in_all_copies() -> None:
    blank, done = own("da", "# YOUR CODE HERE"), own("da", "da = 1")
    assert Exercise((blank, blank)).is_blank("da")
    assert not Exercise((blank, done)).is_blank("da")


def test_every_model_answer_is_found_by_its_fingerprint(tmp_path: Path) -> None:
    answers = model_answers()
    hand_in(tmp_path, answers)
    exercise = beside(tmp_path, forward_of("1-every-gradient"))
    assert exercise is not None
    for source in answers["1-every-gradient"].values():
        assert exercise.has(fingerprint(f"\n{source}  \n"))
        assert not exercise.has(fingerprint(f"{source}  # changed"))
