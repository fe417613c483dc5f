"""Rooms: what can be seen and reached from inside, and that nothing outlives them."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

import autograder
from autograder.course.dataset import load_names
from autograder.sandbox import hardening, limits, view
from autograder.sandbox import room as module
from autograder.sandbox.limits import MIB, Limits
from autograder.sandbox.room import Room, RoomError, unavailable
from tests.support.rooms import SMALL, asked, family, linux
from tests.support.rooms import clean as clean

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [linux, pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")]


@pytest.fixture
def room() -> Iterator[Room]:
    with Room(Limits(), None) as room:
        yield room


@pytest.fixture(params=[True, False], ids=["room", "no sandbox"])
def sandbox(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def names_and_writable(top: str) -> tuple[list[str], list[str]]:
    """All that lies below a folder, /proc aside, and the folders there that can be written to."""
    found, writable = [], []
    for path, folders, files in os.walk(top):
        if path == "/":
            folders.remove("proc")
        found += [os.path.join(path, name) for name in folders + files]
        writable += [path] if os.access(path, os.W_OK) else []
    return found, writable


def names(top: str) -> list[str]:
    return names_and_writable(top)[0]


class TestView:
    """What a student's code sees."""

    def test_of_this_machine_there_are_the_system_and_python_alone(self, room: Room) -> None:
        root = f"{ROOT}/"

        def look() -> list[list[str]]:
            everything, writable = names_and_writable("/")
            return [
                sorted(name for name in everything if name.count("/") == 1),
                [name for name in everything if f"{name}/".startswith(root)],
                [name for name in everything if name.endswith((".ipynb", ".db", "names.txt"))],
                writable,
            ]

        def is_below(name: str, *folders: Path | str) -> bool:
            return any(f"{name}/".startswith(f"{folder}/") for folder in folders)  # there are some hundred thousand names

        top, project, files, writable = asked(room, look)
        python = [
            Path(prefix, name) for prefix in (sys.prefix, sys.base_prefix) for name in ("bin", "lib", "lib64", "pyvenv.cfg")
        ]
        shown = [*python, *(Path(name) for name in sys.path if name.endswith(("site-packages", "dist-packages")))]
        inside = [ROOT / "autograder", ROOT / "data" / "names.txt", *(path for path in shown if path.is_relative_to(ROOT))]
        places = {"/dev", "/etc", "/proc", "/room", "/submission", "/tmp"} | {f"/{path.parts[1]}" for path in [*inside, *shown]}
        assert set(top) <= places | set(view.SYSTEM) | {"/nix", "/gnu"}
        assert not {str(ROOT / name) for name in ("source", "release", "tests", ".git", "pyproject.toml")} & set(project)
        above = {str(folder) for path in inside for folder in (path, *path.parents)}
        assert [name for name in project if name not in above and not is_below(name, *inside)] == []
        assert {str(ROOT / "autograder" / "sandbox" / "room.py"), str(ROOT / "data" / "names.txt")} <= set(project)
        assert [name for name in files if not is_below(name, *inside, *shown, "/usr")] == []
        owned = {"/room/home", "/room/shm", "/room/submission", "/room/tmp", "/submission", "/dev/shm"}
        assert set(writable) - {"/tmp", "/room"} == owned

    def test_homes_and_other_folders_are_not_there(self, room: Room, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("tests")
        places = [
            str(tmp_path / "secret"),
            "/etc/shadow",
            "/etc/hostname",
            "/run",
            "/var",
            "/sys",
            "/srv",
            "/boot",
            "/root/.ssh",
        ]
        assert asked(room, lambda: [place for place in places if os.path.lexists(place)]) == []
        assert asked(room, lambda: Path("/etc/passwd").read_text().count("\n")) == 1

    def test_its_folder_has_a_neutral_name(self, room: Room) -> None:
        here = asked(room, lambda: [os.getcwd(), os.listdir("."), tempfile.gettempdir(), os.path.expanduser("~")])
        assert here == ["/submission", [], "/room/tmp", "/room/home"]
        assert asked(room, socket.gethostname) == "room"

    def test_no_other_process_is_there(self, room: Room) -> None:
        pids = asked(room, lambda: [int(name) for name in os.listdir("/proc") if name.isdigit()])
        assert pids == [1, 2, 3]
        assert "1000" not in asked(room, lambda: [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids])

    def test_the_first_processes_tell_nothing(self, room: Room) -> None:
        def look() -> list[str]:
            told = []
            for name in ("environ", "cmdline"):
                for pid in (1, 2):
                    try:
                        told += [word for word in Path(f"/proc/{pid}/{name}").read_text().split("\0") if word]
                    except OSError:
                        told.append("closed")
            return told

        told = " ".join(asked(room, look))
        assert str(ROOT) not in told
        assert os.environ["PATH"] not in told

    def test_nothing_can_be_written_outside(self, room: Room) -> None:
        def write() -> list[str]:
            written = []
            for folder in (
                "/",
                "/usr",
                "/etc",
                "/dev",
                sys.prefix + "/bin",
                str(ROOT / "autograder"),
                "/proc/sys/kernel",
            ):
                with suppress(OSError):
                    Path(folder, "planted").write_text("x")
                    written.append(folder)
            return written

        assert asked(room, write) == []
        mounts = [line.split() for line in asked(room, Path("/proc/self/mounts").read_text).splitlines()]
        written = {place for kind, place, _, options, *_ in mounts if not options.startswith("ro,") and kind != "scratch"}
        assert {place for place in written if not place.startswith("/dev/")} == set()

    def test_python_and_what_is_installed_can_be_imported_there(self, room: Room) -> None:
        code = "import numpy, matplotlib, autograder, sqlite3; print(autograder.__version__)"

        def run() -> str:
            return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout

        assert asked(room, run) == f"{autograder.__version__}\n"

    def test_another_python_has_no_torch(self, room: Room) -> None:
        def run() -> list[str]:
            said = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, text=True, timeout=60).stderr
            return [said.strip().splitlines()[-1], os.listdir(Path(torch.__file__).parent / "lib")]

        error, libraries = asked(room, run)
        assert re.match(r"(ImportError|OSError): .*lib", error), error
        assert libraries == []

    def test_the_list_of_names_is_there(self, room: Room) -> None:
        assert asked(room, lambda: len(load_names())) == 32469


class TestNetwork:
    def test_nobody_can_be_reached(self, room: Room, tmp_path: Path) -> None:
        servers = [socket.socket(family, socket.SOCK_STREAM) for family in (socket.AF_INET, socket.AF_UNIX, socket.AF_UNIX)]
        addresses: list[Any] = [("127.0.0.1", 0), f"\0room-{os.getpid()}", str(tmp_path / "s")]
        for server, address in zip(servers, addresses, strict=True):
            server.bind(address)
            server.listen()
        addresses[0] = servers[0].getsockname()
        tried = [*((server.family, server.getsockname()) for server in servers), (socket.AF_INET, ("192.0.2.1", 80))]
        tried += [(socket.AF_INET6, ("::1", addresses[0][1])), (socket.AF_INET6, ("2001:db8::1", 80))]

        def connect() -> list[str]:
            errors = []
            for kind, address in tried:
                with socket.socket(kind, socket.SOCK_STREAM) as client:
                    client.settimeout(3)
                    try:
                        client.connect(address)
                        errors.append("connected")
                    except OSError as error:
                        errors.append(type(error).__name__)
            return errors

        try:
            outside = socket.create_connection(addresses[0], 5)
            outside.close()
            answers = asked(room, connect)
        finally:
            for server in servers:
                server.close()
        assert len(answers) == 6
        assert "connected" not in answers
        assert asked(room, lambda: Path("/proc/net/dev").read_text().count(":")) <= 1

    def test_rooms_cannot_reach_one_another(self, room: Room) -> None:
        def listen() -> bool:
            server = socket.socket(socket.AF_UNIX)
            server.bind("\0meeting")
            server.listen()
            server.detach()
            for folder in ("/submission", "/dev/shm", os.environ["TMPDIR"], os.environ["HOME"]):
                Path(folder, "left-here").write_text("x")
            return os.path.exists("/submission/left-here")

        assert asked(room, listen) is True
        with Room(Limits(), None) as second:
            assert "Refused" in asked(second, lambda: socket.socket(socket.AF_UNIX).connect("\0meeting"))
            assert asked(second, lambda: [name for name in names("/room") + names("/dev") if "left-here" in name]) == []
            assert len(asked(second, lambda: [name for name in os.listdir("/proc") if name.isdigit()])) <= 5
        assert asked(room, lambda: os.path.exists("/submission/left-here")) is True


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "submission"
        (folder / "sub" / "deep").mkdir(parents=True)
        (tmp_path / "outside.txt").write_text("secret")
        (folder / "data.csv").write_text("1,2")
        (folder / "sub" / "deep" / "more.txt").write_text("more")
        for name in ("nb.ipynb", "sub/NB.IPYNB"):
            (folder / name).write_text("{}")
        (folder / "inside").symlink_to("sub/deep/more.txt")
        (folder / "sub" / "up").symlink_to("../data.csv")
        (folder / "out").symlink_to("../outside.txt")
        (folder / "sub" / "far").symlink_to("../../outside.txt")
        (folder / "absolute").symlink_to(tmp_path / "outside.txt")
        (folder / "folder-out").symlink_to("..")
        os.mkfifo(folder / "pipe")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "socket"))
        (folder / "private.txt").write_text("mine")
        (folder / "private.txt").chmod(0o600)
        (folder / "closed.txt").write_text("x")
        (folder / "closed.txt").chmod(0)
        return folder

    def test_files_are_copied_and_nothing_else(self, folder: Path, sandbox: bool) -> None:
        before = sorted(names(str(folder)))
        with Room(SMALL, folder, sandbox) as room:
            seen = set(asked(room, lambda: [os.path.relpath(name) for name in names(os.getcwd())]))
            texts = ["data.csv", "inside", "sub/up", "private.txt"]
            assert asked(room, lambda: [Path(name).read_text() for name in texts]) == ["1,2", "more", "1,2", "mine"]
            asked(room, lambda: [Path(name).write_text("changed") for name in texts])
        files = {"data.csv", "sub/deep/more.txt", "inside", "sub/up", "private.txt", "sub", "sub/deep"}
        assert seen - {"closed.txt"} == files
        assert ("closed.txt" in seen) == (os.geteuid() == 0 or sandbox)  # who builds a room may open it in there
        assert (folder / "data.csv").read_text() == "1,2"
        assert sorted(names(str(folder))) == before

    def test_the_second_visitor_finds_what_the_first_left(self, folder: Path, sandbox: bool) -> None:
        with Room(SMALL, folder, sandbox) as room:
            asked(room, lambda: Path("data.csv").write_text("changed"))
            assert asked(room, lambda: Path("data.csv").read_text()) == "changed"

    def test_files_beyond_the_size_of_the_disk_stay_outside(self, folder: Path, sandbox: bool) -> None:
        for number in range(6):
            (folder / f"big{number}").write_bytes(bytes(MIB))
        with Room(SMALL, folder, sandbox) as room:
            sizes = asked(room, lambda: [os.path.getsize(name) for name in os.listdir(".") if name.startswith("big")])
        assert sizes in ([MIB] * 3, [MIB] * 4)

    def test_a_folder_that_is_not_there_is_a_clear_error(self, tmp_path: Path, sandbox: bool) -> None:
        with (
            Room(SMALL, tmp_path / "nowhere", sandbox) as room,
            pytest.raises(RoomError, match=r"cannot be entered: .*nowhere"),
        ):
            asked(room, lambda: 1)

    def test_no_other_user_gets_to_a_folder_without_a_sandbox(self, folder: Path) -> None:
        def close() -> None:
            os.makedirs("a/b")
            Path("a/b/c").touch()
            os.chmod("a/b", 0)
            os.chmod("a", 0)

        with Room(SMALL, folder, False) as room:
            place = Path(asked(room, os.getcwd))
            assert place.parent.stat().st_mode & 0o077 == 0
            asked(room, close)
        assert not place.parent.exists()


def gone(pids: set[int], seconds: float = 20) -> bool:
    """Whether none of these processes is there any more, after some time at most."""
    deadline = time.monotonic() + seconds
    while any(psutil.pid_exists(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class TestEnd:
    def test_all_die_when_it_closes(self, sandbox: bool) -> None:
        with Room(SMALL, None, sandbox) as room:
            asked(room, family)
            inside = room.processes()
            assert len(inside) >= 3
        assert not any(psutil.pid_exists(pid) for pid in inside)

    def test_a_fork_bomb_dies_when_it_closes(self) -> None:
        def bomb(channel: socket.socket) -> None:
            channel.send(b"x")
            while True:
                try:
                    os.fork()
                except OSError:
                    time.sleep(0.001)

        with Room(SMALL, None) as room:
            room.start_student(bomb).channel.recv(1)
            time.sleep(0.5)
            assert 10 <= len(room.processes()) <= SMALL.processes + 3
            start = time.monotonic()
        assert time.monotonic() - start < 10

    def test_it_can_be_closed_twice_and_not_be_entered_again(self, sandbox: bool) -> None:
        room = Room(SMALL, None, sandbox)
        asked(room, lambda: 1)
        room.close()
        room.close()
        with pytest.raises(RoomError, match="the room is closed"):
            room.start_student(lambda channel: None)

    def test_a_visitor_is_seen_to_leave(self, sandbox: bool) -> None:
        with Room(SMALL, None, sandbox) as room:
            visitor = room.start_student(lambda channel: channel.recv(1))
            assert psutil.Process(visitor.pid).is_running()
            assert not select.select([visitor.pidfd], [], [], 0)[0]
            visitor.channel.send(b"x")
            assert select.select([visitor.pidfd], [], [], 20)[0]

    def test_a_visitor_can_be_interrupted(self, sandbox: bool) -> None:
        def wait(channel: socket.socket) -> None:
            try:
                channel.send(b"x")
                time.sleep(60)
            except KeyboardInterrupt:
                channel.send(b"interrupted")

        with Room(SMALL, None, sandbox) as room:
            visitor = room.start_student(wait)
            visitor.channel.settimeout(20)
            visitor.channel.recv(1)
            signal.pidfd_send_signal(visitor.pidfd, signal.SIGINT)
            assert visitor.channel.recv(100) == b"interrupted"

    def test_an_error_of_the_student_ends_the_students_process_alone(self, sandbox: bool) -> None:
        with Room(SMALL, None, sandbox) as room:
            visitor = room.start_student(lambda channel: 1 / 0)
            assert select.select([visitor.pidfd], [], [], 20)[0]
            assert asked(room, lambda: 1) == 1

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_all_die_with_who_built_it(self, sandbox: bool, number: signal.Signals, tmp_path: Path) -> None:
        code = f"""
import sys, tempfile, time
sys.path.insert(0, {str(ROOT)!r})
tempfile.tempdir = {str(tmp_path)!r}
from autograder.sandbox.room import Room
from tests.support.rooms import SMALL, asked, family
room = Room(SMALL, None, {sandbox})
asked(room, family)
print(*room.processes(), *(launcher[0] for launcher in room._launchers), flush=True)
time.sleep(300)
"""
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as builder:
            try:
                assert builder.stdout is not None
                pids = {int(word) for word in builder.stdout.readline().split()}
                pids |= {process.pid for process in psutil.Process(builder.pid).children(recursive=True)}
                assert len(pids) >= 4
            finally:
                builder.send_signal(number)
        assert gone(pids)
        assert list(tmp_path.iterdir()) == []


def taken(take: str, sandbox: bool) -> float:
    """MiB that a room counts after `take`, which may `fill` memory and `fork` processes that live on.

    In a process of its own: this one has loaded more than is taken, and parts of that come and go.
    """
    code = f"""
import mmap, os, time
from autograder.sandbox import hardening
from autograder.sandbox.limits import MIB, Limits
from autograder.sandbox.room import Room
from tests.support.rooms import asked

kept = []

def fill(size):
    kept.append(mmap.mmap(-1, size * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    for _ in range(size):
        kept[-1].write(b"x" * MIB)

def fork(count, size):
    for _ in range(count):
        if os.fork() == 0:
            fill(size) if size else None
            time.sleep(300)
    time.sleep(1)

with Room(Limits(memory=300 * MIB), None, {sandbox}) as room:
    asked(room, lambda: {take})
    print(room.memory() / MIB)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert told.stdout, told.stderr
    return float(told.stdout)


class TestMemory:
    def test_a_fresh_student_takes_none(self, sandbox: bool) -> None:
        assert taken("1", sandbox) < 30

    def test_what_all_take_is_added_up(self, sandbox: bool) -> None:
        assert 150 < taken("fork(4, 40)", sandbox) < 400  # with all that was loaded before

    def test_what_they_share_is_counted_once(self, sandbox: bool) -> None:
        assert 90 < taken("[fill(100), fork(5, 0)]", sandbox) < 400  # with all that was loaded before; six times 100 if not

    def test_what_was_loaded_is_measured_before_anything_runs(self, sandbox: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        def measure(_: int) -> int:
            time.sleep(0.3)
            measured.append(time.monotonic())
            return 0

        measured: list[float] = []
        monkeypatch.setattr(limits, "loaded_bytes", measure)
        with Room(SMALL, None, sandbox) as room:
            visitor = room.start_student(lambda channel: channel.send(str(time.monotonic()).encode()))
            assert float(visitor.channel.recv(64)) > measured[0]

    def test_who_hides_it_is_counted_in_full(self) -> None:
        assert taken("[fill(100), hardening.call('prctl', hardening.SET_DUMPABLE, 0, 0, 0, 0)]", True) > 90

    def test_what_students_start_is_ended_and_they_are_not(self, sandbox: bool) -> None:
        with Room(SMALL, None, sandbox) as room:
            before = asked(room, lambda: os.getpid())
            assert not room.end_started()
        with Room(SMALL, None, sandbox) as room:
            pid = asked(room, family)
            assert before and pid
            assert len(room.processes()) > len(room._founders)
            assert room.end_started()
            deadline = time.monotonic() + 10
            while room.end_started():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert room._founders <= room.processes()

    def test_a_process_at_its_limit_is_full(self, sandbox: bool) -> None:
        held = []

        def fill() -> int:
            with suppress(MemoryError):
                while True:
                    held.append(bytearray(2**18))
            return len(held)

        with Room(SMALL, None, sandbox) as room:
            assert asked(room, lambda: len(bytearray(300 * MIB))) == 300 * MIB
            assert not room.is_full()
        with Room(SMALL, None, sandbox) as room:
            assert asked(room, fill) > 1000
            assert room.is_full()

    def test_one_process_beside_the_students_gets_a_memory_error_before_the_room_has_too_much(self, sandbox: bool) -> None:
        program = "held = []\ntry:\n    while True: held.append(b'x' * 2**20)\nexcept MemoryError:\n    input()"

        def start() -> int:
            child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
            time.sleep(2)
            return child.pid

        with Room(SMALL, None, sandbox) as room:
            asked(room, start)
            assert room.memory() > SMALL.memory
            assert not room.exceeds()


class TestErrors:
    def test_who_cannot_enter_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError("setns: Operation not permitted")

        with Room(SMALL, None) as room:
            monkeypatch.setattr(hardening, "enter", refuse)
            with pytest.raises(RoomError, match=r"^the room cannot be entered: setns: Operation not permitted$"):
                room.start_student(lambda channel: None)

    def test_a_student_s_process_that_cannot_be_bound_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError("setrlimit: Operation not permitted")

        with Room(SMALL, None) as room:
            monkeypatch.setattr(hardening, "set_limits", refuse)
            with pytest.raises(RoomError, match=r"^the room cannot be entered: setrlimit: Operation not permitted$"):
                room.start_student(lambda channel: None)

    def test_who_never_arrives_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Room(SMALL, None) as room:
            monkeypatch.setattr(hardening, "enter", lambda *_: time.sleep(60))
            monkeypatch.setattr(module, "ROOM_SECONDS", 0.5)
            with pytest.raises(RoomError, match=r"no word from inside within 0\.5 seconds"):
                room.start_student(lambda channel: None)

    def test_a_room_that_was_killed_is_not_entered(self) -> None:
        with Room(SMALL, None) as room:
            signal.pidfd_send_signal(room._first, signal.SIGKILL)
            with pytest.raises(RoomError, match="cannot be entered"):
                room.start_student(lambda channel: None)

    def test_python_that_the_student_cannot_read_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Room(SMALL, None) as room:
            monkeypatch.setattr(os, "access", lambda *_: False)
            with pytest.raises(RoomError, match=r"cannot read .*os\.py. Try: chmod -R o\+rX "):
                room.start_student(lambda channel: None)

    @pytest.mark.parametrize(
        ("script", "message"),
        [
            ("echo 'bwrap: No permissions' >&2; exit 1", "cannot build a room: bwrap: No permissions. In a container"),
            ("exec sleep 60", "cannot build a room: it said nothing"),
        ],
    )
    def test_what_bubblewrap_says_is_passed_on(
        self, script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bwrap").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(module, "ROOM_SECONDS", 1.0)
        assert message in unavailable()

    def test_a_switch_that_forbids_it_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        value = int(Path("/proc/sys/kernel/pid_max").read_text())
        monkeypatch.setattr(module, "SWITCHES", (("kernel.pid_max", value, 1), ("kernel.absent", 0, 1)))
        assert f"kernel.pid_max is {value}. Try: sudo sysctl -w kernel.pid_max=1" in module._reason("no", True)
        assert "pid_max" not in module._reason("no", False)

    def test_a_machine_without_bubblewrap(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        remedy = "Try: sudo apt-get install bubblewrap, or --Examine.sandbox=False"
        assert unavailable() == f"rooms need bubblewrap, and there is no `bwrap`. {remedy}"
        with Room(SMALL, None, sandbox=False) as room:
            assert asked(room, lambda: 1) == 1

    @pytest.mark.parametrize("release", ["5.13.0-51-generic", "4.18.0", "5.4"])
    def test_an_old_kernel(self, release: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("platform.release", lambda: release)
        assert unavailable().startswith(f"rooms need Linux 5.14 or later, and this is {release}.")

    def test_another_system(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr("platform.system", lambda: "Darwin")
        assert unavailable() == "rooms need Linux, and this is Darwin. Grade on Linux, or with --Examine.sandbox=False."


class TestWalls:
    @pytest.fixture(autouse=True)
    def fresh(self) -> Iterator[None]:
        for remembered in (view._python, view._model_answers):
            remembered.cache_clear()
        yield
        for remembered in (view._python, view._model_answers):
            remembered.cache_clear()

    def bound(self) -> list[str]:
        words = view.bwrap_arguments(1000, True, {})
        return [words[index + 2] for index, word in enumerate(words) if word == "--ro-bind"]

    def test_an_environment_that_is_the_checkout_shows_its_own_parts_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("bin", "lib", "source", "tests"):
            (tmp_path / name).mkdir()
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        monkeypatch.setattr(sys, "exec_prefix", str(tmp_path))
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        assert {name for name in self.bound() if name.startswith(str(tmp_path))} == {f"{tmp_path}/bin", f"{tmp_path}/lib"}

    def test_packages_elsewhere_are_shown(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        packages = tmp_path / "user" / "site-packages"
        packages.mkdir(parents=True)
        monkeypatch.setattr(sys, "path", [*sys.path, str(packages), str(tmp_path / "user")])
        assert [name for name in self.bound() if name.startswith(str(tmp_path))] == [str(packages)]

    def test_the_model_answers_of_every_installed_copy_are_hidden(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That of the environment, another one on the path, and the first once more, by way of a link."""
        prefix, link, other = tmp_path / "prefix", tmp_path / "link", tmp_path / "user" / "site-packages"
        link.symlink_to(prefix)
        for packages in (other, prefix / "lib" / "python3.11" / "site-packages"):
            (packages / "autograder" / "source" / "backprop").mkdir(parents=True)
            (packages / "autograder" / "source" / "backprop" / "1.ipynb").write_text("### BEGIN SOLUTION")
            (packages / "autograder" / "files.py").touch()
        monkeypatch.setattr(sys, "prefix", str(prefix))
        monkeypatch.setattr(sys, "exec_prefix", str(link))
        monkeypatch.setattr(sys, "path", [*sys.path, str(other)])
        copies = [each / "autograder" for each in (other, *(each / "lib/python3.11/site-packages" for each in (prefix, link)))]

        def look() -> list[object]:
            return [[(copy / "files.py").is_file(), os.listdir(copy / "source")] for copy in copies]

        assert look() == [[True, ["backprop"]]] * 3
        with Room(Limits(), None) as room:
            assert asked(room, look) == [[True, []]] * 3

    def test_a_checkout_in_the_system_is_hidden(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "pyproject.toml").touch()
        (tmp_path / "autograder").mkdir()
        monkeypatch.setattr(view, "PACKAGE", tmp_path / "autograder")
        monkeypatch.setattr(view, "SYSTEM", (*view.SYSTEM, str(tmp_path.parent)))
        words = view.bwrap_arguments(1000, True, {})
        assert words[words.index(str(tmp_path)) - 1] == "--tmpfs"
        assert str(tmp_path / "autograder") in self.bound()


HANGS_ON_THE_USER = (
    "TestView or TestNetwork or TestFolder or TestEnd or TestCalls or TestLimits or TestStart or no_right or group "
    "or no_further or what_they_share or who_hides or at_its_limit"
)
"""Tests of what an ordinary user's room does in its own way. Others are about tables and messages, or measure memory again."""


@pytest.mark.skipif(os.geteuid() != 0, reason="these tests run as an ordinary user already")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
@pytest.mark.parametrize(
    "chosen",
    [pytest.param(HANGS_ON_THE_USER, id="what-hangs-on-the-user"), pytest.param("", id="all", marks=pytest.mark.long)],
)
def test_an_ordinary_user_gets_the_same(chosen: str) -> None:
    """These tests, and those of what is hardened: all of them, or in short those that hang on the user."""
    user = "61000"
    folder = Path(tempfile.mkdtemp(prefix="ordinary-", dir="/tmp"))
    os.chown(folder, int(user), int(user))
    prefix = Path(sys.base_prefix)
    closed = next((path for path in reversed(prefix.parents) if not path.stat().st_mode & 1), None)
    reach = [word for path in reversed(prefix.parents) if closed in path.parents for word in ("--dir", str(path))]
    reach = ["--tmpfs", str(closed), *reach, "--ro-bind", str(prefix), str(prefix)] if closed else []
    command = ["bwrap", "--die-with-parent", "--dev-bind", "/", "/", *reach, "--chdir", str(ROOT), "--"]
    command += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
    command += [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(folder / "tests")]
    environment = {**os.environ, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {name: value for name, value in environment.items() if not name.startswith(("PYTEST", "COV"))}
    try:
        run = subprocess.run(
            [*command, "tests/sandbox/test_room.py", "tests/sandbox/test_hardening.py", "-k", chosen],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
    finally:
        shutil.rmtree(folder)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
