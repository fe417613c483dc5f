"""The map of a course: how each assignment stands, which of its objectives are reached, and what comes next.

It is made of what the logbooks beside the notebooks say: nothing is run. Assignments that are not there are said to be so,
with the command that makes them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from shlex import quote

from autograder.course.catalogue import OF_ONE, Assignment, Catalogue, default, released_cells
from autograder.course.cells import Cell, is_blank, read_cells
from autograder.course.objectives import Asked, Objective, asked_in, meant, objectives
from autograder.course.order import LESSON_FILE, in_course_order
from autograder.course.questions import fingerprint, specifications
from autograder.errors import ContentError
from autograder.notebook import logbook
from autograder.notebook.box import COLOURS, NEUTRAL, chip, marked
from autograder.notebook.gradient_map import STATUS_SIGNS, STATUSES, Status
from autograder.verdict import Outcome

Standings = dict[Asked, Status]
"""How the answers stand that the tests of some notebooks ask for, in the order of the tests."""


@dataclass(frozen=True)
class Standing:
    """An assignment that is at hand: its folder, and how its answers stand."""

    folder: Path
    answers: Standings


@dataclass(frozen=True)
class AssignmentMap:
    """How an assignment stands. `folder` is where it is from here, and `command` makes it where it is not: one of the two."""

    name: str
    answers: Mapping[Asked, Status]
    objectives: tuple[Objective, ...] = ()
    folder: str = ""
    command: str = ""

    @property
    def right(self) -> int:
        return sum(state is Status.RIGHT for state in self.answers.values())

    @property
    def points(self) -> float:
        return sum(asked.points for asked, state in self.answers.items() if state is Status.RIGHT)

    @property
    def most(self) -> float:
        return sum(asked.points for asked in self.answers)

    @property
    def is_begun(self) -> bool:
        return any(state is not Status.NOT_ATTEMPTED for state in self.answers.values())

    @property
    def is_right(self) -> bool:
        return self.right == len(self.answers)

    @property
    def headline(self) -> str:
        """Such as `13 of 16 right, 1 wrong, 20 of 27 points`."""
        counts = Counter(self.answers.values())
        others = "".join(f", {counts[state]} {state}" for state in (Status.WRONG, Status.WAITING) if counts[state])
        return f"{self.right} of {len(self.answers)} right{others}, {self.points:g} of {self.most:g} points"

    @property
    def reached(self) -> Iterator[tuple[str, int, int]]:
        """The objectives: what each says, how many of its answers are right, and how many it needs."""
        for objective in self.objectives:
            needed = dict.fromkeys(asked for answer in objective.answers for asked in meant(answer, self.answers))
            yield objective.says, sum(self.answers[asked] is Status.RIGHT for asked in needed), len(needed)

    @property
    def next_step(self) -> str:
        """What to do here; nothing where all is right. Code stands in backticks."""
        if self.command:
            return f"Not begun. To begin: `{self.command}`"
        is_past_practice = any(asked.points for asked, state in self.answers.items() if state is not Status.NOT_ATTEMPTED)
        left = (asked for asked, state in self.answers.items() if state is not Status.RIGHT)
        todo = next((asked for asked in left if asked.points or not is_past_practice), None)
        if todo is None:
            return ""
        where = f"{self.folder}/{todo.notebook}.ipynb".removeprefix("./")
        if not self.is_begun:
            return f"Not begun. To begin: open `{where}`"
        return f"Next: `{todo.name}`, in the cell `{todo.cell}` of `{where}`"


@dataclass(frozen=True)
class CourseMap:
    """All assignments, in the order of the course."""

    assignments: tuple[AssignmentMap, ...]

    @property
    def headline(self) -> str:
        """Such as `13 of 75 right, 20 of 101 points, 3 of 14 objectives`."""
        right, asked = sum(each.right for each in self.assignments), sum(len(each.answers) for each in self.assignments)
        points, most = sum(each.points for each in self.assignments), sum(each.most for each in self.assignments)
        rows = [row for each in self.assignments for row in each.reached]
        done = sum(is_reached(row) for row in rows)
        reached = f", {done} of {len(rows)} objectives" if rows else ""
        return f"{right} of {asked} right, {points:g} of {most:g} points{reached}"


def is_reached(row: tuple[str, int, int]) -> bool:
    """Whether all answers of an objective are right."""
    _, right, needed = row
    return right == needed > 0


def said(row: tuple[str, int, int]) -> str:
    """An objective, and if it is begun how far it is."""
    says, right, needed = row
    return f"{says} ({right} of {needed})" if 0 < right < needed else says


def folders_beside(folder: Path, catalogue: Catalogue | None = None) -> list[Path]:
    """The folders beside one, and itself, that are called like an assignment or have a lesson, in the order of the course.

    Others are not looked into: beside a learner's folder may lie anything.
    """
    above = folder.resolve().parent
    names: set[str] = set()
    with suppress(ContentError):
        names = {form.format(each.name) for each in (catalogue or default()).assignments for form in ("{}", OF_ONE)}
    found = in_course_order(each for each in above.glob("*/") if each.name in names or (each / LESSON_FILE).is_file())
    return [folder.resolve(), *(each for each in found if each != folder.resolve() and each.name[0] != ".")]


def read_standings(folders: Iterable[Path], live: Mapping[tuple[str, str], Status] | None = None) -> dict[str, Standing]:
    """How the assignments in some folders stand by their logbooks, by name; of two folders with the same, the first counts.

    `live` are the states that the running notebook knows better, by the fingerprint of what judges an answer, and its name.
    """
    found: dict[str, Standing] = {}
    for folder in folders:
        by_assignment: dict[str, Standings] = {}
        pages = logbook.read(folder)
        for path in sorted(folder.glob("*.ipynb")):
            with suppress(ContentError):  # a notebook that cannot be read has nothing to say
                cells = read_cells(path)
                origin = default().origin(path, cells)
                given = (origin.given(path) if origin else ()) or cells
                name, notebook = (origin.assignment.name, origin.notebook.stem) if origin else (folder.name, path.stem)
                states = by_assignment.setdefault(name, {})
                for asked in asked_in(notebook, given):
                    states.setdefault(asked, _state(asked, cells, given, pages, live or {}))
        for name, answers in by_assignment.items():
            if answers:
                found.setdefault(name, Standing(folder, answers))
    return found


def _state(
    asked: Asked,
    cells: Sequence[Cell],
    given: Sequence[Cell],
    pages: logbook.Pages,
    live: Mapping[tuple[str, str], Status],
) -> Status:
    """How an answer stands, by what the running notebook knows, else by its entry while a cell has what was judged."""
    judged_by = [*map(fingerprint, specifications(given, asked.name))]
    if known := [live[place, asked.name] for place in judged_by if (place, asked.name) in live]:
        return known[0]
    sources = {fingerprint(cell.source) for cell in cells}
    for place in judged_by:
        entry = pages.get(place, {}).get(asked.name)
        if entry and entry.answer in sources:
            return STATUSES[entry.outcome]
    released = {cell.id: cell.source for cell in given}
    own = [cell for cell in cells if cell.id == asked.cell and not is_blank(cell, released.get(cell.id))]
    return Status.WAITING if own else Status.NOT_ATTEMPTED


def chart_course(found: Mapping[str, Standing], here: Path, catalogue: Catalogue | None = None) -> CourseMap:
    """The map of the assignments that are at hand, by name, and of those of the course that are not. `here` is where one is.

    A course that is not ours has no others than those at hand.
    """
    known: dict[str, Assignment] = {}
    with suppress(ContentError):
        known = {each.name: each for each in (catalogue or default()).assignments}
    if found and known.keys().isdisjoint(found):
        known = {}
    others = {standing.folder: name for name, standing in found.items() if name not in known}
    names = [*known, *(others[folder] for folder in in_course_order(others))]
    return CourseMap(tuple(_chart(name, known.get(name), found, here) for name in names))


def _chart(name: str, assignment: Assignment | None, found: Mapping[str, Standing], here: Path) -> AssignmentMap:
    standing = found.get(name)
    answers: Standings = dict(standing.answers) if standing else {}
    if assignment:  # all that it asks for, in its order, whichever of its notebooks are at hand
        whole = [asked for path in assignment.notebooks for asked in asked_in(path.stem, released_cells(path))]
        answers = {asked: answers.get(asked, Status.NOT_ATTEMPTED) for asked in whole} | answers
    goals: tuple[Objective, ...] = ()
    for folder in [assignment.release] if assignment else [standing.folder] if standing else []:
        with suppress(ContentError):  # the linter says what is wrong with it
            goals = objectives(folder)
    if standing:
        return AssignmentMap(name, answers, goals, folder=_from(here, standing.folder))
    places = {each.folder.parent for each in found.values()}
    above = places.pop() if len(places) == 1 else here
    is_called_so = any(each.folder.name == OF_ONE.format(other) for other, each in found.items())
    target = _from(here, above / (OF_ONE.format(name) if is_called_so else name))
    return AssignmentMap(name, answers, goals, command=f"autograder new {quote(target)} --assignment {name}")


def _from(here: Path, folder: Path) -> str:
    """The path of a folder as one types it here."""
    with suppress(ValueError):  # on another drive of Windows
        return Path(os.path.relpath(folder.resolve(), here.resolve())).as_posix()
    return str(folder.resolve())


BULLET = "·"
"""Stands before an objective that is not reached yet."""
GREY = "#8C8C8C"
"""Its ground."""
TICK = STATUS_SIGNS[Status.RIGHT]
"""Stands before one that is."""
WHERE_TO_TYPE = "Commands are for a terminal, in the folder of this notebook."


def course_as_text(course: CourseMap) -> str:
    """The headline, then for each assignment how it stands, its objectives and the next step."""
    lines = [f"course: {course.headline}"]
    width = max((len(each.name) for each in course.assignments), default=0)
    for each in course.assignments:
        lines += ["", f"{each.name:{width}}  {each.headline}"]
        lines += (f"  {TICK if is_reached(row) else BULLET} {said(row)}" for row in each.reached)
        lines += [f"  {each.next_step}"] * bool(each.next_step)
    if any(each.command for each in course.assignments):
        lines += ["", WHERE_TO_TYPE]
    return "\n".join(lines)


def course_as_html(course: CourseMap) -> str:
    """The same in a box for each assignment: inline styles and plain tags only, since notebooks drop the rest."""
    boxes = "".join(map(_box, course.assignments))
    note = f"<div>{WHERE_TO_TYPE}</div>" if any(each.command for each in course.assignments) else ""
    return f"<div><b>course: {course.headline}</b>{boxes}{note}</div>"


def _box(each: AssignmentMap) -> str:
    colour = COLOURS[Outcome.RIGHT] if each.is_right else NEUTRAL if each.is_begun else COLOURS[Outcome.NOT_ATTEMPTED]
    style = f"border-left: 6px solid {colour}; padding: 10px 12px"
    goals = "".join(f"<div>{_sign(row)} {escape(said(row))}</div>" for row in each.reached)
    headline = f"<div><b><code>{escape(each.name)}</code>: {each.headline}</b></div>"
    return f'<div style="{style}">{headline}{goals}<div>{marked(each.next_step)}</div></div>'


def _sign(row: tuple[str, int, int]) -> str:
    """The sign of an objective."""
    return chip(TICK, COLOURS[Outcome.RIGHT]) if is_reached(row) else chip(BULLET, GREY)
