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

SLOW = """
import time
class Slow:
    def __call__(self, *args):
        time.sleep(1.8)
        return self
    __getattr__ = __len__ = __eq__ = __sub__ = __rsub__ = __matmul__ = __iter__ = __call__
"""
RIGHT_DZ = HONEST["dz"]

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
    "busy-threads": at(
        "dz",
        "leaves threads that take the processor from all cells below",
        RIGHT_DZ
        + """
import threading
all_there = threading.Event()  # or else the first ones keep this cell from starting the others in its time
def spin():
    all_there.wait()
    while True:
        pass
for _ in range(20):
    threading.Thread(target=spin, daemon=True).start()
all_there.set()""",
        shows="went on computing|ended in this cell",
        noted="went on computing|ended in the cell `dz`",
    ),
    "busy-thread-that-keeps-the-lock": at(
        "dz",
        "leaves a thread that never lets another one run",
        RIGHT_DZ
        + """
import sys, threading
def spin():
    while True:
        pass
sys.setswitchinterval(1e9)
threading.Thread(target=spin, daemon=True).start()
import time
time.sleep(0.1)""",
        shows="went on computing|ended in this cell",
    ),
    "busy-children": at(
        "dz",
        "leaves processes of its own that take all processors",
        RIGHT_DZ
        + """
import os
for _ in range(8):
    if not os.fork():
        os.setsid()
        if not os.fork():
            while True:
                pass
        os._exit(0)""",
        shows="went on computing",
        noted="went on computing",
    ),
    "busy-when-called": at(
        "perplexity",
        "a function leaves threads that take the processor from the tests below",
        """
import threading
def spin():
    while True:
        pass
def perplexity(loss):
    threading.Thread(target=spin, daemon=True).start()
    return math.exp(loss)""",
    ),
    "grows-in-a-thread": at(
        "dz",
        "has a thread take the memory that cells below need",
        RIGHT_DZ
        + """
import threading
taken = []
def grow():
    while True:
        taken.append(bytearray(2**20))
threading.Thread(target=grow, daemon=True).start()""",
        shows="OutOfMemory",
        noted="The cell `dz` was left out",
    ),
    "grows-in-large-pieces": at(
        "dz",
        "is refused memory while much is left, and keeps what it has",
        RIGHT_DZ
        + """
taken, k = [], 0
while k < n:
    taken.append(torch.empty(3 * 2**23))""",
        shows="OutOfMemory",
        noted="The cell `dz` was left out",
    ),
    "grows-until-the-time-is-up": at(
        "dz",
        "holds much when it is stopped",
        RIGHT_DZ
        + """
import time
taken = []
while True:
    taken.append(bytearray(2**21))
    time.sleep(0.02)""",
        shows="did not end within",
        noted="The cell `dz` did not end",
    ),
    "fills-the-history": Attack(
        "has IPython keep what it shows, and what it made",
        {
            "centred": HONEST["centred"] + "\ntorch.zeros(2**24)",
            "dlogits": HONEST["dlogits"] + "\nfor _ in range(100):\n    print('x' * 10**6)\ntorch.zeros(2**25)",
            "dh": HONEST["dh"] + "\ntorch.zeros(3 * 2**23)",
            "dz": HONEST["dz"] + "\nfor _ in range(20):\n    display('x' * 10**6)\ntorch.zeros(3 * 2**23)",
            "dW": HONEST["dW"] + "\ntorch.zeros(2**25)",
        },
        noted="showed more than it may",
    ),
    "takes-long-to-parse": at(
        "perplexity",
        "has the examiner parse a cell of many magics after each test",
        HONEST["perplexity"] + "\n%x" * 600,
        shows="did not end within",
        noted="did not end within 2 s",
    ),
    "leaves-no-files-to-open": at(
        "dz",
        "opens files until there are no more, and keeps them",
        RIGHT_DZ
        + """
import os
left = []
try:
    while True:
        left.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass""",
        shows="OutOfFiles",
        noted="The cell `dz` was left out",
    ),
    "leaves-ended-children": Attack(
        "has children that have ended take the places of all processes",
        {
            "centred": HONEST["centred"] + "\nimport os\nfor _ in range(40):\n    os.posix_spawn('/bin/true', ['true'], {})",
            "dW": HONEST["dW"] + "\nimport subprocess\nprint(subprocess.run(['echo', 'forked'], capture_output=True).stdout)",
        },
        shows="forked",
    ),
    "hooks-into-ipython": Attack(
        "has IPython stop, or leave out, all cells below",
        {
            "dz": HONEST["dz"]
            + """
def stop(*_):
    raise SystemExit
shell = get_ipython()
shell.events.register("pre_run_cell", stop)
shell.input_transformers_cleanup.append(stop)
shell.input_transformers_post.append(lambda lines: ["pass"])
shell.ast_transformers.append(type("Stop", (), {"visit": stop})())
print("hooked in")""",
        },
        shows="hooked in",
    ),
    "storm-of-alarms": Attack(
        "sets a timer that stops all cells below",
        {
            "dz": HONEST["dz"]
            + """
import signal
def storm(*_):
    raise SystemExit
signal.signal(signal.SIGALRM, storm)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.001)"""
        },
    ),
    "storm-of-profiling": Attack(
        "sets a timer of processor time that ends the process",
        {"dz": HONEST["dz"] + "\nimport signal\nsignal.setitimer(signal.ITIMER_PROF, 0.05)"},
    ),
    "storm-of-a-child": Attack(
        "has a child send signals that stop all cells below",
        {
            "dz": HONEST["dz"]
            + """
import os, signal, time
def storm(*_):
    raise SystemExit
if not os.environ.get('STORM'):  # it would hit this cell's own replays else
    os.environ['STORM'] = 'on'
    signal.signal(signal.SIGUSR1, storm)
    if not os.fork():
        while True:
            time.sleep(0.01)
            os.kill(os.getppid(), signal.SIGUSR1)"""
        },
    ),
    "slows-each-line": at(
        "dz",
        "sets functions that are called for each line and each call below",
        RIGHT_DZ
        + """
import gc, sys, time
def slow(*_):
    time.sleep(0.05)
    return slow
gc.callbacks.append(slow)
gc.set_threshold(1)
sys.setprofile(slow)
sys.settrace(slow)""",
    ),
    "slow-answers": Attack(
        "takes nearly all of the time for each question",
        {"dW": SLOW + "dW = Slow()", "perplexity": SLOW + "perplexity = Slow()"},
        loses="dW perplexity",
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
