"""The form in which notebooks are committed: with a map of the work, and so that Run All goes on."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from xml.etree import ElementTree

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.course import notebooks
from autograder.course.cells import GOES_ON, cell_of, read_cells
from autograder.course.questions import has_forward
from autograder.errors import ContentError
from autograder.lint.committed import MAP, committed
from autograder.notebook.box import COLOURS
from autograder.notebook.gradient_map import chart, chart_of_lines
from autograder.notebook.map_view import QUIET
from autograder.tape.tape import parse_forward
from autograder.verdict import Outcome
from scripts.submissions import ROOT
from tests.support.maps import NOT_ATTEMPTED as NOT_YET
from tests.support.maps import RESIDUAL, SOFTMAX, all_of, tape

SOURCES = sorted((ROOT / "source").glob("*/*.ipynb"))
FORWARD = "%%forward\nh = x @ W\nlogits = h @ V\nside = h.sum()\nloss = logits.mean()"
SVG = "{http://www.w3.org/2000/svg}"


def cell(name: str, source: str, **flags: bool) -> NotebookNode:
    settings = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3, "grade_id": name}
    return new_code_cell(source, id=name, metadata={"nbgrader": {**settings, **flags}})


def notebook(*asked: str, forward: str = FORWARD) -> NotebookNode:
    """A forward pass, and an answer and a test for each name, with a plot between them."""
    pairs = [
        made
        for name in asked
        for made in (
            cell(name, f"{name} = 1", solution=True),
            new_code_cell(f"plot({name})", id=f"plot-{name}"),
            cell(f"test-{name}", f'check("{name}")', grade=True, locked=True),
        )
    ]
    title = new_markdown_cell("# Title", id="title")
    return new_notebook(cells=[title, cell("setup", "x = 1", locked=True), cell("forward", forward, locked=True), *pairs])


def named(nb: NotebookNode, name: str) -> NotebookNode:
    return next(each for each in nb.cells if each.id == name)


def pictures(nb: NotebookNode) -> list[dict[str, str]]:
    """The colours of the boxes in each picture of the map, by the names in them."""
    found = []
    for part in named(nb, MAP).source.split("data:image/svg+xml;base64,")[1:]:
        root = ElementTree.fromstring(b64decode(part.partition('"')[0]))
        fills = [element.attrib["fill"] for element in root.iter(f"{SVG}rect")]
        found.append(dict(zip((str(element.text) for element in root.iter(f"{SVG}text")), fills, strict=True)))
    return found


BLUE = COLOURS[Outcome.NOT_ATTEMPTED]


class TestMap:
    def test_it_stands_below_the_title_and_shows_what_is_asked_for(self) -> None:
        made = committed(notebook("dlogits", "dV", "dW"))
        assert [each.id for each in made.cells][:3] == ["title", MAP, "setup"]
        assert pictures(made) == [{"loss": QUIET, "dlogits": BLUE, "dV": BLUE, "dh": QUIET, "dW": BLUE}]
        assert made.cells[1].source.startswith(
            "## The map\n\nEach blue box is a gradient that you derive here, from the loss down: "
            "it is worked out from those that lead into it.\nGrey ones are not asked for.\n"
            "`progress()` shows the same map with what is right so far.\n\n<img "
        )

    def test_its_alternative_says_the_same(self) -> None:
        source = named(committed(notebook("dlogits", "dV", "dW")), MAP).source
        assert source.split('alt="')[1].split('"')[0] == (
            "From the loss down: dlogits (from loss), dV (from dlogits), dh (from dlogits), dW (from dh)."
        )

    def test_where_all_is_asked_for_nothing_is_said_of_grey(self) -> None:
        assert "Grey" not in named(committed(notebook("dlogits", "dh", "dV")), MAP).source

    def test_it_stays_where_it_was_moved_and_follows_the_tests(self) -> None:
        made = committed(notebook("dlogits"))
        made.cells.append(made.cells.pop(1))
        made.cells += notebook("dh").cells[3:]
        again = committed(made)
        assert [each.id for each in again.cells] == [each.id for each in made.cells]
        assert pictures(again) == [{"loss": QUIET, "dlogits": BLUE, "dh": BLUE}]

    def test_of_two_forward_passes_each_has_a_picture(self) -> None:
        nb = notebook("dh", "da")
        nb.cells.insert(3, cell("other", "%%forward\na = y * 2\nend = a.sum()", locked=True))
        assert [list(picture) for picture in pictures(committed(nb))] == [["loss", "dlogits", "dh"], ["end", "da"]]

    @pytest.mark.parametrize("forward", ["x = 1", "%%forward\nh[0] = 1", "%%forward\nh = (", "%%forward\nother = x.sum()"])
    def test_without_a_forward_pass_that_is_asked_about_there_is_none(self, forward: str) -> None:
        assert MAP not in [each.id for each in committed(notebook("dh", forward=forward)).cells]

    def test_it_is_no_code_and_nbgrader_does_not_know_it(self) -> None:
        found = named(committed(notebook("dh")), MAP)
        assert (found.cell_type, found.metadata) == ("markdown", {})

    @pytest.mark.parametrize("source", [SOFTMAX, RESIDUAL])
    def test_it_is_the_map_that_is_shown_once_the_pass_has_run(self, source: str) -> None:
        forward = tape(source)
        standings = all_of(forward, NOT_YET)
        lines = {step.name: step.reads for step in parse_forward(source)}
        found, later = chart_of_lines(lines, standings), chart(forward, standings)
        assert {node.name: node for node in found.nodes} == {node.name: node for node in later.nodes}
        assert [node.name for node in found.nodes if not node.leaf] == [node.name for node in later.nodes if not node.leaf]


class TestGoingOn:
    def test_all_code_from_the_first_answer_on_is_tagged_and_none_above(self) -> None:
        nb = notebook("dh", "dW")
        nb.cells.insert(4, new_markdown_cell("words", id="words"))
        tagged = [each.id for each in committed(nb).cells if GOES_ON in each.metadata.get("tags", [])]
        assert tagged == ["dh", "plot-dh", "test-dh", "dW", "plot-dW", "test-dW"]

    def test_other_tags_stay(self) -> None:
        nb = notebook("dh")
        named(nb, "dh").metadata["tags"] = ["mine"]
        named(nb, "setup").metadata["tags"] = [GOES_ON]
        made = committed(nb)
        assert named(made, "dh").metadata.tags == ["mine", GOES_ON]
        assert named(made, "setup").metadata.tags == [GOES_ON]

    def test_a_notebook_that_asks_for_nothing_stays_as_it_is(self) -> None:
        nb = notebook()
        assert committed(nb) == notebooks.normalised(nb)


def test_it_is_a_fixed_point_and_the_original_stays() -> None:
    nb = notebook("dlogits", "dV")
    once = committed(nb)
    assert nb == notebook("dlogits", "dV")
    assert once != nb
    assert committed(once) == once


def test_two_cells_of_one_name_are_an_error_all_the_same() -> None:
    nb = notebook("dh")
    nb.cells.append(nb.cells[-1])
    with pytest.raises(ContentError, match="two cells have the id `test-dh`"):
        committed(nb)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_notebooks_of_the_course_are_committed_so(path: Path) -> None:
    nb = notebooks.read(path)
    assert path.read_text(encoding="utf-8") == notebooks.to_text(committed(nb)), "run `autograder normalise`"
    is_there = any(cell.id == MAP and cell.cell_type == "markdown" for cell in nb.cells)
    assert is_there == has_forward(read_cells(path))
    released = notebooks.read(ROOT / "release" / path.parent.name / path.name)
    for cell in notebooks.code_cells(released):
        assert (GOES_ON in cell.metadata.get("tags", [])) == (GOES_ON in named(nb, cell.id).metadata.get("tags", []))
        assert not cell_of(cell).solves or GOES_ON in cell.metadata.tags
    if is_there:
        assert named(released, MAP) == named(nb, MAP)
