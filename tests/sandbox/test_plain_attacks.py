"""Attacks on ordinary tests, which run in the room: what holds there, what does not, and that it holds where they run apart.

docs/security.md has a row for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.course.cells import Cell, Role
from tests.examiner.test_examiner import ExamRunner, student
from tests.support.rooms import linux

pytestmark = linux
SECURITY = Path(__file__).resolve().parents[2] / "docs" / "security.md"
SECRET = "quagga"

HIDDEN = f"### BEGIN HIDDEN TESTS\nsecret = '{SECRET}'\nassert double(21) == 42, secret"
TEST = Cell("test", Role.TEST, f"assert double(1) == 2\n{HIDDEN}\n### END HIDDEN TESTS", HIDDEN)
WRONG = "def double(x):\n    return 2 if x == 1 else 0"


@dataclass(frozen=True)
class Attack:
    """`tries` is its row in docs/security.md. It `earns` the mark of a test in the room, or shows what it should not have."""

    tries: str
    source: str
    earns: bool = False
    leaks: bool = False
    after: str = ""


ATTACKS = {
    "replaces-torch": Attack(
        "A student replaces what the test calls: a builtin, a function of torch, an operator.",
        """
import builtins
class Everything(int):
    def __eq__(self, other):
        return True
    def __hash__(self):
        return 0
def double(x):
    return Everything()""",
        earns=True,
    ),
    "removes-assertions": Attack(
        "A student has IPython leave the assertions out.",
        f"""
import ast
class Without(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)
Without.__module__ = "ast"  # one of the notebook's own would be taken out when the cell has ended
get_ipython().ast_transformers.append(Without())
{WRONG}""",
        earns=True,
    ),
    "forges-the-record": Attack(
        "A student replaces the agent's own code, which runs in the same process, and writes the record of the test.",
        f"""
import gc
agent = next(o for o in gc.get_objects() if type(o).__name__ == "Agent")
told = {{"messages": [], "error": None, "stop": None, "cut": False, "ended": 1, "lingers": False}}
agent.questions["run"] = lambda **details: told
{WRONG}""",
        earns=True,
    ),
    "reads-the-running-test": Attack(
        "Code that the test calls reads the text of the test that is running, and shows it or leaves it in a file of the room.",
        """
import sys
def double(x):
    if x == 21:
        open('seen.txt', 'w').write(str(sys._getframe(1).f_globals.get('secret')))
    return 2 * x""",
        earns=True,
        leaks=True,
        after="print(open('seen.txt').read())",
    ),
    "reads-what-was": Attack(
        "A later cell looks for a hidden test in the names, the history and the memory of its process.",
        "def double(x):\n    return 2 * x",
        earns=True,
        after="""
import gc
print([name for name in globals() if 'secret' in name], [text for text in In if 'qua' + 'gga' in text])
print([o for o in gc.get_objects() if isinstance(o, dict) and 'secret' in o and o is not globals()][:1])""",
    ),
    "answers-from-the-shown-lines": Attack(
        "A student answers for the lines that students see, and is wrong in the hidden ones.",
        WRONG,
    ),
    "ends-the-process": Attack(
        "Code that the test calls ends the process, as by `os._exit`.",
        "import os\ndef double(x):\n    if x > 1:\n        os._exit(0)\n    return 2 * x",
    ),
    "never-ends": Attack(
        "Code that the test calls never ends.",
        "def double(x):\n    while x > 1:\n        pass\n    return 2 * x",
    ),
    "reads-the-host": Attack(
        "Code that the test calls reads files of the host: the gradebook, the source, other submissions.",
        """
import glob
def double(x):
    found = [*glob.glob('/**/gradebook.db', recursive=True), *glob.glob('/root/*'), *glob.glob('/home/*/*')]
    assert found, 'nothing'
    return 2 * x""",
    ),
    "uses-the-network": Attack(
        "Code that the test calls uses the network.",
        """
import socket
def double(x):
    socket.create_connection(('127.0.0.1', 9), timeout=1)
    return 2 * x""",
    ),
}


@pytest.fixture(scope="module")
def examine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamRunner]:
    examine = ExamRunner(tmp_path_factory.mktemp("submission"))
    yield examine
    examine.grader.close()


@pytest.mark.parametrize("name", ATTACKS)
def test_in_the_room_it_earns_and_shows_what_the_table_says(examine: ExamRunner, name: str) -> None:
    attack = ATTACKS[name]
    told = examine(student(attack.source), TEST, student(attack.after or "1"), student("2"), plain=True, cell_seconds=5)
    assert (told.error(1) == "") is attack.earns
    assert (SECRET in told.shown(2)) is attack.leaks
    assert told.error(3) == ""  # the rest of the notebook goes on


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.earns or attack.leaks])
def test_apart_it_earns_and_shows_nothing(examine: ExamRunner, name: str) -> None:
    attack = ATTACKS[name]
    told = examine(student(attack.source), TEST, student(f"{attack.after or '1'}\n'ran'"), cell_seconds=5)
    is_right = "return 2 * x" in attack.source
    assert (told.error(1) == "") is is_right
    assert SECRET not in told.shown(2)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_page_has_a_row_that_says_so(name: str) -> None:
    attack = ATTACKS[name]
    row = next(line for line in SECURITY.read_text(encoding="utf-8").splitlines() if attack.tries in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == attack.tries
    holds = not attack.leaks and (not attack.earns or "return 2 * x" in attack.source)
    assert cells[1].startswith("yes" if holds else "no")
    assert f"`{name}`" in cells[3]
