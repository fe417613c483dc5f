"""Watches notebooks: after each save it judges again what was changed, and what depends on that."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text
from watchfiles import Change, watch

from autograder.course import catalogue
from autograder.errors import AutograderError, ContentError
from autograder.files import quoted
from autograder.learner import history, locate, screen
from autograder.learner.checker import Checker
from autograder.learner.results import Checked, Result
from autograder.learner.workbook import Workbook, affected, needed, open_workbook
from autograder.notebook.course_map import CourseMap, chart_course, folders_beside, read_standings
from autograder.notebook.gradient_map import Status
from autograder.sandbox.limits import Limits
from autograder.terminal import Terminal
from autograder.verdict import ROUNDING

KEY_WORDS = {"h": "hint", "l": "list", "c": "course", "n": "next", "r": "reset", "q": "quit"}
ENTER, BACKSPACE = "\r\n", "\b\x7f"
PICK = Text("To go to one of them, type its number or its name, then Enter.", "dim")
COPY_SAVED = "{} is a copy of {}, and is not judged here. Work in one of them: to watch the copy, `autograder watch {}`."
WATCH_CELL_SECONDS = 10.0
"""Seconds that a cell may take, so that nobody waits long for one that never ends; in grading it may take longer."""
SAVE_MS, POLL_MS = 10, 100
"""Milliseconds without another change after which a save is over, and between two looks at the keyboard."""


class Watcher:
    """What is known of some notebooks, and what is on the screen.

    The subject is the answer that was saved last, or that was asked for by a key: it never changes by itself. A notebook
    that could not be checked is as it was before.
    """

    def __init__(self, files: Sequence[Path], checker: Checker, console: Terminal) -> None:
        self.checked: dict[Path, Checked] = {}
        self.subject: tuple[Path, str] | None = None
        """A notebook and the id of a test."""
        self._files = [file.resolve() for file in files]
        self._names = dict(zip(self._files, files, strict=True))
        self._checker = checker
        self._console = console
        self._armed = False
        """Whether the next r resets."""
        self._has_failed = False
        """Whether the screen says that a notebook could not be checked."""
        self._notices: list[RenderableType] = []
        """What the next screen begins with."""
        self._typed: str | None = None
        """What was typed below the list so far, of a number or a name; None where the list is not on the screen."""
        self._told: dict[str, str] = {}
        """For each remark on rounding the first test whose verdict made it: the verdicts of others leave it out."""

    def start(self) -> None:
        """Checks all notebooks."""
        for file in self._files:
            self._console.print(Text(f"Checking {file.name} …", "dim"))
            try:
                self._first(file)
            except AutograderError as error:
                self.notice(locate.blamed(self._names[file], error))
        self.next()
        if found := self._subject():  # so that the first save is as fast as the others
            self._checker.check(found[0].workbook, needed(found[0].workbook, frozenset()))

    def notice(self, text: str) -> None:
        """Says something on the next screen."""
        self._notices.append(Text(text, "bold"))

    def saved(self, file: Path) -> None:
        """Judges again what a save may have changed, first of all the answers that were written."""
        began, self._armed = time.monotonic(), False
        before = self.checked.get(file)
        try:
            if before is None:
                if file not in self._files and (first := locate.original(file)):
                    self._show([Text(COPY_SAVED.format(file.name, first.name, quoted(file)), "bold")])
                elif locate.is_of_a_course(file):
                    self._show([screen.headline(self._first(file))])
                return
            now = self._read(file)
            direct, touched = affected(before.workbook, now)
            if touched and self._console.is_terminal:
                self._console.print(Text("Judging …", "dim"))
            elif self._has_failed:  # the notebook is fixed, so its error goes from the screen
                self._again()
            # what was written is judged and shown first: what only depends on it may take longer
            known, seconds = replace(before, workbook=now), 0.0
            for tests in filter(None, (direct, touched - direct)):
                known = self._judge(known, tests)
                seconds = seconds or time.monotonic() - began
                if tests is direct or not direct or self._changed(before, known, tests):
                    self._judged(before, known, direct or touched, seconds)
            self.checked[file] = known
        except AutograderError as error:
            if before is not None:
                self.checked[file] = before
            self._show([Text(locate.blamed(file, error), "bold red")])
            self._has_failed = True

    def press(self, key: str) -> bool:
        """Does what a key stands for. Returns False where that is to end the watch."""
        armed, self._armed = self._armed, False
        try:
            if self._typed is not None and self._takes(key, self._typed):
                return True
            match key:
                case "q":
                    return False
                case "h":
                    self.hint()
                case "l":
                    self._list()
                case "c":
                    self._show(screen.course_map(self._course()))
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
        not_right = [(file, result) for file, result in order[at:] + order[:at] if result.state is not Status.RIGHT]
        if not not_right:
            self._show(screen.listing([*self.checked.values()]))
            return
        file, result = not_right[0]
        self.subject = file, result.test
        self._again()

    def _list(self, typed: str = "") -> None:
        """Shows all notebooks, and all answers by their numbers, one of which can be picked."""
        checked = [*self.checked.values()]
        results = [result for each in checked for result in each.results]
        self._show([*screen.listing(checked), Text(), screen.numbered(results), PICK])
        self._typed = typed
        self._console.print(typed, end="")

    def _takes(self, key: str, typed: str) -> bool:
        """Whether a key belongs to a number or a name that is typed below the list; an empty one ends with any other key."""
        if key in ENTER:
            self._typed = None
            self._go_to(typed)
        elif key in BACKSPACE:
            self._list(typed[:-1])
        elif not typed and (key in KEY_WORDS or not key.isalnum()):
            self._typed = None
            return False
        else:
            self._typed = typed + key
            self._console.print(key, end="")
        return True

    def _go_to(self, typed: str) -> None:
        """Makes the answer of a number or a name the subject: of several that of the subject's notebook, or not right yet."""
        order = [(file, result) for file, each in self.checked.items() for result in each.results]
        found = [order[int(typed) - 1]] if typed.isdecimal() and 0 < int(typed) <= len(order) else []
        found = found or [(file, result) for file, result in order if typed in result.names]
        if not found:
            near = get_close_matches(typed, [result.name for _, result in order], n=1, cutoff=locate.NEAR)
            raise ContentError(
                f"there is no `{typed}` here." + (f" Did you mean `{near[0]}`?" if near else " Press l for the list.")
            )
        here = self.subject[0] if self.subject else None
        file, result = min(found, key=lambda each: (each[0] != here, each[1].state is Status.RIGHT))
        self.subject = file, result.test
        self._again()

    def _course(self) -> CourseMap:
        """The map of the course, with the assignments that lie beside those that are watched."""
        beside = dict.fromkeys(folder for file in self._files for folder in folders_beside(file.parent))
        return chart_course(read_standings(beside) | history.standings(self.checked.values()), Path())

    def _again(self) -> None:
        """Shows how the subject stands."""
        if found := self._subject():
            self._show([self._where(), screen.verdict(found[1])])

    def hint(self) -> None:
        """Says more about the subject."""
        if (found := self._subject()) is None:
            return
        checked, result = found
        tests = needed(checked.workbook, {result.test})
        self._show([self._where(), history.hint(self._checker, checked.workbook, result, tests).for_terminal()])

    def reset(self, armed: bool) -> None:
        """Puts the subject's cell back, when it is asked for twice."""
        if (found := self._subject()) is None:
            return
        checked, result = found
        if not armed:
            self._armed = True
            self._show([self._where(), Text(f"Press r again to put the cell `{result.answer}` back as it was released.")])
            return
        kept = catalogue.reset_cell(checked.workbook.path, result.answer)
        self.saved(checked.workbook.path.resolve())
        reload = "In JupyterLab: File, Reload Notebook from Disk."
        self._show([self._where(), Text(f"The cell is as it was released. Your text is in {kept}. {reload}")])

    def _read(self, file: Path) -> Workbook:
        return replace(open_workbook(file), path=self._names.setdefault(file, file))

    def _first(self, file: Path) -> Checked:
        """Checks a notebook that nothing is known of yet."""
        self.checked[file] = history.kept(self._checker.check(self._read(file)))
        return self.checked[file]

    def _judge(self, known: Checked, tests: Set[str]) -> Checked:
        """What is known of a notebook after some of its tests are judged anew."""
        return known.updated(history.check(self._checker, known.workbook, needed(known.workbook, tests)))

    def _judged(self, before: Checked, now: Checked, tests: Set[str], seconds: float) -> None:
        """Shows the verdicts on some answers, and how others changed with them."""
        file = now.workbook.path.resolve()
        self.checked[file] = now
        shown = [result for result in now.results if result.test in tests]
        first = next((result for result in shown if result.state is not Status.RIGHT), shown[0])
        self.subject = file, first.test
        others = self._changed(before, now, {result.test for result in now.results} - tests)
        lines: list[RenderableType] = [self._where(), screen.verdict(self._without_repeats(first))]
        lines += screen.answers([result for result in (*shown, *others) if result is not first])
        lines += screen.questions([result for result in (*shown, *others) if result is not first])
        lines += [Text(f"note: {note}", "dim") for note in screen.remarks(now)]
        if first.state is Status.RIGHT:
            lines.append(Text("Press n to go on."))
        moment = time.strftime("%H:%M:%S")
        self._show([*lines, Text(f"saved at {moment}, judged in {seconds:.2f} s", "dim")])

    def _without_repeats(self, result: Result) -> Result:
        """A result without the remarks on rounding that the verdict on another answer had."""
        if result.verdict is None:
            return result

        def is_new(note: str) -> bool:
            remark = next(filter(note.startswith, ROUNDING), "")
            return not remark or self._told.setdefault(remark, result.test) == result.test

        return replace(result, verdict=replace(result.verdict, notes=tuple(filter(is_new, result.verdict.notes))))

    def _changed(self, before: Checked, now: Checked, tests: Set[str]) -> list[Result]:
        """The results of some tests whose state is another one now."""
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
        if not found:
            return Text()
        is_alone = len({each.assignment for each in self.checked.values()}) == 1
        return Text.assemble("" if is_alone else f"{found[0].assignment}: ", screen.headline(found[0]))

    def _show(self, body: Sequence[RenderableType]) -> None:
        """Draws the screen anew. Where the output is no terminal it is written below what is there."""
        self._has_failed, self._typed = False, None
        if self._console.is_terminal:
            self._console.clear()
        for each in (*self._notices, *body):
            self._console.print(each)
        self._notices.clear()
        self._console.print()
        self._console.print(screen.points([*self.checked.values()]))
        if self._console.is_terminal:
            keys = (Text.assemble((f"[{key}]", "bold"), f" {word}") for key, word in KEY_WORDS.items())
            self._console.print(Text("   ").join(keys))


def run(paths: Sequence[Path], console: Terminal) -> None:
    """Watches until q or ctrl-c. Raises ContentError where there is nothing to watch."""
    files = locate.find_notebooks(paths)
    folders = {file.resolve().parent for file in files}
    with Checker(Limits(cell_seconds=WATCH_CELL_SECONDS)) as checker, pressed_keys() as key:
        watching = Watcher(files, checker, console)
        if checker.warning:
            watching.notice(checker.warning)
        changes = saves(folders, watching.notice)
        next(changes)  # the system begins to report: what is saved during the first check is not missed
        watching.start()
        given = {path.resolve() for path in paths if path.is_dir()}
        whole = {folder for folder in folders if not given.isdisjoint({folder, folder.parent})} if paths else folders
        known = {file.resolve() for file in files}
        for saved in changes:
            for file in sorted(file for file in saved if file in known or file.parent in whole):
                watching.saved(file)
            while pressed := key():
                if not watching.press(pressed):
                    return


def saves(folders: Set[Path], say: Callable[[str], object]) -> Iterator[Set[Path]]:
    """The notebooks that were saved, again and again; none where nothing happens for POLL_MS. Falls back to polling."""

    def is_notebook(change: Change, path: str) -> bool:
        return path.endswith(".ipynb") and not os.path.basename(path).startswith(".") and change is not Change.deleted

    for polling in (None, True):
        try:
            for changes in watch(
                *folders,
                watch_filter=is_notebook,
                debounce=10 * SAVE_MS,
                step=SAVE_MS,
                rust_timeout=POLL_MS,
                yield_on_timeout=True,
                recursive=False,
                force_polling=polling,
                poll_delay_ms=POLL_MS,
            ):
                yield {file for _, path in changes if (file := Path(path).resolve()).is_file()}
            return
        except OSError as error:
            if polling:
                raise
            say(f"The system does not say when files change ({error}): they are looked at every {POLL_MS} ms instead.")


Keys = Callable[[], str]


@contextmanager
def pressed_keys() -> Iterator[Keys]:
    """Gives a function that returns the next key that was pressed, or nothing; always nothing where there is no terminal."""
    if not sys.stdin.isatty():
        yield str
    elif sys.platform == "win32":
        import msvcrt

        yield lambda: msvcrt.getwch() if msvcrt.kbhit() else ""
    else:
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)  # ctrl-c still interrupts
        try:
            yield lambda: _key(descriptor)
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _key(descriptor: int) -> str:
    ready, _, _ = select.select([descriptor], [], [], 0)
    return os.read(descriptor, 1).decode(errors="replace") if ready else ""
