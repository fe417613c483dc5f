"""The `%%forward` and `%%ask` cell magics, loaded by `%load_ext autograder`."""

from __future__ import annotations

import os

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from autograder.course.questions import Question
from autograder.judge.session import Session, of, start_session
from autograder.notebook import checking, overview
from autograder.notebook.logbook import NBGRADER
from autograder.notebook.on_path import put_on_path


class LocalBackend:
    """Does all of it in the notebook's own process: records forward passes, watches which cells run, and judges answers."""

    watches = True

    def forward(self, session: Session, source: str, batch: list[str]) -> None:
        checking.forward(session, source, batch)

    def ask(self, session: Session, source: str) -> None:
        session.ask(source)

    def check(self, session: Session, question: Question) -> None:
        checking.check(session, question)

    def grade(self, session: Session, question: Question) -> None:
        checking.grade(session, question)

    def hint(self, session: Session, question: Question) -> None:
        checking.hint(session, question)

    def solution(self, session: Session, question: Question, anyway: bool) -> None:
        checking.solution(session, question, anyway)

    def progress(self, session: Session, course: bool) -> None:
        (overview.progress_of_course if course else overview.progress)(session)


@magics_class
class CourseMagics(Magics):
    """Has the `%%forward` and `%%ask` magics."""

    @magic_arguments()
    @argument("--batch", nargs="+", default=[], help="what the minibatch is: the count and the tensors with one row each")
    @cell_magic
    def forward(self, line: str, cell: str) -> None:
        """Runs a forward pass and remembers it, one `name = expression` a line; the last name is the loss."""
        options = parse_argstring(self.forward, line)
        session = of(self.shell)
        session.backend.forward(session, cell, options.batch)

    @cell_magic
    def ask(self, line: str, cell: str) -> None:
        """Asks for a value or a function that is no gradient: a signature, which says what its inputs look like."""
        session = of(self.shell)
        session.backend.ask(session, cell)


def load(shell: InteractiveShell) -> None:
    """Gives the notebook the magic, and a session that judges in this process, unless it has a session already.

    `!autograder check` works in its cells from then on.
    """
    start_session(shell, LocalBackend())
    shell.register_magics(CourseMagics)
    if NBGRADER not in os.environ:
        put_on_path()
