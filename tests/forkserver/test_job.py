"""What crosses between a command and an examiner's process comes out as it went in."""

from __future__ import annotations

import json
from pathlib import Path

from autograder.examiner.exam import CellRecord, Exam, ExamResult, Hints, MapNode
from autograder.forkserver.job import MAX_PREFIX_CHARACTERS, Conditions, Job, Reply
from autograder.sandbox.limits import Limits
from autograder.verdict import Mistake, Outcome, Verdict

VERDICT = Verdict("da", Outcome.WRONG, "No.", notes=("a",), mistake=Mistake.SIGN, heat=("09", "90"))
MESSAGE = {"msg_type": "stream", "content": {"name": "stdout", "text": "a"}}


def job(prefix: list[list[str]]) -> Job:
    return Job(Exam([], {}, "secret", Limits(cell_seconds=3)), Path("/submission"), Path("/course"), {"A": "1"}, prefix)


def test_a_result_is_the_same_on_the_other_side() -> None:
    result = ExamResult(
        cells=[CellRecord([MESSAGE], "E: no", (VERDICT,)), CellRecord()],
        notes=["a note"],
        failures=["a failure"],
        seconds={"room": 0.5},
        maps={"b = a": [MapNode("b", ["c"], False)]},
        hints={"da": Hints(["Look."]), "dx": Hints(error="no `dx`")},
    )
    sent = Reply(result.as_dict()).packed()
    (back,) = [ExamResult.of(reply.result) for reply in [Reply.unpacked(sent)] if reply.result]
    assert back.cells == result.cells
    assert (back.notes, back.failures, back.seconds, back.maps) == (result.notes, result.failures, result.seconds, result.maps)
    assert [*back.hints["da"].said, back.hints["dx"].error] == ["Look.", "no `dx`"]


def test_a_failure_has_no_result() -> None:
    assert Reply.unpacked(Reply(failure="no", other_prefix=True).packed()) == Reply(None, "no", True)


def test_the_warm_process_is_told_how_to_run_cells_and_nothing_of_the_exam() -> None:
    packed = Conditions.of(job([["setup", "x = 1"]]), sandbox=True).packed()
    assert Conditions.unpacked(packed) == Conditions(Limits(cell_seconds=3), Path("/submission"), True, [["setup", "x = 1"]])
    assert json.loads(packed).keys() == {"limits", "folder", "sandbox", "prefix", "autograd"}


def test_an_opening_that_fits_in_no_packet_is_not_run_ahead() -> None:
    assert Conditions.of(job([["setup", "x" * MAX_PREFIX_CHARACTERS]]), sandbox=True).prefix == []
