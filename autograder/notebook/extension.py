"""The `%%forward` and `%%ask` cell magics, loaded by `%load_ext autograder`."""

from __future__ import annotations

import os
from types import TracebackType

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from autograder.course.questions import Question
from autograder.judge.session import Session, of, start_session
from autograder.notebook import checking, overview
from autograder.notebook.logbook import NBGRADER
from autograder.notebook.on_path import put_on_path
from autograder.verdict import Outcome

TEST = "test-"
"""How the ids of test cells begin."""


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


def _show_assertion(
    shell: InteractiveShell,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType,
    tb_offset: int | None = None,
) -> None:
    """Shows an assertion that does not hold: in a test cell, to a person, the sentence that it has, and no traceback."""
    session = of(shell)
    cell = (session.runs[-1].id or "") if session.runs else ""
    sentence = str(error)
    if sentence and cell.startswith(TEST) and checking.is_attended(session):
        stop = "" if sentence.endswith((".", "?", "!")) else "."
        text = f"✗ {cell.removeprefix(TEST)}: {Outcome.WRONG}. {sentence}{stop}"
        error._render_traceback_ = lambda: [text]  # type: ignore[attr-defined]
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def load(shell: InteractiveShell) -> None:
    """Gives the notebook the magic, and a session that judges in this process, unless it has a session already.

    `!autograder check` works in its cells from then on.
    """
    start_session(shell, LocalBackend())
    shell.register_magics(CourseMagics)
    shell.set_custom_exc((AssertionError,), _show_assertion)
    if NBGRADER not in os.environ:
        put_on_path()
