"""Where a line switches entries off, an answer has to do so too, though the notebook's own numbers may not show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from autograder.course.questions import Question
from autograder.errors import NotRight
from autograder.judge.judging import EXAM, judge
from autograder.judge.kinds import claim
from autograder.judge.session import of
from autograder.tape.tape import Tape
from autograder.verdict import Mistake, Outcome, Verdict
from tests.support.lesson import fresh_shell
from tests.support.masks import INVERTED, MISSING, PASSES, SCALE, MaskedPass

SETUP = "%load_ext autograder\nimport torch\nimport torch.nn.functional as F\n\nfrom autograder import check\n"
SEED = "g = torch.Generator().manual_seed(1)\n"


class Notebook:
    """A notebook with a forward pass, in which all gradients are true."""

    def __init__(self, masked: MaskedPass) -> None:
        self.shell = fresh_shell()
        for source in (SETUP + SEED + masked.names, f"%%forward --batch {masked.batch}\n{masked.lines}"):
            result = self.run(source)
            assert result is None, result
        (self.tape,) = of(self.shell).tapes.values()

    def run(self, source: str, id: str | None = None) -> BaseException | None:
        """Runs a cell; gives the error that it stopped with."""
        type(self.shell)._instance = self.shell
        result = self.shell.run_cell(source, cell_id=id)
        return result.error_before_exec or result.error_in_exec

    def write(self, name: str, source: str) -> None:
        """A student's cell for a gradient, after right cells for all others."""
        true = self.tape.gradients(self.tape.state)
        self.shell.user_ns.update({f"d{variable}": gradient for variable, gradient in true.items()})
        assert self.run(source, id=name) is None

    def verdict(self, name: str, source: str) -> Verdict:
        """The exam's verdict on a cell."""
        self.write(name, source)
        return judge(claim(of(self.shell), Question(name)), EXAM)

    def checks(self, name: str, source: str) -> str:
        """What `check` says of a wrong cell; nothing where it says that the cell is right."""
        self.write(name, source)
        error = self.run(f'check("{name}")')
        assert error is None or isinstance(error, NotRight)
        return str(error or "")


Notebooks = Callable[[str], Notebook]


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebooks]:
    made: dict[str, Notebook] = {}

    def of_pass(title: str) -> Notebook:
        if title not in made:
            made[title] = Notebook(PASSES[title])
        return made[title]

    yield of_pass


RIGHT = [(title, name, form) for title, masked in PASSES.items() for name, forms in masked.right.items() for form in forms]
WRONG = [
    pytest.param(title, name, form, id=f"{title}-{name}-{mistake}")
    for title, masked in PASSES.items()
    for name, forms in masked.wrong.items()
    for mistake, form in forms.items()
]
HIDDEN = [(title, name, mistake) for title, masked in PASSES.items() for name, mistake in masked.hidden]


@pytest.mark.parametrize(("title", "name", "form"), RIGHT)
def test_a_right_form_is_accepted(notebook: Notebooks, title: str, name: str, form: str) -> None:
    verdict = notebook(title).verdict(name, form)
    assert verdict.outcome is Outcome.RIGHT, verdict
    assert notebook(title).checks(name, form) == ""


@pytest.mark.parametrize(("title", "name", "form"), WRONG)
def test_a_wrong_form_is_refused(notebook: Notebooks, title: str, name: str, form: str) -> None:
    verdict = notebook(title).verdict(name, form)
    assert verdict.outcome is Outcome.WRONG, verdict
    assert notebook(title).checks(name, form)


def test_every_pass_has_several_right_forms_and_a_missing_and_an_inverted_mask() -> None:
    assert len(PASSES) >= 16
    for title, masked in PASSES.items():
        assert sum(len(forms) for forms in masked.right.values()) >= 3, title
        mistakes = {mistake for forms in masked.wrong.values() for mistake in forms}
        assert INVERTED in mistakes, title
        assert MISSING in mistakes or title == "a mask that is added", title


@pytest.mark.parametrize(("title", "name", "mistake"), HIDDEN)
def test_the_numbers_in_the_notebook_do_not_show_a_hidden_mistake(
    notebook: Notebooks, title: str, name: str, mistake: str
) -> None:
    here = notebook(title)
    here.write(name, PASSES[title].wrong[name][mistake])
    torch.testing.assert_close(here.shell.user_ns[name], here.tape.gradients(here.tape.state)[name[1:]])


@pytest.mark.parametrize(("title", "name", "mistake"), HIDDEN)
def test_without_the_rule_a_hidden_mistake_is_accepted(
    monkeypatch: pytest.MonkeyPatch, notebook: Notebooks, title: str, name: str, mistake: str
) -> None:
    def nothing(tape: Tape, consumer: str, variable: str, state: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.zeros_like(state[consumer], dtype=torch.bool)

    monkeypatch.setattr(Tape, "switched_off", nothing)
    verdict = notebook(title).verdict(name, PASSES[title].wrong[name][mistake])
    assert verdict.outcome is Outcome.RIGHT, verdict


@pytest.mark.parametrize(
    ("title", "name", "consumer"),
    [
        ("causal mask", "dscores", "masked"),
        ("causal mask and scores on one line, last position only", "dk", "masked"),
        ("padding mask", "dscores", "masked"),
        ("dropout", "dh", "dropped"),
        ("relu by clamp", "dz", "a"),
        ("padding row of an embedding", "dC", "emb"),
    ],
)
def test_the_mistake_is_told(notebook: Notebooks, title: str, name: str, consumer: str) -> None:
    advice = (
        f"Which entries of `{consumer}` change with `{name[1:]}`? What comes in at all others counts for nothing: "
        f"use the mask or the condition of the line on `d{consumer}`."
    )
    told = {
        MISSING: f"The entries that the line of `{consumer}` switches off should get nothing, but what comes in there gets "
        "through; the rest is right. The numbers are right for this batch, where that hardly shows.",
        INVERTED: f"It takes only what comes in at entries that the line of `{consumer}` switches off, which should get "
        "nothing: the mask is the wrong way round.",
    }
    wrong = PASSES[title].wrong[name]
    for mistake, diagnosis in told.items():
        if mistake in wrong:
            verdict = notebook(title).verdict(name, wrong[mistake])
            assert (verdict.diagnosis, verdict.next_step, verdict.mistake) == (diagnosis, advice, Mistake.MASK)
            assert notebook(title).checks(name, wrong[mistake]) == f"{name}: wrong. {diagnosis}"


def test_a_missing_scale_is_told_by_its_name(notebook: Notebooks) -> None:
    verdict = notebook("dropout").verdict("dh", PASSES["dropout"].wrong["dh"][SCALE])
    assert verdict.diagnosis == "It is `p` times what it should be."
    verdict = notebook("causal mask").verdict("dq", PASSES["causal mask"].wrong["dq"][SCALE])
    assert verdict.diagnosis == "It is `1 / scale` times what it should be."


def test_a_missing_mask_is_not_told_where_it_is_not_all(notebook: Notebooks) -> None:
    verdict = notebook("causal mask").verdict("dscores", "dscores = 2 * dmasked")
    assert verdict.outcome is Outcome.WRONG
    assert "switches off" not in verdict.diagnosis
