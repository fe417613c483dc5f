from __future__ import annotations

import os
import random
import subprocess
import sys
import warnings
from io import StringIO
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.replay.parsed import parse_cell
from autograder.replay.run import MISSING, AutogradOff, Replay, locals_of, run_cell, run_function, under_way, undisturbed
from autograder.replay.stop import Seen, Stop
from autograder.tape.cases import Case
from autograder.tape.tape import record

LINES = "a = x * 2\nb = a.exp()\nc = a + b\nloss = c.sum()"

SETUP = """\
import collections, functools, random, sys, warnings
import numpy as np
import torch
da, db, dc = torch.zeros(3), torch.zeros(3), torch.zeros(3)
total = torch.ones(3)
numbers, nested, table, seen = [1, 2], [[1], [2]], {"key": [1]}, {1}
pair = (torch.ones(2), [1])
array = np.ones(3)
g = torch.Generator().manual_seed(7)
counter = 0
same = total

def helper(): return db * 2
def outer(): return helper() + 1
def count():
    global counter
    counter += 1
    return counter
def collect(): numbers.append(3)
"""


@pytest.fixture
def namespace() -> dict[str, Any]:
    """A notebook in which forward variables and gradients have other values than in the case."""
    names: dict[str, Any] = {"x": torch.ones(3), "a": torch.ones(3), "b": torch.ones(3), "c": torch.ones(3)}
    exec(SETUP, names)
    return names


@pytest.fixture
def case() -> Case:
    tape = record(LINES, {"x": torch.tensor([1.0, 2.0, 3.0])})
    return Case(tape.state, {"b": torch.tensor([5.0, 6.0, 7.0]), "c": torch.tensor([-1.0, -2.0, -3.0])})


def replayed(source: str, name: str, case: Case, namespace: dict[str, Any]) -> Replay:
    return run_cell(parse_cell(source), name, case, namespace)


def answered(source: str, name: str, case: Case, namespace: dict[str, Any]) -> list[float]:
    replay = replayed(source, name, case, namespace)
    assert replay.error is None
    assert isinstance(replay.answer, Tensor)
    return replay.answer.tolist()


class TestAnswers:
    @pytest.mark.parametrize(
        ("source", "answer"),
        [
            ("da = dc + 0", [-1, -2, -3]),
            ("da = db + dc", [4, 4, 4]),
            ("da = x * 1", [1, 2, 3]),
            ("da = torch.zeros(3)\nda += a", [2, 4, 6]),
            ("scale = 3\nda = scale * x", [3, 6, 9]),
            ("da = total + 1", [2, 2, 2]),
            ("for i in range(2):\n    da = dc * i", [-1, -2, -3]),
            ("%time da = dc", [-1, -2, -3]),
        ],
    )
    def test_it_is_worked_out_from_the_values_of_the_case(
        self, case: Case, namespace: dict[str, Any], source: str, answer: list[float]
    ) -> None:
        assert answered(source, "da", case, namespace) == answer

    def test_the_students_functions_see_the_values_of_the_case(self, case: Case, namespace: dict[str, Any]) -> None:
        assert answered("da = helper()", "da", case, namespace) == [10, 12, 14]

    def test_so_do_functions_that_these_call(self, case: Case, namespace: dict[str, Any]) -> None:
        assert answered("da = outer()", "da", case, namespace) == [11, 13, 15]

    @pytest.mark.parametrize(
        "definition",
        [
            "@torch.no_grad()\ndef decorated(): return db * 2",
            "decorated = functools.partial(helper)",
            "def make():\n    def inner(): return db * 2\n    return inner\ndecorated = make()",
        ],
    )
    def test_so_do_functions_in_the_wrapping_of_another(self, case: Case, namespace: dict[str, Any], definition: str) -> None:
        exec(definition, namespace)
        assert answered("da = decorated()", "da", case, namespace) == [10, 12, 14]

    def test_a_function_of_the_cells_own_sees_the_values_of_the_case(self, case: Case, namespace: dict[str, Any]) -> None:
        assert answered("def double(): return dc * 2\nda = double()", "da", case, namespace) == [-2, -4, -6]

    def test_what_a_function_binds_globally_is_seen_by_the_cell(self, case: Case, namespace: dict[str, Any]) -> None:
        exec("def answer():\n    global da\n    da = dc * 2", namespace)
        assert answered("answer()", "da", case, namespace) == [-2, -4, -6]

    def test_the_answer_is_not_there_before_the_cell_binds_it(self, case: Case, namespace: dict[str, Any]) -> None:
        replay = replayed("da += 1", "da", case, namespace)
        assert replay.answer is MISSING
        assert isinstance(replay.error, NameError)
        assert replay.error.name == "da"

    def test_a_cell_that_binds_no_answer_has_none(self, case: Case, namespace: dict[str, Any]) -> None:
        assert replayed("y = 1", "da", case, namespace) == Replay(MISSING)

    def test_names_that_are_one_object_stay_one(self, case: Case, namespace: dict[str, Any]) -> None:
        assert answered("same.mul_(5)\nda = total", "da", case, namespace) == [5, 5, 5]


class TestIncoming:
    @pytest.mark.parametrize(
        ("source", "answer"),
        [
            ("dc = torch.zeros(3)\nda = dc * 1", [-1, -2, -3]),
            ("dc = torch.zeros(3)\ndc += 8\nda = dc * 1", [-1, -2, -3]),
            ("dc = torch.zeros(3)\ndc[0] = 8\nda = dc * 1", [-1, -2, -3]),
            ("dc = torch.zeros(3); db = dc * 9; da = db + dc", [4, 4, 4]),
            ("dc, db = torch.zeros(3), torch.zeros(3)\nda = db + dc", [4, 4, 4]),
            ("if True:\n    dc = torch.zeros(3)\nda = dc * 1", [-1, -2, -3]),
            ("da = dc * 1\ndc = torch.zeros(3)", [-1, -2, -3]),
        ],
    )
    def test_where_the_cell_works_it_out_too_it_is_put_back(
        self, case: Case, namespace: dict[str, Any], source: str, answer: list[float]
    ) -> None:
        assert answered(source, "da", case, namespace) == answer

    @pytest.mark.parametrize("source", ["dc *= 2\nda = dc", "dc = dc * 2\nda = dc", "dc.mul_(2)\nda = dc", "da = dc\nda *= 2"])
    def test_where_the_cell_goes_on_from_it_the_change_stays(self, case: Case, namespace: dict[str, Any], source: str) -> None:
        assert answered(source, "da", case, namespace) == [-2, -4, -6]

    def test_the_case_is_never_changed(self, case: Case, namespace: dict[str, Any]) -> None:
        replayed("dc.zero_()\na.zero_()\ndb = torch.zeros(3)\ndb.add_(1)\nda = db.zero_()", "da", case, namespace)
        assert case.incoming["b"].tolist() == [5, 6, 7]
        assert case.incoming["c"].tolist() == [-1, -2, -3]
        assert case.state["a"].tolist() == [2, 4, 6]


class TestChanges:
    @pytest.mark.parametrize(
        ("source", "changed"),
        [
            ("da = dc\nda += db", ("dc",)),
            ("da = dc.clone()\nda += db", ()),
            ("a.zero_()\nda = dc * 1", ("a",)),
            ("x[0] = 9\ndc *= 2\nda = dc", ("x", "dc")),
            ("a = a * 2\nda = a", ()),
            ("y = b.view(-1)\ny += 1\nda = y", ("b",)),
        ],
    )
    def test_given_values_that_the_cell_changes_in_place_are_named(
        self, case: Case, namespace: dict[str, Any], source: str, changed: tuple[str, ...]
    ) -> None:
        assert replayed(source, "da", case, namespace).changed == changed


class TestErrors:
    @pytest.mark.parametrize(
        ("source", "kind"),
        [
            ("da = dc / torch.zeros(2)", RuntimeError),
            ("da = missing", NameError),
            ("raise NotImplementedError()", NotImplementedError),
            ("import sys\nsys.exit()", SystemExit),
            ("raise GeneratorExit", GeneratorExit),
            ("raise BaseException", BaseException),
            ("exit = 1 / 0", ZeroDivisionError),
        ],
    )
    def test_they_are_part_of_what_came_out(
        self, case: Case, namespace: dict[str, Any], source: str, kind: type[BaseException]
    ) -> None:
        replay = replayed(source, "da", case, namespace)
        assert type(replay.error) is kind
        assert replay.answer is MISSING

    def test_the_users_interrupt_passes_through(self, case: Case, namespace: dict[str, Any]) -> None:
        with pytest.raises(KeyboardInterrupt):
            replayed("raise KeyboardInterrupt", "da", case, namespace)
        assert not under_way()

    @pytest.mark.parametrize(
        ("source", "unfinished"),
        [
            ("da = dc * 1\nda += missing", True),
            ("da = dc * 1\nda[0] = missing", True),
            ("da = missing", True),
            ("da = dc * 1\nprint(missing)", False),
            ("da = dc * 1\nraise NotImplementedError()", False),
            ("da = dc * 1\ndx = missing\nda += dx", True),
            ("da = torch.zeros_like(dc)\ndx = missing\nfor i in range(3):\n    da[i] = dx[i]", True),
            ("da = dc * 1\nraise NotImplementedError()\nda += 1", True),
            ("da = dc * 1\nrows = da.view(-1)\nrows[0] = missing", True),
            ("da = dc * 1\nrows = da.clone()\nrows[0] = missing", False),
            ("da = dc * 1\ndx = missing\ndb = dx", False),
            ("da = dc * 1", False),
        ],
    )
    def test_an_answer_is_unfinished_if_a_statement_is_left_that_works_on_it(
        self, case: Case, namespace: dict[str, Any], source: str, unfinished: bool
    ) -> None:
        assert replayed(source, "da", case, namespace).unfinished is unfinished

    @pytest.mark.parametrize(
        ("source", "line", "code", "part"),
        [
            ("da = dc * 1\nda += missing", 2, "da += missing", "missing"),
            ("for i in range(3):\n    da = (dc @ dc.T) + dc[i, i]", 2, "da = (dc @ dc.T) + dc[i, i]", "dc[i, i]"),
            ("%%time\nx = 1\nda = missing", 3, "da = missing", "missing"),
            ("x = 1\n%time da = missing", 2, "%time da = missing", "missing"),
            ("def f(x):\n    return x / 0 + missing\nda = f(2)", 2, "return x / 0 + missing", "x / 0"),
        ],
    )
    def test_it_is_noted_where_the_error_came_up(
        self, case: Case, namespace: dict[str, Any], source: str, line: int, code: str, part: str
    ) -> None:
        stop = replayed(source, "da", case, namespace).stop
        assert stop is not None
        assert (stop.line, stop.code, stop.part) == (line, code, part)

    def test_what_stood_there_is_noted(self, case: Case, namespace: dict[str, Any]) -> None:
        stop = replayed("i = 7\nda = dc.view(1, 3) @ dc.view(1, 3)[i:]", "da", case, namespace).stop
        assert stop is not None
        assert stop.seen["dc.view(1, 3)"] == Seen("Tensor", (1, 3), "float32")
        assert stop.seen["dc.view(1, 3)[i:]"] == Seen("Tensor", (0, 3), "float32")
        assert stop.seen["i"] == Seen("int", number=7)
        assert Stop.of(stop.as_data()) == stop

    def test_to_look_at_what_stood_there_changes_nothing(self, case: Case, namespace: dict[str, Any]) -> None:
        namespace["calls"] = []
        namespace["count"] = lambda: namespace["calls"].append(1) or 2
        replayed("da = dc.view(1, 3) @ (dc.view(1, 3) * count())", "da", case, namespace)
        assert namespace["calls"] == [1]

    def test_a_stop_that_a_room_made_up_is_cut(self) -> None:
        seen = {f"{place}": ("x" * 999, (10**5000, "a", 3), "y" * 999, 10**5000) for place in range(999)}
        stop = Stop.of({"line": 10**5000, "code": "c" * 999, "part": "p" * 9999, "seen": {**seen, 7: ("int", None, "", 1)}})
        assert stop is not None
        assert (stop.line, len(stop.code), len(stop.part), len(stop.seen)) == (0, 48, 2000, 40)
        assert stop.seen["0"] == Seen("x" * 100, (0, 0, 3), "y" * 100, None)

    @pytest.mark.parametrize("data", [None, {}, {"line": "1"}, {"line": 1, "code": "", "part": "", "seen": []}, [1]])
    def test_what_is_no_stop_is_none(self, data: object) -> None:
        assert Stop.of(data) is None

    def test_what_was_answered_before_the_error_is_kept(self, case: Case, namespace: dict[str, Any]) -> None:
        replay = replayed("da = dc * 1\nraise NotImplementedError()", "da", case, namespace)
        assert replay.answer.tolist() == [-1, -2, -3]
        assert isinstance(replay.error, NotImplementedError)

    def test_a_list_of_an_unusual_class_is_no_error(self, case: Case, namespace: dict[str, Any]) -> None:
        exec("class Pair(list):\n    def __init__(self, a, b): super().__init__([a, b])\npair = Pair(1, 2)", namespace)
        assert answered("da = dc * pair[1]", "da", case, namespace) == [-2, -4, -6]


def contents(value: Any) -> Any:
    """The value as plain data that does not change with it."""
    match value:
        case Tensor():
            return value.tolist(), value.requires_grad
        case np.ndarray():
            return value.tolist()
        case torch.Generator():
            return value.get_state().tolist()
        case random.Random():
            return value.getstate()
        case np.random.Generator():
            return str(value.bit_generator.state)
        case dict():
            return [(key, contents(item)) for key, item in value.items()]
        case list() | tuple() | set():
            return [contents(item) for item in value]
    return repr(value)


class TestNotebook:
    @pytest.mark.parametrize(
        "source",
        [
            "x.zero_()",
            "a[0] = 7",
            "b += 1",
            "c = 3",
            "del a",
            "da = torch.ones(3)",
            "dc.add_(1)",
            "db[:] = 4",
            "total *= 2",
            "total.requires_grad_()",
            "total.data[0] = 9",
            "same.zero_()",
            "y = total.view(-1)\ny += 1",
            "numbers.append(3)",
            "nested[0].append(3)",
            "table['key'].append(2)",
            "table['other'] = 1",
            "seen.add(2)",
            "pair[0].zero_()",
            "pair[1].append(2)",
            "array[0] = 5",
            "array += 1",
            "torch.rand(3, generator=g)",
            "g.manual_seed(1)",
            "counter = 5",
            "count()",
            "collect()",
            "def helper(): return 1",
            "new = 1",
            "global counter\ncounter = 3",
            "import math as total",
            "total.zero_()\nraise ValueError",
        ],
    )
    def test_it_never_changes(self, case: Case, namespace: dict[str, Any], source: str) -> None:
        before, ids = contents(namespace), {name: id(value) for name, value in namespace.items()}
        replayed(source, "da", case, namespace)
        assert {name: id(value) for name, value in namespace.items()} == ids
        assert contents(namespace) == before

    @pytest.mark.parametrize(
        ("setup", "source"),
        [
            ("kept = collections.defaultdict(list)", "kept['key'].append(1)"),
            ("kept = collections.OrderedDict()", "kept['key'] = 1"),
            ("kept = collections.Counter()", "kept['key'] += 1"),
            ("kept = collections.deque()", "kept.append(1)"),
            ("kept = bytearray(2)", "kept[0] = 1"),
            ("kept = random.Random(0)", "kept.random()"),
            ("kept = np.random.default_rng(0)", "kept.random()"),
        ],
    )
    def test_other_containers_and_generators_never_change_either(
        self, case: Case, namespace: dict[str, Any], setup: str, source: str
    ) -> None:
        exec(setup, namespace)
        before = contents(namespace["kept"])
        assert replayed(source, "da", case, namespace).error is None
        assert contents(namespace["kept"]) == before

    @pytest.mark.parametrize(
        "source",
        ["torch.rand(3)", "torch.manual_seed(1)", "np.random.rand()", "np.random.seed(1)", "random.random()", "random.seed(1)"],
    )
    def test_its_random_numbers_go_on_as_if_nothing_had_run(self, case: Case, namespace: dict[str, Any], source: str) -> None:
        before = torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()
        assert replayed(source, "da", case, namespace).error is None
        assert replayed(f"{source}\nraise ValueError", "da", case, namespace).error is not None
        assert (torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()) == before
        with undisturbed():
            assert replayed(source, "da", case, namespace).error is replayed(source, "da", case, namespace).error is None
        assert (torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()) == before

    @pytest.mark.parametrize("draw", ["torch.rand(3)", "torch.tensor(np.random.rand(3))", "torch.tensor([random.random()])"])
    def test_what_a_replay_draws_is_the_same_each_time(self, case: Case, namespace: dict[str, Any], draw: str) -> None:
        answers = []
        for seed in (1, 2):
            torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
            answers.append(answered(f"da = {draw}", "da", case, namespace))
        with undisturbed():
            answers += [answered(f"da = {draw}", "da", case, namespace) for _ in range(2)]
        assert all(answer == answers[0] for answer in answers)

    def test_nothing_is_printed_and_nothing_warned(
        self, case: Case, namespace: dict[str, Any], capfd: pytest.CaptureFixture[str]
    ) -> None:
        filters = list(warnings.filters)
        source = (
            "print('out')\nprint('err', file=sys.stderr)\nwarnings.warn('loud')\nwarnings.simplefilter('always')\nda = dc * 1"
        )
        assert answered(source, "da", case, namespace) == [-1, -2, -3]
        with undisturbed():
            assert answered(source, "da", case, namespace) == answered(source, "da", case, namespace) == [-1, -2, -3]
        assert capfd.readouterr() == ("", "")
        assert warnings.filters == filters

    def test_no_figure_stays_open_but_those_of_the_notebook(self, case: Case, namespace: dict[str, Any]) -> None:
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        own = plt.figure()
        try:
            for source in ("plt.figure()", "plt.figure()\nraise ValueError"):
                replayed(f"import matplotlib.pyplot as plt\n{source}", "da", case, namespace)
                assert plt.get_fignums() == [own.number]
                assert plt.gcf() is own
        finally:
            plt.close(own)

    def test_no_gradients_are_recorded_in_a_replay(self, case: Case, namespace: dict[str, Any]) -> None:
        replay = replayed("da = total.requires_grad_() * 2\ntorch.set_grad_enabled(True)", "da", case, namespace)
        assert replay.answer.grad_fn is None
        with torch.no_grad():
            replayed("torch.set_grad_enabled(True)", "da", case, namespace)
            assert not torch.is_grad_enabled()

    def test_a_replay_knows_that_it_is_one(self, case: Case, namespace: dict[str, Any]) -> None:
        exec("from autograder.replay.run import under_way", namespace)
        assert replayed("da = under_way()", "da", case, namespace).answer is True
        replayed("raise SystemExit", "da", case, namespace)
        assert not under_way()


DIFFERENTIATED = {
    "Tensor.backward": "b.sum().backward()\nda = leaf.grad",
    "autograd.backward": "torch.autograd.backward(b, db)\nda = leaf.grad",
    "autograd.grad": "da, = torch.autograd.grad(b, leaf, db)",
    "func.grad": "da = torch.func.grad(lambda v: v.exp().sum())(leaf)",
    "func.vjp": "da = torch.func.vjp(torch.exp, leaf)[1](db)[0]",
    "func.jacrev": "da = torch.func.jacrev(torch.exp)(leaf) @ db",
    "func.jacfwd": "da = torch.func.jacfwd(torch.exp)(leaf) @ db",
    "func.jvp": "da = torch.func.jvp(torch.exp, (leaf,), (db,))[1]",
    "functional.jacobian": "da = torch.autograd.functional.jacobian(torch.exp, leaf) @ db",
    "functional.vjp": "da = torch.autograd.functional.vjp(torch.exp, leaf, db)[1]",
    "imported in the cell": "from torch.autograd import grad\nda, = grad(b, leaf, db)",
}


class TestAutograd:
    @pytest.mark.parametrize("graph", ["with torch.enable_grad():", "if True:"], ids=["with a graph", "without"])
    @pytest.mark.parametrize("source", DIFFERENTIATED.values(), ids=DIFFERENTIATED)
    def test_it_is_refused(self, case: Case, namespace: dict[str, Any], source: str, graph: str) -> None:
        lines = ["leaf = a.clone().requires_grad_()", "b = leaf.exp()", *source.splitlines()]
        replay = replayed("\n    ".join([graph, *lines]), "da", case, namespace)
        assert isinstance(replay.error, AutogradOff)
        assert str(replay.error) == "autograd is switched off while an answer is checked: derive the gradient by hand"
        assert replay.answer is MISSING

    def test_a_function_that_the_notebook_took_from_torch_before_is_refused_too(
        self, case: Case, namespace: dict[str, Any]
    ) -> None:
        exec("from torch.autograd import grad", namespace)
        source = "with torch.enable_grad():\n    leaf = a.clone().requires_grad_()\n    da, = grad(leaf.exp(), leaf, db)"
        assert isinstance(replayed(source, "da", case, namespace).error, AutogradOff)

    @pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
    @pytest.mark.parametrize("source", ["da = dc", "raise ValueError", "x.sum().backward()", "raise SystemExit"])
    def test_it_works_again_afterwards(self, case: Case, namespace: dict[str, Any], source: str) -> None:
        replayed(source, "da", case, namespace)
        assert_autograd_works()

    @pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
    def test_it_works_again_after_an_interrupt(self, case: Case, namespace: dict[str, Any]) -> None:
        with pytest.raises(KeyboardInterrupt):
            replayed("raise KeyboardInterrupt", "da", case, namespace)
        assert_autograd_works()


def assert_autograd_works() -> None:
    leaf = torch.ones(2, requires_grad=True)
    (leaf * 3).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [3, 3]
    assert torch.autograd.grad((leaf * 2).sum(), leaf)[0].tolist() == [2, 2]
    assert torch.func.jvp(torch.exp, (torch.zeros(1),), (torch.ones(1),))[1].tolist() == [1]


class TestFunctions:
    def call(self, definition: str, namespace: dict[str, Any], **arguments: Any) -> Replay:
        exec(definition, namespace)
        return run_function(namespace["f"], arguments, namespace)

    def test_it_is_called_with_the_arguments_by_name(self, namespace: dict[str, Any]) -> None:
        replay = self.call("def f(n, x): return x * n", namespace, x=torch.ones(2), n=3)
        assert replay.answer.tolist() == [3, 3]
        assert replay.error is None

    def test_it_reads_the_notebook(self, namespace: dict[str, Any]) -> None:
        assert self.call("def f(x): return x + total", namespace, x=torch.ones(3)).answer.tolist() == [2, 2, 2]

    def test_anything_that_can_be_called_will_do(self, namespace: dict[str, Any]) -> None:
        assert self.call("f = functools.partial(torch.add, other=1)", namespace, input=torch.ones(1)).answer.tolist() == [2]

    @pytest.mark.parametrize(
        "body",
        [
            "total.zero_()",
            "numbers.append(1)",
            "g.manual_seed(1)",
            "collect()",
            "global counter; counter = 9",
            "count()",
            "x.zero_()",
        ],
    )
    def test_it_cannot_change_the_notebook(self, namespace: dict[str, Any], body: str) -> None:
        exec(f"def f(x):\n    {body}\n    return x", namespace)
        before = contents(namespace)
        assert run_function(namespace["f"], {"x": namespace["x"]}, namespace).error is None
        assert contents(namespace) == before

    def test_it_cannot_change_the_notebook_from_inside_a_decorator_either(self, namespace: dict[str, Any]) -> None:
        exec("@torch.no_grad()\ndef f(x):\n    total.zero_()\n    return count()", namespace)
        before = contents(namespace)
        assert run_function(namespace["f"], {"x": namespace["x"]}, namespace).answer == 1
        assert contents(namespace) == before

    def test_arguments_that_it_changes_in_place_are_named(self, namespace: dict[str, Any]) -> None:
        assert self.call("def f(x, y): return x.add_(y)", namespace, x=torch.ones(1), y=torch.ones(1)).changed == ("x",)

    def test_without_an_answer_there_is_the_error(self, namespace: dict[str, Any]) -> None:
        replay = self.call("def f(x): raise ValueError('no')", namespace, x=torch.ones(1))
        assert replay.answer is MISSING
        assert str(replay.error) == "no"

    def test_autograd_is_refused(self, namespace: dict[str, Any]) -> None:
        definition = "@torch.enable_grad()\ndef f(x):\n    x.requires_grad_()\n    (x * 2).sum().backward()\n    return x.grad"
        assert isinstance(self.call(definition, namespace, x=torch.ones(1)).error, AutogradOff)

    def test_a_function_that_calls_itself_does_so_in_the_replay(self, namespace: dict[str, Any]) -> None:
        definition = "def f(x):\n    numbers.append(x)\n    return len(numbers) if x == 0 else f(x - 1)"
        assert self.call(definition, namespace, x=3).answer == 6
        assert namespace["numbers"] == [1, 2]


def test_the_module_does_not_import_matplotlib_for_its_own_sake(
    case: Case, namespace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    assert answered("da = dc * 1", "da", case, namespace) == [-1, -2, -3]
    assert "matplotlib.pyplot" not in sys.modules


class TestLocals:
    """The names that a function has in the end."""

    @staticmethod
    def found(source: str, error: BaseException | None = None, **names: Any) -> dict[str, Any]:
        return locals_of(parse_cell(source), "f", {"x": torch.ones(2)}, {"torch": torch, **names}, error)

    def test_they_are_those_at_the_return(self) -> None:
        found = self.found("def f(x):\n    y = x * 2\n    z = 3\n    return y")
        assert found["y"].tolist() == [2, 2]
        assert found["z"] == 3

    def test_they_are_those_at_the_return_that_is_reached(self) -> None:
        assert self.found("def f(x):\n    y = 1\n    if x.sum() > 0:\n        return y\n    y = 2\n    return y")["y"] == 1

    def test_they_are_those_at_the_line_that_stops(self) -> None:
        names: dict[str, Any] = {}
        exec("def f(x):\n    y = 5\n    return y + None", names)
        with pytest.raises(TypeError) as error:
            names["f"](1)
        assert self.found("", error.value)["y"] == 5

    def test_they_are_not_those_of_a_function_that_it_calls(self) -> None:
        names: dict[str, Any] = {}
        exec("def g(x):\n    y = 7\n    return y + None\ndef f(x):\n    y = 5\n    return g(y)", names)
        with pytest.raises(TypeError) as error:
            names["f"](1)
        assert self.found("", error.value) == {"x": 1, "y": 5}

    @pytest.mark.parametrize("source", ["", "f = lambda x: x", "def g(x):\n    y = 1\n    return x", "def f(x):\n    y = 1"])
    def test_there_are_none_without_a_return_of_the_function(self, source: str) -> None:
        assert self.found(source) == {}

    def test_a_notebook_stays_as_it_is(self) -> None:
        seen: list[int] = []
        names = {"seen": seen, "f": None}
        self.found("def f(x):\n    seen.append(1)\n    x += 1\n    return x", **names)
        assert (seen, names["f"]) == ([], None)


def test_nothing_is_shown_by_streams_that_code_kept_nor_by_the_process_itself(capfd: pytest.CaptureFixture[str]) -> None:
    kept = sys.stderr

    def answer() -> int:
        print("kept", file=kept)
        os.write(1, b"by the process")
        subprocess.run(["echo", "by a child"], check=True)
        return 1

    print("before", file=kept)
    assert run_function(answer, {}, {}).answer == 1
    print("after", file=kept)
    assert capfd.readouterr() == ("", "before\nafter\n")


def test_a_replay_goes_on_where_the_process_has_no_output(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = StringIO()
    closed.close()
    monkeypatch.setattr(sys, "__stdout__", closed)
    monkeypatch.setattr(sys, "__stderr__", None)
    assert run_function(lambda: 1, {}, {}).answer == 1
