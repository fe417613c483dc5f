"""What processes a test has left behind."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager

import psutil


def running() -> Set[psutil.Process]:
    """What this process has started, with what that has started, ended and not yet waited for too."""
    return set(psutil.Process().children(recursive=True))


@contextmanager
def nothing_left() -> Iterator[None]:
    """What is started meanwhile has ended, and been waited for, by the end."""
    before = running()
    yield
    assert running() <= before


def left(before: Set[psutil.Process], seconds: float = 10) -> list[str]:
    """What was started since and does not end by itself within some seconds. What has ended is waited for."""
    return [repr(process) for process in psutil.wait_procs(running() - before, timeout=seconds)[1]]
