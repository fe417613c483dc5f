"""The system calls that no notebook needs, as a filter for the kernel (seccomp, BPF).

What is kept is what the C library, Python, numpy, torch and programs of the system use, and what a process can only do to
itself. A call that this module does not know is newer than its table, and is refused.
"""

from __future__ import annotations

import errno
import socket
import struct

REFUSED_CALLS: dict[str, tuple[int | None, int | None]] = {
    # looking into other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "process_mrelease": (448, 448),
    # another view of the machine
    "mount": (165, 40),
    "umount2": (166, 39),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "setns": (308, 268),
    "unshare": (272, 97),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "inotify_rm_watch": (255, 28),
    "cachestat": (451, 451),
    "lookup_dcookie": (212, 18),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
    # wide and often broken parts of the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "io_destroy": (207, 1),
    "io_submit": (209, 2),
    "io_cancel": (210, 3),
    "io_getevents": (208, 4),
    "io_pgetevents": (333, 292),
    "splice": (275, 76),
    "vmsplice": (278, 75),
    "tee": (276, 77),
    "remap_file_pages": (216, 234),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    # memory that belongs to no process
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmdt": (67, 197),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184),
    "mq_getsetattr": (245, 185),
    # a share of the machine that others would miss
    "sync": (162, 81),
    "syncfs": (306, 267),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "get_mempolicy": (239, 236),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the machine itself
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "settimeofday": (164, 170),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    "nfsservctl": (180, 42),
    "sysfs": (139, None),
    "ustat": (136, None),
    "_sysctl": (156, None),
    "capset": (126, 91),
}
"""The refused system calls with their numbers on x86_64 and on aarch64, as in the kernel's `unistd.h`; None: there is none."""

UNUSED, NEWER = (335, 424), 453
"""Numbers that are no calls of these machines, from the first to below the second, but for some of kernels newer than this
table; and the first of those that came after Linux 6.6. All of them fail as in a kernel that does not have them."""

CLONE, CLONE3, SOCKET, SOCKETPAIR = (56, 220), (435, 435), (41, 198), (53, 199)

REFUSED_ARGUMENTS: dict[str, tuple[tuple[int, int], int, tuple[int, ...]]] = {
    "ioctl": ((16, 29), 1, (0x5412, 0x541C, 0x5423)),  # TIOCSTI, TIOCLINUX, TIOCSETD: typing for a terminal, and its driver
    "fcntl": ((72, 25), 1, (1026,)),  # F_NOTIFY, the forerunner of inotify
    "prctl": ((157, 167), 0, (62,)),  # PR_SCHED_CORE: others may not run beside this process on a processor's threads
}
"""Calls that are refused for some values of one argument: the numbers, which argument, the values."""

_STREAM, _DATAGRAM, _PACKETS = 1, 2, 5
_TCP, _UDP = 6, 17
SOCKETS = [
    *((int(socket.AF_UNIX), kind, 0) for kind in (_STREAM, _DATAGRAM, _PACKETS)),
    *(
        (int(family), kind, protocol)
        for family in (socket.AF_INET, socket.AF_INET6)
        for kind, protocols in ((_STREAM, (0, _TCP)), (_DATAGRAM, (0, _UDP)))
        for protocol in protocols
    ),
]
"""The families, types and protocols of sockets that are left."""

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""For each machine its column in the tables, and the number by which the kernel calls it (AUDIT_ARCH)."""

NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW flag that `clone` knows
X32 = 0x40000000  # set in the numbers of x86_64's second table of calls
SOCKET_TYPE = 0xF  # the bits of a socket's type; the others are flags

# Instructions: load a word, mask it, jump, return. A jump says how many instructions to skip if its test holds and if not.
LOAD, MASK, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCH, ARGUMENTS = 0, 4, (16, 24, 32)  # offsets in the kernel's `struct seccomp_data`; of an argument its low half
ALLOW, REFUSE = 0x7FFF0000, 0x00050000

Line = tuple[int, int, int, int]


def filter_program(machine: str) -> bytes | None:
    """The filter as an array of `struct sock_filter`; None for a machine whose calls are not in the table.

    A refused call fails with EPERM. `clone3` fails with ENOSYS, as if the kernel did not have it: its flags lie in memory,
    which no filter can read. The C library then calls `clone`, whose flags are an argument. So do all that are newer than the
    table. Calls through the tables of 32-bit programs are refused altogether.
    """
    if machine not in MACHINES:
        return None
    column, arch = MACHINES[machine]
    refuse, absent = (RETURN, 0, 0, REFUSE | errno.EPERM), (RETURN, 0, 0, REFUSE | errno.ENOSYS)
    allow = (RETURN, 0, 0, ALLOW)

    def only(call: tuple[int, int], body: list[Line]) -> list[Line]:
        """What is done with one call. The body returns, whatever it finds."""
        return [(EQUAL, 0, len(body), call[column]), *body]

    lines: list[Line] = [(LOAD, 0, 0, ARCH), (EQUAL, 1, 0, arch), refuse, (LOAD, 0, 0, NUMBER), (ANY_BIT, 0, 1, X32), refuse]
    for call, argument, values in REFUSED_ARGUMENTS.values():
        tests = [line for value in values for line in ((EQUAL, 0, 1, value), refuse)]
        lines += only(call, [(LOAD, 0, 0, ARGUMENTS[argument]), *tests, allow])
    lines += only(CLONE, [(LOAD, 0, 0, ARGUMENTS[0]), (ANY_BIT, 0, 1, NEW_NAMESPACES), refuse, allow])
    lines += only(CLONE3, [absent])
    for call, left in ((SOCKET, SOCKETS), (SOCKETPAIR, [each for each in SOCKETS if each[0] == socket.AF_UNIX])):
        lines += only(call, [line for each in left for line in (*_is_socket(*each), allow)] + [refuse])
    for numbers in REFUSED_CALLS.values():
        if (number := numbers[column]) is not None:
            lines += [(EQUAL, 0, 1, number), refuse]
    first, end = UNUSED
    lines += [(AT_LEAST, 0, 2, first), (AT_LEAST, 1, 0, end), absent, (AT_LEAST, 0, 1, NEWER), absent, allow]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _is_socket(family: int, kind: int, protocol: int) -> list[Line]:
    """Skips the next instruction unless the arguments ask for such a socket."""
    return [
        *((LOAD, 0, 0, ARGUMENTS[0]), (EQUAL, 0, 6, family)),
        *((LOAD, 0, 0, ARGUMENTS[1]), (MASK, 0, 0, SOCKET_TYPE), (EQUAL, 0, 3, kind)),
        *((LOAD, 0, 0, ARGUMENTS[2]), (EQUAL, 0, 1, protocol)),
    ]
