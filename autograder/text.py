"""Text that can be written to any file, and values as JSON has them."""

from __future__ import annotations

import math
from typing import Any

NO_DATA = "[no data]"
"""Stands for a value that JSON does not have."""
MAX_JSON_DEPTH = 40
"""What is nested deeper is left out. A message to the examiner is nested deeper than what it shows, and may be 64 deep."""
MAX_JSON_BITS = 14_000
"""Bits of the largest integer that is a number; Python writes no more than 4300 decimal digits."""


def writable(text: str) -> str:
    """The text with `�`, as a browser shows it, for each half of a character (a lone surrogate), which UTF-8 does not have.

    Two halves side by side become the character.
    """
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def bytes_of(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def json_data(value: Any, depth: int = 0) -> Any:
    """The value in types that JSON has, and with texts that can be written.

    Keys become text, and a number that is infinite or none its name, as in a kernel's messages. All that is no data becomes a
    fixed word. Nothing of the value's own class is called: it may be an object of a student's.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return writable(value)
    if kind is int:
        return value if value.bit_length() <= MAX_JSON_BITS else NO_DATA
    if kind is float:
        return value if math.isfinite(value) else repr(value)
    if depth < MAX_JSON_DEPTH:
        if kind is list or kind is tuple:
            return [json_data(item, depth + 1) for item in value]
        if kind is dict:
            return {_key(key): json_data(item, depth + 1) for key, item in value.items()}
    return NO_DATA


def _key(key: object) -> str:
    """As JSON writes keys."""
    if type(key) is str:
        return writable(key)
    if key is None or type(key) is bool:
        return {None: "null", True: "true", False: "false"}[key]
    plain = json_data(key)
    return str(plain) if isinstance(plain, int | float | str) else NO_DATA
