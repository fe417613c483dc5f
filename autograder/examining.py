"""Submitted notebooks examined: the students' cells run in rooms, and the tests where no student's code ever is."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import time
from atexit import register
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import dropwhile
from pathlib import Path
from typing import Any, ClassVar

from nbformat import NotebookNode
from nbformat.v4 import output_from_msg
from nbgrader.api import Gradebook
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets import Bool, Float, Integer, Unicode, default

from autograder import cell as cells
from autograder import integrity, notebook
from autograder.ahead import Graders, Job, Told
from autograder.client import GradingFailed
from autograder.errors import ContentError
from autograder.grader import Grader
from autograder.limits import Limits
from autograder.master import Master, Original, read_master
from autograder.mending import NOTES
from autograder.paper import Paper, Role, Task
from autograder.restoring import course_of, handed_in, master_of
from autograder.room import RoomError, unavailable

SECONDS = "Seconds of each stage: "
"""Before a line of JSON in the log: of the stages, and of waiting for them, which is less where they overlap.

The record has no times: a regrade gives the same one.
"""

SKIPPED = "skip-execution"
"""The tag of a cell that is not run; it counts in a student's own cells only."""

UNEXAMINED = "This notebook could not be examined: {}. Grade it again, or by hand."

NOWHERE = "/nonexistent"
"""A folder without files, for a converter without a course."""


@dataclass(frozen=True)
class Given:
    """What a process has that has no gradebook and no course."""

    original: Master
    seed: str
    examine: Callable[[Paper], Told]


class Examine(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader is untyped
    """Takes the place of Execute in `Autograde.autograde_preprocessors`. The limits are for each notebook."""

    given: Given | None = None
    expected: ClassVar[dict[Path, Job]] = {}
    """The notebooks that were last looked at ahead, by their files."""

    at_once = Integer(
        min=1, help="How many notebooks of a submission are examined at the same time; else 2, or 1 on one processor."
    ).tag(config=True)
    sandbox = Bool(
        True,
        help="Whether students' cells run in rooms made by bubblewrap. Without, they can read your files and use the network.",
    ).tag(config=True)
    key_file = Unicode(
        "examiner.key", help="The file in the course with the secret from which the cases of hidden tests are drawn."
    ).tag(config=True)
    cell_seconds = Float(help="How long a cell or a question about it may take; else what Execute.timeout says.").tag(
        config=True
    )
    notebook_seconds = Float(Limits.notebook_seconds, help="How long all of it may take.").tag(config=True)
    memory = Integer(Limits.memory, help="Bytes that all processes of a student may take together.").tag(config=True)
    processes = Integer(Limits.processes, help="How many processes and threads a student may have.").tag(config=True)
    file_size = Integer(Limits.file_size, help="Bytes of the largest file that may be written.").tag(config=True)
    scratch = Integer(Limits.scratch, help="Bytes of all files that may be written.").tag(config=True)
    cell_output = Integer(Limits.cell_output, help="Bytes that a cell may show; the rest is cut off.").tag(config=True)
    output = Integer(Limits.output, help="Bytes that all cells may show.").tag(config=True)
    answer = Integer(Limits.answer, help="Bytes of the largest answer.").tag(config=True)

    @default("enabled")
    def _enabled(self) -> bool:
        """`nbgrader autograde --no-execute` is about us."""
        return bool(self.config.get("Execute", {}).get("enabled", True))

    @default("at_once")
    def _at_once(self) -> int:
        return min(2, os.cpu_count() or 1)

    @default("cell_seconds")
    def _cell_seconds(self) -> float:
        return float(self.config.get("Execute", {}).get("timeout") or Limits.cell_seconds)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """Fills in the outputs. Raises RoomError where no room can be built; all else is this submission's own affair."""
        if self.sandbox and not self.given and (reason := _unavailable()):
            raise RoomError(reason)
        language = nb.metadata.get("kernelspec", {}).get("language", "python")
        if language != "python":
            raise ContentError(f"the notebook is in {language}, and only Python can be examined. Use nbgrader's own Execute.")
        about = resources["nbgrader"]
        if given := self.given:
            paper, places = self._paper(nb, given.original, given.seed)
            notes = self._examined(paper, places, lambda: given.examine(paper))
        else:
            folder = Path(resources.get("metadata", {}).get("path") or ".").resolve()
            paper, places = self._paper(nb, master_of(self, about), self._seed(about, folder))
            job, graders = self._job(about, paper, folder), _graders(self.sandbox, self.at_once)
            notes = self._examined(paper, places, lambda: graders.examine(job, lambda: self._later(about, folder)))
        flags = integrity.scan((task.id, task.source) for task in paper.tasks if task.role is Role.STUDENT)
        notes += [f"Look at {line}" for line in integrity.summary(flags)]
        for note in notes:
            self.log.warning("%s, notebook %s: %s", about["student"], about["notebook"], note)
        report = {"notes": notes, "flags": [{**vars(flag)} for flag in flags]}
        nb.metadata[NOTES] = NotebookNode({**nb.metadata.get(NOTES, {}), **report})
        return nb, resources

    def limits(self) -> Limits:
        return Limits(**{limit: getattr(self, limit) for limit in Limits.__dataclass_fields__})

    def _seed(self, about: Mapping[str, str], folder: Path) -> str:
        course = course_of(self)
        return seed_of(Path(course.root if course else folder, self.key_file), course.course_id if course else "", about)

    def _job(self, about: Mapping[str, str], paper: Paper, folder: Path) -> Job:
        course = course_of(self)
        source = Path(course.format_path(course.source_directory, ".", about["assignment"]) if course else NOWHERE)
        return Job(about["notebook"], paper, folder, source, dict(os.environ))

    def _later(self, about: Mapping[str, str], folder: Path) -> list[Job]:
        """The other notebooks of the submission that nbgrader will come to, as they were handed in and restored.

        If nbgrader's preprocessors make something else of one it is another job, and this one is dropped.
        """
        files = [Path(file) for file in getattr(getattr(self.parent, "parent", None), "notebooks", ())]
        later = [*dropwhile(lambda file: file.stem != about["notebook"], files)][1:]
        if not self.expected.keys() >= set(later):
            self.expected.clear()
            with Gradebook(about["db_url"]) as gradebook:
                for file in later:
                    with suppress(Exception):  # it is told in its turn
                        of_file = {**about, "notebook": file.stem}
                        original = read_master(gradebook, course_of(self), about["assignment"], file.stem)
                        paper, _ = self._paper(handed_in(file, original.originals), original, self._seed(of_file, folder))
                        self.expected[file] = self._job(of_file, paper, folder)
        return [self.expected[file] for file in later if file in self.expected]

    def _paper(self, nb: NotebookNode, master: Master, seed: str) -> tuple[Paper, list[NotebookNode]]:
        """What is run, and the cells in which it is recorded."""
        tasks, places = [], []
        for number, cell in enumerate(notebook.code_cells(nb)):
            cell.outputs, cell.execution_count = [], None
            name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            original = master.originals.get(name)
            role = _role(original)
            source = cell.source if role is Role.STUDENT or original is None else original.source
            skipped = role is Role.STUDENT and SKIPPED in cell.metadata.get("tags", ())
            if not source.strip() or skipped:
                continue
            expected = master.answers.get(name, cells.read(original.source).touches if original else frozenset())
            hidden = self._hidden(source) if role is Role.TEST else ""
            tasks.append(Task(name or cell.get("id") or f"cell-{number}", role, source, hidden, expected))
            places.append(cell)
        return Paper(tasks, master.imports, seed, self.limits()), places

    def _hidden(self, source: str) -> str:
        """The lines of a test that students do not see."""
        clear = ClearHiddenTests(parent=self)
        lines, hidden = source.split("\n"), False
        found = []
        for line in lines:
            hidden = (hidden or clear.begin_test_delimeter in line) and clear.end_test_delimeter not in line
            found += [line] * hidden
        return "\n".join(found)

    def _examined(self, paper: Paper, places: list[NotebookNode], examine: Callable[[], Told]) -> list[str]:
        """Writes the outputs into the cells, an error into every test of what cannot be examined; gives notes."""
        notes = [] if self.sandbox else ["Graded without a sandbox: the student's code could read files and use the network."]
        began = time.monotonic()
        try:
            told = examine()
        except GradingFailed as failure:
            told = {"outputs": [_failure(failure) if task.role is Role.TEST else [] for task in paper.tasks]}
            notes.append(UNEXAMINED.format(failure))
        for count, (cell, outputs) in enumerate(zip(places, told["outputs"], strict=True), 1):
            cell.execution_count = count
            cell.outputs = [NotebookNode(output) for output in outputs]
        if "seconds" in told:
            seconds = {**told["seconds"], "waited": time.monotonic() - began}
            self.log.info("%s%s", SECONDS, json.dumps({stage: round(taken, 2) for stage, taken in seconds.items()}))
        return [*notes, *told.get("notes", [])]


def _role(original: Original | None) -> Role:
    if original is not None and original.is_test:
        return Role.TEST
    return Role.LOCKED if original is not None and original.locked and not original.solution else Role.STUDENT


def _failure(failure: GradingFailed) -> list[dict[str, Any]]:
    error = {"ename": "GradingFailed", "evalue": str(failure), "traceback": [f"GradingFailed: {failure}"]}
    return [output_from_msg({"header": {"msg_type": "error"}, "content": error})]


def seed_of(key: Path, course: str, about: Mapping[str, str]) -> str:
    """What the cases of a student's notebook are drawn from. The secret of the course is made when it is first needed."""
    name = "/".join((course, about["assignment"], about["student"], about["notebook"]))
    return hmac.digest(_secret(key), name.encode(), "sha256").hex()


def _secret(path: Path) -> bytes:
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
    return path.read_bytes()


@cache
def _unavailable() -> str:
    return unavailable()


@cache
def _graders(sandbox: bool, most: int) -> Graders:
    """Those for all notebooks of this process: their warm processes stay."""
    graders = Graders([Grader(sandbox) for _ in range(most)])
    register(graders.close)
    return graders
