"""Recording asks: what is wrong with an ask, with a form of its model answer, or with a planted mistake."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_notebook

from autograder.asks import recorded
from autograder.asks.recorded import ENDLESS, FILE, STOPS
from autograder.errors import ContentError
from autograder.lint.recording import MISTAKES_FILE, Recording, record, write
from scripts.submissions import graded_cell

TOTAL = "def total(x: real[n, c])"
MODEL = "def total(x):\n    return x.sum(0)\n# or:\n#     def total(x):\n#         return torch.ones(len(x)) @ x"
Row = tuple[str, str]
"""What to write in place of `x.sum(0)`, and the sentence on that mistake."""


def assignment(folder: Path, ask: str = TOTAL, model: str = MODEL, rows: Sequence[Row] = (), name: str = "total") -> Path:
    cells = [
        graded_cell("setup", "import torch", locked=True),
        graded_cell(f"ask-{name}", f"%%ask\n{ask}", locked=True),
        graded_cell(name, f"### BEGIN SOLUTION\n{model}\n### END SOLUTION", solution=True),
        graded_cell(f"test-{name}", f'check("{name}")', grade=True, locked=True, points=1),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "one.ipynb")
    row = '[[mistake]]\nname = "total"\ninstead = "x.sum(0)"\nwrite = {}\nsentence = "{}"\nnext = "No."\n'
    text = [row.format(json.dumps(code), sentence) for code, sentence in rows]
    (folder / MISTAKES_FILE).write_text("\n".join(text), encoding="utf-8")
    return folder


def faults(found: Recording) -> list[str]:
    return [problem for _, _, problem in found.faults]


def test_what_is_right_and_what_mistakes_give_is_recorded(tmp_path: Path) -> None:
    rows = [("x.mean(0)", "A mean."), ("x[4] * 0 + x.sum(0)", "It wants five rows.")]
    file = write(assignment(tmp_path, rows=rows), tmp_path / "no-release")
    found = recorded.read(file)["total"]
    assert file.name == FILE and found.ask == TOTAL
    assert [each.sentence for each in found.mistakes] == ["A mean.", "It wants five rows."]
    assert [outcome == STOPS for outcome in found.mistakes[1].outcomes] == [True] * 3 + [False] * 3


def test_a_mistake_that_does_not_end_is_tried_once(tmp_path: Path) -> None:
    """Its later cases are not run: each would take two seconds."""
    found = record(assignment(tmp_path, rows=[("x.sum(0) if len(x) < 3 else [0 for _ in iter(int, 1)]", "It goes on.")]))
    assert faults(found) == []
    assert [outcome is ENDLESS for outcome in found.asks["total"].mistakes[0].outcomes] == [False] * 2 + [True] * 4


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("y.sum(0)", "No.")], "the planted mistake “No.” stops on every case, as others do: take it out."),
        ([("x.sum(dim=0)", "Dim.")], "the planted mistake “Dim.” is right on all cases."),
        (
            [("x.mean(0)", "A mean."), ("x.sum(0) / len(x)", "A share.")],
            "two planted mistakes give the same on all cases: “A mean.”, “A share.”",
        ),
    ],
)
def test_a_planted_mistake_that_names_nothing_is_a_fault(rows: list[Row], fault: str, tmp_path: Path) -> None:
    assert faults(record(assignment(tmp_path, rows=rows))) == [fault]


def test_a_row_that_fits_no_model_answer_is_a_fault(tmp_path: Path) -> None:
    folder = assignment(tmp_path, rows=[("x.mean(0)", "A mean.")], model=MODEL.replace("x.sum(0)", "torch.sum(x, 0)"))
    assert faults(record(folder)) == ["`x.sum(0)` does not stand in the model answer: mistakes.toml cannot change it."]
    (folder / MISTAKES_FILE).write_text(
        '[[mistake]]\nname = "sum"\ncode = "1"\nsentence = "A."\nnext = "B."\n', encoding="utf-8"
    )
    assert "no ask has this name." in faults(record(folder))


def test_a_form_that_the_ask_refuses_is_a_fault(tmp_path: Path) -> None:
    (problem,) = faults(record(assignment(tmp_path, model=MODEL.replace("torch.ones(len(x)) @ x", "x.mean(0)"))))
    assert problem.startswith("form 2 of its model answer is not accepted: for `x = [[")


DRAWS = "def total(x: real[n, c], g: generator)\nrandom: rows"
DRAWN = (
    "def total(x, g):\n    return x[torch.randint(0, len(x), (3,), generator=g)]\n# or:\n#     def total(x, g):\n"
    "#         return x[torch.multinomial(torch.ones(len(x)), 3, replacement=True, generator=g)]"
)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("certain: x = torch.ones(4, 2)\noften: x = g.number * torch.eye(3)", ""),
        ("certain: x = torch.eye(2)\noften: x = g.number * torch.eye(3)", "leaves a choice: the model answer gives different"),
        (
            "certain: x = torch.ones(4, 2)\noften: x = torch.ones(1 + g.number % 2, 2)",
            "leaves no choice: the model answer always gives",
        ),
        ("certain: x = torch.ones(4, 2)\noften: x = torch.eye(3)", "`often: …` is the same in each class"),
    ],
)
def test_a_case_of_a_random_answer_that_is_another_one_than_it_says_is_a_fault(lines: str, words: str, tmp_path: Path) -> None:
    found = faults(record(assignment(tmp_path, f"{DRAWS}\n{lines}", DRAWN)))
    assert len(found) == bool(words) and all(words in problem for problem in found), found


def test_a_model_answer_that_is_not_finite_is_a_fault(tmp_path: Path) -> None:
    model = "def total(x):\n    return x.std(0)\n# or:\n#     def total(x):\n#         return x.var(0) ** 0.5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about a single number
        (problem, *_) = faults(record(assignment(tmp_path, model=model)))
    assert problem.startswith("the model answer gives numbers that are not finite for `x = [[")
    assert "`n: size[2, 9]`" in problem


@pytest.mark.parametrize(
    ("lesson", "words"),
    [
        ('[[ask]]\nname = "total"\nhints = ["Add them."]\n', ""),
        ('[[ask]]\nname = "sum"\nhints = ["Add them."]\n', "no ask has this name."),
        ('[[ask]]\nname = "total"\nhint = "Add them."\n', "an [[ask]] has name and hints, and this one is"),
        ("[[asks]]\n", "`asks` is nothing that a lesson has: part, objective, gradient, ask."),
        ("[[ask]\n", "it cannot be read: "),
    ],
)
def test_words_on_asks_that_nobody_gets_are_a_fault(lesson: str, words: str, tmp_path: Path) -> None:
    (assignment(tmp_path) / "lesson.toml").write_text(lesson, encoding="utf-8")
    found = faults(record(tmp_path))
    assert len(found) == bool(words) and all(words in problem for problem in found), found


@pytest.mark.parametrize("model", ["Total = 1", "def total(x:"])
def test_a_model_answer_that_is_none_is_said(model: str, tmp_path: Path) -> None:
    found = faults(record(assignment(tmp_path, "total(x: real[n])", model)))
    assert found == ["the model answer for `total` gives it no value, or is no Python"]


def test_one_form_alone_is_a_fault(tmp_path: Path) -> None:
    (problem,) = faults(record(assignment(tmp_path, model="def total(x):\n    return x.sum(0)")))
    assert problem == "its model answer has one form only: add another, `# or:`, to see that the ask accepts it."


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ("def total(x: reals[n, c])", "line 1 of the ask, `def total(x: reals[n, c])`: `reals` is no kind of input."),
        (f"{TOTAL}\nwithout: torch.sums", "there is no `torch.sums` to switch off."),
        (f"{TOTAL}\nk = y.sum()", "`k = y.sum()`: it stops with NameError"),
        ("def sum_of(x: real[n, c])", "there is no solution cell `sum_of`."),
    ],
)
def test_a_fault_of_an_ask_is_said_in_words(ask: str, words: str, tmp_path: Path) -> None:
    folder = assignment(tmp_path, ask)
    assert any(words in problem for problem in faults(record(folder))), faults(record(folder))
    with pytest.raises(ContentError, match=r"one.ipynb, cell `"):
        write(folder, tmp_path)
    assert not (folder / FILE).exists()


@pytest.mark.parametrize(
    "text", ["[[mistake]", "[[mistakes]]", '[[mistake]]\nname = "total"\nwrite = "x"\nsentence = "A."\nnext = "B."\n']
)
def test_a_file_of_mistakes_that_cannot_be_read_is_an_error(text: str, tmp_path: Path) -> None:
    folder = assignment(tmp_path)
    (folder / MISTAKES_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match=MISTAKES_FILE):
        record(folder)


SCALE_MODEL = (
    "class Scale:\n    def __init__(self, c):\n        self.gain = torch.ones(c)\n        self.drawn = torch.randn(c)\n"
    "    def __call__(self, x):\n        return x * self.gain\n    def parameters(self):\n        return [self.gain]\n"
)
SCALE_FORM = "# or:\n" + "\n".join(
    f"#     {line}" for line in SCALE_MODEL.replace("x * self.gain", "torch.mul(x, self.gain)").splitlines()
)
DRILLS = {
    'yield "x", layer(x)': "",
    'yield "x", layer(x)\n    yield "x", 1': "it yields twice under the label “x”.",
    "yield layer(x)": "it yields something that is no label with a value.",
    'yield "x", layer': "a value of the type `Scale` cannot be recorded",
    'yield "x", Scale(9000).drawn': "the model answer gives other numbers each time under “x”: name it in a line `spread: …`.",
    'yield "x", layer(x)\n    x += 1': "`x` is changed in place, by the drill of `Scale` or by the model answer",
}


@pytest.mark.parametrize("line", DRILLS)
def test_what_is_wrong_with_a_drill_is_said(line: str, tmp_path: Path) -> None:
    ask = f"class Scale(x: real[n, c])\ndef drill(Scale, x):\n    layer = Scale(x.shape[1])\n    {line}"
    found = faults(record(assignment(tmp_path, ask, SCALE_MODEL + SCALE_FORM, name="Scale")))
    if not DRILLS[line]:
        assert found == []
    else:
        assert any(DRILLS[line] in each for each in found), found


def test_a_label_that_nothing_is_yielded_under_cannot_be_spread(tmp_path: Path) -> None:
    ask = 'class Scale(x: real[n, c])\nspread: the drawm\ndef drill(Scale, x):\n    yield "the drawn", Scale(9000).drawn'
    found = faults(record(assignment(tmp_path, ask, SCALE_MODEL + SCALE_FORM, name="Scale")))
    assert "`spread:` names “the drawm”, and the drill yields nothing under that label." in found


@pytest.mark.parametrize("without", ["torch.mul", "torch.add"])
def test_another_form_may_use_no_more_than_students_may(without: str, tmp_path: Path) -> None:
    ask = f'class Scale(x: real[n, c])\nwithout: {without}\ndef drill(Scale, x):\n    yield "x", Scale(x.shape[1])(x)'
    found = faults(record(assignment(tmp_path, ask, SCALE_MODEL + SCALE_FORM, name="Scale")))
    assert [each for each in found if "`torch.mul` is switched off" in each] == found
    assert bool(found) == (without == "torch.mul")
