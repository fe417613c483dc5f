"""Half a character, or what is no text at all, costs nobody a mark; and an error of our own costs one cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examiner.test_examiner import ExamRunner, locked, student, test
from tests.support import faulty
from tests.support.rooms import linux

pytestmark = linux

SHOW = "from IPython.display import HTML, display\n"
SHOWN = {
    "print": (r"print('\ud83d')", "�\n"),
    "two halves": (r"print('\ud83d\ude00', '\ud83d')", "😀 �\n"),
    "repr": (r"['\ud83d']", r"['\\ud83d']"),
    "error": (r"raise ValueError('\ud83d')", "ValueError: �"),
    "text of an error": (
        "class Half(Exception):\n    def __str__(self):\n        return '\\ud83d'\nHalf.__qualname__ = '\\ud83d'\nraise Half",
        "Half: �",
    ),
    "warning": (r"import warnings; warnings.warn('\ud83d')", "UserWarning: �"),
    "display": (SHOW + r"HTML('<b>\ud83d</b>')", "<b>�</b>"),
    "keys": (SHOW + r"display({'text/plain': 'a', '\ud83d': 'half', 'application/json': {'\ud83d': 1}}, raw=True)", "half"),
    "handle": (SHOW + r"display(7, display_id='\ud83d').update(8)", "8"),
    "no numbers": (SHOW + "display({'text/plain': 'a', 'application/json': [float('nan'), 7]}, raw=True)", "nan"),
    "keys of other types": (SHOW + "display({'text/plain': 'a', 'application/json': {(1, 2): 3}}, raw=True)", "(1, 2)"),
    "bytes": (SHOW + r"display({'image/png': b'\x89PNG'}, raw=True)", "iVBORw=="),
    "deep": (
        SHOW + "y = 1\nfor _ in range(90):\n    y = [y]\ndisplay({'text/plain': 'deep', 'application/json': y}, raw=True)",
        "deep",
    ),
    "text of a class": (
        "class Text(str):\n    pass\nclass C:\n    def __repr__(self):\n        return Text('\\ud83d')\nC()",
        "�",
    ),
    "name of a file": (r"import os; open(os.fsdecode(b'\xff.txt'), 'w').close(); print(*os.listdir('.'))", "�.txt"),
    "name": (r"globals()['\ud83d'] = 1; print(len([name for name in globals() if name == '\ud83d']))", "1\n"),
    "control characters": ("print('a\\0b\\rc\\x1b')", "a\0b\rc\x1b\n"),
    "source": ("# \ud83d\nprint(1)", "UnicodeEncodeError"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_it_is_shown_and_the_notebook_goes_on(examine: ExamRunner, name: str) -> None:
    source, shown = SHOWN[name]
    told = examine(student("x = 1"), student(source), student("print('on', x)"), test("assert x == 1"))
    texts = (output.get("text") or output.get("data") or f"{output.ename}: {output.evalue}" for output in told.outputs[1])
    assert shown in "".join(map(str, texts))
    assert told.shown(2) == "on 1\n"
    assert told.error(3) == ""
    assert told.failures == told.notes == []


def test_a_test_gets_the_very_text(examine: ExamRunner) -> None:
    told = examine(
        student("half = '\\ud83d'\nhalves = {half: [half * 3000]}\ndef first(text):\n    return text[0]"),
        student(
            "class Text(str):\n    pass\nclass Shown:\n    def __str__(self):\n        return Text('\\ud83d')\nshown = Shown()"
        ),
        test("assert half == '\\ud83d' and type(half) is str"),
        test("assert halves == {'\\ud83d': ['\\ud83d' * 3000]}"),
        test("assert first('\\ud83d\\ude00') == '\\ud83d'"),
        test("assert str(shown) == f'{shown}' == '\\ud83d'\nprint(shown, half)"),
        test("assert False, half"),
        test("display(half)\n{half: float('nan')}"),
        test("1"),
    )
    assert told.errors()[2:6] == [""] * 4
    assert told.shown(5) == "� �\n"
    assert told.error(6) == "AssertionError: �"
    assert told.errors()[7:] == [""] * 2


def test_a_test_in_the_room_does_too(examine: ExamRunner) -> None:
    told = examine(
        student("half = '\\ud83d'"),
        test("assert half == '\\ud83d'\nprint(half)", "assert half != 'x', half"),
        test("1"),
        plain=True,
    )
    assert told.errors() == [""] * 3
    assert told.shown(1) == "�\n"


def test_a_question_about_half_a_character_is_answered(examine: ExamRunner) -> None:
    told = examine(
        locked("%load_ext autograder\nfrom autograder import check, grade\nk = 3"),
        locked("%%ask\nhalf(k: size[2, 5])"),
        student("half = '\\ud83d' * k", "half"),
        test("grade('half')"),
        student("half = '\\ude00' * k", "half"),
        test("grade('half')"),
        models={"half": "half = '\\ud83d' * k"},
    )
    assert told.error(3) == "", told.traceback(3)
    assert told.error(5).startswith("NotRight: half: wrong.")


STOPS = {
    "an error": r"raise ValueError('\ud83d')",
    "a syntax error": r"raise SyntaxError('x', ('f\ud83d', 10**18, -5, 'text' * 10**6))",
}


@pytest.mark.parametrize("name", STOPS)
def test_half_a_character_in_the_error_of_a_right_answer_costs_nothing(examine: ExamRunner, name: str) -> None:
    """The verdict says that the cell stopped, and with what."""
    told = examine(
        locked("%load_ext autograder\nfrom autograder import check, grade\nimport torch\nh = torch.ones(3, 4)"),
        locked("%%forward\nz = torch.tanh(h)\nloss = z.sum()"),
        student(f"dz = torch.ones_like(z)\ndh = dz * (1 - z**2)\n{STOPS[name]}", "dh"),
        test("check('dh')", "grade('dh')"),
    )
    assert told.error(3) == ""
    assert "�" in told.outputs[3][0]["data"]["text/html"]
    assert told.failures == []


@pytest.fixture(scope="module")
def faulted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamRunner]:
    """Examiners with errors of their own."""
    runner = ExamRunner(Path(tmp_path_factory.mktemp("submission")))
    runner.grader.program = faulty
    yield runner
    runner.grader.close()


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        (faulty.FAULTY_MESSAGES, "(OverflowError: � is half, in faulty.py, line "),
        (faulty.FAULTY_CODEC, "(Wordless: , in faulty.py, line "),
        (faulty.FAULTY_JUDGE, "(OverflowError: � is half, in faulty.py, line "),
    ],
)
def test_an_error_of_ours_costs_its_cell_and_the_instructor_is_told(faulted: ExamRunner, marker: str, said: str) -> None:
    told = faulted(
        student("x = 1"),
        student(f"print('{marker}')\ny = 2"),
        test("assert x == 1"),
        test("assert y == 2"),
        student("z = 3\nprint(x)"),
        test("assert z == 3"),
    )
    assert told.error(1) == "NotExamined: this cell could not be examined, through no fault of yours. Your instructor was told."
    assert [told.error(number) for number in (0, 2, 4, 5)] == [""] * 4
    assert told.shown(4) == "1\n"
    (failure,) = [each for each in told.failures if "cell-1" in each]
    assert failure.startswith("The cell `cell-1` could not be examined, through no fault of the student's " + said)
    assert failure.endswith("Grade what depends on it by hand, and report this error of the autograder.")


def test_one_while_answers_are_looked_at_costs_nothing(faulted: ExamRunner) -> None:
    told = faulted(student(f"x = 1  # {faulty.FAULTY_COUNTS}"), test("assert x == 1"))
    assert told.errors() == ["", ""]
    (failure,) = told.failures
    assert failure.startswith("Finite differences could not be looked for (Wordless: , in faulty.py, line ")
