"""A headless browser, and what to ask of a page in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """The path of the installed Chromium. Fails the test where there is none: what it guards must not go unseen."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    return found or pytest.fail(f"No browser ({', '.join(CHROMIUM_NAMES)}) is installed: apt-get install chromium")


@contextmanager
def headless_browser(seconds: float) -> Iterator[Browser]:
    """Chromium, which has so many seconds to start."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS, timeout=seconds * 1000)
        try:
            yield browser
        finally:
            browser.close()


def expect_drawn(element: Locator) -> None:
    """Asserts that the element can be seen and takes up room."""
    expect(element).to_be_visible()
    box = element.bounding_box()
    assert box is not None and box["width"] > 0 and box["height"] > 0, f"drawn at {box}"


def inaccessible(page: Page) -> str:
    """What on a page does not keep to WCAG 2.1 AA, as far as axe sees; nothing where all does."""
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = Axe().run(page, options={"runOnly": rules, "preload": False})
    return found.generate_report() if found.violations_count else ""


def as_rgb(colour: str) -> str:
    """`#RRGGBB` as browsers spell it in computed styles."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgb({red}, {green}, {blue})"


def stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ends a server, by force if it takes longer than that."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(seconds)
