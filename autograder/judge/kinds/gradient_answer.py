"""The answer to a question for a gradient, and what is wrong with it: the cell is run in other ways to find the mistake."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from autograder.course.lesson import Advice, advice
from autograder.diagnosis import repair as repairing
from autograder.diagnosis.budget import Budget
from autograder.diagnosis.diagnose import diagnose
from autograder.diagnosis.evidence import MIN_ENTRIES, Evidence, evidence_of, short
from autograder.diagnosis.repair import alternatives, repair, with_a_term_less
from autograder.errors import ContentError
from autograder.judge import comparison
from autograder.judge.comparison import Difference, Words
from autograder.judge.outside import Fixed, Maker, Trial, not_seen
from autograder.judge.wording import GRAD, listed
from autograder.replay.parsed import ParsedCell, mentioned, parse_cell, parse_tree, read_in
from autograder.replay.run import AutogradOff, Replay
from autograder.replay.workspace import Workspace
from autograder.tape.cases import Case, Reference, moved_cases, step_cases, step_reference, whole_references
from autograder.tape.tape import Tape
from autograder.verdict import Cause, Mistake

MAX_ENTRIES = 10**6
"""Entries of an answer that is diagnosed: one of the wrong shape may have any number of them."""

NO_PART = "is not part of the line above it, so it changes nothing."

JOINING = re.compile(r"\b(cat|concat|stack|hstack|vstack)\(")
"""Where a line has a part of its entries from one variable, and the rest from others."""
JOINED = "entries that the line of `{0}` takes from something else than `{1}`", "choice", "leave it out."
SWITCHED_OFF = "entries that the line of `{0}` switches off", "mask", "use the mask or the condition of the line on `d{0}`."
"""Of such a line, and of any other: entries that should get nothing, what an answer chooses them by, and what to do."""

DROPOUT = re.compile(r"\bdropout\(")
DRAWN_ANEW = Cause(
    Mistake.MASK,
    "`dropout` draws anew which entries it drops, so they are not those of the forward pass.",
    "Use the mask of the forward pass, and divide where its line does.",
)

MISPLACED = (
    (
        re.compile(r"(?m)^(?P<left>[^=#\n]+)=(?P<sign>[+-])"),
        r"\g<left>\g<sign>=",
        "`={sign}` is not `{sign}=`: it gives a new value in the place of the old one.",
        "Write `{sign}=`: all the rest is right.",
    ),
    (
        re.compile(r"(?<!\s)[ \t]*\n\s*(?P<line>[+-][^\n]*)"),
        r" \g<line>",
        f"The line `{{line}}` {NO_PART}",
        "Put brackets around both lines together, or write them as one.",
    ),
)
"""Signs in the wrong place: how they look, what is meant, what is said, and the next step."""

OF_FORMULAS = {Mistake.CONSTANT, Mistake.MEAN, Mistake.SIGN}
"""Mistakes that are seen in an answer which goes all the way from the loss, without a look at its code."""

MAX_SHARE = 0.6
"""The share of the time for an answer that ignores what comes in; the rest is for the same as a formula from the loss on."""

TINY = 1e-6
"""A gradient that is smaller than this, relative to the largest of all, is zero but for rounding."""

ELSEWHERE = 4
"""Numbers of rows from which one is chosen to see whether a cause explains the answer there too."""


@dataclass(frozen=True)
class Explanation:
    """What was found out about an answer by running it in other ways.

    On another number of rows there always is a `cause`, with an empty sentence where none was found.
    `ignored` are the gradients that come in and make no difference to it, as code; nothing where a cause is found that shows in
    the notebook's own numbers. `right_here` says whether the cell's own value in the notebook is right, all the way from the
    loss; `whole` is the mistake in one that is meant to be.
    """

    cause: Cause | None = None
    ignored: tuple[str, ...] = ()
    right_here: bool = False
    whole: Cause | None = None


@dataclass(frozen=True)
class GradientAnswer:
    """The cell that works out the gradient `name` of a variable on the tape, in the workspace that it stands in.

    It may also be a few statements of a function that works out many. `error` is what the cell stopped with in the notebook;
    `maker` gives the cell that made another name.
    """

    name: str
    tape: Tape
    cell: ParsedCell
    workspace: Workspace
    error: str = ""
    maker: Maker = not_seen
    stands_alone: bool = True
    """Whether it can be run on other rows than those that its workspace has values for."""

    @property
    def variable(self) -> str:
        return self.name[1:]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tape.state[self.variable].shape)

    @property
    def incoming(self) -> tuple[str, ...]:
        """The gradients that come in, as code; that of the loss is 1 and has no name."""
        return tuple(f"`d{consumer}`" for consumer in self.tape.consumers(self.variable) if consumer != self.tape.loss)

    @property
    def count(self) -> str:
        """What the notebook calls the number of rows, as code."""
        counts = (f"`{name}`" for name in self.tape.batch if not isinstance(self.tape.given[name], Tensor))
        return next(counts, "the number of rows")

    def replay(self, case: Case) -> Replay:
        """What the cell answers on a case."""
        return self.workspace.replay(self.cell, self.name, case)

    def why_stopped(self, replay: Replay, case: Case) -> Explanation:
        """Why the cell gave no answer to a case."""
        is_plain = isinstance(replay.error, AutogradOff) or self.reads_grad() or self.goes_on(replay)
        return Explanation() if is_plain else Explanation(self.repair(case))

    def why_wrong(self, difference: Difference, replay: Replay, case: Case) -> Explanation:
        """Why the answer to a case differs, where that is not plain from the difference."""
        if replay.answer is None and self.reads_grad():
            return Explanation()
        if case.rows is not None:
            return Explanation(self.on_fewer_rows(case))
        if difference.kind in {"values", "shape"} and replay.answer.numel() <= MAX_ENTRIES:
            return self._why_wrong(replay, case)
        if self._is_a_number(replay.answer):
            return Explanation(self.cause(torch.tensor(float(replay.answer)), case))
        return Explanation(self.repair(case)) if difference.kind == "finite" else Explanation()

    def _is_a_number(self, answer: object) -> bool:
        """Whether an answer is a plain number where the variable is a tensor without axes."""
        return type(answer) in (int, float) and not self.shape

    def _why_wrong(self, replay: Replay, case: Case) -> Explanation:
        right_here = self.right_here()
        reads_all = self.cell.reads.issuperset(f"d{name}" for name in case.incoming if name != self.tape.loss)
        cause = self.cause(replay.answer, case, 1.0 if reads_all else MAX_SHARE)
        if cause and not right_here:
            return Explanation(cause)
        ignored = tuple(f"`d{name}`" for name in case.incoming if self.ignores(name, case, replay.answer))
        is_copied = right_here and len(ignored) == len(case.incoming) and bool(replay.answer.any())
        if cause and is_copied and not (cause.mistake is Mistake.GRADIENT and self.cell.reads.issuperset(cause.about)):
            cause = None  # the numbers are true because they were copied, and fit a mistake by chance
        is_formula = ignored and not cause and not right_here and not replay.changed
        return Explanation(cause, ignored, right_here, self._whole() if is_formula else None)

    def _whole(self) -> Cause | None:
        """The mistake in an answer that goes all the way from the loss, and not from what comes in."""
        truth = whole_references(self.tape)
        largest = max(float(each.exact.abs().max()) for each in truth.values())
        if float(truth[self.variable].exact.abs().max()) < TINY * largest:
            return None  # it is zero but for rounding, and many mistakes would give that
        case = self._from_loss()
        answer = self.replay(case).answer
        if cause := self._misplaced_sign(case):
            return cause
        half, budget = (Budget.of(repairing.MAX_SECONDS * (1 - MAX_SHARE) * part) for part in (0.5, 1))
        with suppress(Exception):  # as below
            evidence = evidence_of(answer, self.tape, self.variable, case, self.workspace.names, self.cell.source)
            cause, is_credible = diagnose(replace(evidence, budget=half, from_loss=True))
            if is_credible and cause and cause.mistake in OF_FORMULAS:
                return cause
        return self.repair(case, budget, self._from_loss)

    def _from_loss(self, case: Case | None = None) -> Case:
        """A case, the notebook's own if none is given, with the true gradients, from the loss on, for all that comes in."""
        true = {name: each.rounded for name, each in whole_references(self.tape, case).items()}
        case = case or Case(self.tape.state, {})
        return replace(case, incoming={name: true[name] for name in self.tape.consumers(self.variable)}, others=true)

    def goes_on(self, replay: Replay) -> bool:
        """Whether the cell goes on from a value of its own name that it did not make."""
        return isinstance(replay.error, NameError) and replay.error.name == self.name

    def reads_own(self) -> bool:
        """Whether the first statement with its own name has it on the right side of a `=`."""
        used = (node for node in parse_tree(self.cell.source).body if self.name in mentioned(node))
        first = next(used, None)
        return isinstance(first, ast.Assign) and self.name in mentioned(first.value)

    def reads_grad(self) -> bool:
        """Whether the cell looks for what autograd would have left."""
        return bool(GRAD.search(self.cell.source))

    def cause(self, answer: Tensor, case: Case, share: float = 1.0) -> Cause | None:
        """The mistake in an answer to a case: by what the answer is, or else by what change of the code would fix it.

        `share` is how much of the time for looking it may take.
        """
        if cause := self._misplaced_sign(case):
            return cause
        if DROPOUT.search(self.cell.source):
            return DRAWN_ANEW
        if not answer.is_floating_point():
            return self.repair(case)
        with suppress(Exception):  # as below
            if cause := self._mask(answer, case):
                return cause
        known = lesson(self.workspace, self.tape, self.variable).mistakes
        half, budget = (Budget.of(repairing.MAX_SECONDS * share * part) for part in (0.5, 1))
        found = None
        for seen, given in (*self._densely(case), (answer, case)):
            with suppress(Exception):  # such as a forward pass that fixes its dtype: a wrong answer needs no reason to be wrong
                evidence = evidence_of(seen, self.tape, self.variable, given, self.workspace.names, self.cell.source)
                cause, is_credible = diagnose(replace(evidence, budget=half), known, self._on_fewer, self._on_moved)
                if is_credible and not (cause and cause.mistake is Mistake.PATH and self._has_idle_term(seen, given)):
                    return cause
                found = cause or found
        return self.repair(case, budget) or found

    def _misplaced_sign(self, case: Case) -> Cause | None:
        """The mistake that a `+` or a `-` stands on the wrong side of a `=`, or begins a line of its own."""
        for pattern, meant, sentence, step in MISPLACED:
            if found := pattern.search(self.cell.source):
                cell = parse_cell(pattern.sub(meant, self.cell.source))
                truth = step_reference(self.tape, self.variable, case)
                if compare(replace(self, cell=cell).replay(case).answer, truth) is None:
                    places = {name: short(code.strip()) for name, code in found.groupdict().items()}
                    return Cause(Mistake.OPERATION, sentence.format_map(places), step.format_map(places))
        return None

    def _on_fewer(self) -> Evidence | None:
        """The evidence for the answer on fewer rows; None where it does not run on them."""
        return self._evidence(self._fewer())

    def _on_moved(self) -> Evidence | None:
        """The evidence for the answer on other values; None where it does not run on them."""
        return self._evidence(self._moved())

    def _evidence(self, cases: list[Case]) -> Evidence | None:
        with suppress(Exception):  # as above
            for case in cases:
                answer = self.replay(case).answer
                answer = torch.tensor(float(answer)) if self._is_a_number(answer) else answer
                if isinstance(answer, Tensor) and answer.shape == case.state[self.variable].shape:
                    return evidence_of(answer, self.tape, self.variable, case, self.workspace.names, self.cell.source)
        return None

    def _moved(self) -> list[Case]:
        """A case with other values of the leaves, if the forward pass goes through with them."""
        return moved_cases(self.tape, self.variable) if self.stands_alone else []

    def _has_idle_term(self, answer: Tensor, case: Case) -> bool:
        """Whether the code has a term that comes to nothing: then no path is missing, but something is wrong in that term."""
        same = Reference(answer.double(), answer)
        return any(
            compare(replace(self, cell=cell).replay(case).answer, same) is None for cell in with_a_term_less(self.cell.source)
        )

    def _fewer(self) -> list[Case]:
        """A case on fewer rows, if there is one: on a number of rows that is like no other size here where possible."""
        if not self.stands_alone:
            return []
        names = (self.variable, *self.tape.consumers(self.variable))
        sizes = {size for name in names for size in self.tape.state[name].shape}
        cases = step_cases(self.tape, self.variable, "elsewhere", own=0, resampled=ELSEWHERE)
        return sorted(cases, key=lambda case: case.rows in sizes)[:1]

    def _mask(self, answer: Tensor, case: Case) -> Cause | None:
        """The mistake that what comes in gets through where a consumer's line switches entries off, or only there."""
        for consumer, gradient in case.incoming.items():
            off = self.tape.switched_off(consumer, self.variable, case.state)
            if not bool((gradient * off).any()):
                continue
            elsewhere, there = (
                self.replay(replace(case, incoming={**case.incoming, consumer: gradient * kept})).answer for kept in (~off, off)
            )
            is_joined = any(JOINING.search(step.source) for step in self.tape.steps if step.name == consumer)
            what, choice, way = (words.format(consumer, self.variable) for words in (JOINED if is_joined else SWITCHED_OFF))
            counts = f"Which entries of `{consumer}` change with `{self.variable}`?"
            advice = f"{counts} What comes in at all others counts for nothing: {way}"
            if compare(elsewhere, step_reference(self.tape, self.variable, case)) is None:
                sentence = f"The {what} should get nothing, but what comes in there gets through; the rest is right."
                return Cause(Mistake.MASK, sentence, advice)
            is_alone = isinstance(elsewhere, Tensor) and not torch.equal(elsewhere, answer)  # the answer takes what comes in
            if is_alone and isinstance(there, Tensor) and bool(answer.any()) and torch.equal(there, answer):
                sentence = (
                    f"It takes only what comes in at {what}, which should get nothing: the {choice} is the wrong way round."
                )
                return Cause(Mistake.MASK, sentence, advice)
        return None

    def _densely(self, case: Case) -> Iterator[tuple[Tensor, Case]]:
        """The answer to a case without zeros in what comes in, and that case; none if the case has no zeros.

        Where zeros come in several mistakes may give the same answer, and the wrong one would be named.
        """
        if not any(bool((gradient == 0).any()) for gradient in case.incoming.values()):
            return
        generator = torch.Generator().manual_seed(0)
        incoming = {
            name: torch.where(gradient == 0, torch.randn(gradient.shape, generator=generator), gradient).to(gradient.dtype)
            for name, gradient in case.incoming.items()
        }
        dense = replace(case, incoming=incoming)
        again = self.replay(dense).answer
        if isinstance(again, Tensor) and again.is_floating_point():
            yield again, dense

    def repair(
        self, case: Case, budget: Budget | None = None, elsewhere: Callable[[Case], Case] = lambda case: case
    ) -> Cause | None:
        """The mistake that one small change of the code fixes. `budget` is for how long it is looked for.

        A change that fits much has to be right on fewer rows and on other values too, of which `elsewhere` makes cases of the
        kind of this one.
        """
        gradients = {f"d{name}": gradient for name, gradient in case.incoming.items() if name != self.tape.loss}
        truth = step_reference(self.tape, self.variable, case)

        def is_right(cell: ParsedCell) -> bool:
            again = replace(self, cell=cell).replay(case)
            return again.error is None and compare(again.answer, truth) is None

        def holds(cell: ParsedCell) -> bool:
            cases = (elsewhere(each) for each in (*self._fewer(), *self._moved()))
            answers = ((replace(self, cell=cell).replay(each).answer, each) for each in cases)
            return all(compare(answer, step_reference(self.tape, self.variable, each)) is None for answer, each in answers)

        others = alternatives(self.tape, self.variable, {**case.state, **gradients})
        has_few = truth.exact.numel() < MIN_ENTRIES
        return repair(self.cell.source, others, is_right, budget, holds, has_few)

    def ignores(self, consumer: str, case: Case, answer: object) -> bool:
        """Whether the answer stays the same when another gradient comes in from one consumer."""
        if consumer == self.tape.loss or not isinstance(answer, Tensor):
            return False
        again = self.replay(replace(case, incoming={**case.incoming, consumer: -2 * case.incoming[consumer]})).answer
        return isinstance(again, Tensor) and torch.equal(again, answer)

    def right_here(self) -> bool:
        """Whether the cell's own value in the notebook is the true gradient, all the way from the loss."""
        return not self.error and self._is_true(self.variable, whole_references(self.tape))

    def culprit(self) -> str:
        """The first variable, from the loss back to this one, with a gradient in the notebook that is not true; or nothing.

        A gradient without those that it is worked out from was given by the notebook, as anything it likes.
        """
        truth = whole_references(self.tape)
        after = self.tape.downstream({self.variable})
        there = {self.tape.loss, *(name for name in self.tape.variables if f"d{name}" in self.workspace.names)}
        back = (name for name in reversed(self.tape.variables[:-1]) if name in after & there)
        first = next((name for name in back if not self._is_true(name, truth)), "")
        return first if there.issuperset(self.tape.consumers(first)) else ""

    def _is_true(self, variable: str, truth: Mapping[str, Reference]) -> bool:
        return compare(self.workspace.names.get(f"d{variable}"), truth[variable]) is None

    def near(self) -> list[str]:
        """Names that the cell makes and does not read, and that are nearly its own."""
        known = {self.name, *self.tape.state, *(f"d{name}" for name in self.tape.variables)}
        others = sorted(self.cell.touches - known)
        found = get_close_matches(self.name, others, n=len(others) or 1, cutoff=0.85)
        return [name for name in found if name not in read_in(parse_tree(self.cell.source))][:1]

    def on_fewer_rows(self, case: Case, stop: Cause | None = None) -> Cause:
        """What in the cell fits the notebook's own number of rows only, and what to do about it. `stop` is why it stopped."""
        found = self._fixed(case)
        outside = {each.name: each.place for each in found if not each.stands_for}
        if others := [f"`{name}`" for name, (_, value, _) in outside.items() if not isinstance(value, int | float)]:
            it = "it" if len(others) == 1 else "them"
            return Cause(Mistake.FOREIGN, "", f"The cell reads {listed(others)} from another cell: work {it} out in this one.")
        for code, value, _ in outside.values():
            sentence = f"`{code}` is {value:g} there too, from another cell."
            return Cause(Mistake.FOREIGN, sentence, f"Use {self.count} in its place, or take sizes from the variables' shapes.")
        for number in found:
            sentence = f"`{number.name}` is written into the cell, where {number.stands_for.format(self.count)} belongs."
            return Cause(Mistake.BATCH, sentence, f"Write {self.count}, or take sizes from the variables' shapes.")
        if stop and stop.mistake is Mistake.BATCH:
            return stop
        suspicion = f"is {self.tape.rows} written into it, a number made from it, or a size read off the data?"
        return Cause(Mistake.BATCH, "", f"Use {self.count} and the variables' shapes: {suspicion}")

    def _fixed(self, case: Case) -> list[Fixed]:
        """What in the cell stays as it is when the minibatch is another one; nothing where the judge cannot find that out."""
        truth = step_reference(self.tape, self.variable, case)
        with suppress(Exception):  # a wrong answer needs no reason to be wrong
            tree = self.cell.edited or parse_tree(self.cell.source)
            trial = Trial(
                tree,
                self.name,
                case.state,
                case,
                self.tape,
                self.workspace,
                self.maker,
                lambda answer: compare(answer, truth) is None,
            )
            return trial.fixed()
        return []


def lesson(workspace: Workspace, tape: Tape, variable: str) -> Advice:
    """What the lesson says about the gradient of a variable: nothing, where its file cannot be read."""
    with suppress(ContentError):  # what is wrong with the file is for the linter to say
        return advice(workspace.folder, tape, variable)
    return Advice(f"d{variable}", frozenset())


def compare(answer: Any, reference: Reference) -> Difference | None:
    """How an answer differs from a gradient, in the words for gradients."""
    return comparison.compare(answer, reference, WORDS)


def _shape_advice(seen: Sequence[int], expected: Sequence[int]) -> str:
    if len(expected) == 2 and seen == expected[::-1]:
        return "It is transposed: swap the two axes, or the order of the matrix product."
    if [size for size in seen if size != 1] == [size for size in expected if size != 1]:
        if len(seen) < len(expected):
            return "The numbers are in another shape: keep the axis of size 1, by `keepdim=True` where you sum."
        if len(seen) > len(expected):
            return "Sum without `keepdim=True`: there is an axis of size 1 too many."
    if len(seen) == len(expected):
        stretched = [axis for axis, (a, b) in enumerate(zip(seen, expected, strict=True)) if b == 1 and a != 1]
        if stretched and all(a == b for axis, (a, b) in enumerate(zip(seen, expected, strict=True)) if axis not in stretched):
            axis, it = (stretched[0], "it") if len(stretched) == 1 else (tuple(stretched), "them")
            return f"Axis {axis} should have size 1. If broadcasting stretched it, sum over {it}: `.sum({axis}, keepdim=True)`."
    added = len(seen) - len(expected)
    if added == 1 and seen[1:] == expected:
        return "There is a leading axis too many: sum over it, by `.sum(0)`."
    if added > 1 and seen[added:] == expected:
        axes = tuple(range(added))
        return f"There are leading axes too many: sum over them, by `.sum({axes})`."
    return "Print the shapes of what you combine, and compare them with the forward line."


OTHER_TYPES = {
    "ndarray": "Use torch where you use numpy, or `torch.from_numpy` at the end.",
    "list": "Start from `torch.zeros_like` of the variable, or join its tensors with `torch.stack`.",
    "tuple": "Is there a comma at the end of the line? It makes a tuple.",
    **dict.fromkeys(("int", "float", "bool"), "A gradient is a tensor: work it out from the variables and from what comes in."),
    **dict.fromkeys(("function", "builtin_function_or_method", "method"), "Call it: are the parentheses missing?"),
}
"""What to do about an answer of the wrong type, by the name of the type."""

WORDS = Words(
    shape="The shape is wrong: a gradient has the shape of its variable.",
    dtype="A gradient is a floating-point tensor, and this is one of {}.",
    types=OTHER_TYPES,
    shape_advice=_shape_advice,
)
