"""Gradients of tensors with three axes: right forms are accepted, and what is wrong with an axis is named."""

from __future__ import annotations

import pytest
import torch

from autograder.diagnosis.operators import Operator
from autograder.diagnosis.repair import ADVICE, SEVERAL
from autograder.verdict import Outcome
from tests.support.masks import PASSES
from tests.support.passes import Notebook
from tests.support.wavenet import BATCH, LAST_TWO, LINES, NAMES, RIGHT, SHORT, WRONG


@pytest.fixture(scope="module")
def notebook() -> Notebook:
    return Notebook(NAMES, BATCH, LINES)


def test_every_variable_has_a_right_form(notebook: Notebook) -> None:
    assert {name[1:] for name in RIGHT} == {*notebook.tape.variables[:-1]}
    assert len(RIGHT) == 30
    assert {notebook.tape.state[name].dim() for name in ("emb", "lin1", "y2", "mean1")} == {3}


@pytest.mark.parametrize(("name", "form"), [(name, form) for name, forms in RIGHT.items() for form in forms])
def test_a_right_form_is_accepted(notebook: Notebook, name: str, form: str) -> None:
    verdict = notebook.verdict(name, form)
    assert verdict.outcome is Outcome.RIGHT, verdict
    assert notebook.checks(name, form) == ""


@pytest.mark.parametrize(
    ("name", "form", "said"), [(name, form, said) for name, forms in WRONG.items() for form, said in forms.items()]
)
def test_a_wrong_form_is_refused_and_the_mistake_named(notebook: Notebook, name: str, form: str, said: str) -> None:
    stops = said.startswith("The cell for")
    verdict = notebook.verdict(name, form, stops=stops)
    assert verdict.outcome is (Outcome.COULD_NOT_TELL if stops else Outcome.WRONG)
    assert verdict.diagnosis.removesuffix(" On this batch it makes almost no difference, so your numbers look right.") == said


def test_what_to_do_with_three_axes_is_said(notebook: Notebook) -> None:
    assert notebook.verdict("dW2", "dW2 = flat2.T @ dlin2", stops=True).next_step == ADVICE[Operator.FLATTEN, False]
    for form in ("flat2.flatten(0, 1).T @ dlin2.flatten(0, 1)", "(flat2.mT @ dlin2).sum(0)"):
        assert notebook.verdict("dW2", f"dW2 = {form}").outcome is Outcome.RIGHT


@pytest.mark.parametrize(
    ("name", "form", "turned", "stops"),
    [
        ("dk", "dscores.T @ q * scale", "dscores.T", True),
        ("dk", "dscores @ q * scale", "dscores", False),
        ("datt", "dmixed @ v.T", "v.T", True),
        ("dv", "att.permute(2, 1, 0) @ dmixed", "att.permute(2, 1, 0)", True),
    ],
)
def test_where_each_example_has_a_matrix_of_its_own_its_transpose_is_asked_for(
    name: str, form: str, turned: str, stops: bool
) -> None:
    attention = PASSES["causal mask"]
    here = Notebook(attention.names, attention.batch, attention.lines)
    verdict = here.verdict(name, f"{name} = {form}", stops=stops)
    assert verdict.diagnosis.endswith(LAST_TWO.format(turned))
    assert verdict.next_step == ADVICE[Operator.SWAP, False]


def test_an_axis_that_is_left_out_everywhere_is_said_to_be(notebook: Notebook) -> None:
    assert notebook.verdict("dlin2", SHORT.replace("(0, 1)", "0")).next_step == SEVERAL


def test_a_count_of_the_notebook_does_not_explain_one_of_the_cell(notebook: Notebook) -> None:
    """With n left in `m`, `m += n` would be right by chance."""
    notebook.shell.user_ns["m"] = 12
    assert torch.equal(notebook.shell.user_ns["h1"], notebook.tape.state["h1"])
    verdict = notebook.verdict("dlin2", RIGHT["dlin2"][0].replace("m = lin2.shape[0] * lin2.shape[1]", "m = n"))
    assert "overwrites" not in verdict.diagnosis
    assert verdict.diagnosis == "`n` lacks a factor."
