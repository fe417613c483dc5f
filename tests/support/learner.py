"""A learner: a fresh folder of the released notebooks, in which cells are written and saved as an editor does."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from autograder.cli.main import main
from autograder.course import catalogue
from scripts.submissions import NOTEBOOKS, model_answers

MODEL = model_answers()


def autograder(*arguments: str | Path) -> Result:
    """What the command does, on a terminal of 100 columns."""
    return CliRunner(env={"COLUMNS": "100"}).invoke(main, [str(argument) for argument in arguments])


def lines(result: Result) -> list[str]:
    """What it showed."""
    return [line.rstrip() for line in result.output.splitlines()]


class Learner:
    def __init__(self, folder: Path, assignment: str = "backprop") -> None:
        self.folder = folder
        self.model = model_answers(assignment)
        if not folder.exists():
            catalogue.copy(folder, name=assignment)

    def notebook(self, stem: str = NOTEBOOKS[1]) -> Path:
        return self.folder / f"{stem}.ipynb"

    def writes(self, answers: Mapping[str, str], stem: str = NOTEBOOKS[1]) -> None:
        """Fills in cells by id and saves the notebook."""
        content = self.read(stem)
        for cell in content["cells"]:
            cell["source"] = answers.get(cell.get("id"), cell["source"])
        self.saves(content, stem)

    def solves(self, stem: str = NOTEBOOKS[1]) -> None:
        self.writes(self.model[stem], stem)

    def read(self, stem: str = NOTEBOOKS[1]) -> Any:
        return json.loads(self.notebook(stem).read_text(encoding="utf-8"))

    def saves(self, content: object, stem: str = NOTEBOOKS[1]) -> None:
        """As JupyterLab does: another file is written first, and then takes the place."""
        aside = self.folder / f".~{stem}.ipynb"
        aside.write_text(json.dumps(content), encoding="utf-8")
        os.replace(aside, self.notebook(stem))

    def source(self, id: str, stem: str = NOTEBOOKS[1]) -> str:
        return next("".join(cell["source"]) for cell in self.read(stem)["cells"] if cell.get("id") == id)


@contextmanager
def runtime(folder: Path) -> Iterator[Path]:
    """A place of its own for fork serveres that stay; they end with it."""
    folder.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        try:
            yield folder / "backprop-ninja"
        finally:
            for process in staying(folder / "backprop-ninja"):
                everyone = [process, *process.children(recursive=True)]
                process.send_signal(signal.SIGKILL)
                psutil.wait_procs(everyone, timeout=20)


def staying(folder: Path) -> list[psutil.Process]:
    """The processes that stay."""
    pids = [int(lock.read_text()) for lock in folder.glob("*.lock")]
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
