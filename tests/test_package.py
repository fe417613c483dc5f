"""The package as a whole: what it imports, what it shows, what its documents promise."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.specifiers import SpecifierSet

import autograder
from scripts.submissions import ROOT

PACKAGE = ROOT / "autograder"

ORDER = [
    ("cause", "errors", "files", "keys"),
    ("lists", "verdict"),
    ("cell", "dataset", "heat", "notebook", "rendering", "rewrites", "tape"),
    ("case", "edits", "exercise", "graph"),
    ("evidence", "layout", "logbook", "marks", "mutation"),
    ("drawing", "lesson", "model", "target"),
    ("misfit", "outline", "probes"),
    ("ladder",),
    ("reference", "scratch"),
    ("replay",),
    ("workspace",),
    ("comparison", "diagnosis", "repair", "session"),
    ("question",),
    ("body", "explanation"),
    ("judgement",),
    ("extension", "feedback"),
    ("grading", "guidance", "overview"),
    ("content", "zeros"),
    ("sanitising",),
    ("limits", "links", "memory", "suspects", "syscalls", "walls"),
    ("arguments", "checking", "engines", "faults", "lockdown", "mending", "message", "operations", "paper", "sighting"),
    ("recorder",),
    ("decoding", "encoding", "keeper", "master", "reader", "rehearsal", "transcript"),
    ("integrity", "opening", "order", "released", "restoring", "room", "rows", "staying", "trial", "tutoring", "wire"),
    ("attendant", "client", "conversation", "homework", "lint", "submission", "workers"),
    ("grader", "results", "slicing", "solo", "student"),
    ("places", "tutor"),
    ("coaching", "surgery"),
    ("terminal",),
    ("watching",),
    ("learning",),
    ("ahead", "pool", "records", "remote", "writer"),
    ("scope",),
    ("opened",),
    ("examiner", "examining", "resident"),
    ("conversion", "course", "examination"),
    ("desk",),
    ("cluster", "coordinator", "warm"),
    ("report",),
    ("classroom",),
    ("cli",),
]
"""A module imports from the rows above its own only."""


def imports(path: Path) -> set[str]:
    """The modules of the package that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom(module="autograder", names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module)) if module.startswith("autograder."):
                found.add(module.split(".")[1])
    return found - {"__version__"}


def test_imports_point_one_way() -> None:
    modules = {path.stem: imports(path) for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    assert modules.keys() == {name for row in ORDER for name in row}
    for index, row in enumerate(ORDER):
        above = {name for earlier in ORDER[:index] for name in earlier}
        for name in row:
            assert modules[name] <= above, f"{name} imports {modules[name] - above}"


TABLES = {"probes", "rewrites"}
"""May be as long as there are rows in them."""


def test_modules_are_small() -> None:
    sizes = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.glob("*.py")}
    assert sorted(sizes.values())[len(sizes) // 2] < 120
    assert max(size for name, size in sizes.items() if name not in TABLES) <= 300


def test_the_public_names() -> None:
    names = ["build_dataset", "check", "grade", "hint", "load_names", "progress", "solution", "vocabulary"]
    assert sorted(autograder.__all__) == names
    for name in autograder.__all__:
        function = getattr(autograder, name)
        assert callable(function) and function.__doc__
        assert function.__name__ not in {path.stem for path in PACKAGE.glob("*.py")}
    with pytest.raises(AttributeError, match="has no attribute 'chek'"):
        _ = autograder.chek


def loaded_after(statement: str) -> set[str]:
    """The top-level modules in a fresh interpreter after a statement."""
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


def test_a_learner_who_checks_loads_nothing_of_nbgrader() -> None:
    modules = loaded_after("from autograder import *\nimport autograder.extension")
    assert {"torch", "IPython"} <= modules
    assert not {"nbgrader", "nbconvert", "nbclient", "jupyter_client", "dask", "distributed", "sqlalchemy"} & modules


def test_a_learner_s_commands_load_nothing_of_nbgrader() -> None:
    modules = loaded_after("from autograder import coaching, learning, solo, terminal, tutor, watching")
    assert {"rich", "watchfiles"} <= modules
    assert not {"nbgrader", "nbconvert", "nbclient", "nbformat", "dask", "torch", "IPython"} & modules


def test_a_process_that_converts_nothing_loads_nothing_of_nbgrader() -> None:
    modules = loaded_after("import autograder.warm")
    assert {"torch", "IPython"} <= modules
    assert not {"nbgrader", "nbconvert", "nbclient", "dask", "distributed", "sqlalchemy"} & modules


def test_help_does_not_import_torch() -> None:
    assert not {"torch", "IPython", "nbformat"} & loaded_after("import autograder.cli")
    assert not {"torch", "IPython"} & loaded_after("import autograder")


def test_a_learner_s_install_is_light() -> None:
    names = {re.split(r"[<>=\[]", dependency)[0] for dependency in project()["dependencies"]}
    assert not {"nbgrader", "dask", "distributed", "nbclient", "playwright", "pytest"} & names
    assert {"torch", "jupyterlab"} <= names


def project() -> dict[str, Any]:
    metadata: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return metadata


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.partition("#")[0].strip().split("==") for line in lines)


def test_every_pinned_version_runs_on_the_oldest_python_we_support() -> None:
    """pip does not choose these: it fails, with words about anything but Python."""
    oldest = project()["requires-python"].removeprefix(">=") + ".0"
    installed = {each.name.lower(): each for each in distributions()}
    needs = {name: installed[name].metadata.get("Requires-Python") for name in pinned() if name in installed}
    assert len(needs) > 100
    assert {name: need for name, need in needs.items() if need and not SpecifierSet(need).contains(oldest)} == {}


def test_the_names_and_the_release_come_with_an_installed_package(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path,
        ROOT,
    ]
    subprocess.run(build, check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    told = "autograder.__file__, len(autograder.load_names()), len(released.notebooks())"
    code = f"import autograder; from autograder import released; print({told})"
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    surroundings = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == [str(tmp_path / "installed/autograder/__init__.py"), "32469", "4"], done.stderr


def test_every_pinned_version_is_exact_and_every_requirement_is_pinned() -> None:
    pins = pinned()
    extras = project()["optional-dependencies"].values()
    wanted = [*project()["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.split(r"[<>=\[]", dependency)[0] for dependency in wanted} - {"backprop-ninja"}
    assert names <= pins.keys()


def commands(document: str) -> set[str]:
    """The commands in the shell blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", text, flags=re.DOTALL)
    return {line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.split("#")[0].strip()}


def test_the_readme_names_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = {command.split()[1] for command in commands("README.md") if command.startswith("make ")}
    assert {"demo", "test"} <= named <= targets


def test_the_readme_names_commands_that_exist() -> None:
    from click.testing import CliRunner

    from autograder.cli import main

    verbs = {command.split("autograder ")[1].split()[0] for command in commands("README.md") if "autograder " in command}
    assert verbs
    for verb in verbs:
        result = CliRunner().invoke(main, [verb, "--help"])
        assert result.exit_code == 0, verb
        assert "Example:" in result.output


def test_the_readme_s_figures_are_those_of_the_suite() -> None:
    from tests.test_judgement import RIGHT_FORMS, WRONG_FORMS

    readme, quality = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/quality.md"))
    assert f"{len(RIGHT_FORMS)} ways to write the answers are accepted, {len(WRONG_FORMS)} wrong ones are not" in readme
    assert f"{len(RIGHT_FORMS)} right ways and {len(WRONG_FORMS)} wrong ways" in quality


def test_the_readme_says_of_the_diagnosis_what_was_measured() -> None:
    readme, report = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/mutation.md"))
    rejected = re.search(r"of these rejected \| (\d+)", report)
    shares = [re.search(rf"{what} is named \| \d+ \(([\d.]+) %\)", report) for what in ("planted cause", "another cause")]
    assert rejected and all(shares)
    assert round(int(rejected[1]), -3) == 1000
    named, other = (round(float(share[1])) for share in shares if share)
    assert f"Of a thousand planted mistakes it names {named} %, and another one in {other} %" in readme


def test_ci_runs_what_the_readme_names() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert script[-1] == "make test"
    assert "make test" in commands("README.md")
