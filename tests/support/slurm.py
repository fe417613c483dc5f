"""A SLURM of one node on loopback: munge, the controller and the node's daemon, with all files in one folder."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.clusters import HOST, free_port, until

PARTITION = "PARTITION"
CONFIG = """
ClusterName=course
SlurmctldHost={name}({host})
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}
SlurmdSpoolDir={folder}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
MailProg=/bin/true
NodeName={name} NodeAddr={host} CPUs=16 RealMemory=50000
PartitionName={partition} Nodes=ALL Default=YES
"""
"""The node says that it has what a job on docs/scale.md asks for."""


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Running while it is used; gives the environment in which SLURM's commands find it."""
    (folder / "munge").mkdir(parents=True)
    (folder / "munge").chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    config = folder / "slurm.conf"
    facts = {"name": socket.gethostname(), "host": HOST, "partition": PARTITION, "folder": folder}
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    config.write_text(CONFIG.format(controller=free_port(), node=free_port(), user=user, **facts))
    environment = {**os.environ, "SLURM_CONF": str(config)}
    places = {"socket": folder / "munge" / "socket", "key-file": key}
    places |= {f"{name}-file": folder / f"munge.{name}" for name in ("pid", "log", "seed")}
    munged = ["munged", "--foreground", "--force", *(f"--{option}={path}" for option, path in places.items())]
    running: list[subprocess.Popen[bytes]] = []
    try:
        with open(folder / "log", "ab") as log:
            for daemon in (munged, ["slurmctld", "-D", "-i"], ["slurmd", "-D"]):
                running.append(subprocess.Popen(daemon, env=environment, stdout=log, stderr=log))
                until(lambda: places["socket"].exists())
        until(lambda: "idle" in said(environment, "sinfo", "--noheader", "--format=%T"))
        yield environment
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)


def said(environment: dict[str, str], *command: str) -> str:
    """What one of SLURM's commands prints, be it only an error."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    return done.stdout + done.stderr
