"""Small changes of code: each kind is made, each is code again, and what they are made from stays as it was."""

from __future__ import annotations

import ast
from itertools import islice

import pytest

from autograder import cell
from autograder.edits import Edit, edits
from autograder.mutation import MANY, MOST, mutants
from autograder.rewrites import FACTORS, REWRITES, Change
from tests.forms import FUSED_RIGHT, FUSED_WRONG, RIGHT, WRONG

ALTERNATIVES = {"h": ["hpreact", "dh"], "dh": ["h"], FACTORS: ["dh", "h"]}

SAMPLES: dict[Change, tuple[str, list[str]]] = {
    Change.SIGN: ("dx = a + b", ["dx = -(a + b)", "dx = a - b"]),
    Change.TERM: ("dx = a - b", ["dx = a", "dx = -b"]),
    Change.FACTOR: ("dx = a * b", ["dx = a", "dx = b"]),
    Change.OPERATION: ("dx = a * b", ["dx = a / b"]),
    Change.ADDED: ("dx = a * b", ["dx = a + b"]),
    Change.PRODUCT: ("dx = torch.mm(a, b)", ["dx = a * b"]),
    Change.POWER: ("dx = f(a) ** -2", ["dx = f(a)", "dx = f(a) ** -1", "dx = f(a) ** -3", "dx = f(a) ** 2"]),
    Change.NUMBER: ("dx = f(a) * 3", ["dx = f(a) * 6.0", "dx = f(a) * 1.5", "dx = f(a) * -3.0"]),
    Change.AXIS: ("dx = a.sum(0)", ["dx = a.sum(1)"]),
    Change.KEEPDIM: ("dx = a.sum(0)", ["dx = a.sum(0, keepdim=True)"]),
    Change.MEAN: ("dx = a.sum(0)", ["dx = a.mean(0)"]),
    Change.UNSUMMED: ("dx = torch.sum(a, 0)", ["dx = a"]),
    Change.SUMMED: ("dx = h + 1", ["dx = h.sum(0, keepdim=True) + 1", "dx = h.sum(1, keepdim=True) + 1"]),
    Change.TRANSPOSE: ("dx = a.T", ["dx = a"]),
    Change.ORDER: ("dx = f(a) @ f(b)", ["dx = f(b) @ f(a)"]),
    Change.BESSEL: ("dx = f(a) / n", ["dx = f(a) / (n - 1)"]),
    Change.NAME: ("dx = f(h)", ["dx = f(hpreact)", "dx = f(dh)"]),
    Change.OVERWRITE: ("dx[i] += a", ["dx[i] = a"]),
    Change.STATEMENT: ("dx[i] += a", ["pass"]),
    Change.ROWS: ("for i in range(n):\n    f(i)", ["for i in range(n - 1):\n    f(i)", "for i in range(1):\n    f(i)"]),
    Change.SUMS: ("dx = (a * b).sum(0)", ["dx = a.sum(0) * b.sum(0)"]),
    Change.FUNCTION: ("dx = a.tanh()", ["dx = a.sigmoid()"]),
    Change.BRACKETS: ("dx = (a + b) * c", ["dx = a + b * c"]),
    Change.EXTRA: ("dx = f(a)", ["dx = f(a) * dh", "dx = f(a) * h"]),
}

MORE = {
    "keepdim dropped": (Change.KEEPDIM, "dx = a.sum(0, keepdim=True)", "dx = a.sum(0)"),
    "axis by name": (Change.AXIS, "dx = a.sum(dim=1)", "dx = a.sum(dim=0)"),
    "axis of softmax": (Change.AXIS, "dx = F.softmax(a, 1)", "dx = F.softmax(a, 0)"),
    "all axes at once": (Change.AXIS, "dx = a.sum(0) * b.sum(0)", "dx = a.sum(1) * b.sum(1)"),
    "sum of products": (Change.SUMS, "dx = a.sum(0) * b.sum(0)", "dx = (a * b).sum(0)"),
    "a transposed product": (Change.TRANSPOSE, "dx = a @ b", "dx = (a @ b).T"),
    "a factor of a tensor": (Change.TRANSPOSE, "dx = a @ b", "dx = a @ b.T"),
    "accumulate in place": (Change.OVERWRITE, "dx.index_copy_(0, i, a)", "dx.index_add_(0, i, a)"),
    "accumulate by keyword": (
        Change.OVERWRITE,
        "dx.index_put_((i,), a, accumulate=False)",
        "dx.index_put_((i,), a, accumulate=True)",
    ),
    "add up": (Change.OVERWRITE, "dx = a", "dx += a"),
    "the minus of an update": (Change.SIGN, "dx += a", "dx -= a"),
    "an update that does nothing": (Change.FACTOR, "dx *= a", "dx = dx"),
    "an update of an entry": (Change.FACTOR, "dx[i] /= a", "dx[i] = dx[i]"),
    "one less": (Change.BESSEL, "dx = a / (n - 1)", "dx = a / n"),
    "a square too few": (Change.POWER, "dx = 1 - h", "dx = 1 - h ** 2"),
    "a factor too few in a sum": (Change.EXTRA, "dx = (a * b).sum(0)", "dx = (a * b * h).sum(0)"),
}


def changed(source: str, change: Change) -> list[str]:
    return [edit.source for edit in edits(cell.tree(source), ALTERNATIVES) if edit.change is change]


def test_every_change_has_one_row_and_a_sample() -> None:
    assert [change for change, _ in REWRITES] == list(dict.fromkeys(change for change, _ in REWRITES))
    assert {change for change, _ in REWRITES} == set(Change) == set(SAMPLES)


@pytest.mark.parametrize(("change", "source", "expected"), [(change, *row) for change, row in SAMPLES.items()], ids=SAMPLES)
def test_a_change_gives_what_it_says(change: Change, source: str, expected: list[str]) -> None:
    assert changed(source, change) == expected


@pytest.mark.parametrize(("change", "source", "expected"), MORE.values(), ids=MORE)
def test_a_change_is_made_in_other_forms_too(change: Change, source: str, expected: str) -> None:
    assert expected in changed(source, change)


UNCHANGED = {
    "a keyword": (Change.SIGN, "f(a, dim=-1)"),
    "a number of its own": (Change.SIGN, "dx = 3"),
    "a name that is bound": (Change.NAME, "h = 1"),
    "an attribute": (Change.NAME, "a.h"),
    "an index": (Change.AXIS, "dx = a[0]"),
    "the size of a view": (Change.AXIS, "dx = a.view(1, 0)"),
    "a power": (Change.NUMBER, "dx = a ** 2"),
    "a symbolic power": (Change.NUMBER, "dx = a ** b"),
    "a sum without an axis": (Change.KEEPDIM, "dx = a.sum()"),
    "an unknown name": (Change.BESSEL, "dx = a / m"),
}


@pytest.mark.parametrize(("change", "source"), UNCHANGED.values(), ids=UNCHANGED)
def test_what_it_is_not_about_is_left_alone(change: Change, source: str) -> None:
    assert changed(source, change) == []


FORMS = [form for forms in RIGHT.values() for form in forms] + [form for forms in WRONG.values() for _, form in forms]
FORMS += [form for forms in FUSED_RIGHT.values() for _, form in forms] + [
    form for forms in FUSED_WRONG.values() for *_, form in forms
]
FORMS += [
    "",
    "pass",
    "dx: torch.Tensor = a * b",
    "dx, dy = a * b, a + b",
    "if a.sum() > 0:\n    dx = a ** b\nelse:\n    dx = -a",
    "def f(a, *b, c=1, **d):\n    return a * c\ndx = f(a)",
    "class A:\n    b = a + 1",
    "dx = [a * b for a, b in zip(x, y) if a - 1]",
    "with torch.no_grad():\n    dx = (lambda a: a * 2)(h)",
    "try:\n    dx = a @ b\nexcept RuntimeError as error:\n    dx = f'{a * 2}'\nfinally:\n    del b",
    "while k < n:\n    k += 1\n    dx = dx if k else h",
    "match a:\n    case [h, 1]:\n        dx = h * 2",
    "%time dx = a * b",
    "async def f():\n    await a * b",
    "dx = a ** 0.5 ** b * 1e300 * 10",
    "global h\nh = h * 2",
    "dx = (h := a * 2) + h",
    "dx = True * a + 1j * b",
]


@pytest.mark.parametrize("source", FORMS)
def test_what_comes_out_compiles_and_what_went_in_is_unchanged(source: str) -> None:
    tree = cell.tree(source)
    before = ast.dump(tree, include_attributes=True)
    for edit in edits(tree, ALTERNATIVES):
        compile(edit.tree, "<edit>", "exec")
        ast.parse(edit.source)
        assert edit.tree is not tree
        assert edit.before and edit.place
    assert ast.dump(tree, include_attributes=True) == before


@pytest.mark.parametrize("source", FORMS[::7])
def test_the_same_code_gives_the_same_edits_and_none_is_the_code_itself(source: str) -> None:
    def made() -> list[tuple[Change, str, str, str, str]]:
        return [(e.change, e.before, e.after, e.place, e.source) for e in edits(cell.tree(source), ALTERNATIVES)]

    assert made() == made()


def test_an_edit_that_is_changed_changes_no_other() -> None:
    tree = cell.tree("dx = a * b + a.sum(0)")
    found = list(edits(tree, {}))
    sources = [edit.source for edit in found]
    for node in ast.walk(found[0].tree):
        if isinstance(node, ast.Name):
            node.id = "spoilt"
    assert [edit.source for edit in found[1:]] == sources[1:]
    assert ast.unparse(tree) == "dx = a * b + a.sum(0)"


def test_an_iteration_that_is_left_leaves_the_tree_as_it_was() -> None:
    tree = cell.tree("dx = a * b + a.sum(0)")
    list(islice(edits(tree, {}), 3))
    assert ast.unparse(tree) == "dx = a * b + a.sum(0)"


PLACES = {
    "a sign": ("dx += (a + b).exp()", Change.SIGN, "dx += (a + b).exp()", "dx -= (a + b).exp()", "dx += (a + b).exp()"),
    "a name in a product": ("dx = h * b", Change.NAME, "h", "hpreact", "h * b"),
    "an axis in a call": ("dx = a.sum(0) * 2", Change.AXIS, "0", "1", "a.sum(0)"),
    "a mean in a call": ("dx = b * a.mean(0)", Change.MEAN, "a.mean", "a.sum", "a.mean(0)"),
}


@pytest.mark.parametrize(("source", "change", "before", "after", "place"), PLACES.values(), ids=PLACES)
def test_an_edit_says_what_was_where(source: str, change: Change, before: str, after: str, place: str) -> None:
    edit = next(edit for edit in edits(cell.tree(source), ALTERNATIVES) if edit.change is change)
    assert (edit.before, edit.after, edit.place) == (before, after, place)


class TestMutants:
    SOURCE = "dx = h * dh + h.sum(0) / n"

    def made(self, source: str = SOURCE) -> list[Edit]:
        return list(mutants(source, {"h": [f"a{i}" for i in range(9)], FACTORS: [f"b{i}" for i in range(9)]}))

    def test_each_is_another_code_once(self) -> None:
        sources = [edit.source for edit in self.made()]
        assert len(set(sources)) == len(sources) > 20
        assert self.SOURCE not in sources

    def test_a_change_that_can_be_made_in_many_ways_is_made_in_a_few(self) -> None:
        found = self.made()
        for change, most in {**dict.fromkeys(Change, MOST), **MANY}.items():
            places = [(edit.place, edit.before) for edit in found if edit.change is change]
            assert max(map(places.count, places), default=0) <= most
        assert {edit.change for edit in found} >= {Change.NAME, Change.EXTRA, Change.SIGN}

    def test_what_is_no_python_is_an_error(self) -> None:
        with pytest.raises(SyntaxError):
            self.made("dx = (")
