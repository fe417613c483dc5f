"""Writes docs/terminal.md: what a new learner sees, in a fresh clone, and how long a save takes to its verdict."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pexpect  # type: ignore[import-untyped]

from scripts.submissions import NOTEBOOKS, ROOT
from tests.support.learner import MODEL, Learner, runtime

WIDTH, HEIGHT = 110, 40
FIRST = NOTEBOOKS[1]
EDITS = 20
ROUNDS = 3
EASY = "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = {} / n"
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CLEAR = "\x1b[2J"


class Session:
    """A terminal in the clone, whose commands and what they print are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "xterm"}
        for name in ("VIRTUAL_ENV", "PYTHONPATH"):
            self.environment.pop(name, None)

    def run(self, command: str) -> tuple[str, float]:
        """What a command printed, and the seconds it took."""
        began = time.monotonic()
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        told = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith("WARNING:")]  # those are pip's
        return "\n".join([f"$ {command}", *told]), time.monotonic() - began

    @contextmanager
    def watching(self) -> Iterator[Watched]:
        command = str(self.folder / ".venv/bin/autograder")
        process = pexpect.spawn(
            command,
            ["watch"],
            cwd=str(self.folder),
            env=self.environment,
            encoding="utf-8",
            timeout=60,
            dimensions=(HEIGHT, WIDTH),
        )
        try:
            yield Watched(process)
        finally:
            process.close(force=True)


class Watched:
    def __init__(self, process: pexpect.spawn) -> None:
        self.process = process

    def until(self, words: str) -> str:
        """The screen that has these words."""
        screen = ""
        while words not in screen:
            self.process.expect(r"\[q\]\S* quit")
            shown = self.process.before + self.process.after
            screen = CODES.sub("", shown.rpartition(CLEAR)[2]).replace("\r", "").strip("\n")
        return screen

    def press(self, key: str, words: str) -> str:
        self.process.send(key)
        return self.until(words)


def at_work(folder: Path) -> Learner:
    """Somebody who has a folder already."""
    learner = Learner.__new__(Learner)
    learner.folder = folder
    return learner


def first_minutes(session: Session, learner: Learner) -> tuple[dict[str, str], float]:
    """What is seen, by the title, and the seconds from a save to the verdict, over EDITS edits of all kinds."""
    shown = {}
    with session.watching() as watched:
        shown["`autograder watch`, as it begins"] = watched.until("dlogprobs: not attempted")
        learner.writes({"dlogprobs": EASY.format(1)})
        shown["A first try is saved"] = watched.until("dlogprobs: wrong")
        learner.writes({"dlogprobs": EASY.format(-1)})
        shown["And another"] = watched.until("dlogprobs: right")
        shown["The key n"] = watched.press("n", "dprobs: not attempted")
        shown["The key h"] = watched.press("h", "dprobs: hint 1")
        answers = {name: answer for name, answer in MODEL[FIRST].items() if name != "dlogprobs"}
        seconds = []
        for name, answer in list(answers.items())[: EDITS // 2]:
            for form, word in ((f"{answer}\n{name} = -{name}", "wrong"), (answer, "right")):
                time.sleep(0.7)
                began = time.monotonic()
                learner.writes({name: form})
                watched.until(f"{name}: {word}")
                seconds.append(time.monotonic() - began)
        shown["The key l, after ten more"] = watched.press("l", NOTEBOOKS[-1])
    return shown, statistics.median(seconds)


def seconds(session: Session, command: str, before: str = "") -> float:
    """The median of some runs; `before` each of them another command runs."""
    found = []
    for _ in range(ROUNDS):
        if before:
            session.run(before)
        found.append(session.run(command)[1])
    return statistics.median(found)


def main() -> None:
    with TemporaryDirectory() as temporary, runtime(Path(temporary, "run")):
        folder = Path(temporary, "backprop-ninja")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        session = Session(folder)
        shown = {}
        shown["Set-up"], installing = session.run("make learn")
        if not (folder / "my-backprop").is_dir():
            sys.exit(shown["Set-up"])
        learner = at_work(folder / "my-backprop")
        screens, saved = first_minutes(session, learner)
        shown |= screens
        learner.writes({"dcounts": "dcounts = counts_sum_inv * dprobs"})
        for command in ("check", "hint dcounts", "solution dprobs", "reset dcounts", "progress", "doctor"):
            shown[f"`autograder {command}`"], _ = session.run(f".venv/bin/autograder {command}")
        notebook = f"my-backprop/{FIRST}.ipynb"
        warm = seconds(session, f".venv/bin/autograder check {notebook}")
        shutil.rmtree(os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)
        session.environment["XDG_RUNTIME_DIR"] = "/nonexistent"
        cold = seconds(session, f".venv/bin/autograder check {notebook}")
        kernel = seconds(
            session, f".venv/bin/jupyter nbconvert --to notebook --execute --allow-errors --stdout {notebook} --log-level 50"
        )
    parts = [f"## {title}\n\n```text\n{text.replace(temporary, '~').rstrip()}\n```" for title, text in shown.items()]
    rows = {
        "from a save to the verdict in `autograder watch`": saved,
        "`autograder check`, of the whole notebook, after another command": warm,
        "`autograder check`, when it has to load everything": cold,
        "running the whole notebook in a new kernel, with its checks": kernel,
    }
    table = "\n".join(f"| {title} | {value:.2f} | {kernel / value:.1f} |" for title, value in rows.items())
    text = PAGE.format(edits=EDITS, table=table, installing=installing, parts="\n\n".join(parts))
    (ROOT / "docs/terminal.md").write_text(text, encoding="utf-8")
    print(text)


PAGE = """# In the terminal

`make terminal` did all this in a fresh clone, with an empty environment, and wrote down what a new learner sees.
Three commands, `make learn`, `jupyter lab my-backprop` and `autograder watch`, and one edit lead to the first right gradient.
To install took {installing:.0f} s where pip had all packages at hand.

How long it takes to know, with the first notebook (medians; of {edits} edits for `watch`, side by side in one run on a shared
machine of two cores):

| | seconds | times faster than a new kernel |
|---|---|---|
{table}

{parts}
"""


if __name__ == "__main__":
    main()
