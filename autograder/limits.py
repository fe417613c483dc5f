"""What a submission may use up while it is graded."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Seconds of wall-clock time, bytes, and counts, for one notebook.

    `memory` is what all processes of a room may take together, on top of what is loaded before the first cell.
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


@contextmanager
def interrupted_after(seconds: float, more: float) -> Iterator[None]:
    """A KeyboardInterrupt after so many seconds, and some more that a room has to come to an end."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(f"the cell did not end within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds + more)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
