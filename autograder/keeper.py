"""The process between a room and a student: how a fork walks in.

A *keeper* is the parent of the student's process. It enters the namespaces, prepares the place, gives up all rights, forks once
more so that the pid namespace takes effect, and waits.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

import psutil  # type: ignore[import-untyped]

from autograder import lockdown, walls
from autograder.limits import Limits

PATIENCE = 10.0
"""Seconds that are given to processes to die."""


@dataclass(frozen=True)
class Keeper:
    """What it must know. `first` is the pidfd of the room's first process; without a sandbox there is but a folder.

    `scratch` is where students may write, `places` where else its folders are found. `uid` is whom the student's process
    becomes; None where it stays who it is. `earlier` visitors have been there.
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

    def keep(self, live: Callable[[socket.socket], object], report: socket.socket, inner: socket.socket) -> NoReturn:
        """Its whole life, in a fork. It reports the pid of the student's process with its pidfd, or what went wrong."""
        try:
            self._prepare(report, inner)
            student = os.fork()
            if student == 0:
                self._live(live, report, inner)
            inner.close()
            descriptors = [os.pidfd_open(student)] if hasattr(os, "pidfd_open") else []
            word = str(student).encode()
            socket.send_fds(report, [word], descriptors) if descriptors else report.send(word)
            os.closerange(0, report.fileno())
            os.closerange(report.fileno() + 1, lockdown.FILES)
            if self.sandbox:
                os.waitpid(student, 0)
            else:
                report.recv(1)  # until the room closes, or who built it is no more
                _sweep()
                remove(self.scratch)
        except BaseException as error:
            report.send((str(error) or repr(error)).encode()[:4096])
        finally:
            os._exit(0)

    def _prepare(self, report: socket.socket, inner: socket.socket) -> None:
        """Enter, and give up everything."""
        if self.sandbox:
            lockdown.die_with_parent(self.parent)
        lockdown.reset_signals()
        lockdown.forget_environment()
        os.umask(0o022)
        brought = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY) if self.folder else -1
        submission, home, temporary = (f"{self.scratch}/{name}" for name in walls.FOLDERS[:3])
        if self.sandbox:
            lockdown.enter(self.first, self.uid is None)
        else:
            lockdown.keep_orphans()
        if not self.earlier:
            owner = self.uid if self.uid is not None else os.getuid()
            if self.sandbox:
                lockdown.mount_scratch(self.scratch, self.limits.scratch)
            for name in walls.FOLDERS:
                folder = f"{self.scratch}/{name}"
                os.mkdir(folder)
                os.chown(folder, owner, -1)
                if name in self.places:
                    lockdown.show_again(folder, self.places[name])
            if brought >= 0:
                carry(brought, submission, self.limits.scratch, owner)
        os.chdir(self.places.get(walls.SUBMISSION, submission))
        lockdown.drop_privileges(self.uid)
        if self.sandbox:
            lockdown.die_with_parent(self.parent)
        lockdown.replace_files({report.fileno(), inner.fileno()}, temporary)
        lockdown.set_environment(home, temporary)
        lockdown.filter_calls()
        for path in (os.__file__, __file__):
            if not os.access(path, os.R_OK):
                raise PermissionError(f"the student's user cannot read {path}. Try: chmod -R o+rX {Path(path).parent}")

    def _live(self, live: Callable[[socket.socket], object], report: socket.socket, inner: socket.socket) -> NoReturn:
        """The student's process, in the fork of the keeper."""
        try:
            report.close()
            lockdown.die_with_parent(0 if self.sandbox else os.getppid())
            os.setsid()
            lockdown.set_limits(self.limits, self.limits.processes + self._others())
            inner.recv(1)  # what it takes is measured while nothing of the student's has run
            live(inner)
            os._exit(0)
        finally:
            os._exit(1)

    def _others(self) -> int:
        """How many processes the kernel counts beside those of the student."""
        if not self.sandbox:
            return sum(
                process.info["num_threads"] or 0
                for process in psutil.process_iter(["uids", "num_threads"])
                if process.info["uids"] and process.info["uids"].real == os.getuid()
            )
        return self.earlier + (3 if self.uid is None else 1)


def _sweep() -> None:
    """Kill all descendants of this process, whatever session they are in."""
    deadline = time.monotonic() + PATIENCE
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
    """Remove a folder that a student wrote to, also where parts of it were closed. Nothing outside of it is touched."""

    def insist(function: Callable[[str], object], path: str, error: object) -> None:
        if path == folder:  # it is gone, or is not empty because of what could not be removed
            return
        with suppress(OSError):
            os.chmod(os.path.dirname(path), 0o700)
            if os.path.isdir(path) and not os.path.islink(path):
                os.chmod(path, 0o700)
                remove(path)
            else:
                os.unlink(path)

    shutil.rmtree(folder, onerror=insist)
    with suppress(OSError):
        os.rmdir(folder)


def carry(source: int, target: str, size: int, uid: int) -> None:
    """Copy the files below an open folder into `target`, at most `size` bytes of them; `uid` owns the copies.

    Left out: notebooks (the graded one contains the tests), links that lead out of the folder, what is neither a file nor
    a folder, and what cannot be read. No link is followed.
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
    """Copy all of an open file, or nothing if it has more bytes than this. Returns how many it took, `most` if none."""
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
