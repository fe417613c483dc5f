"""The course, as nbgrader sees it. Works in place: run the nbgrader commands in this folder."""

import os
import shutil
import sys
from pathlib import Path

c = get_config()  # noqa: F821 (nbgrader defines it)

here = Path(__file__).resolve().parent

c.CourseDirectory.course_id = "backprop-ninja"
c.CourseDirectory.root = str(here)

# Where releases and submissions change hands. On a server, set NBGRADER_EXCHANGE to a folder that all can write to.
c.Exchange.root = os.environ.get("NBGRADER_EXCHANGE", str(here / "exchange"))

# A stub that raises would stop Run All with a traceback; without one, the check below says "not attempted".
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}

# nbgrader calls alembic by name: it lies beside this Python, also where the environment is not activated.
if not shutil.which("alembic"):
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])

# The tensors are small: on a busy machine threads of torch only wait for each other. Kernels inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What hidden tests say in feedback: the "diagnosis", or the "outcome" alone. Expected numbers they never say.
os.environ["HIDDEN_TESTS_SAY"] = "diagnosis"

# The notes on a learner's progress are no part of an assignment, and planted mistakes are for the instructor.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "progress.json", "mistakes.toml"]

# Students' cells run in rooms, and tests where no student's code ever is; docs/security.md says what that holds.
c.Autograde.exporter_class = "autograder.grading.exporter.LenientExporter"
c.Exporter.optimistic_validation = True  # once at the end, and not behind each of these
c.Autograde.sanitize_preprocessors = [
    "autograder.grading.restore.Restore",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.DeduplicateIds",
    "autograder.grading.preprocessors.OverwriteKernelspec",
    "autograder.grading.preprocessors.OverwriteCells",
    "autograder.grading.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "autograder.grading.examine.Examine",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "autograder.grading.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "autograder.grading.preprocessors.CheckCellMetadata",
]

# Cells are fast; this is for the ones that never end. Other limits are traits of c.Examine.
c.Execute.timeout = 60

# What students wrote is shown in the instructor's browser, in formgrader and in feedback: nothing in it may run there.
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.filters = {
    "clean_html": "autograder.grading.sanitise.clean_html",
    "markdown2html": "autograder.grading.sanitise.markdown2html",
    "get_metadata": "autograder.grading.sanitise.number_from_metadata",
}

# What students called their files is in nbgrader's log: nothing in it may steer the terminal.
c.Application.logging_config = {
    "filters": {"printable": {"()": "autograder.terminal.Printable"}},
    "handlers": {"console": {"filters": ["printable"]}},
}

c.GenerateFeedback.exporter_class = "autograder.grading.feedback.FeedbackExporter"

# Feedback shows the verdicts, and not the hidden tests that gave them.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
