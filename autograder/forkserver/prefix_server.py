"""Two forks of the fork server in which the prefix of a notebook has run: its first locked cells, the same for all students.

So the prefix runs once for all who hand the notebook in. The prefix server is the fork for the students: the cells run there
as they would in a room, and students' processes are forked from it. The fork for the examiners is its child, in which the
cells run as in an examiner, with autograd. No student's process is forked from that one, so nothing of it gets into a room.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from autograder.examiner import autograd_off
from autograder.examiner.agent import Agent
from autograder.examiner.capture import Shell
from autograder.examiner.examiner import RunPrefix, prefix_records, run_prefix
from autograder.examiner.prefix import Cells
from autograder.forkserver import exam_process
from autograder.forkserver.exam_process import PACKET, Supervisor, serve
from autograder.forkserver.job import Conditions, Convert
from autograder.sandbox import forks, hardening
from autograder.sandbox.limits import Limits

PREFIX_SECONDS = 30.0
"""Seconds that a prefix may take to run, and a prefix server to end."""
START_MESSAGE = b"start"
"""Asks for a new examiner. The descriptors that come with it are the examiner's."""


class PrefixServer:
    """A prefix server as the fork server sees it, started at once; `is_open` says whether the cells could be run.

    The new process closes the `others`, the sockets of the fork server. `entrances` are the ways into autograd, which it
    switches off unless the `conditions` say otherwise, and `convert` does work that is no exam.
    """

    def __init__(
        self,
        others: Iterable[socket.socket],
        shell: Shell,
        entrances: autograd_off.Entrances,
        convert: Convert | None,
        conditions: Conditions,
    ) -> None:
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            closed = [self.connection, *others]
            forks.run_and_exit(lambda: _run_for_students(parent, closed, theirs, shell, entrances, convert, conditions))
        theirs.close()
        ready, _, _ = select.select([self.connection], [], [], PREFIX_SECONDS)
        self.is_open = bool(ready) and self.connection.recv(64) == b"ready"
        """Whether the cells of the prefix have run, and notebooks can be examined here."""
        if not self.is_open:
            self.close(0)

    def conduct(self, packed: bytes, channel: socket.socket, client: socket.socket) -> None:
        """Has a notebook examined, until that is done or the client is gone. Raises EOFError if the prefix server has ended."""
        with channel:
            socket.send_fds(self.connection, [packed], [channel.fileno()])
        ready, _, _ = select.select([self.connection, client], [], [])
        if self.connection in ready and not self.connection.recv(64):
            raise EOFError("the process in which the prefix of a notebook ran has ended")

    def close(self, patience: float = PREFIX_SECONDS) -> None:
        """Ends the prefix server and the exam in it; kills it if that takes more than `patience` seconds."""
        if self._pid:
            self.connection.close()
            pidfd = os.pidfd_open(self._pid)
            if not select.select([pidfd], [], [], patience)[0]:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _run_for_students(
    parent: int,
    closed: Iterable[socket.socket],
    connection: socket.socket,
    shell: Shell,
    entrances: autograd_off.Entrances,
    convert: Convert | None,
    conditions: Conditions,
) -> None:
    """All that the fork for the students does. It closes the sockets in `closed`, which are the fork server's.

    Its own child, the fork for the examiners, is made first: in this process autograd may then be switched off for good.
    """
    for each in closed:
        each.close()
    hardening.die_with_parent(parent)
    shown = os.memfd_create("records")  # what the cells showed: too long for a packet
    examiners, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    others = [connection, examiners]
    cells, limits = conditions.prefix, conditions.limits
    arguments = others, theirs, shell, convert, cells, limits, shown
    with forks.child_running(lambda parent: _run_for_examiners(parent, *arguments)), examiners:
        theirs.close()
        if not conditions.autograd:
            autograd_off.switch_off(entrances)
        agent = Agent(shell)
        replies = [agent.run(source, id, count, limits.cell_output) for count, (id, source) in enumerate(cells, 1)]
        with open(shown, "w", encoding="utf-8") as file:
            json.dump(replies, file)
        examiners.send(b"shown")
        # a fork has only the thread that forked: locks that another thread held would stay locked in it
        if examiners.recv(64) == b"ready" and len(os.listdir("/proc/self/task")) == 1:

            def run_student(channel: socket.socket, conditions: Conditions) -> None:
                agent.live(channel, conditions.limits)

            supervisor = Supervisor(connection, partial(_new_examiner, examiners), run_student)
            connection.send(b"ready")
            serve(connection, lambda packed, channel: supervisor.conduct(Conditions.unpacked(packed), channel))


@contextmanager
def _new_examiner(examiners: socket.socket, channel: socket.socket, control: socket.socket) -> Iterator[int]:
    """The pidfd of a new examiner, forked by the process at the other end of `examiners`. Waits until that has reaped it."""
    socket.send_fds(examiners, [START_MESSAGE], [channel.fileno(), control.fileno()])
    _, (pidfd,), _, _ = socket.recv_fds(examiners, PACKET, 1)
    try:
        yield pidfd
    finally:
        os.close(pidfd)
        examiners.recv(64)


def _run_for_examiners(
    parent: int,
    others: Iterable[socket.socket],
    connection: socket.socket,
    shell: Shell,
    convert: Convert | None,
    cells: Cells,
    limits: Limits,
    shown: int,
) -> None:
    """All that the fork for the examiners does. `shown` is the file with what the cells showed in the fork for the students."""
    hardening.die_with_parent(parent)
    for each in others:
        each.close()
    scope = run_prefix(shell, cells, limits.cell_output)
    connection.recv(64)
    with open(shown, encoding="utf-8") as file:
        file.seek(0)
        prefix = RunPrefix(cells, scope, prefix_records(json.load(file))) if scope else None
    if prefix and prefix.records and prefix.size <= limits.output:
        connection.send(b"ready")

        def start(_: bytes, channel: socket.socket, control: socket.socket) -> None:
            main = partial(
                exam_process.run_exam,
                connection=connection,
                shell=shell,
                channel=channel,
                control=control,
                convert=convert,
                prefix=prefix,
            )
            with forks.child_running(main) as pidfd, channel, control:
                socket.send_fds(connection, [START_MESSAGE], [pidfd])

        serve(connection, start)
