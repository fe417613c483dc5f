"""The examiner: it runs the locked cells and the tests of one notebook, and has the student's cells run in a room.

No line of a student's code runs here. Values of the student's that a test needs come from the room as data; objects and
functions stay there, and the test gets a `Remote` that acts on them. Locked cells run on both sides, as both need their names.
"""

from __future__ import annotations

import re
import socket
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from autograder.course.cells import Cell, Role, modules_in
from autograder.course.questions import IN_PLACE, Question, has_forward, has_line
from autograder.errors import AutograderError, Died, NotReady, OutOfFiles, OutOfMemory, UsedUp
from autograder.examiner import conversation
from autograder.examiner.capture import Shell
from autograder.examiner.channel import Channel, Unsendable
from autograder.examiner.conversation import MAX_MESSAGE_CHARACTERS, after, safe_text
from autograder.examiner.exam import (
    CellRecord,
    Exam,
    ExamResult,
    Hints,
    MapNode,
    Message,
    cut_message,
    error_message,
    is_stderr,
    messages_of,
    say_it_was_late,
    size_of,
)
from autograder.examiner.namespace import Namespace, read_by
from autograder.examiner.operations import Counts, repeated, repeated_whole
from autograder.examiner.plain import hide_lines, made_by_hidden_lines, parts_of
from autograder.examiner.prefix import PURE_MODULES, Cells, without_magics
from autograder.examiner.student import GRACE, Names, Refused, Remote, RemoteWorkspace, Student, revealed
from autograder.judge.kinds import claim
from autograder.judge.kinds.gradient import tape_for
from autograder.judge.session import Session, current_session, in_words, start_session
from autograder.notebook import api, checking, overview
from autograder.notebook.box import HINT, NEUTRAL, Box
from autograder.notebook.checking import hints
from autograder.notebook.extension import LocalBackend
from autograder.notebook.gradient_map import chart
from autograder.replay import parsed
from autograder.replay.parsed import ParsedCell
from autograder.replay.stop import Stop
from autograder.sandbox.limits import interrupted_after
from autograder.sandbox.room import RoomError


@dataclass(frozen=True)
class RunPrefix:
    """The prefix of a notebook that has run in this process: its cells, the names that they bound, and their records."""

    cells: Cells
    scope: Namespace
    records: list[CellRecord]

    @cached_property
    def size(self) -> int:
        """Bytes of what the cells of the prefix showed. The process that has run them knows it before it forks."""
        return sum(size_of(message) for record in self.records for message in record.messages)

    def begins(self, exam: Exam) -> bool:
        """Whether a notebook begins with these cells."""
        tasks = exam.tasks[: len(self.cells)]
        return [[task.id, task.source] for task in tasks] == self.cells and all(task.role is Role.LOCKED for task in tasks)


def run_prefix(shell: Shell, cells: Cells, largest: int) -> Namespace | None:
    """Runs the cells of a prefix; None if one of them stops, or shows or needs more than the prefix itself gives it."""
    start_session(shell.shell, LocalBackend())
    scope = Namespace(shell.names)
    wanted: list[str] = []

    def fetch(names: list[str]) -> dict[str, Any]:
        # modules in import statements are among the names
        wanted.extend(name for name in names if name.partition(".")[0] not in PURE_MODULES)
        return {}

    for count, (id, source) in enumerate(cells, 1):
        scope.bring(without_magics(source), fetch, is_there=True)
        before = dict(shell.names)
        _, error, cut = shell.run(source, id, count, largest)
        if cut or error is not None or not shell.names.keys() >= set(wanted):
            return None
        scope.keep(before)
    return scope


def prefix_records(replies: Sequence[Mapping[str, Any]]) -> list[CellRecord]:
    """The records of a prefix, from the agent's replies for its cells. None of them if one stopped or was cut off."""
    if any(reply["cut"] or reply["error"] is not None for reply in replies):
        return []
    return [CellRecord(reply["messages"]) for reply in replies]


@dataclass(frozen=True)
class Step:
    """A cell that has run in the room, by its number: what a new room repeats. `statements` is how many of it, None for all."""

    count: int
    task: Cell
    statements: int | None = None


OpenRoom = Callable[[], tuple[socket.socket, int, Callable[[], str]]]
"""Opens a new room. Gives the socket and the pidfd of the student's process, and a function that kills the process.

That function returns the reason if the process was killed before, or the empty string.
"""

MAX_DEATHS = 5
"""How many times the process of a notebook may die before the rest of the cells is not run."""

DEATHS = (Died.__name__, OutOfMemory.__name__, OutOfFiles.__name__)
"""How the error of a cell begins at which its process ended."""
LINGERS = ": threads or processes that it started went on computing"
THROWN_AWAY = "What it made is thrown away, and the cells below run as if it were not there."

REFUSED_ERRORS = re.compile(
    r"AutogradOff|ScriptOff|PermissionError|MemoryError|BlockingIOError|ConnectionRefusedError|gaierror|URLError"
    r"|RuntimeError: .*can't allocate memory|OSError: \[Errno (1|12|13|27|28|30|97|99|101)\]"
)
"""How errors begin that a room's isolation or limits may have caused."""
TOO_MUCH = "it makes a tensor that needs more memory than there is. Look at the shapes that go into it."
MAX_ERROR_CHARACTERS = 200
"""Characters of an error in a note."""
MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
"""How an error begins that says that a module is missing."""

FAULT = (
    "The cell `{}` could not be examined, through no fault of the student's ({}). Grade what depends on it by hand, and report "
    "this error of the autograder."
)
NOT_COUNTED = "Finite differences could not be looked for ({}). Report this error of the autograder."
NOT_EXAMINED = "this cell could not be examined, through no fault of yours. Your instructor was told."

JUDGES: Mapping[str, Callable[..., None]] = {"check": api.check, "progress": api.progress}
"""The functions in students' cells that need a judge. The room asks the examiner to run them."""
PRACTISES: Mapping[str, Callable[[Session, str, str], None]] = {
    "check": lambda session, name, by: checking.practise(session, Question(name, by)),
    "progress": lambda session, *_: overview.progress(session),
}
"""The same where marks are given."""
MOST_CALLS, MOST_OF_ONE = 300, 30
"""How many of these calls a graded notebook gets an answer to, and how many of them on one name. Whoever checks each answer a
few times has a tenth of that; a loop that calls `check` runs on, without more answers."""
NO_MORE = (
    f"While a notebook is graded, `check` answers {MOST_OF_ONE} times for each name, `progress` {MOST_OF_ONE} times, and both "
    f"{MOST_CALLS} times in all. This call was not answered, and later ones may not be. Marks come from the tests alone."
)


class Examiner:
    """Examines one notebook, in the shell of this process.

    `open_room` opens a room when the first cell of the student's is to run, and again when the process there has died. `course`
    is the folder of the instructor's own files. The cells of the `prefix` have run already. `notes` are remarks for the
    instructor, `failures` those on faults that are not the student's, and `seconds` says how the time was spent.
    """

    def __init__(self, exam: Exam, shell: Shell, open_room: OpenRoom, course: Path, prefix: RunPrefix | None = None) -> None:
        self.course = course
        self.exam = exam
        self.shell = shell
        prefix = prefix or RunPrefix([], Namespace(shell.names), [])
        self.scope, self._prefix_records = prefix.scope, prefix.records
        self.scope.imports = exam.imports
        self.notes: list[str] = []
        self.failures: list[str] = []
        self.session = start_session(shell.shell, LocalBackend())
        self.session.seed = exam.seed
        self.session.exercise = exam.exercise
        self.session.models = exam.models
        self._open_room = open_room
        self._student: Student | None = None
        self._done: list[Step] = []
        self._gifts: list[dict[str, Any]] = []
        self._touched = [parsed.parse_cell(task.source).touches for task in exam.tasks[: len(self._prefix_records)]]
        """The names that the lines of each cell so far bind, hidden ones aside. They are needed for plain tests only."""
        self._cells: dict[str, ParsedCell] = {}
        """The student's cells by their sources, as far as they have been parsed."""
        self._deaths = 0
        self._spent: dict[str, Exception] = {}
        self._counts: dict[tuple[str, str], Counts] = {}
        self._callbacks: list[Callable[..., Any]] = []
        self._is_testing = False
        self._is_showing = self._is_over = False
        self._calls = Counter[tuple[str, str]]()
        self._maps: list[Message] = []
        """What `progress` in the running cell of the student's shows, in the record alone: it may tell what tests said."""
        self._deadline = after(exam.limits.notebook_seconds)
        self._left = exam.limits.output - prefix.size
        self._is_needed = has_forward(exam.tasks) or any(
            task.role is Role.TEST and task.id not in exam.plain for task in exam.tasks
        )
        """Whether anything is judged here: then the locked cells run here too."""
        self.seconds = dict.fromkeys(("room", "cells", "examiner"), 0.0)

    def examine(self) -> list[CellRecord]:
        """Runs all cells, in their order, and gives a record of each."""
        began = time.monotonic()
        tasks = islice(enumerate(self.exam.tasks, 1), len(self._prefix_records), None)
        records = [*self._prefix_records, *(self._examine_alone(count, task) for count, task in tasks)]
        try:
            if not self.exam.maps:  # it is for who marks it: a learner may loop over all entries in peace
                self.notes += self._repetitions()
        except Exception as error:
            self.failures.append(NOT_COUNTED.format(_words(error)))
        self.seconds["examiner"] = time.monotonic() - began - self.seconds["room"] - self.seconds["cells"]
        return records

    def _examine_alone(self, count: int, task: Cell) -> CellRecord:
        """Examines a cell. An error of the examiner's own costs that cell, and the instructor is told."""
        try:
            return self._examine(count, task)
        except RoomError:  # no cell could run
            raise
        except Exception as error:
            self.failures.append(FAULT.format(task.id, _words(error)))
            self._touched += [frozenset()] * (count - len(self._touched))
            return CellRecord([error_message("NotExamined", NOT_EXAMINED)], f"NotExamined: {NOT_EXAMINED}")

    def _examine(self, count: int, task: Cell) -> CellRecord:
        if time.monotonic() > self._deadline:
            reason = f"the notebook did not end within {self.exam.limits.notebook_seconds:g} s: this cell was not run"
            return CellRecord([error_message("OutOfTime", reason)], f"OutOfTime: {reason}")
        if task.role is Role.STUDENT:
            return self._students(count, task)
        record = self._given(count, task)
        hide_lines(record.messages, task)
        if self.exam.plain:
            self._touched.append(parsed.parse_cell(task.shown).touches)
        missing = MISSING_MODULE.match(record.error or "")
        if missing and missing[1] in modules_in(task.source):
            self.failures.append(
                f"The cell `{task.id}` imports `{missing[1]}`, which is not installed here: nobody gets the points that depend "
                "on it. Install it where notebooks are graded, and grade all again."
            )
        return record

    def _given(self, count: int, task: Cell) -> CellRecord:
        """Runs a cell of the instructor's where it belongs."""
        if task.role is Role.TEST:
            self._is_testing = True
            try:
                return self._plain_test(count, task) if task.id in self.exam.plain else self._test(count, task)
            finally:
                self._is_testing = False
        record = self._in_room(count, task)
        if not self._is_needed or (record.error or "").startswith(DEATHS):  # here too it would end the process
            return record
        if (error := self._here(count, task).error) and not record.error:
            self.failures.append(f"The locked cell `{task.id}` stopped where the tests run: {error}")
        return record

    def _students(self, count: int, task: Cell) -> CellRecord:
        """Has a student's cell run in the room."""
        self.session.note(self._parsed(task).source, task.id)
        run = self.session.runs[-1]
        self._touched.append(run.cell.touches)
        record = self._in_room(count, task)
        run.error, run.stop = record.error or "", record.stop
        if missing := MISSING_MODULE.match(run.error):
            self.notes.append(f"The cell `{task.id}` imports `{missing[1]}`, which is not installed here.")
        self.scope.mine -= task.answers  # from now on tests see the student's answers under these names
        return record

    def _parsed(self, task: Cell) -> ParsedCell:
        """A student's cell. It is parsed once; one that takes longer than it may, or than the notebook has left, is empty."""
        if task.source not in self._cells:
            self._cells[task.source] = parsed.parse_cell("")
            seconds = min(self.exam.limits.cell_seconds, self._deadline - time.monotonic())
            if seconds > 0:
                with suppress(KeyboardInterrupt), interrupted_after(seconds, 0):
                    self._cells[task.source] = parsed.parse_cell(task.source)
        return self._cells[task.source]

    def _in_room(self, count: int, task: Cell, run: Callable[[Student], dict[str, Any]] | None = None) -> CellRecord:
        """Has a cell run in the room. The record says so if the process there refused it, died or took too long.

        `run` runs it in a way that leaves nothing behind in the student's process.
        """
        try:
            student = self._present()
            self._maps.clear()  # those of cells that were repeated
            reply = run(student) if run else self._run(student, Step(count, task))
        except Refused as refusal:
            if not isinstance(refusal.error, EOFError):  # that is what a test's own process ended by
                self.notes.append(f"The cell `{task.id}` has no record: {refusal}.")
            return CellRecord([error_message("Refused", str(refusal))], str(refusal))
        except Died as death:
            self._note_death(task, death)
            name, message = "Died", f"the process of the notebook ended in this cell: {death}"
            if isinstance(death, UsedUp):
                name, message = type(death).__name__, f"this cell: {death}. {THROWN_AWAY}"
                error = MemoryError if isinstance(death, OutOfMemory) else OSError
                self._spent[task.source] = error(f"{death}: it did so in the notebook")
            return CellRecord([error_message(name, message)], f"{name}: {death}")
        if run is None:
            self._done += self._lasting(Step(count, task), student, reply)
        messages, shown = messages_of(reply["messages"], self._largest())
        messages += self._maps
        self._left -= shown + sum(map(size_of, self._maps))
        error = reply["error"]
        record = CellRecord(messages, error[:MAX_MESSAGE_CHARACTERS] if isinstance(error, str) else None)
        record.stop = Stop.of(reply["stop"])
        if student.was_late:
            self._spent[task.source] = conversation.Interrupted("it did not end in time in the notebook")
            lingers = LINGERS if reply["lingers"] else ""
            say_it_was_late(record, self.exam.limits.cell_seconds, lingers)
            self.notes.append(f"The cell `{task.id}` did not end within {self.exam.limits.cell_seconds:g} s{lingers}.")
        if reply["cut"]:
            record.messages.append(cut_message(self.exam.limits.cell_output))
            self.notes.append(f"The cell `{task.id}` showed more than it may: the rest was cut off.")
        if task.role is not Role.LOCKED and record.error and REFUSED_ERRORS.match(record.error):
            what = TOO_MUCH if "allocate memory" in record.error else record.error[:MAX_ERROR_CHARACTERS]
            self.notes.append(f"The sandbox blocked something in the cell `{task.id}`: {what}")
        return record

    def _plain_test(self, count: int, task: Cell) -> CellRecord:
        """Runs a test of ordinary assertions in the room, as nbgrader would run it in its kernel."""
        parts = parts_of(task)
        record = self._in_room(count, replace(task, source=parts.before)) if parts.before else CellRecord()
        if parts.forked and record.error is None:
            earlier = zip(self.exam.tasks, self._touched, strict=False)
            made = made_by_hidden_lines([*earlier], parts)
            hidden = self._in_room(count, task, lambda student: self._run_in_fork(student, count, task, parts.forked, made))
            record = CellRecord([*record.messages, *hidden.messages], hidden.error)
            if parts.after:
                self._in_room(count, replace(task, source=parts.after))
        if record.error is None and any(map(is_stderr, record.messages)):
            self.notes.append(f"The test `{task.id}` wrote to stderr, for which nbgrader gives no points.")
        return record

    def _run_in_fork(self, student: Student, count: int, task: Cell, source: str, made: str) -> dict[str, Any]:
        """Runs lines of a test in a fork of the student's process, after the code that binds what earlier tests made."""
        student.ask("fork")
        is_there = True
        try:
            if made:
                self._run(student, Step(count, replace(task, source=made)), largest=0)
            reply = self._run(student, Step(count, replace(task, source=source)))
            was_late = student.was_late
        except Refused as refusal:
            is_there = not isinstance(refusal.error, EOFError)
            raise
        except Died:
            is_there = False
            raise
        finally:
            if is_there:
                student.ask("leave")
        student.was_late = was_late
        return reply

    def _run(self, student: Student, step: Step, largest: int | None = None) -> dict[str, Any]:
        largest = self._largest() if largest is None else largest
        began = time.monotonic()
        task, statements = step.task, step.statements
        try:
            hooks = task.role is Role.LOCKED
            how = {"id": task.id, "count": step.count, "largest": largest, "statements": statements, "keeps_hooks": hooks}
            return student.ask("run", source=task.source, **how)
        finally:
            self.seconds["cells"] += time.monotonic() - began
            self._forget(student)

    def _largest(self) -> int:
        """Bytes that the next cell may show."""
        return max(0, min(self.exam.limits.cell_output, self._left))

    def _lasting(self, step: Step, student: Student, reply: Mapping[str, Any]) -> list[Step]:
        """What of a cell that has just run is repeated from now on, and what cells and tests below find.

        Of a cell that did not end in time these are the statements before the one that was running: how far that one came is
        chance. If the cell itself did end, and what it started went on, nothing is: nobody knows which statement started it.
        """
        if not student.was_late:
            return [step]
        ended = 0 if reply["lingers"] else reply["ended"]
        is_less = step.statements is None or ended < step.statements  # or else it would be repeated for ever
        return [replace(step, statements=ended)] if ended > 0 and is_less else []

    def _present(self) -> Student:
        """The student's process; a new one if the last one has died or is stale, in which the cells so far are run again.

        A cell that the new process dies of is left out from then on. Raises Died after MAX_DEATHS.
        """
        while self._student is None or self._student.death is not None or self._student.is_stale:
            if self._deaths >= MAX_DEATHS:
                raise Died(f"it ended {MAX_DEATHS} times, and is not started again")
            if time.monotonic() > self._deadline:
                raise Died("there is no time left for it to start again")
            if self._student is not None:
                self._student.end(Died("it was replaced by a new one"))
            self._student = student = self._enter()
            self._forget(student)
            self._repeat(student)
        return self._student

    def _repeat(self, student: Student) -> None:
        """Runs the cells so far in a new process. It is dead or stale afterwards if one of them cannot be repeated as it is."""
        for place, step in enumerate(self._done):
            try:
                reply = self._run(student, step, largest=0)
            except Refused:
                continue
            except Died as death:
                del self._done[place]
                self._note_death(step.task, death)
                return
            except Exception:
                del self._done[place]
                raise
            if student.is_stale:
                self._done[place : place + 1] = self._lasting(step, student, reply)
                return
        for given in self._gifts:
            student.ask("give", **given)

    def _enter(self) -> Student:
        """The student's process in a new room."""
        began = time.monotonic()
        connection, pidfd, end = self._open_room()
        self.seconds["room"] += time.monotonic() - began
        channel = Channel(connection, self.exam.limits.answer, self._opaque, lambda shown: revealed(student, shown))
        student = Student(channel, pidfd, end, self.exam.limits, self._serve)
        student.deadline = self._deadline
        student.prepare = self._give_back
        return student

    def _note_death(self, task: Cell, death: Died) -> None:
        """One for lack of memory or files does not count: it is no attack, and costs its cell alone however many there are."""
        if isinstance(death, UsedUp):
            self.notes.append(f"The cell `{task.id}` was left out: {death}.")
        else:
            self._deaths += 1
            self.notes.append(f"The process of the notebook ended in the cell `{task.id}`: {death}.")

    def _forget(self, student: Student) -> None:
        """Forgets the values of names in the room: code has run there that may have changed them."""
        self.session.workspace = RemoteWorkspace(student, Names(student), self.course, self._counts, self._spent)

    def _here(self, count: int, task: Cell) -> CellRecord:
        """Runs a locked cell or a test in this process. Names that it needs and no locked cell has bound come from the room."""
        try:
            with interrupted_after(self.exam.limits.cell_seconds, 2 * GRACE):
                is_there = task.role is Role.LOCKED
                self.scope.bring(task.source, lambda names: self._present().ask("values", names=names), is_there)
                if self._student is not None:
                    self._student.in_place = is_there or has_line(task.source, IN_PLACE)
                before = dict(self.shell.names)
                self.session.concluded.clear()
                messages, error, cut = self.shell.run(task.source, task.id, count, self.exam.limits.cell_output)
        except (AutograderError, KeyboardInterrupt) as stop:
            return CellRecord([error_message(type(stop).__name__, safe_text(stop))], in_words(stop, safe_text))
        self.scope.keep(before)
        if error is not None and all(message["msg_type"] != "error" for message in messages):
            messages.append(error_message(type(error).__name__, safe_text(error)))
        if cut:
            messages.append(cut_message(self.exam.limits.cell_output))
        verdicts = tuple(self.session.concluded) if task.role is Role.TEST else ()
        return CellRecord(messages, None if error is None else in_words(error, safe_text), verdicts)

    def _test(self, count: int, task: Cell) -> CellRecord:
        """Runs a test here, and takes what it made or changed into the room."""
        kept: list[str] = []
        with suppress(Died):  # a test that needs the room will ask for it, and fail
            kept = self._present().kept
        kept.clear()
        record = self._here(count, task)
        if kept and record.error and not record.verdicts:
            self.failures.append(
                f"The test `{task.id}` stopped, perhaps through no fault of the student's: it runs apart from the student's "
                f"code, and {kept[0]}. Look at the record, or let it run in the room (c.Examine.plain_tests)."
            )
        if record.error is None:
            for message in record.messages:
                if is_stderr(message):
                    message["content"]["name"] = "stdout"
                    self.notes.append(f"The test `{task.id}` passed with a warning, which costs no marks.")
        with suppress(AutograderError):
            self._give_back()
            self._give(count, task)
        return record

    def _give(self, count: int, task: Cell) -> None:
        """Sends the room what the visible part of a test made, if later cells of the student's or plain tests read it."""
        later = self.exam.tasks[count:]
        wanted = {name for each in later if each.role is Role.STUDENT for name in self._parsed(each).reads}
        wanted |= {name for each in later if each.id in self.exam.plain for name in read_by(each.source)}
        values, source = self.scope.made_by(task.shown, task.hidden, wanted)
        if not (values or source):
            return
        try:
            self._present().ask("give", values=values, deleted=[], source=source)
        except (TypeError, Refused) as error:
            self.notes.append(f"What the test `{task.id}` made was not there for later cells: {error}")
        else:
            self._gifts.append({"values": values, "deleted": [], "source": source})

    def _repetitions(self) -> Iterator[str]:
        """A note on each answer that ran an operation so often that it may have used finite differences."""
        for (source, name), counts in self._counts.items():
            with suppress(NotReady):
                if source:
                    tape = tape_for(self.session, name)
                    operation = repeated(tape, name[1:], counts)
                else:
                    operation = next(filter(None, (repeated_whole(tape, counts) for tape in self.session.tapes.values())), "")
                if operation:
                    seen = f"`{name}` runs `{operation}` {counts[operation]:,} times"
                    yield f"Look at finite differences: {seen}. It may be a loop over all entries instead."

    def _give_back(self) -> None:
        """Repeats in the room what the running test did to names of the room."""
        values, deleted = self.scope.given_back()
        if (values or deleted) and self._student is not None:
            self._student.ask("give", values=values, deleted=deleted, source="")

    def _serve(self, question: str, details: Mapping[str, Any]) -> Any:
        """Answers a question of the room. It may ask two things; LookupError for all others."""
        if question == "callback":
            return self._call_back(**details)
        if question == "show":
            return self._show(**details)
        raise LookupError(f"nobody answers `{question}`")

    def _call_back(self, number: int, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Calls a function of a test, which the test passed to a function of the student's."""
        try:
            return {"value": self._callbacks[number](*args, **kwargs), "error": None}
        except Exception as error:
            return {"value": None, "error": conversation.described(error)}

    def _show(self, what: str, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Runs `check` or `progress` for a student's cell, and gives the messages that it showed.

        Nothing while a test runs, nor while the room answers for such a call.
        """
        if self._is_testing or self._is_showing or self._student is None:
            return {"messages": [], "error": None}
        self._forget(self._student)
        self.shell.recorder.begin(self.exam.limits.cell_output)
        error = None
        self._is_showing = True
        try:
            if self.exam.seed:
                self._practise(what, *args, **kwargs)
            else:
                JUDGES[what](*args, **kwargs)
        except Exception as stop:
            error = conversation.described(stop)
        finally:
            self._is_showing = False
        messages = self.shell.recorder.end()
        if self.exam.seed and what == "progress":
            self._maps += messages
            messages = []
        return {"messages": messages, "error": error}

    def _practise(self, what: str, name: str = "", by: str | None = None) -> None:
        """What a student's cell gets where marks are given: so many answers at most, and on practice cases."""
        call = what, name if isinstance(name, str) else ""
        if self._calls.total() < MOST_CALLS and self._calls[call] < MOST_OF_ONE:
            self._calls[call] += 1
            PRACTISES[what](self.session, name, by or "")
        elif not self._is_over:
            self._is_over = True
            self.notes.append(f"A student's cell called `{what}` more often than it is answered while marks are given.")
            checking.show(Box("→", what, "not answered", NO_MORE, (), NEUTRAL, longest=HINT))

    def _opaque(self, value: object) -> dict[str, Any]:
        """Describes a value that is no data: the room's own object by its number, a function of a test as one to call back."""
        if isinstance(value, Remote):
            return {"number": value._number}
        if not callable(value):
            raise Unsendable(f"a value of type `{type(value).__name__}` cannot be sent into the room: only data can be")
        self._callbacks.append(value)
        return {"callback": len(self._callbacks) - 1}


def _words(error: Exception) -> str:
    """An error of the examiner's own, and the line at which it came up."""
    line = traceback.extract_tb(error.__traceback__)[-1]
    return f"{in_words(error, safe_text)}, in {Path(line.filename).name}, line {line.lineno}"


def result_of(
    exam: Exam, cells: Sequence[CellRecord], notes: Sequence[str], failures: Sequence[str], seconds: dict[str, float]
) -> ExamResult:
    """The result of the exam that this process has just held, with the maps and hints that a learner's exam asks for."""
    session = current_session() if exam.maps or exam.hints else None
    maps = _maps(session) if session and exam.maps else {}
    told = {name: _hints(session, name) for name in exam.hints} if session else {}
    return ExamResult(cells, notes, failures, seconds, maps, told).written()


def _maps(session: Session) -> dict[str, list[MapNode]]:
    """The maps of the forward passes, by their sources. One whose variables all belong to later passes has none."""
    return {
        source: [MapNode(node.name, tuple(node.through), node.leaf) for node in chart(tape, {}).nodes]
        for source, tape in session.tapes.items()
        if any(session.tape(variable) is tape for variable in tape.variables)
    }


def _hints(session: Session, name: str) -> Hints:
    try:
        question = Question(name)
        return Hints(tuple(hints(session, question)), question=claim(session, question).to_explain())
    except NotReady as error:
        return Hints(error=str(error))
