"""The crash table, met by real cells: each is run, and the row is what is said of the error that it really stopped with."""

from __future__ import annotations

import re
from typing import ClassVar

import pytest

from autograder.judge.crashes.explain import explain
from autograder.judge.crashes.table import AUTOGRAD, DERIVE, TABLE
from autograder.judge.wording import failed
from autograder.notebook.box import as_text
from autograder.replay.parsed import parse_cell
from autograder.replay.run import run_cell
from autograder.replay.stop import Stop, shortened, stop_of_syntax
from autograder.tape.cases import Case
from autograder.verdict import RERUN, Cause, Mistake, Outcome, Verdict
from tests.support.lesson import Lesson

STEPS = "1-every-gradient"


@pytest.fixture(scope="module")
def here() -> Lesson:
    """Notebook 1, solved. IPython takes many seconds to draw the frames of a function that calls itself without an end."""
    lesson = Lesson(STEPS)
    lesson.shell.InteractiveTB.set_mode("Minimal")
    return lesson


def crashed(here: Lesson, source: str, answer: str = "dW2") -> Cause:
    """What is said of a cell that stops when it is run, and leaves the notebook as it was."""
    before = dict(here.session.namespace)
    result, _ = here.run(source)
    stop = here.session.runs[-1].stop
    here.session.namespace.clear()
    here.session.namespace.update(before)
    error = result.error_before_exec or result.error_in_exec
    assert error is not None
    if broken := stop_of_syntax(source):
        error, stop = broken
    tape = here.session.tape(answer[1:])
    assert tape is not None
    gradients = [f"d{name}" for name in reversed(tape.variables[:-1])]
    cause = explain(error, source, stop, before, gradients, answer, tuple(tape.state[answer[1:]].shape))
    assert cause is not None, error
    return cause


TOLD: dict[str, tuple[str, str]] = {
    "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = ... / n": (
        "The three dots are still there: they stand for what you are to fill in.",
        "Put your own expression in the place of `...`.",
    ),
    "raise NotImplementedError()\ndW2 = h.T @ dlogits": (
        "`raise NotImplementedError()` still stands in the cell, and stops it there.",
        "Delete that line.",
    ),
    "dlogits = dnorm_logits + dlogits_maxes": (
        "There is no `dlogits_maxes` here. The closest name is `dlogit_maxes`.",
        "Write `dlogit_maxes`, if that is what you mean.",
    ),
    "dhprebn = dbndiff + dbmeani": (
        "There is no `dbmeani` here. The closest name is `dbnmeani`.",
        "Write `dbnmeani`, if that is what you mean.",
    ),
    "dx = dw2 * 2": (
        "There is no `dw2` here. The closest name is `dW2`.",
        "Write `dW2`, if that is what you mean.",
    ),
    "dnorm_logits = counts * dcount": (
        "There is no `dcount` here. The closest name is `dcounts`.",
        "Write `dcounts`, if that is what you mean.",
    ),
    "dW2 = h.T @ dlogit": (
        "There is no `dlogit` here. The closest name is `dlogits`.",
        "Write `dlogits`, if that is what you mean.",
    ),
    "dW2 = rnage(3)": (
        "There is no `rnage` here. The closest name is `range`.",
        "Write `range`, if that is what you mean.",
    ),
    "del dhpreact\ndW2 = dhpreact": (
        "`dhpreact` is not there yet: it is a gradient with an answer cell of its own.",
        "Write and run the cell of `dhpreact` first.",
    ),
    "del dlogits\ndW2 = h.T @ dlogits": (
        "`dlogits` is not there yet: it is a gradient with an answer cell of its own.",
        "Write and run the cell of `dlogits` first.",
    ),
    "del dC\ndW2 = dC[0] * 2": (
        "`dC` comes after `dW2` on the way back from the loss, so nothing can be worked out from it here.",
        "Start from the gradients of what was computed from `W2`.",
    ),
    "del dW2\ndW2 += h.T @ dlogits": (
        "The cell changes or reads `dW2` before it has given it a value.",
        "Work out all of `dW2` in this cell: begin with a line `dW2 = …`.",
    ),
    "dlogits = np.zeros((n, 27))": (
        "`np` was never imported in this notebook.",
        "Put `import numpy as np` above that line.",
    ),
    "dlogits = d * quite_other": (
        "There is no `d` here, and no name like it.",
        "Give `d` a value above that line, or use another name.",
    ),
    "def g():\n    total += 1\n    return total\ndW2 = g()": (
        "The function gives `total` a value somewhere, so it is a local name, and here it has none yet.",
        "Give `total` a value inside of the function, before that line.",
    ),
    "import numpyy": (
        "There is no module `numpyy` here.",
        "Do without it: torch and what the notebook imports are enough.",
    ),
    "from torch import one_hott": (
        "That module has no `one_hott`.",
        "Take the import out, or look up how the name is spelt.",
    ),
    "dlogits = torch.F.one_hot(Yb)": (
        "`torch.F` does not exist: the notebook imports `torch.nn.functional` as `F`.",
        "Write `F.` in the place of `torch.F.`.",
    ),
    "x = torch.log1(probs)": (
        "`torch` has no `log1`. The closest that it has is `log1p`.",
        "Write `log1p`, if that is what you mean.",
    ),
    "dcounts_sum = probs.Sum(1)": (
        "A tensor has no `.Sum`. The closest that it has is `.sum`.",
        "Write `.sum`, if that is what you mean.",
    ),
    "dhpreact = (1 - h**2).transpos(0, 1)": (
        "A tensor has no `.transpos`. The closest that it has is `.transpose`.",
        "Write `.transpose`, if that is what you mean.",
    ),
    "dprobs = probs.grad * 2": (
        "The `.grad` there is None: the tensors of this notebook carry no graph, and nothing fills it.",
        "Derive it by hand, from the forward variables and the gradients that come in.",
    ),
    "dprobs = probs.grad.clone()": (
        "The `.grad` there is None: the tensors of this notebook carry no graph, and nothing fills it.",
        "Derive it by hand, from the forward variables and the gradients that come in.",
    ),
    "dprobs = logprobs.grad_fn.next_functions": (
        "The `.grad_fn` there is None: the tensors of this notebook carry no graph, and nothing fills it.",
        "Derive it by hand, from the forward variables and the gradients that come in.",
    ),
    "x = logits.max(1).idx": (
        "Along an axis `max` gives two things, the `values` and the `indices`.",
        "Take one of them: `.values` or `.indices`.",
    ),
    "x = n.sum()": (
        "What stands before `.sum` is of the type `int`, which has no `sum`.",
        "Print what stands before `.sum`: it is not what you expect.",
    ),
    "import math\nx = math.squareroot(2)": (
        "The module `math` has no `squareroot`.",
        "Look up how the name is spelt.",
    ),
    "dlogits = F.one_hot(Yb, num_clases=27)": (
        "`one_hot` knows no argument `num_clases`. The closest that it knows is `num_classes`.",
        "Write `num_classes=` there, if that is what you mean.",
    ),
    "dcounts_sum = probs.sum(1, keep_dim=True)": (
        "`sum` knows no argument `keep_dim`. The closest that it knows is `keepdim`.",
        "Write `keepdim=` there, if that is what you mean.",
    ),
    "dcounts_sum = probs.sum(1, colour=True)": (
        "`sum` knows no argument `colour`.",
        "Take it out, or look up what `sum` takes.",
    ),
    "x = probs.softmax()": (
        '`softmax` was called without something that it needs: "dim".',
        "Add it to the call.",
    ),
    "x = probs.log(2)": (
        "`log` was called with more than it takes.",
        "Take out what is too many, or close a bracket earlier.",
    ),
    "x = torch.exp(2)": (
        "`exp` takes a value of the type `Tensor` for its `input`, and gets one of the type `int`.",
        "Print what you pass to it: it is not what you expect.",
    ),
    "x = torch.where(probs > 0, dprobs)": (
        "`where` takes other arguments than it gets in that line: values of the types (Tensor, Tensor).",
        "Print what you pass to it, with its type and its shape.",
    ),
    "x = demb.view(emb.shape(0), -1)": (
        "`.shape` is no function: it holds the sizes of all axes, and `.shape[0]` is one of them.",
        "Leave out the `()` after it.",
    ),
    "x = h.T() @ dlogits": (
        "`h.T` is a tensor already, and is called like a function.",
        "Leave out the `()` after it.",
    ),
    "dprobs = probs(1 / dlogprobs)": (
        "`probs` is no function, and a bracket right after it makes a call: perhaps a `*` is missing there.",
        "Write the sign that belongs between `probs` and the bracket.",
    ),
    "dprobs = 1.0(1 / dlogprobs)": (
        "`1.0` is no function, and a bracket right after it makes a call: perhaps a `*` is missing there.",
        "Write the sign that belongs between `1.0` and the bracket.",
    ),
    "dprobs = [1, 2](0)": (
        "`[1, 2]` is of the type `list`, and is called like a function.",
        "Leave out the bracket after it, or call what you mean.",
    ),
    "x = torch.sum[0]": (
        "`torch.sum` is a function, and square brackets pick entries.",
        "Call it with round brackets: `torch.sum(0)`.",
    ),
    "x = n[0]": (
        "`n` is of the type `int`, which has no entries to pick.",
        "Print `n`: it is not what you expect.",
    ),
    "x = h.t @ dlogits": (
        "`h.t` is the function itself, and not what it gives.",
        "Call it, with round brackets: `h.t()`.",
    ),
    "dhpreact = (1 - h^2) * dh": (
        "`^` is no power in Python: it works on the bits of whole numbers.",
        "Write `**` in its place.",
    ),
    "x = 1.5 ^ 2": (
        "`^` is no power in Python: it works on the bits of whole numbers.",
        "Write `**` in its place.",
    ),
    "x = h.T @ 3": (
        "`@` is the product of matrices, and one side of it in `h.T @ 3` is no tensor.",
        "Write `*` where a number multiplies every entry.",
    ),
    "x = dlogprobs + None": (
        "Something in `dlogprobs + None` is None: nothing has given it a value.",
        "Print what stands in that line, and give the one that is None its value.",
    ),
    'x = dlogprobs + "1"': (
        "`+` does not go between a value of the type `Tensor` and one of the type `str`.",
        "Print both: one is not what you expect.",
    ),
    "dlogits = probs - F.one_hot(Yb)": (
        "`F.one_hot(Yb)` has only so many columns as its largest label here needs.",
        "Say how many there are: `num_classes=`, with a size from the variables' shapes.",
    ),
    "labels = F.one_hot(Yb)\ndlogits = probs - labels": (
        "`F.one_hot(Yb)` has only so many columns as its largest label here needs.",
        "Say how many there are: `num_classes=`, with a size from the variables' shapes.",
    ),
    "dW2 = h @ dlogits": (
        "`h` is (32, 64) and `dlogits` is (32, 27): the inner sizes have to be equal. `dW2` has to be (64, 27).",
        "Which of them needs `.T`, or should the two change places?",
    ),
    "dW2 = torch.zeros((64, 27)) @ dlogits": (
        "`torch.zeros((64, 27))` is (64, 27) and `dlogits` is (32, 27): the inner sizes have to be equal. "
        "`dW2` has to be (64, 27).",
        "Which of them needs `.T`, or should the two change places?",
    ),
    "dW2 = h * dlogits": (
        "`*` goes entry by entry, and `h` is (32, 64), `dlogits` is (32, 27). `dW2` has to be (64, 27).",
        "Should it be a matrix product, `@`, with one of them transposed?",
    ),
    "dW2 = bngain * dlogits": (
        "`bngain` is (1, 64) and `dlogits` is (32, 27): entry by entry these do not fit. `dW2` has to be (64, 27).",
        "Which axis has to be summed, or moved?",
    ),
    "dW2 += h.T": (
        "`dW2` is (64, 27) and `h.T` is (64, 32): entry by entry these do not fit. `dW2` has to be (64, 27).",
        "Which axis has to be summed, or moved?",
    ),
    "db2 = dlogits.T.view(-1)": (
        "After `.T` or `.transpose` the entries lie in another order in memory, which `.view` cannot follow.",
        "If it belongs there, write `.reshape` in the place of `.view`.",
    ),
    "x = probs.view(5, 5)": (
        "A tensor of 864 entries cannot get the shape [5, 5]: that needs another number of them.",
        "Take the sizes from the `.shape` of the variable that you want to match.",
    ),
    "dC[Xb] = demb.view(32, 30)": (
        "The left side of that line has the shape [32, 3, 10], and what you write into it [32, 30].",
        "Bring the right side to the shape of the left one.",
    ),
    "x = probs.expand(5, 32, 3)": (
        "A tensor of shape [32, 27] cannot be stretched to [5, 32, 3]: only axes of size 1 can.",
        "Compare the two shapes from the right, axis by axis.",
    ),
    "x = h.dot(W2)": (
        "`dot` is for two tensors with one axis each; these have more.",
        "Write the product of matrices with `@`.",
    ),
    'x = torch.einsum("ij,jk->iz", h, W2)': (
        "The letters in `einsum` do not fit the tensors: output subscript z does not appear in the equation "
        "for any input operand.",
        "Write one letter for each axis of each tensor, and behind `->` those that stay.",
    ),
    "dC = torch.zeros_like(C).index_add_(0, Xb.view(-1), demb)": (
        "`index_add_` takes one index for each row that it adds: a flat list of indices, and as many rows.",
        "Make the indices flat by `.view(-1)`, and give the rows as `.view(-1, size)`.",
    ),
    "x = torch.zeros(32, 27).scatter_(1, Yb, 1.0)": (
        "`scatter_` and `gather` want indices with as many axes as the tensor itself.",
        "Give the labels a second axis: `.unsqueeze(1)`.",
    ),
    "x = probs.permute(0)": (
        "`permute` takes all axes, each once, in their new order.",
        "Give as many axes as the tensor has.",
    ),
    "d = F.one_hot(Yb, num_classes=27)\nd -= probs": (
        "The tensor that this line changes in place holds whole numbers, and a fraction cannot be stored in it.",
        "Make it floating point first, by `.float()`.",
    ),
    "x = h @ W2.double()": (
        "The two sides of the product hold different kinds of numbers, float and double.",
        "Make them the same, by `.float()` where it is not float.",
    ),
    "x = Yb.mean()": (
        "A mean of whole numbers is not defined in torch.",
        "Make it floating point first, by `.float()`.",
    ),
    "x = probs.gather(1, Yb.view(-1, 1) + 27)": (
        "Axis 1 has 27 entries, and index 27 is asked for.",
        "Print the shapes in that line, and which of its axes the index goes along.",
    ),
    "x = torch.ones(2, 3, 4) @ torch.ones(2, 4, 5).double()": (
        "Two tensors there hold different kinds of numbers, Float and Double.",
        "Make them the same, by `.float()` where it is not float.",
    ),
    "x = torch.zeros(32, 27).scatter_(1, Yb.float().unsqueeze(1), 1.0)": (
        "An index has to be a tensor of whole numbers, such as the labels, and this one holds something else.",
        "Use the tensor that says where, or turn this one into whole numbers by `.long()`.",
    ),
    "x = F.one_hot(probs, num_classes=27)": (
        "An index has to be a tensor of whole numbers, such as the labels, and this one holds something else.",
        "Use the tensor that says where, or turn this one into whole numbers by `.long()`.",
    ),
    "x = probs[probs]": (
        "An index has to be a tensor of whole numbers, such as the labels, and this one holds something else.",
        "Use the tensor that says where, or turn this one into whole numbers by `.long()`.",
    ),
    "x = probs.masked_fill(probs, 0)": (
        "A mask has to hold True and False, and this tensor holds numbers.",
        "Make a mask by comparing, as in `x > 0`.",
    ),
    "x = F.one_hot(Yb, num_classes=5)": (
        "A label is as large as `num_classes`, or larger: the classes are counted from 0.",
        "Take it from the variable that has a column for each class, by `.shape[1]`.",
    ),
    "x = F.one_hot(-Yb, num_classes=27)": (
        "A label is negative, and `one_hot` counts from 0 on.",
        "Print the labels that you pass to it.",
    ),
    "for k in range(n + 1):\n    Xb[k]": (
        "`Xb` has 32 entries along axis 0, numbered 0 to 31, and 32 is asked for.",
        "Let the loop or the index end where the variable does: use its `.shape[0]`.",
    ),
    "x = probs.index_select(0, torch.tensor([40]))": (
        "An index there is larger than the axis that it goes along.",
        "Print the largest index, and the shape of what it picks from.",
    ),
    "del dcounts\nx = dcounts": (
        "`dcounts` is not there yet: it is a gradient with an answer cell of its own.",
        "Write and run the cell of `dcounts` first.",
    ),
    "x = probs.sum(dim=2)": (
        "There is no axis 2: this tensor has axes 0 to 1.",
        "Print its shape, and take the axis that you mean.",
    ),
    "x = probs[range(27), Yb]": (
        "The indices of the axes go together pair by pair, and there are [27] of one and [32] of the other.",
        "Give as many row numbers as labels: `range(n)` and one label for each.",
    ),
    "x = probs[0, 0, 0]": (
        "There are more indices in the square brackets than the tensor has axes.",
        "Print its shape, and give at most one index for each axis.",
    ),
    "x = probs[n / 2]": (
        "An index has to be a whole number, and this is one of the type `float`.",
        "Divide with `//`, or give `int(…)`.",
    ),
    "x = loss[0]": (
        "The square brackets ask for an entry that is not there.",
        "Print how long it is, by `len` or `.shape`, before that line.",
    ),
    'x = {}["a"]': (
        "The dictionary has no entry `a`.",
        "Print its keys, and compare the spelling.",
    ),
    "loss.backward()": (
        "The cell takes it from autograd, which is switched off while an answer is checked.",
        "Derive it by hand, from the forward variables and the gradients that come in.",
    ),
    "x = torch.zeros(3, requires_grad=True)\nx += 1": (
        "The tensor is marked with `requires_grad`, and such a tensor cannot be changed in place.",
        "Leave `requires_grad` out: no gradient here comes from autograd.",
    ),
    "x = torch.zeros(3, requires_grad=True).numpy()": (
        "The tensor is marked with `requires_grad`, and cannot become an array of numpy.",
        "Stay in torch, and leave `requires_grad` out.",
    ),
    "x = probs.item()": (
        "One number is wanted there, and the tensor has many entries.",
        "Pick one entry of it, or take a sum first.",
    ),
    "if probs > 0 and probs < 1:\n    x = 1": (
        "A tensor has many truth values, and `if`, `and`, `or` and `not` want one.",
        "Use `&`, `|` and `~` between masks in brackets, or `.any()` and `.all()`.",
    ),
    "for k in range(n / 2):\n    x = k": (
        "A whole number is wanted there, and `/` always gives a fraction.",
        "Divide with `//`.",
    ),
    "a, b = n, 1, 2": (
        "The names on the left side and the values on the right side are not equally many.",
        "Print the right side, and give as many names as it has values.",
    ),
    "for k in n:\n    x = k": (
        "`for` wants something with many entries, and gets a value of the type `int`.",
        "Count up to it with `range(…)`.",
    ),
    "x = len(n)": (
        "`len` counts entries, and this value has none to count.",
        "Print it: it is not what you expect.",
    ),
    "x = 1 / 0": (
        "Something there is divided by the number 0.",
        "Print what stands below the line of the fraction: which size or count is 0?",
    ),
    'x = int("a")': (
        "That text is no number.",
        "Print it before that line.",
    ),
    "x = probs.cuda()": (
        "There is no graphics card here that torch can use.",
        "Leave out `.cuda()` and `.to(…)`.",
    ),
    "assert n == 3": (
        "An `assert` in the cell does not hold.",
        "Print both sides of it, or take it out: the check below says what is wrong.",
    ),
    "x = torch.zeros(10**14)": (
        "It asks for more memory than there is: the shapes in that line make a huge tensor.",
        "Print the shapes before that line, and look for an axis that is stretched and should not be.",
    ),
    "def f(x):\n    return f(x)\nf(1)": (
        "A function calls itself, and never ends.",
        "Let it return at some point without a call of itself.",
    ),
    "if n:\n\tx = 1\n        y = 2": (
        "The line is indented with tabs where others have spaces.",
        "Indent every line with four spaces.",
    ),
    "for k in range(n):\nx = k": (
        "Line 1 opens a block, and nothing below it is indented.",
        "Indent the lines that belong to it by four spaces.",
    ),
    "x = 1\n  y = 2": (
        "The line is indented, and no line above it opens a block.",
        "Take the spaces before it away.",
    ),
    "for k in range(3):\n    x = 1\n  y = 2": (
        "The line is indented by another number of spaces than the lines above it.",
        "Indent all lines of a block by the same four spaces.",
    ),
    "return h.T @ dlogits": (
        "`return` belongs in a function, and this is a cell.",
        "Give the answer its name instead: a line that begins with `dW2 = `.",
    ),
    "dW2 = h.T @ dlogits\nreturn dW2": (
        "`return` belongs in a function, and this is a cell: `dW2` keeps its value without it.",
        "Delete the line with `return`.",
    ),
    "break": (
        "`break` stands where Python does not allow it.",
        "Take it out of there.",
    ),
    "dW2 = (h.T @ dlogits": (
        "The bracket `(` is opened there, and never closed.",
        "Close it where the expression ends.",
    ),
    "dW2 = h.T @ dlogits)": (
        "There is a `)` that nothing opened.",
        "Count the brackets in that line, and take this one out or open it.",
    ),
    "dW2 = (h.T @ dlogits]": (
        "`(` is opened and `]` closes it: these are two kinds of brackets.",
        "Close it with its own kind.",
    ),
    "for k in range(3)\n    x = k": (
        "The line opens a block, and has no colon.",
        "Put a `:` at its end.",
    ),
    "if n = 3:\n    x = 1": (
        "One `=` gives a name a value, and what stands there is no name.",
        "Begin the line with a single name to give a value, or write `==` to compare.",
    ),
    "dW2 + 1 = h.T @ dlogits": (
        "One `=` gives a name a value, and what stands there is no name.",
        "Begin the line with a single name to give a value, or write `==` to compare.",
    ),
    'print("hello)': (
        "A text begins with a quotation mark, and does not end.",
        "Put the same quotation mark at its end.",
    ),
    "dW2 = 2dlogits": (
        "A number and a name stand together without a sign between them.",
        "Write the `*` between them.",
    ),
    "dW2 = h.T − dlogits": (
        "Python does not know the character `−`.",
        "Write `-` in its place.",
    ),
    "dW2 = 2 × dlogits": (
        "Python does not know the character `×`.",
        "Write `*` in its place.",
    ),
    "dW2 = dlogits²": (
        "Python does not know the character `²`.",
        "Write `**2` in its place.",
    ),
    "dW2 = h.T § dlogits": (
        "There is a character that is not Python's: it may look like one that is, or not be seen at all.",
        "Delete it, and type what belongs there.",
    ),
    "```python\ndW2 = h.T @ dlogits\n```": (
        "Three backticks stand around code in a text, such as a web page, and are not Python.",
        "Delete the lines that have them.",
    ),
    "dW2 = h.T @ dlogits\nYOUR CODE HERE": (
        "The line `YOUR CODE HERE` has lost its `#`, so Python reads it as code.",
        "Delete that line.",
    ),
    "$dW2 = 2 * dW2$": (
        "`$` stands around a formula in a text, and is not Python.",
        "Delete every `$` in that line.",
    ),
    "dhpreact = (1 - h**2)dh": (
        "Between `2)` and `dh` there is no sign, so Python cannot read the line.",
        "Write what belongs between them: a `*`, or a comma.",
    ),
    "dlogits = dnorm_logits +": (
        "The line ends with `+`, and nothing stands behind it.",
        "Write what belongs behind the `+`, on the same line.",
    ),
    "dW2 = h.T @ @ dlogits": (
        "Python cannot read the line: invalid syntax.",
        "Compare it with a line that works, sign by sign.",
    ),
    "dW2 = logits.exp() / logits.exp().sum(1)": (
        "`logits.exp()` is (32, 27) and `logits.exp().sum(1)` is (32,): `.sum` over an axis takes that axis away. "
        "`dW2` has to be (64, 27).",
        "Keep the axis: add `keepdim=True` to `.sum`.",
    ),
    "total = logits.exp().sum(1)\ndW2 = logits.exp() / total": (
        "`logits.exp()` is (32, 27) and `total` is (32,): `.sum` over an axis takes that axis away. `dW2` has to be (64, 27).",
        "Keep the axis: add `keepdim=True` to `.sum`.",
    ),
    "dW2 = F.softmax(logits, 1) - Yb": (
        "`Yb` has one whole number for each row, and `F.softmax(logits, 1)` is (32, 27). `dW2` has to be (64, 27).",
        "If these are labels, make a row of each, by `F.one_hot` with its `num_classes=`.",
    ),
    "dW2 = softmax(logits, 1)": (
        "There is no `softmax` by itself: it is a function of `F`.",
        "Write `F.softmax`.",
    ),
    "dW2 = zeros_like(W2)": (
        "There is no `zeros_like` by itself: it is a function of `torch`.",
        "Write `torch.zeros_like`.",
    ),
    "dW2 = W2.T @ dlogits": (
        "`W2.T` is (27, 64) and `dlogits` is (32, 27). `dW2` has to be (64, 27). "
        "No order of these two gives that, with `.T` or without.",
        "Look at the line of the forward pass: which other variable belongs in this product?",
    ),
    "dW2 = bngain.T @ dlogits": (
        "`bngain.T` is (64, 1) and `dlogits` is (32, 27): `bngain` has one row, which the forward pass stretches over all. "
        "`dW2` has to be (64, 27).",
        "Sum `dlogits` over its rows first, and keep the axis.",
    ),
    "dW2 = b1 @ b2": (
        "`b1` is (64,) and `b2` is (27,): of two plain lists of numbers `@` makes one number. `dW2` has to be (64, 27).",
        "For every entry times every entry, give the first one an axis by `.unsqueeze(1)`, and use `*`.",
    ),
    "dW2 = h.T @ dlogits * probs": (
        "`@` comes first there, since Python goes from left to right: `h.T @ dlogits` is (64, 27), and `probs` is (32, 27). "
        "`dW2` has to be (64, 27).",
        "Put brackets around all that `@` is to multiply by: they open before `dlogits`.",
    ),
    "dW2 = dnorm_logits[range(n), logits.max(1).values]": (
        "The `.values` there are the numbers themselves, and an index has to say where they are.",
        "Write `.indices` in the place of `.values`.",
    ),
    "dW2 = emb[:, 3]": (
        "`emb` has 3 entries along axis 1, and the first of them is number 0: there is no number 3.",
        "Count from 0: the last one is number 2.",
    ),
    "dW2 = logits[range(n), Xb]": (
        "The indices go together pair by pair, and these do not: the first has the shape [32], and the second [32, 3].",
        "Give an index for each axis; or make the rows and the labels flat first, by `.view`; or use `F.one_hot`.",
    ),
    "dW2 = F.one_hot(logits.max(1).values, num_classes=27)": (
        "The `.values` there are the numbers themselves, and an index has to say where they are.",
        "Write `.indices` in the place of `.values`.",
    ),
    "dW2 = torch.zeros(4, 3)\ndW2[Yb] = 1.0": (
        "`dW2` has 4 entries along axis 0, and the index there asks for number 5.",
        "The first index in the brackets goes along axis 0, the next along axis 1: is `Yb` in its place?",
    ),
    "dW2 = torch.zeros(1)\ndW2 += dlogits[0]": (
        "The left side of that line has the shape [1], and with the right side it would become [27].",
        "Sum the right side over what is too many before you add it.",
    ),
    "dW2 = torch.tensordot(h, dlogits, dims=1)": (
        "`tensordot` multiplies the last axes of the first tensor with the first axes of the second, and their sizes differ.",
        "Say which axes go together: `dims=([0, 1], [0, 1])` takes the first two of both.",
    ),
    "few = emb[0, :, 0]\ndW2 = emb * few": (
        "`emb` is (32, 3, 10) and `few` is (3,): a plain list of numbers goes along the last axis, and `few` along axis 1.",
        "Give it the other axes, with size 1: `.view(1, -1, 1)`.",
    ),
    "dW2 = h.T @ dlogits + h.T @ h": (
        "`h.T @ dlogits` is (64, 27) and `h.T @ h` is (64, 64). `dW2` has to be (64, 27).",
        "Is `h` the matrix that the line multiplies by?",
    ),
    "dW2 = emb.sum(0, 1)": (
        "The second thing that `sum` takes is whether the axis stays, and here it is a number.",
        "Put several axes into brackets of their own, as in `.sum((0, 1))`.",
    ),
    "dW2 = emb.sum(dims=0)": (
        "`sum` knows no argument `dims`. The closest that it knows is `dim`.",
        "Write `dim=` there, if that is what you mean.",
    ),
    "demb = dembcat.view(emb.size)": (
        "`emb.size` is the function itself, and not what it gives.",
        "Call it, with round brackets: `emb.size()`.",
    ),
    "dW2 = sum(loss * 2)": (
        "Something there goes through the entries of a tensor that is one number, and has none to go through.",
        "Use the number as it is, without `sum(…)` or a loop.",
    ),
    "probs.retain_grad()": (AUTOGRAD, DERIVE),
    "probs.register_hook(print)": (AUTOGRAD, DERIVE),
    'from autograder.errors import NotRight\nraise NotRight("dW2: wrong")': (
        "The cell calls `check` itself, and `check` stops where the answer is not right yet.",
        "Take that line out: the cell below has it.",
    ),
    "class Layer:\n    def __init__(self):\n        weight = torch.ones(2)\nLayer().weight": (
        "In `__init__`, `weight = …` makes a name that is gone when the method ends. So the object has no `.weight`.",
        "Write `self.weight = …` there.",
    ),
    "class Layer:\n    def __init__(self):\n        self.width = 3\nLayer().weight": (
        "No method of `Layer` gives `self.weight` a value.",
        "Add a line `self.weight = …` to the method that works it out.",
    ),
    "class Layer:\n    def __call__(x):\n        return x\nLayer()(3)": (
        "A method gets the object itself as its first value, and the first line of `__call__` has no `self` for it.",
        "Begin its parameters with `self`.",
    ),
    "def dW2(x, y):\n    return x\ndW2(x=1, y=2, P=3)": (
        "`dW2` is called with a `P`, which is not among the names in its first line.",
        "Add `P` to the names in the brackets of that line.",
    ),
    "print dW2": (
        "`print` is a function, and is called with brackets.",
        "Put brackets around what it is to show.",
    ),
    "dprobs = -(1 / n) dlogprobs": (
        "Between `n)` and `dlogprobs` there is no sign, so Python cannot read the line.",
        "Write what belongs between them: a `*`, or a comma.",
    ),
    "dW2 = h.T @": (
        "The line ends with `@`, and nothing stands behind it.",
        "Write what belongs behind the `@`, on the same line.",
    ),
}
"""Cells that stop, with what is said and the next step."""


@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore:invalid decimal literal", "ignore:.* not callable")
@pytest.mark.parametrize("source", TOLD)
def test_a_cell_that_stops_is_told_why(here: Lesson, source: str) -> None:
    sentence, step = TOLD[source]
    cause = crashed(here, source)
    assert cause.sentence == sentence
    assert cause.next_step == (step if cause.mistake is Mistake.AUTOGRAD else f"{step} {RERUN}")


def rows_that_say(sentence: str) -> list[int]:
    """The rows of the table that this sentence is of."""
    return [
        place
        for place, row in enumerate(TABLE)
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", ".*", re.escape(row.says).replace(r"\ ", " ")), sentence)
    ]


ELSEWHERE = {
    "It did not end in time.": "a replay with a deadline",
    "`{name}` has no value, because its own cell stopped, or a cell that it needs.": "a notebook with more cells that stop",
}
"""Rows that no cell which simply runs can meet."""


def test_every_row_is_met_by_a_cell() -> None:
    met = {place for sentence, _ in TOLD.values() for place in rows_that_say(sentence)}
    unmet = [row.says for place, row in enumerate(TABLE) if place not in met and row.says not in ELSEWHERE]
    assert unmet == []
    assert len(TABLE) >= 30


@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore:invalid decimal literal", "ignore:.* not callable")
@pytest.mark.parametrize("source", TOLD)
def test_what_is_said_fits_in_its_box(here: Lesson, source: str) -> None:
    """Nothing is cut off, and there are 20 to 80 words."""
    cause = crashed(here, source)
    line = max(source.splitlines(), key=len)
    verdict = failed("dW2", "RuntimeError: " + 10 * "word ", cause, Stop(2, shortened(line)))
    text = as_text(verdict)
    assert "…" not in text.replace(shortened(line), "").replace("(…)", "").replace("= …`", "").replace("int(…", "")
    assert 20 <= len(text.split()) <= 80


def test_what_never_ends_is_told() -> None:
    replay = run_cell(parse_cell("while True:\n    dW2 = 1"), "dW2", Case({}, {}), {}, seconds=0.1)
    assert replay.error is not None
    cause = explain(replay.error, "while True:\n    dW2 = 1")
    assert cause is not None
    assert cause.sentence == "It did not end in time."


def test_an_error_of_no_row_has_no_cause() -> None:
    assert explain(ValueError("something else"), "x = 1") is None
    assert explain("OSError: gone", "x = 1") is None


def test_a_syntax_error_that_a_cell_raises_itself_may_have_no_message() -> None:
    cause = explain(SyntaxError(), "raise SyntaxError")
    assert cause is not None and cause.mistake is Mistake.STOPS


LEARNERS = {
    "dots left in": ("dlogprobs", "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = ... / n", "three dots"),
    "a typo": ("dlogits", "dlogits = dnorm_logits.clone()\ndlogits += dlogits_maxes", "closest name is `dlogit_maxes`"),
    "a typo in a gradient": ("dhprebn", "dhprebn = dbndiff + dbmeani", "closest name is `dbnmeani`"),
    "another case": ("dh", "dh = dlogits @ w2.T", "closest name is `W2`"),
    "a letter less": ("dnorm_logits", "dnorm_logits = dcount * counts", "closest name is `dcounts`"),
    "a power": ("dhpreact", "dhpreact = (1 - h^2) * dh", "`^` is no power"),
    "a matrix product": ("dW2", "dW2 = h @ dlogits", "`h` is (32, 64) and `dlogits` is (32, 27)"),
    "another matrix product": ("dh", "dh = dlogits @ W2", "`dh` has to be (32, 64)"),
    "entry by entry": ("dW2", "dW2 = h * dlogits", "`*` goes entry by entry"),
    "an overwritten size": (
        "dlogprobs",
        "for n in range(3):\n    pass\ndlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1 / n",
        "`n` is 2 there, and was 32 in the forward pass: line 1 overwrites it.",
    ),
    "one_hot without its classes": ("dlogits", "dlogits = dnorm_logits + dlogit_maxes * F.one_hot(Yb)", "columns"),
    "one_hot with a misspelt argument": (
        "dlogits",
        "dlogits = dnorm_logits.clone()\ndlogits += F.one_hot(logits.max(1).indices, num_clases=27) * dlogit_maxes",
        "The closest that it knows is `num_classes`.",
    ),
    "backward": ("dprobs", "loss.backward()\ndprobs = probs.grad", "takes it from autograd"),
    "backward alone": ("dprobs", "loss.backward()", "takes it from autograd"),
    "a bracket": ("dprobs", "dprobs = dlogprobs * (1 / probs", "never closed"),
    "indentation": ("dprobs", "dprobs = dlogprobs / probs\n    dprobs = dprobs * 1", "no line above it opens a block"),
    "return": ("dprobs", "return dlogprobs / probs", "`return` belongs in a function"),
    "a call of a number": ("dprobs", "dprobs = n(dlogprobs / probs)", "perhaps a `*` is missing"),
}
"""Crashes that learners met, each with the answer that it is in and some of what is said."""


@pytest.fixture(scope="module")
def opened() -> Lesson:
    """Notebook 1, each answer in its own cell."""
    lesson = Lesson(STEPS, solved=False)
    for name, source in lesson.solutions.items():
        lesson.run(source, id=name)
    return lesson


def checked(here: Lesson, name: str, source: str) -> Verdict:
    """The verdict on a cell that takes the place of an answer's, which is there again afterwards."""
    before = dict(here.session.namespace)
    here.run(source, id=name)
    verdict = here.verdict(name)
    here.session.namespace.clear()
    here.session.namespace.update(before)
    here.run(here.solutions[name], id=name)
    return verdict


@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("what", LEARNERS)
def test_the_crashes_that_learners_met_are_named(what: str, opened: Lesson) -> None:
    name, source, told = LEARNERS[what]
    verdict = checked(opened, name, source)
    assert told in verdict.diagnosis
    assert verdict.mistake is not Mistake.UNKNOWN
    assert 20 <= len(as_text(verdict).split()) <= 80


@pytest.mark.parametrize("source", ["\n\nx = 1\ndprobs = 1 / probz", "%%time\nx = 1\n\ndprobs = 1 / probz"])
def test_the_line_is_told_as_the_notebook_counts(source: str, opened: Lesson) -> None:
    assert checked(opened, "dprobs", source).diagnosis == (
        "The cell for `dprobs` stopped in line 4, `dprobs = 1 / probz`. There is no `probz` here. The closest name is `probs`."
    )


def test_one_hot_that_stops_on_another_batch_only_is_told(opened: Lesson) -> None:
    """In the notebook's own batch the largest label may be the last letter, and in another one it is not."""
    source = f"{opened.solutions['dlogits']}\nshown = F.one_hot(Yb + (n == 32))\ndlogits += 0 * shown"
    verdict = checked(opened, "dlogits", source)
    assert verdict.diagnosis == (
        "The cell works on this minibatch of 32 rows, but stops on a batch of 19 of them. "
        "`F.one_hot(Yb + (n == 32))` has only so many columns as its largest label here needs."
    )
    assert verdict.mistake is Mistake.BATCH


class TestAStopIsAStop:
    """A half-made answer is not judged: the error comes first, with its line."""

    STOPS: ClassVar = {
        "a typo between zeros and their loop": (
            "dC",
            "dC = torch.zeros_like(C)\nrows = dembb.view(-1, 10)\nfor k, row in zip(Xb.view(-1), rows):\n    dC[k] += row",
            "The cell for `dC` stopped in line 2, `rows = dembb.view(-1, 10)`. "
            "There is no `dembb` here. The closest name is `demb`.",
        ),
        "the line that adds to a copy": (
            "dlogits",
            "dlogits = dnorm_logits.clone()\ndlogits += F.one_hot(Yb, num_clases=27)",
            "The cell for `dlogits` stopped in line 2, `dlogits += F.one_hot(Yb, num_clases=27)`. "
            "`one_hot` knows no argument `num_clases`. The closest that it knows is `num_classes`.",
        ),
        "a line that a later one needs": (
            "dcounts",
            "dcounts = counts_sum_inv * dprobs\nwide = torch.ones((BATCH, vocab_size)) * dcounts_sum\ndcounts += wide",
            "The cell for `dcounts` stopped in line 2, `wide = torch.ones((BATCH, vocab_size)) * dcount…`. "
            "There is no `BATCH` here. The closest name is `batch`.",
        ),
        "an unknown name in the only line": (
            "dcounts",
            "dcounts = counts_sum_inv * dprobs + torch.ones((ROWS, vocab_size)) * dcounts_sum",
            "The cell for `dcounts` stopped in line 1, `dcounts = counts_sum_inv * dprobs + torch.ones(…`. "
            "There is no `ROWS` here, and no name like it.",
        ),
        "the stub's line in between": (
            "dprobs",
            "dprobs = dlogprobs.clone()\nraise NotImplementedError()\ndprobs /= probs",
            "The cell for `dprobs` stopped in line 2, `raise NotImplementedError()`. "
            "`raise NotImplementedError()` still stands in the cell, and stops it there.",
        ),
    }

    @pytest.mark.parametrize("what", STOPS)
    def test_the_error_comes_first(self, what: str, opened: Lesson) -> None:
        name, source, diagnosis = self.STOPS[what]
        verdict = checked(opened, name, source)
        assert (verdict.outcome, verdict.diagnosis) == (Outcome.COULD_NOT_TELL, diagnosis)

    def test_a_finished_answer_is_judged(self, opened: Lesson) -> None:
        verdict = checked(opened, "dprobs", "dprobs = dlogprobs / probs\nprint(dprobs.shap)")
        assert verdict.outcome is Outcome.RIGHT
        assert verdict.notes[-1] == (
            "Your cell works out `dprobs`, and stops after that with AttributeError: 'Tensor' object has no attribute 'shap'."
        )


@pytest.fixture(scope="module")
def halted() -> Lesson:
    """Notebook 1 with a bracket too many in the first answer, so that all cells after it stop."""
    lesson = Lesson(STEPS, solved=False)
    for name, source in lesson.solutions.items():
        lesson.run("dlogprobs = torch.zeros_like(logprobs))" if name == "dlogprobs" else source, id=name)
    return lesson


class TestAnEarlierCellStops:
    """One mistake costs one exercise: each cell after it is judged alone, with random gradients for those that are missing."""

    WAITING: ClassVar = {
        "a typo": ("dnorm_logits", "dnorm_logits = dcounts * torch.exp(norm_logit)", "The closest name is `norm_logits`."),
        "shapes": ("dh", "dh = dlogits @ W2", "`dlogits` is (32, 27) and `W2` is (64, 27)"),
        "a function": ("dnorm_logits", "dnorm_logits = dcounts * torch.Exp(norm_logits)", "The closest that it has is `exp`."),
        "a keyword": ("db2", "db2 = dlogits.sum(0, keepdims=true)", "There is no `true` here. The closest name is `True`."),
        "a view": ("demb", "demb = dembcat.view(emb)", "`view` takes other arguments than it gets in that line"),
        "an axis": ("db1", "db1 = dhprebn.sum(2)", "There is no axis 2"),
        "another gradient": ("dh", "dh = dlogits @ W2.T * dprobs", "`dprobs` has no value, because its own cell stopped"),
    }

    @pytest.mark.parametrize("what", WAITING)
    def test_its_own_error_comes_first(self, what: str, halted: Lesson) -> None:
        name, source, told = self.WAITING[what]
        verdict = checked(halted, name, source)
        assert told in verdict.diagnosis
        assert "is not there yet" not in verdict.diagnosis
        assert "NameError: name 'd" not in verdict.seen or what == "another gradient"
        assert 20 <= len(as_text(verdict).split()) <= 80

    def test_the_first_cell_to_fix_is_named(self, halted: Lesson) -> None:
        name, source, _ = self.WAITING["another gradient"]
        step = checked(halted, name, source).next_step
        assert step == f"Get the cell of `dlogprobs` to run first, and then those after it. {RERUN}"

    @pytest.mark.parametrize(
        ("form", "outcome"), [("dh = dlogits @ W2.T", Outcome.RIGHT), ("dh = -dlogits @ W2.T", Outcome.WRONG)]
    )
    def test_what_runs_is_judged(self, form: str, outcome: Outcome, halted: Lesson) -> None:
        assert checked(halted, "dh", form).outcome is outcome


@pytest.mark.parametrize(
    ("name", "source", "line", "seen"),
    [
        ("dlogprobs", "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1 / n\nreturn", 3, "return"),
        ("dcounts_sum", "dcounts_sum = unknown\nreturn dcounts_sum", 2, "return"),
        ("dcounts_sum", "dcounts_sum = unknown\nbreak", 2, "break"),
    ],
)
def test_a_cell_that_is_not_python_says_so_though_lines_above_ran(
    name: str, source: str, line: int, seen: str, opened: Lesson
) -> None:
    verdict = checked(opened, name, source)
    assert verdict.diagnosis.startswith(f"The cell for `{name}` stopped in line {line}, `{seen}")
    assert verdict.seen.startswith(f"SyntaxError: '{seen}' outside")


def test_in_a_terminal_the_next_step_is_a_save(opened: Lesson) -> None:
    verdict = checked(opened, "dW2", "dW2 = h.T @ dlogitz")
    assert verdict.next_step == "Write `dlogits`, if that is what you mean. Then run the cell again."
    assert verdict.when_saved().next_step == "Write `dlogits`, if that is what you mean. Then save the notebook."


def test_a_gradient_that_comes_later_is_no_source(opened: Lesson) -> None:
    opened.run("del dcounts")
    assert checked(opened, "dprobs", "dprobs = dcounts / counts_sum_inv").diagnosis.endswith(
        "`dcounts` comes after `dprobs` on the way back from the loss, so nothing can be worked out from it here."
    )
    opened.run(opened.solutions["dcounts"], id="dcounts")
