"""Asks with a drill: how they are read, and how classes, methods, and functions that take objects are judged by them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autograder.asks import recorded
from autograder.asks.ask import parse_ask
from autograder.asks.by_autograd import by_autograd
from autograder.asks.model import outcome, raw_outcome
from autograder.asks.observing import PRACTICE_SEED, cases_of
from autograder.asks.recorded import FILE, Planted, Recorded
from autograder.course.questions import Question
from autograder.errors import AskError
from autograder.judge.judging import PRACTICE, judge
from autograder.judge.kinds import claim
from autograder.verdict import Mistake, Outcome, Verdict
from tests.support.asked import in_session

SCALE = """class Scale(x: real[n, c], more: real[m, c], gain: real[c], n: size[3, 6])
without: torch.mul, nn.Linear
spread: the drawn weights
def drill(Scale, x, more, gain):
    layer, other = Scale(x.shape[1]), Scale(x.shape[1])
    layer.parameters()[0].copy_(gain)
    yield "the output of the first batch", layer(x)
    layer(more)
    yield "`seen` after 2 batches", layer.seen
    yield "`seen` of another layer", other.seen
    yield "the drawn weights", torch.stack([Scale(5000).drawn, Scale(5000).drawn])
"""
BACKWARD = """class Scale.backward(x: real[n, c], dout: real[n, c], gain: real[c], n: size[3, 6])
def drill(Scale, x, dout, gain):
    layer = Scale(x.shape[1])
    layer.parameters()[0].copy_(gain)
    layer(x)
    yield "`dx`", layer.backward(dout)
    yield "the gradient of the gain", layer.grads[0].flatten()
"""
MODEL = """
class Scale:
    def __init__(self, c):
        self.gain, self.drawn, self.seen = torch.ones(c), torch.randn(c), 0

    def __call__(self, x):
        self.x = x
        self.seen += len(x)
        return x * self.gain

    def parameters(self):
        return [self.gain]

    def backward(self, dout):
        self.grads = [(self.x * dout).sum(0)]
        return dout * self.gain
"""
ASKS = {"Scale": SCALE, "Scale.backward": BACKWARD}
NAMES = {"torch": torch, "nn": torch.nn}


def changed(*changes: tuple[str, str]) -> str:
    code = MODEL
    for old, new in changes:
        assert old in code
        code = code.replace(old, new)
    return code


PLANTED = {
    "Scale": {"It counts the columns.": changed(("len(x)", "x.shape[1]"))},
    "Scale.backward": {
        "The rows are averaged.": changed((".sum(0)]", ".mean(0)]")),
        "The first row goes back alone.": changed(("return dout * self.gain", "return dout[:1] * self.gain")),
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what is recorded of the two asks, and with the planted mistakes of each."""
    found = tmp_path_factory.mktemp("release")
    asks = {}
    for name, source in ASKS.items():
        ask = parse_ask(source)
        cases = cases_of(ask, PRACTICE_SEED)
        planted = tuple(
            Planted(sentence, "Count again.", tuple(raw_outcome(case, wrong, NAMES) for case in cases))
            for sentence, wrong in PLANTED[name].items()
        )
        asks[name] = Recorded(source.strip(), tuple(outcome(case, MODEL, NAMES) for case in cases), planted)
    (found / FILE).write_bytes(recorded.written(asks))
    return found


def verdict(folder: Path, name: str, *answer: str, exam: bool = False) -> Verdict:
    """The verdict on an answer, of one cell or of several that run one after the other."""
    session = in_session(ASKS, answer[0], NAMES, folder)
    for cell in answer[1:]:
        exec(compile(cell, "<answer>", "exec"), session.namespace)
        session.note(cell, None)
    session.models = dict.fromkeys(ASKS, MODEL) if exam else {}
    return judge(claim(session, Question(name)), PRACTICE)


def test_an_ask_with_a_drill_is_read() -> None:
    ask = parse_ask(SCALE)
    assert (ask.name, ask.answer, ask.method, ask.is_function) == ("Scale", "Scale", "", False)
    assert ask.drill
    assert ask.drill.takes == ("x", "more", "gain")
    assert ask.drill.spread == ("the drawn weights",)
    assert ask.without == ("torch.mul", "nn.Linear")
    assert parse_ask(BACKWARD).method == "backward"


DRILL = 'def drill(A, x):\n    yield "x", x'
UNREADABLE = {
    "class A(x: real[n])": ("a class is judged by a drill, and there is none", 1),
    f"class A.b.c(x: real[n])\n{DRILL}": ("it is no signature", 1),
    f"A(x: real[n])\nspread: y\nwithout: F.gelu\n\n{DRILL} +": ("it is no Python", 6),
    "class A(x: real[n])\ndef drill(A, x):\n    return x": ("it yields nothing", 2),
    "class A(x: real[n])\ndef drill(A, y):\n    yield 'y', y": ("`y` is no input of the ask", 2),
    "class A(x: real[n])\ndef drill(*A):\n    yield 'y', 1": ("no plain names", 2),
    f"class A(x: real[n])\n{DRILL}\nb = 1": ("a drill is one function", 2),
    f"class B(x: real[n])\n{DRILL}": ("it takes `A` first, and should take `B`", 2),
    "def a(x: real[n])\nspread: y": ("about what a drill yields, and there is none", 2),
    f"def A(x: real[n], g: generator)\nrandom: names\noften: x = 1\n{DRILL}": ("stands in a line `spread:`", 2),
}


@pytest.mark.parametrize("source", UNREADABLE)
def test_one_that_cannot_be_read_is_refused_with_its_line(source: str) -> None:
    words, line = UNREADABLE[source]
    with pytest.raises(AskError, match=words) as error:
        parse_ask(source)
    assert error.value.line == line


@pytest.mark.parametrize("exam", [False, True], ids=["check", "exam"])
@pytest.mark.parametrize("name", ASKS)
def test_the_model_answer_is_right(name: str, exam: bool, folder: Path) -> None:
    assert verdict(folder, name, MODEL, exam=exam).outcome is Outcome.RIGHT


RIGHT_FORMS = {
    "a base class": f"{MODEL.replace('class Scale:', 'class Base:')}\nclass Scale(Base):\n    pass",
    "made by a function": f"def made():\n{MODEL.replace(chr(10), chr(10) + '    ')}\n    return Scale\nScale = made()",
    "tried below": f"{MODEL}\nScale(7)(undefined)",
    "a method put on later": f"{MODEL.replace('def backward', 'def later')}\nScale.backward = Scale.later",
    "a module": changed(
        ("class Scale:", "class Scale(nn.Module):"),
        ("def __init__(self, c):", "def __init__(self, c):\n        super().__init__()"),
        ("def __call__", "def forward"),
        ("self.gain, self.drawn", "self.gain = nn.Parameter(torch.ones(c))\n        _, self.drawn"),
    ),
    "parameters with an axis more": changed(("torch.ones(c)", "torch.ones(1, c)"), (".sum(0)", ".sum(0, keepdim=True)")),
}


@pytest.mark.parametrize("form", RIGHT_FORMS)
@pytest.mark.parametrize("name", ASKS)
def test_other_ways_to_write_it_are_right(name: str, form: str, folder: Path) -> None:
    for exam in (False, True):
        found = verdict(folder, name, RIGHT_FORMS[form], exam=exam)
        assert found.outcome is Outcome.RIGHT, found


WRONG_FORMS = {
    "agreement": ("Scale", changed(("len(x)", "x.size(1)")), "It counts the columns."),
    "agreement of a method": ("Scale.backward", changed((".sum(0)]", ".sum(0) / len(dout)]")), "The rows are averaged."),
    "the first label": (
        "Scale",
        changed(("x * self.gain", "x + self.gain")),
        "Entry [0, 0] of the output of the first batch is ",
    ),
    "a number": ("Scale", changed(("+= len(x)", "+= 1")), "`seen` after 2 batches is 2, and should be "),
    "a stop": (
        "Scale",
        changed(("self.seen += len(x)", "self.seen += len(y)")),
        "It stops before `drill` has the output of the first batch. There is no `y` here, and no name like it.",
    ),
    "wrong before it stops": (
        "Scale",
        changed(("x * self.gain", "x + self.gain if not self.seen > 6 else y")),
        "Entry [0, 0] of the output of the first batch",
    ),
    "state of the class": (
        "Scale",
        changed(
            ("torch.randn(c), 0", "torch.randn(c), 0\n        Scale.seen = getattr(Scale, 'seen', 0)"),
            ("self.seen +=", "Scale.seen +="),
        ).replace(
            "self.gain, self.drawn, self.seen = torch.ones(c), torch.randn(c), 0",
            "self.gain, self.drawn = torch.ones(c), torch.randn(c)",
        ),
        "`seen` of another layer is ",
    ),
    "another spread": (
        "Scale",
        changed(("torch.randn(c)", "2 * torch.randn(c)")),
        "The drawn weights: the tensor has the wrong spread.",
    ),
    "drawn once": (
        "Scale",
        changed(("torch.randn(c)", "torch.randn(c, generator=torch.Generator().manual_seed(0))")),
        "The drawn weights: the tensor has the same numbers more than once.",
    ),
    "not finite": (
        "Scale",
        changed(("torch.randn(c)", "torch.randn(c) / 0")),
        "The drawn weights: the tensor has the wrong spread.",
    ),
    "switched off": ("Scale", changed(("x * self.gain", "torch.mul(x, self.gain)")), "`torch.mul` is switched off"),
    "a class that is switched off": ("Scale", f"class Scale(nn.Linear):\n    pass\n{MODEL}", "`nn.Linear` is switched off"),
    "in place": ("Scale", changed(("return x * self.gain", "x *= self.gain\n        return x")), "It changes `x` in place"),
    "no class": ("Scale", "Scale = 3", "`Scale` is of the type `int`, and should be a class."),
    "no backward": ("Scale.backward", changed(("def backward", "def back")), "It stops before `drill` has `dx`."),
    "shape": ("Scale.backward", changed(("return dout * self.gain", "return dout[:1]")), "`dx`: the shape is wrong."),
}


@pytest.mark.parametrize("form", WRONG_FORMS)
def test_what_is_wrong_is_said(form: str, folder: Path) -> None:
    name, code, words = WRONG_FORMS[form]
    found = verdict(folder, name, code)
    assert found.outcome is Outcome.WRONG
    assert found.diagnosis.startswith(words), found.diagnosis
    exam = verdict(folder, name, code, exam=True)
    assert exam.outcome is Outcome.WRONG
    assert not exam.example, "an exam shows no numbers of its cases"


BODY = "self.grads = [(self.x * dout).sum(0)]"
SECOND_CELLS = {
    "a method put on": f"def later(self, dout):\n    {BODY}\n    return dout * self.gain\nScale.backward = later",
    "a class of the same name": (
        f"class Scale(Scale):\n    def backward(self, dout):\n        {BODY}\n        return dout * self.gain"
    ),
}


@pytest.mark.parametrize("name", ASKS)
@pytest.mark.parametrize("second", SECOND_CELLS)
def test_a_class_may_be_written_in_several_cells(name: str, second: str, folder: Path) -> None:
    first = MODEL[: MODEL.index("    def backward")]
    assert verdict(folder, name, first, SECOND_CELLS[second]).outcome is Outcome.RIGHT


def test_a_method_that_is_not_written_yet_is_said(folder: Path) -> None:
    empty = '        """What it gives."""\n        # YOUR CODE HERE'
    without_backward = MODEL[: MODEL.index("        self.grads =")] + empty
    assert verdict(folder, "Scale", without_backward).outcome is Outcome.RIGHT
    assert verdict(folder, "Scale.backward", without_backward).outcome is Outcome.NOT_ATTEMPTED
    found = verdict(folder, "Scale", changed(("        return [self.gain]", empty)))
    assert (found.outcome, found.diagnosis) == (Outcome.WRONG, "`parameters` is not written yet.")
    found = verdict(
        folder, "Scale", changed(("        self.x = x\n        self.seen += len(x)\n        return x * self.gain", empty))
    )
    assert found.diagnosis == "`__call__` is not written yet."


def test_a_class_of_another_name_is_told_its_name(folder: Path) -> None:
    session = in_session(ASKS, MODEL.replace("class Scale", "class Scael"), NAMES, folder)
    found = judge(claim(session, Question("Scale")), PRACTICE)
    assert found.next_step == "The notebook has `Scael`. If that is the answer, call it `Scale`."
    session = in_session(ASKS, "", NAMES, folder)
    session.note("class Other:\n    pass", "Scale")
    found = judge(claim(session, Question("Scale")), PRACTICE)
    assert found.next_step == "Begin with `class Scale:`: its cell was run, and gives `Scale` no value."


def test_an_assertion_in_a_method_holds(folder: Path) -> None:
    found = verdict(folder, "Scale", changed(("self.x = x", "assert len(x) == 1\n        self.x = x")))
    assert found.seen.startswith("AssertionError")
    assert verdict(folder, "Scale", f"{MODEL}\nassert Scale(2).seen == 1").outcome is Outcome.RIGHT, "a try below it"


def test_a_planted_mistake_that_stops_takes_no_other_error_for_itself(tmp_path: Path) -> None:
    ask = parse_ask(SCALE)
    cases = cases_of(ask, PRACTICE_SEED)
    planted = Planted(
        "It is turned.", "No.", tuple(raw_outcome(case, changed(("x * self.gain", "x.T @ x.T")), NAMES) for case in cases)
    )
    right = tuple(outcome(case, MODEL, NAMES) for case in cases)
    (tmp_path / FILE).write_bytes(recorded.written({"Scale": Recorded(SCALE.strip(), right, (planted,))}))
    assert verdict(tmp_path, "Scale", changed(("x * self.gain", "torch.mm(x.T, x.T)"))).diagnosis == "It is turned."
    found = verdict(tmp_path, "Scale", changed(("x * self.gain", "x.flaten()")))
    assert found.seen.startswith("AttributeError: 'Tensor' object has no attribute 'flaten'")


def test_a_method_waits_while_its_class_is_wrong(folder: Path) -> None:
    found = verdict(folder, "Scale.backward", changed(("len(x)", "1")))
    assert found.outcome is Outcome.COULD_NOT_TELL
    assert found.diagnosis == "It waits for `Scale`, which is not right yet."


@pytest.mark.parametrize("name", ASKS)
@pytest.mark.parametrize(
    "body", ['    """What it is."""', "    def backward(self, dout):\n        # YOUR CODE HERE\n        ..."]
)
def test_a_class_of_nothing_is_not_attempted(name: str, body: str, folder: Path) -> None:
    assert verdict(folder, name, f"class Scale:\n{body}").outcome is Outcome.NOT_ATTEMPTED


def test_the_example_is_the_first_entry_that_is_wrong(folder: Path) -> None:
    found = verdict(folder, "Scale", changed(("len(x)", "x.size(1)")))
    assert found.mistake is Mistake.LESSON
    inputs = "For `x` of shape (3, 2), `more` of shape (4, 2), `gain` of shape (2,)"
    assert found.example == f"{inputs}: `seen` after 2 batches is 4, and should be 7.", "n and m, which the drill does not take"


def test_the_example_of_a_named_mistake_of_another_kind_says_where_to_look(folder: Path) -> None:
    found = verdict(folder, "Scale.backward", changed(("return dout * self.gain", "return self.gain * dout[0:1]")))
    assert found.diagnosis == "The first row goes back alone."
    assert found.example.endswith(": look at `dx`.")
    assert (found.seen, found.expected) == ("shape (1, 2)", "shape (3, 2)")


def test_autograd_says_what_a_backward_has_to_give() -> None:
    class Table:
        def __init__(self) -> None:
            self.weight, self.unused = torch.randn(3, 2), torch.ones(1)

        def __call__(self, index: torch.Tensor) -> torch.Tensor:
            return self.weight[index]

        def parameters(self) -> list[torch.Tensor]:
            return [self.weight, self.unused]

    with torch.no_grad():
        table = by_autograd(Table)()
        out = table(torch.tensor([0, 0, 2]))
        assert not out.requires_grad
        assert table.backward(torch.ones(3, 2)) is None, "an index has no gradient"
    assert table.grads[0].tolist() == [[2, 2], [0, 0], [1, 1]]
    assert table.grads[1].tolist() == [0]


def test_a_function_that_takes_objects_is_driven_too() -> None:
    source = """def evaluate(x: real[n])
def drill(evaluate, x):
    class Model:
        training = True
        def __call__(self, x):
            return 2 * x if self.training else x
    model = Model()
    yield "the mean", evaluate(model, x)
    yield "the mode afterwards", model.training
"""
    model = (
        "def evaluate(model, x):\n    model.training = False\n    mean = model(x).mean()\n"
        "    model.training = True\n    return mean"
    )
    found = {}
    for what, answer in {
        "right": model,
        "wrong": model.replace("training = True", "training = False"),
        "no function": "evaluate = 3",
    }.items():
        session = in_session({"evaluate": source}, answer, NAMES)
        session.models = {"evaluate": model}
        found[what] = judge(claim(session, Question("evaluate")), PRACTICE)
    assert found["right"].outcome is Outcome.RIGHT
    assert found["right"].diagnosis.startswith("It gives what it should in ")
    assert found["wrong"].diagnosis == "The mode afterwards: the value is wrong."
    assert found["no function"].diagnosis == "`evaluate` is of the type `int`, and should be a function."
