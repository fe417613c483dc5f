"""Asks in an exam: answers run in a room, on cases that nobody has seen, beside the model answer.

None of these tricks earns a mark.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from autograder.asks.ask import parse_ask
from autograder.asks.model import outcome
from autograder.asks.observing import PRACTICE_SEED, cases_of
from autograder.course.questions import Question, answer_of
from autograder.judge.judging import PRACTICE, judge
from autograder.judge.kinds import claim
from tests.examiner.test_examiner import Examined, ExamRunner, kinds, locked, student, test
from tests.support.asked import in_session
from tests.support.rooms import linux

pytestmark = linux

SETUP = "%load_ext autograder\nimport torch\nimport torch.nn.functional as F\nfrom autograder import check, grade, progress"
VALUE = "P(N: counts[v, v])"
FUNCTION = "def total(x: real[n, c])\nwithout: torch.sum"
SAMPLE = (
    "def sample(P: probs[v, v], g: generator)\nrandom: names\nitos = {i: '.abcdefgh'[i] for i in range(len(P))}\n"
    "certain: P = torch.eye(3)[[1, 2, 0]]\n"
    "often: P = F.normalize(torch.tensor([[0.0, 0.7, 0.3], [0.5, 0.2, 0.3], [0.6, 0.3, 0.1]]) + P[:3, :3], p=1, dim=1)"
)
TALLY = """class Tally(x: real[n, c], more: real[m, c], n: size[3, 7])
without: torch.sum
def drill(Tally, x, more):
    tally = Tally(x.shape[1])
    yield "the output", tally(x)
    tally(more)
    yield "`total` after 2 batches", tally.total
    yield "`total` of another one", Tally(x.shape[1]).total
"""
TALLY_BACKWARD = """class Tally.backward(x: real[n, c], dout: real[n, c])
def drill(Tally, x, dout):
    tally = Tally(x.shape[1])
    tally(x)
    yield "`dx`", tally.backward(dout)
"""
MODELS = {
    "Tally": (
        "class Tally:\n    def __init__(self, c):\n        self.total = torch.zeros(c)\n"
        "    def __call__(self, x):\n        self.x = x\n        self.total = self.total + x.sum(0)\n        return x**2\n"
        "    def parameters(self):\n        return []\n"
        "    def backward(self, dout):\n        return 2 * self.x * dout"
    ),
    "P": "P = (N + 1) / (N + 1).sum(1, keepdim=True)",
    "total": "def total(x):\n    return x.sum(0)",
    "sample": (
        "def sample(P, g):\n    index, name = 0, ''\n    while True:\n"
        "        index = torch.multinomial(P[index], 1, generator=g).item()\n"
        "        if index == 0:\n            return name\n        name += itos[index]"
    ),
}
MODELS["Tally.backward"] = MODELS["Tally"]
ASKS = {"P": VALUE, "total": FUNCTION, "sample": SAMPLE, "Tally": TALLY, "Tally.backward": TALLY_BACKWARD}
RIGHT = {
    "Tally": MODELS["Tally"],
    "Tally.backward": MODELS["Tally"].replace("2 * self.x", "(self.x + self.x)"),
    "P": MODELS["P"],
    "total": "def total(x):\n    return torch.ones(len(x)) @ x",
    "sample": MODELS["sample"],
}


@pytest.fixture(scope="module")
def examine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamRunner]:
    runner = ExamRunner(tmp_path_factory.mktemp("submission"))
    yield runner
    runner.grader.close()


def answered(examine: ExamRunner, name: str, answer: str, seconds: float = 20) -> Examined:
    return examine(
        locked(SETUP),
        locked("N = torch.tensor([[0, 2], [1, 0]])\nitos = {0: '.', 1: 'a'}\nx = torch.ones(2, 3)"),
        locked(f"%%ask\n{ASKS[name]}"),
        student(answer, answer_of(name)),
        test(f"grade({name!r})"),
        student("progress()"),
        models=MODELS,
        cell_seconds=seconds,
    )


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_is_right(name: str, examine: ExamRunner) -> None:
    told = answered(examine, name, RIGHT[name])
    assert told.errors() == [""] * 6
    assert "1 of 1 right" in told.outputs[5][0]["data"]["text/plain"]


def _recorded() -> str:
    """An answer that knows what is right on all cases of `check`, and nothing else."""
    known = []
    for case in cases_of(parse_ask(VALUE), PRACTICE_SEED):
        N = case.values["N"]
        known.append((N.tolist(), ((N + 1) / (N + 1).sum(1, keepdim=True)).tolist()))
    return (
        f"known = {known}\nP = next((torch.tensor(right) for seen, right in known if seen == N.tolist()), torch.zeros(N.shape))"
    )


def _fingerprinted() -> str:
    """A function that knows the inputs of all cases of `check` by their sum, and cannot add."""
    known = {}
    for case in cases_of(parse_ask(FUNCTION), PRACTICE_SEED):
        x = case.values["x"]
        known[round(float(x.sum()), 4)] = x.sum(0).tolist()
    first = "torch.zeros(x.shape[1])"
    return f"known = {known}\ndef total(x):\n    return torch.tensor(known.get(round(float(x.sum()), 4), {first}.tolist()))"


def _counted() -> str:
    """A function that draws names as often as they come in the cases of `check`, whichever of these is more like the input."""
    certain, *often, _ = cases_of(parse_ask(SAMPLE), PRACTICE_SEED)
    known = [(case.values["P"].tolist(), outcome(case, MODELS["sample"], {"torch": torch})) for case in often]
    return (
        f"known = {known}\ndef sample(P, g):\n    if P[0, 1] == 1:\n"
        f"        return {outcome(certain, MODELS['sample'], {'torch': torch})!r}\n"
        "    counts = min(known, key=lambda each: float((torch.tensor(each[0]) - P).abs().sum()))[1]\n"
        "    drawn = torch.multinomial(torch.tensor([float(n) for n in counts.values()]), 1, generator=g)\n"
        '    return [name.strip("\'") for name in counts][drawn.item()]'
    )


def _knows_the_drill() -> str:
    """A class that has looked up what its drill is to yield in every case of `check`, by the inputs, in the drill's frame."""
    known = {}
    for case in cases_of(parse_ask(TALLY), PRACTICE_SEED):
        x, more = case.values["x"], case.values["more"]
        known[round(float(x.sum()), 4)] = [(x**2).tolist(), (x.sum(0) + more.sum(0)).tolist()]
    return (
        f"import sys\nknown = {known}\nclass Tally:\n    def __init__(self, c):\n        x = sys._getframe(1).f_locals['x']\n"
        "        self.out, total = map(torch.tensor, known.get(round(float(x.sum()), 4), [[0.0], [0.0]]))\n"
        "        is_first = 'tally' not in sys._getframe(1).f_locals\n"
        "        self.total = total if is_first else torch.zeros(c)\n"
        "    def __call__(self, x):\n        return self.out"
    )


def _tally(old: str, new: str) -> str:
    assert old in MODELS["Tally"]
    return MODELS["Tally"].replace(old, new)


TRICKS = {
    "a class that knows the drill": ("Tally", _knows_the_drill()),
    "a class that hands out shapes": ("Tally", _tally("return x**2", "return x.shape")),
    "a class that hands out generators": ("Tally", _tally("return x**2", "return (row**2 for row in x)")),
    "a class that never ends": ("Tally", _tally("return x**2", "\n        while True: pass")),
    "a class with a total for all": (
        "Tally",
        _tally(
            "def __init__(self, c):\n        self.total = torch.zeros(c)",
            "total = 0.0\n    def __init__(self, c):\n        pass",
        ).replace("self.total = self.total", "Tally.total = Tally.total"),
    ),
    "a class that is equal to all": (
        "Tally",
        "class Equal:\n    def __eq__(self, other): return True\n    def __getattr__(self, name): return self\n"
        "    def __call__(self, *_): return self\nTally = Equal()",
    ),
    "a class that ends the drill": ("Tally", _tally("return x**2", "raise StopIteration")),
    "a class that puts itself in the place of the drill's inputs": (
        "Tally",
        "import sys\n"
        + _tally(
            "return x**2", "frame = sys._getframe(1)\n        frame.f_locals.update(x=0 * x, more=0 * x)\n        return 0 * x"
        ),
    ),
    "a class that uses what is switched off": ("Tally", _tally("x.sum(0)", "torch.sum(x, 0)")),
    "a class that asks autograd": (
        "Tally.backward",
        _tally(
            "return 2 * self.x * dout",
            "with torch.enable_grad():\n            x = self.x.clone().requires_grad_()\n"
            "            return torch.autograd.grad((x**2), x, dout)[0]",
        ),
    ),
    "a method that hands out what came in": ("Tally.backward", _tally("return 2 * self.x * dout", "return dout")),
    "what is recorded": ("P", _recorded()),
    "names drawn as often as is recorded": ("sample", _counted()),
    "one draw for all": (
        "sample",
        "import builtins\nimport autograder.replay.answer as answers\nlast = None\n"
        "answers.range = lambda n: builtins.range(1 if n > 12 else n)\n" + MODELS["sample"],
    ),
    "inputs known by a fingerprint": ("total", _fingerprinted()),
    "the notebook's own numbers": ("P", "P = torch.tensor([[0.25, 0.75], [2 / 3, 1 / 3]])"),
    "an object that is equal to all": (
        "P",
        "class Equal:\n    shape = N.shape\n    dtype = torch.float32\n    def __eq__(self, other): return True\n"
        "    def __sub__(self, other): return 0\nP = Equal()",
    ),
    "a tensor that is near to all": (
        "P",
        "class Near(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, function, types, args=(), kwargs=None):\n"
        "        return torch.zeros(())\nP = torch.zeros(N.shape).as_subclass(Near)",
    ),
    "a function that remembers": (
        "total",
        "def total(x, calls=[]):\n    calls.append(x)\n    return torch.ones(len(x)) @ x if len(calls) < 2 else calls[0][0]",
    ),
    "what is switched off": ("total", "def total(x):\n    return torch.sum(x, 0)"),
    "an input changed into what is right for it": ("total", "def total(x):\n    x.zero_()\n    return x[0]"),
    "inputs of a value changed": ("P", "N.fill_(1)\nP = torch.full(N.shape, 1 / len(N))"),
    "a class that changes its inputs": ("Tally", _tally("return x**2", "return x.zero_()")),
    "a class that changes what comes in": ("Tally.backward", _tally("return 2 * self.x * dout", "return dout.zero_()")),
    "a class that changes what it has handed out": (
        "Tally",
        _tally("return x**2", "self.out = getattr(self, 'out', []) + [x.clone()]\n        return self.out[0].zero_()"),
    ),
    "an input changed": ("total", "def total(x):\n    y = torch.ones(len(x)) @ x\n    x.zero_()\n    return y"),
    "a name that is equal to all": (
        "sample",
        "class Name(str):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
        "def sample(P, g):\n    return Name('b')",
    ),
    "one that never ends": ("sample", "def sample(P, g):\n    while True:\n        pass"),
    "the likeliest": (
        "sample",
        "def sample(P, g):\n    index, name = 0, ''\n    while True:\n        index = P[index].argmax().item()\n"
        "        if index == 0:\n            return name\n        name += itos[index]",
    ),
    "a generator of its own": (
        "sample",
        MODELS["sample"].replace("index, name = 0, ''", "index, name = 0, ''\n    g = torch.Generator().manual_seed(1)"),
    ),
    "no generator": ("sample", MODELS["sample"].replace(", generator=g", "")),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_it_earns_nothing(trick: str, examine: ExamRunner) -> None:
    name, answer = TRICKS[trick]
    told = answered(examine, name, answer)
    assert kinds(told)[4] == "NotRight", told.errors()
    (verdict,) = told.verdicts[4]
    assert not verdict.example
    assert not verdict.expected


@pytest.mark.parametrize(
    "trick",
    [
        *("what is recorded", "names drawn as often as is recorded"),
        *("inputs known by a fingerprint", "a class that knows the drill"),
    ],
)
def test_what_knows_the_cases_of_check_is_right_there(trick: str) -> None:
    """The same answers are right on the recorded cases: the tricks above are real ones."""
    name, answer = TRICKS[trick]
    session = in_session({name: ASKS[name]}, answer, {"N": torch.ones(2, 2), "torch": torch})
    session.models = {name: MODELS[name]}
    assert judge(claim(session, Question(name)), PRACTICE).outcome == "right"


def test_one_that_cannot_be_interrupted_costs_its_own_mark_alone(examine: ExamRunner) -> None:
    endless = (
        "def sample(P, g):\n    while True:\n        try:\n            while True:\n                pass\n"
        "        except BaseException:\n            pass"
    )
    told = answered(examine, "sample", endless, seconds=3)
    assert kinds(told)[4] == "NotRight"
    assert kinds(told)[:4] == [""] * 4
