"""Answers without a formula: a student's cell tries values, asks what is said of them, and answers with what it found out.

While `check` in a student's cell was judged on the cases of the exam, each of these rows earned the mark.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from autograder.asks.ask import parse_ask
from autograder.asks.observing import PRACTICE_SEED, cases_of
from autograder.examiner.examiner import MOST_CALLS, MOST_OF_ONE, NO_MORE
from autograder.notebook.checking import SAYS
from tests.examiner.test_examiner import Examined, ExamRunner, kinds, locked, student, test
from tests.support.rooms import linux

pytestmark = linux

SETUP = """%load_ext autograder
import torch
import torch.nn.functional as F
from autograder import check, grade, progress
n = 6
g = torch.Generator().manual_seed(7)
X = torch.randn(n, 3, generator=g)
W = torch.randn(3, 4, generator=g) / 2
Y = torch.tensor([0, 3, 1, 2, 0, 1])
x = torch.tensor([2, 0, 1])"""
FORWARD = """%%forward --batch n X Y
probs = F.softmax(X @ W, 1)
logprobs = probs.log()
loss = -logprobs[range(n), Y].mean()"""
ASKS = {"largest": "def largest(x: index[n, v])", "odd": "def odd(x: index[n, v])"}
MODELS = {"largest": "def largest(x):\n    return int(x.max())", "odd": "def odd(x):\n    return x % 2"}

ROOM = """
import sys, types
from autograder.replay.run import under_way
room = sys.modules.setdefault("room", types.ModuleType("room"))  # a replay copies no module: it is the same there
recorder = get_ipython().display_pub.session

def told(name, call=check):
    "What a call says: the verdict for tools, the text, and the message of the error."
    before, message = len(recorder.messages), ""
    try:
        call(name)
    except Exception as error:
        message = str(error)
    shown = [each["content"]["data"] for each in recorder.messages[before:] if each["msg_type"] == "display_data"]
    del recorder.messages[before:]
    last = shown[-1] if shown else {}
    return last.get("application/vnd.autograder.verdict+json", {}), last.get("text/plain", ""), message
"""

SLOPES = """
room.probs, room.came, room.slope = probs.clone(), None, torch.zeros(n, 4)
room.trial = torch.zeros(n, 4).double()

def answer(dlogprobs, probs):
    if room.trial is not None:
        room.came = dlogprobs.clone() if room.came is None and under_way() else room.came
        return room.trial
    return dlogprobs * room.slope[[int((room.probs == row).all(1).nonzero()[0]) for row in probs]]

def search():
    "The picture has ninths of the largest difference, which one entry makes as large as it likes: so it is a ruler."
    if under_way():
        return
    at = list(range(n)), Y
    low, high = torch.full((n,), -64.0).double(), torch.full((n,), 64.0).double()
    for step in range(43):
        middle, far, ruler = (low + high) / 2, max(0.01, float((high - low).max())), step % n
        room.trial[at] = torch.where(torch.arange(n) == ruler, middle + 9 * far, middle - far)
        heat = told("dprobs")[0].get("heat", ())
        if not heat:
            print("no picture")
            break
        above = torch.tensor([[int(digit) > 1 for digit in row] for row in heat])[at]
        slack, kept = (high - low)[ruler] / 18, (low[ruler].item(), high[ruler].item())
        low = torch.where(above, torch.maximum(low, middle - slack), low)
        high = torch.where(above, high, torch.minimum(high, middle + slack))
        low[ruler], high[ruler] = kept
    room.slope[at] = ((low + high) / 2 / room.came[at]).float()
    room.trial = None
room.answer, room.search = answer, search
"""

TABLE = """
room.table, room.asked, room.last = {}, 0, None

def key(x):
    return tuple(x.tolist())

def known(x):
    room.asked, room.last = room.asked + 1, key(x)
    return room.table.setdefault(key(x), START)

def search():
    for calls in range(1, 1000):
        room.asked = 0
        if not better(NAME):
            break
    print("ended after", calls)
room.known = known
"""

ONE_MORE = """
def better(name):
    "Where it stopped was wrong: the next number is tried there."
    if told(name)[0].get("outcome") != "wrong" or room.table[room.last] > 40:
        return False
    room.table[room.last] += 1
    return True
"""
BY_COUNTING = """
room.most = 0
def better(name):
    "What it is told goes unread until the end: it counts on how many inputs it was run."
    is_right = not told(name)[2]
    if room.asked > room.most:
        room.most = room.asked
    elif is_right or room.asked == 0 or room.table[room.last] > 40:
        return False
    else:
        room.table[room.last] += 1
    return True
"""
BY_TIME = (
    BY_COUNTING.replace("told(name)[2]", "timed(name)")
    + """
import time
def timed(name):
    "The message, after it has worked out the number of inputs from the seconds."
    begin = time.perf_counter()
    message = told(name)[2]
    room.asked = int((time.perf_counter() - begin) / 0.05)
    return message

def known(x):
    time.sleep(0.05)
    room.last = key(x)
    return room.table.setdefault(key(x), 0)
room.known = known
"""
)
BY_THE_MESSAGE = """
import re
room.wrong = {}
def better(name):
    "The message says how many entries are wrong: each is changed in its turn, and changed back where that made it worse."
    count = re.search(r"wrong in (\\d+) of|number is wrong", told(name)[2])
    if not count:
        return False
    answer, now = room.table[room.last], int(count[1] or 1)
    before, place = room.wrong.get(room.last, (now, 0))
    if now > before:
        answer[place - 1] ^= 1
    room.wrong[room.last] = min(now, before), place + 1
    if place < len(answer):
        answer[place] ^= 1
    return place <= len(answer)
"""


class Oracle(NamedTuple):
    """What it asks, the cells that it answers with, and what must be printed, so that it did run."""

    question: str
    cells: tuple[str, ...]
    shows: str


def _table(question: str, how: str, start: str, gives: str) -> tuple[str, ...]:
    tries = TABLE.replace("START", start).replace("NAME", repr(question))
    return ROOM + tries + how, f"def {question}(x):\n    return {gives}\nsearch()"


ORACLES = {
    "the picture of what is wrong": Oracle(
        "dprobs", (ROOM + SLOPES, "dprobs = room.answer(dlogprobs, probs)\nroom.search()"), "no picture"
    ),
    "right or wrong": Oracle("largest", _table("largest", ONE_MORE, "0", "room.known(x)"), "ended after"),
    "on how many inputs it is run": Oracle("largest", _table("largest", BY_COUNTING, "0", "room.known(x)"), "ended after"),
    "how long it takes": Oracle("largest", _table("largest", BY_TIME, "0", "room.known(x)"), "ended after"),
    "how many entries are wrong": Oracle(
        "odd", _table("odd", BY_THE_MESSAGE, "[0] * len(x)", "torch.tensor(room.known(x))"), "ended after"
    ),
}


@pytest.fixture(scope="module")
def examine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamRunner]:
    runner = ExamRunner(tmp_path_factory.mktemp("submission"))
    yield runner
    runner.grader.close()


def graded(
    examine: ExamRunner, question: str, *cells: str, after: Sequence[str] = (), shown: bool = True, seed: str = "seed"
) -> Examined:
    """These cells of a student's, the last of which answers the question, its test, and the cells after it.

    Without `shown` the test has hidden lines only. Three cells stand before them, and a fourth where something is asked for.
    """
    *before, answer = cells
    asks = [f"%%ask\n{ASKS[question]}"] if question in ASKS else []
    return examine(
        *map(locked, [SETUP, FORWARD, *asks]),
        student("dlogprobs = torch.zeros(n, 4)\ndlogprobs[range(n), Y] = -1 / n", "dlogprobs"),
        *map(student, before),
        student(answer, question),
        test(f"check({question!r})" if shown else "", f"grade({question!r})"),
        *map(student, after),
        models=MODELS,
        seed=seed,
        cell_seconds=60,
    )


@pytest.mark.parametrize("name", ORACLES)
def test_it_earns_nothing(examine: ExamRunner, name: str) -> None:
    oracle = ORACLES[name]
    told = graded(examine, oracle.question, *oracle.cells)
    assert kinds(told) == [*[""] * (len(told.outputs) - 1), "NotRight"], told.errors()
    assert oracle.shows in told.shown(len(told.outputs) - 2), told.outputs[-2]


WRONG = "dprobs = -dlogprobs / probs"
TELLS = (
    ROOM
    + """
try:
    check("dprobs")
except Exception as error:
    left = [error.__cause__, error.__context__, getattr(error, "__notes__", None), *error.args, *vars(error).values()]
    print("left:", left)
verdict, text, message = told("dprobs")
print("fields:", sorted(name for name, value in verdict.items() if value))
print("words:", message)
"""
)


class TestWhatIsSaid:
    """What a student's cell is told of a wrong answer."""

    def shown(self, examine: ExamRunner, says: str | None, wrong: str = WRONG) -> str:
        examine.environment = {**os.environ, **({SAYS: says} if says else {})}
        try:
            return graded(examine, "dprobs", f"{wrong}\n{TELLS}", wrong).shown(3)
        finally:
            examine.environment = None

    def test_it_is_the_outcome_and_words(self, examine: ExamRunner) -> None:
        text = self.shown(examine, None)
        words = "dprobs: wrong. It has the wrong sign."
        assert "fields: ['diagnosis', 'mistake', 'name', 'next_step', 'outcome']" in text
        assert f"words: {words}\n" in text, text
        assert f"left: [None, None, None, '{words}'" in text, text

    def test_no_sentence_has_a_number(self, examine: ExamRunner) -> None:
        text = self.shown(examine, None, "dprobs = -0.3 * dlogprobs / probs")
        assert "words: dprobs: wrong." in text
        assert not re.search(r"\d", text.partition("words:")[2]), text

    def test_it_is_no_more_than_hidden_tests_say(self, examine: ExamRunner) -> None:
        text = self.shown(examine, "outcome")
        assert "fields: ['name', 'outcome']" in text
        assert "words: dprobs: wrong.\n" in text


def test_the_map_is_in_the_record_and_not_in_the_room(examine: ExamRunner) -> None:
    """It has what the tests said, on the cases of the exam."""
    show = "print('map:', told('', lambda _: progress())[1])\nprint('end')"
    told = graded(examine, "dprobs", ROOM, WRONG, after=[show])
    assert told.shown(6) == "map: \nend\n"
    assert told.outputs[6][-1]["data"]["text/plain"].startswith("gradient map: 0 of 1 right, 1 wrong")


@pytest.mark.parametrize("says", ["diagnosis", "outcome"])
def test_the_map_says_no_more_than_hidden_tests_do(examine: ExamRunner, says: str) -> None:
    examine.environment = {**os.environ, SAYS: says}
    try:
        told = graded(examine, "dprobs", WRONG, after=["progress()"])
    finally:
        examine.environment = None
    assert ("sign" in told.outputs[-1][-1]["data"]["text/plain"]) is (says == "diagnosis")


MANY = """
for again in range(1000):
    check("dprobs")
print("went on")
"""


class TestHowOften:
    def test_it_is_answered_so_often_and_the_cell_goes_on(self, examine: ExamRunner) -> None:
        told = graded(examine, "dprobs", f"dprobs = dlogprobs / probs\n{MANY}")
        texts = [output["data"]["text/plain"] for output in told.outputs[3] if output["output_type"] == "display_data"]
        assert texts[:MOST_OF_ONE] == [texts[0]] * MOST_OF_ONE
        assert texts[0].startswith("✓ dprobs: right.")
        (last,) = texts[MOST_OF_ONE:]
        assert last == f"→ check: not answered. {NO_MORE}"
        assert told.shown(3) == "went on\n"
        assert told.errors() == [""] * 5
        assert told.notes == ["A student's cell called `check` more often than it is answered while marks are given."]

    def test_another_function_is_no_way_around(self, examine: ExamRunner) -> None:
        source = (
            ROOM + "said = [told('dprobs', lambda name: check(name, f'f{n}'))[2] for n in range(400)]\nprint(said.index(''))"
        )
        assert graded(examine, "dprobs", source, "dprobs = dlogprobs / probs").shown(3) == f"{MOST_OF_ONE}\n"

    def test_all_names_together_are_bounded_too(self, examine: ExamRunner) -> None:
        source = ROOM + "said = [told(f'd{n}')[2] for n in range(400)]\nprint(said.index(''))"
        assert graded(examine, "dprobs", source, "dprobs = dlogprobs / probs").shown(3) == f"{MOST_CALLS}\n"

    def test_a_learner_has_as_many_as_they_like(self, examine: ExamRunner) -> None:
        told = graded(examine, "dprobs", f"dprobs = dlogprobs / probs\n{MANY.replace('1000', '40')}", seed="")
        assert len(told.outputs[3]) == 41
        assert told.notes == []


def test_a_learner_is_told_all(examine: ExamRunner) -> None:
    told = graded(examine, "dprobs", f"{WRONG}\n{TELLS}", WRONG, seed="")
    assert (
        "fields: ['diagnosis', 'expected', 'heat', 'mistake', 'name', 'next_step', 'notes', 'outcome', 'seen', 'where']"
        in told.shown(3)
    )


def test_what_is_right_on_the_cases_of_practice_earns_nothing(examine: ExamRunner) -> None:
    """The verdict in the student's cell is not that of `grade`, though it is the last before it."""
    cases = [case.values["x"] for case in cases_of(parse_ask(ASKS["largest"]), PRACTICE_SEED)]
    known = {tuple(x.tolist()): int(x.max()) for x in cases}
    answer = f"known = {known}\ndef largest(x):\n    return known.get(tuple(x.tolist()), 0)\ncheck('largest')"
    told = graded(examine, "largest", answer, shown=False)
    assert told.outputs[4][0]["data"]["text/plain"].startswith("✓ largest: right.")
    assert kinds(told)[-1] == "NotRight"


def test_hints_and_model_answers_are_not_there(examine: ExamRunner) -> None:
    source = "from autograder import hint, solution\nhint('dprobs')\nsolution('dprobs', anyway=True)"
    told = graded(examine, "dprobs", source, "dprobs = dlogprobs / probs")
    assert told.outputs[3] == []
