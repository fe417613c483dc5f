"""The processes of one exam: the examiner's fork, and the supervisor that builds rooms for it.

The examiner's fork reads the job and sends the result. It cannot build rooms itself: a student's process is a fork of the one
that builds its room, and would have the tests in its memory. So it asks the supervisor, a process that has read no notebook.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Any

from autograder.examiner.capture import Shell
from autograder.examiner.conversation import safe_text
from autograder.examiner.exam import Exam, ExamResult
from autograder.examiner.examiner import Examiner, RunPrefix, result_of
from autograder.forkserver.job import Conditions, Convert, Job, OtherPrefix, Reply
from autograder.judge.session import in_words
from autograder.sandbox import hardening
from autograder.sandbox.limits import USED_UP
from autograder.sandbox.room import Room, RoomError
from autograder.text import writable

WATCH_SECONDS = 0.1
"""Seconds between two looks at the memory of a room."""
MAX_LOOKS = 10
"""Looks in a row at which a room may have all the memory that it may take, before it is closed."""
KILLED_NOTE = "Processes that the notebook had started took more than {:,} bytes of memory, and were killed."
PACKET = 65536
"""Bytes of the longest packet that processes of the fork server send to one another."""

Examiners = Callable[[socket.socket, socket.socket], AbstractContextManager[int]]
"""Starts an examiner with the channel that it reads the job from and its socket to the supervisor. Gives the examiner's pidfd,
and reaps the process on leaving."""


class Supervisor:
    """Has notebooks examined, one at a time, and builds the rooms that their examiners ask for.

    `examiners` starts an examiner, and `student_main` is what a student's process runs in its room. If the other side of the
    `connection` goes away, the exam ends.
    """

    def __init__(
        self, connection: socket.socket, examiners: Examiners, student_main: Callable[[socket.socket, Conditions], None]
    ) -> None:
        self.connection = connection
        self._examiners = examiners
        self._student_main = student_main

    def conduct(self, conditions: Conditions, channel: socket.socket) -> None:
        """Has one notebook examined. Only its examiner reads the channel. Returns when the examiner or the connection ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, self._examiners(channel, theirs) as examiner:
            theirs.close()
            channel.close()
            self._supervise(examiner, ours, conditions)

    def _supervise(self, examiner: int, control: socket.socket, conditions: Conditions) -> None:
        """Builds rooms for an examiner until it ends, one at a time, and watches their memory.

        What the student's process itself takes is limited by the kernel, at the same place each time. Where it has started
        others and together they take too much, those are killed: which cell runs then is chance, and it must not pay.
        """
        limits = conditions.limits
        room: Room | None = None
        reason, killed, in_a_row = "", False, 0
        waiting: list[Any] = [examiner, control, self.connection]
        while True:
            ready, _, _ = select.select(waiting, [], [], WATCH_SECONDS)
            asked = control.recv(PACKET) if control in ready else b""
            if room is not None:
                has_killed = room.exceeds() and room.end_started()
                killed |= has_killed
                in_a_row = in_a_row + 1 if has_killed or room.is_full() else 0
                if in_a_row > MAX_LOOKS:
                    reason = USED_UP.format(limits.memory)
                    room.close()
                    room = None
            if asked == b"end" and room is not None and room.ended_for_lack_of_memory():
                reason = USED_UP.format(limits.memory)
            if asked == b"killed":
                control.send(json.dumps(killed).encode())
            elif asked and room is not None:
                room.close()
                room = None
            if asked == b"open":
                reason, in_a_row = "", 0
                room = self._open(conditions, control)
            elif asked == b"end":
                control.send(json.dumps({"reason": reason}).encode())
            if self.connection in ready:  # the command is gone, or has waited for too long
                signal.pidfd_send_signal(examiner, signal.SIGKILL)
            if examiner in ready or self.connection in ready:
                if room is not None:
                    room.close()
                return

    def _open(self, conditions: Conditions, control: socket.socket) -> Room | None:
        """A new room with a student's process in it. The examiner gets its channel and its pidfd, or why there is no room."""
        room: Room | None = None
        try:
            room = Room(conditions.limits, conditions.folder, conditions.sandbox)
            process = room.start_student(lambda channel: self._student_main(channel, conditions))
        except (RoomError, OSError) as error:
            if room is not None:
                room.close()
            control.send(json.dumps({"error": str(error)}).encode())
            return None
        socket.send_fds(control, [b"{}"], [process.channel.fileno(), process.pidfd])
        return room


def serve(connection: socket.socket, do: Callable[..., object]) -> None:
    """Calls `do` with each message and its sockets, and replies when that is done, until the other side is gone or silent."""
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(connection, PACKET, 2)
        except TimeoutError:
            return
        if not message:
            return
        do(message, *(socket.socket(fileno=descriptor) for descriptor in descriptors))
        try:
            connection.send(b"done")
        except BrokenPipeError:
            return


def run_exam(
    parent: int,
    connection: socket.socket,
    shell: Shell,
    channel: socket.socket,
    control: socket.socket,
    convert: Convert | None,
    prefix: RunPrefix | None = None,
) -> None:
    """All that an examiner's process does: it reads one job from `channel`, does it, and sends the reply there.

    It is a fork of the process `parent`, and closes its copy of that one's `connection`. `control` leads to the supervisor.
    `convert` does work that is no exam. `prefix` is given if the cells that the notebook begins with have run in this process.
    An error is the reply. If even that cannot be sent, it is raised, and the fork writes it to stderr.
    """
    connection.close()
    hardening.die_with_parent(parent)
    client = Connection(channel.detach())
    try:
        reply = _reply(client.recv(), shell, control, convert, prefix)  # a pickle, but one from the command of this user
    except OtherPrefix as error:
        reply = Reply(failure=str(error), other_prefix=True)
    except BaseException as error:
        reply = Reply(failure=writable(in_words(error, safe_text)))
    client.send_bytes(reply.packed())


def _reply(job: Job, shell: Shell, control: socket.socket, convert: Convert | None, prefix: RunPrefix | None) -> Reply:
    """Does the job in this process. Raises OtherPrefix if the cells that have run are not those that it begins with."""
    os.environ.clear()
    os.environ.update(job.environment)
    os.chdir(job.folder)
    sys.path.append(str(job.course))

    def examine(exam: Exam) -> ExamResult:
        if prefix and not prefix.begins(exam):
            raise OtherPrefix("it begins otherwise")
        examiner = Examiner(exam, shell, lambda: _room(control), job.course, prefix)
        records = examiner.examine()
        control.send(b"killed")
        notes = examiner.notes + [KILLED_NOTE.format(exam.limits.memory)] * json.loads(control.recv(PACKET))
        return result_of(exam, records, notes, examiner.failures, examiner.seconds)

    if isinstance(job.work, Exam):
        return Reply(examine(job.work).as_dict())
    if convert is None:
        raise TypeError("this process was started for exams alone")
    return Reply(vars(convert(job.work, examine)))


def _room(control: socket.socket) -> tuple[socket.socket, int, Callable[[], str]]:
    """A new room: the channel to the student's process, its pidfd, and a function that closes it. Raises RoomError."""
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
