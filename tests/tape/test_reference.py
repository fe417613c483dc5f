from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.judge.comparison import compare
from autograder.tape.cases import MIN_TOLERANCE, ROUNDING_FACTOR, Case, Reference, step_reference, whole_references
from autograder.tape.tape import Tape, record


def recorded(lines: str, **namespace: object) -> Tape:
    generator = torch.Generator().manual_seed(0)
    x, w = torch.randn((6, 4), generator=generator), torch.randn((4, 3), generator=generator)
    return record(lines, {"x": x, "w": w, "F": F, "torch": torch, **namespace})


class TestTolerance:
    def test_it_is_at_least_a_part_of_the_largest_entry(self) -> None:
        exact = torch.tensor([1.0, -50.0, 3.0]).double()
        assert Reference(exact, exact.float()).tolerance == pytest.approx(50 * MIN_TOLERANCE)

    def test_it_grows_with_the_rounding_of_the_reference_itself(self) -> None:
        exact = torch.tensor([1.0, 2.0]).double()
        rounded = torch.tensor([1.0, 2.0 + 2**-10])
        assert Reference(exact, rounded).tolerance == pytest.approx(ROUNDING_FACTOR * 2**-10)

    def test_it_is_zero_where_there_are_no_entries(self) -> None:
        assert Reference(torch.zeros(0, 3).double(), torch.zeros(0, 3)).tolerance == 0

    def test_it_is_zero_where_the_reference_is(self) -> None:
        assert Reference(torch.zeros(3).double(), torch.zeros(3)).tolerance == 0


class TestStep:
    tape = recorded("a = x @ w\nb = a.exp()\nc = a * b\nloss = c.sum()")
    case = Case(tape.state, {"b": torch.full((6, 3), 0.5), "c": torch.full((6, 3), 2.0)})

    def test_it_is_the_sum_of_what_the_consumers_contribute(self) -> None:
        a, b = (self.tape.state[name].double() for name in ("a", "b"))
        reference = step_reference(self.tape, "a", self.case)
        torch.testing.assert_close(reference.exact, 0.5 * a.exp() + 2.0 * b, rtol=1e-14, atol=0)

    def test_it_is_known_in_both_precisions(self) -> None:
        reference = step_reference(self.tape, "a", self.case)
        assert reference.exact.dtype == torch.float64
        assert reference.rounded.dtype == torch.float32
        assert 0 < float((reference.exact - reference.rounded).abs().max()) < reference.tolerance

    @pytest.mark.parametrize("variable", ["x", "w", "a", "b", "c"])
    def test_it_has_the_shape_of_the_variable(self, variable: str) -> None:
        incoming = {name: torch.ones_like(self.tape.state[name]) for name in self.tape.consumers(variable)}
        reference = step_reference(self.tape, variable, Case(self.tape.state, incoming))
        assert reference.exact.shape == reference.rounded.shape == self.tape.state[variable].shape

    def test_a_forward_pass_that_fixes_its_dtype_is_judged_in_that_dtype(self) -> None:
        tape = recorded("picked = F.one_hot(ix, 4).float() @ w\nloss = picked.sum()", ix=torch.tensor([0, 0, 3]))
        incoming = torch.arange(9.0).view(3, 3)
        reference = step_reference(tape, "w", Case(tape.state, {"picked": incoming}))
        expected = torch.stack([incoming[0] + incoming[1], torch.zeros(3), torch.zeros(3), incoming[2]])
        assert torch.equal(reference.exact, expected.double())
        assert torch.equal(reference.rounded, expected)


class TestWhole:
    lines = "a = x @ w\nb = a.exp()\nc = a * b\nloss = c.mean()"

    @pytest.mark.parametrize("variable", ["x", "w", "a", "b", "c", "loss"])
    def test_it_is_the_gradient_of_the_loss_in_float64(self, variable: str) -> None:
        tape = recorded(self.lines)
        values = {name: tape.given[name].double().requires_grad_() for name in ("x", "w")}
        exec(self.lines, {}, values)
        (true,) = torch.autograd.grad(values["loss"], values[variable])
        reference = whole_references(tape)[variable]
        torch.testing.assert_close(reference.exact, true, rtol=1e-14, atol=1e-16)
        assert reference.rounded.dtype == torch.float32

    def test_it_is_that_of_the_given_state(self) -> None:
        tape = recorded("loss = (x**2).sum()")
        state = tape.forward({**tape.given, "x": tape.given["x"] * 3})
        torch.testing.assert_close(
            whole_references(tape, Case(state, {}))["x"].exact, 2 * state["x"].double(), rtol=1e-15, atol=0
        )

    def test_a_forward_pass_that_fixes_its_dtype_is_judged_in_that_dtype(self) -> None:
        tape = recorded("picked = F.one_hot(ix, 4).float() @ w\nloss = picked.sum()", ix=torch.tensor([0, 0, 3]))
        assert whole_references(tape)["w"].exact.tolist() == [[2, 2, 2], [0, 0, 0], [0, 0, 0], [1, 1, 1]]


def softmax_gradient(logits: Tensor, incoming: Tensor) -> Tensor:
    probs = F.softmax(logits, 1)
    return probs * incoming - probs * (probs * incoming).sum(1, keepdim=True)


class TestRounding:
    """A right formula in float32 is accepted however it is rounded; a wrong digit that float32 can hold is not."""

    @staticmethod
    def of_softmax(scale: float) -> tuple[Tensor, Reference]:
        """The textbook formula in float32, and the reference."""
        tape = recorded("a = x * scale\nb = F.softmax(a, 1)\nloss = (b**2).sum()", scale=scale)
        incoming = torch.randn((6, 4), generator=torch.Generator().manual_seed(3))
        answer = softmax_gradient(tape.state["a"], incoming)
        return answer, step_reference(tape, "a", Case(tape.state, {"b": incoming}))

    @pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
    def test_another_formula_in_float32_is_accepted(self, scale: float) -> None:
        answer, reference = self.of_softmax(scale)
        assert not torch.equal(answer, reference.rounded)
        assert compare(answer, reference) is None

    def test_the_exact_numbers_are_accepted(self) -> None:
        _, reference = self.of_softmax(1.0)
        assert compare(reference.exact, reference) is None
        assert compare(reference.exact.float(), reference) is None

    @pytest.mark.parametrize("factor", [1 + 1e-5, 1 - 1e-5, 0.999, -1.0, 0.0])
    def test_a_relative_difference_of_one_in_a_hundred_thousand_is_not(self, factor: float) -> None:
        answer, reference = self.of_softmax(1.0)
        difference = compare(answer * factor, reference)
        assert difference is not None
        assert difference.kind == "values"
