"""A course of several assignments: which of them a file is of, and what learners and instructors get to see."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.course import catalogue
from autograder.course.catalogue import Catalogue
from autograder.course.cells import read_cells
from autograder.course.questions import model_answer
from autograder.errors import ContentError
from autograder.learner import locate, workbook
from autograder.learner.checker import Checker
from autograder.learner.watch import Watcher
from autograder.terminal import Terminal
from scripts.submissions import MOST, NOTEBOOKS, RELEASE
from tests.support.learner import MODEL, autograder, lines, runtime
from tests.support.series import ANSWERS, FORWARDS, fill_in, make_series

SMALL = sorted(FORWARDS)


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the fork server of these tests stays."""
    with runtime(tmp_path_factory.mktemp("run") / "own") as place:
        yield place


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_series(tmp_path_factory.mktemp("series") / "course")


@pytest.fixture
def series(course: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Catalogue:
    """The catalogue of both assignments in place of the checkout's. The working folder is an empty one."""
    monkeypatch.setattr(catalogue, "COURSE_ROOTS", (course,))
    monkeypatch.chdir(tmp_path)
    return catalogue.default()


def assignment_of(path: Path, known: Catalogue) -> str:
    """The assignment and notebook that a file comes from."""
    origin = known.origin(path, read_cells(path))
    return f"{origin.assignment.name}/{origin.notebook.stem}" if origin else ""


ALL = [*(f"backprop/{stem}" for stem in NOTEBOOKS), *(f"small/{stem}" for stem in SMALL)]


class TestOrigin:
    def test_the_assignments_are_known_with_their_folders(self, course: Path) -> None:
        known = Catalogue([course / "nowhere", course])
        assert [each.name for each in known.assignments] == ["backprop", "small"]
        assert [f"{path.parent.name}/{path.stem}" for path in known.notebooks] == ALL
        assert known.assignment("small").source == course / "source/small"
        with pytest.raises(ContentError, match=r"^there is no assignment `large`. There are backprop, small.$"):
            known.assignment("large")

    def test_they_come_in_the_order_of_the_course(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the `part` of their lessons; those without one, or with a lesson that cannot be read, by name at the end."""
        assert [each.name for each in catalogue.default().assignments] == ["bigrams", "mlp", "batchnorm", "backprop", "wavenet"]
        catalogue.copy(tmp_path / "mine")
        monkeypatch.chdir(tmp_path / "mine")
        (tmp_path / "mine" / "bigrams" / "lesson.toml").unlink()
        (tmp_path / "mine" / "backprop" / "lesson.toml").write_text("part = ", encoding="utf-8")
        found = [path.parent.name for path in locate.find_notebooks([])]
        assert list(dict.fromkeys(found)) == ["mlp", "batchnorm", "wavenet", "backprop", "bigrams"]

    def test_nothing_that_was_released_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ContentError, match=r"there are no released notebooks in .*/release. In a checkout, `make release`"):
            _ = Catalogue([tmp_path]).assignments
        path = shutil.copy(RELEASE / f"{NOTEBOOKS[1]}.ipynb", tmp_path)
        assert assignment_of(Path(path), Catalogue([tmp_path])) == ""

    @pytest.mark.parametrize("name", ALL)
    @pytest.mark.parametrize("stem", ["{}", "{} (1)", "{}-Copy1", "1-every-gradient", "Untitled"])
    def test_a_file_is_known_by_its_cells(self, series: Catalogue, course: Path, tmp_path: Path, name: str, stem: str) -> None:
        path = tmp_path / f"{stem.format(Path(name).name)}.ipynb"
        shutil.copy(course / "release" / f"{name}.ipynb", path)
        assert assignment_of(path, series) == name

    @pytest.mark.parametrize("name", ALL)
    def test_a_source_is_known_by_its_text(self, series: Catalogue, course: Path, name: str) -> None:
        """Which has no checksums."""
        assert assignment_of(course / "source" / f"{name}.ipynb", series) == name

    def test_of_equals_the_folder_decides(self, course: Path, tmp_path: Path) -> None:
        for name in ("first", "second"):
            shutil.copytree(course / "release/small", tmp_path / "release" / name)
            shutil.copytree(course / "release/small", tmp_path / "mine" / name)
        known = Catalogue([tmp_path])
        for name in ("first", "second"):
            assert assignment_of(tmp_path / f"mine/{name}/1-every-gradient.ipynb", known) == f"{name}/1-every-gradient"
            assert assignment_of(tmp_path / f"release/{name}/1-every-gradient.ipynb", known) == f"{name}/1-every-gradient"

    @pytest.mark.parametrize("stem", ["1-every-gradient", "Untitled"])
    def test_a_file_of_another_course_is_of_none(self, series: Catalogue, course: Path, tmp_path: Path, stem: str) -> None:
        content = json.loads((course / "release/small/1-every-gradient.ipynb").read_text(encoding="utf-8"))
        forward = next(cell for cell in content["cells"] if cell["id"] == "forward")
        forward["metadata"]["nbgrader"]["checksum"] = "0" * 32
        (tmp_path / f"{stem}.ipynb").write_text(json.dumps(content))
        assert assignment_of(tmp_path / f"{stem}.ipynb", series) == ""
        content["cells"] = [cell for cell in content["cells"] if cell["id"] in ("setup", "names")]
        (tmp_path / "Other.ipynb").write_text(json.dumps(content))
        assert assignment_of(tmp_path / "Other.ipynb", series) == ""

    def test_its_own_cells_are_put_back(self, series: Catalogue, course: Path, tmp_path: Path) -> None:
        path = Path(shutil.copy(course / "release/small/1-every-gradient.ipynb", tmp_path / "1-every-gradient (1).ipynb"))
        fill_in(path, {"forward": "%%forward\nloss = C.sum()"})
        read = workbook.open_workbook(path)
        assert read.assignment == "small" and read.restored == ("forward",)
        assert [*read.specifications("")] == [FORWARDS["1-every-gradient"]]


class TestNew:
    def test_each_assignment_has_a_folder(self, series: Catalogue) -> None:
        result = autograder("new")
        assert result.exit_code == 0
        assert sorted(str(path.with_suffix("")) for path in Path("my-backprop").glob("*/*.ipynb")) == [
            f"my-backprop/{name}" for name in ALL
        ]
        assert lines(result)[:-1] == [f"my-backprop/{name}.ipynb" for name in ALL]
        assert "my-backprop is there already" in autograder("new").stderr

    def test_one_assignment_is_in_the_folder_itself(self, series: Catalogue) -> None:
        assert autograder("new", "--assignment", "small").exit_code == 0
        assert autograder("new", "mine", "--assignment", "backprop").exit_code == 0
        assert [path.stem for path in sorted(Path("my-small").glob("*.ipynb"))] == SMALL
        assert [path.stem for path in sorted(Path("mine").glob("*.ipynb"))] == list(NOTEBOOKS)
        assert [file.parent.name for file in locate.find_notebooks(())] == ["my-small"] * 2

    def test_an_assignment_that_is_not_there_is_said(self, series: Catalogue) -> None:
        result = autograder("new", "--assignment", "large")
        assert (result.exit_code, result.stderr) == (2, "Error: there is no assignment `large`. There are backprop, small.\n")
        assert not Path("my-large").exists()

    def test_a_file_in_the_way_is_said(self, series: Catalogue) -> None:
        Path("file").write_text("")
        with pytest.raises(ContentError, match=r"cannot be made .Not a directory.. Give another name"):
            catalogue.copy(Path("file/mine"), series)


@pytest.fixture
def mine(series: Catalogue) -> Path:
    """A learner's folder of both assignments."""
    catalogue.copy(Path("mine"), series)
    return Path("mine")


class TestCourse:
    def test_a_folder_of_folders_is_a_course(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (mine / "notes").mkdir()
        (mine / "notes/broken.ipynb").write_text("{")
        (mine / "Untitled.ipynb").write_text(json.dumps({"cells": []}))
        expected = [f"{name}.ipynb" for name in ALL]
        assert [str(file) for file in locate.find_notebooks([mine])] == [f"mine/{name}" for name in expected]
        monkeypatch.chdir(mine)
        assert [str(file) for file in locate.find_notebooks(())] == expected

    def test_check_shows_it_by_assignments(self, mine: Path) -> None:
        shutil.rmtree(mine / "backprop")
        catalogue.copy(mine / "backprop", name="backprop")
        for stem in (NOTEBOOKS[0], *NOTEBOOKS[3:]):
            (mine / f"backprop/{stem}.ipynb").unlink()
        (mine / "backprop" / f"{NOTEBOOKS[1]}.ipynb").unlink()
        fill_in(mine / "backprop/2-cross-entropy.ipynb", MODEL["2-cross-entropy"])
        fill_in(mine / "small/1-every-gradient.ipynb", {**ANSWERS["1-every-gradient"], "dh": "dh = dlogits @ W2.T / n"})
        fill_in(mine / "small/2-cross-entropy.ipynb", MODEL["2-cross-entropy"])
        result = autograder("check", mine)
        told = lines(result)
        assert result.exit_code == 1
        headings = [
            told.index(line) for line in ("backprop", "backprop: 4 of 4 points. All right!", "small", "small: 3 of 9 points")
        ]
        assert headings == sorted(headings)
        assert told[headings[0] + 2].startswith("2-cross-entropy.ipynb   ███")
        assert told[-1] == "7 of 13 points. Next: dh, in the cell `dh` of mine/small/1-every-gradient.ipynb"
        assert "Only the small assignment says this." not in result.output
        found = json.loads(autograder("check", "--json", mine).stdout)
        assert [(each["assignment"], each["points"], each["of"]) for each in found["notebooks"]] == [
            ("backprop", 4, 4),
            ("small", 3, 6),
            ("small", 0, 3),
        ]
        assert (found["points"], found["of"]) == (7, 13)
        standing = lines(autograder("progress", mine))
        assert standing[0].startswith("backprop  ██░░░") and standing[0].endswith("1 of 45 right, 4 of 44 points")
        small = next(at for at, line in enumerate(standing) if line.startswith("small     ████"))
        assert standing[small].endswith("1 of 3 right, 2 wrong, 3 of 9 points")
        assert standing[small + 1 : small + 3] == ["  Next: dh, in the cell dh of mine/small/1-every-gradient.ipynb", ""]

    def test_the_course_is_seen_from_anywhere_inside(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fill_in(mine / "small/2-cross-entropy.ipynb", ANSWERS["2-cross-entropy"])
        autograder("check", mine / "small/2-cross-entropy.ipynb")
        expected = [
            "backprop  ░░░░░░░░░░░░░░░░░░░░░░░░  0 of 45 right, 0 of 44 points",
            "  · Softmax and cross-entropy go back line by line",
            "small     ████████░░░░░░░░░░░░░░░░  1 of 3 right, 3 of 9 points",
            "  Next: dlogits, in the cell dlogits of {}1-every-gradient.ipynb",
            "1 of 48 right, 3 of 53 points, 0 of 10 objectives",
        ]
        assert {*(line.format("mine/small/") for line in expected)} <= {*lines(autograder("progress", mine))}
        for place, inside in ((mine, "small/"), (Path("small"), ""), (Path("../backprop"), "../small/")):
            monkeypatch.chdir(place)
            told = lines(autograder("progress", "--course"))
            assert {*(line.format(inside) for line in expected)} <= {*told} and told[-1] == expected[-1]
        assert lines(autograder("progress"))[-1].startswith("0 of 44 points. Next: dout")  # of one: its notebooks
        shutil.rmtree("../small")
        assert "  Not begun. To begin: autograder new ../small --assignment small" in lines(autograder("progress", "--course"))

    def test_a_folder_of_all_is_found_from_above(self, series: Catalogue) -> None:
        assert autograder("new", "my-course", "--assignment", "all").exit_code == 0
        assert lines(autograder("progress"))[-1] == "0 of 48 right, 0 of 53 points, 0 of 10 objectives"

    def test_hints_are_those_of_the_assignment(self, mine: Path) -> None:
        told = [autograder("hint", "dh", mine / "small").output for _ in range(6)]
        assert any("Only the small assignment says this." in each for each in told)
        told = [autograder("hint", "dh", mine / "backprop").output for _ in range(6)]
        assert not any("Only the small assignment says this." in each for each in told)

    @pytest.mark.parametrize("verb", ["hint", "solution"])
    def test_a_name_of_several_assignments_has_to_be_chosen(self, mine: Path, verb: str) -> None:
        result = autograder(verb, "dh", mine)
        places = (
            "`autograder {0} dh mine/backprop/1-every-gradient.ipynb`, or `autograder {0} dh mine/small/1-every-gradient.ipynb`"
        )
        assert (result.exit_code, result.output) == (
            2,
            f"Error: `dh` is in more than one assignment. Say which: {places.format(verb)}.\n",
        )

    def test_a_name_to_reset_has_to_be_chosen(self, mine: Path) -> None:
        fill_in(mine / "small/1-every-gradient.ipynb", ANSWERS["1-every-gradient"])
        result = autograder("reset", "dh", mine)
        assert result.exit_code == 2 and "`dh` is in more than one notebook. Say which: " in result.stderr
        assert "`autograder reset dh mine/small/1-every-gradient.ipynb`" in result.stderr
        assert autograder("reset", "dh", mine / "small").exit_code == 0
        assert workbook.open_workbook(mine / "small/1-every-gradient.ipynb").blank == {"dh"}

    def test_the_model_answer_is_that_of_the_assignment(self, mine: Path) -> None:
        small = autograder("solution", "dlogits", mine / "small/2-cross-entropy.ipynb", "--anyway").output
        assert small.strip() == ANSWERS["2-cross-entropy"]["dlogits"]
        flagship = autograder("solution", "dlogits", mine / "backprop/2-cross-entropy.ipynb", "--anyway").output
        assert flagship.startswith("dlogits = F.softmax(logits, 1)")

    def test_of_equal_forward_passes_the_assignment_decides(self, course: Path, tmp_path: Path) -> None:
        forward = FORWARDS["2-cross-entropy"]
        for name, factor in (("first", "2"), ("second", "1 + 1")):
            shutil.copytree(course / "source/small", tmp_path / "source" / name)
            answer = ANSWERS["2-cross-entropy"]["dlogits"].replace("= 2", f"= ({factor})")
            fill_in(
                tmp_path / f"source/{name}/2-cross-entropy.ipynb",
                {"dlogits": f"### BEGIN SOLUTION\n{answer}\n### END SOLUTION"},
            )
        for name, factor in (("first", "2"), ("second", "1 + 1")):
            found = [model_answer(tmp_path, forward, "dlogits", name), model_answer(tmp_path / name, forward, "dlogits")]
            assert all(f"= ({factor})" in str(each) for each in found)

    def test_who_watches_sees_the_assignment(self, mine: Path) -> None:
        for stem in (*NOTEBOOKS[:2], *NOTEBOOKS[3:]):
            (mine / f"backprop/{stem}.ipynb").unlink()
        screen = io.StringIO()
        with Checker() as tutor:
            watching = Watcher(locate.find_notebooks([mine]), tutor, Terminal(file=screen, width=200))
            watching.start()
            assert "backprop: 2-cross-entropy.ipynb" in screen.getvalue()
            watching.press("n")
            assert "small: 1-every-gradient.ipynb" in screen.getvalue()
            watching.press("l")
            assert "small: 0 of 9 points" in screen.getvalue().splitlines()
            watching.press("c")
        shown = [line.rstrip() for line in screen.getvalue().splitlines()]
        assert "small     ░░░░░░░░░░░░░░░░░░░░░░░░  0 of 3 right, 0 of 9 points" in shown
        assert "  Not begun. To begin: open mine/small/1-every-gradient.ipynb" in shown


class TestLint:
    @pytest.mark.long
    def test_all_assignments_are_checked_where_none_is_named(self, course: Path, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(course, tmp_path / "course"))
        for part in ("source", "release"):
            for stem in (NOTEBOOKS[0], *NOTEBOOKS[3:]):
                (folder / part / f"backprop/{stem}.ipynb").unlink()
            (folder / part / f"backprop/{NOTEBOOKS[1]}.ipynb").unlink()
            (folder / part / "backprop/lesson.toml").unlink()
        result = autograder("lint", "--course", folder)
        assert lines(result) == [
            "backprop:",
            f"1 notebook, 1 test, {MOST[2]} points: 0 to fix",
            "small:",
            "2 notebooks, 3 tests, 9 points: 0 to fix",
        ]
        assert result.exit_code == 0
        fill_in(folder / "release/small/2-cross-entropy.ipynb", {"forward": "%%forward\nloss = C.sum()"})
        result = autograder("lint", "--course", folder)
        assert result.exit_code == 1 and "source and release differ" in result.output

    def test_where_there_is_none_it_is_said(self, tmp_path: Path) -> None:
        result = autograder("lint", "--course", tmp_path)
        assert result.output == f"Error: there is no notebook in {tmp_path}/source. Run this in the course's folder.\n"
