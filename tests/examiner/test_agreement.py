"""A cell gets the same verdict in the same words in a kernel, as JupyterLab has, and in a room, as `grade` and `check` have.

Each row is a thing that students' cells do. What differs on purpose is a row too, with what the room says.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import nbclient
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.course.cells import Cell
from tests.examiner.test_examiner import ExamRunner, locked, student, test
from tests.support.rooms import linux

pytestmark = linux

SETUP = """%load_ext autograder
import torch
from autograder import check
n = 4
X = torch.arange(12.).reshape(4, 3) / 10
W = torch.arange(6.).reshape(3, 2) / 10
dz = torch.ones(4, 2) / 8"""
FORWARD = "%%forward --batch n X\ny = X @ W\nz = y.tanh()\nloss = z.mean()"

RIGHT = "dy = dz * (1 - z**2)"
AWAITED = "import time; time.sleep(0.5)"
"""A kernel shows a little later what goes past Python's streams."""
BODY = "    h = (X @ W).tanh()\n    return {'W': X.T @ ((1 - h**2) / h.numel())}"
BACKWARD = f"def backward(X, W):\n{BODY}"
TEXT = "torch.jit.CompilationUnit('def f(h):\\n  return 1 - h * h\\n')"
AUTOGRAD_OFF = "AutogradOff: autograd is switched off while the notebook is graded: derive the gradient by hand"
SCRIPT_OFF = (
    "ScriptOff: scripts from text or files are switched off while the notebook is graded, since they can differentiate: "
    "write a Python function"
)


class Row(NamedTuple):
    """A cell that answers `dy`, or `dW` by a function `backward`, and a part of the verdict.

    `room` is in what the cell shows in the room, where that differs from what it shows in a kernel.
    """

    source: str
    verdict: str = "✓ d"
    room: str = ""


PORT, HOST_FILE = "{PORT}", "{HOST_FILE}"

ROWS: dict[str, Row] = {
    # what torch makes of functions
    "compile": Row("@torch.compile(backend='eager')\ndef back(dz, z):\n    return dz * (1 - z**2)\ndy = back(dz, z)"),
    "compiled in another cell": Row("dy = back(dz, z)"),
    "compile a module": Row("net = torch.compile(torch.nn.Tanh(), backend='eager')\ndy = dz * (1 - net(y)**2)"),
    "jit.script": Row(
        "@torch.jit.script\ndef scripted(dz: torch.Tensor, z: torch.Tensor):\n    return dz * (1 - z**2)\ndy = scripted(dz, z)"
    ),
    "scripted in another cell": Row("dy = scripted(dz, z)"),
    "jit.script of a module": Row("dy = dz * (1 - torch.jit.script(torch.nn.Tanh())(y)**2)"),
    "jit.trace": Row("dy = torch.jit.trace(lambda dz, z: dz * (1 - z**2), (dz, z))(dz, z)"),
    "vmap": Row("dy = torch.vmap(lambda a, b: a * (1 - b**2))(dz, z)"),
    "functional_call": Row("dy = dz * (1 - torch.func.functional_call(torch.nn.Tanh(), {}, y)**2)"),
    "fx": Row("from torch import fx\ndy = fx.symbolic_trace(lambda dz, z: dz * (1 - z**2))(dz, z)"),
    "export": Row(
        "class Back(torch.nn.Module):\n    def forward(self, dz, z):\n        return dz * (1 - z**2)\n"
        "dy = torch.export.export(Back(), (dz, z)).module()(dz, z)"
    ),
    "checkpoint": Row(
        "from torch.utils.checkpoint import checkpoint\n"
        "dy = checkpoint(lambda a, b: a * (1 - b**2), dz, z, use_reentrant=False)"
    ),
    "a function compiled": Row(f"@torch.compile(backend='eager')\n{BACKWARD}"),
    "a function scripted": Row(
        f"from typing import Dict\n@torch.jit.script\ndef backward(X, W) -> Dict[str, torch.Tensor]:\n{BODY}"
    ),
    # processes, threads, files
    "DataLoader": Row(
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "dy = torch.cat([a * (1 - b**2) for a, b in DataLoader(TensorDataset(dz, z), batch_size=2)])"
    ),
    "DataLoader with workers": Row(
        "dy = torch.cat([a * (1 - b**2) for a, b in DataLoader(TensorDataset(dz, z), batch_size=2, num_workers=2)])"
    ),
    "multiprocessing": Row(
        "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(1) as pool:\n"
        "    one = pool.map(abs, [-1])[0]\ndy = one * dz * (1 - z**2)"
    ),
    "multiprocessing by spawn": Row(
        "with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "    one = pool.map(abs, [-1])[0]\ndy = one * dz * (1 - z**2)"
    ),
    "threads": Row(
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool:\n"
        "    dy = torch.stack(list(pool.map(lambda pair: pair[0] * (1 - pair[1]**2), zip(dz, z))))"
    ),
    "subprocess": Row(f"import subprocess\nsubprocess.run(['echo', 'from a child'], check=True)\n{RIGHT}\n{AWAITED}"),
    "save and load": Row("torch.save(z, 'z.pt')\ndy = dz * (1 - torch.load('z.pt')**2)"),
    # tensors that are not ordinary
    "sparse": Row("dy = (dz * (1 - z**2)).to_sparse()", "It is a sparse_coo tensor, not an ordinary dense tensor."),
    "sparse, by rows": Row("dy = (dz * (1 - z**2)).to_sparse_csr()", "seen: a sparse_csr tensor"),
    "meta": Row("dy = (dz * (1 - z**2)).to('meta')", "seen: a tensor on meta"),
    "quantized": Row("dy = torch.quantize_per_tensor(dz, 0.1, 0, torch.qint8)", "seen: a quantized tensor of qint8"),
    "nested": Row("dy = torch.nested.nested_tensor(list(dz))", "seen: a nested tensor"),
    "jagged": Row("dy = torch.nested.nested_tensor(list(dz), layout=torch.jagged)", "seen: a nested tensor"),
    "masked": Row("import torch.masked\ndy = torch.masked.masked_tensor(dz, z > 0)", "seen: a `MaskedTensor`"),
    "mkldnn": Row("dy = dz.to_mkldnn()", "seen: a tensor of layout mkldnn"),
    "a function with a sparse answer": Row(
        BACKWARD.replace("X.T @ ((1 - h**2) / h.numel())", "W.to_sparse()"), "seen: a sparse_coo tensor"
    ),
    "bfloat16": Row("dy = dz.bfloat16()", "It is of bfloat16, which has too few digits."),
    "float16": Row("dy = dz.half()", "It is of float16, which has too few digits."),
    "float8": Row("dy = dz.to(torch.float8_e4m3fn)", "It is a tensor of float8_e4m3fn, not an ordinary dense tensor."),
    "complex": Row("dy = dz.to(torch.complex64)", "A gradient is a floating-point tensor, and this is one of complex64."),
    "int": Row("dy = dz.int()", "A gradient is a floating-point tensor, and this is one of int32."),
    "bool": Row("dy = dz.bool()", "and this is one of bool."),
    "float64": Row("dy = (dz * (1 - z**2)).double()"),
    "autocast": Row("with torch.autocast('cpu', torch.bfloat16):\n    dy = dz * (1 - z**2)"),
    # what is no tensor, and tensors of other kinds
    "numpy": Row("dy = (dz * (1 - z**2)).numpy()", "Use torch where you use numpy"),
    "list": Row("dy = (dz * (1 - z**2)).tolist()", "seen: type `list`"),
    "tuple": Row("dy = dz * (1 - z**2),", "Is there a comma"),
    "object": Row("class Box:\n    pass\ndy = Box()", "seen: type `Box`"),
    "generator": Row("dy = (row for row in dz)", "seen: type `generator`"),
    "parameter": Row("dy = torch.nn.Parameter(dz * (1 - z**2))"),
    "requires_grad": Row("dy = (dz * (1 - z**2)).requires_grad_()"),
    "with a graph": Row("with torch.enable_grad():\n    dy = dz * (1 - z**2) * torch.ones((), requires_grad=True)"),
    "not contiguous": Row("dy = (dz * (1 - z**2)).T.contiguous().T"),
    "view": Row("dy = torch.stack([z, dz * (1 - z**2)])[1]"),
    "negative view": Row("dy = torch.complex(z, -dz * (1 - z**2)).conj().imag"),
    "inference": Row("with torch.inference_mode():\n    dy = dz * (1 - z**2)"),
    "subclass": Row("class Mine(torch.Tensor):\n    pass\ndy = (dz * (1 - z**2)).as_subclass(Mine)"),
    # what a cell shows, and what it keeps for others
    "warnings": Row(f"import warnings\nwarnings.warn('careful')\n{RIGHT}"),
    "stderr": Row(f"import sys\nprint('oh', file=sys.stderr)\n{RIGHT}"),
    "logging": Row(f"import logging\nlogging.warning('careful')\n{RIGHT}"),
    "logging again": Row(f"logging.error('again')\n{RIGHT}"),
    "a handler": Row(
        f"log = logging.getLogger('mine')\nlog.propagate = False\nlog.addHandler(logging.StreamHandler(sys.stdout))\n{RIGHT}"
    ),
    "a handler of another cell": Row(f"log.error('by the handler')\n{RIGHT}"),
    "a stream kept": Row(f"kept = sys.stdout\nprint('kept', file=kept)\n{RIGHT}"),
    "a stream of another cell": Row(f"print('later', file=kept)\n{RIGHT}"),
    "the process's own output": Row(f"import os\nos.write(2, b'bytes\\n')\n{RIGHT}\n{AWAITED}"),
    "no output of the one before": Row(RIGHT),
    "a function by position": Row(BACKWARD.replace("X, W", "*args").replace("    h", "    X, W = args\n    h", 1)),
    "a function with other names": Row(BACKWARD.replace("X, W", "x, w").replace("    h", "    X, W = x, w\n    h", 1)),
    "a function that reads the rows from outside": Row(
        BACKWARD.replace("h.numel()", "(2 * n)"),
        "`n` is 4, from outside of `backward`. So `backward` works on this minibatch, but is wrong on another one of 8 rows.",
    ),
    "a function that reads them from another cell": Row(
        f"rows = n\n{BACKWARD.replace('h.numel()', '(2 * rows)')}", "next: Begin `backward` with `rows = X.shape[0]`."
    ),
    "a function without one of its parameters": Row(
        BACKWARD.replace("X, W", "W"), "The parameter `X` is missing from the first line of `backward`."
    ),
    "a wrong function by position": Row(
        "def backward(*args):\n    X, W = args\n    z = (X @ W).tanh()\n    dz = -torch.ones_like(z) / z.numel()\n"
        "    dy = dz * (1 - z**2)\n    return {'W': X.T @ dy}",
        "In `backward`, `dz` is the first that is wrong. It has the wrong sign.",
    ),
    "a function that stops": Row(
        BACKWARD.replace("return", "if True:\n        return").replace("numel", "numl"),
        "It stops at `return {'W': X.T @ ((1 - h ** 2) / h.numl())}`. A tensor has no `.numl`. "
        "The closest that it has is `.numel`.",
    ),
    "the rows from another cell": Row("dy = dz * (1 - z**2) * n / rows", "`rows` is 4 there too, from another cell."),
    "a function that logs": Row(
        BACKWARD.replace("    h =", "    logging.warning('called')\n    print('called', file=kept)\n    h =")
    ),
    "%%time": Row(f"%%time\n{RIGHT}"),
    "%%capture": Row(f"%%capture shown\nprint('hidden')\n{RIGHT}"),
    "%timeit": Row(f"%timeit -n 1 -r 1 z.tanh()\n{RIGHT}"),
    "display": Row(f"handle = display('old', display_id='here')\nhandle.update('new')\n{RIGHT}"),
    "an update in another cell": Row(f"handle.update('newer')\n{RIGHT}"),
    "await": Row("async def answer():\n    return dz * (1 - z**2)\ndy = await answer()"),
    # what differs on purpose
    "backward": Row(
        "leaf = y.clone().requires_grad_()\n(leaf.tanh() * dz).sum().backward()\ndy = leaf.grad", "autograd", AUTOGRAD_OFF
    ),
    "autograd.grad": Row(
        "leaf = y.clone().requires_grad_()\ndy = torch.autograd.grad(leaf.tanh(), leaf, dz)[0]",
        "The cell takes it from autograd, which is switched off while an answer is checked.",
        AUTOGRAD_OFF,
    ),
    "func.vjp": Row("dy = torch.func.vjp(torch.tanh, y)[1](dz)[0]", "The cell takes it from autograd", AUTOGRAD_OFF),
    "a script from text": Row(
        f"dy = dz * {TEXT}.f(z)", "The cell makes a script from text or from a file, which is switched off", SCRIPT_OFF
    ),
    "a script from text in a function": Row(
        BACKWARD.replace("1 - h**2", f"{TEXT}.f(h)"), "`backward` makes a script from text or from a file"
    ),
    "the network": Row(
        f"{RIGHT}\nimport socket\nsocket.create_connection(('127.0.0.1', {PORT}), 2).close()", "✓ d", "Connection"
    ),
    "files of the machine": Row(f"{RIGHT}\nopen({HOST_FILE!r}).close()", "✓ d", "FileNotFoundError"),
}


def asked(row: Row) -> str:
    """The test for a row."""
    return "check('dW', 'backward')" if "def backward" in row.source else "check('dy')"


def shown(outputs: Sequence[Any]) -> str:
    """What a cell showed, without what is never the same twice: times, names of files, how a stream came in pieces."""
    pieces: list[tuple[str, str]] = []
    for output in outputs:
        match output["output_type"]:
            case "stream" if pieces and pieces[-1][0] == output["name"]:
                pieces[-1] = output["name"], pieces[-1][1] + output["text"]
            case "stream":
                pieces.append((output["name"], output["text"]))
            case "error":
                pieces.append(("error", f"{output['ename']}: {output['evalue']}"))
            case _:
                pieces.append(("shown", output["data"]["text/plain"]))
    text = "\n".join(map(": ".join, pieces))
    return re.sub(r"/tmp/ipykernel\S+\.py|<ipython-input-\S+?>|0x\w+|[\d.]+ [mnμu]?s\b", "#", text)


@dataclass
class Both:
    """What each cell showed in a kernel and in a room, with that of its test, by the name of the row."""

    kernel: dict[str, tuple[str, str]]
    room: dict[str, tuple[str, str]]


def by_row(outputs: Sequence[Sequence[Any]]) -> dict[str, tuple[str, str]]:
    texts = [shown(each) for each in outputs[2:]]
    return {name: pair for name, pair in zip(ROWS, zip(texts[::2], texts[1::2], strict=True), strict=True)}


@pytest.fixture(scope="module")
def both(examine: ExamRunner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "mine.txt").write_text("a file")
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = {PORT: str(server.getsockname()[1]), HOST_FILE: str(folder / "mine.txt")}
        tasks = [locked(SETUP), locked(FORWARD), *(cell for row in ROWS.values() for cell in cells_of(row, place))]
        nb = new_notebook(cells=[new_code_cell(task.source, id=f"cell-{number}") for number, task in enumerate(tasks)])
        # ipykernel does not show what goes past Python where it finds itself in a test
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        resources = {"metadata": {"path": str(folder)}}
        nbclient.NotebookClient(nb, timeout=120, allow_errors=True, resources=resources).execute(env=environment)
        told = examine(*tasks, seed="", cell_seconds=60, memory=2**32)  # all rows are one notebook, and compilers take much
    yield Both(by_row([cell.outputs for cell in nb.cells]), by_row(told.outputs))


def cells_of(row: Row, place: dict[str, str]) -> tuple[Cell, Cell]:
    source = row.source
    for name, value in place.items():
        source = source.replace(name, value)
    return student(source, "backward" if "def backward" in source else "dy"), test(asked(row))


@pytest.mark.parametrize("name", ROWS)
def test_a_kernel_and_a_room_say_the_same(name: str, both: Both) -> None:
    row, (kernel_cell, kernel_test), (room_cell, room_test) = ROWS[name], both.kernel[name], both.room[name]
    assert row.verdict in room_test
    if row.room:
        assert row.room in room_cell
        assert row.room not in kernel_cell
        room_test = re.sub(r"\n  note: Your cell works out `dy`, and stops after that .*", "", room_test)
    else:
        assert room_cell == kernel_cell
    assert room_test == kernel_test


def test_there_are_many_rows() -> None:
    assert len(ROWS) >= 60


def test_a_verdict_shows_nothing_that_the_answer_prints(both: Both) -> None:
    printed = [text for _, text in [*both.kernel.values(), *both.room.values()] if "stdout" in text or "stderr" in text]
    assert printed == []
