"""What came of checking a notebook: a result for each test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograder.graph import STATES, GradientMap, Node, Standing, State
from autograder.homework import Homework, asked
from autograder.logbook import first_sentence
from autograder.marks import MARKS, SIGNS
from autograder.paper import Message, Task
from autograder.rendering import JSON, Box, box
from autograder.verdict import WRITE, Outcome, Verdict

UNTOLD = {"NotReady", "OutOfTime", "Died", "Refused", "KeyboardInterrupt"}
"""Errors of a test that say nothing about the answer."""


@dataclass(frozen=True)
class Result:
    """What came of a test, on the answer in a cell. `name` is the gradient, or what else it tests.

    `error` is what it stopped with where there is no verdict.
    """

    test: str
    name: str
    answer: str
    points: float
    state: State
    verdict: Verdict | None = None
    error: str = ""

    @property
    def names(self) -> set[str]:
        """What it goes by."""
        return {self.name, self.answer, self.test, self.test.removeprefix("test-")}

    @property
    def sentence(self) -> str:
        """What is the matter; nothing where all is well, or nothing there."""
        if self.state in (State.RIGHT, State.NOT_ATTEMPTED):
            return ""
        if self.verdict is None:
            return self.error
        return (self.state is State.WAITING and self.verdict.seen) or first_sentence(self.verdict.diagnosis)

    @property
    def box(self) -> Box:
        """All that can be said."""
        if self.state is State.NOT_ATTEMPTED and (self.verdict is None or self.verdict.next_step == WRITE):
            step = f"Write it in the cell `{self.answer}`, and save the notebook."
            return Box(SIGNS[self.state], self.name, self.state, "", [("next", step)], MARKS[self.state])
        if self.verdict:
            return box(self.verdict)
        return Box(SIGNS[self.state], self.name, self.state, self.error, (), MARKS[self.state])

    def as_dict(self) -> dict[str, Any]:
        """The result in types that JSON knows."""
        verdict = self.verdict.as_dict() if self.verdict else None
        fields = {"name": self.name, "state": self.state, "points": self.points, "cell": self.answer, "test": self.test}
        return {**fields, "says": self.sentence, "verdict": verdict}


@dataclass(frozen=True)
class Checked:
    """The results of a notebook, in the order of its tests. `maps` are its forward passes as data, by their sources."""

    homework: Homework
    results: tuple[Result, ...]
    maps: Mapping[str, Sequence[Sequence[Any]]]
    notes: tuple[str, ...] = ()

    @property
    def right(self) -> int:
        return sum(result.state is State.RIGHT for result in self.results)

    @property
    def is_right(self) -> bool:
        return self.right == len(self.results)

    @property
    def points(self) -> float:
        return sum(result.points for result in self.results if result.state is State.RIGHT)

    @property
    def most(self) -> float:
        return sum(result.points for result in self.results)

    @property
    def culprit(self) -> Result | None:
        """The first answer that is there in some form, and not right."""
        return next((each for each in self.results if each.state is not State.RIGHT and self.is_begun(each)), None)

    def is_begun(self, result: Result) -> bool:
        """Whether there is an answer, or at least something in its cell."""
        return result.state is not State.NOT_ATTEMPTED or result.answer not in self.homework.blank

    def updated(self, later: Checked) -> Checked:
        """With the results of a later check of some tests."""
        results = {result.test: result for result in (*self.results, *later.results)}
        tests = [test.id for test in later.homework.tests]
        return Checked(later.homework, tuple(results[test] for test in tests), later.maps, later.notes)

    @property
    def graphs(self) -> Iterator[GradientMap]:
        """The gradient maps."""
        standing = {result.name: Standing(result.state, result.sentence) for result in self.results}
        for nodes in self.maps.values():
            yield GradientMap(
                tuple(Node(name, standing.get(name, Standing()), tuple(through), leaf) for name, through, leaf in nodes)
            )

    def as_dict(self) -> dict[str, Any]:
        """The notebook in types that JSON knows."""
        path, results = str(self.homework.path), [result.as_dict() for result in self.results]
        return {"notebook": path, "points": self.points, "of": self.most, "results": results, "notes": list(self.notes)}


def about(homework: Homework, test: Task) -> Result:
    """The result of a test that nothing is known of yet."""
    name = next((name for name, _ in asked(test.source)), test.id.removeprefix("test-"))
    return Result(test.id, name, homework.answers[test.id], homework.points[test.id], State.NOT_ATTEMPTED)


def result(homework: Homework, test: Task, messages: Sequence[Message]) -> Result:
    """What the messages of a test say."""
    found = about(homework, test)
    verdicts = [
        Verdict.of(message["content"]["data"][JSON])
        for message in messages
        if message["msg_type"] == "display_data" and JSON in message["content"]["data"]
    ]
    error = next((message["content"] for message in messages if message["msg_type"] == "error"), None)
    short = next((verdict for verdict in verdicts if verdict.outcome is not Outcome.RIGHT), None)
    if short:
        return replace(found, state=STATES[short.outcome], verdict=short)
    if error is None:
        return replace(found, state=State.RIGHT, verdict=verdicts[0] if verdicts else None)
    if found.answer in homework.blank:
        return found
    name, text = error["ename"], error["evalue"]
    words = text if text and name in {"AssertionError", *UNTOLD} else f"{name}: {text}"
    return replace(found, state=State.WAITING if name in UNTOLD else State.WRONG, error=words)
