"""Where the package lies, and writing files whole or not at all."""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from subprocess import list2cmdline
from tempfile import NamedTemporaryFile

PACKAGE = Path(__file__).resolve().parent
"""The folder of the package. `data/` and `release/` lie beside it in a checkout, and inside it when it is installed."""


def quoted(path: Path) -> str:
    """A path as one types it in a shell: in quotes where it has blanks or the like."""
    return list2cmdline([str(path)]) if os.name == "nt" else shlex.quote(str(path))


def replace(path: Path, text: str) -> None:
    """Writes `text` to a temporary file beside `path`, then renames it to `path`, which keeps its permissions.

    A rename happens at once, so a reader finds the old text or the new one, never half of it. Raises OSError.
    """
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False, encoding="utf-8", newline="") as file:
        try:
            file.write(text)
            file.close()
            with suppress(FileNotFoundError):
                shutil.copymode(path, file.name)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
