from __future__ import annotations

from autograder.notebook.gradient_map import Status, chart
from tests.support.lesson import Lesson
from tests.support.maps import NOT_ATTEMPTED, RESIDUAL, RIGHT, SOFTMAX, WAITING, WRONG, all_of, tape


def test_the_gradients_come_in_the_order_of_the_backward_pass_and_leaves_after_the_line_that_reaches_them() -> None:
    graph = chart(tape(SOFTMAX), {})
    assert [node.name for node in graph.nodes] == [
        "loss",
        "dprobs",
        "dshare",
        "dtotal",
        "dcounts",
        "dlogits",
        "dW",
        "db",
        "dx",
    ]


def test_a_gradient_knows_what_comes_in_nearest_to_the_loss_first() -> None:
    through = {node.name: node.through for node in chart(tape(SOFTMAX), {}).nodes}
    assert through["loss"] == ()
    assert through["dprobs"] == ("loss",)
    assert through["dcounts"] == ("dprobs", "dtotal")
    assert through["db"] == ("dlogits",)


def test_a_leaf_of_two_lines_stands_after_the_one_that_comes_last() -> None:
    lines = {line.name: [leaf.name for leaf in leaves] for line, leaves in chart(tape(RESIDUAL), {}).lines}
    assert (lines["dtied"], lines["dadded"]) == ([], ["dWo"])
    assert lines["dq"] == ["dWq", "dx"]
    (tied,) = (node for node in chart(tape(RESIDUAL), {}).nodes if node.name == "dWo")
    assert tied.through == ("dtied", "dadded")


def test_every_gradient_is_there_once() -> None:
    for source in (SOFTMAX, RESIDUAL):
        forward = tape(source)
        names = [node.name for node in chart(forward, {}).nodes]
        assert sorted(names) == sorted([forward.loss, *all_of(forward, RIGHT)])


def test_the_edges_are_those_of_the_tape() -> None:
    forward = Lesson("1-every-gradient", solved=False).session.tape("C")
    uses = ((child, name) for name in forward.variables for child in forward.consumers(name))
    expected = {("loss" if child == "loss" else f"d{child}", f"d{name}") for child, name in uses}
    edges = chart(forward, {}).edges
    assert set(edges) == expected
    assert len(edges) == len(expected) == 30


def test_what_is_not_asked_for_is_not_counted() -> None:
    graph = chart(tape(SOFTMAX), {"dprobs": RIGHT, "dcounts": WRONG, "dW": NOT_ATTEMPTED, "db": NOT_ATTEMPTED, "dx": WAITING})
    assert graph.counts == {Status.RIGHT: 1, Status.WRONG: 1, Status.WAITING: 1, Status.NOT_ATTEMPTED: 2}
    assert graph.headline == "gradient map: 1 of 5 right, 1 wrong, 1 waiting, 2 not attempted"


def test_the_headline_names_no_state_that_none_is_in() -> None:
    forward = tape(SOFTMAX)
    assert chart(forward, all_of(forward, RIGHT)).headline == "gradient map: 8 of 8 right"
    assert chart(forward, all_of(forward, NOT_ATTEMPTED)).headline == "gradient map: 0 of 8 right, 8 not attempted"
