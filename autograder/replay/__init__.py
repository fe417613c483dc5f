"""A student's cell as Python, and running it again.

`parsed` reads a cell: its statements, and the names that it reads, makes and changes. `run` runs a cell or a function on a
case, in a copy of the notebook's names, with autograd off and nothing reaching the notebook; `answer` does so with answers
that are no gradients, with a deadline, and a `drill` with classes. `stop` says where code stopped with an error. A
`workspace` is where answers stand and run again, the notebook itself or a room. `form` names tensors that are not ordinary
dense ones.

May import: `tape` and below.
"""
