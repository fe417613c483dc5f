"""The linter for the content of a course: no untouched exercise passes, and no answer leaks.

`linter` reads the notebooks of an assignment and runs them, solved and untouched; `content` is what it asks of a solved
one: gradients that are zero whatever the numbers are, and the words of the lesson. `generated` is what nbgrader would
release now, and `pairing` says which answers a plain test is about.

May import: `grading` and below.
"""
