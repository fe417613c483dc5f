"""The site as it is built: its pages, in files and in a browser that reaches nothing else.

It is built here without running the notebooks of the course, whose cells other tests run; `make test-long` builds all of it.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, Request, Route, expect

from autograder.course.cells import read_cells
from scripts import build_site
from scripts.submissions import ROOT
from tests.support.browser import headless_browser, inaccessible

SECONDS = 30.0
"""How long a page may take."""
KINDS = {
    "the front page": "index.html",
    "a start page": "start/self-learner.html",
    "a notebook": "course/backprop/2-cross-entropy.html",
    "a derivation": "derivations/softmax-cross-entropy.html",
    "how judging works": "judging.html",
    "tables": "mutation.html",
    "a manual": "instructors.html",
    "the API": "api.html",
    "the glossary": "glossary.html",
    "the search": "search.html",
    "the index": "genindex.html",
}
"""A page of each kind."""
SCREENSHOTS = os.environ.get("AUTOGRADER_SCREENSHOTS", "")
"""A folder for pictures of the pages, for who wants to see them. Without it none are taken."""


def build(place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Builds the site into a folder, as `make site` does."""
    command = build_site.command(ROOT / "docs", place / "doctrees", place / "site")
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=1500)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    done = build(place, SITE_UNRUN="course/*/*")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-3000:]
    return place / "site"


@cache
def soup(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def pages(site: Path) -> list[Path]:
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


class TestFiles:
    def test_every_notebook_of_the_course_has_a_page(self, site: Path) -> None:
        notebooks = sorted((ROOT / "release").glob("*/*.ipynb"))
        assert len(notebooks) == 18
        for notebook in notebooks:
            page = site / "course" / notebook.parent.name / f"{notebook.stem}.html"
            text = soup(page).get_text()
            assert "YOUR CODE HERE" in text and "What to do next" in text, page
            assert "BEGIN SOLUTION" not in text and "HIDDEN TESTS" not in text, page

    def test_every_link_leads_somewhere(self, site: Path) -> None:
        broken = []
        for page in pages(site):
            for link in soup(page).select("a[href]"):
                address = urlsplit(str(link["href"]))
                if address.scheme or address.netloc:
                    continue
                target = (page.parent / unquote(address.path)).resolve() if address.path else page
                is_there = target.is_file() and (
                    not address.fragment or target.suffix != ".html" or soup(target).find(id=unquote(address.fragment))
                )
                if not is_there:
                    broken.append(f"{page.relative_to(site)}: {link['href']}")
        assert not broken

    def test_every_picture_has_a_sentence(self, site: Path) -> None:
        silent = [
            f"{page.relative_to(site)}: {str(image)[:90]}"
            for page in pages(site)
            for image in soup(page).select("main img")
            if len(str(image.get("alt", "")).split()) < 4
        ]
        assert not silent

    def test_headings_are_in_order(self, site: Path) -> None:
        for page in pages(site):
            levels = [int(heading.name[1]) for heading in soup(page).select("main h1, main h2, main h3, main h4, main h5")]
            assert levels[:1] == [1] and levels.count(1) == 1, page
            assert all(after <= before + 1 for before, after in pairwise(levels)), (page, levels)

    def test_every_derivation_ends_in_a_check_that_says_right(self, site: Path) -> None:
        derivations = [path for path in sorted((site / "derivations").glob("*.html")) if path.stem != "index"]
        assert len(derivations) == 13
        for page in derivations:
            last = soup(page).select("main h2")[-1].parent
            assert last is not None and "The cell that is judged" in last.get_text(), page
            outputs = [output.get_text() for output in last.select(".cell_output")]
            assert "check(" in last.get_text() and outputs, page
            assert all("✓" in output for output in outputs if output.strip()), (page, outputs)
            boxes = [cell.find_parent("details") for cell in last.select(".cell")]
            assert all(box and not box.has_attr("open") for box in boxes), f"{page}: an answer can be seen at once"

    def test_no_line_of_a_model_answer_is_on_its_page(self, site: Path) -> None:
        for notebook in sorted((ROOT / "release").glob("*/*.ipynb")):
            given = "\n".join(cell.source for cell in nbformat.read(notebook, as_version=4).cells)
            solved = read_cells(ROOT / "source" / notebook.parent.name / notebook.name)
            lines = {line.strip() for cell in solved if cell.solves for line in cell.source.splitlines()}
            hidden = {line for line in lines if len(line) > 20 and line not in given}
            assert hidden, notebook
            page = soup(site / "course" / notebook.parent.name / f"{notebook.stem}.html").get_text()
            assert not [line for line in hidden if line in page], notebook


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with headless_browser(SECONDS) as running:
        yield running


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing of a request."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served, on this machine alone."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(SECONDS)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that reaches the site alone: of any other request, and of any error, the test hears."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(SECONDS * 1000)
    opened = context.new_page()
    heard: list[str] = []
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on("requestfailed", lambda request: heard.append(f"failed: {request.url}"))
    opened.on(
        "response", lambda response: heard.append(f"{response.status}: {response.url}") if response.status > 399 else None
    )

    def only_here(route: Route, request: Request) -> None:
        if request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            heard.append(f"outside: {request.url}")
            route.abort()

    opened.route("**/*", only_here)
    yield opened
    context.close()
    assert not heard


def show(page: Page, url: str, theme: str) -> None:
    page.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');")
    page.goto(url)
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    page.wait_for_function("!window.MathJax || !window.MathJax.startup || window.MathJax.startup.promise.then(() => true)")


class TestInABrowser:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_it_can_be_read_by_all(self, page: Page, address: str, kind: str, theme: str) -> None:
        """On a large screen, and on a phone without scrolling sideways."""
        show(page, f"{address}/{KINDS[kind]}", theme)
        found = inaccessible(page)
        assert not found, found
        for device, width in (("desktop", 1280), ("phone", 390)):
            page.set_viewport_size({"width": width, "height": 900})
            if SCREENSHOTS:
                name = KINDS[kind].replace("/", "-").removesuffix(".html")
                page.screenshot(path=Path(SCREENSHOTS) / f"{name}-{theme}-{device}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_maths_is_set_and_can_be_heard(self, page: Page, address: str) -> None:
        show(page, f"{address}/{KINDS['a derivation']}", "light")
        expect(page.locator("mjx-container").first).to_be_visible()
        expect(page.locator("mjx-container mjx-assistive-mml").first).to_be_attached()
        assert page.locator("mjx-merror").count() == 0

    def test_a_formula_is_no_stop_for_tab_unless_it_has_to_be_scrolled(self, page: Page, address: str) -> None:
        show(page, f"{address}/{KINDS['a derivation']}", "light")
        expect(page.locator("mjx-container").first).to_be_visible()
        assert page.locator("mjx-container[tabindex='0']").count() == 0
        page.add_style_tag(content="mjx-container {font-size: 400% !important}")
        expect(page.locator("div.math mjx-container[tabindex='0']").first).to_be_attached()

    def test_the_search_finds_a_word(self, page: Page, address: str) -> None:
        page.goto(f"{address}/search.html?q=embedding")
        expect(page.locator("#search-results li").first).to_be_visible()

    def test_a_block_can_be_copied_by_keyboard(self, page: Page, address: str) -> None:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        show(page, f"{address}/{KINDS['a start page']}", "light")
        button = page.locator("button.copybtn").first
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_have_class("copybtn o-tooltip--left success")

    def test_a_reader_without_a_mouse_comes_to_the_text_first(self, page: Page, address: str) -> None:
        show(page, f"{address}/index.html", "light")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to main content")


@pytest.mark.long
@pytest.mark.timeout(1600)
def test_the_whole_site_is_built_with_what_the_notebooks_show(tmp_path: Path) -> None:
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    drawn = [page for page in (tmp_path / "site/course").rglob("*.html") if soup(page).select(".cell_output img")]
    assert len(drawn) >= 9
    for page in drawn:
        assert all(image.get("alt") for image in soup(page).select("main img")), page
