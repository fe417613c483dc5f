"""Fork servers for many calls of the linter: to load everything takes longer than most notebooks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import ClassVar

import pytest

from autograder.forkserver.client import Client
from autograder.lint import trial
from autograder.sandbox.room import unavailable


class Kept(Client):
    """A fork server that is there for the next notebooks when it is ended."""

    free: ClassVar[list[Kept]] = []

    def end(self) -> None:
        self.free.append(self)


def client(sandbox: bool) -> Kept:
    is_sandbox = sandbox and not unavailable()
    found = next((each for each in Kept.free if each.sandbox == is_sandbox), None)
    if found is None:
        return Kept(is_sandbox)
    Kept.free.remove(found)
    return found


@pytest.fixture(scope="module")
def kept() -> Iterator[None]:
    """The fork servers of one call are those of the next, and are gone after the tests of a module."""
    if sys.platform != "linux":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "_client", client)
        yield
    while Kept.free:
        Kept.free.pop().close()
