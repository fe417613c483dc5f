"""Which cells are run ahead: those whose text shows that they do the same for every student."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course.cells import Cell, Role, read_cells
from autograder.examiner.prefix import locked_prefix
from scripts.submissions import SOURCE

ALONE = [
    "%load_ext autograder\nimport torch\nimport torch.nn.functional as F\n\nfrom autograder import check, hint",
    "x = [n**2 for n in range(5)]\nprint(x)",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    "%%forward --batch n Xb\nh = Xb @ W\nloss = h.mean()",
    "names = load_names()",
    "def f(a):\n    return a.load_state",
]
REACHING = [
    "import os",
    "import helper",
    "from pathlib import Path",
    "from . import x",
    "from torch import load",
    "from torch.hub import load_state_dict_from_url",
    "from torch.utils.data import DataLoader",
    "import torch.hub as h",
    "import torch\ntorch.load('weights')",
    "open('data')",
    "read = open",
    "names = load_names('mine.txt')",
    "names = load_names(path='mine.txt')",
    "exec('x = 1')",
    "check('dx')",
    "def late():\n    return input()",
    "x.__class__",
    "__import__('os')",
    "getattr(torch, 'lo' + 'ad')('weights')",
    "!ls",
    "%run other.py",
    "%%time\nx = 1",
    "%%bash\nls",
    "x = (",
    "x = 1\0",
]


def locked(source: str, id: str = "cell") -> Cell:
    return Cell(id, Role.LOCKED, source)


@pytest.mark.parametrize("source", ALONE)
def test_a_cell_that_stands_alone(source: str) -> None:
    assert locked_prefix([locked(source)]) == [["cell", source]]


@pytest.mark.parametrize("source", REACHING)
def test_a_cell_that_does_not(source: str) -> None:
    assert locked_prefix([locked(source)]) == []


def test_it_ends_before_any_other_cell() -> None:
    first, last = locked("x = 1", "first"), locked("y = 1", "last")
    assert locked_prefix([first, last]) == [["first", "x = 1"], ["last", "y = 1"]]
    assert locked_prefix([first, locked("import os"), last]) == [["first", "x = 1"]]
    for role in (Role.STUDENT, Role.TEST):
        assert locked_prefix([first, Cell("own", role, "z = 1"), last]) == [["first", "x = 1"]]
        assert locked_prefix([Cell("own", role, "z = 1"), first, last]) == []


@pytest.mark.parametrize("path", sorted(SOURCE.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_course_s_notebooks_have_theirs_down_to_the_forward_pass(path: Path) -> None:
    setting = {"numbers"} if path.stem == "0-warm-up" else {"names", "parameters"}
    assert {"setup", *setting, "forward"} <= {id for id, _ in locked_prefix(read_cells(path))}
