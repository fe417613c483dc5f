"""The warm process: everything that takes long is loaded, and each notebook gets two forks of it, an examiner and a student.

It reads no notebook and knows no test: what it forks for a student has nothing in its memory that a student must not see.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import torch

from autograder import engines, lockdown, recorder, resident
from autograder.dataset import load_names
from autograder.examiner import Examiner
from autograder.limits import Limits
from autograder.paper import Paper
from autograder.recorder import Shell
from autograder.room import Room, RoomError

WATCH = 0.1
"""Seconds between two looks at the memory of a room."""
PACKET = 65536
IDLE = 600.0
"""Seconds without a notebook after which it ends; who has another one starts it again."""


REHEARSAL = (
    "import matplotlib.pyplot as plt; _ = plt.figure(), plt.plot([0, 1], label='a'), plt.title('$x$'), plt.legend()",
    "_ = plt.bar(['a', 'b'], [1, 2]), plt.xlabel('x')\n_ = plt.figure(), plt.imshow([[0, 1]])",
    "import torch; x = torch.ones(2, requires_grad=True); torch.autograd.grad(x.tanh(), x, torch.ones(2)); x",
    "1 / 0",
    "!true",
)
"""Cells for which torch, matplotlib and IPython load what they load late; what they make is forgotten."""


def main(connection: socket.socket) -> None:
    """Takes notebooks until the other side of the connection is gone, or has none for long."""
    connection.settimeout(IDLE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted command closes the connection
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        shell = recorder.start(folder)
        rehearse(shell)
        warm = Warm(connection, shell, engines.entrances())
        connection.send(b"ready")
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(connection, PACKET, 1)
            except TimeoutError:
                return
            if not message:
                return
            warm.conduct(json.loads(message), socket.socket(fileno=descriptors[0]))
            connection.send(b"done")


def rehearse(shell: Shell) -> None:
    """Loads what is loaded late."""
    generator = torch.get_rng_state()
    for source in REHEARSAL:
        shell.run(source, None, 1, 2**20)
    torch.set_rng_state(generator)
    shell.shell.reset(new_session=True)
    load_names()
    gc.collect()
    gc.freeze()


class Warm:
    def __init__(self, connection: socket.socket, shell: Shell, entrances: list[tuple[dict[str, Any], str]]) -> None:
        self.connection = connection
        self.shell = shell
        self.entrances = entrances

    def conduct(self, job: dict[str, Any], paper: socket.socket) -> None:
        """Has one notebook examined; its examiner alone reads what is on it. Ends with it, or with the connection."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        examiner = os.fork()
        if examiner == 0:
            ours.close()
            self.connection.close()
            _examine(parent, self.shell, paper, theirs)
        theirs.close()
        paper.close()
        with ours, ExitStack() as rooms:
            self._attend(examiner, ours, job, rooms)

    def _attend(self, examiner: int, control: socket.socket, job: dict[str, Any], cleanup: ExitStack) -> None:
        """Builds rooms for an examiner as long as it lives, one at a time, and watches over their memory."""
        limits = Limits(**job["limits"])
        room: Room | None = None
        reason = ""
        pidfd = os.pidfd_open(examiner)
        cleanup.callback(os.close, pidfd)
        while True:
            waiting: list[Any] = [pidfd, control, self.connection]
            ready, _, _ = select.select(waiting, [], [], WATCH)
            asked = control.recv(PACKET) if control in ready else b""
            if room is not None and room.memory() > limits.memory:
                reason = f"it took more than {limits.memory:,} bytes of memory"
                asked = asked or b"over"
            if asked and room is not None:
                room.close()
                room = None
            if asked == b"open":
                reason = ""
                room = self._open(limits, job, control)
            elif asked == b"end":
                control.send(json.dumps({"reason": reason}).encode())
            if self.connection in ready:  # it is gone, or tired of waiting
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            if pidfd in ready or self.connection in ready:
                if room is not None:
                    room.close()
                os.waitpid(examiner, 0)
                return

    def _open(self, limits: Limits, job: dict[str, Any], control: socket.socket) -> Room | None:
        """A new room with a student in it, for whom the examiner gets the way in; or else why there is none."""
        folder = Path(job["folder"]) if job["folder"] else None
        room: Room | None = None
        try:
            room = Room(limits, folder, job["sandbox"])
            visitor = room.admit(lambda channel: self._live(channel, limits))
        except (RoomError, OSError) as error:
            if room is not None:
                room.close()
            control.send(json.dumps({"error": str(error)}).encode())
            return None
        socket.send_fds(control, [b"{}"], [visitor.channel.fileno(), visitor.pidfd])
        return room

    def _live(self, channel: socket.socket, limits: Limits) -> None:
        engines.switch_off(self.entrances)
        resident.live(channel, self.shell, limits)


def _examine(parent: int, shell: Shell, paper: socket.socket, control: socket.socket) -> NoReturn:
    """The examiner's whole life."""
    try:
        lockdown.die_with_parent(parent)
        channel = Connection(paper.detach())
        handed = json.loads(channel.recv_bytes())
        os.environ.clear()
        os.environ.update(handed["environment"])
        os.chdir(handed["folder"])
        sys.path.append(handed["course"])
        examiner = Examiner(Paper.of(handed["paper"]), shell, lambda: _room(control), Path(handed["course"]))
        messages = [record.messages for record in examiner.examine()]
        told = {"messages": messages, "notes": examiner.notes, "seconds": examiner.seconds}
        channel.send_bytes(json.dumps(told, default=str).encode())
    except BaseException as error:
        with suppress(Exception):
            channel.send_bytes(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(0)


def _room(control: socket.socket) -> tuple[socket.socket, int, Callable[[], str]]:
    """A new room, as an examiner sees it."""
    control.send(b"open")
    message, descriptors, _, _ = socket.recv_fds(control, PACKET, 2)
    answer = json.loads(message)
    if "error" in answer:
        raise RoomError(answer["error"])

    def end() -> str:
        control.send(b"end")
        reason: str = json.loads(control.recv(PACKET))["reason"]
        return reason

    return socket.socket(fileno=descriptors[0]), descriptors[1], end


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(socket.socket(fileno=int(sys.argv[1])))
