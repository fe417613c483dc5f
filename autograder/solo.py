"""Notebooks of one's own where there are no rooms: they run in a process beside, one after the other.

It judges as the examiner does, on the same cases. What there is not: walls, and limits of anything but time.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from autograder.client import MARGIN, SET, GradingFailed
from autograder.limits import Limits
from autograder.opening import Cells
from autograder.paper import Message, Paper, Record, Role, cut_message, say_it_was_late

PROGRAM = "from autograder import solo; solo.live()"
JUDGES = ("check", "progress")
"""A cell that calls one of these needs autograd."""


class Solo:
    """Stands for a Client. The process is started when it is wanted, and again when it dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def tell(
        self, work: Any, limits: Limits, folder: Path, course: Path, environment: Mapping[str, str], ahead: Cells
    ) -> dict[str, Any]:
        """As a Client does. Nothing runs ahead."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **SET, **environment},
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        deadline = threading.Timer(limits.notebook_seconds + MARGIN, process.kill)
        deadline.start()
        try:
            pickle.dump((work, str(folder), str(course)), process.stdin)
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
        finally:
            deadline.cancel()
        if not line:
            self.close()
            raise GradingFailed("the process of the notebook ended: a cell ended it, or it took too long")
        told: dict[str, Any] = json.loads(line)
        return told

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def live() -> None:
    """The whole life of the process: a notebook in, what came of it out, until nobody wants anything any more."""
    from autograder import recorder
    from autograder.logbook import NBGRADER
    from autograder.rehearsal import rehearse

    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started this may have ignored it
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    with tempfile.TemporaryDirectory() as settings, suppress(EOFError, KeyboardInterrupt):
        shell = recorder.start(settings)
        rehearse(shell)
        os.environ[NBGRADER] = "validate"  # what is found is written down by who asked
        sys.path.insert(0, "")  # as in a kernel
        while True:
            paper, folder, course = pickle.load(sys.stdin.buffer)
            os.chdir(folder)
            with _fresh(shell, Path(folder)):
                answer = json.dumps(_examined(paper, Path(course), shell), default=str)
            os.chdir(settings)  # the folder may be a temporary one
            told.write(answer + "\n")
            told.flush()


@contextmanager
def _fresh(shell: Any, folder: Path) -> Iterator[None]:
    """A shell without names, torch's settings as they were, and no module of the folder."""
    import torch

    state = torch.get_rng_state()
    yield
    shell.shell.reset(new_session=True)
    torch.set_rng_state(state)
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__file__", None)
        if file and Path(file).resolve().is_relative_to(folder.resolve()):
            del sys.modules[name]


def _examined(paper: Paper, course: Path, shell: Any) -> dict[str, Any]:
    from autograder import session, tutoring
    from autograder.replay import autograd_off
    from autograder.workspace import Notebook

    ours = session.start(shell.shell)
    ours.seed = paper.seed
    ours.workspace = Notebook(shell.names, course)
    ours.exercise = paper.exercise
    notes: list[str] = []
    found: list[list[Message]] = []
    try:
        for count, task in enumerate(paper.tasks, 1):
            is_plain = task.role is Role.STUDENT and not any(f"{name}(" in task.source for name in JUDGES)
            record = Record()
            with autograd_off() if is_plain else nullcontext(), _interrupted_after(paper.limits.cell_seconds) as was_late:
                record.messages, _, cut = shell.run(task.source, task.id, count, paper.limits.cell_output)
                record.messages += [cut_message(paper.limits.cell_output)] * cut
            if was_late:
                notes.append(f"The cell `{task.id}` did not end within {paper.limits.cell_seconds:g} s.")
                say_it_was_late(record, paper.limits.cell_seconds)
            found.append(record.messages)
        return {"messages": found, "notes": notes, "seconds": {}, **tutoring.told(paper)}
    finally:
        session.end(shell.shell)


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[list[bool]]:
    """A KeyboardInterrupt in this thread after so many seconds, on any system; tells whether it came to that."""
    import _thread

    late: list[bool] = []

    def stop() -> None:
        late.append(True)
        _thread.interrupt_main()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        yield late
    except KeyboardInterrupt:
        if not late:
            raise
    finally:
        timer.cancel()
