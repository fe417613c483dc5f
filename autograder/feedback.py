"""What students call: `check`."""

from __future__ import annotations

from IPython.display import display

from autograder import explanation
from autograder.errors import NotReady, NotRight
from autograder.judgement import Effort, judge_function, judge_step
from autograder.rendering import as_html, as_text
from autograder.replay import under_way
from autograder.session import current
from autograder.verdict import Outcome, Verdict

PRACTICE = Effort("check")


def check(name: str, by: str | None = None) -> None:
    """Says whether the gradient `name` is right, from the cell that last assigned it.

    With `by`, the gradient is the one that the function of that name returns. Shows the verdict, and raises NotRight
    for anything but a right answer, so that the cell fails; raises NotReady where nothing can be judged yet.
    """
    if not under_way():
        conclude(judge(name, by, PRACTICE))


def judge(name: str, by: str | None, effort: Effort) -> Verdict:
    """The verdict on a gradient of the running notebook. Raises NotReady where there is nothing to judge by."""
    session = current()
    try:
        return judge_function(session, name, by, effort) if by else judge_step(session, name, effort)
    except NotReady:
        raise
    except Exception as error:
        return explanation.judge_failed(name, error)


def conclude(verdict: Verdict) -> None:
    """Shows a verdict, and raises NotRight for anything but a right answer."""
    display({"text/plain": as_text(verdict), "text/html": as_html(verdict)}, raw=True)
    if verdict.outcome is not Outcome.RIGHT:
        raise NotRight(verdict.headline)
