"""An autograded course in deriving gradients by hand.

In a notebook: `%load_ext autograder`, then `from autograder import check`.
Nothing is imported before it is used: `autograder --help` does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from autograder.course.dataset import build_dataset, load_names, vocabulary
    from autograder.notebook.api import check, exam_generator, grade, hint, progress, solution

__version__ = "0.1.0"
__all__ = ["build_dataset", "check", "exam_generator", "grade", "hint", "load_names", "progress", "solution", "vocabulary"]

_HOMES = {
    "build_dataset": "autograder.course.dataset",
    "check": "autograder.notebook.api",
    "exam_generator": "autograder.notebook.api",
    "grade": "autograder.notebook.api",
    "hint": "autograder.notebook.api",
    "load_names": "autograder.course.dataset",
    "progress": "autograder.notebook.api",
    "solution": "autograder.notebook.api",
    "vocabulary": "autograder.course.dataset",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'autograder' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Called by IPython for `%load_ext autograder`."""
    from autograder.notebook.extension import load

    load(shell)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Asked for by Jupyter's server, by `notebook/server.json`."""
    return [{"module": "autograder.notebook.on_path"}]
