"""The blocks of code on a page of Markdown."""

from __future__ import annotations

import re
from pathlib import Path

FENCED = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def fenced(text: str) -> list[tuple[str, str]]:
    """The blocks of a page with this text: what each says that it is in, and what it holds."""
    return FENCED.findall(text)


def blocks(page: Path, *languages: str) -> list[str]:
    """What the blocks of a page hold that are in one of these languages."""
    return [block for language, block in fenced(page.read_text(encoding="utf-8")) if language in languages]
