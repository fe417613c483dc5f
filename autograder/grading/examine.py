"""The preprocessor that examines submitted notebooks: students' cells run in rooms, tests where no student's code ever is."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import time
from atexit import register
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import output_from_msg
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from nbgrader.utils import determine_grade
from traitlets import Bool, Enum, Float, Integer, TraitError, Unicode, default

from autograder.course import notebooks
from autograder.course.cells import Cell, Role, enclosed, grade_id, tags
from autograder.course.questions import has_forward, plain_tests
from autograder.errors import ContentError
from autograder.examiner.exam import Exam, ExamResult, error_message
from autograder.examiner.prefix import locked_prefix
from autograder.forkserver.client import Client, GradingFailed
from autograder.forkserver.job import Job
from autograder.grading import disk
from autograder.grading.bounds import Bounds
from autograder.grading.flags import Kind, scan, summary
from autograder.grading.master import Master
from autograder.grading.outputs import outputs
from autograder.grading.restore import course_of, master_of
from autograder.grading.salvage import FAILURES, NOTES
from autograder.grading.setup import faults_of
from autograder.replay import parsed
from autograder.sandbox.limits import Limits
from autograder.sandbox.room import RoomError, unavailable

STAGE_SECONDS = "Seconds of each stage: "
"""A line of the log that begins so has the seconds of each stage, and of waiting for all of them, as JSON.

The record has no times, so that a regrade gives the same record.
"""

SKIPPED = "skip-execution"
"""The tag of a cell that is not run. It counts in a student's own cells only: a test that is skipped cannot fail."""

UNEXAMINED = "This notebook could not be examined: {}. Grade it again, or by hand."

NOWHERE = "/nonexistent"
"""A folder without files, for a converter without a course."""


@dataclass(frozen=True)
class Given:
    """What Examine would otherwise take from the gradebook and the course, for a process that has neither."""

    original: Master
    seed: str
    examine: Callable[[Exam], ExamResult]


class Examine(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader is untyped
    """Takes the place of Execute in `Autograde.autograde_preprocessors`. The limits are for each notebook."""

    given: Given | None = None
    sandbox = Bool(
        True,
        help="Whether students' cells run in rooms made by bubblewrap. Without, they can read your files and use the network.",
    ).tag(config=True)
    plain_tests = Enum(
        ("room", "apart"),
        "room",
        help="Where tests run that call neither `check` nor `grade`: in the room, as nbgrader runs them in its kernel, or "
        "apart from all of the student's code, where they get nothing of it but data.",
    ).tag(config=True)
    autograd = Bool(
        None,
        allow_none=True,
        help="Whether students' cells may use autograd. By default they may where no cell of the notebook is a forward pass.",
    ).tag(config=True)
    key_file = Unicode(
        "examiner.key", help="The file in the course with the secret from which the cases of hidden tests are drawn."
    ).tag(config=True)
    cell_seconds = Float(help="How long a cell or a question about it may take; else what Execute.timeout says.").tag(
        config=True
    )
    notebook_seconds = Float(Limits.notebook_seconds, help="How long all of it may take.").tag(config=True)
    memory = Integer(
        Limits.memory, help="Bytes that a student's process may take; docs/security.md says how many all of them may."
    ).tag(config=True)
    processes = Integer(Limits.processes, help="How many processes and threads a student may have.").tag(config=True)
    file_size = Integer(Limits.file_size, help="Bytes of the largest file that may be written.").tag(config=True)
    scratch = Integer(Limits.scratch, help="Bytes of all files that may be written.").tag(config=True)
    cell_output = Integer(Limits.cell_output, help="Bytes that a cell may show; the rest is cut off.").tag(config=True)
    output = Integer(Limits.output, help="Bytes that all cells may show.").tag(config=True)
    answer = Integer(Limits.answer, help="Bytes of the largest answer.").tag(config=True)
    files = Integer(Bounds.files, help="How many files, folders and links may be handed in.").tag(config=True)
    depth = Integer(Bounds.depth, help="How many folders that are handed in may lie in one another.").tag(config=True)
    submission_size = Integer(
        Bounds.submission_size, help="Bytes of all files that are handed in, but for notebooks. Holes in a file count."
    ).tag(config=True)
    notebook_size = Integer(Bounds.notebook_size, help="Bytes of a notebook that is handed in.").tag(config=True)
    values = Integer(Bounds.values, help="Lists and dictionaries in the file of a notebook.").tag(config=True)
    cells = Integer(Bounds.cells, help="How many cells a notebook may have.").tag(config=True)
    cell_size = Integer(Bounds.cell_size, help="Characters of a cell; a longer one is emptied.").tag(config=True)
    restore_seconds = Float(
        Bounds.restore_seconds, help="Seconds that a processor may take to read a notebook and to put its structure back."
    ).tag(config=True)

    @default("enabled")
    def _enabled(self) -> bool:
        """`nbgrader autograde --no-execute` switches Execute off, and means this class, which stands in its place."""
        return bool(self.config.get("Execute", {}).get("enabled", True))

    @default("cell_seconds")
    def _cell_seconds(self) -> float:
        """What nbconvert takes for no limit is the default here."""
        timeout = self.config.get("Execute", {}).get("timeout") or 0
        try:
            seconds = float(timeout)
        except (TypeError, ValueError):
            raise TraitError(f"c.Execute.timeout has to be a number of seconds, not {timeout!r}") from None
        return seconds if seconds > 0 else Limits.cell_seconds

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Fills in the outputs. Raises RoomError where no room can be built; all else is this submission's own affair."""
        if self.sandbox and not self.given and (reason := _unavailable()):
            raise RoomError(reason)
        language = nb.metadata.get("kernelspec", {}).get("language", "python")
        if language != "python":
            raise ContentError(f"the notebook is in {language}, and only Python can be examined. Use nbgrader's own Execute.")
        about = resources["nbgrader"]
        if given := self.given:
            exam, places = self.exam(nb, given.original, given.seed)
            notes, failures = self.examined(exam, places, lambda: given.examine(exam))
        else:
            folder = Path(resources.get("metadata", {}).get("path") or ".").resolve()
            exam, places = self.exam(nb, master_of(self, about), self._seed(about, folder))
            job, client = self._job(about, exam, folder), _client(self.sandbox)
            notes, failures = self.examined(exam, places, lambda: client.examine(job))
        flags = scan((task.id, task.source) for task in exam.tasks if task.role is Role.STUDENT)
        if exam.autograd:
            flags = [flag for flag in flags if flag.kind not in (Kind.AUTOGRAD, Kind.STORED_GRADIENT, Kind.OWN)]
        notes += [f"Look at {line}" for line in summary(flags)]
        before = nb.metadata.get(NOTES, {})
        failures += (fault for fault in faults_of(self) if fault not in before.get(FAILURES, ()))
        for note in (*failures, *notes):
            self.log.warning("%s, notebook %s: %s", about["student"], about["notebook"], note)
        failures = [*before.get(FAILURES, []), *failures]
        report = {"notes": notes, "flags": [{**vars(flag)} for flag in flags], **({FAILURES: failures} if failures else {})}
        nb.metadata[NOTES] = NotebookNode({**before, **report})
        return nb, resources

    def limits(self) -> Limits:
        """The limits that are configured, as the room takes them."""
        return Limits(**{limit: getattr(self, limit) for limit in Limits.__dataclass_fields__})

    def bounds(self) -> Bounds:
        """How much may be handed in."""
        return Bounds(**{bound: getattr(self, bound) for bound in Bounds.__dataclass_fields__})

    def _seed(self, about: Mapping[str, str], folder: Path) -> str:
        course = course_of(self)
        return seed_of(Path(course.root if course else folder, self.key_file), course.course_id if course else "", about)

    def _job(self, about: Mapping[str, str], exam: Exam, folder: Path) -> Job:
        course = course_of(self)
        source = Path(course.format_path(course.source_directory, ".", about["assignment"]) if course else NOWHERE)
        return Job(exam, folder, source, dict(os.environ), locked_prefix(exam.tasks))

    def exam(self, nb: NotebookNode, master: Master, seed: str) -> tuple[Exam, list[NotebookNode]]:
        """What is run, and the cells in which it is recorded.

        What a cell is for, and the text of locked cells and tests, come from the gradebook: a submission may say anything.
        """
        tasks, places = [], []
        for number, cell in enumerate(notebooks.code_cells(nb)):
            cell.outputs, cell.execution_count = [], None
            name = grade_id(cell)
            original = master.originals.get(name)
            role = original.role if original else Role.STUDENT
            source = cell.source if role is Role.STUDENT or original is None else original.source
            skipped = role is Role.STUDENT and SKIPPED in tags(cell)
            if not source.strip() or skipped:
                continue
            expected = master.answers.get(name, parsed.parse_cell(original.source).touches if original else frozenset())
            hidden = self._hidden(source) if role is Role.TEST else ""
            tasks.append(Cell(name or cell.get("id") or f"cell-{number}", role, source, hidden, expected))
            places.append(cell)
        plain = plain_tests(tasks) if self.plain_tests == "room" else frozenset[str]()
        may_use_autograd = self.may_use_autograd(master.originals.values())
        return Exam(tasks, master.imports, seed, self.limits(), plain, may_use_autograd, master.models), places

    def may_use_autograd(self, originals: Iterable[Cell]) -> bool:
        """Whether the students' cells in a notebook may use autograd. `originals` are the cells of its release."""
        return bool(not has_forward(originals) if self.autograd is None else self.autograd)

    def _hidden(self, source: str) -> str:
        """The lines of a test that students do not see."""
        clear = ClearHiddenTests(parent=self)
        return enclosed(source, (clear.begin_test_delimeter, clear.end_test_delimeter))

    def examined(
        self, exam: Exam, places: list[NotebookNode], examine: Callable[[], ExamResult]
    ) -> tuple[list[str], list[str]]:
        """Writes the outputs into the cells, and gives notes and failures. Where `examine` fails, every test gets an error."""
        failures: list[str] = []
        notes = [] if self.sandbox else ["Graded without a sandbox: the student's code could read files and use the network."]
        began = time.monotonic()
        try:
            result = examine()
        except GradingFailed as failure:
            if not self.given:
                disk.refuse_if_full()
            shown = [[_error_output("GradingFailed", str(failure))] if task.role is Role.TEST else [] for task in exam.tasks]
            failures.append(UNEXAMINED.format(failure))
        else:
            shown = outputs([cell.messages for cell in result.cells], [task.role for task in exam.tasks])
            notes += result.notes
            failures += result.failures
            seconds = {**result.seconds, "waited": time.monotonic() - began}
            self.log.info("%s%s", STAGE_SECONDS, json.dumps({stage: round(taken, 2) for stage, taken in seconds.items()}))
        for count, (cell, task, each) in enumerate(zip(places, exam.tasks, shown, strict=True), 1):
            cell.execution_count = count
            cell.outputs = [NotebookNode(output) for output in each]
            if task.role is Role.TEST and (problem := _mark_problem(cell)):
                cell.outputs.insert(0, _error_output("NoMark", problem))  # nbgrader goes by the first
                failures.append(f"The test `{task.id}` gives no points: {problem}.")
        return notes, failures


def _error_output(name: str, text: str) -> NotebookNode:
    """The output of a cell that stopped: nbgrader gives no points for one."""
    return output_from_msg({"header": {"msg_type": "error"}, "content": error_message(name, text)["content"]})


def _mark_problem(test: NotebookNode) -> str:
    """Why nbgrader could not make a mark of what a test showed, at which it would end; nothing where it can."""
    try:
        determine_grade(test)
    except Exception as error:
        return f"what it showed last is no mark ({error})"
    return ""


NO_SECRET = (
    "the secret of the course, {}, cannot be read ({}). Put back the file that was there; or take away what is there now: the "
    "next run makes another one, and draws other cases."
)


def seed_of(key: Path, course: str, about: Mapping[str, str]) -> str:
    """What the cases of hidden tests are drawn from for one student's notebook, as 64 hexadecimal digits.

    It is the same for every regrade, so that the verdicts are; and students cannot work it out, because it depends on the
    secret of the course. The file of the secret is made when it is first needed. Raises ContentError if it cannot be.
    """
    name = "/".join((course, about["assignment"], about["student"], about["notebook"]))
    try:
        secret = _secret(key)
    except OSError as error:
        raise ContentError(NO_SECRET.format(key, error.strerror)) from None
    return hmac.digest(secret, name.encode(), "sha256").hex()


def _secret(path: Path) -> bytes:
    # O_EXCL: of two runs that begin at the same time one makes the file, and both read that one
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32))
        except OSError as error:  # of half a secret anybody could know the other half
            path.unlink()
            disk.refuse(error, path.parent)
            raise
    if secret := path.read_bytes():
        return secret
    raise ContentError(f"the file {path}, the secret of the course, is empty. Delete it: the next run makes another one.")


@cache
def _unavailable() -> str:
    return unavailable()


@cache
def _client(sandbox: bool) -> Client:
    """The client for all notebooks of this process: the fork server that it starts is there for the next notebook too."""
    client = Client(sandbox)
    register(client.end)
    return client
