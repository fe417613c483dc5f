"""The paths that a gradient comes back along, and what an answer is held against."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.diagnosis.evidence import Evidence, GradientPath, evidence_of, paths
from autograder.tape.cases import Case, step_cases, step_reference
from autograder.tape.tape import Tape, record


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def recorded(lines: str, **leaves: Any) -> Tape:
    """Lines of a forward pass on `x`, of shape (4, 3), and the loss that is the sum of the last of them."""
    last = lines.splitlines()[-1].split(" ")[0]
    return record(f"{lines}\nloss = ({last} * 2).sum()", {"x": normal(0, 4, 3), "torch": torch, "F": F, **leaves})


def evidence(tape: Tape, variable: str = "x", notebook: dict[str, Any] | None = None) -> Evidence:
    (case,) = step_cases(tape, variable, "seed", own=1, resampled=0)
    return evidence_of(torch.zeros_like(case.state[variable]), tape, variable, case, notebook or {})


def labels(tape: Tape, variable: str = "x") -> list[str]:
    return [path.label for path in paths(tape, variable)]


LABELS = {
    "one place": ("y = x * 2", ["y"]),
    "two lines": ("y = x * 2\nz = x + y", ["y", "z"]),
    "two calls": ("y = x.exp() + x.sin()", ["x.exp()", "x.sin()"]),
    "a call and none": ("y = x * x.exp()", ["x", "x.exp()"]),
    "a call of torch": ("y = torch.exp(x) + F.relu(x)", ["torch.exp(x)", "F.relu(x)"]),
    "nested calls": ("y = (x - x.mean(0, keepdim=True)) / (x.var(0) + 1).sqrt()", ["x", "x.mean(0, keepdim=True)", "x.var(0)"]),
    "a call around two": ("y = torch.add(x, x.exp())", ["x", "x.exp()"]),
    "a product with itself": ("y = x * x", ["x", "x"]),
    "its size": ("y = x.sum(0) / x.shape[0]", ["y"]),
    "nothing but its size": ("y = torch.ones(x.shape) * 2\nz = x + y", ["z"]),
    "several lines of code": ("y = x.exp() +\\\n    x", ["x.exp()", "x"]),
}


@pytest.mark.parametrize(("lines", "expected"), LABELS.values(), ids=LABELS)
def test_there_is_a_path_for_each_place_and_it_is_called_what_stands_there(lines: str, expected: list[str]) -> None:
    lines = lines.replace("\\\n    ", " ")
    assert labels(recorded(lines)) == expected


@pytest.mark.parametrize(("lines", "expected"), LABELS.values(), ids=LABELS)
def test_what_comes_back_along_all_paths_is_the_gradient(lines: str, expected: list[str]) -> None:
    tape = recorded(lines.replace("\\\n    ", " "))
    (case,) = step_cases(tape, "x", "seed", own=1, resampled=0)
    torch.testing.assert_close(evidence(tape).truth, step_reference(tape, "x", case).exact)


def test_a_path_is_the_line_with_something_else_in_its_place() -> None:
    tape = recorded("y = x.exp() * x")
    first, second = paths(tape, "x")
    state = {"x": torch.full((4, 3), 2.0)}
    assert first.value(state, torch.zeros(4, 3)).eq(2).all()
    assert second.value(state, torch.zeros(4, 3)).eq(0).all()
    assert first.consumer == second.consumer == "y"


def test_what_comes_back_along_one_path_keeps_the_other_places_as_they_are() -> None:
    seen = evidence(recorded("y = x.exp() * x"))
    through_exp, through_x = (part for _, part in seen.parts)
    x, dy = seen.state["x"], seen.incoming["y"]
    torch.testing.assert_close(through_exp, dy * x * x.exp())
    torch.testing.assert_close(through_x, dy * x.exp())


def test_a_place_that_nothing_comes_back_from_is_no_part() -> None:
    seen = evidence(recorded("y = x * (x > 0).float() + x.detach()"))
    torch.testing.assert_close(seen.truth, seen.incoming["y"] * (seen.state["x"] > 0))


@pytest.mark.parametrize(
    ("line", "multiplies"), [("y = x @ w", True), ("y = (x * 2) @ w + 1", True), ("y = x * 2", False), ("y = x.exp()", False)]
)
def test_a_path_knows_whether_its_line_multiplies_matrices(line: str, multiplies: bool) -> None:
    (path,) = paths(recorded(line, w=normal(1, 3, 2)), "x")
    assert path.multiplies_matrices is multiplies


def without_constants(line: str) -> list[tuple[str, Tensor]]:
    (path, *_) = paths(recorded(line), "x")
    return [(constant, shorter.value({"x": torch.ones(())}, torch.ones(()))) for shorter, constant in path.without_constants()]


def test_a_line_is_tried_without_each_of_the_constants_that_it_adds() -> None:
    assert without_constants("y = ((x + 1e-5) ** 2 - 0.5) * 3.0") == [("0.5", pytest.approx(3.00006)), ("1e-5", 1.5)]
    assert without_constants("y = x * 2.0 + 1") == []
    assert without_constants("y = x / 1.5") == []


def test_a_constant_is_left_out_of_a_path_and_the_path_stays() -> None:
    (path,) = paths(recorded("y = x + 0.5"), "x")
    list(path.without_constants())
    assert float(path.value({}, torch.ones(()))) == 1.5


STRETCHED = {
    "a row": ("y = x + b", (3,), (4, 3)),
    "a column": ("y = x * b", (4, 1), (4, 3)),
    "a number": ("y = x + b", (), (4, 3)),
    "two axes": ("y = x[:, :, None] * torch.ones(4, 3, 2) * b", (3, 1), (4, 3, 2)),
}


@pytest.mark.parametrize(("line", "shape", "wide"), STRETCHED.values(), ids=STRETCHED)
def test_what_was_broadcast_comes_back_unsummed_as_well(line: str, shape: tuple[int, ...], wide: tuple[int, ...]) -> None:
    seen = evidence(recorded(line, b=normal(1, *shape)), "b")
    ((path, part),) = seen.parts
    unsummed = seen.unsummed(path)
    assert unsummed is not None
    assert unsummed.shape == wide
    torch.testing.assert_close(unsummed.sum_to_size(shape), part)


@pytest.mark.parametrize(
    ("lines", "shape"),
    [
        ("y = x + b", (4, 3)),
        ("y = b.sum(0) + x", (5, 3)),
        ("y = x @ b", (3, 1)),
        ("y = b.view(4, 3) * x", (12,)),
        ("y = b.mean() + x", (5, 3)),
        ("y = b.sum(0, keepdim=True) * x", (1, 3)),
        ("y = b.softmax(0) + x", (1, 3)),
    ],
    ids=["same shape", "a sum", "a matrix product", "another view", "a mean", "a sum of one row", "a softmax of one row"],
)
def test_what_was_not_broadcast_is_never_unsummed(lines: str, shape: tuple[int, ...]) -> None:
    seen = evidence(recorded(lines, b=normal(1, *shape)), "b")
    assert [seen.unsummed(path) for path, _ in seen.parts] == [None]


def test_the_evidence_is_in_float64() -> None:
    seen = evidence(recorded("y = x.exp() * w", w=normal(1, 4, 3)), "x", {"dw": torch.ones(4, 3)})
    tensors = [seen.answer, seen.truth, seen.value, *seen.incoming.values(), *seen.tensors.values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float64}


def test_a_forward_pass_that_fixes_its_dtype_is_an_error() -> None:
    tape = recorded("y = x @ torch.ones(3, 2)")
    with pytest.raises(RuntimeError):
        evidence(tape)


def test_what_may_stand_for_another_tensor_is_called_as_in_the_notebook() -> None:
    tape = recorded("y = x * w\nz = y.exp()", w=normal(1, 4, 3))
    seen = evidence(tape, "x", {"dz": torch.ones(4, 3), "dw": torch.ones(7), "dx": torch.ones(4, 3), "dloss": 1.0, "other": 3})
    assert seen.tensors.keys() == {"x", "w", "y", "z", "dy", "dz"}
    assert seen.gradients.keys() == {"z"}


@pytest.mark.parametrize(
    "unfit",
    [None, 1.0, torch.ones(4), torch.ones(4, 3, dtype=torch.int64), [1.0]],
    ids=["none", "number", "shape", "int", "list"],
)
def test_a_gradient_that_is_none_does_not_count(unfit: object) -> None:
    tape = recorded("y = x * w\nz = y.exp()", w=normal(1, 4, 3))
    assert evidence(tape, "x", {"dz": unfit}).gradients == {}


def test_the_parts_of_a_line_are_called_what_stands_there() -> None:
    tape = recorded("y = (x + 0.5) ** -0.5 * w.sum(0)", w=normal(1, 4, 3))
    seen = evidence(tape)
    (path,) = (path for path, _ in seen.parts)
    found = dict(seen.expressions(path))
    assert found.keys() == {"y", "(x + 0.5) ** -0.5 * w.sum(0)", "(x + 0.5) ** -0.5", "x + 0.5", "x", "w.sum(0)", "w"}
    torch.testing.assert_close(found["x + 0.5"], seen.state["x"] + 0.5)


def test_what_the_shapes_do_not_allow_is_nothing() -> None:
    seen = evidence(recorded("y = x @ w", w=normal(1, 3, 2)))
    ((path, part),) = seen.parts
    assert seen.along(path, torch.ones(7, 7)) is None
    assert seen.along(path, others={"w": torch.ones(5, 5)}) is None
    assert seen.along(path, at=torch.ones(4, 9)) is None
    torch.testing.assert_close(seen.along(path), part)


class TestSizes:
    def test_rows_come_first_and_sizes_have_the_names_of_the_notebook(self) -> None:
        names = {"x": normal(0, 6, 5), "n": 6}
        tape = record("y = x * 2\nloss = y.sum() / n", names, ["n", "x"])
        assert list(evidence(tape, "x").sizes.items()) == [("n", 6), ("5", 5)]
        assert list(evidence(tape, "x", {"width": 5, "k": 5, "_": 5}).sizes.items()) == [("n", 6), ("width", 5)]

    def test_small_sizes_do_not_count(self) -> None:
        tape = record("y = x * 2\nloss = y.sum()", {"x": normal(0, 2, 1, 3)})
        assert evidence(tape, "x").sizes == {"3": 3}

    def test_they_are_those_of_the_variable_its_consumers_and_the_leaves(self) -> None:
        tape = record("y = x @ w\nz = y.repeat(7, 1)\nloss = z.sum()", {"x": normal(0, 4, 3), "w": normal(1, 3, 5)})
        assert set(evidence(tape, "x").sizes.values()) == {3, 4, 5}
        assert set(evidence(tape, "y").sizes.values()) == {3, 4, 5, 28}


def test_the_line_of_a_variable_is_not_changed_by_looking_at_it() -> None:
    tape = recorded("y = x.exp() * x + 0.5")
    before = [step.source for step in tape.steps]
    for path in paths(tape, "x"):
        assert isinstance(path, GradientPath)
        list(path.without_constants())
    assert [step.source for step in tape.steps] == before
    case = Case(tape.state, {"y": torch.ones(4, 3)})
    again = evidence_of(torch.zeros(4, 3), tape, "x", case, {})
    torch.testing.assert_close(again.truth, again.state["x"].exp() * (1 + again.state["x"]))
