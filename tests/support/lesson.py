"""A notebook of the course run in this process, cell by cell, as a student would."""

from __future__ import annotations

from dataclasses import replace

from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output

from autograder.course.cells import Role, read_cells
from autograder.course.questions import Question
from autograder.judge.judging import EXAM, judge
from autograder.judge.kinds import claim
from autograder.judge.session import Session, of
from autograder.tape.tape import private
from autograder.verdict import Verdict
from scripts.submissions import SOURCE


def fresh_shell() -> InteractiveShell:
    """A new kernel without a history on disk."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    return shell


class Lesson:
    """A source notebook whose locked cells have run, and whose solution cells have too where `solved`."""

    def __init__(self, name: str, solved: bool = True) -> None:
        self.shell = fresh_shell()
        self.solutions: dict[str, str] = {}
        for cell in read_cells(SOURCE / f"{name}.ipynb"):
            if cell.solves:
                self.solutions[cell.id] = cell.source
            if cell.role is Role.LOCKED or (cell.solves and solved):
                result, _ = self.run(cell.source)
                assert result.success, f"{cell.id}: {result.error_in_exec}"

    @property
    def session(self) -> Session:
        return of(self.shell)

    def run(self, source: str, id: str | None = None) -> tuple[ExecutionResult, CapturedIO]:
        """Runs a cell, which a notebook knows by its id; gives the result and what it showed."""
        InteractiveShell._instance = self.shell  # the running notebook, where a test has several
        with capture_output() as shown:
            result = self.shell.run_cell(source, cell_id=id)
        return result, shown

    def answer(self, name: str, source: str, seed: str = EXAM.seed) -> Verdict:
        """The exam's verdict on `name` with this cell for it; afterwards all is as it was before."""
        names = self.shell.user_ns
        kept = {*self.solutions, *self.session.tape(name[1:]).state}
        before = {other: private(value) if other in kept else value for other, value in names.items()}
        self.run(source)
        try:
            return self.verdict(name, seed=seed)
        finally:
            for new in [other for other in names if other not in before and not other.startswith("_")]:
                del names[new]
            names.update({other: value for other, value in before.items() if not other.startswith("_")})
            self.run(self.solutions[name])

    def verdict(self, name: str, by: str | None = None, seed: str = EXAM.seed) -> Verdict:
        """The exam's verdict on what the notebook holds."""
        effort = replace(EXAM, seed=seed, remarks=True)
        return judge(claim(self.session, Question(name, by or "")), effort)
