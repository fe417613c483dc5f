"""Brings submitted notebooks back to the structure of the release: what students did to that costs and earns nothing.

What a cell is comes from the gradebook alone, never from the submission. The text of locked cells and the kernel are left
to nbgrader's own OverwriteCells and OverwriteKernelspec. A notebook that is as it should be stays as it is, bit for bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.nbgraderformat import SCHEMA_VERSION, MetadataValidator
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.course.cells import GOES_ON, KEYS, Cell, Role, differing, grade_id, put_settings, remove_settings, settings
from autograder.course.splits import SPLIT, Part, find_split
from autograder.grading.bounds import Bounds
from autograder.grading.folders import remove_copies
from autograder.grading.master import Master, read_master
from autograder.grading.salvage import FAILURES, NOTES, salvage, salvage_ids, set_type
from autograder.grading.setup import faults_of

BOUNDS = "bounds"
"""Where nbconvert's resources have how much may be handed in."""
EXECUTION_TAGS = {"skip-execution", GOES_ON}
_masters = WeakKeyDictionary[Any, dict[tuple[str, str, str], Master]]()
"""The masters that were read from the gradebook, by converter: one is made for a command, and forgotten with it."""
MISSING_REMARK = "This cell (`{name}`) was missing from the submission. It was put back as it was released."

MAX_MISSING = 3
"""Cells that were missing, each of which gets a note of its own."""


class Restore(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader is untyped
    """Restores a notebook. It stands first in `Autograde.sanitize_preprocessors`."""

    given: Master | None = None
    """The master, in a process that has no gradebook to read it from."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        about = resources["nbgrader"]
        original = self.given or master_of(self, about)
        if not original.is_current:
            return nb, resources  # a course of another version of nbgrader, which says what to do
        bounds = resources.get(BOUNDS, Bounds())
        faults = faults_of(self)
        notes = [*resources.get(NOTES, []), *faults, *self._without_links(about, bounds)]
        notes += restore(nb, original.originals, original.answers)
        for note in notes:
            self.log.warning("%s, notebook %s: %s", about.get("student"), about["notebook"], note)
        if notes:
            failures = [*resources.get(FAILURES, []), *faults]
            nb.metadata[NOTES] = NotebookNode({"restored": notes, **({FAILURES: failures} if failures else {})})
        return nb, resources

    def _without_links(self, about: Mapping[str, str], bounds: Bounds) -> list[str]:
        if (course := course_of(self)) is None:
            return []
        folders = (course.submitted_directory, course.autograded_directory, course.source_directory)
        pairs = zip(folders, (about["student"], about["student"], "."), strict=True)
        submitted, graded, source = (Path(course.format_path(*pair, about["assignment"])) for pair in pairs)
        return remove_copies(submitted, graded, source, bounds)


def master_of(preprocessor: NbGraderPreprocessor, about: Mapping[str, str]) -> Master:
    """The notebook that a preprocessor is about, from the gradebook. It is read once for all students of one command."""
    converter = getattr(preprocessor.parent, "parent", None)
    known = {} if converter is None else _masters.setdefault(converter, {})
    key = about["db_url"], about["assignment"], about["notebook"]
    if key not in known:
        with Gradebook(about["db_url"]) as gradebook:
            known[key] = read_master(gradebook, course_of(preprocessor), about["assignment"], about["notebook"])
    return known[key]


def course_of(preprocessor: NbGraderPreprocessor) -> Any:
    """The folders of the course; None where no converter of an exporter knows them."""
    return getattr(getattr(preprocessor.parent, "parent", None), "coursedir", None)


def restore(
    nb: NotebookNode, originals: Mapping[str, Cell], answers: Mapping[str, Set[str]] = MappingProxyType({})
) -> list[str]:
    """Changes the notebook in place, and says what it changed. `answers` are the names that answers are there to bind."""
    notes = salvage(nb)
    if nb.metadata.pop(NOTES, None) is not None:
        notes.append("The notebook had notes that only the autograder writes: they were removed.")
    notes += _join(nb, originals, answers)
    owners, copies = _owners(nb.cells, originals)
    notes += copies
    for index, (cell, name) in enumerate(zip(nb.cells, owners, strict=True)):
        notes += _restore_cell(cell, originals[name]) if name else _free(cell, index)
    notes += _reorder(nb, owners, originals)
    return notes + salvage_ids(nb)


def _join(nb: NotebookNode, originals: Mapping[str, Cell], answers: Mapping[str, Set[str]]) -> list[str]:
    """Makes one cell of each answer that was split."""
    texts = [Part(grade_id(cell), cell.source, cell.cell_type == "code", _is_of(cell, originals)) for cell in nb.cells]
    notes = []
    for name, original in originals.items():
        split = find_split(texts, name, original, answers.get(name, {name})) if original.solves else None
        if split is not None:
            parts = slice(split.first, split.first + split.count)
            kept = nb.cells[split.own]
            kept.source = split.source
            if any(cell.get("id") == name for cell in nb.cells[parts]):
                kept.id = name
            nb.cells[parts] = [kept]
            texts[parts] = [Part(name, split.source)]
            notes.append(SPLIT.format(name, split.count))
    return notes


def _is_of(cell: NotebookNode, originals: Mapping[str, Cell]) -> bool:
    """Whether nbgrader's metadata or the id say that a cell is one of the release."""
    return "nbgrader" in cell.metadata or cell.get("id") in originals


def _owners(cells: Sequence[NotebookNode], originals: Mapping[str, Cell]) -> tuple[list[str | None], list[str]]:
    """Which cell of the release each cell is, each of them at most once, and notes on copies."""
    claims = [name if (name := grade_id(cell)) in originals else None for cell in cells]
    owners: list[str | None] = [None] * len(cells)
    notes = []
    for name, copies in _places(claims).items():
        kept = copies[0] if len(copies) == 1 else max(copies, key=_worth(cells, claims, originals))
        owners[kept] = name
        if len(copies) > 1:
            which = "the edited one" if originals[name].solves else "one"
            notes.append(f"Cell `{name}` was there {len(copies)} times: {which} counts, the others are ordinary cells now.")
        for index in copies:
            if index != kept:
                remove_settings(cells[index])
                if cells[index].get("id") == name:  # the id goes to the copy that counts
                    cells[kept].id, cells[index].id = name, cells[kept].id
    ids = {cell.get("id"): index for index, cell in enumerate(cells) if owners[index] is None}
    for name in originals.keys() & ids.keys() - set(owners):  # a cell without metadata
        owners[ids[name]] = name
    return owners, sorted(notes)


def _places(claims: Iterable[str | None]) -> Mapping[str, list[int]]:
    """The indices of the cells that claim to be a cell of the release, by its name."""
    places = defaultdict[str, list[int]](list)
    for index, claim in enumerate(claims):
        if claim is not None:
            places[claim].append(index)
    return places


def _worth(
    cells: Sequence[NotebookNode], claims: Sequence[str | None], originals: Mapping[str, Cell]
) -> Callable[[int], tuple[bool, int, int]]:
    """What to compare copies by: an answer that was edited counts first, then a copy in its place, then the last one."""
    order = [None, *originals, None]
    above, below = dict(zip(order[1:], order, strict=False)), dict(pairwise(order))
    before, after = _neighbours(claims), _neighbours(claims[::-1])[::-1]

    def worth(index: int) -> tuple[bool, int, int]:
        name = claims[index] or ""
        text = cells[index].source.strip()
        edited = originals[name].solves and text not in ("", originals[name].source.strip())
        return edited, (before[index] == above[name]) + (after[index] == below[name]), index

    return worth


def _neighbours(claims: Iterable[str | None]) -> list[str | None]:
    """For each cell the last claim in front of it that is another than its own."""
    found, last, other = list[str | None](), None, None
    for claim in claims:
        found.append(other if claim == last else last)
        if claim not in (None, last):
            last, other = claim, last
    return found


def _restore_cell(cell: NotebookNode, original: Cell) -> list[str]:
    notes = []
    name = original.id
    if cell.cell_type != original.cell_type:
        notes.append(f"Cell `{name}` was a {cell.cell_type} cell: it is a {original.cell_type} cell again.")
        set_type(cell, original.cell_type)
    if wrong := differing(original, cell.metadata.get("nbgrader"), SCHEMA_VERSION):
        put_settings(cell, original.settings(SCHEMA_VERSION))
        keys = [key for key in wrong if key in KEYS]
        notes.append(f"Cell `{name}` had other nbgrader metadata ({', '.join(keys) or 'too much'}): it was put back.")
    if original.is_locked:
        tags = cell.metadata.get("tags", [])
        allowed = [tag for tag in tags if tag not in EXECUTION_TAGS] if original.tags is None else list(original.tags)
        if tags != allowed:
            cell.metadata["tags"] = allowed
            if _without_going_on(tags) != _without_going_on(allowed):
                notes.append(f"Cell `{name}` had other tags: they were put back.")
        if cell.cell_type == "code" and cell.pop("attachments", None) is not None:
            notes.append(f"Cell `{name}` had attachments, which code has not: they were removed.")
    return notes


def _without_going_on(tags: Any) -> Any:
    """Tags without the one that makes no difference, which older releases lack; what is no list of tags as it is."""
    return [tag for tag in tags if tag != GOES_ON] if isinstance(tags, list) else tags


def _free(cell: NotebookNode, index: int) -> list[str]:
    """Makes sure that nbgrader takes the cell for an ordinary one."""
    if "nbgrader" not in cell.metadata:
        return []
    with suppress(Exception):  # whatever the validator stumbles on
        MetadataValidator().validate_cell(cell)
        found = settings(cell)
        if found and not any(map(found.get, ("grade", "solution", "locked", "task"))):
            return []
    remove_settings(cell)
    return [f"Cell {index + 1} of the submission passed for one of the assignment: it is an ordinary cell now."]


def _reorder(nb: NotebookNode, owners: Sequence[str | None], originals: Mapping[str, Cell]) -> list[str]:
    """Puts back what is missing or stands elsewhere. Other cells stay behind the cell that they followed.

    Cells in runs that are in the order of the release stay where they are, and the others are put in between.
    """
    order, found = list(originals), [name for name in owners if name]
    if order == found:
        return []
    blocks = SequenceMatcher(None, order, found, autojunk=False).get_matching_blocks()
    anchored = {name for block in blocks for name in order[block.a : block.a + block.size]}
    own = {name: cell for cell, name in zip(nb.cells, owners, strict=True) if name}
    followers: dict[str | None, list[NotebookNode]] = {name: [] for name in (None, *anchored)}
    current = None
    for cell, name in zip(nb.cells, owners, strict=True):
        if name in anchored:
            current = name
        elif name is None:
            followers[current].append(cell)
    cells, rest, notes = list[NotebookNode](), followers[None], []
    for name, original in originals.items():
        if name in anchored:
            cells += [*rest, own[name]]
            rest = followers[name]
            continue
        at = _place(rest, original)
        cells += [*rest[:at], *([own[name]] if name in own else _missing(original, nb.nbformat_minor >= 5))]
        rest = rest[at:]
        if name in own:
            notes.append(f"Cell `{name}` stood elsewhere: it was moved back.")
    missing = [name for name in originals if name not in own]
    nb.cells = [*cells, *rest]
    return [*notes, *_all_missing(missing)]


def _all_missing(names: Sequence[str]) -> Iterator[str]:
    """A note on each cell that was missing; if there are many, one on all."""
    if len(names) > MAX_MISSING:
        yield f"{len(names)} cells were missing, `{names[0]}` the first: they were put back as released."
    else:
        yield from (f"Cell `{name}` was missing: it was put back as released." for name in names)


def _place(rest: Sequence[NotebookNode], original: Cell) -> int:
    """Where among ordinary cells a cell belongs: a test behind code that may be the answer, all else in front of it."""
    code = [index for index, cell in enumerate(rest) if cell.cell_type == "code"]
    if original.role is Role.TEST:
        return code[-1] + 1 if code else 0
    return code[0] if code else len(rest)


def _missing(original: Cell, with_id: bool) -> Iterable[NotebookNode]:
    """The cell, and above it a line that says so: the text itself tells nbgrader that there is no answer."""
    text = MISSING_REMARK.format(name=original.id)
    remark = NotebookNode(cell_type="markdown", metadata=NotebookNode(), source=text)
    cell = NotebookNode(cell_type=original.cell_type, metadata=NotebookNode(deletable=False), source=original.source)
    set_type(cell, original.cell_type)
    put_settings(cell, original.settings(SCHEMA_VERSION))
    if original.is_locked:
        cell.metadata.editable = False
    if original.tags:
        cell.metadata.tags = list(original.tags)
    if with_id:
        remark.id, cell.id = f"missing-{original.id}", original.id
    return remark, cell
