"""The warm process: everything that takes long is loaded, and each notebook gets two forks of it, an examiner and a student.

It reads no notebook and knows no test: what it forks for a student has nothing in its memory that a student must not see.
"""

from __future__ import annotations

import gc
import json
import signal
import socket
import sys
import tempfile
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Any

import torch

from autograder import engines, examination, recorder, resident, staying
from autograder.attendant import Attendant, forked, serve
from autograder.desk import Desk
from autograder.limits import Limits
from autograder.recorder import Shell
from autograder.rehearsal import rehearse

IDLE = 600.0
"""Seconds without a notebook after which it ends; who has another one starts it again."""
DESKS = 6
"""How many openings are kept."""
SUFFIXES = {Path(suffix).suffix or suffix for suffix in all_suffixes()}


def start() -> None:
    """Takes notebooks until the other side of the connection is gone, or has none for long.

    The arguments are the connection's number, with "converts" and "waits" if that is wanted; or "stays", and where to listen.
    """
    mode, *words = sys.argv[1:]
    place = staying.listening(Path(words[0])) if mode == "stays" else nullcontext()
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted command closes the connection
    with place as listener, tempfile.TemporaryDirectory(prefix="warm-") as folder:
        shell = recorder.start(folder)
        if "converts" in words:
            examination.conversion().rehearse()
        rehearse(shell)
        gc.enable()
        try:
            for connection in staying.visitors(listener, IDLE) if listener else [socket.socket(fileno=int(mode))]:
                _attend(connection, shell, None if "waits" in words else IDLE)
        except EOFError as end:  # it is started again
            sys.exit(str(end))


def _attend(connection: socket.socket, shell: Shell, idle: float | None) -> None:
    """Examines what comes on a connection until it is gone, or has nothing for long.

    Raises EOFError where a process of ours has ended.
    """
    connection.settimeout(idle)
    warm = Warm(connection, shell)
    try:
        connection.send(b"ready")
        serve(connection, warm.conduct)
    except (BrokenPipeError, ConnectionResetError):  # it is wanted no more
        pass
    finally:
        warm.close()


class Warm:
    """What the same opening comes for again is done by a desk, where it has run."""

    def __init__(self, connection: socket.socket, shell: Shell) -> None:
        self._connection = connection
        self._shell = shell
        self._entrances = engines.entrances()
        self._attendant = Attendant(connection, self._examiner, self._live)
        self._seen = Counter[str]()
        self._desks: dict[str, Desk] = {}

    def conduct(self, job: dict[str, Any], paper: socket.socket) -> None:
        desk = self._desk(job, paper)
        if desk is not None and desk.is_open:
            desk.conduct(job, paper, self._connection)
        else:
            self._attendant.conduct(job, paper)

    def close(self) -> None:
        for desk in self._desks.values():
            desk.close()

    def _desk(self, job: dict[str, Any], paper: socket.socket) -> Desk | None:
        """None for the first notebook that begins like this: its class may be a small one."""
        if not job["opening"] or brings_modules(Path(job["folder"])):
            return None
        key = json.dumps([job["opening"], job["limits"]])
        self._seen[key] += 1
        if self._seen[key] == 1:
            return None
        desk = self._desks.pop(key, None)
        if desk is None:
            if len(self._desks) == DESKS:
                self._desks.pop(next(iter(self._desks))).close()
            others = [self._connection, paper, *(desk.connection for desk in self._desks.values())]
            desk = Desk(others, self._shell, self._entrances, job["opening"], Limits(**job["limits"]))
        self._desks[key] = desk
        return desk

    def _examiner(self, paper: socket.socket, control: socket.socket) -> AbstractContextManager[int]:
        return forked(partial(examination.live, connection=self._connection, shell=self._shell, paper=paper, control=control))

    def _live(self, channel: socket.socket, limits: Limits) -> None:
        engines.switch_off(self._entrances)
        resident.Resident(self._shell).live(channel, limits)


def brings_modules(folder: Path) -> bool:
    """Whether a submission has what Python can import, perhaps under the name of a module that the opening wants."""
    try:
        return any(path.suffix in SUFFIXES or (path / "__init__.py").exists() for path in folder.iterdir())
    except OSError:  # a folder that is closed to us, or gone
        return True
