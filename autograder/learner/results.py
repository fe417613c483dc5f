"""What came of checking a notebook: a result for each test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograder.course.cells import Cell, does_nothing
from autograder.course.questions import shown_in
from autograder.examiner.exam import CellRecord, Hints, MapNode, is_stderr
from autograder.learner.workbook import Workbook
from autograder.notebook.box import Box, box
from autograder.notebook.gradient_map import STATUS_COLOURS, STATUS_SIGNS, STATUSES, GradientMap, Node, Standing, Status
from autograder.notebook.logbook import first_sentence
from autograder.replay import parsed
from autograder.verdict import WRITTEN, Outcome, Verdict

INCONCLUSIVE = {"NotReady", "OutOfTime", "OutOfMemory", "OutOfFiles", "Died", "Refused", "KeyboardInterrupt"}
"""Errors of a test that say nothing about the answer."""


STDERR = "the test, or what it calls, writes to stderr, such as a warning: nbgrader gives no points for that"


@dataclass(frozen=True)
class Result:
    """What came of a test, on the answer in a cell. `name` is the gradient, or what else it tests.

    `error` is what it stopped with where there is no verdict.
    """

    test: str
    name: str
    answer: str
    points: float
    state: Status
    verdict: Verdict | None = None
    error: str = ""

    @property
    def names(self) -> set[str]:
        """The names by which a learner may ask for it."""
        return {self.name, self.answer, self.test, self.test.removeprefix("test-")}

    @property
    def sentence(self) -> str:
        """What is the matter; nothing for an answer that is right or was not attempted."""
        if self.state in (Status.RIGHT, Status.NOT_ATTEMPTED):
            return ""
        if self.verdict is None:
            return self.error
        seen = self.verdict.seen if self.state is Status.WAITING else ""
        words = _own_words(seen)
        return (f"stopped: {words}" if words else seen) or first_sentence(self.verdict.diagnosis)

    def asking(self, hints: Mapping[str, Hints]) -> Result:
        """The result with the question about its answer, if it is right and there is one."""
        if self.verdict is None or self.state is not Status.RIGHT or self.name not in hints:
            return self
        return replace(self, verdict=replace(self.verdict, question=hints[self.name].question))

    @property
    def question(self) -> str:
        """What to think about, now that it is right; nothing where nothing is asked."""
        return self.verdict.question if self.verdict else ""

    @property
    def box(self) -> Box:
        """All that is known of it."""
        if self.state is Status.NOT_ATTEMPTED and (self.verdict is None or self.verdict.next_step == WRITTEN):
            step = f"Write it in the cell `{self.answer}`, and save the notebook."
            return Box(STATUS_SIGNS[self.state], self.name, self.state, "", [("next", step)], STATUS_COLOURS[self.state])
        if self.verdict:
            return box(self.verdict)
        return Box(STATUS_SIGNS[self.state], self.name, self.state, self.error, (), STATUS_COLOURS[self.state])

    def as_dict(self) -> dict[str, Any]:
        """The result in types that JSON knows."""
        verdict = self.verdict.as_dict() if self.verdict else None
        fields = {"name": self.name, "state": self.state, "points": self.points, "cell": self.answer, "test": self.test}
        return {**fields, "says": self.sentence, "verdict": verdict}


@dataclass(frozen=True)
class Checked:
    """The results of a notebook, in the order of its tests. `maps` are its forward passes as data, by their sources."""

    workbook: Workbook
    results: tuple[Result, ...]
    maps: Mapping[str, Sequence[MapNode]]
    notes: tuple[str, ...] = ()

    @property
    def assignment(self) -> str:
        return self.workbook.assignment

    @property
    def right(self) -> int:
        return sum(result.state is Status.RIGHT for result in self.results)

    @property
    def points(self) -> float:
        return sum(result.points for result in self.results if result.state is Status.RIGHT)

    @property
    def most(self) -> float:
        return sum(result.points for result in self.results)

    @property
    def culprit(self) -> Result | None:
        """The first answer that is there in some form, and not right."""
        return next((each for each in self.results if each.state is not Status.RIGHT and self.is_begun(each)), None)

    def is_begun(self, result: Result) -> bool:
        """Whether there is an answer, or at least something in its cell."""
        return result.state is not Status.NOT_ATTEMPTED or result.answer not in self.workbook.blank

    def updated(self, later: Checked) -> Checked:
        """These results with those of a later check of some of the tests in their place."""
        results = {result.test: result for result in (*self.results, *later.results)}
        tests = [test.id for test in later.workbook.tests]
        return Checked(later.workbook, tuple(results[test] for test in tests), later.maps, later.notes)

    @property
    def graphs(self) -> Iterator[GradientMap]:
        """The gradient maps."""
        standing = {result.name: Standing(result.state, result.sentence) for result in self.results}
        for nodes in self.maps.values():
            yield GradientMap(
                tuple(Node(each.name, standing.get(each.name, Standing()), tuple(each.through), each.leaf) for each in nodes)
            )

    def as_dict(self) -> dict[str, Any]:
        """The notebook in types that JSON knows."""
        place = {"assignment": self.assignment, "notebook": str(self.workbook.path)}
        results = [result.as_dict() for result in self.results]
        return {
            **place,
            "points": self.points,
            "of": self.most,
            "results": results,
            "notes": [*self.workbook.notes, *self.notes],
        }


def about(workbook: Workbook, test: Cell) -> Result:
    """The result of a test that nothing is known of yet."""
    name = next((question.name for question in shown_in(test.source)), test.id.removeprefix("test-"))
    return Result(test.id, name, workbook.answers[test.id], test.points or 0.0, Status.NOT_ATTEMPTED)


def result(workbook: Workbook, test: Cell, record: CellRecord, stopped: Mapping[str, str]) -> Result:
    """What came of a test: the first verdict that is not right, or else what the test stopped with.

    `stopped` are the errors of the cells that stopped: that of its answer tells more than what follows from it.
    """
    found = about(workbook, test)
    error = next((message["content"] for message in record.messages if message["msg_type"] == "error"), None)
    failed = next((verdict for verdict in record.verdicts if verdict.outcome is not Outcome.RIGHT), None)
    if failed and not _is_as_released(workbook, found):
        return replace(found, state=STATUSES[failed.outcome], verdict=failed.when_saved())
    if failed:
        return found
    if error is None and test.id in workbook.plain and any(map(is_stderr, record.messages)):
        return replace(found, state=Status.WRONG, error=STDERR)
    if error is None:
        return replace(found, state=Status.RIGHT, verdict=next((verdict.when_saved() for verdict in record.verdicts), None))
    if found.answer in workbook.blank:
        return found
    if found.answer in stopped:
        return replace(found, state=Status.WRONG, error=f"the cell `{found.answer}` stopped{_reason(stopped[found.answer])}")
    name, text = error["ename"], error["evalue"]
    words = text if text and name in {"AssertionError", *INCONCLUSIVE} else f"{name}: {text}".removesuffix(": ")
    return replace(found, state=Status.WAITING if name in INCONCLUSIVE else Status.WRONG, error=words)


def _is_as_released(workbook: Workbook, found: Result) -> bool:
    """Whether what was judged is code that the release has in the cell for the answer, such as a mistake to find."""
    if found.answer not in workbook.blank or does_nothing(workbook.source(found.answer)):
        return False
    own = (task for task in workbook.tasks if task.id in workbook.written)
    return not any(found.name in parsed.parse_cell(task.source).touches for task in own)


def _reason(error: str) -> str:
    """Why a cell stopped, as the end of a sentence: the error, or where its name is one of ours its words alone."""
    words = _own_words(error)
    return f": {words}" if words else f" with {error}"


def _own_words(error: str) -> str:
    """The words of an error whose name is one of ours; nothing of any other."""
    name, _, words = error.partition(": ")
    return words if name in INCONCLUSIVE else ""
