"""The figures of the site: what they say without JavaScript, and what they show once they are moved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import TypedDict

import pydata_sphinx_theme
import pytest
import torch
import torch.nn.functional as F
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect
from torch import Tensor

from scripts.site_figures import (
    BATCH_DY,
    CLASSES,
    DY,
    EPS,
    FIGURES,
    GAIN,
    LABEL,
    LOGITS,
    ON_PAPER,
    RULES,
    TERMS,
    A,
    X,
    broadcasting,
    forward_pass,
    number,
    plain,
    tiny,
    write_figures,
)
from scripts.submissions import ROOT
from tests.support.browser import expect_drawn, headless_browser

STATIC = ROOT / "docs" / "_static"
THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static" / "styles"
MAX_SCRIPT_BYTES = 20_000
DESKTOP = ViewportSize(width=1280, height=900)
TELEPHONE = ViewportSize(width=390, height=844)
ALL = "all"
"""The page with all figures."""
Opened = Callable[[str], Page]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page for each figure and one for all, in the theme's own colours."""
    folder = tmp_path_factory.mktemp("figures")
    write_figures(folder / "figures")
    sheets = [THEME / "theme.css", THEME / "pydata-sphinx-theme.css", STATIC / "figures.css"]
    links = "".join(f'<link rel="stylesheet" href="{sheet.as_uri()}">' for sheet in sheets)
    for name in (*FIGURES, ALL):
        shown = FIGURES if name == ALL else [name]
        fragment = "".join((folder / "figures" / f"{each}.html").read_text(encoding="utf-8") for each in shown)
        (folder / f"{name}.html").write_text(
            f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{name}</title>'
            f'<meta name="viewport" content="width=device-width">{links}'
            f'<script defer src="{(STATIC / "figures.js").as_uri()}"></script></head>'
            f"<body><main><h1>{name}</h1>{fragment}</main></body></html>",
            encoding="utf-8",
        )
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with headless_browser(60) as started:
        yield started


class Window:
    """A page of a browser, with or without scripts, that opens one figure after the other."""

    def __init__(self, browser: Browser, pages: Path, scripts: bool) -> None:
        self._pages = pages
        self._page = browser.new_context(java_script_enabled=scripts).new_page()
        self._page.set_default_timeout(10_000)
        self._faults: list[str] = []
        self._page.on("pageerror", lambda error: self._faults.append(str(error)))
        self._page.on("request", lambda request: self._see(request.url))

    def _see(self, url: str) -> None:
        if not url.startswith("file:"):
            self._faults.append(url)

    def open(self, name: str) -> Page:
        self._page.set_viewport_size(DESKTOP)
        self._page.mouse.move(0, 0)
        self._page.goto((self._pages / f"{name}.html").as_uri())
        return self._page

    @contextmanager
    def watched(self) -> Iterator[Opened]:
        """How to open a page. Asserts that no script stopped and that nothing was asked of a network."""
        yield self.open
        faults, self._faults = self._faults, []
        assert faults == []


@pytest.fixture(scope="module")
def scripted_window(browser: Browser, pages: Path) -> Window:
    return Window(browser, pages, True)


@pytest.fixture(scope="module")
def plain_window(browser: Browser, pages: Path) -> Window:
    return Window(browser, pages, False)


@pytest.fixture
def opened(scripted_window: Window) -> Iterator[Opened]:
    with scripted_window.watched() as open_page:
        yield open_page


@pytest.fixture
def unscripted(plain_window: Window) -> Iterator[Opened]:
    with plain_window.watched() as open_page:
        yield open_page


READ = """(figure) => {
  const bands = {};
  for (const band of figure.querySelectorAll("[data-band]")) {
    const bars = [...band.querySelectorAll(".plot:not(.static) i")];
    bands[band.dataset.band] = {
      numbers: [...band.querySelectorAll(".num")].map((each) => each.innerText),
      bars: bars.map((bar) => bar.offsetHeight / bar.parentElement.offsetHeight * (bar.classList.contains("neg") ? -1 : 1)),
    };
  }
  return bands;
}"""


class Shown(TypedDict):
    """The numbers of a row of columns, and how long its bars are as parts of their room, those that go down with a minus."""

    numbers: list[str]
    bars: list[float]


def read(page: Page) -> dict[str, Shown]:
    """What a figure of columns shows, by the names of its rows."""
    found: dict[str, Shown] = page.locator("figure").evaluate(READ)
    return found


def written(values: Tensor, places: int, signed: bool = True) -> list[str]:
    return [number(value, places, signed) for value in values.tolist()]


def said(page: Page) -> str:
    return page.locator(".said").inner_text()


def press(control: Locator, key: str, times: int) -> None:
    control.focus()
    for _ in range(times):
        control.page.keyboard.press(key)


# all of them


def test_nothing_is_to_be_operated_where_no_script_runs(unscripted: Opened) -> None:
    page = unscripted(ALL)
    for name in FIGURES:
        figure = page.locator(f"figure#figure-{name}")
        expect_drawn(figure)
        expect_drawn(figure.locator("figcaption"))
    assert page.locator("input:visible, button:visible, select:visible").count() == 0
    assert "changed" not in page.locator("main").inner_text()
    assert "to be" not in page.locator("main").inner_text()


TOO_NARROW = """(cells) => cells.filter((cell) => !cell.closest("details") && cell.scrollWidth > cell.clientWidth + 1).length"""


def test_figures_fit_a_telephone(opened: Opened) -> None:
    page = opened(ALL)
    page.set_viewport_size(TELEPHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE["width"]
    assert page.locator("td, th").evaluate_all(TOO_NARROW) == 0


def test_axe_has_nothing_to_say_in_light_and_dark(opened: Opened) -> None:
    page = opened(ALL)
    page.locator("summary").click()
    axe = Axe()
    for theme, ground in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 24, 30)")):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
        assert page.locator("figure").first.evaluate("(figure) => getComputedStyle(figure).backgroundColor") == ground
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()


def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    write_figures(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert set(before) == {f"{name}.html" for name in FIGURES}
    (tmp_path / "broadcasting.html").write_text("old", encoding="utf-8")
    write_figures(tmp_path)
    assert (tmp_path / "broadcasting.html").read_text(encoding="utf-8") == broadcasting()
    del before["broadcasting.html"]
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before


def test_the_script_is_small_and_runs_nothing_that_stands_in_the_page() -> None:
    script = (STATIC / "figures.js").read_text(encoding="utf-8")
    assert len(script.encode()) < MAX_SCRIPT_BYTES
    assert script.startswith('"use strict";')
    for figure in FIGURES.values():
        assert not re.search(r"\son\w+=|https?:|<script", figure())


# broadcasting


def matrix(page: Page, name: str) -> list[list[str]]:
    script = "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))"
    found: list[list[str]] = page.locator(f'[data-matrix="{name}"] tr').evaluate_all(script)
    return found


def highlighted(page: Page, name: str) -> list[list[bool]]:
    script = "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.className === 'on'))"
    found: list[list[bool]] = page.locator(f'[data-matrix="{name}"] tr').evaluate_all(script)
    return found


def gradient_of_stretched(dy: Tensor, shape: tuple[int, int]) -> list[list[str]]:
    """`db` by autograd, as the figure writes it."""
    b = torch.zeros(shape, requires_grad=True)
    (db,) = torch.autograd.grad(A + b, b, dy)
    return [[plain(value) for value in row] for row in db.tolist()]


def test_broadcasting_says_its_sums_without_a_script(unscripted: Opened) -> None:
    page = unscripted("broadcasting")
    assert matrix(page, "dy") == [[plain(value) for value in row] for row in DY.tolist()]
    assert matrix(page, "db") == gradient_of_stretched(DY, (1, 3))
    assert matrix(page, "b") == [["10", "20", "30"]] * 2
    assert matrix(page, "y") == [["11", "22", "33"], ["14", "25", "36"]]
    assert said(page) == "db[0, 0] adds up column 0 of dy: 1 + 3 = 4."


def test_broadcasting_has_the_incoming_gradient_of_its_page() -> None:
    text = (ROOT / "docs" / "derivations" / "broadcasting.md").read_text(encoding="utf-8")
    found = re.search(r"\\texttt\{dy\} = \\begin\{pmatrix\} (.+?) \\end", text)
    assert found is not None
    assert [[float(entry) for entry in row.split("&")] for row in found[1].split(r"\\")] == DY.tolist()


def test_the_rule_of_broadcasting_has_no_numbers_that_are_moved() -> None:
    caption = broadcasting().partition("<figcaption>")[2]
    assert set(re.findall(r"\(.+?\)|\d+", caption)) == {"(1, 3)", "(2, 1)"}


def test_an_entry_of_the_incoming_gradient_changes_the_sum_of_its_column(opened: Opened) -> None:
    page = opened("broadcasting")
    press(page.get_by_label("dy[1, 2]"), "ArrowUp", 3)
    dy = DY.clone()
    dy[1, 2] += 1.5
    assert matrix(page, "db") == gradient_of_stretched(dy, (1, 3))
    assert said(page) == "db[0, 2] adds up column 2 of dy: 2 + 2.5 = 4.5."
    assert highlighted(page, "dy") == [[False, False, True]] * 2
    assert highlighted(page, "db") == [[False, False, True]]


def test_a_column_gets_the_sums_of_the_rows(opened: Opened) -> None:
    page = opened("broadcasting")
    press(page.get_by_label("a row, 1 × 3"), "ArrowRight", 1)
    assert matrix(page, "b") == [["2"] * 3, ["5"] * 3]
    assert matrix(page, "y") == [["3", "4", "5"], ["9", "10", "11"]]
    assert page.locator('[data-matrix="b"] .copy').count() == 4
    page.get_by_label("dy[0, 2]").fill("-4")
    dy = DY.clone()
    dy[0, 2] = -4
    assert matrix(page, "db") == gradient_of_stretched(dy, (2, 1))
    assert said(page) == "db[0, 0] adds up row 0 of dy: 1 + 0 + (−4) = −3."
    assert highlighted(page, "dy") == [[True] * 3, [False] * 3]
    assert highlighted(page, "db") == [[True], [False]]


def test_no_line_ends_between_a_sign_and_its_matrix(opened: Opened) -> None:
    page = opened("broadcasting")
    page.set_viewport_size(TELEPHONE)
    for name in ("b", "y"):
        sign, table = (
            page.locator(f'.together:has([data-matrix="{name}"]) {part}').bounding_box() for part in (".op", "table")
        )
        assert sign is not None and table is not None
        assert table["y"] < sign["y"] < table["y"] + table["height"]
        assert sign["x"] < table["x"]


def test_an_entry_without_a_number_counts_as_it_was(opened: Opened) -> None:
    page = opened("broadcasting")
    entry = page.get_by_label("dy[0, 0]")
    entry.fill("")
    assert matrix(page, "db") == gradient_of_stretched(DY, (1, 3))
    entry.blur()
    expect(entry).to_have_value("1")


@pytest.mark.parametrize(("typed", "counted", "shown"), [("150", 99.0, "99"), ("-99.5", -99.0, "−99")])
def test_an_entry_out_of_range_is_cut_and_that_is_said(opened: Opened, typed: str, counted: float, shown: str) -> None:
    page = opened("broadcasting")
    entry = page.get_by_label("dy[0, 0]")
    entry.fill(typed)
    dy = DY.clone()
    dy[0, 0] = counted
    assert matrix(page, "db") == gradient_of_stretched(dy, (1, 3))
    cut = f"The limit is ±99, so this counts as {shown}. "
    assert said(page).startswith(f"{cut}db[0, 0] adds up column 0 of dy: {shown} + 3")
    page.keyboard.press("Tab")  # to the next entry: it is said still
    expect(entry).to_have_value(f"{counted:g}")
    assert said(page).startswith(f"{cut}db[0, 1]")
    assert len(said(page)) < 140
    entry.fill("99")
    assert said(page) == "db[0, 0] adds up column 0 of dy: 99 + 3 = 102."


def test_the_entries_that_a_sum_adds_up_are_shown_where_the_pointer_is(opened: Opened) -> None:
    page = opened("broadcasting")
    page.locator('[data-matrix="db"] td').nth(1).hover()
    assert highlighted(page, "dy") == [[False, True, False]] * 2
    page.get_by_label("dy[1, 2]").hover()
    assert highlighted(page, "dy") == [[False, False, True]] * 2


# the gradient map


def test_the_map_and_its_table_are_there_without_a_script(unscripted: Opened) -> None:
    page = unscripted("gradient-map")
    picture = page.get_by_role("img")
    expect_drawn(picture)
    assert "dcounts from dprobs and dcounts_sum" in str(picture.get_attribute("aria-label"))
    page.locator("summary").click()
    rows = page.locator(".rules tbody tr")
    assert rows.count() == 26
    expect_drawn(rows.last)
    assert "C[Xb]" in rows.last.inner_text()
    assert "(32, 3, 10)" in rows.last.inner_text()


def expected_of_nodes() -> dict[str, dict[str, list[str]]]:
    """What each gradient's panel has to say, by the tape."""
    tape = forward_pass()
    found = {}
    for variable in tape.variables:
        if variable == tape.loss:
            continue
        consumers = tape.consumers(variable)
        shape = str(tuple(tape.state[variable].shape))
        found[f"d{variable}"] = {
            "from": ["loss" if consumer == tape.loss else f"d{consumer}" for consumer in consumers],
            "line": list(tape.uses(variable)),
            "rule": [RULES[f"d{variable}"].replace("`", "")],
            "shape": [f"d{variable} {shape}", f"{variable} {shape}"],
            "paper": [words for _, words, names in ON_PAPER if f"d{variable}" in names.split()],
        }
    assert all(len(each["paper"]) == 1 for each in found.values())
    return found


READ_PANEL = """(figure) => {
  const fields = [...figure.querySelectorAll(".panel [data-field]")].map((each) => [each.dataset.field, each.innerText]);
  const texts = (selector) => [...figure.querySelectorAll(selector)].map((each) => each.textContent);
  return { ...Object.fromEntries(fields), outlined: texts("svg .from text"), pressed: texts('[aria-pressed="true"] text') };
}"""


def assert_panel(page: Page, name: str, expected: dict[str, list[str]]) -> None:
    panel = page.locator("figure").evaluate(READ_PANEL)
    assert (panel["name"], panel["pressed"]) == (name, [name])
    for field in TERMS:
        assert [part for part in expected[field] if part not in panel[field]] == [], f"{name}: {field}"
    assert sorted(panel["outlined"]) == sorted(expected["from"])


def test_a_click_and_enter_on_each_gradient_show_its_line_rule_and_shape(opened: Opened) -> None:
    page = opened("gradient-map")
    page.set_viewport_size({"width": 1280, "height": 1600})  # nothing has to be scrolled
    expected = expected_of_nodes()
    names = page.locator("[data-node]").evaluate_all("(nodes) => nodes.map((node) => node.dataset.node)")
    assert len(names) == 26
    assert set(names) == set(expected) == set(RULES)
    for name in reversed(names):
        page.locator(f'[data-node="{name}"]').click()
        assert_panel(page, name, expected[name])
    for place, name in enumerate(names):
        page.locator(f'[data-node="{name}"]').focus()
        page.keyboard.press("Space" if place == 3 else "Enter")
        assert_panel(page, name, expected[name])


def test_the_arrow_keys_stop_at_both_ends_and_tab_reaches_one_gradient(opened: Opened) -> None:
    page = opened("gradient-map")
    assert page.locator('[data-node][tabindex="0"]').count() == 1
    page.locator('[data-node="dlogprobs"]').focus()
    focused = "document.activeElement.dataset.node"
    for key, name in (
        ("ArrowUp", "dlogprobs"),
        ("ArrowDown", "dprobs"),
        ("End", "dC"),
        ("ArrowDown", "dC"),
        ("ArrowUp", "demb"),
        ("Home", "dlogprobs"),
    ):
        page.keyboard.press(key)
        assert page.evaluate(focused) == name
    assert page.locator('[data-node][tabindex="0"]').count() == 1


DIRECTIONS = {"ArrowRight": (1, 0), "ArrowLeft": (-1, 0), "ArrowDown": (0, 1), "ArrowUp": (0, -1)}


def test_the_arrow_keys_go_to_what_stands_there_and_reach_every_gradient(opened: Opened) -> None:
    page = opened("gradient-map")
    places: dict[str, tuple[float, float]] = page.locator("[data-node]").evaluate_all(
        """(nodes) => Object.fromEntries(nodes.map((node) => {
          const box = node.querySelector("rect").getBoundingClientRect();
          return [node.dataset.node, [box.left + scrollX, box.top + box.height / 2 + scrollY]];
        }))"""
    )
    reached, waiting = {"dlogprobs"}, ["dlogprobs"]
    while waiting:
        name = waiting.pop()
        x, y = places[name]
        for key, (right, down) in DIRECTIONS.items():
            page.locator(f'[data-node="{name}"]').focus()
            page.keyboard.press(key)
            found = str(page.evaluate("document.activeElement.dataset.node"))
            # how far each lies in this direction, and how far off it
            ways = {
                other: ((left - x) * right + (middle - y) * down, abs((left - x) * down + (middle - y) * right))
                for other, (left, middle) in places.items()
            }
            there = {other: way for other, way in ways.items() if way[0] > 2}
            straight = {other: way[0] for other, way in there.items() if way[1] < 2}
            if not there:
                assert found == name, key
            else:
                assert found in there, (name, key)
                assert not any(way[0] < there[found][0] and way[1] <= there[found][1] for way in there.values()), (name, key)
            if straight and min(straight.values()) < 60:  # the next row of the lane
                assert found == min(straight, key=straight.__getitem__), (name, key)
            if found not in reached:
                reached.add(found)
                waiting.append(found)
    assert reached == set(places)


@pytest.mark.parametrize("combined", ["Alt+ArrowLeft", "Control+Home"])
def test_the_keys_of_the_browser_stay_its_own(opened: Opened, combined: str) -> None:
    page = opened("gradient-map")
    page.locator('[data-node="dC"]').focus()
    page.evaluate("addEventListener('keydown', (event) => { window.taken = event.defaultPrevented; event.preventDefault() })")
    page.keyboard.press(combined)
    assert page.evaluate("[window.taken, document.activeElement.dataset.node]") == [False, "dC"]


def test_the_boxes_of_the_map_can_be_hit_with_a_finger(opened: Opened) -> None:
    page = opened("gradient-map")
    page.set_viewport_size(TELEPHONE)
    page.locator("main").evaluate("(main) => { main.style.padding = '0 1rem' }")  # as much as the theme has
    heights = page.locator("[data-node] rect").evaluate_all("(boxes) => boxes.map((box) => box.getBoundingClientRect().height)")
    assert min(heights) >= 24


def test_the_button_of_the_theme_does_not_lie_on_the_panel(opened: Opened) -> None:
    page = opened("gradient-map")
    page.evaluate(
        """document.body.insertAdjacentHTML(
            "beforeend", '<button id="pst-back-to-top" style="display: block">Back to top</button>')"""
    )
    button = page.locator("#pst-back-to-top")
    expect(button).to_be_visible()  # here the panel stands beside the map, and sticks to the top
    page.set_viewport_size(TELEPHONE)
    expect(button).to_be_hidden()


def test_the_map_names_the_notebook_and_its_part(unscripted: Opened) -> None:
    assert "notebook 1 of part 4, backprop, from the loss" in unscripted("gradient-map").locator("figcaption").inner_text()


def test_the_panel_does_not_lie_on_what_is_chosen_or_reached(opened: Opened) -> None:
    page = opened("gradient-map")
    page.set_viewport_size(TELEPHONE)
    page.locator('[data-node="dlogprobs"]').focus()
    panel = page.locator(".panel")
    assert panel.evaluate("(panel) => getComputedStyle(panel).position") == "sticky"
    covered = """() => document.activeElement.getBoundingClientRect().bottom
        - document.querySelector(".panel").getBoundingClientRect().top"""
    for key in ("Enter", "End", "Enter", "ArrowUp", "Home", "Enter"):
        page.keyboard.press(key)
        assert page.evaluate(covered) <= 0
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0


def test_a_page_with_figures_opens_at_its_top(opened: Opened) -> None:
    assert opened(ALL).evaluate("scrollY") == 0


def test_what_changes_is_announced(opened: Opened) -> None:
    page = opened(ALL)
    live = page.locator('[aria-live="polite"]')
    texts = live.all_inner_texts()
    assert len(texts) == len(FIGURES)
    assert all(0 < len(text) < 140 for text in texts)
    page.locator('[data-node="dC"]').click()
    press(page.get_by_label("dy[0, 0]"), "ArrowUp", 1)
    press(page.get_by_label("logit b"), "ArrowUp", 1)
    press(page.get_by_role("button", name="all equal"), "Enter", 1)
    assert all(before != after for before, after in zip(texts, live.all_inner_texts(), strict=True))


def test_no_two_boxes_of_the_map_touch(opened: Opened) -> None:
    page = opened("gradient-map")
    page.set_viewport_size(TELEPHONE)
    boxes = page.locator("svg rect").evaluate_all("(boxes) => boxes.map((box) => box.getBoundingClientRect().toJSON())")
    assert len(boxes) == 27
    for one, other in combinations(boxes, 2):
        across = max(one["left"], other["left"]) - min(one["right"], other["right"])
        down = max(one["top"], other["top"]) - min(one["bottom"], other["bottom"])
        assert max(across, down) > 4


# softmax and cross-entropy


def gradient_of_logits(logits: Tensor, label: int) -> Tensor:
    z = logits.clone().requires_grad_()
    loss = F.cross_entropy(z[None], torch.tensor([label]))
    (gradient,) = torch.autograd.grad(loss, z)
    return gradient


def assert_row(page: Page, logits: Tensor, label: int) -> None:
    gradient = gradient_of_logits(logits, label)
    rows = read(page)
    assert rows["logits"]["numbers"] == written(logits, 1)
    assert rows["p"]["numbers"] == written(logits.softmax(0), 3, signed=False)
    assert rows["p"]["bars"] == pytest.approx(logits.softmax(0).tolist(), abs=0.02)
    assert rows["onehot"]["numbers"] == ["1" if place == label else "0" for place in range(5)]
    assert rows["gradient"]["numbers"] == written(gradient, 3)
    assert rows["gradient"]["bars"] == pytest.approx((gradient / 2).tolist(), abs=0.02)
    chosen = logits.softmax(0)[label].item()
    assert said(page) == (
        f"At the label {CLASSES[label]} the gradient is, rounded, {number(chosen, 3)} − 1 = {number(chosen - 1, 3)}. "
        "Before rounding, all five add up to 0."
    )


def test_softmax_says_its_gradient_without_a_script(unscripted: Opened) -> None:
    assert_row(unscripted("softmax-row"), LOGITS, LABEL)


def test_logits_are_moved_and_the_label_is_chosen_by_keyboard(opened: Opened) -> None:
    page = opened("softmax-row")
    assert_row(page, LOGITS, LABEL)
    logits = LOGITS.clone()
    for place, (key, steps) in enumerate((("ArrowUp", 3), ("ArrowDown", 2), ("ArrowDown", 4), ("ArrowUp", 1), ("ArrowUp", 5))):
        press(page.get_by_label(f"logit {CLASSES[place]}"), key, steps)
        logits[place] += steps / 10 * (1 if key == "ArrowUp" else -1)
        assert_row(page, logits, LABEL)
    press(page.get_by_label("label b"), "ArrowRight", 2)
    assert_row(page, logits, 3)
    page.get_by_label("label e").check()
    assert_row(page, logits, 4)


def test_the_gradient_sums_to_zero_at_the_ends_of_the_sliders(opened: Opened) -> None:
    page = opened("softmax-row")
    logits = torch.tensor([4.0, -4.0, -4.0, -4.0, 4.0], dtype=torch.float64)
    for name, key in zip(CLASSES, ("End", "Home", "Home", "Home", "End"), strict=True):
        press(page.get_by_label(f"logit {name}"), key, 1)
    assert_row(page, logits, LABEL)


def shown_sum(numbers: list[str], places: int) -> float:
    return round(sum(float(each.replace("−", "-")) for each in numbers), places)


def test_the_first_numbers_of_softmax_add_up_as_they_are_shown(unscripted: Opened) -> None:
    rows = read(unscripted("softmax-row"))
    assert shown_sum(rows["p"]["numbers"], 3) == 1
    assert shown_sum(rows["gradient"]["numbers"], 3) == 0


READ_SLIDERS = """(sliders) => sliders.map((slider) => {
  const end = getComputedStyle(slider).getPropertyValue("--v");
  return { value: slider.value / slider.max, filled: Number(end), image: getComputedStyle(slider).backgroundImage };
})"""


@pytest.mark.parametrize("name", ["softmax-row", "batchnorm-terms"])
def test_sliders_are_filled_from_a_mark_at_zero(opened: Opened, name: str) -> None:
    page = opened(name)
    sliders = page.locator("input[type=range]")
    for key in ("", "Home", "End", "PageDown"):
        if key:
            press(sliders.first, key, 1)
        for slider in sliders.evaluate_all(READ_SLIDERS):
            assert slider["filled"] == pytest.approx(slider["value"], abs=1e-3)
            assert slider["image"].count("linear-gradient") == 2  # the mark, and the groove with what is filled
            assert "50%" in slider["image"]


def test_a_slider_that_a_button_moves_is_filled_anew(opened: Opened) -> None:
    page = opened("batchnorm-terms")
    press(page.get_by_role("button", name="all equal"), "Enter", 1)
    assert {slider["filled"] for slider in page.locator("input[type=range]").evaluate_all(READ_SLIDERS)} == {0.5}


# BatchNorm


def through_batchnorm(dy: Tensor) -> Tensor:
    """The gradient by autograd, through the lines of the notebook."""
    n = len(X)
    hprebn = X.clone().requires_grad_()
    bndiff = hprebn - 1 / n * hprebn.sum()
    bnvar = 1 / (n - 1) * (bndiff**2).sum()
    (gradient,) = torch.autograd.grad(GAIN * bndiff * (bnvar + EPS) ** -0.5, hprebn, dy)
    return gradient


def assert_terms(page: Page, dy: Tensor) -> None:
    xhat = (X - X.mean()) * (X.var() + EPS) ** -0.5
    factor = GAIN * (X.var() + EPS) ** -0.5
    gradient = through_batchnorm(dy)
    first, second = factor * dy, (-factor * dy.mean()).expand(len(X))
    third = gradient - first - second
    rows = read(page)
    scale = float(page.locator(".scale").inner_text())
    longest = max(values.abs().max().item() for values in (first, second, third, gradient))
    scales = [float(each) for each in str(page.locator("figure").get_attribute("data-scales")).split()]
    assert scale == min(each for each in scales if longest <= each)
    assert rows["xhat"]["numbers"] == written(xhat, 2)
    assert rows["dy"]["numbers"] == written(dy, 2)
    for band, values in (("term1", first), ("term2", second), ("term3", third), ("result", gradient)):
        assert rows[band]["numbers"] == written(values, 2), band
        assert rows[band]["bars"] == pytest.approx((values / scale / 2).tolist(), abs=0.02)
    form = r"Before rounding, dhprebn adds up to (\S+), and the sum of dhprebn \* xhat is (\S+?)(?:: zero but for eps)?\."
    words = re.fullmatch(form, said(page))
    assert words is not None
    total, along = (float(word.replace("−", "-")) for word in words.groups())
    assert total == 0
    assert along == pytest.approx((gradient * xhat).sum().item(), rel=0.5, abs=1e-12)
    assert abs(along) < 1e-4


def test_batchnorm_says_its_terms_without_a_script(unscripted: Opened) -> None:
    page = unscripted("batchnorm-terms")
    assert_terms(page, BATCH_DY)
    assert "All numbers are rounded." in page.locator("figure").inner_text()


def test_the_first_numbers_of_batchnorm_add_up_as_they_are_shown(unscripted: Opened) -> None:
    rows = read(unscripted("batchnorm-terms"))
    terms = zip(*(rows[f"term{place}"]["numbers"] for place in (1, 2, 3)), strict=True)
    assert [shown_sum(list(column), 2) for column in terms] == [shown_sum([each], 2) for each in rows["result"]["numbers"]]
    assert shown_sum(rows["result"]["numbers"], 2) == 0


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_what_is_moved_and_what_comes_of_it_are_seen_together(opened: Opened, size: ViewportSize) -> None:
    page = opened("batchnorm-terms")
    page.set_viewport_size(size)
    top, bottom = (page.locator(f'[data-band="{band}"]').bounding_box() for band in ("dy", "result"))
    assert top is not None
    assert bottom is not None
    assert bottom["y"] + bottom["height"] - top["y"] < 560


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
@pytest.mark.parametrize(
    ("name", "control", "outcome"),
    [
        ("batchnorm-terms", "dy 0", '[data-band="result"]'),
        ("softmax-row", "logit a", '[data-band="gradient"]'),
        ("broadcasting", "dy[0, 0]", '[data-matrix="db"]'),
    ],
)
def test_what_is_reached_by_keyboard_is_scrolled_to_with_what_comes_of_it(
    opened: Opened, name: str, control: str, outcome: str, size: ViewportSize
) -> None:
    page = opened(name)
    page.set_viewport_size(size)
    page.locator("main").evaluate("(main) => { main.style.padding = '2000px 0' }")
    page.get_by_label(control).focus()
    expect(page.get_by_label(control)).to_be_in_viewport(ratio=1)
    expect(page.locator(outcome)).to_be_in_viewport(ratio=1)


def test_the_bars_of_a_term_are_tall_enough_to_be_seen(opened: Opened) -> None:
    bars = read(opened("batchnorm-terms"))["term2"]["bars"]
    assert all(abs(bar) > 0.09 for bar in bars)
    assert opened("batchnorm-terms").locator('[data-band="term2"] .plot i').first.evaluate("(bar) => bar.offsetHeight") >= 5


def test_the_incoming_gradient_is_moved_by_keyboard(opened: Opened) -> None:
    page = opened("batchnorm-terms")
    assert_terms(page, BATCH_DY)
    dy = BATCH_DY.clone()
    for place, (key, steps) in enumerate(
        (("ArrowDown", 3), ("ArrowUp", 4), ("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 5))
    ):
        press(page.get_by_label(f"dy {place}"), key, steps)
        dy[place] += steps / 10 * (1 if key == "ArrowUp" else -1)
        assert_terms(page, dy)


def test_no_bar_is_longer_than_its_room(opened: Opened) -> None:
    page = opened("batchnorm-terms")
    xhat = X - X.mean()
    for place in (2, 4):  # what makes the entry of the result as large as it gets
        row = (torch.eye(len(X))[place] - 1 / len(X) - xhat[place] * xhat / (xhat**2).sum()).sign()
        for other, sign in enumerate(row.tolist()):
            press(page.get_by_label(f"dy {other}"), "End" if sign > 0 else "Home", 1)
        assert_terms(page, row.double())


def test_what_is_the_same_for_all_or_along_xhat_is_taken_out(opened: Opened) -> None:
    page = opened("batchnorm-terms")
    xhat = (X - X.mean()) * (X.var() + EPS) ** -0.5
    for name, dy in (("all equal", torch.full_like(X, 0.5)), ("along xhat", 0.8 * xhat / xhat.abs().max())):
        press(page.get_by_role("button", name=name), "Enter", 1)
        assert_terms(page, dy)
        assert read(page)["result"]["numbers"] == ["0.00"] * len(X)
    press(page.get_by_role("button", name="as at first"), "Space", 1)
    assert_terms(page, BATCH_DY)


# numbers


def test_numbers_have_one_minus_and_no_negative_zero() -> None:
    assert [number(value, 2, True) for value in (-0.004, 0.0, 0.126, -1.5)] == ["0.00", "0.00", "+0.13", "−1.50"]
    assert [plain(value) for value in (-0.001, 2.0, -2.5, 10.0, 0.25)] == ["0", "2", "−2.5", "10", "0.25"]
    assert [tiny(value) for value in (-1e-17, 4.2e-6, -4.2e-6, 0.5)] == ["0", "4e−6", "−4e−6", "0.500"]
