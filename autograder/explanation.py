"""The words for what came out: verdicts on answers that are missing, stop, or are wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from autograder.case import Case
from autograder.cause import Cause, Mistake
from autograder.cell import Cell
from autograder.comparison import Difference
from autograder.errors import Died
from autograder.heat import heat_of, whereabouts
from autograder.question import Question
from autograder.replay import AutogradOff, Replay
from autograder.tape import Tape
from autograder.verdict import WRITE, Outcome, Verdict
from autograder.workspace import Function

GRAD = re.compile(r"\.grad\b")
"""Where an answer looks for what autograd left."""


ROUNDED = "Same maths, other rounding: "
LARGEST = 10**6
"""Entries of an answer to look for a reason in: one of another shape may have any number of them."""

"""What to do about an answer that is not there."""


def rounding(units: int | None) -> str:
    """`units` is how far a right answer is from autograd's, in units in the last place of its largest entry."""
    if units is None:
        return "It is zero but for rounding, as it should be."
    if not units:
        return "Equal to autograd's answer in every bit."
    return f"{ROUNDED}at most {units} ULP (units in the last place of the largest entry) from autograd's."


def right(question: Question, replay: Replay, units: int | None, with_remarks: bool = True) -> Verdict:
    """`units` is how far the answer is from autograd's."""
    others = f"with other numbers in {_listed(question.incoming)} too" if question.incoming else "on other minibatches too"
    praise = f"It holds {others}, and has the shape of `{question.variable}`, {question.shape}."
    remarks = notes(question.name, replay)
    if question.error and not remarks:
        remarks = (f"In the notebook the cell stopped with {question.error}. Mend what it needs, then run it again.",)
    elif with_remarks and (culprit := question.culprit()) and f"d{culprit}" not in replay.changed:
        other = f"because `d{culprit}` is. Check that one, run its cell again, then this one."
        itself = "because something else was changed since. Run the cells again from the top."
        reason = itself if culprit == question.variable else other
        remarks += (f"The numbers of `{question.name}` in the notebook are off all the same, {reason}",)
    return Verdict(question.name, Outcome.RIGHT, praise, notes=(rounding(units), *remarks))


def not_attempted(name: str, misspelt: str = "", has_run: bool = False) -> Verdict:
    """Nothing is there. `misspelt` is a name in the notebook that may be meant for it; `has_run` is said of its cell."""
    advice = WRITE
    if has_run:
        advice = f"Its cell was run, and gives `{name}` no value: begin a line with `{name} = `."
    if misspelt:
        advice = f"There is a `{misspelt}`. If that is the answer, call it `{name}`."
    return Verdict(name, Outcome.NOT_ATTEMPTED, f"There is no `{name}` yet.", next_step=advice)


def blank(name: str, cell: Cell) -> Verdict:
    """The answer's cell gives it no value."""
    advice = WRITE
    if GRAD.search(cell.source):
        advice = "The tensors of this notebook carry no graph, so there is no `.grad`: derive it by hand."
    return Verdict(name, Outcome.NOT_ATTEMPTED, f"`{name}` has no value yet.", next_step=advice)


def failed(name: str, error: str, cause: Cause | None = None) -> Verdict:
    """The answer's cell stopped in the notebook. `cause` is what would mend it."""
    diagnosis = f"The cell for `{name}` stopped before it had an answer."
    if cause is None:
        return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, error, next_step="Mend that cell and run it again.")
    diagnosis = f"{diagnosis} {cause.sentence}"
    return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, error, next_step=cause.next_step, mistake=cause.mistake)


def unseen(name: str) -> Verdict:
    """The answer's cell ran before the extension was loaded, or in another way than as a cell."""
    diagnosis = f"`{name}` is in the notebook, but the cell that made it was not seen."
    return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, next_step="Run that cell again, then this one.")


def ended(name: str, death: Died) -> Verdict:
    """The answer's code ended the process that it ran in."""
    advice = "Take out what ends the process, or what takes so much time or memory."
    return Verdict(name, Outcome.COULD_NOT_TELL, "The process ended while your answer ran.", str(death), next_step=advice)


def judge_failed(name: str, error: Exception) -> Verdict:
    """A fault of ours, or an answer that nobody thought of."""
    advice = "Restart the kernel and run all cells; if it happens again, report it with your cell."
    return Verdict(name, Outcome.COULD_NOT_TELL, "The check itself failed.", _line(error), next_step=advice)


def stopped(question: Question, replay: Replay, case: Case) -> Verdict:
    """The cell gave no answer, or not all of it, when it was run again on a case."""
    name, error = question.name, replay.error
    seen = "no error, but no answer either" if error is None else _line(error)
    if isinstance(error, NameError) and error.name == name:
        diagnosis = f"The cell goes on from a `{name}` of an earlier run or of another cell, and has to stand alone."
        advice = f"Work out all of `{name}` in one cell, which begins with `{name} = …`."
        return Verdict(name, Outcome.WRONG, diagnosis, next_step=advice, mistake=Mistake.FOREIGN)
    if case.rows is not None:
        diagnosis = f"The cell works on this minibatch of {question.tape.rows} rows, but stops on {case.rows} of its rows."
        diagnosis = f"{diagnosis} {_written(question)}".strip()
        expected = f"a cell for any number of rows, {question.count}"
        mistake = Mistake.FOREIGN if question.foreign() else Mistake.BATCH
        return Verdict(name, Outcome.WRONG, diagnosis, seen, expected, _rows_advice(question), mistake=mistake)
    if isinstance(error, AutogradOff) or GRAD.search(question.cell.source):
        return _autograd(question)
    diagnosis = "The cell stops when it is run again with other gradients coming in."
    advice = f"Use only {_listed([*question.incoming, 'the forward variables'])} in it."
    if cause := question.repair(case):
        diagnosis, advice = f"{diagnosis} {cause.sentence}", cause.next_step
    return Verdict(
        name, Outcome.COULD_NOT_TELL, diagnosis, seen, next_step=advice, mistake=cause.mistake if cause else Mistake.UNKNOWN
    )


def _autograd(question: Question) -> Verdict:
    diagnosis = "The cell takes it from autograd, which is switched off while an answer is judged."
    advice = f"Derive it by hand, from {_listed([*question.incoming, 'the forward variables'])}."
    return Verdict(question.name, Outcome.WRONG, diagnosis, next_step=advice, mistake=Mistake.AUTOGRAD)


def wrong(question: Question, difference: Difference, replay: Replay, case: Case) -> Verdict:
    """The answer is not the gradient on a case."""
    if replay.answer is None and GRAD.search(question.cell.source):
        return _autograd(question)
    if case.rows is not None:
        where = f"Right on this minibatch of {question.tape.rows} rows, but wrong on {case.rows} of its rows."
        diagnosis = f"{where} {_written(question) or difference.diagnosis}"
        mistake = Mistake.FOREIGN if question.foreign() else Mistake.BATCH
        difference = replace(difference, diagnosis=diagnosis, next_step=_rows_advice(question), mistake=mistake)
    elif difference.kind in {"values", "shape"} and replay.answer.numel() <= LARGEST:
        difference = _with_reason(question, difference, replay, case)
    elif difference.kind == "finite" and (cause := question.repair(case)):
        diagnosis = f"{difference.diagnosis} {cause.sentence}"
        difference = replace(difference, diagnosis=diagnosis, next_step=cause.next_step, mistake=cause.mistake)
    if difference.kind == "values" and question.incoming:
        difference = replace(difference, seen=f"{difference.seen}, with random numbers in {_listed(question.incoming)}")
    if question.cell.lost or question.near():
        kept = [f"The result of `{code}` is not kept: give it a name, or use the form with `_`." for code in question.cell.lost]
        kept += [f"It also makes `{other}`: is that meant to be `{question.name}`?" for other in question.near()]
        difference = replace(difference, diagnosis=f"{difference.diagnosis} {' '.join(kept)}")
    lines = _listed([f"`{line}`" for line in question.tape.uses(question.variable)])
    advice = f"Look again at what the forward pass does with `{question.variable}`: {lines}."
    return _verdict(question.name, difference, replay, advice)


def not_callable(name: str, by: str, function: Function) -> Verdict:
    seen = f"type `{function.kind}`" if function.kind else f"`{by}({', '.join(function.parameters)})`"
    diagnosis = f"`{by}` is called with its arguments by name, and has no such names."
    advice = f"Put the first line, `def {by}(…):`, back as it was released."
    return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, seen, next_step=advice)


def function_stopped(name: str, by: str, error: BaseException, cause: Cause | None, case: Case, tape: Tape) -> Verdict:
    """`cause` says where the function stops."""
    if isinstance(error, AutogradOff):
        diagnosis = f"`{by}` asks autograd, which is switched off while an answer is judged."
        advice = "Derive the gradients by hand."
        return Verdict(name, Outcome.WRONG, diagnosis, next_step=advice, mistake=Mistake.AUTOGRAD)
    where = f" {cause.sentence}" if cause else ""
    if case.rows is None:
        mistake, advice = (cause.mistake, cause.next_step) if cause else (Mistake.UNKNOWN, "Mend it and run its cell again.")
        diagnosis = f"`{by}` stops before it returns anything.{where}"
        return Verdict(name, Outcome.COULD_NOT_TELL, diagnosis, _line(error), next_step=advice, mistake=mistake)
    diagnosis = f"`{by}` works on this minibatch of {tape.rows} rows, but stops on one of {case.rows} rows.{where}"
    return Verdict(name, Outcome.WRONG, diagnosis, _line(error), next_step=_function_advice(by), mistake=Mistake.BATCH)


def returns_none(name: str, by: str) -> Verdict:
    advice = f"Work it out in `{by}`, and return it in its place."
    return Verdict(name, Outcome.NOT_ATTEMPTED, f"`{by}` returns None for it.", next_step=advice)


def returns_nothing(name: str, by: str) -> Verdict:
    advice = "Is the `return` missing? Without one a function returns None."
    return Verdict(name, Outcome.WRONG, f"`{by}` returns nothing.", "None", next_step=advice)


def incomplete(name: str, by: str, answer: object, leaves: Sequence[str]) -> Verdict:
    size = f" of length {len(answer)}" if isinstance(answer, list | tuple) else ""
    expected = f"{len(leaves)} gradients, of {', '.join(leaves)}, in this order"
    return Verdict(name, Outcome.WRONG, f"`{by}` does not return them all.", f"type `{type(answer).__name__}`{size}", expected)


def function_wrong(name: str, by: str, difference: Difference, cause: Cause | None, replay: Replay, case: Case) -> Verdict:
    if cause:
        difference = replace(difference, diagnosis=cause.sentence, next_step=cause.next_step, mistake=cause.mistake)
    if case.rows is not None:
        where = f"Right on this minibatch, but not on another one of {case.rows} rows with other parameters."
        advice, mistake = difference.next_step or _function_advice(by), difference.mistake or Mistake.BATCH
        diagnosis = f"{where} {difference.diagnosis}"
        difference = replace(difference, diagnosis=diagnosis, next_step=advice, mistake=mistake)
    return _verdict(name, difference, replay, f"The mistake may be in any line of `{by}` from the loss back to `{name}`.")


def notes(name: str, replay: Replay) -> tuple[str, ...]:
    """What else there is to say about the code, right or wrong."""
    return tuple(_notes(name, replay))


def _notes(name: str, replay: Replay) -> Iterator[str]:
    for changed in replay.changed:
        remedy = "Change a `.clone()` of it, and run the cell that makes it again."
        yield f"Your code changes `{changed}` in place, and other cells that use it now see that. {remedy}"
    if isinstance(replay.error, NotImplementedError):
        yield "Your cell still has the line `raise NotImplementedError()`: delete it."
    elif replay.error is not None:
        yield f"Your cell works out `{name}`, and stops after that with {_line(replay.error)}."


def _with_reason(question: Question, difference: Difference, replay: Replay, case: Case) -> Difference:
    """The same difference with its reason, where the answer ignores what comes in or is right for this batch only."""
    ignored = [f"`d{name}`" for name in case.incoming if question.ignores(name, case, replay.answer)]
    advice = f"Work it out from {_listed([*question.incoming, 'the forward variables'])} alone, whatever comes in."
    right_here = question.right_here()
    is_copied = right_here and len(ignored) == len(case.incoming) and bool(replay.answer.any())
    cause = question.cause(replay.answer, case)
    if cause and (not is_copied or (cause.mistake is Mistake.GRADIENT and question.cell.reads.issuperset(cause.about))):
        remark = " The numbers are right for this batch, where that hardly shows." if right_here else ""
        sentence = cause.sentence + remark
        return replace(difference, diagnosis=sentence, next_step=cause.next_step, mistake=cause.mistake)
    if right_here:
        reason = (
            f"the cell does not use {_listed(ignored)}."
            if ignored
            else "with other gradients coming in they are wrong: a part that matters then is almost zero here."
        )
        diagnosis = f"The numbers are right for this batch, but {reason}"
        return replace(difference, diagnosis=diagnosis, next_step=advice, mistake=Mistake.IGNORES)
    if ignored and difference.kind == "values":
        diagnosis = f"The answer does not depend on {_listed(ignored)}."
        return replace(difference, diagnosis=diagnosis, next_step=advice, mistake=Mistake.IGNORES)
    return difference


def _verdict(name: str, difference: Difference, replay: Replay, advice: str) -> Verdict:
    """`advice` is for differences that bring none."""
    texts = (difference.diagnosis, difference.seen, difference.expected, difference.next_step or advice)
    where, heat = "", tuple[str, ...]()
    if difference.off is not None:
        is_wrong = difference.off > 1
        where = whereabouts(is_wrong)
        heat = heat_of(difference.off) if not bool(is_wrong.all()) else ()
    return Verdict(name, Outcome.WRONG, *texts, notes(name, replay), difference.mistake, where, heat)


def _written(question: Question) -> str:
    """What a number in the cell stands for, if it is that of the rows."""
    rows = question.tape.rows or 0
    written = {rows: question.count, rows - 1: f"{question.count} less 1"}
    found = next((number for number in written if number in question.numbers()), None)
    return f"`{found}` is written into the cell, where {written[found]} belongs." if found else ""


def _rows_advice(question: Question) -> str:
    foreign = question.foreign()
    if foreign:
        return f"The cell reads {_listed(foreign)} from another cell: work it out in this one."
    rows, count = question.tape.rows, question.count
    if _written(question):
        return f"Write {count}, or take sizes from the variables' shapes."
    suspicion = f"Is {rows} written into it, a number made from it, or a size read off the data?"
    return f"{suspicion} Use {count} and the variables' shapes."


def _function_advice(by: str) -> str:
    return f"Use only what `{by}` is given, and take the number of rows from the minibatch itself."


def _listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([*filter(None, [", ".join(items[:-1])]), items[-1]])


def _line(error: BaseException) -> str:
    """The type and the first line of an error."""
    return f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")
