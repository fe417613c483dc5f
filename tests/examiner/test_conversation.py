"""Two sides that ask each other, questions within questions."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from autograder.examiner.channel import Channel, Closed, Late, Malformed, TooLarge, Unsendable
from autograder.examiner.conversation import KNOWN, MAX_NESTED_QUESTIONS, Conversation, Failed, after

LARGEST = 2**16
Serve = Callable[[str, Mapping[str, Any]], Any]


class Pair:
    """Two sides; the other one listens in a thread until the connection closes."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.served: dict[str, Callable[..., Any]] = {}
        self.answered: dict[str, Callable[..., Any]] = {"add": lambda a, b: a + b}
        self.here = Conversation(Channel(ours, LARGEST), lambda question, details: self.served[question](**details))
        self.there = Conversation(Channel(theirs, LARGEST), lambda question, details: self.answered[question](**details))
        self.ended: list[BaseException] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        try:
            self.there.listen()
        except BaseException as error:
            self.ended.append(error)
        finally:
            self.there.channel.close()

    def close(self) -> None:
        self.here.channel.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def test_a_question_is_answered(pair: Pair) -> None:
    assert pair.here.ask("add", a=1, b=2) == 3
    assert pair.here.ask("add", a=[1], b=[2]) == [1, 2]


def test_who_listens_ends_when_the_other_side_is_gone(pair: Pair) -> None:
    pair.close()
    assert [type(error) for error in pair.ended] == [Closed]


def test_the_other_side_may_ask_something_back_and_be_asked_again(pair: Pair) -> None:
    """A factorial whose every step is worked out by the other side."""
    pair.served["down"] = lambda n: 1 if n <= 1 else n * pair.here.ask("up", n=n - 1)
    pair.answered["up"] = lambda n: 1 if n <= 1 else n * pair.there.ask("down", n=n - 1)
    assert pair.here.ask("up", n=12) == 479001600
    assert pair.here.ask("add", a=1, b=1) == 2


def test_questions_within_questions_have_an_end(pair: Pair) -> None:
    deepest = [0]

    def down(n: int) -> Any:
        deepest[0] = max(deepest[0], n)
        return pair.here.ask("up", n=n + 1)

    pair.served["down"] = down
    pair.answered["up"] = lambda n: pair.there.ask("down", n=n + 1)
    with pytest.raises((Malformed, Closed)):
        pair.here.ask("up", n=0)
    assert deepest[0] <= 2 * MAX_NESTED_QUESTIONS + 1
    pair.close()
    assert pair.ended


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("k"), SystemExit(3), ZeroDivisionError()])
def test_an_error_there_is_an_error_here(pair: Pair, error: BaseException) -> None:
    def fail() -> None:
        raise error

    pair.answered["fail"] = fail
    with pytest.raises(KNOWN.get(type(error).__name__, Exception)) as caught:
        pair.here.ask("fail")
    assert str(caught.value) == str(error)
    assert type(caught.value).__name__ == type(error).__name__
    assert pair.here.ask("add", a=1, b=2) == 3


def test_a_failure_is_told_from_errors_of_this_side(pair: Pair) -> None:
    pair.here.put("nobody answers this", {})
    with pytest.raises(Failed) as caught:
        pair.here.wait()
    assert isinstance(caught.value.error, KeyError)


def test_an_error_passes_through_a_question_within_a_question(pair: Pair) -> None:
    def fail() -> None:
        raise ValueError("deep down")

    pair.served["fail"] = fail
    pair.answered["ask back"] = lambda: pair.there.ask("fail")
    with pytest.raises(ValueError, match="deep down"):
        pair.here.ask("ask back")


def test_an_answer_that_cannot_be_sent_is_a_failure(pair: Pair) -> None:
    pair.answered["object"] = object
    pair.answered["much"] = lambda: "x" * (2 * LARGEST)
    with pytest.raises(Exception, match="cannot be sent") as caught:
        pair.here.ask("object")
    assert type(caught.value).__name__ == "Unsendable"
    with pytest.raises(Exception, match="bytes") as caught:
        pair.here.ask("much")
    assert type(caught.value).__name__ == "TooLarge"
    assert pair.here.ask("add", a=1, b=2) == 3


def test_a_question_that_cannot_be_sent_was_not_asked(pair: Pair) -> None:
    with pytest.raises(Unsendable):
        pair.here.ask("add", a=object(), b=1)
    with pytest.raises(TooLarge):
        pair.here.ask("add", a="x" * (2 * LARGEST), b="")
    assert pair.here.ask("add", a=1, b=2) == 3


def test_a_late_answer_comes_later(pair: Pair) -> None:
    go = threading.Event()
    pair.answered["slow"] = lambda: go.wait(10)
    pair.here.put("slow", {})
    with pytest.raises(Late):
        pair.here.wait(after(0.05))
    go.set()
    assert pair.here.wait(after(10)) is True


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"ask": 5, "with": {}},
        {"ask": "add"},
        {"ask": "add", "with": [1]},
        {"ask": "add", "with": {1: 2}},
        {"told": 1, "failed": 2},
        {"something": "else"},
    ],
)
def test_what_is_neither_a_question_nor_an_answer_is_malformed(message: dict[str, Any]) -> None:
    ours, theirs = socket.socketpair()
    here, there = Conversation(Channel(ours, LARGEST), lambda *_: None), Channel(theirs, LARGEST)
    try:
        there.send(message)
        with pytest.raises(Malformed):
            here.wait(after(5))
    finally:
        here.channel.close()
        there.close()


@pytest.mark.parametrize("failed", [5, None, {"kinds": 7}, {"kinds": ["ExceptionGroup"]}])
def test_a_failure_without_words_is_a_failure_all_the_same(failed: Any) -> None:
    ours, theirs = socket.socketpair()
    here, there = Conversation(Channel(ours, LARGEST), lambda *_: None), Channel(theirs, LARGEST)
    try:
        there.send({"failed": failed})
        with pytest.raises(Failed):
            here.wait(after(5))
    finally:
        here.channel.close()
        there.close()
