"""Trains with the model answers, by the notebooks' own schedules, and writes docs/training.md.

It has the losses that the notebooks name, those that come out here, and the lecture's. It takes a quarter of an hour, most of
it for the 200,000 steps of part 4. `python -m benchmarks.train wavenet` trains one assignment, and prints its rows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from autograder.course.cells import Role, read_cells
from autograder.course.questions import shown_in
from scripts.submissions import ROOT

PAGE = ROOT / "docs" / "training.md"
NEAR = 0.015
"""How far a loss may be from the one that a notebook names: rounding grows to that in a thousand steps on another processor."""


@dataclass(frozen=True)
class Training:
    """A training of a notebook: its loss is the value of `loss`, once `code` has run below all cells.

    `named` is the loss as it stands in the notebook, `lecture` what the lecture ends at.
    """

    assignment: str
    notebook: str
    what: str
    loss: str
    named: str
    code: str = ""
    lecture: str = ""


DEEP = """
draws = torch.Generator().manual_seed(2147483647)
network, layers = start({gain}, draws), [{layer}(n_hidden) for _ in range(5)]
train(network, layers, 1000, draws)
for layer in layers:
    layer.training = False
"""
TRAININGS = (
    Training("bigrams", "3-train", "one layer, 100 steps with all names", "losses[100]", "2.481"),
    Training("mlp", "3-train", "1,000 steps", "dev", "2.42", lecture="2.17 after 200,000"),
    *(
        Training("batchnorm", "2-layer", f"{words}, 1,000 steps", "mean_loss(network, layers, Xdev, Ydev)", named, code, "")
        for words, named, code in (
            ("five layers, gain 5/3, biases", "2.372", DEEP.format(gain="5 / 3", layer="Bias")),
            ("the same with BatchNorm", "2.403", DEEP.format(gain="5 / 3", layer="BatchNorm1d")),
            ("gain 0.2, biases", "2.834", DEEP.format(gain="0.2", layer="Bias")),
            ("the same with BatchNorm", "2.466", DEEP.format(gain="0.2", layer="BatchNorm1d")),
        )
    ),
    Training(
        "backprop",
        "4-train",
        "200,000 steps",
        "dev_loss(trained)",
        "2.11",
        "trained, losses = train(200_000)",
        "2.11 after 200,000",
    ),
    Training("wavenet", "3-train", "1,000 steps", "dev", "2.343", lecture="2.022 after 200,000"),
)


def found(trainings: Iterable[Training]) -> Iterator[tuple[Training, float]]:
    """Each training with its loss."""
    for training in trainings:
        names = solved(training.assignment, training.notebook)
        exec(compile(training.code, "<training>", "exec"), names)
        yield training, float(eval(training.loss, names))


@cache
def solved(assignment: str, stem: str) -> dict[str, Any]:
    """The names of a notebook whose cells have all run, with the model answers."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    os.environ["MPLBACKEND"] = "agg"
    with capture_output():
        for cell in read_cells(ROOT / "source" / assignment / f"{stem}.ipynb"):
            is_check = cell.role is Role.TEST and shown_in(cell.source)
            if not is_check and cell.id != "progress":  # nothing is judged here
                shell.run_cell(cell.source).raise_error()
    names: dict[str, Any] = shell.user_ns
    return names


INTRODUCTION = """# Training

What comes out where the model answers train, by the schedules of the notebooks: losses on names for development, but for
`bigrams`, which has no such part. Written by `make train` on {day}, with torch {torch} on a CPU.

The notebooks use the list of names that comes with the course, which is a little longer than the lecture's, and draw other
random numbers, so the lecture's losses are those that one comes near to. Its runs are longer where a notebook's are short:
a notebook is run by everybody, and graded.

| part | training | the notebook says | here | the lecture |
|---|---|---|---|---|
"""


def main(only: str) -> str | None:
    chosen = [each for each in TRAININGS if only in ("", each.assignment)]
    rows, is_near = [], True
    for training, loss in found(chosen):
        is_near &= abs(loss - float(training.named)) <= NEAR
        columns = (f"`{training.assignment}`", training.what, training.named, f"{loss:.3f}", training.lecture)
        rows.append(f"| {' | '.join(columns)} |")
        print(rows[-1], flush=True)
    if not only:
        page = INTRODUCTION.format(day=date.today(), torch=torch.__version__.partition("+")[0])
        PAGE.write_text(page + "\n".join(rows) + "\n", encoding="utf-8")
    return None if is_near else f"A loss is more than {NEAR} from the one that its notebook names."


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or [""]))
