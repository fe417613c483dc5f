"""The examiner: it runs the locked cells and the tests of one notebook, and has the student's cells run in a room.

No line of a student's code runs here; what a test needs of the student's comes from the room as data, or stays there.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from autograder import cell, faults, feedback, overview
from autograder.conversation import after
from autograder.errors import AutograderError, Died, NotReady
from autograder.limits import interrupted_after
from autograder.opened import Opened
from autograder.operations import Counts, repeated, repeated_whole
from autograder.paper import Paper, Record, Role, Task, cut_message, error_message, messages_of, say_it_was_late, size_of
from autograder.recorder import Shell
from autograder.remote import Names, Remote, RemoteWorkspace, revealed
from autograder.scope import Scope
from autograder.session import in_words, start
from autograder.student import GRACE, Refused, Student
from autograder.wire import Channel, Unsendable

OpenRoom = Callable[[], tuple[socket.socket, int, Callable[[], str]]]
"""Gives the way into a new room, the pidfd of the student's process, and what kills it and says what it died of."""

DEATHS = 5
"""How many times a notebook may lose its process before the rest of it is not run."""

REFUSED = re.compile(
    r"AutogradOff|PermissionError|MemoryError|BlockingIOError|ConnectionRefusedError|gaierror|URLError"
    r"|OSError: \[Errno (1|12|13|27|28|30|97|99|101)\]"
)
"""How errors begin that come of the walls and limits of a room."""
LONGEST = 200
"""Characters of an error in a note."""

SHOWN: Mapping[str, Callable[..., None]] = {"check": feedback.check, "progress": overview.progress}
"""What students' cells may call that needs a judge."""


class Examiner:
    """`course` is the folder of the instructor's own files. What was `opened` is not run again."""

    def __init__(self, paper: Paper, shell: Shell, open_room: OpenRoom, course: Path, opened: Opened | None = None) -> None:
        self.course = course
        self.paper = paper
        self.shell = shell
        opened = opened or Opened([], Scope(shell.names), [])
        self.scope, self._opened = opened.scope, opened.records
        self.scope.imports = paper.imports
        self.notes: list[str] = []
        self.session = start(shell.shell)
        self.session.seed = paper.seed
        self.session.exercise = paper.exercise
        self._open_room = open_room
        self._student: Student | None = None
        self._done: list[tuple[int, Task]] = []
        self._given: list[dict[str, Any]] = []
        self._deaths = 0
        self._endless = frozenset[str]()
        self._counts: dict[tuple[str, str], Counts] = {}
        self._callbacks: list[Callable[..., Any]] = []
        self._is_testing = False
        self._deadline = after(paper.limits.notebook_seconds)
        self._left = paper.limits.output - opened.size
        self.seconds = dict.fromkeys(("room", "cells", "examiner"), 0.0)

    def examine(self) -> list[Record]:
        """Runs all cells, in their order."""
        began = time.monotonic()
        tasks = islice(enumerate(self.paper.tasks, 1), len(self._opened), None)
        records = [*self._opened, *(self._examine(count, task) for count, task in tasks)]
        self.notes += self._repetitions()
        self.seconds["examiner"] = time.monotonic() - began - self.seconds["room"] - self.seconds["cells"]
        return records

    def _examine(self, count: int, task: Task) -> Record:
        if time.monotonic() > self._deadline:
            reason = f"the notebook did not end within {self.paper.limits.notebook_seconds:g} s: this cell was not run"
            return Record([error_message("OutOfTime", reason)], f"OutOfTime: {reason}")
        if task.role is Role.TEST:
            return self._test(count, task)
        record = self._in_room(count, task)
        if task.role is Role.LOCKED and (error := self._here(count, task).error) and not record.error:
            self.notes.append(f"The locked cell `{task.id}` stopped in the examiner: {error}")
        return record

    def _in_room(self, count: int, task: Task) -> Record:
        is_students = task.role is Role.STUDENT
        if is_students:
            try:
                with interrupted_after(self.paper.limits.cell_seconds, 2 * GRACE):  # even to read a cell may take long
                    self.session.note(task.source, task.id)
            except KeyboardInterrupt:
                self.session.note("", task.id)
            run = self.session.runs[-1]
        try:
            student = self._present()
            told = self._run(student, count, task)
        except (Refused, TypeError) as refusal:
            record = Record([error_message("Refused", str(refusal))], str(refusal))
        except Died as death:
            self._note_death(task, death)
            message = f"the process of the notebook ended in this cell: {death}"
            record = Record([error_message("Died", message)], f"Died: {death}")
        else:
            self._done.append((count, task))
            messages = messages_of(told["messages"], self._largest())
            self._left -= sum(size_of(message) for message in messages)
            record = Record(messages, told["error"] if isinstance(told["error"], str) else None)
            if student.was_late:
                self._endless |= {task.source}
                say_it_was_late(record, self.paper.limits.cell_seconds)
                self.notes.append(f"The cell `{task.id}` did not end within {self.paper.limits.cell_seconds:g} s.")
            if told["cut"]:
                record.messages.append(cut_message(self.paper.limits.cell_output))
                self.notes.append(f"The cell `{task.id}` showed more than it may: the rest was cut off.")
            if is_students and record.error and REFUSED.match(record.error):
                self.notes.append(f"The room refused something in the cell `{task.id}`: {record.error[:LONGEST]}")
        if is_students:
            run.error = record.error or ""
            self.scope.mine -= task.answers
        return record

    def _run(self, student: Student, count: int, task: Task, largest: int | None = None) -> dict[str, Any]:
        largest = self._largest() if largest is None else largest
        began = time.monotonic()
        try:
            return student.ask("run", source=task.source, id=task.id, count=count, largest=largest)
        finally:
            self.seconds["cells"] += time.monotonic() - began
            self._forget(student)

    def _largest(self) -> int:
        """Bytes that a cell may show."""
        return max(0, min(self.paper.limits.cell_output, self._left))

    def _present(self) -> Student:
        """The student's process, a new one where the last one died: the cells before are run in it again."""
        while self._student is None or self._student.is_dead:
            if self._deaths >= DEATHS:
                raise Died(f"it ended {DEATHS} times, and is not started again")
            self._student = student = self._enter()
            self._forget(student)
            for step in [*self._done]:
                try:
                    with suppress(Refused):
                        self._run(student, *step, largest=0)
                except Died as death:
                    self._done.remove(step)
                    self._note_death(step[1], death)
                    break
            else:
                for given in self._given:
                    student.ask("give", **given)
        return self._student

    def _enter(self) -> Student:
        began = time.monotonic()
        connection, pidfd, end = self._open_room()
        self.seconds["room"] += time.monotonic() - began
        channel = Channel(connection, self.paper.limits.answer, self._opaque, lambda shown: revealed(student, shown))
        student = Student(channel, pidfd, end, self.paper.limits, self._serve)
        student.deadline = self._deadline
        student.prepare = self._give_back
        return student

    def _note_death(self, task: Task, death: Died) -> None:
        self._deaths += 1
        self.notes.append(f"The process of the notebook ended in the cell `{task.id}`: {death}.")

    def _forget(self, student: Student) -> None:
        """What was known of the room holds no more."""
        self.session.workspace = RemoteWorkspace(student, Names(student), self.course, self._counts, self._endless)

    def _here(self, count: int, task: Task) -> Record:
        """Runs a locked cell or a test here. What it needs and no locked cell has made comes from the room."""
        try:
            with interrupted_after(self.paper.limits.cell_seconds, 2 * GRACE):
                is_there = task.role is Role.LOCKED
                self.scope.bring(task.source, lambda names: self._present().ask("values", names=names), is_there)
                before = dict(self.shell.names)
                messages, error, cut = self.shell.run(task.source, task.id, count, self.paper.limits.cell_output)
        except (AutograderError, KeyboardInterrupt) as stop:
            return Record([error_message(type(stop).__name__, str(stop))], in_words(stop))
        self.scope.keep(before)
        if error is not None and all(message["msg_type"] != "error" for message in messages):
            messages.append(error_message(type(error).__name__, str(error)))
        if cut:
            messages.append(cut_message(self.paper.limits.cell_output))
        return Record(messages, None if error is None else in_words(error))

    def _test(self, count: int, task: Task) -> Record:
        self._is_testing = True
        try:
            with suppress(Died):  # a test that needs the room says so itself
                self._present()
            record = self._here(count, task)
        finally:
            self._is_testing = False
        if record.error is None:
            for message in record.messages:
                if message["msg_type"] == "stream" and message["content"]["name"] == "stderr":
                    message["content"]["name"] = "stdout"
                    self.notes.append(f"The test `{task.id}` passed with a warning, which costs no marks.")
        with suppress(AutograderError):
            self._give_back()
            self._give(count, task)
        return record

    def _give(self, count: int, task: Task) -> None:
        """Takes what the visible part of a test made into the room, if later cells of the student's read it."""
        later = (each.source for each in self.paper.tasks[count:] if each.role is Role.STUDENT)
        values, source = self.scope.made_by(task.shown, task.hidden, {name for each in later for name in cell.read(each).reads})
        if not (values or source):
            return
        try:
            self._present().ask("give", values=values, deleted=[], source=source)
        except (TypeError, Refused) as error:
            self.notes.append(f"What the test `{task.id}` made was not there for later cells: {error}")
        else:
            self._given.append({"values": values, "deleted": [], "source": source})

    def _repetitions(self) -> Iterator[str]:
        """What looks like finite differences."""
        for (source, name), counts in self._counts.items():
            with suppress(NotReady):
                if source:
                    tape = self.session.tape(name[1:])
                    operation = repeated(tape, name[1:], counts)
                else:
                    operation = next(filter(None, (repeated_whole(tape, counts) for tape in self.session.tapes.values())), "")
                if operation:
                    seen = f"`{name}` runs `{operation}` {counts[operation]:,} times"
                    yield f"Look at finite differences: {seen}. It may be a loop over all entries instead."

    def _give_back(self) -> None:
        """What the running test did to names of the room is done there too."""
        values, deleted = self.scope.given_back()
        if (values or deleted) and self._student is not None:
            self._student.ask("give", values=values, deleted=deleted, source="")

    def _serve(self, question: str, details: Mapping[str, Any]) -> Any:
        """What the room may ask."""
        if question == "callback":
            return self._call_back(**details)
        if question == "show":
            return self._show(**details)
        raise LookupError(f"nobody answers `{question}`")

    def _call_back(self, number: int, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """A function of a test that was given to a function of the student's."""
        try:
            return {"value": self._callbacks[number](*args, **kwargs), "error": None}
        except Exception as error:
            return {"value": None, "error": faults.described(error)}

    def _show(self, what: str, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """`check` and `progress` in a student's cell."""
        if self._is_testing or self._student is None:
            return {"messages": [], "error": None}
        self._forget(self._student)
        self.shell.recorder.begin(self.paper.limits.cell_output)
        try:
            SHOWN[what](*args, **kwargs)
            error = None
        except Exception as stop:
            error = faults.described(stop)
        return {"messages": self.shell.recorder.end(), "error": error}

    def _opaque(self, value: object) -> dict[str, Any]:
        """What stands in the room for what is no data: the number of an object of its own, or of a function to call back."""
        if isinstance(value, Remote):
            return {"number": value._number}
        if not callable(value):
            raise Unsendable(f"a value of type `{type(value).__name__}` cannot be sent into the room: only data can be")
        self._callbacks.append(value)
        return {"callback": len(self._callbacks) - 1}
