"""Processes, threads, time and memory."""

from __future__ import annotations

from tests.support.attacks.attack import ATTEMPT, HONEST, Attack, at

OUTLIVES = """
import os, time
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
"""

PROCESSES = {
    "exits": Attack(
        "ends the process, in two cells",
        {"dlogits": "import os\nos._exit(0)", "dh": "import sys\nsys.exit()"},
        loses="dlogits dh",
        noted="ended in the cell `dlogits`",
    ),
    "kills-everything": at(
        "dz",
        "kills each process that it can see, its parents and then all at once",
        ATTEMPT
        + """
import os, signal
others = [int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]
for pid in [1, os.getppid(), *others]:
    try:
        os.kill(pid, 9)
    except OSError as error:
        print(type(error).__name__)
os.kill(-1, 9)
os.killpg(0, 9)""",
    ),
    "crashes": at("dz", "reads where no memory is", "import ctypes\nctypes.string_at(8)", noted="ended in the cell `dz`"),
    "stops-itself": at("dz", "stops, and cannot be interrupted", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    "endless-loop": at(
        "dz",
        "loops for ever, and ignores interrupts",
        """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True:
    try:
        while True:
            pass
    except BaseException:
        pass""",
        noted="ended in the cell `dz`",
    ),
    "endless-function": at(
        "perplexity",
        "never returns to a test",
        """
def perplexity(loss):
    while True:
        pass""",
    ),
    "endless-when-replayed": at(
        "dz",
        "loops only when a test runs it again",
        """
dz = dh * (1 - h**2)
while 'once' in globals():
    pass
get_ipython().user_ns['once'] = True""",
    ),
    "fork-bomb": at(
        "dz",
        "forks for ever",
        """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass""",
    ),
    "thread-bomb": at(
        "dz",
        "starts threads for ever",
        """
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(60,)).start()""",
    ),
    "memory-bomb": at(
        "dz",
        "takes all memory",
        """
taken = []
while True:
    taken.append(bytearray(b'x' * 2**26))""",
    ),
    "memory-of-many": at(
        "dz",
        "takes all memory with many processes",
        """
import os, time
for _ in range(20):
    if not os.fork():
        try:
            taken = bytearray(b'x' * (100 * 2**20))
        finally:
            time.sleep(60)
time.sleep(60)""",
        noted="bytes of memory|did not end in time",
    ),
    "endless-output": at(
        "dz",
        "prints for ever",
        """
import os
while True:
    print('y' * 10000)
    os.write(1, b'z' * 10000)""",
    ),
    "thread-answers-later": at(
        "dz",
        "has a thread change the answer when it is judged",
        """
import threading, time
dz = dh * 1
names = get_ipython().user_ns
def later():
    while True:
        names['dz'] = torch.zeros(h.shape)
        time.sleep(0.001)
threading.Thread(target=later, daemon=True).start()""",
    ),
    "child-outlives": at(
        "dz",
        "leaves a child that waits for the tests",
        OUTLIVES
        + """
    time.sleep(300)
    open('$home/outlived', 'w')
    os._exit(0)""",
    ),
    "child-answers-too": Attack(
        "forks, and lets both go on",
        {
            "dz": """
import os
os.fork()
"""
            + HONEST["dz"]
        },
    ),
    "fills-the-disk": at(
        "dz",
        "fills every disk that it can write to",
        """
import os
for place in ('.', '/tmp', '/dev/shm', os.path.expanduser('~')):
    try:
        for number in range(10**6):
            with open(f'{place}/$token{number}', 'wb') as file:
                file.write(bytes(2**24))
    except OSError as error:
        print(error.errno)""",
        shows="^28",
    ),
    "uses-up-inodes": at(
        "dz",
        "makes files until there is no more",
        """
try:
    for number in range(10**6):
        open(f'$token{number}', 'w').close()
except OSError as error:
    print(error.errno, number < 10**5)""",
        shows="^28 True",
    ),
}
