from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.course.notebooks import code_cells, normalised, read, to_text, write
from autograder.errors import ContentError

NBGRADER = {"grade": False, "grade_id": "dh", "locked": False, "schema_version": 3, "solution": True, "task": False}


def used() -> NotebookNode:
    """A notebook as it lies on a disk after somebody has worked in it."""
    output = new_output("stream", text="hello")
    cell = {"nbgrader": NBGRADER, "tags": ["answer"], "collapsed": True, "jupyter": {"source_hidden": True}}
    return new_notebook(
        cells=[
            new_markdown_cell("# Title", id="title", metadata={"editable": False}),
            new_code_cell("dh = 1", id="dh", metadata=cell, outputs=[output], execution_count=7),
        ],
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3", "env": "secret"},
            "language_info": {"name": "python", "version": "3.11.7"},
            "widgets": {"state": {}},
            "celltoolbar": "Create Assignment",
        },
    )


class TestNormalised:
    def test_outputs_and_counts_are_dropped(self) -> None:
        cell = normalised(used()).cells[1]
        assert cell.outputs == []
        assert cell.execution_count is None

    def test_ids_and_sources_are_kept(self) -> None:
        assert [(cell.id, cell.cell_type, cell.source) for cell in normalised(used()).cells] == [
            ("title", "markdown", "# Title"),
            ("dh", "code", "dh = 1"),
        ]

    def test_of_a_cells_metadata_nbgraders_and_the_tags_are_kept(self) -> None:
        assert [cell.metadata for cell in normalised(used()).cells] == [{}, {"nbgrader": NBGRADER, "tags": ["answer"]}]

    def test_of_the_notebooks_metadata_the_kernel_and_the_language_are_kept(self) -> None:
        assert normalised(used()).metadata == {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }

    def test_a_notebook_without_metadata_gets_none(self) -> None:
        assert normalised(new_notebook(cells=[new_code_cell("1", id="one")])).metadata == {}

    def test_a_picture_in_a_text_is_kept(self) -> None:
        attachments = {"graph.png": {"image/png": "aGVsbG8="}}
        cell = new_markdown_cell("![graph](attachment:graph.png)", id="graph", attachments=attachments)
        (kept,) = normalised(new_notebook(cells=[cell])).cells
        assert kept.attachments == attachments

    @pytest.mark.parametrize(("grade_id", "id"), [("dprobs", "dprobs"), ("d probs", "one"), ("", "one")])
    def test_the_grade_id_is_the_id(self, grade_id: str, id: str) -> None:
        cell = new_code_cell("1", id="one", metadata={"nbgrader": {**NBGRADER, "grade_id": grade_id}})
        assert normalised(new_notebook(cells=[cell])).cells[0].id == id

    def test_two_cells_with_the_same_grade_id_are_an_error(self) -> None:
        cells = [new_code_cell("1", metadata={"nbgrader": {**NBGRADER, "grade_id": "dh"}}) for _ in range(2)]
        with pytest.raises(ContentError) as raised:
            normalised(new_notebook(cells=cells))
        assert str(raised.value) == "two cells have the id `dh`. Give every cell an ID of its own."

    def test_the_original_stays_as_it_is(self) -> None:
        original = used()
        normalised(original)
        assert original == used()

    def test_it_is_valid(self) -> None:
        nbformat.validate(normalised(used()))

    def test_it_is_a_fixed_point(self) -> None:
        once = normalised(used())
        assert normalised(once) == once
        assert to_text(once) == to_text(used())

    @pytest.mark.filterwarnings("ignore:Non-unique cell id")
    def test_a_notebook_from_before_cells_had_ids_gets_the_same_ids_each_time(self, tmp_path: Path) -> None:
        cell = {"cell_type": "code", "source": "x = 1", "metadata": {}, "outputs": [], "execution_count": 1}
        path = tmp_path / "old.ipynb"
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell, cell]}))
        ids = [cell["id"] for cell in json.loads(to_text(read(path)))["cells"]]
        assert "" not in ids
        assert len(set(ids)) == 2
        assert to_text(read(path)) == to_text(read(path))

    @pytest.mark.parametrize("version", [(4, 5), (3, 0)], ids=["4.5", "3.0"])
    def test_cells_that_lack_ids_get_the_same_ones_at_every_reading(self, tmp_path: Path, version: tuple[int, int]) -> None:
        cell = {"cell_type": "code", "source": "1", "input": "1", "language": "python", "metadata": {}, "outputs": []}
        cells = [{**cell, "execution_count": None, **({"id": id} if id else {})} for id in ("", "cell-2", "", "mine")]
        content = {"nbformat": version[0], "nbformat_minor": version[1], "metadata": {}, "cells": cells}
        path = tmp_path / "lacking.ipynb"
        path.write_text(json.dumps({**content, "worksheets": [{"cells": cells, "metadata": {}}]}))
        expected = ["cell-1", "cell-2", "cell-3", "mine" if version == (4, 5) else "cell-4"]
        assert [cell["id"] for cell in read(path).cells] == expected
        assert read(path) == read(path)


class TestFiles:
    def test_what_is_written_is_read_again(self, tmp_path: Path) -> None:
        write(used(), tmp_path / "used.ipynb")
        assert read(tmp_path / "used.ipynb") == normalised(used())

    def test_the_file_ends_with_one_line_break_and_keeps_other_alphabets(self, tmp_path: Path) -> None:
        write(new_notebook(cells=[new_markdown_cell("∂loss × 李", id="one")]), tmp_path / "one.ipynb")
        text = (tmp_path / "one.ipynb").read_bytes().decode()
        assert "∂loss × 李" in text
        assert text.endswith("}\n")
        assert not text.endswith("\n\n")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("hello", "Notebook does not appear to be JSON: 'hello'"),
            ("", "Notebook does not appear to be JSON: ''"),
            ('{"nbformat": 9}', "Unsupported nbformat version 9"),
            ("[]", ""),
            ("{}", ""),
            ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', ""),
        ],
    )
    def test_a_file_that_is_no_notebook_is_named(self, tmp_path: Path, text: str, reason: str) -> None:
        path = tmp_path / "other.ipynb"
        path.write_text(text)
        with pytest.raises(ContentError) as raised:
            read(path)
        assert str(raised.value).startswith(f"{path} is not a notebook ({reason}")
        assert str(raised.value).endswith("). Take a copy of it that opens in JupyterLab, such as an earlier one.")

    def test_a_file_in_which_two_cells_have_the_same_id_is_named(self, tmp_path: Path) -> None:
        notebook = json.loads(to_text(used()))
        notebook["cells"][0]["id"] = "dh"
        path = tmp_path / "twice.ipynb"
        path.write_text(json.dumps(notebook))
        with pytest.raises(ContentError) as raised:
            read(path)
        assert str(raised.value).startswith(f"{path}: Non-unique cell id 'dh' detected.")
        assert str(raised.value).endswith(" Give every cell an id of its own.")

    def test_a_file_of_bytes_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "other.ipynb"
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ContentError, match="is not a notebook"):
            read(path)

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ContentError, match="No such file"):
            read(tmp_path / "missing.ipynb")


class TestCells:
    def test_code_cells_are_those_with_code(self) -> None:
        assert [cell.id for cell in code_cells(used())] == ["dh"]
