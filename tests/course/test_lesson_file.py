"""How a `lesson.toml` is read, and what of it a gradient gets."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from autograder.course.lesson import Advice, KnownMistake, advice, load_lesson
from autograder.course.order import LESSON_FILE
from autograder.diagnosis.diagnose import diagnose
from autograder.diagnosis.evidence import Evidence, evidence_of
from autograder.errors import ContentError
from autograder.tape.cases import step_cases
from autograder.tape.tape import Tape, record
from scripts.submissions import ROOT, SOURCE
from tests.support.lesson import Lesson

TOML = """\
[[gradient]]
name = "dx"
through = ["b", "a"]
hints = ["Two lines read it.", "Add up."]

[[gradient.mistake]]
formula = "da.sin() + db"
sentence = "A sine is in it."
next = "Take it out."

[[gradient]]
name = "dx"
through = ["a"]

[[gradient]]
name = "da"
through = ["loss"]
hints = ["Each entry counts once."]
"""

Written = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A folder with such a lesson in it."""

    def write(text: str) -> Path:
        (tmp_path / LESSON_FILE).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def tape() -> Tape:
    x = torch.randn((4, 3), generator=torch.Generator().manual_seed(0))
    return record("a = x * 2\nb = x.exp()\nloss = (a + b).sum()", {"x": x})


def evidence(answer: Tensor | None = None) -> Evidence:
    recorded = tape()
    (case,) = step_cases(recorded, "x", "seed", own=1, resampled=0)
    given = case.incoming["a"].sin() + case.incoming["b"] if answer is None else answer
    return evidence_of(given, recorded, "x", case, {})


SINE = KnownMistake("da.sin() + db", "A sine is in it.", "Take it out.")


def test_a_row_belongs_to_a_gradient_by_its_name_and_by_what_reads_the_variable(written: Written) -> None:
    folder = written(TOML)
    assert advice(folder, tape(), "x") == Advice("dx", frozenset({"a", "b"}), ("Two lines read it.", "Add up."), (SINE,))
    assert advice(folder, tape(), "a") == Advice("da", frozenset({"loss"}), ("Each entry counts once.",))
    once = record("a = x * 2\nloss = a.sum()", {"x": torch.ones(2)})
    assert advice(folder, once, "x") == Advice("dx", frozenset({"a"}))


def test_a_gradient_without_a_row_gets_nothing(written: Written) -> None:
    assert advice(written(TOML), tape(), "b") == Advice("db", frozenset({"loss"}))
    assert advice(written(""), tape(), "x") == Advice("dx", frozenset({"a", "b"}))


def test_a_folder_without_a_lesson_gives_nothing(tmp_path: Path) -> None:
    assert advice(tmp_path, tape(), "x") == Advice("dx", frozenset({"a", "b"}))
    (tmp_path / LESSON_FILE).mkdir()
    assert advice(tmp_path, tape(), "x") == Advice("dx", frozenset({"a", "b"}))


BROKEN = {
    "not TOML": "[[gradient]\n",
    "no name": '[[gradient]]\nthrough = ["a"]',
    "no consumers": '[[gradient]]\nname = "dx"',
    "no formula": '[[gradient]]\nname = "dx"\nthrough = ["a"]\n[[gradient.mistake]]\nsentence = "s"\nnext = "n"',
    "no sentence": '[[gradient]]\nname = "dx"\nthrough = ["a"]\n[[gradient.mistake]]\nformula = "da"\nnext = "n"',
    "no next step": '[[gradient]]\nname = "dx"\nthrough = ["a"]\n[[gradient.mistake]]\nformula = "da"\nsentence = "s"',
    "a number for the rows": "gradient = 3",
    "numbers for rows": "gradient = [1, 2]",
    "a number for the consumers": '[[gradient]]\nname = "dx"\nthrough = 3',
    "a table for the rows": '[gradient]\nname = "dx"\nthrough = ["a"]',
    "text for the rows": 'gradient = "dx"',
    "text for the mistakes": '[[gradient]]\nname = "dx"\nthrough = ["a"]\nmistake = "da"',
    "a text for the part": 'part = "four"',
    "a number for the hints": '[[gradient]]\nname = "dx"\nthrough = ["a"]\nhints = 3',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_lesson_is_an_error_that_names_it(written: Written, text: str) -> None:
    path = written(text) / LESSON_FILE
    with pytest.raises(ContentError) as error:
        load_lesson(path)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith(". Every [[gradient]] has name, through, hints, and [[gradient.mistake]].")
    with pytest.raises(ContentError):
        advice(path.parent, tape(), "x")


def test_bytes_that_are_no_text_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / LESSON_FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ContentError, match=LESSON_FILE):
        load_lesson(tmp_path / LESSON_FILE)


def test_a_file_that_was_changed_is_read_again(written: Written) -> None:
    folder = written(TOML)
    assert len(advice(folder, tape(), "x").hints) == 2
    later = (folder / LESSON_FILE).stat().st_mtime_ns + 10**9
    written(TOML.replace('"Two lines read it.", ', ""))
    os.utime(folder / LESSON_FILE, ns=(later, later))
    assert advice(folder, tape(), "x").hints == ("Add up.",)
    (folder / LESSON_FILE).unlink()
    assert advice(folder, tape(), "x").hints == ()


def test_a_file_that_was_mended_is_no_error_any_more(written: Written) -> None:
    folder = written("[")
    with pytest.raises(ContentError):
        advice(folder, tape(), "x")
    assert written(TOML)
    os.utime(folder / LESSON_FILE, ns=(1, 1))
    assert advice(folder, tape(), "x").mistakes == (SINE,)


@pytest.mark.parametrize(
    "formula",
    ["dlogits", "da +", "1 / 0", "da @ db", "3.0", "[da]", "da.nonsense()", "x.backward()"],
)
def test_a_formula_that_does_not_run_or_is_no_tensor_is_skipped(formula: str) -> None:
    unfit = KnownMistake(formula, "no", "no")
    assert unfit.value(evidence()) is None
    cause, is_credible = diagnose(evidence(), [unfit, SINE])
    assert cause is not None
    assert (cause.sentence, is_credible) == (SINE.sentence, True)


def test_a_formula_sees_the_forward_variables_and_what_comes_in_and_torch() -> None:
    seen = evidence()
    value = KnownMistake("torch.exp(x) * F.relu(da) + db", "", "").value(seen.names)
    assert value is not None
    torch.testing.assert_close(value, seen.state["x"].exp() * seen.incoming["a"].relu() + seen.incoming["b"])
    assert value.dtype is torch.float64
    assert KnownMistake("dx", "", "").value(seen.names) is None


@pytest.mark.parametrize("text", ["[", TOML], ids=["broken", "of another lesson"])
def test_a_lesson_that_cannot_be_read_does_not_stop_a_verdict(
    written: Written, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    here = Lesson("1-every-gradient")
    monkeypatch.chdir(written(text))
    assert here.answer("dlogprobs", "dlogprobs = torch.zeros_like(logprobs)").diagnosis.startswith("It is zero everywhere")


def test_the_lesson_of_the_course_is_found_in_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = Lesson("1-every-gradient")
    source = "dhpreact = -(h**2) * dh"
    monkeypatch.chdir(SOURCE)
    assert here.answer("dhpreact", source).diagnosis == "The one is missing: only the square is there."
    monkeypatch.chdir(tmp_path)
    assert here.answer("dhpreact", source).diagnosis == "The values are wrong in 2048 of 2048 entries."


TWO_LINES = 140
"""Characters of two short lines."""


def test_every_hint_of_the_course_is_two_short_lines() -> None:
    hints = [
        hint
        for path in sorted(ROOT.glob("source/*/lesson.toml"))
        for kind in ("gradient", "ask")
        for row in tomllib.loads(path.read_text(encoding="utf-8")).get(kind, [])
        for hint in row["hints"]
    ]
    assert len(hints) > 300
    assert [hint for hint in hints if len(hint) > TWO_LINES] == []
    # metaphors that learners stumbled over
    assert [hint for hint in hints if re.search(r"\b(account|book(s|ed)?|turn(ed)? .*over|what comes in)\b", hint)] == []
