"""What processes take, at the price of a glance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.sandbox import limits

MIB = 2**20
pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system has no /proc")


@pytest.mark.parametrize("listed", [True, False])
def test_descendants_are_all_below_a_process(listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HAS_CHILDREN_FILES", listed and limits.HAS_CHILDREN_FILES)
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None and parent.stdin is not None
        parent.stdout.readline()
        assert len(limits.descendants(parent.pid)) == 1
        assert limits.descendants(parent.pid) | {parent.pid} <= limits.descendants(os.getpid())
        parent.stdin.close()
    assert limits.descendants(parent.pid) == set()


def test_a_glance_never_says_less_than_a_look() -> None:
    program = "held = bytearray(100 * 2**20); held[::4096] = bytes(len(held[::4096])); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        assert 100 * MIB < limits.taken_bytes({process.pid}) <= limits.resident_bytes({process.pid}) < 200 * MIB
        process.stdin.close()
    assert limits.taken_bytes({process.pid}) == limits.resident_bytes({process.pid}) == 0
