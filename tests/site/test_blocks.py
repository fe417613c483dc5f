"""Every block of code on a page is run: by the build of the site, or by a test that reads it from the page."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from scripts.submissions import ROOT
from tests.support.pages import blocks

DOCS = ROOT / "docs"
RUN_BY_THE_BUILD = {"{code-cell}"}
NOT_CODE = {"{toctree}", "{raw}", "{include}", "{eval-rst}", "{glossary}"}
RUN_BY_TESTS = {
    "add-your-own.md": "tests/cli/test_add_your_own.py",
    "layernorm-exercise.md": "tests/cli/test_add_your_own.py",
    "instructors.md": "tests/grading/test_instructors.py",
    "start/instructor.md": "tests/grading/test_exchange.py",
    "publish.md": "tests/site/test_elsewhere.py",
    "scale.md": "tests/grading/test_clusters.py",
    "start/self-learner.md": "tests/site/test_blocks.py",
}
"""The pages with blocks that a test runs, and that test."""
SHOWN_ALONE = {
    "terminal.md": "the output of a run, which `make terminal` writes",
    "security.md": "a drawing",
}
"""The pages with blocks that nothing here can run, or that are no code, and why."""


def sources() -> list[Path]:
    generated = {DOCS / "course", DOCS / "_build", DOCS / "figures"}
    return [path for path in sorted(DOCS.rglob("*.md")) if not generated & set(path.parents)]


def languages(page: Path) -> Counter[str]:
    """What the blocks of a page say they are in, and how many there are of each."""
    fences = re.findall(r"^ *(?:```+|~~~+)(.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return Counter(fence.split()[0] if fence.strip() else "" for fence in fences[::2])


@pytest.mark.parametrize("page", sources(), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_somebody_runs_it(page: Path) -> None:
    name = page.relative_to(DOCS).as_posix()
    others = {language for language in languages(page) if language not in RUN_BY_THE_BUILD | NOT_CODE}
    if name in RUN_BY_TESTS:
        module = (ROOT / RUN_BY_TESTS[name]).read_text(encoding="utf-8")
        assert others and Path(name).stem in module, name
    elif name not in SHOWN_ALONE:
        assert not others, f"{name}: nobody runs its blocks in {others}"


def test_the_tables_name_pages_that_are_there() -> None:
    assert all((DOCS / name).is_file() for name in {**RUN_BY_TESTS, **SHOWN_ALONE})


def test_a_learner_types_what_the_makefile_and_the_readme_say() -> None:
    """The three commands of the start page: the first is make's, which says the other two. `make test-long` types them."""
    (block,) = blocks(DOCS / "start/self-learner.md", "sh")
    assert block in (ROOT / "README.md").read_text(encoding="utf-8")
    made, lab, watch = (line for line in block.splitlines() if not line.startswith("#"))
    assert made == "make learn"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)", ".venv/bin")
    assert f'"To work:               {lab}"' in makefile and f'"In a second terminal:  {watch}"' in makefile


FIGURES = {
    "judging.md": {
        "quality.md": ["26 of 117", "52 of 117", "3 of 117", "62 of 93", "0 of 2340"],
        "mutation.md": ["(89.8 %)", "(89.1 %)", "(4.7 %)", "(3.1 %)"],
    },
    "start/instructor.md": {"grading.md": ["244", "24"]},
}
"""The figures that a page quotes, by the page that a `make` target writes."""


@pytest.mark.parametrize("page", FIGURES)
def test_quoted_figures_are_those_of_the_reports(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for report, figures in FIGURES[page].items():
        measured = (DOCS / report).read_text(encoding="utf-8")
        for figure in figures:
            said = {"0 of 2340": "0 of 117"}.get(figure, figure.strip("()"))
            assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.])", measured), f"{report} has no {figure}"
            assert said in text, f"{page} has no {said}"


def test_the_front_page_has_the_readme_s_table() -> None:
    """Whose rows another test counts."""
    row = re.compile(r"^\| (\d) \| \S*?`(\w+)[ `].*? \| ([^|]+ \| \d+ \| \d+ \| \d+ \| [\d½]+) \|$", flags=re.MULTILINE)
    front, readme = (row.findall(path.read_text(encoding="utf-8")) for path in (DOCS / "index.md", ROOT / "README.md"))
    assert len(front) == 5 and front == readme
