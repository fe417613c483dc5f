"""From the bytes of a notebook's file to JSON; where they are none, what they are, and which cells can still be had of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xd0\xcf\x11\xe0": "an Office document",
}
"""What files of other kinds begin with."""

CONFLICT = re.compile(r"^<{7} .*\n((?:.*\n)*?)(?:\|{7}.*\n(?:.*\n)*?)?={7}\n((?:.*\n)*?)>{7} .*$\n?", re.MULTILINE)
"""Two versions of some lines, as git leaves them where it could not merge."""

CELLS, SPACE, COMMA = re.compile(r'"cells"\s*:\s*\['), re.compile(r"\s*"), re.compile(r"\s*,")

NO_CELLS = "is JSON without the cells of a notebook"
"""What is said of JSON that is no notebook."""

CHECKPOINTS = ".ipynb_checkpoints"
"""The folder, beside a notebook, in which JupyterLab keeps the version that was saved by hand last."""

SHOWN = 30
"""Characters of a text that are shown of it."""


def text_of(content: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 or UTF-32, with a byte order mark or without. Raises UnicodeDecodeError."""
    return content.decode(encoding_of(content))


def encoding_of(content: bytes) -> str:
    """The encoding that the first bytes of a JSON file say that it is in."""
    return json.detect_encoding(content)


def other_kind(content: bytes) -> str:
    """Such as `is a zip archive`; nothing for what may be text."""
    if not content.strip():
        return "is empty"
    if not content.strip(b"\0"):
        return "has nothing but zero bytes in it"
    return next((f"is {kind}" for magic, kind in MAGIC.items() if content.startswith(magic)), "")


def complaint(content: bytes) -> str:
    """What a file is that has no notebook in it, as the end of a sentence about it: `breaks off in line 12`."""
    if kind := other_kind(content):
        return kind
    try:
        text = text_of(content)
    except UnicodeDecodeError:
        return "is not in UTF-8"
    if conflict := CONFLICT.search(text):
        return f"has two versions in it, from line {_line(text, conflict.start())} on, which git could not merge"
    if text.lstrip().startswith("<"):
        return "is a web page"
    try:
        json.loads(text)
    except RecursionError:
        return "is nested too deeply"
    except json.JSONDecodeError as error:
        if not text.lstrip().startswith(("{", "[")):
            return f"is no JSON, and begins with `{_beginning(text)}`"
        if error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip()) - len("false"):
            return f"breaks off in line {_line(text, len(text.rstrip()))}"
        return f"is damaged in line {error.lineno} ({error.msg})"
    except ValueError as error:  # such as a number of too many digits
        return f"is damaged ({error})"
    return NO_CELLS


def remedy(content: bytes, path: Path) -> str:
    """What helps a learner whose file has no notebook in it. JupyterLab can open none of these files."""
    kind = complaint(content)
    if "archive" in kind:
        return "Unpack it: the notebook is inside."
    if kind == "is a web page":
        return "Download the notebook itself: on GitHub, by the button `Download raw file`."
    if "git could not merge" in kind:
        return "In a text editor keep one of the two versions, and delete the lines that begin with `<<<<`, `====` and `>>>>`."
    if kind == "is not in UTF-8":
        return "Open it in a text editor, and save it with the encoding UTF-8."
    kept = path.parent / CHECKPOINTS / f"{path.stem}-checkpoint.ipynb"
    if kept.is_file():
        return f"JupyterLab has kept an earlier version: copy `{kept}` to `{path}`."
    if path.suffix != ".ipynb":
        return "Give a notebook: its name ends in `.ipynb`."
    return "If it is still open in JupyterLab, save it there. If not, `autograder new NAME` makes a folder with a fresh one."


def versions(text: str) -> list[str]:
    """The two versions of a file that git could not merge; none of another file."""
    return [CONFLICT.sub(rf"\{group}", text) for group in (1, 2)] if CONFLICT.search(text) else []


def whole_cells(text: str) -> Iterator[dict[str, Any]]:
    """The cells of a file that breaks off, or is damaged somewhere, up to the first that is not whole."""
    start = CELLS.search(text)
    if start is None:
        return
    at = start.end()
    decoder = json.JSONDecoder()
    while True:
        try:
            cell, at = decoder.raw_decode(text, SPACE.match(text, at).end())  # type: ignore[union-attr]  # it may be empty
        except (ValueError, RecursionError):
            return
        if isinstance(cell, dict):
            yield cell
        comma = COMMA.match(text, at)
        if comma is None:
            return
        at = comma.end()


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _beginning(text: str) -> str:
    line = text.strip().partition("\n")[0].replace("`", "'")
    shown = "".join(each if each.isprintable() else "�" for each in line[:SHOWN])
    return f"{shown}…" if len(line) > SHOWN else shown
