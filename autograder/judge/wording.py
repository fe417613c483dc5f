"""The words that all kinds of questions share: for answers that are missing, for differences, for remarks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from autograder.errors import Died
from autograder.judge.comparison import Difference, heat_of, whereabouts
from autograder.judge.session import Overwritten, Run
from autograder.replay.parsed import ParsedCell
from autograder.replay.run import Replay
from autograder.replay.stop import Stop, shortened
from autograder.verdict import RERUN, WRITE, Cause, Mistake, Outcome, Verdict

GRAD = re.compile(r"\.grad\b")
"""Where code reads what autograd would have left."""


def not_attempted(name: str, misspelt: str = "", has_run: bool = False) -> Verdict:
    """Nothing is there. `misspelt` is a name in the notebook that may be meant for it; `has_run` is said of its cell."""
    advice = WRITE
    if has_run:
        advice = f"Begin a line with `{name} = `: its cell was run, and gives `{name}` no value."
    if misspelt:
        advice = f"The notebook has `{misspelt}`. If that is the answer, call it `{name}`."
    return Verdict(name, Outcome.NOT_ATTEMPTED, f"There is no `{name}` yet.", next_step=advice)


def blank(name: str, cell: ParsedCell) -> Verdict:
    """The answer's cell gives it no value."""
    advice = WRITE
    if GRAD.search(cell.source):
        advice = "Derive it by hand: the tensors of this notebook carry no graph, so there is no `.grad`."
    return Verdict(name, Outcome.NOT_ATTEMPTED, f"`{name}` has no value yet.", next_step=advice)


def failed(name: str, error: str, cause: Cause | None = None, stop: Stop | None = None) -> Verdict:
    """The answer's cell stopped before its answer was finished. `cause` is what is said of it, and `stop` where it was."""
    if cause and cause.mistake is Mistake.AUTOGRAD:
        return Verdict(name, Outcome.WRONG, cause.sentence, next_step=cause.next_step, mistake=cause.mistake)
    error = error.partition("\n")[0].removesuffix(", but expected one of:")  # torch goes on with all that it would take
    diagnosis = f"The cell for `{name}` stopped{place(stop) or ' before it had an answer'}."
    if cause is None:
        advice = f"Read the error from its last line up, and fix the line that it names. {RERUN}"
        return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, error, next_step=advice)
    diagnosis = f"{diagnosis} {cause.sentence}"
    return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, error, next_step=cause.next_step, mistake=cause.mistake)


def is_stub(error: BaseException | str | None) -> bool:
    """Whether an error, or its type and message as text, is that of the line in a released cell; torch raises this type too."""
    text = first_line(error) if isinstance(error, BaseException) else error or ""
    return text.startswith("NotImplementedError") and "not implemented for" not in text


def place(stop: Stop | None) -> str:
    """Where code stopped, in words that follow on a verb; nothing where that is not known."""
    return f" in line {stop.line}, `{stop.code}`" if stop and stop.code else ""


def unseen(name: str) -> Verdict:
    """The answer's cell ran before the extension was loaded, or in another way than as a cell."""
    diagnosis = f"`{name}` is in the notebook, but the cell that made it was not seen."
    return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, next_step="Run that cell again, then this one.")


def script(name: str, what: str) -> Verdict:
    """The answer's code makes a script of torch from text or from a file."""
    diagnosis = f"{what} makes a script from text or from a file, which is switched off while an answer is checked."
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
        remedy = f"Work on `{changed}.clone()` instead, and run the cell that makes `{changed}` again if it is another by now."
        yield f"Your code changes `{changed}` in place, so other cells that use it see the change. {remedy}"
    if is_stub(replay.error):
        yield "Your cell still has the line `raise NotImplementedError()`: delete it."
    elif replay.error is not None:
        yield f"Your cell works out `{name}`, and stops after that with {first_line(replay.error)}."


def lost(found: Sequence[Overwritten], own: Run | None, gradients: Collection[str]) -> str:
    """That a cell overwrote values of the forward pass, and what to do; `own` is the run of the answer that is judged."""
    run = found[0].run
    these = [each for each in found if each.run is run]
    names = listed([f"`{each.name}`" for each in these])
    who = (
        "This cell"
        if run is own
        else f"The cell `{run.id}`"
        if run.id in gradients
        else f"The cell with `{_line_of(these[0])}`"
    )
    is_gone = all(each.is_gone for each in these)
    what = "a value of the forward pass" if len(these) == 1 else "values of the forward pass"
    first = "Take the `del` out, then run" if is_gone else f"Use another name {'here' if run is own else 'there'}, then run"
    remedy = f"{first if run.current else 'Run'} the `%%forward` cell again: it puts {names} back."
    return f"{who} {'deleted' if is_gone else 'overwrote'} {names}, {what}. {remedy}"


def _line_of(found: Overwritten) -> str:
    """The line of a cell that overwrote or deleted a name."""
    lines = [line.strip() for line in found.run.cell.source.splitlines()]
    return shortened(next((line for line in lines if re.search(rf"\b{re.escape(found.name)}\b", line)), lines[0]))


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
