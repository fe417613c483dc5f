"""Watches notebooks: on each save what was changed is judged again, and what depends on it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text
from watchfiles import Change, watch

from autograder import coaching, homework, keys, places, released, slicing, terminal
from autograder.errors import AutograderError
from autograder.graph import State
from autograder.homework import Homework
from autograder.limits import Limits
from autograder.results import Checked, Result
from autograder.tutor import Tutor
from autograder.verdict import FUSED

KEYS = {"h": "hint", "l": "list", "n": "next", "r": "reset", "q": "quit"}
CELL = 10.0
"""Seconds that a cell may take, so that nobody waits long for one that never ends; in grading it may take longer."""
STEP, TIMEOUT = 10, 100
"""Milliseconds without another change after which a save is over, and between two looks at the keyboard."""


class Watching:
    """What is known of some notebooks, and what is on the screen.

    The subject is the answer that was saved last, or that was asked for by a key: it never changes by itself. A notebook
    that could not be checked is as it was before.
    """

    def __init__(self, files: Sequence[Path], tutor: Tutor, console: Console) -> None:
        self.checked: dict[Path, Checked] = {}
        self.subject: tuple[Path, str] | None = None
        """A notebook and a test."""
        self._files = [file.resolve() for file in files]
        self._names = dict(zip(self._files, files, strict=True))
        self._tutor = tutor
        self._console = console
        self._armed = False
        """Whether the next r resets."""
        self._has_failed = False
        """Whether the screen says that a notebook could not be checked."""
        self._notices: list[RenderableType] = []
        """What is to be read on the first screen."""
        self._rounded = ""
        """The test that was told first what rounding is."""

    def start(self) -> None:
        """Checks all notebooks."""
        for file in self._files:
            self._console.print(Text(f"Checking {file.name} …", "dim"))
            try:
                self._first(file)
            except AutograderError as error:
                self.notice(places.blamed(self._names[file], error))
        self.next()
        if found := self._subject():  # so that the first save is as fast as the others
            self._tutor.check(found[0].homework, slicing.needed(found[0].homework, frozenset()))

    def notice(self, text: str) -> None:
        """Says something on the next screen."""
        self._notices.append(Text(text, "bold"))

    def saved(self, file: Path) -> None:
        """Judges again what a save may have changed, first of all the answers that were written."""
        began, self._armed = time.monotonic(), False
        before = self.checked.get(file)
        try:
            if before is None:
                if places.is_of_a_course(file):
                    self._show([terminal.headline(self._first(file))])
                return
            now = self._read(file)
            direct, touched = slicing.affected(before.homework, now)
            if touched and self._console.is_terminal:
                self._console.print(Text("Judging …", "dim"))
            elif self._has_failed:  # it is mended
                self._again()
            known, seconds = replace(before, homework=now), 0.0
            for tests in filter(None, (direct, touched - direct)):
                known = self._judge(known, tests)
                seconds = seconds or time.monotonic() - began
                if tests is direct or not direct or self._changed(before, known, tests):
                    self._judged(before, known, direct or touched, seconds)
            self.checked[file] = known
        except AutograderError as error:
            if before is not None:
                self.checked[file] = before
            self._show([Text(places.blamed(file, error), "bold red")])
            self._has_failed = True

    def press(self, key: str) -> bool:
        """Does what a key says. False ends it."""
        armed, self._armed = self._armed, False
        try:
            match key:
                case "q":
                    return False
                case "h":
                    self.hint()
                case "l":
                    self._show(terminal.listing([*self.checked.values()]))
                case "n":
                    self.next()
                case "r":
                    self.reset(armed)
                case _ if armed:
                    self._again()
        except AutograderError as error:
            self._show([Text(str(error), "bold red")])
        return True

    def next(self) -> None:
        """Goes on to what is not right yet: after the subject in the order of the course, and then from the start."""
        order = [(file, result) for file, each in self.checked.items() for result in each.results]
        at = next((index + 1 for index, (file, result) in enumerate(order) if (file, result.test) == self.subject), 0)
        ahead = [(file, result) for file, result in order[at:] + order[:at] if result.state is not State.RIGHT]
        if not ahead:
            self._show(terminal.listing([*self.checked.values()]))
            return
        file, result = ahead[0]
        self.subject = file, result.test
        self._again()

    def _again(self) -> None:
        """Shows how the subject stands."""
        if found := self._subject():
            self._show([self._where(), terminal.verdict(found[1])])

    def hint(self) -> None:
        """Says more about the subject."""
        if (found := self._subject()) is None:
            return
        checked, result = found
        tests = slicing.needed(checked.homework, {result.test})
        self._show([self._where(), coaching.hint(self._tutor, checked.homework, result, tests).for_terminal()])

    def reset(self, armed: bool) -> None:
        """Puts the subject's cell back, when it is asked for twice."""
        if (found := self._subject()) is None:
            return
        checked, result = found
        if not armed:
            self._armed = True
            self._show([self._where(), Text(f"Press r again to put the cell `{result.answer}` back as it was released.")])
            return
        kept = released.reset(checked.homework.path, result.answer)
        self.saved(checked.homework.path.resolve())
        reload = "In JupyterLab: File, Reload Notebook from Disk."
        self._show([self._where(), Text(f"The cell is as it was released. Your text is in {kept}. {reload}")])

    def _read(self, file: Path) -> Homework:
        return replace(homework.read(file), path=self._names.setdefault(file, file))

    def _first(self, file: Path) -> Checked:
        """Checks a notebook that nothing is known of yet."""
        self.checked[file] = self._tutor.check(self._read(file))
        coaching.note(self.checked[file])
        return self.checked[file]

    def _judge(self, known: Checked, tests: Set[str]) -> Checked:
        later = self._tutor.check(known.homework, slicing.needed(known.homework, tests))
        coaching.note(later)
        return known.updated(later)

    def _judged(self, before: Checked, now: Checked, tests: Set[str], seconds: float) -> None:
        """Shows the verdicts on some answers, and how others changed with them."""
        file = now.homework.path.resolve()
        self.checked[file] = now
        shown = [result for result in now.results if result.test in tests]
        first = next((result for result in shown if result.state is not State.RIGHT), shown[0])
        self.subject = file, first.test
        others = self._changed(before, now, {result.test for result in now.results} - tests)
        lines: list[RenderableType] = [self._where(), terminal.verdict(self._without_repeats(first))]
        lines += [terminal.line(result) for result in (*shown, *others) if result is not first]
        lines += [Text(f"note: {note}", "dim") for note in terminal.remarks(now)]
        if first.state is State.RIGHT:
            lines.append(Text("Press n to go on."))
        moment = time.strftime("%H:%M:%S")
        self._show([*lines, Text(f"saved at {moment}, judged in {seconds:.2f} s", "dim")])

    def _without_repeats(self, result: Result) -> Result:
        """What is said once is not said again, but of the same answer."""
        if result.verdict is None or FUSED not in result.verdict.notes:
            return result
        self._rounded = self._rounded or result.test
        if self._rounded == result.test:
            return result
        notes = tuple(note for note in result.verdict.notes if note != FUSED)
        return replace(result, verdict=replace(result.verdict, notes=notes))

    def _changed(self, before: Checked, now: Checked, tests: Set[str]) -> list[Result]:
        """Those of some results that are others now."""
        old = {result.test: result.state for result in before.results}
        return [result for result in now.results if result.test in tests and old.get(result.test) is not result.state]

    def _subject(self) -> tuple[Checked, Result] | None:
        if self.subject is None:
            return None
        file, test = self.subject
        checked = self.checked[file]
        return next(((checked, result) for result in checked.results if result.test == test), None)

    def _where(self) -> RenderableType:
        found = self._subject()
        return terminal.headline(found[0]) if found else Text()

    def _show(self, body: Sequence[RenderableType]) -> None:
        """Draws the screen anew, or writes below what is there where nobody looks."""
        self._has_failed = False
        if self._console.is_terminal:
            self._console.clear()
        for each in (*self._notices, *body):
            self._console.print(each)
        self._notices.clear()
        self._console.print()
        self._console.print(terminal.points([*self.checked.values()]))
        if self._console.is_terminal:
            self._console.print(Text("   ").join(Text.assemble((f"[{key}]", "bold"), f" {word}") for key, word in KEYS.items()))


def run(paths: Sequence[Path], console: Console) -> None:
    """Watches until q or ctrl-c. Raises ContentError where there is nothing to watch."""
    files = places.notebooks(paths)
    folders = {file.resolve().parent for file in files}
    with Tutor(Limits(cell_seconds=CELL)) as tutor, keys.pressed() as key:
        watching = Watching(files, tutor, console)
        if tutor.warning:
            watching.notice(tutor.warning)
        changes = saves(folders, watching.notice)
        next(changes)  # what is saved from now on is seen
        watching.start()
        whole = {path.resolve() for path in paths if path.is_dir()} if paths else folders
        known = {file.resolve() for file in files}
        for saved in changes:
            for file in sorted(file for file in saved if file in known or file.parent in whole):
                watching.saved(file)
            while pressed := key():
                if not watching.press(pressed):
                    return


def saves(folders: Set[Path], say: Callable[[str], object]) -> Iterator[Set[Path]]:
    """The notebooks that were saved, again and again; none where nothing happens for TIMEOUT. Falls back to polling."""

    def is_notebook(change: Change, path: str) -> bool:
        return path.endswith(".ipynb") and not os.path.basename(path).startswith(".") and change is not Change.deleted

    for polling in (None, True):
        try:
            for changes in watch(
                *folders,
                watch_filter=is_notebook,
                debounce=10 * STEP,
                step=STEP,
                rust_timeout=TIMEOUT,
                yield_on_timeout=True,
                recursive=False,
                force_polling=polling,
                poll_delay_ms=TIMEOUT,
            ):
                yield {file for _, path in changes if (file := Path(path).resolve()).is_file()}
            return
        except OSError as error:
            if polling:
                raise
            say(f"The system does not say when files change ({error}): they are looked at every {TIMEOUT} ms instead.")
