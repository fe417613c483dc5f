"""What an example may take: so much time and memory, and so much more for each of its bytes."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

TRACED = 8
"""Memory is measured for one length in so many: it takes ten times as long."""


@dataclass(frozen=True)
class Cost:
    """Seconds of the processor, and bytes that Python has at once: a constant, and for each byte of the example."""

    seconds: float
    seconds_per_byte: float
    memory: int
    memory_per_byte: int

    @contextmanager
    def bounded(self, size: int) -> Iterator[None]:
        """Raises AssertionError if what is done inside, with an example of this size, takes more."""
        is_traced = size % TRACED == 0
        if is_traced:
            tracemalloc.start()
        began = time.thread_time()
        try:
            yield
        finally:
            seconds, (_, peak) = time.thread_time() - began, tracemalloc.get_traced_memory()
            tracemalloc.stop()
        seconds /= 10 if is_traced else 1
        assert seconds < self.seconds + self.seconds_per_byte * size, f"{size} bytes took {seconds:.1f} s"
        assert peak < self.memory + self.memory_per_byte * size, f"{size} bytes took {peak:,} bytes of memory"
