"""The room's walls."""

from __future__ import annotations

from tests.support.attacks.attack import ATTEMPT, SYSCALL, at

WALLS = {
    "writes-outside": at(
        "dz",
        "writes to Python, to the system and to the host",
        ATTEMPT
        + """
import autograder, os, sys
for place in (os.path.dirname(autograder.__file__), os.path.dirname(torch.__file__), sys.prefix,
    sys.base_prefix, '/', '/usr', '/usr/bin', '/etc', '/var', '/run', '/dev', '/proc/sys/kernel', '$course',
        '$home', '/room', '/bin'):
    attempt(place, lambda: open(f'{place}/$token', 'w'))
    attempt(place, lambda: os.mkdir(f'{place}/$token'))
for path in (autograder.__file__, os.__file__, '/etc/passwd', sys.executable, '/proc/sys/kernel/core_pattern',
    '/proc/sysrq-trigger', '/proc/1/oom_score_adj', '/proc/1/mem'):
    attempt(path, lambda: open(path, 'r+b'))
    attempt(path, lambda: os.chmod(path, 0o777))
""",
        shows="^/.* refused",
    ),
    "namespaces-and-mounts": at(
        "dz",
        "makes and enters namespaces, mounts and devices",
        ATTEMPT
        + SYSCALL
        + """
for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x4000000, 0x8000000, 0x2000000, 0x80):
    attempt(hex(flag), lambda: libc.unshare(flag) and 1 / 0)
    if flag > 128:
        attempt('clone', lambda: syscall(56 if os.uname().machine == 'x86_64' else 220, flag | 17, 0, 0, 0, 0))
for name in ('mnt', 'net', 'pid', 'user'):
    for pid in (1, os.getppid()):
        attempt(name, lambda: libc.setns(os.open(f'/proc/{pid}/ns/{name}', os.O_RDONLY), 0) and 1 / 0)
for kind in (b'proc', b'tmpfs', b'sysfs', b'overlay', b'ext4', None):
    attempt(kind, lambda: libc.mount(b'x', b'/tmp', kind, 0, None) and 1 / 0)
attempt('bind', lambda: libc.mount(b'/', b'/tmp', None, 4096 | 16384, None) and 1 / 0)
attempt('chroot', lambda: os.chroot('/tmp'))
attempt('umount', lambda: libc.umount2(b'/proc', 2) and 1 / 0)
attempt('mknod', lambda: os.mknod('/tmp/disk', 0o60660, os.makedev(8, 0)))
attempt('setuid', lambda: os.setuid(0))
attempt('setgroups', lambda: os.setgroups([0]))
attempt('hostname', lambda: __import__('socket').sethostname('$token'))
""",
        shows="0x10000000 refused(.|\n)*mknod refused",
    ),
    "looks-into-processes": at(
        "dz",
        "traces its parents and reads their memory",
        ATTEMPT
        + SYSCALL
        + """
pids = [1, os.getppid()]
intel = os.uname().machine == 'x86_64'
for pid in pids:
    for request in (16, 0x4206):
        attempt('ptrace', lambda: syscall(101 if intel else 117, request, pid, 0, 0))
    attempt('mem', lambda: open(f'/proc/{pid}/mem', 'rb').read(1))
    attempt('maps', lambda: open(f'/proc/{pid}/maps').read()[0])
    attempt('fd', lambda: os.listdir(f'/proc/{pid}/fd')[0])
    attempt('root', lambda: os.listdir(f'/proc/{pid}/root/home')[0])
    attempt('vm', lambda: syscall(310 if intel else 270, pid, 0, 0, 0, 0, 0))
    attempt('getfd', lambda: syscall(438, os.pidfd_open(pid), 3, 0))
for number in (425, 321 if intel else 280, 298 if intel else 241, 250 if intel else 219, 319 if intel else 279):
    attempt(number, lambda: syscall(number, 0, 0, 0, 0, 0))
""",
        shows="^ptrace refused",
    ),
    "setuid-programs": at(
        "dz",
        "becomes another user by programs of the system",
        ATTEMPT
        + """
import glob, os, stat, subprocess
programs = [p for top in ('/usr/bin', '/usr/sbin', '/bin', '/usr/lib/openssh')
    for p in glob.glob(f'{top}/*') if os.path.isfile(p) and os.stat(p).st_mode & (stat.S_ISUID | stat.S_ISGID)]
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
print(status['CapEff'].strip(), status['NoNewPrivs'].strip(), os.getuid() > 0)
for command in (['su', '-c', 'id'], ['mount', '-t', 'tmpfs', 'x', '/tmp'], ['chsh', '-s', '/bin/sh', 'root']):
    attempt(command, lambda: subprocess.run(command, stdin=subprocess.DEVNULL, timeout=2, check=True, capture_output=True))
""",
        shows="^0000000000000000 1 True(.|\n)*refused",
    ),
    "lives-longest": at(
        "dz",
        "has others killed in its place when memory runs out, and turns other knobs of the kernel in /proc",
        ATTEMPT
        + """
import glob
knobs = ('oom_score_adj', 'oom_adj', 'autogroup', 'timerslack_ns', 'coredump_filter', 'clear_refs', 'comm', 'loginuid',
    'setgroups', 'attr/current', 'sched', 'make-it-fail', 'mem')
for pid in ('self', 'thread-self', *(path.split('/')[2] for path in glob.glob('/proc/[0-9]*'))):
    for knob in knobs:
        attempt(f'{pid} {knob}', lambda: open(f'/proc/{pid}/{knob}', 'r+').write('0'))
print(open('/proc/self/oom_score_adj').read().strip())
""",
        shows="^self oom_score_adj refused(.|\n)*^1000$",
    ),
    "calls-seldom-used": at(
        "dz",
        "uses parts of the kernel that no notebook needs: other ways to wait, to copy and to be told",
        ATTEMPT
        + SYSCALL
        + """
intel = os.uname().machine == 'x86_64'
room = ctypes.create_string_buffer(256)
calls = {'io_setup': ((206, 0), 8, ctypes.byref(room)), 'inotify_init1': ((294, 26), 0), 'fanotify': ((300, 262), 0, 0),
    'vmsplice': ((278, 75), 1, 0, 0, 0), 'splice': ((275, 76), 0, 0, 1, 0, 1, 0), 'tee': ((276, 77), 0, 1, 1, 0),
    'sync': ((162, 81),), 'get_mempolicy': ((239, 236), 0, 0, 0, 0, 0), 'ioprio_set': ((251, 30), 1, 0, 3 << 13),
    'landlock': ((444, 444), 0, 0, 1), 'mseal': ((462, 462), 0, 0, 0), 'sched_core': ((157, 167), 62, 1, 0, 0, 0),
    'fnotify': ((72, 25), os.open('/usr', os.O_RDONLY), 1026, 2), 'shmget': ((29, 194), 0, 4096, 0o1600)}
for name, (numbers, *arguments) in calls.items():
    attempt(name, lambda: syscall(numbers[not intel], *arguments))
""",
        shows="^io_setup refused(.|\n)*^shmget refused",
    ),
    "timers-without-end": at(
        "dz",
        "fills the memory of the kernel with timers, each with signals to come",
        ATTEMPT
        + SYSCALL
        + """
def flood():
    for number in range(40_000):
        syscall(222 if os.uname().machine == 'x86_64' else 107, 1, 0, ctypes.byref(ctypes.c_int()))
attempt('timers', flood)
""",
        shows="^timers refused",
    ),
}
