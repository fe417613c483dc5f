"""Learning alone, in a terminal.

`workbook` is a learner's notebook as it is checked, with what a change in it touches; `locate` finds it. `checker` runs
it under the grader's conditions and `results` is what came of that. `watch` judges after every save, `screen` shows,
`history` keeps what was found, `doctor` looks at the machine.

May import: `forkserver` and below, rich and watchfiles. Nothing of nbgrader or dask.
"""
