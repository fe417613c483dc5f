"""nbgrader's feedback as a page that everybody can read: with a language, contrast, and boxes that keys can scroll."""

from __future__ import annotations

import re
from typing import Any

from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode

STYLE = """
<style>
.highlight .c1, .highlight .ch, .highlight .cm, .highlight .cs { color: #356b6b !important; }
.highlight .ow { color: #8a17d9 !important; }
.highlight .se { color: #8f4d19 !important; }
.highlight .si { color: #8f4a63 !important; }
.output_error pre span { color: inherit !important; background: none !important; }
a { color: #1f5c94; text-decoration: underline; }
.panel-primary > .panel-heading a { color: #ffffff !important; }
.panel-primary > .panel-heading { background-color: #286090; }
</style>
"""
"""What nbgrader's page has too pale, with a contrast of 4.5 and more (WCAG 2.1 AA), and links that have a line."""


class FeedbackExporter(HTMLExporter):  # type: ignore[misc]  # nbconvert is untyped
    """The `GenerateFeedback.exporter_class` of this course."""

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **more: Any) -> tuple[str, Any]:
        page, resources = super().from_notebook_node(nb, resources, **more)
        page = re.sub(r"<html>", '<html lang="en">', page, count=1)
        page = re.sub(r"</head>", f"{STYLE}</head>", page, count=1)
        return re.sub(r"<pre(?=[ >])", '<pre tabindex="0"', page), resources
