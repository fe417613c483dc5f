"""Limits of time that a process sets itself."""

from __future__ import annotations

import gc
import time

import pytest

from autograder.sandbox import limits
from autograder.sandbox.limits import OutOfTime, ended_after


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_time_that_is_up_while_python_collects_garbage_is_up_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python drops what is raised there."""
    monkeypatch.setattr(limits, "AGAIN", 0.2)

    class Slow:
        def __del__(self) -> None:
            work(0.3)

    def work(seconds: float) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    slow = Slow()
    vars(slow)["itself"] = slow
    del slow
    with pytest.raises(OutOfTime), ended_after(0.1):
        gc.collect()
        work(5)
