"""Commands of nbgrader, and our own, each in a fork of one process that has loaded both: that takes longer than most of them.

Tests of how a process starts, or of its signals, start one: `demo.nbgrader`, `subprocess`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import chdir
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from scripts import demo
from scripts.submissions import ROOT

SECONDS = 500.0
"""How long a command may take."""
forks = get_context("forkserver")
forks.set_forkserver_preload([f"{__package__}.loaded"])


def command(course: Path, program: str, *arguments: str, **environment: str) -> CompletedProcess[str]:
    """What `nbgrader` or `autograder` says in the folder of a course, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder, "stdout"), Path(folder, "stderr")
        surroundings = {**os.environ, "PATH": demo.PATH, **environment}
        process: Any = forks.Process(target=_run, args=(program, arguments, course.resolve(), surroundings, outputs))
        with chdir(ROOT):  # where the first one finds what it loads
            process.start()
        process.join(SECONDS)
        code = process.exitcode
        process.kill()
        process.join()
        process.close()
        assert code is not None, f"{program} {' '.join(arguments)} did not end"
        return CompletedProcess([program, *arguments], code, *(path.read_text(encoding="utf-8") for path in outputs))


def nbgrader(course: Path, *arguments: str) -> str:
    """What one of nbgrader's commands says. Raises RuntimeError with it if it fails."""
    done = command(course, "nbgrader", *arguments)
    if done.returncode:
        raise RuntimeError(f"nbgrader {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def _run(
    program: str, arguments: tuple[str, ...], course: Path, environment: dict[str, str], outputs: tuple[Path, ...]
) -> None:
    """Runs a command as in a process of its own, and writes what it says to files."""
    for descriptor, path in enumerate(outputs, 1):
        with path.open("w") as file:
            os.dup2(file.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # that of the environment
    os.chdir(course)
    sys.argv = [program, *arguments]
    if program == "nbgrader":
        from nbgrader.apps.nbgraderapp import main
    else:
        from autograder.cli.main import main
    main()
