"""Makes `autograder` a command in a notebook's cells (`!autograder check`) and in JupyterLab's terminals.

JupyterLab that was started as `.venv/bin/jupyter lab` finds its kernels in `.venv/bin`; what the kernels start looks on PATH.
`%load_ext autograder` does it for the kernel; for the terminals, which the server starts, there is an extension of that.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

PROGRAM = "autograder.exe" if os.name == "nt" else "autograder"


def put_on_path() -> None:
    """Puts the folder of our commands at the end of PATH for what this process starts, where it is missing there."""
    folders = (
        sysconfig.get_path("scripts"),
        sysconfig.get_path("scripts", f"{os.name}_user"),
        str(Path(sys.executable).parent),
    )
    ours = next((folder for folder in folders if Path(folder, PROGRAM).is_file()), None)
    known = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if ours and ours not in known:
        os.environ["PATH"] = os.pathsep.join([*known, ours])


def _load_jupyter_server_extension(server: object) -> None:
    """Called by Jupyter's server when it starts."""
    put_on_path()
