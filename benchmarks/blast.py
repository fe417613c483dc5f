"""What one bad cell costs the rest: the blast radius of faults, ours beside stock nbgrader's in the same run."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from rich.progress import track

from scripts.demo import PATH
from scripts.submissions import ROOT, graded_cell

SECONDS = 15
"""For a cell that does not end."""
LONGEST = 120
"""Seconds for a command."""
ANSWERS = 4
BAD = 1
"""The number of the answer in which the fault is, from 0; the answers before and after it are right."""
MEMORY = 6 * 2**30
"""Bytes of address space for stock nbgrader, so that the fault of memory does not reach beyond it."""

STOCK = f"c = get_config()\nc.CourseDirectory.course_id = 'blast'\nc.Execute.timeout = {SECONDS}\n"
OURS = f"\nc.Execute.timeout = {SECONDS}\nc.CourseDirectory.course_id = 'blast'\n"

SEARCH = r"""
import re, os
marker = re.compile(rb"HIDDEN-" + rb"[0-9a-f]{32}")
found = 0
for line in open("/proc/self/maps"):
    place, rights = line.split()[:2]
    start, end = (int(each, 16) for each in place.split("-"))
    if rights[0] == "r" and end - start < 2**31:
        try:
            with open("/proc/self/mem", "rb") as memory:
                memory.seek(start)
                found += sum(map(len, marker.findall(memory.read(end - start))))
        except OSError:
            pass
# the folder of the course where the cell runs in it; in a room, all of it but the system's own files
for path, names, files in os.walk("../../.."):
    names[:] = [name for name in names if name not in {"usr", "lib", "lib64", "proc", "sys", "site-packages"}]
    for name in files:
        try:
            with open(os.path.join(path, name), "rb") as file:
                found += sum(map(len, marker.findall(file.read(2**24))))
        except OSError:
            pass
print("bytes of hidden tests:", found)
"""


def answer(number: int) -> str:
    return f"def f{number}(x):\n    return x + {number}"


FAULTS = {
    "endless loop": "while True:\n    pass",
    "endless loop that ignores interrupts": "import signal as s\ns.signal(s.SIGINT, s.SIG_IGN)\nwhile True:\n    pass",
    "`sys.exit()`": "import sys\nsys.exit()",
    "`os._exit(0)`": "import os\nos._exit(0)",
    "a warning": "def f1(x):\n    import warnings\n    warnings.warn('deprecated')\n    return x + 1",
    "all memory": "hoard = []\nwhile True:\n    hoard.append(bytearray(2**28))",
    "kill of the parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
    "search for hidden tests": f"{answer(BAD)}\n{SEARCH}",
}


@dataclass(frozen=True)
class Damage:
    """Marks of the notebook with the fault and of another student's, and bytes of hidden tests that it read."""

    own: float
    other: float
    read: str


def source() -> NotebookNode:
    """A notebook with a few functions to write, each with a test of ordinary asserts."""
    cells = []
    for number in range(ANSWERS):
        solution = f"### BEGIN SOLUTION\n{answer(number)}\n### END SOLUTION"
        secret = f"assert f{number}(2) == {2 + number}, 'HIDDEN-{secrets.token_hex(16)}'"
        hidden = f"### BEGIN HIDDEN TESTS\n{secret}\n### END HIDDEN TESTS"
        test = f"assert f{number}(1) == {1 + number}\n{hidden}"
        cells.append(graded_cell(f"f{number}", solution, solution=True))
        cells.append(graded_cell(f"test-f{number}", test, grade=True, locked=True, points=1))
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return new_notebook(cells=cells, metadata=kernel)


def damage(fault: str, config: str, limited: bool) -> Damage:
    """Grades a class of two: one student with the fault, and after it one without."""
    with TemporaryDirectory() as folder:
        course = Path(folder, "course")
        (course / "source/work").mkdir(parents=True)
        nbformat.write(source(), course / "source/work/functions.ipynb")
        (course / "nbgrader_config.py").write_text(config, encoding="utf-8")
        nbgrader(course, "generate_assignment", "work")
        for student, bad in (("a-fault", FAULTS[fault]), ("b-honest", answer(BAD))):
            nb = nbformat.read(course / "release/work/functions.ipynb", as_version=4)
            for each in nb.cells:
                number = each.id.removeprefix("f")
                if number.isdigit():
                    each.source = bad if int(number) == BAD else answer(int(number))
            target = course / f"submitted/{student}/work"
            target.mkdir(parents=True)
            nbformat.write(nb, target / "functions.ipynb")
        nbgrader(course, "autograde", "work", limited=limited)
        marks = {student: score(course, student) for student in ("a-fault", "b-honest")}
        return Damage(marks["a-fault"], marks["b-honest"], printed(course))


def nbgrader(course: Path, *arguments: str, limited: bool = False) -> None:
    """Runs a command of nbgrader, which may fail: what it did is in the gradebook."""
    limit = f"ulimit -v {MEMORY // 1024}; " if limited else ""
    command = ["bash", "-c", f"{limit}exec {sys.executable} -m nbgrader {' '.join(arguments)}"]
    with (
        subprocess.Popen(
            command, cwd=course, env={**os.environ, "PATH": PATH}, start_new_session=True, stdout=DEVNULL, stderr=DEVNULL
        ) as process,
        suppress(subprocess.TimeoutExpired),
    ):
        process.wait(LONGEST)
    with suppress(ProcessLookupError):  # what a killed command left behind
        os.killpg(process.pid, signal.SIGKILL)


def score(course: Path, student: str) -> float:
    from nbgrader.api import Gradebook, MissingEntry

    with Gradebook(f"sqlite:///{course}/gradebook.db", course_id="blast") as gradebook:
        try:
            return float(gradebook.find_submission("work", student).score)
        except MissingEntry:
            return 0.0


def printed(course: Path) -> str:
    """What the search for hidden tests found, if that was the fault. Raises RuntimeError if it did not come to an end."""
    path = course / "autograded/a-fault/work/functions.ipynb"
    nb = nbformat.read(path, as_version=4) if path.is_file() else new_notebook()
    (bad,) = [each for each in nb.cells if each.id == f"f{BAD}"] or [new_code_cell("")]
    if "bytes of hidden tests" not in bad.source:
        return ""
    texts = [output.text for output in bad.outputs if output.get("name") == "stdout"]
    if not texts:
        raise RuntimeError(f"the search for hidden tests did not end: {bad.outputs}")
    return str(texts[0].split()[-1])


def report() -> str:
    """A part of docs/quality.md."""
    ours = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8") + OURS
    done = {fault: (damage(fault, ours, False), damage(fault, STOCK, True)) for fault in track(FAULTS, "faults")}
    rows = [f"| {fault} | {' | '.join(f'{each.own:g} | {each.other:g}' for each in pair)} |" for fault, pair in done.items()]
    read = [each.read for each in done["search for hidden tests"]]
    return PAGE.format(rows="\n".join(rows), marks=ANSWERS, most=ANSWERS - 1, ours=read[0], stock=read[1])


PAGE = """## What does one bad cell cost?

In a notebook of {marks} answers with a mark each, one cell has the fault, and the others are right; another student, graded
after this one, has everything right. So {most} and {marks} marks are fair, and {marks} and {marks} where the fault is a search,
since that answer is right but for what it does besides. The tests are ordinary ones: a warning costs its test the mark on stock
nbgrader, and so it does here, with a note. Both graders in the same run.

| the fault | ours: this notebook | the other student | stock nbgrader: this notebook | the other student |
|---|---|---|---|---|
{rows}

The search goes through all memory of its process and all files in reach for the text of hidden tests.
Bytes that it found: **{ours}** with us, {stock} with stock nbgrader.
"""
