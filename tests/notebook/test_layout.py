from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given

from autograder.notebook.gradient_map import GradientMap, chart, chart_of_asks
from autograder.notebook.map_view import ABREAST, Layout, Place, arrange
from tests.support.lesson import Lesson
from tests.support.maps import RESIDUAL, SOFTMAX, any_map, tape


@pytest.fixture(scope="module")
def flagship() -> GradientMap:
    return chart(Lesson("1-every-gradient", solved=False).session.tape("C"), {})


def passed(layout: Layout) -> list[tuple[int, Place]]:
    """Every place that an edge passes on its way, with the number of the edge."""
    found: list[tuple[int, Place]] = []
    for number, path in enumerate(layout.paths):
        for (lane, top), (_, bottom) in pairwise(path):
            found += [(number, Place(lane, row)) for row in range(top, bottom)]
    return [(number, place) for number, place in dict.fromkeys(found) if place != layout.paths[number][0]]


def hold(graph: GradientMap) -> None:
    """Asserts what holds of the layout of any map."""
    layout = arrange(graph)
    assert layout.places.keys() == {node.name for node in graph.nodes}
    taken = list(layout.places.values())
    assert len(set(taken)) == len(taken)
    assert layout.places["loss"] == (layout.spines[0], 0)
    ends = [(layout.places[start], layout.places[end]) for start, end in graph.edges]
    assert [(path[0], path[-1]) for path in layout.paths] == ends
    for path in layout.paths:
        for before, after in pairwise(path):
            assert before.row < after.row or (before == after and before in path[1:-1])
            assert before.lane == after.lane or after.row == before.row + 1
    for _, place in passed(layout):
        assert place not in taken
    ways = [place for _, place in passed(layout)]
    assert len(set(ways)) == len(ways)
    assert {place.lane for place in (*taken, *ways)} == set(range(max(place.lane for place in (*taken, *ways)) + 1))


@given(any_map())
def test_nothing_overlaps_and_every_edge_goes_down(graph: GradientMap) -> None:
    hold(graph)


@pytest.mark.parametrize("source", [SOFTMAX, RESIDUAL])
def test_so_it_is_with_real_forward_passes(source: str) -> None:
    hold(chart(tape(source), {}))


def test_so_it_is_with_notebook_1(flagship: GradientMap) -> None:
    hold(flagship)


def test_a_row_is_the_longest_way_from_the_loss(flagship: GradientMap) -> None:
    layout = arrange(flagship)
    for node in flagship.nodes[1:]:
        assert layout.places[node.name].row == 1 + max(layout.places[name].row for name in node.through)
    assert layout.rows == 21


def test_notebook_1_runs_straight_down_with_detours_to_the_left_and_parameters_to_the_right(flagship: GradientMap) -> None:
    layout = arrange(flagship)
    lanes: dict[int, list[str]] = {}
    for name, place in sorted(layout.places.items(), key=lambda item: item[1].row):
        lanes.setdefault(place.lane, []).append(name)
    assert set(layout.spines) == {1}
    spine = "loss logprobs probs counts norm_logits logits h hpreact bnraw bndiff hprebn embcat emb C"
    assert lanes == {
        0: ["dcounts_sum_inv", "dcounts_sum", "dlogit_maxes", "dbnvar_inv", "dbnvar", "dbndiff2", "dbnmeani"],
        1: spine.replace(" ", " d").split(),
        2: ["dW2", "dbnbias", "dW1"],
        3: ["db2", "dbngain", "db1"],
    }
    assert all(len(path) == 2 for path in layout.paths)


def test_a_parameter_stands_beside_the_line_that_uses_it(flagship: GradientMap) -> None:
    rows = {name: place.row for name, place in arrange(flagship).places.items()}
    assert rows["dW2"] == rows["db2"] == rows["dh"] == rows["dlogits"] + 1


def test_an_edge_that_passes_gradients_has_a_lane_of_its_own() -> None:
    graph = chart(tape(RESIDUAL), {})
    long = [path for path in arrange(graph).paths if len(path) == 4]
    assert long
    for _, enter, leave, _ in long:
        assert enter.lane == leave.lane


def test_what_no_edge_joins_stands_side_by_side_in_its_order_and_the_rest_below() -> None:
    layers = ["Embedding", "Linear", "Tanh", "FlattenConsecutive", "BatchNorm1d"]
    asks = {name: through for layer in layers for name, through in ((layer, ()), (f"{layer}.backward", (layer,)))}
    layout = arrange(chart_of_asks(asks, {}))
    assert layout.places == {
        name: Place(number // 2 % ABREAST, 2 * (number // 2 // ABREAST) + number % 2) for number, name in enumerate(asks)
    }
    assert layout.paths == tuple((layout.places[layer], layout.places[f"{layer}.backward"]) for layer in layers)


def test_a_part_that_is_joined_late_is_one_part() -> None:
    """`both` joins two that would stand apart, with another between them; the wide part is as wide as it has to be."""
    layout = arrange(chart_of_asks({"a": (), "between": (), "b": (), "both": ("a", "b"), "last": ()}, {}))
    assert layout.places["both"].row == 1
    assert {name: place.row for name, place in layout.places.items() if name != "both"} == dict.fromkeys(
        ("a", "b", "between"), 0
    ) | {"last": 2}
    assert len(set(layout.places.values())) == 5
