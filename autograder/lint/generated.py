"""What `nbgrader generate_assignment` makes of a notebook now, by the course's own configuration, without its gradebook."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import chdir
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.apps import GenerateAssignmentApp
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import SaveCells
from traitlets.utils.importstring import import_item

from autograder.errors import ContentError
from autograder.grading.course import CourseError, application

Generate = Callable[[NotebookNode, Path], NotebookNode]
"""Makes the released form of the notebook of a file. Raises ContentError where nbgrader refuses it."""


def generator(course: Path) -> Generate:
    """What makes releases in this folder. Raises ContentError if its nbgrader_config.py cannot be read."""
    before = dict(os.environ)
    try:
        with chdir(course):
            app = application(GenerateAssignmentApp, (), logging.CRITICAL)
        converter = GenerateAssignment(coursedir=app.coursedir, parent=app)
        kinds = [import_item(kind) if isinstance(kind, str) else kind for kind in converter.preprocessors]
    except CourseError as error:
        raise ContentError(str(error)) from error
    except Exception as error:  # whatever stands in that file
        raise ContentError(f"nbgrader_config.py cannot be read: {type(error).__name__}: {error}") from error
    finally:
        os.environ.clear()
        os.environ.update(before)
    steps = [kind(parent=converter) for kind in kinds if not issubclass(kind, SaveCells)]
    return partial(_generated, course.resolve(), steps)


def _generated(course: Path, steps: list[Any], nb: NotebookNode, path: Path) -> NotebookNode:
    copy, resources = deepcopy(nb), {"metadata": {"path": str(path.parent.resolve())}}
    try:
        with chdir(course):
            for step in steps:
                copy, resources = step(copy, resources)
    except Exception as error:  # nbgrader and the course's own steps raise whatever they like
        cause = error.__context__ or error  # nbgrader tells its log what is wrong, and then says that something is
        raise ContentError(f"`nbgrader generate_assignment` refuses it: {cause}") from error
    return copy
