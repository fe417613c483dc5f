"""Objects in a line of a forward pass: layers of torch and a lecture's own, with weights, with moments, with neither."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from IPython.utils.capture import capture_output
from torch import Tensor, nn

from autograder.errors import ForwardError
from autograder.judge.session import of
from autograder.tape.tape import record
from tests.support.lesson import fresh_shell

LINES = "a = x @ W\nh = layer(a)\nloss = (h**3).sum() / n"


class BatchNorm1d:
    """A layer as in the lectures: it keeps what it gave, and binds its running moments anew."""

    def __init__(self, width: int) -> None:
        self.gamma, self.beta = torch.ones(width), torch.zeros(width)
        self.running_mean, self.running_var = torch.zeros(width), torch.ones(width)
        self.training = True

    def __call__(self, x: Tensor) -> Tensor:
        mean, var = (x.mean(0), x.var(0)) if self.training else (self.running_mean, self.running_var)
        self.out = self.gamma * (x - mean) / (var + 1e-5).sqrt() + self.beta
        if self.training:
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var
        return self.out

    def parameters(self) -> list[Tensor]:
        return [self.gamma, self.beta]


class Linear:
    def __init__(self) -> None:
        self.weight, self.bias = torch.randn((4, 3), generator=generator()), torch.zeros(3)
        self.out: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        self.out = x @ self.weight + self.bias
        return self.out


class Tanh:
    def __call__(self, x: Tensor) -> Tensor:
        self.out = torch.tanh(x)
        return self.out

    def parameters(self) -> list[Tensor]:
        return []


class Sequential:
    def __init__(self, *layers: Any) -> None:
        self.layers = list(layers)

    def __call__(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Filling:
    """Writes its moments in place."""

    def __init__(self) -> None:
        self.moments = {"mean": torch.zeros(4)}

    def __call__(self, x: Tensor) -> Tensor:
        self.moments["mean"].lerp_(x.mean(0), 0.1)
        return x - x.mean(0)


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * 2


class Keeping:
    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.kept.append(x)
        return x * 2


class Sharing:
    """Holds a tensor and something that cannot be copied."""

    def __init__(self) -> None:
        self.weight = torch.ones(4)
        self.numbers = (number for number in range(3))

    def __call__(self, x: Tensor) -> Tensor:
        return x * self.weight


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def names(layer: Any) -> dict[str, Any]:
    x, W = torch.randn((8, 5), generator=generator()), torch.randn((5, 4), generator=generator())
    return {"x": x, "W": W, "n": 8, "layer": layer, "torch": torch}


EVAL = "Write `layer.eval()` in a cell above, or write the lines of `layer` here, with names of their own."
MOVING: dict[str, tuple[Callable[[], Any], str, str]] = {
    "of torch": (
        lambda: nn.BatchNorm1d(4),
        "`layer.running_mean`, `layer.running_var`, `layer.num_batches_tracked`",
        EVAL,
    ),
    "of torch, inside of another": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh()),
        "`layer[1].running_mean`, `layer[1].running_var`, `layer[1].num_batches_tracked`",
        EVAL.replace("`layer", "`layer[1]"),
    ),
    "of a lecture": (
        lambda: BatchNorm1d(4),
        "`layer.running_mean`, `layer.running_var`",
        EVAL.replace(".eval()", ".training = False"),
    ),
    "of a lecture, inside of another": (
        lambda: Sequential(Linear(), BatchNorm1d(3), Tanh()),
        "`layer.layers[1].running_mean`, `layer.layers[1].running_var`",
        EVAL.replace(".eval()", ".training = False").replace("`layer", "`layer.layers[1]"),
    ),
    "its method": (
        lambda: nn.BatchNorm1d(4, track_running_stats=True).forward,
        "`layer.__self__.running_mean`, `layer.__self__.running_var`, `layer.__self__.num_batches_tracked`",
        EVAL.replace("`layer", "`layer.__self__"),
    ),
    "in place": (Filling, "`layer.moments['mean']`", "Instead write the lines of `layer` here, with names of their own."),
    "a count": (Counting, "`layer.calls`", "Instead write the lines of `layer` here, with names of their own."),
    "a list that grows": (Keeping, "`layer.kept[1]`", "Instead write the lines of `layer` here, with names of their own."),
}


def numbers(value: Any) -> str:
    """All that is in an object, as text."""
    inside = value.__self__ if hasattr(value, "__self__") else value
    if isinstance(inside, nn.Module):
        return str(inside.state_dict())
    return str({key: [*map(numbers, item)] if key == "layers" else item for key, item in vars(inside).items()})


@pytest.mark.parametrize(("make", "what", "remedy"), MOVING.values(), ids=MOVING)
def test_what_a_line_changes_each_time_is_refused_and_left_as_it_was(make: Callable[[], Any], what: str, remedy: str) -> None:
    layer = make()
    before = numbers(layer)
    with pytest.raises(ForwardError) as raised:
        record(LINES, names(layer), ["n", "x"])
    assert str(raised.value) == (
        f"line 2 of the forward pass, `h = layer(a)`: each time that it is evaluated it changes {what}. "
        f"What a line reads has to stay as it is.\n{remedy}"
    )
    assert numbers(layer) == before


class Drawing:
    """Draws from a generator of its own, and keeps nothing else."""

    def __init__(self) -> None:
        self.generator = generator()

    def __call__(self, x: Tensor) -> Tensor:
        return x * torch.rand(4, generator=self.generator)


@pytest.mark.parametrize("line", ["layer(a)", "a * torch.rand(4, generator=drawn)", "torch.nn.functional.dropout(a)"])
def test_what_draws_random_numbers_is_refused_whatever_it_draws_from(line: str) -> None:
    found = names(Drawing()) | {"drawn": generator()}
    with pytest.raises(ForwardError, match="it gives another result when it is evaluated again"):
        record(LINES.replace("layer(a)", line), found)


def in_eval_mode(layer: BatchNorm1d) -> BatchNorm1d:
    layer.training = False
    return layer


STAYING: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "of torch": (lambda: nn.Linear(4, 3), ("layer.weight", "layer.bias")),
    "of torch, without a bias": (lambda: nn.Linear(4, 3, bias=False), ("layer.weight",)),
    "of torch, without weights": (nn.Tanh, ()),
    "of torch, in eval mode": (lambda: nn.BatchNorm1d(4).eval(), ("layer.weight", "layer.bias")),
    "of torch, in eval mode, without weights": (lambda: nn.BatchNorm1d(4, affine=False).eval(), ()),
    "of torch, several": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh()), ("layer[0].weight", "layer[0].bias")),
    "of a lecture": (Linear, ("layer.weight", "layer.bias")),
    "of a lecture, without weights": (Tanh, ()),
    "of a lecture, in eval mode": (lambda: in_eval_mode(BatchNorm1d(4)), ("layer.gamma", "layer.beta")),
    "of a lecture, several": (lambda: Sequential(Linear(), Tanh()), ("layer.layers[0].weight", "layer.layers[0].bias")),
    "a function": (lambda: torch.tanh, ()),
    "a function of Python": (lambda: nn.functional.softplus, ()),
}


@pytest.mark.parametrize(("make", "weights"), STAYING.values(), ids=STAYING)
def test_a_layer_that_stays_is_recorded_and_its_weights_are_named(make: Callable[[], Any], weights: tuple[str, ...]) -> None:
    layer = make()
    layer = layer() if isinstance(layer, type) else layer
    before = numbers(layer) if hasattr(layer, "__dict__") else ""
    tape = record(LINES, names(layer), ["n", "x"])
    tape.gradients(tape.resampled([0, 1, 2, 3]))
    assert tape.weights == weights
    assert (numbers(layer) if hasattr(layer, "__dict__") else "") == before


def test_a_layer_that_was_called_before_has_no_weights_but_its_own() -> None:
    layer = Linear()
    layer(torch.ones(2, 4))
    assert record(LINES, names(layer)).weights == ("layer.weight", "layer.bias")


def test_a_tensor_in_a_list_is_named_too() -> None:
    assert record("a = x @ Ws[0]\nloss = a.sum()", names(None) | {"Ws": [torch.ones(5, 4)]}).weights == ("Ws[0]",)


def test_a_layer_with_a_graph_is_copied_without_it() -> None:
    layer = nn.Linear(4, 3)
    made = SimpleNamespace(scale=layer(torch.ones(1, 4)), times=2)
    tape = record("a = x @ W\nh = a[:, :3] * box.scale * box.times\nloss = h.sum()", names(None) | {"box": made})
    assert made.scale.grad_fn is not None
    assert not tape.given["box"].scale.requires_grad
    assert tape.weights == ("box.scale",)


def test_what_is_shared_stays_shared() -> None:
    layer = Linear()
    tape = record(
        "a = x @ W\nh = first(a)\nt = both[0](a)\nloss = (h * t).sum()",
        names(None) | {"first": layer, "both": [layer]},
    )
    assert tape.given["first"] is tape.given["both"][0] is not layer
    assert tape.given["first"].weight is not layer.weight


def test_a_change_of_a_layer_later_on_does_not_reach_the_tape() -> None:
    layer = nn.Linear(4, 3)
    tape = record(LINES, names(layer))
    with torch.no_grad():
        layer.weight.zero_()
    assert torch.equal(tape.forward(tape.given)["loss"], tape.state["loss"])


def test_an_object_that_cannot_be_copied_is_refused() -> None:
    with pytest.raises(ForwardError) as raised:
        record(LINES, names(Sharing()))
    assert str(raised.value) == (
        "line 2 of the forward pass, `h = layer(a)`: `layer` holds tensors and cannot be copied "
        "(TypeError: cannot pickle 'generator' object).\nGive the line the tensors themselves, by names of their own."
    )


NOTEBOOK = """\
import torch
from torch import nn

g = torch.Generator().manual_seed(1)
n = 8
x = torch.randn((n, 5), generator=g)
W = torch.randn((5, 4), generator=g)
bn, tanh, frozen = nn.BatchNorm1d(4), nn.Tanh(), nn.BatchNorm1d(4).eval()
big = nn.Sequential(*[nn.Linear(4, 4) for _ in range(4)])
one = nn.Linear(4, 4, bias=False)
"""


class TestInANotebook:
    def run(self, line: str) -> tuple[Any, list[str], Any]:
        """The error of a cell with this line, what it showed, and the notebook's shell."""
        shell = fresh_shell()
        for source in ("%load_ext autograder", NOTEBOOK):
            assert shell.run_cell(source).success
        with capture_output() as shown:
            result = shell.run_cell(f"%%forward --batch n x\na = x @ W\nh = {line}\nloss = (h**3).sum() / n")
        return result.error_in_exec, [each.data["text/plain"] for each in shown.outputs], shell

    def test_the_moments_of_the_notebook_do_not_move(self) -> None:
        error, shown, shell = self.run("bn(a)")
        assert isinstance(error, ForwardError)
        assert not shown
        assert int(shell.user_ns["bn"].num_batches_tracked) == 0
        assert not bool(shell.user_ns["bn"].running_mean.any())
        assert of(shell).tapes == {}

    @pytest.mark.parametrize("line", ["tanh(a)", "torch.tanh(a)", "nn.functional.softplus(a)"])
    def test_nothing_is_said_of_a_line_without_weights(self, line: str) -> None:
        error, shown, _ = self.run(line)
        assert (error, shown) == (None, [])

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("frozen(a)", "`frozen.weight` and `frozen.bias` have no gradient here, since an object holds them."),
            ("one(a)", "`one.weight` has no gradient here, since an object holds it."),
            (
                "big(a)",
                "`big[0].weight`, `big[0].bias`, `big[1].weight`, `big[1].bias`, `big[2].weight`, `big[2].bias` and 2 more "
                "have no gradient here, since an object holds them.",
            ),
        ],
    )
    def test_the_weights_are_named(self, line: str, said: str) -> None:
        error, (shown,), shell = self.run(line)
        assert error is None
        assert shown == (
            f"→ %%forward: recorded. {said}\n"
            "  next: To ask for one, bind the tensor to a name of its own in a cell above, and write the line with that name."
        )
        assert of(shell).tape("W") is not None
