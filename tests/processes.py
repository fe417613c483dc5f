"""What processes a test has left behind."""

from __future__ import annotations

from collections.abc import Set

import psutil


def running() -> Set[psutil.Process]:
    """What this process has started, with what that has started, ended and not yet waited for too."""
    return set(psutil.Process().children(recursive=True))


def left(before: Set[psutil.Process], seconds: float = 10) -> list[str]:
    """What was started since and does not end by itself within some seconds. What has ended is waited for."""
    return [repr(process) for process in psutil.wait_procs(running() - before, timeout=seconds)[1]]
