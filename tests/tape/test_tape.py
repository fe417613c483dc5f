"""The tape, held against torch's own autograd on the same lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from torch import Tensor

from autograder.course import notebooks
from autograder.errors import ForwardError
from autograder.judge.session import of
from autograder.tape.tape import Tape, promoted, record
from tests.support.lesson import Lesson, fresh_shell

FLAGSHIP = Path(__file__).parents[2] / "source" / "backprop" / "1-every-gradient.ipynb"

LINES = """\
emb = C[ix]
pre = emb @ W + b
top = pre.max(1, keepdim=True).values
side = pre * 2
shifted = pre - top
squared = shifted**2
loss = squared.sum() / n
"""


def some_namespace(dtype: torch.dtype = torch.float64) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    tensors = {"C": leaf(4, 2), "W": leaf(2, 3), "b": leaf(3), "x": leaf(4, 3)}
    return {**tensors, "ix": torch.tensor([0, 3, 3, 1, 0]), "n": 5, "torch": torch, "F": F}


@pytest.fixture
def tape() -> Tape:
    return record(LINES, some_namespace(), ["n", "ix"])


@pytest.fixture(scope="module")
def lecture() -> tuple[str, Tape]:
    """The lines of the lecture's forward pass, and the tape of it."""
    cells = notebooks.code_cells(notebooks.read(FLAGSHIP))
    (source,) = (cell.source for cell in cells if cell.id == "forward")
    return source.partition("\n")[2], Lesson("1-every-gradient", solved=False).session.tape("loss")


def by_torch(lines: str, namespace: Mapping[str, Any], variables: tuple[str, ...]) -> dict[str, Tensor]:
    """The gradients that torch finds when the lines are run as they stand and every variable keeps its gradient."""
    values = {name: value.clone() if isinstance(value, Tensor) else value for name, value in namespace.items()}
    for value in values.values():
        if isinstance(value, Tensor) and value.is_floating_point():
            value.requires_grad_()
    exec(lines, values)
    for name in variables:
        values[name].retain_grad()
    values["loss"].backward()
    return {name: values[name].grad for name in variables}


def assert_near(seen: Tensor, true: Tensor, what: str) -> None:
    assert seen.shape == true.shape, what
    assert seen.dtype == true.dtype, what
    tolerance = (1e-12 if true.dtype == torch.float64 else 1e-5) * max(1.0, float(true.abs().max()))
    assert float((seen - true).abs().max()) <= tolerance, what


def assert_products_add_up(tape: Tape) -> None:
    true = tape.gradients(tape.state)
    for name in tape.variables[:-1]:
        contributions = tape.products(name, true, tape.state)
        assert_near(torch.stack(list(contributions.values())).sum(0), true[name], name)


class TestGraph:
    def test_the_last_name_is_the_loss(self, tape: Tape) -> None:
        assert tape.loss == "loss"

    def test_the_variables_are_the_leaves_and_then_the_lines(self, tape: Tape) -> None:
        assert set(tape.leaves) == {"C", "W", "b"}
        assert tape.variables[:3] == tape.leaves
        assert tape.variables[3:] == ("emb", "pre", "top", "shifted", "squared", "loss")

    @pytest.mark.parametrize(
        ("name", "parents", "consumers"),
        [
            ("C", set(), ("emb",)),
            ("W", set(), ("pre",)),
            ("emb", {"C"}, ("pre",)),
            ("pre", {"emb", "W", "b"}, ("top", "shifted")),
            ("top", {"pre"}, ("shifted",)),
            ("shifted", {"pre", "top"}, ("squared",)),
            ("loss", {"squared"}, ()),
        ],
    )
    def test_a_line_knows_what_it_reads_and_who_reads_it(
        self, tape: Tape, name: str, parents: set[str], consumers: tuple[str, ...]
    ) -> None:
        assert set(tape.parents(name)) == parents
        assert tape.consumers(name) == consumers

    def test_a_line_that_the_loss_does_not_need_is_computed_but_has_no_gradient(self, tape: Tape) -> None:
        assert torch.equal(tape.state["side"], tape.state["pre"] * 2)
        assert "side" not in tape.gradients(tape.state)
        assert "side" not in tape.products("pre", tape.gradients(tape.state), tape.state)

    def test_the_rows_are_those_of_the_minibatch(self, tape: Tape) -> None:
        assert tape.rows == 5

    def test_without_a_named_batch_there_are_no_rows(self) -> None:
        assert record(LINES, some_namespace()).rows is None

    def test_a_number_is_a_line_too_but_no_variable(self) -> None:
        tape = record("size = len(x)\nloss = x.sum() / size", some_namespace())
        assert tape.state["size"] == 4
        assert tape.variables == ("x", "loss")

    def test_a_mask_is_a_line_too_but_no_variable(self) -> None:
        lines = "mask = x > 0\nmasked = x.masked_fill(mask, float('-inf'))\nloss = F.softmax(masked, 0).square().sum()"
        tape = record(lines, some_namespace())
        assert tape.variables == ("x", "masked", "loss")


class TestGradients:
    def test_they_are_those_of_torch(self, tape: Tape) -> None:
        true = by_torch(LINES, tape.given, tape.variables)
        seen = tape.gradients(tape.state)
        assert seen.keys() == true.keys()
        for name, gradient in true.items():
            assert_near(seen[name], gradient, name)

    def test_those_of_the_lecture_are_those_of_torch(self, lecture: tuple[str, Tape]) -> None:
        lines, tape = lecture
        true = by_torch(lines, tape.given, tape.variables)
        seen = tape.gradients(tape.state)
        assert len(seen) == 27
        for name, gradient in true.items():
            torch.testing.assert_close(seen[name], gradient, rtol=1e-5, atol=1e-8, msg=name)

    def test_those_of_the_lecture_are_the_sums_of_the_products(self, lecture: tuple[str, Tape]) -> None:
        _, tape = lecture
        state = tape.forward(promoted(tape.given))
        true = tape.gradients(state)
        for name in tape.variables[:-1]:
            seen = torch.stack(list(tape.products(name, true, state).values())).sum(0)
            torch.testing.assert_close(seen, true[name], rtol=1e-11, atol=1e-15, msg=name)

    @pytest.mark.parametrize(
        "lines",
        [
            pytest.param("same = x\nloss = (same * x).sum()", id="another name for a variable"),
            pytest.param("same = x.float()\nloss = (same * x).sum()", id="a conversion that changes nothing"),
            pytest.param("weights = torch.ones(4, 3)\nloss = (x * weights).sum()", id="constant"),
            pytest.param("top = x.max(1, keepdim=True).values.detach()\nloss = (x - top).exp().sum()", id="detached"),
        ],
    )
    def test_they_are_the_sums_of_the_products_too_where_a_line_computes_nothing(self, lines: str) -> None:
        assert_products_add_up(record(lines, some_namespace(torch.float32)))

    def test_they_are_those_of_the_given_state(self, tape: Tape) -> None:
        state = tape.forward({**tape.given, "W": 2 * tape.given["W"]})
        assert_near(tape.gradients(state)["C"], by_torch(LINES, {**tape.given, "W": state["W"]}, ("C",))["C"], "C")

    def test_they_work_where_the_notebook_has_switched_gradients_off(self, tape: Tape) -> None:
        with torch.no_grad():
            seen = tape.gradients(tape.state)["W"]
            products = tape.products("pre", tape.gradients(tape.state), tape.state)
        assert torch.equal(seen, tape.gradients(tape.state)["W"])
        assert float(products["shifted"].abs().max()) > 0


class TestProducts:
    def test_each_consumer_contributes_its_own_part(self, tape: Tape) -> None:
        incoming = {"top": torch.tensor([[1.0], [2], [3], [4], [5]]).double(), "shifted": torch.full((5, 3), 7.0).double()}
        parts = tape.products("pre", incoming, tape.state)
        largest = F.one_hot(tape.state["pre"].argmax(1), 3)
        assert list(parts) == ["top", "shifted"]
        assert torch.equal(parts["top"], largest * incoming["top"])
        assert torch.equal(parts["shifted"], incoming["shifted"])

    def test_repeated_rows_add_up(self, tape: Tape) -> None:
        incoming = {"emb": torch.ones(5, 2).double()}
        counts = torch.tensor([2.0, 1, 0, 2]).double()
        assert torch.equal(tape.products("C", incoming, tape.state)["emb"], counts[:, None].expand(4, 2))

    def test_a_broadcast_axis_is_summed(self, tape: Tape) -> None:
        incoming = {"pre": torch.ones(5, 3).double()}
        assert torch.equal(tape.products("b", incoming, tape.state)["pre"], torch.full((3,), 5.0).double())

    def test_a_consumer_that_lets_no_gradient_through_contributes_zeros(self) -> None:
        tape = record("sign = x.sign().detach()\nloss = (x * sign).sum()", some_namespace())
        parts = tape.products("x", {"sign": torch.ones(4, 3).double(), "loss": torch.tensor(1.0).double()}, tape.state)
        assert torch.equal(parts["sign"], torch.zeros(4, 3).double())
        assert torch.equal(parts["loss"], tape.state["sign"])

    def test_the_state_stays_without_a_graph(self, tape: Tape) -> None:
        tape.products("pre", tape.gradients(tape.state), tape.state)
        assert not any(value.requires_grad for value in tape.state.values() if isinstance(value, Tensor))


LOWER = [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
NEGATIVE = [[0, 1, 0], [1, 1, 0], [0, 0, 1]]
NOTHING = [[0, 0, 0]] * 3

SWITCHED_OFF: dict[str, list[list[int]]] = {
    "x.masked_fill(~mask, -torch.inf)": LOWER,
    "torch.where(mask, x, -torch.inf)": LOWER,
    "torch.where(mask, w, x)": [[1 - entry for entry in row] for row in LOWER],
    "x * mask": LOWER,
    "x.tril()": LOWER,
    "(x @ w).masked_fill(~mask, 0)": LOWER,
    "(x + bias).softmax(1)": [[1, 1, 1], [0, 0, 1], [0, 0, 0]],  # the first row is one number: it is 1 whatever that is
    "F.relu(x)": NEGATIVE,
    "x.clamp(min=0)": NEGATIVE,
    "torch.maximum(x, zero)": NEGATIVE,
    "x * (x > 0)": NEGATIVE,
    "F.embedding(ix, x, padding_idx=0)": [[0, 0, 0], [1, 1, 1], [0, 0, 0]],
    "F.pad(x[:, :1], (1, 1))": [[1, 0, 1]] * 3,
    "w * 2 + x * 0": [[1, 1, 1]] * 3,
    "x + bias": NOTHING,  # a mask that is added hands on all that comes in
    "(x * mask) @ w": NOTHING,  # every entry still moves with one that the mask lets through
    "x[ix]": NOTHING,
    "x.tanh()": NOTHING,
    "x / x.norm(dim=1, keepdim=True)": NOTHING,
    "x - x.mean(1, keepdim=True)": NOTHING,
    "once(x)": NOTHING,  # what cannot be differentiated twice tells nothing of its entries
}


class Once(torch.autograd.Function):
    """A relu whose derivative has none."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return gradient * (x > 0)


class TestSwitchedOff:
    @pytest.mark.parametrize(("line", "expected"), SWITCHED_OFF.items(), ids=list(SWITCHED_OFF))
    @pytest.mark.parametrize("seed", [0, 1, 42, 1337])
    def test_an_entry_is_switched_off_where_it_does_not_move_with_the_variable(
        self, line: str, expected: list[list[int]], seed: int
    ) -> None:
        x = torch.randn((3, 3), generator=torch.Generator().manual_seed(seed))  # perhaps the numbers that it is tried with
        x = x.abs() * (1 - 2 * torch.tensor(NEGATIVE))
        mask = torch.ones(3, 3).tril().bool()
        namespace = {
            "x": x,
            "w": torch.randn((3, 3), generator=torch.Generator().manual_seed(3)),
            "mask": mask,
            "bias": torch.zeros(3, 3).masked_fill(~mask, -torch.inf),
            "zero": torch.zeros(()),
            "ix": torch.tensor([2, 0, 1]),
            "once": Once.apply,
            "torch": torch,
            "F": F,
        }
        tape = record(f"y = {line}\nloss = y.softmax(1)[:, 0].sum()", namespace)
        assert tape.switched_off("y", "x", tape.state).int().tolist() == expected

    def test_what_comes_in_there_reaches_nothing(self, tape: Tape) -> None:
        tape = record("y = F.relu(x) * x[:1]\nloss = y.sum()", some_namespace())
        off = tape.switched_off("y", "x", tape.state)
        assert bool(off.any()) and not bool(off.all())
        assert not bool(tape.products("x", {"y": off.double()}, tape.state)["y"].any())


@st.composite
def forward_passes(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Two to eight random lines that end in a loss, and the leaves that they start from."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    shapes = {"A": (rows, columns), "B": (rows, 1), "R": (1, columns), "V": (columns,), "M": (columns, columns)}
    namespace: dict[str, Any] = {
        name: torch.randn(shape, generator=generator, dtype=dtype) for name, shape in shapes.items()
    } | {"ix": torch.randint(0, 9, (5,), generator=generator), "torch": torch, "F": F}
    values = dict(namespace)
    tensors = list(shapes)
    lines = []
    for number in range(draw(st.integers(1, 7))):
        x = draw(st.sampled_from(tensors))
        options = list(expressions(x, draw(st.sampled_from(tensors)), values))
        name, expression = f"v{number}", draw(st.sampled_from(options))
        value = eval(expression, values)
        if not bool((value.abs() < 100).all()):  # rounding should not decide
            expression = f"torch.tanh({x})"
            value = eval(expression, values)
        values[name] = value
        tensors.append(name)
        lines.append(f"{name} = {expression}")
    made = tensors[len(shapes) :]
    ends = [made[-1], *draw(st.lists(st.sampled_from(tensors), max_size=3, unique=True))]
    lines.append("loss = " + " + ".join(f"({name} ** 2).mean()" for name in ends))
    return "\n".join(lines), namespace


def expressions(x: str, y: str, values: Mapping[str, Tensor]) -> list[str]:
    """What can be computed from two tensors."""
    a, b = values[x], values[y]
    found = [
        f"-{x}",
        f"{x} ** 2",
        f"({x} ** 2 + 1) ** -1",
        f"{x}.tanh()",
        f"torch.exp({x})",
        f"F.relu({x})",
        f"{x}.reshape(-1)",
    ]
    if a.is_contiguous():
        found.append(f"{x}.view(1, -1)")
    for axis in range(a.dim()):
        found += [f"{x}.{reduce}({axis}, keepdim={keep})" for reduce in ("sum", "mean") for keep in (True, False)]
        found += [f"{x}.max({axis}, keepdim={keep}).values" for keep in (True, False)]
        found += [f"F.softmax({x}, {axis})", f"torch.cat([{x}, {x} * 2], {axis})"]
    if a.dim() > 0:
        found += [f"{x}[ix % len({x})]", f"{x}.transpose(0, -1)"]
    if a.dim() == b.dim() == 2 and a.shape[1] == b.shape[0]:
        found.append(f"{x} @ {y}")
    if a.shape == b.shape:
        found.append(f"torch.stack([{x}, {y}])")
    if all(m == n or 1 in (m, n) for m, n in zip(reversed(a.shape), reversed(b.shape), strict=False)):
        found += [f"{x} {operator} {y}" for operator in "+-*"] + [f"{x} / ({y} ** 2 + 1)"]
    return found


class TestAnyForwardPass:
    @settings(max_examples=60, deadline=None, derandomize=True, print_blob=True)
    @given(forward_passes())
    def test_the_products_add_up_to_the_gradients_and_these_are_those_of_torch(
        self, forward_pass: tuple[str, dict[str, Any]]
    ) -> None:
        lines, namespace = forward_pass
        tape = record(lines, namespace)
        true = by_torch(lines, namespace, tape.variables)
        seen = tape.gradients(tape.state)
        for name in tape.variables:
            assert_near(seen[name], true[name], name)
        for name in tape.variables[:-1]:
            contributions = tape.products(name, true, tape.state)
            assert tuple(contributions) == tape.consumers(name)
            assert_near(torch.stack(list(contributions.values())).sum(0), true[name], name)


class TestCopies:
    def test_nothing_has_a_graph_even_where_the_leaves_want_one(self) -> None:
        namespace = some_namespace()
        namespace["C"].requires_grad_()
        tape = record(LINES, namespace)
        for value in (*tape.state.values(), *tape.forward(tape.given).values()):
            if isinstance(value, Tensor):
                assert not value.requires_grad
                assert value.grad_fn is None
        assert namespace["C"].requires_grad

    def test_no_two_values_share_their_numbers(self) -> None:
        tape = record("flat = x.view(-1)\nsame = flat\nloss = (same * flat).sum()", some_namespace())
        tensors = [value for values in (tape.given, tape.state) for value in values.values() if isinstance(value, Tensor)]
        assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors) == 5

    def test_recording_leaves_the_namespace_as_it_is(self) -> None:
        namespace = some_namespace()
        before = dict(namespace)
        record(LINES, namespace, ["n", "ix"])
        assert namespace.keys() == before.keys()
        assert all(namespace[name] is value for name, value in before.items())

    @pytest.mark.parametrize("edit", ["C.zero_()", "ix[0] = 2", "n = 7", "picked[0] = 1"])
    def test_an_edit_of_what_the_lines_read_does_not_reach_the_tape(self, edit: str) -> None:
        namespace = {**some_namespace(), "picked": [0, 0, 2]}
        tape = record(LINES + "again = x[picked]\nloss2 = loss + again.sum()", namespace)
        before = tape.forward(tape.given)["loss2"]
        exec(edit, namespace)
        assert torch.equal(tape.forward(tape.given)["loss2"], before)
        assert torch.equal(tape.state["loss2"], before)

    @pytest.mark.parametrize("edit", ["emb.zero_()", "pre[0] = 5", "C.zero_()", "W *= 2", "ix[:] = 0", "n = 7"])
    def test_an_edit_of_what_the_magic_bound_does_not_reach_the_tape(self, edit: str) -> None:
        shell = notebook_with(some_namespace())
        run(shell, f"%%forward --batch n ix\n{LINES}")
        tape = of(shell).tape("loss")
        before = tape.resampled(range(5))["loss"]
        run(shell, edit)
        assert torch.equal(tape.resampled(range(5))["loss"], before)
        assert torch.equal(tape.state["loss"], before)


class TestResampled:
    def test_it_is_the_forward_pass_on_these_rows(self, tape: Tape) -> None:
        state = tape.resampled([4, 1, 1])
        namespace = some_namespace() | {"ix": torch.tensor([0, 3, 3]), "n": 3}
        exec(LINES, namespace)
        for name in ("emb", "pre", "top", "shifted", "squared", "loss"):
            assert torch.equal(state[name], namespace[name])

    def test_fewer_rows_give_smaller_values_and_the_same_leaves(self, tape: Tape) -> None:
        state = tape.resampled([0, 2])
        assert state["n"] == 2
        assert state["pre"].shape == (2, 3)
        assert state["top"].shape == (2, 1)
        assert torch.equal(state["W"], tape.state["W"])

    def test_all_rows_in_order_are_the_notebooks_own_state(self, tape: Tape) -> None:
        state = tape.resampled(range(5))
        assert all(torch.equal(state[name], tape.state[name]) for name in ("ix", *tape.variables))


SINGLE = (
    "only assignments of a single name can be recorded.\n"
    "Write every line as `name = expression`, with one new name, and change nothing in place."
)
TAKEN = "already stands for something else in this forward pass.\nGive every intermediate a name of its own."
FROM_THE_TOP = "Run the cells above, from the top, then this one again."
WHAT_TO_NAME = "Name the count and the tensors of the minibatch, with spaces between them."
LOSS = "the last line is the loss, a floating-point tensor of shape (), but this has"

REFUSED = {
    "not an assignment": ("a = x + 1\nprint(a)", f"line 2 of the forward pass, `print(a)`: {SINGLE}"),
    "augmented assignment": ("a = x + 1\na += 1", f"line 2 of the forward pass, `a += 1`: {SINGLE}"),
    "annotated assignment": ("a: int = 1", f"line 1 of the forward pass, `a: int = 1`: {SINGLE}"),
    "two targets": ("a, b = x, x", f"line 1 of the forward pass, `a, b = x, x`: {SINGLE}"),
    "chained targets": ("a = c = x + 1", f"line 1 of the forward pass, `a = c = x + 1`: {SINGLE}"),
    "an entry": ("x[0] = 1", f"line 1 of the forward pass, `x[0] = 1`: {SINGLE}"),
    "a loop": (
        "a = x\n\nfor i in range(2): pass",
        f"line 3 of the forward pass, `for i in range(2): pass`: {SINGLE}",
    ),
    "assigned twice": ("a = x + 1\na = x + 2", f"line 2 of the forward pass, `a = x + 2`: `a` {TAKEN}"),
    "assigned from itself": ("x = x + 1", f"line 1 of the forward pass, `x = x + 1`: `x` {TAKEN}"),
    "assigned after it was read": ("a = x + b\nb = a.sum()", f"line 2 of the forward pass, `b = a.sum()`: `b` {TAKEN}"),
    "walrus": (
        "loss = (a := x + 1).sum()",
        "line 1 of the forward pass, `loss = (a := x + 1).sum()`: `:=` binds a second name.\nGive that part a line of its own.",
    ),
    "empty": ("", "line 1 of the forward pass, ``: there is no line to record.\nWrite `name = expression` lines."),
    "only a comment": (
        "# later",
        "line 1 of the forward pass, `# later`: there is no line to record.\nWrite `name = expression` lines.",
    ),
    "undefined name": (
        "# embedding\na = x + missing",
        "line 2 of the forward pass, `a = x + missing`: it stopped with NameError: name 'missing' is not defined\n"
        + FROM_THE_TOP,
    ),
    "defined further down": (
        "a = x + later\nloss = a.sum()\nlater = 2",
        f"line 3 of the forward pass, `later = 2`: `later` {TAKEN}",
    ),
    "wrong shapes": (
        "a = torch.stack([])",
        "line 1 of the forward pass, `a = torch.stack([])`: it stopped with RuntimeError: "
        f"stack expects a non-empty TensorList\n{FROM_THE_TOP}",
    ),
    "in place on a leaf": (
        "a = x.add_(1)",
        "line 1 of the forward pass, `a = x.add_(1)`: it changes `x` in place.\nWrite the result to a new name instead.",
    ),
    "in place on a line": (
        "a = x + 1\nc = a.view(-1).mul_(2)",
        "line 2 of the forward pass, `c = a.view(-1).mul_(2)`: it changes `a` in place.\n"
        "Write the result to a new name instead.",
    ),
    "values and indices": (
        "a = x.max(1)",
        "line 1 of the forward pass, `a = x.max(1)`: it gives no tensor, but something of type `torch.return_types.max`.\n"
        "Pick one tensor, for example `.values` of a maximum.",
    ),
    "a list": (
        "a = x.tolist()",
        "line 1 of the forward pass, `a = x.tolist()`: it gives no tensor, but something of type `list`.\n"
        "Pick one tensor, for example `.values` of a maximum.",
    ),
    "a loss that is no scalar": (
        "a = x + 1",
        f"line 1 of the forward pass, `a = x + 1`: {LOSS} shape (4, 3).\nEnd with the loss.",
    ),
    "a loss of one entry": (
        "a = x.sum().view(1)",
        f"line 1 of the forward pass, `a = x.sum().view(1)`: {LOSS} shape (1,).\nEnd with the loss.",
    ),
    "a loss that is a number": ("a = n * 2", f"line 1 of the forward pass, `a = n * 2`: {LOSS} type int.\nEnd with the loss."),
    "random": (
        "noise = torch.rand(3)\nloss = (x * noise).sum()",
        "line 1 of the forward pass, `noise = torch.rand(3)`: it gives another result when it is evaluated again.\n"
        "Draw random numbers in a cell above, from a seeded generator.",
    ),
}


class TestRefused:
    @pytest.mark.parametrize(("lines", "message"), REFUSED.values(), ids=REFUSED)
    def test_the_message_names_the_line_and_the_remedy(self, lines: str, message: str) -> None:
        with pytest.raises(ForwardError) as raised:
            record(lines, some_namespace())
        assert str(raised.value) == message

    def test_a_loss_of_integers_is_none(self) -> None:
        with pytest.raises(ForwardError) as raised:
            record("loss = ix.sum()", some_namespace())
        assert (
            str(raised.value) == f"line 1 of the forward pass, `loss = ix.sum()`: {LOSS} dtype torch.int64.\nEnd with the loss."
        )

    def test_what_is_not_python_is_named_with_its_line(self) -> None:
        with pytest.raises(ForwardError) as raised:
            record("a = x + 1\nb = a +\n", some_namespace())
        assert raised.value.line == 2
        assert str(raised.value).startswith("line 2 of the forward pass, `b = a +`: this is not Python (")
        assert str(raised.value).endswith(").\nFix the line.")

    @pytest.mark.parametrize(
        ("batch", "problem"),
        [
            (["n", "rows"], f"the notebook has no `rows` that the forward pass starts from.\n{WHAT_TO_NAME}"),
            (["n", "torch"], f"the notebook has no `torch` that the forward pass starts from.\n{WHAT_TO_NAME}"),
            (["n", "emb"], f"the notebook has no `emb` that the forward pass starts from.\n{WHAT_TO_NAME}"),
            (["n"], "none of these is a tensor.\nName a tensor that has one row for each example."),
            (
                ["n", "ix", "x"],
                "these should all be the number of rows, but are {'n': 5, 'ix': 5, 'x': 4}.\n"
                "Set the count from the minibatch, for example `n = len(Xb)`.",
            ),
        ],
    )
    def test_a_batch_that_is_none_is_named(self, batch: list[str], problem: str) -> None:
        lines = "emb = C[ix]\nscale = torch.ones(4).double() @ x\nloss = (emb.sum() + scale.sum()) / n"
        with pytest.raises(ForwardError) as raised:
            record(lines, some_namespace(), batch)
        assert str(raised.value) == f"the first line of the cell, `%%forward --batch {' '.join(batch)}`: {problem}"

    def test_a_batch_that_is_not_all_of_it_is_named(self) -> None:
        namespace = {"x": torch.ones(4, 2), "y": torch.ones(4, 2)}
        with pytest.raises(ForwardError) as raised:
            record("loss = (x - y).sum()", namespace, ["x"])
        assert str(raised.value).startswith(
            "the first line of the cell, `%%forward --batch x`: the lines stop on fewer rows, with RuntimeError: "
        )
        assert str(raised.value).endswith("\nName the count and all tensors that have one row for each example.")

    def test_a_count_that_no_line_reads_can_be_named(self) -> None:
        tape = record("loss = x.mean()", {"x": torch.ones(4, 2), "n": 4}, ["n", "x"])
        assert tape.resampled([0, 2])["n"] == 2

    @pytest.mark.parametrize(("count", "kind"), [(torch.tensor(5), "Tensor"), ([0, 1, 2, 3, 4], "list"), (5.0, "float")])
    def test_a_batch_of_another_type_is_named(self, count: object, kind: str) -> None:
        lines = "emb = C[ix]\nrows = torch.as_tensor(count).sum()\nloss = emb.sum() / rows"
        with pytest.raises(ForwardError) as raised:
            record(lines, some_namespace() | {"count": count}, ["count", "ix"])
        assert str(raised.value) == (
            "the first line of the cell, `%%forward --batch count ix`: "
            f"`count` is a {kind}, neither a count nor a tensor with rows.\n"
            "Name a number, or a tensor that has one row for each example."
        )

    @pytest.mark.parametrize("lines", ["a = x + 1", "a = x + 1\nb +=", "a = x + 1\nb = a.max(1)", "a = x + 1\nb = missing"])
    def test_nothing_is_bound_when_a_line_fails(self, lines: str) -> None:
        shell = notebook_with({"x": torch.ones(2, 3)})
        with capture_output():
            result = shell.run_cell(f"%%forward\n{lines}")
        assert isinstance(result.error_in_exec, ForwardError)
        assert "a" not in shell.user_ns
        assert of(shell).tapes == {}


def notebook_with(namespace: Mapping[str, Any]) -> InteractiveShell:
    shell = fresh_shell()
    run(shell, "%load_ext autograder")
    shell.push(dict(namespace))
    return shell


def run(shell: InteractiveShell, source: str) -> None:
    with capture_output():
        shell.run_cell(source).raise_error()
