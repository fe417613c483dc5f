"""Writes docs/site.md: how long the site takes to build, and how large it is."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from scripts import build_site
from scripts.submissions import ROOT

PAGE = """# The site

`make site` makes these pages of `docs/` and of the notebooks.
`make site-size` measures it, and wrote this page.

| what | how much |
|---|---|
| pages | {pages} |
| files | {files} |
| size, MB | {size:.1f} |
| of it MathJax with its fonts, MB | {maths:.1f} |
| the largest page, MB | {largest:.1f} |
| the first build, in which all notebooks are run, minutes | {first:.1f} |
| a build after one page was changed, seconds | {again:.0f} |

Measured on a shared machine with {processors} processors.
What a page gave is kept for as long as neither the page nor the package has changed.
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        first = _built(clone)
        (clone / "docs/how-it-works.md").open("a", encoding="utf-8").write("\nOne more line.\n")
        again = _built(clone)
        site = clone / build_site.SITE
        sizes = {path: path.stat().st_size / 1e6 for path in site.rglob("*") if path.is_file()}
        pages = [path for path in sizes if path.suffix == ".html" and "_static" not in path.parts]
        text = PAGE.format(
            pages=len(pages),
            files=len(sizes),
            size=sum(sizes.values()),
            maths=sum(size for path, size in sizes.items() if "mathjax" in path.parts),
            largest=max(sizes[page] for page in pages),
            first=first / 60,
            again=again,
            processors=os.cpu_count(),
        )
    (ROOT / "docs/site.md").write_text(text, encoding="utf-8")
    print(text)


def _built(clone: Path) -> float:
    """How many seconds the site takes in a clone."""
    begun = time.monotonic()
    surroundings = {**os.environ, "PYTHONPATH": str(clone)}
    subprocess.run(build_site.in_checkout(clone), cwd=clone, env=surroundings, check=True, timeout=3000)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
