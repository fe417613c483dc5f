"""The process of an examiner: a fork, which reads what is to be examined and says what came of it."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from autograder import lockdown, tutoring
from autograder.attendant import PACKET
from autograder.examiner import Examiner
from autograder.opened import Opened
from autograder.paper import Paper
from autograder.recorder import Shell
from autograder.room import RoomError


class OtherOpening(Exception):
    """A notebook begins otherwise than the one that has run in this process."""


def live(
    parent: int,
    connection: socket.socket,
    shell: Shell,
    paper: socket.socket,
    control: socket.socket,
    opened: Opened | None = None,
) -> NoReturn:
    """The whole life of a child of `parent`, whose `connection` is not its own. Nothing has run yet but what was `opened`."""
    try:
        connection.close()
        lockdown.die_with_parent(parent)
        channel = Connection(paper.detach())
        handed = channel.recv()  # from who started this process
        os.environ.clear()
        os.environ.update(handed["environment"])
        os.chdir(handed["folder"])
        sys.path.append(handed["course"])
        work, course = handed["work"], Path(handed["course"])

        def examine(paper: Paper) -> dict[str, Any]:
            if opened and not opened.begins(paper):
                raise OtherOpening("it begins otherwise")
            examiner = Examiner(paper, shell, lambda: _room(control), course, opened)
            messages = [record.messages for record in examiner.examine()]
            return {"messages": messages, "notes": examiner.notes, "seconds": examiner.seconds, **tutoring.told(paper)}

        told = examine(work) if isinstance(work, Paper) else conversion().convert(work, examine)
        channel.send_bytes(json.dumps(told, default=str).encode())
    except BaseException as error:
        with suppress(Exception):
            told = {"error": f"{type(error).__name__}: {error}", "again": isinstance(error, OtherOpening)}
            channel.send_bytes(json.dumps(told).encode())
    finally:
        os._exit(0)


def conversion() -> Any:
    """Loads nbgrader, which not every warm process needs."""
    return import_module("autograder.conversion")


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
