"""Writes docs/quality.md: how often the judge is wrong, beside what graders usually do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from rich.progress import track
from torch import Tensor

from autograder.verdict import Outcome
from benchmarks import asks, blast
from scripts.submissions import ROOT, model_answers
from tests.support.forms import FUSED_RIGHT, FUSED_WRONG, RIGHT, WRONG
from tests.support.lesson import Lesson

SEEDS = 20
STEPS = "1-every-gradient"


@dataclass(frozen=True)
class Form:
    notebook: str
    name: str
    source: str
    is_right: bool


def forms() -> Iterator[Form]:
    """Every form of the test suite."""
    for name, sources in RIGHT.items():
        yield from (Form(STEPS, name, source, True) for source in sources)
    for name, pairs in WRONG.items():
        yield from (Form(STEPS, name, source, False) for _, source in pairs)
    for notebook, pairs in FUSED_RIGHT.items():
        yield from (Form(notebook, name, source, True) for name, source in pairs)
    for notebook, triples in FUSED_WRONG.items():
        yield from (Form(notebook, name, source, False) for name, _, source in triples)


def by_value(accepts: Callable[[Tensor, Tensor], bool]) -> Callable[[Lesson, Form, int], bool]:
    """A grader that compares the notebook's number with the true gradient."""

    def grader(lesson: Lesson, form: Form, seed: int) -> bool:
        tape = lesson.session.tape(form.name[1:])
        lesson.run(form.source)
        try:
            return accepts(lesson.shell.user_ns[form.name], tape.gradients(tape.state)[form.name[1:]])
        except Exception:  # an answer that cannot be compared is not accepted
            return False
        finally:  # all of them: a form may have changed another gradient in place
            lesson.run("\n".join(lesson.solutions.values()))

    return grader


def ours(lesson: Lesson, form: Form, seed: int) -> bool:
    return lesson.answer(form.name, form.source, seed=str(seed)).outcome is Outcome.RIGHT


GRADERS: dict[str, tuple[Callable[[Lesson, Form, int], bool], int]] = {
    "backprop-ninja, each step on random incoming gradients": (ours, SEEDS),
    "`torch.allclose` with the true gradient": (by_value(torch.allclose), 1),
    "the same with a tolerance of 1e-2": (by_value(lambda a, b: torch.allclose(a, b, atol=1e-2)), 1),
    "equal in every bit": (by_value(lambda a, b: bool((a == b).all())), 1),
}


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    lessons = {name: Lesson(name) for name in (STEPS, *FUSED_RIGHT)}
    tape = lessons["3-batchnorm"].session.tape("hpreact")
    # notebook 3 sends in random numbers; to compare with the truth, the truth has to come in
    lessons["3-batchnorm"].shell.user_ns["dhpreact"] = tape.gradients(tape.state)["hpreact"]
    all_forms = list(forms())
    right = sum(form.is_right for form in all_forms)
    rows = []
    for title, (grader, seeds) in GRADERS.items():
        accepted = rejected = 0
        for form in track(all_forms, description=title.split(",")[0], transient=True):
            verdicts = [grader(lessons[form.notebook], form, seed) for seed in range(seeds)]
            accepted += sum(verdicts) if not form.is_right else 0
            rejected += seeds - sum(verdicts) if form.is_right else 0
        wrong = len(all_forms) - right
        rows.append((title, share(accepted, wrong * seeds), share(rejected, right * seeds)))
    text = PAGE.format(
        right=right,
        wrong=len(all_forms) - right,
        gradients=len(model_answers()[STEPS]),
        seeds=SEEDS,
        rows="\n".join(f"| {title} | {accepts} | {rejects} |" for title, accepts, rejects in rows),
        torch=torch.__version__.split("+")[0],
        asks=asks.report(),
        blast=blast.report(),
    )
    (ROOT / "docs" / "quality.md").write_text(text, encoding="utf-8")
    print(text)


def share(count: int, of: int) -> str:
    return f"{count} of {of} ({100 * count / of:.0f} %)"


PAGE = """# Quality

Figures that graders do not publish, each with the command that gives it.
They are written by `make quality`, not by hand.

## How often is the judge wrong?

`make quality` runs every form in `tests/support/forms.py` as a student's cell: {right} right ways and {wrong} wrong ways
to write the {gradients} gradients of notebook 1 and the two of notebooks 2 and 3.
The judge is asked {seeds} times about each, with other random cases every time.
A comparison with the true gradient gives the same every time.

| grader | wrong forms accepted | right forms rejected |
|---|---|---|
{rows}

The forms are those of the suite: they were collected to be hard, and the tolerance was chosen with them at hand.
Measured with torch {torch} on a CPU.

{asks}{blast}"""


if __name__ == "__main__":
    main()
