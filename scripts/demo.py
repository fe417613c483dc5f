"""The main job from end to end: a course, submissions, nbgrader's own commands, marks, feedback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rich.table import Table

from autograder.terminal import Terminal
from scripts.submissions import CLASSES, ROOT, Answers, hand_in

SECONDS_FOR_A_CELL = 20

PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
"""With the programs of this environment: nbgrader calls alembic by name."""


def make_course(folder: Path, students: Mapping[str, Callable[[], Answers]], assignment: str = "backprop") -> None:
    """A course like the checkout's, in a folder of its own, with a submission of each student."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "source", folder / "source")
    config = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    (folder / "nbgrader_config.py").write_text(f"{config}\nc.Execute.timeout = {SECONDS_FOR_A_CELL}\n", encoding="utf-8")
    collect(folder, students, assignment)


def collect(course: Path, students: Mapping[str, Callable[[], Answers]], assignment: str) -> None:
    """Puts a submission of each student where nbgrader has what it collected."""
    for student, answers in students.items():
        hand_in(course / "submitted" / student / assignment, answers(), assignment)


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


def grade(course: Path, assignment: str = "backprop", quiet: bool = False, pages: str = "*") -> None:
    """Everything an instructor does between the deadline and the grades. Shows how the grading goes unless it is `quiet`.

    There is feedback for students whose names fit `pages`.
    """
    nbgrader(course, "generate_assignment", assignment)
    program = [sys.executable, "-c", "from autograder.cli.main import main; main()", "grade", assignment]
    output = subprocess.DEVNULL if quiet else None
    subprocess.run(program, cwd=course, check=True, stdout=output, env={**os.environ, "PATH": PATH})
    nbgrader(course, "generate_feedback", assignment, f"--CourseDirectory.student_id={pages}")
    nbgrader(course, "export")


def marks(course: Path, assignment: str = "backprop") -> dict[str, dict[str, tuple[float, float]]]:
    """Points and the most that can be had, by student and notebook, from nbgrader's gradebook."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db", course_id="backprop-ninja") as gradebook:
        return {
            submission.student.id: {nb.name: (nb.score, nb.max_score) for nb in submission.notebooks}
            for submission in gradebook.assignment_submissions(assignment)
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
    console = Terminal()
    shutil.rmtree(course, ignore_errors=True)
    make_course(course, {})
    unexpected = []
    for assignment, (students, expected) in CLASSES.items():
        collect(course, students, assignment)
        console.print(
            f"autograder grade {assignment}: {len(students)} submissions, in rooms, where a cell has "
            f"{SECONDS_FOR_A_CELL} seconds.\n"
        )
        grade(course, assignment)
        console.print("\nIn nbgrader's gradebook:")
        scores = marks(course, assignment)
        console.print(table(assignment, students, scores))
        for who, points in expected.items():
            got = tuple(score for score, _ in scores[who].values())
            if got != points:
                unexpected.append(f"{who} has {listed(got)} in {assignment}, and {listed(points)} were expected")
    console.print(f"feedback: {(course / 'feedback').relative_to(ROOT)}/STUDENT/ASSIGNMENT/*.html", highlight=False)
    console.print(f"grades:   {(course / 'grades.csv').relative_to(ROOT)}", highlight=False)
    console.print(f"go on:    cd {course.relative_to(ROOT)}; ../.venv/bin/autograder grade --help", highlight=False)
    if unexpected:
        sys.exit(
            f"\nNot the marks that were expected: {'; '.join(unexpected)}. On a very busy machine a cell may have run "
            f"out of its {SECONDS_FOR_A_CELL} seconds: run `make demo` again when there is less to do."
        )


def listed(points: Iterable[float]) -> str:
    return " + ".join(f"{each:g}" for each in points)


def table(title: str, students: Iterable[str], scores: Mapping[str, Mapping[str, tuple[float, float]]]) -> Table:
    """Marks, a line for each student: of every notebook, and their sum."""
    found = Table("student", title=title)
    found.columns[0].no_wrap = True
    for student in students:
        points = scores[student]
        if len(found.columns) == 1:
            for name in (*points, "sum"):
                found.add_column(name.replace("-", " "), justify="right", min_width=8)
        total = (sum(got for got, _ in points.values()), sum(most for _, most in points.values()))
        found.add_row(student, *(f"{got:g} of {most:g}" for got, most in (*points.values(), total)))
    return found


if __name__ == "__main__":
    main()
