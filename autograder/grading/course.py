"""A course as its nbgrader_config.py has it: its folders, its gradebook, and what is done to a submission."""

from __future__ import annotations

import logging
import os
import pickle
import re
from collections.abc import Mapping, Sequence, Set
from contextlib import chdir
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from glob import glob
from pathlib import Path
from typing import Any, TypeVar

from nbgrader import preprocessors
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import AutogradeApp, NbGrader
from nbgrader.converters import Autograde
from nbgrader.preprocessors import AssignLatePenalties, NbGraderPreprocessor
from nbgrader.utils import find_all_files, parse_utc
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from traitlets import TraitError
from traitlets.utils.importstring import import_item

from autograder.errors import AutograderError
from autograder.grading.bounds import MAX_STAMP, STAMP
from autograder.grading.examine import Examine, seed_of
from autograder.grading.folders import read_file
from autograder.grading.master import Master, read_master
from autograder.grading.notebook_job import NotebookSetup
from autograder.grading.preprocessors import on_rows
from autograder.grading.restore import Restore
from autograder.grading.setup import faults
from autograder.terminal import one_line

CONFIG = "the nbgrader_config.py of backprop-ninja has the lines that do it"


Configured = TypeVar("Configured", bound=NbGraderPreprocessor)


class CourseError(AutograderError):
    """A course that cannot be graded as it is set up."""


class Course:
    """An assignment of the course in the working folder. `arguments` are as on nbgrader's command line.

    Raises CourseError if the configuration cannot be read, or does not have what grading needs.
    """

    def __init__(self, assignment: str, arguments: Sequence[str] = ()) -> None:
        before = dict(os.environ)
        self.assignment = assignment
        self.converter = _converter(arguments)
        self.folders = self.converter.coursedir
        self.folders.assignment_id = assignment
        # what nbgrader_config.py set is wanted in the workers too
        self.environment = {name: value for name, value in os.environ.items() if before.get(name) != value}
        self.sanitize = [_class(each) for each in self.converter.sanitize_preprocessors]
        autograde = [_class(each) for each in self.converter.autograde_preprocessors]
        self.autograde = [each for each in autograde if not issubclass(each, AssignLatePenalties)]
        late = [each for each in autograde if issubclass(each, AssignLatePenalties)]
        kind = self._of(Examine)
        self._of(Restore)
        if fault := next(faults(self.converter), ""):
            raise CourseError(f"the configuration of this course will not do: {fault}")
        self.penalties: AssignLatePenalties | None = late[0](parent=self.converter) if late else None
        self.examine: Examine = kind(parent=self.converter)
        self.own = self._files()
        """The instructor's files beside the notebooks."""
        excluded = self.converter.exclude_overwriting.get(assignment, [])
        self.overwriting = {name: content for name, content in self.own.items() if name not in excluded}
        """Those of them that take the place of a student's."""
        self.permissions = int(str(self.converter.permissions), 8)

    def _of(self, kind: type) -> Any:
        """The preprocessor of this kind in the configuration. Raises CourseError if there is none."""
        for each in (*self.sanitize, *self.autograde):
            if issubclass(each, kind):
                return each
        if not Path("nbgrader_config.py").exists():
            raise CourseError(f"there is no nbgrader_config.py in {Path.cwd()}: run this in the folder of the course.")
        raise CourseError(f"the configuration of this course has no {kind.__module__}.{kind.__name__}: {CONFIG}.")

    @property
    def key(self) -> Path:
        """The file with the secret of the course."""
        return Path(self.folders.root, self.examine.key_file)

    def seed(self, student: str, notebook: str) -> str:
        """What the cases of hidden tests are drawn from, for one notebook of one student."""
        about = {"assignment": self.assignment, "student": student, "notebook": notebook}
        return seed_of(self.key, self.folders.course_id, about)

    def folder(self, step: str, student: str) -> Path:
        """The folder in which a step of nbgrader keeps what belongs to a student; the student "." stands for no one."""
        return Path(self.folders.format_path(step, student, self.assignment))

    def submitted(self, student: str) -> Path:
        return self.folder(self.folders.submitted_directory, student)

    def autograded(self, student: str) -> Path:
        return self.folder(self.folders.autograded_directory, student)

    def students(self, patterns: Sequence[str]) -> list[str]:
        """Who handed in, of those that one of the patterns fits, in order. Raises CourseError if one fits nobody."""
        found = self._students(self.folders.submitted_directory)
        for pattern in patterns:
            if not any(fnmatchcase(student, pattern) for student in found):
                close = get_close_matches(pattern, found, n=1)
                closest = f" The closest name is {one_line(close[0])}." if close else ""
                there = f"There are {len(found)} of {self.assignment}."
                raise CourseError(f"no submission fits {self.submitted(pattern)}. {there}{closest}")
        return sorted(each for each in found if any(fnmatchcase(each, pattern) for pattern in patterns))

    def everybody(self) -> Set[str]:
        """Who handed in, or has a record."""
        graded = {each for each in self._students(self.folders.autograded_directory) if self.autograded(each).is_dir()}
        return graded | self._students(self.folders.submitted_directory)

    def _students(self, step: str) -> Set[str]:
        """Whose folders a step of nbgrader has, hidden ones too."""
        matcher = re.compile(self.folders.format_path(step, "(?P<student>.*)", self.assignment, escape=True), re.DOTALL)
        paths = glob(str(self.folder(step, "*")), include_hidden=True)
        found = {match["student"] for path in paths if (match := matcher.fullmatch(path))}
        return found - set((self.folders.student_id_exclude or "").split(","))

    @cached_property
    def known(self) -> Set[str] | None:
        """The students of the gradebook; None where nbgrader may add others itself."""
        if self.converter.create_student:
            return None
        with self.gradebook() as gradebook:
            return {student.id for student in gradebook.students}

    @cached_property
    def masters(self) -> Mapping[str, Master]:
        """The notebooks of the assignment as the instructor made them, by name. Raises CourseError if there is none."""
        with self.gradebook() as gradebook:
            try:
                names = [notebook.name for notebook in gradebook.find_assignment(self.assignment).notebooks]
            except MissingEntry:
                known = sorted(each.name for each in gradebook.assignments)
                step = f"Try: nbgrader generate_assignment {self.assignment}"
                if not Path(self.folders.format_path(self.folders.source_directory, ".", self.assignment)).is_dir() and known:
                    step = f"It has {', '.join(known)}."
                raise CourseError(f"the gradebook has no assignment {self.assignment!r}. {step}") from None
            return {name: self._master(gradebook, name) for name in names}

    def assignments(self, patterns: Sequence[str]) -> dict[str, NotebookSetup]:
        """The notebooks that the gradebook has and one of the patterns fits. Raises CourseError if one fits none."""
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in self.masters):
                known = ", ".join(self.masters)
                raise CourseError(f"no notebook of {self.assignment} is called {pattern!r}. They are: {known}.")
        config = self._settings()
        return {
            name: NotebookSetup(
                name=self.assignment,
                notebook=name,
                master=master,
                exporter=self.converter.exporter_class,
                sanitize=self.sanitize,
                autograde=self.autograde,
                config=config,
                files=self.own,
                overwritten=frozenset(self.overwriting),
                environment=self.environment,
            )
            for name, master in self.masters.items()
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        }

    def _master(self, gradebook: Gradebook, name: str) -> Master:
        master = read_master(gradebook, self.folders, self.assignment, name)
        if not master.is_current:
            raise CourseError(f"the notebook {name} is of another version of nbgrader. Try: nbgrader update .")
        return master

    def timestamp(self, folder: Path) -> datetime | None:
        """When a submission was handed in, if that is known."""
        try:
            stamp: datetime = parse_utc((read_file(folder / STAMP, MAX_STAMP) or b"").decode().strip())
            return stamp
        except (OSError, ValueError, OverflowError):
            return None

    def before(self, folder: Path) -> None:
        """Runs nbgrader's hook, before a submission is read."""
        self.converter.notebooks = sorted(map(str, folder.glob("*.ipynb")))
        self.converter.run_pre_convert_hook()

    def after(self, student: str) -> None:
        """Runs nbgrader's hook, once the record is in its place."""
        self.converter.notebooks = sorted(map(str, self.submitted(student).glob("*.ipynb")))
        if self.folders.groupshared:
            self.converter.set_permissions(self.assignment, student)
        self.converter.run_post_convert_hook()

    def _files(self) -> dict[str, bytes]:
        """The instructor's files beside the notebooks, by their paths below the source folder."""
        folder = self.folder(self.folders.source_directory, ".")
        found = find_all_files(str(folder), [*self.folders.ignore, "*.ipynb"])
        return {str(Path(path).relative_to(folder)): Path(path).read_bytes() for path in sorted(found)}

    def gradebook(self) -> Gradebook:
        """nbgrader's gradebook of the course. Raises CourseError if it cannot be opened."""
        try:
            return Gradebook(self.folders.db_url, self.folders.course_id)
        except SQLAlchemyError as error:
            url = make_url(self.folders.db_url).render_as_string()  # without its password
            reason = str(getattr(error, "orig", error)).strip().split("\n")[0]
            raise CourseError(
                f"the gradebook {url} cannot be opened: {reason}. "
                "Is its server there? If nbgrader was updated, back the gradebook up and try: nbgrader db upgrade"
            ) from None

    def _settings(self) -> dict[str, Any]:
        """The sections of the configuration that are about preprocessors. Raises CourseError for what cannot be pickled."""
        kinds = (*self.sanitize, *self.autograde, self.converter.exporter_class, preprocessors.Execute)
        names = {parent.__name__ for kind in kinds for parent in kind.mro()}
        found = {name: section for name, section in self.converter.config.items() if name in names}
        for name, section in found.items():
            for trait, value in section.items():
                try:
                    pickle.dumps(value)
                except Exception as error:  # whatever a value raises that cannot be sent
                    raise CourseError(f"c.{name}.{trait} cannot be sent to another process: {error}") from None
        return found


def configured(kind: type[Configured]) -> Configured:
    """A preprocessor with the settings of the course in the working folder. Raises CourseError if they cannot be read."""
    found: Configured = kind(parent=_converter(()))
    return found


def converter_of(folder: Path) -> Autograde | None:
    """nbgrader's converter for the course in a folder; None where it has no nbgrader_config.py. Raises CourseError."""
    with chdir(folder):
        return _converter(()) if Path("nbgrader_config.py").exists() else None


def _converter(arguments: Sequence[str]) -> Autograde:
    """nbgrader's own converter, for the course in the working folder. Raises CourseError."""
    app = application(AutogradeApp, arguments)
    try:
        return Autograde(coursedir=app.coursedir, parent=app)
    except TraitError as error:
        raise CourseError(f"nbgrader_config.py will not do: {str(error).rstrip('.')}. Correct that.") from None


def application(kind: type[NbGrader], arguments: Sequence[str], log_level: int = logging.ERROR) -> Any:
    """An application of nbgrader's with the configuration of the working folder. Raises CourseError if it cannot be read."""
    app = kind(log_level=log_level)
    app.raise_config_file_errors = True
    try:
        app.initialize([*arguments])
    except (Exception, SystemExit) as error:
        raise CourseError(f"nbgrader_config.py cannot be read: {type(error).__name__}: {error}") from error
    return app


def _class(item: Any) -> type:
    """A preprocessor by its class or its name, in the form that needs no gradebook. Raises CourseError if it has none."""
    try:
        found: type = import_item(item) if isinstance(item, str) else item
        return on_rows(found)
    except LookupError as error:
        name = f"{found.__module__}.{found.__name__}"
        raise CourseError(
            f"the preprocessor {name} cannot be used here: {error}, and where notebooks are graded there is none. "
            "Derive it from the class of the same name in autograder.grading.preprocessors."
        ) from None
    except ImportError as error:
        raise CourseError(f"the preprocessor {item} of this course cannot be loaded: {error}") from None
