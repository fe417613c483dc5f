"""Workers on other machines, by dask. They need this package, bubblewrap and nothing else: no shared disk and no gradebook."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from autograder import __version__
from autograder.errors import AutograderError
from autograder.workers import Workers

PATIENCE = 30.0
"""Seconds that a scheduler, or the last worker, may be gone."""


class ClusterError(AutograderError):
    """A cluster that cannot be used."""


@contextmanager
def connected(address: str, sandbox: bool) -> Iterator[Workers]:
    """The cluster whose scheduler has this address. Raises ClusterError if one of its workers cannot grade."""
    try:
        import dask
        from distributed import Client  # untyped in its calls
    except ImportError:
        raise ClusterError("a cluster needs dask: pip install 'backprop-ninja[cluster]'") from None
    try:
        client: Any = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"no scheduler answers at {address}: {error}. Start one with: dask scheduler") from None
    with client, dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):  # of one notebook
        check(client, sandbox)
        watch = _Watch(client)
        yield Workers(client.get_executor(pure=False), lambda: watch.threads, watch.look)


def check(client: Any, sandbox: bool) -> None:
    """Asks every worker whether it can grade, before any work is sent. Raises ClusterError."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise ClusterError("the scheduler has no workers. Start some with: dask worker ADDRESS") from None
    reasons = []
    for worker, answer in client.run(ability, sandbox, on_error="return").items():
        if isinstance(answer, BaseException):
            reasons.append(f"{worker}: {type(answer).__name__}: {answer}. Install the same backprop-ninja there.")
        elif answer["version"] != __version__:
            reasons.append(f"{worker}: it has backprop-ninja {answer['version']}, and this is {__version__}.")
        elif answer["reason"]:
            reasons.append(f"{worker}: {answer['reason']}")
    if reasons:
        raise ClusterError("\n".join(["these workers cannot grade, and nothing was sent to any:", *reasons]))


def ability(sandbox: bool) -> dict[str, str]:
    """What a worker says of itself: its version of this package, and why it cannot grade, empty if it can."""
    from autograder.room import CHOICE, OPTION, unavailable

    return {"version": __version__, "reason": unavailable().replace(CHOICE, OPTION) if sandbox else ""}


class _Watch:
    """Notices when the scheduler or all workers are gone. `threads` is how many notebooks they take at once."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._seen = time.monotonic()
        self.threads = 0
        self.look()

    def look(self) -> None:
        """Raises ClusterError if they have been for long."""
        has_scheduler = self._client.status == "running"
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"] if has_scheduler else {}
        except OSError:
            has_scheduler, workers = False, {}
        if workers:
            self._seen = time.monotonic()
            self.threads = sum(worker["nthreads"] for worker in workers.values())
        if time.monotonic() - self._seen > PATIENCE:
            what = "has had no workers" if has_scheduler else "has been gone"
            raise ClusterError(
                f"the scheduler {what} for {PATIENCE:g} s. What was graded is kept: run the command again when it is there."
            )
