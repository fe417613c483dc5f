"""The verbs of the command line for learners."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from autograder.errors import AutograderError
from autograder.files import quoted
from autograder.terminal import echo

PATH_TYPE = click.Path(path_type=Path)
PATHS = click.argument("paths", metavar="[PATH]...", type=PATH_TYPE, nargs=-1)


def _gradients(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The names that the shell may complete: those that the notebooks at hand ask for."""
    from autograder.learner import locate

    with suppress(AutograderError):
        workbooks, _ = locate.readable(locate.find_notebooks(context.params.get("paths") or ()))
        known = {name: None for each in workbooks for test in each.tests for name in locate.asked(test)}
        return [name for name in known if name.startswith(begun)]
    return []


NAME = click.argument("name", shell_complete=_gradients)
DEFAULT = (
    "A path is a notebook, a folder of them, or a folder of such folders; without any: the working folder, "
    "else my-backprop/ and others that `new` made there, else release/, else the folders in the working folder."
)


@contextmanager
def _errors_shown() -> Iterator[None]:
    """Shows an error of ours as one line, with exit code 2, and an interruption with exit code 130."""
    try:
        yield
    except AutograderError as error:
        echo(f"Error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        echo("Interrupted.", err=True)
        sys.exit(130)


@click.command(short_help="What is right, what is wrong, and why.", epilog=DEFAULT)
@PATHS
@click.option("--json", "as_json", is_flag=True, help="Print all results as JSON.")
def check(paths: tuple[Path, ...], as_json: bool) -> None:
    """Checks notebooks as they would be graded, and says what is right, what is wrong, and which mistake was made.

    The cells of the course count as they were released. What is found is remembered in progress.json beside the notebooks.
    Exits with 0 if all is right, with 1 if something is not yet, with 2 if a notebook could not be checked, with 130 if it
    was interrupted.

    Example: autograder check
    """
    from autograder.learner import history, locate, screen
    from autograder.learner.checker import Checker
    from autograder.learner.workbook import open_workbook

    console = screen.console()
    workbooks, checked, failures = [], [], []

    def failed(file: Path, error: AutograderError) -> None:
        failures.append(locate.blamed(file, error))
        echo(f"Error: {failures[-1]}", err=True)

    with _errors_shown():
        files = locate.find_notebooks(paths)
    for note in locate.left_out(files):
        echo(f"Note: {note}", err=True)
    with _errors_shown(), Checker(stays=True) as checker:
        if checker.warning:
            echo(checker.warning, err=True)
        for file in files:
            try:
                workbooks.append(open_workbook(file, with_tests=True))
            except AutograderError as error:
                failed(file, error)
        for name, group in screen.by_assignment(workbooks):
            if name and not as_json:
                console.print(name, style="bold underline", end="\n\n")
            done = []
            for each in group:
                try:
                    done.append(history.check(checker, each))
                except AutograderError as error:
                    failed(each.path, error)
                    continue
                if not as_json:
                    screen.show_notebook(console, done[-1])
            checked += done
            if name and not as_json:
                console.print(screen.heading(name, done), end="\n\n")
    if as_json:
        points, most = sum(each.points for each in checked), sum(each.most for each in checked)
        content = {"points": points, "of": most, "notebooks": [each.as_dict() for each in checked], "failures": failures}
        click.echo(json.dumps(content, indent=1))
    elif checked:
        console.print(screen.total(checked))
    sys.exit(2 if failures else 1 if any(history.behind(checked)) else 0)


@click.command(short_help="The same, after every save.", epilog=DEFAULT)
@PATHS
def watch(paths: tuple[Path, ...]) -> None:
    """Waits for you to save a notebook, and says at once whether what you wrote is right.

    Only what you changed, and what depends on it, is judged again. Keys: h a hint, l a list, in which a number or a name picks
    one, c the course, n the next gradient, r the cell as it was released, q the end. A cell may take 10 seconds here.

    Example: autograder watch my-backprop
    """
    from autograder.learner import screen
    from autograder.learner.watch import run

    with _errors_shown(), suppress(KeyboardInterrupt):
        run(paths, screen.console())


@click.command(short_help="How far you are.", epilog=DEFAULT)
@PATHS
@click.option("--course", "whole", is_flag=True, help="All assignments, also those that lie beside these or are not there yet.")
def progress(paths: tuple[Path, ...], whole: bool) -> None:
    """Shows how far you are by the last checks, without running anything.

    Of one assignment: its notebooks, and what is wrong in them. Of several, or with --course: the map of the course, in which
    each assignment has its objectives, reached (✓) or not yet (·), and the next step.

    Example: autograder progress --course
    """
    from autograder.learner import history, locate, screen
    from autograder.notebook.course_map import chart_course

    with _errors_shown():
        files = locate.find_notebooks(paths)
        workbooks, errors = locate.readable(locate.with_course(files) if whole else files)
    for error in errors:
        echo(f"Error: {error}", err=True)
    for note in locate.left_out(files):
        echo(f"Note: {note}", err=True)
    checked = [history.standing(each) for each in workbooks]
    console = screen.console()
    if whole or len({each.assignment for each in checked}) > 1:
        lines = screen.course_map(chart_course(history.standings(checked), Path()))
    else:
        lines = [*screen.listing(checked), "", screen.total(checked)]
    for line in lines:
        console.print(line)
    sys.exit(2 if errors else 0)


@click.command(short_help="A little more about a gradient every time.", epilog=DEFAULT)
@NAME
@PATHS
def hint(name: str, paths: tuple[Path, ...]) -> None:
    """Says a little more about a gradient every time, beginning with what a check of your answer finds.

    Example: autograder hint dprobs
    """
    from autograder.learner import history, locate, screen
    from autograder.learner.checker import Checker
    from autograder.learner.results import about
    from autograder.learner.workbook import needed

    with _errors_shown(), Checker(stays=True) as checker:
        found = locate.find_in_one(name, paths, "hint")
        open_ones = [each for each in found if not history.is_right(each[0], name)]
        workbook, test = (open_ones or found)[0]
        box = history.hint(checker, workbook, about(workbook, test), needed(workbook, {test.id}))
    screen.console().print(box.for_terminal())


@click.command(short_help="The model answer, once yours is right.", epilog=DEFAULT)
@NAME
@PATHS
@click.option("--anyway", is_flag=True, help="Show it although your answer is not right yet.")
def solution(name: str, paths: tuple[Path, ...], anyway: bool) -> None:
    """Shows the model answer, and other ways to write it, once yours is right.

    Example: autograder solution dprobs
    """
    from autograder.learner import history, locate, screen

    with _errors_shown():
        found = locate.find_in_one(name, paths, "solution")
        ready = [each for each in found if anyway or history.is_right(each[0], name)]
        if not ready:
            raise AutograderError(
                f"the model answer is there when a check has found yours right: `autograder check`. "
                f"To see it all the same: `autograder solution {name} --anyway`."
            )
        workbook, test = ready[0]
        answer = locate.model(workbook, test)
    screen.console().print(answer)
    if others := [each.path for each, _ in found if each.path != workbook.path]:
        echo(f"\nThis is for {workbook.path}. `{name}` is in another notebook too:")
        for path in others:
            echo(f"  autograder solution {name} {quoted(path)}")


@click.command(short_help="A cell as it was released.", epilog=DEFAULT)
@NAME
@PATHS
def reset(name: str, paths: tuple[Path, ...]) -> None:
    """Puts a cell back as it was released, and keeps what you wrote in the folder backup/ beside the notebook.

    Example: autograder reset dprobs
    """
    from autograder.course import catalogue
    from autograder.learner import locate

    with _errors_shown():
        found = locate.find(name, paths)
        if len(found) > 1:
            choices = ", or ".join(f"`autograder reset {name} {quoted(workbook.path)}`" for workbook, _ in found)
            raise AutograderError(f"`{name}` is in more than one notebook. Say which: {choices}.")
        workbook, test = found[0]
        kept = catalogue.reset_cell(workbook.path, workbook.answers[test.id])
    echo(f"The cell `{workbook.answers[test.id]}` of {workbook.path} is as it was released. Your text is in {kept}.")
    echo("If the notebook is open in JupyterLab, load it again: File, Reload Notebook from Disk.")


@click.command(short_help="A fresh folder of notebooks.")
@click.argument("folder", type=PATH_TYPE, required=False)
@click.option("--assignment", metavar="NAME", default="", help="One of several assignments, or `all`, as if none is named.")
def new(folder: Path | None, assignment: str) -> None:
    """Makes a new folder with the notebooks of the course, to work in: my-backprop, or as you call it.

    Of several assignments each has a folder in it, which is called like it. With --assignment NAME the notebooks of that one
    are in the folder itself, which is called my-NAME if you say nothing else.

    Example: autograder new my-course
    """
    from autograder.course import catalogue
    from autograder.learner import locate

    assignment = "" if assignment == catalogue.ALL else assignment
    folder = folder or (Path(catalogue.OF_ONE.format(assignment)) if assignment else locate.DEFAULT_FOLDER)
    with _errors_shown():
        files = catalogue.copy(folder, name=assignment)
    for file in files:
        echo(str(file))
    place = quoted(folder)
    echo(f"Open them with: jupyter lab {place}. Beside it, in a terminal: autograder watch {place}")


@click.command(short_help="Which list of names is in use.")
@click.option("--lecture", is_flag=True, help="Use the lecture's list: fetch it, and check that it is that.")
@click.option("--course", is_flag=True, help="Use the list of the course again.")
@click.option("--file", type=PATH_TYPE, help="With --lecture: take it from this file, where there is no network.")
def names(lecture: bool, course: bool, file: Path | None) -> None:
    """Says which list of names is in use, or changes it. All checks work with any list.

    Example: autograder names --lecture
    """
    from autograder.course import names

    with _errors_shown():
        if lecture and course:
            raise AutograderError("there is one list: give --lecture or --course, not both.")
        if file and not lecture:
            raise AutograderError("--file says where the lecture's list is: give --lecture too.")
        if lecture or course:
            names.use_list(names.fetched_list(file) if lecture else names.course_list())
        found = names.list_checksum()
        echo(f"In use: {names.list_title(found) or 'a list of your own'}, {names.names_file()}, sha256 {found}")


@click.command(short_help="What is installed, and what is as in the video.")
def doctor() -> None:
    """Says what is installed here, what is amiss, and what will be as in the video and what not.

    Exits with 1 if something is amiss.

    Example: autograder doctor
    """
    from rich.table import Table
    from rich.text import Text

    from autograder.learner import doctor, screen

    console = screen.console()
    table = Table("what", "found", box=None, pad_edge=False)
    found = [*doctor.findings()]
    for each in found:
        table.add_row(each.what, Text.assemble(f"{each.found}. ", (each.remedy, "bold")) if each.remedy else each.found)
    console.print(table)
    console.print("\nSame as the video?\n", style="bold")
    same = Table("what", "same?", "why", box=None, pad_edge=False)
    for row in doctor.lecture_rows():
        same.add_row(*row)
    console.print(same)
    sys.exit(1 if any(each.remedy for each in found) else 0)


@click.command(short_help="Completion for your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Prints what makes your shell complete the verbs, options and names of gradients. Put the line below into its start file.

    Example: eval "$(autograder completion bash)"
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    assert kind is not None
    echo(kind(root, {}, "autograder", "_AUTOGRADER_COMPLETE").source())


LEARNER_VERBS: list[click.Command] = [check, watch, progress, hint, solution, reset, new, names, doctor, completion]


def add_to(group: click.Group) -> None:
    """Gives a group of commands these."""
    for verb in LEARNER_VERBS:
        group.add_command(verb)
