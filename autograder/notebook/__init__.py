"""What learners call in a notebook, and how it is shown there.

`api` has the public functions, which ask the session's backend; `extension` has the `%%forward` magic and the backend
that judges in the same process. `checking` does what is asked for about one answer, `overview` draws all of them. `box`
shows a verdict as text, HTML and JSON; `gradient_map` is all gradients at once and `map_view` its picture, text and HTML;
`course_map` is all assignments, with their objectives; `tally` is how far one notebook is, in a line; `logbook` keeps what was
found beside the notebook. `on_path` makes `autograder` a command in cells and in JupyterLab's terminals.

May import: `judge` and below, IPython and Pillow. Nothing of nbgrader.
"""
