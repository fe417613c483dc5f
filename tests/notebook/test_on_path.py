"""`autograder` as a command, in a real kernel and in a terminal of a real Jupyter server that was started by its path."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import sysconfig
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pexpect  # type: ignore[import-untyped]
import pytest
from jupyter_client.manager import start_new_kernel
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from autograder.notebook import on_path
from scripts.submissions import ROOT

OURS = sysconfig.get_path("scripts")
BARE = "/usr/bin:/bin"
WHERE = "command -v autograder"


def test_a_notebook_s_cell_finds_it() -> None:
    manager, client = start_new_kernel(env={**os.environ, "PATH": BARE})
    said: list[str] = []

    def heard(message: dict[str, dict[str, str]]) -> None:
        said.append(message["content"].get("text", ""))

    try:
        client.execute_interactive(f"!{WHERE}", output_hook=heard, timeout=60)
        assert "".join(said) == ""
        client.execute_interactive(f"%load_ext autograder\n!{WHERE}", output_hook=heard, timeout=60)
        assert "".join(said).split() == [f"{OURS}/autograder"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_terminal_of_jupyterlab_finds_it(tmp_path: Path) -> None:
    config = tmp_path / "jupyter_server_config.d"
    config.mkdir()
    shutil.copy(ROOT / "autograder" / "notebook" / "server.json", config / "autograder.json")
    place = {name: str(tmp_path) for name in ("HOME", "JUPYTER_CONFIG_PATH", "JUPYTER_RUNTIME_DIR")}
    options = ["--no-browser", "--allow-root", "--port=0", "--ServerApp.root_dir=.", "--IdentityProvider.token=t"]
    server = pexpect.spawn(
        sys.executable,
        ["-m", "jupyter_server", *options],
        env={**os.environ, **place, "PATH": BARE, "SHELL": "/bin/sh"},
        cwd=str(tmp_path),
        encoding="utf-8",
        timeout=60,
    )
    try:
        server.expect(r"http://(?:localhost|127\.0\.0\.1):(\d+)/")
        url = f"localhost:{server.match[1]}"
        made = Request(f"http://{url}/api/terminals?token=t", method="POST")
        deadline = time.monotonic() + 30
        while True:
            try:
                name = json.load(urlopen(made, timeout=10))["name"]
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert IOLoop().run_sync(lambda: typed(f"ws://{url}/terminals/websocket/{name}?token=t"), timeout=60)
    finally:
        server.close(force=True)


async def typed(address: str) -> bool:
    """Whether a terminal says where the command is."""
    terminal = await websocket_connect(address)
    await terminal.write_message(json.dumps(["stdin", f"{WHERE}\r"]))
    shown = ""
    while not re.search(rf"^{re.escape(OURS)}/autograder", shown, re.MULTILINE):
        message = await terminal.read_message()
        assert message is not None, shown
        kind, *more = json.loads(message)
        shown += more[0].replace("\r", "") if kind == "stdout" else ""
    return True


def test_it_is_put_there_once_and_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", BARE)
    for _ in range(2):
        on_path.put_on_path()
    assert os.environ["PATH"] == f"{BARE}:{OURS}"


def test_where_there_is_none_nothing_is_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", BARE)
    monkeypatch.setattr(on_path, "PROGRAM", "autograder-that-is-not-there")
    on_path.put_on_path()
    assert os.environ["PATH"] == BARE
