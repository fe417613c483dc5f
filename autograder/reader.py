"""Reading Python for suspects, one tree at a time, without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from autograder.sighting import OWN, UNKNOWN, Paths, Scope, Sightings, is_false, shortened
from autograder.suspects import HOOKS, MAGICS, PREPARES, TENSOR_CLASS, TENSORS, Kind, beneath, member_of, path_of, root_of

OPTIONS = re.compile(r"(-\w+\s*\d*\s+)*")
DOWNLOADS = re.compile(r"\b(wget|curl|pip3?|conda|uv|git|ssh|scp|rsync|nc|apt|apt-get|npm|ping)\b")

GIVES = {"class": "instance", "IPython.get_ipython": "IPython.get_ipython()", "builtins.globals": "builtins.globals()"}
"""What a call of these gives."""
ALTER = {"builtins.setattr", "builtins.delattr"}
LOOK_UP = {"operator.attrgetter", "operator.methodcaller"}
IMPORT = {"builtins.__import__", "importlib.import_module", "importlib.__import__"}
RUN = {"builtins.eval", "builtins.exec", "builtins.compile"}
COMMANDS = {f"IPython.get_ipython().{name}" for name in ("system", "getoutput", "run_line_magic", "run_cell_magic")}


class Text(NamedTuple):
    """Python, its lines as bytes (as positions in a tree count), and how many lines are left out before them."""

    tree: ast.Module
    lines: list[bytes]
    skipped: int


class Reader(Sightings, ast.NodeVisitor):
    """Reads cells in order. A visit of an expression returns its paths."""

    def __init__(self, parse: Callable[[str], Text | None]) -> None:
        super().__init__()
        self._parse = parse
        self._texts: dict[str, Text | None] = {}

    def read(self, source: str) -> None:
        """Notes the flags of a text. RecursionError or MemoryError where it is nested too deeply."""
        if source not in self._texts:
            self._texts[source] = self._parse(source)
        text = self._texts[source]
        if text:
            self.lines = text.lines
            self.first += 0 if self.stays else text.skipped
            self.visit(text.tree)

    def visit(self, node: ast.AST) -> Paths:
        paths = super().visit(node)
        return paths if isinstance(paths, frozenset) else UNKNOWN

    def _store(self, target: ast.expr, paths: Paths = UNKNOWN, value: ast.AST | None = None) -> Paths:
        """Binds a target to a value; what is written to is worth nothing to read."""
        match target:
            case ast.Name(id=name):
                self.bind(target, name, paths)
            case ast.Attribute(value=owner, attr=name):
                self.alter(target, self.visit(owner), name, value)
            case ast.Subscript(value=owner, slice=key):
                owners, text = self.visit(owner), _text(key)
                self.visit(key)
                if text is not None and "builtins.globals()" in owners:
                    self.bind(target, text, paths)
                elif text is not None:
                    self.alter(target, owners - UNKNOWN, text, value)
            case _:
                self.generic_visit(target)
        return UNKNOWN

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        match target, value:
            case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
                for part, its_value in zip(targets, values, strict=True):
                    self._assign(part, its_value)
            case _:
                self._store(target, self.visit(value), value)

    # statements

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assign(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self._assign(node.target, node.value)

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        self.shared.update(node.names)

    visit_Nonlocal = visit_Global

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            path = self.look_at(node, Paths({path_of(alias.name)}))
            root = root_of(alias.name)
            self.bind(node, alias.asname or root, path if alias.asname else Paths({path_of(root)}))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            path = self.look_at(node, Paths({path_of(f"{'.' * node.level}{node.module}.{alias.name}")}))
            self.bind(node, alias.asname or alias.name, path)
            if alias.name == "*":
                for name in beneath(f"{node.module}"):
                    self.bind(node, name, Paths({path_of(f"{node.module}.{name}")}))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        method = self.scopes[-1].of_class
        if method and node.name in HOOKS:
            self.add(node, HOOKS[node.name])
        self.bind(node, node.name, Paths({"function"}))
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._visit_function(node.args, node.body, method)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> Paths:
        self._visit_function(node.args, [node.body])
        return Paths({"function"})

    def _visit_function(self, arguments: ast.arguments, body: Sequence[ast.AST], method: bool = False) -> None:
        self.visit(arguments)
        names = {argument.arg: UNKNOWN for argument in ast.walk(arguments) if isinstance(argument, ast.arg)}
        if method and arguments.args:
            names[arguments.args[0].arg] = Paths({"instance"})
        self.scopes.append(Scope(names))
        for node in body:
            self.visit(node)
        self.scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = Paths().union(*map(self.visit, node.bases))
        if bases & TENSORS:
            self.add(node, Kind.REPLACED, TENSOR_CLASS)
        self.bind(node, node.name, Paths({"class"}))
        self.scopes.append(Scope({}, of_class=True))
        for part in [*node.decorator_list, *node.keywords, *node.body]:
            self.visit(part)
        self.scopes.pop()

    # expressions

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Paths:
        paths = self.visit(node.value)
        self._store(node.target, paths)
        return paths

    def visit_IfExp(self, node: ast.IfExp) -> Paths:
        self.visit(node.test)
        return self.visit(node.body) | self.visit(node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> Paths:
        return Paths().union(*map(self.visit, node.values))

    def visit_Name(self, node: ast.Name) -> Paths:
        if isinstance(node.ctx, ast.Load):
            return self.look_at(node, self.named(node.id))
        return self._store(node)

    def visit_Attribute(self, node: ast.Attribute) -> Paths:
        if not isinstance(node.ctx, ast.Load):
            return self._store(node)
        owners = self.visit(node.value)
        return owners if node.attr == "__dict__" else self.look_at(node, self.members_of(owners, node.attr))

    def visit_Subscript(self, node: ast.Subscript) -> Paths:
        if not isinstance(node.ctx, ast.Load):
            return self._store(node)
        owners, name = self.visit(node.value), _text(node.slice)
        self.visit(node.slice)
        if name is None:
            return UNKNOWN
        if "builtins.globals()" in owners:
            return self.look_at(node, self.named(name))
        return self.look_at(node, self.members_of(owners - UNKNOWN, name)) or UNKNOWN

    def visit_keyword(self, node: ast.keyword) -> None:
        self.visit(node.value)
        if node.arg == "requires_grad" and not is_false(node.value):
            self.add(node, Kind.AUTOGRAD, PREPARES)

    def visit_Call(self, node: ast.Call) -> Paths:
        functions = self.visit(node.func)
        given = [self.visit(argument) for argument in node.args]
        for keyword in node.keywords:
            self.visit(keyword)
        texts = [_text(argument) for argument in node.args]
        self.widen(node, harmless=bool(node.args) and is_false(node.args[0]))
        if any(text and text.startswith("/proc/") for text in texts):
            self.add(node, Kind.NATIVE)
        results = [(node.args and self._called(node, name, given, texts)) or {GIVES.get(name, "?")} for name in functions]
        return Paths().union(*results)

    def _called(self, node: ast.Call, function: str, given: list[Paths], texts: list[str | None]) -> Paths | None:
        """Sees to calls that have a name or code as text; what they give, if it is known."""
        owners, name = given[0], texts[1] if len(texts) > 1 else None
        if function == "builtins.vars":
            return owners
        if function == "builtins.type":
            return Paths({"class" if owner in ("class", "instance") else "torch.Tensor" for owner in owners})
        if function in ALTER and (name or owners - UNKNOWN):
            self.alter(node, owners, name or "", node.args[-1])
        if function == "builtins.getattr" and name:
            return self.look_at(node, self.members_of(owners, name))
        if function == "builtins.getattr" and not owners <= OWN:
            self.add(node, Kind.DYNAMIC)
        if function in COMMANDS:
            self._command(node, function.rsplit(".")[-1], texts)
        text = texts[0]
        if text is None:
            return None
        if function in LOOK_UP:
            return self.look_at(node, Paths({member_of("?", part) for part in text.split(".")}))
        if function in RUN | IMPORT:  # it says what it runs
            self.flags.pop(self.key(node, Kind.DYNAMIC), None)
        if function in RUN:
            self._read_inside(node, text)
        return self.look_at(node, Paths({path_of(text)})) if function in IMPORT else None

    def _command(self, node: ast.Call, does: str, texts: list[str | None]) -> None:
        sign = {"run_line_magic": "%", "run_cell_magic": "%%"}.get(does, "!")
        magic, *rest = [sign, *texts] if sign == "!" else texts
        text = " ".join(part for part in rest if part)
        kinds = {MAGICS[magic]} if magic in MAGICS else set()
        if Kind.PROCESSES in kinds and DOWNLOADS.search(text):
            kinds.add(Kind.NETWORK)
        for kind in kinds:
            self.add(node, kind, code=shortened(f"!{text}" if sign == "!" else f"{sign}{magic} {text}"))
        for part in [] if kinds else rest:
            self._read_inside(node, OPTIONS.sub("", part or "", count=1), below=sign == "%%" and part is rest[-1])

    def _read_inside(self, node: ast.expr, source: str, below: bool = False) -> None:
        """Reads a text that is run where the node stands, or that is the lines below it."""
        outside = self.lines, self.first, self.stays, self.inside
        self.first, self.stays = self.line(node) + below, self.stays or not below
        self.inside += (node.lineno, node.col_offset)
        self.read(source)
        self.lines, self.first, self.stays, self.inside = outside


def _text(node: ast.AST) -> str | None:
    """The text that an expression is, if it says so itself."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [_text(left), _text(right)]
        case (
            ast.JoinedStr(values=values)
            | ast.Call(func=ast.Attribute(value=ast.Constant(value=""), attr="join"), args=[ast.List(elts=values)])
        ):
            parts = [_text(value) for value in values]
        case _:
            return None
    return None if None in parts else "".join(map(str, parts))
