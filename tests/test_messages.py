"""All kinds of messages that a learner gets, from answers that are really judged: how long, how many steps, which words."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from autograder.errors import Died
from autograder.judge import wording
from autograder.notebook.box import as_text
from autograder.replay.parsed import parse_cell
from autograder.verdict import RERUN, ROUNDING, Mistake, Outcome, Verdict
from scripts.submissions import model_answers
from tests.judge.test_crashes import TOLD, crashed
from tests.support import asked
from tests.support.forms import FUSED_WRONG, RIGHT, WRONG
from tests.support.lesson import Lesson

STEPS, TRAIN = "1-every-gradient", "4-train"
ASKED_OF_EACH = 1
"""Wrong answers to each ask that are judged."""
SHORTEST, LONGEST = 20, 80
"""Words of a message."""

FEWEST: dict[Outcome | Mistake, tuple[int, str]] = {
    Outcome.RIGHT: (5, "a right answer needs no advice"),
    Outcome.NOT_ATTEMPTED: (10, "there is little to say of an answer that is not there"),
    Mistake.LESSON: (12, "the words of the course itself, often with a case below them"),
}
"""Words that are enough, where fewer are, with the reason."""
NO_ORDER = {Mistake.LESSON: "the words of the course itself, which may give a fact to think about"}
"""Mistakes whose next step need not be an order, with the reason."""
AGREES = re.compile(r"\b1 (?:entries|rows|columns|values|keys|tensors|axes|members|numbers)\b")

OURS = re.compile(
    r"\b(?:tapes?|vjps?|cotangents?|judge[ds]?|judging|replay(?:s|ed)?|rooms?|examiners?|probes?|mutants?|operators?"
    r"|verdicts?|agents?|proxy|proxies|namespace|workspace|specification|reference|sessions?|tolerance|drills?|planted|slips?"
    r"|misfit|autograder)\b|\b[A-Z]\w*(?:Verdict|Cause|Kind|Case|Tape|Off)\b|\bkinds? of questions?\b",
    re.IGNORECASE,
)
"""Names of this package that no notebook has taught, where they stand outside of code."""

STEP = re.compile(
    r"(?:Then |First |Otherwise )?(?:add|ask|begin|bring|call|check|close|compare|compute|convert|count|delete|derive|divide|do"
    r"|draw|end|fix|get|give|go|indent|keep|leave|let|look|make|mind|multiply|pick|print|put|read|repeat|restart|return|run|say|scale|send|set"
    r"|start|stay|sum|swap|take|turn|type|unpack|use|work|write)\b",
    re.IGNORECASE,
)
"""How a sentence begins that says what to do; a question is one, too."""


@dataclass(frozen=True)
class Message:
    """A verdict, and from which kind of answer it comes."""

    source: str
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.source}: {as_text(self.verdict)}"

    @property
    def parts(self) -> list[str]:
        """The texts that are read as sentences: without numbers, pictures, and what rounding is."""
        notes = [note for note in self.verdict.notes if not note.startswith(ROUNDING)]
        return [self.verdict.diagnosis, self.verdict.next_step, *notes]

    @property
    def words(self) -> list[str]:
        """Words of the box, in which a piece of code or a shape is one, without what rounding is."""
        notes = tuple(note for note in self.verdict.notes if not note.startswith(ROUNDING))
        text = re.sub(r"`[^`]*`|\([\d, ]+\)", " code ", as_text(replace(self.verdict, notes=notes)))
        return [word for word in text.split() if re.search(r"\w", word)]

    @property
    def steps(self) -> list[str]:
        """The sentences that say what to do. That the cell runs again then is a part of the step before."""
        return [each for part in self.parts for each in sentences(part) if each != RERUN and is_step(each)]


def sentences(text: str) -> list[str]:
    """The sentences of a text, with each piece of code as the word `code`."""
    plain = re.sub(r"`[^`]*`", "`code`", text)
    return [each for each in re.split(r"(?<=[.?!])\s+", plain) if each]


def is_step(sentence: str) -> bool:
    """Whether a sentence tells its reader to do something: from its start, after a colon, or as a question."""
    clauses = re.split(r"[:;,] (?:so |but |and )?", sentence)
    return sentence.endswith("?") or any(STEP.match(each) for each in (clauses[0], *clauses[1:2]))


def gradients() -> Iterator[Message]:
    """Answers of each known mistake in a gradient, and right ones."""
    steps = Lesson(STEPS)
    for table in (WRONG, RIGHT):
        for name, forms in table.items():
            for form in forms[:1] if table is RIGHT else forms:
                source = form if isinstance(form, str) else form[1]
                yield Message("gradient", steps.answer(name, source))
    for notebook, rows in FUSED_WRONG.items():
        lesson = Lesson(notebook)
        for name, _, form in rows:
            yield Message("gradient in one go", lesson.answer(name, form))


OTHER_FORMS = {
    "nothing is there": ("dh", "pass"),
    "no tensor": ("dh", "dh = 1.0"),
    "a list": ("dh", "dh = [dlogits @ W2.T]"),
    "whole numbers": ("dh", "dh = (dlogits @ W2.T).long()"),
    "few digits": ("dh", "dh = (dlogits @ W2.T).half()"),
    "not finite": ("dh", "dh = dlogits @ W2.T / 0"),
    "autograd": ("dh", "dh = torch.autograd.grad(loss, h)[0]"),
    "reads .grad": ("dh", "dh = h.grad"),
    "an error": ("dh", "dh = dlogits @ W2"),
    "an error of no row": ("dh", "raise Exception('no')"),
    "an error behind the answer": ("dh", "dh = dlogits @ W2.T\nraise Exception('no')"),
    "in place": ("dh", "dlogits *= 1\ndh = dlogits @ W2.T"),
    "overwrites": ("dh", "n = 7\ndh = dlogits @ W2.T"),
    "adds to its own": ("dh", "dh += dlogits @ W2.T"),
    "a number that fits": ("dlogprobs", "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(32), Yb] = -1 / 32"),
    "from another cell": ("dlogprobs", "rows = n\ndlogprobs = -F.one_hot(Yb, 27) / rows"),
    "a path twice": ("dcounts", "dcounts = counts_sum_inv * dprobs + dcounts_sum + dcounts_sum"),
    "not a number": ("dh", "dh = torch.full_like(h, float('nan'))"),
    "script": ("dh", "dh = torch.jit.CompilationUnit('def f(x): return x').f(dlogits @ W2.T)"),
}
"""What may be wrong with an answer besides its numbers."""


def others() -> Iterator[Message]:
    for what, (name, source) in OTHER_FORMS.items():
        lesson = Lesson(STEPS, solved=False)
        lesson.shell.showtraceback = lambda *_, **__: None
        for given in ("dlogprobs", "dprobs", "dcounts_sum_inv", "dcounts_sum", "dcounts", "dnorm_logits", "dlogit_maxes"):
            lesson.run(lesson.solutions[given], id=given)
        lesson.run(lesson.solutions["dlogits"], id="dlogits")
        if source != "pass":
            lesson.run(source, id=name)
        yield Message(what, lesson.verdict(name))
        if what == "overwrites":
            lesson.run(lesson.solutions["dW2"], id="dW2")
            yield Message("overwritten by another cell", lesson.verdict("dlogprobs"))
    yield Message("ended", wording.ended("dh", Died("killed after 60 seconds")))
    yield Message("the check fails", wording.judge_failed("dh", ValueError("no")))
    yield Message("unseen", wording.unseen("dh"))
    yield Message("misspelt", wording.not_attempted("dh", misspelt="dH"))
    yield Message("has run", wording.not_attempted("dh", has_run=True))
    yield Message("blank", wording.blank("dh", parse_cell("dh = h.grad")))


BACKWARD = model_answers()[TRAIN]["backward"]
FUNCTIONS = {
    "no function": "backward = 3",
    "another first line": BACKWARD.replace("b1, W2", "W2, b1", 1).replace("def backward(Xb, ", "def backward("),
    "nothing returned": re.sub(r"\n    return .*", "\n", BACKWARD),
    "one returned": re.sub(r"\n    return .*", "\n    return dC", BACKWARD),
    "None for one": BACKWARD.replace("return dC, dW1", "return dC, None").replace("dW1, db1, dW2", "None, db1, dW2"),
    "another order": "dbnbias, dbngain".join(BACKWARD.rsplit("dbngain, dbnbias", 1)),
    "a number that fits": BACKWARD.replace("n = Xb.shape[0]", "n = 32"),
    "from outside": BACKWARD.replace("    n = Xb.shape[0]\n", ""),
    "autograd": BACKWARD.replace("    dh = ", "    loss.backward()\n    dh = ", 1),
    "stops": BACKWARD.replace("dh = dlogits @ W2.T", "dh = dlogits @ W2"),
    "an earlier line": BACKWARD.replace("torch.tanh(bngain", "torch.sigmoid(bngain"),
    "a factor": BACKWARD.replace("dW2 = h.T @ dlogits", "dW2 = h.T @ dlogits / n"),
    "right": BACKWARD,
}
"""Ways in which a backward function can be wrong."""


def functions() -> Iterator[Message]:
    lesson = Lesson(TRAIN, solved=False)
    lesson.shell.showtraceback = lambda *_, **__: None
    yield Message("no backward function", lesson.verdict("dW1", by="backward"))
    for what, source in FUNCTIONS.items():
        lesson.run(source, id="backward")
        yield from (Message(f"backward: {what}", lesson.verdict(name, by="backward")) for name in ("dW1", "dbngain"))


def asks() -> Iterator[Message]:
    """A fixed draw of the wrong answers to each ask, and its model answer."""
    drawn = random.Random(0)
    for assignment in asked.ASSIGNMENTS:
        forms = [form for file in (assignment, f"{assignment}-blind") for form in asked.forms(file) if not form.right]
        for name in asked.asked(assignment):
            own = [form for form in forms if form.name == name and "while" not in form.code]
            for form in drawn.sample(own, min(ASKED_OF_EACH, len(own))):
                yield Message(f"ask in {assignment}", asked.verdict(assignment, name, form.code))


def crashed_cells() -> Iterator[Message]:
    here = Lesson(STEPS)
    here.shell.InteractiveTB.set_mode("Minimal")
    here.shell.showtraceback = lambda *_, **__: None
    for source in TOLD:
        yield Message("crash", wording.failed("dW2", "RuntimeError: no", crashed(here, source)))


GATHERED: dict[str, Callable[[], Iterator[Message]]] = {
    "gradients": gradients,
    "other forms": others,
    "functions": functions,
    "asks": asks,
    "crashes": crashed_cells,
}


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return [message for gather in GATHERED.values() for message in gather()]


def told(found: list[Message], wanted: Callable[[Message], bool]) -> str:
    """The messages that are not as wanted, each kind once."""
    return "\n\n".join(
        sorted({re.sub(r"[\d.]+", "#", message.source): str(message) for message in found if not wanted(message)}.values())
    )


def test_each_mistake_has_a_message(messages: list[Message]) -> None:
    assert set(Mistake) - {message.verdict.mistake for message in messages} == set()
    assert set(Outcome) == {message.verdict.outcome for message in messages}


def test_a_message_is_neither_too_short_nor_too_long(messages: list[Message]) -> None:
    def fits(message: Message) -> bool:
        verdict = message.verdict
        fewest, _ = FEWEST.get(verdict.outcome) or FEWEST.get(verdict.mistake) or (SHORTEST, "")
        return fewest <= len(message.words) <= LONGEST

    assert told(messages, fits) == ""


def test_a_message_has_one_next_step(messages: list[Message]) -> None:
    def has_one(message: Message) -> bool:
        count, verdict = len(message.steps), message.verdict
        return count == 1 or (count == 0 and (verdict.outcome is Outcome.RIGHT or verdict.mistake in NO_ORDER))

    assert told(messages, has_one) == ""


def test_a_message_has_no_names_that_its_reader_has_not_met(messages: list[Message]) -> None:
    def is_plain(message: Message) -> bool:
        return not any(OURS.search(re.sub(r"`[^`]*`", "code", part)) for part in message.parts)

    assert told(messages, is_plain) == ""


def test_numbers_agree_with_their_nouns(messages: list[Message]) -> None:
    assert told(messages, lambda message: not AGREES.search(as_text(message.verdict))) == ""
