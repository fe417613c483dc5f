"""For how long a mistake is looked for."""

from __future__ import annotations

import pytest

from autograder.diagnosis import budget
from autograder.diagnosis.budget import BACKSTOP, UNLIMITED, Budget
from autograder.diagnosis.repair import repair


class Clock:
    """A processor and a wall clock that go on as a test says."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.processor, self.wall = 100.0, 2000.0
        patch.setattr(budget, "thread_time", lambda: self.processor)
        patch.setattr(budget, "monotonic", lambda: self.wall)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_time_of_the_processor_is_what_counts(clock: Clock) -> None:
    one = Budget.of(1.0)
    clock.processor += 0.99
    assert not one.spent
    clock.processor += 0.02
    assert one.spent


def test_a_busy_machine_takes_nothing_off_until_somebody_would_wait_too_long(clock: Clock) -> None:
    one = Budget.of(1.0)
    clock.wall += BACKSTOP - 0.01
    assert not one.spent
    clock.wall += 0.02
    assert one.spent


def test_without_a_limit_it_is_never_spent(clock: Clock) -> None:
    clock.processor = clock.wall = 1e300
    assert not UNLIMITED.spent


def test_a_search_ends_when_its_budget_is_spent(clock: Clock) -> None:
    tried = []

    def is_right(cell: object) -> bool:
        tried.append(cell)
        clock.processor += 0.4
        return False

    assert repair("dx = a * b + c * d - e", {}, is_right, Budget.of(1.0)) is None
    assert len(tried) == 3
