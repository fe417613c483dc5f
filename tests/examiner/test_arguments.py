"""What a function does to its arguments in another process is done to them here too."""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.examiner.arguments import Before, bring, parts, referred
from autograder.examiner.channel import Channel

NAN = float("nan")


def crossed(value: Any) -> Any:
    """What arrives in another process."""
    ours, theirs = socket.socketpair()
    here, there = Channel(ours, 2**20), Channel(theirs, 2**20)
    try:
        here.send({"value": value})
        return there.receive()["value"]
    finally:
        here.close()
        there.close()


def called(change: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """What a function that is called elsewhere returns here, and what was sent back of the arguments."""
    originals = list(parts(args))
    sent = crossed(args)
    before = Before(sent)
    answer = change(*sent)
    told = crossed({"changes": before.changes(), "value": before.refer(answer)})
    bring(originals, told["changes"])
    return referred(originals, told["value"]), told["changes"]


def resize(tensor: Tensor) -> None:
    tensor.data = torch.arange(3.0)


CHANGES: list[tuple[Any, Callable[[Any], Any]]] = [
    (torch.zeros(2, 3), lambda t: t.add_(1)),
    (torch.zeros(2, 3), lambda t: t.data.fill_(7)),
    (torch.zeros(2, 3), lambda t: t[:, 1].mul_(0).add_(5)),
    (torch.zeros(2, 3), lambda t: t.view(-1).__setitem__(4, 9.0)),
    (torch.ones(2), lambda t: t.fill_(NAN)),
    (torch.full((2,), NAN), lambda t: t.zero_()),
    (torch.tensor([0.0, NAN]), lambda t: t.__setitem__(0, 1.0)),
    (torch.zeros(2), resize),
    (torch.zeros(2), lambda t: t.resize_(0)),
    (torch.zeros(2, 3), lambda t: t.t_()),
    (torch.zeros(2, dtype=torch.int64), lambda t: t.add_(3)),
    (torch.ones(2, requires_grad=True), lambda t: t.data.zero_()),
    (np.zeros(3), lambda a: a.__iadd__(1)),
    (np.array([1.0, NAN]), lambda a: a.fill(NAN)),
    (np.array([1, 2]), lambda a: a.__setitem__(0, 3)),
    ([1], lambda x: x.append(2)),
    ([3, 1, 2], lambda x: x.sort()),
    ([1, 2], lambda x: x.clear()),
    ([1, 2, 3], lambda x: x.reverse()),
    ([[1], [2]], lambda x: x[1].append(3)),
    ([torch.zeros(2)], lambda x: x[0].add_(1)),
    ([torch.zeros(2)], lambda x: x.__setitem__(0, torch.ones(3))),
    ((torch.zeros(2), [1]), lambda x: (x[0].add_(1), x[1].pop())),
    ({"a": 1}, lambda d: d.update(b=2)),
    ({"a": 1, "b": 2}, lambda d: d.pop("a")),
    ({"a": 1, "b": 2}, lambda d: d.update(a=d.pop("a"))),
    ({"a": torch.zeros(2)}, lambda d: d["a"].add_(1)),
    ({"a": [1]}, lambda d: d.update(a=[2])),
    ({1, 2}, lambda s: s.add(3)),
    ({1, 2}, lambda s: s.discard(1)),
]


def alike(left: Any, right: Any) -> bool:
    """Equal all the way down, in the same order; nan equals nan."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Tensor):
        return left.shape == right.shape and bool(torch.allclose(left.double(), right.double(), 0, 0, equal_nan=True))
    if isinstance(left, np.ndarray):
        return bool(np.array_equal(left, right, equal_nan=left.dtype.kind == "f"))
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, dict):
        return alike(list(left), list(right)) and alike(list(left.values()), list(right.values()))
    return bool(left == right)


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_change_in_place_is_carried_back(number: int) -> None:
    value, change = copy.deepcopy(CHANGES[number][0]), CHANGES[number][1]
    expected = copy.deepcopy(value)
    change(expected)
    was = copy.deepcopy(value)
    _, told = called(change, value)
    assert alike(value, expected), value
    assert not alike(value, was)
    assert told


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_nothing_is_sent_of_what_did_not_change(number: int) -> None:
    value = copy.deepcopy(CHANGES[number][0])
    _, told = called(lambda _: None, value)
    assert told == []
    assert alike(value, CHANGES[number][0])


def test_a_change_of_a_bytearray_is_carried_back() -> None:
    original, there = bytearray(b"ab"), bytearray(b"ab")
    before = Before([there])
    assert before.changes() == []
    there.extend(b"c")
    bring(list(parts([original])), before.changes())
    assert original == b"abc"


def test_what_becomes_its_old_self_again_is_not_sent() -> None:
    def there_and_back(tensor: Tensor, items: list[int]) -> None:
        tensor.add_(1).sub_(1)
        items.append(items.pop())

    assert called(there_and_back, torch.zeros(2), [1, 2])[1] == []


def test_only_the_part_that_changed_is_sent() -> None:
    big = torch.zeros(1000)
    _, told = called(lambda items: items[1].append(1), [big, []])
    assert told == [(2, [{"new": 1}])]


def test_a_tensor_that_moves_in_a_list_stays_the_same_tensor() -> None:
    one, two = torch.ones(1), torch.ones(2)
    items = [one, two]
    called(lambda items: items.reverse(), items)
    assert items[0] is two
    assert items[1] is one


def test_one_tensor_may_stand_in_a_list_twice_afterwards() -> None:
    one, items = torch.ones(1), [1, 2]

    def put(tensor: Tensor, items: list[Any]) -> None:
        items[:] = [tensor, tensor.add_(1)]

    called(put, one, items)
    assert items[0] is one
    assert items[1] is one
    assert one.item() == 2


def test_one_tensor_twice_in_the_arguments_takes_the_change_of_either() -> None:
    for place in (0, 1):
        tensor = torch.zeros(2)
        called(lambda items, place=place: items[place].add_(3), [tensor, tensor])
        assert tensor.tolist() == [3, 3]


def test_an_argument_that_is_returned_is_the_same_object_here() -> None:
    tensor, items = torch.zeros(2), [1]
    assert called(lambda t, _: t.add_(1), tensor, items)[0] is tensor
    assert called(lambda _, x: x, tensor, items)[0] is items
    assert called(lambda t, _: t + 1, tensor, items)[0] is not tensor


def test_a_leaf_stays_a_leaf_and_a_view_shows_the_change() -> None:
    leaf = torch.zeros(2, requires_grad=True)
    whole = torch.zeros(4)
    called(lambda t, v: (t.data.add_(1), v.add_(2)), leaf, whole[:2])
    assert leaf.is_leaf
    assert leaf.requires_grad
    assert leaf.tolist() == [1, 1]
    assert whole.tolist() == [2, 2, 0, 0]


def test_a_tensor_that_cannot_be_written_is_left_alone_unless_it_changed() -> None:
    narrow = torch.full((1,), NAN).expand(3)
    assert called(lambda _: None, narrow)[1] == []


FITS_NOT: list[tuple[list[Any], Any]] = [
    ([torch.zeros(2)], [(0, "no tensor")]),
    ([torch.zeros(2)], [(0, torch.zeros(2, dtype=torch.int64))]),
    ([torch.zeros(2)], [(1, torch.zeros(2))]),
    ([torch.zeros(2)], ["nonsense"]),
    ([torch.zeros(2)], [5]),
    ([torch.zeros(1).expand(2)], [(0, torch.ones(2))]),
    ([np.zeros(2)], [(0, np.zeros(3))]),
    ([[1]], [(0, 7)]),
    ([[1]], [(0, [{}])]),
    ([[1]], [(0, [{"old": 9}])]),
    ([{}], [(0, [1])]),
    ([{}], [(0, [({"new": []}, {"new": 1})])]),
    ([set()], [(0, [{"new": []}])]),
    ([bytearray()], [(0, "text")]),
]


@pytest.mark.parametrize(("originals", "changes"), FITS_NOT)
def test_changes_that_do_not_fit_are_refused(originals: list[Any], changes: Any) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, RuntimeError)):
        bring(originals, changes)


def test_numbers_of_a_refused_change_leave_other_objects_alone() -> None:
    items: list[Any] = [1]
    with pytest.raises(LookupError):
        bring([items], [(0, [{"new": 2}, {"old": 5}])])
    assert items == [1]
