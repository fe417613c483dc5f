"""A gradient map as text and as HTML: its picture, and the same as a nested list."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from autograder.drawing import INK, as_png
from autograder.graph import GradientMap, Node, State
from autograder.marks import MARKS, SIGNS
from autograder.rendering import marked

LIMIT = 15_000
"""Bytes that the HTML should stay below."""

LENGTHS = (90, 60, 30, 0)
"""Of a note, in characters. The HTML takes the first with which it stays below its limit."""


def as_text(graph: GradientMap) -> str:
    """The headline, then a line for each gradient, in the order of the backward pass; leaves are indented."""
    width = max(len(node.name) + 2 * node.leaf for node in graph.nodes)
    rows = [_row(node, width, "") + "".join(_row(leaf, width, "  ") for leaf in leaves) for node, leaves in graph.lines]
    return graph.headline + "".join(rows)


def as_html(graph: GradientMap) -> str:
    """The headline, the picture and the list: inline styles and plain tags only, since notebooks drop the rest."""
    picture = b64encode(as_png(graph)).decode()
    html = ""
    for length in LENGTHS:
        items = _items([(node, _items([(leaf, "") for leaf in leaves], length)) for node, leaves in graph.lines], length)
        alt = escape(f"{graph.headline}. The list below says the same.")
        html = f'<div><b>{graph.headline}</b><br><img alt="{alt}" src="data:image/png;base64,{picture}">{items}</div>'
        if len(html.encode()) <= LIMIT:
            break
    return html


def _row(node: Node, width: int, indent: str) -> str:
    return f"\n{indent}{SIGNS[node.state]} {node.name:{width - len(indent)}}  {_words(node, LENGTHS[0])}"


def _items(nodes: Sequence[tuple[Node, str]], length: int) -> str:
    """A list of nodes, each with its list of leaves in it; nothing for none."""
    items = (f"<li>{_item(node, length)}{more}</li>" for node, more in nodes)
    return f"<ul>{''.join(items)}</ul>" if nodes else ""


def _item(node: Node, length: int) -> str:
    return f"{_chip(node)}<code>{escape(node.name)}</code>: {marked(_words(node, length))}"


def _chip(node: Node) -> str:
    """The symbol in dark letters on its colour, which can be read on any page; nothing for what is not asked for."""
    if node.state is State.NOT_ASKED:
        return ""
    colours = f"color:{INK};background-color:{MARKS[node.state]}"
    return f'<b style="{colours}">\N{NO-BREAK SPACE}{SIGNS[node.state]}\N{NO-BREAK SPACE}</b> '


def _words(node: Node, length: int) -> str:
    """Such as `right (from dprobs and dcounts_sum)`, and the note, in as many characters."""
    if not node.through:
        return node.standing.note
    paths = f" (from {_listed(node.through)})" if len(node.through) > 1 else ""
    note = _short(node.standing.note, length)
    return f"{node.state}{paths}{note and ' – '}{note}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]])


def _short(text: str, length: int) -> str:
    """As many words of a text as fit, and no half of what stands in backticks."""
    if len(text) <= length:
        return text
    kept = text[:length].rpartition(" ")[0]
    if kept.count("`") % 2:
        kept = kept.rpartition("`")[0].rstrip()
    return f"{kept}…" if kept else ""
