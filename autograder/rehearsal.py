"""A lesson in a few cells, run in a warm process so that what every notebook needs is loaded and tried before any comes."""

from __future__ import annotations

import gc
import os

import torch

from autograder import session
from autograder.extension import ForwardMagics, load
from autograder.logbook import NBGRADER
from autograder.recorder import Shell

CELLS = (
    "import matplotlib.pyplot as plt; _ = plt.figure(), plt.plot([0, 1], label='a'), plt.title('$x$'), plt.legend()",
    "_ = plt.bar(['a', 'b'], [1, 2]), plt.xlabel('x')\n_ = plt.figure(), plt.imshow([[0, 1]])",
    "import torch; x = torch.ones(2, requires_grad=True); torch.autograd.grad(x.tanh(), x, torch.ones(2)); x",
    "1 / 0",
    "!true",
    """
from autograder import build_dataset, check, grade, hint, load_names, progress, solution, vocabulary
names = load_names()
stoi = vocabulary(names)
X, Y = build_dataset(names, 3, stoi)
n = 4
Xb, Yb, C, W = X[:n], Y[:n], torch.randn(len(stoi), 2), torch.randn(6, len(stoi))
""",
    """%%forward --batch n Xb Yb
emb = C[Xb]
logits = emb.view(n, -1) @ W
counts = logits.exp()
logprobs = (counts / counts.sum(1, keepdim=True)).log()
loss = -logprobs[range(n), Yb].mean()
""",
    "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1 / n",
    "check('dlogprobs')\ngrade('dlogprobs')",
    "demb = dlogits @ W",
    "check('demb')",
    "progress()",
)
"""What they make is forgotten."""


def rehearse(shell: Shell) -> None:
    """Runs the lesson. The shell is as new afterwards."""
    generator = torch.get_rng_state()
    os.environ[NBGRADER] = "validate"  # nothing is written down
    load(shell.shell)
    for number, source in enumerate(CELLS):
        session.start(shell.shell).note(source, f"cell-{number}")
        shell.run(source, f"cell-{number}", number, 2**20)
    session.end(shell.shell)
    del os.environ[NBGRADER]
    shell.shell.magics_manager.magics["cell"].pop("forward")
    shell.shell.magics_manager.registry.pop(ForwardMagics.__name__)
    torch.set_rng_state(generator)
    shell.shell.reset(new_session=True)
    gc.collect()
    gc.freeze()
