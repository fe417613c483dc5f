"""What a scan has seen so far: flags, and what each name may stand for."""

from __future__ import annotations

import ast
import builtins
from dataclasses import replace
from typing import NamedTuple

from autograder.suspects import (
    DATA,
    GUARDED,
    PERHAPS_OWN,
    PREPARES,
    SENTENCES,
    SHARED,
    USUAL,
    Flag,
    Kind,
    member_of,
    root_of,
    row_of,
)

SHORT = 60
"""Characters of code in a flag."""
MANY = 8
"""Paths of one name that are followed."""

Node = ast.expr | ast.stmt | ast.keyword
Paths = frozenset[str]
"""What a value may be. Of the student's own are "function", "class" and "instance"; "?" says nothing."""
UNKNOWN, OWN = Paths({"?"}), Paths({"class", "instance"})


class Key(NamedTuple):
    """Where a flag is. Pieces of code that begin together share one."""

    cell: int
    inside: tuple[int, ...]
    """Positions of the calls that run the text."""
    line: int
    column: int
    kind: Kind


class Scope(NamedTuple):
    names: dict[str, Paths]
    of_class: bool = False


def shortened(text: str) -> str:
    """On one line, and without characters that a terminal obeys."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 8 * SHORT]).split())
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


class Sightings:
    """What was seen in cells so far: flags, and what names may be."""

    def __init__(self) -> None:
        self.flags: dict[Key, Flag] = {}
        self.names: dict[str, Paths] = {}
        self.members: set[str] = set()  # of the student's classes
        self.shared: set[str] = set()  # names that some function declares global

    def enter(self, index: int, cell: str) -> None:
        """What is read from here on belongs to this cell."""
        self.index, self.cell, self.first, self.stays = index, cell, 1, False
        self.inside: tuple[int, ...] = ()
        self.scopes = [Scope(self.names)]
        self.lines: list[bytes] = []

    def give_up(self, source: str) -> None:
        """Notes that the rest of the cell was not read."""
        flag = Flag(Kind.UNREADABLE, self.cell, 1, shortened(source.lstrip()), SENTENCES[Kind.UNREADABLE])
        self.flags[Key(self.index, (), 1, 0, flag.kind)] = flag

    def knowledge(self) -> object:
        """What names are known to be: a further pass finds more only if it changed."""
        return dict(self.names), len(self.members), len(self.shared)

    def found(self) -> list[Flag]:
        return [flag for _, flag in sorted(self.flags.items(), key=lambda item: (item[0].cell, item[1].line, item[0]))]

    def key(self, node: Node, kind: Kind) -> Key:
        return Key(self.index, self.inside, node.lineno, node.col_offset, kind)

    def line(self, node: Node) -> int:
        return self.first if self.stays else self.first + node.lineno - 1

    def code(self, node: Node) -> str:
        end = node.end_col_offset if node.end_lineno == node.lineno else None
        return shortened(self.lines[node.lineno - 1][node.col_offset : end][: 8 * SHORT].decode(errors="replace"))

    def add(self, node: Node, kind: Kind, sentence: str = "", code: str = "") -> None:
        key = self.key(node, kind)
        known = self.flags.get(key)
        if known and known.sentence == SENTENCES[kind]:  # a weaker one takes nothing from it
            sentence = known.sentence
        self.flags[key] = Flag(kind, self.cell, self.line(node), code or self.code(node), sentence or SENTENCES[kind])

    def look_at(self, node: Node, paths: Paths) -> Paths:
        for path in paths:
            row = row_of(path)
            if row and not row.kind and (beyond := row_of(path.rpartition(".")[0])) and beyond.kind:
                self.flags.pop(self.key(node, beyond.kind), None)  # `torch.func` in `torch.func.vmap`
            elif row and row.kind:
                own = path.startswith("?.") and path[2:] in self.members
                self.add(node, row.kind, PERHAPS_OWN if own else row.sentence)
        return paths

    # names and members

    def named(self, name: str) -> Paths:
        for scope in self.scopes[:0:-1]:
            if name in scope.names:
                return scope.names[name]
        usual = Paths({USUAL[name]}) if name in USUAL else Paths()
        bound = self.names.get(name, Paths())
        return usual | bound or (Paths({member_of("builtins", name)}) if hasattr(builtins, name) else UNKNOWN)

    def bind(self, node: Node, name: str, paths: Paths) -> None:
        scope = self.scopes[-1]
        for names in [self.names, scope.names] if name in self.shared else [scope.names]:
            names[name] = Paths(sorted(names.get(name, Paths()) | (paths - DATA or UNKNOWN))[:MANY])
            origins = {root_of(path) if path[:2] != "?." else path for path in paths - UNKNOWN}
            if names is self.names and name in GUARDED and origins - {GUARDED[name]}:
                self.add(node, Kind.REPLACED)
        if scope.of_class:
            self.members.add(name)

    def members_of(self, owners: Paths, name: str) -> Paths:
        own = owners & OWN if name in self.members else Paths()
        return Paths({member_of(owner, name) for owner in owners - own}) | (Paths({"function"}) if own else Paths())

    def alter(self, node: ast.expr, owners: Paths, name: str, value: ast.AST | None) -> None:
        """A member is given a value, or deleted."""
        if any(scope.of_class for scope in self.scopes):
            self.members.add(name)
        if name == "requires_grad" and not is_false(value):
            self.add(node, Kind.AUTOGRAD, PREPARES)
        if name == "__class__" or any(root_of(o) in SHARED and not o.startswith("torch.backends") for o in owners):
            self.add(node, Kind.REPLACED)
        for path in self.members_of(owners, name):
            if (row := row_of(path)) and row.kind is Kind.INTROSPECTION:
                self.add(node, row.kind)

    def widen(self, node: ast.Call, harmless: bool) -> None:
        """The call says more than the function; `requires_grad_(False)` prepares nothing."""
        for kind in Kind:
            key = self.key(node, kind)
            if key in self.flags:
                self.flags[key] = replace(self.flags[key], code=self.code(node))
                if harmless and self.flags[key].sentence == PREPARES:
                    del self.flags[key]


def is_false(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
