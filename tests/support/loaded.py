"""What commands load: imported once, by the process that those of `commands` are forked from."""

from functools import cache

import nbgrader.api
import nbgrader.apps.nbgraderapp
import nbgrader.plugins.export

import autograder.cli.main
import autograder.grading.classroom
import autograder.grading.exporter
import autograder.grading.preprocessors
import autograder.grading.restore
import autograder.grading.summary
import autograder.lint.linter
from scripts import demo

__all__ = ["autograder", "demo", "nbgrader"]

# What alembic, a process of its own, says for each new gradebook. It is of this nbgrader, and of no gradebook.
nbgrader.api.get_alembic_version = cache(nbgrader.api.get_alembic_version)
nbgrader.api.get_alembic_version()
