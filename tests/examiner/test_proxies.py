"""What a student made, used by ordinary tests: it stays in its room and does as it would here."""

from __future__ import annotations

import pytest

from autograder.course.questions import IN_PLACE
from tests.examiner.test_examiner import ExamRunner, locked, student, test
from tests.support.rooms import linux

pytestmark = linux

STUDENT = '''
import numpy as np
import torch

def area(width, *, height=1):
    """A doc."""
    print('working')
    return width * height

def outer(): return area
def apply(function, items): return [function(item) for item in items]
def twice(function): return lambda x: function(function(x))
def count(n):
    for i in range(n):
        yield i
def bad(word): raise ValueError(word)
def lookup(): return {}['x']
def missing(): return not_there
def leave(): raise SystemExit(3)
def same(x): return x
def push(items): items.append(items.pop(0) * 10)
def fill(tensor, value):
    tensor.fill_(value)
    return tensor
def put(d): d['new'] = d.pop('old')
def complain():
    import warnings
    warnings.warn('hm')

class Odd(Exception): pass
def odd(): raise Odd('odd')

class Vector:
    unit = 1
    def __init__(self, x): self.x = x
    def __add__(self, other): return Vector(self.x + (other.x if isinstance(other, Vector) else other))
    __radd__ = __add__
    def __rsub__(self, other): return Vector(other - self.x)
    def __neg__(self): return Vector(-self.x)
    def __matmul__(self, other): return self.x * other.x
    def __lt__(self, other): return self.x < other.x
    def __eq__(self, other): return isinstance(other, Vector) and self.x == other.x
    def __len__(self): return 3
    def __getitem__(self, i): return self.x + i
    def __setitem__(self, i, value): self.x = value - i
    def __contains__(self, item): return item == self.x
    def __iter__(self): return iter([self.x, self.x + 1])
    def __bool__(self): return self.x != 0
    def __repr__(self): return f'Vector({self.x})'
    def __call__(self, y): return self.x + y
    def scaled(self, by=1): return Vector(self.x * by)
    @property
    def size(self): return abs(self.x)
    @staticmethod
    def zero(): return Vector(0)

class Plain: pass
class Child(Vector): pass
class Everything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False

v, w, every, plain = Vector(2), Vector(3), Everything(), Plain()
table = {'f': area, 'n': 1}
double = lambda x: x * 2
array = np.arange(3)
weight = torch.nn.Linear(2, 1)
'''

RIGHT = {
    "a call": "assert area(3) == 3 and area(3, height=2) == 6",
    "keywords only": "assert area(**{'width': 2, 'height': 5}) == 10",
    "a function that a function returns": "assert outer()(4) == 4",
    "functions in data": "assert table['f'](2) == 2 and table['n'] == 1 and [double][0](4) == 8",
    "its name": "assert area.__name__ == 'area' and Vector.__name__ == 'Vector'",
    "what can be called": "assert callable(area) and callable(Vector) and callable(v) and not callable(plain)",
    "map": "assert list(map(double, [1, 2])) == [2, 4]",
    "a callback": "assert apply(lambda x: x + 1, [1, 2]) == [2, 3]",
    "a callback of this side's names": "base = 10\ndef plus(x):\n    return x + base\nassert apply(plus, [1]) == [11]",
    "its own function as a callback": "assert apply(double, [1]) == [2]",
    "a callback that comes back": "assert twice(lambda x: x * 3)(2) == 18",
    "a callback with its objects": "assert apply(lambda each: each.x, [v, w]) == [2, 3]",
    "an error of a callback": "try:\n    apply(lambda x: 1 / x, [0])\n    assert False\nexcept ZeroDivisionError:\n    pass",
    "a generator": "assert list(count(3)) == [0, 1, 2] and next(count(1)) == 0 and sum(count(4)) == 6",
    "its end": "g = count(1)\nnext(g)\ntry:\n    next(g)\nexcept StopIteration:\n    pass\nelse:\n    assert False",
    "an error by its kind": "try:\n    1 / bad('no')\nexcept ValueError as e:\n    assert str(e) == 'no'",
    "an error by its parent": "try:\n    lookup()\nexcept LookupError as e:\n    assert str(e) == \"'x'\"",
    "an error of its own": "try:\n    odd()\nexcept Exception as e:\n    assert type(e).__name__ == 'Odd' and str(e) == 'odd'",
    "a missing name": "try:\n    missing()\nexcept NameError as e:\n    assert e.name == 'not_there'",
    "too few arguments": "try:\n    area()\nexcept TypeError as e:\n    assert 'width' in str(e)",
    "an exit": "try:\n    leave()\nexcept Exception as e:\n    assert type(e).__name__ == 'SystemExit'",
    "an instance": "a = Vector(5)\nassert a.x == 5 and a.size == 5 and a.unit == 1 and a.scaled(by=2).x == 10",
    "an attribute that is set": "a = Vector(5)\na.x = 7\nassert a.x == 7",
    "an attribute of no such name": "assert hasattr(v, 'x') and not hasattr(v, 'y') and getattr(v, 'y', 9) == 9",
    "a static method": "assert Vector.zero().x == 0",
    "isinstance": "assert isinstance(v, Vector) and isinstance(Child(1), Vector) and not isinstance(v, Child)",
    "isinstance of data": "assert not isinstance(3, Vector) and isinstance(area(3), int) and not isinstance(v, int)",
    "the name of its class": "assert type(v).__name__ == 'Vector' and v.__class__.__name__ == 'Vector'",
    "operators": "assert (v + w).x == 5 and (v + 1).x == 3 and (-v).x == -2 and v @ w == 6 and v < w",
    "operators with its object on the right": "assert (1 + v).x == 3 and (10 - v).x == 8 and sum([v, w]).x == 5",
    "equality among its own": "assert v == Vector(2) and v != w and not (v != Vector(2)) and v in [w, v] and v == Child(2)",
    "containers": "assert len(v) == 3 and v[4] == 6 and 2 in v and list(v) == [2, 3]",
    "an item that is set": "a = Vector(1)\na[2] = 10\nassert a.x == 8",
    "truth": "assert v and not Vector.zero()",
    "text": "assert repr(v) == str(v) == f'{v}' == 'Vector(2)' and f'{v.x:.1f}' == '2.0'",
    "a call of an instance": "assert v(5) == 7",
    "a list that is changed": f"{IN_PLACE}\nitems = [1, 2]\npush(items)\nassert items == [2, 10]",
    "a tensor that is changed": f"{IN_PLACE}\nimport torch\nt = torch.zeros(1)\nassert fill(t, 3) is t and t == 3",
    "a dict that is changed": f"{IN_PLACE}\nd = {{'old': 1}}\nput(d)\nassert d == {{'new': 1}}",
    "a tensor that comes back": "import torch\nt = torch.zeros(2)\nassert same(t) is t",
    "data that is data": "import numpy as np\nassert isinstance(array, np.ndarray) and array.sum() == 3",
    "a layer": "import torch\nassert weight(torch.ones(1, 2)).shape == (1, 1) and weight.weight.shape == (1, 2)",
    "a set of its objects": "assert len({v, w, v}) == 2",
}
WRONG = {
    "an object that equals everything is not equal to 1": ("assert every == 1", "AssertionError"),
    "nor is 1 to it": ("assert 1 == every", "AssertionError"),
    "nor in a list": ("assert [every] == [1]", "AssertionError"),
    "nor the other way round": ("assert not (every != 1)", "AssertionError"),
    "nor to a tensor": ("import torch\nassert torch.equal(torch.tensor(1), every)", "TypeError"),
    "nor to an array": ("import numpy as np\nassert np.array_equal(every, np.ones(2))", "AssertionError"),
    "nor in a set": ("assert every in {1, 2}", "AssertionError"),
    "one that is close to everything is not close": ("import math\nassert math.isclose(every, 1)", "TypeError"),
    "a function where a value was meant": ("assert area == 3", "AssertionError"),
    "an error that is not caught": ("bad('no')", "ValueError"),
    "a value that is no data": ("area(object())", "TypeError"),
    "what cannot be called": ("plain()", "TypeError"),
}


@pytest.fixture(scope="module")
def right(examine: ExamRunner) -> dict[str, str]:
    """What each of the tests that should pass stopped with."""
    return dict(zip(("", *RIGHT), examine(student(STUDENT), *map(test, RIGHT.values())).errors(), strict=True))


@pytest.fixture(scope="module")
def wrong(examine: ExamRunner) -> dict[str, str]:
    sources = [source for source, _ in WRONG.values()]
    return dict(zip(("", *WRONG), examine(student(STUDENT), *map(test, sources)).errors(), strict=True))


@pytest.mark.parametrize("name", RIGHT)
def test_a_test_does_with_a_students_objects_what_it_would_do_in_one_process(right: dict[str, str], name: str) -> None:
    assert right[name] == ""


@pytest.mark.parametrize("name", RIGHT)
def test_in_one_process_it_does_so_too(name: str) -> None:
    """Else the test above would hold the wrong thing."""
    names: dict[str, object] = {}
    exec(STUDENT, names)
    try:
        exec(RIGHT[name].replace("except Exception", "except BaseException"), names)
    except TypeError as error:
        assert "unhashable" in str(error)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails(wrong: dict[str, str], name: str) -> None:
    assert wrong[name].partition(":")[0] == WRONG[name][1], wrong[name]


COPIES = {
    "a list": "items = [1, 2]\npush(items)\nassert items == [1, 2]",
    "a tensor that is returned": "import torch\nt = torch.zeros(1)\nassert fill(t, 3) == 3 and t == 0",
    "a dict": "d = {'old': 1}\nput(d)\nassert d == {'old': 1}",
    "a tensor in a list": "import torch\nt = [torch.ones(1)]\nassert apply(lambda x: fill(x, 5), t)[0] == 5 and t[0] == 1",
}
"""What a test without the line IN_PLACE sees of what it has passed."""


@pytest.mark.parametrize("name", COPIES)
def test_what_a_test_passes_are_copies(examine: ExamRunner, name: str) -> None:
    told = examine(student(STUDENT), test(COPIES[name]))
    assert told.errors() == ["", ""]
    assert told.failures == []


def test_a_locked_cell_sees_what_is_changed(examine: ExamRunner) -> None:
    told = examine(student(STUDENT), locked("items = [1, 2]\npush(items)"), test("assert items == [2, 10]"))
    assert told.errors() == ["", "", ""]


def test_a_test_that_waits_for_a_change_is_said_to_lack_the_line(examine: ExamRunner) -> None:
    source = "items = [1, 2]\npush(items)\nassert items == [2, 10]"
    told = examine(student(STUDENT), test(source), test("assert area(3) == 4"), test(f"{IN_PLACE}\n{source}"))
    assert [error.partition(":")[0] for error in told.errors()] == ["", "AssertionError", "AssertionError", ""]
    assert told.failures == [
        "The test `cell-1` stopped, perhaps through no fault of the student's: it runs apart from the student's code, and what "
        "that code changes in what the test passes to it stays in the room, without the line `# autograder: in place`. Look at "
        "the record, or let it run in the room (c.Examine.plain_tests)."
    ]


def test_what_a_function_prints_is_the_tests(examine: ExamRunner) -> None:
    told = examine(student(STUDENT), test("print('before')\narea(3)\nprint('after')"), test("complain()"))
    assert told.shown(1) == "before\nworking\nafter\n"
    assert "UserWarning: hm" in told.shown(2)
    assert told.errors() == ["", "", ""]


def test_a_test_that_fails_leaves_the_next_ones_whole(examine: ExamRunner) -> None:
    told = examine(student(STUDENT), test("every == area(object())"), test("assert area(3) == 3"))
    assert told.error(1).startswith("TypeError: a value of type `object` cannot be sent into the room")
    assert told.error(2) == ""


def test_a_function_that_never_returns_costs_its_test(examine: ExamRunner) -> None:
    loop = "def forever(n):\n    while n: pass\n    return 5"
    told = examine(student(loop), test("forever(1)"), test("assert forever(0) == 5"), cell_seconds=0.5)
    assert told.error(1).startswith("KeyboardInterrupt")
    assert told.error(2) == ""


def test_a_function_that_ends_its_process_costs_its_test(examine: ExamRunner) -> None:
    source = "import os\nx = 1\ndef out():\n    os._exit(0)\ndef five():\n    return 5"
    told = examine(student(source), test("out()"), test("assert five() == 5 and x == 1"))
    assert told.error(1).startswith("Died")
    assert told.error(2) == ""


def test_callbacks_within_callbacks_have_an_end(examine: ExamRunner) -> None:
    source = "def apply(f, n):\n    return f(n)"
    down = "def down(n):\n    return n if n == 0 else apply(down, n - 1)\nassert down({}) == 0"
    told = examine(student(source), test(down.format(8)), test(down.format(500)), test("assert apply(lambda x: x, 3) == 3"))
    assert told.error(1) == ""
    assert told.error(2) != ""
    assert told.error(3) == ""


STRANGE = [
    "class N:\n    __slots__ = ()\n    def __getattribute__(self, name): raise SystemExit\nx = N()",
    "class N:\n    def __repr__(self): raise KeyboardInterrupt\n    def __bool__(self): return 5\nx = N()",
    "class N:\n    def __len__(self): return -1\n    def __iter__(self): return 7\nx = N()",
    "class N(type):\n    __name__ = property(lambda self: 1 / 0)\nclass X(metaclass=N): pass\nx = X()",
    "class E(Exception):\n    @property\n    def name(self): raise self\n    def __str__(self): raise self\n"
    "class N:\n    def __getattr__(self, name): raise E()\n    def __len__(self): raise E()\nx = N()",
    "x = type('a' * 10**6, (), {})()",
    "x = type('not a name', (), {})()",
    "x = type('\\ud800', (), {})()",
]


@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_a_hostile_object_costs_the_tests_that_use_it(examine: ExamRunner, number: int) -> None:
    uses = ["x.y", "repr(x)", "bool(x), len(x), list(x)", "assert x == 1", "type(x).__name__"]
    told = examine(student("ok = 5"), student(STRANGE[number]), *map(test, uses), test("assert ok == 5"))
    assert told.error(5).startswith("AssertionError") or told.error(5)
    assert told.error(7) == ""
