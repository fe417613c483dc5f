"""What students wrote, made safe to show in the instructor's browser: filters for the templates of nbconvert.

The `sanitize_html` of nbconvert alone leaves holes in nbgrader's pages: nbgrader's templates render markdown cells without
it, the templates below them write the width of an image without quotes, and links lead to the files that students sent.
"""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

import nh3
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import get_metadata

STYLES = {"border-left", "padding", "color", "background-color", "font-weight", "font-style", "text-align"}
ADDRESSES = {"href": ("https://", "http://", "mailto:"), "src": ("data:image/",)}
"""What an address may start with. Nothing on the server that shows the page: it would answer as the instructor."""


def clean_html(html: object) -> str:
    """Only plain tags with a few inline styles: no scripts, handlers, classes and ids, no links but those to elsewhere."""
    return nh3.clean(
        str(html),
        attributes={**nh3.ALLOWED_ATTRIBUTES, "*": {"style"}},
        attribute_filter=_harmless,
        url_schemes={"https", "http", "mailto", "data"},
        filter_style_properties=STYLES,
    )


@pass_context
def markdown2html(context: Context, source: str) -> str:
    """Markdown as nbconvert renders it, then cleaned: the other way round, markdown could hide HTML from the cleaning.

    What nbconvert cannot render is shown as it was written: it stops at a picture that is not attached, and must not stop here.
    """
    cell = context.get("cell") or {}
    found = cell.get("attachments") if cell.get("cell_type") == "markdown" else None
    attachments = _Attachments({name: data for name, data in (found or {}).items() if data})
    try:
        html = _exporter().markdown2html({"cell": {"attachments": attachments}}, source)
    except Exception:  # mistune and its plugins raise whatever they stumble on
        html = f"<pre>{escape(source)}</pre>"
    return clean_html(html)


class _Attachments(dict[str, Any]):
    """Attachments by name. One that is missing is no picture, so that its description is shown."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> dict[str, str]:
        return {"text/plain": ""}


def number_from_metadata(output: dict[str, Any], key: str, mimetype: str | None = None) -> float | None:
    """A width or a height that is a number, or nothing."""
    try:
        value = get_metadata(output, key, mimetype)
    except (AttributeError, TypeError):  # it is no metadata
        return None
    return value if isinstance(value, int | float) else None


def _harmless(tag: str, attribute: str, value: str) -> str | None:
    return value if value.startswith(ADDRESSES.get(attribute, "")) else None


@cache
def _exporter() -> HTMLExporter:
    return HTMLExporter(exclude_anchor_links=True)
