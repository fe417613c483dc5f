"""Pages that make an exercise are typed into an empty course, from the top to the end, and every output has to be theirs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from scripts.submissions import ROOT
from tests.support.learner import runtime
from tests.support.pages import fenced

PAGES = {
    "add-your-own": "1 notebook, 9 tests, 9 points: 0 to fix\n",
    "layernorm-exercise": "1 notebook, 13 tests, 13 points: 0 to fix\n",
}
"""What the linter says on each."""
SOLUTION = re.compile(r"(### BEGIN SOLUTION\n).*(\n### END SOLUTION)", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code on the page: its language, and its text."""

    language: str
    text: str

    @property
    def place(self) -> str:
        """The file that it goes to, which stands in its first line, alone or after a few words."""
        found = re.match(r"# (?:.* in )?(\S+)\n", self.text)
        assert found, f"this block does not say which file it is: {self.text[:60]!r}"
        return found[1]

    @property
    def cells(self) -> dict[str, str]:
        """The cells of a notebook that it writes, by their ids."""
        parts = re.split(r"^# %% (\w+)\n", self.text, flags=re.MULTILINE)
        return {id: source.strip("\n") for id, source in zip(parts[1::2], parts[2::2], strict=True)}

    @property
    def commands(self) -> list[tuple[str, str]]:
        """What is typed, each with what it prints."""
        parts = re.split(r"^\$ (.*)\n", self.text, flags=re.MULTILINE)
        return list(zip(parts[1::2], parts[2::2], strict=True))


def typed(command: str, folder: Path) -> str:
    """What a command prints in a folder; it has its programs from the environment of this process."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    surroundings.pop("COLUMNS", None)  # as for an output that goes to a file
    done = subprocess.run(command, shell=True, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=200)
    assert done.returncode in ((0, 1) if command.startswith("autograder check") else (0,)), done.stdout + done.stderr
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def write_cells(path: Path, sources: dict[str, str]) -> None:
    """Writes into the cells of a notebook: between the marks of a solution where there are some."""
    nb = nbformat.read(path, as_version=4)
    written = set()
    for cell in nb.cells:
        if cell.id in sources:
            new, count = SOLUTION.subn(lambda found, text=sources[cell.id]: f"{found[1]}{text}{found[2]}", cell.source)
            cell.source = new if count else sources[cell.id]
            written.add(cell.id)
    assert written == sources.keys()
    nbformat.write(nb, path)


def follow(page: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Does what a page says, in its order: each command, what the page has it print, and what it prints."""
    for block in (Block(*found) for found in fenced(page)):
        if block.language == "console":
            yield from ((command, shown, typed(command, folder)) for command, shown in block.commands)
        elif block.place.endswith(".ipynb"):
            write_cells(folder / block.place, block.cells)
        else:
            (folder / block.place).write_text(block.text, encoding="utf-8")


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Path]:
    """A folder with nothing but the configuration; the process that a check leaves behind ends with it."""
    folder = tmp_path / "course"
    folder.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with runtime(tmp_path / "run"):
        yield folder


def page_of(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_does_what_it_says(course: Path, name: str) -> None:
    done = list(follow(page_of(name), course))
    for command, shown, printed in done:
        assert printed == shown, command
    assert [command.split()[0:2] for command, _, _ in done].count(["autograder", "lint"]) == 1
    assert PAGES[name] in [shown for _, shown, _ in done]


def test_an_output_that_is_stale_is_seen(course: Path) -> None:
    stale = page_of("add-your-own").partition("## 3.")[0].replace("9 gradients", "8 gradients")
    assert any(shown != printed for _, shown, printed in follow(stale, course))
