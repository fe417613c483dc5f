"""Attends to examinations: each notebook gets an examiner, and that gets rooms with the student in them as long as it lives."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from autograder.limits import Limits
from autograder.room import Room, RoomError

WATCH = 0.1
"""Seconds between two looks at the memory of a room."""
PACKET = 65536

Examiners = Callable[[socket.socket, socket.socket], AbstractContextManager[int]]
"""Starts an examiner with what it reads and with its way to the attendant; gives its pidfd, and takes its remains."""


class Attendant:
    """`live` is what a student's process does. It ends what it does when the other side of the connection is gone."""

    def __init__(self, connection: socket.socket, examiners: Examiners, live: Callable[[socket.socket, Limits], None]) -> None:
        self.connection = connection
        self._examiners = examiners
        self._live = live

    def conduct(self, job: dict[str, Any], paper: socket.socket) -> None:
        """Has one notebook examined; its examiner alone reads what is on it. Ends with it, or with the connection."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, self._examiners(paper, theirs) as examiner:
            theirs.close()
            paper.close()
            self._attend(examiner, ours, job)

    def _attend(self, examiner: int, control: socket.socket, job: dict[str, Any]) -> None:
        """Builds rooms for an examiner as long as it lives, one at a time, and watches over their memory."""
        limits = Limits(**job["limits"])
        room: Room | None = None
        reason = ""
        waiting: list[Any] = [examiner, control, self.connection]
        while True:
            ready, _, _ = select.select(waiting, [], [], WATCH)
            asked = control.recv(PACKET) if control in ready else b""
            if room is not None and room.exceeds(limits.memory):
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
                signal.pidfd_send_signal(examiner, signal.SIGKILL)
            if examiner in ready or self.connection in ready:
                if room is not None:
                    room.close()
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


def serve(connection: socket.socket, do: Callable[..., object]) -> None:
    """Does what is asked, with the sockets that come with it, until the other side is gone, or has nothing for long."""
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(connection, PACKET, 2)
        except TimeoutError:
            return
        if not message:
            return
        do(json.loads(message), *(socket.socket(fileno=descriptor) for descriptor in descriptors))
        try:
            connection.send(b"done")
        except BrokenPipeError:
            return


@contextmanager
def forked(life: Callable[[int], NoReturn]) -> Iterator[int]:
    """The pidfd of a fork that lives this life; it is told whose child it is."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        life(parent)
    pidfd = os.pidfd_open(child)
    try:
        yield pidfd
    finally:
        os.close(pidfd)
        os.waitpid(child, 0)
