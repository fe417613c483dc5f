"""What a learner sees in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text
from rich.tree import Tree

from autograder.coaching import behind
from autograder.graph import GradientMap, Node, State
from autograder.marks import MARKS, SIGNS
from autograder.results import Checked, Result

WIDE = 200
"""Columns of what nobody looks at."""
WIDTH, INDENT = 16, 4
"""Of names, and of a branch of the tree, in characters."""
NOTEBOOK, BAR = 22, 24
"""Of the name of a notebook, and of a whole bar."""


def console() -> Console:
    """For people. What goes to a file or a pipe is neither wrapped nor cut off."""
    is_seen = sys.stdout.isatty()
    return Console(soft_wrap=not is_seen, width=None if is_seen or "COLUMNS" in os.environ else WIDE)


def headline(checked: Checked) -> Text:
    """Such as `1-every-gradient.ipynb  ████░░░░  19 of 26 right, 19 of 26 points`."""
    text = Text.assemble((f"{checked.homework.path.name:{NOTEBOOK}}", "bold"), "  ", bar(checked.points, checked.most), "  ")
    text.append(f"{checked.right} of {len(checked.results)} right")
    if checked.most != len(checked.results):
        text.append(f", {checked.points:g} of {checked.most:g} points")
    return text


def bar(points: float, most: float) -> Text:
    full = int(BAR * points / most) if most else 0
    return Text.assemble(("█" * full, MARKS[State.RIGHT]), ("░" * (BAR - full), "dim"))


def tree(checked: Checked) -> Iterator[RenderableType]:
    """The gradient maps: every gradient in the order of the backward pass, leaves below the one that they are reached by.

    What else is tested stands below.
    """
    seen: set[str] = set()
    for graph in checked.graphs:
        seen |= {node.name for node in graph.nodes}
        yield _tree(graph)
    for result in checked.results:
        if result.name not in seen:
            yield line(result)


def total(checked: Sequence[Checked]) -> Text:
    """The points of all notebooks, and what to do next."""
    text = points(checked)
    todo = next(behind(checked), None)
    if todo is None:
        return text
    where, result = todo
    return text.append(f". Next: {result.name}, in the cell `{result.answer}` of {where.homework.path}")


def points(checked: Sequence[Checked]) -> Text:
    """Such as `37 of 44 points`."""
    got, most = sum(each.points for each in checked), sum(each.most for each in checked)
    done = (". All right!", MARKS[State.RIGHT]) if got == most and most else ""
    return Text.assemble((f"{got:g} of {most:g} points", "bold"), done)


def show(console: Console, checked: Checked) -> None:
    """A notebook: how it stands, its map, and all that is known about the first answer that is wrong."""
    console.print(headline(checked))
    if not any(map(checked.is_begun, checked.results)):
        console.print("  not begun", style="dim")
    else:
        for each in tree(checked):
            console.print(each)
    for note in remarks(checked):
        console.print(f"  note: {note}", style="dim", highlight=False, markup=False)
    if checked.culprit:
        console.print()
        console.print(verdict(checked.culprit))
    console.print()


def remarks(checked: Checked) -> list[str]:
    """What happened while the notebook ran, and what was put back."""
    changed = "The cell `{}` is the course's and was changed: it counts as released."
    put_back = [changed.format(id) for id in checked.homework.restored]
    gone = "The cell `{}`, where an answer goes, is gone. Copy it from a new folder: `autograder new NAME`."
    return [*put_back, *map(gone.format, checked.homework.gone), *checked.notes]


def listing(checked: Sequence[Checked]) -> list[RenderableType]:
    """All notebooks in short: a line each, and a line for what is begun and not right."""
    lines: list[RenderableType] = []
    for each in checked:
        lines.append(headline(each))
        for result in each.results:
            if result.state in (State.WRONG, State.WAITING):
                lines.append(line(result))
    return lines


def verdict(result: Result) -> RenderableType:
    """All about one answer."""
    return result.box.for_terminal()


def line(result: Result) -> Text:
    """An answer in short."""
    return _line(result.name, result.state, result.sentence)


def _tree(graph: GradientMap) -> Tree:
    """What is asked for, and what leads to a leaf that is."""
    root, *_ = graph.nodes
    top = Tree(Text(root.name, "dim"), guide_style="dim")
    for node, leaves in graph.lines:
        asked = [leaf for leaf in leaves if leaf.state is not State.NOT_ASKED]
        if node.state is not State.NOT_ASKED or asked:
            branch = top if node is root else top.add(_node(node))
            for leaf in asked:
                branch.add(_node(leaf, INDENT))
    return top


def _node(node: Node, indent: int = 0) -> Text:
    text = _line(node.name, node.state, node.standing.note, WIDTH - indent)
    if len(node.through) > 1 and not node.standing.note:
        text.append(f"  from {' and '.join(node.through)}", "dim")
    return text


def _line(name: str, state: State, words: str, width: int = WIDTH) -> Text:
    style = MARKS.get(state, "dim")
    text = Text.assemble((f"{SIGNS[state]} ", style), f"{name:{width}} ", (state, style), no_wrap=True, overflow="ellipsis")
    return text.append(f"  {words}") if words else text
