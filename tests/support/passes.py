"""A notebook with a forward pass of a test's own, in which single gradients are judged."""

from __future__ import annotations

from contextlib import chdir
from tempfile import TemporaryDirectory

from autograder.course.questions import Question
from autograder.errors import NotRight
from autograder.judge.judging import EXAM, Effort, judge
from autograder.judge.kinds import claim
from autograder.judge.session import of
from autograder.verdict import Verdict
from tests.support.lesson import fresh_shell

SETUP = "%load_ext autograder\nimport torch\nimport torch.nn.functional as F\n\nfrom autograder import check\n"
SEED = "g = torch.Generator().manual_seed(1)\n"


class Notebook:
    """A notebook with a forward pass, in which all gradients are true."""

    def __init__(self, names: str, batch: str, lines: str) -> None:
        """`names` makes what the lines start from; `batch` is what `%%forward` takes for the minibatch."""
        self.shell = fresh_shell()
        for source in (SETUP + SEED + names, f"%%forward --batch {batch}\n{lines}"):
            result = self.run(source)
            assert result is None, result
        (self.tape,) = of(self.shell).tapes.values()

    def run(self, source: str, id: str | None = None) -> BaseException | None:
        """Runs a cell; gives the error that it stopped with."""
        type(self.shell)._instance = self.shell
        result = self.shell.run_cell(source, cell_id=id)
        return result.error_before_exec or result.error_in_exec

    def write(self, name: str, source: str, stops: bool | None = False) -> None:
        """A student's cell for a gradient, after right cells for all others. `stops`: whether by an error, if known."""
        true = self.tape.gradients(self.tape.state)
        self.shell.user_ns.update({f"d{variable}": gradient for variable, gradient in true.items()})
        self.shell.user_ns.pop(name, None)  # nobody has it before its own cell has run
        stopped = self.run(source, id=name) is not None
        assert stops in (None, stopped)

    def verdict(self, name: str, source: str, stops: bool | None = False, effort: Effort = EXAM) -> Verdict:
        """The verdict on a cell: the exam's, if nothing else is said."""
        self.write(name, source, stops)
        return judge(claim(of(self.shell), Question(name)), effort)

    def checks(self, name: str, source: str) -> str:
        """What `check` says of a wrong cell; nothing where it says that the cell is right."""
        self.write(name, source)
        with TemporaryDirectory() as folder, chdir(folder):  # where it keeps its progress
            error = self.run(f'check("{name}")')
        assert error is None or isinstance(error, NotRight)
        return str(error or "")
