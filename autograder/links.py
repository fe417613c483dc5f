"""Links that were handed in: nbgrader follows them, and copies what belongs to others."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def links(submitted: Path) -> list[str]:
    """Those below the folder of a submission, but for notebooks."""
    found = (path for path in submitted.rglob("*") if path.is_symlink() and path.suffix != ".ipynb")
    return sorted(str(path.relative_to(submitted)) for path in found)


def remove_copies(submitted: Path, graded: Path, source: Path) -> list[str]:
    """Removes what links of a submission brought into the folder of the graded one, but for the instructor's files.

    What stays there would be shown to the student's cells, and go back with the feedback.
    """
    notes = []
    for name in links(submitted):
        if not (source / name).exists():
            notes.append(f"The file `{name}` was a link, which is not followed.")
            with suppress(OSError):
                (graded / name).unlink()
    return notes
