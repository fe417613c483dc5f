"""Builds the site: `make site` and its measurement, and the tests of its pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.submissions import ROOT

SITE = "site"
"""The folder that `make site` writes."""


def command(pages: Path, doctrees: Path, site: Path) -> list[str]:
    """How Sphinx builds a site of the folder `pages`; a warning is an error. It keeps what it has parsed in `doctrees`."""
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-d", str(doctrees)]
    return [sys.executable, "-m", "sphinx", *options, str(pages), str(site)]


def in_checkout(root: Path) -> list[str]:
    """How the site of a checkout is built where `make site` builds it."""
    return command(root / "docs", root / "docs/_build/doctrees", root / SITE)


if __name__ == "__main__":
    sys.exit(subprocess.run(in_checkout(ROOT)).returncode)
