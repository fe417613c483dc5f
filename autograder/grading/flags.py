"""What in a submission an instructor may want to look at: flags from reading the cells as text, which is never run.

A flag is a place to look at and takes no marks away. Code that hides well enough is not seen: the room and the examiner
hold whatever this scan finds.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Kind(StrEnum):
    """What a flag is about; the value says so."""

    AUTOGRAD = "autograd"
    STORED_GRADIENT = "stored gradient"
    OWN = "differentiation of one's own"
    INTROSPECTION = "introspection"
    REPLACED = "replaced"
    NATIVE = "native code"
    PROCESSES = "processes"
    NETWORK = "network"
    FILES = "files"
    PICKLE = "pickle"
    DYNAMIC = "code made at run time"
    UNREADABLE = "not read"


@dataclass(frozen=True)
class Flag:
    """A place in a cell to look at, and why: `line` counts from 1, `code` is a short piece of that line."""

    kind: Kind
    cell: str
    line: int
    code: str
    sentence: str


# fmt: off
TABLE: tuple[tuple[Kind | None, str, str], ...] = (
    (Kind.AUTOGRAD, "Asks a library for a gradient; autograd is off where the cells are judged.",
     "torch.autograd torch.func torch.nn.grad torch._functorch torch._C torch._make_dual functorch jax autograd tensorflow"
     " tinygrad micrograd .*backward* .autograd ._execution_engine .grad_fn .next_functions .vjp .jvp .jacrev .jacfwd"),
    (Kind.STORED_GRADIENT, "Reads `.grad`, where autograd leaves its results; it holds only what the student stored there.",
     ".grad ._grad"),
    (Kind.OWN, "May differentiate by itself: by complex steps, by a class that calculates, by symbols. That is maths.",
     "torch.complex* torch.cfloat torch.cdouble torch.view_as_complex torch.gradient numpy.complex* numpy.gradient"
     " builtins.complex cmath sympy scipy.differentiate scipy.optimize.approx_fprime numdifftools .imag"),
    (Kind.INTROSPECTION, "Looks inside Python, IPython or the grader.",
     "sys._* sys.modules sys.set* sys.*hook* sys.meta_path inspect gc.get_* os.environ* os.getenv* psutil autograder.*"
     " IPython.core .__globals__ .__code__ .__closure__ .__subclasses__ .__bases__ .__mro__ .__builtins__ .__getattribute__"
     " .cell_contents .f_back .f_globals .f_locals .f_builtins .*_frame ._getframe .user_*ns .*_transformers*"),
    (Kind.REPLACED, "Gives a new meaning to something that tests may use; the tests run elsewhere, with their own.",
     "unittest.mock mock wrapt forbiddenfruit torch.overrides torch.library .__setattr__ .__delattr__ .__torch_*__"),
    (Kind.NATIVE, "Reaches memory or machine code past Python.",
     "ctypes _ctypes cffi mmap fcntl numpy.ctypeslib torch.utils.cpp_extension torch.utils.dlpack torch.*.load_library"
     " torch.compile torch.jit torch._dynamo torch._inductor torch._C._construct_storage_from_data_pointer _imp .create_dynamic"
     " importlib.machinery.ExtensionFileLoader .data_ptr .__array_interface__ .__array_struct__ %cython"),
    (Kind.PROCESSES, "Starts or steers processes, threads or signals; the room ends them with the submission.",
     "subprocess multiprocessing torch.multiprocessing concurrent.futures threading _thread signal pty atexit resource joblib"
     " os.exec* os.*spawn* os.fork* os.kill* os._exit os.abort os.set* os.pi* os.dup* os.ptrace os.unshare .system .popen"
     " .getoutput %! %*sh %script %system %sx %cmd %perl %ruby %py*"),
    (Kind.NETWORK, "Asks for the network, which the room does not have.",
     "socket socketserver ssl urllib urllib3 requests http httpx aiohttp ftplib smtplib xmlrpc websocket websockets paramiko"
     " gdown wget pip torch.hub torch.distributed %pip %conda %mamba %uv"),
    (Kind.FILES, "Reads or writes a file: the room has only the submission's own files.",
     "builtins.open io.open* codecs.open pathlib shutil glob tempfile sqlite3 zipfile tarfile h5py os.open os.listdir"
     " os.scandir os.walk os.re* os.write* os.unlink os.mk* os.rmdir os.*link os.ch* os.stat torch.load torch.save"
     " torch.from_file numpy.load* numpy.save* numpy.memmap numpy.fromfile pandas.read_* PIL.Image.open .savefig .read_text"
     " .write_text .read_bytes .write_bytes .tofile .to_csv %cd %ls %cat %mkdir %rmdir %rm %cp %mv %writefile %load %run"),
    (Kind.PICKLE, "Uses pickle or its hooks; nothing from the room is ever unpickled.", "pickle _pickle dill cloudpickle"
     " marshal shelve copyreg torch.serialization pandas.read_pickle .__reduce*__ .__setstate__ .to_pickle"),
    (Kind.DYNAMIC, "Runs or looks up code that is given as text, which this scan does not read.",
     "builtins.eval builtins.exec builtins.compile builtins.__import__ importlib.import_module importlib.__import__ runpy"
     " importlib.util importlib.machinery code codeop types.FunctionType types.CodeType .run_cell*"),
    (Kind.UNREADABLE, "Too long or too deeply nested to be read here: look at it yourself.", ""),
    (None, "Harmless, whatever a shorter name says.",
     "torch.autograd.*_grad* torch.autograd.*_mode torch.autograd.*detect_anomaly torch.autograd.profiler torch.func.vmap"
     " torch.func.functional* IPython.core.display autograder.build_dataset autograder.load_names autograder.vocabulary"
    " autograder.exam_generator"
     " autograder.__version__ autograder.check autograder.grade autograder.hint autograder.progress autograder.solution"),
)
# fmt: on
"""Dotted names with all beneath them, attributes of any object (`.name`) and magics (`%name`); `*` is a part of a name.
The longest that fits counts. Attributes that a class of the student's defines are the student's."""
SENTENCES = {kind: sentence for kind, sentence, _ in TABLE if kind}
NAMES = sorted(((name, kind) for kind, _, names in TABLE for name in names.split()), key=lambda pair: -len(pair[0]))
PATTERN = re.compile("|".join("(" + re.escape(name).replace(r"\*", "[^.]*") + r")(?=\.|$)" for name, _ in NAMES))

USUAL = {"torch": "torch", "F": "torch.nn.functional", "nn": "torch.nn", "np": "numpy"}
GUARDED = {"check": "autograder", "grade": "autograder", "hint": "autograder", "torch": "torch"}
SHARED = ("torch", "builtins", "autograder", "numpy")
"""Names that locked cells bind; names that tests use, and where they come from; modules in which no answer sets anything."""
MAX_CELL, MAX_CELLS, MAX_CODE = 100_000, 200_000, 60
"""Characters of a cell that is read, of all cells that are read together, and of the code in a flag."""
ARITHMETIC = {f"__{side}{name}__" for side in ("", "r") for name in ("add", "sub", "mul", "truediv", "matmul", "pow")}
"""Methods of which a class has at least two that calculates with its own objects, as dual numbers and small engines do."""
OWN_MEMORY = re.compile(r"/proc/[^/]{1,20}/(mem|maps)\b")
MAGIC = re.compile(
    r"([ \t]*)(?:\w[\w., \t]*=[ \t]*)?(%%?|!!?|(?=pip |conda ))[ \t]*(\w*)[ \t]*(?:-\w+(?:[ \t]+\d+)?[ \t]+)*(.*)"
)
MEMBERS = re.compile(r"^[ \t]+(?:async )?def (\w+)|\bself\.(\w+) *=(?!=)", re.MULTILINE)


def scan(cells: Iterable[tuple[str, str]]) -> list[Flag]:
    """The flags of a student's cells, given as (id, source) in order. Raises nothing, whatever the text.

    Names are followed from cell to cell. Locked cells are not read: the usual names that they bind are known (`torch`, `F`).
    """
    texts = [(cell, source.replace("\r\n", "\n").replace("\r", "\n")) for cell, source in cells]
    members = {name for _, source in texts for found in MEMBERS.findall(source[:MAX_CELL]) for name in found}
    visitor, left = _Visitor(members), MAX_CELLS
    for index, (cell, source) in enumerate(texts):
        visitor.index, visitor.cell = index, cell
        try:
            if len(source) > min(MAX_CELL, left):
                raise MemoryError
            left -= len(source)
            visitor.read(source)
        except (RecursionError, MemoryError):
            visitor.add(Kind.UNREADABLE, 1, 0, source)
    return [flag for _, flag in sorted(visitor.flags.items(), key=lambda item: item[0])]


def summary(flags: Iterable[Flag]) -> list[str]:
    """One line for each kind: the first place that is no import, if there is one, and how many more there are."""
    lines, flags = [], list(flags)
    for found in filter(None, ([flag for flag in flags if flag.kind is kind] for kind in Kind)):
        first, others = min(found, key=lambda flag: flag.code.startswith(("import ", "from "))), len(found) - 1
        more = f", and {others} more place{'s' if others > 1 else ''}" if others else ""
        lines.append(f"{first.kind}: {_shortened(first.cell)} line {first.line} `{first.code}`{more}")
    return lines


def _shortened(text: str) -> str:
    """On one line, and without characters that a terminal obeys."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 8 * MAX_CODE]).split())
    return text if len(text) <= MAX_CODE else text[: MAX_CODE - 1] + "…"


@lru_cache(maxsize=1_000)
def _kind(name: str) -> tuple[Kind | None, bool]:
    """The kind that the table has for a dotted name, and whether it has the name at all: a harmless one has no kind."""
    found = PATTERN.match(name)
    return (NAMES[found.lastindex - 1][1], True) if found and found.lastindex else (None, False)


def _tree(source: str) -> ast.Module | None:
    with warnings.catch_warnings(), suppress(SyntaxError, ValueError, OverflowError):  # what is not Python is not run either
        warnings.simplefilter("ignore")
        return ast.parse(source)
    return None


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement of a class binds, by `def` or by `=`."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [getattr(node, "name", ""), *(target.id for target in targets if isinstance(target, ast.Name))]


class _Visitor(ast.NodeVisitor):
    """Reads cells in order. The visit of a name returns what it stands for: a dotted name, "own" or "", which says nothing."""

    def __init__(self, members: set[str]) -> None:
        self.members, self.index, self.cell = members, 0, ""
        self.scopes: list[dict[str, str]] = [{}]
        self.flags: dict[tuple[int, int, int, Kind], Flag] = {}  # one of a kind for all code that begins in a place

    def read(self, source: str) -> None:
        """Reads a cell. Raises RecursionError or MemoryError where the text is nested too deeply."""
        del self.scopes[1:]
        if not (tree := _tree(source)):
            source = "\n".join(self.without_magics(textwrap.dedent(source)))
            tree = _tree(source)
        self.lines = source.encode(errors="replace").split(b"\n")
        self.visit(tree or ast.Pass())

    def without_magics(self, source: str) -> Iterator[str]:
        """The lines of a cell as Python. Where a line begins with a magic, the code behind that takes its place."""
        for number, line in enumerate(source.split("\n"), 1):
            if not (found := MAGIC.match(line)):
                yield "pass" if line.rstrip().endswith("?") else line
                continue
            indent, sign, name, code = found.groups()
            if kind := _kind("%!" if "!" in sign else f"%{name}")[0]:
                self.add(kind, number, 0, source if sign == "%%" else line)
                if sign == "%%":
                    return  # the lines below are no Python
            yield indent + (code if code and not kind and sign != "%%" and _tree(code) else "pass")

    def add(self, kind: Kind, line: int, column: int, code: str) -> None:
        self.flags[self.index, line, column, kind] = Flag(kind, self.cell, line, _shortened(code), SENTENCES[kind])

    def flag(self, node: ast.expr | ast.stmt, kind: Kind) -> None:
        line = b"".join(self.lines[node.lineno - 1 : node.lineno])  # Python may place a part of an f-string elsewhere
        self.add(kind, node.lineno, node.col_offset, line[node.col_offset :].decode(errors="replace"))

    def meaning(self, node: ast.expr | ast.stmt, name: str, attribute: str = "") -> str:
        """Flags a place that reads a dotted name as the table says, or else as it says of the last attribute.

        Returns the name, cut off where it is long: names are built up along a chain of attributes.
        """
        kind, is_known = _kind(name)
        if not is_known and attribute and (attribute not in self.members or name.split(".")[0] in SHARED):
            kind, _ = _kind(f".{attribute}")
        elif is_known and attribute:  # `torch.func` in `torch.func.vmap`
            for shorter in Kind:
                self.flags.pop((self.index, node.lineno, node.col_offset, shorter), None)
        if kind:
            self.flag(node, kind)
        return name[:200]

    def bind(self, node: ast.expr | ast.stmt, name: str, means: str = "") -> str:
        """Remembers what a name stands for from here on, and flags a new meaning of a name that tests use."""
        if len(self.scopes) == 1 and means and name in GUARDED and means.split(".")[0] != GUARDED[name]:
            self.flag(node, Kind.REPLACED)
        self.scopes[-1][name] = means
        return means

    def visit_Name(self, node: ast.Name) -> str:
        if not isinstance(node.ctx, ast.Load):
            return self.bind(node, node.id)
        usual = USUAL.get(node.id) or (f"builtins.{node.id}" if hasattr(builtins, node.id) else "")
        return self.meaning(node, next((scope[node.id] for scope in reversed(self.scopes) if node.id in scope), usual))

    def visit_Attribute(self, node: ast.Attribute) -> str:
        owner = self.visit(node.value) or ""
        if isinstance(node.ctx, ast.Load):
            return self.meaning(node, owner and f"{owner}.{node.attr}", node.attr)
        is_shared = owner.split(".")[0] in SHARED and not owner.startswith("torch.backends")
        kind, _ = _kind(f".{node.attr}")
        if is_shared or node.attr == "__class__" or kind is Kind.INTROSPECTION:
            self.flag(node, Kind.REPLACED)
        elif kind is Kind.NATIVE:
            self.flag(node, kind)
        return ""

    def visit_Assign(self, node: ast.Assign) -> None:
        means = self.visit(node.value) or ""
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.bind(target, target.id, means)
            else:
                self.visit(target)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            name, root = self.meaning(node, alias.name), alias.name.split(".")[0]
            self.bind(node, alias.asname or root, name if alias.asname else root)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self.bind(node, alias.asname or alias.name, self.meaning(node, f"{node.module}.{alias.name}"))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda) -> str:
        if not isinstance(node, ast.Lambda):
            self.bind(node, node.name, "own")
        self.scopes.append({})
        self.generic_visit(node)
        self.scopes.pop()
        return "own"

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> str:
        bound = {name for each in node.body for name in _bound(each)}
        if len(ARITHMETIC & bound) > 1:
            self.flag(node, Kind.OWN)
        if any(_kind(f".{name}")[0] is Kind.NATIVE for name in bound):
            self.flag(node, Kind.NATIVE)
        return self.visit_FunctionDef(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, complex):
            self.flag(node, Kind.OWN)
        if isinstance(node.value, str) and OWN_MEMORY.search(node.value):
            self.flag(node, Kind.NATIVE)

    def visit_arg(self, node: ast.arg) -> None:
        self.scopes[-1][node.arg] = ""
