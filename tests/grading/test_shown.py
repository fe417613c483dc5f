"""A page for the instructor, or for the student, is made of every record, whatever the notebook had that was handed in."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import nbgrader
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from traitlets.config import Config

from autograder.grading.restore import restore
from autograder.grading.salvage import read_leniently
from autograder.grading.sanitise import number_from_metadata

ROOT = Path(__file__).resolve().parents[2]
FORMGRADER = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader"
STATES = "application/vnd.jupyter.widget-state+json"
ODD: list[Any] = ["text", 5, None, True, [], ["a", 5], {}, {"a": {"b": [1]}}, {"name": 5}, {STATES: 5}, {STATES: {"0": {}}}]


@pytest.fixture(scope="module")
def exporter() -> HTMLExporter:
    """What makes pages of feedback, with the configuration of the course."""
    config = Config()
    file = ROOT / "nbgrader_config.py"
    exec(compile(file.read_text(encoding="utf-8"), file, "exec"), {"get_config": lambda: config, "__file__": str(file)})
    config.HTMLExporter.template_name = "feedback"
    config.HTMLExporter.extra_template_basedirs = [str(FORMGRADER / "templates")]
    config.HTMLExporter.extra_template_paths = [str(FORMGRADER / "static" / "node_modules" / "bootstrap" / "dist" / "css")]
    return HTMLExporter(config=config)


def page(exporter: HTMLExporter, nb: NotebookNode) -> str:
    about = {"notebook": "n", "score": 1.0, "max_score": 2.0, "late_penalty": 0}
    html: str = exporter.from_notebook_node(nb, {"nbgrader": about, "metadata": {"name": "n", "path": "."}})[0]
    return html


def handed_in(nb: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """A notebook as it is when it has been read and put back, and the notes."""
    found = read_leniently(nbformat.writes(nb).encode())
    notes = restore(found.nb, {})
    return found.nb, [*found.failures, *found.notes, *notes]


def notebook() -> NotebookNode:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "a widget"}
    shown = [new_output("display_data", view), new_output("stream", text="printed")]
    cells = [new_code_cell("%%bash\nls", outputs=shown, id="code"), new_markdown_cell("text", id="text")]
    return new_notebook(cells=[*cells, new_raw_cell("raw", id="raw")], nbformat_minor=5)


def test_a_notebook_as_jupyter_writes_it_stays_as_it_is(exporter: HTMLExporter) -> None:
    nb = notebook()
    nb.metadata.widgets = {STATES: {"state": {}, "version_major": 2}}
    nb.cells[2].metadata.raw_mimetype = "text/html"
    found, notes = handed_in(deepcopy(nb))
    assert (found, notes) == (nb, [])
    assert "a widget" in page(exporter, found)


@pytest.mark.parametrize("key", ["widgets", "title", "authors", "toc"])
def test_metadata_of_a_notebook_stop_no_page(exporter: HTMLExporter, key: str) -> None:
    for value in ODD:
        nb = notebook()
        nb.metadata[key] = value
        assert "printed" in page(exporter, handed_in(nb)[0]), value


@pytest.mark.parametrize("key", ["raw_mimetype", "transient", "magics_language", "alt", "filenames", "slideshow"])
def test_metadata_of_cells_stop_no_page(exporter: HTMLExporter, key: str) -> None:
    for value in [*ODD, {"remove_source": True}]:
        nb = notebook()
        for cell in nb.cells:
            cell.metadata[key] = value
        html = page(exporter, handed_in(nb)[0])
        assert "printed" in html, value
        assert "ls" in html, value


def test_what_is_removed_is_said_once() -> None:
    nb = notebook()
    nb.metadata.widgets = {STATES: {"0": {}}}
    for cell in nb.cells:
        cell.metadata.update(transient=5, raw_mimetype=[1], tags=["mine"])
    found, notes = handed_in(nb)
    listed = "`raw_mimetype`, `transient`, `widgets`"
    assert notes == [f"The notebook had metadata of which no page can be made ({listed}): they were removed."]
    assert [cell.metadata for cell in found.cells] == [{"tags": ["mine"]}] * 3


@pytest.mark.parametrize(
    "attachments",
    [None, {}, {"a.png": {}}, {"a.png": {"application/json": [1]}}, {"a.png": {"image/png": "<b>"}}, {"b.png": {"x": "y"}}],
    ids=str,
)
def test_pictures_that_are_not_attached_stop_no_page(exporter: HTMLExporter, attachments: Any) -> None:
    text = "leftmost ![a plot](attachment:a.png) ![](attachment:) ![b](attachment:none.png) rightmost"
    nb = notebook()
    nb.cells[1] = new_markdown_cell(text, id="text", **({} if attachments is None else {"attachments": attachments}))
    nb.cells[0].outputs.append(new_output("display_data", {"text/markdown": text}))
    html = page(exporter, handed_in(nb)[0])
    assert html.count("leftmost") == html.count("rightmost") == 2
    assert html.count('alt="a plot"') == 2


def test_a_picture_that_is_attached_shows(exporter: HTMLExporter) -> None:
    nb = notebook()
    nb.cells[1] = new_markdown_cell("![a](attachment:a)", id="text", attachments={"a": {"image/png": "eA=="}})
    assert 'src="data:image/png;base64,eA=="' in page(exporter, handed_in(nb)[0])


def test_markdown_that_cannot_be_rendered_shows_as_it_was_written(
    exporter: HTMLExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> str:
        raise RecursionError

    monkeypatch.setattr(HTMLExporter, "markdown2html", stop)
    nb = notebook()
    nb.cells[1].source = "one < two <script>live</script>"
    html = page(exporter, nb)
    assert "<pre>one &lt; two &lt;script&gt;live" in html


def test_sizes_are_numbers_or_nothing() -> None:
    for about in ODD:
        for metadata in (about, {"width": about}, {"image/png": about}, {"image/png": {"width": about}}):
            found = number_from_metadata({"metadata": metadata}, "width", "image/png")
            assert found is None or isinstance(found, int)
    assert number_from_metadata({"metadata": {"image/png": {"width": 40}}}, "width", "image/png") == 40
