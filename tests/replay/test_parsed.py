from __future__ import annotations

import copyreg

import pytest
from IPython.core import inputtransformer2
from IPython.core.inputtransformer2 import TransformerManager

from autograder.replay.parsed import is_python, names_in, nodes_in, parse_cell, parse_tree
from autograder.replay.stop import Stop, stop_of_syntax


def after(source: str, **namespace: object) -> dict[str, object]:
    """The namespace after the statements have run."""
    for statement in parse_cell(source).statements:
        exec(statement.code, namespace)
    namespace.pop("__builtins__", None)
    return namespace


class TestMagics:
    @pytest.mark.parametrize(
        "source",
        [
            "x = 1",
            "%%time\nx = 1",
            "%%capture\nx = 1",
            "%%capture output\nx = 1",
            "%%prun\nx = 1",
            "%time x = 1",
            "%prun x = 1",
            "%%time\n%time x = 1",
            "%matplotlib inline\nx = 1",
            "x = 1\n%timeit x + 1",
            "!pip list\nx = 1",
            "if True:\n    %matplotlib inline\nx = 1",
            "%%time\n!ls\nx = 1",
            "x = 1\nx?",
            "x = 1;",
            ">>> x = 1",
            "    x = 1",
        ],
    )
    def test_what_binds_names_is_run_and_the_rest_is_dropped(self, source: str) -> None:
        assert after(source) == {"x": 1}

    @pytest.mark.parametrize("source", ["x = %pwd", "x = !ls", "x = %time 3"])
    def test_what_a_magic_gives_is_none(self, source: str) -> None:
        assert after(source) == {"x": None}

    @pytest.mark.parametrize(
        "source",
        ["%%forward\nx = 1", "%%timeit\nx = 1", "%%bash\nx=1", "%%writefile x.py\nx = 1", "%time", "%%time\n\n", "!x=1", ""],
    )
    def test_other_magics_bind_nothing(self, source: str) -> None:
        assert after(source) == {}
        assert parse_cell(source).touches == frozenset()

    @pytest.mark.parametrize("source", ["x = ", "%%time\nx = ", "return x", "x = 1\n  y = 2", "x = '", "await x()", "x = \0"])
    def test_a_cell_that_is_no_python_has_no_statements(self, source: str) -> None:
        cell = parse_cell(source)
        assert cell.source == source
        assert cell.statements == ()
        assert cell.reads == cell.touches == frozenset()

    @pytest.mark.parametrize(
        "source",
        ["%x\n" * 9, "x = \ud83d", "x = " + "-" * 9_000 + "1", "x" + "+1" * 9_000, "x = \0", "%time " * 150 + "x"],
        ids=["magics", "half a character", "signs", "a sum", "a zero", "magics in magics"],
    )
    def test_what_cannot_be_parsed_is_no_python_whatever_the_error(self, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inputtransformer2, "TRANSFORM_LOOP_LIMIT", 5)  # it is 500, which takes seconds
        assert parse_cell(source).statements == ()
        assert not is_python(source)
        assert nodes_in(source) == ()
        assert stop_of_syntax(source) is None or source[-1] == "\0"
        with pytest.raises((SyntaxError, ValueError)):
            parse_tree(source)

    def test_what_cannot_be_parsed_is_tried_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tried: list[str] = []
        monkeypatch.setattr(TransformerManager, "transform_cell", lambda _, cell: tried.append(cell) or cell)
        for source in ("x = = 1", "y = \ud83d"):
            for _ in range(3):
                assert not is_python(source)
        assert tried == ["x = = 1", "y = \ud83d"]

    def test_where_a_cell_is_no_python_is_told_though_errors_are_copied_in_another_way(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As where dask was imported: tblib, which it uses, makes the copy of an error without its `__init__`."""
        monkeypatch.setitem(
            copyreg.dispatch_table, SyntaxError, lambda error: (SyntaxError.__new__, (SyntaxError, *error.args))
        )
        for _ in range(2):
            found = stop_of_syntax("x = 1\ny = (")
            assert found and found[1] == Stop(2, "y = (")
            with pytest.raises(SyntaxError, match="was never closed"):
                parse_tree("x = 1\ny = (")

    def test_the_source_is_kept_as_typed(self) -> None:
        assert parse_cell("%%time\nx = 1").source == "%%time\nx = 1"


class TestStatements:
    def test_each_is_run_on_its_own(self) -> None:
        assert len(parse_cell("a = 1; b = 2\nfor i in range(3):\n    c = i\n").statements) == 3

    @pytest.mark.parametrize(
        ("source", "touches", "makes"),
        [
            ("dx = 1", {"dx"}, {"dx"}),
            ("dx: int = 1", {"dx"}, {"dx"}),
            ("dx, *rest = values", {"dx", "rest"}, {"dx", "rest"}),
            ("dx = dh = 1", {"dx", "dh"}, {"dx", "dh"}),
            ("(dx := 1)", {"dx"}, {"dx"}),
            ("for dx in values: pass", {"dx"}, {"dx"}),
            ("with opened as dx: pass", {"dx"}, {"dx"}),
            ("if ready:\n    dx = 1", {"dx"}, {"dx"}),
            ("%time dx = 1", {"dx"}, {"dx"}),
            ("def dx(): pass", {"dx"}, {"dx"}),
            ("dx = dx + 1", {"dx"}, set()),
            ("dx += 1", {"dx"}, set()),
            ("dx[0] = 1", {"dx"}, set()),
            ("dx[0] += 1", {"dx"}, set()),
            ("dx[0][1] = 1", {"dx"}, set()),
            ("dx.data = 1", {"dx"}, set()),
            ("dx.data[0] = 1", {"dx"}, set()),
            ("dx.add_(1)", {"dx"}, set()),
            ("dx.index_add_(0, ix, demb)", {"dx"}, set()),
            ("dx[0].add_(1)", {"dx"}, set()),
            ("dx.data.add_(1)", {"dx"}, set()),
            ("for i in values:\n    dx[i] += 1", {"i", "dx"}, set()),
            ("torch.add(a, b, out=dx[0])", {"dx"}, set()),
            ("dx.add(1)", set(), set()),
            ("dx.__len__()", set(), set()),
            ("print(dx)", set(), set()),
            ("dx[0]", set(), set()),
            ("del dx", set(), set()),
        ],
    )
    def test_it_knows_what_it_touches_and_what_it_makes_anew(self, source: str, touches: set[str], makes: set[str]) -> None:
        (statement,) = parse_cell(source).statements
        assert statement.touches == touches
        assert statement.makes == makes

    @pytest.mark.parametrize(
        "source",
        [
            "def backward(x):\n    dlogits = x\n    return dlogits",
            "def backward(x):\n    for dlogits in x: pass",
            "async def backward(x):\n    dlogits = x",
            "class Layer:\n    def backward(self):\n        dlogits = 1",
            "sizes = [len(dlogits) for dlogits in parts]",
            "sizes = [len(dlogits) for dlogits in dlogits]",
            "class Layer:\n    dlogits = 1",
            "total = sum(dlogits for dlogits in parts)",
        ],
    )
    def test_a_name_of_a_functions_own_is_not_touched(self, source: str) -> None:
        assert "dlogits" not in parse_cell(source).touches

    @pytest.mark.parametrize("source", ["def fill():\n    global dx\n    dx = 1", "def fill():\n    dx[0] = 1"])
    def test_a_global_name_that_a_function_changes_is_touched(self, source: str) -> None:
        assert "dx" in parse_cell(source).touches

    def test_the_cell_touches_what_its_statements_touch(self) -> None:
        assert parse_cell("a = 1\nb[0] = a").touches == {"a", "b"}


class TestNames:
    @pytest.mark.parametrize(
        ("source", "names"),
        [
            ("dx = a + b", {"dx", "a", "b"}),
            ("dx[i] += 1", {"dx", "i"}),
            ("dx = [a for i in b]", {"dx", "a", "b"}),
            ("dx = {i: a for i in b if c}", {"dx", "a", "b", "c"}),
            ("f = lambda x: x + a", {"f", "a"}),
            ("def f(x, y=a):\n    z = x + b\n    return z", {"f", "a", "b"}),
            ("def f():\n    def g():\n        return [a for _ in b]\n    return g", {"f", "a", "b"}),
            ("f'{a}'", {"a"}),
            ("dx = a.sum(0).T", {"dx", "a"}),
            ("def f(x): return x.T @ a.b", {"f", "a"}),
            ("a = 1\nb = 2", {"a", "b"}),
        ],
    )
    def test_the_cell_reads_all_global_names_in_functions_too(self, source: str, names: set[str]) -> None:
        assert parse_cell(source).reads == names

    def test_names_of_a_functions_own_are_none(self) -> None:
        def function(x: int) -> int:
            local = x
            return local + len(str(local))

        assert names_in(function.__code__) == {"len", "str"}
