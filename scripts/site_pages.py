"""The pages of the site that are made from the course: one for each notebook, and one for each assignment."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from IPython.core.getipython import get_ipython
from IPython.utils.capture import capture_output
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from autograder.course.catalogue import Assignment, Catalogue
from autograder.course.cells import Role, body, cell_of, is_forward, read_cells
from autograder.course.lesson import load_lesson
from autograder.course.objectives import asked_in, meant, objectives
from autograder.course.order import LESSON_FILE
from autograder.notebook import checking
from autograder.tape.tape import Step, parse_forward
from scripts.submissions import ROOT

LECTURES = ROOT / "docs" / "lectures.toml"
"""The video of each assignment, and for each notebook its topics there, its derivations and what comes after it."""

PICTURES = ROOT / "docs" / "pictures.toml"
"""A sentence for each picture of a notebook, by notebook and cell."""

COURSE = """# The course

Five assignments follow the *makemore* lectures, in this order.
Each notebook has a page here: the text, the cells as they are released, the pictures that they make, and where people stumble.
The answers are yours to write.

```{include} ../index.md
:start-after: "## The five assignments"
:end-before: "## The heart of it"
```"""


@dataclass(frozen=True)
class Lecture:
    """What `lectures.toml` says of a notebook: `topics` are words and seconds, `derivations` pages without their endings."""

    video: str
    topics: tuple[tuple[str, int], ...]
    derivations: tuple[str, ...]
    then: str


def digest() -> str:
    """What all that a page runs depends on, besides the page itself: the package, this file, what lies beside notebooks."""
    found = hashlib.sha256()
    beside = [path for path in (ROOT / "source").rglob("*") if path.suffix in (".toml", ".safetensors")]
    for path in sorted([*(ROOT / "autograder").rglob("*.py"), Path(__file__), *beside]):
        found.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]


def lectures() -> dict[str, Lecture]:
    """What `lectures.toml` says of each notebook, by its folder and name without ending."""
    content = tomllib.loads(LECTURES.read_text(encoding="utf-8"))
    return {
        row["notebook"]: Lecture(
            content["videos"][row["notebook"].partition("/")[0]],
            tuple((words, seconds) for words, seconds in row["topics"]),
            tuple(row["derivations"]),
            row["then"],
        )
        for row in content["notebook"]
    }


def write_course(folder: Path) -> None:
    """Writes the pages of all notebooks into a folder, and what their cells need beside them; only what has changed."""
    known = lectures()
    pictures = tomllib.loads(PICTURES.read_text(encoding="utf-8"))
    assignments = Catalogue([ROOT]).assignments
    for part, assignment in enumerate(assignments, 1):
        place = folder / assignment.name
        place.mkdir(parents=True, exist_ok=True)
        for beside in (path for path in assignment.release.iterdir() if path.suffix in (".toml", ".safetensors")):
            shutil.copy2(beside, place)
        for notebook in assignment.notebooks:
            name = f"{assignment.name}/{notebook.stem}"
            page = page_of(assignment, notebook.stem, known[name], pictures.get(name, {}))
            write_if_changed(place / notebook.name, nbformat.writes(page))
        write_if_changed(place / "index.md", _overview(assignment, part))
    write_if_changed(folder / "index.md", _listed(COURSE, [f"{assignment.name}/index" for assignment in assignments]))


def write_if_changed(path: Path, text: str) -> None:
    """Writes a file, unless it says so already: what has not changed is not built again."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def page_of(assignment: Assignment, name: str, lecture: Lecture, pictures: Mapping[str, str]) -> NotebookNode:
    """A notebook as it was released, with what its cells show when the model answers stand in it, which the page leaves out."""
    released = nbformat.read(assignment.release / f"{name}.ipynb", as_version=4)
    solved = nbformat.read((assignment.source or assignment.release) / f"{name}.ipynb", as_version=4)
    assert len(released.cells) == len(solved.cells), f"release/ of {assignment.name}/{name} is not that of its source"
    cells: list[NotebookNode] = []
    for shown, cell in zip(released.cells, solved.cells, strict=True):
        cells += _on_page(shown, cell, pictures.get(shown.id))
    opening, *rest = cells
    cells = [opening, _text(f"{name}-about", _about(assignment, name, lecture)), *rest]
    cells.append(_text(f"{name}-after", _after(assignment, name, lecture)))
    return nbformat.v4.new_notebook(cells=cells, metadata=released.metadata)


def _on_page(shown: NotebookNode, solved: NotebookNode, picture: str | None) -> Iterator[NotebookNode]:
    """What a page shows for a cell of a notebook, and where that has a model answer, what is run instead.

    `picture` is what stands for the picture that it makes.
    """
    cell = cell_of(solved) if shown.cell_type == "code" else None
    if cell and cell.solves:
        yield _tagged(shown, f"{shown.id}-released", "skip-execution")
        yield _tagged(solved, shown.id, "remove-cell")
    else:
        page = _tagged(shown, shown.id, *(["remove-output"] if cell and cell.role is Role.TEST else []))
        if picture:
            page.metadata["mystnb"] = {"image": {"alt": picture}}
        yield page


def _tagged(cell: NotebookNode, id: str, *tags: str) -> NotebookNode:
    """A cell with these tags alone: where it stops, the page does not go on."""
    return nbformat.from_dict({**cell, "id": id, "metadata": {"tags": [*tags]}})


def _overview(assignment: Assignment, part: int) -> str:
    """The page of an assignment: what one can do afterwards, and its notebooks."""
    goals = "\n".join(f"- {goal.says}" for goal in objectives(assignment.release))
    opening = f"# Part {part}: {assignment.name}\n\nWhat you do in it, by hand:\n\n{goals}\n"
    return _listed(f"{opening}\n## Notebooks", [notebook.stem for notebook in assignment.notebooks])


def _listed(opening: str, pages: Sequence[str]) -> str:
    """A page with a list of others."""
    return "\n".join([opening, "", "```{toctree}", ":maxdepth: 1", "", *pages, "```", ""])


def _text(id: str, text: str) -> NotebookNode:
    return new_markdown_cell(text, id=id)


def _about(assignment: Assignment, name: str, lecture: Lecture) -> str:
    """What the notebook is for, where the lecture has it, and how to open it."""
    asked = asked_in(name, read_cells(assignment.release / f"{name}.ipynb"))
    goals = [goal.says for goal in objectives(assignment.release) if any(meant(each, asked) for each in goal.answers)]
    topics = [
        f"[{words}](https://youtu.be/{lecture.video}?t={seconds}) at {_clock(seconds)}" for words, seconds in lecture.topics
    ]
    points = sum(each.points for each in asked)
    lines = [f":::{{admonition}} {_many(len(asked), 'answer')}, {_many(points, 'point')}", ":class: note", ""]
    lines += ["You will see that", "", *(f"- {goal}" for goal in goals), ""] if goals else []
    lines += [f"In the lecture: {', '.join(topics)}.", ""] if topics else []
    if lecture.derivations:
        links = ", ".join(f"[](/derivations/{each}.md)" for each in lecture.derivations)
        lines += [f"Written out on paper: {links}.", ""]
    lines += ["This page is to read. To work, [get the notebooks](/start/self-learner.md).", ":::"]
    return "\n".join(lines)


def _after(assignment: Assignment, name: str, lecture: Lecture) -> str:
    """Where people stumble, and what to do next."""
    lines = []
    known = [row for row in load_lesson(assignment.release / LESSON_FILE) if row.mistakes]
    ways = _ways_back(assignment.release / f"{name}.ipynb")
    if known := [row for row in known if row.through == ways.get(row.name)]:
        lines += ["## Where people stumble", "", "What the check says of mistakes that are met often, by gradient.", ""]
        for row in known:
            said = [f"- {mistake.sentence} {mistake.next_step}" for mistake in row.mistakes]
            lines += [f":::{{dropdown}} `{row.name}`", *said, ":::", ""]
    return "\n".join([*lines, "## What to do next", "", lecture.then])


def _ways_back(notebook: Path) -> dict[str, frozenset[str]]:
    """For each gradient that a notebook asks for, the lines of its last forward pass that the variable is used in."""
    cells = read_cells(notebook)
    found: dict[str, frozenset[str]] = {}
    for cell in cells:
        if is_forward(cell.source):
            steps = towards_the_loss(parse_forward(body(cell.source)))
            read = {name for step in steps for name in step.reads}
            found |= {f"d{name}": frozenset(step.name for step in steps if name in step.reads) for name in read}
    return {each.name: found[each.name] for each in asked_in(notebook.stem, cells) if each.name in found}


def towards_the_loss(steps: Sequence[Step]) -> list[Step]:
    """Those that the last one depends on, and that one, in their order."""
    needed, kept = {steps[-1].name}, list[Step]()
    for step in reversed(steps):
        if step.name in needed:
            needed |= step.reads
            kept.insert(0, step)
    return kept


def _many(count: float, what: str) -> str:
    return f"{count:g} {what}{'s' * (count != 1)}"


def _clock(seconds: int) -> str:
    """Seconds as a video's clock shows them."""
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def open_notebook(name: str) -> None:
    """Runs the locked cells of a released notebook, such as `backprop/2-cross-entropy`, in this kernel, as far as they go.

    What lies beside the notebook lies beside the kernel then, in a folder of its own.
    """
    shell = get_ipython()
    checking.is_attended = lambda session: True  # as in JupyterLab, where a wrong answer shows its verdict and no error
    say = checking.say
    checking.say = lambda verdict, so_far="": say(verdict)  # nobody is on the way through the notebook here
    released = ROOT / "release" / f"{name}.ipynb"
    folder = Path(tempfile.mkdtemp()) / released.parent.name
    shutil.copytree(released.parent, folder)
    os.chdir(folder)
    for cell in read_cells(released):
        if cell.role is Role.LOCKED:
            with capture_output():
                shell.run_cell(cell.source, cell_id=cell.id).raise_error()
        if cell.solves:
            return
