"""The short form of `make fuzz`: changed messages of a real exam are messages, or documented errors."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from autograder.examiner import codec
from autograder.examiner.codec import Malformed, decode
from benchmarks import fuzz
from tests.support.fuzzing.decoder import EXAMPLES, SEEDS, Example, Opaque, check, crosses_again

SHORT = settings(max_examples=250, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
PLANTED = settings(SHORT, max_examples=2000, phases=[Phase.generate], report_multiple_bugs=False)


@SHORT
@given(EXAMPLES)
def test_a_changed_message_of_an_exam_is_a_message_or_an_error(example: Example) -> None:
    check(example)


def test_what_it_begins_with_are_messages_of_all_kinds() -> None:
    for text, blob in SEEDS:
        crosses_again(decode(text, blob, Opaque))
    texts = b"".join(text for text, _ in SEEDS)
    missing = [kind for kind in codec.READERS if f'["{kind}"'.encode() not in texts]
    assert missing == []
    asked = [
        b'"run"',
        b'"values"',
        b'"names"',
        b'"replay"',
        b'"operate"',
        b'"answer"',
        b'"callback"',
        b'"show"',
        b'"fork"',
        b'"give"',
    ]
    assert [question for question in asked if b'"ask",' + question not in texts] == []


@pytest.mark.parametrize("planted", ["another value", "an error that is not documented"])
def test_a_mistake_in_the_decoder_is_found(monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    if planted == "another value":
        wrong = codec.ATOMS["complex"]._replace(build=lambda real, imaginary: complex(imaginary, real))
        monkeypatch.setitem(codec.ATOMS, "complex", wrong)
    else:
        monkeypatch.setattr(codec, "Malformed", RuntimeError)
    with pytest.raises((AssertionError, RuntimeError)) as caught:
        PLANTED(given(EXAMPLES)(check))()
    assert not isinstance(caught.value, Malformed)


def test_what_make_fuzz_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.fuzz("decoder", 0.1)
    assert re.fullmatch(r"decoder: [1-9]\d* examples in \d+ s, and none failed\.\n", capsys.readouterr().out)
    monkeypatch.setattr(codec, "Malformed", RuntimeError)
    monkeypatch.setattr("sys.argv", ["fuzz", "decoder", "--seconds", "0.1"])
    with pytest.raises(SystemExit, match="1"):
        fuzz.main()
    said = capsys.readouterr()
    first, last = said.out.splitlines()
    assert re.fullmatch(r"decoder: example [1-9]\d* failed\. Looking for a smaller one …", first)
    assert re.fullmatch(r"decoder: it failed after \d+ s \(seed \d+\)\.", last)
    assert "RuntimeError: what came is no message" in said.err and "example=" in said.err
