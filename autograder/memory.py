"""What processes take of memory, as the kernel counts it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]

COUNTED = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
"""What the kernel says of a process that is memory of its own."""


RESIDENT = ("VmRSS:", "VmSwap:")
"""What the kernel says of a process that is memory, its own or shared."""

STEP = 2**24

LISTED = Path(f"/proc/self/task/{os.getpid()}/children").exists()
"""Whether the kernel lists the children of a process."""


def descendants(pid: int) -> set[int]:
    """All below a process."""
    found: set[int] = set()
    with suppress(OSError, psutil.NoSuchProcess):
        if LISTED:
            lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
            children = {int(word) for text in lists for word in text.split()}
            found = children.union(*map(descendants, children))
        else:  # every process of the machine is looked at
            found = {process.pid for process in psutil.Process(pid).children(recursive=True)}
    return found


def taken(pids: set[int]) -> int:
    """Bytes of memory, but for files of the system; what several processes share is counted once among all who share it."""
    total = 0
    for pid in pids:
        with suppress(OSError, psutil.NoSuchProcess):
            try:
                rows = (row.split() for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
                total += sum(int(row[1]) * 1024 for row in rows if row[0] in COUNTED)
            except (FileNotFoundError, PermissionError):  # no such thing on this system, or it hides: all of it counts
                total += psutil.Process(pid).memory_info().rss
    return total


_baselines: dict[tuple[int, int], int] = {}


def loaded(pid: int) -> int:
    """What a fresh fork of this process takes; it is measured again when this process has grown by some MiB."""
    known = os.getpid(), resident_bytes({os.getpid()}) // STEP
    if known not in _baselines:
        _baselines[known] = taken({pid})
    return _baselines[known]


def resident_bytes(pids: set[int]) -> int:
    """Bytes of memory, where what several processes share counts for each of them: never too little."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            rows = (row.split() for row in Path(f"/proc/{pid}/status").read_text().splitlines())
            total += sum(int(row[1]) * 1024 for row in rows if row and row[0] in RESIDENT)
    return total
