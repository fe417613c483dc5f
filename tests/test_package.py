"""The package as a whole: what it imports, what it shows, what its documents promise."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
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
from autograder.course.catalogue import Catalogue
from autograder.course.cells import read_cells
from autograder.course.objectives import asked_in
from scripts.submissions import ROOT
from tests.conftest import SLOW, SYSTEM
from tests.support.pages import blocks

PACKAGE = ROOT / "autograder"


FOLDERS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_says_what_it_is_for_and_names_its_modules(folder: Path) -> None:
    """So that a newcomer finds a line from the folder's `__init__` alone, and that no name in it is stale."""
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert "\n\nMay import: " in said
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert {name for name in modules - {"__init__"} if f"`{name}`" not in said} == set()


def test_documents_name_files_that_exist() -> None:
    named = {
        PACKAGE: re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")),
        ROOT / "tests": re.findall(
            r"`(?:tests/)?([a-z/]*test_[a-z_]+\.py)`", (ROOT / "docs/security.md").read_text(encoding="utf-8")
        ),
    }
    assert all(len(files) > 10 for files in named.values())
    missing = {file for folder, files in named.items() for file in files if not (folder / file).exists()}
    assert {file for file in missing if not (ROOT / file).exists()} == set()


def test_an_import_against_the_layers_is_refused(tmp_path: Path) -> None:
    """`make test` runs `lint-imports`; here an upward import is planted in a copy of the package."""
    copy = tmp_path / "planted"
    shutil.copytree(PACKAGE, copy / "autograder", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    lint = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    surroundings = {**os.environ, "PYTHONPATH": str(copy)}
    kept = subprocess.run(lint, cwd=copy, env=surroundings, capture_output=True, text=True)
    assert kept.returncode == 0, kept.stdout
    with open(copy / "autograder" / "tape" / "cases.py", "a", encoding="utf-8") as file:
        file.write("\nfrom autograder.judge import session  # planted\n")
    broken = subprocess.run(lint, cwd=copy, env=surroundings, capture_output=True, text=True)
    assert broken.returncode == 1
    assert "autograder.tape is not allowed to import autograder.judge" in broken.stdout


def test_make_test_runs_the_import_contracts() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\ntest: check\n" in makefile and "\ntest-fast: check\n" in makefile
    assert "$(BIN)/lint-imports" in makefile.partition("\ncheck:")[2].partition("\n\n")[0]


def test_modules_that_need_the_system_are_called_as_they_are_marked() -> None:
    assert {f"test_{name}" for name in (*SYSTEM, *SLOW)} <= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


def test_the_public_names() -> None:
    names = ["build_dataset", "check", "exam_generator", "grade", "hint", "load_names", "progress", "solution", "vocabulary"]
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
    modules = loaded_after("from autograder import *\nimport autograder.notebook.extension")
    assert {"torch", "IPython"} <= modules
    assert not {"nbgrader", "nbconvert", "nbclient", "jupyter_client", "dask", "distributed", "sqlalchemy"} & modules


def test_a_learner_s_commands_load_nothing_of_nbgrader() -> None:
    modules = loaded_after(
        "from autograder.forkserver import unsandboxed\n"
        "from autograder.learner import checker, history, screen, watch\n"
        "import autograder.cli.learner"
    )
    assert {"rich", "watchfiles"} <= modules
    assert not {"nbgrader", "nbconvert", "nbclient", "nbformat", "dask", "torch", "IPython"} & modules


def test_a_process_that_converts_nothing_loads_nothing_of_nbgrader() -> None:
    modules = loaded_after("import autograder.forkserver.server")
    assert {"torch", "IPython"} <= modules
    assert not {"nbgrader", "nbconvert", "nbclient", "dask", "distributed", "sqlalchemy"} & modules


def test_a_room_loads_nothing_that_judges() -> None:
    judges = {
        *("judge.comparison", "judge.judging", "judge.kinds", "judge.wording", "diagnosis.diagnose", "diagnosis.probes"),
        *("notebook.checking", "notebook.extension", "notebook.overview"),
    }
    assert all(
        (PACKAGE / f"{name.replace('.', '/')}.py").exists() or (PACKAGE / name.replace(".", "/")).is_dir() for name in judges
    )
    code = "import json, sys, autograder.notebook.api, autograder.examiner.agent\nprint(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(json.loads(done.stdout))
    assert "autograder.judge.session" in loaded
    assert not {f"autograder.{name}" for name in judges} & loaded


def test_help_does_not_import_torch() -> None:
    assert not {"torch", "IPython", "nbformat"} & loaded_after("import autograder.cli.main")
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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a package as pip installs it, from a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        ROOT,
    ]
    subprocess.run(build, check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def with_installed(installed: Path, code: str, folder: Path) -> str:
    """What some code prints that runs with an installed package, and no checkout around it."""
    surroundings = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_the_names_and_the_release_come_with_an_installed_package(installed: Path, tmp_path: Path) -> None:
    told = "autograder.__file__, len(autograder.load_names()), *default().notebooks"
    code = f"import autograder; from autograder.course.catalogue import default; print({told})"
    package = installed / "autograder"
    notebooks = [str(package / path.relative_to(ROOT)) for path in Catalogue([ROOT]).notebooks]
    assert len(notebooks) >= 4
    assert with_installed(installed, code, tmp_path).split() == [str(package / "__init__.py"), "32469", *notebooks]


ASKS_CHECKED = """
import json
from pathlib import Path

from autograder.course import catalogue
from autograder.learner.checker import Checker
from autograder.learner.workbook import open_workbook

catalogue.copy(Path("mine"), name="bigrams")
path = Path("mine/1-counting.ipynb")
content = json.loads(path.read_text())
next(cell for cell in content["cells"] if cell["id"] == "P")["source"] = "P = (N + 1) / (N + 1).sum(1, keepdim=True)"
path.write_text(json.dumps(content))
with Checker() as checker:
    print(*(f"{result.name}: {result.state}" for result in checker.check(open_workbook(path)).results), sep=", ")
"""


def test_answers_to_asks_are_judged_by_an_installed_package(installed: Path, tmp_path: Path) -> None:
    told = with_installed(installed, ASKS_CHECKED, tmp_path)
    assert told.strip().startswith("N: not attempted, P: right, nll: not attempted")


SOLUTION_SEEN = """
from pathlib import Path

from click.testing import CliRunner
from IPython.core.interactiveshell import InteractiveShell

from autograder.cli.main import main
from autograder.course import catalogue
from autograder.course.cells import Role, read_cells

catalogue.copy(Path("mine"), name="backprop")
print(CliRunner().invoke(main, ["solution", "dprobs", "mine", "--anyway"]).output)
shell = InteractiveShell.instance()
for cell in read_cells(Path("mine/2-cross-entropy.ipynb")):
    if cell.role is Role.LOCKED:
        shell.run_cell(cell.source)
shell.run_cell("from autograder import solution\\nsolution('dlogits', anyway=True)")
"""


def test_the_model_answers_come_with_an_installed_package(installed: Path, tmp_path: Path) -> None:
    """For a terminal, and for a notebook: somebody who learns alone has no instructor."""
    told = with_installed(installed, SOLUTION_SEEN, tmp_path)
    assert "dprobs = dlogprobs / probs" in told
    assert "→ dlogits: model answer." in told and "dlogits[range(n), Yb] -= 1" in told
    assert sorted(path.name for path in (installed / "autograder/source").iterdir()) == [
        each.name for each in sorted(Catalogue([ROOT]).assignments, key=lambda each: each.name)
    ]
    assert {path.suffix for path in (installed / "autograder/source").glob("*/*")} == {".ipynb"}, "what the release has too"


COURSE_SEEN = """
from pathlib import Path

from click.testing import CliRunner

from autograder.cli.main import main
from autograder.course import catalogue

catalogue.copy(Path("bigrams"), name="bigrams")
print(CliRunner().invoke(main, ["progress", "--course"]).output)
"""


def test_the_map_of_the_course_is_drawn_by_an_installed_package(installed: Path, tmp_path: Path) -> None:
    told = [line.strip() for line in with_installed(installed, COURSE_SEEN, tmp_path).splitlines()]
    assert "· Counting is maximum likelihood" in told and "· BatchNorm ties the examples of a batch together" in told
    assert "Not begun. To begin: open bigrams/1-counting.ipynb" in told
    assert "Not begun. To begin: autograder new backprop --assignment backprop" in told


def test_every_pinned_version_is_exact_and_every_requirement_is_pinned() -> None:
    pins = pinned()
    extras = project()["optional-dependencies"].values()
    wanted = [*project()["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.split(r"[<>=\[]", dependency)[0] for dependency in wanted} - {"backprop-ninja"}
    assert names <= pins.keys()


def commands(document: str) -> set[str]:
    """The commands in the shell blocks of a document."""
    lines = [line.split("#")[0].strip() for block in blocks(ROOT / document, "sh", "bash") for line in block.splitlines()]
    return {line for line in lines if line}


def test_the_readme_names_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = {command.split()[1] for command in commands("README.md") if command.startswith("make ")}
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize(
    "document", ["README.md", "docs/instructors.md", "docs/start/self-learner.md", "docs/start/instructor.md"]
)
def test_a_document_names_commands_that_exist(document: str) -> None:
    from click.testing import CliRunner

    from autograder.cli.main import main

    verbs = {command.split("autograder ")[1].split()[0] for command in commands(document) if "autograder " in command}
    assert verbs
    for verb in verbs:
        result = CliRunner().invoke(main, [verb, "--help"])
        assert result.exit_code == 0, verb
        assert "Example:" in result.output


DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
"""Those that are no pages of the site, whose links its tests follow."""


def anchors(document: Path) -> set[str]:
    """What a link to a heading of a document may end with, as GitHub has it."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", document.read_text(encoding="utf-8"))
    for file, anchor in links:
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


def test_the_switches_of_the_kernel_are_where_docs_scale_says() -> None:
    from autograder.sandbox.room import SWITCHES

    security, scale = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("security.md", "scale.md"))
    rows = re.findall(r"^\| `((?:kernel|user)\.\w+)` \| (\d+) \| (\d+) \|$", security, flags=re.MULTILINE)
    assert [(name, int(bad), int(good)) for name, bad, good in rows] == [*SWITCHES]
    assert "docs/security.md has the switches" in scale


def test_the_readme_s_figures_are_those_of_the_suite() -> None:
    from tests.judge.test_judgement import RIGHT_FORMS, WRONG_FORMS

    readme, quality = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/quality.md"))
    assert f"{len(RIGHT_FORMS)} ways to write the answers are accepted, {len(WRONG_FORMS)} wrong ones are not" in readme
    assert f"{len(RIGHT_FORMS)} right ways and {len(WRONG_FORMS)} wrong ways" in quality


def test_the_readme_says_of_the_diagnosis_what_was_measured() -> None:
    readme, report = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/mutation.md"))
    rejected = re.search(r"of these rejected \| (\d+)", report)
    shares = [re.search(rf"{what} is named \| \d+ \(([\d.]+) %\)", report) for what in ("planted cause", "another cause")]
    assert rejected and all(shares)
    named, other = (share[1] for share in shares if share)
    planted = f"Of {int(rejected[1]):,} planted mistakes it names {round(float(named))} %, and another one in {other} %"
    row = r"the mistake is named \| (\d+) \([\d.]+ %\) of (\d+) \|[^|]+\| (\d+) \([\d.]+ %\) of (\d+)"
    away, of_away, home, of_home = (sum(map(int, column)) for column in zip(*re.findall(row, report), strict=True))
    share = round(100 * (away + home) / (of_away + of_home))
    assert f"{planted}; of {of_away + of_home} answers written without sight of it, {share} %: see" in readme


def test_the_readme_s_table_of_the_series_is_right() -> None:
    """In the order of the course; of assignments that are there, the counts."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| `(\w+)` \| [^|]+ \| (\d+) \| (\d+) \| (\d+) \| [\d½]+ \|$", readme, flags=re.MULTILINE)
    assert [part for part, *_ in rows] == ["1", "2", "3", "4", "5"]
    said = {name: [int(each) for each in counts] for _, name, *counts in rows}
    assignments = Catalogue([ROOT]).assignments
    names = [each.name for each in assignments]
    assert [name for name in said if name in names] == names
    for each in assignments:
        asked = [found for path in each.notebooks for found in asked_in(path.stem, read_cells(path))]
        assert said[each.name] == [len(each.notebooks), len(asked), sum(found.points for found in asked)], each.name


def test_ci_runs_what_the_readme_names() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert script[-1] == "make test"
    assert "make test" in commands("README.md")
