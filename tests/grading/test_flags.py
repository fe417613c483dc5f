"""The scan of a submission's text: each row of its table, honest work that it must leave alone, and text of any kind."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.grading.flags import MAX_CELL, SENTENCES, TABLE, Flag, Kind, scan, summary
from scripts.submissions import RELEASE, SOURCE, copies_grad, model_answers, other_style
from tests.support.forms import FUSED_RIGHT, FUSED_WRONG, RIGHT, WRONG

COLLECTED = tomllib.loads((Path(__file__).resolve().parents[1] / "support" / "collected.toml").read_text(encoding="utf-8"))


def flags(*cells: str) -> list[Flag]:
    return scan([(f"cell-{index}", cell) for index, cell in enumerate(cells)])


def kinds(*cells: str) -> set[Kind]:
    return {flag.kind for flag in flags(*cells)}


NAMES = [(name, kind) for kind, _, names in TABLE for name in names.split()]
PATHS = [(name, kind) for name, kind in NAMES if name[0] not in ".%"]
ATTRIBUTES = [(name[1:], kind) for name, kind in NAMES if name[0] == "."]
MAGICS = [(name[1:], kind) for name, kind in NAMES if name[0] == "%"]


def spelled(name: str) -> str:
    """One of the names that a row means."""
    return name.replace("_grad*", "no_grad").replace("*backward*", "tanh_backward").replace("*", "x")


BEYOND = {Kind.NETWORK, Kind.PICKLE, Kind.INTROSPECTION}
"""What the module may be in which a name is."""


@pytest.mark.parametrize(("name", "kind"), PATHS, ids=[name for name, _ in PATHS])
def test_each_path_is_seen_and_what_is_only_called_like_it_is_not(name: str, kind: Kind | None) -> None:
    code = spelled(name)
    root, *others = code.split(".")
    expected = {kind} if kind else set()
    beyond = BEYOND if kind and len(others) > 1 else set()
    if root == "builtins":
        assert kinds(f"answer = {others[0]}") == expected == kinds(f"import builtins\nanswer = {code}")
    else:
        assert expected <= kinds(f"import {root}\nanswer = {code}") <= expected | beyond
        assert expected <= kinds(f"import {root} as r", f"answer = {'.'.join(['r', *others])}") <= expected | beyond
        if others:
            assert kinds(f"from {'.'.join([root, *others[:-1]])} import {others[-1]} as it") >= expected
    assert kinds(f"print({code!r})  # {code}") == set()
    assert kinds("_".join(others or [root]) + "_ = 1") == set()


@pytest.mark.parametrize(("name", "kind"), ATTRIBUTES, ids=[name for name, _ in ATTRIBUTES])
def test_each_attribute_is_seen_on_any_object(name: str, kind: Kind) -> None:
    name = spelled(name)
    assert kinds(f"answer = loss.{name}") == {kind}
    assert kinds(f"answer = f(x)[0].{name}()") == {kind}
    assert kinds(f"{name} = 1\nanswer = {name} + 1", f"print({name!r})  # loss.{name}()", f"d['{name}']") == set()


@pytest.mark.parametrize(("name", "kind"), MAGICS, ids=[name for name, _ in MAGICS])
def test_each_magic_is_seen(name: str, kind: Kind) -> None:
    name = spelled(name)
    for source in ["!ls x", "y = !ls x", "!!ls"] if name == "!" else [f"%{name} x", f"x = 1\n%{name} x", f"%%{name}\nx y"]:
        assert kinds(source) == {kind}, source
    assert kinds(f"print('''\n%{name} x''')") == set()


def test_what_ipython_runs_without_a_sign_is_seen() -> None:
    assert kinds("pip install torch") == kinds("x = 1\nconda install torch") == {Kind.NETWORK}


AUTOGRAD = [
    ["loss.backward()"],
    ["loss.backward(gradient=g)"],
    ["b = loss.backward", "b()"],
    ["torch.Tensor.backward(loss)"],
    ["[loss][0].backward()"],
    ["dh, = torch.autograd.grad(loss, [h])"],
    ["from torch import autograd as ag", "ag.grad(loss, h)"],
    ["import torch as t", "def f():\n    return t.autograd.grad(loss, h)"],
    ["from torch.autograd import grad as g", "def f():\n    return g(loss, h)", "f()"],
    ["import torch as t", "def f():\n    return t.func.grad(g)"],
    ["t = torch\nt.func.vjp(f, h)"],
    ["g = torch.autograd.grad\ng(loss, h)"],
    ["a().b.torch.autograd.grad(loss, h)"],
    ["import sys, torch.autograd.functional as AF\nAF.vhp(f, h, v)"],
    ["import torch.autograd.forward_ad as fw\nwith fw.dual_level():\n    fw.make_dual(h, v)"],
    ["class Square(torch.autograd.Function):\n    pass"],
    ["torch.autograd.Variable._execution_engine.run_backward(())"],
    ["torch._C._EngineBase().run_backward(())"],
    ["torch.ops.aten.tanh_backward(d, h)"],
    ["torch.ops.aten._log_softmax_backward_data.default(d, h, 1, d.dtype)"],
    ["nn.grad.conv2d_input(s, w, d)"],
    ["import jax"],
    ["from jax import numpy as jnp"],
    ["%time loss.backward()"],
    ["%timeit -n 1 -r 1 loss.backward()"],
    ["%%time\nloss.backward()"],
    ["%%capture out\n%time loss.backward()"],
    ["  loss.backward()"],
    ["x = '\\d'; loss.backward()"],
]


@pytest.mark.parametrize("cells", AUTOGRAD, ids=" ¦ ".join)
def test_autograd_is_seen_by_every_public_route(cells: list[str]) -> None:
    found = [flag for flag in flags(*cells) if flag.kind is Kind.AUTOGRAD]
    assert found
    assert all(flag.sentence == SENTENCES[Kind.AUTOGRAD] for flag in found)


OWN = [
    "dz = dh * torch.tanh(z + 1e-20j).imag / 1e-20",
    "step = torch.complex(z, eps)",
    "step = complex(0, 1e-20)",
    "z = z.to(torch.complex128)",
    "import sympy\nx = sympy.Symbol('x')",
    "class Dual:\n    def __init__(self, a, b): ...\n    def __add__(self, other): ...\n    def __mul__(self, other): ...",
    "class Value:\n    def __mul__(self, other): ...\n    __rmul__ = __mul__\n    def backward(self): ...",
]


@pytest.mark.parametrize("code", OWN)
def test_differentiation_of_one_s_own_is_seen(code: str) -> None:
    assert kinds(code) == {Kind.OWN}


def test_a_class_that_does_not_calculate_is_a_class() -> None:
    assert (
        flags("class Linear:\n    def __init__(self): ...\n    def __call__(self, x): ...\n    def __repr__(self): ...") == []
    )
    assert flags("class Vocabulary:\n    def __len__(self): ...\n    def __add__(self, other): ...\nx = 2.0 * h") == []


def test_what_only_prepares_for_autograd_or_turns_it_off_is_no_flag() -> None:
    harmless = "W.requires_grad_()\nW.requires_grad = True\nx = torch.tensor(1.0, requires_grad=True)\nh.retain_grad()\n"
    harmless += "torch.set_grad_enabled(True)\nwith torch.enable_grad(): pass\nW.requires_grad_(False)\n"
    harmless += "print(W.requires_grad)\nwith torch.no_grad(): pass\nfor p in ps: p.grad = None"
    assert flags(harmless) == []
    assert kinds("W.requires_grad_().sum().backward()") == {Kind.AUTOGRAD}
    assert kinds("f = torch.compile(f)") == {Kind.NATIVE}


@pytest.mark.parametrize(
    "code",
    [
        "class At:\n    __array_interface__ = {}",
        "class At:\n    def __init__(self, place):\n        self.__array_interface__ = place",
        "class At:\n    @property\n    def __array_interface__(self): ...",
        "s = torch._C._construct_storage_from_data_pointer(1, 'cpu', 8)",
        "m = open_it('/proc/self/mem', 'rb')",
        "import _imp",
    ],
)
def test_memory_past_python_is_seen(code: str) -> None:
    assert kinds(code) == {Kind.NATIVE}


def test_a_function_or_a_class_of_their_own_is_not_autograd() -> None:
    assert flags("def backward(Xb, Yb):\n    return Xb", "dC, dW1 = backward(Xb, Yb)", "b = backward\nb(Xb, Yb)") == []
    layer = "class Linear:\n    def backward(self, d):\n        self.grad = d\n        return self.grad"
    assert flags(layer, "layer = Linear()\nlayer.backward(d)", "Linear().backward(d)", "Linear.backward(layer, d)") == []
    assert flags("def back(d):\n    for layer in layers:\n        d = layer.backward(d)\n    return d", layer) == []
    assert kinds(layer, "torch.Tensor.backward(loss)", "loss.grad_fn") == {Kind.AUTOGRAD}
    assert kinds("class A:\n    def f(self):\n        self.backward()") == {Kind.AUTOGRAD}


def test_a_name_for_a_stored_gradient_is_not_flagged_again() -> None:
    assert [flag.code for flag in flags("dh = h.grad", "dhpreact = dh * (1 - h**2)")] == ["h.grad"]


def test_a_name_in_a_function_is_the_function_s_own() -> None:
    assert flags("from random import random as open", "def f(eval, compile):\n    return eval(compile, open())") == []
    assert kinds("def f(os, t):\n    return os.fork(), t.func.jvp_", "import os, torch as t") == set()


REPLACED = [
    "torch.allclose = lambda *a, **k: True",
    "torch.Tensor.__eq__ = f",
    "del torch.allclose",
    "F.softmax = f",
    "import builtins as b\nb.abs = f",
    "import builtins\nbuiltins.print = f",
    "get_ipython().ast_transformers = []",
    "def check(*a): ...",
    "class grade: ...",
    "check = lambda name: None",
    "check = print",
    "import json as grade",
    "torch = np",
    "import autograder\nautograder.grade = f",
    "x.__class__ = Fake",
    "object.__setattr__(torch, 'equal', f)",
    "from unittest import mock\nmock.patch('torch.equal')",
]


@pytest.mark.parametrize("code", REPLACED)
def test_what_tests_use_is_guarded(code: str) -> None:
    assert Kind.REPLACED in kinds(code)


def test_honest_names_are_not_replacements() -> None:
    honest = "check = torch.allclose(a, b)\nmax = logits.max(1)\ngrade = 3\nhint = 'x'\nsum = a + b\n"
    honest += "torch.backends.cudnn.benchmark = False\n"
    honest += "import torch\nfrom autograder import check, grade, hint\nclass A:\n    check = print\n    def grade(self): ...\n"
    honest += "def f(check, torch):\n    check = print\nfor hint in hints: ...\nsetattr(a, 'x', 1)\nx.y = 1\n"
    honest += "from torch import nn\nd['a'] = 1"
    assert flags(honest) == []


def test_other_ways_of_each_kind() -> None:
    assert kinds("eval(code)") == kinds("exec(open)") - {Kind.FILES} == {Kind.DYNAMIC}
    assert kinds("__import__('torch').func.linearize(f, h)", "get_ipython().run_cell('x')") == {Kind.DYNAMIC}
    assert kinds("ip = get_ipython()", "ip.ast_transformers.append(f)") == {Kind.INTROSPECTION}
    assert kinds("get_ipython().system('ls')") == {Kind.PROCESSES}
    assert kinds("import importlib\nimportlib.reload(x)") == set()
    assert kinds("get_ipython().run_line_magic('matplotlib', 'inline')", "%matplotlib inline\n%load_ext autograder") == set()
    assert (
        kinds("import os\nos.path.join('a')\nimport sys\nsys.version\nimport gc\ngc.collect()\nimport time, random, math")
        == set()
    )
    assert kinds("from autograder.tape.tape import private") == {Kind.INTROSPECTION}
    assert (
        kinds("loss.backward(") == kinds("it's not Python: loss.backward()") == kinds("x = 1\x00") == kinds("\ud800") == set()
    )


def test_a_flag_says_where() -> None:
    cells = [("a", "\n\nx = 1\n"), ("b", "# dh\r\n\r\nloss.backward( retain_graph =  True )"), ("b", "\n\n%time f()\nx.grad")]
    cells += [
        ("c", "%%time\n\nif 1:\n    y.grad\n"),
        ("d", "x = 'é'; (f(\nb.grad))"),
        ("e", "!cat\t\x1b[31m‮x" + "y" * 99),
    ]
    assert [(f.cell, f.line, f.code) for f in scan(cells)] == [
        ("b", 3, "loss.backward( retain_graph = True )"),
        ("b", 4, "x.grad"),
        ("c", 4, "y.grad"),
        ("d", 2, "b.grad))"),
        ("e", 1, "!cat [31m x" + "y" * 48 + "…"),
    ]
    assert all(len(flag.code) <= 60 for flag in scan(cells))


def test_the_summary_has_a_line_for_each_kind() -> None:
    found = scan([("dlogits", "x\nloss.backward()\nd = x.grad\ne = y.grad"), ("dh", "a.backward()\nb.backward()\nopen('f')")])
    assert summary(found) == [
        "autograd: dlogits line 2 `loss.backward()`, and 2 more places",
        "stored gradient: dlogits line 3 `x.grad`, and 1 more place",
        "files: dh line 3 `open('f')`",
    ]
    assert summary([]) == []
    assert len(set(SENTENCES.values())) == len(SENTENCES)
    assert set(SENTENCES) == set(Kind)


def honest() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Submissions without anything to see: every form by itself, and whole notebooks."""
    for name, forms in RIGHT.items():
        yield from ((name, [(name, form)]) for form in forms)
    for name, mistakes in WRONG.items():
        yield from ((name, [(name, form)]) for _, form in mistakes)
    for right in FUSED_RIGHT.values():
        yield from ((name, [(name, form)]) for name, form in right)
    for wrong in FUSED_WRONG.values():
        yield from ((name, [(name, form)]) for name, _, form in wrong)
    for form in COLLECTED["right"] + COLLECTED["wrong"]:
        yield form["name"], [(form["name"], form["source"])]
    for answers in (model_answers(), other_style()):
        yield from ((notebook, list(cells.items())) for notebook, cells in answers.items())
    for path in [*RELEASE.glob("*.ipynb"), *SOURCE.glob("*.ipynb")]:
        cells = nbformat.read(path, as_version=4).cells
        yield path.name, [(cell.id, cell.source) for cell in cells if cell.cell_type == "code"]


def test_honest_work_has_no_flags() -> None:
    everything = list(honest())
    assert len(everything) > 500
    assert [(name, flag) for name, cells in everything for flag in scan(cells)] == []


def test_one_who_copies_gradients_is_seen_in_every_cell() -> None:
    answers = copies_grad()["1-every-gradient"]
    found = scan(answers.items())
    assert {flag.cell for flag in found if flag.kind is Kind.STORED_GRADIENT} == set(RIGHT)
    assert [flag.code for flag in found if flag.kind is Kind.AUTOGRAD] == [
        '(-copied["logprobs"][range(n), Yb].mean()).backward()'
    ]
    assert Kind.DYNAMIC in {flag.kind for flag in found}


PIECES = [
    *"()[]{}:.,=+-*%!?@#'\"\\\n \t;",
    "def f(x",
    "class ",
    "lambda ",
    "import ",
    "from ",
    "get_ipython()",
    ".grad",
    "exec(",
    "'''",
    "f'{",
]
PIECES += [
    "getattr(",
    "%%bash\n",
    "%time ",
    "!",
    "globals()['",
    "torch",
    "é\u202e",
    "\x00",
    "\ud800",
    "\r",
    "\x0c",
    "if 1:\n  ",
    "await ",
    "*a, ",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text(max_size=200)), max_size=3))
def test_no_text_makes_it_raise(cells: list[str]) -> None:
    assert all(flag.line >= 1 and len(flag.code) <= 60 for flag in flags(*cells))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*chain(*AUTOGRAD), *REPLACED]), st.integers(0, 60), st.integers(0, 20), st.sampled_from(["", *PIECES]))
def test_no_broken_code_makes_it_raise(code: str, start: int, length: int, piece: str) -> None:
    assert isinstance(flags(code[:start] + piece + code[start + length :]), list)


DEEP = {
    "parentheses": "(" * 90_000,
    "minus": "-" * 90_000 + "1",
    "attributes": "a" + ".b" * 45_000,
    "sum": "a" + "+a" * 45_000,
    "calls": "f" + "()" * 45_000,
    "not": "not " * 20_000 + "a",
    "lambdas": "lambda:" * 10_000 + "0",
    "elif": "if a:\n pass\n" + "elif a:\n pass\n" * 6_000,
}


@pytest.mark.parametrize("code", DEEP.values(), ids=DEEP)
def test_what_is_nested_too_deeply_is_said_once(code: str) -> None:
    start = time.perf_counter()
    found = flags("loss.backward()", code, "x.grad")
    assert time.perf_counter() - start < 10
    assert [flag.kind for flag in found if flag.kind is not Kind.UNREADABLE] == [Kind.AUTOGRAD, Kind.STORED_GRADIENT]
    assert len(found) == (2 if code.startswith("((") else 3)  # Python refuses so many parentheses before anybody


def test_a_cell_that_is_given_up_leaves_nothing_to_the_next() -> None:
    found = flags("import os", "def f(os):\n    return a" + "+a" * 800, "\nos.fork()")
    assert [(flag.kind, flag.line) for flag in found] == [(Kind.UNREADABLE, 1), (Kind.PROCESSES, 2)]


LONG = {
    "one line": "x = 1; " * 14_000,
    "lines": "x.grad\n" * 14_000,
    "names": "\n".join(f"a{i} = torch.b{i}.grad" for i in range(4_000)),
    "aliases": "\n".join(f"t = t.{name}" for name in ("func", "autograd", "os", "x") * 2_500) + "\nt = torch; t = os; t = sys",
    "magics": "!ls\n" * 20_000,
    "few magics": "!ls\n" * 220,
    "magics in a bash cell": "%%bash\n" + "!ls\n" * 20_000,
    "an open text": "x = '''" + "\n" * 90_000,
    "no Python": "ab ( [ ' \n" * 9_000,
    "indented": " x\n" * 30_000,
    "blanks": "(" + "\n" + " " * 90_000 + "(",
    "options": "%time " + "-n 1 " * 18_000 + "(",
    "a def after blanks": " " * 90_000 + "\n" + "\t" * 9_000 + "self.x" * 9,
}


@pytest.mark.parametrize("code", LONG.values(), ids=LONG)
def test_a_long_cell_takes_a_bounded_time(code: str) -> None:
    start = time.perf_counter()
    flags(code)
    assert time.perf_counter() - start < 10  # measured: 2 s at most


def test_what_is_too_long_is_said_and_the_rest_is_read() -> None:
    start = time.perf_counter()
    found = flags("x = 1\n" * 170_000, "x = 1\n" * 17_000, "loss.backward()")
    assert time.perf_counter() - start < 1
    assert [flag.kind for flag in found] == [Kind.UNREADABLE, Kind.UNREADABLE, Kind.AUTOGRAD]
    most = flags("x.grad", *["#" * (MAX_CELL - 9)] * 3, "y.grad")
    assert [(flag.cell, flag.kind) for flag in most] == [
        ("cell-0", Kind.STORED_GRADIENT),
        ("cell-3", Kind.UNREADABLE),
        ("cell-4", Kind.STORED_GRADIENT),
    ]
