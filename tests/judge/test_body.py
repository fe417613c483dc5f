"""What is said of a mistake inside of a function that works out the whole backward pass."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

from autograder.course.cells import Role, is_forward, read_cells
from autograder.course.questions import Question
from autograder.judge.judging import EXAM, PRACTICE, Effort, judge
from autograder.judge.kinds import claim
from autograder.judge.kinds.backward_function import BackwardFunction
from autograder.judge.session import of
from autograder.verdict import Mistake, Outcome, Verdict
from scripts.submissions import ANOTHER_BACKWARD, ROOT
from tests.support.lesson import Lesson, fresh_shell

M = Mistake
BY = "backward"


@pytest.fixture(scope="module")
def here() -> Lesson:
    return Lesson("4-train")


Judged = Callable[..., Verdict]


@pytest.fixture
def judged(here: Lesson) -> Judged:
    """The verdict on a gradient that the model answer returns, with one thing in it changed."""

    def judge(old: str, new: str, name: str = "dC", source: str = "") -> Verdict:
        source = source or here.solutions[BY]
        assert source.count(old) == 1
        here.run(source.replace(old, new))
        return here.verdict(name, by=BY)

    return judge


def first(name: str) -> str:
    return f"In `backward`, `{name}` is the first that is wrong."


PLANTED = {
    "an axis": (
        "dlogits = F.softmax(logits, 1)",
        "dlogits = F.softmax(logits, 0)",
        f"{first('dlogits')} `F.softmax(logits, 0)` goes along the wrong axis.",
        M.AXIS,
    ),
    "a power": (
        "(1.0 - h**2) * dh",
        "(1.0 - h) * dh",
        f"{first('dhpreact')} A power is wrong in `1.0 - h`.",
        M.FACTOR,
    ),
    "a sign": ("dlogits /= n", "dlogits /= -n", f"{first('dlogits')} It has the wrong sign.", M.SIGN),
    "a factor": ("dlogits /= n", "pass", f"{first('dlogits')} It is `n` times what it should be.", M.CONSTANT),
    "a path": (
        " - dhpreact.sum(0) -",
        " -",
        f"{first('dhprebn')} The path through `bnmean` is missing, and the rest is right.",
        M.PATH,
    ),
    "the line of the answer itself": (
        "index_add_",
        "index_copy_",
        "Where an entry is used several times, only the last contribution is kept.",
        M.REPEATS,
    ),
    "a line of the forward pass": (
        "unbiased=True",
        "unbiased=False",
        "In `backward`, `bnvar_inv` is not what the forward pass gives.",
        M.EARLIER,
    ),
    "a number in the place of a tensor": (
        "(hprebn.var(0, keepdim=True, unbiased=True) + 1e-5) ** -0.5",
        "1e-5 ** -0.5",
        "In `backward`, `bnvar_inv` is not what the forward pass gives.",
        M.EARLIER,
    ),
    "what is returned": ("return dC, dW1", "return -dC, dW1", "It has the wrong sign.", M.SIGN),
    "something of our own": ("dlogits /= n", "dlogits = (dlogits / n).sin().tanh() + 0.01", first("dlogits"), M.EARLIER),
}


@pytest.mark.parametrize(("old", "new", "diagnosis", "mistake"), PLANTED.values(), ids=PLANTED)
def test_the_first_wrong_line_of_a_function_is_named(judged: Judged, old: str, new: str, diagnosis: str, mistake: M) -> None:
    verdict = judged(old, new)
    assert verdict.outcome is Outcome.WRONG
    assert (verdict.diagnosis, verdict.mistake) == (diagnosis, mistake)
    assert verdict.next_step


@pytest.mark.parametrize("name", ["dC", "dW1", "db1"])
def test_all_that_rests_on_a_wrong_line_is_told_the_same(judged: Judged, name: str) -> None:
    verdict = judged(" - dhpreact.sum(0) -", " -", name)
    assert verdict.diagnosis == PLANTED["a path"][2]


def test_what_does_not_rest_on_a_wrong_line_is_right(judged: Judged) -> None:
    assert judged(" - dhpreact.sum(0) -", " -", "dW2").outcome is Outcome.RIGHT


def test_a_constant_that_hardly_shows_is_found_on_small_parameters(judged: Judged) -> None:
    verdict = judged("+ 1e-5", "+ 0")
    assert verdict.diagnosis == (
        "Right on this minibatch, but not on another one of 64 rows with other parameters. "
        "In `backward`, `bnvar_inv` is not what the forward pass gives."
    )


STOPS = {
    "a matrix that lies the wrong way": (
        "dh = dlogits @ W2.T",
        "dh = dlogits @ W2",
        "It stops at `dh = dlogits @ W2`. `W2` has to be transposed.",
        M.SHAPE,
    ),
    "something wrong before": (
        "dlogits /= n",
        "dlogits = -dlogits[:, :3]",
        "It stops at `dh = dlogits @ W2.T`. `dlogits` is wrong before that.",
        None,
    ),
    "a value of another shape before": (
        "bngain * bnraw + bnbias",
        "bnbias",
        "It stops at `dlogits[range(n), Yb] -= 1`. `h` is wrong before that: it is not what the forward pass gives.",
        M.EARLIER,
    ),
    "another number of rows": (
        "n = Xb.shape[0]",
        "n = -Xb.shape[0]",
        "It stops at `embcat = C[Xb].view(n, -1)`. `n` is wrong before that: it is not what the forward pass gives.",
        M.EARLIER,
    ),
    "an unknown name": (
        "dh = dlogits @ W2.T",
        "dh = dlogits @ W3.T @ W4",
        "It stops at `dh = dlogits @ W3.T @ W4`. There is no `W3` here, and no name like it.",
        M.STOPS,
    ),
    "a line of several lines": (
        "dh = dlogits @ W2.T",
        "for i in range(3):\n        dh = dlogits @ W3 @ W4\n",
        "It stops at `dh = dlogits @ W3 @ W4`. There is no `W3` here, and no name like it.",
        M.STOPS,
    ),
    "a helper": (
        "dh = dlogits @ W2.T",
        "def go(x):\n        return x @ W3 @ W4\n    dh = go(dlogits)",
        "It stops at `dh = go(dlogits)`. There is no `W3` here, and no name like it.",
        M.STOPS,
    ),
    "inside of a condition": (
        "dh = dlogits @ W2.T",
        "if True:\n        dh = dlogits @ W2",
        "It stops at `dh = dlogits @ W2`. `W2` has to be transposed.",
        M.SHAPE,
    ),
    "a gradient that is not there, in a loop for another": (
        "dC = torch.zeros_like(C).index_add_(0, Xb.flatten(), dembcat.view(-1, C.shape[1]))",
        "dC = torch.zeros_like(C)\n    for k in range(n):\n        for j in range(3):\n"
        "            dC[Xb[k, j]] += dembcats[k, j]",
        "It stops at `dC[Xb[k, j]] += dembcats[k, j]`. There is no `dembcats` here. The closest name is `dembcat`.",
        M.STOPS,
    ),
    "a half-made gradient before an argument that is misspelt": (
        "dlogits[range(n), Yb] -= 1",
        "dlogits = dlogits - F.one_hot(Yb, num_clases=27)",
        "It stops at `dlogits = dlogits - F.one_hot(Yb, num_clases=27)`. "
        "`one_hot` knows no argument `num_clases`. The closest that it knows is `num_classes`.",
        M.STOPS,
    ),
    "dots that were left in": (
        "dlogits /= n",
        "dlogits = dlogits / ...",
        "It stops at `dlogits = dlogits / ...`. The three dots are still there: they stand for what you are to fill in.",
        M.STOPS,
    ),
    "a power that is none": (
        "(1.0 - h**2) * dh",
        "(1.0 - h ^ 2) * dh",
        "It stops at `dhpreact = (1.0 - h ^ 2) * dh`. `^` is no power in Python: it works on the bits of whole numbers.",
        M.STOPS,
    ),
    "another return above it": (
        "    dW2 = h.T @ dlogits",
        "    if n == 0:\n        dC = 0 * C\n        return dC\n    dW2 = h @ dlogits",
        "It stops at `dW2 = h @ dlogits`. `h` has to be transposed.",
        M.SHAPE,
    ),
}


@pytest.mark.parametrize("name", ["dC", "dW2", "db1"])
@pytest.mark.parametrize(("old", "new", "told", "mistake"), STOPS.values(), ids=STOPS)
def test_the_line_at_which_a_function_stops_is_named(
    judged: Judged, old: str, new: str, told: str, mistake: M | None, name: str
) -> None:
    verdict = judged(old, new, name)
    assert verdict.outcome is Outcome.COULD_NOT_TELL
    assert verdict.diagnosis.startswith(f"`backward` stops before it returns anything. {told}")
    assert mistake is None or (verdict.mistake, verdict.diagnosis[-len(told) :]) == (mistake, told)
    assert verdict.next_step and verdict.seen


def test_nothing_is_said_of_the_rest_of_a_function(judged: Judged) -> None:
    """That the rest is right is known of the lines of one gradient alone."""
    verdict = judged("dh = dlogits @ W2.T", "dh = dlogits @ W2\n    dlogits = -dlogits")
    assert verdict.next_step == "The rest of `dh` is right: look at this place alone."


def test_a_gradient_that_nothing_makes_is_not_its_variable(judged: Judged) -> None:
    verdict = judged("@ W1.T\n", "@ W1.T\n    emb = C[Xb]\n    dC = 0 * C\n    dC += demb\n")
    assert verdict.diagnosis.endswith("It stops at `dC += demb`. There is no `demb` here, and no name like it.")
    assert verdict.next_step.startswith("Give `demb` a value above that line")


def test_to_stop_is_no_way_to_mend_a_line(judged: Judged) -> None:
    """`+=` stops before it spoils what is right already, and so it is not what the line should have been."""
    verdict = judged("dlogits /= n", "dlogits /= n\n    dlogits = dlogits[:, :3]")
    assert "overwrites what was there" not in verdict.diagnosis


N = "    n = Xb.shape[0]\n"
FIRST_LINE = "def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):\n"
OTHERS = "def backward(X, Y, emb, w1, bias1, w2, bias2, gain, bias):\n"
ORDER = "    Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias = {}\n"
UNPACKED = ORDER.format("X, Y, emb, w1, bias1, w2, bias2, gain, bias")

OUTSIDE = {
    "the notebook's n": ("", N, "", "`n` is 32, from outside of `backward`.", "Begin `backward` with `n = Xb.shape[0]`."),
    "n under other names": (
        "",
        FIRST_LINE,
        OTHERS + UNPACKED,
        "`n` is 32, from outside of `backward`.",
        "Begin `backward` with `n = X.shape[0]`.",
    ),
    "n by default": (
        "",
        FIRST_LINE,
        FIRST_LINE.replace("bnbias)", "bnbias, n=n)"),
        "`n` is 32, from outside of `backward`.",
        "Begin `backward` with `n = Xb.shape[0]`.",
    ),
    "a number that is made of n": (
        "batch_size = n",
        N,
        "    n = batch_size\n",
        "`batch_size` is 32, from outside of `backward`.",
        "Begin `backward` with `batch_size = Xb.shape[0]`.",
    ),
    "a number that is as large": (
        "BATCH = 32",
        N,
        "    n = BATCH\n",
        "`BATCH` is 32, from outside of `backward`.",
        "Begin `backward` with `BATCH = Xb.shape[0]`.",
    ),
    "a shape": (
        "looked_up = C[Xb]\nB, T, E = looked_up.shape",
        N,
        "    n = B\n",
        "`B` is 32, from outside of `backward`.",
        "Begin `backward` with `B = Xb.shape[0]`.",
    ),
    "an object": (
        "import types\nconfig = types.SimpleNamespace(lr=0.1, n=32)",
        N,
        "    n = config.n\n",
        "`config.n` is 32, from outside of `backward`.",
        "Use `Xb.shape[0]` in the place of `config.n`.",
    ),
    "what a helper reads": (
        "def mean_of(x):\n    return x / n",
        "dlogits /= n",
        "dlogits = mean_of(dlogits)",
        "`n` is 32, from outside of `backward`.",
        "Begin `backward` with `n = Xb.shape[0]`.",
    ),
    "a tensor": (
        "index = Xb.flatten()",
        "index_add_(0, Xb.flatten(),",
        "index_add_(0, index,",
        "`index` is the notebook's own, from outside of `backward`.",
        "Work out `index` in `backward`, from what it is given.",
    ),
    "a line of the forward pass": (
        "",
        "    logits = h @ W2 + b2\n",
        "",
        "`logits` is the notebook's own, from outside of `backward`.",
        "Work out `logits` in `backward`, from what it is given.",
    ),
    "a list of parameters": (
        "",
        "embcat = C[Xb]",
        "embcat = parameters[0][Xb]",
        "`parameters[0]` is the notebook's own, from outside of `backward`.",
        "Use the parameter `C` of `backward` in the place of `parameters[0]`.",
    ),
    "a number that is written there": (
        "",
        "dlogits /= n",
        "dlogits /= 32",
        "`32` is written into `backward`, where the number of rows belongs.",
        "Work it out from the minibatch itself: `Xb.shape[0]`.",
    ),
    "a number that is made of it": (
        "",
        "n / (n - 1) * bnraw",
        "n / 31 * bnraw",
        "`31` is written into `backward`, where the number of rows less 1 belongs.",
        "Work it out from the minibatch itself: `Xb.shape[0]`.",
    ),
}


@pytest.mark.parametrize(("before", "old", "new", "told", "step"), OUTSIDE.values(), ids=OUTSIDE)
@pytest.mark.parametrize("effort", [PRACTICE, EXAM], ids=["check", "grade"])
def test_what_fits_this_minibatch_only_is_said_first(
    here: Lesson, judged: Judged, effort: Effort, before: str, old: str, new: str, told: str, step: str
) -> None:
    here.run(before)
    judged(old, new, source=here.solutions[BY].replace(N, "") if old == FIRST_LINE else "")
    verdict = judge(claim(here.session, Question("dC", BY)), effort)
    assert verdict.outcome is Outcome.WRONG
    assert re.fullmatch(
        re.escape(f"{told} So `backward` works on this minibatch, but ") + r"(stops|is wrong) on another one of \d+ rows\.",
        verdict.diagnosis,
    )
    assert (verdict.next_step, verdict.mistake) == (step, M.BATCH)


CHANGED = {
    "a number": (
        "n = 5",
        N,
        "",
        "`n` is 5, from outside of `backward`. In the forward pass it was 32.",
        "Begin `backward` with `n = Xb.shape[0]`.",
    ),
    "a tensor": (
        "logits = logits[:, :3]",
        "    logits = h @ W2 + b2\n",
        "",
        "`logits` is the notebook's own, from outside of `backward`. A cell has changed that since the forward pass.",
        "Work out `logits` in `backward`, from what it is given.",
    ),
}


@pytest.mark.parametrize(("before", "old", "new", "told", "step"), CHANGED.values(), ids=CHANGED)
def test_what_was_overwritten_outside_is_said(
    here: Lesson, judged: Judged, before: str, old: str, new: str, told: str, step: str
) -> None:
    kept = dict(here.shell.user_ns)
    here.run(before)
    try:
        verdict = judged(old, new)
    finally:
        here.shell.user_ns.update(kept)
    assert (verdict.outcome, verdict.diagnosis, verdict.next_step) == (Outcome.WRONG, told, step)


def test_a_factor_of_our_own_numbers_of_rows_is_no_cause(here: Lesson, judged: Judged) -> None:
    judged("dlogits /= n", "dlogits /= int('3' + '2')")
    verdict = judge(claim(here.session, Question("dW2", BY)), PRACTICE)
    assert verdict.diagnosis == (
        "Right on this minibatch, but not on another one of 64 rows with other parameters. "
        "In `backward`, `dlogits` is the first that is wrong."
    )
    assert verdict.next_step == "Does `dlogits` use the number of rows? Take that from the minibatch itself."


@pytest.mark.parametrize("before", ["", "units = 32\n"])
def test_what_is_as_large_by_chance_is_no_cause(here: Lesson, judged: Judged, before: str) -> None:
    """The eps is what is wrong: that the function reads a 32 besides, or has one written into it, makes no difference."""
    here.run(before)
    verdict = judged("+ 1e-5) ** -0.5", "+ 0 * (units if 'units' in globals() else 32)) ** -0.5")
    assert verdict.diagnosis.endswith("In `backward`, `bnvar_inv` is not what the forward pass gives.")


RELEASED = [
    ("backprop/4-train", "dC", "backward"),
    ("bigrams/3-train", "dW", "gradient"),
    ("mlp/3-train", "dC", "backward"),
    ("wavenet/3-train", "dembedding", "backward"),
]


@pytest.mark.parametrize(("notebook", "name", "by"), RELEASED)
def test_the_order_of_the_call_is_that_of_the_released_first_line(
    notebook: str, name: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By position a function is called in this order, which is read off the notebook and not off the student's cell."""
    path = ROOT / "source" / f"{notebook}.ipynb"
    monkeypatch.chdir(path.parent)
    cells = read_cells(path)
    last = next(number for number, cell in enumerate(cells) if is_forward(cell.source))
    shell = fresh_shell()
    for cell in cells[: last + 1]:
        result = shell.run_cell(cell.source) if cell.role is Role.LOCKED or cell.solves else None
        assert result is None or result.success
    (solution,) = (cell for cell in cells if cell.id == by)
    (function,) = (node for node in ast.parse(solution.source).body if isinstance(node, ast.FunctionDef))
    kind = claim(of(shell), Question(name, by))
    assert isinstance(kind, BackwardFunction)
    assert kind.order == [argument.arg for argument in function.args.args]


def test_a_minibatch_from_outside_is_found_where_nothing_else_depends_on_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each row has the same share, a mean over the rows twice is that over the rows."""
    monkeypatch.chdir(ROOT / "source" / "bigrams")
    shell = fresh_shell()
    for cell in read_cells(Path("3-train.ipynb")):
        if cell.role is Role.LOCKED and cell.id in {"setup", "names", "forward"}:
            assert shell.run_cell(cell.source).success
    shell.run_cell(
        "def gradient(x, y, W):\n    dlogits = F.softmax(W[xs], 1) - F.one_hot(ys, W.shape[1])\n"
        "    return torch.zeros_like(W).index_add_(0, xs, dlogits / len(xs))"
    )
    verdict = judge(claim(of(shell), Question("dW", "gradient")), PRACTICE)
    assert verdict.diagnosis == (
        "`xs` and `ys` are the notebook's own, from outside of `gradient`. "
        "So `gradient` works on this minibatch, but is wrong on another one of 64 rows."
    )
    assert verdict.next_step == "Use the parameter `x` of `gradient` in the place of `xs`."


SIGNATURES = {
    "other names": OTHERS + UNPACKED,
    "starred": f"def backward(*args):\n{ORDER.format('args')}",
    "starred in part": f"def backward(Xb, Yb, *weights):\n{ORDER.format('Xb, Yb, *weights')}",
    "by position only": FIRST_LINE.replace("):", ", /):"),
    "a default": FIRST_LINE.replace("):", ", eps=1e-5):"),
    "a default of a name of the notebook": FIRST_LINE.replace("):", ", vocab_size=1):"),
    "an extra keyword": FIRST_LINE.replace("):", ", *, lr=0.1, **more):"),
    "some other names": FIRST_LINE.replace("bngain, bnbias", "gain, bias") + "    bngain, bnbias = gain, bias\n",
}


@pytest.mark.parametrize("line", SIGNATURES.values(), ids=SIGNATURES)
@pytest.mark.parametrize("name", ["dC", "dW2", "dbnbias"])
def test_parameters_are_bound_by_position_where_their_names_are_others(judged: Judged, line: str, name: str) -> None:
    verdict = judged(FIRST_LINE, line, name)
    assert verdict.outcome is Outcome.RIGHT, verdict
    assert len(verdict.notes) == 1


def test_a_mapping_may_have_the_function_s_own_names(here: Lesson, judged: Judged) -> None:
    own = "    return dict(demb=dC, w1=dW1, bias1=db1, w2=dW2, bias2=db2, gain=dbngain, dbias=dbnbias)"
    source = here.solutions[BY].replace(RETURN, own)
    for name in ("dC", "dW1", "dbnbias"):
        assert judged(FIRST_LINE, OTHERS + UNPACKED, name, source).outcome is Outcome.RIGHT


def test_another_order_is_right_and_told(judged: Judged) -> None:
    verdict = judged(FIRST_LINE, "def backward(C, W1, b1, W2, b2, bngain, bnbias, Xb, Yb):\n")
    assert verdict.outcome is Outcome.RIGHT
    assert verdict.notes[1:] == (
        "Other cells may call it by position, as `backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias)`: "
        "keep that order in its first line.",
    )


WHOLE = "`backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias)`"
BACK = "Put the first line back: `def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):`."
ADD = "Add {}, so that the line is `def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):`."
UNFIT = "The first line of `backward` does not fit the call: by position it gets 9 values, in this order."
UNCALLABLE = {
    "one is missing": (
        "def backward(Xb, Yb, C, W1, b1, W2, b2, bngain):\n",
        ("The parameter `bnbias` is missing from the first line of `backward`.", "", "", ADD.format("it")),
    ),
    "two are missing": (
        "def backward(Yb, C, W1, b1, W2, b2, bnbias):\n",
        ("The parameters `Xb` and `bngain` are missing from the first line of `backward`.", "", "", ADD.format("them")),
    ),
    "a list": ("def backward(Xb, Yb, parameters):\n", (UNFIT, "`backward(Xb, Yb, parameters)`", WHOLE, BACK)),
    "one too many": (
        "def backward(X, Y, C, W1, b1, W2, b2, bngain, bnbias, lr):\n",
        (UNFIT, "`backward(X, Y, C, W1, b1, W2, b2, bngain, bnbias, lr)`", WHOLE, BACK),
    ),
    "in another order": (
        "def backward(C, X, Y, *rest):\n",
        (UNFIT, "`backward(C, X, Y, *rest)`", WHOLE, BACK),
    ),
}


@pytest.mark.parametrize(("line", "told"), UNCALLABLE.values(), ids=UNCALLABLE)
@pytest.mark.parametrize("name", ["dC", "dbnbias"])
def test_a_first_line_that_does_not_fit_is_described(judged: Judged, line: str, told: tuple[str, ...], name: str) -> None:
    verdict = judged(FIRST_LINE, line, name)
    assert verdict.outcome is Outcome.COULD_NOT_TELL
    assert (verdict.diagnosis, verdict.seen, verdict.expected, verdict.next_step) == told


RETURN = "    return dC, dW1, db1, dW2, db2, dbngain, dbnbias"
RETURNED = {
    "the loss too": (
        RETURN.replace("return", "return 1.0,"),
        "`backward` returns 8 values, and there are 7 gradients.",
        "type `tuple` of length 8",
    ),
    "too few": (RETURN.replace(", dbnbias", ""), "`backward` does not return them all.", "type `tuple` of length 6"),
    "other keys": ("    return dict(a=dC, b=dW1)", "`backward` does not return them all.", "type `dict` with the keys a, b"),
}


@pytest.mark.parametrize(("line", "diagnosis", "seen"), RETURNED.values(), ids=RETURNED)
def test_what_is_returned_in_another_form_is_described(judged: Judged, line: str, diagnosis: str, seen: str) -> None:
    verdict = judged(RETURN, line)
    assert (verdict.outcome, verdict.diagnosis, verdict.seen) == (Outcome.WRONG, diagnosis, seen)
    assert verdict.expected == "7 gradients, of C, W1, b1, W2, b2, bngain, bnbias, in this order"
    assert verdict.next_step == "End `backward` with `return dC, dW1, db1, dW2, db2, dbngain, dbnbias`."


def test_dots_that_are_returned_are_no_answer_yet(judged: Judged) -> None:
    verdict = judged("return dC,", "return ...,")
    assert (verdict.outcome, verdict.diagnosis) == (Outcome.NOT_ATTEMPTED, "`backward` returns `...` for it.")


WRAPPED = {
    "decorated": "@torch.no_grad()\n{}",
    "decorated twice": (
        "import functools\ndef same(f):\n    return functools.wraps(f)(lambda **k: f(**k))\n@same\n@torch.no_grad()\n{}"
    ),
    "remembering": "import functools\n@functools.lru_cache\n{}",
    "beside a method of its name": "class Net:\n    def backward(self):\n        return 3\n{}",
    "inside of a condition": "if True:\n    pass\n{}",
}


@pytest.mark.parametrize("wrapping", WRAPPED.values(), ids=WRAPPED)
def test_a_function_is_looked_into_in_any_form(here: Lesson, wrapping: str) -> None:
    here.run(wrapping.format(here.solutions[BY].replace("dlogits /= n", "dlogits /= -n")))
    assert here.verdict("dC", by=BY).diagnosis == PLANTED["a sign"][2]


OPAQUE: dict[str, Callable[[str], str]] = {
    "a lambda": lambda code: "backward = lambda Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias: [C, W1, b1, W2, b2, bngain, bnbias]",
    "made by code": lambda code: f"exec({code!r})",
    "made by a function": lambda code: f"def make():\n{indent(code, '    ')}\n    return backward\nbackward = make()",
    "a method": lambda code: f"class Net:\n{indent(code, '    ')}\nbackward = Net.backward",
    "an object": lambda code: "class Net:\n    def __call__(self, Xb, Yb, C):\n        return -C\nbackward = Net()",
    "a partial": lambda code: (
        "import functools\ndef wrong(sign, Xb, Yb, C):\n    return sign * C\nbackward = functools.partial(wrong, -1)"
    ),
    "a decorator that is gone": lambda code: f"def same(f):\n    return f\n@same\n{code}\ndel same",
    "a decorator that works once": lambda code: (
        f"used = []\ndef once(f):\n    assert not used\n    used.append(f)\n    return f\n@once\n{code}"
    ),
}


@pytest.mark.parametrize("wrapped", OPAQUE.values(), ids=OPAQUE)
def test_a_function_that_cannot_be_looked_into_is_wrong_all_the_same(here: Lesson, wrapped: Callable[[str], str]) -> None:
    result, _ = here.run(wrapped(here.solutions[BY].replace("dlogits /= n", "dlogits /= -n")))
    assert result.success, result.error_in_exec
    verdict = here.verdict("dC", by=BY)
    assert verdict.outcome is Outcome.WRONG
    assert verdict.diagnosis and verdict.next_step


def test_a_generator_function_returns_too_little(judged: Judged) -> None:
    verdict = judged("return dC, dW1", "yield dC, dW1")
    assert (verdict.outcome, verdict.diagnosis) == (Outcome.WRONG, "`backward` does not return them all.")


def test_a_function_in_another_style_has_no_cause_but_its_place(here: Lesson) -> None:
    here.run(ANOTHER_BACKWARD.replace(") / rows\n", ") / rows * -1\n"))
    verdict = here.verdict("dC", by=BY)
    assert verdict.outcome is Outcome.WRONG
    assert verdict.diagnosis == "It has the wrong sign."


NESTED = """\
def tenth(x):
        dh = x / 10
        dhprebn = embcat
        return dh
    dh = 10 * tenth(dlogits) @ W2.T"""


def test_names_of_a_function_inside_are_not_those_of_the_function(judged: Judged) -> None:
    assert judged("dh = dlogits @ W2.T", NESTED).outcome is Outcome.RIGHT
    inner = "def go(x):\n        dh = 3 * x\n        return dh @ W2.T / 3\n    "
    here = judged("dh = dlogits @ W2.T\n", f"{inner}dhout = go(dlogits)\n").diagnosis
    assert "`backward` stops" in here  # `dh` is not bound any more
    verdict = judged(
        "dh = dlogits @ W2.T\n    dW2 = h.T @ dlogits\n    db2 = dlogits.sum(0)\n    dhpreact = (1.0 - h**2) * dh",
        f"{inner}dW2 = h.T @ dlogits\n    db2 = dlogits.sum(0)\n    dhpreact = -(1.0 - h**2) * go(dlogits)",
    )
    assert verdict.diagnosis == f"{first('dhpreact')} It has the wrong sign."
