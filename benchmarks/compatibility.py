"""Runs nbgrader's own tests of autograding with our preprocessors in place of its own.

They come with nbgrader. What we do otherwise on purpose is in a table, with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import click
from nbgrader.converters import Autograde
from traitlets.utils.importstring import import_item

from scripts.demo import PATH

STOCK = "nbgrader.preprocessors.execute.Execute"
SUITES = ("apps.test_nbgrader_autograde", "apps.test_nbgrader_generate_feedback", "apps.test_nbgrader_update", "preprocessors")
NEEDED = "docs/source/user_guide"
"""What the tests look for in a folder `nbgrader` where they run, and write into."""

UNKNOWN = "Cells that only pass for some of the assignment become ordinary cells; nbgrader fails the submission."
APART = "What a student's cells write stays in the room; nbgrader leaves it in the folder of the graded notebook."
OUTDATED = "Old metadata in a submission to a new release is brought up to date; nbgrader stops the class."
DIFFERENCES = {
    "TestNbGraderAutograde.test_handle_failure": UNKNOWN,
    "TestNbGraderAutograde.test_handle_failure_single_notebook": UNKNOWN,
    "TestNbGraderAutograde.test_side_effects": APART,
    "TestNbGraderUpdate.test_update_autograde": OUTDATED,
}
"""Tests that have to fail with us, by class and name, and why."""


@click.command()
@click.option("--execute", default="autograder.grading.examine.Examine", show_default=True, help="What takes Execute's place.")
@click.option("--jobs", default=2, show_default=True, help="Tests that run at the same time.")
@click.option("--minutes", default=30, show_default=True, help="How long all of them may take.")
@click.argument("only", nargs=-1)
def main(execute: str, jobs: int, minutes: int, only: tuple[str, ...]) -> None:
    """Exits with 1 if a test fails that should not, or passes that should not. ONLY: parts of names of tests."""
    import_item(execute)
    with TemporaryDirectory() as folder:
        outcomes = run(Path(folder), configuration(execute), only, jobs, 60 * minutes)
    counts = {what: sum(each == what for each in outcomes.values()) for what in ("passed", "skipped")}
    differing = {test for test, outcome in outcomes.items() if outcome == "failed"} & DIFFERENCES.keys()
    unexpected = {
        test: outcome
        for test, outcome in outcomes.items()
        if (outcome == "failed") != (test in DIFFERENCES) and outcome != "skipped"
    }
    click.echo(f"\nnbgrader's own tests with {execute}:")
    click.echo(f"passed: {counts['passed']}, skipped by nbgrader: {counts['skipped']}")
    click.echo(f"deliberate differences: {len(differing)}")
    for test in sorted(differing):
        click.echo(f"  {test}: {DIFFERENCES[test]}")
    click.echo(f"not as expected: {len(unexpected)}")
    for test, outcome in sorted(unexpected.items()):
        click.echo(f"  {test}: {outcome}")
    sys.exit(bool(unexpected) or not outcomes)


def configuration(execute: str) -> str:
    """A file of configuration with our preprocessors, whatever else a test configures."""
    traits = Autograde.class_traits()
    sanitize, autograde = (
        [f"{each.__module__}.{each.__qualname__}" for each in traits[name].default()]
        for name in ("sanitize_preprocessors", "autograde_preprocessors")
    )
    ours = [execute if name == STOCK else name for name in autograde]
    return f"""c = get_config()
c.Autograde.exporter_class = "autograder.grading.exporter.LenientExporter"
c.Autograde.sanitize_preprocessors = {["autograder.grading.restore.Restore", *sanitize]}
c.Autograde.autograde_preprocessors = {ours}
"""


def run(folder: Path, config: str, only: tuple[str, ...], jobs: int, seconds: float) -> dict[str, str]:
    """The outcome of each test by its class and name: "passed", "failed" or "skipped"."""
    package = Path(str(files("nbgrader")))
    home, report = folder / "home", folder / "report.xml"
    home.mkdir()
    (home / "nbgrader_config.py").write_text(config, encoding="utf-8")
    shutil.copytree(package / NEEDED, folder / "nbgrader" / NEEDED)
    surroundings = {
        **os.environ,
        "USER": os.environ.get("USER", "someone"),
        "PATH": PATH,
        "JUPYTER_CONFIG_DIR": str(home),
        "TMPDIR": str(folder),
    }
    quiet = ["-q", "--tb=short", "--show-capture=no", "-W", "ignore", "-p", "no:cacheprovider"]
    where = ["--rootdir", str(folder), f"--junitxml={report}", "-n", str(jobs)]
    chosen = ["-k", " or ".join(only)] if only else []
    command = [sys.executable, "-m", "pytest", *quiet, *where, *chosen, "--pyargs"]
    suites = [f"nbgrader.tests.{suite}" for suite in SUITES]
    try:
        subprocess.run([*command, *suites], cwd=folder, env=surroundings, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise click.ClickException(f"the tests did not end within {seconds:g} s. Give them more with --minutes.") from None
    return dict(outcomes(report)) if report.exists() else {}


def outcomes(report: Path) -> Iterator[tuple[str, str]]:
    for case in ElementTree.parse(report).iter("testcase"):
        found = {child.tag for child in case}
        outcome = "failed" if found & {"failure", "error"} else "skipped" if "skipped" in found else "passed"
        yield f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}", outcome


if __name__ == "__main__":
    main()
