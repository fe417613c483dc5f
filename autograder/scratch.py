"""A copy of a notebook's namespace, in which code can run without changing the notebook."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from copy import copy, deepcopy
from functools import partial
from types import CellType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.cell import names_in
from autograder.tape import private


class Scratch:
    """`names` is the copied namespace: what was brought in is a copy, one for each object; all else is shared.

    `read` are the names that were asked for, by functions too. Those of `given` are not brought: they become something else.
    Data is copied, and functions of the notebook read `names` instead of the notebook, also inside of a decorator.
    Modules, classes and anything unknown stay as they are.
    """

    def __init__(self, namespace: Mapping[str, Any], given: Collection[str] = ()) -> None:
        self.names = dict(namespace)
        self._namespace = namespace
        self._copies: dict[int, Any] = {}
        self._given = given
        self.read = set[str]()

    def bring(self, names: Iterable[str]) -> None:
        """Copies what these names stand for, and what functions among them read."""
        for name in set(names) - self.read:
            self.read.add(name)
            if name in self._namespace and name not in self._given:
                self.names[name] = self.copied(self._namespace[name])

    def copied(self, value: Any) -> Any:
        if id(value) not in self._copies:
            self._copies[id(value)] = value  # for what contains itself
            self._copies[id(value)] = self._copy(value)
        return self._copies[id(value)]

    def _copy(self, value: Any) -> Any:
        match value:
            case Tensor():
                return private(value)
            case torch.Generator():
                return value.clone_state()
            case np.ndarray() | np.random.Generator() | random.Random() | bytearray():
                return deepcopy(value)
            case list() | deque() | dict():
                duplicate = copy(value)
                for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                    duplicate[key] = self.copied(item)
                return duplicate
            case set():
                return copy(value)
            case tuple() if type(value) is tuple:
                return tuple(map(self.copied, value))
            case partial():
                return partial(self.copied(value.func), *map(self.copied, value.args), **self.copied(value.keywords))
            case FunctionType():
                return self._function(value)
        return value

    def _function(self, function: FunctionType) -> FunctionType:
        filled = [cell for cell in function.__closure__ or () if cell != CellType()]
        if not self._is_mine(function) and not any(self._is_mine(cell.cell_contents) for cell in filled):
            return function
        cells = {id(cell): CellType() for cell in filled}
        duplicate = FunctionType(
            function.__code__,
            self.names if self._is_mine(function) else function.__globals__,
            function.__name__,
            function.__defaults__,
            tuple(cells.get(id(cell), cell) for cell in function.__closure__ or ()),
        )
        duplicate.__kwdefaults__ = function.__kwdefaults__
        duplicate.__dict__.update(function.__dict__)
        self._copies[id(function)] = duplicate  # before what it reads: it may read itself
        for cell in filled:
            cells[id(cell)].cell_contents = self.copied(cell.cell_contents)
        if self._is_mine(function):
            self.bring(names_in(function.__code__))
        return duplicate

    def _is_mine(self, value: object) -> bool:
        return isinstance(value, FunctionType) and value.__globals__ is self._namespace
