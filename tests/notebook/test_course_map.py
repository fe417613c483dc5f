"""The map of the course, as a notebook shows it: what is at hand by the logbooks, what is not, and what comes next."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from autograder.course import catalogue
from autograder.course.cells import body, is_forward, read_cells
from autograder.course.objectives import Asked, Objective
from autograder.notebook import logbook
from autograder.notebook.api import progress
from autograder.notebook.course_map import (
    AssignmentMap,
    CourseMap,
    Standing,
    chart_course,
    course_as_html,
    course_as_text,
    folders_beside,
    read_standings,
)
from autograder.notebook.gradient_map import Status
from autograder.verdict import Outcome, Verdict
from scripts.submissions import hand_in, model_answers
from tests.support.learner import autograder
from tests.support.lesson import Lesson

DX, DY, DW = (Asked("1-first", f"test-{name}", name, name, 2.0) for name in ("dx", "dy", "dW"))
GOALS = (Objective("It goes back", ("dx", "dy")), Objective("It adds < up", ("dy",)), Objective("It learns", ("dW",)))
BEGUN = AssignmentMap("first", {DX: Status.WRONG, DY: Status.RIGHT, DW: Status.WAITING}, GOALS, folder="../first")
DONE = AssignmentMap("done", {DW: Status.RIGHT}, GOALS[2:], folder=".")
FRESH = AssignmentMap("fresh", {DX: Status.NOT_ATTEMPTED}, folder=".")
GONE = AssignmentMap("gone", {DX: Status.NOT_ATTEMPTED}, GOALS[:1], command="autograder new ../gone --assignment gone")
COURSE = CourseMap((BEGUN, DONE, FRESH, GONE))

TEXT = """\
course: 2 of 6 right, 4 of 12 points, 2 of 5 objectives

first  1 of 3 right, 1 wrong, 1 waiting, 2 of 6 points
  · It goes back (1 of 2)
  ✓ It adds < up
  · It learns
  Next: `dx`, in the cell `dx` of `../first/1-first.ipynb`

done   1 of 1 right, 2 of 2 points
  ✓ It learns

fresh  0 of 1 right, 0 of 2 points
  Not begun. To begin: open `1-first.ipynb`

gone   0 of 1 right, 0 of 2 points
  · It goes back
  Not begun. To begin: `autograder new ../gone --assignment gone`

Commands are for a terminal, in the folder of this notebook."""


class TestShown:
    def test_as_text(self) -> None:
        assert course_as_text(COURSE) == TEXT
        assert "Commands are for a terminal" not in course_as_text(CourseMap((BEGUN, DONE, FRESH)))

    def test_as_html_it_says_the_same(self) -> None:
        said: list[str] = []
        styles: set[str] = set()

        class Reader(HTMLParser):
            def handle_data(self, data: str) -> None:
                said.append(data)

            def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
                assert tag in {"div", "b", "code"}
                styles.update(
                    name for _, value in attrs for name in (part.split(":")[0].strip() for part in str(value).split(";"))
                )

        html = course_as_html(COURSE)
        Reader().feed(html)
        letters = re.sub(r"[\s:`]", "", "".join(said))
        assert letters == re.sub(r"[\s:`]", "", TEXT)
        assert styles == {"border-left", "padding", "color", "background-color"}  # the grader's pages keep no others
        assert "It adds &lt; up" in html and html.count("✓") == 2

    def test_an_objective_whose_answers_nobody_asks_for_is_not_reached(self) -> None:
        lost = AssignmentMap("lost", {DX: Status.RIGHT}, (Objective("It is lost", ("dz",)),), folder=".")
        assert "  · It is lost" in course_as_text(CourseMap((lost,)))


class TestAtHand:
    def place(self, folder: Path, *names: str) -> None:
        for name in names:
            catalogue.copy(folder / name, name=name.removeprefix("my-"))

    def test_a_verdict_counts_while_its_answer_stands(self, tmp_path: Path) -> None:
        hand_in(tmp_path / "backprop", {"3-batchnorm": {"dhprebn": "dhprebn = 1"}})
        path = tmp_path / "backprop/3-batchnorm.ipynb"
        specification, _ = (body(cell.source) for cell in read_cells(path) if is_forward(cell.source))

        def state() -> Status:
            found = read_standings([tmp_path / "backprop"])["backprop"].answers
            return next(state for asked, state in found.items() if (asked.notebook, asked.name) == ("3-batchnorm", "dhprebn"))

        assert state() is Status.WAITING  # written, and not checked yet
        for outcome, expected in ((Outcome.RIGHT, Status.RIGHT), (Outcome.WRONG, Status.WRONG)):
            logbook.write_entries(path.parent, {specification: [(Verdict("dhprebn", outcome, ""), "dhprebn = 1")]})
            assert state() is expected
        logbook.write_entries(path.parent, {specification: [(Verdict("dhprebn", Outcome.RIGHT, ""), "dhprebn = 2")]})
        assert state() is Status.WAITING  # changed since
        hand_in(tmp_path / "fresh", {})
        (tmp_path / "fresh" / logbook.PROGRESS_FILE).write_bytes((path.parent / logbook.PROGRESS_FILE).read_bytes())
        assert set(read_standings([tmp_path / "fresh"])["backprop"].answers.values()) == {Status.NOT_ATTEMPTED}

    def test_the_folders_beside_are_those_of_assignments(self, tmp_path: Path) -> None:
        self.place(tmp_path, "mlp", "bigrams")
        for name in ("my-backprop", "photos", "own", ".hidden"):
            (tmp_path / name).mkdir()
        (tmp_path / "own/lesson.toml").write_text("part = 3")
        (tmp_path / ".hidden/lesson.toml").write_text("part = 3")
        found = [folder.name for folder in folders_beside(tmp_path / "mlp")]
        assert found == ["mlp", "bigrams", "own", "my-backprop"]

    def test_what_is_not_there_has_a_command(self, tmp_path: Path) -> None:
        self.place(tmp_path, "bigrams", "my-mlp")
        (tmp_path / "bigrams/2-one-layer.ipynb").unlink()
        (tmp_path / "bigrams/3-train.ipynb").write_text("{")
        here = tmp_path / "bigrams"
        course = chart_course(read_standings(folders_beside(here)), here)
        bigrams, mlp, *others = course.assignments
        assert (bigrams.name, len(bigrams.answers), bigrams.most) == ("bigrams", 16, 27)  # also those that are gone
        assert bigrams.next_step == "Not begun. To begin: open `1-counting.ipynb`"
        assert mlp.next_step == "Not begun. To begin: open `../my-mlp/1-forward.ipynb`"
        assert [each.command for each in others] == [
            f"autograder new ../my-{each.name} --assignment {each.name}" for each in others
        ]
        assert "backprop" in [each.name for each in others] and all(each.objectives for each in course.assignments)

    def test_the_command_makes_what_the_map_then_finds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place(tmp_path, "backprop")
        monkeypatch.chdir(tmp_path / "backprop")
        before = chart_course(read_standings(folders_beside(Path())), Path())
        for command in filter(None, (each.command for each in before.assignments)):
            assert autograder(*command.split()[1:]).exit_code == 0
        after = chart_course(read_standings(folders_beside(Path())), Path())
        assert not any(each.command for each in after.assignments)
        assert [each.name for each in after.assignments] == [each.name for each in before.assignments]

    def test_another_course_has_no_assignments_of_ours(self, tmp_path: Path) -> None:
        for part, name in ((2, "later"), (1, "sooner")):
            (tmp_path / name).mkdir()
            (tmp_path / name / "lesson.toml").write_text(f'part = {part}\n[[objective]]\nsays = "{name}"\nanswers = ["dx"]')
        found = {name: Standing(tmp_path / name, {DX: Status.RIGHT}) for name in ("later", "sooner")}
        course = chart_course(found, tmp_path)
        assert [(each.name, *each.reached) for each in course.assignments] == [
            ("sooner", ("sooner", 1, 1)),
            ("later", ("later", 1, 1)),
        ]
        (tmp_path / "sooner/lesson.toml").write_text("[[objective")
        assert [each.objectives == () for each in chart_course(found, tmp_path).assignments].count(True) == 1

    def test_of_two_folders_of_an_assignment_the_own_counts(self, tmp_path: Path) -> None:
        self.place(tmp_path, "bigrams", "my-bigrams")
        for name in ("bigrams", "my-bigrams"):
            found = read_standings(folders_beside(tmp_path / name))
            assert found["bigrams"].folder == tmp_path / name


class TestInANotebook:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The kernel's working folder, of one assignment."""
        folder = tmp_path / "backprop"
        hand_in(folder, {})
        monkeypatch.chdir(folder)
        monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
        return folder

    def opened(self, name: str) -> Lesson:
        lesson = Lesson(name, solved=False)
        lesson.shell.user_ns["progress"] = progress
        return lesson

    def shown(self, lesson: Lesson) -> str:
        result, shown = lesson.run('progress("course")')
        assert result.success and result.result is None, result.error_in_exec
        (output,) = shown.outputs
        assert output.data["text/html"].startswith("<div><b>course: ")
        text: str = output.data["text/plain"]
        return text

    def test_what_ran_is_judged_and_remembered(self, folder: Path) -> None:
        lesson = self.opened("3-batchnorm")
        assert "backprop   0 of 45 right, 0 of 44 points" in self.shown(lesson)
        lesson.run(model_answers()["3-batchnorm"]["dhprebn"], "dhprebn")  # the file has not been saved yet
        said = self.shown(lesson).split("\n")
        assert "backprop   1 of 45 right, 6 of 44 points" in said
        assert "  ✓ BatchNorm in one go: less its mean, less its part along the output" in said
        assert "  Next: `dlogprobs`, in the cell `dlogprobs` of `1-every-gradient.ipynb`" in said
        assert "  Not begun. To begin: `autograder new ../bigrams --assignment bigrams`" in said
        assert json.loads((folder / logbook.PROGRESS_FILE).read_text())

    def test_another_notebook_knows_it_by_the_logbook(self, folder: Path) -> None:
        answers = {"3-batchnorm": {"dhprebn": model_answers()["3-batchnorm"]["dhprebn"]}}
        hand_in(folder, answers)
        first = self.opened("3-batchnorm")
        first.run(answers["3-batchnorm"]["dhprebn"], "dhprebn")
        self.shown(first)
        assert "backprop   1 of 45 right, 6 of 44 points" in self.shown(self.opened("2-cross-entropy"))

    def test_it_needs_no_forward_pass(self, folder: Path) -> None:
        lesson = self.opened("3-batchnorm")
        lesson.session.tapes.clear()
        assert "backprop   0 of 45 right" in self.shown(lesson)

    def test_another_word_is_refused_with_those_that_are_known(self, folder: Path) -> None:
        result, _ = self.opened("3-batchnorm").run('progress("all")')
        said = "`progress()` shows this notebook, and `progress(\"course\")` the course: there is no map of 'all'."
        assert str(result.error_in_exec) == said
