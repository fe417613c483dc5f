from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch

from autograder.course.cells import read_cells
from autograder.course.questions import Question
from autograder.errors import NotReady
from autograder.judge.kinds import claim
from autograder.verdict import FUSED, Mistake, Outcome, Verdict
from scripts.submissions import ANOTHER_BACKWARD, SOURCE, model_answers
from tests.support.forms import FUSED_RIGHT, FUSED_WRONG, RIGHT, WRONG
from tests.support.lesson import Lesson

Lessons = Callable[[str], Lesson]

STEPS = "1-every-gradient"
RIGHT_FORMS = [(STEPS, name, form) for name, forms in RIGHT.items() for form in forms]
RIGHT_FORMS += [(lesson, name, form) for lesson, forms in FUSED_RIGHT.items() for name, form in forms]
WRONG_FORMS = [(STEPS, name, mistake, form) for name, forms in WRONG.items() for mistake, form in forms]
WRONG_FORMS += [(lesson, *form) for lesson, forms in FUSED_WRONG.items() for form in forms]
ROUNDING = ("Equal to autograd", "Same maths", FUSED)
PARAMETERS = ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")


def remarks(verdict: Verdict) -> tuple[str, ...]:
    """The notes but for those on rounding, which is another on every processor."""
    return tuple(note for note in verdict.notes if not note.startswith(ROUNDING))


@pytest.mark.parametrize(("notebook", "name", "form"), RIGHT_FORMS)
def test_a_right_form_is_right(lesson: Lessons, notebook: str, name: str, form: str) -> None:
    verdict = lesson(notebook).answer(name, form)
    assert verdict.outcome is Outcome.RIGHT, verdict
    assert not [note for note in verdict.notes if "off all the same" in note]


def test_the_culprit_is_named_and_not_its_victims() -> None:
    here = Lesson(STEPS)
    here.run("dcounts = counts_sum_inv * dprobs", id="dcounts")
    victims = list(here.solutions)[list(here.solutions).index("dcounts") + 1 :]
    for name in victims:
        here.run(here.solutions[name], id=name)
    for name in ("dprobs", "dcounts_sum"):
        assert remarks(here.verdict(name)) == ()
    assert here.verdict("dcounts").outcome is Outcome.WRONG
    for name in victims:
        verdict = here.verdict(name)
        assert verdict.outcome is Outcome.RIGHT
        assert remarks(verdict) == (
            f"The numbers of `{name}` in the notebook are off all the same, because `dcounts` is. "
            "Check that one, then run the cells from `dcounts` down to this one.",
        )


@pytest.mark.parametrize(("notebook", "name", "mistake", "form"), WRONG_FORMS)
def test_a_wrong_form_is_wrong(lesson: Lessons, notebook: str, name: str, mistake: str, form: str) -> None:
    verdict = lesson(notebook).answer(name, form)
    assert verdict.outcome is Outcome.WRONG, verdict
    assert verdict.diagnosis and verdict.seen


def test_every_gradient_has_two_right_and_two_wrong_forms() -> None:
    gradients = set(model_answers()[STEPS])
    assert len(gradients) == 26
    assert {name for name, forms in RIGHT.items() if len(set(forms)) >= 2} == gradients
    assert {name for name, forms in WRONG.items() if len(set(forms)) >= 2} == gradients
    assert len(WRONG_FORMS) >= 60


@pytest.mark.parametrize("name", list(RIGHT))
def test_zeros_are_never_right(lesson: Lessons, name: str) -> None:
    assert lesson(STEPS).answer(name, f"{name} = torch.zeros_like({name[1:]})").outcome is Outcome.WRONG


@pytest.mark.parametrize("name", [name for name in RIGHT if name != "dlogprobs"])
def test_a_copied_number_is_never_right(lesson: Lessons, name: str) -> None:
    here = lesson(STEPS)
    here.run(f"copied = {name}.clone()")
    verdict = here.answer(name, f"{name} = copied.clone()")
    assert verdict.outcome is Outcome.WRONG
    assert verdict.diagnosis.startswith("The numbers are right for this batch, but the cell does not use `d")


AWKWARD = {
    "None": Outcome.NOT_ATTEMPTED,
    "...": Outcome.NOT_ATTEMPTED,
    "[[1.0]]": Outcome.WRONG,
    "'no idea'": Outcome.WRONG,
    "0": Outcome.WRONG,
    "0.5": Outcome.WRONG,
    "object()": Outcome.WRONG,
    "torch": Outcome.WRONG,
    "lambda: dlogprobs / probs": Outcome.WRONG,
    "(dlogprobs / probs).numpy()": Outcome.WRONG,
    "torch.full_like(probs, float('nan'))": Outcome.WRONG,
    "dlogprobs / 0": Outcome.WRONG,
    "torch.zeros(n, 27, dtype=torch.int64)": Outcome.WRONG,
    "torch.zeros(n, 27, dtype=torch.bool)": Outcome.WRONG,
    "(dlogprobs / probs).to(torch.complex64)": Outcome.WRONG,
    "(dlogprobs / probs).to_sparse()": Outcome.WRONG,
    "torch.empty(n, 27, device='meta')": Outcome.WRONG,
    "torch.quantize_per_tensor(dlogprobs / probs, 0.1, 0, torch.qint8)": Outcome.WRONG,
    "torch.zeros(())": Outcome.WRONG,
    "torch.zeros(0, 27)": Outcome.WRONG,
    "torch.zeros(1, 1).expand(10**6, 10**6)": Outcome.WRONG,
    "probs": Outcome.WRONG,
    "probs.T": Outcome.WRONG,
    "(dlogprobs / probs).double()": Outcome.RIGHT,
    "torch.nn.Parameter(dlogprobs / probs)": Outcome.RIGHT,
    "(dlogprobs / probs).T.contiguous().T": Outcome.RIGHT,
}


@pytest.mark.filterwarnings("ignore:.*quantization.*:DeprecationWarning", "ignore:.*quantize_per_tensor.*")
@pytest.mark.parametrize(("answer", "outcome"), AWKWARD.items())
def test_any_answer_gets_a_verdict(lesson: Lessons, answer: str, outcome: Outcome) -> None:
    assert lesson(STEPS).answer("dprobs", f"dprobs = {answer}").outcome is outcome


CELLS = {
    "raises after the answer": ("dprobs = dlogprobs / probs\nraise ValueError('oops')", Outcome.RIGHT),
    "keeps the stub's raise": ("dprobs = dlogprobs / probs\nraise NotImplementedError()", Outcome.RIGHT),
    "leaves backward() behind": ("dprobs = dlogprobs / probs\nloss.backward()", Outcome.RIGHT),
    "asks autograd": (
        "p = probs.clone().requires_grad_()\n(p.log() * dlogprobs).sum().backward()\ndprobs = p.grad",
        Outcome.WRONG,
    ),
    "exits": ("dprobs = dlogprobs / probs\nimport sys\nsys.exit(3)", Outcome.RIGHT),
    "has magics": ("%precision 4\n!true\ndprobs = dlogprobs / probs", Outcome.RIGHT),
    "is timed": ("%%time\ndprobs = dlogprobs / probs", Outcome.RIGHT),
    "has a timed line": ("%time dprobs = dlogprobs / probs", Outcome.RIGHT),
    "prints and plots": ("print('hello')\ndprobs = dlogprobs / probs\ndprobs", Outcome.RIGHT),
    "warns": ("import warnings\nwarnings.warn('careful')\ndprobs = dlogprobs / probs", Outcome.RIGHT),
    "writes to stderr": ("import sys\nprint('oops', file=sys.stderr)\ndprobs = dlogprobs / probs", Outcome.RIGHT),
    "overwrites a forward variable": ("probs = probs.clone()\ndprobs = dlogprobs / probs", Outcome.RIGHT),
    "uses a loop variable n": ("dprobs = dlogprobs / probs\nfor n in range(3):\n    pass", Outcome.RIGHT),
    "works out several gradients": (
        "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0 / n\ndprobs = dlogprobs / probs",
        Outcome.RIGHT,
    ),
    "takes its incoming gradient along": ("dlogprobs = dlogprobs / probs\ndprobs = dlogprobs", Outcome.RIGHT),
    "changes its incoming gradient in place": ("dlogprobs /= probs\ndprobs = dlogprobs", Outcome.RIGHT),
    "checks itself": ("dprobs = dlogprobs / probs\ncheck('dprobs')", Outcome.RIGHT),
    "asserts what holds for the notebook only": (
        "assert dlogprobs.max() == 0 and n == 32\ndprobs = dlogprobs / probs\nassert dprobs.max() == 0",
        Outcome.RIGHT,
    ),
    "tries autograd first": (
        "try:\n    loss.backward()\nexcept RuntimeError:\n    pass\ndprobs = dlogprobs / probs",
        Outcome.RIGHT,
    ),
    "is looked through by a comprehension": (
        "dprobs = dlogprobs / probs\nrows = [len(dprobs) for dprobs in dprobs]",
        Outcome.RIGHT,
    ),
    "uses a function of its own": ("def over(a, b):\n    return a / b\ndprobs = over(dlogprobs, probs)", Outcome.RIGHT),
}


@pytest.mark.filterwarnings("ignore:careful")
@pytest.mark.parametrize(("source", "outcome"), CELLS.values(), ids=CELLS)
def test_a_cell_that(source: str, outcome: Outcome) -> None:
    assert Lesson(STEPS).answer("dprobs", source).outcome is outcome


def test_an_answer_does_not_need_the_gradients_that_come_in() -> None:
    """Whoever skips one gradient is not held up by it: all that come after it stop in the notebook, and are right."""
    here = Lesson(STEPS, solved=False)
    for name, source in here.solutions.items():
        if name != "dcounts":
            here.run(source, id=name)
    stopped = set()
    for name in here.solutions:
        verdict = here.verdict(name)
        assert verdict.outcome is (Outcome.NOT_ATTEMPTED if name == "dcounts" else Outcome.RIGHT), verdict
        stopped |= {name} if remarks(verdict) else set()
    assert {"dnorm_logits", "dlogits", "dC"} < stopped
    assert not {"dlogprobs", "dprobs", "dcounts_sum"} & stopped
    (note,) = remarks(here.verdict("dnorm_logits"))
    assert note == (
        "In the notebook the cell stopped with NameError: name 'dcounts' is not defined. Fix what it needs, then run it again."
    )


def test_a_cell_may_look_at_other_gradients(lesson: Lessons) -> None:
    source = "dcounts = counts_sum_inv * dprobs\nprint(dcounts.shape)\ndcounts_sum = -(counts_sum**-2) * dcounts_sum_inv"
    assert lesson(STEPS).answer("dcounts_sum", source).outcome is Outcome.RIGHT


def test_forward_variables_that_were_overwritten_do_not_matter() -> None:
    here = Lesson(STEPS)
    here.run("n, counts, ix = 27, None, 3\nprobs.zero_()\nC.zero_()\nXb = Xb[:3]")
    for name, form in ((name, forms[0]) for name, forms in RIGHT.items()):
        assert here.answer(name, form).outcome is Outcome.RIGHT, name


def test_a_cell_that_changes_another_gradient_in_place_is_told_so() -> None:
    verdict = Lesson(STEPS).answer("dhprebn", "dhprebn = dbndiff\ndhprebn += dbnmeani / n")
    assert verdict.outcome is Outcome.RIGHT
    assert remarks(verdict) == (
        "Your code changes `dbndiff` in place, so other cells that use it see the change. "
        "Work on `dbndiff.clone()` instead, and run the cell that makes `dbndiff` again if it is another by now.",
    )


INDEX_ADD = "dC = torch.zeros_like(C).index_add_(0, Xb.view(-1), demb.view(-1, C.shape[1]))"
LOOP = "dC = torch.zeros_like(C)\nfor k in range(Xb.shape[0]):\n    for n in range(3):\n        dC[Xb[k, n]] += demb[k, n]"
OVERWRITTEN = {
    "a loop variable": (LOOP, "n", "overwrote", "Use another name {}"),
    "a deletion": (f"{INDEX_ADD}\ndel n", "n", "deleted", "Take the `del` out"),
    "an intermediate": (f"{INDEX_ADD}\nprobs = torch.ones(3)", "probs", "overwrote", "Use another name {}"),
    "the batch": (f"{INDEX_ADD}\nXb = X[:32]", "Xb", "overwrote", "Use another name {}"),
}


@pytest.mark.parametrize(("source", "name", "did", "first"), OVERWRITTEN.values(), ids=OVERWRITTEN)
def test_a_cell_that_overwrites_the_forward_pass_is_told_so_and_the_remedy_works(
    source: str, name: str, did: str, first: str
) -> None:
    here = Lesson(STEPS, solved=False)
    for each, answer in here.solutions.items():
        here.run(source if each == "dC" else answer, id=each)
    before = here.session.tape("C")
    assert before is not None
    remedy = f"{first}, then run the `%%forward` cell again: it puts `{name}` back."
    verdict = here.verdict("dC")
    assert verdict.outcome is Outcome.RIGHT
    assert remarks(verdict) == (f"This cell {did} `{name}`, a value of the forward pass. {remedy.format('here')}",)
    reader = {"n": "dlogprobs", "probs": "dprobs", "Xb": "dC"}[name]
    if reader != "dC":
        here.run(here.solutions[reader], id=reader)
        said = f"The cell `dC` {did} `{name}`, a value of the forward pass. {remedy.format('there')}"
        assert remarks(here.verdict(reader))[0].endswith(said)
    here.run(INDEX_ADD, id="dC")
    assert here.run(forward_cell())[0].success
    assert here.session.tape("C") is not before, "it was recorded again"
    for each, answer in here.solutions.items():
        assert here.run(answer, id=each)[0].success
    for each in (reader, "dC", "dlogprobs"):
        assert remarks(here.verdict(each)) == ()


def forward_cell() -> str:
    """The locked cell with the forward pass of notebook 1."""
    return next(cell.source for cell in read_cells(SOURCE / f"{STEPS}.ipynb") if cell.source.startswith("%%forward"))


def test_running_the_forward_pass_again_takes_what_was_meant_to_change() -> None:
    here = Lesson(STEPS, solved=False)
    here.run("n = 20\nXb, Yb = X[:20], Y[:20]")
    assert here.run(forward_cell())[0].success
    tape = here.session.tape("C")
    assert tape is not None and (tape.rows, here.session.namespace["n"]) == (20, 20)


def test_an_answer_stopped_by_what_another_cell_overwrote_is_told_which() -> None:
    here = Lesson(STEPS, solved=False)
    here.run(here.solutions["dlogprobs"], id="dlogprobs")
    here.run("for n in range(3):\n    print(n)")
    here.run("dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0 / nn", id="dlogprobs")
    here.run("dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0 / n", id="dlogprobs")
    verdict = here.verdict("dlogprobs")
    assert verdict.outcome is Outcome.RIGHT
    assert remarks(verdict) == (
        "In the notebook the cell stopped with IndexError. "
        "The cell with `for n in range(3):` overwrote `n`, a value of the forward pass. "
        "Use another name there, then run the `%%forward` cell again: it puts `n` back.",
    )


TOLD = {
    "a number for what comes in": (
        "dprobs",
        "dprobs = torch.zeros_like(probs)\ndprobs[range(n), Yb] = -1.0 / n / probs[range(n), Yb]",
        "The numbers are right for this batch, but the cell does not use `dlogprobs`.",
        "Work it out from `dlogprobs` and the forward variables alone, whatever comes in.",
    ),
    "worked out from further up": (
        "dcounts_sum",
        "dcounts_sum = -counts_sum**-2 * (counts * dprobs).sum(1, keepdim=True)",
        "The numbers are right for this batch, but the cell does not use `dcounts_sum_inv`.",
        "Work it out from `dcounts_sum_inv` and the forward variables alone, whatever comes in.",
    ),
    "zeros where zero is true": (
        "db1",
        "db1 = torch.zeros_like(b1)",
        "It is zero everywhere, whatever comes in. On this batch it makes almost no difference, so your numbers look right.",
        "Work it out: here the numbers that come in are not zero.",
    ),
    "a part that is almost zero here": (
        "dlogits",
        "dlogits = dnorm_logits - F.one_hot(logits.max(1).indices, 27) * dlogit_maxes",
        "The part through `logit_maxes` has the wrong sign, and the rest is right. "
        "On this batch it makes almost no difference, so your numbers look right.",
        "Look for a minus that is missing, or one too many.",
    ),
    "a part that is missing": (
        "dcounts",
        "dcounts = counts_sum_inv * dprobs",
        "The path through `counts_sum` is missing, and the rest is right.",
        "`counts` is used in 2 places: add what comes back from `dcounts_sum`.",
    ),
    "a part that is missing, with another mistake": (
        "dcounts",
        "dcounts = counts_sum_inv * dprobs.abs()",
        "The answer does not depend on `dcounts_sum`.",
        "Work it out from `dcounts_sum`, `dprobs` and the forward variables alone, whatever comes in.",
    ),
    "with another mistake": (
        "dcounts_sum",
        "dcounts_sum = counts_sum**-2 + dcounts_sum_inv",
        "The values are wrong in 32 of 32 entries.",
        "Look again at what the forward pass does with `counts_sum`: `counts_sum_inv = counts_sum**-1`.",
    ),
    "in another cell's terms": (
        "dprobs",
        "dprobs = inverse * dlogprobs",
        "The cell works on this minibatch of 32 rows, but stops on a batch of 19 of them.",
        "The cell reads `inverse` from another cell: work it out in this one.",
    ),
    "two cells for one gradient": (
        "dcounts",
        "dcounts += dcounts_sum",
        "The cell changes a `dcounts` that it has not made: one of an earlier run, or of another cell.",
        "Work out all of `dcounts` in this cell: begin with a line `dcounts = …`.",
    ),
    "a number with a minus": (
        "dbnvar",
        "dbnvar = -1.5 * (bnvar + 1e-5) ** -1.5 * dbnvar_inv",
        "The number `1.5` is wrong in `-1.5 * (bnvar + 1e-05) ** (-1.5)`.",
        "All the rest is right: look at this place alone.",
    ),
    "brackets that are missing": (
        "dbnvar",
        "dbnvar = -0.5 * bnvar + 1e-5**-1.5 * dbnvar_inv",
        "The brackets are in the wrong place, or missing, in `-0.5 * bnvar + 1e-05 ** (-1.5) * dbnvar_inv`.",
        "All the rest is right: look at this place alone.",
    ),
    "ones to start from": (
        "dC",
        "dC = torch.ones_like(C)\nfor row, entry in zip(Xb.view(-1), demb.view(-1, 10)):\n    dC[row] += entry",
        "It is the right gradient, and 1 added to each entry.",
        "Leave it out: what is filled in entry by entry starts from zeros.",
    ),
    "a typo for the variable": (
        "dbndiff",
        "dbndiff = bnvar_inv * dbnraw + 2 * dbndiff * dbndiff2",
        "The cell reads `dbndiff` before it has made it: a value of an earlier run, or of another cell.",
        "Work it out without a `dbndiff` on the right side: the variable itself is called `bndiff`.",
    ),
    "a line that goes on": (
        "dcounts",
        "dcounts = counts_sum_inv * dprobs\n+ dcounts_sum",
        "The line `+ dcounts_sum` is not part of the line above it, so it changes nothing.",
        "Put brackets around both lines together, or write them as one.",
    ),
    "a line that goes on, and a sign": (
        "dcounts",
        "dcounts = counts_sum_inv * dprobs\n- dcounts_sum",
        "The path through `counts_sum` is missing, and the rest is right. "
        "The line `-dcounts_sum` is not part of the line above it, so it changes nothing.",
        "`counts` is used in 2 places: add what comes back from `dcounts_sum`.",
    ),
    "=+ for +=": (
        "dcounts",
        "dcounts = counts_sum_inv * dprobs\ndcounts =+ dcounts_sum",
        "`=+` is not `+=`: it gives a new value in the place of the old one.",
        "Write `+=`: all the rest is right.",
    ),
}


@pytest.mark.parametrize(("name", "source", "diagnosis", "next_step"), TOLD.values(), ids=TOLD)
def test_the_reason_is_told(lesson: Lessons, name: str, source: str, diagnosis: str, next_step: str) -> None:
    here = lesson(STEPS)
    here.run("inverse = 1 / probs")
    verdict = here.answer(name, source)
    assert verdict.outcome is Outcome.WRONG
    assert (verdict.diagnosis, verdict.next_step) == (diagnosis, next_step)


def test_without_a_known_reason_the_forward_lines_are_shown(lesson: Lessons) -> None:
    verdict = lesson(STEPS).answer("dcounts", "dcounts = counts_sum_inv * dprobs.abs() + counts.sqrt().sin() * dcounts_sum")
    assert verdict.diagnosis.startswith("The values are wrong in ")
    assert verdict.mistake is Mistake.UNKNOWN
    assert verdict.next_step == (
        "Look again at what the forward pass does with `counts`: "
        "`counts_sum = counts.sum(1, keepdim=True)` and `probs = counts * counts_sum_inv`."
    )


def test_random_numbers_are_called_so(lesson: Lessons) -> None:
    assert (
        lesson(STEPS).answer("dcounts", "dcounts = counts").seen.endswith(", with random numbers in `dcounts_sum` and `dprobs`")
    )
    assert "random" not in lesson(STEPS).answer("dlogprobs", "dlogprobs = logprobs").seen


AUTOGRAD = "p = probs.clone().requires_grad_()\n(p.log() * dlogprobs).sum().backward()\n"


@pytest.mark.parametrize(
    ("before", "source"),
    [("", AUTOGRAD + "dprobs = p.grad"), (AUTOGRAD, "dprobs = p.grad"), (AUTOGRAD, "dprobs = p.grad.clone()")],
    ids=["in the cell", "in another", "cloned"],
)
def test_autograd_in_an_answer_is_told(before: str, source: str) -> None:
    here = Lesson(STEPS)
    assert here.run(before)[0].success
    verdict = here.answer("dprobs", source)
    assert verdict.outcome is Outcome.WRONG
    assert verdict.diagnosis == "The cell takes it from autograd, which is switched off while an answer is checked."
    assert verdict.next_step == "Derive it by hand, from `dlogprobs` and the forward variables."


def test_a_fault_in_the_diagnosis_costs_no_verdict(lesson: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("autograder.judge.kinds.gradient_answer.diagnose", fail)
    verdict = lesson(STEPS).answer("dcounts", "dcounts = counts_sum_inv * dprobs")
    assert verdict.outcome is Outcome.WRONG
    assert verdict.diagnosis == "The answer does not depend on `dcounts_sum`."


@pytest.mark.parametrize(
    ("divisor", "told", "next_step"),
    [
        (
            "31",
            "`31` is written into the cell, where `n` less 1 belongs.",
            "Write `n`, or take sizes from the variables' shapes.",
        ),
        (
            "(32 - 1)",
            "`32` is written into the cell, where `n` belongs.",
            "Write `n`, or take sizes from the variables' shapes.",
        ),
        (
            "len(str(10**30))",
            r"The values are wrong in \d+ of \d+ entries.",
            "Use `n` and the variables' shapes: is 32 written into it, a number made from it, or a size read off the data?",
        ),
    ],
    ids=["less one", "itself", "made from it"],
)
def test_a_hard_coded_size_is_told(lesson: Lessons, divisor: str, told: str, next_step: str) -> None:
    verdict = lesson(STEPS).answer("dbndiff2", f"dbndiff2 = torch.ones_like(bndiff2) / {divisor} * dbnvar")
    assert re.fullmatch(r"Right on this minibatch of 32 rows, but wrong on a batch of \d+ of them\. " + told, verdict.diagnosis)
    assert (verdict.next_step, verdict.mistake) == (next_step, Mistake.BATCH)


def test_an_answer_that_was_never_written_is_not_attempted() -> None:
    here = Lesson(STEPS, solved=False)
    verdict = here.verdict("dprobs")
    assert verdict.outcome is Outcome.NOT_ATTEMPTED
    assert verdict.diagnosis == "There is no `dprobs` yet."


NO_PROBZ = "There is no `probz` here. The closest name is `probs`."
STOPPED = {
    "dprobs = 1 / probz": ("NameError: name 'probz' is not defined", NO_PROBZ),
    "dprobs = 1 / / probs": ("SyntaxError: invalid syntax, in line 1", "Python cannot read the line: invalid syntax."),
    "inverse = 1 / probz": ("NameError: name 'probz' is not defined", NO_PROBZ),
}


@pytest.mark.parametrize("before", ["", "dprobs = dlogprobs / probs"], ids=["first", "after a right answer"])
@pytest.mark.parametrize(("source", "told"), STOPPED.items(), ids=["name", "syntax", "unfinished"])
def test_a_cell_that_stopped_in_the_notebook_could_not_be_told(source: str, told: tuple[str, str], before: str) -> None:
    error, cause = told
    here = Lesson(STEPS, solved=False)
    here.run("dlogprobs = torch.ones_like(logprobs)")
    here.run(before, id="dprobs")
    here.run(source, id="dprobs")
    verdict = here.verdict("dprobs")
    assert verdict.outcome is Outcome.COULD_NOT_TELL
    assert verdict.diagnosis == f"The cell for `dprobs` stopped in line 1, `{source}`. {cause}"
    assert verdict.seen.startswith(error)


def test_a_cell_that_stopped_as_it_asked_autograd_is_told_what_it_is_told_in_a_room() -> None:
    here = Lesson(STEPS, solved=False)
    here.run("(probs.log() * dlogprobs).sum().backward()\ndprobs = probs.grad", id="dprobs")
    verdict = here.verdict("dprobs")
    assert verdict.diagnosis == "The cell takes it from autograd, which is switched off while an answer is checked."


REPLACED = {
    "emptied": ("# YOUR CODE HERE", "There is no `dprobs` yet.", "Write it in its answer cell, run that cell, then this one."),
    "misspelt": (
        "dprob = dlogprobs / probs",
        "There is no `dprobs` yet.",
        "The notebook has `dprob`. If that is the answer, call it `dprobs`.",
    ),
    "not assigned": (
        "dlogprobs / probs",
        "There is no `dprobs` yet.",
        "Begin a line with `dprobs = `: its cell was run, and gives `dprobs` no value.",
    ),
    "None": ("dprobs = None", "`dprobs` has no value yet.", "Write it in its answer cell, run that cell, then this one."),
    "no graph": (
        "dprobs = probs.grad",
        "`dprobs` has no value yet.",
        "Derive it by hand: the tensors of this notebook carry no graph, so there is no `.grad`.",
    ),
}


@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize(("source", "diagnosis", "next_step"), REPLACED.values(), ids=REPLACED)
def test_what_a_cell_made_before_it_was_changed_does_not_count(source: str, diagnosis: str, next_step: str) -> None:
    here = Lesson(STEPS)
    here.run(here.solutions["dprobs"], id="dprobs")
    here.session.runs = [run for run in here.session.runs if run.id or "dprobs" not in run.cell.touches]
    assert here.verdict("dprobs").outcome is Outcome.RIGHT
    here.run(source, id="dprobs")
    verdict = here.verdict("dprobs")
    assert (verdict.outcome, verdict.diagnosis, verdict.next_step) == (Outcome.NOT_ATTEMPTED, diagnosis, next_step)


def test_a_function_whose_cell_is_broken_now_does_not_count() -> None:
    here = Lesson("4-train", solved=False)
    here.run(here.solutions["backward"], id="backward")
    assert here.verdict("dC", by="backward").outcome is Outcome.RIGHT
    here.run(here.solutions["backward"] + "\n(", id="backward")
    verdict = here.verdict("dC", by="backward")
    assert (verdict.outcome, verdict.name) == (Outcome.COULD_NOT_TELL, "dC")
    assert verdict.seen.startswith("SyntaxError: ")


def test_an_answer_whose_cell_was_not_seen_could_not_be_told() -> None:
    here = Lesson(STEPS, solved=False)
    here.shell.user_ns["dprobs"] = here.shell.user_ns["probs"]
    assert here.verdict("dprobs").diagnosis == "`dprobs` is in the notebook, but the cell that made it was not seen."


def test_a_newer_cell_replaces_an_older_one(lesson: Lessons) -> None:
    here = lesson(STEPS)
    here.run("dprobs = probs")
    assert here.answer("dprobs", "dprobs = dlogprobs / probs").outcome is Outcome.RIGHT


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dprob", "the forward pass has no `prob`, so there is no gradient `dprob`. Did you mean `dprobs`?"),
        ("probs", "`probs` is not the name of a gradient: that is `d` and the name of a variable."),
        ("dloss", "`dloss` is 1, always: there is nothing to check."),
        (torch.ones(2), 'the name of the gradient goes in quotes, such as "dprobs".'),
    ],
)
def test_an_unknown_name_is_an_error(lesson: Lessons, name: str, message: str) -> None:
    with pytest.raises(NotReady) as error:
        claim(lesson(STEPS).session, Question(name))
    assert str(error.value) == message


def test_a_variable_after_the_loss_is_told() -> None:
    here = Lesson(STEPS)
    here.run("%%forward\nwide = C * 2\nlate = C.sum()")
    with pytest.raises(NotReady) as error:
        claim(here.session, Question("dwide"))
    assert str(error.value) == "the loss is the last line, `late`, and does not depend on `wide`."


@pytest.mark.parametrize("leaf", PARAMETERS)
@pytest.mark.parametrize("source", [None, ANOTHER_BACKWARD], ids=["model", "other style"])
def test_a_right_backward_function_is_right(lesson: Lessons, leaf: str, source: str | None) -> None:
    here = lesson("4-train")
    here.run(source or here.solutions["backward"])
    verdict = here.verdict(f"d{leaf}", by="backward")
    assert verdict.outcome is Outcome.RIGHT, verdict


BROKEN = {
    "hard-coded 32": ("n = Xb.shape[0]", "n = 32", "dW2"),
    "the notebook's n": ("    n = Xb.shape[0]\n", "", "dW1"),
    "no 1/n": ("dlogits /= n", "pass", "db2"),
    "last write wins": ("index_add_", "index_copy_", "dC"),
    "no Bessel": ("n / (n - 1) * bnraw", "bnraw", "dC"),
    "flat gain": ("(bnraw * dhpreact).sum(0, keepdim=True)", "(bnraw * dhpreact).sum(0)", "dbngain"),
    "returns two": ("return dC, dW1, db1, dW2, db2, dbngain, dbnbias", "return dC, dW1", "dC"),
    "returns in another order": (
        "return dC, dW1, db1, dW2, db2, dbngain, dbnbias",
        "return dW1, dC, db1, dW2, db2, dbnbias, dbngain",
        "dC",
    ),
    "swaps gain and bias": ("db2, dbngain, dbnbias", "db2, dbnbias, dbngain", "dbngain"),
}


@pytest.mark.parametrize(("old", "new", "name"), BROKEN.values(), ids=BROKEN)
def test_a_wrong_backward_function_is_wrong(lesson: Lessons, old: str, new: str, name: str) -> None:
    here = lesson("4-train")
    assert old in here.solutions["backward"]
    here.run(here.solutions["backward"].replace(old, new))
    assert here.verdict(name, by="backward").outcome is Outcome.WRONG


FIRST = "In `backward`, `dlogits` is the first that is wrong."


@pytest.mark.parametrize(
    ("old", "new", "name", "diagnosis"),
    [
        ("db2, dbngain, dbnbias", "db2, dbnbias, dbngain", "dbngain", "It is the gradient of `bnbias`."),
        ("return dC, dW1, db1", "return dW1, dC, db1", "dC", "It is the gradient of `W1`."),
        ("dlogits /= n", "pass", "dW2", f"{FIRST} It is `n` times what it should be."),
        ("dlogits /= n", "dlogits /= -n", "dC", f"{FIRST} It has the wrong sign."),
    ],
)
def test_the_mistake_in_a_backward_function_is_named(lesson: Lessons, old: str, new: str, name: str, diagnosis: str) -> None:
    here = lesson("4-train")
    here.run(here.solutions["backward"].replace(old, new))
    assert here.verdict(name, by="backward").diagnosis == diagnosis


FUNCTIONS = {
    "is missing": ("del backward", Outcome.NOT_ATTEMPTED),
    "returns nothing": ("def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):\n    pass", Outcome.NOT_ATTEMPTED),
    "is a stub": ("def backward(Xb, Yb, C):\n    raise NotImplementedError()", Outcome.NOT_ATTEMPTED),
    "raises": ("def backward(Xb, Yb, C):\n    return C / 0 + D", Outcome.COULD_NOT_TELL),
    "exits": ("def backward(Xb, Yb, C):\n    raise SystemExit", Outcome.COULD_NOT_TELL),
    "takes other things": ("def backward(x):\n    return x", Outcome.COULD_NOT_TELL),
    "is no function": ("backward = 3", Outcome.COULD_NOT_TELL),
    "forgets the return": ("def backward(Xb, Yb, C):\n    dC = torch.zeros_like(C)", Outcome.WRONG),
    "returns a part": ("def backward(Xb, Yb, C, W1):\n    return None, W1", Outcome.NOT_ATTEMPTED),
    "asks autograd": (
        "def backward(Xb, Yb, C):\n    C = C.requires_grad_()\n    return torch.autograd.grad(C[Xb].sum(), C)[0]",
        Outcome.WRONG,
    ),
}


@pytest.mark.parametrize(("source", "outcome"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_backward_that(lesson: Lessons, source: str, outcome: Outcome) -> None:
    here = lesson("4-train")
    here.run(here.solutions["backward"])
    here.run(source)
    assert here.verdict("dC", by="backward").outcome is outcome


def test_a_backward_that_ends_early_is_told_so(lesson: Lessons) -> None:
    here = lesson("4-train")
    early = here.solutions["backward"].replace("    dlogits = F.softmax", "    return\n    dlogits = F.softmax", 1)
    here.run(early)
    verdict = here.verdict("dC", by="backward")
    assert verdict.diagnosis.startswith("`backward` ends at a `return` that has nothing behind it, above its last line.")
    assert verdict.next_step.startswith("Take that `return` out")


def test_where_there_is_no_batch_none_is_mentioned(lesson: Lessons) -> None:
    verdict = lesson("0-warm-up").answer("dt", "dt = 2 * t * dsquare + 3")
    assert verdict.outcome is Outcome.WRONG
    assert "batch" not in verdict.diagnosis


def test_a_backward_that_changes_the_parameters_is_told_so(lesson: Lessons) -> None:
    here = lesson("4-train")
    here.run(here.solutions["backward"].replace("    return dC", "    C -= 0.1 * dC\n    return dC"))
    before = here.shell.user_ns["C"].clone()
    verdict = here.verdict("dW1", by="backward")
    assert verdict.outcome is Outcome.RIGHT
    (note,) = remarks(verdict)
    assert "changes `C` in place" in note
    assert before.equal(here.shell.user_ns["C"])
