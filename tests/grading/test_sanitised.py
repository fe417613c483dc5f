"""What students send runs nothing in the instructor's browser, neither in nbgrader's feedback nor in its formgrader.

One submission carries all the attacks, and things that must still show. It goes through the commands of nbgrader with the
configuration of the course. The same submission without that protection shows that the attacks are real.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as NowhereToGo

from autograder.notebook.box import COLOURS, as_html
from autograder.verdict import Outcome, Verdict
from tests.support.browser import as_rgb, chromium, headless_browser, stop

CONFIG = Path(__file__).resolve().parents[2] / "nbgrader_config.py"
UNPROTECTED = "\nc.HTMLExporter.sanitize_html = False\nc.HTMLExporter.filters = {}\n"
ASSIGNMENT, NOTEBOOK, STUDENT = "attacked", "questions", "mallory"
POINTS = 2.0
SECONDS = 60.0
"""How long anything may take: a command, the server to start, a page to load, a text to appear."""

Cell = Callable[[str], NotebookNode]


def output(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> NotebookNode:
    """A code cell that displays this."""
    return new_code_cell(f"display({data!r}, metadata={metadata or {}!r}, raw=True)")


def html_output(html: str) -> NotebookNode:
    return output({"text/html": html})


def markdown_output(markdown: str) -> NotebookNode:
    return output({"text/markdown": markdown})


def result(html: str) -> NotebookNode:
    """A code cell whose last line has this as its HTML."""
    return new_code_cell(f"class Result:\n    _repr_html_ = lambda self: {html!r}\nResult()")


def attachment(mime: str, payload: str) -> NotebookNode:
    return new_markdown_cell("![plot](attachment:plot)", attachments={"plot": {mime: payload}})


def nbgrader_cell(source: str, grade_id: str, **more: object) -> NotebookNode:
    role = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return new_code_cell(source, metadata={"nbgrader": {**role, "grade_id": grade_id, **more}})


IMAGE = "</pre></div><img src=nothing onerror=RUN>"
SCRIPTED_IMAGE = '<svg xmlns="http://www.w3.org/2000/svg" onload="RUN"><script>RUN</script></svg>'
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

HTML = {
    "script": "<script>RUN</script>",
    "image": '<img src=nothing onerror="RUN">',
    "hover": '<div onmouseover="RUN">hover</div>',
    "link": '<a href="javascript:RUN">link</a>',
    "link-with-entities": '<a href="java&#x73;cript&colon;RUN">link</a>',
    "link-with-tab": '<a href="java\tscript:RUN">link</a>',
    "svg": '<svg onload="RUN"></svg>',
    "svg-animation": '<svg><a><animate attributeName=href values="javascript:RUN" /><text y=20>link</text></a></svg>',
    "details": '<details open ontoggle="RUN">details</details>',
    "frame": '<iframe src="javascript:parent.RUN"></iframe>',
    "frame-with-script": '<iframe srcdoc="<script>RUN</script>"></iframe>',
    "form": '<form action="javascript:RUN"><button>go</button></form>',
    "button": '<form><button formaction="javascript:RUN">go</button></form>',
    "style": '<style>@keyframes move {}</style><div style="animation-name: move" onanimationstart="RUN">moves</div>',
    "comment": "<!--><img src=nothing onerror=RUN>-->",
}
MARKDOWN = {
    "brackets": "[link](javascript:RUN)",
    "angle-brackets": "[link](<javascript:RUN>)",
    "entity": "[link](javascript&colon;RUN)",
    "automatic": "<javascript:RUN>",
    "reference": "[link][elsewhere]\n\n[elsewhere]: javascript:RUN",
    "heading": '# Title <img src=nothing onerror="RUN">',
    "table": '|a|b|\n|-|-|\n|<img src=nothing onerror="RUN">|2|',
    "mermaid": "```mermaid\n</pre><img src=nothing onerror=RUN>\n```",
}
CELLS: dict[str, tuple[str, Cell]] = {
    "isolated": (HTML["script"], lambda html: output({"text/html": html}, {"text/html": {"isolated": True}})),
    "file": ("[results](results.html)", new_markdown_cell),
}

SELDOM_HTML = {
    "object": '<object data="javascript:RUN"></object>',
    "embed": '<embed src="javascript:RUN">',
    "refresh": '<meta http-equiv="refresh" content="0;url=javascript:RUN">',
    "tooltip": '<a data-toggle=tooltip data-html=true title="<img src=x onerror=RUN>" class=name-hidden>tip</a>',
    "image-title": '![" onerror="RUN](nothing \'" onerror="RUN\')',
    "fence": '```"><img src=nothing onerror=RUN>\n<img src=nothing onerror=RUN>\n```',
    "mathematics": "$<img src=nothing onerror=RUN>$ \\begin{a}<img src=nothing onerror=RUN>\\end{a}",
    "no-script": '<noscript><p title="</noscript><img src=nothing onerror=RUN>"></noscript>',
    "mutation": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=RUN&gt;">',
}
NOT_ATTACHED = "attachment:plot"
"""nbconvert's own pages stop at a picture that is missing."""
SELDOM_CELLS: dict[str, tuple[str, Cell]] = {
    "png-width": ("1 onload=RUN", lambda width: output({"image/png": PIXEL}, {"image/png": {"width": width}})),
    "png-height": ("1 onload=RUN", lambda height: output({"image/png": PIXEL}, {"height": height})),
    "jpeg-width": ("1 onload=RUN", lambda width: output({"image/jpeg": PIXEL}, {"width": width})),
    "script-output": ("RUN", lambda script: output({"application/javascript": script})),
    "alternative-text": ('" onload="RUN', lambda text: output({"image/png": PIXEL}, {"image/png": {"alt": text}})),
    "file-name": ('" onerror="RUN', lambda text: output({"image/png": PIXEL}, {"filenames": {"image/png": text}})),
    "png": ('x" onerror="RUN', lambda payload: output({"image/png": payload})),
    "jpeg": ('x" onerror="RUN', lambda payload: output({"image/jpeg": payload})),
    "svg": (SCRIPTED_IMAGE, lambda image: output({"image/svg+xml": image})),
    "latex": (IMAGE, lambda html: output({"text/latex": html})),
    "latex-link": ("$\\href{javascript:RUN}{link}$", lambda latex: output({"text/latex": latex})),
    "plain": (IMAGE, lambda html: output({"text/plain": html})),
    "mermaid": (IMAGE, lambda html: output({"text/vnd.mermaid": html})),
    "widget": (IMAGE, lambda html: output({"application/vnd.jupyter.widget-view+json": {"model_id": html}, "text/plain": ""})),
    "widget-text": (IMAGE, lambda html: output({"application/vnd.jupyter.widget-view+json": html, "text/plain": html})),
    "png-settings": (IMAGE, lambda html: output({"image/png": PIXEL}, {"image/png": html, "filenames": html})),
    "not-attached": (IMAGE, lambda html: new_markdown_cell(f"![plot]({NOT_ATTACHED}) {html}")),
    "not-attached-output": (IMAGE, lambda html: output({"text/markdown": f"![plot]({NOT_ATTACHED}) {html}"})),
    "raw-type": (IMAGE, lambda html: new_raw_cell(html, metadata={"raw_mimetype": [html], "transient": [html]})),
    "stream": (IMAGE, lambda html: new_code_cell(f"print({html!r})")),
    "error": (IMAGE, lambda html: new_code_cell(f"raise type({html!r}, (Exception,), {{}})({html!r})")),
    "source": (IMAGE, lambda html: new_code_cell(f"# {html}")),
    "language": (IMAGE, lambda html: new_code_cell("1", metadata={"magics_language": f'"{html}'})),
    "tag": ('" onmouseover="RUN', lambda tag: new_code_cell("2", metadata={"tags": [tag]})),
    "raw": (IMAGE, lambda html: new_raw_cell(html, metadata={"raw_mimetype": "text/html"})),
    "attachment": ('x" onerror="RUN', lambda payload: attachment("image/png", payload)),
    "attached-svg": (SCRIPTED_IMAGE, lambda image: attachment("image/svg+xml", b64encode(image.encode()).decode())),
    "grade-id": (f'"{IMAGE}', lambda html: nbgrader_cell("3", html)),
    "not-run": (IMAGE, lambda html: new_code_cell("", outputs=[new_output("display_data", {"text/html": html})])),
}

VERDICTS = [Verdict("dh", outcome, "See `W2`.", seen="0.25", expected="0.5") for outcome in Outcome]
TABLE = "<table><thead><tr><th>step</th></tr></thead><tbody><tr><td>one</td></tr></tbody></table>"
TEXT = "## My answer\n\nIt **flows** back to `x`.\n\n|a|b|\n|-|-|\n|1|2|\n\n[paper](https://arxiv.org/abs/1502.03167)\n"
POSING = '<div class="nbgrader_cell"><input id="test-answer" class="score"><b class="full-credit">my plot</b></div>'

MATHJAX = 'MathJax = {Hub: {Config() {}, Queue() {}, Startup: {signal: {Interest(told) { told("End") }}}}}'
PROVOKE = """async () => {
    const tell = (element, kind) => element.dispatchEvent(new MouseEvent(kind, {bubbles: true, cancelable: true}))
    document.querySelectorAll("#notebook *").forEach((element) => tell(element, "mouseover"))
    for (const element of document.querySelectorAll("#notebook :is(a, form button)")) {
        tell(element, "click")
        await new Promise((resolve) => setTimeout(resolve))
    }
}"""
PROBE = """() => {
    document.body.insertAdjacentHTML("beforeend", `<div id="probe">
        <img src="nothing" onerror="attack('probe-image')"><a href="javascript:attack('probe-link')">probe</a></div>`)
    document.querySelector("#probe a").click()
}"""
PROBES = {"probe-image", "probe-link"}
DANGEROUS = """() => {
    const tags = "script, iframe, object, embed, form, base, meta, link, style"
    const runs = ({name, value}) => /^on/i.test(name) || /^\\s*(javascript|data:(?!image))/i.test(value)
    const elements = [...document.querySelectorAll("#notebook *")].filter(
        (element) => element.matches(tags) || [...element.attributes].some(runs)
    ).filter((element) => !element.matches(".isolated-iframe"))
    const scripts = [...document.scripts].filter((script) => script.text.includes("attack("))
    return [...elements, ...scripts].map((element) => element.outerHTML)
}"""


def reporting(name: str, template: str) -> str:
    """The template of an attack, with a script that tells us this name."""
    return template.replace("RUN", f"attack('{name}')")


def everywhere(templates: dict[str, str], **homes: Cell) -> dict[str, NotebookNode]:
    """Each of the attacks in each of the places where it can stand."""
    pairs = [(f"{attack}-in-{home}", templates[attack], cell) for attack in templates for home, cell in homes.items()]
    return {name: cell(reporting(name, template)) for name, template, cell in pairs}


def armed(cells: dict[str, tuple[str, Cell]]) -> dict[str, NotebookNode]:
    return {name: cell(reporting(name, template)) for name, (template, cell) in cells.items()}


REAL_ATTACKS = {
    **everywhere(HTML, output=html_output, markdown_output=markdown_output, markdown=new_markdown_cell, result=result),
    **everywhere(MARKDOWN, markdown_output=markdown_output, markdown=new_markdown_cell),
    **armed(CELLS),
}
"""Those that run in both pages where nothing stops them."""
SELDOM_ATTACKS = {
    **armed(SELDOM_CELLS),
    **everywhere(SELDOM_HTML, output=html_output, markdown_output=markdown_output, markdown=new_markdown_cell),
}
"""Those that do not run in both: the record has no odd widths, for one. The last ones spoil what comes after them."""


def questions() -> NotebookNode:
    """An assignment of one answer and one check of it."""
    answer = nbgrader_cell("### BEGIN SOLUTION\nanswer = 42\n### END SOLUTION", "answer", solution=True)
    check = nbgrader_cell("assert answer == 42", "test-answer", grade=True, locked=True, points=POINTS)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=[answer, check], metadata={"kernelspec": kernel})


def submission(release: NotebookNode) -> NotebookNode:
    """The assignment as the student hands it in, with metadata that attacks as well."""
    release.cells[0].source = "answer = 42"
    release.cells += [html_output(as_html(verdict)) for verdict in VERDICTS]
    release.cells += [html_output(TABLE), new_markdown_cell(TEXT), html_output(POSING)]
    release.cells += [output({"image/png": PIXEL, "text/plain": "plot"}, {"image/png": {"width": 40}})]
    release.cells += [*REAL_ATTACKS.values(), *SELDOM_ATTACKS.values()]
    release.metadata.title = reporting("title", f"</title>{IMAGE}")
    release.metadata.language_info = {"name": "python", "pygments_lexer": reporting("lexer", f'"{IMAGE}')}
    return release


@dataclass(frozen=True)
class Course:
    """A course folder, which the commands of nbgrader work in, apart from all settings of whoever runs the tests."""

    root: Path

    def run(self, *command: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command],
            cwd=self.root,
            env=self.environment,
            timeout=SECONDS,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def write(self, path: str, content: NotebookNode | str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else nbformat.writes(content))

    @property
    def environment(self) -> dict[str, str]:
        home = self.root / "home"
        names = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "NBGRADER_EXCHANGE")
        return os.environ | {name: str(home / name) for name in names}

    @property
    def feedback(self) -> str:
        return (self.root / "feedback" / STUDENT / ASSIGNMENT / f"{NOTEBOOK}.html").as_uri()


@dataclass
class Shown:
    """A page in the browser, the attacks that ran in it or in what it links to, and the errors of its scripts."""

    page: Page
    ran: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def wait_for(self, names: set[str]) -> None:
        """Waits until these ran, or it takes too long."""
        deadline = time.monotonic() + SECONDS / 4
        while not names <= self.ran and time.monotonic() < deadline:
            self.page.wait_for_timeout(50)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with the submission, autograded."""
    course = Course(tmp_path_factory.mktemp("protected"))
    course.write("nbgrader_config.py", CONFIG.read_text())
    course.write(f"source/{ASSIGNMENT}/{NOTEBOOK}.ipynb", questions())
    course.run("generate_assignment", ASSIGNMENT)
    release = nbformat.read(course.root / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
    course.write(f"submitted/{STUDENT}/{ASSIGNMENT}/{NOTEBOOK}.ipynb", submission(release))
    course.write(f"submitted/{STUDENT}/{ASSIGNMENT}/results.html", reporting("file", HTML["script"]))
    course.run("autograde", ASSIGNMENT)
    return course


@pytest.fixture(scope="module")
def pages(course: Course, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shown]]:
    """Both pages, with the configuration of the course and without its protection, after doing all that attacks wait for."""
    copy = Course(Path(shutil.copytree(course.root, tmp_path_factory.mktemp("unprotected") / "course")))
    copy.write("nbgrader_config.py", CONFIG.read_text() + UNPROTECTED)
    record = f"autograded/{STUDENT}/{ASSIGNMENT}/{NOTEBOOK}.ipynb"
    nb = nbformat.read(copy.root / record, as_version=4)
    nb.cells = [cell for cell in nb.cells if NOT_ATTACHED not in nbformat.writes(new_notebook(cells=[cell]))]
    copy.write(record, nb)
    with ExitStack() as stack:
        browser = stack.enter_context(headless_browser(SECONDS))
        servers = [stack.enter_context(server(each)) for each in (course, copy)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda each: each.run("generate_feedback", ASSIGNMENT), (course, copy)))
        yield {
            "feedback": shown(browser, course.feedback),
            "formgrader": shown(browser, formgrader(course, servers[0])),
            "unprotected feedback": shown(browser, copy.feedback, set(REAL_ATTACKS)),
            "unprotected formgrader": shown(browser, formgrader(copy, servers[1]), set(REAL_ATTACKS)),
        }


@pytest.fixture(params=["feedback", "formgrader"])
def protected(request: pytest.FixtureRequest, pages: dict[str, Shown]) -> Shown:
    return pages[request.param]


@pytest.mark.parametrize("name", ["feedback", "formgrader"])
def test_attacks_are_real(name: str, pages: dict[str, Shown]) -> None:
    idle = set(REAL_ATTACKS) - pages[f"unprotected {name}"].ran
    assert not idle


def test_no_attack_runs(protected: Shown) -> None:
    assert protected.ran == PROBES


def test_nothing_in_the_page_could_run(protected: Shown) -> None:
    assert protected.page.evaluate(DANGEROUS) == []


def test_mathjax_refuses_dangerous_links(protected: Shown) -> None:
    sources = protected.page.eval_on_selector_all("script[src*=mathjax]", "scripts => scripts.map(script => script.src)")
    assert len(sources) == 1
    assert sources[0].endswith(",Safe")


def test_verdicts_keep_their_box(protected: Shown) -> None:
    boxes = protected.page.locator("#notebook div[style*=border-left]")
    expect(boxes).to_have_count(len(VERDICTS))
    for box, verdict in zip(boxes.all(), VERDICTS, strict=True):
        expect(box).to_have_css("border-left", f"6px solid {as_rgb(COLOURS[verdict.outcome])}")
        expect(box).to_have_css("padding", "4px 12px")
        expect(box.locator("b code")).to_have_text("dh")
        expect(box.locator("br")).to_have_count(2)


def test_plots_show(protected: Shown) -> None:
    plot = protected.page.locator(".output_png img[width='40']")
    assert plot.evaluate("image => image.naturalWidth") == 1


def test_tables_and_text_show(protected: Shown) -> None:
    notebook = protected.page.locator("#notebook")
    expect(notebook.locator(".output_html th")).to_have_text("step")
    expect(notebook.locator("h2")).to_have_text("My answer")
    expect(notebook.locator(".text_cell_render", has_text="It flows back to x.").locator("strong")).to_have_text("flows")
    expect(notebook.get_by_role("link", name="paper")).to_have_attribute("href", "https://arxiv.org/abs/1502.03167")


def test_students_can_not_pose_as_the_form(pages: dict[str, Shown]) -> None:
    page = pages["formgrader"].page
    expect(page.get_by_text("my plot", exact=True)).to_be_visible()
    expect(page.locator("#test-answer")).to_have_count(1)
    expect(page.locator(".full-credit")).to_have_count(1)


def test_the_form_works(pages: dict[str, Shown]) -> None:
    page = pages["formgrader"].page
    expect(page.locator("#test-answer")).to_have_attribute("placeholder", f"{POINTS:g}", timeout=SECONDS * 1000)
    with page.expect_response(lambda response: response.request.method == "PUT") as saved:
        page.locator("textarea.comment").fill("Well done.")
        page.locator("textarea.comment").blur()
    assert saved.value.json()["manual_comment"] == "Well done."
    with page.expect_response(lambda response: response.request.method == "PUT") as saved:
        page.locator(".full-credit").click()
    assert saved.value.json()["manual_score"] == POINTS
    assert pages["formgrader"].errors == []


def test_a_missing_browser_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        chromium()


@contextmanager
def server(course: Course) -> Iterator[subprocess.Popen[bytes]]:
    """Jupyter's server of the course folder, with formgrader. It may still be starting."""
    extensions = {"jupyterlab": False, "nbgrader.server_extensions.formgrader": True}
    settings = {"jpserver_extensions": extensions, "ip": "127.0.0.1", "port": 0, "open_browser": False, "allow_root": True}
    course.write("home/JUPYTER_CONFIG_DIR/jupyter_server_config.json", json.dumps({"ServerApp": settings}))
    with (course.root / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server"],
            cwd=course.root,
            env=course.environment | {"JUPYTER_TOKEN": secrets.token_hex()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        stop(process, SECONDS)


def announced(course: Course, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the server says about itself, once it listens, which is later."""
    deadline = time.monotonic() + SECONDS
    announcement = course.root / "home" / "JUPYTER_RUNTIME_DIR" / f"jpserver-{process.pid}.json"
    while True:
        assert process.poll() is None and time.monotonic() < deadline, (course.root / "log").read_text()
        with suppress(OSError, ValueError):
            about: dict[str, Any] = json.loads(announcement.read_text())
            socket.create_connection(("127.0.0.1", about["port"]), timeout=SECONDS).close()
            return about
        time.sleep(0.1)


def formgrader(course: Course, process: subprocess.Popen[bytes]) -> str:
    """Where to log in and go on to the submission in formgrader."""
    server = announced(course, process)
    url, token = server["url"], server["token"]
    api = f"{url}formgrader/api/submitted_notebooks/{ASSIGNMENT}/{NOTEBOOK}"
    with urlopen(Request(api, headers={"Authorization": f"token {token}"}), timeout=SECONDS) as answer:
        (submitted,) = json.load(answer)
    return f"{url}login?token={token}&next=/formgrader/submissions/{submitted['id']}/"


def shown(browser: Browser, address: str, attacks: set[str] = PROBES) -> Shown:
    """The page after it loaded, everything in it was hovered over and clicked, and its links to the same place were opened.

    Waits for these attacks. The probes are our own; where they run, the page had time for the attacks before them.
    """
    context = browser.new_context()
    context.set_default_timeout(SECONDS * 1000)
    context.route("**/*", offline)
    view = Shown(context.new_page())
    context.expose_binding("attack", lambda source, name: view.ran.add(name))
    view.page.on("pageerror", lambda error: view.errors.append(str(error)))
    view.page.goto(address)
    view.page.route("**/*", stay)
    view.page.evaluate(PROVOKE)
    for link in nearby_links(view.page):
        with context.new_page() as linked, suppress(NowhereToGo):
            linked.goto(link)
    view.page.evaluate(PROBE)
    view.wait_for(attacks | PROBES)
    return view


def nearby_links(page: Page) -> set[str]:
    """Where the links in the notebook lead, if it is the server or the folder that the page comes from."""
    links = page.eval_on_selector_all("#notebook a[href]", "links => links.map(link => String(link.href))")
    return {link for link in links if link.startswith(page.url.rpartition("/")[0]) and "#" not in link}


def offline(route: Route) -> None:
    """Lets only this machine answer; something that does nothing stands in for MathJax, which formgrader waits for."""
    url = route.request.url
    if "/mathjax/" in url:
        route.fulfill(body=MATHJAX, content_type="text/javascript")
    elif url.startswith(("http://localhost:", "http://127.0.0.1:", "file:", "data:")):
        route.continue_()
    else:
        route.abort()


def stay(route: Route) -> None:
    """Keeps the page where it is, whatever was clicked."""
    if route.request.is_navigation_request():
        route.fulfill(status=204)
    else:
        route.fallback()
