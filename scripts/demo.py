"""The main job from end to end: a course, submissions, nbgrader's own commands, marks, feedback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.submissions import MARKS, NOTEBOOKS, ROOT, STUDENTS, Answers, hand_in

SECONDS_FOR_A_CELL = 10

PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
"""With the programs of this environment: nbgrader calls alembic by name."""


def make_course(folder: Path, students: Mapping[str, Callable[[], Answers]]) -> None:
    """A course like the checkout's, in a folder of its own, with a submission of each student."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "source", folder / "source")
    config = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    (folder / "nbgrader_config.py").write_text(f"{config}\nc.Execute.timeout = {SECONDS_FOR_A_CELL}\n", encoding="utf-8")
    for student, answers in students.items():
        hand_in(folder / "submitted" / student / "backprop", answers())


def nbgrader(course: Path, *arguments: str, on_line: Callable[[str], None] = lambda line: None) -> None:
    """Runs one of nbgrader's commands in the course folder. Raises RuntimeError with the end of its log if it fails."""
    log: deque[str] = deque(maxlen=30)
    with subprocess.Popen(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line)
            on_line(line)
    if process.returncode:
        raise RuntimeError(f"nbgrader {' '.join(arguments)} ended with {process.returncode}:\n{''.join(log)}")


def grade(course: Path, quiet: bool = False, pages: str = "*") -> None:
    """Everything an instructor does between the deadline and the grades. Shows how the grading goes unless it is `quiet`.

    There is feedback for students whose names fit `pages`.
    """
    nbgrader(course, "generate_assignment", "backprop")
    program = [sys.executable, "-c", "from autograder.cli.main import main; main()", "grade", "backprop"]
    output = subprocess.DEVNULL if quiet else None
    subprocess.run(program, cwd=course, check=True, stdout=output, env={**os.environ, "PATH": PATH})
    nbgrader(course, "generate_feedback", "backprop", f"--CourseDirectory.student_id={pages}")
    nbgrader(course, "export")


def marks(course: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Points and the most that can be had, by student and notebook, from nbgrader's gradebook."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db", course_id="backprop-ninja") as gradebook:
        return {
            submission.student.id: {nb.name: (nb.score, nb.max_score) for nb in submission.notebooks}
            for submission in gradebook.assignment_submissions("backprop")
        }


def notes(course: Path) -> list[tuple[str, str, str]]:
    """The student, notebook and text of everything that an instructor may want to look at."""
    return [
        (path.parts[-3], path.stem, note)
        for path in sorted((course / "autograded").glob("*/*/*.ipynb"))
        for note in json.loads(path.read_text(encoding="utf-8"))["metadata"]["autograder"]["notes"]
    ]


def main() -> None:
    course = ROOT / "demo-course"
    console = Console()
    shutil.rmtree(course, ignore_errors=True)
    make_course(course, STUDENTS)
    console.print(f"A course with {len(STUDENTS)} submissions of 4 notebooks each.")
    console.print(f"autograder grade backprop: they are graded in rooms, where a cell has {SECONDS_FOR_A_CELL} seconds.\n")
    grade(course)
    console.print("\nIn nbgrader's gradebook:")
    table = Table("student", title="Marks")
    table.columns[0].no_wrap = True
    scores = marks(course)
    for name in (*NOTEBOOKS, "sum"):
        table.add_column(name.replace("-", " "), justify="right", min_width=8)
    for student in STUDENTS:
        points = [scores[student][name] for name in NOTEBOOKS]
        total = (sum(got for got, _ in points), sum(most for _, most in points))
        table.add_row(student, *(f"{got:g} of {most:g}" for got, most in (*points, total)))
    console.print(table)
    console.print(f"feedback: {(course / 'feedback').relative_to(ROOT)}/STUDENT/backprop/*.html", highlight=False)
    console.print(f"grades:   {(course / 'grades.csv').relative_to(ROOT)}", highlight=False)
    console.print(f"go on:    cd {course.relative_to(ROOT)}; ../.venv/bin/autograder grade --help", highlight=False)
    unexpected = [student for student, marks in MARKS.items() if marks != tuple(scores[student][n][0] for n in NOTEBOOKS)]
    if unexpected:
        sys.exit(f"\nNot the marks that were expected: {', '.join(unexpected)}. A very busy machine may run out of time.")


if __name__ == "__main__":
    main()
