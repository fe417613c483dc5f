"""Right answers in odd styles are accepted without a remark; what is right on the whole chain only is refused for it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.verdict import Outcome
from tests.support.lesson import Lesson

STYLES = tomllib.loads((Path(__file__).resolve().parents[1] / "support" / "odd_styles.toml").read_text(encoding="utf-8"))
ROUNDING = ("Same maths, other rounding: ", "Equal to autograd's answer in every bit.", "It is zero but for rounding")
Lessons = Callable[[str], Lesson]
Style = dict[str, str]


def named(style: Style) -> str:
    return f"{style['name']}: {style['what']}"


@pytest.mark.parametrize("style", STYLES["right"], ids=named)
def test_an_odd_style_is_accepted_without_a_remark(lesson: Lessons, style: Style) -> None:
    here = lesson("1-every-gradient")
    here.run(style.get("before", ""))
    verdict = here.answer(style["name"], style["source"])
    assert verdict.outcome is Outcome.RIGHT, verdict
    (note,) = verdict.notes
    assert note.startswith(ROUNDING)


@pytest.mark.parametrize("style", STYLES["refused"], ids=named)
def test_what_leaves_out_what_comes_in_is_told_so(lesson: Lessons, style: Style) -> None:
    verdict = lesson("1-every-gradient").answer(style["name"], style["source"])
    assert (verdict.outcome, verdict.diagnosis) == (Outcome.WRONG, style["told"])


def test_there_are_many_styles() -> None:
    assert len(STYLES["right"]) >= 40
