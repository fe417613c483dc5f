"""The figures of the site that can be moved: `write_figures` makes the HTML that pages include, with all numbers worked out.

Each can be read as it is. Where JavaScript runs, `docs/_static/figures.js` shows the controls and works the numbers out anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from math import ceil
from pathlib import Path
from xml.etree import ElementTree

import torch
from torch import Tensor

from autograder import build_dataset, load_names, vocabulary
from autograder.course.cells import read_cells
from autograder.judge.wording import listed
from autograder.notebook.gradient_map import GradientMap, chart
from autograder.notebook.map_view import map_as_svg
from autograder.tape.tape import Tape, record
from scripts.site_pages import write_if_changed
from scripts.submissions import ROOT

NOTEBOOK = ROOT / "release" / "backprop" / "1-every-gradient.ipynb"
"""The notebook whose gradients the map shows."""


LIVE = ' aria-live="polite"'
"""Of what screen readers say when it changes."""


def write_figures(folder: Path) -> None:
    """Writes each figure into a folder as `NAME.html`; what has not changed is not written, so that no page is built again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in FIGURES.items():
        write_if_changed(folder / f"{name}.html", figure())


# what the figures have in common

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"


def number(value: float, places: int, signed: bool = False) -> str:
    """A number as the figures show it: what rounds to zero has no sign, and a minus is as long as a plus."""
    text = f"{abs(value):.{places}f}"
    if not float(text):
        return text
    return f"{MINUS}{text}" if value < 0 else f"{'+' if signed else ''}{text}"


def _figure(name: str, caption: str, body: str, data: str = "") -> str:
    return (
        f'<figure class="touch" id="figure-{name}" data-figure="{name}"{data}>\n{body}\n'
        f"<figcaption>{marked(caption)}</figcaption>\n</figure>\n"
    )


def marked(text: str) -> str:
    """A text with what stands in backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _said(text: str) -> str:
    """What the figure says in words, and says again once it is moved."""
    return f'<p class="said"{LIVE}>{marked(text)}</p>'


def _data(name: str, values: Sequence[float]) -> str:
    return f' data-{name}="{" ".join(f"{value:g}" for value in values)}"'


def _band(key: str, heading: str, cells: Sequence[str], moved: str = "") -> str:
    """A row of a table of columns, below a heading of its own, so that it is as narrow as its cells.

    `moved` ends the heading where it can be moved.
    """
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    more = f"<span hidden>{moved}</span>" if moved else ""
    heading = f'<tr><th scope="rowgroup" colspan="{len(cells)}">{marked(heading)}{more}</th></tr>'
    return f'<tbody data-band="{key}">{heading}<tr>{row}</tr></tbody>'


def _columns(names: Sequence[str], *bands: str) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return f'<table class="columns"><thead><tr>{head}</tr></thead>{"".join(bands)}</table>'


def _numbers(values: Sequence[float], places: int, signed: bool = True) -> list[str]:
    return [f'<span class="num">{number(value, places, signed)}</span>' for value in values]


def _bars(values: Sequence[float], places: int, scale: float = 0) -> list[str]:
    """A bar and its number for each value: up from the bottom, or up and down from the middle where `scale` is the longest."""
    kind = "plot signed" if scale else "plot"
    return [
        f'<span class="{kind}" aria-hidden="true"><i class="{"neg" if value < 0 else ""}" '
        f'style="--v:{abs(value) / (scale or 1):.4f}"></i></span>{text}'
        for value, text in zip(values, _numbers(values, places, bool(scale)), strict=True)
    ]


def _sliders(name: str, labels: Sequence[str], values: Sequence[float], limit: float, places: int, scale: float) -> list[str]:
    """A slider for each value, filled from zero, from minus the limit to it, and a bar of this scale without JavaScript."""
    return [
        f'<input type="range" class="upright" min="{-limit:g}" max="{limit:g}" step="0.1" value="{value:g}" '
        f'style="--v:{value / limit:.4f}" aria-label="{name} {label}" hidden>{bar.replace("plot", "static plot", 1)}'
        for label, value, bar in zip(labels, values, _bars(values, places, scale), strict=True)
    ]


# broadcasting

A = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
B = torch.tensor([[10.0, 20.0, 30.0]])
COLUMN = torch.tensor([[2.0], [5.0]])
DY = torch.tensor([[1.0, 0.0, 2.0], [3.0, 1.0, 1.0]])
SHOWN_SUM = 0
"""The entry of `db` that is shown at first."""


def broadcasting() -> str:
    """`y = a + b` with a row or a column for `b`: it is stretched forward, and its gradient is summed over the same axis."""
    forward = "".join(
        [
            _matrix("a", "`a`, 2 × 3", A),
            _together("+", _matrix("b", "`b`, 1 × 3", B.expand_as(A), lambda row, _: "copy" if row else "")),
            _together("=", _matrix("y", "`y`, 2 × 3", A + B)),
        ]
    )
    backward = _incoming() + _matrix(
        "db", "`db`, 1 × 3", DY.sum(0, keepdim=True), lambda _, column: "on" if column == SHOWN_SUM else ""
    )
    column = DY[:, SHOWN_SUM].tolist()
    body = (
        '<fieldset hidden><legend>Shape of <code>b</code></legend><label><input type="radio" name="broadcasting-shape" '
        'value="row" checked> a row, 1 × 3</label><label><input type="radio" name="broadcasting-shape" value="column"> '
        "a column, 2 × 1</label></fieldset>"
        f"<p>{marked('Forward: `y = a + b`. The dashed entries are copies.')}</p>"
        f'<div class="forward">{forward}</div>'
        f"<p>{marked('Backward: the incoming gradient `dy`, and `db`, its sum over the axis that was stretched.')} "
        f"<span hidden>Entries of {marked('`dy`')} can be changed.</span></p>"
        f'<div class="backward">{backward}</div>'
        + _said(f"`db[0, {SHOWN_SUM}]` adds up column {SHOWN_SUM} of `dy`: {_sum(column)} = {plain(sum(column))}.")
    )
    caption = (
        "What is copied along an axis in the forward pass gets the sum of the incoming gradient along that axis. "
        "In `y = a + b` a row `b` of shape (1, 3) gets the sums of the columns of `dy`, "
        "and a column `b` of shape (2, 1) gets the sums of its rows."
    )
    return _figure("broadcasting", caption, body, _data("row", B[0].tolist()) + _data("column", COLUMN[:, 0].tolist()))


def plain(value: float) -> str:
    """A number with as many places as it needs, two at most."""
    text = f"{abs(value):.2f}".rstrip("0").rstrip(".")
    return f"{MINUS}{text}" if value < 0 and text != "0" else text


def _sum(values: Sequence[float]) -> str:
    first, *others = map(plain, values)
    return " + ".join([first, *(f"({each})" if each.startswith(MINUS) else each for each in others)])


def _matrix(key: str, caption: str, values: Tensor, kind: Callable[[int, int], str] = lambda row, column: "") -> str:
    rows = "".join(
        f"<tr>{''.join(_cell(kind(row, column), plain(value)) for column, value in enumerate(entries))}</tr>"
        for row, entries in enumerate(values.tolist())
    )
    return f'<table class="matrix" data-matrix="{key}"><caption>{marked(caption)}</caption><tbody>{rows}</tbody></table>'


def _together(sign: str, matrix: str) -> str:
    """A sign and the matrix after it, which no end of a line comes between."""
    return f'<div class="together"><span class="op">{sign}</span>{matrix}</div>'


def _cell(kind: str, content: str) -> str:
    return f'<td class="{kind}">{content}</td>' if kind else f"<td>{content}</td>"


def _incoming() -> str:
    """The incoming gradient, whose entries can be changed."""
    rows = ""
    for row, entries in enumerate(DY.tolist()):
        cells = (
            _cell(
                "on" if column == SHOWN_SUM else "",
                f'<input type="number" step="0.5" min="-99" max="99" value="{value:g}" aria-label="dy[{row}, {column}]" hidden>'
                f'<span class="static">{plain(value)}</span>',
            )
            for column, value in enumerate(entries)
        )
        rows += f"<tr>{''.join(cells)}</tr>"
    caption = marked("`dy`, 2 × 3")
    return f'<table class="matrix" data-matrix="dy"><caption>{caption}</caption><tbody>{rows}</tbody></table>'


# the gradient map

RULES = {
    "dlogprobs": "Only the entry at the label of each row is read: it gets its share of the mean, with a minus.",
    "dprobs": "The derivative of a logarithm is one over its input, entry by entry.",
    "dcounts_sum_inv": "A product multiplies by the other factor, `counts`, and the stretched axis 1 is summed.",
    "dcounts_sum": "The exponent of a power becomes a factor, and drops by one.",
    "dcounts": "The product multiplies by the other factor, the sum passes its own to every entry of the row, and both add up.",
    "dnorm_logits": "An exponential is its own derivative, entry by entry.",
    "dlogit_maxes": "A subtraction passes the gradient on with a minus, and the stretched axis 1 is summed.",
    "dlogits": "The subtraction passes its gradient on, the maximum passes its own to the entry it picked, and both add up.",
    "dh": "In a matrix product the transpose of `W2` stands to the right of the incoming gradient.",
    "dW2": "In a matrix product the transpose of `h` stands to the left of the incoming gradient.",
    "db2": "An addition passes the gradient on, and the stretched axis 0 is summed.",
    "dhpreact": "The derivative of `tanh` is 1 minus the square of its output, entry by entry.",
    "dbnbias": "An addition passes the gradient on, and the stretched axis 0 is summed.",
    "dbngain": "A product multiplies by the other factor, `bnraw`, and the stretched axis 0 is summed.",
    "dbnraw": "A product multiplies by the other factor, `bngain`, which is stretched as in the forward pass.",
    "dbnvar_inv": "A product multiplies by the other factor, `bndiff`, and the stretched axis 0 is summed.",
    "dbnvar": "The exponent of a power becomes a factor, and drops by one.",
    "dbndiff2": "A sum passes its gradient to every entry of the column, each time with the factor `1 / (n - 1)`.",
    "dbndiff": "The product multiplies by the other factor, the square by twice its input, and both add up.",
    "dbnmeani": "A subtraction passes the gradient on with a minus, and the stretched axis 0 is summed.",
    "dhprebn": "The subtraction passes its gradient on, the mean gives each entry an n-th of its own, and both add up.",
    "dembcat": "In a matrix product the transpose of `W1` stands to the right of the incoming gradient.",
    "dW1": "In a matrix product the transpose of `embcat` stands to the left of the incoming gradient.",
    "db1": "An addition passes the gradient on, and the stretched axis 0 is summed.",
    "demb": "Only the shape changes, so the incoming gradient gets the old shape.",
    "dC": "Each gradient goes back to the row that the index picked, and adds up where a row was picked more than once.",
}
"""By which rule each gradient is worked out, in a sentence that gives away no more than a hint does."""


ON_PAPER = (
    ("derivations/softmax-cross-entropy", "Softmax with cross-entropy", "dlogprobs dprobs dcounts_sum_inv dcounts_sum dcounts"),
    ("derivations/softmax-cross-entropy", "Softmax with cross-entropy", "dnorm_logits dlogits"),
    ("derivations/zero-gradients", "Gradients that are zero", "dlogit_maxes db1"),
    ("derivations/linear-layer", "A linear layer", "dh dW2 db2 dembcat dW1"),
    ("course/backprop/1-every-gradient", "Notebook 1", "dhpreact"),
    ("derivations/broadcasting", "Broadcasting and its sum", "dbnbias dbngain"),
    ("derivations/batchnorm", "BatchNorm", "dbnraw dbnvar_inv dbnvar dbndiff2 dbndiff dbnmeani dhprebn"),
    ("derivations/embedding", "The embedding", "demb dC"),
)
"""The pages of the site that lead to each gradient, as the front page links to them, and the words of the links."""


def forward_pass() -> Tape:
    """The forward pass of the notebook, with its own parameters and minibatch."""
    cells = {cell.id: cell.source for cell in read_cells(NOTEBOOK)}
    names = {"torch": torch, "build_dataset": build_dataset, "load_names": load_names, "vocabulary": vocabulary}
    data = cells["names"].partition("for context, target")[0]  # without what it prints
    for source in (data, cells["parameters"], cells["minibatch"]):
        exec(source, names)
    return record(cells["forward"].partition("\n")[2], names, ("n", "Xb", "Yb"))


def gradient_map() -> str:
    """The map of the notebook, and a table of its lines, rules and shapes, which a choice in the map is shown from."""
    tape = forward_pass()
    graph = chart(tape, {})
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Gradient", *TERMS.values()))
    rows = "".join(_row(tape, node.name, node.through) for node in graph.nodes[1:])
    table = (
        "<details><summary>All lines, rules and shapes as a table</summary>"
        '<div class="scroll" tabindex="0" role="region" aria-label="All lines, rules and shapes">'
        f'<table class="rules"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )
    fields = "".join(
        f'<div><dt>{term}</dt><dd data-field="{key}"{LIVE if key == "rule" else ""}></dd></div>' for key, term in TERMS.items()
    )
    body = (
        '<p class="how" hidden>Choose a gradient by a click, or with the arrow keys and Enter. '
        "Those that it is worked out from get a dashed outline.</p>"
        '<div class="beside"><div class="scroll map" tabindex="0" role="region" aria-label="The gradient map">'
        f"{_drawn(graph)}</div>"
        f'<div class="panel" hidden><p><code data-field="name"></code></p><dl>{fields}</dl></div></div>{table}'
    )
    caption = (
        "The backward pass of notebook 1 of part 4, backprop, from the loss down: each of the 26 gradients is worked out "
        f"from those that lead into it, and shapes are for its minibatch of n = {tape.state['n']} examples."
    )
    return _figure("gradient-map", caption, body)


def _row(tape: Tape, name: str, through: Sequence[str]) -> str:
    variable = name[1:]
    lines = "<br>".join(f"<code>{escape(line)}</code>" for line in tape.uses(variable))
    read = [each for consumer in tape.consumers(variable) for each in tape.parents(consumer) if each in tape.variables]
    shapes = ", ".join(f"`{each}` {_shape(tape, each)}" for each in dict.fromkeys([name, *through, *read]))
    cells = (
        marked(listed([f"`{each}`" for each in through])),
        lines,
        marked(RULES[name]),
        marked(shapes),
        next(f'<a href="{page}.html">{words}</a>' for page, words, names in ON_PAPER if name in names.split()),
    )
    parts = "".join(f'<td data-field="{key}">{cell}</td>' for key, cell in zip(TERMS, cells, strict=True))
    return f'<tr data-name="{name}"><th scope="row"><code>{name}</code></th>{parts}</tr>'


TERMS = {"from": "From", "line": "Forward", "rule": "Rule", "shape": "Shapes", "paper": "On paper"}
"""What is said of a gradient, by its field."""


def _shape(tape: Tape, name: str) -> str:
    value = tape.state[name] if name in tape.state else tape.state[name[1:]]
    return f"({', '.join(map(str, value.shape))}{',' * (value.dim() == 1)})" if value.dim() else "is a number"


LANES = ((8.5, 0.0), (169.5, 33.0), (307.5, 84.0), (405.5, 100.0))
"""Where the lanes of the picture begin, and by how much each is moved to the left, so that it fits the width of a telephone."""
TALL = 28.0
"""How tall the boxes are: 24 pixels at least where the picture is as wide as a telephone, so that a finger hits one."""
STRETCH = 37 / 32
"""By how much the rows are moved apart for it."""
COORDINATES = {"M": "xy", "V": "y", "H": "x", "Q": "xyxy"}
"""What the numbers of each command of the edges are."""


def _moved(x: float) -> float:
    return x - next((by for start, by in reversed(LANES) if x >= start), 0.0)


def _moved_edges(path: str) -> str:
    moved = ""
    for command, numbers in re.findall(r"([MVHQ])([^MVHQ]*)", path):
        pairs = zip(COORDINATES[command], map(float, numbers.split()), strict=True)
        moved += command + " ".join(f"{_moved(value) if axis == 'x' else value * STRETCH:g}" for axis, value in pairs)
    return moved


def _drawn(graph: GradientMap) -> str:
    """The picture with a group for each gradient, that the style sheet colours."""
    root = ElementTree.fromstring(map_as_svg(graph, signed=False))
    space = "{http://www.w3.org/2000/svg}"
    edges = _moved_edges(next(root.iter(f"{space}path")).attrib["d"])
    groups = ""
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    size = f"{left:g} {top:g} {width - LANES[-1][1]:g} {height * STRETCH:g}"
    for node, box, text in zip(graph.nodes, root.iter(f"{space}rect"), root.iter(f"{space}text"), strict=True):
        assert text.text == node.name
        for each in (box, text):
            each.attrib["x"] = f"{_moved(float(each.attrib['x'])):g}"
        middle = float(box.attrib["y"]) + float(box.attrib["height"]) / 2
        text.attrib["y"] = f"{float(text.attrib['y']) + middle * (STRETCH - 1):g}"
        box.attrib |= {"y": f"{middle * STRETCH - TALL / 2:g}", "height": f"{TALL:g}"}
        shape = " ".join(f'{key}="{box.attrib[key]}"' for key in ("x", "y", "width", "height", "rx"))
        letters = f'<text x="{text.attrib["x"]}" y="{text.attrib["y"]}">{node.name}</text>'
        name = f' data-node="{node.name}" data-from="{" ".join(node.through)}"' if node.through else ""
        groups += f"<g{name}><rect {shape}/>{letters}</g>"
    ways = "; ".join(f"{node.name} from {listed(node.through)}" for node in graph.nodes if node.through)
    return (
        f'<svg viewBox="{size}" role="img" aria-label="The gradient map from the loss down: {ways}.">'
        f'<path d="{edges}"/>{groups}</svg>'
    )


# softmax and cross-entropy

LOGITS = torch.tensor([1.2, -0.4, 2.0, 0.3, -1.2], dtype=torch.float64)
"""With these the rounded numbers add up too."""
CLASSES = "abcde"
LABEL = 1
LOGIT_LIMIT = 4.0


def softmax_row() -> str:
    """One row of logits: its probabilities, and the gradient of the cross-entropy by it."""
    p = LOGITS.softmax(0)
    onehot = torch.zeros_like(p)
    onehot[LABEL] = 1
    gradient = p - onehot
    choices = [
        f'<input type="radio" name="softmax-label" value="{index}" aria-label="label {name}"'
        f'{" checked" if index == LABEL else ""} hidden><span class="num">{onehot[index]:.0f}</span>'
        for index, name in enumerate(CLASSES)
    ]
    table = _columns(
        CLASSES,
        _band("logits", "Logits", _sliders("logit", CLASSES, LOGITS.tolist(), LOGIT_LIMIT, 1, LOGIT_LIMIT), ", to be moved"),
        _band("p", "Probabilities `p = softmax(logits)`", _bars(p.tolist(), 3)),
        _band("onehot", "`onehot`: 1 at the label", choices, ", to be chosen"),
        _band("gradient", "Gradient of the loss: `p - onehot`", _bars(gradient.tolist(), 3, 1.0)),
    )
    chosen = p[LABEL].item()
    said = (
        f"At the label {CLASSES[LABEL]} the gradient is, rounded, {number(chosen, 3)} {MINUS} 1 = "
        f"{number(chosen - 1, 3)}. Before rounding, all five add up to {tiny(gradient.sum().item())}."
    )
    caption = (
        "The gradient of softmax with cross-entropy for one example is `p - onehot`: it is negative at the label alone, "
        "positive at all others, each by its probability, and its sum is always 0."
    )
    return _figure("softmax-row", caption, table + _said(said))


# BatchNorm

X = torch.tensor([0.4, 1.5, -0.9, 2.1, -1.6, 0.7], dtype=torch.float64)
"""One column of the batch: one unit, six examples."""
GAIN = 1.2
EPS = 1e-5
BATCH_DY = torch.tensor([1.0, -0.3, -0.1, 0.8, -0.5, 0.6], dtype=torch.float64)
"""With these the rounded numbers add up too."""
DY_LIMIT = 1.0
BAR_SCALES = (0.25, 0.5, 1.0, 1.5)
"""What the longest bars can stand for: the least that holds all is taken, and where none does, what no bar exceeds."""


def batchnorm_terms() -> str:
    """The gradient through BatchNorm for one column: three terms, and what they add up to."""
    n = len(X)
    diff = X - X.mean()
    inv_std = ((diff**2).sum() / (n - 1) + EPS) ** -0.5
    xhat = diff * inv_std
    factor = GAIN * inv_std
    terms = (
        factor * BATCH_DY,
        -factor * BATCH_DY.mean().expand(n),
        -factor * xhat * (BATCH_DY * xhat).sum() / (n - 1),
    )
    result = torch.stack(terms).sum(0)
    # no bar is longer than this: an entry of the result is at most the sum of the sizes in a row of its matrix
    rows = torch.eye(n) - 1 / n - xhat[:, None] * xhat / (n - 1)
    terms_bound = (xhat.abs().max() * xhat.abs().sum() / (n - 1)).clamp(min=1)
    bound = ceil(10 * DY_LIMIT * factor * torch.maximum(rows.abs().sum(1).max(), terms_bound).item()) / 10
    scales = [*(each for each in BAR_SCALES if each < bound), bound]
    longest = max(values.abs().max().item() for values in (*terms, result))
    scale = next(each for each in scales if longest <= each)
    names = [str(index) for index in range(n)]
    headings = (
        "Term 1: `gain * inv_std * dy`",
        "Term 2: `-gain * inv_std * mean(dy)`",
        f"Term 3: `-gain * inv_std * xhat * sum(dy * xhat) {'/ (n - 1)'.replace(' ', NO_BREAK)}`",
    )
    table = _columns(
        names,
        _band("x", "One column `x` of `hprebn`", _numbers(X.tolist(), 2)),
        _band("xhat", "`xhat = (x - x.mean()) * inv_std`", _numbers(xhat.tolist(), 2)),
        _band("dy", "Incoming gradient `dy`", _sliders("dy", names, BATCH_DY.tolist(), DY_LIMIT, 2, DY_LIMIT), ", to be moved"),
        *(
            _band(f"term{place}", heading, _bars(term.tolist(), 2, scale))
            for place, (heading, term) in enumerate(zip(headings, terms, strict=True), 1)
        ),
        _band("result", "`dhprebn`: the sum of the three", _bars(result.tolist(), 2, scale)),
    )
    presets = "".join(
        f'<button type="button" data-preset="{key}">{marked(text)}</button>'
        for key, text in (("mixed", "as at first"), ("equal", "all equal"), ("along", "along `xhat`"))
    )
    buttons = f'<div class="presets" role="group" aria-label="Set dy" hidden><span>Set <code>dy</code>:</span>{presets}</div>'
    opening = (
        f"<p>{marked(f'`gain` is {GAIN:g}, and `gain * inv_std` is {number(factor.item(), 2)}.')} All numbers are rounded. "
        f'The bars of the terms and of their sum have one scale: the longest possible stands for <span class="scale">{scale:g}'
        "</span>.</p>"
    )
    said = (
        f"Before rounding, `dhprebn` adds up to {tiny(result.sum().item())}, and the sum of `dhprebn * xhat` is "
        f"{tiny((result * xhat).sum().item())}: zero but for `eps`."
    )
    caption = (
        "BatchNorm takes two parts out of the incoming gradient: its mean, and its part along `xhat`. "
        "So what is left sums to zero and is orthogonal to `xhat`, and where `dy` is the same for all examples or a multiple "
        "of `xhat`, next to nothing is left."
    )
    data = _data("x", X.tolist()) + _data("dy", BATCH_DY.tolist()) + _data("gain", [GAIN]) + _data("scales", scales)
    return _figure("batchnorm-terms", caption, opening + buttons + table + _said(said), data)


def tiny(value: float) -> str:
    """A number that is next to nothing, with one digit; nothing at all for what is only rounding."""
    if abs(value) < 1e-12:
        return "0"
    digits, _, exponent = f"{abs(value):.0e}".partition("e")
    return f"{number(value, 3)}" if abs(value) >= 1e-3 else f"{MINUS if value < 0 else ''}{digits}e{MINUS}{-int(exponent)}"


FIGURES: dict[str, Callable[[], str]] = {
    "broadcasting": broadcasting,
    "gradient-map": gradient_map,
    "softmax-row": softmax_row,
    "batchnorm-terms": batchnorm_terms,
}
