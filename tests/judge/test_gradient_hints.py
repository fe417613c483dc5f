"""The rungs of a hint, on forward passes of one line."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from autograder.judge.kinds.gradient_hints import MOST, generic_hints, question
from autograder.tape.tape import Tape, record

SUM = "an addition passes the incoming gradient on unchanged"
MINUSED = "a subtraction passes the incoming gradient on with a minus sign"
POWER = "the exponent of a power becomes a factor, and drops by one"
INDEX = "each gradient goes back to the entry that the index picked, and adds up where one was picked twice"
MAXIMUM = "a maximum passes the incoming gradient to the entry it picks, and nothing to the others"
MEAN = "a mean divides the incoming gradient by the number of entries, and each gets that share"
TOTAL = "a sum passes the incoming gradient to every entry that it adds up"
TANH = "the derivative of `tanh` is 1 minus the square of its output, entry by entry"
LOG = "the derivative of a logarithm is one over its input, entry by entry"
SHAPE = "only the shape changes, so give the incoming gradient the old shape"
MASK = "a mask overwrites some entries, which get zero; all others get the incoming gradient"
GELU = "a GELU is its input times a share that depends on the input, so the product rule gives two terms"
MINUS = "a minus flips the sign"
DIVIDES = "it is in a denominator, and the derivative of `1 / x` is `-1 / x**2`"


def product(other: str) -> str:
    return f"a product multiplies the incoming gradient by `{other}`"


def beside(other: str, side: str) -> str:
    return f"in a matrix product the transpose of `{other}` stands to the {side} of the incoming gradient"


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


def rungs(line: str, variable: str = "a", *words: str) -> tuple[str, ...]:
    return generic_hints(recorded(line), variable, names(), words)


def rule(line: str, variable: str = "a") -> str:
    """All that is said of the rules, in one text."""
    return " ".join(rungs(line, variable)[2:])


ONE_WAY = {
    "a product": ("y = a * b", "a", product("b")),
    "a product, right": ("y = b * a", "a", product("b")),
    "a product with a number": ("y = 2 * a", "a", product("2")),
    "a product with a part": ("y = a * (b - 1)", "a", product("b - 1")),
    "a product with a long part": (
        "y = a * (b - b.mean(0, keepdim=True) + b.sum(0, keepdim=True))",
        "a",
        "a product multiplies the incoming gradient by the other factor",
    ),
    "a difference, right": ("y = b - a", "a", MINUSED),
    "a number less it": ("y = 1 - a", "a", MINUSED),
    "a minus": ("y = -a", "a", MINUS),
    "a division, above": ("y = a / b", "a", "a division divides the incoming gradient by `b` too"),
    "a division, below": ("y = b / a", "a", DIVIDES),
    "a power": ("y = a**3", "a", POWER),
    "an inverse": ("y = a**-1", "a", POWER),
    "a matrix product, left": ("y = a @ m", "a", beside("m", "right")),
    "a matrix product, right": ("y = a @ m", "m", beside("a", "left")),
    "an index": ("y = a[ix]", "a", INDEX),
    "a maximum": ("y = a.max(1, keepdim=True).values", "a", MAXIMUM),
    "a mean": ("y = a.mean(0)", "a", MEAN),
    "a sum of entries": ("y = a.sum(1, keepdim=True)", "a", TOTAL),
    "tanh": ("y = torch.tanh(a)", "a", TANH),
    "tanh as a method": ("y = a.tanh()", "a", TANH),
    "a logarithm": ("y = a.log()", "a", LOG),
    "a view": ("y = a.view(-1)", "a", SHAPE),
    "a flattening": ("y = cube.flatten(1)", "cube", SHAPE),
    "a flattening by a function": ("y = torch.flatten(cube)", "cube", SHAPE),
    "an axis less": (
        "y = cube.squeeze(1)",
        "cube",
        "an axis of size 1 is dropped, so put it back into the incoming gradient",
    ),
    "an axis more": ("y = a.unsqueeze(1)", "a", "an axis of size 1 is added, so drop it from the incoming gradient"),
    "two axes": ("y = cube.transpose(1, 2)", "cube", "two axes are swapped, so swap them back in the incoming gradient"),
    "a transpose": ("y = a.T", "a", "a transpose is undone by transposing the incoming gradient"),
    "the last two axes": ("y = cube.mT", "cube", "the last two axes are swapped, so swap them back in the incoming gradient"),
    "all axes": (
        "y = cube.permute(2, 0, 1)",
        "cube",
        "the axes are reordered, so put those of the incoming gradient back in the old order",
    ),
    "a mask": ("y = a.masked_fill(b > 1, -1e9)", "a", MASK),
    "a GELU": ("y = F.gelu(a)", "a", GELU),
    "a GELU by tanh": ("y = F.gelu(a, approximate='tanh')", "a", GELU),
    "scores": (
        "y = (cube.squeeze(1) @ a.transpose(0, 1)).masked_fill(m.sum() > 0, 0.0)",
        "a",
        f"{MASK}. Then {beside('cube.squeeze(1)', 'left')}. "
        "Then two axes are swapped, so swap them back in the incoming gradient",
    ),
    "an unknown call": ("y = a.sigmoid()", "a", "`sigmoid` has a derivative of its own"),
    "an unknown function": ("y = F.softplus(a)", "a", "`softplus` has a derivative of its own"),
    "a number added inside": ("y = (a + 1).log()", "a", LOG),
    "nested": (
        "y = -torch.tanh(a @ m + 1)[ix].mean(0)",
        "a",
        ". Then ".join([MINUS, MEAN, INDEX, TANH, beside("m", "right")]),
    ),
    "nested, other side": ("y = b / (b - 2 * a)", "a", f"{DIVIDES}. Then {MINUSED}. Then {product('2')}"),
    "the size of a variable is no use of it": ("y = a.view(a.shape[0], -1)", "a", SHAPE),
    "the rows": ("y = a * row", "row", f"{product('a')}. Then sum over axis 0, where it was stretched"),
    "a scalar": ("y = a * number", "number", f"{product('a')}. Then sum over axis 0 and axis 1, where it was stretched"),
    "many matrices": (
        "y = cube @ m",
        "m",
        f"{beside('cube', 'left')}. Then sum over the axes in front of the last two, along which it was used again and again",
    ),
}


@pytest.mark.parametrize(("line", "variable", "said"), ONE_WAY.values(), ids=ONE_WAY.keys())
def test_the_rule_of_a_line(line: str, variable: str, said: str) -> None:
    assert rungs(line, variable)[0] == f"It is used in `{line}`. There is one way back."
    assert rule(line, variable) == f"Going back: {said}."


PASSED_ON = {
    "a copy": "y = a",
    "a number added": "y = a + 1",
    "a number added, left": "y = 1e-5 + a",
    "a plus": "y = +a",
    "a sum": "y = a + b",
    "a sum, right": "y = b + a",
    "a difference, left": "y = a - b",
}


@pytest.mark.parametrize("line", PASSED_ON.values(), ids=PASSED_ON.keys())
def test_a_line_that_changes_nothing_on_the_way_back(line: str) -> None:
    assert rule(line) == "Going back: the incoming gradient is passed on unchanged."


@pytest.mark.parametrize("line", ["y = 2**a", "y = b**a"])
def test_an_exponent_is_no_power(line: str) -> None:
    assert rule(line) == (
        "Going back: it is in an exponent, and the derivative is the power itself times the logarithm of the base."
    )


def test_an_addition_does_not_hide_a_variable_of_the_same_text() -> None:
    assert POWER in rule("y = (a + 1e-5) ** -0.5")


def test_the_ways_back_of_one_line_add_up() -> None:
    line = "y = (a + b) * a.log()"
    assert rungs(line)[0] == f"It is used in `{line}`. There are 2 ways back."
    assert rule(line) == (
        f"Through `a`: {product('a.log()')}. Through `a.log()`: {product('a + b')}. Then {LOG}. "
        "What comes back along these ways adds up."
    )


def test_the_ways_back_of_two_lines_add_up() -> None:
    source = "x = a.sum(1, keepdim=True)\ny = a * x\nloss = y.sum()"
    first, _, *rules = generic_hints(record(source, names(), []), "a", names(), ())
    assert first == "It is used in `x = a.sum(1, keepdim=True)` and `y = a * x`. There are 2 ways back."
    assert rules == [f"Through `x`: {TOTAL}. Through `y`: {product('x')}.", "What comes back along these ways adds up."]


def test_what_is_no_way_back_is_not_counted() -> None:
    assert rungs("y = a * (a > b)")[0] == "It is used in `y = a * (a > b)`. There is one way back."


@pytest.mark.parametrize("line", ["y = -torch.tanh(a @ m + 1)[ix].mean(0)", "y = (a + b) * a.log()"])
def test_a_rung_is_two_short_lines(line: str) -> None:
    assert MOST == 160
    assert len(rungs(line)) > 3
    assert all(len(rung) <= MOST for rung in rungs(line))


def test_the_rungs_give_away_more_and_more() -> None:
    """The lesson's words are from an idea to almost the formula."""
    first, idea, shapes, rules, *others = rungs("y = a * b", "a", "One.", "Two.", "Three.")
    assert first == "It is used in `y = a * b`. There is one way back."
    assert (idea, others) == ("One.", ["Two.", "Three."])
    assert shapes.startswith("`da` has the shape of `a`")
    assert rules == f"Going back: {product('b')}."


def test_where_the_rules_of_a_line_take_many_rungs_the_lesson_s_words_are_enough() -> None:
    line = "y = (a - a.mean(0, keepdim=True)) / torch.sqrt(a.var(0, keepdim=True) + 1e-5)"
    assert len(rungs(line)) > 6
    assert rungs(line, "a", "One.", "Two.")[1::2] == ("One.", "Two.")
    assert len(rungs(line, "a", "One.", "Two.")) == 4


SHAPES = {
    "no stretch": ("y = a * b", "a", "`da` has the shape of `a`, (4, 3). `dy` is (4, 3), `b` is (4, 3)."),
    "the rows": (
        "y = a * row",
        "row",
        "`drow` has the shape of `row`, (1, 3). `dy` is (4, 3), `a` is (4, 3). "
        "`row` was stretched along axis 0, over `n` rows, in the line of `y`.",
    ),
    "the columns": (
        "y = a * column",
        "column",
        "`dcolumn` has the shape of `column`, (4, 1). `dy` is (4, 3), `a` is (4, 3). "
        "`column` was stretched along axis 1, over `width` columns, in the line of `y`.",
    ),
    "a leading axis": (
        "y = a + vector",
        "vector",
        "`dvector` has the shape of `vector`, (3,). `dy` is (4, 3), `a` is (4, 3). "
        "`vector` was stretched along axis 0, over `n` rows, in the line of `y`.",
    ),
    "a scalar": (
        "y = a * number",
        "number",
        "`dnumber` has the shape of `number`, a number. `dy` is (4, 3). `number` was stretched "
        "along axis 0, over `n` rows and axis 1, over `width` columns, in the line of `y`.",
    ),
    "what comes in is stretched": (
        "y = a.sum(0, keepdim=True)",
        "a",
        "`da` has the shape of `a`, (4, 3). `dy` is (1, 3). Broadcasting stretches `dy` for you.",
    ),
}


@pytest.mark.parametrize(("line", "variable", "said"), SHAPES.values(), ids=SHAPES.keys())
def test_the_shapes_of_a_line(line: str, variable: str, said: str) -> None:
    rows = [name for name in ("a", "b", "column") if name in line.split()]
    tape = recorded(line, ("n", *(rows or "a")))
    assert generic_hints(tape, variable, {**names(), "width": 3}, ())[1] == said


def test_of_many_shapes_those_are_listed_that_fit() -> None:
    tape = recorded("y = a * b + row + column + vector + cube.squeeze(1) + number")
    assert generic_hints(tape, "a", names(), ())[1] == (
        "`da` has the shape of `a`, (4, 3). `dy` is (4, 3), `b` is (4, 3), `column` is (4, 1), `cube` is (4, 1, 3), "
        "`number` is a number, `row` is (1, 3)."
    )


def test_what_was_picked_is_not_said_to_stretch() -> None:
    """All other entries get nothing."""
    assert "Broadcasting stretches" not in generic_hints(recorded("y = a[:1]"), "a", names(), ())[1]


def test_the_loss_comes_in_as_a_number_and_is_not_listed() -> None:
    tape = record("loss = (a * b).mean()", names(), [])
    assert generic_hints(tape, "a", names(), ())[1] == "`da` has the shape of `a`, (4, 3). `b` is (4, 3)."


def test_a_forward_pass_that_fixes_its_dtype_has_rungs_all_the_same() -> None:
    tape = record("x = a * b\ny = F.linear(x, torch.ones(2, 3))\nloss = y.sum()", names(), [])
    assert generic_hints(tape, "x", names(), ()) == (
        "It is used in `y = F.linear(x, torch.ones(2, 3))`.",
        "`dx` has the shape of `x`, (4, 3). `dy` is (4, 2).",
    )
    assert question(tape, "x", names()) == ""


DERIVATIVE = "Which part of your answer is the derivative of `{}`, and which is the incoming gradient?"
ASKED = {
    "a derivative": ("y = torch.tanh(a)", "a", DERIVATIVE.format("y = torch.tanh(a)")),
    "a factor": ("y = a * b", "a", DERIVATIVE.format("y = a * b")),
    "a minus": ("y = b - a", "a", DERIVATIVE.format("y = b - a")),
    "nothing to do": ("y = a + b", "a", "Why does the incoming gradient come through `y = a + b` unchanged?"),
    "an axis": (
        "y = a * row",
        "row",
        "In `y = a * row`, `row` was stretched. Along which axis, and where do you see that in your answer?",
    ),
    "two axes": (
        "y = a * number",
        "number",
        "In `y = a * number`, `number` was stretched. Along which axes, and where do you see that in your answer?",
    ),
    "two uses": (
        "y = a * (b - a)",
        "a",
        "`a` is used twice in `y = a * (b - a)`. Which part of your answer comes from which use?",
    ),
    "three uses": (
        "y = a * a * a",
        "a",
        "`a` is used 3 times in `y = a * a * a`. Which part of your answer comes from which use?",
    ),
    "picked twice": (
        "y = a[ix]",
        "a",
        "`y = a[ix]` picks some entries of `a` more than once. Where in your answer do their gradients add up?",
    ),
    "picked twice, in a mean": (
        "y = -a[ix[1:]].mean()",
        "a",
        "`y = -a[ix[1:]].mean()` picks some entries of `a` more than once. Where in your answer do their gradients add up?",
    ),
    "not picked": (
        "y = a[:2].log()",
        "a",
        "`y = a[:2].log()` picks some entries. What do all others get, and where do you see that in your answer?",
    ),
    "all picked": ("y = a[:].log()", "a", DERIVATIVE.format("y = a[:].log()")),
    "a sum": (
        "y = a.sum(1, keepdim=True)",
        "a",
        "`y = a.sum(1, keepdim=True)` sums many entries into one. How does your answer give each of them its gradient?",
    ),
    "a mean of logarithms": (
        "y = -a.log().mean(0)",
        "a",
        "`y = -a.log().mean(0)` takes a mean. Over how many entries, and where do you see that number in your answer?",
    ),
    "a maximum": (
        "y = a.amax(1)",
        "a",
        "`y = a.amax(1)` picks a maximum. Which entries get a gradient, and where do you see that in your answer?",
    ),
    "a maximum by its place": (
        "y = a.max(1)[0]",
        "a",
        "`y = a.max(1)[0]` picks a maximum. Which entries get a gradient, and where do you see that in your answer?",
    ),
    "a product of matrices": (
        "y = torch.tanh(a @ m)",
        "m",
        "`y = torch.tanh(a @ m)` is a matrix product. Which axis does your answer sum over, and why that one?",
    ),
    "swapped axes": ("y = a.T", "a", "`y = a.T` swaps axes. Where do you see in your answer that they are swapped back?"),
    "another shape": (
        "y = a.view(2, 6)",
        "a",
        "`y = a.view(2, 6)` changes only the shape. Why is the old shape all that its gradient needs?",
    ),
    "a long line": (
        f"y = a * (b - b.mean(0, keepdim=True)) / torch.sqrt(b.var(0, keepdim=True) + 1e-5){' + 1' * 20} + vector",
        "vector",
        "In the line of `y`, `vector` was stretched. Along which axis, and where do you see that in your answer?",
    ),
    "a long line, first": (
        f"y = torch.tanh(a) * (b - b.mean(0, keepdim=True)) / torch.sqrt(b.var(0, keepdim=True) + 1e-5){' + 1' * 20}",
        "a",
        "Which part of your answer is the derivative of the line of `y`, and which is the incoming gradient?",
    ),
    "two uses in a long line": (
        f"y = torch.tanh(a) * (b - a.mean(0, keepdim=True)) / torch.sqrt(b.var(0, keepdim=True) + 1e-5){' + 1' * 20}",
        "a",
        "`a` is used twice in the forward pass: in `torch.tanh(a)` and `a.mean(0, keepdim=True)`. "
        "Which part of your answer comes from which use?",
    ),
}


@pytest.mark.parametrize(("line", "variable", "said"), ASKED.values(), ids=ASKED.keys())
def test_the_question_about_a_right_answer(line: str, variable: str, said: str) -> None:
    assert question(recorded(line), variable, names()) == said


def test_where_nothing_comes_in_no_incoming_gradient_is_asked_for() -> None:
    number = {"x": torch.tensor(2.0)}
    said = question(record("loss = x**2", number, []), "x", number)
    assert said == "What is the derivative of `loss = x**2`, and where does it stand in your answer?"
