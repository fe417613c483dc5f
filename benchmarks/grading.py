"""Writes docs/grading.md: how long it takes to grade a class, in four ways, side by side in one run."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory

import click
import torch

from autograder.course.cells import Role, read_cells
from autograder.examiner import capture
from autograder.forkserver.server import warm_up
from autograder.sandbox.limits import Limits
from autograder.sandbox.room import Room
from scripts import demo
from scripts.submissions import NOTEBOOKS, ROOT, STUDENTS, Answers
from tests.support.classes import differences, state

VISITS = 21
"""Rooms that are built to measure one."""
JOBS = 2
ORDER = ("grade", "ours", "stock", "ours", "grade")
"""The machine may be faster or slower in the quarter of an hour that stock takes: the others come before and after."""
STOCK = """
c.Autograde = type(c)()  # nbgrader's own preprocessors
c.Exporter = type(c)()
"""
STAGES = {
    "room": "rooms: built, entered, closed",
    "cells": "the students' cells, in the rooms",
    "examiner": "the examiner: locked cells, tests, verdicts, and waiting for replays",
}
KINDS = tuple(name for name in STUDENTS if name not in ("perfect", "endless-loop", "copies-grad"))
"""Of which a class consists, beside perfect ones, who are half of it, and a few who copy."""


def students(count: int) -> dict[str, Callable[[], Answers]]:
    """A mixed class: half is perfect, a tenth copies from autograd, and the rest is of all other kinds."""
    kinds = ["perfect" if number % 2 else KINDS[number // 2 % len(KINDS)] for number in range(count)]
    kinds[::10] = ["copies-grad"] * len(kinds[::10])
    return {f"{number:04}-{kind}": STUDENTS[kind] for number, kind in enumerate(kinds)}


def by_nbgrader(course: Path, log: list[str]) -> None:
    demo.nbgrader(course, "autograde", "backprop", on_line=log.append)


def by_us(course: Path, log: list[str]) -> None:
    program = [
        sys.executable,
        "-c",
        "from autograder.cli.main import main; main()",
        "grade",
        "backprop",
        f"--jobs={JOBS}",
        "--json",
    ]
    done = subprocess.run(program, cwd=course, capture_output=True, text=True, env={**os.environ, "PATH": demo.PATH})
    if done.returncode > 1:
        raise RuntimeError(done.stderr)
    log.append(done.stdout)


def floor(course: Path) -> float:
    """Seconds that the students' cells and the locked ones take in forks of one warm process, and nothing else."""
    torch.set_num_threads(1)  # as in a warm process: threads of torch do not come along into a fork
    shell = capture.start_shell(str(course / "ipython"))
    warm_up(shell)
    began = time.perf_counter()
    for folder in sorted((course / "submitted").glob("*/backprop")):
        for file in sorted(folder.glob("*.ipynb")):
            pid = os.fork()
            if pid == 0:
                os.chdir(folder)
                for number, cell in enumerate(read_cells(file)):
                    if cell.role is not Role.TEST:
                        shell.run(cell.source, cell.id, number, 2**20)
                os._exit(0)
            os.waitpid(pid, 0)
    seconds = time.perf_counter() - began
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # the shell had taken them
    return seconds


@click.command()
@click.option("--count", default=40, show_default=True, help="Submissions of all notebooks.")
def main(count: int) -> None:
    """Grades the same submissions in four ways."""
    with TemporaryDirectory() as folder:
        course = Path(folder, "course")
        demo.make_course(course, students(count))
        config = (course / "nbgrader_config.py").read_text(encoding="utf-8")
        demo.nbgrader(course, "generate_assignment", "backprop")
        (course / "examiner.key").write_text("0" * 64)
        ways: Mapping[str, tuple[Callable[[Path, list[str]], None], str]] = {
            "grade": (by_us, config),
            "ours": (by_nbgrader, config),
            "stock": (by_nbgrader, config + STOCK),
        }
        taken, cpu = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        states, logs = {}, defaultdict[str, list[str]](list)
        for name in ORDER:
            run, settings = ways[name]
            copy = Path(folder, name)
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(course, copy)
            (copy / "nbgrader_config.py").write_text(settings, encoding="utf-8")
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            run(copy, logs[name])
            taken[name].append(time.perf_counter() - began)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            states[name] = state(copy)
            print(f"{name}: {taken[name][-1]:.0f} s, {cpu[name][-1]:.0f} s of processors", flush=True)
        taken["floor"].append(floor(course))
        print(f"floor: {taken['floor'][0]:.0f} s", flush=True)
    seconds = {name: statistics.mean(each) for name, each in taken.items()}
    stages = Counter[str]()
    for told in logs["grade"]:
        for each in json.loads(told)["submissions"]:
            stages.update(each["seconds"])
    rows = [(STAGES[stage], stages[stage] / len(logs["grade"])) for stage in STAGES]
    rest = JOBS * seconds["grade"] - sum(each for _, each in rows)
    rows.append(("all else: starting up, nbgrader's preprocessors, files, the gradebook, processors that wait", rest))
    marks = {name: points(each) for name, each in states.items()}
    text = PAGE.format(
        count=count,
        notebooks=len(NOTEBOOKS),
        jobs=JOBS,
        same="the same" if differences(states["grade"], states["ours"]) == [] else "NOT THE SAME",
        marks=compared(marks["grade"], marks["stock"]),
        rows="\n".join(
            f"| {words} | {seconds[name]:.0f} | {seconds[name] / count:.2f} | {seconds['stock'] / seconds[name]:.1f} |"
            for name, words in WAYS.items()
        ),
        shares="\n".join(f"| {words} | {each:.0f} | {100 * each / (JOBS * seconds['grade']):.0f} % |" for words, each in rows),
        cpu=statistics.mean(cpu["grade"]) / count,
        cells=seconds["floor"] / count,
        visit=1000 * statistics.median(visit() for _ in range(VISITS)),
        visits=VISITS,
        torch=torch.__version__.split("+")[0],
    )
    (ROOT / "docs" / "grading.md").write_text(text, encoding="utf-8")
    print(text)


def points(graded: Mapping[str, Mapping[str, list[tuple[object, ...]]]]) -> dict[tuple[object, ...], object]:
    """The points of each cell of each student."""
    return {row[:3]: row[4] for row in graded["marks"]["Grade"]}


def compared(ours: Mapping[tuple[object, ...], object], stock: Mapping[tuple[object, ...], object]) -> str:
    """In which cells they differ, by kind of student."""
    kinds = Counter(re.sub(r"^\d+-", "", str(cell[1])) for cell in ours if ours[cell] != stock[cell])
    if not kinds:
        return "The marks of stock nbgrader are the same, in every cell"
    listed = ", ".join(f"{number} of {kind}" for kind, number in kinds.items())
    return f"Stock nbgrader gives other points to {kinds.total()} of {len(ours)} cells: {listed}"


def visit() -> float:
    """Seconds for a room that is built, entered by a process with torch loaded, asked one thing, and closed."""
    began = time.perf_counter()
    with Room(Limits(), None) as room:
        channel = room.start_student(_answer).channel
        channel.settimeout(60)
        assert channel.recv(2) == b"ok"
    return time.perf_counter() - began


def _answer(channel: socket) -> None:
    channel.sendall(b"ok")
    channel.recv(1)


WAYS = {
    "stock": "stock `nbgrader autograde`",
    "ours": "`nbgrader autograde` with our preprocessors",
    "grade": f"`autograder grade --jobs {JOBS}`",
    "floor": "the students' cells alone, one notebook after the other in forks of a warm process",
}

PAGE = """# Grading a class

`make grading` grades a mixed class of {count} submissions of all {notebooks} notebooks in four ways, one after the other in
one run: half of them are perfect, a tenth copies numbers from autograd, the others are right in another style, half done, or
have common mistakes. The second and the third way come twice, before and after the first, and their seconds are the mean.

| | seconds | for each submission | stock takes so many times as long |
|---|---|---|---|
{rows}

Gradebook and records of the second and the third way are {same}, row by row and byte by byte. {marks}.

Where the time of `autograder grade` goes, added up over the {jobs} notebooks that are graded at a time:

| | seconds | share |
|---|---|---|
{shares}

A submission takes {cpu:.2f} s of processor time, all in all. The students' own cells take {cells:.2f} s of it, which no
grader can save: two at a time they would take half of what stands above.

A room is built, entered by a process that has torch loaded, asked one thing, and gone within **{visit:.0f} ms**
(median of {visits}).
Measured with torch {torch} on a shared machine of two cores: the ratios say more than the seconds.
"""


if __name__ == "__main__":
    main()
