"""What is said of a mistake inside of a function that works out the whole backward pass."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent

import pytest

from autograder.verdict import Mistake, Outcome, Verdict
from scripts.submissions import ANOTHER_BACKWARD
from tests.support.lesson import Lesson

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
        "It stops at `dh = dlogits @ W2`. `W2` has to be transposed, or not to be.",
        M.SHAPE,
    ),
    "something wrong before": (
        "dlogits /= n",
        "dlogits = -dlogits[:, :3]",
        "It stops at `dh = dlogits @ W2.T`. `dlogits` is wrong before that.",
        None,
    ),
    "an unknown name": (
        "dh = dlogits @ W2.T",
        "dh = dlogits @ W3.T @ W4",
        "It stops at `dh = dlogits @ W3.T @ W4`.",
        M.STOPS,
    ),
    "a line of several lines": (
        "dh = dlogits @ W2.T",
        "for i in range(3):\n        dh = dlogits @ W3 @ W4\n",
        "It stops at `for i in range(3):`.",
        M.STOPS,
    ),
    "a helper": (
        "dh = dlogits @ W2.T",
        "def go(x):\n        return x @ W3 @ W4\n    dh = go(dlogits)",
        "It stops at `dh = go(dlogits)`.",
        M.STOPS,
    ),
}


@pytest.mark.parametrize(("old", "new", "told", "mistake"), STOPS.values(), ids=STOPS)
def test_the_line_at_which_a_function_stops_is_named(judged: Judged, old: str, new: str, told: str, mistake: M | None) -> None:
    verdict = judged(old, new)
    assert verdict.outcome is Outcome.COULD_NOT_TELL
    assert verdict.diagnosis.startswith(f"`backward` stops before it returns anything. {told}")
    assert mistake is None or (verdict.mistake, verdict.diagnosis[-len(told) :]) == (mistake, told)
    assert verdict.next_step and verdict.seen


def test_to_stop_is_no_way_to_mend_a_line(judged: Judged) -> None:
    """`+=` stops before it spoils what is right already, and so it is not what the line should have been."""
    verdict = judged("dlogits /= n", "dlogits /= n\n    dlogits = dlogits[:, :3]")
    assert "overwrites what was there" not in verdict.diagnosis


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
