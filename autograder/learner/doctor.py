"""What is installed here, what works, and what will be as in the video and what not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from autograder.course import names
from autograder.errors import ContentError
from autograder.learner import checker

PACKAGES = ("torch", "numpy", "ipython", "jupyterlab", "ipykernel", "matplotlib", "watchfiles", "nbgrader")
OPTIONAL = {"nbgrader": "not installed: only courses need it"}

LECTURE_ROWS = (
    ("names of variables, formulas", "same", "You derive what the lecture derives, under the same names."),
    ("the list of names", "{names}", "{names_why}"),
    ("C, W1, b1, W2, b2", "same", "The same generator, seed and order, as long as the names have 26 letters."),
    ("bngain, bnbias", "other numbers", "The lecture draws them without the generator, so every run of it has others."),
    ("the minibatch", "other numbers", "It is drawn after bngain and bnbias here, and from this list of names."),
    ("the first loss", "about the same", "Near 3.3, what a network has that knows nothing: the logarithm of 27."),
    ("`exact: True` in the lecture's `cmp`", "not everywhere", "{exact}"),
    ("the largest difference", "about the same", "Around 1e-9 is rounding. Here it never makes an answer wrong."),
    ("the dev loss after training", "about the same", "About 2.11 after 200,000 steps, as in most notebooks of others."),
    ("names that are sampled", "other names", "`torch.multinomial` draws otherwise since torch 2."),
)
"""What, whether it is as in the video, and why. Words in braces are filled in for the machine."""

WITH_FUSED = (
    "torch computes with {} here: a multiplication and an addition may be rounded once instead of twice, "
    "so that from `dhpreact` down the last bits differ from autograd's. That is no mistake."
)
WITHOUT_FUSED = "Here it may be: torch computes without fused multiplications and additions ({})."


@dataclass(frozen=True)
class Condition:
    """One thing that was looked at; `remedy` is what to do about it, empty where all is well."""

    what: str
    found: str
    remedy: str = ""


def findings() -> Iterator[Condition]:
    """What a learner's machine has."""
    yield Condition("Python", platform.python_version(), "" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer.")
    yield Condition("system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    for package in PACKAGES:
        yield _package(package)
    yield from _processor()
    reason = checker.without_rooms()
    yield Condition("rooms (bubblewrap)", "they work" if not reason else f"none: {reason}")
    yield _names()


def lecture_rows() -> Iterator[tuple[str, str, str]]:
    """The rows of LECTURE_ROWS for this machine; none where torch or the names are missing, which `findings` report."""
    try:
        import torch

        capability = torch.backends.cpu.get_cpu_capability()
        is_lecture = names.list_checksum() == names.LECTURE_SHA256
    except (ImportError, OSError, ContentError):
        return
    words = {
        "names": "same" if is_lecture else "other names",
        "names_why": "It is the lecture's." if is_lecture else "It is of 2017: `autograder names --lecture` gets the other.",
        "exact": (WITHOUT_FUSED if capability == "DEFAULT" else WITH_FUSED).format(capability),
    }
    for what, same, why in LECTURE_ROWS:
        yield what, same.format(**words), why.format(**words)


def _package(name: str) -> Condition:
    try:
        return Condition(name, version(name))
    except PackageNotFoundError:
        if name in OPTIONAL:
            return Condition(name, OPTIONAL[name])
        return Condition(name, "missing", f"Install it: pip install {name}")


def _processor() -> Iterator[Condition]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Condition("torch works", f"no: {error}", "Install it again: pip install --force-reinstall torch")
        return
    yield Condition("processor", f"{os.cpu_count()} cores, torch computes with {torch.backends.cpu.get_cpu_capability()}")
    yield Condition("threads of torch", f"{torch.get_num_threads()}; one while you are checked, as in grading")


def _names() -> Condition:
    try:
        found = names.list_checksum()
    except ContentError as error:
        return Condition("names", "missing", str(error))
    if title := names.list_title(found):
        return Condition("names", f"{title}, as it should be (sha256 {found[:12]}…)")
    return Condition("names", f"a list of your own (sha256 {found[:12]}…)")
