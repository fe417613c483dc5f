"""The first minutes of a learner: the released notebook in JupyterLab, in a browser, typed and run cell by cell."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import Browser, Locator, Page, expect

from autograder.course import notebooks
from autograder.course.cells import cell_of
from autograder.course.questions import answer_of, id_of, parse_answer, shown_in
from autograder.lint.committed import MAP
from autograder.notebook.box import COLOURS, NEUTRAL, SYMBOLS, as_html
from autograder.notebook.map_view import map_as_html
from autograder.verdict import Outcome, Verdict
from scripts.submissions import ROOT
from tests.support import asked, browser
from tests.support.clusters import free_port
from tests.support.maps import SOFTMAX, chart, tape

LESSON = "backprop/1-every-gradient"
SECONDS = 30.0
"""How long anything may take: the server to start, the kernel to start, a cell to run, a text to appear."""

SCREENSHOTS = os.environ.get("AUTOGRADER_SCREENSHOTS", "")
"""A folder for pictures of what is shown, for who wants to see it. Without it none are taken."""

SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
GROUNDS = {"Light": "rgb(255, 255, 255)", "Dark": "rgb(17, 17, 17)"}
"""Of a notebook, in JupyterLab's themes."""
SIGNS_OF_A_STACK = ("Traceback", "autograder/", "site-packages", "Cell In[", ".py")

WRONG_SIGN = "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = 1.0 / n"
WHOLE_COLUMNS = "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[:, Yb] = -1.0 / n"
CRASHES = "dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True) @ probs"
ANSWER_IN_ONE_GO = "dlogits = (F.softmax(logits, 1) - F.one_hot(Yb, logits.shape[1])) / n"
ANSWERS = {
    "dlogprobs": "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = -1.0 / n",
    "dprobs": "dprobs = dlogprobs / probs",
    "dcounts_sum_inv": "dcounts_sum_inv = (counts * dprobs).sum(1, keepdim=True)",
}


class OpenNotebook:
    """A notebook in JupyterLab whose kernel is ready; its cells go by their ids."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.panel = page.locator(".jp-NotebookPanel")
        self.cells = notebooks.read(path).cells
        self._positions = {cell.id: position for position, cell in enumerate(self.cells)}
        expect(self.panel.locator(".jp-Notebook .jp-Cell")).to_have_count(len(self.cells))
        self.wait_for_kernel()

    def cell(self, cell_id: str) -> Locator:
        return self.panel.locator(".jp-Notebook .jp-Cell").nth(self._positions[cell_id])

    def output(self, cell_id: str) -> Locator:
        return self.cell(cell_id).locator(".jp-OutputArea")

    def write(self, cell_id: str, source: str) -> None:
        """Types `source` over what is in a cell."""
        self._editor(cell_id).click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(source)
        expect(self._editor(cell_id).locator(".cm-line")).to_have_text(source.splitlines())

    def run(self, cell_id: str) -> None:
        """Runs a cell, and waits until it is done."""
        prompt = self.cell(cell_id).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self._editor(cell_id).click()
        self.page.keyboard.press("Shift+Enter")
        expect(prompt).not_to_have_text(before)
        expect(prompt).to_have_text(re.compile(r"\[\d+\]"))
        self.wait_for_kernel()

    def run_all(self) -> None:
        """Chooses it in the menu."""
        self.page.locator(".lm-MenuBar-item", has_text="Run").first.click()
        self.page.locator(".lm-Menu-item", has_text="Run All Cells").first.click()

    def show_theme(self, theme: str) -> None:
        """Chooses it in the menu."""
        self.page.locator(".lm-MenuBar-item", has_text="Settings").click()
        self.page.locator(".lm-Menu-item", has_text="Theme").first.hover()
        self.page.locator(".lm-Menu-item", has_text=f"JupyterLab {theme}").first.click()

    def _editor(self, cell_id: str) -> Locator:
        return self.cell(cell_id).locator(".cm-content")

    def wait_for_kernel(self) -> None:
        """Waits until the kernel is there and idle: JupyterLab drops, unrun, what it is told to run before that."""
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"Python.*\| Idle"))


def test_the_first_minutes_of_a_learner(lab: Lab) -> None:
    with open_lesson(lab, LESSON) as (lesson, screenshots):
        run_the_forward_pass(lesson)
        check(lesson, "dlogprobs", Outcome.NOT_ATTEMPTED, screenshots)

        expect(lesson.cell("dlogprobs")).to_contain_text("# YOUR CODE HERE")
        lesson.write("dlogprobs", WRONG_SIGN)
        lesson.run("dlogprobs")
        check(lesson, "dlogprobs", Outcome.WRONG, screenshots)
        expect(verdict_box(lesson, "dlogprobs")).to_contain_text("It has the wrong sign.")
        expect(verdict_box(lesson, "dlogprobs")).to_contain_text("expected: -0.03125")

        for name, answer in ANSWERS.items():
            lesson.write(name, answer)
            lesson.run(name)
            check(lesson, name, Outcome.RIGHT, screenshots)

        lesson.write("dprobs", "# gone")
        lesson.run("dprobs")
        check(lesson, "dprobs", Outcome.NOT_ATTEMPTED, screenshots)


def test_everything_can_be_read_in_both_themes(lab: Lab) -> None:
    with open_lesson(lab, LESSON) as (lesson, screenshots):
        assert_drawn(lesson.cell(MAP).locator("img"))  # before anything was run
        for theme, ground in GROUNDS.items():
            lesson.show_theme(theme)
            expect(lesson.panel.locator(".jp-Notebook")).to_have_css("background-color", ground)
            take(lesson.panel, screenshots / theme / "top.png")
            take(lesson.cell(MAP), screenshots / theme / "map-before.png")
        run_the_forward_pass(lesson)
        lesson.write("dlogprobs", WHOLE_COLUMNS)
        lesson.run("dlogprobs")
        lesson.write("dprobs", ANSWERS["dprobs"] + '\nhint("dcounts")')
        lesson.run("dprobs")
        expect(lesson.output("dprobs")).to_contain_text("hint 1 of 7")
        lesson.write("dcounts_sum_inv", CRASHES)
        lesson.run("dcounts_sum_inv")
        outcomes = {
            "dlogprobs": Outcome.WRONG,
            "dprobs": Outcome.RIGHT,
            "dcounts": Outcome.NOT_ATTEMPTED,
            "dcounts_sum_inv": Outcome.COULD_NOT_TELL,
        }
        for name, outcome in outcomes.items():
            check(lesson, name, outcome, screenshots)
        lesson.run("progress")

        for theme, ground in GROUNDS.items():
            lesson.page.set_viewport_size({"width": 1200, "height": 1900})
            lesson.show_theme(theme)
            expect(lesson.panel.locator(".jp-Notebook")).to_have_css("background-color", ground)
            for name, outcome in outcomes.items():
                look(lesson, name, outcome, screenshots / theme)
            heat = verdict_box(lesson, "dlogprobs").locator("img")
            expect(heat).to_have_attribute("alt", "Wrong in 448 of 864 entries.")
            assert_drawn(heat)
            chart = lesson.output("progress")
            expect(chart).to_contain_text("gradient map: 1 of 26 right, 1 wrong, 1 waiting, 23 not attempted")
            assert_drawn(chart.locator("img"))
            take(chart, screenshots / theme / "progress.png")
            for width, pixels in WIDTHS.items():
                lesson.page.set_viewport_size({"width": pixels, "height": 1900})
                for name in outcomes:
                    box = verdict_box(lesson, name)
                    assert box.evaluate("e => e.scrollWidth <= e.clientWidth"), f"a line of {name} is cut off"
                    take(box, screenshots / theme / f"{name}-{width}.png")
            take(lesson.cell("dprobs"), screenshots / theme / "hint.png")


WRITTEN = {
    "nothing": {},
    "half of it": {
        "dlogprobs": WRONG_SIGN,
        "dcounts_sum_inv": ANSWERS["dcounts_sum_inv"],  # right, and stops since there is no `dprobs`
        "dlogit_maxes": "dlogit_maxes = (",
        "dh": "dh = torch.zeros(3) @ W2",
    },
}
"""What is written into the first notebook before all of it is run."""
SAYS = {
    "nothing": "gradient map: 0 of 26 right, 26 not attempted",
    "half of it": "gradient map: 1 of 26 right, 1 wrong, 2 waiting, 22 not attempted",
}
STOPS = {"nothing": [], "half of it": ["dcounts_sum_inv", "dlogit_maxes", "dh"]}
"""Which of the answers stop with an error, which is shown."""


@pytest.mark.parametrize("written", ["half of it", pytest.param("nothing", marks=pytest.mark.long)])
def test_run_all_goes_through(written: str, lab: Lab) -> None:
    """What is not attempted, wrong, or stops does not stop the rest, and only what stops is shown as an error."""

    def write(nb: NotebookNode) -> None:
        for cell in nb.cells:
            cell.source = WRITTEN[written].get(cell.id, cell.source)

    with open_lesson(lab, LESSON, prepare=write) as (lesson, screenshots):
        lesson.run_all()
        chart = lesson.output("progress")
        expect(chart).to_contain_text(SAYS[written])
        lesson.wait_for_kernel()
        code = [cell.id for cell in lesson.cells if cell.cell_type == "code"]
        for name in code:
            expect(lesson.cell(name).locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]"))
        errors = "[data-mime-type*=error], [data-mime-type*=stderr]"
        stopped = [name for name in code if lesson.output(name).locator(errors).count()]
        assert [name for name in stopped if not name.startswith("picture")] == STOPS[written]
        for name in WRITTEN[written]:
            lesson.cell(id_of("test", name)).scroll_into_view_if_needed()
            take(lesson.panel, screenshots / f"run-all-{written}-{name}.png")


def test_what_is_shown_can_be_seen_in_a_notebook_that_is_not_trusted(lab: Lab) -> None:
    """As one that somebody else has run: JupyterLab takes much out of its outputs."""
    wrong = Verdict("dh", Outcome.WRONG, "It is off.", where="Wrong in 8 of 16 entries.", heat=("0909",) * 4)
    outputs = {"shown-map": map_as_html(chart(tape(SOFTMAX), {})), "heat": as_html(wrong)}

    def show(nb: NotebookNode) -> None:
        shown = {name: [new_output("display_data", {"text/html": html})] for name, html in outputs.items()}
        nb.cells[2:2] = [new_code_cell(name, id=name, execution_count=1, outputs=shown[name]) for name in outputs]

    with open_lesson(lab, LESSON, prepare=show) as (notebook, screenshots):
        for theme in GROUNDS:
            notebook.show_theme(theme)
            assert_drawn(notebook.cell(MAP).locator("img"))
            for name in outputs:
                assert_drawn(notebook.output(name).locator("img"))
            box = notebook.output("heat").locator(".jp-RenderedHTML > div")
            expect(box).to_have_css("border-left-color", browser.as_rgb(COLOURS[Outcome.WRONG]))
            notebook.output("shown-map").locator("summary").click()
            expect(notebook.output("shown-map").locator("li").first).to_be_visible(visible=theme == "Light")
            take(notebook.panel, screenshots / theme / "not-trusted.png")


WRONG = {
    "bigrams/1-counting": ("P", ", keepdim=True", "", "case: For N = ["),
    "mlp/3-train": ("rate", "<", "<=", "case: For step = 1, steps = 2, the result is 0.1"),
    "batchnorm/2-layer": ("BatchNorm1d", "x.var(0)", "x.var(0, correction=0)", "the output of the first batch is "),
    "wavenet/1-modules": ("Linear.backward", "drows.sum(0)", "dout.sum(0)", ": look at grads for an input (n, T, fan_in)."),
}
"""For each notebook of asks a question, what stands in its model answer, what to write instead, and what the verdict says."""


@pytest.mark.parametrize(
    "lesson", [pytest.param(name, marks=[] if name.startswith("bigrams") else pytest.mark.long) for name in WRONG]
)
def test_a_whole_notebook_of_asks_is_typed(lesson: str, lab: Lab) -> None:
    """From the top to the end: a wrong answer, then the model answer of every cell; everything is right and drawn."""
    assignment, stem = lesson.split("/")
    wrong, written, instead, shown = WRONG[lesson]
    with open_lesson(lab, lesson) as (notebook, screenshots):
        screenshots /= stem
        take(notebook.panel, screenshots / "top.png")
        answers = {cell.id: parse_answer(cell.source).code for cell in asked.cells_of_notebook(assignment, stem) if cell.solves}
        for cell in filter(lambda each: each.cell_type == "code", notebook.cells):
            if cell.id == answer_of(wrong):
                assert written in answers[cell.id]
                notebook.write(cell.id, answers[cell.id].replace(written, instead))
                notebook.run(cell.id)
                check(notebook, wrong, Outcome.WRONG, screenshots)
                expect(verdict_box(notebook, wrong)).to_contain_text(shown)
            if cell.id in answers:
                notebook.write(cell.id, answers[cell.id])
            notebook.run(cell.id)
            expect(notebook.output(cell.id)).not_to_contain_text("Error")
            for picture in notebook.output(cell.id).locator("img").all():
                assert picture.evaluate("e => e.complete && e.naturalWidth > 40")
                take(notebook.cell(cell.id), screenshots / f"plot-{cell.id}.png")
            for question in shown_in(cell.source):
                look(notebook, question.name, Outcome.RIGHT, screenshots)
        expect(notebook.output("progress")).to_contain_text(re.compile(r"(\d+) of \1 right"))


WIDTHS = {"wide": 1600, "narrow": 700}


def test_the_map_of_the_course_can_be_read_in_both_themes(lab: Lab) -> None:
    """Beside the notebook another assignment is begun, and a third is not there: it says how to get it."""
    with open_lesson(lab, "backprop/2-cross-entropy", beside=["bigrams"]) as (lesson, screenshots):
        run_the_code(lesson)
        lesson.write("dlogits", ANSWER_IN_ONE_GO)
        lesson.run("dlogits")
        check(lesson, "dlogits", Outcome.RIGHT, screenshots)
        lesson.write("all-rows", 'progress("course")')
        lesson.run("all-rows")
        chart = lesson.output("all-rows").locator(".jp-RenderedHTML > div")
        for said in (
            "backprop: 1 of 45 right, 4 of 44 points",
            "✓\N{NO-BREAK SPACE} Cross-entropy in one go: the probabilities, less 1 at the label",
            "·\N{NO-BREAK SPACE} BatchNorm in one go",
            "Next: dlogprobs, in the cell dlogprobs of 1-every-gradient.ipynb",
            "Not begun. To begin: open ../bigrams/1-counting.ipynb",
            "Not begun. To begin: autograder new ../mlp --assignment mlp",
        ):
            expect(chart).to_contain_text(said)
        boxes = {"bigrams": COLOURS[Outcome.NOT_ATTEMPTED], "backprop": NEUTRAL}
        for theme, ground in GROUNDS.items():
            lesson.show_theme(theme)
            expect(lesson.panel.locator(".jp-Notebook")).to_have_css("background-color", ground)
            for width, pixels in WIDTHS.items():
                lesson.page.set_viewport_size({"width": pixels, "height": 1900})
                for name, colour in boxes.items():
                    box = chart.locator("> div", has_text=f"{name}:")
                    expect(box).to_have_css("border-left-color", browser.as_rgb(colour))
                    browser.expect_drawn(box)
                expect(chart).to_contain_text(re.compile(r"Commands are for a terminal, in the folder of this notebook\.$"))
                assert chart.evaluate("e => e.scrollWidth <= e.clientWidth"), "a line is cut off"
                take(chart, screenshots / theme / f"course-{width}.png")


def assert_drawn(picture: Locator) -> None:
    """Fails for a picture that the browser could not read, or that has no alternative text."""
    expect(picture).to_have_count(1)
    assert picture.evaluate("e => e.complete && e.naturalWidth > 40")
    assert picture.get_attribute("alt")


def test_a_missing_browser_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        browser.chromium()


def run_the_code(lesson: OpenNotebook) -> None:
    """Runs the code cells from the top to the first answer, none of which may stop with an error."""
    first_answer = next(position for position, cell in enumerate(lesson.cells) if cell_of(cell).solves)
    for cell in lesson.cells[:first_answer]:
        if cell.cell_type == "code":
            lesson.run(cell.id)
            expect(lesson.output(cell.id)).not_to_contain_text("Error")


def run_the_forward_pass(lesson: OpenNotebook) -> None:
    """Runs the first notebook as far as its first answer."""
    run_the_code(lesson)
    expect(lesson.output("shapes")).to_contain_text("loss")


def check(lesson: OpenNotebook, name: str, outcome: Outcome, screenshots: Path) -> None:
    """Runs the check of a gradient, and looks at what it shows."""
    lesson.run(id_of("test", name))
    look(lesson, name, outcome, screenshots)


def take(element: Locator, path: Path) -> None:
    """Takes a picture of an element, if there are to be pictures."""
    if SCREENSHOTS:
        element.screenshot(path=path)


def look(lesson: OpenNotebook, name: str, outcome: Outcome, screenshots: Path) -> None:
    """A box with this outcome, in its colour, and no stack of the checker."""
    box = verdict_box(lesson, name)
    expect(box).to_contain_text(f"{SYMBOLS[outcome]} {name}: {outcome}.")
    expect(box).to_have_css("border-left-color", browser.as_rgb(COLOURS[outcome]))
    browser.expect_drawn(box)
    take(lesson.panel, screenshots / f"{name}-{outcome.replace(' ', '-')}.png")
    seen = lesson.output(id_of("test", name)).inner_text()
    assert not [sign for sign in SIGNS_OF_A_STACK if sign in seen], seen


def verdict_box(lesson: OpenNotebook, name: str) -> Locator:
    return lesson.output(id_of("test", name)).locator(".jp-RenderedHTML > div")


@dataclass
class Lab:
    """A JupyterLab that serves all of a folder, and a browser for it."""

    browser: Browser
    folder: Path
    url: str
    token: str

    def end_kernels(self, page: Page) -> None:
        """Ends all kernels."""
        kernels, known = f"{self.url}/api/kernels", {"Authorization": f"token {self.token}"}
        for kernel in page.request.get(kernels, headers=known).json():
            page.request.delete(f"{kernels}/{kernel['id']}", headers=known)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder, home = tmp_path_factory.mktemp("courses"), tmp_path_factory.mktemp("home")
    expect.set_options(timeout=SECONDS * 1000)
    with browser.headless_browser(SECONDS) as opened, jupyterlab(folder, home) as (url, token):
        yield Lab(opened, folder, url, token)


@contextmanager
def open_lesson(
    lab: Lab, lesson: str, beside: Sequence[str] = (), prepare: Callable[[NotebookNode], None] | None = None
) -> Iterator[tuple[OpenNotebook, Path]]:
    """A released notebook, in a copy of the release of its own, and where to put screenshots of it.

    `beside` are other assignments that lie beside its own. `prepare` changes the notebook before it is opened.
    """
    assignment, stem = lesson.split("/")
    release = Path(tempfile.mkdtemp(dir=lab.folder))
    for other in (*beside, assignment):
        shutil.copytree(ROOT / "release" / other, release / other)
    path = release / assignment / f"{stem}.ipynb"
    if prepare:
        nb = notebooks.read(path)
        prepare(nb)
        path.write_text(nbformat.writes(nb))
    page = lab.browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(SECONDS * 1000)
    try:
        page.goto(f"{lab.url}/lab/workspaces/{release.name}/tree/{path.relative_to(lab.folder)}?token={lab.token}")
        yield OpenNotebook(page, path), Path(SCREENSHOTS, assignment)
    finally:
        lab.end_kernels(page)
        page.close()


@contextmanager
def jupyterlab(root: Path, home: Path) -> Iterator[tuple[str, str]]:
    """The address and the token of a JupyterLab that serves `root`, and keeps everything of its own in `home`."""
    port, token = free_port(), secrets.token_hex()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={root}"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    environment = os.environ | surroundings(home) | {"JUPYTER_TOKEN": token}
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for_answer(server, port, home / "log")
        yield f"http://127.0.0.1:{port}", token
    finally:
        browser.stop(server, SECONDS)


def surroundings(home: Path) -> dict[str, str]:
    """Environment variables for a JupyterLab that has never run before, with the SETTINGS."""
    settings = home / "config" / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(SETTINGS))
    return {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONUSERBASE": site.getuserbase(),
    }


def wait_for_answer(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not answers(port):
        assert server.poll() is None and time.monotonic() < deadline, f"JupyterLab does not answer:\n{log.read_text()}"
        time.sleep(0.1)


def answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/api")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
