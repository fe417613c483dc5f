"""A learner's own notebooks where there are no rooms: they run in one ordinary process, one after the other.

That process judges as the examiner does, on the same cases. But nothing keeps a cell from the machine's files, and nothing is
limited but its time.
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
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from autograder.course.cells import Role
from autograder.examiner.exam import CellRecord, Exam, ExamResult, cut_message, say_it_was_late
from autograder.forkserver.client import MARGIN_SECONDS, SET_VARIABLES, GradingFailed
from autograder.forkserver.job import Job

JUDGING_FUNCTIONS = ("check", "progress")
"""The judge needs autograd, so a cell that calls one of these runs with autograd on."""


class UnsandboxedClient:
    """Takes the place of a Client. It starts the process when the first notebook comes, and again when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def examine(self, job: Job) -> ExamResult:
        """The result of an exam. Raises GradingFailed if the process ended or took too long. No prefix is run in advance."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **SET_VARIABLES, **job.environment},
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        deadline = threading.Timer(job.limits.notebook_seconds + MARGIN_SECONDS, process.kill)
        deadline.start()
        try:
            pickle.dump(job, process.stdin)
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
        finally:
            deadline.cancel()
        if not line:
            self.close()
            raise GradingFailed("the process of the notebook ended: a cell ended it, or it took too long")
        return ExamResult.of(json.loads(line))

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    end = close


def live() -> None:
    """All that the process does: it reads jobs (pickles) from stdin, and writes each result to stdout as a line of JSON.

    It ends when stdin does. What cells write to stdout past Python goes nowhere, so that it cannot be taken for a result.
    """
    from autograder.examiner import capture
    from autograder.forkserver.server import warm_up
    from autograder.notebook.logbook import NBGRADER

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent that ignored it would hand that on
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    with tempfile.TemporaryDirectory() as settings, suppress(EOFError, KeyboardInterrupt):
        shell = capture.start_shell(settings)
        warm_up(shell)
        os.environ[NBGRADER] = "validate"  # so that no log is written here: the command that asked writes its own
        sys.path.insert(0, "")  # as in a kernel
        while True:
            job: Job = pickle.load(sys.stdin.buffer)
            os.chdir(job.folder)
            with _fresh(shell, job.folder):
                assert isinstance(job.work, Exam)
                answer = json.dumps(_examined(job.work, job.course, shell).as_dict())
            os.chdir(settings)  # the folder may be removed now
            results.write(answer + "\n")
            results.flush()


@contextmanager
def _fresh(shell: Any, folder: Path) -> Iterator[None]:
    """Afterwards the shell has no names, torch its usual settings, and no module of the folder is loaded any more."""
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


def _examined(exam: Exam, course: Path, shell: Any) -> ExamResult:
    """Runs the cells of an exam in this process, as an Examiner does with a room."""
    from autograder.examiner import examiner
    from autograder.judge import session
    from autograder.notebook.extension import LocalBackend
    from autograder.replay.run import autograd_off
    from autograder.replay.workspace import NotebookWorkspace

    current = session.start_session(shell.shell, LocalBackend())
    current.seed = exam.seed
    current.workspace = NotebookWorkspace(shell.names, course)
    current.exercise = exam.exercise
    current.models = exam.models
    notes: list[str] = []
    records: list[CellRecord] = []
    try:
        for count, task in enumerate(exam.tasks, 1):
            is_alone = task.role is Role.STUDENT and not any(f"{name}(" in task.source for name in JUDGING_FUNCTIONS)
            is_without = not exam.autograd and (is_alone or task.id in exam.plain)
            record = CellRecord()
            current.concluded.clear()
            with autograd_off() if is_without else nullcontext(), _interrupted_after(exam.limits.cell_seconds) as was_late:
                record.messages, error, cut = shell.run(task.source, task.id, count, exam.limits.cell_output)
                record.messages += [cut_message(exam.limits.cell_output)] * cut
                record.error = None if error is None else session.in_words(error)
            if was_late:
                notes.append(f"The cell `{task.id}` did not end within {exam.limits.cell_seconds:g} s.")
                say_it_was_late(record, exam.limits.cell_seconds)
            record.verdicts = tuple(current.concluded) if task.role is Role.TEST else ()
            records.append(record)
        return examiner.result_of(exam, records, notes, [], {})
    finally:
        session.end_session(shell.shell)


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[list[bool]]:
    """Interrupts the main thread after so many seconds, on any system. Gives a list, which is empty unless the time was up."""
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


if __name__ == "__main__":
    live()
