"""A class full of attacks, a tenth graded by `nbgrader autograde` and the rest by `autograder grade`.

None earns a mark, harms another, or leaves anything behind.

`ATTACKS=all` in the environment has every attack that is said to beat an nbgrader without rooms run there; else a few are.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import string
import subprocess
import sys
from collections.abc import Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from autograder.course.cells import Cell, Role
from autograder.examiner.exam import Exam
from autograder.grading.pool import Grader
from autograder.sandbox.limits import MIB, Limits
from scripts import demo
from scripts.submissions import graded_cell
from tests.examiner.test_examiner import examined
from tests.support.attacks import ATTACKS
from tests.support.attacks.attack import HONEST, Attack
from tests.support.attacks.autograd import ALONE
from tests.support.attacks.pages import SCRIPT
from tests.support.commands import nbgrader
from tests.support.processes import left, running
from tests.support.rooms import linux

ROOT = Path(__file__).resolve().parents[2]
POINTS = {"test-centred": 1.0, "test-dlogits": 2.0, "test-dh": 1.0, "test-dz": 1.0, "test-dW": 1.0, "test-perplexity": 1.0}
BY_HAND = 2.0
LIMITS = """
c.Examine.plain_tests = "apart"
c.Examine.cell_seconds = 2
c.Examine.notebook_seconds = 40
c.Examine.memory = 512 * 2**20
c.Examine.processes = 48
c.Examine.scratch = 32 * 2**20
"""
STOCK = """
for name in ("sanitize_preprocessors", "autograde_preprocessors", "exporter_class"):
    del c.Autograde[name]
"""
FEW = ("check-and-grade", "edits-tags")
"""Those that are always run without rooms too."""
HONESTLY = {
    "honest": Attack("answers"),
    "checks": Attack(
        "asks for verdicts too", {name: f"{source}\ncheck('{name}')" for name, source in HONEST.items() if name[0] == "d"}
    ),
}
SUBREAPER = 36

pytestmark = [
    linux,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),  # of nbgrader's own statements
]


@dataclass(frozen=True)
class Class:
    """What became of a class of these attacks, graded in two parts. `before` and `after` are what the host was like."""

    folder: Path
    names: Set[str]
    marks: Mapping[str, Mapping[str, Any]]
    failure: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reached: int

    def file(self, kind: str, student: str, name: str) -> Path:
        """A file of this kind of folder, of whichever part of the class the student is in."""
        return next(self.folder.glob(f"part-*/{kind}/{student}/ps/{name}"))

    def notebook(self, student: str) -> NotebookNode:
        return nbformat.read(self.file("autograded", student, "lesson.ipynb"), as_version=4)


def cell(name: str, source: str, **more: Any) -> NotebookNode:
    return graded_cell(name, source, new_markdown_cell if name == "explain" else new_code_cell, **more)


def lesson(marker: str) -> NotebookNode:
    """The instructor's notebook. The marker stands in hidden tests only, and in the memory that they use."""
    locked = {
        "setup": "%load_ext autograder\nimport math\n\nimport torch\nimport torch.nn.functional as F\n\n"
        "from autograder import check",
        "data": "g = torch.Generator().manual_seed(7)\nn = 16\nX = torch.randn(n, 5, generator=g)\n"
        "Y = torch.randint(0, 4, (n,), generator=g)\nW = torch.randn(5, 8, generator=g)\nV = torch.randn(8, 4, generator=g)",
        "forward": "%%forward --batch n X Y\nz = X @ W\nh = torch.tanh(z)\nlogits = h @ V\nloss = F.cross_entropy(logits, Y)",
    }
    hidden = {
        "centred": f'reference = torch.frombuffer(bytearray(b"{marker}"), dtype=torch.uint8).float()\n'
        f'text = "{marker}"\nassert torch.allclose(centred(reference), reference - reference.mean())\n'
        "assert (centred(X) == X - X.mean(0)).all()",
        "perplexity": f'assert abs(perplexity(1.0) - math.e) < 1e-6, "{marker}"\nassert abs(perplexity(0.0) - 1) < 1e-6',
    }
    shown = {"centred": "assert centred(torch.ones(3, 2)).shape == (3, 2)", "perplexity": "assert perplexity(0.0) != 0"}
    cells = [cell(name, source, locked=True) for name, source in locked.items()]
    for name, answer in HONEST.items():
        solution = f"### BEGIN SOLUTION\n{answer}\n### END SOLUTION"
        if name == "explain":
            cells.append(cell(name, "Why?", grade=True, solution=True, points=BY_HAND))
            continue
        test = hidden.get(name, f'# {marker}\nfrom autograder import grade\n\ngrade("{name}")')
        source = f"### BEGIN HIDDEN TESTS\n{test}\n### END HIDDEN TESTS"
        points, visible = POINTS[f"test-{name}"], shown.get(name, f'check("{name}")')
        cells += [
            cell(name, solution, solution=True),
            cell(f"test-{name}", f"{visible}\n{source}", grade=True, locked=True, points=points),
        ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel}, nbformat_minor=5)


def make_course(course: Path, marker: str, settings: str) -> None:
    (course / "source" / "ps").mkdir(parents=True)
    nbformat.write(lesson(marker), course / "source" / "ps" / "lesson.ipynb")
    config = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    (course / "nbgrader_config.py").write_text(config + settings, encoding="utf-8")
    nbgrader(course, "generate_assignment", "ps")


def hand_in(course: Path, student: str, attack: Attack, host: Mapping[str, str]) -> None:
    nb = deepcopy(nbformat.read(course / "release" / "ps" / "lesson.ipynb", as_version=4))
    for each in nb.cells:
        if each.id in HONEST:
            each.source = string.Template(attack.answers.get(each.id, HONEST[each.id])).safe_substitute(host)
    if attack.edit:
        attack.edit(nb)
    folder = course / "submitted" / student / "ps"
    folder.mkdir(parents=True)
    (folder / "lesson.ipynb").write_text(json.dumps(nb), encoding="utf-8")
    if attack.bring:
        attack.bring(folder, host)


def marks(course: Path) -> dict[str, dict[str, Any]]:
    """The points of each test, and whether the answer in words waits for its reader, by student."""
    with Gradebook(f"sqlite:///{course}/gradebook.db", course_id="backprop-ninja") as gradebook:
        return {
            submission.student.id: {
                grade.name: "waits" if grade.needs_manual_grade else grade.auto_score
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions("ps")
        }


def deserved(attack: Attack) -> dict[str, Any]:
    lost = {"explain" if name == "explain" else f"test-{name}" for name in attack.loses.split()}
    earned: dict[str, Any] = {name: 0.0 if name in lost else points for name, points in POINTS.items()}
    return {**earned, "explain": 0.0 if "explain" in lost else "waits"}


def look(courses: Path, home: Path, temporary: Path, token: str, others: Set[psutil.Process]) -> dict[str, Any]:
    """What an attack could have changed. Others work on the machine too: of what they share, only what has the token counts."""
    places = [
        Path(place) for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/", "/root", "/etc", "/usr/bin", "/dev/mqueue")
    ]
    places += [ROOT, ROOT / "autograder", Path(os.__file__).parent]
    grows = {"autograded", "feedback", "gradebook.db", "examiner.key", ".autograder.lock"}
    files = [
        path for path in courses.rglob("*") if not grows & {*path.relative_to(courses).parts[1:2]} and home not in path.parents
    ]
    return {
        "course": {
            str(path): (path.lstat().st_mode, path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
            for path in files
        },
        "home": {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()},
        "temporary": [str(path) for path in temporary.rglob("*")],
        "left": [str(path) for place in places if place.is_dir() for path in place.glob(f"*{token}*")],
        "mounts": Path("/proc/self/mounts").read_text(),
        "sockets": [line for line in Path("/proc/net/unix").read_text().splitlines() if token in line],
        "processes": left(others),
        "host": socket.gethostname(),
    }


def selected(session: pytest.Session) -> Set[str]:
    """The attacks whose own tests run: all of them, but for `pytest -k NAME`."""
    rows = (item.callspec for item in session.items if item.path == Path(__file__) and hasattr(item, "callspec"))
    return ATTACKS.keys() & {row.params.get("name") for row in rows}


@pytest.fixture(scope="module")
def graded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """One class: the attacks that are tested and two honest students, graded once.

    Orphans of what it starts become this process's own.
    """
    token, folder = f"token{secrets.token_hex(6)}", tmp_path_factory.mktemp("class")
    courses = [folder / token / f"part-{number}" for number in range(2)]
    home, temporary = folder / token / "home", folder / "temporary"
    for place in (home, temporary):
        place.mkdir(parents=True)
    (home / "secret").write_text("nobody's business", encoding="utf-8")
    listeners = [socket.create_server(("127.0.0.1", 0)), *(socket.socket(socket.AF_UNIX) for _ in range(2))]
    listeners[1].bind(f"/tmp/{token}-listens")
    listeners[2].bind(f"\0{token}")
    host = {"token": token, "home": str(home), "port": str(listeners[0].getsockname()[1]), "socket": f"/tmp/{token}-listens"}
    libc = ctypes.CDLL(None)
    libc.prctl(SUBREAPER, 1, 0, 0, 0)
    try:
        for listener in listeners:
            listener.listen()
            listener.setblocking(False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(home))
            patch.setenv("TMPDIR", str(temporary))
            names = sorted(selected(request.session), key=lambda name: not ATTACKS[name].bring)  # nbgrader copies these itself
            for course, part in zip(courses, (names[: len(names) // 10], names[len(names) // 10 :]), strict=True):
                make_course(course, f"HIDDEN-{secrets.token_hex(8)}", LIMITS)
                attacks = {name: ATTACKS[name] for name in part}
                for student, attack in {**attacks, **HONESTLY}.items():
                    hand_in(course, student, attack, {**host, "course": str(course)})
            others = running()
            before = look(folder / token, home, temporary, token, others)
            with ThreadPoolExecutor(len(courses)) as pool:
                failures = [*pool.map(grade, courses)]
            after = look(folder / token, home, temporary, token, others)
        reached = 0
        for listener in listeners:
            with suppress(BlockingIOError):
                listener.accept()[0].close()
                reached += 1
        told = [marks(course) for course in courses]
        assert all(told[0][student] == told[1][student] for student in HONESTLY)
        yield Class(folder / token, {*names}, told[0] | told[1], "".join(failures), before, after, reached)
    finally:
        libc.prctl(SUBREAPER, 0, 0, 0, 0)
        for listener in listeners:
            listener.close()
        Path(f"/tmp/{token}-listens").unlink()
        for closed in folder.glob("*/*/*/*/*/closed"):
            closed.chmod(0o755)
        shutil.rmtree(folder)


def grade(course: Path) -> str:
    """The commands of an instructor; what they say where they fail. The class is graded in both ways."""
    failure = ""
    commands = [("generate_feedback", "--CourseDirectory.student_id=page-*")] if any(course.glob("submitted/page-*")) else []
    if course.name == "part-0":
        commands.insert(0, ("autograde",))
    else:
        program = [sys.executable, "-c", "from autograder.cli.main import main; main()", "grade", "ps", "--jobs", "2"]
        done = subprocess.run(program, cwd=course, capture_output=True, text=True, env={**os.environ, "PATH": demo.PATH})
        failure = done.stdout + done.stderr if done.returncode > 1 else ""
    for command in commands:
        try:
            demo.nbgrader(course, *command, "ps")
        except RuntimeError as error:
            failure += str(error)
    return failure


def shown(nb: NotebookNode) -> str:
    """What the cells of a student showed."""
    texts = []
    for each in nb.cells:
        for output in each.get("outputs", ()) if each.metadata.get("nbgrader", {}).get("solution") else ():
            texts += [output.get("text", ""), output.get("ename", ""), ": ", output.get("evalue") or ""]
    return "".join(texts)


@pytest.mark.parametrize("name", ATTACKS)
def test_it_earns_nothing_and_costs_no_more(graded: Class, name: str) -> None:
    attack = ATTACKS[name]
    assert graded.marks[name] == deserved(attack), attack.tries
    nb = graded.notebook(name)
    text = shown(nb)
    assert "WORKED" not in text, text
    assert re.search(attack.shows, text, re.MULTILINE), text
    notes = "\n".join(nb.metadata.get("autograder", {}).get("notes", ()))
    assert re.search(attack.noted, notes), notes


@pytest.mark.parametrize("student", HONESTLY)
def test_honest_students_have_all_their_marks(graded: Class, student: str) -> None:
    assert graded.marks[student] == deserved(HONESTLY[student])


def test_nobody_is_missing(graded: Class) -> None:
    assert graded.marks.keys() == graded.names | HONESTLY.keys()


@pytest.mark.parametrize("student", ["honest", "checks"])
def test_honest_students_see_no_errors(graded: Class, student: str) -> None:
    nb = graded.notebook(student)
    assert [output for each in nb.cells for output in each.get("outputs", ()) if output.output_type == "error"] == []
    assert nb.metadata.autograder.notes == []


def test_no_submission_stops_the_commands(graded: Class) -> None:
    assert graded.failure == ""


@pytest.mark.parametrize("what", ["course", "home", "temporary", "left", "mounts", "sockets", "processes", "host"])
def test_the_host_is_as_it_was(graded: Class, what: str) -> None:
    assert graded.after[what] == graded.before[what]


def test_no_socket_of_the_host_was_reached(graded: Class) -> None:
    assert graded.reached == 0


class Live(HTMLParser):
    """Finds what a browser would run of what an attack shows: it says "live"."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        for name, value in attrs:
            text = (value or "").strip().lower()
            if name == "srcdoc" or (name.startswith("on") and "live" in text) or text.startswith("javascript:"):
                self.found.append(f"{tag} {name}")

    def handle_endtag(self, tag: str) -> None:
        self.tag = ""

    def handle_data(self, data: str) -> None:
        if self.tag == "script" and "live" in data:
            self.found.append("script")


@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith("page-")])
def test_nothing_that_was_shown_is_live_in_feedback(graded: Class, name: str) -> None:
    page = graded.file("feedback", name, "lesson.html").read_text(encoding="utf-8")
    reader = Live()
    reader.feed(page)
    assert reader.found == []


def test_a_display_of_a_test_is_its_own(graded: Class) -> None:
    nb = graded.notebook("page-answers-test")
    assert "FORGED" not in str([each.outputs for each in nb.cells if each.id.startswith("test-")])
    assert "FORGED" in next(each.source for each in nb.cells if each.id == "dz")


def test_what_is_live_is_found() -> None:
    for text in (SCRIPT, "<script>\nlive</script>", "<a href=' javascript:live'>", "<p ONCLICK=live>", "<iframe srcdoc=x>"):
        reader = Live()
        reader.feed(text)
        assert reader.found, text
    (reader := Live()).feed("<script>alive = 1</script><p class='&quot; onclick=live'>&lt;script&gt;live</p>")
    assert reader.found == ["script"]


EVERYTHING = r"""
import hashlib, os, re, secrets
control = ("CONT" + "ROL-" + secrets.token_hex(8)).encode()
open("control", "wb").write(control)
prefix = b"HID" + b"DEN-"
pattern = re.compile(prefix + b"[0-9a-f]{16}")
number = re.compile(b"[0-9a-f]{64}")
found, numbers, controls, seen = set(), set(), [0, 0], [0, 0]

def search(text, kind):
    seen[kind] += len(text)
    controls[kind] += text.count(control)
    if prefix in text:  # far faster than the pattern
        found.update(pattern.findall(text))

for line in open("/proc/self/maps").read().splitlines():
    span, rights, *_ = line.split()
    start, end = (int(part, 16) for part in span.split("-"))
    if rights[0] != "r":
        continue
    with open("/proc/self/mem", "rb", 0) as memory:
        for place in range(start, end, 2**22):
            try:
                memory.seek(place)
                text = memory.read(min(2**22 + 64, end - place))
                search(text, 0)
                if rights[1] == "w":
                    numbers.update(hashlib.sha256(each).hexdigest() for each in number.findall(text))
            except (OSError, OverflowError):
                pass
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in SKIPPED]
    for name in names:
        path = f"{folder}/{name}"
        if os.path.isfile(path) and not os.path.islink(path):
            try:
                search(open(path, "rb").read(2**24), 1)
            except OSError:
                pass
print(len(found), [count > 0 for count in controls], [size >> 20 for size in seen])
print(*sorted(numbers))
"""


SKIPPED = ["/proc", "/sys"]
if os.environ.get("ATTACKS") != "all":
    SKIPPED += ["/usr", *{os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix)}]
"""Where files are not searched: without ATTACKS=all, nor in what was installed before the tests."""


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    grader = Grader()
    yield grader
    grader.close()


def test_no_byte_of_a_hidden_test_is_in_a_room(grader: Grader, tmp_path: Path) -> None:
    """All memory that can be read, and all files, while the tests before and after it are known to the examiner."""
    marker, seed = f"HIDDEN-{secrets.token_hex(8)}", secrets.token_hex(32)
    hidden = (
        f'text = "{marker}"\nimport torch\nreference = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).clone()\n'
        "assert double(2) == 4"
    )
    student = "def double(x):\n    return 2 * x"
    prefix = Cell("prefix", Role.LOCKED, "start = 1")
    around = [
        Cell("double", Role.STUDENT, student, answers=frozenset({"double"})),
        Cell("test-double", Role.TEST, hidden, hidden),
        Cell("test-later", Role.TEST, f"assert double(3) == 6\n# {marker}", f"# {marker}"),
    ]
    search = Cell("search", Role.STUDENT, f"SKIPPED = {SKIPPED}\n{EVERYTHING}")
    limits = Limits(cell_seconds=100, notebook_seconds=200, memory=1024 * MIB)
    for _ in range(3):  # these tests have been there before, and the prefix runs ahead
        examined(grader, Exam([prefix, *around], {}, seed, limits), tmp_path, dict(os.environ))
    for first in (Cell("other", Role.LOCKED, "import os"), prefix):
        tasks = [first, *around[:2], search, around[2]]
        told = examined(grader, Exam(tasks, {}, seed, limits), tmp_path, dict(os.environ))
        found_in_all, numbers = told.outputs[3][0]["text"].split("\n")[:2]
        found, of_memory, of_files, in_memory, in_files = (
            found_in_all.replace(",", "").replace("[", "").replace("]", "").split()
        )
        assert (found, of_memory, of_files) == ("0", "True", "True")
        assert int(in_memory) > 50
        assert int(in_files) > (1000 if os.environ.get("ATTACKS") == "all" else 0)
        assert hashlib.sha256(seed.encode()).hexdigest() not in numbers.split()
        assert [told.outputs[place] for place in (2, 4)] == [[], []]


@pytest.mark.parametrize("name", ALONE)
def test_no_answer_comes_from_elsewhere(grader: Grader, tmp_path: Path, name: str) -> None:
    """The same for attacks that take longer: they have all the time that they need."""
    roles = {"grade": Role.TEST, "solution": Role.STUDENT, "locked": Role.LOCKED}
    tasks = []
    for each in (each for each in lesson("HIDDEN-" + "0" * 16).cells if each.cell_type == "code"):
        role = next(role for flag, role in roles.items() if each.metadata.nbgrader[flag])
        source = ALONE[name].answers.get(each.id, HONEST.get(each.id, each.source))
        tasks.append(Cell(each.id, role, source, answers=frozenset({each.id}) if role is Role.STUDENT else frozenset()))
    told = examined(grader, Exam(tasks, {}, "", Limits(cell_seconds=60)), tmp_path, dict(os.environ))
    lost = {task.id for task, outputs in zip(tasks, told.outputs, strict=True) if _stopped(outputs) and task.role is Role.TEST}
    assert lost == {f"test-{each}" for each in ALONE[name].loses.split()}


def _stopped(outputs: list[Any]) -> bool:
    return any(output["output_type"] == "error" for output in outputs)


def test_without_rooms_they_would_earn_full_marks(tmp_path: Path) -> None:
    """They are real: nbgrader's own Execute gives them what they want."""
    course = tmp_path / "course"
    make_course(course, "HIDDEN-" + "0" * 16, STOCK)
    names = [name for name, attack in ATTACKS.items() if attack.stock] if os.environ.get("ATTACKS") == "all" else FEW
    for name in names:
        hand_in(course, name, ATTACKS[name], {"home": str(tmp_path), "course": str(course), "token": "token"})
    nbgrader(course, "autograde", "ps")
    assert marks(course) == {name: {**deserved(Attack("")), "explain": "waits"} for name in names}
