"""The rungs of a hint, on forward passes of one line."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from autograder.judge.kinds.gradient_hints import ENTRY, generic_hints
from autograder.tape.tape import Tape, record

SUM = "a sum passes what comes in on, unchanged"
FROM_RIGHT = "a matrix product: what comes in times the other matrix, transposed, from the right"
FROM_LEFT = "a matrix product: what comes in times the other matrix, transposed, from the left"
POWER = "a power: the exponent comes to the front, and is one less above"
INDEX = "an index picks entries: each sends what comes in back to where it was picked, and what is picked twice adds up"
MAXIMUM = "a maximum picks one entry, and only that one feels what comes in"
MEAN = "a mean is a sum divided by the number of its entries: each gets that share of what comes in"
TOTAL = "a sum hands what comes in to every entry that it summed, unchanged"
TANH = f"`tanh` goes {ENTRY}. Its derivative is one less its own square"
LOG = f"a logarithm goes {ENTRY}. Its derivative is one over the entry"
SHAPE = "the numbers stay and the shape changes: give what comes in the old shape"
MINUS = "a minus turns the sign around"
DIVIDES = "it divides: the derivative of `1 / x` is `-1 / x**2`"


def product(other: str) -> str:
    return f"a product hands on the other factor, `{other}`, times what comes in"


def names() -> dict[str, Any]:
    """A notebook: `a` and `b` are (4, 3), the others are named for their shapes."""
    generator = torch.Generator().manual_seed(1)

    def tensor(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator) + 0.5

    tensors = {"a": tensor(4, 3), "b": tensor(4, 3), "row": tensor(1, 3), "column": tensor(4, 1), "vector": tensor(3)}
    matrices = {"m": tensor(3, 5), "number": tensor(), "cube": tensor(4, 1, 3)}
    return {**tensors, **matrices, "ix": torch.tensor([0, 1, 1, 2]), "n": 4, "torch": torch, "F": F}


def recorded(line: str, batch: tuple[str, ...] = ()) -> Tape:
    return record(f"{line}\nloss = y.sum()", names(), list(batch))


def rule(line: str, variable: str = "a") -> str:
    return generic_hints(recorded(line), variable, names(), ())[0]


ONE_WAY = {
    "a product": ("y = a * b", "a", product("b")),
    "a product, right": ("y = b * a", "a", product("b")),
    "a product with a number": ("y = 2 * a", "a", product("2")),
    "a product with a part": ("y = a * (b - 1)", "a", product("b - 1")),
    "a sum": ("y = a + b", "a", SUM),
    "a sum, right": ("y = b + a", "a", SUM),
    "a difference, left": ("y = a - b", "a", "a difference passes it on"),
    "a difference, right": ("y = b - a", "a", "a difference passes it on, with a minus"),
    "a number less it": ("y = 1 - a", "a", "a difference passes it on, with a minus"),
    "a minus": ("y = -a", "a", MINUS),
    "a division, above": ("y = a / b", "a", "it is divided by `b`, and so is what comes in"),
    "a division, below": ("y = b / a", "a", DIVIDES),
    "a power": ("y = a**3", "a", POWER),
    "an inverse": ("y = a**-1", "a", POWER),
    "a matrix product, left": ("y = a @ m", "a", FROM_RIGHT),
    "a matrix product, right": ("y = a @ m", "m", FROM_LEFT),
    "an index": ("y = a[ix]", "a", INDEX),
    "a maximum": ("y = a.max(1, keepdim=True).values", "a", MAXIMUM),
    "a mean": ("y = a.mean(0)", "a", MEAN),
    "a sum of entries": ("y = a.sum(1, keepdim=True)", "a", TOTAL),
    "tanh": ("y = torch.tanh(a)", "a", TANH),
    "tanh as a method": ("y = a.tanh()", "a", TANH),
    "a logarithm": ("y = a.log()", "a", LOG),
    "a view": ("y = a.view(-1)", "a", SHAPE),
    "a flattening": (
        "y = cube.flatten(1)",
        "cube",
        "several axes become one, and the numbers stay in their order: give what comes in the old shape",
    ),
    "a flattening by a function": (
        "y = torch.flatten(cube)",
        "cube",
        "several axes become one, and the numbers stay in their order: give what comes in the old shape",
    ),
    "an axis less": ("y = cube.squeeze(1)", "cube", "an axis of size 1 is left out: give it back to what comes in"),
    "an axis more": ("y = a.unsqueeze(1)", "a", "an axis of size 1 is put in: leave it out of what comes in"),
    "two axes": (
        "y = cube.transpose(1, 2)",
        "cube",
        "two axes change places: let the same two change places in what comes in",
    ),
    "the last two axes": (
        "y = cube.mT",
        "cube",
        "the last two axes change places: let them change places in what comes in",
    ),
    "all axes": (
        "y = cube.permute(2, 0, 1)",
        "cube",
        "the axes are put into another order: put those of what comes in back into the old one",
    ),
    "a mask": (
        "y = a.masked_fill(b > 1, -1e9)",
        "a",
        "a mask writes a number over some entries, which get nothing; to all others what comes in is handed on",
    ),
    "a GELU": (
        "y = F.gelu(a)",
        "a",
        f"a GELU goes {ENTRY}. It is a product of the entry and of a share that moves with it: two terms",
    ),
    "a GELU by tanh": (
        "y = F.gelu(a, approximate='tanh')",
        "a",
        f"a GELU goes {ENTRY}. It is a product of the entry and of a share that moves with it: two terms",
    ),
    "scores": (
        "y = (cube.squeeze(1) @ a.transpose(0, 1)).masked_fill(m.sum() > 0, 0.0)",
        "a",
        "a mask writes a number over some entries, which get nothing; to all others what comes in is handed on; "
        f"then {FROM_LEFT}; then two axes change places: let the same two change places in what comes in",
    ),
    "an unknown call": ("y = a.sigmoid()", "a", "`sigmoid` goes back by its own derivative"),
    "an unknown function": ("y = F.softplus(a)", "a", "`softplus` goes back by its own derivative"),
    "a number added inside": ("y = (a + 1).log()", "a", LOG),
    "nested": ("y = -torch.tanh(a @ m + 1)[ix].mean(0)", "a", "; then ".join([MINUS, MEAN, INDEX, TANH, FROM_RIGHT])),
    "nested, other side": (
        "y = b / (b - 2 * a)",
        "a",
        f"{DIVIDES}; then a difference passes it on, with a minus; then {product('2')}",
    ),
    "the size of a variable is no use of it": ("y = a.view(a.shape[0], -1)", "a", SHAPE),
}


@pytest.mark.parametrize(("line", "variable", "said"), ONE_WAY.values(), ids=ONE_WAY.keys())
def test_the_rule_of_a_line(line: str, variable: str, said: str) -> None:
    assert rule(line, variable) == f"It is used in `{line}`. Going back: {said}."


NO_RULE = {
    "a copy": "y = a",
    "a number added": "y = a + 1",
    "a number added, left": "y = 1e-5 + a",
    "a transpose": "y = a.T",
    "a plus": "y = +a",
}


@pytest.mark.parametrize("line", NO_RULE.values(), ids=NO_RULE.keys())
def test_a_line_of_which_there_is_nothing_to_say_ends_in_a_sentence(line: str) -> None:
    assert "Going back: ." not in rule(line)


@pytest.mark.parametrize("line", ["y = 2**a", "y = b**a"])
def test_an_exponent_is_no_power(line: str) -> None:
    assert "the exponent comes to the front" not in rule(line)


def test_an_addition_does_not_hide_a_variable_of_the_same_text() -> None:
    assert "a power" in rule("y = (a + 1e-5) ** -0.5")


def test_the_ways_back_of_one_line_add_up() -> None:
    assert rule("y = (a + b) * a.log()") == (
        "It is used in `y = (a + b) * a.log()`. There are 2 ways back, and what comes along them adds up. "
        f"Through `a`: {product('a.log()')}; then {SUM}. "
        f"Through `a.log()`: {product('a + b')}; then {LOG}."
    )


def test_the_ways_back_of_two_lines_add_up() -> None:
    source = "x = a.sum(1, keepdim=True)\ny = a * x\nloss = y.sum()"
    first, *_ = generic_hints(record(source, names(), []), "a", names(), ())
    assert first == (
        "It is used in `x = a.sum(1, keepdim=True)` and `y = a * x`. "
        "There are 2 ways back, and what comes along them adds up. "
        f"Through `x`: {TOTAL}. Through `y`: {product('x')}."
    )


SHAPES = {
    "no stretch": ("y = a * b", "a", "`da` has the shape of `a`. `a` is (4, 3), `dy` is (4, 3), `b` is (4, 3)."),
    "the rows": (
        "y = a * row",
        "row",
        "`drow` has the shape of `row`. `row` is (1, 3), `dy` is (4, 3), `a` is (4, 3). "
        "`row` was stretched along axis 0, over `n` rows, in the line of `y`: sum over that.",
    ),
    "the columns": (
        "y = a * column",
        "column",
        "`dcolumn` has the shape of `column`. `column` is (4, 1), `dy` is (4, 3), `a` is (4, 3). "
        "`column` was stretched along axis 1, over `width` columns, in the line of `y`: sum over that.",
    ),
    "a leading axis": (
        "y = a + vector",
        "vector",
        "`dvector` has the shape of `vector`. `vector` is (3,), `dy` is (4, 3), `a` is (4, 3). "
        "`vector` was stretched along axis 0, over `n` rows, in the line of `y`: sum over that.",
    ),
    "a scalar": (
        "y = a * number",
        "number",
        "`dnumber` has the shape of `number`. `number` is a number, `dy` is (4, 3), `a` is (4, 3). `number` was stretched "
        "along axis 0, over `n` rows and axis 1, over `width` columns, in the line of `y`: sum over that.",
    ),
    "what comes in is stretched": (
        "y = a.sum(0, keepdim=True)",
        "a",
        "`da` has the shape of `a`. `a` is (4, 3), `dy` is (1, 3). Broadcasting stretches `dy` by itself.",
    ),
}


@pytest.mark.parametrize(("line", "variable", "said"), SHAPES.values(), ids=SHAPES.keys())
def test_the_shapes_of_a_line(line: str, variable: str, said: str) -> None:
    rows = [name for name in ("a", "b", "column") if name in line.split()]
    tape = recorded(line, ("n", *(rows or "a")))
    assert generic_hints(tape, variable, {**names(), "width": 3}, ())[1] == said


def test_what_was_picked_is_not_said_to_stretch() -> None:
    """All other entries get nothing."""
    assert "Broadcasting stretches" not in generic_hints(recorded("y = a[:1]"), "a", names(), ())[1]


def test_the_loss_comes_in_as_a_number_and_is_not_listed() -> None:
    tape = record("loss = (a * b).mean()", names(), [])
    assert generic_hints(tape, "a", names(), ())[1] == "`da` has the shape of `a`. `a` is (4, 3), `b` is (4, 3)."


def test_the_lesson_s_words_come_last() -> None:
    assert generic_hints(recorded("y = a * b"), "a", names(), ("One.", "Two."))[2:] == ("One.", "Two.")


def test_a_forward_pass_that_fixes_its_dtype_has_rungs_all_the_same() -> None:
    tape = record("x = a * b\ny = F.linear(x, torch.ones(2, 3))\nloss = y.sum()", names(), [])
    first, second = generic_hints(tape, "x", names(), ())
    assert first.startswith("It is used in `y = F.linear(x, torch.ones(2, 3))`.")
    assert second == "`dx` has the shape of `x`. `x` is (4, 3), `dy` is (4, 2)."
