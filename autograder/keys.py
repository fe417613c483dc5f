"""Single keys from the terminal, without waiting for them."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Keys = Callable[[], str]


@contextmanager
def pressed() -> Iterator[Keys]:
    """Gives a function that returns the next key that was pressed, or nothing; always nothing where there is no terminal."""
    if not sys.stdin.isatty():
        yield str
    elif sys.platform == "win32":
        import msvcrt

        yield lambda: msvcrt.getwch() if msvcrt.kbhit() else ""
    else:
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)  # ctrl-c still interrupts
        try:
            yield lambda: _key(descriptor)
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _key(descriptor: int) -> str:
    ready, _, _ = select.select([descriptor], [], [], 0)
    return os.read(descriptor, 1).decode(errors="replace") if ready else ""
