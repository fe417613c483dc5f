"""Grades a course while a small disk is full, and again when there is room: python -m tests.support.small_disk …

It is run in a mount namespace of its own, so that the disk is seen by nobody else and gone with this process:
unshare --map-root-user --mount python -m tests.support.small_disk COURSE WAY WHERE FREE RESULT
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts import demo
from tests.support.classes import ASSIGNMENT, state

KIB = 1024
SIZE = 24 * KIB**2
WAYS = {
    "autograder": ["-c", "from autograder.cli.main import main; main()", "grade", ASSIGNMENT, "--jobs", "1", "--no-sandbox"],
    "nbgrader": ["-m", "nbgrader", "autograde", ASSIGNMENT, "--Examine.sandbox=False"],
}


def run(way: str, course: Path, temporary: Path) -> tuple[int, str]:
    environment = {**os.environ, "PATH": demo.PATH, "TMPDIR": str(temporary), "COLUMNS": "200"}
    command = [sys.executable, *WAYS[way]]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, timeout=400, check=False)
    return done.returncode, done.stdout + done.stderr


def fill(disk: Path, free: int) -> Path:
    """Leaves so many bytes free."""
    found = os.statvfs(disk)
    filler = disk / "filler"
    with open(filler, "wb") as file:
        for _ in range(max(0, found.f_bavail * found.f_frsize - free) // (4 * KIB)):
            file.write(bytes(4 * KIB))
    return filler


def main() -> None:
    course, way, where, free, result = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5])
    disk = course.with_name("disk")
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], check=True)
    url, temporary = f"sqlite:///{course}/gradebook.db", course.parent
    if where == "course":
        course = Path(shutil.copytree(course, disk / "course"))
        url = f"sqlite:///{course}/gradebook.db"
    elif where == "gradebook":
        url = f"sqlite:///{shutil.move(course / 'gradebook.db', disk)}"
        with open(course / "nbgrader_config.py", "a", encoding="utf-8") as file:
            file.write(f"\nc.CourseDirectory.db_url = {url!r}\n")
    else:
        temporary = disk
    filler = fill(disk, free)
    code, said = run(way, course, temporary)
    between = state(course, url)
    filler.unlink()
    told: dict[str, Any] = {"code": code, "said": said, "between": between, "disk": str(disk)}
    told["again"] = run(way, course, temporary)
    result.write_bytes(pickle.dumps({**told, "after": state(course, url)}))


if __name__ == "__main__":
    main()
