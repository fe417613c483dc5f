"""The verb that makes a new exercise."""

from __future__ import annotations

from pathlib import Path

import click

from autograder.cli.learner import PATH_TYPE
from autograder.errors import AutograderError
from autograder.files import quoted
from autograder.terminal import echo

CONFIG = "nbgrader_config.py"


def _names(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name for name in value.replace(",", " ").split() if name)


@click.command("new-exercise", short_help="An instructor's notebook, from a file of forward lines.")
@click.argument("name")
@click.argument("forward", type=PATH_TYPE)
@click.option("--only", callback=_names, default="", metavar="NAMES", help="Ask for these alone, such as dlogits,dh.")
@click.option("--skip", callback=_names, default="", metavar="NAMES", help="Do not ask for these.")
@click.option("--points", type=click.FloatRange(0, min_open=True), default=1, help="Points for each gradient; else 1.")
@click.option("--force", is_flag=True, help="Replace a notebook that is there already, with all that was written into it.")
@click.option("--course", type=PATH_TYPE, default=".", help="The folder that has source/.")
def new_exercise(
    name: str, forward: Path, only: tuple[str, ...], skip: tuple[str, ...], points: float, force: bool, course: Path
) -> None:
    """Makes the instructor's notebook of a new exercise in source/NAME/, called like the FORWARD file.

    FORWARD is a Python file: the set-up (imports, data, parameters), then a line `# %%forward --batch n Xb Yb`, then the
    forward pass, one `name = expression` a line, the loss last. Lines `# %% Heading` cut the set-up into cells, and a text in
    quotes at the top becomes the first cell. For every gradient there is a cell for the answer and one with the test, in the
    order in which they are derived. The model answers are for you to write.

    Example: autograder new-exercise layernorm layernorm.py
    """
    from autograder.course import notebooks
    from autograder.course.new_exercise import make_exercise
    from autograder.lint.committed import committed

    try:
        if not any((course / part).exists() for part in ("source", CONFIG)):
            raise click.ClickException(f"{course.resolve()} has no source/ and no {CONFIG}: run this in the course's folder.")
        if "+" in name or not (folder := Path(name).name).strip("."):
            raise click.ClickException(f"{name!r} cannot be the name of an assignment: use letters, digits, `-` and `_`.")
        target = course / "source" / folder / f"{forward.stem}.ipynb"
        made = make_exercise(forward, target, only, skip, int(points) if points == int(points) else points, force)
        notebooks.write(committed(made.notebook), target)
    except AutograderError as error:
        raise click.ClickException(str(error)) from None
    count = len(made.gradients)
    echo(f"{target}: {count} gradient{'s' * (count != 1)}, {count * points:g} point{'s' * (count * points != 1)}")
    echo(f"In this order: {', '.join(made.gradients)}")
    if made.of_batch:
        left_out = ",".join((*skip, *made.of_batch))
        echo(f"Of the minibatch: {', '.join(made.of_batch)}. If that is data, leave it out: --skip {left_out} --force")
    if not made.has_batch:
        echo("Without `--batch` beside `%%forward` answers are accepted that have the number of rows written into them.")
    echo("Now write the model answers, each between `### BEGIN SOLUTION` and `### END SOLUTION`. Then:")
    for command in (
        f"autograder normalise {quoted(target)}",
        f"nbgrader generate_assignment {folder}",
        f"autograder lint {folder}",
    ):
        echo(f"  {command}")
