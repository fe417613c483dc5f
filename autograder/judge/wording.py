"""The words that all kinds of questions share: for answers that are missing, for differences, for remarks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autograder.errors import Died
from autograder.judge.comparison import Difference, heat_of, whereabouts
from autograder.replay.parsed import ParsedCell
from autograder.replay.run import Replay
from autograder.verdict import WRITE, Cause, Outcome, Verdict

GRAD = re.compile(r"\.grad\b")
"""Where code reads what autograd would have left."""


def not_attempted(name: str, misspelt: str = "", has_run: bool = False) -> Verdict:
    """Nothing is there. `misspelt` is a name in the notebook that may be meant for it; `has_run` is said of its cell."""
    advice = WRITE
    if has_run:
        advice = f"Its cell was run, and gives `{name}` no value: begin a line with `{name} = `."
    if misspelt:
        advice = f"There is a `{misspelt}`. If that is the answer, call it `{name}`."
    return Verdict(name, Outcome.NOT_ATTEMPTED, f"There is no `{name}` yet.", next_step=advice)


def blank(name: str, cell: ParsedCell) -> Verdict:
    """The answer's cell gives it no value."""
    advice = WRITE
    if GRAD.search(cell.source):
        advice = "The tensors of this notebook carry no graph, so there is no `.grad`: derive it by hand."
    return Verdict(name, Outcome.NOT_ATTEMPTED, f"`{name}` has no value yet.", next_step=advice)


def failed(name: str, error: str, cause: Cause | None = None) -> Verdict:
    """The answer's cell stopped in the notebook. `cause` is what would fix it."""
    diagnosis = f"The cell for `{name}` stopped before it had an answer."
    if cause is None:
        return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, error, next_step="Fix that cell and run it again.")
    diagnosis = f"{diagnosis} {cause.sentence}"
    return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, error, next_step=cause.next_step, mistake=cause.mistake)


def unseen(name: str) -> Verdict:
    """The answer's cell ran before the extension was loaded, or in another way than as a cell."""
    diagnosis = f"`{name}` is in the notebook, but the cell that made it was not seen."
    return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, next_step="Run that cell again, then this one.")


def script(name: str, what: str) -> Verdict:
    """The answer's code makes a script of torch from text or from a file."""
    diagnosis = f"{what} makes a script from text or from a file, which is switched off while an answer is judged."
    advice = "Write it as a Python function: `torch.jit.script` may stand before it."
    return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, next_step=advice)


def ended(name: str, death: Died) -> Verdict:
    """The answer's code ended the process that it ran in."""
    advice = "Take out what ends the process, or what takes so much time or memory."
    return Verdict(name, Outcome.COULD_NOT_TELL, "The process ended while your answer ran.", str(death), next_step=advice)


def judge_failed(name: str, error: Exception) -> Verdict:
    """The judge itself raised an error: a fault of ours, or an answer of a form that it does not know."""
    advice = "Restart the kernel and run all cells; if it happens again, report it with your cell."
    return Verdict(name, Outcome.COULD_NOT_TELL, "The check itself failed.", first_line(error), next_step=advice)


def notes(name: str, replay: Replay) -> tuple[str, ...]:
    """Remarks on the code of an answer, which may be right or wrong."""
    return tuple(_notes(name, replay))


def _notes(name: str, replay: Replay) -> Iterator[str]:
    for changed in replay.changed:
        remedy = "Change a `.clone()` of it, and run the cell that makes it again."
        yield f"Your code changes `{changed}` in place, and other cells that use it now see that. {remedy}"
    if isinstance(replay.error, NotImplementedError):
        yield "Your cell still has the line `raise NotImplementedError()`: delete it."
    elif replay.error is not None:
        yield f"Your cell works out `{name}`, and stops after that with {first_line(replay.error)}."


def differs(name: str, difference: Difference, replay: Replay, advice: str) -> Verdict:
    """The verdict on an answer that differs from the reference. `advice` is for differences that bring none."""
    texts = (difference.diagnosis, difference.seen, difference.expected, difference.next_step or advice)
    where, heat = "", tuple[str, ...]()
    if difference.off is not None:
        is_wrong = difference.off > 1
        where = whereabouts(is_wrong)
        heat = heat_of(difference.off) if not bool(is_wrong.all()) else ()
    return Verdict(name, Outcome.WRONG, *texts, notes(name, replay), difference.mistake, where, heat)


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([*filter(None, [", ".join(items[:-1])]), items[-1]])


def first_line(error: BaseException) -> str:
    """The type and the first line of an error."""
    return f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")
