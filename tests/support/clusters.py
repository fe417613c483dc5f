"""A dask cluster on loopback: a scheduler and workers, each a process in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from scripts import demo

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as server:
        server.bind((HOST, 0))
        port: int = server.getsockname()[1]
        return port


@dataclass
class Processes:
    """The cluster's processes by name, each with the folder that it works in."""

    folder: Path
    address: str
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, **environment: str) -> None:
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        program = "dask_scheduler" if name == "scheduler" else "dask_worker"
        with open(place / "log", "ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
                cwd=place,
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": demo.PATH, "TMPDIR": str(place), **environment},
            )

    def kill(self, name: str) -> None:
        """As if the machine were gone."""
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait(30)


@contextmanager
def cluster(folder: Path, workers: int = 2, **environment: str) -> Iterator[Processes]:
    """Running while it is used; nothing stays of it."""
    port = free_port()
    processes = Processes(folder, f"tcp://{HOST}:{port}")
    try:
        processes.start("scheduler", "--host", HOST, "--port", str(port), "--no-dashboard", "--no-show")
        for number in range(workers):
            start_worker(processes, number, **environment)
        yield processes
    finally:
        end(processes.running.values())


def end(processes: Collection[subprocess.Popen[Any]]) -> None:
    """Kills processes, and all that came of them."""
    everyone = [psutil.Process(process.pid) for process in processes if process.poll() is None]
    everyone += [child for each in everyone for child in each.children(recursive=True)]
    for each in everyone:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    for process in processes:
        process.wait(30)


def start_worker(processes: Processes, number: int, **environment: str) -> None:
    options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", HOST, "--death-timeout", "60"]
    processes.start(f"worker-{number}", processes.address, *options, **environment)


def until(condition: object, seconds: float = 60) -> None:
    """Waits, and not for ever."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
