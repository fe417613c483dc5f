"""The process that has everything loaded, and forks an examiner and a student for each notebook.

`server` is that process, started by `launch`, and `client` hands it each `job`. `exam_process` is the examiner's fork and
its supervisor, who builds rooms for it and watches over their memory; `prefix_server` has run the locked cells that a
notebook begins with; `daemon` lets a process wait for the next command of the same user. `unsandboxed` stands for all of
it where there are no rooms.

May import: `examiner` and below. Not nbgrader: a process that needs it is started by `grading`.
"""
