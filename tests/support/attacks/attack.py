"""One attack, and what many have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

HONEST = {
    "centred": "def centred(x):\n    return x - x.mean(0)",
    "dlogits": """
dlogits = F.softmax(logits, 1)
dlogits[range(n), Y] -= 1
dlogits /= n""",
    "dh": "dh = dlogits @ V.T",
    "dz": "dz = dh * (1 - h**2)",
    "dW": "dW = X.T @ dz",
    "perplexity": "def perplexity(loss):\n    return math.exp(loss)",
    "explain": "The slope of tanh is one minus its square.",
}
"""Right answers, by the ids of their cells."""

WRONG = "dz = dh"
BAD = "def perplexity(loss):\n    return 5.0"
ALL = "centred dlogits dh dz dW perplexity"


@dataclass(frozen=True)
class Attack:
    """What it tries; its answers by cell id; the answers that lose their marks, all others keep theirs.

    `edit` changes the notebook, and `bring` the folder that is handed in, knowing the host's names. `shows` is a pattern that
    what it showed must have, so that it did run, and `noted` one that the notes to the instructor must have.
    `stock` says that all marks are had from an nbgrader without rooms.
    """

    tries: str
    answers: Mapping[str, str] = field(default_factory=dict)
    loses: str = ""
    edit: Callable[[NotebookNode], None] | None = None
    bring: Callable[[Path, Mapping[str, str]], None] | None = None
    shows: str = ""
    noted: str = ""
    stock: bool = False


def at(cell: str, tries: str, source: str, **more: Any) -> Attack:
    """An attack in one cell, which loses that cell's mark and no other."""
    return Attack(tries, {cell: source}, **{"loses": cell, **more})


ATTEMPT = """
def attempt(what, do):
    try:
        print(what, "WORKED", do())
    except BaseException as error:
        print(what, "refused", type(error).__name__)
"""

CHANNEL = """
import gc, os, struct
fd = next(o for o in gc.get_objects() if type(o).__name__ == "Agent").conversation.channel.fileno()
from autograder.examiner.codec import encode
def frame(message):
    text, blob = encode(message, 2**20)
    return struct.pack(">QQ", len(text), len(blob)) + text + blob
"""

SYSCALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def syscall(*numbers):
    if libc.syscall(*numbers) < 0:
        raise OSError(ctypes.get_errno(), "refused")
"""

LIAR = """
class Liar:
    def __getattr__(self, name):
        return lambda *a, **k: self
    def __call__(self, *a, **k):
        return self
    def yes(self, *a):
        return True
    def me(self, *a):
        return self
"""
