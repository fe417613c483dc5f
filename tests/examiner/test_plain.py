"""Tests of ordinary assertions: what of them runs where, and what is left of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograder.course.cells import HIDDEN, Cell, Role, enclosed
from autograder.course.questions import APART, plain_tests
from autograder.examiner.plain import Parts, made_by_hidden_lines, parts_of
from autograder.replay.parsed import parse_cell
from tests.examiner.test_examiner import ExamRunner, locked, student
from tests.support.rooms import linux

pytestmark = linux


def plain(source: str) -> Cell:
    """A test in which `{` and `}`, each on a line, stand for the markers of hidden lines."""
    begin, end = HIDDEN
    lines = [line.replace("{", begin).replace("}", end) if line.strip() in ("{", "}") else line for line in source.split("\n")]
    text = "\n".join(lines)
    return Cell("test", Role.TEST, text, enclosed(text, HIDDEN))


BEGIN, END = HIDDEN


class TestParts:
    def test_without_hidden_lines_all_of_it_is_the_students_process_to_run(self) -> None:
        assert parts_of(plain("assert f(1)\n2")) == Parts("assert f(1)\n2", "", "")

    def test_hidden_lines_at_the_end_are_the_forks_and_keep_their_numbers(self) -> None:
        assert parts_of(plain("x = 1\nx\n{\nassert x\n}")) == Parts("x = 1\nx\npass", f"#\n#\n{BEGIN}\nassert x\n{END}", "")

    def test_what_stands_below_runs_in_the_fork_and_then_in_the_students_process(self) -> None:
        assert parts_of(plain("{\nx = 1\n}\ny = 2")) == Parts("", f"{BEGIN}\nx = 1\n{END}\ny = 2", f"{END}\ny = 2")

    def test_a_test_of_hidden_lines_only_leaves_nothing(self) -> None:
        assert parts_of(plain("{\nassert 1\n}")) == Parts("", f"{BEGIN}\nassert 1\n{END}", "")

    @pytest.mark.parametrize(
        "source", ["for x in y:\n    print(x)\n    {\n    assert x\n    }", "%%capture out\nf()\n{\nassert 1\n}"]
    )
    def test_where_lines_cannot_be_told_apart_the_fork_runs_all(self, source: str) -> None:
        test = plain(source)
        assert parts_of(test) == Parts("", test.source, test.shown)
        assert "assert" not in test.shown


class TestMadeByHiddenLines:
    def made(self, *cells: Cell, test: str) -> str:
        earlier = [(cell, parse_cell(cell.shown).touches) for cell in cells]
        return made_by_hidden_lines(earlier, parts_of(plain(test)))

    def test_definitions_that_the_test_needs_with_what_they_need(self) -> None:
        first = plain("{\nimport math\nunused = 1\nbase = 2\ndef area(r):\n    return base * math.pi * r\nassert area(1)\n}")
        code = "import math\nbase = 2\ndef area(r):\n    return base * math.pi * r"
        assert self.made(first, test="{\nassert area(2)\n}") == code
        assert self.made(first, test="{\nassert 1\n}") == ""

    def test_a_name_that_was_bound_since_is_not_theirs(self) -> None:
        first = plain("{\nx = 1\n}")
        assert self.made(first, test="{\nassert x\n}") == "x = 1"
        assert self.made(first, student("x = 2"), test="{\nassert x\n}") == ""
        assert self.made(first, test="x = 3\n{\nassert x\n}") == ""
        assert self.made(first, test="{\nx = 3\nassert x\n}") == ""


class TestWhichAreTests:
    """Which tests are plain stands in the notebook."""

    def of(self, *sources: str, given: str = "from autograder import build_dataset, check") -> set[str]:
        tests = [Cell(source, Role.TEST, source) for source in sources]
        return {*plain_tests([Cell("given", Role.LOCKED, given), *tests])}

    def test_a_call_of_a_verb_is_a_question(self) -> None:
        assert self.of("check('x')", "assert x == 1", "from autograder import grade\ngrade('x')") == {"assert x == 1"}
        assert self.of("assert build_dataset") == {"assert build_dataset"}

    def test_a_verb_may_have_another_name_or_be_called_by_a_locked_function(self) -> None:
        given = "from autograder import check as ask\ndef verify(n):\n    ask(n)\ndef also(n):\n    verify(n)"
        assert self.of("also('x')", "ask('x')", "check('x')", given=given) == {"check('x')"}
        assert self.of("autograder.check('x')", given="import autograder") == set()
        assert self.of("check('x')", given="from autograder import *") == set()

    def test_a_course_may_have_a_check_of_its_own(self) -> None:
        assert self.of("check(f(1))", given="def check(ok):\n    assert ok") == {"check(f(1))"}

    def test_a_line_says_that_a_test_runs_apart(self) -> None:
        assert self.of(f"{APART}\nassert 1") == set()
        assert self.of("%%time\ncheck('x')", "%%time\nassert 1") == {"%%time\nassert 1"}


class TestInRooms:
    def test_hidden_lines_leave_nothing_in_the_students_process(self, examine: ExamRunner) -> None:
        told = examine(
            student("made = []\ndef f(x):\n    made.append(x)\n    return x"),
            plain("assert f(1) == 1\n{\nmarker_of_hidden = 'a' 'bc'\nassert f(2) == 2\nassert made == [1, 2]\n}"),
            student("print(made, 'marker_of_hidden' in globals(), any('marker' in each for each in In[:-1]))"),
            plain=True,
        )
        assert told.errors() == ["", "", ""]
        assert told.shown(2) == "[1] False False\n"

    def test_no_text_of_hidden_lines_is_in_the_memory_of_the_students_process(self, examine: ExamRunner) -> None:
        """Looked for by its first half, which the searching cell does not have in one piece."""
        search = """
import re
found = 0
with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb') as memory:
    for line in maps:
        start, end = (int(each, 16) for each in line.split()[0].split('-'))
        if 'rw' in line and end - start < 2**28:
            memory.seek(start)
            try:
                text = memory.read(end - start)
            except OSError:
                continue
            found += text.count(b'zebra' + WORD)
            del text
print(found)
"""
        word = student("WORD = bytes([95, 113, 117, 97, 103, 103, 97])")
        hidden = plain("{\nzebra_quagga = 1\nassert zebra_quagga\n}")
        shown = plain("zebra_quagga = 1")
        told = examine(word, hidden, student(search), plain=True)
        assert (told.errors(), told.shown(2)) == (["", "", ""], "0\n")
        told = examine(word, shown, student(search), plain=True)  # what students see is there: the search finds things
        assert told.errors() == ["", "", ""]
        assert int(told.shown(2)) > 0

    def test_what_was_left_running_cannot_read_the_fork(self, examine: ExamRunner) -> None:
        spy = """
import os, threading, time
me, seen = os.getpid(), []
def watch():
    while True:
        for name in os.listdir('/proc'):
            if name.isdigit() and int(name) not in (1, me):
                try:
                    parent = int(open(f'/proc/{name}/stat').read().rpartition(')')[2].split()[1])
                    if parent == me:
                        open(f'/proc/{name}/mem', 'rb').close()
                        seen.append('read')
                except PermissionError:
                    seen.append('refused')
                except OSError:
                    pass
        time.sleep(0.001)
threading.Thread(target=watch, daemon=True).start()
"""
        told = examine(
            student(spy),
            plain("{\nimport time\ntime.sleep(0.3)\n}"),
            student("print({*seen})"),
            plain=True,
        )
        assert (told.errors(), told.shown(2)) == (["", "", ""], "{'refused'}\n")

    @pytest.mark.parametrize(
        "ending", ["import os\nos._exit(0)", "import os\nos._exit(3)", "import ctypes\nctypes.string_at(0)"]
    )
    def test_a_fork_that_ends_costs_its_test(self, examine: ExamRunner, ending: str) -> None:
        told = examine(
            student(f"def f():\n    {'; '.join(ending.split(chr(10)))}"),
            plain("{\nf()\n}"),
            plain("{\nassert 1\n}"),
            plain=True,
        )
        errors = told.errors()
        assert errors[1] != ""
        assert (errors[0], errors[2]) == ("", "")

    def test_a_fork_that_does_not_end_is_stopped_and_the_rest_goes_on(self, examine: ExamRunner) -> None:
        told = examine(
            student("kept = 1\ndef f():\n    while True:\n        pass"),
            plain("{\nf()\n}"),
            plain("{\nassert kept == 1\n}"),
            plain=True,
            cell_seconds=1,
        )
        assert told.errors() == ["", "KeyboardInterrupt: the cell did not end within 1 s", ""]
        assert told.notes == ["The cell `cell-1` did not end within 1 s."]

    @pytest.mark.parametrize("in_room", [True, False])
    def test_a_traceback_shows_no_hidden_line(self, examine: ExamRunner, in_room: bool) -> None:
        shown, hidden = plain("x = 1\nassert x == 2, 'two'\n{\nassert 1\n}"), plain("x = 1\n{\nassert x == 3, 'three'\n}")
        told = examine(shown, hidden, plain=in_room)
        assert ("assert x == 2" in told.traceback(0)) is in_room  # apart, hidden lines stand beside it
        assert told.traceback(1) == told.error(1) == "AssertionError: three"
        examine.environment = {**os.environ, "HIDDEN_TESTS_SAY": "outcome"}
        try:
            told = examine(shown, hidden, plain=in_room)
        finally:
            examine.environment = None
        assert (told.error(0), told.error(1)) == ("AssertionError: two", "AssertionError: a hidden test fails")

    def test_what_a_judged_test_made_is_there_for_a_plain_one(self, examine: ExamRunner) -> None:
        told = examine(student("x = 2"), plain(f"{APART}\ny = x + 1"), plain("assert y == 3"), plain=True)
        assert told.errors() == ["", "", ""]

    def test_locked_cells_run_once_where_nothing_is_judged(self, examine: ExamRunner) -> None:
        """In the examiner a locked cell that needs the student's own class could not run."""
        told = examine(
            student("class Net(dict):\n    pass"),
            locked("net = Net(a=1)\nassert {**net} == {'a': 1}"),
            plain("assert net['a'] == 1"),
            plain=True,
        )
        assert (told.errors(), told.notes) == (["", "", ""], [])

    def test_autograd_is_there_if_the_exam_says_so(self, examine: ExamRunner) -> None:
        cells = (
            student("import torch\nw = torch.ones(2, requires_grad=True)"),
            plain("w.sum().backward()\nassert w.grad.sum() == 2"),
        )
        for _ in range(3):  # from the second on, the prefix of a notebook may have run in advance
            assert examine(locked("import torch"), *cells, plain=True, autograd=True).errors() == ["", "", ""]
            assert "AutogradOff: autograd is switched off" in examine(locked("import torch"), *cells, plain=True).error(2)

    def test_stderr_of_a_test_is_noted(self, examine: ExamRunner) -> None:
        told = examine(plain("import sys\nprint('x', file=sys.stderr)"), plain=True)
        assert told.shown(0, "stderr") == "x\n"
        assert told.notes == ["The test `cell-0` wrote to stderr, for which nbgrader gives no points."]


class TestFailures:
    """What is no fault of the student's is said as such."""

    MISSING = (
        "The cell `cell-1` imports `nothing_of_this_name`, which is not installed here: nobody gets the points that depend on "
        "it. Install it where notebooks are graded, and grade all again."
    )

    @pytest.mark.parametrize("in_room", [True, False])
    def test_a_module_that_is_missing_costs_its_cell(self, examine: ExamRunner, in_room: bool) -> None:
        test = plain("{\nimport nothing_of_this_name\nassert nothing_of_this_name\n}")
        told = examine(
            student("x = 1"),
            test,
            plain("{\nassert x == 1\n}"),
            imports={"nothing_of_this_name": "import nothing_of_this_name"},
            plain=in_room,
        )
        assert told.errors() == ["", "ModuleNotFoundError: No module named 'nothing_of_this_name'", ""]
        assert told.failures == [self.MISSING]

    def test_a_module_that_the_student_wants_is_the_students_affair(self, examine: ExamRunner) -> None:
        told = examine(student("def f():\n    import nothing_of_this_name"), plain("f()"), plain=True)
        assert told.error(1) == "ModuleNotFoundError: No module named 'nothing_of_this_name'"
        assert told.failures == []

    def test_what_cannot_cross_is_said_where_tests_run_apart(self, examine: ExamRunner) -> None:
        net = student("class Net:\n    pass\nnet = Net()\ndef f(x):\n    return x")
        told = examine(net, plain("assert isinstance(net, dict)"), plain("f(object())"), plain("assert f(1) == 2"))
        assert [error.partition(":")[0] for error in told.errors()] == ["", "AssertionError", "TypeError", "AssertionError"]
        said = (
            "The test `cell-{}` stopped, perhaps through no fault of the student's: it runs apart from the student's code, and "
            "{}. Look at the record, or let it run in the room (c.Examine.plain_tests)."
        )
        assert told.failures[0] == said.format(1, "an object of the class `Net` stays in the room")
        assert told.failures[1].startswith("The test `cell-2` stopped")
        assert "a value of type `object` cannot be sent into the room" in told.failures[1]
        assert len(told.failures) == 2


def test_the_memory_of_a_fork_counts(tmp_path: Path) -> None:
    """A hidden test that takes too much memory ends the room, and costs itself."""
    examine = ExamRunner(tmp_path)
    try:
        told = examine(
            student("kept = 1"),
            plain("{\nhog = [bytearray(2**20) for _ in range(400)]\n}"),
            plain("{\nassert kept == 1\n}"),
            plain=True,
            memory=200 * 2**20,
        )
    finally:
        examine.grader.close()
    assert told.error(1).startswith(("MemoryError", "OutOfMemory"))
    assert (told.error(0), told.error(2)) == ("", "")
