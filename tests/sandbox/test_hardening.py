"""What a room takes away from whoever enters: system calls, rights, memory, files, time-honoured tricks."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.sandbox import hardening, seccomp
from autograder.sandbox.limits import MIB, Limits
from autograder.sandbox.room import Room
from tests.support.rooms import asked, linux
from tests.support.rooms import clean as clean

pytestmark = [linux, pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")]
LIMITS = Limits(memory=300 * MIB, processes=12, file_size=2 * MIB, scratch=8 * MIB)


@pytest.fixture(params=["room", "no sandbox"])
def either(request: pytest.FixtureRequest) -> Iterator[Room]:
    with Room(LIMITS, None, sandbox=request.param == "room") as room:
        yield room


@pytest.fixture
def room() -> Iterator[Room]:
    with Room(LIMITS, None) as room:
        yield room


@pytest.fixture
def roomy() -> Iterator[Room]:
    with Room(Limits(), None) as room:
        yield room


def verdict(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """What the kernel would make of a call: the program, run by hand."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    lines = list(struct.iter_unpack("=HBBI", program))
    at = word = 0
    while True:
        code, yes, no, value = lines[at]
        at += 1
        match code:
            case seccomp.LOAD:
                (word,) = struct.unpack_from("=I", data, value)
            case seccomp.MASK:
                word &= value
            case seccomp.EQUAL:
                at += yes if word == value else no
            case seccomp.AT_LEAST:
                at += yes if word >= value else no
            case seccomp.ANY_BIT:
                at += yes if word & value else no
            case seccomp.RETURN:
                return value
            case _:
                raise ValueError(code)


REFUSED, ABSENT = (seccomp.REFUSE | number for number in (errno.EPERM, errno.ENOSYS))
ORDINARY = {"x86_64": (0, 1, 9, 57, 59, 61, 231, 257), "aarch64": (63, 64, 221, 222, 56, 94, 260)}


@pytest.mark.parametrize("machine", seccomp.MACHINES)
class TestFilter:
    def judge(self, machine: str, number: int, *arguments: int) -> int:
        program = seccomp.filter_program(machine)
        assert program is not None
        return verdict(program, seccomp.MACHINES[machine][1], number, *arguments)

    def test_every_call_of_the_table_is_refused_and_ordinary_ones_are_not(self, machine: str) -> None:
        column = seccomp.MACHINES[machine][0]
        numbers = [row[column] for row in seccomp.REFUSED_CALLS.values() if row[column] is not None]
        assert len(numbers) > 50
        assert {self.judge(machine, number) for number in numbers if number is not None} == {REFUSED}
        assert {self.judge(machine, number) for number in ORDINARY[machine]} == {seccomp.ALLOW}

    def test_the_tables_of_other_programs_are_refused(self, machine: str) -> None:
        program = seccomp.filter_program(machine)
        assert program is not None
        assert verdict(program, 0x40000003, ORDINARY[machine][0]) == REFUSED
        assert self.judge(machine, ORDINARY[machine][0] | seccomp.X32) == REFUSED

    def test_a_new_process_may_not_have_new_namespaces(self, machine: str) -> None:
        column = seccomp.MACHINES[machine][0]
        for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
            assert self.judge(machine, seccomp.CLONE[column], flag | signal.SIGCHLD) == REFUSED
        assert self.judge(machine, seccomp.CLONE[column], 0x01200000 | signal.SIGCHLD) == seccomp.ALLOW
        assert self.judge(machine, seccomp.CLONE3[column]) == ABSENT

    def test_three_families_of_sockets_are_left_with_their_usual_types_and_protocols(self, machine: str) -> None:
        column = seccomp.MACHINES[machine][0]
        protocols = (0, 1, 2, 6, 17, 33, 58, 132, 136, 255, 256, 262)
        tried = [(family, kind, 0) for family in range(48) for kind in (1, 2, 3)]
        tried += [(family, kind, protocol) for family in (1, 2, 10) for kind in range(11) for protocol in protocols]
        left = {each for each in tried if self.judge(machine, seccomp.SOCKET[column], *each) == seccomp.ALLOW}
        assert left == {(1, 1, 0), (1, 2, 0), (1, 5, 0)} | {
            (family, *rest) for family in (2, 10) for rest in ((1, 0), (1, 6), (2, 0), (2, 17))
        }
        pairs = {each for each in tried if self.judge(machine, seccomp.SOCKETPAIR[column], *each) == seccomp.ALLOW}
        assert pairs == {(1, 1, 0), (1, 2, 0), (1, 5, 0)}
        flags = socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        assert self.judge(machine, seccomp.SOCKET[column], 2, 1 | flags, 6) == seccomp.ALLOW
        assert self.judge(machine, seccomp.SOCKET[column], 2, 1 | flags, 262) == REFUSED

    @pytest.mark.parametrize("name", seccomp.REFUSED_ARGUMENTS)
    def test_some_values_of_an_argument_are_refused_and_others_are_not(self, machine: str, name: str) -> None:
        call, argument, values = seccomp.REFUSED_ARGUMENTS[name]
        number = call[seccomp.MACHINES[machine][0]]
        for value in values:
            arguments = [3, 3, 3]
            assert self.judge(machine, number, *arguments) == seccomp.ALLOW
            arguments[argument] = value
            assert self.judge(machine, number, *arguments) == REFUSED
            arguments[argument] = value | 2**32  # the kernel reads the low half, and so does the filter
            assert self.judge(machine, number, *arguments) == REFUSED
            assert self.judge(machine, number + 1000, *arguments) == ABSENT

    def test_calls_that_are_newer_than_the_table_are_absent(self, machine: str) -> None:
        gap = range(*seccomp.UNUSED)
        assert {self.judge(machine, number) for number in (*gap, *range(seccomp.NEWER, 700))} == {ABSENT}
        assert {self.judge(machine, number) for number in (424, 434, 436, 437, 439, 452)} == {seccomp.ALLOW}


def test_there_is_no_filter_for_a_machine_that_is_not_in_the_table() -> None:
    assert seccomp.filter_program("riscv64") is None


KEPT = """
accept accept4 access alarm arch_prctl bind brk capget chdir chmod chown clock_getres clock_gettime clock_nanosleep close
close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2
epoll_wait eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat
fchmodat2 fchown fchownat fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstatat fstatfs fsync
ftruncate futex futex_waitv futimesat get_robust_list getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups
getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid
getsockname getsockopt gettid gettimeofday getuid getxattr ioprio_get kill lchown lgetxattr link linkat listen listxattr
llistxattr lremovexattr lseek lsetxattr lstat madvise membarrier mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall
mmap mprotect mremap msync munlock munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open
pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll pread64 preadv preadv2 prlimit64 pselect6 pwrite64
pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg removexattr rename renameat renameat2
restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_yield seccomp select sendfile sendmmsg sendmsg
sendto set_robust_list set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid
setresuid setreuid setrlimit setsid setsockopt setuid setxattr shutdown sigaltstack signalfd signalfd4 stat statfs statx
symlink symlinkat sync_file_range sync_file_range2 sysinfo tgkill time timer_create timer_delete timer_getoverrun
timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat
utime utimensat utimes vfork wait4 waitid write writev
"""
"""What is left: what programs of a notebook use, and what a process can only do to itself and its children."""
NOT_THERE = """
_sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms get_thread_area getpmsg putpmsg query_module
security set_thread_area tuxcall vserver arch_specific_syscall syscalls
"""
"""Names that stand in the headers, and no kernel of these machines has the call, or they are no calls."""

HEADERS = {"x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "/usr/include/asm-generic/unistd.h"}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_kernel(machine: str) -> None:
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    lines = [line.split() for line in header.read_text().splitlines() if line.startswith("#define __NR")]
    known = {words[1].removeprefix("__NR_").removeprefix("__NR3264_"): words[2] for words in lines if len(words) > 2}
    rows = {**seccomp.REFUSED_CALLS, "clone": seccomp.CLONE, "clone3": seccomp.CLONE3, "socket": seccomp.SOCKET}
    rows |= {"socketpair": seccomp.SOCKETPAIR, **{name: call for name, (call, *_) in seccomp.REFUSED_ARGUMENTS.items()}}
    column, compared = seccomp.MACHINES[machine][0], 0
    undecided = {name for name, number in known.items() if number.isdigit() and int(number) < seccomp.NEWER}
    undecided -= {name for name, number in known.items() if number.isdigit() and int(number) in range(*seccomp.UNUSED)}
    assert undecided - rows.keys() - {*KEPT.split()} - {*NOT_THERE.split()} == set()
    assert rows.keys() & {*KEPT.split()} == set()
    for name, row in rows.items():
        if (number := row[column]) is not None and known.get(name, "").isdigit():
            assert int(known[name]) == number, name
            compared += 1
    assert compared > 100


def raw(number: int | None, *arguments: int) -> str:
    """The name of the error that a system call gives, '' if it works."""
    libc = ctypes.CDLL(None, use_errno=True)
    filled = [ctypes.c_long(each) for each in (number or -1, *arguments, *[0] * (6 - len(arguments)))]
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(*filled) < 0 else ""


@pytest.mark.skipif(platform.machine() not in seccomp.MACHINES, reason="there is no filter for this machine")
class TestCalls:
    column = seccomp.MACHINES.get(platform.machine(), (0, 0))[0]

    def test_all_are_refused(self, either: Room) -> None:
        assert hardening.machine_filter() is not None
        errors = asked(
            either, lambda: {name: raw(row[self.column]) for name, row in seccomp.REFUSED_CALLS.items() if row[self.column]}
        )
        assert len(errors) > 50
        assert {name: error for name, error in errors.items() if error != "EPERM"} == {}

    def test_new_namespaces_by_clone_are_refused(self, either: Room) -> None:
        flags = [1 << bit for bit in (17, 25, 26, 27, 28, 29, 30)]
        assert asked(either, lambda: [raw(seccomp.CLONE[self.column], flag | 17) for flag in flags]) == ["EPERM"] * 7
        assert asked(either, lambda: raw(seccomp.CLONE3[self.column], 0, 88)) == "ENOSYS"

    def test_other_families_of_sockets_are_refused(self, either: Room) -> None:
        def tried() -> list[str]:
            return [raw(seccomp.SOCKET[self.column], family, 3) for family in range(46) if family not in (1, 2, 10)]

        assert asked(either, tried) == ["EPERM"] * 43

    def test_protocols_that_no_notebook_speaks_are_refused(self, either: Room) -> None:
        mptcp, lite, ping, raw_unix = (2, 1, 262), (2, 2, 136), (2, 2, 1), (1, 3, 0)
        tried = [mptcp, lite, ping, raw_unix, (10, 1, 262), (10, 5, 132), (2, 3, 6)]
        assert asked(either, lambda: [raw(seccomp.SOCKET[self.column], *each) for each in tried]) == ["EPERM"] * len(tried)
        assert asked(either, lambda: [socket.socket(family, kind).fileno() > 2 for family, kind, _ in seccomp.SOCKETS]) == [
            True
        ] * len(seccomp.SOCKETS)

    def test_values_of_arguments_are_refused(self, either: Room) -> None:
        def tried() -> dict[str, str]:
            calls = {}
            for name, (call, argument, values) in seccomp.REFUSED_ARGUMENTS.items():
                for value in values:
                    calls[f"{name} {value}"] = raw(call[self.column], *[1] * argument, value)
            return calls

        errors = asked(either, tried)
        assert len(errors) >= 5
        assert {name: error for name, error in errors.items() if error != "EPERM"} == {}

    def test_calls_of_newer_kernels_are_absent(self, either: Room) -> None:
        newer = range(seccomp.NEWER, 480)
        assert asked(either, lambda: {raw(number) for number in newer}.__repr__()) == "{'ENOSYS'}"

    def test_what_notebooks_do_still_works(self, either: Room) -> None:
        def work() -> list[object]:
            seen: list[object] = []
            thread = threading.Thread(target=lambda: seen.append("thread"))
            thread.start()
            thread.join()
            seen.append(subprocess.run(["sh", "-c", "echo child"], capture_output=True, text=True, timeout=30).stdout)
            left, right = socket.socketpair()
            left.send(b"pair")
            seen.append(right.recv(4).decode())
            return seen

        assert asked(either, work) == ["thread", "child\n", "pair"]

    def test_what_programs_in_python_do_still_works(self, roomy: Room) -> None:
        program = Path(__file__).with_name("programs.py").read_text()

        def work() -> list[str]:
            Path("program.py").write_text(program)
            done = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True, timeout=100)
            return [done.stdout, done.stderr]

        said, errors = asked(roomy, work)
        told = ["fork [1, 4]", "spawn [1, 4]", "forkserver [1, 4]", "executor [1, 4]", "asyncio two", "shared 7", "figure True"]
        assert said.splitlines() == told, errors
        assert errors == ""

    def test_what_is_done_with_torch_still_works(self, roomy: Room) -> None:
        def work() -> list[object]:
            torch.set_num_threads(3)
            numbers = torch.arange(250_000.0).view(500, 500)
            product = (numbers @ numbers)[0, 0].item()
            data = torch.utils.data.TensorDataset(torch.arange(6.0))
            batches = torch.utils.data.DataLoader(data, batch_size=2, num_workers=2)
            return [product > 0, torch.get_num_threads(), [batch.sum().item() for (batch,) in batches]]

        assert asked(roomy, work) == [True, 3, [1.0, 5.0, 9.0]]


def fresh(size: int) -> mmap.mmap:
    """Memory from the system: what this large process once freed would come from the heap."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def status() -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)


def test_no_right_is_left(either: Room) -> None:
    seen = asked(either, status)
    capabilities = {"CapInh", "CapPrm", "CapEff", "CapAmb"} | ({"CapBnd"} if os.geteuid() == 0 else set())
    assert {seen[name] for name in capabilities} == {"0" * 16}
    assert seen["NoNewPrivs"] == "1"
    assert seen["Seccomp"] == ("2" if hardening.machine_filter() is not None else "0")


def test_in_a_room_nobody_is_root_or_in_a_group(room: Room) -> None:
    seen = asked(room, lambda: [status(), os.getgroups(), Path("/proc/self/uid_map").read_text().split()])
    uids = set(seen[0]["Uid"].split())
    assert len(uids) == 1
    assert uids != {"0"}
    if os.geteuid() == 0:
        assert seen[0]["CapBnd"] == "0" * 16
        assert seen[1] == []
    else:
        assert seen[2] == ["1000", str(os.getuid()), "1"]


def test_an_ordinary_users_room_can_have_no_further_ones(room: Room) -> None:
    if os.geteuid() == 0:
        pytest.skip("root's rooms are no user namespaces")
    assert asked(room, lambda: Path("/proc/sys/user/max_user_namespaces").read_text()) == "0\n"


class TestLimits:
    def test_they_are_set_for_good(self, either: Room) -> None:
        kinds = (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
        expected = [[0, 0], [2 * MIB, 2 * MIB], [hardening.MAX_OPEN_FILES, hardening.MAX_OPEN_FILES]]
        assert asked(either, lambda: [resource.getrlimit(kind) for kind in kinds]) == expected
        raised = asked(either, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MIB, 4 * MIB)))
        assert "not allowed to raise" in raised

    @pytest.mark.parametrize(
        "take",
        [
            lambda: len(fresh(310 * MIB)),
            lambda: len(mmap.mmap(-1, 310 * MIB)),
            lambda: len([fresh(MIB) for _ in range(310)]),
        ],
        ids=["at once", "shared", "bit by bit"],
    )
    def test_a_process_cannot_take_more_memory(self, either: Room, take: Callable[[], int]) -> None:
        assert "memory" in str(asked(either, take)).lower()
        assert asked(either, lambda: len(bytearray(200 * MIB))) == 200 * MIB

    def test_what_is_left_is_known_and_a_reserve_is_there_to_say_that_nothing_is(self, either: Room) -> None:
        def fill() -> list[bool]:
            at_first, held = hardening.memory_left(), []
            with suppress(MemoryError, OSError):
                while True:
                    held.append(fresh(MIB))
            at_last = hardening.memory_left()
            hardening.take_reserve()
            return [280 * MIB < at_first <= 300 * MIB, at_last < 2 * MIB, len(fresh(hardening.RESERVE // 2)) > 0]

        assert asked(either, fill) == [True] * 3

    def test_threads_do_not_reserve_memory(self, either: Room) -> None:
        def start() -> int:
            end = threading.Event()
            threads = [threading.Thread(target=lambda: (bytearray(1000), end.wait(30))) for _ in range(8)]
            for thread in threads:
                thread.start()
            count = threading.active_count()
            end.set()
            return count

        assert asked(either, start) == 9

    def test_timers_are_counted(self, either: Room) -> None:
        timer_create = (222, 107)[platform.machine() == "aarch64"]

        def flood() -> list[object]:
            for number in range(5000):
                if error := raw(timer_create, 1, 0, ctypes.addressof(ctypes.create_string_buffer(8))):
                    return [number, error]
            return [-1, ""]

        number, error = asked(either, flood)
        assert error == "EAGAIN"
        assert 0 < number <= hardening.MAX_SIGNALS

    def test_nobody_gets_ahead_of_others(self, either: Room) -> None:
        kinds = (resource.RLIMIT_NICE, resource.RLIMIT_RTPRIO)
        assert asked(either, lambda: [resource.getrlimit(kind) for kind in kinds]) == [[0, 0], [0, 0]]
        assert "denied" in asked(either, lambda: os.setpriority(os.PRIO_PROCESS, 0, -1))

    def test_a_file_has_its_size(self, either: Room) -> None:
        def write() -> int:
            try:
                Path("big").write_bytes(bytes(3 * MIB))
            except OSError as error:
                assert error.errno == errno.EFBIG
            return Path("big").stat().st_size

        assert asked(either, write) == 2 * MIB

    def test_the_disk_has_its_size(self, room: Room) -> None:
        def fill() -> list[object]:
            written, error = 0, ""
            places = ("/room/submission", os.environ["TMPDIR"], os.environ["HOME"], "/dev/shm")
            for number in range(40):
                try:
                    written += Path(places[number % 4], f"f{number}").write_bytes(bytes(MIB // 2))
                except OSError as full:
                    error = errno.errorcode[full.errno or 0]
            return [written, error]

        written, error = asked(room, fill)
        assert error == "ENOSPC"
        assert 7 * MIB <= written <= 8 * MIB

    def test_the_disk_holds_a_limited_number_of_files(self, room: Room) -> None:
        def fill() -> int:
            for number in range(10_000):
                try:
                    Path(f"f{number}").touch()
                except OSError:
                    return number
            return -1

        assert 1000 < asked(room, fill) <= 2048

    def test_processes_are_counted(self, room: Room) -> None:
        started = asked(room, bomb)
        assert 8 <= started <= 11  # the student's own is one of twelve
        assert len(room.processes()) >= started

    def test_threads_are_counted_too(self, room: Room) -> None:
        def start() -> int:
            for number in range(50):
                try:
                    threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
                except RuntimeError:
                    return number
            return -1

        assert 8 <= asked(room, start) <= 11

    def test_processes_of_another_room_are_not(self, room: Room) -> None:
        with Room(LIMITS, None) as second:
            assert asked(room, bomb) == asked(second, bomb)


def bomb() -> int:
    for number in range(100):
        try:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
        except OSError:
            return number
    return -1


class TestStart:
    """A student's process starts like a fresh one."""

    def test_signals_are_as_python_sets_them(self, either: Room) -> None:
        before = signal.signal(signal.SIGUSR1, lambda *_: None)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        try:
            names = ("SIGUSR1", "SIGTERM", "SIGCHLD", "SIGPIPE", "SIGXFSZ", "SIGINT")
            seen = asked(either, lambda: [str(signal.getsignal(getattr(signal, name))) for name in names])
            blocked = asked(either, lambda: len(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        finally:
            signal.signal(signal.SIGUSR1, before)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        assert [name.removeprefix("Handlers.") for name in seen[:5]] == ["0"] * 3 + ["1"] * 2
        assert "default_int_handler" in seen[5]
        assert blocked == 0

    def test_it_leads_a_session_and_dies_first_when_memory_runs_out(self, either: Room) -> None:
        def seen() -> list[Any]:
            return [os.getsid(0) == os.getpid(), os.umask(0), int(Path("/proc/self/oom_score_adj").read_text())]

        assert asked(either, seen) == [True, 0o022, 1000]

    def test_in_a_room_that_cannot_be_taken_back(self, room: Room) -> None:
        def seen() -> list[str]:
            errors = []
            for path in Path("/proc").glob("[0-9]*/oom_*adj"):
                try:
                    path.write_text("-17")
                except OSError as error:
                    errors.append(errno.errorcode[error.errno or 0])
            return [*sorted({*errors}), Path("/proc/self/oom_score_adj").read_text()]

        assert asked(room, seen) == ["EROFS", "1000\n"]

    def test_in_a_room_no_file_of_proc_can_be_written(self, room: Room) -> None:
        def seen() -> list[str]:
            opened = []
            for folder, _, names in os.walk("/proc/self"):
                for name in names:
                    path = os.path.join(folder, name)
                    if not os.path.islink(path):
                        with suppress(OSError):
                            os.close(os.open(path, os.O_WRONLY))
                            opened.append(path)
            return opened

        assert asked(room, seen) == []

    def test_its_environment_is_its_own(self, either: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET", "do-not-tell")
        started = dict(each.partition("=")[::2] for each in Path("/proc/self/environ").read_text().split("\0"))
        assert started["PATH"] and os.environ["PATH"].startswith(started["PATH"])
        seen = asked(either, lambda: [dict(os.environ), Path("/proc/self/environ").read_bytes().strip(b"\0").decode()])
        names = {"HOME", "LANG", "MPLBACKEND", "MPLCONFIGDIR", "NBGRADER_EXECUTION", "OMP_NUM_THREADS", "PATH", "TMPDIR"}
        assert seen[0].keys() == names | {"PYTHONDONTWRITEBYTECODE"}
        assert seen[0]["NBGRADER_EXECUTION"] == "autograde"
        assert seen[0]["PATH"].startswith(f"{sys.prefix}/bin:")
        assert seen[1] == ""

    def test_its_only_files_are_its_output_and_the_channel(self, either: Room, tmp_path: Path) -> None:
        secret = os.open(tmp_path / "secret", os.O_CREAT | os.O_RDWR)
        high = os.dup2(secret, 900, inheritable=True)
        try:

            def seen() -> dict[str, str]:
                folder = "/proc/self/fd"
                return {
                    name: os.readlink(f"{folder}/{name}") for name in os.listdir(folder) if os.path.lexists(f"{folder}/{name}")
                }

            files = asked(either, seen)
        finally:
            os.close(secret)
            os.close(high)
        assert files.pop("0") == "/dev/null"
        assert all("deleted" in files.pop(number) for number in ("1", "2"))
        assert [goal.partition(":")[0] for goal in files.values()] == ["socket"]

    def test_what_it_prints_can_be_read_again(self, either: Room) -> None:
        def speak() -> list[str]:
            print("one")
            os.lseek(1, 0, os.SEEK_SET)
            subprocess.run(["sh", "-c", "echo two; echo three >&2"], timeout=30, check=True)
            print("four", file=sys.stderr, flush=True)
            return [os.pread(number, 100, 0).decode() for number in (1, 2)]

        assert asked(either, speak) == ["one\ntwo\n", "three\nfour\n"]
