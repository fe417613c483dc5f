"""What students call: `check`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from autograder import explanation, logbook
from autograder.errors import Died, NotReady, NotRight
from autograder.judgement import EXAM, PRACTICE, Effort, judge_function, judge_step
from autograder.rendering import Box, box, mimebundle
from autograder.replay import under_way
from autograder.session import Judged, current
from autograder.verdict import FUSED, Outcome, Verdict


def check(name: str, by: str | None = None) -> None:
    """Says whether the gradient `name` is right, from the cell that last assigned it.

    With `by`, the gradient is the one that the function of that name returns. Shows the verdict, and raises NotRight
    for anything but a right answer, so that the cell fails; raises NotReady where nothing can be judged yet.
    """
    if under_way():
        return
    session = current()
    effort = replace(EXAM, seed=EXAM.seed + session.seed, remarks=True) if session.seed else PRACTICE
    verdict = judge(name, by, effort)
    session.judged[name, by] = Judged(verdict, session.answering(by or name), session.workspace)
    if any(note.startswith(explanation.ROUNDED) for note in verdict.notes) and session.first_time("rounding", name):
        verdict = replace(verdict, notes=(verdict.notes[0], FUSED, *verdict.notes[1:]))
    remember(verdict, by)
    conclude(without_numbers(verdict) if os.environ.get(logbook.NBGRADER) == "autograde" else verdict)


def known(name: str, by: str | None) -> Verdict | None:
    """What `check` just said in a graded run, where it judges on the same cases as `grade`, and nothing ran since."""
    session = current()
    judged = session.judged.get((name, by))
    return judged.verdict if judged and session.seed and judged.workspace is session.workspace else None


def without_numbers(verdict: Verdict) -> Verdict:
    """A verdict for a graded record: what is wrong, and not what would be right."""
    return replace(verdict, expected="")


def judge(name: str, by: str | None, effort: Effort) -> Verdict:
    """The verdict on a gradient of the running notebook. Raises NotReady where there is nothing to judge by."""
    session = current()
    try:
        return judge_function(session, name, by, effort) if by else judge_step(session, name, effort)
    except NotReady:
        raise
    except Died as death:
        return explanation.ended(name, death)
    except Exception as error:
        return explanation.judge_failed(name, error)


def remember(verdict: Verdict, by: str | None) -> None:
    """Keeps a verdict for the hints of this kernel and, beside the notebook, for the next one."""
    session = current()
    session.verdicts[verdict.name] = verdict
    if run := session.answering(by or verdict.name):
        logbook.note(Path(), session.source(verdict.name[1:]), verdict, run.cell.source)


def conclude(verdict: Verdict) -> None:
    """Shows a verdict, and raises NotRight for anything but a right answer."""
    show(box(verdict), mimebundle(verdict))
    if verdict.outcome is not Outcome.RIGHT:
        raise NotRight(verdict.headline)


def show(shown: Box, bundle: dict[str, Any] | None = None) -> None:
    """Shows a box in the notebook, or in a terminal in colour, where colours are wanted."""
    from IPython.display import display

    if type(current().shell).__name__ == "TerminalInteractiveShell":
        from rich.console import Console

        Console(highlight=False, soft_wrap=True).print(shown.for_terminal())
        return
    display(bundle or {"text/plain": shown.as_text(), "text/html": shown.as_html()}, raw=True)
