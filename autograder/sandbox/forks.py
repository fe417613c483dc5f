"""Forks of a process: each runs one function, reports the error that stopped it, and exits."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn


def run_and_exit(main: Callable[[], object]) -> NoReturn:
    """Runs `main` and exits: all that a fork does. The exit code is 1 if `main` raised.

    The traceback of an error goes to stderr, which the command that started the fork server reads. The fork leaves by
    `os._exit`: it must neither return into the code that forked it nor run the exit handlers of its parent.
    """
    code = 1
    try:
        main()
        code = 0
    except BaseException as error:
        # descriptor 2, since `sys.stderr` in a fork server and its forks records what cells print
        text = "".join(traceback.format_exception(error))
        os.write(2, f"A process of the autograder failed.\n{text}".encode(errors="replace"))
    finally:
        os._exit(code)


@contextmanager
def child_running(main: Callable[[int], object]) -> Iterator[int]:
    """Runs `main(pid of this process)` in a fork, and gives the fork's pidfd. On leaving, waits until the fork has ended."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        run_and_exit(lambda: main(parent))
    pidfd = os.pidfd_open(child)
    try:
        yield pidfd
    finally:
        os.close(pidfd)
        os.waitpid(child, 0)
