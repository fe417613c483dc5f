from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import chain

import pytest

# Tests run side by side; threads of torch would only fight over the processors. Kernels inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

from autograder.diagnosis import repair
from scripts import demo
from tests.support.lesson import Lesson

if not shutil.which("alembic"):  # which nbgrader calls by name, also where the environment is not activated
    os.environ["PATH"] = demo.PATH

# On a busy machine a search must not end early, and say less: only the number of changes ends it here.
repair.MAX_SECONDS = 60.0


SYSTEM = [
    *("room", "hardening"),
    "forms",
    *("attacks", "plain_tests", "restart", "classroom", "odd", "course", "prefix_server", "exchange", "jupyterlab"),
    *("sanitised", "scale", "bulk", "full_disk"),
    *("restore", "formgrader", "pool", "checker", "trial", "catalogue", "linter", "examiner", "examine", "capture"),
    *("slicing", "learner_verbs", "daemon", "watch", "autograd_off", "proxies", "namespace", "conversion", "rows"),
    *("story", "plain", "plain_attacks", "oracles", "memory", "agreement", "exercise_verb", "instructors", "asks_in_rooms"),
    *("marks_of_asks", "add_your_own", "odd_text", "aftereffects", "setup", "training"),
    *("autograd_reach", "model_answers", "on_path", "same_marks"),
    *("pages", "figures", "elsewhere", "clusters"),
]
"""Modules with tests that need a room, a server, a browser or processes of their own, and one that takes minutes.

They are begun first: those that fork this process while it is small, then slow ones, so that none ends alone. `make test-fast`
leaves them out.
"""


SLOW = ["mutation", "masks", "axes", "collected", "blind"]
"""Modules that take ten seconds of a processor or more: left out by `make test-fast` as well."""


SLOWEST_MODULES = 30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {f"test_{name}": place for place, name in enumerate([*SYSTEM, *SLOW])}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
    for item in items:
        for marker, modules in ((pytest.mark.system, SYSTEM), (pytest.mark.slow, SLOW)):
            if item.path.stem.removeprefix("test_") in modules:
                item.add_marker(marker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says where the time of the suite goes, by module: it has to stay under half an hour."""
    seconds = Counter[str]()
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            seconds[report.location[0]] += report.duration
    if len(seconds) > SLOWEST_MODULES:
        terminalreporter.section(f"slowest {SLOWEST_MODULES} of {len(seconds)} modules, of {seconds.total():.0f} s")
        for module, taken in seconds.most_common(SLOWEST_MODULES):
            terminalreporter.write_line(f"{taken:.0f} s {module}")


@pytest.fixture(scope="module")
def lesson() -> Callable[[str], Lesson]:
    """Solved notebooks by name, each run once for the tests of a module."""
    lessons: dict[str, Lesson] = {}

    def of(name: str) -> Lesson:
        if name not in lessons:
            lessons[name] = Lesson(name)
        return lessons[name]

    return of
