"""Errors that learners and instructors see. Their messages say what was seen, what was expected, and the next step."""

from __future__ import annotations


class AutograderError(Exception):
    """An error whose message is all that its reader needs: IPython shows no traceback for it."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class ForwardError(AutograderError):
    """A line that cannot stand in a `%%forward` cell. `line` counts from 1; 0 is that of the magic."""

    def __init__(self, line: int, source: str, problem: str, remedy: str) -> None:
        place = f"line {line} of the forward pass" if line else "the first line of the cell"
        super().__init__(f"{place}, `{source}`: {problem}\n{remedy}")
        self.line = line


class AskError(AutograderError):
    """A line that cannot stand in an `%%ask` cell. `line` counts from 1, below the magic; 0 is the whole cell."""

    def __init__(self, line: int, source: str, problem: str, remedy: str) -> None:
        place = f"line {line} of the ask, `{source}`" if line else "the `%%ask` cell"
        super().__init__(f"{place}: {problem}\n{remedy}")
        self.line = line


class NotReady(AutograderError):
    """The notebook is not in a state in which anything can be judged."""


class NotRight(AutograderError):
    """An answer that was judged and is not right. Raised so that the test cell fails."""


class ContentError(AutograderError):
    """Course content that cannot be read."""


class Died(AutograderError):
    """The process that ran a student's cells has ended, or had to be killed."""


class UsedUp(Died):
    """The process was ended because it had used up what it may take. It is no attack, and costs one cell."""


class OutOfMemory(UsedUp):
    """It had used up its memory."""


class OutOfFiles(UsedUp):
    """It had left open nearly all the files that it may have open."""
