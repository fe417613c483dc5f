"""Notebooks examined: students' cells in rooms, tests beside them, through a real grader."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.course.cells import Cell, Role
from autograder.course.questions import plain_tests
from autograder.examiner.exam import Exam, ExamResult
from autograder.examiner.prefix import locked_prefix
from autograder.forkserver.client import Client
from autograder.forkserver.job import Job
from autograder.grading.outputs import outputs
from autograder.sandbox.limits import MIB, Limits
from tests.support.rooms import linux

pytestmark = linux
NOWHERE = Path("/nonexistent")
TEXT = "text/plain"


def student(source: str, answers: str = "") -> Cell:
    return Cell("", Role.STUDENT, source, answers=frozenset(answers.split()))


def locked(source: str) -> Cell:
    return Cell("", Role.LOCKED, source)


def test(source: str, hidden: str = "") -> Cell:
    return Cell("", Role.TEST, f"{source}\n{hidden}" if hidden else source, hidden)


test.__test__ = False  # type: ignore[attr-defined]


class Examined:
    """What came of a notebook."""

    def __init__(self, exam: Exam, result: ExamResult) -> None:
        messages, roles = [cell.messages for cell in result.cells], [task.role for task in exam.tasks]
        self.outputs: list[list[dict[str, Any]]] = outputs(messages, roles)
        self.notes = [*result.notes]
        self.failures = [*result.failures]
        self.verdicts = [cell.verdicts for cell in result.cells]
        nbformat.validate(new_notebook(cells=[new_code_cell(outputs=each) for each in self.outputs]))

    def error(self, number: int) -> str:
        """What a cell stopped with; nothing if it ended well."""
        errors = [output for output in self.outputs[number] if output["output_type"] == "error"]
        assert len(errors) <= 1
        return f"{errors[0]['ename']}: {errors[0]['evalue']}" if errors else ""

    def errors(self) -> list[str]:
        return [self.error(number) for number in range(len(self.outputs))]

    def shown(self, number: int, stream: str = "stdout") -> str:
        """What a cell printed."""
        return "".join(output["text"] for output in self.outputs[number] if output.get("name") == stream)

    def traceback(self, number: int) -> str:
        """The lines that a cell's error came through, without colours."""
        lines = (line for output in self.outputs[number] for line in output.get("traceback", ()))
        return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(lines))


def examined(client: Client, exam: Exam, folder: Path, environment: Mapping[str, str] | None = None) -> Examined:
    """What comes of an exam, in a course without files of its own."""
    job = Job(exam, folder, NOWHERE, environment or {"PATH": os.environ["PATH"]}, locked_prefix(exam.tasks))
    return Examined(exam, client.examine(job))


class ExamRunner:
    """A grader for the tests of a module."""

    def __init__(self, folder: Path, sandbox: bool = True) -> None:
        self.grader = Client(sandbox)
        self.folder = folder
        self.environment: Mapping[str, str] | None = None

    def __call__(
        self,
        *tasks: Cell,
        imports: Mapping[str, str] | None = None,
        seed: str = "seed",
        plain: bool = False,
        autograd: bool = False,
        models: Mapping[str, str] | None = None,
        **limits: Any,
    ) -> Examined:
        """With `plain` the tests that ask no question run in the room."""
        named = [Cell(f"cell-{number}", *list(vars(task).values())[1:]) for number, task in enumerate(tasks)]
        in_room = plain_tests(named) if plain else frozenset[str]()
        exam = Exam(named, imports or {}, seed, Limits(**{"cell_seconds": 20, **limits}), in_room, autograd, models or {})
        return examined(self.grader, exam, self.folder, self.environment)


def kinds(told: Examined) -> list[str]:
    """The kind of error of each cell."""
    return [error.partition(":")[0] for error in told.errors()]


class TestRecord:
    def test_outputs_stand_in_their_cells_in_order(self, examine: ExamRunner) -> None:
        told = examine(
            locked("print('locked')\n1"),
            student("print('a')\n2"),
            test("print('test')\n0.5"),
            student("3"),
        )
        kinds = [[output["output_type"] for output in each] for each in told.outputs]
        assert kinds == [["stream", "execute_result"]] * 3 + [["execute_result"]]
        results = [each[-1] for each in told.outputs]
        assert [each["execution_count"] for each in results] == [1, 2, 3, 4]
        assert [each["data"][TEXT] for each in results] == ["1", "2", "0.5", "3"]
        assert told.notes == []

    def test_an_error_has_its_traceback(self, examine: ExamRunner) -> None:
        told = examine(student("def f():\n    return 1 / 0\nf()"), test("assert 1 == 2, 'no'"), locked("1 / 0"))
        assert told.errors()[:2] == ["ZeroDivisionError: division by zero", "AssertionError: no"]
        assert "return 1 / 0" in told.traceback(0)
        assert "assert 1 == 2" in told.traceback(1)
        assert told.error(2) == "ZeroDivisionError: division by zero"

    def test_a_warning_in_a_test_that_passes_costs_nothing(self, examine: ExamRunner) -> None:
        warning = "import sys, warnings\nwarnings.warn('careful')\nprint('low', file=sys.stderr)"
        told = examine(test(warning), test(f"{warning}\nassert False"), student(warning))
        assert "careful" in told.shown(0)
        assert told.shown(0, "stderr") == ""
        assert "careful" in told.shown(1, "stderr")
        assert "careful" in told.shown(2, "stderr")
        assert told.notes == ["The test `cell-0` passed with a warning, which costs no marks."]

    def test_no_display_of_a_student_changes_that_of_a_test(self, examine: ExamRunner) -> None:
        forged = "from IPython.display import display\ndisplay('forged', display_id='v', update={})"
        told = examine(
            student(forged.format(False)),
            test("from IPython.display import display\nassert True\n_ = display('verdict', display_id='v')"),
            student(forged.format(True)),
        )
        assert told.errors() == [""] * 3
        assert [output["data"][TEXT] for output in told.outputs[1]] == ["'verdict'"]
        assert told.outputs[0][0]["data"][TEXT] == "'forged'"

    def test_no_message_of_another_kind_gets_through(self, examine: ExamRunner) -> None:
        source = (
            "shell = get_ipython()\nsession = shell.display_pub.session\n"
            "for kind in ('execute_reply', 'nonsense', 'error', 'stream', 'execute_result'):\n"
            "    session.messages.append({'msg_type': kind, 'content': {'ename': 5}})\n"
            "session.messages.append('nonsense')\nprint('fine')"
        )
        assert examine(student(source), test("1")).outputs[1][0]["data"] == {TEXT: "1"}

    def test_the_same_seed_gives_the_same_record(self, examine: ExamRunner) -> None:
        tasks = (student("import random\nx = {1: 2}"), test("print(x)\nx"), test("assert x == 3, x"))
        assert examine(*tasks).outputs == examine(*tasks).outputs


class TestTime:
    def test_a_cell_that_takes_too_long_is_interrupted_and_the_next_ones_run(self, examine: ExamRunner) -> None:
        endless = "x = 1\nprint('begun')\nwhile True:\n    pass"
        told = examine(student(endless), student("y = x + 1"), test("assert y == 2"), cell_seconds=0.5)
        assert told.error(0) == "KeyboardInterrupt: the cell did not end within 0.5 s"
        assert "while True" in told.traceback(0)
        assert told.shown(0).startswith("begun")
        assert told.errors()[1:] == ["", ""]
        (note,) = told.notes
        assert note.startswith("The cell `cell-") and note.endswith("did not end within 0.5 s.")

    def test_a_loop_that_ignores_interrupts_costs_its_cell_alone(self, examine: ExamRunner) -> None:
        deaf = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nz = 1\nwhile True:\n    pass"
        told = examine(
            student("x = 1"), student(deaf), student("y = x + 1"), test("assert y == 2"), test("z"), cell_seconds=0.5
        )
        assert told.error(1).startswith("Died: the process of the notebook ended in this cell")
        assert kinds(told)[2:] == ["", "", "NameError"]
        assert len(told.notes) == 1

    def test_a_test_that_takes_too_long_is_interrupted(self, examine: ExamRunner) -> None:
        told = examine(student("x = 1"), test("while True:\n    pass"), test("assert x == 1"), cell_seconds=0.3)
        assert kinds(told) == ["", "KeyboardInterrupt", ""]

    def test_the_time_of_a_notebook_is_limited(self, examine: ExamRunner) -> None:
        tasks = [student("import time\ntime.sleep(0.4)")] * 5
        began = time.monotonic()
        told = examine(student("x = 1"), test("assert x == 1"), *tasks, test("assert x == 1"), notebook_seconds=1)
        assert time.monotonic() - began < 15
        assert told.errors()[:2] == ["", ""]
        assert told.error(-1) == "OutOfTime: the notebook did not end within 1 s: this cell was not run"


class TestDeath:
    def test_an_exit_costs_its_cell_alone(self, examine: ExamRunner) -> None:
        told = examine(
            student("x = [1]"),
            test("assert x == [1]"),
            student("x.append(2)\nimport os\nos._exit(0)"),
            student("y = x + [3]"),
            test("assert y == [1, 3]"),
        )
        assert kinds(told) == ["", "", "Died", "", ""]
        assert told.notes[0].startswith("The process of the notebook ended in the cell `cell-2`:")

    def test_a_kill_costs_its_cell_alone(self, examine: ExamRunner) -> None:
        told = examine(student("x = 1"), student("import os\nos.kill(os.getpid(), 9)"), test("assert x == 1"))
        assert kinds(told) == ["", "Died", ""]

    def test_what_happens_later_costs_the_cell_in_which_it_happens(self, examine: ExamRunner) -> None:
        later = "import os, threading\nthreading.Timer(0.2, os._exit, [0]).start()"
        told = examine(
            student("x = 1"), test("assert x == 1"), student(later), student("import time\ntime.sleep(5)"), test("x")
        )
        assert told.errors()[:2] == ["", ""]
        assert "Died" in kinds(told)

    def test_deaths_are_limited(self, examine: ExamRunner) -> None:
        exits = [student("import os\nos._exit(0)")] * 8
        told = examine(student("x = 1"), test("assert x == 1"), *exits, test("assert x == 1"), test("assert 1 == 1"))
        assert kinds(told)[:7] == ["", "", *["Died"] * 5]
        assert all("not started again" in told.error(number) for number in (7, 8, 9))
        assert "not started again" not in told.error(6)
        assert kinds(told)[-2:] == ["Died", ""]

    def test_a_child_that_stays_does_not_answer(self, examine: ExamRunner) -> None:
        forks = "import os\nx = 1\nif os.fork() == 0:\n    x = 2"
        told = examine(student(forks), test("assert x == 1"), student("x = 3"), test("x"))
        assert told.errors() == [""] * 4
        assert told.outputs[3][0]["data"] == {TEXT: "3"}


class TestLimits:
    def test_memory(self, examine: ExamRunner) -> None:
        told = examine(student("x = 1"), student("much = bytearray(10**9)"), test("assert x == 1"), memory=300 * MIB)
        assert kinds(told)[1] in ("MemoryError", "Died")
        assert told.error(2) == ""

    def test_memory_of_several_processes_together(self, examine: ExamRunner) -> None:
        source = (
            "import os, time\nfor _ in range(6):\n    if os.fork() == 0:\n"
            "        much = bytearray(b'x') * (250 * 2**20)\n        time.sleep(30)\n        os._exit(0)\n"
            "x = sum(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(6))"
        )
        told = examine(student("x = 1"), student(source), test("assert x == 6 * -9"), memory=400 * MIB)
        assert told.errors() == [""] * 3
        note = "Processes that the notebook had started took more than 419,430,400 bytes of memory, and were killed."
        assert told.notes == [note]

    def test_output_of_a_cell(self, examine: ExamRunner) -> None:
        told = examine(
            student("print('x' * 5000)\nprint('y')\nx = 1"), test("print('z' * 5000)\nassert x == 1"), cell_output=1000
        )
        for number, letter in ((0, "x"), (1, "z")):
            assert told.shown(number).startswith(letter * 1000 + "\n[cut off: a cell may show 1,000 bytes")
        assert told.errors() == ["", ""]

    def test_output_of_all_cells(self, examine: ExamRunner) -> None:
        told = examine(*[student("print('x' * 900)")] * 5, test("assert 1 == 1"), cell_output=1000, output=3000)
        assert "x" * 900 in told.shown(0)
        assert sum(told.shown(number).count("x") for number in range(5)) <= 3000
        assert "cut off" in told.shown(4)

    def test_processes(self, examine: ExamRunner) -> None:
        source = "import os\npids = []\nfor _ in range(100):\n    pid = os.fork()\n    if pid == 0:\n        import time\n"
        source += "        time.sleep(60)\n        os._exit(0)\n    pids.append(pid)"
        told = examine(student("x = 1"), student(source), test("assert x == 1"), test("assert len(pids) < 20"), processes=20)
        assert kinds(told)[1] == "BlockingIOError"
        assert told.errors()[2:] == ["", ""]

    def test_an_answer(self, examine: ExamRunner) -> None:
        told = examine(student("big = b'x' * 10**7\nx = 1"), test("len(big)"), test("assert x == 1"), answer=10**6)
        assert told.error(1) != ""
        assert told.error(2) == ""


class TestRefusals:
    """What a room refused is noted for the instructor."""

    @pytest.mark.parametrize(
        ("source", "noted"),
        [
            ("import os\nos.mkdir('/usr/mine')", "OSError: [Errno 30] Read-only file system"),
            ("import socket\nsocket.create_connection(('192.0.2.1', 80), 1)", "OSError: [Errno 101] Network is unreachable"),
            ("import torch\ntorch.ones(2, requires_grad=True).sum().backward()", "AutogradOff: autograd is switched off"),
            ("hoard = bytearray(2**40)", "MemoryError: "),
            ("import torch\nhoard = torch.zeros(2**40)", "it makes a tensor that needs more memory than there is."),
        ],
    )
    def test_it_is_noted(self, examine: ExamRunner, source: str, noted: str) -> None:
        (note,) = examine(student("x = 1"), student(source)).notes
        assert note.startswith("The sandbox blocked something in the cell `")
        assert f": {noted}" in note

    @pytest.mark.parametrize("source", ["1 / 0", "open('not there')", "raise OSError('mine')", "x ="])
    def test_a_mistake_is_none(self, examine: ExamRunner, source: str) -> None:
        assert examine(student(source)).notes == []

    def test_what_takes_too_long_or_too_much_is_noted(self, examine: ExamRunner) -> None:
        examined = examine(student("while True:\n    pass"), student("print('x' * 100)"), cell_seconds=1, cell_output=50)
        late, cut = examined.notes
        assert late.endswith("did not end within 1 s.") and cut.endswith("showed more than it may: the rest was cut off.")

    def test_a_cell_that_takes_long_to_parse_costs_itself_and_no_test_above_it(self, examine: ExamRunner) -> None:
        tests = test("assert x == 1"), test("assert x + x == 2"), test("y = 3\nassert x < y")
        below = student("z = y"), test("assert z == 3")
        told = examine(student("x = 1"), *tests, student("%x\n" * 600), *below, cell_seconds=1, notebook_seconds=12)
        assert kinds(told) == ["", "", "", "", "KeyboardInterrupt", "", ""]
        assert told.notes == ["The cell `cell-4` did not end within 1 s."]
        assert told.failures == []

    def test_no_cell_is_parsed_for_longer_than_the_notebook_has(self, examine: ExamRunner) -> None:
        began = time.monotonic()
        slow = [student("%x\n" * count) for count in range(600, 610)]
        told = examine(student("x = 1"), test("assert x == 1"), *slow, notebook_seconds=3)
        assert time.monotonic() - began < 10
        assert kinds(told)[:2] == ["", ""]
        assert kinds(told)[3:] == ["OutOfTime"] * 9


class TestSecrets:
    """What a student's code sees of a test."""

    HIDDEN = "### BEGIN HIDDEN TESTS\nsecret = 'HIDD' + 'EN-VALUE'\nassert answer == 42  # HIDDEN-TEXT\n### END HIDDEN TESTS"

    def test_what_the_visible_part_makes_is_there_for_later_cells_and_the_hidden_part_is_not(self, examine: ExamRunner) -> None:
        told = examine(
            student("answer = 42"),
            test("shown = [1, 2]\ndef helper(x):\n    return x + 1\nimport math as m", self.HIDDEN),
            student("later = [shown, helper(1), m.floor(2.5)]"),
            student("secret"),
            test("assert later == [[1, 2], 2, 2]"),
        )
        assert kinds(told) == ["", "", "", "NameError", ""]

    def test_several_hidden_parts_stay_hidden(self, examine: ExamRunner) -> None:
        part = "    ### BEGIN HIDDEN TESTS\n    y = 'HIDDEN-TEXT'\n    ### END HIDDEN TESTS\n"
        source = f"def one(x):\n    y = x\n{part}    return y\ndef two(x):\n    y = x\n{part}    return y"
        hidden = "\n".join(line for _ in range(2) for line in part.split("\n")[:2])
        spy = "import autograder.examiner.agent as its\ngiven = []\n"
        spy += "read = its.compile = lambda source, *rest: (given.append(source) or compile(source, *rest))"
        told = examine(student(spy), Cell("", Role.TEST, source, hidden), student("one(1)"), student("print(given)"))
        assert "HIDDEN" not in told.shown(3)
        told = examine(student(spy), Cell("", Role.TEST, source), student("one(1)"), student("print(given)"))
        assert "HIDDEN" in told.shown(3), "the spy sees nothing"

    def test_it_is_there_after_a_death_too(self, examine: ExamRunner) -> None:
        told = examine(test("shown = 5"), student("import os\nos._exit(0)"), student("y = shown"), test("assert y == 5"))
        assert kinds(told) == ["", "Died", "", ""]

    def test_nothing_of_a_hidden_test_crosses_the_line(self, examine: ExamRunner) -> None:
        spy = (
            "from autograder.examiner.channel import Channel\nheard = []\nreceive = Channel.receive\n"
            "def spy(self, *rest):\n    message = receive(self, *rest)\n    heard.append(repr(message))\n    return message\n"
            "Channel.receive = spy\nanswer = 42\ndef double(x): return 2 * x"
        )
        told = examine(
            student(spy),
            test("shown = 'SHOWN-VALUE'\nassert double(21) == answer", self.HIDDEN),
            test("assert double(answer) == 84\n", self.HIDDEN),
            student("print(shown)\nprint(heard)"),
        )
        heard = told.shown(3)
        assert told.errors() == [""] * 4
        assert "SHOWN-VALUE" in heard.partition("\n")[2], "the spy heard nothing"
        assert "'operate'" in heard
        assert "HIDDEN" not in heard

    def test_nothing_of_a_hidden_test_is_in_the_memory_of_the_room(self, examine: ExamRunner) -> None:
        search = (
            "import re\nfound = [0, 0, 0]\nfor line in open('/proc/self/maps'):\n"
            "    start, end = (int(part, 16) for part in line.split()[0].split('-'))\n"
            "    if 'rw' not in line.split()[1] or end - start > 2**28: continue\n"
            "    with open('/proc/self/mem', 'rb', 0) as memory:\n        try:\n            memory.seek(start)\n"
            "            data = memory.read(end - start)\n        except (OSError, ValueError, OverflowError): continue\n"
            "    for number, word in enumerate((b'VISIBLE.VALU[E]', b'HIDDEN.VALU[E]', b'HIDDEN.TEX[T]')):\n"
            "        found[number] += sum(1 for _ in re.finditer(word, data))\nprint(found)"
        )
        made = "shown = 'VISIBLE-VALUE'"
        told = examine(student("answer = 42"), test(made, self.HIDDEN), student("shown"), student(search))
        visible, *hidden = json.loads(told.shown(3))
        assert visible > 0, "the search finds nothing"
        assert hidden == [0, 0]

    def test_no_engine_of_autograd_is_in_reach_of_a_collector(self, examine: ExamRunner) -> None:
        search = (
            "import gc, torch\ngc.unfreeze()\nkept = set()\n"
            "names = ('run_backward', '_jvp_', '_grad_increment', '_enter_dual_level', '_create_function')\n"
            "for each in gc.get_objects():\n"
            "    if type(each).__name__ in ('builtin_function_or_method', 'method_descriptor'):\n"
            "        kept |= {each.__name__} if str(each.__name__).startswith(names) else set()\n"
            "    elif type(each) is dict:\n"
            "        kept |= {name for name in names if type(each.get(name)).__name__ == 'method_descriptor'}\nprint(kept)"
        )
        assert examine(student(search)).shown(0) == "set()\n"

    def test_no_environment_and_no_seed_are_in_the_room(self, examine: ExamRunner) -> None:
        told = examine(student("import os\nprint(dict(os.environ), os.getcwd(), os.listdir('.'))"), seed="SEED-OF-THE-TEST")
        assert "SEED" not in told.shown(0)
        assert "autograded" not in told.shown(0)


class TestAutograd:
    def test_it_is_off_and_says_so(self, examine: ExamRunner) -> None:
        source = "import torch\nx = torch.ones(2, requires_grad=True)\ny = (x * x).sum()\ny.backward()"
        told = examine(student(source), student("torch.autograd.grad(y, x)"), test("assert x.grad is None and y == 2"))
        off = "AutogradOff: autograd is switched off while the notebook is graded: derive the gradient by hand"
        assert told.errors() == [off, off, ""]

    @pytest.mark.parametrize(
        "call",
        [
            "torch.ops.aten._backward(y, [x])",
            "layer = torch.nn.Linear(2, 2)\nlayer.register_full_backward_hook(print)\nlayer(x)",
        ],
    )
    def test_it_says_so_whoever_asks_for_it(self, examine: ExamRunner, call: str) -> None:
        source = "import torch\nx = torch.ones(2, requires_grad=True)\ny = (x * x).sum()\ndef slope():\n"
        source += "".join(f"    {line}\n" for line in call.split("\n"))
        told = examine(student(source), student("slope()"), test("slope()"), student("str.upper('a')"))
        off = "AutogradOff: autograd is switched off while the notebook is graded: derive the gradient by hand"
        assert told.errors() == ["", off, off, ""]
        assert told.traceback(1) == off

    def test_a_function_that_a_test_calls_has_none_either(self, examine: ExamRunner) -> None:
        source = "import torch\ndef slope(x):\n    x = x.clone().requires_grad_()\n    (x * x).sum().backward()"
        told = examine(student(source), test("import torch\nassert slope(torch.ones(2)).tolist() == [2, 2]"))
        assert told.error(1).startswith("AutogradOff: autograd is switched off")

    def test_it_is_on_in_a_test(self, examine: ExamRunner) -> None:
        source = "import torch\nx = torch.ones(1, requires_grad=True)\n(x * x).sum().backward()\nassert x.grad == 2"
        assert examine(student("x = 1"), test(source)).errors() == ["", ""]


SETUP = "%load_ext autograder\nimport torch\nfrom autograder import check, progress"
DATA = "g = torch.Generator().manual_seed(7)\nX = torch.randn(4, 3, generator=g)\nW = torch.randn(3, 2, generator=g)"
FORWARD = "%%forward\nh = X @ W\na = torch.tanh(h)\nloss = (a ** 2).mean()"
GRADE = "### BEGIN HIDDEN TESTS\nfrom autograder import grade\ngrade('{0}')\n### END HIDDEN TESTS"


class TestGradients:
    def course(self, *answers: tuple[str, str]) -> list[Cell]:
        tasks = [locked(SETUP), locked(DATA), locked(FORWARD)]
        for name, source in answers:
            tasks += [student(source, name), test(f"check('{name}')", GRADE.format(name))]
        return tasks

    RIGHT = (("da", "da = 2 * a / a.numel()"), ("dh", "dh = da * (1 - a ** 2)"), ("dW", "dW = X.T @ dh"))

    def test_right_answers_pass_and_wrong_ones_fail_each_on_its_own(self, examine: ExamRunner) -> None:
        assert examine(*self.course(*self.RIGHT)).errors() == [""] * 9
        told = examine(*self.course(self.RIGHT[0], ("dh", "dh = da * (1 - a)"), self.RIGHT[2]))
        assert kinds(told) == [*[""] * 6, "NotRight", "", ""]

    def test_the_verdicts_of_a_seed_are_the_same_every_time(self, examine: ExamRunner) -> None:
        tasks = self.course(self.RIGHT[0], ("dh", "dh = da * (1 - a)"), ("dW", "dW = X.T @ dh * 1.0001"))
        assert examine(*tasks, seed="one").outputs == examine(*tasks, seed="one").outputs

    def test_check_and_progress_in_a_students_own_cell_show_verdicts(self, examine: ExamRunner) -> None:
        own = student("print('first')\ncheck('da')\nprint('last')")
        told = examine(*self.course(self.RIGHT[0]), own, student("progress()"), student("check('dh')"), student("check('dq')"))
        texts = [str(output.get("data", {}).get(TEXT, output.get("text"))) for output in told.outputs[5]]
        assert texts[0] == "first\n"
        assert "da" in texts[1]
        assert texts[2] == "last\n"
        assert "da" in str(told.outputs[6])
        assert kinds(told)[5:] == ["", "", "NotRight", "NotReady"]

    def test_the_course_is_not_there_in_a_room(self, examine: ExamRunner) -> None:
        told = examine(*self.course(self.RIGHT[0]), student('progress("course")\nprint("on")'), student("progress()"))
        course, notebook = told.outputs[-2:]
        assert [output.get("text") for output in course] == ["on\n"]
        assert notebook[0]["data"][TEXT].startswith("gradient map: ")

    def test_progress_says_what_the_tests_said_unless_the_answer_ran_again(self, examine: ExamRunner) -> None:
        told = examine(
            student("factor = 2"),
            *self.course(("da", "da = factor * a / a.numel()")),
            student("factor = 3"),
            student("progress()"),
            student("da = factor * a / a.numel()"),
            student("progress()"),
        )
        texts = [told.outputs[number][0]["data"][TEXT].partition("\n")[0] for number in (7, 9)]
        assert texts == ["gradient map: 1 of 1 right", "gradient map: 0 of 1 right, 1 wrong"]

    def test_copies_of_gradients_and_hard_coded_numbers_earn_nothing(self, examine: ExamRunner) -> None:
        ways = ("import torch\nda = torch.autograd.grad(loss, a)[0]", "da = a.grad", "da = torch.zeros(4, 2)", "da = ...")
        for source in ways:
            assert kinds(examine(*self.course(("da", source))))[4] == "NotRight", source

    def test_a_locked_cell_that_stops_in_the_examiner_is_noted(self, examine: ExamRunner) -> None:
        told = examine(locked("import os\nassert 'room' in os.getcwd() or os.getcwd() == '/submission'"), test("assert 1 == 1"))
        assert told.errors() == ["", ""]
        assert told.failures[0].startswith("The locked cell `cell-0` stopped where the tests run: AssertionError")


class TestOddSources:
    @pytest.mark.parametrize(
        "source",
        ["x\0 = 1", "-" * 10000 + "1", "(" * 500, "%%nothing of this name\n1", "\ufeffx = 1", "x = 1;" * 2000, "\x0c\x1b[0m"],
    )
    def test_it_costs_its_cell_at_most(self, examine: ExamRunner, source: str) -> None:
        told = examine(student("x = 1"), student(source), student("y = 2"), test("assert x == 1 and y == 2"))
        assert told.errors()[2:] == ["", ""]
