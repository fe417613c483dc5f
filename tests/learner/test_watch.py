"""`autograder watch` in a real terminal, and what it watches."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Set
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest
import watchfiles

from autograder.learner import watch
from scripts.submissions import NOTEBOOKS
from tests.support.learner import MODEL, Learner

PROGRAM = [sys.executable, "-c", "from autograder.cli.main import main; main()", "watch"]
KEYS = "[h] hint   [l] list   [c] course   [n] next   [r] reset   [q] quit"
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """What somebody sees who watches."""

    def __init__(self, folder: Path, rows: int = 40) -> None:
        environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "250"}
        self.process = pexpect.spawn(
            PROGRAM[0], [*PROGRAM[1:], str(folder)], env=environment, encoding="utf-8", timeout=60, dimensions=(rows, 250)
        )

    def until(self, words: str) -> str:
        """All that is shown from now until a screen that has these words."""
        shown = ""
        while words not in shown:
            if self.process.expect([r"\[q\]\S* quit", pexpect.TIMEOUT, pexpect.EOF]):
                pytest.fail(f"`{words}` did not come: {shown}{ANSI.sub('', self.process.before)}")
            shown = ANSI.sub("", self.process.before).replace("\r", "")
        return shown

    def press(self, key: str, words: str) -> str:
        self.process.send(key)
        return self.until(words)

    def close(self) -> None:
        self.process.close(force=True)


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Learner:
    return Learner(tmp_path_factory.mktemp("watched") / "mine")


@pytest.fixture(scope="module")
def terminal(learner: Learner) -> Iterator[Terminal]:
    terminal = Terminal(learner.folder)
    yield terminal
    terminal.close()


def test_it_begins_where_work_is_left(terminal: Terminal) -> None:
    shown = terminal.until("not attempted")
    assert "○ dout: not attempted." in shown
    assert "next: Write it in the cell `dout`, and save the notebook." in shown
    assert "0 of 44 points" in shown


def test_a_save_is_judged_at_once(terminal: Terminal, learner: Learner) -> None:
    learner.writes({"dlogprobs": "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = 1 / n"})
    shown = terminal.until("dlogprobs: wrong")
    assert "It has the wrong sign." in shown and "judged in" in shown


def test_it_never_moves_on_by_itself(terminal: Terminal, learner: Learner) -> None:
    learner.writes({"dlogprobs": MODEL[NOTEBOOKS[1]]["dlogprobs"]})
    shown = terminal.until("dlogprobs: right")
    line = "`loss = -logprobs[range(n), Yb].mean()`"
    asked = f"to think about: {line} picks some entries. What do all others get, and where do you see that in your answer?"
    assert asked in shown
    assert "Press n to go on." in shown and "1 of 44 points" in shown and "dprobs:" not in shown.replace("dlogprobs:", "")
    assert "○ dprobs: not attempted." in terminal.press("n", "dprobs: not attempted")


def test_a_key_gives_a_hint_and_then_more(terminal: Terminal) -> None:
    assert "It is used in `logprobs = probs.log()`." in terminal.press("h", "dprobs: hint 1 of 6")
    terminal.press("h", "dprobs: hint 2 of 6")


def test_what_depends_on_a_change_is_judged_again(terminal: Terminal, learner: Learner) -> None:
    answers = MODEL[NOTEBOOKS[1]]
    first = {name: answers[name] for name in ("dprobs", "dcounts_sum_inv")}
    learner.writes({**first, "dcounts_sum": "dcounts_sum = -squared(counts_sum_inv) * dcounts_sum_inv"})
    terminal.until("dcounts_sum: could not tell")
    learner.writes({"dprobs": answers["dprobs"] + "\ndef squared(x):\n    return x**2"})
    shown = terminal.until("✓ dcounts_sum ")
    assert "✓ dprobs: right." in shown and "4 of 44 points" in shown


def test_the_list_has_all_notebooks(terminal: Terminal) -> None:
    shown = terminal.press("l", "4-train.ipynb")
    assert all(f"{name}.ipynb" in shown for name in NOTEBOOKS)


def test_one_is_picked_from_the_list(terminal: Terminal) -> None:
    shown = terminal.press("l", "then Enter")
    assert re.search(r" 6 ✓ dlogprobs +7 ✓ dprobs +8 ✓ dcounts_sum_inv", shown)
    assert re.search(r"31 ○ dC  ", shown) and "To go to one of them, type its number or its name, then Enter." in shown
    assert "○ dW2: not attempted." in terminal.press("dW2\n", "dW2: not attempted")
    terminal.press("l", "then Enter")
    assert "✓ dlogprobs: right." in terminal.press("6\n", "dlogprobs: right")
    terminal.press("l", "then Enter")
    terminal.process.send("dhh\x7f")
    assert "○ dh: not attempted." in terminal.press("\n", "dh: not attempted")
    terminal.press("l", "then Enter")
    assert "there is no `dcount` here. Did you mean `dcounts`?" in terminal.press("dcount\n", "there is no")
    terminal.press("l", "then Enter")
    assert "there is no `99` here. Press l for the list." in terminal.press("99\n", "there is no")
    terminal.press("l", "then Enter")
    terminal.press("n", "not attempted")  # a key is a key, until something is typed


def test_a_reset_is_asked_for_twice(terminal: Terminal, learner: Learner) -> None:
    learner.writes({"dcounts": "dcounts = 1"})
    terminal.until("dcounts: wrong")
    terminal.press("r", "Press r again to put the cell `dcounts` back")
    terminal.press("n", "not attempted")  # another key calls it off
    terminal.press("r", "Press r again")
    learner.writes({"dcounts": "dcounts = 3"})  # and so does a save
    terminal.until("dcounts: wrong")
    terminal.press("r", "Press r again")
    terminal.press("l", "4-train.ipynb")
    learner.writes({"dcounts": "dcounts = 2"})
    terminal.until("dcounts: wrong")
    terminal.press("r", "Press r again")
    assert learner.source("dcounts") == "dcounts = 2"
    shown = terminal.press("r", "as it was released. Your text is in")
    assert "backup" in shown and learner.source("dcounts") == "# YOUR CODE HERE"


def test_a_file_that_is_no_notebook_is_said_and_watched_on(terminal: Terminal, learner: Learner) -> None:
    text = learner.notebook("3-batchnorm").read_text(encoding="utf-8")
    learner.notebook("3-batchnorm").write_text(text[:1000], encoding="utf-8")
    terminal.until("is not a notebook")
    learner.notebook("3-batchnorm").write_text(text, encoding="utf-8")
    terminal.until("dcounts: not attempted")  # what was there before
    learner.solves("3-batchnorm")
    assert "10 of 44 points" in terminal.until("dxhat: right")


def test_a_copy_is_not_judged_beside_its_original(terminal: Terminal, learner: Learner) -> None:
    copy = learner.folder / "3-batchnorm-Copy1.ipynb"
    copy.write_bytes(learner.notebook("3-batchnorm").read_bytes())
    shown = terminal.until("is a copy of")
    assert "3-batchnorm-Copy1.ipynb is a copy of 3-batchnorm.ipynb, and is not judged here. Work in one of them:" in shown
    assert f"to watch the copy, `autograder watch {copy}`." in shown and "10 of 44 points" in shown
    copy.unlink()


def test_q_ends_it(terminal: Terminal) -> None:
    terminal.process.send("q")
    terminal.process.expect(pexpect.EOF)
    terminal.process.close()
    assert terminal.process.exitstatus == 0


def test_what_cannot_be_read_at_the_start_is_said_and_checked_when_it_is_mended(tmp_path: Path) -> None:
    learner = Learner(tmp_path / "mine")
    text = learner.notebook("3-batchnorm").read_text(encoding="utf-8")
    for stem in (*NOTEBOOKS[:3], *NOTEBOOKS[4:]):
        learner.notebook(stem).unlink()
    learner.notebook("3-batchnorm").write_text("{", encoding="utf-8")
    terminal = Terminal(learner.folder)
    try:
        assert "All right" not in terminal.until("is not a notebook")
        learner.notebook("3-batchnorm").write_text(text, encoding="utf-8")
        terminal.until("0 of 5 right, 0 of 6 points")
    finally:
        terminal.close()


def test_without_notebooks_it_ends_with_two(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.process.expect_exact("has no notebooks of a course. Give a folder that has")
    terminal.process.expect(pexpect.EOF)
    terminal.process.close()
    assert terminal.process.exitstatus == 2


def test_where_the_system_does_not_tell_files_are_looked_at(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    real = watchfiles.watch

    def refuse(*folders: Path, force_polling: bool | None = None, **more: object) -> Iterator[Set[tuple[object, str]]]:
        if not force_polling:
            raise OSError(28, "inotify watch limit reached")
        return real(*folders, force_polling=True, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(watch, "watch", refuse)
    said: list[object] = []
    changes = watch.saves({learner.folder.resolve()}, said.append)
    assert next(changes) == set()
    (word,) = said
    assert "inotify watch limit reached" in str(word) and "every 100 ms" in str(word)
    threading.Timer(0.3, learner.writes, [{"dC": "dC = 1"}]).start()
    deadline = time.monotonic() + 20
    found: Set[Path] = set()
    while not found and time.monotonic() < deadline:
        found = next(changes)
    assert found == {learner.notebook().resolve()}


def test_other_files_are_no_saves(learner: Learner) -> None:
    changes = watch.saves({learner.folder.resolve()}, print)
    next(changes)
    (learner.folder / "progress.json").write_text("{}")
    (learner.folder / ".hidden.ipynb").write_text("{}")
    learner.writes({"dC": "dC = 2"}, "2-cross-entropy")
    deadline = time.monotonic() + 20
    found: set[Path] = set()
    while not found and time.monotonic() < deadline:
        found |= next(changes)
    assert found == {learner.notebook("2-cross-entropy").resolve()}
