"""A PostgreSQL server of its own for tests, on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path

import psycopg
import pytest

from tests.support.clusters import HOST, free_port

PROGRAMS = [folder for folder in sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True) if os.path.exists(f"{folder}/initdb")]
server = pytest.mark.skipif(not PROGRAMS and "CI" not in os.environ, reason="there is no PostgreSQL server")
"""Where there is none the tests are left out, but never in CI."""


class Postgres:
    """A server with one database for each test, in a folder that is removed with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.user = "postgres" if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://grader@{HOST}:{self.port}/{database}"

    def make(self) -> None:
        if self.user:
            shutil.chown(self.folder, self.user)
        subprocess.run(
            [f"{PROGRAMS[0]}/initdb", "-D", str(self.folder / "data"), "-U", "grader", "-A", "trust", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self.user,
            cwd=self.folder,
        )

    def start(self) -> None:
        options = ["-D", str(self.folder / "data"), "-p", str(self.port), "-h", HOST, "-k", str(self.folder)]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [f"{PROGRAMS[0]}/postgres", *options], stdout=log, stderr=log, user=self.user, cwd=self.folder
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.execute("select 1")
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.1)

    def execute(self, command: str) -> None:
        with psycopg.connect(f"host={HOST} port={self.port} user=grader dbname=postgres", autocommit=True) as connection:
            connection.execute(command)

    def kill(self) -> None:
        """kill -9: its other processes notice, and end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)


@contextmanager
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    running = Postgres(folder)
    try:
        running.make()
        running.start()
        yield running
    finally:
        running.stop()
        with suppress(OSError):
            shutil.rmtree(folder)
