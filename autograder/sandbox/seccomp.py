"""The system calls that no notebook needs, as a filter for the kernel (seccomp, BPF)."""

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
    # another view of the machine
    "mount": (165, 40),
    "umount2": (166, 39),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
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
    # wide and often broken parts of the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    # memory that belongs to no process
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
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
}
"""The refused system calls with their numbers on x86_64 and on aarch64, as in the kernel's `unistd.h`; None: there is none."""

CLONE, CLONE3, SOCKET, SOCKETPAIR = (56, 220), (435, 435), (41, 198), (53, 199)

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""For each machine its column in the tables, and the number by which the kernel calls it (AUDIT_ARCH)."""

NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW flag that `clone` knows
X32 = 0x40000000  # set in the numbers of x86_64's second table of calls

# Instructions: load a word, jump, return. A jump says how many instructions to skip if its test holds and if not.
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, ARCH, ARGUMENT = 0, 4, 16  # offsets in the kernel's `struct seccomp_data`; ARGUMENT is the low half of the first
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


def filter_program(machine: str) -> bytes | None:
    """The filter as an array of `struct sock_filter`; None for a machine whose calls are not in the table.

    A refused call fails with EPERM. `clone3` fails with ENOSYS, as if the kernel did not have it: its flags lie in memory,
    which no filter can read. The C library then calls `clone`, whose flags are an argument.
    Calls through the tables of 32-bit programs are refused altogether.
    """
    if machine not in MACHINES:
        return None
    column, arch = MACHINES[machine]
    refuse, absent = (RETURN, 0, 0, REFUSE | errno.EPERM), (RETURN, 0, 0, REFUSE | errno.ENOSYS)
    allow = (RETURN, 0, 0, ALLOW)
    families = sorted({socket.AF_UNIX, socket.AF_INET, socket.AF_INET6})
    lines = [(LOAD, 0, 0, ARCH), (EQUAL, 1, 0, arch), refuse, (LOAD, 0, 0, NUMBER), (ANY_BIT, 0, 1, X32), refuse]
    for numbers in REFUSED_CALLS.values():
        if (number := numbers[column]) is not None:
            lines += [(EQUAL, 0, 1, number), refuse]
    lines += [(EQUAL, 0, 1, CLONE3[column]), absent]
    lines += [(EQUAL, 0, 4, CLONE[column]), (LOAD, 0, 0, ARGUMENT), (ANY_BIT, 0, 1, NEW_NAMESPACES), refuse, allow]
    for call, known in ((SOCKET, families), (SOCKETPAIR, [socket.AF_UNIX])):
        lines += [(EQUAL, 0, len(known) * 2 + 2, call[column]), (LOAD, 0, 0, ARGUMENT)]
        for family in known:
            lines += [(EQUAL, 0, 1, int(family)), allow]
        lines += [refuse]
    return b"".join(struct.pack("=HBBI", *line) for line in [*lines, allow])
