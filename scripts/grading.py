"""Writes docs/grading.md: how long it takes to grade a class, beside stock nbgrader in the same run."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections import Counter
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory

import click
import torch

from autograder.examining import SECONDS
from autograder.limits import Limits
from autograder.room import Room
from scripts import demo
from scripts.submissions import NOTEBOOKS, ROOT, model_answers

VISITS = 21
"""Rooms that are built to measure one."""
STOCK = """
c.Autograde = type(c)()  # nbgrader's own preprocessors
c.Execute.timeout = 60
"""
STAGES = {
    "room": "rooms: built, entered, closed",
    "cells": "the students' cells, in the rooms",
    "examiner": "the examiner: locked cells, tests, verdicts, and waiting for replays",
    "nbgrader": "nbgrader: files, gradebook, metadata; starting its command and the warm process",
}


@click.command()
@click.option("--students", default=20, show_default=True, help="Perfect submissions of all notebooks.")
def main(students: int) -> None:
    """Grades the same submissions with both."""
    with TemporaryDirectory() as folder:
        course = Path(folder, "course")
        demo.make_course(course, {f"student-{number:02}": model_answers for number in range(students)})
        demo.nbgrader(course, "generate_assignment", "backprop")
        seconds, marks, stages = {}, {}, Counter[str]()
        config = (course / "nbgrader_config.py").read_text(encoding="utf-8")
        for name, settings in {"ours": config, "stock": config + STOCK}.items():
            copy = Path(folder, name)
            shutil.copytree(course, copy)
            (copy / "nbgrader_config.py").write_text(settings, encoding="utf-8")
            log: list[str] = []
            began = time.perf_counter()
            demo.nbgrader(copy, "autograde", "backprop", on_line=log.append)
            seconds[name] = time.perf_counter() - began
            marks[name] = demo.marks(copy)
            print(f"{name}: {seconds[name]:.0f} s")
            for line in log:
                _, found, rest = line.partition(SECONDS)
                stages.update(json.loads(rest) if found else {})
    stages["nbgrader"] = seconds["ours"] - stages.pop("waited")
    shares = [f"| {STAGES[stage]} | {stages[stage]:.1f} | {100 * stages[stage] / stages.total():.0f} % |" for stage in STAGES]
    text = PAGE.format(
        students=students,
        notebooks=len(NOTEBOOKS),
        marks="the same" if marks["ours"] == marks["stock"] else "NOT THE SAME",
        ours=seconds["ours"],
        stock=seconds["stock"],
        ratio=seconds["stock"] / seconds["ours"],
        shares="\n".join(shares),
        visit=1000 * statistics.median(visit() for _ in range(VISITS)),
        visits=VISITS,
        torch=torch.__version__.split("+")[0],
    )
    (ROOT / "docs" / "grading.md").write_text(text, encoding="utf-8")
    print(text)


def visit() -> float:
    """Seconds for a room that is built, entered by a process with torch loaded, asked one thing, and closed."""
    began = time.perf_counter()
    with Room(Limits(), None) as room:
        channel = room.admit(_answer).channel
        channel.settimeout(60)
        assert channel.recv(2) == b"ok"
    return time.perf_counter() - began


def _answer(channel: socket) -> None:
    channel.sendall(b"ok")
    channel.recv(1)


PAGE = """# Grading a class

`make grading` grades {students} perfect submissions of all {notebooks} notebooks, one after the other, twice in one run: by
`nbgrader autograde` as `nbgrader_config.py` sets it, and with nbgrader's own preprocessors. The marks are {marks}.

| | seconds | times |
|---|---|---|
| stock nbgrader | {stock:.0f} | {ratio:.1f} |
| with rooms and an examiner | {ours:.0f} | 1.0 |

What the work of ours is. Its parts add up to more than the time above: two notebooks of a submission are examined at a time,
while nbgrader works on another one.

| | seconds | share |
|---|---|---|
{shares}

A room is built, entered by a process that has torch loaded, asked one thing, and gone within **{visit:.0f} ms**
(median of {visits}).
Measured with torch {torch} on a shared machine of two cores: the ratio says more than the seconds.
"""


if __name__ == "__main__":
    main()
