"""The files that open the course on other machines install what they say, and make the notebooks."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pexpect  # type: ignore[import-untyped]
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from autograder.course.catalogue import Catalogue
from scripts import build_site
from scripts.submissions import ROOT
from tests.support.clusters import HOST, free_port, until
from tests.support.pages import blocks

SECONDS = 240
HEAVY = {"nbgrader", "distributed", "sphinx", "pytest"}
"""What a learner does not need."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of this checkout, as another machine has it."""
    place = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place)], check=True, timeout=SECONDS)
    return place


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """The surroundings of another Python, which has what this one has, but for the package itself."""
    place = tmp_path / "python"
    venv.create(place, with_pip=True, symlinks=True)
    mine = sysconfig.get_path("purelib")
    (theirs,) = place.glob("lib/python*/site-packages")
    for entry in Path(mine).iterdir():
        is_ours = entry.name == "autograder" or "backprop_ninja" in entry.name  # through a link pip would write into this one
        if not (is_ours or (theirs / entry.name).exists()):
            (theirs / entry.name).symlink_to(entry)
    surroundings = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    yield {**surroundings, "PATH": f"{place / 'bin'}{os.pathsep}{surroundings['PATH']}", "VIRTUAL_ENV": str(place)}


def ran(command: list[str], folder: Path, surroundings: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_a_binder_gets_the_package_of_learners_and_all_notebooks(clone: Path, other: Mapping[str, str]) -> None:
    ran(["sh", "binder/postBuild"], clone, other)
    made = sorted(path.relative_to(clone / "my-course") for path in (clone / "my-course").rglob("*.ipynb"))
    released = sorted(path.relative_to(ROOT / "release") for path in (ROOT / "release").rglob("*.ipynb"))
    assert made == released
    said = ran(
        ["python", "-c", "import importlib.metadata as m, json; print(json.dumps(m.requires('backprop-ninja')))"], clone, other
    )
    light = {Requirement(each).name for each in json.loads(said) if "extra ==" not in each}
    assert "torch" in light and not light & HEAVY


def test_what_a_binder_takes_from_conda_is_new_enough() -> None:
    found = yaml.safe_load((ROOT / "binder/environment.yml").read_text(encoding="utf-8"))["dependencies"]
    python = next(each for each in found if each.startswith("python="))
    asked = re.search(r'requires-python = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert asked and python.removeprefix("python=") in SpecifierSet(asked[1])
    assert re.search(r'"torch(>=[\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1] in next(  # type: ignore[index]
        each for each in found if each.startswith("pytorch-cpu")
    )


def test_a_development_container_runs_what_make_has() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make learn"
    shown = subprocess.run(
        ["make", "--dry-run", "VENV=.venv", "learn"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert container["postAttachCommand"].split(" --")[0] in shown
    assert container["image"].removeprefix("python:") in SpecifierSet(">=3.11")


def test_the_cell_for_colab_installs_the_package_of_learners(clone: Path, other: Mapping[str, str]) -> None:
    (cell,) = blocks(ROOT / "docs/publish.md", "python")
    cell = cell.replace("https://example.org/you/backprop-ninja", clone.as_uri())
    ran(["python", "-m", "IPython", "-c", cell], clone.parent, other)
    shown = ran(["autograder", "--version"], clone.parent, other)
    assert shown.strip()
    place = ran(["python", "-c", "import autograder; print(autograder.__file__)"], clone.parent, other)
    assert place.startswith(other["VIRTUAL_ENV"])


def test_the_site_is_published_from_where_make_writes_it() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/site.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["publish"]["steps"]
    assert any(step.get("run") == "make site" for step in steps)
    uploaded = next(step["with"]["path"] for step in steps if "upload-pages-artifact" in step.get("uses", ""))
    assert uploaded == build_site.SITE
    assert re.search(
        r"^site:.*\n\t.*-m scripts\.build_site$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE
    )


def test_all_assignments_are_on_the_pages() -> None:
    front = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert all(f"</course/{each.name}/index>" in front for each in Catalogue([ROOT]).assignments)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_learner_types_the_three_commands_of_the_start_page(clone: Path) -> None:
    """All is installed anew, which takes minutes."""
    (block,) = blocks(ROOT / "docs/start/self-learner.md", "sh")
    learn, lab, watch = (shlex.split(line) for line in block.splitlines() if not line.startswith("#"))
    surroundings = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS")}
    subprocess.run([*learn, f"PYTHON={sys.executable}"], cwd=clone, env=surroundings, check=True, timeout=SECONDS * 3)
    assert len([*(clone / "my-backprop").rglob("*.ipynb")]) == len([*(ROOT / "release/backprop").glob("*.ipynb")])

    port = free_port()
    quietly = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token="]
    server = subprocess.Popen(
        [*lab, *quietly], cwd=clone, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: "1-every-gradient.ipynb" in listed(port))
    finally:
        server.terminate()
        server.wait(SECONDS)

    program, *arguments = watch
    terminal = pexpect.spawn(program, arguments, cwd=str(clone), env=surroundings, timeout=SECONDS, encoding="utf-8")
    terminal.expect(r"\[q\]\S* quit")
    assert "0 of 44 points" in terminal.before
    terminal.send("q")
    terminal.expect(pexpect.EOF)


def listed(port: int) -> str:
    """What JupyterLab's server has in its folder; nothing where it does not answer yet."""
    with suppress(OSError), urlopen(f"http://{HOST}:{port}/api/contents/", timeout=SECONDS) as answer:
        found: bytes = answer.read()
        return found.decode()
    return ""
