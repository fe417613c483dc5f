"""The form in which the notebooks of a course are committed: normalised, with a map of the work, and so that Run All goes on.

The map shows before anything was run what is to be derived: it is made from the lines of the forward pass and from the tests,
as they are written. It stands in a cell of its own, below the title or wherever the instructor moves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from autograder.course import notebooks
from autograder.course.cells import GOES_ON, Cell, Role, body, cell_of, cells_of, is_forward
from autograder.course.questions import shown_in
from autograder.errors import ForwardError
from autograder.judge.wording import listed
from autograder.notebook.gradient_map import GradientMap, Status, chart_of_lines
from autograder.notebook.map_view import image, map_as_svg
from autograder.tape.tape import parse_forward

MAP = "map"
"""The id of the cell with the map."""
CAPTION = """## The map

Each blue box is a gradient that you derive here, from the loss down: it is worked out from those that lead into it.
{grey}`progress()` shows the same map with what is right so far.

{pictures}"""
GREY = "Grey ones are not asked for.\n"


def committed(nb: NotebookNode) -> NotebookNode:
    """The notebook in its committed form, which is that of this one too. Raises what normalising does."""
    made = notebooks.normalised(nb)
    _go_on(made)
    _put_map(made)
    return made


def _go_on(nb: NotebookNode) -> None:
    """Tags all code from the first answer on: one that is not there, or wrong, is no reason to stop at what is below."""
    code = list(notebooks.code_cells(nb))
    first = next((place for place, cell in enumerate(code) if cell_of(cell).solves), len(code))
    for cell in code[first:]:
        if GOES_ON not in cell.metadata.get("tags", []):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), GOES_ON]


def _put_map(nb: NotebookNode) -> None:
    maps = list(_maps(list(cells_of(nb))))
    if not maps:
        return
    is_grey = any(node.state is Status.NOT_ASKED for graph in maps for node in graph.nodes[1:])
    pictures = "\n\n".join(image(map_as_svg(graph, signed=False), _in_words(graph)) for graph in maps)
    source = CAPTION.format(grey=GREY * is_grey, pictures=pictures)
    found = next((cell for cell in nb.cells if cell.id == MAP), None)
    if found is None:
        found = new_markdown_cell(id=MAP)
        nb.cells.insert(1 if nb.cells[0].cell_type == "markdown" else 0, found)
    found.source = source


def _maps(cells: Sequence[Cell]) -> Iterator[GradientMap]:
    """The map of each forward pass of which the tests ask for a gradient."""
    asked = {question.name for cell in cells if cell.role is Role.TEST for question in shown_in(cell.source)}
    for cell in cells:
        if not (cell.is_locked and is_forward(cell.source)):
            continue
        try:
            lines = {step.name: step.reads for step in parse_forward(body(cell.source))}
        except ForwardError:  # the linter says so, since no notebook runs with it
            continue
        graph = chart_of_lines(lines, asked)
        if graph.counts:
            yield graph


def _in_words(graph: GradientMap) -> str:
    """Such as `From the loss down: dlogits (from loss), dh (from dlogits).`"""
    return f"From the loss down: {', '.join(_led_to(graph))}."


def _led_to(graph: GradientMap) -> Iterable[str]:
    return (f"{node.name} (from {listed(node.through)})" for node in graph.nodes if node.through)
