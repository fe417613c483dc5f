"""A course of two assignments that are easy to mistake for each other.

`small` has notebooks that are called like the flagship's, with the same first cells and gradients of the same names. Only the
forward passes are others.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_notebook

from autograder.course.cells import read_cells
from autograder.course.notebooks import write
from autograder.lint.committed import committed
from scripts import demo
from scripts.submissions import ROOT, SOURCE, graded_cell
from tests.support.commands import nbgrader

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

PARAMETERS = """\
C = torch.randn((vocab_size, 4), generator=g)
W1 = torch.randn((4 * block_size, 16), generator=g) * 0.2
W2 = torch.randn((16, vocab_size), generator=g) * 0.3"""
FORWARDS = {
    "1-every-gradient": """\
h = torch.sigmoid(C[Xb].view(n, -1) @ W1)
logits = h @ W2
loss = F.cross_entropy(logits, Yb)""",
    "2-cross-entropy": """\
h = torch.tanh(C[Xb].view(n, -1) @ W1)
logits = h @ W2
loss = F.cross_entropy(2 * logits, Yb)""",
}
ANSWERS = {
    "1-every-gradient": {
        "dlogits": "dlogits = (F.softmax(logits, 1) - F.one_hot(Yb, vocab_size)) / n",
        "dh": "dh = dlogits @ W2.T",
    },
    "2-cross-entropy": {"dlogits": "dlogits = 2 * (F.softmax(2 * logits, 1) - F.one_hot(Yb, vocab_size)) / n"},
}
LESSON = """\
[[gradient]]
name = "dh"
through = ["logits"]
hints = ["Only the small assignment says this."]

[[gradient]]
name = "dlogits"
through = ["loss"]
hints = ["The probabilities, and one of them less 1."]
"""


def make_series(folder: Path) -> Path:
    """The checkout's assignment and the small one, in a folder that has `source/` and `release/`."""
    demo.make_course(folder, {})
    for other in (folder / "source").iterdir():
        if other.name != "backprop":
            shutil.rmtree(other)
    shutil.copytree(ROOT / "release/backprop", folder / "release/backprop")
    small = folder / "source/small"
    small.mkdir()
    common = {cell.id: cell.source for cell in read_cells(SOURCE / "2-cross-entropy.ipynb")}
    for name, forward in FORWARDS.items():
        cells = [graded_cell(id, common[id], locked=True) for id in ("setup", "names")]
        cells.append(graded_cell("parameters", PARAMETERS, locked=True))
        cells.append(graded_cell("forward", f"%%forward --batch n Xb Yb\n{forward}", locked=True))
        for answer, source in ANSWERS[name].items():
            hidden = f'from autograder import grade\n\ngrade("{answer}")'
            test = f'check("{answer}")\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS'
            cells.append(graded_cell(answer, f"### BEGIN SOLUTION\n{source}\n### END SOLUTION", solution=True))
            cells.append(graded_cell(f"test-{answer}", test, grade=True, locked=True, points=3))
        metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
        write(committed(new_notebook(cells=cells, metadata=metadata)), small / f"{name}.ipynb")
    (small / "lesson.toml").write_text(LESSON, encoding="utf-8")
    nbgrader(folder, "generate_assignment", "small")
    return folder


def fill_in(path: Path, answers: dict[str, str]) -> None:
    """Writes answers into the cells of a notebook's file."""
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        cell["source"] = answers.get(cell["id"], cell["source"])
    nbformat.write(nbformat.from_dict(content), path)
