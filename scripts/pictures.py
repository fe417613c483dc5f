"""Takes the two pictures of the README from the site: a wrong answer with its verdict, and the map of the gradients."""

from __future__ import annotations

from playwright.sync_api import Page

from scripts.submissions import ROOT
from tests.support.browser import headless_browser

PICTURES = ROOT / "docs" / "pictures"
SECONDS = 30.0
MARGIN = 12
"""Pixels around what is shown."""
SHOWN = {
    "verdict": ("start/self-learner.html", "section#how-a-session-looks .cell", 2),
    "map": ("index.html", "#figure-gradient-map .beside", 1),
}
"""The page of each picture, what is on it, and how many of these there are."""


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with headless_browser(SECONDS) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1400}, color_scheme="light")
        for name, (address, shown, count) in SHOWN.items():
            page.goto((ROOT / "site" / address).as_uri())
            page.screenshot(path=PICTURES / f"{name}.png", full_page=True, clip=_around(page, shown, count))


def _around(page: Page, selector: str, count: int) -> dict[str, float]:
    """The part of a page that has the first elements of a selector."""
    boxes = [box for each in page.locator(selector).all()[:count] if (box := each.bounding_box())]
    assert len(boxes) == count, f"{page.url} has not {count} of {selector}"
    left, top = (min(box[side] for box in boxes) - MARGIN for side in ("x", "y"))
    right, bottom = (max(box[side] + box[size] for box in boxes) + MARGIN for side, size in (("x", "width"), ("y", "height")))
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


if __name__ == "__main__":
    main()
