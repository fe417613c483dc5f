"""The fork server: a process that has loaded torch and IPython once, and forks two processes for each notebook.

One of them is the examiner, the other the student's process. A fork starts within milliseconds, where a new Python would take
seconds to load everything. And forks are processes, not threads: each can be locked into a room or killed, and nothing that a
notebook did to Python stays behind for the next one.

The fork server reads no notebook and knows no test, so a student's process inherits nothing that a student must not see.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from importlib.machinery import all_suffixes
from pathlib import Path

import torch

from autograder.examiner import agent, autograd_off, capture
from autograder.examiner.capture import Shell
from autograder.forkserver import daemon, exam_process
from autograder.forkserver.exam_process import Supervisor, serve
from autograder.forkserver.job import Conditions, Convert
from autograder.forkserver.prefix_server import PrefixServer
from autograder.judge import session
from autograder.notebook.extension import CourseMagics, load
from autograder.notebook.logbook import NBGRADER
from autograder.sandbox.forks import child_running
from autograder.sandbox.temporary import Folder

IDLE = 600.0
"""Seconds without a notebook after which the fork server ends. The next command starts a new one."""
MAX_PREFIX_SERVERS = 6
"""How many prefix servers are kept; the one that was used longest ago goes first."""
SUFFIXES = {Path(suffix).suffix or suffix for suffix in all_suffixes()}
"""The suffixes of files that Python can import."""


def start(convert: Convert | None = None) -> None:
    """Runs a fork server until the other side of its connection is gone, or has sent nothing for IDLE seconds.

    It reads `sys.argv`: either the descriptor of the connection, and perhaps "waits" (then it waits for any time), or "stays"
    and the path of the socket at which it accepts one command after the other. `convert` does work that is no exam.
    """
    mode, *options = sys.argv[1:]
    place = daemon.listening(Path(options[0])) if mode == "stays" else nullcontext()
    torch.set_num_threads(1)  # a fork has one thread: where torch had more, it would wait for those that are not there
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted command closes the connection
    with place as listener, Folder("warm") as folder:
        shell = capture.start_shell(folder)
        warm_up(shell)
        gc.enable()
        try:
            for connection in daemon.connections(listener, IDLE) if listener else [socket.socket(fileno=int(mode))]:
                _serve_command(connection, shell, convert, None if "waits" in options else IDLE)
        except EOFError as end:  # the client starts a new fork server
            sys.exit(str(end))


def _serve_command(connection: socket.socket, shell: Shell, convert: Convert | None, idle: float | None) -> None:
    """Has the notebooks of one command examined, until it is gone or has sent nothing for `idle` seconds.

    Raises EOFError if a prefix server has ended.
    """
    connection.settimeout(idle)
    warm = CommandServer(connection, shell, convert)
    try:
        connection.send(b"ready")
        serve(connection, warm.conduct)
    except (BrokenPipeError, ConnectionResetError):  # the command is gone
        pass
    finally:
        warm.close()


class CommandServer:
    """Has notebooks examined for one command: by a fork of this process, or by a prefix server if others began the same way."""

    def __init__(self, connection: socket.socket, shell: Shell, convert: Convert | None) -> None:
        self._connection = connection
        self._shell = shell
        self._convert = convert
        self._entrances = autograd_off.entrances()
        self._supervisor = Supervisor(connection, self._examiner, self._run_student)
        self._times_seen = Counter[bytes]()
        self._prefix_servers: dict[bytes, PrefixServer] = {}

    def conduct(self, packed: bytes, channel: socket.socket) -> None:
        """Has one notebook examined. `packed` are its conditions, and only its examiner reads `channel`."""
        conditions = Conditions.unpacked(packed)
        prefix_server = self._prefix_server(conditions, channel)
        if prefix_server is not None and prefix_server.is_open:
            prefix_server.conduct(packed, channel, self._connection)
        else:
            self._supervisor.conduct(conditions, channel)

    def close(self) -> None:
        for prefix_server in self._prefix_servers.values():
            prefix_server.close()

    def _prefix_server(self, conditions: Conditions, channel: socket.socket) -> PrefixServer | None:
        """The prefix server for a notebook; None if there is to be none.

        The first notebook that begins like this gets none: it may be the only one, and a prefix server takes time to start.
        A submission with modules of its own gets none either: an import in the prefix may mean one of them.
        """
        if not conditions.prefix or brings_modules(conditions.folder):
            return None
        key = replace(conditions, folder=Path()).packed()
        self._times_seen[key] += 1
        if self._times_seen[key] == 1:
            return None
        prefix_server = self._prefix_servers.pop(key, None)
        if prefix_server is None:
            if len(self._prefix_servers) == MAX_PREFIX_SERVERS:
                self._prefix_servers.pop(next(iter(self._prefix_servers))).close()
            others = [self._connection, channel, *(prefix_server.connection for prefix_server in self._prefix_servers.values())]
            prefix_server = PrefixServer(others, self._shell, self._entrances, self._convert, conditions)
        self._prefix_servers[key] = prefix_server
        return prefix_server

    def _examiner(self, channel: socket.socket, control: socket.socket) -> AbstractContextManager[int]:
        return child_running(
            partial(
                exam_process.run_exam,
                connection=self._connection,
                shell=self._shell,
                channel=channel,
                control=control,
                convert=self._convert,
            )
        )

    def _run_student(self, channel: socket.socket, conditions: Conditions) -> None:
        """All that a student's process does once it is in its room."""
        if not conditions.autograd:
            autograd_off.switch_off(self._entrances)
        agent.Agent(self._shell).live(channel, conditions.limits)


def brings_modules(folder: Path) -> bool:
    """Whether a submission has files that Python can import, perhaps under the name of a module that the prefix imports."""
    try:
        return any(path.suffix in SUFFIXES or (path / "__init__.py").exists() for path in folder.iterdir())
    except OSError:  # the folder cannot be read, or is gone
        return True


WARMUP_CELLS = (
    "import matplotlib.pyplot as plt; _ = plt.figure(), plt.plot([0, 1], label='a'), plt.title('$x$'), plt.legend()",
    "_ = plt.bar(['a', 'b'], [1, 2]), plt.xlabel('x')\n_ = plt.figure(), plt.imshow([[0, 1]])",
    "import torch; x = torch.ones(2, requires_grad=True); torch.autograd.grad(x.tanh(), x, torch.ones(2)); x",
    "1 / 0",
    "!true",
    """
from autograder import build_dataset, check, grade, hint, load_names, progress, solution, vocabulary
names = load_names()
stoi = vocabulary(names)
X, Y = build_dataset(names, 3, stoi)
n = 4
Xb, Yb, C, W = X[:n], Y[:n], torch.randn(len(stoi), 2), torch.randn(6, len(stoi))
""",
    """%%forward --batch n Xb Yb
emb = C[Xb]
logits = emb.view(n, -1) @ W
counts = logits.exp()
logprobs = (counts / counts.sum(1, keepdim=True)).log()
loss = -logprobs[range(n), Yb].mean()
""",
    "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1 / n",
    "check('dlogprobs')\ngrade('dlogprobs')",
    "demb = dlogits @ W",
    "check('demb')",
    "progress()",
)
"""Cells that the fork server runs before any notebook comes. They use what notebooks use, so that it is imported and torch has
set itself up before the forks: each of them would have to do that again. Nothing stays of what the cells make."""


def warm_up(shell: Shell) -> None:
    """Runs WARMUP_CELLS. Afterwards the shell, torch's generator and the environment are as they were before."""
    generator = torch.get_rng_state()
    os.environ[NBGRADER] = "validate"  # so that no log is written
    load(shell.shell)
    for number, source in enumerate(WARMUP_CELLS):
        session.of(shell.shell).note(source, f"cell-{number}")
        shell.run(source, f"cell-{number}", number, 2**20)
    session.end_session(shell.shell)
    del os.environ[NBGRADER]
    shell.shell.magics_manager.magics["cell"].pop("forward")
    shell.shell.magics_manager.registry.pop(CourseMagics.__name__)
    torch.set_rng_state(generator)
    shell.shell.reset(new_session=True)
    gc.collect()
    gc.freeze()  # or else a collection in a fork would write to pages that all forks share, and so copy them
