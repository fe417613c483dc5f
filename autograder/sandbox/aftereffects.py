"""What code leaves in its process that would hit all code after it: timers, settings, hooks, open files, threads, processes."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from _signal import getsignal  # type: ignore[import-not-found]  # `signal.getsignal` makes enums, which takes long
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, sleep  # by name: a student's code may put something else into the module
from typing import Any

from autograder.sandbox.limits import descendants

PAUSE = 0.1
"""Seconds between two looks at what has been started."""
BUSY = 0.5
"""What wants more than this part of a processor goes on computing."""
MAX_TRIES = 100
"""How often `put_back` begins anew."""
MOST_ENDED = 32
"""Children that have ended and that nobody has waited for: so many are kept. Each counts as a process."""
FEWEST_FILES = 32
"""How many more files a process must be able to open, for what runs after it."""
MINE = "__main__"
"""The module of what a notebook defines."""
OWN_THREADS = "/proc/self/task/"
TIMERS = signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF
SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGCHLD})
"""Those that storms are made of. The agent itself handles interrupts, and Python's own modules need SIGCHLD as it is."""


def _set_callbacks(callbacks: list[Any]) -> None:
    gc.callbacks[:] = callbacks


def _raise_recursion_limit(limit: int) -> None:
    sys.setrecursionlimit(max(limit, sys.getrecursionlimit()))


SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (sys.gettrace, sys.settrace),
    (sys.getprofile, sys.setprofile),
    (sys.getswitchinterval, sys.setswitchinterval),
    (gc.get_threshold, lambda counts: gc.set_threshold(*counts)),
    (lambda: [*gc.callbacks], _set_callbacks),
    (sys.getrecursionlimit, _raise_recursion_limit),
)
"""Settings that can slow or stop all that follows: how each is read, and how it is set. A higher limit of recursion stays."""

Hooks = Callable[[], list[list[Any]]]
"""Gives the lists of what is called with each cell."""


class Settings:
    """The settings of this process, its handlers of signals and its hooks, as they are when this is made."""

    def __init__(self, hooks: Hooks) -> None:
        self._values = [read() for read, _ in SETTINGS]
        self._handlers = {number: getsignal(number) for number in SIGNALS}
        self._hooks = hooks
        self.keep_hooks()

    def keep_hooks(self) -> None:
        """From now on, what is hooked in now stays."""
        self._kept = [each for hooks in self._hooks() for each in hooks]

    def put_back(self) -> None:
        """Stops all timers, lets all signals through, puts back what has changed, and takes out what was hooked in.

        What a module hooks in stays, as matplotlib does to show figures: it is no code of the notebook's.
        A signal that was handled by code is ignored from then on, where it would else end the process.
        """
        for _ in range(MAX_TRIES):
            with suppress(BaseException):  # of a handler, which may run at any place until its timer has stopped
                self._put_back()
                return

    def _put_back(self) -> None:
        for timer in TIMERS:
            signal.setitimer(timer, 0)
        for (read, write), value in zip(SETTINGS, self._values, strict=True):
            if read() != value:
                write(value)
        for number, handler in self._handlers.items():
            if getsignal(number) not in (handler, _ignore):
                signal.signal(number, _ignore if handler == signal.SIG_DFL else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for hooks in self._hooks():
            hooks[:] = [each for each in hooks if _is_of_module(each) or any(each is kept for kept in self._kept)]


def _is_of_module(hook: object) -> bool:
    """Whether a function, or the class of an object, is of a module that was imported, and not of the notebook."""
    module = getattr(hook, "__module__", None)
    return type(module) is str and module != MINE and module in sys.modules


def _ignore(*_: object) -> None:
    """Ignores a signal. SIG_IGN would do so in processes as well that are started later."""


def others() -> set[str]:
    """The folders in /proc of the other threads of this process, and of the other processes that belong to it.

    In a room these are all that there are: its first process is one of them, from the beginning.
    """
    me, parent = os.getpid(), os.getppid()
    found = set[str]()
    with suppress(OSError):
        found = {f"{OWN_THREADS}{thread}" for thread in os.listdir(OWN_THREADS)} - {f"{OWN_THREADS}{me}"}
        pids = descendants(parent) if parent else {int(name) for name in os.listdir("/proc") if name.isdigit()}
        found |= {f"/proc/{pid}" for pid in pids - {me}}
    return found


def forget_ended(known: set[str]) -> None:
    """Lets the kernel forget the children of this process that have ended, if more than MOST_ENDED of these `others` have.

    Whoever waits for one of them later is told that it went well.
    """
    if len(known) > MOST_ENDED:
        ended = [int(pid) for pid in (each.removeprefix("/proc/") for each in known) if pid.isdigit() and _has_ended(pid)]
        for pid in ended if len(ended) > MOST_ENDED else ():
            with suppress(ChildProcessError):  # it is the child of another
                os.waitpid(pid, os.WNOHANG)


def _has_ended(pid: str) -> bool:
    with suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(") ")[2].startswith("Z")
    return False


def can_open_files() -> bool:
    """Whether this process may open FEWEST_FILES more."""
    opened: list[int] = []
    try:
        for _ in range(FEWEST_FILES):
            opened.append(os.open("/", os.O_RDONLY))
    except OSError as error:
        return error.errno != errno.EMFILE
    finally:
        for each in opened:
            os.close(each)
    return True


def wait_until_calm(known: set[str], deadline: float) -> None:
    """Returns when none of the `others` but the `known` ones goes on computing, or at the deadline of `time.monotonic`.

    One that waits, or sleeps, is calm, but none that starts others all the time.

    What counts is the time for which they ran or waited for a processor: so it is the same on a busy machine.
    """
    before, then = _wanted(known), monotonic()
    while before and then < deadline:
        sleep(PAUSE)
        after, now = _wanted(known), monotonic()
        wanted = sum(nanoseconds - before.get(each, 0) for each, nanoseconds in after.items())
        is_same = after.keys() <= before.keys()  # or else what one that has ended has wanted is not known
        if is_same and wanted < BUSY * 1e9 * (now - then):
            return
        before, then = after, now


def _wanted(known: set[str]) -> dict[str, int]:
    """The nanoseconds for which each of the others, but the known ones, has run or waited for a processor so far."""
    wanted = dict.fromkeys(others() - known, 0)
    for each in wanted:
        with suppress(OSError, ValueError):  # it has ended, or the kernel does not count
            threads = [each] if each.startswith(OWN_THREADS) else [f"{each}/task/{name}" for name in os.listdir(f"{each}/task")]
            for thread in threads:
                with open(f"{thread}/schedstat", encoding="ascii") as file:
                    ran, waited, _ = map(int, file.read().split())
                wanted[each] += ran + waited
    return wanted
