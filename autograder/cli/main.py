"""The command line. Nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from autograder import __version__
from autograder.cli import learner
from autograder.cli.exercise import new_exercise
from autograder.cli.learner import PATH_TYPE
from autograder.course import catalogue
from autograder.errors import AutograderError
from autograder.terminal import Terminal, echo, printable

if TYPE_CHECKING:
    from autograder.lint.linter import LintReport

ZERO = {
    "alone": "Its test does not rest on that: in its cases it is up to {:.1f}.",
    "whole": "It is tested through a whole backward pass, where zeros are right.",
    "": "No test is about it.",
}
"""What follows from a gradient that is zero, by how it is tested."""

NO_ROOM = (
    "✗ There is no room left where a file, or what this command shows, is written to. What was graded is kept: make room, and "
    "run `autograder report`, or the command again."
)


class Verbs(click.Group):
    """A group of verbs whose help lists those for learners apart from those for instructors."""

    def invoke(self, context: click.Context) -> object:
        """Runs a verb. What it ends with may have the name of a file in it, which is escaped."""
        try:
            return super().invoke(context)
        except click.ClickException as error:
            vars(error)["message"] = printable(error.message)
            raise
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            with suppress(OSError):  # stderr may go there as well
                echo(NO_ROOM, err=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python would try once more, at its end, to write what is left
            sys.exit(2)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        learners = [str(verb.name) for verb in learner.LEARNER_VERBS]
        teachers = sorted(self.commands.keys() - {*learners})
        for title, names in (("To learn", learners), ("To teach", teachers)):
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(80)) for name in names])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """An autograded course in deriving gradients by hand."""


learner.add_to(main)
main.add_command(new_exercise)


@main.command(short_help="The content of an assignment: what has to be fixed.")
@click.argument("assignment", default="")
@click.option("--course", type=PATH_TYPE, default=".", help="The folder that has source/ and release/.")
def lint(assignment: str, course: Path) -> None:
    """Checks the content of an assignment, or of all where none is named: reads and runs all of its notebooks.

    Exits with 1 if anything has to be fixed.

    Example: autograder lint backprop
    """
    from autograder.lint.linter import lint as inspect

    found = 0
    try:
        names = [Path(assignment).name] if assignment else catalogue.written(course)
        for name in names:
            report = inspect(course / "source" / name, course / "release" / name, course)
            if len(names) > 1:
                echo(f"{name}:")
            _print(report)
            found += len(report.findings)
    except AutograderError as error:
        raise click.ClickException(str(error)) from None
    sys.exit(1 if found else 0)


def _print(report: LintReport) -> None:
    for name, zeros in report.zeros.items():
        for zero in zeros:
            remark = ZERO[zero.tested].format(zero.judged)
            echo(f"{name}: the true {zero.name} is zero ({zero.true:.0e}). {remark}")
    for finding in (*report.remarks, *report.findings):
        echo(str(finding))
    for name, tests in report.plain.items():
        if tests:
            echo(f"{name}: ordinary tests, which run in the student's room: {', '.join(tests)}")
    counts = {"notebook": len(report.zeros), "test": report.tests, "point": report.points}
    echo(", ".join(f"{count:g} {noun}{'s' * (count != 1)}" for noun, count in counts.items()), nl=False)
    echo(f": {len(report.findings)} to fix")


@main.command(short_help="What `check` compares answers with that are no gradients.")
@click.argument("assignment")
@click.option("--course", type=PATH_TYPE, default=".", help="The folder that has source/ and release/.")
def record(assignment: str, course: Path) -> None:
    """Runs the model answers to the asks of an assignment, and writes what they give to cases.safetensors.

    The file lies beside the notebooks in source/, from where nbgrader hands it out, and in release/ if that is there. It has
    numbers and no code. Run this again whenever an ask, a model answer or mistakes.toml has changed: lint says so.

    Example: autograder record bigrams
    """
    from autograder.lint.recording import write

    try:
        path = write(course / "source" / assignment, course / "release" / assignment)
    except AutograderError as error:
        raise click.ClickException(str(error)) from None
    echo(f"{path}: {path.stat().st_size / 1024:,.0f} KiB")


@main.command(short_help="Notebooks in the form in which they are committed.")
@click.argument("paths", type=PATH_TYPE, nargs=-1, required=True)
def normalise(paths: tuple[Path, ...]) -> None:
    """Writes notebooks in the form in which they are committed: no outputs, no counts, no stray metadata.

    Below the title stands a map of the gradients to derive, and the cells from the first answer on are tagged so that Run All
    goes on where one of them stops.

    Example: autograder normalise source/backprop/*.ipynb
    """
    from autograder.course import notebooks
    from autograder.lint.committed import committed

    for path in paths:
        try:
            before, nb = path.read_bytes() if path.is_file() else b"", notebooks.read(path)
            notebooks.write(committed(nb), path)
        except AutograderError as error:
            raise click.ClickException(str(error)) from None
        echo(f"{path}: {'as it was' if path.read_bytes() == before else 'normalised'}")


@main.command(short_help="A whole class: what is not graded yet.")
@click.argument("assignment")
@click.option("--student", "students", multiple=True, metavar="PATTERN", help="Only these, such as 'a*'; may be repeated.")
@click.option("--notebook", "notebooks", multiple=True, metavar="PATTERN", help="Only these, such as '1-*'; may be repeated.")
@click.option("--jobs", type=click.IntRange(1), help="Notebooks at once; else as many as there are processors.")
@click.option("--scheduler", metavar="ADDRESS", default="", help="Grade on a cluster: the address of its dask scheduler.")
@click.option("--force", is_flag=True, help="Grade again what is graded.")
@click.option("--no-sandbox", is_flag=True, help="Without rooms: students' code can read your files and use the network.")
@click.option("--json", "as_json", is_flag=True, help="Print all results as JSON.")
def grade(
    assignment: str,
    students: tuple[str, ...],
    notebooks: tuple[str, ...],
    jobs: int | None,
    scheduler: str,
    force: bool,
    no_sandbox: bool,
    as_json: bool,
) -> None:
    """Grades what was handed in and is not graded yet, or was handed in anew: what nbgrader autograde does, for a whole class.

    Run it in the folder of the course. What ends it early loses nothing: run it again, and it goes on.
    Handed in anew is what has a newer timestamp.txt, as from nbgrader collect.
    In the end it shows what it graded, and what a person still has to see to of earlier runs.
    Exits with 1 if a person has to see to something of the class, with 2 if it could not grade, with 130 if it was interrupted.

    Example: autograder grade backprop
    """
    from autograder.grading.classroom import Options, grade_class

    options = Options(students or ("*",), notebooks or ("*",), jobs or 0, scheduler, force, not no_sandbox)
    console = Terminal(stderr=as_json)
    try:
        report = grade_class(Path(assignment).name, options, console)
    except AutograderError as error:
        console.print(Text.assemble(("Not graded:", "red"), f" {error}"), soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("Interrupted. Run the command again, and it goes on.")
        sys.exit(130)
    if as_json:
        echo(report.as_json())
    else:
        report.show()
    if report.is_interrupted:
        goes_on = "--force begins from the start again" if force else "run the command again, and it goes on"
        console.print(f"Interrupted. What was graded is kept: {goes_on}.", soft_wrap=True)
        sys.exit(130)
    sys.exit(1 if report.needing_a_person() else 0)


@main.command(short_help="A whole class: how it stands, and what to see to.")
@click.argument("assignment")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@click.option("--notes", "all_notes", is_flag=True, help="Show all notes, where else the first ones are shown.")
def report(assignment: str, as_json: bool, all_notes: bool) -> None:
    """Shows how a class stands: what was said of every submission when it was graded, and what is not graded yet.

    Points are those of the gradebook, before a penalty for lateness. Beside them are the answers that are right, and those
    that were attempted; then what a person has to see to (with a cross), what a person changed, and what waits for a person.
    Nothing is run, and nothing changed. Run it in the folder of the course.
    Exits with 1 if a person has to see to something, with 2 if there is nothing to report on.

    Example: autograder report backprop
    """
    from autograder.grading.summary import Summary

    console = Terminal(stderr=as_json)
    try:
        found = Summary(Path(assignment).name)
    except AutograderError as error:
        console.print(Text.assemble(("No report:", "red"), f" {error}"), soft_wrap=True)
        sys.exit(2)
    if as_json:
        echo(found.as_json())
    else:
        found.show(console, all_notes)
    sys.exit(1 if found.needing_a_person() else 0)
