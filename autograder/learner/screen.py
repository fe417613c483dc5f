"""What a learner sees in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from rich.columns import Columns
from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from autograder.learner.history import behind
from autograder.learner.results import Checked, Result
from autograder.notebook.course_map import BULLET, TICK, CourseMap, is_reached, said
from autograder.notebook.gradient_map import STATUS_COLOURS, STATUS_SIGNS, GradientMap, Node, Status
from autograder.terminal import Terminal


class Part(Protocol):
    """Anything that belongs to an assignment."""

    @property
    def assignment(self) -> str: ...


T = TypeVar("T", bound=Part)

FILE_WIDTH = 200
"""Columns of what goes to a file or a pipe."""
NAME_WIDTH, INDENT = 16, 4
"""Columns of a name, and of a branch of the tree."""
NOTEBOOK_WIDTH, BAR_WIDTH = 22, 24
"""Columns of the name of a notebook, and of a whole bar."""


def console() -> Terminal:
    """The console for a person. What goes to a file or a pipe is neither wrapped nor cut off."""
    is_seen = sys.stdout.isatty()
    return Terminal(soft_wrap=not is_seen, width=None if is_seen or "COLUMNS" in os.environ else FILE_WIDTH)


def headline(checked: Checked) -> Text:
    """Such as `1-every-gradient.ipynb  ████░░░░  19 of 26 right, 19 of 26 points`."""
    name = f"{checked.workbook.path.name:{NOTEBOOK_WIDTH}}"
    how_far = (checked.points, checked.most) if checked.most else (checked.right, len(checked.results))
    text = Text.assemble((name, "bold"), "  ", bar(*how_far), "  ")
    text.append(f"{checked.right} of {len(checked.results)} right")
    if checked.most and checked.most != len(checked.results):
        text.append(f", {checked.points:g} of {checked.most:g} points")
    return text


def bar(points: float, most: float) -> Text:
    """A bar that is filled as far as there are points, or answers where there are none."""
    full = int(BAR_WIDTH * points / most) if most else 0
    return Text.assemble(("█" * full, STATUS_COLOURS[Status.RIGHT]), ("░" * (BAR_WIDTH - full), "dim"))


def map_tree(checked: Checked) -> Iterator[RenderableType]:
    """The gradient maps: every gradient in the order of the backward pass, leaves below the one that they are reached by.

    What else is tested stands below.
    """
    drawn: set[str] = set()
    for graph in checked.graphs:
        drawn |= {node.name for node in graph.nodes}
        yield _tree(graph)
    yield from answers([result for result in checked.results if result.name not in drawn])


def total(checked: Sequence[Checked]) -> Text:
    """The points of all notebooks, and what to do next."""
    text = points(checked)
    todo = next(behind(checked), None)
    if todo is None:
        return text
    where, result = todo
    place = "whose cell is gone from" if result.answer in where.workbook.gone else f"in the cell `{result.answer}` of"
    return text.append(f". Next: {result.name}, {place} {where.workbook.path}")


def points(checked: Sequence[Checked]) -> Text:
    """Such as `37 of 44 points`."""
    got, most = sum(each.points for each in checked), sum(each.most for each in checked)
    is_all = not any(each.workbook.plain for each in checked)  # hidden lines of ordinary tests have not been asked
    done = (". All right!" if is_all else ". All right as far as you see the tests.", STATUS_COLOURS[Status.RIGHT])
    return Text.assemble((f"{got:g} of {most:g} points", "bold"), done if got == most and most else "")


def show_notebook(console: Terminal, checked: Checked) -> None:
    """A notebook: how it stands, its map, and all that is known about the first answer that is wrong."""
    console.print(headline(checked))
    if not any(map(checked.is_begun, checked.results)):
        console.print("  not begun", style="dim")
    else:
        for each in map_tree(checked):
            console.print(each)
    for note in remarks(checked):
        console.print(f"  note: {note}", style="dim")
    for each in questions(checked.results):
        console.print(each)
    if checked.culprit:
        console.print()
        console.print(verdict(checked.culprit))
    console.print()


def remarks(checked: Checked) -> list[str]:
    """What happened while the notebook ran, and what was put back."""
    changed = "The cell `{}` is the course's and was changed: it counts as released."
    put_back = [changed.format(id) for id in checked.workbook.restored]
    gone = "The cell `{}`, where an answer goes, is gone. Copy it from a new folder: `autograder new NAME`."
    return [*checked.workbook.notes, *put_back, *map(gone.format, checked.workbook.gone), *checked.notes]


def by_assignment(notebooks: Sequence[T]) -> list[tuple[str, list[T]]]:
    """Notebooks by the assignments that they are of, each with its name; without one where all are of the same."""
    names = dict.fromkeys(each.assignment for each in notebooks)
    groups = [(name, [each for each in notebooks if each.assignment == name]) for name in names]
    return groups if len(groups) > 1 else [("", list(notebooks))]


def heading(name: str, checked: Sequence[Checked]) -> Text:
    """An assignment where there are several, such as `backprop: 37 of 44 points`."""
    return Text.assemble((f"{name}: ", "bold"), points(checked))


def listing(checked: Sequence[Checked]) -> list[RenderableType]:
    """All notebooks in short: a line for each, and a line for every answer that is begun and not right."""
    lines: list[RenderableType] = []
    for name, group in by_assignment(checked):
        lines += [*([Text()] if lines else []), heading(name, group)] if name else []
        for each in group:
            lines.append(headline(each))
            lines += answers([result for result in each.results if result.state in (Status.WRONG, Status.WAITING)])
    return lines


def course_map(course: CourseMap) -> list[RenderableType]:
    """The map of the course: for each assignment how it stands, its objectives and the next step; then all of it."""
    lines: list[RenderableType] = []
    width = max((len(each.name) for each in course.assignments), default=0)
    for each in course.assignments:
        lines.append(Text.assemble((f"{each.name:{width}}", "bold"), "  ", bar(each.points, each.most), "  ", each.headline))
        lines += map(_objective, each.reached)
        lines += [Text(f"  {each.next_step.replace('`', '')}"), Text()] if each.next_step else [Text()]
    return [*lines, Text(course.headline, "bold")]


def _objective(row: tuple[str, int, int]) -> Text:
    sign, style = (TICK, STATUS_COLOURS[Status.RIGHT]) if is_reached(row) else (BULLET, "dim")
    return Text.assemble("  ", (f"{sign} ", style), said(row))


def verdict(result: Result) -> RenderableType:
    """All about one answer."""
    return result.box.for_terminal()


def answers(results: Sequence[Result]) -> list[Text]:
    """Answers in short, each on a line, below one another."""
    width = max([NAME_WIDTH, *(len(result.name) for result in results)])
    return [_line(result.name, result.state, result.sentence, width) for result in results]


def numbered(results: Sequence[Result]) -> Columns:
    """All answers side by side, with their numbers from 1 on."""
    texts = [
        Text.assemble(f"{number:2} ", (STATUS_SIGNS[result.state], STATUS_COLOURS.get(result.state, "dim")), f" {result.name}")
        for number, result in enumerate(results, 1)
    ]
    return Columns(texts, padding=(0, 2), column_first=False)


def questions(results: Sequence[Result]) -> list[Text]:
    """What to think about in answers that have become right."""
    return [Text(f"{result.name}, to think about: {result.question}") for result in results if result.question]


def _tree(graph: GradientMap) -> Tree:
    """The gradients that are asked for, and those that lead to a leaf that is asked for."""
    root, *_ = graph.nodes
    top = Tree(Text(root.name, "dim"), guide_style="dim")
    for node, leaves in graph.lines:
        asked = [leaf for leaf in leaves if leaf.state is not Status.NOT_ASKED]
        if node.state is not Status.NOT_ASKED or asked:
            branch = top if node is root else top.add(_node(node))
            for leaf in asked:
                branch.add(_node(leaf, INDENT))
    return top


def _node(node: Node, indent: int = 0) -> Text:
    text = _line(node.name, node.state, node.standing.note, NAME_WIDTH - indent)
    if len(node.through) > 1 and not node.standing.note:
        text.append(f"  from {' and '.join(node.through)}", "dim")
    return text


def _line(name: str, state: Status, words: str, width: int = NAME_WIDTH) -> Text:
    style = STATUS_COLOURS.get(state, "dim")
    text = Text.assemble(
        (f"{STATUS_SIGNS[state]} ", style), f"{name:{width}} ", (state, style), no_wrap=True, overflow="ellipsis"
    )
    return text.append(f"  {words}") if words else text
