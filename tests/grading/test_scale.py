"""Submissions stream, and the projection adds up."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.grading.notebook_job import GradedNotebook
from benchmarks import scale
from benchmarks.scale import NOTEBOOKS, alone, projected
from tests.support.rooms import linux


@linux
@pytest.mark.long
@pytest.mark.timeout(240)
def test_ten_times_the_class_takes_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {name: GradedNotebook(record="x" * 2**20, grades={}, comments={}) for name in NOTEBOOKS}
    _, few = alone(tmp_path / "few", 20, outcomes)
    seconds, many = alone(tmp_path / "many", 200, outcomes)
    assert many < few + 30, "a record of a MiB for each of four notebooks would be 720 more"
    assert seconds < 60


def test_more_processors_take_less_until_the_coordinator_is_what_is_waited_for() -> None:
    services = [1.0, 3.0]
    assert projected(services, 0.0, 1, 1800) == pytest.approx(1, rel=0.05)
    assert projected(services, 0.0, 10, 1800) == pytest.approx(0.1, rel=0.05)
    assert projected(services, 0.01, 10_000, 3600) == pytest.approx(0.01, rel=0.1)
    assert tuple(sorted(scale.PROCESSORS)) == scale.PROCESSORS
