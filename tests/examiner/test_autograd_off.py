"""Autograd switched off: no public way of torch leads to a gradient, and everything else works as before."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import torch
import torch._dynamo  # what `torch.func` and optimisers load late: once for all forks
import torch.autograd.forward_ad as forward_ad
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.examiner import autograd_off

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that forks"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

ENTRANCES = autograd_off.entrances()
V = torch.tensor([1.0, 2.0, 3.0])


def f(x: Tensor) -> Tensor:
    return (x * x).sum()


def leaf() -> tuple[Tensor, Tensor]:
    x = V.clone().requires_grad_()
    return x, f(x)


def elsewhere(question: Callable[[], Any], off: bool = True, seconds: float = 60) -> Any:
    """What a function returns in a fork in which autograd is off, or the error that it raises."""
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        ours.close()
        try:
            try:
                if off:
                    autograd_off.switch_off(ENTRANCES)
                answer = question()
                told = answer.tolist() if isinstance(answer, Tensor) else answer
                text = json.dumps({"answer": told}, default=repr)
            except BaseException as error:
                text = json.dumps({"error": f"{type(error).__name__}: {error}"})
            theirs.sendall(text.encode())
        finally:
            os._exit(0)
    theirs.close()
    ours.settimeout(seconds)
    text = b""
    try:
        while part := ours.recv(65536):
            text += part
    finally:
        ours.close()
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return json.loads(text)


def grad_of(routine: Callable[[Tensor, Tensor], Any]) -> Callable[[], Any]:
    def run() -> Any:
        x, y = leaf()
        routine(x, y)
        return x.grad

    return run


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # type: ignore[override]
        return 2 * ctx.saved_tensors[0] * g


def dual() -> Any:
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(V, torch.ones(3)))).tangent


def hooked() -> Any:
    seen = []
    x = V.clone().requires_grad_()
    x.register_hook(seen.append)
    f(x).backward()
    return seen[0]


def trained() -> Any:
    layer = nn.Linear(3, 1)
    F.mse_loss(layer(V), torch.zeros(1)).backward()
    assert layer.weight.grad is not None
    return layer.weight.grad


SCRIPT = """
def gradient(x):
    y = (x * x).sum()
    return torch.autograd.grad([y], [x])[0]
"""


def scripted() -> Any:
    return torch.jit.CompilationUnit(SCRIPT).gradient(V.clone().requires_grad_())  # type: ignore[no-untyped-call]


def by_node() -> Any:
    y = leaf()[1]
    assert y.grad_fn is not None, "the tensor has no graph"
    return y.grad_fn(torch.ones(()))


def by_edge() -> Any:
    return torch.autograd.graph.get_gradient_edge(leaf()[1]).node(torch.ones(()))


ENGINE_OFF = "TypeError: unbound method str.upper() needs an argument"
"""Of the engine itself, where no function of Python stands before it that could say more."""
DERIVED = "AutogradOff: autograd is switched off while the notebook is graded: derive the gradient by hand"
SCRIPTED = (
    "ScriptOff: scripts from text or files are switched off while the notebook is graded, since they can differentiate: "
    "write a Python function"
)

ROUTES: dict[str, Callable[[], Any]] = {
    "Tensor.backward": grad_of(lambda x, y: y.backward()),
    "autograd.backward": grad_of(lambda x, y: torch.autograd.backward([y])),
    "autograd.grad": lambda: (lambda x, y: torch.autograd.grad(y, x)[0])(*leaf()),
    "create_graph": lambda: (lambda x, y: torch.autograd.grad(y, x, create_graph=True)[0])(*leaf()),
    "is_grads_batched": lambda: (lambda x, y: torch.autograd.grad(y.expand(1), x, torch.ones(1, 1), is_grads_batched=True)[0])(
        *leaf()
    ),
    "the engine": grad_of(
        lambda x, y: torch.autograd.Variable._execution_engine.run_backward(  # type: ignore[attr-defined]
            (y,), (torch.ones(()),), False, False, (), allow_unreachable=True, accumulate_grad=True
        )
    ),
    "a new engine": grad_of(
        lambda x, y: torch._C._ImperativeEngine().run_backward(
            (y,), (torch.ones(()),), False, False, (), allow_unreachable=True, accumulate_grad=True
        )
    ),
    "func.grad": lambda: torch.func.grad(f)(V),
    "func.grad_and_value": lambda: torch.func.grad_and_value(f)(V)[0],
    "func.vjp": lambda: torch.func.vjp(f, V)[1](torch.ones(()))[0],
    "func.jvp": lambda: torch.func.jvp(f, (V,), (torch.ones(3),))[1],
    "func.linearize": lambda: torch.func.linearize(f, V)[1](torch.ones(3)),
    "func.jacrev": lambda: torch.func.jacrev(f)(V),
    "func.jacfwd": lambda: torch.func.jacfwd(f)(V),
    "func.hessian": lambda: torch.func.hessian(f)(V),
    "vmap of grad": lambda: torch.vmap(torch.func.grad(f))(V.expand(2, 3)),
    "functional.jacobian": lambda: torch.autograd.functional.jacobian(f, V),
    "functional.jacobian forwards": lambda: torch.autograd.functional.jacobian(f, V, vectorize=True, strategy="forward-mode"),
    "functional.vjp": lambda: torch.autograd.functional.vjp(f, V)[1],
    "functional.jvp": lambda: torch.autograd.functional.jvp(f, V, torch.ones(3))[1],
    "functional.hessian": lambda: torch.autograd.functional.hessian(f, V),
    "functional.hvp": lambda: torch.autograd.functional.hvp(f, V, torch.ones(3))[1],
    "functional.vhp": lambda: torch.autograd.functional.vhp(f, V, torch.ones(3))[1],
    "gradcheck": lambda: torch.autograd.gradcheck(f, (V.double().requires_grad_(),)),
    "forward mode": dual,
    "a Function of one's own": grad_of(lambda x, y: Square.apply(x).sum().backward()),  # type: ignore[no-untyped-call]
    "a hook": hooked,
    "a layer": trained,
    "a script": scripted,
}
"""Each gives a gradient where autograd is on."""

GRAPHS: dict[str, Callable[[], Any]] = {"grad_fn": by_node, "get_gradient_edge": by_edge}
"""What leads to the nodes of a graph."""

quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@quiet
@pytest.mark.parametrize("route", ROUTES)
def test_each_way_to_a_gradient_says_that_autograd_is_off(route: str) -> None:
    assert "answer" in elsewhere(ROUTES[route], off=False), "this is no way to a gradient"
    error = elsewhere(ROUTES[route]).get("error", "")
    assert error == (SCRIPTED if route == "a script" else DERIVED)


@quiet
@pytest.mark.parametrize("route", GRAPHS)
def test_no_node_of_a_graph_is_in_reach(route: str) -> None:
    assert "answer" in elsewhere(GRAPHS[route], off=False)
    assert "answer" not in elsewhere(GRAPHS[route])


OPERATORS: dict[str, Callable[[Tensor, Tensor], tuple[Any, ...]]] = {
    "aten::grad": lambda x, y: ([y], [x]),
    "aten::backward": lambda x, y: (y,),
    "aten::_backward": lambda x, y: (y, [x]),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_no_operator_of_scripts_is_an_engine(name: str) -> None:
    def run() -> Any:
        return torch._C._jit_get_operation(name)[0](*OPERATORS[name](*leaf()))

    assert "answer" in elsewhere(run, off=False)
    assert elsewhere(run) == {"error": ENGINE_OFF}
    assert elsewhere(lambda: torch.ops.aten.add(V, V).tolist()) == {"answer": [2, 4, 6]}


def test_the_error_can_be_caught_like_those_of_torch() -> None:
    def catch() -> str:
        try:
            leaf()[1].backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            return type(error).__name__
        return ""

    assert elsewhere(catch) == {"answer": "AutogradOff"}


@quiet
def test_what_torch_would_compile_or_script_runs_as_it_is() -> None:
    def run() -> list[Any]:
        made = [torch.compile(f), torch.compile()(f), torch.compile(backend="inductor")(f), torch.jit.trace(f, (V,))]
        return [
            torch.jit.script(f) is f,
            torch.compile(nn.Tanh())(V).tolist() == V.tanh().tolist(),
            *(each is f for each in made),
        ]

    assert elsewhere(run) == {"answer": [True] * 6}


@quiet
def test_who_switches_scripts_on_again_makes_none() -> None:
    def run() -> Any:
        torch.jit._state.enable()  # type: ignore[no-untyped-call]
        return torch.jit.script(f)(V)

    assert elsewhere(run) == {"error": SCRIPTED}


def values() -> list[Any]:
    x = V.clone().requires_grad_()
    parts: list[Any] = [f(x), torch.softmax(x, 0), F.cross_entropy(V.view(1, 3), torch.tensor([1])), x @ x, x.tanh().mean()]
    parts += [F.one_hot(torch.tensor([1]), 3), torch.vmap(lambda row: row * 2)(V.view(1, 3)), V[[2, 0]], V.sort().values]
    torch.manual_seed(1)
    parts += [nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Tanh())(V.expand(4, 3)), torch.randn(2), torch.randperm(4)]
    parts += [torch.einsum("i,i->", V, V), torch.linalg.norm(V), F.conv1d(V.view(1, 1, 3), torch.ones(1, 1, 2))]
    parts += [torch.fft.fft(V).real]
    return [part.detach().tolist() for part in parts]


def test_values_are_the_same_as_before() -> None:
    there = elsewhere(values)
    assert there == {"answer": values()}


def test_gradients_found_by_hand_go_through_an_optimiser() -> None:
    def step() -> list[Any]:
        found = []
        for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
            parameter = nn.Parameter(V.clone())
            optimiser = kind([parameter], lr=0.1)
            parameter.grad = 2 * V
            optimiser.step()
            optimiser.zero_grad()
            found += [parameter.tolist(), parameter.grad is None]
        return found

    there = elsewhere(step)
    assert there == {"answer": step()}
    assert there["answer"][0] == pytest.approx([0.8, 1.6, 2.4])


def test_tensors_are_shown_and_copied_as_before() -> None:
    def show() -> list[Any]:
        import copy

        x = V.clone().requires_grad_()
        with torch.no_grad():
            x += 1
        return [repr(x), repr(V * 2), copy.deepcopy(x).tolist(), x.grad, x.requires_grad, (x * 2).requires_grad, x.is_leaf]

    assert elsewhere(show) == {"answer": show()}


def test_this_process_still_has_its_autograd() -> None:
    assert "error" in elsewhere(ROUTES["Tensor.backward"])
    assert ROUTES["Tensor.backward"]().tolist() == [2, 4, 6]
    assert torch.func.grad(f)(V).tolist() == [2, 4, 6]
    assert leaf()[1].grad_fn is not None


def test_switching_off_takes_less_than_the_start_of_a_room_may() -> None:
    def seconds() -> float:
        began = time.process_time()
        autograd_off.switch_off(ENTRANCES)
        return time.process_time() - began

    assert elsewhere(seconds, off=False)["answer"] < 0.05
