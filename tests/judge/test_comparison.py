from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autograder.judge.comparison import Difference
from autograder.judge.kinds.gradient_answer import compare
from autograder.tape.cases import Reference
from autograder.verdict import Mistake

TRUE = torch.randn((4, 3), generator=torch.Generator().manual_seed(0))
EXPECTED = "a floating-point tensor of shape (4, 3)"


def reference(exact: Tensor) -> Reference:
    return Reference(exact.double(), exact.float())


def found(answer: object, exact: Tensor = TRUE) -> Difference:
    difference = compare(answer, reference(exact))
    assert difference is not None
    return difference


class Named(Tensor):
    """Somebody's own kind of tensor."""


def inference() -> Tensor:
    with torch.inference_mode():
        return TRUE * 1


RIGHT: dict[str, Callable[[], Tensor]] = {
    "itself": lambda: TRUE.clone(),
    "float64": lambda: TRUE.double(),
    "with a graph": lambda: TRUE.clone().requires_grad_() * 1,
    "a leaf": lambda: TRUE.clone().requires_grad_(),
    "a parameter": lambda: nn.Parameter(TRUE),
    "a subclass": lambda: TRUE.as_subclass(Named),
    "a transposed view": lambda: TRUE.T.contiguous().T,
    "a strided view": lambda: torch.stack([TRUE, TRUE], 2)[..., 1],
    "made in inference mode": inference,
}

AWKWARD: dict[str, tuple[Callable[[], object], str]] = {
    "None": (lambda: None, "type"),
    "int": (lambda: 1, "type"),
    "float": (lambda: 0.5, "type"),
    "str": (lambda: "dlogits", "type"),
    "list": (lambda: TRUE.tolist(), "type"),
    "tuple of tensors": (lambda: (TRUE, TRUE), "type"),
    "numpy array": (lambda: TRUE.numpy(), "type"),
    "numpy number": (lambda: np.float64(1), "type"),
    "class": (lambda: Tensor, "type"),
    "function": (lambda: torch.ones, "type"),
    "sparse tensor": (lambda: TRUE.to_sparse(), "type"),
    "meta tensor": (lambda: TRUE.to("meta"), "type"),
    "quantised tensor": (lambda: torch.quantize_per_tensor(TRUE, 0.1, 0, torch.qint8), "type"),
    "nested tensor": (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "type"),
    "bool tensor": (lambda: TRUE > 0, "dtype"),
    "int tensor": (lambda: TRUE.long(), "dtype"),
    "complex tensor": (lambda: torch.complex(TRUE, TRUE), "dtype"),
    "number in a tensor": (lambda: torch.tensor(1.0), "shape"),
    "empty tensor": (lambda: torch.empty(0), "shape"),
    "empty tensor of the right columns": (lambda: torch.empty(0, 3), "shape"),
    "huge tensor in one number": (lambda: torch.zeros(1).expand(10**12), "shape"),
    "one number in the right shape": (lambda: torch.zeros(1).expand(4, 3), "values"),
    "half precision": (lambda: TRUE.half(), "dtype"),
    "eight bits": (lambda: TRUE.to(torch.float8_e4m3fn), "type"),
    "NaN": (lambda: TRUE / 0 * 0, "finite"),
    "infinite": (lambda: TRUE / 0, "finite"),
    "too large for float32": (lambda: TRUE.double() * 1e300, "values"),
}


@pytest.mark.parametrize("answer", RIGHT.values(), ids=RIGHT)
def test_a_right_answer_is_accepted_in_any_floating_form(answer: Callable[[], Tensor]) -> None:
    assert compare(answer(), reference(TRUE)) is None


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (2, 1, 2)])
def test_a_right_answer_is_accepted_in_any_shape(shape: tuple[int, ...]) -> None:
    assert compare(torch.ones(shape), reference(torch.ones(shape))) is None


@pytest.mark.parametrize(("answer", "kind"), AWKWARD.values(), ids=AWKWARD)
def test_any_other_thing_is_a_difference_and_never_an_error(answer: Callable[[], object], kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        thing = answer()
    assert found(thing).kind == kind


def test_comparing_leaves_the_answer_as_it_is() -> None:
    answer = TRUE.clone().requires_grad_()
    version = answer._version
    compare(answer, reference(TRUE))
    assert answer.requires_grad
    assert answer.grad is None
    assert answer._version == version


class TestMessages:
    @pytest.mark.parametrize(
        ("answer", "kind", "advice"),
        [
            ([1.0], "list", "Start from `torch.zeros_like` of the variable, or join its tensors with `torch.stack`."),
            ((TRUE,), "tuple", "Is there a comma at the end of the line? It makes a tuple."),
            (1, "int", "A gradient is a tensor: work it out from the variables and from what comes in."),
            (TRUE.numpy(), "ndarray", "Use torch where you use numpy, or `torch.from_numpy` at the end."),
            (TRUE.sum, "builtin_function_or_method", "Call it: are the parentheses missing?"),
            ("x", "str", "Write an expression of torch tensors, and look at what it gives."),
        ],
    )
    def test_what_is_no_tensor_is_named_by_its_type(self, answer: object, kind: str, advice: str) -> None:
        assert found(answer) == Difference("type", "It is not a tensor.", f"type `{kind}`", EXPECTED, advice, Mistake.TYPE)

    @pytest.mark.parametrize(
        ("answer", "form", "advice"),
        [
            (TRUE.to_sparse(), "a sparse_coo tensor", "Make it dense, by `.to_dense()`."),
            (TRUE.to_mkldnn(), "a tensor of layout mkldnn", "Make it dense, by `.to_dense()`."),
            (TRUE.to("meta"), "a tensor on meta", "Compute on the device of the forward pass."),
            (TRUE.to(torch.float8_e5m2), "a tensor of float8_e5m2", "Compute with float32, as the forward pass does."),
        ],
    )
    def test_a_tensor_that_is_not_ordinary_is_named_by_its_form(self, answer: Tensor, form: str, advice: str) -> None:
        diagnosis = f"It is {form}, not an ordinary dense tensor."
        assert found(answer) == Difference("type", diagnosis, form, EXPECTED, advice, Mistake.TYPE)

    def test_a_tensor_of_integers_is_named_by_its_dtype(self) -> None:
        advice = "Convert it with `.float()`, or start from a floating-point tensor."
        seen = "a tensor of torch.int64"
        diagnosis = "A gradient is a floating-point tensor, and this is one of int64."
        expected = Difference("dtype", diagnosis, seen, EXPECTED, advice, Mistake.DTYPE)
        assert found(TRUE.long()) == expected

    def test_a_tensor_of_too_few_digits_is_named_by_its_dtype(self) -> None:
        advice = "Compute with float32, as the forward pass does."
        seen, expected = "a tensor of torch.float16", "float32 or float64"
        diagnosis = "It is of float16, which has too few digits."
        assert found(TRUE.half()) == Difference("dtype", diagnosis, seen, expected, advice, Mistake.DTYPE)

    def test_entries_that_are_no_numbers_are_counted(self) -> None:
        answer = TRUE.clone()
        answer[0, 0], answer[1, 2] = float("nan"), float("-inf")
        advice = "Look for a division by zero, a logarithm of zero, or a large exponential."
        seen = "2 of 12 entries are NaN or infinite"
        diagnosis, expected = "It has entries that are no numbers.", "finite numbers only"
        assert found(answer) == Difference("finite", diagnosis, seen, expected, advice, Mistake.NOT_FINITE)

    def test_wrong_values_are_counted_and_the_worst_is_shown(self) -> None:
        answer = torch.ones(4, 3)
        answer[1, 2], answer[3, 0] = 1.5, -2
        seen = "-2 at [3, 0], where the difference is largest"
        expected = Difference("values", "The values are wrong in 2 of 12 entries.", seen, "1")
        assert replace(found(answer, torch.ones(4, 3)), off=None) == expected

    def test_a_wrong_number_has_no_place(self) -> None:
        expected = Difference("values", "The number is wrong.", "2.5", "1")
        assert replace(found(torch.tensor(2.5), torch.tensor(1.0)), off=None) == expected

    def test_a_wrong_shape_is_told_with_the_rule(self) -> None:
        difference = found(torch.ones(7), torch.ones(3))
        assert difference.kind == "shape"
        assert difference.diagnosis == "The shape is wrong: a gradient has the shape of its variable."
        assert (difference.seen, difference.expected) == ("shape (7,)", "shape (3,)")
        assert difference.mistake is Mistake.SHAPE


class TestHowFarItIsOff:
    """Each entry by itself, as a multiple of what rounding explains."""

    def test_entries_are_off_by_more_than_one_exactly_where_they_are_wrong(self) -> None:
        answer = torch.ones(4, 3)
        answer[1, 2], answer[3, 0] = 1.5, -2
        off = found(answer, torch.ones(4, 3)).off
        assert off is not None
        assert (off > 1).nonzero().tolist() == [[1, 2], [3, 0]]
        assert float(off[3, 0] / off[1, 2]) == pytest.approx(6)

    def test_where_nothing_but_zero_is_right_the_distances_are_finite(self) -> None:
        off = found(torch.tensor([0.0, 1.0]), torch.zeros(2)).off
        assert off is not None
        assert off[0] == 0
        assert 1 < off[1] < float("inf")

    @pytest.mark.parametrize(
        "answer", [[1.0], TRUE.T, TRUE.long(), TRUE.half(), TRUE / 0], ids=["type", "shape", "int", "half", "inf"]
    )
    def test_entries_that_cannot_be_compared_are_not_off(self, answer: object) -> None:
        assert found(answer).off is None


class TestOrder:
    """What is judged first: the type, then the shape, the dtype, whether it is finite, and the values."""

    @pytest.mark.parametrize(("seen", "true"), [((3,), (1, 3)), ((1, 3), (3,)), ((4, 3), (1, 3)), ((1, 3), (4, 3)), ((), (1,))])
    def test_the_shape_counts_even_where_broadcasting_would_agree(self, seen: tuple[int, ...], true: tuple[int, ...]) -> None:
        assert torch.allclose(torch.ones(seen), torch.ones(true))
        assert found(torch.ones(seen), torch.ones(true)).kind == "shape"

    def test_the_shape_comes_before_the_dtype(self) -> None:
        assert found(torch.ones(3, dtype=torch.int64)).kind == "shape"

    def test_the_dtype_comes_before_the_values(self) -> None:
        assert found(torch.ones(4, 3, dtype=torch.int64), torch.ones(4, 3)).kind == "dtype"

    def test_numbers_that_are_none_come_before_the_values(self) -> None:
        answer = TRUE + 1
        answer[0, 0] = float("nan")
        assert found(answer).kind == "finite"

    def test_a_single_nan_is_enough(self) -> None:
        answer = TRUE.clone()
        answer[3, 2] = float("nan")
        assert found(answer).kind == "finite"


TRANSPOSED = "It is transposed: swap the two axes, or the order of the matrix product."
MISSING_AXIS = "The numbers are in another shape: keep the axis of size 1, by `keepdim=True` where you sum."
EXTRA_AXIS = "Sum without `keepdim=True`: there is an axis of size 1 too many."
OTHER = "Print the shapes of what you combine, and compare them with the forward line."

SHAPE_ADVICE = [
    ((27, 64), (64, 27), TRANSPOSED),
    ((64,), (1, 64), MISSING_AXIS),
    ((32,), (32, 1), MISSING_AXIS),
    ((), (1,), MISSING_AXIS),
    ((1, 64), (64,), EXTRA_AXIS),
    ((32, 1), (32,), EXTRA_AXIS),
    ((1,), (), EXTRA_AXIS),
    (
        (32, 64),
        (1, 64),
        "Axis 0 should have size 1. If broadcasting stretched it, sum over it: `.sum(0, keepdim=True)`.",
    ),
    (
        (32, 27),
        (32, 1),
        "Axis 1 should have size 1. If broadcasting stretched it, sum over it: `.sum(1, keepdim=True)`.",
    ),
    ((32, 64), (64,), "There is a leading axis too many: sum over it, by `.sum(0)`."),
    ((4, 32, 64), (32, 64), "There is a leading axis too many: sum over it, by `.sum(0)`."),
    ((32, 64), (64, 27), OTHER),
    ((7,), (3,), OTHER),
    ((0,), (4, 3), OTHER),
    ((5, 3, 1), (3, 2, 1), OTHER),
]


@pytest.mark.parametrize(("seen", "true", "advice"), SHAPE_ADVICE)
def test_a_wrong_shape_comes_with_what_to_do(seen: tuple[int, ...], true: tuple[int, ...], advice: str) -> None:
    assert found(torch.ones(seen), torch.ones(true)).next_step == advice


@pytest.mark.parametrize(
    ("seen", "true"),
    [
        ((32, 64), (1, 64)),
        ((32, 64), (1, 1)),
        ((4, 5, 6), (4, 1, 1)),
        ((4, 5, 6), (1, 5, 1)),
        ((32, 64), (64,)),
        ((2, 32, 64), (64,)),
        ((32, 64), ()),
    ],
)
def test_the_sum_that_it_names_gives_the_shape(seen: tuple[int, ...], true: tuple[int, ...]) -> None:
    advice = found(torch.ones(seen), torch.ones(true)).next_step
    code = re.search(r"`(\.sum\(.*\))`", advice)
    assert code is not None, advice
    assert tuple(eval(f"answer{code[1]}", {"answer": torch.ones(seen)}).shape) == true


def test_axes_of_size_one_in_another_place_are_not_an_axis_too_many() -> None:
    assert "too many" not in found(torch.ones(1, 5, 2), torch.ones(5, 1, 2)).next_step
