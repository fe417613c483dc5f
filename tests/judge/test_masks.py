"""Where a line switches entries off, an answer has to do so too, though the notebook's own numbers may not show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from autograder.tape.tape import Tape
from autograder.verdict import Mistake, Outcome
from tests.support.masks import INVERTED, MISSING, PASSES, SCALE
from tests.support.passes import Notebook

Notebooks = Callable[[str], Notebook]


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebooks]:
    made: dict[str, Notebook] = {}

    def of_pass(title: str) -> Notebook:
        if title not in made:
            masked = PASSES[title]
            made[title] = Notebook(masked.names, masked.batch, masked.lines)
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
        "through; the rest is right. On this batch it makes almost no difference, so your numbers look right.",
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
