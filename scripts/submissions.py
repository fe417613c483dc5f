"""Submissions as students hand them in: the released notebooks with their answer cells filled in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.course import notebooks
from autograder.course.cells import SOLUTION, body, read_cells, unmarked
from autograder.course.questions import parse_answer
from autograder.notebook.logbook import PROGRESS_FILE
from tests.support.forms import FUSED_RIGHT, FUSED_WRONG, RIGHT, WRONG

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "source" / "backprop"
RELEASE = ROOT / "release" / "backprop"

Answers = Mapping[str, Mapping[str, str]]
"""The source of each answer cell, by notebook and cell id."""

ANOTHER_BACKWARD = """
def backward(Xb, Yb, C, W1, b1, W2, b2, bngain, bnbias):
    rows = len(Xb)
    emb = C[Xb]
    flat = emb.reshape(rows, -1)
    pre = flat @ W1 + b1
    centred = pre - pre.mean(0)
    inverse = 1 / torch.sqrt((centred**2).sum(0) / (rows - 1) + 1e-5)
    raw = centred * inverse
    act = torch.tanh(raw * bngain + bnbias)
    probs = torch.softmax(act @ W2 + b2, dim=1)

    grads = {}
    delta = (probs - F.one_hot(Yb, probs.shape[1])) / rows
    grads["W2"], grads["b2"] = torch.einsum("ni,nj->ij", act, delta), torch.ones(rows) @ delta
    delta = torch.einsum("nj,ij->ni", delta, W2) * (1 - act * act)
    grads["bngain"], grads["bnbias"] = (delta * raw).sum(0)[None], delta.sum(0)[None]
    delta = delta * bngain
    delta = inverse * (delta - delta.mean(0) - raw * (delta * raw).sum(0) / (rows - 1))
    grads["W1"], grads["b1"] = torch.einsum("ni,nj->ij", flat, delta), delta.sum(0)
    demb = (delta @ W1.T).reshape(emb.shape)
    grads["C"] = torch.zeros_like(C)
    for k in range(rows):
        for j in range(Xb.shape[1]):
            grads["C"][Xb[k, j]] += demb[k, j]
    return grads
"""

ANOTHER_DESCEND = """
def descend(parameters, gradients, lr):
    if isinstance(gradients, dict):
        gradients = [gradients[name] for name in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")]
    for i in range(len(parameters)):
        parameters[i].sub_(lr * gradients[i])
"""

COPIED = """
# autograd does it for me
leaves = {name: globals()[name].clone().requires_grad_() for name in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")}
copied = dict(leaves)
for line in '''
emb = C[Xb]
embcat = emb.view(emb.shape[0], -1)
hprebn = embcat @ W1 + b1
bnmeani = 1 / n * hprebn.sum(0, keepdim=True)
bndiff = hprebn - bnmeani
bndiff2 = bndiff**2
bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv
hpreact = bngain * bnraw + bnbias
h = torch.tanh(hpreact)
logits = h @ W2 + b2
logit_maxes = logits.max(1, keepdim=True).values
norm_logits = logits - logit_maxes
counts = norm_logits.exp()
counts_sum = counts.sum(1, keepdim=True)
counts_sum_inv = counts_sum**-1
probs = counts * counts_sum_inv
logprobs = probs.log()
'''.strip().splitlines():
    name, expression = line.split(" = ", 1)
    copied[name] = eval(expression, {"torch": torch, "Xb": Xb, "n": n, **copied})
    if not copied[name].is_leaf:
        copied[name].retain_grad()
(-copied["logprobs"][range(n), Yb].mean()).backward()
"""


def model_answers(assignment: str = "backprop") -> dict[str, dict[str, str]]:
    """The solution cells of the source."""
    return {path.stem: _solutions(path) for path in sorted((ROOT / "source" / assignment).glob("*.ipynb"))}


def second_forms(assignment: str) -> dict[str, dict[str, str]]:
    """The second form of every model answer, the one after `# or:`; the first where there is no other."""
    answers = model_answers(assignment)
    return {stem: {id: _second_form(source) for id, source in cells.items()} for stem, cells in answers.items()}


def _second_form(source: str) -> str:
    answer = parse_answer(source)
    return answer.others[0][1] if answer.others else answer.code


def other_style() -> dict[str, dict[str, str]]:
    """All right, and nothing written like the model answer."""
    return {
        "1-every-gradient": {name: forms[1] for name, forms in RIGHT.items()},
        **{name: dict([forms[1]]) for name, forms in FUSED_RIGHT.items()},
        "4-train": {"backward": ANOTHER_BACKWARD, "descend": ANOTHER_DESCEND},
    }


def half_done() -> dict[str, dict[str, str]]:
    """The first thirteen gradients, and the cross-entropy."""
    answers = model_answers()
    first = dict(list(answers["1-every-gradient"].items())[:13])
    return {"1-every-gradient": first, "2-cross-entropy": answers["2-cross-entropy"]}


def common_mistakes() -> dict[str, dict[str, str]]:
    """Right but for eight well-known mistakes, in a notebook in which all gradients depend on each other."""
    answers = model_answers()
    wrong = {name: dict(forms) for name, forms in WRONG.items()}
    answers["1-every-gradient"] |= {
        "dcounts": wrong["dcounts"]["second consumer missing"],
        "dlogits": wrong["dlogits"]["max branch missing"],
        "dbngain": wrong["dbngain"]["shape (64,)"],
        "dbndiff2": wrong["dbndiff2"]["n for n-1"],
        "db1": wrong["db1"]["literal zeros"],
        "dC": wrong["dC"]["overwritten in the loop"],
    }
    answers["2-cross-entropy"] = dict([(name, code) for name, _, code in FUSED_WRONG["2-cross-entropy"]][:1])
    answers["3-batchnorm"] |= dict([(name, code) for name, _, code in FUSED_WRONG["3-batchnorm"]][1:2])
    answers["4-train"]["backward"] = answers["4-train"]["backward"].replace("index_add_", "index_copy_")
    return answers


def copies_grad() -> dict[str, dict[str, str]]:
    """Autograd in the first cell, and its numbers copied in all others."""
    answers = {name: f"{name} = copied[{name[1:]!r}].grad.clone()" for name in RIGHT}
    answers["dlogprobs"] = COPIED + answers["dlogprobs"]
    return {"1-every-gradient": answers}


def endless_loop() -> dict[str, dict[str, str]]:
    """Right but for one cell that never ends."""
    answers = model_answers()
    answers["1-every-gradient"]["dcounts_sum"] = "while True:\n    pass"
    return answers


STUDENTS: dict[str, Callable[[], Answers]] = {
    "perfect": model_answers,
    "other-style": other_style,
    "half-done": half_done,
    "common-mistakes": common_mistakes,
    "copies-grad": copies_grad,
    "endless-loop": endless_loop,
}
"""Student ids that say what each one handed in."""

NOTEBOOKS = ("0-warm-up", "1-every-gradient", "2-cross-entropy", "3-batchnorm", "4-train")
MOST = (0, 26, 4, 6, 8)
MARKS = {
    "perfect": MOST,
    "other-style": MOST,
    "half-done": (0, 13, 4, 0, 0),
    "common-mistakes": (0, 20, 0, 0, 7),
    "copies-grad": (0, 0, 0, 0, 0),
    "endless-loop": (0, 25, 4, 6, 8),
}
"""What each should get, by notebook."""


BIGRAMS_WRONG = {
    "1-counting": {
        "P": "P = (N + 1) / (N + 1).sum(1)",
        "sample": """
def sample(P, g):
    name, index = "", 0
    while True:
        index = P[index].argmax().item()
        if index == 0 or len(name) > 20:
            return name
        name += itos[index]
""",
    },
    "2-one-layer": {
        "dcounts": "dcounts = dprobs / counts_sum",
        "dW": "dW = torch.zeros_like(W).index_add_(0, xs, dlogits)",
    },
    "3-train": {"best": "best = 0.01", "T": "T = torch.zeros((len(stoi),) * 3)"},
}

READS_CASES = """
from pathlib import Path

from autograder.asks import recorded
from autograder.asks.ask import parse_ask
from autograder.asks.observing import PRACTICE_SEED, cases_of

cases = cases_of(parse_ask(ASKED), PRACTICE_SEED)
known = recorded.read(Path("cases.safetensors"))["P"].right
P = next((right.exact.float() for case, right in zip(cases, known) if torch.equal(case.values["N"], N)), torch.zeros(N.shape))
"""


def bigrams_half_done() -> dict[str, dict[str, str]]:
    """The first notebook, and four gradients of the second."""
    answers = model_answers("bigrams")
    return {"1-counting": answers["1-counting"], "2-one-layer": dict(list(answers["2-one-layer"].items())[:4])}


def bigrams_common_mistakes() -> dict[str, dict[str, str]]:
    """Right but for six well-known mistakes; the loss sees only some of them."""
    answers = model_answers("bigrams")
    return {stem: {**cells, **BIGRAMS_WRONG[stem]} for stem, cells in answers.items()}


def bigrams_reads_cases() -> dict[str, dict[str, str]]:
    """An answer that looks up what the release has recorded for the cases of a check."""
    cells = read_cells(ROOT / "release" / "bigrams" / "1-counting.ipynb")
    asked = next(body(cell.source) for cell in cells if cell.id == "ask-P")
    return {"1-counting": {"P": f"ASKED = {asked!r}\n{READS_CASES}"}}


def bigrams_endless() -> dict[str, dict[str, str]]:
    """Right but for one function that never returns."""
    answers = model_answers("bigrams")
    answers["1-counting"]["sample"] = "def sample(P, g):\n    while True:\n        pass"
    return answers


BIGRAMS_STUDENTS: dict[str, Callable[[], Answers]] = {
    "perfect": lambda: model_answers("bigrams"),
    "other-style": lambda: second_forms("bigrams"),
    "half-done": bigrams_half_done,
    "common-mistakes": bigrams_common_mistakes,
    "reads-cases": bigrams_reads_cases,
    "endless-loop": bigrams_endless,
}
BIGRAMS_MARKS = {
    "perfect": (10, 11, 6),
    "other-style": (10, 11, 6),
    "half-done": (10, 5, 0),
    "common-mistakes": (5, 6, 4),
    "reads-cases": (0, 0, 0),
    "endless-loop": (7, 11, 6),
}

CLASSES = {"bigrams": (BIGRAMS_STUDENTS, BIGRAMS_MARKS), "backprop": (STUDENTS, MARKS)}
"""What each student handed in, and should get, by assignment."""


def hand_in(folder: Path, answers: Answers, assignment: str = "backprop") -> None:
    """Copies a release into a folder, with these answers in the cells of its notebooks."""
    left = shutil.ignore_patterns(PROGRESS_FILE)  # of who worked in the release itself
    shutil.copytree(ROOT / "release" / assignment, folder, ignore=left, dirs_exist_ok=True)
    for path in sorted(folder.glob("*.ipynb")):
        nb = nbformat.read(path, as_version=4)
        for cell in notebooks.code_cells(nb):
            cell.source = answers.get(path.stem, {}).get(cell.id, cell.source)
        nbformat.write(nb, path)


def graded_cell(name: str, source: str, make: Callable[..., NotebookNode] = new_code_cell, **role: object) -> NotebookNode:
    """A cell of nbgrader's, of which `role` says what it is."""
    nothing = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return make(source, id=name, metadata={"nbgrader": {**nothing, "grade_id": name, **role}})


def _solutions(path: Path) -> dict[str, str]:
    return {cell.id: unmarked(cell.source, SOLUTION) for cell in read_cells(path) if cell.solves}
