"""The short form of `make fuzz`: any file becomes a notebook of the release, with the answers that stood in it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from autograder.grading import restore
from tests.support.fuzzing.notebooks import EXAMPLES, check

SHORT = settings(max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
PLANTED = settings(SHORT, max_examples=2000, phases=[Phase.generate], report_multiple_bugs=False)
pytestmark = [pytest.mark.timeout(200), pytest.mark.filterwarnings("ignore")]  # of nbformat, about what is wrong


@SHORT
@given(EXAMPLES)
def test_a_changed_notebook_is_one_of_the_release(example: tuple[int, bytes]) -> None:
    check(example)


def test_a_mistake_in_restoring_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "_missing", lambda original, with_id: ())
    with pytest.raises(AssertionError):
        PLANTED(given(EXAMPLES)(check))()
