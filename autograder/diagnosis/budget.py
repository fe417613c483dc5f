"""How long a mistake is looked for: in time of the processor, so that what is said hardly depends on how busy a machine is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import monotonic, thread_time

BACKSTOP = 3.0
"""So many times the seconds of the processor a search may take by the clock: a learner waits for it."""


@dataclass(frozen=True)
class Budget:
    """When a search ends: by the processor time of this thread, and at the latest by the monotonic clock, in seconds."""

    processor: float = math.inf
    clock: float = math.inf

    @classmethod
    def of(cls, seconds: float) -> Budget:
        """So many seconds of the processor from now on."""
        return cls(thread_time() + seconds, monotonic() + BACKSTOP * seconds)

    @property
    def spent(self) -> bool:
        return thread_time() > self.processor or monotonic() > self.clock


UNLIMITED = Budget()
