from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.tape.cases import Case, step_cases, step_reference, whole_cases
from autograder.tape.tape import Tape, record
from tests.support.lesson import Lesson

ROWS = 10

LINES = """\
logits = C[X] @ W
probs = F.softmax(logits, 1)
logprobs = probs.log()
loss = -logprobs[range(n), Y].sum() / n
"""


def recorded(rows: int = ROWS, batch: tuple[str, ...] = ("n", "X", "Y")) -> Tape:
    generator = torch.Generator().manual_seed(1)
    namespace = {
        "C": torch.randn((6, 3), generator=generator),
        "W": torch.randn((3, 4), generator=generator),
        "X": torch.randint(0, 6, (rows,), generator=generator),
        "Y": torch.randint(0, 4, (rows,), generator=generator),
        "n": rows,
        "F": F,
    }
    return record(LINES, namespace, batch)


@pytest.fixture(scope="module")
def tape() -> Tape:
    return recorded()


@pytest.fixture(scope="module")
def causal() -> Tape:
    """Attention with a causal mask, on 8 rows of 3 positions, and with a bias that goes around the mask."""
    lines = """\
scores = q @ k.transpose(1, 2)
masked = scores.masked_fill(~mask, -torch.inf) + bias
weights = masked.softmax(2)
mixed = weights @ v
loss = (mixed**2).sum() / n
"""
    generator = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn((8, 3, 4), generator=generator) for _ in range(3))
    mask = torch.ones(3, 3).tril().bool()
    namespace = {"q": q, "k": k, "v": v, "bias": torch.zeros(8, 3, 3), "mask": mask, "n": 8, "torch": torch}
    return record(lines, namespace, ["n", "q", "k", "v", "bias"])


def numbers(cases: Iterable[Case]) -> list[float]:
    """Everything in the cases, in order."""
    values = [value for case in cases for value in (*case.incoming.values(), *case.state.values())]
    return [float(entry) for value in values if isinstance(value, Tensor) for entry in value.flatten()]


def assert_consistent(tape: Tape, case: Case) -> None:
    again = tape.forward({name: case.state[name] for name in tape.given})
    for name in (*tape.variables, *tape.batch):
        assert torch.equal(torch.as_tensor(again[name]), torch.as_tensor(case.state[name])), name


class TestSteps:
    def test_the_same_seed_gives_the_same_cases(self, tape: Tape) -> None:
        assert numbers(step_cases(tape, "logits", "seed", 2, 3)) == numbers(step_cases(tape, "logits", "seed", 2, 3))

    def test_another_seed_gives_other_cases(self, tape: Tape) -> None:
        one, other = ([case.rows for case in step_cases(tape, "logits", seed, 0, 20)] for seed in ("seed", "another"))
        assert one != other

    def test_another_variable_has_the_same_states_and_something_else_coming_in(self, tape: Tape) -> None:
        one, other = (list(step_cases(tape, variable, "seed", 2, 3)) for variable in ("logits", "probs"))
        assert all(a.state is b.state and a.others is b.others for a, b in zip(one, other, strict=True))
        assert {name for case in one for name in case.incoming} == {"probs"}
        assert {name for case in other for name in case.incoming} == {"logprobs"}

    def test_what_comes_in_differs_from_case_to_case(self, tape: Tape) -> None:
        first, second = (case.incoming["probs"] for case in step_cases(tape, "logits", "seed", own=2, resampled=0))
        assert not torch.equal(first, second)

    def test_the_notebooks_own_state_comes_first_and_then_fewer_rows(self, tape: Tape) -> None:
        rows = [case.rows for case in step_cases(tape, "logits", "seed", own=2, resampled=3)]
        assert rows[:2] == [None, None]
        assert all(count is not None for count in rows[2:])
        assert len(rows) == 5

    def test_the_rows_are_half_of_the_minibatch_to_all_without_a_largest_index(self, tape: Tape) -> None:
        cases = list(step_cases(tape, "logits", "seed", own=0, resampled=100))
        assert {case.rows for case in cases} == {5, 6, 7, 8}
        for name in ("X", "Y"):
            assert max(int(case.state[name].max()) for case in cases) < int(tape.given[name].max())

    def test_without_an_index_the_rows_are_up_to_all_but_one(self) -> None:
        tape = record("loss = (x * 2).sum() / n", {"x": torch.ones(10, 2), "n": 10}, ["n", "x"])
        assert {case.rows for case in step_cases(tape, "x", "seed", own=0, resampled=100)} == {5, 6, 7, 8, 9}

    def test_other_gradients_of_a_resampled_minibatch_fit_it(self, tape: Tape) -> None:
        own, fewer = step_cases(tape, "logits", "seed")
        assert own.others == {}
        assert fewer.others.keys() == {"C", "W", "logits", "probs", "logprobs"}
        assert all(value.shape == fewer.state[name].shape for name, value in fewer.others.items())

    @pytest.mark.parametrize(("rows", "expected"), [(3, set()), (4, {3}), (5, {3}), (6, {3, 4})])
    def test_there_are_never_fewer_rows_than_three(self, rows: int, expected: set[int]) -> None:
        assert {case.rows for case in step_cases(recorded(rows), "logits", "seed", own=0, resampled=30)} == expected

    def test_without_a_named_batch_there_is_the_notebooks_own_state_only(self) -> None:
        tape = recorded(batch=())
        assert [case.rows for case in step_cases(tape, "logits", "seed", own=1, resampled=3)] == [None]

    def test_a_state_of_fewer_rows_is_a_forward_pass_on_rows_of_the_minibatch(self, tape: Tape) -> None:
        own = {(int(x), int(y)) for x, y in zip(tape.given["X"], tape.given["Y"], strict=True)}
        for case in step_cases(tape, "logits", "seed", own=0, resampled=5):
            assert case.state["n"] == len(case.state["X"]) == case.rows
            assert case.state["probs"].shape == (case.rows, 4)
            assert {(int(x), int(y)) for x, y in zip(case.state["X"], case.state["Y"], strict=True)} <= own
            assert_consistent(tape, case)

    def test_there_is_a_gradient_for_each_consumer_in_its_shape_and_dtype(self, tape: Tape) -> None:
        for case in step_cases(tape, "logits", "seed"):
            assert case.incoming.keys() == {"probs"}
            assert case.incoming["probs"].shape == case.state["probs"].shape
            assert case.incoming["probs"].dtype == torch.float32

    def test_what_comes_in_is_zero_exactly_where_the_true_gradient_is(self, tape: Tape) -> None:
        for case in step_cases(tape, "probs", "seed"):
            labels = F.one_hot(case.state["Y"], 4).bool()
            assert torch.equal(case.incoming["logprobs"] != 0, labels)

    def test_what_comes_in_is_standard_normal_and_not_the_true_gradient(self, tape: Tape) -> None:
        cases = step_cases(tape, "C", "seed", own=200, resampled=0)
        entries = torch.cat([case.incoming["logits"].flatten() for case in cases])
        assert abs(float(entries.mean())) < 0.05
        assert abs(float(entries.std()) - 1) < 0.05

    def test_where_the_true_gradient_is_zero_everywhere_something_comes_in_everywhere(self) -> None:
        tape = record("a = x * 2\nb = a * 0\nloss = b.sum()", {"x": torch.ones(3, 2)})
        (case,) = step_cases(tape, "x", "seed")
        assert bool((case.incoming["a"] != 0).all())

    def test_something_comes_in_where_the_line_itself_switches_entries_off(self, causal: Tape) -> None:
        for case in step_cases(causal, "scores", "seed", own=1, resampled=2):
            true = causal.gradients(case.state)["masked"]
            upper = torch.ones(3, 3).triu(1).bool()
            assert not bool((true * upper).any())
            assert torch.equal(case.incoming["masked"] != 0, (true != 0) | upper)

    def test_zeros_of_a_mask_are_kept_for_all_other_answers(self, causal: Tape) -> None:
        for case in step_cases(causal, "q", "seed", own=1, resampled=2):
            true = causal.gradients(case.state)["scores"]
            assert not bool(true.triu(1).any())
            assert torch.equal(case.incoming["scores"] != 0, true != 0)

    def test_what_comes_in_elsewhere_does_not_depend_on_the_mask(self, causal: Tape) -> None:
        lower = torch.ones(3, 3).tril().bool()
        through, past = (list(step_cases(causal, name, "seed", own=1, resampled=2)) for name in ("scores", "bias"))
        for one, other in zip(through, past, strict=True):
            assert torch.equal(one.incoming["masked"] * lower, other.incoming["masked"])

    def test_where_the_true_gradient_and_the_line_are_zero_the_right_one_is_finite(self, causal: Tape) -> None:
        for name in causal.variables[:-1]:
            for case in step_cases(causal, name, "seed", own=1, resampled=2):
                assert bool(step_reference(causal, name, case).exact.isfinite().all()), name

    def test_the_gradient_of_the_loss_is_always_one(self, tape: Tape) -> None:
        for case in step_cases(tape, "logprobs", "seed", own=2, resampled=2):
            assert torch.equal(case.incoming["loss"], torch.tensor(1.0))

    def test_random_numbers_of_the_notebook_are_not_used_up(self, tape: Tape) -> None:
        before = torch.get_rng_state()
        numbers(step_cases(tape, "logits", "seed"))
        assert torch.equal(torch.get_rng_state(), before)


class TestWholePasses:
    def test_the_same_seed_gives_the_same_cases(self, tape: Tape) -> None:
        assert numbers(whole_cases(tape, "seed")) == numbers(whole_cases(tape, "seed"))
        assert numbers(whole_cases(tape, "seed")) != numbers(whole_cases(tape, "another"))

    def test_the_notebooks_own_state_comes_first_and_then_fewer_rows_and_then_twice_as_many(self, tape: Tape) -> None:
        own, fewer, twice = whole_cases(tape, "seed")
        assert own.rows is None
        assert own.state is tape.state
        assert fewer.rows in range(5, 10)
        assert twice.rows == 20

    def test_nothing_comes_in(self, tape: Tape) -> None:
        assert all(case.incoming == {} for case in whole_cases(tape, "seed"))

    def test_the_leaves_are_moved_by_about_their_own_size(self, tape: Tape) -> None:
        _, *others, small = whole_cases(tape, "seed", resampled=4)
        for case in others:
            for name in ("C", "W"):
                distance = float((case.state[name] - tape.given[name]).abs().mean())
                size = float(tape.given[name].abs().mean())
                assert 0.1 * size < distance < size
                assert float(small.state[name].abs().mean()) < 0.1 * size

    @pytest.mark.parametrize("seed", ["one", "another"])
    def test_the_leaves_of_the_last_make_the_constant_of_the_course_matter(self, seed: str) -> None:
        """The variance of some unit is near the constant beside it, and elsewhere far from it."""
        (tape,) = Lesson("4-train", solved=False).session.tapes.values()
        nearest = [float((case.state["hprebn"].var(0) / 1e-5).min()) for case in whole_cases(tape, seed)]
        assert nearest[-1] < 5 < 1000 < min(nearest[:-1])

    @pytest.mark.parametrize(("resampled", "rows"), [(1, [20]), (2, [None, 20]), (3, [None, None, 20])])
    def test_the_last_of_any_number_has_twice_as_many_rows(self, tape: Tape, resampled: int, rows: list[int | None]) -> None:
        found = [case.rows for case in whole_cases(tape, "seed", own=0, resampled=resampled)]
        assert [count if count == 20 else None for count in found] == rows

    def test_the_rows_of_the_last_do_not_have_the_mean_of_the_minibatch(self) -> None:
        """A function that reads the minibatch from outside would be right on them."""
        tape = record("y = x * b\nloss = y.sum() / n", {"x": torch.arange(8), "b": torch.ones(1), "n": 8}, ["n", "x"])
        (twice,) = whole_cases(tape, "seed", own=0, resampled=1)
        assert twice.state["x"].bincount().tolist() == [3, 3, 3, 3, 1, 1, 1, 1]

    def test_leaves_of_zeros_are_moved_too(self) -> None:
        tape = record("y = x * b\nloss = y.sum() / n", {"x": torch.arange(8), "b": torch.zeros(1), "n": 8}, ["n", "x"])
        _, *others = whole_cases(tape, "seed")
        assert all(bool((case.state["b"] != 0).all()) for case in others)

    def test_the_states_are_consistent(self, tape: Tape) -> None:
        for case in whole_cases(tape, "seed"):
            assert_consistent(tape, case)
            if case.rows is not None:
                assert case.state["n"] == len(case.state["X"]) == len(case.state["Y"]) == case.rows

    def test_a_minibatch_of_floating_point_numbers_has_the_rows_of_the_case(self) -> None:
        namespace = {"x": torch.randn(8, 2, generator=torch.Generator().manual_seed(0)), "w": torch.ones(2), "n": 8}
        tape = record("y = x @ w\nloss = (y**2).sum() / n", namespace, ["n", "x"])
        _, fewer, twice = whole_cases(tape, "seed")
        assert len(fewer.state["y"]) == fewer.rows
        assert len(twice.state["y"]) == twice.rows == 16

    def test_without_a_named_batch_there_is_the_notebooks_own_state_only(self) -> None:
        assert [case.rows for case in whole_cases(recorded(batch=()), "seed")] == [None]
