"""From the messages of a shell to the outputs of a notebook, as nbclient makes them of a kernel's."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from autograder.course.cells import Role
from autograder.examiner.exam import Message
from autograder.notebook.box import VERDICT_JSON

Outputs = list[NotebookNode]

OUTPUTS = {"stream", "display_data", "execute_result", "error", "update_display_data", "clear_output"}
"""The messages that have to do with outputs."""

IS_JSON = re.compile(r"application/(.*\+)?json").fullmatch
"""The types of data that may be any JSON. All others are text."""

NAMED = {"application/vnd.jupyter.widget-view+json": "model_id", VERDICT_JSON: "outcome"}
"""Types whose readers ask for a text by this name, without looking whether it is there."""

SIZES, SWITCHES, FILE_NAMES = {"width", "height"}, {"isolated", "unconfined"}, "filenames"
"""What pages read of the metadata of an output: sizes in pixels, truth values, and where nbconvert itself has put a file."""

MAX_PIXELS = 10_000

MAX_DEPTH = 32
"""How deep JSON may be nested. nbconvert copies it by recursion, from deep within nbgrader's commands."""

MALFORMED = "This output was malformed, and is not shown: {}."

EMPTY_CELL: dict[str, Any] = {"cell_type": "code", "id": "cell", "source": "", "metadata": {}, "execution_count": None}


def outputs(records: Sequence[Sequence[Message]], roles: Sequence[Role]) -> list[Outputs]:
    """The outputs of each cell. A display may be changed by a later cell, but not one of a test by a cell that is no test.

    So tests and other cells have a client each: a display that only the other has is not found.
    """
    found: list[Outputs] = [[] for _ in records]
    for is_test in (True, False):
        client = NotebookClient(new_notebook())
        client.nb.cells = [NotebookNode(EMPTY_CELL, outputs=[]) for _ in records]
        for number, (record, role) in enumerate(zip(records, roles, strict=True)):
            if (role is Role.TEST) is is_test:
                client.clear_before_next_output = False
                for message in record:
                    _take(client, message, number)
                found[number] = client.nb.cells[number].outputs
    if not _are_valid(itertools.chain(*found)):
        found = [[output for output in each if _are_valid([output])] for each in found]
    return found


def _take(client: NotebookClient, message: dict[str, Any], number: int) -> None:
    """Adds a message to the outputs. One that comes from a room may be anything: what nbclient cannot read is left out."""
    if message["msg_type"] not in OUTPUTS:
        return
    header = {"msg_type": message["msg_type"]}
    with suppress(Exception):
        told = {"header": header, "parent_header": {}, "content": _well_formed(message["content"])}
        client.process_message({**message, **told}, client.nb.cells[number], number)


def _well_formed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a message with data of the types that the format has for them: pages are made of it without another look.

    Data that are malformed are left out, and where nothing else is there a text says so.
    """
    plain = _kept(content, lambda _, value: _plain(value))
    if not isinstance(content.get("data"), dict):
        return plain
    data = _kept(content["data"], _datum)
    if not data and content["data"]:
        data = {"text/plain": MALFORMED.format(", ".join(_text(str(kind)) for kind in content["data"]))}
    about = content.get("metadata")
    metadata = _kept(about, lambda key, value: _setting(key, value, data)) if isinstance(about, dict) else {}
    return {**plain, "data": data, "metadata": metadata}


def _kept(found: Mapping[Any, Any], read: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """The items that `read` takes, which raises an error for what is malformed."""
    kept = {}
    for key, value in found.items():
        with suppress(AttributeError, LookupError, TypeError, ValueError):  # the value is not of the type that is read
            kept[_text(key)] = read(key, value)
    return kept


def _datum(kind: str, value: Any) -> Any:
    """The data of one type."""
    value = _plain(value)
    if not IS_JSON(kind):
        if not isinstance(value, str | list):
            raise TypeError(kind)
        return "".join(value)
    if kind in NAMED and not isinstance(value[NAMED[kind]], str):
        raise TypeError(kind)
    return value


def _setting(key: str, value: Any, data: Container[str]) -> Any:
    """One item of an output's metadata; what is about one type of its data is an object by the name of that."""
    if key in data:
        return _kept(value, lambda inner, each: _setting(inner, each, ()))
    is_size = type(value) in (int, float) and 0 < value <= MAX_PIXELS
    if (key in SIZES and not is_size) or (key in SWITCHES and type(value) is not bool) or key == FILE_NAMES:
        raise TypeError(key)
    return _plain(value)


def _plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """JSON that can be written, copied and read again, by browsers too. Raises ValueError or TypeError for what is none."""
    if depth < 0:
        raise ValueError("nested too deep")
    match value:
        case str():
            return _text(value)
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
        case list() | tuple():
            return [_plain(each, depth - 1) for each in value]
        case dict():
            return {_text(key): _plain(each, depth - 1) for key, each in value.items()}
    raise TypeError(type(value).__name__)


def _text(text: str) -> str:
    """The text with escapes for lone surrogates, which are halves of characters, and no Unicode."""
    return text.encode(errors="backslashreplace").decode()


def _are_valid(found: Iterable[NotebookNode]) -> bool:
    """Whether all of these outputs are valid. To validate them together takes no longer than to validate one."""
    try:
        new_notebook(cells=[NotebookNode(EMPTY_CELL, outputs=list(found))])  # nbformat validates it as it is made
        return True
    except Exception:  # nbformat may fail while it words its complaint
        return False
