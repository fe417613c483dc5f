"""The part of the gradient map that each derivation is about: what it derives is blue, and what comes in is grey."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from autograder.course.cells import body, is_forward, read_cells
from autograder.judge.wording import listed
from autograder.notebook.gradient_map import GradientMap, chart_of_lines
from autograder.notebook.map_view import map_as_svg
from autograder.tape.tape import Step, parse_forward
from scripts.site_pages import towards_the_loss, write_if_changed
from scripts.submissions import ROOT


@dataclass(frozen=True)
class Part:
    """What a page derives, in a forward pass of a notebook: up to the line `end`, whose gradient comes in."""

    notebook: str
    derived: Sequence[str]
    end: str


STEPS, MLP, NORM, TREE = "backprop/1-every-gradient", "mlp/2-backward", "batchnorm/3-backward", "wavenet/2-by-hand"
SOFTMAX = ("dlogprobs", "dprobs", "dcounts_sum_inv", "dcounts_sum", "dcounts", "dnorm_logits", "dlogit_maxes", "dlogits")
BATCHNORM = ("dbnraw", "dbnvar_inv", "dbnvar", "dbndiff2", "dbndiff", "dbnmeani", "dhprebn")
PARTS = {
    "broadcasting": Part(STEPS, ("dcounts_sum_inv", "db2"), "probs"),
    "linear-layer": Part(MLP, ("dh", "dW2", "db2"), "logits"),
    "embedding": Part(STEPS, ("dC",), "embcat"),
    "softmax-cross-entropy": Part(STEPS, SOFTMAX, "loss"),
    "bigram-gradient": Part("bigrams/2-one-layer", ("dlogits", "dW"), "loss"),
    "zero-gradients": Part(STEPS, ("dlogit_maxes", "db1"), "counts"),
    "bessel": Part(STEPS, ("dbnvar", "dbndiff2"), "bnvar_inv"),
    "batchnorm": Part(STEPS, BATCHNORM, "hpreact"),
    "positions": Part(TREE, ("dmean1", "dlin1", "demb"), "y1"),
    "eval-mode": Part(NORM, ("dx_eval",), "y_eval"),
    "layernorm": Part(NORM, ("dz", "dgain", "dbias"), "out"),
    "attention-softmax": Part("wavenet/4-towards-gpt", ("dp", "dmasked", "dw", "dq", "dk"), "out"),
}
"""By page. `keepdim` is about a table that has no gradient."""


def write_maps(folder: Path) -> None:
    """Writes the map of each page into a folder as `map-PAGE.html`; what has not changed is not written."""
    folder.mkdir(parents=True, exist_ok=True)
    for page, part in PARTS.items():
        write_if_changed(folder / f"map-{page}.html", _figure(part))


def map_of(part: Part) -> GradientMap:
    """The lines from what is derived to where the gradients come in."""
    steps = next(found for found in _passes(part.notebook) if any(step.name == part.end for step in found))
    last = next(place for place, step in enumerate(steps) if step.name == part.end)
    derived = {name.removeprefix("d") for name in part.derived}
    kept, needed = list[Step](), set(derived)
    for step in steps[: last + 1]:
        if step.name in derived or step.reads & needed:
            kept.append(step)
            needed.add(step.name)
    graph = chart_of_lines({step.name: step.reads for step in kept}, part.derived)
    if part.end == steps[-1].name:
        return graph
    names = {part.end: f"d{part.end}"}  # what comes in is a gradient, and not the loss
    return GradientMap(
        tuple(
            replace(node, name=names.get(node.name, node.name), through=tuple(names.get(each, each) for each in node.through))
            for node in graph.nodes
        )
    )


def _passes(notebook: str) -> list[list[Step]]:
    """The forward passes of a notebook, without the lines that no loss depends on."""
    cells = read_cells(ROOT / "release" / f"{notebook}.ipynb")
    sources = [body(cell.source) for cell in cells if is_forward(cell.source)]
    return [towards_the_loss(parse_forward(source)) for source in sources]


def _figure(part: Part) -> str:
    graph = map_of(part)
    ways = "; ".join(f"{node.name} from {listed(node.through)}" for node in graph.nodes if node.through)
    picture = base64.b64encode(map_as_svg(graph, signed=False).encode()).decode()
    return (
        f'<figure class="part-of-map"><img alt="{escape(f"The part of the gradient map: {ways}.")}" '
        f'src="data:image/svg+xml;base64,{picture}">'
        "<figcaption>Blue is what this page derives; grey is the gradient that comes in, or one that follows.</figcaption>"
        "</figure>\n"
    )
