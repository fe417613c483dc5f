"""The linter for the content of a course: no untouched exercise passes, and no answer leaks.

`linter` reads the notebooks of an assignment, and has `trial` run them, solved and untouched, as the grader runs what is
handed in; `content` is what it asks of a solved one: gradients that are zero whatever the numbers are, and the lesson's words.

May import: `grading` and below.
"""
