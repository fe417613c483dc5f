"""The linter for the content of a course: no untouched exercise passes, and no answer leaks.

`linter` reads the notebooks of an assignment and has them run, solved and untouched, by `trial`, as the grader runs them;
`content` is what it asks of a solved one: gradients that are zero whatever the numbers are, and the words of the lesson.
`objectives` holds those of the lesson against what the tests ask for. `recording` records what is right on the cases of
asks, and what planted mistakes give there. `committed` is the form in which notebooks are committed, with their map.
`generated` is what nbgrader would release now, and `pairing` says which answers an ordinary test is about.

May import: `grading` and below.
"""
