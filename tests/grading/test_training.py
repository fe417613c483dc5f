"""The training of notebook 4: what earns its point, in our grading and on stock nbgrader, and what earns nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.course.cells import Cell, Role, read_cells
from autograder.examiner.exam import Exam
from autograder.forkserver.client import Client
from autograder.sandbox.limits import Limits
from benchmarks.grading import STOCK
from scripts.submissions import ANOTHER_BACKWARD, ANOTHER_DESCEND, ROOT, model_answers
from tests.examiner.test_examiner import examined
from tests.support.classes import ASSIGNMENT, hand_in
from tests.support.commands import nbgrader
from tests.support.lesson import Lesson
from tests.support.rooms import linux

pytestmark = [linux, pytest.mark.timeout(600)]

GRADIENTS = ("dW2", "db2", "dbngain", "dbnbias", "dW1", "db1", "dC")
MODEL = model_answers()["4-train"]
FEW = ("model", "another", "by-position", "starred", "data", "entries", "scales-the-gradients", "returns")
"""Right forms that `make test` has."""
Answers = Mapping[str, str]


def descend(*lines: str) -> Answers:
    """A `descend` of these lines, with the model's `backward`."""
    return {**MODEL, "descend": "\n    ".join(("def descend(parameters, gradients, lr):", *lines))}


FIRST_LINE = "def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):\n"
NAMES = "    Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias ="
OTHER_LINE = f"def backward(x, y, c, w1, d1, w2, d2, gain, bias):\n{NAMES} x, y, c, w1, d1, w2, d2, gain, bias\n"
STARRED_LINE = f"def backward(*given):\n{NAMES} given\n"
assert FIRST_LINE in MODEL["backward"]
EACH = "for p, gradient in zip(parameters, gradients):"
HONEST: Mapping[str, Answers] = {
    "model": MODEL,
    "another": {"backward": ANOTHER_BACKWARD, "descend": ANOTHER_DESCEND},
    "by-position": {**MODEL, "backward": MODEL["backward"].replace(FIRST_LINE, OTHER_LINE)},
    "starred": {**MODEL, "backward": MODEL["backward"].replace(FIRST_LINE, STARRED_LINE)},
    "minus-equals": descend(EACH, "    p -= lr * gradient"),
    "data": descend(EACH, "    p.data -= lr * gradient"),
    "no-grad": descend("with torch.no_grad():", f"    {EACH}", "        p -= lr * gradient"),
    "alpha": descend(EACH, "    p.add_(gradient, alpha=-lr)"),
    "copy": descend(EACH, "    p.copy_(p - lr * gradient)"),
    "slice": descend(EACH, "    p[...] = p - gradient * lr"),
    "new-data": descend(EACH, "    p.data = p.data - lr * gradient"),
    "out": descend(EACH, "    torch.sub(p, gradient, alpha=lr, out=p)"),
    "index": descend("for i in range(len(parameters)):", "    parameters[i] += -lr * gradients[i]"),
    "entries": descend("for i in range(len(parameters)):", "    parameters[i] = parameters[i] - lr * gradients[i]"),
    "unpacked": descend(
        "C, W1, b1, W2, b2, bngain, bnbias = parameters",
        "dC, dW1, db1, dW2, db2, dbngain, dbnbias = gradients",
        *(f"{p} -= lr * d{p}" for p in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")),
    ),
    "foreach": descend("torch._foreach_add_(list(parameters), list(gradients), alpha=-lr)"),
    "scales-the-gradients": descend(EACH, "    gradient *= -lr", "    p += gradient"),
    "returns": descend(EACH, "    p -= lr * gradient", "return parameters"),
    "while": descend("k = 0", "while k < 7:", "    parameters[k].sub_(gradients[k].mul(lr))", "    k += 1"),
    "map": descend("list(map(lambda p, gradient: p.sub_(lr * gradient), parameters, gradients))"),
}
"""Right answers: all eight points."""


AT_HOME = """
import torch.nn.functional as F

def at_home(sharpness=5):
    \"\"\"Weights that no gradient ever touched: least squares on top of random features.\"\"\"
    start = initial_parameters(torch.Generator().manual_seed(1))
    C, W1, b1, W2, b2, bngain, bnbias = start
    pre = C[Xtr[:9000]].flatten(1) @ W1 + b1
    h = torch.tanh(bngain * (pre - pre.mean(0)) / pre.std(0) + bnbias)
    fitted = torch.linalg.lstsq(torch.cat([h, torch.ones(len(h), 1)], 1), F.one_hot(Ytr[:9000], 27).float()).solution[:-1]
    W2.copy_(sharpness * fitted)
    b2.copy_(Ytr.bincount(minlength=27).float().log() - sharpness * h.mean(0) @ fitted)
    return start

HOME = at_home()
"""
NO_GRADIENT = """
def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):
    return [torch.zeros_like(p) for p in (C, W1, b1, W2, b2, bngain, bnbias)]
"""


STEP = "`descend` should move every parameter by -lr times its own gradient"
ELSEWHERE = "on other letters the loss falls by -"
LOSS = "the dev loss is 3."
"""What the test says."""


def stops(at: str, source: str, backward: str = NO_GRADIENT) -> tuple[Answers, str]:
    """Answers of someone who has no gradient but that of `b1`, which is zero, and what the test of training says of them."""
    return {"backward": backward, "descend": AT_HOME + source}, at


ATTACKS: Mapping[str, tuple[Answers, str]] = {
    "overwrites-gradients": stops(
        STEP,
        """
def descend(parameters, gradients, lr):
    for p, gradient, home in zip(parameters, gradients, HOME):
        gradient.copy_((p - home) / lr)
        p -= lr * gradient
""",
    ),
    "swaps-the-storage": stops(
        STEP,
        """
def descend(parameters, gradients, lr):
    for p, gradient, home in zip(parameters, gradients, HOME):
        gradient.data = (p - home) / lr
        p.data = p - lr * gradient
""",
    ),
    "replaces-the-entries": stops(
        STEP,
        """
def descend(parameters, gradients, lr):
    gradients[:] = [(p - home) / lr for p, home in zip(parameters, HOME)]
    parameters[:] = [p - lr * gradient for p, gradient in zip(parameters, gradients)]
""",
    ),
    "empties-the-gradients": stops(
        STEP,
        """
def descend(parameters, gradients, lr):
    parameters[:] = [home.clone() for home in HOME]
    gradients.clear()
""",
    ),
    "is-honest-where-it-is-tried": stops(
        ELSEWHERE,
        """
def descend(parameters, gradients, lr):
    for p, gradient, home in zip(parameters, gradients, HOME):
        p.copy_(p - lr * gradient if gradient.any() else home)
""",
    ),
    "gradients-towards-home": stops(
        ELSEWHERE,
        """
def descend(parameters, gradients, lr):
    for p, gradient in zip(parameters, gradients):
        p -= lr * gradient
""",
        """
def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):
    parameters = C, W1, b1, W2, b2, bngain, bnbias
    return [(p - home) / 0.1 for p, home in zip(parameters, globals().get("HOME", parameters))]
""",
    ),
    "backward-moves-the-parameters": stops(
        ELSEWHERE,
        """
def descend(parameters, gradients, lr):
    for p, gradient in zip(parameters, gradients):
        p -= lr * gradient
""",
        """
def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):
    for p, home in zip((C, W1, b1, W2, b2, bngain, bnbias), globals().get("HOME", ())):
        p.copy_(home)
    return [torch.zeros_like(p) for p in (C, W1, b1, W2, b2, bngain, bnbias)]
""",
    ),
    "changes-them-later": stops(
        STEP,
        """
import threading, time
kept = []

def later():
    for parameters, gradients in kept:
        for p, gradient, home in zip(parameters, gradients, HOME):
            gradient.copy_((p - home) / 0.1)
            p.copy_(home)

class Later:
    def __del__(self):
        later()

def descend(parameters, gradients, lr):
    kept.append((parameters, gradients))
    threading.Timer(0.001, later).start()
    Later()
""",
    ),
    "another-train": stops(
        LOSS,
        """
def train(steps, *_, **__):
    return [home.clone() for home in HOME], [2.0] * steps

def dev_loss(parameters):
    return 2.0

initial_parameters = lambda g: [home.clone() for home in HOME]

def descend(parameters, gradients, lr):
    for p, gradient in zip(parameters, gradients):
        p -= lr * gradient
""",
    ),
    "a-list-of-its-own-kind": stops(
        STEP,
        """
class Right(list):
    __eq__ = __contains__ = lambda *_: True

def descend(parameters, gradients, lr):
    parameters[:] = Right(home.clone() for home in HOME)
    for gradient in gradients:
        gradient.fill_(float("nan"))
""",
    ),
    "changes-the-data": stops(
        LOSS,
        """
def descend(parameters, gradients, lr):
    for p, gradient in zip(parameters, gradients):
        p -= lr * gradient
    for name in ("Xtr", "Ytr", "Xdev", "Ydev"):
        globals()[name].zero_()
    globals()["losses"] = [0.0] * 100
""",
    ),
}
"""Answers that train nothing, and would have the point for training all the same."""


SOURCE = ROOT / "source" / "backprop" / "4-train.ipynb"
LEFT_OUT = {"progress", "curve", "longer", "samples"}
Taken = Callable[[Answers], Mapping[str, str]]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    client = Client(True)
    yield client
    client.close()


@pytest.fixture(scope="module")
def taken(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """What each test stops with in an exam of these answers, its hidden part included."""
    folder = tmp_path_factory.mktemp("submission")

    def taken(answers: Answers) -> Mapping[str, str]:
        cells = [cell for cell in read_cells(SOURCE) if cell.id not in LEFT_OUT]
        tasks = [replace(cell, source=answers.get(cell.id, cell.source)) for cell in cells]
        told = examined(client, Exam(tasks, {}, "a secret", Limits()), folder, dict(os.environ))
        shown = dict(zip((task.id for task in tasks), told.errors(), strict=True))
        assert not any(shown[name] for name in answers), shown
        tests = [task for task in tasks if task.role is Role.TEST]
        return {test.id.removeprefix("test-"): shown[test.id] for test in tests}

    return taken


@pytest.mark.parametrize("form", [pytest.param(form, marks=[] if form in FEW else pytest.mark.long) for form in HONEST])
def test_every_right_form_has_all_its_points(form: str, taken: Taken) -> None:
    assert taken(HONEST[form]) == dict.fromkeys((*GRADIENTS, "training"), "")


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [("dC", "index_add_", "index_copy_"), ("db2", "db2 = dlogits.sum(0)", "db2 = dlogits.mean(0)")],
)
def test_one_mistake_costs_one_point(name: str, right: str, wrong: str, taken: Taken) -> None:
    assert right in MODEL["backward"]
    found = taken({**MODEL, "backward": MODEL["backward"].replace(right, wrong)})
    assert [each for each, error in found.items() if error] == [name]


BUT = f"AssertionError: {STEP}, but"
MISTAKES: Mapping[str, tuple[Answers, str]] = {
    "uphill": (
        descend(EACH, "    p += lr * gradient"),
        "it goes uphill: it adds `lr` times the gradient. Take that off: `p -= lr * …`, or `p += -lr * …`",
    ),
    "no-rate": (
        descend(EACH, "    p -= gradient"),
        "it leaves `lr` out: it takes off all of the gradient. Multiply that by `lr` first",
    ),
    "uphill-without-rate": (
        descend(EACH, "    p += gradient"),
        "it goes uphill, and leaves `lr` out. Multiply the gradient by `-lr`",
    ),
    "the-step-alone": (
        descend(EACH, "    p[...] = -lr * gradient"),
        "it forgets where the parameter was: it only has the step now. Add that, with `+=`",
    ),
    "divides": (descend(EACH, "    p -= gradient / lr"), "it divides by `lr`. Multiply the gradient by it"),
    "first-row": (
        descend(EACH, "    p -= lr * gradient[0]"),
        "it uses the first row of each gradient for all rows. Use the whole gradient, without `[0]`",
    ),
    "new-tensors": (
        descend(EACH, "    p = p - lr * gradient"),
        "it changes nothing yet. Write a line that changes the tensors themselves, as `p += …` does, and `p = …` does not",
    ),
    "nothing": (
        descend("pass"),
        "it changes nothing yet. Write a line that changes the tensors themselves, as `p += …` does, and `p = …` does not",
    ),
    "returns-new-ones": (
        descend("return [p - lr * gradient for p, gradient in zip(parameters, gradients)]"),
        "it returns something, and changes nothing. Change the tensors themselves, as `p += …` does",
    ),
    "returns-in-the-loop": (
        descend(EACH, "    p -= lr * gradient", "    return parameters"),
        "it moves `C`, and leaves `W1` and the rest as they were. Do the same for all seven, in a loop",
    ),
    "another-s-gradient": (
        descend(
            "*rest, dbngain, dbnbias = gradients", "for p, d in zip(parameters, [*rest, dbnbias, dbngain]):", "    p -= lr * d"
        ),
        "`bngain` moves by the gradient of `bnbias`. Take both from the same place of their lists",
    ),
    "another-shape": (
        descend("for i in range(7):", "    parameters[i] = parameters[i] - lr * gradients[i].mean(0, keepdim=True)[None]"),
        "some have another shape now, or are gone. Change the tensors in the list by `+=`, and leave the list as it is",
    ),
    "fewer": (
        descend("parameters.pop()"),
        "some have another shape now, or are gone. Change the tensors in the list by `+=`, and leave the list as it is",
    ),
    "half-a-step": (
        descend(EACH, "    p -= 0.5 * lr * gradient"),
        "it takes off 0.25 times the gradient, where `lr` is 0.5. Multiply it by `lr`, and by nothing else",
    ),
    "a-rate-of-its-own": (
        descend(EACH, "    p -= 0.1 * gradient"),
        "it takes off 0.1 times the gradient, where `lr` is 0.5. Multiply it by `lr`, and by nothing else",
    ),
    "uphill-twice": (
        descend(EACH, "    p -= -lr * gradient"),
        "it goes uphill: it adds `lr` times the gradient. Take that off: `p -= lr * …`, or `p += -lr * …`",
    ),
    "shrinks": (
        descend(EACH, "    p /= lr"),
        "`C` is elsewhere. Work one step of it out on paper, and compare",
    ),
}
"""Steps that are often written, and what is said of each."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_step_is_named(mistake: str, taken: Taken) -> None:
    answers, says = MISTAKES[mistake]
    found = taken(answers)
    assert found == {**dict.fromkeys(GRADIENTS, ""), "training": f"{BUT} {says}"}


LAST_LINE = "return dC, dW1, db1, dW2, db2, dbngain, dbnbias"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("pass", "`backward` returns nothing yet. Let its last line return the seven gradients"),
        (
            "return dC, dW1, db1, dW2, db2, dbngain",
            "`backward` returns 6 gradients. Return all seven, in the order of the parameters: "
            "dC, dW1, db1, dW2, db2, dbngain, dbnbias",
        ),
    ],
)
def test_what_backward_does_not_return_is_said(line: str, says: str, taken: Taken) -> None:
    assert LAST_LINE in MODEL["backward"]
    found = taken({**MODEL, "backward": MODEL["backward"].replace(LAST_LINE, line)})
    assert found["training"] == f"AssertionError: {says}"


def test_gradients_that_do_not_train_are_looked_for_where_they_are_checked(taken: Taken) -> None:
    found = taken({**MODEL, "backward": MODEL["backward"].replace("dlogits /= n", "dlogits *= -1")})
    said = (
        "; with right gradients it is below 2.75. `descend` does its part: look at the checks of the gradients above, and fix"
    )
    assert said in found["training"] and found["training"].startswith("AssertionError: the dev loss is ")


@pytest.mark.parametrize("attack", ATTACKS)
def test_without_a_step_of_one_s_own_there_is_no_point_for_training(attack: str, taken: Taken) -> None:
    answers, says = ATTACKS[attack]
    found = taken(answers)
    assert found["training"].startswith(f"AssertionError: {says}")
    assert [name for name in GRADIENTS if not found[name]] == ["db1"]


def test_the_generator_of_an_exam_is_known_where_the_tests_run_alone(client: Client, tmp_path: Path) -> None:
    draw = "from autograder import exam_generator\nprint(exam_generator({!r}).initial_seed())"
    setup = Cell("setup", Role.LOCKED, "%load_ext autograder")
    tasks = [
        *(Cell(f"test-{name}", Role.TEST, draw.format(name)) for name in ("a", "b")),
        Cell("answer", Role.STUDENT, draw.format("a")),
    ]
    drawn = []
    for seed in ("one", "one", "other"):
        told = examined(client, Exam([setup, *tasks], {}, seed, Limits()), tmp_path, dict(os.environ))
        assert told.errors() == [""] * 4
        drawn.append([told.shown(number) for number in (1, 2, 3)])
    (a, b, seen), again, (other, *_, still) = drawn
    assert again == [a, b, seen]
    assert still == seen
    assert len({a, b, other, seen}) == 4


@pytest.mark.long
def test_stock_nbgrader_gives_right_forms_the_same(tmp_path: Path) -> None:
    course = tmp_path / "course"
    (course / "source" / ASSIGNMENT).mkdir(parents=True)
    for name in (SOURCE.name, "lesson.toml"):
        shutil.copy(SOURCE.parent / name, course / "source" / ASSIGNMENT)
    text = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    (course / "nbgrader_config.py").write_text(text + STOCK, encoding="utf-8")
    nbgrader(course, "generate_assignment", ASSIGNMENT)
    forms = ("model", "another", "entries", "scales-the-gradients")
    for form in forms:
        hand_in(course, form, HONEST[form])
    nbgrader(course, "autograde", ASSIGNMENT)
    with Gradebook(f"sqlite:///{course}/gradebook.db", course_id="backprop-ninja") as gradebook:
        scores = {each.student.id: each.score for each in gradebook.assignment_submissions(ASSIGNMENT)}
    assert scores == dict.fromkeys(forms, 8)


def test_long_training_says_how_far_it_is_and_short_training_nothing() -> None:
    lesson = Lesson("4-train")
    short, long = (
        lesson.run(f"_, losses = train({steps}, batch_size=2, data=(Xtr[:40], Ytr[:40]))")[1].stdout for steps in (100, 2000)
    )
    assert short == ""
    first, last = (lesson.shell.user_ns["losses"][start : start + 1000] for start in (0, 1000))
    assert long == "".join(
        f"\rstep {step} of 2,000: loss {sum(losses) / 1000:.3f}{end}"
        for step, losses, end in (("1,000", first, ""), ("2,000", last, "\n"))
    )
