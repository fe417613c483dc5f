"""What students and tests call in a notebook. Each call is passed on to the backend of the running session.

Nothing that judges is imported here: in a room there is none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograder.course.questions import Question
from autograder.errors import NotReady, NotRight
from autograder.judge.session import Session, current_session
from autograder.tape.cases import generator_of

if TYPE_CHECKING:
    import torch

COURSE = "course"
SHOWN = ("notebook", COURSE)
"""What `progress` shows."""


def check(name: str, by: str | None = None) -> None:
    """Says whether the gradient `name` is right, from the cell that last assigned it.

    With `by`, the gradient is the one that the function of that name returns. Shows the verdict, and raises NotRight
    for anything but a right answer, so that the cell fails; raises NotReady where nothing can be judged yet.
    """
    session = current_session()
    session.backend.check(session, Question(name, by or ""))


def grade(name: str, by: str | None = None) -> None:
    """Judges like `check`, on more and other cases, and shows no expected numbers; where nbgrader is to say so, no diagnosis.

    Returns only if the answer is right, and then shows nothing: `check` before it has said so. Everything else, a fault
    in the judge included, raises, because nbgrader gives full marks to a test cell that ends without an error.
    The same submission gives the same verdict every time.
    """
    session = _session_for_marks(name)
    session.backend.grade(session, Question(name, by or ""))


def exam_generator(name: str) -> torch.Generator:
    """A generator of random numbers for a hidden test, for what nobody can have seen before the exam.

    It is the same for the same submission and name, and another one for each student: it comes from the seed of the exam,
    as the cases of `grade` do. A notebook has no such seed, nor has an nbgrader without our examiner: there all get the same.
    """
    return generator_of(f"exam{current_session().seed}", name)


def hint(name: str, by: str | None = None) -> None:
    """Shows the next hint for the gradient `name`: each call says a little more. `by` is as in `check`.

    If the last check named a mistake, the hint is about that first. Raises NotReady for a name without a gradient.
    """
    session = current_session()
    session.backend.hint(session, Question(name, by or ""))


def solution(name: str, anyway: bool = False, by: str | None = None) -> None:
    """Shows the model answer for `name`, and other forms of it, from the instructor's notebook where that is at hand.

    `by` is as in `check`.

    Raises NotReady if the answer was not found right by a check yet, unless it is wanted `anyway`.
    """
    session = current_session()
    session.backend.solution(session, Question(name, by or ""), anyway)


def progress(of: str = "notebook") -> None:
    """Shows the gradient map: every gradient of the notebook, and which are right.

    `progress("course")` shows the map of the course: all assignments, each with its objectives and the next step.

    What was run since the kernel started is judged now, all else is as it was when it was last checked.
    Raises NotReady where no forward pass was recorded, and for anything else to show.
    """
    if of not in SHOWN:
        raise NotReady(f'`progress()` shows this notebook, and `progress("{COURSE}")` the course: there is no map of {of!r}.')
    session = current_session()
    session.backend.progress(session, of == COURSE)


def _session_for_marks(name: str) -> Session:
    """The running session. Whatever goes wrong is a NotRight: even SystemExit, with which a test cell would end well."""
    try:
        return current_session()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise NotRight(f"{name}: could not tell. {type(error).__name__}: {error}") from error
