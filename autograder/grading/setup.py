"""Whether the configuration of a course has all that its grading needs: nbgrader goes on with half of it, and says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nbgrader import preprocessors
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import TraitError
from traitlets.utils.importstring import import_item

from autograder.grading.bounds import Bounds
from autograder.sandbox.limits import Limits

EXAMINE = "autograder.grading.examine.Examine"
RESTORE = "autograder.grading.restore.Restore"
EXPORTER = "autograder.grading.exporter.LenientExporter"
"""They are given by name: the first two ask this module."""
FILTERS = {"clean_html", "markdown2html", "get_metadata"}
"""Those of c.HTMLExporter.filters that make pages safe to open."""
NEEDED = (
    *("cell_seconds", "notebook_seconds", "memory", "processes", "answer"),
    *("notebook_size", "values", "cells", "cell_size", "restore_seconds"),
)
"""The limits of Examine that leave nothing if they are not above 0."""
LARGEST = 2.0**62
"""What the system takes for a limit."""
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
    elif not _is_enabled(autograde[examine], converter):
        yield (
            f"{EXAMINE} is switched off, as by --no-execute: no cell is run, and a test cell that was handed in without an "
            "error gets its points. Grade again with it, and with --force."
        )
    if _place(sanitize, RESTORE) is None:
        yield (
            f"c.Autograde.sanitize_preprocessors has no {RESTORE}: tests that students changed, copied or took out are not "
            f"put back. {REMEDY}"
        )

    yield from wrong_values(converter)


def wrong_values(converter: Autograde) -> Iterator[str]:
    """Settings with which nothing could be graded, or honest students would get nothing."""
    kinds = _classes([*converter.sanitize_preprocessors, *converter.autograde_preprocessors])
    for kind in (kind for kind in kinds if isinstance(kind, type)):
        try:
            made = kind(parent=converter)
            values = {name: getattr(made, name) for name in NEEDED} if EXAMINE in map(_path, kind.mro()) else {}
        except TraitError as error:
            yield f"{str(error).rstrip('.')}. Correct that in nbgrader_config.py."
            continue
        for name, value in values.items():
            if not 0 < value <= LARGEST:
                most = f" and no more than {LARGEST:g}" if value > 0 else ""
                default = {**vars(Limits()), **vars(Bounds())}[name]
                yield (
                    f"c.Examine.{name} is {value:g}, and has to be above 0{most}: else nothing that is handed in counts. "
                    f"Leave the line out, and it is {default:,}."
                )


def remarks(converter: Autograde) -> Iterator[str]:
    """What a setting means here that means something else to nbconvert."""
    settings = converter.config.get("Execute", {})
    is_unset = "timeout" not in settings or "cell_seconds" in converter.config.get("Examine", {})
    timeout = 1 if is_unset else float(settings["timeout"] or 0)
    if not timeout > 0:
        yield (
            f"c.Execute.timeout is {settings['timeout']}, which is no limit to nbconvert: here a cell may take "
            f"{Limits.cell_seconds:g} s. c.Examine.cell_seconds sets another limit."
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


def _is_enabled(kind: type[NbGraderPreprocessor], converter: Autograde) -> bool:
    """Whether a preprocessor does anything. One that cannot be made is told with the wrong values."""
    try:
        return bool(kind(parent=converter).enabled)
    except TraitError:
        return True


def _classes(items: Sequence[Any]) -> list[Any]:
    return [import_item(item) if isinstance(item, str) else item for item in items]


def _place(found: Sequence[Any], path: str) -> int | None:
    """Where a class of this path, or one derived from it, is; None where it is not."""
    places = (place for place, each in enumerate(found) if isinstance(each, type) and path in map(_path, each.mro()))
    return next(places, None)


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"
