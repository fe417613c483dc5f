"""Which names a locked cell or a test sees: its own side's, the instructor's imports, and only then the student's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from autograder.examiner.namespace import Namespace
from autograder.examiner.student import Remote
from tests.examiner.test_examiner import ExamRunner, locked, student, test
from tests.support.rooms import linux


class Bench:
    """A scope over the names of a room, which are just given."""

    def __init__(self, room: Mapping[str, Any] | None = None, **imports: str) -> None:
        self.room = dict(room or {})
        self.names: dict[str, Any] = {"get_ipython": None}
        self.scope = Namespace(self.names, imports)
        self.asked: list[str] = []

    def fetch(self, names: list[str]) -> dict[str, Any]:
        self.asked = names
        return {name: self.room[name] for name in names if name in self.room}

    def run(self, source: str) -> None:
        """As the examiner runs a cell."""
        self.asked = []
        self.scope.bring(source, self.fetch)
        before = dict(self.names)
        try:
            exec(source, self.names)
        finally:
            self.scope.keep(before)


class TestNames:
    def test_what_nothing_here_has_bound_comes_from_the_room(self) -> None:
        bench = Bench({"x": 5, "other": 6})
        bench.run("assert x == 5")
        assert bench.asked == ["x"]
        assert "other" not in bench.names

    def test_what_the_room_has_is_fetched_anew_for_each_cell(self) -> None:
        bench = Bench({"x": 5})
        bench.run("assert x == 5")
        bench.room["x"] = 6
        bench.run("assert x == 6")
        del bench.room["x"]
        with pytest.raises(NameError):
            bench.run("x")

    def test_names_of_a_locked_cell_win(self) -> None:
        bench = Bench({"limit": 100, "x": 5})
        bench.run("limit = 1")
        bench.run("assert limit == 1 and x == 5")
        assert bench.asked == ["x"]

    @pytest.mark.parametrize("value", [3, True, None, "", (), 1e-6, "text"])
    def test_they_win_even_if_the_student_had_the_same_before(self, value: Any) -> None:
        """The locked cell ran in the room too, and a small number there is the same object as here."""
        bench = Bench({"limit": value})
        bench.run(f"limit = {value!r}")
        bench.room["limit"] = 10**9
        bench.run(f"assert limit == {value!r}")

    def test_names_of_a_test_win_in_later_ones(self) -> None:
        bench = Bench({"expected": 0, "x": 5})
        bench.run("expected = x + 1")
        bench.run("assert expected == 6")
        assert bench.asked == []

    def test_a_name_that_a_test_binds_again_is_the_tests(self) -> None:
        bench = Bench({"x": 5})
        bench.run("x = x + 1")
        bench.room["x"] = 100
        bench.run("assert x == 6")

    def test_what_a_solution_is_there_to_bind_is_the_students_though_a_locked_cell_bound_it(self) -> None:
        bench = Bench({"total": 7})
        bench.run("total = 0")
        bench.scope.mine -= {"total"}
        bench.run("assert total == 7")
        bench.run("total = 1")
        bench.run("assert total == 1")

    def test_a_name_that_was_only_read_stays_the_students_when_the_cell_fails(self) -> None:
        bench = Bench({"x": 5})
        with pytest.raises(AssertionError):
            bench.run("assert x == 6")
        bench.room["x"] = 6
        bench.run("assert x == 6")

    @pytest.mark.parametrize("name", ["abs", "len", "print", "isinstance", "AssertionError", "__import__"])
    def test_builtins_are_never_the_students(self, name: str) -> None:
        bench = Bench({name: "mine now", "x": 1})
        bench.run(f"assert {name} != 'mine now'")
        bench.run("x")
        assert name not in bench.asked

    def test_what_was_in_the_shell_before_is_never_the_students(self) -> None:
        bench = Bench({"get_ipython": "mine now"})
        bench.run("assert get_ipython is None")

    def test_only_what_was_asked_for_is_taken(self) -> None:
        bench = Bench()
        bench.scope.bring("x", lambda names: {"x": 1, "abs": 2, "check": 3})
        assert bench.names["x"] == 1
        assert not {"abs", "check"} & bench.names.keys()

    @pytest.mark.parametrize(
        ("source", "reads"),
        [
            ("assert x", "x"),
            ("assert 1 == 2, f'{x} is wrong'", "x"),
            ("def f():\n    return x\nf()", "x"),
            ("[y for y in x]", "x"),
            ("y = 1\ny", ""),
            ("f'{x!r:>{width}}'", "width x"),
            ("x.y.z[i]", "i x"),
            ("x += 1", "x"),
            ("del x", "x"),
            ("class A(B):\n    c = d", "B d"),
            ("with x as y: pass", "x"),
            ("try:\n    pass\nexcept E:\n    pass", "E"),
            ("(lambda: x)()", "x"),
            ("@decorate\ndef g(): pass", "decorate"),
            ("%%time\nx", "x"),
            ("this is no python", ""),
        ],
    )
    def test_what_a_cell_reads(self, source: str, reads: str) -> None:
        bench = Bench()
        bench.scope.bring(source, bench.fetch)
        assert set(reads.split()) <= set(bench.asked)

    def test_functions_and_classes_of_locked_cells_bring_what_they_read(self) -> None:
        bench = Bench({"x": 5, "z": 2})
        bench.run("def double():\n    return 2 * helper()\ndef helper():\n    return x\nclass A:\n    def m(self): return z")
        bench.run("assert double() == 10")
        assert bench.asked == ["x"]
        bench.run("assert A().m() == 2")
        assert "z" in bench.asked


class TestModules:
    """A module of the room could be anything that is called so."""

    @staticmethod
    def module(name: str = "module") -> Remote:
        remote: Remote = type(name, (Remote,), {})(None, 1)
        return remote

    def test_one_that_a_student_imported_is_imported_here(self) -> None:
        bench = Bench({"math": self.module()})
        bench.run("assert math.isclose(1, 1)")
        assert bench.names["math"] is math

    def test_the_usual_short_names_are_known(self) -> None:
        bench = Bench({"np": self.module(), "F": self.module()})
        bench.run("assert np.__name__ == 'numpy' and F.__name__ == 'torch.nn.functional'")

    def test_one_that_is_not_here_is_not_there(self) -> None:
        bench = Bench({"nothing_of_this_name": self.module()})
        with pytest.raises(NameError):
            bench.run("nothing_of_this_name")

    def test_imports_of_the_instructor_come_before_anything_of_the_students(self) -> None:
        bench = Bench({"m": "mine now", "sqrt": "mine too"}, m="import math as m", sqrt="from math import sqrt")
        bench.run("assert m.pi > 3 and sqrt(4) == 2")
        assert bench.asked == []

    def test_imports_of_the_instructor_are_made_only_where_they_are_needed(self) -> None:
        bench = Bench({}, nothing="import nothing_of_this_name")
        bench.run("1")
        with pytest.raises(NameError):
            bench.run("nothing")


class TestGiving:
    """What a test has made is there for later cells, its hidden part aside."""

    def made(self, shown: str, hidden: str, wanted: str) -> tuple[dict[str, Any], str]:
        bench = Bench()
        bench.run(f"{shown}\n{hidden}")
        return bench.scope.made_by(shown, hidden, wanted.split())

    def test_values_that_are_wanted(self) -> None:
        assert self.made("x = 1\ny = 2", "", "x z") == ({"x": 1}, "")

    def test_nothing_of_the_hidden_part(self) -> None:
        assert self.made("x = 1", "secret = 42", "x secret") == ({"x": 1}, "")

    def test_nothing_that_the_hidden_part_bound_again(self) -> None:
        assert self.made("x = 1\ny = 1", "x = 42", "x y") == ({"y": 1}, "")
        assert self.made("x = [1]", "x[0] = 42", "x") == ({}, "")
        assert self.made("def f(): return 1", "def f(): return 42", "f") == ({}, "")

    def test_nothing_that_the_hidden_part_may_have_changed(self) -> None:
        assert self.made("cases = [1]", "cases.append(42)", "cases") == ({}, "")
        assert self.made("cases = {}", "def fill(d): d[1] = 42\nfill(cases)", "cases") == ({}, "")
        assert self.made("x = 1", "assert x == 1", "x") == ({"x": 1}, "")
        assert self.made("import math as m", "assert m.pi > 3", "m") == ({}, "import math as m")

    def test_nothing_where_the_hidden_part_cannot_be_read_without_the_rest(self) -> None:
        bench = Bench()
        bench.run("for x in [1]:\n    y = x\n    y = 42")
        assert bench.scope.made_by("for x in [1]:\n    y = x\n", "    y = 42", ["x", "y"]) == ({"x": 1}, "")
        assert bench.scope.made_by("for x in [1]:\n    y = x\n", "    y = 42\nelse:\n    pass", ["x", "y"]) == ({}, "")

    def test_definitions_and_imports_as_code(self) -> None:
        values, source = self.made("def f(a):\n    return a\nimport math as m\nclass A: pass\nx = 1", "", "f m A x")
        assert values == {"x": 1}
        assert source == "def f(a):\n    return a\nimport math as m\nclass A:\n    pass"

    def test_nothing_that_was_the_students(self) -> None:
        bench = Bench({"x": 5})
        bench.run("assert x == 5")
        assert bench.scope.made_by("assert x == 5", "", ["x"]) == ({}, "")

    def test_nothing_that_is_gone(self) -> None:
        assert self.made("x = 1\ndel x", "", "x") == ({}, "")


@linux
class TestInRooms:
    def test_a_student_cannot_take_the_place_of_what_a_test_uses(self, examine: ExamRunner) -> None:
        told = examine(
            locked("import torch\nTOLERANCE = 1e-6\ndef close(a, b):\n    return abs(a - b) < TOLERANCE"),
            student(
                "import torch, builtins\nTOLERANCE = 1e9\nclose = lambda a, b: True\ntorch.equal = close\n"
                "builtins.abs = lambda x: 0\nabs = lambda x: 0\nexpected = 0\nanswer = 0",
                "answer",
            ),
            test("expected = 1\nassert close(answer, expected)"),
            test("assert torch.equal(torch.tensor(answer), torch.tensor(1))"),
            test("assert abs(-answer - 1) == 0"),
        )
        assert [error.partition(":")[0] for error in told.errors()] == ["", "", *["AssertionError"] * 3]

    def test_a_number_of_a_locked_cell_stays_though_the_student_binds_it_again(self, examine: ExamRunner) -> None:
        told = examine(locked("limit = 3"), student("limit = 10**9"), test("assert 100 < limit"), test("assert limit == 3"))
        assert [error.partition(":")[0] for error in told.errors()] == ["", "", "AssertionError", ""]

    def test_an_answer_that_a_locked_cell_prepares_is_the_students(self, examine: ExamRunner) -> None:
        told = examine(
            locked("total = None\nitems = [1, 2]"), student("total = sum(items)", "total"), test("assert total == 3")
        )
        assert told.errors() == ["", "", ""]
        told = examine(locked("total = 3"), student("total = 0", "total"), test("assert total == 3"))
        assert told.error(2).startswith("AssertionError")

    def test_a_locked_function_reads_what_the_student_made(self, examine: ExamRunner) -> None:
        told = examine(
            locked("def model(x):\n    return weight * x + bias"),
            student("weight = 3\nbias = 1", "weight bias"),
            test("assert model(2) == 7"),
        )
        assert told.errors() == ["", "", ""]

    def test_imports_of_the_instructors_free_cells_are_at_hand(self, examine: ExamRunner) -> None:
        told = examine(
            student("import math as m\nm.sqrt = lambda x: 3\nx = 9"),
            test("assert m.sqrt(x) == 3"),
            test("assert m.sqrt(16) == 4"),
            imports={"m": "import math as m"},
        )
        assert told.errors() == ["", "", ""]

    def test_a_module_of_the_students_own_is_not_that_of_the_test(self, examine: ExamRunner) -> None:
        told = examine(student("import math\nmath.isclose = lambda *a: True"), test("assert math.isclose(1, 2)"))
        assert told.error(1).startswith("AssertionError")

    def test_names_in_the_message_of_an_assertion_are_fetched(self, examine: ExamRunner) -> None:
        told = examine(student("x = 1\nwhy = 'because'"), test("assert x == 2, f'{why}: {x}'"))
        assert told.error(1) == "AssertionError: because: 1"

    def test_a_name_that_nobody_bound_is_missing(self, examine: ExamRunner) -> None:
        assert examine(student("x = 1"), test("nothing")).error(1) == "NameError: name 'nothing' is not defined"
