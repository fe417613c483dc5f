"""An autograded course in deriving gradients by hand.

In a notebook: `%load_ext autograder`, then `from autograder import check`.
Nothing is imported before it is used: `autograder --help` does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from autograder.dataset import build_dataset, load_names, vocabulary
    from autograder.feedback import check
    from autograder.grading import grade
    from autograder.guidance import hint, solution
    from autograder.overview import progress

__version__ = "0.1.0"
__all__ = ["build_dataset", "check", "grade", "hint", "load_names", "progress", "solution", "vocabulary"]

_HOMES = {
    "build_dataset": "autograder.dataset",
    "check": "autograder.feedback",
    "grade": "autograder.grading",
    "hint": "autograder.guidance",
    "load_names": "autograder.dataset",
    "progress": "autograder.overview",
    "solution": "autograder.guidance",
    "vocabulary": "autograder.dataset",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'autograder' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Called by IPython for `%load_ext autograder`."""
    from autograder.extension import load

    load(shell)
