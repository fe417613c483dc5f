"""The parts of the gradient map on the pages of derivations, held against a tape and against the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.notebook.gradient_map import Status
from scripts.site_figures import forward_pass
from scripts.site_maps import PARTS, STEPS, map_of, write_maps
from scripts.submissions import ROOT

DERIVATIONS = ROOT / "docs" / "derivations"


@pytest.mark.parametrize("page", PARTS)
def test_what_a_page_derives_is_blue_and_is_judged_at_its_end(page: str) -> None:
    part = PARTS[page]
    blue = {node.name for node in map_of(part).nodes if node.state is Status.NOT_ATTEMPTED}
    assert blue == set(part.derived)
    text = (DERIVATIONS / f"{page}.md").read_text(encoding="utf-8")
    assert f"../figures/map-{page}.html" in text
    assert any(f'check("{name}")' in text for name in part.derived)


def test_all_pages_have_one_but_the_one_about_a_table() -> None:
    pages = {path.stem for path in DERIVATIONS.glob("*.md")} - {"index", "keepdim"}
    assert pages == PARTS.keys()


@pytest.mark.parametrize("page", [page for page, part in PARTS.items() if part.notebook == STEPS])
def test_it_says_where_a_gradient_comes_from_as_the_tape_does(page: str) -> None:
    tape = forward_pass()
    for node in map_of(PARTS[page]).nodes:
        if node.through and node.name in PARTS[page].derived:
            expected = {name if name == tape.loss else f"d{name}" for name in tape.consumers(node.name[1:])}
            assert set(node.through) == expected, node.name


def test_a_map_that_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    write_maps(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_maps(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
