"""Where a student's code stopped with an error: the line, the part of it that raised, and what stood in that part."""

from __future__ import annotations

import ast
import linecache
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from torch import Tensor

from autograder.replay.form import dtype_name
from autograder.replay.parsed import from_tree, nodes_in, parse_tree

MAX_CODE = 48
"""Characters of a line that are told."""
MOST_SEEN = 40
"""Values that are told of a line."""
MAX_PART, MAX_KIND, LARGEST = 2000, 100, 2**63
"""Characters of the part that raised and of the name of a type, and a number beyond all that are told."""

TIMED = "<timed"
"""How the names of files begin under which `%%time` runs a cell."""

PURE = frozenset({"t", "view", "reshape", "transpose", "flatten", "unsqueeze", "squeeze", "expand", "sum", "mean"})
PURE |= frozenset(
    {
        "exp",
        "log",
        "pow",
        "sqrt",
        "tanh",
        "sigmoid",
        "relu",
        "softmax",
        "log_softmax",
        "float",
        "long",
        "double",
        "clone",
        "one_hot",
        "zeros_like",
        "ones_like",
        "size",
    }
)
"""Methods and functions that may be called once more to see what they give: they change nothing."""


class Seen(NamedTuple):
    """What a value is: its type, of a tensor its shape and dtype, and the number if it is a whole one."""

    kind: str
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    number: int | None = None

    @property
    def told(self) -> str:
        """It in words: the number, the shape, or the type."""
        if self.number is not None:
            return str(self.number)
        return f"`{self.kind}`" if self.shape is None else f"of shape {self.shape}"


@dataclass(frozen=True)
class Stop:
    """Where code stopped. `line` counts from 1 in the cell, and `code` is that line.

    `part` is the expression or statement that raised, as code, and empty where that is not known. `seen` says by their code
    what its names and its direct parts stood for.
    """

    line: int
    code: str
    part: str = ""
    seen: Mapping[str, Seen] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """The stop as data that can be sent out of a room."""
        return {**vars(self), "seen": {code: tuple(value) for code, value in self.seen.items()}}

    @staticmethod
    def of(data: object) -> Stop | None:
        """The stop that data describes, which may be anything at all; None where it describes none."""
        match data:
            case {"line": int(line), "code": str(code), "part": str(part), "seen": dict(seen)}:
                some = [*seen.items()][:MOST_SEEN]
                told = {name[:MAX_PART]: value for name, item in some if type(name) is str and (value := _seen_of(item))}
                return Stop(_whole(line) or 0, code[:MAX_CODE], part[:MAX_PART], told)
        return None


def stop_of(error: BaseException | None, names: Mapping[str, Any], source: str | None = None) -> Stop | None:
    """Where the code stopped whose global names are these; None where the error did not come up in it.

    `source` is that of the cell; without it, it is what Python finds under the name of the file. None too for a cell under a
    magic that runs it as a file of its own: its lines are counted otherwise.
    """
    if error is None:
        return None
    frames = [found for found in _frames(error.__traceback__) if found.tb_frame.f_globals is names]
    files = [found.tb_frame.f_code.co_filename for found in frames]
    if not frames or any(file.startswith(TIMED) for file in files):
        return None
    last = [found for found, file in zip(frames, files, strict=True) if file == files[0]][-1]
    text = "".join(linecache.getlines(files[0])) if source is None else source
    node = _node(text, last)
    part = ast.unparse(node) if node is not None else ""
    with _silent():
        seen = dict(_seen_in(node, last.tb_frame)) if node is not None else {}
    return Stop(*_line(text, last.tb_lineno), part, seen)


def stop_of_syntax(source: str) -> tuple[SyntaxError, Stop] | None:
    """Why a cell is not Python, and the line at which that shows; None where it is."""
    try:
        from_tree(source, parse_tree(source))
    except SyntaxError as error:
        return error, Stop(*_line(source, error.lineno or 0))
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def _line(source: str, number: int) -> tuple[int, str]:
    """The number of a line in the notebook's cell, and that line. IPython counts without the blank lines above."""
    lines = source.splitlines()
    number += next((place for place, line in enumerate(lines) if line.strip()), 0)
    return number, shortened(lines[number - 1].strip()) if 0 < number <= len(lines) else ""


@contextmanager
def _silent() -> Iterator[None]:
    """Inside, no warning is shown. The filters stay: with others Python would show again what it had shown already."""
    shows = warnings.showwarning
    warnings.showwarning = lambda *_, **__: None
    try:
        yield
    finally:
        warnings.showwarning = shows


def shortened(code: str, most: int = MAX_CODE) -> str:
    """A line of code, as much of it as is told. A backtick would end it in a message: a letter that looks like it does not."""
    line = code.replace("`", "ˋ")
    return line if len(line) <= most else f"{line[: most - 1]}…"


def described(value: object) -> Seen:
    """What a value is, without its numbers but for a whole one."""
    if isinstance(value, Tensor):
        return Seen("Tensor", tuple(value.shape), dtype_name(value.dtype))
    return Seen(type(value).__name__[:MAX_KIND], number=_whole(value))


def _seen_of(item: object) -> Seen | None:
    match item:
        case (str(kind), shape, str(dtype), number):
            sizes = tuple(_whole(size) or 0 for size in shape) if isinstance(shape, list | tuple) else None
            return Seen(kind[:MAX_KIND], sizes, dtype[:MAX_KIND], _whole(number))
    return None


def _whole(value: object) -> int | None:
    """A whole number of a size that can be told, and None of anything else: what comes from a room may be anything."""
    return value if type(value) is int and abs(value) < LARGEST else None


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _node(source: str, trace: TracebackType) -> ast.expr | ast.stmt | None:
    """The smallest part of the code that the instruction which raised was made of."""
    positions = [*trace.tb_frame.f_code.co_positions()]
    start, end, first, last = positions[trace.tb_lasti // 2]
    nodes = [node for node in nodes_in(source) if isinstance(node, ast.expr | ast.stmt)]
    exact = [
        node
        for node in nodes
        if (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset) == (start, end, first, last)
    ]
    around = [node for node in nodes if isinstance(node, ast.stmt) and node.lineno <= trace.tb_lineno <= (node.end_lineno or 0)]
    return next(reversed(exact or around), None)  # the walk comes to inner nodes last


def _seen_in(node: ast.AST, frame: FrameType) -> Iterator[tuple[str, Seen]]:
    """What the names in a part of the code, and its direct parts, stand for in a frame."""
    inside = [child for child in ast.walk(node) if isinstance(child, ast.Name)]
    direct = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr) and _is_pure(child)]
    direct += [child.value for child in direct if isinstance(child, ast.Attribute)]
    for code in [*dict.fromkeys(ast.unparse(child) for child in [*direct, *inside])][:MOST_SEEN]:
        try:
            yield code, described(eval(code, frame.f_globals, {**frame.f_locals}))
        except Exception:  # a name that is not there, which may be why it stopped
            continue


def _is_pure(node: ast.AST) -> bool:
    """Whether an expression can be evaluated once more and changes nothing."""
    for child in ast.walk(node):
        if isinstance(child, ast.Call):
            name = child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
            if name not in PURE:
                return False
        elif isinstance(child, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom | ast.Lambda | ast.comprehension):
            return False
    return True
