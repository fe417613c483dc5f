"""Files that are no notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.attacks.attack import ALL, Attack


def as_file(content: str | Callable[[str], str]) -> Callable[[Path, Mapping[str, str]], None]:
    """The notebook's file replaced."""

    def write(folder: Path, host: Mapping[str, str]) -> None:
        path = folder / "lesson.ipynb"
        text = path.read_text(encoding="utf-8")
        path.write_text(content if isinstance(content, str) else content(text), encoding="utf-8")

    return write


MALFORMED = {
    "no-notebook": Attack("hands in a file that is no notebook", loses=ALL + " explain", bring=as_file("x\x00" * 1000)),
    "empty-notebook": Attack("hands in an empty file", loses=ALL + " explain", bring=as_file("")),
    "deep-notebook": Attack("hands in lists in lists", loses=ALL + " explain", bring=as_file("[" * 10**6)),
    "other-format": Attack(
        "says that the file is of another format", bring=as_file(lambda text: text.replace('"nbformat": 4', '"nbformat": 99'))
    ),
}
