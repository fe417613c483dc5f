from __future__ import annotations

from autograder.judge.crashes import explain
from tests.support.lesson import Lesson

STEPS = "1-every-gradient"


def test_a_crash_is_explained() -> None:
    here = Lesson(STEPS)
    source = "dW2 = h @ dlogits"
    result, _ = here.run(source)
    cause = explain(result.error_in_exec, source, here.session.runs[-1].stop, here.session.namespace, (), "dW2", (64, 27))
    assert cause is not None
    assert cause.sentence == (
        "`h` is (32, 64) and `dlogits` is (32, 27): the last size of the left one must be the first of the right one. "
        "`dW2` has to be (64, 27)."
    )
