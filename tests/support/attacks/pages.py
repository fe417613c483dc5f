"""Pages for the instructor's browser."""

from __future__ import annotations

from nbformat import NotebookNode

from tests.support.attacks.attack import Attack, at
from tests.support.attacks.notebooks import cell

SCRIPT = (
    "<script>document.title='live'</script><img src=x onerror=document.title='live'><svg onload=document.title='live'></svg>"
)


def hostile_text(nb: NotebookNode) -> None:
    cell(nb, "explain").source = (
        f"{SCRIPT}\n\n[x](javascript:document.title='live') ![x](x\" onerror=\"document.title='live')\n\n"
        "<iframe srcdoc=\"<script>parent.document.title='live'</script>\"></iframe>\n\n$\\href{javascript:alert(1)}{x}$ "
        "![a](attachment:a.png)\n"
    )
    cell(nb, "explain").attachments = {"a.png": {'image/png"onerror="document.title=1': "eA=="}}
    raw = NotebookNode(cell_type="raw", id="raw", source=SCRIPT, metadata={"raw_mimetype": "text/html", "format": "text/html"})
    nb.cells.append(raw)


def hostile_metadata(nb: NotebookNode) -> None:
    nb.metadata.title = f"</title>{SCRIPT}"
    nb.metadata.authors = [{"name": SCRIPT}]
    nb.metadata.language_info = {"name": f'"{SCRIPT}', "pygments_lexer": f'"{SCRIPT}', "codemirror_mode": SCRIPT}
    nb.metadata.widgets = {
        "application/vnd.jupyter.widget-state+json": {"state": {"x": SCRIPT}, "version_major": f"</script>{SCRIPT}"}
    }
    for each in nb.cells:
        each.metadata.update(tags=[SCRIPT], name=SCRIPT, slideshow={"slide_type": SCRIPT})


def odd_metadata(nb: NotebookNode) -> None:
    """Valid, and of types that no page expects."""
    nb.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"0": {"model_name": "FloatProgressModel"}}}
    nb.metadata.more = {"deep": [[[[[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]]]]]}
    for each in nb.cells:
        each.metadata.update(transient=[1], magics_language=5, alt={"a": 1}, filenames=5, slideshow=5, format="x")
    nb.cells.append(NotebookNode(cell_type="raw", id="raw", source="raw", metadata={"raw_mimetype": ["text/html"]}))


def missing_pictures(nb: NotebookNode) -> None:
    cell(nb, "explain").source = "![a plot](attachment:missing.png) ![an empty one](attachment:empty.png) ![](attachment:)"
    cell(nb, "explain").attachments = {"empty.png": {}, "list.png": {"application/json": [1]}}
    nb.cells.append(
        NotebookNode(cell_type="markdown", id="odd", source="![p](attachment:list.png)", metadata={}, attachments={})
    )


def bombs(nb: NotebookNode) -> None:
    """Text that takes for ever to lay out."""
    cell(nb, "explain").source = """

""".join(
        (
            "[" * 3000,
            ">" * 500 + "x",
            "*a " * 3000,
            "- " * 300 + "x",
            "`" * 3000,
            "<div>" * 3000,
            "![" * 2000 + "](" * 2000,
            "$" * 3001,
        )
    )


PAGES = {
    "page-script": at(
        "dz",
        "shows scripts in every kind of output",
        "from IPython.display import HTML, SVG, Javascript, Latex, Markdown, display\nimport sys\n"
        f"text = {SCRIPT!r}\n"
        "for kind in (HTML, Javascript, Markdown, Latex):\n    display(kind(text))\n"
        "display({'image/svg+xml': text, 'application/javascript': text, 'text/latex': text, 'text/vnd.mermaid': text,"
        " 'image/png': '\"onerror=\"x', 'application/vnd.jupyter.widget-view+json': {'model_id': text}}, raw=True,"
        " metadata={'image/png': {'width': '\"' + text}})\nprint(text, file=sys.stdout)\nprint('\\x1b[31m' + text)\n"
        "class Odd(Exception):\n    pass\nOdd.__name__ = text\nraise Odd(text)",
    ),
    "page-text": Attack("has scripts in its text", edit=hostile_text),
    "page-metadata": Attack("has scripts in its metadata", edit=hostile_metadata),
    "page-bombs": Attack("has text that takes long to lay out", edit=bombs),
    "page-widget-text": at(
        "dz",
        "shows a widget that is a text, as one that is nobody's does not stop the page",
        """
from IPython.display import display
for view in ('text', 5, None, [], {}, {'model_id': []}, {'model_id': {'a': 1}}, {'model_id': 'nobody'}):
    display({'application/vnd.jupyter.widget-view+json': view}, raw=True)
print('shown')""",
        shows="shown$",
    ),
    "page-odd-data": at(
        "dz",
        "shows data of types that do not go with their names",
        """
from IPython.display import Markdown, display
deep = []
for _ in range(50):
    deep = [deep]
values = (5, None, True, ['a', 5], {'a': deep}, float('nan'), {1, 2}, b'x', 10 ** 4000)
for kind in ('html', 'markdown', 'latex', 'plain', 'vnd.mermaid'):
    display(*({f'text/{kind}': value} for value in values), raw=True)
for kind in ('image/png', 'image/jpeg', 'image/svg+xml', 'application/javascript', 'application/pdf', 'nothing', ''):
    display(*({kind: value} for value in values), raw=True)
for kind in ('json', 'geo+json', 'vnd.plotly.v1+json', 'vnd.autograder.verdict+json', 'vnd.jupyter.widget-view+json'):
    display(*({f'application/{kind}': value} for value in values), raw=True)
display(Markdown('![plot](attachment:plot.png)'))
print('shown')""",
        shows="shown$",
    ),
    "page-odd-settings": at(
        "dz",
        "shows pictures with metadata of other types, and of other sizes than a page has",
        """
from IPython.display import display
values = (5, -1, 10 ** 300, 'x', None, [1], {'width': [1]}, float('inf'), {'image/png': 7})
for key in ('width', 'height', 'unconfined', 'isolated', 'alt', 'filenames', 'image/png', 'text/html'):
    for value in values:
        data = {'image/png': 'eA==', 'text/html': 'x'}
        display({'image/png': 'eA=='}, {'text/html': 'x'}, metadata={key: value}, raw=True)
        display({'image/png': 'eA=='}, metadata={'image/png': {key: value}}, raw=True)
print('shown')""",
        shows="shown$",
    ),
    "page-odd-metadata": Attack("has metadata of types that pages do not expect", edit=odd_metadata),
    "page-missing-pictures": Attack("shows pictures that are not attached", edit=missing_pictures),
    "page-deep-output": at(
        "dz",
        "shows what takes long to lay out",
        """
from IPython.display import HTML, Markdown, display
display(HTML('<div>' * 20000 + '<b title="' * 1000))
display(Markdown('[' * 3000 + '\\n\\n' + '*a ' * 3000))
print('\\x1b[' + '1;' * 20000 + 'm' + '\\x1b[38;5;' * 5000)""",
    ),
    "page-answers-test": at(
        "dz",
        "updates the display of a test from another cell",
        """
from IPython.display import display, update_display
for name in ('dz', 'test-dz'):
    update_display({'text/plain': 'FORGED'}, display_id=name, raw=True)
    display({'text/plain': 'first'}, display_id=name, raw=True)
""",
    ),
}
