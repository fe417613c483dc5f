"""A desk: two forks of the warm process in which the opening of a notebook has run, for its examiners and for its students.

For all who hand the notebook in it runs this once. The desk is the fork for the students, where the cells run as they would
in a room; the fork for the examiners is its child, and no student's process comes from that one.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

from autograder import engines, examination, lockdown
from autograder.attendant import PACKET, Attendant, forked, serve
from autograder.limits import Limits
from autograder.opened import Opened, records, run_ahead
from autograder.opening import Cells
from autograder.recorder import Shell
from autograder.resident import Resident

PATIENCE = 30.0
"""Seconds that an opening may take, and a desk to end."""


class Desk:
    """Seen from the warm process. It closes the `others`, the sockets of the warm process."""

    def __init__(
        self, others: Iterable[socket.socket], shell: Shell, entrances: list[Any], cells: Cells, limits: Limits
    ) -> None:
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            for each in (self.connection, *others):
                each.close()
            _live(parent, theirs, shell, entrances, cells, limits)
        theirs.close()
        ready, _, _ = select.select([self.connection], [], [], PATIENCE)
        self.is_open = bool(ready) and self.connection.recv(64) == b"ready"
        """Whether its cells can be run ahead."""
        if not self.is_open:
            self.close(0)

    def conduct(self, job: Mapping[str, Any], paper: socket.socket, client: socket.socket) -> None:
        """Has a notebook examined. Ends with it, or when the client is gone. Raises EOFError if the desk is."""
        with paper:
            socket.send_fds(self.connection, [json.dumps(job).encode()], [paper.fileno()])
        ready, _, _ = select.select([self.connection, client], [], [])
        if self.connection in ready and not self.connection.recv(64):
            raise EOFError("the process in which the opening of a notebook ran has ended")

    def close(self, patience: float = PATIENCE) -> None:
        """Ends it, and what it does."""
        if self._pid:
            self.connection.close()
            pidfd = os.pidfd_open(self._pid)
            if not select.select([pidfd], [], [], patience)[0]:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _live(parent: int, connection: socket.socket, shell: Shell, entrances: list[Any], cells: Cells, limits: Limits) -> NoReturn:
    """The fork for the students."""
    try:
        lockdown.die_with_parent(parent)
        shown = os.memfd_create("records")
        examiners, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        others = [connection, examiners]
        with forked(lambda parent: _examiners(parent, others, theirs, shell, cells, limits, shown)), examiners:
            theirs.close()
            engines.switch_off(entrances)
            resident = Resident(shell)
            told = [resident.run(source, id, count, limits.cell_output) for count, (id, source) in enumerate(cells, 1)]
            with open(shown, "w", encoding="utf-8") as file:
                json.dump(told, file)
            examiners.send(b"shown")
            if examiners.recv(64) == b"ready" and len(os.listdir("/proc/self/task")) == 1:
                connection.send(b"ready")
                serve(connection, Attendant(connection, partial(_asked, examiners), resident.live).conduct)
    finally:
        os._exit(0)


@contextmanager
def _asked(examiners: socket.socket, paper: socket.socket, control: socket.socket) -> Iterator[int]:
    """The pidfd of a new examiner."""
    socket.send_fds(examiners, [b"{}"], [paper.fileno(), control.fileno()])
    _, (pidfd,), _, _ = socket.recv_fds(examiners, PACKET, 1)
    try:
        yield pidfd
    finally:
        os.close(pidfd)
        examiners.recv(64)


def _examiners(
    parent: int,
    others: Iterable[socket.socket],
    connection: socket.socket,
    shell: Shell,
    cells: Cells,
    limits: Limits,
    shown: int,
) -> NoReturn:
    """The fork for the examiners."""
    try:
        lockdown.die_with_parent(parent)
        for each in others:
            each.close()
        scope = run_ahead(shell, cells, limits.cell_output)
        connection.recv(64)
        with open(shown, encoding="utf-8") as file:
            file.seek(0)
            opened = Opened(cells, scope, records(json.load(file))) if scope else None
        if opened and opened.records and opened.size <= limits.output:
            connection.send(b"ready")

            def start(_: object, paper: socket.socket, control: socket.socket) -> None:
                life = partial(
                    examination.live, connection=connection, shell=shell, paper=paper, control=control, opened=opened
                )
                with forked(life) as pidfd, paper, control:
                    socket.send_fds(connection, [b"{}"], [pidfd])

            serve(connection, start)
    finally:
        os._exit(0)
