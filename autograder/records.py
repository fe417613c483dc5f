"""The folders of records: each is made beside its place, and put there in one go."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from autograder.submission import put


class Record:
    """The folder of a student's records of an assignment. `target` is its place."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._new = target.parent / f".{target.name}.new"
        self._old = target.parent / f".{target.name}.old"

    def prepare(
        self,
        submitted: Path,
        files: Iterable[Path],
        own: Mapping[str, bytes],
        records: Mapping[str, str],
        is_part: bool,
        permissions: int,
    ) -> None:
        """Makes the new folder: the submission's files, the instructor's own, and the records by the names of notebooks.

        Of a part of the notebooks, the records of the others stay. Raises OSError.
        """
        shutil.rmtree(self._new, ignore_errors=True)
        self._new.mkdir(parents=True)
        if is_part and self.target.is_dir():
            shutil.copytree(self.target, self._new, symlinks=True, dirs_exist_ok=True)
        for path in files:
            put(self._new, str(path.relative_to(submitted)), path)
        for name, content in (*own.items(), *((f"{name}.ipynb", text.encode()) for name, text in records.items())):
            put(self._new, name, content)
        for folder, _, names in os.walk(self._new):
            for name in names:
                os.chmod(os.path.join(folder, name), permissions)

    def set_aside(self) -> None:
        """Takes the old folder away: from here to `publish` there is no record, and a run that was ended makes it anew."""
        shutil.rmtree(self._old, ignore_errors=True)
        with suppress(FileNotFoundError):
            os.rename(self.target, self._old)

    def put_back(self) -> None:
        """Undoes it."""
        with suppress(FileNotFoundError):
            os.rename(self._old, self.target)

    def publish(self) -> None:
        """Puts the new folder in its place."""
        os.rename(self._new, self.target)
        shutil.rmtree(self._old, ignore_errors=True)
