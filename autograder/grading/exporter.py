"""How `nbgrader autograde` reads and copies what was handed in: within bounds, and without following a link.

nbgrader has an option for its exporter, and none for the converter that makes it. So the exporter makes its converter one of
this module's: they differ in how files are copied, and in what happens when the disk is full.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from nbconvert.exporters import NotebookExporter
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.converters.base import BaseConverter, NbGraderException

from autograder.grading import disk
from autograder.grading.bounds import survey
from autograder.grading.disk import DiskFullError
from autograder.grading.examine import Examine
from autograder.grading.folders import LINK, Copy, put_file, read_notebook
from autograder.grading.restore import BOUNDS, Restore
from autograder.grading.salvage import FAILURES, NOTES, Reading, in_time, nothing, read_leniently, read_within
from autograder.grading.setup import remarks, wrong_values


class LenientExporter(NotebookExporter):  # type: ignore[misc]  # nbconvert is untyped
    """Reads what other exporters do not: the `Autograde.exporter_class` that goes with Restore."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        if type(self.parent) is Autograde:
            if fault := next(wrong_values(self.parent), ""):
                self.log.error("Not graded: %s", fault)
                raise NbGraderException(fault)
            for remark in remarks(self.parent):
                self.log.warning("%s", remark)
        self.bounds = Examine(parent=self).bounds()
        self.excess = ""
        """What was too much in the folder of the submission that is converted."""
        if type(self.parent) is Autograde:
            self.parent.__class__ = BoundedAutograde

    def from_filename(self, filename: str, resources: dict[str, Any] | None = None, **more: Any) -> tuple[str, Any]:
        file = Path(filename)
        about = {"name": file.stem, "path": str(file.parent)}
        return self._converted(file, {**(resources or {}), "metadata": about}, **more)

    def from_file(self, file_stream: TextIO, resources: dict[str, Any] | None = None, **more: Any) -> tuple[str, Any]:
        return self._converted(Path(file_stream.name), resources or {}, **more)

    def _converted(self, file: Path, resources: dict[str, Any], **more: Any) -> tuple[str, Any]:
        def of(found: Reading) -> tuple[str, Any]:
            notes = [self.excess] * bool(self.excess)  # the report sees it in the folder, and says it once for all notebooks
            told = {NOTES: [*notes, *found.failures, *found.notes], FAILURES: found.failures, BOUNDS: self.bounds}
            converted: tuple[str, Any] = self.from_notebook_node(found.nb, {**resources, **told}, **more)
            return converted

        if any(isinstance(each, Restore) for each in self._preprocessors):
            return in_time(lambda: of(self._handed_in(file)), of, self.bounds)
        # what this converter wrote itself may be larger than what was handed in
        return of(nothing(LINK) if file.is_symlink() else read_leniently(file.read_bytes()))

    def _handed_in(self, file: Path) -> Reading:
        handed = read_notebook(file, self.bounds)
        return nothing(handed.problem) if handed.problem else read_within(handed.content, self.bounds)


class _Copying(BaseConverter):  # type: ignore[misc]  # nbgrader is untyped
    """Takes the place of nbgrader's own base, which lists a folder once for each file in it and copies all that is there."""

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        source, target = (Path(path(assignment_id, student_id)) for path in (self._format_source, self._format_dest))
        listing = survey(source, self.coursedir.ignore, self.exporter.bounds)
        self.exporter.excess = listing.excess
        if listing.excess:
            with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
                known = {notebook.name for notebook in gradebook.find_assignment(assignment_id).notebooks}
            self.notebooks = [path for path in self.notebooks if Path(path).stem in known]  # type: ignore[has-type]
        for name, size in listing.files.items():
            self.log.info("Copying %s -> %s", source / name, target / name)
            put_file(target, name, Copy(source / name, size))


class BoundedAutograde(Autograde, _Copying):  # type: ignore[misc]  # nbgrader is untyped
    """nbgrader's converter on that base. A full disk ends it, as an interrupt does: so what is half done is taken away."""

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        with _ended_by_a_full_disk(self.coursedir.root):
            super().init_assignment(assignment_id, student_id)

    def convert_single_notebook(self, notebook_filename: str) -> None:
        with _ended_by_a_full_disk(self.coursedir.root):
            super().convert_single_notebook(notebook_filename)

    def convert_notebooks(self) -> None:
        try:
            super().convert_notebooks()
        except _Ended as ended:
            self.log.error("%s", ended)
            raise NbGraderException(str(ended)) from None


class _Ended(KeyboardInterrupt):
    """The disk is full. nbgrader goes on after other errors."""


@contextmanager
def _ended_by_a_full_disk(folder: str) -> Iterator[None]:
    try:
        try:
            yield
        except Exception as error:
            disk.refuse(error, folder)
            raise
    except DiskFullError as error:
        raise _Ended(str(error)) from None
