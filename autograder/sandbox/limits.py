"""What a submission may use up while it is graded."""

from __future__ import annotations

import mmap
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil  # type: ignore[import-untyped]

MIB = 2**20
PAGE_BYTES = mmap.PAGESIZE

USED_UP = "it used up the {:,} bytes of memory that a notebook may take"
"""What a process died of that took as much memory as it may, whoever ended it."""


LEFT_OPEN = "it left open nearly all of the {:,} files that a notebook may have open"
"""What a process was ended for that left too few files to open to what runs after it."""


@dataclass(frozen=True)
class Limits:
    """Seconds of wall-clock time, bytes, and counts, for one notebook.

    `memory` is the bytes that the student's process may take on top of what is loaded before the first cell. With processes
    that it starts it may take as much as was loaded and `headroom` more: so one of them alone gets a MemoryError, and is not
    killed.
    `scratch` is the size of the room's own disk, `file_size` that of one file on it. `cell_output` is what one cell may
    show, `output` what all may; the rest is cut off, and the cell says so. `answer` is the size of one message from a room.
    """

    cell_seconds: float = 60
    notebook_seconds: float = 600
    memory: int = 2048 * MIB
    processes: int = 64
    file_size: int = 64 * MIB
    scratch: int = 256 * MIB
    cell_output: int = 1 * MIB
    output: int = 8 * MIB
    answer: int = 64 * MIB

    @property
    def headroom(self) -> int:
        """Bytes that a cell has to leave free of the memory, for what is run and asked after it."""
        return self.memory // 8


@contextmanager
def interrupted_after(seconds: float, more: float) -> Iterator[None]:
    """Raises KeyboardInterrupt in the main thread after `seconds + more` seconds.

    `seconds` is the limit that the message names; `more` is what a room may take to stop its own code before that.
    """

    error = KeyboardInterrupt(f"the cell did not end within {seconds:g} s")
    with _raised_after(seconds + more, error, signal.ITIMER_REAL, signal.SIGALRM):
        yield


AGAIN = 1.0
"""Seconds of a processor after which OutOfTime is raised once more."""


class OutOfTime(BaseException):
    """Work of this process took too long. It is no Exception, so that what handles those does not go on with the work."""


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Raises OutOfTime in the main thread when this process has used a processor for so many seconds.

    So it makes no difference how busy the machine is. Another thread, which gets no signals, has all the time.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    error = OutOfTime(f"it did not end within {seconds:g} s")
    with _raised_after(seconds, error, signal.ITIMER_PROF, signal.SIGPROF, AGAIN):
        yield


@contextmanager
def _raised_after(seconds: float, error: BaseException, timer: int, number: int, again: float = 0) -> Iterator[None]:
    """Raises an error in the main thread when a timer of the system, which sends the signal of this number, has run out.

    And `again` after so many seconds: what is raised while Python's collector calls something is lost.
    """

    def stop(_: int, frame: FrameType | None) -> None:
        raise error

    before = signal.signal(number, stop)
    signal.setitimer(timer, seconds, again)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)


PRIVATE_ROWS = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
"""The rows of `smaps_rollup` that add up to the memory of a process. Shared pages count in proportion (Pss)."""

RESIDENT_ROWS = ("VmRSS:", "VmSwap:")
"""The rows of `status` that add up to all memory of a process, its own or shared."""
OWN_ROWS = ("RssAnon:", "RssShmem:", "VmSwap:")
"""Those of them that are no files of the system."""

BASELINE_STEP = 2**24
"""Bytes by which this process may grow before the memory of a fresh fork is measured again."""

HAS_CHILDREN_FILES = Path(f"/proc/self/task/{os.getpid()}/children").exists()
"""Whether the kernel lists the children of a process."""


def descendants(pid: int) -> set[int]:
    """The pids of all children of a process, their children, and so on."""
    found: set[int] = set()
    with suppress(OSError, psutil.NoSuchProcess):
        if HAS_CHILDREN_FILES:
            lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
            children = {int(word) for text in lists for word in text.split()}
            found = children.union(*map(descendants, children))
        else:  # slower: psutil looks at every process of the machine
            found = {process.pid for process in psutil.Process(pid).children(recursive=True)}
    return found


def taken_bytes(pids: set[int]) -> int:
    """Bytes of memory of these processes, without files of the system. What several share is divided among all of them."""
    total = 0
    for pid in pids:
        with suppress(OSError, psutil.NoSuchProcess):
            try:
                rows = (row.split() for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
                total += sum(int(row[1]) * 1024 for row in rows if row[0] in PRIVATE_ROWS)
            except PermissionError:  # it hides its memory, as a test does: what it shares counts as well
                total += _resident({pid}, OWN_ROWS)
            except FileNotFoundError:  # the system has no such file: all memory counts
                total += psutil.Process(pid).memory_info().rss
    return total


def reserved_bytes(pid: int) -> tuple[int, int]:
    """Bytes of address space and of data of a process, used or not, as the kernel limits them; 0 if it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0, 0
    return int(pages[0]) * PAGE_BYTES, int(pages[5]) * PAGE_BYTES


_baselines: dict[tuple[int, int], int] = {}


def loaded_bytes(pid: int) -> int:
    """Bytes that `pid`, a fresh fork of this process, takes. They are measured again when this process has grown."""
    known = os.getpid(), resident_bytes({os.getpid()}) // BASELINE_STEP
    if known not in _baselines:
        _baselines[known] = taken_bytes({pid})
    return _baselines[known]


def resident_bytes(pids: set[int]) -> int:
    """Bytes of memory that these processes take at most. It is quick, but counts shared memory for each of them."""
    return _resident(pids, RESIDENT_ROWS)


def _resident(pids: set[int], kept: tuple[str, ...]) -> int:
    total = 0
    for pid in pids:
        with suppress(OSError):
            rows = (row.split() for row in Path(f"/proc/{pid}/status").read_text().splitlines())
            total += sum(int(row[1]) * 1024 for row in rows if row and row[0] in kept)
    return total
