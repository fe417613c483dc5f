"""The cells of a notebook of the course, and nbgrader's metadata of them: the only place that knows what is in it.

It works on plain JSON and on nbformat's nodes alike, and imports nothing heavy: learners' commands use it.
"""

from __future__ import annotations

import ast
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from pathlib import Path
from re import fullmatch
from typing import Any

from autograder.course.reading import NO_CELLS, complaint, remedy, text_of
from autograder.errors import ContentError
from autograder.replay.parsed import RUNS_ITS_BODY, bound, parse_tree

SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
"""What a model answer stands between."""
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
"""What encloses the part of a test that students do not see."""

FORWARD = "%%forward"
ASK = "%%ask"
MAGICS = frozenset({FORWARD, ASK})
"""The cell magics of the course: what stands below one is Python that does what it says."""

FORMAT = 4
"""The major version of nbformat in which notebooks are read."""
NO_NOTEBOOK = "{} is not a notebook: it {}. {}"

CELL_ID = r"[a-zA-Z0-9_-]{1,64}"
"""The ids of cells that nbformat allows."""
KEYS = frozenset({"schema_version", "grade", "locked", "solution", "task", "grade_id", "points", "checksum", "cell_type"})
"""The keys of nbgrader's metadata of a cell."""
GOES_ON = "raises-exception"
"""The tag with which JupyterLab goes on with Run All behind a cell that stops. nbgrader goes on behind every cell."""


class Role(StrEnum):
    """Whose a cell is, and what for. An answer is a student's cell, and so is every cell that nbgrader does not know."""

    STUDENT = "student"
    LOCKED = "locked"
    TEST = "test"


@dataclass(frozen=True)
class Cell:
    """A cell as nbgrader has it; `id` is its name for the cell, or else the notebook's.

    `hidden` are the lines of a test that students do not see. `answers` are the names that a student's cell is there to
    bind: those that the instructor's own solution binds. `solves` where an answer goes. `points` is None where none are
    given. `checksum` is nbgrader's, of the cell as it was released. `task` is nbgrader's word for what a person grades
    by all that stands below it. `tags` is None where the release is not at hand to say.
    """

    id: str
    role: Role
    source: str
    hidden: str = ""
    answers: frozenset[str] = frozenset()
    solves: bool = False
    points: float | None = None
    checksum: str = ""
    cell_type: str = "code"
    task: bool = False
    tags: tuple[str, ...] | None = None

    @property
    def shown(self) -> str:
        """The lines that students see."""
        hidden = deque(self.hidden.split("\n") if self.hidden else ())
        shown = []
        for line in self.source.split("\n"):
            if hidden and line == hidden[0]:
                hidden.popleft()
            else:
                shown.append(line)
        return "\n".join(shown)

    @property
    def is_graded(self) -> bool:
        """Whether nbgrader has a grade for the cell itself: for a test, or for an answer that a person reads."""
        return self.role is Role.TEST or (self.solves and self.points is not None)

    @property
    def is_locked(self) -> bool:
        """Whether nbgrader overwrites what students make of it."""
        return self.role is not Role.STUDENT

    def settings(self, schema_version: int) -> dict[str, Any]:
        """What nbgrader's metadata of the cell should be."""
        flags = {"grade": self.is_graded, "solution": self.solves, "task": self.task, "locked": self.is_locked}
        points = {} if self.points is None else {"points": self.points}
        known = {"grade_id": self.id, "cell_type": self.cell_type, "checksum": self.checksum, "schema_version": schema_version}
        return {**known, **flags, **points}


def settings(cell: Mapping[str, Any]) -> dict[str, Any]:
    """nbgrader's metadata of a cell; nothing where there is none, or it is malformed."""
    metadata = cell.get("metadata")
    found = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def put_settings(cell: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Makes this nbgrader's metadata of a cell, whatever stood there."""
    metadata = cell["metadata"]
    metadata["nbgrader"] = type(metadata)(found)


def remove_settings(cell: Mapping[str, Any]) -> None:
    """Makes a cell one that nbgrader does not know."""
    cell["metadata"].pop("nbgrader", None)


def grade_id(cell: Mapping[str, Any]) -> str:
    """What nbgrader knows a cell by; nothing where it does not."""
    name = settings(cell).get("grade_id")
    return name if isinstance(name, str) else ""


def tags(cell: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags of a cell."""
    metadata = cell.get("metadata")
    found = metadata.get("tags") if isinstance(metadata, dict) else None
    return tuple(tag for tag in found if isinstance(tag, str)) if isinstance(found, list | tuple) else ()


def role_of(grade: bool, solution: bool, locked: bool) -> Role:
    """What follows from nbgrader's three flags: those of an answer first, then those of a test."""
    if solution:
        return Role.STUDENT
    return Role.TEST if grade else Role.LOCKED if locked else Role.STUDENT


def cell_of(cell: Mapping[str, Any], number: int = 0) -> Cell:
    """A cell of a notebook's file, the one of this number. Raises LookupError or TypeError for what is no cell."""
    known = settings(cell)
    solves = bool(known.get("solution"))
    source, id = cell["source"], cell.get("id")
    return Cell(
        id=grade_id(cell) or (str(id) if id else f"cell-{number}"),
        role=role_of(bool(known.get("grade")), solves, bool(known.get("locked"))),
        source=source if isinstance(source, str) else "".join(source),
        solves=solves,
        points=_number(known.get("points")),
        checksum=str(known.get("checksum", "")),
        cell_type=cell["cell_type"],
        task=bool(known.get("task")),
        tags=tags(cell),
    )


def cells_of(notebook: Mapping[str, Any]) -> Iterator[Cell]:
    """The code cells of a notebook. Raises LookupError, TypeError or AttributeError for what is none."""
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code":
            yield cell_of(cell, number)


def load(path: Path) -> Any:
    """The JSON of a notebook's file, in format 4; not validated, which takes longer than all the rest. Raises ContentError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        few = f", such as {path}/*.ipynb" if path.is_dir() else ""
        raise ContentError(f"{path} cannot be read ({error.strerror}). Give the path of a notebook{few}.") from None
    try:
        return loads(content)
    except (ValueError, RecursionError):
        raise ContentError(NO_NOTEBOOK.format(path, complaint(content), remedy(content, path))) from None


def loads(content: bytes) -> Any:
    """The JSON of a notebook, in format 4. Raises ValueError or RecursionError for what is no JSON."""
    text = text_of(content)
    notebook = json.loads(text)
    if is_old(notebook):
        import nbformat  # here, since it takes long to import

        notebook = nbformat.reads(text, as_version=FORMAT)
        for cell in notebook["cells"]:
            cell.pop("id", None)  # nbformat drew it
    return notebook


def is_old(notebook: Any) -> bool:
    """Whether the JSON of a notebook is in a format in which cells stand elsewhere."""
    version = notebook.get("nbformat") if isinstance(notebook, dict) else None
    return isinstance(version, int) and version < FORMAT


def read_cells(path: Path) -> list[Cell]:
    """The code cells of a notebook's file. Raises ContentError for one that is none."""
    try:
        return list(cells_of(load(path)))
    except (LookupError, TypeError, AttributeError):
        raise ContentError(NO_NOTEBOOK.format(path, NO_CELLS, remedy(b"{}", path))) from None


def text_cells(notebook: Mapping[str, Any]) -> set[str]:
    """The ids of the cells of a notebook that are text."""
    return {cell_of(cell).id for cell in notebook["cells"] if cell["cell_type"] != "code"}


def differing(cell: Cell, metadata: Any, schema_version: int) -> list[str]:
    """The keys of nbgrader's metadata that are not as the cell has them. What nbgrader does not look at may be anything."""
    expected: dict[str, Any] = {"points": 0.0, **cell.settings(schema_version)}
    if not isinstance(metadata, dict):
        return sorted(cell.settings(schema_version))
    unread = {"checksum", *(() if cell.points is not None else ("points",))}  # nbgrader writes every checksum anew
    if cell.is_graded or cell.solves:
        unread.add("locked")  # follows from the others
    given = {"task": False, "points": 0.0, "cell_type": cell.cell_type, "checksum": cell.checksum, **metadata}
    wrong = {key for key in expected if not _equal(given.get(key), expected[key], key not in unread)}
    return sorted(wrong | (given.keys() - KEYS))


def with_answers(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The cells that have something in them, each one there to bind its own name."""
    return tuple(replace(cell, answers=frozenset({cell.id})) for cell in cells if cell.source.strip())


def magic(source: str) -> str:
    """The cell magic that a cell stands under, such as `%%forward`; nothing where there is none."""
    return source.split(maxsplit=1)[0] if source.startswith("%%") and source[2:3].strip() else ""


def is_forward(source: str) -> bool:
    """Whether a cell is a forward pass."""
    return magic(source) == FORWARD


def is_ask(source: str) -> bool:
    """Whether a cell asks for something that is no gradient."""
    return magic(source) == ASK


def body(source: str) -> str:
    """A cell without the line of its cell magic."""
    return source.partition("\n")[2] if source.startswith("%%") else source


def python(source: str) -> str:
    """A cell without the line of a magic of the course. Another magic may do anything with what stands below it."""
    if is_ask(source):  # it binds nothing
        return ""
    return body(source) if magic(source) in MAGICS else source


def is_blank(cell: Cell, released: str | None) -> bool:
    """Whether nothing was written into a cell for an answer that was released with this text."""
    text = cell.source.strip()
    return text in ("", (released or "").strip()) or (cell.cell_type == "code" and does_nothing(text))


def does_nothing(source: str) -> bool:
    """Whether there is no more in a cell than comments, and functions and classes of nothing but docstrings.

    That is what nbgrader leaves.
    """
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_empty(statement) for statement in statements)


def empty_methods(source: str, name: str) -> list[str]:
    """The methods of the class of this name in a cell that are nothing but a docstring."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    classes = [node for node in statements if isinstance(node, ast.ClassDef) and node.name == name]
    return [node.name for each in classes for node in each.body if isinstance(node, ast.FunctionDef) and _is_empty(node)]


def _is_empty(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        inherits = isinstance(node, ast.ClassDef) and bool(node.bases)
        return not inherits and all(map(_is_empty, node.body))
    return isinstance(node, ast.Pass | ast.Expr) and not _computes(node)


def _computes(node: ast.Pass | ast.Expr) -> bool:
    return isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)


def imports_in(source: str) -> dict[str, str]:
    """The import statements of a cell by the names that they bind; none of what is not Python."""
    head = magic(source)
    if head and head not in MAGICS and head.removeprefix("%%") not in RUNS_ITS_BODY:
        return {}
    found: dict[str, str] = {}
    for node in _statements(source):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= dict.fromkeys(bound(node), ast.unparse(node))
    return found


def modules_in(source: str) -> set[str]:
    """The modules that the import statements of a cell name, wherever they stand in it, and the packages that these are in."""
    nodes = [node for statement in _statements(source) for node in ast.walk(statement)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.rsplit(".", count)[0] for name in names for count in range(name.count(".") + 1)}


def imports_of(cells: Iterable[Cell]) -> dict[str, str]:
    """The import statements of some cells, by what they bind."""
    return {name: code for cell in cells for name, code in imports_in(cell.source).items()}


def _statements(source: str) -> list[ast.stmt]:
    """The statements of a cell. Lines with a magic are left out first: IPython, which knows them better, takes long to load."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.parse("\n".join(line for line in body(source).split("\n") if not line.startswith("%"))).body
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return parse_tree(source).body
    return []


def marked(source: str, markers: tuple[str, str]) -> Iterator[tuple[str, bool]]:
    """The lines of a source, each with whether two markers enclose it. The first marker's line is enclosed, the last is not."""
    begin, end = markers
    is_inside = False
    for line in source.split("\n"):
        is_inside = (is_inside or begin in line) and end not in line
        yield line, is_inside


def enclosed(source: str, markers: tuple[str, str]) -> str:
    """The lines that markers enclose, with those of the first marker."""
    return "\n".join(line for line, is_inside in marked(source, markers) if is_inside)


def split(source: str, markers: tuple[str, str]) -> tuple[list[str], list[str]]:
    """The texts around what markers enclose, and the enclosed ones; without the markers' own lines."""
    parts: list[list[str]] = [[]]  # around, inside, around, and so on
    for line, is_inside in marked(source, markers):
        if is_inside != (len(parts) % 2 == 0):
            parts.append([])
        if not any(marker in line for marker in markers):
            parts[-1].append(line)
    texts = ["\n".join(part) for part in parts]
    return [*texts[::2], *([] if len(texts) % 2 else [""])], texts[1::2]


def unmarked(source: str, markers: tuple[str, str]) -> str:
    """All lines but those of the markers."""
    return "\n".join(line for line in source.splitlines() if line.strip() not in markers)


Needs = Callable[[object, Set[str]], bool]
"""Whether a cell with this id needs another one, where some ids were seen above it."""


def lacks_id(id: object, seen: Set[str]) -> bool:
    """The cell has none at all."""
    return id is None


def repeats_id(id: object, seen: Set[str]) -> bool:
    """The cell has none, or that of a cell above it."""
    return id is None or id in (seen if isinstance(id, str) else ())


def has_no_fit_id(id: object, seen: Set[str]) -> bool:
    """The cell has none of its own that nbformat allows."""
    return not isinstance(id, str) or not fullmatch(CELL_ID, id) or id in seen


def give_ids(cells: Iterable[MutableMapping[str, Any]], needs: Needs) -> int:
    """Gives cells that need one the first of the ids `cell-1`, `cell-2` … that is free, and says how many.

    nbformat would draw random ids, and two readings of a file would differ.
    """
    cells = list(cells)
    taken = {cell["id"] for cell in cells if isinstance(cell.get("id"), str)}
    spare = (name for number in count(1) if (name := f"cell-{number}") not in taken)
    seen = set[str]()
    given = 0
    for cell in cells:
        if needs(cell.get("id"), seen):
            cell["id"] = next(spare)
            given += 1
        if isinstance(cell.get("id"), str):
            seen.add(cell["id"])
    return given


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _equal(given: Any, expected: Any, to_the_letter: bool) -> bool:
    """Whether two values of JSON are equal, true not being 1, or at least of one kind."""
    if isinstance(expected, float):
        return type(given) in (int, float) and (given == expected if to_the_letter else given >= 0)
    return type(given) is type(expected) and (given == expected or not to_the_letter)
