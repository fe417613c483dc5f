"""Whether the configuration of a course has all that its grading needs: nbgrader goes on with half of it, and says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nbgrader import preprocessors
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets.utils.importstring import import_item

EXAMINE = "autograder.grading.examine.Examine"
RESTORE = "autograder.grading.restore.Restore"
EXPORTER = "autograder.grading.exporter.LenientExporter"
"""They are given by name: the first two ask this module."""
FILTERS = {"clean_html", "markdown2html", "get_metadata"}
"""Those of c.HTMLExporter.filters that make pages safe to open."""
OUTSIDE = "students' cells run outside of rooms, where they can read your files, and replace `check` and `grade`"
REMEDY = "The nbgrader_config.py of backprop-ninja has the lines that do it: copy them, and grade again with --force."


def faults(converter: Autograde) -> Iterator[str]:
    """What makes the marks of a converter unsafe: what is missing in its lists of preprocessors, or too much."""
    sanitize, autograde = map(_classes, (converter.sanitize_preprocessors, converter.autograde_preprocessors))
    examine, save = _place(autograde, EXAMINE), _place(autograde, _path(preprocessors.SaveAutoGrades))
    listed = "c.Autograde.autograde_preprocessors has"
    if examine is None:
        yield f"{listed} no {EXAMINE}: {OUTSIDE}. {REMEDY}"
    elif _place(autograde, _path(preprocessors.Execute)) is not None:
        yield f"{listed} nbgrader's Execute beside {EXAMINE}: {OUTSIDE}. {REMEDY}"
    elif save is None:
        yield f"{listed} no SaveAutoGrades: no mark comes into the gradebook. {REMEDY}"
    elif save < examine:
        yield f"{listed} {EXAMINE} behind SaveAutoGrades: marks are taken before a cell has run. {REMEDY}"
    elif not autograde[examine](parent=converter).enabled:
        yield (
            f"{EXAMINE} is switched off, as by --no-execute: no cell is run, and a test cell that was handed in without an "
            "error gets its points. Grade again with it, and with --force."
        )
    if _place(sanitize, RESTORE) is None:
        yield (
            f"c.Autograde.sanitize_preprocessors has no {RESTORE}: tests that students changed, copied or took out are not "
            f"put back. {REMEDY}"
        )


def weaknesses(converter: Autograde) -> Iterator[str]:
    """What else is missing, and changes no marks."""
    if _place(_classes([converter.exporter_class]), EXPORTER) is None:
        yield f"c.Autograde.exporter_class is not {EXPORTER}: of a broken file nothing is graded. {REMEDY}"
    pages = converter.config.get("HTMLExporter", {})
    if not pages.get("sanitize_html") or FILTERS - {*pages.get("filters", {})}:
        yield (
            "c.HTMLExporter has not all of sanitize_html and filters: what students wrote runs in the browser of whoever opens "
            f"formgrader or feedback. {REMEDY}"
        )
    feedback = GenerateFeedback(parent=converter.parent, config=converter.config).preprocessors
    if _place(_classes(feedback), _path(preprocessors.ClearHiddenTests)) is None:
        yield f"c.GenerateFeedback.preprocessors has no ClearHiddenTests: students see hidden tests in their feedback. {REMEDY}"


def faults_of(preprocessor: NbGraderPreprocessor) -> list[str]:
    """The faults of the converter that a preprocessor works for; none where it works for none."""
    converter = getattr(preprocessor.parent, "parent", None)
    return [*faults(converter)] if isinstance(converter, Autograde) else []


def _classes(items: Sequence[Any]) -> list[Any]:
    return [import_item(item) if isinstance(item, str) else item for item in items]


def _place(found: Sequence[Any], path: str) -> int | None:
    """Where a class of this path, or one derived from it, is; None where it is not."""
    places = (place for place, each in enumerate(found) if isinstance(each, type) and path in map(_path, each.mro()))
    return next(places, None)


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"
