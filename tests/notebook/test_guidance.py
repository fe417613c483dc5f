"""What a student sees of `hint` and `solution`."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course import catalogue
from autograder.errors import NotReady
from autograder.judge.kinds.gradient_hints import question
from autograder.notebook.box import HINT, MAX_TEXT
from scripts.submissions import NOTEBOOKS, RELEASE, ROOT, SOURCE, hand_in, model_answers
from tests.support.lesson import Lesson

STEPS = "1-every-gradient"
NAME = "dbnvar_inv"
ROWS = tomllib.loads((SOURCE / "lesson.toml").read_text(encoding="utf-8"))["gradient"]
WORDS = next(row["hints"] for row in ROWS if row["name"] == NAME and row["through"] == ["bnraw"])

MORE = f'`hint("{NAME}")` says more.'
LAST = "This was the last one."


@pytest.fixture(scope="module")
def solved() -> Lesson:
    return Lesson(STEPS)


@pytest.fixture
def here(solved: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    """A solved notebook in a folder as released, in which nothing was said yet."""
    shutil.copy(RELEASE / "lesson.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    solved.session.told.clear()
    solved.session.judged.clear()
    return solved


def shown(lesson: Lesson, call: str) -> str:
    """The text of the one box that a call shows."""
    result, output = lesson.run(call)
    assert result.success, result.error_in_exec
    (box,) = output.outputs
    assert output.stdout == output.stderr == ""
    text = box.data["text/plain"]
    assert isinstance(text, str)
    return text


def hinted(lesson: Lesson, name: str = NAME) -> tuple[str, str, str]:
    """Of the next hint: which one it is, what it says, and what comes next."""
    text = shown(lesson, f'hint("{name}")')
    found = re.fullmatch(
        rf"→ {name}: hint (\d+ of \d+)\. (.*)\n  next: (.*?)(?:\n  note: Your answer is right already\.)?", text
    )
    assert found, text
    return found[1], found[2], found[3]


def refused(lesson: Lesson, call: str) -> str:
    """What a call says that is refused."""
    result, output = lesson.run(call)
    assert isinstance(result.error_in_exec, NotReady), result.error_in_exec
    assert output.outputs == []
    return str(result.error_in_exec)


def answered(lesson: Lesson, name: str, source: str) -> None:
    """Runs an answer and checks it."""
    lesson.run(source)
    lesson.run(f'check("{name}")')


NOT_SUMMED = f"{NAME} = bndiff * dbnraw"
NEGATED = f"{NAME} = -(bndiff * dbnraw).sum(0, keepdim=True)"


class TestLadder:
    def test_each_call_says_the_next_rung_and_the_last_is_repeated(self, here: Lesson) -> None:
        told = [hinted(here) for _ in range(8)]
        assert [place for place, _, _ in told] == [f"{min(rung, 6)} of 6" for rung in range(1, 9)]
        said = [said for _, said, _ in told]
        assert said[:6] == [
            "It is used in `bnraw = bndiff * bnvar_inv`. There is one way back.",
            WORDS[0],
            "`dbnvar_inv` has the shape of `bnvar_inv`, (1, 64). `dbnraw` is (32, 64). "
            "`bnvar_inv` was stretched along axis 0, over `n` rows, in the line of `bnraw`.",
            "Going back: a product multiplies the incoming gradient by `bndiff`. Then sum over axis 0, where it was stretched.",
            *WORDS[1:],
        ]
        assert said[5] == said[6] == said[7]
        assert [next for _, _, next in told] == [MORE] * 5 + [LAST] * 3

    def test_the_mistake_of_the_last_check_comes_first_and_once(self, here: Lesson) -> None:
        answered(here, NAME, NOT_SUMMED)
        verdict = here.session.verdict(NAME)
        place, said, _ = hinted(here)
        assert (place, said) == ("1 of 7", f"Your last check said: {verdict.diagnosis} {verdict.next_step}")
        assert "It is not summed" in said and ".sum(0, keepdim=True)" in said
        rest = [hinted(here) for _ in range(7)]
        assert [place for place, _, _ in rest] == [*(f"{rung} of 7" for rung in range(2, 8)), "7 of 7"]
        assert not any("Your last check" in said for _, said, _ in rest)

    def test_another_mistake_comes_first_again(self, here: Lesson) -> None:
        answered(here, NAME, NOT_SUMMED)
        for _ in range(3):
            hinted(here)
        answered(here, NAME, NEGATED)
        assert "It has the wrong sign." in hinted(here)[1]
        assert hinted(here)[0] == "4 of 7"

    def test_a_mistake_after_the_last_rung_is_said_too(self, here: Lesson) -> None:
        for _ in range(6):
            hinted(here)
        answered(here, NAME, NEGATED)
        assert "It has the wrong sign." in hinted(here)[1]
        assert hinted(here)[1] == WORDS[-1]

    def test_what_was_mended_is_not_spoken_of(self, here: Lesson) -> None:
        answered(here, NAME, NEGATED)
        answered(here, NAME, here.solutions[NAME])
        assert hinted(here)[0] == "1 of 6"

    def test_after_a_right_answer_there_are_hints_all_the_same(self, here: Lesson) -> None:
        answered(here, NAME, here.solutions[NAME])
        assert [hinted(here)[0] for _ in range(6)] == [f"{rung} of 6" for rung in range(1, 7)]

    def test_each_gradient_has_a_ladder_of_its_own(self, here: Lesson) -> None:
        hinted(here)
        hinted(here)
        assert hinted(here, "dprobs")[0] == "1 of 6"
        assert hinted(here)[0] == "3 of 6"

    def test_an_answer_that_stops_is_no_mistake_to_speak_of(self, here: Lesson) -> None:
        answered(here, NAME, f"{NAME} = nonsense")
        assert hinted(here)[0] == "1 of 6"
        here.run(here.solutions[NAME])

    def test_a_hint_in_the_cell_of_the_answer_is_shown_once(self, here: Lesson) -> None:
        here.run(f'{here.solutions[NAME]}\nhint("{NAME}")')
        result, output = here.run(f'check("{NAME}")')
        assert result.success and len(output.outputs) == 1
        assert hinted(here)[0] == "2 of 6"


QUESTION = (
    "In `bnraw = bndiff * bnvar_inv`, `bnvar_inv` was stretched. Along which axis, and where do you see that in your answer?"
)
ASKED = f"\n  to think about: {QUESTION}\n"


def checked(lesson: Lesson, name: str = NAME) -> str:
    """What a check shows."""
    (box,) = lesson.run(f'check("{name}")')[1].outputs
    text = box.data["text/plain"]
    assert isinstance(text, str)
    return f"{text}\n"


class TestQuestion:
    """A question that makes one explain a right answer, where it took a wrong one or a hint to get there."""

    def test_after_a_wrong_check_it_is_asked_once(self, here: Lesson) -> None:
        answered(here, NAME, NEGATED)
        here.run(here.solutions[NAME])
        assert ASKED in checked(here)
        assert "to think about" not in checked(here)
        answered(here, NAME, NEGATED)
        here.run(here.solutions[NAME])
        assert "to think about" not in checked(here)

    def test_after_a_hint_it_is_asked_once(self, here: Lesson) -> None:
        hinted(here)
        here.run(here.solutions[NAME])
        assert ASKED in checked(here)
        assert "to think about" not in checked(here)
        assert hinted(here)[0] == "2 of 6"

    def test_an_answer_that_is_right_at_once_is_asked_nothing(self, here: Lesson) -> None:
        here.run(here.solutions[NAME])
        assert "to think about" not in checked(here)
        hinted(here, "dprobs")
        assert "to think about" not in checked(here)

    def test_a_wrong_answer_is_asked_nothing(self, here: Lesson) -> None:
        hinted(here)
        here.run(NEGATED)
        assert "to think about" not in checked(here)
        here.run(here.solutions[NAME])

    def test_after_an_answer_that_stopped_it_is_asked(self, here: Lesson) -> None:
        answered(here, NAME, f"{NAME} = nonsense")
        here.run(here.solutions[NAME])
        assert ASKED in checked(here)

    @pytest.mark.parametrize("runs", ["autograde", "validate"])
    def test_where_nbgrader_runs_the_notebook_nothing_is_asked(
        self, here: Lesson, monkeypatch: pytest.MonkeyPatch, runs: str
    ) -> None:
        answered(here, NAME, NEGATED)
        here.run(here.solutions[NAME])
        monkeypatch.setenv("NBGRADER_EXECUTION", runs)
        assert "to think about" not in checked(here)

    def test_in_an_exam_nothing_is_asked(self, here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
        answered(here, NAME, NEGATED)
        here.run(here.solutions[NAME])
        monkeypatch.setattr(here.session, "seed", "secret")
        assert "to think about" not in checked(here)

    def test_of_a_function_it_is_about_the_line_of_the_leaf(self, here: Lesson) -> None:
        lesson = Lesson("4-train")
        hinted(lesson, "dC")
        (box,) = lesson.run('check("dC", by="backward")')[1].outputs
        asked = "`embcat = C[Xb].view(n, -1)` picks some entries of `C` more than once. Where in your answer do their gradients"
        assert f"to think about: {asked} add up?" in box.data["text/plain"]

    @pytest.mark.parametrize("notebook", NOTEBOOKS)
    def test_every_gradient_has_a_question_that_is_shown_uncut(self, lesson: Callable[[str], Lesson], notebook: str) -> None:
        session = lesson(notebook).session
        for name in every(notebook):
            asked = question(session.tape(name[1:]), name[1:], session.namespace)
            assert asked.endswith("?") and asked.count("`") >= 2 and len(asked) <= MAX_TEXT


def every(name: str) -> list[str]:
    """The gradients that a notebook asks for."""
    return sorted(set(re.findall(r'check\(\\"(\w+)\\"', (RELEASE / f"{name}.ipynb").read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("notebook", "name"), [(notebook, name) for notebook in NOTEBOOKS for name in every(notebook)])
def test_every_gradient_has_four_rungs_that_are_shown_uncut(
    lesson: Callable[[str], Lesson], monkeypatch: pytest.MonkeyPatch, notebook: str, name: str
) -> None:
    monkeypatch.chdir(RELEASE)
    of = lesson(notebook)
    of.session.told.clear()
    told = [hinted(of, name)]
    while told[-1][2] != LAST:
        told.append(hinted(of, name))
    assert len(told) >= 4
    assert len({said for _, said, _ in told}) == len(told)
    assert told[-1][0] == f"{len(told)} of {len(told)}"
    for said in of.session.told[name]:
        assert len(said) <= HINT == 1500
        assert len(re.findall(r"[.?!](?= |$)", said)) <= 3
    assert [said for _, said, _ in told] == of.session.told[name]


def test_there_are_44_gradients_with_hints() -> None:
    assert [len(every(notebook)) for notebook in NOTEBOOKS] == [5, 26, 1, 5, 7]


def test_where_progress_cannot_be_kept_the_first_check_says_so(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("autograder.files.NamedTemporaryFile", refuse)
    here.run(here.solutions[NAME])
    said = "\n  note: Your progress is not kept, since the folder of this notebook cannot be written to. "
    assert f"{said}Work in a folder of your own.\n" in checked(here)
    assert said not in checked(here)


QUOTES = r"^the name of the gradient goes in quotes"
NAMES = {
    "not in quotes": ("dprobs", QUOTES),
    "a number": ("3", QUOTES),
    "None": ("None", QUOTES),
    "a list": ("[]", QUOTES),
    "misspelt": ('"dprob"', r"no gradient `dprob`. Did you mean `dprobs`\?$"),
    "unknown": ('"dxyz"', r"^the forward pass has no `xyz`, so there is no gradient `dxyz`\.$"),
    "the variable": ('"probs"', r"^`probs` is not the name of a gradient: that is `d` and the name of a variable\.$"),
    "the function": ('"backward"', r"^`backward` is not the name of a gradient"),
    "nothing": ('""', r"is not the name of a gradient"),
    "the loss": ('"dloss"', r"^`dloss` is 1, always"),
}


@pytest.mark.parametrize("call", ["hint({})", "solution({}, anyway=True)", "solution({})"])
@pytest.mark.parametrize(("argument", "message"), NAMES.values(), ids=NAMES.keys())
def test_what_is_no_gradient_is_refused_in_words_that_help(here: Lesson, argument: str, message: str, call: str) -> None:
    assert re.search(message, refused(here, call.format(argument)))


@pytest.mark.parametrize("name", ["dn", "dXb"])
def test_what_is_no_floating_point_tensor_has_no_gradient(here: Lesson, name: str) -> None:
    """The loss does depend on it."""
    assert "does not depend" not in refused(here, f'hint("{name}")')


def test_before_the_forward_pass_it_says_what_to_run() -> None:
    fresh = Lesson(STEPS, solved=False)
    fresh.session.tapes.clear()
    assert "no forward pass has been recorded" in refused(fresh, 'hint("dprobs")')


def test_without_the_lesson_s_file_three_rungs_remain(here: Lesson) -> None:
    Path("lesson.toml").unlink()
    assert [hinted(here)[::2] for _ in range(3)] == [("1 of 3", MORE), ("2 of 3", MORE), ("3 of 3", LAST)]


def test_a_lesson_without_this_gradient_leaves_three_rungs(here: Lesson) -> None:
    Path("lesson.toml").write_text('[[gradient]]\nname = "dbnvar_inv"\nthrough = ["other"]\nhints = ["No."]\n')
    assert hinted(here)[0] == "1 of 3"


ROW = '[[gradient]]\nname = "dbnvar_inv"\nthrough = ["bnraw"]\n'
BROKEN = {
    "not TOML": b"[[gradient]\n",
    "not text": b"\xff\xfe\x00",
    "no list": b"gradient = 3",
    "no name": b"[[gradient]]\nthrough = []",
    "a mistake without a sentence": f'{ROW}[[gradient.mistake]]\nformula = "x"'.encode(),
    "hints that are numbers": f"{ROW}hints = [1, 2]".encode(),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
class TestBrokenLesson:
    """A file of the course that cannot be read: the linter says so to its author, and students go on."""

    def test_hints_go_on(self, here: Lesson, content: bytes) -> None:
        Path("lesson.toml").write_bytes(content)
        assert "It is used in" in hinted(here)[1]
        assert "has the shape of" in hinted(here)[1]
        hinted(here)

    def test_checks_go_on(self, here: Lesson, content: bytes) -> None:
        Path("lesson.toml").write_bytes(content)
        answered(here, NAME, NEGATED)
        assert here.session.verdict(NAME).diagnosis == "It has the wrong sign."


def refusal(name: str) -> str:
    return (
        f'the model answer is there when yours is right: run `check("{name}")`, or ask `hint("{name}")`. '
        f'If you want to see it all the same: `solution("{name}", anyway=True)`.'
    )


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of the course; the working directory is a folder below it."""
    shutil.copytree(ROOT / "source", tmp_path / "clone" / "source")
    work = tmp_path / "clone" / "work" / "today"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    return tmp_path / "clone"


class TestSolution:
    def test_it_is_there_after_a_right_check(self, here: Lesson, course: Path) -> None:
        assert refused(here, f'solution("{NAME}")') == refusal(NAME)
        answered(here, NAME, NEGATED)
        assert refused(here, f'solution("{NAME}")') == refusal(NAME)
        answered(here, NAME, here.solutions[NAME])
        assert shown(here, f'solution("{NAME}")').splitlines() == [
            "→ dbnvar_inv: model answer.",
            "    dbnvar_inv = (bndiff * dbnraw).sum(0, keepdim=True)",
            "    ",
            "    # or:",
            '    dbnvar_inv = torch.einsum("ni,ni->i", bndiff, dbnraw).unsqueeze(0)',
        ]

    def test_it_is_there_anyway(self, here: Lesson, course: Path) -> None:
        text = shown(here, f'solution("{NAME}", anyway=True)')
        assert text == shown(here, f'solution("{NAME}", True)')
        assert "### BEGIN" not in text and "(bndiff * dbnraw)" in text

    def test_an_answer_that_became_wrong_hides_it_again(self, here: Lesson, course: Path) -> None:
        answered(here, NAME, here.solutions[NAME])
        answered(here, NAME, NEGATED)
        assert refused(here, f'solution("{NAME}")') == refusal(NAME)

    def test_the_remarks_on_other_forms_are_shown(self, here: Lesson, course: Path) -> None:
        text = shown(here, 'solution("dC", anyway=True)')
        assert "    # or: A loop over the letters.\n    dC = torch.stack(" in text
        assert "\n        for j in range(Xb.shape[1]):\n            dC[Xb[k, j]] += demb[k, j]\n" in text
        assert text.count("# or:") == 4

    @pytest.mark.parametrize("name", model_answers()[STEPS])
    def test_each_gradient_of_notebook_1_has_its_own(self, here: Lesson, course: Path, name: str) -> None:
        lines = shown(here, f'solution("{name}", anyway=True)').splitlines()
        assert lines[0] == f"→ {name}: model answer."
        assert lines[1].startswith(f"    {name} = ")

    def test_in_the_notebook_it_is_a_block_of_code(self, here: Lesson, course: Path) -> None:
        html = here.run('solution("dC", anyway=True)')[1].outputs[0].data["text/html"]
        assert "<pre>dC = torch.zeros_like(C)\n" in html
        assert html.endswith("</pre></div>")

    def test_in_the_released_folder_it_is_there(self, here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(RELEASE)
        assert "(bndiff * dbnraw)" in shown(here, f'solution("{NAME}", anyway=True)')

    def test_it_does_not_hang_on_which_notebook_is_running(
        self, here: Lesson, course: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("1-every-gradient.ipynb", "my-copy.ipynb", "2-cross-entropy.ipynb"):
            monkeypatch.setenv("JPY_SESSION_NAME", name)
            assert "(bndiff * dbnraw)" in shown(here, f'solution("{NAME}", anyway=True)')

    def test_of_gradients_that_a_function_gives_it_is_the_function(self, here: Lesson, course: Path) -> None:
        lesson = Lesson("4-train")
        assert refused(lesson, 'solution("dW1")') == refusal("dW1")
        assert lesson.run('check("dW1", by="backward")')[0].success
        text = shown(lesson, 'solution("dW1")')
        assert text.startswith("→ dW1: model answer.\n    def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):\n")
        assert text.endswith("    return dC, dW1, db1, dW2, db2, dbngain, dbnbias")
        for name in every("4-train"):
            assert shown(lesson, f'solution("{name}", anyway=True)').partition("\n")[2] == text.partition("\n")[2]

    def test_of_several_notebooks_it_is_that_of_this_forward_pass(self, here: Lesson, course: Path) -> None:
        fused = Lesson("3-batchnorm")
        assert "bngain * bnvar_inv / n" in shown(fused, 'solution("dhprebn", anyway=True)')
        assert "dbndiff.clone()" in shown(here, 'solution("dhprebn", anyway=True)')

    def test_outside_of_a_course_it_is_the_package_s(self, here: Lesson) -> None:
        assert "(bndiff * dbnraw)" in shown(here, f'solution("{NAME}", anyway=True)')

    def test_where_there_is_no_source_it_is_not_at_hand(
        self, here: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catalogue, "COURSE_ROOTS", (tmp_path / "package",))
        assert refused(here, f'solution("{NAME}", anyway=True)') == (
            f"the model answer for `{NAME}` is not at hand: no `source/` in this folder or above it has it, "
            "and neither has this package. Ask your instructor for it."
        )

    def test_after_a_restart_the_logbook_is_enough(self, here: Lesson, tmp_path: Path) -> None:
        hand_in(tmp_path, {STEPS: {NAME: here.solutions[NAME]}})
        answered(here, NAME, here.solutions[NAME])
        here.session.judged.clear()
        assert "(bndiff * dbnraw)" in shown(here, f'solution("{NAME}")')

    def test_after_a_restart_an_answer_that_was_changed_is_to_be_checked(self, here: Lesson, tmp_path: Path) -> None:
        hand_in(tmp_path, {STEPS: {NAME: f"{NAME} = 1"}})
        answered(here, NAME, here.solutions[NAME])
        here.session.judged.clear()
        assert refused(here, f'solution("{NAME}")') == refusal(NAME)

    def test_after_a_restart_a_wrong_answer_is_none(self, here: Lesson, tmp_path: Path) -> None:
        hand_in(tmp_path, {STEPS: {NAME: NEGATED}})
        answered(here, NAME, NEGATED)
        here.session.judged.clear()
        assert refused(here, f'solution("{NAME}")') == refusal(NAME)

    def test_a_graded_record_shows_none(self, here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
        result, output = here.run(f'solution("{NAME}", anyway=True)')
        assert result.success and output.outputs == []

    def test_a_gradient_that_no_cell_answers_has_none(self, here: Lesson, course: Path) -> None:
        lesson = Lesson("2-cross-entropy")
        assert "is not at hand" in refused(lesson, 'solution("dh", anyway=True)')

    def test_another_forward_pass_has_none(self, here: Lesson, course: Path) -> None:
        lesson = Lesson("2-cross-entropy")
        lesson.run("%%forward\nx = C * 2\nloss = x.sum()")
        assert "is not at hand" in refused(lesson, 'solution("dx", anyway=True)')

    def test_a_student_s_own_source_folder_is_passed_over(
        self, here: Lesson, course: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = Path("source")
        hand_in(own / "a-copy", model_answers())
        (own / "junk" / "folder.ipynb").mkdir(parents=True)
        for name, content in {"a": b"", "b": b"[]", "c": b"\xff", "d": b'{"cells": [{}]}', "e": b"[" * 100_000}.items():
            (own / "junk" / f"{name}.ipynb").write_bytes(content)
        (own / "file.txt").touch()
        assert "# or:" in shown(here, f'solution("{NAME}", anyway=True)')
        shutil.rmtree(course / "source")
        monkeypatch.setattr(catalogue, "COURSE_ROOTS", ())
        assert "is not at hand" in refused(here, f'solution("{NAME}", anyway=True)')

    def test_a_source_that_is_a_file_is_passed_over(self, here: Lesson, course: Path) -> None:
        Path("source").touch()
        assert "# or:" in shown(here, f'solution("{NAME}", anyway=True)')

    def test_in_a_cell_that_is_judged_it_is_shown_once(self, here: Lesson, course: Path) -> None:
        here.run(f'{here.solutions[NAME]}\nsolution("{NAME}", anyway=True)')
        result, output = here.run(f'check("{NAME}")')
        assert result.success and len(output.outputs) == 1
