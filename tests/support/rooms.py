"""Going into rooms from tests."""

from __future__ import annotations

import gc
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from socket import SHUT_WR, socket
from typing import Any

import pytest

from autograder.sandbox.limits import MIB, Limits
from autograder.sandbox.room import Room, unavailable
from tests.support.processes import nothing_left

SMALL = Limits(memory=400 * MIB, processes=20, scratch=4 * MIB)
reason = unavailable()
linux = pytest.mark.skipif(bool(reason) and "CI" not in os.environ, reason=reason or "rooms can be built")
"""Where no room can be built the tests are left out, but never in CI: what they guard must not go unseen."""


def asked(room: Room, question: Callable[[], object]) -> Any:
    """What a function returns inside, or the error that it raises, as text."""

    def live(channel: socket) -> None:
        try:
            answer = question()
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        channel.sendall(json.dumps(answer).encode())
        channel.shutdown(SHUT_WR)
        time.sleep(60)  # until the room closes: what it started lives on

    channel = room.start_student(live).channel
    channel.settimeout(60)
    text = b""
    while part := channel.recv(65536):
        text += part
    assert text, "the student's process died"
    return json.loads(text)


def family() -> int:
    """Children that leave the session, and a grandchild whose parent is gone."""
    for _ in range(2):
        if os.fork() == 0:
            os.setsid()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            if os.fork() != 0:
                os._exit(0)
            time.sleep(300)
            os._exit(0)
    time.sleep(0.2)
    return os.getpid()


def files() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.fixture(autouse=True)
def clean(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is left behind: processes, open files, folders."""
    folder = tmp_path_factory.mktemp("places")
    folder.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    gc.collect(1)  # what the last tests left in this process; to look for all there ever was takes longer than a test
    before = files()
    with nothing_left():
        yield
    assert files() <= before
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o7777 == 0o1777
