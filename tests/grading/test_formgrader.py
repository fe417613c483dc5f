"""Formgrader's button grades as the command does, in rooms of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.request import Request, urlopen

import nbformat
import psutil
import pytest

from tests.grading.test_sanitised import (
    ASSIGNMENT,
    CONFIG,
    NOTEBOOK,
    POINTS,
    SECONDS,
    STUDENT,
    Course,
    announced,
    questions,
    server,
)

ROOM = "import os\nanswer = 42\nprint(os.getcwd(), os.listdir('/home') if os.path.isdir('/home') else [])"
"""A right answer that says where it is."""


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Course, dict[str, object]]]:
    """A course whose one submission was graded by the button, and what the server said."""
    course = Course(tmp_path_factory.mktemp("formgraded"))
    course.write("nbgrader_config.py", CONFIG.read_text())
    course.write(f"source/{ASSIGNMENT}/{NOTEBOOK}.ipynb", questions())
    course.run("generate_assignment", ASSIGNMENT)
    release = nbformat.read(course.root / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
    release.cells[0].source = ROOM
    course.write(f"submitted/{STUDENT}/{ASSIGNMENT}/{NOTEBOOK}.ipynb", release)
    with server(course) as process:
        about = announced(course, process)
        address = f"{about['url']}formgrader/api/submission/{ASSIGNMENT}/{STUDENT}/autograde"
        request = Request(address, method="POST", headers={"Authorization": f"token {about['token']}"})
        with urlopen(request, timeout=2 * SECONDS) as answer:
            said = json.load(answer)
        children = psutil.Process(process.pid).children(recursive=True)
        yield course, said
    _, alive = psutil.wait_procs(children, timeout=SECONDS / 4)
    assert alive == [], "the fork server outlived the server"


def test_it_says_that_all_went_well(graded: tuple[Course, dict[str, object]]) -> None:
    assert graded[1]["success"] is True, graded[1]


def test_the_marks_are_there(graded: tuple[Course, dict[str, object]]) -> None:
    from nbgrader.api import Gradebook

    course, _ = graded
    with Gradebook(f"sqlite:///{course.root}/gradebook.db", course_id="backprop-ninja") as gradebook:
        assert gradebook.find_submission(ASSIGNMENT, STUDENT).score == POINTS


def test_it_ran_in_a_room(graded: tuple[Course, dict[str, object]]) -> None:
    course, _ = graded
    record = nbformat.read(course.root / f"autograded/{STUDENT}/{ASSIGNMENT}/{NOTEBOOK}.ipynb", as_version=4)
    assert record.cells[0].outputs[0].text == "/submission []\n"
    assert record.cells[0].execution_count == 1
