"""Names that an instructor may want to see in a submission: what stands behind a dotted name, as rows.

A value is known by its paths: dotted names from a module on, `?.name` for a member of some object, and "?", which says nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, reduce
from typing import NamedTuple


class Kind(StrEnum):
    AUTOGRAD = "autograd"
    STORED_GRADIENT = "stored gradient"
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
    """A place in a cell: `line` counts from 1, `code` is a short piece of it."""

    kind: Kind
    cell: str
    line: int
    code: str
    sentence: str


SENTENCES = {
    Kind.AUTOGRAD: "Asks a library for a gradient; autograd is off where the cells are judged.",
    Kind.STORED_GRADIENT: "Reads `.grad`, where autograd leaves its results; it holds only what the student stored there.",
    Kind.INTROSPECTION: "Looks inside Python, IPython or the grader.",
    Kind.REPLACED: "Gives a new meaning to something that tests may use; the tests run elsewhere, with their own.",
    Kind.NATIVE: "Reaches memory or machine code past Python.",
    Kind.PROCESSES: "Starts or steers processes, threads or signals; the room ends them with the submission.",
    Kind.NETWORK: "Asks for the network, which the room does not have.",
    Kind.FILES: "Reads or writes a file: the room has only the submission's own files.",
    Kind.PICKLE: "Uses pickle or its hooks; nothing from the room is ever unpickled.",
    Kind.DYNAMIC: "Runs or looks up code by a text that is put together at run time, which this scan cannot read.",
    Kind.UNREADABLE: "Too long or too deeply nested to be read here: look at it yourself.",
}
PREPARES = "Prepares for autograd; on its own this does nothing."
COMPILES = "Compiles code for torch, inside which autograd could run: look at what is compiled."
PERHAPS_OWN = "May be the student's own: a class in the submission has a member of this name."
TENSOR_CLASS = "Defines its own kind of tensor; the examiner takes plain numbers only."


class Row(NamedTuple):
    kind: Kind | None
    """None: harmless, whatever a shorter row says."""
    names: str
    sentence: str = ""


PATHS = (
    Row(
        Kind.AUTOGRAD,
        "torch.autograd torch.func torch.nn.grad torch._functorch torch._C._functorch torch._C._autograd torch._make_dual"
        " torch._C._EngineBase torch._C._ImperativeEngine torch.*backward* torch.ops.*backward* torch._C._nn.*backward*"
        " torch.distributed.autograd functorch jax autograd tensorflow keras mxnet theano aesara pytensor tinygrad micrograd",
    ),
    Row(
        None,
        "torch.Tensor torch.nn.Parameter torch.backends torch.ops torch.autograd.*no_grad torch.autograd.*inference_mode"
        " torch.autograd.*detect_anomaly torch.autograd.profiler torch.autograd.grad_mode torch.func.vmap"
        " torch.func.functional_call torch.func.functionalize torch.func.stack_module_state"
        " builtins.getattr builtins.setattr builtins.delattr builtins.vars builtins.globals builtins.type operator.attrgetter"
        " operator.methodcaller",
    ),
    Row(
        Kind.AUTOGRAD,
        "torch.enable_grad torch.set_grad_enabled torch.autograd.enable_grad torch.autograd.set_grad_enabled"
        " torch.autograd.Variable torch.autograd.grad_mode.enable_grad torch.autograd.grad_mode.set_grad_enabled",
        PREPARES,
    ),
    Row(Kind.AUTOGRAD, "torch.compile torch.jit torch._dynamo torch._inductor torch.export", COMPILES),
    Row(
        Kind.INTROSPECTION,
        "sys._* sys.modules sys.settrace sys.setprofile sys.meta_path sys.path_hooks sys.addaudithook sys.displayhook"
        " sys.excepthook inspect gc.get_* os.environ* os.getenv* psutil IPython.get_ipython().* IPython.core autograder.*",
    ),
    Row(
        None,
        "IPython.get_ipython().run_line_magic IPython.get_ipython().run_cell_magic IPython.get_ipython().system"
        " IPython.get_ipython().getoutput IPython.core.display autograder.build_dataset autograder.check autograder.grade"
        " autograder.hint autograder.load_names autograder.progress autograder.solution autograder.vocabulary"
        " autograder.__version__",
    ),
    Row(Kind.REPLACED, "unittest.mock mock wrapt forbiddenfruit torch.overrides torch.library torch.utils._python_dispatch"),
    Row(
        Kind.NATIVE,
        "ctypes _ctypes cffi mmap fcntl pyximport Cython torch.utils.cpp_extension torch.utils.dlpack torch.ops.load_library"
        " torch.classes.load_library torch.from_file numpy.ctypeslib numpy.memmap",
    ),
    Row(
        Kind.PROCESSES,
        "subprocess multiprocessing torch.multiprocessing concurrent.futures threading _thread signal pty atexit resource"
        " joblib os.system os.popen os.exec* os.spawn* os.posix_spawn* os.fork* os.kill* os._exit os.abort os.setsid os.pipe*"
        " os.dup* os.ptrace os.unshare os.setns os.pidfd_open asyncio.create_subprocess_* asyncio.subprocess",
    ),
    Row(
        Kind.NETWORK,
        "socket socketserver ssl urllib urllib3 requests http httpx aiohttp ftplib smtplib poplib imaplib telnetlib xmlrpc"
        " websocket websockets paramiko gdown wget pip asyncio.open_* asyncio.start_* torch.hub torch.distributed",
    ),
    Row(
        Kind.FILES,
        "builtins.open io.open io.FileIO io.open_code codecs.open pathlib shutil glob tempfile fileinput sqlite3 zipfile"
        " tarfile h5py os.open os.listdir os.scandir os.walk os.read os.write os.remove os.unlink os.rename os.replace"
        " os.mkdir os.makedirs os.rmdir os.link os.symlink os.readlink os.chmod os.chdir os.stat torch.load torch.save"
        " numpy.load* numpy.save* numpy.fromfile numpy.genfromtxt pandas.read_* PIL.Image.open matplotlib.pyplot.imread"
        " matplotlib.pyplot.imsave",
    ),
    Row(Kind.PICKLE, "pickle _pickle cPickle dill cloudpickle marshal shelve copyreg torch.serialization pandas.read_pickle"),
    Row(
        Kind.DYNAMIC,
        "builtins.eval builtins.exec builtins.compile builtins.__import__ importlib.import_module importlib.__import__"
        " importlib.util importlib.machinery runpy code codeop imp types.FunctionType types.CodeType"
        " IPython.get_ipython().run_c* IPython.get_ipython().ex IPython.get_ipython().ev",
    ),
)
"""A dotted name and all beneath it; `*` stands for a part of a name. The longest one that fits counts."""

MEMBERS = (
    Row(Kind.AUTOGRAD, "backward autograd run_backward _execution_engine grad_fn next_functions vjp jvp jacrev jacfwd"),
    Row(
        Kind.AUTOGRAD,
        "requires_grad_ retain_grad register_hook register_full_backward_hook register_post_accumulate_grad_hook",
        PREPARES,
    ),
    Row(Kind.STORED_GRADIENT, "grad _grad"),
    Row(
        Kind.INTROSPECTION,
        "__globals__ __code__ __closure__ __subclasses__ __bases__ __mro__ __builtins__ __getattribute__ cell_contents f_back"
        " f_globals f_locals f_builtins tb_frame gi_frame cr_frame ag_frame _getframe user_ns user_global_ns ast_transformers"
        " input_transformers_post input_transformers_cleanup",
    ),
    Row(Kind.REPLACED, "__setattr__ __delattr__ __torch_function__ __torch_dispatch__"),
    Row(Kind.NATIVE, "data_ptr __array_interface__"),
    Row(Kind.PROCESSES, "system popen"),
    Row(Kind.FILES, "savefig read_text write_text read_bytes write_bytes tofile to_csv"),
    Row(Kind.PICKLE, "__reduce__ __reduce_ex__ __setstate__ to_pickle"),
)
"""Attributes of whatever object, but for members of the student's own classes."""

MAGICS = {
    name: kind
    for kind, names in {
        Kind.PROCESSES: "! bash sh script system sx cmd perl ruby python python2 python3 pypy",
        Kind.NETWORK: "pip conda mamba uv",
        Kind.FILES: "cd ls ll cat pushd mkdir rmdir rm cp mv writefile file load loadpy run store save notebook logstart edit",
        Kind.NATIVE: "cython",
    }.items()
    for name in names.split()
}
"""What a magic does; the text of all others is read as Python."""

HOOKS = {"__torch_function__": Kind.REPLACED, "__torch_dispatch__": Kind.REPLACED, "__reduce__": Kind.PICKLE}
HOOKS["__reduce_ex__"] = Kind.PICKLE
"""Methods of a class that others call."""

USUAL = {"torch": "torch", "F": "torch.nn.functional", "nn": "torch.nn", "np": "numpy", "__builtins__": "builtins"}
USUAL |= {"get_ipython": "IPython.get_ipython"}
"""Names that locked cells or Python itself bind."""
GUARDED = {"check": "autograder", "grade": "autograder", "hint": "autograder", "torch": "torch"}
"""Names that tests use, and where they come from."""
SHARED = ("torch", "builtins", "autograder", "numpy")
"""Whose attributes nobody needs to set."""
TENSORS = frozenset({"torch.Tensor", "torch.nn.Parameter"})
DATA = frozenset({"?.grad", "?._grad"})
"""Members that hold numbers: a name for one is not followed."""

_ROWS = sorted(((name, row) for row in PATHS for name in row.names.split()), key=lambda pair: -len(pair[0]))
_PATTERN = re.compile("|".join("(" + re.escape(name).replace(r"\*", "[^.]*") + r")(?=\.|$)" for name, _ in _ROWS))
_MEMBERS = {name: row for row in MEMBERS for name in row.names.split()}
_PREFIXES = {name[: dot.start()] for name, _ in _ROWS for dot in re.finditer(r"\.", name)}
_ROOTS = {name.split(".")[0] for name, _ in _ROWS} | {*SHARED}


def root_of(path: str) -> str:
    return path.split(".")[0]


@lru_cache(maxsize=10_000)
def row_of(path: str) -> Row | None:
    """What the tables say of a path."""
    if path.startswith("?."):
        return _MEMBERS.get(path[2:])
    found = _PATTERN.match(path)
    return _ROWS[found.lastindex - 1][1] if found and found.lastindex else None


@lru_cache(maxsize=10_000)
def member_of(owner: str, name: str) -> str:
    """The path of a member. There are finitely many: all beneath a row is that row's, the rest of a module is alike."""
    root, path = root_of(owner), f"{owner}.{name}"
    found = _PATTERN.match(path) if root in _ROOTS else None
    row = row_of(path) if found else None
    if found and row and (row.kind or found.group() == path):
        return found.group()
    if name in _MEMBERS:
        return f"?.{name}"
    if found:
        return found.group()
    if path in _PREFIXES:
        return path
    return f"{root}.…" if root in _ROOTS else "?"


def path_of(name: str) -> str:
    """The path of a dotted name as an import has it."""
    root, *others = name.split(".")
    return reduce(member_of, others, root) if root in _ROOTS else "elsewhere"


def beneath(module: str) -> set[str]:
    """What `from module import *` may bind that is of interest."""
    start = f"{module}."
    return {root_of(name[len(start) :]) for name, _ in _ROWS if name.startswith(start) and "*" not in name}
