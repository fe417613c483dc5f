"""Mutation operators: each kind is made, each is code again, and what they are made from stays as it was."""

from __future__ import annotations

import ast
from itertools import islice

import pytest

from autograder.diagnosis.operators import AXES, FACTORS, OPERATORS, PARTS, Operator, mutants
from autograder.diagnosis.slips import slips, slips_of_statements, with_parts_of_lines
from autograder.replay import parsed
from tests.support.forms import FUSED_RIGHT, FUSED_WRONG, RIGHT, WRONG

ALTERNATIVES = {"h": ["hpreact", "dh"], "dh": ["h"], FACTORS: ["dh", "h"], PARTS: ["c + 1e-05"]}

SAMPLES: dict[Operator, tuple[str, list[str]]] = {
    Operator.SIGN: ("dx = a + b", ["dx = -(a + b)", "dx = a - b"]),
    Operator.TERM: ("dx = a - b", ["dx = a", "dx = -b"]),
    Operator.FACTOR: ("dx = a * b", ["dx = a", "dx = b"]),
    Operator.OPERATION: ("dx = a * b", ["dx = a / b"]),
    Operator.ADDED: ("dx = a * b", ["dx = a + b"]),
    Operator.PRODUCT: ("dx = torch.mm(a, b)", ["dx = a * b"]),
    Operator.OUTER: ("dx = f(a) @ f(b)", ["dx = torch.outer(f(a), f(b))"]),
    Operator.POWER: ("dx = f(a) ** -2", ["dx = f(a)", "dx = f(a) ** -1", "dx = f(a) ** -3", "dx = f(a) ** 2"]),
    Operator.NUMBER: ("dx = f(a) * 3", ["dx = f(a) * 6.0", "dx = f(a) * 1.5", "dx = f(a) * -3.0"]),
    Operator.AXIS: ("dx = a.sum(0)", ["dx = a.sum(1)"]),
    Operator.MORE_AXES: ("dx = a.sum(0)", ["dx = a.sum((0, 1))"]),
    Operator.FEWER_AXES: ("dx = a.sum((0, 1))", ["dx = a.sum(0)", "dx = a.sum(1)"]),
    Operator.KEEPDIM: ("dx = a.sum(0)", ["dx = a.sum(0, keepdim=True)"]),
    Operator.MEAN: ("dx = a.sum(0)", ["dx = a.mean(0)"]),
    Operator.UNSUMMED: ("dx = torch.sum(a, 0)", ["dx = a"]),
    Operator.SUMMED: ("dx = h + 1", ["dx = h.sum(0, keepdim=True) + 1", "dx = h.sum(1, keepdim=True) + 1"]),
    Operator.TRANSPOSE: ("dx = a.T", ["dx = a"]),
    Operator.FLATTEN: (
        "dx = a.T @ b",
        ["dx = a.flatten(0, 1).T @ b.flatten(0, 1)", "dx = a.T @ b.flatten(0, 1)", "dx = a.flatten(0, 1).T @ b"],
    ),
    Operator.SWAP: ("dx = a.T @ f(b)", ["dx = a.mT @ f(b)", "dx = a @ f(b)"]),
    Operator.BRANCHES: ("dx = torch.where(a, b, c)", ["dx = torch.where(a, c, b)"]),
    Operator.ORDER: ("dx = f(a) @ f(b)", ["dx = f(b) @ f(a)"]),
    Operator.BESSEL: ("dx = f(a) / n", ["dx = f(a) / (n - 1)"]),
    Operator.NAME: ("dx = f(h)", ["dx = f(hpreact)", "dx = f(dh)"]),
    Operator.OVERWRITE: ("dx[i] += a", ["dx[i] = a"]),
    Operator.STATEMENT: ("dx[i] += a", ["pass"]),
    Operator.ROWS: ("for i in range(n):\n    f(i)", ["for i in range(n - 1):\n    f(i)", "for i in range(1):\n    f(i)"]),
    Operator.SUMS: ("dx = (a * b).sum(0)", ["dx = a.sum(0) * b.sum(0)"]),
    Operator.FUNCTION: ("dx = a.tanh()", ["dx = a", "dx = a.sigmoid()"]),
    Operator.BRACKETS: ("dx = (a + b) * c", ["dx = a + b * c"]),
    Operator.LETTERS: (
        "dx = torch.einsum('ab,cb->ac', h, w)",
        [
            f"dx = torch.einsum('{each}', h, w)"
            for each in (
                *("aa,cb->ac", "ac,cb->ac", "ab,ca->ac", "ab,cc->ac", "ab,cb->bc", "ab,cb->cc", "ab,cb->aa", "ab,cb->ab"),
                *("ab,cb->bac", "ab,cb->abc", "ab,cb->acb", "ab,cb->c", "ab,cb->a", "ab,cb->ca"),
            )
        ],
    ),
    Operator.EXTRA: ("dx = f(a)", ["dx = f(a) * dh", "dx = f(a) * h"]),
}

SLIPS = {
    "multiplied where it is divided by": ("dx = a * b", "dx = b / a", Operator.OPERATION),
    "another axis, and not kept": (
        "dx = p * (d - (p * d).sum(0))",
        "dx = p * (d - (p * d).sum(1, keepdim=True))",
        Operator.AXIS,
    ),
    "joined along the first axis": ("dx = torch.cat([a, b])", "dx = torch.cat([a, b], dim=1)", Operator.AXIS),
    "a power of brackets": ("dx = d * (1 - h)**2", "dx = d * (1 - h**2)", Operator.BRACKETS),
    "a product of sums": ("dx = (a + b).T @ (d + h)", "dx = a.T @ d + b.T @ h", Operator.SUMS),
    "another tensor in one product": ("dx = d * h * (1 - h) + h", "dx = d * hpreact * (1 - hpreact) + h", Operator.NAME),
    "a product of sums among other factors": ("dx = d * a.sum(0) * h.sum(0)", "dx = (a * h).sum(0) * d", Operator.SUMS),
    "sums with names of their own": (
        "s = a.sum(0)\nt = h.sum(0)\ndx = s * t",
        "s = a.sum(0)\nt = h.sum(0)\ndx = (a * h).sum(0)",
        Operator.SUMS,
    ),
    "sums for a product of matrices": ("dx = a.sum(1) * h.sum(0)", "dx = a @ h", Operator.SUMS),
    "a loop that begins again": (
        "for i in r:\n    dx = f(i)",
        "if True:\n    dx = 0\n    for i in r:\n        dx += f(i)",
        Operator.ROUNDS,
    ),
    "a loop that makes it anew": (
        "for i in r:\n    dx = a.clone()\n    dx[i] += b",
        "if True:\n    dx = a.clone()\n    for i in r:\n        dx[i] += b",
        Operator.MADE_ANEW,
    ),
    "done in each round": (
        "for i in r:\n    dx[i] -= a\n    dx /= n",
        "if True:\n    for i in r:\n        dx[i] -= a\n    dx /= n",
        Operator.DONE_AGAIN,
    ),
    "entries with a name": ("t = dx[i, j]\nt -= 1", "t = dx[i, j]\ndx[i, j] -= 1", Operator.COPY),
    "entries of every row": ("dx[:, j] -= 1", "dx[torch.arange(len(dx)), j] -= 1", Operator.EVERY_ROW),
    "a name of its own": ("s = f(a)\ndx = a * s", "s = f(a)\ndx = s * s", Operator.NAME),
    "another index of the loop": (
        "for i in r:\n    for j in t:\n        dx[i] += a[j]",
        "for i in r:\n    for j in t:\n        dx[j] += a[j]",
        Operator.INDEX,
    ),
    "a number for an index": ("for i in r:\n    dx += a[0]", "for i in r:\n    dx += a[i]", Operator.INDEX),
    "two indices exchanged": (
        "for i in r:\n    for j in t:\n        dx[i, j] += a",
        "for i in r:\n    for j in t:\n        dx[j, i] += a",
        Operator.INDEX,
    ),
    "an index more": (
        "for i in r:\n    for j in t:\n        dx[i] += a",
        "for i in r:\n    for j in t:\n        dx[i, j] += a",
        Operator.INDEX,
    ),
    "in its own shape": ("dx = d.view(n, H, T).transpose(1, 2)", "dx = d.reshape(x.shape)", Operator.RESHAPE),
    "rows of a copy": ("dx[i][j] -= a", "dx[i, j] -= a", Operator.COPY),
    "entries of a copy": ("dx[i][:, j] = a", "dx[i, j] = a", Operator.COPY),
    "a slice that stays": (
        "for k in r:\n    dx[:, :T] += d[k]",
        "for k in r:\n    dx[:, k:k + T] += d[k]",
        Operator.UNSHIFTED,
    ),
    "blocks that begin one further": (
        "for k in r:\n    dx[:, k] = d[:, k:k + T]",
        "for k in r:\n    dx[:, k] = d[:, k * T:k * T + T]",
        Operator.BLOCKS,
    ),
    "exponentials without their sum": ("dx = d * torch.exp(a)", "dx = d * torch.softmax(a, 1)", Operator.ROW_SUM),
    "a product of named sums": ("s = d + h\ndx = (a + b).T @ s", "s = d + h\ndx = a.T @ d + b.T @ h", Operator.SUMS),
    "a product of what is summed": (
        "dx = a.sum(1).T @ d.sum(1)",
        "dx = a.flatten(0, 1).T @ d.flatten(0, 1)",
        Operator.SUMS,
    ),
    "a term without Bessel": ("dx = n * (d - a * b)", "dx = n * (d - n / (n - 1) * (a * b))", Operator.BESSEL),
    "a name for a part of a line": ("dx = f(a)", "dx = f(c + 1e-05)", Operator.NAME),
    "less than a part of a line": ("dx = f(c)", "dx = f(c + 1e-05)", Operator.PART),
    "flat the other way": ("dx = f(X.view(-1))", "dx = f(X.transpose(0, 1).reshape(-1))", Operator.RESHAPE),
    "reshaped, not transposed": ("dx = d.view(n, H, T)", "dx = d.view(n, T, H).transpose(1, 2)", Operator.RESHAPE),
    "in the shape of another": (
        "dx = d.reshape(q.shape)",
        "dx = d.reshape(q.transpose(0, 1).shape).transpose(0, 1)",
        Operator.RESHAPE,
    ),
    "an index of the first axis": ("dx = a[1]", "dx = a[:, 1]", Operator.AXIS),
    "an index of the second axis": ("dx = a[:, 1]", "dx = a[1]", Operator.AXIS),
    "a power without brackets": ("dx = d * (a + b**2)", "dx = d * (a + b)**2", Operator.BRACKETS),
}
"""What was written, what was meant, and what it is called."""

MORE = {
    "keepdim dropped": (Operator.KEEPDIM, "dx = a.sum(0, keepdim=True)", "dx = a.sum(0)"),
    "axis by name": (Operator.AXIS, "dx = a.sum(dim=1)", "dx = a.sum(dim=0)"),
    "axis of softmax": (Operator.AXIS, "dx = F.softmax(a, 1)", "dx = F.softmax(a, 0)"),
    "all axes at once": (Operator.AXIS, "dx = a.sum(0) * b.sum(0)", "dx = a.sum(1) * b.sum(1)"),
    "axes by name": (Operator.FEWER_AXES, "dx = a.sum(dim=(0, 1))", "dx = a.sum(dim=1)"),
    "the last axis": (Operator.AXIS, "dx = a.sum(-1)", "dx = a.sum(0)"),
    "an axis more of a mean": (
        Operator.MORE_AXES,
        "dx = torch.mean(a, 1, keepdim=True)",
        "dx = torch.mean(a, (0, 1), keepdim=True)",
    ),
    "an axis less everywhere": (Operator.FEWER_AXES, "dx = a.sum((0, 1)) * b.sum((0, 1))", "dx = a.sum(0) * b.sum(0)"),
    "sum of products": (Operator.SUMS, "dx = a.sum(0) * b.sum(0)", "dx = (a * b).sum(0)"),
    "a transposed product": (Operator.TRANSPOSE, "dx = a @ b", "dx = (a @ b).T"),
    "a factor of a tensor": (Operator.TRANSPOSE, "dx = a @ b", "dx = a @ b.T"),
    "accumulate in place": (Operator.OVERWRITE, "dx.index_copy_(0, i, a)", "dx.index_add_(0, i, a)"),
    "accumulate by keyword": (
        Operator.OVERWRITE,
        "dx.index_put_((i,), a, accumulate=False)",
        "dx.index_put_((i,), a, accumulate=True)",
    ),
    "add up": (Operator.OVERWRITE, "dx = a", "dx += a"),
    "the minus of an update": (Operator.SIGN, "dx += a", "dx -= a"),
    "an update that does nothing": (Operator.FACTOR, "dx *= a", "dx = dx"),
    "an update of an entry": (Operator.FACTOR, "dx[i] /= a", "dx[i] = dx[i]"),
    "one less": (Operator.BESSEL, "dx = a / (n - 1)", "dx = a / n"),
    "a square too few": (Operator.POWER, "dx = 1 - h", "dx = 1 - h ** 2"),
    "a factor too few in a sum": (Operator.EXTRA, "dx = (a * b).sum(0)", "dx = (a * b * h).sum(0)"),
}


OF_THREE = {
    "another axis": (Operator.AXIS, "dx = a.sum(1)", ["dx = a.sum(0)", "dx = a.sum(2)"]),
    "the last axis": (Operator.AXIS, "dx = a.sum(-1)", ["dx = a.sum(0)", "dx = a.sum(1)"]),
    "other axes": (Operator.AXIS, "dx = a.sum((0, 1))", ["dx = a.sum((0, 2))", "dx = a.sum((1, 2))"]),
    "axes in a list": (Operator.FEWER_AXES, "dx = a.mean([0, 2])", ["dx = a.mean(0)", "dx = a.mean(2)"]),
    "an axis more": (
        Operator.MORE_AXES,
        "dx = a.mean(-1)",
        ["dx = a.mean((0, 2))", "dx = a.mean((1, 2))", "dx = a.mean((0, 1, 2))"],
    ),
    "three axes in a call": (
        Operator.FLATTEN,
        "dx = torch.matmul(a.t(), b)",
        ["dx = a.flatten(0, 1).T @ b.flatten(0, 1)", "dx = a.T @ b.flatten(0, 1)", "dx = a.flatten(0, 1).T @ b"],
    ),
    "two axes of three": (Operator.SWAP, "dx = f(a).permute(2, 1, 0)", ["dx = f(a).mT", "dx = f(a)"]),
    "the last two axes": (Operator.SWAP, "dx = f(a).mT", ["dx = f(a)"]),
    "a factor": (Operator.SWAP, "dx = a @ f(b)", ["dx = a.mT @ f(b)"]),
    "no transpose": (Operator.FLATTEN, "dx = a @ b", []),
    "the right transpose": (Operator.FLATTEN, "dx = a.mT @ b", []),
}
THREE = {AXES: ["0", "1", "2"]}


def changed(source: str, operator: Operator) -> list[str]:
    others = {**ALTERNATIVES, **(THREE if operator in {Operator.FLATTEN, Operator.SWAP} else {})}
    return [mutant.source for mutant in mutants(parsed.parse_tree(source), others) if mutant.operator is operator]


@pytest.mark.parametrize(("operator", "source", "expected"), OF_THREE.values(), ids=OF_THREE)
def test_a_change_where_there_are_three_axes(operator: Operator, source: str, expected: list[str]) -> None:
    found = [mutant.source for mutant in mutants(parsed.parse_tree(source), THREE) if mutant.operator is operator]
    assert found == expected


def test_the_same_change_is_made_in_all_places_too() -> None:
    source = "dx = a.sum(0) * b.sum(0) + c.sum(1)"
    found = [mutant for mutant in mutants(parsed.parse_tree(source), THREE) if mutant.operator is Operator.MORE_AXES]
    everywhere = {mutant.source: mutant.place for mutant in found if mutant.is_repeated}
    assert everywhere == {
        "dx = a.sum((0, 1)) * b.sum((0, 1)) + c.sum((0, 1))": "a.sum(0)",
        "dx = a.sum((0, 2)) * b.sum((0, 2)) + c.sum((1, 2))": "a.sum(0)",
        "dx = a.sum((0, 1)) * b.sum((0, 1)) + c.sum(1)": "a.sum(0)",
        "dx = a.sum((0, 2)) * b.sum((0, 2)) + c.sum(1)": "a.sum(0)",
        "dx = a.sum((0, 1, 2)) * b.sum((0, 1, 2)) + c.sum((0, 1, 2))": "a.sum(0)",
        "dx = a.sum((0, 1, 2)) * b.sum((0, 1, 2)) + c.sum(1)": "a.sum(0)",
    }


def test_every_operator_has_one_row_and_a_sample() -> None:
    assert [operator for operator, _ in OPERATORS] == list(dict.fromkeys(operator for operator, _ in OPERATORS))
    assert {operator for operator, _ in OPERATORS} == set(SAMPLES)
    assert {*SAMPLES, *(operator for _, _, operator in SLIPS.values())} == set(Operator)


@pytest.mark.parametrize(
    ("operator", "source", "expected"),
    [(operator, *row) for operator, row in SAMPLES.items()],
    ids=SAMPLES,
)
def test_a_change_gives_what_it_says(operator: Operator, source: str, expected: list[str]) -> None:
    assert changed(source, operator) == expected


@pytest.mark.parametrize(("operator", "source", "expected"), MORE.values(), ids=MORE)
def test_a_change_is_made_in_other_forms_too(operator: Operator, source: str, expected: str) -> None:
    assert expected in changed(source, operator)


UNCHANGED = {
    "a keyword": (Operator.SIGN, "f(a, dim=-1)"),
    "a number of its own": (Operator.SIGN, "dx = 3"),
    "a name that is bound": (Operator.NAME, "h = 1"),
    "an attribute": (Operator.NAME, "a.h"),
    "an index": (Operator.AXIS, "dx = a[0]"),
    "the size of a view": (Operator.AXIS, "dx = a.view(1, 0)"),
    "a power": (Operator.NUMBER, "dx = a ** 2"),
    "a symbolic power": (Operator.NUMBER, "dx = a ** b"),
    "the axes of a permutation": (Operator.FEWER_AXES, "dx = a.permute((0, 1))"),
    "one axis in a tuple": (Operator.FEWER_AXES, "dx = a.sum((0,))"),
    "three axes where there are two": (Operator.FLATTEN, "dx = a.T @ b"),
    "the last two of two axes": (Operator.SWAP, "dx = a.T @ b"),
    "a sum without an axis": (Operator.KEEPDIM, "dx = a.sum()"),
    "an unknown name": (Operator.BESSEL, "dx = a / m"),
}


@pytest.mark.parametrize(("operator", "source"), UNCHANGED.values(), ids=UNCHANGED)
def test_what_it_is_not_about_is_left_alone(operator: Operator, source: str) -> None:
    found = [mutant.source for mutant in mutants(parsed.parse_tree(source), ALTERNATIVES) if mutant.operator is operator]
    assert found == []


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
    tree = parsed.parse_tree(source)
    before = ast.dump(tree, include_attributes=True)
    for mutant in mutants(tree, ALTERNATIVES):
        compile(mutant.tree, "<mutant>", "exec")
        ast.parse(mutant.source)
        assert mutant.tree is not tree
        assert mutant.before and mutant.place
    assert ast.dump(tree, include_attributes=True) == before


@pytest.mark.parametrize("source", FORMS[::7])
def test_the_same_code_gives_the_same_mutants_and_none_is_the_code_itself(source: str) -> None:
    def made() -> list[tuple[Operator, str, str, str, str]]:
        return [(e.operator, e.before, e.after, e.place, e.source) for e in mutants(parsed.parse_tree(source), ALTERNATIVES)]

    assert made() == made()


def test_an_iteration_that_is_left_leaves_the_tree_as_it_was() -> None:
    tree = parsed.parse_tree("dx = a * b + a.sum(0)")
    list(islice(mutants(tree, {}), 3))
    assert ast.unparse(tree) == "dx = a * b + a.sum(0)"


PLACES = {
    "a sign": ("dx += (a + b).exp()", Operator.SIGN, "dx += (a + b).exp()", "dx -= (a + b).exp()", "dx += (a + b).exp()"),
    "a name in a product": ("dx = h * b", Operator.NAME, "h", "hpreact", "h * b"),
    "an axis in a call": ("dx = a.sum(0) * 2", Operator.AXIS, "0", "1", "a.sum(0)"),
    "a mean in a call": ("dx = b * a.mean(0)", Operator.MEAN, "a.mean", "a.sum", "a.mean(0)"),
}


@pytest.mark.parametrize(("source", "operator", "before", "after", "place"), PLACES.values(), ids=PLACES)
def test_a_mutant_says_what_was_where(source: str, operator: Operator, before: str, after: str, place: str) -> None:
    mutant = next(mutant for mutant in mutants(parsed.parse_tree(source), ALTERNATIVES) if mutant.operator is operator)
    assert (mutant.before, mutant.after, mutant.place) == (before, after, place)


@pytest.mark.parametrize(("written", "meant", "operator"), SLIPS.values(), ids=SLIPS)
def test_a_slip_that_is_no_single_change_is_found(written: str, meant: str, operator: Operator) -> None:
    tree = parsed.parse_tree(written)
    kept = ast.dump(tree)
    meant = ast.unparse(ast.parse(meant))
    found = [*slips_of_statements(tree), *slips(tree, ALTERNATIVES), *with_parts_of_lines(tree, ALTERNATIVES)]
    assert [mutant.operator for mutant in found if mutant.source == meant] == [operator]
    assert all(mutant.source != meant for mutant in mutants(tree, ALTERNATIVES))
    assert ast.dump(tree) == kept
