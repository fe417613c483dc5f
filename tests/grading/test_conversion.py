"""From a notebook that was handed in to its record: with as little work as it takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.examiner.exam import CellRecord, Exam, ExamResult
from autograder.grading import conversion
from autograder.grading.course import Course
from autograder.grading.notebook_job import NotebookJob
from autograder.sandbox.limits import Limits
from tests.support.classes import ASSIGNMENT, RIGHT, hand_in, inside, make_course


def test_a_notebook_is_parsed_once_and_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = tmp_path / "course"
    make_course(course)
    file = hand_in(course, "anna", RIGHT) / "first.ipynb"
    with inside(course):
        packed = Course(ASSIGNMENT).assignments(["first"])["first"].packed()
    counts = Counter[str]()

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(nbformat, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            counts[name] += 1
            return real(*args, **kwargs)

        return call

    for name in ("reads", "writes"):
        monkeypatch.setattr(nbformat, name, counted(name))
    held: list[Exam] = []

    def examine(exam: Exam) -> ExamResult:
        held.append(exam)
        return ExamResult([CellRecord() for _ in exam.tasks], ["A note."], seconds={"cells": 1.5})

    job = NotebookJob(packed, "anna", file.read_bytes(), {}, (), "seed", Limits(), True)
    graded = conversion.convert(job, examine)
    assert counts == {"reads": 1, "writes": 1}
    assert [task.id for task in held[0].tasks] == ["setup", "double", "test-double"]
    assert (graded.grades["test-double"], graded.notes, graded.seconds) == (2, ["A note."], {"cells": 1.5})
    assert json.loads(graded.record)["metadata"]["autograder"]["notes"] == ["A note."]
