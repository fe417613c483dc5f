"""Both sides of the line between the tests and a student's code.

On the trusted side `examiner` runs the locked cells and the tests of one notebook, `student` is the student's process and
its objects as seen from there, and `namespace` the names that tests see. In the room `agent` runs the student's cells,
with autograd taken out by `autograd_off`. Between them: `codec` (values as bytes, never pickle), `channel` (framed
messages), `conversation` (questions and answers) and `arguments` (changes in place). `exam` is what is given and what
comes back; `plain` says which lines of an ordinary test run where; `prefix` finds the locked cells that are the same for
all students; `capture` is a shell without a kernel; `operations` counts what an answer runs.

May import: `notebook`, `sandbox` and below. The agent imports none of the trusted side.
"""
