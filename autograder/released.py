"""The notebooks as they were released: where they lie, what their cells are, and how a learner gets them, or one cell, back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder import files
from autograder.errors import ContentError
from autograder.paper import Role

PLACES = (Path(__file__).parent / "release", Path(__file__).parent.parent / "release")
"""Where the release lies in an installed package and in a checkout."""

BACKUP = "backup"
"""The folder, beside the notebooks, of what was taken out of cells."""


@dataclass(frozen=True)
class Piece:
    """A code cell of a notebook file. `id` is nbgrader's name for it, or else the notebook's; `solves` where an answer goes.

    `checksum` is nbgrader's, of the cell as it was released.
    """

    id: str
    role: Role
    source: str
    points: float = 0.0
    solves: bool = False
    checksum: str = ""


def notebooks() -> list[Path]:
    """The released notebooks, in the order of the course. Raises ContentError where there are none."""
    found = next((files for place in PLACES if (files := sorted(place.glob("*/*.ipynb")))), None)
    if found is None:
        raise ContentError(f"there are no released notebooks in {PLACES[-1]}. In a checkout, `make release` makes them.")
    return found


def original(path: Path, found: Sequence[Piece]) -> list[Piece] | None:
    """The cells of the released notebook that a file with these cells was made from; None where it was made from none.

    A file of the same name is of another course if a checksum of nbgrader's says so, or if they have no cell in common.
    """
    same = next((each for place in PLACES for each in sorted(place.glob(f"*/{path.name}"))), None)
    if same is None or path.resolve() == same.resolve():
        return None
    released = list(pieces(same))
    known = {piece.id: piece.checksum for piece in released}
    pairs = [(known[piece.id], piece.checksum) for piece in found if piece.id in known]
    return released if pairs and all(ours == theirs for ours, theirs in pairs if ours and theirs) else None


def pieces(path: Path) -> Iterator[Piece]:
    """The code cells of a notebook file. Raises ContentError for one that is none."""
    try:
        for number, cell in enumerate(_read(path)["cells"], 1):
            if cell["cell_type"] == "code":
                yield _piece(cell, f"cell-{number}")
    except (LookupError, TypeError, AttributeError) as error:
        raise ContentError(f"{path} is not a notebook ({error!r}). Open it in JupyterLab and save it again.") from None


def copy(folder: Path) -> list[Path]:
    """Makes a new folder with the released notebooks. Raises ContentError if it is there already, and changes nothing."""
    lesson = notebooks()[0].parent
    try:
        shutil.copytree(lesson, folder, ignore=shutil.ignore_patterns(".*"))
    except FileExistsError:
        raise ContentError(f"{folder} is there already. Give another name: `autograder new NAME`.") from None
    except OSError as error:
        raise ContentError(f"{folder} cannot be made ({error.strerror}). Give another name: `autograder new NAME`.") from None
    return sorted(folder.glob("*.ipynb"))


def reset(path: Path, name: str) -> Path:
    """Puts back the released cell of this name, and gives the file that keeps what stood there.

    Raises ContentError where there is no such cell in the release or in the file, or no work in it to take out.
    """
    released = next((piece for piece in original(path, list(pieces(path))) or () if piece.id == name), None)
    if released is None:
        reason = f"{path} was not made from a released notebook with a cell `{name}`"
        raise ContentError(f"{reason}, so nothing can be put back. `autograder new NAME` makes a folder of those.")
    notebook = _read(path)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and _piece(cell, "").id == name]
    if not cells:
        raise ContentError(f"{path} has no cell `{name}` any more. Copy it from the release: `autograder new NAME`.")
    texts = [text for cell in cells if (text := _text(cell)).strip() != released.source.strip()]
    if not texts:
        raise ContentError(f"the cell `{name}` in {path} is as it was released already.")
    for cell in cells:
        cell.update(source=released.source.splitlines(keepends=True), outputs=[], execution_count=None)
    try:
        kept = _free(path.parent / BACKUP, f"{path.stem}-{name}")
        kept.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
        files.replace(path, json.dumps(notebook, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise ContentError(f"{path} was not changed ({error}). Its folder has to be one that can be written.") from None
    return kept


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ContentError(f"{path} cannot be read ({error.strerror}). Give the path of a notebook.") from None
    except (ValueError, RecursionError) as error:
        raise ContentError(f"{path} is not a notebook ({error}). Open it in JupyterLab and save it again.") from None


def _piece(cell: Any, id: str) -> Piece:
    settings = cell.get("metadata", {}).get("nbgrader", {})
    solves = bool(settings.get("solution"))
    role = Role.TEST if settings.get("grade") else Role.LOCKED if settings.get("locked") else Role.STUDENT
    name = str(settings.get("grade_id") or cell.get("id") or id)
    points, checksum = float(settings.get("points", 0)), str(settings.get("checksum", ""))
    return Piece(name, Role.STUDENT if solves else role, _text(cell), points, solves, checksum)


def _text(cell: Any) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def _free(folder: Path, stem: str) -> Path:
    """The path of a file that is not there yet."""
    folder.mkdir(exist_ok=True)
    moment = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    paths = (folder / f"{stem}-{moment}{suffix}.py" for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
    return next(path for path in paths if not path.exists())
