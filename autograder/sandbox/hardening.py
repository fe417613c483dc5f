"""The system calls by which a fresh fork locks itself down on its way into a room.

Each function changes the calling process for good. `entry` says in which order they are called.
"""

from __future__ import annotations

import ctypes
import fcntl
import math
import os
import platform
import resource
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from autograder.sandbox import seccomp
from autograder.sandbox.limits import Limits, reserved_bytes

IS_LINUX = sys.platform == "linux"

NEW_USER = 0x10000000
OTHER_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
"""Mount, cgroup, uts, ipc, pid, net: CLONE_NEW flags."""

SET_DEATH_SIGNAL, SET_DUMPABLE, SET_SECCOMP, DROP_BOUND, SET_SUBREAPER, SET_NO_NEW_PRIVILEGES, AMBIENT = (
    1,
    4,
    22,
    24,
    36,
    38,
    47,
)
FILTER, CLEAR_ALL = 2, 4
NO_SUID, NO_DEVICES, BIND = 2, 4, 4096
ARENAS = -8  # mallopt's M_ARENA_MAX
CAPABILITIES_3 = 0x20080522
MAX_OPEN_FILES = 256
"""How many files a process may have open. The limit is low because unread data in pipes and sockets is memory that counts for
no process."""

MAX_SIGNALS = 1024
"""How many signals may wait for a user's processes. A timer takes one for as long as it is there, and memory of the kernel."""

MEMORY_LIMITS = resource.RLIMIT_AS, resource.RLIMIT_DATA
RESERVE = 2**24
"""Bytes beyond the memory of a process that it may take to say that it has used up its memory."""

UNUSED = ((1879048192, 2**28), (61184, 4336))
"""Ranges of user ids that no machine gives to anybody, from systemd's list: the first id and how many. The second range lies
below 65536, for containers that have no more ids."""

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """Calls a function of the C library by its name, and gives its result. Raises OSError where it fails or does not exist."""
    function = getattr(_libc, name, None)
    if function is None:
        raise OSError(f"{name}: not on this system")
    result: int = function(*(ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def free_user() -> int | None:
    """A random user id for one room that nobody else has; None if this process cannot become another user."""
    if os.geteuid() != 0:
        return None
    maps = [Path(f"/proc/self/{kind}_map") for kind in ("uid", "gid")]
    if not all(path.exists() for path in maps):
        return None
    for start, number in UNUSED:
        rows = ([tuple(map(int, row.split())) for row in path.read_text().splitlines()] for path in maps)
        if all(any(first <= start and start + number <= first + count for first, _, count in each) for each in rows):
            return start + secrets.randbelow(number)
    return None


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when its parent ends.

    `parent` is the parent's pid as seen from here, 0 from another pid namespace. If the parent has ended already, this process
    exits at once. Call it again after every change of user, since the kernel then forgets the request.
    """
    if IS_LINUX:
        call("prctl", SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def hide_memory(hidden: bool) -> None:
    """Whether other processes of the same user are kept from reading the memory of this one. A fork begins as its parent is."""
    if IS_LINUX:
        call("prctl", SET_DUMPABLE, int(not hidden), 0, 0, 0)


def keep_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent ends, so that none gets out of sight."""
    if IS_LINUX:
        call("prctl", SET_SUBREAPER, 1, 0, 0, 0)


def forget_environment() -> None:
    """Empties the environment, and overwrites the memory in which `/proc/self/environ` shows it as it was at the start."""
    os.environ.clear()
    with suppress(FileNotFoundError):
        start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[47:49])
        ctypes.memset(start, 0, end - start)


def reset_signals() -> None:
    """Handles signals as a Python that has just started does, with no timer running and no signal blocked."""
    usual: dict[int, Callable[..., object] | signal.Handlers] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGPIPE: signal.SIG_IGN,
        signal.SIGXFSZ: signal.SIG_IGN,
    }
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError):  # the C library keeps some signals for itself
            signal.signal(number, usual.get(number, signal.SIG_DFL))
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def enter(process: int, user_namespace: bool) -> None:
    """Enters the namespaces of the process with this pidfd. The pid namespace takes effect with the next fork.

    The user namespace comes first: only inside of it has an ordinary user the right to enter the others.
    """
    if user_namespace:
        call("setns", process, NEW_USER)
        with suppress(OSError):  # a second barrier only: the filter refuses to make namespaces
            Path("/proc/sys/user/max_user_namespaces").write_text("0")
    call("setns", process, OTHER_NAMESPACES)


def mount_scratch(folder: str, size: int) -> None:
    """Mounts an empty disk of `size` bytes at `folder`. It lies in memory."""
    options = f"size={size},nr_inodes={max(size // 4096, 64)},mode=755".encode()
    call("mount", b"scratch", folder.encode(), b"tmpfs", NO_SUID | NO_DEVICES, options)


def show_again(folder: str, place: str) -> None:
    """Makes a folder appear at `place` too (a bind mount)."""
    call("mount", folder.encode(), place.encode(), None, BIND, None)


def replace_files(kept: set[int], folder: str) -> None:
    """Closes every descriptor but `kept`. Input is empty; output goes to nameless files in `folder`, which the shell reads."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number in (1, 2):
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            os.dup2(file.fileno(), number)
        fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_APPEND)
    first = 3
    for each in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(first, each)
        first = each + 1
    names = zip(("stdin", "stdout", "stderr"), "rww", strict=True)
    for number, (name, mode) in enumerate(names):
        stream = open(number, mode, 1 if number else -1, encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def set_limits(limits: Limits, processes: int) -> None:
    """Sets limits that hold for this process and all that it starts; `processes` is how many its user may have in all.

    The memory limit is on top of what is loaded now. It is on address space, reserved or used, because the kernel enforces that
    at once, and at the same place each time; the supervisor looks only now and then at what several processes take together.
    """
    with suppress(OSError):
        call("mallopt", ARENAS, 1)  # or else every thread reserves 64 MiB of address space
    table = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_NPROC: processes,
    }
    if IS_LINUX:
        table |= {resource.RLIMIT_SIGPENDING: MAX_SIGNALS, resource.RLIMIT_RTPRIO: 0, resource.RLIMIT_NICE: 0}
    reserve = {}
    for kind, taken in zip(MEMORY_LIMITS, reserved_bytes(os.getpid()), strict=True):
        if taken:
            table[kind], reserve[kind] = taken + limits.memory, RESERVE
    for kind, value in table.items():
        hard = resource.getrlimit(kind)[1]
        most = value + reserve.get(kind, 0)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (min(value, most), most))


def die_first(pid: int) -> None:
    """If the machine runs out of memory, this process is killed first, and what it starts.

    It may take that back, unless who asks has CAP_SYS_RESOURCE; so a room's `/proc` is read-only.
    """
    with suppress(OSError):  # there is no such file on this system, or the process is gone
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def memory_left() -> float:
    """Bytes that this process may still take, as `set_limits` counts them; infinity where nothing limits it."""
    most = [resource.getrlimit(kind)[0] for kind in MEMORY_LIMITS]
    if resource.RLIM_INFINITY in most:
        return math.inf
    return min(limit - taken for limit, taken in zip(most, reserved_bytes(os.getpid()), strict=True))


def return_memory() -> None:
    """Gives the kernel back what the C library holds of freed memory."""
    with suppress(OSError):
        call("malloc_trim", 0)


def take_reserve() -> None:
    """Lets a process that has used up its memory take RESERVE bytes more, to say so."""
    for kind in MEMORY_LIMITS:
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (hard, hard))


def drop_privileges(uid: int | None) -> None:
    """Becomes `uid` unless it is None, keeps no capability, and can never get one again.

    The bounding set goes first and the groups before the user, while this process still has the right to change them.
    """
    if IS_LINUX:
        for capability in range(64):
            with suppress(OSError):  # the kernel knows no such capability, or this process may not drop it and so has none
                call("prctl", DROP_BOUND, capability, 0, 0, 0)
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if IS_LINUX:
        call("prctl", AMBIENT, CLEAR_ALL, 0, 0, 0)
        call("capset", (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)())
        call("prctl", SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    hide_memory(False)  # a change of user gave its files in /proc to root: it takes them back


def machine_filter() -> bytes | None:
    """The filter of system calls for this machine; None where there is none."""
    return seccomp.filter_program(platform.machine()) if IS_LINUX else None


def filter_calls() -> None:
    """Refuses the system calls that no notebook needs, where this machine has a filter."""
    if (lines := machine_filter()) is not None:
        pointer = ctypes.cast(ctypes.c_char_p(lines), ctypes.c_void_p)
        call("prctl", SET_SECCOMP, FILTER, ctypes.byref(_Program(len(lines) // 8, pointer)), 0, 0)


class _Program(ctypes.Structure):
    """The kernel's `struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))


def set_environment(home: str, temporary: str) -> None:
    """Sets the few environment variables that notebooks need."""
    os.environ.update(
        PATH=f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        HOME=home,
        TMPDIR=temporary,
        LANG="C.UTF-8",
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        MPLCONFIGDIR=f"{home}/.matplotlib",
        OMP_NUM_THREADS="1",
        NBGRADER_EXECUTION="autograde",
        PYTHONDONTWRITEBYTECODE="1",
    )
    tempfile.tempdir = None  # Python works it out once, from the environment: it must do so again
