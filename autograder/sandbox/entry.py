"""The way into a room: a fork of this process enters it and starts the student's process there.

A *launcher* is the parent of the student's process. It enters the namespaces, prepares the folders, gives up all rights, forks
once more and waits. The second fork is needed because a pid namespace holds for children only: the process that enters one
keeps its own pid.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

import psutil  # type: ignore[import-untyped]

from autograder.sandbox import forks, hardening, view
from autograder.sandbox.limits import Limits

KILL_SECONDS = 10.0
"""Seconds that killed processes have to end."""
MAX_REASON_BYTES = 4096
"""Bytes of a report on what went wrong."""
READY = b"!"
"""What the student's process reports when it is locked down."""
END = struct.Struct("=iQ")
"""What the launcher reports when the student's process has ended: its exit code, or minus the number of the signal that ended
it, and the most bytes that were resident at once."""


@dataclass(frozen=True)
class Launcher:
    """What the process needs to know in order to enter a room and start the student's process.

    `parent` is the pid of the process that built the room, and `first` the pidfd of the room's first process; without a
    `sandbox` there is no such process, only a folder. `folder` has the submission's files. `scratch` is where students may
    write, and `places` says at which other paths its folders appear. `uid` is the user that the student's process becomes, or
    None if it keeps its own. `earlier` is the number of students' processes that entered this room before.
    """

    parent: int
    limits: Limits
    folder: Path | None
    sandbox: bool
    first: int
    scratch: str
    places: Mapping[str, str]
    uid: int | None
    earlier: int

    def run(self, student_main: Callable[[socket.socket], object], report: socket.socket, inner: socket.socket) -> NoReturn:
        """Does all of it, in the fork that calls it, and exits when the student's process has ended.

        Sends on `report` the student's pid as digits, with its pidfd, or else the reason why it could not be started.
        The student's process calls `student_main(inner)` when it is locked down.
        """
        forks.run_and_exit(lambda: self._launch(student_main, report, inner))

    def _launch(self, student_main: Callable[[socket.socket], object], report: socket.socket, inner: socket.socket) -> None:
        try:
            self._prepare(report, inner)
            waiting, ready = os.pipe()
            student = os.fork()
            if student == 0:
                self._run_student(student_main, report, inner, waiting, ready)
            os.close(ready)
            self._wait_until_ready(waiting)
            inner.close()
            descriptors = [os.pidfd_open(student)] if hasattr(os, "pidfd_open") else []
            pid = str(student).encode()
            socket.send_fds(report, [pid], descriptors) if descriptors else report.send(pid)
        except BaseException as error:
            report.send((str(error) or repr(error)).encode()[:MAX_REASON_BYTES])
            return
        os.closerange(0, report.fileno())
        os.closerange(report.fileno() + 1, hardening.MAX_OPEN_FILES)
        if self.sandbox:
            _, status, used = os.wait4(student, 0)
            with suppress(OSError):  # the room is being closed
                report.send(END.pack(os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024))
        else:
            report.recv(1)  # returns when the room closes, or when the process that built it is gone
            _kill_descendants()
            remove(self.scratch)

    def _wait_until_ready(self, waiting: int) -> None:
        """Waits until the student's process is locked down. Raises ChildProcessError with what kept it from that."""
        with open(waiting, "rb") as file:
            word = file.read()
        if word != READY:
            raise ChildProcessError(word.decode(errors="replace") or "the student's process died as it began")

    def _prepare(self, report: socket.socket, inner: socket.socket) -> None:
        """Enters the room, makes its folders if this is the first process in it, and gives up all rights.

        The order matters. The submission's folder is opened first, as it cannot be reached from inside. Namespaces, mounts and
        `chown` need the rights that `drop_privileges` takes away. The filter of system calls comes last: it refuses calls that
        the steps before it make, such as `setns` and `mount`.
        """
        if self.sandbox:
            hardening.die_with_parent(self.parent)
        hardening.reset_signals()
        hardening.forget_environment()
        os.umask(0o022)
        submitted = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY) if self.folder else -1
        submission, home, temporary = (f"{self.scratch}/{name}" for name in view.SCRATCH_FOLDERS[:3])
        if self.sandbox:
            hardening.enter(self.first, self.uid is None)
        else:
            hardening.keep_orphans()
        if not self.earlier:
            owner = self.uid if self.uid is not None else os.getuid()
            if self.sandbox:
                hardening.mount_scratch(self.scratch, self.limits.scratch)
            for name in view.SCRATCH_FOLDERS:
                folder = f"{self.scratch}/{name}"
                os.mkdir(folder)
                os.chown(folder, owner, -1)
                if name in self.places:
                    hardening.show_again(folder, self.places[name])
            if submitted >= 0:
                carry(submitted, submission, self.limits.scratch, owner)
        os.chdir(self.places.get(view.SUBMISSION, submission))
        hardening.drop_privileges(self.uid)
        if self.sandbox:
            hardening.die_with_parent(self.parent)  # once more: the change of user has undone it
        hardening.replace_files({report.fileno(), inner.fileno()}, temporary)
        hardening.set_environment(home, temporary)
        hardening.filter_calls()
        for path in (os.__file__, __file__):
            if not os.access(path, os.R_OK):
                raise PermissionError(f"the student's user cannot read {path}. Try: chmod -R o+rX {Path(path).parent}")

    def _run_student(
        self,
        student_main: Callable[[socket.socket], object],
        report: socket.socket,
        inner: socket.socket,
        waiting: int,
        ready: int,
    ) -> NoReturn:
        """All that the student's process does, in the launcher's fork. It writes READY to `ready`, or what went wrong."""

        def main() -> None:
            try:
                report.close()
                os.close(waiting)
                hardening.die_with_parent(0 if self.sandbox else os.getppid())
                os.setsid()
                hardening.set_limits(self.limits, self.limits.processes + self._others())
                outcome = READY
            except BaseException as error:
                outcome = (str(error) or repr(error)).encode()[:MAX_REASON_BYTES]
            os.write(ready, outcome)
            os.close(ready)
            if outcome == READY:
                inner.recv(1)  # waits while `start_student` measures the memory of a process in which no cell has run
                student_main(inner)

        forks.run_and_exit(main)

    def _others(self) -> int:
        """How many processes of the student's user are not the student's, but count toward the limit all the same."""
        if not self.sandbox:
            return sum(
                process.info["num_threads"] or 0
                for process in psutil.process_iter(["uids", "num_threads"])
                if process.info["uids"] and process.info["uids"].real == os.getuid()
            )
        return self.earlier + (3 if self.uid is None else 1)


def _kill_descendants() -> None:
    """Kills all descendants of this process, in any session, until none is left: they may fork while this looks for them."""
    deadline = time.monotonic() + KILL_SECONDS
    while time.monotonic() < deadline:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                process.kill()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def remove(folder: str) -> None:
    """Removes a folder that a student wrote to, even if its permissions forbid that. Touches nothing outside of the folder."""

    def allow_and_retry(function: Callable[[str], object], path: str, error: object) -> None:
        if path == folder:  # it is gone, or is not empty because something in it could not be removed
            return
        with suppress(OSError):
            os.chmod(os.path.dirname(path), 0o700)
            if os.path.isdir(path) and not os.path.islink(path):
                os.chmod(path, 0o700)
                remove(path)
            else:
                os.unlink(path)

    shutil.rmtree(folder, onerror=allow_and_retry)
    with suppress(OSError):
        os.rmdir(folder)


def carry(source: int, target: str, size: int, uid: int) -> None:
    """Copies the files below the open folder `source` into `target`, at most `size` bytes; the copies belong to `uid`.

    It leaves out notebooks (the graded one contains the tests), links that lead out of the folder, whatever is neither a file
    nor a folder, and whatever cannot be read. It follows no link.
    """
    left = size
    for path, _, _, descriptor in os.fwalk(".", dir_fd=source):
        inner = os.path.join(target, path)
        for name in sorted(os.listdir(descriptor)):
            kind = os.lstat(name, dir_fd=descriptor).st_mode
            copy = os.path.join(inner, name)
            with suppress(OSError):
                if stat.S_ISDIR(kind):
                    os.mkdir(copy)
                elif stat.S_ISLNK(kind) and _stays(path, goal := os.readlink(name, dir_fd=descriptor)):
                    os.symlink(goal, copy)
                elif stat.S_ISREG(kind) and not name.lower().endswith(".ipynb"):
                    left -= _copy(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor), copy, left)
                else:
                    continue
                os.chown(copy, uid, -1, follow_symlinks=False)
        if left <= 0:
            return


def _stays(folder: str, goal: str) -> bool:
    """Whether a link in this folder leads to something below the submission."""
    return not os.path.isabs(goal) and ".." not in PurePosixPath(os.path.normpath(os.path.join(folder, goal))).parts


def _copy(source: int, target: str, most: int) -> int:
    """Copies all of an open file, or nothing if it has over `most` bytes. Returns the bytes copied, or `most` for nothing."""
    with open(source, "rb") as read:
        if os.fstat(source).st_size > most:
            return most
        try:
            with open(target, "xb") as write:
                shutil.copyfileobj(read, write, 2**20)
                return write.tell()
        except OSError:  # the disk is full
            os.unlink(target)
            return most
