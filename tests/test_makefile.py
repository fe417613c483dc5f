"""What make says and does before it installs anything, without doing it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts.submissions import ROOT

ADDRESS = "https://example.org/cpu"
SIZES = {"learn": "300 MB", "install": "400 MB"}


def dry_run(*arguments: str) -> list[str]:
    """The lines of what make would run, where nothing is installed yet."""
    command = ["make", "--dry-run", "VENV=not-there", f"PYTHON={sys.executable}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("target", SIZES)
def test_it_says_how_much_comes_and_pip_shows_how_far_it_is(target: str) -> None:
    run = dry_run(target)
    said = f"This downloads some {SIZES[target]}, PyTorch about half of it, and may take minutes. pip shows how far it is."
    assert f'echo "{said}"' in run
    assert f'sh scripts/torch.sh "make {target}"' in run
    (pip,) = (line for line in run if " pip install " in line)
    assert "--quiet" not in pip and "--index-url" not in pip


@pytest.mark.parametrize("target", SIZES)
def test_torch_alone_comes_from_another_index_and_comes_first(target: str) -> None:
    run = dry_run(target, f"TORCH_INDEX={ADDRESS}")
    first, second = (line for line in run if " pip install " in line)
    assert first.endswith(f'--constraint constraints.txt --index-url "{ADDRESS}" torch')
    assert "--index-url" not in second and "--editable" in second
    assert not any("torch.sh" in line for line in run)


def test_on_linux_it_says_how_to_do_without_gigabytes() -> None:
    said = subprocess.run(["sh", "scripts/torch.sh", "make learn"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == (
        ""
        if sys.platform != "linux"
        else (
            "On Linux the usual index has a PyTorch for graphics cards: some gigabytes more, and of no use here.\n"
            "To leave them out, press Ctrl+C and type: make learn TORCH_INDEX=ADDRESS\n"
            'ADDRESS is that of PyTorch\'s index of CPU builds; its "Get started" page shows it behind --index-url.\n'
        )
    )
