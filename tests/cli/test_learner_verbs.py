"""The verbs for learners, and a learner's whole way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.cli.learner import LEARNER_VERBS
from autograder.cli.main import main
from autograder.course import catalogue, names
from autograder.learner import doctor
from scripts.submissions import NOTEBOOKS, ROOT
from tests.support.learner import MODEL, Learner, autograder, lines, runtime, staying
from tests.support.rooms import linux

FIRST = NOTEBOOKS[1]


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the fork server of these tests stays."""
    with runtime(tmp_path_factory.mktemp("run") / "own") as place:
        yield place


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learner:
    monkeypatch.chdir(tmp_path)
    return Learner(Path("my-backprop"))


class TestCheck:
    def test_nothing_is_begun(self, learner: Learner) -> None:
        result = autograder("check")
        assert result.exit_code == 1
        assert lines(result) == [
            "0-warm-up.ipynb         ░░░░░░░░░░░░░░░░░░░░░░░░  0 of 5 right",
            "  not begun",
            "",
            "1-every-gradient.ipynb  ░░░░░░░░░░░░░░░░░░░░░░░░  0 of 26 right",
            "  not begun",
            "",
            "2-cross-entropy.ipynb   ░░░░░░░░░░░░░░░░░░░░░░░░  0 of 1 right, 0 of 4 points",
            "  not begun",
            "",
            "3-batchnorm.ipynb       ░░░░░░░░░░░░░░░░░░░░░░░░  0 of 5 right, 0 of 6 points",
            "  not begun",
            "",
            "4-train.ipynb           ░░░░░░░░░░░░░░░░░░░░░░░░  0 of 8 right",
            "  not begun",
            "",
            "0 of 44 points. Next: dout, in the cell `dout` of my-backprop/0-warm-up.ipynb",
        ]

    def test_the_map_is_a_tree_and_the_first_culprit_is_told(self, learner: Learner) -> None:
        learner.solves()
        learner.writes({"dprobs": "dprobs = -dlogprobs / probs", "dC": "# YOUR CODE HERE", "dh": "dh = dlogits @ W3"})
        result = autograder("check", learner.notebook())
        told = lines(result)
        assert result.exit_code == 1
        assert told[:4] == [
            "1-every-gradient.ipynb  █████████████████████░░░  23 of 26 right",
            "loss",
            "├── ✓ dlogprobs        right",
            "├── ✗ dprobs           wrong  It has the wrong sign.",
        ]
        assert "├── … dh               waiting  NameError: name 'W3' is not defined" in told
        assert told[told.index("└── ✓ demb             right") + 1] == "    └── ○ dC           not attempted"
        at = told.index("✗ dprobs: wrong. It has the wrong sign.")
        assert [line.partition(":")[0] for line in told[at + 1 : -2]] == ["  seen", "  expected", "  where", "  next"]
        assert told[-1] == "23 of 26 points. Next: dprobs, in the cell `dprobs` of my-backprop/1-every-gradient.ipynb"

    def test_all_right_ends_with_zero(self, learner: Learner) -> None:
        learner.solves("3-batchnorm")
        result = autograder("check", learner.notebook("3-batchnorm"))
        assert result.exit_code == 0
        assert lines(result)[-1] == "6 of 6 points. All right!"

    def test_what_became_right_is_asked_about_once(self, learner: Learner) -> None:
        path = learner.notebook("2-cross-entropy")
        learner.writes({"dlogits": "dlogits = F.softmax(logits, 1)"}, "2-cross-entropy")
        assert "to think about" not in autograder("check", path).output
        learner.solves("2-cross-entropy")
        asked = (
            "dlogits, to think about: Which part of your answer comes from the softmax in "
            "`loss = F.cross_entropy(logits, Yb)`, and which from the label?"
        )
        assert asked in lines(autograder("check", path))
        assert "to think about" not in autograder("check", path).output
        assert "to think about" not in learner.notebook("2-cross-entropy").read_text(encoding="utf-8")
        assert "to think about" not in (learner.folder / "progress.json").read_text(encoding="utf-8")
        learner.solves("3-batchnorm")
        assert "to think about" not in autograder("check", learner.notebook("3-batchnorm")).output, "right at once"

    def test_json_has_everything(self, learner: Learner) -> None:
        learner.writes({"dlogits": "dlogits = probs"}, "2-cross-entropy")
        result = autograder("check", "--json", learner.notebook("2-cross-entropy"), learner.notebook("3-batchnorm"))
        told = json.loads(result.stdout)
        assert result.exit_code == 1
        assert (told["points"], told["of"], told["failures"]) == (0, 10, [])
        first, second = told["notebooks"]
        assert first["notebook"] == "my-backprop/2-cross-entropy.ipynb" and first["notes"] == []
        (found,) = first["results"]
        assert (found["name"], found["state"], found["points"], found["cell"]) == ("dlogits", "waiting", 4, "dlogits")
        assert found["verdict"]["seen"] == "NameError: name 'probs' is not defined"
        *_, last = second["results"]
        assert last["state"] == "not attempted" and last["verdict"]["name"] == "dhprebn"

    def test_a_bad_notebook_does_not_stop_the_others(self, learner: Learner) -> None:
        learner.notebook().write_text("{")
        learner.solves("2-cross-entropy")
        result = autograder("check", learner.notebook(), learner.notebook("2-cross-entropy"))
        assert result.exit_code == 2
        assert "Error: my-backprop/1-every-gradient.ipynb is not a notebook" in result.stderr
        assert lines(result)[-1] == "4 of 4 points. All right!"

    def test_a_changed_cell_of_the_course_is_told(self, learner: Learner) -> None:
        learner.solves("2-cross-entropy")
        learner.writes({"test-dlogits": "pass", "forward": "%%forward\nloss = C.sum()"}, "2-cross-entropy")
        result = autograder("check", learner.notebook("2-cross-entropy"))
        assert result.exit_code == 0
        assert "  note: The cell `forward` is the course's and was changed: it counts as released." in lines(result)

    def test_the_name_to_hand_it_in_under_is_told(self, learner: Learner) -> None:
        learner.solves("2-cross-entropy")
        path = learner.notebook("2-cross-entropy").rename(learner.folder / "2-cross-entropy (1).ipynb")
        said = "To hand this file in, call it `2-cross-entropy.ipynb`: nbgrader knows a notebook by its name."
        result = autograder("check", path)
        assert result.exit_code == 0 and f"  note: {said}" in lines(result)
        assert json.loads(autograder("check", "--json", path).stdout)["notebooks"][0]["notes"] == [said]

    @pytest.mark.parametrize(
        ("path", "error"),
        [
            ("./no-where", "there is no file or folder no-where. Give the path of a notebook, or of a folder of them."),
            (
                "da",
                "there is no file or folder da. Give the path of a notebook, or of a folder of them. "
                "For one answer, such as `da`, it is `autograder hint da`.",
            ),
            ("empty", "empty has no notebooks of a course. Give a folder that has, or make one: `autograder new`."),
        ],
    )
    def test_what_is_not_there_is_said(self, learner: Learner, path: str, error: str) -> None:
        Path("empty").mkdir()
        result = autograder("check", path)
        assert (result.exit_code, result.stderr) == (2, f"Error: {error}\n")

    def test_a_notebook_that_asks_for_nothing_is_not_all_right(self, learner: Learner) -> None:
        learner.notebook().write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
        Path("other.ipynb").write_bytes(learner.notebook().read_bytes())
        result = autograder("check", "other.ipynb")
        assert result.exit_code == 2
        assert "other.ipynb asks for nothing: it has no cells with tests." in result.stderr

    @pytest.mark.parametrize("name", ["2-cross-entropy-Copy1.ipynb", "2-cross-entropy (1).ipynb"])
    def test_a_copy_does_not_count_twice(self, learner: Learner, name: str) -> None:
        for stem in (*NOTEBOOKS[:2], *NOTEBOOKS[3:]):
            learner.notebook(stem).unlink()
        (learner.folder / name).write_bytes(learner.notebook("2-cross-entropy").read_bytes())
        learner.solves("2-cross-entropy")
        path = f"my-backprop/{name}"
        shown = f"'{path}'" if " " in name else path
        note = f"Note: {path} is a copy of 2-cross-entropy.ipynb, and does not count. "
        note += f"To check it all the same: `autograder check {shown}`.\n"
        for verb in ("check", "progress"):
            result = autograder(verb)
            assert (result.exit_code, result.stderr) == (0, note)
            assert lines(result)[-1] == "4 of 4 points. All right!"
        result = autograder("check", path)
        assert result.exit_code == 1 and lines(result)[-1].startswith("0 of 4 points")
        learner.notebook("2-cross-entropy").unlink()
        assert lines(autograder("progress"))[-1].startswith("0 of 4 points"), "alone it is no copy"

    def test_a_notebook_of_a_like_name_counts(self, learner: Learner) -> None:
        learner.notebook("3-batchnorm").rename(learner.folder / "2-cross-entropy 2.ipynb")
        assert lines(autograder("progress"))[-1].startswith("0 of 44 points")

    def test_where_progress_cannot_be_kept_it_says_so(self, learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError("read-only")

        learner.solves("2-cross-entropy")
        monkeypatch.setattr("autograder.files.NamedTemporaryFile", refuse)
        said = (
            "Your progress is not kept, since the folder of this notebook cannot be written to. Work in a folder of your own."
        )
        assert f"  note: {said}" in lines(autograder("check", learner.notebook("2-cross-entropy")))
        for _ in range(2):
            told = lines(autograder("hint", "dlogits", learner.notebook("2-cross-entropy")))
            assert "hint 1 of" in told[0] and told[-1] == f"  next: {said}"

    def test_other_notebooks_of_a_folder_are_left_alone(self, learner: Learner) -> None:
        learner.solves("2-cross-entropy")
        (learner.folder / "Untitled.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4}))
        for stem in (*NOTEBOOKS[:2], *NOTEBOOKS[3:]):
            learner.notebook(stem).unlink()
        assert autograder("check").exit_code == 0

    def test_a_broken_notebook_does_not_hide_the_others(self, learner: Learner) -> None:
        learner.notebook().write_text("{")
        result = autograder("progress")
        assert result.exit_code == 2 and "is not a notebook" in result.stderr
        assert lines(result)[-1].startswith("0 of 18 points.")
        assert autograder("hint", "dhprebn").exit_code == 0

    def test_an_answer_that_stands_elsewhere_is_remembered(self, learner: Learner) -> None:
        learner.writes({"first-row": MODEL["2-cross-entropy"]["dlogits"]}, "2-cross-entropy")
        learner.writes({"all-rows": ""}, "2-cross-entropy")
        content = learner.read("2-cross-entropy")
        test = next(index for index, cell in enumerate(content["cells"]) if cell["id"] == "test-dlogits")
        own = next(index for index, cell in enumerate(content["cells"]) if cell["id"] == "first-row")
        content["cells"].insert(test, {**content["cells"].pop(own), "id": "mine"})
        learner.saves(content, "2-cross-entropy")
        assert autograder("check", learner.notebook("2-cross-entropy")).exit_code == 0
        assert lines(autograder("progress", learner.notebook("2-cross-entropy")))[-1] == "4 of 4 points. All right!"
        assert autograder("solution", "dlogits", learner.notebook("2-cross-entropy")).exit_code == 0

    def test_what_may_be_meant_is_told(self, learner: Learner) -> None:
        learner.writes({"dprobs": "dprob = 1 / probs"})
        told = autograder("check", learner.notebook()).output
        assert "The notebook has `dprob`. If that is the answer, call it `dprobs`." in told
        learner.writes({"dprobs": "dprobs = probs.grad"})
        assert "is no `.grad`" in autograder("check", learner.notebook()).output

    def test_in_the_release_itself_work_counts_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        learner = Learner(tmp_path / "release/backprop")
        monkeypatch.setattr(catalogue, "COURSE_ROOTS", (tmp_path,))
        monkeypatch.chdir(tmp_path)
        learner.solves("3-batchnorm")
        autograder("check")
        assert "3-batchnorm.ipynb       ████████████████████████  5 of 5 right, 6 of 6 points" in lines(autograder("progress"))
        assert lines(autograder("check"))[-1].startswith("6 of 44 points. Next: dlogprobs")
        assert (
            "was not made from a released notebook"
            in autograder("reset", "dhprebn", "release/backprop/3-batchnorm.ipynb").stderr
        )

    def test_without_notebooks_it_says_how_to_get_some(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        result = autograder("check")
        assert result.exit_code == 2 and "Make a folder of them with `autograder new`" in result.stderr

    def test_in_a_checkout_it_is_about_the_release(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "release/small").mkdir(parents=True)
        (tmp_path / "release/small/2-cross-entropy.ipynb").write_bytes(
            (ROOT / "release/backprop/2-cross-entropy.ipynb").read_bytes()
        )
        monkeypatch.chdir(tmp_path)
        assert "of release/small/2-cross-entropy.ipynb" in lines(autograder("check"))[-1]

    def test_it_is_remembered(self, learner: Learner) -> None:
        learner.solves("2-cross-entropy")
        learner.writes({"backward": "def backward(C):\n    return C"}, "4-train")
        autograder("check", learner.notebook("2-cross-entropy"), learner.notebook("4-train"))
        told = lines(autograder("progress"))
        assert "2-cross-entropy.ipynb   ████████████████████████  1 of 1 right, 4 of 4 points" in told
        assert [line.split()[:2] for line in told if line.startswith("✗")] == [["✗", "dC"]]
        learner.writes({"dlogits": "dlogits = 1"}, "2-cross-entropy")
        told = lines(autograder("progress"))
        assert "… dlogits          waiting  changed since it was checked" in told
        learner.writes({"dlogits": "# YOUR CODE HERE"}, "2-cross-entropy")
        assert "dlogits   " not in autograder("progress").output


class TestHelp:
    def test_a_hint_says_more_every_time(self, learner: Learner) -> None:
        told = [lines(autograder("hint", "dprobs"))[0] for _ in range(8)]
        assert told[0] == "→ dprobs: hint 1 of 6. It is used in `logprobs = probs.log()`. There is one way back."
        assert [line.split(":")[1].split(".")[0] for line in told] == [f" hint {min(k, 6)} of 6" for k in range(1, 9)]
        learner.writes({"dlogprobs": MODEL[FIRST]["dlogprobs"], "dprobs": "dprobs = dlogprobs * probs"})
        assert "Your last check said:" in lines(autograder("hint", "dprobs"))[0]

    def test_a_name_of_two_notebooks_is_the_first_that_is_not_right(self, learner: Learner) -> None:
        assert "1-every-gradient.ipynb" in autograder("hint", "dlogits").output
        assert "2-cross-entropy.ipynb" in autograder("hint", "dlogits", learner.notebook("2-cross-entropy")).output

    def test_an_unknown_name_is_said_with_those_that_are_known(self, learner: Learner) -> None:
        result = autograder("hint", "dhello", learner.notebook("2-cross-entropy"))
        assert (result.exit_code, result.stderr) == (2, "Error: no notebook asks for `dhello`. They ask for dlogits.\n")
        result = autograder("hint", "dcount")
        assert (result.exit_code, result.stderr) == (2, "Error: no notebook asks for `dcount`. Did you mean `dcounts`?\n")
        assert "there are no hints for `training`" in autograder("hint", "training").stderr

    def test_a_model_answer_is_there_when_yours_is_right(self, learner: Learner) -> None:
        result = autograder("solution", "dhprebn", learner.notebook("3-batchnorm"))
        assert result.exit_code == 2 and "when a check has found yours right" in result.stderr
        learner.writes({"backward": MODEL["4-train"]["backward"].replace("index_add_", "index_copy_")}, "4-train")
        autograder("check", learner.notebook("4-train"))
        assert autograder("solution", "backward").exit_code == 2  # one of its gradients is wrong
        assert "bnvar_inv" in autograder("solution", "dhprebn", learner.notebook("3-batchnorm"), "--anyway").output
        learner.solves("3-batchnorm")
        autograder("check", learner.notebook("3-batchnorm"))
        result = autograder("solution", "dhprebn", learner.notebook("3-batchnorm"))
        assert result.exit_code == 0 and "bnvar_inv" in result.output

    def test_a_name_of_two_notebooks_is_that_of_the_one_at_work(self, learner: Learner) -> None:
        first, second = learner.notebook(), learner.notebook("2-cross-entropy")
        learner.writes({"dlogits": "dlogits = logits"}, "2-cross-entropy")
        assert f"where: {second}" in autograder("hint", "dlogits").output
        learner.writes({"dlogits": "dlogits = logits"})
        os.utime(second, (1, 1))
        assert f"where: {first}" in autograder("hint", "dlogits").output
        os.utime(first, (0, 0))
        assert f"where: {second}" in autograder("hint", "dlogits").output
        told = lines(autograder("solution", "dlogits", "--anyway"))
        assert "dlogits[range(n), Yb] -= 1" in told
        assert told[-2:] == [
            f"This is for {second}. `dlogits` is in another notebook too:",
            f"  autograder solution dlogits {first}",
        ]
        assert "is in another notebook too" not in autograder("solution", "dprobs", "--anyway").output

    def test_model_answers_to_asks_are_there_too(self, tmp_path: Path) -> None:
        first = Learner(tmp_path / "asks", "bigrams")
        told = autograder("solution", "nll", first.notebook("1-counting"), "--anyway").output
        assert "return -P[x, y].log().mean()" in told and "# or: A loop, as on paper." in told
        first.solves("1-counting")
        assert autograder("check", first.notebook("1-counting")).exit_code == 0
        assert "keepdim=True" in autograder("solution", "P", first.notebook("1-counting")).output

    def test_a_reset_says_where_the_text_is(self, learner: Learner) -> None:
        learner.writes({"dhpreact": "dhpreact = 1"})
        learner.writes({"dlogits": "dlogits = 1"})
        result = autograder("reset", "dhpreact")
        assert result.exit_code == 0
        assert result.output.startswith("The cell `dhpreact` of my-backprop/1-every-gradient.ipynb is as it was released.")
        assert [path.read_text() for path in Path("my-backprop/backup").iterdir()] == ["dhpreact = 1\n"]
        result = autograder("reset", "dlogits")
        assert result.exit_code == 2
        assert "Say which: `autograder reset dlogits my-backprop/1-every-gradient.ipynb`, or `autograder reset" in result.stderr
        assert learner.source("dlogits") == "dlogits = 1"

    def test_new_makes_a_folder_once(self, learner: Learner) -> None:
        assert autograder("new", "other", "--assignment", "backprop").exit_code == 0
        assert sorted(path.name for path in Path("other").glob("*.ipynb")) == [f"{name}.ipynb" for name in NOTEBOOKS]
        result = autograder("new", "other", "--assignment", "backprop")
        assert result.exit_code == 2 and "other is there already" in result.stderr

    def test_new_quotes_a_path_with_blanks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        told = lines(autograder("new", "my course", "--assignment", "backprop"))
        asked = "Open them with: jupyter lab 'my course'. Beside it, in a terminal: autograder watch 'my course'"
        assert told[-1] == asked

    @pytest.mark.parametrize("verb", sorted(main.commands))
    def test_every_verb_has_help_with_an_example(self, verb: str) -> None:
        result = autograder(verb, "--help")
        assert result.exit_code == 0 and "Example: " in result.output and "autograder" in result.output.split("Example: ")[1]

    def test_an_interrupt_ends_with_130(self, learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("autograder.learner.checker.Checker.check", interrupted)
        result = autograder("check")
        assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")

    def test_learners_verbs_are_there(self) -> None:
        assert {verb.name for verb in LEARNER_VERBS} <= set(main.commands)

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_shells_complete(self, shell: str) -> None:
        result = autograder("completion", shell)
        assert result.exit_code == 0 and f"_AUTOGRADER_COMPLETE={shell}_complete" in result.output

    def test_names_of_gradients_are_completed(self, learner: Learner) -> None:
        program = [sys.executable, "-c", "from autograder.cli.main import main; main(prog_name='autograder')"]
        asked = {"_AUTOGRADER_COMPLETE": "bash_complete", "COMP_WORDS": "autograder hint dcou", "COMP_CWORD": "2"}
        done = subprocess.run(program, env={**os.environ, **asked}, capture_output=True, text=True, timeout=60)
        assert [line.split(",")[1] for line in done.stdout.splitlines()] == ["dcounts_sum_inv", "dcounts_sum", "dcounts"]


class TestDoctor:
    def test_what_is_found(self) -> None:
        result = CliRunner(env={"COLUMNS": "160"}).invoke(main, ["doctor"])
        assert result.exit_code == 0, result.output
        for word in (
            "torch",
            "watchfiles",
            "rooms (bubblewrap)",
            "torch computes with",
            "Same as the video?",
            "bngain, bnbias",
        ):
            assert word in result.output

    def test_what_is_amiss_has_a_remedy_and_ends_with_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "PACKAGES", ("torch", "nothing-of-the-kind"))
        result = CliRunner(env={"COLUMNS": "160"}).invoke(main, ["doctor"])
        assert result.exit_code == 1
        assert "missing. Install it: pip install nothing-of-the-kind" in result.output

    def test_without_torch_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        result = CliRunner(env={"COLUMNS": "160"}).invoke(main, ["doctor"])
        assert result.exit_code == 1 and "Install it again: pip install --force-reinstall torch" in result.output

    def test_the_table_knows_the_lists(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = {row[0]: row[1:] for row in doctor.lecture_rows()}
        assert rows["the list of names"] == ("other names", "It is of 2017: `autograder names --lecture` gets the other.")
        monkeypatch.setattr(names, "list_checksum", lambda: names.LECTURE_SHA256)
        rows = {row[0]: row[1:] for row in doctor.lecture_rows()}
        assert rows["the list of names"] == ("same", "It is the lecture's.")


@linux
def test_a_second_command_finds_the_process_of_the_first(learner: Learner, place: Path) -> None:
    autograder("check", learner.notebook("2-cross-entropy"))
    (process,) = staying(place)
    autograder("hint", "dlogits", learner.notebook("2-cross-entropy"))
    assert staying(place) == [process]


def test_from_a_clone_to_44_of_44(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A story: somebody finds the course, and works through it alone."""
    # I clone the course (git itself is not what this is about), and make a folder to work in.
    for part in ("autograder", "data", "release", "source"):
        shutil.copytree(ROOT / part, tmp_path / "course" / part, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path / "course")
    assert autograder("new", "--assignment", "backprop").exit_code == 0
    me = Learner.__new__(Learner)
    me.folder, me.model = Path("my-backprop"), MODEL

    # How far am I? Not far. It says where to begin.
    assert lines(autograder("progress"))[-1].startswith("0 of 44 points. Next: dout, in the cell `dout`")

    # The warm-up takes ten minutes, and has a mistake in it that I find.
    me.solves("0-warm-up")
    told = autograder("check", me.notebook("0-warm-up"))
    assert told.exit_code == 0 and "0-warm-up.ipynb         ████████████████████████  5 of 5 right" in told.output
    assert lines(autograder("progress"))[-1].startswith("0 of 44 points. Next: dlogprobs, in the cell `dlogprobs`")

    # The first one is easy: the loss is minus the mean of 32 numbers.
    me.writes({"dlogprobs": "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1 / 32"})
    told = autograder("check", me.notebook()).output
    assert "`32` is written into the cell, where `n` belongs." in told
    me.writes({"dlogprobs": "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1 / n"})
    assert "├── ✓ dlogprobs        right" in autograder("check", me.notebook()).output

    # On I go, and am stuck at the first variable that is used twice.
    me.writes({name: MODEL[FIRST][name] for name in ("dprobs", "dcounts_sum_inv", "dcounts_sum")})
    me.writes({"dcounts": "dcounts = counts_sum_inv * dprobs"})
    told = autograder("check", me.notebook()).output
    assert (
        "4 of 26 right" in told and "✗ dcounts: wrong. The path through `counts_sum` is missing, and the rest is right." in told
    )
    assert "hint 1 of" in autograder("hint", "dcounts").output
    me.writes({"dcounts": MODEL[FIRST]["dcounts"]})

    # The rest of the first notebook takes an evening; one slip costs one mark, and has a name.
    me.solves()
    me.writes({"dbnvar": MODEL[FIRST]["dbnvar"].replace("-0.5", "0.5")})
    told = autograder("check", me.notebook()).output
    assert "25 of 26 right" in told and "✗ dbnvar: wrong. It has the wrong sign." in told

    # I have made a mess of that cell: back to where I began, and once more.
    assert autograder("reset", "dbnvar").exit_code == 0
    me.writes({"dbnvar": MODEL[FIRST]["dbnvar"]})
    assert autograder("check", me.notebook()).exit_code == 0
    assert "counts_sum_inv" in autograder("solution", "dcounts").output

    # Cross-entropy and BatchNorm each in one go, and then it trains on nothing but my own formulas.
    for stem in NOTEBOOKS[2:]:
        me.solves(stem)
    done = autograder("check")
    assert done.exit_code == 0 and lines(done)[-1] == "44 of 44 points. All right!"
    assert lines(autograder("progress"))[-1] == "44 of 44 points. All right!"
