"""A fork server that stays: who may come, and how it begins and ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from autograder.forkserver import daemon
from autograder.forkserver.client import KEPT_VARIABLES, SET_VARIABLES
from autograder.learner import workbook
from autograder.learner.checker import Checker
from tests.support.learner import Learner, runtime
from tests.support.learner import staying as processes
from tests.support.rooms import linux

pytestmark = linux


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with runtime(tmp_path_factory.mktemp("run") / "own") as place:
        yield place


@pytest.fixture
def small(tmp_path: Path) -> workbook.Workbook:
    learner = Learner(tmp_path / "mine")
    learner.solves("2-cross-entropy")
    return workbook.open_workbook(learner.notebook("2-cross-entropy"))


def check(small: workbook.Workbook) -> float:
    with Checker(stays=True) as tutor:
        return tutor.check(small).points


def test_one_process_serves_all_who_come_at_the_same_time(small: workbook.Workbook, place: Path) -> None:
    points: list[float] = []
    threads = [threading.Thread(target=lambda: points.append(check(small))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert points == [4, 4, 4]
    assert len(processes(place)) == 1


def test_what_was_killed_is_started_again(small: workbook.Workbook, place: Path) -> None:
    check(small)
    (process,) = processes(place)
    process.send_signal(signal.SIGKILL)
    psutil.wait_procs([process], timeout=20)
    assert check(small) == 4
    assert processes(place) != [process]


def test_nothing_of_a_notebook_stays_in_it(small: workbook.Workbook, place: Path) -> None:
    check(small)
    (process,) = processes(place)
    deadline = time.monotonic() + 20
    while (left := process.children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def test_it_is_the_user_s_alone(small: workbook.Workbook, place: Path) -> None:
    check(small)
    assert place.stat().st_mode & 0o777 == 0o700
    (found,) = place.glob("*.sock")
    assert found == daemon.address(
        {**{name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}, **SET_VARIABLES}
    )
    place.chmod(0o755)
    try:
        assert daemon.address({}) is None  # somebody might have put a socket there
        assert check(small) == 4  # in a process of its own
    finally:
        place.chmod(0o700)


def test_another_version_is_another_process(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = daemon.address({"TZ": "a"})
    assert daemon.address({"TZ": "b"}) != first == daemon.address({"TZ": "a", "PATH": "b"})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.py").write_text("")
    monkeypatch.setattr(daemon, "PACKAGE", tmp_path)
    changed = daemon.address({"TZ": "a"})
    os.utime(tmp_path / "folder" / "one.py", (1, 1))
    assert daemon.address({"TZ": "a"}) != changed
    assert daemon.address({"TZ": "a"}) != first


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "backprop-ninja").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert daemon.address({}) is None


def test_a_path_that_is_too_long_for_a_socket_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    assert daemon.address({}) is None


def test_two_do_not_listen_at_one_place(tmp_path: Path) -> None:
    at = tmp_path / "a.sock"
    with daemon.listening(at) as listener:
        assert listener.getsockname() == str(at)
        with pytest.raises(BlockingIOError), daemon.listening(at):
            pass
        assert at.exists()
    assert not at.exists()
    assert daemon.connect(at) is None


def test_it_ends_when_nobody_comes(tmp_path: Path) -> None:
    with daemon.listening(tmp_path / "a.sock") as listener:
        began = time.monotonic()
        assert list(daemon.connections(listener, 0.1)) == []
        assert time.monotonic() - began < 10


def test_another_user_is_not_let_in() -> None:
    if os.getuid():
        pytest.skip("only root can be two users")
    ours, theirs = os.pipe()
    with TemporaryDirectory() as folder, daemon.listening(at := Path(folder, "a.sock")) as listener:
        for place, mode in ((at, 0o777), (at.parent, 0o755)):
            place.chmod(mode)
        stranger = os.fork()
        if stranger == 0:
            try:
                os.setuid(65534)
                connection = daemon.connect(at)
                os.write(theirs, b"there" if connection else b"nowhere")
                os._exit(3 if connection and connection.recv(9) == b"" else 4)
            finally:
                os._exit(5)
        assert os.read(ours, 9) == b"there"
        assert list(daemon.connections(listener, 0.1)) == []
        assert os.waitstatus_to_exitcode(os.waitpid(stranger, 0)[1]) == 3
    os.close(ours)
    os.close(theirs)
