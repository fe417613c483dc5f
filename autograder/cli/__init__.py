"""The verbs of the command line, and nothing else.

`main` has those for instructors, `exercise` the one that makes a new exercise, `learner` those for learners. Each imports
what it needs when it is called: `--help` is quick.

May import: everything.
"""
